// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/map.hpp"

#include "mapper/check.hpp"
#include "mapper/cost_table.hpp"
#include "mapper/mapping_yaml.hpp"
#include "mapper/search/closed_form.hpp"
#include "mapper/search/refine.hpp"
#include "mapper/search/search.hpp"
#include "sim/base/children.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "tools/tessera/accuracy.hpp"
#include "tools/tessera/emit_ap.hpp"
#include "tools/tessera/integers.hpp"
#include "tools/tessera/map_result.hpp"
#include "tools/tessera/simulate.hpp"
#include "tools/tessera/train_program.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

using mapper::Method;
using mapper::SearchSetup;
using mapper::Solution;
using Steady = std::chrono::steady_clock;

constexpr std::int64_t kRefinements = 400;  ///< closed forms that one local search may ask for
constexpr std::size_t kRefined = 2;         ///< answers of the search that are refined
constexpr int kSweep = 24;                  ///< loss budgets of the Pareto front

/// Where an answer is written.
std::string folder_of(const Experiment& experiment, const CommandLine& line) {
  return line.out.empty() ? "out/" + experiment.info.name + "_map" : line.out;
}

/// Checkpoints of reinforcement learning, one per round of feedback.
class Checkpoints {
 public:
  Checkpoints(std::string base, bool fresh) : base_(std::move(base)) {
    while (base_.size() > 1 && base_.back() == '/') {
      base_.pop_back();
    }
    if (fresh) {
      remove();
    }
  }

  void resume(int round, mapper::rl::RlSearch& search) const {
    std::ifstream in(path(round), std::ios::binary);
    if (!in) {
      return;
    }
    if (const std::optional<std::string> objection = search.load(in)) {
      Diagnostic d;
      d.code = "E-SEARCH-CHECKPOINT";
      d.sentence = fmt::format("cannot go on from '{}': {}", path(round), *objection);
      d.path = "checkpoint";
      d.expected = "a checkpoint that an interrupted search of this experiment left behind";
      d.got = path(round);
      d.hint = "start anew with --fresh, or write to another folder with --out";
      Diagnostics diagnostics;
      diagnostics.error(std::move(d));
      throw InputError(std::move(diagnostics), 2);
    }
  }

  /// At most once a second, and whenever the search is done. Never half a file.
  void save(int round, const mapper::rl::RlSearch& search) {
    if (Steady::now() < next_ && !search.is_done()) {
      return;
    }
    if (made_.empty()) {
      make_folder();
    }
    std::ofstream out(temporary(), std::ios::binary | std::ios::trunc);
    search.save(out);
    out.close();
    if (out) {  // a search that cannot be saved still ends
      std::error_code ignored;
      std::filesystem::rename(temporary(), path(round), ignored);
    }
    next_ = Steady::now() + std::chrono::seconds(1);
  }

  void remove() const {
    std::error_code ignored;
    std::filesystem::remove(temporary(), ignored);
    for (int round = 0; std::filesystem::remove(path(round), ignored); ++round) {
    }
    for (std::size_t i = made_.size(); i-- > 0;) {
      std::filesystem::remove(made_[i], ignored);  // only when it is empty
    }
  }

 private:
  void make_folder() {
    std::error_code ignored;
    std::filesystem::path folder = std::filesystem::absolute(base_, ignored).parent_path();
    for (std::filesystem::path p = folder; !p.empty() && !std::filesystem::exists(p, ignored);
         p = p.parent_path()) {
      made_.insert(made_.begin(), p);
    }
    std::filesystem::create_directories(folder, ignored);
  }

  [[nodiscard]] std::string path(int round) const {
    return round == 0 ? base_ + ".checkpoint" : fmt::format("{}.checkpoint{}", base_, round);
  }

  [[nodiscard]] std::string temporary() const { return base_ + ".checkpoint.partial"; }

  std::string base_;
  std::vector<std::filesystem::path> made_;  ///< folders for them, outermost first
  Steady::time_point next_ = Steady::now();
};

/// Index of the candidate with the lowest value, the first of equals; `start` when none is below
/// its.
template <class Value>
std::size_t best_of(const std::vector<MapCandidate>& all, std::size_t start, const Value& value) {
  std::size_t best = start;
  for (std::size_t i = 0; i < all.size(); ++i) {
    best = value(all[i]) < value(all[best]) ? i : best;
  }
  return best;
}

