// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/net.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/scalar_ops.hpp"
#include "workloads/train/torch_ops.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

namespace tessera::train {

namespace {

constexpr double kBatchNormEpsilon = 1e-5;
constexpr double kBatchNormMomentum = 0.1;
constexpr double kEmbeddingDeviation = 0.02;
constexpr double kSmallestVariance = 1e-20;  // of layer_norm: equal values become 0

at::Tensor copy_of(std::span<const float> values, at::IntArrayRef shape) {
  at::Tensor out = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out;
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  const auto* const first = flat.data_ptr<float>();
  return {first, first + flat.numel()};
}

/// Repeats the last entry: codebooks keep their size from round to round.
template <class T>
at::Tensor book_of(const std::vector<T>& entries, int size) {
  std::vector<float> out(entries.begin(), entries.end());
  out.resize(std::max(out.size(), static_cast<std::size_t>(size)), out.back());
  return copy_of(out, {std::ssize(out)});
}

std::vector<std::int32_t> entries_of(const at::Tensor& book) {
  const std::vector<float> values = values_of(book);
  return {values.begin(), values.end()};
}

at::Tensor scalar(double value) {
  return at::scalar_tensor(value, at::kFloat);
}

/// The `answers` to the `keys`, ascending, that are nearest to x, the lower of two; no gradient.
at::Tensor nearest_in(const at::Tensor& keys, const at::Tensor& answers, const at::Tensor& x) {
  const at::NoGradGuard no_gradient;
  const std::int64_t size = keys.size(0);
  // A value between two keys belongs to the upper one when it lies above their middle.
  const at::Tensor middles = (keys.narrow(0, 0, size - 1) + keys.narrow(0, 1, size - 1)) / 2;
  const at::Tensor row = at::bucketize(x.detach(), middles);
  return answers.index_select(0, row.flatten()).reshape(x.sizes());
}

at::Tensor curve(Activation f, const at::Tensor& t) {
  switch (f) {
    case Activation::none:
      break;
    case Activation::relu:
      return t.relu();
    case Activation::relu6:
      return t.clamp(0, 6);
    case Activation::gelu:
      return at::gelu(t);
    case Activation::sigmoid:
      return t.sigmoid();
    case Activation::tanh:
      return t.tanh();
  }
  return t;
}

/// [image][height][width][channels] seen as torch's [image][channels][height][width].
at::Tensor to_nchw(const at::Tensor& x) {
  return x.permute({0, 3, 1, 2});
}

at::Tensor to_nhwc(const at::Tensor& x) {
  return x.permute({0, 2, 3, 1});
}

at::Tensor shaped(const at::Tensor& x, const Shape& shape) {
  return x.reshape({x.size(0), shape.height, shape.width, shape.channels});
}

/// [image][position][head][channel of the head]
at::Tensor heads_of(const at::Tensor& x, int heads) {
  return x.reshape({x.size(0), x.size(1) * x.size(2), heads, x.size(3) / heads});
}

at::Tensor padded(const at::Tensor& nchw, const Window& w, double value) {
  if (w.pad_left == 0 && w.pad_right == 0 && w.pad_top == 0 && w.pad_bottom == 0) {
    return nchw;
  }
  return at::constant_pad_nd(nchw, {w.pad_left, w.pad_right, w.pad_top, w.pad_bottom}, value);
}

bool is_linear(Activation f) {
  return f == Activation::none || f == Activation::sigmoid || f == Activation::tanh;
}

}  // namespace

at::Tensor image_tensor(const Shape& shape, std::int64_t count, const float* values) {
  return copy_of({values, static_cast<std::size_t>(count * shape.elements())},
                 {count, shape.height, shape.width, shape.channels});
}

// ---- parameters ---------------------------------------------------------------------------------

Net::Net(const Network& network, std::uint64_t seed)
    : network_(network), tensors_(network.layers.size()) {
  for (LayerId id = 0; id <= network_.output(); ++id) {
    const Layer& layer = network_.layer(id);
    if (layer.has_embedding()) {
      Rng rng(seed, "initial/" + layer.name);
      std::vector<float> values(static_cast<std::size_t>(layer.embedding_size()));
      for (float& v : values) {
        v = static_cast<float>((2 * rng.uniform01() - 1) * kEmbeddingDeviation * std::sqrt(3.0));
      }
      add_embedding(id, values);
    }
    if (!layer.is_matrix() || layer.has_dynamic_weights()) {
      continue;
    }
    const MatrixShape shape = matrix_shape(network_, id);
    const std::int64_t columns = shape.cols * shape.groups;
    Rng rng(seed, "initial/" + layer.name);
    const double bound =
        std::sqrt((is_linear(layer.activation) ? 3.0 : 6.0) / static_cast<double>(shape.rows));
    std::vector<float> weights(static_cast<std::size_t>(columns * shape.rows));
    for (float& w : weights) {
      w = static_cast<float>((2 * rng.uniform01() - 1) * bound);
    }
    LayerTensors& t = tensors_[static_cast<std::size_t>(id)];
    t.weights = copy_of(weights, {columns, shape.rows});
    add_parameter(layer.name + "/weights", t.weights);
    if (layer.has_batch_norm) {
      t.gamma = at::ones({columns});
      t.beta = at::zeros({columns});
      t.mean = at::zeros({columns});
      t.variance = at::ones({columns});
      add_parameter(layer.name + "/gamma", t.gamma);
      add_parameter(layer.name + "/beta", t.beta);
      buffers_.push_back({layer.name + "/mean", t.mean});
      buffers_.push_back({layer.name + "/variance", t.variance});
    } else if (layer.has_bias) {
      t.bias = at::zeros({columns});
      add_parameter(layer.name + "/bias", t.bias);
    }
  }
}

Net::Net(const FloatModel& model) : network_(model.network), tensors_(model.network.layers.size()) {
  for (LayerId id = 0; id <= network_.output(); ++id) {
    const Layer& layer = network_.layer(id);
    const FloatParameters& given = model.parameters[static_cast<std::size_t>(id)];
    LayerTensors& t = tensors_[static_cast<std::size_t>(id)];
    t.factor = given.factor;
    t.epsilon = given.epsilon;
    if (layer.has_embedding()) {
      add_embedding(id, given.embedding);
    }
    if (!layer.is_matrix() || layer.has_dynamic_weights()) {
      continue;
    }
    const MatrixShape shape = matrix_shape(network_, id);
    const std::int64_t columns = shape.cols * shape.groups;
    if (!given.codebook.empty()) {
      t.codebook = copy_of(given.codebook, {static_cast<std::int64_t>(given.codebook.size())});
    }
    t.weights = copy_of(given.weights, {columns, shape.rows});
    add_parameter(layer.name + "/weights", t.weights);
    if (!given.bias.empty()) {
      t.bias = copy_of(given.bias, {columns});
      add_parameter(layer.name + "/bias", t.bias);
    }
  }
}

void Net::add_parameter(const std::string& name, at::Tensor& tensor) {
  tensor.requires_grad_(true);
  parameters_.push_back({name, tensor});
}

void Net::add_embedding(LayerId id, std::span<const float> values) {
  const Layer& layer = network_.layer(id);
  at::Tensor& t = tensors_[static_cast<std::size_t>(id)].embedding;
  t = copy_of(values, {layer.embedded_positions(), layer.out.channels});
  add_parameter(layer.name + "/embedding", t);
}

void Net::quantize(const QuantPlan& plan) {
  if (std::any_of(tensors_.begin(), tensors_.end(), [](const LayerTensors& t) {
        return t.gamma.defined();
      })) {
    throw InternalError("workloads/train", -1, "fake quantization before batch norms are folded");
  }
  plan_ = plan;
  for (std::size_t index = 0; index < tensors_.size(); ++index) {
    LayerTensors& t = tensors_[index];
    const Layer& layer = plan.network.layers[index];
    if (t.weights.defined()) {
      const std::vector<float> entries = first_codebook(static_cast<LayerId>(index));
      if (!entries.empty()) {
        t.codebook = book_of(entries, layer.w_codes);
        buffers_.push_back({layer.name + "/codebook", t.codebook});
      }
    }
    if (!layer.codebook.empty()) {
      t.output_codebook = book_of(layer.codebook, layer.out_codes);
      buffers_.push_back({layer.name + "/output_codebook", t.output_codebook});
    }
  }
  ranges_.clear();
  for (const RangePlan& range : plan.ranges) {
    at::Tensor t = scalar(std::log2(range.value));
    t.requires_grad_(true);
    ranges_.push_back({range.name + "/log2_range", t});
  }
}

std::vector<float> Net::first_codebook(LayerId id) const {
  const LayerTensors& t = tensors_[static_cast<std::size_t>(id)];
  FloatParameters from;
  from.weights = values_of(t.weights);
  from.codebook = t.codebook.defined() ? values_of(t.codebook) : std::vector<float>{};
  return plan_->first_codebook(id, from);
}

void Net::set_codebooks(const QuantPlan& plan) {
  const at::NoGradGuard no_gradient;
  for (std::size_t index = 0; index < tensors_.size(); ++index) {
    LayerTensors& t = tensors_[index];
    const Layer& layer = plan.network.layers[index];
    if (t.codebook.defined()) {
      const at::Tensor own = std::exchange(t.codebook, {});
      if (const std::vector<float> entries = first_codebook(static_cast<LayerId>(index));
          !entries.empty()) {
        own.copy_(book_of(entries, static_cast<int>(own.size(0))));
      }
      t.codebook = own;
    }
    if (t.output_codebook.defined()) {
      t.output_codebook.copy_(book_of(layer.codebook, static_cast<int>(t.output_codebook.size(0))));
    }
  }
}

std::vector<at::Tensor> Net::weights() const {
  std::vector<at::Tensor> out;
  for (const LayerTensors& t : tensors_) {
    if (t.weights.defined()) {
      out.push_back(t.weights);
    }
  }
  return out;
}

FloatModel Net::to_model() const {
  const at::NoGradGuard no_gradient;
  FloatModel model{network_, std::vector<FloatParameters>(network_.layers.size())};
  const std::vector<TensorPlan> tensors = plan_ ? plan().tensors : std::vector<TensorPlan>{};
  for (std::size_t index = 0; index < tensors_.size(); ++index) {
    const LayerTensors& t = tensors_[index];
    model.parameters[index].factor = t.factor;
    model.parameters[index].epsilon = t.epsilon;
    if (t.output_codebook.defined()) {
      const TensorPlan& format = tensors[index];
      for (const std::int32_t entry : entries_of(t.output_codebook)) {
        model.parameters[index].output_codebook.push_back(
            static_cast<float>(format.scale * static_cast<double>(entry - format.zero)));
      }
    }
    if (t.embedding.defined()) {
      model.parameters[index].embedding = values_of(t.embedding);
    }
    if (!t.weights.defined()) {
      continue;
    }
    if (t.codebook.defined()) {
      model.parameters[index].codebook = values_of(t.codebook);
    }
    at::Tensor weights = t.weights;
    at::Tensor bias = t.bias;
    if (t.gamma.defined()) {
      const at::Tensor factor = t.gamma / (t.variance + kBatchNormEpsilon).sqrt();
      weights = weights * factor.unsqueeze(1);
      bias = t.beta - t.mean * factor;
    }
    model.parameters[index].weights = values_of(weights);
    if (bias.defined()) {
      model.parameters[index].bias = values_of(bias);
    }
  }
  return model;
}

FloatModel Net::without_codebooks() const {
  FloatModel model = to_model();
  for (FloatParameters& p : model.parameters) {
    p.codebook.clear();
    p.output_codebook.clear();
  }
  return model;
}

QuantPlan Net::plan() const {
  QuantPlan out = *plan_;
  for (std::size_t index = 0; index < tensors_.size(); ++index) {
    if (tensors_[index].output_codebook.defined()) {
      out.network.layers[index].codebook = entries_of(tensors_[index].output_codebook);
    }
  }
  for (std::size_t k = 0; k < ranges_.size(); ++k) {
    out.ranges[k].value = static_cast<double>(at::exp2(ranges_[k].tensor.detach()).item<float>());
  }
  for (TensorPlan& t : out.tensors) {
    if (t.range >= 0) {
      t.scale = out.ranges[static_cast<std::size_t>(t.range)].value * t.share;
    }
  }
  return out;
}

// ---- quantities ---------------------------------------------------------------------------------

at::Tensor Net::Value::offset() const {
  return zero == 0 ? values : values - zero;
}

at::Tensor Net::Value::real() const {
  return scale.defined() ? offset() * scale : values;
}

at::Tensor Net::scale_of(const TensorPlan& plan) const {
  if (plan.range < 0) {
    return scalar(plan.scale);
  }
  return at::exp2(ranges_[static_cast<std::size_t>(plan.range)].tensor) * plan.share;
}

Net::Operand Net::narrowed(const Value& x, int bits) const {
  if (!x.scale.defined()) {
    return {x.values, {}};
  }
  const int by = std::max(0, x.bits - bits);
  at::Tensor values =
      narrow_through(x.values, by, min_value(bits, x.is_signed), max_value(bits, x.is_signed));
  const std::int64_t zero = round_shift(x.zero, by);
  return {zero == 0 ? values : values - zero, x.scale * std::ldexp(1.0, by), values, zero};
}

Net::Operand Net::weights_of(LayerId id, const ForwardOptions& options) const {
  const at::Tensor& weights = tensors_[static_cast<std::size_t>(id)].weights;
  if (!plan_) {
    return {weights, {}};
  }
  const at::Tensor flat = weights.detach().contiguous();
  const std::span<const float> real(flat.data_ptr<float>(), static_cast<std::size_t>(flat.numel()));
  std::vector<float> entries;
  if (const at::Tensor& codebook = tensors_[static_cast<std::size_t>(id)].codebook;
      codebook.defined()) {
    const at::NoGradGuard no_gradient;
    entries = values_of(codebook);
    if (options.training) {
      entries = moved_codebook(entries, real);
      codebook.copy_(copy_of(entries, codebook.sizes()));
    }
  }
  const QuantizedWeights quantized = plan_->weights(id, real, entries);
  const at::Tensor scales = copy_of(quantized.scales, {weights.size(0)});
  const at::Tensor integers = copy_of(quantized.integers, weights.sizes());
  at::Tensor read = integers;
  if (options.training && plan_->noise.weight_sigma > 0) {
    Rng rng(options.noise_seed, "noise/" + network_.layer(id).name);
    read = integers +
           normal_like(integers, rng.bits()) * (integers.abs().max() * plan_->noise.weight_sigma);
  }
  return {replace_through(weights / scales.unsqueeze(1), read), scales, integers, 0};
}

at::Tensor Net::activated(LayerId id, const at::Tensor& real) const {
  const Layer& layer = network_.layer(id);
  at::Tensor t = real;
  if (plan_) {
    // The curves read their argument in fixed point (scalar_ops.hpp).
    const Layer& integers = plan_->network.layer(id);
    const bool is_curve = layer.activation == Activation::gelu ||
                          layer.activation == Activation::sigmoid ||
                          layer.activation == Activation::tanh;
    if (is_curve) {
      const double one = std::ldexp(1.0, activation_fraction(layer.activation, integers.out_bits));
      const at::Tensor steps = round_through(real * one);
      t = steps * (1 / one);
      if (const auto& table = integers.activation_table; !table.empty()) {
        std::vector<float> arguments;
        std::vector<float> values;
        for (const ActivationRow& row : table) {
          arguments.push_back(static_cast<float>(row.argument));
          values.push_back(static_cast<float>(row.value));
        }
        const at::Tensor answer = nearest_in(copy_of(arguments, {std::ssize(arguments)}),
                                             copy_of(values, {std::ssize(values)}),
                                             steps);
        return replace_through(curve(layer.activation, t),
                               answer * plan_->tensors[static_cast<std::size_t>(id)].scale);
      }
    }
  }
  return curve(layer.activation, t);
}

Net::Value Net::finish(LayerId id, const at::Tensor& real) const {
  return finish(id, real, {});
}

Net::Value Net::finish(LayerId id, const at::Tensor& values, const at::Tensor& scale) const {
  const bool is_real =
      !plan_ || plan_->tensors[static_cast<std::size_t>(id)].form == TensorPlan::Form::raw;
  if (is_real) {
    return {scale.defined() ? values * scale : values, {}};
  }
  const TensorPlan& t = plan_->tensors[static_cast<std::size_t>(id)];
  Value out;
  out.scale = scale_of(t);
  out.zero = t.zero;
  out.bits = t.bits;
  out.is_signed = t.is_signed;
  // The quotient of two scales first: equal ones, or powers of two apart, then leave no rounding.
  at::Tensor steps = scale.defined() ? values * (scale / out.scale) : values / out.scale;
  const std::int64_t low = min_value(t.bits, t.is_signed);
  const std::int64_t high = max_value(t.bits, t.is_signed);
  if (t.zero == 0) {
    out.values = quantize_through(steps, low, high);
  } else if (id == 0) {
    out.values = quantize_through(steps, low - t.zero, high - t.zero) + t.zero;
  } else {
    out.values = quantize_through(steps + t.zero, low, high);  // the bias brings the zero point
  }
  out.values = encoded(id, out.values);
  return out;
}

at::Tensor Net::encoded(LayerId id, const at::Tensor& values) const {
  const at::Tensor& book = tensors_[static_cast<std::size_t>(id)].output_codebook;
  return book.defined() ? replace_through(values, nearest_in(book, book, values)) : values;
}

Net::Value Net::passed(const Value& x, at::Tensor values) {
  Value out = x;
  out.values = std::move(values);
  return out;
}

// ---- layers -------------------------------------------------------------------------------------

at::Tensor Net::conv(const Layer& layer,
                     const at::Tensor& x,
                     const at::Tensor& weights,
                     const at::Tensor& bias) const {
  const Window& w = layer.window;
  const at::Tensor kernel =
      weights
          .reshape({weights.size(0),
                    w.kernel_h,
                    w.kernel_w,
                    weights.size(1) / (std::int64_t{w.kernel_h} * w.kernel_w)})
          .permute({0, 3, 1, 2});
  const bool is_even = w.pad_top == w.pad_bottom && w.pad_left == w.pad_right;
  const at::Tensor nchw = is_even ? to_nchw(x) : padded(to_nchw(x), w, 0);
  const std::array<std::int64_t, 2> stride{w.stride_h, w.stride_w};
  const std::array<std::int64_t, 2> padding{is_even ? w.pad_top : 0, is_even ? w.pad_left : 0};
  const std::array<std::int64_t, 2> dilation{w.dilation_h, w.dilation_w};
  return to_nhwc(at::conv2d(nchw, kernel, bias, stride, padding, dilation, layer.groups));
}

at::Tensor Net::patches(const Layer& layer, const at::Tensor& x, std::int64_t zero) {
  if (layer.kind != LayerKind::conv) {
    const std::int64_t rows =
        layer.kind == LayerKind::fc ? x.size(1) * x.size(2) * x.size(3) : x.size(3);
    return x.reshape({-1, 1, rows});
  }
  const Window& w = layer.window;
  const at::Tensor in = padded(to_nchw(x), w, static_cast<double>(zero));
  const at::Tensor columns = at::im2col(
      in, {w.kernel_h, w.kernel_w}, {w.dilation_h, w.dilation_w}, {0, 0}, {w.stride_h, w.stride_w});
  // [image][channel, kernel position][position] -> [image, position][group][kernel position,
  // channel]
  const std::int64_t kernel = std::int64_t{w.kernel_h} * w.kernel_w;
  const std::int64_t per_group = x.size(3) / layer.groups;
  return columns.reshape({x.size(0), layer.groups, per_group, kernel, columns.size(2)})
      .permute({0, 4, 1, 3, 2})
      .reshape({x.size(0) * columns.size(2), layer.groups, kernel * per_group});
}

at::Tensor Net::matmul(LayerId id, const std::vector<Value>& values) const {
  const Layer& layer = network_.layer(id);
  const Value& x = values[static_cast<std::size_t>(layer.inputs[0])];
  const Value& y = values[static_cast<std::size_t>(layer.inputs[1])];
  Operand a{x.values, {}};
  Operand b{y.values, {}};
  if (plan_) {
    const Layer& integers = plan_->network.layer(id);
    a = narrowed(x, integers.a_bits);
    // narrow_weight(): an unsigned tensor counts one bit more, and the result is signed.
    const int by = std::max(0, y.bits + (y.is_signed ? 0 : 1) - integers.w_bits);
    b.values = narrow_through(
        y.values, by, min_value(integers.w_bits, true), max_value(integers.w_bits, true));
    b.scale = y.scale * std::ldexp(1.0, by);
  }
  const at::Tensor left = heads_of(a.values, layer.heads).permute({0, 2, 1, 3});
  const at::Tensor right =
      heads_of(b.values, layer.heads)
          .permute(layer.transpose_b ? at::IntArrayRef{0, 2, 3, 1} : at::IntArrayRef{0, 2, 1, 3});
  const at::Tensor acc = shaped(at::matmul(left, right).permute({0, 2, 1, 3}), layer.out);
  return plan_ ? acc * (a.scale * b.scale) : acc;
}

at::Tensor Net::matrix(LayerId id,
                       const std::vector<Value>& values,
                       const ForwardOptions& options) {
  const Layer& layer = network_.layer(id);
  if (layer.has_dynamic_weights()) {
    return matmul(id, values);
  }
  LayerTensors& t = tensors_[static_cast<std::size_t>(id)];
  const Operand x = narrowed(values[static_cast<std::size_t>(layer.inputs[0])],
                             plan_ ? plan_->network.layer(id).a_bits : 0);
  const Operand w = weights_of(id, options);
  at::Tensor scale;
  at::Tensor bias = t.bias;
  if (plan_) {
    scale = w.scale * x.scale;
    if (bias.defined()) {
      bias = round_through(bias / scale);
    }
  }
  at::Tensor y;
  if (layer.kind == LayerKind::conv) {
    y = conv(layer, x.values, w.values, bias);
  } else {
    const at::Tensor flat =
        layer.kind == LayerKind::fc ? x.values.reshape({x.values.size(0), 1, 1, -1}) : x.values;
    y = at::linear(flat, w.values, bias);
  }
  if (plan_ && options.training && plan_->noise.adc_bits > 0) {
    const at::NoGradGuard no_gradient;
    y = y + clipping_error(
                patches(layer, x.raw, x.zero), w.raw, plan_->network.layer(id).a_bits, plan_->noise)
                .reshape(y.sizes());
  }
  if (t.gamma.defined()) {
    y = to_nhwc(at::batch_norm(to_nchw(y),
                               t.gamma,
                               t.beta,
                               t.mean,
                               t.variance,
                               options.training,
                               kBatchNormMomentum,
                               kBatchNormEpsilon,
                               false));
  }
  return plan_ ? y * scale : y;
}

at::Tensor Net::pool(const Layer& layer, const at::Tensor& x) const {
  const Window& w = layer.window;
  const std::array<std::int64_t, 2> kernel{w.kernel_h, w.kernel_w};
  const std::array<std::int64_t, 2> stride{w.stride_h, w.stride_w};
  const std::array<std::int64_t, 2> dilation{w.dilation_h, w.dilation_w};
  const std::array<std::int64_t, 2> no_padding{0, 0};
  if (layer.kind == LayerKind::max_pool) {
    const at::Tensor in = padded(to_nchw(x), w, -std::numeric_limits<double>::infinity());
    return to_nhwc(at::max_pool2d(in, kernel, stride, no_padding, dilation));
  }
  // A convolution with equal weights, because torch's average pooling knows no dilation.
  const at::Tensor in = padded(to_nchw(x), w, 0);
  if (w.dilation_h == 1 && w.dilation_w == 1) {
    return to_nhwc(at::avg_pool2d(in, kernel, stride));
  }
  const at::Tensor equal = at::full({x.size(3), 1, w.kernel_h, w.kernel_w},
                                    1.0 / (static_cast<double>(w.kernel_h) * w.kernel_w));
  return to_nhwc(at::conv2d(in, equal, {}, stride, no_padding, dilation, x.size(3)));
}

at::Tensor Net::forward(const at::Tensor& images, const ForwardOptions& options) {
  std::vector<Value> values(network_.layers.size());
  values[0] = finish(0, images);
  for (LayerId id = 1; id <= network_.output(); ++id) {
    const Layer& layer = network_.layer(id);
    const Value& x = values[static_cast<std::size_t>(layer.inputs[0])];
    Value& y = values[static_cast<std::size_t>(id)];
    switch (layer.kind) {
      case LayerKind::conv:
      case LayerKind::fc:
      case LayerKind::linear:
      case LayerKind::matmul:
        y = finish(id, activated(id, matrix(id, values, options)));
        break;
      case LayerKind::max_pool:
        y = passed(x, pool(layer, x.values));
        break;
      case LayerKind::flatten:
        y = passed(x, shaped(x.values, layer.out));
        break;
      case LayerKind::slice:
        if (layer.slice_positions) {
          const at::Tensor rows = x.values.reshape({x.values.size(0), -1, x.values.size(3)});
          y = passed(x,
                     shaped(rows.narrow(1, layer.slice_begin, layer.out.positions()), layer.out));
        } else {
          y = passed(x, x.values.narrow(3, layer.slice_begin, layer.out.channels));
        }
        break;
      case LayerKind::avg_pool:
        y = finish(id, pool(layer, x.offset()), x.scale);
        break;
      case LayerKind::add: {
        const Value& other = values[static_cast<std::size_t>(layer.inputs[1])];
        y = finish(id, activated(id, x.real() + other.real()));
        break;
      }
      case LayerKind::concat: {
        std::vector<at::Tensor> parts;
        for (const LayerId from : layer.inputs) {
          const Value& part = values[static_cast<std::size_t>(from)];
          Value aligned = finish(id, part.offset(), part.scale);
          parts.push_back(std::move(aligned.values));
          y = std::move(aligned);
        }
        y.values = at::cat(parts, 3);
        break;
      }
      case LayerKind::class_token: {
        const at::Tensor& token = tensors_[static_cast<std::size_t>(id)].embedding;
        const Value first = finish(id, token.expand({x.values.size(0), 1, token.size(1)}));
        y = finish(id, x.offset(), x.scale);
        y.values = shaped(
            at::cat({first.values, y.values.reshape({x.values.size(0), -1, token.size(1)})}, 1),
            layer.out);
        break;
      }
      case LayerKind::position_embedding: {
        const at::Tensor& e = tensors_[static_cast<std::size_t>(id)].embedding;
        y = finish(id, x.real() + e.reshape({1, layer.out.height, layer.out.width, -1}));
        break;
      }
      case LayerKind::activation:
        y = finish(id, activated(id, x.real()));
        break;
      case LayerKind::layer_norm: {
        const at::Tensor real = x.real();
        const at::Tensor centred = real - real.mean({3}, true);
        const at::Tensor variance = centred.square().mean({3}, true);
        const double epsilon = tensors_[static_cast<std::size_t>(id)].epsilon;
        y = finish(id, centred / (variance + epsilon).clamp_min(kSmallestVariance).sqrt());
        break;
      }
      case LayerKind::softmax:
        y = finish(
            id,
            shaped(heads_of(x.real() * tensors_[static_cast<std::size_t>(id)].factor, layer.heads)
                       .softmax(-1),
                   layer.out));
        break;
      case LayerKind::input:
        break;
    }
  }
  const at::Tensor out = values.back().real();
  return out.reshape({out.size(0), -1});
}

}  // namespace tessera::train
