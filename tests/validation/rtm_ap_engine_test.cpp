// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Whole networks on the chip of associative processors, with the searches and writes of every
/// program: what leaves the engine equals the golden executor.
#include "mapper/analytical.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

Case on_the_chip(const std::string& network,
                 const Bits2& bits,
                 Granularity granularity,
                 const std::vector<std::string>& sets = {}) {
  Diagnostics diagnostics;
  config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR) + "/configs/chips/rtm_ap.yaml", diagnostics);
  for (const std::string& set : sets) {
    config::apply_set(root, set, diagnostics);
  }
  diagnostics.throw_if_any();
  CaseSpec spec;
  spec.network = zoo(network);
  spec.chip = config::dump(root.get("chip"));
  spec.layers.assign(matrix_layers(spec.network).size(), bits);
  spec.granularity = granularity;
  return make_case(spec);
}

/// Difference of the first image from the reference, or nothing.
std::string difference(const Case& c) {
  return in_child([&] {
    RunOptions options;
    options.functional = Functional::bit_accurate;
    const RunStats stats = simulate(c, options);
    Golden golden(c.network, options.seed);
    const std::vector<std::int32_t>& expected =
        golden.run(synthetic_input(c.network, options.seed, 0));
    const bool varied = std::any_of(
        expected.begin(), expected.end(), [&](std::int32_t v) { return v != expected.front(); });
    return !varied                        ? std::string("the reference is constant")
           : stats.outputs[0] == expected ? std::string{}
                                          : std::string("outputs differ");
  });
}

TEST(RtmApEngine, LeNetIsExact) {
  const Case c = on_the_chip("lenet5", {2, 4, 4}, Granularity::pixel);
  const auto conv =
      std::find_if(c.program.stages.begin(), c.program.stages.end(), [](const ProgramStage& stage) {
        return stage.kind == StageKind::matrix;
      });
  EXPECT_EQ(conv->positions, 4) << "784 positions, 256 at once";
  EXPECT_EQ(conv->raster.size, 196);
  EXPECT_EQ(conv->replicas.size(), 4U);
  EXPECT_EQ(difference(c), "");
}

TEST(RtmApEngine, WiderWeightsAreExactUnderEveryGranularity) {
  for (const Granularity granularity :
       {Granularity::pixel, Granularity::layer, Granularity::serial}) {
    const int replicas = granularity == Granularity::serial ? 1 : 2;
    EXPECT_EQ(difference(on_the_chip("tiny_cnn", {3, 5, replicas}, granularity)), "")
        << static_cast<int>(granularity);
  }
}

/// Reduction, epilogue, pooling and residual additions by programs.
struct OnArrays {
  std::string network;
  std::vector<std::string> sets;
  bool firings_end = true;  ///< all sums
  bool combines = false;    ///< results of several tiles
};

TEST(RtmApEngine, WhatFollowsAProductIsExactOnArrays) {
  const std::vector<OnArrays> cases = {
      {"lenet5", {"chip.tile.vector_unit.pes=1"}},
      {"lenet5", {"chip.tile.vector_unit.pes=2", "chip.tile.pe.ends_sums=false"}, false},
      {"resnet20", {"chip.tile.vector_unit.pes=1"}},
      {"tiny_cnn",
       {"chip.tile.vector_unit.pes=1",
        "chip.tile.pes=1",
        "chip.tiles=256",
        "chip.tile.pe.columns=24",
        "chip.tile.pe.domains=40"},
       false,
       true}};
  for (const OnArrays& one : cases) {
    for (const Granularity granularity : {Granularity::pixel, Granularity::serial}) {
      const int replicas = granularity == Granularity::serial ? 1 : 2;
      const Case c = on_the_chip(one.network, {2, 4, replicas}, granularity, one.sets);
      SCOPED_TRACE(one.network + " " + one.sets.back());
      bool firings_end = true;
      bool combines = false;
      for (const ProgramStage& stage : c.program.stages) {
        firings_end = firings_end && (stage.kind != StageKind::matrix || stage.ends_sums);
        combines = combines || !stage.combine.programs.empty();
        if (stage.kind == StageKind::vector && stage.name != "concat") {
          const ProgramPart& part =
              c.program.parts[static_cast<std::size_t>(stage.replicas.front().parts.front())];
          EXPECT_FALSE(part.vector.programs.empty()) << stage.name;
          EXPECT_EQ(part.vector.ops, 0) << stage.name;
        }
      }
      EXPECT_EQ(firings_end, one.firings_end);
      EXPECT_TRUE(combines || !one.combines);
      if (granularity == Granularity::serial) {
        const auto closed = static_cast<double>(
            mapper::analyze(c.network, c.chip, c.mapping, granularity).latency.value);
        const std::string simulated =
            in_child([&] { return std::to_string(simulate(c, {}).image_out.front().value); });
        EXPECT_NEAR(closed, std::stod(simulated), 1);
      }
      EXPECT_EQ(difference(c), "");
    }
  }
}

TEST(RtmApEngine, LayersCutFinerThanTheyFitAreExact) {
  const Bits2 bits{2, 4, 2};
  const std::int64_t whole = on_the_chip("tiny_cnn", bits, Granularity::pixel).program.pes_used;
  for (const char* compile : {"{most_outputs: 5}",
                              "{most_channels: 3}",
                              "{most_channels: 4, most_outputs: 8, block_inputs: 9, "
                              "passes: {partial_sums: false, order_shifts: false}}"}) {
    const Case c = on_the_chip(
        "tiny_cnn", bits, Granularity::pixel, {std::string("chip.tile.pe.compile=") + compile});
    EXPECT_GT(c.program.pes_used, 2 * whole) << compile;
    EXPECT_EQ(difference(c), "") << compile;
  }
}

}  // namespace
}  // namespace tessera::test