/// From a result.json, as the child wrote it.
Simulated read_simulated(const std::string& text, const SearchSetup& setup) {
  const nlohmann::json in = nlohmann::json::parse(text);
  Simulated out;
  out.first = in.at("latency").at("first_cycles").get<double>();
  out.latency = in.at("latency").at("cycles").get<double>();
  const nlohmann::json& interval = in.at("throughput").at("interval_cycles");
  out.interval = interval.is_number() ? interval.get<double>() : out.first;  // one image has none
  out.energy = in.at("energy").at("total_j").get<double>() / in.at("images").get<double>();
  out.flit_hops = in.at("fabric").at("flit_hops").get<std::int64_t>();
  const nlohmann::json& analytical = in.at("analytical");
  out.closed_form.latency = Cycles(analytical.at("latency_cycles").get<std::int64_t>());
  out.closed_form.interval = Cycles(analytical.at("interval_cycles").get<std::int64_t>());
  std::map<std::string, const nlohmann::json*> layers;
  for (const nlohmann::json& layer : in.at("layers")) {
    layers[layer.at("name").get<std::string>()] = &layer;
  }
  for (const mapper::ProblemLayer& layer : setup.problem.layers) {
    const nlohmann::json& of = *layers.at(layer.name);
    out.spans.push_back(of.at("simulated_cycles").get<double>());
    out.closed_spans.push_back(of.at("analytical_cycles").get<double>());
  }
  return out;
}

void set_simulated(const Simulated& simulated, MapCandidate& one) {
  one.latency = simulated.closed_form.latency;
  one.interval = simulated.closed_form.interval;
  one.spans = simulated.closed_spans;
  one.simulated = simulated;
}

/// The search's section; for measured accuracy with the command that measures it.
mapper::SearchSpec with_command(const Experiment& experiment,
                                const CommandLine& line,
                                const std::string& folder) {
  mapper::SearchSpec spec = experiment.search;
  if (spec.accuracy.source == mapper::AccuracyKind::measured) {
    require_weights(experiment);
    spec.accuracy.command = evaluate_command(experiment, line.sets, folder + ".accuracies");
  }
  return spec;
}

/// What is wrong with it has a place.
SearchSetup set_up(const Experiment& experiment,
                   const CommandLine& line,
                   const std::string& folder) {
  try {
    return mapper::make_search(experiment.network,
                               experiment.chip,
                               experiment.execution.granularity,
                               with_command(experiment, line, folder),
                               static_cast<std::uint64_t>(experiment.execution.seed),
                               std::filesystem::path(experiment.path).parent_path().string(),
                               experiment.root.get("search"),
                               signal_source(experiment));
  } catch (const InputError& error) {
    throw InputError(with_places(error.diagnostics(), experiment), error.exit_status());
  }
}

class Search {
 public:
  Search(Experiment& experiment,
         const CommandLine& line,
         std::shared_ptr<report::StatusLine> status,
         bool baselines)
      : experiment_(experiment),
        line_(line),
        baselines_(baselines && experiment.search.baselines),
        status_(std::move(status)),
        checkpoints_(folder(), line.fresh),
        setup_(set_up(experiment, line, folder())),
        uncorrected_(setup_.problem),
        closed_form_(experiment.network, experiment.chip, experiment.execution.granularity) {
    setup_.failed_lp = folder() + ".failed.lp";
    result_.setup = &setup_;
    result_.clock = experiment.chip.clock;
    result_.granularity = name_of(experiment.execution.granularity);
  }

  MapResult& run() {
    add_reference();
    if (baselines_) {
      for (const auto& [method, name] : enum_names(Method{})) {
        if (method != experiment_.search.method && method != Method::uniform8) {
          add_method(method, 1, 0);
        }
      }
    }
    add_method(experiment_.search.method, experiment_.search.simulate.top, 0);
    simulate(0);
    choose();
    if (is_search(experiment_.search.method)) {
      take_over();
    }
    for (int round = 1; round <= experiment_.search.simulate.feedback; ++round) {
      correct_costs(round);
      add_method(experiment_.search.method, experiment_.search.simulate.top, round);
      simulate(round);
      choose();
    }
    setup_.problem = uncorrected_;
    if (baselines_) {
      for (Solution& solution : mapper::sweep_loss(setup_, kSweep)) {
        result_.seen.push_back(std::move(solution));
      }
    }
    status_->clear();
    return result_;
  }

