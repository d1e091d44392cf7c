// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The golden executor against sums worked out by hand, against a second way to the same numbers,
/// and against itself on another day (digests).
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"
#include "workloads/receptive.hpp"
#include "workloads/scalar_ops.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera {
namespace {

using Tensor = std::vector<std::int32_t>;

/// Every layer gives its plain integers: wide outputs, no scaling.
Network plain(const Builder& b) {
  Network n = b.build();
  for (Layer& layer : n.layers) {
    layer.a_bits = 16;
    layer.w_bits = 16;
    layer.out_bits = 16;
    layer.in_signed = true;
    layer.out_signed = true;
  }
  return n;
}

Tensor run(const Network& n, LayerParameters parameters, const Tensor& input) {
  Golden golden(n, [&](LayerId) { return parameters; });
  return golden.run(input);
}

TEST(Golden, ConvolutionByHand) {
  Builder b("conv", {2, 2, 1});
  b.conv("conv", 0, {.channels = 2, .kernel = 2, .padding = 1});
  const Network n = plain(b);
  // Rows are (kernel row, kernel column): top left, top right, bottom left, bottom right.
  const LayerParameters p{{1, 10, 100, 1000, 0, 0, 0, 1}, {0, 5}, {1, 1}};
  EXPECT_EQ(run(n, p, {1, 2, 3, 4}),
            (Tensor{1000,
                    6,
                    2100,
                    7,
                    200,
                    5,  //
                    3010,
                    8,
                    4321,
                    9,
                    402,
                    5,  //
                    30,
                    5,
                    43,
                    5,
                    4,
                    5}));
}

TEST(Golden, GroupedStridedDilatedConvolutionByHand) {
  Builder b("conv", {3, 3, 2});
  b.conv("conv", 0, {.channels = 2, .kernel = 2, .stride = 1, .groups = 2, .dilation = 2});
  const Network n = plain(b);
  const LayerParameters p{{1, 10, 100, 1000, 1, 1, 1, 1}, {0, 0}, {1, 1}};
  // Corners of the image: channel 0 is 1, 3, 7, 9; channel 1 ten times that.
  EXPECT_EQ(run(n, p, {1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60, 7, 70, 8, 80, 9, 90}),
            (Tensor{9731, 200}));
}

TEST(Golden, PaddingReadsTheZeroPointAndIsNarrowedAsEverythingElse) {
  Builder b("conv", {1, 1, 1});
  b.conv("conv", 0, {.channels = 1, .kernel = 3, .padding = 1});
  Network n = plain(b);
  n.layers[1].pad_value = 16;
  const LayerParameters p{{1, 0, 0, 0, 10, 0, 0, 0, 100}, {0}, {1}};
  EXPECT_EQ(run(n, p, {3}), (Tensor{16 + 30 + 1600}));
  n.layers[0].out_bits = 8;
  n.layers[1].a_bits = 4;
  EXPECT_EQ(run(n, p, {32}), (Tensor{1 + 20 + 100}));
}

TEST(Golden, FullyConnectedReadsPositionsThenChannels) {
  Builder b("fc", {2, 1, 2});
  b.fc("fc", 0, 2);
  EXPECT_EQ(run(plain(b), {{1, 10, 100, 1000, 0, 0, 0, -1}, {0, 1}, {1, 2}}, {1, 2, 3, 4}),
            (Tensor{4321, -6}));
}

TEST(Golden, MatmulByHand) {
  // 2 tokens, 2 heads of 2 channels.
  Builder b("matmul", {2, 1, 4});
  b.matmul("scores", 0, 0, 2, true);
  const LayerParameters ones{{}, {0, 0, 0, 0}, {1, 1, 1, 1}};
  const Tensor x{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(run(plain(b), ones, x),
            (Tensor{1 + 4,
                    5 + 12,
                    9 + 16,
                    21 + 32,  // token 0: head 0, head 1
                    5 + 12,
                    25 + 36,
                    21 + 32,
                    49 + 64}));  // token 1

  // The same channels as weights over 2 tokens: out[i][h][d] = sum_j a[i][h][j] b[j][h][d].
  Builder c("matmul", {2, 1, 4});
  c.matmul("context", 0, 0, 2, false);
  EXPECT_EQ(run(plain(c), ones, x),
            (Tensor{1 * 1 + 2 * 5,
                    1 * 2 + 2 * 6,
                    3 * 3 + 4 * 7,
                    3 * 4 + 4 * 8,
                    5 * 1 + 6 * 5,
                    5 * 2 + 6 * 6,
                    7 * 3 + 8 * 7,
                    7 * 4 + 8 * 8}));
}

TEST(Golden, PoolingIgnoresOrCountsPadding) {
  Builder b("max", {2, 2, 1});
  b.max_pool("pool", 0, {.kernel = 2, .stride = 1, .padding = 1});
  EXPECT_EQ(run(plain(b), {}, {-1, -2, -3, -4}), (Tensor{-1, -1, -2, -1, -1, -2, -3, -3, -4}));

  Builder c("average", {2, 2, 1});
  c.avg_pool("pool", 0, {.kernel = 2, .stride = 2, .padding = 1});
  Network n = plain(c);
  n.layers[1].multiplier = 64;
  n.layers[1].shift = 8;
  EXPECT_EQ(run(n, {}, {8, -8, 100, 20}), (Tensor{2, -2, 25, 5}));
}

TEST(Golden, SlicesAndConcatenation) {
  Builder b("slices", {3, 1, 2});
  const LayerId left = b.slice_channels("left", 0, 0, 1);
  const LayerId right = b.slice_channels("right", 0, 1, 1);
  const LayerId swapped = b.concat("swapped", {right, left});
  b.slice_positions("last", swapped, 1, 2);
  EXPECT_EQ(run(plain(b), {}, {1, 2, 3, 4, 5, 6}), (Tensor{4, 3, 6, 5}));
}

/// The token first, then the positions from full scale to full scale; both clamped.
TEST(Golden, AClassTokenGoesBeforeTheOthers) {
  Builder b("token", {2, 2, 2}, 8, true);
  b.class_token("token", 0);
  Network n = b.build();
  n.layers[1].out_bits = 6;
  n.layers[1].out_signed = true;
  LayerParameters p;
  p.embedding = {-7, 40};
  EXPECT_EQ(n.layers[1].out, (Shape{5, 1, 2}));
  EXPECT_EQ(run(n, p, {1, 2, -2, 4, 100, -128, 127, 6}),
            (Tensor{-7, 31, 0, 1, -1, 1, 25, -32, 31, 2}));
}

/// (x * 3 + e) / 4, ties away from zero.
TEST(Golden, PositionEmbeddingsDifferFromPositionToPosition) {
  Builder b("positions", {2, 1, 2}, 8, true);
  b.position_embedding("positions", 0);
  Network n = b.build();
  n.layers[1].out_signed = true;
  n.layers[1].multiplier = 3;
  n.layers[1].shift = 2;
  LayerParameters p;
  p.embedding = {0, 1, -1, std::int64_t{1} << 40};
  EXPECT_EQ(run(n, p, {2, 3, -3, 5}), (Tensor{2, 3, -3, 127}));
}

TEST(Golden, InputsAreNarrowedToTheLayersWidth) {
  Builder b("narrow", {1, 1, 4});
  b.fc("fc", 0, 1);
  Network n = b.build();
  n.layers[1].a_bits = 4;
  n.layers[1].out_bits = 32;
  n.layers[1].out_signed = true;
  // 8 bit to 4 bit: 7 -> 0, 8 -> 1 (tie away from zero), 200 -> 13 (12.5), 255 -> 16 clamped to 15.
  EXPECT_EQ(run(n, {{1, 100, 10000, 1000000}, {0}, {1}}, {7, 8, 200, 255}), (Tensor{15130100}));
}

TEST(Golden, RefusesInputsOfTheWrongSize) {
  Network n = zoo("tiny_mlp");
  quantize(n, LayerBits{8, 8});
  Golden golden(n, 1);
  EXPECT_THROW(golden.run(Tensor(15)), InternalError);
}

/// gather(), parameters and rescale_activate() together must give the same tensors.
TEST(Golden, AgreesWithGatherAndTheWeightLayout) {
  for (const char* name : {"tiny_cnn", "attention_block", "lenet5"}) {
    Network n = zoo(name);
    quantize(n, LayerBits{6, 5});
    Golden golden(n, 3);
    golden.run(synthetic_input(n, 3, 1));
    for (const LayerId id : matrix_layers(n)) {
      const Layer& l = n.layer(id);
      if (l.has_dynamic_weights()) {
        continue;
      }
      const Layer& producer = n.layer(l.inputs[0]);
      const Tensor& in = golden.tensor(l.inputs[0]);
      const LayerParameters p = synthetic_parameters(n, id, 3);
      const MatrixShape m = matrix_shape(n, id);
      const auto channels = static_cast<std::size_t>(producer.out.channels);
      Tensor x(static_cast<std::size_t>(m.rows));
      Tensor expected;
      for (std::int64_t position = 0; position < m.positions; ++position) {
        std::vector<std::int64_t> acc;
        for (int group = 0; group < m.groups; ++group) {
          gather(
              n,
              id,
              position,
              group,
              [&](std::int64_t q) {
                return std::span(in).subspan(static_cast<std::size_t>(q) * channels, channels);
              },
              x);
          for (std::int64_t col = 0; col < m.cols; ++col) {
            const auto at = static_cast<std::size_t>((group * m.cols + col) * m.rows);
            std::int64_t sum = p.bias[static_cast<std::size_t>(group * m.cols + col)];
            for (std::size_t r = 0; r < x.size(); ++r) {
              sum += p.weights[at + r] * narrow(x[r], producer.out_bits, l.a_bits, l.in_signed);
            }
            acc.push_back(sum);
          }
        }
        Tensor y(acc.size());
        rescale_activate(l, acc, p.multiplier, y);
        expected.insert(expected.end(), y.begin(), y.end());
      }
      EXPECT_EQ(golden.tensor(id), expected) << name << " " << l.name;
    }
  }
}

TEST(Golden, DigestIsThatOfTheBytes) {
  EXPECT_EQ(digest(Tensor{}), 0xcbf29ce484222325ULL);
  EXPECT_EQ(digest(Tensor{1}), digest(Tensor{1}));
  EXPECT_NE(digest(Tensor{1, 2}), digest(Tensor{2, 1}));
  // "a" then three zero bytes.
  EXPECT_EQ(digest(Tensor{'a'}), fnv1a(std::string_view("a\0\0\0", 4)));
  EXPECT_EQ(digest(Tensor{-1}), fnv1a("\xff\xff\xff\xff"));
}

/// The same on every machine and compiler; a change is a change of published numbers.
TEST(Golden, Digests) {
  const auto output = [](const char* name) {
    Network n = zoo(name);
    quantize(n, LayerBits{8, 8});
    return digest(Golden(n, 1).run(synthetic_input(n, 1, 0)));
  };
  EXPECT_EQ(output("lenet5"), 0xda0704d4e69c506aULL);
  EXPECT_EQ(output("resnet20"), 0x1b847e1e752c3d07ULL);
  EXPECT_EQ(output("attention_block"), 0xd3eb5db2ff71c76dULL);
  EXPECT_EQ(output("tiny_cnn"), 0x5f1677e3ef7dd2f3ULL);
}

}  // namespace
}  // namespace tessera
