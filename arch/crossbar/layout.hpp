// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How a matrix is cut into arrays.
///
/// Shapes   a group of R x C weights takes R * rows_per_digit physical rows. Its physical columns
/// are, per row block,
///          adjacent_columns: ((c * slices) + s) * columns_per_digit + sign, plus the offset column
///          at the end; separate_arrays: the same with one slice per array, the offset column with
///          slice 0. They are cut at multiples of `columns`, so the slices of a weight may straddle
///          two arrays.
/// Errors   Layout::why_not for widths and sizes that no array of the kind can hold
/// Source   LRMP tile count, RWTH crossbar count X; README, "Layout"
#pragma once

#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

namespace tessera::arch::crossbar {

[[nodiscard]] Layout layout(const Spec& spec, const MatrixOp& matrix);
[[nodiscard]] Op fragment_op(OpCode code, const MatrixOp& matrix, const Fragment& fragment);

}  // namespace tessera::arch::crossbar
