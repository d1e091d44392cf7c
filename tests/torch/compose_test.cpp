// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer with retraining, on the digits: what do codebooks cost, and does a chip of
/// look-up blocks answer every image as the network of tables does?
#include "sim/functional/executor.hpp"
#include "tests/support/cases.hpp"
#include "workloads/builder.hpp"
#include "workloads/data/dataset.hpp"
#include "workloads/golden.hpp"
#include "workloads/integer_executor.hpp"
#include "workloads/train/stage.hpp"
#include "workloads/train/trainer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera::train {
namespace {

const std::vector<std::int64_t> kSizes{64, 32, 16, 8, 4};

data::DataSet digits() {
  Diagnostics diagnostics;
  const config::Node root = config::parse("data: {set: digits}", "test", diagnostics);
  const auto spec = data::read_data(root.get("data"), diagnostics);
  return *data::load_data(*spec, root.get("data"), "", diagnostics);
}

Network mlp() {
  Builder b("digits_mlp", {8, 8, 1});
  b.fc("f1", b.last(), 48, {.activation = Activation::relu});
  b.fc("f2", b.last(), 32, {.activation = Activation::relu});
  b.fc("f3", b.last(), 10);
  return b.build();
}

template <class Outputs>
double accuracy(const std::vector<Outputs>& outputs, const std::vector<std::int32_t>& labels) {
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    right +=
        std::max_element(outputs[i].begin(), outputs[i].end()) - outputs[i].begin() == labels[i]
            ? 1
            : 0;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(labels.size());
}

struct Composed {
  IntegerPlan plan;
  IntegerModel integers;
};

/// Two rounds of k-means and retraining.
Composed composed(const FloatModel& model, const data::DataSet& data, std::int64_t size) {
  QuantizationSpec spec;
  spec.codebook = spec.input_codebook = size;
  const IntegerStage stage = integer_plan(model, std::vector<LayerBits>(3, {8, 8}), spec, data);
  TrainSpec train;
  StageSpec section;
  section.name = "composed";
  section.rounds = 2;
  section.epochs = 3;
  section.learning_rate = 0.001;
  StageOptions options = integer_stage(train, section);
  options.compose = [&](const FloatModel& now, const QuantPlan& learned) {
    return composed_plan(now, stage.integers, learned, data);
  };
  Trainer trainer(model, &stage.plan, options);
  while (!trainer.done()) {
    trainer.epoch(data);
  }
  return {stage.integers, integer_model(trainer.model(), stage.integers, trainer.plan())};
}

/// Integers of the chip for every image.
std::vector<std::vector<std::int32_t>> chip_outputs(const Composed& c, const data::Images& images) {
  test::CaseSpec spec;
  spec.network = c.plan.network;
  spec.chip =
      "{name: lut, clock: 1 GHz, tiles: 1, tile: {pes: 100, pe: {kind: lut}, bus: {width: 128}, "
      "buffer: {capacity: 64 KiB}}, fabric: {topology: ideal}, io: {width: 64}}";
  const test::Case laid = test::make_case(spec);
  functional::Executor executor(
      laid.program,
      c.integers.network,
      laid.chip,
      Fidelity::clipping,
      {c.integers.source(), [&](std::int64_t i) { return c.integers.input(images.image(i)); }},
      1);
  return executor.run_all(0, images.count, 2);
}

TEST(ComposeTraining, CodebooksOf64CostNothingAndSmallerOnesMore) {
  set_up_torch();
  const data::DataSet data = digits();
  std::map<std::int64_t, double> mean;  // 0: real numbers
  for (const std::int64_t seed : {1, 2, 3}) {
    TrainSpec train;
    train.epochs = 25;
    train.learning_rate = 0.005;
    train.seed = seed;
    Trainer real(mlp(), real_stage(train));
    while (!real.done()) {
      real.epoch(data);
    }
    const FloatModel model = real.model();
    mean[0] += 100.0 / 3.0 * accuracy_of(outputs_of(model, nullptr, data.test), data.test.labels);
    for (const std::int64_t size : kSizes) {
      const Composed c = composed(model, data, size);
      const IntegerExecutor executor(c.integers.network, c.integers.source());
      std::vector<std::vector<std::int32_t>> outputs;
      for (std::int64_t i = 0; i < data.test.count; ++i) {
        outputs.push_back(executor.run(c.integers.input(data.test.image(i))));
      }
      mean[size] += accuracy(outputs, data.test.labels) / 3.0;
      if (seed == 1) {
        Golden golden(c.integers.network, c.integers.source());
        const auto chip = chip_outputs(c, data.test);
        for (std::int64_t i = 0; i < data.test.count; ++i) {
          const auto index = static_cast<std::size_t>(i);
          ASSERT_EQ(chip[index], golden.run(c.integers.input(data.test.image(i)))) << size;
          ASSERT_EQ(chip[index], outputs[index]);
        }
      }
    }
  }
  std::string all;
  for (const auto& [size, percent] : mean) {
    all += fmt::format(" {}: {:.2f} %", size, percent);
  }
  SCOPED_TRACE(all);
  EXPECT_GT(mean[0], 95.0);
  EXPECT_GE(mean[64], mean[0] - 0.5);
  constexpr double kNoise = 0.5;  // an image is 0.28 points
  for (std::size_t k = 1; k < kSizes.size(); ++k) {
    EXPECT_LE(mean[kSizes[k]], mean[kSizes[k - 1]] + kNoise) << kSizes[k];
  }
  EXPECT_LT(mean[4], mean[64] - 1.0);
  RecordProperty("accuracy", all);
}

}  // namespace
}  // namespace tessera::train
