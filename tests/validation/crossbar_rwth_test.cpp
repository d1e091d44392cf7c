// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The RWTH accelerator (Pelke et al., DATE 2026; code github.com/jmkle/cim-aq): crossbar counts,
/// unit vectors, and the published mixed-precision policies, one crossbar operation after the
/// other.
///
/// Formula  X = ceil(cols / 256) * ceil(rows / 256), E = X * V * a_bits; t = X * 56 us + E * 1.4 us
/// Status   enforced: times within 0.1 ms, ratios within 0.001, counts and unit vectors exact
#include "arch/crossbar/crossbar.hpp"
#include "workloads/network.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::arch::crossbar {
namespace {

constexpr Clock kClock{Hertz(10e6)};  // 0.1 us: every time of the model is a whole number of cycles

Spec rwth(int cell_bits) {
  Spec spec;
  spec.rows = spec.columns = 256;
  spec.cell_bits = cell_bits;
  spec.weight_mapping = WeightMapping::differential_columns;
  spec.slice_placement = SlicePlacement::adjacent_columns;
  spec.pack_groups = false;
  spec.adc_bits = 0;        // the converter is ideal and
  spec.t_adc = Seconds(0);  // its time is part of
  spec.t_read = Seconds(1.4e-6);
  spec.t_write = Seconds(56e-6);
  return spec;
}

struct Work {
  std::int64_t crossbars = 0;
  std::int64_t activations = 0;
  double write_us = 0;
  double read_us = 0;

  [[nodiscard]] double us() const { return write_us + read_us; }
};

/// One layer, serially: every crossbar is written once and read for every output position.
Work layer_work(const Model& model, const MatrixShape& shape, int w_bits, int a_bits) {
  MatrixOp matrix;
  matrix.rows = shape.rows;
  matrix.cols = shape.cols;
  matrix.groups = shape.groups;
  matrix.w_bits = w_bits;
  matrix.in_bits = a_bits;
  Work work;
  for (const Fragment& f : model.layout(matrix).fragments) {
    const Cost write = model.fire_cost(model.op(OpCode::write, matrix, f));
    const Cost read = model.fire_cost(model.op(OpCode::mvm, matrix, f));
    ++work.crossbars;
    work.activations += shape.positions * a_bits;
    work.write_us += kClock.seconds(write.latency).value * 1e6;
    work.read_us += kClock.seconds(read.latency).value * 1e6 * static_cast<double>(shape.positions);
    EXPECT_EQ(read.interval, read.latency);  // nothing overlaps
  }
  return work;
}

Work network_work(const Network& network,
                  int cell_bits,
                  const std::vector<int>& w,
                  const std::vector<int>& a) {
  const auto model = make_model(rwth(cell_bits), kClock);
  const std::vector<LayerId> layers = matrix_layers(network);
  EXPECT_EQ(layers.size(), w.size());
  Work sum;
  for (std::size_t k = 0; k < layers.size(); ++k) {
    const Work work = layer_work(*model, matrix_shape(network, layers[k]), w[k], a[k]);
    sum.crossbars += work.crossbars;
    sum.activations += work.activations;
    sum.write_us += work.write_us;
    sum.read_us += work.read_us;
  }
  return sum;
}

TEST(Rwth, UnitVectors) {
  struct Vector {
    MatrixShape shape;
    int w, a;
    std::int64_t crossbars, activations;
    double us;
  };

  const std::vector<Vector> vectors = {
      {{147, 64, 1, 12544}, 8, 8, 1, 100352, 140548.8},  // conv1
      {{576, 64, 1, 3136}, 8, 8, 3, 75264, 105537.6},    // first stage
      {{64, 128, 1, 784}, 8, 8, 2, 12544, 17673.6},      // first downsample
      {{64, 128, 1, 784}, 4, 8, 1, 6272, 8836.8},
      {{64, 128, 1, 784}, 4, 4, 1, 3136, 4446.4},
      {{2304, 256, 1, 196}, 8, 8, 36, 56448, 81043.2},
      {{2304, 256, 1, 196}, 4, 4, 18, 14112, 20764.8},
      {{512, 1000, 1, 1}, 8, 8, 32, 256, 2150.4},  // fc
  };
  const auto model = make_model(rwth(4), kClock);
  for (const Vector& v : vectors) {
    const Work work = layer_work(*model, v.shape, v.w, v.a);
    EXPECT_EQ(work.crossbars, v.crossbars);
    EXPECT_EQ(work.activations, v.activations);
    EXPECT_NEAR(work.us(), v.us, 1e-6);
  }
}

TEST(Rwth, OneFiringIsBitsTimesReadAndOneWriteIsTheWholeArray) {
  const auto model = make_model(rwth(4), kClock);
  MatrixOp matrix;
  matrix.rows = matrix.cols = 64;
  for (matrix.in_bits = 1; matrix.in_bits <= 8; ++matrix.in_bits) {
    const Fragment f = model->layout(matrix).fragments.front();
    EXPECT_EQ(model->fire_cost(model->op(OpCode::mvm, matrix, f)).latency,
              Cycles(std::int64_t{14} * matrix.in_bits));
    EXPECT_EQ(model->fire_cost(model->op(OpCode::write, matrix, f)).latency, Cycles(560));
  }
}

struct Policy {
  std::string network, constraint;
  int drop = 0, cell_bits = 0;
  std::vector<int> w, a;
};

std::vector<Policy> policies() {
  std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/tests/validation/data/rwth_policies.csv");
  std::vector<Policy> all;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#' || line.rfind("network,", 0) == 0) {
      continue;
    }
    std::istringstream row(line);
    std::string drop, cell, tensor, bits;
    Policy p;
    std::getline(row, p.network, ',');
    std::getline(row, p.constraint, ',');
    std::getline(row, drop, ',');
    std::getline(row, cell, ',');
    std::getline(row, tensor, ',');
    std::getline(row, bits);
    p.drop = std::stoi(drop);
    p.cell_bits = std::stoi(cell);
    std::istringstream values(bits);
    std::vector<int> list;
    for (int b = 0; values >> b;) {
      list.push_back(b);
    }
    if (tensor == "w") {
      p.w = list;
      all.push_back(p);
    } else {
      all.back().a = list;
    }
  }
  return all;
}

