// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How a matrix is cut into RNA blocks: `share` columns of one group per block, with all rows where
/// the block has room for their weight codes.
///
/// Shapes   a block of N rows and C columns holds w * u table entries, w and u the codes there may
/// be, and N * C weight codes of ceil(log2 w) bits in
///          rows * (columns - adder_columns) cells; all columns of a layer share one codebook, so a
///          block has one table
/// Errors   Layout::why_not for codes that counters or encoder cannot tell apart, and for tables
/// and sums without room
/// Source   README, "Layout"
#pragma once

#include "arch/lut/spec.hpp"
#include "sim/api/model.hpp"

namespace tessera::arch::lut {

[[nodiscard]] Layout layout(const Spec& spec, const MatrixOp& matrix);
[[nodiscard]] Op fragment_op(OpCode code, const MatrixOp& matrix, const Fragment& fragment);

/// How many codes there are of each operand. `codes` 0: all of `bits`.
[[nodiscard]] std::int64_t num_codes(int bits, int codes);

/// Bits of a code.
[[nodiscard]] int code_bits(std::int64_t codes);

/// Weight codes that find counters for all input codes, and so count side by side: at least one.
[[nodiscard]] std::int64_t codes_at_once(const Spec& spec, const Op& op);

/// Crossbar cells that the product table takes.
[[nodiscard]] std::int64_t table_cells(const Spec& spec, const MatrixOp& matrix);
[[nodiscard]] std::int64_t table_cells(const Spec& spec, const Op& op);

}  // namespace tessera::arch::lut
