// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which tile each part of a mapping should be on, so that messages have short ways and no link is
/// everybody's.
///
/// On a chip with tiles of several sorts, parts and tiles change places within a sort only.
///
/// Minimised is  flit_hops + busiest_weight * flits of the busiest shared link  per image; bits and
/// replicas stay as they are. `ordered` and `annealing` never return a placement that the closed
/// form (mapper/analytical.hpp) calls more than 0.1 % slower than first fit, in latency or
/// interval, and never one that costs more than it. `random` is what they are compared with.
///
/// Errors   none of its own: those of place(); a mapping that lower() refuses comes back unchanged
/// Source   annealing: S. Kirkpatrick, C. Gelatt, M. Vecchi, Science 220 (1983); moves of the
///          quadratic assignment problem: R. Burkard, F. Rendl, EJOR 17 (1984)
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/mapping_yaml.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace tessera::mapper {

/// A chip with more tiles is left as first fit leaves it: ways between all of them would fill the
/// memory.
inline constexpr std::int64_t kMostTiles = 4096;

struct PlacementOptions {
  PlacementMethod method = PlacementMethod::annealing;
  std::uint64_t seed = 1;
  std::int64_t moves = 400'000;  ///< that annealing tries
  double busiest_weight = 4;     ///< flit-hops that one flit less on the busiest link is worth
};

/// Of one image.
struct PlacementReport {
  std::int64_t first_fit_flit_hops = 0;
  std::int64_t first_fit_busiest_flits = 0;
  std::int64_t flit_hops = 0;
  std::int64_t busiest_flits = 0;  ///< of the links that several endpoints share
  std::string busiest_link;        ///< as in Fabric::link_use(); empty when there is none
  std::int64_t bound = 0;          ///< on flit_hops, however the tiles' contents change places
  std::int64_t bound_any = 0;      ///< on flit_hops, however the parts are distributed
  std::int64_t moves = 0;          ///< tried, legal or not
  std::int64_t accepted = 0;       ///< of those
  double seconds = 0;

  /// Of flit_hops over `bound`, relative to flit_hops; 0 when it is proven best.
  [[nodiscard]] double gap() const {
    return flit_hops == 0 ? 0
                          : static_cast<double>(flit_hops - bound) / static_cast<double>(flit_hops);
  }
};

/// Places `start`, a checked mapping, anew. Deterministic. Under `serial` nothing is placed and
/// `start` comes back. `report` may be null; bounds are only worked out for a report.
Mapping optimise_placement(const Network& network,
                           const arch::chip::Chip& chip,
                           const Mapping& start,
                           Granularity granularity,
                           const PlacementOptions& options,
                           PlacementReport* report = nullptr);

/// The same from place(network, chip, request). Usable only when `diagnostics` is still without
/// errors.
Mapping optimise_placement(const Network& network,
                           const arch::chip::Chip& chip,
                           const MappingRequest& request,
                           Granularity granularity,
                           const PlacementOptions& options,
                           Diagnostics& diagnostics,
                           PlacementReport* report = nullptr);

}  // namespace tessera::mapper
