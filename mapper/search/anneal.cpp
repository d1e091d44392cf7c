// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/baselines.hpp"
#include "mapper/search/fixed_widths.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tessera::mapper {
namespace {

struct State {
  Solution solution;
  std::int64_t free = 0;
  double value = 0;
};

class Annealer {
 public:
  Annealer(const Problem& problem,
           std::span<const int> choice,
           const Budget& budget,
           Objective objective,
           std::uint64_t seed)
      : problem_(problem),
        fixed_(problem, choice, budget),
        objective_(objective),
        rng_(seed, "anneal") {}

  Solution run(const AnnealOptions& options) {
    State best{fixed_.single, fixed_.free, 0};
    rate(best);
    State start = proportional();
    if (!std::isfinite(start.value)) {
      start = best;
    }
    keep_best(best, start);
    std::vector<State> chains(static_cast<std::size_t>(options.chains), start);
    const double first = start.value > 0 ? std::pow(10, std::floor(std::log10(start.value))) : 1;
    double t = first;
    while (t > first * options.last_temperature) {
      for (int move = 0; move < options.moves; ++move) {
        for (State& state : chains) {
          State next = neighbour(state);
          if (next.value <= state.value ||
              rng_.uniform01() < std::exp((state.value - next.value) / t)) {
            keep_best(best, next);
            state = std::move(next);
          }
        }
      }
      t *= options.cooling;
    }
    return best.solution;
  }

 private:
  void rate(State& state) const { state.value = fixed_.rate(problem_, state.solution, objective_); }

  static void keep_best(State& best, const State& state) {
    if (state.value < best.value) {
      best = state;
    }
  }

  void change(State& state, std::size_t layer, std::int64_t copies) const {
    state.solution.replicas[layer] += copies;
    state.free -= copies * fixed_.layers[layer].pes;
  }

  /// Copies in proportion to work; then layers give one back in turn until all fit.
  [[nodiscard]] State proportional() const {
    State state{fixed_.single, fixed_.free, 0};
    double total = 0;
    for (const FixedLayer& layer : fixed_.layers) {
      total += layer.work * static_cast<double>(layer.pes);
    }
    for (std::size_t l = 0; l < fixed_.layers.size(); ++l) {
      const FixedLayer& layer = fixed_.layers[l];
      const double share = total > 0 ? static_cast<double>(fixed_.budget) * layer.work / total : 1;
      const double copies = std::clamp(std::ceil(share), 1.0, static_cast<double>(layer.most));
      change(state, l, static_cast<std::int64_t>(copies) - 1);
    }
    for (std::size_t l = 0; state.free < 0; l = (l + 1) % fixed_.layers.size()) {
      if (state.solution.replicas[l] > 1) {
        change(state, l, -1);
      }
    }
    rate(state);
    return state;
  }

  std::size_t pick(const std::vector<std::size_t>& from) {
    return from[static_cast<std::size_t>(rng_.uniform(0, std::ssize(from) - 1))];
  }

  State neighbour(State state) {
    const std::vector<std::int64_t>& replicas = state.solution.replicas;
    candidates_.clear();
    for (std::size_t l = 0; l < fixed_.layers.size(); ++l) {
      if (replicas[l] < fixed_.layers[l].most) {
        candidates_.push_back(l);
      }
    }
    if (candidates_.empty()) {
      return state;
    }
    const std::size_t grown = pick(candidates_);
    const std::int64_t high = fixed_.layers[grown].most - replicas[grown];
    const std::int64_t low =
        std::max<std::int64_t>(1, that_fit(high, fixed_.layers[grown].pes, state.free));
    change(state, grown, rng_.uniform(low, low + (high - low) / 5));

    while (state.free < 0) {
      candidates_.clear();
      for (std::size_t l = 0; l < fixed_.layers.size(); ++l) {
        if (l != grown && replicas[l] > 1 && fixed_.layers[l].pes > 0) {
          candidates_.push_back(l);
        }
      }
      const std::size_t shrunk = candidates_.empty() ? grown : pick(candidates_);
      const std::int64_t enough = ceil_div(-state.free, fixed_.layers[shrunk].pes);
      change(state, shrunk, -rng_.uniform(1, std::min(replicas[shrunk] - 1, enough)));
    }
    rate(state);
    return state;
  }

  const Problem& problem_;
  FixedWidths fixed_;
  Objective objective_;
  Rng rng_;
  std::vector<std::size_t> candidates_;
};

}  // namespace

Solution anneal(const Problem& problem,
                std::span<const int> choice,
                const Budget& budget,
                Objective objective,
                std::uint64_t seed,
                const AnnealOptions& options) {
  return Annealer(problem, choice, budget, objective, seed).run(options);
}

}  // namespace tessera::mapper
