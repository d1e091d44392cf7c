// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/simplify.hpp"

#include "sim/base/math.hpp"
#include "workloads/onnx/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace tessera::onnx {

namespace {

constexpr std::size_t kMaxItems = 100;

/// Operators whose work is more than reading and writing their tensors: not folded.
bool is_heavy(const std::string& op) {
  static const std::set<std::string> kHeavy = {
      "AveragePool", "Conv", "Gemm", "Linear", "MatMul", "MaxPool"};
  return kHeavy.contains(op);
}

/// Width that holds the integers in [low, high].
ElementType type_of_range(std::int64_t low, std::int64_t high) {
  const auto width = [](std::int64_t v) {
    return ceil_log2(static_cast<std::uint64_t>(std::clamp<std::int64_t>(v, 1, 1LL << 32)));
  };
  return low < 0 ? ElementType{true, 1 + std::max(width(-low), width(high + 1)), true}
                 : ElementType{true, std::max(1, width(high + 1)), false};
}

// ---- shapes and constants -----------------------------------------------------------------------

class ShapeInference {
 public:
  ShapeInference(Graph& graph, Reporter& reporter)
      : graph_(graph),
        reporter_(reporter),
        alias_(graph.values.size(), kNoValue),
        is_known_(graph.values.size(), false) {
    for (std::size_t id = 0; id < graph.values.size(); ++id) {
      is_known_[id] = graph.values[id].constant != nullptr;
    }
    for (const ValueId id : graph.inputs) {
      is_known_[static_cast<std::size_t>(id)] = true;
    }
  }

