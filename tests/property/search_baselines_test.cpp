// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// For all problems: heuristics stay within the budget, never beat brute force, never lose to one
/// replica per layer, and answer the same twice. Replay with TESSERA_SEED.
#include "mapper/search/baselines.hpp"
#include "tests/support/cases.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace tessera::mapper {
namespace {

struct Instance {
  Problem problem;
  std::vector<int> choice;
  Budget budget;
};

Instance random_instance(Rng& rng) {
  Instance x;
  Problem& p = x.problem;
  p.whole_rounds = rng.chance(0.5);
  p.fixed_latency = static_cast<double>(rng.uniform(0, 20));
  p.fixed_interval = static_cast<double>(rng.uniform(0, 20));
  p.fixed_energy = rng.uniform01();
  p.static_power = rng.chance(0.5) ? 0 : 0.01 * rng.uniform01();
  const std::int64_t layers = rng.uniform(1, 4);
  for (std::int64_t l = 0; l < layers; ++l) {
    ProblemLayer layer;
    layer.positions = rng.uniform(1, 60);
    layer.max_replicas = rng.uniform(1, layer.positions);
    for (int c = 0; c < 2; ++c) {
      layer.choices.push_back({4 + 4 * c,
                               8,
                               rng.uniform(rng.chance(0.1) ? 0 : 1, 8),
                               static_cast<double>(rng.uniform(0, 9)),
                               static_cast<double>(rng.uniform(rng.chance(0.1) ? 0 : 1, 40)),
                               rng.uniform01(),
                               0});
    }
    p.layers.push_back(layer);
    x.choice.push_back(static_cast<int>(rng.uniform(0, 1)));
  }
  x.budget.pes = pes_of(p, x.choice) + rng.uniform(0, 40);
  return x;
}

/// Least value over all numbers of replicas.
double brute_force(const Instance& x, Objective objective) {
  Solution s{x.choice, std::vector<std::int64_t>(x.choice.size(), 1)};
  double best = std::numeric_limits<double>::infinity();
  const std::function<void(std::size_t, std::int64_t)> visit = [&](std::size_t l,
                                                                   std::int64_t free) {
    if (l == x.choice.size()) {
      best = std::min(best, evaluate(x.problem, s).value(objective));
      return;
    }
    const ProblemLayer& layer = x.problem.layers[l];
    const std::int64_t pes = layer.choices[static_cast<std::size_t>(x.choice[l])].pes;
    for (std::int64_t r = 1; r <= layer.max_replicas && (r - 1) * pes <= free; ++r) {
      s.replicas[l] = r;
      visit(l + 1, free - (r - 1) * pes);
    }
    s.replicas[l] = 1;
  };
  visit(0, x.budget.pes - pes_of(x.problem, x.choice));
  return best;
}

void expect_legal(const Instance& x, const Solution& s) {
  ASSERT_EQ(s.choice, x.choice);
  ASSERT_EQ(s.replicas.size(), x.choice.size());
  for (std::size_t l = 0; l < s.replicas.size(); ++l) {
    EXPECT_GE(s.replicas[l], 1);
    EXPECT_LE(s.replicas[l], x.problem.layers[l].max_replicas);
  }
  EXPECT_LE(evaluate(x.problem, s).pes, x.budget.pes);
}

TEST(Baselines, AreLegalRepeatableAndNearBruteForce) {
  Rng rng(test::test_seed(), "baselines");
  constexpr int kInstances = 300;
  int anneal_optimal = 0;
  int evolve_optimal = 0;
  for (int i = 0; i < kInstances; ++i) {
    const Instance x = random_instance(rng);
    const auto objective = static_cast<Objective>(rng.uniform(0, 3));
    const auto seed = rng.bits();
    const AnnealOptions short_anneal{.cooling = 0.8, .moves = 30, .chains = 3};
    const EvolveOptions short_evolve{.population = 50, .generations = 40};
    const auto annealed = [&] {
      return anneal(x.problem, x.choice, x.budget, objective, seed, short_anneal);
    };
    const auto evolved = [&] {
      return evolve(x.problem, x.choice, x.budget, objective, seed, short_evolve);
    };
    const Solution single{x.choice, std::vector<std::int64_t>(x.choice.size(), 1)};
    const double start = evaluate(x.problem, single).value(objective);
    const double least = brute_force(x, objective);
    const auto value = [&](const Solution& s) {
      expect_legal(x, s);
      const double v = evaluate(x.problem, s).value(objective);
      EXPECT_GE(v, least * (1 - 1e-12)) << i;
      EXPECT_LE(v, start * (1 + 1e-12)) << i;
      return v;
    };
    value(balance(x.problem, x.choice, x.budget));
    const double a = value(annealed());
    const double e = value(evolved());
    anneal_optimal += a <= least * 1.001 ? 1 : 0;
    evolve_optimal += e <= least * 1.001 ? 1 : 0;
    EXPECT_LE(a, least * 1.5) << i;
    EXPECT_LE(e, least * 1.5) << i;
    EXPECT_EQ(annealed(), annealed());
    EXPECT_EQ(evolved(), evolved());
  }
  EXPECT_GE(anneal_optimal, kInstances * 98 / 100);
  EXPECT_GE(evolve_optimal, kInstances * 93 / 100);
}

TEST(Baselines, BalanceIsAFloorOfScaledWork) {
  Rng rng(test::test_seed(), "balance");
  for (int i = 0; i < 300; ++i) {
    const Instance x = random_instance(rng);
    const Solution s = balance(x.problem, x.choice, x.budget);
    // Scales f with max(1, floor(f work)) == replicas lie in [low, high).
    double low = 0;
    double high = std::numeric_limits<double>::infinity();
    for (std::size_t l = 0; l < s.replicas.size(); ++l) {
      const ProblemLayer& layer = x.problem.layers[l];
      const double work = layer.choices[static_cast<std::size_t>(x.choice[l])].per_position *
                          static_cast<double>(layer.positions);
      if (work == 0) {
        EXPECT_EQ(s.replicas[l], 1);
        continue;
      }
      const auto copies = static_cast<double>(s.replicas[l]);
      low = std::max(low, s.replicas[l] > 1 ? copies / work : 0);
      high = std::min(high, s.replicas[l] < layer.max_replicas ? (copies + 1) / work : high);
    }
    EXPECT_LE(low, high) << i;
  }
}

}  // namespace
}  // namespace tessera::mapper
