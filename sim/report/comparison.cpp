// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/comparison.hpp"

#include "sim/base/text.hpp"
#include "sim/report/table.hpp"
#include "sim/report/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <string_view>

namespace tessera::report {

namespace {

using nlohmann::json;

using Shares = std::vector<std::pair<std::string, double>>;

constexpr int kDigits = 4;
constexpr double kShownShare = 0.01;  // what is smaller in every run is "other"

/// Actions of the chip around the PEs; all others are of a PE.
constexpr std::array<std::string_view, 8> kChipActions{"buffer_read_bit",
                                                       "buffer_write_bit",
                                                       "bus_bit",
                                                       "io_bit",
                                                       "link_flit",
                                                       "memory_bit",
                                                       "router_flit",
                                                       "vector_op"};
constexpr std::array<std::string_view, 5> kMovement{
    "tile_bus", "tile_buffer", "fabric", "io", "memory"};

void read_energy(const json& energy, double images, ComparedRun& run) {
  run.energy = energy.at("total_j").get<double>() / images;
  run.dynamic = energy.at("dynamic_j").get<double>() / images;
  run.leaked = energy.at("static_j").get<double>() / images;
  Shares chip;
  for (const auto& [action, joules] : energy.at("by_action").items()) {
    const double each = joules.get<double>() / images;
    if (std::find(kChipActions.begin(), kChipActions.end(), action) == kChipActions.end()) {
      run.energy_by.emplace_back("pe: " + action, each);
    } else {
      chip.emplace_back(action, each);
    }
  }
  run.energy_by.insert(run.energy_by.end(), chip.begin(), chip.end());
  for (const auto& [component, joules] : energy.at("static_by_component").items()) {
    run.energy_by.emplace_back("static: " + component, joules.get<double>() / images);
  }
  double moved = 0;
  for (const auto& [place, joules] : energy.at("by_place").items()) {
    const double each = joules.get<double>() / images;
    run.energy_by_place.emplace_back(place, each);
    if (std::find(kMovement.begin(), kMovement.end(), place) != kMovement.end()) {
      moved += each;
    }
  }
  run.energy_by_place.emplace_back("static", run.leaked);
  run.movement = run.dynamic > 0 ? moved / run.dynamic : 0;
}

/// Whether the PEs of each sort of tile take any of it (area, static energy), or their tile does
/// besides what is listed.
bool pes_take_some(const json& components) {
  std::map<std::string, double> pes;  // by what stands before ".pe."
  for (const auto& [name, amount] : components.items()) {
    if (const std::size_t end = name.find(".pe."); end != std::string::npos) {
      const std::string other = name.substr(0, name.find('.')) + ".other";
      const auto [found, fresh] =
          pes.try_emplace(name.substr(0, end), components.value(other, 0.0));
      found->second += amount.get<double>();
    }
  }
  return std::all_of(pes.begin(), pes.end(), [](const auto& one) { return one.second > 0; });
}

void read_time(const json& result, ComparedRun& run) {
  const json& cycles = result.at("pes").at("cycles");
  double all = 0;
  for (const auto& [reason, count] : cycles.items()) {
    all += count.get<double>();
  }
  for (const auto& [reason, count] : cycles.items()) {
    run.time_by.emplace_back(reason, all > 0 ? count.get<double>() / all : 0);
  }
  run.busy = cycles.at("busy").get<double>() / result.at("clock_hz").get<double>() /
             static_cast<double>(run.images);
  const double end = result.at("end_cycles").get<double>();
  double most = 0;
  for (const json& layer : result.at("layers")) {
    const double busy = layer.at("busy_cycles").get<double>();
    if (busy > most) {
      most = busy;
      run.busiest_layer = layer.at("name").get<std::string>();
    }
  }
  run.busiest_share = end > 0 ? most / end : 0;
}

/// "8", or "2-8".
std::string range_text(const json& layers, const char* key) {
  std::set<int> bits;
  for (const json& layer : layers) {
    if (layer.at(key).is_number()) {
      bits.insert(layer.at(key).get<int>());
    }
  }
  if (bits.empty()) {
    return "-";
  }
  return bits.size() == 1 ? fmt::format("{}", *bits.begin())
                          : fmt::format("{}-{}", *bits.begin(), *bits.rbegin());
}

/// Value of `name`, 0 when the run has no such entry.
double share_of(const Shares& shares, const std::string& name) {
  const auto found = std::find_if(
      shares.begin(), shares.end(), [&](const auto& entry) { return entry.first == name; });
  return found == shares.end() ? 0 : found->second;
}

/// Names of all runs' entries: those of the first run, then what the next ones have besides.
std::vector<std::string> names_of(const std::vector<ComparedRun>& runs, Shares ComparedRun::*of) {
  std::vector<std::string> names;
  for (const ComparedRun& run : runs) {
    for (const auto& entry : run.*of) {
      if (std::find(names.begin(), names.end(), entry.first) == names.end()) {
        names.push_back(entry.first);
      }
    }
  }
  return names;
}

std::optional<double> ratio(const std::optional<double>& value, const std::optional<double>& base) {
  return value && base && *value > 0 && *base > 0 ? std::optional<double>(*value / *base)
                                                  : std::nullopt;
}

std::optional<double> ratio(const Headline& line, const Headline& base) {
  return line.priced && base.priced ? ratio(line.value, base.value) : std::nullopt;
}

std::string value_text(const Headline& line) {
  if (!line.value) {
    return "-";
  }
  if (line.unit.empty()) {
    return grouped(std::llround(*line.value));
  }
  if (line.unit == "%") {
    return fmt::format("{:.2f} %", *line.value * 100);
  }
  if (line.unit == "m2") {
    return fmt::format("{:.{}g} mm2", *line.value * 1e6, kDigits);
  }
  if (line.unit == "1/s/m2") {
    return fmt::format("{:.{}g} /s/mm2", *line.value * 1e-6, kDigits);
  }
  if (line.unit == "1/s") {
    return *line.value >= 1000 ? fmt::format("{} /s", grouped(std::llround(*line.value)))
                               : fmt::format("{:.{}g} /s", *line.value, kDigits);
  }
  return format_si(*line.value, line.unit, kDigits);
}

std::string ratio_text(const std::optional<double>& value) {
  return value ? fmt::format("{:.{}g}x", *value, kDigits) : "-";
}

/// Header: a label, then every run with `after` columns of its own (none for the first, if wanted).
Table make_table(const std::vector<ComparedRun>& runs, const std::string& label, bool ratios) {
  std::vector<std::string> header{label};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    header.push_back(runs[r].name);
    if (!ratios || r > 0) {
      header.emplace_back(ratios ? "" : "%");
    }
  }
  std::vector<Align> align(header.size(), Align::right);
  align[0] = Align::left;
  return {header, align};
}

/// One row per entry with joules and percent; entries that are small everywhere are one "other".
std::string energy_table(const std::vector<ComparedRun>& runs,
                         const std::string& label,
                         Shares ComparedRun::*of) {
  Table table = make_table(runs, label, false);
  const auto row = [&](const std::string& name, const std::vector<double>& joules) {
    std::vector<std::string> cells{name};
    for (std::size_t r = 0; r < runs.size(); ++r) {
      const double all = runs[r].energy;
      cells.push_back(joules[r] > 0 ? format_si(joules[r], "J", kDigits) : ".");
      cells.push_back(joules[r] > 0 && all > 0 ? fmt::format("{:.1f}", 100 * joules[r] / all) : "");
    }
    table.row(std::move(cells));
  };
  std::vector<double> other(runs.size(), 0);
  for (const std::string& name : names_of(runs, of)) {
    std::vector<double> joules;
    bool shown = false;
    for (const ComparedRun& run : runs) {
      joules.push_back(share_of(run.*of, name));
      shown = shown || joules.back() >= kShownShare * run.energy;
    }
    if (shown && std::any_of(joules.begin(), joules.end(), [](double j) { return j > 0; })) {
      row(name, joules);
      continue;
    }
    for (std::size_t r = 0; r < runs.size(); ++r) {
      other[r] += joules[r];
    }
  }
  if (std::any_of(other.begin(), other.end(), [](double j) { return j > 0; })) {
    row("other", other);
  }
  return table.text();
}

std::string time_table(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> header{"time of PEs in use, %"};
  std::vector<std::string> busiest{"busiest layer"};
  std::vector<std::string> share{"its busy %"};
  for (const ComparedRun& run : runs) {
    header.push_back(run.name);
    busiest.push_back(run.busiest_layer.empty() ? "-" : run.busiest_layer);
    share.push_back(fmt::format("{:.1f}", 100 * run.busiest_share));
  }
  std::vector<Align> align(header.size(), Align::right);
  align[0] = Align::left;
  Table table(header, align);
  for (const std::string& name : names_of(runs, &ComparedRun::time_by)) {
    std::vector<std::string> cells{name};
    bool shown = false;
    for (const ComparedRun& run : runs) {
      const double part = share_of(run.time_by, name);
      shown = shown || part > 0;
      cells.push_back(part > 0 ? fmt::format("{:.1f}", 100 * part) : ".");
    }
    if (shown) {
      table.row(std::move(cells));
    }
  }
  table.row(std::move(busiest));
  table.row(std::move(share));
  return table.text();
}

json number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? json(*value) : json();
}

