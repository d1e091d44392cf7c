// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/selection.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace tessera::mapper::milp {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kTight = 1e-10;  ///< relative accuracy of the dual maximum
constexpr int kMaxCuts = 60;
/// Prices beyond 1e8 times the hint would drown costs in rounding; a constraint that needs them is
/// one that can hardly be met.
constexpr int kMaxDoublings = 16;
constexpr double kRounding = 1e-14;  ///< relative, of a sum over all layers

Option make_option(const Counts& counts, const Family& family, std::int64_t replicas) {
  return {family.choice,
          replicas,
          family.fixed + family.per_round * counts.rounds(replicas) +
              family.per_replica * static_cast<double>(replicas),
          family.pes * replicas,
          family.loss,
          0};
}

/// What a replica must save in rounds to be worth its PEs and its own cost.
double weight_of(const Family& family, double pes_price) {
  return family.per_round > 0
             ? (pes_price * static_cast<double>(family.pes) + family.per_replica) / family.per_round
             : kInf;
}

struct Totals {
  double cost = 0;
  std::int64_t pes = 0;
  double loss = 0;

  void add(const Option& option) {
    cost += option.cost;
    pes += option.pes;
    loss += option.loss;
  }
};

Totals totals_of(const Selection& selection, const std::vector<Option>& options) {
  Totals out;
  out.cost = selection.constant;
  for (const Option& option : options) {
    out.add(option);
  }
  return out;
}

/// Remembers pairs (loss, cost) and says whether one of them is as good in both.
class Stairs {
 public:
  bool beats(double loss, double cost) {
    const auto after = steps_.upper_bound(loss);
    if (after != steps_.begin() && std::prev(after)->second <= cost) {
      return true;
    }
    auto beaten = steps_.lower_bound(loss);
    while (beaten != steps_.end() && beaten->second >= cost) {
      beaten = steps_.erase(beaten);
    }
    steps_.emplace_hint(beaten, loss, cost);
    return false;
  }

 private:
  std::map<double, double> steps_;  // loss -> cost, which falls
};

/// The options that no other one equals or beats in PEs, loss and cost; rising in PEs.
std::vector<Option> undominated(std::vector<Option> options, bool with_loss) {
  std::sort(options.begin(), options.end(), [](const Option& a, const Option& b) {
    return std::tie(a.pes, a.loss, a.cost, a.choice) < std::tie(b.pes, b.loss, b.cost, b.choice);
  });
  std::vector<Option> out;
  Stairs stairs;
  for (const Option& option : options) {
    if (!stairs.beats(with_loss ? option.loss : 0, option.cost)) {
      out.push_back(option);
    }
  }
  return out;
}

/// A point of a concave function with one of its supporting lines.
struct Support {
  double at = 0;
  double value = -kInf;
  double slope = 0;
};

struct Bracket {
  Support low;   ///< slope > 0, or low.at = 0
  Support high;  ///< slope <= 0, or the point where the search gave up
};

/// The maximum of a concave piecewise linear function over [0, infinity): brackets it around
/// `hint`, then evaluates where the two lines meet; every third point halves the bracket instead,
/// so that neither end can stay for ever.
template <typename Evaluate>
Bracket maximize(double hint, Evaluate&& evaluate) {
  Bracket out;
  out.high = evaluate(hint);
  int doublings = 0;
  while (out.high.slope > 0) {
    out.low = out.high;
    if (++doublings > kMaxDoublings) {
      return out;
    }
    out.high = evaluate(out.low.at * (doublings < 4 ? 1.5 : 4));
  }
  if (doublings == 0) {
    double at = hint;
    for (int halvings = 0;; ++halvings) {
      at = halvings < 60 ? at / (halvings < 4 ? 1.5 : 4) : 0;
      out.low = evaluate(at);
      if (out.low.slope > 0 || at == 0) {
        break;
      }
      out.high = out.low;
    }
  }
  if (out.low.slope <= 0) {
    out.high = out.low;  // the maximum is at 0
    return out;
  }
  for (int cut = 1; cut <= kMaxCuts && out.high.slope < 0; ++cut) {
    const double meet = (out.high.value - out.high.slope * out.high.at - out.low.value +
                         out.low.slope * out.low.at) /
                        (out.low.slope - out.high.slope);
    const double most = out.low.value + out.low.slope * (meet - out.low.at);
    const double best = std::max(out.low.value, out.high.value);
    if (most - best <= kTight * std::abs(best)) {
      break;
    }
    double at = cut % 3 == 0 ? (out.low.at + out.high.at) / 2 : meet;
    if (!(at > out.low.at && at < out.high.at)) {
      break;
    }
    const Support point = evaluate(at);
    (point.slope > 0 ? out.low : out.high) = point;
  }
  return out;
}

