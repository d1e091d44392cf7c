// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/replication.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

namespace tessera::mapper::milp {
namespace {

double seconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

const Choice& choice_of(const Problem& problem, std::span<const int> choice, std::size_t layer) {
  return problem.layers[layer].choices[static_cast<std::size_t>(choice[layer])];
}

Solution with_replicas(std::span<const int> choice, std::vector<std::int64_t> replicas) {
  return {{choice.begin(), choice.end()}, std::move(replicas)};
}

Replication infeasible(std::string solver) {
  Replication out;
  out.report.solver = std::move(solver);
  out.report.status = Status::infeasible;
  out.report.objective = out.report.bound = out.report.gap = kInfinity;
  return out;
}

/// Latency in the place of edp, throughput in that of energy: what replicas can change. Under
/// serial execution the interval is the latency.
Objective effective(const Problem& problem, Objective objective) {
  if (problem.serial) {
    return Objective::latency;
  }
  switch (objective) {
    case Objective::edp:
      return Objective::latency;
    case Objective::energy:
      return Objective::throughput;
    default:
      return objective;
  }
}

/// The value in `wanted` of an answer that was optimised for effective(problem, wanted), and its
/// bound.
void finish(const Problem& problem,
            std::span<const int> choice,
            Objective wanted,
            double gap,
            Replication& out) {
  SolverReport& report = out.report;
  if (out.replicas.empty()) {
    report.objective = report.bound = report.gap = kInfinity;
    return;
  }
  const Evaluation evaluation = evaluate(problem, with_replicas(choice, out.replicas));
  report.objective = evaluation.value(wanted);
  if (wanted == Objective::energy) {
    report.bound = evaluation.energy - problem.static_power * (evaluation.interval - report.bound);
  } else if (wanted == Objective::edp) {
    // No interval is shorter than 0: the energy that replicas cannot touch times the least latency.
    report.bound *= evaluation.energy - problem.static_power * evaluation.interval;
  }
  report.bound = std::min(report.bound, report.objective);
  report.gap = relative_gap(report.objective, report.bound);
  if (!report.limit_hit) {
    report.status = report.gap <= gap + 1e-12 ? Status::optimal : Status::feasible;
  }
}

/// The counts that a MILP may choose from.
struct Open {
  std::vector<std::vector<Option>> layers;
  double least_interval = 0;
  double outside = kInfinity;  ///< answers with other counts are not below this
  bool capped = false;
};

Open capped_counts(const Problem& problem,
                   std::span<const int> choice,
                   const Budget& budget,
                   const ReplicationOptions& options) {
  Open out;
  const std::int64_t spare = budget.pes - pes_of(problem, choice);
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const Choice& one = choice_of(problem, choice, l);
    std::vector<Option>& layer = out.layers.emplace_back();
    for (const std::int64_t k : replica_counts(problem, problem.layers[l], options.cap + 1)) {
      if ((k - 1) * one.pes > spare) {
        break;
      }
      if (std::ssize(layer) == options.cap) {
        out.capped = true;
        break;
      }
      layer.push_back({choice[l], k, 0, one.pes * k, one.loss, 0});
    }
  }
  return out;
}

/// Form B. Column 2 l is r of layer l, column 2 l + 1 its u in units of 1 / (smallest count).
struct Secants {
  MilpModel model;
  std::vector<std::int64_t> low;  ///< by layer
  double unit = 1;
  double constant = 0;
};

Secants secants(const Problem& problem,
                std::span<const int> choice,
                const Budget& budget,
                Objective objective,
                double unit,
                const Open& open) {
  Secants out;
  out.unit = unit;
  const bool latency = objective == Objective::latency;
  out.constant = latency ? problem.fixed_latency : 0;
  MilpModel& model = out.model;
  model.name = problem.network;
  Row pes{"pes", -kInfinity, static_cast<double>(budget.pes), {}};
  std::vector<std::pair<Limit, Row>> limits = limit_rows(budget);
  std::vector<Row> rows;
  std::vector<Row> slowest;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    const Choice& one = choice_of(problem, choice, l);
    std::int64_t low = open.layers[l].front().replicas;
    std::int64_t high = low;
    for (const Option& option : open.layers[l]) {
      low = std::min(low, option.replicas);
      high = std::max(high, option.replicas);
    }
    out.low.push_back(low);
    const auto first = static_cast<double>(low);
    const double slow = one.per_position * static_cast<double>(layer.positions) / first / unit;
    if (latency) {
      out.constant += one.fixed;
    }
    const int r = model.add(Column{fmt::format("r_{}_{}", l, layer.name),
                                   first,
                                   static_cast<double>(high),
                                   Domain::integer,
                                   0});
    const int u = model.add(Column{fmt::format("u_{}_{}", l, layer.name),
                                   first / static_cast<double>(high),
                                   1,
                                   Domain::continuous,
                                   latency ? slow : 0});
    for (std::int64_t at = low; at < high; ++at) {
      const auto k = static_cast<double>(at);
      rows.push_back({fmt::format("secant_{}_{}_{}", l, layer.name, at),
                      2 * k + 1,
                      kInfinity,
                      {{u, k * (k + 1) / first}, {r, 1}}});
    }
    pes.terms.push_back({r, static_cast<double>(one.pes)});
    for (auto& [limit, row] : limits) {
      const auto i = static_cast<std::size_t>(limit);
      row.terms.push_back({r, one.uses[i] / budget.limits[i]});
    }
    slowest.push_back({fmt::format("slowest_{}_{}", l, layer.name), -kInfinity, 0, {{u, slow}}});
  }
  for (Row& row : rows) {
    model.add(std::move(row));
  }
  model.add(std::move(pes));
  for (auto& [limit, row] : limits) {
    model.add(std::move(row));
  }
  if (!latency) {
    const int t = model.add(Column{"interval",
                                   std::max(problem.fixed_interval, open.least_interval) / unit,
                                   kInfinity,
                                   Domain::continuous,
                                   1});
    for (Row& row : slowest) {
      row.terms.push_back({t, -1});
      model.add(std::move(row));
    }
  }
  return out;
}

