// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/kernels.hpp"

#include <cmath>
#include <limits>

// A function for a target may use its instructions whatever the rest of the program is compiled
// for. The bodies are inlined into it, so one text serves all instruction sets.
namespace tessera::mapper::rl {
namespace {

/// Lanes values of T as one vector, at any address.
template <class T, int Lanes>
struct Vector {
  using Type __attribute__((vector_size(Lanes * sizeof(T)), aligned(alignof(T)), may_alias)) = T;
};

/// c[Vectors * Lanes][Cols]: all sums stay in registers.
template <class T, int Lanes, int Vectors, int Cols>
[[gnu::always_inline]] inline void tile(std::ptrdiff_t rows,
                                        std::ptrdiff_t inner,
                                        const T* a,
                                        const T* b,
                                        std::ptrdiff_t down,
                                        std::ptrdiff_t right,
                                        T* c) {
  using V = typename Vector<T, Lanes>::Type;
  // NOLINTBEGIN(modernize-avoid-c-arrays): registers; std::array drops the attributes of V
  V sum[Cols][Vectors] = {};
  for (std::ptrdiff_t k = 0; k < inner; ++k) {
    V column[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      column[v] = *reinterpret_cast<const V*>(a + k * rows + v * Lanes);
    }
    for (int n = 0; n < Cols; ++n) {
      const T factor = b[k * down + n * right];
      for (int v = 0; v < Vectors; ++v) {
        sum[n][v] += column[v] * factor;
      }
    }
  }
  for (int n = 0; n < Cols; ++n) {
    for (int v = 0; v < Vectors; ++v) {
      *reinterpret_cast<V*>(c + n * rows + v * Lanes) = sum[n][v];
    }
  }
  // NOLINTEND(modernize-avoid-c-arrays)
}

/// c in panels of Vectors * Lanes rows, of which there are enough. The last panel overlaps the one
/// before when they do not divide the rows: that computes some elements twice, to the same bits.
template <class T, int Lanes, int Vectors, int Cols>
[[gnu::always_inline]] inline void panels(std::ptrdiff_t rows,
                                          std::ptrdiff_t cols,
                                          std::ptrdiff_t inner,
                                          const T* a,
                                          const Operand<T>& b,
                                          T* c) {
  constexpr std::ptrdiff_t kHeight = std::ptrdiff_t{Vectors} * Lanes;
  for (std::ptrdiff_t row = 0; row < rows; row += kHeight) {
    const std::ptrdiff_t top = row + kHeight <= rows ? row : rows - kHeight;
    std::ptrdiff_t col = 0;
    for (; col + Cols <= cols; col += Cols) {
      tile<T, Lanes, Vectors, Cols>(
          rows, inner, a + top, b.data + col * b.right, b.down, b.right, c + top + col * rows);
    }
    for (; col < cols; ++col) {
      tile<T, Lanes, Vectors, 1>(
          rows, inner, a + top, b.data + col * b.right, b.down, b.right, c + top + col * rows);
    }
  }
}

/// The widest panels that fit.
template <class T, int Bytes, int Vectors, int Cols>
[[gnu::always_inline]] inline void product_body(std::ptrdiff_t rows,
                                                std::ptrdiff_t cols,
                                                std::ptrdiff_t inner,
                                                const T* a,
                                                const Operand<T>& b,
                                                T* c) {
  constexpr int kLanes = Bytes / static_cast<int>(sizeof(T));
  constexpr int kFewLanes = 16 / static_cast<int>(sizeof(T));
  if (rows >= std::ptrdiff_t{Vectors} * kLanes) {
    panels<T, kLanes, Vectors, Cols>(rows, cols, inner, a, b, c);
  } else if (rows >= kLanes) {
    panels<T, kLanes, 1, Cols>(rows, cols, inner, a, b, c);
  } else if (rows >= kFewLanes) {
    panels<T, kFewLanes, 1, Cols>(rows, cols, inner, a, b, c);
  } else {
    panels<T, 1, 1, Cols>(rows, cols, inner, a, b, c);
  }
}

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
void product_base(std::ptrdiff_t rows,
                  std::ptrdiff_t cols,
                  std::ptrdiff_t inner,
                  const T* a,
                  const Operand<T>& b,
                  T* c) {
  product_body<T, 16, 2, 4>(rows, cols, inner, a, b, c);
}

template <class T>
void adam_base(const AdamScales<T>& s, std::size_t size, T* p, const T* g, T* m, T* v) {
  adam_body(s, size, p, g, m, v);
}

#if defined(__x86_64__)

template <class T>
[[gnu::target("avx2")]] void product_avx2(std::ptrdiff_t rows,
                                          std::ptrdiff_t cols,
                                          std::ptrdiff_t inner,
                                          const T* a,
                                          const Operand<T>& b,
                                          T* c) {
  product_body<T, 32, 2, 6>(rows, cols, inner, a, b, c);
}

template <class T>
[[gnu::target("avx512f")]] void product_avx512(std::ptrdiff_t rows,
                                               std::ptrdiff_t cols,
                                               std::ptrdiff_t inner,
                                               const T* a,
                                               const Operand<T>& b,
                                               T* c) {
  product_body<T, 64, 4, 6>(rows, cols, inner, a, b, c);
}

template <class T>
[[gnu::target("avx2")]] void adam_avx2(
    const AdamScales<T>& s, std::size_t size, T* p, const T* g, T* m, T* v) {
  adam_body(s, size, p, g, m, v);
}

std::vector<Isa> find_isas() {
  std::vector<Isa> out = {Isa::base};
  if (__builtin_cpu_supports("avx2") != 0) {
    out.push_back(Isa::avx2);
    if (__builtin_cpu_supports("avx512f") != 0) {
      out.push_back(Isa::avx512);
    }
  }
  return out;
}

#else

std::vector<Isa> find_isas() {
  return {Isa::base};
}

#endif

Isa best_isa() {
  static const Isa kBest = find_isas().back();
  return kBest;
}

}  // namespace

std::vector<Isa> supported_isas() {
  return find_isas();
}

template <class T>
void product_on(Isa isa,
                std::ptrdiff_t rows,
                std::ptrdiff_t cols,
                std::ptrdiff_t inner,
                const T* a,
                Operand<T> b,
                T* c) {
#if defined(__x86_64__)
  if (isa == Isa::avx512) {
    product_avx512(rows, cols, inner, a, b, c);
    return;
  }
  if (isa == Isa::avx2) {
    product_avx2(rows, cols, inner, a, b, c);
    return;
  }
#endif
  static_cast<void>(isa);
  product_base(rows, cols, inner, a, b, c);
}

template <class T>
void product(std::ptrdiff_t rows,
             std::ptrdiff_t cols,
             std::ptrdiff_t inner,
             const T* a,
             Operand<T> b,
             T* c) {
  product_on(best_isa(), rows, cols, inner, a, b, c);
}

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

template void product<float>(
    std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const float*, Operand<float>, float*);
template void product<double>(
    std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const double*, Operand<double>, double*);
template void product_on<float>(
    Isa, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const float*, Operand<float>, float*);
template void product_on<double>(
    Isa, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const double*, Operand<double>, double*);
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
