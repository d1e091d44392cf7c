// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Flit-level wormhole network: input-queued routers with virtual channels and credits.
///
/// Everything with a fixed delay (a flit or credit on a wire, a pipeline stage) waits in a wheel,
/// one slot per cycle. A router is walked only in cycles in which one of its virtual channels has a
/// flit and a credit; a virtual channel is allocated only when a head arrives or a channel is
/// released. So the cost of a run is proportional to flits times hops, and cycles without event are
/// skipped.
///
/// A virtual channel at the far end of link l has index l * num_vcs + v; the same index counts the
/// credits that the near end holds for it. A *lane* leads a packet from a virtual channel to one
/// output: lane i < links * num_vcs belongs to virtual channel i, further lanes are the branches of
/// multicast packets.
///
/// Order within a cycle: wheel (flits, credits, stages), virtual-channel allocation, switch
/// allocation, sources. No step reads what the same step wrote for another router.
#include "arch/fabric/models.hpp"
#include "arch/fabric/packets.hpp"
#include "arch/fabric/topology.hpp"
#include "arch/fabric/zero_load.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
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
int first_from(Mask mask, int from) {
  constexpr int kLast = std::numeric_limits<Mask>::digits - 1;
  return (std::countr_zero(std::rotr(mask, from)) + from) & kLast;
}

/// Set of small integers with fast iteration in order.
class Bitset {
 public:
  explicit Bitset(int size = 0) : words_(ix(size + 63) / 64) {}

  void set(int i) { words_[ix(i) >> 6] |= std::uint64_t{1} << (i & 63); }

  void clear(int i) { words_[ix(i) >> 6] &= ~(std::uint64_t{1} << (i & 63)); }

  [[nodiscard]] bool any() const {
    return std::any_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w != 0; });
  }

  /// Calls f(i) for each member; f may clear its own member and must not set others.
  template <class F>
  void each(F&& f) {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
        f(static_cast<int>(w * 64) + std::countr_zero(bits));
      }
    }
  }

 private:
  std::vector<std::uint64_t> words_;
};

/// Records that come due a bounded number of cycles ahead.
template <class T>
class Wheel {
 public:
  void resize(std::size_t slots) { slots_.resize(slots); }

  std::vector<T>& due(std::int64_t at) { return slots_[ix(at) & (slots_.size() - 1)]; }

 private:
  std::vector<std::vector<T>> slots_;
};

/// A flit is the index of its packet and four flags. A packet is ordered when its message has
/// others.
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

struct FlitAt {
  std::int32_t where;  ///< virtual channel, or endpoint
  Flit flit;
};

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
  std::int32_t at = -1;      ///< virtual channel in which the head waits
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

/// What a lane and its virtual channel need in most cycles: half a cache line, because the state of
/// a busy network does not fit into the first-level cache otherwise.
struct alignas(32) Lane {
  // The way of a packet to one output.
  std::int32_t channel = -1;  ///< allocated virtual channel
  std::int32_t link = -1;     ///< output
  std::int32_t sibling = -1;  ///< branch: next branch of the packet; virtual channel: first branch
  // The virtual channel.
  std::int32_t pool = -1;    ///< the near end's allocator; half of it is the link
  std::int32_t user = -1;    ///< lane of the near end that has it allocated
  std::int16_t credits = 0;  ///< that the near end holds
  std::uint16_t head = 0;    ///< slot of the front flit
  std::uint16_t count = 0;
  std::uint8_t port = 0;  ///< output port of the router
  LaneState state = LaneState::idle;
  std::uint8_t vc = 0;
  bool wake = false;     ///< the user waits for a credit
  bool ordered = false;  ///< the packet in front is

  [[nodiscard]] std::int32_t at() const { return pool >> 1; }
};

static_assert(sizeof(Lane) == 32);

/// The rest of a lane.
struct Rest {
  std::int64_t blocked = 0;  ///< cycle since when only a credit is missing
  std::int32_t owner = -1;   ///< virtual channel that the packet waits in
  std::int32_t next = -1;    ///< in an allocation queue
  std::uint32_t packet = 0;  ///< branch: its copy
  std::int32_t flits = 0;    ///< branch: of the packet; the copy is gone once it arrived
  std::int32_t sent =
      0;  ///< branch: flits sent; virtual channel: flits of the multicast packet gone
};

/// A link as an input port of the router it enters.
struct Input {
  std::int32_t router = -1;
  std::int32_t port = -1;
  std::int32_t wishes = 0;       ///< base into wishes_
  std::int32_t next_vc = 0;      ///< priority among its virtual channels
  std::int32_t next_output = 0;  ///< accept priority
};

/// A link as an output port of the router it leaves.
struct Output {
  std::uint64_t asking = 0;     ///< input ports with a flit and a credit for it
  std::int64_t flits = 0;       ///< sent so far
  std::int32_t next_input = 0;  ///< grant priority
  std::int32_t router = -1;
};

