// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the ONNX fuzzer and its replay do with one file: read, infer shapes, fuse, convert.
///
/// Errors   none; a network that breaks a promise of the importer is an InternalError
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/onnx/convert.hpp"
#include "workloads/onnx/read.hpp"
#include "workloads/onnx/simplify.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace tessera::fuzz {

/// Whether the bytes are a network.
inline bool run_onnx_case(std::string_view bytes) {
  Diagnostics diagnostics;
  onnx::Reporter reporter("fuzz.onnx", {}, diagnostics);
  std::optional<onnx::Graph> graph = onnx::parse_graph(bytes, reporter);
  std::optional<onnx::Imported> imported;
  if (graph && reporter.ok()) {
    onnx::infer_shapes(*graph, reporter);
    if (reporter.ok()) {
      onnx::fuse(*graph);
      imported = onnx::convert(*graph, reporter);
    }
  }
  if (imported.has_value() != diagnostics.ok()) {
    throw InternalError("onnx", -1, "a network with errors, or neither");
  }
  if (!imported) {
    if (diagnostics.render().empty()) {
      throw InternalError("onnx", -1, "errors without text");
    }
    return false;
  }
  const Network& network = imported->network;
  if (imported->parameters.size() != network.layers.size() ||
      imported->values.size() != network.layers.size() ||
      imported->bits.size() != matrix_layers(network).size()) {
    throw InternalError("onnx", -1, "lists of different lengths");
  }
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape shape = matrix_shape(network, id);
    const onnx::FloatParameters& given = imported->parameters[static_cast<std::size_t>(id)];
    if (!network.layer(id).has_dynamic_weights() &&
        static_cast<std::int64_t>(given.weights.size()) != shape.groups * shape.rows * shape.cols) {
      throw InternalError("onnx", -1, "a matrix and its weights differ in size");
    }
  }
  return true;
}

}  // namespace tessera::fuzz
