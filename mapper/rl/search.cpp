// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/search.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <istream>
#include <iterator>
#include <ostream>
#include <string_view>
#include <utility>

namespace tessera::mapper::rl {
namespace {

constexpr std::string_view kMagic = "tessera rl search\n";
constexpr std::uint32_t kVersion = 1;

void describe(const Problem& problem, ByteWriter& out) {
  out.text(problem.network);
  out.text(problem.chip);
  out.put(problem.pes);
  out.put(static_cast<unsigned char>(problem.whole_rounds));
  for (const double number : {problem.fixed_latency,
                              problem.fixed_interval,
                              problem.fixed_energy,
                              problem.static_power}) {
    out.put(number);
  }
  for (const ProblemLayer& layer : problem.layers) {
    out.text(layer.name);
    out.put(layer.positions);
    out.put(layer.max_replicas);
    for (const Choice& choice : layer.choices) {
      out.put(choice.w_bits);
      out.put(choice.a_bits);
      out.put(choice.pes);
      for (const double number : {choice.fixed, choice.per_position, choice.energy, choice.loss}) {
        out.put(number);
      }
      for (const double use : choice.uses) {
        out.put(use);
      }
    }
  }
}

void save_episode(const Episode& episode, ByteWriter& out) {
  const Outcome& o = episode.outcome;
  out.list(o.solution.choice);
  out.list(o.solution.replicas);
  for (const double number : {episode.sigma,
                              o.evaluation.latency,
                              o.evaluation.interval,
                              o.evaluation.energy,
                              o.evaluation.loss,
                              o.value,
                              o.target,
                              o.reward}) {
    out.put(number);
  }
  out.put(o.evaluation.pes);
  out.put(static_cast<unsigned char>(o.is_feasible));
}

Episode load_episode(ByteReader& in) {
  Episode episode;
  Outcome& o = episode.outcome;
  o.solution.choice = in.list<int>();
  o.solution.replicas = in.list<std::int64_t>();
  for (double* const number : {&episode.sigma,
                               &o.evaluation.latency,
                               &o.evaluation.interval,
                               &o.evaluation.energy,
                               &o.evaluation.loss,
                               &o.value,
                               &o.target,
                               &o.reward}) {
    *number = in.get<double>();
  }
  o.evaluation.pes = in.get<std::int64_t>();
  o.is_feasible = in.get<unsigned char>() != 0;
  return episode;
}

}  // namespace

RlSearch::RlSearch(const Problem& problem,
                   std::vector<FeatureRow> features,
                   Environment& environment,
                   Agent& agent,
                   const RlOptions& options)
    : problem_(problem),
      features_(std::move(features)),
      environment_(environment),
      agent_(agent),
      options_(options) {
  if (features_.size() != problem.layers.size()) {
    throw InternalError(
        "mapper/rl",
        -1,
        fmt::format("{} rows of features for {} layers", features_.size(), problem.layers.size()));
  }
}

const Episode& RlSearch::run_episode() {
  Episode episode;
  episode.episode = static_cast<int>(outcome_.episodes.size());
  agent_.begin_episode(episode.episode);
  episode.sigma = agent_.sigma();
  std::vector<Step> steps;
  std::vector<LayerBits> bits(features_.size());
  double previous = 1;
  for (std::size_t l = 0; l < bits.size(); ++l) {
    for (const bool is_weights : {true, false}) {
      Step step;
      step.state = state_of(features_[l], previous, is_weights);
      step.action = agent_.act(step.state);
      const int width = environment_.bits_of(l, is_weights, step.action);
      (is_weights ? bits[l].w_bits : bits[l].a_bits) = width;
      previous = static_cast<double>(width) / environment_.max_bits();
      steps.push_back(step);
    }
  }
  const double progress =
      options_.episodes > 1 ? static_cast<double>(episode.episode) / (options_.episodes - 1) : 0;
  episode.outcome = environment_.finish(progress, std::move(bits));
  if (!std::isfinite(episode.outcome.reward)) {
    throw InternalError("mapper/rl", -1, "a reward is not finite");
  }
  agent_.finish_episode(steps, episode.outcome.reward);
  record(std::move(episode));
  return outcome_.episodes.back();
}

void RlSearch::record(Episode episode) {
  const int number = episode.episode;
  outcome_.episodes.push_back(std::move(episode));
  const Outcome& newest = outcome_.outcome(number);
  if (outcome_.best < 0 || newest.reward > outcome_.outcome(outcome_.best).reward) {
    outcome_.best = number;
  }
  std::vector<int>& kept = outcome_.candidates;
  const auto is_same = [&](int other) {
    return outcome_.outcome(other).solution == newest.solution;
  };
  if (!newest.is_feasible || std::any_of(kept.begin(), kept.end(), is_same)) {
    return;
  }
  const auto place =
      std::upper_bound(kept.begin(), kept.end(), newest.value, [&](double value, int other) {
        return value < outcome_.outcome(other).value;
      });
  kept.insert(place, number);
  if (std::ssize(kept) > options_.keep) {
    kept.pop_back();
  }
}

std::uint64_t RlSearch::fingerprint() const {
  ByteWriter out;
  describe(problem_, out);
  for (const FeatureRow& row : features_) {
    out.list(std::span<const double>(row));
  }
  out.text(environment_.name());
  environment_.describe(out);
  out.text(agent_.name());
  agent_.describe(out);
  out.put(options_.episodes);
  out.put(options_.keep);
  return fnv1a(out.bytes());
}

bool RlSearch::is_valid(const Solution& solution) const {
  if (solution.choice.size() != problem_.layers.size() ||
      solution.replicas.size() != problem_.layers.size()) {
    return false;
  }
  for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
    const ProblemLayer& layer = problem_.layers[l];
    if (solution.choice[l] < 0 || solution.choice[l] >= std::ssize(layer.choices) ||
        solution.replicas[l] < 1 || solution.replicas[l] > layer.max_replicas) {
      return false;
    }
  }
  return true;
}

