// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// TD3: DDPG with three cures for a critic that believes its own mistakes.
///
/// | detail                                                     | source                          |
/// |------------------------------------------------------------|---------------------------------|
/// | two critics; the target takes the smaller of their values  | Fujimoto, van Hoof, Meger, ICML |
/// |                                                            | 2018, section 4.2               |
/// | actor and targets move at every second update only         | section 5.2, d = 2              |
/// | noise on the target's action, normal, clipped              | section 5.3: sigma 0.2, clip    |
/// |                                                            | 0.5 for actions in [-1, 1];     |
/// |                                                            | half of it here, for [0, 1]     |
/// | everything else, exploration, credit and rates included    | HAQ, as in ddpg.cpp             |
#include "mapper/rl/actor_critic.hpp"

#include <algorithm>

namespace tessera::mapper::rl {
namespace {

constexpr double kSmoothing = 0.1;
constexpr double kSmoothingClip = 0.25;
constexpr std::int64_t kPolicyDelay = 2;

class Td3 : public ActorCritic {
 public:
  explicit Td3(const AgentOptions& options)
      : ActorCritic(options),
        first_(critic_shape(), options.batch, options.critic_rate, init_),
        second_(critic_shape(), options.batch, options.critic_rate, init_) {}

  [[nodiscard]] std::string name() const override { return "td3"; }

  void update() override {
    if (!sample()) {
      return;
    }
    next_state_action(actor_.target);
    for (float& action : std::span<float>(next_state_action_).last(targets_.size())) {
      const double noise =
          std::clamp(kSmoothing * normal(learning_), -kSmoothingClip, kSmoothingClip);
      action = static_cast<float>(std::clamp(action + noise, 0.0, 1.0));
    }
    const std::span<const float> one = first_.target.forward(next_state_action_);
    const std::span<const float> two = second_.target.forward(next_state_action_);
    const auto discount = static_cast<float>(options_.discount);
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      targets_[i] = batch_.reward[i] + discount * batch_.go_on[i] * std::min(one[i], two[i]);
    }
    fit_critic(first_);
    fit_critic(second_);
    ++updates_;
    if (updates_ % kPolicyDelay == 0) {
      improve_actor(first_.net);
      actor_.follow(options_.tau);
      first_.follow(options_.tau);
      second_.follow(options_.tau);
    }
  }

  void save(ByteWriter& out) const override {
    ActorCritic::save(out);
    first_.save(out);
    second_.save(out);
    out.put(updates_);
  }

  void load(ByteReader& in) override {
    ActorCritic::load(in);
    first_.load(in);
    second_.load(in);
    updates_ = in.get<std::int64_t>();
  }

 private:
  Learner first_;
  Learner second_;
  std::int64_t updates_ = 0;
};

}  // namespace

std::unique_ptr<Agent> make_td3(const AgentOptions& options) {
  return std::make_unique<Td3>(options);
}

}  // namespace tessera::mapper::rl
