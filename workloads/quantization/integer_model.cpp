// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/integer_model.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/quantization/codebook.hpp"
#include "workloads/quantization/weights.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tessera {

namespace {

class Quantization {
 public:
  Quantization(const FloatModel& model,
               const IntegerPlan& plan,
               const std::vector<TensorScale>& scales,
               const QuantizationSpec& spec)
      : model_(model), plan_(plan), spec_(spec) {
    out_.network = plan.network;
    out_.scales = scales;
    out_.parameters.resize(plan.network.layers.size());
  }

  IntegerModel run() {
    for (LayerId id = 1; id <= out_.network.output(); ++id) {
      Layer& layer = out_.network.layers[static_cast<std::size_t>(id)];
      switch (layer.kind) {
        case LayerKind::conv:
        case LayerKind::fc:
        case LayerKind::linear:
          weighted(id, layer);
          break;
        case LayerKind::matmul:
          product(id, layer);
          break;
        case LayerKind::add:
          add(id, layer);
          break;
        case LayerKind::class_token:
        case LayerKind::position_embedding:
          embed(id, layer);
          break;
        case LayerKind::avg_pool:
          set_rescale(layer,
                      scale(layer.inputs[0]).scale /
                          (layer.window.kernel_h * layer.window.kernel_w * scale(id).scale));
          break;
        case LayerKind::activation:
          set_rescale(layer, scale(layer.inputs[0]).scale / argument_scale(id));
          break;
        case LayerKind::softmax:
          layer.shift = -static_cast<int>(std::lround(std::log2(
              scale(layer.inputs[0]).scale *
              static_cast<double>(model_.parameters[static_cast<std::size_t>(id)].factor))));
          break;
        default:
          break;  // moves integers, or has a fixed format
      }
    }
    return std::move(out_);
  }

 private:
  TensorScale& scale(LayerId id) { return out_.scales[static_cast<std::size_t>(id)]; }

  /// Real value of one step of what a layer's activation reads.
  double argument_scale(LayerId id) {
    const Layer& layer = out_.network.layer(id);
    if (layer.activation == Activation::sigmoid || layer.activation == Activation::tanh) {
      return std::ldexp(1.0, -activation_fraction(layer.activation, layer.out_bits));
    }
    return scale(id).scale;
  }

  static void set_rescale(Layer& layer, double ratio) {
    const FixedPoint f = fixed_point(ratio);
    layer.multiplier = f.multiplier;
    layer.shift = f.shift;
  }

  void weighted(LayerId id, Layer& layer) {
    const auto index = static_cast<std::size_t>(id);
    const FloatParameters& from = model_.parameters[index];
    const Layer& producer = out_.network.layer(layer.inputs[0]);
    const MatrixShape m = matrix_shape(out_.network, id);
    const auto columns = static_cast<std::size_t>(m.groups * m.cols);
    const auto rows = static_cast<std::size_t>(m.rows);
    const bool is_raw = plan_.rules[index].is_raw;
    const int narrowed = std::max(0, producer.out_bits - layer.a_bits);
    const double in = std::ldexp(scale(layer.inputs[0]).scale, narrowed);
    const std::int64_t in_zero = round_shift(scale(layer.inputs[0]).zero, narrowed);
    layer.pad_value = static_cast<int>(scale(layer.inputs[0]).zero);

    LayerParameters& p = out_.parameters[index];
    std::vector<WeightScale> scales;
    const bool keeps_steps = from.step_bits == layer.w_bits &&
                             (from.steps.size() == 1 || (from.steps.size() == columns && !is_raw));
    if (keeps_steps && from.codebook.empty() && spec_.codebook == 0) {
      // As weight_scales(): a multiplier keeps 8 bits.
      const float most = *std::max_element(from.steps.begin(), from.steps.end());
      for (const float step : from.steps) {
        scales.push_back({std::max(step, most / 256.0F), -1.0});
      }
      p.weights = quantize_weights(from.weights, scales, layer.w_bits);
    } else if (from.codebook.empty() && spec_.codebook == 0) {
      scales = weight_scales(from.weights,
                             m.groups * m.cols,
                             layer.w_bits,
                             spec_.weights,
                             spec_.per_channel && !is_raw);
      p.weights = quantize_weights(from.weights, scales, layer.w_bits);
    } else {
      scales = {codebook_weights(from, layer, p)};
    }

    // Steps of the accumulators, per column.
    std::vector<double> step(columns);
    for (std::size_t c = 0; c < columns; ++c) {
      step[c] = in * scales[c * scales.size() / columns].scale;
    }
    const double widest = *std::max_element(step.begin(), step.end());
    const double to = is_raw ? widest : argument_scale(id);
    const FixedPoint f = is_raw ? FixedPoint{} : fixed_point(widest / to);
    layer.shift = f.shift;
    p.multiplier.resize(columns);
    p.bias.resize(columns);
    std::int64_t sum_of_multipliers = 0;
    double bound = 0.0;  // of all accumulators
    const double most = std::max(
        std::abs(static_cast<double>(
            min_value(std::min(layer.a_bits, producer.out_bits), layer.in_signed))),
        static_cast<double>(max_value(std::min(layer.a_bits, producer.out_bits), layer.in_signed)));
    for (std::size_t c = 0; c < columns; ++c) {
      std::int64_t sum = 0;
      double magnitudes = 0.0;
      for (std::size_t r = 0; r < rows; ++r) {
        const std::int64_t w = p.weights[c * rows + r];
        sum += w;
        magnitudes += std::abs(static_cast<double>(w));
      }
      const double bias = from.bias.empty() ? 0.0 : static_cast<double>(from.bias[c]);
      const double zero = is_raw ? 0.0 : static_cast<double>(scale(id).zero) * to;
      p.bias[c] = round_away((bias + zero) / step[c]) - in_zero * sum;
      p.multiplier[c] = is_raw ? 1 : std::max(1, multiplier_for(step[c] / to, layer.shift));
      sum_of_multipliers += p.multiplier[c];
      bound = std::max(bound, magnitudes * most + std::abs(static_cast<double>(p.bias[c])));
    }
    layer.multiplier = static_cast<int>(sum_of_multipliers / static_cast<std::int64_t>(columns));
    if (is_raw) {
      while (std::ldexp(bound, -layer.shift) > 0x1p31 - 1.0) {
        ++layer.shift;
      }
      scale(id) = {std::ldexp(widest, layer.shift), 0};
    }
  }

