// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Random numbers of an agent: normal and truncated normal draws, and HAQ's noise schedule.
///
/// Streams  every episode has streams of its own, named after it, so no engine needs to be saved
/// Source   HAQ, lib/rl/ddpg.py: select_action; lib/utils/utils.py:
///          sample_from_truncated_normal_distribution (scipy's truncnorm there, rejection here: the
///          same distribution)
#pragma once

#include "sim/base/rng.hpp"

#include <cmath>
#include <numbers>

namespace tessera::mapper::rl {

/// Standard normal (Box and Muller, 1958).
inline double normal(Rng& rng) {
  const double u = 1 - rng.uniform01();  // in (0, 1]
  const double angle = 2 * std::numbers::pi * rng.uniform01();
  return std::sqrt(-2 * std::log(u)) * std::cos(angle);
}

/// Normal around `mean` in [0, 1] with standard deviation `sigma`, given that it lies in [0, 1].
/// At least 0.47 of the draws are accepted for sigma <= 0.5.
inline double truncated_normal(Rng& rng, double mean, double sigma) {
  double draw = mean + sigma * normal(rng);
  while (draw < 0 || draw > 1) {
    draw = mean + sigma * normal(rng);
  }
  return draw;
}

/// Exploration of HAQ: uniform up to and including episode `warmup`, then sigma shrinks.
struct Exploration {
  int warmup = 20;
  double sigma = 0.5;
  double decay = 0.99;

  [[nodiscard]] bool is_warmup(int episode) const { return episode <= warmup; }

  /// sigma * decay^(episode - warmup); the initial one during the warm-up.
  [[nodiscard]] double sigma_of(int episode) const {
    return is_warmup(episode) ? sigma : sigma * std::pow(decay, episode - warmup);
  }
};

}  // namespace tessera::mapper::rl
