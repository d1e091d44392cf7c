// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/integers.hpp"

#include "mapper/first_fit.hpp"
#include "workloads/quantization/compose.hpp"
#include "workloads/ternary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

constexpr std::int64_t kSyntheticImages = 4;
constexpr std::int64_t kSignalImages = 4;

FloatImageSource images_of(const data::Images& split) {
  return [&split](std::int64_t image) {
    const std::span<const float> x = split.image(image);
    return std::vector<float>(x.begin(), x.end());
  };
}

FloatImageSource synthetic_images(const Experiment& experiment) {
  return [&experiment](std::int64_t image) {
    const Layer& input = experiment.network.layers.front();
    Network network = {"input", {input}};
    network.layers.front().out_signed = experiment.input_signed;
    const auto one = static_cast<float>(max_value(input.out_bits, experiment.input_signed));
    const std::vector<std::int32_t> x =
        synthetic_input(network, static_cast<std::uint64_t>(experiment.execution.seed), image);
    std::vector<float> y(x.size());
    std::transform(x.begin(), x.end(), y.begin(), [one](std::int32_t v) {
      return static_cast<float>(v) / one;
    });
    return y;
  };
}

/// The images that ranges are taken from, and how many there are.
std::pair<FloatImageSource, std::int64_t> calibration_images(const Experiment& experiment) {
  if (!experiment.images) {
    return {synthetic_images(experiment), kSyntheticImages};
  }
  const data::Images& split = experiment.images->calibration();
  return {images_of(split), split.count};
}

/// A network whose layers programs are made of.
struct ProgramNetwork {
  std::shared_ptr<const Network> network;
  std::function<LayerParameters(int layer, int w_bits)> parameters;

  [[nodiscard]] ProgramLayer layer(int id, int w_bits) const {
    return {network->layer(id), parameters(id, w_bits)};
  }
};

/// With given weights; without any for other widths than the model's.
ProgramNetwork given_network(IntegerModel&& given) {
  const auto model = std::make_shared<const IntegerModel>(std::move(given));
  return {std::shared_ptr<const Network>(model, &model->network), [model](int layer, int w_bits) {
            return model->network.layer(layer).w_bits == w_bits ? model->source()(layer)
                                                                : LayerParameters{};
          }};
}

/// With the weights of synthetic_data().
ProgramNetwork seeded_network(const Experiment& experiment, Network quantized) {
  const auto own = std::make_shared<const Network>(std::move(quantized));
  return {own,
          [own,
           seed = static_cast<std::uint64_t>(experiment.execution.seed),
           sparsity = experiment.execution.sparsity](int layer, int w_bits) {
            Network network = *own;
            network.layers[static_cast<std::size_t>(layer)].w_bits = w_bits;
            return sparsity && w_bits == kTernaryBits
                       ? ternary_parameters(network, layer, seed, *sparsity)
                       : synthetic_parameters(network, layer, seed);
          }};
}

/// `source` is asked when there are PEs that take programs.
void give_programs(Experiment& experiment,
                   const std::shared_ptr<report::StatusLine>& status,
                   const std::function<ProgramSource()>& source) {
  std::optional<ProgramSource> made;
  for (arch::chip::TileGroup& group : experiment.chip.groups) {
    if (group.pe->programmed({}) == nullptr) {
      continue;
    }
    if (!made) {
      made = source();
      made->matrices = mapper::program_matrices(experiment.network);
      // Whoever makes programs later than `status` lives does so in silence.
      made->layer = [of = made->layer,
                     network = made->network,
                     watch = std::weak_ptr<report::StatusLine>(status)](
                        int layer, int w_bits, int a_bits) {
        if (const auto line = watch.lock()) {
          line->show(fmt::format(
              "compiling {} with {}/{} bits", network->layer(layer).name, w_bits, a_bits));
        }
        return of(layer, w_bits, a_bits);
      };
    }
    group.pe = group.pe->programmed(*made);
  }
}

}  // namespace

IntegerModel integer_model(const Experiment& experiment) {
  return IntegerSource(experiment).model(experiment.quantization);
}

