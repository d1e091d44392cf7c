// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How many replicas of every layer, once its choice is fixed: exact and bounded optimisers.
///
/// Minimised are the values of the Problem. Of energy, replicas change only the static part, so it
/// is optimised as throughput is; edp is optimised as latency is, the factor that replicas change.
/// A choice's loss is not looked at. The budget's limits hold in what GLPK and replicate_fast
/// answer; the two oracles (replicate_dp, replicate_bisection) know PEs alone.
///
/// Errors   no room for one replica of every layer: Status::infeasible (shortfall.hpp says by
///          how much)
/// Source   forms A and B: LRMP's "linear programming" as reconstructed, docs/facts.md; the dynamic
///          program: CIM-MLC, ASPLOS 2024
#pragma once

#include "mapper/milp/one_hot.hpp"
#include "mapper/milp/solver.hpp"
#include "mapper/problem.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper::milp {

/// How 1 / replicas becomes linear.
enum class Form {
  automatic,  ///< a for latency, b for throughput; a with whole_rounds
  a,          ///< a binary for each layer and count
  /// integer r and real u >= 1/k - (r - k) / (k (k + 1)) for every k: exact at integers because 1/r
  /// is convex. Needs divided rounds: with whole_rounds, `a` is taken instead.
  b,
};

struct ReplicationOptions {
  Form form = Form::automatic;
  /// Only counts that the Lagrangian bound and a known answer leave, and that answer as start;
  /// otherwise the first `cap` counts of every layer. Where the cap leaves out affordable counts,
  /// the reported bound is the Lagrangian one, which knows no cap.
  bool reduce = true;
  std::int64_t cap = 64;
  std::vector<std::int64_t> upper;  ///< replicas by layer; empty for none beyond the Problem's
  SolveOptions solve;
};

struct Replication {
  std::vector<std::int64_t> replicas;  ///< empty without an answer
  SolverReport report;
  bool cap_binds = false;  ///< a layer took the last count of the cap although more fit
};

/// GLPK.
Replication replicate_milp(const Problem& problem,
                           std::span<const int> choice,
                           const Budget& budget,
                           Objective objective,
                           const ReplicationOptions& options = {});

/// Milliseconds: Lagrangian bound, greedy fill, and a dynamic program over what they leave while
/// the gap is larger than asked for. Throughput is exact.
Replication replicate_fast(const Problem& problem,
                           std::span<const int> choice,
                           const Budget& budget,
                           Objective objective,
                           double gap = 1e-3);

/// Latency by dynamic program over the PEs: exact. O(layers x PEs x counts) time, O(layers x PEs)
/// memory, in units of the greatest common divisor of all layers' PEs.
Replication replicate_dp(const Problem& problem, std::span<const int> choice, const Budget& budget);

/// Throughput by bisection on the interval, with the fewest replicas that reach it: exact.
Replication replicate_bisection(const Problem& problem,
                                std::span<const int> choice,
                                const Budget& budget);

}  // namespace tessera::mapper::milp
