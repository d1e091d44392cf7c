// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/builder.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <utility>

namespace tessera {

namespace {

[[noreturn]] void fail(const std::string& network, const NetworkProblem& problem) {
  throw InternalError("workloads/builder",
                      -1,
                      fmt::format("{}: {}: {}; expected {}, got {}",
                                  network,
                                  problem.code,
                                  problem.sentence,
                                  problem.expected,
                                  problem.got));
}

Layer make(std::string name, LayerKind kind, std::vector<LayerId> inputs) {
  Layer layer;
  layer.name = std::move(name);
  layer.kind = kind;
  layer.inputs = std::move(inputs);
  layer.has_bias = false;
  return layer;
}

Window square(int kernel, int stride, int padding, int dilation) {
  Window w;
  w.kernel_h = w.kernel_w = kernel;
  w.stride_h = w.stride_w = stride;
  w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = padding;
  w.dilation_h = w.dilation_w = dilation;
  return w;
}

Layer dense(
    std::string name, LayerKind kind, LayerId from, int channels, const DenseOptions& options) {
  Layer layer = make(std::move(name), kind, {from});
  layer.out.channels = channels;
  layer.activation = options.activation;
  layer.has_batch_norm = options.batch_norm;
  layer.has_bias = options.bias && !options.batch_norm;
  return layer;
}

}  // namespace

Builder::Builder(std::string name, Shape input, int input_bits, bool input_signed) {
  network_.name = std::move(name);
  Layer layer = make("input", LayerKind::input, {});
  layer.out = input;
  layer.out_bits = input_bits;
  layer.out_signed = input_signed;
  append(std::move(layer));
}

LayerId Builder::append(Layer layer) {
  const auto id = static_cast<LayerId>(network_.layers.size());
  for (const LayerId operand : layer.inputs) {
    if (operand < 0 || operand >= id) {
      throw InternalError(
          "workloads/builder",
          -1,
          fmt::format(
              "{}: operand {} of '{}' does not precede it", network_.name, operand, layer.name));
    }
  }
  std::vector<NetworkProblem> problems;
  const std::optional<Shape> shape = infer_shape(network_, layer, id, problems);
  if (!shape) {
    fail(network_.name, problems.front());
  }
  layer.out = *shape;
  network_.layers.push_back(std::move(layer));
  return id;
}

Network Builder::build() const {
  const std::vector<NetworkProblem> problems = check(network_);
  if (!problems.empty()) {
    fail(network_.name, problems.front());
  }
  return network_;
}

LayerId Builder::conv(std::string name, LayerId from, const ConvOptions& options) {
  Layer layer = make(std::move(name), LayerKind::conv, {from});
  layer.out.channels = options.channels;
  layer.window = square(options.kernel, options.stride, options.padding, options.dilation);
  layer.groups = options.groups;
  layer.activation = options.activation;
  layer.has_batch_norm = options.batch_norm;
  layer.has_bias = options.bias && !options.batch_norm;
  return append(std::move(layer));
}

LayerId Builder::fc(std::string name, LayerId from, int channels, const DenseOptions& options) {
  return append(dense(std::move(name), LayerKind::fc, from, channels, options));
}

LayerId Builder::linear(std::string name, LayerId from, int channels, const DenseOptions& options) {
  return append(dense(std::move(name), LayerKind::linear, from, channels, options));
}

LayerId Builder::matmul(std::string name, LayerId a, LayerId b, int heads, bool transpose_b) {
  Layer layer = make(std::move(name), LayerKind::matmul, {a, b});
  layer.heads = heads;
  layer.transpose_b = transpose_b;
  return append(std::move(layer));
}

LayerId Builder::max_pool(std::string name, LayerId from, const PoolOptions& options) {
  Layer layer = make(std::move(name), LayerKind::max_pool, {from});
  layer.window = square(options.kernel, options.stride, options.padding, 1);
  return append(std::move(layer));
}

LayerId Builder::avg_pool(std::string name, LayerId from, const PoolOptions& options) {
  Layer layer = make(std::move(name), LayerKind::avg_pool, {from});
  layer.window = square(options.kernel, options.stride, options.padding, 1);
  return append(std::move(layer));
}

LayerId Builder::global_avg_pool(std::string name, LayerId from) {
  Layer layer = make(std::move(name), LayerKind::avg_pool, {from});
  layer.window.kernel_h = shape(from).height;
  layer.window.kernel_w = shape(from).width;
  return append(std::move(layer));
}

LayerId Builder::add(std::string name, LayerId a, LayerId b, Activation activation) {
  Layer layer = make(std::move(name), LayerKind::add, {a, b});
  layer.activation = activation;
  return append(std::move(layer));
}

LayerId Builder::concat(std::string name, std::vector<LayerId> from) {
  return append(make(std::move(name), LayerKind::concat, std::move(from)));
}

LayerId Builder::class_token(std::string name, LayerId from) {
  return append(make(std::move(name), LayerKind::class_token, {from}));
}

LayerId Builder::position_embedding(std::string name, LayerId from) {
  return append(make(std::move(name), LayerKind::position_embedding, {from}));
}

LayerId Builder::activation(std::string name, LayerId from, Activation activation) {
  Layer layer = make(std::move(name), LayerKind::activation, {from});
  layer.activation = activation;
  return append(std::move(layer));
}

LayerId Builder::layer_norm(std::string name, LayerId from) {
  return append(make(std::move(name), LayerKind::layer_norm, {from}));
}

LayerId Builder::softmax(std::string name, LayerId from, int heads) {
  Layer layer = make(std::move(name), LayerKind::softmax, {from});
  layer.heads = heads;
  return append(std::move(layer));
}

LayerId Builder::flatten(std::string name, LayerId from) {
  return append(make(std::move(name), LayerKind::flatten, {from}));
}

LayerId Builder::slice_channels(std::string name, LayerId from, int begin, int count) {
  Layer layer = make(std::move(name), LayerKind::slice, {from});
  layer.slice_begin = begin;
  layer.out.channels = count;
  return append(std::move(layer));
}

LayerId Builder::slice_positions(std::string name, LayerId from, int begin, int count) {
  Layer layer = make(std::move(name), LayerKind::slice, {from});
  layer.slice_begin = begin;
  layer.slice_positions = true;
  layer.out.height = count;
  return append(std::move(layer));
}

}  // namespace tessera
