// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/ap_hardware.hpp"

namespace tessera::tools {
namespace {

/// What is read of a chip: its clock and its tile.
struct ApChip {
  Hertz clock{1e9};
  config::Node tile;

  static constexpr auto fields() {
    return config::list<ApChip>(
        config::field("clock", &ApChip::clock).range(1e3, 1e12).doc("the digital clock"),
        config::field("tile", &ApChip::tile).doc("what a tile is made of"));
  }
};

}  // namespace

ApHardware read_ap_hardware(const config::Node& chip, Diagnostics& diagnostics) {
  for (const auto& [key, at] : chip.keys()) {
    if (key != "clock" && key != "tile") {
      chip.get(key).mark_read();
    }
  }
  const auto read = config::read<ApChip>(chip, diagnostics);
  for (const auto& [key, at] : read.tile.keys()) {
    if (key != "pe") {
      read.tile.get(key).mark_read();
    }
  }
  return {Clock{read.clock}, arch::rtm_ap::read_spec(read.tile.get("pe"), diagnostics)};
}

}  // namespace tessera::tools
