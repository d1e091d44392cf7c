// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One ISAAC-CE array and IMA (Shafiee et al., ISCA 2016, corrected edition).
///
/// V8   IMA roll-up 24.08 mW, 0.0131 mm2, 1 %      V9   peak 41,288 GOPS, exact
/// V10  1.0 conversions per 16-bit MAC, exact      V11  cycles 2 to 20 of the 22-cycle pipeline,
/// exact Status   enforced
#include "arch/crossbar/crossbar.hpp"
#include "arch/crossbar/kernel.hpp"
#include "sim/api/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::arch::crossbar {
namespace {

constexpr Clock kClock{Hertz(1.2e9)};  // 100 ns are 120 cycles
constexpr std::int64_t kStage = 120;

Spec isaac() {
  Spec spec;
  spec.weight_flip = true;
  spec.adc_bits = 8;
  spec.adc_rate = Hertz(1.28e9);
  spec.shift_add = ShiftAddMode::staged;
  spec.t_shift_add = Seconds(1 / 1.28e9);  // one per conversion: a stage of 100 ns
  spec.t_output = Seconds(100e-9);
  return spec;
}

/// 128 rows x 16 weights of 16 bits: 8 cells each, 128 columns.
struct Full {
  MatrixOp matrix;
  std::unique_ptr<Model> model = make_model(isaac(), kClock);
  Op op;

  Full() {
    matrix.rows = 128;
    matrix.cols = 16;
    matrix.w_bits = matrix.in_bits = 16;
    const Layout cut = model->layout(matrix);
    EXPECT_EQ(cut.fragments.size(), 1U);
    EXPECT_EQ(cut.fragments[0].cell_cols, 128);
    op = model->op(OpCode::mvm, matrix, cut.fragments[0]);
  }
};

TEST(Isaac, SixteenReadCyclesThenConversionShiftAddAndOutput) {
  const Full full;
  const Schedule s = make_schedule(full.model->steps(full.op));
  for (const Schedule::Play& play : s.plays) {
    if (play.on == kArray) {
      EXPECT_EQ(play.repeat, 16);
      EXPECT_EQ(play.interval, Cycles(kStage));
    }
    if (play.on == kAdc) {
      EXPECT_EQ(play.offset, Cycles(kStage));     // in the cycle after the read
      EXPECT_EQ(play.occupancy, Cycles(kStage));  // 128 columns in 100 ns
    }
  }
  // The paper's cycle 1 reads the eDRAM; reads 2-17, last conversion 18, shift-and-add 19, output
  // register 20; then sigmoid 21 and eDRAM write 22.
  EXPECT_EQ(s.latency, Cycles(19 * kStage));
  EXPECT_EQ(full.model->fire_cost(full.op).latency, s.latency);
  EXPECT_EQ(1 + s.latency.value / kStage + 2, 22);
  EXPECT_EQ(s.interval, Cycles(16 * kStage));
}

TEST(Isaac, PeakOperations) {
  const Full full;
  const double operations = 2.0 * 128 * 16;
  const double interval = kClock.seconds(full.model->fire_cost(full.op).interval).value;
  EXPECT_NEAR(16128 * operations / interval / 1e9, 41288, 1);
}

TEST(Isaac, OneConversionPerMac) {
  const Full full;
  const std::int64_t macs = std::int64_t{128} * 16;
  const std::int64_t conversions = full.model->fire_cost(full.op).did[kAdcConvert];
  EXPECT_EQ(conversions - 16, macs);  // 1.0: 16 of them are the unit column's
  EXPECT_DOUBLE_EQ(static_cast<double>(conversions) / static_cast<double>(macs), 1.0078125);
  EXPECT_EQ(make_schedule(full.model->steps(full.op)).did[kAdcConvert], conversions);
}

TEST(Isaac, EightBitConverterSufficesWithTheEncoding) {
  Spec spec = isaac();
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 8);
  spec.weight_flip = false;
  EXPECT_EQ(sufficient_adc_bits(spec, 8), 9);

  const Full full;
  const Fragment f = full.model->layout(full.matrix).fragments[0];
  const std::vector<std::int32_t> x(128, 65535);
  const auto result = [&](const Spec& s, const std::vector<std::int32_t>& weights) {
    const auto unit = make_model(s, kClock)->make_unit(0);
    unit->load(full.op, f, weights, 0);
    std::vector<std::int64_t> y(16, 0);
    unit->fire(x, y, Fidelity::clipping, {});
    return y[0];
  };
  // All cells full is what the encoding is for: exact with 8 bits, wrong with 8 bits without it.
  const std::vector<std::int32_t> largest(std::size_t{128} * 16, 32767);
  const std::int64_t exact = std::int64_t{128} * 32767 * 65535;
  EXPECT_EQ(result(isaac(), largest), exact);
  EXPECT_NE(result(spec, largest), exact);
  spec.adc_bits = 9;
  EXPECT_EQ(result(spec, largest), exact);
  // Half the cells full is its worst case, 192 of 255. (Below 8 bits the unit column's 128 would
  // clip as well.)
  std::vector<std::int32_t> half(std::size_t{128} * 16, -32768);
  std::fill_n(half.begin(), 64, 32767);
  EXPECT_EQ(result(isaac(), half), std::int64_t{64} * (32767 - 32768) * 65535);
  Spec seven = isaac();
  seven.adc_bits = 7;
  EXPECT_NE(result(seven, half), std::int64_t{64} * (32767 - 32768) * 65535);
}

TEST(Isaac, ImaPowerAndArea) {
  const Full full;
  const Cost cost = full.model->fire_cost(full.op);
  double energy = 0;
  for (std::size_t a = 0; a < full.model->actions().size(); ++a) {
    energy += full.model->actions()[a].energy.value * static_cast<double>(cost.did[a]);
  }
  const double power = 8 * energy / kClock.seconds(cost.interval).value;
  EXPECT_NEAR(power, 24.08e-3, 0.01 * 24.08e-3);  // + 1/128 of the column circuits: the unit column
  // 2.35 pJ per 16-bit MAC in the IMA.
  EXPECT_NEAR(energy / (128 * 16), 2.35e-12, 0.01 * 2.35e-12);

  double area = 0;
  for (const Resource& resource : full.model->resources()) {
    area += resource.area.value;
  }
  EXPECT_NEAR(8 * area, 0.0131e-6, 0.01 * 0.0131e-6);
}

}  // namespace
}  // namespace tessera::arch::crossbar
