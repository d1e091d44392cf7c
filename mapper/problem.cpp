// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/problem.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cstddef>

namespace tessera::mapper {

namespace {

bool keeps_to(double value, double budget) {
  return value <= budget * (1 + 1e-9) + 1e-300;
}

}  // namespace

int ProblemLayer::find(int w_bits, int a_bits) const {
  const auto found = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) {
    return choice.w_bits == w_bits && choice.a_bits == a_bits;
  });
  return found == choices.end() ? -1 : static_cast<int>(found - choices.begin());
}

double Problem::rounds(const ProblemLayer& layer, std::int64_t replicas) const {
  return whole_rounds ? static_cast<double>(ceil_div(layer.positions, replicas))
                      : static_cast<double>(layer.positions) / static_cast<double>(replicas);
}

double Evaluation::value(Objective objective) const {
  switch (objective) {
    case Objective::latency:
      return latency;
    case Objective::throughput:
      return interval;
    case Objective::energy:
      return energy;
    case Objective::edp:
      return energy * latency;
  }
  return latency;
}

bool Budget::has_limits() const {
  return std::any_of(limits.begin(), limits.end(), [](double limit) {
    return limit < std::numeric_limits<double>::infinity();
  });
}

bool Evaluation::fits(const Budget& budget) const {
  for (std::size_t i = 0; i < kLimits; ++i) {
    if (!keeps_to(uses[i], budget.limits[i])) {
      return false;
    }
  }
  return pes <= budget.pes;
}

bool Evaluation::within(const Budget& budget) const {
  return fits(budget) && keeps_to(loss, budget.loss);
}

Evaluation evaluate(const Problem& problem, const Solution& solution) {
  Evaluation out;
  out.latency = problem.fixed_latency;
  out.interval = problem.fixed_interval;
  out.energy = problem.fixed_energy;
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    const Choice& choice = layer.choices[static_cast<std::size_t>(solution.choice[l])];
    const std::int64_t replicas = solution.replicas[l];
    const double busy = choice.per_position * problem.rounds(layer, replicas);
    out.latency += choice.fixed + busy;
    out.interval = std::max(out.interval, busy);
    out.energy += choice.energy;
    out.loss += choice.loss;
    out.pes += replicas * choice.pes;
    for (std::size_t i = 0; i < kLimits; ++i) {
      out.uses[i] += static_cast<double>(replicas) * choice.uses[i];
    }
  }
  if (problem.serial) {
    out.interval = out.latency;
  }
  out.energy += problem.static_power * out.interval;
  return out;
}

Solution uniform_solution(const Problem& problem, int w_bits, int a_bits) {
  Solution out;
  for (const ProblemLayer& layer : problem.layers) {
    out.choice.push_back(layer.find(w_bits, a_bits));
    out.replicas.push_back(1);
  }
  return out;
}

std::int64_t pes_of(const Problem& problem, std::span<const int> choice) {
  std::int64_t pes = 0;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    pes += problem.layers[l].choices[static_cast<std::size_t>(choice[l])].pes;
  }
  return pes;
}

std::vector<std::int64_t> replica_counts(const Problem& problem,
                                         const ProblemLayer& layer,
                                         std::int64_t limit) {
  std::vector<std::int64_t> out;
  for (std::int64_t r = 1; r <= layer.max_replicas && std::ssize(out) < limit;) {
    out.push_back(r);
    if (!problem.whole_rounds) {
      ++r;
      continue;
    }
    const std::int64_t rounds = ceil_div(layer.positions, r);
    if (rounds == 1) {
      break;
    }
    r = ceil_div(layer.positions, rounds - 1);
  }
  return out;
}

}  // namespace tessera::mapper
