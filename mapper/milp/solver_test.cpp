// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/solver.hpp"

#include "sim/base/diagnostics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace tessera::mapper::milp {
namespace {

/// max 5 x + 4 y; 6 x + 4 y <= 24; x + 2 y <= 6; integer: (4, 0), 20; relaxed 21 at (3, 1.5).
MilpModel small() {
  MilpModel model;
  model.name = "small";
  model.sense = Sense::maximize;
  const int x = model.add(Column{"x", 0, kInfinity, Domain::integer, 5});
  const int y = model.add(Column{"y", 0, kInfinity, Domain::integer, 4});
  model.add(Row{"first", -kInfinity, 24, {{x, 6}, {y, 4}}});
  model.add(Row{"second", -kInfinity, 6, {{x, 1}, {y, 2}}});
  return model;
}

/// Equations whose enumeration takes GLPK hours.
MilpModel market_split() {
  MilpModel model;
  model.name = "market split";
  std::uint64_t state = 1;
  for (int j = 0; j < 50; ++j) {
    model.add(Column{"x" + std::to_string(j), 0, 1, Domain::binary, 0});
  }
  for (int i = 0; i < 6; ++i) {
    Row row{"r" + std::to_string(i), 0, 0, {}};
    double sum = 0;
    for (int j = 0; j < 50; ++j) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const auto weight = static_cast<double>((state >> 33) % 100);
      row.terms.push_back({j, weight});
      sum += weight;
    }
    const std::string number = std::to_string(i);
    row.terms.push_back({model.add(Column{"s" + number, 0, kInfinity, Domain::continuous, 1}), 1});
    row.terms.push_back({model.add(Column{"t" + number, 0, kInfinity, Domain::continuous, 1}), -1});
    row.lower = row.upper = std::floor(sum / 2);
    model.add(row);
  }
  return model;
}

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / ("tessera_milp_" + name);
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

TEST(MilpModel, CheckFindsEveryMistake) {
  EXPECT_TRUE(check(small()).empty());
  MilpModel model;
  model.add(Column{"", 0, 1, Domain::continuous, 0});
  model.add(Column{"a", 2, 1, Domain::continuous, 0});
  model.add(Column{"a", 0, 1, Domain::continuous, std::nan("")});
  model.add(Column{"half", 0.5, 1, Domain::integer, 0});
  model.add(Column{"two", 0, 2, Domain::binary, 0});
  model.add(Column{std::string(300, 'x'), 0, 1, Domain::continuous, 0});
  model.add(Row{"row", std::nan(""), 1, {}});
  model.add(Row{"row", 0, 1, {{6, 1}}});
  model.add(Row{"again", 0, 1, {{0, 1}, {0, 2}, {-1, 1}, {1, kInfinity}}});
  EXPECT_THAT(check(model), testing::SizeIs(13));
  EXPECT_THROW(solve(model), InternalError);
}

TEST(MilpModel, ViolationMeasuresBoundsIntegersAndRows) {
  const MilpModel model = small();
  EXPECT_EQ(model.violation({4, 0}), 0);
  EXPECT_EQ(model.violation({-1, 0}), 1);
  EXPECT_EQ(model.violation({0.25, 0}), 0.25);
  EXPECT_EQ(model.violation({0, 6}), 1);
  EXPECT_EQ(model.value({1, 2}), 13);
}

