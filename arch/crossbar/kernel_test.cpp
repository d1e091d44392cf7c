// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Coding of weights, ADC widths and single conversions, by hand.
#include "arch/crossbar/kernel.hpp"

#include "arch/crossbar/coding.hpp"
#include "arch/crossbar/layout.hpp"
#include "sim/base/diagnostics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace tessera::arch::crossbar {
namespace {

constexpr std::array kMappings = {WeightMapping::twos_complement_planes,
                                  WeightMapping::differential_columns,
                                  WeightMapping::differential_rows,
                                  WeightMapping::offset_column,
                                  WeightMapping::biased_unit_column};

TEST(CrossbarCoding, EveryWeightComesBack) {
  Spec spec;
  for (const WeightMapping mapping : kMappings) {
    spec.weight_mapping = mapping;
    for (spec.cell_bits = 1; spec.cell_bits <= 8; ++spec.cell_bits) {
      for (const int bits : {1, 2, 3, 5, 8}) {
        const std::int64_t half = std::int64_t{1} << (bits - 1);
        for (std::int64_t w = -half; w < half; ++w) {
          std::int64_t back = is_biased(mapping) ? -half : 0;
          for (int s = 0; s < num_slices(spec, bits); ++s) {
            const Digit d = digit(spec, bits, w, s);
            ASSERT_GE(d.positive, 0);
            ASSERT_GE(d.negative, 0);
            ASSERT_LT(d.positive, 1 << spec.cell_bits);
            ASSERT_LT(d.negative, 1 << spec.cell_bits);
            back += place(spec, bits, s) * (d.positive - d.negative);
          }
          ASSERT_EQ(back, w) << "mapping " << static_cast<int>(mapping) << " cell "
                             << spec.cell_bits << " bits " << bits;
        }
      }
    }
  }
}

TEST(CrossbarAdcWidth, IsaacNeedsNineBitsAndEightWithTheEncoding) {
  Spec spec;
  spec.rows = 128;
  spec.cell_bits = 2;
  spec.dac_bits = 1;
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 9);
  EXPECT_EQ(isaac_adc_bits(128, 1, 2), 9);
  spec.weight_flip = true;
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 8);
}

TEST(CrossbarAdcWidth, IsaacsFormulaIsTightForPowersOfTwo) {
  Spec spec;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  for (spec.rows = 1; spec.rows <= 1024; spec.rows *= 2) {
    for (spec.dac_bits = 1; spec.dac_bits <= 4; ++spec.dac_bits) {
      for (spec.cell_bits = 1; spec.cell_bits <= 4; ++spec.cell_bits) {
        const int formula = isaac_adc_bits(spec.rows, spec.dac_bits, spec.cell_bits);
        EXPECT_EQ(formula, sufficient_adc_bits(spec, 8))
            << spec.rows << " " << spec.dac_bits << " " << spec.cell_bits;
      }
    }
  }
}

TEST(CrossbarAdcWidth, LrmpNineRowsNeedFourBits) {
  Spec spec;
  spec.rows = 256;
  spec.active_rows = 9;
  spec.cell_bits = 1;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 4);
}

std::int64_t fire_one(const Spec& spec,
                      const std::vector<std::int32_t>& weights,
                      const std::vector<std::int32_t>& x,
                      int w_bits,
                      int in_bits,
                      Converters converters) {
  MatrixOp m;
  m.rows = static_cast<std::int64_t>(weights.size());
  m.cols = 1;
  m.w_bits = w_bits;
  m.in_bits = in_bits;
  const Layout cut = layout(spec, m);
  EXPECT_EQ(cut.fragments.size(), 1U);
  const Fragment& f = cut.fragments.front();
  const Array array(spec, fragment_op(OpCode::mvm, m, f), f, weights);
  std::vector<std::int64_t> y(1, 100);
  array.fire(x, y, converters);
  return y[0] - 100;  // fire() adds
}

TEST(CrossbarKernel, ClipsEachConversionOnItsOwn) {
  Spec spec;
  spec.rows = spec.columns = 16;
  spec.cell_bits = 1;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  spec.adc_bits = 2;  // 0..3
  const std::vector<std::int32_t> weights(5, 1);
  // Input 1: one conversion of 5 clips to 3. Input 2: the same in the second input slice, worth 2.
  EXPECT_EQ(fire_one(spec, weights, {1, 1, 1, 1, 1}, 2, 2, Converters::clipping), 3);
  EXPECT_EQ(fire_one(spec, weights, {2, 2, 2, 2, 2}, 2, 2, Converters::clipping), 6);
  EXPECT_EQ(fire_one(spec, weights, {2, 2, 2, 2, 2}, 2, 2, Converters::ideal), 10);
  spec.active_rows = 3;  // groups of 3 and 2 rows: nothing clips
  EXPECT_EQ(fire_one(spec, weights, {2, 2, 2, 2, 2}, 2, 2, Converters::clipping), 10);
  EXPECT_EQ(fire_one(spec, weights, {2, 2, 2, 2, 2}, 2, 2, Converters::each), 10);
}

