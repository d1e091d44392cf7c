// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A network in real numbers: what an ONNX file brings, what training makes, what quantization
/// starts from.
#pragma once

#include "workloads/network.hpp"

#include <vector>

namespace tessera {

/// Of one matrix layer, batch norm folded.
struct FloatParameters {
  std::vector<float> weights;  ///< [groups][cols][rows], rows fastest, as in parameters.hpp
  std::vector<float> bias;     ///< [groups * cols]; empty without bias
};

struct FloatModel {
  Network network;                          ///< shapes; its integer semantics are not looked at
  std::vector<FloatParameters> parameters;  ///< per layer; empty where it is no matrix with weights
};

}  // namespace tessera
