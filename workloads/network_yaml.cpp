// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/network_yaml.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

namespace {

using config::Node;
using config::NodeType;

struct InputText {
  int height = 1;
  int width = 1;
  int channels = 1;
  int bits = 8;
  bool is_signed = false;

  static constexpr auto fields() {
    return config::list<InputText>(
        config::field("height", &InputText::height).doc("rows, or tokens of a sequence"),
        config::field("width", &InputText::width).doc("columns; 1 for a sequence"),
        config::field("channels", &InputText::channels).required().doc("values per position"),
        config::field("bits", &InputText::bits).range(1, 16).doc("width of a value"),
        config::field("signed", &InputText::is_signed).doc("two's complement values"));
  }
};

/// The keys of a layer of any kind; keys_of() says which of them a kind takes.
struct LayerText {
  std::string name;
  LayerKind kind = LayerKind::input;
  Node from;
  int channels = 1;
  Node kernel;
  Node stride;
  Node padding;
  Node dilation;
  int groups = 1;
  int heads = 1;
  bool transpose_b = false;
  int begin = 0;
  int height = 1;
  int width = 1;
  Activation activation = Activation::none;
  bool batch_norm = false;
  bool bias = true;

  static constexpr auto fields() {
    using L = LayerText;
    using config::field;
    return config::list<L>(
        field("name", &L::name).required().doc("unique; input is taken"),
        field("kind", &L::kind).required().doc("what the layer computes"),
        field("from", &L::from).doc("name or names of what it reads; default: the layer before"),
        field("channels", &L::channels).doc("output channels; of a slice: how many"),
        field("kernel", &L::kernel).doc("side, [height, width], or global (poolings)"),
        field("stride", &L::stride).doc("step, or [height, width]; poolings: default the kernel"),
        field("padding", &L::padding).doc("zeros on each side, or [top, left, bottom, right]"),
        field("dilation", &L::dilation).doc("distance of kernel taps, or [height, width]"),
        field("groups", &L::groups).doc("independent parts of the channels of a convolution"),
        field("heads", &L::heads).doc("independent parts of the channels of an attention"),
        field("transpose_b", &L::transpose_b).doc("matmul: operand b is read as [position][inner]"),
        field("begin", &L::begin).doc("slice: first channel or position"),
        field("height", &L::height).doc("slice of positions: rows of the output"),
        field("width", &L::width).doc("slice of positions: columns of the output"),
        field("activation", &L::activation).doc("applied last"),
        field("batch_norm", &L::batch_norm).doc("scale and offset per channel"),
        field("bias", &L::bias).doc("offset per channel; default: unless batch_norm"));
  }
};

/// What a layer of this kind takes besides name, kind and from; "*" marks what it needs.
std::vector<std::string> keys_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::conv:
      return {"channels*",
              "kernel",
              "stride",
              "padding",
              "dilation",
              "groups",
              "activation",
              "batch_norm",
              "bias"};
    case LayerKind::fc:
    case LayerKind::linear:
      return {"channels*", "activation", "batch_norm", "bias"};
    case LayerKind::matmul:
      return {"heads", "transpose_b", "activation"};
    case LayerKind::max_pool:
    case LayerKind::avg_pool:
      return {"kernel*", "stride", "padding", "dilation"};
    case LayerKind::add:
      return {"activation"};
    case LayerKind::activation:
      return {"activation*"};
    case LayerKind::softmax:
      return {"heads"};
    case LayerKind::slice:
      return {"begin", "channels", "height", "width"};
    case LayerKind::input:
    case LayerKind::concat:
    case LayerKind::class_token:
    case LayerKind::position_embedding:
    case LayerKind::layer_norm:
    case LayerKind::flatten:
      break;
  }
  return {};
}

template <class E>
std::string_view name_of(E value) {
  for (const auto& [candidate, name] : enum_names(E{})) {
    if (candidate == value) {
      return name;
    }
  }
  return "?";
}

