// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Synthetic weights, biases, multipliers and images, generated on demand from a seed.
///
/// Shapes   weights [groups][cols][rows] with rows fastest (rows, cols, groups of matrix_shape());
///          bias and multiplier [groups * cols]. A matmul has no weights and no bias.
/// Numbers  weights are uniform in +-(2^(w_bits - 1) - 1), {-1, 0} for one bit: w_bits = 2 is
/// ternary.
///          bias[c] = -center / 256 * (sum of the column's weights) + a small random part: what
///          batch norm does to the mean, so that no channel is stuck at one end. 0 without bias and
///          batch norm. multiplier[c] is layer.multiplier, times 0.75 to 1.25 under batch norm.
/// Streams  "weights/<layer>", "bias/<layer>", "multiplier/<layer>", "input/<image>"
#pragma once

#include "workloads/network.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace tessera {

struct LayerParameters {
  std::vector<std::int32_t> weights;
  std::vector<std::int64_t> bias;
  std::vector<std::int32_t> multiplier;
};

/// Parameters of a matrix layer, synthetic or given.
using ParameterSource = std::function<LayerParameters(LayerId)>;

/// Integers of image number `image`, [height][width][channels] of the input tensor.
using InputSource = std::function<std::vector<std::int32_t>(std::int64_t image)>;

/// What a network is run on.
struct NetworkData {
  ParameterSource parameters;
  InputSource input;
};

/// The first `count` of a matrix layer's weights, all when it has fewer; none for a matmul.
std::vector<std::int32_t> synthetic_weights(const Network& network,
                                            LayerId layer,
                                            std::uint64_t seed,
                                            std::int64_t count);

/// Parameters of one matrix layer of a quantized network.
LayerParameters synthetic_parameters(const Network& network, LayerId layer, std::uint64_t seed);

/// Image number `image`, [height][width][channels]: uniform over the range of the input tensor.
std::vector<std::int32_t> synthetic_input(const Network& network,
                                          std::uint64_t seed,
                                          std::int64_t image);

/// Synthetic parameters and images. `network` must outlive the result.
NetworkData synthetic_data(const Network& network, std::uint64_t seed);

}  // namespace tessera
