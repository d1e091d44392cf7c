// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The three simulators behind make_fabric(). Specs are already checked.
#pragma once

#include "arch/fabric/spec.hpp"

#include <memory>

namespace tessera::arch::fabric {

/// Routers with virtual channels: mesh, torus, cmesh, tree.
std::unique_ptr<Fabric> make_network(const FabricSpec& spec,
                                     const FabricLayout& layout,
                                     LinkRecorder* recorder);

/// One medium shared by all endpoints.
std::unique_ptr<Fabric> make_bus(const FabricSpec& spec,
                                 const FabricLayout& layout,
                                 LinkRecorder* recorder);

/// Latency and injection bandwidth, no contention.
std::unique_ptr<Fabric> make_ideal(const FabricSpec& spec,
                                   const FabricLayout& layout,
                                   LinkRecorder* recorder);

}  // namespace tessera::arch::fabric
