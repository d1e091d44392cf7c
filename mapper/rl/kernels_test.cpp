// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Products and Adam against the obvious loops, to the last bit, on every instruction set there is.
#include "mapper/rl/kernels.hpp"

#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::mapper::rl {
namespace {

std::vector<float> random_values(Rng& rng, std::ptrdiff_t count) {
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& value : out) {
    value = static_cast<float>(2 * rng.uniform01() - 1);
  }
  return out;
}

struct Size {
  std::ptrdiff_t rows;
  std::ptrdiff_t cols;
  std::ptrdiff_t inner;
};

TEST(Kernels, AProductHasTheSameBitsOnEveryInstructionSet) {
  Rng rng(1, "kernels");
  for (const Size& size : {Size{64, 300, 300},
                           {300, 11, 64},
                           {300, 300, 7},
                           {1, 300, 64},
                           {3, 5, 4},
                           {17, 7, 9},
                           {65, 13, 2}}) {
    const std::vector<float> a = random_values(rng, size.rows * size.inner);
    const std::vector<float> b = random_values(rng, size.inner * size.cols);
    for (const bool transposed : {false, true}) {
      const Operand<float> operand = transposed ? Operand<float>{b.data(), size.cols, 1}
                                                : Operand<float>{b.data(), 1, size.inner};
      std::vector<float> expected(static_cast<std::size_t>(size.rows * size.cols));
      for (std::ptrdiff_t c = 0; c < size.cols; ++c) {
        for (std::ptrdiff_t r = 0; r < size.rows; ++r) {
          float sum = 0;
          for (std::ptrdiff_t k = 0; k < size.inner; ++k) {
            sum += a[static_cast<std::size_t>(r + k * size.rows)] *
                   b[static_cast<std::size_t>(k * operand.down + c * operand.right)];
          }
          expected[static_cast<std::size_t>(r + c * size.rows)] = sum;
        }
      }
      for (const Isa isa : supported_isas()) {
        std::vector<float> got(expected.size());
        product_on(isa, size.rows, size.cols, size.inner, a.data(), operand, got.data());
        EXPECT_EQ(got, expected) << size.rows << "x" << size.cols << "x" << size.inner;
      }
    }
  }
}

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