  [[nodiscard]] const MapCandidate& answer() const { return result_.candidates[result_.chosen]; }

  void forget_checkpoints() const { checkpoints_.remove(); }

  [[nodiscard]] std::string folder() const { return folder_of(experiment_, line_); }

  [[nodiscard]] std::vector<LayerBits> answer_bits() const {
    return mapper::bits_of(setup_.problem, answer().solution.choice);
  }

 private:
  /// Whether answers may come from anywhere, and not from one rule.
  static bool is_search(Method method) {
    return method == Method::rl || method == Method::joint_milp;
  }

  /// When another method's answer is better on the simulator, it becomes a candidate of the search,
  /// as it is and refined.
  void take_over() {
    const auto value = [&](const MapCandidate& one) {
      return one.within && one.simulated ? one.simulated->value(setup_.spec.objective)
                                         : std::numeric_limits<double>::infinity();
    };
    const std::size_t best = best_of(result_.candidates, result_.chosen, value);
    if (best == result_.chosen) {
      return;
    }
    MapCandidate taken = result_.candidates[best];
    taken.origin = "from " + taken.label();
    taken.method = experiment_.search.method;
    taken.rank = 0;
    taken.solver.reset();
    result_.candidates.push_back(std::move(taken));
    if (!setup_.problem.serial) {
      refine(result_.candidates[best], 0);
    }
    simulate(0);
    choose();
  }

  void add_reference() {
    MapCandidate one;
    one.method = Method::uniform8;
    one.solution = setup_.reference;
    add(std::move(one));
  }

  void add_method(Method method, std::int64_t top, int round) {
    const Steady::time_point start = Steady::now();
    const std::size_t first = result_.candidates.size();
    const std::string origin = round == 0 ? "" : fmt::format("feedback {}", round);
    mapper::SearchHooks hooks;
    hooks.resume = [&](mapper::rl::RlSearch& search) { checkpoints_.resume(round, search); };
    hooks.after_episode = [&](const mapper::rl::RlSearch& search) {
      checkpoints_.save(round, search);
      show_episode(search);
    };
    status_->show(fmt::format("searching: {}", name_of(method)));
    mapper::MethodRun run = mapper::run_method(setup_, method, hooks);
    if (!run.episodes.episodes.empty()) {
      result_.episodes = std::move(run.episodes);
      for (const mapper::rl::Episode& episode : result_.episodes.episodes) {
        result_.seen.push_back(episode.outcome.solution);
      }
    }
    if (run.solutions.empty()) {
      result_.notes.push_back(fmt::format("{}: {}", name_of(method), run.note));
    }
    const std::size_t count = std::min(run.solutions.size(), static_cast<std::size_t>(top));
    for (std::size_t rank = 0; rank < count; ++rank) {
      MapCandidate one;
      one.method = method;
      one.rank = static_cast<int>(rank);
      one.origin = origin;
      one.solution = run.solutions[rank];
      if (rank == 0) {
        one.solver = run.report;
      }
      add(std::move(one));
    }
    if (is_search(method) && method == experiment_.search.method && !setup_.problem.serial) {
      refine_best(first, round);
    }
    const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
    result_.seconds.emplace_back(step_name(name_of(method), round), seconds);
  }

  static std::string step_name(std::string_view what, int round) {
    return round == 0 ? std::string(what) : fmt::format("{}_feedback{}", what, round);
  }

  /// What the sums and maxima of the cost model do not know: local search on the closed form, from
  /// the first answers of this search (from candidate `first` on) and from whoever else is better.
  void refine_best(std::size_t first, int round) {
    const auto value = [&](const MapCandidate& one) {
      mapper::Analysis analysis;
      analysis.latency = one.latency;
      analysis.interval = one.interval;
      return one.within && one.latency.value > 0
                 ? mapper::value_of(analysis, one.evaluation, setup_.spec.objective)
                 : std::numeric_limits<double>::infinity();
    };
    std::vector<std::size_t> starts;
    for (std::size_t i = first; i < std::min(first + kRefined, result_.candidates.size()); ++i) {
      starts.push_back(i);
    }
    const std::size_t best = best_of(result_.candidates, 0, value);
    if (std::find(starts.begin(), starts.end(), best) == starts.end()) {
      starts.push_back(best);
    }
    for (const std::size_t start : starts) {
      if (std::isfinite(value(result_.candidates[start]))) {
        refine(result_.candidates[start], round);
      }
    }
  }

