// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every self-check holds for sound numbers and fails, alone, for one corrupted number.
#include "sim/report/checks.hpp"
#include "tests/unit/report_toy.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

namespace tessera::report {
namespace {

std::set<std::string> failed(const std::vector<Check>& checks) {
  std::set<std::string> out;
  for (const Check& check : checks) {
    EXPECT_EQ(check.ok, check.detail.empty()) << check.name;
    if (!check.ok) {
      out.insert(check.name);
    }
  }
  return out;
}

TEST(Checks, AllHoldForTheToy) {
  const Report report = Toy().report();
  EXPECT_EQ(failed(report.checks), std::set<std::string>{});
  EXPECT_TRUE(report.ok());
  EXPECT_EQ(report.checks.size(), 14U);
  EXPECT_EQ(report.checks[0].name, "engine_quiet");
}

struct Corruption {
  std::string what;
  std::string check;
  std::function<void(Toy&)> corrupt;
};

std::ostream& operator<<(std::ostream& os, const Corruption& c) {
  return os << c.what;
}

class Corrupted : public testing::TestWithParam<Corruption> {};

TEST_P(Corrupted, FailsItsCheckAlone) {
  Toy toy;
  GetParam().corrupt(toy);
  const Report report = toy.report();
  EXPECT_EQ(failed(report.checks), std::set<std::string>{GetParam().check});
  EXPECT_FALSE(report.ok());
}

std::vector<Corruption> corruptions() {
  return {
      Corruption{"engine",
                 "engine_quiet",
                 [](Toy& t) {
                   t.stats.checks[0] = {"engine_quiet", false, "no"};
                 }},
      Corruption{"lost_multicast_flits",
                 "flits_conserved",
                 [](Toy& t) { t.stats.fabric.flits_ejected = 299; }},
      Corruption{"doubled_unicast_flits",
                 "flits_conserved",
                 [](Toy& t) { t.program.edges[0].ports.pop_back(); }},
      Corruption{"in_flight", "fabric_drained", [](Toy& t) { t.stats.fabric.flits_in_flight = 1; }},
      Corruption{"hop_without_link", "hops_on_links", [](Toy& t) { t.stats.links[1].flits -= 1; }},
      Corruption{"lost_position",
                 "positions_conserved",
                 [](Toy& t) { t.stats.stages[2].positions_out -= 1; }},
      Corruption{
          "lost_arrival", "arrivals_conserved", [](Toy& t) { t.stats.ports[1].arrived -= 1; }},
      Corruption{
          "unneeded_arrival", "arrivals_conserved", [](Toy& t) { t.stats.ports[1].arrived = 48; }},
      Corruption{"full_buffer", "buffers_not_overrun", [](Toy& t) { t.stats.ports[0].peak = 9; }},
      Corruption{"hole_in_time", "time_tiled", [](Toy& t) { t.stats.parts[3].work -= Cycles(1); }},
      Corruption{"negative_time",
                 "time_tiled",
                 [](Toy& t) {
                   t.stats.parts[4].waits[0] = Cycles(-5);
                   t.stats.parts[4].waits[1] = Cycles(5);
                 }},
      Corruption{"bus",
                 "utilization_at_most_one",
                 [](Toy& t) { t.stats.endpoints[0].bus_busy = Cycles(2001); }},
      Corruption{"vector",
                 "utilization_at_most_one",
                 [](Toy& t) { t.stats.endpoints[2].vector_busy = Cycles(2001); }},
      Corruption{"link",
                 "utilization_at_most_one",
                 [](Toy& t) {
                   t.stats.links[0].flits = 2001;
                   t.fabric.on_links = -1;
                 }},
      Corruption{"image_missing", "images_complete", [](Toy& t) { t.stats.image_out.pop_back(); }},
      Corruption{"image_after_the_end",
                 "images_complete",
                 [](Toy& t) { t.stats.image_out[2] = Cycles(2001); }},
      Corruption{
          "too_fast", "latency_above_bound", [](Toy& t) { t.analysis.lower_bound = Cycles(1001); }},
      Corruption{"too_many", "interval_above_bound", [](Toy& t) {
                   t.analysis.interval_lower_bound = Cycles(601);
                 }}};
}

std::string name_of(const testing::TestParamInfo<Corruption>& tested) {
  return tested.param.what;
}

INSTANTIATE_TEST_SUITE_P(Checks, Corrupted, testing::ValuesIn(corruptions()), name_of);

/// A stage whose output two layers read, each on one tile, sends one message to both.
TEST(Checks, BranchesShareTheirMessages) {
  Toy toy;
  ProgramEdge& edge = toy.program.edges[0];
  ASSERT_EQ(edge.ports.size(), 2U);
  ProgramEdge branch = edge;
  branch.ports.erase(branch.ports.begin());
  edge.ports.pop_back();
  toy.program.edges.push_back(branch);
  EXPECT_TRUE(toy.report().ok());
  ProgramPort& port = toy.program.ports[static_cast<std::size_t>(branch.ports[0])];
  port.at = toy.program.ports[static_cast<std::size_t>(toy.program.edges[0].ports[0])].at;
  EXPECT_EQ(failed(toy.report().checks), std::set<std::string>{"flits_conserved"})
      << "both on one tile";
  port.at = toy.program.stages[0].replicas[0].home;
  EXPECT_EQ(failed(toy.report().checks), std::set<std::string>{"flits_conserved"})
      << "one where the output is";
}

TEST(Checks, UnlimitedLinksMayCarryMore) {
  Toy toy;
  toy.stats.links[0].flits = 5000;
  toy.fabric.on_links = -1;
  toy.fabric.link_capacity = 0;
  EXPECT_TRUE(toy.report().ok());
}

TEST(Checks, AWholeRunMayUndercutTheIntervalBoundByItsSlack) {
  Toy toy;
  toy.analysis.interval_lower_bound = Cycles(601);
  toy.analysis.interval_lower_bound_slack = Cycles(3);
  EXPECT_TRUE(toy.report().ok());
}

TEST(Checks, PartsMustSumToTheWhole) {
  const Toy toy;
  const auto with = [&](const std::function<void(Account&)>& corrupt) {
    Account account = toy.report().account;
    corrupt(account);
    return failed(self_checks({toy.program, toy.stats, toy.analysis, account, toy.fabric, 3}));
  };
  const std::set<std::string> energy{"energy_adds_up"};
  EXPECT_EQ(with([](Account&) {}), std::set<std::string>{});
  EXPECT_EQ(with([](Account& a) { a.actions[0].energy += Joules(1e-12); }), energy);
  EXPECT_EQ(with([](Account& a) { a.places[2].energy += Joules(1e-12); }), energy);
  EXPECT_EQ(with([](Account& a) { a.stage_pes[3] += Joules(1e-12); }), energy);
  EXPECT_EQ(with([](Account& a) { a.components[0].static_energy += Joules(1e-12); }), energy);
  EXPECT_EQ(with([](Account& a) { a.total += Joules(1e-12); }), energy);
  EXPECT_EQ(with([](Account& a) { a.area += SquareMeters(1e-10); }),
            std::set<std::string>{"area_adds_up"});
}

TEST(Checks, MoreFailuresAreCounted) {
  Toy toy;
  toy.stats.stages[0].positions_out = 1;
  toy.stats.stages[1].positions_out = 2;
  for (const Check& check : toy.report().checks) {
    if (check.name == "positions_conserved") {
      EXPECT_EQ(check.detail, "image: 1 positions out, 48 due (and 1 more)");
    }
  }
}

}  // namespace
}  // namespace tessera::report
