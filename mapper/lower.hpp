// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a Mapping to a Program: which firings every endpoint does, and what they wait for.
///
/// Shapes   positions of a tensor are messages of channels * out_bits bits
/// Units    cycles of the chip's clock, bits, lane operations; all rounded up per firing
/// Errors   a Mapping that check() accepts gives a Program, or a diagnostic with exit status 4:
///          E-MAP-BUFFER when line buffers do not fit, E-MAP-LAYOUT when a matrix cannot be cut.
///          A Mapping that was not checked is an InternalError.
/// Source   README.md, "Lowering" and "Line buffers"
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::mapper {

struct LowerOptions {
  Granularity granularity = Granularity::pixel;
  std::int64_t images = 1;  ///< of the run: no window grows beyond what they fill
  /// Tensors that do not fit may go through off-chip memory under `pixel` too, where it is slow.
  bool spill = false;
  /// Every window unlimited, whatever the buffers hold: for those who only want min_window.
  bool ignore_capacity = false;
};

/// The Program is usable only when `diagnostics` is still without errors.
Program lower(const Network& network,
              const Mapping& mapping,
              const arch::chip::Chip& chip,
              const LowerOptions& options,
              Diagnostics& diagnostics);

/// Whether a diagnostic of lower() says that the chip is too small (exit status 4) rather than that
/// the input is wrong.
bool is_infeasible(std::string_view code);

/// Stages, line buffers and totals as text for people.
std::string describe(const Program& program);

}  // namespace tessera::mapper
