// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Matrix-vector product of one crossbar, conversion by conversion.
///
/// Shapes   x: [groups * rows] in_bits; weights: [groups][cols][rows] signed w_bits; y: [groups *
/// cols] signed 64,
///          accumulated. A fragment adds the share of the slices it holds, place values and bias
///          applied
/// Units    none (integers)
/// Rounding every conversion clips to [0, 2^adc_bits - 1]; where the mapping subtracts before
/// converting
///          (differential_rows, differential_columns with analog subtraction) to
///          [-2^(adc_bits-1), 2^(adc_bits-1) - 1]. Shift-and-add is exact. adc_bits 0 never clips
/// Bias     the offset column is read by every fragment of its row block as the array that holds it
/// would: same cells,
///          same inputs, same converter, so the same number (README, deviation 3)
/// Errors   InternalError when the spans do not match the fragment
/// Source   ISAAC section V and figure 4; README, "Kernel"
#pragma once

#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::arch::crossbar {

/// Smallest ADC width for which no conversion of the spec can clip, whatever the weights and
/// inputs. With weight_flip a column stores at most half of its largest sum.
[[nodiscard]] int sufficient_adc_bits(const Spec& spec);

/// ISAAC's rule (section V): log2(rows) + v + w, one less when v or w is 1. rows a power of two.
[[nodiscard]] int isaac_adc_bits(int rows, int dac_bits, int cell_bits);

/// How conversions are evaluated.
enum class Converters {
  ideal,     ///< never clip: the exact product
  clipping,  ///< clip; columns whose conversions provably cannot clip take the exact product
  each,      ///< clip, and evaluate every single conversion: the same numbers as `clipping`, slower
};

/// One programmed array. Immutable after construction; `spec` must outlive it.
class Array {
 public:
  Array(const Spec& spec,
        const Op& op,
        const Fragment& fragment,
        std::span<const std::int32_t> weights);

  /// y += result.
  void fire(std::span<const std::int32_t> x,
            std::span<std::int64_t> y,
            Converters converters) const;

  /// Logical columns of which some conversion could clip with these weights and the worst input.
  [[nodiscard]] int num_clipping_columns() const;

 private:
  /// What one conversion sees: a physical column, or a pair that is subtracted before it.
  struct Line {
    std::size_t cells = 0;   ///< first word in planes_
    std::int64_t place = 0;  ///< place value of the slice, with its sign
    std::size_t flips = 0;   ///< first entry in flipped_
  };

  struct Column {
    std::size_t first_line = 0;
    std::size_t end_line = 0;
    bool corrected = false;  ///< 2^(w_bits-1) * sum(x) is subtracted here
    bool may_clip = false;
  };

  /// The input as bit planes, and what the unit column gives.
  struct Input {
    std::vector<std::uint64_t> planes;  ///< [input slice][row group][bit][word]
    std::vector<std::int64_t> ones;     ///< [input slice][row group], converted
    std::vector<std::int64_t> places;   ///< [input slice]
    std::vector<int> widths;            ///< [input slice]
  };

  [[nodiscard]] int rows_of(int row_group) const;
  void add_column(const Fragment& fragment, int col, std::span<const std::int32_t> weights);
  bool add_line(std::span<const int> positive, std::span<const int> negative, std::int64_t place);
  void pack(std::span<const int> cells);
  [[nodiscard]] Input slice_input(std::span<const std::int32_t> x) const;
  [[nodiscard]] std::int64_t read(std::size_t cells, const std::uint64_t* input, int width) const;
  [[nodiscard]] std::int64_t convert(std::int64_t current) const;
  [[nodiscard]] std::int64_t exact(std::size_t col, std::span<const std::int32_t> x) const;
  [[nodiscard]] std::int64_t converted(const Column& column, const Input& input) const;

  const Spec* spec_;
  Op op_;
  bool pairs_ = false;  ///< subtraction before conversion
  bool biased_ = false;
  int row_groups_ = 1;   ///< of the rows in use
  int group_rows_ = 1;   ///< matrix rows per row group
  int group_words_ = 1;  ///< 64-bit words per row group and bit plane
  int slice_width_ = 1;  ///< bits of the widest input slice
  bool unit_may_clip_ = false;
  std::vector<std::uint64_t> planes_;  ///< [line][sign][row group][cell bit][word]
  std::vector<bool> flipped_;          ///< [line][row group]
  std::vector<Line> lines_;
  std::vector<Column> columns_;
  std::vector<std::int32_t> effective_;  ///< [col][row]: the share of w that this array applies
};

}  // namespace tessera::arch::crossbar
