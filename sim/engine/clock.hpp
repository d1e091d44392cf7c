// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The only place where cycles become sc_time. Within a cycle there are three phases, so that what
/// one kind of module does in a cycle can only be seen by the next kind, whatever order the kernel
/// runs them in:
///
///   phase 0    endpoints (tiles, I/O, memory)
///   phase 1/4  PE resources (step mode)
///   phase 1/2  the fabric
///
/// One cycle is 4 ticks of the kernel's time resolution; waveforms show nominal, not wall,
/// nanoseconds.
#pragma once

#include "sim/base/units.hpp"

#include <systemc>

namespace tessera::engine {

enum class Phase : std::uint8_t { endpoint = 0, resource = 1, fabric = 2 };

inline constexpr std::int64_t kTicksPerCycle = 4;

inline std::int64_t ticks_of(Cycles at, Phase phase) {
  return at.value * kTicksPerCycle + static_cast<std::int64_t>(phase);
}

inline std::int64_t now_ticks() {
  return static_cast<std::int64_t>(sc_core::sc_time_stamp().value());
}

/// The cycle that is being simulated.
inline Cycles now_cycle() {
  return Cycles(now_ticks() / kTicksPerCycle);
}

/// Notifies `event` at the given cycle and phase, which must not be in the past.
inline void notify_at(sc_core::sc_event& event, Cycles at, Phase phase) {
  const std::int64_t delta = ticks_of(at, phase) - now_ticks();
  if (delta == 0) {
    event.notify(sc_core::SC_ZERO_TIME);
  } else {
    event.notify(sc_core::sc_time::from_value(static_cast<sc_dt::uint64>(delta)));
  }
}

/// First endpoint cycle at or after the kernel's next pending activity; INT64_MAX when there is
/// none.
inline std::int64_t next_pending_cycle() {
  const sc_core::sc_time wait =
      sc_core::sc_time_to_pending_activity(sc_core::sc_get_curr_simcontext());
  if (wait == sc_core::sc_max_time() - sc_core::sc_time_stamp() || wait == sc_core::sc_max_time()) {
    return INT64_MAX;
  }
  const std::int64_t at = now_ticks() + static_cast<std::int64_t>(wait.value());
  return (at + kTicksPerCycle - 1) / kTicksPerCycle;
}

}  // namespace tessera::engine
