// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// ONNX files. The only code that sees protobuf.
///
/// Batch    a first dimension of the input without a number becomes 1; any other is an error
/// Limits   file below 2 GiB, kMaxNodes, kMaxTensor; sizes are checked before memory is taken
/// Errors   diagnostics whose place is the ONNX file, all at once where possible:
///            E-ONNX-FILE     cannot be read, is no ONNX, truncated, too large
///            E-ONNX-OPSET    operator set outside 9 to 17
///            E-ONNX-TENSOR   an initializer: sizes that differ, type, external data, no number
///            E-ONNX-GRAPH    names, missing producers, cycles, inputs and outputs
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/onnx/graph.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tessera::onnx {

/// Reports problems of one ONNX file.
class Reporter {
 public:
  /// `wanted_at` is the place that names the file, shown beside each problem; none when a person
  /// gave it.
  Reporter(std::string path, Position wanted_at, Diagnostics& diagnostics);

  /// `where` within the file, for example "node /c1/Conv".
  void error(const std::string& code,
             const std::string& sentence,
             const std::string& where,
             const std::string& expected,
             const std::string& got,
             const std::string& hint = "",
             std::vector<std::string> items = {});

  /// No error since this object was made.
  [[nodiscard]] bool ok() const { return diagnostics_.errors().size() == before_; }

 private:
  Diagnostics& diagnostics_;
  Position at_;
  Position wanted_at_;
  std::size_t before_;
};

/// The graph as it stands in the file, sorted; shapes of computed values are not known yet.
std::optional<Graph> read_graph(const std::string& path, Reporter& reporter);

/// The same from memory.
std::optional<Graph> parse_graph(std::string_view bytes, Reporter& reporter);

}  // namespace tessera::onnx
