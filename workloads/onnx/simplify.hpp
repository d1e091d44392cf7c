// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From the graph of a file to the graph that is executed and converted.
///
/// Shapes     of every value, by evaluating each node without values
/// Folded     constants (Constant, Shape, what is computed from them), Identity, Dropout, casts of
/// floats Fused      BatchNormalization into Conv and Linear; Gemm and MatMul with constant
/// weights, plus an Add,
///            into Linear; ReduceMean/Sub/Pow/Sqrt/Div into LayerNormalization; Div/Erf/Add/Mul
///            into Gelu; QuantizeLinear, Clip, DequantizeLinear into FakeQuantize
/// Pruned     nodes that no output needs
/// Errors     E-ONNX-SHAPE inputs that do not fit a node; E-ONNX-OPERATOR lists all nodes whose
///            operator nobody knows
#pragma once

#include "workloads/onnx/graph.hpp"
#include "workloads/onnx/read.hpp"

#include <optional>
#include <string>

namespace tessera::onnx {

/// Fills in shapes and folds constants.
void infer_shapes(Graph& graph, Reporter& reporter);

/// Rewrites; the outputs stay the same but for rounding.
void fuse(Graph& graph);

/// Reads, infers and fuses; nothing after an error. `wanted_at` as in Reporter.
std::optional<Graph> load_graph(const std::string& path,
                                const Position& wanted_at,
                                Diagnostics& diagnostics);

/// The one error that lists nodes which cannot be imported; `items` are "name (op): reason".
void report_unsupported(const std::vector<std::string>& items, Reporter& reporter);

}  // namespace tessera::onnx
