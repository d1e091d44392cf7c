// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a `chip:` node to a chip, and from a chip to its interconnect.
///
/// Errors   E-CHIP-KIND for a kind that is not in the registry, E-CHIP-TILES for tiles given in two
///          ways, or groups that are none, E-CHIP-VECTOR-PES for PEs in a vector unit that cannot
///          do its work; everything else is said by the readers of the fields, of the kind and of
///          the fabric
#include "arch/chip/chip.hpp"

#include "arch/fabric/topology.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::chip {
namespace {

/// Null after reporting when there is no such kind.
const Kind* find_kind(const config::Node& pe, Diagnostics& diagnostics) {
  const std::vector<Kind>& kinds = registry();
  std::vector<std::string> names;
  names.reserve(kinds.size());
  for (const Kind& kind : kinds) {
    names.push_back(kind.name);
  }
  const config::Node key = pe.get("kind");
  const bool is_text = key.type() == config::NodeType::scalar;
  const std::string name = is_text ? key.scalar() : std::string{};
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const Kind& kind) { return kind.name == name; });
  if (found != kinds.end()) {
    return &*found;
  }
  Diagnostic d;
  d.code = "E-CHIP-KIND";
  d.sentence = is_text ? "unknown kind of processing element " + quote(name)
                       : "the processing element does not say its kind";
  d.at = key.at();
  d.path = pe.path() + ".kind";
  d.expected = "one of: " + join_keys(names);
  d.got = is_text ? quote(name) : key.is_null() ? "nothing" : "a list or map";
  const std::string nearest = did_you_mean(name, names);
  if (!nearest.empty()) {
    d.hint = "did you mean " + quote(nearest) + "?";
  }
  diagnostics.error(std::move(d));
  return nullptr;
}

void report_missing(const config::Node& node,
                    std::string_view key,
                    std::string type,
                    std::string range,
                    Diagnostics& diagnostics) {
  config::FieldInfo info;
  info.type = std::move(type);
  info.range = std::move(range);
  for (const config::FieldInfo& field : config::describe<ChipSpec>()) {
    if (field.key == key) {
      info.doc = field.doc;
    }
  }
  config::detail::report_missing(node, key, info, diagnostics);
}

/// The tile of a group, as it is written.
config::Node tile_node(const config::Node& chip, const TileGroup& group) {
  return group.name.empty() ? chip.get("tile")
                            : chip.get("tile_groups").get(group.name).get("tile");
}

void report_vector_pes(const config::Node& tile, const Kind& kind, Diagnostics& diagnostics) {
  Diagnostic d = config::diagnose(tile.get("vector_unit").get("pes"),
                                  "E-CHIP-VECTOR-PES",
                                  quote(kind.name) + " runs no programs in place of a vector unit",
                                  "0");
  std::vector<std::string> able;
  for (const Kind& other : registry()) {
    if (other.random_model(1)->programmed({}) != nullptr) {
      able.push_back(other.name);
    }
  }
  d.hint = fmt::format("use lanes, or processing elements of a kind that has programs ({})",
                       fmt::join(able, ", "));
  d.related = {tile.get("pe").get("kind").at()};
  diagnostics.error(std::move(d));
}

/// Names become parts of paths and of names in reports.
bool is_group_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

