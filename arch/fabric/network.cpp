// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Flit-level wormhole network: input-queued routers with virtual channels and credits.
///
/// A flit is written into the buffer it travels to when it wins the switch, with the cycle in which
/// it arrives; a buffer slot that a flit leaves holds the cycle in which its credit is back. So the
/// flits of a packet that streams through a router cause no event at all: their virtual channel
/// keeps asking for the switch as long as the next flit and the next credit are there in time.
/// Only what somebody waits for (a head, a flit of an empty virtual channel, a credit of a full
/// one, a pipeline stage) waits in a wheel, one slot per cycle. A router is walked only in cycles
/// in which one of its virtual channels has a flit and a credit; a virtual channel is allocated
/// only when a head arrives or a channel is released. So the cost of a run is proportional to flits
/// times hops, and cycles without event are skipped.
///
/// Links, their virtual channels and buffers are laid out in arrays, joined by pointers. A virtual
/// channel belongs to the far end of its link; the near end sends to it. A *lane* leads a packet
/// from a virtual channel to one output: every virtual channel has one, branches of multicast
/// packets are further ones.
///
/// Order within a cycle: wheel (heads, flits and credits waited for, stages), virtual-channel
/// allocation, switch allocation, sources. No step reads what the same step wrote for another
/// router.
#include "arch/fabric/models.hpp"
#include "arch/fabric/packets.hpp"
#include "arch/fabric/topology.hpp"
#include "arch/fabric/zero_load.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <deque>
#include <limits>
#include <numeric>
#include <queue>
#include <vector>

namespace tessera::arch::fabric {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Lowest set bit at or after `from`, cyclically; without a branch, because none would be
/// predicted. `mask` must not be 0.
template <class Mask>
unsigned first_from(Mask mask, unsigned from) {
  constexpr unsigned kLast = std::numeric_limits<Mask>::digits - 1;
  const Mask rotated = std::rotr(mask, static_cast<int>(from & kLast));
  return (static_cast<unsigned>(__builtin_ctzll(rotated)) + from) & kLast;
}

constexpr std::uint64_t bit(unsigned i) {
  return std::uint64_t{1} << i;
}

/// Set of small integers with iteration in order; the cost is that of the members. A bit of a word
/// of the upper level says that a word of the lower level is not empty.
class Bitset {
 public:
  explicit Bitset(int size) : lower_(ix(size) / 64 + 1), upper_(lower_.size() / 64 + 1) {}

  void set(int i) {
    const auto at = static_cast<unsigned>(i);
    lower_[at >> 6] |= bit(at & 63);
    upper_[at >> 12] |= bit(at >> 6 & 63);
  }

  void clear(int i) {
    const auto at = static_cast<unsigned>(i);
    lower_[at >> 6] &= ~bit(at & 63);
    if (lower_[at >> 6] == 0) {
      upper_[at >> 12] &= ~bit(at >> 6 & 63);
    }
  }

  [[nodiscard]] bool any() const {
    return std::any_of(upper_.begin(), upper_.end(), [](std::uint64_t w) { return w != 0; });
  }

  /// Calls f(i) for each member; f may clear its own member and must not set others.
  template <class F>
  void each(F&& f) {
    for (std::size_t u = 0; u < upper_.size(); ++u) {
      for (std::uint64_t words = upper_[u]; words != 0; words &= words - 1) {
        const std::size_t w = u * 64 + ix(std::countr_zero(words));
        for (std::uint64_t bits = lower_[w]; bits != 0; bits &= bits - 1) {
          f(static_cast<int>(w * 64) + std::countr_zero(bits));
        }
      }
    }
  }

 private:
  std::vector<std::uint64_t> lower_;
  std::vector<std::uint64_t> upper_;
};

/// A flit is the index of its packet and four flags. Head and tail are ordered when the message has
/// other packets.
using Flit = std::uint32_t;
constexpr Flit kHead = 1;
constexpr Flit kTail = 2;
constexpr Flit kMulticast = 4;
constexpr Flit kOrdered = 8;

constexpr Flit make_flit(std::uint32_t packet, bool head, bool tail, Flit kind) {
  return packet << 4U | (head ? kHead : 0U) | (tail ? kTail : 0U) | kind;
}

constexpr std::uint32_t packet_of(Flit f) {
  return f >> 4U;
}

/// Cycles since the network's epoch.
using Tick = std::uint32_t;
constexpr std::int64_t kEpoch = std::int64_t{1} << 31U;  ///< cycles until the epoch moves
constexpr unsigned kWorthwhile = 5;  ///< fewest buffered flits for which sending ahead pays
constexpr int kAhead = 32;           ///< most flits sent ahead at once
constexpr Tick kUnknown = std::numeric_limits<Tick>::max();

/// Place of one flit in a buffer.
struct Slot {
  Flit flit;
  Tick at;  ///< with a flit: when it arrives or arrived; without: when its credit is back
};

struct Lane;

struct Packet {
  std::uint32_t message;
  std::int32_t destination;  ///< of a unicast packet
  std::int32_t flits;
  std::int32_t stalled;       ///< cycles without credit so far
  std::int32_t set = -1;      ///< multicast: index of the destination set
  std::int32_t set_from = 0;  ///< multicast: this copy goes to [set_from, set_to) of it
  std::int32_t set_to = 0;
  // Ordered packets only. Routers are counted along the way, the first one is 1.
  std::int32_t before = -1;  ///< previous packet of the message while it is in the network
  std::int32_t after = -1;   ///< next packet of the message
  std::int32_t entered = 0;  ///< routers in which the head has asked for a virtual channel
  std::int32_t left = 0;     ///< routers that the tail has left
  Lane* at = nullptr;        ///< virtual channel in which the head waits
};

struct Message {
  MessageId id = 0;
  EndpointId from = -1;
  std::int64_t injected = 0;
  Packets packets;
  std::int64_t next_packet = 0;
  std::int64_t arrived = 0;  ///< packets, of a unicast message
  std::int64_t owed = 0;     ///< destinations not served yet
  std::int64_t stalled = 0;  ///< cycles without credit at the source
  std::int32_t destination = -1;
  std::int32_t newest = -1;  ///< packet, unicast only
  std::uint32_t next = 0;    ///< in the source's queue
  bool multicast = false;
  std::vector<EndpointId> to;             ///< multicast only
  std::vector<std::int64_t> arrived_per;  ///< multicast only: packets per destination
};

/// Destination set of one multicast packet; all its copies share it and own disjoint ranges.
struct Set {
  std::vector<EndpointId> to;
  int copies = 0;
};

/// `behind`: the previous packet of the message has not asked for its virtual channel here; `held`:
/// it has not left the router; `filling`: the new buffer of a multicast branch still drains.
enum class LaneState : std::uint8_t {
  idle,
  routing,
  behind,
  waiting,
  allocated,
  held,
  filling,
  active
};

/// A link as an input port of the router it enters.
struct Input {
  std::uint64_t offers = 0;         ///< output ports that grant in this cycle
  std::uint32_t* wishes = nullptr;  ///< [output port] virtual channels
  Lane* channels = nullptr;
  std::int32_t link = -1;
  std::int32_t router = -1;
  std::int32_t source = -1;  ///< endpoint, or -1 when the link comes from a router
  Tick credit_delay = 0;     ///< from the switch to a usable credit at the near end
  std::uint8_t port = 0;
  std::uint8_t next_output = 0;  ///< accept priority
  std::uint8_t next_vc = 0;      ///< priority among its virtual channels
};

/// Waiting heads and free virtual channels of one link and dateline class.
struct Pool {
  Lane** free_channels = nullptr;  ///< ring of `size`
  Lane* wait_head = nullptr;
  Lane* wait_tail = nullptr;
  std::int32_t size = 0;
  std::int32_t oldest = 0;  ///< position of the channel released longest ago
  std::int32_t free = 0;
  bool listed = false;
};

/// A link as an output port of the router it leaves.
struct Output {
  std::uint64_t asking = 0;  ///< input ports with a flit and a credit for it
  std::int64_t flits = 0;    ///< sent so far
  Pool* pools = nullptr;     ///< [dateline class]
  std::int32_t link = -1;
  std::int32_t endpoint = -1;   ///< of an ejection link
  std::uint8_t next_input = 0;  ///< grant priority
};

/// Flits of one virtual channel that leave in the cycles first .. last, one in each, and have been
/// sent already because nobody else asks for anything in the router.
struct Ahead {
  Lane* channel = nullptr;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::uint64_t outputs = 0;  ///< ports that all these flits take
};

struct Router {
  std::uint64_t busy = 0;  ///< output ports that somebody asks for
  Input* inputs = nullptr;
  Output* outputs = nullptr;
  Ahead ahead;
};

/// The way of a packet to one output, and the virtual channel it starts from. What most cycles need
/// fills the first cache line.
struct alignas(64) Lane {
  Lane* channel = nullptr;  ///< virtual channel allocated at the far end
  Output* out = nullptr;
  Lane* sibling = nullptr;  ///< branch: next branch of the packet; virtual channel: first branch
  // The virtual channel.
  Slot* ring = nullptr;    ///< buffer; branch: none
  Input* in = nullptr;     ///< port that it is part of
  Lane* user = nullptr;    ///< lane of the near end that has it allocated
  Pool* pool = nullptr;    ///< the near end's allocator
  std::uint16_t head = 0;  ///< flits that left so far, modulo 2^16
  std::uint16_t tail = 0;  ///< flits sent to it so far
  std::uint8_t port = 0;   ///< output port of the router
  std::uint8_t vc = 0;
  LaneState state = LaneState::idle;
  bool wanted : 1 = false;  ///< the near end waits for a credit of a flit that is still here
  bool hungry : 1 = false;  ///< the packet in front waits for a flit that is not sent yet
  // The rest of the lane.
  std::int64_t blocked = kNever;  ///< cycle since when only a credit is missing
  Lane* owner = nullptr;          ///< branch: virtual channel that the packet waits in
  Lane* next = nullptr;           ///< in an allocation queue
  std::uint32_t packet = 0;       ///< branch: its copy
  std::int32_t flits = 0;         ///< branch: of the packet; the copy is gone once it arrived
  std::int32_t sent = 0;  ///< branch: flits sent; virtual channel: those of a multicast packet gone

