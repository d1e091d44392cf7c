// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A list of Steps turned into the numbers that issue a firing in O(resources), see model.hpp for
/// the rule.
#pragma once

#include "sim/api/model.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

struct Schedule {
  /// One occupation pattern: pass i starts at issue + offset + i * interval.
  struct Play {
    int on = 0;
    Cycles offset{0};
    Cycles occupancy{0};
    Cycles interval{0};
    std::int64_t repeat = 1;
    int loop = 0;  ///< which loop of the chain
    int use = -1;  ///< of the Step, as the next
    std::int64_t index = -1;
  };

  /// Reservation of one resource by one firing, relative to its issue.
  struct Hold {
    int on = 0;
    Cycles first{0};  ///< start of the first occupation
    Cycles end{0};    ///< end of the last occupation
  };

  std::vector<Play> plays;
  std::vector<Hold> holds;
  Cycles latency{0};   ///< issue to result
  Cycles interval{0};  ///< issue to the next issue of the same firing
  ActionCounts did{};  ///< of the whole firing
  std::int64_t occupations = 0;
  double most_cell_writes = 0;  ///< Model::most_cell_writes
};

/// Throws InternalError when a loop uses a resource twice.
Schedule make_schedule(std::span<const Step> steps);

/// Several PEs that start together and are free when all are: resources held from the first start
/// to the last end, the longest latency and interval, all actions. Without plays.
Schedule together(std::span<const Schedule> all);

}  // namespace tessera
