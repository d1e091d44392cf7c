// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One endpoint of the fabric as a SystemC module: a tile, a chip I/O port or the memory port.
///
/// A tile's bus, buffer and vector unit live here; so do its lockstep groups of PEs. One SC_METHOD
/// with a queue of its own: it runs only in cycles in which something happens here. All events of a
/// cycle are handled first, in an order that does not depend on who caused them; then whatever can
/// start is started.
///
/// One firing of a matrix part:
///   input over the bus -> PEs (Reservation) -> result over the bus -> vector unit -> home tile ->
///   combined -> position leaves for every line buffer that needs it, as soon as all of them have
///   room.
#pragma once

#include "sim/base/rng.hpp"
#include "sim/engine/state.hpp"

#include <deque>
#include <queue>
#include <string>
#include <systemc>
#include <vector>

namespace tessera::engine {

class StepPlayer;

class EndpointModule : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(EndpointModule);
  EndpointModule(const sc_core::sc_module_name& name,
                 std::string path,
                 State& state,
                 EndpointId id);
  ~EndpointModule() override;

  /// Declares the trace rows and asks for the first activation.
  void begin();
  /// Registers waveform signals.
  void trace_signals(sc_core::sc_trace_file* file);
  /// The fabric delivered a message; called in the fabric's phase, seen by this endpoint in cycle
  /// delivery.at + 1.
  void deliver(const Delivery& delivery, Message& message);
  /// Step mode: one PE of a part has finished a firing; called in the resources' phase.
  void pe_finished(int part, std::int64_t ordinal, Cycles done);
  /// A consumer released what the replica's blocked head waits for; seen here in cycle `when`. The
  /// last of several such releases lets the head leave.
  void room(int stage, int replica, std::int64_t when);
  /// Serial: it is this part's turn from cycle `when` on.
  void wake_part(int part, std::int64_t when);

  [[nodiscard]] Message& message(std::uint32_t slot) { return messages_[slot]; }

  void release_message(std::uint32_t slot);

  /// Waits that are still open, for the deadlock report.
  void describe_waits(std::vector<std::string>& lines) const;
  /// Fills rows and statistics up to the end of the run.
  void finish(std::int64_t end);

 private:
  /// look: nothing but the activation.
  enum class EventKind : std::uint8_t { taken, combine, combined, send, wake, inject, look };

  struct Event {
    std::int64_t at;
    EventKind kind;
    std::int32_t subject;  ///< part, or message slot
    std::int64_t ordinal;

    bool operator>(const Event& o) const {
      if (at != o.at) {
        return at > o.at;
      }
      if (kind != o.kind) {
        return kind > o.kind;
      }
      return subject != o.subject ? subject > o.subject : ordinal > o.ordinal;
    }
  };

  struct Arrival {
    int port = 0;
    Cycles link_wait{0}, credit_wait{0};
    TrackId from_track = -1;
    Cycles sent_at{0};
  };

  /// A position in the buffer that cannot be read before cycle `at`.
  struct Landing {
    std::int64_t at = 0;
    std::int64_t watermark = -1;  ///< that it gives the port; -1: one before it is missing
    Arrival arrival;
  };

  /// The PEs of a part are done with a firing.
  struct Done {
    std::int64_t at;
    int part;
    std::int64_t ordinal;

    bool operator>(const Done& o) const {
      if (at != o.at) {
        return at > o.at;
      }
      return part != o.part ? part > o.part : ordinal > o.ordinal;
    }
  };

  struct StagePorts {
    int stage;
    std::vector<int> ports;
  };

  void activate() {
    guarded(state_, [this] { run(); });
  }

  void run();
  void schedule(Event event);
  void request(std::int64_t when);
  void handle(const Event& event);
  void settle();
  void mark(int part);

  [[nodiscard]] bool inputs_ready(const PartState& state) const;
  [[nodiscard]] bool may_issue(const PartState& state, const ProgramPart& part) const;
  void note_inputs(int part, const PortState& port, std::int64_t when);
  bool can_fire(int part);
  void fire(int part);
  std::int64_t write_matrix(int part, std::int64_t when);
  void release_inputs(int part, std::int64_t when);
  void start_pes(int part,
                 std::int64_t ordinal,
                 std::int64_t when,
                 bool write,
                 std::vector<Schedule> took = {});
  void await_result(const Done& done);
  void take_result(const Done& done);
  [[nodiscard]] std::int64_t earliest_taken(const Done& done) const;
  void result_taken(int part);
  void contribute(int part, PartState::Flight flight, bool in_fabric_phase, std::int64_t when);
  Position32 finished(int stage, int replica, std::int64_t ordinal);
  void do_vector_work(const VectorJob& job, std::int64_t start, int part);
  void combine(int stage, int replica, std::int64_t ordinal);
  void position_done(
      int stage, int replica, std::int64_t ordinal, std::int64_t shown, Position32 value);
  void try_send(int stage, int replica);
  bool has_room(ReplicaState& state, std::int64_t position, std::int64_t index) const;
  void position_left(int stage, std::int64_t ordinal, std::int64_t image, const Position32& value);
  void land(const Arrival& arrival, std::int64_t index, Position32 data, std::int64_t when);
  void show(const Landing& landing);
  void await_landed(int part);
  void send(Message message, const std::vector<EndpointId>& to);
  void inject(std::uint32_t slot, const std::vector<EndpointId>& to, Bits bits);
  [[nodiscard]] std::int64_t bus_cycles(std::int64_t bits) const;
  std::int64_t take_bus(std::int64_t bits, std::int64_t when, int part);
  std::int64_t take_vector_unit(Cycles cycles, std::int64_t when, int part, std::int64_t index);
  void draw_work(int part, std::int64_t start, std::int64_t end, std::int64_t index);
  void draw_arrow(const PartState& state, TrackId track, std::int64_t used) const;
  void advance_turn();
  Operand operand_reader(int part, std::int64_t image);

  /// Image and position of a firing.
  [[nodiscard]] Stamp stamp_of(const ProgramPart& part, std::int64_t ordinal) const;

  State& state_;
  const EndpointId id_;
  const std::string path_;
  const bool is_tile_;
  const std::vector<int>& parts_;  ///< of this endpoint
  sc_core::sc_event wake_;
  std::int64_t wake_at_ = INT64_MAX;
  std::int64_t now_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  std::priority_queue<Done, std::vector<Done>, std::greater<>> done_;
  std::deque<Landing> landings_;  ///< oldest first
  std::vector<Message> messages_;
  std::vector<std::uint32_t> free_messages_;
  std::vector<StagePorts> stage_ports_;  ///< sorted by stage: line buffers here, by producer
  std::vector<int> dirty_, settling_;
  std::vector<std::pair<int, int>> resend_, sending_;
  std::vector<EndpointId> remote_, burst_to_;  ///< of try_send()
  std::int64_t bus_free_ = 0;
  std::int64_t vector_free_ = 0;
  std::int64_t bus_drawn_ = 0;
  std::int64_t vector_drawn_ = 0;
  TrackId bus_track_ = -1;
  TrackId vector_track_ = -1;
  std::int64_t bus_width_ =
      0;  ///< bits per cycle that the buffer and the bus together sustain; 0: unlimited
  std::int64_t read_latency_ = 0;
  std::int64_t write_latency_ = 0;
  std::unique_ptr<StepPlayer> step_;
  Rng stall_;
};

}  // namespace tessera::engine
