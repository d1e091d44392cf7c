// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form of a program, from the formulas of the facts and not from beats: O(1) per
/// instruction in its widths, but for the ways of nanowires that have several ports or return.
///
///   add, sub in place     8 m_a + 4 (m - m_a) + 1 cycles, m_a = m for a signed operand
///   add, sub              10 m + 1, fewer where an operand has ended
///   one nanowire          m - 1 steps, and the way from where it stood (one lazy port)
///
/// Exact: the cycles, and all counts that steps.hpp expects.
///
/// Source   docs/facts.md, "Racetrack-memory associative processor"; README, "Timing"
#pragma once

#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "sim/api/model.hpp"

#include <cstdint>

namespace tessera::arch::rtm_ap {

struct ProgramCost {
  Cycles latency{0};   ///< first search to last write
  ActionCounts did{};  ///< written cells expected, as in steps.hpp

  bool operator==(const ProgramCost&) const = default;
};

/// From nanowires at rest, with `rows` rows in use. Precondition: verify() accepts the program.
[[nodiscard]] ProgramCost program_cost(const Spec& spec,
                                       const Clock& clock,
                                       const Program& program,
                                       int rows);

/// One run of the program as a firing. The array is in use to the last write, so the next one
/// starts then.
[[nodiscard]] Cost firing_cost(const ProgramCost& cost);

/// Another program into the controller: one cycle (README, deviation 9).
[[nodiscard]] Cost write_cost();

}  // namespace tessera::arch::rtm_ap
