// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every optimiser of mapper/milp against enumeration, and against each other, on small random
/// problems.
#include "mapper/milp/counts.hpp"
#include "mapper/milp/joint.hpp"
#include "mapper/milp/replication.hpp"
#include "mapper/milp/shortfall.hpp"
#include "sim/base/rng.hpp"
#include "tests/support/tile_read.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper::milp {
namespace {

constexpr double kRounding = 1e-9;

Problem random_problem(Rng& rng, int max_layers, int max_choices) {
  Problem problem;
  problem.network = "random";
  problem.whole_rounds = rng.chance(0.5);
  problem.fixed_latency = rng.chance(0.5) ? rng.uniform01() * 20 : 0;
  problem.fixed_interval = rng.chance(0.3) ? rng.uniform01() * 20 : 0;
  problem.fixed_energy = rng.uniform01();
  problem.static_power = rng.chance(0.5) ? rng.uniform01() * 0.1 : 0;
  const std::int64_t layers = rng.uniform(1, max_layers);
  for (std::int64_t l = 0; l < layers; ++l) {
    ProblemLayer layer;
    layer.name = "layer" + std::to_string(l);
    layer.positions = rng.uniform(1, 30);
    layer.max_replicas = std::min<std::int64_t>(layer.positions, rng.uniform(1, 6));
    const std::int64_t choices = rng.uniform(1, max_choices);
    for (std::int64_t c = 0; c < choices; ++c) {
      Choice choice;
      choice.w_bits = static_cast<int>(c) + 1;
      choice.pes = rng.uniform(1, 6);
      choice.fixed = rng.chance(0.5) ? rng.uniform01() * 5 : 0;
      choice.per_position = rng.chance(0.1) ? 0 : rng.uniform01() * 10;
      choice.energy = rng.uniform01();
      choice.loss = rng.chance(0.2) ? 0 : rng.uniform01();
      layer.choices.push_back(choice);
    }
    problem.layers.push_back(layer);
    problem.pes += 8;
  }
  return problem;
}

/// Cycles and joules as chips have them: ten orders of magnitude apart.
void in_real_units(Problem& problem) {
  problem.fixed_latency *= 1e6;
  problem.fixed_interval *= 1e6;
  problem.fixed_energy *= 1e-3;
  problem.static_power *= 1e-9;
  for (ProblemLayer& layer : problem.layers) {
    for (Choice& choice : layer.choices) {
      choice.fixed *= 1e6;
      choice.per_position *= 1e6;
      choice.energy *= 1e-3;
    }
  }
}

/// Gives every choice a use of buffer and vector unit, and the budget a limit of one or both: at
/// times too low for one replica of every layer.
Budget limited(Rng& rng, Problem& problem, Budget budget) {
  budget.limits = {rng.uniform01() * 4, rng.uniform01()};
  for (ProblemLayer& layer : problem.layers) {
    PerLimit most{};
    for (Choice& choice : layer.choices) {
      choice.uses = {static_cast<double>(rng.uniform(0, 5)), rng.uniform01()};
      for (std::size_t i = 0; i < kLimits; ++i) {
        most[i] = std::max(most[i], choice.uses[i]);
      }
    }
    for (std::size_t i = 0; i < kLimits; ++i) {
      budget.limits[i] += most[i] * (0.3 + rng.uniform01());
    }
  }
  if (rng.chance(0.5)) {
    budget.limits[static_cast<std::size_t>(rng.uniform(0, 1))] = kInfinity;
  }
  return budget;
}

/// Calls use(solution) for every choice and every number of replicas.
void enumerate(const Problem& problem, const std::function<void(const Solution&)>& use) {
  Solution solution;
  const std::function<void(std::size_t)> descend = [&](std::size_t l) {
    if (l == problem.layers.size()) {
      use(solution);
      return;
    }
    solution.choice.push_back(0);
    solution.replicas.push_back(1);
    for (std::size_t c = 0; c < problem.layers[l].choices.size(); ++c) {
      for (std::int64_t r = 1; r <= problem.layers[l].max_replicas; ++r) {
        solution.choice[l] = static_cast<int>(c);
        solution.replicas[l] = r;
        descend(l + 1);
      }
    }
    solution.choice.pop_back();
    solution.replicas.pop_back();
  };
  descend(0);
}

std::vector<int> random_choice(Rng& rng, const Problem& problem) {
  std::vector<int> out;
  for (const ProblemLayer& layer : problem.layers) {
    out.push_back(static_cast<int>(rng.uniform(0, std::ssize(layer.choices) - 1)));
  }
  return out;
}

Problem only(const Problem& problem, const std::vector<int>& choice) {
  Problem out = problem;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    out.layers[l].choices = {problem.layers[l].choices[static_cast<std::size_t>(choice[l])]};
  }
  return out;
}

