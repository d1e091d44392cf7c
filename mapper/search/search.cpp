// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/search.hpp"

#include "mapper/accuracy/command.hpp"
#include "mapper/accuracy/sensitivity.hpp"
#include "mapper/accuracy/sqnr.hpp"
#include "mapper/accuracy/table.hpp"
#include "mapper/cost_table.hpp"
#include "mapper/milp/joint.hpp"
#include "mapper/milp/replication.hpp"
#include "mapper/milp/shortfall.hpp"
#include "mapper/rl/agent.hpp"
#include "mapper/rl/environment.hpp"
#include "mapper/rl/haq.hpp"
#include "mapper/search/baselines.hpp"
#include "mapper/search/closed_form.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr int kReferenceBits = 8;

/// Of every layer the choice next to these widths, the narrower one of two.
std::vector<int> nearest(const Problem& problem, int w_bits, int a_bits) {
  std::vector<int> choice;
  for (const ProblemLayer& layer : problem.layers) {
    const auto distance = [&](const Choice& one) {
      return std::abs(one.w_bits - w_bits) + std::abs(one.a_bits - a_bits);
    };
    const auto best = std::min_element(
        layer.choices.begin(), layer.choices.end(), [&](const Choice& a, const Choice& b) {
          return distance(a) < distance(b);
        });
    choice.push_back(static_cast<int>(best - layer.choices.begin()));
  }
  return choice;
}

Solution once_each(std::vector<int> choice) {
  const std::size_t layers = choice.size();
  return {std::move(choice), std::vector<std::int64_t>(layers, 1)};
}

Solution uniform(const Problem& problem, int bits) {
  return once_each(nearest(problem, bits, bits));
}

LayerWidths widths_of(const Problem& problem) {
  LayerWidths widths;
  for (const ProblemLayer& layer : problem.layers) {
    widths.emplace_back();
    for (const Choice& choice : layer.choices) {
      widths.back().push_back({choice.w_bits, choice.a_bits});
    }
  }
  return widths;
}

void set_losses(Problem& problem, const Sensitivity& table, double scale) {
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    for (Choice& choice : problem.layers[l].choices) {
      choice.loss = scale * table.loss(l, {choice.w_bits, choice.a_bits});
    }
  }
}

/// What turns the noise of quantization into percentage points: equal at the widest uniform widths,
/// counted from `bits` down, at which the command measures a loss.
double calibrate(const Problem& problem,
                 const Sensitivity& noise,
                 AccuracySource& command,
                 int bits,
                 int least) {
  for (; bits >= least; --bits) {
    const std::vector<LayerBits> widths = bits_of(problem, nearest(problem, bits, bits));
    const double measured = command.loss(widths);
    double proxy = 0;
    for (std::size_t l = 0; l < widths.size(); ++l) {
      proxy += noise.loss(l, widths[l]);
    }
    if (measured > 0 && proxy > 0) {
      return measured / proxy;
    }
  }
  return 1;
}

/// Sets up `setup.accuracy` and the losses of all choices.
void add_accuracy(SearchSetup& setup,
                  const std::string& folder,
                  const config::Node& at,
                  const SignalSource& signals,
                  Diagnostics& diagnostics) {
  const AccuracySpec& spec = setup.spec.accuracy;
  const Network& network = *setup.network;
  const LayerWidths widths = widths_of(setup.problem);
  const auto noise = [&] {
    return noise_of(signals ? signals() : synthetic_signals(network, setup.seed), kMaxBits);
  };
  if (spec.source == AccuracyKind::table) {
    const std::string path =
        (std::filesystem::path(folder) / spec.file).lexically_normal().string();
    std::optional<Sensitivity> table = load_sensitivity(path, network, widths, noise, diagnostics);
    if (table) {
      set_losses(setup.problem, *table, 1);
      setup.accuracy = std::make_unique<Sensitivity>(std::move(*table));
    }
    return;
  }
  Sensitivity proxy = sqnr_sensitivity(noise(), widths);
  double scale = 1;
  if (spec.source == AccuracyKind::command || spec.source == AccuracyKind::measured) {
    const config::Node section = at.get("accuracy");
    CommandOptions options;
    options.command = spec.command;
    options.timeout = spec.timeout.value;
    options.at = section.get(spec.source == AccuracyKind::command ? "command" : "source").at();
    setup.accuracy = std::make_unique<CommandAccuracy>(network, widths, options);
    const WidthRules& bits = setup.spec.bits;
    const int start = setup.spec.loss_of_bits.value_or((bits.w_min + bits.w_max) / 2);
    scale = calibrate(
        setup.problem, proxy, *setup.accuracy, start, std::min({start, bits.w_min, bits.a_min}));
  }
  set_losses(setup.problem, proxy, scale);
  if (setup.accuracy == nullptr) {
    setup.accuracy = std::make_unique<Sensitivity>(std::move(proxy));
  }
}

