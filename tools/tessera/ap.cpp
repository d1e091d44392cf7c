// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/ap.hpp"

#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/config.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "sim/report/table.hpp"
#include "sim/trace/chrome_trace.hpp"
#include "tools/tessera/ap_files.hpp"
#include "tools/tessera/ap_hardware.hpp"
#include "tools/tessera/experiment.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

namespace ap = arch::rtm_ap;

constexpr double kSecondsPerYear = 365.25 * 24 * 3600;

/// What is read of a chip file.
struct ApFile {
  config::Node chip;

  static constexpr auto fields() {
    return config::list<ApFile>(
        config::field("chip", &ApFile::chip).doc("the array is chip.tile.pe"));
  }
};

/// The sections beside the chip in a file that other commands read.
void allow_other_sections(const config::Node& root) {
  for (const config::FieldInfo& field : config::describe<ExperimentFile>()) {
    if (field.key != "chip") {
      root.get(field.key).mark_read();
    }
  }
  root.get("compile").mark_read();
}

ApHardware read_hardware(const CommandLine& line, Diagnostics& diagnostics) {
  Diagnostics found;
  config::Node root = line.chip.empty() ? config::Node() : config::load(line.chip, found);
  const bool complete = found.ok();
  allow_other_sections(root);  // and not what --set adds to them: nobody would read it
  for (const std::string& assignment : line.sets) {
    config::apply_set(root, assignment, found);
  }
  const auto file = config::read<ApFile>(root, found);
  const config::Node pe = root.get("chip").get("tile").get("pe");
  if (!line.chip.empty() && complete && !pe.has("kind") && !file.chip.has("tile_groups")) {
    found.error(config::diagnose(pe,
                                 "E-RTM-AP-SPEC",
                                 "the file describes no associative processor",
                                 "chip.tile.pe.kind: rtm_ap"));
  }
  ApHardware hardware = read_ap_hardware(file.chip, found);
  if (found.ok()) {  // else readers stopped half-way
    config::report_unread(root, found);
  }
  diagnostics.add(found);
  return hardware;
}

/// The program that is asked for, of a file that may hold several.
ap::Listing chosen(std::vector<ap::Listing> all,
                   const CommandLine& line,
                   Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (ap::Listing& listing : all) {
    if (line.program.empty() ? all.size() == 1 : listing.head.program == line.program) {
      return std::move(listing);
    }
    names.push_back(listing.head.program.empty() ? "one without a name" : listing.head.program);
  }
  const std::string nearest = did_you_mean(line.program, names);
  Diagnostic d;
  d.code = "E-CLI-ARGUMENT";
  d.sentence = line.program.empty()
                   ? fmt::format("the file holds {} programs", names.size())
                   : fmt::format("the file holds no program {}", quote(line.program));
  d.path = "command line";
  d.expected = "--program NAME with one of: " + join_keys(names);
  d.got = line.program.empty() ? "no --program" : quote(line.program);
  d.hint = nearest.empty() ? "" : fmt::format("did you mean {}?", quote(nearest));
  diagnostics.error(std::move(d));
  return {};
}

int rows_in_use(const CommandLine& line, const ap::Spec& spec, Diagnostics& diagnostics) {
  const std::int64_t rows = line.rows.value_or(spec.rows);
  if (rows >= 1 && rows <= spec.rows) {
    return static_cast<int>(rows);
  }
  Diagnostic d;
  d.code = "E-CLI-ARGUMENT";
  d.sentence = "more rows are used than the array has";
  d.at = place_of(line, "--rows");
  d.path = "command line";
  d.expected = fmt::format("--rows in [1, {}]", spec.rows);
  d.got = fmt::format("{}", rows);
  diagnostics.error(std::move(d));
  return 1;
}

/// Slots and rows of which the values, 8 bytes each, are kept at once.
void check_slots(const ap::Listing& listing, int rows, Diagnostics& diagnostics) {
  constexpr std::int64_t kMaxValues = std::int64_t{1} << 26;
  std::set<std::pair<ap::Opcode, std::int64_t>> slots;
  for (std::size_t i = 0; i < listing.program.instructions.size(); ++i) {
    const ap::Instruction& instruction = listing.program.instructions[i];
    if (instruction.op != ap::Opcode::load && instruction.op != ap::Opcode::read) {
      continue;
    }
    slots.emplace(instruction.op, instruction.value);
    if (std::ssize(slots) * rows > kMaxValues) {
      Diagnostic d;
      d.code = "E-AP-PROGRAM";
      d.sentence = "the slots of the program hold more values than are kept";
      d.at = listing.instruction_at[i];
      d.path = "program";
      d.expected = fmt::format("at most {} slots with {} rows", kMaxValues / rows, rows);
      d.got = "one more";
      d.hint = "fewer rows can be used with --rows";
      diagnostics.error(std::move(d));
      return;
    }
  }
}

