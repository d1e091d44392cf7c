// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Is the pipelined execution right where the answer is known exactly? On an ideal fabric with
/// unbounded buffers, throughput is one over the slowest stage and latency is the critical path, to
/// the cycle. ISAAC's published 22 pipeline cycles come out of the simulated tile. Enforced.
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/builder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace tessera::test {
namespace {

constexpr const char* kPe =
    "{kind: crossbar, rows: 64, columns: 64, cell_bits: 2, weight_mapping: twos_complement_planes, "
    "slice_placement: adjacent_columns, dac_bits: 1, adc_bits: 0, adcs: 8, t_adc: 1 ns, t_read: 10 "
    "ns, t_write: 100 ns}";

/// Latency and interval of one firing of a stage, in closed form.
Cost cost_of(const Case& c, const ProgramStage& stage) {
  const ProgramPart& part =
      c.program.parts[static_cast<std::size_t>(stage.replicas.front().parts.front())];
  Cost cost;
  for (const LockstepGroup& group : part.groups) {
    const Cost one = c.chip.groups[0].pe->fire_cost(
        c.program.residents[static_cast<std::size_t>(group.resident)].op);
    cost.latency = std::max(cost.latency, one.latency);
    cost.interval = std::max(cost.interval, one.interval);
  }
  return cost;
}

/// Cycles from a position leaving `from` to its being readable at `to`.
std::int64_t hop(const Case& c, EndpointId from, EndpointId to) {
  return from == to
             ? 0
             : arch::chip::make_fabric(c.chip)->zero_load_latency(from, to, Bits(1)).value + 1;
}

struct Expected {
  std::int64_t latency = 0;
  std::int64_t interval = 0;
};

/// A chain of stages with equal intervals and one firing per position.
Expected expect_chain(const Case& c) {
  Expected e;
  EndpointId at = c.program.io_endpoint;
  for (const ProgramStage& stage : c.program.stages) {
    const EndpointId home = stage.replicas.front().home;
    e.latency += hop(c, at, home);
    at = home;
    if (stage.kind == StageKind::matrix) {
      const Cost cost = cost_of(c, stage);
      e.latency += cost.latency.value;
      e.interval = std::max(e.interval, stage.positions * cost.interval.value);
    }
  }
  // The last position enters the first stage when all before it have been issued.
  const ProgramStage& first = c.program.stages[1];
  e.latency += (first.positions - 1) * cost_of(c, first).interval.value;
  return e;
}

/// "latency interval interval ..." of a run.
std::string measure(const Case& c, std::int64_t images) {
  return in_child([&] {
    RunOptions options;
    options.images = images;
    const RunStats stats = simulate(c, options);
    std::string text = fmt::format("{}", (stats.image_out[0] - stats.image_in[0]).value);
    for (std::size_t i = 1; i < stats.image_out.size(); ++i) {
      text += fmt::format(" {}", (stats.image_out[i] - stats.image_out[i - 1]).value);
    }
    return text;
  });
}

std::string text_of(const Expected& e, std::int64_t images) {
  std::string text = fmt::format("{}", e.latency);
  for (std::int64_t i = 1; i < images; ++i) {
    text += fmt::format(" {}", e.interval);
  }
  return text;
}

TEST(Pipeline, EqualStagesOnOneTileAreExact) {
  for (const int depth : {1, 2, 5}) {
    CaseSpec spec;
    Builder b("chain", {6, 5, 16});
    for (int i = 0; i < depth; ++i) {
      b.conv(fmt::format("c{}", i),
             b.last(),
             {.channels = 16, .kernel = 1, .activation = Activation::relu});
    }
    spec.network = b.build();
    spec.chip = free_chip(kPe, 1, 64);
    spec.images = 4;
    const Case c = make_case(spec);
    EXPECT_EQ(measure(c, 4), text_of(expect_chain(c), 4)) << "depth " << depth;
  }
}

TEST(Pipeline, EqualStagesOnManyTilesAreExact) {
  CaseSpec spec;
  Builder b("chain", {6, 5, 16});
  for (int i = 0; i < 6; ++i) {
    b.conv(fmt::format("c{}", i),
           b.last(),
           {.channels = 16, .kernel = 1, .activation = Activation::relu});
  }
  spec.network = b.build();
  spec.chip = free_chip(kPe, 6, 2);
  spec.images = 5;
  const Case c = make_case(spec);
  ASSERT_GT(c.program.parts.back().at, 1);
  EXPECT_EQ(measure(c, 5), text_of(expect_chain(c), 5));
}

TEST(Pipeline, ThroughputIsOneOverTheSlowestStage) {
  // Strides make the positions, and widths the intervals, unequal: the first layer is the slowest
  // by far.
  CaseSpec spec;
  Builder b("funnel", {8, 8, 8});
  b.conv(
      "c0", b.last(), {.channels = 16, .kernel = 3, .padding = 1, .activation = Activation::relu});
  b.conv(
      "c1", b.last(), {.channels = 16, .kernel = 2, .stride = 2, .activation = Activation::relu});
  b.conv(
      "c2", b.last(), {.channels = 16, .kernel = 2, .stride = 2, .activation = Activation::relu});
  b.fc("head", b.last(), 10);
  spec.network = b.build();
  spec.chip = free_chip(kPe, 4, 16);
  spec.images = 6;
  const Case c = make_case(spec);
  std::int64_t slowest = 0;
  for (const ProgramStage& stage : c.program.stages) {
    if (stage.kind == StageKind::matrix) {
      slowest = std::max(slowest, stage.positions * cost_of(c, stage).interval.value);
    }
  }
  std::istringstream measured(measure(c, 6));
  std::int64_t value = 0;
  measured >> value;
  int intervals = 0;
  while (measured >> value) {
    EXPECT_EQ(value, slowest);
    ++intervals;
  }
  EXPECT_EQ(intervals, 5);
}

TEST(Pipeline, ReplicasDivideTheIntervalOfTheSlowestStage) {
  for (const int replicas : {1, 2, 3, 4}) {
    CaseSpec spec;
    Builder b("one", {6, 4, 16});
    b.conv("c0", b.last(), {.channels = 16, .kernel = 1, .activation = Activation::relu});
    spec.network = b.build();
    spec.chip = free_chip(kPe, 8, 2);
    spec.images = 4;
    spec.layers = {{8, 8, replicas}};
    const Case c = make_case(spec);
    const std::int64_t interval = cost_of(c, c.program.stages[1]).interval.value;
    std::istringstream measured(measure(c, 4));
    std::int64_t value = 0;
    measured >> value;
    while (measured >> value) {
      EXPECT_EQ(value, 24 / replicas * interval) << replicas << " replicas";
    }
  }
}

std::string chip_text(const std::string& name) {
  Diagnostics diagnostics;
  const config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR "/configs/chips/") + name, diagnostics);
  diagnostics.throw_if_any();
  return config::dump(root.get("chip"));
}

