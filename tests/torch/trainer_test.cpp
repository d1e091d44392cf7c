// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does training learn, repeat itself to the byte, and go on where it was?
#include "workloads/train/trainer.hpp"

#include "sim/base/config.hpp"
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"
#include "workloads/data/dataset.hpp"
#include "workloads/golden.hpp"
#include "workloads/model_file.hpp"
#include "workloads/train/stage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tessera::train {
namespace {

/// Two classes: which of two halves of a 4x4 image is brighter.
data::Images halves(std::int64_t count, const std::string& stream) {
  data::Images out;
  out.shape = {4, 4, 1};
  out.count = count;
  Rng rng(1, stream);
  for (std::int64_t image = 0; image < count; ++image) {
    double difference = 0;
    for (int p = 0; p < 16; ++p) {
      out.values.push_back(static_cast<float>(rng.uniform01()));
      difference += (p < 8 ? 1.0 : -1.0) * static_cast<double>(out.values.back());
    }
    out.labels.push_back(difference > 0 ? 1 : 0);
  }
  return out;
}

data::DataSet small_data() {
  data::DataSet data;
  data.name = "halves";
  data.classes = 2;
  data.shape = {4, 4, 1};
  data.train = halves(200, "train");
  data.validation = halves(60, "validation");
  data.test = halves(60, "test");
  return data;
}

Network small_network() {
  Builder b("small", {4, 4, 1});
  LayerId at = b.conv("c1",
                      b.last(),
                      {.channels = 4,
                       .kernel = 3,
                       .padding = 1,
                       .activation = Activation::relu,
                       .batch_norm = true});
  b.fc("f1", at, 2);
  return b.build();
}

StageOptions options(Optimizer optimizer, std::int64_t epochs) {
  TrainSpec spec;
  spec.optimizer = optimizer;
  spec.learning_rate = optimizer == Optimizer::adam ? 0.01 : 0.05;
  spec.epochs = epochs;
  spec.weight_decay = 1e-4;
  spec.shift = 1;
  return real_stage(spec);
}

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() : data_(small_data()) { set_up_torch(); }

  FloatModel trained(std::int64_t epochs = 15) {
    StageOptions stage = options(Optimizer::adam, epochs);
    stage.shift = 0;
    Trainer trainer(small_network(), stage);
    while (!trainer.done()) {
      trainer.epoch(data_);
    }
    return trainer.model();
  }

  IntegerStage integers(const FloatModel& model,
                        LayerBits bits,
                        const QuantizationSpec& spec,
                        const NoiseSpec& noise = {}) const {
    return integer_plan(model, {bits, bits}, spec, data_, noise);
  }

  data::DataSet data_;
};

TEST_F(TrainerTest, Learns) {
  const FloatModel model = trained(40);
  EXPECT_GT(accuracy_of(outputs_of(model, nullptr, data_.test), data_.test.labels), 0.85);
}

TEST_F(TrainerTest, AccuracyTakesTheFirstOfEqualOutputs) {
  EXPECT_EQ(accuracy_of({1, 1, 0, 2}, {0, 1}), 1.0);
  EXPECT_EQ(accuracy_of({1, 1, 0, 2}, {1, 1}), 0.5);
}

/// Same seed, same bytes; another seed, others.
TEST_F(TrainerTest, RepeatsItself) {
  for (const Optimizer optimizer : {Optimizer::adam, Optimizer::sgd}) {
    const auto bytes = [&](std::uint64_t seed) {
      StageOptions stage = options(optimizer, 3);
      stage.seed = seed;
      Trainer trainer(small_network(), stage);
      while (!trainer.done()) {
        trainer.epoch(data_);
      }
      return data::write_npz(trainer.state());
    };
    const std::string first = bytes(1);
    EXPECT_EQ(first, bytes(1));
    EXPECT_NE(first, bytes(2));
  }
}

