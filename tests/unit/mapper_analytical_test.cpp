// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the closed form give the numbers one works out by hand?
#include "mapper/analytical.hpp"
#include "mapper/first_fit.hpp"
#include "tests/support/cases.hpp"
#include "workloads/builder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace tessera::mapper {
namespace {

/// A firing takes 8 input bits x 10 cycles = 80 cycles, and the next one can start 80 cycles later.
constexpr const char* kPe =
    "{kind: crossbar, rows: 16, columns: 16, cell_bits: 1, slice_placement: separate_arrays, "
    "weight_mapping: "
    "twos_complement_planes, adc_bits: 0, t_adc: 0 ns, t_read: 10 ns, t_write: 500 ns, "
    "sample_and_hold: false}";

struct Try {
  Network network;
  arch::chip::Chip chip;
  Mapping mapping;
  Analysis analysis;
};

Try attempt(Network network,
            const std::string& chip,
            const LayerRequest& layer,
            Granularity granularity) {
  Try t;
  Diagnostics diagnostics;
  t.network = std::move(network);
  t.chip = arch::chip::make_chip(config::parse(chip, "chip", diagnostics), diagnostics);
  t.mapping =
      first_fit(t.network, t.chip, uniform_request(t.network, layer), granularity, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  t.analysis = analyze(t.network, t.chip, t.mapping, granularity);
  return t;
}

/// 16 x 16 positions of 16 channels through two 3 x 3 convolutions with a stride of 1.
Network two_convolutions() {
  Builder b("two", {16, 16, 1});
  b.conv("a", b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  b.conv("b", b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  return b.build();
}

TEST(Analytical, FourTermsOfOnePosition) {
  Builder b("one", {4, 4, 16});
  b.linear("a", b.last(), 16);
  const std::string chip = fmt::format(
      "{{name: c, clock: 1 GHz, tiles: 1, tile: {{pes: 8, pe: {}, input_registers: 2, "
      "output_slots: 4, "
      "bus: {{width: 32}}, buffer: {{unbounded: true, bank_width: 0, read_latency: 3 ns}}, "
      "vector_unit: {{lanes: 8, latency: 2 ns}}}}, fabric: {{topology: ideal, ideal_latency: 5}}, "
      "io: {{width: 64}}}}",
      kPe);
  const Try t = attempt(b.build(), chip, {8, 8, 1}, Granularity::pixel);
  ASSERT_EQ(t.analysis.layers.size(), 1U);
  const LayerAnalysis& a = t.analysis.layers[0];
  // 16 rows x 8 bits over 32 wires = 4, then 3 until the first bit is there.
  EXPECT_EQ(a.input.value, 4 + 3);
  EXPECT_EQ(a.array.value, 80);
  // 8 PEs x 16 columns of in_bits 8 + log2 16 rows + 1 cell bit = 13 bits.
  EXPECT_EQ(a.output.value, 8 * 16 * 13 / 32);
  // 128 column results, then bias and requantize of 16 channels; 8 lanes; 2 until the result is
  // there.
  EXPECT_EQ(a.vector.value, (128 + 32) / 8 + 2);
  EXPECT_EQ(a.latency_per_position.value, 7 + 80 + 52 + 22);
  // Two input registers: 161 cycles of latency per two firings; and four slots at home.
  EXPECT_EQ(a.interval_per_position.value, 81);
  EXPECT_EQ(a.total.value, 161 + 15 * 81);
  EXPECT_EQ(a.pes, 8);
  EXPECT_EQ(t.analysis.pes, 8);
  // LRMP's readings: all terms one after the other, and the slowest alone.
  EXPECT_EQ(a.total_sum.value, 16 * 161);
  EXPECT_EQ(a.total_max.value, 16 * 80);
  EXPECT_EQ(t.analysis.interval_sum.value, 16 * 161);
  // 1 position of 128 bits on 64 wires = 2; 5 + 1 cycles to the tile and back; 2 cycles out.
  EXPECT_EQ(t.analysis.latency.value, 2 + 6 + (161 + 15 * 81) + 6 + 2);
  EXPECT_EQ(t.analysis.interval.value, 16 * 81);
  EXPECT_EQ(t.analysis.bottleneck, "layer a");
  EXPECT_EQ(t.analysis.lower_bound_interval.value, 16 * 80);
}

TEST(Analytical, PixelGranularityOverlapsLayersByTheReceptiveField) {
  const std::string chip = test::free_chip(kPe, 2, 8);
  const Try pixel = attempt(two_convolutions(), chip, {8, 8, 1}, Granularity::pixel);
  const Try layer = attempt(two_convolutions(), chip, {8, 8, 1}, Granularity::layer);
  const std::int64_t one = std::int64_t{256} * 80;  // a layer alone
  EXPECT_EQ(pixel.analysis.layers[0].total.value, one);
  // The image enters in no time; tile 0 to tile 1, in and out cost 2 cycles each. The second
  // convolution stays one row and one position behind: its first position needs position 17 of the
  // first one; the model knows rows, 16.
  EXPECT_NEAR(static_cast<double>(pixel.analysis.latency.value),
              static_cast<double>(one + std::int64_t{18} * 80),
              80 + 10);
  EXPECT_NEAR(static_cast<double>(layer.analysis.latency.value), static_cast<double>(2 * one), 10);
  EXPECT_EQ(pixel.analysis.interval.value, one);
  EXPECT_LE(pixel.analysis.lower_bound_latency, pixel.analysis.latency);
  EXPECT_GE(pixel.analysis.lower_bound_latency.value, one + std::int64_t{16} * 80);
}

TEST(Analytical, ReplicasDivideTheTime) {
  const std::string chip = test::free_chip(kPe, 8, 8);
  const Try one = attempt(two_convolutions(), chip, {8, 8, 1}, Granularity::layer);
  const Try four = attempt(two_convolutions(), chip, {8, 8, 4}, Granularity::layer);
  EXPECT_EQ(one.analysis.layers[1].total.value, 256 * 80);
  EXPECT_EQ(four.analysis.layers[1].total.value, 64 * 80);
  EXPECT_EQ(four.analysis.interval.value, 64 * 80);
  EXPECT_EQ(four.analysis.pes, 64);
}

TEST(Analytical, ActivationBitsTakeTimeAndWeightBitsTakePes) {
  const std::string chip = test::free_chip(kPe, 2, 8);
  const Try t = attempt(two_convolutions(), chip, {3, 5, 1}, Granularity::layer);
  EXPECT_EQ(t.analysis.layers[0].array.value, 5 * 10);
  EXPECT_EQ(t.analysis.layers[0].pes, 3);
}

TEST(Analytical, SerialIsThePlainSum) {
  // 16 fragments for one PE: all are rewritten.
  const Try t =
      attempt(two_convolutions(), test::free_chip(kPe, 1, 1), {8, 8, 1}, Granularity::serial);
  for (const LayerAnalysis& layer : t.analysis.layers) {
    EXPECT_EQ(layer.total.value, 8 * (500 + 256 * 80));
    EXPECT_EQ(layer.weights.value, 8 * 500);
  }
  EXPECT_EQ(t.analysis.lower_bound_latency.value, 2 * 8 * 256 * 80)
      << "writes are not in the bound";
  // With a PE for each, nothing is written during the run.
  const Try resident =
      attempt(two_convolutions(), test::free_chip(kPe, 1, 16), {8, 8, 1}, Granularity::serial);
  EXPECT_EQ(resident.analysis.layers[0].total.value, 8 * 256 * 80);
}

TEST(Analytical, ReplicaThatSpansTilesCombinesAtHome) {
  Builder b("wide", {4, 4, 32});  // two row blocks, 8 slices: 16 PEs on two tiles
  b.linear("a", b.last(), 16);
  const std::string chip = fmt::format(
      "{{name: c, clock: 1 GHz, tiles: 2, tile: {{pes: 8, pe: {}, input_registers: 8, "
      "output_slots: 8, "
      "bus: {{width: 0}}, buffer: {{unbounded: true, bank_width: 0}}, vector_unit: {{lanes: 8}}}}, "
      "fabric: {{topology: ideal, flit_bits: 64 b, ideal_latency: 5}}, io: {{width: 0}}}}",
      kPe);
  const Try t = attempt(b.build(), chip, {8, 8, 1}, Granularity::pixel);
  const LayerAnalysis& a = t.analysis.layers[0];
  EXPECT_EQ(a.tiles, 2);
  EXPECT_EQ(a.output.value, 5 + 1) << "partial sums travel";
  // Each tile accumulates 8 x 16 results; home adds 16 of the other tile and ends the layer (2 x
  // 16).
  EXPECT_EQ(a.vector.value, 128 / 8 + (16 + 32) / 8);
  EXPECT_EQ(a.latency_per_position.value, 80 + 16 + 6 + 6);
}

TEST(Analytical, AnalyzerRemembersNothingWrong) {
  const Try small =
      attempt(two_convolutions(), test::free_chip(kPe, 4, 8), {8, 8, 2}, Granularity::pixel);
  Analyzer analyzer(small.network, small.chip, Granularity::pixel);
  Diagnostics diagnostics;
  for (const int w_bits : {8, 2, 8, 5}) {
    const Mapping other = first_fit(small.network,
                                    small.chip,
                                    uniform_request(small.network, {w_bits, 8, 1}),
                                    Granularity::pixel,
                                    diagnostics);
    analyzer.analyze(other);
  }
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  const Analysis again = analyzer.analyze(small.mapping);
  EXPECT_EQ(again.latency, small.analysis.latency);
  EXPECT_EQ(again.interval, small.analysis.interval);
  EXPECT_EQ(again.lower_bound_latency, small.analysis.lower_bound_latency);
  EXPECT_EQ(again.lower_bound_interval, small.analysis.lower_bound_interval);
  EXPECT_EQ(again.pes, small.analysis.pes);
}

}  // namespace
}  // namespace tessera::mapper
