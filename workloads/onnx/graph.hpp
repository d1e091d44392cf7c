// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The float graph: what an ONNX file says, without protobuf. Nodes in topological order, tensors
/// with shapes, constants with values.
///
/// Shapes   as in ONNX: row-major, images [1][channels][height][width]; the batch is 1
/// Numbers  every floating type is float; every integer type and bool are 64-bit integers
/// Errors   NodeError for a node that cannot be understood; its catcher knows the node's name
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace tessera::onnx {

using Dims = std::vector<std::int64_t>;

/// "1x3x32x32", "scalar" without dimensions.
std::string text_of(const Dims& dims);

/// Product of the dimensions; throws NodeError when one is negative or it exceeds kMaxTensor.
std::int64_t elements_of(const Dims& dims);

/// Limits, so that a small file cannot ask for much memory or time.
inline constexpr std::int64_t kMaxTensor = std::int64_t{1} << 28;  ///< elements
inline constexpr std::size_t kMaxRank = 8;
inline constexpr std::size_t kMaxNodes = std::size_t{1} << 15;
inline constexpr std::int64_t kMaxFolded = std::int64_t{1} << 27;  ///< elements, all constants made
inline constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 31;  ///< protobuf's own limit

/// float, or integers of a width.
struct ElementType {
  bool is_integer = false;
  int bits = 32;
  bool is_signed = true;

  bool operator==(const ElementType&) const = default;
};

struct Tensor {
  Dims dims;
  ElementType type;
  bool has_values = false;  ///< else only shape and type are known
  std::vector<float> floats;
  std::vector<std::int64_t> ints;

  [[nodiscard]] std::int64_t elements() const { return elements_of(dims); }
};

/// A constant of floats.
Tensor float_tensor(Dims dims, std::vector<float> values);
Tensor int_tensor(Dims dims, std::vector<std::int64_t> values);

using ValueId = int;
inline constexpr ValueId kNoValue = -1;  ///< an optional input that is left out

/// How a tensor was quantized before it came here as float (DequantizeLinear of a constant).
struct Format {
  int bits = 8;
  bool is_signed = true;
  std::vector<float> scale;  ///< one, or one per channel
  std::int64_t zero_point = 0;

  bool operator==(const Format&) const = default;
};

struct Value {
  std::string name;
  Dims dims;
  ElementType type;
  std::shared_ptr<const Tensor> constant;  ///< null when it is computed
  std::optional<Format> format;
};

using Attribute = std::variant<std::int64_t,
                               float,
                               std::string,
                               std::vector<std::int64_t>,
                               std::vector<float>,
                               std::shared_ptr<const Tensor>>;

struct Node {
  std::string name;
  std::string op;  ///< ONNX operator, or one of ours: Linear, Gelu, FakeQuantize
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, Attribute> attributes;
};

struct Graph {
  std::string name;
  int opset = 0;                ///< of the default domain
  std::int64_t parameters = 0;  ///< numbers in the file's initializers that an output needs
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;  ///< initializers excluded
  std::vector<ValueId> outputs;

  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }

  [[nodiscard]] const Value& value(ValueId id) const {
    return values[static_cast<std::size_t>(id)];
  }

  /// A new value without a producer.
  ValueId add(Value value);

  /// The constant of an input, null when it is computed or left out.
  [[nodiscard]] const Tensor* constant(ValueId id) const;
};

/// Numbers of the nodes that read each value; a graph output counts as a reader -1.
std::vector<std::vector<int>> readers(const Graph& graph);

/// Removes nodes from which no output is reached or whose results are constants, and the values of
/// constants nobody reads.
void prune(Graph& graph);

/// What is wrong with one node.
class NodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace tessera::onnx
