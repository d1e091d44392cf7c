// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The bits of an RNA block: circuit by circuit against plain integers.
#include "arch/lut/kernel.hpp"

#include "arch/lut/cost.hpp"
#include "arch/lut/lut.hpp"
#include "arch/lut/naf.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

namespace tessera::arch::lut {
namespace {

struct Column {
  Op op;
  std::vector<std::int32_t> weights;
  std::vector<std::int32_t> x;

  [[nodiscard]] std::int64_t product() const {
    return std::inner_product(weights.begin(), weights.end(), x.begin(), std::int64_t{0});
  }
};

Column random_column(Rng& rng, int most_rows) {
  Column c;
  c.op.rows = static_cast<int>(rng.uniform(1, most_rows));
  c.op.cols = 1;
  c.op.w_bits = static_cast<int>(rng.uniform(1, 6));
  c.op.in_bits = static_cast<int>(rng.uniform(1, 6));
  c.op.in_signed = rng.chance(0.5);
  // Few different values: counters that count, and overflow.
  const std::int64_t w_high = rng.chance(0.5) ? max_value(c.op.w_bits, true) : 0;
  const std::int64_t x_high =
      rng.chance(0.5) ? max_value(c.op.in_bits, c.op.in_signed)
                      : std::max<std::int64_t>(0, min_value(c.op.in_bits, c.op.in_signed));
  for (int i = 0; i < c.op.rows; ++i) {
    c.weights.push_back(
        static_cast<std::int32_t>(rng.uniform(min_value(c.op.w_bits, true), w_high)));
    c.x.push_back(
        static_cast<std::int32_t>(rng.uniform(min_value(c.op.in_bits, c.op.in_signed), x_high)));
  }
  return c;
}

int different(const std::vector<std::int32_t>& values) {
  return static_cast<int>(std::set<std::int32_t>(values.begin(), values.end()).size());
}

std::int64_t fired(const Spec& spec, const Column& c, bool ideal) {
  const Block block(spec, c.op, c.weights);
  std::vector<std::int64_t> y(1, 0);
  block.fire(c.x, y, ideal);
  return y[0];
}

TEST(LutNaf, IsTheNumberInFewestDigitsNoTwoOfThemAdjacent) {
  for (std::int64_t n = 0; n < 5000; ++n) {
    std::int64_t sum = 0;
    int last = -2;
    const std::vector<SignedPower> digits = naf(n);
    for (const SignedPower& digit : digits) {
      sum += (digit.negative ? -1 : 1) * (std::int64_t{1} << digit.shift);
      ASSERT_GE(digit.shift, last + 2) << n;
      last = digit.shift;
    }
    ASSERT_EQ(sum, n);
    ASSERT_EQ(std::ssize(digits), naf_weight(n)) << n;
  }
  EXPECT_EQ(naf_weight(43), 4);  // 32 + 16 - 4 - 1: the most that 6 bits need
  EXPECT_EQ(naf_weight(63), 2);  // 64 - 1
}

TEST(LutAdder, AddsModuloItsWidth) {
  Rng rng(1, "lut.adder");
  for (int round = 0; round < 300; ++round) {
    const int bits = static_cast<int>(rng.uniform(1, 64));
    const auto at_once = rng.uniform(3, 40);
    std::vector<std::uint64_t> words(static_cast<std::size_t>(rng.uniform(1, 200)));
    std::uint64_t sum = 0;
    for (std::uint64_t& word : words) {
      word = rng.bits();
      sum += word;
    }
    const Added added = nor_sum(words, bits, at_once);
    const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    ASSERT_EQ(added.sum, sum & mask) << bits;
    // Every 3:2 adder makes one word fewer.
    const auto adders = std::max<std::int64_t>(0, std::ssize(words) - 2);
    ASSERT_EQ(added.add_bits, (adders + 1) * bits);
  }
}

TEST(LutAdder, StagesFollowDaddasSequence) {
  for (std::size_t words = 1; words < 800; ++words) {
    const Added added = nor_sum(std::vector<std::uint64_t>(words, 1), 16, 1000);
    ASSERT_EQ(added.stages, adder_stages(static_cast<std::int64_t>(words))) << words;
  }
  EXPECT_EQ(adder_stages(2), 0);
  EXPECT_EQ(adder_stages(211), 12);
  EXPECT_EQ(adder_stages(212), 13);
}

TEST(LutNeuron, EqualsTheProductWhenNothingIsLost) {
  Rng rng(1, "lut.neuron");
  std::int64_t overflows = 0;
  for (int round = 0; round < 400; ++round) {
    Column c = random_column(rng, 700);
    Spec spec;
    spec.counter_bits = static_cast<int>(rng.uniform(1, 8));
    spec.counters = static_cast<int>(rng.uniform(64, 2000));
    spec.rows = static_cast<int>(rng.uniform(8, 1024));
    const std::int64_t bias = rng.uniform(-3, 3);
    if (rng.chance(0.5)) {  // codebooks of what occurs, or of a little more
      c.op.w_codes = different(c.weights) + static_cast<int>(rng.uniform(0, 2));
      c.op.in_codes = different(c.x) + static_cast<int>(rng.uniform(0, 2));
    }
    const Neuron n = neuron(spec, c.op, c.weights, c.x, 0);
    ASSERT_EQ(n.sum, c.product()) << round;
    ASSERT_EQ(neuron(spec, c.op, c.weights, c.x, bias).sum,
              wrapped(c.product() + bias, widths(spec, c.op.w_bits, c.op.in_bits, c.op.rows).sum));
    ASSERT_EQ(fired(spec, c, false), c.product());
    ASSERT_EQ(fired(spec, c, true), c.product());
    const std::vector<Counted> counted = Block(spec, c.op, c.weights).count(c.x);
    ASSERT_EQ(counted.size(), 1U);
    ASSERT_EQ(counted[0], (Counted{n.increments, n.addends})) << round;
    overflows += n.overflows;
  }
  EXPECT_GT(overflows, 0);
}

TEST(LutNeuron, MoreIntegersThanCodesAreNoCodebook) {
  Column c;
  c.op.rows = 3;
  c.op.cols = 1;
  c.op.w_codes = 3;
  c.op.in_codes = 2;
  c.weights = {-1, 5, 7};
  c.x = {1, 0, 1};
  EXPECT_EQ(neuron(Spec{}, c.op, c.weights, c.x, 0).sum, 6);
  EXPECT_EQ(fired(Spec{}, c, false), 6);
  c.op.w_codes = 2;
  EXPECT_THROW(Block(Spec{}, c.op, c.weights), InternalError);
  EXPECT_THROW(static_cast<void>(neuron(Spec{}, c.op, c.weights, c.x, 0)), InternalError);
}

TEST(LutNeuron, FiringRoundsAndWrapsAsTheCircuitDoes) {
  Rng rng(2, "lut.neuron");
  int different = 0;
  for (int round = 0; round < 400; ++round) {
    const Column c = random_column(rng, 300);
    Spec spec;
    spec.sum_bits = static_cast<int>(rng.uniform(4, 20));
    spec.table_bits = static_cast<int>(rng.uniform(1, spec.sum_bits));
    const Widths wide = widths(spec, c.op.w_bits, c.op.in_bits, c.op.rows);
    const Neuron n = neuron(spec, c.op, c.weights, c.x, 0);
    ASSERT_EQ(fired(spec, c, false), n.sum * (std::int64_t{1} << wide.dropped)) << round;
    ASSERT_EQ(fired(spec, c, true), c.product());
    different += n.sum * (std::int64_t{1} << wide.dropped) != c.product() ? 1 : 0;
  }
  EXPECT_GT(different, 100);
}

/// What data do to a firing lies between what the timing can assume.
TEST(LutNeuron, DataStayBelowTheWorstCase) {
  Rng rng(3, "lut.neuron");
  for (int round = 0; round < 400; ++round) {
    const Column c = random_column(rng, 1500);
    Spec spec;
    spec.counter_bits = static_cast<int>(rng.uniform(1, 8));
    const Neuron n = neuron(spec, c.op, c.weights, c.x, 0);
    spec.code_spread = CodeSpread::worst_case;
    const Cost worst = fire_cost(spec, Clock{Hertz(1e9)}, c.op);
    ASSERT_LE(n.increments, worst.did[kCountCycle]) << round;
    ASSERT_LE(n.addends, worst.did[kLookup]) << round;
    ASSERT_LE(n.add_bits, worst.did[kAddBit]) << round;
    const std::int64_t at_once = std::min<std::int64_t>(
        std::int64_t{1} << c.op.w_bits, spec.counters / (std::int64_t{1} << c.op.in_bits));
    ASSERT_GE(n.increments, ceil_div<std::int64_t>(c.op.rows, at_once)) << round;
    const Cost least = least_cost(spec, Clock{Hertz(1e9)}, c.op);
    ASSERT_LE(least.did[kCountCycle], n.increments) << round;
    ASSERT_LE(least.did[kLookup], n.addends) << round;
    ASSERT_LE(least.did[kAddBit], n.add_bits) << round;
  }
}

/// Data in which every pair of codes occurs equally often take exactly what `balanced` says.
TEST(LutNeuron, BalancedTimingIsThatOfBalancedData) {
  for (const int times : {1, 2, 3, 7, 43, 64, 70, 130}) {
    Column c;
    c.op.cols = 1;
    c.op.w_bits = 3;
    c.op.in_bits = 2;
    c.op.rows = 8 * 4 * times;
    for (int i = 0; i < c.op.rows; ++i) {
      c.weights.push_back(i % 8 - 4);
      c.x.push_back(i / 8 % 4);
    }
    for (const int counters : {4, 8, 13, 32, 1024}) {
      Spec spec;
      spec.counters = counters;
      const Neuron n = neuron(spec, c.op, c.weights, c.x, 0);
      const Cost cost = fire_cost(spec, Clock{Hertz(1e9)}, c.op);
      ASSERT_EQ(n.increments, cost.did[kCountCycle]) << times << " " << counters;
      ASSERT_EQ(n.addends, cost.did[kLookup]) << times;
      ASSERT_EQ(n.add_bits, cost.did[kAddBit]) << times;
      const std::int64_t ripple =
          spec.ripple_nors * std::int64_t{widths(spec, 3, 2, c.op.rows).sum};
      ASSERT_EQ(n.stages * spec.adder_nors + ripple, cost.did[kNorCycle]) << times;
    }
  }
}

}  // namespace
}  // namespace tessera::arch::lut
