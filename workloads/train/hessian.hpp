// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Trace of the Hessian of the loss for each layer's weights: how much the loss rises when they are
/// disturbed.
///
/// Estimate trace H = mean of v . Hv over vectors v of +-1, Hv by differentiating the gradient. One
///          v for all layers at once: what layers have in common has mean 0, so each layer's own
///          part is an estimate of the trace of its block
/// Loss     mean cross-entropy over the images, in real numbers
/// Streams  "hessian/<sample>"
/// Source   Hutchinson, Communications in Statistics 18 (1989); HAWQ-V2 (Dong et al., NeurIPS
///          2020), section 3.1
#pragma once

#include "workloads/data/dataset.hpp"
#include "workloads/float_model.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::train {

struct LayerTrace {
  std::string layer;
  double trace = 0;
  double deviation = 0;   ///< of the estimate: standard deviation of the mean over samples
  double weight_rms = 0;  ///< root mean square of the weights
};

/// Matrix layers with weights, in network order. `samples` vectors, each on all images.
std::vector<LayerTrace> hessian_traces(const FloatModel& model,
                                       const data::Images& images,
                                       std::int64_t samples,
                                       std::uint64_t seed);

/// As mapper/accuracy/README.md, "Table files": layer,trace,weight_rms.
std::string trace_csv(const std::vector<LayerTrace>& traces);

}  // namespace tessera::train
