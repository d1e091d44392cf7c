// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/endpoint.hpp"

#include "sim/base/math.hpp"
#include "sim/engine/clock.hpp"
#include "sim/engine/fabric_module.hpp"
#include "sim/engine/step_player.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace tessera::engine {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

}  // namespace

EndpointModule::EndpointModule(const sc_core::sc_module_name& name,
                               std::string path,
                               State& state,
                               EndpointId id)
    : sc_module(name),
      state_(state),
      id_(id),
      path_(std::move(path)),
      is_tile_(id < state.program.tiles),
      parts_(state.parts_at[at(id)]),
      stall_(state.options.seed, "stall/" + path_) {
  SC_METHOD(activate);
  sensitive << wake_;
  dont_initialize();
  const Program& program = state_.program;
  for (const int port : state_.ports_at[at(id_)]) {
    const int stage = program.edges[at(program.ports[at(port)].edge)].from;
    const auto same = [stage](const StagePorts& s) { return s.stage == stage; };
    auto found = std::find_if(stage_ports_.begin(), stage_ports_.end(), same);
    if (found == stage_ports_.end()) {
      stage_ports_.push_back({stage, {}});
      found = std::prev(stage_ports_.end());
    }
    found->ports.push_back(port);
  }
  std::sort(stage_ports_.begin(), stage_ports_.end(), [](const StagePorts& a, const StagePorts& b) {
    return a.stage < b.stage;
  });
  if (is_tile_) {
    const arch::tile::TileSpec& tile = state_.chip.group_at(id_).tile;
    const std::int64_t buffer = tile.buffer.bank_width * tile.buffer.banks;
    bus_width_ = tile.bus.width == 0
                     ? buffer
                     : (buffer == 0 ? tile.bus.width : std::min(buffer, tile.bus.width));
    read_latency_ = state_.chip.clock.ceil_cycles(tile.buffer.read_latency).value;
    write_latency_ = state_.chip.clock.ceil_cycles(tile.buffer.write_latency).value;
    if (state_.options.detail == Detail::step) {
      step_ = std::make_unique<StepPlayer>(state_, id_, path_);
    }
  }
}

EndpointModule::~EndpointModule() = default;

void EndpointModule::begin() {
  if (step_ != nullptr) {
    step_->begin();
  }
  if (parts_.empty()) {
    return;
  }
  if (state_.trace != nullptr) {
    if (is_tile_) {
      bus_track_ = state_.trace->track(TrackKind::bus, path_ + ".bus");
    }
    vector_track_ = state_.trace->track(TrackKind::vector_unit,
                                        path_ + (is_tile_ ? ".vector_unit" : ".channel"));
    for (const int part : parts_) {
      const ProgramPart& p = state_.program.parts[at(part)];
      if (!p.groups.empty()) {
        const ProgramStage& stage = state_.program.stages[at(p.stage)];
        state_.parts[at(part)].track = state_.trace->track(
            TrackKind::pe_group, fmt::format("{}.pe_group.{}[{}]", path_, stage.name, p.replica));
      }
    }
  }
  // Parts without operands can start at once.
  for (const int part : parts_) {
    const ProgramPart& p = state_.program.parts[at(part)];
    if (state_.program.stages[at(p.stage)].in_edges.empty()) {
      schedule({0, EventKind::wake, part, 0});
    }
  }
}

void EndpointModule::trace_signals(sc_core::sc_trace_file* file) {
  for (const int part : parts_) {
    const ProgramPart& p = state_.program.parts[at(part)];
    const std::string& name = state_.program.stages[at(p.stage)].name;
    sc_core::sc_trace(file,
                      state_.parts[at(part)].outstanding,
                      fmt::format("{}.{}_{}.firings_in_flight", path_, name, p.replica));
  }
  if (step_ != nullptr) {
    step_->trace_signals(file);
  }
}

Stamp EndpointModule::stamp_of(const ProgramPart& part, std::int64_t ordinal) const {
  const ProgramStage& stage = state_.program.stages[at(part.stage)];
  const auto replicas = static_cast<std::int64_t>(stage.replicas.size());
  const std::int64_t per_image = (stage.positions - part.replica + replicas - 1) / replicas;
  return {ordinal / per_image, ordinal % per_image * replicas + part.replica};
}

// ---- activation ---------------------------------------------------------------------------------

void EndpointModule::request(std::int64_t when) {
  if (when < wake_at_) {
    wake_at_ = when;
    notify_at(wake_, Cycles(when), Phase::endpoint);
  }
}

void EndpointModule::schedule(Event event) {
  queue_.push(event);
  request(event.at);
}

void EndpointModule::run() {
  now_ = now_cycle().value;
  wake_at_ = now_;  // what is scheduled meanwhile is asked for once, at the end
  state_.last_event = std::max(state_.last_event, now_);
  for (; !landings_.empty() && landings_.front().at <= now_; landings_.pop_front()) {
    show(landings_.front());
  }
  for (; !done_.empty() && done_.top().at <= now_; done_.pop()) {
    take_result(done_.top());
  }
  while (true) {
    while (!queue_.empty() && queue_.top().at <= now_) {
      const Event event = queue_.top();
      queue_.pop();
      handle(event);
    }
    settle();
    if (queue_.empty() || queue_.top().at > now_) {
      break;
    }
  }
  wake_at_ = INT64_MAX;
  if (!queue_.empty()) {
    request(queue_.top().at);
  }
}

