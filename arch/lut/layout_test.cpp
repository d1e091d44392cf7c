// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How matrices are cut into RNA blocks, and why not.
#include "arch/lut/layout.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tessera::arch::lut {
namespace {

MatrixOp matrix(std::int64_t rows, std::int64_t cols, int w_bits, int in_bits, int groups = 1) {
  MatrixOp m;
  m.rows = rows;
  m.cols = cols;
  m.groups = groups;
  m.w_bits = w_bits;
  m.in_bits = in_bits;
  return m;
}

TEST(LutLayout, OneNeuronPerBlock) {
  const Layout cut = layout(Spec{}, matrix(784, 512, 4, 4));
  ASSERT_TRUE(cut.ok) << cut.why_not;
  ASSERT_EQ(cut.fragments.size(), 512U);
  EXPECT_EQ(cut.fragments[7].col, 7);
  EXPECT_EQ(cut.fragments[7].rows, 784);
  EXPECT_EQ(cut.out_bits, 4);       // a code
  EXPECT_EQ(cut.acc_bits, 8 + 10);  // 784 products and the bias
}

TEST(LutLayout, SharingPutsNeighboursIntoOneBlock) {
  Spec spec;
  spec.share = 5;
  const Layout cut = layout(spec, matrix(100, 12, 4, 4, 2));
  ASSERT_EQ(cut.fragments.size(), 6U);  // 5 + 5 + 2 columns, twice: groups share nothing
  EXPECT_EQ(cut.fragments[2].cols, 2);
  EXPECT_EQ(cut.fragments[3].group, 1);
  EXPECT_EQ(cut.fragments[3].col, 0);
}

TEST(LutLayout, RowsAreCutWhereCodesFindNoRoom) {
  Spec spec;
  spec.rows = 64;
  spec.columns = 64 + 32;
  spec.adder_columns = 32;
  // 16 x 16 products of 8 bits take 2048 of 4096 cells, which leaves 512 codes of 4 bits.
  EXPECT_EQ(table_cells(spec, matrix(1, 1, 4, 4)), 2048);
  Layout cut = layout(spec, matrix(512, 1, 4, 4));
  EXPECT_EQ(cut.fragments.size(), 1U);
  cut = layout(spec, matrix(1300, 2, 4, 4));
  ASSERT_EQ(cut.fragments.size(), 6U);
  EXPECT_EQ(cut.fragments[2].row, 1024);  // parts of a column are neighbours
  EXPECT_EQ(cut.fragments[2].rows, 276);
  EXPECT_EQ(cut.out_bits, 8 + 10);  // a sum of 512 products and the bias
  EXPECT_EQ(cut.acc_bits, 8 + 11);
  spec.share = 2;
  EXPECT_EQ(layout(spec, matrix(512, 2, 4, 4)).fragments.size(), 2U);
}

TEST(LutLayout, CodebooksMakeWideNumbersFit) {
  MatrixOp m = matrix(512, 10, 8, 8);
  EXPECT_FALSE(layout(Spec{}, m).ok);
  m.in_codes = 16;
  m.w_codes = 12;
  EXPECT_EQ(table_cells(Spec{}, m), 12 * 16 * 16);
  const Layout cut = layout(Spec{}, m);
  ASSERT_TRUE(cut.ok) << cut.why_not;
  EXPECT_EQ(cut.out_bits, 4);
  const Op op = fragment_op(OpCode::mvm, m, cut.fragments[0]);
  EXPECT_EQ(table_cells(Spec{}, op), 12 * 16 * 16);
  EXPECT_EQ(op.w_codes, 12);
  m.w_codes = 1000;  // more than 8 bits have
  EXPECT_EQ(table_cells(Spec{}, m), 256 * 16 * 16);
}

TEST(LutLayout, SaysWhatIsMissing) {
  const auto why = [](const Spec& spec, const MatrixOp& m) {
    const Layout cut = layout(spec, m);
    EXPECT_FALSE(cut.ok);
    EXPECT_TRUE(cut.fragments.empty());
    return cut.why_not;
  };
  EXPECT_EQ(why(Spec{}, matrix(10, 10, 4, 8)), "inputs have 256 codes; the encoder has 64 rows");
  Spec spec;
  spec.counters = 31;
  EXPECT_EQ(why(spec, matrix(10, 10, 4, 5)),
            "inputs have 32 codes, each with a counter for one weight code; there are 31");
  EXPECT_EQ(why(Spec{}, matrix(10, 10, 12, 6)),
            "a table of 4096 x 64 products takes 4718592 cells and a code 12; the crossbar has "
            "983040 beside its adder");
  MatrixOp sampled = matrix(10, 10, 4, 4);
  sampled.activation_rows = 65;
  EXPECT_EQ(why(Spec{}, sampled),
            "the activation is a table of 65 rows; the activation memory has 64");
  spec = Spec{};
  spec.adder_columns = 12;
  EXPECT_EQ(why(spec, matrix(32, 10, 4, 4)),
            "a sum of 32 products has 14 bits; the adder has 12 columns");
  EXPECT_EQ(why(Spec{}, matrix(10, 10, 17, 4)),
            "weights of 17 and inputs of 4 bits; codes have 1 to 16");
  EXPECT_EQ(why(Spec{}, matrix(1, 5'000'000, 4, 4)),
            "the matrix needs more than four million blocks");
  EXPECT_EQ(why(Spec{}, matrix(1, 3'000'000, 4, 4, 2)),
            "the matrix needs more than four million blocks");
  EXPECT_NE(why(Spec{}, matrix(std::int64_t{1} << 50, 1, 4, 4)), "");
}

}  // namespace
}  // namespace tessera::arch::lut