/// Exit status 4: what is missing, and the smallest change.
void refuse_infeasible(const SearchSetup& setup, const config::Node& at) {
  const std::optional<milp::Shortfall> shortfall =
      milp::find_shortfall(setup.problem, setup.budget);
  if (!shortfall) {
    return;
  }
  const bool area = shortfall->constraint == milp::Constraint::pes;
  Diagnostics diagnostics;
  const bool one = shortfall->constraint == milp::Constraint::limit;
  if (one || shortfall->constraint == milp::Constraint::limits) {
    const config::Node limits = at.get("limits");
    diagnostics.error(
        config::diagnose(one ? limits.get(std::string(name_of(shortfall->limit))) : limits,
                         "E-SEARCH-LIMIT",
                         shortfall->sentence(),
                         "limits that one replica of every layer keeps to",
                         shortfall->remedy()));
    diagnostics.throw_if_any(4);
  }
  diagnostics.error(config::diagnose(
      at.is_null() || !area ? at : at.get("pes"),
      area ? "E-SEARCH-AREA" : "E-SEARCH-ACCURACY-BUDGET",
      shortfall->sentence(),
      area ? fmt::format("at least {} PEs", shortfall->least_pes)
           : fmt::format("a loss that the widths can keep to, in {}", setup.accuracy->unit()),
      shortfall->remedy()));
  diagnostics.throw_if_any(4);
}

/// `limits:` in numbers.
void add_limits(SearchSetup& setup, const arch::chip::Chip& chip, const config::Node& at) {
  const LimitsSpec& spec = setup.spec.limits;
  Diagnostics diagnostics;
  for (const auto& [limit, share] :
       {std::pair{Limit::buffer, spec.buffer}, {Limit::vector_unit, spec.vector_unit}}) {
    if (!share) {
      continue;
    }
    const double capacity = capacity_of(chip, limit);
    if (setup.problem.serial || std::isinf(capacity)) {
      diagnostics.error(config::diagnose(
          at.get("limits").get(std::string(name_of(limit))),
          "E-SEARCH-UNLIMITED",
          setup.problem.serial ? "serial execution has no replicas to limit"
                               : "this is a share of what the chip has without bounds",
          "a limit of what the chip bounds",
          "leave it out"));
      continue;
    }
    setup.budget.limits[static_cast<std::size_t>(limit)] = *share * capacity;
  }
  diagnostics.throw_if_any();
}

// ---- methods ------------------------------------------------------------------------------------

/// A run whose model is not the method's own: no .lp file is written for it.
MethodRun part_of_a_method() {
  MethodRun run;
  run.method = Method::uniform8;  // which has no model
  return run;
}

milp::SolveOptions solve_options(const SearchSetup& setup, const MethodRun& run) {
  milp::SolveOptions options;
  options.mip_gap = setup.spec.milp.gap;
  options.time_limit_seconds = setup.spec.milp.time_limit.value;
  options.failure_lp_path = setup.failed_lp;
  if (run.method == setup.spec.method) {
    options.lp_path = setup.spec.milp.lp;
  }
  return options;
}

/// Serial execution has no throughput of its own.
Objective objective_of(const SearchSetup& setup) {
  return setup.problem.serial && setup.spec.objective == Objective::throughput
             ? Objective::latency
             : setup.spec.objective;
}

void replicate(const SearchSetup& setup, const std::vector<int>& choice, MethodRun& run) {
  milp::ReplicationOptions options;
  options.solve = solve_options(setup, run);
  const milp::Replication answer =
      milp::replicate_milp(setup.problem, choice, setup.budget, objective_of(setup), options);
  run.report = answer.report;
  if (!answer.replicas.empty()) {
    run.solutions.push_back({choice, answer.replicas});
  } else if (const auto shortfall = milp::find_shortfall(setup.problem, setup.budget, choice)) {
    run.note = shortfall->sentence();
  }
}

