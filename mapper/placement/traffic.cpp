// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/placement/traffic.hpp"

#include "arch/fabric/packets.hpp"
#include "sim/base/math.hpp"
#include "workloads/receptive.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

void make_set(std::vector<int>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// Who needs a position of an edge's tensor: the things of some groups of parts.
struct Readers {
  std::vector<std::vector<int>> things;  ///< [group]
  std::vector<std::vector<int>> groups;  ///< [position]
  /// [position] Firing of the consumer that makes room for it, -1 when there is room from the
  /// start; only of edges whose producer lets positions share packets.
  std::vector<std::int64_t> room_at;
};

class FlowFinder {
 public:
  FlowFinder(const Network& network, const Program& program, std::span<const int> thing_of)
      : network_(network), program_(program), thing_of_(thing_of) {}

  std::vector<Flow> run() {
    for (const ProgramStage& stage : program_.stages) {
      std::vector<Readers> readers;
      for (const int edge : stage.out_edges) {
        readers.push_back(readers_of(program_.edges[ix(edge)]));
        if (stage.burst > 1) {
          readers.back().room_at = room_at(program_.edges[ix(edge)]);
        }
      }
      for (std::size_t k = 0; k < stage.replicas.size(); ++k) {
        add_positions(stage, static_cast<std::int64_t>(k), readers);
        add_partials(stage, static_cast<std::int64_t>(k));
      }
    }
    std::vector<Flow> flows;
    flows.reserve(messages_.size());
    for (const auto& [key, messages] : messages_) {
      flows.push_back({key.from, key.to, messages, Bits(key.bits)});
    }
    return flows;
  }

 private:
  struct Key {
    int from;
    std::vector<int> to;
    std::int64_t bits;

    auto operator<=>(const Key&) const = default;
  };

  [[nodiscard]] std::vector<int> things(const std::vector<int>& parts) const {
    std::vector<int> list;
    list.reserve(parts.size());
    for (const int part : parts) {
      list.push_back(thing_of_[ix(part)]);
    }
    make_set(list);
    return list;
  }

  /// Ports know what an endpoint needs. Replicas that share one need less each, which matters when
  /// they are things of their own.
  [[nodiscard]] Readers readers_of(const ProgramEdge& edge) const {
    const ProgramStage& to = program_.stages[ix(edge.to)];
    const Blocks& from = program_.stages[ix(edge.from)].raster;
    Readers readers;
    readers.groups.resize(ix(edge.positions));
    const bool is_weights =
        to.weight_edge >= 0 && &program_.edges[ix(to.weight_edge)] == &edge;  // all need all
    const bool by_replica =
        to.replicas.size() > 1 && to.layer >= 0 && !is_weights &&
        network_.layer(to.layer).kind != LayerKind::fc &&
        network_.in_shape(to.layer, ix(edge.operand)).positions() == from.positions;
    if (by_replica) {
      for (const ProgramReplica& replica : to.replicas) {
        readers.things.push_back(things(replica.parts));
      }
      const ReceptiveField field(network_, to.layer, ix(edge.operand));
      const auto replicas = static_cast<std::int64_t>(to.replicas.size());
      for (std::int64_t p = 0; p < to.raster.positions; ++p) {
        const auto replica = static_cast<int>(to.raster.at(p) % replicas);
        field.for_each(p, [&](std::int64_t q) {
          std::vector<int>& groups = readers.groups[ix(from.at(q))];
          if (groups.empty() || groups.back() != replica) {
            groups.push_back(replica);
          }
        });
      }
      for (std::vector<int>& groups : readers.groups) {
        make_set(groups);
      }
      return readers;
    }
    for (const int index : edge.ports) {
      const ProgramPort& port = program_.ports[ix(index)];
      const int group = static_cast<int>(readers.things.size());
      readers.things.push_back(things(port.parts));
      for (std::int64_t q = 0; q < edge.positions; ++q) {
        if (port.needed.empty() || port.needed[ix(q)]) {
          readers.groups[ix(q)].push_back(group);
        }
      }
    }
    return readers;
  }

  /// When the narrowest line buffer of the edge has room for each position, if its consumer fires
  /// in order.
  [[nodiscard]] std::vector<std::int64_t> room_at(const ProgramEdge& edge) const {
    std::int64_t window = INT64_MAX;
    for (const int port : edge.ports) {
      window = std::min(window, program_.ports[ix(port)].window);
    }
    std::vector<std::int64_t> room(ix(edge.positions), -1);
    std::int64_t firing = 0;
    const auto firings = static_cast<std::int64_t>(edge.first_needed.size());
    for (std::int64_t q = window; q < edge.positions; ++q) {
      while (firing < firings && edge.first_needed[ix(firing)] <= q - window) {
        ++firing;
      }
      room[ix(q)] = firing;
    }
    return room;
  }

  void add_positions(const ProgramStage& stage,
                     std::int64_t replica,
                     const std::vector<Readers>& readers) {
    const auto stride = static_cast<std::int64_t>(stage.replicas.size());
    const int home = thing_of_[ix(stage.replicas[ix(replica)].parts.front())];
    Key key{home, {}, 0};
    std::int64_t together = 0;  // positions in one message
    const auto leave = [&] {
      if (together > 0) {
        key.bits = together * stage.out_bits.value;
        ++messages_[key];
        together = 0;
      }
    };
    std::int64_t ordinal = 0;
    std::vector<int> to;
    for (std::int64_t q = replica; q < stage.positions; q += stride, ++ordinal) {
      to.clear();
      for (const Readers& edge : readers) {
        for (const int group : edge.groups[ix(q)]) {
          to.insert(to.end(), edge.things[ix(group)].begin(), edge.things[ix(group)].end());
        }
      }
      make_set(to);
      std::erase(to, home);
      const bool waits = std::any_of(readers.begin(), readers.end(), [&](const Readers& edge) {
        return !edge.room_at.empty() && ordinal > 0 &&
               edge.room_at[ix(q)] != edge.room_at[ix(q - stride)];
      });
      if (together == stage.burst || waits || to != key.to) {
        leave();
      }
      if (!to.empty()) {
        key.to = to;
        ++together;
      } else {
        leave();
      }
    }
    leave();
  }

  void add_partials(const ProgramStage& stage, std::int64_t replica) {
    const std::vector<int>& parts = stage.replicas[ix(replica)].parts;
    const int home = thing_of_[ix(parts.front())];
    const std::int64_t firings =
        ceil_div(stage.positions - replica, static_cast<std::int64_t>(stage.replicas.size()));
    for (const int part : parts) {
      if (const int thing = thing_of_[ix(part)]; thing != home) {
        messages_[{thing, {home}, stage.partial_bits.value}] += firings;
      }
    }
  }

  const Network& network_;
  const Program& program_;
  std::span<const int> thing_of_;
  std::map<Key, std::int64_t> messages_;
};

}  // namespace