/// Interrupted after any epoch, in real numbers and with integers, noise and codebooks.
TEST_F(TrainerTest, GoesOnToTheSameBytes) {
  const FloatModel start = trained(3);
  QuantizationSpec spec;
  spec.codebook = 4;
  spec.input_codebook = 5;
  const IntegerStage integer = integers(start, {4, 4}, spec, {0.05, 3, 4, 1});
  for (const Optimizer optimizer : {Optimizer::adam, Optimizer::sgd}) {
    for (const bool with_integers : {false, true}) {
      StageOptions stage = options(optimizer, with_integers ? 2 : 4);
      if (with_integers) {
        stage.rounds = 2;
        stage.compose = [&](const FloatModel& model, const QuantPlan& learned) {
          return composed_plan(model, integer.integers, learned, data_);
        };
      }
      const auto make = [&] {
        return with_integers ? Trainer(start, &integer.plan, stage)
                             : Trainer(small_network(), stage);
      };
      Trainer whole = make();
      std::vector<data::Arrays> states;
      while (!whole.done()) {
        states.push_back(whole.state());
        whole.epoch(data_);
      }
      const std::string expected = data::write_npz(whole.state());
      ASSERT_EQ(states.size(), 4U);
      for (const data::Arrays& state : states) {
        Trainer resumed = make();
        ASSERT_TRUE(resumed.restore(state));
        while (!resumed.done()) {
          resumed.epoch(data_);
        }
        EXPECT_EQ(data::write_npz(resumed.state()), expected);
      }
    }
  }
}

TEST_F(TrainerTest, RefusesTheStateOfAnotherNetwork) {
  Builder b("other", {4, 4, 1});
  b.fc("f1", b.last(), 2);
  Trainer other(b.build(), options(Optimizer::adam, 2));
  Trainer own(small_network(), options(Optimizer::adam, 2));
  const std::string before = data::write_npz(own.state());
  EXPECT_FALSE(own.restore(other.state()));
  data::Arrays damaged = own.state();
  damaged.erase("stage/best");
  EXPECT_FALSE(own.restore(damaged));
  EXPECT_EQ(data::write_npz(own.state()), before);
}

TEST_F(TrainerTest, StopsWhenTheLossIsNoNumber) {
  StageOptions stage = options(Optimizer::sgd, 50);
  stage.learning_rate = 1e30;
  Trainer trainer(small_network(), stage);
  while (!trainer.done()) {
    trainer.epoch(data_);
  }
  EXPECT_TRUE(trainer.diverged());
}

/// Fine-tuning is never worse on the validation images than calibration: epoch 0 counts.
TEST_F(TrainerTest, KeepsTheBestEpoch) {
  const FloatModel start = trained();
  QuantizationSpec spec;
  const IntegerStage integer = integers(start, {3, 3}, spec);
  Trainer trainer(start, &integer.plan, options(Optimizer::adam, 5));
  while (!trainer.done()) {
    trainer.epoch(data_);
  }
  ASSERT_EQ(trainer.log().size(), 6U);
  double best = 0;
  for (const EpochResult& row : trainer.log()) {
    best = std::max(best, row.validation_accuracy);
  }
  EXPECT_EQ(trainer.best_validation_accuracy(), best);
  const QuantPlan plan = trainer.plan();
  EXPECT_EQ(
      accuracy_of(outputs_of(trainer.model(), &plan, data_.validation), data_.validation.labels),
      best);
}

