// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/read.hpp"

#include "sim/base/half.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <utility>

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

namespace tessera::onnx {

namespace {

using ::onnx::AttributeProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using ::onnx::ValueInfoProto;

constexpr int kOldest = 9;
constexpr int kNewest = 17;

float bfloat_to_float(std::uint16_t b) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

/// Bytes of one element and what it becomes; no bytes for a type that is not taken.
struct Storage {
  std::size_t bytes = 0;
  ElementType type;
};

Storage storage_of(int type) {
  switch (type) {
    case TensorProto::FLOAT:
      return {4, {}};
    case TensorProto::DOUBLE:
      return {8, {}};
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      return {2, {}};
    case TensorProto::BOOL:
      return {1, {true, 1, false}};
    case TensorProto::INT8:
      return {1, {true, 8, true}};
    case TensorProto::UINT8:
      return {1, {true, 8, false}};
    case TensorProto::INT16:
      return {2, {true, 16, true}};
    case TensorProto::UINT16:
      return {2, {true, 16, false}};
    case TensorProto::INT32:
      return {4, {true, 32, true}};
    case TensorProto::UINT32:
      return {4, {true, 32, false}};
    case TensorProto::INT64:
      return {8, {true, 64, true}};
    case TensorProto::UINT64:
      return {8, {true, 64, false}};
    default:
      return {};
  }
}

template <class T>
T element(const std::string& raw, std::size_t i) {
  T v;
  std::memcpy(&v, raw.data() + i * sizeof(T), sizeof(T));
  return v;
}

/// Element i of raw_data.
void read_raw(const std::string& raw, int type, std::size_t i, Tensor& t) {
  switch (type) {
    case TensorProto::FLOAT:
      t.floats[i] = element<float>(raw, i);
      break;
    case TensorProto::DOUBLE:
      t.floats[i] = static_cast<float>(element<double>(raw, i));
      break;
    case TensorProto::FLOAT16:
      t.floats[i] = half_to_float(element<std::uint16_t>(raw, i));
      break;
    case TensorProto::BFLOAT16:
      t.floats[i] = bfloat_to_float(element<std::uint16_t>(raw, i));
      break;
    case TensorProto::BOOL:
      t.ints[i] = raw[i] != 0 ? 1 : 0;
      break;
    case TensorProto::INT8:
      t.ints[i] = element<std::int8_t>(raw, i);  // NOLINT(bugprone-signed-char-misuse)
      break;
    case TensorProto::UINT8:
      t.ints[i] = element<std::uint8_t>(raw, i);
      break;
    case TensorProto::INT16:
      t.ints[i] = element<std::int16_t>(raw, i);
      break;
    case TensorProto::UINT16:
      t.ints[i] = element<std::uint16_t>(raw, i);
      break;
    case TensorProto::INT32:
      t.ints[i] = element<std::int32_t>(raw, i);
      break;
    case TensorProto::UINT32:
      t.ints[i] = element<std::uint32_t>(raw, i);
      break;
    default:  // INT64, UINT64
      t.ints[i] = element<std::int64_t>(raw, i);
  }
}

/// Elements in the typed field of this type.
std::size_t typed_size(const TensorProto& proto) {
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      return static_cast<std::size_t>(proto.float_data_size());
    case TensorProto::DOUBLE:
      return static_cast<std::size_t>(proto.double_data_size());
    case TensorProto::INT64:
      return static_cast<std::size_t>(proto.int64_data_size());
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      return static_cast<std::size_t>(proto.uint64_data_size());
    default:
      return static_cast<std::size_t>(proto.int32_data_size());
  }
}

void read_typed(const TensorProto& proto, int i, Tensor& t) {
  const auto at = static_cast<std::size_t>(i);
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      t.floats[at] = proto.float_data(i);
      break;
    case TensorProto::DOUBLE:
      t.floats[at] = static_cast<float>(proto.double_data(i));
      break;
    case TensorProto::FLOAT16:
      t.floats[at] = half_to_float(static_cast<std::uint16_t>(proto.int32_data(i)));
      break;
    case TensorProto::BFLOAT16:
      t.floats[at] = bfloat_to_float(static_cast<std::uint16_t>(proto.int32_data(i)));
      break;
    case TensorProto::INT64:
      t.ints[at] = proto.int64_data(i);
      break;
    case TensorProto::UINT32:
    case TensorProto::UINT64:
      t.ints[at] = static_cast<std::int64_t>(proto.uint64_data(i));
      break;
    default:
      t.ints[at] = proto.int32_data(i);
  }
}

