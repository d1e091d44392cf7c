// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/text.hpp"

#include "sim/base/enum_name.hpp"
#include "sim/base/text.hpp"
#include "sim/report/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::report {

namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(Wait::none);
constexpr std::size_t kNameWidth = 18;
constexpr int kDigits = 3;
constexpr double kShownShare = 0.01;  // smaller shares are one "other"

std::string si(double value, std::string_view unit) {
  return format_si(value, unit, kDigits);
}

/// Square millimetres from a hundredth of one on, which is what chips are talked about in.
std::string area_text(SquareMeters area) {
  return area.value >= 1e-8 ? fmt::format("{:.4g} mm2", area.value * 1e6) : si(area.value, "m2");
}

std::string whole(double value) {
  return grouped(std::llround(value));
}

std::string percent(double part, double all) {
  return all > 0 ? fmt::format("{:.1f}", 100 * part / all) : "-";
}

std::string clipped(const std::string& name) {
  return name.size() <= kNameWidth ? name : name.substr(0, kNameWidth - 2) + "..";
}

std::string_view wait_name(std::size_t reason) {
  return enum_names(Wait{})[reason].second;
}

std::string bits_text(const StageSummary& stage) {
  return stage.is_matrix ? fmt::format("{}/{}", stage.w_bits, stage.a_bits) : "-";
}

/// The longest wait with a reason, "input 12.3", in percent of the run.
std::string biggest_wait(const TimeSplit& time) {
  const auto last = time.waits.begin() + static_cast<std::ptrdiff_t>(kNone);
  const auto most = std::max_element(time.waits.begin(), last);
  if (*most == 0) {
    return "-";
  }
  return fmt::format("{} {}",
                     wait_name(static_cast<std::size_t>(most - time.waits.begin())),
                     percent(static_cast<double>(*most), static_cast<double>(time.total())));
}

/// Signed, in percent of the simulation: how far the closed form is off.
std::string error_percent(double closed_form, double simulated) {
  return simulated > 0 ? fmt::format("{:+.1f}", 100 * (closed_form - simulated) / simulated) : "-";
}

std::string title(const Report& report) {
  const ResultInputs& in = report.in;
  std::string out = fmt::format("{} on {}: {} {}, granularity {}, detail {}",
                                in.network.name,
                                in.chip,
                                in.options.images,
                                in.options.images == 1 ? "image" : "images",
                                name_of(in.program.granularity),
                                name_of(in.options.detail));
  if (in.options.functional != Functional::off) {
    out += fmt::format(", functional {}", name_of(in.options.functional));
  }
  return out + "\n\n";
}

std::string line(std::string_view label, const std::string& value) {
  return fmt::format("{:<12}{}\n", label, value);
}

std::string throughput_text(const Report& report) {
  const Throughput& t = report.statistics.throughput;
  if (!t.interval || *t.interval <= 0) {
    return "not measured (needs at least 2 images)";
  }
  const double rate = report.in.prices.clock.frequency.value / *t.interval;
  std::string out = fmt::format("{} images/s, one per {} cycles",
                                rate >= 1000 ? whole(rate) : fmt::format("{:.4g}", rate),
                                whole(*t.interval));
  if (t.ci95) {
    out += fmt::format(" +- {} (95 %)", fmt::format("{:.3g}", *t.ci95));
  }
  return out;
}

