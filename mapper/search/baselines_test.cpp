// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/baselines.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace tessera::mapper {
namespace {

/// LRMP's tile-read model (docs/facts.md, section 1.4) at one width of weights and activations; the
/// budget is the network's own 8-bit area.
struct Lrmp {
  explicit Lrmp(const std::string& name, int bits) {
    const Network network = zoo(name);
    for (const LayerId id : matrix_layers(network)) {
      const MatrixShape m = matrix_shape(network, id);
      const std::int64_t blocks =
          m.groups * ceil_div<std::int64_t>(m.rows, 256) * ceil_div<std::int64_t>(m.cols, 256);
      const double groups = std::ceil(static_cast<double>(std::min<std::int64_t>(m.rows, 256)) / 9);
      ProblemLayer layer{id, network.layer(id).name, m.positions, m.positions, {}};
      layer.choices = {{bits, bits, blocks * bits, 0, bits * groups, 0, 0},
                       {8, 8, blocks * 8, 0, 8 * groups, 0, 0}};
      problem.layers.push_back(layer);
      budget.pes += blocks * 8;
    }
    choice.assign(problem.layers.size(), 0);
    slow = evaluate(problem, {choice, std::vector<std::int64_t>(choice.size(), 1)});
  }

  /// Gain over one replica at the same widths.
  [[nodiscard]] double gain(const Solution& s, Objective objective) const {
    const Evaluation e = evaluate(problem, s);
    EXPECT_TRUE(e.within(budget));
    EXPECT_EQ(s.choice, choice);
    return slow.value(objective) / e.value(objective);
  }

  Problem problem;
  Budget budget;
  std::vector<int> choice;
  Evaluation slow;
};

TEST(Baselines, Resnet18AtSixBits) {
  const Lrmp x("resnet18", 6);
  // The optima are 3.748 (MILP = dynamic program) and 9.379 (bisection).
  const double annealed =
      x.gain(anneal(x.problem, x.choice, x.budget, Objective::latency, 1), Objective::latency);
  EXPECT_GT(annealed, 0.995 * 3.748);
  EXPECT_LT(annealed, 3.7485);
  const double evolved =
      x.gain(evolve(x.problem, x.choice, x.budget, Objective::latency, 1), Objective::latency);
  EXPECT_GT(evolved, 0.99 * 3.748);
  EXPECT_LT(evolved, 3.7485);
  const double annealed_rate = x.gain(
      anneal(x.problem, x.choice, x.budget, Objective::throughput, 1), Objective::throughput);
  EXPECT_GT(annealed_rate, 0.99 * 9.379);
  EXPECT_LT(annealed_rate, 9.3795);
  const double evolved_rate = x.gain(
      evolve(x.problem, x.choice, x.budget, Objective::throughput, 1), Objective::throughput);
  EXPECT_GT(evolved_rate, 0.99 * 9.379);
  EXPECT_LT(evolved_rate, 9.3795);
  const Solution balanced = balance(x.problem, x.choice, x.budget);
  EXPECT_GT(x.gain(balanced, Objective::throughput), 0.99 * 9.379);
  EXPECT_NEAR(x.gain(balanced, Objective::latency), 3.336, 0.001);
}

TEST(Baselines, WithoutFreePesNothingIsCopied) {
  Lrmp x("resnet18", 6);
  x.choice.assign(x.choice.size(), 1);  // 8/8 takes the whole area
  const Solution single{x.choice, std::vector<std::int64_t>(x.choice.size(), 1)};
  EXPECT_EQ(balance(x.problem, x.choice, x.budget), single);
  EXPECT_EQ(anneal(x.problem, x.choice, x.budget, Objective::latency, 1), single);
  EXPECT_EQ(evolve(x.problem, x.choice, x.budget, Objective::latency, 1), single);
  x.budget.pes -= 1;
  EXPECT_THROW(balance(x.problem, x.choice, x.budget), InternalError);
  EXPECT_THROW(anneal(x.problem, x.choice, x.budget, Objective::latency, 1), InternalError);
  EXPECT_THROW(evolve(x.problem, x.choice, x.budget, Objective::latency, 1), InternalError);
}

TEST(Baselines, SeedsDecide) {
  const Lrmp x("resnet34", 5);
  const auto annealed = [&](std::uint64_t seed) {
    return anneal(x.problem,
                  x.choice,
                  x.budget,
                  Objective::latency,
                  seed,
                  {.cooling = 0.5, .moves = 3, .chains = 2});
  };
  const auto evolved = [&](std::uint64_t seed) {
    return evolve(x.problem,
                  x.choice,
                  x.budget,
                  Objective::latency,
                  seed,
                  {.population = 20, .generations = 3});
  };
  EXPECT_EQ(annealed(1), annealed(1));
  EXPECT_NE(annealed(1), annealed(2));
  EXPECT_EQ(evolved(1), evolved(1));
  EXPECT_NE(evolved(1), evolved(2));
}

TEST(Baselines, BalanceFollowsTheWork) {
  Problem problem;
  for (const std::int64_t positions : {1024, 256, 64, 1}) {
    problem.layers.push_back({0, "", positions, positions, {{8, 8, 2, 0, 10, 0, 0}}});
  }
  const std::vector<int> choice(4, 0);
  // Copies 16 : 4 : 1 : 1, as the strides of the network have it.
  const Solution s = balance(problem, choice, {44});
  EXPECT_EQ(s.replicas, (std::vector<std::int64_t>{16, 4, 1, 1}));
  // Everything fits: one position per replica.
  const Solution all = balance(problem, choice, {1 << 20});
  EXPECT_EQ(all.replicas, (std::vector<std::int64_t>{1024, 256, 64, 1}));
}

}  // namespace
}  // namespace tessera::mapper
