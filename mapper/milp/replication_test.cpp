// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/replication.hpp"

#include "mapper/milp/joint.hpp"
#include "mapper/milp/shortfall.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace tessera::mapper::milp {
namespace {

/// Two layers: 90 cycles on 1 PE, 10 cycles on 2; both are worth replicas.
Problem two_layers() {
  Problem problem;
  problem.network = "two";
  for (const double cycles : {90.0, 10.0}) {
    ProblemLayer layer;
    layer.name = cycles > 50 ? "slow" : "fast";
    layer.positions = 10;
    layer.max_replicas = 1000;
    Choice choice;
    choice.pes = cycles > 50 ? 1 : 2;
    choice.per_position = cycles / 10;
    choice.energy = 2;
    layer.choices = {choice};
    problem.layers.push_back(layer);
  }
  return problem;
}

const std::vector<int> kFirst = {0, 0};

TEST(Replication, TakesTheFormThatFits) {
  Problem problem = two_layers();
  const Budget budget{20};
  const auto solver = [&](Objective objective, Form form) {
    ReplicationOptions options;
    options.form = form;
    return replicate_milp(problem, kFirst, budget, objective, options).report.solver;
  };
  EXPECT_EQ(solver(Objective::latency, Form::automatic), "glpk A");
  EXPECT_EQ(solver(Objective::throughput, Form::automatic), "glpk B-T");
  EXPECT_EQ(solver(Objective::latency, Form::b), "glpk B");
  EXPECT_EQ(solver(Objective::throughput, Form::a), "glpk A-T");
  problem.whole_rounds = true;
  EXPECT_EQ(solver(Objective::throughput, Form::automatic), "glpk A-T");
  EXPECT_EQ(solver(Objective::latency, Form::b), "glpk A");
}

TEST(Replication, SaysWhenTheCapBinds) {
  const Problem problem = two_layers();
  const Budget budget{200};
  ReplicationOptions options;
  options.reduce = false;
  options.cap = 4;
  const Replication capped = replicate_milp(problem, kFirst, budget, Objective::latency, options);
  EXPECT_TRUE(capped.cap_binds);
  EXPECT_EQ(capped.replicas, (std::vector<std::int64_t>{4, 4}));
  const Replication exact = replicate_dp(problem, kFirst, budget);
  EXPECT_LE(capped.report.bound, exact.report.objective);
  EXPECT_GT(capped.report.gap, 0.5);
  EXPECT_EQ(capped.report.status, Status::feasible);
  options.reduce = true;
  const Replication reduced = replicate_milp(problem, kFirst, budget, Objective::latency, options);
  EXPECT_FALSE(reduced.cap_binds);
  EXPECT_NEAR(reduced.report.objective, exact.report.objective, 1e-3 * exact.report.objective);
}

TEST(Replication, EnergyAndEdpFollowWhatReplicasChange) {
  Problem problem = two_layers();
  problem.static_power = 0.5;
  const Budget budget{20};
  const Replication throughput = replicate_fast(problem, kFirst, budget, Objective::throughput);
  const Replication energy = replicate_fast(problem, kFirst, budget, Objective::energy);
  EXPECT_EQ(energy.replicas, throughput.replicas);
  EXPECT_DOUBLE_EQ(energy.report.objective, 4 + 0.5 * throughput.report.objective);
  EXPECT_DOUBLE_EQ(energy.report.bound, energy.report.objective);
  const Replication latency = replicate_fast(problem, kFirst, budget, Objective::latency);
  const Replication edp = replicate_fast(problem, kFirst, budget, Objective::edp);
  EXPECT_EQ(edp.replicas, latency.replicas);
  EXPECT_LE(edp.report.bound, edp.report.objective);
}

TEST(Replication, KeepsToLimits) {
  Problem problem = two_layers();
  problem.layers[0].choices[0].uses = {0, 1};
  problem.layers[1].choices[0].uses = {0, 3};
  ReplicationOptions options;
  options.upper = {5, 1000};
  Budget budget{100};
  budget.limits[static_cast<std::size_t>(Limit::vector_unit)] = 14;
  const Replication found = replicate_milp(problem, kFirst, budget, Objective::latency, options);
  EXPECT_EQ(found.replicas, (std::vector<std::int64_t>{5, 3}));
  budget.limits[static_cast<std::size_t>(Limit::vector_unit)] = 3;
  EXPECT_EQ(replicate_milp(problem, kFirst, budget, Objective::latency, options).report.status,
            Status::infeasible);
  const std::optional<Shortfall> shortfall = find_shortfall(problem, budget, kFirst);
  ASSERT_TRUE(shortfall);
  EXPECT_EQ(shortfall->sentence(),
            "needs at least 4 lanes of vector units for one replica of every layer, 3 are allowed: "
            "1 missing");
  EXPECT_EQ(shortfall->remedy(), "1.334 times the limit of vector_unit suffices");
}

/// Cycles times watts in joules: with t in joules' unit, coefficients of 1e8 made GLPK lose
/// answers.
TEST(OneHot, CoefficientsStayNearOneInRealUnits) {
  Problem problem = two_layers();
  problem.static_power = 1e-9;
  for (ProblemLayer& layer : problem.layers) {
    layer.choices[0].per_position *= 1e6;
    layer.choices[0].energy *= 1e-3;
  }
  const Evaluation once = evaluate(problem, {kFirst, {1, 1}});
  const std::vector<std::vector<Option>> options = {{{0, 1, 0, 1, 0, 0}, {0, 2, 0, 2, 0, 0}},
                                                    {{0, 1, 0, 2, 0, 0}}};
  const OneHot form =
      one_hot(problem, {10}, Objective::energy, {0, 1}, once.interval / 4, once.energy, options);
  for (const milp::Row& row : form.model.rows) {
    for (const Term& term : row.terms) {
      EXPECT_LE(std::abs(term.coefficient), 10) << row.name;
    }
  }
  const Evaluation twice = evaluate(problem, {kFirst, {2, 1}});
  const std::vector<double> values = form.encode({kFirst, {2, 1}}, twice);
  EXPECT_DOUBLE_EQ(form.constant + form.unit * form.model.value(values), twice.energy);
  EXPECT_LE(form.model.violation(values), 1e-12);
}

TEST(Replication, TooFewPesAreInfeasible) {
  const Problem problem = two_layers();
  for (const Replication& found :
       {replicate_milp(problem, kFirst, Budget{2}, Objective::latency),
        replicate_fast(problem, kFirst, Budget{2}, Objective::throughput),
        replicate_dp(problem, kFirst, Budget{2}),
        replicate_bisection(problem, kFirst, Budget{2})}) {
    EXPECT_EQ(found.report.status, Status::infeasible);
    EXPECT_TRUE(found.replicas.empty());
  }
  const auto missing = find_shortfall(problem, Budget{2}, kFirst);
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->sentence(),
            "needs 3 PEs for one replica of every layer, 2 are there: 1 missing");
  EXPECT_EQ(missing->remedy(), "3 PEs (1 more) suffice at this loss");
  EXPECT_FALSE(find_shortfall(problem, Budget{3}, kFirst));
}