void EndpointModule::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::taken:
      if (state_.parts[at(event.subject)].flights.front().taken_at == now_) {
        result_taken(event.subject);
      }
      break;
    case EventKind::combine: {
      const ProgramPart& part = state_.program.parts[at(event.subject)];
      combine(part.stage, part.replica, event.ordinal);
      break;
    }
    case EventKind::combined: {
      const ProgramPart& part = state_.program.parts[at(event.subject)];
      ReplicaState& replica = state_.replicas[at(part.stage)][at(part.replica)];
      ReplicaState::Combining done = std::move(replica.combining.front());
      replica.combining.pop_front();
      position_done(part.stage, part.replica, done.ordinal, done.shown, std::move(done.value));
      break;
    }
    case EventKind::send: {
      const ProgramPart& part = state_.program.parts[at(event.subject)];
      ReplicaState& replica = state_.replicas[at(part.stage)][at(part.replica)];
      if (!replica.retry) {
        replica.retry = true;
        resend_.emplace_back(part.stage, part.replica);
      }
      break;
    }
    case EventKind::wake:
      mark(event.subject);
      break;
    case EventKind::look:
      break;
    case EventKind::inject: {
      Message& message = messages_[at(event.subject)];
      const std::vector<EndpointId> to = std::move(message.delayed_to);
      inject(static_cast<std::uint32_t>(event.subject), to, message.bits);
      break;
    }
  }
}

void EndpointModule::mark(int part) {
  PartState& state = state_.parts[at(part)];
  if (!state.dirty) {
    state.dirty = true;
    dirty_.push_back(part);
  }
}

/// Starts whatever can start, in an order that does not depend on who woke us.
void EndpointModule::settle() {
  while (!dirty_.empty() || !resend_.empty()) {
    sending_.clear();
    sending_.swap(resend_);
    std::sort(sending_.begin(), sending_.end());
    for (const auto& [stage, replica] : sending_) {
      state_.replicas[at(stage)][at(replica)].retry = false;
      try_send(stage, replica);
    }
    settling_.clear();
    settling_.swap(dirty_);
    std::sort(settling_.begin(), settling_.end());
    for (const int part : settling_) {
      state_.parts[at(part)].dirty = false;
      while (can_fire(part)) {
        fire(part);
      }
    }
  }
}

// ---- firing -------------------------------------------------------------------------------------

bool EndpointModule::inputs_ready(const PartState& state) const {
  return std::all_of(
      state.inputs.begin(), state.inputs.end(), [this](const PartState::Input& input) {
        return state_.ports[at(input.port)].watermark > input.needed;
      });
}

/// Whether the part has a register for another firing, and its replica room for the result.
bool EndpointModule::may_issue(const PartState& state, const ProgramPart& part) const {
  const Program& program = state_.program;
  if (state.outstanding >= part.input_registers) {
    return false;
  }
  const ProgramStage& stage = program.stages[at(part.stage)];
  const ProgramReplica& replica = stage.replicas[at(part.replica)];
  return replica.home != id_ ||
         state.ordinal - state_.replicas[at(part.stage)][at(part.replica)].head <
             replica.output_slots * stage.burst;
}

/// Notes when the operands of the part's next firing were complete, and what the network added to
/// that.
void EndpointModule::note_inputs(int part, const PortState& port, std::int64_t when) {
  PartState& state = state_.parts[at(part)];
  if (state.input_at >= 0 || state.ordinal >= state.firings || !inputs_ready(state)) {
    return;
  }
  state.input_at = when;
  state.input_link = port.link_wait;
  state.input_credit = port.credit_wait;
  state.input_memory = port.from_memory;
  state.input_track = port.from_track;
  state.input_sent = port.sent_at;
}

bool EndpointModule::can_fire(int part) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  if (state.ordinal >= state.firings) {
    return false;
  }
  const Program& program = state_.program;
  if (!state_.turns.empty() && state_.turns[state_.turn] != part) {
    return false;
  }
  if (program.stages[at(p.stage)]
          .in_edges.empty()) {  // the source: images may come at a given rate
    const std::int64_t due = state.walk.image() * state_.options.image_interval.value;
    if (due > now_) {
      schedule({due, EventKind::wake, part, 0});
      return false;
    }
    state.input_at = std::max(due, state.input_at);
  } else if (state.input_at < 0) {
    if (!inputs_ready(state)) {
      await_landed(part);
      return false;
    }
    state.input_at = now_;
  }
  return may_issue(state, p);
}

std::int64_t EndpointModule::bus_cycles(std::int64_t bits) const {
  return bus_width_ == 0 ? 0 : ceil_div(bits, bus_width_);
}

std::int64_t EndpointModule::take_bus(std::int64_t bits, std::int64_t when, int part) {
  const std::int64_t cycles = bus_cycles(bits);
  const std::int64_t start = std::max(when, bus_free_);
  bus_free_ = start + cycles;
  EndpointStats& stats = state_.stats.endpoints[at(id_)];
  stats.bus_busy += Cycles(cycles);
  stats.bus_bits += bits;
  if (state_.trace != nullptr && cycles > 0) {
    const ProgramStage& stage = state_.program.stages[at(state_.program.parts[at(part)].stage)];
    if (start > bus_drawn_) {
      state_.trace->wait(bus_track_, Cycles(bus_drawn_), Cycles(start), Wait::none);
    }
    state_.trace->work(
        bus_track_, Cycles(start), Cycles(bus_free_), stage.name, state_.parts[at(part)].ordinal);
    bus_drawn_ = bus_free_;
  }
  return bus_free_;
}

std::int64_t EndpointModule::take_vector_unit(Cycles cycles,
                                              std::int64_t when,
                                              int part,
                                              std::int64_t index) {
  const std::int64_t start = std::max(when, vector_free_);
  vector_free_ = start + cycles.value;
  state_.stats.endpoints[at(id_)].vector_busy += cycles;
  if (state_.trace != nullptr && cycles.value > 0) {
    const ProgramStage& stage = state_.program.stages[at(state_.program.parts[at(part)].stage)];
    if (start > vector_drawn_) {
      state_.trace->wait(vector_track_, Cycles(vector_drawn_), Cycles(start), Wait::none);
    }
    state_.trace->work(vector_track_, Cycles(start), Cycles(vector_free_), stage.name, index);
    vector_drawn_ = vector_free_;
  }
  return start;
}

