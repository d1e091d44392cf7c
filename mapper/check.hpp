// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Is this Mapping legal? Asked of every mapper's answer and of every mapping file.
///
/// Legal: every matrix layer once and in order, widths of 1 to 16 bits, at most one replica per
/// output position; every replica's fragments placed exactly once, on PEs that exist, that nobody
/// else uses and that are of the layer's group of tiles; every layer for a vector unit on a tile
/// that exists. Under `serial` PEs are shared in time: one replica, no placement.
///
/// Errors   all at once: E-MAP-MISSING-LAYER, E-MAP-UNKNOWN-LAYER, E-MAP-DUPLICATE-LAYER,
/// E-MAP-ORDER,
///          E-MAP-BITS, E-MAP-REPLICAS, E-MAP-SERIAL-REPLICAS, E-MAP-LAYOUT, E-MAP-PLACEMENT (not
///          one list of runs per replica), E-MAP-FRAGMENTS (more or fewer PEs than fragments),
///          E-MAP-TILE, E-MAP-PE (outside its tile), E-MAP-OVERLAP (a PE used twice), E-MAP-GROUP
///          (no such group of tiles, or a tile of another one)
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/mapping_yaml.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "workloads/network.hpp"

namespace tessera::mapper {

/// Reports everything that makes `mapping` illegal; trusts no mapper.
void check(const Mapping& mapping,
           const Network& network,
           const arch::chip::Chip& chip,
           Granularity granularity,
           Diagnostics& diagnostics);

/// What an experiment's request comes to: the mapping of its file, or place() when there is none or
/// it places nothing. A layer of a file that names no group of tiles is of the group of its first
/// tile; when it is not placed, of the first that can hold it. Checked.
Mapping make_mapping(const Network& network,
                     const arch::chip::Chip& chip,
                     const MappingRequest& request,
                     Granularity granularity,
                     Diagnostics& diagnostics);

/// `mapping` on PEs that have got programs for other weights than it was made with: itself as long
/// as it is legal, else its widths, replicas and groups placed anew as `request` has it. Checked.
Mapping renew_mapping(const Mapping& mapping,
                      const Network& network,
                      const arch::chip::Chip& chip,
                      const MappingRequest& request,
                      Granularity granularity,
                      Diagnostics& diagnostics);

}  // namespace tessera::mapper
