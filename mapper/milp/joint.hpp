// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Choice and replicas of every layer together, under PEs and loss, with a proven gap.
///
/// One binary for each (layer, choice, count) would be hundreds of thousands of columns. Prices for
/// PEs and loss from the Lagrangian dual, and a good answer, leave some hundreds that can still be
/// part of a better one; GLPK proves or improves the answer over those.
///
/// edp is a product: a weighted sum of latency and energy is minimised instead, with weights that
/// are repeated from the last answer (lagrangian.hpp); only supported points can be found.
#pragma once

#include "mapper/milp/lagrangian.hpp"
#include "mapper/milp/shortfall.hpp"
#include "mapper/milp/solver.hpp"
#include "mapper/problem.hpp"

#include <cstdint>
#include <optional>

namespace tessera::mapper::milp {

struct JointOptions {
  SolveOptions solve;  ///< gap, time limit and .lp files; the start is found here
  /// Above this the most expensive candidates stay out, and what they could be is in the bound.
  std::int64_t max_columns = 4000;
  LagrangianOptions start;  ///< of the Lagrangian that comes first
};

struct JointResult {
  Solution solution;  ///< empty without an answer
  Evaluation evaluation;
  SolverReport report;
  std::optional<Shortfall> shortfall;  ///< when infeasible
};

/// GLPK on what the Lagrangian leaves. Where the time limit comes first, the report says so with
/// the gap; the answer is then at least as good as the Lagrangian's.
JointResult joint_milp(const Problem& problem,
                       const Budget& budget,
                       Objective objective,
                       const JointOptions& options = {});

/// The decomposition alone, with its own bound.
JointResult joint_lagrangian(const Problem& problem,
                             const Budget& budget,
                             Objective objective,
                             const LagrangianOptions& options = {});

}  // namespace tessera::mapper::milp
