// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/simulate.hpp"

#include "arch/chip/prices.hpp"
#include "mapper/analytical.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "sim/engine/simulation.hpp"
#include "tools/tessera/integers.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tessera::tools {
namespace {

/// The deepest value of a path that somebody wrote. Keys may have dots in them: the longest that
/// fits is taken.
config::Node deepest(config::Node at, std::string_view path) {
  while (!path.empty()) {
    std::size_t step = 0;
    config::Node below;
    if (path.front() == '[') {
      std::size_t index = 0;
      const auto [end, error] = std::from_chars(path.data() + 1, path.data() + path.size(), index);
      if (error != std::errc{} || index >= at.items().size()) {
        break;
      }
      step = static_cast<std::size_t>(end - path.data()) + 1;  // and the bracket
      below = at.items()[index];
    } else {
      for (const auto& [key, place] : at.keys()) {
        const bool fits =
            path.substr(0, key.size()) == key &&
            (path.size() == key.size() || path[key.size()] == '.' || path[key.size()] == '[');
        if (fits && key.size() > step) {
          step = key.size();
          below = at.get(key);
        }
      }
      if (step == 0) {
        break;
      }
    }
    at = below;
    path.remove_prefix(std::min(step, path.size()));
    path.remove_prefix(!path.empty() && path.front() == '.' ? 1 : 0);
  }
  return at;
}

RunStats simulate(const Experiment& experiment, const Program& program, const RunOptions& options) {
  try {
    if (experiment.model && options.functional != Functional::off) {
      const IntegerModel model = integer_model(experiment);
      return engine::simulate(
          program, model.network, experiment.chip, options, network_data(experiment, model));
    }
    return engine::simulate(
        program, experiment.network, experiment.chip, options, synthetic_data(experiment));
  } catch (const InputError& error) {
    throw InputError(with_places(error.diagnostics(), experiment), error.exit_status());
  }
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

}  // namespace

Diagnostics with_places(const Diagnostics& diagnostics, const Experiment& experiment) {
  constexpr std::string_view kMapping = "mapping.";
  const config::Node& file = experiment.request.file;
  Diagnostics out;
  for (Diagnostic d : diagnostics.errors()) {
    if (d.at.source == nullptr) {
      const bool in_file = !file.is_null() && d.path.rfind(kMapping, 0) == 0;
      d.at = in_file ? deepest(file, std::string_view(d.path).substr(kMapping.size())).at()
                     : deepest(experiment.root, d.path).at();
    }
    const config::Node kind = experiment.root.get("chip").get("tile").get("pe").get("kind");
    if (d.code == "E-MAP-LAYOUT" && !kind.is_null()) {
      d.related.push_back(kind.at());
    }
    out.error(std::move(d));
  }
  return out;
}

void throw_mapping_errors(const Diagnostics& diagnostics, const Experiment& experiment) {
  const bool infeasible = std::all_of(
      diagnostics.errors().begin(), diagnostics.errors().end(), [](const Diagnostic& d) {
        return mapper::is_infeasible(d.code);
      });
  with_places(diagnostics, experiment).throw_if_any(infeasible ? 4 : 2);
}

Program lower_mapping(const Experiment& experiment, const Mapping& mapping) {
  mapper::LowerOptions how;
  how.granularity = experiment.execution.granularity;
  how.images = experiment.execution.images;
  how.spill = experiment.execution.spill;
  Diagnostics diagnostics;
  Program program = mapper::lower(experiment.network, mapping, experiment.chip, how, diagnostics);
  throw_mapping_errors(diagnostics, experiment);
  return program;
}

Mapping renew_programs(Experiment& experiment,
                       const Mapping& mapping,
                       const std::shared_ptr<report::StatusLine>& status) {
  program_pes(experiment, status);
  Diagnostics diagnostics;
  Mapping renewed = mapper::renew_mapping(mapping,
                                          experiment.network,
                                          experiment.chip,
                                          experiment.request,
                                          experiment.execution.granularity,
                                          diagnostics);
  throw_mapping_errors(diagnostics, experiment);
  return renewed;
}

RunOptions run_options(const Experiment& experiment) {
  const ExecutionSpec& execution = experiment.execution;
  RunOptions options;
  options.detail = execution.detail;
  options.functional = execution.functional;
  options.images = execution.images;
  options.image_interval = experiment.image_interval;
  options.seed = static_cast<std::uint64_t>(execution.seed);
  return options;
}

void simulate_program(const Experiment& experiment,
                      const Mapping& mapping,
                      const Program& program,
                      const RunOptions& options,
                      const std::function<void(const report::Report&)>& use) {
  const RunStats stats = simulate(experiment, program, options);
  const report::PriceList prices = arch::chip::prices(experiment.chip);
  use(report::make_report(
      {experiment.chip.spec.name,
       experiment.network,
       program,
       options,
       stats,
       prices,
       arch::chip::fabric_use(experiment.chip, stats.fabric),
       arch::chip::load_use(experiment.chip, program),
       closed_form(
           mapper::analyze(
               experiment.network, experiment.chip, mapping, experiment.execution.granularity),
           program)}));
}

}  // namespace tessera::tools
