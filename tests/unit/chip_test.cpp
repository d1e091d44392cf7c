// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Chips from YAML: what is built, what is complained about, and where I/O and memory sit.
#include "arch/chip/chip.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

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
