// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/integers.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tessera::tools {
namespace {

constexpr std::int64_t kSyntheticImages = 4;

FloatImageSource images_of(const Experiment& experiment) {
  if (experiment.images) {
    return experiment.images;
  }
  return [&experiment](std::int64_t image) {
    const Layer& input = experiment.network.layers.front();
    const auto one = static_cast<float>(max_value(input.out_bits, input.out_signed));
    const std::vector<std::int32_t> x = synthetic_input(
        experiment.network, static_cast<std::uint64_t>(experiment.execution.seed), image);
    std::vector<float> y(x.size());
    std::transform(x.begin(), x.end(), y.begin(), [one](std::int32_t v) {
      return static_cast<float>(v) / one;
    });
    return y;
  };
}

}  // namespace

IntegerModel integer_model(const Experiment& experiment) {
  const Network& network = experiment.network;
  std::vector<LayerBits> bits;
  for (const LayerId id : matrix_layers(network)) {
    bits.push_back({network.layer(id).w_bits, network.layer(id).a_bits});
  }
  const QuantizationSpec& spec = experiment.quantization;
  const IntegerPlan plan = plan_integers(*experiment.model, bits, spec, experiment.input_signed);
  Diagnostics diagnostics;
  report_format_problems(plan, experiment, diagnostics);
  diagnostics.throw_if_any();
  const std::int64_t images = experiment.images
                                  ? spec.calibration_images
                                  : std::min(spec.calibration_images, kSyntheticImages);
  const Calibration calibration = calibrate(*experiment.model, images_of(experiment), images);
  const std::vector<TensorScale> scales =
      choose_scales(plan, calibration, spec, experiment.given_scales);
  return quantize_model(*experiment.model, plan, scales, spec);
}

NetworkData network_data(const Experiment& experiment, const IntegerModel& model) {
  return {model.source(), [&model, images = images_of(experiment)](std::int64_t image) {
            return model.input(images(image));
          }};
}

}  // namespace tessera::tools
