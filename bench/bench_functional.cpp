// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The chip's arithmetic without time, against what the machine could do at most. Times are those
/// of the processor.
///
/// Counters  Gcell/s      cells read per second of run(): 64 per word of an AND and a bit count
///           of_popcount  the same as a share of what the machine's widest population-count
///                        instruction does on registers, same run
///           of_memory    the least memory traffic (every cell once per image) as a share of the
///                        memory bandwidth, same run
///           load_s       programming the arrays, once
#include "arch/chip/chip.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "sim/base/config.hpp"
#include "sim/base/isa.hpp"
#include "sim/functional/executor.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <ctime>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {
namespace {

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Shortest processor time of three calls.
template <class F>
double seconds_of(const F& f) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = processor_seconds();
    f();
    best = std::min(best, processor_seconds() - begin);
  }
  return best;
}

constexpr std::int64_t kWords = std::int64_t{1} << 28;

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512vpopcntdq"), gnu::noinline]] void count_avx512() {
  // NOLINTNEXTLINE(modernize-avoid-c-arrays): std::array drops the attributes of __m512i
  __m512i chains[8] = {};
  for (std::int64_t i = 0; i < kWords; i += 64) {
    for (__m512i& chain : chains) {
      chain = _mm512_popcnt_epi64(chain);
      benchmark::DoNotOptimize(chain);
    }
  }
}

[[gnu::target("popcnt"), gnu::noinline]] void count_scalar() {
  std::array<std::uint64_t, 8> chains{};
  for (std::int64_t i = 0; i < kWords; i += 8) {
    for (std::uint64_t& chain : chains) {
      chain = static_cast<std::uint64_t>(__builtin_popcountll(chain));
      benchmark::DoNotOptimize(chain);
    }
  }
}
#endif

/// Words per second whose bits this machine can count.
double popcount_limit() {
#if defined(__x86_64__)
  if (best_isa() >= Isa::avx512_pop) {
    return static_cast<double>(kWords) / seconds_of(count_avx512);
  }
  if (best_isa() >= Isa::avx2) {
    return static_cast<double>(kWords) / seconds_of(count_scalar);
  }
#endif
  return 0;
}

/// Bytes per second that one core reads from memory.
double memory_limit() {
  const std::vector<std::uint64_t> words(std::size_t{1} << 26, 1);
  const double seconds = seconds_of([&] {
    benchmark::DoNotOptimize(std::accumulate(words.begin(), words.end(), std::uint64_t{0}));
  });
  return static_cast<double>(words.size()) * 8 / seconds;
}

struct Run {
  int size = 128;  ///< rows and columns of an array
  int adc_bits = 0;
  Fidelity fidelity = Fidelity::clipping;
  std::string nonideal;
};

void image(benchmark::State& state, const Run& run) {
  Diagnostics diagnostics;
  const config::Node root = config::parse(
      fmt::format("{{name: bench, clock: 1 GHz, tiles: 1024, tile: {{pes: 8, pe: {{kind: crossbar, "
                  "rows: {0}, columns: {0}, cell_bits: 1, dac_bits: 1, adc_bits: {1}, adcs: 1, "
                  "t_adc: 1 ns, weight_mapping: twos_complement_planes, "
                  "slice_placement: adjacent_columns, nonideal: {{{2}}}}}, "
                  "buffer: {{unbounded: true}}}}, fabric: {{topology: ideal}}}}",
                  run.size,
                  run.adc_bits,
                  run.nonideal),
      "chip",
      diagnostics);
  const arch::chip::Chip chip = arch::chip::make_chip(root, diagnostics);
  diagnostics.throw_if_any();
  Network network = zoo("resnet18");
  quantize(network, LayerBits{8, 8});
  const Mapping mapping = mapper::make_mapping(
      network, chip, mapper::uniform_request(network, {8, 8, 1}), Granularity::pixel, diagnostics);
  diagnostics.throw_if_any();
  const Program program =
      mapper::lower(network, mapping, chip, {Granularity::pixel, 1, false}, diagnostics);
  diagnostics.throw_if_any();

  const NetworkData data = synthetic_data(network, 1);
  const std::vector<std::int32_t> input = data.input(0);
  const double begin = processor_seconds();
  functional::Executor executor(program, network, chip, run.fidelity, data, 1);
  const double load = processor_seconds() - begin;
  double seconds = 0;
  for (auto _ : state) {
    const double start = processor_seconds();
    benchmark::DoNotOptimize(executor.run(input, 0));
    seconds += processor_seconds() - start;
  }
  seconds /= static_cast<double>(state.iterations());
  double cells = 0;
  double bytes = 0;
  for (const functional::LayerPath& path : executor.paths()) {
    if (path.path == functional::Path::conversions) {
      const MatrixShape m = matrix_shape(network, path.layer);
      cells += static_cast<double>(m.macs()) * 8 * 8;
      bytes += static_cast<double>(m.rows * m.cols * m.groups);
    }
  }
  state.counters["user_s"] = seconds;
  state.counters["load_s"] = load;
  if (cells > 0) {
    state.counters["Gcell/s"] = cells / seconds * 1e-9;
    state.counters["of_popcount"] = cells / 64 / seconds / popcount_limit();
    state.counters["of_memory"] = bytes / memory_limit() / seconds;
  }
}

void register_all() {
  const auto add = [](const char* name, const Run& run) {
    benchmark::RegisterBenchmark(name, [run](benchmark::State& state) { image(state, run); })
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
  };
  add("resnet18/128x128/adc5", {128, 5, Fidelity::clipping, ""});
  add("resnet18/256x256/adc6", {256, 6, Fidelity::clipping, ""});
  add("resnet18/128x128/exact", {128, 8, Fidelity::clipping, ""});
  add("resnet18/128x128/variation", {128, 8, Fidelity::physical, "variation: 0.1"});
  add("resnet18/128x128/read_noise", {128, 8, Fidelity::physical, "read_noise: 0.5"});
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  tessera::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