struct Source {
  std::int32_t queue_head = -1;
  std::int32_t queue_tail = -1;
  std::uint32_t packet = 0;
  std::int32_t flits = 0;  ///< of the packet under way; 0 when none is
  std::int32_t sent = 0;
  std::int32_t channel = -1;
  Flit kind = 0;
  std::int64_t blocked = kNever;
};

/// Waiting heads and free virtual channels of one link and dateline class.
struct Pool {
  std::int32_t first = 0;  ///< virtual channels first .. first + size - 1
  std::int32_t size = 0;
  std::int32_t oldest = 0;  ///< position of the channel released longest ago
  std::int32_t free = 0;
  std::int32_t wait_head = -1;
  std::int32_t wait_tail = -1;
  bool listed = false;
};

class Network final : public Fabric {
 public:
  Network(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder);

  void inject(EndpointId from,
              std::span<const EndpointId> to,
              Bits bits,
              MessageId id,
              Cycles now) override;

  [[nodiscard]] bool idle() const override { return totals_.flits_in_flight == 0; }

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
  [[nodiscard]] std::int64_t next_event() const;
  void take_flit(std::int32_t channel, Flit flit);
  void take_credit(std::int32_t channel);
  void take_source_credit(std::int32_t channel);
  void starve(std::int32_t lane, std::int64_t from);
  void take_ejected(std::int32_t endpoint, Flit flit);
  void finish(std::uint32_t packet, std::int32_t endpoint);
  void route_head(std::int32_t channel);
  void enter(std::int32_t channel, std::uint32_t packet);
  void fork(std::int32_t channel, std::uint32_t packet);
  void wait_for_channel(std::int32_t lane, Hop hop, int router);
  void allocate(Pool& pool, std::int32_t lane);
  void allocate_channels(std::int32_t index);
  void activate(std::int32_t lane);
  void let_send(std::int32_t channel, std::int64_t from);
  void allocate_switch(int router);
  void send(std::int32_t channel);
  void send_branch(std::int32_t branch);
  void free_slots(std::int32_t channel);
  void run_source(int endpoint);
  bool start_packet(int endpoint);
  void put_on_link(std::int32_t link, std::int32_t channel, Flit flit);
  void release(std::int32_t channel);
  void return_credit(std::int32_t link, std::int32_t channel);
  void end_or_order(std::int32_t channel, Flit flit);
  void next_packet(std::int32_t channel);
  void ask(std::int32_t owner, const Lane& lane);
  void stop_asking(std::int32_t owner, const Lane& lane);
  void accept(int router, std::int32_t link, std::uint64_t offers);
  [[nodiscard]] bool branch_ready(std::int32_t branch, std::int32_t channel) const;
  void refresh_branches(std::int32_t channel);
  std::int32_t new_lane();
  std::uint32_t new_packet(const Packet& packet);
  void drop_packet(std::uint32_t packet);

  template <class T>
  void schedule(Wheel<T>& wheel, std::int64_t at, T record) {
    wheel.due(at).push_back(record);
    mark_due(at);
  }

  void pop(Lane& c) const {
    c.head = static_cast<std::uint16_t>((c.head + 1U) & ring_mask_);
    --c.count;
  }

  [[nodiscard]] Flit front(std::int32_t channel, const Lane& c) const {
    return flits_[(ix(channel) << ring_shift_) + c.head];
  }

  void mark_due(std::int64_t at) {
    const std::size_t slot = ix(at) & wheel_mask_;
    due_[slot >> 6] |= std::uint64_t{1} << (slot & 63);
  }

  [[nodiscard]] std::int32_t link_of(std::int32_t channel) const {
    return lanes_[ix(channel)].at();
  }

  FabricSpec spec_;
  Graph graph_;
  ZeroLoad zero_load_;
  LinkRecorder* recorder_;
  int vcs_;
  int buffer_;
  unsigned ring_shift_ = 0;  ///< log2 of the slots set aside per virtual channel
  unsigned ring_mask_ = 0;
  int wire_;           ///< switch allocation to arrival
  int injection_;      ///< source to arrival
  int credit_wire_;    ///< switch allocation to a credit usable upstream
  int source_credit_;  ///< the same, upstream being a source
  std::int32_t num_channels_ = 0;
  std::int32_t first_router_link_ = 0;
  std::int64_t now_ = -1;

  // Per virtual channel.
  std::vector<Flit> flits_;  ///< [channel][slot]
  std::vector<Lane> lanes_;
  std::vector<Rest> rest_;  ///< [lane]
  std::vector<std::int32_t> spare_lanes_;

  // Per link.
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<Pool> pools_;                ///< [link][class]
  std::vector<std::int32_t> free_;         ///< [channel] positions of the pools' queues
  std::vector<std::int32_t> allocations_;  ///< pools that may grant
  std::int64_t allocation_cycle_ = 0;      ///< of the next virtual-channel allocation

