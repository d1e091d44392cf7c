// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a Solution back to the network and the chip: the mapping it stands for, and what the whole
/// closed form (mapper/analytical.hpp) says of it, with tiles shared and images pipelined.
///
/// Errors   placing reports into Diagnostics, as place() does
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/analytical.hpp"
#include "mapper/mapping_yaml.hpp"
#include "mapper/problem.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"
#include "workloads/quantize.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace tessera::mapper {

/// Widths of every matrix layer, in network order.
std::vector<LayerBits> bits_of(const Problem& problem, const std::vector<int>& choice);

MappingRequest request_of(const Problem& problem, const Solution& solution);

/// Keeps references to network and chip. Not for several threads at once.
class ClosedForm {
 public:
  ClosedForm(const Network& network, const arch::chip::Chip& chip, Granularity granularity);

  /// The network with the solution's widths; valid until the next call with other widths.
  const Network& network(const Problem& problem, const std::vector<int>& choice);

  /// Fragments densely in network order, whatever the tiles' buffers hold: quick, for searches.
  /// Nothing when the chip has too few PEs.
  std::optional<Analysis> analyze(const Problem& problem, const Solution& solution);
  /// As placed.
  Analysis analyze(const Problem& problem, const Solution& solution, const Mapping& mapping);

 private:
  const Network& unquantized_;
  const arch::chip::Chip& chip_;
  Granularity granularity_;
  std::vector<LayerBits> bits_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Analyzer> analyzer_;
};

/// The objective's value of an analysis, in cycles (latency, throughput), or cycles times
/// joules (edp) and joules (energy) with the energy of the cost table.
double value_of(const Analysis& analysis, const Evaluation& evaluation, Objective objective);

}  // namespace tessera::mapper
