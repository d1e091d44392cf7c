// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Adam and the blend of target networks.
#include "mapper/rl/kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::mapper::rl {
namespace {

TEST(Kernels, BlendMovesTheTargetByTau) {
  std::vector<double> target = {1, 2};
  const std::vector<double> source = {3, -2};
  blend<double>(0.25, target, source);
  EXPECT_DOUBLE_EQ(target[0], 1.5);
  EXPECT_DOUBLE_EQ(target[1], 1.0);
}

TEST(Kernels, MomentsOfAParameterThatNoLongerLearnsEndAtZero) {
  std::vector<float> p = {1};
  const std::vector<float> g = {0};
  std::vector<float> m = {1e-20F};
  std::vector<float> v = {1e-20F};
  const AdamScales<float> scales{0.9F, 0.999F, 1e-8F, 1e-3F, 1.0F};
  for (int i = 0; i < 50'000; ++i) {
    adam_step<float>(scales, p, g, m, v);
    ASSERT_TRUE(m[0] == 0 || std::isnormal(m[0]));
    ASSERT_TRUE(v[0] == 0 || std::isnormal(v[0]));
  }
  EXPECT_EQ(m[0], 0);
}

}  // namespace
}  // namespace tessera::mapper::rl
