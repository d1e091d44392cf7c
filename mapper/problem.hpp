// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a search decides, as numbers: no algorithm behind this header sees hardware or a network.
///
/// A layer picks one Choice (its weight and activation width) and a number of replicas r. One image
/// then takes the layer, with rounds(r) = positions / r or, with whole_rounds, ceil(positions / r):
///   time = fixed + per_position * rounds(r)          its share of the latency
///   busy = per_position * rounds(r)                  what it occupies its slowest replica for
/// and the whole network
///   latency   = fixed_latency + sum of time
///   interval  = max(fixed_interval, largest busy)    throughput = 1 / interval; when one operation
///               follows the other (serial), the latency
///   energy    = fixed_energy + sum of energy + static_power * interval
///   loss      = sum of loss                          of accuracy, in the unit of its source
///   pes       = sum of r * pes
///   uses      = sum of r * uses                  of what a Limit bounds
///
/// Units    cycles of the chip's clock (real numbers: LRMP divides without rounding), joules, PEs;
///          static_power in joules per cycle; uses as their Limit says
/// Source   LRMP (reconstruction, docs/facts.md, section 1.4): T_l / r_l, sum or maximum over
/// layers
#pragma once

#include "workloads/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::mapper {

enum class Objective { latency, throughput, energy, edp };

constexpr auto enum_names(Objective) {
  return std::array<std::pair<Objective, std::string_view>, 4>{{
      {Objective::latency, "latency"},
      {Objective::throughput, "throughput"},
      {Objective::energy, "energy"},
      {Objective::edp, "edp"},
  }};
}

/// What replicas use besides PEs, over the whole chip.
enum class Limit {
  buffer,       ///< bits of tile buffers that line buffers take
  vector_unit,  ///< lane operations per cycle, all replicas firing as often as they can
};

constexpr auto enum_names(Limit) {
  return std::array<std::pair<Limit, std::string_view>, 2>{{
      {Limit::buffer, "buffer"},
      {Limit::vector_unit, "vector_unit"},
  }};
}

inline constexpr std::size_t kLimits = 2;
using PerLimit = std::array<double, kLimits>;  ///< [Limit]; budgets of them are positive

/// One pair of widths of one layer, and what it means.
struct Choice {
  int w_bits = 8;
  int a_bits = 8;
  std::int64_t pes = 0;     ///< of one replica
  double fixed = 0;         ///< cycles that no replica saves
  double per_position = 0;  ///< cycles of one position on one replica
  double energy = 0;        ///< of one image
  double loss = 0;          ///< of accuracy, against the best choice of every layer
  PerLimit uses{};          ///< of one replica
};

struct ProblemLayer {
  LayerId layer = 0;
  std::string name;
  std::int64_t positions = 1;
  std::int64_t max_replicas = 1;
  std::vector<Choice> choices;  ///< rising in (w_bits, a_bits); never empty

  /// The choice with these widths, or -1.
  [[nodiscard]] int find(int w_bits, int a_bits) const;
};

struct Problem {
  std::string network;
  std::string chip;
  std::vector<ProblemLayer> layers;  ///< one per matrix layer, in network order
  std::int64_t pes = 0;              ///< that the chip has
  bool whole_rounds = false;
  bool serial = false;
  double fixed_latency = 0;
  double fixed_interval = 0;
  double fixed_energy = 0;
  double static_power = 0;

  [[nodiscard]] double rounds(const ProblemLayer& layer, std::int64_t replicas) const;
};

/// What a search may spend.
struct Budget {
  std::int64_t pes = 0;
  double loss = std::numeric_limits<double>::infinity();
  PerLimit limits = {std::numeric_limits<double>::infinity(),
                     std::numeric_limits<double>::infinity()};

  /// Whether anything besides PEs and loss is limited.
  [[nodiscard]] bool has_limits() const;
};

/// An answer: index into choices and number of replicas of every layer.
struct Solution {
  std::vector<int> choice;
  std::vector<std::int64_t> replicas;

  bool operator==(const Solution&) const = default;
};

struct Evaluation {
  double latency = 0;
  double interval = 0;
  double energy = 0;
  double loss = 0;
  std::int64_t pes = 0;
  PerLimit uses{};

  /// What is minimised: latency, interval, energy, or energy * latency.
  [[nodiscard]] double value(Objective objective) const;
  /// All of the budget but the loss. Exact in PEs; real numbers may exceed theirs by rounding
  /// (1e-9).
  [[nodiscard]] bool fits(const Budget& budget) const;
  [[nodiscard]] bool within(const Budget& budget) const;
};

/// O(layers); table look-ups alone.
Evaluation evaluate(const Problem& problem, const Solution& solution);

/// Every layer with one replica and these widths; -1 as choice where a layer does not have them.
Solution uniform_solution(const Problem& problem, int w_bits, int a_bits);

/// PEs of one replica of every layer.
std::int64_t pes_of(const Problem& problem, std::span<const int> choice);

/// The numbers of replicas worth considering for `layer`, rising, at most `limit` of them up to
/// max_replicas: every count without whole_rounds; with it, the smallest count of each number of
/// rounds.
std::vector<std::int64_t> replica_counts(const Problem& problem,
                                         const ProblemLayer& layer,
                                         std::int64_t limit);

}  // namespace tessera::mapper
