// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What every operator of the float graph computes: the shape of its results and, when its inputs
/// have values, the values. One function per operator, so that the two cannot differ; slow and
/// obvious on purpose.
///
/// Numbers  sums in double, results in float
/// Errors   NodeError: unknown operator or attribute, inputs that do not fit
/// Source   ONNX operator definitions, opset 9 to 17
#pragma once

#include "workloads/onnx/graph.hpp"

#include <string>
#include <vector>

namespace tessera::onnx {

/// The reference knows this operator.
bool is_known(const std::string& op);

/// Results of one node. `inputs` holds null for those left out. With `with_values` every input that
/// the operator reads must have values; without, constants (axes, new shapes) suffice and the
/// results are shapes only, except for those that follow from shapes alone.
std::vector<Tensor> evaluate(const Node& node,
                             int opset,
                             const std::vector<const Tensor*>& inputs,
                             bool with_values);

/// Attributes, with the default of the operator.
std::int64_t int_attribute(const Node& node, const std::string& name, std::int64_t otherwise);
float float_attribute(const Node& node, const std::string& name, float otherwise);
std::string string_attribute(const Node& node,
                             const std::string& name,
                             const std::string& otherwise);
std::vector<std::int64_t> ints_attribute(const Node& node,
                                         const std::string& name,
                                         const std::vector<std::int64_t>& otherwise);

/// `axis` within [0, rank); negative ones count from the end.
std::size_t axis_of(std::int64_t axis, std::size_t rank);

/// Kernel, stride, dilation and padding of a convolution or pooling over the axes behind the
/// channels, auto_pad and ceil_mode resolved.
struct Windows {
  std::vector<std::int64_t> kernel, stride, dilation, begin, end;
  std::vector<std::int64_t> out;  ///< positions
  /// Positions behind the padding that ceil_mode adds: no part of an average's divisor.
  std::vector<std::int64_t> extra;
};

Windows windows_of(const Node& node, const Dims& input, const std::vector<std::int64_t>& kernel);

}  // namespace tessera::onnx
