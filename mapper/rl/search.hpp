// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A search by reinforcement learning: episodes of an Agent in an Environment, two steps per layer
/// (weights, then activations), and checkpoints between them.
///
/// Resume   a search loaded from a checkpoint goes on exactly as the one that wrote it: records and
///          later checkpoints are the same bytes on the same machine
/// Errors   load() refuses what is truncated, altered, of another version or of another experiment,
///          and says so; it never reads out of bounds. After a refusal build a new search
/// Source   HAQ, rl_quantize.py: train
#pragma once

#include "mapper/problem.hpp"
#include "mapper/rl/agent.hpp"
#include "mapper/rl/environment.hpp"
#include "mapper/rl/haq.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper::rl {

struct RlOptions {
  int episodes = 600;
  int keep = 8;  ///< feasible candidates at most
};

/// What an episode came to.
struct Episode {
  int episode = 0;
  double sigma = 0;  ///< of the exploration
  Outcome outcome;
};

struct RlOutcome {
  std::vector<Episode> episodes;
  /// Episode with the highest reward, the first of equals; -1 before the first episode.
  int best = -1;
  /// Episodes with different feasible solutions, the lowest value of the objective first.
  std::vector<int> candidates;

  [[nodiscard]] const Outcome& outcome(int episode) const {
    return episodes[static_cast<std::size_t>(episode)].outcome;
  }
};

class RlSearch {
 public:
  /// `features` are normalised, one per layer of the problem. Everything passed by reference must
  /// outlive the search; the agent must be new.
  RlSearch(const Problem& problem,
           std::vector<FeatureRow> features,
           Environment& environment,
           Agent& agent,
           const RlOptions& options);

  [[nodiscard]] bool is_done() const {
    return static_cast<int>(outcome_.episodes.size()) >= options_.episodes;
  }

  const Episode& run_episode();

  [[nodiscard]] const RlOutcome& outcome() const { return outcome_; }

  void save(std::ostream& out) const;
  /// What is wrong with the checkpoint, or nothing.
  [[nodiscard]] std::optional<std::string> load(std::istream& in);

 private:
  void record(Episode episode);
  [[nodiscard]] std::uint64_t fingerprint() const;
  [[nodiscard]] bool is_valid(const Solution& solution) const;

  const Problem& problem_;
  std::vector<FeatureRow> features_;
  Environment& environment_;
  Agent& agent_;
  RlOptions options_;
  RlOutcome outcome_;
};

/// All episodes of a new search; `after_episode` may end it early by returning false.
RlOutcome rl_search(const Problem& problem,
                    std::vector<FeatureRow> features,
                    Environment& environment,
                    Agent& agent,
                    const RlOptions& options,
                    const std::function<bool(const RlSearch&)>& after_episode = {});

}  // namespace tessera::mapper::rl
