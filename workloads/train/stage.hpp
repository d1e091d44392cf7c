// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a network in real numbers and widths to a stage of training with integers, and what comes
/// out of it. No torch.
///
/// Ranges   calibrated on the first training images (QuantizationSpec::calibration_images) with the
///          weights that the stage starts from, then learned
/// Measured accuracy for a search: a short stage from the same start for every list of widths, as
///          in HAQ (Wang et al., CVPR 2019, section 3.3: one epoch of fine-tuning per episode). The
///          images of validation decide, never those of test
#pragma once

#include "workloads/data/dataset.hpp"
#include "workloads/float_model.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/train/plan.hpp"
#include "workloads/train/spec.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::train {

struct IntegerStage {
  IntegerPlan integers;
  QuantPlan plan;
};

/// `given` scales, learned before, instead of calibrated ones; may be empty. `integers.problems`
/// says when the network cannot be computed with integers; then `plan` is empty.
IntegerStage integer_plan(const FloatModel& model,
                          const std::vector<LayerBits>& bits,
                          const QuantizationSpec& quantization,
                          const data::DataSet& data,
                          const NoiseSpec& noise = {},
                          const std::vector<std::optional<GivenScale>>& given = {});

/// `learned` with codebooks of tensors (compose.hpp) for the weights of `model`, which has none or
/// brings them.
QuantPlan composed_plan(const FloatModel& model,
                        const IntegerPlan& integers,
                        QuantPlan learned,
                        const data::DataSet& data);

/// The integers of a trained stage: what the golden executor and the chip compute.
IntegerModel integer_model(const FloatModel& model,
                           const IntegerPlan& integers,
                           const QuantPlan& learned);

/// Accuracy on the validation images, a share, after EvaluateSpec's epochs with these widths.
/// InternalError without validation images or when integers cannot follow.
double measured_accuracy(const FloatModel& model,
                         const std::vector<LayerBits>& bits,
                         const TrainSpec& train,
                         const QuantizationSpec& quantization,
                         const data::DataSet& data);

}  // namespace tessera::train
