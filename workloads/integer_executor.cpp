// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/integer_executor.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/receptive.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tessera {

namespace {

/// Input values gathered at once: they stay in the second-level cache.
constexpr std::int64_t kGathered = std::int64_t{1} << 16;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

void matrix(const Network& network,
            LayerId id,
            const LayerParameters& parameters,
            const ProductWeights& product,
            const OperandSource& operand,
            std::span<std::int32_t> y) {
  const Layer& layer = network.layer(id);
  const MatrixShape m = matrix_shape(network, id);
  const std::int64_t in = m.groups * m.rows;
  const std::int64_t out = m.groups * m.cols;
  const std::int64_t positions = layer.out.positions();
  const std::int64_t at_once = std::clamp<std::int64_t>(kGathered / in, 16, positions + 16);
  std::vector<std::int32_t> x;
  std::vector<std::int64_t> sum;
  for (std::int64_t first = 0; first < positions; first += at_once) {
    const std::int64_t count = std::min(at_once, positions - first);
    x.resize(at(count * in));
    for (std::int64_t k = 0; k < count; ++k) {
      for (int g = 0; g < m.groups; ++g) {
        gather(
            network,
            id,
            first + k,
            g,
            [&](std::int64_t q) { return operand(0, q); },
            std::span(x).subspan(at(k * in + g * m.rows), at(m.rows)));
      }
    }
    narrow_input(network, id, x);
    sum.assign(at(count * out), 0);
    multiply(product, m, count, x, sum);
    for (std::int64_t k = 0; k < count; ++k) {
      finish(layer,
             parameters,
             std::span(sum).subspan(at(k * out), at(out)),
             y.subspan(at((first + k) * out), at(out)));
    }
  }
}

}  // namespace

LayerWeights layer_weights(const Network& network, LayerId id, const LayerParameters& parameters) {
  LayerWeights out{{{}, parameters.bias, parameters.multiplier, parameters.embedding}, {}};
  if (network.layer(id).is_matrix() && !network.layer(id).has_dynamic_weights()) {
    out.product =
        product_weights(parameters.weights, matrix_shape(network, id), network.layer(id).a_bits);
  }
  return out;
}

void compute_layer(const Network& network,
                   LayerId id,
                   const LayerWeights* weights,
                   Tensors& tensors) {
  const Layer& layer = network.layer(id);
  const OperandSource operand = [&](int k, std::int64_t q) {
    const LayerId from = layer.inputs[at(k)];
    const auto channels = at(network.layer(from).out.channels);
    return std::span<const std::int32_t>(tensors[at(from)]).subspan(at(q) * channels, channels);
  };
  std::vector<std::int32_t>& y = tensors[at(id)];
  if (layer.kind == LayerKind::flatten) {
    y = tensors[at(layer.inputs[0])];
  } else {
    y.assign(at(layer.out.elements()), 0);
    if (layer.has_dynamic_weights()) {
      const ProductWeights product = product_weights(
          dynamic_weights(network, id, operand), matrix_shape(network, id), layer.a_bits);
      matrix(network, id, weights->parameters, product, operand, y);
    } else if (layer.is_matrix()) {
      matrix(network, id, weights->parameters, weights->product, operand, y);
    } else {
      const auto channels = at(layer.out.channels);
      for (std::int64_t p = 0; p < layer.out.positions(); ++p) {
        vector_layer(network,
                     id,
                     weights->parameters,
                     p,
                     operand,
                     std::span(y).subspan(at(p) * channels, channels));
      }
    }
  }
  for (const LayerId from : layer.inputs) {
    const bool is_read = std::any_of(
        network.layers.begin() + id + 1, network.layers.end(), [from](const Layer& later) {
          return std::find(later.inputs.begin(), later.inputs.end(), from) != later.inputs.end();
        });
    if (!is_read) {
      tensors[at(from)] = {};
    }
  }
}

IntegerExecutor::IntegerExecutor(const Network& network, const ParameterSource& parameters)
    : network_(network), weights_(network.layers.size()) {
  for (LayerId id = 1; id <= network.output(); ++id) {
    if (has_parameters(network.layer(id))) {
      weights_[at(id)] = layer_weights(network, id, parameters(id));
    }
  }
}

std::vector<std::int32_t> IntegerExecutor::run(std::vector<std::int32_t> input) const {
  if (static_cast<std::int64_t>(input.size()) != network_.layers.front().out.elements()) {
    throw InternalError(
        "workloads/integer_executor", -1, "the input does not have the size of the input tensor");
  }
  Tensors tensors(network_.layers.size());
  tensors.front() = std::move(input);
  for (LayerId id = 1; id <= network_.output(); ++id) {
    compute_layer(network_, id, &weights_[at(id)], tensors);
  }
  return std::move(tensors.back());
}

}  // namespace tessera
