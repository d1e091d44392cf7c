// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// All mutable state of a run that more than one module sees, in flat arrays parallel to Program.
/// Every entry has one writer per phase (clock.hpp), so the order of modules within a phase cannot
/// matter.
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/engine/datapath.hpp"

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <systemc>
#include <utility>
#include <vector>

namespace tessera::engine {

/// A growing ring addressed by an index that only moves forward.
template <class T>
class Ring {
 public:
  T& at(std::int64_t index) { return slots_[static_cast<std::size_t>(index) & mask_]; }

  [[nodiscard]] const T& at(std::int64_t index) const {
    return slots_[static_cast<std::size_t>(index) & mask_];
  }

  /// Makes room for indices first..last (inclusive) at once; what lies in first..old_last keeps its
  /// value.
  void reserve(std::int64_t first, std::int64_t old_last, std::int64_t last) {
    const auto need = static_cast<std::size_t>(last - first + 1);
    if (need <= slots_.size()) {
      return;
    }
    std::size_t size = slots_.empty() ? 8 : slots_.size();
    while (size < need) {
      size *= 2;
    }
    std::vector<T> bigger(size);
    for (std::int64_t i = first; i <= old_last; ++i) {
      bigger[static_cast<std::size_t>(i) & (size - 1)] = std::move(at(i));
    }
    slots_ = std::move(bigger);
    mask_ = size - 1;
  }

  [[nodiscard]] bool empty() const { return slots_.empty(); }

 private:
  std::vector<T> slots_;
  std::size_t mask_ = 0;
};

/// The positions of one replica in the order of its firings, image after image; no division.
class Walk {
 public:
  Walk() = default;

  Walk(const ProgramStage& stage, int replica)
      : positions_(stage.positions),
        stride_(static_cast<std::int64_t>(stage.replicas.size())),
        first_(replica),
        position_(replica) {}

  [[nodiscard]] std::int64_t image() const { return image_; }

  /// In the raster of the image.
  [[nodiscard]] std::int64_t position() const { return position_; }

  /// Of the position in an edge that leaves the stage, counted over all images.
  [[nodiscard]] std::int64_t index() const { return image_ * positions_ + position_; }

  [[nodiscard]] std::int64_t stride() const { return stride_; }

  /// Positions of the image that are left.
  [[nodiscard]] std::int64_t left() const {
    return (positions_ - position_ + stride_ - 1) / stride_;
  }

  /// By at most left().
  void advance(std::int64_t count) {
    position_ += count * stride_;
    if (position_ >= positions_) {
      position_ = first_;
      ++image_;
    }
  }

 private:
  std::int64_t positions_ = 1;
  std::int64_t stride_ = 1;
  std::int64_t first_ = 0;
  std::int64_t image_ = 0;
  std::int64_t position_ = 0;
};

/// What the consumer tells one producing replica: "everything below `value` is free from cycle `at`
/// on".
struct Credit {
  std::int64_t at;
  std::int64_t value;
};

struct CreditChannel {
  int replica = 0;         ///< of the producing stage
  std::int64_t delay = 1;  ///< cycles until the producer sees a release
  std::int64_t seen = 0;   ///< released index as the producer knows it
  std::deque<Credit> pending;
  std::int64_t awaited = 0;  ///< released index that lets the producer's head leave
};

/// A line buffer (see program.hpp). A position lands, and can be read the buffer's write latency
/// later.
struct PortState {
  struct Slot {
    bool landed = false;
    Position32 data;
  };

  std::int64_t landed = 0;     ///< first needed index that has not landed
  std::int64_t watermark = 0;  ///< first needed index that cannot be read yet
  std::int64_t released = 0;   ///< first index still needed by a later firing
  std::int64_t highest = -1;   ///< highest index that landed
  Ring<Slot> slots;
  std::int64_t live = 0;  ///< slots in use
  Cycles link_wait{0};    ///< of the position that moved the watermark last
  Cycles credit_wait{0};
  bool from_memory = false;  ///< the producer is a pass through off-chip memory
  int operand = 0;           ///< of the consuming stage
  TrackId from_track = -1;
  Cycles sent_at{0};
  std::vector<CreditChannel> credits;  ///< one per replica of the producer
};

/// Reservation of a PE's resources (all PEs of a lockstep group alike), see model.hpp.
class Reservation {
 public:
  explicit Reservation(std::size_t resources) : free_(resources, 0) {}

  /// Earliest issue at or after `at`; takes the resources.
  std::int64_t take(const std::vector<Schedule::Hold>& holds, std::int64_t at) {
    for (const Schedule::Hold& hold : holds) {
      at = std::max(at, free_[static_cast<std::size_t>(hold.on)] - hold.first.value);
    }
    for (const Schedule::Hold& hold : holds) {
      free_[static_cast<std::size_t>(hold.on)] = at + hold.end.value;
    }
    return at;
  }

 private:
  std::vector<std::int64_t> free_;
};

struct PartState {
  struct Flight {
    std::int64_t ordinal = 0;
    std::int64_t count = 1;             ///< positions (bursts of the source)
    std::int64_t taken_at = INT64_MAX;  ///< when the vector unit has its result, once known
    int pes_playing = 0;                ///< step mode: PEs that have not finished
    std::int64_t done = 0;              ///< step mode: latest finish so far
    std::int64_t shown = -1;  ///< a cycle in which the vector unit works on the result; -1: in none
    Partial64 result;
    std::vector<Position32> positions;  ///< vector stages
  };

