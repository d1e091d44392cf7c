// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/actor_critic.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera::mapper::rl {
namespace {

DenseShape actor_shape(const AgentOptions& options) {
  return {{static_cast<int>(kStateSize)}, {options.hidden, options.hidden, 1}, OutputKind::sigmoid};
}

}  // namespace

double MovingAverage::update(double value) {
  average_ = is_empty_ ? value : average_ + alpha_ * (value - average_);
  is_empty_ = false;
  return average_;
}

void MovingAverage::save(ByteWriter& out) const {
  out.put(average_);
  out.put(static_cast<unsigned char>(is_empty_));
}

void MovingAverage::load(ByteReader& in) {
  average_ = in.get<double>();
  is_empty_ = in.get<unsigned char>() != 0;
}

ActorCritic::ActorCritic(const AgentOptions& options)
    : options_(options),
      init_(options.seed, "rl.init"),
      actor_(actor_shape(options), options.batch, options.actor_rate, init_),
      batch_(options.batch),
      targets_(batch_.reward.size()),
      next_state_action_(batch_.state_action.size()),
      learning_(options.seed, "rl.learning.0"),
      acting_(options.seed, "rl.acting.0"),
      replay_(static_cast<std::size_t>(options.layers) *
              static_cast<std::size_t>(options.replay_per_layer)),
      baseline_(options.baseline_alpha),
      positions_(batch_.reward.size()),
      proposed_(batch_.state_action.size()),
      slope_(batch_.reward.size()) {}

DenseShape ActorCritic::critic_shape() const {
  return {
      {static_cast<int>(kStateSize), 1}, {options_.hidden, options_.hidden, 1}, OutputKind::linear};
}

void ActorCritic::begin_episode(int episode) {
  episode_ = episode;
  learning_ = Rng(options_.seed, fmt::format("rl.learning.{}", episode));
  acting_ = Rng(options_.seed, fmt::format("rl.acting.{}", episode));
}

double ActorCritic::act(const State& state) {
  if (options_.exploration.is_warmup(episode_)) {
    return acting_.uniform01();
  }
  const double mean = actor_.net.forward(state)[0];
  if (!std::isfinite(mean)) {
    throw InternalError("mapper/rl", -1, "the actor's parameters are no longer finite");
  }
  return truncated_normal(acting_, mean, sigma());
}

void ActorCritic::finish_episode(std::span<const Step> steps, double reward) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    replay_.add(steps[i].state, steps[i].action, reward, i + 1 == steps.size());
    if (!options_.exploration.is_warmup(episode_)) {
      update();
    }
  }
}

bool ActorCritic::sample() {
  if (replay_.drawable() == 0) {
    return false;
  }
  replay_.draw(learning_, positions_);
  replay_.gather(positions_, batch_);
  const double sum = std::accumulate(batch_.reward.begin(), batch_.reward.end(), 0.0);
  const double average = baseline_.update(sum / static_cast<double>(batch_.reward.size()));
  for (float& reward : batch_.reward) {
    reward = static_cast<float>(reward - average);
  }
  return true;
}

std::span<float> ActorCritic::actions_of(std::vector<float>& state_action) const {
  return std::span<float>(state_action).last(batch_.reward.size());
}

std::span<const float> ActorCritic::next_state_action(DenseNet<float>& actor) {
  std::copy(batch_.next_state.begin(), batch_.next_state.end(), next_state_action_.begin());
  const std::span<const float> actions = actor.forward(batch_.next_state);
  std::copy(actions.begin(), actions.end(), actions_of(next_state_action_).begin());
  return next_state_action_;
}

void ActorCritic::fit_critic(Learner& critic) {
  const std::span<const float> values = critic.net.forward(batch_.state_action);
  const float scale = 2.0F / static_cast<float>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    slope_[i] = scale * (values[i] - targets_[i]);
  }
  critic.net.backward(slope_);
  critic.step();
}

void ActorCritic::improve_actor(DenseNet<float>& critic) {
  const std::span<const float> states = batch_.state();
  std::copy(states.begin(), states.end(), proposed_.begin());
  const std::span<const float> actions = actor_.net.forward(states);
  std::copy(actions.begin(), actions.end(), actions_of(proposed_).begin());
  critic.forward(proposed_);
  std::fill(slope_.begin(), slope_.end(), -1.0F / static_cast<float>(slope_.size()));
  actor_.net.backward(critic.backward_to_input(slope_).last(slope_.size()));
  actor_.step();
}

void ActorCritic::save(ByteWriter& out) const {
  actor_.save(out);
  replay_.save(out);
  baseline_.save(out);
}

void ActorCritic::load(ByteReader& in) {
  actor_.load(in);
  replay_.load(in);
  baseline_.load(in);
}

void describe(const AgentOptions& o, ByteWriter& out) {
  for (const int number : {o.layers, o.hidden, o.replay_per_layer, o.batch}) {
    out.put(number);
  }
  for (const double number : {o.actor_rate,
                              o.critic_rate,
                              o.discount,
                              o.tau,
                              o.exploration.sigma,
                              o.exploration.decay,
                              o.baseline_alpha}) {
    out.put(number);
  }
  out.put(o.exploration.warmup);
  out.put(o.seed);
}

std::unique_ptr<Agent> make_agent(const std::string& name, const AgentOptions& options) {
  if (name == "ddpg") {
    return make_ddpg(options);
  }
  return name == "td3" ? make_td3(options) : nullptr;
}

}  // namespace tessera::mapper::rl
