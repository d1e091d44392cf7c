// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The `train:` section of an experiment: how tessera-train trains the network in real numbers, and
/// then fine-tunes it with the rounding of given widths.
///
///   train:
///     epochs: 40
///     learning_rate: 0.003
///     stages:
///       - {name: w8a8, w_bits: 8, a_bits: 8, epochs: 5}
///       - {name: w4a4, w_bits: 4, a_bits: 4, epochs: 10, noise: {weight_sigma: 0.02}}
///       - {name: mapped}                      # the widths of the experiment's mapping
///       - {name: composed, codebook: 16, input_codebook: 16, rounds: 5, target: 0.5}
///
/// How weights and ranges are quantized says the section `quantization:`.
///
/// Errors   those of the configuration reader; E-TRAIN-STAGE: two stages of one name, a name that
///          is no file name, one of two widths, widths for a layer that does not exist
#pragma once

#include "sim/base/config.hpp"
#include "workloads/network.hpp"
#include "workloads/quantization/spec.hpp"
#include "workloads/quantize.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::train {

enum class Optimizer { adam, sgd };

enum class Schedule { constant, cosine, step };

/// What a stage starts from.
enum class StageStart { previous, real };

constexpr auto enum_names(Optimizer) {
  return std::array<std::pair<Optimizer, std::string_view>, 2>{{
      {Optimizer::adam, "adam"},
      {Optimizer::sgd, "sgd"},
  }};
}

constexpr auto enum_names(Schedule) {
  return std::array<std::pair<Schedule, std::string_view>, 3>{{
      {Schedule::constant, "constant"},
      {Schedule::cosine, "cosine"},
      {Schedule::step, "step"},
  }};
}

constexpr auto enum_names(StageStart) {
  return std::array<std::pair<StageStart, std::string_view>, 2>{{
      {StageStart::previous, "previous"},
      {StageStart::real, "real"},
  }};
}

struct NoiseSpec {
  double weight_sigma = 0;
  int adc_bits = 0;
  int adc_rows = 128;
  int cell_bits = 1;

  static constexpr auto fields() {
    using config::field;
    return config::list<NoiseSpec>(
        field("weight_sigma", &NoiseSpec::weight_sigma)
            .range(0, 1)
            .doc("standard deviation of what is added to each weight, as part of the layer's "
                 "largest weight; drawn for each batch")
            .source("Joshi et al., Nature Communications 11, 2473 (2020), Methods"),
        field("adc_bits", &NoiseSpec::adc_bits)
            .range(0, 16)
            .doc("width at which conversions clip; 0: they do not"),
        field("adc_rows", &NoiseSpec::adc_rows)
            .range(1, 1 << 16)
            .doc("rows that one conversion adds up"),
        field("cell_bits", &NoiseSpec::cell_bits)
            .range(1, 8)
            .doc("bits of a weight's magnitude in one cell, for the clipping"));
  }
};

struct StageLayer {
  int w_bits = 8;
  int a_bits = 8;

  static constexpr auto fields() {
    using config::field;
    return config::list<StageLayer>(
        field("w_bits", &StageLayer::w_bits).range(1, 16).required().doc("bits of its weights"),
        field("a_bits", &StageLayer::a_bits).range(1, 16).required().doc("bits of its input"));
  }
};

struct StageSpec {
  std::string name;
  std::optional<int> w_bits;
  std::optional<int> a_bits;
  std::map<std::string, StageLayer> layers;
  StageStart from = StageStart::previous;
  std::optional<std::int64_t> codebook;
  std::optional<std::int64_t> input_codebook;
  std::int64_t rounds = 1;
  std::optional<double> target;
  std::int64_t epochs = 5;
  double learning_rate = 0.0005;
  NoiseSpec noise;

  static constexpr auto fields() {
    using config::field;
    return config::list<StageSpec>(
        field("name", &StageSpec::name).required().doc("of its files and rows"),
        field("w_bits", &StageSpec::w_bits)
            .range(1, 16)
            .doc("bits of all weights; without both widths, those of the experiment's mapping"),
        field("a_bits", &StageSpec::a_bits).range(1, 16).doc("bits of all layers' inputs"),
        field("layers", &StageSpec::layers).doc("layers with other widths, by name"),
        field("from", &StageSpec::from)
            .doc("previous: starts from the stage before; real: from the network in real numbers"),
        field("codebook", &StageSpec::codebook)
            .range(0, 256)
            .doc("of weights, instead of quantization.codebook"),
        field("input_codebook", &StageSpec::input_codebook)
            .range(0, 256)
            .doc("of inputs, instead of quantization.input_codebook"),
        field("rounds", &StageSpec::rounds)
            .range(1, 1000)
            .doc("how often codebooks are found anew, each time with `epochs` of fine-tuning")
            .source("RAPIDNN: cluster and retrain until the error is small enough"),
        field("target", &StageSpec::target)
            .range(0, 100)
            .doc("points of accuracy on the validation images, below that of the network in real "
                 "numbers, with which no further round begins"),
        field("epochs", &StageSpec::epochs)
            .range(0, 1e5)
            .doc("passes over the training images, of each round"),
        field("learning_rate", &StageSpec::learning_rate)
            .range(0, 1e3)
            .doc("at its start, and at that of each round"),
        field("noise", &StageSpec::noise).doc("drawn while training, never while measuring"));
  }
};