  [[nodiscard]] bool empty() const { return head == tail; }

  [[nodiscard]] unsigned filled() const { return static_cast<std::uint16_t>(tail - head); }
};

static_assert(sizeof(Lane) == 128);

struct Source {
  std::int32_t queue_head = -1;
  std::int32_t queue_tail = -1;
  std::uint32_t packet = 0;
  std::int32_t flits = 0;  ///< of the packet under way; 0 when none is
  std::int32_t sent = 0;
  Flit kind = 0;
  Lane* channel = nullptr;
  Lane* channels = nullptr;  ///< of the injection link
  std::int64_t blocked = kNever;
  std::int64_t total = 0;   ///< flits sent
  std::int64_t until = -1;  ///< last cycle for which a flit has been sent ahead
};

struct Ejection {
  std::int32_t endpoint;
  std::uint32_t packet;
};

/// What comes due in one cycle.
struct Due {
  std::vector<Lane*> heads;           ///< virtual channels that a head reaches
  std::vector<Lane*> resumptions;     ///< lanes that may go on
  std::vector<std::int32_t> sources;  ///< endpoints that may go on
  std::vector<Lane*> routed;          ///< virtual channels
  std::vector<Lane*> activations;     ///< lanes with a virtual channel
  std::vector<Ejection> ejections;    ///< of tails
};

class Network final : public Fabric {
 public:
  Network(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder);

  void inject(EndpointId from,
              std::span<const EndpointId> to,
              Bits bits,
              MessageId id,
              Cycles now) override;

  [[nodiscard]] bool idle() const override { return owed_ == 0; }

  Cycles advance(Cycles first, Cycles last, std::vector<Delivery>& deliveries) override;

  [[nodiscard]] Cycles zero_load_latency(EndpointId from, EndpointId to, Bits bits) const override {
    return Cycles(zero_load_.latency(from, to, split(spec_, bits, false), false));
  }

  [[nodiscard]] Cycles serialization(Bits bits) const override {
    return Cycles(split(spec_, bits, false).flits());
  }

  [[nodiscard]] int hops(EndpointId from, EndpointId to) const override {
    return zero_load_.hops(from, to);
  }

  [[nodiscard]] FabricTotals totals() const override;

  [[nodiscard]] std::vector<LinkUse> link_use() const override;

 private:
  void cycle();
  void rebase();
  [[nodiscard]] std::int64_t next_event() const;
  void take_head(Lane& channel);
  void resume(Lane& lane);
  void starve(Lane& lane, Tick from);
  void finish(std::uint32_t packet, std::int32_t endpoint);
  void route_or_delay(Lane& channel, std::int64_t from);
  void route_head(Lane& channel);
  void enter(Lane& channel, std::uint32_t packet);
  void fork(Lane& channel, std::uint32_t packet);
  [[nodiscard]] Hop route(const Lane& channel, EndpointId destination) const;
  void wait_for_channel(Lane& lane, const Input& in, Hop hop);
  void allocate(Pool& pool, Lane& lane);
  void allocate_channels(Pool& pool);
  void activate(Lane& lane);
  void let_send(Lane& channel, Tick from);
  void allocate_switch(Router& router);
  Lane& accept(Router& router, Input& in);
  void send_ahead(Router& router, Lane& channel);
  void end_ahead(Router& router);
  [[nodiscard]] bool is_ahead(const Lane& channel);
  [[nodiscard]] bool is_ready(Lane& channel, Tick from);
  void source_ahead(int endpoint);
  void send(Lane& channel);
  void send_branch(Lane& branch);
  void free_slots(Lane& channel);
  void run_source(int endpoint);
  bool start_packet(int endpoint);
  void block_source(int endpoint);
  void put_on_link(Output& out, Lane& channel, Flit flit, int later);
  void write(Lane& channel, Flit flit, int delay);
  void release(Lane& channel);
  void return_credit(Lane& channel);
  void end_or_order(Lane& channel, Flit flit);
  void next_packet(Lane& channel);
  void ask(const Lane& owner, const Lane& lane);
  void stop_asking(const Lane& owner, const Lane& lane);
  void refresh_branches(Lane& channel);
  Lane& new_branch();
  std::uint32_t new_packet(const Packet& packet);
  void drop_packet(std::uint32_t packet);
  [[nodiscard]] std::vector<std::int64_t> link_flits() const;

  /// What comes due in cycle `at`, to be added to.
  Due& due(std::int64_t at) {
    const std::size_t slot = ix(at) & wheel_mask_;
    due_[slot >> 6] |= bit(slot & 63);
    return wheel_[slot];
  }

