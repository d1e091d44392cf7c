// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/run.hpp"

#include "arch/chip/prices.hpp"
#include "mapper/analytical.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "mapper/mapping_yaml.hpp"
#include "sim/base/rng.hpp"
#include "sim/engine/simulation.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/result.hpp"
#include "sim/report/text.hpp"
#include "sim/trace/chrome_trace.hpp"
#include "tools/tessera/experiment.hpp"
#include "tools/tessera/version.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace tessera::tools {
namespace {

/// 4 when nothing is wrong but the size of the chip, else 2.
int mapping_status(const Diagnostics& diagnostics) {
  const bool infeasible = std::all_of(
      diagnostics.errors().begin(), diagnostics.errors().end(), [](const Diagnostic& d) {
        return mapper::is_infeasible(d.code);
      });
  return infeasible ? 4 : 2;
}

/// The mapper knows paths and not places: an error without a place gets that of the deepest key of
/// its path that somebody wrote.
Diagnostics with_places(const Diagnostics& diagnostics, const config::Node& root) {
  Diagnostics out;
  for (Diagnostic d : diagnostics.errors()) {
    if (d.at.source == nullptr) {
      config::Node at = root;
      d.at = root.at();
      for (std::size_t begin = 0; begin < d.path.size();) {
        const std::size_t end = std::min(d.path.find('.', begin), d.path.size());
        const std::string key = d.path.substr(begin, end - begin);
        if (!at.has(key)) {
          break;
        }
        at = at.get(key);
        d.at = at.at();
        begin = end + 1;
      }
    }
    out.error(std::move(d));
  }
  return out;
}

/// A waveform under a temporary name: SystemC writes as it goes.
class VcdFile {
 public:
  explicit VcdFile(const std::string& path) : path_(path) {
    if (path_.empty()) {
      return;
    }
    std::FILE* file = std::fopen(temporary().c_str(), "w");  // SystemC would only warn
    if (file == nullptr) {
      Diagnostics diagnostics;
      Diagnostic d;
      d.code = "E-OUT-WRITE";
      d.sentence = fmt::format("cannot write the waveform '{}'", path_);
      d.path = "--vcd";
      d.expected = "a file in a folder that exists and can be written to";
      d.got = fmt::format("'{}'", path_);
      diagnostics.error(std::move(d));
      throw InputError(std::move(diagnostics), 2);
    }
    std::fclose(file);
  }

  VcdFile(const VcdFile&) = delete;
  VcdFile& operator=(const VcdFile&) = delete;
  VcdFile(VcdFile&&) = delete;
  VcdFile& operator=(VcdFile&&) = delete;

  ~VcdFile() {
    if (!path_.empty() && !kept_) {
      std::error_code ignored;
      std::filesystem::remove(temporary(), ignored);
    }
  }

  /// What SystemC is told; it appends ".vcd".
  [[nodiscard]] std::string base() const { return path_.empty() ? path_ : path_ + ".partial"; }

  void keep() {
    if (!path_.empty()) {
      std::filesystem::rename(temporary(), path_);
      kept_ = true;
    }
  }

 private:
  [[nodiscard]] std::string temporary() const { return base() + ".vcd"; }

