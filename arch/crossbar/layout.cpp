// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Cutting a matrix into arrays; see layout.hpp.
#include "arch/crossbar/layout.hpp"

#include "arch/crossbar/coding.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace tessera::arch::crossbar {
namespace {

/// Physical columns of one row block, for one strand (all slices side by side, or one slice of
/// separate arrays).
struct Strand {
  int slice = 0;            ///< first slice
  int digits = 1;           ///< slices side by side
  std::int64_t data = 0;    ///< physical columns that hold weights
  std::int64_t offset = 0;  ///< 1 when the offset column follows them
};

std::vector<Strand> strands(const Spec& spec, const MatrixOp& matrix) {
  const int slices = num_slices(spec, matrix.w_bits);
  const std::int64_t per_digit = columns_per_digit(spec.weight_mapping);
  const std::int64_t offset = spec.weight_mapping == WeightMapping::offset_column ? 1 : 0;
  if (spec.slice_placement == SlicePlacement::adjacent_columns) {
    return {{0, slices, matrix.cols * slices * per_digit, offset}};
  }
  std::vector<Strand> all;
  all.reserve(static_cast<std::size_t>(slices));
  for (int s = 0; s < slices; ++s) {
    all.push_back({s, 1, matrix.cols * per_digit, s == 0 ? offset : 0});
  }
  return all;
}

/// The logical columns and slices in physical columns [begin, end) of a strand.
Fragment cut(const Spec& spec, const Strand& strand, std::int64_t begin, std::int64_t end) {
  const std::int64_t per_digit = columns_per_digit(spec.weight_mapping);
  const std::int64_t per_weight = per_digit * strand.digits;
  const std::int64_t data_end = std::min(end, strand.data);
  Fragment fragment;
  fragment.cell_col = begin;
  fragment.cell_cols = static_cast<int>(end - begin);
  fragment.slice = strand.slice;
  fragment.slices = strand.digits;
  if (data_end <= begin) {  // nothing but the offset column
    fragment.col = strand.data / per_weight;
    return fragment;
  }
  fragment.col = begin / per_weight;
  fragment.cols = static_cast<int>((data_end - 1) / per_weight - fragment.col + 1);
  if (fragment.cols == 1) {  // a part of one weight
    const std::int64_t first = begin % per_weight / per_digit;
    const std::int64_t last = (data_end - 1) % per_weight / per_digit;
    fragment.slice = strand.slice + static_cast<int>(first);
    fragment.slices = static_cast<int>(last - first + 1);
  }
  return fragment;
}

std::string check(const Spec& spec, const MatrixOp& matrix) {
  constexpr std::int64_t kMaxSize = std::int64_t{1} << 40;
  if (matrix.rows < 1 || matrix.cols < 1 || matrix.groups < 1) {
    return "the matrix is empty";
  }
  if (matrix.rows > kMaxSize || matrix.cols > kMaxSize) {
    return "the matrix is larger than 2^40 on a side";
  }
  if (matrix.w_bits < 1 || matrix.w_bits > kMaxBits) {
    return "weights of " + std::to_string(matrix.w_bits) + " bits; the crossbar takes 1 to " +
           std::to_string(kMaxBits);
  }
  if (matrix.in_bits < 1 || matrix.in_bits > kMaxBits) {
    return "inputs of " + std::to_string(matrix.in_bits) + " bits; the crossbar takes 1 to " +
           std::to_string(kMaxBits);
  }
  const std::int64_t wide = matrix.cols * num_slices(spec, matrix.w_bits) * 2 + 1;
  const std::int64_t arrays = ceil_div(matrix.rows, std::int64_t{1} * spec.rows) *
                              ceil_div(wide, std::int64_t{1} * spec.columns) * matrix.groups;
  constexpr std::int64_t kMaxArrays = 4'000'000;
  if (arrays > kMaxArrays) {
    return "the matrix needs more than four million arrays";
  }
  return {};
}

/// Width of one column result as it leaves a PE that holds at most `rows` rows of it; the place
/// value of a slice is wiring and costs no bits.
int result_bits(const Spec& spec,
                const MatrixOp& matrix,
                std::int64_t rows,
                std::int64_t groups,
                bool straddles) {
  const int sum = matrix.in_bits + ceil_log2(static_cast<std::uint64_t>(rows));
  if (spec.slice_placement == SlicePlacement::adjacent_columns) {
    return sum + matrix.w_bits +
           (straddles ? 1 : 0);  // a part of a weight lacks the sign's share of the range
  }
  if (is_biased(spec.weight_mapping)) {
    // Slice 0 carries the correction, for the rows of all groups in the array: weight 0 is not cell
    // 0.
    const std::int64_t stacked = rows * groups;
    return matrix.in_bits + matrix.w_bits + ceil_log2(static_cast<std::uint64_t>(stacked));
  }
  const bool has_sign = matrix.in_signed || columns_per_digit(spec.weight_mapping) > 1 ||
                        rows_per_digit(spec.weight_mapping) > 1;
  return sum + spec.cell_bits + (has_sign ? 1 : 0);
}

}  // namespace