  /// Buffer slot of the flit that is the `count`-th ever sent to the channel.
  [[nodiscard]] Slot& slot(const Lane& channel, unsigned count) const {
    return channel.ring[count & ring_mask_];
  }

  [[nodiscard]] Slot& front(const Lane& channel) const { return slot(channel, channel.head); }

  /// When the near end has a credit for the channel.
  [[nodiscard]] Tick room_from(const Lane& channel) const {
    return channel.filled() == buffer_ ? kUnknown : slot(channel, channel.tail - buffer_).at;
  }

  /// When the near end has all credits of the channel.
  [[nodiscard]] Tick empty_from(const Lane& channel) const {
    return channel.empty() ? slot(channel, channel.tail - 1U).at : kUnknown;
  }

  FabricSpec spec_;
  Graph graph_;
  ZeroLoad zero_load_;
  LinkRecorder* recorder_;
  int vcs_;
  unsigned buffer_;
  unsigned ring_mask_;  ///< slots set aside per virtual channel, less one
  int wire_;            ///< switch allocation to arrival
  int injection_;       ///< source to arrival
  int credit_wire_;     ///< switch allocation to a credit usable upstream
  int source_credit_;   ///< the same, upstream being a source
  std::int64_t now_ = -1;
  std::int64_t epoch_ = 0;
  Tick tick_ = 0;  ///< now_ - epoch_

  std::vector<Slot> slots_;            ///< [link][virtual channel][slot]
  std::vector<Lane> lanes_;            ///< [link][virtual channel]
  std::vector<Pool> pools_;            ///< [link][class]
  std::vector<Lane*> free_;            ///< of the pools
  std::vector<Input> inputs_;          ///< [router][port]
  std::vector<Output> outputs_;        ///< [router][port]
  std::vector<Router> routers_;        ///< [router]
  std::vector<std::uint32_t> wishes_;  ///< of the inputs
  std::vector<Source> sources_;        ///< [endpoint]
  Bitset busy_routers_;
  Bitset ready_sources_;
  std::deque<Lane> branches_;
  std::vector<Lane*> spare_branches_;

  std::vector<Pool*> allocations_;     ///< pools that may grant
  std::int64_t allocation_cycle_ = 0;  ///< of the next allocation of channels and switches

  using Wake = std::pair<std::int64_t, std::int32_t>;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;

  std::vector<Packet> packets_;
  std::vector<std::uint32_t> spare_packets_;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> spare_messages_;
  std::vector<Set> sets_;
  std::vector<std::int32_t> spare_sets_;
  std::vector<std::pair<std::int32_t, EndpointId>> fork_scratch_;

  std::vector<Due> wheel_;  ///< a power of two of slots, one per cycle
  std::size_t wheel_mask_ = 0;
  std::vector<std::uint64_t> due_;  ///< bit per slot of the wheel

