// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From the float graph to a Network and its float parameters.
///
/// Layout    ONNX tensors are views of layer tensors ([height][width][channels]): each axis a list
/// of
///           strides. Reshape, Transpose, Squeeze, Slice, Split and Gather only change the view, so
///           that a matrix behind a Flatten gets its rows reordered, and q, k, v become slices.
///           Scales and offsets per channel (of LayerNormalization, Mul, Div) travel with the view
///           into the next matrix.
/// Constants a token joined before the others is a class_token; what is added and differs from
///           position to position is a position_embedding, in the order of the layer's tensor.
/// Errors    E-ONNX-OPERATOR, one for all nodes, each with its name, operator and reason;
///           E-ONNX-GRAPH when there is not one input and one output with a batch of 1
#pragma once

#include "workloads/float_model.hpp"
#include "workloads/network.hpp"
#include "workloads/onnx/graph.hpp"
#include "workloads/onnx/read.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/quantize.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tessera::onnx {

struct Imported : FloatModel {
  std::vector<ValueId>
      values;  ///< per layer; what the float graph computes there, kNoValue for slices
  std::vector<LayerBits> bits;  ///< per matrix layer; 8 where the file does not say
  bool has_bits = false;        ///< the file quantizes
  /// Per layer, of its output tensor, where the file quantizes what a matrix reads.
  std::vector<std::optional<GivenScale>> scales;
  std::int64_t file_parameters = 0;  ///< numbers in the file's initializers that are used
};

std::optional<Imported> convert(const Graph& graph, Reporter& reporter);

/// load_graph() and convert().
std::optional<Imported> import_network(const std::string& path,
                                       const Position& wanted_at,
                                       Diagnostics& diagnostics);

}  // namespace tessera::onnx
