// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Synthetic problems for tests and benchmarks of the search: time as LRMP's tile reads, loss
/// falling by a factor of four per bit.
#pragma once

#include "mapper/accuracy/source.hpp"
#include "mapper/problem.hpp"
#include "sim/base/math.hpp"
#include "workloads/network.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::mapper::rl {

/// Widths from `widths`, weights and activations alike.
inline ProblemLayer toy_layer(const std::string& name,
                              std::int64_t positions,
                              std::int64_t blocks,
                              double sensitivity,
                              const std::vector<int>& widths) {
  ProblemLayer layer;
  layer.name = name;
  layer.positions = positions;
  layer.max_replicas = positions;
  for (const int w_bits : widths) {
    for (const int a_bits : widths) {
      Choice choice;
      choice.w_bits = w_bits;
      choice.a_bits = a_bits;
      choice.pes = blocks * w_bits;
      choice.per_position = a_bits;
      choice.energy = static_cast<double>(blocks * positions * w_bits * a_bits);
      choice.loss = sensitivity * (std::pow(4.0, -w_bits) + std::pow(4.0, -a_bits));
      layer.choices.push_back(choice);
    }
  }
  return layer;
}

/// Four layers of different size and sensitivity, 2, 4, 6 and 8 bit.
inline Problem toy_problem() {
  Problem problem;
  problem.network = "toy";
  problem.chip = "toy";
  problem.pes = 400;
  const std::vector<int> widths = {2, 4, 6, 8};
  problem.layers = {toy_layer("first", 64, 2, 4, widths),
                    toy_layer("wide", 32, 8, 1, widths),
                    toy_layer("deep", 16, 12, 8, widths),
                    toy_layer("last", 1, 4, 2, widths)};
  return problem;
}

/// The matrix layers of a network at 2 to 8 bit on 256 x 256 crossbars of one-bit cells.
inline Problem problem_of(const Network& network) {
  Problem problem;
  problem.network = network.name;
  problem.chip = "toy";
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape shape = matrix_shape(network, id);
    const std::int64_t blocks = ceil_div(shape.rows, std::int64_t{256}) *
                                ceil_div(shape.cols, std::int64_t{256}) * shape.groups;
    problem.layers.push_back(toy_layer(network.layer(id).name,
                                       shape.positions,
                                       blocks,
                                       static_cast<double>(shape.rows),
                                       {2, 3, 4, 5, 6, 7, 8}));
    problem.pes += blocks * 8;
  }
  return problem;
}

/// The sum of the losses in the problem's own table.
class TableSource : public AccuracySource {
 public:
  explicit TableSource(const Problem& problem) : problem_(problem) {}

  [[nodiscard]] std::string name() const override { return "table"; }

  [[nodiscard]] std::string unit() const override { return "toys"; }

  double loss(std::span<const LayerBits> bits) override {
    double sum = 0;
    for (std::size_t l = 0; l < bits.size(); ++l) {
      const ProblemLayer& layer = problem_.layers[l];
      const int choice = layer.find(bits[l].w_bits, bits[l].a_bits);
      sum += layer.choices.at(static_cast<std::size_t>(choice)).loss;
    }
    return sum;
  }

 private:
  const Problem& problem_;
};

/// Rows of features that tell the layers apart.
inline std::vector<std::array<double, 10>> toy_features(const Problem& problem) {
  std::vector<std::array<double, 10>> out;
  const auto most = static_cast<double>(problem.layers.size());
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    std::array<double, 10> row{};
    row[6] = static_cast<double>(problem.layers[l].positions) / 64;
    row[7] = static_cast<double>(l) / most;
    row[8] = row[9] = 1;
    out.push_back(row);
  }
  return out;
}

}  // namespace tessera::mapper::rl
