// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a simulation tells an observer: rows of work and waits, and arrows between them. The engine
/// holds a pointer to a sink; when it is null the cost is one branch.
///
/// One row, one kind of thing. On every row, spans follow each other without overlap; the row's
/// work and waits tile it from cycle 0 to the end of the run (waits of reason `none` fill what
/// nobody asked for).
#pragma once

#include "sim/base/units.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tessera {

/// Why something that could have worked did not.
enum class Wait {
  input,     ///< operands not there yet
  resource,  ///< PE resource or vector unit taken, or results not yet taken away
  bus,       ///< tile bus taken, or the transfer itself
  link,      ///< operands late: lost arbitration or queued behind other packets in the fabric
  credit,    ///< operands late: no credit downstream in the fabric
  buffer,    ///< a consumer's line buffer is full
  memory,    ///< operands come from off-chip memory
  none,      ///< nothing to do (before the first, after the last firing)
};

inline constexpr std::size_t kWaits = 8;

constexpr auto enum_names(Wait) {
  return std::array<std::pair<Wait, std::string_view>, kWaits>{{
      {Wait::input, "input"},
      {Wait::resource, "resource"},
      {Wait::bus, "bus"},
      {Wait::link, "link"},
      {Wait::credit, "credit"},
      {Wait::buffer, "buffer"},
      {Wait::memory, "memory"},
      {Wait::none, "none"},
  }};
}

using TrackId = std::int32_t;

/// What a row shows; also the group it is listed under in a viewer.
enum class TrackKind { layer, pe_group, resource, bus, vector_unit, link };

class TraceSink {
 public:
  virtual ~TraceSink() = default;

  /// Declares a row. `path` is the SystemC object name = YAML path = statistics key.
  virtual TrackId track(TrackKind kind, const std::string& path) = 0;
  /// Work in [start, end). `what` names it (a layer, an op); `index` is the firing or position, -1
  /// when meaningless; `doing` says what of it, on a row that does several things.
  virtual void work(TrackId track,
                    Cycles start,
                    Cycles end,
                    std::string_view what,
                    std::int64_t index,
                    std::string_view doing) = 0;

  void work(TrackId track, Cycles start, Cycles end, std::string_view what, std::int64_t index) {
    work(track, start, end, what, index, {});
  }

  /// A wait in [start, end).
  virtual void wait(TrackId track, Cycles start, Cycles end, Wait reason) = 0;
  /// An arrow from producer to consumer; both instants lie in a work span of their row.
  virtual void flow(TrackId from, Cycles sent, TrackId to, Cycles used) = 0;
  /// The run is over at `end`; every row has been tiled up to there.
  virtual void finish(Cycles end) = 0;
};

}  // namespace tessera
