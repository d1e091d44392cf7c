// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN (Imani et al., arXiv:1806.05794; HPCA 2020) as configs/chips/rapidnn.yaml describes it.
///
/// Roll-ups   block 3841 um2, 4.8 mW; tile 3.88 mm2, 4.8 W; chip 124.1 mm2, 153.6 W: 0.1 %. They
///            check the sums, not the inputs, which come from the same table from memory
/// Table      2-bit codes have 16 products: exact
/// Storage    about 5 KB per neuron: between codebooks of 32 and of 64
/// Latency    512 inputs, codebooks of 16, 16-bit sums: 413 cycles, derived by hand: exact
/// Bits       LeNet-5, ResNet-20 and an attention block equal the golden executor
/// Status     enforced; the paper's comparisons with ISAAC and PipeLayer are a known_gap, README
///            "Validation"
#include "arch/chip/chip.hpp"
#include "arch/lut/layout.hpp"
#include "arch/lut/lut.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "tests/e2e/program.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace tessera::arch::lut {
namespace {

constexpr Clock kClock{Hertz(1e9)};

chip::Chip rapidnn() {
  Diagnostics diagnostics;
  const config::Node root =
      config::load(TESSERA_SOURCE_DIR "/configs/chips/rapidnn.yaml", diagnostics);
  chip::Chip made = chip::make_chip(root.get("chip"), diagnostics);
  diagnostics.throw_if_any();
  return made;
}

/// Power of a block whose circuits all work all the time: a nanosecond each of counting, NOR and
/// two searches.
Watts power(const Model& block) {
  double joules = 0;
  for (const std::size_t action : {kCountCycle, kNorCycle, kActivationSearch, kEncoderSearch}) {
    joules += block.actions()[action].energy.value;
  }
  return Watts(joules / 1e-9);
}

double area(const Model& block) {
  double sum = 0;
  for (const Resource& resource : block.resources()) {
    sum += resource.area.value;
  }
  return sum;
}

TEST(Rapidnn, AreaAndPowerAddUp) {
  const chip::Chip c = rapidnn();
  EXPECT_NEAR(area(*c.groups[0].pe), 3841e-12, 3841e-15);
  EXPECT_NEAR(power(*c.groups[0].pe).value, 4.8e-3, 4.8e-6);
  const auto blocks = static_cast<double>(c.groups[0].tile.pes);
  const double tile_area = blocks * area(*c.groups[0].pe) + c.groups[0].tile.buffer.area.value;
  const double tile_power =
      blocks * power(*c.groups[0].pe).value + c.groups[0].tile.buffer.leakage.value;
  EXPECT_NEAR(tile_area, 3.88e-6, 3.88e-9);
  EXPECT_NEAR(tile_power, 4.8, 4.8e-3);
  const auto tiles = static_cast<double>(c.groups[0].tiles);
  EXPECT_NEAR(tiles * tile_area, 124.1e-6, 124.1e-9);
  EXPECT_NEAR(tiles * tile_power, 153.6, 0.16);
}

TEST(Rapidnn, TwoBitCodesHaveSixteenProducts) {
  MatrixOp matrix;
  matrix.w_bits = matrix.in_bits = 2;
  EXPECT_EQ(table_cells(Spec{}, matrix) / widths(Spec{}, 2, 2, 1).entry, 16);
}

/// About 5 KB per neuron suffice for the paper's six benchmarks: table and codes of the widest
/// neuron of the dense ones (784 inputs) take less with codebooks of 32 and somewhat more with 64.
TEST(Rapidnn, ANeuronTakesAFewKilobytes) {
  const auto bytes = [](int bits) {
    MatrixOp matrix;
    matrix.w_bits = matrix.in_bits = bits;
    return (table_cells(Spec{}, matrix) + std::int64_t{784} * bits) / 8;
  };
  EXPECT_EQ(bytes(4), 256 + 392);
  EXPECT_LT(bytes(5), 5 * 1024);
  EXPECT_GT(bytes(6), 5 * 1024);
  EXPECT_LT(bytes(6), 7 * 1024);
}

TEST(Rapidnn, ANeuronOf512InputsTakes413Cycles) {
  Spec spec;
  spec.sum_bits = 16;
  const auto model = make_model(spec, kClock);
  MatrixOp matrix;
  matrix.rows = 512;
  matrix.cols = 1;
  matrix.w_bits = matrix.in_bits = 4;
  const Layout cut = model->layout(matrix);
  ASSERT_EQ(cut.fragments.size(), 1U);
  // 512 / 16 to count, 13 stages of 13, 13 * 16, two searches of two stages.
  const Cost cost = model->fire_cost(model->op(OpCode::mvm, matrix, cut.fragments[0]));
  EXPECT_EQ(cost.latency, Cycles(32 + 13 * 13 + 13 * 16 + 2 * 2));
  EXPECT_EQ(cost.latency, Cycles(413));
}

class RapidnnBits : public testing::TestWithParam<std::tuple<const char*, Granularity>> {};

TEST_P(RapidnnBits, EqualTheGoldenExecutor) {
  const auto& [name, granularity] = GetParam();
  test::CaseSpec spec;
  spec.network = zoo(name);
  spec.granularity = granularity;
  spec.chip =
      "{name: lut, clock: 1 GHz, tiles: 24, tile: {pes: 100, pe: {kind: lut}, bus: {width: 128}, "
      "buffer: {capacity: 256 KiB}}, fabric: {topology: mesh, flit_bits: 64 b}, io: {width: 64}, "
      "memory: {present: true, width: 64, latency: 50 ns}}";
  Rng rng(test::test_seed(), fmt::format("rapidnn/{}", name));
  for (const Layer& layer : spec.network.layers) {
    if (layer.is_matrix()) {
      spec.layers.push_back(
          {static_cast<int>(rng.uniform(2, 6)), static_cast<int>(rng.uniform(2, 6)), 1});
    }
  }
  const test::Case c = test::make_case(spec);
  for (const Functional functional : {Functional::ideal, Functional::bit_accurate}) {
    const std::string verdict = test::in_child([&] {
      RunOptions options;
      options.functional = functional;
      const RunStats stats = test::simulate(c, options);
      Golden golden(c.network, options.seed);
      return stats.outputs.at(0) == golden.run(synthetic_input(c.network, options.seed, 0))
                 ? std::string("equal")
                 : std::string("different");
    });
    EXPECT_EQ(verdict, "equal") << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All,
    RapidnnBits,
    testing::Combine(testing::Values("lenet5", "resnet20", "attention_block"),
                     testing::Values(Granularity::pixel, Granularity::layer, Granularity::serial)),
    [](const auto& test) {
      return fmt::format(
          "{}_{}", std::get<0>(test.param), static_cast<int>(std::get<1>(test.param)));
    });

/// What Tessera measures on one network: RAPIDNN, codebooks of 16 and 16, against 16 bits on ISAAC
/// and PipeLayer, one copy of every layer, all three chips filled with copies of the network.
struct Gain {
  const char* network;
  const char* isaac;
  double isaac_speed;  ///< images per second and area in use
  double isaac_busy;   ///< the same if all PEs were always busy
  double isaac_energy;
  double isaac_dynamic;
  double pipelayer_speed;
  double pipelayer_busy;
  double pipelayer_energy;
};

void PrintTo(const Gain& gain, std::ostream* out) {
  *out << gain.network;
}

/// Ratios of ISAAC and of PipeLayer against RAPIDNN, as `tessera compare` measures them.
class Ratios {
 public:
  Ratios(const std::vector<std::string>& experiments, int images) {
    const e2e::TempFolder folder;
    std::vector<std::string> words{"compare"};
    for (const std::string& name : experiments) {
      words.push_back("configs/experiments/" + name + ".yaml");
    }
    words.insert(words.end(), {"--json", "--images", std::to_string(images)});
    words.insert(words.end(), {"--out", folder / "out"});
    const e2e::Outcome got = e2e::run_program(words);
    EXPECT_EQ(got.status, 0) << got.err;
    if (got.status == 0) {
      runs_ = nlohmann::json::parse(got.out)["runs"];
    }
  }

  [[nodiscard]] bool ok() const { return !runs_.is_null(); }

  [[nodiscard]] double of(std::size_t run, const char* key) const {
    return runs_[run]["ratios"][key].get<double>();
  }

 private:
  nlohmann::json runs_;
};

void expect_said(double measured, double said, const char* what) {
  EXPECT_NEAR(measured, said, 0.1 * said) << what << " moved: say so in the README";
}

class RapidnnGains : public testing::TestWithParam<Gain> {};

/// known_gap: 68.4x the energy efficiency and 48.1x the speed of ISAAC, 49.5x and 10.9x those of
/// PipeLayer. The numbers are those of README, "Validation", which gives the causes.
TEST_P(RapidnnGains, AreThoseOfTheReadme) {
  const Gain& gain = GetParam();
  const std::string network = gain.network;
  const bool convolutions = network == "vgg16" || network == "cifar_cnn";
  const Ratios ratios({"rapidnn_" + network, gain.isaac, "pipelayer_for_rapidnn_" + network},
                      convolutions ? 2 : 16);
  ASSERT_TRUE(ratios.ok());
  const char* busy = "images_per_second_busy_m2";
  const char* used = "images_per_second_used_m2";
  const char* energy = "filled_energy_j";
  expect_said(1 / ratios.of(1, used), gain.isaac_speed, "speed against ISAAC");
  expect_said(1 / ratios.of(1, busy), gain.isaac_busy, "speed against busy ISAAC");
  expect_said(ratios.of(1, energy), gain.isaac_energy, "energy against ISAAC");
  expect_said(ratios.of(1, "dynamic_j"), gain.isaac_dynamic, "dynamic energy against ISAAC");
  expect_said(1 / ratios.of(2, used), gain.pipelayer_speed, "speed against PipeLayer");
  expect_said(1 / ratios.of(2, busy), gain.pipelayer_busy, "speed against busy PipeLayer");
  expect_said(ratios.of(2, energy), gain.pipelayer_energy, "energy against PipeLayer");
}

/// The same with as many replicas as the chips hold: no PE waits for the first convolution alone.
TEST(Rapidnn, ReplicasTakeTheGainOfOneCopyAway) {
  const Ratios ratios({"rapidnn_cifar_cnn_replicas",
                       "isaac_for_rapidnn_cifar_cnn_replicas",
                       "pipelayer_for_rapidnn_cifar_cnn_replicas"},
                      8);
  ASSERT_TRUE(ratios.ok());
  expect_said(1 / ratios.of(1, "images_per_second_m2"), 2.4, "speed against ISAAC");
  expect_said(ratios.of(1, "energy_j"), 4.0, "energy against ISAAC");
  expect_said(1 / ratios.of(2, "images_per_second_m2"), 0.28, "speed against PipeLayer");
  expect_said(ratios.of(2, "energy_j"), 4.9, "energy against PipeLayer");
}

constexpr std::array kGains = {
    Gain{"mnist_mlp", "isaac_for_rapidnn_mnist_mlp", 0.98, 1.81, 1.41, 1.07, 0.62, 0.61, 6.2},
    Gain{"isolet_mlp", "isaac_for_rapidnn_isolet_mlp", 1.01, 1.50, 1.25, 0.91, 0.64, 0.50, 5.2},
    Gain{"har_mlp", "isaac_for_rapidnn_har_mlp", 1.04, 1.54, 1.26, 0.91, 0.65, 0.51, 5.3},
    Gain{"cifar_cnn", "isaac_for_rapidnn_cifar_cnn", 35.5, 1.40, 57.1, 0.90, 11.9, 0.52, 4.9},
    Gain{"vgg16", "isaac_vgg16", 17.7, 2.58, 45.9, 1.95, 7.2, 1.05, 10.6},
};

INSTANTIATE_TEST_SUITE_P(All, RapidnnGains, testing::ValuesIn(kGains), [](const auto& test) {
  return std::string(test.param.network);
});

/// The gap itself: geometric means over the five networks are below the published ones.
TEST(Rapidnn, KnownGapGainsAreBelowThePublishedOnes) {
  const auto mean = [](double Gain::*of) {
    double product = 1;
    for (const Gain& gain : kGains) {
      product *= gain.*of;
    }
    return std::pow(product, 1.0 / static_cast<double>(kGains.size()));
  };
  EXPECT_LT(mean(&Gain::isaac_speed), 48.1 / 2) << "the gap closes: say so in the README";
  EXPECT_LT(mean(&Gain::isaac_energy), 68.4 / 2) << "the gap closes: say so in the README";
  EXPECT_LT(mean(&Gain::pipelayer_speed), 10.9 / 2) << "the gap closes: say so in the README";
  EXPECT_LT(mean(&Gain::pipelayer_energy), 49.5 / 2) << "the gap closes: say so in the README";
}

}  // namespace
}  // namespace tessera::arch::lut
