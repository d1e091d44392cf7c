// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/lagrangian.hpp"

#include "mapper/milp/shortfall.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

namespace tessera::mapper::milp {
namespace {

constexpr double kExact = 1e-12;  ///< relative difference that is rounding
constexpr int kPriceRounds = 2;   ///< over all limits
constexpr int kPriceDoublings = 12;
constexpr int kPriceBisections = 12;

class Search {
 public:
  Search(const Problem& problem, const Budget& budget, const LagrangianOptions& options)
      : problem_(problem), budget_(budget), options_(options) {
    for (const ProblemLayer& layer : problem.layers) {
      counts_.emplace_back(problem, layer);
    }
    if (!options.fixed.empty()) {
      budget_.loss = kInfinity;
    }
    budget_.loss *= kLossRounding;
  }

  LagrangianResult run(Objective objective);

  Candidates candidates(Objective objective, const LagrangianResult& incumbent, std::int64_t limit);

 private:
  struct Outcome {
    Solution solution;
    double value = kInfinity;
    double bound = -kInfinity;
    double least_interval = 0;
    double most_interval = kInfinity;
    double outside = kInfinity;
  };

  template <typename Use>
  void for_families(double interval, Use&& use) const;
  /// Costs are weights * (latency, energy); only replicas with busy <= interval.
  [[nodiscard]] Selection selection(Weights weights, double interval) const;
  /// Costs are losses, without a budget of them.
  [[nodiscard]] Selection least_loss(double interval) const;
  /// Without a budget of losses: costs are PEs.
  [[nodiscard]] Selection least_pes(double interval) const;
  SelectionResult solve(const Selection& selection, const SelectionOptions& options);
  /// The same under the budget's limits; leaves the best prices in `prices`.
  SelectionResult solve_limited(const Selection& selection,
                                const SelectionOptions& options,
                                PerLimit& prices);
  /// `selection` with prices for what the limits bound.
  [[nodiscard]] Selection priced(Selection selection, const PerLimit& prices) const;

  [[nodiscard]] const PerLimit& uses_of(std::size_t layer, int choice) const {
    return problem_.layers[layer].choices[static_cast<std::size_t>(choice)].uses;
  }

  Outcome weighted(Weights weights);
  Outcome over_intervals(Weights weights);
  Outcome throughput(double gap);
  Outcome product(LagrangianResult& out);
  /// Any answer with busy <= interval; an infinite bound says that there is none.
  Outcome within(double interval);

  [[nodiscard]] double value_of(const Evaluation& evaluation, Weights weights) const {
    return weights.latency * evaluation.latency + weights.energy * evaluation.energy;
  }

