// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Episodes, records and checkpoints.
#include "mapper/rl/search.hpp"

#include "tests/support/rl_toy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>

namespace tessera::mapper::rl {
namespace {

/// Everything a search refers to.
struct Setting {
  Problem problem = toy_problem();
  TableSource source{problem};
  std::unique_ptr<Environment> environment;
  std::unique_ptr<Agent> agent;
  std::unique_ptr<RlSearch> search;

  explicit Setting(const std::string& algorithm = "ddpg", int episodes = 30) {
    EnvironmentOptions options;
    options.budget.pes = problem.pes;
    environment = make_haq(problem, source, options, {});
    AgentOptions agent_options;
    agent_options.hidden = 16;
    agent_options.batch = 8;
    agent_options.layers = 4;
    agent = make_agent(algorithm, agent_options);
    search = std::make_unique<RlSearch>(
        problem, toy_features(problem), *environment, *agent, RlOptions{episodes, 3});
  }

  void run(int episodes) const {
    for (int i = 0; i < episodes; ++i) {
      search->run_episode();
    }
  }

  [[nodiscard]] std::string saved() const {
    std::ostringstream out;
    search->save(out);
    return out.str();
  }

  [[nodiscard]] std::string refusal(const std::string& bytes) const {
    std::istringstream in(bytes);
    return search->load(in).value_or("");
  }
};

class Resume : public testing::TestWithParam<const char*> {};

TEST_P(Resume, GivesTheSameBytesAsGoingOn) {
  Setting straight(GetParam());
  straight.run(11);
  const std::string checkpoint = straight.saved();
  straight.run(19);
  ASSERT_TRUE(straight.search->is_done());

  Setting killed(GetParam());
  ASSERT_EQ(killed.refusal(checkpoint), "");
  EXPECT_EQ(killed.search->outcome().episodes.size(), 11U);
  killed.run(19);
  EXPECT_EQ(killed.saved(), straight.saved());
  EXPECT_EQ(killed.search->outcome().best, straight.search->outcome().best);
  EXPECT_EQ(killed.search->outcome().candidates, straight.search->outcome().candidates);

  Setting late(GetParam());  // after the warm-up, in the middle of learning
  Setting later(GetParam());
  late.run(25);
  ASSERT_EQ(later.refusal(late.saved()), "");
  later.run(5);
  EXPECT_EQ(later.saved(), straight.saved());
}

INSTANTIATE_TEST_SUITE_P(All, Resume, testing::Values("ddpg", "td3"));

TEST(Checkpoint, OfAnotherExperimentIsRefused) {
  Setting setting;
  setting.run(2);
  const std::string checkpoint = setting.saved();
  EXPECT_NE(Setting("td3").refusal(checkpoint).find("another experiment"), std::string::npos);
  EXPECT_NE(Setting("ddpg", 31).refusal(checkpoint).find("another experiment"), std::string::npos);
}

TEST(Checkpoint, ThatIsCutOrAlteredIsRefused) {
  Setting setting;
  setting.run(3);
  const std::string checkpoint = setting.saved();
  for (std::size_t size = 0; size < checkpoint.size(); size += 1 + checkpoint.size() / 200) {
    EXPECT_NE(setting.refusal(checkpoint.substr(0, size)), "") << size;
  }
  for (std::size_t at = 0; at < checkpoint.size(); at += 1 + checkpoint.size() / 200) {
    std::string altered = checkpoint;
    altered[at] = static_cast<char>(altered[at] ^ 0x41);
    EXPECT_NE(setting.refusal(altered), "") << at;
  }
  EXPECT_NE(setting.refusal(checkpoint + "x"), "");
  EXPECT_EQ(setting.refusal("network: resnet18\n"), "this is no checkpoint of a search");
  EXPECT_EQ(setting.refusal(checkpoint), "");
}

TEST(Search, KeepsTheBestRewardAndTheBestFeasibleSolutions) {
  Setting setting;
  setting.run(30);
  const RlOutcome& outcome = setting.search->outcome();
  ASSERT_EQ(outcome.episodes.size(), 30U);
  for (const Episode& episode : outcome.episodes) {
    EXPECT_LE(episode.outcome.reward, outcome.outcome(outcome.best).reward);
  }
  ASSERT_EQ(outcome.candidates.size(), 3U);
  double least = outcome.outcome(outcome.candidates[0]).value;
  for (const Episode& episode : outcome.episodes) {
    EXPECT_TRUE(!episode.outcome.is_feasible || episode.outcome.value >= least);
  }
  for (std::size_t i = 1; i < outcome.candidates.size(); ++i) {
    const Outcome& better = outcome.outcome(outcome.candidates[i - 1]);
    const Outcome& worse = outcome.outcome(outcome.candidates[i]);
    EXPECT_LE(better.value, worse.value);
    EXPECT_FALSE(better.solution == worse.solution);
  }
}

TEST(Search, CanBeEndedEarly) {
  Setting setting;
  const RlOutcome outcome =
      rl_search(setting.problem,
                toy_features(setting.problem),
                *setting.environment,
                *setting.agent,
                {},
                [](const RlSearch& search) { return search.outcome().episodes.size() < 4; });
  EXPECT_EQ(outcome.episodes.size(), 4U);
}

}  // namespace
}  // namespace tessera::mapper::rl