  /// Weights on the integers of a codebook's entries; returns their scale.
  WeightScale codebook_weights(const FloatParameters& from,
                               const Layer& layer,
                               LayerParameters& p) const {
    std::vector<double> entries(from.codebook.begin(), from.codebook.end());
    if (entries.empty()) {
      const std::vector<double> values(from.weights.begin(), from.weights.end());
      entries = cluster(values,
                        static_cast<std::size_t>(spec_.codebook),
                        static_cast<std::uint64_t>(spec_.seed),
                        "codebook/" + layer.name);
    }
    std::vector<float> rounded(entries.begin(), entries.end());
    const WeightScale s = weight_scale(rounded, layer.w_bits, WeightMethod::max);
    std::vector<std::int32_t> integers;
    for (const float entry : rounded) {
      integers.push_back(quantize_weight(entry, s, layer.w_bits));
    }
    p.weights.resize(from.weights.size());
    std::transform(from.weights.begin(), from.weights.end(), p.weights.begin(), [&](float w) {
      return integers[nearest(entries, static_cast<double>(w))];
    });
    return s;
  }

  void product(LayerId id, Layer& layer) {
    const Layer& a = out_.network.layer(layer.inputs[0]);
    const Layer& b = out_.network.layer(layer.inputs[1]);
    const int b_bits = b.out_bits + (b.out_signed ? 0 : 1);
    const double in_a =
        std::ldexp(scale(layer.inputs[0]).scale, std::max(0, a.out_bits - layer.a_bits));
    const double in_b =
        std::ldexp(scale(layer.inputs[1]).scale, std::max(0, b_bits - layer.w_bits));
    if (plan_.rules[static_cast<std::size_t>(id)].is_raw) {
      const MatrixShape m = matrix_shape(out_.network, id);
      const int bits = layer.w_bits + layer.a_bits + ceil_log2(static_cast<std::uint64_t>(m.rows));
      layer.shift = std::max(0, bits - 31);
      scale(id) = {std::ldexp(in_a * in_b, layer.shift), 0};
    } else {
      set_rescale(layer, in_a * in_b / argument_scale(id));
    }
    LayerParameters& p = out_.parameters[static_cast<std::size_t>(id)];
    p.bias.assign(static_cast<std::size_t>(layer.out.channels), 0);
    p.multiplier.assign(p.bias.size(), layer.multiplier);
  }

  void add(LayerId id, Layer& layer) {
    const double to = argument_scale(id);
    const double a = scale(layer.inputs[0]).scale / to;
    const double b = scale(layer.inputs[1]).scale / to;
    layer.shift = fixed_point(std::max(a, b)).shift;
    layer.a_multiplier = multiplier_for(a, layer.shift);
    layer.b_multiplier = multiplier_for(b, layer.shift);
  }

  void embed(LayerId id, Layer& layer) {
    const auto index = static_cast<std::size_t>(id);
    const std::vector<float>& from = model_.parameters[index].embedding;
    std::vector<std::int64_t>& to = out_.parameters[index].embedding;
    to.resize(from.size());
    if (layer.kind == LayerKind::class_token) {
      std::transform(from.begin(), from.end(), to.begin(), [&](float e) {
        return quantize_value(static_cast<double>(e), scale(id), layer.out_bits, layer.out_signed);
      });
      return;
    }
    set_rescale(layer, scale(layer.inputs[0]).scale / scale(id).scale);
    const double step = std::ldexp(scale(id).scale, -layer.shift);
    std::transform(from.begin(), from.end(), to.begin(), [&](float e) {
      return round_away(static_cast<double>(e) / step);
    });
  }

  const FloatModel& model_;
  const IntegerPlan& plan_;
  const QuantizationSpec& spec_;
  IntegerModel out_;
};

}  // namespace

ParameterSource IntegerModel::source() const {
  return [this](LayerId id) { return parameters[static_cast<std::size_t>(id)]; };
}

std::vector<std::int32_t> IntegerModel::input(std::span<const float> image) const {
  const Layer& layer = network.layers.front();
  std::vector<std::int32_t> x =
      quantize_tensor(image, scales.front(), layer.out_bits, layer.out_signed);
  for (std::int32_t& v : x) {
    v = encoded(v, layer);
  }
  return x;
}

std::vector<double> IntegerModel::real(LayerId layer, std::span<const std::int32_t> y) const {
  std::vector<double> out(y.size());
  std::transform(y.begin(), y.end(), out.begin(), [&](std::int32_t v) {
    return real_value(v, scales[static_cast<std::size_t>(layer)]);
  });
  return out;
}

IntegerModel quantize_model(const FloatModel& model,
                            const IntegerPlan& plan,
                            const std::vector<TensorScale>& scales,
                            const QuantizationSpec& spec) {
  if (!plan.problems.empty()) {
    throw InternalError("workloads/quantization", -1, plan.problems.front());
  }
  return Quantization(model, plan, scales, spec).run();
}

}  // namespace tessera
