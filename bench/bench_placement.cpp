// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How long placing takes, and what it brings on the simulator. The time is that of placing alone.
///
/// Counters  hops      flit-hops of an image
///           busiest   flits of the busiest shared link, of an image
///           gap       of the flit-hops over the bound of the tile permutation
///           latency   simulated cycles of the first of three images
///           interval  simulated cycles between the last two
#include "arch/chip/chip.hpp"
#include "mapper/lower.hpp"
#include "mapper/place.hpp"
#include "mapper/placement/placement.hpp"
#include "sim/base/config.hpp"
#include "sim/engine/simulation.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace tessera {
namespace {

struct Problem {
  const char* chip;
  const char* network;
  int bits;
  int replicas = 1;      ///< of layers with at least 500 positions
  const char* set = "";  ///< one override of the chip
};

struct Times {
  double latency = 0;
  double interval = 0;
};

/// Simulates in a child, because SystemC is elaborated once per process.
Times simulate(const Network& network, const arch::chip::Chip& chip, const Mapping& mapping) {
  std::array<int, 2> fds{};
  if (pipe(fds.data()) != 0) {
    std::abort();
  }
  const pid_t child = fork();
  if (child == 0) {
    constexpr std::int64_t kImages = 3;
    Diagnostics diagnostics;
    const Program program =
        mapper::lower(network, mapping, chip, {Granularity::pixel, kImages, false}, diagnostics);
    RunOptions options;
    options.images = kImages;
    const RunStats stats = engine::simulate(program, network, chip, options);
    const Times times{static_cast<double>((stats.image_out[0] - stats.image_in[0]).value),
                      static_cast<double>((stats.image_out[2] - stats.image_out[1]).value)};
    _exit(write(fds[1], &times, sizeof times) == sizeof times ? 0 : 1);
  }
  close(fds[1]);
  Times times;
  if (read(fds[0], &times, sizeof times) != sizeof times) {
    times = {};
  }
  close(fds[0]);
  waitpid(child, nullptr, 0);
  return times;
}

void placement(benchmark::State& state, const Problem& problem, mapper::PlacementMethod method) {
  Diagnostics diagnostics;
  config::Node root = config::load(problem.chip, diagnostics);
  if (*problem.set != 0) {
    config::apply_set(root, problem.set, diagnostics);
  }
  const arch::chip::Chip chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  Network network = zoo(problem.network);
  quantize(network, LayerBits{problem.bits, problem.bits});
  auto request = mapper::uniform_request(network, {problem.bits, problem.bits, 1});
  const std::vector<LayerId> layers = matrix_layers(network);
  for (std::size_t m = 0; m < layers.size(); ++m) {
    if (network.layer(layers[m]).out.positions() >= 500) {
      request.layers[m].replicas = problem.replicas;
    }
  }
  const Mapping start = mapper::place(network, chip, request, Granularity::pixel, diagnostics);
  diagnostics.throw_if_any();
  mapper::PlacementReport report;
  Mapping mapping;
  for (auto _ : state) {
    mapping = mapper::optimise_placement(
        network, chip, start, Granularity::pixel, {.method = method}, &report);
  }
  const Times times = simulate(network, chip, mapping);
  state.counters["hops"] = static_cast<double>(report.flit_hops);
  state.counters["busiest"] = static_cast<double>(report.busiest_flits);
  state.counters["gap"] = report.gap();
  state.counters["any"] = static_cast<double>(report.bound_any);
  state.counters["latency"] = times.latency;
  state.counters["interval"] = times.interval;
}

void register_all() {
  const auto add = [](const std::string& name, const Problem& problem) {
    for (const auto& [method, word] : enum_names(mapper::PlacementMethod{})) {
      benchmark::RegisterBenchmark(fmt::format("{}/{}", name, word).c_str(),
                                   [problem, method = method](benchmark::State& state) {
                                     placement(state, problem, method);
                                   })
          ->Unit(benchmark::kMillisecond)
          ->Iterations(1);
    }
  };
  constexpr const char* kLrmp = "configs/chips/lrmp.yaml";
  constexpr const char* kIsaac = "configs/chips/isaac.yaml";
  add("resnet18/lrmp", {kLrmp, "resnet18", 8});
  add("resnet18/lrmp/5_replicas", {kLrmp, "resnet18", 4, 5});
  add("resnet101/lrmp", {kLrmp, "resnet101", 8});
  add("vgg16/isaac",
      {kIsaac, "vgg16", 16, 1, "chip={tiles: 708, fabric: {width: 15, height: 12}}"});
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
