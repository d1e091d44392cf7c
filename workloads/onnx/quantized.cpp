// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/quantized.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tessera::onnx {

LayerParameters quantized_parameters(const Network& network,
                                     LayerId layer,
                                     const FloatParameters& parameters,
                                     double input_scale,
                                     std::optional<double> output_scale) {
  const Layer& l = network.layer(layer);
  const MatrixShape m = matrix_shape(network, layer);
  const Layer& producer = network.layer(l.inputs[0]);
  double largest = 0.0;
  for (const float w : parameters.weights) {
    largest = std::max(largest, std::abs(static_cast<double>(w)));
  }
  const auto high = static_cast<double>(std::max<std::int64_t>(1, max_value(l.w_bits, true)));
  const double weight_scale = largest > 0.0 ? largest / high : 1.0;
  const double step =
      weight_scale * std::ldexp(input_scale, std::max(0, producer.out_bits - l.a_bits));
  LayerParameters p;
  p.weights.reserve(parameters.weights.size());
  for (const float w : parameters.weights) {
    const std::int64_t q = std::llround(static_cast<double>(w) / weight_scale);
    p.weights.push_back(static_cast<std::int32_t>(clamp_to(q, l.w_bits, true)));
  }
  p.bias.assign(static_cast<std::size_t>(m.groups * m.cols), 0);
  std::transform(parameters.bias.begin(), parameters.bias.end(), p.bias.begin(), [&](float b) {
    return std::llround(std::clamp(static_cast<double>(b) / step, -0x1p52, 0x1p52));
  });
  const double multiplier =
      output_scale ? std::ldexp(step / *output_scale, l.shift) : static_cast<double>(l.multiplier);
  constexpr double kLargest = std::numeric_limits<std::int32_t>::max();
  p.multiplier.assign(
      p.bias.size(), static_cast<std::int32_t>(std::lround(std::clamp(multiplier, 1.0, kLargest))));
  return p;
}

}  // namespace tessera::onnx