Layout layout(const Spec& spec, const MatrixOp& matrix) {
  Layout result;
  result.why_not = check(spec, matrix);
  if (!result.why_not.empty()) {
    return result;
  }
  const std::int64_t capacity =
      spec.rows / rows_per_digit(spec.weight_mapping);  // in rows of the matrix
  const std::vector<Strand> parts = strands(spec, matrix);
  const std::int64_t columns = spec.columns;

  // Groups per array: 1 unless several fit whole.
  std::int64_t packed = 1;
  if (spec.pack_groups) {
    std::int64_t by_columns = std::numeric_limits<std::int64_t>::max();
    for (const Strand& strand : parts) {
      by_columns = std::min(by_columns, (columns - strand.offset) / strand.data);
    }
    packed =
        std::clamp<std::int64_t>(std::min(capacity / matrix.rows, by_columns), 1, matrix.groups);
  }

  for (std::int64_t group = 0; group < matrix.groups; group += packed) {
    const std::int64_t groups = std::min(packed, matrix.groups - group);
    // Packed groups lie side by side; what follows them is cut from the whole run.
    std::int64_t widest = 0;
    for (const Strand& strand : parts) {
      widest = std::max(widest, strand.data * groups + strand.offset);
    }
    for (std::int64_t begin = 0; begin < widest; begin += columns) {
      for (std::int64_t row = 0; row < matrix.rows; row += capacity) {
        for (const Strand& strand : parts) {
          const std::int64_t width = strand.data * groups + strand.offset;
          if (begin >= width) {
            continue;
          }
          Fragment fragment;
          if (groups > 1) {
            fragment.cols = static_cast<int>(matrix.cols);
            fragment.slice = strand.slice;
            fragment.slices = strand.digits;
            fragment.cell_cols = static_cast<int>(width);
          } else {
            fragment = cut(spec, strand, begin, std::min(begin + columns, width));
          }
          fragment.row = row;
          fragment.rows = static_cast<int>(std::min(capacity, matrix.rows - row));
          fragment.group = static_cast<int>(group);
          fragment.groups = static_cast<int>(groups);
          result.fragments.push_back(fragment);
        }
      }
    }
  }
  const std::int64_t per_weight = parts.front().data / matrix.cols;
  const bool straddles =
      std::any_of(result.fragments.begin(), result.fragments.end(), [&](const Fragment& f) {
        return f.cols > 0 && f.cell_col % per_weight != 0;
      });
  result.out_bits = result_bits(spec, matrix, std::min(capacity, matrix.rows), packed, straddles);
  // |sum| <= rows * 2^(w_bits - 1) * 2^in_bits
  result.acc_bits =
      matrix.in_bits + matrix.w_bits + ceil_log2(static_cast<std::uint64_t>(matrix.rows));
  result.ok = true;
  return result;
}

Op fragment_op(OpCode code, const MatrixOp& matrix, const Fragment& fragment) {
  Op op;
  op.code = code;
  op.rows = fragment.rows * fragment.groups;
  op.cols = fragment.cols * fragment.groups;
  op.slices = fragment.slices;
  op.in_bits = matrix.in_bits;
  op.in_signed = matrix.in_signed;
  op.w_bits = matrix.w_bits;
  op.cell_cols = fragment.cell_cols;
  return op;
}

}  // namespace tessera::arch::crossbar
