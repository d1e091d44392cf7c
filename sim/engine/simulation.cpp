// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/simulation.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "sim/engine/clock.hpp"
#include "sim/engine/endpoint.hpp"
#include "sim/engine/fabric_module.hpp"
#include "sim/engine/link_tracer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <systemc>
#include <utility>

/// libsystemc wants this symbol; our programs have a main of their own and never come here.
int sc_main(int, char*[]) {
  return 0;
}

namespace tessera::engine {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Library messages become exceptions; nothing is printed behind the user's back.
void on_systemc_report(const sc_core::sc_report& report, const sc_core::sc_actions&) {
  if (report.get_severity() >= sc_core::SC_ERROR) {
    throw InternalError(
        "systemc", -1, fmt::format("{}: {}", report.get_msg_type(), report.get_msg()));
  }
}

void set_up_kernel() {
  sc_core::sc_report_handler::set_handler(&on_systemc_report);
  sc_core::sc_set_time_resolution(1, sc_core::SC_PS);
}

std::string endpoint_path(const Program& program, EndpointId id) {
  if (id < program.tiles) {
    return fmt::format("chip.tiles[{}]", id);
  }
  return id == program.memory_endpoint ? "chip.memory"
                                       : fmt::format("chip.io[{}]", id - program.io_endpoint);
}

void set_up_state(State& state) {
  const Program& program = state.program;
  const std::int64_t images = state.options.images;
  state.ports.resize(program.ports.size());
  state.parts.resize(program.parts.size());
  state.stages.resize(program.stages.size());
  state.replicas.resize(program.stages.size());
  state.stats.parts.resize(program.parts.size());
  state.stats.ports.resize(program.ports.size());
  state.stats.endpoints.resize(at(program.endpoints()));
  state.stats.image_in.assign(at(images), Cycles(INT64_MAX));
  state.stats.image_out.assign(at(images), Cycles(0));
  state.stats.outputs.resize(at(images));
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    state.replicas[s].resize(program.stages[s].replicas.size());
    state.stages[s].stats.image_start.assign(at(images), Cycles(INT64_MAX));
    state.stages[s].stats.image_end.assign(at(images), Cycles(0));
  }
  state.parts_at.resize(at(program.endpoints()));
  state.ports_at.resize(at(program.endpoints()));
  for (std::size_t i = 0; i < program.parts.size(); ++i) {
    const ProgramPart& part = program.parts[i];
    state.parts_at[at(part.at)].push_back(static_cast<int>(i));
    const ProgramStage& stage = program.stages[at(part.stage)];
    PartState& p = state.parts[i];
    p.walk = Walk(stage, part.replica);
    p.firings = p.walk.left() * images;
    if (!part.groups.empty()) {
      const std::size_t resources = state.chip.group_at(part.at).pe->resources().size();
      p.groups.assign(part.groups.size(), Reservation(resources));
    }
    p.inputs.resize(stage.in_edges.size());
  }
  for (std::size_t i = 0; i < program.ports.size(); ++i) {
    const ProgramPort& port = program.ports[i];
    state.ports_at[at(port.at)].push_back(static_cast<int>(i));
    const ProgramEdge& edge = program.edges[at(port.edge)];
    const ProgramStage& to = program.stages[at(edge.to)];
    const ProgramStage& from = program.stages[at(edge.from)];
    const auto operand =
        std::find(to.in_edges.begin(), to.in_edges.end(), port.edge) - to.in_edges.begin();
    PortState& p = state.ports[i];
    p.released = INT64_MAX;
    for (const int part : port.parts) {
      PartState& consumer = state.parts[at(part)];
      PartState::Input& input = consumer.inputs[at(operand)];
      const std::int64_t position = consumer.walk.position();
      input.port = static_cast<int>(i);
      input.needed = edge.last_needed[at(position)];
      input.first_needed = port.edge == to.weight_edge ? 0 : edge.first_needed[at(position)];
      p.released = std::min(p.released, input.first_needed);
    }
    p.operand = static_cast<int>(operand);
    p.from_memory = from.kind == StageKind::memory;
    while (!port.needed.empty() && p.watermark < edge.positions && !port.needed[at(p.watermark)]) {
      ++p.watermark;
    }
    p.watermark = std::max(p.watermark, p.released);
    p.landed = p.watermark;
    p.credits.resize(from.replicas.size());
    for (std::size_t r = 0; r < from.replicas.size(); ++r) {
      p.credits[r].replica = static_cast<int>(r);
      p.credits[r].seen = p.released;  // what nobody will ever need was never taken
      const EndpointId home = from.replicas[r].home;
      // A release travels back as one flit, uncontended: credits have wires of their own.
      p.credits[r].delay =
          home == port.at ? 1
                          : std::max<std::int64_t>(
                                1, state.fabric->zero_load_latency(port.at, home, Bits(1)).value);
    }
  }
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    const ProgramStage& stage = program.stages[s];
    for (std::size_t r = 0; r < stage.replicas.size(); ++r) {
      ReplicaState& replica = state.replicas[s][r];
      replica.walk = Walk(stage, static_cast<int>(r));
      for (const int edge : stage.out_edges) {
        for (const int port : program.edges[at(edge)].ports) {
          replica.outlets.push_back(
              {port, &program.ports[at(port)], &state.ports[at(port)].credits[r]});
        }
      }
    }
  }
  if (program.granularity == Granularity::serial) {
    for (const ProgramStage& stage : program.stages) {
      for (const ProgramReplica& replica : stage.replicas) {
        state.turns.insert(state.turns.end(), replica.parts.begin(), replica.parts.end());
      }
    }
  }
}