/// One number for all `values`, or a list of one number each.
void read_numbers(const Node& node,
                  std::string_view names,
                  Diagnostics& diagnostics,
                  const std::vector<int*>& values) {
  if (node.is_null()) {
    return;
  }
  if (node.type() != NodeType::sequence) {
    const int all = config::read<int>(node, diagnostics, 1);
    for (int* value : values) {
      *value = all;
    }
    return;
  }
  const auto list = config::read<std::vector<int>>(node, diagnostics);
  if (list.size() != values.size()) {
    diagnostics.error(config::diagnose(node,
                                       "E-NET-LIST",
                                       "the list has the wrong length",
                                       fmt::format("an integer, or {}", names)));
    return;
  }
  for (std::size_t k = 0; k < values.size(); ++k) {
    *values[k] = list[k];
  }
}

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  std::optional<Network> read(const Node& node) {
    const std::size_t errors = diagnostics_.errors().size();
    nodes_.push_back(node.get("input"));
    network_.name = config::read<std::string>(node.get("name"), diagnostics_, "network");
    const auto input = config::read<InputText>(nodes_[0], diagnostics_);
    Layer first;
    first.name = "input";
    first.out = {input.height, input.width, input.channels};
    first.out_bits = input.bits;
    first.out_signed = input.is_signed;
    first.has_bias = false;
    network_.layers.push_back(std::move(first));
    names_["input"] = 0;
    is_ok_.push_back(diagnostics_.errors().size() == errors);

    const Node layers = node.get("layers");
    const std::size_t count = layers.items().size();
    if (layers.type() != NodeType::sequence || count == 0 || count >= kMaxLayers) {
      diagnostics_.error(
          config::diagnose(layers.is_null() ? node : layers,
                           "E-NET-SIZE",
                           "a network needs a list of layers",
                           fmt::format("layers: with 1 to {} layers", kMaxLayers - 1)));
      return std::nullopt;
    }
    for (const Node& item : layers.items()) {
      read_layer(item);
    }
    resolve_inputs();
    infer_shapes();
    if (is_order_ok_) {
      std::vector<NetworkProblem> problems;
      check_outputs(network_, problems);
      report(problems);
    }
    if (diagnostics_.errors().size() != errors) {
      return std::nullopt;
    }
    return std::move(network_);
  }

 private:
  void read_layer(const Node& node) {
    const auto id = static_cast<LayerId>(network_.layers.size());
    const std::size_t errors = diagnostics_.errors().size();
    const auto text = config::read<LayerText>(node, diagnostics_);
    Layer layer;
    layer.name = text.name;
    layer.kind = text.kind;
    layer.out.channels = text.channels;
    layer.groups = text.groups;
    layer.heads = text.heads;
    layer.transpose_b = text.transpose_b;
    layer.slice_begin = text.begin;
    layer.activation = text.activation;
    layer.has_batch_norm = text.batch_norm;
    const bool has_matrix = layer.is_matrix() && !layer.has_dynamic_weights();
    layer.has_bias = has_matrix && (node.has("bias") ? text.bias : !text.batch_norm);
    if (diagnostics_.errors().size() == errors) {
      check_keys(node, layer);
      read_window(text, layer);
      read_slice(node, text, layer);
    }
    // A layer that was not understood still has a name that others may use.
    is_ok_.push_back(diagnostics_.errors().size() == errors);
    nodes_.push_back(node);
    const auto [found, inserted] = names_.emplace(layer.name, id);
    if (!inserted && !layer.name.empty()) {
      Diagnostic d = config::diagnose(node.get("name"),
                                      "E-NET-NAME",
                                      fmt::format("two layers are named '{}'", layer.name),
                                      "a name of its own");
      d.related.push_back(place(found->second, "name").at());
      diagnostics_.error(std::move(d));
    } else if (layer.name.empty() && node.has("name")) {
      diagnostics_.error(
          config::diagnose(node.get("name"), "E-NET-NAME", "a layer has no name", "a name"));
    }
    froms_.push_back(text.from);
    network_.layers.push_back(std::move(layer));
  }

  /// Keys that a layer of this kind does not take, or needs and does not have.
  void check_keys(const Node& node, const Layer& layer) {
    if (layer.kind == LayerKind::input) {
      diagnostics_.error(config::diagnose(node.get("kind"),
                                          "E-NET-INPUT",
                                          "there is one input, described under 'input'",
                                          "any other kind",
                                          "remove this layer and let others say from: input"));
      return;
    }
    std::vector<std::string> allowed{"name", "kind", "from"};
    for (std::string key : keys_of(layer.kind)) {
      if (key.back() == '*') {
        key.pop_back();
        if (!node.has(key)) {
          Diagnostic d = config::diagnose(
              node,
              "E-NET-MISSING",
              fmt::format("{} layer '{}' needs '{}'", name_of(layer.kind), layer.name, key),
              fmt::format("{}: ...", key));
          d.got = "nothing";
          diagnostics_.error(std::move(d));
        }
      }
      allowed.push_back(key);
    }
    for (const auto& [key, at] : node.keys()) {
      if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
        Diagnostic d = config::diagnose(
            node.get(key),
            "E-NET-KEY",
            fmt::format("'{}' means nothing for a {} layer", key, name_of(layer.kind)),
            fmt::format("one of: {}", fmt::join(allowed, ", ")));
        d.at = at;
        diagnostics_.error(std::move(d));
      }
    }
  }

  void read_window(const LayerText& text, Layer& layer) {
    Window& w = layer.window;
    const bool is_pool = layer.kind == LayerKind::max_pool || layer.kind == LayerKind::avg_pool;
    if (is_pool && text.kernel.type() == NodeType::scalar && text.kernel.scalar() == "global") {
      w.kernel_h = w.kernel_w = 0;  // replaced once the input is known
    } else {
      read_numbers(text.kernel, "[height, width]", diagnostics_, {&w.kernel_h, &w.kernel_w});
      if (is_pool) {
        w.stride_h = w.kernel_h;
        w.stride_w = w.kernel_w;
      }
    }
    read_numbers(text.stride, "[height, width]", diagnostics_, {&w.stride_h, &w.stride_w});
    read_numbers(text.padding,
                 "[top, left, bottom, right]",
                 diagnostics_,
                 {&w.pad_top, &w.pad_left, &w.pad_bottom, &w.pad_right});
    read_numbers(text.dilation, "[height, width]", diagnostics_, {&w.dilation_h, &w.dilation_w});
  }

  void read_slice(const Node& node, const LayerText& text, Layer& layer) {
    if (layer.kind != LayerKind::slice) {
      return;
    }
    const bool of_channels = node.has("channels");
    if (of_channels == (node.has("height") || node.has("width"))) {
      Diagnostic d =
          config::diagnose(node,
                           of_channels ? "E-NET-KEY" : "E-NET-MISSING",
                           fmt::format("slice '{}' is of channels or of positions", layer.name),
                           "either channels: n, or height: n and width: m");
      d.got = of_channels ? "both" : "neither";
      diagnostics_.error(std::move(d));
    }
    if (!of_channels) {
      layer.slice_positions = true;
      layer.out = {text.height, text.width, 1};
    }
  }

  /// Names to numbers. Layers with a name that is unknown or comes too late are not ok.
  void resolve_inputs() {
    std::vector<std::vector<LayerId>> wanted(network_.layers.size());
    for (LayerId id = 1; id <= network_.output(); ++id) {
      const Node& from = froms_[static_cast<std::size_t>(id) - 1];
      if (from.is_null()) {
        wanted[static_cast<std::size_t>(id)].push_back(id - 1);
        continue;
      }
      const std::vector<Node> one{from};
      for (const Node& item : from.type() == NodeType::sequence ? from.items() : one) {
        wanted[static_cast<std::size_t>(id)].push_back(resolve(id, item));
      }
    }
    for (LayerId id = 1; id <= network_.output(); ++id) {
      const auto index = static_cast<std::size_t>(id);
      Layer& layer = network_.layers[index];
      for (std::size_t k = 0; k < wanted[index].size(); ++k) {
        const LayerId operand = wanted[index][k];
        if (operand >= id) {
          report_order(id, k, operand, wanted);
        }
        if (operand < 0 || operand >= id) {
          is_ok_[index] = false;
          is_order_ok_ = false;
        }
      }
      if (is_order_ok_) {
        layer.inputs = wanted[index];
      } else {
        for (const LayerId operand : wanted[index]) {
          layer.inputs.push_back(operand >= 0 && operand < id ? operand : 0);
        }
      }
    }
  }

  /// The layer of that name, or -1 after an error.
  LayerId resolve(LayerId id, const Node& item) {
    const auto name = config::read<std::string>(item, diagnostics_, "");
    const auto found = names_.find(name);
    if (found != names_.end() && !name.empty()) {
      return found->second;
    }
    if (!name.empty()) {
      std::vector<std::string> candidates;
      for (LayerId other = id - 1; other >= 0 && is_worth_a_search(); --other) {
        candidates.push_back(network_.layer(other).name);
      }
      const std::string near = did_you_mean(name, candidates);
      diagnostics_.error(config::diagnose(
          item,
          "E-NET-UNKNOWN-LAYER",
          fmt::format("layer '{}' reads '{}', which does not exist", network_.layer(id).name, name),
          "the name of an earlier layer, or input",
          near.empty() ? "" : fmt::format("did you mean '{}'?", near)));
    }
    return -1;
  }

  void report_order(LayerId id,
                    std::size_t operand_index,
                    LayerId operand,
                    const std::vector<std::vector<LayerId>>& wanted) {
    const Node& from = froms_[static_cast<std::size_t>(id) - 1];
    const Node item = from.type() == NodeType::sequence ? from.items()[operand_index] : from;
    const std::string& name = network_.layer(id).name;
    const std::string& other = network_.layer(operand).name;
    const bool is_cycle = is_worth_a_search() && depends_on(operand, id, wanted);
    Diagnostic d = config::diagnose(
        item,
        is_cycle ? "E-NET-CYCLE" : "E-NET-FORWARD",
        is_cycle && operand == id ? fmt::format("layer '{}' reads itself", name)
                                  : fmt::format("layer '{}' reads '{}', which {}",
                                                name,
                                                other,
                                                is_cycle ? "depends on it" : "comes later"),
        "the name of an earlier layer, or input",
        is_cycle ? "" : fmt::format("move '{}' before '{}'", other, name));
    if (operand != id) {
      d.related.push_back(nodes_[static_cast<std::size_t>(operand)].at());
    }
    diagnostics_.error(std::move(d));
  }

  /// Searches cost time in large networks, and of hundreds of errors only the first are shown.
  [[nodiscard]] bool is_worth_a_search() const { return diagnostics_.errors().size() < 100; }

  /// Whether `from` reads `target`, directly or through others.
  static bool depends_on(LayerId from,
                         LayerId target,
                         const std::vector<std::vector<LayerId>>& wanted) {
    std::vector<LayerId> open{from};
    std::vector<bool> seen(wanted.size(), false);
    while (!open.empty()) {
      const LayerId id = open.back();
      open.pop_back();
      if (id == target) {
        return true;
      }
      if (id >= 0 && !seen[static_cast<std::size_t>(id)]) {
        seen[static_cast<std::size_t>(id)] = true;
        const auto& next = wanted[static_cast<std::size_t>(id)];
        open.insert(open.end(), next.begin(), next.end());
      }
    }
    return false;
  }

  /// Shapes of all layers whose inputs have one.
  void infer_shapes() {
    for (LayerId id = 0; id <= network_.output(); ++id) {
      const auto index = static_cast<std::size_t>(id);
      Layer& layer = network_.layers[index];
      for (const LayerId operand : layer.inputs) {
        is_ok_[index] = is_ok_[index] && is_ok_[static_cast<std::size_t>(operand)];
      }
      if (!is_ok_[index]) {
        continue;
      }
      if (layer.window.kernel_h == 0 && is_global(id)) {
        layer.window.kernel_h = network_.in_shape(id).height;
        layer.window.kernel_w = network_.in_shape(id).width;
      }
      std::vector<NetworkProblem> problems;
      const std::optional<Shape> shape = infer_shape(network_, layer, id, problems);
      report(problems);
      is_ok_[index] = shape.has_value();
      layer.out = shape.value_or(Shape{});
    }
  }

  [[nodiscard]] bool is_global(LayerId id) const {
    const Node kernel = nodes_[static_cast<std::size_t>(id)].get("kernel");
    return kernel.type() == NodeType::scalar && kernel.scalar() == "global" &&
           !network_.layer(id).inputs.empty();
  }

  /// The value of `key` of a layer, or the layer when the key is not written.
  [[nodiscard]] Node place(LayerId id, const std::string& key) const {
    const Node& node = nodes_[static_cast<std::size_t>(id)];
    return !key.empty() && node.has(key) ? node.get(key) : node;
  }

  void report(const std::vector<NetworkProblem>& problems) {
    for (const NetworkProblem& p : problems) {
      Diagnostic d =
          config::diagnose(place(p.layer, p.key), p.code, p.sentence, p.expected, p.hint);
      d.got = p.got;
      if (p.other >= 0) {
        d.related.push_back(nodes_[static_cast<std::size_t>(p.other)].at());
      }
      diagnostics_.error(std::move(d));
    }
  }

  Diagnostics& diagnostics_;
  Network network_;
  std::vector<Node> nodes_;  ///< per layer
  std::vector<Node> froms_;  ///< per layer after the input
  std::vector<bool> is_ok_;  ///< per layer: understood, and its shape known once inferred
  std::map<std::string, LayerId> names_;
  bool is_order_ok_ = true;  ///< all inputs name earlier layers
};

