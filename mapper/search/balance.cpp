// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// With a scale f of the work, a layer has max(1, floor(f x work)) copies: f grows from copy to
/// copy, in the order of (copies + 1) / work.
#include "mapper/search/baselines.hpp"
#include "mapper/search/fixed_widths.hpp"

#include <cstddef>
#include <queue>
#include <utility>

namespace tessera::mapper {

Solution balance(const Problem& problem, std::span<const int> choice, const Budget& budget) {
  FixedWidths fixed(problem, choice, budget);
  Solution out = fixed.single;
  using Next = std::pair<double, std::size_t>;  // the f of a layer's next copy, and the layer
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  const auto push = [&](std::size_t l) {
    if (fixed.layers[l].work > 0 && out.replicas[l] < problem.layers[l].max_replicas) {
      next.emplace(static_cast<double>(out.replicas[l] + 1) / fixed.layers[l].work, l);
    }
  };
  for (std::size_t l = 0; l < fixed.layers.size(); ++l) {
    push(l);
  }
  while (!next.empty() && fixed.layers[next.top().second].pes <= fixed.free) {
    const std::size_t l = next.top().second;
    next.pop();
    ++out.replicas[l];
    if (budget.has_limits() && !evaluate(problem, out).fits(budget)) {
      --out.replicas[l];
      break;
    }
    fixed.free -= fixed.layers[l].pes;
    push(l);
  }
  return out;
}

}  // namespace tessera::mapper
