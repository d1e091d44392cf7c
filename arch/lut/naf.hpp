// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Non-adjacent form: a count as the fewest signed powers of two.
///
/// Source   G. W. Reitwiesner, "Binary arithmetic", 1960; README, "Kernel"
#pragma once

#include <cstdint>
#include <vector>

namespace tessera::arch::lut {

/// One digit: (negative ? -1 : 1) * 2^shift.
struct SignedPower {
  int shift = 0;
  bool negative = false;
};

/// Digits of n >= 0, lowest first; n is their sum.
[[nodiscard]] inline std::vector<SignedPower> naf(std::int64_t n) {
  std::vector<SignedPower> digits;
  for (int shift = 0; n != 0; ++shift, n /= 2) {
    if (n % 2 != 0) {
      const bool negative = n % 4 == 3;
      digits.push_back({shift, negative});
      n += negative ? 1 : -1;
    }
  }
  return digits;
}

/// Digits that are not zero.
[[nodiscard]] inline std::int64_t num_naf_digits(std::int64_t n) {
  std::int64_t digits = 0;
  for (; n != 0; n /= 2) {
    if (n % 2 != 0) {
      n += n % 4 == 3 ? 1 : -1;
      ++digits;
    }
  }
  return digits;
}

/// What the counting of a column takes and leaves behind.
struct Counted {
  std::int64_t increments = 0;  ///< times the counters take to count
  std::int64_t addends = 0;     ///< table entries, each shifted by one digit's power

  bool operator==(const Counted&) const = default;
};

}  // namespace tessera::arch::lut
