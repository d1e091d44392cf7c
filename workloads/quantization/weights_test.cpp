// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/weights.hpp"

#include "sim/base/rng.hpp"
#include "tests/support/float_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace tessera {
namespace {

using Floats = std::vector<float>;
using Integers = std::vector<std::int32_t>;

Floats bell_shaped(std::size_t count, std::uint64_t seed) {
  Rng rng(seed, "weights");
  Floats w(count);
  std::generate(w.begin(), w.end(), [&] { return test::bell(rng); });
  return w;
}

double error(const Floats& w, const WeightScale& s, int bits) {
  Floats back(w.size());
  std::transform(w.begin(), w.end(), back.begin(), [&](float v) {
    return static_cast<float>(s.scale * quantize_weight(v, s, bits));
  });
  return test::rms_difference(w, back);
}

TEST(WeightScale, MaxMakesTheLargestMagnitudeTheLargestInteger) {
  const Floats w{-1.0F, 0.25F, 0.5F};
  const WeightScale s = weight_scale(w, 4, WeightMethod::max);
  EXPECT_DOUBLE_EQ(s.scale, 1.0 / 7);
  // 0.25 * 7 = 1.75, 0.5 * 7 = 3.5: ties away from zero.
  EXPECT_EQ(quantize_weights(w, std::vector{s}, 4), (Integers{-7, 2, 4}));
  EXPECT_EQ(quantize_weight(-0.5F, s, 4), -4);
  EXPECT_EQ(quantize_weight(-9.0F, s, 4), -7);
}

TEST(WeightScale, OneBitIsMinusOneOrZero) {
  const WeightScale s = weight_scale(Floats{-1.0F, 1.0F}, 1, WeightMethod::max);
  EXPECT_EQ(quantize_weight(-1.0F, s, 1), -1);
  EXPECT_EQ(quantize_weight(-0.4F, s, 1), 0);
  EXPECT_EQ(quantize_weight(1.0F, s, 1), 0);
}

TEST(WeightScale, LeastSquaresIsTheBestOfItsCandidates) {
  for (const int bits : {2, 3, 4, 8}) {
    const Floats w = bell_shaped(5000, static_cast<std::uint64_t>(bits));
    const double whole = weight_scale(w, bits, WeightMethod::max).scale;
    double best = 1e9;
    double at = 0;
    for (int k = 25; k >= 5; --k) {
      const double e = error(w, {whole * k / 25, -1.0}, bits);
      if (e < best) {
        best = e;
        at = whole * k / 25;
      }
    }
    EXPECT_DOUBLE_EQ(weight_scale(w, bits, WeightMethod::mse).scale, at) << bits;
  }
}

/// Clipping the far tail of a long-tailed distribution loses little; both methods see it.
TEST(WeightScale, LeastSquaresAndDivergenceClipATail) {
  Floats w = bell_shaped(20000, 3);
  w.push_back(15.0F);
  for (const WeightMethod method : {WeightMethod::mse, WeightMethod::kl}) {
    const WeightScale s = weight_scale(w, 4, method);
    EXPECT_LT(s.scale * 7, 8.0);
    EXPECT_GT(s.scale * 7, 1.5);
    EXPECT_LT(error(w, s, 4), 0.7 * error(w, weight_scale(w, 4, WeightMethod::max), 4));
  }
}

TEST(WeightScale, TernaryByHand) {
  // mean |w| = 0.5, threshold 0.35; kept: 1.0, 0.6, 0.4 with mean 2/3
  const Floats w{1.0F, -0.6F, 0.4F, 0.3F, -0.2F};
  const WeightScale s = weight_scale(w, 2, WeightMethod::twn);
  EXPECT_NEAR(s.threshold, 0.35, 1e-7);
  EXPECT_NEAR(s.scale, 2.0 / 3, 1e-7);
  EXPECT_EQ(quantize_weights(w, std::vector{s}, 2), (Integers{1, -1, 1, 0, 0}));
  EXPECT_EQ(weight_scale(w, 4, WeightMethod::twn).scale,
            weight_scale(w, 4, WeightMethod::mse).scale);
}

TEST(WeightScale, ColumnsHaveScalesOfTheirOwn) {
  Floats w = bell_shaped(64, 1);
  std::transform(w.begin() + 32, w.end(), w.begin() + 32, [](float v) { return v / 16.0F; });
  const std::vector<WeightScale> each = weight_scales(w, 2, 4, WeightMethod::max, true);
  ASSERT_EQ(each.size(), 2U);
  EXPECT_DOUBLE_EQ(each[1].scale,
                   weight_scale(std::span(w).subspan(32), 4, WeightMethod::max).scale);
  const Integers q = quantize_weights(w, each, 4);
  EXPECT_EQ(*std::max_element(
                q.begin() + 32, q.end(), [](int a, int b) { return std::abs(a) < std::abs(b); }) %
                7,
            0);
  // At least 8 bits of multiplier are left to a column that is nearly zero, or zero.
  w.assign(64, 0.0F);
  w[0] = 1.0F;
  w[32] = 1e-6F;
  EXPECT_DOUBLE_EQ(weight_scales(w, 2, 4, WeightMethod::mse, true)[1].scale, 1.0 / 7 / 256);
  w[32] = 0.0F;
  EXPECT_DOUBLE_EQ(weight_scales(w, 2, 4, WeightMethod::mse, true)[1].scale, 1.0 / 7);
}

TEST(WeightScale, NothingButZeros) {
  const Floats w(8, 0.0F);
  for (const WeightMethod method :
       {WeightMethod::max, WeightMethod::mse, WeightMethod::kl, WeightMethod::twn}) {
    EXPECT_EQ(weight_scale(w, 2, method).scale, 1.0);
    EXPECT_EQ(quantize_weights(w, std::vector{weight_scale(w, 2, method)}, 2), Integers(8, 0));
  }
}

}  // namespace
}  // namespace tessera