/// A slot is drawn once, for the operand that loads it first.
std::vector<std::vector<std::int64_t>> draw_inputs(const ap::Program& program,
                                                   int rows,
                                                   std::uint64_t seed) {
  std::map<std::int64_t, ap::Operand> slots;
  for (const ap::Instruction& i : program.instructions) {
    if (i.op == ap::Opcode::load) {
      slots.emplace(i.value, i.dst);
    }
  }
  std::vector<std::vector<std::int64_t>> inputs;
  for (const auto& [slot, operand] : slots) {
    inputs.resize(static_cast<std::size_t>(slot) + 1);
    inputs.back().resize(static_cast<std::size_t>(rows));
    Rng rng(seed, fmt::format("ap.slot.{}", slot));
    for (std::int64_t& value : inputs.back()) {
      value = rng.uniform(min_value(operand.bits, operand.is_signed),
                          max_value(operand.bits, operand.is_signed));
    }
  }
  return inputs;
}

struct Run {
  std::string name;
  ApHardware hardware;
  ap::Program program;
  int rows = 0;
  std::vector<std::vector<std::int64_t>> outputs;
  ap::Events events;
  double most_writes = 0;
  std::int64_t most_steps = 0;
  ap::Totals totals;
  ap::ProgramCost cost;
  ActionCounts happened{};
  std::vector<std::string> failed;  ///< self-checks
};

void self_check(Run& run) {
  const std::vector<Action> actions = priced_actions(run.hardware.spec.prices);
  for (std::size_t a = 0; a < ap::kNumActions; ++a) {
    if (a != ap::kWriteCell && run.happened[a] != run.totals.did[a]) {
      run.failed.push_back(fmt::format("{}: {} by the array, {} by the steps",
                                       actions[a].name,
                                       run.happened[a],
                                       run.totals.did[a]));
    }
    if (run.cost.did[a] != run.totals.did[a]) {
      run.failed.push_back(fmt::format("{}: {} by the steps, {} by the closed form",
                                       actions[a].name,
                                       run.totals.did[a],
                                       run.cost.did[a]));
    }
  }
  const Cycles simulated = run.totals.latency();
  if (simulated != run.cost.latency) {
    run.failed.push_back(fmt::format(
        "{} cycles simulated, {} by the closed form", simulated.value, run.cost.latency.value));
  }
}

Run play(std::string name, ApHardware hardware, ap::Program program, int rows, std::uint64_t seed) {
  Run run{
      std::move(name), std::move(hardware), std::move(program), rows, {}, {}, 0, 0, {}, {}, {}, {}};
  const ap::Spec& spec = run.hardware.spec;
  ap::Array array(ap::geometry(spec), ap::ports(spec), rows);
  run.outputs = array.run(run.program, draw_inputs(run.program, rows, seed));
  run.events = array.events();
  run.most_writes = array.most_writes_per_cell();
  for (int column = 0; column < spec.columns; ++column) {
    run.most_steps = std::max(run.most_steps, array.steps(column));
  }
  run.totals = ap::totals(spec, run.hardware.clock, run.program, rows);
  run.cost = ap::program_cost(spec, run.hardware.clock, run.program, rows);
  run.happened = ap::happened(run.events, run.totals.did, rows);
  self_check(run);
  return run;
}

