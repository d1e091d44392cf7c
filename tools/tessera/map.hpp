// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera map`: search, place, simulate the best, keep the best of those.
///
/// Interrupted  reinforcement learning leaves <folder>.checkpoint behind; the next call with the
///              same experiment goes on there and comes to the same answer. It is removed at the
///              end
/// Replay       --replay-ap searches nothing: the answer is the mapping.yaml in <folder>
/// Errors       those of make_search() and of the checkpoint: E-SEARCH-CHECKPOINT
#pragma once

#include "sim/api/mapping.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/experiment.hpp"

#include <string>

namespace tessera::tools {

/// Writes results and returns the exit status.
int map_experiment(const CommandLine& line, Diagnostics diagnostics);

/// What a search found, and how it compares with 8 bit without copies.
struct FoundMapping {
  Mapping mapping;
  std::string text;  ///< as `tessera map` prints it
  std::string json;  ///< map.json
};

/// The answer alone, without baselines and without files; `experiment` gets its network quantized
/// for it. What `tessera run` does with an experiment that has a search and no mapping.
FoundMapping search_mapping(Experiment& experiment, const CommandLine& line);

}  // namespace tessera::tools
