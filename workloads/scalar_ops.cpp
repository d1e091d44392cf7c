// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/scalar_ops.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace tessera {

namespace {

constexpr int kOneBits = 30;  // fraction bits of the constants and of exp_neg
constexpr std::int64_t kOne = std::int64_t{1} << kOneBits;
constexpr std::int64_t kLog2E = 1549082005;  // log2(e)
constexpr std::int64_t kLn2 = 744261118;     // ln(2)

/// Product of two numbers with 30 fraction bits.
constexpr std::int64_t mul(std::int64_t a, std::int64_t b) {
  return round_shift(a * b, kOneBits);
}

/// v with `fraction` fraction bits as a number with 16; v >= 0, limited to 2^30 (far outside every
/// curve).
std::int64_t to_q16(std::int64_t v, int fraction) {
  const std::int64_t limited = std::min(v, std::int64_t{1} << 30);
  return fraction <= 16 ? limited << (16 - fraction) : limited >> (fraction - 16);
}

/// 1 - Phi(x) for x >= 0 with 16 fraction bits, x < 16; 30 fraction bits.
std::int64_t normal_tail(std::int64_t x) {
  constexpr std::int64_t kP = 248723596;  // 0.3275911 / sqrt(2)
  constexpr std::array<std::int64_t, 5> kA{
      273621191, -305476044, 1526231383, -1560310107, 1139675401};
  const std::int64_t t = round_div(kOne << 30, kOne + ((x * kP) >> 16));
  std::int64_t sum = 0;
  for (std::size_t k = kA.size(); k-- > 0;) {
    sum = mul(sum + kA[k], t);
  }
  return mul(sum, exp_neg((x * x) >> 17)) / 2;
}

std::int64_t gelu(std::int64_t t, int fraction) {
  const std::int64_t magnitude = t < 0 ? -t : t;
  if (magnitude >= std::int64_t{16} << fraction) {
    return t < 0 ? 0 : t;
  }
  const std::int64_t tail = normal_tail(to_q16(magnitude, fraction));
  return t < 0 ? -round_shift(magnitude * tail, kOneBits)
               : round_shift(magnitude * (kOne - tail), kOneBits);
}

std::int64_t sigmoid(std::int64_t t, int fraction, std::int64_t one) {
  const std::int64_t e = exp_neg(to_q16(t < 0 ? -t : t, fraction));
  return round_div(one * (t < 0 ? e : kOne), kOne + e);
}

std::int64_t hyperbolic_tangent(std::int64_t t, int fraction, std::int64_t one) {
  const std::int64_t e = exp_neg(2 * to_q16(t < 0 ? -t : t, fraction));
  const std::int64_t y = round_div(one * (kOne - e), kOne + e);
  return t < 0 ? -y : y;
}

std::int32_t to_output(std::int64_t v, const Layer& layer) {
  return encoded(static_cast<std::int32_t>(clamp_to(v, layer.out_bits, layer.out_signed)), layer);
}

}  // namespace

std::int32_t encoded(std::int32_t v, const Layer& layer) {
  const std::vector<std::int32_t>& book = layer.codebook;
  if (book.empty()) {
    return v;
  }
  const auto above = std::lower_bound(book.begin(), book.end(), v);
  if (above == book.begin()) {
    return *above;
  }
  const std::int32_t below = *(above - 1);
  return above == book.end() || std::int64_t{v} - below <= std::int64_t{*above} - v ? below
                                                                                    : *above;
}

std::int64_t exp_neg(std::int64_t z) {
  constexpr std::int64_t kZero = std::int64_t{22} << 16;  // e^-22 < 2^-31
  if (z >= kZero) {
    return 0;
  }
  const std::int64_t power = round_shift(z * kLog2E, 16);  // z * log2(e), 30 fraction bits
  const std::int64_t u = mul(power & (kOne - 1), kLn2);    // in [0, ln 2)
  // e^-u = 1 - u (1 - u/2 (1 - u/3 (...))), to the 8th term: remainder below 1.1e-7.
  std::int64_t series = kOne;
  for (int k = 8; k >= 1; --k) {
    series = kOne - mul(u, series) / k;
  }
  return series >> (power >> kOneBits);
}

std::int64_t integer_sqrt(std::int64_t v) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 31; bit > 0; bit >>= 1) {
    const std::int64_t next = root + bit;
    if (next <= 3037000499 && next * next <= v) {  // 3037000499^2 < 2^63
      root = next;
    }
  }
  return root;
}

std::int64_t round_div(std::int64_t n, std::int64_t d) {
  return n >= 0 ? (n + d / 2) / d : -((-n + d / 2) / d);
}

int activation_fraction(Activation f, int out_bits) {
  switch (f) {
    case Activation::gelu:
      return std::clamp(out_bits - 4, 0, 16);
    case Activation::sigmoid:
      return std::clamp(out_bits - 2, 0, 16);
    case Activation::tanh:
      return std::clamp(out_bits - 1, 0, 16);
    case Activation::none:
    case Activation::relu:
    case Activation::relu6:
      break;
  }
  return 0;
}

std::int64_t activate(std::int64_t t, Activation f, int out_bits) {
  const int fraction = activation_fraction(f, out_bits);
  switch (f) {
    case Activation::none:
      break;
    case Activation::relu:
    case Activation::relu6:  // the clamp to out_bits cuts at 6.0
      return std::max<std::int64_t>(0, t);
    case Activation::gelu:
      return gelu(t, fraction);
    case Activation::sigmoid:
      return sigmoid(t, fraction, max_value(out_bits, false));
    case Activation::tanh:
      return hyperbolic_tangent(t, fraction, max_value(out_bits, true));
  }
  return t;
}

