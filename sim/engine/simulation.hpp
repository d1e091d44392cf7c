// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Runs a Program on a chip. One simulation per process: the SystemC kernel cannot be elaborated
/// twice.
///
/// Errors   DeadlockError (exit 3) when firings are outstanding and nothing can move, with who
/// waits for what; InputError E-RUN-TIME when time runs out
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <stdexcept>
#include <string>

namespace tessera::engine {

class DeadlockError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `data` is read in functional modes alone.
RunStats simulate(const Program& program,
                  const Network& network,
                  const arch::chip::Chip& chip,
                  const RunOptions& options,
                  const NetworkData& data);

/// On synthetic parameters and images of options.seed.
RunStats simulate(const Program& program,
                  const Network& network,
                  const arch::chip::Chip& chip,
                  const RunOptions& options);

/// Wall time of one timed activation of an empty SC_METHOD among `processes` others, and of nothing
/// else: the yardstick of bench/. Uses up the process's only elaboration.
double empty_activation_seconds(int processes, std::int64_t activations);

}  // namespace tessera::engine
