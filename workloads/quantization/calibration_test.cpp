// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/calibration.hpp"

#include "sim/base/rng.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace tessera {
namespace {

using Floats = std::vector<float>;

Histogram histogram(const Floats& x) {
  Histogram h;
  h.add(x);
  return h;
}

Floats bell_shaped(std::size_t count, float center) {
  Rng rng(1, "calibration");
  Floats x(count);
  std::generate(x.begin(), x.end(), [&] { return center + test::bell(rng); });
  return x;
}

QuantizationSpec with(RangeMethod method) {
  QuantizationSpec spec;
  spec.activations = method;
  return spec;
}

TEST(Histogram, DependsOnNoOrder) {
  Floats x = bell_shaped(5000, 0.5F);
  x.insert(x.end(), {0.0F, 1e-9F, -1e-20F, 300.0F, -0.001F, 4.0F, -4.0F});
  const Histogram once = histogram(x);
  std::reverse(x.begin(), x.end());
  Histogram parts;
  for (const float v : x) {
    parts.add(std::vector{v});
  }
  EXPECT_TRUE(
      std::equal(once.bins().begin(), once.bins().end(), parts.bins().begin(), parts.bins().end()));
  EXPECT_EQ(once.width(), 512.0 / 4096);
  EXPECT_EQ(parts.width(), once.width());
  EXPECT_EQ(once.count(), 5007);
  EXPECT_EQ(once.zeros(), 1);
  EXPECT_EQ(once.largest(), 300.0);
  EXPECT_EQ(std::accumulate(once.bins().begin(), once.bins().end(), std::int64_t{0}), 5007);
  for (const float v : {300.0F, -4.0F, 4.0F}) {
    const auto bin = static_cast<int>(std::floor(static_cast<double>(v) / once.width())) + 4096;
    EXPECT_GT(once.bins()[static_cast<std::size_t>(bin)], 0) << v;
  }
}

TEST(Histogram, LeavesOutWhatIsNoNumber) {
  const Histogram h =
      histogram({1.0F, std::numeric_limits<float>::infinity(), std::nanf(""), 2.0F});
  EXPECT_EQ(h.count(), 2);
  EXPECT_EQ(h.largest(), 2.0);
}

TEST(Range, MaxCoversEverything) {
  const Histogram h = histogram({-1.5F, 0.25F, 3.0F});
  const QuantizationSpec spec = with(RangeMethod::max);
  EXPECT_EQ(choose_range(h, 8, IntegerFormat::is_unsigned, spec).high, 3.0);
  EXPECT_EQ(choose_range(h, 8, IntegerFormat::is_signed, spec).low, -3.0);
  EXPECT_EQ(choose_range(h, 8, IntegerFormat::asymmetric, spec).low, -1.5);
}

TEST(Range, PercentileLeavesOutTheRest) {
  Floats x(9990);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i) / 10000.0F;
  }
  x.insert(x.end(), 10, 100.0F);
  QuantizationSpec spec = with(RangeMethod::percentile);
  spec.percentile = 99.89;
  // Bins are 128 / 4096 wide.
  EXPECT_NEAR(choose_range(histogram(x), 8, IntegerFormat::is_unsigned, spec).high, 1.0, 0.04);
  spec.percentile = 99.95;
  EXPECT_NEAR(choose_range(histogram(x), 8, IntegerFormat::is_signed, spec).high, 100.0, 0.04);
  const Range both = choose_range(histogram(x), 8, IntegerFormat::asymmetric, spec);
  EXPECT_NEAR(both.high, 100.0, 0.04);
  EXPECT_EQ(both.low, 0.0);
}

TEST(Range, LeastSquaresAndDivergenceClipATail) {
  Floats x = bell_shaped(50000, 0.0F);
  x.push_back(30.0F);
  for (const RangeMethod method : {RangeMethod::mse, RangeMethod::kl}) {
    const Range r = choose_range(histogram(x), 4, IntegerFormat::is_signed, with(method));
    EXPECT_LT(r.high, 16.0);
    EXPECT_GT(r.high, 1.5);
    EXPECT_EQ(r.low, -r.high);
  }
  // Wide integers lose more by clipping than by rounding.
  EXPECT_EQ(choose_range(histogram(x), 16, IntegerFormat::is_signed, with(RangeMethod::mse)).high,
            30.0);
}

TEST(Scale, OfARange) {
  EXPECT_EQ(scale_of({0.0, 5.1}, 8, IntegerFormat::is_unsigned), (TensorScale{5.1 / 255, 0}));
  EXPECT_EQ(scale_of({-1.0, 2.0}, 4, IntegerFormat::is_signed), (TensorScale{2.0 / 7, 0}));
  const TensorScale s = scale_of({-1.0, 2.0}, 8, IntegerFormat::asymmetric);
  EXPECT_EQ(s, (TensorScale{3.0 / 255, 85}));
  EXPECT_EQ(quantize_value(-1.0, s, 8, false), 0);
  EXPECT_EQ(quantize_value(2.0, s, 8, false), 255);
  EXPECT_EQ(real_value(85, s), 0.0);
  EXPECT_EQ(scale_of({-1.0, 2.0}, 8, IntegerFormat::asymmetric, 16).zero, 80);
  EXPECT_EQ(scale_of({-1.0, 0.0}, 4, IntegerFormat::asymmetric, 4).zero, 12);
  EXPECT_EQ(scale_of({0.0, 0.0}, 8, IntegerFormat::is_signed), (TensorScale{1.0, 0}));
}

TEST(Scale, FixedPoint) {
  for (const double ratio : {1e-9, 0.3, 0.99999, 1.0, 1.99999, 77.7, 65535.4}) {
    const FixedPoint f = fixed_point(ratio);
    EXPECT_GE(f.multiplier, 1 << 15) << ratio;
    EXPECT_LT(f.multiplier, 1 << 16) << ratio;
    EXPECT_NEAR(std::ldexp(f.multiplier, -f.shift) / ratio, 1.0, 1.0 / (1 << 16)) << ratio;
  }
  EXPECT_EQ(fixed_point(1e6).shift, 0);
  EXPECT_EQ(fixed_point(1e6).multiplier, 1000000);
  EXPECT_EQ(fixed_point(1e12).multiplier, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(fixed_point(1e-18).shift, 62);
  EXPECT_EQ(round_away(0.5), 1);
  EXPECT_EQ(round_away(-2.5), -3);
  EXPECT_EQ(round_away(std::nan("")), 0);
  EXPECT_EQ(round_away(1e300), std::int64_t{1} << 52);
}

TEST(Calibration, SeesEveryTensorOfEveryImage) {
  Builder b("net", {1, 1, 2});
  b.fc("fc", b.last(), 1, {.activation = Activation::relu});
  b.fc("head", b.last(), 1);
  FloatModel model{b.build(), std::vector<FloatParameters>(3)};
  model.parameters[1].weights = {2.0F, -1.0F};
  model.parameters[1].bias = {0.5F};
  model.parameters[2].weights = {-3.0F};
  model.network.layers[2].has_bias = false;
  const Calibration c = calibrate(
      model,
      [](std::int64_t image) {
        return image == 0 ? Floats{1.0F, 0.0F} : Floats{0.0F, 4.0F};
      },
      2);
  EXPECT_EQ(c.tensors[0].largest(), 4.0);
  EXPECT_EQ(c.tensors[0].count(), 4);
  EXPECT_EQ(c.tensors[1].largest(), 2.5);
  EXPECT_EQ(c.tensors[1].zeros(), 1);
  EXPECT_EQ(c.tensors[2].smallest(), -7.5);
}

}  // namespace
}  // namespace tessera
