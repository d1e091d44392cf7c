// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of the reinforcement learning in the mapper: updates per second of an agent of HAQ's size,
/// and what an episode of lrmp costs after the warm-up, inner solver included, on a synthetic
/// table.
#include "mapper/milp/replication.hpp"
#include "mapper/rl/search.hpp"
#include "tests/support/rl_toy.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>
#include <vector>

namespace {

using namespace tessera;
using namespace tessera::mapper;
using namespace tessera::mapper::rl;

constexpr int kResNet18Layers = 21;
constexpr int kWarmup = 22;

void BM_Update(benchmark::State& state, const std::string& algorithm) {
  AgentOptions options;
  options.layers = kResNet18Layers;
  const auto agent = make_agent(algorithm, options);
  Rng rng(1, "bench");
  std::vector<Step> steps(std::size_t{2} * kResNet18Layers);
  for (int episode = 0; episode <= options.exploration.warmup; ++episode) {
    agent->begin_episode(episode);
    for (Step& step : steps) {
      for (float& feature : step.state) {
        feature = static_cast<float>(rng.uniform01());
      }
      step.action = agent->act(step.state);
    }
    agent->finish_episode(steps, rng.uniform01());
  }
  for (auto _ : state) {
    agent->update();
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_Episode(benchmark::State& state, const std::string& name) {
  const Network network = zoo(name);
  const Problem problem = problem_of(network);
  TableSource source(problem);
  EnvironmentOptions options;
  options.widths = lrmp_widths();
  options.budget.pes = problem.pes;
  const auto environment =
      make_lrmp(problem, source, options, {}, [&](const std::vector<int>& choice) {
        return milp::replicate_fast(problem, choice, options.budget, options.objective).replicas;
      });
  AgentOptions agent_options;
  agent_options.layers = static_cast<int>(problem.layers.size());
  const auto agent = make_ddpg(agent_options);
  RlSearch search(
      problem, normalize(count_features(network, LayerTypes::haq)), *environment, *agent, {});
  for (int i = 0; i < kWarmup; ++i) {
    search.run_episode();
  }
  for (auto _ : state) {
    search.run_episode();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(BM_Update, ddpg, "ddpg")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Update, td3, "td3")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Episode, resnet18, "resnet18")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Episode, resnet101, "resnet101")->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
