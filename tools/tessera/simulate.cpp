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
#include <cstddef>
#include <string>
#include <utility>

namespace tessera::tools {
namespace {

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

void throw_mapping_errors(const Diagnostics& diagnostics, const Experiment& experiment) {
  const bool infeasible = std::all_of(
      diagnostics.errors().begin(), diagnostics.errors().end(), [](const Diagnostic& d) {
        return mapper::is_infeasible(d.code);
      });
  with_places(diagnostics, experiment.root).throw_if_any(infeasible ? 4 : 2);
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

Mapping renew_programs(Experiment& experiment, const Mapping& mapping) {
  program_pes(experiment);
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
  RunStats stats;
  if (experiment.model && options.functional != Functional::off) {
    const IntegerModel model = integer_model(experiment);
    stats = engine::simulate(
        program, model.network, experiment.chip, options, network_data(experiment, model));
  } else {
    stats = engine::simulate(
        program, experiment.network, experiment.chip, options, synthetic_data(experiment));
  }
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