/// Rows of the trace: the resources, and what the controller executes.
void write_trace(const Run& run, const std::string& path) {
  trace::ChromeTrace sink(path, run.hardware.clock);
  constexpr std::size_t kRows = ap::kController;  // the controller's work are the instructions
  constexpr std::array<const char*, kRows> kNames = {"track", "cam", "writer", "latch"};
  constexpr std::array<const char*, kRows> kWork = {"shift", "search", "write", "load or read out"};
  const TrackId controller = sink.track(TrackKind::pe_group, "ap.controller");
  std::array<TrackId, kRows> tracks{};
  std::array<Cycles, kRows> drawn{};
  for (std::size_t r = 0; r < tracks.size(); ++r) {
    tracks[r] = sink.track(TrackKind::resource, fmt::format("ap.{}", kNames[r]));
  }
  Cycles now{0};
  const auto draw = [&](std::size_t instruction, const std::vector<Step>& list) {
    const Schedule schedule = make_schedule(list);
    for (const Schedule::Play& play : schedule.plays) {
      const auto on = static_cast<std::size_t>(play.on);
      for (std::int64_t pass = 0; pass < play.repeat; ++pass) {
        const Cycles start = now + play.offset + play.interval * pass;
        if (start > drawn[on]) {
          sink.wait(tracks[on], drawn[on], start, Wait::none);
        }
        drawn[on] = start + play.occupancy;
        sink.work(tracks[on], start, drawn[on], kWork[on], pass);
      }
    }
    if (schedule.latency.value > 0) {
      sink.work(controller,
                now,
                now + schedule.latency,
                name_of(run.program.instructions[instruction].op),
                static_cast<std::int64_t>(instruction));
    }
    now += schedule.latency;
  };
  ap::for_each_instruction(run.hardware.spec, run.hardware.clock, run.program, run.rows, draw);
  for (std::size_t r = 0; r < tracks.size(); ++r) {
    if (now > drawn[r]) {
      sink.wait(tracks[r], drawn[r], now, Wait::none);
    }
  }
  sink.finish(now);
}

double energy(const ap::Spec& spec, const ActionCounts& did) {
  double joules = 0;
  const std::vector<Action> actions = priced_actions(spec.prices);
  for (std::size_t a = 0; a < actions.size(); ++a) {
    joules += static_cast<double>(did[a]) * actions[a].energy.value;
  }
  return joules;
}

double years(const Run& run) {
  const double seconds = run.hardware.clock.seconds(run.totals.latency()).value;
  return run.hardware.spec.endurance / run.most_writes * seconds / kSecondsPerYear;
}

std::string instruction_table(const Run& run) {
  using report::Align;
  report::Table table({"instruction", "number", "cycles"},
                      {Align::left, Align::right, Align::right});
  std::map<ap::Opcode, std::pair<std::int64_t, std::int64_t>> sums;
  const auto add = [&](std::size_t instruction, const std::vector<Step>& list) {
    auto& [number, cycles] = sums[run.program.instructions[instruction].op];
    ++number;
    cycles += make_schedule(list).latency.value;
  };
  ap::for_each_instruction(run.hardware.spec, run.hardware.clock, run.program, run.rows, add);
  for (const auto& [op, sum] : sums) {
    table.row(
        {std::string(name_of(op)), fmt::format("{}", sum.first), fmt::format("{}", sum.second)});
  }
  return table.text();
}

std::string action_table(const Run& run) {
  using report::Align;
  const ap::Spec& spec = run.hardware.spec;
  report::Table table({"action", "expected", "happened", "energy", "source"},
                      {Align::left, Align::right, Align::right, Align::right, Align::left});
  const std::vector<Action> actions = priced_actions(spec.prices);
  for (std::size_t a = 0; a < actions.size(); ++a) {
    table.row({actions[a].name,
               fmt::format("{}", run.totals.did[a]),
               fmt::format("{}", run.happened[a]),
               format_si(static_cast<double>(run.happened[a]) * actions[a].energy.value, "J", 4),
               actions[a].source});
  }
  return table.text();
}

/// FNV-1a over the values of a slot, row by row.
std::string digest(const std::vector<std::int64_t>& values) {
  std::uint64_t h = fnv1a("");
  for (const std::int64_t value : values) {
    h = fnv1a(fmt::format("{},", value), h);
  }
  return fmt::format("{:016x}", h);
}

