// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace tessera {
namespace {

TEST(Math, CeilDivIsTheSmallestSufficientQuotient) {
  for (int n = 0; n <= 300; ++n) {
    for (int d = 1; d <= 300; ++d) {
      const int q = ceil_div(n, d);
      ASSERT_GE(q * d, n) << n << "/" << d;
      ASSERT_LT((q - 1) * d, n == 0 ? 1 : n) << n << "/" << d;
    }
  }
}

TEST(Math, CeilDivKeepsItsTypeAndDoesNotOverflow) {
  EXPECT_EQ(ceil_div<std::int64_t>(INT64_MAX, 2), INT64_MAX / 2 + 1);
  EXPECT_EQ(ceil_div<std::int64_t>(INT64_MAX, 1), INT64_MAX);
  EXPECT_EQ(ceil_div<std::uint64_t>(UINT64_MAX, UINT64_MAX), 1U);
  EXPECT_EQ(ceil_div<std::int8_t>(127, 2), 64);
  static_assert(ceil_div(8, 3) == 3 && ceil_div(100, 64) == 2);
}

TEST(Math, CeilLog2IsTheSmallestSufficientPower) {
  EXPECT_EQ(ceil_log2(1), 0);
  for (std::uint64_t n = 1; n <= 5000; ++n) {
    const int b = ceil_log2(n);
    ASSERT_GE(std::uint64_t{1} << b, n);
    if (b > 0) {
      ASSERT_LT(std::uint64_t{1} << (b - 1), n);
    }
  }
  EXPECT_EQ(ceil_log2(std::uint64_t{1} << 63), 63);
  EXPECT_EQ(ceil_log2((std::uint64_t{1} << 63) + 1), 64);
}

TEST(Math, RoundShiftRoundsTiesAwayFromZero) {
  for (std::int64_t v = -2000; v <= 2000; ++v) {
    for (int shift = -3; shift <= 12; ++shift) {
      // std::round has the same rule, and these values are exact in a double.
      const auto expected =
          static_cast<std::int64_t>(std::round(std::ldexp(static_cast<double>(v), -shift)));
      ASSERT_EQ(round_shift(v, shift), expected) << v << " >> " << shift;
    }
  }
}

TEST(Math, RoundShiftHoldsAtTheEdges) {
  EXPECT_EQ(round_shift(INT64_MAX, 1), std::int64_t{1} << 62);
  EXPECT_EQ(round_shift(INT64_MIN, 1), -(std::int64_t{1} << 62));
  EXPECT_EQ(round_shift(INT64_MAX, 63), 1);
  EXPECT_EQ(round_shift(INT64_MIN, 63), -1);
  EXPECT_EQ(round_shift(INT64_MIN, 64), -1);
  EXPECT_EQ(round_shift(INT64_MAX, 64), 0);
  EXPECT_EQ(round_shift(INT64_MIN, 65), 0);
  EXPECT_EQ(round_shift(-3, -4), -48);
}

TEST(Math, RoundShiftIsOdd) {
  Rng rng(1, "round_shift");
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t v = rng.uniform(-INT64_MAX, INT64_MAX);
    const int shift = static_cast<int>(rng.uniform(1, 64));
    ASSERT_EQ(round_shift(v, shift), -round_shift(-v, shift)) << v << " >> " << shift;
  }
}

TEST(Math, ClampToTheRangeOfAnInteger) {
  EXPECT_EQ(min_value(8, true), -128);
  EXPECT_EQ(max_value(8, true), 127);
  EXPECT_EQ(min_value(8, false), 0);
  EXPECT_EQ(max_value(8, false), 255);
  EXPECT_EQ(min_value(1, true), -1);
  EXPECT_EQ(max_value(1, true), 0);
  EXPECT_EQ(max_value(63, false), INT64_MAX);
  EXPECT_EQ(max_value(64, true), INT64_MAX);
  EXPECT_EQ(min_value(64, true), INT64_MIN);
  EXPECT_EQ(clamp_to(300, 8, false), 255);
  EXPECT_EQ(clamp_to(-300, 8, false), 0);
  EXPECT_EQ(clamp_to(-300, 8, true), -128);
  EXPECT_EQ(clamp_to(17, 8, true), 17);
}

}  // namespace
}  // namespace tessera
