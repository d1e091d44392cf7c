// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/place.hpp"

#include "mapper/line_buffers.hpp"
#include "mapper/lower.hpp"

#include <algorithm>
#include <vector>

namespace tessera::mapper {

Mapping place(const Network& network,
              const arch::chip::Chip& chip,
              const MappingRequest& request,
              Granularity granularity,
              Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.errors().size();
  Mapping dense = first_fit(network, chip, request, granularity, diagnostics);
  const bool unbounded =
      std::all_of(chip.groups.begin(), chip.groups.end(), [](const arch::chip::TileGroup& group) {
        return group.tile.buffer.unbounded;
      });
  // Under `layer`, what does not fit goes through memory; under `serial`, everything is there.
  if (granularity != Granularity::pixel || unbounded ||
      diagnostics.errors().size() != errors_before) {
    return dense;
  }
  LowerOptions options;
  options.granularity = granularity;
  options.ignore_capacity = true;
  const Program program = lower(network, dense, chip, options, diagnostics);
  if (diagnostics.errors().size() != errors_before ||
      find_overflows(program, buffer_capacities(chip)).empty()) {
    return dense;
  }
  std::vector<Bits> needs(network.layers.size(), Bits(0));
  for (const ProgramStage& stage : program.stages) {
    if (stage.layer < 0) {
      continue;
    }
    for (const int edge : stage.in_edges) {
      const ProgramEdge& e = program.edges[static_cast<std::size_t>(edge)];
      needs[static_cast<std::size_t>(stage.layer)] += e.min_window * e.bits;
    }
  }
  return first_fit(network, chip, request, granularity, diagnostics, needs);
}

}  // namespace tessera::mapper