/// The chip: every endpoint and the fabric. Modules are built in any order: nothing may depend on
/// it.
class ChipModule : public sc_core::sc_module {
 public:
  ChipModule(const sc_core::sc_module_name& name,
             State& state,
             const std::vector<EndpointId>& order)
      : sc_module(name) {
    state.endpoints.resize(order.size());
    const bool fabric_first = state.options.construction_seed % 2 == 0;
    if (fabric_first) {
      fabric_ = std::make_unique<FabricModule>("fabric", state);
    }
    for (const EndpointId id : order) {
      const std::string path = endpoint_path(state.program, id);
      const std::string leaf = path.substr(path.find('.') + 1);
      endpoints_.push_back(std::make_unique<EndpointModule>(leaf.c_str(), path, state, id));
      state.endpoints[at(id)] = endpoints_.back().get();
    }
    if (!fabric_first) {
      fabric_ = std::make_unique<FabricModule>("fabric", state);
    }
    state.fabric_module = fabric_.get();
  }

 private:
  std::vector<std::unique_ptr<EndpointModule>> endpoints_;
  std::unique_ptr<FabricModule> fabric_;
};

/// Who sent a message that is on its way.
std::string_view stage_of_message(const State& state, MessageId id) {
  const MessageName name = message_name(id, static_cast<int>(state.endpoints.size()));
  const Message& message = state.endpoints[at(name.endpoint)]->message(name.slot);
  return state.program.stages[at(message.stage)].name;
}

/// One row per stage: from the first firing of an image to its last position leaving.
void trace_layers(const State& state, std::int64_t end) {
  for (std::size_t s = 0; s < state.stages.size(); ++s) {
    const std::string& name = state.program.stages[s].name;
    const StageStats& stats = state.stages[s].stats;
    const TrackId track = state.trace->track(TrackKind::layer, "layers." + name);
    std::int64_t drawn = 0;
    for (std::size_t image = 0; image < stats.image_start.size(); ++image) {
      const std::int64_t start = std::max(drawn, stats.image_start[image].value);
      const std::int64_t stop = stats.image_end[image].value;
      if (start >= stop) {
        continue;
      }
      if (start > drawn) {
        state.trace->wait(
            track, Cycles(drawn), Cycles(start), image == 0 ? Wait::none : Wait::input);
      }
      state.trace->work(track, Cycles(start), Cycles(stop), name, static_cast<std::int64_t>(image));
      drawn = stop;
    }
    if (drawn < end) {
      state.trace->wait(track, Cycles(drawn), Cycles(end), Wait::none);
    }
  }
}

[[noreturn]] void report_deadlock(const State& state) {
  std::vector<std::string> lines;
  for (const EndpointModule* endpoint : state.endpoints) {
    endpoint->describe_waits(lines);
  }
  std::string text =
      fmt::format("deadlock in cycle {}: {} of {} images are out and nothing can move",
                  state.last_event,
                  state.images_done,
                  state.options.images);
  constexpr std::size_t kShown = 40;
  for (std::size_t i = 0; i < std::min(kShown, lines.size()); ++i) {
    text += "\n  " + lines[i];
  }
  if (lines.size() > kShown) {
    text += fmt::format("\n  ... and {} more", lines.size() - kShown);
  }
  if (!state.fabric->idle()) {
    text += fmt::format("\n  the fabric holds {} flits", state.fabric->totals().flits_in_flight);
  }
  throw DeadlockError(text);
}

/// Something goes on beyond the last cycle, or at a time that is too large to be counted.
[[noreturn]] void report_end_of_time(const State& state) {
  Diagnostic d;
  d.code = "E-RUN-TIME";
  d.sentence = "the run takes more cycles than are counted";
  d.path = "execution.images";
  d.expected = fmt::format("at most {} cycles of the chip's clock", state.options.max_cycles);
  d.got = fmt::format(
      "{} of {} images out by cycle {}", state.images_done, state.options.images, state.last_event);
  d.hint = "lower chip.clock, the times of the processing elements, or the number of images";
  Diagnostics diagnostics;
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 2);
}

std::uint64_t digest(const std::vector<std::vector<std::int32_t>>& outputs) {
  std::uint64_t hash = fnv1a("outputs");
  for (const auto& output : outputs) {
    for (const std::int32_t value : output) {
      for (int byte = 0; byte < 4; ++byte) {
        const char c = static_cast<char>((static_cast<std::uint32_t>(value) >> (8 * byte)) & 0xFFU);
        hash = fnv1a(std::string_view(&c, 1), hash);
      }
    }
  }
  return hash;
}

