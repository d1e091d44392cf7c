// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The command line of `tessera`, taken apart.
///
/// Errors   diagnostics with the place in the command line, all at once: E-CLI-COMMAND,
/// E-CLI-OPTION,
///          E-CLI-ARGUMENT, E-CLI-MISSING. Values that belong to the experiment (--images, ...)
///          become assignments as of --set and are checked with it.
#pragma once

#include "sim/base/diagnostics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

enum class Command {
  none,
  run,
  compare,
  map,
  validate,
  train,
  accuracy,
  sensitivity,
  import_onnx,
  data,
  run_ap,
  compile_ap,
  explain,
  list
};

struct CommandLine {
  Command command = Command::none;
  std::string text;  ///< for --help and --version: print it and leave
  std::vector<std::string>
      names;                      ///< experiments; or what to import, run on an AP, explain or list
  std::vector<std::string> sets;  ///< --set, then the options that stand for one
  std::string out;                ///< empty: out/<experiment name>, nothing for validate
  std::string trace;
  std::vector<std::string> trace_layers;
  std::int64_t trace_from = 0;
  std::int64_t trace_to = INT64_MAX;
  std::string vcd;
  std::string export_lut;            ///< map: write the cost table there, and nothing else
  bool fresh = false;                ///< map, train: no checkpoint is read
  std::string chip;                  ///< ap: where chip.tile.pe is; empty: the kind's defaults
  std::optional<std::int64_t> rows;  ///< ap: in use
  std::uint64_t seed = 1;            ///< ap: of its inputs
  std::string layer;                 ///< compile: only that one
  std::string program;               ///< ap: which one of a file of several
  std::string emit;                  ///< compile: where programs go
  std::string replay;                ///< compile: programs to run against the reference
  std::string emit_ap;               ///< run, map: where the programs of the PEs go
  std::string replay_ap;             ///< run: such programs, to run against the reference
  bool verify = false;               ///< compile: run them against the reference
  std::string split = "test";        ///< accuracy: whose images
  std::int64_t image_limit = 0;      ///< accuracy: 0 for all
  std::int64_t seeds = 3;            ///< accuracy: of devices that vary
  std::string sweep;                 ///< accuracy: PATH=VALUES
  std::string by = "measured";       ///< sensitivity: measured, noise or hessian
  std::int64_t samples = 16;         ///< sensitivity: random vectors for a trace
  bool json = false;
  bool quiet = false;
  bool schema = false;
  std::vector<std::string> arguments;  ///< as given, without the program
};

/// Of the last `--option`, for messages.
Position place_of(const CommandLine& line, const std::string& option);

/// E-CLI-ARGUMENT: `network`, whose layers have these names, has none called `layer`, the value of
/// `option`.
Diagnostic no_such_layer(const CommandLine& line,
                         const std::string& option,
                         const std::string& layer,
                         const std::string& network,
                         const std::vector<std::string>& names);

CommandLine parse_command_line(int argc, const char* const* argv, Diagnostics& diagnostics);

}  // namespace tessera::tools
