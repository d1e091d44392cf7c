// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/result.hpp"

#include "sim/base/enum_name.hpp"
#include "sim/report/checks.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace tessera::report {

namespace {

using nlohmann::json;

constexpr int kSchema = 1;
constexpr double kExact = 9007199254740992.0;  // 2^53

/// Whole numbers lose their ".0"; what is no number is null.
json number(double value) {
  if (!std::isfinite(value)) {
    return nullptr;
  }
  if (value == std::trunc(value) && std::abs(value) < kExact) {
    return static_cast<std::int64_t>(value);
  }
  return value;
}

json number(const std::optional<double>& value) {
  return value ? number(*value) : json();
}

json time_split(const TimeSplit& time) {
  json out;
  out["busy"] = time.work;
  for (const auto& [reason, name] : enum_names(Wait{})) {
    out[std::string(name)] = time.waits[static_cast<std::size_t>(reason)];
  }
  return out;
}

json waits(const TimeSplit& time) {
  json out = time_split(time);
  out.erase("busy");
  return out;
}

json counts(const std::vector<Charge>& charges) {
  json out = json::object();
  for (const Charge& c : charges) {
    out[c.name] = out.value(c.name, std::int64_t{0}) + c.count;
  }
  return out;
}

json energies(const std::vector<Charge>& charges) {
  json out = json::object();
  for (const Charge& c : charges) {
    out[c.name] = number(out.value(c.name, 0.0) + c.energy.value);
  }
  return out;
}

json layers(const Report& report) {
  json out = json::array();
  const std::vector<StageSummary>& stages = report.statistics.stages;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const StageSummary& stage = stages[s];
    json row;
    row["name"] = stage.name;
    row["kind"] = stage.kind;
    if (report.in.prices.mixed()) {
      row["group"] = report.group_of(s);
    }
    row["w_bits"] = stage.is_matrix ? json(stage.w_bits) : json();
    row["a_bits"] = stage.is_matrix ? json(stage.a_bits) : json();
    row["replicas"] = stage.replicas;
    row["parts"] = stage.parts;
    row["pes"] = stage.pes;
    row["firings"] = stage.firings;
    row["writes"] = stage.writes;
    row["busy_cycles"] = stage.time.work;
    row["waits"] = waits(stage.time);
    row["simulated_cycles"] = number(stage.simulated);
    const std::optional<Cycles> closed = report.in.analysis.stage(s);
    row["analytical_cycles"] = closed ? json(closed->value) : json();
    row["pe_energy_j"] = number(report.account.stage_pes[s].value);
    out.push_back(std::move(row));
  }
  return out;
}

/// What each sort of tile is and took.
json groups(const Report& report) {
  json out = json::array();
  const std::vector<TilePrices>& groups = report.in.prices.groups;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const GroupShare& share = report.account.groups[g];
    out.push_back(
        {{"name", groups[g].name},
         {"kind", groups[g].kind},
         {"tiles", groups[g].tiles},
         {"pes", groups[g].pes},
         {"pe_energy_j", number(share.pes.value)},
         {"dynamic_j", number(share.dynamic.value)},
         {"static_j", number(share.leaked.value)},
         {"area_m2", number(share.area.value)},
         {"writes_per_cell", groups[g].endurance > 0 ? number(groups[g].endurance) : json()}});
  }
  return out;
}

/// Of the cells that survive the fewest; 0 when unknown.
double writes_per_cell(const PriceList& prices) {
  double least = 0;
  for (const TilePrices& group : prices.groups) {
    if (group.endurance > 0) {
      least = least > 0 ? std::min(least, group.endurance) : group.endurance;
    }
  }
  return least;
}

json area(const Account& account) {
  json out;
  out["total_m2"] = number(account.area.value);
  json by_component = json::object();
  for (const Holding& h : account.components) {
    by_component[h.name] = number(by_component.value(h.name, 0.0) + h.area.value);
  }
  out["by_component"] = std::move(by_component);
  return out;
}

json energy(const Account& account, std::int64_t images) {
  json out;
  out["total_j"] = number(account.total.value);
  out["dynamic_j"] = number(account.dynamic.value);
  out["static_j"] = number(account.leaked.value);
  out["per_image_j"] =
      images > 0 ? number(account.total.value / static_cast<double>(images)) : json();
  out["by_action"] = energies(account.actions);
  out["by_place"] = energies(account.places);
  json leaked = json::object();
  for (const Holding& h : account.components) {
    leaked[h.name] = number(leaked.value(h.name, 0.0) + h.static_energy.value);
  }
  out["static_by_component"] = std::move(leaked);
  return out;
}

}  // namespace

bool Report::ok() const {
  return all_ok(checks);
}

std::optional<double> Report::years_until_worn() const {
  constexpr double kSecondsPerYear = 365.25 * 24 * 3600;
  if (!statistics.throughput.interval || account.runs_until_worn == 0) {
    return std::nullopt;
  }
  const double images = account.runs_until_worn * static_cast<double>(in.options.images);
  return images * *statistics.throughput.interval / in.prices.clock.frequency.value /
         kSecondsPerYear;
}

std::string Report::group_of(std::size_t stage) const {
  const ProgramStage& of = in.program.stages[stage];
  const EndpointId home = of.replicas.empty() ? in.program.tiles : of.replicas.front().home;
  return home < in.program.tiles ? in.prices.groups[in.prices.group_of(home)].name : std::string{};
}

