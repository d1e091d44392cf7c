// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/compile.hpp"

#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/compiler/listing.hpp"
#include "arch/rtm_ap/compiler/replay.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/base/config.hpp"
#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/table.hpp"
#include "tools/tessera/ap_files.hpp"
#include "tools/tessera/ap_hardware.hpp"
#include "tools/tessera/replay.hpp"
#include "workloads/golden.hpp"
#include "workloads/network_yaml.hpp"
#include "workloads/quantize.hpp"
#include "workloads/scalar_ops.hpp"
#include "workloads/ternary.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

namespace ap = arch::rtm_ap;

enum class Weights { ternary, integer };

constexpr auto enum_names(Weights) {
  return std::array<std::pair<Weights, std::string_view>, 2>{{
      {Weights::ternary, "ternary"},
      {Weights::integer, "integer"},
  }};
}

struct CompileSpec {
  int w_bits = 2;
  int a_bits = 4;
  Weights weights = Weights::ternary;
  double sparsity = 0.8;
  std::int64_t seed = 1;
  bool epilogue = true;

  static constexpr auto fields() {
    using config::field;
    return config::list<CompileSpec>(
        field("w_bits", &CompileSpec::w_bits).range(1, 16).doc("bits of the weights; 2: ternary"),
        field("a_bits", &CompileSpec::a_bits).range(1, 16).doc("bits of the activations"),
        field("weights", &CompileSpec::weights)
            .doc("ternary: random ones of the given sparsity; integer: uniform of w_bits, taken "
                 "apart into bit planes"),
        field("sparsity", &CompileSpec::sparsity)
            .range(0, 1)
            .doc("share of ternary weights that are zero"),
        field("seed", &CompileSpec::seed).range(0, 9e15).doc("of weights and image"),
        field("epilogue", &CompileSpec::epilogue)
            .doc("the array scales, activates and clamps; off: sums are read out"));
  }
};

struct CompileFile {
  config::Node network;
  config::Node chip;
  CompileSpec compile;

  static constexpr auto fields() {
    return config::list<CompileFile>(
        config::field("network", &CompileFile::network)
            .required()
            .doc("what is computed: zoo: <name>, or layers inline"),
        config::field("chip", &CompileFile::chip)
            .doc("the array is chip.tile.pe, its key compile how layers become programs"),
        config::field("compile", &CompileFile::compile).doc("widths, weights, epilogue"));
  }
};

struct Job {
  Network network;
  ApHardware hardware;
  CompileSpec spec;
  config::Node root;

  [[nodiscard]] LayerParameters parameters(LayerId id) const {
    const auto seed = static_cast<std::uint64_t>(spec.seed);
    const Layer& layer = network.layer(id);
    if (!has_parameters(layer)) {
      return {};
    }
    return layer.is_matrix() && spec.weights == Weights::ternary
               ? ternary_parameters(network, id, seed, spec.sparsity)
               : synthetic_parameters(network, id, seed);
  }

  [[nodiscard]] ap::CompileOptions options() const {
    ap::CompileOptions o = ap::compile_options(hardware.spec, hardware.clock);
    o.epilogue = spec.epilogue;
    return o;
  }
};

void check_weights(const Job& job, Diagnostics& diagnostics) {
  const config::Node compile = job.root.get("compile");
  const auto error = [&](const char* key, const char* code, const char* what, const char* right) {
    Diagnostic d = config::diagnose(compile.get(key), code, what, right);
    d.related.push_back(compile.get("weights").at());
    diagnostics.error(std::move(d));
  };
  if (job.spec.weights == Weights::ternary && job.spec.w_bits != 2) {
    error("w_bits",
          "E-AP-WEIGHTS",
          "ternary weights are -1, 0 and 1",
          "w_bits: 2, or weights: integer");
  }
  if (job.spec.weights == Weights::integer && compile.has("sparsity")) {
    error("sparsity",
          "E-CFG-UNREAD-KEY",
          "nothing reads key 'sparsity': the weights are not ternary",
          "weights: ternary beside it, or no sparsity");
  }
}

