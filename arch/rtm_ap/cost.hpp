// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form of a program: O(1) per instruction in its widths, from the formulas of the facts
/// and not from beats.
///
///   add, sub in place     8 m_a + 4 (m - m_a) + 1 cycles, m_a = m for a signed operand
///   add, sub              10 m + 1, fewer where an operand has ended
///   one nanowire          m - 1 steps, and the way from where it stood
///
/// Exact in searches, writes, loads, read-outs and everything counted of them. Steps of nanowires:
/// lazy with one port  exact
/// static, or eager    their number exact; their time between the operand with the longest way and
///                     all ways one after the other
/// dynamic and lazy    both between none and what changing the port at every turn would take
///
/// Source   docs/facts.md, "Racetrack-memory associative processor"; README, "Timing"
#pragma once

#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "sim/api/model.hpp"

#include <cstdint>

namespace tessera::arch::rtm_ap {

struct ProgramCost {
  Cycles lo{0};  ///< first search to last write
  Cycles hi{0};
  ActionCounts did{};  ///< written cells expected, as in steps.hpp; shifts at least
  std::int64_t shifts_hi = 0;

  bool operator==(const ProgramCost&) const = default;
};

/// From nanowires at rest, with `rows` rows in use. Precondition: verify() accepts the program.
[[nodiscard]] ProgramCost program_cost(const Spec& spec,
                                       const Clock& clock,
                                       const Program& program,
                                       int rows);

/// One run of the program as a firing. The array is in use to the last write, so the next one
/// starts then. Where the cost is a bracket, the least: bounds are made of it.
[[nodiscard]] Cost firing_cost(const ProgramCost& cost);

/// Another program into the controller: one cycle (README, deviation 9).
[[nodiscard]] Cost write_cost();

}  // namespace tessera::arch::rtm_ap
