// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A whole chip as YAML: clock, tiles, fabric, chip I/O, off-chip memory.
///
///   tiles: 16                       # all alike
///   tile: {pes: 8, pe: {kind: crossbar}}
///   tile_groups:                    # or of several sorts, numbered in this order
///     crossbar: {tiles: 12, tile: {pes: 8, pe: {kind: crossbar}}}
///     lut: {tiles: 4, tile: {pes: 100, pe: {kind: lut}}}
#pragma once

#include "arch/fabric/spec.hpp"
#include "arch/tile/spec.hpp"
#include "sim/base/config.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace tessera::arch::chip {

struct IoSpec {
  std::int64_t ports = 1;
  std::int64_t width = 64;
  Joules energy_per_bit{0};
  SquareMeters area{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<IoSpec>(
        config::field("ports", &IoSpec::ports)
            .range(1, 1024)
            .doc(
                "chip I/O ports; input positions take turns over them, results leave by the first"),
        config::field("width", &IoSpec::width)
            .range(0, 1 << 20)
            .doc("bits per cycle and port; 0 is unlimited"),
        config::field("energy_per_bit", &IoSpec::energy_per_bit)
            .range(0, 1e-6)
            .doc("energy of one bit on or off the chip"),
        config::field("area", &IoSpec::area).range(0, 1).doc("area of all ports"),
        config::field("leakage", &IoSpec::leakage).range(0, 1e3).doc("static power of all ports"),
        config::field("source", &IoSpec::source).doc("where the numbers come from"));
  }
};

struct MemorySpec {
  bool present = false;
  std::int64_t width = 64;
  Seconds latency{0};
  Joules energy_per_bit{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<MemorySpec>(
        config::field("present", &MemorySpec::present)
            .doc("whether there is an off-chip memory port; tensors that do not fit a tile's "
                 "buffer go there"),
        config::field("width", &MemorySpec::width)
            .range(0, 1 << 20)
            .doc("bits per cycle, reads and writes together; 0 is unlimited"),
        config::field("latency", &MemorySpec::latency)
            .range(0, 1)
            .doc("time from a request to its first bit"),
        config::field("energy_per_bit", &MemorySpec::energy_per_bit)
            .range(0, 1e-6)
            .doc("energy of one bit read or written"),
        config::field("leakage", &MemorySpec::leakage)
            .range(0, 1e3)
            .doc("static power of the memory port"),
        config::field("source", &MemorySpec::source).doc("where the numbers come from"));
  }
};

inline constexpr std::int64_t kMaxTiles = 1 << 20;  ///< of a chip

/// What is written of one sort of tile, by its name.
struct TileGroupSpec {
  std::int64_t tiles = 1;
  config::Node tile;

  static constexpr auto fields() {
    return config::list<TileGroupSpec>(
        config::field("tiles", &TileGroupSpec::tiles)
            .range(1, kMaxTiles)
            .required()
            .doc("number of tiles of this sort"),
        config::field("tile", &TileGroupSpec::tile).required().doc("what they are made of"));
  }
};

struct ChipSpec {
  std::string name;
  std::string doc;
  std::string source;
  Hertz clock{1e9};
  std::optional<std::int64_t> tiles;
  config::Node tile;
  config::Node tile_groups;
  fabric::FabricSpec fabric;
  IoSpec io;
  MemorySpec memory;

  static constexpr auto fields() {
    return config::list<ChipSpec>(
        config::field("name", &ChipSpec::name).required().doc("name in reports"),
        config::field("doc", &ChipSpec::doc).doc("one sentence: what this chip is"),
        config::field("source", &ChipSpec::source).doc("the paper"),
        config::field("clock", &ChipSpec::clock)
            .range(1e3, 1e12)
            .required()
            .doc("the digital clock; all cycles are of this clock"),
        config::field("tiles", &ChipSpec::tiles).range(1, kMaxTiles).doc("number of tiles"),
        config::field("tile", &ChipSpec::tile).doc("what a tile is made of"),
        config::field("tile_groups", &ChipSpec::tile_groups)
            .doc("instead of tiles and tile: tiles of several sorts, by a name each; tile numbers "
                 "run through them in order"),
        config::field("fabric", &ChipSpec::fabric)
            .doc("the interconnect between tiles, I/O and memory"),
        config::field("io", &ChipSpec::io).doc("chip I/O"),
        config::field("memory", &ChipSpec::memory).doc("off-chip memory"));
  }
};

}  // namespace tessera::arch::chip
