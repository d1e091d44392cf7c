// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of what a search stands on: a network's tables of costs and of sensitivities, the
/// evaluation of one candidate, and the heuristics for replicas at 6/6 bits in the network's own
/// 8-bit area. Counters: gain over one replica per layer. Run from the repository's root.
#include "arch/chip/chip.hpp"
#include "mapper/accuracy/sqnr.hpp"
#include "mapper/cost_table.hpp"
#include "mapper/search/baselines.hpp"
#include "sim/base/config.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace {

using namespace tessera;
using namespace tessera::mapper;

constexpr std::array<const char*, 2> kNetworks{"resnet18", "resnet101"};

void BM_Sensitivity(benchmark::State& state) {
  const Network network = zoo(kNetworks.at(static_cast<std::size_t>(state.range(0))));
  state.SetLabel(network.name);
  for (auto _ : state) {
    benchmark::DoNotOptimize(noise_of(synthetic_signals(network, 1)));
  }
}

struct Case {
  explicit Case(const std::string& name) {
    Diagnostics diagnostics;
    const config::Node root = config::load("configs/chips/lrmp.yaml", diagnostics);
    const arch::chip::Chip chip = arch::chip::make_chip(root.get("chip"), diagnostics);
    problem = make_problem(zoo(name), chip, Granularity::pixel, CostModel::array, {}, diagnostics);
    diagnostics.throw_if_any();
    budget.pes = pes_of(problem, uniform_solution(problem, 8, 8).choice);
    start = uniform_solution(problem, 6, 6);
  }

  Problem problem;
  Budget budget;
  Solution start;
};

template <class Heuristic>
void run(benchmark::State& state, Objective objective, const Heuristic& heuristic) {
  const Case x(kNetworks.at(static_cast<std::size_t>(state.range(0))));
  state.SetLabel(x.problem.network);
  Solution answer;
  for (auto _ : state) {
    answer = heuristic(x);
  }
  state.counters["gain"] =
      evaluate(x.problem, x.start).value(objective) / evaluate(x.problem, answer).value(objective);
}

void BM_Balance(benchmark::State& state) {
  run(state, Objective::throughput, [](const Case& x) {
    return balance(x.problem, x.start.choice, x.budget);
  });
}

void BM_Anneal(benchmark::State& state) {
  const auto objective = static_cast<Objective>(state.range(1));
  run(state, objective, [&](const Case& x) {
    return anneal(x.problem, x.start.choice, x.budget, objective, 1);
  });
}

void BM_Evolve(benchmark::State& state) {
  const auto objective = static_cast<Objective>(state.range(1));
  run(state, objective, [&](const Case& x) {
    return evolve(x.problem, x.start.choice, x.budget, objective, 1);
  });
}

/// One candidate without placement: what an episode or a move of a search costs.
void BM_Evaluate(benchmark::State& state) {
  const Case x(kNetworks.at(static_cast<std::size_t>(state.range(0))));
  state.SetLabel(x.problem.network);
  for (auto _ : state) {
    benchmark::DoNotOptimize(evaluate(x.problem, x.start));
  }
}

/// The table that makes that possible: every layer at 49 pairs of widths.
void BM_CostTable(benchmark::State& state) {
  const std::string name = kNetworks.at(static_cast<std::size_t>(state.range(0)));
  state.SetLabel(name);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Case(name).problem.layers.size());
  }
}

/// Args: network, objective (0 latency, 1 throughput).
BENCHMARK(BM_Sensitivity)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Evaluate)->Arg(0)->Arg(1);
BENCHMARK(BM_CostTable)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Balance)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Anneal)->ArgsProduct({{0, 1}, {0, 1}})->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Evolve)->ArgsProduct({{0, 1}, {0, 1}})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
