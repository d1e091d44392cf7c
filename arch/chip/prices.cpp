// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/chip/prices.hpp"

#include "arch/fabric/spec.hpp"
#include "sim/api/schedule.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::chip {

namespace {

/// Counts of one write Op of a PE.
const ActionCounts& write_counts(const Model& pe, Op op, std::map<Op, ActionCounts>& known) {
  op.code = OpCode::write;
  const auto found = known.find(op);
  return found != known.end() ? found->second
                              : known.emplace(op, make_schedule(pe.steps(op)).did).first->second;
}

report::TilePrices tile_prices(const TileGroup& group) {
  report::TilePrices out;
  out.name = group.name;
  out.kind = group.pe->kind();
  out.tiles = group.tiles;
  out.pes = group.pes();
  out.vector_pes = group.tile.vector_unit.pes;
  for (const Action& action : group.pe->actions()) {
    out.pe_actions.push_back({action.name, action.energy, action.source});
  }
  out.bus_bit = group.tile.bus.energy_per_bit;
  out.buffer_read_bit = group.tile.buffer.read_energy_per_bit;
  out.buffer_write_bit = group.tile.buffer.write_energy_per_bit;
  out.vector_op = group.tile.vector_unit.energy_per_op;
  out.endurance = group.pe->endurance();
  out.cell_writes = group.pe->cell_writes();
  return out;
}

/// `name` stands for the tile in names of components.
void add_components(const TileGroup& group,
                    const std::string& name,
                    int number,
                    std::vector<report::Component>& out) {
  const tile::TileSpec& tile = group.tile;
  const auto add_pes = [&](const std::string& place, std::int64_t pes) {
    for (const Resource& resource : group.pe->resources()) {
      if (resource.count > 0 && pes > 0) {
        const double share = 1.0 / resource.count;
        out.push_back({name + place + resource.name,
                       pes * resource.count,
                       resource.area * share,
                       resource.leakage * share,
                       number});
      }
    }
  };
  add_pes(".pe.", group.pes());
  add_pes(".vector_unit.pe.", group.tiles * tile.vector_unit.pes);
  const auto add = [&](const char* part, SquareMeters area, Watts leakage) {
    out.push_back({name + part, group.tiles, area, leakage, number});
  };
  add(".bus", tile.bus.area, tile.bus.leakage);
  add(".buffer", tile.buffer.area, tile.buffer.leakage);
  add(".vector_unit", tile.vector_unit.area, tile.vector_unit.leakage);
  add(".other", tile.other_area, tile.other_leakage);
}

}  // namespace

report::PriceList prices(const Chip& chip) {
  const ChipSpec& spec = chip.spec;
  report::PriceList out;
  out.clock = chip.clock;
  out.tiles = chip.tiles();
  out.pes = chip.pes();
  out.io_bit = spec.io.energy_per_bit;
  out.memory_bit = spec.memory.energy_per_bit;
  out.link_flit = spec.fabric.link_flit_energy;
  out.router_flit = spec.fabric.router_flit_energy;

  out.groups.clear();
  for (std::size_t g = 0; g < chip.groups.size(); ++g) {
    out.groups.push_back(tile_prices(chip.groups[g]));
    add_components(chip.groups[g],
                   chip.mixed() ? chip.groups[g].name : "tile",
                   static_cast<int>(g),
                   out.components);
  }
  fabric::FabricLayout layout;
  layout.tiles = static_cast<int>(chip.tiles());
  const fabric::FabricParts parts = fabric::parts(spec.fabric, layout);
  const auto add = [&](const char* name, std::int64_t instances, SquareMeters area, Watts leakage) {
    out.components.push_back({name, instances, area, leakage});
  };
  add("fabric.router", parts.routers, spec.fabric.router_area, spec.fabric.router_leakage);
  add("fabric.link", parts.links, spec.fabric.link_area, spec.fabric.link_leakage);
  add("io", 1, spec.io.area, spec.io.leakage);
  if (spec.memory.present) {
    add("memory", 1, SquareMeters(0), spec.memory.leakage);
  }
  return out;
}

report::FabricUse fabric_use(const Chip& chip, const FabricTotals& totals) {
  const fabric::FabricActions actions = fabric::actions(chip.spec.fabric, totals);
  report::FabricUse out;
  out.link_flits = actions.link_flits;
  out.router_flits = actions.router_flits;
  const fabric::Topology topology = chip.spec.fabric.topology;
  // Links to and from endpoints carry flits too; only those between routers are hops.
  if (totals.flits_in_flight == 0) {
    out.on_links = topology == fabric::Topology::bus || topology == fabric::Topology::ideal
                       ? totals.flits_injected
                       : totals.flits_injected + totals.flit_hops + totals.flits_ejected;
  }
  out.link_capacity = topology == fabric::Topology::ideal ? chip.spec.fabric.ideal_bandwidth : 1;
  return out;
}

report::LoadUse load_use(const Chip& chip, const Program& program) {
  report::LoadUse out;
  out.cycles = program.load_cycles;
  out.did.assign(chip.groups.size(), {});
  std::vector<std::map<Op, ActionCounts>> known(chip.groups.size());
  for (const ProgramPart& part : program.parts) {
    if (program.stages.at(static_cast<std::size_t>(part.stage)).rewrites) {
      continue;
    }
    const std::size_t tiles = chip.group_of(part.at);
    for (const LockstepGroup& group : part.groups) {
      for (int pe = 0; pe < group.pes; ++pe) {
        const auto at = static_cast<std::size_t>(group.resident) + static_cast<std::size_t>(pe);
        const ActionCounts& did =
            write_counts(*chip.groups[tiles].pe, program.residents.at(at).op, known[tiles]);
        for (std::size_t a = 0; a < kMaxActions; ++a) {
          out.did[tiles][a] += did[a];
        }
        ++out.pes;
      }
    }
  }
  return out;
}

}  // namespace tessera::arch::chip
