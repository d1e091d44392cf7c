// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace tessera {

namespace {

std::string text(const Shape& s) {
  return fmt::format("{}x{}x{}", s.height, s.width, s.channels);
}

std::string_view kind_name(LayerKind kind) {
  for (const auto& [value, name] : enum_names(LayerKind{})) {
    if (value == kind) {
      return name;
    }
  }
  return "?";
}

/// Collects the problems of one layer.
class LayerCheck {
 public:
  LayerCheck(const Network& network,
             const Layer& layer,
             LayerId id,
             std::vector<NetworkProblem>& problems)
      : network_(network), layer_(layer), id_(id), problems_(problems), before_(problems.size()) {}

  void fail(std::string code,
            std::string sentence,
            std::string key,
            std::string expected,
            std::string got,
            std::string hint = "",
            LayerId other = -1) {
    problems_.push_back({std::move(code),
                         std::move(sentence),
                         id_,
                         other,
                         std::move(key),
                         std::move(expected),
                         std::move(got),
                         std::move(hint)});
  }

  /// `value` must be in [low, kMaxDim].
  void dim(std::int64_t value, int low, const char* key) {
    if (value < low || value > kMaxDim) {
      fail("E-NET-DIM",
           fmt::format("'{}' of layer '{}' is {}",
                       key,
                       layer_.name,
                       value < low ? "too small" : "too large"),
           key,
           fmt::format("an integer in [{}, {}]", low, kMaxDim),
           fmt::format("{}", value));
    }
  }

  /// `channels` must be a multiple of `parts`.
  void divides(std::int64_t channels, int parts, const char* what, const char* key, LayerId other) {
    if (parts >= 1 && channels % parts != 0) {
      fail("E-NET-GROUPS",
           fmt::format("{} of layer '{}' are not divisible by its {}", what, layer_.name, key),
           key,
           fmt::format("a divisor of {}", channels),
           fmt::format("{}", parts),
           "",
           other);
    }
  }

  /// Operands that must have equal shapes, the channels excepted when `any_channels`.
  void same_shape(bool any_channels) {
    const Shape first = network_.layer(layer_.inputs[0]).out;
    for (std::size_t k = 1; k < layer_.inputs.size(); ++k) {
      const Layer& other = network_.layer(layer_.inputs[k]);
      const bool equal = other.out.height == first.height && other.out.width == first.width &&
                         (any_channels || other.out.channels == first.channels);
      if (!equal) {
        fail("E-NET-SHAPE",
             fmt::format("operands of layer '{}' have different shapes", layer_.name),
             "from",
             fmt::format("'{}' with shape {}, as '{}'{}",
                         other.name,
                         text(first),
                         network_.layer(layer_.inputs[0]).name,
                         any_channels ? " (any channels)" : ""),
             text(other.out),
             "",
             layer_.inputs[k]);
      }
    }
  }

  /// Output length of a window along one axis; 0 after a problem.
  int window(const char* axis,
             int in,
             int kernel,
             int stride,
             int dilation,
             int pad_before,
             int pad_after) {
    const std::size_t before = problems_.size();
    dim(kernel, 1, "kernel");
    dim(stride, 1, "stride");
    dim(dilation, 1, "dilation");
    dim(pad_before, 0, "padding");
    dim(pad_after, 0, "padding");
    if (problems_.size() != before) {
      return 0;
    }
    const std::int64_t extent = std::int64_t{kernel - 1} * dilation + 1;
    const std::int64_t padded = std::int64_t{in} + pad_before + pad_after;
    if (extent > padded) {
      fail("E-NET-KERNEL",
           fmt::format("the kernel of layer '{}' is larger than its padded input", layer_.name),
           "kernel",
           fmt::format("{} of at most {} (input {} plus padding)", axis, padded, in),
           fmt::format("{}{}", extent, dilation > 1 ? " with dilation" : ""),
           "use a smaller kernel or more padding",
           layer_.inputs[0]);
      return 0;
    }
    if (pad_before >= extent || pad_after >= extent) {
      fail("E-NET-PADDING",
           fmt::format("the padding of layer '{}' is as large as its kernel", layer_.name),
           "padding",
           fmt::format("{} less than {}", axis, extent),
           fmt::format("{}", std::max(pad_before, pad_after)),
           "some outputs would see nothing but padding");
      return 0;
    }
    return static_cast<int>((padded - extent) / stride + 1);
  }

