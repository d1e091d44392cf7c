// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Memory, credit, baseline, exploration, and that agents repeat themselves to the last bit.
#include "mapper/rl/actor_critic.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace tessera::mapper::rl {
namespace {

State state_with(float value) {
  State out{};
  out.fill(value);
  return out;
}

TEST(Replay, KeepsTheNewestAndKnowsTheNextState) {
  Replay replay(4);
  for (int i = 0; i < 6; ++i) {
    replay.add(state_with(static_cast<float>(i)), 0.1 * i, 10 + i, i == 3);
  }
  ASSERT_EQ(replay.size(), 4U);
  ASSERT_EQ(replay.drawable(), 3U);
  Batch batch(3);
  replay.gather(std::vector<std::size_t>{0, 1, 2}, batch);
  EXPECT_EQ(batch.reward, (std::vector<float>{12, 13, 14}));
  EXPECT_EQ(batch.go_on, (std::vector<float>{1, 0, 1}));
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t f = 0; f < kStateSize; ++f) {
      EXPECT_EQ(batch.state_action[row + f * 3], static_cast<float>(row + 2));
      EXPECT_EQ(batch.next_state[row + f * 3], static_cast<float>(row + 3));
    }
  }
  EXPECT_FLOAT_EQ(batch.state_action[kStateSize * 3 + 1], 0.3F);
}

TEST(Replay, DrawsWithoutRepetitionWhileThereIsEnough) {
  Replay replay(128);
  Rng rng(1, "draw");
  std::vector<std::size_t> positions(64);
  for (int i = 0; i < 65; ++i) {
    replay.add(state_with(0), 0, 0, false);
  }
  replay.draw(rng, positions);
  EXPECT_EQ(std::set<std::size_t>(positions.begin(), positions.end()).size(), 64U);
  EXPECT_EQ(*std::max_element(positions.begin(), positions.end()), 63U);  // never the newest
  Replay small(128);
  small.add(state_with(0), 0, 0, false);
  EXPECT_EQ(small.drawable(), 0U);
  small.add(state_with(0), 0, 0, false);
  small.draw(rng, positions);
  EXPECT_EQ(*std::max_element(positions.begin(), positions.end()), 0U);
}

TEST(MovingAverage, StartsWithTheFirstValue) {
  MovingAverage average(0.5);
  EXPECT_EQ(average.update(8), 8);
  EXPECT_EQ(average.update(4), 6);
  EXPECT_EQ(average.update(0), 3);
}

TEST(Exploration, FollowsHaqsSchedule) {
  const Exploration exploration;
  EXPECT_TRUE(exploration.is_warmup(0));
  EXPECT_TRUE(exploration.is_warmup(20));
  EXPECT_FALSE(exploration.is_warmup(21));
  EXPECT_DOUBLE_EQ(exploration.sigma_of(0), 0.5);
  EXPECT_DOUBLE_EQ(exploration.sigma_of(21), 0.5 * 0.99);
  EXPECT_NEAR(exploration.sigma_of(120), 0.5 * 0.366032341, 1e-9);
  EXPECT_NEAR(exploration.sigma_of(599), 0.5 * 0.0029708, 1e-6);
}

TEST(Exploration, TruncatedNormalHasItsMoments) {
  Rng rng(2, "truncated");
  constexpr int kDraws = 20'000;
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double draw = truncated_normal(rng, 0.0, 0.5);
    ASSERT_GE(draw, 0);
    ASSERT_LE(draw, 1);
    sum += draw;
  }
  // Half a normal, cut at two sigma: sigma * (phi(0) - phi(2)) / (Phi(2) - Phi(0)).
  EXPECT_NEAR(sum / kDraws, 0.5 * (0.3989423 - 0.0539910) / 0.4772499, 0.005);
}

/// What update() sees: an agent that records instead of learning.
class Recorder : public ActorCritic {
 public:
  explicit Recorder(const AgentOptions& options) : ActorCritic(options) {}

  [[nodiscard]] std::string name() const override { return "recorder"; }

  void update() override {
    ++updates;
    if (sample()) {
      rewards = batch_.reward;
    }
  }

  int updates = 0;
  std::vector<float> rewards;
};

TEST(ActorCritic, GivesEveryStepTheFinalRewardAndUpdatesAfterTheWarmUp) {
  AgentOptions options;
  options.hidden = 4;
  options.batch = 4;
  options.layers = 8;
  Recorder agent(options);
  const std::vector<Step> steps(6);
  for (int episode = 0; episode <= 20; ++episode) {
    agent.begin_episode(episode);
    agent.finish_episode(steps, 3.0);
  }
  EXPECT_EQ(agent.updates, 0);
  agent.begin_episode(21);
  agent.finish_episode(steps, 3.0);
  EXPECT_EQ(agent.updates, 6);
  EXPECT_EQ(agent.rewards, (std::vector<float>{0, 0, 0, 0}));  // all 3, minus their average
}

AgentOptions small_options() {
  AgentOptions options;
  options.hidden = 24;
  options.batch = 16;
  options.layers = 3;
  return options;
}

std::vector<double> play(Agent& agent, int from, int to) {
  std::vector<double> actions;
  for (int episode = from; episode < to; ++episode) {
    agent.begin_episode(episode);
    std::vector<Step> steps(6);
    double reward = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      steps[i].state = state_with(static_cast<float>(i) / 6);
      steps[i].action = agent.act(steps[i].state);
      actions.push_back(steps[i].action);
      reward += steps[i].action;
    }
    agent.finish_episode(steps, reward);
  }
  return actions;
}

class Agents : public testing::TestWithParam<const char*> {};

TEST_P(Agents, RepeatThemselvesAndResume) {
  const std::unique_ptr<Agent> one = make_agent(GetParam(), small_options());
  const std::vector<double> early = play(*one, 0, 30);
  ByteWriter saved;
  one->save(saved);
  const std::vector<double> late = play(*one, 30, 40);

  const std::unique_ptr<Agent> two = make_agent(GetParam(), small_options());
  EXPECT_EQ(play(*two, 0, 30), early);

  const std::unique_ptr<Agent> three = make_agent(GetParam(), small_options());
  ByteReader reader(saved.bytes());
  three->load(reader);
  ASSERT_TRUE(reader.at_end());
  EXPECT_EQ(play(*three, 30, 40), late);

  ByteWriter end_of_one;
  ByteWriter end_of_three;
  one->save(end_of_one);
  three->save(end_of_three);
  EXPECT_EQ(end_of_one.bytes(), end_of_three.bytes());
}

TEST_P(Agents, ReadNoPartOfAStateAsAWhole) {
  const std::unique_ptr<Agent> agent = make_agent(GetParam(), small_options());
  ByteWriter saved;
  agent->save(saved);
  for (std::size_t size = 0; size < saved.bytes().size(); size += 97) {
    ByteReader reader(std::string_view(saved.bytes()).substr(0, size));
    agent->load(reader);
    EXPECT_FALSE(reader.ok());
  }
}

TEST_P(Agents, OfAnotherSeedActDifferently) {
  AgentOptions other = small_options();
  other.seed = 235;
  EXPECT_NE(play(*make_agent(GetParam(), small_options()), 0, 2),
            play(*make_agent(GetParam(), other), 0, 2));
}

INSTANTIATE_TEST_SUITE_P(All, Agents, testing::Values("ddpg", "td3"));

TEST(MakeAgent, KnowsNoOtherNames) {
  EXPECT_EQ(make_agent("dqn", {}), nullptr);
}

}  // namespace
}  // namespace tessera::mapper::rl
