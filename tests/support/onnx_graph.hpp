// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Float graphs written in tests: one input "x", nodes one after the other.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/onnx/graph.hpp"
#include "workloads/onnx/read.hpp"
#include "workloads/onnx/simplify.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tessera::test {

using onnx::Dims;
using onnx::ValueId;

class GraphMaker {
 public:
  explicit GraphMaker(Dims input, int opset = 13) {
    graph_.opset = opset;
    onnx::Value x;
    x.name = "x";
    x.dims = std::move(input);
    graph_.inputs = {graph_.add(std::move(x))};
  }

  [[nodiscard]] ValueId x() const { return graph_.inputs[0]; }

  ValueId floats(Dims dims, std::vector<float> values) {
    return constant(onnx::float_tensor(std::move(dims), std::move(values)));
  }

  ValueId ints(std::vector<std::int64_t> values, onnx::ElementType type = {true, 64, true}) {
    onnx::Tensor t = onnx::int_tensor({static_cast<std::int64_t>(values.size())}, values);
    t.type = type;
    return constant(std::move(t));
  }

  ValueId int_scalar(std::int64_t value, onnx::ElementType type) {
    onnx::Tensor t = onnx::int_tensor({}, {value});
    t.type = type;
    return constant(std::move(t));
  }

  ValueId constant(onnx::Tensor t) {
    onnx::Value value;
    value.name = "constant" + std::to_string(graph_.values.size());
    value.dims = t.dims;
    value.type = t.type;
    value.constant = std::make_shared<const onnx::Tensor>(std::move(t));
    return graph_.add(std::move(value));
  }

  ValueId node(const std::string& op,
               std::vector<ValueId> inputs,
               std::map<std::string, onnx::Attribute> attributes = {}) {
    onnx::Value y;
    y.name = op + std::to_string(graph_.nodes.size());
    onnx::Node node;
    node.name = y.name;
    node.op = op;
    node.inputs = std::move(inputs);
    node.outputs = {graph_.add(std::move(y))};
    node.attributes = std::move(attributes);
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }

  /// With shapes; the last node gives the output. Problems are in `diagnostics`.
  onnx::Graph finish(Diagnostics& diagnostics) {
    graph_.outputs = {graph_.nodes.back().outputs[0]};
    onnx::Reporter reporter("test.onnx", {}, diagnostics);
    onnx::infer_shapes(graph_, reporter);
    onnx::prune(graph_);
    return std::move(graph_);
  }

 private:
  onnx::Graph graph_;
};

}  // namespace tessera::test
