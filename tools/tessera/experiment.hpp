// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// An experiment file: which network runs on which chip, mapped how, executed how.
///
///   include: ../chips/lrmp.yaml                # gives `chip:`; any value may be overridden here
///   experiment: {name: lrmp_resnet18, doc: one sentence}
///   network: {zoo: resnet18}                   # or {file: ../networks/x.yaml}, {onnx: x.onnx}, or
///                                              # layers inline; and parameters: model.npz
///   mapping: {default: {w_bits: 8, a_bits: 8}} # see mapper/mapping_yaml.hpp
///   quantization: {weights: mse}               # see workloads/quantization/spec.hpp
///   execution: {granularity: pixel, images: 1}
///   search: {method: joint_milp}               # see mapper/search/spec.hpp
///   data: {set: digits}                        # see workloads/data/spec.hpp
///   train: {epochs: 30}                        # see workloads/train/spec.hpp
///
/// Weights  those of an ONNX file, or of `network.parameters` (model_file.hpp); synthetic ones
///          otherwise. `quantization` says how they become integers; runs without functional
///          simulation need none.
/// With `search:` and without `mapping:`, `tessera run` searches a mapping first.
///
/// Paths    `include` is relative to the file it is written in; `network.file`, `network.onnx`,
///          `network.parameters`, `mapping.file` and the files of `data` to the experiment file
/// Errors   diagnostics, all of them at once: those of the readers, and E-EXP-NETWORK (the network
///          is given twice), E-EXP-RATE (two arrival rates), E-EXP-NAME, E-DATA-NETWORK (images
///          that are not the network's), E-QUANT-FORMAT (the formats of a network with weights
///          contradict each other)
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/mapping_yaml.hpp"
#include "mapper/search/spec.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/base/config.hpp"
#include "workloads/data/dataset.hpp"
#include "workloads/data/spec.hpp"
#include "workloads/float_model.hpp"
#include "workloads/network.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/quantization/spec.hpp"
#include "workloads/quantize.hpp"
#include "workloads/train/spec.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

struct ExperimentInfo {
  std::string name;
  std::string doc;

  static constexpr auto fields() {
    return config::list<ExperimentInfo>(
        config::field("name", &ExperimentInfo::name)
            .doc("name of the output folder; the file's name when left out"),
        config::field("doc", &ExperimentInfo::doc).doc("one sentence: what this shows"));
  }
};

struct ExecutionSpec {
  Granularity granularity = Granularity::pixel;
  std::int64_t images = 1;
  std::optional<Hertz> image_rate;
  std::optional<Seconds> image_interval;
  Functional functional = Functional::off;
  Detail detail = Detail::firing;
  std::int64_t seed = 1;
  bool spill = false;
  std::int64_t accuracy_images = 0;
  std::optional<double> sparsity;

  static constexpr auto fields() {
    using config::field;
    return config::list<ExecutionSpec>(
        field("granularity", &ExecutionSpec::granularity)
            .doc("pixel: a position fires as soon as its receptive field is there; layer: a layer "
                 "starts an image once its whole input is there; serial: one operation after the "
                 "other, arrays are rewritten when the network does not fit"),
        field("images", &ExecutionSpec::images).range(1, 1e6).doc("images sent through the chip"),
        field("image_rate", &ExecutionSpec::image_rate)
            .range(1e-6, 1e12)
            .doc("images that arrive per second; without it or image_interval they come back to "
                 "back"),
        field("image_interval", &ExecutionSpec::image_interval)
            .range(0, 1e6)
            .doc("time from one image's arrival to the next"),
        field("functional", &ExecutionSpec::functional)
            .doc("off: timing only; ideal: real activations, converters never clip; bit_accurate: "
                 "real activations, converters clip"),
        field("detail", &ExecutionSpec::detail)
            .doc("firing: O(1) events per firing, to run; step: every resource of every PE plays "
                 "each occupation, to watch. Same cycles"),
        field("seed", &ExecutionSpec::seed).range(0, 9e15).doc("of synthetic weights and images"),
        field("spill", &ExecutionSpec::spill)
            .doc("under pixel granularity, send tensors that do not fit a tile's buffer through "
                 "off-chip memory"),
        field("accuracy_images", &ExecutionSpec::accuracy_images)
            .range(0, 1e12)
            .doc("with given weights: so many images of the test split, all when there are fewer, "
                 "whose accuracy on the chip is measured after the run, without time; 0: none"),
        field("sparsity", &ExecutionSpec::sparsity)
            .range(0, 1)
            .doc("share of synthetic ternary weights (w_bits: 2) that are zero; without it one "
                 "third"));
  }
};