  std::optional<Shape> window_shape(const Shape& in, int channels) {
    const Window& w = layer_.window;
    const int height =
        window("height", in.height, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top, w.pad_bottom);
    const int width =
        window("width", in.width, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left, w.pad_right);
    return finish({height, width, channels});
  }

  /// The shape, unless something was wrong or the tensor is too large.
  std::optional<Shape> finish(const Shape& shape) {
    if (problems_.size() != before_) {
      return std::nullopt;
    }
    dim(shape.height, 1, "height");
    dim(shape.width, 1, "width");
    dim(shape.channels, 1, "channels");
    if (problems_.size() == before_ && shape.positions() > kMaxElements / shape.channels) {
      fail("E-NET-DIM",
           fmt::format("the output of layer '{}' is too large", layer_.name),
           "",
           fmt::format("at most {} elements", kMaxElements),
           text(shape));
    }
    return problems_.size() == before_ ? std::optional<Shape>(shape) : std::nullopt;
  }

  [[nodiscard]] bool ok() const { return problems_.size() == before_; }

 private:
  const Network& network_;
  const Layer& layer_;
  LayerId id_;
  std::vector<NetworkProblem>& problems_;
  std::size_t before_;
};

/// Smallest and largest number of operands.
std::pair<std::size_t, std::size_t> arity(LayerKind kind) {
  switch (kind) {
    case LayerKind::input:
      return {0, 0};
    case LayerKind::matmul:
    case LayerKind::add:
      return {2, 2};
    case LayerKind::concat:
      return {2, 1024};
    default:
      return {1, 1};
  }
}

/// Size of the matrix of `layer`, with its output shape already known; guards against overflow.
void check_matrix(const Network& network,
                  const Layer& layer,
                  LayerId id,
                  const Shape& out,
                  std::vector<NetworkProblem>& problems) {
  // Every factor is at most 2^28 and the divisions come first, so nothing overflows.
  const Shape& a = network.layer(layer.inputs[0]).out;
  const std::int64_t taps = layer.kind == LayerKind::conv
                                ? std::int64_t{layer.window.kernel_h} * layer.window.kernel_w
                                : 1;
  const std::int64_t inputs = layer.kind == LayerKind::fc       ? a.elements()
                              : layer.kind == LayerKind::conv   ? a.channels / layer.groups
                              : layer.kind == LayerKind::matmul ? a.channels / layer.heads
                                                                : a.channels;
  const bool too_many = taps > kMaxWeights / inputs || taps * inputs > kMaxWeights / out.channels;
  const std::int64_t weights = too_many ? 0 : taps * inputs * out.channels;
  if (too_many || (weights > 0 && out.positions() > kMaxMacs / weights)) {
    problems.push_back(
        {"E-NET-DIM",
         fmt::format("the matrix of layer '{}' is too large", layer.name),
         id,
         -1,
         "",
         fmt::format("at most {} weights and {} multiply-accumulates", kMaxWeights, kMaxMacs),
         fmt::format("{} taps x {} inputs x {} outputs at {} positions",
                     taps,
                     inputs,
                     out.channels,
                     out.positions()),
         ""});
  }
}

std::optional<Shape> matmul_shape(const Network& network, const Layer& layer, LayerCheck& at) {
  const Shape& a = network.layer(layer.inputs[0]).out;
  const Shape& b = network.layer(layer.inputs[1]).out;
  at.dim(layer.heads, 1, "heads");
  at.divides(a.channels, layer.heads, "channels of operand a", "heads", layer.inputs[0]);
  at.divides(b.channels, layer.heads, "channels of operand b", "heads", layer.inputs[1]);
  if (!at.ok()) {
    return std::nullopt;
  }
  const std::int64_t inner = a.channels / layer.heads;
  const std::int64_t inner_b = layer.transpose_b ? b.channels / layer.heads : b.positions();
  if (inner != inner_b) {
    at.fail("E-NET-SHAPE",
            fmt::format("the operands of matmul '{}' do not chain", layer.name),
            "from",
            fmt::format("{} {} of operand b, as '{}' has {} channels per head",
                        inner,
                        layer.transpose_b ? "channels per head" : "positions",
                        network.layer(layer.inputs[0]).name,
                        inner),
            fmt::format("{} ('{}' is {})", inner_b, network.layer(layer.inputs[1]).name, text(b)),
            layer.transpose_b ? "" : "did you mean transpose_b: true?",
            layer.inputs[1]);
    return std::nullopt;
  }
  const std::int64_t channels =
      layer.transpose_b ? b.positions() * layer.heads : std::int64_t{b.channels};
  at.dim(channels, 1, "channels");
  return at.ok() ? at.finish({a.height, a.width, static_cast<int>(channels)}) : std::nullopt;
}

std::optional<Shape> slice_shape(const Layer& layer, const Shape& in, LayerCheck& at) {
  const Shape& want = layer.out;
  at.dim(want.height, 1, "height");
  at.dim(want.width, 1, "width");
  at.dim(want.channels, 1, "channels");
  if (!at.ok()) {
    return std::nullopt;
  }
  const std::int64_t available = layer.slice_positions ? in.positions() : in.channels;
  const std::int64_t count = layer.slice_positions ? want.positions() : want.channels;
  const std::int64_t begin = layer.slice_begin;
  if (begin < 0 || begin + count > available) {
    at.fail("E-NET-SHAPE",
            fmt::format("slice '{}' reaches outside its input", layer.name),
            "begin",
            fmt::format(
                "{} within [0, {})", layer.slice_positions ? "positions" : "channels", available),
            fmt::format("[{}, {})", begin, begin + count),
            "",
            layer.inputs[0]);
    return std::nullopt;
  }
  return at.finish(layer.slice_positions ? Shape{want.height, want.width, in.channels}
                                         : Shape{in.height, in.width, want.channels});
}

}  // namespace

