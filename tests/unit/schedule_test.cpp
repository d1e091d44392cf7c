// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// make_schedule against the timing rule of model.hpp, played pass by pass.
#include "sim/api/schedule.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace tessera {
namespace {

Step step(int on,
          std::int64_t occupancy,
          std::int64_t latency,
          std::int64_t repeat,
          ActionCounts did = {}) {
  return Step{on, Cycles(occupancy), Cycles(latency), repeat, did};
}

TEST(Schedule, NothingTakesNoTime) {
  const Schedule s = make_schedule({});
  EXPECT_EQ(s.latency, Cycles(0));
  EXPECT_EQ(s.interval, Cycles(0));
  EXPECT_TRUE(s.plays.empty());
  EXPECT_EQ(s.occupations, 0);
}

TEST(Schedule, OneLoopIsFillPlusPasses) {
  // Read 3 cycles, convert 5, shift-add 1: II = 5. Passes start at 0, 5, 10, 15.
  const std::vector<Step> steps = {step(1, 3, 3, 4), step(2, 5, 5, 4), step(3, 1, 1, 4)};
  const Schedule s = make_schedule(steps);
  EXPECT_EQ(s.latency, Cycles(3 + 5 + 1 + 3 * 5));
  EXPECT_EQ(s.interval, 4 * Cycles(5));  // resource 2 is held without a gap
  ASSERT_EQ(s.plays.size(), 3U);
  EXPECT_EQ(s.plays[1].on, 2);
  EXPECT_EQ(s.plays[1].offset, Cycles(3));
  EXPECT_EQ(s.plays[1].interval, Cycles(5));
  EXPECT_EQ(s.plays[1].repeat, 4);
  ASSERT_EQ(s.holds.size(), 3U);
  EXPECT_EQ(s.holds[0].first, Cycles(0));
  EXPECT_EQ(s.holds[0].end, Cycles(15 + 3));
  EXPECT_EQ(s.holds[2].first, Cycles(8));
  EXPECT_EQ(s.holds[2].end, Cycles(8 + 15 + 1));
  EXPECT_EQ(s.occupations, 12);
}

TEST(Schedule, TheNextLoopWaitsForTheLastPass) {
  const std::vector<Step> steps = {step(0, 2, 2, 3), step(1, 4, 1, 3), step(0, 7, 6, 1)};
  const Schedule s = make_schedule(steps);
  // First loop: II 4, last pass starts at 8, its last step at 10 and hands over at 11 although it
  // holds on to 14.
  ASSERT_EQ(s.plays.size(), 3U);
  EXPECT_EQ(s.plays[2].offset, Cycles(11));
  EXPECT_EQ(s.latency, Cycles(17));
  // One reservation per resource, from its first to its last occupation.
  ASSERT_EQ(s.holds.size(), 2U);
  EXPECT_EQ(s.holds[0].first, Cycles(0));
  EXPECT_EQ(s.holds[0].end, Cycles(18));
  EXPECT_EQ(s.holds[1].end, Cycles(14));
  EXPECT_EQ(s.interval, Cycles(18));
}

TEST(Schedule, CountsAreOfTheWholeFiring) {
  ActionCounts a{};
  a[0] = 2;
  a[15] = 1;
  ActionCounts b{};
  b[0] = 5;
  const std::vector<Step> steps = {step(0, 1, 1, 10, a), step(0, 0, 0, 1, b)};
  const Schedule s = make_schedule(steps);
  EXPECT_EQ(s.did[0], 25);
  EXPECT_EQ(s.did[15], 10);
}

TEST(Schedule, ZeroOccupancyIsOnlyADelay) {
  const std::vector<Step> steps = {step(0, 0, 3, 2), step(0, 5, 5, 2), step(1, 0, 0, 2)};
  const Schedule s = make_schedule(steps);
  ASSERT_EQ(s.plays.size(), 1U);
  EXPECT_EQ(s.plays[0].offset, Cycles(3));
  ASSERT_EQ(s.holds.size(), 1U);
  EXPECT_EQ(s.holds[0].first, Cycles(3));
  EXPECT_EQ(s.interval, Cycles(10));
  EXPECT_EQ(s.latency, Cycles(3 + 5 + 5));
  EXPECT_EQ(s.occupations, 2);
}

TEST(Schedule, ALoopOfZeroPassesVanishes) {
  ActionCounts a{};
  a[0] = 2;
  const std::vector<Step> steps = {step(0, 9, 9, 0, a), step(1, 4, 4, 1)};
  const Schedule s = make_schedule(steps);
  EXPECT_EQ(s.latency, Cycles(4));
  EXPECT_EQ(s.did[0], 0);
  EXPECT_EQ(s.plays.size(), 1U);
}

TEST(Schedule, RefusesAResourceTwiceInALoop) {
  const std::vector<Step> twice = {step(0, 1, 1, 2), step(1, 1, 1, 2), step(0, 1, 1, 2)};
  EXPECT_THROW(make_schedule(twice), InternalError);
  const std::vector<Step> two_loops = {step(0, 1, 1, 2), step(0, 1, 1, 3)};
  EXPECT_NO_THROW(make_schedule(two_loops));
}

TEST(Schedule, RefusesNegativeNumbers) {
  EXPECT_THROW(make_schedule(std::vector<Step>{step(0, -1, 1, 1)}), InternalError);
  EXPECT_THROW(make_schedule(std::vector<Step>{step(0, 1, -1, 1)}), InternalError);
  EXPECT_THROW(make_schedule(std::vector<Step>{step(0, 1, 1, -1)}), InternalError);
  EXPECT_THROW(make_schedule(std::vector<Step>{step(-1, 1, 1, 1)}), InternalError);
}

/// The rule of the header comment played literally: every pass of every loop, one start time after
/// another.
TEST(Schedule, EqualsTheRulePlayedPassByPass) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed, "schedule");
    std::vector<Step> steps;
    const std::int64_t loops = rng.uniform(1, 3);
    std::int64_t repeat = 0;
    for (std::int64_t l = 0; l < loops; ++l) {
      const std::int64_t next = rng.uniform(1, 6);
      repeat = next == repeat ? next + 1 : next;  // equal neighbours would be one loop
      const int first = static_cast<int>(rng.uniform(0, 3));
      const int count = static_cast<int>(rng.uniform(1, 4));
      for (int k = 0; k < count; ++k) {
        steps.push_back(step((first + k) % 4, rng.uniform(0, 9), rng.uniform(0, 9), repeat));
      }
    }
    const Schedule s = make_schedule(steps);

    std::map<int, std::vector<std::pair<std::int64_t, std::int64_t>>> busy;
    std::int64_t now = 0;
    std::int64_t occupations = 0;
    for (std::size_t begin = 0; begin < steps.size();) {
      std::size_t end = begin;
      std::int64_t ii = 0;
      while (end < steps.size() && steps[end].repeat == steps[begin].repeat) {
        ii = std::max(ii, steps[end++].occupancy.value);
      }
      std::int64_t finish = now;
      for (std::int64_t pass = 0; pass < steps[begin].repeat; ++pass) {
        std::int64_t t = now + pass * ii;
        for (std::size_t k = begin; k < end; ++k) {
          if (steps[k].occupancy.value > 0) {
            busy[steps[k].on].emplace_back(t, t + steps[k].occupancy.value);
            ++occupations;
          }
          t += steps[k].latency.value;
        }
        finish = t;
      }
      now = finish;
      begin = end;
    }
    EXPECT_EQ(s.latency.value, now);
    EXPECT_EQ(s.occupations, occupations);
    ASSERT_EQ(s.holds.size(), busy.size());
    std::int64_t interval = 0;
    for (const Schedule::Hold& hold : s.holds) {
      std::int64_t first = INT64_MAX;
      std::int64_t last = 0;
      for (const auto& [from, to] : busy[hold.on]) {
        first = std::min(first, from);
        last = std::max(last, to);
      }
      EXPECT_EQ(hold.first.value, first);
      EXPECT_EQ(hold.end.value, last);
      interval = std::max(interval, last - first);
    }
    EXPECT_EQ(s.interval.value, interval);
  }
}

}  // namespace
}  // namespace tessera