TEST(MilpModel, LpNamesAreLegalAndDifferent) {
  const std::vector<std::string> names =
      lp_names({"a[1]", "a(1)", "e9", ".5", "1x", "", "conv1.0", std::string(400, 'y')});
  EXPECT_EQ(names[0], "a_1_");
  EXPECT_EQ(names[1], "a_1__2");
  EXPECT_EQ(names[2], "n_e9");
  EXPECT_EQ(names[6], "conv1.0");
  EXPECT_LE(names[7].size(), 255U);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(MilpSolver, FindsTheOptimum) {
  SolveOptions options;
  options.mip_gap = 0;
  const SolveResult result = solve(small(), options);
  EXPECT_EQ(result.status, Status::optimal);
  EXPECT_EQ(result.objective, 20);
  EXPECT_NEAR(result.bound, 20, 1e-9);
  EXPECT_EQ(result.values, (std::vector<double>{4, 0}));
  EXPECT_FALSE(result.limit_hit);
  EXPECT_TRUE(result.message.empty());
}

TEST(MilpSolver, TakesAStartAndIgnoresAWrongOne) {
  SolveOptions options;
  options.mip_gap = 0.5;
  options.start = {4, 0};
  EXPECT_EQ(solve(small(), options).objective, 20);
  options.mip_gap = 0;
  for (const std::vector<double>& start :
       {std::vector<double>{9, 9}, std::vector<double>{1}, std::vector<double>{0, 0}}) {
    options.start = start;
    EXPECT_EQ(solve(small(), options).objective, 20);
  }
}

TEST(MilpSolver, TellsInfeasibleFromUnbounded) {
  for (const Domain domain : {Domain::integer, Domain::continuous}) {
    MilpModel none = small();
    none.columns[0].domain = none.columns[1].domain = domain;
    none.add(Row{"third", 25, kInfinity, {{0, 6}, {1, 4}}});
    EXPECT_EQ(solve(none).status, Status::infeasible);
    MilpModel endless = small();
    endless.columns[0].domain = endless.columns[1].domain = domain;
    endless.rows.clear();
    EXPECT_EQ(solve(endless).status, Status::unbounded);
  }
  // Feasible only between the integers.
  MilpModel between = small();
  between.add(Row{"between", 0.25, 0.75, {{0, 1}}});
  EXPECT_EQ(solve(between).status, Status::infeasible);
  EXPECT_TRUE(solve(between).values.empty());
}

TEST(MilpSolver, EmptyModelsHaveAnswers) {
  EXPECT_EQ(solve(MilpModel{}).status, Status::optimal);
  MilpModel model;
  model.add(Column{"x", 1, 3, Domain::integer, 2});
  const SolveResult result = solve(model);
  EXPECT_EQ(result.status, Status::optimal);
  EXPECT_EQ(result.objective, 2);
}

TEST(MilpSolver, SaysWhenTheTimeLimitWasHit) {
  SolveOptions options;
  options.time_limit_seconds = 0.2;
  const SolveResult result = solve(market_split(), options);
  EXPECT_TRUE(result.limit_hit);
  EXPECT_TRUE(result.status == Status::feasible || result.status == Status::failed);
  EXPECT_LE(result.bound, result.objective);
  EXPECT_LT(result.seconds, 10);
}

TEST(MilpSolver, WhatGlpkWouldAbortOnIsAFailure) {
  SolveOptions options;
  options.mip_gap = -1;  // xerror() in glp_intopt
  options.failure_lp_path = "";
  for (int again = 0; again < 3; ++again) {
    const SolveResult result = solve(small(), options);
    EXPECT_EQ(result.status, Status::failed);
    EXPECT_NE(result.message.find("mip_gap"), std::string::npos) << result.message;
    EXPECT_TRUE(result.values.empty());
    EXPECT_EQ(solve(small()).status, Status::optimal);
  }
}

TEST(MilpSolver, PrintsNothing) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  SolveOptions options;
  solve(small(), options);
  options.mip_gap = -1;
  solve(small(), options);
  options.lp_path = (temporary("no_folder") / "x" / "model.lp").string();
  solve(small(), options);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(MilpSolver, WritesTheModel) {
  const std::filesystem::path path = temporary("model.lp");
  SolveOptions options;
  options.lp_path = path.string();
  MilpModel model = small();
  model.columns[0].name = "x[0]";
  const SolveResult result = solve(model, options);
  EXPECT_TRUE(result.lp_error.empty());
  const std::string text = text_of(path);
  EXPECT_NE(text.find("Maximize"), std::string::npos);
  EXPECT_NE(text.find("x_0_"), std::string::npos);
  EXPECT_NE(text.find("first:"), std::string::npos);
  std::filesystem::remove(path);

  options.lp_path = (temporary("no_folder") / "x" / "model.lp").string();
  const SolveResult unwritten = solve(model, options);
  EXPECT_EQ(unwritten.status, Status::optimal);
  EXPECT_FALSE(unwritten.lp_error.empty());
}

TEST(MilpSolver, WritesTheModelOfAFailure) {
  const std::filesystem::path path = temporary("failure.lp");
  SolveOptions options;
  options.failure_lp_path = path.string();
  solve(small(), options);
  EXPECT_FALSE(std::filesystem::exists(path));
  options.time_limit_seconds = 1e-3;
  const SolveResult result = solve(market_split(), options);
  EXPECT_EQ(std::filesystem::exists(path), result.status == Status::failed);
  std::filesystem::remove(path);
  options.mip_gap = -1;
  EXPECT_EQ(solve(small(), options).status, Status::failed);
  EXPECT_NE(text_of(path).find("Maximize"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(MilpSolver, GapIsRelativeToTheObjective) {
  EXPECT_EQ(relative_gap(10, 10), 0);
  EXPECT_DOUBLE_EQ(relative_gap(10, 9), 0.1);
  EXPECT_DOUBLE_EQ(relative_gap(-10, -11), 0.1);
  EXPECT_EQ(relative_gap(0, 0), 0);
}

}  // namespace
}  // namespace tessera::mapper::milp
