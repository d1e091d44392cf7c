// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Straight-through operations for torch's automatic differentiation. Private to this folder and
/// its tests: it includes torch.
///
/// Rounding to nearest, ties away from zero, as everywhere in the integer semantics; torch's own
///          round() sends ties to even
/// Source   straight-through estimator: Bengio, Leonard, Courville, "Estimating or Propagating
///          Gradients Through Stochastic Neurons", arXiv 1308.3432, section 4
#pragma once

#include "workloads/train/plan.hpp"

// The first one first: clang wants complete types in vectors.
// clang-format off
#include <ATen/core/ivalue.h>
#include <ATen/ATen.h>
// clang-format on

#include <cstdint>

namespace tessera::train {

/// Without a gradient.
at::Tensor round_away(const at::Tensor& x);

/// round_away(x); the gradient passes as if nothing had been done.
at::Tensor round_through(const at::Tensor& x);

/// clamp(round_away(x), low, high); the gradient passes where low <= x <= high, else it is 0.
at::Tensor quantize_through(const at::Tensor& x, std::int64_t low, std::int64_t high);

/// x * 2^-by rounded and clamped, for whole x, exactly as narrow() of network.hpp; the gradient is
/// 2^-by inside.
at::Tensor narrow_through(const at::Tensor& x, int by, std::int64_t low, std::int64_t high);

/// `value` (same shape as x, no gradient of its own) with the gradient of x.
at::Tensor replace_through(const at::Tensor& x, const at::Tensor& value);

/// Normally distributed, mean 0 and deviation 1, as many as `like`; the same for the same seed.
at::Tensor normal_like(const at::Tensor& like, std::uint64_t seed);

/// What a crossbar's converters add to the exact accumulators by clipping. The weight is cut into
/// its positive and its negative part, each into slices of cell_bits; the input into bits, the
/// sign bit counting negatively; rows into groups of adc_rows; each conversion of such a sum clips
/// at 2^adc_bits - 1 (differential columns, subtracted after conversion).
///
/// Shapes   x: [vector][group][row], whole; weights: [group * cols][row], whole; result [vector]
///          [group * cols]
at::Tensor clipping_error(const at::Tensor& x,
                          const at::Tensor& weights,
                          int x_bits,
                          const NoisePlan& noise);

}  // namespace tessera::train