std::int64_t rescale(std::int64_t acc, std::int32_t multiplier, int shift) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 62;
  std::int64_t product = 0;
  if (__builtin_mul_overflow(acc, std::int64_t{multiplier}, &product)) {
    product = (acc < 0) == (multiplier < 0) ? kLimit : -kLimit;
  }
  return round_shift(std::clamp(product, -kLimit, kLimit), shift);
}

void rescale_activate(const Layer& layer,
                      std::span<const std::int64_t> acc,
                      std::span<const std::int32_t> multiplier,
                      std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < acc.size(); ++c) {
    const std::int64_t t = rescale(acc[c], multiplier[c], layer.shift);
    y[c] = to_output(activate(t, layer.activation, layer.out_bits), layer);
  }
}

void activation_row(const Layer& layer,
                    std::span<const std::int32_t> x,
                    std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < x.size(); ++c) {
    const std::int64_t t = rescale(x[c], layer.multiplier, layer.shift);
    y[c] = to_output(activate(t, layer.activation, layer.out_bits), layer);
  }
}

void add_row(const Layer& layer,
             std::span<const std::int32_t> a,
             std::span<const std::int32_t> b,
             std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < a.size(); ++c) {
    const std::int64_t sum =
        std::int64_t{a[c]} * layer.a_multiplier + std::int64_t{b[c]} * layer.b_multiplier;
    const std::int64_t t = round_shift(sum, layer.shift);
    y[c] = to_output(activate(t, layer.activation, layer.out_bits), layer);
  }
}

void max_row(std::span<const std::int32_t> x, std::span<std::int32_t> best) {
  for (std::size_t c = 0; c < x.size(); ++c) {
    best[c] = std::max(best[c], x[c]);
  }
}

void average_row(const Layer& layer, std::span<const std::int64_t> sum, std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < sum.size(); ++c) {
    y[c] = to_output(rescale(sum[c], layer.multiplier, layer.shift), layer);
  }
}

void concat_row(const Layer& layer,
                const Layer& operand,
                std::span<const std::int32_t> x,
                std::span<std::int32_t> y) {
  const int from = operand.out_bits - (operand.out_signed ? 1 : 0);
  const int to = layer.out_bits - (layer.out_signed ? 1 : 0);
  for (std::size_t c = 0; c < x.size(); ++c) {
    y[c] = to_output(round_shift(x[c], from - to), layer);
  }
}

void embedding_row(const Layer& layer,
                   std::span<const std::int32_t> x,
                   std::span<const std::int64_t> e,
                   std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < x.size(); ++c) {
    const std::int64_t sum = std::int64_t{x[c]} * layer.multiplier + e[c];
    y[c] = to_output(round_shift(sum, layer.shift), layer);
  }
}

void token_row(const Layer& layer, std::span<const std::int64_t> e, std::span<std::int32_t> y) {
  std::transform(
      e.begin(), e.end(), y.begin(), [&](std::int64_t v) { return to_output(v, layer); });
}

void softmax_row(std::span<const std::int32_t> x,
                 int fraction,
                 int out_bits,
                 std::span<std::int32_t> y) {
  const std::int64_t top = *std::max_element(x.begin(), x.end());
  std::vector<std::int64_t> e(x.size());
  std::int64_t sum = 0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    e[c] = exp_neg(to_q16(top - x[c], fraction));
    sum += e[c];
  }
  const std::int64_t one = max_value(out_bits, false);
  for (std::size_t c = 0; c < x.size(); ++c) {
    y[c] = static_cast<std::int32_t>(round_div(e[c] * one, sum));
  }
}

void softmax_heads(const Layer& layer, std::span<const std::int32_t> x, std::span<std::int32_t> y) {
  const std::size_t row = x.size() / static_cast<std::size_t>(layer.heads);
  for (std::size_t first = 0; first < x.size(); first += row) {
    softmax_row(x.subspan(first, row), layer.shift, layer.out_bits, y.subspan(first, row));
  }
}

void layer_norm_row(std::span<const std::int32_t> x, int out_bits, std::span<std::int32_t> y) {
  constexpr int kFraction =
      6;  // of the mean; keeps the sum of 2^16 squares of 16-bit values in 64 bit
  const auto n = static_cast<std::int64_t>(x.size());
  std::int64_t sum = 0;
  for (const std::int32_t v : x) {
    sum += v;
  }
  const std::int64_t mean = round_div(sum << kFraction, n);
  std::int64_t squares = 0;
  for (const std::int32_t v : x) {
    const std::int64_t d = (std::int64_t{v} << kFraction) - mean;
    squares += d * d;
  }
  // Standard deviation with 8 fraction bits more than d.
  const std::int64_t deviation = integer_sqrt((squares / n) << 16);
  for (std::size_t c = 0; c < x.size(); ++c) {
    const std::int64_t d = (std::int64_t{x[c]} << kFraction) - mean;
    const std::int64_t z =
        deviation == 0 ? 0 : round_div(d * (std::int64_t{1} << (8 + out_bits)), 8 * deviation);
    y[c] = static_cast<std::int32_t>(clamp_to(z, out_bits, true));
  }
}

}  // namespace tessera
