// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/environment.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <utility>

namespace tessera::mapper::rl {
namespace {

void describe_widths(const WidthOptions& r, ByteWriter& out) {
  for (const int number : {r.cell_bits, r.reference_bits}) {
    out.put(number);
  }
  for (const std::optional<int>& width : {r.first_w, r.first_a, r.last_w, r.last_a}) {
    out.put(width.value_or(0));
  }
}

std::vector<int> widths_of(const ProblemLayer& layer, int Choice::*width) {
  std::vector<int> out;
  for (const Choice& choice : layer.choices) {
    out.push_back(choice.*width);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// The nearest of `widths`, the lower of two.
int nearest(const std::vector<int>& widths, int wanted) {
  return *std::min_element(widths.begin(), widths.end(), [wanted](int a, int b) {
    return std::abs(a - wanted) < std::abs(b - wanted);
  });
}

std::vector<AllowedWidths> allowed_widths(const Problem& problem, const WidthOptions& rules) {
  std::vector<AllowedWidths> out;
  for (const ProblemLayer& layer : problem.layers) {
    AllowedWidths widths{widths_of(layer, &Choice::w_bits), widths_of(layer, &Choice::a_bits)};
    if (rules.cell_bits > 0) {
      std::erase_if(widths.w_bits, [&](int width) { return width % rules.cell_bits != 0; });
    }
    out.push_back(std::move(widths));
  }
  return out;
}

/// `allowed`, with one width where the rules prescribe it.
std::vector<AllowedWidths> final_widths(const Problem& problem,
                                        const WidthOptions& rules,
                                        std::vector<AllowedWidths> allowed) {
  const auto prescribe = [](std::vector<int>& widths,
                            const ProblemLayer& layer,
                            int Choice::*which,
                            const std::optional<int>& wanted) {
    if (wanted) {
      widths = {nearest(widths_of(layer, which), *wanted)};
    }
  };
  const ProblemLayer& first = problem.layers.front();
  const ProblemLayer& last = problem.layers.back();
  prescribe(allowed.front().w_bits, first, &Choice::w_bits, rules.first_w);
  prescribe(allowed.front().a_bits, first, &Choice::a_bits, rules.first_a);
  prescribe(allowed.back().w_bits, last, &Choice::w_bits, rules.last_w);
  prescribe(allowed.back().a_bits, last, &Choice::a_bits, rules.last_a);
  return allowed;
}

/// What the three environments share: widths, choices, cost and accuracy.
class TableEnvironment : public Environment {
 public:
  TableEnvironment(const Problem& problem,
                   AccuracySource& source,
                   const EnvironmentOptions& options)
      : problem_(problem), source_(source), options_(options) {
    if (const std::string objection = why_not(problem, options.widths, options.budget.pes);
        !objection.empty()) {
      throw InternalError("mapper/rl", -1, objection);
    }
    allowed_ = allowed_widths(problem, options.widths);
    final_ = final_widths(problem, options.widths, allowed_);
    std::vector<LayerBits> bits;
    for (const AllowedWidths& widths : allowed_) {
      bits.push_back({nearest(widths.w_bits, options.widths.reference_bits),
                      nearest(widths.a_bits, options.widths.reference_bits)});
    }
    prescribe(bits);
    reference_ = evaluate(problem, unreplicated(choice_of(bits)));
  }

  [[nodiscard]] int bits_of(std::size_t layer, bool is_weights, double action) const override {
    const std::vector<int>& widths = is_weights ? allowed_[layer].w_bits : allowed_[layer].a_bits;
    if (is_weights && options_.widths.cell_bits > 0) {
      return widths[action_to_index(action, widths.size())];
    }
    return nearest(widths, action_to_bits(action, widths.front(), widths.back()));
  }

  [[nodiscard]] int max_bits() const override {
    int most = 0;
    for (const AllowedWidths& widths : allowed_) {
      most = std::max({most, widths.w_bits.back(), widths.a_bits.back()});
    }
    return most;
  }

  void describe(ByteWriter& out) const override {
    describe_widths(options_.widths, out);
    out.put(static_cast<int>(options_.objective));
    out.put(options_.budget.pes);
    out.put(options_.budget.loss);
    for (const double limit : options_.budget.limits) {
      out.put(limit);
    }
    out.text(source_.name());
    out.text(source_.unit());
  }

 protected:
  [[nodiscard]] const Problem& problem() const { return problem_; }

  [[nodiscard]] const EnvironmentOptions& options() const { return options_; }

  [[nodiscard]] const std::vector<AllowedWidths>& widths() const { return final_; }

  /// Of the 8-bit network without replicas.
  [[nodiscard]] const Evaluation& reference() const { return reference_; }

  [[nodiscard]] std::vector<int> choice_of(const std::vector<LayerBits>& bits) const {
    std::vector<int> out;
    for (std::size_t l = 0; l < bits.size(); ++l) {
      out.push_back(problem_.layers[l].find(bits[l].w_bits, bits[l].a_bits));
    }
    return out;
  }

  static Solution unreplicated(std::vector<int> choice) {
    const std::size_t layers = choice.size();
    return {std::move(choice), std::vector<std::int64_t>(layers, 1)};
  }

  /// First and last layer as the rules prescribe.
  void prescribe(std::vector<LayerBits>& bits) const {
    for (const std::size_t l : {std::size_t{0}, bits.size() - 1}) {
      bits[l].w_bits = nearest(final_[l].w_bits, bits[l].w_bits);
      bits[l].a_bits = nearest(final_[l].a_bits, bits[l].a_bits);
    }
  }

  /// Everything but reward and target.
  [[nodiscard]] Outcome judge(const std::vector<LayerBits>& bits, Solution solution) const {
    Outcome out;
    out.evaluation = evaluate(problem_, solution);
    out.evaluation.loss = source_.loss(bits);
    if (!std::isfinite(out.evaluation.loss)) {
      throw InternalError("mapper/rl", -1, "the accuracy source's answer is not finite");
    }
    out.value = out.evaluation.value(options_.objective);
    out.is_feasible = out.evaluation.within(options_.budget);
    out.solution = std::move(solution);
    return out;
  }

 private:
  const Problem& problem_;
  AccuracySource& source_;
  EnvironmentOptions options_;
  std::vector<AllowedWidths> allowed_;  ///< for the agent
  std::vector<AllowedWidths> final_;    ///< for the answer
  Evaluation reference_;
};

class Lrmp : public TableEnvironment {
 public:
  Lrmp(const Problem& problem,
       AccuracySource& source,
       const EnvironmentOptions& options,
       const LrmpOptions& lrmp,
       Replicate replicate)
      : TableEnvironment(problem, source, options), lrmp_(lrmp), replicate_(std::move(replicate)) {}

  [[nodiscard]] std::string name() const override { return "lrmp"; }

  Outcome finish(double progress, std::vector<LayerBits> bits) override {
    const double reference_time = reference().value(options().objective);
    const double target = reference_time * lrmp_target(lrmp_, progress);
    prescribe(bits);
    walk_until(widths(), Lower::weights, bits, [&](const std::vector<LayerBits>& lower) {
      return pes_of(problem(), choice_of(lower)) <= options().budget.pes;
    });
    // Narrow activations need less buffer; of the vector unit they use more, as they are faster.
    walk_until(widths(), Lower::activations_and_weights, bits, [&](const auto& lower) {
      constexpr auto kBuffer = static_cast<std::size_t>(Limit::buffer);
      return evaluate(problem(), unreplicated(choice_of(lower))).uses[kBuffer] <=
             options().budget.limits[kBuffer];
    });
    const auto is_fast = [&](const std::vector<LayerBits>& lower) {
      return evaluate(problem(), replicated(lower)).value(options().objective) <= target;
    };
    walk_until(widths(), Lower::activations_and_weights, bits, is_fast);
    keep_to_loss(bits);
    Outcome out = judge(bits, replicated(bits));
    out.target = target;
    out.reward =
        -lrmp_.lambda * out.evaluation.loss + lrmp_.alpha * (1 - out.value / reference_time);
    return out;
  }

  void describe(ByteWriter& out) const override {
    TableEnvironment::describe(out);
    for (const double number : {lrmp_.lambda, lrmp_.alpha, lrmp_.first_target, lrmp_.last_target}) {
      out.put(number);
    }
  }

 private:
  [[nodiscard]] Solution replicated(const std::vector<LayerBits>& bits) const {
    Solution out = unreplicated(choice_of(bits));
    std::vector<std::int64_t> replicas = replicate_(out.choice);
    if (!replicas.empty() && replicas.size() != out.choice.size()) {
      throw InternalError(
          "mapper/rl", -1, "the inner solver's answer has another number of layers");
    }
    if (!replicas.empty()) {
      out.replicas = std::move(replicas);
    }
    return out;
  }

  /// The counterpart of the budget walk: while the choices lose more than the budget, the width
  /// whose next larger one gains most is raised, as far as the PEs allow.
  void keep_to_loss(std::vector<LayerBits>& bits) const {
    const Budget& budget = options().budget;
    Evaluation now = evaluate(problem(), unreplicated(choice_of(bits)));
    while (now.loss > budget.loss) {
      double most = 0;
      std::vector<LayerBits> best;
      for (std::size_t l = 0; l < bits.size(); ++l) {
        for (int LayerBits::*which : {&LayerBits::a_bits, &LayerBits::w_bits}) {
          const std::vector<int>& allowed =
              which == &LayerBits::a_bits ? widths()[l].a_bits : widths()[l].w_bits;
          const auto wider = std::upper_bound(allowed.begin(), allowed.end(), bits[l].*which);
          if (wider == allowed.end()) {
            continue;
          }
          std::vector<LayerBits> next = bits;
          next[l].*which = *wider;
          const double gain = loss_of(l, bits[l]) - loss_of(l, next[l]);
          if (gain > most && evaluate(problem(), unreplicated(choice_of(next))).fits(budget)) {
            most = gain;
            best = std::move(next);
          }
        }
      }
      if (best.empty()) {
        return;
      }
      bits = std::move(best);
      now = evaluate(problem(), unreplicated(choice_of(bits)));
    }
  }

  [[nodiscard]] double loss_of(std::size_t layer, LayerBits bits) const {
    const ProblemLayer& of = problem().layers[layer];
    return of.choices[static_cast<std::size_t>(of.find(bits.w_bits, bits.a_bits))].loss;
  }

  LrmpOptions lrmp_;
  Replicate replicate_;
};

double cost_of(const Evaluation& evaluation, Cost cost) {
  switch (cost) {
    case Cost::latency:
      return evaluation.latency;
    case Cost::interval:
      return evaluation.interval;
    case Cost::energy:
      return evaluation.energy;
    case Cost::pes:
      return static_cast<double>(evaluation.pes);
  }
  return evaluation.latency;
}

class Haq : public TableEnvironment {
 public:
  Haq(const Problem& problem,
      AccuracySource& source,
      const EnvironmentOptions& options,
      const HaqOptions& haq)
      : TableEnvironment(problem, source, options), haq_(haq) {}

  [[nodiscard]] std::string name() const override { return "haq"; }

  Outcome finish(double /*progress*/, std::vector<LayerBits> bits) override {
    const double target = haq_.preserve_ratio * cost_of(reference(), haq_.cost);
    prescribe(bits);
    const bool fits = walk_until(
        widths(), Lower::activations_and_weights, bits, [&](const std::vector<LayerBits>& lower) {
          const Solution solution = unreplicated(choice_of(lower));
          return cost_of(evaluate(problem(), solution), haq_.cost) <= target;
        });
    Outcome out = judge(bits, unreplicated(choice_of(bits)));
    out.target = target;
    out.is_feasible = out.is_feasible && fits;
    out.reward = -0.1 * out.evaluation.loss;
    return out;
  }

  void describe(ByteWriter& out) const override {
    TableEnvironment::describe(out);
    out.put(static_cast<int>(haq_.cost));
    out.put(haq_.preserve_ratio);
  }

 private:
  HaqOptions haq_;
};

class CimAq : public TableEnvironment {
 public:
  CimAq(const Problem& problem,
        AccuracySource& source,
        const EnvironmentOptions& options,
        const CimAqOptions& cim_aq)
      : TableEnvironment(problem, source, options), cim_aq_(cim_aq) {}

  [[nodiscard]] std::string name() const override { return "cim_aq"; }

  Outcome finish(double /*progress*/, std::vector<LayerBits> bits) override {
    prescribe(bits);
    Outcome out = judge(bits, unreplicated(choice_of(bits)));
    const double spare = cim_aq_.accuracy_drop - out.evaluation.loss;
    out.is_feasible = out.is_feasible && spare >= 0;
    out.reward = cim_aq_reward(
        spare, cost_of(out.evaluation, cim_aq_.cost) / cost_of(reference(), cim_aq_.cost));
    return out;
  }

  void describe(ByteWriter& out) const override {
    TableEnvironment::describe(out);
    out.put(static_cast<int>(cim_aq_.cost));
    out.put(cim_aq_.accuracy_drop);
  }

 private:
  CimAqOptions cim_aq_;
};

}  // namespace

WidthOptions haq_widths() {
  WidthOptions rules;
  rules.first_w = rules.first_a = rules.last_w = rules.last_a = 8;
  return rules;
}

WidthOptions lrmp_widths() {
  WidthOptions rules;
  rules.first_a = 8;
  return rules;
}

std::string why_not(const Problem& problem, const WidthOptions& rules, std::int64_t pes) {
  if (problem.layers.empty()) {
    return "the network has no matrix layer";
  }
  const std::vector<AllowedWidths> allowed = allowed_widths(problem, rules);
  for (std::size_t l = 0; l < allowed.size(); ++l) {
    if (allowed[l].w_bits.empty() || allowed[l].a_bits.empty()) {
      return fmt::format("layer '{}' has no allowed width of its {}",
                         problem.layers[l].name,
                         allowed[l].w_bits.empty() ? "weights" : "activations");
    }
  }
  std::int64_t needed = 0;
  const std::vector<AllowedWidths> widths = final_widths(problem, rules, allowed);
  for (std::size_t l = 0; l < widths.size(); ++l) {
    const ProblemLayer& layer = problem.layers[l];
    for (const int w_bits : widths[l].w_bits) {
      for (const int a_bits : widths[l].a_bits) {
        if (layer.find(w_bits, a_bits) < 0) {
          return fmt::format("layer '{}' has no choice {}/{}", layer.name, w_bits, a_bits);
        }
      }
    }
    const int narrowest = layer.find(widths[l].w_bits.front(), widths[l].a_bits.front());
    needed += layer.choices[static_cast<std::size_t>(narrowest)].pes;
  }
  if (needed > pes) {
    return fmt::format(
        "one replica of every layer needs {} PEs at the narrowest weights, {} are "
        "there",
        needed,
        pes);
  }
  return {};
}

double lrmp_target(const LrmpOptions& options, double progress) {
  return options.first_target * std::pow(options.last_target / options.first_target, progress);
}

double cim_aq_reward(double spare, double cost_ratio) {
  return spare < 0 ? 10 * spare : 100 * (1 / cost_ratio - 1) + 0.1 * spare;
}

std::unique_ptr<Environment> make_lrmp(const Problem& problem,
                                       AccuracySource& source,
                                       const EnvironmentOptions& options,
                                       const LrmpOptions& lrmp,
                                       Replicate replicate) {
  return std::make_unique<Lrmp>(problem, source, options, lrmp, std::move(replicate));
}

std::unique_ptr<Environment> make_haq(const Problem& problem,
                                      AccuracySource& source,
                                      const EnvironmentOptions& options,
                                      const HaqOptions& haq) {
  return std::make_unique<Haq>(problem, source, options, haq);
}

std::unique_ptr<Environment> make_cim_aq(const Problem& problem,
                                         AccuracySource& source,
                                         const EnvironmentOptions& options,
                                         const CimAqOptions& cim_aq) {
  return std::make_unique<CimAq>(problem, source, options, cim_aq);
}

}  // namespace tessera::mapper::rl