void RlSearch::save(std::ostream& out) const {
  ByteWriter body;
  body.put(static_cast<std::uint64_t>(outcome_.episodes.size()));
  for (const Episode& episode : outcome_.episodes) {
    save_episode(episode, body);
  }
  agent_.save(body);
  ByteWriter head;
  head.put(kVersion);
  head.put(fingerprint());
  head.put(fnv1a(body.bytes()));
  out << kMagic << head.bytes() << body.bytes();
}

std::optional<std::string> RlSearch::load(std::istream& in) {
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  std::string_view bytes = all;
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return "this is no checkpoint of a search";
  }
  bytes.remove_prefix(kMagic.size());
  ByteReader head(bytes);
  const auto version = head.get<std::uint32_t>();
  const auto experiment = head.get<std::uint64_t>();
  const auto digest = head.get<std::uint64_t>();
  if (!head.ok()) {
    return "the checkpoint is truncated";
  }
  if (version != kVersion) {
    return fmt::format(
        "the checkpoint has version {}, this program reads version {}", version, kVersion);
  }
  bytes.remove_prefix(sizeof version + sizeof experiment + sizeof digest);
  if (fnv1a(bytes) != digest) {
    return "the checkpoint is truncated or altered";
  }
  if (experiment != fingerprint()) {
    return "the checkpoint belongs to another experiment: network, chip, costs or options differ";
  }
  ByteReader body(bytes);
  const auto count = body.get<std::uint64_t>();
  outcome_ = {};
  for (std::uint64_t i = 0; i < count && body.ok(); ++i) {
    Episode episode = load_episode(body);
    episode.episode = static_cast<int>(i);
    if (!is_valid(episode.outcome.solution) || is_done()) {
      body.fail();
    } else {
      record(std::move(episode));
    }
  }
  agent_.load(body);
  if (!body.at_end()) {
    return "the checkpoint's contents contradict its experiment";
  }
  return std::nullopt;
}

RlOutcome rl_search(const Problem& problem,
                    std::vector<FeatureRow> features,
                    Environment& environment,
                    Agent& agent,
                    const RlOptions& options,
                    const std::function<bool(const RlSearch&)>& after_episode) {
  RlSearch search(problem, std::move(features), environment, agent, options);
  while (!search.is_done()) {
    search.run_episode();
    if (after_episode && !after_episode(search)) {
      break;
    }
  }
  return search.outcome();
}

}  // namespace tessera::mapper::rl
