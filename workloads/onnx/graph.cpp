// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tessera::onnx {

std::string text_of(const Dims& dims) {
  return dims.empty() ? "scalar" : fmt::format("{}", fmt::join(dims, "x"));
}

std::int64_t elements_of(const Dims& dims) {
  std::int64_t product = 1;
  if (dims.size() > kMaxRank) {
    throw NodeError(
        fmt::format("a tensor has {} dimensions, at most {} are taken", dims.size(), kMaxRank));
  }
  for (const std::int64_t dim : dims) {
    if (dim < 0) {
      throw NodeError(fmt::format("a dimension of {} is negative", text_of(dims)));
    }
    if (dim > kMaxTensor || product * dim > kMaxTensor) {
      throw NodeError(fmt::format("a tensor of {} exceeds {} elements", text_of(dims), kMaxTensor));
    }
    product *= dim;
  }
  return product;
}

Tensor float_tensor(Dims dims, std::vector<float> values) {
  Tensor t;
  t.dims = std::move(dims);
  t.floats = std::move(values);
  t.has_values = true;
  return t;
}

Tensor int_tensor(Dims dims, std::vector<std::int64_t> values) {
  Tensor t;
  t.dims = std::move(dims);
  t.type = {true, 64, true};
  t.ints = std::move(values);
  t.has_values = true;
  return t;
}

ValueId Graph::add(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size()) - 1;
}

const Tensor* Graph::constant(ValueId id) const {
  return id == kNoValue ? nullptr : value(id).constant.get();
}

std::vector<std::vector<int>> readers(const Graph& graph) {
  std::vector<std::vector<int>> out(graph.values.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) {
        out[static_cast<std::size_t>(id)].push_back(static_cast<int>(n));
      }
    }
  }
  for (const ValueId id : graph.outputs) {
    out[static_cast<std::size_t>(id)].push_back(-1);
  }
  return out;
}

void prune(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  const auto need = [&](ValueId id) {
    if (id != kNoValue) {
      needed[static_cast<std::size_t>(id)] = true;
    }
  };
  const auto is_needed = [&](ValueId id) {
    return id != kNoValue && needed[static_cast<std::size_t>(id)] && graph.constant(id) == nullptr;
  };
  std::for_each(graph.outputs.begin(), graph.outputs.end(), need);
  std::vector<Node> kept;
  for (std::size_t n = graph.nodes.size(); n > 0; --n) {
    Node& node = graph.nodes[n - 1];
    if (std::any_of(node.outputs.begin(), node.outputs.end(), is_needed)) {
      std::for_each(node.inputs.begin(), node.inputs.end(), need);
      kept.push_back(std::move(node));
    }
  }
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
  for (std::size_t id = 0; id < graph.values.size(); ++id) {
    if (!needed[id]) {
      graph.values[id].constant.reset();
    }
  }
}

}  // namespace tessera::onnx
