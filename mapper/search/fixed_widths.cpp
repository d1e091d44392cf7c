// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/fixed_widths.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace tessera::mapper {

FixedWidths::FixedWidths(const Problem& problem, std::span<const int> choice, const Budget& limits)
    : budget(limits.pes),
      single{{choice.begin(), choice.end()}, std::vector<std::int64_t>(choice.size(), 1)},
      free(limits.pes - pes_of(problem, choice)) {
  if (free < 0) {
    throw InternalError(
        "mapper/search", -1, fmt::format("widths need {} PEs of {}", budget - free, budget));
  }
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    const Choice& widths = layer.choices[static_cast<std::size_t>(choice[l])];
    layers.push_back({widths.per_position * static_cast<double>(layer.positions),
                      widths.pes,
                      1 + that_fit(layer.max_replicas - 1, widths.pes, free)});
  }
}

std::int64_t that_fit(std::int64_t wanted, std::int64_t pes, std::int64_t free) {
  return pes == 0 ? wanted : std::min(wanted, free / pes);
}

}  // namespace tessera::mapper
