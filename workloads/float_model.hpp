// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A network in real numbers: what an ONNX file brings, what training makes, what quantization
/// starts from.
#pragma once

#include "workloads/network.hpp"

#include <vector>

namespace tessera {

/// Of one layer. Batch norm is folded.
struct FloatParameters {
  std::vector<float> weights;  ///< [groups][cols][rows], rows fastest, as in parameters.hpp
  std::vector<float> bias;     ///< [groups * cols]; empty without bias
  /// When not empty: the values, ascending, that the weights may take; they lie on the nearest.
  std::vector<float> codebook;
  /// Of the integers that the weights came as, `step_bits` wide: one step, or one per column.
  /// Empty: quantization chooses.
  std::vector<float> steps;
  int step_bits = 0;
  std::vector<float> embedding;  ///< [positions][channels] of class_token, position_embedding
  float factor = 1.0F;           ///< softmax: what its operand is multiplied by, > 0
  float epsilon = 0.0F;          ///< layer_norm: added to the variance
};

struct FloatModel {
  Network network;  ///< shapes; its integer semantics are not looked at
  std::vector<FloatParameters>
      parameters;  ///< per layer; no weights where it has no matrix of its own, and so on
};

}  // namespace tessera
