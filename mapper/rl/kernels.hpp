// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The two loops in which learning spends its time, for whatever vector registers the machine has.
///
/// Bits     the same on every instruction set: an element of a product is summed in the order of
///          the inner index, one rounding per multiplication and addition (no fused ones), and only
///          different elements share a register; square root and division are IEEE's
/// Why      the build's baseline is SSE2; Eigen's product is three times slower there
///          (bench/README.md)
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tessera::mapper::rl {

enum class Isa { base, avx2, avx512 };

/// What this machine can run, worst first; base is always there.
std::vector<Isa> supported_isas();

/// A read-only matrix of which element (row, column) lies at data[row * down + column * right].
template <class T>
struct Operand {
  const T* data = nullptr;
  std::ptrdiff_t down = 1;
  std::ptrdiff_t right = 0;
};

/// c = a b with c [rows][cols], a [rows][inner], b [inner][cols]. a and c are column-major without
/// gaps; b has any strides. T is float or double.
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

/// Adam (Kingma and Ba, 2015, algorithm 1, in PyTorch's order of operations):
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   p -= step * m / (sqrt(v) * root + epsilon)
/// step = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t), computed by the caller.
template <class T>
struct AdamScales {
  T beta1 = 0;
  T beta2 = 0;
  T epsilon = 0;
  T step = 0;
  T root = 1;
};

/// One step over all parameters; the five ranges have the same length.
template <class T>
void adam_step(const AdamScales<T>& scales,
               std::span<T> parameters,
               std::span<const T> gradients,
               std::span<T> first,
               std::span<T> second);

/// target = (1 - tau) target + tau source.
template <class T>
void blend(T tau, std::span<T> target, std::span<const T> source);

}  // namespace tessera::mapper::rl
