// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// For all networks, chips, losses and budgets: is every method's answer within the budgets, does
/// none beat the joint MILP by more than its gap or the Lagrangian bound at all, and does each
/// repeat itself? Replay with TESSERA_SEED.
#include "mapper/accuracy/sensitivity.hpp"
#include "mapper/milp/joint.hpp"
#include "mapper/search/search.hpp"
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

constexpr double kRounding = 1e-9;

struct World {
  Network network;
  arch::chip::Chip chip;
  SearchSetup setup;
};

/// Losses without a pattern, but the widest widths are free.
void draw_losses(Rng& rng, SearchSetup& setup) {
  std::vector<std::vector<WidthLoss>> table;
  for (ProblemLayer& layer : setup.problem.layers) {
    table.emplace_back();
    const double scale = rng.uniform01();
    for (Choice& choice : layer.choices) {
      const bool is_widest = &choice == &layer.choices.back();
      choice.loss = is_widest ? 0 : scale * rng.uniform01() / (choice.w_bits + choice.a_bits);
      table.back().push_back({{choice.w_bits, choice.a_bits}, choice.loss});
    }
  }
  setup.accuracy = std::make_unique<Sensitivity>("drawn", "points", std::move(table));
}

/// Nothing when the chip cannot be built, or is too small.
std::unique_ptr<World> random_world(Rng& rng, bool own_area, bool limited = false) {
  auto world = std::make_unique<World>();
  world->network = test::random_network(rng);
  Diagnostics diagnostics;
  config::Node node = config::parse(test::random_chip(rng), "chip", diagnostics);
  config::apply_set(node, "tiles=400", diagnostics);
  SearchSpec spec;
  spec.objective = static_cast<Objective>(rng.uniform(0, 3));
  const auto granularity = static_cast<Granularity>(rng.uniform(0, 2));
  if (rng.chance(0.5)) {
    spec.cost_model = static_cast<CostModel>(rng.uniform(0, 3));
  }
  spec.bits.w_min = static_cast<int>(rng.uniform(1, 3));
  spec.bits.a_min = static_cast<int>(rng.uniform(1, 3));
  spec.bits.w_max = spec.bits.a_max = 8;
  spec.bits.w_step = rng.chance(0.3) ? 2 : 1;
  spec.milp.gap = 1e-2;
  spec.milp.max_replicas = 12;
  spec.rl.episodes = 12;
  spec.rl.environment = static_cast<RlEnvironment>(rng.uniform(0, 2));
  try {
    world->chip = arch::chip::make_chip(node, diagnostics);
    diagnostics.throw_if_any();
    world->setup = make_search(world->network, world->chip, granularity, spec, rng.bits(), ".", {});
  } catch (const InputError&) {
    return nullptr;
  }
  SearchSetup& setup = world->setup;
  draw_losses(rng, setup);
  if (!setup.problem.serial && !own_area) {
    setup.budget.pes += rng.uniform(0, 60);
  }
  if (limited && !setup.problem.serial && rng.chance(0.4)) {
    // Room for the 8-bit network, which the relations count on, and a few copies.
    const Evaluation once = evaluate(setup.problem, setup.reference);
    for (std::size_t i = 0; i < kLimits; ++i) {
      setup.budget.limits[i] = once.uses[i] * (1 + 2 * rng.uniform01());
    }
  }
  if (rng.chance(0.8)) {
    double most = 0;
    for (const ProblemLayer& layer : setup.problem.layers) {
      most += std::max_element(layer.choices.begin(),
                               layer.choices.end(),
                               [](const Choice& a, const Choice& b) { return a.loss < b.loss; })
                  ->loss;
    }
    setup.budget.loss = rng.uniform01() * most;
  }
  return world;
}