/// Accounts for the part's time up to a work span [start, end): the gap before it is split by
/// cause, in the order in which the causes went away.
void EndpointModule::draw_work(int part, std::int64_t start, std::int64_t end, std::int64_t index) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  std::int64_t cursor = state.drawn_to;
  start = std::max(start, cursor);
  const auto wait = [&](Wait reason, std::int64_t until) {
    until = std::min(until, start);
    if (until > cursor) {
      state.stats.waits[at(static_cast<int>(reason))] += Cycles(until - cursor);
      if (state.track >= 0) {
        state_.trace->wait(state.track, Cycles(cursor), Cycles(until), reason);
      }
      cursor = until;
    }
  };
  if (state_.program.stages[at(p.stage)].in_edges.empty()) {
    wait(Wait::none, state.input_at);
  } else if (state.input_at > cursor) {
    const std::int64_t late = state.input_at - cursor;
    const std::int64_t link = std::min(late, state.input_link.value);
    const std::int64_t credit = std::min(late - link, state.input_credit.value);
    wait(state.input_memory ? Wait::memory : Wait::input, state.input_at - link - credit);
    wait(Wait::link, state.input_at - credit);
    wait(Wait::credit, state.input_at);
  }
  wait(state.slot_reason, state.slot_at);
  if (!p.groups.empty()) {
    wait(Wait::bus, state.bus_until);
  }
  wait(Wait::resource, start);
  state.stats.work += Cycles(std::max<std::int64_t>(end, cursor) - cursor);
  if (state.track >= 0 && end > cursor) {
    state_.trace->work(
        state.track, Cycles(cursor), Cycles(end), state_.program.stages[at(p.stage)].name, index);
    draw_arrow(state, state.track, cursor);
  }
  state.drawn_to = std::max(end, cursor);
  if (state.stats.first_start.value < 0) {
    state.stats.first_start = Cycles(cursor);
  }
  state.stats.last_end = Cycles(state.drawn_to);
}

/// From the vector unit that finished the last operand to the firing that waited for it.
void EndpointModule::draw_arrow(const PartState& state, TrackId track, std::int64_t used) const {
  if (state.input_track >= 0 && state.input_sent.value >= 0) {
    state_.trace->flow(state.input_track, state.input_sent, track, Cycles(used));
  }
}

Operand EndpointModule::operand_reader(int part, std::int64_t image) {
  return [this, part, image](int operand, std::int64_t position) -> std::span<const std::int32_t> {
    const ProgramPart& p = state_.program.parts[at(part)];
    const ProgramStage& stage = state_.program.stages[at(p.stage)];
    const ProgramEdge& edge = state_.program.edges[at(stage.in_edges[at(operand)])];
    const PortState& port = state_.ports[at(state_.parts[at(part)].inputs[at(operand)].port)];
    const std::int64_t index = image * edge.positions + position;
    if (position < 0 || position >= edge.positions || index < port.released ||
        index > port.highest || !port.slots.at(index).landed) {
      throw InternalError(
          path_,
          now_,
          fmt::format(
              "stage {} reads position {} of image {} of operand {}, which is not in its line "
              "buffer (released {}, watermark {})",
              stage.name,
              position,
              image,
              operand,
              port.released,
              port.watermark));
    }
    return *port.slots.at(index).data;
  };
}

void EndpointModule::fire(int part) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  const ProgramStage& stage = state_.program.stages[at(p.stage)];
  const std::int64_t ordinal = state.ordinal;
  const std::int64_t image = state.walk.image();
  const std::int64_t pos = state.walk.position();
  StageStats& stage_stats = state_.stages[at(p.stage)].stats;
  if (state.image != image) {
    state.image = image;
    state.written = false;
  }
  stage_stats.image_start[at(image)] =
      Cycles(std::min(stage_stats.image_start[at(image)].value, now_));

  PartState::Flight flight;
  flight.ordinal = ordinal;
  std::int64_t inputs_free = now_;
  std::int64_t count = 1;
  if (!p.groups.empty()) {
    std::int64_t ready = now_;
    if (stage.rewrites && !state.written) {
      ready = write_matrix(part, now_);
      state.written = true;
      ++state.stats.writes;
      if (state_.datapath != nullptr) {
        state_.datapath->write(part, image, operand_reader(part, image));
      }
    }
    const std::int64_t bus_end = take_bus(p.in_bits.value, ready, part);
    state_.stats.endpoints[at(id_)].buffer_read_bits += p.in_bits.value;
    state.bus_until = bus_end + read_latency_;
    inputs_free = bus_end;
    Fired fired;
    if (state_.datapath != nullptr) {
      fired = state_.datapath->fire(part, image, pos, operand_reader(part, image));
      flight.result = std::move(fired.sum);
    }
    state.flights.push_back(std::move(flight));
    start_pes(part, ordinal, bus_end + read_latency_, false, std::move(fired.took));
  } else {
    flight.count = stage.burst == 1 ? 1 : std::min(stage.burst, state.walk.left());
    if (state_.datapath != nullptr) {
      for (std::int64_t i = 0; i < flight.count; ++i) {
        const std::int64_t q = stamp_of(p, ordinal + i).position;
        flight.positions.push_back(
            stage.kind == StageKind::source
                ? state_.datapath->source(image, q)
                : state_.datapath->vector(part, image, q, operand_reader(part, image)));
      }
    }
    Cycles cycles = p.vector.cycles;
    if (flight.count > 1 && cycles.value > 0) {
      cycles = Cycles(ceil_div(flight.count * stage.out_bits.value, state_.chip.spec.io.width));
    }
    count = flight.count;
    const std::int64_t begin = now_ + (is_tile_ ? read_latency_ : 0);
    const std::int64_t start = take_vector_unit(cycles, begin, part, ordinal);
    const std::int64_t end = start + cycles.value;
    if (end > start) {
      flight.shown = end - 1;
      if (state_.trace != nullptr) {
        draw_arrow(state, vector_track_, start);
      }
    }
    flight.taken_at = end + p.vector.latency.value;
    schedule({flight.taken_at, EventKind::taken, part, ordinal});
    state.flights.push_back(std::move(flight));
    EndpointStats& stats = state_.stats.endpoints[at(id_)];
    do_vector_work(p.vector, start, part);
    std::int64_t in_bits = 0;
    for (const int edge : stage.in_edges) {
      in_bits += state_.program.edges[at(edge)].bits.value;
    }
    switch (stage.kind) {
      case StageKind::source:
        stats.io_bits += count * stage.out_bits.value;
        break;
      case StageKind::sink:
        stats.io_bits += in_bits;
        break;
      case StageKind::memory:
        stats.memory_bits += 2 * in_bits;
        break;
      case StageKind::matrix:
      case StageKind::vector:
        stats.buffer_read_bits += p.in_bits.value;
        break;
    }
    draw_work(part, start, end, ordinal);
    inputs_free = end;
  }
  state.stats.firings += count;
  ++state.outstanding;
  state.ordinal += count;
  state.walk.advance(count);
  state.input_at = -1;
  state.input_track = -1;
  state.slot_at = 0;
  release_inputs(part, inputs_free);
  if (stage.kind == StageKind::source && state_.stats.image_in[at(image)].value > now_) {
    state_.stats.image_in[at(image)] = Cycles(now_);
  }
  if (state.ordinal < state.firings && inputs_ready(state)) {
    state.input_at = now_;
  }
}

