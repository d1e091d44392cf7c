// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The one door to a MILP solver: GLPK, one thread, silent.
///
/// Guarantees  GLPK neither prints nor ends the process: what it would abort on becomes the status
///             `failed` with its message, and its memory is released. The same model and options
///             give the same answer unless the time limit was hit, which the result says.
/// Errors      a model that check() refuses is an InternalError; an .lp file that cannot be written
///             is told in SolveResult::lp_error
#pragma once

#include "mapper/milp/model.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::mapper::milp {

enum class Status {
  optimal,     ///< within the gap asked for
  feasible,    ///< an answer, but a limit was hit before its gap was small enough
  infeasible,  ///< proven
  unbounded,
  failed,  ///< no answer: a limit was hit before the first, or the solver gave up
};

constexpr auto enum_names(Status) {
  return std::array<std::pair<Status, std::string_view>, 5>{{
      {Status::optimal, "optimal"},
      {Status::feasible, "feasible"},
      {Status::infeasible, "infeasible"},
      {Status::unbounded, "unbounded"},
      {Status::failed, "failed"},
  }};
}

struct SolveOptions {
  double mip_gap = 1e-3;  ///< relative: (objective - bound) / |objective|
  double time_limit_seconds = 60;
  /// A known solution, by column; empty for none. It is offered at the root, which needs the model
  /// as it is, so GLPK's MIP presolver runs only without it. One that is not feasible is ignored.
  std::vector<double> start;
  /// Of the objective, proven elsewhere: the search ends when an answer is within the gap of it.
  std::optional<double> known_bound;
  std::string lp_path;          ///< written always; empty for never
  std::string failure_lp_path;  ///< written when the status is failed; empty for never
};

struct SolveResult {
  Status status = Status::failed;
  double objective = 0;
  double bound = 0;  ///< proven: no solution is better
  double gap = 0;    ///< relative; 0 when the objective is the bound
  double seconds = 0;
  std::int64_t nodes = 0;
  bool limit_hit = false;
  std::vector<double> values;  ///< by column, integers exact; empty without an answer
  std::string message;         ///< of a failure
  std::string lp_error;        ///< why an .lp file could not be written
};

SolveResult solve(const MilpModel& model, const SolveOptions& options = {});

/// How an optimiser arrived at its answer: what tables and reports show, whichever it was.
struct SolverReport {
  std::string solver;  ///< "glpk A", "lagrangian", "dynamic program", ...
  Status status = Status::failed;
  double objective = 0;  ///< in the unit of the objective, fixed parts included
  double bound = 0;
  double gap = 0;
  double seconds = 0;
  std::int64_t nodes = 0;      ///< of branch and bound; evaluations of the dual function
  std::int64_t variables = 0;  ///< columns of the MILP; states of a dynamic program
  bool limit_hit = false;
  std::string message;
};

/// (objective - bound) / |objective|, at least 0.
double relative_gap(double objective, double bound);

}  // namespace tessera::mapper::milp
