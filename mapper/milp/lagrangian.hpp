// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every objective of a Problem as a few selections (selection.hpp), with proven bounds.
///
/// latency     one selection
/// throughput  bisection on the interval t: within it, a choice needs the smallest number of
///             replicas with busy <= t; what is left is whether the least loss under the PEs is
///             within its budget. Without a loss budget that is a sum, and the answer exact
/// energy      one selection; with static_power, branch and bound over t: on (a, b] no answer is
///             below (bound of the selection with busy <= b) + static_power * a
/// edp         weighted sums: energy * L + latency * E with (L, E) of the last answer, until
/// nothing
///             gets better, from several starts. Only supported points (those on the convex hull of
///             all (latency, energy)) can be found; the bound is the least product in the polygon
///             that the bounds of all weighted sums leave, so the gap also covers what was missed
/// limits      of the budget (buffer, vector unit) get prices of their own around all of this: a
///             limit's price times what it leaves unused is added, so the bound stays one, and the
///             answers met on the way that keep to all limits are answers. One price after the
///             other is bisected; with two limits that need not find the best prices, and the gap
///             says what was missed
/// Deterministic: work is limited by counts, never by a clock. (With limits GLPK is asked for a
/// first answer where prices find none.)
#pragma once

#include "mapper/milp/selection.hpp"
#include "mapper/milp/solver.hpp"
#include "mapper/problem.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper::milp {

struct LagrangianOptions {
  double gap = 1e-3;
  /// The choice of every layer when only replicas are open; its loss is then not looked at.
  std::span<const int> fixed;
  std::int64_t max_states = 20000;
  int max_intervals = 400;  ///< of the branch and bound over t
};

/// Weights of latency and energy in a weighted sum.
struct Weights {
  double latency = 1;
  double energy = 0;
};

struct LagrangianResult {
  Solution solution;  ///< empty when infeasible
  Evaluation evaluation;
  SolverReport report;

  /// What a MILP needs to look at only options that may still be part of a better answer.
  Weights weights;  ///< of the objective; of the last weighted sum for edp
  double least_interval = 0;
  double most_interval = kInfinity;
  double outside = kInfinity;  ///< bound of answers whose interval is not between the two
};

LagrangianResult minimize(const Problem& problem,
                          const Budget& budget,
                          Objective objective,
                          const LagrangianOptions& options = {});

/// Options by layer; every answer better than `incumbent` consists of these, unless it costs
/// at least `outside`.
struct Candidates {
  std::vector<std::vector<Option>> layers;
  double outside = kInfinity;
};

/// At most about `limit` options, fewer when the incumbent is good. Costs are those of
/// incumbent.weights without the interval's share; 0 for throughput.
Candidates candidates(const Problem& problem,
                      const Budget& budget,
                      Objective objective,
                      const LagrangianResult& incumbent,
                      std::int64_t limit,
                      const LagrangianOptions& options = {});

}  // namespace tessera::mapper::milp
