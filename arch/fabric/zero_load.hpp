// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Latency of a message that meets no other: written from the timing diagram of README.md, not from
/// the simulator, and knowing no router, no event and no allocator.
///
/// Where no credit and no virtual channel can run out within one message,
///   latency = 1 + link_latency + routers * hop + (flits - 1)
///   hop     = routing_delay + vc_alloc_delay + sw_alloc_delay + st_final_delay + link_latency
/// Otherwise the send times obey a recurrence over (router, flit) that is evaluated and remembered.
#pragma once

#include "arch/fabric/packets.hpp"
#include "arch/fabric/spec.hpp"
#include "arch/fabric/topology.hpp"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace tessera::arch::fabric {

class ZeroLoad {
 public:
  ZeroLoad(const FabricSpec& spec, const FabricLayout& layout);

  /// Router-to-router distance.
  [[nodiscard]] int hops(EndpointId from, EndpointId to) const;

  /// Cycles from injection to delivery. For multicast it is the formula above in any case: what its
  /// packets wait for empty buffers counts as waiting.
  [[nodiscard]] std::int64_t latency(EndpointId from,
                                     EndpointId to,
                                     const Packets& packets,
                                     bool multicast) const;

 private:
  struct Path;

  [[nodiscard]] Path path(EndpointId from, EndpointId to) const;
  [[nodiscard]] bool never_stalls(const Path& path, const Packets& packets) const;
  [[nodiscard]] std::int64_t recurrence(const Path& path, const Packets& packets) const;

  struct Place {
    int x;
    int y;
  };

  FabricSpec spec_;
  Placement place_;
  std::vector<Place> at_;  ///< [endpoint] position of its router in a grid
  mutable std::unordered_map<std::string, std::int64_t> known_;
};

}  // namespace tessera::arch::fabric
