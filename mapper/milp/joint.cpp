// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/joint.hpp"

#include "mapper/milp/one_hot.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tessera::mapper::milp {
namespace {

JointResult result_of(const Problem& problem, const Budget& budget, LagrangianResult found) {
  JointResult out;
  out.solution = std::move(found.solution);
  out.evaluation = found.evaluation;
  out.report = std::move(found.report);
  if (out.solution.choice.empty()) {
    out.shortfall = find_shortfall(problem, budget);
  }
  return out;
}

}  // namespace

JointResult joint_lagrangian(const Problem& problem,
                             const Budget& budget,
                             Objective objective,
                             const LagrangianOptions& options) {
  return result_of(problem, budget, minimize(problem, budget, objective, options));
}

JointResult joint_milp(const Problem& problem,
                       const Budget& budget,
                       Objective objective,
                       const JointOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  LagrangianResult known = minimize(problem, budget, objective, options.start);
  if (known.solution.choice.empty()) {
    JointResult out = result_of(problem, budget, std::move(known));
    out.report.solver = "glpk joint";
    return out;
  }
  Candidates left =
      candidates(problem, budget, objective, known, options.max_columns, options.start);
  const bool throughput = objective == Objective::throughput;
  const double value = throughput ? known.evaluation.interval
                                  : known.weights.latency * known.evaluation.latency +
                                        known.weights.energy * known.evaluation.energy;
  const OneHot form = one_hot(problem,
                              budget,
                              objective,
                              known.weights,
                              known.least_interval,
                              value > 0 ? value : 1,
                              std::move(left.layers));
  SolveOptions solve_options = options.solve;
  solve_options.start = form.encode(known.solution, known.evaluation);
  if (objective != Objective::edp) {
    solve_options.known_bound = (known.report.bound - form.constant) / form.unit;
  }
  const SolveResult solved = solve(form.model, solve_options);

  JointResult out;
  out.solution = std::move(known.solution);
  out.evaluation = known.evaluation;
  if (!solved.values.empty()) {
    Solution other = form.decode(solved.values);
    const Evaluation evaluation = evaluate(problem, other);
    if (evaluation.within(budget) &&
        evaluation.value(objective) < out.evaluation.value(objective)) {
      out.solution = std::move(other);
      out.evaluation = evaluation;
    }
  }
  SolverReport& report = out.report;
  report.solver = "glpk joint";
  report.nodes = solved.nodes;
  report.variables = std::ssize(form.model.columns);
  report.limit_hit = solved.limit_hit;
  report.message = solved.message.empty() ? solved.lp_error : solved.message;
  report.objective = out.evaluation.value(objective);
  report.bound = known.report.bound;
  if (objective != Objective::edp &&
      (solved.status == Status::optimal || solved.status == Status::feasible)) {
    report.bound =
        std::max(report.bound, std::min(form.constant + form.unit * solved.bound, left.outside));
  }
  report.bound = std::min(report.bound, report.objective);
  report.gap = relative_gap(report.objective, report.bound);
  report.status = report.gap <= options.solve.mip_gap + 1e-12 ? Status::optimal : Status::feasible;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return out;
}

}  // namespace tessera::mapper::milp
