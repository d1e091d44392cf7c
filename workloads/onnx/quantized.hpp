// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Float parameters as integers of a quantized network: what a ParameterSource (golden.hpp) hands
/// out.
///
/// Numbers  weights are symmetric per tensor: w = round(weight / s), s = max |weight| /
/// (2^(w_bits-1) - 1);
///          bias = round(bias / (s * input scale)); multiplier = round(s * input scale / output
///          scale * 2^shift) with the layer's shift
/// Units    a scale is the real value of one step of a tensor
#pragma once

#include "workloads/network.hpp"
#include "workloads/onnx/convert.hpp"
#include "workloads/parameters.hpp"

#include <optional>

namespace tessera::onnx {

/// Parameters of one matrix layer with weights. `input_scale` is that of the tensor it reads,
/// before it is narrowed to a_bits. Without `output_scale` the layer keeps the multiplier of
/// quantize().
LayerParameters quantized_parameters(const Network& network,
                                     LayerId layer,
                                     const FloatParameters& parameters,
                                     double input_scale,
                                     std::optional<double> output_scale);

}  // namespace tessera::onnx
