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

std::vector<Charge> pe_charges(const ActionCounts& counts, const std::vector<Price>& prices) {
  std::vector<Charge> out;
  out.reserve(prices.size());
  for (std::size_t a = 0; a < prices.size(); ++a) {
    out.push_back(charge(prices[a].name, counts[a], prices[a].energy));
  }
  return out;
}

/// Counts of one part, all PEs of its groups.
ActionCounts part_counts(const Program& program,
                         const ProgramPart& part,
                         const PartStats& stats,
                         bool counted) {
  ActionCounts counts = stats.did;
  for (const LockstepGroup& group : part.groups) {
    const auto did = [&](int schedule) -> const ActionCounts& {
      return program.schedules.at(static_cast<std::size_t>(schedule)).did;
    };
    if (!counted) {
      add(counts, did(group.schedule), times(stats.firings, group.pes));
    }
    if (stats.writes > 0 && group.write_schedule >= 0) {
      add(counts, did(group.write_schedule), times(stats.writes, group.pes));
    }
  }
  return counts;
}

/// Writes of the PE that was written most; PEs shared in time by several parts add up.
std::int64_t most_writes(const Program& program, const RunStats& stats) {
  std::map<std::pair<EndpointId, int>, std::int64_t> change;  // at (endpoint, PE): + start, - end
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    for (const LockstepGroup& group : program.parts[p].groups) {
      if (stats.parts[p].writes > 0 && group.write_schedule >= 0) {
        const EndpointId at = program.parts[p].at;
        change[{at, group.first_pe}] += stats.parts[p].writes;
        change[{at, group.first_pe + group.pes}] -= stats.parts[p].writes;
      }
    }
  }
  std::int64_t most = 0;
  std::int64_t now = 0;  // changes of one endpoint cancel before the next begins
  for (const auto& [place, writes] : change) {
    now += writes;
    most = std::max(most, now);
  }
  return most;
}

}  // namespace

Account make_account(const Program& program,
                     const RunStats& stats,
                     const FabricUse& fabric,
                     const LoadUse& load,
                     const PriceList& prices) {
  if (stats.parts.size() != program.parts.size() || prices.pe_actions.size() > kMaxActions) {
    throw InternalError(kWhere,
                        -1,
                        fmt::format("{} parts in the program, {} in the statistics, {} PE actions",
                                    program.parts.size(),
                                    stats.parts.size(),
                                    prices.pe_actions.size()));
  }
  Account out;

  // By action from the totals, by place part by part: two sums over the same events.
  ActionCounts pe_counts{};
  Joules pes{0};
  out.stage_pes.resize(program.stages.size());
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    const ActionCounts counts =
        part_counts(program, program.parts[p], stats.parts[p], stats.counted);
    add(pe_counts, counts, 1);
    const Joules energy = price(counts, prices.pe_actions);
    out.stage_pes.at(static_cast<std::size_t>(program.parts[p].stage)) += energy;
    pes += energy;
  }
  EndpointStats sum;
  Joules bus{0};
  Joules buffer{0};
  Joules vector{0};
  Joules io{0};
  Joules memory{0};
  for (const EndpointStats& e : stats.endpoints) {
    sum.bus_bits = plus(sum.bus_bits, e.bus_bits);
    sum.buffer_read_bits = plus(sum.buffer_read_bits, e.buffer_read_bits);
    sum.buffer_write_bits = plus(sum.buffer_write_bits, e.buffer_write_bits);
    sum.vector_ops = plus(sum.vector_ops, e.vector_ops);
    sum.io_bits = plus(sum.io_bits, e.io_bits);
    sum.memory_bits = plus(sum.memory_bits, e.memory_bits);
    bus += prices.bus_bit * static_cast<double>(e.bus_bits);
    buffer += prices.buffer_read_bit * static_cast<double>(e.buffer_read_bits);
    buffer += prices.buffer_write_bit * static_cast<double>(e.buffer_write_bits);
    vector += prices.vector_op * static_cast<double>(e.vector_ops);
    io += prices.io_bit * static_cast<double>(e.io_bits);
    memory += prices.memory_bit * static_cast<double>(e.memory_bits);
  }

  out.actions = pe_charges(pe_counts, prices.pe_actions);
  out.actions.push_back(charge("buffer_read_bit", sum.buffer_read_bits, prices.buffer_read_bit));
  out.actions.push_back(charge("buffer_write_bit", sum.buffer_write_bits, prices.buffer_write_bit));
  out.actions.push_back(charge("bus_bit", sum.bus_bits, prices.bus_bit));
  out.actions.push_back(charge("io_bit", sum.io_bits, prices.io_bit));
  out.actions.push_back(charge("link_flit", fabric.link_flits, prices.link_flit));
  out.actions.push_back(charge("memory_bit", sum.memory_bits, prices.memory_bit));
  out.actions.push_back(charge("router_flit", fabric.router_flits, prices.router_flit));
  out.actions.push_back(charge("vector_op", sum.vector_ops, prices.vector_op));

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
    out.components.push_back(held);
  }
  out.total = out.dynamic + out.leaked;

  out.load_actions = pe_charges(load.did, prices.pe_actions);
  out.load = price(load.did, prices.pe_actions);
  out.most_writes = most_writes(program, stats);
  if (out.most_writes > 0 && prices.endurance > 0) {
    out.runs_until_worn = prices.endurance / static_cast<double>(out.most_writes);
  }
  return out;
}

}  // namespace tessera::report