  // Per router.
  std::vector<std::uint32_t> wishes_;        ///< [input port][output port] virtual channels
  std::vector<std::uint64_t> busy_outputs_;  ///< output ports that somebody asks for
  Bitset busy_routers_;
  std::vector<std::uint64_t> grants_;  ///< scratch [input port] of output ports

  // Per endpoint.
  std::vector<Source> sources_;
  Bitset ready_sources_;
  using Wake = std::pair<std::int64_t, std::int32_t>;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;

  std::vector<Packet> packets_;
  std::vector<std::uint32_t> spare_packets_;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> spare_messages_;
  std::vector<Set> sets_;
  std::vector<std::int32_t> spare_sets_;
  std::vector<std::pair<std::int32_t, EndpointId>> fork_scratch_;

  Wheel<FlitAt> arrivals_;
  Wheel<FlitAt> ejections_;
  Wheel<std::int32_t> credits_due_;
  Wheel<std::int32_t> source_credits_due_;
  Wheel<std::int32_t> routed_;
  Wheel<std::int32_t> activations_;
  std::size_t wheel_mask_ = 0;

  /// Slots that what is sent in this cycle goes to; delays are the same for all.
  struct Out {
    std::vector<FlitAt>* arrivals;
    std::vector<FlitAt>* injections;
    std::vector<FlitAt>* ejections;
    std::vector<std::int32_t>* credits;
    std::vector<std::int32_t>* source_credits;
    std::vector<std::int32_t>* sink_credits;
  } out_{};

  std::vector<std::uint64_t> due_;  ///< bit per slot

  FabricTotals totals_;
  std::vector<Delivery>* deliveries_ = nullptr;
};

