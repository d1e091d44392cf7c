// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every pass table against arithmetic, over all states; and which orders of its passes work.
#include "arch/rtm_ap/tables.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

struct State {
  int c, b, a, r;
};

State state_of(unsigned bits) {
  return {(bits & kRoleC) != 0, (bits & kRoleB) != 0, (bits & kRoleA) != 0, (bits & kRoleR) != 0};
}

std::vector<int> own_order(const PassTable& passes) {
  std::vector<int> order(static_cast<std::size_t>(passes.size));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

int floor_half(int v) {
  return v < 0 ? -((1 - v) / 2) : v / 2;
}

/// Sum bit and new carry of v = value; borrow for differences.
State in_place(const State& s, int v) {
  return {v < 0 ? -floor_half(v) : floor_half(v), v & 1, s.a, s.r};
}

State out_of_place(const State& s, int v) {
  return {v < 0 ? -floor_half(v) : floor_half(v), s.b, s.a, v & 1};
}

/// What the table must make of a state with a clear R.
State expected(TableId id, const State& s) {
  switch (id) {
    case TableId::add_in_place:
      return in_place(s, s.b + s.a + s.c);
    case TableId::add_in_place_tail:
      return in_place(s, s.b + s.c);
    case TableId::sub_in_place:
      return in_place(s, s.b - s.a - s.c);
    case TableId::sub_in_place_tail:
      return in_place(s, s.b - s.c);
    case TableId::add:
      return out_of_place(s, s.b + s.a + s.c);
    case TableId::add_tail:
      return out_of_place(s, s.b + s.c);
    case TableId::add_carry:
      return out_of_place(s, s.c);
    case TableId::sub:
      return out_of_place(s, s.b - s.a - s.c);
    case TableId::sub_tail:
      return out_of_place(s, s.b - s.c);
    case TableId::sub_negate:
      return out_of_place(s, -s.a - s.c);
    case TableId::sub_borrow:
      return out_of_place(s, -s.c);
    case TableId::add_one:
      return in_place(s, s.b + 1 + s.c);
    case TableId::copy:
      return {s.c, s.b, s.a, s.a};
    case TableId::compare:
      return {s.b - s.a - s.c < 0, s.b, s.a, s.r};
    case TableId::compare_sign:  // sign bits weigh negatively
      return {-s.b + s.a - s.c < 0, s.b, s.a, s.r};
    case TableId::select:
      return {s.c, s.c != 0 ? s.a : s.b, s.a, s.r};
    case TableId::mark:
      return {s.c | s.a, s.b, s.a, s.r};
  }
  return s;
}

TEST(RtmApTables, DoWhatTheirArithmeticSaysForEveryState) {
  int checked = 0;
  for (int i = 0; i < kNumTables; ++i) {
    const auto id = static_cast<TableId>(i);
    const PassTable& passes = table(id);
    for (unsigned bits = 0; bits < kNumStates; ++bits) {
      if ((bits & kRoleR) != 0) {
        continue;  // destinations are clear
      }
      const State want = expected(id, state_of(bits));
      const State got = state_of(apply(passes, own_order(passes), bits));
      EXPECT_EQ(got.c, want.c) << passes.name << " state " << bits;
      EXPECT_EQ(got.b, want.b) << passes.name << " state " << bits;
      EXPECT_EQ(got.a, want.a) << passes.name << " state " << bits;
      EXPECT_EQ(got.r, want.r) << passes.name << " state " << bits;
      ++checked;
    }
  }
  EXPECT_EQ(checked, kNumTables * 8);
}

TEST(RtmApTables, TakeThePassesOfTheFacts) {
  EXPECT_EQ(table(TableId::add_in_place).size, 4);
  EXPECT_EQ(table(TableId::sub_in_place).size, 4);
  EXPECT_EQ(table(TableId::add).size, 5);
  EXPECT_EQ(table(TableId::sub).size, 5);
  EXPECT_EQ(table(TableId::add_in_place_tail).size, 2);
  EXPECT_EQ(table(TableId::sub_in_place_tail).size, 2);
}

int valid_orders(const PassTable& passes) {
  std::vector<int> order = own_order(passes);
  int valid = 0;
  do {
    valid += check_order(passes, order) ? 0 : 1;
  } while (std::next_permutation(order.begin(), order.end()));
  return valid;
}

TEST(RtmApTables, AcceptsTheOrdersThatTheFactsCount) {
  EXPECT_EQ(valid_orders(table(TableId::add_in_place)), 6);
  EXPECT_EQ(valid_orders(table(TableId::sub_in_place)), 6);
  EXPECT_EQ(valid_orders(table(TableId::add)), 60);
  EXPECT_EQ(valid_orders(table(TableId::add_in_place_tail)), 1);
  EXPECT_EQ(valid_orders(table(TableId::sub_in_place_tail)), 1);
  EXPECT_EQ(valid_orders(reversed_sub_table()), 0) << "B <- A - B cannot be done in place";
}

/// A right order leaves what the table's own leaves; a wrong one does not for some state.
TEST(RtmApTables, AnOrderIsFaultyExactlyWhenItsResultIsWrong) {
  for (int i = 0; i < kNumTables; ++i) {
    const PassTable& passes = table(static_cast<TableId>(i));
    std::vector<int> order = own_order(passes);
    do {
      bool same = true;
      for (unsigned bits = 0; bits < kNumStates; ++bits) {
        if ((bits & kRoleR) == 0) {
          same = same && apply(passes, order, bits) == apply(passes, own_order(passes), bits);
        }
      }
      EXPECT_EQ(!check_order(passes, order), same) << passes.name;
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST(RtmApTables, ExplainsAFaultWithBothPasses) {
  const PassTable& passes = table(TableId::add_in_place);
  const std::vector<int> order = {1, 0, 2, 3};
  const auto fault = check_order(passes, order);
  ASSERT_TRUE(fault);
  EXPECT_EQ(to_text(passes, *fault),
            "pass 001->B1 makes 011, which the later pass 011->C1B0 matches");
}

/// The six changes of B <- A - B - C, in six passes: right one by one, wrong in any order.
TEST(RtmApTables, TheReversedSubtractionHasTheRightPassesButNoOrder) {
  const PassTable& passes = reversed_sub_table();
  ASSERT_EQ(passes.size, 6);
  for (unsigned bits = 0; bits < kNumStates; ++bits) {
    if ((bits & kRoleR) != 0) {
      continue;
    }
    const State s = state_of(bits);
    const State want = in_place(s, s.a - s.b - s.c);
    unsigned after = bits;
    for (int p = 0; p < passes.size; ++p) {
      const std::vector<int> alone = {p};
      if (apply(passes, alone, bits) != bits) {
        after = apply(passes, alone, bits);
      }
    }
    EXPECT_EQ(state_of(after).b, want.b) << bits;
    EXPECT_EQ(state_of(after).c, want.c) << bits;
  }
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
