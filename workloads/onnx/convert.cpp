// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/convert.hpp"

#include "workloads/onnx/operators.hpp"
#include "workloads/onnx/simplify.hpp"
#include "workloads/onnx/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <utility>

namespace tessera::onnx {

namespace {

/// A constant of a few numbers may be repeated over a large tensor; each one becomes a parameter.
constexpr std::int64_t kMaxEmbedding = std::int64_t{1} << 24;

int small(std::int64_t v) {
  if (v < -kMaxDim || v > kMaxDim) {
    throw NodeError(fmt::format("a size of {} is too large", v));
  }
  return static_cast<int>(v);
}

class Converter {
 public:
  Converter(const Graph& graph, Reporter& reporter)
      : graph_(graph), reporter_(reporter), readers_(readers(graph)) {}

  std::optional<Imported> run() {
    if (graph_.inputs.size() != 1 || graph_.outputs.size() != 1) {
      reporter_.error(
          "E-ONNX-GRAPH",
          "a network has one input and one output",
          "graph",
          "one and one",
          fmt::format("{} inputs and {} outputs", graph_.inputs.size(), graph_.outputs.size()));
      return std::nullopt;
    }
    out_.network.name = graph_.name.empty() ? "onnx" : graph_.name;
    if (!add_input()) {
      return std::nullopt;
    }
    for (const Node& node : graph_.nodes) {
      const bool is_known = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
        return id == kNoValue || graph_.constant(id) != nullptr || views_.contains(id);
      });
      if (!is_known) {
        continue;  // what it reads was reported
      }
      try {
        node_ = &node;
        layer_of(node);
      } catch (const NodeError& error) {
        failed_.push_back(fmt::format("{} ({}): {}", node.name, node.op, error.what()));
      }
    }
    if (failed_.empty()) {
      finish();
    }
    report_unsupported(failed_, reporter_);
    return reporter_.ok() ? std::optional<Imported>(std::move(out_)) : std::nullopt;
  }

