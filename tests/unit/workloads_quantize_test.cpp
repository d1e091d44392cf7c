// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Widths and signs of every tensor, and that the scales keep the values of a network spread.
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "workloads/builder.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace tessera {
namespace {

const Layer& find(const Network& network, const std::string& name) {
  for (const Layer& layer : network.layers) {
    if (layer.name == name) {
      return layer;
    }
  }
  throw std::out_of_range(name);
}

TEST(Quantize, WidthsFollowTheWidestConsumer) {
  Builder b("widths", {8, 8, 4});
  const LayerId stem = b.conv("stem", 0, {.channels = 8, .activation = Activation::relu});
  const LayerId pool = b.max_pool("pool", stem, {});
  const LayerId left = b.conv("left", pool, {.channels = 8});
  const LayerId right = b.conv("right", pool, {.channels = 8, .activation = Activation::relu});
  b.add("sum", left, right, Activation::relu);
  b.avg_pool("average", b.last(), {});
  b.fc("fc", b.last(), 10);
  Network n = b.build();
  quantize(n, {{8, 6}, {7, 3}, {5, 9}, {2, 4}});

  EXPECT_EQ(find(n, "stem").w_bits, 8);
  EXPECT_EQ(find(n, "stem").a_bits, 6);
  EXPECT_EQ(find(n, "fc").w_bits, 2);
  EXPECT_EQ(n.layers[0].out_bits, 8);      // images keep their own
  EXPECT_EQ(find(n, "stem").out_bits, 9);  // through the pooling, the wider of 3 and 9
  EXPECT_EQ(find(n, "pool").out_bits, 9);
  EXPECT_EQ(find(n, "left").out_bits, 4);  // through add and pooling
  EXPECT_EQ(find(n, "sum").out_bits, 4);
  EXPECT_EQ(find(n, "average").out_bits, 4);
  EXPECT_EQ(find(n, "fc").out_bits, 32);

  EXPECT_FALSE(find(n, "stem").out_signed);
  EXPECT_FALSE(find(n, "pool").out_signed);
  EXPECT_TRUE(find(n, "left").out_signed);
  EXPECT_FALSE(find(n, "right").out_signed);
  EXPECT_FALSE(find(n, "sum").out_signed);
  EXPECT_FALSE(find(n, "fc").in_signed);
  EXPECT_TRUE(find(n, "fc").out_signed);
  // 'left' is signed, so its 4 bits span half of what 'right' spans.
  EXPECT_EQ(find(n, "sum").a_multiplier, 2);
  EXPECT_EQ(find(n, "sum").b_multiplier, 1);
}

TEST(Quantize, AttentionNarrowsBothOperands) {
  Network n = zoo("attention_block");
  quantize(n, {{8, 8}, {6, 5}, {4, 7}, {8, 8}, {8, 8}, {8, 8}, {8, 8}});
  EXPECT_EQ(find(n, "block.qkv").out_bits, 6);  // q: 5, k: 6, v: 4
  EXPECT_EQ(find(n, "block.scores").a_bits, 5);
  EXPECT_EQ(find(n, "block.scores").w_bits, 6);
  EXPECT_TRUE(find(n, "block.scores").in_signed);
  EXPECT_EQ(find(n, "block.softmax").out_bits, 7);
  EXPECT_FALSE(find(n, "block.softmax").out_signed);
  EXPECT_FALSE(find(n, "block.context").in_signed);
  EXPECT_TRUE(find(n, "block.mlp1").out_signed);  // GELU
}

TEST(Quantize, TheOutputKeepsItsAccumulators) {
  Network n = zoo("tiny_mlp");
  quantize(n, LayerBits{8, 8});
  EXPECT_EQ(n.layers.back().out_bits, 32);
  EXPECT_EQ(n.layers.back().shift, 0);
  EXPECT_EQ(n.layers.back().multiplier, 1);

  Network wide = zoo("vgg16");
  quantize(wide, LayerBits{16, 16});
  // 16 + 16 bits and 4096 rows need 45: the lowest 13 go.
  EXPECT_EQ(wide.layers.back().shift, 13);
}

TEST(Quantize, RefusesWrongLists) {
  Network n = zoo("tiny_mlp");
  EXPECT_THROW(quantize(n, {{8, 8}}), InternalError);
  EXPECT_THROW(quantize(n, LayerBits{0, 8}), InternalError);
  EXPECT_THROW(quantize(n, LayerBits{8, 17}), InternalError);
}

TEST(Quantize, DoesNotDependOnWhatWasThereBefore) {
  Network once = zoo("resnet20");
  quantize(once, LayerBits{4, 4});
  Network twice = zoo("resnet20");
  quantize(twice, LayerBits{16, 3});
  quantize(twice, LayerBits{4, 4});
  for (std::size_t k = 0; k < once.layers.size(); ++k) {
    const Layer& a = once.layers[k];
    const Layer& b = twice.layers[k];
    EXPECT_EQ(a.shift, b.shift) << a.name;
    EXPECT_EQ(a.multiplier, b.multiplier) << a.name;
    EXPECT_EQ(a.center, b.center) << a.name;
    EXPECT_EQ(a.out_bits, b.out_bits) << a.name;
    EXPECT_EQ(a.a_multiplier, b.a_multiplier) << a.name;
  }
}

struct Spread {
  double zero, saturated, deviation;
};

Spread spread_of(const Layer& layer, const std::vector<std::int32_t>& tensor) {
  const std::int64_t low = min_value(layer.out_bits, layer.out_signed);
  const std::int64_t high = max_value(layer.out_bits, layer.out_signed);
  double zero = 0;
  double saturated = 0;
  double sum = 0;
  double squares = 0;
  for (const std::int32_t v : tensor) {
    zero += v == 0 ? 1 : 0;
    saturated += v == high || (v == low && layer.out_signed) ? 1 : 0;
    sum += v;
    squares += static_cast<double>(v) * v;
  }
  const auto n = static_cast<double>(tensor.size());
  return {zero / n, saturated / n, std::sqrt(std::max(0.0, squares / n - sum * sum / n / n))};
}

class HealthySpread : public testing::TestWithParam<std::tuple<const char*, LayerBits>> {};

/// The promise of quantize(): with synthetic parameters no tensor is nearly constant.
TEST_P(HealthySpread, AtEveryLayer) {
  const auto& [name, bits] = GetParam();
  Network n = zoo(name);
  quantize(n, bits);
  Golden golden(n, 1);
  golden.run(synthetic_input(n, 1, 0));
  for (LayerId id = 1; id <= n.output(); ++id) {
    const Layer& layer = n.layer(id);
    const Spread s = spread_of(layer, golden.tensor(id));
    // Of the four values of two bits, one is zero and two are the ends.
    EXPECT_LT(s.zero, layer.out_bits <= 2 ? 0.9 : 0.75) << layer.name;
    EXPECT_LT(s.saturated, layer.out_bits <= 2 ? 0.5 : 0.2) << layer.name;
    // Averages over whole images lie close together, so they only have to differ.
    const double range = std::ldexp(1.0, layer.out_bits - (layer.out_signed ? 1 : 0));
    const double floor = layer.kind == LayerKind::avg_pool ? 0.01
                         : layer.out_bits == 32            ? 1e-9
                                                           : 0.05;
    EXPECT_GT(s.deviation, floor * range) << layer.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Quantize,
    HealthySpread,
    testing::Combine(testing::Values("resnet20", "lenet5", "attention_block", "tiny_cnn"),
                     testing::Values(LayerBits{8, 8},
                                     LayerBits{4, 4},
                                     LayerBits{2, 4},
                                     LayerBits{16, 16},
                                     LayerBits{3, 2})),
    [](const auto& test) {
      return fmt::format("{}_w{}_a{}",
                         std::get<0>(test.param),
                         std::get<1>(test.param).w_bits,
                         std::get<1>(test.param).a_bits);
    });

TEST(Parameters, AreReproducibleAndInRange) {
  Network n = zoo("tiny_cnn");
  for (const int bits : {1, 2, 5, 16}) {
    quantize(n, LayerBits{bits, 8});
    for (const LayerId id : matrix_layers(n)) {
      const MatrixShape m = matrix_shape(n, id);
      const LayerParameters p = synthetic_parameters(n, id, 7);
      ASSERT_EQ(p.weights.size(), static_cast<std::size_t>(m.rows * m.cols * m.groups));
      ASSERT_EQ(p.bias.size(), static_cast<std::size_t>(m.cols * m.groups));
      ASSERT_EQ(p.multiplier.size(), static_cast<std::size_t>(m.cols * m.groups));
      const auto [low, high] = std::minmax_element(p.weights.begin(), p.weights.end());
      EXPECT_GE(*low, min_value(bits, true));
      EXPECT_LE(*high, max_value(bits, true));
      EXPECT_LT(*low, *high);
      for (const std::int32_t v : p.multiplier) {
        EXPECT_GT(v, 0);
      }
      EXPECT_EQ(p.weights, synthetic_parameters(n, id, 7).weights);
      EXPECT_NE(p.weights, synthetic_parameters(n, id, 8).weights);
    }
  }
}

TEST(Parameters, BatchNormGivesChannelsTheirOwnMultiplier) {
  Network n = zoo("tiny_cnn");
  quantize(n, LayerBits{8, 8});
  const auto differ = [&](const LayerParameters& p) {
    return std::any_of(p.multiplier.begin(), p.multiplier.end(), [&](std::int32_t v) {
      return v != p.multiplier[0];
    });
  };
  ASSERT_TRUE(n.layer(1).has_batch_norm);
  EXPECT_TRUE(differ(synthetic_parameters(n, 1, 1)));
  const LayerId last = n.output();
  ASSERT_FALSE(n.layer(last).has_batch_norm);
  EXPECT_FALSE(differ(synthetic_parameters(n, last, 1)));
}

TEST(Parameters, ImagesDifferAndFillTheRange) {
  Network n = zoo("resnet20");
  const std::vector<std::int32_t> a = synthetic_input(n, 1, 0);
  EXPECT_EQ(a, synthetic_input(n, 1, 0));
  EXPECT_NE(a, synthetic_input(n, 1, 1));
  EXPECT_NE(a, synthetic_input(n, 2, 0));
  EXPECT_EQ(*std::min_element(a.begin(), a.end()), 0);
  EXPECT_EQ(*std::max_element(a.begin(), a.end()), 255);
}

}  // namespace
}  // namespace tessera