Job read_job(const CommandLine& line, Diagnostics& diagnostics) {
  Job job;
  if (line.names.empty()) {
    diagnostics.throw_if_any();
  }
  Diagnostics loading;
  job.root = config::load(line.names.front(), loading);
  const bool complete = loading.ok();
  for (const std::string& assignment : line.sets) {
    config::apply_set(job.root, assignment, loading);
  }
  diagnostics.add(loading);
  if (!complete) {
    diagnostics.throw_if_any();  // that keys are missing is no news
  }
  const std::size_t before = diagnostics.errors().size();
  const auto file = config::read<CompileFile>(job.root, diagnostics);
  job.spec = file.compile;
  if (diagnostics.errors().size() == before) {
    check_weights(job, diagnostics);
  }
  job.hardware = read_ap_hardware(file.chip, diagnostics);
  std::optional<Network> network;
  if (!file.network.is_null()) {
    network = read_network(file.network, diagnostics);
  }
  diagnostics.throw_if_any();
  config::report_unread(job.root, diagnostics);
  diagnostics.throw_if_any();
  job.network = std::move(*network);
  quantize(job.network, {job.spec.w_bits, job.spec.a_bits});
  return job;
}

/// What became of one layer.
struct Row {
  LayerId id = 0;
  std::string left;  ///< why it is not on the array, or empty
  ap::CompiledLayer layer;
  ap::Totals totals;  ///< of all parts, one row group
  Cycles longest{0};  ///< of one part
  std::int64_t instructions = 0;
  int columns = 0;  ///< in use, most of a part
  int sum_bits = 0;
  std::string difference;  ///< from the reference; empty when there is none, or nobody looked
};

[[noreturn]] void fail_to_fit(const Job& job, const ap::CompileError& error) {
  const config::Node pe = job.root.get("chip").get("tile").get("pe");
  // Whichever of them the chip says; the rest is the default.
  std::vector<config::Node> limits;
  for (const char* key : {"columns", "domains"}) {
    if (const config::Node limit = pe.get(key); !limit.is_null()) {
      limits.push_back(limit);
    }
  }
  Diagnostics diagnostics;
  Diagnostic d = config::diagnose(
      !limits.empty() ? limits.front()
      : pe.is_null()  ? job.root.get("network")
                      : pe,
      "E-AP-FIT",
      error.what(),
      "columns and domains for the inputs of a block, the sums of one output channel and some "
      "temporaries",
      "more domains or columns, narrower activations, or compile.epilogue: false");
  d.got =
      fmt::format("{} columns of {} domains", job.hardware.spec.columns, job.hardware.spec.domains);
  if (limits.size() > 1) {
    d.related = {limits.back().at()};
  }
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 4);
}

/// More than this would be tens of millions of instructions.
constexpr std::int64_t kMaxUnrolled = std::int64_t{1} << 25;

/// Weights, or inputs where there are more.
std::int64_t size_of(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  const MatrixShape m = layer.is_matrix() ? matrix_shape(network, id) : MatrixShape{};
  const std::int64_t taps = std::int64_t{layer.window.kernel_h} * layer.window.kernel_w;
  return std::max({m.rows * m.cols * m.groups,
                   taps * network.in_shape(id).channels,
                   std::int64_t{layer.out.channels}});
}

ap::CompiledLayer compile_layer(const Job& job, LayerId id) {
  const ap::Geometry geometry = ap::geometry(job.hardware.spec);
  try {
    const std::int64_t size = size_of(job.network, id);
    if (size > kMaxUnrolled) {
      throw ap::CompileError(fmt::format("{} has {} weights or inputs, and programs are unrolled",
                                         job.network.layer(id).name,
                                         size));
    }
    if (job.network.layer(id).kind == LayerKind::max_pool) {
      return ap::compile_max_pool(job.network, id, geometry, job.options());
    }
    return ap::compile(
        ap::layer_task(job.network, id, job.parameters(id)), geometry, job.options());
  } catch (const ap::CompileError& error) {
    fail_to_fit(job, error);
  }
}

