// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/plan.hpp"

#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>

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
  const bool one_scale_at_end = integers.rules.back().is_raw;
  // Shared, so that a copy of the plan costs little.
  const auto network = std::make_shared<const Network>(integers.network);
  plan.weights = [network, spec, one_scale_at_end](LayerId id, std::span<const float> weights) {
    const Layer& layer = network->layer(id);
    const MatrixShape shape = matrix_shape(*network, id);
    const std::int64_t columns = shape.cols * shape.groups;
    const bool per_channel = spec.per_channel && !(one_scale_at_end && id == network->output());
    const std::vector<WeightScale> found =
        weight_scales(weights, columns, layer.w_bits, spec.weights, per_channel);
    const std::vector<std::int32_t> integers_of =
        quantize_weights(weights, found, layer.w_bits);
    QuantizedWeights out;
    out.integers.assign(integers_of.begin(), integers_of.end());
    for (std::int64_t c = 0; c < columns; ++c) {
      out.scales.push_back(
          static_cast<float>(found[found.size() == 1 ? 0 : static_cast<std::size_t>(c)].scale));
    }
    return out;
  };
  return plan;
}

std::vector<std::optional<TensorScale>> scales_in(const QuantPlan& plan) {
  std::vector<std::optional<TensorScale>> out(plan.tensors.size());
  for (const RangePlan& range : plan.ranges) {
    const auto owner = static_cast<std::size_t>(range.owner);
    out[owner] = TensorScale{plan.tensors[owner].scale, plan.tensors[owner].zero};
  }
  return out;
}

}  // namespace tessera::train
