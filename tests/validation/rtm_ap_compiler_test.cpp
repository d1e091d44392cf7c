// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The compiler of the associative processor against docs/facts.md, "Racetrack-memory associative
/// processor": what networks ask for, what common pairs save, and whole networks bit by bit.
#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/compiler/cse.hpp"
#include "arch/rtm_ap/compiler/replay.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantize.hpp"
#include "workloads/ternary.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

// ---- what networks ask for

struct Work {
  std::string network;
  std::int64_t weights, macs, row_groups, simd_adds;
  double scalar_adds;  ///< as the table prints it
};

TEST(RtmApWorkload, CountsOfTheFacts) {
  const std::vector<Work> table = {
      {"resnet18", 11166912, 1813561344, 49, 2233382, 362.7e6},
      {"vgg11", 9217728, 152764416, 4, 1843546, 30.6e6},
      {"vgg9", 1144512, 152764416, 4, 228902, 30.6e6},
      {"vgg7", 4574592, 607518720, 4, 914918, 121.5e6},
  };
  for (const Work& row : table) {
    const Network network = zoo(row.network);
    const TernaryWork work = ternary_conv_work(network, 0.8, 256);
    EXPECT_EQ(work.weights, row.weights) << row.network;
    EXPECT_EQ(work.macs, row.macs) << row.network;
    EXPECT_EQ(work.most_row_groups, row.row_groups) << row.network;
    EXPECT_EQ(work.simd_adds, row.simd_adds) << row.network;
    EXPECT_NEAR(static_cast<double>(work.scalar_adds), row.scalar_adds, 0.05e6) << row.network;
  }
  EXPECT_EQ(ternary_conv_work(zoo("resnet18"), 0.8, 256).simd_row_adds, 2992166);
}

/// The weights that are drawn are those that are counted, and the compiler unrolls exactly them.
TEST(RtmApWorkload, UnrolledOperationsAreTheWeightsThatAreNotZero) {
  Network network = zoo("vgg9");
  quantize(network, {2, 4});
  std::int64_t drawn = 0;
  std::int64_t layers = 0;
  for (const LayerId id : matrix_layers(network)) {
    if (network.layer(id).kind != LayerKind::conv) {
      continue;
    }
    const LayerTask task = layer_task(network, id, ternary_parameters(network, id, 1, 0.8));
    const std::vector<Block> blocks = make_blocks(task, {0, task.outputs, 0, task.channels}, {});
    EXPECT_EQ(num_operations(blocks), task.nonzero_weights());
    drawn += task.nonzero_weights();
    ++layers;
  }
  // Each layer rounds on its own.
  EXPECT_LE(std::abs(drawn - ternary_conv_work(network, 0.8, 256).simd_adds), layers);
}

// ---- common pairs

/// Per cent of the operations saved in random blocks of a 3x3 kernel.
struct Saved {
  double mean = 0;
  double deviation = 0;  ///< of one block
};

Saved saved(int outputs, double sparsity, int channels, std::uint64_t seeds = 3) {
  constexpr int kTaps = 9;
  double sum = 0;
  double squares = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const int inputs = kTaps * channels;
    const std::vector<std::int32_t> w =
        ternary_weights(std::int64_t{outputs} * inputs, sparsity, seed, "cse");
    LayerTask task;
    task.taps = kTaps;
    task.channels = channels;
    task.outputs = outputs;
    task.formats.assign(static_cast<std::size_t>(channels), {4, false});
    for (int o = 0; o < outputs; ++o) {
      std::vector<Weight>& list = task.weights.emplace_back();
      for (int i = 0; i < inputs; ++i) {
        list.push_back({i,
                        w[static_cast<std::size_t>(o) * static_cast<std::size_t>(inputs) +
                          static_cast<std::size_t>(i)]});
      }
    }
    CompileOptions options;
    options.block_inputs = inputs;
    std::vector<Block> blocks = make_blocks(task, {0, outputs, 0, channels}, options);
    const auto before = static_cast<double>(num_operations(blocks));
    blocks[0] = eliminate_common_pairs(blocks[0]);
    const double percent = 100.0 * (1.0 - static_cast<double>(num_operations(blocks)) / before);
    sum += percent;
    squares += percent * percent;
  }
  const double mean = sum / static_cast<double>(seeds);
  return {mean, std::sqrt(squares / static_cast<double>(seeds) - mean * mean)};
}

/// Each cell within 5 points, and nowhere below by more than what the table's means of three draws,
/// in whole per cent, leave open; not below on the whole.
TEST(RtmApCseTable, IsThatOfTheFacts) {
  constexpr std::array<int, 4> kOutputs = {64, 128, 256, 512};

  struct Row {
    double sparsity;
    std::array<double, 4> percent;
  };

  constexpr std::array<Row, 5> kTable = {{{0.50, {38, 43, 48, 52}},
                                          {0.70, {23, 30, 36, 40}},
                                          {0.80, {16, 18, 24, 31}},
                                          {0.85, {8, 12, 19, 25}},
                                          {0.90, {4, 6, 11, 15}}}};
  double above = 0;
  for (const Row& row : kTable) {
    for (std::size_t c = 0; c < kOutputs.size(); ++c) {
      SCOPED_TRACE(testing::Message() << row.sparsity << ", " << kOutputs[c] << " outputs");
      EXPECT_NEAR(saved(kOutputs[c], row.sparsity, 1).mean, row.percent[c], 5.0);
      const Saved many = saved(kOutputs[c], row.sparsity, 1, 60);
      EXPECT_GT(many.mean, row.percent[c] - 0.5 - 2 * many.deviation / std::sqrt(3.0));
      above += many.mean - row.percent[c];
    }
  }
  EXPECT_GT(above, 0);
}