/// Programs the matrices of a part; returns when their inputs may be put on the bus.
std::int64_t EndpointModule::write_matrix(int part, std::int64_t when) {
  const ProgramPart& p = state_.program.parts[at(part)];
  std::int64_t bits = 0;
  for (const LockstepGroup& group : p.groups) {
    const Op& op = state_.program.residents[at(group.resident)].op;
    bits += std::int64_t{op.rows} * op.cols * op.w_bits * group.pes;
  }
  const std::int64_t end = take_bus(bits, when, part);
  start_pes(part, -1, end + read_latency_, true);
  return end;
}

/// `took`: what the firing takes PE by PE, where that depends on its data. PEs of a lockstep group
/// then still start together, and the next firing finds every resource taken from the first PE's
/// start to the last one's end.
void EndpointModule::start_pes(
    int part, std::int64_t ordinal, std::int64_t when, bool write, std::vector<Schedule> took) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  std::int64_t first = INT64_MAX;
  std::int64_t last = 0;
  std::int64_t done = 0;
  int pes = 0;
  for (std::size_t g = 0; g < p.groups.size(); ++g) {
    const LockstepGroup& group = p.groups[g];
    const Schedule* schedule =
        &state_.program.schedules[at(write ? group.write_schedule : group.schedule)];
    Schedule slowest;
    const std::span<Schedule> each =
        took.empty() ? std::span<Schedule>() : std::span(took).subspan(at(pes), at(group.pes));
    if (!each.empty()) {
      slowest = together(each);
      schedule = &slowest;
      state.stats.counted = true;
      for (std::size_t a = 0; a < kMaxActions; ++a) {
        state.stats.did[a] += slowest.did[a];
      }
    }
    const std::int64_t issue = state.groups[g].take(schedule->holds, when);
    first = std::min(first, issue);
    last = std::max(last, issue + schedule->interval.value);
    done = std::max(done, issue + schedule->latency.value);
    pes += group.pes;
    for (int i = 0; step_ != nullptr && i < group.pes; ++i) {
      std::shared_ptr<const Schedule> played =
          each.empty() ? std::shared_ptr<const Schedule>(std::shared_ptr<void>(), schedule)
                       : std::make_shared<const Schedule>(std::move(each[at(i)]));
      const Resident& resident = state_.program.residents[at(group.resident + i)];
      step_->play(resident.pe, resident.op, std::move(played), issue, part, ordinal);
    }
  }
  draw_work(part, first, last, ordinal);
  state_.last_event = std::max(state_.last_event, done);
  if (write) {
    return;
  }
  ++state_.stats.pe_firings;
  if (!took.empty() && done < std::exchange(state.last_done, done)) {
    throw InternalError(path_, now_, "a firing ends before one that was issued earlier");
  }
  if (step_ == nullptr) {
    await_result({done, part, ordinal});
  } else {
    state.flights.back().pes_playing = pes;
  }
}

void EndpointModule::pe_finished(int part, std::int64_t ordinal, Cycles done) {
  for (PartState::Flight& flight : state_.parts[at(part)].flights) {
    if (flight.ordinal == ordinal) {
      flight.done = std::max(flight.done, done.value);
      if (--flight.pes_playing == 0) {
        if (flight.done <= now_cycle().value) {
          throw InternalError(
              path_, now_cycle().value, "a firing ends in the cycle in which it is announced");
        }
        await_result({flight.done, part, ordinal});
      }
      return;
    }
  }
  throw InternalError(path_, done.value, "a PE finished a firing that nobody started");
}

/// After a firing: what the next one needs, and what nobody needs any more from cycle `when` on.
void EndpointModule::release_inputs(int part, std::int64_t when) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  const ProgramStage& stage = state_.program.stages[at(p.stage)];
  const std::int64_t image = state.walk.image();
  const std::int64_t pos = state.walk.position();
  for (std::size_t e = 0; e < stage.in_edges.size(); ++e) {
    const ProgramEdge& edge = state_.program.edges[at(stage.in_edges[e])];
    PartState::Input& input = state.inputs[e];
    input.needed = image * edge.positions + edge.last_needed[at(pos)];
    const bool is_weights = stage.in_edges[e] == stage.weight_edge;
    // A dynamic matrix is in the arrays once it is written; its line buffer is free again.
    const std::int64_t first =
        is_weights && state.written && state.image == image
            ? (image + 1) * edge.positions
            : image * edge.positions + (is_weights ? 0 : edge.first_needed[at(pos)]);
    if (first <= input.first_needed) {
      continue;
    }
    input.first_needed = first;
    std::int64_t released = INT64_MAX;
    for (const int other : state_.program.ports[at(input.port)].parts) {
      released = std::min(released, state_.parts[at(other)].inputs[e].first_needed);
    }
    PortState& port_state = state_.ports[at(input.port)];
    if (released <= port_state.released) {
      continue;
    }
    for (std::int64_t i = port_state.released; i < std::min(released, port_state.highest + 1);
         ++i) {
      PortState::Slot& slot = port_state.slots.at(i);
      if (slot.landed) {
        slot = {};
        --port_state.live;
      }
    }
    const std::int64_t before = std::exchange(port_state.released, released);
    port_state.landed = std::max(port_state.landed, released);
    port_state.watermark = std::max(port_state.watermark, released);
    for (CreditChannel& channel : port_state.credits) {
      const std::int64_t seen_at = when + channel.delay;
      if (!channel.pending.empty() && channel.pending.back().at == seen_at) {
        channel.pending.back().value = released;
      } else {
        channel.pending.push_back({seen_at, released});
      }
      if (before < channel.awaited && channel.awaited <= released) {
        const ProgramReplica& producer =
            state_.program.stages[at(edge.from)].replicas[at(channel.replica)];
        state_.endpoints[at(producer.home)]->room(edge.from, channel.replica, seen_at);
      }
    }
  }
}

