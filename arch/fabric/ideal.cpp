// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A fabric without contention: only the endpoint's own injection bandwidth limits it.
///
/// A message of n flits injected at t, to an endpoint d hops away (of a mesh of the same size), is
/// delivered at max(t, end of the previous one) + ceil(n / ideal_bandwidth) + ideal_latency
/// + d * ideal_hop_latency, but not before t + 1. With bandwidth 0 the division is 0.
#include "arch/fabric/models.hpp"
#include "arch/fabric/packets.hpp"
#include "arch/fabric/topology.hpp"
#include "arch/fabric/zero_load.hpp"
#include "sim/base/math.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <queue>
#include <tuple>

namespace tessera::arch::fabric {

namespace {

class Ideal final : public Fabric {
 public:
  Ideal(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder)
      : spec_(spec), distance_(spec, layout), recorder_(recorder), tiles_(layout.tiles) {
    const std::size_t endpoints = static_cast<std::size_t>(layout.tiles) + layout.extra.size();
    free_at_.assign(endpoints, 0);
    sent_.assign(endpoints, 0);
  }

  void inject(EndpointId from,
              std::span<const EndpointId> to,
              Bits bits,
              MessageId id,
              Cycles now) override {
    if (!staged_.empty() && staged_.front().at != now.value) {
      commit();
    }
    const std::int64_t flits = split(spec_, bits, to.size() > 1).flits();
    totals_.flits_injected += flits;
    totals_.flits_in_flight += flits * static_cast<std::int64_t>(to.size());
    staged_.push_back({now.value, from, id, flits, {to.begin(), to.end()}});
  }

  [[nodiscard]] bool idle() const override { return totals_.flits_in_flight == 0; }

  Cycles advance(Cycles /*first*/, Cycles last, std::vector<Delivery>& deliveries) override {
    commit();
    if (due_.empty() || due_.top().at > last.value) {
      return last;
    }
    const std::int64_t now = due_.top().at;
    while (!due_.empty() && due_.top().at == now) {
      const Due& d = due_.top();
      deliveries.push_back({d.id, d.to, Cycles(now), Cycles(d.wait), Cycles(0)});
      totals_.flits_ejected += d.flits;
      totals_.flits_in_flight -= d.flits;
      totals_.flit_hops += d.flits * d.hops;
      due_.pop();
    }
    return Cycles(now);
  }

  [[nodiscard]] Cycles zero_load_latency(EndpointId from, EndpointId to, Bits bits) const override {
    return Cycles(latency(hops(from, to), split(spec_, bits, false).flits()));
  }

  [[nodiscard]] Cycles serialization(Bits bits) const override {
    return Cycles(occupancy(split(spec_, bits, false).flits()));
  }

  [[nodiscard]] int hops(EndpointId from, EndpointId to) const override {
    return distance_.hops(from, to);
  }

  [[nodiscard]] FabricTotals totals() const override { return totals_; }

  [[nodiscard]] std::vector<LinkUse> link_use() const override {
    std::vector<LinkUse> use;
    for (std::size_t e = 0; e < sent_.size(); ++e) {
      const int i = static_cast<int>(e);
      use.push_back({i < tiles_ ? fmt::format("tile[{}].inject", i)
                                : fmt::format("port[{}].inject", i - tiles_),
                     sent_[e]});
    }
    return use;
  }

 private:
  struct Staged {
    std::int64_t at;
    EndpointId from;
    MessageId id;
    std::int64_t flits;
    std::vector<EndpointId> to;
  };

  struct Due {
    std::int64_t at;
    EndpointId to;
    MessageId id;
    std::int64_t flits;
    std::int64_t wait;
    int hops;

    bool operator>(const Due& o) const { return std::tie(at, to, id) > std::tie(o.at, o.to, o.id); }
  };

  [[nodiscard]] std::int64_t occupancy(std::int64_t flits) const {
    return spec_.ideal_bandwidth == 0 ? 0 : ceil_div<std::int64_t>(flits, spec_.ideal_bandwidth);
  }

  [[nodiscard]] std::int64_t latency(int hops, std::int64_t flits) const {
    return std::max<std::int64_t>(
        1, spec_.ideal_latency + std::int64_t{spec_.ideal_hop_latency} * hops + occupancy(flits));
  }

  /// Messages of one cycle, in the order that does not depend on the order of the calls.
  void commit() {
    std::sort(staged_.begin(), staged_.end(), [](const Staged& a, const Staged& b) {
      return std::tie(a.from, a.id) < std::tie(b.from, b.id);
    });
    for (const Staged& s : staged_) {
      const auto from = static_cast<std::size_t>(s.from);
      const std::int64_t start = std::max(s.at, free_at_[from]);
      free_at_[from] = start + occupancy(s.flits);
      sent_[from] += s.flits;
      if (recorder_ != nullptr) {
        recorder_->flit(s.from, Cycles(start + 1), s.id);
      }
      for (const EndpointId to : s.to) {
        const int h = hops(s.from, to);
        due_.push({start + latency(h, s.flits), to, s.id, s.flits, start - s.at, h});
      }
    }
    staged_.clear();
  }

  FabricSpec spec_;
  ZeroLoad distance_;
  LinkRecorder* recorder_;
  int tiles_;
  std::vector<std::int64_t> free_at_;  ///< [endpoint]
  std::vector<std::int64_t> sent_;     ///< [endpoint]
  std::vector<Staged> staged_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  FabricTotals totals_;
};

}  // namespace

std::unique_ptr<Fabric> make_ideal(const FabricSpec& spec,
                                   const FabricLayout& layout,
                                   LinkRecorder* recorder) {
  return std::make_unique<Ideal>(spec, layout, recorder);
}

}  // namespace tessera::arch::fabric
