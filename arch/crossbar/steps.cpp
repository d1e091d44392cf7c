// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The Steps of one firing; see steps.hpp.
#include "arch/crossbar/steps.hpp"

#include "arch/crossbar/coding.hpp"
#include "sim/base/math.hpp"

#include <algorithm>

namespace tessera::arch::crossbar {
namespace {

/// What one read does to the columns.
struct Columns {
  std::int64_t cells = 0;   ///< physical columns, the unit column included
  std::int64_t sensed = 0;  ///< conversions
  std::int64_t rounds = 0;  ///< conversions one after the other at the busiest ADC
};

Columns columns(const Spec& spec, const Op& op) {
  const bool unit = spec.weight_mapping == WeightMapping::biased_unit_column;
  const bool pairs = spec.weight_mapping == WeightMapping::differential_columns &&
                     spec.subtraction == Subtraction::analog;
  Columns c;
  c.cells = op.cell_cols + (unit ? 1 : 0);
  c.sensed = pairs ? c.cells / 2 : c.cells;
  const bool apart = unit && spec.unit_converter == UnitConverter::own;
  c.rounds = ceil_div<std::int64_t>(c.sensed - (apart ? 1 : 0), spec.adcs);
  return c;
}

std::int64_t physical_rows(const Spec& spec, const Op& op) {
  return std::int64_t{op.rows} * rows_per_digit(spec.weight_mapping);
}

Step make_step(int on, Cycles occupancy, Cycles latency, std::int64_t repeat) {
  Step step;
  step.on = on;
  step.occupancy = occupancy;
  step.latency = latency;
  step.repeat = repeat;
  return step;
}

std::vector<Step> write_steps(const Spec& spec, const Clock& clock, const Op& op) {
  const std::int64_t rows = physical_rows(spec, op);
  const bool by_row = spec.write_granularity == WriteGranularity::row;
  const Cycles time = clock.ceil_cycles(spec.t_write);
  Step step = make_step(kArray, time, time, by_row ? rows : 1);
  step.did[kCellWrite] = (by_row ? 1 : rows) * columns(spec, op).cells * spec.write_pulses;
  return {step};
}

/// Conversion and shift-and-add of one pass, in seconds from the first conversion.
struct Back {
  Seconds converting{0};  ///< until the last conversion is done
  Seconds adc_held{0};    ///< until the ADCs take the next pass
  Seconds add_start{0};   ///< first shift-and-add
  Seconds adding{0};      ///< first to last shift-and-add
};

Back back(const Spec& spec, std::int64_t rounds) {
  const double convert =
      spec.adc_rate ? 1.0 / spec.adc_rate->value : spec.t_adc.value_or(Seconds(0)).value;
  const double add = spec.t_shift_add.value;
  const auto times = static_cast<double>(rounds);
  Back b;
  if (spec.shift_add == ShiftAddMode::staged || add <= 0) {
    b.converting = b.adc_held = b.add_start = Seconds(convert * times);
    b.adding = Seconds(add * times);
    return b;
  }
  const double pace = std::max(convert, add);
  b.converting = Seconds(convert + (times - 1) * pace);
  b.add_start = Seconds(convert);
  b.adding = Seconds(add + (times - 1) * pace);
  b.adc_held = spec.shift_add == ShiftAddMode::blocking ? b.add_start + b.adding : b.converting;
  return b;
}

/// Integrations of a firing: one of the inputs' magnitude, one of their sign bits.
std::int64_t counts(const Op& op) {
  return op.in_signed && op.in_bits > 1 ? 2 : 1;
}

}  // namespace

std::vector<Step> steps(const Spec& spec, const Clock& clock, const Op& op) {
  if (op.code == OpCode::write) {
    return write_steps(spec, clock, op);
  }
  const Columns c = columns(spec, op);
  const std::int64_t rows = physical_rows(spec, op);
  const std::int64_t active = spec.active_rows == 0 ? spec.rows : spec.active_rows;
  const std::int64_t slices = num_input_slices(spec, op.in_bits, op.in_signed);
  const std::int64_t passes = slices * ceil_div(rows, active);
  const Back b = back(spec, c.rounds);

  const Cycles dac = clock.ceil_cycles(spec.t_dac);
  const Cycles read = clock.ceil_cycles(spec.t_read);
  // Who keeps the column currents up until they are taken: with sample-and-hold until sampled,
  // without it until converted.
  const Cycles taken = clock.ceil_cycles(spec.sample_and_hold ? spec.t_sample : b.converting);

  Step drive = make_step(kDac, dac + read + taken, dac, passes);
  Step look = make_step(kArray, read + taken, read, passes);
  Step sample = make_step(
      kSampleHold, clock.ceil_cycles(spec.t_sample), clock.ceil_cycles(spec.t_sample), passes);
  Step convert =
      make_step(kAdc, clock.ceil_cycles(b.adc_held), clock.ceil_cycles(b.add_start), passes);
  Step add = make_step(kShiftAdd, clock.ceil_cycles(b.adding), clock.ceil_cycles(b.adding), passes);
  Step out =
      make_step(kOutput, clock.ceil_cycles(spec.t_output), clock.ceil_cycles(spec.t_output), 1);

  if (spec.conversion == Conversion::integrate_fire) {
    // The integrators work while the array is read, and once for the sign bits of the inputs.
    look.latency = Cycles(0);
    convert = make_step(kAdc, read, read, passes);
    const Cycles adding = clock.ceil_cycles(spec.t_shift_add * static_cast<double>(counts(op)));
    add = make_step(kShiftAdd, adding, adding, 1);
  }
  const auto book = [&](Step& step, ActionIndex action, std::int64_t total) {
    step.did[action] = total / passes;
    out.did[action] += total % passes;
  };
  book(drive, kInputRead, slices * op.rows);
  book(drive, kDacConvert, slices * rows);
  book(look, kCellRead, slices * rows * c.cells);
  book(sample, kSampled, spec.sample_and_hold ? passes * c.sensed : 0);
  book(convert, kAdcConvert, passes * c.sensed);
  if (spec.conversion == Conversion::integrate_fire) {
    add.did[kShiftedAdded] = counts(op) * c.sensed;
  } else {
    book(add, kShiftedAdded, passes * c.sensed);
  }
  out.did[kOutputWrite] = op.cols;
  return {drive, look, sample, convert, add, out};
}

}  // namespace tessera::arch::crossbar