std::optional<Shape> infer_shape(const Network& network,
                                 const Layer& layer,
                                 LayerId id,
                                 std::vector<NetworkProblem>& problems) {
  LayerCheck at(network, layer, id, problems);
  const auto [fewest, most] = arity(layer.kind);
  if (layer.inputs.size() < fewest || layer.inputs.size() > most) {
    at.fail("E-NET-ARITY",
            fmt::format("layer '{}' has the wrong number of operands", layer.name),
            "from",
            fewest == most ? fmt::format("{} for a {} layer", fewest, kind_name(layer.kind))
                           : fmt::format("{} to {}", fewest, most),
            fmt::format("{}", layer.inputs.size()));
    return std::nullopt;
  }
  if (layer.kind == LayerKind::input) {
    return at.finish(layer.out);
  }
  const Shape& in = network.layer(layer.inputs[0]).out;
  std::optional<Shape> out;
  switch (layer.kind) {
    case LayerKind::input:
      break;
    case LayerKind::conv:
      at.dim(layer.groups, 1, "groups");
      at.dim(layer.out.channels, 1, "channels");
      at.divides(in.channels, layer.groups, "input channels", "groups", layer.inputs[0]);
      at.divides(layer.out.channels, layer.groups, "output channels", "groups", -1);
      out = at.window_shape(in, layer.out.channels);
      break;
    case LayerKind::fc:
      out = at.finish({1, 1, layer.out.channels});
      break;
    case LayerKind::linear:
      out = at.finish({in.height, in.width, layer.out.channels});
      break;
    case LayerKind::matmul:
      out = matmul_shape(network, layer, at);
      break;
    case LayerKind::max_pool:
    case LayerKind::avg_pool:
      out = at.window_shape(in, in.channels);
      break;
    case LayerKind::add:
      at.same_shape(false);
      out = at.finish(in);
      break;
    case LayerKind::concat: {
      at.same_shape(true);
      std::int64_t channels = 0;
      for (const LayerId operand : layer.inputs) {
        channels += network.layer(operand).out.channels;
      }
      at.dim(channels, 1, "channels");
      out = at.ok() ? at.finish({in.height, in.width, static_cast<int>(channels)}) : std::nullopt;
      break;
    }
    case LayerKind::softmax:
      at.dim(layer.heads, 1, "heads");
      at.divides(in.channels, layer.heads, "channels", "heads", layer.inputs[0]);
      out = at.finish(in);
      break;
    case LayerKind::activation:
    case LayerKind::layer_norm:
    case LayerKind::position_embedding:
      out = at.finish(in);
      break;
    case LayerKind::class_token:
      at.dim(in.positions() + 1, 1, "height");
      out = at.ok() ? at.finish({static_cast<int>(in.positions() + 1), 1, in.channels})
                    : std::nullopt;
      break;
    case LayerKind::flatten:
      at.dim(in.elements(), 1, "channels");
      out = at.ok() ? at.finish({1, 1, static_cast<int>(in.elements())}) : std::nullopt;
      break;
    case LayerKind::slice:
      out = slice_shape(layer, in, at);
      break;
  }
  if (out && layer.is_matrix()) {
    check_matrix(network, layer, id, *out, problems);
    return at.ok() ? out : std::nullopt;
  }
  return out;
}

