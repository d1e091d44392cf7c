// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/ap_hardware.hpp"

#include "arch/chip/chip.hpp"

namespace tessera::tools {
namespace {

/// The struct's keys as far as they are written: a profile is a part of a chip.
template <class T>
T read_part(const config::Node& node, Diagnostics& diagnostics) {
  Diagnostics found;
  T out = config::read<T>(node, found);
  for (const Diagnostic& d : found.errors()) {
    if (d.code != "E-CFG-MISSING-KEY") {
      diagnostics.error(d);
    }
  }
  return out;
}

}  // namespace

ApHardware read_ap_hardware(const config::Node& chip, Diagnostics& diagnostics) {
  if (chip.is_null()) {
    return {Clock{}, {}};
  }
  const config::Node groups = chip.get("tile_groups");
  if (!groups.is_null()) {
    groups.mark_read();
    diagnostics.error(config::diagnose(groups,
                                       "E-RTM-AP-SPEC",
                                       "tiles of several sorts do not say whose array is meant",
                                       "one sort of tile: chip.tile.pe"));
    return {Clock{}, {}};
  }
  const bool whole = chip.has("name") && chip.has("tiles");
  if (whole) {
    arch::chip::make_chip(chip, diagnostics);
  }
  Diagnostics again;  // what make_chip() reported
  Diagnostics& parts = whole ? again : diagnostics;
  const auto read = read_part<arch::chip::ChipSpec>(chip, parts);
  const auto tile = read.tile.is_null() ? arch::tile::TileSpec{}
                                        : read_part<arch::tile::TileSpec>(read.tile, parts);
  const config::Node kind = tile.pe.get("kind");
  const bool reported = whole && (kind.is_null() || kind.scalar() == "rtm_ap");
  return {Clock{read.clock}, arch::rtm_ap::read_spec(tile.pe, reported ? again : diagnostics)};
}

}  // namespace tessera::tools
