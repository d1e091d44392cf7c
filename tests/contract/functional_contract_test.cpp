// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the functional executor compute what the engine computes, bit for bit? On random networks,
/// chips and mappings and on attention, under all granularities, with ideal converters, with
/// converters that clip, and with devices that vary. Replay one seed with TESSERA_SEED.
#include "sim/base/rng.hpp"
#include "sim/functional/executor.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/parameters.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace tessera::test {
namespace {

using functional::Executor;
using functional::LayerPath;
using functional::Path;

constexpr const char* kDevices =
    "nonideal: {variation: 0.1, stuck_low: 0.02, stuck_high: 0.01, read_noise: 0.5, adc_offset: "
    "0.5, adc_gain: 0.02}";

std::string with(std::string chip, const std::string& converters) {
  const std::string from = "adc_bits: 0";
  return chip.replace(chip.find(from), from.size(), converters);
}

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (std::getenv("TESSERA_SEED") != nullptr) {
    return {test_seed()};
  }
  std::vector<std::uint64_t> list;
  for (std::uint64_t i = 1; i <= count; ++i) {
    list.push_back(i);
  }
  return list;
}

std::int64_t images_of(std::uint64_t seed) {
  return 1 + static_cast<std::int64_t>(seed % 3);
}

/// Outputs of the engine as text.
std::string by_engine(const Case& c, Functional mode, std::uint64_t seed) {
  return in_child([&] {
    RunOptions options;
    options.seed = seed;
    options.images = images_of(seed);
    options.functional = mode;
    return fmt::format("{}", fmt::join(simulate(c, options).outputs, "\n"));
  });
}

std::string by_executor(const Case& c, Fidelity fidelity, std::uint64_t seed, int threads = 1) {
  Executor executor(c.program, c.network, c.chip, fidelity, synthetic_data(c.network, seed), seed);
  return fmt::format("{}", fmt::join(executor.run_all(0, images_of(seed), threads), "\n"));
}

TEST(FunctionalContract, IdealOutputsEqualTheEngines) {
  for (const std::uint64_t seed : seeds(60)) {
    const Case c = random_case(seed);
    ASSERT_EQ(by_executor(c, Fidelity::ideal, seed), by_engine(c, Functional::ideal, seed))
        << "TESSERA_SEED=" << seed;
  }
}

TEST(FunctionalContract, OutputsOfConvertersThatClipEqualTheEngines) {
  int clipped = 0;
  for (const std::uint64_t seed : seeds(60)) {
    const Case c = random_case(seed, 4, [&](const std::string& chip) {
      return with(chip, fmt::format("adc_bits: {}", 1 + seed % 5));
    });
    const std::string engine = by_engine(c, Functional::bit_accurate, seed);
    ASSERT_EQ(by_executor(c, Fidelity::clipping, seed), engine) << "TESSERA_SEED=" << seed;
    ASSERT_EQ(by_executor(c, Fidelity::physical, seed), engine) << "TESSERA_SEED=" << seed;
    clipped += engine != by_executor(c, Fidelity::ideal, seed) ? 1 : 0;
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GT(clipped, 20);
  }
}

TEST(FunctionalContract, OutputsOfDevicesThatVaryEqualTheEngines) {
  int changed = 0;
  for (const std::uint64_t seed : seeds(60)) {
    const Case c = random_case(seed, 4, [&](const std::string& chip) {
      return with(chip, fmt::format("adc_bits: {}, {}", seed % 8, kDevices));
    });
    const std::string engine = by_engine(c, Functional::bit_accurate, seed);
    ASSERT_EQ(by_executor(c, Fidelity::physical, seed), engine) << "TESSERA_SEED=" << seed;
    ASSERT_EQ(by_executor(c, Fidelity::physical, seed, 2), engine) << "TESSERA_SEED=" << seed;
    changed += engine != by_executor(c, Fidelity::clipping, seed) ? 1 : 0;
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GT(changed, 40);
  }
}