json object(const Shares& shares) {
  json out = json::object();
  for (const auto& [name, value] : shares) {
    out[name] = value;
  }
  return out;
}

}  // namespace

ComparedRun compared_run(std::string name, std::int64_t macs, const std::string& result_json) {
  const json result = json::parse(result_json);
  ComparedRun run;
  run.name = std::move(name);
  run.network = result.at("network").get<std::string>();
  run.chip = result.at("chip").get<std::string>();
  run.macs = macs;
  run.images = result.at("images").get<std::int64_t>();
  run.latency = result.at("latency").at("seconds").get<double>();
  if (const json& rate = result.at("throughput").at("images_per_second"); rate.is_number()) {
    run.throughput = rate.get<double>();
  }
  run.area = result.at("area").at("total_m2").get<double>();
  run.used = result.at("tiles").at("used").get<double>() /
             result.at("tiles").at("available").get<double>();
  run.pes = result.at("pes").at("used").get<std::int64_t>();
  run.pes_available = result.at("pes").at("available").get<std::int64_t>();
  run.bits =
      range_text(result.at("layers"), "w_bits") + "/" + range_text(result.at("layers"), "a_bits");
  run.area_priced = pes_take_some(result.at("area").at("by_component"));
  run.static_priced = pes_take_some(result.at("energy").at("static_by_component"));
  read_energy(result.at("energy"), static_cast<double>(run.images), run);
  run.energy_priced = result.at("energy").at("by_place").at("pes").get<double>() > 0;
  read_time(result, run);
  return run;
}