Row compile_row(const Job& job, LayerId id) {
  const ap::Spec& spec = job.hardware.spec;
  Row row;
  row.id = id;
  if (job.network.layer(id).kind != LayerKind::max_pool) {
    row.left = ap::task_problem(job.network, id);
    if (!row.left.empty()) {
      return row;
    }
  }
  row.layer = compile_layer(job, id);
  const int rows = static_cast<int>(std::min<std::int64_t>(row.layer.positions, spec.rows));
  for (const ap::CompiledPart& part : row.layer.parts) {
    const ap::Totals t = ap::totals(spec, job.hardware.clock, part.program, rows);
    row.totals.search += t.search;
    row.totals.write += t.write;
    row.totals.shift += t.shift;
    row.totals.load += t.load;
    row.totals.read_out += t.read_out;
    row.longest = std::max(row.longest, t.latency());
    row.instructions += static_cast<std::int64_t>(part.program.instructions.size());
    row.columns = std::max(row.columns, ap::columns_in_use(part.program));
    row.sum_bits = std::max(row.sum_bits, part.plan.sums.bits);
  }
  return row;
}

/// Runs all positions and compares them with the reference.
std::string difference(const Job& job, const Golden& golden, const Row& row) {
  const Layer& layer = job.network.layer(row.id);
  const auto tensor = [&](LayerId id) { return std::span<const std::int32_t>(golden.tensor(id)); };
  const ap::Replay replay = ap::replay(
      row.layer,
      ap::geometry(job.hardware.spec),
      ap::ports(job.hardware.spec),
      [&](std::int64_t p) { return ap::layer_inputs(job.network, row.id, tensor, p); },
      0,
      row.layer.positions);
  const std::span<const std::int32_t> right = tensor(row.id);
  const bool sums = !row.layer.has_epilogue && layer.kind != LayerKind::max_pool;
  std::vector<std::int32_t> multiplier;
  if (sums) {
    multiplier = ap::layer_task(job.network, row.id, job.parameters(row.id)).multiplier;
  }
  std::vector<std::int32_t> y(static_cast<std::size_t>(layer.out.channels));
  for (std::size_t p = 0; p < replay.values.size(); ++p) {
    const std::vector<std::int64_t>& values = replay.values[p];
    if (sums) {
      rescale_activate(layer, values, multiplier, y);
    } else {
      std::transform(values.begin(), values.end(), y.begin(), [](std::int64_t v) {
        return static_cast<std::int32_t>(v);
      });
    }
    for (std::size_t c = 0; c < y.size(); ++c) {
      const std::int32_t wanted = right[p * y.size() + c];
      if (y[c] != wanted) {
        return fmt::format("position {}, channel {}: {} instead of {}", p, c, y[c], wanted);
      }
    }
  }
  return "";
}

/// Of everything that a program holds as constants.
std::string digest_of(const LayerParameters& parameters) {
  std::uint64_t h = fnv1a("");
  const auto add = [&h](const auto& list) {
    h = fnv1a(std::string_view(reinterpret_cast<const char*>(list.data()),
                               list.size() * sizeof(*list.data())),
              h);
  };
  add(parameters.weights);
  add(parameters.bias);
  add(parameters.multiplier);
  return fmt::format("{:016x}", h);
}