  void run() {
    for (Node& node : graph_.nodes) {
      for (ValueId& id : node.inputs) {
        id = resolved(id);
      }
      if (node.op == "Constant") {
        constant(node);
      } else if (!is_known(node.op)) {
        unknown_.push_back(fmt::format("{} ({}): the operator is not known", node.name, node.op));
      } else if (std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
                   return id == kNoValue || is_known_[static_cast<std::size_t>(id)];
                 })) {
        infer(node);
      }
    }
    for (ValueId& id : graph_.outputs) {
      id = resolved(id);
    }
    report_unsupported(unknown_, reporter_);
  }

 private:
  ValueId resolved(ValueId id) const {
    while (id != kNoValue && alias_[static_cast<std::size_t>(id)] != kNoValue) {
      id = alias_[static_cast<std::size_t>(id)];
    }
    return id;
  }

  void constant(const Node& node) {
    std::shared_ptr<const Tensor> tensor;
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* t = std::get_if<std::shared_ptr<const Tensor>>(&attribute)) {
        tensor = *t;
      } else if (const auto* f = std::get_if<float>(&attribute)) {
        tensor = std::make_shared<const Tensor>(float_tensor({}, {*f}));
      } else if (const auto* i = std::get_if<std::int64_t>(&attribute)) {
        tensor = std::make_shared<const Tensor>(int_tensor({}, {*i}));
      } else if (const auto* fs = std::get_if<std::vector<float>>(&attribute)) {
        tensor = std::make_shared<const Tensor>(
            float_tensor({static_cast<std::int64_t>(fs->size())}, *fs));
      } else if (const auto* is = std::get_if<std::vector<std::int64_t>>(&attribute)) {
        tensor = std::make_shared<const Tensor>(
            int_tensor({static_cast<std::int64_t>(is->size())}, *is));
      }
    }
    if (tensor == nullptr || node.outputs.size() != 1) {
      unknown_.push_back(fmt::format("{} (Constant): it has no dense value", node.name));
      return;
    }
    set(node.outputs[0], *tensor, tensor);
  }

  void set(ValueId id, const Tensor& shape, std::shared_ptr<const Tensor> constant) {
    if (id == kNoValue) {
      return;
    }
    Value& value = graph_.value(id);
    value.dims = shape.dims;
    value.type = shape.type;
    value.constant = std::move(constant);
    is_known_[static_cast<std::size_t>(id)] = true;
  }

  /// Passes its input on, as far as floats are concerned.
  bool is_transparent(const Node& node) const {
    if (node.outputs.size() != 1 || node.outputs[0] == kNoValue || node.inputs.empty() ||
        node.inputs[0] == kNoValue) {
      return false;
    }
    return node.op == "Identity" || node.op == "Dropout" ||
           (node.op == "Cast" && !graph_.value(node.inputs[0]).type.is_integer &&
            !graph_.value(node.outputs[0]).type.is_integer);
  }

  void infer(const Node& node) {
    std::vector<Tensor> shapes(node.inputs.size());
    std::vector<const Tensor*> inputs;
    bool is_constant = !node.inputs.empty();
    std::int64_t read = 0;
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      const ValueId id = node.inputs[k];
      if (id == kNoValue) {
        inputs.push_back(nullptr);
        continue;
      }
      const Value& value = graph_.value(id);
      shapes[k].dims = value.dims;
      shapes[k].type = value.type;
      is_constant = is_constant && value.constant != nullptr;
      inputs.push_back(value.constant != nullptr ? value.constant.get() : &shapes[k]);
      read += shapes[k].elements();
    }
    try {
      std::vector<Tensor> results = evaluate(node, graph_.opset, inputs, false);
      if (is_constant && !is_heavy(node.op)) {
        for (const Tensor& result : results) {
          read += result.elements();
        }
        folded_ += read;
        if (folded_ > kMaxFolded) {
          throw NodeError(fmt::format("more than {} values would be folded", kMaxFolded));
        }
        results = evaluate(node, graph_.opset, inputs, true);
      }
      for (std::size_t k = 0; k < node.outputs.size(); ++k) {
        set(node.outputs[k],
            results[k],
            results[k].has_values ? std::make_shared<const Tensor>(results[k]) : nullptr);
      }
      if (node.op == "DequantizeLinear" && is_constant) {
        remember_format(node);
      }
    } catch (const NodeError& error) {
      reporter_.error("E-ONNX-SHAPE",
                      "the inputs of a node do not fit it",
                      fmt::format("node {} ({})", node.name, node.op),
                      "what the operator's definition asks for",
                      error.what());
      return;
    }
    if (is_transparent(node) && graph_.constant(node.outputs[0]) == nullptr) {
      alias_[static_cast<std::size_t>(node.outputs[0])] = node.inputs[0];
    }
  }

  /// Weights that were integers: how wide they were.
  void remember_format(const Node& node) {
    ElementType type = graph_.value(node.inputs[0]).type;
    for (const Node& clip : graph_.nodes) {
      if (clip.op == "Clip" && clip.outputs[0] == node.inputs[0] && clip.inputs.size() > 2) {
        const Tensor* low = graph_.constant(clip.inputs[1]);
        const Tensor* high = graph_.constant(clip.inputs[2]);
        if (low != nullptr && high != nullptr && !low->ints.empty() && !high->ints.empty()) {
          type = type_of_range(low->ints[0], high->ints[0]);
        }
      }
    }
    Format format;
    format.bits = type.bits;
    format.is_signed = type.is_signed;
    format.scale = graph_.constant(node.inputs[1])->floats;
    const Tensor* zero = node.inputs.size() > 2 ? graph_.constant(node.inputs[2]) : nullptr;
    format.zero_point = zero == nullptr || zero->ints.empty() ? 0 : zero->ints[0];
    graph_.value(node.outputs[0]).format = std::move(format);
  }

  Graph& graph_;
  Reporter& reporter_;
  std::vector<ValueId> alias_;
  std::vector<bool> is_known_;
  std::vector<std::string> unknown_;
  std::int64_t folded_ = 0;
};

// ---- patterns -----------------------------------------------------------------------------------

