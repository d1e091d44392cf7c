// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera compile FILE.yaml`: the layers of a network as programs of associative processors.
///
///   include: ../../arch/rtm_ap/profiles/mtj-22nm.yaml   # gives chip.tile.pe
///   network: {zoo: resnet20}                            # or layers inline
///   compile: {w_bits: 2, a_bits: 4, weights: ternary, sparsity: 0.8}
///
/// How layers become programs is chosen where the array is: chip.tile.pe.compile.
///
/// Prints, per layer, operations before and after the elimination of common pairs, programs,
/// columns, widths and cycles by kind of one row group. --emit writes the programs, --verify runs
/// them with real bits and compares every output with the golden reference, --replay does so with
/// programs that were written before (replay.hpp).
///
/// Errors   InputError: those of a replay, E-AP-FIT (exit status 4), E-AP-WEIGHTS, E-RTM-AP-SPEC,
/// those of networks,
///          configuration and output files
#pragma once

#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"

#include <vector>

namespace tessera::tools {

/// The keys of the section `compile`, for `tessera explain`.
std::vector<config::FieldInfo> compile_fields();

/// Exit status: 0, or 1 when a value differs from the reference.
int compile_network(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
