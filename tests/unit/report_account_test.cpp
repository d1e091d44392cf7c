// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Joules and square metres of the toy, by hand.
#include "sim/base/diagnostics.hpp"
#include "sim/report/account.hpp"
#include "sim/report/text.hpp"
#include "tests/unit/report_toy.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace tessera::report {
namespace {

const Charge& find(const std::vector<Charge>& charges, const std::string& name) {
  for (const Charge& c : charges) {
    if (c.name == name) {
      return c;
    }
  }
  throw std::runtime_error("no charge " + name);
}

TEST(Account, CountsAreActionsPerFiringTimesFiringsTimesPes) {
  const Account a = Toy().report().account;
  // Two parts of 3 PEs with 24 firings each.
  EXPECT_EQ(find(a.actions, "cell_read").count, 2 * 3 * 24 * 10);
  EXPECT_EQ(find(a.actions, "adc_convert").count, 2 * 3 * 24 * 100);
  EXPECT_EQ(find(a.actions, "cell_write").count, 0);
  EXPECT_EQ(find(a.actions, "bus_bit").count, 4096);
  EXPECT_EQ(find(a.actions, "router_flit").count, 1050);
  EXPECT_DOUBLE_EQ(find(a.actions, "adc_convert").energy.value, 14400 * 2e-12);
}

TEST(Account, TotalsByHand) {
  const Account a = Toy().report().account;
  const double pes = 1440 * 1e-12 + 14400 * 2e-12;
  const double rest =
      4096e-13 + 2000 * 2e-13 + 1000 * 3e-13 + 384e-12 + 5000 * 5e-12 + 600e-12 + 1050 * 4e-12;
  EXPECT_NEAR(a.dynamic.value, pes + rest, 1e-20);
  // 8 ADCs of 1 mW and 2 buffers of 2 mW for 2 us.
  EXPECT_NEAR(a.leaked.value, (8e-3 + 4e-3) * 2e-6, 1e-20);
  EXPECT_NEAR(a.total.value, pes + rest + 24e-9, 1e-20);
  EXPECT_NEAR(a.area.value, 8e-9 + 1e-7, 1e-20);
  EXPECT_NEAR(a.stage_pes[1].value, pes, 1e-20);
  EXPECT_EQ(a.stage_pes[2].value, 0);
  EXPECT_NEAR(find(a.places, "fabric").energy.value, 600e-12 + 4200e-12, 1e-20);
}

TEST(Account, EnergyIsAdditive) {
  Toy once;
  Toy twice;
  for (PartStats& part : twice.stats.parts) {
    part.firings *= 2;
  }
  const double one = find(once.report().account.places, "pes").energy.value;
  EXPECT_DOUBLE_EQ(find(twice.report().account.places, "pes").energy.value, 2 * one);
}

TEST(Account, LoadIsApart) {
  Toy toy;
  const Account with = toy.report().account;
  EXPECT_EQ(find(with.load_actions, "cell_write").count, 384);
  EXPECT_DOUBLE_EQ(with.load.value, 384e-9);
  toy.load = {};
  EXPECT_EQ(toy.report().account.total.value, with.total.value);
}

TEST(Account, WritesDuringTheRunCountAndWear) {
  Toy toy;
  toy.stats.parts[1].writes = 2;
  toy.stats.parts[2].writes = 5;
  Account a = toy.report().account;
  EXPECT_EQ(find(a.actions, "cell_write").count, (2 + 5) * 3 * 64);
  EXPECT_EQ(a.most_writes, 5);
  // Sharing PEs 2..4 of one tile in time: PE 2 sees both.
  toy.program.parts[2].at = toy.program.parts[1].at;
  toy.program.parts[2].groups[0].first_pe = 2;
  a = toy.report().account;
  EXPECT_EQ(a.most_writes, 7);
  EXPECT_DOUBLE_EQ(a.runs_until_worn, 1e9 / 7);
}

TEST(Account, NamesakesOnOtherTilesDoNotWearEachOther) {
  Toy toy;
  toy.stats.parts[1].writes = 2;
  toy.stats.parts[2].writes = 2;
  EXPECT_EQ(toy.report().account.most_writes, 2);
}

/// Firings that write cells: 24 of 10 cells each, one of them 2.5 times, on PEs of 40 cells, in a
/// run of three images, 400 ns apart.
TEST(Account, FiringsThatWriteCellsWear) {
  Toy toy;
  EXPECT_EQ(toy.report().account.most_cell_writes, 0);
  toy.prices.groups[0].cell_writes = {0, 40};
  toy.program.schedules[0].most_cell_writes = 2.5;
  const Report report = toy.report();
  EXPECT_DOUBLE_EQ(report.account.mean_cell_writes, 24 * 10 / 40.0);
  EXPECT_DOUBLE_EQ(report.account.most_cell_writes, 60);
  EXPECT_DOUBLE_EQ(report.account.runs_until_worn, 1e9 / 60);
  ASSERT_TRUE(report.years_until_worn());
  EXPECT_DOUBLE_EQ(*report.years_until_worn(), 1e9 / 60 * 3 * 400e-9 / 31'557'600);
  // A new program writes no cell.
  toy.stats.parts[1].writes = 2;
  EXPECT_DOUBLE_EQ(toy.report().account.mean_cell_writes, 6);
  EXPECT_EQ(toy.report().account.most_writes, 2);
  EXPECT_DOUBLE_EQ(toy.report().account.runs_until_worn, 1e9 / 60);
  // Sharing PEs 2..4 of one tile in time: PE 2 fires for both.
  toy.program.parts[2].at = toy.program.parts[1].at;
  toy.program.parts[2].groups[0].first_pe = 2;
  EXPECT_DOUBLE_EQ(toy.report().account.mean_cell_writes, 12);
  EXPECT_DOUBLE_EQ(toy.report().account.most_cell_writes, 120);
  // Of another price, the two writes are of 64 cells, and no firing writes any.
  toy.prices.groups[0].cell_writes = {2, 40};
  EXPECT_DOUBLE_EQ(toy.report().account.mean_cell_writes, 2 * 64 / 40.0);
}

/// PEs in place of a vector unit: their actions have the prices of PEs, the place is the vector
/// unit's.
TEST(Account, ProgramsOfAVectorUnitArePricedAndWear) {
  Toy toy;
  const Account before = toy.report().account;
  toy.stats.endpoints[1].vector_did[0] = 600;
  toy.prices.groups[0].vector_pes = 2;
  Account after = toy.report().account;
  const Price& price = toy.prices.groups[0].pe_actions[0];
  const double more = 600 * price.energy.value;
  EXPECT_GT(more, 0);
  EXPECT_EQ(find(after.actions, price.name).count, find(before.actions, price.name).count + 600);
  EXPECT_NEAR(find(after.places, "vector_unit").energy.value,
              find(before.places, "vector_unit").energy.value + more,
              more * 1e-9);
  EXPECT_EQ(find(after.places, "pes").energy.value, find(before.places, "pes").energy.value);
  EXPECT_NEAR(after.dynamic.value, before.dynamic.value + more, more * 1e-9);
  EXPECT_NEAR(after.groups[0].dynamic.value, before.groups[0].dynamic.value + more, more * 1e-9);
  // Two PEs share 600 writes; the PE of a layer that fires most writes 240 cells.
  toy.prices.groups[0].cell_writes = {0, 40};
  toy.program.schedules[0].most_cell_writes = 1;
  toy.stats.endpoints[1].vector_most_cell_writes = 66;
  EXPECT_DOUBLE_EQ(toy.report().account.mean_cell_writes, 300 / 40.0);
  EXPECT_DOUBLE_EQ(toy.report().account.most_cell_writes, 33);
  toy.prices.groups[0].vector_pes = 3;
  EXPECT_DOUBLE_EQ(toy.report().account.mean_cell_writes, 240 / 40.0);
  EXPECT_DOUBLE_EQ(toy.report().account.most_cell_writes, 24);
}

TEST(Account, OverflowAndStrangersAreInternalErrors) {
  Toy toy;
  toy.stats.parts[1].firings = INT64_MAX / 4;
  EXPECT_THROW(static_cast<void>(toy.report()), InternalError);
  Toy other;
  other.stats.parts.pop_back();
  EXPECT_THROW(static_cast<void>(make_account(other.program, other.stats, {}, {}, other.prices)),
               InternalError);
}

/// The toy's two tiles as two sorts, the second with dearer events and shorter-lived cells.
TEST(Account, EverySortOfTileHasItsPrices) {
  Toy toy;
  toy.prices.groups[0].name = "near";
  toy.prices.groups[0].tiles = 1;
  toy.prices.groups.push_back(toy.prices.groups[0]);
  TilePrices& far = toy.prices.groups[1];
  far.name = "far";
  far.pe_actions = {{"count", Joules(5e-12), "toy"}};
  far.bus_bit = Joules(1e-12);
  far.vector_op = Joules(3e-12);
  far.endurance = 1e6;
  toy.prices.components = {{"near.buffer", 1, SquareMeters(5e-8), Watts(2e-3), 0},
                           {"far.buffer", 1, SquareMeters(7e-8), Watts(4e-3), 1},
                           {"io", 1, SquareMeters(1e-8), Watts(1e-3)}};
  toy.load.did.push_back({});
  toy.load.did[1][0] = 11;
  toy.stats.endpoints[1].bus_bits = 100;
  toy.program.stages[0].replicas[0].home = 2;  // a port
  toy.program.stages[2].replicas[0].home = 1;
  const Report report = toy.report();
  const Account& a = report.account;
  EXPECT_TRUE(report.ok());
  // A part of 3 PEs with 24 firings on each.
  EXPECT_EQ(find(a.actions, "near.cell_read").count, 3 * 24 * 10);
  EXPECT_EQ(find(a.actions, "near.adc_convert").count, 3 * 24 * 100);
  EXPECT_EQ(find(a.actions, "far.count").count, 3 * 24 * 10);
  EXPECT_DOUBLE_EQ(find(a.actions, "far.count").energy.value, 720 * 5e-12);
  EXPECT_EQ(find(a.actions, "bus_bit").count, 4196);
  EXPECT_DOUBLE_EQ(find(a.actions, "bus_bit").energy.value, 4096 * 1e-13 + 100 * 1e-12);
  EXPECT_DOUBLE_EQ(find(a.actions, "vector_op").energy.value, 384 * 3e-12);
  const double near_pes = 720 * 1e-12 + 7200 * 2e-12;
  EXPECT_NEAR(a.groups[0].pes.value, near_pes, 1e-20);
  EXPECT_NEAR(a.groups[0].dynamic.value, near_pes + 4096e-13 + 2000 * 2e-13 + 1000 * 3e-13, 1e-20);
  EXPECT_NEAR(a.groups[1].dynamic.value, 720 * 5e-12 + 100e-12 + 384 * 3e-12, 1e-20);
  EXPECT_NEAR(a.groups[1].leaked.value, 4e-3 * 2e-6, 1e-20);
  EXPECT_NEAR(a.groups[1].area.value, 7e-8, 1e-20);
  EXPECT_NEAR(a.stage_pes[1].value, a.groups[0].pes.value + a.groups[1].pes.value, 1e-20);
  EXPECT_NEAR(a.load.value, 6 * 64 * 1e-9 + 11 * 5e-12, 1e-20);
  EXPECT_NE(layers_csv(report).find(",group\n"), std::string::npos);
  EXPECT_NE(run_text(report).find("by tiles %"), std::string::npos);
  EXPECT_EQ(report.group_of(1), "near");
  EXPECT_EQ(report.group_of(2), "far");
  EXPECT_EQ(report.group_of(0), "");
  EXPECT_EQ(a.runs_until_worn, 0);
}

/// Two sorts of tiles with a part of 24 firings each; the one is written more, the other wears out
/// first, whichever of them stands first.
TEST(Account, TheSortOfTileThatWearsOutFirstCounts) {
  for (const std::size_t busier : {0U, 1U}) {
    Toy toy;
    toy.prices.groups[0].tiles = 1;
    toy.prices.groups.push_back(toy.prices.groups[0]);
    toy.load.did.push_back({});
    toy.prices.groups[busier].cell_writes = {1, 40};      // 100 cells per firing
    toy.prices.groups[1 - busier].cell_writes = {0, 20};  // 10
    toy.prices.groups[1 - busier].endurance = 1e6;
    toy.program.schedules[0].most_cell_writes = 3;
    const Account a = toy.report().account;
    EXPECT_DOUBLE_EQ(a.mean_cell_writes, 24 * 100 / 40.0) << busier;
    EXPECT_DOUBLE_EQ(a.most_cell_writes, 24 * 3) << busier;
    EXPECT_DOUBLE_EQ(a.runs_until_worn, 1e6 / (24 * 3)) << busier;
  }
}

}  // namespace
}  // namespace tessera::report
