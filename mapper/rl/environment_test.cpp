// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Budgets, rewards and widths of the three environments.
#include "mapper/rl/environment.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/support/rl_toy.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tessera::mapper::rl {
namespace {

std::vector<std::int64_t> no_replicas(const std::vector<int>& choice) {
  std::vector<std::int64_t> ones(choice.size(), 1);
  return ones;
}

EnvironmentOptions options_for(const Problem& problem, const WidthOptions& widths) {
  EnvironmentOptions options;
  options.widths = widths;
  options.budget.pes = problem.pes;
  return options;
}

std::vector<LayerBits> all(std::size_t layers, int w_bits, int a_bits) {
  return std::vector<LayerBits>(layers, LayerBits{w_bits, a_bits});
}

std::set<int> widths_seen(const Environment& environment, std::size_t layer, bool is_weights) {
  std::set<int> out;
  for (int i = 0; i <= 100; ++i) {
    out.insert(environment.bits_of(layer, is_weights, i / 100.0));
  }
  return out;
}

TEST(CimAq, RewardChangesItsSignAtTheTarget) {
  constexpr double kSmall = 1e-6;
  EXPECT_NEAR(cim_aq_reward(-kSmall, 0.5), -10 * kSmall, 1e-12);
  EXPECT_NEAR(cim_aq_reward(kSmall, 0.5), 100 + 0.1 * kSmall, 1e-12);
  EXPECT_NEAR(cim_aq_reward(0, 0.5), 100, 1e-12);
  EXPECT_LT(cim_aq_reward(-kSmall, 1.0), 0);
  EXPECT_GT(cim_aq_reward(kSmall, 1.0), 0);
}

TEST(CimAq, WeightsAreMultiplesOfTheCell) {
  Problem problem = toy_problem();
  problem.layers[1] = toy_layer("wide", 32, 8, 1, {2, 3, 4, 5, 6, 7, 8});
  TableSource source(problem);
  WidthOptions widths = haq_widths();
  widths.cell_bits = 4;
  const auto coarse = make_cim_aq(problem, source, options_for(problem, widths), {});
  EXPECT_EQ(widths_seen(*coarse, 1, true), (std::set<int>{4, 8}));
  EXPECT_EQ(widths_seen(*coarse, 1, false), (std::set<int>{2, 3, 4, 5, 6, 7, 8}));
  widths.cell_bits = 2;
  const auto fine = make_cim_aq(problem, source, options_for(problem, widths), {});
  EXPECT_EQ(widths_seen(*fine, 1, true), (std::set<int>{2, 4, 6, 8}));
}

TEST(CimAq, PrescribesTheEndsAndJudgesTheRest) {
  const Problem problem = toy_problem();
  TableSource source(problem);
  CimAqOptions cim_aq;
  cim_aq.accuracy_drop = 1.0;
  const auto environment = make_cim_aq(problem, source, options_for(problem, haq_widths()), cim_aq);
  const Outcome outcome = environment->finish(0, all(4, 4, 4));
  EXPECT_EQ(outcome.solution.choice[0], problem.layers[0].find(8, 8));
  EXPECT_EQ(outcome.solution.choice[1], problem.layers[1].find(4, 4));
  EXPECT_EQ(outcome.solution.choice[3], problem.layers[3].find(8, 8));
  EXPECT_TRUE(outcome.is_feasible);
  const double cost = 64 * 8 + 32 * 4 + 16 * 4 + 8;
  const double reference = 8 * (64 + 32 + 16 + 1);
  EXPECT_NEAR(
      outcome.reward, 100 * (reference / cost - 1) + 0.1 * (1 - outcome.evaluation.loss), 1e-9);
  const Outcome coarse = environment->finish(0, all(4, 2, 2));
  EXPECT_GT(coarse.evaluation.loss, 1.0);
  EXPECT_FALSE(coarse.is_feasible);
  EXPECT_NEAR(coarse.reward, -10 * (coarse.evaluation.loss - 1), 1e-9);
}

TEST(Haq, StaysWithinItsBudget) {
  const Problem problem = toy_problem();
  TableSource source(problem);
  HaqOptions haq;
  haq.preserve_ratio = 0.9;
  const auto environment = make_haq(problem, source, options_for(problem, haq_widths()), haq);
  const Outcome outcome = environment->finish(0, all(4, 8, 8));
  // 904 cycles at 8 bit; the target of 813.6 is met when layer 1 and 2 read 6 bits: 808. Weights
  // cost no time, but the walk lowers those of layer 2 on its way.
  EXPECT_DOUBLE_EQ(outcome.target, 0.9 * 904);
  EXPECT_DOUBLE_EQ(outcome.value, 808);
  EXPECT_EQ(outcome.solution.choice[1], problem.layers[1].find(8, 6));
  EXPECT_EQ(outcome.solution.choice[2], problem.layers[2].find(6, 6));
  EXPECT_DOUBLE_EQ(outcome.reward, -0.1 * outcome.evaluation.loss);
  EXPECT_TRUE(outcome.is_feasible);

  haq.preserve_ratio = 0.1;
  const auto hopeless = make_haq(problem, source, options_for(problem, haq_widths()), haq);
  EXPECT_FALSE(hopeless->finish(0, all(4, 8, 8)).is_feasible);
}

TEST(Haq, CanPayInPesOrEnergy) {
  const Problem problem = toy_problem();
  TableSource source(problem);
  HaqOptions haq;
  haq.cost = Cost::pes;
  haq.preserve_ratio = 0.7;
  const auto environment = make_haq(problem, source, options_for(problem, haq_widths()), haq);
  EXPECT_LE(environment->finish(0, all(4, 8, 8)).evaluation.pes, 0.7 * 8 * 26);
  haq.cost = Cost::energy;
  const auto other = make_haq(problem, source, options_for(problem, haq_widths()), haq);
  const Outcome outcome = other->finish(0, all(4, 8, 8));
  EXPECT_LE(outcome.evaluation.energy, outcome.target);
}

TEST(Lrmp, TightensItsTargetGeometrically) {
  const LrmpOptions options;
  EXPECT_DOUBLE_EQ(lrmp_target(options, 0), 0.35);
  EXPECT_NEAR(lrmp_target(options, 0.5), std::sqrt(0.35 * 0.20), 1e-12);
  EXPECT_NEAR(lrmp_target(options, 1), 0.20, 1e-12);
}

TEST(Lrmp, RewardsAccuracyAndTime) {
  const Problem problem = toy_problem();
  TableSource source(problem);
  LrmpOptions lrmp;
  lrmp.lambda = 3;
  lrmp.alpha = 2;
  lrmp.first_target = lrmp.last_target = 1;
  const auto environment = make_lrmp(problem, source, options_for(problem, {}), lrmp, no_replicas);
  const Outcome outcome = environment->finish(0, all(4, 4, 4));
  EXPECT_DOUBLE_EQ(outcome.value, 904.0 / 2);
  EXPECT_NEAR(outcome.reward, -3 * outcome.evaluation.loss + 2 * 0.5, 1e-12);
}

TEST(Lrmp, LowersWidthsUntilReplicasMeetTheTarget) {
  const Problem problem = toy_problem();
  TableSource source(problem);
  // As many replicas of the first layer as the PEs allow.
  const Replicate replicate = [&](const std::vector<int>& choice) {
    std::vector<std::int64_t> replicas(choice.size(), 1);
    const std::int64_t spare = problem.pes - pes_of(problem, choice);
    const auto first = static_cast<std::size_t>(choice[0]);
    replicas[0] += spare / problem.layers[0].choices[first].pes;
    return replicas;
  };
  const auto environment =
      make_lrmp(problem, source, options_for(problem, lrmp_widths()), {}, replicate);
  for (const double progress : {0.0, 1.0}) {
    const Outcome outcome = environment->finish(progress, all(4, 8, 8));
    EXPECT_DOUBLE_EQ(outcome.target, 904 * lrmp_target({}, progress));
    EXPECT_LE(outcome.value, outcome.target);
    EXPECT_LE(outcome.evaluation.pes, problem.pes);
    EXPECT_TRUE(outcome.is_feasible);
    EXPECT_EQ(
        problem.layers[0].choices[static_cast<std::size_t>(outcome.solution.choice[0])].a_bits, 8);
  }
}

TEST(Lrmp, LowersWeightsUntilOneReplicaFits) {
  Problem problem = toy_problem();
  problem.pes = std::int64_t{26} * 5;  // 26 blocks, so 5 bits on average
  TableSource source(problem);
  LrmpOptions lrmp;
  lrmp.first_target = lrmp.last_target = 1;
  const auto environment = make_lrmp(problem, source, options_for(problem, {}), lrmp, no_replicas);
  const Outcome outcome = environment->finish(0, all(4, 8, 8));
  EXPECT_LE(outcome.evaluation.pes, problem.pes);
  EXPECT_TRUE(outcome.is_feasible);
  EXPECT_DOUBLE_EQ(outcome.value, 904);  // activations are left alone
}

TEST(Environments, KeepToTheChoicesOfEveryLayer) {
  Problem problem = toy_problem();
  problem.layers[1] = toy_layer("wide", 32, 8, 1, {4, 5});
  TableSource source(problem);
  const auto environment = make_haq(problem, source, options_for(problem, {}), {});
  EXPECT_EQ(widths_seen(*environment, 0, true), (std::set<int>{2, 4, 6, 8}));
  EXPECT_EQ(widths_seen(*environment, 1, true), (std::set<int>{4, 5}));
}

TEST(WhyNot, NamesTheFirstObjection) {
  Problem problem = toy_problem();
  EXPECT_EQ(why_not(problem, {}, 52), "");
  EXPECT_EQ(why_not(problem, {}, 51),
            "one replica of every layer needs 52 PEs at the narrowest weights, 51 are there");
  WidthOptions rules;
  rules.cell_bits = 7;
  EXPECT_EQ(why_not(problem, rules, 400), "layer 'first' has no allowed width of its weights");
  problem.layers[2].choices.pop_back();
  EXPECT_EQ(why_not(problem, {}, 400), "layer 'deep' has no choice 8/8");
  TableSource source(problem);
  EXPECT_THROW(make_haq(problem, source, options_for(problem, {}), {}), InternalError);
}

}  // namespace
}  // namespace tessera::mapper::rl
