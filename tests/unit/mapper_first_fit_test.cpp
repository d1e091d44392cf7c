// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does first fit place where its comment says, and say what is missing when it cannot?
#include "mapper/first_fit.hpp"
#include "tests/support/cases.hpp"
#include "workloads/builder.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tessera::mapper {
namespace {

/// Arrays of 16 x 16 one-bit cells, one slice each: a matrix takes ceil(rows / 16) * ceil(cols /
/// 16) * w_bits.
arch::chip::Chip make_chip(int tiles, int pes) {
  Diagnostics diagnostics;
  const std::string text = test::free_chip(
      "{kind: crossbar, rows: 16, columns: 16, cell_bits: 1, slice_placement: separate_arrays, "
      "weight_mapping: twos_complement_planes, adc_bits: 0, t_adc: 0 ns}",
      tiles,
      pes);
  arch::chip::Chip chip =
      arch::chip::make_chip(config::parse(text, "chip", diagnostics), diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

/// Three token-wise layers of one array per weight bit, and a pool and an activation between them.
Network make_network() {
  Builder b("three", {4, 4, 16});
  b.linear("a", b.last(), 16);
  b.max_pool("pool", b.last(), {});
  b.linear("b", b.last(), 16);
  b.activation("act", b.last(), Activation::relu);
  b.linear("c", b.last(), 16);
  return b.build();
}

Mapping place(const arch::chip::Chip& chip,
              const std::vector<LayerRequest>& layers,
              Diagnostics& diagnostics,
              Granularity granularity = Granularity::pixel) {
  MappingRequest request;
  request.layers = layers;
  return first_fit(make_network(), chip, request, granularity, diagnostics);
}

std::string text(const std::vector<PlacedRun>& runs) {
  std::string all;
  for (const PlacedRun& run : runs) {
    all += std::to_string(run.tile) + ":" + std::to_string(run.first_pe) + "+" +
           std::to_string(run.pes) + " ";
  }
  return all;
}

TEST(FirstFit, FillsTilesInOrder) {
  const arch::chip::Chip chip = make_chip(3, 8);
  Diagnostics diagnostics;
  const Mapping mapping = place(chip, {{3, 8, 2}, {2, 8, 1}, {8, 8, 1}}, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  ASSERT_EQ(mapping.layers.size(), 3U);
  EXPECT_EQ(text(mapping.layers[0].placement.at(0)), "0:0+3 ");
  EXPECT_EQ(text(mapping.layers[0].placement.at(1)), "0:3+3 ");
  EXPECT_EQ(text(mapping.layers[1].placement.at(0)), "0:6+2 ");
  EXPECT_EQ(text(mapping.layers[2].placement.at(0)), "1:0+8 ");
}

TEST(FirstFit, StartsAfreshToSpanFewerTilesWhenThereIsRoom) {
  const arch::chip::Chip roomy = make_chip(3, 8);
  Diagnostics diagnostics;
  const std::vector<LayerRequest> layers{{3, 8, 1}, {8, 8, 1}, {8, 8, 1}};  // 19 of 24 PEs
  const Mapping afresh = place(roomy, layers, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(text(afresh.layers[1].placement.at(0)), "1:0+8 ");
  EXPECT_EQ(text(afresh.layers[2].placement.at(0)), "2:0+8 ");
}

TEST(FirstFit, PacksDenselyWhenTheChipWouldOverflow) {
  const arch::chip::Chip tight = make_chip(3, 7);  // 21 PEs for 19
  Diagnostics diagnostics;
  const Mapping dense = place(tight, {{3, 8, 1}, {8, 8, 1}, {8, 8, 1}}, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(text(dense.layers[0].placement.at(0)), "0:0+3 ");
  EXPECT_EQ(text(dense.layers[1].placement.at(0)), "0:3+4 1:0+4 ");
  EXPECT_EQ(text(dense.layers[2].placement.at(0)), "1:4+3 2:0+5 ");
}

TEST(FirstFit, VectorLayersGoToTheirProducer) {
  const arch::chip::Chip chip = make_chip(3, 8);
  Diagnostics diagnostics;
  const Mapping mapping = place(chip, {{8, 8, 1}, {8, 8, 1}, {8, 8, 1}}, diagnostics);
  ASSERT_EQ(mapping.vector_layers.size(), 2U);
  EXPECT_EQ(mapping.vector_layers[0].name, "pool");
  EXPECT_EQ(mapping.vector_layers[0].tile, 0);
  EXPECT_EQ(mapping.vector_layers[1].name, "act");
  EXPECT_EQ(mapping.vector_layers[1].tile, 1);
}

TEST(FirstFit, SerialPlacesNothingAndTakesNoReplicas) {
  const arch::chip::Chip chip = make_chip(1, 1);
  Diagnostics diagnostics;
  const Mapping mapping =
      place(chip, {{8, 8, 1}, {8, 8, 1}, {8, 8, 1}}, diagnostics, Granularity::serial);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_TRUE(mapping.layers[2].placement.empty());
  EXPECT_EQ(mapping.vector_layers.at(1).tile, 0);
  place(chip, {{8, 8, 1}, {8, 8, 2}, {8, 8, 1}}, diagnostics, Granularity::serial);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-MAP-SERIAL-REPLICAS");
}

TEST(FirstFit, CapacityNamesTheLayerAndTheSmallestChange) {
  const arch::chip::Chip chip = make_chip(2, 8);
  {
    Diagnostics diagnostics;
    place(chip, {{4, 8, 1}, {4, 8, 3}, {4, 8, 1}}, diagnostics);  // 20 of 16
    ASSERT_EQ(diagnostics.errors().size(), 1U);
    const Diagnostic& d = diagnostics.errors()[0];
    EXPECT_EQ(d.code, "E-MAP-CAPACITY");
    EXPECT_EQ(d.path, "mapping.layers.c");
    EXPECT_NE(d.expected.find("16 PEs"), std::string::npos) << d.expected;
    EXPECT_NE(d.got.find("20 PEs, 4 too many"), std::string::npos) << d.got;
    EXPECT_NE(d.got.find("needs 4, 0 are left"), std::string::npos) << d.got;
    EXPECT_NE(d.hint.find("3 tiles would do, or replicas: 2 for 'b'"), std::string::npos) << d.hint;
  }
  {
    Diagnostics diagnostics;
    place(chip, {{8, 8, 1}, {8, 8, 1}, {8, 8, 1}}, diagnostics);  // 24 of 16
    ASSERT_EQ(diagnostics.errors().size(), 1U);
    const std::string& hint = diagnostics.errors()[0].hint;
    EXPECT_NE(hint.find("3 tiles would do, or w_bits of at most 5"), std::string::npos) << hint;
    EXPECT_THROW(
        {
          try {
            diagnostics.throw_if_any(4);
          } catch (const InputError& e) {
            EXPECT_EQ(e.exit_status(), 4);
            throw;
          }
        },
        InputError);
  }
  {
    Diagnostics diagnostics;
    place(chip, {{4, 8, 2}, {4, 8, 2}, {4, 8, 2}}, diagnostics);  // 24 of 16: 2 layers must give
    ASSERT_EQ(diagnostics.errors().size(), 1U);
    EXPECT_NE(diagnostics.errors()[0].hint.find("one replica each needs 12 PEs"), std::string::npos)
        << diagnostics.errors()[0].hint;
  }
}

TEST(FirstFit, ReportsMatricesThatNoPeCanHold) {
  const arch::chip::Chip chip = make_chip(2, 8);
  Diagnostics diagnostics;
  place(chip, {{8, 8, 1}, {99, 8, 1}, {8, 99, 1}}, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 2U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-MAP-LAYOUT");
  EXPECT_EQ(diagnostics.errors()[1].path, "mapping.layers.c");
}

/// Tiles 0 and 1 have look-up blocks with 16 input codes, 2 and 3 four of make_chip()'s PEs each, 4
/// has twenty.
arch::chip::Chip make_mixed_chip() {
  const std::string pe =
      "{kind: crossbar, columns: 16, cell_bits: 1, slice_placement: separate_arrays, "
      "weight_mapping: twos_complement_planes, adc_bits: 0, t_adc: 0 ns, rows: ";
  Diagnostics diagnostics;
  arch::chip::Chip chip = arch::chip::make_chip(
      config::parse("{name: mixed, clock: 1 GHz, tile_groups: {"
                    "blocks: {tiles: 2, tile: {pes: 100, pe: {kind: lut, encoder_rows: 16}}}, "
                    "few: {tiles: 2, tile: {pes: 4, pe: " +
                        pe + "16}}}, many: {tiles: 1, tile: {pes: 20, pe: " + pe +
                        "16}}}}, fabric: {topology: ideal}}",
                    "chip",
                    diagnostics),
      diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

TEST(FirstFit, FillsEveryGroupByItself) {
  const arch::chip::Chip chip = make_mixed_chip();
  Diagnostics diagnostics;
  const Mapping mapping =
      place(chip, {{3, 8, 2, "few"}, {4, 8, 1, "many"}, {2, 8, 1, "few"}}, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(text(mapping.layers[0].placement.at(0)), "2:0+3 ");
  EXPECT_EQ(text(mapping.layers[0].placement.at(1)), "2:3+1 3:0+2 ");
  EXPECT_EQ(text(mapping.layers[1].placement.at(0)), "4:0+4 ");
  EXPECT_EQ(text(mapping.layers[2].placement.at(0)), "3:2+2 ");
  EXPECT_EQ(mapping.layers[1].group, "many");
  EXPECT_EQ(mapping.vector_layers[0].tile, 2);  // with its producer, on tiles of any group
  EXPECT_EQ(mapping.vector_layers[1].tile, 4);
}

TEST(FirstFit, GoesToTheFirstGroupThatCanHoldTheLayer) {
  const arch::chip::Chip chip = make_mixed_chip();
  Diagnostics diagnostics;
  const Mapping mapping = place(chip, {{4, 4, 1}, {3, 8, 1}, {4, 4, 1}}, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(mapping.layers[0].group, "blocks");
  EXPECT_EQ(mapping.layers[1].group, "few");  // 8-bit inputs have too many codes for a block
  EXPECT_EQ(mapping.layers[2].group, "blocks");
  EXPECT_EQ(mapping.layers[1].placement.at(0).front().tile, 2);
}

TEST(FirstFit, SaysWhichGroupIsFullAndWhichCouldHoldALayer) {
  const arch::chip::Chip chip = make_mixed_chip();
  Diagnostics full;
  place(chip, {{5, 8, 1, "few"}, {5, 8, 1, "many"}, {5, 8, 1, "few"}}, full);
  ASSERT_EQ(full.errors().size(), 1U) << full.render();
  EXPECT_EQ(full.errors()[0].code, "E-MAP-CAPACITY");
  EXPECT_NE(full.errors()[0].sentence.find("group 'few': layer 'c'"), std::string::npos)
      << full.errors()[0].sentence;
  EXPECT_EQ(full.errors()[0].expected, "at most 8 PEs (2 tiles of 4)");

  Diagnostics wrong;
  place(chip, {{4, 8, 1, "blocks"}, {4, 4, 1, "bloks"}, {4, 4, 1}}, wrong);
  ASSERT_EQ(wrong.errors().size(), 2U) << wrong.render();
  EXPECT_EQ(wrong.errors()[0].code, "E-MAP-LAYOUT");
  EXPECT_EQ(wrong.errors()[0].hint, "groups that can hold it: 'few' (crossbar), 'many' (crossbar)");
  EXPECT_EQ(wrong.errors()[1].code, "E-MAP-GROUP");
  EXPECT_EQ(wrong.errors()[1].expected, "one of: blocks, few, many");
}

}  // namespace
}  // namespace tessera::mapper