/// Expression lists of several channels share more; the compiler takes them where that costs less.
TEST(RtmApCseTable, SeveralChannelsShareMore) {
  for (const int outputs : {64, 256}) {
    EXPECT_GT(saved(outputs, 0.8, 4).mean, saved(outputs, 0.8, 1).mean + 4.0) << outputs;
  }
}

// ---- whole networks

/// Positions [0, positions) of every layer that an array can do, with the golden activations as
/// inputs; the others are looked at by nobody.
void expect_equal(const Network& network,
                  const Golden& golden,
                  LayerId id,
                  const LayerParameters& parameters,
                  std::int64_t positions) {
  const Layer& layer = network.layer(id);
  const Geometry geometry;
  const CompiledLayer compiled = layer.kind == LayerKind::max_pool
                                     ? compile_max_pool(network, id, geometry)
                                     : compile(layer_task(network, id, parameters), geometry);
  EXPECT_EQ(compiled.row_groups(geometry), ceil_div(layer.out.positions(), std::int64_t{256}));
  const auto tensor = [&](LayerId of) { return std::span<const std::int32_t>(golden.tensor(of)); };
  const std::int64_t count = std::min(positions, layer.out.positions());
  const Replay got = replay(
      compiled,
      geometry,
      {},
      [&](std::int64_t p) { return layer_inputs(network, id, tensor, p); },
      0,
      count);
  ASSERT_TRUE(compiled.has_epilogue || layer.kind == LayerKind::max_pool) << layer.name;
  ASSERT_EQ(static_cast<std::int64_t>(got.values.size()), count);
  std::size_t at = 0;
  std::set<std::int32_t> values;
  for (const std::vector<std::int64_t>& position : got.values) {
    for (const std::int64_t v : position) {
      ASSERT_EQ(v, golden.tensor(id)[at]) << layer.name << ", value " << at;
      values.insert(golden.tensor(id)[at]);
      ++at;
    }
  }
  EXPECT_GE(values.size(), 3U) << layer.name << ": nothing much was compared";
}

/// All layers of a network; positions limits how many of each.
void expect_network_equal(const std::string& name,
                          LayerBits bits,
                          double sparsity,
                          std::int64_t positions) {
  Network network = zoo(name);
  quantize(network, bits);
  const auto parameters = [&](LayerId id) { return ternary_parameters(network, id, 1, sparsity); };
  Golden golden(network, parameters);
  golden.run(synthetic_input(network, 1, 0));
  int compared = 0;
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    if (layer.kind == LayerKind::max_pool || task_problem(network, id).empty()) {
      expect_equal(
          network, golden, id, layer.is_matrix() ? parameters(id) : LayerParameters{}, positions);
      ++compared;
    }
  }
  EXPECT_EQ(compared, network.output()) << "every layer of this network is one for the array";
}

constexpr std::int64_t kAllPositions = std::int64_t{1} << 40;

TEST(RtmApNetwork, Resnet20IsRightToTheBit) {
  expect_network_equal("resnet20", {2, 4}, 0.8, kAllPositions);
}

TEST(RtmApNetwork, Resnet20WithEightBitActivationsIsRightToTheBit) {
  expect_network_equal("resnet20", {2, 8}, 0.8, 600);
}

TEST(RtmApNetwork, Vgg9IsRightToTheBit) {
  expect_network_equal("vgg9", {2, 4}, 0.8, kAllPositions);
}

/// Weights of more bits, taken apart into planes.
TEST(RtmApNetwork, Resnet20WithFourBitWeightsIsRightToTheBit) {
  Network network = zoo("resnet20");
  quantize(network, {4, 4});
  Golden golden(network, 1);
  golden.run(synthetic_input(network, 1, 0));
  for (const LayerId id : matrix_layers(network)) {
    expect_equal(network, golden, id, synthetic_parameters(network, id, 1), 256);
  }
}

/// Every distinct layer of ResNet-18, pooling and residual additions included, on one full row
/// group.
TEST(RtmApNetwork, EveryLayerShapeOfResnet18IsRightToTheBit) {
  Network network = zoo("resnet18");
  quantize(network, {2, 4});
  const auto parameters = [&](LayerId id) { return ternary_parameters(network, id, 1, 0.8); };
  Golden golden(network, parameters);
  golden.run(synthetic_input(network, 1, 0));
  std::set<std::string> matrices;
  std::set<std::string> others;
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    const Shape& in = network.layer(layer.inputs[0]).out;
    const std::string shape = fmt::format("{} {}x{} {} to {}x{}, activation {}",
                                          name_of(layer.kind),
                                          in.channels,
                                          in.positions(),
                                          layer.window.kernel_h,
                                          layer.out.channels,
                                          layer.out.positions(),
                                          name_of(layer.activation));
    if (!(layer.is_matrix() ? matrices : others).insert(shape).second) {
      continue;
    }
    expect_equal(network, golden, id, layer.is_matrix() ? parameters(id) : LayerParameters{}, 256);
  }
  EXPECT_EQ(matrices.size(), 16U);
  EXPECT_EQ(others.size(), 6U) << "max pool, additions of four stages, average pool";
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
