// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Runs a function in a child process: the SystemC kernel cannot be elaborated twice in one, and a
/// property test wants hundreds of simulations.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tessera::test {

/// What `f` returned in the child; "exception: ..." when it threw, "signal N" when it was killed.
std::string in_child(const std::function<std::string()>& f);

/// What a program printed and how it ended.
struct Outcome {
  int status = -1;  ///< exit status; 128 + signal when killed
  std::string out;
  std::string err;
};

/// Runs a program with arguments, standard input closed.
Outcome run_program(const std::vector<std::string>& command);

}  // namespace tessera::test
