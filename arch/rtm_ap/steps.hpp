// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a program does on one AP, beat after beat, with the positions of its nanowires. The
/// simulated form.
///
/// One beat (microcode.hpp), here two passes:
///
///   track   |shift: the farthest column|                                   |back, if eager|
///   cam                                |search|       |search|
///   writer                                    |write |       |write |
///
/// A search holds the CAM until its write is done: the write needs the tags. Columns move side by
/// side, so a beat waits for the one that has the farthest way.
///
/// Units    cycles of the PE's clock; every occupation is rounded up once
/// Counts   shifts are exact; written cells are expected for uniform data: a search of k columns
///          tags 2^-k of the rows, a load sets half of them. The kernel counts what did happen.
///          Fractions of a cell are carried on; the last one is dropped
/// Source   README, "Timing"
#pragma once

#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "sim/api/model.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {

/// From nanowires at rest, with `rows` rows in use. Precondition: verify() accepts the program.
/// Steps of neighbouring beats are kept apart by a step without passes.
[[nodiscard]] std::vector<Step> steps(const Spec& spec,
                                      const Clock& clock,
                                      const Program& program,
                                      int rows);

/// The steps of each instruction on its own, handed on one after the other: for those who want to
/// know whose they are, and for programs whose list would not fit in memory.
void for_each_instruction(
    const Spec& spec,
    const Clock& clock,
    const Program& program,
    int rows,
    const std::function<void(std::size_t instruction, const std::vector<Step>& steps)>& visit);

/// What a beat does to a resource, for those who watch: Resource::uses of the kind.
[[nodiscard]] std::vector<std::string> uses_of(ResourceIndex resource);

/// A whole program as one firing: the steps of one instruction after the other, each of which holds
/// the controller for as long as it takes.
[[nodiscard]] StepSource firing_source(const Spec& spec,
                                       const Clock& clock,
                                       std::shared_ptr<const Program> program,
                                       int rows);

/// The same, summed up while it goes.
struct Totals {
  Cycles search{0};
  Cycles write{0};
  Cycles shift{0};
  Cycles load{0};
  Cycles read_out{0};
  std::int64_t beats = 0;
  std::int64_t passes = 0;    ///< a search and the write of what it tagged
  std::int64_t searches = 0;  ///< beside those of passes: tags are latched or read out
  std::int64_t writes = 0;    ///< likewise: clears, loads, fills
  std::int64_t loads = 0;
  std::int64_t read_outs = 0;
  double most_written = 0;  ///< expected writes of the cell that is written most
  ActionCounts did{};

  [[nodiscard]] Cycles latency() const { return search + write + shift + load + read_out; }
};

[[nodiscard]] Totals totals(const Spec& spec, const Clock& clock, const Program& program, int rows);

/// A whole program as one firing: its beats sorted by what they do, as they are too many to be
/// listed; firing_source() has them in their order. The sum is exact, because beats never overlap;
/// the controller is held from the first to the last, so that firings do not overlap either.
[[nodiscard]] std::vector<Step> firing_steps(const Spec& spec,
                                             const Clock& clock,
                                             const Totals& totals);

/// Another program into the controller: one cycle.
[[nodiscard]] std::vector<Step> write_steps();

}  // namespace tessera::arch::rtm_ap
