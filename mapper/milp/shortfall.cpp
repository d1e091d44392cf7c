// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/shortfall.hpp"

#include "mapper/milp/one_hot.hpp"
#include "mapper/milp/selection.hpp"
#include "mapper/milp/solver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tessera::mapper::milp {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

/// Every layer's choices, with their loss or without a loss when one of them is given.
Problem opened(const Problem& problem, std::span<const int> fixed) {
  Problem open = problem;
  for (std::size_t l = 0; l < fixed.size(); ++l) {
    std::vector<Choice>& choices = open.layers[l].choices;
    choices = {choices[static_cast<std::size_t>(fixed[l])]};
    choices.front().loss = 0;
  }
  return open;
}

/// The least use of a limit within PEs and loss, one replica each.
double least_use(const Problem& problem,
                 const std::vector<Counts>& counts,
                 const Budget& budget,
                 Limit limit) {
  Selection selection;
  selection.counts = &counts;
  selection.pes = budget.pes;
  selection.loss = budget.loss * kLossRounding;
  for (const ProblemLayer& layer : problem.layers) {
    std::vector<Family>& families = selection.layers.emplace_back();
    for (std::size_t c = 0; c < layer.choices.size(); ++c) {
      const Choice& choice = layer.choices[c];
      families.push_back({static_cast<int>(c),
                          choice.uses[static_cast<std::size_t>(limit)],
                          0,
                          choice.pes,
                          choice.loss});
    }
  }
  SelectionOptions exact;
  exact.gap = 0;
  return solve_selection(selection, exact).cost;
}

std::string_view what_is(Limit limit) {
  switch (limit) {
    case Limit::buffer:
      return "bits of line buffers";
    case Limit::vector_unit:
      return "lanes of vector units";
  }
  return {};
}

/// The least sum of one of the two under a budget of the other, exactly.
std::optional<double> least(const Problem& problem,
                            const std::vector<Counts>& counts,
                            const Budget& budget,
                            bool of_loss) {
  Selection selection;
  selection.counts = &counts;
  selection.pes = of_loss ? budget.pes : 0;
  selection.loss = of_loss ? kInf : budget.loss * kLossRounding;
  for (const ProblemLayer& layer : problem.layers) {
    std::vector<Family>& families = selection.layers.emplace_back();
    for (std::size_t c = 0; c < layer.choices.size(); ++c) {
      const Choice& choice = layer.choices[c];
      Family family;
      family.choice = static_cast<int>(c);
      family.fixed = of_loss ? choice.loss : static_cast<double>(choice.pes);
      family.pes = of_loss ? choice.pes : 0;
      family.loss = of_loss ? 0 : choice.loss;
      families.push_back(family);
    }
  }
  SelectionOptions exact;
  exact.gap = 0;
  const SelectionResult result = solve_selection(selection, exact);
  return result.options.empty() ? std::nullopt : std::optional<double>(result.cost);
}

}  // namespace

namespace {

/// When PEs and loss can be met: nothing, or which limit cannot.
std::optional<Shortfall> limit_shortfall(const Problem& problem,
                                         const std::vector<Counts>& counts,
                                         const Budget& budget,
                                         Shortfall out) {
  int given = 0;
  for (std::size_t i = 0; i < kLimits; ++i) {
    if (budget.limits[i] == kInf) {
      continue;
    }
    ++given;
    out.limit = static_cast<Limit>(i);
    out.least_use = least_use(problem, counts, budget, out.limit);
    if (out.least_use > budget.limits[i] * kLossRounding) {
      out.constraint = Constraint::limit;
      return out;
    }
  }
  if (given < 2 || one_replica_each(problem, budget)) {
    return std::nullopt;
  }
  out.constraint = Constraint::limits;
  return out;
}

}  // namespace

std::optional<Solution> one_replica_each(const Problem& problem,
                                         const Budget& budget,
                                         std::span<const int> fixed) {
  std::vector<std::vector<Option>> options;
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    std::vector<Option>& layer = options.emplace_back();
    const std::vector<Choice>& choices = problem.layers[l].choices;
    for (std::size_t c = 0; c < choices.size(); ++c) {
      if (fixed.empty() || static_cast<std::size_t>(fixed[l]) == c) {
        layer.push_back({static_cast<int>(c), 1, 0, choices[c].pes, choices[c].loss, 0});
      }
    }
  }
  Budget open = budget;
  if (!fixed.empty()) {
    open.loss = kInf;
  }
  const OneHot form = one_hot(problem, open, Objective::latency, {0, 0}, 0, 1, std::move(options));
  const SolveResult result = solve(form.model, {});
  if (result.status == Status::infeasible) {
    return std::nullopt;
  }
  return result.values.empty() ? Solution{} : form.decode(result.values);
}