/// A tensor of the file; throws NodeError.
Tensor read_tensor(const TensorProto& proto) {
  if (proto.data_location() == TensorProto::EXTERNAL || proto.external_data_size() > 0) {
    throw NodeError("its values lie in another file (external data)");
  }
  const Storage storage = storage_of(proto.data_type());
  if (storage.bytes == 0) {
    throw NodeError(
        fmt::format("its type is number {} of TensorProto.DataType", proto.data_type()));
  }
  Tensor t;
  t.dims.assign(proto.dims().begin(), proto.dims().end());
  t.type = storage.type;
  const auto size = static_cast<std::size_t>(t.elements());
  const bool is_raw = proto.has_raw_data();
  const std::size_t given = is_raw ? proto.raw_data().size() : typed_size(proto);
  const std::size_t wanted = is_raw ? size * storage.bytes : size;
  if (given != wanted) {
    throw NodeError(fmt::format("{} holds {} {}, shape {} needs {}",
                                is_raw ? "raw_data" : "its list",
                                given,
                                is_raw ? "bytes" : "values",
                                text_of(t.dims),
                                wanted));
  }
  if (t.type.is_integer) {
    t.ints.resize(size);
  } else {
    t.floats.resize(size);
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (is_raw) {
      read_raw(proto.raw_data(), proto.data_type(), i, t);
    } else {
      read_typed(proto, static_cast<int>(i), t);
    }
  }
  if (std::any_of(t.floats.begin(), t.floats.end(), [](float v) { return std::isnan(v); })) {
    throw NodeError("it holds a value that is not a number");
  }
  t.has_values = true;
  return t;
}

std::string name_of(const NodeProto& node, int number) {
  if (!node.name().empty()) {
    return node.name();
  }
  return node.output_size() > 0 ? node.output(0) : fmt::format("number {}", number);
}

class Reader {
 public:
  Reader(ModelProto& model, Reporter& reporter) : model_(model), reporter_(reporter) {}

  std::optional<Graph> read() {
    read_opset();
    GraphProto& proto = *model_.mutable_graph();
    graph_.name = proto.name();
    if (static_cast<std::size_t>(proto.node_size()) > kMaxNodes || proto.node_size() == 0) {
      reporter_.error("E-ONNX-GRAPH",
                      "the graph has no nodes or too many",
                      "graph",
                      fmt::format("1 to {} nodes", kMaxNodes),
                      std::to_string(proto.node_size()));
      return std::nullopt;
    }
    if (proto.sparse_initializer_size() > 0) {
      reporter_.error("E-ONNX-TENSOR",
                      "sparse initializers are not taken",
                      "graph",
                      "dense initializers",
                      std::to_string(proto.sparse_initializer_size()));
    }
    for (TensorProto& tensor : *proto.mutable_initializer()) {
      read_initializer(tensor);
    }
    for (const ValueInfoProto& input : proto.input()) {
      read_input(input);
    }
    for (int n = 0; n < proto.node_size(); ++n) {
      declare_outputs(proto.node(n), n);
    }
    for (int n = 0; n < proto.node_size(); ++n) {
      read_node(proto.node(n), n);
    }
    for (const ValueInfoProto& output : proto.output()) {
      const auto found = ids_.find(output.name());
      if (found == ids_.end()) {
        missing("output of the graph", output.name());
      } else {
        graph_.outputs.push_back(found->second);
      }
    }
    if (graph_.outputs.empty() && reporter_.ok()) {
      reporter_.error("E-ONNX-GRAPH", "the graph has no output", "graph", "an output", "none");
    }
    if (reporter_.ok()) {
      sort();
    }
    return reporter_.ok() ? std::optional<Graph>(std::move(graph_)) : std::nullopt;
  }

 private:
  void read_opset() {
    for (const auto& opset : model_.opset_import()) {
      if (opset.domain().empty() || opset.domain() == "ai.onnx") {
        graph_.opset = static_cast<int>(std::clamp<std::int64_t>(opset.version(), 0, 1 << 20));
      }
    }
    if (graph_.opset < kOldest || graph_.opset > kNewest) {
      reporter_.error("E-ONNX-OPSET",
                      "the operator set of the file is not supported",
                      "opset_import",
                      fmt::format("{} to {}", kOldest, kNewest),
                      graph_.opset == 0 ? "none" : std::to_string(graph_.opset),
                      "torch.onnx.export(..., opset_version=13)");
    }
  }

  /// The number of a new name; kNoValue when it is taken.
  ValueId declare(const std::string& name, const std::string& where) {
    const auto [found, is_new] = ids_.emplace(name, static_cast<ValueId>(graph_.values.size()));
    if (!is_new) {
      reporter_.error("E-ONNX-GRAPH",
                      "two tensors have the same name",
                      where,
                      "a name of its own",
                      quote(name));
      return kNoValue;
    }
    Value value;
    value.name = name;
    return graph_.add(std::move(value));
  }

