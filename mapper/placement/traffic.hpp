// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What an image sends through the fabric under a mapping, and which links that loads.
///
/// A Flow is a sparse row of the traffic matrix: equal messages from one thing to all of several at
/// once. A *thing* is whatever the caller places: an endpoint, when the mapping is taken as it is,
/// or a part of the Program (all that one replica does on one tile), when somebody wants to move
/// parts about.
///
/// Units    messages, flits and hops per image; a hop is a flit on a link between routers, and a
///          multicast takes each link of its tree once
/// Exact    for every stage but a source whose small positions share packets. How many of them
///          leave together depends on when line buffers have room; assumed is a source that waits
///          for its consumers and consumers that fire in order. That is exact for one image, one
///          I/O port and one consumer that is slower than the source; elsewhere packets are torn a
///          little differently, and the flits of the source differ by their headers
/// Source   routing and multicast trees: arch/fabric/README.md; who needs which position: README.md
///          of mapper, "Lowering"
#pragma once

#include "arch/chip/chip.hpp"
#include "arch/fabric/topology.hpp"
#include "sim/api/fabric.hpp"
#include "sim/api/program.hpp"
#include "sim/base/units.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tessera::mapper {

struct Flow {
  int from = 0;
  std::vector<int> to;  ///< rising, without `from`, never empty
  std::int64_t messages = 0;
  Bits bits{0};  ///< of one message

  bool operator==(const Flow&) const = default;
};

/// All messages of an image: positions to everybody who needs them, and partial sums to their
/// replica's home. `thing_of` has an entry per Program::parts; parts of the same thing send each
/// other nothing.
std::vector<Flow> find_flows(const Network& network,
                             const Program& program,
                             std::span<const int> thing_of);

/// The routing of a chip's fabric, without time. Links are numbered as in Fabric::link_use().
class Routes {
 public:
  explicit Routes(const arch::chip::Chip& chip);

  [[nodiscard]] int links() const { return links_; }

  /// As in Fabric::link_use().
  [[nodiscard]] std::string name(int link) const;

  /// Links below this one carry what a single endpoint injects or ejects: no placement of the other
  /// endpoints changes that. The medium of a bus is shared.
  [[nodiscard]] int first_shared_link() const { return first_shared_; }

  /// Of a message of `bits`; the packets of a multicast are shorter.
  [[nodiscard]] std::int64_t flits(Bits bits, bool multicast) const;

  /// Hops of one flit from `from` to all of `to` (distinct, without `from`). Appends the shared
  /// links that it takes to `links`, each once.
  int route(EndpointId from, std::span<const EndpointId> to, std::vector<int>& links);

  [[nodiscard]] int hops(EndpointId from, EndpointId to) const { return fabric_->hops(from, to); }

  /// Adds `flits` to the links that only the message's ends use.
  void load_ends(EndpointId from,
                 std::span<const EndpointId> to,
                 std::int64_t flits,
                 std::vector<std::int64_t>& link_flits) const;

  /// Whether each destination of a multicast costs hops of its own (`ideal`).
  [[nodiscard]] bool unicast_only() const;

 private:
  /// Notes the way of a message in `into`.
  void find_way(EndpointId from, EndpointId to, std::vector<int>& into) const;

  arch::fabric::FabricSpec spec_;
  std::unique_ptr<Fabric> fabric_;
  arch::fabric::Graph graph_;  ///< empty for bus and ideal
  int links_ = 0;
  int first_shared_ = 0;
  /// [router][router] the link by which messages from the one arrive at the other; found when
  /// first asked for. The ways from a router are a tree.
  std::vector<std::vector<int>> into_;
  std::vector<int> seen_;  ///< [link] the route that took it last
  int routes_ = 0;
};

/// Of one image.
struct Traffic {
  std::int64_t flits_injected = 0;  ///< per message once, as in FabricTotals
  std::int64_t flit_hops = 0;
  std::vector<std::int64_t> link_flits;  ///< [link], as Fabric::link_use()
  int busiest_link = -1;                 ///< of those that messages of several endpoints share
  std::int64_t busiest_flits = 0;
};

/// `endpoint_of` has an entry per thing.
Traffic find_traffic(const std::vector<Flow>& flows,
                     std::span<const EndpointId> endpoint_of,
                     Routes& routes);

/// Of a Program as it is.
Traffic find_traffic(const Network& network, const Program& program, Routes& routes);

}  // namespace tessera::mapper