  const Problem& problem_;
  Budget budget_;
  const LagrangianOptions& options_;
  std::vector<Counts> counts_;
  std::int64_t evaluations_ = 0;
  std::int64_t states_ = 0;
};

Solution solution_of(const std::vector<Option>& options) {
  Solution out;
  for (const Option& option : options) {
    out.choice.push_back(option.choice);
    out.replicas.push_back(option.replicas);
  }
  return out;
}

/// Calls use(layer, choice index, choice, least replicas) for what the interval leaves.
template <typename Use>
void Search::for_families(double interval, Use&& use) const {
  for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
    const std::vector<Choice>& choices = problem_.layers[l].choices;
    const auto only = options_.fixed.empty() ? -1 : options_.fixed[l];
    for (std::size_t c = 0; c < choices.size(); ++c) {
      if (only >= 0 && static_cast<std::size_t>(only) != c) {
        continue;
      }
      const std::int64_t least =
          interval < kInfinity ? counts_[l].for_limit(choices[c].per_position, interval) : 1;
      if (least > 0) {
        use(l, static_cast<int>(c), choices[c], least);
      }
    }
  }
}

Selection Search::selection(Weights weights, double interval) const {
  Selection out;
  out.counts = &counts_;
  out.layers.resize(problem_.layers.size());
  out.constant = weights.latency * problem_.fixed_latency + weights.energy * problem_.fixed_energy;
  out.pes = budget_.pes;
  out.loss = budget_.loss;
  for_families(interval, [&](std::size_t l, int c, const Choice& choice, std::int64_t least) {
    out.layers[l].push_back({c,
                             weights.latency * choice.fixed + weights.energy * choice.energy,
                             weights.latency * choice.per_position,
                             choice.pes,
                             choice.loss,
                             least});
  });
  return out;
}

Selection Search::least_loss(double interval) const {
  Selection out;
  out.counts = &counts_;
  out.layers.resize(problem_.layers.size());
  out.pes = budget_.pes;
  for_families(interval, [&](std::size_t l, int c, const Choice& choice, std::int64_t least) {
    out.layers[l].push_back(
        {c, budget_.loss < kInfinity ? choice.loss : 0, 0, choice.pes, 0, least});
  });
  return out;
}

Selection Search::least_pes(double interval) const {
  Selection out;
  out.counts = &counts_;
  out.layers.resize(problem_.layers.size());
  for_families(interval, [&](std::size_t l, int c, const Choice& choice, std::int64_t least) {
    out.layers[l].push_back({c, static_cast<double>(choice.pes * least), 0, 0, 0, least});
  });
  return out;
}

SelectionResult Search::solve(const Selection& selection, const SelectionOptions& options) {
  if (budget_.has_limits()) {
    PerLimit prices{};
    return solve_limited(selection, options, prices);
  }
  SelectionResult result = solve_selection(selection, options);
  evaluations_ += result.dual.evaluations;
  states_ += result.states;
  return result;
}

Selection Search::priced(Selection selection, const PerLimit& prices) const {
  for (std::size_t i = 0; i < kLimits; ++i) {
    if (prices[i] > 0) {
      selection.constant -= prices[i] * budget_.limits[i];
    }
  }
  for (std::size_t l = 0; l < selection.layers.size(); ++l) {
    for (Family& family : selection.layers[l]) {
      for (std::size_t i = 0; i < kLimits; ++i) {
        family.per_replica += prices[i] * uses_of(l, family.choice)[i];
      }
    }
  }
  return selection;
}

SelectionResult Search::solve_limited(const Selection& selection,
                                      const SelectionOptions& options,
                                      PerLimit& prices) {
  SelectionResult out;
  PerLimit least{};
  for (std::size_t l = 0; l < selection.layers.size(); ++l) {
    PerLimit layer;
    layer.fill(kInfinity);
    for (const Family& family : selection.layers[l]) {
      for (std::size_t i = 0; i < kLimits; ++i) {
        layer[i] =
            std::min(layer[i], uses_of(l, family.choice)[i] * static_cast<double>(family.least));
      }
    }
    for (std::size_t i = 0; i < kLimits; ++i) {
      least[i] += layer[i];
    }
  }
  for (std::size_t i = 0; i < kLimits; ++i) {
    if (least[i] > budget_.limits[i] * kLossRounding) {
      out.infeasible = true;
      return out;
    }
  }
  const auto done = [&] {
    return out.infeasible || out.cost <= options.enough || out.bound > options.hopeless ||
           (out.cost < kInfinity &&
            out.cost - out.bound <= std::max(options.gap, kExact) * std::abs(out.cost));
  };
  double scale = 0;  // of costs
  /// What the answer at these prices uses; nothing when there is none.
  const auto look = [&](const PerLimit& at) -> std::optional<PerLimit> {
    SelectionOptions inner = options;
    inner.enough = -kInfinity;                // of answers that need not keep to the limits
    inner.gap = std::max(options.gap, 1e-3);  // prices are only approximate as well
    const SelectionResult found = solve_selection(priced(selection, at), inner);
    out.dual.evaluations += found.dual.evaluations;
    out.states += found.states;
    if (found.infeasible) {
      out.infeasible = true;
      return std::nullopt;
    }
    if (found.bound > out.bound) {
      const std::int64_t evaluations = out.dual.evaluations;
      out.bound = found.bound;
      out.dual = found.dual;
      out.dual.evaluations = evaluations;
      prices = at;
    }
    if (found.options.empty()) {
      return std::nullopt;
    }
    std::vector<Option> answer = found.options;
    PerLimit uses{};
    double cost = selection.constant;
    for (std::size_t l = 0; l < answer.size(); ++l) {
      const auto replicas = static_cast<double>(answer[l].replicas);
      for (std::size_t i = 0; i < kLimits; ++i) {
        const double used = uses_of(l, answer[l].choice)[i] * replicas;
        uses[i] += used;
        answer[l].cost -= at[i] * used;
      }
      cost += answer[l].cost;
    }
    scale = std::max(scale, std::abs(cost));
    bool holds = true;
    for (std::size_t i = 0; i < kLimits; ++i) {
      holds = holds && uses[i] <= budget_.limits[i] * kLossRounding;
    }
    if (holds && cost < out.cost) {
      out.cost = cost;
      out.options = std::move(answer);
    }
    return uses;
  };
  PerLimit at{};
  std::optional<PerLimit> uses = look(at);
  const auto exceeds = [&](std::size_t i) {
    return uses && (*uses)[i] > budget_.limits[i] * kLossRounding;
  };
  for (int round = 0; round < kPriceRounds && !done(); ++round) {
    for (std::size_t i = 0; i < kLimits && !done(); ++i) {
      if (!exceeds(i)) {
        continue;
      }
      double low = at[i];
      double high = std::max(2 * low, std::max(scale, 1e-9) / budget_.limits[i] / 16);
      for (int step = 0; step < kPriceDoublings && !done(); ++step) {
        at[i] = high;
        uses = look(at);
        if (!exceeds(i)) {
          break;
        }
        low = high;
        high *= 4;
      }
      for (int step = 0; step < kPriceBisections && !done(); ++step) {
        at[i] = (low + high) / 2;
        uses = look(at);
        (exceeds(i) ? low : high) = at[i];
      }
      at[i] = high;
      uses = look(at);
    }
  }
  evaluations_ += out.dual.evaluations;
  states_ += out.states;
  out.bound = std::min(out.bound, out.cost);
  return out;
}

Search::Outcome Search::weighted(Weights weights) {
  if (weights.energy * problem_.static_power > 0) {
    return over_intervals(weights);
  }
  Outcome out;
  const SelectionResult result = solve(selection(weights, kInfinity),
                                       {.gap = options_.gap, .max_states = options_.max_states});
  out.bound = kInfinity;
  if (!result.infeasible) {
    out.bound = result.bound;
  }
  if (!result.options.empty()) {
    out.solution = solution_of(result.options);
    out.value = value_of(evaluate(problem_, out.solution), weights);
  }
  return out;
}

Search::Outcome Search::within(double interval) {
  Outcome out;
  if (budget_.loss == kInfinity && budget_.has_limits()) {
    const auto pes = static_cast<double>(budget_.pes);
    const SelectionResult result =
        solve(least_pes(interval),
              {.gap = 0, .max_states = options_.max_states, .enough = pes, .hopeless = pes});
    if (!result.options.empty() && result.cost <= pes) {
      return {solution_of(result.options), 0, 0};
    }
    return {{}, kInfinity, result.infeasible || result.bound > pes ? kInfinity : -kInfinity};
  }
  if (budget_.loss == kInfinity) {
    std::vector<std::int64_t> best(problem_.layers.size(),
                                   std::numeric_limits<std::int64_t>::max());
    out.solution.choice.resize(best.size());
    out.solution.replicas.resize(best.size());
    for_families(interval, [&](std::size_t l, int c, const Choice& choice, std::int64_t least) {
      if (choice.pes * least < best[l]) {
        best[l] = choice.pes * least;
        out.solution.choice[l] = c;
        out.solution.replicas[l] = least;
      }
    });
    std::int64_t left = budget_.pes;
    for (const std::int64_t pes : best) {
      left = pes <= left ? left - pes : -1;
    }
    if (left < 0) {
      return {{}, kInfinity, kInfinity};
    }
    out.value = 0;
    return out;
  }
  const SelectionResult result = solve(least_loss(interval),
                                       {.gap = 0,
                                        .max_states = options_.max_states,
                                        .enough = budget_.loss,
                                        .hopeless = budget_.loss});
  if (!result.options.empty() && result.cost <= budget_.loss) {
    return {solution_of(result.options), 0, 0};
  }
  return {{}, kInfinity, result.infeasible || result.bound > budget_.loss ? kInfinity : -kInfinity};
}

Search::Outcome Search::throughput(double gap) {
  Outcome out = within(kInfinity);
  if (out.solution.choice.empty()) {
    return out;
  }
  const double floor = problem_.fixed_interval;
  double proven = 0;  // no answer has busy <= proven
  double tried = 0;   // none was found
  out.value = evaluate(problem_, out.solution).interval;
  while (out.value > floor && out.value - tried > gap * out.value) {
    const double limit = std::max(floor, tried > 0 ? (tried + out.value) / 2 : out.value / 4);
    Outcome next = within(limit);
    if (!next.solution.choice.empty()) {
      out.solution = std::move(next.solution);
      out.value = evaluate(problem_, out.solution).interval;
    } else {
      tried = limit;
      proven = next.bound == kInfinity ? limit : proven;
    }
  }
  out.bound = std::max(floor, proven);
  if (out.value - out.bound <= kExact * out.value * 4) {
    out.bound = out.value;
  }
  out.least_interval = out.bound;
  out.most_interval = out.value;
  return out;
}

Search::Outcome Search::over_intervals(Weights weights) {
  struct Range {
    double low = 0;
    double high = 0;
    double cost = 0;  ///< bound without the interval's share, at high
    double bound = 0;
  };

  const double price = weights.energy * problem_.static_power;
  Outcome out = throughput(options_.gap / 4);
  if (out.solution.choice.empty()) {
    return out;
  }
  const double shortest = out.bound;
  out.value = value_of(evaluate(problem_, out.solution), weights);
  double longest = evaluate(problem_, out.solution).interval;
  const auto bound_of = [&](double low, double cost) {
    return cost + price * std::max(low, problem_.fixed_interval);
  };
  const auto look = [&](double low, double high) -> Range {
    // What is worse than the best answer need not be known exactly.
    const SelectionResult result = solve(selection(weights, high),
                                         {.gap = options_.gap / 2,
                                          .max_states = options_.max_states,
                                          .hopeless = out.value - bound_of(low, 0)});
    if (!result.options.empty()) {
      Solution solution = solution_of(result.options);
      const Evaluation evaluation = evaluate(problem_, solution);
      longest = std::max(longest, evaluation.interval);
      const double value = value_of(evaluation, weights);
      if (value < out.value) {
        out.value = value;
        out.solution = std::move(solution);
      }
    }
    double cost = kInfinity;
    if (!result.infeasible) {
      cost = result.bound;
    }
    return {low, high, cost, bound_of(low, cost)};
  };
  const auto later = [](const Range& a, const Range& b) {
    return a.bound != b.bound ? a.bound > b.bound : a.low > b.low;
  };
  // Unlimited first: it tells how long an interval can be of use.
  const Range all = look(shortest, kInfinity);
  std::vector<Range> open = {{shortest, longest, all.cost, all.bound}};
  out.outside = bound_of(longest, all.cost);
  // With limits each is many selections, and what is left open is GLPK's.
  const int most = budget_.has_limits() ? options_.max_intervals / 20 : options_.max_intervals;
  for (int step = 0; step < most; ++step) {
    const Range range = open.front();
    if (out.value - range.bound <= options_.gap * std::abs(out.value) ||
        range.high - range.low <= kExact * range.high) {
      break;
    }
    std::pop_heap(open.begin(), open.end(), later);
    open.pop_back();
    const double middle = range.low > 0 ? std::sqrt(range.low * range.high) : range.high / 2;
    for (const Range& part :
         {look(range.low, middle),
          Range{middle, range.high, range.cost, bound_of(middle, range.cost)}}) {
      if (part.bound < out.value) {
        open.push_back(part);
        std::push_heap(open.begin(), open.end(), later);
      }
    }
    if (open.empty()) {
      break;
    }
  }
  const double interval = evaluate(problem_, out.solution).interval;
  out.bound = std::min(out.value, out.outside);
  out.least_interval = out.most_interval = interval;
  for (const Range& range : open) {
    out.bound = std::min(out.bound, range.bound);
    out.least_interval = std::min(out.least_interval, range.low);
    out.most_interval = std::max(out.most_interval, range.high);
  }
  if (budget_.has_limits() && out.outside < out.value) {
    // The prices of limits leave a gap that no division of the interval closes: let GLPK look
    // there.
    out.outside = out.most_interval = kInfinity;
  }
  return out;
}

/// The least x * y over all points on or above every line of `lines` (a x + b y >= c; a, b >= 0).
/// Along an edge the product is concave, so a vertex has it.
double least_product(std::vector<std::array<double, 3>> lines) {
  double least = kInfinity;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (std::size_t j = i + 1; j < lines.size(); ++j) {
      const auto& [a, b, c] = lines[i];
      const auto& [d, e, f] = lines[j];
      const double determinant = a * e - b * d;
      if (std::abs(determinant) <= kExact * (std::abs(a * e) + std::abs(b * d))) {
        continue;
      }
      const double x = (c * e - b * f) / determinant;
      const double y = (a * f - c * d) / determinant;
      const bool inside = std::all_of(lines.begin(), lines.end(), [&](const auto& line) {
        return line[0] * x + line[1] * y >= line[2] - 1e-9 * std::abs(line[2]);
      });
      if (inside) {
        least = std::min(least, x * y);
      }
    }
  }
  return least;
}

