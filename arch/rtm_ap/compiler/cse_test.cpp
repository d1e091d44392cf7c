// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Folding and the elimination of common pairs, on expression lists alone.
#include "arch/rtm_ap/compiler/cse.hpp"

#include "sim/base/rng.hpp"
#include "workloads/ternary.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

LayerTask task(int outputs, int taps, const std::vector<std::int32_t>& weights) {
  LayerTask t;
  t.name = "block";
  t.taps = taps;
  t.channels = static_cast<int>(weights.size()) / outputs / taps;
  t.outputs = outputs;
  t.formats.assign(static_cast<std::size_t>(t.channels), {4, false});
  const int inputs = t.inputs();
  for (int o = 0; o < outputs; ++o) {
    std::vector<Weight>& list = t.weights.emplace_back();
    for (int i = 0; i < inputs; ++i) {
      list.push_back({i, weights[static_cast<std::size_t>(std::int64_t{o} * inputs + i)]});
    }
  }
  return t;
}

Tile whole(const LayerTask& t) {
  return {0, t.outputs, 0, t.channels};
}

/// What a block computes: output -> input -> coefficient.
std::map<int, std::map<int, std::int64_t>> meaning(const Block& block) {
  std::vector<std::map<int, std::int64_t>> nodes;
  for (const int input : block.inputs) {
    nodes.push_back({{input, 1}});
  }
  const auto add = [&](std::map<int, std::int64_t>& to, int node, std::int64_t factor) {
    for (const auto& [input, c] : nodes[static_cast<std::size_t>(node)]) {
      to[input] += factor * c;
    }
  };
  for (const Temp& temp : block.temps) {
    std::map<int, std::int64_t> made;
    add(made, temp.a, 1);
    add(made, temp.b, temp.minus ? -1 : 1);
    nodes.push_back(made);
  }
  std::map<int, std::map<int, std::int64_t>> outputs;
  for (const Sum& sum : block.sums) {
    for (const Factor& term : sum.terms) {
      const std::int64_t factor = std::int64_t{1} << sum.shift;
      add(outputs[sum.output], term.node, term.negative ? -factor : factor);
    }
  }
  return outputs;
}

TEST(RtmApDigits, AddUpAndAreNeverNeighbours) {
  for (std::int64_t v = -70000; v <= 70000; v += v > -300 && v < 300 ? 1 : 97) {
    std::int64_t sum = 0;
    int last = -2;
    for (const Digit& digit : digits(v)) {
      EXPECT_GT(digit.shift, last + 1) << v;
      last = digit.shift;
      sum += digit.negative ? -(std::int64_t{1} << digit.shift) : std::int64_t{1} << digit.shift;
    }
    ASSERT_EQ(sum, v);
  }
}

TEST(RtmApBlocks, OneChannelAtATimeWithFoldedWeights) {
  // Two channels of two taps, two outputs.
  const LayerTask t = task(2, 2, {1, 0, -1, 1, 0, 0, 0, 1});
  CompileOptions options;
  options.block_inputs = 2;
  const std::vector<Block> blocks = make_blocks(t, whole(t), options);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].inputs, (std::vector<int>{0, 1}));
  EXPECT_EQ(blocks[1].inputs, (std::vector<int>{2, 3}));
  ASSERT_EQ(blocks[0].sums.size(), 1U);  // the second output takes nothing from channel 0
  EXPECT_EQ(blocks[0].sums[0].terms, (std::vector<Factor>{{0, false}}));
  EXPECT_EQ(blocks[1].sums[0].terms, (std::vector<Factor>{{0, true}, {1, false}}));
  EXPECT_EQ(num_operations(blocks), 4);

  options.block_inputs = 4;
  EXPECT_EQ(make_blocks(t, whole(t), options).size(), 1U);
  options.passes.unroll = false;
  EXPECT_EQ(make_blocks(t, whole(t), options).size(), 4U);
  options.passes.fold = false;
  EXPECT_EQ(num_operations(make_blocks(t, whole(t), options)), 8);
}

TEST(RtmApCse, SharesAPairUpToItsSign) {
  // x - y, y - x + z, x - y + z: x - y is there three times.
  const LayerTask t = task(3, 3, {1, -1, 0, -1, 1, 1, 1, -1, 1});
  const std::vector<Block> blocks = make_blocks(t, whole(t), {});
  EXPECT_EQ(num_operations(blocks), 8);
  const Block shared = eliminate_common_pairs(blocks[0]);
  ASSERT_EQ(shared.temps.size(), 1U);
  EXPECT_EQ(shared.temps[0].a, 0);
  EXPECT_EQ(shared.temps[0].b, 1);
  EXPECT_TRUE(shared.temps[0].minus);
  EXPECT_EQ(num_operations({shared}), 6);  // the temporary, three uses of it, two of z
  EXPECT_EQ(meaning(shared), meaning(blocks[0]));
}

TEST(RtmApCse, PairsOfPairsAreShared) {
  // a + b + c + d twice, a + b once.
  const LayerTask t = task(3, 4, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0});
  const Block shared = eliminate_common_pairs(make_blocks(t, whole(t), {})[0]);
  EXPECT_EQ(shared.temps.size(), 3U);
  EXPECT_EQ(num_operations({shared}), 6);
}

TEST(RtmApCse, KeepsTheMeaningAndNeverCosts) {
  Rng rng(1, "cse");
  for (int round = 0; round < 60; ++round) {
    const int outputs = static_cast<int>(rng.uniform(1, 40));
    const int taps = static_cast<int>(rng.uniform(1, 12));
    const int bits = static_cast<int>(rng.uniform(1, 5));
    std::vector<std::int32_t> weights;
    for (int i = 0; i < outputs * taps; ++i) {
      const std::int64_t most = (std::int64_t{1} << bits) - 1;
      weights.push_back(rng.chance(0.4) ? 0 : static_cast<std::int32_t>(rng.uniform(-most, most)));
    }
    const LayerTask t = task(outputs, taps, weights);
    CompileOptions options;
    options.passes.fold = round % 2 == 0;
    const Block before = make_blocks(t, whole(t), options)[0];
    const Block after = eliminate_common_pairs(before);
    EXPECT_EQ(meaning(after), meaning(before)) << "round " << round;
    EXPECT_LE(num_operations({after}), num_operations({before})) << "round " << round;
    // Nothing is left to share.
    std::map<std::vector<int>, int> pairs;
    for (const Sum& sum : after.sums) {
      for (std::size_t i = 0; i < sum.terms.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          const Factor& x = sum.terms[i];
          const Factor& y = sum.terms[j];
          if (after.inputs.back() == kZeroInput &&
              (x.node == after.num_inputs() - 1 || y.node == after.num_inputs() - 1)) {
            continue;
          }
          ++pairs[{std::min(x.node, y.node),
                   std::max(x.node, y.node),
                   x.negative == y.negative ? 0 : 1}];
        }
      }
    }
    for (const auto& [pair, count] : pairs) {
      EXPECT_LT(count, 2) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