TEST(Rwth, PublishedPolicies) {
  struct Row {
    std::string network, constraint;
    int drop, cell_bits;
    double base_ms, policy_ms, speed_up, exec_only;
    std::int64_t base_crossbars, crossbars;
  };

  const std::vector<Row> table = {
      {"vgg16",
       "both_constraints",
       5,
       4,
       12394.6,
       4993.6,
       2.482,
       2.606,
       8456,
       7494},  // the paper's headline 2.48x
      {"resnet18", "both_constraints", 1, 4, 1507.5, 998.8, 1.509, 1.528, 727, 689},
      {"resnet18", "both_constraints", 5, 4, 1507.5, 634.9, 2.374, 2.392, 727, 389},
      {"resnet18", "both_constraints", 10, 4, 1507.5, 557.6, 2.703, 2.737, 727, 386},
      {"resnet18", "weight_constraint", 5, 4, 1507.5, 685.5, 2.199, 2.231, 727, 504},
      {"resnet18", "both_constraints", 5, 2, 3014.9, 1484.0, 2.032, 2.062, 1454, 1090},
  };
  const std::vector<Policy> all = policies();
  ASSERT_EQ(all.size(), table.size());
  for (const Row& row : table) {
    SCOPED_TRACE(row.network + " " + row.constraint + " " + std::to_string(row.drop) + " " +
                 std::to_string(row.cell_bits));
    const Policy* policy = nullptr;
    for (const Policy& p : all) {
      if (p.network == row.network && p.constraint == row.constraint && p.drop == row.drop &&
          p.cell_bits == row.cell_bits) {
        policy = &p;
      }
    }
    ASSERT_NE(policy, nullptr);
    const Network network = zoo(row.network);
    const std::vector<int> eight(policy->w.size(), 8);
    const Work base = network_work(network, row.cell_bits, eight, eight);
    const Work mixed = network_work(network, row.cell_bits, policy->w, policy->a);
    EXPECT_NEAR(base.us() / 1e3, row.base_ms, 0.1);
    EXPECT_NEAR(mixed.us() / 1e3, row.policy_ms, 0.1);
    EXPECT_NEAR(base.us() / mixed.us(), row.speed_up, 0.001);
    EXPECT_NEAR(base.read_us / mixed.read_us, row.exec_only, 0.001);
    EXPECT_EQ(base.crossbars, row.base_crossbars);
    EXPECT_EQ(mixed.crossbars, row.crossbars);
    RecordProperty("speed_up_" + row.network + "_" + row.constraint + "_" +
                       std::to_string(row.drop) + "_" + std::to_string(row.cell_bits),
                   std::to_string(base.us() / mixed.us()));
  }
}

/// Uniform inner bits, first and last layer 8/8, cell 4.
TEST(Rwth, UniformPolicies) {
  struct Row {
    std::string network;
    int w, a;
    double speed_up;
  };

  const std::vector<Row> table = {{"resnet18", 8, 4, 1.785},
                                  {"resnet18", 4, 8, 1.455},
                                  {"resnet18", 4, 4, 2.515},
                                  {"resnet18", 2, 2, 3.958},
                                  {"vgg16", 8, 4, 1.845},
                                  {"vgg16", 4, 8, 1.691},
                                  {"vgg16", 4, 4, 3.046},
                                  {"vgg16", 2, 2, 5.082}};
  for (const Row& row : table) {
    const Network network = zoo(row.network);
    const std::size_t count = matrix_layers(network).size();
    const std::vector<int> eight(count, 8);
    std::vector<int> w(count, row.w);
    std::vector<int> a(count, row.a);
    w.front() = w.back() = a.front() = a.back() = 8;
    const double base = network_work(network, 4, eight, eight).us();
    EXPECT_NEAR(base / network_work(network, 4, w, a).us(), row.speed_up, 0.001)
        << row.network << row.w << row.a;
  }
}

/// Crossbar counts of the other two mappings: 2n rows, and one column more.
TEST(Rwth, CrossbarCountsOfAllMappings) {
  const auto ceil = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  for (const int cell : {2, 4}) {
    for (int w = 2; w <= 8; ++w) {
      for (const std::int64_t n : {1, 100, 128, 129, 256, 257, 576, 4608}) {
        for (const std::int64_t m : {1, 31, 32, 64, 100, 128, 512, 1000}) {
          MatrixOp matrix;
          matrix.rows = n;
          matrix.cols = m;
          matrix.w_bits = w;
          const std::int64_t slices = ceil(w, cell);
          const auto count = [&](WeightMapping mapping) {
            Spec spec = rwth(cell);
            spec.weight_mapping = mapping;
            return static_cast<std::int64_t>(
                make_model(spec, kClock)->layout(matrix).fragments.size());
          };
          EXPECT_EQ(count(WeightMapping::differential_columns),
                    ceil(2 * m * slices, 256) * ceil(n, 256));
          EXPECT_EQ(count(WeightMapping::differential_rows),
                    ceil(m * slices, 256) * ceil(2 * n, 256));
          EXPECT_EQ(count(WeightMapping::offset_column), ceil(m * slices + 1, 256) * ceil(n, 256));
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
