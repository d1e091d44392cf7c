// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Receptive fields and gather against brute force: for random windows every tap is visited.
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"
#include "workloads/receptive.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace tessera {
namespace {

std::uint64_t first_seed() {
  const char* text = std::getenv("TESSERA_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

/// A random network of one windowed layer that is valid.
Network random_window(Rng& rng, LayerKind kind) {
  while (true) {
    Network network;
    network.name = "random";
    Layer input;
    input.name = "input";
    input.out = {static_cast<int>(rng.uniform(1, 9)),
                 static_cast<int>(rng.uniform(1, 9)),
                 static_cast<int>(rng.uniform(1, 3) * 2)};
    network.layers.push_back(input);
    Layer layer;
    layer.name = "layer";
    layer.kind = kind;
    layer.inputs = {0};
    layer.groups = kind == LayerKind::conv ? static_cast<int>(rng.uniform(1, 2)) : 1;
    layer.out.channels = 4;
    layer.window = {.kernel_h = static_cast<int>(rng.uniform(1, 4)),
                    .kernel_w = static_cast<int>(rng.uniform(1, 4)),
                    .stride_h = static_cast<int>(rng.uniform(1, 3)),
                    .stride_w = static_cast<int>(rng.uniform(1, 3)),
                    .pad_top = static_cast<int>(rng.uniform(0, 3)),
                    .pad_left = static_cast<int>(rng.uniform(0, 3)),
                    .pad_bottom = static_cast<int>(rng.uniform(0, 3)),
                    .pad_right = static_cast<int>(rng.uniform(0, 3)),
                    .dilation_h = static_cast<int>(rng.uniform(1, 3)),
                    .dilation_w = static_cast<int>(rng.uniform(1, 3))};
    std::vector<NetworkProblem> problems;
    if (const auto shape = infer_shape(network, layer, 1, problems)) {
      layer.out = *shape;
      network.layers.push_back(layer);
      return network;
    }
  }
}

std::string describe(const Network& network) {
  const Layer& l = network.layers[1];
  const Window& w = l.window;
  const Shape& in = network.layers[0].out;
  return fmt::format(
      "in {}x{}x{} kernel {}x{} stride {}x{} pad {},{},{},{} dilation {}x{} groups {}",
      in.height,
      in.width,
      in.channels,
      w.kernel_h,
      w.kernel_w,
      w.stride_h,
      w.stride_w,
      w.pad_top,
      w.pad_left,
      w.pad_bottom,
      w.pad_right,
      w.dilation_h,
      w.dilation_w,
      l.groups);
}

/// Positions that output p reads, tap by tap.
std::set<std::int64_t> brute_force(const Network& network, std::int64_t p) {
  const Layer& l = network.layers[1];
  const Window& w = l.window;
  const Shape& in = network.layers[0].out;
  std::set<std::int64_t> found;
  for (int i = 0; i < w.kernel_h; ++i) {
    for (int j = 0; j < w.kernel_w; ++j) {
      const std::int64_t y =
          p / l.out.width * w.stride_h - w.pad_top + std::int64_t{i} * w.dilation_h;
      const std::int64_t x =
          p % l.out.width * w.stride_w - w.pad_left + std::int64_t{j} * w.dilation_w;
      if (y >= 0 && y < in.height && x >= 0 && x < in.width) {
        found.insert(y * in.width + x);
      }
    }
  }
  return found;
}

TEST(ReceptiveProperty, WindowsMatchBruteForce) {
  int with_gaps = 0;
  int clipped = 0;
  int empty = 0;
  for (std::uint64_t seed = first_seed(); seed < first_seed() + 400; ++seed) {
    Rng rng(seed, "receptive");
    const auto kind = seed % 3 == 0   ? LayerKind::conv
                      : seed % 3 == 1 ? LayerKind::max_pool
                                      : LayerKind::avg_pool;
    const Network network = random_window(rng, kind);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={} {}", seed, describe(network)));
    const ReceptiveField field(network, 1);
    for (std::int64_t p = 0; p < network.layers[1].out.positions(); ++p) {
      const std::set<std::int64_t> expected = brute_force(network, p);
      if (expected.empty()) {
        ++empty;
        ASSERT_LT(field.last_needed(p), field.first_needed(p));
      } else {
        ASSERT_EQ(field.first_needed(p), *expected.begin()) << "p " << p;
        ASSERT_EQ(field.last_needed(p), *expected.rbegin()) << "p " << p;
      }
      for (std::int64_t q = 0; q < network.layers[0].out.positions(); ++q) {
        ASSERT_EQ(field.needs(p, q), expected.count(q) == 1) << "p " << p << " q " << q;
      }
      const auto size = static_cast<std::int64_t>(expected.size());
      const Window& w = network.layers[1].window;
      with_gaps += size > 0 && field.last_needed(p) - field.first_needed(p) + 1 > size ? 1 : 0;
      clipped += size < std::int64_t{w.kernel_h} * w.kernel_w ? 1 : 0;
    }
  }
  // The generator must reach the cases that matter.
  EXPECT_GT(with_gaps, 100);
  EXPECT_GT(clipped, 100);
  EXPECT_GT(empty, 0);
}

TEST(ReceptiveProperty, GatherOfAConvolutionMatchesBruteForce) {
  for (std::uint64_t seed = first_seed(); seed < first_seed() + 200; ++seed) {
    Rng rng(seed, "gather");
    const Network network = random_window(rng, LayerKind::conv);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={} {}", seed, describe(network)));
    const Layer& l = network.layers[1];
    const Window& w = l.window;
    const Shape& in = network.layers[0].out;
    std::vector<std::int32_t> tensor(static_cast<std::size_t>(in.elements()));
    for (std::int32_t& v : tensor) {
      v = static_cast<std::int32_t>(rng.uniform(-1000, 1000));
    }
    const int per_group = in.channels / l.groups;
    std::vector<std::int32_t> x(static_cast<std::size_t>(matrix_shape(network, 1).rows));
    for (std::int64_t p = 0; p < l.out.positions(); ++p) {
      for (int group = 0; group < l.groups; ++group) {
        std::vector<std::int32_t> expected;
        for (int i = 0; i < w.kernel_h; ++i) {
          for (int j = 0; j < w.kernel_w; ++j) {
            for (int c = 0; c < per_group; ++c) {
              const std::int64_t y =
                  p / l.out.width * w.stride_h - w.pad_top + std::int64_t{i} * w.dilation_h;
              const std::int64_t z =
                  p % l.out.width * w.stride_w - w.pad_left + std::int64_t{j} * w.dilation_w;
              const bool inside = y >= 0 && y < in.height && z >= 0 && z < in.width;
              const std::int64_t at =
                  (y * in.width + z) * in.channels + std::int64_t{group} * per_group + c;
              expected.push_back(inside ? tensor[static_cast<std::size_t>(at)] : 0);
            }
          }
        }
        std::fill(x.begin(), x.end(), 12345);
        gather(
            network,
            1,
            p,
            group,
            [&](std::int64_t q) {
              return std::span<const std::int32_t>(tensor).subspan(
                  static_cast<std::size_t>(q * in.channels), static_cast<std::size_t>(in.channels));
            },
            x);
        ASSERT_EQ(x, expected) << "p " << p << " group " << group;
      }
    }
  }
}

TEST(Receptive, WholeSameAndShiftedOperands) {
  Builder b("kinds", {3, 2, 4});
  const LayerId part = b.slice_positions("part", 0, 2, 3);
  const LayerId token = b.class_token("token", part);
  const LayerId scores = b.matmul("scores", token, part, 2, true);
  const LayerId flat = b.flatten("flat", scores);
  const LayerId fc = b.fc("fc", flat, 5);
  const Network network = b.build();

  const ReceptiveField slice(network, part);
  EXPECT_EQ(slice.first_needed(1), 3);
  EXPECT_EQ(slice.last_needed(1), 3);
  EXPECT_TRUE(slice.needs(1, 3));
  EXPECT_FALSE(slice.needs(1, 1));

  const ReceptiveField repeated(network, token);  // the token waits for the first position
  EXPECT_EQ(repeated.first_needed(0), 0);
  EXPECT_EQ(repeated.first_needed(1), 0);
  EXPECT_EQ(repeated.last_needed(3), 2);

  const ReceptiveField a(network, scores, 0);
  EXPECT_EQ(a.first_needed(2), 2);
  EXPECT_EQ(a.last_needed(2), 2);
  const ReceptiveField whole(network, scores, 1);
  EXPECT_EQ(whole.first_needed(2), 0);
  EXPECT_EQ(whole.last_needed(2), 2);
  EXPECT_TRUE(whole.needs(0, 2));

  const ReceptiveField flatten(network, flat);
  EXPECT_EQ(flatten.first_needed(0), 0);
  EXPECT_EQ(flatten.last_needed(0), 3);
  const ReceptiveField dense(network, fc);
  EXPECT_EQ(dense.last_needed(0), 0);
}

TEST(Receptive, GatherOfHeadsAndWholeTensors) {
  Builder b("gather", {2, 1, 4});
  const LayerId scores = b.matmul("scores", 0, 0, 2, true);
  const Network heads = b.build();
  const std::vector<std::int32_t> tensor{1, 2, 3, 4, 5, 6, 7, 8};
  const auto at = [&](std::int64_t q) {
    return std::span<const std::int32_t>(tensor).subspan(static_cast<std::size_t>(q) * 4, 4);
  };
  std::vector<std::int32_t> x(2);
  gather(heads, scores, 1, 1, at, x);
  EXPECT_EQ(x, (std::vector<std::int32_t>{7, 8}));

  Builder c("fc", {2, 1, 4});
  const LayerId fc = c.fc("fc", 0, 3);
  const Network dense = c.build();
  std::vector<std::int32_t> all(8);
  gather(dense, fc, 0, 0, at, all);
  EXPECT_EQ(all, tensor);

  Builder d("linear", {2, 1, 4});
  const LayerId linear = d.linear("linear", 0, 3);
  const Network tokens = d.build();
  std::vector<std::int32_t> row(4);
  gather(tokens, linear, 1, 0, at, row);
  EXPECT_EQ(row, (std::vector<std::int32_t>{5, 6, 7, 8}));
}

}  // namespace
}  // namespace tessera
