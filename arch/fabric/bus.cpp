// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One medium shared by all endpoints: one flit per cycle, a packet at a time, round robin among
/// the endpoints that have one. All destinations of a message listen at once.
///
/// Flit i of a packet granted in cycle g is on the medium in cycle g + sw_alloc_delay + i and
/// reaches every destination link_latency cycles later; arbitration of the next packet overlaps. So
/// a message of n flits takes sw_alloc_delay + link_latency + n - 1 + 1 cycles from injection when
/// nobody else sends.
#include "arch/fabric/models.hpp"
#include "arch/fabric/packets.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <queue>
#include <set>
#include <tuple>

namespace tessera::arch::fabric {

namespace {

class Bus final : public Fabric {
 public:
  Bus(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder)
      : spec_(spec),
        recorder_(recorder),
        queues_(static_cast<std::size_t>(layout.tiles) + layout.extra.size()) {}

  void inject(EndpointId from,
              std::span<const EndpointId> to,
              Bits bits,
              MessageId id,
              Cycles now) override {
    Message m{id, now.value, split(spec_, bits, to.size() > 1), 0, {to.begin(), to.end()}};
    const std::int64_t flits = m.packets.flits();
    totals_.flits_injected += flits;
    totals_.flits_in_flight += flits * static_cast<std::int64_t>(to.size());
    auto& queue = queues_[static_cast<std::size_t>(from)];
    auto place = queue.end();
    while (place != queue.begin() &&
           std::tie(now.value, id) < std::tie(std::prev(place)->injected, std::prev(place)->id)) {
      --place;
    }
    queue.insert(place, std::move(m));
    waiting_.insert(from);
  }

  [[nodiscard]] bool idle() const override { return totals_.flits_in_flight == 0; }

  Cycles advance(Cycles /*first*/, Cycles last, std::vector<Delivery>& deliveries) override {
    // A grant of cycle g delivers after g, so grants up to the next delivery are safe to make.
    while (true) {
      const std::int64_t horizon = due_.empty() ? last.value : std::min(last.value, due_.top().at);
      const std::int64_t g = next_grant();
      if (g > horizon) {
        break;
      }
      grant(g);
    }
    if (due_.empty() || due_.top().at > last.value) {
      return last;
    }
    const std::int64_t now = due_.top().at;
    while (!due_.empty() && due_.top().at == now) {
      const Due& d = due_.top();
      deliveries.push_back({d.id, d.to, Cycles(now), Cycles(d.wait), Cycles(0)});
      totals_.flits_ejected += d.flits;
      totals_.flits_in_flight -= d.flits;
      due_.pop();
    }
    return Cycles(now);
  }

  [[nodiscard]] Cycles zero_load_latency(EndpointId /*from*/,
                                         EndpointId /*to*/,
                                         Bits bits) const override {
    return Cycles(uncontended(split(spec_, bits, false).flits()));
  }

  [[nodiscard]] Cycles serialization(Bits bits) const override {
    return Cycles(split(spec_, bits, false).flits());
  }

  [[nodiscard]] int hops(EndpointId /*from*/, EndpointId /*to*/) const override { return 0; }

  [[nodiscard]] FabricTotals totals() const override { return totals_; }

  [[nodiscard]] std::vector<LinkUse> link_use() const override { return {{"bus", used_}}; }

 private:
  struct Message {
    MessageId id;
    std::int64_t injected;
    Packets packets;
    std::int64_t sent;  ///< packets
    std::vector<EndpointId> to;
  };

  struct Due {
    std::int64_t at;
    EndpointId to;
    MessageId id;
    std::int64_t flits;
    std::int64_t wait;

    bool operator>(const Due& o) const { return std::tie(at, to, id) > std::tie(o.at, o.to, o.id); }
  };

  [[nodiscard]] std::int64_t uncontended(std::int64_t flits) const {
    return spec_.sw_alloc_delay + spec_.link_latency + flits;
  }

  /// The first cycle in which the bus can be granted to somebody.
  [[nodiscard]] std::int64_t next_grant() const {
    std::int64_t earliest = std::numeric_limits<std::int64_t>::max();
    for (const EndpointId e : waiting_) {
      earliest = std::min(earliest, queues_[static_cast<std::size_t>(e)].front().injected + 1);
      if (earliest <= free_at_) {
        return free_at_;
      }
    }
    return earliest;
  }

  void grant(std::int64_t g) {
    // Round robin from the endpoint after the last one served.
    auto it = waiting_.lower_bound(next_);
    for (std::size_t tries = 0; tries <= waiting_.size(); ++tries, ++it) {
      if (it == waiting_.end()) {
        it = waiting_.begin();
      }
      if (queues_[static_cast<std::size_t>(*it)].front().injected < g) {
        break;
      }
    }
    const EndpointId from = *it;
    auto& queue = queues_[static_cast<std::size_t>(from)];
    Message& m = queue.front();
    ++m.sent;
    const bool done = m.sent == m.packets.count;
    const int flits = done ? m.packets.last : m.packets.full;
    for (int i = 0; recorder_ != nullptr && i < flits; ++i) {
      recorder_->flit(0, Cycles(g + spec_.sw_alloc_delay + i), m.id);
    }
    free_at_ = g + flits;
    used_ += flits;
    next_ = from + 1;
    if (!done) {
      return;
    }
    const std::int64_t at = g + flits - 1 + spec_.sw_alloc_delay + spec_.link_latency;
    const std::int64_t total = m.packets.flits();
    for (const EndpointId to : m.to) {
      due_.push({at, to, m.id, total, at - m.injected - uncontended(total)});
    }
    queue.pop_front();
    if (queue.empty()) {
      waiting_.erase(from);
    }
  }

  FabricSpec spec_;
  LinkRecorder* recorder_;
  std::vector<std::deque<Message>> queues_;  ///< [endpoint]
  std::set<EndpointId> waiting_;             ///< endpoints with a nonempty queue
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::int64_t free_at_ = 0;
  std::int64_t used_ = 0;
  EndpointId next_ = 0;
  FabricTotals totals_;
};

}  // namespace

std::unique_ptr<Fabric> make_bus(const FabricSpec& spec,
                                 const FabricLayout& layout,
                                 LinkRecorder* recorder) {
  return std::make_unique<Bus>(spec, layout, recorder);
}

}  // namespace tessera::arch::fabric