void read_tile_groups(const config::Node& node, Chip& chip, Diagnostics& diagnostics) {
  if (!config::detail::expect_map(node, diagnostics)) {
    return;
  }
  std::int64_t total = 0;
  for (const auto& [name, at] : node.keys()) {
    const config::Node value = node.get(name);
    if (!is_group_name(name)) {
      Diagnostic d = config::diagnose(value,
                                      "E-CHIP-TILES",
                                      "the name of a group of tiles cannot be used in paths",
                                      "letters, digits, '_' and '-'");
      d.at = at;
      d.got = quote(name);
      diagnostics.error(std::move(d));
    }
    const auto read = config::read<TileGroupSpec>(value, diagnostics);
    TileGroup& group = chip.groups.emplace_back();
    group.name = name;
    group.tiles = read.tiles;
    total += read.tiles;
    if (!read.tile.is_null()) {
      group.tile = config::read<tile::TileSpec>(read.tile, diagnostics);
    }
  }
  if (chip.groups.empty() || total > kMaxTiles) {
    Diagnostic d = config::diagnose(
        node,
        "E-CHIP-TILES",
        total == 0 ? "the chip has no group of tiles" : "the groups have too many tiles together",
        total == 0 ? "at least one group: {tiles, tile}"
                   : std::to_string(kMaxTiles) + " tiles at most");
    if (total > 0) {
      d.got = std::to_string(total) + " tiles";
    }
    diagnostics.error(std::move(d));
  }
}

/// The tiles in either of the two forms.
void read_tiles(const config::Node& node, Chip& chip, Diagnostics& diagnostics) {
  chip.groups.clear();
  const ChipSpec& spec = chip.spec;
  if (node.has("tile_groups")) {
    if (node.has("tiles") || node.has("tile")) {
      const std::string other = node.has("tiles") ? "tiles" : "tile";
      Diagnostic d = config::diagnose(node.get(other),
                                      "E-CHIP-TILES",
                                      "the tiles of the chip are given in two ways",
                                      "tiles and tile, or tile_groups");
      d.got = quote(other) + " beside 'tile_groups'";
      d.related = {node.get("tile_groups").at()};
      diagnostics.error(std::move(d));
      spec.tile.mark_read();
    }
    if (!spec.tile_groups.is_null()) {  // else reported
      read_tile_groups(spec.tile_groups, chip, diagnostics);
    }
  } else {
    if (!node.has("tiles")) {
      report_missing(
          node, "tiles", "integer", "[1, " + std::to_string(kMaxTiles) + "]", diagnostics);
    }
    if (!node.has("tile")) {
      report_missing(node, "tile", "map", {}, diagnostics);
    }
    TileGroup& group = chip.groups.emplace_back();
    group.tiles = std::max<std::int64_t>(1, spec.tiles.value_or(1));
    if (!spec.tile.is_null()) {
      group.tile = config::read<tile::TileSpec>(spec.tile, diagnostics);
    }
  }
  if (chip.groups.empty()) {
    chip.groups.emplace_back();  // after an error
  }
}

}  // namespace

std::optional<std::vector<Op>> TileGroup::vector_ops(const VectorWork& work) const {
  return tile.vector_unit.pes > 0 ? pe->vector_ops(work) : std::nullopt;
}

int TileGroup::vector_block(LayerId layer) const {
  VectorWork work;
  work.layer = layer;
  return vector_ops(work) ? pe->vector_block() : 1;
}

std::int64_t Chip::tiles() const {
  std::int64_t sum = 0;
  for (const TileGroup& group : groups) {
    sum += group.tiles;
  }
  return sum;
}

std::int64_t Chip::pes() const {
  std::int64_t sum = 0;
  for (const TileGroup& group : groups) {
    sum += group.pes();
  }
  return sum;
}

bool Chip::has_variation() const {
  return std::any_of(groups.begin(), groups.end(), [](const TileGroup& group) {
    return group.pe->has_variation();
  });
}

std::size_t Chip::group_of(std::int64_t tile) const {
  std::size_t group = 0;
  for (; group + 1 < groups.size() && tile >= groups[group].tiles; ++group) {
    tile -= groups[group].tiles;
  }
  return group;
}

std::size_t Chip::find_group(std::string_view name) const {
  const auto found = std::find_if(
      groups.begin(), groups.end(), [&](const TileGroup& group) { return group.name == name; });
  return static_cast<std::size_t>(found - groups.begin());
}

std::size_t Chip::group_named(std::string_view name) const {
  const std::size_t group = find_group(name);
  if (group == groups.size()) {
    throw InternalError("arch.chip", -1, "the chip has no group of tiles " + quote(name));
  }
  return group;
}