std::vector<Headline> headlines(const ComparedRun& run) {
  const auto per_area = [&](double area) {
    return run.throughput && area > 0 ? std::optional<double>(*run.throughput / area)
                                      : std::nullopt;
  };
  const double busy_area = run.busy * run.area / static_cast<double>(run.pes_available);
  const bool a = run.area_priced;
  const bool e = run.energy_priced;
  return {{"latency_s", "latency", "s", run.latency},
          {"images_per_second", "throughput", "1/s", run.throughput},
          {"energy_j", "energy per image", "J", run.energy, e},
          {"dynamic_j", "  dynamic", "J", run.dynamic, e},
          {"static_j", "  static", "J", run.leaked, run.static_priced},
          {"filled_energy_j", "  chip filled", "J", run.dynamic + run.leaked * run.used, e},
          {"energy_delay_js", "energy x delay", "J s", run.energy * run.latency, e},
          {"area_m2", "area", "m2", run.area, a},
          {"used_area_m2", "area in use", "m2", run.area * run.used, a},
          {"images_per_second_m2", "images/s per area", "1/s/m2", per_area(run.area), a},
          {"images_per_second_used_m2",
           "  per area in use",
           "1/s/m2",
           per_area(run.area * run.used),
           a},
          {"images_per_second_busy_m2",
           "  per area, PEs busy",
           "1/s/m2",
           busy_area > 0 ? std::optional<double>(1 / busy_area) : std::nullopt,
           a},
          {"pes_used", "PEs in use", "", static_cast<double>(run.pes)},
          {"pes_available", "PEs", "", static_cast<double>(run.pes_available)},
          {"movement_share", "movement share", "%", run.movement, e},
          {"macs", "MACs per image", "", static_cast<double>(run.macs)}};
}

std::vector<std::string> comparison_notes(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> notes;
  std::set<std::pair<std::string, std::int64_t>> networks;
  std::string unmeasured;
  std::string without_area;
  std::string without_static;
  std::string without_energy;
  const auto list = [](std::string& names, const ComparedRun& run) {
    names += (names.empty() ? "" : ", ") + run.name;
  };
  for (const ComparedRun& run : runs) {
    networks.emplace(run.network, run.macs);
    if (!run.throughput) {
      list(unmeasured, run);
    }
    if (!run.area_priced) {
      list(without_area, run);
    }
    if (!run.static_priced) {
      list(without_static, run);
    }
    if (!run.energy_priced) {
      list(without_energy, run);
    }
  }
  if (networks.size() > 1) {
    std::string all;
    for (const auto& [network, macs] : networks) {
      all += fmt::format("{}{} {} MACs", all.empty() ? "" : ", ", network, grouped(macs));
    }
    notes.push_back("the networks differ, so ratios are not those of the chips alone: " + all);
  }
  if (!unmeasured.empty()) {
    notes.push_back("throughput takes at least 2 images (--images): not measured for " +
                    unmeasured);
  }
  if (!without_area.empty()) {
    notes.push_back("the area of PEs is not published and counts as 0, so areas have no ratios: " +
                    without_area);
  }
  if (!without_static.empty()) {
    notes.push_back(
        "the static energy of PEs has no price of its own and counts as 0, so static energies have "
        "no ratios: " +
        without_static);
  }
  if (!without_energy.empty()) {
    notes.push_back("the energy of PEs has no price and counts as 0, so energies have no ratios: " +
                    without_energy);
  }
  return notes;
}

