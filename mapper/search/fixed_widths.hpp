// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A problem at given widths: what a heuristic for replicas looks at.
///
/// Shapes   one entry per layer
/// Errors   one replica of every layer beyond the budget's PEs is an InternalError
#pragma once

#include "mapper/problem.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper {

struct FixedLayer {
  double work = 0;        ///< cycles of one image on one replica
  std::int64_t pes = 0;   ///< of one replica
  std::int64_t most = 1;  ///< replicas when all others have one
};

struct FixedWidths {
  FixedWidths(const Problem& problem, std::span<const int> choice, const Budget& given);

  std::vector<FixedLayer> layers;
  std::int64_t budget = 0;  ///< PEs
  Solution single;          ///< one replica of every layer
  std::int64_t free = 0;    ///< PEs that `single` leaves
  Budget limits;

  /// What a heuristic minimises; infinity for what exceeds the budget's limits.
  [[nodiscard]] double rate(const Problem& problem,
                            const Solution& solution,
                            Objective objective) const;
};

/// At most `wanted` replicas of `pes` PEs out of `free` ones.
std::int64_t that_fit(std::int64_t wanted, std::int64_t pes, std::int64_t free);

}  // namespace tessera::mapper
