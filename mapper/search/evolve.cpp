// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/baselines.hpp"
#include "mapper/search/fixed_widths.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <queue>
#include <utility>

namespace tessera::mapper {
namespace {

struct Individual {
  std::vector<std::int64_t> replicas;
  std::int64_t free = 0;
  double value = 0;
};

class Evolution {
 public:
  Evolution(const Problem& problem,
            std::span<const int> choice,
            const Budget& budget,
            Objective objective,
            std::uint64_t seed,
            const EvolveOptions& options)
      : problem_(problem),
        fixed_(problem, choice, budget),
        scratch_(fixed_.single),
        objective_(objective),
        rng_(seed, "evolve"),
        options_(options) {}

  Solution run() {
    const auto size = static_cast<std::size_t>(options_.population);
    std::vector<Individual> population{rated({fixed_.single.replicas, fixed_.free, 0})};
    while (population.size() < size) {
      population.push_back(started(0.1 + 0.8 * rng_.uniform01()));
    }
    for (int generation = 0; generation < options_.generations; ++generation) {
      select(population);
      const std::int64_t parents = std::ssize(population);
      while (population.size() < size) {
        population.push_back(
            mutated(population[static_cast<std::size_t>(rng_.uniform(0, parents - 1))]));
      }
    }
    sort(population);
    return {fixed_.single.choice, population.front().replicas};
  }

 private:
  Individual rated(Individual one) {
    scratch_.replicas = one.replicas;
    one.value = fixed_.rate(problem_, scratch_, objective_);
    return one;
  }

  /// Copies for the slowest layer, again and again, while more than `margin` of the free PEs are
  /// left.
  Individual started(double margin) {
    Individual one{fixed_.single.replicas, fixed_.free, 0};
    const double reserve = margin * static_cast<double>(fixed_.free);
    std::priority_queue<std::pair<double, std::size_t>> slowest;
    const auto push = [&](std::size_t l) {
      if (one.replicas[l] < problem_.layers[l].max_replicas) {
        slowest.emplace(fixed_.layers[l].work / static_cast<double>(one.replicas[l]), l);
      }
    };
    for (std::size_t l = 0; l < fixed_.layers.size(); ++l) {
      push(l);
    }
    while (!slowest.empty() && static_cast<double>(one.free) > reserve &&
           fixed_.layers[slowest.top().second].pes <= one.free) {
      const std::size_t l = slowest.top().second;
      slowest.pop();
      ++one.replicas[l];
      one.free -= fixed_.layers[l].pes;
      push(l);
    }
    return rated(std::move(one));
  }

  static void sort(std::vector<Individual>& population) {
    std::stable_sort(population.begin(),
                     population.end(),
                     [](const Individual& a, const Individual& b) { return a.value < b.value; });
  }

  /// The best stay, others by luck.
  void select(std::vector<Individual>& population) {
    sort(population);
    const auto best = static_cast<std::size_t>(
        std::ceil(options_.survivors * static_cast<double>(population.size())));
    std::vector<Individual> out;
    for (std::size_t i = 0; i < population.size(); ++i) {
      if (i < best || rng_.chance(options_.luck)) {
        out.push_back(std::move(population[i]));
      }
    }
    population = std::move(out);
  }

  std::size_t random_layer() {
    return static_cast<std::size_t>(rng_.uniform(0, std::ssize(fixed_.layers) - 1));
  }

  /// A step of up to a quarter of a layer's copies.
  std::int64_t step(std::int64_t replicas) {
    return rng_.uniform(1, std::max<std::int64_t>(1, replicas / 4));
  }

  void grow(Individual& one, std::size_t l) {
    const std::int64_t wanted =
        std::min(step(one.replicas[l]), problem_.layers[l].max_replicas - one.replicas[l]);
    const std::int64_t copies = that_fit(wanted, fixed_.layers[l].pes, one.free);
    one.replicas[l] += copies;
    one.free -= copies * fixed_.layers[l].pes;
  }

  void shrink(Individual& one, std::size_t l) {
    const std::int64_t copies = std::min(step(one.replicas[l]), one.replicas[l] - 1);
    one.replicas[l] -= copies;
    one.free += copies * fixed_.layers[l].pes;
  }

  Individual mutated(Individual one) {
    const double which = rng_.uniform01();
    if (which >= 0.2) {
      shrink(one, random_layer());
    }
    if (which < 0.2 || which >= 0.4) {
      grow(one, random_layer());
    }
    return rated(std::move(one));
  }

  const Problem& problem_;
  FixedWidths fixed_;
  Solution scratch_;
  Objective objective_;
  Rng rng_;
  EvolveOptions options_;
};

}  // namespace

Solution evolve(const Problem& problem,
                std::span<const int> choice,
                const Budget& budget,
                Objective objective,
                std::uint64_t seed,
                const EvolveOptions& options) {
  return Evolution(problem, choice, budget, objective, seed, options).run();
}

}  // namespace tessera::mapper
