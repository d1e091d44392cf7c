// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/compare.hpp"

#include "sim/base/children.hpp"
#include "sim/engine/simulation.hpp"
#include "sim/report/comparison.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "tools/tessera/experiment.hpp"
#include "tools/tessera/plot.hpp"
#include "tools/tessera/run.hpp"
#include "tools/tessera/simulate.hpp"
#include "workloads/network.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

using nlohmann::json;
using report::ComparedRun;

/// An experiment, and what it becomes when that is known before it runs.
struct Entry {
  std::string label;  ///< its name, made unique
  Experiment experiment;
  std::optional<Prepared> prepared;
};

std::string unique_label(const std::string& name, const std::vector<Entry>& entries) {
  std::string label = name;
  for (int copy = 2; std::any_of(entries.begin(),
                                 entries.end(),
                                 [&](const Entry& other) { return other.label == label; });
       ++copy) {
    label = fmt::format("{}-{}", name, copy);
  }
  return label;
}

/// Of a value that several experiments have from --set, or from a file that they include.
bool same(const Diagnostic& a, const Diagnostic& b) {
  const auto place = [](const Diagnostic& d) {
    return std::tuple(d.at.source == nullptr ? "" : d.at.source->name, d.at.line, d.at.column);
  };
  return place(a) == place(b) && std::tie(a.code, a.sentence, a.path, a.expected, a.got) ==
                                     std::tie(b.code, b.sentence, b.path, b.expected, b.got);
}

/// Reads all experiments and maps those that say how; throws all that is wrong with any of them.
std::vector<Entry> load(const CommandLine& line, const Diagnostics& of_line) {
  Diagnostics all = of_line;
  bool infeasible = true;  // nothing but mappings that do not fit
  std::vector<Entry> entries;
  for (const std::string& path : line.names) {
    Diagnostics diagnostics;
    Entry entry;
    entry.experiment = load_experiment(path, line.sets, diagnostics);
    if (diagnostics.ok() && !entry.experiment.maps_first) {
      check_sparsity(entry.experiment, diagnostics);
    }
    int status = 2;
    if (diagnostics.ok() && of_line.ok()) {
      Experiment& experiment = entry.experiment;
      experiment.execution.accuracy_images = 0;
      entry.label = unique_label(experiment.info.name, entries);
      try {
        if (!experiment.maps_first && !trains_first(experiment)) {
          entry.prepared = prepare(experiment, line);
        }
      } catch (const InputError& error) {
        diagnostics = error.diagnostics();
        status = error.exit_status();
      }
    }
    infeasible = infeasible && (diagnostics.ok() || status == 4);
    for (const Diagnostic& d : diagnostics.errors()) {
      const bool known = std::any_of(all.errors().begin(),
                                     all.errors().end(),
                                     [&d](const Diagnostic& other) { return same(d, other); });
      if (!known) {
        all.error(d);
      }
    }
    entries.push_back(std::move(entry));
  }
  all.throw_if_any(of_line.ok() && infeasible ? 4 : 2);
  return entries;
}