double value_of(const Problem& problem,
                const std::vector<int>& choice,
                const std::vector<std::int64_t>& replicas,
                Objective objective) {
  return evaluate(problem, {choice, replicas}).value(objective);
}

/// The answer is legal, its report says what it is worth, and the bound is one.
void expect_answer(const Problem& problem,
                   const std::vector<int>& choice,
                   const Budget& budget,
                   Objective objective,
                   double optimum,
                   double gap,
                   const Replication& found) {
  ASSERT_EQ(found.replicas.size(), choice.size()) << found.report.solver << found.report.message;
  const Evaluation evaluation = evaluate(problem, {choice, found.replicas});
  EXPECT_TRUE(evaluation.fits(budget)) << found.report.solver;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    EXPECT_LE(found.replicas[l], problem.layers[l].max_replicas);
  }
  EXPECT_DOUBLE_EQ(evaluation.value(objective), found.report.objective);
  EXPECT_GE(found.report.objective, optimum * (1 - kRounding)) << found.report.solver;
  EXPECT_LE(found.report.objective * (1 - gap), optimum * (1 + kRounding)) << found.report.solver;
  EXPECT_LE(found.report.bound, optimum * (1 + kRounding)) << found.report.solver;
}

TEST(MilpProperty, CountsAgreeWithLookingAtAllOfThem) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed, "counts");
    Problem problem = random_problem(rng, 1, 1);
    ProblemLayer& layer = problem.layers[0];
    layer.positions = rng.uniform(1, 200);
    layer.max_replicas = rng.uniform(1, problem.whole_rounds ? layer.positions : 300);
    const Counts counts(problem, layer);
    const double weight = rng.chance(0.1) ? 0 : std::exp(rng.uniform01() * 12 - 8);
    const std::int64_t least = counts.at(rng.uniform(0, counts.size() - 1));
    const auto value = [&](std::int64_t k) {
      return problem.rounds(layer, k) + weight * static_cast<double>(k);
    };
    double lowest = 1e300;
    for (std::int64_t k = least; k <= layer.max_replicas; ++k) {
      lowest = std::min(lowest, value(k));
    }
    ASSERT_DOUBLE_EQ(value(counts.best(weight, least)), lowest) << seed;
    const double limit = lowest * (1 + rng.uniform01());
    std::vector<std::int64_t> expected;
    for (const std::int64_t k : replica_counts(problem, layer, 1000)) {
      if (k >= least && value(k) <= limit) {
        expected.push_back(k);
      }
    }
    std::vector<std::int64_t> found;
    counts.within(weight, limit, least, [&](std::int64_t k) { found.push_back(k); });
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, expected) << seed;
    const double rounds = rng.uniform01() * static_cast<double>(layer.positions);
    std::int64_t smallest = -1;
    for (std::int64_t k = layer.max_replicas; k >= 1; --k) {
      smallest = 3.0 * problem.rounds(layer, k) <= 3.0 * rounds ? k : smallest;
    }
    ASSERT_EQ(counts.for_limit(3.0, 3.0 * rounds), smallest) << seed;
  }
}

