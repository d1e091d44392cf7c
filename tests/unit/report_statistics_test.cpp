// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Latency, throughput with its interval, stage lines, and the split of the gap.
#include "sim/base/rng.hpp"
#include "sim/report/statistics.hpp"
#include "tests/unit/report_toy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace tessera::report {
namespace {

std::vector<Cycles> departures(const std::vector<std::int64_t>& gaps) {
  std::vector<Cycles> out{Cycles(1000)};
  for (const std::int64_t gap : gaps) {
    out.push_back(out.back() + Cycles(gap));
  }
  return out;
}

TEST(Throughput, OneImageMeasuresNone) {
  const Throughput t = measure_throughput(std::vector{Cycles(5)});
  EXPECT_FALSE(t.interval);
  EXPECT_FALSE(t.ci95);
  EXPECT_FALSE(measure_throughput({}).interval);
}

TEST(Throughput, TwoImagesHaveNoConfidence) {
  const Throughput t = measure_throughput(departures({70}));
  EXPECT_EQ(t.interval, 70);
  EXPECT_FALSE(t.ci95);
}

TEST(Throughput, SteadyPipelineIsExact) {
  const Throughput t = measure_throughput(departures(std::vector<std::int64_t>(50, 333)));
  EXPECT_EQ(t.interval, 333);
  EXPECT_EQ(t.ci95, 0);
  EXPECT_EQ(t.warm_up, 0);
  EXPECT_EQ(t.used, 50);
}

TEST(Throughput, FillIsCutButAtMostHalf) {
  const Throughput t = measure_throughput(departures({900, 500, 100, 100, 100, 100}));
  EXPECT_EQ(t.warm_up, 2);
  EXPECT_EQ(t.interval, 100);
  EXPECT_EQ(t.ci95, 0);
  EXPECT_EQ(measure_throughput(departures({9000, 8000, 7000, 100, 110, 90})).warm_up, 3);
  // Of two nothing is cut: a single one would always look steadiest.
  EXPECT_EQ(measure_throughput(departures({10, 90})).warm_up, 0);
  EXPECT_EQ(measure_throughput(departures({10, 90})).interval, 50);
}

TEST(Throughput, IntervalByHand) {
  // Sample variance 200 / 3, four batches of one, three degrees of freedom; MSER cuts nothing.
  const Throughput t = measure_throughput(departures({100, 110, 90, 100}));
  EXPECT_EQ(t.warm_up, 0);
  ASSERT_TRUE(t.ci95);
  EXPECT_NEAR(*t.ci95, 3.182446305 * std::sqrt(200.0 / 3) / 2, 1e-6);
}

TEST(Throughput, CoversTheMeanOfNoisyDeparturesAboutAsOftenAsItSays) {
  int covered = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    Rng rng(static_cast<std::uint64_t>(run), "coverage");
    std::vector<std::int64_t> gaps;
    gaps.reserve(200);
    for (int i = 0; i < 200; ++i) {
      gaps.push_back(rng.uniform(500, 1500));
    }
    const Throughput t = measure_throughput(departures(gaps));
    ASSERT_TRUE(t.interval && t.ci95);
    covered += std::abs(*t.interval - 1000) <= *t.ci95 ? 1 : 0;
  }
  EXPECT_GT(covered, kRuns * 90 / 100);
  EXPECT_LT(covered, kRuns * 99 / 100);
}

TEST(Statistics, LatencyOfTheToy) {
  Toy toy;
  toy.stats.image_out[2] = Cycles(1806);
  const Statistics s = toy.report().statistics;
  EXPECT_NEAR(s.latency.mean, 1002, 1e-9);
  EXPECT_EQ(s.latency.first, Cycles(1000));
  EXPECT_EQ(s.latency.lowest, Cycles(1000));
  EXPECT_EQ(s.latency.highest, Cycles(1006));
}

TEST(Statistics, ImagesThatNeverCameCountNowhere) {
  Toy toy;
  toy.stats.image_in[2] = Cycles(INT64_MAX);
  toy.stats.stages[1].image_start[2] = Cycles(INT64_MAX);
  toy.stats.image_out[2] = Cycles(0);
  toy.stats.stages[1].image_end[2] = Cycles(0);
  const Report report = toy.report();
  EXPECT_EQ(report.statistics.latency.mean, 1000);
  EXPECT_EQ(report.statistics.stages[1].simulated, 440);
  EXPECT_FALSE(report.ok());
}

TEST(Statistics, StageLineIsThatOfTheBusiestPart) {
  const Statistics s = Toy().report().statistics;
  const StageSummary& conv = s.stages[1];
  EXPECT_EQ(conv.kind, "conv");
  EXPECT_EQ(conv.w_bits, 4);
  EXPECT_EQ(conv.a_bits, 6);
  EXPECT_EQ(conv.replicas, 2);
  EXPECT_EQ(conv.pes, 6);
  EXPECT_EQ(conv.firings, 48);
  EXPECT_EQ(conv.busiest, 1);
  EXPECT_EQ(conv.time.work, 900);
  EXPECT_EQ(conv.time.waits[static_cast<std::size_t>(Wait::input)], 300);
  EXPECT_EQ(conv.time.total(), 2000);
  EXPECT_EQ(conv.simulated, 440);
  EXPECT_EQ(s.stages[3].kind, "output");
  EXPECT_EQ(s.tiles_used, 2);
  EXPECT_EQ(s.pe_time.work, 3 * (900 + 880));
  EXPECT_EQ(s.pe_time.total(), 6 * 2000);
  EXPECT_EQ(s.links.busiest, "router[0].east");
  EXPECT_DOUBLE_EQ(s.links.highest, 0.3);
  EXPECT_DOUBLE_EQ(s.links.mean, 0.225);
  EXPECT_EQ(s.largest_buffer, Bits(2) * 8 * 48);
}

TEST(Gap, IsSplitInProportionWhenWaitsAreMore) {
  const Statistics s = Toy().report().statistics;
  // 40 cycles of gap; per image 100 cycles of input and 20 of link compete for them.
  const Gap gap = explain_gap(s.stages[1], Cycles(400), 3);
  EXPECT_DOUBLE_EQ(gap.total, 40);
  EXPECT_NEAR(gap.waits[static_cast<std::size_t>(Wait::input)], 40.0 * 300 / 360, 1e-9);
  EXPECT_NEAR(gap.waits[static_cast<std::size_t>(Wait::link)], 40.0 * 60 / 360, 1e-9);
  EXPECT_NEAR(gap.rest, 0, 1e-9);
}

TEST(Gap, HasARestWhenWaitsAreLess) {
  const Statistics s = Toy().report().statistics;
  const Gap gap = explain_gap(s.stages[1], Cycles(100), 3);
  EXPECT_NEAR(gap.waits[static_cast<std::size_t>(Wait::input)], 100, 1e-9);
  EXPECT_NEAR(gap.rest, 340 - 120, 1e-9);
  EXPECT_NEAR(std::accumulate(gap.waits.begin(), gap.waits.end(), gap.rest), gap.total, 1e-9);
}

TEST(Gap, OfASlowClosedFormIsNoWait) {
  const Statistics s = Toy().report().statistics;
  const Gap gap = explain_gap(s.stages[1], Cycles(500), 3);
  EXPECT_DOUBLE_EQ(gap.total, -60);
  EXPECT_DOUBLE_EQ(gap.rest, -60);
  EXPECT_DOUBLE_EQ(gap.waits[0], 0);
}

}  // namespace
}  // namespace tessera::report
