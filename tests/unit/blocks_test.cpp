// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/api/blocks.hpp"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Blocks, AreAsFewAndAsEqualAsPossible) {
  EXPECT_EQ(Blocks::of(12544, 256), (Blocks{12544, 256}));
  EXPECT_EQ(Blocks::of(12544, 256).count(), 49);
  const Blocks layer = Blocks::of(3136, 256);
  EXPECT_EQ(layer.size, 242);
  EXPECT_EQ(layer.count(), 13);
  EXPECT_EQ(layer.end(12) - layer.begin(12), 232);
  EXPECT_EQ(layer.at(-1), -1);
  EXPECT_EQ(layer.at(3135), 12);
}

TEST(Blocks, CoverEveryPositionOnce) {
  for (std::int64_t positions = 1; positions <= 60; ++positions) {
    for (std::int64_t most = 1; most <= 70; ++most) {
      const Blocks blocks = Blocks::of(positions, most);
      EXPECT_LE(blocks.size, most);
      EXPECT_EQ(blocks.count(), (positions + most - 1) / most);
      std::int64_t next = 0;
      for (std::int64_t b = 0; b < blocks.count(); ++b) {
        EXPECT_EQ(blocks.begin(b), next);
        EXPECT_GT(blocks.end(b), blocks.begin(b));
        for (; next < blocks.end(b); ++next) {
          EXPECT_EQ(blocks.at(next), b);
        }
      }
      EXPECT_EQ(next, positions);
    }
  }
}

}  // namespace
}  // namespace tessera
