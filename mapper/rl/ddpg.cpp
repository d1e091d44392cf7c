// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// DDPG exactly as HAQ's code does it (github.com/mit-han-lab/haq). Written anew from reading it.
///
/// | detail                                                        | HAQ                        |
/// |---------------------------------------------------------------|----------------------------|
/// | actor 10-300-300-1, ReLU, sigmoid                             | ddpg.py: Actor             |
/// | critic: state 10-300 plus action 1-300, each with a bias,     | ddpg.py: Critic            |
/// | ReLU, 300-300, ReLU, 300-1                                    |                            |
/// | initial parameters: torch's nn.Linear (init_w is not used)    | ddpg.py: Actor, Critic     |
/// | targets start as copies                                       | ddpg.py: hard_update       |
/// | Adam, actor 1e-4, critic 1e-3                                 | rl_quantize.py: lr_a, lr_c |
/// | uniform actions in episodes 0 to 20                           | rl_quantize.py: train      |
/// | then truncated normal, sigma = 0.5 * 0.99^(episode - 20)      | ddpg.py: select_action     |
/// | final reward for every step of the episode                    | rl_quantize.py: train      |
/// | steps stored with the action as drawn, not as rounded to bits | rl_quantize.py: train      |
/// | an update after each stored step, from episode 21 on          | rl_quantize.py: train      |
/// | 128 steps remembered per layer; batches of 64, no repetition  | rl_quantize.py, memory.py  |
/// | reward minus the moving average of the batches' means,        | ddpg.py: update_policy     |
/// | alpha 0.5, this batch included                                |                            |
/// | target r + 1.0 * Q'(s', actor'(s')); r alone after the last   | ddpg.py: update_policy     |
/// | step                                                          |                            |
/// | critic: mean squared error, one step; then the actor: minus   | ddpg.py: update_policy     |
/// | the mean of Q(s, actor(s)), one step, with the new critic     |                            |
/// | both targets follow with tau 0.01 after every update          | ddpg.py: soft_update       |
/// | seed 234                                                      | rl_quantize.py: seed       |
///
/// Where we differ on purpose: README.md, deviations.
#include "mapper/rl/actor_critic.hpp"

namespace tessera::mapper::rl {
namespace {

class Ddpg : public ActorCritic {
 public:
  explicit Ddpg(const AgentOptions& options)
      : ActorCritic(options), critic_(critic_shape(), options.batch, options.critic_rate, init_) {}

  [[nodiscard]] std::string name() const override { return "ddpg"; }

  void update() override {
    if (!sample()) {
      return;
    }
    const auto discount = static_cast<float>(options_.discount);
    const std::span<const float> next = critic_.target.forward(next_state_action(actor_.target));
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      targets_[i] = batch_.reward[i] + discount * batch_.go_on[i] * next[i];
    }
    fit_critic(critic_);
    improve_actor(critic_.net);
    actor_.follow(options_.tau);
    critic_.follow(options_.tau);
  }

  void save(ByteWriter& out) const override {
    ActorCritic::save(out);
    critic_.save(out);
  }

  void load(ByteReader& in) override {
    ActorCritic::load(in);
    critic_.load(in);
  }

 private:
  Learner critic_;
};

}  // namespace

std::unique_ptr<Agent> make_ddpg(const AgentOptions& options) {
  return std::make_unique<Ddpg>(options);
}

}  // namespace tessera::mapper::rl
