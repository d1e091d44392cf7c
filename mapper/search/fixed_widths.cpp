// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/fixed_widths.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace tessera::mapper {

FixedWidths::FixedWidths(const Problem& problem, std::span<const int> choice, const Budget& given)
    : budget(given.pes),
      single{{choice.begin(), choice.end()}, std::vector<std::int64_t>(choice.size(), 1)},
      free(given.pes - pes_of(problem, choice)),
      limits(given) {
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

double FixedWidths::rate(const Problem& problem,
                         const Solution& solution,
                         Objective objective) const {
  const Evaluation evaluation = evaluate(problem, solution);
  return limits.has_limits() && !evaluation.fits(limits) ? std::numeric_limits<double>::infinity()
                                                         : evaluation.value(objective);
}

std::int64_t that_fit(std::int64_t wanted, std::int64_t pes, std::int64_t free) {
  return pes == 0 ? wanted : std::min(wanted, free / pes);
}

}  // namespace tessera::mapper
