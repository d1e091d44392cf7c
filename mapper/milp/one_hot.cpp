// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/one_hot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tessera::mapper::milp {

std::vector<std::pair<Limit, Row>> limit_rows(const Budget& budget) {
  std::vector<std::pair<Limit, Row>> out;
  for (const auto& [limit, name] : enum_names(Limit{})) {
    if (budget.limits[static_cast<std::size_t>(limit)] < kInfinity) {
      out.push_back({limit, {fmt::format("limit_{}", name), -kInfinity, kLossRounding, {}}});
    }
  }
  return out;
}

Solution OneHot::decode(const std::vector<double>& values) const {
  Solution out;
  std::size_t column = 0;
  for (const std::vector<Option>& layer : options) {
    for (const Option& option : layer) {
      if (values[column++] > 0.5) {
        out.choice.push_back(option.choice);
        out.replicas.push_back(option.replicas);
      }
    }
  }
  return out;
}

std::vector<double> OneHot::encode(const Solution& solution, const Evaluation& evaluation) const {
  std::vector<double> out(model.columns.size());
  std::size_t column = 0;
  for (std::size_t l = 0; l < options.size(); ++l) {
    bool found = false;
    for (const Option& option : options[l]) {
      const bool chosen =
          option.choice == solution.choice[l] && option.replicas == solution.replicas[l];
      out[column++] = chosen ? 1 : 0;
      found = found || chosen;
    }
    if (!found) {
      return {};
    }
  }
  if (interval >= 0) {
    out[static_cast<std::size_t>(interval)] = evaluation.interval / interval_unit;
  }
  return out;
}

OneHot one_hot(const Problem& problem,
               const Budget& budget,
               Objective objective,
               Weights weights,
               double least_interval,
               double unit,
               std::vector<std::vector<Option>> options) {
  OneHot out;
  out.unit = unit;
  out.options = std::move(options);
  MilpModel& model = out.model;
  model.name = problem.network;
  const bool throughput = objective == Objective::throughput;
  const double static_power = throughput ? 1 : weights.energy * problem.static_power;
  if (!throughput) {
    out.constant = weights.latency * problem.fixed_latency + weights.energy * problem.fixed_energy;
  }
  const bool with_interval = static_power > 0;
  const double shortest = std::max(problem.fixed_interval, least_interval);
  if (throughput) {
    out.interval_unit = unit;
  } else if (shortest > 0) {
    out.interval_unit = shortest;
  }
  Row pes{"pes", -kInfinity, static_cast<double>(budget.pes), {}};
  Row loss{"loss", -kInfinity, budget.loss * kLossRounding, {}};
  std::vector<Row> slowest;
  std::vector<std::pair<Limit, Row>> limits = limit_rows(budget);
  for (std::size_t l = 0; l < out.options.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    Row one{fmt::format("one_{}_{}", l, layer.name), 1, 1, {}};
    Row busy{fmt::format("slowest_{}_{}", l, layer.name), -kInfinity, 0, {}};
    for (const Option& option : out.options[l]) {
      const Choice& choice = layer.choices[static_cast<std::size_t>(option.choice)];
      const double occupied = choice.per_position * problem.rounds(layer, option.replicas);
      const double cost =
          throughput ? 0
                     : weights.latency * (choice.fixed + occupied) + weights.energy * choice.energy;
      const int column = model.add(Column{
          fmt::format(
              "x_{}_{}_w{}_a{}_r{}", l, layer.name, choice.w_bits, choice.a_bits, option.replicas),
          0,
          1,
          Domain::binary,
          cost / unit});
      const auto replicas = static_cast<double>(option.replicas);
      one.terms.push_back({column, 1});
      busy.terms.push_back({column, occupied / out.interval_unit});
      pes.terms.push_back({column, static_cast<double>(choice.pes) * replicas});
      loss.terms.push_back({column, choice.loss});
      for (auto& [limit, row] : limits) {
        const auto i = static_cast<std::size_t>(limit);
        row.terms.push_back({column, choice.uses[i] * replicas / budget.limits[i]});
      }
    }
    model.add(std::move(one));
    slowest.push_back(std::move(busy));
  }
  model.add(std::move(pes));
  if (budget.loss < kInfinity) {
    model.add(std::move(loss));
  }
  for (auto& [limit, row] : limits) {
    model.add(std::move(row));
  }
  if (with_interval) {
    out.interval = model.add(Column{"interval",
                                    shortest / out.interval_unit,
                                    kInfinity,
                                    Domain::continuous,
                                    static_power * out.interval_unit / unit});
    for (Row& row : slowest) {
      row.terms.push_back({out.interval, -1});
      model.add(std::move(row));
    }
  }
  return out;
}

}  // namespace tessera::mapper::milp
