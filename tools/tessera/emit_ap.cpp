// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/emit_ap.hpp"

#include "mapper/first_fit.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace tessera::tools {
namespace {

[[noreturn]] void fail_without_programs(const Experiment& experiment, const std::string& sentence) {
  const config::Node chip = experiment.root.get("chip");
  const config::Node kind = chip.get("tile").get("pe").get("kind");
  Diagnostics diagnostics;
  diagnostics.error(config::diagnose(kind.is_null() ? chip : kind,
                                     "E-AP-NONE",
                                     sentence,
                                     "processing elements that hold weights in programs: rtm_ap",
                                     "leave --emit-ap out, or include chips/rtm_ap.yaml"));
  throw InputError(std::move(diagnostics), 2);
}

}  // namespace

std::unique_ptr<report::OutputFolder> program_folder(const Experiment& experiment,
                                                     const std::string& path) {
  if (path.empty()) {
    return nullptr;
  }
  const auto& groups = experiment.chip.groups;
  if (std::none_of(groups.begin(), groups.end(), [](const arch::chip::TileGroup& group) {
        return group.pe->programmed({}) != nullptr;
      })) {
    fail_without_programs(experiment, "no processing element of this chip runs a program");
  }
  return std::make_unique<report::OutputFolder>(path);
}

namespace {

std::string file_name(const Experiment& experiment, LayerId layer) {
  std::string name = experiment.network.layer(layer).name;
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("{:03}_{}", layer, name);
}

/// What PEs in place of vector units run, each once.
void emit_vector_programs(const Experiment& experiment,
                          const Program& program,
                          report::OutputFolder& folder) {
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
      folder.add(
          fmt::format("{}.v{}.apasm", file_name(experiment, layer), number),
          fmt::format(
              "# {} of {}, {}\n", number + 1, ops.size(), experiment.network.layer(layer).name) +
              experiment.chip.group_at(at).pe->program_text(op));
      ++number;
    }
  }
}

}  // namespace

void emit_programs(const Experiment& experiment,
                   const Mapping& mapping,
                   const Program& program,
                   report::OutputFolder& folder) {
  std::size_t programs = 0;
  for (const LayerMapping& layer : mapping.layers) {
    const Model& pe = *experiment.chip.groups[experiment.chip.group_named(layer.group)].pe;
    const MatrixOp matrix =
        mapper::matrix_op(experiment.network, layer.layer, layer.w_bits, layer.a_bits);
    const Layout layout = pe.layout(matrix);
    for (std::size_t f = 0; f < layout.fragments.size(); ++f) {
      std::string text = pe.program_text(pe.op(OpCode::mvm, matrix, layout.fragments[f]));
      if (!text.empty()) {
        folder.add(fmt::format("{}.p{}.apasm", file_name(experiment, layer.layer), f),
                   fmt::format("# {} of {}, {}\n", f + 1, layout.fragments.size(), layer.name) +
                       std::move(text));
        ++programs;
      }
    }
  }
  if (programs == 0) {
    fail_without_programs(experiment, "no layer is on processing elements that run programs");
  }
  emit_vector_programs(experiment, program, folder);
  folder.commit();
}

}  // namespace tessera::tools
