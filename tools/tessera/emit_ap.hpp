// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The programs that the PEs of a mapping run: one per fragment of every layer that is on such PEs,
/// <layer id>_<layer>.p<fragment>, and what PEs do in place of vector units, <layer
/// id>_<layer>.v<number>. Replicas run the same program. `--emit-ap` writes them (ap_files.hpp), as
/// `tessera ap` reads them; `--replay-ap` runs those of a file or folder against the golden
/// reference (replay.hpp).
///
/// Errors   E-AP-NONE when the chip has no PE that runs programs, or the mapping uses none
#pragma once

#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "tools/tessera/ap_files.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/experiment.hpp"

#include <memory>
#include <string>

namespace tessera::tools {

/// Where programs go, made before the work begins; null without --emit-ap. The PEs of `experiment`
/// have their programs (program_pes()).
std::unique_ptr<ProgramFiles> program_files(const Experiment& experiment, const CommandLine& line);

/// Writes them. The network has the widths of the mapping; `program` is the mapping, lowered.
void emit_programs(const Experiment& experiment,
                   const Mapping& mapping,
                   const Program& program,
                   const CommandLine& line,
                   ProgramFiles& files);

/// --replay-ap. Exit status: 0, or 1 when a value differs.
int replay_ap(const Experiment& experiment,
              const Mapping& mapping,
              const Program& program,
              const CommandLine& line);

}  // namespace tessera::tools
