// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The loop over parameters in which learning spends its time, for whatever vector registers the
/// machine has.
///
/// Bits     the same on every instruction set: one rounding per operation (no fused ones); square
///          root and division are IEEE's
#pragma once

#include <span>

namespace tessera::mapper::rl {

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
