// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the SystemC simulation of the RWTH accelerator (one crossbar, one operation after the
/// other) equal the published latency model t = X * 56 us + E * 1.4 us within one cycle per
/// operation, for every published policy? Enforced. Source: docs/facts.md, RWTH; policies in
/// data/rwth_policies.csv.
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace tessera::test {
namespace {

constexpr std::int64_t kWrite = 56'000;  // cycles of 1 GHz
constexpr std::int64_t kRead = 1'400;

struct Policy {
  std::string network;
  int cell_bits = 4;
  std::vector<int> w_bits, a_bits;
};

std::vector<int> numbers(const std::string& text) {
  std::istringstream in(text);
  std::vector<int> list;
  for (int v = 0; in >> v;) {
    list.push_back(v);
  }
  return list;
}

/// Rows come in pairs: weight bits, then activation bits.
std::vector<Policy> policies() {
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/validation/data/rwth_policies.csv");
  std::vector<Policy> list;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) {
      cells.push_back(cell);
    }
    if (line.starts_with('#') || cells.size() != 6 || cells[0] == "network") {
      continue;
    }
    if (cells[4] == "w") {
      list.push_back({cells[0], std::stoi(cells[3]), numbers(cells[5]), {}});
    } else {
      list.back().a_bits = numbers(cells[5]);
    }
  }
  return list;
}

struct Model {
  std::int64_t cycles = 0;
  std::int64_t operations = 0;
};

/// Section 3.2 of the facts, by hand: differential columns, slices side by side.
Model closed_form(const Network& network, const Policy& policy) {
  Model model;
  std::size_t i = 0;
  for (LayerId id = 0; id < static_cast<LayerId>(network.layers.size()); ++id) {
    if (!network.layer(id).is_matrix()) {
      continue;
    }
    const MatrixShape m = matrix_shape(network, id);
    const std::int64_t slices = (policy.w_bits[i] + policy.cell_bits - 1) / policy.cell_bits;
    const std::int64_t arrays = (2 * m.cols * slices + 255) / 256 * ((m.rows + 255) / 256);
    model.cycles += arrays * (kWrite + m.positions * policy.a_bits[i] * kRead);
    model.operations += arrays * (1 + m.positions);
    ++i;
  }
  return model;
}

std::int64_t simulated(const Policy& policy) {
  Diagnostics diagnostics;
  config::Node root = config::load(TESSERA_SOURCE_DIR "/configs/chips/rwth_rram.yaml", diagnostics);
  config::apply_set(root, fmt::format("chip.tile.pe.cell_bits={}", policy.cell_bits), diagnostics);
  diagnostics.throw_if_any();
  CaseSpec spec;
  spec.network = zoo(policy.network);
  spec.chip = config::dump(root.get("chip"));
  spec.granularity = Granularity::serial;
  for (std::size_t i = 0; i < policy.w_bits.size(); ++i) {
    spec.layers.push_back({policy.w_bits[i], policy.a_bits[i], 1});
  }
  const Case c = make_case(spec);
  return std::stoll(in_child([&] {
    const RunStats stats = simulate(c, {});
    return fmt::format("{}", (stats.image_out[0] - stats.image_in[0]).value);
  }));
}

TEST(RwthSimulation, EqualsTheLatencyModelForEveryPolicy) {
  const std::vector<Policy> all = policies();
  ASSERT_EQ(all.size(), 6U);
  for (const Policy& policy : all) {
    const Model model = closed_form(zoo(policy.network), policy);
    const std::int64_t cycles = simulated(policy);
    EXPECT_GE(cycles, model.cycles) << policy.network;
    EXPECT_LE(cycles, model.cycles + model.operations) << policy.network;
    RecordProperty(fmt::format("{}_{}", policy.network, policy.cell_bits),
                   fmt::format("{} vs {}", cycles, model.cycles));
  }
}

TEST(RwthSimulation, Uniform8BitResNet18) {
  Policy policy{"resnet18", 4, std::vector<int>(21, 8), std::vector<int>(21, 8)};
  const Model model = closed_form(zoo("resnet18"), policy);
  EXPECT_NEAR(static_cast<double>(model.cycles) * 1e-6, 1507.5, 0.1);
  const std::int64_t cycles = simulated(policy);
  EXPECT_GE(cycles, model.cycles);
  EXPECT_LE(cycles, model.cycles + model.operations);
}

}  // namespace
}  // namespace tessera::test
