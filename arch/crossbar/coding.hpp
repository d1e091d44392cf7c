// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Weight <-> cell values: slices, their digits and their place values, for every weight mapping.
///
/// Exact    sum over slices of place(s) * (positive - negative digit) + correction == w, where the
/// correction
///          is -2^(w_bits-1) for the biased mappings and 0 otherwise
/// Units    none (integers)
/// Source   README, "Weight mappings"
#pragma once

#include "arch/crossbar/spec.hpp"

#include <cstdint>

namespace tessera::arch::crossbar {

/// Widest weight and input that the integer kernel is exact for.
inline constexpr int kMaxBits = 24;

/// What the cells of one weight's slice hold. `negative` is used by the differential mappings only.
struct Digit {
  int positive = 0;
  int negative = 0;
};

/// Whether sum(x) times 2^(w_bits-1) must be subtracted from the result.
[[nodiscard]] constexpr bool is_biased(WeightMapping mapping) {
  return mapping == WeightMapping::offset_column || mapping == WeightMapping::biased_unit_column;
}

/// Physical columns and rows of one digit.
[[nodiscard]] constexpr int columns_per_digit(WeightMapping mapping) {
  return mapping == WeightMapping::differential_columns ? 2 : 1;
}

[[nodiscard]] constexpr int rows_per_digit(WeightMapping mapping) {
  return mapping == WeightMapping::differential_rows ? 2 : 1;
}

/// Bit slices of a weight of w_bits.
[[nodiscard]] int num_slices(const Spec& spec, int w_bits);

/// What slice `slice` of weight `w` stores.
[[nodiscard]] Digit digit(const Spec& spec, int w_bits, std::int64_t w, int slice);

/// Place value of slice `slice`, with its sign.
[[nodiscard]] std::int64_t place(const Spec& spec, int w_bits, int slice);

/// Input slices of an input of in_bits: ceil(in_bits / dac_bits), and for signed inputs the sign
/// bit in a slice of its own (README, deviation 1).
[[nodiscard]] int num_input_slices(const Spec& spec, int in_bits, bool in_signed);

}  // namespace tessera::arch::crossbar