/// The graph with producers and readers, for matching.
class Pattern {
 public:
  explicit Pattern(Graph& graph)
      : graph_(graph), readers_(readers(graph)), producer_(graph.values.size(), -1) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const ValueId id : graph.nodes[n].outputs) {
        if (id != kNoValue) {
          producer_[static_cast<std::size_t>(id)] = static_cast<int>(n);
        }
      }
    }
  }

  /// The node that computes `id`, if its operator is `op`; else null.
  Node* producer(ValueId id, const std::string& op) {
    const auto at = static_cast<std::size_t>(id);
    const int n = id == kNoValue || at >= producer_.size() ? -1 : producer_[at];
    Node* node = n < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(n)];
    return node != nullptr && node->op == op ? node : nullptr;
  }

  /// The only reader of `id`, if its operator is `op`; else null.
  Node* reader(ValueId id, const std::string& op) {
    const std::vector<int>& all = readers_[static_cast<std::size_t>(id)];
    if (all.size() != 1 || all[0] < 0) {
      return nullptr;
    }
    Node& node = graph_.nodes[static_cast<std::size_t>(all[0])];
    return node.op == op ? &node : nullptr;
  }

  [[nodiscard]] bool has_one_reader(ValueId id) const {
    return readers_[static_cast<std::size_t>(id)].size() == 1;
  }

  /// The constant has one element, and it is about `wanted`.
  [[nodiscard]] bool is_scalar(ValueId id, double wanted) const {
    const Tensor* t = graph_.constant(id);
    return t != nullptr && t->floats.size() == 1 &&
           std::abs(static_cast<double>(t->floats[0]) - wanted) < 1e-5;
  }

  /// The other input of a node with two, when one of them is `id`; kNoValue when none is.
  static ValueId other(const Node& node, ValueId id) {
    return node.inputs.size() != 2 ? kNoValue
           : node.inputs[0] == id  ? node.inputs[1]
           : node.inputs[1] == id  ? node.inputs[0]
                                   : kNoValue;
  }

  /// The computed input of a node that has one, and one constant; null constant when there is none.
  [[nodiscard]] std::pair<ValueId, const Tensor*> with_constant(const Node& node) const {
    if (node.inputs.size() != 2) {
      return {kNoValue, nullptr};
    }
    const Tensor* a = graph_.constant(node.inputs[0]);
    const Tensor* b = graph_.constant(node.inputs[1]);
    if ((a == nullptr) == (b == nullptr)) {
      return {kNoValue, nullptr};
    }
    return a == nullptr ? std::pair(node.inputs[0], b) : std::pair(node.inputs[1], a);
  }

 private:
  Graph& graph_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> producer_;
};

ValueId add_constant(Graph& graph, const std::string& name, Tensor tensor) {
  Value value;
  value.name = name;
  value.dims = tensor.dims;
  value.type = tensor.type;
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
  return graph.add(std::move(value));
}

ValueId input_of(const Node& node, std::size_t k) {
  return k < node.inputs.size() ? node.inputs[k] : kNoValue;
}

/// Applies `rewrite` to each node of the operator. Nodes that a rewrite leaves without readers stay
/// until the end: they may hide a pattern, and never show one that is not there.
template <class F>
void rewrite_each(Graph& graph, const std::string& op, const F& rewrite) {
  Pattern pattern(graph);
  for (Node& node : graph.nodes) {
    if (node.op == op) {
      rewrite(node, pattern);
    }
  }
  prune(graph);
}

/// One value per column: `t` has as many elements as the last axis, all others being 1, or one.
std::optional<std::vector<float>> per_column(const Tensor& t, std::int64_t cols) {
  const bool is_row = t.elements() == cols && !t.dims.empty() && t.dims.back() == cols;
  if (!is_row && t.elements() != 1) {
    return std::nullopt;
  }
  std::vector<float> out = t.floats;
  out.resize(static_cast<std::size_t>(cols), out.empty() ? 0.0F : out[0]);
  return out;
}

