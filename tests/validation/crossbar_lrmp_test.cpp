// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// LRMP's crossbar tile (Nallathambi et al., Frontiers in AI 7, 2024): tile counts, row groups, ADC
/// width, time.
///
/// Status   enforced. The counts follow from tiles = ceil(R / 256) * ceil(C / 256) * w_bits, which
/// gives the 5688 tiles of
///          ResNet-101 in a hardware table that cites the paper; the paper's own per-network counts
///          were not available
#include "arch/crossbar/crossbar.hpp"
#include "arch/crossbar/kernel.hpp"
#include "sim/api/schedule.hpp"
#include "workloads/network.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

namespace tessera::arch::crossbar {
namespace {

constexpr Clock kClock{Hertz(192e6)};

Spec lrmp() {
  Spec spec;
  spec.rows = spec.columns = 256;
  spec.cell_bits = 1;
  spec.active_rows = 9;
  spec.weight_mapping = WeightMapping::twos_complement_planes;
  spec.slice_placement = SlicePlacement::separate_arrays;
  spec.adc_bits = 4;
  spec.adcs = 8;
  spec.adc_rate = Hertz(192e6);
  spec.t_read = Seconds(1 / 192e6);
  return spec;
}

std::int64_t tiles(const Model& model, const Network& network, int w_bits) {
  std::int64_t sum = 0;
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape shape = matrix_shape(network, id);
    MatrixOp matrix;
    matrix.rows = shape.rows;
    matrix.cols = shape.cols;
    matrix.groups = shape.groups;
    matrix.w_bits = w_bits;
    sum += static_cast<std::int64_t>(model.layout(matrix).fragments.size());
  }
  return sum;
}

TEST(Lrmp, TilesOfTheFiveNetworks) {
  const std::map<std::string, std::int64_t> per_bit = {
      {"mlp", 404}, {"resnet18", 201}, {"resnet34", 371}, {"resnet50", 422}, {"resnet101", 711}};
  const auto model = make_model(lrmp(), kClock);
  for (const auto& [name, count] : per_bit) {
    const Network network = zoo(name);
    for (int bits = 1; bits <= 8; ++bits) {
      EXPECT_EQ(tiles(*model, network, bits), count * bits) << name << " at " << bits << " bit";
    }
  }
  EXPECT_EQ(tiles(*model, zoo("resnet101"), 8), 5688);
  EXPECT_EQ(tiles(*model, zoo("mlp"), 8), 3232);
}

TEST(Lrmp, NineRowsFitTheFourBitConverter) {
  EXPECT_EQ(sufficient_adc_bits(lrmp(), 8), 4);
  Spec ten = lrmp();
  ten.active_rows = 16;
  EXPECT_EQ(sufficient_adc_bits(ten, 8), 5);
}

/// a_bits * G * M cycles of conversion, behind one read and, at the end, nothing else.
TEST(Lrmp, TileReadIsBitsTimesRowGroupsTimesColumnsPerConverter) {
  for (int adcs = 1; adcs <= 256; adcs *= 2) {
    Spec spec = lrmp();
    spec.adcs = adcs;
    const auto model = make_model(spec, kClock);
    for (int bits = 1; bits <= 8; ++bits) {
      for (const int rows : {1, 9, 10, 27, 256}) {
        Op op;
        op.rows = rows;
        op.cols = op.cell_cols = 256;
        op.in_bits = bits;
        const std::int64_t groups = (rows + 8) / 9;
        const std::int64_t read = bits * groups * (256 / adcs);
        const Cost cost = model->fire_cost(op);
        EXPECT_EQ(cost.interval.value, read);
        EXPECT_EQ(cost.latency.value, 1 + read);
        EXPECT_EQ(make_schedule(model->steps(op)).latency, cost.latency);
        EXPECT_EQ(cost.did[kAdcConvert], bits * groups * 256);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
