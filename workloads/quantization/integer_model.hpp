// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a float model to integers: the network that the golden executor, the chip and fake
/// quantization compute.
///
/// Widths   as quantize.hpp: a tensor has the largest width that a matrix reads from it; it is
///          unsigned after ReLU, ReLU6, sigmoid and softmax, else signed. An asymmetric tensor is
///          unsigned.
/// Scales   (real value of one step; full scale F = scale * 2^(out_bits - out_signed))
///   input, conv, fc, linear, matmul, add, position_embedding, activation (none, relu), avg_pool:
///               free
///   relu6       6 / (2^out_bits - 1)
///   gelu        2^-activation_fraction()
///   sigmoid, softmax  1 / (2^out_bits - 1);  tanh  1 / (2^(out_bits - 1) - 1)
///   layer_norm  2^(3 - out_bits)
///   max_pool, flatten, slice  those of the tensor they read, zero point included
///   concat      its operands and itself have one F, that of the operand with the largest range
///   class_token its operand and itself have one F, that of the larger range; where the operand's
///               scale is fixed, a token beyond it is clamped
///   what softmax reads: scale * factor is a power of two, the next one up; Layer::shift is minus
///   its exponent
/// Layers   in = scale of the operand as narrowed, scale * 2^max(0, out_bits - a_bits);
///          s[c] = scale of the column's weights; T = scale of the argument of the activation:
///          that of the output, but 2^-activation_fraction() for sigmoid and tanh
///   multiplier[c] / 2^shift = in * s[c] / T     16 bits for the largest channel
///   bias[c]     = round_away((b[c] + zero_out * T) / (in * s[c])) - zero_in * sum of the column's
///                 integer weights; zero_in that of the narrowed operand
///   pad_value   = zero of the tensor read
///   matmul      multiplier / 2^shift = in_a * in_b / T; no bias;
///               in_b = scale_b * 2^max(0, bits_b - w_bits), bits_b one more for an unsigned tensor
///   add         a_multiplier / 2^shift = scale_a / T, b_multiplier / 2^shift = scale_b / T, the
///               larger one with 16 bits
///   position_embedding
///               multiplier / 2^shift = scale_in / T; embedding = round_away(e / T * 2^shift)
///   class_token embedding = clamp(round_away(e / scale))
///   avg_pool    multiplier / 2^shift = scale_in / (taps * scale_out)
///   activation  multiplier / 2^shift = scale_in / T
///   last layer, a matrix with no activation or ReLU: its sums are the output, 32 bit; one scale of
///               weights; multiplier 1, shift as small as 32 bit allow; scale in * s * 2^shift
/// Codebook (spec.codebook, or FloatParameters::codebook): weights lie on the nearest entry; scale
///          max |entry| / (2^(w_bits - 1) - 1) of the layer; entries are rounded to integers
/// Asymmetric (spec.asymmetric): the input when it is signed, and conv, fc, linear without
///          activation, when only conv, fc and linear read it, through max_pool, flatten and slice
///          at most. zero is a multiple of 2^(out_bits - a_bits) of every reader.
/// Errors   IntegerPlan::problems: scales that contradict each other
#pragma once

#include "workloads/float_model.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantization/calibration.hpp"
#include "workloads/quantization/scale.hpp"
#include "workloads/quantization/spec.hpp"
#include "workloads/quantize.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

/// Where the scale of a tensor comes from.
struct TensorRule {
  LayerId owner = 0;  ///< the tensor with the same full scale that decides; itself when it does
  std::optional<double> fixed;  ///< an owner's scale that its format says
  double factor = 0.0;         ///< an owner's: when > 0, scale * factor is a power of two (softmax)
  bool asymmetric = false;     ///< unsigned with a zero point
  std::int64_t zero_step = 1;  ///< zero is a multiple
  bool is_raw = false;         ///< the sums of the last layer: the scale follows from the weights

  [[nodiscard]] bool is_free(LayerId self) const { return owner == self && !fixed && !is_raw; }
};

/// A network with widths and signs, without scales, and how scales may be chosen.
struct IntegerPlan {
  Network network;
  std::vector<TensorRule> rules;      ///< per layer
  std::vector<std::string> problems;  ///< one sentence each; empty when integers can follow
};

/// A scale that is learned or comes from a file.
struct GivenScale {
  TensorScale scale;
  int bits = 0;  ///< width of the integers it is meant for, 0: any. Others take the same full scale
};

/// `bits` per matrix layer. `input_signed`: the images have negative values.
IntegerPlan plan_integers(const FloatModel& model,
                          const std::vector<LayerBits>& bits,
                          const QuantizationSpec& spec,
                          bool input_signed);

/// Scales of all tensors, obeying the rules. A free tensor has its entry of `given` (learned, or
/// from a file) when there is one, else what calibration says. `given` may be empty.
std::vector<TensorScale> choose_scales(const IntegerPlan& plan,
                                       const Calibration& calibration,
                                       const QuantizationSpec& spec,
                                       const std::vector<std::optional<GivenScale>>& given);

struct IntegerModel {
  Network network;                          ///< with integer semantics
  std::vector<LayerParameters> parameters;  ///< per layer; empty where has_parameters() is false
  std::vector<TensorScale> scales;          ///< per layer, of its output tensor

  /// parameters, as a ParameterSource; the model must outlive it.
  [[nodiscard]] ParameterSource source() const;

  /// Integers of an image of real numbers.
  [[nodiscard]] std::vector<std::int32_t> input(std::span<const float> image) const;

  /// Real values of a layer's integers.
  [[nodiscard]] std::vector<double> real(LayerId layer, std::span<const std::int32_t> y) const;
};

/// `scales` from choose_scales(). InternalError when the plan has problems.
IntegerModel quantize_model(const FloatModel& model,
                            const IntegerPlan& plan,
                            const std::vector<TensorScale>& scales,
                            const QuantizationSpec& spec);

}  // namespace tessera