std::optional<Network> read_zoo(const Node& node, Diagnostics& diagnostics) {
  const Node name_node = node.get("zoo");
  const auto name = config::read<std::string>(name_node, diagnostics, "");
  const std::vector<std::string> names = zoo_names();
  if (std::find(names.begin(), names.end(), name) != names.end()) {
    return zoo(name);
  }
  if (!name.empty()) {
    const std::string near = did_you_mean(name, names);
    diagnostics.error(
        config::diagnose(name_node,
                         "E-NET-ZOO",
                         fmt::format("there is no built-in network '{}'", name),
                         fmt::format("one of: {}", fmt::join(names, ", ")),
                         near.empty() ? "" : fmt::format("did you mean '{}'?", near)));
  }
  return std::nullopt;
}

/// A name as YAML reads it back: plain when it cannot be taken for anything else.
std::string quoted(const std::string& name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_plain = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' || c == '/';
  };
  // What YAML readers take for something else than text.
  constexpr std::array<std::string_view, 9> kWords{
      "true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), is_plain) &&
      std::find(kWords.begin(), kWords.end(), lower) == kWords.end()) {
    return name;
  }
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// `, key: value` unless both are the default.
std::string pair_text(const char* key, int height, int width, int standard_h, int standard_w) {
  if (height == standard_h && width == standard_w) {
    return "";
  }
  return height == width ? fmt::format(", {}: {}", key, height)
                         : fmt::format(", {}: [{}, {}]", key, height, width);
}

