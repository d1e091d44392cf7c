// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Weights as integers: symmetric, without zero point.
///
/// Numbers  q = clamp(round_away(w / scale), -high, high), high = 2^(bits - 1) - 1; one bit is
///          {-1, 0}. All sums in double, in the order of the weights.
/// max      scale = max|w| / high (one bit: max|w|)
/// mse      of the scales k/25 * max|w| / high, k = 25, 24, ..., 5, the first with the least sum of
///          (w - scale * q)^2
/// kl       scale = k/25 * max|w| / high; k is one for the whole layer: of 25, 24, ..., 5 the first
///          with the least kl_divergence() (histogram.hpp) of all w / max|w| of their column, or of
///          the layer, over [-k/25, k/25] with 2^bits - 1 levels
/// twn      two bits: threshold = 0.7 * mean|w|, scale = mean of |w| where |w| > threshold,
///          q = sign(w) where |w| > threshold, else 0. Other widths: mse.
/// zero     weights that are all 0 have scale 1
/// Source   twn: F. Li, B. Zhang, B. Liu, "Ternary Weight Networks", arXiv:1605.04711 (the
///          approximate threshold and the scale that is best for it); kl: S. Migacz, "8-bit Inference with TensorRT", GTC 2017
#pragma once

#include "workloads/quantization/spec.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

/// How one column, or all weights of a layer, become integers.
struct WeightScale {
  double scale = 1.0;
  /// twn: weights of at most this magnitude are 0, the others +-1; negative: by rounding.
  double threshold = -1.0;
};

WeightScale weight_scale(std::span<const float> weights, int bits, WeightMethod method);

std::int32_t quantize_weight(float weight, const WeightScale& s, int bits);

/// The integers of a layer. `weights` is [groups * cols][rows]; `scales` has one entry, or one per
/// column.
std::vector<std::int32_t> quantize_weights(std::span<const float> weights,
                                           std::span<const WeightScale> scales,
                                           int bits);

/// Scales of a layer of `cols` columns in all groups: one, or with per_channel one per column. A
/// column's scale is at least 1/256 of the largest one's, so that its multiplier keeps 8 bits.
std::vector<WeightScale> weight_scales(std::span<const float> weights,
                                       std::int64_t cols,
                                       int bits,
                                       WeightMethod method,
                                       bool per_channel);

}  // namespace tessera
