// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How many slots the line buffers of a Program need, and how the buffer of a tile is shared by
/// them.
///
/// A window that is too small can deadlock the pipeline; find_min_windows says what is always
/// enough, by playing one image without time. Why that is enough: README.md, "Line buffers".
///
/// Units    windows in positions (slots addressed by index), charges in bits
/// Errors   none: what does not fit is an answer (Overflow)
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/base/units.hpp"

#include <cstdint>
#include <vector>

namespace tessera::mapper {

/// A window that never fills, and still leaves room for arithmetic on indices.
inline constexpr std::int64_t kUnlimitedWindow = std::int64_t{1} << 40;

/// Sets min_window of every edge: the most slots in use when a stage fires only when its consumers
/// ask for it. O(positions of all stages), no recursion.
void find_min_windows(Program& program);

/// The most slots that `port` fills when it holds `window` consecutive indices of a tensor with
/// `positions` positions: positions that the port does not need take no room.
std::int64_t slots_used(const ProgramPort& port, std::int64_t positions, std::int64_t window);

/// A tile whose line buffers do not fit even at their smallest.
struct Overflow {
  struct Share {
    int port = 0;
    Bits bits{0};
  };

  int tile = 0;
  Bits needed{0};
  std::vector<Share> shares;  ///< largest first
};

/// What the buffer of every tile holds; kUnlimitedBuffer where it is unbounded.
std::vector<Bits> buffer_capacities(const arch::chip::Chip& chip);

inline constexpr Bits kUnlimitedBuffer{std::int64_t{1} << 60};

/// Tiles, in order, on which the smallest windows take more than their capacity.
std::vector<Overflow> find_overflows(const Program& program, const std::vector<Bits>& capacities);

/// Gives every port of a tile its smallest window and shares what is left in proportion, up to
/// `targets[edge]` slots. Ports elsewhere (I/O, memory, unbounded buffers) get an unlimited window.
/// Precondition: find_overflows() is empty.
void share_capacity(Program& program,
                    const std::vector<Bits>& capacities,
                    const std::vector<std::int64_t>& targets);

}  // namespace tessera::mapper