TEST(Isaac, OneResultTakes22PipelineCycles) {
  // Two layers that fill one array each, on one tile: the second starts 22 stages of 100 ns after
  // the first.
  CaseSpec spec;
  Builder b("isaac", {1, 1, 128});
  b.conv("c0", b.last(), {.channels = 16, .kernel = 1, .activation = Activation::sigmoid});
  b.conv("widen", b.last(), {.channels = 16, .kernel = 1, .activation = Activation::sigmoid});
  spec.network = b.build();
  spec.chip = chip_text("isaac.yaml");
  spec.layers = {{16, 16, 1}, {16, 16, 1}};
  const Case c = make_case(spec);
  const std::string verdict = in_child([&] {
    const RunStats stats = simulate(c, {});
    // Input and bus time of both layers are not the same (128 and 16 inputs): measure from the
    // operands' arrival.
    const auto& first = c.program.parts[1];
    const auto& second = c.program.parts[2];
    const std::int64_t width = 64;
    const auto bus = [&](const ProgramPart& part) {
      return (part.in_bits.value + width - 1) / width;
    };
    const std::int64_t operands_1 = stats.parts[1].first_start.value - bus(first);
    const std::int64_t operands_2 = stats.parts[2].first_start.value - bus(second);
    return fmt::format("{}", operands_2 - operands_1);
  });
  EXPECT_EQ(verdict, fmt::format("{}", 22 * 128))
      << "cycles of 1.28 GHz; a pipeline cycle is 128 of them";
}

}  // namespace
}  // namespace tessera::test