/// The sections of the file; for explain and the schema too.
struct ExperimentFile {
  ExperimentInfo experiment;
  config::Node network;
  config::Node chip;
  config::Node mapping;
  QuantizationSpec quantization;
  ExecutionSpec execution;
  config::Node search;
  config::Node data;
  config::Node train;

  static constexpr auto fields() {
    using config::field;
    return config::list<ExperimentFile>(
        field("experiment", &ExperimentFile::experiment).doc("what this is called"),
        field("network", &ExperimentFile::network)
            .required()
            .doc("what is computed: zoo: <name>, file: <network.yaml>, onnx: <model.onnx>, or "
                 "layers "
                 "inline; with parameters: <model.npz> when its weights are given"),
        field("chip", &ExperimentFile::chip)
            .required()
            .doc("what it runs on; usually by include: ../chips/<chip>.yaml"),
        field("mapping", &ExperimentFile::mapping)
            .doc("bit widths, replicas and placement; 8 bit and one replica when left out"),
        field("quantization", &ExperimentFile::quantization)
            .doc("how given weights and images become integers"),
        field("execution", &ExperimentFile::execution).doc("how it is executed"),
        field("search", &ExperimentFile::search)
            .doc("how `tessera map` looks for a mapping; `tessera run` too, when `mapping` is left "
                 "out"),
        field("data", &ExperimentFile::data)
            .doc("labelled images to train, calibrate and test with; tessera data shows them"),
        field("train", &ExperimentFile::train)
            .doc("how tessera-train trains the network, in real numbers and with integers"));
  }
};

struct Experiment {
  std::string path;  ///< of the file, as the user wrote it
  ExperimentInfo info;
  Network network;  ///< quantized with the request's widths
  arch::chip::Chip chip;
  mapper::MappingRequest request;
  QuantizationSpec quantization;
  ExecutionSpec execution;
  mapper::SearchSpec search;
  std::optional<data::DataSpec> data;
  std::optional<train::TrainSpec> train;
  /// Real weights, when they are given, and the scales that came with them.
  std::optional<FloatModel> model;
  std::vector<std::optional<GivenScale>> given_scales;
  /// The images of `data`, read when weights are given; else null.
  std::shared_ptr<const data::DataSet> images;
  bool input_signed = false;  ///< the images have negative values
  bool maps_first = false;    ///< a search is asked for, and no mapping is given
  std::string weights_file;   ///< of weights that were trained on the way (give_weights)
  Cycles image_interval{0};
  config::Node root;  ///< everything as read, --set included
  bool network_from_file = false;
  /// Per matrix layer, when the network's file quantizes and no mapping says otherwise; else empty.
  std::vector<LayerBits> bits_from_file;
};

/// Reads an experiment with `sets` (`path=value`) on top. Problems are diagnostics; usable only
/// when there are none.
Experiment load_experiment(const std::string& path,
                           const std::vector<std::string>& sets,
                           Diagnostics& diagnostics);

/// E-CFG-UNREAD-KEY for a sparsity of weights that the requested mapping does not have.
void check_sparsity(const Experiment& experiment, Diagnostics& diagnostics);

/// The images of the experiment's `data:`, which must be those of its network: the same shape, and
/// as many classes as it has outputs. Nothing after an error.
std::optional<data::DataSet> load_experiment_data(const Experiment& experiment,
                                                  Diagnostics& diagnostics);

/// Gives the experiment the weights of a model file, and reads the images they are run on.
void give_weights(Experiment& experiment, const std::string& path, Diagnostics& diagnostics);

/// Gives the network widths, one entry per matrix layer; with given weights the formats that
/// quantization wants.
void set_bits(Experiment& experiment, const std::vector<LayerBits>& bits);

/// E-QUANT-FORMAT when scales contradict each other.
void report_format_problems(const IntegerPlan& plan,
                            const Experiment& experiment,
                            Diagnostics& diagnostics);

/// The weights decide what a run says: it stores them beside its resolved experiment.
bool needs_model(const Experiment& experiment);

/// The whole experiment with every default filled in and the place each value came from, as YAML
/// that load_experiment reads back to the same run. A mapping file is referred to as
/// `mapping.yaml`, a network file is written out, given parameters as `model.npz`, files of
/// `data` have absolute paths.
std::string resolved_yaml(const Experiment& experiment);

}  // namespace tessera::tools