  void refine(const MapCandidate& start, int round) {
    status_->show("refining on the whole closed form");
    MapCandidate one;
    one.method = experiment_.search.method;
    one.origin = "refined";
    if (start.method != one.method) {
      one.origin += fmt::format(" from {}", start.label());
    } else {
      one.rank = start.rank;
    }
    if (round > 0) {
      one.origin += fmt::format(", feedback {}", round);
    }
    one.solution = mapper::refine(
        setup_.problem,
        setup_.budget,
        start.solution,
        [&](const Solution& solution) {
          const std::optional<mapper::Analysis> analysis =
              closed_form_.analyze(setup_.problem, solution);
          return analysis ? mapper::value_of(*analysis,
                                             mapper::evaluate(setup_.problem, solution),
                                             setup_.spec.objective)
                          : std::numeric_limits<double>::infinity();
        },
        kRefinements);
    add(std::move(one));  // invalidates `start`
  }

  /// Places a candidate and evaluates it, unless the same solution is there already.
  void add(MapCandidate one) {
    const mapper::Evaluation evaluation = mapper::evaluate(uncorrected_, one.solution);
    const bool of_chosen_method = one.method == experiment_.search.method;
    const bool known = std::any_of(
        result_.candidates.begin(), result_.candidates.end(), [&](const MapCandidate& other) {
          return other.method == one.method && other.solution == one.solution;
        });
    if (known && of_chosen_method) {
      return;
    }
    one.evaluation = evaluation;
    one.loss = setup_.loss(one.solution);
    mapper::Evaluation judged = evaluation;
    judged.loss = one.loss;
    one.within = judged.within(setup_.budget);
    Diagnostics diagnostics;
    const Network& network = closed_form_.network(setup_.problem, one.solution.choice);
    mapper::MappingRequest request = mapper::request_of(setup_.problem, one.solution);
    request.placement = setup_.spec.placement;
    one.mapping = mapper::make_mapping(
        network, experiment_.chip, request, experiment_.execution.granularity, diagnostics);
    if (!diagnostics.ok()) {
      one.note = diagnostics.errors().front().sentence;
    } else {
      const mapper::Analysis analysis =
          closed_form_.analyze(setup_.problem, one.solution, one.mapping);
      one.latency = analysis.latency;
      one.interval = analysis.interval;
      for (const mapper::ProblemLayer& layer : setup_.problem.layers) {
        for (const mapper::LayerAnalysis& of : analysis.layers) {
          if (of.layer == layer.layer) {
            one.spans.push_back(static_cast<double>(of.span.value));
          }
        }
      }
    }
    result_.candidates.push_back(std::move(one));
  }

