// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of the compiler of associative processors: all layers of a network, ternary weights with
/// 80 % zeros, 4-bit activations. Counters: operations before and after the elimination of common
/// pairs, instructions, programs.
#include "arch/rtm_ap/compiler/compile.hpp"
#include "workloads/quantize.hpp"
#include "workloads/ternary.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using namespace tessera;
namespace ap = tessera::arch::rtm_ap;

constexpr std::array<const char*, 4> kNetworks{"resnet20", "vgg9", "vgg11", "resnet18"};

/// `block_inputs` 0 lets the compiler compare block sizes.
void BM_Compile(benchmark::State& state) {
  Network network = zoo(kNetworks.at(static_cast<std::size_t>(state.range(0))));
  state.SetLabel(network.name);
  quantize(network, {2, 4});
  std::vector<ap::LayerTask> tasks;
  for (const LayerId id : matrix_layers(network)) {
    tasks.push_back(ap::layer_task(network, id, ternary_parameters(network, id, 1, 0.8)));
  }
  ap::CompileOptions options;
  options.block_inputs = static_cast<int>(state.range(1));
  std::int64_t unrolled = 0;
  std::int64_t operations = 0;
  std::int64_t instructions = 0;
  std::int64_t programs = 0;
  for (auto _ : state) {
    unrolled = operations = instructions = programs = 0;
    for (const ap::LayerTask& task : tasks) {
      const ap::CompiledLayer layer = ap::compile(task, ap::Geometry{}, options);
      unrolled += layer.unrolled();
      operations += layer.operations();
      for (const ap::CompiledPart& part : layer.parts) {
        instructions += static_cast<std::int64_t>(part.program.instructions.size());
        ++programs;
      }
    }
  }
  state.counters["unrolled"] = static_cast<double>(unrolled);
  state.counters["operations"] = static_cast<double>(operations);
  state.counters["instructions"] = static_cast<double>(instructions);
  state.counters["programs"] = static_cast<double>(programs);
}

BENCHMARK(BM_Compile)
    ->ArgsProduct({{0, 1, 2, 3}, {0, 9}})
    ->ArgNames({"network", "block"})
    ->Unit(benchmark::kSecond)
    ->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
