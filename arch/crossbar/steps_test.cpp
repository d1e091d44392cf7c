// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Timing of one firing, by hand.
#include "arch/crossbar/steps.hpp"

#include "sim/api/schedule.hpp"

#include <gtest/gtest.h>

namespace tessera::arch::crossbar {
namespace {

constexpr Clock kClock{Hertz(1e9)};

Op op(int rows, int cell_cols, int in_bits) {
  Op o;
  o.rows = rows;
  o.cols = 1;
  o.cell_cols = cell_cols;
  o.in_bits = in_bits;
  return o;
}

Seconds ns(double t) {
  return Seconds(t * 1e-9);
}

Spec plain() {
  Spec spec;
  spec.rows = spec.columns = 64;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  spec.adcs = 4;
  spec.t_dac = ns(2);
  spec.t_read = ns(10);
  spec.t_sample = ns(1);
  spec.t_adc = ns(3);
  return spec;
}

const Schedule::Hold* hold(const Schedule& s, int on) {
  for (const Schedule::Hold& h : s.holds) {
    if (h.on == on) {
      return &h;
    }
  }
  return nullptr;
}

TEST(CrossbarSteps, SampleAndHoldOverlapsConversionWithTheNextRead) {
  // Front 2 + 10 + 1 = 13; 32 columns / 4 ADCs x 3 = 24 per pass; 5 passes.
  const Schedule s = make_schedule(steps(plain(), kClock, op(64, 32, 5)));
  EXPECT_EQ(s.latency, Cycles(13 + 24 + 4 * 24));
  EXPECT_EQ(s.interval, 5 * Cycles(24));
  EXPECT_EQ(hold(s, kAdc)->first, Cycles(13));
  EXPECT_EQ(hold(s, kArray)->first, Cycles(2));
}

TEST(CrossbarSteps, WithoutSampleAndHoldTheArrayWaits) {
  Spec spec = plain();
  spec.sample_and_hold = false;
  spec.t_sample = ns(0);
  const Schedule s = make_schedule(steps(spec, kClock, op(64, 32, 5)));
  // The DAC drives the rows for 2 + 10 + 24 cycles.
  EXPECT_EQ(s.latency, Cycles(12 + 24 + 4 * 36));
  EXPECT_EQ(s.interval, 5 * Cycles(36));
  EXPECT_EQ(hold(s, kSampleHold), nullptr);
  EXPECT_EQ(s.did[kSampled], 0);
}

TEST(CrossbarSteps, ShiftAddModes) {
  Spec spec = plain();
  spec.t_shift_add = ns(2);
  const auto latency = [&](ShiftAddMode mode) {
    spec.shift_add = mode;
    return make_schedule(steps(spec, kClock, op(64, 32, 5))).latency.value;
  };
  EXPECT_EQ(latency(ShiftAddMode::streamed), 13 + 24 + 2 + 4 * 24);  // only the last one shows
  EXPECT_EQ(latency(ShiftAddMode::blocking), 13 + 26 + 4 * 26);      // every pass shows one
  EXPECT_EQ(latency(ShiftAddMode::staged), 13 + 24 + 16 + 4 * 24);   // a stage of 8 x 2
  spec.t_shift_add = ns(5);  // slower than a conversion: it paces
  EXPECT_EQ(latency(ShiftAddMode::streamed), 13 + 3 + 8 * 5 + 4 * 40);
}

TEST(CrossbarSteps, RowGroupsMultiplyThePasses) {
  Spec spec = plain();
  spec.active_rows = 9;  // 64 rows: 8 groups, the last of 1 row
  const Schedule s = make_schedule(steps(spec, kClock, op(64, 32, 5)));
  EXPECT_EQ(s.latency, Cycles(13 + 24 + (5 * 8 - 1) * 24));
  EXPECT_EQ(s.did[kAdcConvert], 5 * 8 * 32);
  // Uneven groups do not change what is read: every row once per input bit.
  EXPECT_EQ(s.did[kDacConvert], 5 * 64);
  EXPECT_EQ(s.did[kCellRead], 5 * 64 * 32);
}

TEST(CrossbarSteps, MultiBitSlicesAndSignedInputs) {
  Spec spec = plain();
  spec.dac_bits = 3;
  const auto passes = [&](int bits, bool is_signed) {
    Op o = op(1, 1, bits);
    o.in_signed = is_signed;
    return make_schedule(steps(spec, kClock, o)).did[kDacConvert];
  };
  EXPECT_EQ(passes(8, false), 3);
  EXPECT_EQ(passes(9, false), 3);
  EXPECT_EQ(passes(7, true), 3);  // 6 bits in 2 slices, and the sign
  EXPECT_EQ(passes(8, true), 4);
  spec.dac_bits = 1;
  EXPECT_EQ(passes(8, true), 8);
}

TEST(CrossbarSteps, UnitColumn) {
  Spec spec = plain();
  spec.weight_mapping = WeightMapping::biased_unit_column;
  spec.unit_converter = UnitConverter::own;
  Schedule s = make_schedule(steps(spec, kClock, op(64, 32, 1)));
  EXPECT_EQ(s.latency, Cycles(13 + 24));
  EXPECT_EQ(s.did[kAdcConvert], 33);
  spec.unit_converter = UnitConverter::shared;
  s = make_schedule(steps(spec, kClock, op(64, 32, 1)));
  EXPECT_EQ(s.latency, Cycles(13 + 27));  // 33 columns, 4 ADCs: 9 rounds
}

TEST(CrossbarSteps, AnalogSubtractionConvertsPairs) {
  Spec spec = plain();
  spec.weight_mapping = WeightMapping::differential_columns;
  spec.subtraction = Subtraction::digital;
  EXPECT_EQ(make_schedule(steps(spec, kClock, op(64, 32, 1))).did[kAdcConvert], 32);
  spec.subtraction = Subtraction::analog;
  const Schedule s = make_schedule(steps(spec, kClock, op(64, 32, 1)));
  EXPECT_EQ(s.did[kAdcConvert], 16);
  EXPECT_EQ(s.did[kCellRead], 64 * 32);
  EXPECT_EQ(s.latency, Cycles(13 + 12));
}

TEST(CrossbarSteps, WritingByArrayAndByRow) {
  Spec spec = plain();
  spec.t_write = ns(50);
  spec.write_pulses = 3;
  Op o = op(20, 32, 8);
  o.code = OpCode::write;
  Schedule s = make_schedule(steps(spec, kClock, o));
  EXPECT_EQ(s.latency, Cycles(50));
  EXPECT_EQ(s.did[kCellWrite], 20 * 32 * 3);
  spec.write_granularity = WriteGranularity::row;
  s = make_schedule(steps(spec, kClock, o));
  EXPECT_EQ(s.latency, 20 * Cycles(50));
  EXPECT_EQ(s.did[kCellWrite], 20 * 32 * 3);
  ASSERT_NE(hold(s, kArray), nullptr);  // no read while writing
}

TEST(CrossbarSteps, OutputOncePerFiring) {
  Spec spec = plain();
  spec.t_output = ns(7);
  const Schedule s = make_schedule(steps(spec, kClock, op(64, 32, 5)));
  EXPECT_EQ(s.latency, Cycles(13 + 5 * 24 + 7));
  EXPECT_EQ(hold(s, kOutput)->end - hold(s, kOutput)->first, Cycles(7));
  EXPECT_EQ(s.did[kOutputWrite], 1);
}

Spec integrating() {
  Spec spec = plain();
  spec.conversion = Conversion::integrate_fire;
  spec.adcs = 64;
  spec.sample_and_hold = false;
  spec.t_sample = ns(0);
  spec.t_adc = ns(0);
  spec.t_shift_add = ns(4);
  spec.t_output = ns(3);
  return spec;
}

TEST(CrossbarSteps, IntegratorsCountWhileTheArrayIsRead) {
  const Schedule s = make_schedule(steps(integrating(), kClock, op(64, 32, 5)));
  // Five spikes of 2 + 10, then the counters once.
  EXPECT_EQ(s.latency, Cycles(5 * 12 + 4 + 3));
  EXPECT_EQ(s.interval, 5 * Cycles(12));
  EXPECT_EQ(hold(s, kAdc)->first, hold(s, kArray)->first);
  EXPECT_EQ(hold(s, kAdc)->end, hold(s, kArray)->end);
  EXPECT_EQ(s.did[kAdcConvert], 5 * 32);
  EXPECT_EQ(s.did[kShiftedAdded], 32);
  EXPECT_EQ(s.did[kSampled], 0);
}

TEST(CrossbarSteps, SignBitsAreIntegratedApart) {
  Op o = op(64, 32, 5);
  o.in_signed = true;
  const Schedule s = make_schedule(steps(integrating(), kClock, o));
  EXPECT_EQ(s.latency, Cycles(5 * 12 + 2 * 4 + 3));
  EXPECT_EQ(s.did[kShiftedAdded], 2 * 32);
}

}  // namespace
}  // namespace tessera::arch::crossbar
