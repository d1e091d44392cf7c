// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does local search keep to the budgets, never lose, and find what single moves reach?
#include "mapper/search/refine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace tessera::mapper {
namespace {

Problem three_layers() {
  Problem problem;
  problem.pes = 20;
  problem.whole_rounds = true;
  for (const std::int64_t positions : {64, 16, 4}) {
    ProblemLayer layer;
    layer.layer = static_cast<LayerId>(problem.layers.size()) + 1;
    layer.name = "layer" + std::to_string(problem.layers.size());
    layer.positions = positions;
    layer.max_replicas = layer.positions;
    layer.choices = {{4, 4, 1, 0, 50, 1, 0.5}, {8, 8, 2, 0, 100, 2, 0}};
    problem.layers.push_back(layer);
  }
  return problem;
}

double interval(const Problem& problem, const Solution& solution) {
  return evaluate(problem, solution).interval;
}

TEST(Refine, BalancesUntilNoExchangeHelps) {
  const Problem problem = three_layers();
  const Budget budget{20, 0};
  const Solution start{{1, 1, 1}, {1, 1, 1}};
  const Solution found = refine(
      problem, budget, start, [&](const Solution& s) { return interval(problem, s); }, 10000);
  EXPECT_TRUE(evaluate(problem, found).within(budget));
  EXPECT_EQ(found.choice, start.choice) << "the loss budget forbids narrower widths";
  // 10 replicas, of which the others need 2 and 1: 7 of the first layer take 10 rounds.
  EXPECT_EQ(interval(problem, found), 100 * 10);
  EXPECT_EQ(found.replicas, (std::vector<std::int64_t>{7, 2, 1}));
}

TEST(Refine, NarrowsWithinTheLossBudgetAlone) {
  const Problem problem = three_layers();
  const Solution start{{1, 1, 1}, {1, 1, 1}};
  const Solution found = refine(
      problem,
      {6, 0.5},
      start,
      [&](const Solution& s) { return evaluate(problem, s).latency; },
      10000);
  EXPECT_TRUE(evaluate(problem, found).within({6, 0.5}));
  EXPECT_EQ(std::count(found.choice.begin(), found.choice.end(), 0), 1);
  EXPECT_EQ(found.choice.front(), 0) << "the longest layer gains most";
}

TEST(Refine, KeepsTheStartWhenNothingIsPossible) {
  const Problem problem = three_layers();
  const Solution start{{1, 1, 1}, {1, 1, 1}};
  const auto never = [](const Solution&) { return std::numeric_limits<double>::infinity(); };
  EXPECT_EQ(refine(problem, {20, 1}, start, never, 1000), start);
  int calls = 0;
  (void)refine(
      problem,
      {20, 1},
      start,
      [&](const Solution& s) {
        ++calls;
        return interval(problem, s);
      },
      5);
  EXPECT_LE(calls, 5);
}

}  // namespace
}  // namespace tessera::mapper
