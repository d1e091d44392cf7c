// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::report {

namespace {

constexpr double kTolerance = 1e-9;  // of sums of doubles in another order

/// The first failure is described, the others are counted.
class Verdict {
 public:
  explicit Verdict(std::string name) : name_(std::move(name)) {}

  template <class... Args>
  void require(bool ok, fmt::format_string<Args...> what, Args&&... args) {
    if (!ok && ++failures_ == 1) {
      detail_ = fmt::format(what, std::forward<Args>(args)...);
    }
  }

  [[nodiscard]] Check check() const {
    return {name_,
            failures_ == 0,
            failures_ > 1 ? fmt::format("{} (and {} more)", detail_, failures_ - 1) : detail_};
  }

 private:
  std::string name_;
  std::string detail_;
  int failures_ = 0;
};

bool close(double a, double b) {
  return std::abs(a - b) <= kTolerance * std::max(std::abs(a), std::abs(b));
}

/// No message has several destinations. A position goes to all ports of all edges of its stage that
/// are not where it is, in one message.
bool is_unicast(const Program& program) {
  std::vector<std::set<EndpointId>> to(program.stages.size());
  for (const ProgramEdge& edge : program.edges) {
    for (const int port : edge.ports) {
      to[static_cast<std::size_t>(edge.from)].insert(
          program.ports[static_cast<std::size_t>(port)].at);
    }
  }
  for (std::size_t s = 0; s < to.size(); ++s) {
    for (const ProgramReplica& replica : program.stages[s].replicas) {
      if (to[s].size() - to[s].count(replica.home) > 1) {
        return false;
      }
    }
  }
  return true;
}

Check flits_conserved(const CheckInputs& in) {
  Verdict v("flits_conserved");
  const FabricTotals& f = in.stats.fabric;
  const std::int64_t left = f.flits_ejected + f.flits_in_flight;
  const bool ok = is_unicast(in.program) ? left == f.flits_injected : left >= f.flits_injected;
  v.require(ok,
            "{} flits injected, {} ejected, {} in flight",
            f.flits_injected,
            f.flits_ejected,
            f.flits_in_flight);
  return v.check();
}

Check fabric_drained(const CheckInputs& in) {
  Verdict v("fabric_drained");
  v.require(in.stats.fabric.flits_in_flight == 0,
            "{} flits in flight after the last event",
            in.stats.fabric.flits_in_flight);
  return v.check();
}

Check hops_on_links(const CheckInputs& in) {
  Verdict v("hops_on_links");
  std::int64_t flits = 0;
  for (const LinkUse& link : in.stats.links) {
    flits += link.flits;
  }
  v.require(in.fabric.on_links < 0 || flits == in.fabric.on_links,
            "{} flits on links, {} implied by the totals",
            flits,
            in.fabric.on_links);
  return v.check();
}

Check positions_conserved(const CheckInputs& in) {
  Verdict v("positions_conserved");
  for (std::size_t s = 0; s < in.program.stages.size(); ++s) {
    const std::int64_t due = in.images * in.program.stages[s].positions;
    v.require(in.stats.stages[s].positions_out == due,
              "{}: {} positions out, {} due",
              in.program.stages[s].name,
              in.stats.stages[s].positions_out,
              due);
  }
  return v.check();
}

Check arrivals_conserved(const CheckInputs& in) {
  Verdict v("arrivals_conserved");
  v.require(in.stats.ports.size() == in.program.ports.size(),
            "{} ports in the program, {} in the statistics",
            in.program.ports.size(),
            in.stats.ports.size());
  for (std::size_t p = 0; p < std::min(in.program.ports.size(), in.stats.ports.size()); ++p) {
    const ProgramPort& port = in.program.ports[p];
    const ProgramEdge& edge = in.program.edges.at(static_cast<std::size_t>(port.edge));
    const std::int64_t needed = port.needed.empty()
                                    ? edge.positions
                                    : std::count(port.needed.begin(), port.needed.end(), true);
    v.require(in.stats.ports[p].arrived == in.images * needed,
              "port {} ({} to {}): {} positions arrived, {} due",
              p,
              in.program.stages.at(static_cast<std::size_t>(edge.from)).name,
              in.program.stages.at(static_cast<std::size_t>(edge.to)).name,
              in.stats.ports[p].arrived,
              in.images * needed);
  }
  return v.check();
}

Check buffers_not_overrun(const CheckInputs& in) {
  Verdict v("buffers_not_overrun");
  for (std::size_t p = 0; p < std::min(in.program.ports.size(), in.stats.ports.size()); ++p) {
    v.require(in.stats.ports[p].peak <= in.program.ports[p].window,
              "port {}: {} slots in use, window {}",
              p,
              in.stats.ports[p].peak,
              in.program.ports[p].window);
  }
  return v.check();
}

Check time_tiled(const CheckInputs& in) {
  Verdict v("time_tiled");
  for (std::size_t p = 0; p < in.stats.parts.size(); ++p) {
    const PartStats& part = in.stats.parts[p];
    std::int64_t sum = part.work.value;
    bool negative = sum < 0;
    for (const Cycles wait : part.waits) {
      sum += wait.value;
      negative = negative || wait.value < 0;
    }
    v.require(sum == in.stats.end.value && !negative,
              "part {} of {}: busy + waiting {}, lifetime {}",
              p,
              in.program.stages.at(static_cast<std::size_t>(in.program.parts[p].stage)).name,
              sum,
              in.stats.end.value);
  }
  return v.check();
}

Check utilization_at_most_one(const CheckInputs& in) {
  Verdict v("utilization_at_most_one");
  const std::int64_t end = in.stats.end.value;
  for (std::size_t e = 0; e < in.stats.endpoints.size(); ++e) {
    const EndpointStats& use = in.stats.endpoints[e];
    v.require(
        use.bus_busy.value <= end, "bus of endpoint {} busy {} of {}", e, use.bus_busy.value, end);
    v.require(use.vector_busy.value <= end,
              "vector unit of endpoint {} busy {} of {}",
              e,
              use.vector_busy.value,
              end);
  }
  const std::int64_t capacity = in.fabric.link_capacity;
  for (const LinkUse& link : in.stats.links) {
    v.require(capacity == 0 || link.flits <= capacity * end,
              "{} flits over {} in {} cycles",
              link.flits,
              link.name,
              end);
  }
  return v.check();
}

Check images_complete(const CheckInputs& in) {
  Verdict v("images_complete");
  const auto images = static_cast<std::size_t>(std::max<std::int64_t>(in.images, 0));
  const RunStats& s = in.stats;
  v.require(s.image_in.size() == images && s.image_out.size() == images,
            "{} images asked for, {} in, {} out",
            images,
            s.image_in.size(),
            s.image_out.size());
  for (std::size_t i = 0; i < std::min(s.image_in.size(), s.image_out.size()); ++i) {
    v.require(s.image_in[i].value >= 0 && s.image_in[i] < s.image_out[i] && s.image_out[i] <= s.end,
              "image {} in at {}, out at {}, end of the run {}",
              i,
              s.image_in[i].value,
              s.image_out[i].value,
              s.end.value);
    v.require(
        i == 0 || s.image_out[i - 1] <= s.image_out[i], "image {} out before image {}", i, i - 1);
  }
  return v.check();
}

Check latency_above_bound(const CheckInputs& in) {
  Verdict v("latency_above_bound");
  const RunStats& s = in.stats;
  for (std::size_t i = 0; i < std::min(s.image_in.size(), s.image_out.size()); ++i) {
    const Cycles latency = s.image_out[i] - s.image_in[i];
    v.require(latency >= in.analysis.lower_bound,
              "image {}: {} cycles, lower bound {}",
              i,
              latency.value,
              in.analysis.lower_bound.value);
  }
  return v.check();
}

Check interval_above_bound(const CheckInputs& in) {
  Verdict v("interval_above_bound");
  const RunStats& s = in.stats;
  if (!s.image_in.empty() && !s.image_out.empty()) {
    // The slowest resource works images times; a single interval may well be shorter after a stall.
    const Cycles span = s.image_out.back() - s.image_in.front();
    const Cycles bound =
        in.analysis.interval_lower_bound * static_cast<std::int64_t>(s.image_out.size()) -
        in.analysis.interval_lower_bound_slack;
    v.require(
        span >= bound, "first in to last out {} cycles, lower bound {}", span.value, bound.value);
  }
  return v.check();
}

Check energy_adds_up(const CheckInputs& in) {
  Verdict v("energy_adds_up");
  const Account& a = in.account;
  double actions = 0;
  for (const Charge& c : a.actions) {
    actions += c.energy.value;
    v.require(
        c.count >= 0 && c.energy.value >= 0, "{}: count {}, {} J", c.name, c.count, c.energy.value);
  }
  double places = 0;
  double pes = 0;
  for (const Charge& c : a.places) {
    places += c.energy.value;
    pes += c.name == "pes" ? c.energy.value : 0;
  }
  double stages = 0;
  for (const Joules j : a.stage_pes) {
    stages += j.value;
  }
  double leaked = 0;
  for (const Holding& h : a.components) {
    leaked += h.static_energy.value;
  }
  v.require(close(actions, places), "by action {} J, by place {} J", actions, places);
  v.require(
      close(actions, a.dynamic.value), "by action {} J, dynamic {} J", actions, a.dynamic.value);
  v.require(close(stages, pes), "PEs by stage {} J, PEs {} J", stages, pes);
  v.require(
      close(leaked, a.leaked.value), "by component {} J, static {} J", leaked, a.leaked.value);
  v.require(close(actions + leaked, a.total.value),
            "dynamic {} J + static {} J, total {} J",
            actions,
            leaked,
            a.total.value);
  return v.check();
}

Check area_adds_up(const CheckInputs& in) {
  Verdict v("area_adds_up");
  double sum = 0;
  for (const Holding& h : in.account.components) {
    sum += h.area.value;
    v.require(h.area.value >= 0, "{}: {} m2", h.name, h.area.value);
  }
  v.require(close(sum, in.account.area.value),
            "components {} m2, total {} m2",
            sum,
            in.account.area.value);
  return v.check();
}

}  // namespace

std::vector<Check> self_checks(const CheckInputs& in) {
  std::vector<Check> checks = in.stats.checks;
  for (const auto check : {flits_conserved,
                           fabric_drained,
                           hops_on_links,
                           positions_conserved,
                           arrivals_conserved,
                           buffers_not_overrun,
                           time_tiled,
                           utilization_at_most_one,
                           images_complete,
                           latency_above_bound,
                           interval_above_bound,
                           energy_adds_up,
                           area_adds_up}) {
    checks.push_back(check(in));
  }
  return checks;
}

bool all_ok(const std::vector<Check>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
}

}  // namespace tessera::report
