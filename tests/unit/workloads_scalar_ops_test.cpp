// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Integer functions against <cmath>, with the error bounds that scalar_ops.hpp states.
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/scalar_ops.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace tessera {
namespace {

using Row = std::vector<std::int32_t>;

Layer layer_of(int out_bits, bool out_signed, Activation activation = Activation::none) {
  Layer layer;
  layer.out_bits = out_bits;
  layer.out_signed = out_signed;
  layer.activation = activation;
  return layer;
}

TEST(ScalarOps, ExpOfMinusZ) {
  EXPECT_EQ(exp_neg(0), std::int64_t{1} << 30);
  double worst = 0;
  for (std::int64_t z = 0; z < std::int64_t{24} << 16; z += 77) {
    const double exact = std::exp(-std::ldexp(static_cast<double>(z), -16));
    worst = std::max(worst, std::abs(std::ldexp(static_cast<double>(exp_neg(z)), -30) - exact));
  }
  EXPECT_LT(worst, 2e-6);
}

TEST(ScalarOps, SquareRootIsTheFloor) {
  for (const std::int64_t v : {std::int64_t{0},
                               std::int64_t{1},
                               std::int64_t{2},
                               std::int64_t{3},
                               std::int64_t{4},
                               std::int64_t{99},
                               std::int64_t{100},
                               (std::int64_t{1} << 62) - 1,
                               INT64_MAX}) {
    const std::int64_t r = integer_sqrt(v);
    EXPECT_LE(r * r, v);
    EXPECT_LE(v / (r + 1), r);  // (r + 1)^2 > v, without overflow
  }
  EXPECT_EQ(integer_sqrt(99), 9);
  EXPECT_EQ(integer_sqrt(100), 10);
  EXPECT_EQ(integer_sqrt(INT64_MAX), 3037000499);
}

TEST(ScalarOps, RoundDivTiesAwayFromZero) {
  EXPECT_EQ(round_div(5, 2), 3);
  EXPECT_EQ(round_div(-5, 2), -3);
  EXPECT_EQ(round_div(4, 3), 1);
  EXPECT_EQ(round_div(-4, 3), -1);
}

TEST(ScalarOps, CurvesAreWithinTheStatedError) {
  for (const int bits : {4, 8, 12, 16}) {
    for (const Activation f : {Activation::gelu, Activation::sigmoid, Activation::tanh}) {
      const int fraction = activation_fraction(f, bits);
      const std::int64_t range = std::int64_t{20} << fraction;
      const std::int64_t step = std::max<std::int64_t>(1, range / 5000);
      const double one = f == Activation::gelu      ? std::ldexp(1.0, fraction)
                         : f == Activation::sigmoid ? static_cast<double>(max_value(bits, false))
                                                    : static_cast<double>(max_value(bits, true));
      for (std::int64_t t = -range; t <= range; t += step) {
        const double x = std::ldexp(static_cast<double>(t), -fraction);
        const double y = f == Activation::gelu      ? x * 0.5 * std::erfc(-x / std::sqrt(2.0))
                         : f == Activation::sigmoid ? 1.0 / (1.0 + std::exp(-x))
                                                    : std::tanh(x);
        const double bound =
            0.5 + (f == Activation::gelu ? 2e-5 * static_cast<double>(std::abs(t)) : 1e-5 * one);
        ASSERT_NEAR(static_cast<double>(activate(t, f, bits)), y * one, bound)
            << "bits " << bits << " t " << t << " f " << static_cast<int>(f);
      }
    }
  }
}

TEST(ScalarOps, CurvesSurviveExtremeArguments) {
  constexpr std::int64_t kBig = std::int64_t{1} << 60;
  EXPECT_EQ(activate(kBig, Activation::gelu, 8), kBig);
  EXPECT_EQ(activate(-kBig, Activation::gelu, 8), 0);
  EXPECT_EQ(activate(kBig, Activation::sigmoid, 8), 255);
  EXPECT_EQ(activate(-kBig, Activation::sigmoid, 8), 0);
  EXPECT_EQ(activate(kBig, Activation::tanh, 8), 127);
  EXPECT_EQ(activate(-kBig, Activation::tanh, 8), -127);
  EXPECT_EQ(activate(0, Activation::sigmoid, 8), 128);  // 127.5 rounded away from zero
  EXPECT_EQ(activate(0, Activation::tanh, 8), 0);
}

/// Rows stand closer where the curve is steep, a row answers all arguments nearest to it, and the
/// error falls with their number.
TEST(ScalarOps, SampledActivations) {
  for (const Activation f : {Activation::gelu, Activation::sigmoid, Activation::tanh}) {
    SCOPED_TRACE(static_cast<int>(f));
    Layer layer;
    layer.activation = f;
    layer.out_bits = 8;
    layer.out_signed = f != Activation::sigmoid;
    const std::int64_t end = std::int64_t{8} << activation_fraction(f, 8);
    double last = 1e9;
    for (const std::int64_t rows : {4, 16, 64}) {
      layer.activation_table = sample_activation(f, 8, layer.out_signed, rows);
      const std::vector<ActivationRow>& table = layer.activation_table;
      ASSERT_LE(std::ssize(table), rows);
      ASSERT_GE(std::ssize(table), rows / 2);
      double error = 0;
      for (std::int64_t t = -end; t <= end; ++t) {
        // The first of the rows at the least distance.
        const auto row =
            std::min_element(table.begin(), table.end(), [t](const auto& a, const auto& b) {
              return std::abs(a.argument - t) < std::abs(b.argument - t);
            });
        ASSERT_EQ(activated(t, layer), row->value) << t;
        const std::int64_t exact = clamp_to(activate(t, f, 8), 8, layer.out_signed);
        error = std::max(error, static_cast<double>(std::abs(row->value - exact)));
      }
      EXPECT_LT(error, last);
      // Half a part of the variation, or some more where two flanks of GELU meet.
      EXPECT_LE(error, 280.0 / static_cast<double>(rows) + 2.0);
      last = error;
    }
    if (f != Activation::gelu) {
      const std::vector<ActivationRow>& t = layer.activation_table;
      const std::size_t middle = t.size() / 2;
      EXPECT_LT(t[middle].argument - t[middle - 1].argument, t[1].argument - t[0].argument);
    }
  }
  EXPECT_TRUE(sample_activation(Activation::relu, 8, false, 64).empty());
  EXPECT_TRUE(sample_activation(Activation::tanh, 8, true, 0).empty());
}

TEST(ScalarOps, RescaleRoundsAndSaturates) {
  EXPECT_EQ(rescale(5, 3, 1), 8);  // 7.5
  EXPECT_EQ(rescale(-5, 3, 1), -8);
  EXPECT_EQ(rescale(7, 1, 0), 7);
  EXPECT_EQ(rescale(std::int64_t{1} << 60, 1 << 20, 10), std::int64_t{1} << 52);
  EXPECT_EQ(rescale(-(std::int64_t{1} << 60), 1 << 20, 10), -(std::int64_t{1} << 52));
}

TEST(ScalarOps, RescaleActivateClampsPerChannel) {
  Layer layer = layer_of(8, false, Activation::relu);
  layer.shift = 4;
  const std::vector<std::int64_t> acc{-100, 0, 40, 100000};
  const Row multiplier{1, 1, 2, 1};
  Row y(4);
  rescale_activate(layer, acc, multiplier, y);
  EXPECT_EQ(y, (Row{0, 0, 5, 255}));
  layer.activation = Activation::none;
  layer.out_signed = true;
  rescale_activate(layer, acc, multiplier, y);
  EXPECT_EQ(y, (Row{-6, 0, 5, 127}));  // -6.25
}

TEST(ScalarOps, AddAlignsThenRescales) {
  Layer layer = layer_of(8, false, Activation::relu);
  layer.b_multiplier = 2;
  layer.shift = 1;
  Row y(3);
  add_row(layer, Row{10, 200, 5}, Row{3, 127, -100}, y);
  EXPECT_EQ(y, (Row{8, 227, 0}));
  add_row(layer, Row{255, 255, 255}, Row{127, 127, 127}, y);
  EXPECT_EQ(y, (Row{255, 255, 255}));  // 254.5 rounds up
}

TEST(ScalarOps, MaxAverageAndConcat) {
  Row best{1, -5, 7};
  max_row(Row{0, -4, 9}, best);
  EXPECT_EQ(best, (Row{1, -4, 9}));

  Layer average = layer_of(8, true);
  average.multiplier = 128;
  average.shift = 9;  // a quarter
  Row y(3);
  average_row(average, std::vector<std::int64_t>{10, -10, 2000}, y);
  EXPECT_EQ(y, (Row{3, -3, 127}));

  const Layer wide = layer_of(8, false);
  const Layer narrow_signed = layer_of(8, true);
  Row z(2);
  concat_row(narrow_signed, wide, Row{255, 100}, z);  // full scale to full scale: halved
  EXPECT_EQ(z, (Row{127, 50}));
  concat_row(wide, layer_of(4, false), Row{15, 1}, z);
  EXPECT_EQ(z, (Row{240, 16}));
  concat_row(wide, wide, Row{200, 3}, z);
  EXPECT_EQ(z, (Row{200, 3}));
}

TEST(ScalarOps, SoftmaxMatchesTheFormula) {
  Rng rng(1, "softmax");
  for (const int bits : {4, 8, 16}) {
    for (int trial = 0; trial < 50; ++trial) {
      const int fraction = static_cast<int>(rng.uniform(0, 6));
      Row x(static_cast<std::size_t>(rng.uniform(1, 60)));
      for (std::int32_t& v : x) {
        v = static_cast<std::int32_t>(rng.uniform(-128, 127));
      }
      Row y(x.size());
      softmax_row(x, fraction, bits, y);
      double sum = 0;
      for (const std::int32_t v : x) {
        sum += std::exp(std::ldexp(v, -fraction));
      }
      const auto one = static_cast<double>(max_value(bits, false));
      for (std::size_t c = 0; c < x.size(); ++c) {
        ASSERT_NEAR(y[c], one * std::exp(std::ldexp(x[c], -fraction)) / sum, 0.5 + 1e-5 * one);
      }
    }
  }
}

TEST(ScalarOps, SoftmaxHeadsAreIndependent) {
  Layer layer = layer_of(8, false);
  layer.heads = 2;
  layer.shift = 2;
  Row y(4);
  softmax_heads(layer, Row{5, 5, -100, 100}, y);
  EXPECT_EQ(y, (Row{128, 128, 0, 255}));
}

TEST(ScalarOps, LayerNormMatchesTheFormula) {
  Rng rng(1, "layer_norm");
  for (const int bits : {4, 8, 16}) {
    for (const int width : {8, 100, 768}) {
      for (const std::int64_t range : {3, 100, 32767}) {
        Row x(static_cast<std::size_t>(width));
        for (std::int32_t& v : x) {
          v = static_cast<std::int32_t>(rng.uniform(-range, range) + range / 3);
        }
        Row y(x.size());
        layer_norm_row(x, bits, y);
        const double mean = std::accumulate(x.begin(), x.end(), 0.0) / width;
        double variance = 0;
        for (const std::int32_t v : x) {
          variance += (v - mean) * (v - mean) / width;
        }
        for (std::size_t c = 0; c < x.size(); ++c) {
          const double z = (x[c] - mean) / std::sqrt(variance);
          const double exact =
              std::min(std::ldexp(z, bits - 3), static_cast<double>(max_value(bits, true)));
          // The mean is rounded to 1/64 of a step of x.
          const double bound = 0.51 + std::ldexp(1.0 / 128.0 / std::sqrt(variance), bits - 3);
          ASSERT_NEAR(y[c], exact, bound + 1e-4 * std::abs(exact));
        }
      }
    }
  }
  Row flat(4);
  layer_norm_row(Row{7, 7, 7, 7}, 8, flat);
  EXPECT_EQ(flat, (Row{0, 0, 0, 0}));
  Row extreme(1U << 16, 65535);
  extreme[0] = -65535;
  Row y(extreme.size());
  layer_norm_row(extreme, 8, y);
  EXPECT_EQ(y[0], -128);
  EXPECT_EQ(y[1], 0);
}

}  // namespace
}  // namespace tessera