IntegerSource::IntegerSource(const Experiment& experiment) : experiment_(experiment) {
  Diagnostics diagnostics;
  report_format_problems(plan_integers(*experiment.model,
                                       widths_of(experiment.network),
                                       experiment.quantization,
                                       experiment.input_signed),
                         experiment,
                         diagnostics);
  diagnostics.throw_if_any();
  std::tie(images_, count_) = calibration_images(experiment);
  count_ = std::min(experiment.quantization.calibration_images, count_);
  calibration_ = calibrate(*experiment.model, images_, count_);
}

IntegerModel IntegerSource::model(const QuantizationSpec& spec) const {
  return model(spec, widths_of(experiment_.network));
}

IntegerModel IntegerSource::model(const QuantizationSpec& spec,
                                  const std::vector<LayerBits>& bits) const {
  const FloatModel& real = *experiment_.model;
  const IntegerPlan plan = plan_integers(real, bits, spec, experiment_.input_signed);
  IntegerModel model = quantize_model(
      real, plan, choose_scales(plan, calibration_, spec, experiment_.given_scales), spec);
  compose(
      model, [&](std::int64_t image) { return model.input(images_(image)); }, count_, spec);
  return model;
}

NetworkData network_data(const Experiment& experiment, const IntegerModel& model) {
  FloatImageSource images = synthetic_images(experiment);
  if (experiment.images) {
    const data::DataSet& set = *experiment.images;
    images = images_of(set.test.count > 0         ? set.test
                       : set.validation.count > 0 ? set.validation
                                                  : set.train);
  }
  return {model.source(), [&model, images = std::move(images)](std::int64_t image) {
            return model.input(images(image));
          }};
}

NetworkData synthetic_data(const Experiment& experiment) {
  const Network& network = experiment.network;
  const auto seed = static_cast<std::uint64_t>(experiment.execution.seed);
  NetworkData data = synthetic_data(network, seed);
  if (experiment.execution.sparsity) {
    data.parameters = [&network, seed, sparsity = *experiment.execution.sparsity](LayerId id) {
      return network.layer(id).w_bits == kTernaryBits
                 ? ternary_parameters(network, id, seed, sparsity)
                 : synthetic_parameters(network, id, seed);
    };
  }
  return data;
}

void program_pes(Experiment& experiment, const std::shared_ptr<report::StatusLine>& status) {
  give_programs(experiment, status, [&] {
    const ProgramNetwork own = experiment.model ? given_network(integer_model(experiment))
                                                : seeded_network(experiment, experiment.network);
    ProgramSource source;
    source.network = own.network;
    source.layer = [own](int layer, int w_bits, int /*a_bits*/) {
      return own.layer(layer, w_bits);
    };
    return source;
  });
}

void program_pes_for_search(Experiment& experiment,
                            const std::shared_ptr<report::StatusLine>& status) {
  give_programs(experiment, status, [&] {
    std::function<ProgramNetwork(LayerBits)> with_widths;
    if (experiment.model) {
      const auto integers = std::make_shared<const IntegerSource>(experiment);
      const std::size_t matrices = widths_of(experiment.network).size();
      with_widths = [&experiment, integers, matrices](LayerBits bits) {
        return given_network(
            integers->model(experiment.quantization, std::vector<LayerBits>(matrices, bits)));
      };
    } else {
      with_widths = [&experiment, own = experiment.network](LayerBits bits) {
        Network network = own;
        quantize(network, bits);
        return seeded_network(experiment, std::move(network));
      };
    }
    struct Last {
      LayerBits bits;
      std::optional<ProgramNetwork> network;
    };
    ProgramSource source;
    source.network = std::make_shared<const Network>(experiment.network);
    source.layer = [with_widths, last = std::make_shared<Last>()](
                       int layer, int w_bits, int a_bits) {
      const LayerBits bits{w_bits, a_bits};
      if (!last->network || last->bits != bits) {
        *last = {bits, with_widths(bits)};
      }
      return last->network->layer(layer, w_bits);
    };
    return source;
  });
}

mapper::SignalSource signal_source(const Experiment& experiment) {
  if (!experiment.model) {
    return {};
  }
  return [&experiment] {
    const auto [source, count] = calibration_images(experiment);
    std::vector<std::vector<float>> images;
    for (std::int64_t image = 0; image < std::min(count, kSignalImages); ++image) {
      images.push_back(source(image));
    }
    return mapper::float_signals(*experiment.model, images, experiment.input_signed);
  };
}

}  // namespace tessera::tools