// ---- results ------------------------------------------------------------------------------------

/// Nothing outside sees that PEs are done, so that takes no activation of its own: the bus and the
/// vector unit are given out afterwards, in the order of the requests, in time for the first cycle
/// in which the vector unit can have the result.
void EndpointModule::await_result(const Done& done) {
  done_.push(done);
  if (step_ != nullptr && !state_.program.parts[at(done.part)].vector.programs.empty()) {
    schedule({done.at, EventKind::look, done.part, done.ordinal});  // they are played: in time
  }
  schedule({earliest_taken(done), EventKind::taken, done.part, done.ordinal});
}

/// When the vector unit has the result if neither it nor the bus is taken.
std::int64_t EndpointModule::earliest_taken(const Done& done) const {
  const ProgramPart& p = state_.program.parts[at(done.part)];
  return done.at + bus_cycles(p.out_bits.value) + p.vector.cycles.value + p.vector.latency.value;
}

void EndpointModule::take_result(const Done& done) {
  const ProgramPart& p = state_.program.parts[at(done.part)];
  const std::int64_t bus_end = take_bus(p.out_bits.value, done.at, done.part);
  const std::int64_t start = take_vector_unit(p.vector.cycles, bus_end, done.part, done.ordinal);
  const std::int64_t end = start + p.vector.cycles.value;
  for (PartState::Flight& flight : state_.parts[at(done.part)].flights) {
    if (flight.ordinal == done.ordinal) {
      flight.taken_at = end + p.vector.latency.value;
      if (p.vector.cycles.value > 0) {
        flight.shown = end - 1;
      }
      if (flight.taken_at > earliest_taken(done)) {
        schedule({flight.taken_at, EventKind::taken, done.part, done.ordinal});
      }
    }
  }
  do_vector_work(p.vector, start, done.part);
}

/// Counts a job of the vector unit, and plays it where programs do it.
void EndpointModule::do_vector_work(const VectorJob& job, std::int64_t start, int part) {
  EndpointStats& stats = state_.stats.endpoints[at(id_)];
  stats.vector_ops += job.ops;
  if (!job.programs.empty()) {
    std::transform(job.did.begin(),
                   job.did.end(),
                   stats.vector_did.begin(),
                   stats.vector_did.begin(),
                   std::plus<>());
    stats.vector_most_cell_writes += job.most_cell_writes;
    if (step_ != nullptr) {
      step_->play(job, start, part);
    }
  }
}

/// The vector unit has taken in the oldest result of a part.
void EndpointModule::result_taken(int part) {
  PartState& state = state_.parts[at(part)];
  const ProgramPart& p = state_.program.parts[at(part)];
  const ProgramStage& stage = state_.program.stages[at(p.stage)];
  PartState::Flight flight = std::move(state.flights.front());
  state.flights.pop_front();
  const std::int64_t last = flight.ordinal + flight.count - 1;
  if (state.outstanding-- == p.input_registers) {
    state.slot_at = now_;
    state.slot_reason = Wait::resource;
  }
  mark(part);
  const ProgramReplica& replica = stage.replicas[at(p.replica)];
  if (p.groups.empty()) {
    for (std::int64_t i = 0; i < flight.count; ++i) {
      Position32 value = flight.positions.empty() ? nullptr : std::move(flight.positions[at(i)]);
      position_done(p.stage, p.replica, flight.ordinal + i, flight.shown, std::move(value));
    }
  } else if (replica.home == id_) {
    contribute(part, std::move(flight), false, now_);
  } else {
    Message message;
    message.kind = Message::Kind::partial;
    message.stage = p.stage;
    message.replica = p.replica;
    message.part = part;
    message.index = flight.ordinal;
    message.partial = std::move(flight.result);
    message.bits = stage.partial_bits;
    send(std::move(message), {replica.home});
  }
  if (!state_.turns.empty() && (last + 1) % (state.firings / state_.options.images) == 0) {
    advance_turn();
  }
}

void EndpointModule::contribute(int part,
                                PartState::Flight flight,
                                bool in_fabric_phase,
                                std::int64_t when) {
  const int stage = state_.program.parts[at(part)].stage;
  const int replica = state_.program.parts[at(part)].replica;
  const std::int64_t ordinal = flight.ordinal;
  Partial64 partial = std::move(flight.result);
  ReplicaState& state = state_.replicas[at(stage)][at(replica)];
  const ProgramReplica& program = state_.program.stages[at(stage)].replicas[at(replica)];
  const std::int64_t highest = std::max(state.highest, ordinal);
  state.open.reserve(state.head, state.highest, highest);
  state.highest = highest;
  OpenPosition& open = state.open.at(ordinal);
  if (partial != nullptr) {
    state_.datapath->add(stage, {part, std::move(partial)}, open.given);
  }
  if (++open.contributions < static_cast<int>(program.parts.size())) {
    return;
  }
  if (program.parts.size() == 1) {
    position_done(stage, replica, ordinal, flight.shown, finished(stage, replica, ordinal));
  } else if (in_fabric_phase) {
    schedule({when, EventKind::combine, program.parts.front(), ordinal});
  } else {
    combine(stage, replica, ordinal);
  }
}

