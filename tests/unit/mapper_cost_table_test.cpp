// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Do the numbers that a search sees equal those of the closed form on a mapping?
#include "mapper/analytical.hpp"
#include "mapper/cost_table.hpp"
#include "mapper/first_fit.hpp"
#include "mapper/line_buffers.hpp"
#include "mapper/lower.hpp"
#include "sim/base/config.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

arch::chip::Chip chip_of(const std::string& name, const std::string& set = "") {
  Diagnostics diagnostics;
  config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR) + "/configs/chips/" + name, diagnostics);
  if (!set.empty()) {
    config::apply_set(root, set, diagnostics);
  }
  arch::chip::Chip chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

Problem problem_of(const Network& network,
                   const arch::chip::Chip& chip,
                   Granularity granularity,
                   CostModel model,
                   const WidthRules& rules = {}) {
  Diagnostics diagnostics;
  Problem problem = make_problem(network, chip, granularity, model, rules, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return problem;
}

TEST(CostTable, ArrayModelCountsLrmpsTileReads) {
  const Network network = zoo("resnet18");
  const arch::chip::Chip chip = chip_of("lrmp.yaml");
  const Problem problem = problem_of(network, chip, Granularity::layer, CostModel::array);
  const Evaluation at8 = evaluate(problem, uniform_solution(problem, 8, 8));
  const Evaluation at6 = evaluate(problem, uniform_solution(problem, 6, 6));
  EXPECT_EQ(at8.pes, 1608);
  EXPECT_EQ(at6.pes, 201 * 6);
  // conv1: 112 x 112 positions, 8 input bits, ceil(147 / 9) row groups, 64 columns over 8 ADCs.
  // LRMP's own formula converts all 256 columns of an array, used or not.
  const ProblemLayer& conv1 = problem.layers.front();
  const Choice& choice = conv1.choices[static_cast<std::size_t>(conv1.find(8, 8))];
  EXPECT_EQ(choice.per_position, 8 * 17 * 8);
  EXPECT_EQ(choice.fixed, 0);
  EXPECT_EQ(conv1.positions, 112 * 112);
  // Activation bits divide the time, and nothing else does.
  EXPECT_DOUBLE_EQ(at8.latency / at6.latency, 8.0 / 6.0);
  EXPECT_EQ(problem.layers.size(), 21U);
}

TEST(CostTable, PipelineModelIsTheClosedFormOfALayerOnItsOwnTiles) {
  const Network network = zoo("lenet5");
  const arch::chip::Chip chip = chip_of("isaac.yaml");
  const Problem problem = problem_of(network, chip, Granularity::pixel, CostModel::pipeline);
  Analyzer analyzer(network, chip, Granularity::pixel);
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    for (const Choice& choice : layer.choices) {
      const auto alone = analyzer.alone(l, choice.w_bits, choice.a_bits);
      ASSERT_TRUE(alone);
      const LayerAnalysis& one = alone->analysis;
      EXPECT_EQ(choice.fixed + choice.per_position * problem.rounds(layer, 1),
                static_cast<double>(one.total.value));
      EXPECT_EQ(choice.pes, one.pes);
      EXPECT_GT(choice.energy, 0);
    }
  }
}

/// Fewer activation bits save time and energy; fewer weight bits save PEs (time not always: slices
/// that are packed side by side may cut a matrix into one more piece).
TEST(CostTable, FewerBitsNeverCostMore) {
  const Network network = zoo("resnet20");
  for (const std::string name : {"lrmp.yaml", "isaac.yaml", "puma.yaml"}) {
    const arch::chip::Chip chip = chip_of(name);
    for (const CostModel model :
         {CostModel::array, CostModel::sum, CostModel::max, CostModel::pipeline}) {
      const Problem problem = problem_of(network, chip, Granularity::pixel, model);
      for (const ProblemLayer& layer : problem.layers) {
        for (const Choice& choice : layer.choices) {
          const auto less = [&](int w_bits, int a_bits) -> const Choice& {
            const int found = layer.find(w_bits, a_bits);
            return found < 0 ? choice : layer.choices[static_cast<std::size_t>(found)];
          };
          const Choice& shorter = less(choice.w_bits, choice.a_bits - 1);
          EXPECT_LE(shorter.per_position, choice.per_position) << name << ' ' << layer.name;
          EXPECT_LE(shorter.energy, choice.energy) << name << ' ' << layer.name;
          EXPECT_EQ(shorter.pes, choice.pes) << name << ' ' << layer.name;
          EXPECT_LE(less(choice.w_bits - 1, choice.a_bits).pes, choice.pes)
              << name << ' ' << layer.name;
        }
      }
    }
  }
}