Search::Outcome Search::product(LagrangianResult& out) {
  std::vector<std::array<double, 3>> lines;
  Outcome best;
  const auto look = [&](Weights weights) -> std::optional<Evaluation> {
    Outcome one = weighted(weights);
    if (one.solution.choice.empty()) {
      best.bound = one.bound;
      return std::nullopt;
    }
    lines.push_back({weights.latency, weights.energy, one.bound});
    const Evaluation evaluation = evaluate(problem_, one.solution);
    if (evaluation.value(Objective::edp) < best.value) {
      best = std::move(one);
      best.value = evaluation.value(Objective::edp);
      out.weights = weights;
    }
    return evaluation;
  };
  const std::optional<Evaluation> fast = look({1, 0});
  const std::optional<Evaluation> frugal = look({0, 1});
  if (!fast || !frugal) {
    return best;
  }
  for (const double share : {0.0, 1.0 / 3, 2.0 / 3, 1.0}) {
    double latency = std::pow(fast->latency, 1 - share) * std::pow(frugal->latency, share);
    double energy = std::pow(fast->energy, 1 - share) * std::pow(frugal->energy, share);
    double last = kInfinity;
    for (int step = 0; step < 20; ++step) {
      const std::optional<Evaluation> next = look({energy, latency});
      if (!next || next->value(Objective::edp) >= last * (1 - kExact)) {
        break;
      }
      last = next->value(Objective::edp);
      latency = next->latency;
      energy = next->energy;
    }
  }
  best.bound = std::min(best.value, least_product(std::move(lines)));
  return best;
}

