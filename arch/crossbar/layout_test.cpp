// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Layout: how many arrays, what is in each, and that every cell is in exactly one.
#include "arch/crossbar/layout.hpp"

#include "arch/crossbar/coding.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

namespace tessera::arch::crossbar {
namespace {

MatrixOp matrix(std::int64_t rows, std::int64_t cols, int groups = 1, int w_bits = 8) {
  MatrixOp m;
  m.rows = rows;
  m.cols = cols;
  m.groups = groups;
  m.w_bits = w_bits;
  return m;
}

Spec rwth(int cell_bits) {
  Spec spec;
  spec.rows = spec.columns = 256;
  spec.cell_bits = cell_bits;
  spec.weight_mapping = WeightMapping::differential_columns;
  spec.t_adc = Seconds(0);
  return spec;
}

std::size_t arrays(const Spec& spec, const MatrixOp& m) {
  const Layout cut = layout(spec, m);
  EXPECT_TRUE(cut.ok) << cut.why_not;
  return cut.fragments.size();
}

TEST(CrossbarLayout, SlicesOfAWeightMayStraddleTwoArrays) {
  // Three slices in pairs: 6 columns per weight, 50 weights: 300 columns, cut at 256 = 42 weights
  // and 4 columns.
  const Layout cut = layout(rwth(2), matrix(100, 50, 1, 6));
  ASSERT_EQ(cut.fragments.size(), 2U);
  EXPECT_EQ(cut.fragments[0].col, 0);
  EXPECT_EQ(cut.fragments[0].cols, 43);
  EXPECT_EQ(cut.fragments[0].cell_cols, 256);
  EXPECT_EQ(cut.fragments[1].col, 42);  // the same weight again: its last slice
  EXPECT_EQ(cut.fragments[1].cols, 8);
  EXPECT_EQ(cut.fragments[1].cell_col, 256);
  EXPECT_EQ(cut.fragments[1].cell_cols, 44);
}

TEST(CrossbarLayout, APartOfOneWeightSaysWhichSlices) {
  Spec spec = rwth(1);
  spec.columns = 6;  // 8 slices in pairs: 16 columns per weight
  const Layout cut = layout(spec, matrix(10, 1));
  ASSERT_EQ(cut.fragments.size(), 3U);
  EXPECT_EQ(cut.fragments[1].slice, 3);
  EXPECT_EQ(cut.fragments[1].slices, 3);
  EXPECT_EQ(cut.fragments[2].slice, 6);
  EXPECT_EQ(cut.fragments[2].slices, 2);
}

TEST(CrossbarLayout, OffsetColumnIsOnePerRowBlock) {
  Spec spec = rwth(4);
  spec.weight_mapping = WeightMapping::offset_column;
  EXPECT_EQ(arrays(spec, matrix(256, 127)), 1U);  // 254 + 1 columns
  const Layout full = layout(spec, matrix(256, 128));
  ASSERT_EQ(full.fragments.size(), 2U);  // 256 + 1: the offset column alone in an array
  EXPECT_EQ(full.fragments[1].cols, 0);
  EXPECT_EQ(full.fragments[1].cell_cols, 1);
  EXPECT_EQ(arrays(spec, matrix(257, 128)), 4U);
}

TEST(CrossbarLayout, DifferentialRowsTakeTwiceTheRows) {
  Spec spec = rwth(4);
  spec.weight_mapping = WeightMapping::differential_rows;
  EXPECT_EQ(arrays(spec, matrix(128, 128)), 1U);
  EXPECT_EQ(arrays(spec, matrix(129, 128)), 2U);
  EXPECT_EQ(arrays(spec, matrix(129, 129)), 4U);
}

TEST(CrossbarLayout, UnitColumnIsOutside) {
  Spec isaac;
  EXPECT_EQ(arrays(isaac, matrix(128, 16, 1, 16)), 1U);  // 8 cells x 16 weights = 128 columns
  EXPECT_EQ(arrays(isaac, matrix(128, 17, 1, 16)), 2U);
}

TEST(CrossbarLayout, SeparateArraysHoldOneSliceEach) {
  Spec spec = rwth(1);
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  spec.slice_placement = SlicePlacement::separate_arrays;
  const Layout cut = layout(spec, matrix(300, 300, 1, 8));
  ASSERT_EQ(cut.fragments.size(), 4U * 8U);
  EXPECT_EQ(cut.fragments[3].slice, 3);
  EXPECT_EQ(cut.fragments[8].row, 256);
  EXPECT_EQ(cut.fragments[8].rows, 44);
  EXPECT_EQ(cut.fragments[16].col, 256);
  // Two bits per cell: the sign bit keeps a plane of its own, the other 7 bits take 4.
  spec.cell_bits = 2;
  EXPECT_EQ(num_slices(spec, 8), 5);
}

TEST(CrossbarLayout, SmallGroupsShareAnArray) {
  Spec spec = rwth(4);  // 4 columns per weight
  const Layout cut =
      layout(spec, matrix(9, 1, 64));  // depthwise 3x3: 28 groups by rows, 64 by columns
  ASSERT_EQ(cut.fragments.size(), 3U);
  EXPECT_EQ(cut.fragments[0].groups, 28);
  EXPECT_EQ(cut.fragments[1].group, 28);
  EXPECT_EQ(cut.fragments[2].groups, 8);
  EXPECT_EQ(cut.fragments[0].cell_cols, 28 * 4);
  const Op op = fragment_op(OpCode::mvm, matrix(9, 1, 64), cut.fragments[0]);
  EXPECT_EQ(op.rows, 28 * 9);
  EXPECT_EQ(op.cols, 28);
  spec.pack_groups = false;
  EXPECT_EQ(arrays(spec, matrix(9, 1, 64)), 64U);
}

TEST(CrossbarLayout, PackedGroupsLeaveRoomForTheOffsetColumn) {
  Spec spec = rwth(4);
  spec.weight_mapping = WeightMapping::offset_column;   // 2 columns per weight
  const Layout apart = layout(spec, matrix(9, 64, 2));  // 128 + 128 + 1 columns are too many
  ASSERT_EQ(apart.fragments.size(), 2U);
  EXPECT_EQ(apart.fragments[0].groups, 1);
  const Layout cut = layout(spec, matrix(9, 63, 2));
  ASSERT_EQ(cut.fragments.size(), 1U);
  EXPECT_EQ(cut.fragments[0].cell_cols, 2 * 126 + 1);
}

TEST(CrossbarLayout, SaysWhyNot) {
  EXPECT_NE(layout(Spec{}, matrix(1, 1, 1, 25)).why_not.find("25 bits"), std::string::npos);
  EXPECT_FALSE(layout(Spec{}, matrix(0, 1)).ok);
  EXPECT_FALSE(layout(Spec{}, matrix(1, -1)).ok);
  EXPECT_FALSE(layout(Spec{}, matrix(std::int64_t{1} << 50, 1)).ok);
  EXPECT_FALSE(layout(Spec{}, matrix(std::int64_t{1} << 30, 1 << 30)).ok);
}

/// Every physical column of every row is in exactly one fragment, and no fragment is larger than
/// its array.
TEST(CrossbarLayout, FragmentsTileTheMatrix) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const Spec spec = random_spec(seed);
    Rng rng(seed, "layout");
    const MatrixOp m = matrix(rng.uniform(1, 150),
                              rng.uniform(1, 40),
                              static_cast<int>(rng.uniform(1, 5)),
                              static_cast<int>(rng.uniform(1, 16)));
    const Layout cut = layout(spec, m);
    ASSERT_TRUE(cut.ok);
    // (strand, group) -> physical columns times rows covered; disjointness by (group, row, strand,
    // column).
    std::map<std::pair<int, int>, std::int64_t> covered;
    std::set<std::tuple<int, std::int64_t, int, std::int64_t>> seen;
    const bool separate = spec.slice_placement == SlicePlacement::separate_arrays;
    const int slices = num_slices(spec, m.w_bits);
    const int offset = spec.weight_mapping == WeightMapping::offset_column ? 1 : 0;
    const auto before = [](const Fragment& a, const Fragment& b) {
      return std::tie(a.group, a.cell_col, a.row, a.slice) <
             std::tie(b.group, b.cell_col, b.row, b.slice);
    };
    for (std::size_t k = 0; k < cut.fragments.size(); ++k) {
      const Fragment& f = cut.fragments[k];
      ASSERT_LE(f.cell_cols, spec.columns);
      ASSERT_LE(f.rows * f.groups * rows_per_digit(spec.weight_mapping), spec.rows);
      ASSERT_GT(f.cell_cols, 0);
      if (k > 0 && offset == 0) {
        ASSERT_TRUE(before(cut.fragments[k - 1], f));
      }
      const int strand = separate ? f.slice : 0;
      for (std::int64_t c = f.cell_col; c < f.cell_col + f.cell_cols; ++c) {
        ASSERT_TRUE(seen.emplace(f.group, f.row, strand, c).second);
      }
      covered[{strand, f.group}] += std::int64_t{f.cell_cols} * f.rows;
    }
    const std::int64_t per_group =
        m.cols * columns_per_digit(spec.weight_mapping) * (separate ? 1 : slices);
    for (const auto& [key, area] : covered) {
      std::int64_t groups = 1;
      for (const Fragment& f : cut.fragments) {
        groups = f.group == key.second ? f.groups : groups;
      }
      ASSERT_EQ(area, (per_group * groups + (key.first == 0 ? offset : 0)) * m.rows);
    }
    ASSERT_EQ(covered.count({separate ? slices - 1 : 0, 0}), 1U);
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
