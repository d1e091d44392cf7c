// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Chips from YAML: what is built, what is complained about, and where I/O and memory sit.
#include "arch/chip/chip.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera::arch::chip {
namespace {

Chip chip_from(const std::string& text, Diagnostics& diagnostics) {
  return make_chip(config::parse(text, "chip.yaml", diagnostics), diagnostics);
}

Chip good_chip(const std::string& more, const std::string& tiles = "16") {
  Diagnostics diagnostics;
  Chip chip = chip_from("name: test\nclock: 500 MHz\ntiles: " + tiles +
                            "\ntile:\n  pes: 3\n  pe: {kind: crossbar, adc_rate: 1 GHz}\n" + more,
                        diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

/// The only diagnostic of a chip whose processing element is `pe`.
Diagnostic complaint_about(const std::string& pe) {
  Diagnostics diagnostics;
  const Chip chip = chip_from(
      "name: test\nclock: 1 GHz\ntiles: 4\ntile:\n  pes: 3\n  pe: " + pe + "\n", diagnostics);
  EXPECT_EQ(chip.groups[0].pe, nullptr);
  EXPECT_EQ(diagnostics.errors().size(), 1U) << diagnostics.render();
  return diagnostics.ok() ? Diagnostic{} : diagnostics.errors().front();
}

TEST(MakeChip, ReadsSpecClockAndModel) {
  const Chip chip = good_chip("io: {ports: 2}\nmemory: {present: true}\n");
  EXPECT_EQ(chip.spec.name, "test");
  EXPECT_EQ(chip.clock.frequency, Hertz(500e6));
  ASSERT_NE(chip.groups[0].pe, nullptr);
  EXPECT_EQ(chip.groups[0].pe->kind(), "crossbar");
  EXPECT_EQ(chip.pes(), 48);
  EXPECT_EQ(chip.io_endpoint(), 16);
  EXPECT_EQ(chip.memory_endpoint(), 18);
  EXPECT_EQ(good_chip("").memory_endpoint(), -1);
}

TEST(MakeChip, UnknownKindIsPlacedAndExplained) {
  const Diagnostic d = complaint_about("{kind: crosbar}");
  EXPECT_EQ(d.code, "E-CHIP-KIND");
  EXPECT_EQ(d.at.line, 6);
  EXPECT_EQ(d.path, "tile.pe.kind");
  EXPECT_NE(d.expected.find("crossbar"), std::string::npos);
  EXPECT_EQ(d.got, "'crosbar'");
  EXPECT_EQ(d.hint, "did you mean 'crossbar'?");
  EXPECT_EQ(complaint_about("{kind: zzz}").hint, "");
}

TEST(MakeChip, VectorUnitsHavePesOfKindsWithPrograms) {
  const auto complaint = [](const std::string& kind) {
    Diagnostics diagnostics;
    const Chip chip = chip_from(
        "name: test\nclock: 1 GHz\ntiles: 4\ntile:\n  pes: 3\n  vector_unit:\n    pes: 2\n  pe: "
        "{kind: " +
            kind + "}\n",
        diagnostics);
    return diagnostics.ok() ? Diagnostic{} : diagnostics.errors().front();
  };
  const Diagnostic d = complaint("crossbar, adc_rate: 1 GHz");
  EXPECT_EQ(d.code, "E-CHIP-VECTOR-PES");
  EXPECT_EQ(d.path, "tile.vector_unit.pes");
  EXPECT_EQ(d.at.line, 7);
  EXPECT_EQ(d.expected, "0");
  EXPECT_EQ(d.got, "'2'");
  EXPECT_EQ(complaint("lut").code, "E-CHIP-VECTOR-PES");
  EXPECT_EQ(complaint("rtm_ap").code, "");
}

TEST(MakeChip, MissingKindIsExplained) {
  const Diagnostic d = complaint_about("{rows: 4}");
  EXPECT_EQ(d.code, "E-CHIP-KIND");
  EXPECT_EQ(d.got, "nothing");
  EXPECT_EQ(d.at.line, 6);
  EXPECT_EQ(complaint_about("crossbar").code, "E-CHIP-KIND");
  EXPECT_EQ(complaint_about("{kind: [crossbar]}").got, "a list or map");
}

TEST(MakeChip, TilesThatDoNotFitTheFabricAndAWrongKindAreBothReported) {
  Diagnostics diagnostics;
  chip_from(
      "name: test\nclock: 1 GHz\ntiles: 5\ntile:\n  pes: 3\n  pe: {kind: no}\n"
      "fabric:\n  width: 2\n  height: 2\n",
      diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 2U) << diagnostics.render();
  EXPECT_EQ(diagnostics.errors()[0].code, "E-FABRIC-SPEC");
  EXPECT_EQ(diagnostics.errors()[0].path.rfind("fabric.", 0), 0U);
  EXPECT_GE(diagnostics.errors()[0].at.line, 7);
  EXPECT_EQ(diagnostics.errors()[1].code, "E-CHIP-KIND");
}

/// Three tiles of crossbars, two of look-up blocks.
constexpr const char* kGroups =
    "name: test\nclock: 1 GHz\ntile_groups:\n"
    "  crossbar: {tiles: 3, tile: {pes: 4, pe: {kind: crossbar, adc_rate: 1 GHz}}}\n"
    "  lut: {tiles: 2, tile: {pes: 10, pe: {kind: lut}, bus: {width: 96}}}\n";

TEST(MakeChip, GroupsOfTilesInTheirOrder) {
  Diagnostics diagnostics;
  const Chip chip = chip_from(kGroups, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  ASSERT_EQ(chip.groups.size(), 2U);
  EXPECT_TRUE(chip.mixed());
  EXPECT_EQ(chip.group_names(), (std::vector<std::string>{"crossbar", "lut"}));
  EXPECT_EQ(chip.groups[0].pe->kind(), "crossbar");
  EXPECT_EQ(chip.groups[1].pe->kind(), "lut");
  EXPECT_EQ(chip.groups[1].tile.bus.width, 96);
  EXPECT_EQ(chip.tiles(), 5);
  EXPECT_EQ(chip.pes(), 3 * 4 + 2 * 10);
  EXPECT_EQ(chip.io_endpoint(), 5);
  for (const int tile : {0, 1, 2, 3, 4}) {
    EXPECT_EQ(chip.group_of(tile), tile < 3 ? 0U : 1U) << tile;
  }
  EXPECT_EQ(chip.group_at(3).name, "lut");
  EXPECT_EQ(chip.first_tile(0), 0);
  EXPECT_EQ(chip.first_tile(1), 3);
  EXPECT_EQ(chip.find_group("lut"), 1U);
  EXPECT_EQ(chip.find_group("no"), 2U);
  EXPECT_EQ(chip.tile_path(1), "chip.tile_groups.lut.tile");
  EXPECT_FALSE(chip.has_variation());
  const Chip alike = good_chip("");
  EXPECT_FALSE(alike.mixed());
  EXPECT_EQ(alike.find_group(""), 0U);
  EXPECT_EQ(alike.tile_path(0), "chip.tile");
}

TEST(MakeChip, ReadsOneFormOfTilesOnly) {
  const auto codes = [](const std::string& text) {
    Diagnostics diagnostics;
    chip_from(text, diagnostics);
    std::vector<std::string> out;
    for (const Diagnostic& d : diagnostics.errors()) {
      out.push_back(d.code + " " + d.path);
    }
    return out;
  };
  using Codes = std::vector<std::string>;
  const std::string head = "name: test\nclock: 1 GHz\n";
  EXPECT_EQ(codes(kGroups + std::string("tiles: 5\n")), Codes{"E-CHIP-TILES tiles"});
  EXPECT_EQ(codes(kGroups + std::string("tile: {}\n")), Codes{"E-CHIP-TILES tile"});
  EXPECT_EQ(codes(head), (Codes{"E-CFG-MISSING-KEY tiles", "E-CFG-MISSING-KEY tile"}));
  EXPECT_EQ(codes(head + "tile_groups: {}\n"), Codes{"E-CHIP-TILES tile_groups"});
  EXPECT_EQ(codes(head + "tile_groups: [1]\n"), Codes{"E-CFG-TYPE tile_groups"});
  EXPECT_EQ(codes(head + "tile_groups: null\n"), Codes{"E-CFG-TYPE tile_groups"});
  EXPECT_EQ(codes(head + "tile_groups: {a: {tiles: 1}}\n"),
            Codes{"E-CFG-MISSING-KEY tile_groups.a.tile"});
  // The errors of every group.
  EXPECT_EQ(codes(head + "tile_groups:\n  a: {tiles: 1, tile: {pes: 1, pe: {kind: no}}}\n"
                         "  b: {tiles: 0, tile: {pes: 1, pe: {kind: lut, row: 1}}}\n"),
            (Codes{"E-CFG-RANGE tile_groups.b.tiles",
                   "E-CHIP-KIND tile_groups.a.tile.pe.kind",
                   "E-CFG-UNKNOWN-KEY tile_groups.b.tile.pe.row"}));
}

TEST(MakeFabric, PortsSpreadOverTheFirstColumnMemoryAtTheLastRouter) {
  const Chip chip = good_chip("io: {ports: 2}\nmemory: {present: true}\n");
  const std::unique_ptr<Fabric> fabric = make_fabric(chip);
  // 4 x 4 mesh: the ports are at rows 1 and 3, that is with tiles 4 and 12.
  EXPECT_EQ(fabric->hops(16, 4), 0);
  EXPECT_EQ(fabric->hops(17, 12), 0);
  EXPECT_EQ(fabric->hops(18, 15), 0);
  EXPECT_TRUE(fabric->idle());
}

TEST(MakeFabric, AsManyPortsAsRowsOrMore) {
  const Chip chip = good_chip("io: {ports: 8}\n");
  const std::unique_ptr<Fabric> fabric = make_fabric(chip);
  for (int port = 0; port < 8; ++port) {
    EXPECT_EQ(fabric->hops(16 + port, port / 2 * 4), 0) << port;
  }
}

TEST(MakeFabric, EveryTopology) {
  for (const char* topology : {"mesh", "torus", "cmesh", "tree", "bus", "ideal"}) {
    const Chip chip = good_chip("io: {ports: 3}\nmemory: {present: true}\nfabric: {topology: " +
                                    std::string(topology) + "}\n",
                                "11");
    const std::unique_ptr<Fabric> fabric = make_fabric(chip);
    for (EndpointId endpoint = 0; endpoint < 11; ++endpoint) {
      EXPECT_GE(fabric->hops(chip.io_endpoint(), endpoint), 0) << topology;
      EXPECT_GE(fabric->hops(chip.memory_endpoint(), endpoint), 0) << topology;
    }
  }
}

TEST(MakeFabric, ATreeHasItsOutsideAtTheRoot) {
  const Chip chip = good_chip("fabric: {topology: tree, arity: 4}\nmemory: {present: true}\n");
  const std::unique_ptr<Fabric> fabric = make_fabric(chip);
  // 16 leaves, 4 above them, one root: every tile is two hops away.
  for (EndpointId tile = 0; tile < 16; ++tile) {
    EXPECT_EQ(fabric->hops(tile, chip.io_endpoint()), 2);
  }
  EXPECT_EQ(fabric->hops(chip.io_endpoint(), chip.memory_endpoint()), 0);
}

}  // namespace
}  // namespace tessera::arch::chip