class Solver {
 public:
  Solver(const Selection& selection, const SelectionOptions& options)
      : selection_(selection), options_(options), layers_(selection.layers.size()) {}

  SelectionResult solve() {
    if (start()) {
      if (out_.options.empty() && selection_.loss < kInf && !least_loss()) {
        out_.infeasible = true;
      } else {
        close();
      }
    }
    return std::move(out_);
  }

 private:
  /// First answers and the dual; false when nothing is left to do.
  bool start();
  /// Improves the answer and the bound until their gap is small enough.
  void close();
  /// Minimiser of the Lagrangian; records the bound, and the answer where it is feasible.
  Totals evaluate(double pes_price, double loss_price);
  void maximize_dual();
  void offer(const std::vector<Option>& options);
  void improve();
  /// Looks through every answer of reduced cost <= slack; true when none had to be dropped.
  void search(double slack);
  bool least_loss();

  [[nodiscard]] bool good_enough() const {
    if (out_.cost <= options_.enough || out_.bound > options_.hopeless) {
      return true;
    }
    return out_.cost < kInf &&
           out_.cost - out_.bound <= std::max(options_.gap, 1e-12) * std::abs(out_.cost);
  }

  const Selection& selection_;
  const SelectionOptions& options_;
  std::size_t layers_;
  std::vector<Option> picks_;
  double pes_hint_ = 0;
  double excluded_ = kInf;  ///< smallest reduced cost that search() did not look through
  SelectionResult out_;
};

Totals Solver::evaluate(double pes_price, double loss_price) {
  picks_.resize(layers_);
  Totals sum;
  double value = selection_.constant - pes_price * static_cast<double>(selection_.pes);
  if (loss_price > 0) {
    value -= loss_price * selection_.loss;
  }
  for (std::size_t l = 0; l < layers_; ++l) {
    const Counts& counts = (*selection_.counts)[l];
    double lowest = kInf;
    for (const Family& family : selection_.layers[l]) {
      const double weight = weight_of(family, pes_price);
      const std::int64_t k = weight < kInf ? counts.best(weight, family.least) : family.least;
      const Option option = make_option(counts, family, k);
      const double priced =
          option.cost + pes_price * static_cast<double>(option.pes) + loss_price * option.loss;
      if (priced < lowest) {
        lowest = priced;
        picks_[l] = option;
      }
    }
    value += lowest;
    sum.add(picks_[l]);
  }
  ++out_.dual.evaluations;
  value -= kRounding * (std::abs(sum.cost) + pes_price * static_cast<double>(selection_.pes) +
                        (loss_price > 0 ? loss_price * selection_.loss : 0));
  if (value > out_.dual.bound) {
    out_.dual.pes_price = pes_price;
    out_.dual.loss_price = loss_price;
    out_.dual.bound = value;
  }
  if (sum.pes <= selection_.pes && sum.loss <= selection_.loss) {
    offer(picks_);
  }
  sum.cost = value;
  return sum;
}

void Solver::offer(const std::vector<Option>& options) {
  const double cost = totals_of(selection_, options).cost;
  if (cost < out_.cost) {
    out_.cost = cost;
    out_.options = options;
  }
}

