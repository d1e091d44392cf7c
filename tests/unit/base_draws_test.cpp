// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Draws by key: the normal distribution, and that it never changes.
#include "sim/base/draws.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace tessera {
namespace {

TEST(Draws, NormalHasTheMomentsAndTailsOfTheNormalDistribution) {
  constexpr int kDraws = 2'000'000;
  double sum = 0;
  double squares = 0;
  double fourth = 0;
  std::array<int, 4> beyond{};
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    const double z = std::ldexp(normal(mix(1, i)), -kNormalFraction);
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
    for (std::size_t k = 0; k < beyond.size(); ++k) {
      beyond[k] += std::abs(z) > static_cast<double>(k + 1) ? 1 : 0;
    }
  }
  // Five standard errors each.
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0 / kDraws));
  for (std::size_t k = 0; k < beyond.size(); ++k) {
    const double p = std::erfc(static_cast<double>(k + 1) / std::sqrt(2.0));
    EXPECT_NEAR(static_cast<double>(beyond[k]) / kDraws, p, 5 * std::sqrt(p / kDraws)) << k + 1;
  }
}

TEST(Draws, NormalIsTheQuantile) {
  EXPECT_EQ(normal(UINT64_MAX), 0);
  EXPECT_EQ(normal(UINT64_MAX >> 1), 0);
  for (const double z : {0.5, 1.0, 2.0, 4.0, 6.0, 7.0}) {
    const double tail = 0.5 * std::erfc(z / std::sqrt(2.0));
    const auto bits = static_cast<std::uint64_t>(std::ldexp(tail, 64));  // sign bit 0: half of them
    EXPECT_NEAR(std::ldexp(normal(bits), -kNormalFraction), z, 3e-4 * std::max(z, 1.0));
    EXPECT_EQ(normal(bits | std::uint64_t{1} << 63), -normal(bits));
  }
}

/// The table comes from the mathematical library: a library that rounds otherwise shows here.
TEST(Draws, AreTheSameOnEveryMachine) {
  std::uint64_t digest = 0;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    digest = mix(digest, static_cast<std::uint64_t>(normal(mix(2, i))));
  }
  for (std::uint64_t octave = 0; octave < 64; ++octave) {
    for (std::uint64_t step = 0; step < 64; ++step) {
      const std::uint64_t bits = ((64 + step) << 57 >> octave) >> 1;
      digest = mix(digest, static_cast<std::uint64_t>(normal(bits)));
    }
  }
  EXPECT_EQ(digest, 16127292284418277040U);
}

TEST(Draws, KeysDoNotMeet) {
  EXPECT_NE(mix(mix(1, 2), 3), mix(mix(1, 3), 2));
  EXPECT_NE(mix(1, 0), mix(0, 1));
  EXPECT_NE(mix(0, 0), 0U);
}

}  // namespace
}  // namespace tessera