TEST(MilpProperty, ReplicationIsTheBestOfAll) {
  std::size_t feasible = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "replication");
    const Problem problem = random_problem(rng, 5, 2);
    const std::vector<int> choice = random_choice(rng, problem);
    const Budget budget{pes_of(problem, choice) + rng.uniform(-1, 20)};
    double latency = kInfinity;
    double interval = kInfinity;
    double energy = kInfinity;
    enumerate(only(problem, choice), [&](const Solution& one) {
      const Evaluation evaluation = evaluate(problem, {choice, one.replicas});
      if (evaluation.pes <= budget.pes) {
        latency = std::min(latency, evaluation.latency);
        interval = std::min(interval, evaluation.interval);
        energy = std::min(energy, evaluation.energy);
      }
    });
    if (latency == kInfinity) {
      for (const Objective objective : {Objective::latency, Objective::throughput}) {
        EXPECT_EQ(replicate_milp(problem, choice, budget, objective).report.status,
                  Status::infeasible);
        EXPECT_EQ(replicate_fast(problem, choice, budget, objective).report.status,
                  Status::infeasible);
      }
      EXPECT_EQ(replicate_dp(problem, choice, budget).report.status, Status::infeasible);
      EXPECT_EQ(replicate_bisection(problem, choice, budget).report.status, Status::infeasible);
      EXPECT_TRUE(find_shortfall(problem, budget, choice));
      continue;
    }
    ++feasible;
    const auto expect = [&](Objective objective, double optimum, double gap, const Replication& x) {
      expect_answer(problem, choice, budget, objective, optimum, gap, x);
    };
    expect(Objective::latency, latency, 0, replicate_dp(problem, choice, budget));
    expect(Objective::throughput, interval, 0, replicate_bisection(problem, choice, budget));
    for (const double gap : {0.0, 1e-3, 0.05}) {
      expect(Objective::latency,
             latency,
             gap,
             replicate_fast(problem, choice, budget, Objective::latency, gap));
      expect(Objective::throughput,
             interval,
             0,
             replicate_fast(problem, choice, budget, Objective::throughput, gap));
      expect(Objective::energy,
             energy,
             0,
             replicate_fast(problem, choice, budget, Objective::energy, gap));
    }
    for (const Form form : {Form::automatic, Form::a, Form::b}) {
      for (const bool reduce : {true, false}) {
        ReplicationOptions options;
        options.form = form;
        options.reduce = reduce;
        options.solve.mip_gap = 0;
        expect(Objective::latency,
               latency,
               1e-6,
               replicate_milp(problem, choice, budget, Objective::latency, options));
        expect(Objective::throughput,
               interval,
               1e-6,
               replicate_milp(problem, choice, budget, Objective::throughput, options));
      }
    }
  }
  EXPECT_GE(feasible, 200U);
}

TEST(MilpProperty, LimitsAndUpperBoundsHold) {
  std::size_t binding = 0;
  std::size_t exact = 0;
  std::size_t quick_answers = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "limits");
    Problem problem = random_problem(rng, 4, 1);
    const std::vector<int> choice(problem.layers.size(), 0);
    const Budget free{pes_of(problem, choice) + rng.uniform(0, 20)};
    ReplicationOptions options;
    options.solve.mip_gap = 0;
    const Budget budget = limited(rng, problem, free);
    for (const ProblemLayer& layer : problem.layers) {
      options.upper.push_back(rng.uniform(1, layer.max_replicas));
    }
    for (const Objective objective : {Objective::latency, Objective::throughput}) {
      double optimum = kInfinity;
      double free_optimum = kInfinity;
      enumerate(problem, [&](const Solution& one) {
        const Evaluation evaluation = evaluate(problem, one);
        bool legal = evaluation.pes <= budget.pes;
        free_optimum = legal ? std::min(free_optimum, evaluation.value(objective)) : free_optimum;
        for (std::size_t l = 0; l < one.replicas.size(); ++l) {
          legal = legal && one.replicas[l] <= options.upper[l];
        }
        if (legal && evaluation.fits(budget)) {
          optimum = std::min(optimum, evaluation.value(objective));
        }
      });
      for (const Form form : {Form::a, Form::b}) {
        options.form = form;
        const Replication found = replicate_milp(problem, choice, budget, objective, options);
        if (optimum == kInfinity) {
          EXPECT_EQ(found.report.status, Status::infeasible);
          EXPECT_TRUE(find_shortfall(problem, budget, choice));
          continue;
        }
        binding += optimum > free_optimum ? 1 : 0;
        expect_answer(problem, choice, budget, objective, optimum, 1e-6, found);
      }
      // Without counting on options.upper: bounds are bounds, answers keep to the limits.
      const Replication quick = replicate_fast(problem, choice, budget, objective);
      EXPECT_EQ(quick.replicas.empty(), optimum == kInfinity);
      if (!quick.replicas.empty()) {
        double best = kInfinity;
        enumerate(problem, [&](const Solution& one) {
          const Evaluation evaluation = evaluate(problem, one);
          if (evaluation.fits(budget)) {
            best = std::min(best, evaluation.value(objective));
          }
        });
        expect_answer(problem, choice, budget, objective, best, 1, quick);
        EXPECT_LE(quick.report.objective * (1 - quick.report.gap), best * (1 + kRounding));
        exact += quick.report.status == Status::optimal ? 1 : 0;
        ++quick_answers;
      }
    }
  }
  EXPECT_GE(binding, 100U);
  EXPECT_GE(exact * 2, quick_answers);  // most gaps close without GLPK
}

