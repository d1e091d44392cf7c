// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of the reinforcement learning in the mapper: updates per second of an agent of HAQ's size,
/// and what an episode of lrmp costs after the warm-up on a synthetic table. The inner solver is a
/// rule of a few lines, so its time is not in these numbers.
#include "mapper/rl/search.hpp"
#include "tests/support/rl_toy.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
  std::vector<Step> steps(2 * kResNet18Layers);
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

/// Replicas in proportion to sqrt(time / PEs), which minimises the sum of times when fractions are
/// allowed, scaled until they fit.
std::vector<std::int64_t> square_root_rule(const Problem& problem, const std::vector<int>& choice) {
  std::vector<double> share;
  double total = 0;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    const Choice& c = layer.choices[static_cast<std::size_t>(choice[l])];
    const double time = c.per_position * static_cast<double>(layer.positions);
    share.push_back(std::sqrt(time / static_cast<double>(c.pes)));
    total += std::sqrt(time * static_cast<double>(c.pes));
  }
  Solution out{choice, std::vector<std::int64_t>(choice.size(), 1)};
  std::int64_t pes = std::numeric_limits<std::int64_t>::max();
  for (double scale = static_cast<double>(problem.pes) / total; pes > problem.pes; scale *= 0.95) {
    pes = 0;
    for (std::size_t l = 0; l < choice.size(); ++l) {
      const ProblemLayer& layer = problem.layers[l];
      out.replicas[l] = std::clamp(
          static_cast<std::int64_t>(scale * share[l]), std::int64_t{1}, layer.max_replicas);
      pes += out.replicas[l] * layer.choices[static_cast<std::size_t>(choice[l])].pes;
    }
  }
  return out.replicas;
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
        return square_root_rule(problem, choice);
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
