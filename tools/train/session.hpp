// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera-train train`: the stages of an experiment's `train:` section, one after the other.
///
/// Files    in the output folder, each written completely or not at all:
///            real.npz, <stage>.npz  the network after each stage (workloads/model_file.hpp), with
///            the
///                                   learned scales and, as meta/w_bits.<layer>,
///                                   meta/a_bits.<layer>, the widths; model.npz is the last one
///            train_log.csv          a row per epoch: what to plot
///            train.json             a summary
///            checkpoint.npz         after each epoch, until the end
/// Resume   a checkpoint that is there is gone on with; the files at the end are the same bytes as
///          without the interruption, on one machine
/// Errors   InputError: E-TRAIN-NONE (nothing to train or to start from), E-TRAIN-CHECKPOINT (of
///          another network, other data, other options), E-TRAIN-DIVERGED, E-QUANT-FORMAT, and
///          those of the readers
#pragma once

#include "tools/tessera/experiment.hpp"
#include "workloads/data/dataset.hpp"
#include "workloads/model_file.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

/// The command line of tessera-train.
struct TrainLine {
  std::string experiment;
  std::vector<std::string> sets;
  std::string out;
  std::string model;  ///< file of trained weights
  std::string real;   ///< what stages from the network in real numbers start from; empty: model
  std::string cache;  ///< folder of accuracies measured before
  std::string split = "test";
  /// Of the stages: all; fixed: those before the first one that takes the mapping's widths; mapped:
  /// those from it on, on weights that are given.
  std::string part = "all";
  std::int64_t samples = 16;
  bool fresh = false;
  bool serve = false;
  bool quiet = false;
};

/// An experiment with its images and, when it or the command line names any, its weights.
struct Session {
  Experiment experiment;
  data::DataSet data;
  std::optional<ModelFile> weights;

  [[nodiscard]] FloatModel model() const;  ///< of the weights
  /// Widths of the matrix layers: those in the weights' file, else the experiment's mapping.
  [[nodiscard]] std::vector<LayerBits> bits() const;

  [[nodiscard]] const train::TrainSpec& train() const { return *experiment.train; }
};

/// Throws InputError with all that is wrong. Without `train:` its defaults hold, unless `trains`.
Session open_session(const TrainLine& line, bool trains, bool needs_weights);

/// What training depends on, by section: a text that differs when the section does. Written to
/// checkpoints, and the key of measured accuracies.
std::map<std::string, std::string> identity_of(const Session& session);

/// The exit status.
int train_network(const TrainLine& line);

}  // namespace tessera::tools
