// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// PipeLayer (Song et al., HPCA 2017) as configs/chips/pipelayer.yaml describes it.
///
/// Roll-up   122.7 TOPS, 82.63 mm2, 1485 GOPS/s/mm2, 142.9 GOPS/s/W: 0.5 %. Enforced: they check
///           counts, times and sums; number of arrays, area and energy of an integrator are shared
///           out from these very totals
/// Arrays    a 1152 x 256 kernel takes 18 of 128 x 128, times four slices and two signs: exact
/// Energy    known_gap: spikes of 1.08 pJ explain a thirteenth of 142.9 GOPS/s/W
#include "arch/chip/chip.hpp"
#include "arch/chip/prices.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"

#include <gtest/gtest.h>

namespace tessera::arch::crossbar {
namespace {

chip::Chip pipelayer() {
  Diagnostics diagnostics;
  const config::Node root =
      config::load(TESSERA_SOURCE_DIR "/configs/chips/pipelayer.yaml", diagnostics);
  chip::Chip made = chip::make_chip(root.get("chip"), diagnostics);
  diagnostics.throw_if_any();
  return made;
}

/// All arrays of the chip full and firing all the time with 16-bit weights and inputs.
struct Peak {
  double operations = 0;  ///< per second
  double watts = 0;
  double spike_watts = 0;  ///< the part that published energies of spikes explain
  double area = 0;         ///< m2
};

Peak peak() {
  const chip::Chip c = pipelayer();
  MatrixOp matrix;
  matrix.rows = 128;
  matrix.cols = 64;
  matrix.w_bits = matrix.in_bits = 16;
  const Layout cut = c.groups.front().pe->layout(matrix);
  Peak out;
  double seconds = 0;
  double joules = 0;
  double spikes = 0;
  for (const Fragment& fragment : cut.fragments) {  // one per slice, in arrays of their own
    const Cost cost =
        c.groups.front().pe->fire_cost(c.groups.front().pe->op(OpCode::mvm, matrix, fragment));
    seconds = c.clock.seconds(cost.interval).value;
    for (std::size_t a = 0; a < c.groups.front().pe->actions().size(); ++a) {
      joules += c.groups.front().pe->actions()[a].energy.value * static_cast<double>(cost.did[a]);
    }
    spikes += 1.08e-12 * static_cast<double>(cost.did[kDacConvert]);
  }
  EXPECT_EQ(cut.fragments.size(), 4U);
  const double sets = static_cast<double>(c.pes()) / static_cast<double>(cut.fragments.size());
  out.operations = sets * 2 * 128 * 64 / seconds;
  out.watts = sets * joules / seconds;
  out.spike_watts = sets * spikes / seconds;
  for (const report::Component& component : chip::prices(c).components) {
    out.area += component.area.value * static_cast<double>(component.instances);
  }
  return out;
}

TEST(PipeLayer, PeakAndAreaAddUp) {
  const Peak p = peak();
  EXPECT_NEAR(p.operations, 122.7e12, 0.005 * 122.7e12);
  EXPECT_NEAR(p.area, 82.63e-6, 0.001 * 82.63e-6);
  EXPECT_NEAR(p.operations / 1e9 / (p.area * 1e6), 1485, 0.005 * 1485);
  EXPECT_NEAR(p.operations / 1e9 / p.watts, 142.9, 0.005 * 142.9);
}

TEST(PipeLayer, SixteenSpikesPerInput) {
  const chip::Chip c = pipelayer();
  MatrixOp matrix;
  matrix.rows = 128;
  matrix.cols = 64;
  matrix.w_bits = matrix.in_bits = 16;
  const Op op = c.groups.front().pe->op(
      OpCode::mvm, matrix, c.groups.front().pe->layout(matrix).fragments[0]);
  const double seconds = c.clock.seconds(c.groups.front().pe->fire_cost(op).latency).value;
  EXPECT_NEAR(seconds, 16 * 29.31e-9, 1e-3 * 16 * 29.31e-9);
}

TEST(PipeLayer, AKernelOf1152By256TakesEighteenArraysPerSliceAndSign) {
  MatrixOp matrix;
  matrix.rows = 1152;
  matrix.cols = 256;
  matrix.w_bits = matrix.in_bits = 16;
  EXPECT_EQ(pipelayer().groups.front().pe->layout(matrix).fragments.size(), 18U * 4 * 2);
}

TEST(PipeLayer, KnownGapSpikesAloneDoNotExplainTheEfficiency) {
  const Peak p = peak();
  const double spikes_only = p.operations / 1e9 / p.spike_watts;
  EXPECT_GT(spikes_only / 142.9, 2) << "the gap is closed: make this test enforced";
  EXPECT_NEAR(spikes_only / 142.9, 13.0, 0.2);
}

}  // namespace
}  // namespace tessera::arch::crossbar
