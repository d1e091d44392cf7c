// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Integer arithmetic whose rounding is stated in its name.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

namespace tessera {

/// Smallest q with q * d >= n, for n >= 0 and d > 0.
template <std::integral T>
constexpr T ceil_div(T n, T d) {
  return static_cast<T>(n / d + (n % d != 0 ? 1 : 0));
}

/// Smallest b with 2^b >= n, for n >= 1; 0 for n == 1.
constexpr int ceil_log2(std::uint64_t n) {
  return n <= 1 ? 0 : 64 - std::countl_zero(n - 1);
}

/// v / 2^shift, rounded to nearest, ties away from zero. shift <= 0 multiplies by 2^-shift, which
/// must not overflow; shift > 0 is exact for every v.
constexpr std::int64_t round_shift(std::int64_t v, int shift) {
  if (shift <= 0) {
    return v * (std::int64_t{1} << -shift);
  }
  if (shift > 64) {
    return 0;
  }
  const std::uint64_t magnitude =
      v < 0 ? 0 - static_cast<std::uint64_t>(v) : static_cast<std::uint64_t>(v);
  const std::uint64_t floor = shift == 64 ? 0 : magnitude >> shift;
  const auto rounded = static_cast<std::int64_t>(floor + ((magnitude >> (shift - 1)) & 1U));
  return v < 0 ? -rounded : rounded;
}

/// Smallest and largest value of a two's complement (is_signed, up to 64 bits) or unsigned (up to
/// 63 bits) integer of `bits` bits, bits >= 1.
constexpr std::int64_t min_value(int bits, bool is_signed) {
  return is_signed ? INT64_MIN >> (64 - bits) : 0;
}

constexpr std::int64_t max_value(int bits, bool is_signed) {
  return static_cast<std::int64_t>((std::uint64_t{1} << (is_signed ? bits - 1 : bits)) - 1);
}

constexpr std::int64_t clamp_to(std::int64_t v, int bits, bool is_signed) {
  const std::int64_t lo = min_value(bits, is_signed);
  const std::int64_t hi = max_value(bits, is_signed);
  return v < lo ? lo : (v > hi ? hi : v);
}

}  // namespace tessera