/// Where the accuracy source is not the sum of the choices' losses, an answer may turn out beyond
/// the budget: then again with a smaller one.
void joint(const SearchSetup& setup, const Problem& problem, Objective objective, MethodRun& run) {
  constexpr int kRounds = 8;
  milp::JointOptions options;
  options.solve = solve_options(setup, run);
  Budget budget = setup.budget;
  for (int round = 0; round < kRounds; ++round) {
    const milp::JointResult answer = milp::joint_milp(problem, budget, objective, options);
    if (answer.solution.choice.empty()) {
      run.report = round == 0 ? answer.report : run.report;
      return;
    }
    run.report = answer.report;
    if (round > 0) {
      run.report.message = fmt::format(
          "bound and gap are those of a smaller loss budget, {:.4g}: the accuracy source is "
          "stricter "
          "than the sum of the layers' losses",
          budget.loss);
    }
    Evaluation judged = answer.evaluation;
    judged.loss = setup.loss(answer.solution);
    const bool is_within = judged.within(setup.budget);
    if (is_within || round + 1 == kRounds) {
      run.solutions.push_back(answer.solution);
    }
    if (is_within) {
      return;
    }
    budget.loss *= std::min(0.95, setup.budget.loss / judged.loss);
  }
}

Problem without_copies(const SearchSetup& setup) {
  Problem problem = setup.problem;
  for (ProblemLayer& layer : problem.layers) {
    layer.max_replicas = 1;
  }
  return problem;
}

/// The narrowest uniform widths within the loss and on the PEs: what a heuristic for replicas
/// alone starts from. Empty when there are none.
std::vector<int> narrowest_uniform(const SearchSetup& setup) {
  const WidthRules& bits = setup.spec.bits;
  for (int b = std::min(bits.w_min, bits.a_min); b <= std::max(bits.w_max, bits.a_max); ++b) {
    Solution solution = uniform(setup.problem, b);
    if (evaluate(setup.problem, solution).within(setup.budget)) {
      return solution.choice;
    }
  }
  return {};
}

/// Copies given back until the budget's limits hold: each time by the layer that is then the
/// quickest.
void give_back(const Problem& problem, const Budget& budget, Solution& solution) {
  while (!evaluate(problem, solution).fits(budget)) {
    std::size_t quickest = problem.layers.size();
    double least = 0;
    for (std::size_t l = 0; l < problem.layers.size(); ++l) {
      const ProblemLayer& layer = problem.layers[l];
      const double busy =
          layer.choices[static_cast<std::size_t>(solution.choice[l])].per_position *
          problem.rounds(layer, std::max<std::int64_t>(1, solution.replicas[l] - 1));
      if (solution.replicas[l] > 1 && (quickest == problem.layers.size() || busy < least)) {
        quickest = l;
        least = busy;
      }
    }
    if (quickest == problem.layers.size()) {
      return;
    }
    --solution.replicas[quickest];
  }
}

void heuristic(const SearchSetup& setup, Method method, MethodRun& run) {
  const std::vector<int> choice = narrowest_uniform(setup);
  if (choice.empty()) {
    run.note = "no uniform widths are within the budgets";
    return;
  }
  const Problem& problem = setup.problem;
  switch (method) {
    case Method::balance:
      run.solutions = {balance(problem, choice, setup.budget)};
      return;
    case Method::annealing:
      run.solutions = {anneal(problem, choice, setup.budget, objective_of(setup), setup.seed)};
      return;
    case Method::genetic:
      run.solutions = {evolve(problem, choice, setup.budget, objective_of(setup), setup.seed)};
      return;
    default: {
      const milp::Replication answer =
          objective_of(setup) == Objective::throughput
              ? milp::replicate_bisection(problem, choice, setup.budget)
              : milp::replicate_dp(problem, choice, setup.budget);
      run.report = answer.report;
      if (!answer.replicas.empty()) {
        run.solutions = {{choice, answer.replicas}};
        give_back(problem, setup.budget, run.solutions.front());
      }
    }
  }
}

/// A uniform network is a row of the table whether or not it is within the budget.
void fixed_widths(const SearchSetup& setup, int bits, MethodRun& run) {
  run.solutions = {uniform(setup.problem, bits)};
}

