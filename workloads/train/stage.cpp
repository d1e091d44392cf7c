// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/stage.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/quantization/calibration.hpp"
#include "workloads/quantization/compose.hpp"
#include "workloads/train/trainer.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tessera::train {

IntegerStage integer_plan(const FloatModel& model,
                          const std::vector<LayerBits>& bits,
                          const QuantizationSpec& quantization,
                          const data::DataSet& data,
                          const NoiseSpec& noise,
                          const std::vector<std::optional<GivenScale>>& given) {
  IntegerStage out{plan_integers(model, bits, quantization, data.has_negative()), {}};
  if (!out.integers.problems.empty()) {
    return out;
  }
  const Calibration calibration = calibrate(
      model,
      [&](std::int64_t image) {
        const auto x = data.calibration().image(image);
        return std::vector<float>(x.begin(), x.end());
      },
      std::min(quantization.calibration_images, data.calibration().count));
  out.plan = make_plan(model,
                       out.integers,
                       choose_scales(out.integers, calibration, quantization, given),
                       quantization,
                       {noise.weight_sigma, noise.adc_bits, noise.adc_rows, noise.cell_bits});
  out.plan = composed_plan(model, out.integers, std::move(out.plan), data);
  return out;
}

QuantPlan composed_plan(const FloatModel& model,
                        const IntegerPlan& integers,
                        QuantPlan learned,
                        const data::DataSet& data) {
  if (std::none_of(integers.network.layers.begin(),
                   integers.network.layers.end(),
                   [](const Layer& layer) { return layer.out_codes > 0; })) {
    return learned;
  }
  IntegerModel composed = integer_model(model, integers, learned);
  compose(
      composed,
      [&](std::int64_t image) { return composed.input(data.calibration().image(image)); },
      std::min(learned.spec.calibration_images, data.calibration().count),
      learned.spec);
  for (std::size_t id = 0; id < composed.network.layers.size(); ++id) {
    learned.network.layers[id].codebook = std::move(composed.network.layers[id].codebook);
  }
  return learned;
}

IntegerModel integer_model(const FloatModel& model,
                           const IntegerPlan& integers,
                           const QuantPlan& learned) {
  std::vector<TensorScale> scales;
  for (const TensorPlan& t : learned.tensors) {
    scales.push_back({t.scale, t.zero});
  }
  return quantize_model(model, integers, scales, learned.spec);
}

double measured_accuracy(const FloatModel& model,
                         const std::vector<LayerBits>& bits,
                         const TrainSpec& train,
                         const QuantizationSpec& quantization,
                         const data::DataSet& data) {
  const IntegerStage stage = integer_plan(model, bits, quantization, data);
  if (!stage.integers.problems.empty() || data.validation.count == 0) {
    throw InternalError("workloads/train", -1, "accuracy cannot be measured");
  }
  StageOptions options = real_stage(train);
  options.name = "evaluate";
  options.epochs = train.evaluate.epochs;
  options.learning_rate = train.evaluate.learning_rate;
  options.patience = 0;
  Trainer trainer(model, &stage.plan, options);
  while (!trainer.done()) {
    trainer.epoch(data);
  }
  return trainer.log().empty() ? trainer.score(data.validation).accuracy
                               : trainer.best_validation_accuracy();
}

}  // namespace tessera::train
