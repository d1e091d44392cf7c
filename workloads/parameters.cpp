// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/parameters.hpp"

#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/scalar_ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace tessera {

std::vector<std::int32_t> synthetic_weights(const Network& network,
                                            LayerId id,
                                            std::uint64_t seed,
                                            std::int64_t count) {
  const Layer& layer = network.layer(id);
  if (layer.has_dynamic_weights()) {
    return {};
  }
  const MatrixShape m = matrix_shape(network, id);
  const std::int64_t high = max_value(layer.w_bits, true);
  const std::int64_t low = layer.w_bits == 1 ? -1 : -high;
  Rng rng(seed, "weights/" + layer.name);
  std::vector<std::int32_t> weights(
      static_cast<std::size_t>(std::min(count, m.groups * m.cols * m.rows)));
  for (std::int32_t& w : weights) {
    w = static_cast<std::int32_t>(rng.uniform(low, high));
  }
  return weights;
}

std::int64_t embedding_spread(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  const Layer& scaled =
      layer.kind == LayerKind::position_embedding ? network.layer(layer.inputs[0]) : layer;
  return std::max<std::int64_t>(1, max_value(scaled.out_bits, scaled.out_signed) / 2);
}

LayerParameters synthetic_parameters(const Network& network, LayerId id, std::uint64_t seed) {
  const Layer& layer = network.layer(id);
  if (layer.has_embedding()) {
    LayerParameters p;
    p.embedding.resize(static_cast<std::size_t>(layer.embedding_size()));
    const std::int64_t spread = embedding_spread(network, id);
    const std::int64_t factor =
        layer.kind == LayerKind::position_embedding ? layer.multiplier : std::int64_t{1};
    Rng rng(seed, "embedding/" + layer.name);
    for (std::int64_t& v : p.embedding) {
      v = rng.uniform(-spread, spread) * factor;
    }
    return p;
  }
  const MatrixShape m = matrix_shape(network, id);
  const auto channels = static_cast<std::size_t>(m.groups * m.cols);
  const auto rows = static_cast<std::size_t>(m.rows);
  LayerParameters p;
  p.bias.assign(channels, 0);
  p.multiplier.assign(channels, layer.multiplier);
  if (layer.has_dynamic_weights()) {
    return p;
  }

  p.weights = synthetic_weights(network, id, seed, kMaxWeights);
  if (layer.has_bias || layer.has_batch_norm) {
    // About a twentieth of the spread of the sum.
    const int in_bits = std::min(layer.a_bits, network.layer(layer.inputs[0]).out_bits);
    const std::int64_t spread = round_shift(integer_sqrt(m.rows), 8 - (layer.w_bits + in_bits));
    Rng bias(seed, "bias/" + layer.name);
    for (std::size_t c = 0; c < channels; ++c) {
      const auto first = p.weights.begin() + static_cast<std::ptrdiff_t>(c * rows);
      const std::int64_t sum =
          std::accumulate(first, first + static_cast<std::ptrdiff_t>(rows), std::int64_t{0});
      p.bias[c] = -round_shift(layer.center * sum, 8) + bias.uniform(-spread, spread);
    }
  }

  if (layer.has_batch_norm && layer.multiplier > 1) {
    Rng multiplier(seed, "multiplier/" + layer.name);
    for (std::int32_t& v : p.multiplier) {
      v = static_cast<std::int32_t>(round_shift(v * multiplier.uniform(192, 320), 8));
    }
  }
  return p;
}

std::vector<std::int32_t> synthetic_input(const Network& network,
                                          std::uint64_t seed,
                                          std::int64_t image) {
  const Layer& input = network.layers.front();
  std::vector<std::int32_t> values(static_cast<std::size_t>(input.out.elements()));
  Rng rng(seed, fmt::format("input/{}", image));
  for (std::int32_t& v : values) {
    v = encoded(static_cast<std::int32_t>(rng.uniform(min_value(input.out_bits, input.out_signed),
                                                      max_value(input.out_bits, input.out_signed))),
                input);
  }
  return values;
}

NetworkData synthetic_data(const Network& network, std::uint64_t seed) {
  return {[&network, seed](LayerId id) { return synthetic_parameters(network, id, seed); },
          [&network, seed](std::int64_t image) { return synthetic_input(network, seed, image); }};
}

}  // namespace tessera
