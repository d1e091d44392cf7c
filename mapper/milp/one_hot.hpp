// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The MILP with one binary per option: form A of the replication problem, and the joint problem.
///
///   sum_o x[l,o] = 1 for every layer l;  sum pes x <= PEs;  sum loss x <= loss;
///   sum uses x <= limit for every limit that the budget has
///   latency, weighted   minimise sum cost x                        (+ static_power * t)
///   throughput          minimise t with t >= sum_o busy x[l,o] for every l
///
/// Units    costs are divided by `unit` (the value of a known answer), so that the objective is
/// about
///          1 and a tolerance means the same for every network; t by the shortest interval there
///          can be (throughput: by `unit`), because joules per cycle of static power span ten
///          orders of magnitude, on which GLPK's simplex loses solutions
#pragma once

#include "mapper/milp/lagrangian.hpp"
#include "mapper/milp/model.hpp"
#include "mapper/problem.hpp"

#include <utility>
#include <vector>

namespace tessera::mapper::milp {

struct OneHot {
  MilpModel model;
  std::vector<std::vector<Option>> options;  ///< by layer; columns in the same order
  int interval = -1;                         ///< column of t; -1 without
  double unit = 1;
  double interval_unit = 1;  ///< of t
  double constant = 0;       ///< value = constant + unit * objective of the model

  [[nodiscard]] Solution decode(const std::vector<double>& values) const;
  /// Values of the columns; empty when the solution uses an option that is not there.
  [[nodiscard]] std::vector<double> encode(const Solution& solution,
                                           const Evaluation& evaluation) const;
};

/// `weights` are looked at unless the objective is throughput; t is at least `least_interval`.
OneHot one_hot(const Problem& problem,
               const Budget& budget,
               Objective objective,
               Weights weights,
               double least_interval,
               double unit,
               std::vector<std::vector<Option>> options);

/// A row for every limit of the budget, in units of it and without terms, and which limit it is.
std::vector<std::pair<Limit, Row>> limit_rows(const Budget& budget);

}  // namespace tessera::mapper::milp
