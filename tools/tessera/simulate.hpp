// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From an experiment and a mapping to a report.
///
/// Errors   InputError: exit status 4 when nothing is wrong but the size of the chip, else 2
#pragma once

#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/result.hpp"
#include "tools/tessera/experiment.hpp"

#include <functional>
#include <memory>

namespace tessera::tools {

/// The mapper knows paths and not places: an error without a place gets that of the deepest key of
/// its path that somebody wrote, in the experiment or in the mapping file that it names.
Diagnostics with_places(const Diagnostics& diagnostics, const Experiment& experiment);

/// Throws when there are errors of the mapper in `diagnostics`, with places.
void throw_mapping_errors(const Diagnostics& diagnostics, const Experiment& experiment);

/// The program of `mapping` for as many images as the experiment has.
Program lower_mapping(const Experiment& experiment, const Mapping& mapping);

/// Makes the PEs' programs for the weights and widths that the experiment has by now. The mapping,
/// with its layers placed again where these take other arrays. `status`: as for program_pes().
Mapping renew_programs(Experiment& experiment,
                       const Mapping& mapping,
                       const std::shared_ptr<report::StatusLine>& status = nullptr);

/// What the experiment says of its execution; no trace, no waveform, no progress.
RunOptions run_options(const Experiment& experiment);

/// Simulates (once per process) and hands over the report, which refers to the arguments.
void simulate_program(const Experiment& experiment,
                      const Mapping& mapping,
                      const Program& program,
                      const RunOptions& options,
                      const std::function<void(const report::Report&)>& use);

}  // namespace tessera::tools
