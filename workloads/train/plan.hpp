// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What fake quantization needs to know of a quantized network: the format of every tensor, which
/// scales belong together, and how weights become integers. No torch.
#pragma once

#include "workloads/float_model.hpp"
#include "workloads/network.hpp"
#include "workloads/quantization/integer_model.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::train {

/// Integers of a tensor: real value = scale * (integer - zero).
struct TensorPlan {
  /// Takes integers and scale of what it reads (max_pool, flatten, slice), or is the accumulators
  /// of the output layer, in real numbers.
  enum class Form { own, passed, raw };
  Form form = Form::own;
  int bits = 8;
  bool is_signed = false;
  std::int64_t zero = 0;
  double scale = 1;
  int range = -1;    ///< index into QuantPlan::ranges when it is learned
  double share = 1;  ///< scale = range * share
};

/// A full scale that training may change; tensors that must agree share it.
struct RangePlan {
  std::string name;  ///< of the layer that owns it
  LayerId owner = 0;
  double value = 1;
};

/// Integers of a weight matrix and the scale of each column, as quantize_model() makes them.
struct QuantizedWeights {
  std::vector<float> integers;  ///< as the weights
  std::vector<float> scales;    ///< [groups * cols]
};

/// Noise that is drawn anew in every pass of training, so that weights are found that bear it.
struct NoisePlan {
  double weight_sigma = 0;  ///< standard deviation, as part of the largest integer weight
  int adc_bits = 0;         ///< 0: conversions do not clip
  int adc_rows = 128;       ///< rows that one conversion adds up
  int cell_bits = 1;        ///< of a weight's magnitude in one cell

  [[nodiscard]] bool any() const { return weight_sigma > 0 || adc_bits > 0; }
};

struct QuantPlan {
  Network network;  ///< quantized: widths, signs, codebooks of tensors
  std::vector<TensorPlan> tensors;
  std::vector<RangePlan> ranges;
  QuantizationSpec spec;  ///< how weights are quantized
  NoisePlan noise;

  /// Of a layer with weights: [groups * cols][rows] real numbers; the codebook's entries,
  /// ascending, none without one.
  [[nodiscard]] QuantizedWeights weights(LayerId id,
                                         std::span<const float> weights,
                                         std::span<const float> codebook) const;

  /// The codebook of weights that a layer starts with; empty without one.
  [[nodiscard]] std::vector<float> first_codebook(LayerId id, const FloatParameters& from) const;
};

/// One round of k-means: every entry becomes the mean of the weights nearest to it.
std::vector<float> moved_codebook(std::span<const float> codebook, std::span<const float> weights);

/// What fake quantization of `model` does: widths and rules from plan_integers(), first scales from
/// choose_scales(). Learned are the ranges of free tensors; those that a format fixes or a softmax
/// wants as a power of two stay as they are, and so do zero points.
QuantPlan make_plan(const FloatModel& model,
                    const IntegerPlan& integers,
                    const std::vector<TensorScale>& scales,
                    const QuantizationSpec& spec,
                    const NoisePlan& noise = {});

/// The learned scales as choose_scales() takes them.
std::vector<std::optional<GivenScale>> scales_in(const QuantPlan& plan);

}  // namespace tessera::train