  /// Simulates what was not simulated yet, each solution once and in a process of its own.
  void simulate(int round) {
    const Steady::time_point start = Steady::now();
    std::vector<std::function<std::string()>> work;
    std::vector<std::size_t> whose;
    std::vector<std::pair<std::size_t, std::size_t>>
        twins;  // a candidate, and who has its solution
    for (std::size_t i = 0; i < result_.candidates.size(); ++i) {
      const MapCandidate& one = result_.candidates[i];
      if (one.simulated || !one.note.empty() || one.latency.value == 0) {
        continue;
      }
      const auto twin = std::find_if(
          result_.candidates.begin(), result_.candidates.end(), [&](const MapCandidate& other) {
            return other.solution == one.solution;
          });
      const auto first = static_cast<std::size_t>(twin - result_.candidates.begin());
      if (first < i) {
        twins.emplace_back(i, first);
        continue;
      }
      work.emplace_back([this, &one] { return simulation_or_reason(one); });
      whose.push_back(i);
    }
    ChildOptions options;
    options.jobs = experiment_.search.simulate.jobs;
    options.seconds = experiment_.search.simulate.timeout.value;
    options.progress = [&](std::size_t done) {
      status_->show(fmt::format("simulating: {} of {}", done, work.size()));
    };
    const std::vector<ChildAnswer> answers = run_in_children(work, options);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      MapCandidate& one = result_.candidates[whose[i]];
      if (answers[i].ok) {
        set_simulated(read_simulated(answers[i].text, setup_), one);
      } else {
        one.note = answers[i].text.substr(0, answers[i].text.find('\n'));
      }
    }
    for (const auto& [i, first] : twins) {
      if (const std::optional<Simulated>& simulated = result_.candidates[first].simulated) {
        set_simulated(*simulated, result_.candidates[i]);
      }
      result_.candidates[i].note = result_.candidates[first].note;
    }
    result_.seconds.emplace_back(step_name("simulation", round),
                                 std::chrono::duration<double>(Steady::now() - start).count());
  }

  /// Why there is none, when there is none, in one sentence.
  [[nodiscard]] std::string simulation_or_reason(const MapCandidate& one) {
    try {
      return simulation_of(one);
    } catch (const InputError& error) {
      const std::vector<Diagnostic>& errors = error.diagnostics().errors();
      if (errors.empty()) {
        throw;
      }
      throw std::runtime_error(
          errors.front().sentence +
          (errors.size() > 1 ? fmt::format(" (and {} more)", errors.size() - 1) : ""));
    }
  }

  /// result.json. Runs in a child process, whose experiment nobody else sees.
  [[nodiscard]] std::string simulation_of(const MapCandidate& one) {
    set_bits(experiment_, mapper::bits_of(setup_.problem, one.solution.choice));
    experiment_.execution.images = experiment_.search.simulate.images;
    const Mapping mapping = renew_programs(experiment_, one.mapping);
    const Program program = lower_mapping(experiment_, mapping);
    std::string out;
    simulate_program(
        experiment_, mapping, program, run_options(experiment_), [&](const report::Report& report) {
          out = report::result_json(report);
        });
    return out;
  }

  /// The best of the search by simulation, by closed form when nothing could be simulated.
  void choose() {
    const auto value = [&](const MapCandidate& one) {
      if (one.method != experiment_.search.method || !one.within) {
        return std::numeric_limits<double>::infinity();
      }
      return one.simulated ? one.simulated->value(setup_.spec.objective)
                           : std::numeric_limits<double>::max();
    };
    const std::size_t best = best_of(result_.candidates, 0, value);
    if (std::isfinite(value(result_.candidates[best]))) {
      result_.chosen = best;
    }
  }

  /// Every layer's time is what it was at first, times how much longer the best candidate's span is
  /// than the closed form says.
  void correct_costs(int round) {
    const MapCandidate& best = answer();
    if (!best.simulated || best.spans.size() != setup_.problem.layers.size()) {
      return;
    }
    status_->show(fmt::format("feedback: round {}", round));
    setup_.problem = uncorrected_;
    for (std::size_t l = 0; l < best.spans.size(); ++l) {
      const double ratio = best.spans[l] > 0 && best.simulated->spans[l] > 0
                               ? std::clamp(best.simulated->spans[l] / best.spans[l], 0.25, 4.0)
                               : 1.0;
      for (mapper::Choice& choice : setup_.problem.layers[l].choices) {
        choice.fixed *= ratio;
        choice.per_position *= ratio;
      }
    }
  }

  void show_episode(const mapper::rl::RlSearch& search) {
    const mapper::rl::RlOutcome& outcome = search.outcome();
    const double reference =
        mapper::evaluate(setup_.problem, setup_.reference).value(setup_.spec.objective);
    const double best = outcome.candidates.empty()
                            ? 0
                            : reference / outcome.outcome(outcome.candidates.front()).value;
    status_->show(fmt::format("learning: episode {} of {}, best so far {:.2f}x",
                              outcome.episodes.size(),
                              experiment_.search.rl.episodes,
                              best));
  }

  Experiment& experiment_;
  const CommandLine& line_;
  bool baselines_;
  std::shared_ptr<report::StatusLine> status_;
  Checkpoints checkpoints_;
  SearchSetup setup_;
  const mapper::Problem uncorrected_;  ///< what answers of all rounds are compared by
  mapper::ClosedForm closed_form_;
  MapResult result_;
};