LagrangianResult Search::run(Objective objective) {
  const auto began = std::chrono::steady_clock::now();
  LagrangianResult out;
  Outcome found;
  switch (objective) {
    case Objective::latency:
      found = weighted({1, 0});
      break;
    case Objective::throughput:
      out.weights = {0, 0};
      found = throughput(budget_.loss == kInfinity ? kExact : options_.gap);
      break;
    case Objective::energy:
      out.weights = {0, 1};
      found = weighted({0, 1});
      break;
    case Objective::edp:
      found = product(out);
      break;
  }
  if (found.solution.choice.empty() && found.bound < kInfinity && budget_.has_limits()) {
    if (std::optional<Solution> first = one_replica_each(problem_, budget_, options_.fixed)) {
      found.solution = std::move(*first);
    } else {
      found.bound = kInfinity;
    }
    found.most_interval = kInfinity;
  }
  out.least_interval = found.least_interval;
  out.most_interval = found.most_interval;
  out.outside = found.outside;
  SolverReport& report = out.report;
  report.solver = "lagrangian";
  report.nodes = evaluations_;
  report.variables = states_;
  report.bound = found.bound;
  if (!found.solution.choice.empty()) {
    out.solution = std::move(found.solution);
    out.evaluation = evaluate(problem_, out.solution);
    report.objective = out.evaluation.value(objective);
    report.bound = std::min(report.bound, report.objective);
    report.gap = relative_gap(report.objective, report.bound);
    report.status = report.gap <= options_.gap + kExact ? Status::optimal : Status::feasible;
  } else {
    report.objective = report.gap = kInfinity;
    report.status = found.bound == kInfinity ? Status::infeasible : Status::failed;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return out;
}

/// What an option keeps its slowest replica busy for.
double busy_of(const Problem& problem, std::size_t layer, const Option& option) {
  const ProblemLayer& at = problem.layers[layer];
  return at.choices[static_cast<std::size_t>(option.choice)].per_position *
         problem.rounds(at, option.replicas);
}

/// Drops options that another one of the layer equals or beats in all that counts.
void drop_dominated(const Problem& problem,
                    std::size_t layer,
                    bool with_interval,
                    std::vector<Option>& options) {
  const auto uses_of = [&](const Option& option, std::size_t limit) {
    const Choice& choice = problem.layers[layer].choices[static_cast<std::size_t>(option.choice)];
    return choice.uses[limit] * static_cast<double>(option.replicas);
  };
  std::vector<double> busy;
  busy.reserve(options.size());
  for (const Option& option : options) {
    busy.push_back(with_interval ? busy_of(problem, layer, option) : 0);
  }
  const auto beats = [&](std::size_t a, std::size_t b) {
    const Option& x = options[a];
    const Option& y = options[b];
    if (x.cost > y.cost || x.pes > y.pes || x.loss > y.loss || busy[a] > busy[b]) {
      return false;
    }
    bool equal = x.cost == y.cost && x.pes == y.pes && x.loss == y.loss && busy[a] == busy[b];
    for (std::size_t i = 0; i < kLimits; ++i) {
      const double of_x = uses_of(x, i);
      const double of_y = uses_of(y, i);
      if (of_x > of_y) {
        return false;
      }
      equal = equal && of_x == of_y;
    }
    return !equal || a < b;
  };
  std::vector<Option> kept;
  for (std::size_t b = 0; b < options.size(); ++b) {
    bool beaten = false;
    for (std::size_t a = 0; a < options.size() && !beaten; ++a) {
      beaten = a != b && beats(a, b);
    }
    if (!beaten) {
      kept.push_back(options[b]);
    }
  }
  options = std::move(kept);
}

Candidates Search::candidates(Objective objective,
                              const LagrangianResult& incumbent,
                              std::int64_t limit) {
  const bool throughput = objective == Objective::throughput;
  const double price = incumbent.weights.energy * problem_.static_power;
  const bool with_interval = throughput || price > 0;
  double most = kInfinity;
  if (with_interval) {
    most = incumbent.most_interval;
  }
  Selection selection = throughput ? least_loss(most) : this->selection(incumbent.weights, most);
  if (with_interval) {
    // A larger number of replicas than the shortest interval needs is no use.
    for (std::size_t l = 0; l < selection.layers.size(); ++l) {
      for (Family& family : selection.layers[l]) {
        const Choice& choice = problem_.layers[l].choices[static_cast<std::size_t>(family.choice)];
        const std::int64_t shortest =
            counts_[l].for_limit(choice.per_position, incumbent.least_interval);
        family.most = shortest > 0 ? shortest : problem_.layers[l].max_replicas;
      }
    }
  }
  Dual dual;
  PerLimit prices{};
  if (budget_.has_limits()) {
    dual =
        solve_limited(selection, {.gap = options_.gap, .max_states = options_.max_states}, prices)
            .dual;
    selection = priced(std::move(selection), prices);
  } else {
    dual = solve(selection, {.gap = kInfinity}).dual;
  }
  const double value = value_of(incumbent.evaluation, incumbent.weights);
  double slack = throughput
                     ? budget_.loss - dual.bound
                     : value - price * std::max(incumbent.least_interval, problem_.fixed_interval) -
                           dual.bound;
  slack = std::max(slack, 0.0) + kExact * std::abs(value);
  Candidates out;
  out.outside = incumbent.outside;
  for (;;) {
    out.layers = options_within(selection, dual, slack);
    std::int64_t size = 0;
    for (std::size_t l = 0; l < out.layers.size(); ++l) {
      size += std::ssize(out.layers[l]);
      for (Option& option : out.layers[l]) {
        for (std::size_t i = 0; i < kLimits; ++i) {
          option.cost -=
              prices[i] * uses_of(l, option.choice)[i] * static_cast<double>(option.replicas);
        }
      }
    }
    if (size <= 4 * limit) {
      size = 0;
      for (std::size_t l = 0; l < out.layers.size(); ++l) {
        drop_dominated(problem_, l, with_interval, out.layers[l]);
        size += std::ssize(out.layers[l]);
      }
    }
    if (size <= limit || throughput || slack <= kExact * std::abs(value)) {
      return out;
    }
    slack /= 2;
    out.outside = std::min(
        incumbent.outside,
        dual.bound + slack + price * std::max(incumbent.least_interval, problem_.fixed_interval));
  }
}

}  // namespace

LagrangianResult minimize(const Problem& problem,
                          const Budget& budget,
                          Objective objective,
                          const LagrangianOptions& options) {
  return Search(problem, budget, options).run(objective);
}

Candidates candidates(const Problem& problem,
                      const Budget& budget,
                      Objective objective,
                      const LagrangianResult& incumbent,
                      std::int64_t limit,
                      const LagrangianOptions& options) {
  return Search(problem, budget, options).candidates(objective, incumbent, limit);
}

}  // namespace tessera::mapper::milp
