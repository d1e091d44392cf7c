// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/shortfall.hpp"

#include "mapper/milp/selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tessera::mapper::milp {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

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
  }
  return {};
}

std::string Shortfall::remedy() const {
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
  Problem open = problem;
  Shortfall out;
  out.budget = budget;
  std::vector<Counts> counts;
  for (std::size_t l = 0; l < open.layers.size(); ++l) {
    std::vector<Choice>& choices = open.layers[l].choices;
    if (!fixed.empty()) {
      choices = {choices[static_cast<std::size_t>(fixed[l])]};
      choices.front().loss = 0;
    }
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
      return std::nullopt;
    }
    out.constraint = Constraint::both;
  } else {
    out.constraint = area ? Constraint::pes : Constraint::loss;
  }
  return out;
}

}  // namespace tessera::mapper::milp