std::string window_text(const Layer& layer) {
  const Window& w = layer.window;
  const bool is_pool = layer.kind != LayerKind::conv;
  // 0 is no kernel: a pooling always writes its own.
  std::string text = pair_text("kernel", w.kernel_h, w.kernel_w, is_pool ? 0 : 1, is_pool ? 0 : 1);
  text += pair_text(
      "stride", w.stride_h, w.stride_w, is_pool ? w.kernel_h : 1, is_pool ? w.kernel_w : 1);
  if (w.pad_top == w.pad_left && w.pad_top == w.pad_bottom && w.pad_top == w.pad_right) {
    text += w.pad_top == 0 ? "" : fmt::format(", padding: {}", w.pad_top);
  } else {
    text += fmt::format(
        ", padding: [{}, {}, {}, {}]", w.pad_top, w.pad_left, w.pad_bottom, w.pad_right);
  }
  return text + pair_text("dilation", w.dilation_h, w.dilation_w, 1, 1);
}

std::string from_text(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  if (layer.inputs == std::vector<LayerId>{id - 1}) {
    return "";
  }
  std::vector<std::string> names;
  for (const LayerId operand : layer.inputs) {
    names.push_back(quoted(network.layer(operand).name));
  }
  return names.size() == 1 ? fmt::format(", from: {}", names[0])
                           : fmt::format(", from: [{}]", fmt::join(names, ", "));
}

