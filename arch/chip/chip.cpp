// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a `chip:` node to a chip, and from a chip to its interconnect.
///
/// Errors   E-CHIP-KIND for a kind that is not in the registry; everything else is said by the
/// readers
///          of the fields, of the kind and of the fabric
#include "arch/chip/chip.hpp"

#include "arch/fabric/topology.hpp"
#include "sim/base/text.hpp"

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
  d.at = key.is_null() ? pe.at() : key.at();
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

}  // namespace

Chip make_chip(const config::Node& node, Diagnostics& diagnostics) {
  Chip chip;
  chip.spec = config::read<ChipSpec>(node, diagnostics);
  chip.clock = Clock{chip.spec.clock};

  const config::Node fabric = node.get("fabric");
  fabric::FabricLayout tiles_only;
  tiles_only.tiles = static_cast<int>(chip.spec.tiles);
  fabric::check(chip.spec.fabric,
                tiles_only,
                diagnostics,
                fabric.is_null() ? node.at() : fabric.at(),
                node.path().empty() ? "fabric" : node.path() + ".fabric");

  const config::Node& pe = chip.spec.tile.pe;
  if (pe.is_null()) {
    return chip;  // reported as missing
  }
  if (const Kind* kind = find_kind(pe, diagnostics)) {
    chip.pe = kind->make(pe, chip.clock, diagnostics);
  }
  return chip;
}

fabric::FabricLayout fabric_layout(const ChipSpec& spec) {
  fabric::FabricLayout layout;
  layout.tiles = static_cast<int>(spec.tiles);
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
  return fabric::make_fabric(chip.spec.fabric, fabric_layout(chip.spec), recorder);
}

}  // namespace tessera::arch::chip
