// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From a network and a chip to a Problem: what every matrix layer costs at every pair of widths,
/// worked out once, so that a search looks up numbers.
///
/// CostModel   time of one image in a layer with r replicas, V output positions
///   array     V * PE interval / r         LRMP, T_tile alone; only columns in use are converted
///   sum       V * (input + array + output + vector) / r         LRMP, one term after the other
///   max       V * max(input, array, output, vector) / r         LRMP, terms overlap
///   pipeline  latency + (ceil(V / r) - 1) * interval            as mapper/analytical.hpp
///   serial    the layer's part of the serial sum; r = 1         RWTH
/// Every replica is taken to stand on tiles of its own; layers of the vector units are a constant
/// (array: none). Widths that PEs cannot hold are left out; positions are the blocks
/// (Layout::block) of the first ones that they can.
///
/// Energy   dynamic energy of one image at the chip's prices: PEs exactly by Model::fire_cost; bus,
///          buffer and vector unit by the bits and operations of the closed form; no fabric. Static
///          power is that of the whole chip.
/// Limits   Choice::uses of a replica on tiles of its own. Buffer: the smallest line buffers of its
///          operands (line_buffers.hpp) at the layer's own widths, the image under granularity
///          layer, a copy on each of its tiles; not what a shortcut has to hold because the path
///          beside it lags. Vector unit: lane operations of a position (accumulations, combination,
///          the layer's end) per cycle of the position's time in the cost model. Layers that run in
///          vector units are not counted; nor is anything under serial
/// Errors   diagnostics, exit status 4: E-MAP-LAYOUT when a layer fits the PEs with no allowed
///          widths, E-MAP-CAPACITY when no widths make it fit the chip. A chip with tiles of
///          several sorts is an InternalError: a Problem counts PEs of one sort
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/problem.hpp"
#include "sim/api/program.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tessera::mapper {

enum class CostModel { array, sum, max, pipeline, serial };

constexpr auto enum_names(CostModel) {
  return std::array<std::pair<CostModel, std::string_view>, 5>{{
      {CostModel::array, "array"},
      {CostModel::sum, "sum"},
      {CostModel::max, "max"},
      {CostModel::pipeline, "pipeline"},
      {CostModel::serial, "serial"},
  }};
}

/// Widths that a search may choose from.
struct WidthRules {
  int w_min = 2;
  int w_max = 8;
  int a_min = 2;
  int a_max = 8;
  int w_step = 1;
  std::optional<int> first_last = std::nullopt;

  static constexpr auto fields() {
    using config::field;
    return config::list<WidthRules>(
        field("w_min", &WidthRules::w_min).range(1, 16).doc("fewest bits of a weight"),
        field("w_max", &WidthRules::w_max).range(1, 16).doc("most bits of a weight"),
        field("a_min", &WidthRules::a_min).range(1, 16).doc("fewest bits of an activation"),
        field("a_max", &WidthRules::a_max).range(1, 16).doc("most bits of an activation"),
        field("w_step", &WidthRules::w_step)
            .range(1, 16)
            .doc("weights only in multiples of so many bits; the bits of a cell, for instance")
            .source("CIM-AQ, consider_cell_resolution"),
        field("first_last", &WidthRules::first_last)
            .range(1, 16)
            .doc("both widths of the first and of the last matrix layer; free when left out")
            .source("HAQ and CIM-AQ: 8"));
  }
};

/// What the closed form says by itself: pipeline, or serial where one operation follows another.
CostModel natural_cost_model(Granularity granularity);

/// The Problem without losses (Choice::loss is 0). `cost_model` serial goes with granularity serial
/// and with no other.
Problem make_problem(const Network& network,
                     const arch::chip::Chip& chip,
                     Granularity granularity,
                     CostModel cost_model,
                     const WidthRules& rules,
                     Diagnostics& diagnostics);

/// What all tiles of the chip have of it; infinity where the chip does not bound it.
double capacity_of(const arch::chip::Chip& chip, Limit limit);

/// The table as CSV, one row per layer, weight width and activation width: layer, w_bits, a_bits,
/// cycles of one image on one replica, seconds, joules, pes.
std::string cost_table_csv(const Problem& problem, const Clock& clock);

}  // namespace tessera::mapper
