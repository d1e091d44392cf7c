// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Real weights and images for tests.
#pragma once

#include "sim/base/rng.hpp"
#include "workloads/float_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::test {

/// Nearly normal: the sum of three uniform numbers, variance 1.
inline float bell(Rng& rng) {
  return static_cast<float>(2.0 * (rng.uniform01() + rng.uniform01() + rng.uniform01()) - 3.0);
}

/// Weights whose products neither grow nor vanish, columns of different spread, small biases and
/// embeddings.
inline FloatModel float_model(const Network& network, std::uint64_t seed) {
  FloatModel model{network, std::vector<FloatParameters>(network.layers.size())};
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    FloatParameters& p = model.parameters[static_cast<std::size_t>(id)];
    Rng rng(seed, "float/" + layer.name);
    p.embedding.resize(static_cast<std::size_t>(layer.embedding_size()));
    std::generate(p.embedding.begin(), p.embedding.end(), [&] { return 0.5F * bell(rng); });
    if (!layer.is_matrix() || layer.has_dynamic_weights()) {
      continue;
    }
    const MatrixShape m = matrix_shape(network, id);
    const auto size = static_cast<float>(std::sqrt(2.0 / static_cast<double>(m.rows)));
    for (std::int64_t c = 0; c < m.groups * m.cols; ++c) {
      const auto spread = size * static_cast<float>(0.25 + 1.5 * rng.uniform01());
      for (std::int64_t r = 0; r < m.rows; ++r) {
        p.weights.push_back(spread * bell(rng));
      }
      if (layer.has_bias) {
        p.bias.push_back(0.2F * bell(rng));
      }
    }
  }
  return model;
}

/// Image number `image`, uniform in [low, high].
inline std::vector<float> float_image(
    const Network& network, std::uint64_t seed, std::int64_t image, double low, double high) {
  std::vector<float> x(static_cast<std::size_t>(network.layers.front().out.elements()));
  Rng rng(seed, "image/" + std::to_string(image));
  std::generate(
      x.begin(), x.end(), [&] { return static_cast<float>(low + (high - low) * rng.uniform01()); });
  return x;
}

/// Root of the mean of (x - y)^2.
template <class X, class Y>
double rms_difference(const X& x, const Y& y) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace tessera::test