  std::int64_t injected_ = 0;  ///< flits
  std::int64_t to_eject_ = 0;  ///< flits, once per destination
  std::int64_t owed_ = 0;      ///< deliveries
  std::vector<Delivery>* deliveries_ = nullptr;
};

Network::Network(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder)
    : spec_(spec),
      graph_(build_graph(spec, layout)),
      zero_load_(spec, layout),
      recorder_(recorder),
      vcs_(spec.num_vcs),
      buffer_(static_cast<unsigned>(spec.vc_buffer)),
      ring_mask_(std::bit_ceil(buffer_) - 1),
      wire_(spec.sw_alloc_delay + spec.st_final_delay + spec.link_latency),
      injection_(1 + spec.link_latency),
      credit_wire_(1 + spec.link_latency + spec.credit_delay),
      source_credit_(1 + spec.link_latency),
      lanes_(graph_.links.size() * ix(vcs_)),
      pools_(graph_.links.size() * 2),
      inputs_(graph_.in_links.size()),
      outputs_(graph_.out_links.size()),
      routers_(ix(graph_.place.routers)),
      sources_(ix(graph_.endpoints)),
      busy_routers_(graph_.place.routers),
      ready_sources_(graph_.endpoints) {
  slots_.resize(lanes_.size() * (ring_mask_ + 1));
  std::size_t wishes = 0;
  for (std::size_t r = 0; r < routers_.size(); ++r) {
    wishes += ix(graph_.in_base[r + 1] - graph_.in_base[r]) *
              ix(graph_.out_base[r + 1] - graph_.out_base[r]);
  }
  wishes_.resize(wishes);
  wishes = 0;
  for (std::size_t r = 0; r < routers_.size(); ++r) {
    const auto in_base = ix(graph_.in_base[r]);
    const auto out_base = ix(graph_.out_base[r]);
    const auto num_outputs = ix(graph_.out_base[r + 1]) - out_base;
    routers_[r].inputs = inputs_.data() + in_base;
    routers_[r].outputs = outputs_.data() + out_base;
    for (std::size_t i = in_base; i < ix(graph_.in_base[r + 1]); ++i) {
      Input& in = inputs_[i];
      in.link = graph_.in_links[i];
      in.channels = &lanes_[ix(in.link) * ix(vcs_)];
      in.router = static_cast<std::int32_t>(r);
      in.source = in.link < graph_.endpoints ? in.link : -1;
      in.credit_delay = static_cast<Tick>(in.source < 0 ? credit_wire_ : source_credit_);
      in.port = static_cast<std::uint8_t>(i - in_base);
      in.wishes = wishes_.data() + wishes;
      wishes += num_outputs;
      for (int v = 0; v < vcs_; ++v) {
        in.channels[v].in = &in;
      }
    }
    for (std::size_t o = out_base; o < out_base + num_outputs; ++o) {
      const int link = graph_.out_links[o];
      outputs_[o].link = link;
      outputs_[o].endpoint = link < 2 * graph_.endpoints ? link - graph_.endpoints : -1;
      outputs_[o].pools = &pools_[ix(link) * 2];
    }
  }
  free_.resize(lanes_.size());
  for (std::size_t l = 0; l < graph_.links.size(); ++l) {
    const int low = graph_.links[l].ring ? vcs_ / 2 : vcs_;
    for (int v = 0; v < vcs_; ++v) {
      const std::size_t c = l * ix(vcs_) + ix(v);
      Pool& pool = pools_[2 * l + (v < low ? 0 : 1)];
      pool.free_channels = v == 0 || v == low ? &free_[c] : pool.free_channels;
      pool.size = ++pool.free;
      free_[c] = &lanes_[c];
      lanes_[c].ring = slots_.data() + c * (ring_mask_ + 1);
      lanes_[c].pool = &pool;
      lanes_[c].vc = static_cast<std::uint8_t>(v);
    }
  }
  for (std::size_t e = 0; e < sources_.size(); ++e) {
    sources_[e].channels = &lanes_[e * ix(vcs_)];
  }
  const int longest = std::max(
      {wire_ + credit_wire_ + 1, injection_, spec.routing_delay + 1, spec.vc_alloc_delay + 1});
  wheel_.resize(std::bit_ceil(ix(longest + kAhead) + 1));
  wheel_mask_ = wheel_.size() - 1;
  due_.resize((wheel_.size() + 63) / 64);
}

// ---- messages and sources -----------------------------------------------------------------------

void Network::inject(
    EndpointId from, std::span<const EndpointId> to, Bits bits, MessageId id, Cycles now) {
  std::uint32_t index = 0;
  if (spare_messages_.empty()) {
    index = static_cast<std::uint32_t>(messages_.size());
    messages_.emplace_back();
  } else {
    index = spare_messages_.back();
    spare_messages_.pop_back();
  }
  Message& m = messages_[index];
  m.id = id;
  m.from = from;
  m.injected = now.value;
  m.multicast = to.size() > 1;
  m.packets = split(spec_, bits, m.multicast);
  m.next_packet = 0;
  m.arrived = 0;
  m.stalled = 0;
  m.newest = -1;
  m.owed = static_cast<std::int64_t>(to.size());
  m.destination = to.front();
  if (m.multicast) {
    m.to.assign(to.begin(), to.end());
    m.arrived_per.assign(to.size(), 0);
  }
  const std::int64_t flits = m.packets.flits();
  injected_ += flits;
  to_eject_ += flits * m.owed;
  owed_ += m.owed;

  // Behind everything that is older, and among messages of the same cycle in order of id.
  Source& s = sources_[ix(from)];
  const auto younger = [&](std::int32_t other) {
    const Message& o = messages_[ix(other)];
    return o.injected > now.value || (o.injected == now.value && o.id > id);
  };
  if (s.queue_tail < 0 || !younger(s.queue_tail)) {
    m.next = UINT32_MAX;
    if (s.queue_tail < 0) {
      s.queue_head = static_cast<std::int32_t>(index);
    } else {
      messages_[ix(s.queue_tail)].next = index;
    }
    s.queue_tail = static_cast<std::int32_t>(index);
  } else if (younger(s.queue_head)) {
    m.next = static_cast<std::uint32_t>(s.queue_head);
    s.queue_head = static_cast<std::int32_t>(index);
  } else {
    std::int32_t before = s.queue_head;
    while (!younger(static_cast<std::int32_t>(messages_[ix(before)].next))) {
      before = static_cast<std::int32_t>(messages_[ix(before)].next);
    }
    m.next = messages_[ix(before)].next;
    messages_[ix(before)].next = index;
  }
  if (now.value <= now_) {
    ready_sources_.set(from);
  } else {
    wakes_.emplace(now.value + 1, from);
  }
}

/// Gives the next packet of the first message a virtual channel. False: no credit.
bool Network::start_packet(int endpoint) {
  Source& s = sources_[ix(endpoint)];
  Message& m = messages_[ix(s.queue_head)];
  Pool& pool = *s.channels->pool;
  const auto at = [&](int i) -> Lane*& {
    return pool.free_channels[(pool.oldest + i) % pool.size];
  };
  // Channels in the order of their release; the first with room.
  int position = 0;
  while (position < pool.free &&
         (m.multicast ? empty_from(*at(position)) : room_from(*at(position))) > tick_) {
    ++position;
  }
  if (position == pool.free) {
    return false;
  }
  s.channel = at(position);
  for (int i = position; i > 0; --i) {
    at(i) = at(i - 1);
  }
  pool.oldest = (pool.oldest + 1) % pool.size;
  --pool.free;
  s.flits = m.next_packet + 1 == m.packets.count ? m.packets.last : m.packets.full;
  s.sent = 0;
  ++m.next_packet;
  Packet p{};
  p.message = static_cast<std::uint32_t>(s.queue_head);
  p.destination = m.destination;
  p.flits = s.flits;
  if (m.multicast) {
    if (spare_sets_.empty()) {
      p.set = static_cast<std::int32_t>(sets_.size());
      sets_.emplace_back();
    } else {
      p.set = spare_sets_.back();
      spare_sets_.pop_back();
    }
    sets_[ix(p.set)].to = m.to;
    sets_[ix(p.set)].copies = 1;
    p.set_from = 0;
    p.set_to = static_cast<std::int32_t>(m.to.size());
  } else {
    p.set = -1;
  }
  const bool ordered = !m.multicast && m.packets.count > 1;
  p.before = ordered ? m.newest : -1;
  s.packet = new_packet(p);
  s.kind = m.multicast ? kMulticast : (ordered ? kOrdered : 0U);
  if (ordered) {
    if (m.newest >= 0) {
      packets_[ix(m.newest)].after = static_cast<std::int32_t>(s.packet);
    }
    m.newest = static_cast<std::int32_t>(s.packet);
  }
  return true;
}

/// Sleeps until a credit comes that may let the source go on.
void Network::block_source(int endpoint) {
  Source& s = sources_[ix(endpoint)];
  s.blocked = std::min(s.blocked, now_);
  ready_sources_.clear(endpoint);
  const bool starts = s.flits == 0;
  const bool whole = starts && messages_[ix(s.queue_head)].multicast;
  Lane* const first = starts ? s.channels : s.channel;
  Lane* const last = first + (starts ? vcs_ : 1);
  Tick earliest = kUnknown;
  for (Lane* c = first; c != last; ++c) {
    const Tick from = whole ? empty_from(*c) : room_from(*c);
    c->wanted = from == kUnknown;
    earliest = std::min(earliest, from);
  }
  if (earliest != kUnknown) {
    due(epoch_ + earliest).sources.push_back(endpoint);
  }
}

void Network::run_source(int endpoint) {
  Source& s = sources_[ix(endpoint)];
  if (s.queue_head < 0) {
    ready_sources_.clear(endpoint);
    return;
  }
  if (s.until >= now_) {
    ready_sources_.clear(endpoint);
    return;
  }
  Message& m = messages_[ix(s.queue_head)];
  if (s.flits == 0 && m.injected >= now_) {
    ready_sources_.clear(endpoint);
    wakes_.emplace(m.injected + 1, endpoint);
    return;
  }
  const bool can_send = s.flits == 0 ? start_packet(endpoint) : room_from(*s.channel) <= tick_;
  if (!can_send) {
    block_source(endpoint);
    return;
  }
  if (s.blocked != kNever) {
    m.stalled += now_ - s.blocked;
    s.blocked = kNever;
  }
  const bool head = s.sent == 0;
  const bool tail = s.sent + 1 == s.flits;
  const Flit kind = head || tail ? s.kind : s.kind & ~kOrdered;
  const Flit flit = make_flit(s.packet, head, tail, kind);
  ++s.sent;
  ++s.total;
  if (recorder_ != nullptr) {
    recorder_->flit(endpoint, Cycles(now_), m.id);
  }
  write(*s.channel, flit, injection_);
  if (!tail) {
    source_ahead(endpoint);
    return;
  }
  release(*s.channel);
  s.flits = 0;
  if (m.next_packet == m.packets.count) {
    s.queue_head = static_cast<std::int32_t>(m.next);
    if (m.next == UINT32_MAX) {
      s.queue_head = s.queue_tail = -1;
      ready_sources_.clear(endpoint);
    }
  }
}

/// Sends the flits up to the tail for which there are credits; nobody shares the link.
void Network::source_ahead(int endpoint) {
  Source& s = sources_[ix(endpoint)];
  Lane& channel = *s.channel;
  if (recorder_ != nullptr || s.flits - s.sent < 3 || is_ahead(channel)) {
    return;
  }
  const int most = std::min(s.flits - s.sent - 1, kAhead);
  int n = 0;
  while (n < most && room_from(channel) <= tick_ + static_cast<Tick>(n) + 1) {
    ++n;
    write(channel, make_flit(s.packet, false, false, s.kind & ~kOrdered), injection_ + n);
  }
  if (n == 0) {
    return;
  }
  s.sent += n;
  s.total += n;
  s.until = now_ + n;
  ready_sources_.clear(endpoint);
  due(s.until + 1).sources.push_back(endpoint);
}

std::uint32_t Network::new_packet(const Packet& packet) {
  if (spare_packets_.empty()) {
    packets_.push_back(packet);
    return static_cast<std::uint32_t>(packets_.size() - 1);
  }
  const std::uint32_t p = spare_packets_.back();
  spare_packets_.pop_back();
  packets_[p] = packet;
  return p;
}

void Network::drop_packet(std::uint32_t packet) {
  const std::int32_t set = packets_[packet].set;
  if (set >= 0 && --sets_[ix(set)].copies == 0) {
    spare_sets_.push_back(set);
  }
  const std::int32_t after = packets_[packet].after;
  if (after >= 0) {
    packets_[ix(after)].before = -1;
  }
  Message& m = messages_[packets_[packet].message];
  if (m.newest == static_cast<std::int32_t>(packet)) {
    m.newest = -1;
  }
  spare_packets_.push_back(packet);
}

// ---- arrival ------------------------------------------------------------------------------------

void Network::take_head(Lane& channel) {
  if (channel.state == LaneState::idle) {
    route_or_delay(channel, now_);
  }
}

/// What the lane waited for is there, unless flits that were sent ahead have been taken back.
void Network::resume(Lane& lane) {
  if (lane.blocked != kNever) {
    const std::uint32_t packet = lane.ring != nullptr ? packet_of(front(lane).flit) : lane.packet;
    packets_[packet].stalled += static_cast<std::int32_t>(now_ - lane.blocked);
    lane.blocked = kNever;
  }
  if (lane.state == LaneState::filling) {
    activate(lane);
  } else if (lane.sibling != nullptr) {
    refresh_branches(lane);
  } else if (lane.state == LaneState::active && !is_ahead(lane) && is_ready(lane, tick_)) {
    ask(lane, lane);
  }
}

void Network::finish(std::uint32_t packet, std::int32_t endpoint) {
  const std::int64_t stalled = packets_[packet].stalled;
  const std::uint32_t index = packets_[packet].message;
  Message& m = messages_[index];
  drop_packet(packet);
  std::int64_t* arrived = &m.arrived;
  if (m.multicast) {
    const auto it = std::lower_bound(m.to.begin(), m.to.end(), endpoint);
    arrived = &m.arrived_per[ix(it - m.to.begin())];
  }
  if (++*arrived < m.packets.count) {
    return;
  }
  const std::int64_t wait =
      now_ - m.injected - zero_load_.latency(m.from, endpoint, m.packets, m.multicast);
  const std::int64_t credit =
      std::clamp<std::int64_t>(stalled + m.stalled, 0, std::max<std::int64_t>(wait, 0));
  --owed_;
  deliveries_->push_back({m.id, endpoint, Cycles(now_), Cycles(wait - credit), Cycles(credit)});
  if (--m.owed == 0) {
    spare_messages_.push_back(index);
  }
}

// ---- routing and virtual-channel allocation -----------------------------------------------------

/// The head in front is routed as soon as that can be from cycle `from` on.
void Network::route_or_delay(Lane& channel, std::int64_t from) {
  if (spec_.routing_delay == 0) {
    route_head(channel);
  } else {
    channel.state = LaneState::routing;
    due(from + spec_.routing_delay).routed.push_back(&channel);
  }
}

void Network::route_head(Lane& channel) {
  const Flit flit = front(channel).flit;
  const std::uint32_t packet = packet_of(flit);
  if ((flit & kMulticast) != 0) {
    fork(channel, packet);
    return;
  }
  if ((flit & kOrdered) != 0) {
    Packet& p = packets_[packet];
    p.at = &channel;
    if (p.before >= 0 && packets_[ix(p.before)].entered <= p.entered) {
      channel.state = LaneState::behind;
      return;
    }
  }
  enter(channel, packet);
}

/// Queues the head for a virtual channel, and then those of later packets that waited for it.
void Network::enter(Lane& channel, std::uint32_t packet) {
  Lane* c = &channel;
  while (true) {
    Packet& p = packets_[packet];
    wait_for_channel(*c, *c->in, route(*c, p.destination));
    ++p.entered;
    if (p.after < 0) {
      return;
    }
    const Packet& next = packets_[ix(p.after)];
    if (next.at == nullptr || next.entered + 1 != p.entered ||
        next.at->state != LaneState::behind) {
      return;
    }
    packet = static_cast<std::uint32_t>(p.after);
    c = next.at;
  }
}

Hop Network::route(const Lane& channel, EndpointId destination) const {
  const int vc_class = channel.vc >= vcs_ / 2 ? 1 : 0;
  return graph_.route(channel.in->router, channel.in->link, vc_class, destination);
}

/// Makes one branch per output port that leads to a destination of the packet.
void Network::fork(Lane& channel, std::uint32_t packet) {
  const Packet parent = packets_[packet];
  std::vector<EndpointId>& to = sets_[ix(parent.set)].to;
  fork_scratch_.clear();
  for (std::int32_t i = parent.set_from; i < parent.set_to; ++i) {
    fork_scratch_.emplace_back(route(channel, to[ix(i)]).port, to[ix(i)]);
  }
  std::sort(fork_scratch_.begin(), fork_scratch_.end());
  channel.sent = 0;
  channel.state = LaneState::waiting;
  Lane* first = nullptr;
  for (std::size_t i = 0; i < fork_scratch_.size();) {
    const int port = fork_scratch_[i].first;
    Packet copy = parent;
    copy.set_from = parent.set_from + static_cast<std::int32_t>(i);
    while (i < fork_scratch_.size() && fork_scratch_[i].first == port) {
      to[ix(parent.set_from) + i] = fork_scratch_[i].second;
      ++i;
    }
    copy.set_to = parent.set_from + static_cast<std::int32_t>(i);
    copy.destination = to[ix(copy.set_from)];
    ++sets_[ix(copy.set)].copies;
    Lane& branch = new_branch();
    branch.owner = &channel;
    branch.packet = new_packet(copy);
    branch.flits = parent.flits;
    branch.sibling = first;
    first = &branch;
    wait_for_channel(branch, *channel.in, route(channel, copy.destination));
  }
  channel.sibling = first;
}

Lane& Network::new_branch() {
  if (spare_branches_.empty()) {
    return branches_.emplace_back();
  }
  Lane* const branch = spare_branches_.back();
  spare_branches_.pop_back();
  return *branch;
}

void Network::wait_for_channel(Lane& lane, const Input& in, Hop hop) {
  lane.port = static_cast<std::uint8_t>(hop.port);
  lane.out = routers_[ix(in.router)].outputs + hop.port;
  lane.state = LaneState::waiting;
  Pool& pool = lane.out->pools[hop.vc_class];
  if (pool.wait_head == nullptr && pool.free > 0) {
    allocate(pool, lane);  // nobody before it: what the next allocation would do
    return;
  }
  lane.next = nullptr;
  (pool.wait_head == nullptr ? pool.wait_head : pool.wait_tail->next) = &lane;
  pool.wait_tail = &lane;
}

void Network::allocate(Pool& pool, Lane& lane) {
  lane.channel = pool.free_channels[pool.oldest];
  pool.oldest = pool.oldest + 1 == pool.size ? 0 : pool.oldest + 1;
  --pool.free;
  lane.channel->user = &lane;
  lane.state = LaneState::allocated;
  due(allocation_cycle_ + spec_.vc_alloc_delay).activations.push_back(&lane);
}

/// Heads in the order in which they came, channels in the order in which they were released.
void Network::allocate_channels(Pool& pool) {
  pool.listed = false;
  while (pool.wait_head != nullptr && pool.free > 0) {
    Lane& lane = *pool.wait_head;
    pool.wait_head = lane.next;
    allocate(pool, lane);
  }
}

void Network::release(Lane& channel) {
  channel.user = nullptr;
  Pool& pool = *channel.pool;
  const int position = pool.oldest + pool.free;
  pool.free_channels[position >= pool.size ? position - pool.size : position] = &channel;
  ++pool.free;
  if (pool.wait_head != nullptr && !pool.listed) {
    pool.listed = true;
    allocations_.push_back(&pool);
  }
}

void Network::activate(Lane& lane) {
  if (lane.ring != nullptr) {
    const Flit flit = front(lane).flit;
    if ((flit & kOrdered) != 0) {
      const Packet& p = packets_[packet_of(flit)];
      if (p.before >= 0 && packets_[ix(p.before)].left < p.entered) {
        lane.state = LaneState::held;
        return;
      }
    }
    let_send(lane, tick_);
  } else if (empty_from(*lane.channel) <= tick_) {
    lane.state = LaneState::active;
    refresh_branches(*lane.owner);
  } else {
    lane.state = LaneState::filling;
    starve(lane, tick_);
  }
}

/// From `from` on the lane lacks nothing but credits.
void Network::starve(Lane& lane, Tick from) {
  lane.blocked = epoch_ + from;
  Lane& channel = *lane.channel;
  const Tick until = lane.state == LaneState::filling ? empty_from(channel) : room_from(channel);
  if (until == kUnknown) {
    channel.wanted = true;
  } else {
    due(epoch_ + until).resumptions.push_back(&lane);
  }
}

/// The head in front of `channel` may ask for the switch from `from` on.
void Network::let_send(Lane& channel, Tick from) {
  channel.state = LaneState::active;
  if (room_from(*channel.channel) <= from) {
    ask(channel, channel);
  } else {
    starve(channel, from);
  }
}

/// Whether there are a flit and a credit at `from`; if not, their coming will resume the channel.
[[gnu::always_inline]] inline bool Network::is_ready(Lane& channel, Tick from) {
  if (channel.empty()) {
    channel.hungry = true;
    return false;
  }
  const Tick next = front(channel).at;
  if (next > from) {
    due(epoch_ + next).resumptions.push_back(&channel);
    return false;
  }
  if (room_from(*channel.channel) > from) {
    starve(channel, from);
    return false;
  }
  return true;
}

// ---- switch allocation and traversal ------------------------------------------------------------

/// From now on the lane has a flit and a credit.
[[gnu::always_inline]] inline void Network::ask(const Lane& owner, const Lane& lane) {
  const Input& in = *owner.in;
  std::uint32_t& vcs = in.wishes[lane.port];
  if (vcs == 0) {
    Router& router = routers_[ix(in.router)];
    if (router.ahead.channel != nullptr) {
      end_ahead(router);
    }
    lane.out->asking |= bit(in.port);
    router.busy |= bit(lane.port);
    busy_routers_.set(in.router);
  }
  vcs |= 1U << owner.vc;
}

[[gnu::always_inline]] inline void Network::stop_asking(const Lane& owner, const Lane& lane) {
  const Input& in = *owner.in;
  std::uint32_t& vcs = in.wishes[lane.port];
  vcs &= ~(1U << owner.vc);
  if (vcs != 0) {
    return;
  }
  lane.out->asking &= ~bit(in.port);
  if (lane.out->asking != 0) {
    return;
  }
  Router& router = routers_[ix(in.router)];
  router.busy &= ~bit(lane.port);
  if (router.busy == 0) {
    busy_routers_.clear(in.router);
  }
}

/// Branches ask for the switch when the flit that they send next is there.
void Network::refresh_branches(Lane& channel) {
  if (is_ahead(channel)) {
    return;
  }
  const auto from = static_cast<Tick>(allocation_cycle_ - epoch_);
  Tick arrival = kUnknown;
  for (const Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
    if (b->state != LaneState::active) {
      continue;
    }
    const auto behind = static_cast<unsigned>(b->sent - channel.sent);  // the front flit
    if (b->sent == b->flits) {
      stop_asking(channel, *b);
    } else if (behind == channel.filled()) {
      channel.hungry = true;
      stop_asking(channel, *b);
    } else if (const Tick at = slot(channel, channel.head + behind).at; at > from) {
      arrival = std::min(arrival, at);
      stop_asking(channel, *b);
    } else {
      ask(channel, *b);
    }
  }
  if (arrival != kUnknown) {
    due(epoch_ + arrival).resumptions.push_back(&channel);
  }
}

/// Puts a flit into the buffer that it reaches in `delay` cycles.
[[gnu::always_inline]] inline void Network::write(Lane& channel, Flit flit, int delay) {
  if ((flit & kHead) != 0) {
    due(now_ + delay).heads.push_back(&channel);
  } else if (channel.hungry) {
    channel.hungry = false;
    due(now_ + delay).resumptions.push_back(&channel);
  }
  slot(channel, channel.tail++) = {flit, tick_ + static_cast<Tick>(delay)};
}

/// Sends a flit that wins the switch `later` cycles from now.
[[gnu::always_inline]] inline void Network::put_on_link(Output& out,
                                                        Lane& channel,
                                                        Flit flit,
                                                        int later) {
  ++out.flits;
  if (recorder_ != nullptr) {
    recorder_->flit(out.link, Cycles(now_), messages_[packets_[packet_of(flit)].message].id);
  }
  if (out.endpoint < 0) {
    write(channel, flit, later + wire_);
    return;
  }
  // The endpoint takes it when it comes.
  slot(channel, channel.tail).at = tick_ + static_cast<Tick>(later + wire_ + credit_wire_);
  channel.head = ++channel.tail;
  if ((flit & kTail) != 0) {
    due(now_ + wire_ - 1).ejections.push_back({out.endpoint, packet_of(flit)});
  }
}

/// The front flit leaves the buffer.
[[gnu::always_inline]] inline void Network::return_credit(Lane& channel) {
  const Input& in = *channel.in;
  slot(channel, channel.head++).at = tick_ + in.credit_delay;
  if (!channel.wanted) {
    return;
  }
  if (in.source >= 0) {
    due(now_ + in.credit_delay).sources.push_back(in.source);
  } else if (channel.empty() || channel.user->state != LaneState::filling) {
    due(now_ + in.credit_delay).resumptions.push_back(channel.user);
  } else {
    return;
  }
  channel.wanted = false;
}

/// The front flit of a unicast packet leaves.
[[gnu::always_inline]] inline void Network::send(Lane& channel) {
  const Flit flit = front(channel).flit;
  put_on_link(*channel.out, *channel.channel, flit, 0);
  return_credit(channel);
  if ((flit & (kTail | kOrdered)) != 0) {
    end_or_order(channel, flit);
    if ((flit & kTail) != 0) {
      return;
    }
  }
  if (!is_ready(channel, tick_ + 1)) {
    stop_asking(channel, channel);
  }
}

/// What a tail, or the head of an ordered packet, does when it leaves.
void Network::end_or_order(Lane& channel, Flit flit) {
  const std::uint32_t packet = packet_of(flit);
  if ((flit & kOrdered) != 0 && (flit & kHead) != 0) {
    packets_[packet].at = nullptr;
  }
  if ((flit & kTail) == 0) {
    return;
  }
  release(*channel.channel);
  channel.state = LaneState::idle;
  stop_asking(channel, channel);
  if ((flit & kOrdered) != 0) {
    Packet& p = packets_[packet];
    ++p.left;
    if (p.after >= 0) {
      const Packet& next = packets_[ix(p.after)];
      if (next.at != nullptr && next.entered == p.left && next.at->state == LaneState::held) {
        let_send(*next.at, tick_ + 1);
      }
    }
  }
  next_packet(channel);
}

/// The packet in front is gone; the next one, if it is there, is routed from the next cycle on.
void Network::next_packet(Lane& channel) {
  if (!channel.empty() && front(channel).at <= tick_) {
    route_or_delay(channel, now_ + 1);
  }
}

void Network::send_branch(Lane& branch) {
  const bool tail = branch.sent + 1 == branch.flits;
  const Flit flit = make_flit(branch.packet, branch.sent == 0, tail, kMulticast);
  ++branch.sent;
  put_on_link(*branch.out, *branch.channel, flit, 0);
  if (tail) {
    release(*branch.channel);
  }
}

/// Frees what all branches have sent; ends the packet when that was its tail.
void Network::free_slots(Lane& channel) {
  std::int32_t sent = std::numeric_limits<std::int32_t>::max();
  for (const Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
    sent = std::min(sent, b->sent);
  }
  const std::uint32_t packet = packet_of(front(channel).flit);
  for (; channel.sent < sent; ++channel.sent) {
    return_credit(channel);
  }
  refresh_branches(channel);
  if (sent < packets_[packet].flits) {
    return;
  }
  for (Lane* b = channel.sibling; b != nullptr;) {
    Lane* const next = b->sibling;
    *b = Lane{};
    spare_branches_.push_back(b);
    b = next;
  }
  channel.sibling = nullptr;
  drop_packet(packet);
  channel.state = LaneState::idle;
  next_packet(channel);
}

/// Separable, one iteration: every output grants one input, every input accepts one output, both
/// round robin, priorities move on acceptance only. A multicast flit goes to all outputs that
/// granted it.
void Network::allocate_switch(Router& router) {
  std::uint64_t granted = 0;
  for (std::uint64_t outputs = router.busy; outputs != 0; outputs &= outputs - 1) {
    const auto port = static_cast<unsigned>(std::countr_zero(outputs));
    const Output& out = router.outputs[port];
    const unsigned input = first_from(out.asking, out.next_input);
    router.inputs[input].offers |= bit(port);
    granted |= bit(input);
  }
  if ((granted & (granted - 1)) == 0) {
    Lane& channel = accept(router, router.inputs[std::countr_zero(granted)]);
    if (channel.filled() >= kWorthwhile && router.busy != 0 && recorder_ == nullptr) {
      send_ahead(router, channel);
    }
    return;
  }
  for (; granted != 0; granted &= granted - 1) {
    accept(router, router.inputs[std::countr_zero(granted)]);
  }
}

/// The input port takes one of the outputs that granted it. Returns the virtual channel that sends.
[[gnu::always_inline]] inline Lane& Network::accept(Router& router, Input& in) {
  const std::uint64_t offers = in.offers;
  const unsigned output = first_from(offers, in.next_output);
  const unsigned vc = first_from(in.wishes[output], in.next_vc);
  const auto after_input = static_cast<std::uint8_t>(in.port + 1);
  in.offers = 0;
  in.next_output = static_cast<std::uint8_t>(output + 1);
  in.next_vc = static_cast<std::uint8_t>(vc + 1);
  router.outputs[output].next_input = after_input;
  Lane& channel = in.channels[vc];
  if (channel.sibling == nullptr) {
    send(channel);
    return channel;
  }
  const Lane* first = channel.sibling;
  while (first->port != output) {
    first = first->sibling;
  }
  const std::int32_t flit = first->sent;
  for (Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
    const bool asks = (in.wishes[b->port] >> vc & 1U) != 0;
    const bool granted = (offers >> b->port & 1U) != 0;
    if (asks && granted && b->sent == flit) {
      b->out->next_input = after_input;
      send_branch(*b);
    }
  }
  free_slots(channel);
  return channel;
}

// ---- sending ahead ------------------------------------------------------------------------------

/// A virtual channel that has just sent and is the only one to ask for anything in the router will
/// win the switch in every cycle until somebody else asks: its flits up to the tail are sent now,
/// as far as their arrivals and credits are known not to change. Branches of a multicast packet do
/// so together. The round-robin priorities follow in end_ahead().
[[gnu::noinline]] void Network::send_ahead(Router& router, Lane& channel) {
  const std::uint64_t asked = router.busy;
  const Input& in = *channel.in;
  for (std::uint64_t ports = asked; ports != 0; ports &= ports - 1) {
    const int port = std::countr_zero(ports);
    if (router.outputs[port].asking != bit(in.port) || in.wishes[port] != 1U << channel.vc) {
      return;
    }
  }
  for (const Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
    if (b->state != LaneState::active || b->sent != channel.sent) {
      return;
    }
  }
  if (channel.sibling == nullptr && channel.out->endpoint < 0 && is_ahead(*channel.channel)) {
    return;  // its credits may be taken back
  }
  int n = 0;
  while (n < kAhead && !channel.empty()) {
    Slot& flit = front(channel);
    const Tick at = tick_ + static_cast<Tick>(n) + 1;
    if ((flit.flit & kTail) != 0 || flit.at > at) {
      break;
    }
    if (channel.sibling == nullptr) {
      if (room_from(*channel.channel) > at) {
        break;
      }
      put_on_link(*channel.out, *channel.channel, flit.flit, n + 1);
    }
    for (Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
      put_on_link(*b->out, *b->channel, make_flit(b->packet, false, false, kMulticast), n + 1);
      ++b->sent;
    }
    flit.at = at + in.credit_delay;
    ++channel.head;
    ++n;
  }
  if (n == 0) {
    return;
  }
  if (channel.sibling == nullptr) {
    stop_asking(channel, channel);
  } else {
    channel.sent += n;
    for (const Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
      stop_asking(channel, *b);
    }
  }
  router.ahead = {&channel, now_ + 1, now_ + n, asked};
  due(now_ + n + 1).resumptions.push_back(&channel);
}

/// Takes back the flits whose turn has not come yet. Slots get the present as the cycle in which
/// the flit or the credit came: none of these flits could have left earlier than it was to, and
/// until then both had come.
[[gnu::noinline]] void Network::end_ahead(Router& router) {
  const Ahead ahead = router.ahead;
  router.ahead.channel = nullptr;
  Lane& channel = *ahead.channel;
  Input& in = *channel.in;
  for (auto gone = std::min(ahead.last + 1, allocation_cycle_) - ahead.first; gone > 0; --gone) {
    in.next_output = static_cast<std::uint8_t>(first_from(ahead.outputs, in.next_output) + 1);
  }
  if (ahead.last < allocation_cycle_) {
    return;  // all are gone
  }
  const auto present = static_cast<Tick>(allocation_cycle_ - epoch_);
  const auto take_back = [&](Lane& lane) {
    Lane& to = *lane.channel;
    --lane.out->flits;
    --to.tail;
    to.head = lane.out->endpoint < 0 ? to.head : to.tail;
    slot(to, to.tail).at = present;
  };
  const auto follow = [this](const Lane& lane) {
    if (lane.out->endpoint < 0 && is_ahead(*lane.channel)) {
      end_ahead(routers_[ix(lane.channel->in->router)]);
    }
  };
  if (channel.sibling == nullptr) {
    follow(channel);
  }
  for (const Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
    follow(*b);
  }
  for (auto n = ahead.last + 1 - std::max(ahead.first, allocation_cycle_); n > 0; --n) {
    if (channel.sibling == nullptr) {
      take_back(channel);
    }
    for (Lane* b = channel.sibling; b != nullptr; b = b->sibling) {
      take_back(*b);
      --b->sent;
    }
    channel.sent -= channel.sibling == nullptr ? 0 : 1;
    --channel.head;
    front(channel).at = present;
  }
  if (allocation_cycle_ > now_) {
    due(allocation_cycle_).resumptions.push_back(&channel);
  } else {
    resume(channel);
  }
}

/// Whether flits of the channel have been sent ahead whose turn has not come yet.
bool Network::is_ahead(const Lane& channel) {
  Router& router = routers_[ix(channel.in->router)];
  if (router.ahead.channel != &channel) {
    return false;
  }
  if (router.ahead.last < allocation_cycle_) {
    end_ahead(router);
    return false;
  }
  return true;
}

// ---- time ---------------------------------------------------------------------------------------

void Network::cycle() {
  if (now_ - epoch_ >= kEpoch) {
    rebase();
  }
  tick_ = static_cast<Tick>(now_ - epoch_);
  allocation_cycle_ = now_;
  while (!wakes_.empty() && wakes_.top().first <= now_) {
    ready_sources_.set(wakes_.top().second);
    wakes_.pop();
  }
  const std::size_t slot = ix(now_) & wheel_mask_;
  if ((due_[slot >> 6] & bit(slot & 63)) != 0) {
    due_[slot >> 6] &= ~bit(slot & 63);
    const auto drain = [](auto& records, auto&& each) {
      for (const auto& record : records) {
        each(record);
      }
      records.clear();
    };
    Due& now = wheel_[slot];
    drain(now.heads, [this](Lane* c) { take_head(*c); });
    drain(now.resumptions, [this](Lane* l) { resume(*l); });
    drain(now.sources, [this](std::int32_t e) { ready_sources_.set(e); });
    drain(now.routed, [this](Lane* c) { route_head(*c); });
    drain(now.activations, [this](Lane* l) { activate(*l); });
    drain(now.ejections, [this](const Ejection& e) { finish(e.packet, e.endpoint); });
  }
  // Releases further down list pools for the next cycle, so take the present list only.
  const std::size_t listed = allocations_.size();
  for (std::size_t i = 0; i < listed; ++i) {
    allocate_channels(*allocations_[i]);
  }
  allocations_.clear();
  allocation_cycle_ = now_ + 1;
  busy_routers_.each([this](int r) { allocate_switch(routers_[ix(r)]); });
  ready_sources_.each([this](int e) { run_source(e); });
}

/// Moves the epoch to the present; what lies before it becomes the epoch.
void Network::rebase() {
  const std::int64_t shift = now_ - epoch_;
  for (Slot& s : slots_) {
    s.at = s.at > shift ? s.at - static_cast<Tick>(shift) : 0;
  }
  epoch_ = now_;
}

/// The next cycle in which anything happens.
std::int64_t Network::next_event() const {
  if (!allocations_.empty() || busy_routers_.any() || ready_sources_.any()) {
    return now_ + 1;
  }
  const std::int64_t wake = wakes_.empty() ? kNever : wakes_.top().first;
  const std::size_t slots = wheel_mask_ + 1;
  const std::size_t start = ix(now_ + 1) & wheel_mask_;
  for (std::size_t done = 0; done < slots;) {
    const std::size_t slot = (start + done) & wheel_mask_;
    const std::uint64_t bits = due_[slot >> 6] >> (slot & 63);
    if (bits != 0) {
      return std::min<std::int64_t>(
          wake, now_ + 1 + static_cast<std::int64_t>(done) + std::countr_zero(bits));
    }
    done += std::min<std::size_t>(64 - (slot & 63), slots - slot);
  }
  return wake;
}

Cycles Network::advance(Cycles first, Cycles last, std::vector<Delivery>& deliveries) {
  deliveries_ = &deliveries;
  const std::size_t before = deliveries.size();
  // A range that was left out while idle may still hold credits on their way back.
  static_cast<void>(first);
  while (now_ < last.value) {
    const std::int64_t next = next_event();
    if (next > last.value) {
      now_ = last.value;
      break;
    }
    now_ = next;
    cycle();
    if (deliveries.size() > before) {
      std::sort(deliveries.begin() + static_cast<std::ptrdiff_t>(before),
                deliveries.end(),
                [](const Delivery& a, const Delivery& b) {
                  return a.to != b.to ? a.to < b.to : a.id < b.id;
                });
      break;
    }
  }
  return Cycles(now_);
}

/// Flits that have entered each link until now.
std::vector<std::int64_t> Network::link_flits() const {
  std::vector<std::int64_t> flits(graph_.links.size());
  for (std::size_t e = 0; e < sources_.size(); ++e) {
    flits[e] = sources_[e].total - std::max<std::int64_t>(0, sources_[e].until - now_);
  }
  for (const Output& out : outputs_) {
    flits[ix(out.link)] = out.flits;
  }
  for (const Router& router : routers_) {
    if (router.ahead.channel != nullptr && router.ahead.last > now_) {
      for (std::uint64_t ports = router.ahead.outputs; ports != 0; ports &= ports - 1) {
        flits[ix(router.outputs[std::countr_zero(ports)].link)] -= router.ahead.last - now_;
      }
    }
  }
  return flits;
}

FabricTotals Network::totals() const {
  FabricTotals t;
  t.flits_injected = injected_;
  const std::vector<std::int64_t> flits = link_flits();
  t.flit_hops = std::accumulate(
      flits.begin() + std::ptrdiff_t{2} * graph_.endpoints, flits.end(), std::int64_t{0});
  for (const Output& out : outputs_) {
    t.flits_ejected += out.endpoint < 0 ? 0 : out.flits;
  }
  // Of a flit that is still on the way to its endpoint, the credit takes more than its own way.
  const std::size_t per_endpoint = ix(vcs_) * (ring_mask_ + 1);
  for (std::size_t i = 0; i < sources_.size() * per_endpoint; ++i) {
    const Slot& s = slots_[sources_.size() * per_endpoint + i];
    t.flits_ejected -= epoch_ + s.at - credit_wire_ - 1 > now_ ? 1 : 0;
  }
  t.flits_in_flight = to_eject_ - t.flits_ejected;
  return t;
}

std::vector<LinkUse> Network::link_use() const {
  std::vector<LinkUse> use;
  const std::vector<std::int64_t> flits = link_flits();
  for (std::size_t l = 0; l < flits.size(); ++l) {
    use.push_back({graph_.names[l], flits[l]});
  }
  return use;
}

}  // namespace

std::unique_ptr<Fabric> make_network(const FabricSpec& spec,
                                     const FabricLayout& layout,
                                     LinkRecorder* recorder) {
  return std::make_unique<Network>(spec, layout, recorder);
}

}  // namespace tessera::arch::fabric