TEST(CrossbarKernel, ClipsSignedWhereItSubtractsBeforeConverting) {
  Spec spec;
  spec.rows = spec.columns = 32;
  spec.cell_bits = 2;
  spec.weight_mapping = WeightMapping::differential_rows;
  spec.adc_bits = 3;  // -4..3
  const std::vector<std::int32_t> ones(8, 1);
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, 1, 1, 1}, ones, 3, 1, Converters::clipping), 3);
  EXPECT_EQ(fire_one(spec, {-1, -1, -1, -1, -1, -1, -1, -1}, ones, 3, 1, Converters::clipping), -4);
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, 1, -1, -1}, ones, 3, 1, Converters::clipping),
            3);  // 4 is too much
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, -1, -1, -1}, ones, 3, 1, Converters::clipping), 2);
  // Digital subtraction clips P and N apart: 5 - 3 with 3 unsigned bits is exact, with 2 it is 3
  // - 3.
  spec.weight_mapping = WeightMapping::differential_columns;
  spec.subtraction = Subtraction::digital;
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, -1, -1, -1}, ones, 3, 1, Converters::clipping), 2);
  spec.adc_bits = 2;
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, -1, -1, -1}, ones, 3, 1, Converters::clipping), 0);
  spec.subtraction = Subtraction::analog;  // -2..1
  EXPECT_EQ(fire_one(spec, {1, 1, 1, 1, 1, -1, -1, -1}, ones, 3, 1, Converters::clipping), 1);
}

TEST(CrossbarKernel, FlippingKeepsFullColumnsInRange) {
  Spec spec;
  spec.rows = 4;
  spec.columns = 8;
  spec.cell_bits = 2;
  spec.weight_mapping = WeightMapping::biased_unit_column;
  const std::vector<std::int32_t> largest(4, 1);  // stored as 3 in every cell: a sum of 12
  const std::vector<std::int32_t> ones(4, 1);
  spec.adc_bits = 3;
  EXPECT_EQ(fire_one(spec, largest, ones, 2, 1, Converters::clipping), 7 - 2 * 4);  // 12 clips to 7
  spec.weight_flip = true;
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 3);
  EXPECT_EQ(fire_one(spec, largest, ones, 2, 1, Converters::clipping), 4);
  EXPECT_EQ(fire_one(spec, largest, ones, 2, 1, Converters::each), 4);
}

TEST(CrossbarKernel, AnIntegratorClipsTheWholeSumOnce) {
  Spec spec;
  spec.rows = 4;
  spec.columns = 8;
  spec.cell_bits = 2;
  spec.active_rows = 2;
  spec.adcs = 8;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  spec.conversion = Conversion::integrate_fire;
  const std::vector<std::int32_t> weights(4, 3);
  const std::vector<std::int32_t> x(4, 3);  // a sum of 36; 12 and 24 from the two bits
  EXPECT_EQ(sufficient_adc_bits(spec, 2), 6);
  spec.adc_bits = 5;
  EXPECT_EQ(fire_one(spec, weights, x, 3, 2, Converters::clipping), 31);
  EXPECT_EQ(fire_one(spec, weights, x, 3, 2, Converters::each), 31);
  spec.adc_bits = 6;
  EXPECT_EQ(fire_one(spec, weights, x, 3, 2, Converters::each), 36);
  spec.conversion = Conversion::adc;  // every row group and input bit on its own: at most 6
  spec.adc_bits = 3;
  EXPECT_EQ(fire_one(spec, weights, x, 3, 2, Converters::each), 36);
}

TEST(CrossbarKernel, RefusesWrongShapes) {
  Spec spec;
  MatrixOp m;
  m.rows = 4;
  m.cols = 2;
  const Layout cut = layout(spec, m);
  const Op op = fragment_op(OpCode::mvm, m, cut.fragments[0]);
  EXPECT_THROW(Array(spec, op, cut.fragments[0], std::vector<std::int32_t>(7)), InternalError);
  const Array array(spec, op, cut.fragments[0], std::vector<std::int32_t>(8));
  std::vector<std::int64_t> y(2);
  EXPECT_THROW(array.fire(std::vector<std::int32_t>(3), y, Converters::ideal), InternalError);
}

}  // namespace
}  // namespace tessera::arch::crossbar
