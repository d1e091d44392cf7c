// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/fabric_module.hpp"

#include "sim/base/math.hpp"
#include "sim/engine/clock.hpp"
#include "sim/engine/endpoint.hpp"

namespace tessera::engine {

int slot_bits(int endpoints) { return 32 - ceil_log2(static_cast<std::uint64_t>(endpoints)); }

FabricModule::FabricModule(const sc_core::sc_module_name& name, State& state) : sc_module(name), state_(state) {
  SC_METHOD(activate);
  sensitive << wake_;
  dont_initialize();
}

void FabricModule::poke(std::int64_t at) {
  if (at < wake_at_) {
    wake_at_ = at;
    notify_at(wake_, Cycles(at), Phase::fabric);
  }
}

void FabricModule::trace_signals(sc_core::sc_trace_file* file) { sc_core::sc_trace(file, delivered_, "chip.fabric.delivered"); }

void FabricModule::run() {
  wake_at_ = INT64_MAX;
  const std::int64_t now = now_cycle().value;
  const int bits = slot_bits(static_cast<int>(state_.endpoints.size()));
  Fabric& fabric = *state_.fabric;
  if (was_idle_) {
    simulated_ = std::max(simulated_, now);  // what was injected in cycle c is seen in c + 1
    was_idle_ = false;
  }
  while (!fabric.idle()) {
    const std::int64_t next = next_pending_cycle();
    const std::int64_t last = std::min(next - 1, state_.options.max_cycles);
    if (simulated_ >= last) {
      if (next <= state_.options.max_cycles) {
        poke(next);
      }
      return;
    }
    deliveries_.clear();
    simulated_ = fabric.advance(Cycles(simulated_ + 1), Cycles(last), deliveries_).value;
    for (const Delivery& delivery : deliveries_) {
      const auto from = static_cast<std::size_t>(bits == 32 ? 0 : delivery.id >> bits);
      const std::uint32_t slot = bits == 32 ? delivery.id : delivery.id & ((1U << bits) - 1);
      Message& message = state_.endpoints[from]->message(slot);
      state_.endpoints[static_cast<std::size_t>(delivery.to)]->deliver(delivery, message);
      if (--message.deliveries_left == 0) {
        state_.endpoints[from]->release_message(slot);
      }
      ++delivered_;
    }
  }
  was_idle_ = true;
}

}  // namespace tessera::engine
