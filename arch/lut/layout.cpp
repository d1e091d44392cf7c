// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Cutting a matrix into blocks; see layout.hpp.
#include "arch/lut/layout.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace tessera::arch::lut {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 40;
constexpr std::int64_t kMaxBlocks = 4'000'000;

std::string text(std::int64_t number) {
  return std::to_string(number);
}

std::int64_t weight_codes(const MatrixOp& matrix) {
  return num_codes(matrix.w_bits, matrix.w_codes);
}

std::int64_t input_codes(const MatrixOp& matrix) {
  return num_codes(matrix.in_bits, matrix.in_codes);
}

/// Cells beside the adder.
std::int64_t all_cells(const Spec& spec) {
  return std::int64_t{spec.rows} * (spec.columns - spec.adder_columns);
}

std::int64_t cells_of_table(
    const Spec& spec, std::int64_t w_codes, std::int64_t in_codes, int w_bits, int in_bits) {
  return w_codes * in_codes * widths(spec, w_bits, in_bits, 1).entry;
}

std::string check(const Spec& spec, const MatrixOp& matrix) {
  if (matrix.rows < 1 || matrix.cols < 1 || matrix.groups < 1) {
    return "the matrix is empty";
  }
  if (matrix.rows > kMaxSize || matrix.cols > kMaxSize) {
    return "the matrix is larger than 2^40 on a side";
  }
  if (matrix.w_bits < 1 || matrix.w_bits > kMaxBits || matrix.in_bits < 1 ||
      matrix.in_bits > kMaxBits) {
    return "weights of " + text(matrix.w_bits) + " and inputs of " + text(matrix.in_bits) +
           " bits; codes have 1 to " + text(kMaxBits);
  }
  if (matrix.w_codes < 0 || matrix.in_codes < 0) {
    return "a negative number of codes";
  }
  const std::int64_t inputs = input_codes(matrix);
  if (inputs > spec.encoder_rows) {
    return "inputs have " + text(inputs) + " codes; the encoder has " + text(spec.encoder_rows) +
           " rows";
  }
  if (inputs > spec.counters) {
    return "inputs have " + text(inputs) +
           " codes, each with a counter for one weight code; there are " + text(spec.counters);
  }
  if (matrix.activation_rows > spec.activation_rows) {
    return "the activation is a table of " + text(matrix.activation_rows) +
           " rows; the activation memory has " + text(spec.activation_rows);
  }
  const int code = code_bits(weight_codes(matrix));
  if (table_cells(spec, matrix) + code > all_cells(spec)) {
    return "a table of " + text(weight_codes(matrix)) + " x " + text(inputs) + " products takes " +
           text(table_cells(spec, matrix)) + " cells and a code " + text(code) +
           "; the crossbar has " + text(all_cells(spec)) + " beside its adder";
  }
  return {};
}

}  // namespace

std::int64_t num_codes(int bits, int codes) {
  const std::int64_t all = std::int64_t{1} << bits;
  return codes > 0 && codes < all ? codes : all;
}

int code_bits(std::int64_t codes) {
  return std::max(1, ceil_log2(static_cast<std::uint64_t>(codes)));
}

std::int64_t codes_at_once(const Spec& spec, const Op& op) {
  return std::clamp<std::int64_t>(
      spec.counters / num_codes(op.in_bits, op.in_codes), 1, num_codes(op.w_bits, op.w_codes));
}

std::int64_t table_cells(const Spec& spec, const MatrixOp& matrix) {
  return cells_of_table(
      spec, weight_codes(matrix), input_codes(matrix), matrix.w_bits, matrix.in_bits);
}

std::int64_t table_cells(const Spec& spec, const Op& op) {
  return cells_of_table(spec,
                        num_codes(op.w_bits, op.w_codes),
                        num_codes(op.in_bits, op.in_codes),
                        op.w_bits,
                        op.in_bits);
}

Layout layout(const Spec& spec, const MatrixOp& matrix) {
  Layout result;
  result.why_not = check(spec, matrix);
  if (!result.why_not.empty()) {
    return result;
  }
  const std::int64_t words =
      (all_cells(spec) - table_cells(spec, matrix)) / code_bits(weight_codes(matrix));
  const std::int64_t cols = std::min({std::int64_t{spec.share}, matrix.cols, words});
  const std::int64_t rows =
      std::min({words / cols, matrix.rows, std::int64_t{std::numeric_limits<int>::max()}});
  const Widths wide = widths(spec, matrix.w_bits, matrix.in_bits, rows);
  if (wide.sum > spec.adder_columns) {
    result.why_not = "a sum of " + text(rows) + " products has " + text(wide.sum) +
                     " bits; the adder has " + text(spec.adder_columns) + " columns";
    return result;
  }
  if (ceil_div(matrix.rows, rows) > kMaxBlocks ||
      ceil_div(matrix.rows, rows) * ceil_div(matrix.cols, cols) > kMaxBlocks / matrix.groups) {
    result.why_not = "the matrix needs more than four million blocks";
    return result;
  }
  for (int group = 0; group < matrix.groups; ++group) {
    for (std::int64_t col = 0; col < matrix.cols; col += cols) {
      for (std::int64_t row = 0; row < matrix.rows; row += rows) {
        Fragment fragment;
        fragment.row = row;
        fragment.rows = static_cast<int>(std::min(rows, matrix.rows - row));
        fragment.col = col;
        fragment.cols = static_cast<int>(std::min(cols, matrix.cols - col));
        fragment.group = group;
        result.fragments.push_back(fragment);
      }
    }
  }
  // A whole column leaves as a code of the encoder, a part of one as a sum (README, deviation 3).
  result.out_bits = rows == matrix.rows ? code_bits(input_codes(matrix)) : wide.sum + wide.dropped;
  result.acc_bits = wide.product + ceil_log2(static_cast<std::uint64_t>(matrix.rows) + 1);
  result.ok = true;
  return result;
}

Op fragment_op(OpCode code, const MatrixOp& matrix, const Fragment& fragment) {
  Op op;
  op.code = code;
  op.rows = fragment.rows;
  op.cols = fragment.cols;
  op.in_bits = matrix.in_bits;
  op.in_signed = matrix.in_signed;
  op.w_bits = matrix.w_bits;
  op.w_codes = matrix.w_codes;
  op.in_codes = matrix.in_codes;
  return op;
}

}  // namespace tessera::arch::lut