/// Gemm and MatMul with constant weights.
void make_linear(Graph& graph) {
  rewrite_each(graph, "Gemm", [&](Node& node, Pattern&) {
    const Tensor* b = graph.constant(input_of(node, 1));
    const Tensor* c = graph.constant(input_of(node, 2));
    if (b == nullptr || graph.constant(node.inputs[0]) != nullptr ||
        int_attribute(node, "transA", 0) != 0 || (c == nullptr && input_of(node, 2) != kNoValue)) {
      return;
    }
    const bool trans = int_attribute(node, "transB", 0) != 0;
    const std::int64_t rows = b->dims[trans ? 1 : 0];
    const std::int64_t cols = b->dims[trans ? 0 : 1];
    std::vector<float> bias(static_cast<std::size_t>(cols), 0.0F);
    if (c != nullptr) {
      const auto columns = per_column(*c, cols);
      if (!columns) {
        return;
      }
      bias = *columns;
    }
    const float alpha = float_attribute(node, "alpha", 1.0F);
    const float beta = float_attribute(node, "beta", 1.0F);
    std::vector<float> weights(b->floats.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t n = 0; n < cols; ++n) {
        weights[static_cast<std::size_t>(r * cols + n)] =
            alpha * b->floats[static_cast<std::size_t>(trans ? n * rows + r : r * cols + n)];
      }
    }
    for (float& v : bias) {
      v *= beta;
    }
    std::optional<Format> format = graph.value(node.inputs[1]).format;
    if (format) {
      for (float& v : format->scale) {
        v *= alpha;
      }
    }
    const ValueId w =
        add_constant(graph, node.name + ".weight", float_tensor({rows, cols}, std::move(weights)));
    graph.value(w).format = format;
    std::vector<ValueId> inputs = {node.inputs[0], w};
    if (c != nullptr) {
      inputs.push_back(
          add_constant(graph, node.name + ".bias", float_tensor({cols}, std::move(bias))));
    }
    node.op = "Linear";
    node.attributes.clear();
    node.inputs = std::move(inputs);
  });
  for (Node& node : graph.nodes) {
    const Tensor* b = node.op == "MatMul" ? graph.constant(node.inputs[1]) : nullptr;
    if (b != nullptr && b->dims.size() == 2 && graph.constant(node.inputs[0]) == nullptr) {
      node.op = "Linear";
    }
  }
  rewrite_each(graph, "Add", [&](Node& node, Pattern& pattern) {
    const auto [x, offset] = pattern.with_constant(node);
    Node* linear = offset == nullptr ? nullptr : pattern.producer(x, "Linear");
    if (linear == nullptr || linear->inputs.size() > 2 || !pattern.has_one_reader(x) ||
        graph.value(x).dims != graph.value(node.outputs[0]).dims) {
      return;
    }
    const std::int64_t cols = graph.constant(linear->inputs[1])->dims[1];
    const auto bias = per_column(*offset, cols);
    if (!bias) {
      return;
    }
    const std::string name = linear->name;
    std::vector<ValueId> inputs = linear->inputs;
    inputs.push_back(add_constant(graph, name + ".bias", float_tensor({cols}, *bias)));
    node.op = "Linear";
    node.name = name;
    node.inputs = std::move(inputs);
  });
}

void fold_batch_norm(Graph& graph) {
  rewrite_each(graph, "BatchNormalization", [&](Node& node, Pattern& pattern) {
    const ValueId x = node.inputs[0];
    Node* conv = pattern.producer(x, "Conv");
    Node* producer = conv != nullptr ? conv : pattern.producer(x, "Linear");
    if (producer == nullptr || !pattern.has_one_reader(x) || node.outputs.size() != 1 ||
        (conv == nullptr && graph.value(x).dims.size() != 2)) {
      return;
    }
    std::vector<const Tensor*> norm;
    for (std::size_t k = 1; k < 5; ++k) {
      norm.push_back(graph.constant(input_of(node, k)));
    }
    const Tensor* w = graph.constant(producer->inputs[1]);
    const Tensor* b = graph.constant(input_of(*producer, 2));
    if (w == nullptr || std::count(norm.begin(), norm.end(), nullptr) > 0 ||
        (b == nullptr && input_of(*producer, 2) != kNoValue)) {
      return;
    }
    const auto channels = static_cast<std::size_t>(w->dims[conv != nullptr ? 0 : 1]);
    const double epsilon = static_cast<double>(float_attribute(node, "epsilon", 1e-5F));
    Tensor weights = *w;
    Tensor bias = float_tensor({static_cast<std::int64_t>(channels)}, std::vector<float>(channels));
    std::vector<float> factors(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      const auto value = [&](std::size_t k) { return static_cast<double>(norm[k]->floats[c]); };
      const double factor = value(0) / std::sqrt(value(3) + epsilon);
      const double offset = b == nullptr ? 0.0 : static_cast<double>(b->floats[c]);
      factors[c] = static_cast<float>(factor);
      bias.floats[c] = static_cast<float>((offset - value(2)) * factor + value(1));
    }
    const std::size_t per_channel = weights.floats.size() / channels;
    for (std::size_t i = 0; i < weights.floats.size(); ++i) {
      weights.floats[i] *= factors[conv != nullptr ? i / per_channel : i % channels];
    }
    std::optional<Format> format = graph.value(producer->inputs[1]).format;
    if (format && (format->scale.size() == 1 || format->scale.size() == channels)) {
      format->scale.resize(channels, format->scale[0]);
      for (std::size_t c = 0; c < channels; ++c) {
        format->scale[c] *= factors[c];
      }
    }
    const ValueId weight_id = add_constant(graph, producer->name + ".weight", std::move(weights));
    graph.value(weight_id).format = std::move(format);
    const ValueId bias_id = add_constant(graph, producer->name + ".bias", std::move(bias));
    const std::vector<ValueId> outputs = node.outputs;
    node = *producer;
    node.outputs = outputs;
    node.inputs = {node.inputs[0], weight_id, bias_id};
  });
}

