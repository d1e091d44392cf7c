// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera run` and `tessera validate`: from an experiment file to a report.
///
///   load -> map -> check -> lower -> closed form -> simulate -> self-checks -> report -> files
///
/// Errors   InputError: 2 bad input, 4 the mapping does not fit; DeadlockError; nothing is left
/// behind
///          then: neither output folder nor trace nor waveform
#pragma once

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"

namespace tessera::tools {

/// Exit status: 0, or 1 when a self-check failed (the files are written, so that it can be looked
/// into). `diagnostics` holds what is wrong with the command line; it is reported with the rest.
int run_experiment(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