std::string comparison_text(const std::vector<ComparedRun>& runs) {
  std::string out;
  for (const ComparedRun& run : runs) {
    out += fmt::format("{}: {} on {}, {} bits, {} {}\n",
                       run.name,
                       run.network,
                       run.chip,
                       run.bits,
                       run.images,
                       run.images == 1 ? "image" : "images");
  }
  Table table = make_table(runs, "", true);
  const std::vector<Headline> base = headlines(runs.front());
  std::vector<std::vector<Headline>> all;
  all.reserve(runs.size());
  for (const ComparedRun& run : runs) {
    all.push_back(headlines(run));
  }
  for (std::size_t l = 0; l < base.size(); ++l) {
    std::vector<std::string> cells{base[l].name};
    for (std::size_t r = 0; r < runs.size(); ++r) {
      cells.push_back(value_text(all[r][l]));
      if (r > 0) {
        cells.push_back(ratio_text(ratio(all[r][l], base[l])));
      }
    }
    table.row(std::move(cells));
  }
  out += "\n" + table.text() + "\n";
  out += energy_table(runs, "energy by place", &ComparedRun::energy_by_place) + "\n";
  out += energy_table(runs, "energy by event", &ComparedRun::energy_by) + "\n";
  out += time_table(runs);
  for (const std::string& note : comparison_notes(runs)) {
    out += "\nnote: " + note + "\n";
  }
  return out;
}

std::string comparison_json(const std::vector<ComparedRun>& runs) {
  json list = json::array();
  const std::vector<Headline> base = headlines(runs.front());
  for (const ComparedRun& run : runs) {
    json one;
    one["name"] = run.name;
    one["network"] = run.network;
    one["chip"] = run.chip;
    one["images"] = run.images;
    one["bits"] = run.bits;
    const std::vector<Headline> lines = headlines(run);
    json unpriced = json::array();
    for (std::size_t l = 0; l < lines.size(); ++l) {
      one["values"][lines[l].key] = number(lines[l].value);
      one["ratios"][lines[l].key] = number(ratio(lines[l], base[l]));
      if (!lines[l].priced) {
        unpriced.push_back(lines[l].key);
      }
    }
    one["unpriced"] = std::move(unpriced);
    one["energy_j_by_event"] = object(run.energy_by);
    one["energy_j_by_place"] = object(run.energy_by_place);
    one["pe_time_share"] = object(run.time_by);
    one["busiest_layer"] = {{"name", run.busiest_layer}, {"busy_share", run.busiest_share}};
    list.push_back(std::move(one));
  }
  json out{{"schema", 1}, {"runs", std::move(list)}, {"notes", comparison_notes(runs)}};
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string comparison_csv(const std::vector<ComparedRun>& runs) {
  std::string out = "number,unit";
  for (const ComparedRun& run : runs) {
    out += "," + csv_cell(run.name);
  }
  out += "\n";
  const auto row = [&](const std::string& name, std::string_view unit, const auto& value) {
    out += fmt::format("{},{}", csv_cell(name), unit);
    for (const ComparedRun& run : runs) {
      const std::optional<double> cell = value(run);
      out += "," + (cell ? format_number(*cell) : std::string());
    }
    out += "\n";
  };
  const std::vector<Headline> lines = headlines(runs.front());
  for (std::size_t l = 0; l < lines.size(); ++l) {
    row(lines[l].key, lines[l].unit == "%" ? "" : lines[l].unit, [&](const ComparedRun& run) {
      return headlines(run)[l].value;
    });
  }
  row("priced: area of PEs", "", [](const ComparedRun& run) {
    return std::optional<double>(run.area_priced ? 1 : 0);
  });
  row("priced: static energy of PEs", "", [](const ComparedRun& run) {
    return std::optional<double>(run.static_priced ? 1 : 0);
  });
  row("priced: energy of PEs", "", [](const ComparedRun& run) {
    return std::optional<double>(run.energy_priced ? 1 : 0);
  });
  const auto rows = [&](const std::string& prefix, std::string_view unit, Shares ComparedRun::*of) {
    for (const std::string& name : names_of(runs, of)) {
      row(prefix + name, unit, [&](const ComparedRun& run) {
        return std::optional<double>(share_of(run.*of, name));
      });
    }
  };
  rows("energy by place: ", "J", &ComparedRun::energy_by_place);
  rows("energy by event: ", "J", &ComparedRun::energy_by);
  rows("PE time: ", "", &ComparedRun::time_by);
  return out;
}

}  // namespace tessera::report
