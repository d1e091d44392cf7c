// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/prices.hpp"

#include "arch/fabric/spec.hpp"
#include "sim/api/schedule.hpp"

#include <cstddef>
#include <map>
#include <utility>

namespace tessera::tools {
namespace {

using arch::fabric::Topology;

void add(std::vector<report::Component>& to,
         std::string name,
         std::int64_t instances,
         SquareMeters area,
         Watts leakage) {
  if (instances > 0 && (area.value > 0 || leakage.value > 0)) {
    to.push_back({std::move(name), instances, area, leakage});
  }
}

}  // namespace

report::PriceList price_list(const arch::chip::Chip& chip) {
  const arch::chip::ChipSpec& spec = chip.spec;
  report::PriceList list;
  list.clock = chip.clock;
  list.tiles = spec.tiles;
  list.pes = chip.pes();
  for (const Action& action : chip.pe->actions()) {
    list.pe_actions.push_back({action.name, action.energy, action.source});
  }
  list.bus_bit = spec.tile.bus.energy_per_bit;
  list.buffer_read_bit = spec.tile.buffer.read_energy_per_bit;
  list.buffer_write_bit = spec.tile.buffer.write_energy_per_bit;
  list.vector_op = spec.tile.vector_unit.energy_per_op;
  list.io_bit = spec.io.energy_per_bit;
  list.memory_bit = spec.memory.energy_per_bit;
  list.link_flit = spec.fabric.link_flit_energy;
  list.router_flit = spec.fabric.router_flit_energy;
  list.endurance = chip.pe->endurance();

  for (const Resource& resource : chip.pe->resources()) {
    if (resource.count > 0) {
      const double each = 1.0 / resource.count;
      add(list.components,
          "tile.pe." + resource.name,
          chip.pes() * resource.count,
          resource.area * each,
          resource.leakage * each);
    }
  }
  const auto& tile = spec.tile;
  add(list.components, "tile.bus", spec.tiles, tile.bus.area, tile.bus.leakage);
  add(list.components, "tile.buffer", spec.tiles, tile.buffer.area, tile.buffer.leakage);
  add(list.components,
      "tile.vector_unit",
      spec.tiles,
      tile.vector_unit.area,
      tile.vector_unit.leakage);
  add(list.components, "tile.other", spec.tiles, tile.other_area, tile.other_leakage);
  arch::fabric::FabricLayout layout;
  layout.tiles = static_cast<int>(spec.tiles);
  const arch::fabric::FabricParts parts = arch::fabric::parts(spec.fabric, layout);
  add(list.components,
      "fabric.router",
      parts.routers,
      spec.fabric.router_area,
      spec.fabric.router_leakage);
  add(list.components, "fabric.link", parts.links, spec.fabric.link_area, spec.fabric.link_leakage);
  add(list.components, "io", 1, spec.io.area, spec.io.leakage);
  if (spec.memory.present) {
    add(list.components, "memory", 1, SquareMeters(0), spec.memory.leakage);
  }
  return list;
}

report::FabricUse fabric_use(const arch::chip::Chip& chip, const FabricTotals& totals) {
  const arch::fabric::FabricSpec& spec = chip.spec.fabric;
  const arch::fabric::FabricActions did = arch::fabric::actions(spec, totals);
  report::FabricUse use;
  use.link_flits = did.link_flits;
  use.router_flits = did.router_flits;
  const bool has_routers = spec.topology != Topology::bus && spec.topology != Topology::ideal;
  use.on_links =
      totals.flits_injected + (has_routers ? totals.flit_hops + totals.flits_ejected : 0);
  use.link_capacity = spec.topology == Topology::ideal ? spec.ideal_bandwidth : 1;
  return use;
}

report::LoadUse load_use(const arch::chip::Chip& chip, const Program& program) {
  report::LoadUse load;
  load.pes = program.weight_writes;
  load.cycles = program.load_cycles;
  std::map<Op, ActionCounts> known;
  for (const ProgramPart& part : program.parts) {
    if (program.stages[static_cast<std::size_t>(part.stage)].rewrites) {
      continue;
    }
    for (const LockstepGroup& group : part.groups) {
      Op op = program.residents[static_cast<std::size_t>(group.resident)].op;
      op.code = OpCode::write;
      auto [found, fresh] = known.try_emplace(op);
      if (fresh) {
        found->second = make_schedule(chip.pe->steps(op)).did;
      }
      for (std::size_t a = 0; a < kMaxActions; ++a) {
        load.did[a] += found->second[a] * group.pes;
      }
    }
  }
  return load;
}

}  // namespace tessera::tools
