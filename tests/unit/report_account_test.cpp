// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Joules and square metres of the toy, by hand.
#include "sim/base/diagnostics.hpp"
#include "sim/report/account.hpp"
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

TEST(Account, OverflowAndStrangersAreInternalErrors) {
  Toy toy;
  toy.stats.parts[1].firings = INT64_MAX / 4;
  EXPECT_THROW(static_cast<void>(toy.report()), InternalError);
  Toy other;
  other.stats.parts.pop_back();
  EXPECT_THROW(static_cast<void>(make_account(other.program, other.stats, {}, {}, other.prices)),
               InternalError);
}

}  // namespace
}  // namespace tessera::report