/// The output of a position to which all parts have given; null without data.
Position32 EndpointModule::finished(int stage, int replica, std::int64_t ordinal) {
  OpenPosition& open = state_.replicas[at(stage)][at(replica)].open.at(ordinal);
  if (open.given.empty()) {
    return nullptr;
  }
  const ProgramStage& program = state_.program.stages[at(stage)];
  const ProgramPart& part = state_.program.parts[at(program.replicas[at(replica)].parts.front())];
  const auto [image, position] = stamp_of(part, ordinal);
  return state_.datapath->finish(stage, image, position, std::exchange(open.given, {}));
}

/// All partial results of a position are at home: add them up and finish the position.
void EndpointModule::combine(int stage, int replica, std::int64_t ordinal) {
  const ProgramStage& program = state_.program.stages[at(stage)];
  ReplicaState& state = state_.replicas[at(stage)][at(replica)];
  const int part = program.replicas[at(replica)].parts.front();
  Position32 value = finished(stage, replica, ordinal);
  const std::int64_t start = take_vector_unit(program.combine.cycles, now_, part, ordinal);
  do_vector_work(program.combine, start, part);
  const std::int64_t cycles = program.combine.cycles.value;
  state.combining.push_back({ordinal, cycles > 0 ? start + cycles - 1 : -1, std::move(value)});
  schedule({start + program.combine.cycles.value + program.combine.latency.value,
            EventKind::combined,
            part,
            state.combined_count++});
}

void EndpointModule::position_done(
    int stage, int replica, std::int64_t ordinal, std::int64_t shown, Position32 value) {
  ReplicaState& state = state_.replicas[at(stage)][at(replica)];
  const std::int64_t highest = std::max(state.highest, ordinal);
  state.open.reserve(state.head, state.highest, highest);
  state.highest = highest;
  OpenPosition& open = state.open.at(ordinal);
  open.done = true;
  open.shown = shown;
  open.value = std::move(value);
  if (ordinal == state.head && !state.retry) {
    state.retry = true;
    resend_.emplace_back(stage, replica);
  }
}

/// Sends finished positions in order, each as soon as every line buffer that needs it has room.
void EndpointModule::try_send(int stage, int replica) {
  const ProgramStage& program = state_.program.stages[at(stage)];
  ReplicaState& state = state_.replicas[at(stage)][at(replica)];
  const int home_part = program.replicas[at(replica)].parts.front();
  Message burst;  // positions that have not left yet, for burst_to_
  burst_to_.clear();
  const auto flush = [&] {
    if (!burst_to_.empty()) {
      send(std::exchange(burst, {}), burst_to_);
      burst_to_.clear();
    }
  };
  while (state.head <= state.highest && state.open.at(state.head).done) {
    const std::int64_t pos = state.walk.position();
    const std::int64_t index = state.walk.index();
    if (!has_room(state, pos, index)) {
      state.blocked = true;
      if (state.full == 0) {
        schedule({state.room_at, EventKind::send, home_part, 0});
      }
      break;
    }
    OpenPosition& open = state.open.at(state.head);
    remote_.clear();
    for (const ReplicaState::Outlet& outlet : state.outlets) {
      if (!outlet.port->needed.empty() && !outlet.port->needed[at(pos)]) {
        continue;
      }
      if (outlet.port->at == id_) {
        Arrival arrival;
        arrival.port = outlet.index;
        arrival.from_track = vector_track_;
        arrival.sent_at = Cycles(open.shown);
        land(arrival, index, open.value, now_);
      } else {
        remote_.push_back(outlet.port->at);
      }
    }
    if (!remote_.empty()) {
      std::sort(remote_.begin(), remote_.end());
      remote_.erase(std::unique(remote_.begin(), remote_.end()), remote_.end());
      if (burst.count == program.burst || remote_ != burst_to_ ||
          index != burst.index + burst.count * state.walk.stride()) {
        flush();
      }
      if (burst_to_.empty()) {
        burst.kind = Message::Kind::position;
        burst.stage = stage;
        burst.replica = replica;
        burst.index = index;
        burst.count = 0;
        burst.from_track = vector_track_;
        burst.sent_at = Cycles(open.shown);
        burst_to_.swap(remote_);
      }
      ++burst.count;
      burst.bits += program.out_bits;
      if (open.value != nullptr) {
        burst.positions.push_back(open.value);
      }
    }
    const std::int64_t ordinal = state.head;
    const std::int64_t image = state.walk.image();
    const Position32 value = std::move(open.value);
    open = {};
    ++state.head;
    state.walk.advance(1);
    if (state.head > state.highest) {
      state.highest = state.head - 1;
    }
    position_left(stage, ordinal, image, value);
    PartState& home = state_.parts[at(home_part)];
    if (home.ordinal - ordinal == program.replicas[at(replica)].output_slots) {
      home.slot_at = now_;
      home.slot_reason = state.blocked ? Wait::buffer : Wait::resource;
    }
    state.blocked = false;
    mark(home_part);
  }
  flush();
}

/// Whether every line buffer that needs the position has room for it. If not, notes how many of
/// them have not even announced it, and when the producer sees what the others have.
bool EndpointModule::has_room(ReplicaState& state,
                              std::int64_t position,
                              std::int64_t index) const {
  bool room = true;
  state.full = 0;
  state.room_at = now_;
  for (const ReplicaState::Outlet& outlet : state.outlets) {
    if (!outlet.port->needed.empty() && !outlet.port->needed[at(position)]) {
      continue;
    }
    CreditChannel& channel = *outlet.credits;
    while (!channel.pending.empty() && channel.pending.front().at <= now_) {
      channel.seen = channel.pending.front().value;
      channel.pending.pop_front();
    }
    channel.awaited = index - outlet.port->window + 1;
    if (channel.seen >= channel.awaited) {
      continue;
    }
    room = false;
    const auto credit =
        std::find_if(channel.pending.begin(), channel.pending.end(), [&](const Credit& announced) {
          return announced.value >= channel.awaited;
        });
    if (credit == channel.pending.end()) {
      ++state.full;
    } else {
      state.room_at = std::max(state.room_at, credit->at);
    }
  }
  return room;
}