/// RWTH: inner widths uniform, first and last layer 8/8, cell 4 (docs/facts.md).
double rwth_speedup(const Problem& free, int w_bits, int a_bits) {
  Solution solution = uniform_solution(free, w_bits, a_bits);
  solution.choice.front() = free.layers.front().find(8, 8);
  solution.choice.back() = free.layers.back().find(8, 8);
  return evaluate(free, uniform_solution(free, 8, 8)).latency / evaluate(free, solution).latency;
}

/// Every layer on tiles of its own, lowered: what its ports take at their smallest.
TEST(CostTable, BufferBitsAreThoseOfTheLoweredProgram) {
  for (const auto& [name, granularity] : {std::pair{"lenet5", Granularity::pixel},
                                          {"lenet5", Granularity::layer},
                                          {"tiny_cnn", Granularity::pixel},
                                          {"tiny_mlp", Granularity::pixel},
                                          {"resnet18", Granularity::pixel},
                                          {"attention_block", Granularity::pixel}}) {
    SCOPED_TRACE(name);
    Network network = zoo(name);
    const arch::chip::Chip chip = chip_of("isaac.yaml");
    const Problem problem = problem_of(network, chip, granularity, CostModel::pipeline);
    const Solution solution = uniform_solution(problem, 6, 6);
    quantize(network, std::vector<LayerBits>(problem.layers.size(), LayerBits{6, 6}));
    Mapping mapping;
    int tile = 0;
    for (std::size_t l = 0; l < problem.layers.size(); ++l) {
      const ProblemLayer& layer = problem.layers[l];
      LayerMapping& of = mapping.layers.emplace_back();
      of = {layer.layer, layer.name, 6, 6, 1, {{}}};
      std::int64_t left = layer.choices[static_cast<std::size_t>(solution.choice[l])].pes;
      for (; left > 0; left -= chip.groups[0].tile.pes) {
        of.placement.front().push_back(
            {tile++, 0, static_cast<int>(std::min(left, chip.groups[0].tile.pes))});
      }
    }
    ASSERT_LT(tile, chip.groups[0].tiles);
    for (const LayerId id : vector_layers(network)) {
      mapping.vector_layers.push_back({id, network.layer(id).name, tile});
    }
    Diagnostics diagnostics;
    const Program program = lower(
        network, mapping, chip, {.granularity = granularity, .ignore_capacity = true}, diagnostics);
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
    for (std::size_t l = 0; l < problem.layers.size(); ++l) {
      const ProblemLayer& layer = problem.layers[l];
      SCOPED_TRACE(layer.name);
      double bits = 0;
      for (const ProgramEdge& edge : program.edges) {
        if (program.stages[static_cast<std::size_t>(edge.to)].layer != layer.layer) {
          continue;
        }
        for (const int port : edge.ports) {
          bits += static_cast<double>(edge.bits.value *
                                      slots_used(program.ports[static_cast<std::size_t>(port)],
                                                 edge.positions,
                                                 edge.min_window));
        }
      }
      const double uses = layer.choices[static_cast<std::size_t>(solution.choice[l])].uses[0];
      EXPECT_GT(uses, 0);
      if (layer.name.ends_with("downsample")) {  // a shortcut: the path beside it lags
        EXPECT_LT(uses, bits);
      } else {
        EXPECT_EQ(uses, bits);
      }
    }
  }
}