TEST(MilpProperty, JointKeepsToLimits) {
  std::size_t binding = 0;
  std::size_t infeasible = 0;
  std::size_t by_limit = 0;
  std::size_t optimal = 0;
  std::size_t answers = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "joint limits");
    Problem problem = random_problem(rng, 4, 3);
    if (rng.chance(0.5)) {
      in_real_units(problem);
    }
    Budget free;
    free.pes = 3 * std::ssize(problem.layers) + rng.uniform(0, 16);
    if (rng.chance(0.6)) {
      free.loss = (0.2 + rng.uniform01() * 0.6) * static_cast<double>(problem.layers.size());
    }
    const Budget budget = limited(rng, problem, free);
    const std::vector<Objective> objectives = {
        Objective::latency, Objective::throughput, Objective::energy, Objective::edp};
    std::vector<double> optimum(objectives.size(), kInfinity);
    std::vector<double> free_optimum(objectives.size(), kInfinity);
    enumerate(problem, [&](const Solution& one) {
      const Evaluation evaluation = evaluate(problem, one);
      for (std::size_t o = 0; o < objectives.size() && evaluation.within(free); ++o) {
        const double value = evaluation.value(objectives[o]);
        free_optimum[o] = std::min(free_optimum[o], value);
        if (evaluation.within(budget)) {
          optimum[o] = std::min(optimum[o], value);
        }
      }
    });
    const std::optional<Shortfall> shortfall = find_shortfall(problem, budget);
    EXPECT_EQ(shortfall.has_value(), optimum[0] == kInfinity);
    if (shortfall) {
      ++infeasible;
      const bool limit = shortfall->constraint == Constraint::limit;
      EXPECT_EQ(limit || shortfall->constraint == Constraint::limits, free_optimum[0] < kInfinity);
      if (limit) {
        ++by_limit;
        // What is missing suffices, and no less does.
        const auto i = static_cast<std::size_t>(shortfall->limit);
        Budget only = free;
        only.limits[i] = shortfall->least_use;
        EXPECT_FALSE(find_shortfall(problem, only)) << shortfall->sentence();
        only.limits[i] *= 1 - 1e-6;
        EXPECT_TRUE(find_shortfall(problem, only)) << shortfall->sentence();
      }
    }
    for (std::size_t o = 0; o < objectives.size(); ++o) {
      SCOPED_TRACE(static_cast<int>(objectives[o]));
      binding += optimum[o] > free_optimum[o] ? 1 : 0;
      for (const JointResult& found : {joint_lagrangian(problem, budget, objectives[o]),
                                       joint_milp(problem, budget, objectives[o])}) {
        SCOPED_TRACE(found.report.solver);
        if (optimum[o] == kInfinity) {
          EXPECT_EQ(found.report.status, Status::infeasible);
          EXPECT_TRUE(found.shortfall);
          continue;
        }
        ASSERT_EQ(found.solution.choice.size(), problem.layers.size());
        EXPECT_TRUE(found.evaluation.within(budget));
        EXPECT_LE(found.report.bound, optimum[o] * (1 + kRounding));
        EXPECT_GE(found.report.objective, optimum[o] * (1 - kRounding));
        if (found.report.status == Status::optimal) {
          EXPECT_LE(found.report.objective * (1 - 1e-3), optimum[o] * (1 + kRounding));
        }
        if (objectives[o] != Objective::edp && found.report.solver == "glpk joint") {
          ++answers;
          optimal += found.report.status == Status::optimal ? 1 : 0;
          EXPECT_LE(found.report.objective * (1 - 1e-3), optimum[o] * (1 + kRounding));
        }
      }
    }
  }
  EXPECT_GE(binding, 150U);
  EXPECT_GE(infeasible, 10U);
  EXPECT_GE(by_limit, 5U);
  EXPECT_GE(optimal * 100, answers * 99);  // GLPK closes what the prices leave, nearly always
}