void EndpointModule::position_left(int stage,
                                   std::int64_t ordinal,
                                   std::int64_t image,
                                   const Position32& value) {
  const ProgramStage& program = state_.program.stages[at(stage)];
  StageState& state = state_.stages[at(stage)];
  ++state.stats.positions_out;
  state.stats.image_end[at(image)] = Cycles(std::max(state.stats.image_end[at(image)].value, now_));
  if (program.kind != StageKind::sink) {
    return;
  }
  ++state_.positions_out;
  if (value != nullptr) {
    auto& output = state_.stats.outputs[at(image)];
    output.insert(output.end(), value->begin(), value->end());
  }
  if ((ordinal + 1) % program.positions == 0) {
    state_.stats.image_out[at(image)] = Cycles(now_);
    ++state_.images_done;
  }
  if (state_.options.progress) {
    const auto total = static_cast<double>(program.positions * state_.options.images);
    state_.options.progress({state_.images_done,
                             state_.options.images,
                             static_cast<double>(state_.positions_out) / total,
                             Cycles(now_)});
  }
}

void EndpointModule::room(int stage, int replica, std::int64_t when) {
  ReplicaState& state = state_.replicas[at(stage)][at(replica)];
  state.room_at = std::max(state.room_at, when);
  if (--state.full == 0) {
    schedule({state.room_at,
              EventKind::send,
              state_.program.stages[at(stage)].replicas[at(replica)].parts.front(),
              0});
  }
}

void EndpointModule::wake_part(int part, std::int64_t when) {
  schedule({when, EventKind::wake, part, 0});
}

void EndpointModule::advance_turn() {
  state_.turn = (state_.turn + 1) % state_.turns.size();
  const int part = state_.turns[state_.turn];
  state_.parts[at(part)].written = false;
  const EndpointId endpoint = state_.program.parts[at(part)].at;
  if (endpoint == id_) {
    mark(part);
  } else {
    state_.endpoints[at(endpoint)]->wake_part(part, now_ + 1);
  }
}

// ---- messages -----------------------------------------------------------------------------------

void EndpointModule::send(Message message, const std::vector<EndpointId>& to) {
  message.deliveries_left = static_cast<int>(to.size());
  ++state_.stages[at(message.stage)].stats.messages;
  const int bits = slot_bits(static_cast<int>(state_.endpoints.size()));
  std::uint32_t slot = 0;
  if (free_messages_.empty()) {
    slot = static_cast<std::uint32_t>(messages_.size());
    if (slot >= (std::uint64_t{1} << bits)) {
      throw InternalError(path_, now_, "too many messages in flight");
    }
    messages_.emplace_back();
  } else {
    slot = free_messages_.back();
    free_messages_.pop_back();
  }
  messages_[slot] = std::move(message);
  Message& stored = messages_[slot];
  if (state_.options.stall_probability > 0 && stall_.chance(state_.options.stall_probability)) {
    stored.delayed_to = to;
    schedule({now_ + stall_.uniform(1, 64), EventKind::inject, static_cast<std::int32_t>(slot), 0});
    return;
  }
  inject(slot, to, stored.bits);
}

void EndpointModule::inject(std::uint32_t slot, const std::vector<EndpointId>& to, Bits bits) {
  const MessageId id = message_id({id_, slot}, static_cast<int>(state_.endpoints.size()));
  state_.fabric->inject(id_, to, bits, id, Cycles(now_));
  state_.fabric_module->poke(now_);
}

void EndpointModule::release_message(std::uint32_t slot) {
  messages_[slot] = {};
  free_messages_.push_back(slot);
}

void EndpointModule::deliver(const Delivery& delivery, Message& message) {
  const std::int64_t visible = delivery.at.value + 1;
  if (message.kind == Message::Kind::partial) {
    PartState::Flight flight;
    flight.ordinal = message.index;
    flight.result = message.partial;
    contribute(message.part, std::move(flight), true, visible);
    return;
  }
  const auto found = std::lower_bound(
      stage_ports_.begin(), stage_ports_.end(), message.stage, [](const StagePorts& s, int stage) {
        return s.stage < stage;
      });
  const ProgramStage& stage = state_.program.stages[at(message.stage)];
  for (const int port : found->ports) {
    const ProgramPort& program = state_.program.ports[at(port)];
    Arrival arrival;
    arrival.port = port;
    arrival.link_wait = delivery.link_wait;
    arrival.credit_wait = delivery.credit_wait;
    arrival.from_track = message.from_track;
    arrival.sent_at = message.sent_at;
    for (std::int64_t i = 0; i < message.count; ++i) {
      const std::int64_t index =
          message.index + i * static_cast<std::int64_t>(stage.replicas.size());
      if (program.needed.empty() || program.needed[at(index % stage.positions)]) {
        land(arrival,
             index,
             message.positions.empty() ? nullptr : message.positions[at(i)],
             visible);
      }
    }
  }
}

