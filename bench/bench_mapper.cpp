// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of the mapper's exact and bounded optimisers on LRMP's tile-read model, each network in
/// the area of its own 8 bit; relative gap 1e-3. Counters: gap is proven, columns are those that
/// GLPK sees.
#include "mapper/milp/joint.hpp"
#include "mapper/milp/replication.hpp"
#include "tests/support/tile_read.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

namespace {

using namespace tessera;
using namespace tessera::mapper;
using namespace tessera::mapper::milp;

constexpr std::array<const char*, 5> kNetworks = {
    "mlp", "resnet18", "resnet34", "resnet50", "resnet101"};

struct Case {
  Problem problem;
  std::vector<int> choice;
  Budget budget;
};

/// Args of the benchmark: network, bits.
Case make_case(const benchmark::State& state) {
  const std::string network = kNetworks[static_cast<std::size_t>(state.range(0))];
  const auto bits = static_cast<int>(state.range(1));
  Case out;
  out.problem = test::tile_read_problem(network, {bits});
  out.choice = uniform_solution(out.problem, bits, bits).choice;
  out.budget.pes = out.problem.pes;
  return out;
}

void show(benchmark::State& state, const SolverReport& report) {
  state.SetLabel(kNetworks[static_cast<std::size_t>(state.range(0))] + (" " + report.solver) +
                 (report.limit_hit ? ", limit hit" : ""));
  state.counters["gap"] = report.gap;
  state.counters["columns"] = static_cast<double>(report.variables);
}

void replicate(benchmark::State& state, Objective objective, bool reduce) {
  const Case one = make_case(state);
  ReplicationOptions options;
  options.reduce = reduce;
  SolverReport report;
  for (auto _ : state) {
    report = replicate_milp(one.problem, one.choice, one.budget, objective, options).report;
  }
  show(state, report);
}

void BM_Milp_Latency(benchmark::State& state) {
  replicate(state, Objective::latency, true);
}

void BM_Milp_Throughput(benchmark::State& state) {
  replicate(state, Objective::throughput, true);
}

/// The formulations alone: no start, no bound, the first 64 counts.
void BM_Milp_LatencyAlone(benchmark::State& state) {
  replicate(state, Objective::latency, false);
}

void BM_Milp_ThroughputAlone(benchmark::State& state) {
  replicate(state, Objective::throughput, false);
}

void fast(benchmark::State& state, Objective objective) {
  const Case one = make_case(state);
  SolverReport report;
  for (auto _ : state) {
    report = replicate_fast(one.problem, one.choice, one.budget, objective).report;
  }
  show(state, report);
}

void BM_Fast_Latency(benchmark::State& state) {
  fast(state, Objective::latency);
}

void BM_Fast_Throughput(benchmark::State& state) {
  fast(state, Objective::throughput);
}

/// All pairs of 2 to 8 bits; the loss of 6 / 6 is allowed.
template <typename Solve>
void joint(benchmark::State& state, Solve&& solve) {
  Problem problem = test::tile_read_problem(kNetworks[static_cast<std::size_t>(state.range(0))],
                                            {2, 3, 4, 5, 6, 7, 8});
  test::add_synthetic_loss(problem);
  const Budget budget{problem.pes, evaluate(problem, uniform_solution(problem, 6, 6)).loss};
  const auto objective = static_cast<Objective>(state.range(1));
  SolverReport report;
  for (auto _ : state) {
    report = solve(problem, budget, objective).report;
  }
  show(state, report);
}

void BM_Joint_Lagrangian(benchmark::State& state) {
  joint(state, [](const Problem& problem, const Budget& budget, Objective objective) {
    return joint_lagrangian(problem, budget, objective);
  });
}

void BM_Joint_Milp(benchmark::State& state) {
  joint(state, [](const Problem& problem, const Budget& budget, Objective objective) {
    return joint_milp(problem, budget, objective);
  });
}

void networks_and_bits(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{0, 1, 2, 3, 4}, {4, 5, 6, 7}})->Unit(benchmark::kMillisecond);
}

void networks_and_objectives(benchmark::internal::Benchmark* bench) {
  bench
      ->ArgsProduct(
          {{0, 1, 2, 3, 4},
           {static_cast<int>(Objective::latency), static_cast<int>(Objective::throughput)}})
      ->Unit(benchmark::kMillisecond);
}

void resnet101(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{4}, {4, 5, 6, 7}})->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Milp_Latency)->Apply(networks_and_bits);
BENCHMARK(BM_Milp_Throughput)->Apply(networks_and_bits);
BENCHMARK(BM_Milp_LatencyAlone)->Apply(networks_and_bits)->Iterations(1);
BENCHMARK(BM_Milp_ThroughputAlone)->Apply(networks_and_bits)->Iterations(1);
BENCHMARK(BM_Fast_Latency)->Apply(resnet101);
BENCHMARK(BM_Fast_Throughput)->Apply(resnet101);
BENCHMARK(BM_Joint_Lagrangian)->Apply(networks_and_objectives);
BENCHMARK(BM_Joint_Milp)->Apply(networks_and_objectives);

}  // namespace

BENCHMARK_MAIN();