Network::Network(const FabricSpec& spec, const FabricLayout& layout, LinkRecorder* recorder)
    : spec_(spec),
      graph_(build_graph(spec, layout)),
      zero_load_(spec, layout),
      recorder_(recorder),
      vcs_(spec.num_vcs),
      buffer_(spec.vc_buffer),
      wire_(spec.sw_alloc_delay + spec.st_final_delay + spec.link_latency),
      injection_(1 + spec.link_latency),
      credit_wire_(1 + spec.link_latency + spec.credit_delay),
      source_credit_(1 + spec.link_latency) {
  const std::size_t links = graph_.links.size();
  const std::size_t channels = links * ix(vcs_);
  const auto routers = ix(graph_.place.routers);
  num_channels_ = static_cast<std::int32_t>(channels);
  first_router_link_ = 2 * graph_.endpoints;
  ring_shift_ = static_cast<unsigned>(std::bit_width(static_cast<unsigned>(buffer_ - 1)));
  ring_mask_ = (1U << ring_shift_) - 1;
  flits_.resize(channels << ring_shift_);
  lanes_.resize(channels);
  rest_.resize(channels);
  inputs_.resize(links);
  outputs_.resize(links);
  busy_outputs_.assign(routers, 0);
  busy_routers_ = Bitset(graph_.place.routers);
  grants_.assign(64, 0);
  sources_.resize(ix(graph_.endpoints));
  ready_sources_ = Bitset(graph_.endpoints);
  for (std::size_t l = 0; l < links; ++l) {
    const int low = graph_.links[l].ring ? vcs_ / 2 : vcs_;
    for (const auto& [first, size] : {std::pair{0, low}, std::pair{low, vcs_ - low}}) {
      Pool pool;
      pool.first = static_cast<std::int32_t>(l) * vcs_ + first;
      pool.size = pool.free = size;
      pools_.push_back(pool);
    }
    const Link& link = graph_.links[l];
    outputs_[l].router = link.from;
    inputs_[l].router = link.to;
    inputs_[l].port = link.in_port;
    if (link.to >= 0) {
      inputs_[l].wishes = static_cast<std::int32_t>(wishes_.size());
      const auto to = ix(link.to);
      wishes_.resize(wishes_.size() + ix(graph_.out_base[to + 1] - graph_.out_base[to]));
    }
    for (int v = 0; v < vcs_; ++v) {
      const auto c = static_cast<std::int32_t>(l) * vcs_ + v;
      free_.push_back(c);
      lanes_[ix(c)].pool = static_cast<std::int32_t>(l) * 2 + (v < low ? 0 : 1);
      lanes_[ix(c)].credits = static_cast<std::int16_t>(buffer_);
      lanes_[ix(c)].vc = static_cast<std::uint8_t>(v);
      rest_[ix(c)].owner = c;
    }
  }
  const int longest = std::max(
      {wire_ + credit_wire_ + 1, injection_, spec.routing_delay + 1, spec.vc_alloc_delay + 1});
  const std::size_t slots = std::bit_ceil(ix(longest) + 1);
  wheel_mask_ = slots - 1;
  due_.assign((slots + 63) / 64, 0);
  arrivals_.resize(slots);
  ejections_.resize(slots);
  credits_due_.resize(slots);
  source_credits_due_.resize(slots);
  routed_.resize(slots);
  activations_.resize(slots);
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
  totals_.flits_injected += flits;
  totals_.flits_in_flight += flits * m.owed;

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
  Pool& pool = pools_[ix(endpoint) * 2];
  // Channels in the order of their release; the first with room.
  int position = -1;
  for (int i = 0; i < pool.free && position < 0; ++i) {
    const int p = (pool.oldest + i) % pool.size;
    const std::int32_t room = lanes_[ix(free_[ix(pool.first + p)])].credits;
    if (m.multicast ? room == buffer_ : room > 0) {
      position = i;
    }
  }
  if (position < 0) {
    return false;
  }
  const auto slot = [&](int i) -> std::int32_t& {
    return free_[ix(pool.first + (pool.oldest + i) % pool.size)];
  };
  s.channel = slot(position);
  for (int i = position; i > 0; --i) {
    slot(i) = slot(i - 1);
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

void Network::run_source(int endpoint) {
  Source& s = sources_[ix(endpoint)];
  if (s.queue_head < 0) {
    ready_sources_.clear(endpoint);
    return;
  }
  Message& m = messages_[ix(s.queue_head)];
  if (s.flits == 0 && m.injected >= now_) {
    ready_sources_.clear(endpoint);
    wakes_.emplace(m.injected + 1, endpoint);
    return;
  }
  const bool can_send = s.flits == 0 ? start_packet(endpoint) : lanes_[ix(s.channel)].credits > 0;
  if (!can_send) {
    s.blocked = std::min(s.blocked, now_);
    ready_sources_.clear(endpoint);
    return;
  }
  if (s.blocked != kNever) {
    m.stalled += now_ - s.blocked;
    s.blocked = kNever;
  }
  const bool tail = s.sent + 1 == s.flits;
  const Flit flit = make_flit(s.packet, s.sent == 0, tail, s.kind);
  ++s.sent;
  --lanes_[ix(s.channel)].credits;
  ++outputs_[ix(endpoint)].flits;
  if (recorder_ != nullptr) {
    recorder_->flit(endpoint, Cycles(now_), m.id);
  }
  out_.injections->push_back(FlitAt{s.channel, flit});
  if (tail) {
    release(s.channel);
    s.flits = 0;
    if (m.next_packet == m.packets.count) {
      s.queue_head = static_cast<std::int32_t>(m.next);
      if (m.next == UINT32_MAX) {
        s.queue_head = s.queue_tail = -1;
        ready_sources_.clear(endpoint);
      }
    }
  }
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

void Network::take_flit(std::int32_t channel, Flit flit) {
  Lane& c = lanes_[ix(channel)];
  flits_[(ix(channel) << ring_shift_) + ((c.head + c.count) & ring_mask_)] = flit;
  ++c.count;
  if (c.sibling >= 0) {
    refresh_branches(channel);
    return;
  }
  if (c.count > 1) {
    return;
  }
  Lane& lane = lanes_[ix(channel)];
  if (lane.state == LaneState::active) {
    if (lanes_[ix(lane.channel)].credits > 0) {
      ask(channel, lane);
    } else {
      starve(channel, now_);
    }
  } else if (lane.state == LaneState::idle) {
    if (spec_.routing_delay == 0) {
      route_head(channel);
    } else {
      lane.state = LaneState::routing;
      schedule(routed_, now_ + spec_.routing_delay, channel);
    }
  }
}

void Network::take_credit(std::int32_t channel) {
  Lane& c = lanes_[ix(channel)];
  ++c.credits;
  if (!c.wake) {
    return;
  }
  Lane& lane = lanes_[ix(c.user)];
  const Rest& rest = rest_[ix(c.user)];
  std::uint32_t packet = rest.packet;
  if (lane.state == LaneState::filling) {
    if (c.credits < buffer_) {
      return;
    }
    lane.state = LaneState::active;
    refresh_branches(rest.owner);
  } else {
    packet = packet_of(front(c.user, lane));
    ask(c.user, lane);
  }
  c.wake = false;
  packets_[packet].stalled += static_cast<std::int32_t>(now_ - rest.blocked);
}

void Network::take_source_credit(std::int32_t channel) {
  Lane& c = lanes_[ix(channel)];
  ++c.credits;
  if (sources_[ix(c.at())].blocked != kNever) {
    ready_sources_.set(c.at());
  }
}

void Network::take_ejected(std::int32_t endpoint, Flit flit) {
  ++totals_.flits_ejected;
  --totals_.flits_in_flight;
  if ((flit & kTail) != 0) {
    finish(packet_of(flit), endpoint);
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
  deliveries_->push_back({m.id, endpoint, Cycles(now_), Cycles(wait - credit), Cycles(credit)});
  if (--m.owed == 0) {
    spare_messages_.push_back(index);
  }
}

// ---- routing and virtual-channel allocation -----------------------------------------------------

void Network::route_head(std::int32_t channel) {
  const Lane& c = lanes_[ix(channel)];
  const Flit flit = front(channel, c);
  if ((flit & kMulticast) != 0) {
    fork(channel, packet_of(flit));
    return;
  }
  const std::uint32_t packet = packet_of(flit);
  lanes_[ix(channel)].ordered = (flit & kOrdered) != 0;
  if ((flit & kOrdered) != 0) {
    Packet& p = packets_[packet];
    p.at = channel;
    if (p.before >= 0 && packets_[ix(p.before)].entered <= p.entered) {
      lanes_[ix(channel)].state = LaneState::behind;
      return;
    }
  }
  enter(channel, packet);
}

/// Queues the head for a virtual channel, and then those of later packets that waited for it.
void Network::enter(std::int32_t channel, std::uint32_t packet) {
  while (true) {
    const std::int32_t link = link_of(channel);
    const int router = graph_.links[ix(link)].to;
    const int in_class = channel - link * vcs_ >= vcs_ / 2 ? 1 : 0;
    Packet& p = packets_[packet];
    wait_for_channel(channel, graph_.route(router, link, in_class, p.destination), router);
    ++p.entered;
    if (p.after < 0) {
      return;
    }
    const Packet& next = packets_[ix(p.after)];
    if (next.at < 0 || next.entered + 1 != p.entered ||
        lanes_[ix(next.at)].state != LaneState::behind) {
      return;
    }
    packet = static_cast<std::uint32_t>(p.after);
    channel = next.at;
  }
}

/// Makes one branch per output port that leads to a destination of the packet.
void Network::fork(std::int32_t channel, std::uint32_t packet) {
  const std::int32_t link = link_of(channel);
  const int router = graph_.links[ix(link)].to;
  const int in_class = channel - link * vcs_ >= vcs_ / 2 ? 1 : 0;
  const Packet parent = packets_[packet];
  std::vector<EndpointId>& to = sets_[ix(parent.set)].to;
  fork_scratch_.clear();
  for (std::int32_t i = parent.set_from; i < parent.set_to; ++i) {
    fork_scratch_.emplace_back(graph_.route(router, link, in_class, to[ix(i)]).port, to[ix(i)]);
  }
  std::sort(fork_scratch_.begin(), fork_scratch_.end());
  rest_[ix(channel)].sent = 0;
  lanes_[ix(channel)].state = LaneState::waiting;
  std::int32_t first = -1;
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
    const std::uint32_t child = new_packet(copy);
    const std::int32_t branch = new_lane();
    Rest& rest = rest_[ix(branch)];
    rest.owner = channel;
    rest.packet = child;
    rest.flits = parent.flits;
    rest.sent = 0;
    lanes_[ix(branch)].sibling = first;
    first = branch;
    wait_for_channel(branch, graph_.route(router, link, in_class, copy.destination), router);
  }
  lanes_[ix(channel)].sibling = first;
}

std::int32_t Network::new_lane() {
  if (spare_lanes_.empty()) {
    lanes_.emplace_back();
    rest_.emplace_back();
    return static_cast<std::int32_t>(lanes_.size() - 1);
  }
  const std::int32_t lane = spare_lanes_.back();
  spare_lanes_.pop_back();
  return lane;
}

void Network::wait_for_channel(std::int32_t lane, Hop hop, int router) {
  Lane& l = lanes_[ix(lane)];
  l.port = static_cast<std::uint8_t>(hop.port);
  l.link = graph_.out_links[ix(graph_.out_base[ix(router)] + hop.port)];
  l.state = LaneState::waiting;
  rest_[ix(lane)].next = -1;
  const std::int32_t index = l.link * 2 + hop.vc_class;
  Pool& pool = pools_[ix(index)];
  if (pool.wait_head < 0 && pool.free > 0) {
    allocate(pool, lane);  // nobody before it: what the next allocation would do
    return;
  }
  if (pool.wait_tail < 0) {
    pool.wait_head = lane;
  } else {
    rest_[ix(pool.wait_tail)].next = lane;
  }
  pool.wait_tail = lane;
}

void Network::allocate(Pool& pool, std::int32_t lane) {
  Lane& l = lanes_[ix(lane)];
  l.channel = free_[ix(pool.first + pool.oldest)];
  pool.oldest = pool.oldest + 1 == pool.size ? 0 : pool.oldest + 1;
  --pool.free;
  lanes_[ix(l.channel)].user = lane;
  l.state = LaneState::allocated;
  schedule(activations_, allocation_cycle_ + spec_.vc_alloc_delay, lane);
}

/// Heads in the order in which they came, channels in the order in which they were released.
void Network::allocate_channels(std::int32_t index) {
  Pool& pool = pools_[ix(index)];
  pool.listed = false;
  while (pool.wait_head >= 0 && pool.free > 0) {
    const std::int32_t lane = pool.wait_head;
    pool.wait_head = rest_[ix(lane)].next;
    if (pool.wait_head < 0) {
      pool.wait_tail = -1;
    }
    allocate(pool, lane);
  }
}

void Network::release(std::int32_t channel) {
  lanes_[ix(channel)].user = -1;
  const std::int32_t index = lanes_[ix(channel)].pool;
  Pool& pool = pools_[ix(index)];
  int position = pool.oldest + pool.free;
  if (position >= pool.size) {
    position -= pool.size;
  }
  free_[ix(pool.first + position)] = channel;
  ++pool.free;
  if (pool.wait_head >= 0 && !pool.listed) {
    pool.listed = true;
    allocations_.push_back(index);
  }
}

void Network::activate(std::int32_t lane) {
  Lane& l = lanes_[ix(lane)];
  if (lane < num_channels_) {
    if (l.ordered) {
      const Packet& p = packets_[packet_of(front(lane, l))];
      if (p.before >= 0 && packets_[ix(p.before)].left < p.entered) {
        l.state = LaneState::held;
        return;
      }
    }
    let_send(lane, now_);
    return;
  }
  if (lanes_[ix(l.channel)].credits == buffer_) {
    l.state = LaneState::active;
    refresh_branches(rest_[ix(lane)].owner);
  } else {
    l.state = LaneState::filling;
    starve(lane, now_);
  }
}

/// From cycle `from` on the lane lacks nothing but credits.
void Network::starve(std::int32_t lane, std::int64_t from) {
  rest_[ix(lane)].blocked = from;
  lanes_[ix(lanes_[ix(lane)].channel)].wake = true;
}

/// The head in `channel` may ask for the switch from cycle `from` on.
void Network::let_send(std::int32_t channel, std::int64_t from) {
  Lane& lane = lanes_[ix(channel)];
  lane.state = LaneState::active;
  if (lanes_[ix(lane.channel)].credits > 0) {
    ask(channel, lane);
  } else {
    starve(channel, from);
  }
}

// ---- switch allocation and traversal ------------------------------------------------------------

/// From now on the lane has a flit and a credit.
[[gnu::always_inline]] inline void Network::ask(std::int32_t owner, const Lane& lane) {
  const Lane& c = lanes_[ix(owner)];
  const Input& in = inputs_[ix(c.at())];
  std::uint32_t& vcs = wishes_[ix(in.wishes + lane.port)];
  if (vcs == 0) {
    outputs_[ix(lane.link)].asking |= std::uint64_t{1} << static_cast<unsigned>(in.port);
    busy_outputs_[ix(in.router)] |= std::uint64_t{1} << static_cast<unsigned>(lane.port);
    busy_routers_.set(in.router);
  }
  vcs |= 1U << c.vc;
}

[[gnu::always_inline]] inline void Network::stop_asking(std::int32_t owner, const Lane& lane) {
  const Lane& c = lanes_[ix(owner)];
  const Input& in = inputs_[ix(c.at())];
  std::uint32_t& vcs = wishes_[ix(in.wishes + lane.port)];
  vcs &= ~(1U << c.vc);
  if (vcs != 0) {
    return;
  }
  std::uint64_t& asking = outputs_[ix(lane.link)].asking;
  asking &= ~(std::uint64_t{1} << static_cast<unsigned>(in.port));
  if (asking != 0) {
    return;
  }
  std::uint64_t& busy = busy_outputs_[ix(in.router)];
  busy &= ~(std::uint64_t{1} << static_cast<unsigned>(lane.port));
  if (busy == 0) {
    busy_routers_.clear(in.router);
  }
}

bool Network::branch_ready(std::int32_t branch, std::int32_t channel) const {
  const Rest& rest = rest_[ix(branch)];
  return lanes_[ix(branch)].state == LaneState::active && rest.sent < rest.flits &&
         rest.sent < rest_[ix(channel)].sent + lanes_[ix(channel)].count;
}

void Network::refresh_branches(std::int32_t channel) {
  const Lane& c = lanes_[ix(channel)];
  for (std::int32_t b = c.sibling; b >= 0; b = lanes_[ix(b)].sibling) {
    const Lane& lane = lanes_[ix(b)];
    if (branch_ready(b, channel)) {
      ask(channel, lane);
    } else if (lane.state == LaneState::active) {
      stop_asking(channel, lane);
    }
  }
}

[[gnu::always_inline]] inline void Network::put_on_link(std::int32_t link,
                                                        std::int32_t channel,
                                                        Flit flit) {
  --lanes_[ix(channel)].credits;
  ++outputs_[ix(link)].flits;
  if (recorder_ != nullptr) {
    recorder_->flit(link, Cycles(now_), messages_[packets_[packet_of(flit)].message].id);
  }
  if (link >= first_router_link_) {
    out_.arrivals->push_back(FlitAt{channel, flit});
  } else {
    out_.ejections->push_back(FlitAt{link - graph_.endpoints, flit});
    out_.sink_credits->push_back(channel);
  }
}

/// `link` is the one whose buffer got a free slot.
[[gnu::always_inline]] inline void Network::return_credit(std::int32_t link, std::int32_t channel) {
  (link < graph_.endpoints ? out_.source_credits : out_.credits)->push_back(channel);
}

/// The front flit of a unicast packet leaves.
[[gnu::always_inline]] inline void Network::send(std::int32_t channel) {
  Lane& lane = lanes_[ix(channel)];
  const Flit flit = front(channel, lane);
  pop(lane);
  put_on_link(lane.link, lane.channel, flit);
  return_credit(lane.at(), channel);
  if ((flit & (kTail | kOrdered)) != 0) {
    end_or_order(channel, flit);
    if ((flit & kTail) != 0) {
      return;
    }
  }
  if (lane.count == 0) {
    stop_asking(channel, lane);
  } else if (lanes_[ix(lane.channel)].credits == 0) {
    stop_asking(channel, lane);
    starve(channel, now_ + 1);
  }
}

/// What a tail, or a flit of a message of several packets, does when it leaves.
void Network::end_or_order(std::int32_t channel, Flit flit) {
  Lane& lane = lanes_[ix(channel)];
  if ((flit & kOrdered) != 0 && (flit & kHead) != 0) {
    packets_[packet_of(flit)].at = -1;
  }
  if ((flit & kTail) == 0) {
    return;
  }
  release(lane.channel);
  lane.state = LaneState::idle;
  stop_asking(channel, lane);
  if ((flit & kOrdered) != 0) {
    Packet& p = packets_[packet_of(flit)];
    ++p.left;
    if (p.after >= 0) {
      const Packet& next = packets_[ix(p.after)];
      if (next.at >= 0 && next.entered == p.left && lanes_[ix(next.at)].state == LaneState::held) {
        let_send(next.at, now_ + 1);
      }
    }
  }
  next_packet(channel);
}

/// The packet in front is gone; the next one, if any, is routed from the next cycle on.
void Network::next_packet(std::int32_t channel) {
  if (lanes_[ix(channel)].count == 0) {
    return;
  }
  if (spec_.routing_delay == 0) {
    route_head(channel);
  } else {
    lanes_[ix(channel)].state = LaneState::routing;
    schedule(routed_, now_ + 1 + spec_.routing_delay, channel);
  }
}

void Network::send_branch(std::int32_t branch) {
  const Lane& lane = lanes_[ix(branch)];
  Rest& rest = rest_[ix(branch)];
  const bool tail = rest.sent + 1 == rest.flits;
  const Flit flit = make_flit(rest.packet, rest.sent == 0, tail, kMulticast);
  ++rest.sent;
  put_on_link(lane.link, lane.channel, flit);
  if (tail) {
    release(lane.channel);
  }
}

/// Frees what all branches have sent; ends the packet when that was its tail.
void Network::free_slots(std::int32_t channel) {
  Lane& c = lanes_[ix(channel)];
  std::int32_t sent = std::numeric_limits<std::int32_t>::max();
  for (std::int32_t b = c.sibling; b >= 0; b = lanes_[ix(b)].sibling) {
    sent = std::min(sent, rest_[ix(b)].sent);
  }
  const std::uint32_t packet = packet_of(front(channel, c));
  std::int32_t& gone = rest_[ix(channel)].sent;
  for (; gone < sent; ++gone) {
    pop(c);
    return_credit(c.at(), channel);
  }
  refresh_branches(channel);
  if (gone < packets_[packet].flits) {
    return;
  }
  for (std::int32_t b = c.sibling; b >= 0;) {
    const std::int32_t next = lanes_[ix(b)].sibling;
    lanes_[ix(b)] = Lane{};
    rest_[ix(b)] = Rest{};
    spare_lanes_.push_back(b);
    b = next;
  }
  c.sibling = -1;
  drop_packet(packet);
  lanes_[ix(channel)].state = LaneState::idle;
  next_packet(channel);
}

/// Separable, one iteration: every output grants one input, every input accepts one output, both
/// round robin, priorities move on acceptance only. A multicast flit goes to all outputs that
/// granted it.
void Network::allocate_switch(int router) {
  const std::int32_t* in_links = &graph_.in_links[ix(graph_.in_base[ix(router)])];
  const std::int32_t* out_links = &graph_.out_links[ix(graph_.out_base[ix(router)])];
  std::uint64_t outputs = busy_outputs_[ix(router)];
  std::uint64_t granted = 0;
  for (; outputs != 0; outputs &= outputs - 1) {
    const int port = std::countr_zero(outputs);
    const Output& out = outputs_[ix(out_links[port])];
    const int input = first_from(out.asking, out.next_input);
    grants_[ix(input)] |= std::uint64_t{1} << static_cast<unsigned>(port);
    granted |= std::uint64_t{1} << static_cast<unsigned>(input);
  }
  for (; granted != 0; granted &= granted - 1) {
    const int input = std::countr_zero(granted);
    const std::uint64_t offers = grants_[ix(input)];
    grants_[ix(input)] = 0;
    accept(router, in_links[input], offers);
  }
}

/// The input port that `link` enters takes one of the outputs that granted it.
[[gnu::always_inline]] inline void Network::accept(int router,
                                                   std::int32_t link,
                                                   std::uint64_t offers) {
  const std::int32_t* out_links = &graph_.out_links[ix(graph_.out_base[ix(router)])];
  Input& in = inputs_[ix(link)];
  const int output = first_from(offers, in.next_output);
  const int vc = first_from(wishes_[ix(in.wishes + output)], in.next_vc);
  const std::int32_t channel = link * vcs_ + vc;
  const auto after = [](int port) { return (port + 1) & 63; };
  in.next_output = after(output);
  in.next_vc = vc + 1 == vcs_ ? 0 : vc + 1;
  outputs_[ix(out_links[output])].next_input = after(in.port);
  if (lanes_[ix(channel)].sibling < 0) {
    send(channel);
    return;
  }
  std::int32_t first = lanes_[ix(channel)].sibling;
  while (lanes_[ix(first)].port != output) {
    first = lanes_[ix(first)].sibling;
  }
  const std::int32_t flit = rest_[ix(first)].sent;
  for (std::int32_t b = lanes_[ix(channel)].sibling; b >= 0; b = lanes_[ix(b)].sibling) {
    const Lane& lane = lanes_[ix(b)];
    const bool asks = (wishes_[ix(in.wishes + lane.port)] >> static_cast<unsigned>(vc) & 1U) != 0;
    const bool granted = (offers >> static_cast<unsigned>(lane.port) & 1U) != 0;
    if (asks && granted && rest_[ix(b)].sent == flit) {
      outputs_[ix(lane.link)].next_input = after(in.port);
      send_branch(b);
    }
  }
  free_slots(channel);
}

// ---- time ---------------------------------------------------------------------------------------

void Network::cycle() {
  const std::size_t slot = ix(now_) & wheel_mask_;
  allocation_cycle_ = now_;
  while (!wakes_.empty() && wakes_.top().first <= now_) {
    ready_sources_.set(wakes_.top().second);
    wakes_.pop();
  }
  if ((due_[slot >> 6] >> (slot & 63) & 1U) != 0) {
    due_[slot >> 6] &= ~(std::uint64_t{1} << (slot & 63));
    const auto drain = [this](auto& wheel, auto&& each) {
      auto& records = wheel.due(now_);
      for (const auto& record : records) {
        each(record);
      }
      records.clear();
    };
    drain(arrivals_, [this](const FlitAt& f) { take_flit(f.where, f.flit); });
    drain(credits_due_, [this](std::int32_t c) { take_credit(c); });
    drain(source_credits_due_, [this](std::int32_t c) { take_source_credit(c); });
    drain(routed_, [this](std::int32_t c) { route_head(c); });
    drain(activations_, [this](std::int32_t l) { activate(l); });
    drain(ejections_, [this](const FlitAt& f) { take_ejected(f.where, f.flit); });
  }
  // Releases further down list pools for the next cycle, so take the present list only.
  const std::size_t listed = allocations_.size();
  for (std::size_t i = 0; i < listed; ++i) {
    allocate_channels(allocations_[i]);
  }
  allocations_.clear();
  allocation_cycle_ = now_ + 1;
  const std::int64_t sink_credit = wire_ + credit_wire_;
  out_.arrivals = &arrivals_.due(now_ + wire_);
  out_.injections = &arrivals_.due(now_ + injection_);
  out_.ejections = &ejections_.due(now_ + wire_ - 1);
  out_.credits = &credits_due_.due(now_ + credit_wire_);
  out_.source_credits = &source_credits_due_.due(now_ + source_credit_);
  out_.sink_credits = &credits_due_.due(now_ + sink_credit);
  busy_routers_.each([this](int r) { allocate_switch(r); });
  ready_sources_.each([this](int e) { run_source(e); });
  const auto mark = [this](const auto* records, std::int64_t delay) {
    if (!records->empty()) {
      mark_due(now_ + delay);
    }
  };
  mark(out_.arrivals, wire_);
  mark(out_.injections, injection_);
  mark(out_.ejections, wire_ - 1);
  mark(out_.credits, credit_wire_);
  mark(out_.source_credits, source_credit_);
  mark(out_.sink_credits, sink_credit);
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

FabricTotals Network::totals() const {
  FabricTotals t = totals_;
  for (std::size_t l = ix(first_router_link_); l < outputs_.size(); ++l) {
    t.flit_hops += outputs_[l].flits;
  }
  return t;
}

std::vector<LinkUse> Network::link_use() const {
  std::vector<LinkUse> use;
  for (std::size_t l = 0; l < outputs_.size(); ++l) {
    use.push_back({graph_.names[l], outputs_[l].flits});
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