Report make_report(ResultInputs in) {
  Statistics statistics = make_statistics(in.network, in.program, in.stats);
  Account account = make_account(in.program, in.stats, in.fabric, in.load, in.prices);
  std::vector<Check> checks =
      self_checks({in.program, in.stats, in.analysis, account, in.fabric, in.options.images});
  return {std::move(in), std::move(statistics), std::move(account), std::move(checks)};
}

std::string result_json(const Report& report) {
  const ResultInputs& in = report.in;
  const RunStats& stats = in.stats;
  const Statistics& statistics = report.statistics;
  const Account& account = report.account;
  const Clock& clock = in.prices.clock;

  json out;
  out["schema"] = kSchema;
  out["network"] = in.network.name;
  out["chip"] = in.chip;
  out["granularity"] = name_of(in.program.granularity);
  out["detail"] = name_of(in.options.detail);
  out["functional"] = name_of(in.options.functional);
  out["images"] = in.options.images;
  out["image_interval_cycles"] = in.options.image_interval.value;
  out["seed"] = in.options.seed;
  out["clock_hz"] = number(clock.frequency.value);
  out["end_cycles"] = stats.end.value;

  const Latency& latency = statistics.latency;
  out["latency"] = {{"cycles", number(latency.mean)},
                    {"seconds", number(latency.mean / clock.frequency.value)},
                    {"first_cycles", latency.first.value},
                    {"min_cycles", latency.lowest.value},
                    {"max_cycles", latency.highest.value}};
  const Throughput& throughput = statistics.throughput;
  std::optional<double> rate;
  if (throughput.interval && *throughput.interval > 0) {
    rate = clock.frequency.value / *throughput.interval;
  }
  out["throughput"] = {{"interval_cycles", number(throughput.interval)},
                       {"images_per_second", number(rate)},
                       {"ci95_cycles", number(throughput.ci95)},
                       {"warm_up_images", throughput.warm_up},
                       {"intervals_used", throughput.used}};
  out["analytical"] = {{"latency_cycles", in.analysis.latency.value},
                       {"interval_cycles", in.analysis.interval.value},
                       {"lower_bound_cycles", in.analysis.lower_bound.value},
                       {"interval_lower_bound_cycles", in.analysis.interval_lower_bound.value}};

  out["pes"] = {{"available", in.prices.pes},
                {"used", in.program.pes_used},
                {"cycles", time_split(statistics.pe_time)}};
  out["tiles"] = {{"available", in.prices.tiles},
                  {"used", statistics.tiles_used},
                  {"max_bus_utilization", number(statistics.highest_bus)},
                  {"max_vector_unit_utilization", number(statistics.highest_vector)},
                  {"max_line_buffer_bits", statistics.largest_buffer.value}};
  if (in.prices.mixed()) {
    out["tile_groups"] = groups(report);
  }
  out["layers"] = layers(report);
  out["actions"] = counts(account.actions);
  out["energy"] = energy(account, in.options.images);
  out["area"] = area(account);
  out["fabric"] = {{"flits", stats.fabric.flits_injected},
                   {"flits_ejected", stats.fabric.flits_ejected},
                   {"flit_hops", stats.fabric.flit_hops},
                   {"links", stats.links.size()},
                   {"busiest_link", statistics.links.busiest},
                   {"mean_link_utilization", number(statistics.links.mean)},
                   {"max_link_utilization", number(statistics.links.highest)}};
  out["load"] = {{"pes_written", in.load.pes},
                 {"cycles", in.load.cycles.value},
                 {"seconds", number(clock.seconds(in.load.cycles).value)},
                 {"energy_j", number(account.load.value)},
                 {"actions", counts(account.load_actions)}};
  const double wear = writes_per_cell(in.prices);
  out["endurance"] = {
      {"writes_per_cell", wear > 0 ? number(wear) : json()},
      {"max_writes_per_pe", account.most_writes},
      {"runs_until_worn", account.runs_until_worn > 0 ? number(account.runs_until_worn) : json()}};
  if (account.mean_cell_writes > 0) {
    const auto images = static_cast<double>(in.options.images);
    out["endurance"]["most_cell_writes_per_image"] = number(account.most_cell_writes / images);
    out["endurance"]["mean_cell_writes_per_image"] = number(account.mean_cell_writes / images);
    out["endurance"]["years"] = number(report.years_until_worn());
  }
  if (in.options.functional != Functional::off) {
    out["output_digest"] = fmt::format("{:016x}", stats.output_digest);
  }

  json checks = json::array();
  for (const Check& check : report.checks) {
    json row{{"name", check.name}, {"ok", check.ok}};
    if (!check.detail.empty()) {
      row["detail"] = check.detail;
    }
    checks.push_back(std::move(row));
  }
  out["checks"] = std::move(checks);

  json simulation{{"wall_seconds", number(stats.wall_seconds)},
                  {"sc_activations", stats.sc_activations},
                  {"pe_firings", stats.pe_firings},
                  {"occupations", stats.occupations}};
  simulation["cycles_per_second"] =
      stats.wall_seconds > 0 ? number(static_cast<double>(stats.end.value) / stats.wall_seconds)
                             : json();
  out["simulation"] = std::move(simulation);
  // Names come from files: a broken one must not lose the result of a long run.
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace tessera::report