  std::string path_;
  bool kept_ = false;
};

std::string manifest_json(const CommandLine& line,
                          const Experiment& experiment,
                          const std::string& resolved) {
  nlohmann::json out;
  out["schema"] = 1;
  out["program"] = "tessera";
  out["version"] = version();
  out["commit"] = commit();
  out["compiler"] = compiler();
  out["experiment"] = experiment.path;
  out["seed"] = experiment.execution.seed;
  out["configuration_hash"] = fmt::format("{:016x}", fnv1a(resolved));
  out["arguments"] = line.arguments;
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// Layers of the closed form as stages of the program; input, output and memory have none.
report::Analysis closed_form(const mapper::Analysis& analysis, const Program& program) {
  report::Analysis out;
  out.latency = analysis.latency;
  out.interval = analysis.interval;
  out.lower_bound = analysis.lower_bound_latency;
  out.interval_lower_bound = analysis.lower_bound_interval;
  out.interval_lower_bound_slack = analysis.lower_bound_slack;
  for (const ProgramStage& stage : program.stages) {
    const auto found = std::find_if(
        analysis.layers.begin(), analysis.layers.end(), [&](const mapper::LayerAnalysis& layer) {
          return layer.layer == stage.layer;
        });
    out.stages.push_back(found == analysis.layers.end() ? Cycles(0) : found->span);
  }
  return out;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int run_experiment(const CommandLine& line, Diagnostics diagnostics) {
  Experiment experiment;
  if (!line.names.empty()) {
    experiment = load_experiment(line.names.front(), line.sets, diagnostics);
  }
  diagnostics.throw_if_any();

  const ExecutionSpec& execution = experiment.execution;
  const Mapping mapping = mapper::make_mapping(
      experiment.network, experiment.chip, experiment.request, execution.granularity, diagnostics);
  with_places(diagnostics, experiment.root).throw_if_any(mapping_status(diagnostics));
  mapper::LowerOptions how;
  how.granularity = execution.granularity;
  how.images = execution.images;
  how.spill = execution.spill;
  const Program program =
      mapper::lower(experiment.network, mapping, experiment.chip, how, diagnostics);
  with_places(diagnostics, experiment.root).throw_if_any(mapping_status(diagnostics));

  // Whether the results can be written is found out before the simulation, not after.
  std::unique_ptr<report::OutputFolder> folder;
  const bool is_run = line.command == Command::run;
  if (is_run || !line.out.empty()) {
    folder = std::make_unique<report::OutputFolder>(line.out.empty() ? "out/" + experiment.info.name
                                                                     : line.out);
  }
  std::unique_ptr<trace::ChromeTrace> trace;
  if (!line.trace.empty()) {
    trace::ChromeTraceOptions options;
    options.layers = line.trace_layers;
    trace = std::make_unique<trace::ChromeTrace>(line.trace, experiment.chip.clock, options);
  }
  VcdFile vcd(line.vcd);

  RunOptions options;
  options.detail = execution.detail;
  options.functional = execution.functional;
  options.images = execution.images;
  options.image_interval = experiment.image_interval;
  options.seed = static_cast<std::uint64_t>(execution.seed);
  options.trace = trace.get();
  options.vcd_path = vcd.base();
  report::ProgressBar bar(
      stderr, !line.quiet && report::is_terminal(stderr), experiment.chip.clock);
  options.progress = [&bar](const Progress& progress) { bar.update(progress); };
  const RunStats stats = engine::simulate(program, experiment.network, experiment.chip, options);
  bar.clear();

  const report::PriceList prices = arch::chip::prices(experiment.chip);
  const report::Report report = report::make_report(
      {experiment.chip.spec.name,
       experiment.network,
       program,
       options,
       stats,
       prices,
       arch::chip::fabric_use(experiment.chip, stats.fabric),
       arch::chip::load_use(experiment.chip, program),
       closed_form(
           mapper::analyze(experiment.network, experiment.chip, mapping, execution.granularity),
           program)});
  const std::string result = report::result_json(report);
  if (folder != nullptr) {
    const std::string resolved = resolved_yaml(experiment);
    folder->add("resolved.yaml", resolved);
    folder->add("manifest.json", manifest_json(line, experiment, resolved));
    folder->add("mapping.yaml", mapper::write_mapping(mapping));
    folder->add("layers.csv", report::layers_csv(report));
    folder->add("result.json", result);
    folder->commit();
  }
  vcd.keep();

  if (line.json) {
    print(result);
  } else if (!line.quiet) {
    print(is_run ? report::run_text(report) : report::validate_text(report));
    if (folder != nullptr) {
      print("\nResults in " + folder->path().string() + "\n");
    }
  }
  if (!report.ok()) {
    for (const Check& check : report.checks) {
      if (!check.ok) {
        std::fprintf(
            stderr, "self-check %s failed: %s\n", check.name.c_str(), check.detail.c_str());
      }
    }
    return 1;
  }
  return 0;
}

}  // namespace tessera::tools
