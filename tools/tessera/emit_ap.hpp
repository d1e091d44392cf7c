// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `--emit-ap`: the programs that the PEs of a mapping run, one file per fragment of every layer
/// that is on such PEs: <layer id>_<layer>.p<fragment>.apasm, as `tessera ap` reads it. Replicas
/// run the same program. What PEs do in place of vector units: <layer id>_<layer>.v<number>.apasm.
///
/// Errors   E-AP-NONE when the chip has no PE that runs programs, or the mapping uses none
#pragma once

#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/report/output_folder.hpp"
#include "tools/tessera/experiment.hpp"

#include <memory>
#include <string>

namespace tessera::tools {

/// Where programs go, made before the work begins; null when `path` is empty. The PEs of
/// `experiment` have their programs (program_pes()).
std::unique_ptr<report::OutputFolder> program_folder(const Experiment& experiment,
                                                     const std::string& path);

/// Writes them. The network has the widths of the mapping; `program` is the mapping, lowered.
void emit_programs(const Experiment& experiment,
                   const Mapping& mapping,
                   const Program& program,
                   report::OutputFolder& folder);

}  // namespace tessera::tools
