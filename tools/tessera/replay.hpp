// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Emitted programs, maybe edited by hand, against the golden integer executor: every program is
/// run with its passes for every output position of one image and for 256 positions with random
/// inputs, and every value that it reads out is compared.
///
/// Given    the programs as they are emitted now say which there must be and what their slots
///          carry; instructions are those of the files
/// Right    outputs are those of Golden, of random inputs what one layer makes of them. A sum over
/// some inputs is the product of these, in plain
///          loops. What adds up results of several arrays gets random ones that add up to the sum
///          of the layer. Partial sums that programs hand on are theirs: only when an output is
///          wrong are they compared with those of the emitted programs, to tell whose fault it is
/// Errors   InputError, everything that is wrong at once: E-AP-MISSING, E-AP-HEAD, E-AP-SYNTAX,
///          E-AP-PROGRAM (which pass, and why), E-CFG-FILE. Values that differ are a result:
///          E-AP-DIFFERS, one per program, at the read of the first value
#pragma once

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/ap_files.hpp"
#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tools {

struct ReplayJob {
  const Network& network;  ///< quantized
  ParameterSource parameters;
  std::vector<std::int32_t> image;
  std::uint64_t seed = 1;             ///< of results that are drawn
  std::vector<ProgramText> programs;  ///< as emitted now; those of a layer in a row
  bool some_layers = false;           ///< programs of other layers may stand beside them
};

struct ReplayedLayer {
  LayerId layer = 0;
  int programs = 0;
  std::int64_t values = 0;     ///< outputs and sums compared
  std::int64_t differing = 0;  ///< of these
};

struct ReplayResult {
  std::vector<ReplayedLayer> layers;
  Diagnostics differences;
  std::vector<std::string> others;  ///< programs that were left out
};

/// `path`: a file or folder as ProgramFiles writes it.
[[nodiscard]] ReplayResult replay_programs(const ReplayJob& job, const std::string& path);

/// Prints a table, or JSON, and what differs. Exit status: 0, or 1 when something does.
int print_replay(const ReplayResult& result,
                 const Network& network,
                 const std::string& path,
                 bool json,
                 bool quiet = false);

}  // namespace tessera::tools