std::vector<ProgramText> programs_of(const std::vector<Row>& rows, const Job& job) {
  std::vector<ProgramText> all;
  std::set<std::string> stems;
  for (const Row& row : rows) {
    const Layer& layer = job.network.layer(row.id);
    std::string stem = file_stem(job.network, row.id);
    if (!stems.insert(stem).second) {
      stem += fmt::format(".{}", row.id);
    }
    ap::Head constants;
    if (row.left.empty() && has_parameters(layer)) {
      constants.weights = digest_of(job.parameters(row.id));
    }
    for (std::size_t part = 0; part < row.layer.parts.size(); ++part) {
      const ap::CompiledPart& p = row.layer.parts[part];
      ProgramText& program = all.emplace_back();
      program.layer = row.id;
      program.name =
          stem + (row.layer.parts.size() > 1 ? fmt::format(".t{}g{}", p.tile, p.group) : "");
      program.text =
          names_text(job.network, row.id, program.name) + print(constants) +
          ap::listing(row.layer, static_cast<int>(part), layer, ap::geometry(job.hardware.spec));
    }
  }
  if (all.empty()) {
    Diagnostics diagnostics;
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = "there are no programs: every layer is left to the vector unit";
    d.path = "command line";
    d.expected = "a layer that associative processors can do";
    d.got = fmt::format("{}: {}", job.network.layer(rows.front().id).name, rows.front().left);
    diagnostics.error(std::move(d));
    diagnostics.throw_if_any();
  }
  return all;
}

int replay(const std::vector<Row>& rows, const Job& job, const CommandLine& line) {
  const ReplayJob replay{job.network,
                         [&job](LayerId id) { return job.parameters(id); },
                         synthetic_input(job.network, static_cast<std::uint64_t>(job.spec.seed), 0),
                         static_cast<std::uint64_t>(job.spec.seed),
                         programs_of(rows, job),
                         !line.layer.empty()};
  return print_replay(replay_programs(replay, line.replay), job.network, line.replay, line.json);
}

std::string percent_saved(const ap::CompiledLayer& layer) {
  const std::int64_t before = layer.unrolled();
  return before == 0 ? ""
                     : fmt::format("{:.1f} %",
                                   100.0 * static_cast<double>(before - layer.operations()) /
                                       static_cast<double>(before));
}

std::string text_of(const Job& job, const std::vector<Row>& rows, bool verified) {
  using report::Align;
  const ap::Spec& spec = job.hardware.spec;
  std::string out = fmt::format(
      "{}: {}-bit weights{}, {}-bit activations; arrays of {} rows, {} columns, {} domains\n\n",
      job.network.name,
      job.spec.w_bits,
      job.spec.weights == Weights::ternary
          ? fmt::format(" (ternary, {:g} % zero)", 100 * job.spec.sparsity)
          : "",
      job.spec.a_bits,
      spec.rows,
      spec.columns,
      spec.domains);
  std::vector<std::string> header = {"layer",
                                     "row groups",
                                     "APs",
                                     "unrolled",
                                     "after CSE",
                                     "saved",
                                     "columns",
                                     "sum bits",
                                     "instructions",
                                     "cycles",
                                     "search",
                                     "write",
                                     "shift",
                                     "load+read"};
  std::vector<Align> align(header.size(), Align::right);
  align[0] = Align::left;
  if (verified) {
    header.emplace_back("bits");
    align.push_back(Align::left);
  }
  report::Table table(header, align);
  std::int64_t unrolled = 0;
  std::int64_t operations = 0;
  for (const Row& row : rows) {
    std::vector<std::string> cells = {job.network.layer(row.id).name};
    if (!row.left.empty()) {
      cells.resize(header.size());
      cells[1] = "-";
    } else {
      const ap::Totals& t = row.totals;
      unrolled += row.layer.unrolled();
      operations += row.layer.operations();
      for (const std::int64_t number : {row.layer.row_groups(ap::geometry(spec)),
                                        static_cast<std::int64_t>(row.layer.parts.size()),
                                        row.layer.unrolled(),
                                        row.layer.operations()}) {
        cells.push_back(fmt::format("{}", number));
      }
      cells.push_back(percent_saved(row.layer));
      for (const std::int64_t number : {std::int64_t{row.columns},
                                        std::int64_t{row.sum_bits},
                                        row.instructions,
                                        t.latency().value,
                                        t.search.value,
                                        t.write.value,
                                        t.shift.value,
                                        (t.load + t.read_out).value}) {
        cells.push_back(fmt::format("{}", number));
      }
      if (verified) {
        cells.emplace_back(row.difference.empty() ? "equal" : "differ");
      }
    }
    table.row(cells);
  }
  out += table.text();
  out += fmt::format(
      "\n{} additions and subtractions, {} after CSE; cycles are those of one row group, all parts "
      "of a layer together\n",
      unrolled,
      operations);
  return out;
}

