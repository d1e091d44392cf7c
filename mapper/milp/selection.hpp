// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The problem under every optimiser here, and its Lagrangian solver: pick one (choice, replicas)
/// of every layer so that a sum of costs is least under two budgets (a multiple-choice knapsack).
///
///   minimise    constant + sum_l cost_l
///               cost = fixed + per_round * rounds_l(k) + per_replica * k, k >= least
///   subject to  sum_l k * pes <= pes          sum_l loss <= loss
///
/// Dual     g(x, y) = constant + sum_l min (cost + x * k * pes + y * loss) - x * pes - y * loss
///          is a bound for every x, y >= 0. It is concave and piecewise linear; its maximum is
///          found by cutting planes in x inside cutting planes in y. The minimum over k needs no
///          list: it lies next to sqrt(positions * per_round / (x * pes)).
/// Primal   the feasible minimisers met on the way, improved by single moves; then a dynamic
/// program
///          over those options only whose reduced cost may still be part of a better answer.
/// Bound    every answer is g + reduced costs + price of what is left unused, so a dynamic program
///          over all options with reduced cost <= answer - g is exact; where states had to be
///          dropped, the smallest reduced cost among them bounds what they could have become.
/// Work     limited by counts of evaluations and states, never by a clock
#pragma once

#include "mapper/milp/counts.hpp"
#include "mapper/problem.hpp"

#include <cstdint>
#include <limits>
#include <vector>

namespace tessera::mapper::milp {

/// One choice of one layer with its number of replicas left open.
struct Family {
  int choice = 0;
  double fixed = 0;
  double per_round = 0;
  std::int64_t pes = 0;
  double loss = 0;
  std::int64_t least = 1;  ///< replicas
  std::int64_t most = 0;   ///< that are of interest when per_round is 0, if above least
  double per_replica = 0;  ///< not negative
};

struct Selection {
  const std::vector<Counts>* counts = nullptr;  ///< by layer
  std::vector<std::vector<Family>> layers;
  double constant = 0;
  std::int64_t pes = 0;
  double loss = std::numeric_limits<double>::infinity();
};

struct Option {
  int choice = 0;
  std::int64_t replicas = 1;
  double cost = 0;
  std::int64_t pes = 0;
  double loss = 0;
  double reduced_cost = 0;

  bool operator==(const Option&) const = default;
};

/// The best prices found and the bound that they prove.
struct Dual {
  double pes_price = 0;
  double loss_price = 0;
  double bound = -std::numeric_limits<double>::infinity();
  std::int64_t evaluations = 0;
};

struct SelectionOptions {
  double gap = 1e-3;
  std::int64_t max_states = 20000;                            ///< of the dynamic program, per layer
  int max_rounds = 6;                                         ///< dynamic programs
  double enough = -std::numeric_limits<double>::infinity();   ///< stop at an answer of this cost
  double hopeless = std::numeric_limits<double>::infinity();  ///< stop when the bound is above this
};

struct SelectionResult {
  std::vector<Option> options;  ///< by layer; empty when there is no answer
  double cost = std::numeric_limits<double>::infinity();
  Dual dual;
  double bound = -std::numeric_limits<double>::infinity();
  bool infeasible = false;  ///< proven
  std::int64_t states = 0;
};

SelectionResult solve_selection(const Selection& selection, const SelectionOptions& options = {});

/// Every option whose reduced cost under these prices is at most `slack`, by layer. An answer that
/// uses any other option costs more than dual.bound + slack.
std::vector<std::vector<Option>> options_within(const Selection& selection,
                                                const Dual& dual,
                                                double slack);

/// The multiple of a loss budget up to which sums count as within it: half of what
/// Evaluation::within() forgives, so that no order of summation matters.
inline constexpr double kLossRounding = 1 + 5e-10;

}  // namespace tessera::mapper::milp
