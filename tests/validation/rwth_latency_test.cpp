// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the closed form on the RWTH chip give the published latency model, and first fit LRMP's PE
/// counts? V5, enforced.
///
/// Source    Pelke et al., DATE 2026 (cim-aq, MIT): latency model, policies
/// (data/rwth_policies.csv) and
///           the times they evaluate to; LRMP (Frontiers in AI 7, 2024): 5688 arrays for ResNet-101
///           at 8 bit, the other counts follow from the same formula; docs/facts.md
/// Tolerance 0.1 ms and 0.001x: the digits of the published table
#include "mapper/analytical.hpp"
#include "mapper/check.hpp"
#include "mapper/first_fit.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::mapper {
namespace {

using Bits2 = std::vector<std::pair<int, int>>;  ///< weight and activation bits per matrix layer

arch::chip::Chip load_chip(const std::string& file, const std::vector<std::string>& changes) {
  Diagnostics diagnostics;
  config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR "/configs/chips/") + file, diagnostics);
  for (const std::string& change : changes) {
    config::apply_set(root, change, diagnostics);
  }
  arch::chip::Chip chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

arch::chip::Chip rwth(int cell_bits) {
  return load_chip("rwth_rram.yaml", {"chip.tile.pe.cell_bits=" + std::to_string(cell_bits)});
}

Analysis serial(const Network& network, const arch::chip::Chip& chip, const Bits2& bits) {
  MappingRequest request = uniform_request(network, {});
  EXPECT_EQ(request.layers.size(), bits.size());
  for (std::size_t m = 0; m < bits.size(); ++m) {
    request.layers[m] = {bits[m].first, bits[m].second, 1};
  }
  Diagnostics diagnostics;
  const Mapping mapping = make_mapping(network, chip, request, Granularity::serial, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return analyze(network, chip, mapping, Granularity::serial);
}

/// The model sums over layers; time of the chip's input and output is not in it.
double milliseconds(const Analysis& analysis, bool with_writes = true) {
  std::int64_t cycles = 0;
  for (const LayerAnalysis& layer : analysis.layers) {
    cycles += layer.total.value - (with_writes ? 0 : layer.weights.value);
  }
  return static_cast<double>(cycles) * 1e-6;  // 1 GHz
}

Bits2 uniform(const Network& network, int w_bits, int a_bits, bool first_last_8) {
  Bits2 bits(matrix_layers(network).size(), {w_bits, a_bits});
  if (first_last_8) {
    bits.front() = bits.back() = {8, 8};
  }
  return bits;
}

/// Rows of the file, by "network,constraint,drop,cell".
std::map<std::string, Bits2> policies() {
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/validation/data/rwth_policies.csv");
  std::map<std::string, Bits2> all;
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> cells;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) {
      cells.push_back(cell);
    }
    if (line.starts_with('#') || cells.size() != 6 || cells[0] == "network") {
      continue;
    }
    Bits2& bits = all[cells[0] + "," + cells[1] + "," + cells[2] + "," + cells[3]];
    std::istringstream values(cells[5]);
    std::size_t m = 0;
    for (int value = 0; values >> value; ++m) {
      if (m == bits.size()) {
        bits.emplace_back();
      }
      (cells[4] == "w" ? bits[m].first : bits[m].second) = value;
    }
  }
  return all;
}

struct Row {
  std::string policy;
  double ms_8_8, ms_policy, speed_up, exec_only;
  std::int64_t arrays_8_8, arrays_policy;
};

class RwthPolicy : public testing::TestWithParam<Row> {};

TEST_P(RwthPolicy, LatencyAndSpeedUp) {
  const Row& row = GetParam();
  const std::map<std::string, Bits2> all = policies();
  ASSERT_TRUE(all.contains(row.policy));
  const Network network = zoo(row.policy.substr(0, row.policy.find(',')));
  const arch::chip::Chip chip = rwth(row.policy.back() - '0');
  const Analysis base = serial(network, chip, uniform(network, 8, 8, false));
  const Analysis policy = serial(network, chip, all.at(row.policy));
  EXPECT_NEAR(milliseconds(base), row.ms_8_8, 0.1);
  EXPECT_NEAR(milliseconds(policy), row.ms_policy, 0.1);
  EXPECT_NEAR(milliseconds(base) / milliseconds(policy), row.speed_up, 0.001);
  EXPECT_NEAR(milliseconds(base, false) / milliseconds(policy, false), row.exec_only, 0.001);
  EXPECT_EQ(base.pes, row.arrays_8_8);
  EXPECT_EQ(policy.pes, row.arrays_policy);
  EXPECT_NEAR(static_cast<double>(policy.latency.value) * 1e-6, row.ms_policy, 0.1)
      << "input and output take next to nothing";
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    RwthPolicy,
    testing::Values(
        Row{"vgg16,both_constraints,5,4", 12394.6, 4993.6, 2.482, 2.606, 8456, 7494},
        Row{"resnet18,both_constraints,1,4", 1507.5, 998.8, 1.509, 1.528, 727, 689},
        Row{"resnet18,both_constraints,5,4", 1507.5, 634.9, 2.374, 2.392, 727, 389},
        Row{"resnet18,both_constraints,10,4", 1507.5, 557.6, 2.703, 2.737, 727, 386},
        Row{"resnet18,weight_constraint,5,4", 1507.5, 685.5, 2.199, 2.231, 727, 504},
        Row{"resnet18,both_constraints,5,2", 3014.9, 1484.0, 2.032, 2.062, 1454, 1090}));

