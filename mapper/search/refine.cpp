// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/refine.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

const Choice& choice_of(const Problem& problem, const Solution& solution, std::size_t layer) {
  return problem.layers[layer].choices[static_cast<std::size_t>(solution.choice[layer])];
}

/// The next higher number of replicas that saves a round, or the same number when there is none.
std::int64_t more(const Problem& problem, const ProblemLayer& layer, std::int64_t replicas) {
  if (replicas >= layer.max_replicas) {
    return replicas;
  }
  if (!problem.whole_rounds) {
    return replicas + 1;
  }
  const std::int64_t rounds = ceil_div(layer.positions, replicas);
  return rounds == 1 ? replicas
                     : std::min(layer.max_replicas, ceil_div(layer.positions, rounds - 1));
}

/// The next lower number that adds as few rounds as possible.
std::int64_t fewer(const Problem& problem, const ProblemLayer& layer, std::int64_t replicas) {
  if (replicas == 1 || !problem.whole_rounds) {
    return std::max<std::int64_t>(1, replicas - 1);
  }
  return ceil_div(layer.positions, ceil_div(layer.positions, replicas - 1));
}

class Climb {
 public:
  Climb(const Problem& problem,
        const Budget& budget,
        Solution start,
        const std::function<double(const Solution&)>& value,
        std::int64_t evaluations)
      : problem_(problem),
        budget_(budget),
        value_(value),
        left_(evaluations),
        best_(std::move(start)) {
    best_value_ = measure(best_);
    best_sum_ = evaluate(problem_, best_).latency;
  }

  Solution run() {
    while (left_ > 0 && sweep()) {
    }
    return best_;
  }

 private:
  double measure(const Solution& solution) {
    --left_;
    return value_(solution);
  }

  /// Keeps `solution` when it is allowed and better.
  bool try_out(const Solution& solution) {
    const Evaluation evaluation = evaluate(problem_, solution);
    if (left_ <= 0 || !evaluation.within(budget_)) {
      return false;
    }
    const double value = measure(solution);
    const bool better =
        value < best_value_ || (value == best_value_ && evaluation.latency < best_sum_);
    if (!std::isfinite(value) || !better) {
      return false;
    }
    best_ = solution;
    best_value_ = value;
    best_sum_ = evaluation.latency;
    return true;
  }

  /// Layers, the one that takes longest first.
  [[nodiscard]] std::vector<std::size_t> by_time() const {
    std::vector<double> busy;
    for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
      const ProblemLayer& layer = problem_.layers[l];
      busy.push_back(choice_of(problem_, best_, l).per_position *
                     problem_.rounds(layer, best_.replicas[l]));
    }
    std::vector<std::size_t> order(problem_.layers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return busy[a] > busy[b];
    });
    return order;
  }

  bool sweep() {
    const std::vector<std::size_t> order = by_time();
    return std::any_of(order.begin(), order.end(), [&](std::size_t l) {
      return add_copies(l, order) || change_widths(l) || trade_widths(l);
    });
  }

  bool add_copies(std::size_t layer, const std::vector<std::size_t>& order) {
    Solution next = best_;
    next.replicas[layer] = more(problem_, problem_.layers[layer], best_.replicas[layer]);
    if (next.replicas[layer] == best_.replicas[layer]) {
      return false;
    }
    if (try_out(next)) {
      return true;
    }
    for (std::size_t i = order.size(); i-- > 0;) {  // the quickest layer gives first
      const std::size_t other = order[i];
      if (other == layer || best_.replicas[other] == 1) {
        continue;
      }
      Solution exchanged = next;
      exchanged.replicas[other] = fewer(problem_, problem_.layers[other], best_.replicas[other]);
      if (try_out(exchanged)) {
        return true;
      }
    }
    return false;
  }

  bool change_widths(std::size_t layer) {
    Solution next = best_;
    for (std::size_t c = 0; c < problem_.layers[layer].choices.size(); ++c) {
      next.choice[layer] = static_cast<int>(c);
      const Choice& now = choice_of(problem_, best_, layer);
      const Choice& then = problem_.layers[layer].choices[c];
      if ((then.per_position < now.per_position || then.pes < now.pes) && try_out(next)) {
        return true;
      }
    }
    return false;
  }

  /// One activation bit less here, paid for in loss by wider activations where time is left: they
  /// cost no PEs.
  bool trade_widths(std::size_t layer) {
    const Choice& now = choice_of(problem_, best_, layer);
    const int narrower = problem_.layers[layer].find(now.w_bits, now.a_bits - 1);
    if (narrower < 0) {
      return false;
    }
    Solution next = best_;
    next.choice[layer] = narrower;
    const double limit = evaluate(problem_, next).interval;
    Evaluation evaluation = evaluate(problem_, next);
    while (!evaluation.within(budget_)) {
      double most = 0;
      std::size_t widened = layer;
      for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
        const Choice& other = choice_of(problem_, next, l);
        const int wider = problem_.layers[l].find(other.w_bits, other.a_bits + 1);
        if (l == layer || wider < 0) {
          continue;
        }
        const Choice& then = problem_.layers[l].choices[static_cast<std::size_t>(wider)];
        const double busy =
            then.per_position * problem_.rounds(problem_.layers[l], next.replicas[l]);
        if (busy <= limit && then.pes <= other.pes && other.loss - then.loss > most) {
          most = other.loss - then.loss;
          widened = l;
        }
      }
      if (widened == layer) {
        return false;
      }
      const Choice& other = choice_of(problem_, next, widened);
      next.choice[widened] = problem_.layers[widened].find(other.w_bits, other.a_bits + 1);
      evaluation = evaluate(problem_, next);
    }
    return try_out(next);
  }

  const Problem& problem_;
  const Budget& budget_;
  const std::function<double(const Solution&)>& value_;
  std::int64_t left_;
  Solution best_;
  double best_value_ = 0;
  double best_sum_ = 0;  ///< of the layers' times: a maximum has plateaus, a sum has none
};

}  // namespace

Solution refine(const Problem& problem,
                const Budget& budget,
                const Solution& start,
                const std::function<double(const Solution&)>& value,
                std::int64_t evaluations) {
  return Climb(problem, budget, start, value, evaluations).run();
}

}  // namespace tessera::mapper