TEST(MilpProperty, JointIsTheBestOfAllWithinItsGap) {
  std::size_t infeasible = 0;
  std::size_t both = 0;
  for (std::uint64_t seed = 0; seed < 250; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "joint");
    const Problem problem = random_problem(rng, 4, 3);
    Budget budget;
    budget.pes = 2 * std::ssize(problem.layers) + rng.uniform(0, 16);
    if (rng.chance(0.8)) {
      budget.loss = rng.uniform01() * 0.6 * static_cast<double>(problem.layers.size());
    }
    const std::vector<Objective> objectives = {
        Objective::latency, Objective::throughput, Objective::energy, Objective::edp};
    std::vector<double> optimum(objectives.size(), kInfinity);
    double pes_at_loss = kInfinity;
    double loss_at_pes = kInfinity;
    enumerate(problem, [&](const Solution& one) {
      const Evaluation evaluation = evaluate(problem, one);
      if (evaluation.loss <= budget.loss) {
        pes_at_loss = std::min(pes_at_loss, static_cast<double>(evaluation.pes));
      }
      if (evaluation.pes <= budget.pes) {
        loss_at_pes = std::min(loss_at_pes, evaluation.loss);
      }
      for (std::size_t o = 0; o < objectives.size() && evaluation.within(budget); ++o) {
        optimum[o] = std::min(optimum[o], evaluation.value(objectives[o]));
      }
    });
    for (std::size_t o = 0; o < objectives.size(); ++o) {
      SCOPED_TRACE(static_cast<int>(objectives[o]));
      JointOptions options;
      options.max_columns = rng.chance(0.2) ? 6 : 4000;
      for (const JointResult& found : {joint_lagrangian(problem, budget, objectives[o]),
                                       joint_milp(problem, budget, objectives[o], options)}) {
        SCOPED_TRACE(found.report.solver);
        if (optimum[o] == kInfinity) {
          EXPECT_EQ(found.report.status, Status::infeasible);
          EXPECT_TRUE(found.solution.choice.empty());
          ASSERT_TRUE(found.shortfall);
          EXPECT_EQ(found.shortfall->pes_at_loss.has_value(), pes_at_loss < kInfinity);
          EXPECT_EQ(found.shortfall->loss_at_pes.has_value(), loss_at_pes < kInfinity);
          if (found.shortfall->pes_at_loss) {
            EXPECT_EQ(static_cast<double>(*found.shortfall->pes_at_loss), pes_at_loss);
          }
          if (found.shortfall->loss_at_pes) {
            EXPECT_NEAR(*found.shortfall->loss_at_pes, loss_at_pes, 1e-9);
          }
          both += found.shortfall->constraint == Constraint::both ? 1 : 0;
          continue;
        }
        ASSERT_EQ(found.solution.choice.size(), problem.layers.size());
        EXPECT_FALSE(found.shortfall);
        EXPECT_TRUE(found.evaluation.within(budget));
        EXPECT_DOUBLE_EQ(found.report.objective, found.evaluation.value(objectives[o]));
        EXPECT_LE(found.report.bound, optimum[o] * (1 + kRounding));
        EXPECT_GE(found.report.objective, optimum[o] * (1 - kRounding));
        if (objectives[o] != Objective::edp) {
          EXPECT_LE(found.report.objective * (1 - 1e-3), optimum[o] * (1 + kRounding));
          EXPECT_EQ(found.report.status, Status::optimal) << found.report.gap;
        }
      }
    }
    infeasible += optimum[0] == kInfinity ? 1 : 0;
    EXPECT_EQ(find_shortfall(problem, budget).has_value(), optimum[0] == kInfinity);
  }
  EXPECT_GE(infeasible, 20U);
  EXPECT_LE(infeasible, 150U);
  EXPECT_GE(both, 1U);
}

