// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What DDPG and TD3 share: the actor, exploration, memory, credit and the reward baseline. An
/// algorithm adds its critics and update().
///
/// Source   HAQ, lib/rl/ddpg.py and rl_quantize.py; the table is at the top of ddpg.cpp
#pragma once

#include "mapper/rl/agent.hpp"
#include "mapper/rl/dense_net.hpp"
#include "mapper/rl/replay.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace tessera::mapper::rl {

/// Mean reward of the batches so far, the recent ones counting most.
class MovingAverage {
 public:
  explicit MovingAverage(double alpha) : alpha_(alpha) {}

  /// Takes one more value in (the first one as it is) and gives the average.
  double update(double value);

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  double alpha_;
  double average_ = 0;
  bool is_empty_ = true;
};

class ActorCritic : public Agent {
 public:
  void begin_episode(int episode) override;
  double act(const State& state) override;
  void finish_episode(std::span<const Step> steps, double reward) override;

  [[nodiscard]] double sigma() const override { return options_.exploration.sigma_of(episode_); }

  void save(ByteWriter& out) const override;
  void load(ByteReader& in) override;

  void describe(ByteWriter& out) const override { rl::describe(options_, out); }

 protected:
  explicit ActorCritic(const AgentOptions& options);

  [[nodiscard]] DenseShape critic_shape() const;

  /// Fills batch_, rewards relative to the moving average; false when there is nothing to draw.
  bool sample();

  /// [next states | actions of `actor` in them], for a target critic.
  std::span<const float> next_state_action(DenseNet<float>& actor);

  /// Mean squared error of critic(s, a) against targets_, one step down.
  void fit_critic(Learner& critic);

  /// One step of the actor up the mean of critic(s, actor(s)).
  void improve_actor(DenseNet<float>& critic);

  AgentOptions options_;
  Rng init_;  ///< draws the initial parameters
  Learner actor_;
  Batch batch_;
  std::vector<float> targets_;            ///< [rows]: what a critic should say
  std::vector<float> next_state_action_;  ///< [rows][kStateSize + 1], column-major
  Rng learning_;                          ///< stream of the episode: batches and what update() adds

 private:
  [[nodiscard]] std::span<float> actions_of(std::vector<float>& state_action) const;

  int episode_ = 0;
  Rng acting_;  ///< stream of the episode: exploration
  Replay replay_;
  MovingAverage baseline_;
  std::vector<std::size_t> positions_;
  std::vector<float> proposed_;  ///< [rows][kStateSize + 1], column-major: states, actor's actions
  std::vector<float> slope_;     ///< [rows]: derivative of what is minimised by a critic's output
};

}  // namespace tessera::mapper::rl