void Solver::maximize_dual() {
  const auto capacity = static_cast<double>(selection_.pes);
  const auto over_pes = [&](double loss_price) {
    double loss_low = 0;
    double loss_high = 0;
    const Bracket bracket = maximize(pes_hint_, [&](double pes_price) {
      const Totals sum = evaluate(pes_price, loss_price);
      const double slope = static_cast<double>(sum.pes) - capacity;
      (slope > 0 ? loss_low : loss_high) = sum.loss;
      return Support{pes_price, sum.cost, slope};
    });
    pes_hint_ = std::max(bracket.high.at, pes_hint_ * 1e-6);
    // The mixture of both sides that uses the PEs exactly tells how the maximum moves.
    const double span = bracket.low.slope - bracket.high.slope;
    const double share =
        bracket.low.slope > 0 && span > 0 ? std::clamp(-bracket.high.slope / span, 0.0, 1.0) : 0;
    return Support{loss_price,
                   std::max(bracket.low.value, bracket.high.value),
                   share * loss_low + (1 - share) * loss_high - selection_.loss};
  };
  // A first price at which a typical layer would want a typical number of replicas.
  evaluate(0, 0);
  double cost = 0;
  for (const Option& pick : picks_) {
    cost += std::abs(pick.cost);
  }
  for (std::size_t l = 0; l < layers_; ++l) {
    for (const Family& family : selection_.layers[l]) {
      cost = std::max(cost, family.per_round * (*selection_.counts)[l].rounds(family.least));
    }
  }
  pes_hint_ = std::max(cost, 1e-9) / std::max(1.0, capacity);
  if (selection_.loss == kInf) {
    over_pes(0);
  } else if (over_pes(0).slope > 0) {
    const double hint = std::max(cost, 1e-9) / std::max(selection_.loss, 1e-9);
    maximize(hint, over_pes);
  }
  out_.bound = out_.dual.bound;
}

/// Steepest single moves that fit into what the best answer leaves unused.
void Solver::improve() {
  if (out_.options.empty()) {
    return;
  }
  std::vector<Option> options = out_.options;
  Totals used = totals_of(selection_, options);
  for (std::size_t step = 0; step < 20 * layers_ + 100; ++step) {
    std::size_t where = layers_;
    Option move;
    double most = 0;
    for (std::size_t l = 0; l < layers_; ++l) {
      const Counts& counts = (*selection_.counts)[l];
      const Option& now = options[l];
      const std::int64_t room = selection_.pes - used.pes + now.pes;
      for (const Family& family : selection_.layers[l]) {
        if (used.loss - now.loss + family.loss > selection_.loss ||
            family.pes * family.least > room) {
          continue;
        }
        std::int64_t index = counts.index_of(family.least);
        if (family.per_round > 0) {
          // One replica more where the choice stays; else as many as fit.
          const std::int64_t fitting =
              family.pes > 0 ? room / family.pes : counts.at(counts.size() - 1);
          const std::int64_t next = counts.index_of(fitting + 1) - 1;
          index = family.choice == now.choice ? std::min(counts.index_of(now.replicas) + 1, next)
                                              : next;
          if (family.per_replica > 0) {  // beyond that they cost more than they save
            index =
                std::min(index, counts.index_of(counts.best(weight_of(family, 0), family.least)));
          }
        }
        const Option other = make_option(counts, family, counts.at(index));
        const double gain = now.cost - other.cost;
        if (gain > most && other.pes <= room) {
          most = gain;
          where = l;
          move = other;
        }
      }
    }
    if (where == layers_ || most <= 1e-12 * std::abs(used.cost)) {
      break;
    }
    options[where] = move;
    used = totals_of(selection_, options);
  }
  offer(options);
}