TEST_F(TrainerTest, TernaryAndCodebookWeightsTakeFewValues) {
  const FloatModel start = trained(3);
  QuantizationSpec ternary;
  ternary.weights = WeightMethod::twn;
  QuantizationSpec codebook;
  codebook.codebook = 4;
  for (const QuantizationSpec& spec : {ternary, codebook}) {
    const LayerBits bits{spec.codebook > 0 ? 8 : 2, 4};
    const IntegerStage integer = integers(start, bits, spec);
    Trainer trainer(start, &integer.plan, options(Optimizer::adam, 3));
    while (!trainer.done()) {
      trainer.epoch(data_);
    }
    const IntegerModel model = integer_model(trainer.model(), integer.integers, trainer.plan());
    for (const LayerId id : matrix_layers(model.network)) {
      const std::vector<std::int32_t>& w = model.parameters[static_cast<std::size_t>(id)].weights;
      const std::set<std::int32_t> values(w.begin(), w.end());
      EXPECT_LE(values.size(), spec.codebook > 0 ? 4U : 3U);
      EXPECT_GT(values.size(), 1U);
    }
    if (spec.codebook > 0) {
      EXPECT_NE(trainer.model(false).parameters[1].codebook,
                integer.plan.first_codebook(1, start.parameters[1]))
          << "the entries did not move";
    }
  }
}

/// A round begins with codebooks of the weights and tensors as they are then; none begins once the
/// target is met.
TEST_F(TrainerTest, RoundsFindCodebooksAnew) {
  const FloatModel start = trained(3);
  QuantizationSpec spec;
  spec.codebook = 4;
  spec.input_codebook = 4;
  const IntegerStage integer = integers(start, {8, 8}, spec);
  StageOptions stage = options(Optimizer::adam, 2);
  stage.rounds = 3;
  int composed = 0;
  stage.compose = [&](const FloatModel& model, const QuantPlan& learned) {
    ++composed;
    for (const FloatParameters& p : model.parameters) {
      EXPECT_TRUE(p.codebook.empty() && p.output_codebook.empty());
    }
    return composed_plan(model, integer.integers, learned, data_);
  };
  Trainer trainer(start, &integer.plan, stage);
  std::vector<std::vector<std::int32_t>> books;  // of the first layer's tensor, after each epoch
  while (!trainer.done()) {
    trainer.epoch(data_);
    books.push_back(trainer.plan(false).network.layers[1].codebook);
  }
  ASSERT_EQ(books.size(), 6U);
  EXPECT_EQ(composed, 2);
  EXPECT_EQ(books[0], books[1]);
  EXPECT_EQ(books[2], books[3]);
  EXPECT_TRUE(books[1] != books[2] || books[3] != books[4]) << "no round found other entries";

  stage.target = 0.4;  // met by chance alone
  Trainer satisfied(start, &integer.plan, stage);
  while (!satisfied.done()) {
    satisfied.epoch(data_);
  }
  EXPECT_EQ(satisfied.log().back().epoch, 2);
}

/// What training writes, read back, is the same network to the last integer.
TEST_F(TrainerTest, ModelFilesKeepTheIntegers) {
  const FloatModel start = trained(3);
  QuantizationSpec with_codebooks;
  with_codebooks.codebook = 6;
  with_codebooks.input_codebook = 5;
  for (const QuantizationSpec& spec : {QuantizationSpec{}, with_codebooks}) {
    const IntegerStage integer = integers(start, {4, 3}, spec);
    Trainer trainer(start, &integer.plan, options(Optimizer::adam, 2));
    while (!trainer.done()) {
      trainer.epoch(data_);
    }
    const QuantPlan learned = trainer.plan();
    const FloatModel model = trainer.model();
    // The file brings its codebooks: the section need not name them.
    const IntegerStage again =
        integer_plan(model, {{4, 3}, {4, 3}}, QuantizationSpec{}, data_, {}, scales_in(learned));
    const IntegerModel expected = integer_model(model, integer.integers, learned);
    const IntegerModel got = integer_model(model, again.integers, again.plan);
    for (std::size_t id = 0; id < expected.parameters.size(); ++id) {
      EXPECT_EQ(got.parameters[id].weights, expected.parameters[id].weights);
      EXPECT_EQ(got.parameters[id].bias, expected.parameters[id].bias);
      EXPECT_EQ(got.parameters[id].multiplier, expected.parameters[id].multiplier);
      EXPECT_EQ(got.network.layers[id].codebook, expected.network.layers[id].codebook);
    }
    EXPECT_EQ(got.network.layers[0].codebook.empty(), spec.input_codebook == 0);
  }
}

