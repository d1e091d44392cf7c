// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/run.hpp"

#include "mapper/check.hpp"
#include "mapper/mapping_yaml.hpp"
#include "sim/base/rng.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/result.hpp"
#include "sim/report/text.hpp"
#include "sim/trace/chrome_trace.hpp"
#include "tools/tessera/accuracy.hpp"
#include "tools/tessera/codebooks.hpp"
#include "tools/tessera/emit_ap.hpp"
#include "tools/tessera/experiment.hpp"
#include "tools/tessera/integers.hpp"
#include "tools/tessera/map.hpp"
#include "tools/tessera/simulate.hpp"
#include "tools/tessera/training.hpp"
#include "tools/tessera/version.hpp"
#include "workloads/model_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

/// A waveform under a temporary name: SystemC writes as it goes.
class VcdFile {
 public:
  explicit VcdFile(std::string path) : path_(std::move(path)) {
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

void check_trace_layers(const CommandLine& line, const Network& network, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const Layer& layer : network.layers) {
    names.push_back(layer.name);
  }
  for (const std::string& layer : line.trace_layers) {
    if (!names.empty() && std::find(names.begin(), names.end(), layer) == names.end()) {
      diagnostics.error(no_such_layer(line, "--trace-layer", layer, network.name, names));
    }
  }
}

/// The folders of results, and what else is written: a trace and a waveform may lie in them, and
/// not in their place.
void make_room(const CommandLine& line, const std::vector<report::OutputFolder*>& folders) {
  namespace fs = std::filesystem;
  const auto whole = [](const fs::path& path) {
    const fs::path normal = fs::absolute(path).lexically_normal();
    return normal.has_filename() ? normal : normal.parent_path();
  };
  Diagnostics diagnostics;
  for (const auto& [option, file] : {std::pair("--trace", line.trace), {"--vcd", line.vcd}}) {
    for (report::OutputFolder* folder : folders) {
      if (file.empty() || folder == nullptr) {
        continue;
      }
      if (whole(file) == whole(folder->path())) {
        Diagnostic d;
        d.code = "E-CLI-ARGUMENT";
        d.sentence = fmt::format("{} names the folder of other results", option);
        d.at = place_of(line, option);
        d.path = "command line";
        d.expected = "a file of its own";
        d.got = file;
        diagnostics.error(std::move(d));
      } else if (whole(file).parent_path() == whole(folder->path())) {
        folder->make();
      }
    }
  }
  diagnostics.throw_if_any();
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

bool trains_first(const Experiment& experiment) {
  const ExecutionSpec& execution = experiment.execution;
  const bool needs_weights = execution.functional != Functional::off ||
                             execution.accuracy_images > 0 ||
                             (experiment.maps_first &&
                              experiment.search.accuracy.source == mapper::AccuracyKind::measured);
  return experiment.train && !experiment.model && needs_weights;
}

Prepared prepare(Experiment& experiment, const CommandLine& line) {
  if (trains_first(experiment)) {
    if (experiment.execution.accuracy_images > 0) {
      require_images(experiment, "test");
    }
    train_weights(experiment, line);
  }
  if (experiment.execution.accuracy_images > 0) {
    require_weights(experiment, "test");
  }
  if (const std::string chosen = choose_codebooks(experiment); !chosen.empty() && !line.quiet) {
    std::fputs(fmt::format("note: {}\n", chosen).c_str(), stderr);
  }
  Prepared out;
  const auto status = report::status_line(line.quiet);
  if (!experiment.maps_first) {
    program_pes(experiment, status);
  } else {
    out.found = search_mapping(experiment, line);
    experiment.request.mapping = out.found.mapping;
    if (!line.json && !line.quiet) {
      print(out.found.text + "\n");
    }
  }
  Diagnostics diagnostics;
  out.mapping = mapper::make_mapping(experiment.network,
                                     experiment.chip,
                                     experiment.request,
                                     experiment.execution.granularity,
                                     diagnostics);
  throw_mapping_errors(diagnostics, experiment);
  status->clear();
  const bool tunes = !experiment.weights_file.empty();
  if (tunes) {
    tune_weights(experiment, line, out.mapping);
  }
  if (tunes || experiment.maps_first) {
    const std::string before = mapper::write_mapping(out.mapping);
    out.mapping = renew_programs(experiment, out.mapping, status);
    status->clear();
    if (!line.quiet && mapper::write_mapping(out.mapping) != before) {
      std::fputs(
          fmt::format("note: programs of the {} take other arrays: layers are placed again\n",
                      tunes ? "tuned weights" : "widths that were found")
              .c_str(),
          stderr);
    }
  }
  out.program = lower_mapping(experiment, out.mapping);
  return out;
}

int run_experiment(const CommandLine& line, Diagnostics diagnostics) {
  Experiment experiment;
  if (!line.names.empty()) {
    experiment = load_experiment(line.names.front(), line.sets, diagnostics);
    check_trace_layers(line, experiment.network, diagnostics);
    if (diagnostics.ok() && !experiment.maps_first) {
      check_sparsity(experiment, diagnostics);
    }
  }
  diagnostics.throw_if_any();

  const ExecutionSpec& execution = experiment.execution;
  if (!line.replay_ap.empty()) {
    const Prepared prepared = prepare(experiment, line);
    return replay_ap(experiment, prepared.mapping, prepared.program, line);
  }
  // Whether the results can be written is found out before the work, not after.
  const std::unique_ptr<ProgramFiles> programs = program_files(experiment, line);
  std::unique_ptr<report::OutputFolder> folder;
  const bool is_run = line.command == Command::run;
  if (is_run || !line.out.empty()) {
    folder = std::make_unique<report::OutputFolder>(line.out.empty() ? "out/" + experiment.info.name
                                                                     : line.out);
  }
  make_room(line, {programs == nullptr ? nullptr : &programs->folder(), folder.get()});
  const Prepared prepared = prepare(experiment, line);
  const Mapping& mapping = prepared.mapping;
  if (experiment.model && !experiment.images && execution.functional != Functional::off &&
      !line.quiet) {
    std::fputs("note: no images are given: ranges are calibrated on synthetic ones\n", stderr);
  }

  std::unique_ptr<trace::ChromeTrace> trace;
  if (!line.trace.empty()) {
    trace::ChromeTraceOptions options;
    options.layers = line.trace_layers;
    options.from = Cycles(line.trace_from);
    options.to = Cycles(line.trace_to);
    trace = std::make_unique<trace::ChromeTrace>(line.trace, experiment.chip.clock, options);
  }
  VcdFile vcd(line.vcd);
  if (programs != nullptr) {
    emit_programs(experiment, mapping, prepared.program, line, *programs);
  }

  RunOptions options = run_options(experiment);
  options.trace = trace.get();
  options.vcd_path = vcd.base();
  const auto status_line = report::status_line(line.quiet);
  options.progress = [&](const Progress& progress) {
    status_line->show([&](double elapsed) {
      return report::progress_line(progress, experiment.chip.clock, elapsed);
    });
  };
  int status = 0;
  simulate_program(
      experiment, mapping, prepared.program, options, [&](const report::Report& report) {
        status_line->clear();
        std::optional<Accuracy> accuracy;
        if (experiment.images && execution.accuracy_images > 0) {
          AccuracyOptions how;
          how.images = execution.accuracy_images;
          how.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
          how.sets = line.sets;
          accuracy = measure_accuracy(experiment, prepared.program, how);
        }
        const std::string result = report::result_json(report);
        if (folder != nullptr) {
          const std::string resolved = resolved_yaml(experiment);
          folder->add("resolved.yaml", resolved);
          folder->add("manifest.json", manifest_json(line, experiment, resolved));
          if (needs_model(experiment)) {
            folder->add(
                "model.npz",
                model_file_bytes(experiment.network,
                                 {experiment.model->parameters, experiment.given_scales, {}}));
          }
          folder->add("mapping.yaml", mapper::write_mapping(mapping));
          folder->add("layers.csv", report::layers_csv(report));
          folder->add("result.json", result);
          if (!prepared.found.json.empty()) {
            folder->add("map.json", prepared.found.json);
          }
          if (accuracy) {
            folder->add("accuracy.json", accuracy_json(*accuracy));
          }
          folder->commit();
        }
        vcd.keep();
        if (line.json) {
          print(result);
        } else if (!line.quiet) {
          print(is_run ? report::run_text(report) : report::validate_text(report));
          if (const std::string storage = storage_text(neuron_storage(experiment)); is_run) {
            print(storage.empty() ? storage : "\n" + storage);
          }
          if (accuracy) {
            print(fmt::format("\n{} images of {}\n\n{}",
                              accuracy->labels.size(),
                              accuracy->split,
                              accuracy_text(*accuracy)));
          }
          if (folder != nullptr) {
            print("\nResults in " + folder->path().string() + "\n");
          }
        }
        if (accuracy && !accuracy->exact) {
          std::fputs(kNotExact, stderr);
          status = 1;
        }
        for (const Check& check : report.checks) {
          if (!check.ok) {
            std::fprintf(
                stderr, "self-check %s failed: %s\n", check.name.c_str(), check.detail.c_str());
            status = 1;
          }
        }
      });
  return status;
}

}  // namespace tessera::tools