std::string attention_chip(const std::string& converters) {
  return with(
      "{name: functional, clock: 1 GHz, tiles: 24, tile: {pes: 24, pe: {kind: crossbar, rows: 64, "
      "columns: 64, cell_bits: 2, weight_mapping: offset_column, slice_placement: "
      "adjacent_columns, dac_bits: 1, adc_bits: 0, adcs: 4, t_adc: 1 ns, t_read: 10 ns, t_write: "
      "100 ns}, bus: {width: 128}, buffer: {capacity: 256 KiB}, vector_unit: {lanes: 16}}, fabric: "
      "{topology: mesh, flit_bits: 64 b}, io: {width: 64}, memory: {present: true, width: 64, "
      "latency: 50 ns}}",
      converters);
}

Case attention(Granularity granularity, const std::string& converters) {
  CaseSpec spec;
  spec.network = zoo("attention_block");
  spec.chip = attention_chip(converters);
  spec.granularity = granularity;
  spec.images = 3;
  return make_case(spec);
}

TEST(FunctionalContract, MatricesWrittenDuringTheRunEqualTheEngines) {
  for (const Granularity granularity :
       {Granularity::pixel, Granularity::layer, Granularity::serial}) {
    for (const std::string& converters : {std::string("adc_bits: 0"),
                                          std::string("adc_bits: 5"),
                                          std::string("adc_bits: 0, ") + kDevices}) {
      const Case c = attention(granularity, converters);
      for (const std::uint64_t seed : {1U, 2U}) {
        ASSERT_EQ(by_executor(c, Fidelity::physical, seed),
                  by_engine(c, Functional::bit_accurate, seed))
            << converters << " granularity " << static_cast<int>(granularity);
      }
    }
  }
}

/// Too few PEs for the whole network: arrays are rewritten for every image.
TEST(FunctionalContract, RewritingDrawsNewCellsForEveryImage) {
  CaseSpec spec;
  spec.network = zoo("tiny_cnn");
  spec.chip = attention_chip(std::string("adc_bits: 0, nonideal: {variation: 0.2}"));
  const auto edit = [&](const std::string& from, const std::string& to) {
    spec.chip.replace(spec.chip.find(from), from.size(), to);
  };
  edit("tiles: 24", "tiles: 1");
  edit("pes: 24", "pes: 2");
  edit("offset_column", "differential_columns");
  spec.granularity = Granularity::serial;
  spec.images = 3;
  const Case c = make_case(spec);
  ASSERT_TRUE(std::any_of(c.program.stages.begin(),
                          c.program.stages.end(),
                          [](const ProgramStage& stage) { return stage.rewrites; }));
  ASSERT_EQ(by_executor(c, Fidelity::physical, 2), by_engine(c, Functional::bit_accurate, 2));

  // The same image three times: the same answers only where devices do not vary.
  const NetworkData once = synthetic_data(c.network, 1);
  const std::vector<std::int32_t> input = once.input(0);
  for (const Fidelity fidelity : {Fidelity::clipping, Fidelity::physical}) {
    Executor executor(c.program, c.network, c.chip, fidelity, once, 1);
    const bool same = executor.run(input, 0) == executor.run(input, 1);
    EXPECT_EQ(same, fidelity == Fidelity::clipping);
    EXPECT_EQ(executor.run(input, 1), executor.run(input, 1));
  }
}

TEST(FunctionalContract, SeedsDrawOtherDevices) {
  const Case c = attention(Granularity::pixel, std::string("adc_bits: 0, ") + kDevices);
  const NetworkData data = synthetic_data(c.network, 1);
  const auto run = [&](std::uint64_t seed) {
    return Executor(c.program, c.network, c.chip, Fidelity::physical, data, seed).run(0);
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST(FunctionalContract, PathsSayWhetherConversionsCanClip) {
  const auto paths = [](const std::string& converters) {
    const Case c = attention(Granularity::pixel, converters);
    Executor executor(
        c.program, c.network, c.chip, Fidelity::physical, synthetic_data(c.network, 1), 1);
    executor.run(0);
    return executor.paths();
  };
  for (const LayerPath& path : paths("adc_bits: 0")) {
    EXPECT_EQ(path.path, Path::product);
    EXPECT_EQ(path.pes, 0);
  }
  for (const LayerPath& path : paths("adc_bits: 2")) {
    EXPECT_EQ(path.path, Path::conversions);
    EXPECT_GT(path.pes, 0);
  }
  for (const LayerPath& path : paths(std::string("adc_bits: 0, ") + kDevices)) {
    EXPECT_EQ(path.path, Path::conversions);
  }
}

}  // namespace
}  // namespace tessera::test
