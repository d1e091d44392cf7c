// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The contract between the engine and any interconnect: pure C++, driven cycle by cycle.
///
/// Two-phase time: a message handed over by inject(..., now) is seen by the network in cycle now +
/// 1; a delivery completed in cycle c is seen by the endpoint in cycle c + 1 (the caller's duty).
/// The order of inject calls within one cycle must not change any result except through `id`: the
/// network orders same-cycle injections by (source endpoint, id).
#pragma once

#include "sim/base/units.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

using EndpointId = std::int32_t;
using MessageId = std::uint32_t;

/// A message whose last flit left the network at `to` in cycle `at`.
/// `link_wait` and `credit_wait`: cycles beyond the zero-load latency of this message to this
/// endpoint, by cause (lost arbitration or queued behind another packet; no credit downstream).
struct Delivery {
  MessageId id = 0;
  EndpointId to = 0;
  Cycles at;
  Cycles link_wait;
  Cycles credit_wait;
};

/// Use of one directed link, over the whole run.
struct LinkUse {
  std::string name;  ///< for example "router[3].east"
  std::int64_t flits = 0;
};

struct FabricTotals {
  std::int64_t flits_injected = 0;  ///< per message once, however many destinations
  std::int64_t flits_ejected = 0;   ///< per destination
  std::int64_t flit_hops = 0;       ///< link traversals between routers
  std::int64_t flits_in_flight = 0;
};

class Fabric {
 public:
  virtual ~Fabric() = default;

  /// Hands a message of `bits` (header flits are the network's business) from one endpoint to all
  /// of `to` (sorted, distinct, never containing `from`). The source queue is unbounded.
  virtual void inject(
      EndpointId from, std::span<const EndpointId> to, Bits bits, MessageId id, Cycles now) = 0;

  /// Nothing queued, nothing in flight.
  [[nodiscard]] virtual bool idle() const = 0;

  /// Simulates cycles first..last (both included) in order, skipping dead time, and stops early
  /// after the first cycle in which something was delivered; appends those deliveries, ordered by
  /// (to, id). Returns the last cycle simulated. Called with contiguous, never overlapping ranges,
  /// except that a range in which the fabric was idle may be left out.
  virtual Cycles advance(Cycles first, Cycles last, std::vector<Delivery>& deliveries) = 0;

  /// Latency of an uncontended message, closed form: injected at cycle t, delivered at t + this.
  [[nodiscard]] virtual Cycles zero_load_latency(EndpointId from,
                                                 EndpointId to,
                                                 Bits bits) const = 0;

  /// Cycles during which a message occupies its source's injection link (closed form).
  [[nodiscard]] virtual Cycles serialization(Bits bits) const = 0;

  /// Router-to-router hops between two endpoints.
  [[nodiscard]] virtual int hops(EndpointId from, EndpointId to) const = 0;

  [[nodiscard]] virtual FabricTotals totals() const = 0;
  [[nodiscard]] virtual std::vector<LinkUse> link_use() const = 0;
};

}  // namespace tessera