std::vector<double> encode(const Secants& form,
                           const std::vector<std::int64_t>& replicas,
                           const Evaluation& evaluation) {
  std::vector<double> out(form.model.columns.size());
  for (std::size_t l = 0; l < replicas.size(); ++l) {
    out[2 * l] = static_cast<double>(replicas[l]);
    out[2 * l + 1] = static_cast<double>(form.low[l]) / static_cast<double>(replicas[l]);
  }
  if (out.size() > 2 * replicas.size()) {
    out.back() = evaluation.interval / form.unit;
  }
  return out;
}

}  // namespace

Replication replicate_milp(const Problem& problem,
                           std::span<const int> choice,
                           const Budget& budget,
                           Objective objective,
                           const ReplicationOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  const Objective effect = effective(problem, objective);
  const bool latency = effect == Objective::latency;
  const bool form_b = !problem.whole_rounds &&
                      (options.form == Form::b || (options.form == Form::automatic && !latency));
  const std::string solver = fmt::format("glpk {}{}", form_b ? "B" : "A", latency ? "" : "-T");
  if (pes_of(problem, choice) > budget.pes) {
    return infeasible(solver);
  }
  Problem bounded = problem;
  for (std::size_t l = 0; l < options.upper.size(); ++l) {
    bounded.layers[l].max_replicas = std::min(bounded.layers[l].max_replicas, options.upper[l]);
  }
  LagrangianOptions lagrangian;
  lagrangian.fixed = choice;
  LagrangianResult known = minimize(bounded, budget, effect, lagrangian);
  const double free_bound = known.report.bound;
  if (known.solution.choice.empty()) {
    return infeasible(solver);
  }

  Open open;
  if (options.reduce) {
    Budget free = budget;
    free.loss = kInfinity;
    Candidates left = candidates(bounded, free, effect, known, 20000, lagrangian);
    open = {std::move(left.layers), known.least_interval, left.outside, false};
  } else {
    open = capped_counts(bounded, choice, budget, options);
  }
  const double value = known.evaluation.value(effect);
  const double unit = value > 0 ? value : 1;
  Budget area = budget;
  area.loss = kInfinity;
  SolveOptions solve_options = options.solve;
  const bool start = options.reduce;
  Replication out;
  SolveResult result;
  double constant = 0;
  if (form_b) {
    const Secants form = secants(bounded, choice, area, effect, unit, open);
    constant = form.constant;
    if (start) {
      solve_options.start = encode(form, known.solution.replicas, known.evaluation);
      solve_options.known_bound = (free_bound - constant) / unit;
    }
    result = solve(form.model, solve_options);
    out.report.variables = std::ssize(form.model.columns);
    for (std::size_t l = 0; l < choice.size() && !result.values.empty(); ++l) {
      out.replicas.push_back(std::llround(result.values[2 * l]));
    }
  } else {
    const OneHot form =
        one_hot(bounded, area, effect, {1, 0}, open.least_interval, unit, open.layers);
    constant = form.constant;
    if (start) {
      solve_options.start = form.encode(known.solution, known.evaluation);
      solve_options.known_bound = (free_bound - constant) / unit;
    }
    result = solve(form.model, solve_options);
    out.report.variables = std::ssize(form.model.columns);
    if (!result.values.empty()) {
      out.replicas = form.decode(result.values).replicas;
    }
  }
  SolverReport& report = out.report;
  report.solver = solver;
  report.status = result.status;
  report.nodes = result.nodes;
  report.limit_hit = result.limit_hit;
  report.message = result.message.empty() ? result.lp_error : result.message;
  // Answers outside the model are bounded by what left them out.
  report.bound = std::min(constant + unit * result.bound, open.outside);
  if (open.capped) {
    report.bound = std::min(report.bound, free_bound);
  }
  report.bound = std::max(report.bound, free_bound);
  for (std::size_t l = 0; l < out.replicas.size() && open.capped; ++l) {
    out.cap_binds = out.cap_binds || (std::ssize(open.layers[l]) == options.cap &&
                                      out.replicas[l] == open.layers[l].back().replicas);
  }
  finish(bounded, choice, objective, options.solve.mip_gap, out);
  report.seconds = seconds_since(began);
  return out;
}