std::int64_t Shortfall::missing_pes() const {
  return constraint == Constraint::both && pes_at_loss
             ? *pes_at_loss - budget.pes
             : std::max<std::int64_t>(0, least_pes - budget.pes);
}

double Shortfall::missing_loss() const {
  return constraint == Constraint::both && loss_at_pes ? *loss_at_pes - budget.loss
                                                       : std::max(0.0, least_loss - budget.loss);
}

std::string Shortfall::sentence() const {
  switch (constraint) {
    case Constraint::pes:
      return fmt::format("needs {} PEs for one replica of every layer, {} are there: {} missing",
                         least_pes,
                         budget.pes,
                         missing_pes());
    case Constraint::loss:
      return fmt::format("loses at least {:.6g}, {:.6g} is allowed: {:.6g} too much",
                         least_loss,
                         budget.loss,
                         missing_loss());
    case Constraint::both:
      return fmt::format(
          "no choice meets both {} PEs and a loss of {:.6g}", budget.pes, budget.loss);
    case Constraint::limit: {
      const double allowed = budget.limits[static_cast<std::size_t>(limit)];
      return fmt::format(
          "needs at least {:.6g} {} for one replica of every layer, {:.6g} are allowed: {:.6g} "
          "missing",
          least_use,
          what_is(limit),
          allowed,
          least_use - allowed);
    }
    case Constraint::limits:
      return "no choice keeps to the limits of buffer and vector unit at the same time";
  }
  return {};
}

std::string Shortfall::remedy() const {
  if (constraint == Constraint::limit) {
    return fmt::format(
        "{:.4g} times the limit of {} suffices",
        std::ceil(1e3 * least_use / budget.limits[static_cast<std::size_t>(limit)]) / 1e3,
        limit == Limit::buffer ? "buffer" : "vector_unit");
  }
  if (constraint == Constraint::limits) {
    return "raise either of them";
  }
  std::string out;
  if (pes_at_loss && *pes_at_loss > budget.pes) {
    out += fmt::format(
        "{} PEs ({} more) suffice at this loss", *pes_at_loss, *pes_at_loss - budget.pes);
  }
  if (loss_at_pes && *loss_at_pes > budget.loss) {
    out += fmt::format(
        "{}a loss of {:.6g} suffices on these PEs", out.empty() ? "" : "; ", *loss_at_pes);
  }
  if (out.empty()) {
    out = fmt::format("{} PEs and a loss of {:.6g} are the least of each", least_pes, least_loss);
  }
  return out;
}

std::optional<Shortfall> find_shortfall(const Problem& problem,
                                        const Budget& budget,
                                        std::span<const int> fixed) {
  const Problem open = opened(problem, fixed);
  Shortfall out;
  out.budget = budget;
  std::vector<Counts> counts;
  for (std::size_t l = 0; l < open.layers.size(); ++l) {
    const std::vector<Choice>& choices = open.layers[l].choices;
    std::int64_t pes = choices.front().pes;
    double loss = choices.front().loss;
    for (const Choice& choice : choices) {
      pes = std::min(pes, choice.pes);
      loss = std::min(loss, choice.loss);
    }
    out.least_pes += pes;
    out.least_loss += loss;
    counts.emplace_back(open, open.layers[l]);
  }
  const bool area = out.least_pes > budget.pes;
  const bool accuracy = out.least_loss > budget.loss * kLossRounding;
  if (!accuracy) {
    if (budget.loss < kInf) {
      if (const std::optional<double> pes = least(open, counts, budget, false)) {
        out.pes_at_loss = std::llround(*pes);
      }
    } else {
      out.pes_at_loss = out.least_pes;
    }
  }
  if (!area) {
    out.loss_at_pes = least(open, counts, budget, true);
  }
  if (!area && !accuracy) {
    if (out.pes_at_loss && *out.pes_at_loss <= budget.pes) {
      return limit_shortfall(open, counts, budget, out);
    }
    out.constraint = Constraint::both;
  } else {
    out.constraint = area ? Constraint::pes : Constraint::loss;
  }
  return out;
}

}  // namespace tessera::mapper::milp
