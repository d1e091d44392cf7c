// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A chip ready to be mapped on and simulated: its specification, its clock, and the model of its
/// PEs.
#pragma once

#include "arch/chip/spec.hpp"
#include "sim/api/fabric.hpp"
#include "sim/api/model.hpp"

#include <memory>

namespace tessera::arch::chip {

struct Chip {
  ChipSpec spec;
  Clock clock;
  std::unique_ptr<Model> pe;

  [[nodiscard]] std::int64_t pes() const { return spec.tiles * spec.tile.pes; }

  /// Endpoints of the fabric: tiles, then I/O ports, then the memory port if there is one.
  [[nodiscard]] EndpointId io_endpoint() const { return static_cast<EndpointId>(spec.tiles); }

  [[nodiscard]] EndpointId memory_endpoint() const {
    return spec.memory.present ? static_cast<EndpointId>(spec.tiles + spec.io.ports) : -1;
  }
};

/// Reads a `chip:` node. Problems are diagnostics; the result is usable only when there are none.
Chip make_chip(const config::Node& node, Diagnostics& diagnostics);

/// What the chip's interconnect connects: I/O ports sit at the routers of the first column (at the
/// root of a tree), memory at the last router.
fabric::FabricLayout fabric_layout(const ChipSpec& spec);

/// The chip's interconnect, fresh and idle. `recorder`, if any, must outlive it.
std::unique_ptr<Fabric> make_fabric(const Chip& chip, fabric::LinkRecorder* recorder = nullptr);

}  // namespace tessera::arch::chip
