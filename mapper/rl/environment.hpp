// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the agent plays against: actions become widths, widths become a solution, and the solution
/// a reward.
///
///   lrmp    budget  PEs and limits, then time: a share of the 8-bit time that shrinks over the
///   episodes; then
///                   widths are raised again, the one that gains most first, until the choices'
///                   losses keep to theirs
///           reward  lambda * accuracy change + alpha * (1 - time / 8-bit time)
///   haq     budget  cost <= ratio * 8-bit cost
///           reward  0.1 * accuracy change
///   cim_aq  budget  none; an accuracy target instead
///           reward  below it -10 * (missing accuracy), else 100 * (1 / cost ratio - 1)
///                   + 0.1 * (spare accuracy)
///
/// Widths   a layer may have those of its choices in the Problem (weights: multiples of the cell);
///          its choices must be all pairs of its weight and activation widths
/// 8 bit    the allowed width next to WidthOptions::reference_bits; one replica of every layer
/// Accuracy change = -AccuracySource::loss, in that source's unit; Evaluation::loss is that loss
/// Errors   InternalError when why_not() has an objection, or the source's answer is not finite
/// Source   LRMP as reconstructed in docs/facts.md (reward and schedule are assumptions, so
///          options); HAQ, linear_quantize_env.py; CIM-AQ (RWTH)
#pragma once

#include "mapper/accuracy/source.hpp"
#include "mapper/problem.hpp"
#include "mapper/rl/haq.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper::rl {

/// How widths are picked from those that the Problem's choices leave.
struct WidthOptions {
  int cell_bits = 0;  ///< weights only in multiples of it, chosen as CIM-AQ does; 0: any
  int reference_bits = 8;
  /// Widths that the ends of the network get whatever the agent says; the nearest that the layer
  /// has.
  std::optional<int> first_w;
  std::optional<int> first_a;
  std::optional<int> last_w;
  std::optional<int> last_a;
};

/// First and last layer 8/8: HAQ, CIM-AQ.
WidthOptions haq_widths();
/// The first layer's activations 8: LRMP, assumed.
WidthOptions lrmp_widths();

/// Why no search is possible: a layer without allowed widths, or too few PEs for one replica of
/// every layer at its narrowest weights. Empty when there is no objection.
std::string why_not(const Problem& problem, const WidthOptions& rules, std::int64_t pes);

struct EnvironmentOptions {
  Objective objective = Objective::latency;
  WidthOptions widths;
  Budget budget;  ///< what makes a solution feasible; lrmp keeps to its PEs and limits
};

/// The end of an episode.
struct Outcome {
  Solution solution;
  Evaluation evaluation;  ///< with the loss of the accuracy source
  double value = 0;       ///< of the objective
  double target = 0;      ///< what the budget walk aimed at; 0 without one
  double reward = 0;
  bool is_feasible = false;  ///< within the Budget, and within the environment's own limit
};

class Environment {
 public:
  virtual ~Environment() = default;

  [[nodiscard]] virtual std::string name() const = 0;

  /// The width that an action means.
  [[nodiscard]] virtual int bits_of(std::size_t layer, bool is_weights, double action) const = 0;
  /// Divides widths in the agent's state.
  [[nodiscard]] virtual int max_bits() const = 0;

  /// One width pair per layer, as bits_of gave them; progress goes from 0 to 1 over the episodes.
  virtual Outcome finish(double progress, std::vector<LayerBits> bits) = 0;

  /// Its options, so that a checkpoint of another experiment is recognised.
  virtual void describe(ByteWriter& out) const = 0;
};

/// Replicas for one choice per layer, at least one each; empty when they do not fit. Fewer PEs or
/// less time per layer must not make the answer worse.
using Replicate = std::function<std::vector<std::int64_t>(const std::vector<int>& choice)>;

struct LrmpOptions {
  double lambda = 1;  ///< per unit of the accuracy source
  double alpha = 1;
  double first_target = 0.35;  ///< of the 8-bit time, in the first episode
  double last_target = 0.20;   ///< in the last; geometric between
};

/// The share of the 8-bit time that lrmp asks for.
double lrmp_target(const LrmpOptions& options, double progress);

/// The problem and the source must outlive the environment.
std::unique_ptr<Environment> make_lrmp(const Problem& problem,
                                       AccuracySource& source,
                                       const EnvironmentOptions& options,
                                       const LrmpOptions& lrmp,
                                       Replicate replicate);

/// What haq and cim_aq pay for; with one replica of every layer.
enum class Cost { latency, interval, energy, pes };

constexpr auto enum_names(Cost) {
  return std::array<std::pair<Cost, std::string_view>, 4>{{
      {Cost::latency, "latency"},
      {Cost::interval, "interval"},
      {Cost::energy, "energy"},
      {Cost::pes, "pes"},
  }};
}

struct HaqOptions {
  Cost cost = Cost::latency;
  double preserve_ratio = 0.6;
};

std::unique_ptr<Environment> make_haq(const Problem& problem,
                                      AccuracySource& source,
                                      const EnvironmentOptions& options,
                                      const HaqOptions& haq);

struct CimAqOptions {
  Cost cost = Cost::latency;
  double accuracy_drop = 5;  ///< allowed below 8 bit, in the unit of the source
};

/// The reward of cim_aq; `spare` is the accuracy above its target.
double cim_aq_reward(double spare, double cost_ratio);

std::unique_ptr<Environment> make_cim_aq(const Problem& problem,
                                         AccuracySource& source,
                                         const EnvironmentOptions& options,
                                         const CimAqOptions& cim_aq);

}  // namespace tessera::mapper::rl
