// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/real_math.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera {
namespace {

TEST(RealMath, ExponentialAndLogarithmAgreeWithTheLibrary) {
  for (double x = -700.0; x < 700.0; x += 0.37) {
    EXPECT_NEAR(exp_of(x) / std::exp(x), 1.0, 1e-15) << x;
  }
  for (double x = 1e-300; x < 1e300; x *= 1.71) {
    EXPECT_NEAR(log_of(x), std::log(x), 4e-16 + 4e-16 * std::abs(std::log(x))) << x;
  }
  for (double x = 0.5; x < 2.0; x += 0.001) {
    EXPECT_NEAR(log_of(x), std::log(x), 5e-16) << x;
  }
  EXPECT_EQ(exp_of(0.0), 1.0);
  EXPECT_EQ(exp_of(-1000.0), 0.0);
  EXPECT_EQ(exp_of(1000.0), HUGE_VAL);
  EXPECT_TRUE(std::isnan(exp_of(std::nan(""))));
  EXPECT_EQ(log_of(1.0), 0.0);
}

}  // namespace
}  // namespace tessera