/// How accuracy is measured for a search.
struct EvaluateSpec {
  std::int64_t epochs = 1;
  double learning_rate = 0.0005;

  static constexpr auto fields() {
    using config::field;
    return config::list<EvaluateSpec>(
        field("epochs", &EvaluateSpec::epochs)
            .range(0, 1e5)
            .doc("of fine-tuning with the widths that are asked about; 0: calibration alone")
            .source("HAQ, section 3.3: 1"),
        field("learning_rate", &EvaluateSpec::learning_rate)
            .range(0, 1e3)
            .doc("of that fine-tuning, at its start"));
  }
};

struct TrainSpec {
  std::int64_t epochs = 30;
  std::int64_t batch = 32;
  Optimizer optimizer = Optimizer::adam;
  double learning_rate = 0.002;
  double momentum = 0.9;
  double weight_decay = 0;
  Schedule schedule = Schedule::cosine;
  std::int64_t step_epochs = 10;
  double step_factor = 0.1;
  double range_rate = 1;
  int shift = 0;
  std::int64_t patience = 0;
  std::int64_t seed = 1;
  std::vector<StageSpec> stages;
  EvaluateSpec evaluate;

  static constexpr auto fields() {
    using config::field;
    return config::list<TrainSpec>(
        field("epochs", &TrainSpec::epochs)
            .range(0, 1e5)
            .doc("passes over the training images in real numbers; 0: the network has weights"),
        field("batch", &TrainSpec::batch).range(1, 1 << 20).doc("images of one step"),
        field("optimizer", &TrainSpec::optimizer)
            .doc("adam (Kingma and Ba, ICLR 2015) or sgd with momentum"),
        field("learning_rate", &TrainSpec::learning_rate).range(0, 1e3).doc("at the start"),
        field("momentum", &TrainSpec::momentum).range(0, 0.9999).doc("of sgd"),
        field("weight_decay", &TrainSpec::weight_decay)
            .range(0, 1)
            .doc("of weights, not of biases and ranges; added to the gradient"),
        field("schedule", &TrainSpec::schedule)
            .doc("of the learning rate over a stage: constant; cosine: down to 0, step by step; "
                 "step: times step_factor every step_epochs"),
        field("step_epochs", &TrainSpec::step_epochs).range(1, 1e5).doc("of schedule step"),
        field("step_factor", &TrainSpec::step_factor).range(0, 1).doc("of schedule step"),
        field("range_rate", &TrainSpec::range_rate)
            .range(0, 1e3)
            .doc("learning rate of the activations' ranges (their binary logarithm), relative to "
                 "that of the weights; 0: ranges stay as calibrated"),
        field("shift", &TrainSpec::shift)
            .range(0, 64)
            .doc("training images are moved by up to so many pixels, zeros come in"),
        field("patience", &TrainSpec::patience)
            .range(0, 1e5)
            .doc("a stage ends when so many epochs brought no better validation; 0: never"),
        field("seed", &TrainSpec::seed)
            .range(0, 9e15)
            .doc("of first weights, order of images, shifts and noise"),
        field("stages", &TrainSpec::stages).doc("fine-tuning with integers, one after the other"),
        field("evaluate", &TrainSpec::evaluate)
            .doc("how the accuracy of a search's widths is measured"));
  }
};

/// Whether a stage takes the widths of the experiment's mapping.
bool takes_mapping(const StageSpec& stage);

/// The section `quantization:` with the codebooks of a stage.
QuantizationSpec quantization_of(const StageSpec& stage, QuantizationSpec section);

/// Widths of a stage's matrix layers; `mapped` where it names none.
std::vector<LayerBits> bits_of(const StageSpec& stage,
                               const Network& network,
                               const std::vector<LayerBits>& mapped);

/// Reads and checks the section; names of layers only when there is a network.
TrainSpec read_train(const config::Node& node, const Network* network, Diagnostics& diagnostics);

}  // namespace tessera::train