TEST(CostTable, LanesAreOperationsPerCycle) {
  const Network network = zoo("lenet5");
  const arch::chip::Chip chip = chip_of("isaac.yaml");
  const Problem problem = problem_of(network, chip, Granularity::pixel, CostModel::pipeline);
  Analyzer analyzer(network, chip, Granularity::pixel);
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    for (const Choice& choice : problem.layers[l].choices) {
      const double ops =
          choice.uses[static_cast<std::size_t>(Limit::vector_unit)] * choice.per_position;
      EXPECT_NEAR(ops,
                  static_cast<double>(analyzer.alone(l, choice.w_bits, choice.a_bits)->vector_ops),
                  1e-9 * ops);
      EXPECT_GT(ops, 0);
    }
  }
  EXPECT_EQ(capacity_of(chip, Limit::vector_unit),
            static_cast<double>(chip.groups[0].tiles * chip.groups[0].tile.vector_unit.lanes));
  EXPECT_TRUE(std::isinf(
      capacity_of(chip_of("isaac.yaml", "chip.tile.vector_unit.lanes=0"), Limit::vector_unit)));
}

/// PEs in place of lanes: the unit is taken as a whole, and what its programs do has a price.
TEST(CostTable, ProgramsTakeWholeVectorUnits) {
  Network network = zoo("lenet5");
  quantize(network, {2, 4});
  ProgramSource source;
  source.matrices = program_matrices(network);
  source.network = std::make_shared<const Network>(network);
  source.layer = [own = source.network](int layer, int /*w_bits*/, int /*a_bits*/) {
    return ProgramLayer{own->layer(layer), synthetic_parameters(*own, layer, 1)};
  };
  const auto problem_on = [&](arch::chip::Chip& chip) {
    chip.groups[0].pe = chip.groups[0].pe->programmed(source);
    WidthRules rules;
    rules.w_min = rules.w_max = 2;
    rules.a_min = rules.a_max = 4;
    return problem_of(network, chip, Granularity::pixel, CostModel::pipeline, rules);
  };
  arch::chip::Chip chip = chip_of("rtm_ap.yaml", "chip.tile.pe.ends_sums=false");
  const Problem problem = problem_on(chip);
  Analyzer analyzer(network, chip, Granularity::pixel);
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    ASSERT_EQ(problem.layers[l].choices.size(), 1U);
    const Choice& choice = problem.layers[l].choices.front();
    const LayerAlone alone = *analyzer.alone(l, 2, 4);
    const auto busy = static_cast<double>(alone.vector_cycles.value);
    EXPECT_EQ(alone.vector_ops, 0);
    EXPECT_GT(busy, 0);
    EXPECT_NEAR(choice.uses[static_cast<std::size_t>(Limit::vector_unit)] * choice.per_position,
                busy,
                1e-9 * busy);
  }
  EXPECT_EQ(capacity_of(chip, Limit::vector_unit), 16);
  EXPECT_EQ(
      capacity_of(chip_of("rtm_ap.yaml", "chip.tile.vector_unit.lanes=0"), Limit::vector_unit), 16);
  EXPECT_EQ(
      capacity_of(chip_of("rtm_ap.yaml", "chip.tile.vector_unit.lanes=3"), Limit::vector_unit), 48);

  // What ends on the lanes at no price costs as much less as the programs do.
  arch::chip::Chip lanes = chip_of("rtm_ap.yaml", "chip.tile.pe.ends_sums=false");
  lanes.groups[0].tile.vector_unit.pes = 0;
  lanes.groups[0].tile.vector_unit.energy_per_op = Joules(0);
  const Problem cheaper = problem_on(lanes);
  const std::vector<Action>& actions = chip.groups[0].pe->actions();
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const LayerAlone alone = *analyzer.alone(l, 2, 4);
    double joules = 0;
    for (std::size_t a = 0; a < actions.size(); ++a) {
      joules += static_cast<double>(alone.vector_did[a]) * actions[a].energy.value;
    }
    joules *= static_cast<double>(problem.layers[l].positions);
    EXPECT_GT(joules, 0);
    EXPECT_NEAR(problem.layers[l].choices[0].energy - cheaper.layers[l].choices[0].energy,
                joules,
                1e-9 * problem.layers[l].choices[0].energy);
  }
}