/// The value whose mean over the last axis this node computes.
ValueId mean_of_last(const Graph& graph, const Node* mean) {
  if (mean == nullptr || mean->inputs.empty()) {
    return kNoValue;
  }
  const Dims& dims = graph.value(mean->inputs[0]).dims;
  const std::vector<std::int64_t> axes = ints_attribute(*mean, "axes", {});
  const bool is_last =
      axes.size() == 1 && !dims.empty() && axis_of(axes[0], dims.size()) == dims.size() - 1;
  return is_last && int_attribute(*mean, "keepdims", 1) != 0 ? mean->inputs[0] : kNoValue;
}

/// (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon), then perhaps a scale and an offset.
void fuse_layer_norm(Graph& graph) {
  rewrite_each(graph, "Div", [&](Node& node, Pattern& pattern) {
    const auto centered = [&](ValueId id) {
      const Node* sub = pattern.producer(id, "Sub");
      if (sub == nullptr ||
          mean_of_last(graph, pattern.producer(sub->inputs[1], "ReduceMean")) != sub->inputs[0]) {
        return kNoValue;
      }
      return sub->inputs[0];
    };
    const ValueId x = centered(node.inputs[0]);
    const Node* root = pattern.producer(node.inputs[1], "Sqrt");
    const Node* sum = root == nullptr ? nullptr : pattern.producer(root->inputs[0], "Add");
    if (x == kNoValue || sum == nullptr) {
      return;
    }
    const auto [variance, epsilon] = pattern.with_constant(*sum);
    const ValueId square = mean_of_last(graph, pattern.producer(variance, "ReduceMean"));
    const Node* power = pattern.producer(square, "Pow");
    const Node* product = pattern.producer(square, "Mul");
    const bool is_square = (power != nullptr && pattern.is_scalar(power->inputs[1], 2.0) &&
                            centered(power->inputs[0]) == x) ||
                           (product != nullptr && product->inputs[0] == product->inputs[1] &&
                            centered(product->inputs[0]) == x);
    if (!is_square || epsilon == nullptr || epsilon->floats.size() != 1) {
      return;
    }
    const std::int64_t channels = graph.value(x).dims.back();
    Tensor scale =
        float_tensor({channels}, std::vector<float>(static_cast<std::size_t>(channels), 1.0F));
    Tensor offset =
        float_tensor({channels}, std::vector<float>(static_cast<std::size_t>(channels), 0.0F));
    const float small = epsilon->floats[0];
    // The last node of the pattern becomes the layer norm.
    Node* last = &node;
    for (const char* op : {"Mul", "Add"}) {
      Node* next = pattern.reader(last->outputs[0], op);
      const Tensor* values = next == nullptr ? nullptr : pattern.with_constant(*next).second;
      const auto columns = values == nullptr ? std::nullopt : per_column(*values, channels);
      if (columns && graph.value(next->outputs[0]).dims == graph.value(x).dims) {
        (*op == 'M' ? scale : offset).floats = *columns;
        last = next;
      }
    }
    const std::string name = last->name;
    const ValueId scale_id = add_constant(graph, name + ".scale", std::move(scale));
    const ValueId offset_id = add_constant(graph, name + ".offset", std::move(offset));
    last->op = "LayerNormalization";
    last->attributes = {{"axis", std::int64_t{-1}}, {"epsilon", small}};
    last->inputs = {x, scale_id, offset_id};
  });
}

/// 0.5 x (1 + erf(x / sqrt 2)), with the half multiplied in before or after.
void fuse_gelu(Graph& graph) {
  rewrite_each(graph, "Erf", [&](Node& node, Pattern& pattern) {
    ValueId x = kNoValue;
    if (const Node* div = pattern.producer(node.inputs[0], "Div")) {
      x = pattern.is_scalar(div->inputs[1], std::sqrt(2.0)) ? div->inputs[0] : kNoValue;
    } else if (const Node* scaled = pattern.producer(node.inputs[0], "Mul")) {
      for (std::size_t k = 0; k < 2; ++k) {
        x = pattern.is_scalar(scaled->inputs[k], std::sqrt(0.5)) ? scaled->inputs[1 - k] : x;
      }
    }
    Node* add = pattern.reader(node.outputs[0], "Add");
    if (x == kNoValue || add == nullptr ||
        !pattern.is_scalar(Pattern::other(*add, node.outputs[0]), 1.0)) {
      return;
    }
    Node* product = pattern.reader(add->outputs[0], "Mul");
    if (product == nullptr) {
      return;
    }
    const ValueId factor = Pattern::other(*product, add->outputs[0]);
    Node* last = nullptr;
    if (factor == x) {
      last = pattern.reader(product->outputs[0], "Mul");
      if (last != nullptr && !pattern.is_scalar(Pattern::other(*last, product->outputs[0]), 0.5)) {
        last = nullptr;
      }
    } else if (const Node* half = pattern.producer(factor, "Mul")) {
      const ValueId rest = Pattern::other(*half, x);
      last = rest != kNoValue && pattern.is_scalar(rest, 0.5) ? product : nullptr;
    }
    if (last == nullptr) {
      return;
    }
    last->op = "Gelu";
    last->inputs = {x};
    last->attributes.clear();
  });
}

