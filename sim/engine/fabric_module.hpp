// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The interconnect as one SystemC module. It runs in the fabric's phase and, in one activation, simulates every cycle up
/// to the next one in which an endpoint can do anything: nobody can inject before that.
#pragma once

#include <systemc>
#include <vector>

#include "sim/engine/state.hpp"

namespace tessera::engine {

class FabricModule : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(FabricModule);
  FabricModule(const sc_core::sc_module_name& name, State& state);

  /// Something was injected in cycle `at`.
  void poke(std::int64_t at);
  void trace_signals(sc_core::sc_trace_file* file);

 private:
  void activate() { guarded(state_, [this] { run(); }); }

  void run();

  State& state_;
  sc_core::sc_event wake_;
  std::int64_t wake_at_ = INT64_MAX;
  std::int64_t simulated_ = 0;  ///< last cycle that is done
  bool was_idle_ = true;
  std::vector<Delivery> deliveries_;
  unsigned delivered_ = 0;
};

/// Splits a MessageId into the source endpoint and its slot there.
struct MessageName {
  EndpointId endpoint;
  std::uint32_t slot;
};

/// Message slots per endpoint: as many as 32 bits allow.
int slot_bits(int endpoints);

}  // namespace tessera::engine
