// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Macro benchmarks of the engine: whole simulations, each in a process of its own, and a
/// comparison by the whole program.
///
/// Counters  act/firing   SystemC activations per firing of a lockstep group
///           vs_empty     wall time over that of as many empty activations among as many processes,
///           same run MiB          peak resident memory Mcycles/s    simulated cycles per second
///           Mocc/s       resource occupations per second (step mode)
#include "arch/chip/chip.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "sim/base/config.hpp"
#include "sim/engine/simulation.hpp"
#include "sim/trace/chrome_trace.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

namespace tessera {
namespace {

struct Run {
  const char* chip;
  const char* network;
  int bits;
  const char* set = "";  ///< one override of the chip
  Detail detail = Detail::firing;
  bool trace = false;
};

struct Measured {
  double lower_seconds = 0;
  double seconds = 0;
  double activations = 0;
  double firings = 0;
  double cycles = 0;
  double occupations = 0;
  double mebibytes = 0;
  double processes = 0;
};

/// Runs `f` in a child and returns what it wrote.
template <class T>
T in_child(const std::function<T()>& f) {
  std::array<int, 2> fds{};
  if (pipe(fds.data()) != 0) {
    std::abort();
  }
  const pid_t child = fork();
  if (child == 0) {
    const T value = f();
    const ssize_t done = write(fds[1], &value, sizeof value);
    _exit(done == sizeof value ? 0 : 1);
  }
  close(fds[1]);
  T value{};
  const ssize_t got = read(fds[0], &value, sizeof value);
  close(fds[0]);
  waitpid(child, nullptr, 0);
  return got == sizeof value ? value : T{};
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Measured measure(const Run& run) {
  Diagnostics diagnostics;
  const double begin = now();
  config::Node root = config::load(run.chip, diagnostics);
  if (*run.set != 0) {
    config::apply_set(root, run.set, diagnostics);
  }
  const arch::chip::Chip chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  diagnostics.throw_if_any();
  Network network = zoo(run.network);
  quantize(network, LayerBits{run.bits, run.bits});
  const auto request = mapper::uniform_request(network, {run.bits, run.bits, 1});
  const Mapping mapping =
      mapper::make_mapping(network, chip, request, Granularity::pixel, diagnostics);
  diagnostics.throw_if_any();
  const Program program =
      mapper::lower(network, mapping, chip, {Granularity::pixel, 1, false}, diagnostics);
  diagnostics.throw_if_any();
  RunOptions options;
  options.detail = run.detail;
  std::unique_ptr<trace::ChromeTrace> sink;
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("tessera_bench_{}.json", getpid());
  if (run.trace) {
    sink = std::make_unique<trace::ChromeTrace>(file.string(), chip.clock);
    options.trace = sink.get();
  }
  Measured m;
  m.lower_seconds = now() - begin;
  const RunStats stats = engine::simulate(program, network, chip, options);
  m.seconds = now() - begin;
  std::filesystem::remove(file);
  m.activations = static_cast<double>(stats.sc_activations);
  m.firings = static_cast<double>(stats.pe_firings);
  m.cycles = static_cast<double>(stats.end.value);
  m.occupations = static_cast<double>(stats.occupations);
  m.processes = program.endpoints() + 1;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  m.mebibytes = static_cast<double>(usage.ru_maxrss) / 1024;
  return m;
}

void simulation(benchmark::State& state, const Run& run) {
  Measured last;
  double ratio = 0;
  for (auto _ : state) {
    last = in_child<Measured>([&] { return measure(run); });
    const auto empty = in_child<double>([&] {
      return engine::empty_activation_seconds(static_cast<int>(last.processes),
                                              static_cast<std::int64_t>(last.activations));
    });
    ratio = last.seconds / (empty * last.activations);
    state.SetIterationTime(last.seconds);
  }
  state.counters["act/firing"] = last.activations / last.firings;
  state.counters["vs_empty"] = ratio;
  state.counters["MiB"] = last.mebibytes;
  state.counters["Mcycles/s"] = last.cycles / last.seconds * 1e-6;
  if (run.detail == Detail::step) {
    state.counters["Mocc/s"] = last.occupations / last.seconds * 1e-6;
  }
}

/// The whole program with these arguments, results and all.
void program(benchmark::State& state, const std::string& arguments) {
  const std::filesystem::path out =
      std::filesystem::temp_directory_path() / fmt::format("tessera_bench_{}", getpid());
  const std::string command =
      fmt::format("'{}' {} --quiet --out '{}'", TESSERA_PROGRAM, arguments, out.string());
  for (auto _ : state) {
    const double begin = now();
    if (std::system(command.c_str()) != 0) {
      state.SkipWithError("the program failed");
    }
    state.SetIterationTime(now() - begin);
  }
  std::filesystem::remove_all(out);
}

void register_all() {
  const auto add = [](const char* name, const Run& run) {
    benchmark::RegisterBenchmark(name, [run](benchmark::State& state) { simulation(state, run); })
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
  };
  constexpr const char* kLrmp = "configs/chips/lrmp.yaml";
  constexpr const char* kIsaac = "configs/chips/isaac.yaml";
  constexpr const char* kSmall = "configs/chips/small.yaml";
  add("resnet18/lrmp", {kLrmp, "resnet18", 8});
  add("resnet18/lrmp/trace", {kLrmp, "resnet18", 8, "", Detail::firing, true});
  add("resnet101/lrmp", {kLrmp, "resnet101", 8});
  add("vgg16/isaac", {kIsaac, "vgg16", 16, "chip={tiles: 720, fabric: {width: 15, height: 12}}"});
  add("vgg16/rapidnn", {"configs/chips/rapidnn.yaml", "vgg16", 4});
  add("lenet5/1000_tiles_100000_pes",
      {kLrmp, "lenet5", 8, "chip={tiles: 1000, tile: {pes: 100}, fabric: {width: 0, height: 0}}"});
  add("lenet5/50000_tiles_100000_pes",
      {kLrmp, "lenet5", 8, "chip={tiles: 50000, tile: {pes: 2}, fabric: {width: 0, height: 0}}"});
  add("tiny_cnn/small/step", {kSmall, "tiny_cnn", 4, "", Detail::step});
  add("lenet5/lrmp/step", {kLrmp, "lenet5", 8, "", Detail::step});
  benchmark::RegisterBenchmark("compare/mnist_mlp/isaac_rapidnn",
                               [](benchmark::State& state) {
                                 program(
                                     state,
                                     "compare configs/experiments/isaac_for_rapidnn_mnist_mlp.yaml "
                                     "configs/experiments/rapidnn_mnist_mlp.yaml");
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->Iterations(3);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
