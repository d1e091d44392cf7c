// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Runs one shell command to its end: input in, output out, nothing left behind.
///
/// The command gets a process group of its own. Input is written while output is read, so neither
/// side can wait for the other. When the command ends, exceeds its time or its output, whatever is
/// left of the group is killed and the command is reaped; a process that the command moved to
/// another group is out of reach.
/// Errors   resources that run out (pipes, processes) are `failure`; never a signal to the caller
#pragma once

#include <cstddef>
#include <string>

namespace tessera::mapper {

struct ShellLimits {
  double seconds = 3600;
  std::size_t output_bytes = std::size_t{64} << 10U;
};

struct ShellOutcome {
  enum class End { exited, signalled, timed_out, too_much_output, failure };

  End end = End::failure;
  int status = 0;      ///< exit status or number of the signal; errno of a failure
  std::string output;  ///< standard output
  std::string log;     ///< last 4 KiB of standard error
};

ShellOutcome run_shell(const std::string& command,
                       const std::string& input,
                       const ShellLimits& limits);

}  // namespace tessera::mapper