std::string headline(const Report& report) {
  const ResultInputs& in = report.in;
  const Statistics& s = report.statistics;
  const Account& a = report.account;
  const double frequency = in.prices.clock.frequency.value;
  const auto images = static_cast<double>(std::max<std::int64_t>(in.options.images, 1));

  std::string latency = fmt::format(
      "{} = {} cycles per image", si(s.latency.mean / frequency, "s"), whole(s.latency.mean));
  if (in.options.images > 1) {
    latency += fmt::format(" (first {})", grouped(s.latency.first.value));
  }
  std::string out = line("latency", latency);
  out += line("throughput", throughput_text(report));
  out += line("energy",
              fmt::format("{} per image, {} % dynamic, {} % static",
                          si(a.total.value / images, "J"),
                          percent(a.dynamic.value, a.total.value),
                          percent(a.leaked.value, a.total.value)));
  out += line("area",
              fmt::format("{}; {} of {} PEs on {} of {} tiles used",
                          area_text(a.area),
                          grouped(in.program.pes_used),
                          grouped(in.prices.pes),
                          grouped(s.tiles_used),
                          grouped(in.prices.tiles)));
  std::string fabric = fmt::format("{} flits, {} hops",
                                   grouped(in.stats.fabric.flits_injected),
                                   grouped(in.stats.fabric.flit_hops));
  if (!s.links.busiest.empty()) {
    fabric += fmt::format("; busiest link {}: {} %", s.links.busiest, percent(s.links.highest, 1));
  }
  out += line("fabric", fabric);
  if (in.load.pes > 0) {
    out += line("weights",
                fmt::format("{} PEs programmed before the run in {} with {} (not included above)",
                            grouped(in.load.pes),
                            si(in.prices.clock.seconds(in.load.cycles).value, "s"),
                            si(a.load.value, "J")));
  }
  if (a.most_writes > 0) {
    std::string wear =
        fmt::format("a PE is rewritten up to {} times in this run", grouped(a.most_writes));
    if (a.runs_until_worn > 0) {
      wear += fmt::format("; its cells survive {:.3g} such runs", a.runs_until_worn);
    }
    out += line("wear", wear);
  }
  if (a.mean_cell_writes > 0) {
    std::string wear =
        fmt::format("{:.4g} writes per image of the cell that is written most ({:.4g} in the mean)",
                    a.most_cell_writes / images,
                    a.mean_cell_writes / images);
    if (const std::optional<double> years = report.years_until_worn()) {
      wear += fmt::format("; at this throughput it lasts {:.3g} years", *years);
    }
    out += line("cells", wear);
  }
  return out;
}

std::string layer_table(const Report& report) {
  const bool mixed = report.in.prices.mixed();
  std::vector<std::string> header{
      "layer", "kind", "w/a", "repl", "PEs", "busy %", "most wait %", "simulated", "analytical"};
  std::vector<Align> align{Align::left,
                           Align::left,
                           Align::right,
                           Align::right,
                           Align::right,
                           Align::right,
                           Align::left,
                           Align::right,
                           Align::right};
  if (mixed) {
    header.insert(header.begin() + 2, "tiles");
    align.insert(align.begin() + 2, Align::left);
  }
  Table table(header, align);
  const std::vector<StageSummary>& stages = report.statistics.stages;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const StageSummary& stage = stages[s];
    const std::optional<Cycles> closed = report.in.analysis.stage(s);
    std::vector<std::string> cells{
        clipped(stage.name),
        stage.kind,
        bits_text(stage),
        grouped(stage.replicas),
        stage.pes > 0 ? grouped(stage.pes) : "-",
        percent(static_cast<double>(stage.time.work), static_cast<double>(stage.time.total())),
        biggest_wait(stage.time),
        whole(stage.simulated),
        closed ? grouped(closed->value) : "-"};
    if (mixed) {
      const std::string group = report.group_of(s);
      cells.insert(cells.begin() + 2, group.empty() ? "-" : group);
    }
    table.row(std::move(cells));
  }
  return table.text();
}

/// "busy 12.3, input 40.0, other 0.4" in percent, the largest first.
std::string shares(std::vector<std::pair<double, std::string_view>> parts) {
  std::stable_sort(
      parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  double all = 0;
  for (const auto& part : parts) {
    all += part.first;
  }
  std::string out;
  double other = 0;
  const auto append = [&](std::string_view name, double part) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, percent(part, all));
  };
  for (const auto& [part, name] : parts) {
    if (part >= kShownShare * all && part > 0) {
      append(name, part);
    } else {
      other += part;
    }
  }
  if (other > 0) {
    append("other", other);
  }
  return out.empty() ? "-" : out;
}