/// Throws when the search, which is done, has no answer that was simulated.
void require_answer(const Search& search, const Experiment& experiment) {
  const MapCandidate& answer = search.answer();
  const bool own = answer.method == experiment.search.method;
  if (own && answer.within && answer.simulated) {
    return;
  }
  search.forget_checkpoints();
  Diagnostics diagnostics;
  diagnostics.error(
      config::diagnose(experiment.root.get("search"),
                       "E-SEARCH-NONE",
                       "the search found no mapping that keeps to the budgets and can be simulated",
                       "at least one",
                       own && !answer.note.empty()
                           ? answer.note
                           : "raise the budgets, or try another method: tessera list searches"));
  diagnostics.throw_if_any(4);
}

Experiment load(const CommandLine& line, Diagnostics diagnostics) {
  Experiment experiment;
  if (!line.names.empty()) {
    experiment = load_experiment(line.names.front(), line.sets, diagnostics);
  }
  diagnostics.throw_if_any();
  return experiment;
}

void export_lut(const Experiment& experiment, const std::string& path) {
  const mapper::Problem costs = mapper::make_costs(experiment.network,
                                                   experiment.chip,
                                                   experiment.execution.granularity,
                                                   experiment.search,
                                                   experiment.root.get("search"));
  const std::filesystem::path file(path);
  report::OutputFolder folder(file.has_parent_path() ? file.parent_path().string() : ".",
                              "--export-lut");
  folder.add(file.filename().string(), mapper::cost_table_csv(costs, experiment.chip.clock));
  folder.commit();
}

/// Programs of the mapping that an earlier search left in its folder.
int replay_answer(Experiment& experiment, const CommandLine& line) {
  Diagnostics diagnostics;
  const config::Node node =
      config::load(folder_of(experiment, line) + "/mapping.yaml", diagnostics);
  diagnostics.throw_if_any();
  const Mapping answer = mapper::read_mapping(node,
                                              experiment.network,
                                              experiment.chip.spec.name,
                                              diagnostics,
                                              experiment.chip.group_names());
  diagnostics.throw_if_any();
  std::vector<LayerBits> bits;
  for (const LayerMapping& layer : answer.layers) {
    bits.push_back({layer.w_bits, layer.a_bits});
  }
  set_bits(experiment, bits);
  const Mapping mapping = renew_programs(experiment, answer);
  return replay_ap(experiment, mapping, lower_mapping(experiment, mapping), line);
}

}  // namespace

int map_experiment(const CommandLine& line, Diagnostics diagnostics) {
  Experiment experiment = load(line, std::move(diagnostics));
  const auto status = report::status_line(line.quiet);
  program_pes_for_search(experiment, status);
  if (!line.export_lut.empty()) {
    export_lut(experiment, line.export_lut);
    return 0;
  }
  if (!line.replay_ap.empty()) {
    return replay_answer(experiment, line);
  }
  Search search(experiment, line, status, true);
  const auto programs = program_files(experiment, line);
  report::OutputFolder folder(search.folder());
  const MapResult& result = search.run();
  require_answer(search, experiment);
  set_bits(experiment, search.answer_bits());
  const Mapping mapping = renew_programs(experiment, search.answer().mapping, status);
  status->clear();
  folder.add("mapping.yaml", mapper::write_mapping(mapping));
  folder.add("search.csv", search_csv(result));
  folder.add("candidates.csv", candidates_csv(result));
  folder.add("pareto.csv", pareto_csv(result));
  const std::string json = map_json(result);
  folder.add("map.json", json);
  for (auto& [name, svg] : map_plots(result)) {
    folder.add(name, std::move(svg));
  }
  folder.commit();
  search.forget_checkpoints();
  if (programs != nullptr) {
    emit_programs(experiment, mapping, lower_mapping(experiment, mapping), line, *programs);
  }
  if (line.json) {
    std::fputs(json.c_str(), stdout);
  } else if (!line.quiet) {
    std::fputs(map_text(result).c_str(), stdout);
    std::printf("\nResults in %s\n", folder.path().string().c_str());
  }
  return 0;
}

FoundMapping search_mapping(Experiment& experiment, const CommandLine& line) {
  const auto status = report::status_line(line.quiet);
  program_pes_for_search(experiment, status);
  Search search(experiment, line, status, false);
  const MapResult& result = search.run();
  require_answer(search, experiment);
  search.forget_checkpoints();
  set_bits(experiment, search.answer_bits());
  return {search.answer().mapping, map_text(result), map_json(result)};
}

}  // namespace tessera::tools