/// An SC_METHOD that does nothing but come back.
class Empty : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(Empty);

  Empty(const sc_core::sc_module_name& name, std::int64_t period, std::int64_t& left)
      : sc_module(name), period_(period), left_(left) {
    SC_METHOD(run);
  }

 private:
  void run() {
    if (left_-- > 0) {
      next_trigger(sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(period_)));
    }
  }

  std::int64_t period_;
  std::int64_t& left_;
};

}  // namespace

double empty_activation_seconds(int processes, std::int64_t activations) {
  set_up_kernel();
  std::int64_t left = activations;
  std::vector<std::unique_ptr<Empty>> modules;
  modules.reserve(static_cast<std::size_t>(processes));
  for (int i = 0; i < processes; ++i) {
    modules.push_back(std::make_unique<Empty>(fmt::format("empty{}", i).c_str(), 1000 + i, left));
  }
  const auto begin = std::chrono::steady_clock::now();
  sc_core::sc_start();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() /
         static_cast<double>(activations);
}

RunStats simulate(const Program& program,
                  const Network& network,
                  const arch::chip::Chip& chip,
                  const RunOptions& options) {
  return simulate(program, network, chip, options, synthetic_data(network, options.seed));
}

RunStats simulate(const Program& program,
                  const Network& network,
                  const arch::chip::Chip& chip,
                  const RunOptions& options,
                  const NetworkData& data) {
  const auto begin = std::chrono::steady_clock::now();
  set_up_kernel();
  State state(program, chip, options);
  state.trace = options.trace;
  std::unique_ptr<LinkTracer> link_tracer;
  if (options.trace != nullptr) {
    link_tracer = std::make_unique<LinkTracer>(
        *options.trace, [&state](MessageId id) { return stage_of_message(state, id); });
  }
  state.fabric = arch::chip::make_fabric(chip, link_tracer.get());
  if (link_tracer != nullptr) {
    link_tracer->name_links(state.fabric->link_use());
  }
  set_up_state(state);
  std::unique_ptr<DataPath> datapath;
  if (options.functional != Functional::off) {
    datapath =
        std::make_unique<DataPath>(program, network, chip, options.functional, data, options.seed);
    state.datapath = datapath.get();
  }

  // Modules are built in any order: nothing may depend on it.
  std::vector<EndpointId> order(at(program.endpoints()));
  std::iota(order.begin(), order.end(), 0);
  if (options.construction_seed != 0) {
    Rng rng(options.construction_seed, "construction order");
    for (std::size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[at(rng.uniform(0, static_cast<std::int64_t>(i) - 1))]);
    }
  }
  ChipModule top("chip", state, order);

  sc_core::sc_trace_file* vcd = nullptr;
  if (!options.vcd_path.empty()) {
    vcd = sc_core::sc_create_vcd_trace_file(options.vcd_path.c_str());
    vcd->set_time_unit(1, sc_core::SC_PS);
    for (EndpointModule* endpoint : state.endpoints) {
      endpoint->trace_signals(vcd);
    }
    state.fabric_module->trace_signals(vcd);
  }

  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  for (EndpointModule* endpoint : state.endpoints) {
    endpoint->begin();
  }
  sc_core::sc_start(
      sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(options.max_cycles) * kTicksPerCycle),
      sc_core::SC_EXIT_ON_STARVATION);
  if (vcd != nullptr) {
    sc_core::sc_close_vcd_trace_file(vcd);
  }
  if (state.failure != nullptr) {
    std::rethrow_exception(state.failure);
  }
  if (state.images_done < options.images) {
    if (sc_core::sc_pending_activity()) {
      report_end_of_time(state);
    }
    report_deadlock(state);
  }

  RunStats& stats = state.stats;
  std::int64_t end = state.last_event;
  for (const PartState& part : state.parts) {
    end = std::max(end, part.drawn_to);
  }
  stats.end = Cycles(end);
  for (EndpointModule* endpoint : state.endpoints) {
    endpoint->finish(end);
  }
  for (std::size_t i = 0; i < state.parts.size(); ++i) {
    stats.parts[i] = state.parts[i].stats;
  }
  for (const StageState& stage : state.stages) {
    stats.stages.push_back(stage.stats);
  }
  if (state.trace != nullptr) {
    trace_layers(state, end);
    link_tracer->finish(stats.end);
    state.trace->finish(stats.end);
  }
  stats.fabric = state.fabric->totals();
  stats.links = state.fabric->link_use();
  if (state.datapath != nullptr) {
    stats.output_digest = digest(stats.outputs);
    for (std::size_t at = 0; at < stats.endpoints.size(); ++at) {
      if (const ActionCounts* did = state.datapath->vector_did(static_cast<EndpointId>(at))) {
        stats.endpoints[at].vector_did = *did;
      }
    }
  }
  stats.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return std::move(stats);
}

}  // namespace tessera::engine
