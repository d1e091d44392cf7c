// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The table of README.md as code.
#include "arch/tile/vector_unit.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cstddef>

namespace tessera::arch::tile {
namespace {

// Per element: find the maximum, subtract it, sum up, scale by the reciprocal of the sum,
// requantize.
constexpr std::int64_t kSoftmaxElement = 5;
// Per element: sum, subtract the mean, square, sum of squares, scale, gain, offset, requantize.
constexpr std::int64_t kNormElement = 8;
// Per position: square root and reciprocal.
constexpr std::int64_t kNormNonlinear = 2;

std::int64_t activation_ops(Activation activation, const VectorUnitSpec& spec) {
  switch (activation) {
    case Activation::none:
      return 0;
    case Activation::relu:
    case Activation::relu6:
      return 1;
    case Activation::gelu:
    case Activation::sigmoid:
    case Activation::tanh:
      return spec.nonlinear_cost;
  }
  return 0;
}

}  // namespace

std::int64_t accumulate_ops(std::int64_t results) {
  return results;
}

std::int64_t final_ops(const Layer& layer, const VectorUnitSpec& spec) {
  if (!spec.ends_sums) {
    return 0;
  }
  const std::int64_t requantize = 1;
  return layer.out.channels * ((layer.has_bias ? 1 : 0) + (layer.has_batch_norm ? 1 : 0) +
                               requantize + activation_ops(layer.activation, spec));
}

std::int64_t layer_ops(const Layer& layer, const VectorUnitSpec& spec) {
  const std::int64_t channels = layer.out.channels;
  const std::int64_t window = std::int64_t{layer.window.kernel_h} * layer.window.kernel_w;
  switch (layer.kind) {
    case LayerKind::max_pool:
      return channels * window;
    case LayerKind::avg_pool:
      return channels * (window + 1);
    case LayerKind::position_embedding:
    case LayerKind::add:
      return channels * (2 + activation_ops(layer.activation, spec));
    case LayerKind::activation:
      return channels * (1 + activation_ops(layer.activation, spec));
    case LayerKind::softmax:
      return channels * (kSoftmaxElement + spec.nonlinear_cost) + layer.heads * spec.nonlinear_cost;
    case LayerKind::layer_norm:
      return channels * kNormElement + kNormNonlinear * spec.nonlinear_cost;
    case LayerKind::input:
    case LayerKind::concat:
    case LayerKind::class_token:
    case LayerKind::flatten:
    case LayerKind::slice:
      return 0;
    case LayerKind::conv:
    case LayerKind::fc:
    case LayerKind::linear:
    case LayerKind::matmul:
      return final_ops(layer, spec);
  }
  return 0;
}

Cycles vector_cycles(std::int64_t ops, const VectorUnitSpec& spec) {
  return Cycles(spec.lanes == 0 ? 0 : ceil_div(ops, spec.lanes));
}

int pe_of_program(std::size_t number, const VectorUnitSpec& spec) {
  return static_cast<int>(number % static_cast<std::size_t>(spec.pes));
}

Cycles vector_cycles(std::span<const Cycles> programs, const VectorUnitSpec& spec) {
  const auto pes = static_cast<std::size_t>(spec.pes);
  Cycles most{0};
  for (std::size_t pe = 0; pe < std::min(pes, programs.size()); ++pe) {
    Cycles sum{0};
    for (std::size_t i = pe; i < programs.size(); i += pes) {
      sum += programs[i];
    }
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace tessera::arch::tile