struct UniformRow {
  std::string network;
  int w_bits, a_bits;
  double speed_up;
};

class RwthUniform : public testing::TestWithParam<UniformRow> {};

TEST_P(RwthUniform, SpeedUp) {
  const UniformRow& row = GetParam();
  const Network network = zoo(row.network);
  const arch::chip::Chip chip = rwth(4);
  const Analysis base = serial(network, chip, uniform(network, 8, 8, false));
  const Analysis mixed = serial(network, chip, uniform(network, row.w_bits, row.a_bits, true));
  EXPECT_NEAR(milliseconds(base) / milliseconds(mixed), row.speed_up, 0.001);
}

INSTANTIATE_TEST_SUITE_P(InnerBits,
                         RwthUniform,
                         testing::Values(UniformRow{"resnet18", 8, 4, 1.785},
                                         UniformRow{"resnet18", 4, 8, 1.455},
                                         UniformRow{"resnet18", 4, 4, 2.515},
                                         UniformRow{"resnet18", 2, 2, 3.958},
                                         UniformRow{"vgg16", 8, 4, 1.845},
                                         UniformRow{"vgg16", 4, 8, 1.691},
                                         UniformRow{"vgg16", 4, 4, 3.046},
                                         UniformRow{"vgg16", 2, 2, 5.082}));

/// Unit vectors of the facts: one layer at a time, exact to the cycle (1 cycle is 1 ns).
TEST(RwthLatency, UnitVectorsAreExact) {
  struct Vector {
    int rows, cols, positions;  // of the layer, in ResNet-18
    int w_bits, a_bits;
    std::int64_t nanoseconds;
  };

  const std::vector<Vector> vectors{{147, 64, 12544, 8, 8, 140'548'800},  // conv1
                                    {576, 64, 3136, 8, 8, 105'537'600},   // stage 1
                                    {64, 128, 784, 8, 8, 17'673'600},     // first downsample
                                    {64, 128, 784, 4, 8, 8'836'800},
                                    {64, 128, 784, 4, 4, 4'446'400},
                                    {2304, 256, 196, 8, 8, 81'043'200},  // 256 -> 256
                                    {2304, 256, 196, 4, 4, 20'764'800},
                                    {512, 1000, 1, 8, 8, 2'150'400}};  // fc
  const Network network = zoo("resnet18");
  const arch::chip::Chip chip = rwth(4);
  for (const Vector& v : vectors) {
    const Analysis analysis = serial(network, chip, uniform(network, v.w_bits, v.a_bits, false));
    int found = 0;
    for (const LayerAnalysis& layer : analysis.layers) {
      if (!network.layer(layer.layer).is_matrix()) {
        EXPECT_EQ(layer.total.value, 0) << layer.name << ": digital work is not in the model";
        continue;
      }
      const MatrixShape m = matrix_shape(network, layer.layer);
      if (m.rows == v.rows && m.cols == v.cols && m.positions == v.positions) {
        ++found;
        EXPECT_EQ(layer.total.value, v.nanoseconds) << layer.name;
      }
    }
    EXPECT_GE(found, 1) << v.rows << " x " << v.cols;
  }
}

/// LRMP: ceil(R / 256) * ceil(C / 256) * w_bits arrays per layer.
TEST(LrmpArrays, FirstFitTakesThePublishedCounts) {
  const arch::chip::Chip chip =
      load_chip("lrmp.yaml", {"chip.tiles=80", "chip.fabric.width=10", "chip.fabric.height=8"});
  const std::map<std::string, std::int64_t> at_8_bit{{"mlp", 3232},
                                                     {"resnet18", 1608},
                                                     {"resnet34", 2968},
                                                     {"resnet50", 3376},
                                                     {"resnet101", 5688}};
  for (const auto& [name, arrays] : at_8_bit) {
    const Network network = zoo(name);
    for (const int w_bits : {8, 5, 2}) {  // linear in w
      Diagnostics diagnostics;
      const MappingRequest request = uniform_request(network, {w_bits, 8, 1});
      const Mapping mapping = first_fit(network, chip, request, Granularity::layer, diagnostics);
      check(mapping, network, chip, Granularity::layer, diagnostics);
      ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
      EXPECT_EQ(analyze(network, chip, mapping, Granularity::layer).pes * 8, arrays * w_bits)
          << name;
    }
  }
}

}  // namespace
}  // namespace tessera::mapper
