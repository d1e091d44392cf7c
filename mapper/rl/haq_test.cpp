// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// HAQ's rules, computed by hand from its code.
#include "mapper/rl/haq.hpp"

#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tessera::mapper::rl {
namespace {

TEST(ActionToBits, SplitsTheRangeEvenly) {
  struct Row {
    double action;
    int min, max, bits;
  };

  // Halves go to the even neighbour: 1.5 -> 2, 2.5 -> 2, 3.5 -> 4.
  for (const Row& row : {Row{0.0, 2, 8, 2},
                         {0.10, 2, 8, 2},
                         {1.0 / 7 + 1e-9, 2, 8, 3},
                         {0.5, 2, 8, 5},
                         {6.0 / 7 - 1e-9, 2, 8, 7},
                         {6.0 / 7 + 1e-9, 2, 8, 8},
                         {1.0, 2, 8, 8},  // 8.5 -> 8
                         {0.0, 1, 8, 1},  // 0.5 -> 0, clamped
                         {1.0, 1, 8, 8},
                         {0.0, 2, 7, 2},
                         {1.0, 2, 7, 7},  // 7.5 -> 8, clamped
                         {0.5, 2, 7, 4},  // 4.5 -> 4
                         {0.0, 3, 5, 3},  // 2.5 -> 2, clamped
                         {1.0, 3, 5, 5},  // 5.5 -> 6, clamped
                         {0.3, 8, 8, 8}}) {
    EXPECT_EQ(action_to_bits(row.action, row.min, row.max), row.bits)
        << row.action << " in " << row.min << ".." << row.max;
  }
}

TEST(ActionToIndex, IsCimAqsRule) {
  EXPECT_EQ(action_to_index(0.0, 2), 0U);
  EXPECT_EQ(action_to_index(0.4999, 2), 0U);
  EXPECT_EQ(action_to_index(0.5, 2), 1U);
  EXPECT_EQ(action_to_index(1.0, 2), 1U);
  EXPECT_EQ(action_to_index(0.74, 4), 2U);
  EXPECT_EQ(action_to_index(0.75, 4), 3U);
}

TEST(Features, OfResNet18AreHaqs) {
  const std::vector<FeatureRow> counted = count_features(zoo("resnet18"), LayerTypes::haq);
  ASSERT_EQ(counted.size(), 21U);
  EXPECT_EQ(counted[0], (FeatureRow{0, 3, 64, 2, 7, 9408, 50'176, 0, 1, 1}));
  EXPECT_EQ(counted[1], (FeatureRow{0, 64, 64, 1, 3, 36'864, 3136, 1, 1, 1}));
  EXPECT_EQ(counted[20], (FeatureRow{0, 512, 1000, 0, 1, 512'000, 512, 20, 1, 1}));

  const std::vector<FeatureRow> rows = normalize(counted);
  // Least and most: inputs 3 and 512, outputs 64 and 1000, weights 8192 (first downsample) and
  // 2359296, positions 49 and 50176; equal columns stay.
  const FeatureRow first = {0, 0, 0, 1, 1, 1216.0 / 2'351'104, 1, 0, 1, 1};
  const FeatureRow second = {
      0, 61.0 / 509, 0, 0.5, 1.0 / 3, 28'672.0 / 2'351'104, 3087.0 / 50'127, 0.05, 1, 1};
  for (std::size_t column = 0; column < kStateSize; ++column) {
    EXPECT_DOUBLE_EQ(rows[0][column], first[column]) << column;
    EXPECT_DOUBLE_EQ(rows[1][column], second[column]) << column;
  }
  const State state = state_of(rows[1], 0.75, false);
  EXPECT_EQ(state[8], 0.75F);
  EXPECT_EQ(state[9], 0.0F);
  EXPECT_EQ(state_of(rows[1], 1, true)[9], 1.0F);
}

TEST(Features, NameTheTypeOfEveryLayer) {
  for (const auto& [name, types] :
       {std::pair<std::string, std::vector<double>>{"mobilenet_v2", {0, 1, 2}},
        {"vit_b32", {0, 2, 3}}}) {
    std::vector<double> seen(4);
    for (const FeatureRow& row : count_features(zoo(name), LayerTypes::cim_aq)) {
      seen[static_cast<std::size_t>(row[0])] = 1;
    }
    std::vector<double> expected(4);
    for (const double type : types) {
      expected[static_cast<std::size_t>(type)] = 1;
    }
    EXPECT_EQ(seen, expected) << name;
  }
}

std::string text_of(const std::vector<LayerBits>& bits) {
  std::string out;
  for (const LayerBits& layer : bits) {
    out += std::to_string(layer.w_bits) + "/" + std::to_string(layer.a_bits) + " ";
  }
  return out;
}

/// Where the walk stops when `falls` falls of a width are asked for.
std::string after(int falls, Lower lower, const std::vector<AllowedWidths>& widths) {
  const std::vector<LayerBits> start = {{8, 8}, {4, 4}, {4, 3}};
  const auto total = [](const std::vector<LayerBits>& bits) {
    int sum = 0;
    for (const LayerBits& layer : bits) {
      sum += layer.w_bits + layer.a_bits;
    }
    return sum;
  };
  std::vector<LayerBits> bits = start;
  walk_until(widths, lower, bits, [&](const std::vector<LayerBits>& lowered) {
    return total(lowered) <= total(start) - falls;
  });
  return text_of(bits);
}

TEST(WalkUntil, GoesFromLastToFirstActivationsBeforeWeights) {
  const AllowedWidths any{{2, 3, 4, 5, 6, 7, 8}, {2, 3, 4, 5, 6, 7, 8}};
  const std::vector<AllowedWidths> widths = {{{8}, {8}}, any, any};
  const auto after_both = [&](int falls) {
    return after(falls, Lower::activations_and_weights, widths);
  };
  EXPECT_EQ(after_both(0), "8/8 4/4 4/3 ");
  EXPECT_EQ(after_both(1), "8/8 4/4 4/2 ");
  EXPECT_EQ(after_both(2), "8/8 4/4 3/2 ");
  EXPECT_EQ(after_both(3), "8/8 4/3 3/2 ");
  EXPECT_EQ(after_both(4), "8/8 3/3 3/2 ");
  EXPECT_EQ(after_both(5),
            "8/8 3/3 2/2 ");  // second sweep; the last activations are at their least
  EXPECT_EQ(after_both(6), "8/8 3/2 2/2 ");
  EXPECT_EQ(after_both(7), "8/8 2/2 2/2 ");
  EXPECT_EQ(after_both(99), "8/8 2/2 2/2 ");
  EXPECT_EQ(after(2, Lower::weights, widths), "8/8 3/4 3/3 ");
}

TEST(WalkUntil, SkipsWidthsThatAreNotAllowed) {
  const std::vector<AllowedWidths> widths = {{{8}, {8}}, {{4, 8}, {4, 8}}, {{2, 4}, {3}}};
  EXPECT_EQ(after(2, Lower::activations_and_weights, widths), "8/8 4/4 2/3 ");
}

TEST(WalkUntil, SaysWhetherItGotThere) {
  const std::vector<AllowedWidths> widths = {{{2, 8}, {2, 8}}};
  std::vector<LayerBits> bits = {{8, 8}};
  EXPECT_TRUE(walk_until(widths, Lower::activations_and_weights, bits, [](const auto& lowered) {
    return lowered[0].a_bits == 2;
  }));
  EXPECT_EQ(text_of(bits), "8/2 ");
  EXPECT_FALSE(
      walk_until(widths, Lower::activations_and_weights, bits, [](const auto&) { return false; }));
  EXPECT_EQ(text_of(bits), "2/2 ");
}

}  // namespace
}  // namespace tessera::mapper::rl
