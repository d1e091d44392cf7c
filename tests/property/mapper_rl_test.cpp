// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// An agent learns: on a problem small enough to try every answer it comes near the best one, and
/// not by luck: its last episodes are all good.
#include "mapper/rl/search.hpp"
#include "tests/support/rl_toy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace tessera::mapper::rl {
namespace {

constexpr int kEpisodes = 250;
constexpr int kLast = 25;

struct Setting {
  Problem problem = toy_problem();
  TableSource source{problem};
  EnvironmentOptions options;
  LrmpOptions lrmp;

  Setting() {
    options.budget.pes = problem.pes;
    lrmp.first_target = lrmp.last_target = 1;
  }

  [[nodiscard]] std::unique_ptr<Environment> environment() {
    return make_lrmp(problem, source, options, lrmp, [](const std::vector<int>& choice) {
      return std::vector<std::int64_t>(choice.size(), 1);
    });
  }
};

double best_reward(const Problem& problem, Environment& environment) {
  double best = -1e300;
  std::vector<LayerBits> bits(problem.layers.size());
  const std::size_t pairs = problem.layers[0].choices.size();
  for (std::size_t code = 0; code < pairs * pairs * pairs * pairs; ++code) {
    std::size_t rest = code;
    for (std::size_t l = 0; l < bits.size(); ++l, rest /= pairs) {
      const Choice& choice = problem.layers[l].choices[rest % pairs];
      bits[l] = {choice.w_bits, choice.a_bits};
    }
    best = std::max(best, environment.finish(0, bits).reward);
  }
  return best;
}

class Learns : public testing::TestWithParam<const char*> {};

TEST_P(Learns, TheBestWidthsOfFourLayers) {
  Setting setting;
  const auto environment = setting.environment();
  const double optimum = best_reward(setting.problem, *environment);
  AgentOptions options;
  options.layers = 4;
  const auto agent = make_agent(GetParam(), options);
  const RlOutcome outcome = rl_search(
      setting.problem, toy_features(setting.problem), *environment, *agent, {kEpisodes, 8});
  const double found = outcome.outcome(outcome.best).reward;
  double early = 0;
  double late = 0;
  for (int i = 0; i < kLast; ++i) {
    early += outcome.outcome(i).reward / kLast;
    late += outcome.outcome(kEpisodes - 1 - i).reward / kLast;
  }
  RecordProperty("optimum", std::to_string(optimum));
  RecordProperty("found", std::to_string(found));
  RecordProperty("late", std::to_string(late));
  EXPECT_GE(found, 0.95 * optimum) << "early " << early << ", late " << late;
  EXPECT_GE(late, 0.85 * optimum) << "early " << early << ", found " << found;
  EXPECT_GT(late, early);
}

INSTANTIATE_TEST_SUITE_P(All, Learns, testing::Values("ddpg", "td3"));

}  // namespace
}  // namespace tessera::mapper::rl