  /// An operand of the next firing.
  struct Input {
    int port = -1;                  ///< its line buffer
    std::int64_t needed = 0;        ///< last index that must be there
    std::int64_t first_needed = 0;  ///< first index that it or a later firing needs
  };

  std::int64_t ordinal = 0;   ///< next firing, counted over all images
  Walk walk;                  ///< to the next firing
  std::int64_t firings = 0;   ///< of the whole run
  std::int64_t image = -1;    ///< of the last firing
  std::vector<Input> inputs;  ///< per in-edge of the stage
  int outstanding = 0;
  bool dirty = false;
  bool written = false;        ///< matrix of the current image (or turn) programmed
  std::deque<Flight> flights;  ///< in order of issue
  std::vector<Reservation> groups;
  std::int64_t last_done = 0;  ///< of its firings whose time depends on data
  std::int64_t drawn_to = 0;   ///< end of the last work span: its row is tiled up to here
  std::int64_t input_at = -1;  ///< when the operands of the next firing were complete; -1: not yet
  std::int64_t wake_at = -1;   ///< when landed operands of the next firing can be read, if told
  Cycles input_link{0}, input_credit{0};
  bool input_memory = false;
  std::int64_t bus_until = 0;  ///< when the operands of the last firing were in the PEs
  TrackId input_track = -1;
  Cycles input_sent{0};
  std::int64_t slot_at = 0;  ///< when a register came free for the next firing
  Wait slot_reason = Wait::resource;
  PartStats stats;
  TrackId track = -1;
};

/// A position whose result is being put together at its replica's home.
struct OpenPosition {
  int contributions = 0;
  bool done = false;
  std::int64_t shown = -1;  ///< a cycle in which the vector unit worked on it, for the trace
  std::vector<Contribution> given;  ///< when functional
  Position32 value;
};

struct ReplicaState {
  /// A line buffer that positions leave for.
  struct Outlet {
    int index = 0;
    const ProgramPort* port = nullptr;
    CreditChannel* credits = nullptr;
  };

  std::vector<Outlet> outlets;
  std::int64_t head = 0;      ///< ordinal of the next position to leave
  Walk walk;                  ///< to head
  std::int64_t highest = -1;  ///< highest ordinal opened
  Ring<OpenPosition> open;
  bool blocked = false;      ///< head is done but a consumer's line buffer is full
  int full = 0;              ///< line buffers that have not released yet what head waits for
  std::int64_t room_at = 0;  ///< when the producer sees the last of those releases
  bool retry = false;        ///< listed for another attempt

  struct Combining {
    std::int64_t ordinal = 0;
    std::int64_t shown = -1;
    Position32 value;
  };

  std::deque<Combining> combining;  ///< in the vector unit, oldest first
  std::int64_t combined_count = 0;
};

struct StageState {
  StageStats stats;
};

struct Message {
  enum class Kind : std::uint8_t { position, partial };
  Kind kind = Kind::position;
  int stage = 0;
  int replica = 0;
  int part = 0;                       ///< that a partial result is of
  std::int64_t index = 0;             ///< of the first position, or ordinal of the partial result
  std::int64_t count = 1;             ///< positions: index, index + replicas, ...
  std::vector<Position32> positions;  ///< when functional
  Partial64 partial;
  Bits bits{0};
  int deliveries_left = 0;
  std::vector<EndpointId> delayed_to;  ///< destinations of a message that a test holds back
  TrackId from_track = -1;
  Cycles sent_at{0};
};

class EndpointModule;
class FabricModule;

/// Everything a run owns; modules keep a reference.
struct State {
  State(const Program& p, const arch::chip::Chip& c, const RunOptions& o)
      : program(p), chip(c), options(o) {}

  const Program& program;
  const arch::chip::Chip& chip;
  const RunOptions& options;
  DataPath* datapath = nullptr;  ///< null when functional is off
  TraceSink* trace = nullptr;
  std::unique_ptr<Fabric> fabric;
  FabricModule* fabric_module = nullptr;
  std::vector<PortState> ports;
  std::vector<PartState> parts;
  std::vector<std::vector<ReplicaState>> replicas;  ///< [stage][replica]
  std::vector<StageState> stages;
  std::vector<EndpointModule*> endpoints;
  std::vector<std::vector<int>> parts_at;  ///< [endpoint] indices into Program::parts
  std::vector<std::vector<int>> ports_at;  ///< [endpoint] indices into Program::ports
  /// Step mode: of the Ops played so far that have one, by group of tiles.
  std::map<std::pair<std::size_t, Op>, Sequence> sequences;
  std::vector<int> turns;  ///< serial: parts in the order in which they may fire
  std::size_t turn = 0;
  RunStats stats;
  std::int64_t images_done = 0;
  std::int64_t positions_out = 0;  ///< of the sink
  std::int64_t last_event = 0;
  std::exception_ptr failure;  ///< what a process threw: the kernel must not see it
};

/// Runs the body of a process; an exception ends the simulation and is thrown again by simulate().
template <class F>
void guarded(State& state, F&& body) {
  try {
    ++state.stats.sc_activations;
    body();
  } catch (...) {
    state.failure = std::current_exception();
    sc_core::sc_stop();
  }
}

}  // namespace tessera::engine
