// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera ap program.apasm`: one program on one associative processor, with real bits. Of a file
/// of several, --program names it.
///
/// Inputs   every slot that the program loads is drawn from the seed, uniform over what its operand
///          can hold
/// Checks   the array's events equal those of the timed steps, and the closed form both; exit
/// status
///          1 when not
/// Errors   InputError: E-AP-SYNTAX, E-AP-PROGRAM, E-RTM-AP-SPEC, those of configuration files
#pragma once

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/command_line.hpp"

namespace tessera::tools {

/// Exit status.
int run_ap(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
