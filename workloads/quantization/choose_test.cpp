// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/choose.hpp"

#include "workloads/builder.hpp"
#include "workloads/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera {
namespace {

const std::vector<std::int64_t> kSizes{64, 4, 16};

/// Two branches that read one tensor, and a layer that reads both.
Network branches() {
  Builder b("branches", {4, 4, 2});
  const LayerId in = b.conv("in", b.last(), {.channels = 4, .kernel = 3, .padding = 1});
  const LayerId left = b.conv("left", in, {.channels = 4, .kernel = 3, .padding = 1});
  const LayerId right = b.conv("right", in, {.channels = 4, .kernel = 1});
  b.fc("out", b.add("add", left, right), 3);
  Network network = b.build();
  quantize(network, std::vector<LayerBits>(4, {8, 8}));
  return network;
}

/// Noise 1 / size of every codebook, the weights of `in` a hundred times as bad; accuracy falls
/// with it.
CodebookError toy(const std::vector<CodebookSizes>& sizes) {
  double noise = 0.0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    noise += (k == 0 ? 100.0 : 1.0) / static_cast<double>(sizes[k].w) +
             1.0 / static_cast<double>(sizes[k].u);
  }
  return {noise, 1.0 - noise / 100.0};
}

std::int64_t total_bits(const Network& network, const std::vector<CodebookSizes>& sizes) {
  std::int64_t sum = 0;
  const std::vector<LayerId> ids = codebook_layers(network);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    sum += network.layer(ids[k]).out.channels * neuron_bits(network, ids[k], sizes[k]);
  }
  return sum;
}

TEST(Choose, ANeuronHoldsItsTableAndItsCodes) {
  const Network network = branches();
  // 16 x 4 products of 16 bits, and 36 weights of 4 bits.
  EXPECT_EQ(neuron_bits(network, codebook_layers(network)[1], {16, 4}), 16 * 4 * 16 + 36 * 4);
}

TEST(Choose, BudgetsOfNothingAndOfEverything) {
  const Network network = branches();
  const CodebookChoice none = choose_codebooks(network, kSizes, 2.0, toy);
  EXPECT_EQ(none.sizes, (std::vector<CodebookSizes>(4, {64, 64})));
  EXPECT_EQ(none.measured, 1);
  const CodebookChoice all = choose_codebooks(network, kSizes, -10.0, toy);
  EXPECT_EQ(all.sizes, (std::vector<CodebookSizes>(4, {4, 4})));
  EXPECT_EQ(all.bits, total_bits(network, all.sizes));
}

TEST(Choose, SpendsTheBudgetWhereItSavesMost) {
  const Network network = branches();
  const double least = 0.965;
  const CodebookChoice got = choose_codebooks(network, kSizes, least, toy);
  EXPECT_GE(got.error.accuracy, least);
  EXPECT_EQ(got.error.accuracy, toy(got.sizes).accuracy);
  EXPECT_EQ(got.sizes[0].w, 64) << "the layer that bears least";
  EXPECT_EQ(got.sizes[1].u, got.sizes[2].u) << "both read one tensor";
  EXPECT_LT(got.bits, total_bits(network, std::vector<CodebookSizes>(4, {64, 64})) / 2);
  // No codebook could be a step smaller.
  const auto smaller = [](std::int64_t size) { return size == 64 ? 16 : 4; };
  for (std::size_t k = 0; k < 4; ++k) {
    std::vector<CodebookSizes> one = got.sizes;
    one[k].w = smaller(one[k].w);
    EXPECT_TRUE(one == got.sizes || toy(one).accuracy < least) << k;
  }
}

}  // namespace
}  // namespace tessera