int Chip::first_tile(std::size_t group) const {
  std::int64_t first = 0;
  for (std::size_t g = 0; g < group; ++g) {
    first += groups[g].tiles;
  }
  return static_cast<int>(first);
}

std::vector<std::string> Chip::group_names() const {
  std::vector<std::string> names;
  for (const TileGroup& group : groups) {
    names.push_back(group.name);
  }
  return names;
}

std::string Chip::tile_path(std::size_t group) const {
  return groups[group].name.empty() ? "chip.tile"
                                    : "chip.tile_groups." + groups[group].name + ".tile";
}

Chip make_chip(const config::Node& node, Diagnostics& diagnostics) {
  Chip chip;
  chip.spec = config::read<ChipSpec>(node, diagnostics);
  chip.clock = Clock{chip.spec.clock};
  if (node.type() == config::NodeType::map) {
    read_tiles(node, chip, diagnostics);
  }

  const config::Node fabric = node.get("fabric");
  fabric::FabricLayout tiles_only;
  tiles_only.tiles = static_cast<int>(std::min(chip.tiles(), kMaxTiles));
  fabric::check(chip.spec.fabric,
                tiles_only,
                diagnostics,
                fabric.is_null() ? node.at() : fabric.at(),
                node.path().empty() ? "fabric" : node.path() + ".fabric");

  for (TileGroup& group : chip.groups) {
    const config::Node& pe = group.tile.pe;
    if (pe.is_null()) {
      continue;  // reported as missing
    }
    if (const Kind* kind = find_kind(pe, diagnostics)) {
      group.pe = kind->make(pe, chip.clock, diagnostics);
      if (group.tile.vector_unit.pes > 0 && group.pe->vector_block() == 0) {
        report_vector_pes(tile_node(node, group), *kind, diagnostics);
      }
    }
  }
  return chip;
}

std::vector<config::FieldInfo> tile_group_fields(const std::vector<config::FieldInfo>& pe) {
  std::vector<config::FieldInfo> fields = config::describe<TileGroupSpec>();
  for (config::FieldInfo& field : fields) {
    if (field.key == "tile") {
      field.children = config::describe<tile::TileSpec>();
      for (config::FieldInfo& part : field.children) {
        if (part.key == "pe") {
          part.children = pe;
        }
      }
    }
  }
  return fields;
}

std::vector<config::FieldInfo> chip_fields(const std::vector<config::FieldInfo>& pe) {
  std::vector<config::FieldInfo> fields = config::describe<ChipSpec>();
  for (config::FieldInfo& field : fields) {
    if (field.key == "tile") {
      field.children = tile_group_fields(pe).back().children;
    } else if (field.key == "tile_groups") {
      field.type = "map of map";
      field.children = tile_group_fields(pe);
    }
  }
  return fields;
}

fabric::FabricLayout fabric_layout(const Chip& chip) {
  const ChipSpec& spec = chip.spec;
  fabric::FabricLayout layout;
  layout.tiles = static_cast<int>(chip.tiles());
  const fabric::Placement place = fabric::place(spec.fabric, layout);
  const bool tree = spec.fabric.topology == fabric::Topology::tree;
  for (std::int64_t port = 0; port < spec.io.ports; ++port) {
    // Middle of the port's share of the first column; a tree has its outside at the root.
    const std::int64_t row = (2 * port + 1) * place.height / (2 * spec.io.ports);
    layout.extra.push_back(tree ? place.routers - 1 : static_cast<int>(row) * place.width);
  }
  if (spec.memory.present) {
    layout.extra.push_back(place.routers - 1);
  }
  return layout;
}

std::unique_ptr<Fabric> make_fabric(const Chip& chip, fabric::LinkRecorder* recorder) {
  return fabric::make_fabric(chip.spec.fabric, fabric_layout(chip), recorder);
}

}  // namespace tessera::arch::chip
