// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// V13, PUMA's matrix-vector unit (Ankit et al., ASPLOS 2019): 16,384 MACs in 2304 ns at 43.97 nJ,
/// so 19.08 mW.
///
/// Inputs   constants of puma-simulator (commit a206f75): DAC 1 ns, read 100 ns per input bit,
/// sample-and-hold 1 ns,
///          8-bit ADC 100 ns, shift-and-add 1 ns; power in mW. Eight arrays of 2-bit cells make
///          16-bit weights, one set of 128 DACs drives all of them, four shift-and-add units as in
///          ISAAC
/// Status   power: enforced, 2 %. Time and with it energy: known_gap, README "Validation" item 1:
/// the constants give one
///          input bit per 102 ns, 2304 ns is 144 ns per input bit; what takes the rest is not in
///          the published constants
#include "arch/crossbar/crossbar.hpp"
#include "sim/base/units.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::arch::crossbar {
namespace {

constexpr Clock kClock{Hertz(1e9)};

Price energy(double watts, double seconds) {
  return {Joules(watts * seconds), "puma-simulator, constants.py"};
}

Spec puma() {
  constexpr double kRead = 100e-9;
  Spec spec;
  spec.adc_bits = 8;
  spec.weight_flip = true;
  spec.t_dac = Seconds(1e-9);
  spec.t_read = Seconds(kRead);
  spec.t_sample = Seconds(1e-9);
  spec.t_adc = Seconds(100e-9 / 128);
  spec.shift_add = ShiftAddMode::staged;
  spec.t_shift_add = Seconds(1e-9 / 128);
  // Dynamic and static power of a circuit over one read, per event of one array.
  spec.prices = Prices{};
  spec.prices.input_read = energy(0, 0);
  spec.prices.output_write = energy(0, 0);
  spec.prices.dac_convert = energy((3.506e-6 + 3.906e-7) / 8, kRead);
  spec.prices.cell_read = energy(0.3e-3 / (128 * 129), kRead);
  spec.prices.sample_hold = energy(8.73e-9 + 9.7e-10, kRead);
  spec.prices.adc_convert = energy((0.225e-3 + 0.025e-3) * 8 / 129, kRead);
  spec.prices.shift_add = energy(4 * (0.045e-3 + 0.005e-3) / 8 / 129, kRead);
  return spec;
}

struct Mvmu {
  double seconds = 0;
  double joules = 0;
};

Mvmu mvmu() {
  const auto model = make_model(puma(), kClock);
  MatrixOp matrix;
  matrix.rows = matrix.cols = 128;
  matrix.w_bits = matrix.in_bits = 16;
  const Layout cut = model->layout(matrix);
  EXPECT_EQ(cut.fragments.size(), 8U);
  Mvmu result;
  for (const Fragment& f : cut.fragments) {
    const Cost cost = model->fire_cost(model->op(OpCode::mvm, matrix, f));
    result.seconds = kClock.seconds(cost.latency).value;  // all eight at once
    for (std::size_t a = 0; a < model->actions().size(); ++a) {
      result.joules += model->actions()[a].energy.value * static_cast<double>(cost.did[a]);
    }
  }
  return result;
}

TEST(Puma, PowerWhileReading) {
  EXPECT_NEAR(mvmu().joules / (16 * 100e-9), 19.08e-3, 0.02 * 19.08e-3);
}

TEST(Puma, KnownGapTime) {
  const double ns = mvmu().seconds * 1e9;
  EXPECT_NEAR(ns, 102 + 15 * 102 + 100 + 1, 0.5);
  EXPECT_GT(std::abs(ns / 2304 - 1), 0.02) << "the gap is closed: make this test enforced";
}

TEST(Puma, KnownGapEnergy) {
  const double nj = mvmu().joules * 1e9;
  EXPECT_GT(std::abs(nj / 43.97 - 1), 0.02) << "the gap is closed: make this test enforced";
  EXPECT_NEAR(nj * 2304 / 1600, 43.97, 0.02 * 43.97);  // the same gap, not a second one
}

}  // namespace
}  // namespace tessera::arch::crossbar