/// A position has reached this endpoint's buffer: it can be read `write_latency_` later, which
/// takes an activation only if a firing waits for it. Flits are written as they arrive, so the
/// buffer's write bandwidth costs no extra time.
void EndpointModule::land(const Arrival& arrival,
                          std::int64_t index,
                          Position32 data,
                          std::int64_t when) {
  PortState& port = state_.ports[at(arrival.port)];
  const ProgramPort& program = state_.program.ports[at(arrival.port)];
  const ProgramEdge& edge = state_.program.edges[at(program.edge)];
  if (is_tile_) {
    state_.stats.endpoints[at(id_)].buffer_write_bits += edge.bits.value;
  }
  ++state_.stats.ports[at(arrival.port)].arrived;
  if (index < port.released) {
    throw InternalError(path_, when, "a position arrived that no firing needs any more");
  }
  port.slots.reserve(port.released, port.highest, std::max(port.highest, index));
  port.highest = std::max(port.highest, index);
  PortState::Slot& slot = port.slots.at(index);
  slot.landed = true;
  slot.data = std::move(data);
  Landing landing{when + write_latency_, -1, arrival};
  const std::int64_t before = port.landed;
  if (index == before) {
    do {
      ++port.landed;
    } while ((port.landed <= port.highest && port.slots.at(port.landed).landed) ||
             (!program.needed.empty() && !program.needed[at(port.landed % edge.positions)]));
    landing.watermark = port.landed;
  }
  if (write_latency_ == 0) {
    show(landing);
    return;
  }
  landings_.push_back(landing);
  state_.last_event = std::max(state_.last_event, landing.at);
  if (port.landed == before) {
    return;
  }
  for (const int part : program.parts) {
    const std::int64_t needed = state_.parts[at(part)].inputs[at(port.operand)].needed;
    if (needed >= before && needed < port.landed) {
      await_landed(part);
    }
  }
}

/// Asks for an activation when the operands of the part's next firing have all landed, in the cycle
/// in which the last of them can be read.
void EndpointModule::await_landed(int part) {
  PartState& state = state_.parts[at(part)];
  if (landings_.empty() || state.ordinal >= state.firings ||
      !may_issue(state, state_.program.parts[at(part)])) {
    return;
  }
  std::int64_t when = -1;
  for (const PartState::Input& input : state.inputs) {
    const PortState& port = state_.ports[at(input.port)];
    if (port.landed <= input.needed) {
      return;
    }
    if (port.watermark <= input.needed) {
      const auto last =
          std::find_if(landings_.begin(), landings_.end(), [&input](const Landing& landing) {
            return landing.arrival.port == input.port && landing.watermark > input.needed;
          });
      when = std::max(when, last->at);
    }
  }
  if (when > state.wake_at) {
    state.wake_at = when;
    schedule({when, EventKind::wake, part, 0});
  }
}

/// A position that has landed can be read now.
void EndpointModule::show(const Landing& landing) {
  const Arrival& arrival = landing.arrival;
  PortState& port = state_.ports[at(arrival.port)];
  PortStats& stats = state_.stats.ports[at(arrival.port)];
  stats.peak = std::max(stats.peak, ++port.live);
  if (landing.watermark < 0) {
    return;
  }
  port.watermark = std::max(port.watermark, landing.watermark);
  port.link_wait = arrival.link_wait;
  port.credit_wait = arrival.credit_wait;
  port.from_track = arrival.from_track;
  port.sent_at = arrival.sent_at;
  for (const int part : state_.program.ports[at(arrival.port)].parts) {
    PartState& state = state_.parts[at(part)];
    note_inputs(part, port, landing.at);
    if (state.input_at == landing.at &&
        state.outstanding < state_.program.parts[at(part)].input_registers) {
      if (landing.at <= now_) {
        mark(part);
      } else {
        schedule({landing.at, EventKind::wake, part, 0});
      }
    }
  }
}

// ---- end of the run -----------------------------------------------------------------------------

void EndpointModule::describe_waits(std::vector<std::string>& lines) const {
  for (const int part : parts_) {
    const PartState& state = state_.parts[at(part)];
    const ProgramPart& p = state_.program.parts[at(part)];
    const ProgramStage& stage = state_.program.stages[at(p.stage)];
    const ReplicaState& replica = state_.replicas[at(p.stage)][at(p.replica)];
    if (replica.blocked) {
      for (const int edge : stage.out_edges) {
        for (const int port : state_.program.edges[at(edge)].ports) {
          const CreditChannel& channel = state_.ports[at(port)].credits[at(p.replica)];
          if (channel.awaited > state_.ports[at(port)].released) {
            lines.push_back(fmt::format(
                "{} {}[{}]: waits for room in the line buffer of {} (edge {}, {} slots)",
                path_,
                stage.name,
                p.replica,
                state_.program.stages[at(state_.program.edges[at(edge)].to)].name,
                edge,
                state_.program.ports[at(port)].window));
          }
        }
      }
    }
    if (state.ordinal >= state.firings) {
      continue;
    }
    for (std::size_t e = 0; e < stage.in_edges.size(); ++e) {
      const ProgramEdge& edge = state_.program.edges[at(stage.in_edges[e])];
      const PartState::Input& input = state.inputs[e];
      const PortState& port = state_.ports[at(input.port)];
      if (port.landed <= input.needed) {
        lines.push_back(
            fmt::format("{} {}[{}]: firing {} waits for position {} of {}, has all before {}",
                        path_,
                        stage.name,
                        p.replica,
                        state.ordinal,
                        input.needed,
                        state_.program.stages[at(edge.from)].name,
                        port.landed));
      }
    }
  }
}

void EndpointModule::finish(std::int64_t end) {
  for (const int part : parts_) {
    PartState& state = state_.parts[at(part)];
    if (end > state.drawn_to) {
      state.stats.waits[at(static_cast<int>(Wait::none))] += Cycles(end - state.drawn_to);
      if (state.track >= 0) {
        state_.trace->wait(state.track, Cycles(state.drawn_to), Cycles(end), Wait::none);
      }
    }
  }
  if (bus_track_ >= 0 && bus_drawn_ < end) {
    state_.trace->wait(bus_track_, Cycles(bus_drawn_), Cycles(end), Wait::none);
  }
  if (vector_track_ >= 0 && vector_drawn_ < end) {
    state_.trace->wait(vector_track_, Cycles(vector_drawn_), Cycles(end), Wait::none);
  }
  if (step_ != nullptr) {
    step_->finish(end);
  }
}

}  // namespace tessera::engine
