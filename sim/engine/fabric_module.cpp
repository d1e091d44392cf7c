// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/fabric_module.hpp"

#include "sim/base/math.hpp"
#include "sim/engine/clock.hpp"
#include "sim/engine/endpoint.hpp"

namespace tessera::engine {

int slot_bits(int endpoints) {
  return 32 - ceil_log2(static_cast<std::uint64_t>(endpoints));
}

MessageId message_id(MessageName name, int endpoints) {
  return static_cast<MessageId>(
      (std::uint64_t{static_cast<std::uint32_t>(name.endpoint)} << slot_bits(endpoints)) |
      name.slot);
}

MessageName message_name(MessageId id, int endpoints) {
  const int bits = slot_bits(endpoints);
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  return {static_cast<EndpointId>(std::uint64_t{id} >> bits),
          static_cast<std::uint32_t>(id & mask)};
}

FabricModule::FabricModule(const sc_core::sc_module_name& name, State& state)
    : sc_module(name), state_(state) {
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

void FabricModule::trace_signals(sc_core::sc_trace_file* file) const {
  sc_core::sc_trace(file, delivered_, "chip.fabric.delivered");
}

void FabricModule::run() {
  wake_at_ = INT64_MAX;
  const std::int64_t now = now_cycle().value;
  const int endpoints = static_cast<int>(state_.endpoints.size());
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
      const MessageName name = message_name(delivery.id, endpoints);
      EndpointModule& from = *state_.endpoints[static_cast<std::size_t>(name.endpoint)];
      Message& message = from.message(name.slot);
      state_.endpoints[static_cast<std::size_t>(delivery.to)]->deliver(delivery, message);
      if (--message.deliveries_left == 0) {
        from.release_message(name.slot);
      }
      ++delivered_;
    }
  }
  was_idle_ = true;
}

}  // namespace tessera::engine
