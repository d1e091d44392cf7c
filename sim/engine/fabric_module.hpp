// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The interconnect as one SystemC module. It runs in the fabric's phase and, in one activation,
/// simulates every cycle up to the next one in which an endpoint can do anything: nobody can inject
/// before that.
#pragma once

#include "sim/engine/state.hpp"

#include <systemc>
#include <vector>

namespace tessera::engine {

class FabricModule : public sc_core::sc_module {
 public:
  SC_HAS_PROCESS(FabricModule);
  FabricModule(const sc_core::sc_module_name& name, State& state);

  /// Something was injected in cycle `at`.
  void poke(std::int64_t at);
  void trace_signals(sc_core::sc_trace_file* file) const;

 private:
  void activate() {
    guarded(state_, [this] { run(); });
  }

  void run();

  State& state_;
  sc_core::sc_event wake_;
  std::int64_t wake_at_ = INT64_MAX;
  std::int64_t simulated_ = 0;  ///< last cycle that is done
  bool was_idle_ = true;
  std::vector<Delivery> deliveries_;
  unsigned delivered_ = 0;
};

/// A MessageId names the source endpoint and a slot there; every endpoint has as many slots as 32
/// bits allow.
struct MessageName {
  EndpointId endpoint;
  std::uint32_t slot;
};

/// Message slots of an endpoint, as a power of two.
int slot_bits(int endpoints);
MessageId message_id(MessageName name, int endpoints);
MessageName message_name(MessageId id, int endpoints);

}  // namespace tessera::engine