TEST(SearchRelations, NothingBeatsTheJointMilpWithinTheBudgets) {
  Rng rng(test::test_seed(), "search relations");
  int compared = 0;
  int strictly = 0;
  int worlds = 0;
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    const std::unique_ptr<World> world = random_world(rng, false, true);
    if (world == nullptr) {
      continue;
    }
    ++worlds;
    const SearchSetup& setup = world->setup;
    const Objective objective =
        setup.problem.serial && setup.spec.objective == Objective::throughput
            ? Objective::latency
            : setup.spec.objective;
    const auto value = [&](const Solution& solution) {
      return evaluate(setup.problem, solution).value(objective);
    };
    const MethodRun joint = run_method(setup, Method::joint_milp);
    ASSERT_FALSE(joint.solutions.empty()) << joint.note << "; 8 bit is free, and fits";
    const double best = value(joint.solutions.front());
    EXPECT_DOUBLE_EQ(joint.report.objective, best);
    const milp::JointResult relaxed =
        milp::joint_lagrangian(setup.problem, setup.budget, objective);
    for (const auto& [method, name] : enum_names(Method{})) {
      SCOPED_TRACE(name);
      const MethodRun run = run_method(setup, method);
      EXPECT_EQ(run.solutions.empty(), !run.note.empty()) << run.note;
      for (const Solution& solution : run.solutions) {
        const Evaluation evaluation = evaluate(setup.problem, solution);
        if (!evaluation.within(setup.budget)) {
          const bool is_uniform = name.starts_with("uniform");
          EXPECT_TRUE(is_uniform) << "beyond the budgets: " << evaluation.pes << " of "
                                  << setup.budget.pes << " PEs, loss " << evaluation.loss << " of "
                                  << setup.budget.loss;
          continue;
        }
        for (std::size_t l = 0; l < solution.replicas.size(); ++l) {
          EXPECT_GE(solution.replicas[l], 1);
          EXPECT_LE(solution.replicas[l], setup.problem.layers[l].max_replicas);
        }
        ++compared;
        const double found = value(solution);
        strictly += best < found * (1 - kRounding) ? 1 : 0;
        EXPECT_GE(found, best * (1 - joint.report.gap) * (1 - kRounding));
        EXPECT_GE(found, joint.report.bound * (1 - kRounding));
        EXPECT_GE(found, relaxed.report.bound * (1 - kRounding));
      }
      EXPECT_EQ(run_method(setup, method).solutions, run.solutions) << "does not repeat itself";
    }
  }
  EXPECT_GE(worlds, 20);
  EXPECT_GE(compared, 8 * worlds);
  EXPECT_GE(strictly, worlds);
}

/// In the area that 8 bit takes there is no room for copies of 8-bit layers.
TEST(SearchRelations, ReplicationAloneGainsNothingInItsOwnArea) {
  Rng rng(test::test_seed(), "own area");
  int compared = 0;
  for (int round = 0; round < 60; ++round) {
    const std::unique_ptr<World> world = random_world(rng, true);
    if (world == nullptr || world->setup.problem.serial) {
      continue;
    }
    const SearchSetup& setup = world->setup;
    const MethodRun run = run_method(setup, Method::replication);
    ASSERT_EQ(run.solutions.size(), 1U) << run.note;
    ++compared;
    for (const Objective objective : {Objective::latency, Objective::throughput}) {
      EXPECT_DOUBLE_EQ(evaluate(setup.problem, run.solutions.front()).value(objective),
                       evaluate(setup.problem, setup.reference).value(objective));
    }
  }
  EXPECT_GE(compared, 20);
}

/// The trade-off is one: more loss allowed, nothing slower, and no point beyond its budget of PEs.
TEST(SearchRelations, SweepFallsWithTheLoss) {
  Rng rng(test::test_seed(), "sweep");
  int points = 0;
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    const std::unique_ptr<World> world = random_world(rng, false);
    if (world == nullptr || world->setup.spec.objective == Objective::edp) {
      continue;  // of edp only supported points are found
    }
    const SearchSetup& setup = world->setup;
    const Objective objective =
        setup.problem.serial && setup.spec.objective == Objective::throughput
            ? Objective::latency
            : setup.spec.objective;
    double last = 0;
    for (const Solution& solution : sweep_loss(setup, 8)) {
      const Evaluation evaluation = evaluate(setup.problem, solution);
      EXPECT_LE(evaluation.pes, setup.budget.pes);
      if (last > 0) {
        EXPECT_LE(evaluation.value(objective), last * 1.05) << "far beyond the gap of either";
      }
      last = evaluation.value(objective);
      ++points;
    }
  }
  EXPECT_GE(points, 60);
}

}  // namespace
}  // namespace tessera::mapper
