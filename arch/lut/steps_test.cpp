// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a firing of an RNA block does and how long, by hand.
#include "arch/lut/steps.hpp"

#include "sim/api/schedule.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace tessera::arch::lut {
namespace {

constexpr Clock kClock{Hertz(1e9)};

Op mvm(int rows, int cols, int w_bits, int in_bits) {
  Op op;
  op.rows = rows;
  op.cols = cols;
  op.w_bits = w_bits;
  op.in_bits = in_bits;
  return op;
}

std::vector<Schedule::Play> plays_on(const Schedule& s, int resource) {
  std::vector<Schedule::Play> found;
  for (const Schedule::Play& play : s.plays) {
    if (play.on == resource) {
      found.push_back(play);
    }
  }
  return found;
}

TEST(LutSteps, EveryCircuitInTurn) {
  // 8 inputs on 4 x 4 pairs: every weight code has 2 inputs, 8 addends and the bias.
  const Schedule s = make_schedule(steps(Spec{}, kClock, mvm(8, 1, 2, 2)));
  ASSERT_EQ(plays_on(s, kCounters).size(), 1U);
  EXPECT_EQ(plays_on(s, kCounters)[0].occupancy, Cycles(2));
  const std::vector<Schedule::Play> adder = plays_on(s, kCrossbar);
  ASSERT_EQ(adder.size(), 5U);  // 9 -> 6 -> 4 -> 3 -> 2, then one sum of 2 + 2 + 4 bits
  EXPECT_EQ(adder[0].offset, Cycles(2));
  EXPECT_EQ(adder[0].occupancy, Cycles(13));
  EXPECT_EQ(adder[4].offset, Cycles(2 + 4 * 13));
  EXPECT_EQ(adder[4].occupancy, 8 * Cycles(13));
  EXPECT_EQ(plays_on(s, kActivation)[0].offset, Cycles(158));
  EXPECT_EQ(plays_on(s, kEncoder)[0].offset, Cycles(159));
  EXPECT_EQ(s.latency, Cycles(160));
  EXPECT_EQ(s.interval, Cycles(156));  // the crossbar
  EXPECT_EQ(s.did[kCount], 8);
  EXPECT_EQ(s.did[kLookup], 8);
  EXPECT_EQ(s.did[kNorCycle], 156);
  EXPECT_EQ(s.did[kAddBit], (7 + 1) * 8);  // 7 adders make 2 words of 9
}

TEST(LutSteps, ColumnsOfASharedBlockFollowEachOther) {
  const Schedule one = make_schedule(steps(Spec{}, kClock, mvm(100, 1, 4, 4)));
  const Schedule three = make_schedule(steps(Spec{}, kClock, mvm(100, 3, 4, 4)));
  EXPECT_EQ(three.latency, 3 * one.latency);
  EXPECT_EQ(three.interval, 2 * one.latency + one.interval);
  EXPECT_EQ(three.did[kLookup], 300);
}

TEST(LutSteps, WeightCodesTakeTurnsAtTooFewCounters) {
  Spec spec;
  const auto counting = [&] {
    return plays_on(make_schedule(steps(spec, kClock, mvm(640, 1, 6, 4))), kCounters)[0].occupancy;
  };
  EXPECT_EQ(counting(), Cycles(10));  // 64 x 16 pairs, 1024 counters
  spec.counters = 512;
  EXPECT_EQ(counting(), Cycles(20));
  spec.counters = 16;
  EXPECT_EQ(counting(), Cycles(640));
}

TEST(LutSteps, FullCountersOverflow) {
  Spec spec;
  // One pair only has all inputs: w = -1, x = 0 or 1 have 2 x 2 codes; 1024 inputs are 256 each.
  const Schedule s = make_schedule(steps(spec, kClock, mvm(1024, 1, 1, 1)));
  EXPECT_EQ(s.did[kCountCycle], 512 + 4 * 4);
  EXPECT_EQ(s.did[kLookup], 4 * 4);
  spec.code_spread = CodeSpread::worst_case;
  EXPECT_EQ(make_schedule(steps(spec, kClock, mvm(1024, 1, 1, 1))).did[kCountCycle], 1024 + 16);
}

TEST(LutSteps, MoreWordsThanRowsAreAddedInTurns) {
  Spec spec;
  spec.rows = 64;
  // 255 addends and the bias: 64 (10 stages) and three times 62 more, then 6 more (5 stages).
  const Schedule s = make_schedule(steps(spec, kClock, mvm(255, 1, 4, 4)));
  EXPECT_EQ(plays_on(s, kCrossbar).size(), 10U * 4 + 4 + 1);
  EXPECT_EQ(s.did[kAddBit], 255 * 16);
}

TEST(LutSteps, WritingTakesTablesAndMemoriesRowByRow) {
  Op op = mvm(100, 2, 4, 4);
  op.code = OpCode::write;
  const Schedule s = make_schedule(steps(Spec{}, kClock, op));
  // 256 products of 8 bits and 200 codes of 4 bits: 2848 cells in rows of 1024. Sums have 15 bits:
  // 64 rows that turn one into another, 64 that turn one into a code.
  EXPECT_EQ(s.latency, Cycles(3 + 64 + 64));
  EXPECT_EQ(s.did[kCellWrite], 3 * 1024 + 64 * (15 + 15) + 64 * (15 + 4));
}

}  // namespace
}  // namespace tessera::arch::lut
