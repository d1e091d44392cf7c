// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/map_result.hpp"

#include "mapper/search/closed_form.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/text.hpp"
#include "sim/report/table.hpp"
#include "sim/report/text.hpp"
#include "tools/tessera/plot.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string_view>

namespace tessera::tools {
namespace {

using mapper::Evaluation;
using mapper::Problem;
using mapper::Solution;
using nlohmann::json;

/// Mean widths, weighted by nothing: what papers call average bits.
std::pair<double, double> mean_bits(const Problem& problem, const Solution& solution) {
  double w = 0;
  double a = 0;
  for (const LayerBits& bits : mapper::bits_of(problem, solution.choice)) {
    w += bits.w_bits;
    a += bits.a_bits;
  }
  const auto layers = static_cast<double>(solution.choice.size());
  return {w / layers, a / layers};
}

std::string times(double before, double after) {
  return before > 0 && after > 0 ? fmt::format("{:.2f}x", before / after) : "-";
}

std::string percent_off(double model, double truth) {
  return truth > 0 ? fmt::format("{:+.1f}", 100 * (model - truth) / truth) : "-";
}

std::string joined(const std::vector<std::int64_t>& values) {
  return fmt::format("{}", fmt::join(values, " "));
}

std::pair<std::string, std::string> widths_text(const Problem& problem, const Solution& solution) {
  std::vector<int> w;
  std::vector<int> a;
  for (const LayerBits& bits : mapper::bits_of(problem, solution.choice)) {
    w.push_back(bits.w_bits);
    a.push_back(bits.a_bits);
  }
  return {fmt::format("{}", fmt::join(w, " ")), fmt::format("{}", fmt::join(a, " "))};
}

const MapCandidate* simulated_as(const MapResult& result, const Solution& solution) {
  const auto found = std::find_if(
      result.candidates.begin(), result.candidates.end(), [&](const MapCandidate& one) {
        return one.simulated && one.solution == solution;
      });
  return found == result.candidates.end() ? nullptr : &*found;
}

json model_json(const Evaluation& evaluation) {
  return {{"latency_cycles", evaluation.latency},
          {"interval_cycles", evaluation.interval},
          {"energy_j", evaluation.energy}};
}

json candidate_json(const MapResult& result, const MapCandidate& one) {
  json out;
  out["label"] = one.label();
  out["method"] = name_of(one.method);
  out["rank"] = one.rank;
  out["within_budgets"] = one.within;
  out["note"] = one.note;
  json layers = json::array();
  const std::vector<LayerBits> bits = mapper::bits_of(result.setup->problem, one.solution.choice);
  for (std::size_t l = 0; l < bits.size(); ++l) {
    layers.push_back({{"name", result.setup->problem.layers[l].name},
                      {"w_bits", bits[l].w_bits},
                      {"a_bits", bits[l].a_bits},
                      {"replicas", one.solution.replicas[l]}});
  }
  out["layers"] = std::move(layers);
  out["pes"] = one.evaluation.pes;
  out["loss"] = one.loss;
  for (const auto& [limit, name] : enum_names(mapper::Limit{})) {
    out["uses"][std::string(name)] = one.evaluation.uses[static_cast<std::size_t>(limit)];
  }
  out["cost_model"] = model_json(one.evaluation);
  out["closed_form"] = {{"latency_cycles", one.latency.value},
                        {"interval_cycles", one.interval.value}};
  out["simulated"] = nullptr;
  if (one.simulated) {
    const Simulated& s = *one.simulated;
    out["simulated"] = {{"first_cycles", s.first},
                        {"latency_cycles", s.latency},
                        {"interval_cycles", s.interval},
                        {"energy_j", s.energy},
                        {"flit_hops", s.flit_hops}};
  }
  out["solver"] = nullptr;
  if (one.solver && !one.solver->solver.empty()) {
    const mapper::milp::SolverReport& r = *one.solver;
    out["solver"] = {{"name", r.solver},
                     {"status", name_of(r.status)},
                     {"objective", r.objective},
                     {"bound", r.bound},
                     {"gap", r.gap},
                     {"variables", r.variables},
                     {"limit_hit", r.limit_hit},
                     {"message", r.message}};
  }
  return out;
}

// ---- Pareto front -------------------------------------------------------------------------------

bool dominates(const Evaluation& a, const Evaluation& b) {
  const bool no_worse = a.loss <= b.loss && a.latency <= b.latency && a.interval <= b.interval &&
                        a.energy <= b.energy;
  return no_worse && (a.loss < b.loss || a.latency < b.latency || a.interval < b.interval ||
                      a.energy < b.energy);
}

struct Point {
  const Solution* solution;
  Evaluation evaluation;
};

/// By rising loss.
std::vector<Point> front_of(const MapResult& result) {
  std::vector<Point> points;
  std::set<std::pair<std::vector<int>, std::vector<std::int64_t>>> known;
  const auto add = [&](const Solution& solution) {
    const Evaluation evaluation = mapper::evaluate(result.setup->problem, solution);
    if (evaluation.fits(result.setup->budget) &&
        known.emplace(solution.choice, solution.replicas).second) {
      points.push_back({&solution, evaluation});
    }
  };
  for (const MapCandidate& one : result.candidates) {
    add(one.solution);
  }
  for (const Solution& solution : result.seen) {
    add(solution);
  }
  std::vector<Point> front;
  for (const Point& point : points) {
    if (std::none_of(points.begin(), points.end(), [&](const Point& other) {
          return dominates(other.evaluation, point.evaluation);
        })) {
      front.push_back(point);
    }
  }
  std::stable_sort(front.begin(), front.end(), [](const Point& a, const Point& b) {
    return a.evaluation.loss < b.evaluation.loss;
  });
  return front;
}

// ---- plots --------------------------------------------------------------------------------------

/// Rows of numbers as a named block of gnuplot's.
std::string block(std::string_view name, const std::vector<std::vector<double>>& rows) {
  std::string out = fmt::format("${} <<EOD\n", name);
  for (const std::vector<double>& row : rows) {
    out += fmt::format("{}\n", fmt::join(row, " "));
  }
  return out + "EOD\n";
}

std::string title_of(const MapResult& result, std::string_view what) {
  return fmt::format(
      "set title {}\n",
      plot_text(fmt::format(
          "{} on {}: {}", result.setup->problem.network, result.setup->problem.chip, what)));
}

std::string layers_script(const MapResult& result) {
  const MapCandidate& chosen = result.candidates[result.chosen];
  const std::vector<LayerBits> bits =
      mapper::bits_of(result.setup->problem, chosen.solution.choice);
  std::string tics;
  std::vector<std::vector<double>> rows;
  for (std::size_t l = 0; l < bits.size(); ++l) {
    tics += fmt::format(
        "{}{} {}", l == 0 ? "" : ", ", plot_text(result.setup->problem.layers[l].name), l);
    rows.push_back({static_cast<double>(l),
                    static_cast<double>(bits[l].w_bits),
                    static_cast<double>(bits[l].a_bits),
                    static_cast<double>(chosen.solution.replicas[l])});
  }
  // Names of at most forty layers stay readable.
  const std::string names = bits.size() <= 40
                                ? fmt::format("set xtics rotate by 60 right ({})\n", tics)
                                : std::string("set xlabel 'matrix layer, in network order'\n");
  return block("d", rows) +
         "set multiplot layout 2,1\nset style fill solid 0.8 noborder\nset boxwidth 0.8\n"
         "set grid ytics\nset key outside right top\nset lmargin 9\nset rmargin 18\n"
         "set xrange [-0.7:" +
         fmt::format("{}]\n", static_cast<double>(bits.size()) - 0.3) +
         title_of(result, "replicas and widths of " + chosen.label()) +
         "set ylabel 'replicas'\nset logscale y 2\nset yrange [0.9:]\nunset xtics\n"
         "plot $d using 1:4 with boxes lc rgb '#3b6ea5' title 'replicas'\n"
         "unset logscale y\nset yrange [0:*]\nunset title\nset ylabel 'bits'\nset xtics\n" +
         names +
         "set boxwidth 0.4\n"
         "plot $d using ($1-0.2):2 with boxes lc rgb '#c8553d' title 'weights', "
         "$d using ($1+0.2):3 with boxes lc rgb '#588157' title 'activations'\n";
}

std::string search_script(const MapResult& result) {
  const mapper::Objective objective = result.setup->spec.objective;
  const double reference =
      mapper::evaluate(result.setup->problem, result.setup->reference).value(objective);
  std::vector<std::vector<double>> rows;
  double best = 0;
  for (const mapper::rl::Episode& episode : result.episodes.episodes) {
    const double gain = reference / episode.outcome.value;
    best = episode.outcome.is_feasible ? std::max(best, gain) : best;
    rows.push_back({static_cast<double>(episode.episode), episode.outcome.reward, gain, best});
  }
  std::string rival;
  for (const MapCandidate& one : result.candidates) {
    if (one.method == mapper::Method::joint_milp && one.rank == 0 && one.origin.empty()) {
      rival = fmt::format(", {} with lines dt 2 lc rgb '#333333' title 'joint MILP'",
                          reference / one.evaluation.value(objective));
    }
  }
  return block("d", rows) +
         "set multiplot layout 2,1\nset grid\nset key bottom right\nset lmargin 9\n" +
         title_of(result, "reinforcement learning") +
         "set ylabel 'reward'\nplot $d using 1:2 with points pt 7 ps 0.3 lc rgb '#3b6ea5' notitle\n"
         "unset title\nset xlabel 'episode'\n" +
         fmt::format("set ylabel {}\n", plot_text(fmt::format("gain in {}", name_of(objective)))) +
         "plot $d using 1:3 with points pt 7 ps 0.3 lc rgb '#8ab17d' title 'episode', "
         "$d using 1:4 with lines lw 2 lc rgb '#c8553d' title 'best within the budgets'" +
         rival + "\n";
}

std::string pareto_script(const MapResult& result) {
  const mapper::Objective objective = result.setup->spec.objective;
  const double reference =
      mapper::evaluate(result.setup->problem, result.setup->reference).value(objective);
  std::vector<std::vector<double>> front;
  for (const Point& point : front_of(result)) {
    if (point.evaluation.loss > 0) {  // the axis is logarithmic
      front.push_back({point.evaluation.loss, reference / point.evaluation.value(objective)});
    }
  }
  const MapCandidate& base = result.candidates.front();
  std::vector<std::vector<double>> simulated;
  for (const MapCandidate& one : result.candidates) {
    if (one.simulated && base.simulated && one.evaluation.loss > 0) {
      simulated.push_back({one.evaluation.loss,
                           base.simulated->value(objective) / one.simulated->value(objective)});
    }
  }
  return block("f", front) + block("s", simulated) + title_of(result, "accuracy against speed") +
         fmt::format("set xlabel {}\nset ylabel {}\n",
                     plot_text("loss: " + result.setup->accuracy->unit()),
                     plot_text(fmt::format("gain in {}", name_of(objective)))) +
         "set grid\nset key top left\nset logscale x 10\nset logscale y 2\n"
         "plot $f with points pt 7 ps 0.5 lc rgb '#3b6ea5' title 'Pareto front, cost model', "
         "$s with points pt 6 ps 1.2 lw 2 lc rgb '#c8553d' title 'simulated'\n";
}

}  // namespace

double Simulated::value(mapper::Objective objective) const {
  Evaluation as_one;
  as_one.latency = first;
  as_one.interval = interval;
  as_one.energy = energy;
  return as_one.value(objective);
}

std::string MapCandidate::label() const {
  std::string out(name_of(method));
  if (!origin.empty()) {
    out += ", " + origin;
  }
  if (rank > 0) {
    out += fmt::format(" #{}", rank + 1);
  }
  return out;
}

std::string map_text(const MapResult& result) {
  const mapper::SearchSetup& setup = *result.setup;
  const auto seconds = [&](double cycles) {
    return format_si(cycles * result.clock.seconds(Cycles(1)).value, "s", 3);
  };
  std::string out = fmt::format(
      "{} on {}: least {}, {} PEs",
      setup.problem.network,
      setup.problem.chip,
      setup.spec.objective == mapper::Objective::throughput ? std::string_view("interval")
                                                            : name_of(setup.spec.objective),
      setup.problem.serial ? "shared" : report::grouped(setup.budget.pes));
  if (std::isfinite(setup.budget.loss)) {
    out += fmt::format(", loss up to {:.4g} {}", setup.budget.loss, setup.accuracy->unit());
  }
  for (const auto& [limit, name] : enum_names(mapper::Limit{})) {
    const double most = setup.budget.limits[static_cast<std::size_t>(limit)];
    if (std::isfinite(most)) {
      out += fmt::format(", {} up to {:.4g} {}",
                         limit == mapper::Limit::buffer ? "line buffers" : "vector units",
                         most,
                         limit == mapper::Limit::buffer ? "bits" : "lanes");
    }
  }
  out += "\n\n";
  const auto asked = setup.spec.cost_model.value_or(mapper::CostModel::pipeline);
  const bool lrmp = !setup.problem.serial && asked != mapper::CostModel::pipeline &&
                    asked != mapper::CostModel::serial;
  using report::Align;
  report::Table table({"method",
                       "w/a bits",
                       "PEs",
                       "loss",
                       lrmp ? "model: latency" : "closed form: latency",
                       "throughput",
                       "simulated: image 1",
                       "",
                       "images/s",
                       "",
                       "model off %",
                       "gap %"},
                      {Align::left,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right,
                       Align::right});
  const MapCandidate& base = result.candidates.front();
  for (std::size_t i = 0; i < result.candidates.size(); ++i) {
    const MapCandidate& one = result.candidates[i];
    const auto [w, a] = mean_bits(setup.problem, one.solution);
    const bool sim = one.simulated.has_value();
    const bool both = sim && base.simulated.has_value();
    const auto latency = static_cast<double>(one.latency.value);
    const auto interval = static_cast<double>(one.interval.value);
    table.row(
        {(i == result.chosen ? "* " : "  ") + one.label(),
         fmt::format("{:.1f}/{:.1f}", w, a),
         report::grouped(one.evaluation.pes),
         fmt::format("{:.3g}{}", one.loss, one.within ? "" : " !"),
         lrmp ? times(base.evaluation.latency, one.evaluation.latency)
              : times(static_cast<double>(base.latency.value), latency),
         lrmp ? times(base.evaluation.interval, one.evaluation.interval)
              : times(static_cast<double>(base.interval.value), interval),
         sim ? seconds(one.simulated->first) : "-",
         both ? times(base.simulated->first, one.simulated->first) : "",
         sim ? fmt::format("{:.4g}",
                           1 / (one.simulated->interval * result.clock.seconds(Cycles(1)).value))
             : "-",
         both ? times(base.simulated->interval, one.simulated->interval) : "",
         sim ? percent_off(latency, one.simulated->first) : "",
         one.solver && !one.solver->solver.empty()
             ? fmt::format("{:.2g}{}",
                           one.solver->gap < 1e-9 ? 0 : 100 * one.solver->gap,  // rounding
                           one.solver->limit_hit         ? " (limit)"
                           : one.solver->message.empty() ? ""
                                                         : " (smaller loss)")
             : ""});
  }
  out += table.text();
  for (const MapCandidate& one : result.candidates) {
    if (!one.simulated && !one.note.empty()) {
      out += fmt::format("not simulated: {}: {}\n", one.label(), one.note);
    }
  }
  for (const std::string& note : result.notes) {
    out += "no answer: " + note + "\n";
  }
  out += fmt::format(
      "\n*  the answer: best of {} by simulation     !  beyond a budget\n"
      "{}; simulated: pipelined, with contention; image 1: latency of the first image, tessera run "
      "has the mean; model off: closed form against it; gap: proven by the solver\n",
      name_of(setup.spec.method),
      lrmp ? "model: sum or maximum over layers as in LRMP, against 8 bit without copies"
           : "closed form: against 8 bit without copies");
  return out;
}

std::string map_json(const MapResult& result) {
  const mapper::SearchSetup& setup = *result.setup;
  json out;
  out["schema"] = 1;
  out["network"] = setup.problem.network;
  out["chip"] = setup.problem.chip;
  out["granularity"] = result.granularity;
  out["objective"] = name_of(setup.spec.objective);
  out["method"] = name_of(setup.spec.method);
  out["seed"] = setup.seed;
  out["clock_hz"] = result.clock.frequency.value;
  out["accuracy"] = {{"source", setup.accuracy->name()}, {"unit", setup.accuracy->unit()}};
  out["budget"]["pes"] = setup.problem.serial ? json(nullptr) : json(setup.budget.pes);
  out["budget"]["loss"] =
      std::isfinite(setup.budget.loss) ? json(setup.budget.loss) : json(nullptr);
  for (const auto& [limit, name] : enum_names(mapper::Limit{})) {
    const double most = setup.budget.limits[static_cast<std::size_t>(limit)];
    out["budget"][std::string(name)] = std::isfinite(most) ? json(most) : json(nullptr);
  }
  json candidates = json::array();
  for (const MapCandidate& one : result.candidates) {
    candidates.push_back(candidate_json(result, one));
  }
  out["candidates"] = std::move(candidates);
  out["chosen"] = result.chosen;
  out["without_answer"] = result.notes;
  out["episodes"] = result.episodes.episodes.size();
  for (const auto& [step, seconds] : result.seconds) {
    json& sum = out["timing"][step];  // some steps come twice
    sum = seconds + (sum.is_null() ? 0.0 : sum.get<double>());
  }
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string candidates_csv(const MapResult& result) {
  std::string out =
      "label,within,pes,loss,w_bits,a_bits,replicas,model_latency_cycles,model_interval_cycles,"
      "model_energy_j,closed_form_latency_cycles,closed_form_interval_cycles,"
      "simulated_first_cycles,simulated_latency_cycles,simulated_interval_cycles,"
      "simulated_energy_j\n";
  for (const MapCandidate& one : result.candidates) {
    const auto [w, a] = widths_text(result.setup->problem, one.solution);
    const Evaluation& e = one.evaluation;
    out += fmt::format("\"{}\",{},{},{},{},{},{},{},{},{},{},{},",
                       one.label(),
                       one.within ? 1 : 0,
                       e.pes,
                       one.loss,
                       w,
                       a,
                       joined(one.solution.replicas),
                       e.latency,
                       e.interval,
                       e.energy,
                       one.latency.value,
                       one.interval.value);
    out += one.simulated ? fmt::format("{},{},{},{}\n",
                                       one.simulated->first,
                                       one.simulated->latency,
                                       one.simulated->interval,
                                       one.simulated->energy)
                         : std::string(",,,\n");
  }
  return out;
}

std::string search_csv(const MapResult& result) {
  std::string out =
      "episode,sigma,target,reward,feasible,w_bits,a_bits,replicas,pes,loss,latency_cycles,"
      "interval_cycles,energy_j,simulated_first_cycles,simulated_interval_cycles\n";
  for (const mapper::rl::Episode& episode : result.episodes.episodes) {
    const mapper::rl::Outcome& o = episode.outcome;
    const auto [w, a] = widths_text(result.setup->problem, o.solution);
    const MapCandidate* simulated = simulated_as(result, o.solution);
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},",
                       episode.episode,
                       episode.sigma,
                       o.target,
                       o.reward,
                       o.is_feasible ? 1 : 0,
                       w,
                       a,
                       joined(o.solution.replicas),
                       o.evaluation.pes,
                       o.evaluation.loss,
                       o.evaluation.latency,
                       o.evaluation.interval,
                       o.evaluation.energy);
    out +=
        simulated == nullptr
            ? std::string(",\n")
            : fmt::format("{},{}\n", simulated->simulated->first, simulated->simulated->interval);
  }
  return out;
}