std::vector<Flow> find_flows(const Network& network,
                             const Program& program,
                             std::span<const int> thing_of) {
  return FlowFinder(network, program, thing_of).run();
}

Routes::Routes(const arch::chip::Chip& chip)
    : spec_(chip.spec.fabric), fabric_(arch::chip::make_fabric(chip)) {
  using arch::fabric::Topology;
  const arch::fabric::FabricLayout layout = arch::chip::fabric_layout(chip);
  const auto endpoints = layout.tiles + static_cast<int>(layout.extra.size());
  switch (spec_.topology) {
    case Topology::bus:
      links_ = 1;
      break;
    case Topology::ideal:
      links_ = endpoints;
      first_shared_ = endpoints;
      break;
    case Topology::mesh:
    case Topology::torus:
    case Topology::cmesh:
    case Topology::tree:
      graph_ = build_graph(spec_, layout);
      links_ = static_cast<int>(graph_.links.size());
      first_shared_ = 2 * endpoints;
      break;
  }
  into_.resize(ix(graph_.place.routers));
  seen_.assign(ix(links_), 0);
}

bool Routes::unicast_only() const {
  return spec_.topology == arch::fabric::Topology::ideal;
}

std::string Routes::name(int link) const {
  return fabric_->link_use()[ix(link)].name;
}

