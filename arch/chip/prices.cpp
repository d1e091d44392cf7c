// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/chip/prices.hpp"

#include "arch/fabric/spec.hpp"
#include "sim/api/schedule.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace tessera::arch::chip {

namespace {

/// Counts of one write Op of a PE.
const ActionCounts& write_counts(const Model& pe, Op op, std::map<Op, ActionCounts>& known) {
  op.code = OpCode::write;
  const auto found = known.find(op);
  return found != known.end() ? found->second
                              : known.emplace(op, make_schedule(pe.steps(op)).did).first->second;
}

}  // namespace

report::PriceList prices(const Chip& chip) {
  const ChipSpec& spec = chip.spec;
  report::PriceList out;
  out.clock = chip.clock;
  out.tiles = spec.tiles;
  out.pes = chip.pes();
  for (const Action& action : chip.pe->actions()) {
    out.pe_actions.push_back({action.name, action.energy, action.source});
  }
  out.bus_bit = spec.tile.bus.energy_per_bit;
  out.buffer_read_bit = spec.tile.buffer.read_energy_per_bit;
  out.buffer_write_bit = spec.tile.buffer.write_energy_per_bit;
  out.vector_op = spec.tile.vector_unit.energy_per_op;
  out.io_bit = spec.io.energy_per_bit;
  out.memory_bit = spec.memory.energy_per_bit;
  out.link_flit = spec.fabric.link_flit_energy;
  out.router_flit = spec.fabric.router_flit_energy;
  out.endurance = chip.pe->endurance();

  for (const Resource& resource : chip.pe->resources()) {
    if (resource.count > 0) {
      const double share = 1.0 / resource.count;
      out.components.push_back({"tile.pe." + resource.name,
                                out.pes * resource.count,
                                resource.area * share,
                                resource.leakage * share});
    }
  }
  const tile::TileSpec& tile = spec.tile;
  fabric::FabricLayout layout;
  layout.tiles = static_cast<int>(spec.tiles);
  const fabric::FabricParts parts = fabric::parts(spec.fabric, layout);
  const auto add = [&](const char* name, std::int64_t instances, SquareMeters area, Watts leakage) {
    out.components.push_back({name, instances, area, leakage});
  };
  add("tile.bus", spec.tiles, tile.bus.area, tile.bus.leakage);
  add("tile.buffer", spec.tiles, tile.buffer.area, tile.buffer.leakage);
  add("tile.vector_unit", spec.tiles, tile.vector_unit.area, tile.vector_unit.leakage);
  add("tile.other", spec.tiles, tile.other_area, tile.other_leakage);
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
  std::map<Op, ActionCounts> known;
  for (const ProgramPart& part : program.parts) {
    if (program.stages.at(static_cast<std::size_t>(part.stage)).rewrites) {
      continue;
    }
    for (const LockstepGroup& group : part.groups) {
      for (int pe = 0; pe < group.pes; ++pe) {
        const auto at = static_cast<std::size_t>(group.resident) + static_cast<std::size_t>(pe);
        const ActionCounts& did = write_counts(*chip.pe, program.residents.at(at).op, known);
        for (std::size_t a = 0; a < kMaxActions; ++a) {
          out.did[a] += did[a];
        }
        ++out.pes;
      }
    }
  }
  return out;
}

}  // namespace tessera::arch::chip
