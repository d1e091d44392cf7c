// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/account.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

namespace tessera::report {

namespace {

constexpr std::string_view kWhere = "sim/report/account";

std::int64_t times(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) {
    throw InternalError(kWhere, -1, "a count does not fit 64 bits");
  }
  return product;
}

std::int64_t plus(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    throw InternalError(kWhere, -1, "a count does not fit 64 bits");
  }
  return sum;
}

void add(ActionCounts& to, const ActionCounts& did, std::int64_t factor) {
  for (std::size_t a = 0; a < kMaxActions; ++a) {
    to[a] = plus(to[a], times(did[a], factor));
  }
}

Joules price(const ActionCounts& counts, const std::vector<Price>& prices) {
  Joules sum{0};
  for (std::size_t a = 0; a < prices.size(); ++a) {
    sum += prices[a].energy * static_cast<double>(counts[a]);
  }
  return sum;
}

Charge charge(std::string name, std::int64_t count, Joules each) {
  return {std::move(name), count, each * static_cast<double>(count)};
}

/// `counts` by group.
std::vector<Charge> pe_charges(const std::vector<ActionCounts>& counts, const PriceList& prices) {
  std::vector<Charge> out;
  for (std::size_t g = 0; g < prices.groups.size(); ++g) {
    const TilePrices& group = prices.groups[g];
    for (std::size_t a = 0; a < group.pe_actions.size(); ++a) {
      const Price& price = group.pe_actions[a];
      out.push_back(charge(prices.mixed() ? group.name + "." + price.name : price.name,
                           counts.at(g)[a],
                           price.energy));
    }
  }
  return out;
}

/// Counts of one part, all PEs of its groups.
ActionCounts part_counts(const Program& program, const ProgramPart& part, const PartStats& stats) {
  ActionCounts counts = stats.did;
  for (const LockstepGroup& group : part.groups) {
    const auto did = [&](int schedule) -> const ActionCounts& {
      return program.schedules.at(static_cast<std::size_t>(schedule)).did;
    };
    if (!stats.counted) {
      add(counts, did(group.schedule), times(stats.firings, group.pes));
    }
    if (stats.writes > 0 && group.write_schedule >= 0) {
      add(counts, did(group.write_schedule), times(stats.writes, group.pes));
    }
  }
  return counts;
}

/// The most that a PE of one group of tiles did of something, which `count` says of each PE of a
/// lockstep group; PEs shared in time by several parts add up.
template <class Count>
double most_of_a_pe(const Program& program,
                    const PriceList& prices,
                    std::size_t of_group,
                    const Count& count) {
  std::map<std::pair<EndpointId, int>, double> change;  // at (endpoint, PE): + start, - end
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    const EndpointId at = program.parts[p].at;
    if (prices.group_of(at) != of_group) {
      continue;
    }
    for (const LockstepGroup& group : program.parts[p].groups) {
      const auto each = static_cast<double>(count(p, group));
      change[{at, group.first_pe}] += each;
      change[{at, group.first_pe + group.pes}] -= each;
    }
  }
  double most = 0;
  double now = 0;  // changes of one endpoint cancel before the next begins
  for (const auto& [place, each] : change) {
    now += each;
    most = std::max(most, now);
  }
  return most;
}

/// How often the PE of a group of tiles was programmed that was programmed most.
std::int64_t most_writes(const Program& program,
                         const RunStats& stats,
                         const PriceList& prices,
                         std::size_t of_group) {
  return static_cast<std::int64_t>(
      most_of_a_pe(program, prices, of_group, [&](std::size_t p, const LockstepGroup& group) {
        return group.write_schedule >= 0 ? stats.parts[p].writes : 0;
      }));
}

/// The same of a write of cells, where `by_firing` says how many a schedule's Op does; PEs of a
/// vector unit share what `by_vector_unit` says of its endpoint.
template <class ByFiring, class ByVectorUnit>
double most_written(const Program& program,
                    const RunStats& stats,
                    const PriceList& prices,
                    std::size_t of_group,
                    const ByFiring& by_firing,
                    const ByVectorUnit& by_vector_unit) {
  const auto of = [&](int schedule) {
    return schedule < 0 ? 0.0
                        : static_cast<double>(
                              by_firing(program.schedules.at(static_cast<std::size_t>(schedule))));
  };
  double most =
      most_of_a_pe(program, prices, of_group, [&](std::size_t p, const LockstepGroup& group) {
        const PartStats& part = stats.parts[p];
        return static_cast<double>(part.firings) * of(group.schedule) +
               static_cast<double>(part.writes) * of(group.write_schedule);
      });
  for (std::size_t at = 0; at < stats.endpoints.size(); ++at) {
    const auto by_programs = static_cast<double>(by_vector_unit(stats.endpoints[at]));
    if (by_programs > 0 && prices.group_of(static_cast<std::int64_t>(at)) == of_group) {
      most = std::max(most, by_programs / static_cast<double>(prices.groups[of_group].vector_pes));
    }
  }
  return most;
}

