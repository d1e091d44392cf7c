// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Synthetic weights, biases, multipliers and images, generated on demand from a seed.
///
/// Shapes   weights [groups][cols][rows] with rows fastest (rows, cols, groups of matrix_shape());
///          bias and multiplier [groups * cols]. A matmul has no weights and no bias.
///          embedding [positions][channels] of class_token and position_embedding, which have
///          nothing else
/// Numbers  weights are uniform in +-(2^(w_bits - 1) - 1), {-1, 0} for one bit: w_bits = 2 is
/// ternary.
///          bias[c] = -center / 256 * (sum of the column's weights) + a small random part: what
///          batch norm does to the mean, so that no channel is stuck at one end. 0 without bias and
///          batch norm. multiplier[c] is layer.multiplier, times 0.75 to 1.25 under batch norm.
///          An embedding is uniform in +-embedding_spread(), times layer.multiplier for
///          position_embedding.
/// Streams  "weights/<layer>", "bias/<layer>", "multiplier/<layer>", "embedding/<layer>",
///          "input/<image>"
#pragma once

#include "workloads/network.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace tessera {

/// Parameters of a layer that has some (has_parameters()), synthetic or given.
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

/// The layer multiplies or adds something that is not computed.
inline bool has_parameters(const Layer& layer) {
  return layer.is_matrix() || layer.has_embedding();
}

/// Largest integer of a synthetic embedding: half of the full scale of the tensor read, in its
/// steps (position_embedding) or in those of the output (class_token); at least 1.
std::int64_t embedding_spread(const Network& network, LayerId layer);

/// Parameters of one layer of a quantized network.
LayerParameters synthetic_parameters(const Network& network, LayerId layer, std::uint64_t seed);

/// Image number `image`, [height][width][channels]: uniform over the range of the input tensor.
std::vector<std::int32_t> synthetic_input(const Network& network,
                                          std::uint64_t seed,
                                          std::int64_t image);

/// Synthetic parameters and images. `network` must outlive the result.
NetworkData synthetic_data(const Network& network, std::uint64_t seed);

}  // namespace tessera