 private:
  bool add_input() {
    const Value& input = graph_.value(graph_.inputs[0]);
    const Dims& dims = input.dims;
    const bool is_row = dims.size() == 3 &&
                        std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& n) {
                          return n.op == "Conv" && n.inputs[0] == graph_.inputs[0];
                        });
    const bool fits =
        dims.size() >= 2 && dims.size() <= 4 && dims[0] == 1 && !input.type.is_integer &&
        std::all_of(dims.begin(), dims.end(), [](std::int64_t d) { return d <= kMaxDim; });
    if (!fits) {
      reporter_.error("E-ONNX-GRAPH",
                      "the input is no image, sequence or vector",
                      "input " + input.name,
                      "floats [1, channels, height, width], [1, tokens, channels] or [1, channels]",
                      text_of(dims),
                      "export with a batch of 1");
      return false;
    }
    Layer layer;
    layer.name = "input";
    layer.kind = LayerKind::input;
    const auto size = [&](std::size_t k) { return static_cast<int>(dims[k]); };
    layer.out = dims.size() == 4   ? Shape{size(2), size(3), size(1)}
                : dims.size() == 2 ? Shape{1, 1, size(1)}
                : is_row           ? Shape{1, size(2), size(1)}
                                   : Shape{size(1), 1, size(2)};
    names_.insert(layer.name);
    out_.network.layers.push_back(layer);
    out_.parameters.emplace_back();
    out_.scales.emplace_back();
    out_.values.push_back(kNoValue);
    View view = dims.size() == 4 || is_row ? image_view(0, layer.out, dims.size())
                                           : token_view(0, layer.out);
    views_[graph_.inputs[0]] = reshaped(std::move(view), dims);
    views_[graph_.inputs[0]].is_open = false;
    out_.values[0] = graph_.inputs[0];
    return true;
  }

  void finish() {
    const auto found = views_.find(graph_.outputs[0]);
    try {
      if (found == views_.end()) {
        throw NodeError("the output is a constant");
      }
      const View y = whole(found->second);
      if (!y.is_plain() || y.layer != out_.network.output()) {
        throw NodeError(y.is_plain() ? "the output is not what the last node computes"
                                     : "a scale or offset is left that no matrix takes in");
      }
      for (const NetworkProblem& problem : check(out_.network)) {
        throw NodeError(problem.sentence);
      }
    } catch (const NodeError& error) {
      failed_.push_back(
          fmt::format("{} (output): {}", graph_.value(graph_.outputs[0]).name, error.what()));
    }
  }

  // ---- layers -----------------------------------------------------------------------------------

  /// "/features/0/Conv" -> "features/0", unique.
  std::string layer_name(const std::string& suffix = "") {
    std::string name = node_->name;
    name.erase(0,
               name.find_first_not_of('/') == std::string::npos ? name.size()
                                                                : name.find_first_not_of('/'));
    const std::size_t slash = name.rfind('/');
    const std::vector<std::string> plain = {"Conv", "Gemm", "MatMul", "Add", node_->op};
    if (slash != std::string::npos && node_->op != "MatMul" && node_->op != "Add" &&
        std::find(plain.begin(), plain.end(), name.substr(slash + 1)) != plain.end()) {
      name.resize(slash);
    }
    name = (name.empty() ? node_->op : name) + suffix;
    std::string unique = name;
    for (int k = 2; !names_.insert(unique).second; ++k) {
      unique = fmt::format("{}_{}", name, k);
    }
    return unique;
  }

  LayerId append(Layer layer, const std::string& suffix = "") {
    const auto id = static_cast<LayerId>(out_.network.layers.size());
    std::vector<NetworkProblem> problems;
    if (out_.network.layers.size() >= kMaxLayers) {
      throw NodeError("there are too many layers");
    }
    layer.name = node_->name;
    const std::optional<Shape> shape = infer_shape(out_.network, layer, id, problems);
    if (!shape) {
      throw NodeError(problems.front().sentence);
    }
    layer.name = layer_name(suffix);
    layer.out = *shape;
    out_.network.layers.push_back(std::move(layer));
    out_.parameters.emplace_back();
    out_.values.push_back(kNoValue);
    out_.scales.emplace_back();
    return id;
  }

  const Shape& shape(LayerId id) const { return out_.network.layer(id).out; }

  /// A layer that computes the same view of the same shape.
  View same_shape(const View& x, LayerId id) const {
    View y = x;
    y.layer = id;
    y.shape = shape(id);
    y.is_open = true;
    return y;
  }

  /// The view of a layer of its own: slices are made where it shows a part.
  View whole(const View& view) {
    if (view.is_whole()) {
      return view;
    }
    View out = view;
    Range range = range_of(view);
    if (range.channels < out.shape.channels) {
      Layer layer;
      layer.kind = LayerKind::slice;
      layer.inputs = {out.layer};
      layer.slice_begin = small(range.channel);
      layer.out = {1, 1, small(range.channels)};
      const Range all{range.channel, range.channels, 0, out.shape.positions()};
      const std::int64_t position = range.position;
      const LayerId id = append(std::move(layer), ".slice");
      out = rebased(std::move(out), all, id, shape(id));
      out.offset = position * range.channels;
    }
    if (range.positions < out.shape.positions()) {
      Layer layer;
      layer.kind = LayerKind::slice;
      layer.inputs = {out.layer};
      layer.slice_positions = true;
      layer.slice_begin = small(range.position);
      layer.out = {small(range.positions), 1, 1};
      const LayerId id = append(std::move(layer), ".slice");
      out = rebased(std::move(out), {0, range.channels, 0, range.positions}, id, shape(id));
    }
    out.is_open = false;
    return out;
  }

  /// Computed input k, as a whole layer.
  View input(std::size_t k) {
    const auto found = views_.find(node_->inputs.at(k));
    if (found == views_.end()) {
      throw NodeError("a constant takes the place of a computed tensor");
    }
    View view = whole(found->second);
    view.is_open = view.is_open && readers_[static_cast<std::size_t>(found->first)].size() == 1;
    return view;
  }

  View plain(std::size_t k) {
    View view = input(k);
    if (!view.is_plain()) {
      throw NodeError("a scale or offset comes before it that only a matrix can take in");
    }
    return view;
  }

  const Tensor* constant(std::size_t k) const {
    return k < node_->inputs.size() ? graph_.constant(node_->inputs[k]) : nullptr;
  }

  const Tensor& weights(std::size_t k) const {
    const Tensor* t = constant(k);
    if (t == nullptr) {
      throw NodeError("its weights are computed and no constants");
    }
    return *t;
  }

  const Dims& out_dims() const { return graph_.value(node_->outputs[0]).dims; }

  void set(View view) {
    const ValueId id = node_->outputs[0];
    if (view.is_whole() && view.is_plain()) {
      out_.values[static_cast<std::size_t>(view.layer)] = id;
    }
    views_[id] = std::move(view);
  }

  // ---- operators --------------------------------------------------------------------------------

  void layer_of(const Node& node) {
    using Member = void (Converter::*)();
    static const std::map<std::string, Member> kRules = {
        {"Add", &Converter::add},
        {"AveragePool", &Converter::average_pool},
        {"Clip", &Converter::clip},
        {"Concat", &Converter::concat},
        {"Conv", &Converter::conv},
        {"Div", &Converter::scale},
        {"FakeQuantize", &Converter::fake_quantize},
        {"Flatten", &Converter::reshape},
        {"Gather", &Converter::gather},
        {"Gelu", &Converter::gelu},
        {"GlobalAveragePool", &Converter::mean},
        {"LayerNormalization", &Converter::layer_norm},
        {"Linear", &Converter::linear},
        {"MatMul", &Converter::matmul},
        {"MaxPool", &Converter::max_pool},
        {"Mul", &Converter::scale},
        {"ReduceMean", &Converter::mean},
        {"Relu", &Converter::relu},
        {"Reshape", &Converter::reshape},
        {"Sigmoid", &Converter::sigmoid},
        {"Slice", &Converter::slice},
        {"Softmax", &Converter::softmax},
        {"Split", &Converter::split},
        {"Squeeze", &Converter::reshape},
        {"Tanh", &Converter::tanh_of},
        {"Transpose", &Converter::transpose},
        {"Unsqueeze", &Converter::reshape},
    };
    const auto rule = kRules.find(node.op);
    if (rule == kRules.end()) {
      throw NodeError("the integer network has no such layer; the float reference computes it");
    }
    (this->*rule->second)();
  }

  void activation(Activation f) {
    const View x = plain(0);
    Layer& producer = out_.network.layers[static_cast<std::size_t>(x.layer)];
    if (x.is_open && producer.activation == Activation::none &&
        (producer.is_matrix() || producer.kind == LayerKind::add)) {
      producer.activation = f;
      View y = x;
      y.bits = 0;
      set(std::move(y));
      return;
    }
    Layer layer;
    layer.kind = LayerKind::activation;
    layer.inputs = {x.layer};
    layer.activation = f;
    set(same_shape(x, append(std::move(layer))));
  }

  void relu() { activation(Activation::relu); }

  void gelu() { activation(Activation::gelu); }

  void sigmoid() { activation(Activation::sigmoid); }

  void tanh_of() { activation(Activation::tanh); }

  void clip() {
    const auto limit = [&](std::size_t k, const char* name) -> std::optional<float> {
      if (const Tensor* t = constant(k)) {
        return t->floats.size() == 1 ? std::optional<float>(t->floats[0]) : std::nullopt;
      }
      const float v = float_attribute(*node_, name, std::nanf(""));
      return std::isnan(v) ? std::nullopt : std::optional<float>(v);
    };
    const std::optional<float> low = limit(1, "min");
    const std::optional<float> high = limit(2, "max");
    if (low == 0.0F && high == 6.0F) {
      activation(Activation::relu6);
    } else if (low == 0.0F && (!high || *high > 3e38F)) {
      activation(Activation::relu);
    } else {
      throw NodeError("only clipping to [0, 6] and to [0, infinity) is a layer");
    }
  }

  /// Takes the scale and offset of `x` into weights [cols][rows] and bias; `channel` of each row.
  template <class F>
  static void fold(const View& x, FloatParameters& p, std::size_t cols, const F& channel) {
    const std::size_t rows = p.weights.size() / cols;
    for (std::size_t col = 0; col < cols && !x.is_plain(); ++col) {
      double offset = 0.0;
      for (std::size_t row = 0; row < rows; ++row) {
        float& w = p.weights[col * rows + row];
        const std::size_t c = channel(col, row);
        offset += x.shift.empty() ? 0.0 : static_cast<double>(x.shift[c]) * static_cast<double>(w);
        w *= x.scale.empty() ? 1.0F : x.scale[c];
      }
      if (!x.shift.empty()) {
        p.bias.resize(cols, 0.0F);
        p.bias[col] += static_cast<float>(offset);
      }
    }
  }

  void set_bits(const View& x, std::size_t weight_input) {
    const std::optional<Format>& format = graph_.value(node_->inputs[weight_input]).format;
    LayerBits bits;
    bits.w_bits = format ? format->bits : 8;
    bits.a_bits = x.bits > 0 ? x.bits : 8;
    add_bits(bits, format.has_value() || x.bits > 0);
    const auto cols = static_cast<std::size_t>(out_.network.layers.back().out.channels);
    if (format && format->is_signed && format->zero_point == 0 && x.is_plain() &&
        (format->scale.size() == 1 || format->scale.size() == cols) &&
        std::all_of(format->scale.begin(), format->scale.end(), is_step)) {
      out_.parameters.back().steps = format->scale;
      out_.parameters.back().step_bits = format->bits;
    }
    set_scale(x);
  }

  static bool is_step(float v) { return v >= 1e-30F && v <= 1e30F; }

  /// The scale of the tensor that a matrix reads, as the file quantizes it.
  void set_scale(const View& x) {
    LayerId id = x.layer;
    while (keeps_format(out_.network.layer(id).kind)) {
      id = out_.network.layer(id).inputs[0];
    }
    std::optional<GivenScale>& scale = out_.scales[static_cast<std::size_t>(id)];
    // Without sign and zero point, a tensor that is signed here would lose half of its range.
    const Layer& owner = out_.network.layer(id);
    const bool fits = x.is_signed || x.zero != 0 || owner.kind == LayerKind::input ||
                      owner.kind == LayerKind::softmax || owner.activation == Activation::relu ||
                      owner.activation == Activation::relu6 ||
                      owner.activation == Activation::sigmoid;
    if (fits && x.bits > 0 && x.bits <= 16 && is_step(x.step) && x.is_plain() &&
        (!scale || scale->bits < x.bits)) {
      scale = GivenScale{{x.step, x.zero}, x.bits};
    }
  }

  void add_bits(LayerBits bits, bool from_file) {
    if (bits.w_bits > 16 || bits.a_bits > 16) {
      throw NodeError(fmt::format(
          "weights of {} and activations of {} bits; at most 16", bits.w_bits, bits.a_bits));
    }
    out_.bits.push_back(bits);
    out_.has_bits = out_.has_bits || from_file;
  }

  void set_window(Layer& layer, const Windows& w) {
    const std::size_t last = w.kernel.size() - 1;
    Window& window = layer.window;
    window.kernel_w = small(w.kernel[last]);
    window.stride_w = small(w.stride[last]);
    window.dilation_w = small(w.dilation[last]);
    window.pad_left = small(w.begin[last]);
    window.pad_right = small(w.end[last] + w.extra[last]);
    if (last == 1) {
      window.kernel_h = small(w.kernel[0]);
      window.stride_h = small(w.stride[0]);
      window.dilation_h = small(w.dilation[0]);
      window.pad_top = small(w.begin[0]);
      window.pad_bottom = small(w.end[0] + w.extra[0]);
    }
  }

  /// Input 0 as an image in the order that a window needs.
  View image() {
    View x = input(0);
    const std::size_t rank = x.axes.size();
    if ((rank != 3 && rank != 4) || x.axes != image_view(x.layer, x.shape, rank).axes) {
      throw NodeError("its input is no image: channels, rows and columns lie in another order");
    }
    return x;
  }

  void conv() {
    const View x = image();
    const Tensor& w = weights(1);
    const Windows windows = windows_of(
        *node_, graph_.value(node_->inputs[0]).dims, Dims(w.dims.begin() + 2, w.dims.end()));
    Layer layer;
    layer.kind = LayerKind::conv;
    layer.inputs = {x.layer};
    layer.groups = small(int_attribute(*node_, "group", 1));
    layer.out.channels = small(w.dims[0]);
    set_window(layer, windows);
    const auto in = static_cast<std::size_t>(w.dims[1]);
    const std::size_t taps = static_cast<std::size_t>(layer.window.kernel_h) *
                             static_cast<std::size_t>(layer.window.kernel_w);
    const auto cols = static_cast<std::size_t>(w.dims[0]);
    FloatParameters p;
    p.weights.resize(w.floats.size());
    for (std::size_t oc = 0; oc < cols; ++oc) {
      for (std::size_t ic = 0; ic < in; ++ic) {
        for (std::size_t tap = 0; tap < taps; ++tap) {
          p.weights[(oc * taps + tap) * in + ic] = w.floats[(oc * in + ic) * taps + tap];
        }
      }
    }
    if (const Tensor* bias = constant(2)) {
      p.bias = bias->floats;
    } else if (node_->inputs.size() > 2 && node_->inputs[2] != kNoValue) {
      throw NodeError("its bias is computed and no constant");
    }
    const bool pads =
        std::any_of(windows.begin.begin(), windows.begin.end(), [](auto v) { return v > 0; }) ||
        std::any_of(windows.end.begin(), windows.end.end(), [](auto v) { return v > 0; });
    if (pads && !x.shift.empty()) {
      throw NodeError("an offset comes before its padding");
    }
    const std::size_t per_group = cols / static_cast<std::size_t>(layer.groups);
    fold(x, p, cols, [&](std::size_t col, std::size_t row) {
      return col / per_group * in + row % in;
    });
    layer.has_bias = !p.bias.empty();
    const LayerId id = append(std::move(layer));
    out_.parameters.back() = std::move(p);
    set_bits(x, 1);
    set(image_view(id, shape(id), x.axes.size()));
  }

  void linear() {
    const View x = input(0);
    const Tensor& w = weights(1);
    const std::size_t last = x.axes.size() - 1;
    const bool is_each = x.is_channel_axis(last) && x.is_raster_without(last);
    const bool is_one =
        std::all_of(x.axes.begin(), x.axes.end() - 1, [](const Atoms& a) { return a.empty(); });
    if (!is_each && !is_one) {
      throw NodeError("its input is neither one vector per position nor the whole tensor");
    }
    const auto rows = static_cast<std::size_t>(w.dims[0]);
    const auto cols = static_cast<std::size_t>(w.dims[1]);
    // Where the layer's tensor, flat, has what row k of the file multiplies.
    std::vector<std::size_t> place = {0};
    for (const Atom& atom : x.axes[last]) {
      std::vector<std::size_t> next;
      for (const std::size_t base : place) {
        for (std::int64_t i = 0; i < atom.size; ++i) {
          next.push_back(base + static_cast<std::size_t>(i * atom.stride));
        }
      }
      place = std::move(next);
    }
    FloatParameters p;
    p.weights.resize(rows * cols);
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t col = 0; col < cols; ++col) {
        p.weights[col * rows + place[row]] = w.floats[row * cols + col];
      }
    }
    if (const Tensor* bias = constant(2)) {
      p.bias = bias->floats;
    }
    const auto channels = static_cast<std::size_t>(x.shape.channels);
    fold(x, p, cols, [&](std::size_t, std::size_t row) { return row % channels; });
    Layer layer;
    layer.kind = is_each && x.shape.positions() > 1 ? LayerKind::linear : LayerKind::fc;
    layer.inputs = {x.layer};
    layer.out.channels = small(w.dims[1]);
    layer.has_bias = !p.bias.empty();
    const LayerId id = append(std::move(layer));
    out_.parameters.back() = std::move(p);
    set_bits(x, 1);
    set(reshaped(token_view(id, shape(id)), out_dims()));
  }

  /// Two computed operands: attention.
  void matmul() {
    const View a = plain_or_scalar(0);
    const View b = plain_or_scalar(1);
    const std::size_t rank = a.axes.size();
    if (rank != b.axes.size() || rank < 3 || rank > 4) {
      throw NodeError("only [1, heads, tokens, channels] by the same is a layer");
    }
    const Dims& dims_a = graph_.value(node_->inputs[0]).dims;
    const Dims& dims_b = graph_.value(node_->inputs[1]).dims;
    const std::int64_t heads = rank == 4 ? dims_a[1] : 1;
    // Axes heads, tokens, channels of a layer with `heads` parts of its channels.
    const auto matches = [&](const View& v, std::size_t tokens, std::size_t channels) {
      const std::int64_t part = v.shape.channels / heads;
      const View want =
          reshaped(token_view(v.layer, v.shape), {1, v.shape.positions(), heads, part});
      return v.shape.channels % heads == 0 && v.axes[0].empty() && v.axes[tokens] == want.axes[1] &&
             (rank == 3 || v.axes[1] == want.axes[2]) && v.axes[channels] == want.axes[3];
    };
    const bool is_transposed = matches(b, rank - 1, rank - 2);
    if (dims_a[0] != 1 || dims_b[0] != 1 || (rank == 4 && dims_b[1] != heads) ||
        !matches(a, rank - 2, rank - 1) || (!is_transposed && !matches(b, rank - 2, rank - 1))) {
      throw NodeError("heads, tokens and channels of its operands lie in another order");
    }
    Layer layer;
    layer.kind = LayerKind::matmul;
    layer.inputs = {a.layer, b.layer};
    layer.heads = small(heads);
    layer.transpose_b = is_transposed;
    layer.has_bias = false;
    const LayerId id = append(std::move(layer));
    add_bits({b.bits > 0 ? b.bits : 8, a.bits > 0 ? a.bits : 8}, a.bits > 0 || b.bits > 0);
    set_scale(a);
    set_scale(b);
    const Shape& y = shape(id);
    View view = reshaped(token_view(id, y), {1, y.positions(), heads, y.channels / heads});
    view = transposed(std::move(view), {0, 2, 1, 3});
    view = reshaped_axes(std::move(view), rank);
    set_scalar(view, a);
    set_scalar(view, b);
    set(std::move(view));
  }

  /// Drops the heads' axis of [1, heads, tokens, channels] when there is one head and no axis for
  /// it.
  static View reshaped_axes(View view, std::size_t rank) {
    if (rank == 3) {
      view.axes.erase(view.axes.begin() + 1);
    }
    return view;
  }

  /// A view whose scale, if any, is one positive number: it can wait until after a product.
  View plain_or_scalar(std::size_t k) {
    View view = input(k);
    const bool is_scalar =
        view.shift.empty() && std::all_of(view.scale.begin(), view.scale.end(), [&](float v) {
          return v == view.scale[0] && v > 0.0F;
        });
    if (!is_scalar) {
      throw NodeError("a scale or offset per channel comes before it");
    }
    return view;
  }

  /// The one scale of `from`, for all channels of `to`.
  static void set_scalar(View& to, const View& from) {
    if (!from.scale.empty()) {
      to.scale.resize(static_cast<std::size_t>(to.shape.channels), 1.0F);
      for (float& v : to.scale) {
        v *= from.scale[0];
      }
    }
  }

  void pool(LayerKind kind) {
    const View x = image();
    if (!x.is_plain()) {
      throw NodeError("a scale or offset comes before it that only a matrix can take in");
    }
    const Windows windows = windows_of(
        *node_, graph_.value(node_->inputs[0]).dims, ints_attribute(*node_, "kernel_shape", {}));
    Layer layer;
    layer.kind = kind;
    layer.inputs = {x.layer};
    set_window(layer, windows);
    const Window& w = layer.window;
    const bool pads = w.pad_top + w.pad_left + w.pad_bottom + w.pad_right > 0;
    const bool adds =
        std::any_of(windows.extra.begin(), windows.extra.end(), [](auto v) { return v > 0; });
    if (kind == LayerKind::avg_pool && pads &&
        (adds || int_attribute(*node_, "count_include_pad", 0) == 0)) {
      throw NodeError("averages that leave the padding out of the divisor are no layer");
    }
    const LayerId id = append(std::move(layer));
    View y = image_view(id, shape(id), x.axes.size());
    y.bits = kind == LayerKind::max_pool ? x.bits : 0;
    y.step = x.step;
    y.zero = x.zero;
    y.is_signed = x.is_signed;
    set(std::move(y));
  }

  void max_pool() { pool(LayerKind::max_pool); }

  void average_pool() { pool(LayerKind::avg_pool); }

  /// The mean over all positions.
  void mean() {
    const View x = plain(0);
    const Dims& dims = graph_.value(node_->inputs[0]).dims;
    std::vector<std::int64_t> axes = ints_attribute(*node_, "axes", {});
    if (node_->op == "GlobalAveragePool") {
      for (std::size_t k = 2; k < dims.size(); ++k) {
        axes.push_back(static_cast<std::int64_t>(k));
      }
    }
    std::vector<bool> is_reduced(dims.size(), axes.empty());
    for (const std::int64_t axis : axes) {
      is_reduced[axis_of(axis, dims.size())] = true;
    }
    View kept = x;
    std::size_t channel = dims.size();
    for (std::size_t k = 0; k < dims.size(); ++k) {
      if (!is_reduced[k] && !x.axes[k].empty()) {
        channel = channel == dims.size() && x.is_channel_axis(k) ? k : dims.size() + 1;
      }
    }
    if (channel > dims.size() || (channel == dims.size() && x.shape.channels > 1)) {
      throw NodeError("only the mean over all positions of each channel is a layer");
    }
    Layer layer;
    layer.kind = LayerKind::avg_pool;
    layer.inputs = {x.layer};
    layer.window.kernel_h = layer.window.stride_h = x.shape.height;
    layer.window.kernel_w = layer.window.stride_w = x.shape.width;
    const LayerId id = append(std::move(layer));
    set(reshaped(token_view(id, shape(id)), out_dims()));
  }

  void add() {
    const Tensor* a = constant(0);
    const Tensor* b = constant(1);
    if (a != nullptr || b != nullptr) {
      add_constant(a != nullptr ? 1 : 0, a != nullptr ? *a : *b);
      return;
    }
    const View x = plain(0);
    const View y = plain(1);
    if (x.axes != y.axes || x.shape != y.shape) {
      throw NodeError("its operands lie in different orders or repeat");
    }
    Layer layer;
    layer.kind = LayerKind::add;
    layer.inputs = {x.layer, y.layer};
    View z = same_shape(x, append(std::move(layer)));
    z.bits = 0;
    set(std::move(z));
  }

  /// Values of `t` per channel of view `x`, when it has no other form.
  std::optional<std::vector<float>> per_channel(const View& x, const Tensor& t) const {
    const auto channels = static_cast<std::size_t>(x.shape.channels);
    if (t.floats.size() == 1) {
      return std::vector<float>(channels, t.floats[0]);
    }
    const std::size_t rank = x.axes.size();
    for (std::size_t k = 0; k < t.dims.size() && t.dims.size() <= rank; ++k) {
      if (t.dims[k] == x.shape.channels && t.floats.size() == channels &&
          x.is_channel_axis(rank - t.dims.size() + k)) {
        return t.floats;
      }
    }
    return std::nullopt;
  }

  void add_constant(std::size_t k, const Tensor& t) {
    View x = input(k);
    if (const auto offset = per_channel(x, t)) {
      x.shift.resize(offset->size(), 0.0F);
      std::transform(
          x.shift.begin(), x.shift.end(), offset->begin(), x.shift.begin(), std::plus<>());
      x.is_open = false;
      set(std::move(x));
      return;
    }
    if (!x.is_plain()) {
      throw NodeError("a scale or offset comes before it that only a matrix can take in");
    }
    if (graph_.value(node_->inputs[k]).dims != out_dims()) {
      throw NodeError("the constant that is added has more elements than the tensor");
    }
    if (x.shape.elements() > kMaxEmbedding) {
      throw NodeError(fmt::format("a constant of more than {} elements is added", kMaxEmbedding));
    }
    Layer layer;
    layer.kind = LayerKind::position_embedding;
    layer.inputs = {x.layer};
    View y = same_shape(x, append(std::move(layer)));
    out_.parameters.back().embedding = spread(x, t);
    y.bits = 0;
    set(std::move(y));
  }

  /// A constant, repeated where it has fewer elements, in the order of the layer that `x` shows.
  static std::vector<float> spread(const View& x, const Tensor& t) {
    struct Step {
      std::int64_t size, to, from;
    };

    std::vector<Step> steps;  // the fastest first
    std::int64_t stride = 1;
    for (std::size_t k = 0; k < x.axes.size(); ++k) {
      const std::size_t axis = x.axes.size() - 1 - k;
      const std::int64_t size = k < t.dims.size() ? t.dims[t.dims.size() - 1 - k] : 1;
      std::int64_t from = size == 1 ? 0 : stride;
      for (std::size_t a = x.axes[axis].size(); a-- > 0;) {
        const auto& atom = x.axes[axis][a];
        steps.push_back({atom.size, atom.stride, from});
        from *= atom.size;
      }
      stride *= size;
    }
    std::vector<float> out(static_cast<std::size_t>(x.shape.elements()));
    std::vector<std::int64_t> digits(steps.size(), 0);
    std::int64_t to = 0;
    std::int64_t from = 0;
    for (std::size_t n = 0; n < out.size(); ++n) {
      out[static_cast<std::size_t>(to)] = t.floats[static_cast<std::size_t>(from)];
      for (std::size_t k = 0; k < steps.size(); ++k) {
        to += steps[k].to;
        from += steps[k].from;
        if (++digits[k] < steps[k].size) {
          break;
        }
        to -= steps[k].size * steps[k].to;
        from -= steps[k].size * steps[k].from;
        digits[k] = 0;
      }
    }
    return out;
  }

  /// Mul or Div by a constant.
  void scale() {
    const bool is_div = node_->op == "Div";
    const Tensor* a = constant(0);
    const Tensor* b = constant(1);
    if ((a == nullptr && b == nullptr) || (is_div && b == nullptr)) {
      throw NodeError("products and quotients of two computed tensors are no layer");
    }
    View x = input(a != nullptr ? 1 : 0);
    const auto factor = per_channel(x, a != nullptr ? *a : *b);
    if (!factor) {
      throw NodeError("a factor that differs from position to position");
    }
    x.scale.resize(factor->size(), 1.0F);
    for (std::size_t c = 0; c < factor->size(); ++c) {
      const float f = is_div ? 1.0F / (*factor)[c] : (*factor)[c];
      if (!std::isfinite(f)) {
        throw NodeError("it divides by zero");
      }
      x.scale[c] *= f;
      if (!x.shift.empty()) {
        x.shift[c] *= f;
      }
    }
    x.is_open = false;
    set(std::move(x));
  }

  void layer_norm() {
    View x = plain(0);
    const std::size_t last = x.axes.size() - 1;
    const Dims& dims = graph_.value(node_->inputs[0]).dims;
    if (axis_of(int_attribute(*node_, "axis", -1), dims.size()) != last ||
        !x.is_channel_axis(last) || !x.is_raster_without(last)) {
      throw NodeError("only normalization over the channels of each position is a layer");
    }
    Layer layer;
    layer.kind = LayerKind::layer_norm;
    layer.inputs = {x.layer};
    View y = same_shape(x, append(std::move(layer)));
    out_.parameters.back().epsilon = float_attribute(*node_, "epsilon", 1e-5F);
    y.bits = 0;
    y.scale = weights(1).floats;
    y.shift = constant(2) != nullptr ? constant(2)->floats : std::vector<float>();
    if (std::all_of(y.scale.begin(), y.scale.end(), [](float v) { return v == 1.0F; })) {
      y.scale.clear();
    }
    if (std::all_of(y.shift.begin(), y.shift.end(), [](float v) { return v == 0.0F; })) {
      y.shift.clear();
    }
    set(std::move(y));
  }

  /// Integers choose the scale before it (Layer::shift); real numbers are multiplied.
  void softmax() {
    const View x = plain_or_scalar(0);
    const Dims& dims = graph_.value(node_->inputs[0]).dims;
    const std::size_t last = dims.size() - 1;
    const std::int64_t row = dims[last];
    const bool is_last =
        axis_of(int_attribute(*node_, "axis", graph_.opset < 13 ? 1 : -1), dims.size()) == last;
    const Atoms wanted = row == 1 ? Atoms{} : Atoms{{row, 1}};
    if (!is_last || x.axes[last] != wanted || x.shape.channels % row != 0) {
      throw NodeError("only softmax over the channels of each position or head is a layer");
    }
    Layer layer;
    layer.kind = LayerKind::softmax;
    layer.inputs = {x.layer};
    layer.heads = small(x.shape.channels / row);
    View y = same_shape(x, append(std::move(layer)));
    out_.parameters.back().factor = x.scale.empty() ? 1.0F : x.scale[0];
    y.scale.clear();
    y.bits = 0;
    set(std::move(y));
  }

  void concat() {
    const std::size_t axis = axis_of(int_attribute(*node_, "axis", 0), out_dims().size());
    if (constant(0) != nullptr && node_->inputs.size() == 2) {
      class_token(axis);
      return;
    }
    Layer layer;
    layer.kind = LayerKind::concat;
    View first;
    for (std::size_t k = 0; k < node_->inputs.size(); ++k) {
      const View x = plain(k);
      const bool is_raster = x.is_raster_without(axis) && x.is_channel_axis(axis);
      View rest = x;
      rest.axes[axis].clear();
      // Positions keep their axes; strides are multiples of each one's own channels.
      for (Atoms& atoms : rest.axes) {
        for (Atom& atom : atoms) {
          atom.stride /= x.shape.channels;
        }
      }
      if (!is_raster || (k > 0 && rest.axes != first.axes)) {
        throw NodeError("only concatenation along the channels is a layer");
      }
      first = rest;
      layer.inputs.push_back(x.layer);
    }
    const LayerId id = append(std::move(layer));
    const std::size_t rank = out_dims().size();
    View y = axis + 1 == rank ? reshaped(token_view(id, shape(id)), out_dims())
                              : image_view(id, shape(id), rank);
    set(std::move(y));
  }

  /// A constant token before the others.
  void class_token(std::size_t axis) {
    const View x = plain(1);
    const Dims& dims = graph_.value(node_->inputs[1]).dims;
    if (dims.size() != 3 || axis != 1 || constant(0)->dims[1] != 1 || !x.is_channel_axis(2) ||
        !x.is_raster_without(2)) {
      throw NodeError("only one constant token before the others can be joined to them");
    }
    Layer layer;
    layer.kind = LayerKind::class_token;
    layer.inputs = {x.layer};
    const LayerId id = append(std::move(layer));
    out_.parameters.back().embedding = constant(0)->floats;
    set(token_view(id, shape(id)));
  }

  // ---- views ------------------------------------------------------------------------------------

  View viewed() const {
    const ValueId id = node_->inputs.at(0);
    const auto found = views_.find(id);
    if (found == views_.end()) {
      throw NodeError("a constant takes the place of a computed tensor");
    }
    View view = found->second;
    view.is_open = view.is_open && readers_[static_cast<std::size_t>(id)].size() == 1;
    return view;
  }

  void reshape() { set(reshaped(viewed(), out_dims())); }

  void transpose() {
    std::vector<std::int64_t> order;
    for (std::size_t k = out_dims().size(); k > 0; --k) {
      order.push_back(static_cast<std::int64_t>(k) - 1);
    }
    set(transposed(viewed(), ints_attribute(*node_, "perm", order)));
  }

  void slice() {
    View view = viewed();
    const Dims& dims = graph_.value(node_->inputs[0]).dims;
    const auto list = [&](const char* name, std::size_t k) {
      return constant(k) != nullptr ? constant(k)->ints : ints_attribute(*node_, name, {});
    };
    const std::vector<std::int64_t> starts = list("starts", 1);
    const std::vector<std::int64_t> axes = list("axes", 3);
    const std::vector<std::int64_t> steps = list("steps", 4);
    for (std::size_t k = 0; k < starts.size(); ++k) {
      const std::size_t axis = axes.empty() ? k : axis_of(axes[k], dims.size());
      if (!steps.empty() && steps[k] != 1) {
        throw NodeError("a slice with a step is no layer");
      }
      if (out_dims()[axis] == 0) {
        throw NodeError("the slice is empty");
      }
      const std::int64_t begin = std::clamp<std::int64_t>(
          starts[k] < 0 ? starts[k] + dims[axis] : starts[k], 0, dims[axis]);
      view = narrowed(std::move(view), axis, begin, out_dims()[axis]);
    }
    view.is_open = false;
    set(std::move(view));
  }

  void split() {
    const View view = viewed();
    const std::size_t axis = axis_of(int_attribute(*node_, "axis", 0), view.axes.size());
    std::int64_t begin = 0;
    for (const ValueId id : node_->outputs) {
      const std::int64_t size = id == kNoValue ? 0 : graph_.value(id).dims[axis];
      if (size < 1) {
        throw NodeError("a part is empty or left out");
      }
      views_[id] = narrowed(view, axis, begin, size);
      views_[id].is_open = false;
      begin += size;
    }
  }

  void gather() {
    const Tensor* index = constant(1);
    const Dims& dims = graph_.value(node_->inputs[0]).dims;
    const std::size_t axis = axis_of(int_attribute(*node_, "axis", 0), dims.size());
    if (index == nullptr || index->ints.size() != 1) {
      throw NodeError("only one constant index is a slice");
    }
    const std::int64_t at = index->ints[0] < 0 ? index->ints[0] + dims[axis] : index->ints[0];
    if (at < 0 || at >= dims[axis]) {
      throw NodeError("the index is outside the axis");
    }
    View view = reshaped(narrowed(viewed(), axis, at, 1), out_dims());
    view.is_open = false;
    set(std::move(view));
  }

  void fake_quantize() {
    View view = viewed();
    const std::int64_t low = int_attribute(*node_, "low", 0);
    const std::int64_t high = int_attribute(*node_, "high", 255);
    view.bits = 1;
    while (low < 0 ? -(std::int64_t{1} << (view.bits - 1)) > low ||
                         (std::int64_t{1} << (view.bits - 1)) - 1 < high
                   : (std::int64_t{1} << view.bits) - 1 < high) {
      ++view.bits;
    }
    const Tensor* step = constant(1);
    const Tensor* zero = constant(2);
    view.step = step != nullptr && step->floats.size() == 1 ? step->floats[0] : 0.0F;
    view.zero = zero != nullptr && zero->ints.size() == 1 ? zero->ints[0] : 0;
    view.is_signed = low < 0;
    if (view.is_signed && view.zero != 0) {
      view.step = 0.0F;  // integers of ours with a zero point have no sign
    }
    set(std::move(view));
  }

  const Graph& graph_;
  Reporter& reporter_;
  std::vector<std::vector<int>> readers_;
  Imported out_;
  const Node* node_ = nullptr;  ///< being converted
  std::map<ValueId, View> views_;
  std::set<std::string> names_;
  std::vector<std::string> failed_;
};

}  // namespace

std::optional<Imported> convert(const Graph& graph, Reporter& reporter) {
  return Converter(graph, reporter).run();
}

std::optional<Imported> import_network(const std::string& path,
                                       const Position& wanted_at,
                                       Diagnostics& diagnostics) {
  const std::optional<Graph> graph = load_graph(path, wanted_at, diagnostics);
  if (!graph) {
    return std::nullopt;
  }
  Reporter reporter(path, wanted_at, diagnostics);
  std::optional<Imported> imported = convert(*graph, reporter);
  if (imported) {
    imported->network.name = std::filesystem::path(path).stem().string();
    imported->file_parameters = graph->parameters;
  }
  return imported;
}

}  // namespace tessera::onnx
