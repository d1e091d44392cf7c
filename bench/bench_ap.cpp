// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of one associative processor: row-bits per second with real bits (a row-bit is one bit of
/// one instruction in one row), beats per second for time alone, instructions per second of the
/// closed form and of the verifier.
#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/base/rng.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace {

using namespace tessera;
using namespace tessera::arch::rtm_ap;

constexpr int kBits = 12;

/// Sums of 12 bits over 4-bit inputs, as one input channel of a ternary layer makes them.
Program sums(int additions) {
  Rng rng(1, "bench.ap");
  Program program;
  program.carry = 255;
  program.instructions.push_back(clear({0, 0, 64, false}, 255));
  for (int tap = 0; tap < 9; ++tap) {
    program.instructions.push_back(load({tap, 0, 4, false}, tap));
  }
  for (int k = 0; k < additions; ++k) {
    const Operand d{static_cast<int>(rng.uniform(9, 200)), 0, kBits, true};
    const Operand a{static_cast<int>(rng.uniform(0, 8)), 0, 4, false};
    program.instructions.push_back(rng.chance(0.5) ? add_in_place(d, a) : sub_in_place(d, a));
  }
  return program;
}

constexpr int kAdditions = 2000;

void BM_Ap_Kernel(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0));
  const Program program = sums(kAdditions);
  const std::vector<std::vector<std::int64_t>> inputs(
      9, std::vector<std::int64_t>(static_cast<std::size_t>(rows), 11));
  Array array(Geometry{}, Ports{}, rows);
  for (auto _ : state) {
    benchmark::DoNotOptimize(array.run(program, inputs));
  }
  state.counters["row-bits/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kAdditions * kBits * rows,
                         benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Ap_Kernel)->Arg(256)->Arg(49);

void BM_Ap_Totals(benchmark::State& state) {
  const Program program = sums(kAdditions);
  std::int64_t beats = 0;
  for (auto _ : state) {
    beats += totals(Spec{}, Clock{}, program, 256).beats;
  }
  state.counters["beats/s"] =
      benchmark::Counter(static_cast<double>(beats), benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Ap_Totals);

void BM_Ap_Cost(benchmark::State& state) {
  const Program program = sums(kAdditions);
  for (auto _ : state) {
    benchmark::DoNotOptimize(program_cost(Spec{}, Clock{}, program, 256));
  }
  state.counters["instructions/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * kAdditions, benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Ap_Cost);

void BM_Ap_Verify(benchmark::State& state) {
  const Program program = sums(kAdditions);
  for (auto _ : state) {
    benchmark::DoNotOptimize(verify(program, Geometry{}));
  }
  state.counters["instructions/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * kAdditions, benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Ap_Verify);

}  // namespace

BENCHMARK_MAIN();
