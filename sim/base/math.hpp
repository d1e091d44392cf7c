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
constexpr int ceil_log2(std::uint64_t n) { return n <= 1 ? 0 : 64 - std::countl_zero(n - 1); }

/// v / 2^shift, rounded to nearest, ties away from zero. shift <= 0 multiplies by 2^-shift.
constexpr std::int64_t round_shift(std::int64_t v, int shift) {
  if (shift <= 0) {
    return v * (std::int64_t{1} << -shift);
  }
  const std::int64_t half = std::int64_t{1} << (shift - 1);
  return v >= 0 ? (v + half) >> shift : -((-v + half) >> shift);
}

/// Smallest and largest value of a two's complement (is_signed) or unsigned integer of `bits` bits.
constexpr std::int64_t min_value(int bits, bool is_signed) {
  return is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
}

constexpr std::int64_t max_value(int bits, bool is_signed) {
  return is_signed ? (std::int64_t{1} << (bits - 1)) - 1 : (std::int64_t{1} << bits) - 1;
}

constexpr std::int64_t clamp_to(std::int64_t v, int bits, bool is_signed) {
  const std::int64_t lo = min_value(bits, is_signed);
  const std::int64_t hi = max_value(bits, is_signed);
  return v < lo ? lo : (v > hi ? hi : v);
}

}  // namespace tessera