  void read_initializer(TensorProto& proto) {
    const std::string where = "initializer " + proto.name();
    const ValueId id = declare(proto.name(), where);
    if (id == kNoValue) {
      return;
    }
    try {
      auto tensor = std::make_shared<const Tensor>(read_tensor(proto));
      Value& value = graph_.value(id);
      value.dims = tensor->dims;
      value.type = tensor->type;
      value.constant = std::move(tensor);
    } catch (const NodeError& error) {
      reporter_.error("E-ONNX-TENSOR",
                      "an initializer cannot be read",
                      where,
                      "dense numbers within the file, as many as its shape has",
                      error.what());
    }
    proto.Clear();  // its bytes are no longer needed
  }

  void read_input(const ValueInfoProto& proto) {
    if (ids_.contains(proto.name()) && graph_.constant(ids_[proto.name()]) != nullptr) {
      return;  // old files list initializers as inputs too
    }
    const std::string where = "input " + proto.name();
    const ValueId id = declare(proto.name(), where);
    if (id == kNoValue) {
      return;
    }
    graph_.inputs.push_back(id);
    Value& value = graph_.value(id);
    const auto& type = proto.type().tensor_type();
    value.type = storage_of(type.elem_type()).type;
    try {
      for (int k = 0; k < type.shape().dim_size(); ++k) {
        const auto& dim = type.shape().dim(k);
        const bool is_free = !dim.has_dim_value();
        if (is_free && k > 0) {
          throw NodeError(fmt::format("dimension {} has no number", k));
        }
        value.dims.push_back(is_free ? 1 : dim.dim_value());
        if (value.dims.back() < 1) {
          throw NodeError(fmt::format("dimension {} is {}", k, value.dims.back()));
        }
      }
      if (!type.has_shape()) {
        throw NodeError("no shape");
      }
      elements_of(value.dims);
    } catch (const NodeError& error) {
      reporter_.error("E-ONNX-GRAPH",
                      "an input has no usable shape",
                      where,
                      "fixed positive sizes; the batch may be free",
                      error.what(),
                      "export without dynamic_axes");
    }
  }

  void declare_outputs(const NodeProto& proto, int number) {
    Node node;
    node.name = name_of(proto, number);
    for (const std::string& name : proto.output()) {
      node.outputs.push_back(name.empty() ? kNoValue : declare(name, "node " + node.name));
    }
    while (!node.outputs.empty() && node.outputs.back() == kNoValue) {
      node.outputs.pop_back();
    }
    graph_.nodes.push_back(std::move(node));
  }

  void read_node(const NodeProto& proto, int number) {
    Node& node = graph_.nodes[static_cast<std::size_t>(number)];
    const bool is_standard = proto.domain().empty() || proto.domain() == "ai.onnx";
    node.op = is_standard ? proto.op_type() : proto.domain() + "::" + proto.op_type();
    for (const std::string& name : proto.input()) {
      if (name.empty()) {
        node.inputs.push_back(kNoValue);
        continue;
      }
      const auto found = ids_.find(name);
      if (found == ids_.end()) {
        missing("node " + node.name, name);
      } else {
        node.inputs.push_back(found->second);
      }
    }
    for (const AttributeProto& attribute : proto.attribute()) {
      read_attribute(attribute, node);
    }
  }

  void missing(const std::string& where, const std::string& name) {
    reporter_.error("E-ONNX-GRAPH",
                    "a tensor is read that nobody produces",
                    where,
                    "an input, an initializer or the output of a node",
                    quote(name));
  }

  void read_attribute(const AttributeProto& proto, Node& node) {
    Attribute& out = node.attributes[proto.name()];
    try {
      switch (proto.type()) {
        case AttributeProto::INT:
          out = proto.i();
          break;
        case AttributeProto::FLOAT:
          out = proto.f();
          break;
        case AttributeProto::STRING:
          out = proto.s();
          break;
        case AttributeProto::INTS:
          out = std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
          break;
        case AttributeProto::FLOATS:
          out = std::vector<float>(proto.floats().begin(), proto.floats().end());
          break;
        case AttributeProto::TENSOR:
          out = std::make_shared<const Tensor>(read_tensor(proto.t()));
          break;
        default:
          node.attributes.erase(
              proto.name());  // graphs and types: of operators that we do not know
      }
    } catch (const NodeError& error) {
      reporter_.error("E-ONNX-TENSOR",
                      "an attribute cannot be read",
                      fmt::format("node {}, {}", node.name, proto.name()),
                      "dense numbers within the file, as many as its shape has",
                      error.what());
    }
  }