std::string time_text(const TimeSplit& time) {
  std::vector<std::pair<double, std::string_view>> parts{{static_cast<double>(time.work), "busy"}};
  for (std::size_t w = 0; w < kWaits; ++w) {
    parts.emplace_back(static_cast<double>(time.waits[w]),
                       w == kNone ? std::string_view("idle") : wait_name(w));
  }
  return shares(std::move(parts));
}

std::string energy_text(const Account& account) {
  std::vector<std::pair<double, std::string_view>> parts{{account.leaked.value, "static"}};
  for (const Charge& place : account.places) {
    parts.emplace_back(place.energy.value, place.name);
  }
  return shares(std::move(parts));
}

/// Energy of every sort of tile, and that of all others ("chip").
std::string group_energy_text(const Report& report) {
  std::vector<std::pair<double, std::string_view>> parts;
  double rest = report.account.total.value;
  for (std::size_t g = 0; g < report.account.groups.size(); ++g) {
    const GroupShare& share = report.account.groups[g];
    const double energy = (share.dynamic + share.leaked).value;
    parts.emplace_back(energy, report.in.prices.groups[g].name);
    rest -= energy;
  }
  parts.emplace_back(std::max(rest, 0.0), "chip");
  return shares(std::move(parts));
}

std::string checks_text(const Report& report) {
  const auto good = std::count_if(
      report.checks.begin(), report.checks.end(), [](const Check& c) { return c.ok; });
  std::string out = line("checks", fmt::format("{} of {} hold", good, report.checks.size()));
  for (const Check& check : report.checks) {
    if (!check.ok) {
      out += fmt::format("  FAILED {}: {}\n", check.name, check.detail);
    }
  }
  return out;
}

}  // namespace

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  std::string out = "\"";
  for (const char c : text) {
    out += c == '"' ? std::string("\"\"") : std::string(1, c);
  }
  return out + "\"";
}