std::string layer_text(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  std::string text = fmt::format(
      "name: {}, kind: {}{}", quoted(layer.name), name_of(layer.kind), from_text(network, id));
  if (layer.is_matrix() && !layer.has_dynamic_weights()) {
    text += fmt::format(", channels: {}", layer.out.channels);
  }
  switch (layer.kind) {
    case LayerKind::conv:
    case LayerKind::max_pool:
    case LayerKind::avg_pool:
      text += window_text(layer);
      break;
    case LayerKind::slice:
      text += layer.slice_begin == 0 ? "" : fmt::format(", begin: {}", layer.slice_begin);
      text += layer.slice_positions
                  ? fmt::format(", height: {}, width: {}", layer.out.height, layer.out.width)
                  : fmt::format(", channels: {}", layer.out.channels);
      break;
    default:
      break;
  }
  text += layer.groups == 1 ? "" : fmt::format(", groups: {}", layer.groups);
  text += layer.heads == 1 ? "" : fmt::format(", heads: {}", layer.heads);
  text += layer.transpose_b ? ", transpose_b: true" : "";
  if (layer.activation != Activation::none || layer.kind == LayerKind::activation) {
    text += fmt::format(", activation: {}", name_of(layer.activation));
  }
  text += layer.has_batch_norm ? ", batch_norm: true" : "";
  if (layer.is_matrix() && !layer.has_dynamic_weights() && layer.has_bias == layer.has_batch_norm) {
    text += fmt::format(", bias: {}", layer.has_bias);
  }
  return text;
}

}  // namespace

