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

#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/experiment.hpp"
#include "tools/tessera/map.hpp"

namespace tessera::tools {

/// What an experiment becomes before it is simulated.
struct Prepared {
  FoundMapping found;  ///< empty when the experiment says its mapping
  Mapping mapping;
  Program program;
};

/// Whether the experiment needs weights, has none and says how to train them.
bool trains_first(const Experiment& experiment);

/// Trains and searches where the experiment asks for it, then maps and lowers; the experiment gets
/// weights and widths. Prints what a search found unless `line` is quiet.
Prepared prepare(Experiment& experiment, const CommandLine& line);

/// Exit status: 0, or 1 when a self-check failed (the files are written, so that it can be looked
/// into). `diagnostics` holds what is wrong with the command line; it is reported with the rest.
int run_experiment(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
