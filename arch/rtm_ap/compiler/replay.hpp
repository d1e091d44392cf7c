// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Runs the programs of a layer on the kernel: what the passes produce, for every output position.
///
/// Shapes   result: [positions][outputs], rising position, the outputs of the layer, or its sums
///          when the compiled layer has no epilogue
/// Errors   InternalError when verify() refuses a program of the compiler
#pragma once

#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/kernel.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Inputs of a position, as layer_inputs() gives them.
using InputsOf = std::function<std::vector<std::int32_t>(std::int64_t position)>;

struct Replay {
  std::vector<std::vector<std::int64_t>> values;
  Events events;  ///< of all parts and row groups
};

/// Positions [first, first + count), in row groups of geometry.rows.
Replay replay(const CompiledLayer& layer,
              const Geometry& geometry,
              const Ports& ports,
              const InputsOf& inputs,
              std::int64_t first,
              std::int64_t count);

}  // namespace tessera::arch::rtm_ap
