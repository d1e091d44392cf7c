// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/kernels.hpp"

#include "sim/base/isa.hpp"

#include <cmath>
#include <cstddef>
#include <limits>

// A function for a target may use its instructions whatever the rest of the program is compiled
// for. The bodies are inlined into it, so one text serves all instruction sets.
namespace tessera::mapper::rl {
namespace {

/// The moments of a unit that no longer fires shrink for ever; arithmetic on subnormal numbers is a
/// hundred times slower, so what comes near them becomes zero: far less than the epsilon of Adam.
template <class T>
constexpr T kTiny = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
/// Its square, times 1 - beta2, is no subnormal number.
template <class T>
constexpr T kTinySlope = sizeof(T) == sizeof(float) ? static_cast<T>(1e-17)
                                                    : static_cast<T>(1e-150);

template <class T>
[[gnu::always_inline]] inline T without_subnormal(T value, T tiny) {
  return std::abs(value) < tiny ? T{0} : value;
}

template <class T>
[[gnu::always_inline]] inline void adam_body(const AdamScales<T>& s,
                                             std::size_t size,
                                             T* __restrict p,
                                             const T* __restrict g,
                                             T* __restrict m,
                                             T* __restrict v) {
  const AdamScales<T> k = s;
  for (std::size_t i = 0; i < size; ++i) {
    const T slope = without_subnormal(g[i], kTinySlope<T>);
    m[i] = without_subnormal(k.beta1 * m[i] + (T{1} - k.beta1) * slope, kTiny<T>);
    v[i] = without_subnormal(k.beta2 * v[i] + (T{1} - k.beta2) * slope * slope, kTiny<T>);
    p[i] -= k.step * m[i] / (std::sqrt(v[i]) * k.root + k.epsilon);
  }
}

template <class T>
void adam_base(const AdamScales<T>& s, std::size_t size, T* p, const T* g, T* m, T* v) {
  adam_body(s, size, p, g, m, v);
}

#if defined(__x86_64__)

template <class T>
[[gnu::target("avx2")]] void adam_avx2(
    const AdamScales<T>& s, std::size_t size, T* p, const T* g, T* m, T* v) {
  adam_body(s, size, p, g, m, v);
}

#endif

}  // namespace

template <class T>
void adam_step(const AdamScales<T>& scales,
               std::span<T> parameters,
               std::span<const T> gradients,
               std::span<T> first,
               std::span<T> second) {
#if defined(__x86_64__)
  if (best_isa() != Isa::base) {
    adam_avx2(scales,
              parameters.size(),
              parameters.data(),
              gradients.data(),
              first.data(),
              second.data());
    return;
  }
#endif
  adam_base(
      scales, parameters.size(), parameters.data(), gradients.data(), first.data(), second.data());
}

template <class T>
void blend(T tau, std::span<T> target, std::span<const T> source) {
  for (std::size_t i = 0; i < target.size(); ++i) {
    target[i] = (T{1} - tau) * target[i] + tau * source[i];
  }
}

template void adam_step<float>(const AdamScales<float>&,
                               std::span<float>,
                               std::span<const float>,
                               std::span<float>,
                               std::span<float>);
template void adam_step<double>(const AdamScales<double>&,
                                std::span<double>,
                                std::span<const double>,
                                std::span<double>,
                                std::span<double>);
template void blend<float>(float, std::span<float>, std::span<const float>);
template void blend<double>(double, std::span<double>, std::span<const double>);

}  // namespace tessera::mapper::rl
