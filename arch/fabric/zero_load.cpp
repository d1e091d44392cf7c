// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/fabric/zero_load.hpp"

#include "sim/base/math.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

namespace tessera::arch::fabric {

namespace {

int ring_distance(int a, int b, int size) {
  const int d = std::abs(a - b);
  return std::min(d, size - d);
}

/// Links of one ring dimension from a to b that come at or after the dateline; they are the last
/// ones.
int after_dateline(int a, int b, int size) {
  const int forward = (b - a + size) % size;
  if (forward == 0) {
    return 0;
  }
  if (2 * forward <= size) {
    return b < a ? b + 1 : 0;  // over the link size-1 -> 0, then up to b
  }
  return b > a ? size - b : 0;  // over the link 0 -> size-1, then down to b
}

}  // namespace

/// Virtual channels that a packet may choose from at its source and at each router on its way.
struct ZeroLoad::Path {
  std::vector<int> vcs;
};

ZeroLoad::ZeroLoad(const FabricSpec& spec, const FabricLayout& layout)
    : spec_(spec), place_(place(spec, layout)) {
  const int width = std::max(1, place_.width);
  for (const int router : place_.router_of) {
    at_.push_back({router % width, router / width});
  }
}

int ZeroLoad::hops(EndpointId from, EndpointId to) const {
  int a = place_.router_of[static_cast<std::size_t>(from)];
  int b = place_.router_of[static_cast<std::size_t>(to)];
  if (spec_.topology == Topology::tree) {
    // Climb from the lower of the two until they meet.
    const auto level = [&](int r) {
      int l = 0;
      while (place_.level_base[static_cast<std::size_t>(l) + 1] <= r) {
        ++l;
      }
      return l;
    };
    int distance = 0;
    while (a != b) {
      int& lower = level(a) <= level(b) ? a : b;
      const auto l = static_cast<std::size_t>(level(lower));
      lower = place_.level_base[l + 1] + (lower - place_.level_base[l]) / spec_.arity;
      ++distance;
    }
    return distance;
  }
  const Place& from_at = at_[static_cast<std::size_t>(from)];
  const Place& to_at = at_[static_cast<std::size_t>(to)];
  if (spec_.topology == Topology::torus) {
    return ring_distance(from_at.x, to_at.x, place_.width) +
           ring_distance(from_at.y, to_at.y, place_.height);
  }
  return std::abs(from_at.x - to_at.x) + std::abs(from_at.y - to_at.y);
}

ZeroLoad::Path ZeroLoad::path(EndpointId from, EndpointId to) const {
  Path p;
  p.vcs.push_back(spec_.num_vcs);
  if (spec_.topology == Topology::torus) {
    const int a = place_.router_of[static_cast<std::size_t>(from)];
    const int b = place_.router_of[static_cast<std::size_t>(to)];
    const int low = spec_.num_vcs / 2;
    const auto ring = [&](int s, int d, int size) {
      const int links = ring_distance(s, d, size);
      const int late = after_dateline(s, d, size);
      for (int i = 0; i < links; ++i) {
        p.vcs.push_back(i < links - late ? low : spec_.num_vcs - low);
      }
    };
    ring(a % place_.width, b % place_.width, place_.width);
    ring(a / place_.width, b / place_.width, place_.height);
    p.vcs.push_back(spec_.num_vcs);
  } else {
    p.vcs.resize(static_cast<std::size_t>(hops(from, to)) + 2, spec_.num_vcs);
  }
  return p;
}

bool ZeroLoad::never_stalls(const Path& path, const Packets& packets) const {
  if (packets.count == 1) {
    return packets.last <= spec_.vc_buffer;
  }
  const int fewest = *std::min_element(path.vcs.begin(), path.vcs.end());
  const int size = packets.full;
  // The packet that used the same channel before must be out of the way ...
  if ((fewest - 1) * size < spec_.routing_delay + spec_.vc_alloc_delay) {
    return false;
  }
  // ... and the credit of the flit one buffer earlier must be back.
  const int forward = spec_.routing_delay + spec_.vc_alloc_delay + spec_.sw_alloc_delay +
                      spec_.st_final_delay + spec_.link_latency;
  const int back = 1 + spec_.link_latency + spec_.credit_delay;

  const int crossed = spec_.vc_buffer < size ? 0 : ceil_div(spec_.vc_buffer - size + 1, size);
  return spec_.vc_buffer + (fewest - 1) * size * crossed >= forward + back;
}

std::int64_t ZeroLoad::recurrence(const Path& path, const Packets& packets) const {
  const int stages = static_cast<int>(path.vcs.size());  // source and routers
  const std::int64_t flits = packets.flits();
  const int size = packets.full;
  const int buffer = spec_.vc_buffer;
  const int wire = spec_.sw_alloc_delay + spec_.st_final_delay + spec_.link_latency;
  const int first_wire = 1 + spec_.link_latency;
  const int source_credit = 1 + spec_.link_latency;
  const int credit = source_credit + spec_.credit_delay;
  // How far back the recurrence looks, in flits.
  const std::int64_t reach = std::min<std::int64_t>(
      flits, std::int64_t{buffer} + std::int64_t{spec_.num_vcs} * size * (buffer / size + 2));
  const std::int64_t rows = reach + 1;
  std::vector<std::int64_t> sent(static_cast<std::size_t>(rows * (stages + 1)));
  std::vector<std::int64_t> allocated(static_cast<std::size_t>(stages));
  const auto at = [&](int stage, std::int64_t flit) -> std::int64_t& {
    return sent[static_cast<std::size_t>(flit % rows * (stages + 1) + stage)];
  };
  // The flit one buffer earlier in the same virtual channel, or -1.
  const auto one_buffer_earlier = [&](std::int64_t packet, int offset, int vcs) {
    int o = offset - buffer;
    while (o < 0 && packet >= vcs) {
      packet -= vcs;
      o += size;
    }
    return o < 0 ? std::int64_t{-1} : packet * size + o;
  };
  for (std::int64_t i = 0; i < flits; ++i) {
    const std::int64_t packet = i / size;
    const int offset = static_cast<int>(i % size);
    const bool head = offset == 0;
    for (int k = 0; k < stages; ++k) {
      const int out_vcs = path.vcs[static_cast<std::size_t>(k)];
      std::int64_t t = 1;
      if (k > 0) {
        t = at(k - 1, i) + (k == 1 ? first_wire : wire);
        if (head) {
          auto& va = allocated[static_cast<std::size_t>(k)];
          const int in_vcs = path.vcs[static_cast<std::size_t>(k) - 1];
          if (packet >= in_vcs) {
            t = std::max(t, at(k, (packet - in_vcs + 1) * size - 1) + 1);
          }
          t += spec_.routing_delay;
          if (packet >= out_vcs) {
            t = std::max(t, at(k, (packet - out_vcs + 1) * size - 1) + 1);
          }
          va = packet > 0 ? std::max(t, va) : t;
          t = va + spec_.vc_alloc_delay;
        }
      }
      if (i > 0) {
        t = std::max(t, at(k, i - 1) + 1);
      }
      const int back = k == 0 ? source_credit : credit;
      const std::int64_t j = one_buffer_earlier(packet, offset, out_vcs);
      if (j >= 0) {
        t = std::max(t, at(k + 1, j) + back);
      }
      at(k, i) = t;
    }
    at(stages, i) = at(stages - 1, i) + wire;  // the endpoint takes every flit at once
  }
  return at(stages, flits - 1) - 1;
}

std::int64_t ZeroLoad::latency(EndpointId from,
                               EndpointId to,
                               const Packets& packets,
                               bool multicast) const {
  const int hop = spec_.routing_delay + spec_.vc_alloc_delay + spec_.sw_alloc_delay +
                  spec_.st_final_delay + spec_.link_latency;
  if (multicast || (packets.count == 1 && packets.last <= spec_.vc_buffer)) {
    return 1 + spec_.link_latency + std::int64_t{hops(from, to) + 1} * hop + packets.flits() - 1;
  }
  const Path way = path(from, to);
  if (never_stalls(way, packets)) {
    return 1 + spec_.link_latency + static_cast<std::int64_t>(way.vcs.size() - 1) * hop +
           packets.flits() - 1;
  }
  std::string key = fmt::format("{}/{}/", packets.count, packets.last);
  for (const int v : way.vcs) {
    key += static_cast<char>(v);
  }
  const auto [it, fresh] = known_.try_emplace(key, 0);
  if (fresh) {
    it->second = recurrence(way, packets);
  }
  return it->second;
}

}  // namespace tessera::arch::fabric
