// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Nearest-distance search, exact and in stages; encoding by search equals rescaling.
#include "arch/lut/associative.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "workloads/network.hpp"
#include "workloads/scalar_ops.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <vector>

namespace tessera::arch::lut {
namespace {

TEST(NearestMemory, FindsTheNumericallyNearestAndTheLowestOfEqualRows) {
  const NearestMemory memory({{-8, 0}, {0, 1}, {7, 2}, {8, 3}, {0, 4}});
  EXPECT_EQ(memory.nearest(-100), 0U);
  EXPECT_EQ(memory.nearest(-4), 0U);  // as far from -8 as from 0
  EXPECT_EQ(memory.nearest(-3), 1U);
  EXPECT_EQ(memory.nearest(0), 1U);  // row 4 has the same key
  EXPECT_EQ(memory.nearest(7), 2U);  // 8 differs in more bits from 7 than 0 does
  EXPECT_EQ(memory.nearest(9), 3U);
  EXPECT_EQ(memory.nearest(std::numeric_limits<std::int64_t>::max()), 3U);  // maximum pooling
  EXPECT_EQ(memory.nearest(std::numeric_limits<std::int64_t>::min()), 0U);
  EXPECT_THROW(NearestMemory({}), InternalError);
}

TEST(NearestMemory, OneStageIsExact) {
  Rng rng(1, "lut.nearest");
  for (int round = 0; round < 300; ++round) {
    std::vector<NearestMemory::Row> rows(static_cast<std::size_t>(rng.uniform(1, 64)));
    for (NearestMemory::Row& row : rows) {
      row.key = rng.uniform(-32768, 32767);
    }
    const NearestMemory memory(rows);
    for (int k = 0; k < 20; ++k) {
      const std::int64_t key = rng.uniform(-32768, 32767);
      ASSERT_EQ(memory.nearest_in_stages(key, 16, 16), memory.nearest(key));
      ASSERT_EQ(memory.nearest_in_stages(key, 16, 64), memory.nearest(key));
      // In stages the first digit is as near as any row's.
      const std::size_t found = memory.nearest_in_stages(key, 16, 8);
      const auto high = [](std::int64_t v) { return (v + 32768) >> 8; };
      for (const NearestMemory::Row& row : rows) {
        ASSERT_LE(std::abs(high(rows[found].key) - high(key)), std::abs(high(row.key) - high(key)));
      }
    }
  }
}

TEST(NearestMemory, StagesCanMissTheNearest) {
  const NearestMemory memory({{0x00ff, 0}, {0x0180, 1}});
  EXPECT_EQ(memory.nearest(0x0100), 0U);
  EXPECT_EQ(memory.nearest_in_stages(0x0100, 16, 8), 1U);  // the same high byte
}

/// The encoder memory does what the vector unit does: rescale, activate, clamp.
TEST(RescaleRows, AnswerAsRescaling) {
  Rng rng(1, "lut.rescale");
  for (int round = 0; round < 200; ++round) {
    Layer layer;
    layer.kind = LayerKind::fc;
    layer.out_bits = static_cast<int>(rng.uniform(1, 6));
    layer.activation = rng.chance(0.5) ? Activation::relu : Activation::none;
    layer.out_signed = layer.activation == Activation::none;
    layer.shift = static_cast<int>(rng.uniform(0, 12));
    const auto multiplier = static_cast<std::int32_t>(rng.uniform(1, 300));
    const std::int64_t high = layer.out_signed ? (std::int64_t{1} << (layer.out_bits - 1)) - 1
                                               : (std::int64_t{1} << layer.out_bits) - 1;
    const std::int64_t low = layer.out_signed ? -high - 1 : 0;
    const NearestMemory memory(rescale_rows(layer.shift, low, high));
    ASSERT_LE(memory.size(), 64U);
    for (std::int64_t acc = -3000; acc <= 3000; ++acc) {
      std::array<std::int32_t, 1> y{};
      const std::array<std::int64_t, 1> sum{acc};
      rescale_activate(layer, sum, std::vector<std::int32_t>{multiplier}, y);
      ASSERT_EQ(memory.value(memory.nearest(2 * acc * multiplier)), y[0])
          << "acc " << acc << " multiplier " << multiplier << " shift " << layer.shift;
    }
  }
}

}  // namespace
}  // namespace tessera::arch::lut