  /// Producers before readers; what cannot be sorted lies on a cycle or behind one.
  void sort() {
    std::vector<int> producer(graph_.values.size(), -1);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const ValueId id : graph_.nodes[n].outputs) {
        if (id != kNoValue) {
          producer[static_cast<std::size_t>(id)] = static_cast<int>(n);
        }
      }
    }
    std::vector<std::size_t> waits(graph_.nodes.size(), 0);
    std::vector<std::vector<std::size_t>> next(graph_.nodes.size());
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const ValueId id : graph_.nodes[n].inputs) {
        const int from = id == kNoValue ? -1 : producer[static_cast<std::size_t>(id)];
        if (from >= 0) {
          next[static_cast<std::size_t>(from)].push_back(n);
          ++waits[n];
        }
      }
    }
    std::vector<std::size_t> order;
    for (std::size_t n = 0; n < waits.size(); ++n) {
      if (waits[n] == 0) {
        order.push_back(n);
      }
    }
    for (std::size_t k = 0; k < order.size(); ++k) {
      for (const std::size_t n : next[order[k]]) {
        if (--waits[n] == 0) {
          order.push_back(n);
        }
      }
    }
    if (order.size() < graph_.nodes.size()) {
      const auto at = std::find_if(waits.begin(), waits.end(), [](std::size_t w) { return w > 0; });
      reporter_.error(
          "E-ONNX-GRAPH",
          "nodes read each other in a circle",
          "node " + graph_.nodes[static_cast<std::size_t>(at - waits.begin())].name,
          "a graph without cycles",
          fmt::format("{} nodes that wait for each other", graph_.nodes.size() - order.size()));
      return;
    }
    std::vector<Node> sorted;
    sorted.reserve(order.size());
    for (const std::size_t n : order) {
      sorted.push_back(std::move(graph_.nodes[n]));
    }
    graph_.nodes = std::move(sorted);
  }

  ModelProto& model_;
  Reporter& reporter_;
  Graph graph_;
  std::map<std::string, ValueId> ids_;
};

std::optional<Graph> parse(google::protobuf::io::ZeroCopyInputStream& stream, Reporter& reporter) {
  const google::protobuf::LogSilencer silent;  // what is wrong is told as a diagnostic
  ModelProto model;
  google::protobuf::io::CodedInputStream in(&stream);
  in.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (!model.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() || !model.has_graph()) {
    reporter.error("E-ONNX-FILE",
                   "the file is no ONNX model, or not a whole one",
                   "file",
                   "a model as torch.onnx.export writes it",
                   "bytes that protobuf cannot take apart as a model with a graph");
    return std::nullopt;
  }
  return Reader(model, reporter).read();
}

}  // namespace

Reporter::Reporter(std::string path, Position wanted_at, Diagnostics& diagnostics)
    : diagnostics_(diagnostics),
      wanted_at_(std::move(wanted_at)),
      before_(diagnostics.errors().size()) {
  auto source = std::make_shared<SourceText>();
  source->name = std::move(path);
  at_.source = std::move(source);
}

void Reporter::error(const std::string& code,
                     const std::string& sentence,
                     const std::string& where,
                     const std::string& expected,
                     const std::string& got,
                     const std::string& hint,
                     std::vector<std::string> items) {
  Diagnostic d;
  d.code = code;
  d.sentence = sentence;
  d.at = at_;
  d.path = where;
  d.expected = expected;
  d.got = got;
  d.hint = hint;
  d.items = std::move(items);
  if (wanted_at_.source != nullptr) {
    d.related = {wanted_at_};
  }
  diagnostics_.error(std::move(d));
}

std::optional<Graph> read_graph(const std::string& path, Reporter& reporter) {
  std::error_code error;
  const bool is_file = std::filesystem::is_regular_file(path, error);
  const std::uintmax_t size = is_file ? std::filesystem::file_size(path, error) : 0;
  std::ifstream in(path, std::ios::binary);
  if (!is_file || error || !in || size >= static_cast<std::uintmax_t>(kMaxFileBytes)) {
    reporter.error("E-ONNX-FILE",
                   "the ONNX file cannot be read",
                   "file",
                   fmt::format("a readable file below {} bytes", kMaxFileBytes),
                   is_file && !error && in ? fmt::format("{} bytes", size) : "no such file");
    return std::nullopt;
  }
  google::protobuf::io::IstreamInputStream stream(&in);
  return parse(stream, reporter);
}

std::optional<Graph> parse_graph(std::string_view bytes, Reporter& reporter) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  return parse(stream, reporter);
}

}  // namespace tessera::onnx
