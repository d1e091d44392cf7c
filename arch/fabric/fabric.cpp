// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/fabric/models.hpp"
#include "arch/fabric/spec.hpp"
#include "arch/fabric/topology.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace tessera::arch::fabric {

namespace {

bool has_routers(Topology t) {
  return t != Topology::bus && t != Topology::ideal;
}

bool is_grid(Topology t) {
  return t != Topology::bus && t != Topology::tree;
}

/// Ports of the widest router: the switch allocator keeps them in one machine word.
constexpr int kMaxPorts = 64;
constexpr int kMaxRouters = 1 << 16;

int widest_router(const FabricSpec& spec, const Placement& p) {
  std::vector<int> local(static_cast<std::size_t>(p.routers));
  int widest = 0;
  for (const int r : p.router_of) {
    widest = std::max(widest, ++local[static_cast<std::size_t>(r)]);
  }
  return widest + (spec.topology == Topology::tree ? spec.arity + 1 : 4);
}

}  // namespace

void check(const FabricSpec& spec,
           const FabricLayout& layout,
           Diagnostics& diagnostics,
           const Position& at,
           const std::string& path) {
  const auto wrong = [&](const char* key,
                         std::string sentence,
                         std::string expected,
                         std::string got,
                         std::string hint = {}) {
    Diagnostic d;
    d.code = "E-FABRIC-SPEC";
    d.sentence = std::move(sentence);
    d.at = at;
    d.path = path + "." + key;
    d.expected = std::move(expected);
    d.got = std::move(got);
    d.hint = std::move(hint);
    diagnostics.error(std::move(d));
  };
  const std::size_t before = diagnostics.errors().size();
  const auto at_least = [&](const char* key, std::int64_t value, std::int64_t low) {
    if (value < low) {
      wrong(key,
            fmt::format("'{}' is too small", key),
            fmt::format("at least {}", low),
            fmt::format("{}", value));
    }
  };
  at_least("width", spec.width, 0);
  at_least("height", spec.height, 0);
  at_least("concentration", spec.concentration, 1);
  at_least("arity", spec.arity, 2);
  at_least("flit_bits", spec.flit_bits.value, 1);
  at_least("header_bits", spec.header_bits.value, 0);
  at_least("max_packet_flits", spec.max_packet_flits, 1);
  at_least("num_vcs", spec.num_vcs, spec.topology == Topology::torus ? 2 : 1);
  at_least("vc_buffer", spec.vc_buffer, 1);
  at_least("routing_delay", spec.routing_delay, 0);
  at_least("vc_alloc_delay", spec.vc_alloc_delay, 1);
  at_least("sw_alloc_delay", spec.sw_alloc_delay, 1);
  at_least("st_final_delay", spec.st_final_delay, 0);
  at_least("credit_delay", spec.credit_delay, 0);
  at_least("link_latency", spec.link_latency, 1);
  at_least("ideal_latency", spec.ideal_latency, 0);
  at_least("ideal_hop_latency", spec.ideal_hop_latency, 0);
  at_least("ideal_bandwidth", spec.ideal_bandwidth, 0);
  at_least("tiles", layout.tiles, 1);
  if (spec.num_vcs > 32) {
    wrong("num_vcs", "too many virtual channels", "at most 32", fmt::format("{}", spec.num_vcs));
  }
  if (diagnostics.errors().size() > before) {
    return;
  }

  const Topology t = spec.topology;
  if (t != Topology::cmesh && t != Topology::tree && spec.concentration != 1) {
    wrong("concentration",
          "this topology has one tile per router",
          "1, or topology cmesh or tree",
          fmt::format("{}", spec.concentration));
  }
  const auto smallest = [&](int limit, const char* key) {
    if (limit * spec.flit_bits.value <= spec.header_bits.value) {
      wrong("header_bits",
            "the header leaves no room for data in a packet",
            fmt::format("less than {} x flit_bits = {}", key, limit * spec.flit_bits.value),
            fmt::format("{}", spec.header_bits.value));
    }
  };
  smallest(spec.max_packet_flits, "max_packet_flits");
  if (has_routers(t) && spec.vc_buffer < spec.max_packet_flits) {
    smallest(spec.vc_buffer, "vc_buffer (the longest multicast packet)");
  }
  const std::int64_t capacity = tile_capacity(spec);
  if (is_grid(t) && capacity >= 0 && capacity < layout.tiles) {
    wrong("width",
          "the grid is too small for the tiles",
          fmt::format("room for {} tiles", layout.tiles),
          fmt::format("{} x {} routers x {}", spec.width, spec.height, spec.concentration),
          "leave out width and height to have them derived");
    return;
  }
  const Placement p = place(spec, layout);
  if (p.routers > kMaxRouters) {
    wrong("width",
          "too many routers",
          fmt::format("at most {}", kMaxRouters),
          fmt::format("{}", p.routers));
    return;
  }
  if (has_routers(t) && widest_router(spec, p) > kMaxPorts) {
    wrong("concentration",
          "a router has too many ports",
          fmt::format("at most {}", kMaxPorts),
          fmt::format("{}", widest_router(spec, p)));
  }
}

std::unique_ptr<Fabric> make_fabric(const FabricSpec& spec,
                                    const FabricLayout& layout,
                                    LinkRecorder* recorder) {
  Diagnostics diagnostics;
  check(spec, layout, diagnostics);
  diagnostics.throw_if_any();
  switch (spec.topology) {
    case Topology::bus:
      return make_bus(spec, layout, recorder);
    case Topology::ideal:
      return make_ideal(spec, layout, recorder);
    case Topology::mesh:
    case Topology::torus:
    case Topology::cmesh:
    case Topology::tree:
      break;
  }
  return make_network(spec, layout, recorder);
}

FabricParts parts(const FabricSpec& spec, const FabricLayout& layout) {
  if (spec.topology == Topology::bus) {
    return {0, 1};
  }
  if (spec.topology == Topology::ideal) {
    return {0, 0};
  }
  const Graph g = build_graph(spec, layout);
  return {g.place.routers, static_cast<int>(g.links.size()) - 2 * g.endpoints};
}

FabricActions actions(const FabricSpec& spec, const FabricTotals& totals) {
  if (spec.topology == Topology::bus) {
    return {totals.flits_injected, 0};
  }
  if (spec.topology == Topology::ideal) {
    return {totals.flit_hops, 0};
  }
  // Every passage through a router ends on a link to the next one or at an endpoint.
  return {totals.flit_hops, totals.flit_hops + totals.flits_ejected};
}

}  // namespace tessera::arch::fabric
