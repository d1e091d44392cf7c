// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a search needs of a learning algorithm: proposes an action for a state, and learns from
/// whole episodes.
///
/// Actions  one number in [0, 1] per step; what it means is the environment's business
/// Order    begin_episode, act once per step, then finish_episode; again and again
/// Same     seed and calls, same actions to the last bit on one machine, also after save and load
///          between two episodes
#pragma once

#include "mapper/rl/bytes.hpp"
#include "mapper/rl/exploration.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace tessera::mapper::rl {

/// Features of one step (haq.hpp).
inline constexpr std::size_t kStateSize = 10;
using State = std::array<float, kStateSize>;

struct Step {
  State state{};
  double action = 0;
};

class Agent {
 public:
  virtual ~Agent() = default;

  [[nodiscard]] virtual std::string name() const = 0;

  /// Episodes count from 0.
  virtual void begin_episode(int episode) = 0;
  virtual double act(const State& state) = 0;
  /// Remembers the episode, every step with its final reward, and learns from it.
  virtual void finish_episode(std::span<const Step> steps, double reward) = 0;
  /// One step of learning from what is remembered; nothing when that is less than two steps.
  virtual void update() = 0;

  /// Standard deviation of the noise in this episode.
  [[nodiscard]] virtual double sigma() const = 0;

  /// Everything that determines the next actions, between two episodes.
  virtual void save(ByteWriter& out) const = 0;
  /// A failed reader leaves the agent unusable, but defined.
  virtual void load(ByteReader& in) = 0;
  /// Its options, so that a checkpoint of another experiment is recognised.
  virtual void describe(ByteWriter& out) const = 0;
};

/// HAQ's values (lib/rl/ddpg.py, rl_quantize.py); TD3 shares them, so that the two differ in the
/// algorithm alone.
struct AgentOptions {
  int layers = 1;  ///< of the network that is searched
  int hidden = 300;
  double actor_rate = 1e-4;
  double critic_rate = 1e-3;
  double discount = 1.0;
  double tau = 0.01;
  int replay_per_layer = 128;
  int batch = 64;
  Exploration exploration;
  double baseline_alpha = 0.5;  ///< of the moving average of rewards
  std::uint64_t seed = 234;
};

void describe(const AgentOptions& options, ByteWriter& out);

std::unique_ptr<Agent> make_ddpg(const AgentOptions& options);
std::unique_ptr<Agent> make_td3(const AgentOptions& options);

/// "ddpg" or "td3"; null for any other name.
std::unique_ptr<Agent> make_agent(const std::string& name, const AgentOptions& options);

}  // namespace tessera::mapper::rl
