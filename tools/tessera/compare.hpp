// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera compare`: simulates several experiments and puts them side by side.
///
/// Numbers  sim/report/comparison.hpp defines them; ratios are against the first experiment
/// Order    every experiment runs in a process of its own, several at a time; the answer does not
///          depend on which is done first
/// Files    compare.json, compare.csv and compare.svg (with gnuplot), into out/<first>_compare or
///          --out. No times of this machine: the same experiments give the same bytes
/// Errors   those of all experiments at once (exit 2; 4 when mappings do not fit and nothing else
///          is wrong), E-CLI-MISSING with fewer than two; what only shows in a simulation (a
///          deadlock) with its own status once all are done. Nothing is written then
#pragma once

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"

namespace tessera::tools {

/// Exit status: 0, or 1 when a self-check of a run failed. `diagnostics` holds what is wrong with
/// the command line; it is reported with the rest.
int compare_experiments(const CommandLine& line, const Diagnostics& diagnostics);

}  // namespace tessera::tools