std::vector<NetworkProblem> check(const Network& network) {
  std::vector<NetworkProblem> problems;
  const auto fail = [&](std::string code,
                        std::string sentence,
                        LayerId id,
                        LayerId other,
                        std::string key,
                        std::string expected,
                        std::string got,
                        std::string hint) {
    problems.push_back({std::move(code),
                        std::move(sentence),
                        id,
                        other,
                        std::move(key),
                        std::move(expected),
                        std::move(got),
                        std::move(hint)});
  };
  if (network.layers.size() < 2 || network.layers.size() > kMaxLayers) {
    fail("E-NET-SIZE",
         "the network has no layers or too many",
         -1,
         -1,
         "layers",
         fmt::format("1 to {} layers after the input", kMaxLayers - 1),
         fmt::format("{}", network.layers.empty() ? 0 : network.layers.size() - 1),
         "");
    return problems;
  }
  std::map<std::string, LayerId> names;
  bool order_ok = true;
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    const auto [found, inserted] = names.emplace(layer.name, id);
    if (!inserted || layer.name.empty()) {
      fail("E-NET-NAME",
           layer.name.empty() ? std::string("a layer has no name")
                              : fmt::format("two layers are named '{}'", layer.name),
           id,
           inserted ? -1 : found->second,
           "name",
           "a name of its own",
           fmt::format("'{}'", layer.name),
           "");
    }
    if ((layer.kind == LayerKind::input) != (id == 0)) {
      fail("E-NET-INPUT",
           "the first layer, and only it, is the input",
           id,
           -1,
           "kind",
           id == 0 ? "input" : "any other kind",
           std::string(kind_name(layer.kind)),
           "");
      order_ok = false;
    }
    for (const LayerId operand : layer.inputs) {
      if (operand < 0 || operand >= id) {
        fail("E-NET-FORWARD",
             fmt::format("layer '{}' reads a layer that does not precede it", layer.name),
             id,
             -1,
             "from",
             fmt::format("a layer number in [0, {})", id),
             fmt::format("{}", operand),
             "");
        order_ok = false;
      }
    }
  }
  if (!order_ok) {
    return problems;  // shapes of unknown inputs mean nothing
  }
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    const std::optional<Shape> shape = infer_shape(network, layer, id, problems);
    if (shape && *shape != layer.out) {
      fail("E-NET-SHAPE",
           fmt::format("the shape of layer '{}' does not follow from its inputs", layer.name),
           id,
           layer.inputs.empty() ? -1 : layer.inputs[0],
           "",
           text(*shape),
           text(layer.out),
           "");
    }
  }
  check_outputs(network, problems);
  return problems;
}