std::int64_t Routes::flits(Bits bits, bool multicast) const {
  return arch::fabric::split(spec_, bits, multicast).flits();
}

int Routes::route(EndpointId from, std::span<const EndpointId> to, std::vector<int>& links) {
  if (graph_.links.empty()) {
    if (first_shared_ == 0) {
      links.push_back(0);
      return 0;
    }
    int hops = 0;
    for (const EndpointId end : to) {
      hops += fabric_->hops(from, end);
    }
    return hops;
  }
  ++routes_;
  int taken = 0;
  const int source = graph_.place.router_of[ix(from)];
  std::vector<int>& into = into_[ix(source)];
  into.resize(ix(graph_.place.routers), -1);
  for (const EndpointId end : to) {
    if (const int last = graph_.place.router_of[ix(end)]; last != source && into[ix(last)] < 0) {
      find_way(from, end, into);
    }
    for (int router = graph_.place.router_of[ix(end)]; router != source;) {
      const int link = into[ix(router)];
      if (std::exchange(seen_[ix(link)], routes_) == routes_) {
        break;  // the rest of the way is taken, too
      }
      links.push_back(link);
      ++taken;
      router = graph_.links[ix(link)].from;
    }
  }
  return taken;
}

void Routes::find_way(EndpointId from, EndpointId to, std::vector<int>& into) const {
  const int last = graph_.place.router_of[ix(to)];
  int link = from;
  for (int router = graph_.place.router_of[ix(from)]; router != last;) {
    const int port = graph_.route(router, link, 0, to).port;
    link = graph_.out_links[ix(graph_.out_base[ix(router)] + port)];
    router = graph_.links[ix(link)].to;
    into[ix(router)] = link;
  }
}

void Routes::load_ends(EndpointId from,
                       std::span<const EndpointId> to,
                       std::int64_t flits,
                       std::vector<std::int64_t>& link_flits) const {
  if (first_shared_ == 0) {
    return;
  }
  link_flits[ix(from)] += flits;
  for (const EndpointId end : to) {
    if (!graph_.links.empty()) {
      link_flits[ix(graph_.endpoints + end)] += flits;
    }
  }
}

Traffic find_traffic(const std::vector<Flow>& flows,
                     std::span<const EndpointId> endpoint_of,
                     Routes& routes) {
  Traffic traffic;
  traffic.link_flits.assign(ix(routes.links()), 0);
  std::vector<EndpointId> to;
  std::vector<int> links;
  for (const Flow& flow : flows) {
    const EndpointId from = endpoint_of[ix(flow.from)];
    to.clear();
    for (const int thing : flow.to) {
      to.push_back(endpoint_of[ix(thing)]);
    }
    make_set(to);
    std::erase(to, from);
    if (to.empty()) {
      continue;
    }
    const std::int64_t flits = flow.messages * routes.flits(flow.bits, to.size() > 1);
    links.clear();
    traffic.flits_injected += flits;
    traffic.flit_hops += flits * routes.route(from, to, links);
    routes.load_ends(from, to, flits, traffic.link_flits);
    for (const int link : links) {
      traffic.link_flits[ix(link)] += flits;
    }
  }
  const auto shared = traffic.link_flits.begin() + routes.first_shared_link();
  const auto most = std::max_element(shared, traffic.link_flits.end());
  if (most != traffic.link_flits.end()) {
    traffic.busiest_link = static_cast<int>(most - traffic.link_flits.begin());
    traffic.busiest_flits = *most;
  }
  return traffic;
}

Traffic find_traffic(const Network& network, const Program& program, Routes& routes) {
  std::vector<int> at;
  for (const ProgramPart& part : program.parts) {
    at.push_back(part.at);
  }
  const std::vector<Flow> flows = find_flows(network, program, at);
  std::vector<EndpointId> endpoints(ix(program.endpoints()));
  for (std::size_t e = 0; e < endpoints.size(); ++e) {
    endpoints[e] = static_cast<EndpointId>(e);
  }
  return find_traffic(flows, endpoints, routes);
}

}  // namespace tessera::mapper