void Solver::search(double slack) {
  struct State {
    std::int64_t pes = 0;
    double loss = 0;
    double cost = 0;
    double reduced = 0;
    std::int32_t parent = 0;
    std::int32_t option = 0;
  };

  const bool two = selection_.loss < kInf;
  std::vector<std::vector<Option>> options = options_within(selection_, out_.dual, slack);
  for (std::vector<Option>& layer : options) {
    layer = undominated(std::move(layer), two);
  }
  excluded_ = slack;
  std::vector<std::int64_t> pes_after(layers_ + 1);
  std::vector<double> loss_after(layers_ + 1);
  for (std::size_t l = layers_; l-- > 0;) {
    if (options[l].empty()) {
      return;
    }
    std::int64_t pes = options[l].front().pes;
    double loss = options[l].front().loss;
    for (const Option& option : options[l]) {
      pes = std::min(pes, option.pes);
      loss = std::min(loss, option.loss);
    }
    pes_after[l] = pes_after[l + 1] + pes;
    loss_after[l] = loss_after[l + 1] + loss;
  }
  std::vector<std::vector<State>> stages(layers_ + 1);
  stages[0].push_back({0, 0, selection_.constant, 0, 0, 0});
  std::vector<State> grown;
  for (std::size_t l = 0; l < layers_; ++l) {
    grown.clear();
    for (std::size_t s = 0; s < stages[l].size(); ++s) {
      const State& state = stages[l][s];
      for (std::size_t o = 0; o < options[l].size(); ++o) {
        const Option& option = options[l][o];
        const State next{state.pes + option.pes,
                         two ? state.loss + option.loss : 0,
                         state.cost + option.cost,
                         state.reduced + option.reduced_cost,
                         static_cast<std::int32_t>(s),
                         static_cast<std::int32_t>(o)};
        if (next.reduced <= slack && next.pes + pes_after[l + 1] <= selection_.pes &&
            (!two || next.loss + loss_after[l + 1] <= selection_.loss)) {
          grown.push_back(next);
        }
      }
    }
    std::sort(grown.begin(), grown.end(), [](const State& a, const State& b) {
      return std::tie(a.pes, a.loss, a.cost) < std::tie(b.pes, b.loss, b.cost);
    });
    // Only states that no earlier one (fewer PEs) beats in both loss and cost.
    std::vector<State>& kept = stages[l + 1];
    Stairs stairs;
    for (const State& state : grown) {
      if (!stairs.beats(state.loss, state.cost)) {
        kept.push_back(state);
      }
    }
    if (std::ssize(kept) > options_.max_states) {
      const auto cut = kept.begin() + options_.max_states;
      std::nth_element(kept.begin(), cut, kept.end(), [](const State& a, const State& b) {
        return std::tie(a.reduced, a.pes, a.loss) < std::tie(b.reduced, b.pes, b.loss);
      });
      excluded_ = std::min(excluded_, cut->reduced);
      kept.erase(cut, kept.end());
    }
    out_.states += std::ssize(kept);
    if (kept.empty()) {
      return;
    }
  }
  const std::vector<State>& last = stages[layers_];
  const auto best = std::min_element(
      last.begin(), last.end(), [](const State& a, const State& b) { return a.cost < b.cost; });
  std::vector<Option> found(layers_);
  State state = *best;
  for (std::size_t l = layers_; l-- > 0;) {
    found[l] = options[l][static_cast<std::size_t>(state.option)];
    state = stages[l][static_cast<std::size_t>(state.parent)];
  }
  offer(found);
}

/// The answer of least loss, for when no minimiser of the Lagrangian met both budgets; false when
/// it shows that there is none.
bool Solver::least_loss() {
  Selection of_loss;
  of_loss.counts = selection_.counts;
  of_loss.pes = selection_.pes;
  for (const std::vector<Family>& families : selection_.layers) {
    std::vector<Family>& layer = of_loss.layers.emplace_back();
    for (const Family& family : families) {
      layer.push_back({family.choice, family.loss, 0, family.pes, 0, family.least});
    }
  }
  SelectionOptions exact;
  exact.gap = 0;
  exact.enough = exact.hopeless = selection_.loss;
  Solver solver(of_loss, exact);
  if (solver.start()) {
    solver.close();
  }
  const SelectionResult& result = solver.out_;
  if (result.bound > selection_.loss) {
    return false;
  }
  if (result.cost <= selection_.loss) {
    std::vector<Option> options;
    for (std::size_t l = 0; l < layers_; ++l) {
      for (const Family& family : selection_.layers[l]) {
        if (family.choice == result.options[l].choice) {
          options.push_back(make_option((*selection_.counts)[l], family, family.least));
          break;
        }
      }
    }
    offer(options);
  }
  return true;
}

