// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Replication in LRMP's tile-read model: improvements over 8 bit without replicas, in the area
/// that 8 bit takes, of networks at one width.
///
/// Source   the expected numbers are those of an independent calculation with the reconstructed
///          model (docs/facts.md, LRMP), at the digits it was written down with. Nothing of the
///          paper itself is claimed
/// Status   enforced, but for one known gap: MLP at 2 bit, whose numbers came from a greedy
///          allocation that misses the optimum
#include "mapper/milp/replication.hpp"
#include "tests/support/tile_read.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace tessera::mapper::milp {
namespace {

struct Improvement {
  double latency = 0;
  double throughput_at_latency = 0;  ///< with the replicas that minimise latency
  double throughput = 0;
};

Improvement improvement(const std::string& network, int w_bits, int a_bits) {
  const Problem problem = test::tile_read_problem(network, {2, 3, 4, 5, 6, 7, 8});
  const Budget budget{problem.pes};
  const Evaluation base = evaluate(problem, uniform_solution(problem, 8, 8));
  const std::vector<int> choice = uniform_solution(problem, w_bits, a_bits).choice;
  const Replication latency = replicate_dp(problem, choice, budget);
  const Replication throughput = replicate_bisection(problem, choice, budget);
  // GLPK agrees, within the gap it was given.
  for (const Objective objective : {Objective::latency, Objective::throughput}) {
    const double best =
        objective == Objective::latency ? latency.report.objective : throughput.report.objective;
    const Replication milp = replicate_milp(problem, choice, budget, objective);
    EXPECT_EQ(milp.report.status, Status::optimal);
    EXPECT_LE(milp.report.objective * (1 - 1e-3), best);
    EXPECT_LE(milp.report.bound, best * (1 + 1e-9));
  }
  return {base.latency / latency.report.objective,
          base.interval / evaluate(problem, {choice, latency.replicas}).interval,
          base.interval / throughput.report.objective};
}

/// Equal at the digits that `printed` has.
void expect_printed(double value, const std::string& printed) {
  const std::size_t point = printed.find('.');
  const auto digits = point == std::string::npos ? 0 : static_cast<int>(printed.size() - point - 1);
  EXPECT_NEAR(value, std::stod(printed), 0.5 * std::pow(10, -digits)) << printed;
}

struct Line {
  std::string network;
  int bits = 8;
  std::string latency;
  std::string throughput_at_latency;
  std::string throughput;
};

TEST(LrmpReplication, UniformWidthsInTheirOwnArea) {
  const std::vector<Line> lines = {
      {"resnet18", 7, "2.8", "5.4", "5.7"},    {"resnet18", 6, "5.0", "12.5", "12.5"},
      {"resnet18", 5, "8.5", "22.5", "30"},    {"resnet18", 4, "14.8", "47", "56"},
      {"resnet34", 7, "2.6", "8.0", "8.0"},    {"resnet34", 6, "4.6", "15.6", "15.6"},
      {"resnet34", 5, "7.4", "26", "30"},      {"resnet34", 4, "12.3", "47", "61"},
      {"resnet50", 7, "2.8", "8.0", "10.7"},   {"resnet50", 6, "4.7", "15.6", "22.7"},
      {"resnet50", 5, "7.7", "26", "45"},      {"resnet50", 4, "13.1", "47", "75"},
      {"resnet101", 7, "2.5", "10.7", "13.4"}, {"resnet101", 6, "3.7", "21.9", "34.4"},
      {"resnet101", 5, "5.7", "30", "60"},     {"resnet101", 4, "9.2", "47", "75"},
      {"mlp", 6, "2.3", "1.3", "1.3"},         {"mlp", 5, "3.5", "1.6", "1.6"},
      {"mlp", 4, "5.3", "2.0", "4.0"},         {"mlp", 3, "9.7", "5.3", "5.3"},
  };
  for (const Line& line : lines) {
    SCOPED_TRACE(line.network + " at " + std::to_string(line.bits) + " bit");
    const Improvement found = improvement(line.network, line.bits, line.bits);
    expect_printed(found.latency, line.latency);
    expect_printed(found.throughput_at_latency, line.throughput_at_latency);
    expect_printed(found.throughput, line.throughput);
  }
}

/// known_gap: 21.3x and 8x were written down for MLP at 2 bit. That is what one replica after the
/// other, wherever it gains most per array, arrives at; the optimum is 22.05x, and 12x with it.
TEST(LrmpReplication, MlpAtTwoBitsWasAGreedyAnswer) {
  const Improvement found = improvement("mlp", 2, 2);
  EXPECT_NEAR(found.latency, 22.052, 5e-4);
  EXPECT_NEAR(found.throughput_at_latency, 12, 1e-9);
  expect_printed(found.throughput, "16");

  const Problem problem = test::tile_read_problem("mlp", {2, 8});
  Solution greedy = uniform_solution(problem, 2, 2);
  const auto pes = [&](std::size_t l) {
    return problem.layers[l].choices[static_cast<std::size_t>(greedy.choice[l])].pes;
  };
  std::int64_t left = problem.pes - pes_of(problem, greedy.choice);
  for (;;) {
    std::size_t where = greedy.replicas.size();
    double most = 0;
    for (std::size_t l = 0; l < greedy.replicas.size(); ++l) {
      Solution more = greedy;
      ++more.replicas[l];
      const double gain = (evaluate(problem, greedy).latency - evaluate(problem, more).latency) /
                          static_cast<double>(pes(l));
      if (pes(l) <= left && gain > most) {
        most = gain;
        where = l;
      }
    }
    if (where == greedy.replicas.size()) {
      break;
    }
    ++greedy.replicas[where];
    left -= pes(where);
  }
  const Evaluation base = evaluate(problem, uniform_solution(problem, 8, 8));
  expect_printed(base.latency / evaluate(problem, greedy).latency, "21.3");
  expect_printed(base.interval / evaluate(problem, greedy).interval, "8");
}

TEST(LrmpReplication, ResNet18AtSixBitsAgainstItself) {
  const Improvement found = improvement("resnet18", 6, 6);
  expect_printed(found.latency * 6 / 8, "3.748");
  expect_printed(found.throughput * 6 / 8, "9.379");
}

TEST(LrmpReplication, Ablations) {
  const std::vector<std::string> weights_only = {"3.7", "3.4", "3.5", "2.7"};
  const std::vector<std::string> networks = {"resnet18", "resnet34", "resnet50", "resnet101"};
  for (std::size_t i = 0; i < networks.size(); ++i) {
    SCOPED_TRACE(networks[i]);
    const Improvement replication_only = improvement(networks[i], 8, 8);
    EXPECT_DOUBLE_EQ(replication_only.latency, 1);
    EXPECT_DOUBLE_EQ(replication_only.throughput, 1);
    expect_printed(improvement(networks[i], 6, 8).latency, weights_only[i]);
    const Problem problem = test::tile_read_problem(networks[i], {4, 5, 6, 7, 8});
    const Evaluation base = evaluate(problem, uniform_solution(problem, 8, 8));
    for (int bits = 4; bits <= 8; ++bits) {
      const Evaluation narrow = evaluate(problem, uniform_solution(problem, bits, bits));
      EXPECT_DOUBLE_EQ(base.latency / narrow.latency, 8.0 / bits);
      EXPECT_DOUBLE_EQ(base.interval / narrow.interval, 8.0 / bits);
    }
  }
}

}  // namespace
}  // namespace tessera::mapper::milp