/// In a child process: result.json, failed self-checks, MACs; or exit status and message.
std::string answer_of(Entry& entry, const CommandLine& line, const std::string& folder) {
  json out{{"status", 0}};
  try {
    if (!entry.prepared) {
      CommandLine quiet = line;
      quiet.quiet = true;
      quiet.out = folder + "/" + entry.label;  // for checkpoints
      entry.prepared = prepare(entry.experiment, quiet);
    }
    out["macs"] = total_macs(entry.experiment.network);
    simulate_program(entry.experiment,
                     entry.prepared->mapping,
                     entry.prepared->program,
                     run_options(entry.experiment),
                     [&](const report::Report& report) {
                       out["result"] = report::result_json(report);
                       for (const Check& check : report.checks) {
                         if (!check.ok) {
                           out["failed"].push_back(check.name + " failed: " + check.detail);
                         }
                       }
                     });
  } catch (const InputError& error) {
    out = {{"status", error.exit_status()}, {"error", error.what()}};
  } catch (const engine::DeadlockError& error) {
    out = {{"status", 3},
           {"error", fmt::format("{}: error[deadlock]: {}\n", entry.label, error.what())}};
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Above: ratios against the first run. Below: shares of the energy by place.
std::string script(const std::vector<ComparedRun>& runs) {
  constexpr double kWidth = 0.8;
  static constexpr std::array kColors{
      "#3b6ea5", "#c8553d", "#588157", "#e9c46a", "#6d597a", "#8ab17d", "#999999", "#d4a373"};
  const auto color = [](std::size_t i) { return kColors[i % kColors.size()]; };
  std::string out =
      "set multiplot layout 2,1\nset style fill solid 1 noborder\nset lmargin 12\n"
      "set rmargin 30\nset key outside right top\nset grid ytics\n";
  const auto tics = [](const std::vector<std::string>& names) {
    std::string text = "set xtics (";
    for (std::size_t i = 0; i < names.size(); ++i) {
      text += fmt::format("{}{} {}", i == 0 ? "" : ", ", plot_text(names[i]), i);
    }
    return text + fmt::format(")\nset xrange [-0.6:{}]\n", static_cast<double>(names.size()) - 0.4);
  };
  const std::vector<report::Headline> base = report::headlines(runs.front());
  std::vector<std::string> names;
  std::vector<std::size_t> shown;
  for (std::size_t l = 0; l < base.size(); ++l) {
    const bool everywhere = std::all_of(runs.begin(), runs.end(), [&](const ComparedRun& run) {
      const std::optional<double> value = report::headlines(run)[l].value;
      return value && *value > 0;
    });
    if (everywhere && (base[l].unit == "s" || base[l].unit == "1/s" || base[l].unit == "J" ||
                       base[l].unit == "J s" || base[l].unit == "m2" || base[l].unit == "1/s/m2")) {
      shown.push_back(l);
      names.push_back(base[l].name.substr(base[l].name.find_first_not_of(' ')));
    }
  }
  const double each = kWidth / static_cast<double>(runs.size());
  std::string bars;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const std::vector<report::Headline> lines = report::headlines(runs[r]);
    out += fmt::format("$r{} <<EOD\n", r);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      out +=
          fmt::format("{} {}\n",
                      static_cast<double>(i) + each * (static_cast<double>(r) + 0.5) - kWidth / 2,
                      *lines[shown[i]].value / *base[shown[i]].value);
    }
    out += "EOD\n";
    bars += fmt::format("{}$r{} with boxes lc rgb '{}' title {}",
                        r == 0 ? "plot " : ", ",
                        r,
                        color(r),
                        plot_text(runs[r].name));
  }
  out += fmt::format("set title {}\nset ylabel 'ratio'\nset logscale y 10\nset boxwidth {}\n",
                     plot_text("against " + runs.front().name),
                     each);
  out += tics(names) + "set xtics rotate by 20 right\n" + bars + "\n";

  names.clear();
  std::vector<std::string> places;
  for (const ComparedRun& run : runs) {
    names.push_back(run.name);
    for (const auto& [place, joules] : run.energy_by_place) {
      if (joules > 0 && std::find(places.begin(), places.end(), place) == places.end()) {
        places.push_back(place);
      }
    }
  }
  // A box that reaches from 0 to a sum hides behind those drawn after it.
  bars.clear();
  for (std::size_t p = places.size(); p > 0; --p) {
    out += fmt::format("$e{} <<EOD\n", p);
    for (std::size_t r = 0; r < runs.size(); ++r) {
      double sum = 0;
      for (std::size_t below = 0; below < p; ++below) {
        for (const auto& [place, joules] : runs[r].energy_by_place) {
          sum += place == places[below] ? joules : 0;
        }
      }
      out += fmt::format("{} {}\n", r, runs[r].energy > 0 ? 100 * sum / runs[r].energy : 0);
    }
    out += "EOD\n";
    bars += fmt::format("{}$e{} with boxes lc rgb '{}' title {}",
                        bars.empty() ? "plot " : ", ",
                        p,
                        color(p - 1),
                        plot_text(places[p - 1]));
  }
  out +=
      "unset logscale y\nset title 'where energy goes'\nset ylabel '% of energy per image'\n"
      "set yrange [0:100]\nset boxwidth 0.6\n";
  return out + tics(names) + bars + "\n";
}

}  // namespace

int compare_experiments(const CommandLine& line, const Diagnostics& diagnostics) {
  std::vector<Entry> entries = load(line, diagnostics);
  report::OutputFolder folder(line.out.empty() ? "out/" + entries.front().label + "_compare"
                                               : line.out);
  std::vector<std::function<std::string()>> work;
  work.reserve(entries.size());
  for (Entry& entry : entries) {
    work.emplace_back([&] { return answer_of(entry, line, folder.path().string()); });
  }
  const auto status_line = report::status_line(line.quiet);
  ChildOptions options;
  options.jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options.seconds = 1e6;  // as long as `tessera run` would take
  options.progress = [&](std::size_t done) {
    status_line->show(fmt::format("simulated: {} of {}", done, entries.size()));
  };
  const std::vector<ChildAnswer> answers = run_in_children(work, options);
  status_line->clear();

  int status = 0;
  std::vector<ComparedRun> runs;
  std::string failed;
  for (std::size_t e = 0; e < entries.size(); ++e) {
    if (!answers[e].ok) {
      std::fprintf(stderr, "%s: %s\n", entries[e].label.c_str(), answers[e].text.c_str());
      status = 70;
      continue;
    }
    const json answer = json::parse(answers[e].text);
    if (const int of_one = answer.at("status").get<int>(); of_one != 0) {
      const std::string why = answer.at("error").get<std::string>();
      std::fputs(why.empty() ? fmt::format("error: {} failed; tessera run {} says why\n",
                                           entries[e].label,
                                           entries[e].experiment.path)
                                   .c_str()
                             : why.c_str(),
                 stderr);
      status = std::max(status, of_one);
      continue;
    }
    for (const json& check : answer.value("failed", json::array())) {
      failed += fmt::format("{}: self-check {}\n", entries[e].label, check.get<std::string>());
    }
    runs.push_back(report::compared_run(entries[e].label,
                                        answer.at("macs").get<std::int64_t>(),
                                        answer.at("result").get<std::string>()));
  }
  if (status != 0) {
    return status;
  }
  const std::string result = report::comparison_json(runs);
  folder.add("compare.json", result);
  folder.add("compare.csv", report::comparison_csv(runs));
  if (std::optional<std::string> svg = plot_svg(script(runs), 1000, 800)) {
    folder.add("compare.svg", std::move(*svg));
  }
  folder.commit();
  if (line.json) {
    std::fputs(result.c_str(), stdout);
  } else if (!line.quiet) {
    fmt::print("{}\nResults in {}\n", report::comparison_text(runs), folder.path().string());
  }
  std::fputs(failed.c_str(), stderr);
  return failed.empty() ? 0 : 1;
}

}  // namespace tessera::tools