bool Solver::start() {
  // The ends of both budgets: what they show to be impossible is, and with one budget alone the
  // other end is a first answer.
  std::vector<Option> small;
  std::vector<Option> good;
  for (std::size_t l = 0; l < layers_; ++l) {
    for (const Family& family : selection_.layers[l]) {
      const Option option = make_option((*selection_.counts)[l], family, family.least);
      if (std::ssize(small) == static_cast<std::ptrdiff_t>(l)) {
        small.push_back(option);
        good.push_back(option);
      }
      if (std::tie(option.pes, option.loss) < std::tie(small[l].pes, small[l].loss)) {
        small[l] = option;
      }
      if (std::tie(option.loss, option.pes) < std::tie(good[l].loss, good[l].pes)) {
        good[l] = option;
      }
    }
    if (selection_.layers[l].empty()) {
      out_.infeasible = true;
      return false;
    }
  }
  const Totals smallest = totals_of(selection_, small);
  const Totals best = totals_of(selection_, good);
  if (smallest.pes > selection_.pes || best.loss > selection_.loss) {
    out_.infeasible = true;
    return false;
  }
  if (smallest.loss <= selection_.loss) {
    offer(small);
  }
  if (best.pes <= selection_.pes) {
    offer(good);
  }
  maximize_dual();
  return out_.bound <= options_.hopeless;
}

void Solver::close() {
  if (!good_enough()) {
    improve();
  }
  // Small slacks first: they are cheap and bring the answer down, and with it the slack that
  // proves.
  double part = 1.0 / 16;
  for (int round = 0; round < options_.max_rounds && !good_enough(); ++round, part *= 4) {
    const double whole = out_.cost < kInf
                             ? out_.cost - out_.dual.bound
                             : std::abs(out_.dual.bound) * std::max(options_.gap, 1e-3) * 16;
    const double slack = std::min(part, 1.0) * whole * (1 + 1e-9);
    search(slack);
    out_.bound = std::max(out_.bound, std::min(out_.cost, out_.dual.bound + excluded_));
    if (excluded_ < slack && part >= 1) {
      break;  // states were dropped: more slack would only drop more
    }
  }
  out_.bound = std::min(out_.bound, out_.cost);
}

}  // namespace

SelectionResult solve_selection(const Selection& selection, const SelectionOptions& options) {
  return Solver(selection, options).solve();
}

std::vector<std::vector<Option>> options_within(const Selection& selection,
                                                const Dual& dual,
                                                double slack) {
  std::vector<std::vector<Option>> out(selection.layers.size());
  for (std::size_t l = 0; l < selection.layers.size(); ++l) {
    const Counts& counts = (*selection.counts)[l];
    double lowest = kInf;
    const auto priced = [&](const Option& option) {
      return option.cost + dual.pes_price * static_cast<double>(option.pes) +
             dual.loss_price * option.loss;
    };
    const auto best_of = [&](const Family& family) {
      const double weight = weight_of(family, dual.pes_price);
      return make_option(
          counts, family, weight < kInf ? counts.best(weight, family.least) : family.least);
    };
    for (const Family& family : selection.layers[l]) {
      lowest = std::min(lowest, priced(best_of(family)));
    }
    for (const Family& family : selection.layers[l]) {
      const auto keep = [&](Option option) {
        option.reduced_cost = std::max(0.0, priced(option) - lowest);
        if (option.reduced_cost <= slack && option.pes <= selection.pes) {
          out[l].push_back(option);
        }
      };
      if (family.per_round > 0) {
        const double rest = family.fixed + dual.loss_price * family.loss;
        counts.within(weight_of(family, dual.pes_price),
                      ((lowest + slack - rest) / family.per_round) * (1 + 1e-12),
                      family.least,
                      [&](std::int64_t k) { keep(make_option(counts, family, k)); });
      } else {
        const std::int64_t end = counts.index_of(std::max(family.least, family.most) + 1);
        for (std::int64_t i = counts.index_of(family.least); i < end; ++i) {
          keep(make_option(counts, family, counts.at(i)));
        }
      }
    }
  }
  return out;
}

}  // namespace tessera::mapper::milp
