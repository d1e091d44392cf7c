// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Mapper problems from LRMP's tile-read model alone: no chip, no other term of time.
///
///   cycles of a position = a_bits * ceil(min(R, 256) / 9)
///   tiles of a replica   = ceil(R / 256) * ceil(C / 256) * w_bits
///
/// Source   LRMP (reconstruction, docs/facts.md): nine rows per read, one bit per cell and input
#pragma once

#include "mapper/problem.hpp"
#include "sim/base/math.hpp"
#include "workloads/zoo.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::test {

/// Every layer with all pairs of these widths; the budget of PEs is what 8 bit takes.
inline mapper::Problem tile_read_problem(const std::string& name, const std::vector<int>& widths) {
  const Network network = zoo(name);
  mapper::Problem problem;
  problem.network = name;
  problem.chip = "tile reads";
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape shape = matrix_shape(network, id);
    const std::int64_t arrays =
        ceil_div<std::int64_t>(shape.rows, 256) * ceil_div<std::int64_t>(shape.cols, 256);
    const auto reads =
        static_cast<double>(ceil_div<std::int64_t>(std::min<std::int64_t>(shape.rows, 256), 9));
    mapper::ProblemLayer layer;
    layer.layer = id;
    layer.name = network.layer(id).name;
    layer.positions = shape.positions;
    layer.max_replicas = 100000;  // the model divides time by any number of replicas
    for (const int w_bits : widths) {
      for (const int a_bits : widths) {
        mapper::Choice choice;
        choice.w_bits = w_bits;
        choice.a_bits = a_bits;
        choice.pes = arrays * w_bits;
        choice.per_position = a_bits * reads;
        layer.choices.push_back(choice);
      }
    }
    problem.layers.push_back(layer);
    problem.pes += arrays * 8;
  }
  return problem;
}

/// A loss table without a source, for searches that need some: it falls by 4 per bit, as
/// quantization noise does, and is larger for layers with few rows and early in the network.
inline void add_synthetic_loss(mapper::Problem& problem) {
  const auto layers = static_cast<double>(problem.layers.size());
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const double share = (1.5 - static_cast<double>(l) / layers) / layers;
    for (mapper::Choice& choice : problem.layers[l].choices) {
      const auto noise = [](int bits) { return 1.0 / static_cast<double>(1LL << (2 * bits)); };
      const double sum = noise(choice.w_bits) * (1 + 0.3 * static_cast<double>(l % 3)) +
                         noise(choice.a_bits) * (1 + 0.2 * static_cast<double>(l % 5));
      choice.loss = 4096 * share * sum;
    }
  }
}

}  // namespace tessera::test
