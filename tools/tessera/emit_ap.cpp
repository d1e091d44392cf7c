// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/emit_ap.hpp"

#include "mapper/first_fit.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/tessera/integers.hpp"
#include "tools/tessera/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace tessera::tools {
namespace {

[[noreturn]] void fail_without_programs(const Experiment& experiment, const std::string& sentence) {
  const config::Node chip = experiment.root.get("chip");
  const config::Node kind = chip.get("tile").get("pe").get("kind");
  Diagnostics diagnostics;
  diagnostics.error(
      config::diagnose(kind.is_null() ? chip : kind,
                       "E-AP-NONE",
                       sentence,
                       "processing elements that hold weights in programs: rtm_ap",
                       "leave --emit-ap or --replay-ap out, or include chips/rtm_ap.yaml"));
  throw InputError(std::move(diagnostics), 2);
}

void require_programs(const Experiment& experiment) {
  const auto& groups = experiment.chip.groups;
  if (std::none_of(groups.begin(), groups.end(), [](const arch::chip::TileGroup& group) {
        return group.pe->programmed({}) != nullptr;
      })) {
    fail_without_programs(experiment, "no processing element of this chip runs a program");
  }
}

/// `text` as the program `number` of `of`.
ProgramText program_text(const Experiment& experiment,
                         LayerId layer,
                         const std::string& ending,
                         std::size_t number,
                         std::size_t of,
                         const std::string& text) {
  ProgramText out;
  out.layer = layer;
  out.name = fmt::format("{:03}_{}.{}", layer, file_stem(experiment.network, layer), ending);
  out.text = names_text(experiment.network, layer, out.name) +
             fmt::format("# {} of {}\n", number + 1, of) + text;
  return out;
}

/// What PEs in place of vector units run, each once.
void add_vector_programs(const Experiment& experiment,
                         const Program& program,
                         std::vector<ProgramText>& all) {
  std::map<LayerId, std::map<Op, EndpointId>> found;  // and a tile that runs it
  const auto find = [&](const ProgramStage& stage, const VectorJob& job, EndpointId at) {
    for (const Op& op : job.programs) {
      found[stage.layer].try_emplace(op, at);
    }
  };
  for (const ProgramStage& stage : program.stages) {
    for (const ProgramReplica& replica : stage.replicas) {
      for (const int part : replica.parts) {
        const ProgramPart& one = program.parts[static_cast<std::size_t>(part)];
        find(stage, one.vector, one.at);
      }
      find(stage, stage.combine, replica.home);
    }
  }
  for (const auto& [layer, ops] : found) {
    std::size_t number = 0;
    for (const auto& [op, at] : ops) {
      all.push_back(program_text(experiment,
                                 layer,
                                 fmt::format("v{}", number),
                                 number,
                                 ops.size(),
                                 experiment.chip.group_at(at).pe->program_text(op)));
      ++number;
    }
  }
}

/// All of them, those of a layer in a row.
std::vector<ProgramText> programs_of(const Experiment& experiment,
                                     const Mapping& mapping,
                                     const Program& program) {
  std::vector<ProgramText> all;
  for (const LayerMapping& layer : mapping.layers) {
    const Model& pe = *experiment.chip.groups[experiment.chip.group_named(layer.group)].pe;
    const MatrixOp matrix =
        mapper::matrix_op(experiment.network, layer.layer, layer.w_bits, layer.a_bits);
    const Layout layout = pe.layout(matrix);
    for (std::size_t f = 0; f < layout.fragments.size(); ++f) {
      const std::string text = pe.program_text(pe.op(OpCode::mvm, matrix, layout.fragments[f]));
      if (!text.empty()) {
        all.push_back(program_text(
            experiment, layer.layer, fmt::format("p{}", f), f, layout.fragments.size(), text));
      }
    }
  }
  if (all.empty()) {
    fail_without_programs(experiment, "no layer is on processing elements that run programs");
  }
  add_vector_programs(experiment, program, all);
  std::stable_sort(all.begin(), all.end(), [](const ProgramText& a, const ProgramText& b) {
    return a.layer < b.layer;
  });
  return all;
}

}  // namespace

std::unique_ptr<ProgramFiles> program_files(const Experiment& experiment, const CommandLine& line) {
  if (line.emit_ap.empty()) {
    return nullptr;
  }
  require_programs(experiment);
  return std::make_unique<ProgramFiles>(line.emit_ap, "--emit-ap");
}

void emit_programs(const Experiment& experiment,
                   const Mapping& mapping,
                   const Program& program,
                   const CommandLine& line,
                   ProgramFiles& files) {
  const std::vector<std::string> others = files.write(programs_of(experiment, mapping, program));
  if (!line.quiet) {
    note_others(line.emit_ap, others, "stay there");
  }
}

int replay_ap(const Experiment& experiment,
              const Mapping& mapping,
              const Program& program,
              const CommandLine& line) {
  require_programs(experiment);
  std::optional<IntegerModel> model;
  if (experiment.model) {
    model = integer_model(experiment);
  }
  const Network& network = model ? model->network : experiment.network;
  const NetworkData data = model ? network_data(experiment, *model) : synthetic_data(experiment);
  const ReplayJob job{network,
                      data.parameters,
                      data.input(0),
                      static_cast<std::uint64_t>(experiment.execution.seed),
                      programs_of(experiment, mapping, program),
                      false};
  return print_replay(
      replay_programs(job, line.replay_ap), network, line.replay_ap, line.json, line.quiet);
}

}  // namespace tessera::tools
