// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The float reference: runs a graph node by node. What imported networks are compared with.
///
/// Shapes   as in ONNX, batch 1
/// Errors   inputs of the wrong number or shape throw InternalError; NodeError where an operator
///          meets values that it cannot take (an index outside its axis)
#pragma once

#include "workloads/onnx/graph.hpp"

#include <vector>

namespace tessera::onnx {

class Reference {
 public:
  /// `graph` has shapes (infer_shapes) and outlives this object.
  explicit Reference(const Graph& graph) : graph_(graph) {}

  /// The outputs for one set of inputs, in the order of the graph.
  std::vector<Tensor> run(std::vector<Tensor> inputs);

  /// Any value of the last run.
  [[nodiscard]] const Tensor& tensor(ValueId id) const;

 private:
  const Graph& graph_;
  std::vector<Tensor> tensors_;
};

}  // namespace tessera::onnx