std::string text_of(const Run& run) {
  const ap::Spec& spec = run.hardware.spec;
  const ap::Totals& t = run.totals;
  const ap::Events& e = run.events;
  std::string out = fmt::format(
      "{}: {} instructions on {} of {} rows; {} columns, {} domains, {} {} ({}, {})\n\n",
      run.name,
      run.program.instructions.size(),
      run.rows,
      spec.rows,
      spec.columns,
      spec.domains,
      spec.ports,
      spec.ports == 1 ? "port" : "ports",
      name_of(spec.port_choice),
      name_of(spec.port_policy));
  out += instruction_table(run);
  out += fmt::format(
      "\n{} cycles, {}: search {}, write {}, shift {}, load {}, read out {}\n"
      "closed form {} cycles\n\n",
      t.latency().value,
      format_si(run.hardware.clock.seconds(t.latency()).value, "s", 4),
      t.search.value,
      t.write.value,
      t.shift.value,
      t.load.value,
      t.read_out.value,
      run.cost.latency.value);
  out += action_table(run);
  out += fmt::format("\n{} by what happened, {} expected for uniform data\n",
                     format_si(energy(spec, run.happened), "J", 4),
                     format_si(energy(spec, t.did), "J", 4));
  out += fmt::format(
      "{:.2f} % of the rows tagged per search; {} of {} written cells held something else\n",
      e.searches == 0
          ? 0.0
          : 100.0 * static_cast<double>(e.tag_hits) / (static_cast<double>(e.searches) * run.rows),
      e.changed_cells,
      e.driven_cells);
  out += fmt::format("at most {} steps of one nanowire, {:.4g} writes of one cell",
                     run.most_steps,
                     run.most_writes);
  if (spec.endurance > 0 && run.most_writes > 0) {
    out += fmt::format(": run without pause, cells last {:.4g} years", years(run));
  }
  out += "\n";
  for (std::size_t slot = 0; slot < run.outputs.size(); ++slot) {
    const std::vector<std::int64_t>& values = run.outputs[slot];
    if (!values.empty()) {
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      out += fmt::format("slot {}: {} to {}, digest {}\n", slot, *low, *high, digest(values));
    }
  }
  return out;
}

std::string json_of(const Run& run) {
  using nlohmann::json;
  const ap::Spec& spec = run.hardware.spec;
  const ap::Totals& t = run.totals;
  json actions = json::object();
  const std::vector<Action> priced = priced_actions(spec.prices);
  for (std::size_t a = 0; a < priced.size(); ++a) {
    actions[priced[a].name] = {
        {"expected", t.did[a]},
        {"happened", run.happened[a]},
        {"energy_j", static_cast<double>(run.happened[a]) * priced[a].energy.value}};
  }
  json slots = json::object();
  for (std::size_t slot = 0; slot < run.outputs.size(); ++slot) {
    if (!run.outputs[slot].empty()) {
      slots[fmt::format("{}", slot)] = digest(run.outputs[slot]);
    }
  }
  const json out = {
      {"schema", 1},
      {"program", run.name},
      {"instructions", run.program.instructions.size()},
      {"rows", run.rows},
      {"cycles",
       {{"total", t.latency().value},
        {"search", t.search.value},
        {"write", t.write.value},
        {"shift", t.shift.value},
        {"load", t.load.value},
        {"read_out", t.read_out.value},
        {"closed_form", run.cost.latency.value}}},
      {"actions", actions},
      {"energy_j", {{"happened", energy(spec, run.happened)}, {"expected", energy(spec, t.did)}}},
      {"tag_hits", run.events.tag_hits},
      {"changed_cells", run.events.changed_cells},
      {"most_steps_of_a_nanowire", run.most_steps},
      {"most_writes_of_a_cell", run.most_writes},
      {"slots", slots}};
  return out.dump(2) + "\n";
}

}  // namespace

int run_ap(const CommandLine& line, Diagnostics diagnostics) {
  const std::string name = line.names.empty() ? "" : line.names.front();
  const ApHardware hardware = read_hardware(line, diagnostics);
  const int rows = rows_in_use(line, hardware.spec, diagnostics);
  ap::Listing listing;
  if (!line.names.empty()) {
    if (const std::optional<std::string> text = read_program_file(name, diagnostics)) {
      Diagnostics reading;
      listing = chosen(ap::parse_all(*text, name, reading), line, reading);
      ap::check(listing, ap::geometry(hardware.spec), reading);
      if (reading.ok()) {
        check_slots(listing, rows, reading);
      }
      diagnostics.add(reading);
    }
  }
  diagnostics.throw_if_any();
  const Run run = play(name, hardware, std::move(listing.program), rows, line.seed);
  if (!line.trace.empty()) {
    write_trace(run, line.trace);
  }
  std::fputs((line.json ? json_of(run) : text_of(run)).c_str(), stdout);
  for (const std::string& failed : run.failed) {
    std::fprintf(stderr, "self-check failed: %s\n", failed.c_str());
  }
  return run.failed.empty() ? 0 : 1;
}

}  // namespace tessera::tools
