// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/layer.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/enum_name.hpp"
#include "workloads/layer_ops.hpp"
#include "workloads/receptive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

bool is_window(LayerKind kind) {
  return kind == LayerKind::conv || kind == LayerKind::avg_pool || kind == LayerKind::max_pool;
}

int taps_of(const Layer& layer) {
  return is_window(layer.kind) ? layer.window.kernel_h * layer.window.kernel_w : 1;
}

/// conv, fc and linear: the matrix [groups][cols][rows] with rows (kernel row, kernel column,
/// channel of the group).
void fill_matrix(const Network& network, LayerId id, const LayerParameters& p, LayerTask& task) {
  const Layer& layer = network.layer(id);
  const MatrixShape m = matrix_shape(network, id);
  const int in_group = static_cast<int>(m.rows) / task.taps;
  task.channels = in_group * m.groups;
  const Layer& producer = network.layer(layer.inputs[0]);
  const int bits = std::min(layer.a_bits, producer.out_bits);
  task.formats.assign(static_cast<std::size_t>(task.channels), {bits, layer.in_signed});
  task.weights.resize(static_cast<std::size_t>(task.outputs));
  for (int group = 0; group < m.groups; ++group) {
    for (std::int64_t col = 0; col < m.cols; ++col) {
      const std::int64_t output = group * m.cols + col;
      std::vector<Weight>& list = task.weights[static_cast<std::size_t>(output)];
      for (int channel = 0; channel < in_group; ++channel) {
        for (int tap = 0; tap < task.taps; ++tap) {
          const auto at =
              static_cast<std::size_t>(output * m.rows + std::int64_t{tap} * in_group + channel);
          list.push_back({(group * in_group + channel) * task.taps + tap, p.weights[at]});
        }
      }
    }
  }
  task.bias = p.bias;
  task.multiplier = p.multiplier;
  task.shift = layer.shift;
}

void fill_add(const Network& network, LayerId id, LayerTask& task) {
  const Layer& layer = network.layer(id);
  task.channels = 2 * task.outputs;
  for (int output = 0; output < task.outputs; ++output) {
    for (std::size_t k = 0; k < 2; ++k) {
      const Layer& operand = network.layer(layer.inputs[k]);
      task.formats.push_back({operand.out_bits, operand.out_signed});
    }
    task.weights.push_back(
        {{2 * output, layer.a_multiplier}, {2 * output + 1, layer.b_multiplier}});
  }
  task.bias.assign(static_cast<std::size_t>(task.outputs), 0);
  task.multiplier.assign(static_cast<std::size_t>(task.outputs), 1);
  task.shift = layer.shift;
}

/// Average pooling, and activation as one over a single position: sum * multiplier, rescaled.
void fill_average(const Network& network, LayerId id, LayerTask& task) {
  const Layer& layer = network.layer(id);
  const Layer& producer = network.layer(layer.inputs[0]);
  task.channels = task.outputs;
  task.formats.assign(static_cast<std::size_t>(task.channels),
                      {producer.out_bits, producer.out_signed});
  for (int output = 0; output < task.outputs; ++output) {
    std::vector<Weight>& list = task.weights.emplace_back();
    for (int tap = 0; tap < task.taps; ++tap) {
      list.push_back({output * task.taps + tap, 1});
    }
  }
  task.bias.assign(static_cast<std::size_t>(task.outputs), 0);
  task.multiplier.assign(static_cast<std::size_t>(task.outputs), layer.multiplier);
  task.shift = layer.shift;
}

}  // namespace

int LayerTask::max_bits() const {
  int bits = 1;
  for (const InputFormat& format : formats) {
    bits = std::max(bits, format.bits);
  }
  return bits;
}

std::int64_t LayerTask::nonzero_weights() const {
  std::int64_t count = 0;
  for (const std::vector<Weight>& list : weights) {
    count += std::count_if(list.begin(), list.end(), [](const Weight& w) { return w.value != 0; });
  }
  return count;
}

std::string task_problem(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  switch (layer.kind) {
    case LayerKind::conv:
    case LayerKind::fc:
    case LayerKind::linear:
    case LayerKind::avg_pool:
    case LayerKind::add:
      return "";
    case LayerKind::activation:
      return layer.activation == Activation::none || layer.activation == Activation::relu ||
                     layer.activation == Activation::relu6
                 ? ""
                 : fmt::format("{} is no sum", name_of(layer.activation));
    case LayerKind::matmul:
      return "its weights are made at run time, programs hold them as constants";
    default:
      return fmt::format("{} has no weights", name_of(layer.kind));
  }
}

LayerTask layer_task(const Network& network, LayerId id, const LayerParameters& parameters) {
  const std::string problem = task_problem(network, id);
  const Layer& layer = network.layer(id);
  if (!problem.empty()) {
    throw InternalError("arch/rtm_ap/compiler", -1, layer.name + ": " + problem);
  }
  LayerTask task;
  task.name = layer.name;
  task.taps = taps_of(layer);
  task.outputs = layer.out.channels;
  task.positions = layer.out.positions();
  task.activation = layer.kind == LayerKind::avg_pool ? Activation::none : layer.activation;
  task.out_bits = layer.out_bits;
  task.out_signed = layer.out_signed;
  if (layer.kind == LayerKind::add) {
    fill_add(network, id, task);
  } else if (layer.kind == LayerKind::avg_pool || layer.kind == LayerKind::activation) {
    fill_average(network, id, task);
  } else {
    fill_matrix(network, id, parameters, task);
  }
  return task;
}

std::vector<std::int32_t> layer_inputs(const Network& network,
                                       LayerId id,
                                       const TensorOf& tensor,
                                       std::int64_t p) {
  const Layer& layer = network.layer(id);
  const auto operand = [&](int k, std::int64_t q) {
    const LayerId from = layer.inputs[static_cast<std::size_t>(k)];
    const auto channels = static_cast<std::size_t>(network.layer(from).out.channels);
    return tensor(from).subspan(static_cast<std::size_t>(q) * channels, channels);
  };
  if (!layer.is_matrix()) {
    return vector_inputs(network, id, p, operand);
  }
  const MatrixShape m = matrix_shape(network, id);
  const auto taps = static_cast<std::size_t>(taps_of(layer));
  const std::size_t in_group = static_cast<std::size_t>(m.rows) / taps;
  std::vector<std::int32_t> rows(static_cast<std::size_t>(m.rows));
  std::vector<std::int32_t> inputs(rows.size() * static_cast<std::size_t>(m.groups));
  for (int group = 0; group < m.groups; ++group) {
    gather(
        network, id, p, group, [&](std::int64_t q) { return operand(0, q); }, rows);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const std::size_t channel = static_cast<std::size_t>(group) * in_group + row % in_group;
      inputs[channel * taps + row / in_group] = rows[row];
    }
  }
  narrow_input(network, id, inputs);
  return inputs;
}

}  // namespace tessera::arch::rtm_ap
