// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Training inside of other commands: `tessera run` on an experiment with `train:` and without
/// weights, but with use for them (a functional run, a search with measured accuracy), trains
/// first, searches on what was trained, fine-tunes with the widths it found, and simulates that.
///
/// Files    out/<experiment name>_start: the network before the search (stages that name their
///          widths); out/<experiment name>_tuned: after it (the stages from the first one on that
///          takes the mapping's). Given --out DIR, DIR_start and DIR_tuned. An interrupted training
///          goes on where it was
/// Errors   InputError with the exit status of tessera-train, which says what is wrong itself
#pragma once

#include "sim/api/mapping.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/experiment.hpp"

namespace tessera::tools {

/// `tessera train`. Returns the exit status.
int train_experiment(const CommandLine& line, const Diagnostics& diagnostics);

/// Gives `experiment` the weights that its stages before the search make.
void train_weights(Experiment& experiment, const CommandLine& line);

/// Goes on with them with the widths of `mapping`, when a stage takes those.
void tune_weights(Experiment& experiment, const CommandLine& line, const Mapping& mapping);

}  // namespace tessera::tools