TEST(MilpProperty, NoFixedChoiceBeatsTheJointAnswer) {
  for (const char* network : {"mlp", "resnet18"}) {
    Problem problem = test::tile_read_problem(network, {4, 5, 6, 7, 8});
    test::add_synthetic_loss(problem);
    const Evaluation six = evaluate(problem, uniform_solution(problem, 6, 6));
    const Budget budget{problem.pes, six.loss};
    Rng rng(1, network);
    for (const Objective objective : {Objective::latency, Objective::throughput}) {
      const JointResult joint = joint_milp(problem, budget, objective);
      ASSERT_TRUE(joint.evaluation.within(budget));
      EXPECT_LE(joint.report.gap, 1e-3);
      for (int trial = 0; trial < 40; ++trial) {
        std::vector<int> choice = joint.solution.choice;
        if (trial == 0) {
          choice = uniform_solution(problem, 6, 6).choice;
        }
        for (int change = 0; change < trial; ++change) {
          const auto l = static_cast<std::size_t>(rng.uniform(0, std::ssize(choice) - 1));
          choice[l] = static_cast<int>(rng.uniform(0, std::ssize(problem.layers[l].choices) - 1));
        }
        const Replication fixed = replicate_fast(problem, choice, budget, objective, 0);
        if (!fixed.replicas.empty() && evaluate(problem, {choice, fixed.replicas}).within(budget)) {
          EXPECT_GE(fixed.report.objective, joint.report.bound * (1 - kRounding));
        }
      }
    }
  }
}

/// Zoo networks, where enumeration is out of reach: dynamic program, Lagrangian and both forms.
TEST(MilpProperty, OptimisersAgreeOnTheZoo) {
  for (const char* network : {"mlp", "resnet18", "resnet34", "resnet50", "resnet101"}) {
    for (int bits = 4; bits <= 7; ++bits) {
      SCOPED_TRACE(std::string(network) + " " + std::to_string(bits));
      Problem problem = test::tile_read_problem(network, {bits});
      problem.whole_rounds = bits == 5;
      const std::vector<int> choice(problem.layers.size(), 0);
      const Budget budget{problem.pes};
      const Replication dp = replicate_dp(problem, choice, budget);
      const Replication bisection = replicate_bisection(problem, choice, budget);
      const auto expect = [&](Objective objective, double gap, const Replication& found) {
        const Replication& best = objective == Objective::latency ? dp : bisection;
        expect_answer(problem, choice, budget, objective, best.report.objective, gap, found);
      };
      expect(Objective::latency, 0, replicate_fast(problem, choice, budget, Objective::latency, 0));
      expect(Objective::latency, 1e-3, replicate_fast(problem, choice, budget, Objective::latency));
      expect(
          Objective::throughput, 0, replicate_fast(problem, choice, budget, Objective::throughput));
      for (const Form form : {Form::a, Form::b}) {
        ReplicationOptions options;
        options.form = form;
        expect(Objective::latency,
               1e-3,
               replicate_milp(problem, choice, budget, Objective::latency, options));
        expect(Objective::throughput,
               1e-3,
               replicate_milp(problem, choice, budget, Objective::throughput, options));
      }
      EXPECT_GE(value_of(problem, choice, bisection.replicas, Objective::latency),
                dp.report.objective * (1 - kRounding));
    }
  }
}

}  // namespace
}  // namespace tessera::mapper::milp