std::string grouped(std::int64_t value) {
  std::string digits = fmt::format("{}", value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string run_text(const Report& report) {
  std::string out = title(report) + headline(report) + "\n" + layer_table(report) + "\n";
  out += line("PE time %", time_text(report.statistics.pe_time));
  out += line("energy %", energy_text(report.account));
  if (report.in.prices.mixed()) {
    out += line("by tiles %", group_energy_text(report));
  }
  return out + checks_text(report);
}

std::string validate_text(const Report& report) {
  const ResultInputs& in = report.in;
  const Statistics& s = report.statistics;
  std::vector<std::size_t> shown;  // layers that have a closed form
  std::vector<Gap> gaps;
  std::array<bool, kNone> waited{};
  bool rest = false;
  const auto is_zero = [](double cycles) { return std::llround(cycles) == 0; };
  for (std::size_t i = 0; i < s.stages.size(); ++i) {
    if (const std::optional<Cycles> closed = in.analysis.stage(i)) {
      shown.push_back(i);
      gaps.push_back(explain_gap(s.stages[i], *closed, in.options.images));
      for (std::size_t w = 0; w < kNone; ++w) {
        waited[w] = waited[w] || !is_zero(gaps.back().waits[w]);
      }
      rest = rest || !is_zero(gaps.back().rest);
    }
  }

  // Only the reasons that somebody waited for get a column.
  std::vector<std::string> header{"layer", "analytical", "simulated", "error %", "gap"};
  for (std::size_t w = 0; w < kNone; ++w) {
    if (waited[w]) {
      header.emplace_back(wait_name(w));
    }
  }
  if (rest) {
    header.emplace_back("rest");
  }
  std::vector<Align> align(header.size(), Align::right);
  align[0] = Align::left;
  Table table(header, align);
  const auto cell = [&](double cycles) {
    return is_zero(cycles) ? std::string(".") : whole(cycles);
  };
  for (std::size_t row = 0; row < shown.size(); ++row) {
    const StageSummary& stage = s.stages[shown[row]];
    const Cycles closed = in.analysis.stages[shown[row]];
    std::vector<std::string> cells{
        clipped(stage.name),
        grouped(closed.value),
        whole(stage.simulated),
        error_percent(static_cast<double>(closed.value), stage.simulated),
        cell(gaps[row].total)};
    for (std::size_t w = 0; w < kNone; ++w) {
      if (waited[w]) {
        cells.push_back(cell(gaps[row].waits[w]));
      }
    }
    if (rest) {
      cells.push_back(cell(gaps[row].rest));
    }
    table.row(std::move(cells));
  }

  Table chip({"chip", "analytical", "simulated", "error %"},
             {Align::left, Align::right, Align::right, Align::right});
  const auto chip_row =
      [&](const std::string& name, Cycles closed, std::optional<double> simulated) {
        chip.row({name,
                  grouped(closed.value),
                  simulated ? whole(*simulated) : "-",
                  simulated ? error_percent(static_cast<double>(closed.value), *simulated) : "-"});
      };
  const auto first = static_cast<double>(s.latency.first.value);
  chip_row("latency of the first image", in.analysis.latency, first);
  chip_row("  its lower bound", in.analysis.lower_bound, first);
  chip_row("interval between images", in.analysis.interval, s.throughput.interval);
  if (in.analysis.interval_lower_bound.value > 0) {
    chip_row(
        "  its lower bound, long run", in.analysis.interval_lower_bound, s.throughput.interval);
  }
  const bool too_few =
      s.throughput.interval &&
      *s.throughput.interval < static_cast<double>(in.analysis.interval_lower_bound.value);
  std::string out = title(report);
  out +=
      "Cycles per image. Gap = simulated - analytical, split by what the layer's busiest part "
      "waited for.\n";
  out += in.options.images > 1 ? "The closed form is that of one image alone; of several, one "
                                 "waits where another is at\n"
                                 "work (rest; input in the layers behind).\n\n"
                               : "\n";
  out += table.text() + "\n" + chip.text() + "\n";
  if (too_few) {
    out += line("note",
                fmt::format("{} images are too few for an interval: a long run cannot keep images "
                            "so close together",
                            in.options.images));
  }
  return out + checks_text(report);
}

std::string layers_csv(const Report& report) {
  std::string out =
      "name,kind,w_bits,a_bits,replicas,parts,pes,firings,writes,busy_cycles,analytical_cycles,"
      "simulated_cycles,pe_energy_j";
  for (const auto& [reason, name] : enum_names(Wait{})) {
    out += fmt::format(",wait_{}_cycles", name);
  }
  const bool mixed = report.in.prices.mixed();
  out += mixed ? ",group\n" : "\n";
  const std::vector<StageSummary>& stages = report.statistics.stages;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const StageSummary& stage = stages[s];
    const std::optional<Cycles> closed = report.in.analysis.stage(s);
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}",
                       csv_cell(stage.name),
                       stage.kind,
                       stage.is_matrix ? fmt::format("{}", stage.w_bits) : "",
                       stage.is_matrix ? fmt::format("{}", stage.a_bits) : "",
                       stage.replicas,
                       stage.parts,
                       stage.pes,
                       stage.firings,
                       stage.writes,
                       stage.time.work,
                       closed ? fmt::format("{}", closed->value) : "",
                       format_number(stage.simulated),
                       format_number(report.account.stage_pes[s].value));
    for (const std::int64_t wait : stage.time.waits) {
      out += fmt::format(",{}", wait);
    }
    out += mixed ? "," + csv_cell(report.group_of(s)) + "\n" : "\n";
  }
  return out;
}

}  // namespace tessera::report