/// QuantizeLinear, perhaps Clip, DequantizeLinear with the same scales.
void fuse_fake_quantize(Graph& graph) {
  rewrite_each(graph, "DequantizeLinear", [&](Node& node, Pattern& pattern) {
    const Node* clip = pattern.producer(node.inputs[0], "Clip");
    const Node* q =
        pattern.producer(clip == nullptr ? node.inputs[0] : clip->inputs[0], "QuantizeLinear");
    if (q == nullptr) {
      return;
    }
    const auto same = [&](std::size_t k) {
      const Tensor* a = graph.constant(input_of(*q, k));
      const Tensor* b = graph.constant(input_of(node, k));
      return a == b ||
             (a != nullptr && b != nullptr && a->floats == b->floats && a->ints == b->ints);
    };
    if (graph.constant(input_of(*q, 1)) == nullptr || !same(1) || !same(2)) {
      return;
    }
    const ElementType type = graph.value(q->outputs[0]).type;
    std::int64_t high = (std::int64_t{1} << (type.bits - (type.is_signed ? 1 : 0))) - 1;
    std::int64_t low = type.is_signed ? -high - 1 : 0;
    if (clip != nullptr) {
      const Tensor* from = graph.constant(input_of(*clip, 1));
      const Tensor* to = graph.constant(input_of(*clip, 2));
      if (from == nullptr || to == nullptr || from->ints.size() != 1 || to->ints.size() != 1) {
        return;
      }
      low = std::max(low, from->ints[0]);
      high = std::min(high, to->ints[0]);
    }
    node.op = "FakeQuantize";
    node.attributes["low"] = low;
    node.attributes["high"] = high;
    node.inputs[0] = q->inputs[0];
  });
}

}  // namespace

void infer_shapes(Graph& graph, Reporter& reporter) {
  ShapeInference(graph, reporter).run();
}

void fuse(Graph& graph) {
  prune(graph);
  fuse_fake_quantize(graph);
  make_linear(graph);
  fold_batch_norm(graph);
  fuse_layer_norm(graph);
  fuse_gelu(graph);
}

std::optional<Graph> load_graph(const std::string& path,
                                const Position& wanted_at,
                                Diagnostics& diagnostics) {
  Reporter reporter(path, wanted_at, diagnostics);
  std::optional<Graph> graph = read_graph(path, reporter);
  if (graph) {
    prune(*graph);
    for (const Value& value : graph->values) {
      // Integers of 64 bit are shapes and axes.
      const bool is_weight =
          value.constant != nullptr && !value.dims.empty() && value.type.bits <= 32;
      graph->parameters += is_weight ? value.constant->elements() : 0;
    }
    infer_shapes(*graph, reporter);
  }
  if (!reporter.ok()) {
    return std::nullopt;
  }
  fuse(*graph);
  return graph;
}

void report_unsupported(const std::vector<std::string>& items, Reporter& reporter) {
  if (items.empty()) {
    return;
  }
  std::vector<std::string> shown(
      items.begin(),
      items.begin() + static_cast<std::ptrdiff_t>(std::min(items.size(), kMaxItems)));
  if (items.size() > kMaxItems) {
    shown.push_back(fmt::format("and {} more", items.size() - kMaxItems));
  }
  reporter.error("E-ONNX-OPERATOR",
                 "nodes of the file cannot be imported",
                 "graph",
                 "the operators of workloads/onnx/README.md",
                 fmt::format("{} that cannot", items.size()),
                 "",
                 std::move(shown));
}

}  // namespace tessera::onnx