std::unique_ptr<rl::Environment> make_environment(const SearchSetup& setup) {
  const RlSpec& spec = setup.spec.rl;
  rl::EnvironmentOptions options;
  options.objective = objective_of(setup);
  options.widths.cell_bits = setup.spec.bits.w_step > 1 ? setup.spec.bits.w_step : 0;
  options.widths.reference_bits = kReferenceBits;
  options.budget = setup.budget;
  switch (spec.environment) {
    case RlEnvironment::lrmp: {
      rl::LrmpOptions lrmp;
      lrmp.lambda = spec.accuracy_weight;
      lrmp.alpha = spec.speed_weight;
      // Within a loss that is given, nothing else needs to drive the widths down.
      const bool bounded = std::isfinite(setup.budget.loss);
      lrmp.first_target = spec.budget_start.value_or(bounded ? 1.0 : lrmp.first_target);
      lrmp.last_target = spec.budget_end.value_or(bounded ? lrmp.first_target : lrmp.last_target);
      return rl::make_lrmp(
          setup.problem, *setup.accuracy, options, lrmp, [&setup](const std::vector<int>& choice) {
            const double gap = setup.spec.milp.gap;
            milp::Replication answer =
                milp::replicate_fast(setup.problem, choice, setup.budget, objective_of(setup), gap);
            if (setup.budget.has_limits() && answer.report.status == milp::Status::feasible) {
              milp::ReplicationOptions exact;  // limits may leave a gap
              exact.solve.mip_gap = gap;
              exact.solve.time_limit_seconds = setup.spec.milp.time_limit.value;
              answer = milp::replicate_milp(
                  setup.problem, choice, setup.budget, objective_of(setup), exact);
            }
            return answer.replicas;
          });
    }
    case RlEnvironment::haq: {
      rl::HaqOptions haq;
      haq.preserve_ratio = spec.preserve_ratio;
      return rl::make_haq(setup.problem, *setup.accuracy, options, haq);
    }
    case RlEnvironment::cim_aq:
      break;
  }
  rl::CimAqOptions cim_aq;
  if (std::isfinite(setup.budget.loss)) {  // a reward cannot be measured from nowhere
    cim_aq.accuracy_drop = setup.budget.loss;
  }
  return rl::make_cim_aq(setup.problem, *setup.accuracy, options, cim_aq);
}

void reinforce(const SearchSetup& setup, const SearchHooks& hooks, MethodRun& run) {
  const RlSpec& spec = setup.spec.rl;
  rl::AgentOptions options;
  options.layers = static_cast<int>(setup.problem.layers.size());
  options.seed = setup.seed;
  const std::unique_ptr<rl::Agent> agent =
      spec.algorithm == RlAlgorithm::ddpg ? rl::make_ddpg(options) : rl::make_td3(options);
  const std::unique_ptr<rl::Environment> environment = make_environment(setup);
  rl::RlOptions episodes;
  episodes.episodes = static_cast<int>(spec.episodes);
  const auto types =
      spec.environment == RlEnvironment::cim_aq ? rl::LayerTypes::cim_aq : rl::LayerTypes::haq;
  rl::RlSearch search(setup.problem,
                      rl::normalize(rl::count_features(*setup.network, types)),
                      *environment,
                      *agent,
                      episodes);
  if (hooks.resume) {
    hooks.resume(search);
  }
  while (!search.is_done()) {
    search.run_episode();
    if (hooks.after_episode) {
      hooks.after_episode(search);
    }
  }
  run.episodes = search.outcome();
  for (const int candidate : run.episodes.candidates) {
    run.solutions.push_back(run.episodes.outcome(candidate).solution);
  }
  if (run.solutions.empty()) {
    run.note = "no episode was within the budgets";
    return;
  }
  if (spec.environment == RlEnvironment::lrmp) {  // the MILP confirms the replicas of the best
    MethodRun confirmed;
    confirmed.method = run.method;
    replicate(setup, run.solutions.front().choice, confirmed);
    run.report = confirmed.report;
    if (!confirmed.solutions.empty()) {
      run.solutions.front() = confirmed.solutions.front();
    }
  }
}

}  // namespace

double SearchSetup::loss(const Solution& solution) const {
  return accuracy->loss(bits_of(problem, solution.choice));
}

Problem make_costs(const Network& network,
                   const arch::chip::Chip& chip,
                   Granularity granularity,
                   const SearchSpec& spec,
                   const config::Node& at) {
  Diagnostics diagnostics;
  if (chip.mixed()) {
    Diagnostic d;
    d.code = "E-SEARCH-GROUPS";
    d.sentence = "a search counts PEs of one sort, and the tiles of this chip are of several";
    d.at = at.at();
    d.path = "search";
    d.expected = "a chip with one group of tiles";
    d.got = "groups: " + join_keys(chip.group_names());
    d.hint = "say widths, replicas and groups in 'mapping:'";
    diagnostics.error(std::move(d));
    diagnostics.throw_if_any();
  }
  const CostModel model = spec.cost_model.value_or(natural_cost_model(granularity));
  if ((model == CostModel::serial) != (granularity == Granularity::serial)) {
    Diagnostic d;
    d.code = "E-SEARCH-COST-MODEL";
    d.sentence = "the cost model does not go with the granularity";
    d.at = at.get("cost_model").at();
    d.path = "search.cost_model";
    d.expected = granularity == Granularity::serial ? "serial" : "array, sum, max or pipeline";
    d.got = at.get("cost_model").scalar();
    d.hint = "leave it out to get the one that suits execution.granularity";
    diagnostics.error(std::move(d));
    diagnostics.throw_if_any();
  }
  Problem problem = make_problem(network, chip, granularity, model, spec.bits, diagnostics);
  diagnostics.throw_if_any(4);
  if (spec.milp.max_replicas > 0) {
    for (ProblemLayer& layer : problem.layers) {
      layer.max_replicas = std::min(layer.max_replicas, spec.milp.max_replicas);
    }
  }
  return problem;
}