/// One layer, two choices: 10 PEs without loss, or 5 PEs with a loss of 1.
TEST(Shortfall, NamesTheConstraintAndTheRemedy) {
  Problem problem;
  ProblemLayer layer;
  Choice large;
  large.pes = 10;
  large.per_position = 1;
  Choice small = large;
  small.pes = 5;
  small.loss = 1;
  layer.choices = {small, large};
  problem.layers = {layer};
  const auto both = find_shortfall(problem, {7, 0.5});
  ASSERT_TRUE(both);
  EXPECT_EQ(both->constraint, Constraint::both);
  EXPECT_EQ(both->missing_pes(), 3);
  EXPECT_DOUBLE_EQ(both->missing_loss(), 0.5);
  EXPECT_EQ(both->sentence(), "no choice meets both 7 PEs and a loss of 0.5");
  EXPECT_EQ(both->remedy(),
            "10 PEs (3 more) suffice at this loss; a loss of 1 suffices on these PEs");
  const auto area = find_shortfall(problem, {4, 2});
  ASSERT_TRUE(area);
  EXPECT_EQ(area->constraint, Constraint::pes);
  EXPECT_EQ(area->missing_pes(), 1);
  problem.layers[0].choices = {small};
  const auto loss = find_shortfall(problem, {7, 0.5});
  ASSERT_TRUE(loss);
  EXPECT_EQ(loss->constraint, Constraint::loss);
  EXPECT_EQ(loss->sentence(), "loses at least 1, 0.5 is allowed: 0.5 too much");
  EXPECT_EQ(loss->remedy(), "a loss of 1 suffices on these PEs");
  EXPECT_FALSE(find_shortfall(problem, {7, 1}));
}

TEST(Joint, SameAnswerEveryTime) {
  const Problem problem = two_layers();
  for (const Objective objective :
       {Objective::latency, Objective::throughput, Objective::energy, Objective::edp}) {
    EXPECT_EQ(joint_milp(problem, Budget{30}, objective).solution,
              joint_milp(problem, Budget{30}, objective).solution);
    EXPECT_EQ(joint_lagrangian(problem, Budget{30}, objective).solution,
              joint_lagrangian(problem, Budget{30}, objective).solution);
  }
}

}  // namespace
}  // namespace tessera::mapper::milp
