// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Training of one network in one stage: in real numbers, or with the rounding of a QuantPlan. No
/// torch here; what does the work is behind the pointer.
///
/// Loss        mean cross-entropy of the softmax of the outputs
/// Order       streams "shuffle/<stage>/<epoch>", "shift/<stage>/<epoch>", "noise/<stage>/<epoch>":
///             an epoch needs no memory of random draws before it
/// Best        the epoch with the highest accuracy on the validation images, the lower loss among
///             equal ones, the earlier among those; the last one without validation images. In a
///             stage with integers the start counts too, as epoch 0
/// Determinism one thread and deterministic algorithms: the same inputs give the same bytes on one
///             machine
#pragma once

#include "workloads/data/dataset.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/float_model.hpp"
#include "workloads/train/plan.hpp"
#include "workloads/train/spec.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// One row of the log. Accuracies are shares; those of the training images are taken while they
/// are trained on.
struct EpochResult {
  std::int64_t epoch = 0;  ///< from 1; 0 is the start
  double learning_rate = 0;
  double loss = 0;
  double train_accuracy = 0;
  double validation_loss = 0;
  double validation_accuracy = 0;
};

/// What a stage does; a TrainSpec and a StageSpec put together.
struct StageOptions {
  std::string name;
  std::int64_t epochs = 1;
  std::int64_t batch = 32;
  Optimizer optimizer = Optimizer::adam;
  double learning_rate = 0.001;
  double momentum = 0.9;
  double weight_decay = 0;
  Schedule schedule = Schedule::cosine;
  std::int64_t step_epochs = 10;
  double step_factor = 0.1;
  double range_rate = 1;
  int shift = 0;
  std::int64_t patience = 0;
  std::uint64_t seed = 1;
  std::int64_t rounds = 1;  ///< of `epochs` each; the learning rate starts anew with each
  double target = 2;        ///< accuracy on validation, a share, with which no round begins
  /// The plan with codebooks found anew for a network (which has none) and ranges as learned;
  /// called between two rounds. Empty: codebooks stay.
  std::function<QuantPlan(const FloatModel&, const QuantPlan&)> compose;

  [[nodiscard]] std::int64_t all_epochs() const { return rounds * epochs; }
};

StageOptions real_stage(const TrainSpec& spec);
StageOptions integer_stage(const TrainSpec& spec, const StageSpec& stage);

/// What a pass over images found.
struct Score {
  double loss = 0;
  double accuracy = 0;  ///< share
};

/// Rows of `logits` [count][classes] whose largest value (the first of equal ones) is the label's.
double accuracy_of(const std::vector<float>& logits, const std::vector<std::int32_t>& labels);

class Trainer {
 public:
  /// Fresh weights for `network`.
  Trainer(const Network& network, const StageOptions& options);
  /// Goes on with `model`, with the rounding of `plan` when there is one.
  Trainer(const FloatModel& model, const QuantPlan* plan, StageOptions options);
  ~Trainer();
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// The stage is over.
  [[nodiscard]] bool done() const;

  /// The loss was no number: nothing was learned since, and the stage is over.
  [[nodiscard]] bool diverged() const;

  /// One pass over the training images. `step` is called after each batch with the share done, and
  /// may be empty.
  EpochResult epoch(const data::DataSet& data, const std::function<void(double)>& step = {});

  [[nodiscard]] const std::vector<EpochResult>& log() const;

  /// Outputs of the current network for all images, [image][class].
  [[nodiscard]] std::vector<float> outputs(const data::Images& images) const;
  [[nodiscard]] Score score(const data::Images& images) const;

  /// The network and the plan (ranges as learned) as they are, or as they were in the best epoch.
  [[nodiscard]] FloatModel model(bool best = true) const;
  [[nodiscard]] QuantPlan plan(bool best = true) const;
  [[nodiscard]] double best_validation_accuracy() const;
  [[nodiscard]] std::int64_t best_epoch() const;

  /// Everything that the rest of the stage depends on, between two epochs.
  [[nodiscard]] data::Arrays state() const;
  /// False when `state` is not of this stage of this network; then nothing has changed.
  bool restore(const data::Arrays& state);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Outputs of a network in real numbers or, with `plan`, with integers; [image][output].
std::vector<float> outputs_of(const FloatModel& model,
                              const QuantPlan* plan,
                              const data::Images& images);

/// Call once, before anything else of this folder: one thread, deterministic algorithms.
void set_up_torch();

}  // namespace tessera::train