SearchSetup make_search(const Network& network,
                        const arch::chip::Chip& chip,
                        Granularity granularity,
                        const SearchSpec& spec,
                        std::uint64_t seed,
                        const std::string& folder,
                        const config::Node& at,
                        const SignalSource& signals) {
  SearchSetup setup;
  setup.network = &network;
  setup.spec = spec;
  setup.seed = seed;
  setup.problem = make_costs(network, chip, granularity, spec, at);
  setup.reference = uniform(setup.problem, kReferenceBits);
  Diagnostics diagnostics;
  add_accuracy(setup, folder, at, signals, diagnostics);
  diagnostics.throw_if_any();
  // Under serial execution PEs are shared in time: as many as the widest widths take.
  setup.budget.pes =
      setup.problem.serial
          ? pes_of(setup.problem, nearest(setup.problem, kMaxBits, kMaxBits))
          : pes_budget(spec, pes_of(setup.problem, setup.reference.choice), setup.problem.pes);
  add_limits(setup, chip, at);
  if (spec.loss) {
    setup.budget.loss = *spec.loss;
  } else if (spec.loss_of_bits) {
    setup.budget.loss = evaluate(setup.problem, uniform(setup.problem, *spec.loss_of_bits)).loss;
  }
  refuse_infeasible(setup, at);
  return setup;
}

MethodRun run_method(const SearchSetup& setup, Method method, const SearchHooks& hooks) {
  MethodRun run;
  run.method = method;
  switch (method) {
    case Method::uniform8:
      fixed_widths(setup, 8, run);
      break;
    case Method::uniform6:
      fixed_widths(setup, 6, run);
      break;
    case Method::uniform4:
      fixed_widths(setup, 4, run);
      break;
    case Method::replication:
      replicate(setup, setup.reference.choice, run);
      break;
    case Method::quantization:
      joint(setup, without_copies(setup), objective_of(setup), run);
      break;
    case Method::quantize_replicate: {
      MethodRun quantized = part_of_a_method();
      joint(setup, without_copies(setup), objective_of(setup), quantized);
      if (!quantized.solutions.empty()) {
        replicate(setup, quantized.solutions.front().choice, run);
      }
      break;
    }
    case Method::balance:
    case Method::dynamic_program:
    case Method::annealing:
    case Method::genetic:
      heuristic(setup, method, run);
      break;
    case Method::rl:
      reinforce(setup, hooks, run);
      break;
    case Method::joint_milp:
      joint(setup, setup.problem, objective_of(setup), run);
      // When layers overlap, the slowest one also rules the latency.
      if (objective_of(setup) == Objective::latency && !setup.problem.serial) {
        MethodRun balanced = part_of_a_method();
        joint(setup, setup.problem, Objective::throughput, balanced);
        run.solutions.insert(
            run.solutions.end(), balanced.solutions.begin(), balanced.solutions.end());
      }
      break;
  }
  if (run.solutions.empty() && run.note.empty()) {
    run.note = run.report.message.empty() ? "does not fit the PEs" : run.report.message;
  }
  return run;
}

std::vector<Solution> sweep_loss(const SearchSetup& setup, int count) {
  const double most = evaluate(setup.problem, uniform(setup.problem, 1)).loss;
  const double least = evaluate(setup.problem, setup.reference).loss;
  std::vector<Solution> out;
  for (int i = 1; i <= count; ++i) {
    // Noise quadruples with every bit: budgets rise geometrically, three to a bit.
    const double share = std::pow(4.0, (i - count) / 3.0);
    Budget budget = setup.budget;
    budget.loss = least + (most - least) * share;
    const milp::LagrangianResult answer =
        milp::minimize(setup.problem, budget, objective_of(setup));
    if (!answer.solution.choice.empty()) {
      out.push_back(answer.solution);
    }
  }
  return out;
}

}  // namespace tessera::mapper