/// Writes of a group of tiles' cells: in the PE that is written most, per cell in the mean, and of
/// the cell that is written most.
std::pair<double, double> cell_writes(const Program& program,
                                      const RunStats& stats,
                                      const PriceList& prices,
                                      std::size_t of_group) {
  const CellWrites& written = prices.groups[of_group].cell_writes;
  if (written.cells == 0) {
    return {0, 0};
  }
  const auto action = static_cast<std::size_t>(written.action);
  const double all = most_written(
      program,
      stats,
      prices,
      of_group,
      [&](const Schedule& schedule) { return schedule.did.at(action); },
      [&](const EndpointStats& endpoint) { return endpoint.vector_did.at(action); });
  const double most = most_written(
      program,
      stats,
      prices,
      of_group,
      [](const Schedule& schedule) { return schedule.most_cell_writes; },
      [](const EndpointStats& endpoint) { return endpoint.vector_most_cell_writes; });
  return {all / static_cast<double>(written.cells), most};
}

}  // namespace

std::size_t PriceList::group_of(std::int64_t tile) const {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (tile < groups[g].tiles) {
      return g;
    }
    tile -= groups[g].tiles;
  }
  return 0;
}

Account make_account(const Program& program,
                     const RunStats& stats,
                     const FabricUse& fabric,
                     const LoadUse& load,
                     const PriceList& prices) {
  const bool too_many =
      std::any_of(prices.groups.begin(), prices.groups.end(), [](const TilePrices& group) {
        return group.pe_actions.size() > kMaxActions;
      });
  if (stats.parts.size() != program.parts.size() || too_many ||
      load.did.size() != prices.groups.size()) {
    throw InternalError(kWhere,
                        -1,
                        fmt::format("{} parts in the program, {} in the statistics; {} groups of "
                                    "tiles, {} loaded",
                                    program.parts.size(),
                                    stats.parts.size(),
                                    prices.groups.size(),
                                    load.did.size()));
  }
  Account out;
  out.groups.resize(prices.groups.size());

  // By action from the totals, by place part by part: two sums over the same events.
  std::vector<ActionCounts> pe_counts(prices.groups.size());
  Joules pes{0};
  out.stage_pes.resize(program.stages.size());
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    const std::size_t group = prices.group_of(program.parts[p].at);
    const ActionCounts counts = part_counts(program, program.parts[p], stats.parts[p]);
    add(pe_counts[group], counts, 1);
    const Joules energy = price(counts, prices.groups[group].pe_actions);
    out.stage_pes.at(static_cast<std::size_t>(program.parts[p].stage)) += energy;
    out.groups[group].pes += energy;
    pes += energy;
  }
  std::vector<EndpointStats> sums(prices.groups.size());
  Joules bus{0};
  Joules buffer{0};
  Joules vector{0};
  Joules io{0};
  Joules memory{0};
  for (std::size_t at = 0; at < stats.endpoints.size(); ++at) {
    const EndpointStats& e = stats.endpoints[at];
    const std::size_t group = prices.group_of(static_cast<std::int64_t>(at));
    const TilePrices& price = prices.groups[group];
    EndpointStats& sum = sums[group];
    sum.bus_bits = plus(sum.bus_bits, e.bus_bits);
    sum.buffer_read_bits = plus(sum.buffer_read_bits, e.buffer_read_bits);
    sum.buffer_write_bits = plus(sum.buffer_write_bits, e.buffer_write_bits);
    sum.vector_ops = plus(sum.vector_ops, e.vector_ops);
    add(pe_counts[group], e.vector_did, 1);
    const Joules by_programs = report::price(e.vector_did, price.pe_actions);
    out.groups[group].dynamic += by_programs;
    vector += by_programs;
    sum.io_bits = plus(sum.io_bits, e.io_bits);
    sum.memory_bits = plus(sum.memory_bits, e.memory_bits);
    bus += price.bus_bit * static_cast<double>(e.bus_bits);
    buffer += price.buffer_read_bit * static_cast<double>(e.buffer_read_bits);
    buffer += price.buffer_write_bit * static_cast<double>(e.buffer_write_bits);
    vector += price.vector_op * static_cast<double>(e.vector_ops);
    io += prices.io_bit * static_cast<double>(e.io_bits);
    memory += prices.memory_bit * static_cast<double>(e.memory_bits);
  }

  // Events that every sort of tile has a price of its own for.
  const auto tile_charge =
      [&](std::string name, std::int64_t EndpointStats::*count, Joules TilePrices::*each) {
        Charge sum{std::move(name), 0, Joules(0)};
        for (std::size_t g = 0; g < sums.size(); ++g) {
          const Charge one = charge({}, sums[g].*count, prices.groups[g].*each);
          sum.count = plus(sum.count, one.count);
          sum.energy += one.energy;
          out.groups[g].dynamic += one.energy;
        }
        return sum;
      };
  // Endpoints that are no tiles are summed with the first group.
  const auto chip_charge = [&](std::string name, std::int64_t EndpointStats::*count, Joules each) {
    std::int64_t all = 0;
    for (const EndpointStats& sum : sums) {
      all = plus(all, sum.*count);
    }
    return charge(std::move(name), all, each);
  };
  out.actions = pe_charges(pe_counts, prices);
  out.actions.push_back(tile_charge(
      "buffer_read_bit", &EndpointStats::buffer_read_bits, &TilePrices::buffer_read_bit));
  out.actions.push_back(tile_charge(
      "buffer_write_bit", &EndpointStats::buffer_write_bits, &TilePrices::buffer_write_bit));
  out.actions.push_back(tile_charge("bus_bit", &EndpointStats::bus_bits, &TilePrices::bus_bit));
  out.actions.push_back(chip_charge("io_bit", &EndpointStats::io_bits, prices.io_bit));
  out.actions.push_back(charge("link_flit", fabric.link_flits, prices.link_flit));
  out.actions.push_back(chip_charge("memory_bit", &EndpointStats::memory_bits, prices.memory_bit));
  out.actions.push_back(charge("router_flit", fabric.router_flits, prices.router_flit));
  out.actions.push_back(
      tile_charge("vector_op", &EndpointStats::vector_ops, &TilePrices::vector_op));
  for (GroupShare& group : out.groups) {
    group.dynamic += group.pes;
  }

  const Joules links = prices.link_flit * static_cast<double>(fabric.link_flits);
  const Joules routers = prices.router_flit * static_cast<double>(fabric.router_flits);
  out.places = {{"pes", 0, pes},
                {"tile_bus", 0, bus},
                {"tile_buffer", 0, buffer},
                {"vector_unit", 0, vector},
                {"fabric", 0, links + routers},
                {"io", 0, io},
                {"memory", 0, memory}};

  for (const Charge& c : out.actions) {
    out.dynamic += c.energy;
  }
  const Seconds duration = prices.clock.seconds(stats.end);
  for (const Component& c : prices.components) {
    const auto instances = static_cast<double>(c.instances);
    const Holding held{c.name, c.instances, c.area * instances, c.leakage * instances * duration};
    out.area += held.area;
    out.leaked += held.static_energy;
    if (c.group >= 0) {
      GroupShare& group = out.groups.at(static_cast<std::size_t>(c.group));
      group.area += held.area;
      group.leaked += held.static_energy;
    }
    out.components.push_back(held);
  }
  out.total = out.dynamic + out.leaked;

  out.load_actions = pe_charges(load.did, prices);
  for (std::size_t g = 0; g < prices.groups.size(); ++g) {
    out.load += price(load.did[g], prices.groups[g].pe_actions);
    const std::int64_t writes = most_writes(program, stats, prices, g);
    out.most_writes = std::max(out.most_writes, writes);
    const auto [mean, most] = cell_writes(program, stats, prices, g);
    out.mean_cell_writes = std::max(out.mean_cell_writes, mean);
    out.most_cell_writes = std::max(out.most_cell_writes, most);
    const TilePrices& group = prices.groups[g];
    const double worn = group.cell_writes.cells > 0 ? most : static_cast<double>(writes);
    if (worn > 0 && group.endurance > 0) {
      const double runs = group.endurance / worn;
      out.runs_until_worn = out.runs_until_worn > 0 ? std::min(out.runs_until_worn, runs) : runs;
    }
  }
  return out;
}

}  // namespace tessera::report
