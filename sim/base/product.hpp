// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Product of two small matrices, for whatever vector registers the machine has.
///
/// Bits     the same on every instruction set: an element is summed in the order of the inner
///          index, one rounding per multiplication and addition (no fused ones), and only
///          different elements share a register
/// Why      the build's baseline is SSE2; Eigen's product is three times slower there
///          (bench/README.md)
#pragma once

#include "sim/base/isa.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera {

/// A read-only matrix of which element (row, column) lies at data[row * down + column * right].
template <class T>
struct Operand {
  const T* data = nullptr;
  std::ptrdiff_t down = 1;
  std::ptrdiff_t right = 0;
};

/// c = a b with c [rows][cols], a [rows][inner], b [inner][cols]. a and c are column-major without
/// gaps; b has any strides. T is float, double, std::int32_t or std::int64_t;
/// integers must not overflow.
template <class T>
void product(
    std::ptrdiff_t rows, std::ptrdiff_t cols, std::ptrdiff_t inner, const T* a, Operand<T> b, T* c);

/// The same on a given instruction set, which the machine must have.
template <class T>
void product_on(Isa isa,
                std::ptrdiff_t rows,
                std::ptrdiff_t cols,
                std::ptrdiff_t inner,
                const T* a,
                Operand<T> b,
                T* c);

}  // namespace tessera