std::string json_of(const Job& job, const std::vector<Row>& rows, bool verified) {
  using nlohmann::json;
  json layers = json::array();
  for (const Row& row : rows) {
    json one = {{"name", job.network.layer(row.id).name}};
    if (!row.left.empty()) {
      one["left_to_vector_unit"] = row.left;
    } else {
      const ap::Totals& t = row.totals;
      one.update({{"row_groups", row.layer.row_groups(ap::geometry(job.hardware.spec))},
                  {"tiles", row.layer.tiles},
                  {"groups", row.layer.groups},
                  {"unrolled", row.layer.unrolled()},
                  {"operations", row.layer.operations()},
                  {"columns", row.columns},
                  {"sum_bits", row.sum_bits},
                  {"instructions", row.instructions},
                  {"block_inputs", row.layer.block_inputs},
                  {"partials", row.layer.partials},
                  {"epilogue", row.layer.has_epilogue},
                  {"cycles",
                   {{"total", t.latency().value},
                    {"longest_part", row.longest.value},
                    {"search", t.search.value},
                    {"write", t.write.value},
                    {"shift", t.shift.value},
                    {"load", t.load.value},
                    {"read_out", t.read_out.value}}}});
      if (verified) {
        one["equal"] = row.difference.empty();
      }
    }
    layers.push_back(std::move(one));
  }
  const json out = {{"schema", 1}, {"network", job.network.name}, {"layers", std::move(layers)}};
  return out.dump(2) + "\n";
}

}  // namespace

std::vector<config::FieldInfo> compile_fields() {
  return config::describe<CompileSpec>();
}

int compile_network(const CommandLine& line, Diagnostics diagnostics) {
  const Job job = read_job(line, diagnostics);
  std::vector<Row> rows;
  const auto status = report::status_line(false);
  for (LayerId id = 1; id <= job.network.output(); ++id) {
    if (line.layer.empty() || job.network.layer(id).name == line.layer) {
      status->show(fmt::format("compiling {}", job.network.layer(id).name));
      rows.push_back(compile_row(job, id));
    }
  }
  status->clear();
  if (rows.empty()) {
    std::vector<std::string> names;
    for (LayerId id = 1; id <= job.network.output(); ++id) {
      names.push_back(job.network.layer(id).name);
    }
    diagnostics.error(no_such_layer(line, "--layer", line.layer, job.network.name, names));
    diagnostics.throw_if_any();
  }
  if (!line.replay.empty()) {
    return replay(rows, job, line);
  }
  bool equal = true;
  if (line.verify) {
    Golden golden(job.network, [&job](LayerId id) { return job.parameters(id); });
    golden.run(synthetic_input(job.network, static_cast<std::uint64_t>(job.spec.seed), 0));
    for (Row& row : rows) {
      if (row.left.empty()) {
        row.difference = difference(job, golden, row);
        equal = equal && row.difference.empty();
      }
    }
  }
  if (!line.emit.empty()) {
    ProgramFiles files(line.emit, "--emit");
    note_others(line.emit, files.write(programs_of(rows, job)), "stay there");
  }
  std::fputs(
      (line.json ? json_of(job, rows, line.verify) : text_of(job, rows, line.verify)).c_str(),
      stdout);
  for (const Row& row : rows) {
    if (!row.difference.empty()) {
      std::fprintf(
          stderr, "self-check failed: %s, %s\n", row.layer.name.c_str(), row.difference.c_str());
    }
  }
  return equal ? 0 : 1;
}

}  // namespace tessera::tools
