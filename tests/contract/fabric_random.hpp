// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Random fabrics and a driver that runs traffic through one, for contract and property tests.
#pragma once

#include "arch/fabric/spec.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::arch::fabric::testing {

struct Case {
  FabricSpec spec;
  FabricLayout layout;

  [[nodiscard]] int endpoints() const {
    return layout.tiles + static_cast<int>(layout.extra.size());
  }

  [[nodiscard]] std::string text() const {
    std::ostringstream s;
    s << enum_names(spec.topology)[static_cast<std::size_t>(spec.topology)] << " " << spec.width
      << "x" << spec.height << " c=" << spec.concentration << " arity=" << spec.arity
      << " flit=" << spec.flit_bits.value << " header=" << spec.header_bits.value
      << " packet=" << spec.max_packet_flits << " vcs=" << spec.num_vcs
      << " buffer=" << spec.vc_buffer << " R" << spec.routing_delay << " V" << spec.vc_alloc_delay
      << " S" << spec.sw_alloc_delay << " X" << spec.st_final_delay << " C" << spec.credit_delay
      << " L" << spec.link_latency << " ideal " << spec.ideal_latency << "+"
      << spec.ideal_hop_latency << "/" << spec.ideal_bandwidth << " tiles=" << layout.tiles
      << " extra=" << layout.extra.size();
    return s.str();
  }
};

inline int pick(Rng& rng, int low, int high) {
  return static_cast<int>(rng.uniform(low, high));
}

inline Case random_case(Topology topology, Rng& rng, int max_tiles) {
  Case c;
  FabricSpec& s = c.spec;
  s.topology = topology;
  c.layout.tiles = pick(rng, 2, max_tiles);
  if (rng.chance(0.5)) {
    s.width = pick(rng, 1, 5);
  }
  if (topology == Topology::cmesh || topology == Topology::tree) {
    s.concentration = pick(rng, 1, 6);
  }
  s.arity = pick(rng, 2, 5);
  s.flit_bits = Bits(pick(rng, 8, 64));
  s.max_packet_flits = pick(rng, 1, 12);
  s.num_vcs = pick(rng, topology == Topology::torus ? 2 : 1, 6);
  s.vc_buffer = pick(rng, 1, 12);
  s.header_bits =
      Bits(rng.uniform(0, s.flit_bits.value * std::min(s.max_packet_flits, s.vc_buffer) - 1));
  s.routing_delay = pick(rng, 0, 2);
  s.vc_alloc_delay = pick(rng, 1, 3);
  s.sw_alloc_delay = pick(rng, 1, 3);
  s.st_final_delay = pick(rng, 0, 2);
  s.credit_delay = pick(rng, 0, 3);
  s.link_latency = pick(rng, 1, 4);
  s.ideal_latency = pick(rng, 0, 20);
  s.ideal_hop_latency = pick(rng, 0, 4);
  s.ideal_bandwidth = pick(rng, 0, 4);
  for (int extra = pick(rng, 0, 3); extra > 0; --extra) {
    c.layout.extra.push_back(pick(rng, 0, 100));
  }
  return c;
}

struct Send {
  std::int64_t at;
  EndpointId from;
  std::vector<EndpointId> to;
  Bits bits;
  MessageId id;
};

/// Messages at random times; `fanout` 0 gives unicast only. Ids are distinct and in no useful
/// order.
inline std::vector<Send> random_traffic(
    const Case& c, Rng& rng, int messages, std::int64_t span, int max_flits, double multicast) {
  std::vector<Send> sends;
  const int endpoints = c.endpoints();
  for (int i = 0; i < messages; ++i) {
    Send s;
    s.at = rng.uniform(0, span);
    s.from = pick(rng, 0, endpoints - 1);
    std::set<EndpointId> to;
    const int wanted = rng.chance(multicast) ? pick(rng, 1, endpoints - 1) : 1;
    for (int k = 0; k < 4 * wanted && static_cast<int>(to.size()) < wanted; ++k) {
      const int e = pick(rng, 0, endpoints - 1);
      if (e != s.from) {
        to.insert(e);
      }
    }
    if (to.empty()) {
      to.insert(s.from == 0 ? 1 : 0);
    }
    s.to.assign(to.begin(), to.end());
    s.bits = Bits(rng.uniform(0, max_flits * c.spec.flit_bits.value));
    s.id = static_cast<MessageId>((i * 7919) % 104729);
    sends.push_back(s);
  }
  std::stable_sort(
      sends.begin(), sends.end(), [](const Send& a, const Send& b) { return a.at < b.at; });
  return sends;
}

inline bool same(const Delivery& a, const Delivery& b) {
  return a.id == b.id && a.to == b.to && a.at == b.at && a.link_wait == b.link_wait &&
         a.credit_wait == b.credit_wait;
}

/// Runs until idle, or until `limit`. `stride` returns how many cycles to ask for at most each
/// time.
template <class Stride>
std::vector<Delivery> run(Fabric& fabric,
                          const std::vector<Send>& sends,
                          std::int64_t limit,
                          Stride&& stride) {
  std::vector<Delivery> all;
  std::size_t next = 0;
  std::int64_t now = -1;
  while (now < limit && (next < sends.size() || !fabric.idle())) {
    if (fabric.idle() && next < sends.size() && sends[next].at > now) {
      now = sends[next].at;
    }
    while (next < sends.size() && sends[next].at <= now) {
      const Send& s = sends[next];
      fabric.inject(s.from, s.to, s.bits, s.id, Cycles(s.at));
      ++next;
    }
    std::int64_t last = std::min(limit, now + stride());
    if (next < sends.size()) {
      last = std::min(last, sends[next].at);
    }
    now = fabric.advance(Cycles(now + 1), Cycles(std::max(last, now + 1)), all).value;
  }
  return all;
}

}  // namespace tessera::arch::fabric::testing