std::optional<Network> read_network(const Node& node, Diagnostics& diagnostics) {
  if (node.type() != NodeType::map) {
    diagnostics.error(config::diagnose(node,
                                       "E-NET-SIZE",
                                       "there is no network",
                                       "a map with name, input and layers, or zoo: <name>"));
    return std::nullopt;
  }
  return node.has("zoo") ? read_zoo(node, diagnostics) : Reader(diagnostics).read(node);
}

std::optional<Network> load_network(const std::string& path, Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.errors().size();
  const Node root = config::load(path, diagnostics);
  if (diagnostics.errors().size() != errors) {
    return std::nullopt;  // a partial tree would only bring follow-up errors
  }
  std::optional<Network> network = read_network(root.get("network"), diagnostics);
  config::report_unread(root, diagnostics);
  return diagnostics.errors().size() == errors ? network : std::nullopt;
}

std::string to_yaml(const Network& network) {
  const Layer& input = network.layers.front();
  std::string text = fmt::format(
      "network:\n  name: {}\n  input: {{height: {}, width: {}, "
      "channels: {}, bits: {}, signed: {}}}\n  layers:\n",
      quoted(network.name),
      input.out.height,
      input.out.width,
      input.out.channels,
      input.out_bits,
      input.out_signed);
  for (LayerId id = 1; id <= network.output(); ++id) {
    text += fmt::format("    - {{{}}}\n", layer_text(network, id));
  }
  return text;
}

std::vector<config::FieldInfo> network_layer_fields() {
  return config::describe<LayerText>();
}

}  // namespace tessera
