// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/plan.hpp"

#include "sim/base/math.hpp"
#include "workloads/quantization/codebook.hpp"
#include "workloads/quantization/weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tessera::train {

namespace {

int magnitude_bits(const Layer& layer) {
  return layer.out_bits - (layer.out_signed ? 1 : 0);
}

bool passes_on(LayerKind kind) {
  return kind == LayerKind::max_pool || kind == LayerKind::flatten || kind == LayerKind::slice;
}

/// Its scale may be changed by training: nothing but calibration has chosen it.
bool is_learnable(const IntegerPlan& integers, LayerId id) {
  const TensorRule& rule = integers.rules[static_cast<std::size_t>(id)];
  return rule.is_free(id) && rule.factor <= 0;
}

}  // namespace

QuantPlan make_plan(const FloatModel& model,
                    const IntegerPlan& integers,
                    const std::vector<TensorScale>& scales,
                    const QuantizationSpec& spec,
                    const NoisePlan& noise) {
  QuantPlan plan;
  plan.spec = spec;
  plan.network = integers.network;
  plan.noise = noise;
  std::vector<int> range_of(scales.size(), -1);
  for (LayerId id = 0; id <= model.network.output(); ++id) {
    const auto index = static_cast<std::size_t>(id);
    const Layer& layer = integers.network.layer(id);
    TensorPlan t;
    t.bits = layer.out_bits;
    t.is_signed = layer.out_signed;
    t.zero = scales[index].zero;
    t.scale = scales[index].scale;
    if (integers.rules[index].is_raw) {
      t.form = TensorPlan::Form::raw;
    } else if (passes_on(layer.kind)) {
      t.form = TensorPlan::Form::passed;
    } else if (const LayerId owner = integers.rules[index].owner; is_learnable(integers, owner)) {
      int& range = range_of[static_cast<std::size_t>(owner)];
      if (range < 0) {
        range = static_cast<int>(plan.ranges.size());
        const Layer& from = integers.network.layer(owner);
        plan.ranges.push_back(
            {from.name,
             owner,
             std::ldexp(scales[static_cast<std::size_t>(owner)].scale, magnitude_bits(from))});
      }
      t.range = range;
      t.share = std::ldexp(1.0, -magnitude_bits(layer));
    }
    plan.tensors.push_back(t);
  }
  return plan;
}

QuantizedWeights QuantPlan::weights(LayerId id,
                                    std::span<const float> weights,
                                    std::span<const float> codebook) const {
  const Layer& layer = network.layer(id);
  const MatrixShape shape = matrix_shape(network, id);
  const auto columns = static_cast<std::size_t>(shape.cols * shape.groups);
  const bool is_raw = tensors[static_cast<std::size_t>(id)].form == TensorPlan::Form::raw;
  QuantizedWeights out;
  out.scales.resize(columns);
  if (codebook.empty()) {
    const std::vector<WeightScale> scales = weight_scales(weights,
                                                          shape.cols * shape.groups,
                                                          layer.w_bits,
                                                          spec.weights,
                                                          spec.per_channel && !is_raw);
    const std::vector<std::int32_t> integers = quantize_weights(weights, scales, layer.w_bits);
    out.integers.assign(integers.begin(), integers.end());
    for (std::size_t c = 0; c < columns; ++c) {
      out.scales[c] = static_cast<float>(scales[c * scales.size() / columns].scale);
    }
    return out;
  }
  // The entries are weights of the layer like others: integers of its width, one scale.
  const WeightScale scale = weight_scale(codebook, layer.w_bits, WeightMethod::max);
  std::vector<float> integers;
  for (const float entry : codebook) {
    integers.push_back(static_cast<float>(quantize_weight(entry, scale, layer.w_bits)));
  }
  const std::vector<double> entries(codebook.begin(), codebook.end());
  out.integers.reserve(weights.size());
  for (const float w : weights) {
    out.integers.push_back(integers[nearest(entries, static_cast<double>(w))]);
  }
  std::fill(out.scales.begin(), out.scales.end(), static_cast<float>(scale.scale));
  return out;
}

std::vector<float> QuantPlan::first_codebook(LayerId id, const FloatParameters& from) const {
  const std::string& name = network.layer(id).name;
  if (!from.codebook.empty() || spec.weight_codes(name) == 0) {
    return from.codebook;
  }
  const std::vector<double> entries = weight_codebook(from.weights, name, spec);
  return {entries.begin(), entries.end()};
}

std::vector<float> moved_codebook(std::span<const float> codebook, std::span<const float> weights) {
  const std::vector<double> entries(codebook.begin(), codebook.end());
  std::vector<double> sums(entries.size(), 0.0);
  std::vector<std::int64_t> counts(entries.size(), 0);
  for (const float w : weights) {
    const std::size_t entry = nearest(entries, static_cast<double>(w));
    sums[entry] += static_cast<double>(w);
    ++counts[entry];
  }
  std::vector<float> out(codebook.begin(), codebook.end());
  for (std::size_t k = 0; k < out.size(); ++k) {
    if (counts[k] > 0) {
      out[k] = static_cast<float>(sums[k] / static_cast<double>(counts[k]));
    }
  }
  return out;
}

std::vector<std::optional<GivenScale>> scales_in(const QuantPlan& plan) {
  std::vector<std::optional<GivenScale>> out(plan.tensors.size());
  for (const RangePlan& range : plan.ranges) {
    const auto owner = static_cast<std::size_t>(range.owner);
    const TensorPlan& t = plan.tensors[owner];
    out[owner] = GivenScale{{t.scale, t.zero}, t.bits};
  }
  return out;
}

}  // namespace tessera::train