void check_outputs(const Network& network, std::vector<NetworkProblem>& problems) {
  // Layers from which the output is reached.
  std::vector<bool> alive(network.layers.size(), false);
  alive.back() = true;
  for (LayerId id = network.output(); id >= 0; --id) {
    if (alive[static_cast<std::size_t>(id)]) {
      for (const LayerId operand : network.layer(id).inputs) {
        alive[static_cast<std::size_t>(operand)] = true;
      }
    }
  }
  const auto readers = consumers(network);
  for (LayerId id = 0; id < network.output(); ++id) {
    const auto index = static_cast<std::size_t>(id);
    if (alive[index]) {
      continue;
    }
    const std::string& name = network.layer(id).name;
    if (readers[index].empty()) {
      problems.push_back(
          {"E-NET-OUTPUTS",
           fmt::format("nobody reads layer '{}'", name),
           id,
           network.output(),
           "",
           fmt::format("one output, the last layer '{}'", network.layers.back().name),
           fmt::format("'{}' is a second one", name),
           "remove the layer or let a later one read it"});
    } else {
      problems.push_back({"E-NET-DEAD",
                          fmt::format("layer '{}' does not contribute to the output", name),
                          id,
                          -1,
                          "",
                          fmt::format("a path to the last layer '{}'", network.layers.back().name),
                          "none",
                          ""});
    }
  }
}

MatrixShape matrix_shape(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  const Shape& a = network.in_shape(id);
  MatrixShape m;
  m.positions = layer.out.positions();
  switch (layer.kind) {
    case LayerKind::conv:
      m.groups = layer.groups;
      m.rows =
          std::int64_t{layer.window.kernel_h} * layer.window.kernel_w * (a.channels / layer.groups);
      m.cols = layer.out.channels / layer.groups;
      break;
    case LayerKind::fc:
      m.rows = a.elements();
      m.cols = layer.out.channels;
      break;
    case LayerKind::linear:
      m.rows = a.channels;
      m.cols = layer.out.channels;
      break;
    case LayerKind::matmul:
      m.groups = layer.heads;
      m.rows = a.channels / layer.heads;
      m.cols = layer.transpose_b ? network.in_shape(id, 1).positions()
                                 : network.in_shape(id, 1).channels / layer.heads;
      break;
    default:
      break;  // no matrix: all zero
  }
  return m;
}

std::vector<LayerId> matrix_layers(const Network& network) {
  std::vector<LayerId> ids;
  for (LayerId id = 0; id <= network.output(); ++id) {
    if (network.layer(id).is_matrix()) {
      ids.push_back(id);
    }
  }
  return ids;
}

std::vector<std::vector<LayerId>> consumers(const Network& network) {
  std::vector<std::vector<LayerId>> readers(network.layers.size());
  for (LayerId id = 0; id <= network.output(); ++id) {
    for (const LayerId operand : network.layer(id).inputs) {
      readers[static_cast<std::size_t>(operand)].push_back(id);
    }
  }
  return readers;
}

std::int64_t total_macs(const Network& network) {
  std::int64_t sum = 0;
  for (const LayerId id : matrix_layers(network)) {
    sum += matrix_shape(network, id).macs();
  }
  return sum;
}

std::int64_t total_weights(const Network& network) {
  std::int64_t sum = 0;
  for (const LayerId id : matrix_layers(network)) {
    if (!network.layer(id).has_dynamic_weights()) {
      const MatrixShape m = matrix_shape(network, id);
      sum += m.rows * m.cols * m.groups;
    }
  }
  return sum;
}

}  // namespace tessera