Replication replicate_fast(const Problem& problem,
                           std::span<const int> choice,
                           const Budget& budget,
                           Objective objective,
                           double gap) {
  LagrangianOptions options;
  options.gap = gap;
  options.fixed = choice;
  LagrangianResult result = minimize(problem, budget, effective(problem, objective), options);
  Replication out;
  out.replicas = std::move(result.solution.replicas);
  out.report = std::move(result.report);
  finish(problem, choice, objective, gap, out);
  return out;
}

Replication replicate_dp(const Problem& problem,
                         std::span<const int> choice,
                         const Budget& budget) {
  const auto began = std::chrono::steady_clock::now();
  const std::int64_t spare = budget.pes - pes_of(problem, choice);
  if (spare < 0) {
    return infeasible("dynamic program");
  }
  const std::size_t layers = choice.size();
  std::int64_t unit = 0;
  for (std::size_t l = 0; l < layers; ++l) {
    unit = std::gcd(unit, choice_of(problem, choice, l).pes);
  }
  unit = std::max<std::int64_t>(unit, 1);
  // least[a]: the least latency of the layers so far with at most a units beyond one replica each.
  const auto areas = static_cast<std::size_t>(spare / unit) + 1;
  std::vector<double> least(areas, problem.fixed_latency);
  std::vector<std::vector<std::int32_t>> taken(layers, std::vector<std::int32_t>(areas));
  for (std::size_t l = 0; l < layers; ++l) {
    const Choice& one = choice_of(problem, choice, l);
    const std::vector<double> before = std::exchange(least, std::vector<double>(areas, kInfinity));
    const std::int64_t pes = one.pes / unit;
    const std::int64_t affordable =
        pes > 0 ? spare / unit / pes + 1 : problem.layers[l].max_replicas;
    for (const std::int64_t k : replica_counts(problem, problem.layers[l], affordable)) {
      const auto more = static_cast<std::size_t>((k - 1) * pes);
      if (more >= areas) {
        break;
      }
      const double time = one.fixed + one.per_position * problem.rounds(problem.layers[l], k);
      for (std::size_t a = more; a < areas; ++a) {
        if (before[a - more] + time < least[a]) {
          least[a] = before[a - more] + time;
          taken[l][a] = static_cast<std::int32_t>(k);
        }
      }
    }
  }
  Replication out;
  out.replicas.resize(layers);
  std::size_t area = areas - 1;
  for (std::size_t l = layers; l-- > 0;) {
    out.replicas[l] = taken[l][area];
    area -= static_cast<std::size_t>((out.replicas[l] - 1) *
                                     (choice_of(problem, choice, l).pes / unit));
  }
  out.report.solver = "dynamic program";
  out.report.variables = static_cast<std::int64_t>(layers * areas);
  out.report.bound = kInfinity;
  finish(problem, choice, Objective::latency, 0, out);
  out.report.seconds = seconds_since(began);
  return out;
}

Replication replicate_bisection(const Problem& problem,
                                std::span<const int> choice,
                                const Budget& budget) {
  const auto began = std::chrono::steady_clock::now();
  if (pes_of(problem, choice) > budget.pes) {
    return infeasible("bisection");
  }
  std::vector<std::int64_t> replicas(choice.size(), 1);
  const auto interval_of = [&] {
    return evaluate(problem, with_replicas(choice, replicas)).interval;
  };
  /// Fewest replicas with busy <= interval; false when they do not fit.
  const auto fit = [&](double interval, std::vector<std::int64_t>& out) {
    std::int64_t left = budget.pes;
    for (std::size_t l = 0; l < choice.size(); ++l) {
      const ProblemLayer& layer = problem.layers[l];
      const Choice& one = choice_of(problem, choice, l);
      std::int64_t low = 1;
      std::int64_t high = layer.max_replicas;
      while (low < high) {
        const std::int64_t middle = (low + high) / 2;
        if (one.per_position * problem.rounds(layer, middle) <= interval) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      if (one.per_position * problem.rounds(layer, low) > interval) {
        return false;
      }
      out[l] = low;
      left -= low * one.pes;
    }
    return left >= 0;
  };
  double reached = interval_of();
  double missed = 0;
  std::vector<std::int64_t> next(choice.size());
  while (reached > problem.fixed_interval) {
    const double middle = std::max(problem.fixed_interval, (missed + reached) / 2);
    if (middle <= missed || middle >= reached) {
      break;  // no number in between
    }
    if (fit(middle, next)) {
      replicas = next;
      reached = interval_of();
    } else {
      missed = middle;
    }
  }
  Replication out;
  out.replicas = std::move(replicas);
  out.report.solver = "bisection";
  out.report.bound = kInfinity;
  finish(problem, choice, Objective::throughput, 0, out);
  out.report.seconds = seconds_since(began);
  return out;
}

}  // namespace tessera::mapper::milp