std::string pareto_csv(const MapResult& result) {
  std::string out =
      "loss,latency_cycles,interval_cycles,energy_j,pes,w_bits,a_bits,replicas,"
      "simulated_first_cycles,simulated_interval_cycles\n";
  for (const Point& point : front_of(result)) {
    const auto [w, a] = widths_text(result.setup->problem, *point.solution);
    const MapCandidate* simulated = simulated_as(result, *point.solution);
    out += fmt::format("{},{},{},{},{},{},{},{},",
                       point.evaluation.loss,
                       point.evaluation.latency,
                       point.evaluation.interval,
                       point.evaluation.energy,
                       point.evaluation.pes,
                       w,
                       a,
                       joined(point.solution->replicas));
    out +=
        simulated == nullptr
            ? std::string(",\n")
            : fmt::format("{},{}\n", simulated->simulated->first, simulated->simulated->interval);
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> map_plots(const MapResult& result) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto add = [&](const char* name, const std::string& script, int width, int height) {
    if (std::optional<std::string> svg = plot_svg(script, width, height)) {
      out.emplace_back(name, std::move(*svg));
    }
  };
  add("layers.svg", layers_script(result), 1000, 600);
  add("pareto.svg", pareto_script(result), 800, 500);
  if (!result.episodes.episodes.empty()) {
    add("search.svg", search_script(result), 800, 700);
  }
  return out;
}

}  // namespace tessera::tools
