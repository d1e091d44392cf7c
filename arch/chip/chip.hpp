// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A chip ready to be mapped on and simulated: its specification, its clock, and per sort of tile
/// what a tile has and the model of its PEs.
#pragma once

#include "arch/chip/spec.hpp"
#include "sim/api/fabric.hpp"
#include "sim/api/model.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::arch::chip {

/// Tiles of one sort.
struct TileGroup {
  std::string name;  ///< empty when the chip has no other
  std::int64_t tiles = 1;
  tile::TileSpec tile;
  std::unique_ptr<Model> pe;

  [[nodiscard]] std::int64_t pes() const { return tiles * tile.pes; }

  /// The Ops by which PEs of a vector unit do this work; nullopt: lanes do it.
  [[nodiscard]] std::optional<std::vector<Op>> vector_ops(const VectorWork& work) const;
  /// Positions on which a vector unit works at once for a layer that has no matrix.
  [[nodiscard]] int vector_block(LayerId layer) const;
};

struct Chip {
  ChipSpec spec;
  Clock clock;
  /// At least one. Tiles are numbered through the groups in their order.
  std::vector<TileGroup> groups = std::vector<TileGroup>(1);

  [[nodiscard]] std::int64_t tiles() const;
  [[nodiscard]] std::int64_t pes() const;

  [[nodiscard]] bool mixed() const { return groups.size() > 1; }

  /// Whether PEs of any group differ from one another (Model::has_variation).
  [[nodiscard]] bool has_variation() const;

  /// Number of the group that tile `tile` belongs to. Precondition: the chip has the tile.
  [[nodiscard]] std::size_t group_of(std::int64_t tile) const;

  [[nodiscard]] const TileGroup& group_at(std::int64_t tile) const {
    return groups[group_of(tile)];
  }

  /// Number of the group with this name; groups.size() when there is none.
  [[nodiscard]] std::size_t find_group(std::string_view name) const;
  /// Of the group called `name`. An InternalError when there is none.
  [[nodiscard]] std::size_t group_named(std::string_view name) const;
  /// The lowest tile of a group.
  [[nodiscard]] int first_tile(std::size_t group) const;
  [[nodiscard]] std::vector<std::string> group_names() const;
  /// Where the group's tile is written: "chip.tile", or "chip.tile_groups.<name>.tile".
  [[nodiscard]] std::string tile_path(std::size_t group) const;

  /// Endpoints of the fabric: tiles, then I/O ports, then the memory port if there is one.
  [[nodiscard]] EndpointId io_endpoint() const { return static_cast<EndpointId>(tiles()); }

  [[nodiscard]] EndpointId memory_endpoint() const {
    return spec.memory.present ? static_cast<EndpointId>(tiles() + spec.io.ports) : -1;
  }
};

/// Reads a `chip:` node. Problems are diagnostics; the result is usable only when there are none.
Chip make_chip(const config::Node& node, Diagnostics& diagnostics);

/// The fields of a chip for explain and the schema; `pe` are those below `pe:`.
std::vector<config::FieldInfo> chip_fields(const std::vector<config::FieldInfo>& pe);
/// Those of one sort of tile, as in `tile_groups`.
std::vector<config::FieldInfo> tile_group_fields(const std::vector<config::FieldInfo>& pe);

/// What the chip's interconnect connects: I/O ports sit at the routers of the first column (at the
/// root of a tree), memory at the last router.
fabric::FabricLayout fabric_layout(const Chip& chip);

/// The chip's interconnect, fresh and idle. `recorder`, if any, must outlive it.
std::unique_ptr<Fabric> make_fabric(const Chip& chip, fabric::LinkRecorder* recorder = nullptr);

}  // namespace tessera::arch::chip
