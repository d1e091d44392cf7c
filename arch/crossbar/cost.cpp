// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form of one firing; see cost.hpp. Shares no arithmetic with the steps: the contract
/// suite compares the two.
#include "arch/crossbar/cost.hpp"

#include <algorithm>

namespace tessera::arch::crossbar {
namespace {

std::int64_t ceiling(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Physical columns with the unit column of ISAAC's encoding (section V): 129 of 128.
std::int64_t all_columns(const Spec& spec, const Op& op) {
  return spec.weight_mapping == WeightMapping::biased_unit_column ? op.cell_cols + 1 : op.cell_cols;
}

std::int64_t all_rows(const Spec& spec, const Op& op) {
  return spec.weight_mapping == WeightMapping::differential_rows ? 2 * op.rows : op.rows;
}

Cost write_cost(const Spec& spec, const Clock& clock, const Op& op) {
  Cost cost;
  cost.latency = clock.ceil_cycles(spec.t_write);
  if (spec.write_granularity == WriteGranularity::row) {
    cost.latency = cost.latency * all_rows(spec, op);
  }
  cost.interval = cost.latency;
  cost.did[kCellWrite] = all_rows(spec, op) * all_columns(spec, op) * spec.write_pulses;
  return cost;
}

/// PipeLayer: n spikes of every input one after the other, counted while they last; then the
/// counters are added once, and once more for sign bits.
Cost integrating_cost(
    const Spec& spec, const Clock& clock, const Op& op, std::int64_t slices, std::int64_t n) {
  const std::int64_t magnitude = op.in_signed ? op.in_bits - 1 : op.in_bits;
  const auto cycles = [&](double seconds) { return clock.ceil_cycles(Seconds(seconds)).value; };
  const std::int64_t counts = magnitude > 0 && op.in_signed ? 2 : 1;
  const std::int64_t spike = cycles(spec.t_dac.value) + cycles(spec.t_read.value);
  const std::int64_t add = cycles(static_cast<double>(counts) * spec.t_shift_add.value);
  const std::int64_t output = cycles(spec.t_output.value);
  Cost cost;
  cost.latency = Cycles(n * spike + add + output);
  cost.interval = Cycles(std::max({n * spike, add, output}));
  cost.did[kInputRead] = slices * op.rows;
  cost.did[kDacConvert] = slices * all_rows(spec, op);
  cost.did[kCellRead] = slices * all_rows(spec, op) * all_columns(spec, op);
  cost.did[kAdcConvert] = n * all_columns(spec, op);
  cost.did[kShiftedAdded] = counts * all_columns(spec, op);
  cost.did[kOutputWrite] = op.cols;
  return cost;
}

}  // namespace

Cost fire_cost(const Spec& spec, const Clock& clock, const Op& op) {
  if (op.code == OpCode::write) {
    return write_cost(spec, clock, op);
  }
  // Reads: one per input slice and row group. A sign bit is a slice of its own.
  const std::int64_t magnitude = op.in_signed ? op.in_bits - 1 : op.in_bits;
  const std::int64_t slices = ceiling(magnitude, spec.dac_bits) + (op.in_signed ? 1 : 0);
  const std::int64_t groups =
      spec.active_rows == 0 ? 1 : ceiling(all_rows(spec, op), spec.active_rows);
  const std::int64_t n = slices * groups;

  // Conversions per read, and the longest queue at one ADC.
  std::int64_t conversions = all_columns(spec, op);
  std::int64_t queued = conversions;
  if (spec.weight_mapping == WeightMapping::differential_columns &&
      spec.subtraction == Subtraction::analog) {
    conversions /= 2;
    queued = conversions;
  }
  if (spec.weight_mapping == WeightMapping::biased_unit_column &&
      spec.unit_converter == UnitConverter::own) {
    queued = op.cell_cols;
  }
  if (spec.conversion == Conversion::integrate_fire) {
    return integrating_cost(spec, clock, op, slices, n);
  }
  const auto m = static_cast<double>(ceiling(queued, spec.adcs));

  const double t_adc =
      spec.adc_rate ? 1.0 / spec.adc_rate->value : spec.t_adc.value_or(Seconds(0)).value;
  const double t_add = spec.t_shift_add.value;
  const bool in_turn = spec.shift_add == ShiftAddMode::staged || t_add == 0;
  const double all_adc = in_turn ? m * t_adc : t_adc + (m - 1) * std::max(t_adc, t_add);
  const double all_add = in_turn ? m * t_add : t_add + (m - 1) * std::max(t_adc, t_add);
  const double lead = in_turn ? all_adc : t_adc;  // the adder starts this long after the converter
  const bool waits = spec.shift_add == ShiftAddMode::blocking && t_add > 0;

  const auto cycles = [&](double seconds) { return clock.ceil_cycles(Seconds(seconds)).value; };
  const std::int64_t sampling = cycles(spec.t_sample.value);
  const std::int64_t to_conversion =
      cycles(spec.t_dac.value) + cycles(spec.t_read.value) + sampling;
  const std::int64_t front =
      spec.sample_and_hold ? to_conversion
                           : cycles(spec.t_dac.value) + cycles(spec.t_read.value) + cycles(all_adc);
  const std::int64_t pace =
      std::max({front, cycles(waits ? lead + all_add : all_adc), cycles(all_add)});
  const std::int64_t output = cycles(spec.t_output.value);

  Cost cost;
  cost.latency = Cycles(to_conversion + cycles(lead) + cycles(all_add) + (n - 1) * pace + output);
  cost.interval = Cycles(std::max(n * pace, output));
  cost.did[kInputRead] = slices * op.rows;
  cost.did[kDacConvert] = slices * all_rows(spec, op);
  cost.did[kCellRead] = slices * all_rows(spec, op) * all_columns(spec, op);
  cost.did[kSampled] = spec.sample_and_hold ? n * conversions : 0;
  cost.did[kAdcConvert] = n * conversions;
  cost.did[kShiftedAdded] = n * conversions;
  cost.did[kOutputWrite] = op.cols;
  return cost;
}

}  // namespace tessera::arch::crossbar
