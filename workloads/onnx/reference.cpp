// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/reference.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/onnx/operators.hpp"

#include <fmt/format.h>

#include <utility>

namespace tessera::onnx {

std::vector<Tensor> Reference::run(std::vector<Tensor> inputs) {
  if (inputs.size() != graph_.inputs.size()) {
    throw InternalError(
        "workloads/onnx", -1, fmt::format("{} inputs for {}", inputs.size(), graph_.inputs.size()));
  }
  tensors_.assign(graph_.values.size(), {});
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const ValueId id = graph_.inputs[k];
    if (inputs[k].dims != graph_.value(id).dims || !inputs[k].has_values) {
      throw InternalError("workloads/onnx",
                          -1,
                          fmt::format("input {} is {}, not {}",
                                      k,
                                      text_of(inputs[k].dims),
                                      text_of(graph_.value(id).dims)));
    }
    tensors_[static_cast<std::size_t>(id)] = std::move(inputs[k]);
  }
  for (const Node& node : graph_.nodes) {
    std::vector<const Tensor*> operands;
    for (const ValueId id : node.inputs) {
      operands.push_back(id == kNoValue ? nullptr : &tensor(id));
    }
    std::vector<Tensor> results = evaluate(node, graph_.opset, operands, true);
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      if (node.outputs[k] != kNoValue) {
        tensors_[static_cast<std::size_t>(node.outputs[k])] = std::move(results[k]);
      }
    }
  }
  std::vector<Tensor> outputs;
  for (const ValueId id : graph_.outputs) {
    outputs.push_back(tensor(id));
  }
  return outputs;
}

const Tensor& Reference::tensor(ValueId id) const {
  const Tensor* constant = graph_.constant(id);
  return constant != nullptr ? *constant : tensors_[static_cast<std::size_t>(id)];
}

}  // namespace tessera::onnx