/// PEs that hold some of the widths: the others are left out, the narrowest ones too, and the
/// positions are the blocks of those that they do hold.
TEST(CostTable, BlocksAreThoseOfWidthsThatFit) {
  Network network = zoo("lenet5");
  quantize(network, {2, 8});
  ProgramSource source;
  source.matrices = program_matrices(network);
  source.network = std::make_shared<const Network>(network);
  source.layer = [own = source.network](int layer, int /*w_bits*/, int a_bits) {
    const bool known = layer != 3 || a_bits >= 4;
    return ProgramLayer{own->layer(layer),
                        known ? synthetic_parameters(*own, layer, 1) : LayerParameters{}};
  };
  arch::chip::Chip chip = chip_of("rtm_ap.yaml");
  chip.groups[0].pe = chip.groups[0].pe->programmed(source);
  const auto with = [&](int a_min, Granularity granularity, CostModel model) {
    return problem_of(
        network, chip, granularity, model, {.w_min = 2, .w_max = 2, .a_min = a_min, .a_max = 4});
  };
  for (const auto& [granularity, model] : {std::pair(Granularity::pixel, CostModel::pipeline),
                                           std::pair(Granularity::serial, CostModel::serial)}) {
    const Problem all = with(2, granularity, model);
    const Problem fitting = with(4, granularity, model);
    ASSERT_EQ(all.layers[1].layer, 3);
    ASSERT_EQ(all.layers[1].choices.size(), 1U);
    EXPECT_EQ(all.layers[0].choices.size(), 3U);
    for (std::size_t l = 0; l < all.layers.size(); ++l) {
      EXPECT_EQ(all.layers[l].positions, fitting.layers[l].positions);
      EXPECT_EQ(all.layers[l].max_replicas, fitting.layers[l].max_replicas);
      const Choice& a = all.layers[l].choices.back();
      const Choice& b = fitting.layers[l].choices.back();
      EXPECT_EQ(a.per_position, b.per_position);
      EXPECT_EQ(a.energy, b.energy);
    }
  }
}

TEST(CostTable, SerialModelIsRwthsSum) {
  const arch::chip::Chip chip = chip_of("rwth_rram.yaml");
  const Network resnet = zoo("resnet18");
  const Problem a = problem_of(resnet, chip, Granularity::serial, CostModel::serial);
  EXPECT_NEAR(rwth_speedup(a, 8, 4), 1.785, 0.001);
  EXPECT_NEAR(rwth_speedup(a, 4, 8), 1.455, 0.001);
  EXPECT_NEAR(rwth_speedup(a, 4, 4), 2.515, 0.001);
  EXPECT_NEAR(rwth_speedup(a, 2, 2), 3.958, 0.001);
  const Network vgg = zoo("vgg16");
  const Problem b = problem_of(vgg, chip, Granularity::serial, CostModel::serial);
  EXPECT_NEAR(rwth_speedup(b, 8, 4), 1.845, 0.001);
  EXPECT_NEAR(rwth_speedup(b, 2, 2), 5.082, 0.001);
  EXPECT_EQ(a.layers.front().max_replicas, 1);
  const Evaluation whole = evaluate(a, uniform_solution(a, 8, 8));
  EXPECT_EQ(whole.interval, whole.latency);
}

TEST(CostTable, RulesRestrictTheWidths) {
  const Network network = zoo("lenet5");
  const arch::chip::Chip chip = chip_of("isaac.yaml");
  const Problem problem =
      problem_of(network, chip, Granularity::pixel, CostModel::sum, {.w_step = 4, .first_last = 8});
  EXPECT_EQ(problem.layers.front().choices.size(), 1U);
  EXPECT_EQ(problem.layers.back().choices.size(), 1U);
  EXPECT_EQ(problem.layers[1].choices.size(), 2U * 7U);
  EXPECT_EQ(problem.layers[1].choices.front().w_bits, 4);
  EXPECT_EQ(problem.layers[1].find(5, 4), -1);
}

TEST(CostTable, LayerLargerThanTheChipIsInfeasible) {
  const Network network = zoo("resnet18");
  const arch::chip::Chip chip = chip_of("lrmp.yaml", "chip.tile.pes=1");
  Diagnostics diagnostics;
  (void)make_problem(
      network, chip, Granularity::pixel, CostModel::pipeline, {.w_min = 8}, diagnostics);
  ASSERT_FALSE(diagnostics.ok());
  EXPECT_EQ(diagnostics.errors().front().code, "E-MAP-CAPACITY");
}

}  // namespace
}  // namespace tessera::mapper