/// Noise makes a network that bears it: with the same noise while measuring, the loss is lower.
TEST_F(TrainerTest, NoiseIsDrawnAnewAndRepeatably) {
  const FloatModel start = trained(3);
  const QuantizationSpec spec;
  const IntegerStage quiet = integers(start, {8, 8}, spec);
  const IntegerStage noisy = integers(start, {8, 8}, spec, {0.3, 0, 128, 1});
  const auto loss = [&](const IntegerStage& stage, std::uint64_t seed) {
    StageOptions o = options(Optimizer::adam, 1);
    o.seed = seed;
    o.learning_rate = 0;
    o.shift = 0;
    Trainer trainer(start, &stage.plan, o);
    return trainer.epoch(data_).loss;
  };
  EXPECT_EQ(loss(noisy, 1), loss(noisy, 1));
  EXPECT_NE(loss(noisy, 1), loss(noisy, 2));
  EXPECT_GT(loss(noisy, 1), loss(quiet, 1));
}

/// The digits in a short training: fake quantization, the golden executor, and how often they agree
/// on the class.
TEST_F(TrainerTest, DigitsAgreeWithTheGoldenExecutor) {
  Diagnostics diagnostics;
  const config::Node root = config::parse("data: {set: digits}", "test", diagnostics);
  const auto spec = data::read_data(root.get("data"), diagnostics);
  const auto data = data::load_data(*spec, root.get("data"), "", diagnostics);
  ASSERT_TRUE(data.has_value()) << diagnostics.render();
  Builder b("digits", data->shape);
  LayerId at = b.conv(
      "c1", b.last(), {.channels = 8, .kernel = 3, .padding = 1, .activation = Activation::relu});
  at =
      b.conv("c2", at, {.channels = 16, .kernel = 3, .padding = 1, .activation = Activation::relu});
  at = b.max_pool("pool", at, {});
  b.fc("f1", at, 10);
  TrainSpec train;
  train.epochs = 6;
  train.learning_rate = 0.004;
  Trainer real(b.build(), real_stage(train));
  while (!real.done()) {
    real.epoch(*data);
  }
  const FloatModel model = real.model();
  EXPECT_GT(accuracy_of(outputs_of(model, nullptr, data->test), data->test.labels), 0.93);

  for (const LayerBits bits : {LayerBits{8, 8}, LayerBits{3, 4}}) {
    const IntegerStage stage = integer_plan(model, {bits, bits, bits}, QuantizationSpec{}, *data);
    StageSpec fine;
    fine.name = "fine";
    fine.epochs = 2;
    fine.learning_rate = 0.001;
    Trainer tuned(model, &stage.plan, integer_stage(train, fine));
    while (!tuned.done()) {
      tuned.epoch(*data);
    }
    const QuantPlan learned = tuned.plan();
    const std::vector<float> fake = outputs_of(tuned.model(), &learned, data->test);
    EXPECT_GT(accuracy_of(fake, data->test.labels), 0.9);
    const IntegerModel integers = integer_model(tuned.model(), stage.integers, learned);
    Golden golden(integers.network, integers.source());
    std::int64_t agree = 0;
    for (std::int64_t image = 0; image < data->test.count; ++image) {
      const std::vector<std::int32_t> out = golden.run(integers.input(data->test.image(image)));
      const auto first = fake.begin() + image * 10;
      agree += std::max_element(out.begin(), out.end()) - out.begin() ==
                       std::max_element(first, first + 10) - first
                   ? 1
                   : 0;
    }
    EXPECT_GE(static_cast<double>(agree), 0.995 * static_cast<double>(data->test.count));
  }
}

}  // namespace
}  // namespace tessera::train
