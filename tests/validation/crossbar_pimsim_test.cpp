// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// V4, enforced: one matrix-vector product as pimsim-nn times it, all six rows exact.
///
/// Source   observed instruction times of pimsim-nn, 128 x 128 array of 8-bit cells, 8-bit inputs,
/// 1-bit DACs; 26 ns of each
///          are that simulator's fetch, operand read and write-back and no part of the array
#include "arch/crossbar/crossbar.hpp"
#include "sim/api/schedule.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace tessera::arch::crossbar {
namespace {

Spec pimsim(int adcs) {
  Spec spec;
  spec.rows = spec.columns = 128;
  spec.cell_bits = 8;
  spec.weight_mapping =
      WeightMapping::twos_complement_planes;  // an unsigned plane would do; only shape counts here
  spec.adcs = adcs;
  spec.t_dac = Seconds(1e-9);
  spec.t_read = Seconds(30e-9);
  spec.t_sample = Seconds(1e-9);
  spec.t_adc = Seconds(10e-9);
  spec.t_shift_add = Seconds(2e-9);  // shift-and-add 1, output buffer 1
  spec.shift_add = ShiftAddMode::blocking;
  return spec;
}

TEST(PimsimNn, MicroCases) {
  constexpr std::int64_t kInstruction = 26;
  constexpr std::array<std::pair<int, std::int64_t>, 6> kObserved = {
      {{1, 10314}, {2, 5194}, {4, 2634}, {8, 1354}, {16, 714}, {128, 294}}};
  Op op;
  op.rows = op.cols = op.cell_cols = 128;
  op.in_bits = 8;
  for (const auto& [adcs, observed] : kObserved) {
    const auto model = make_model(pimsim(adcs), Clock{Hertz(1e9)});
    EXPECT_EQ(make_schedule(model->steps(op)).latency.value, observed - kInstruction)
        << adcs << " ADCs";
    EXPECT_EQ(model->fire_cost(op).latency.value, observed - kInstruction) << adcs << " ADCs";
  }
}

/// Which field makes it so: with the shift-and-add of a pass under the next pass, only one of the
/// eight shows.
TEST(PimsimNn, ShiftAddIsNotUnderTheNextRead) {
  Op op;
  op.rows = op.cols = op.cell_cols = 128;
  op.in_bits = 8;
  Spec spec = pimsim(1);
  const std::int64_t blocking = make_model(spec, Clock{Hertz(1e9)})->fire_cost(op).latency.value;
  spec.shift_add = ShiftAddMode::streamed;
  EXPECT_EQ(make_model(spec, Clock{Hertz(1e9)})->fire_cost(op).latency.value,
            blocking - std::int64_t{7} * 2);
}

}  // namespace
}  // namespace tessera::arch::crossbar
