// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The `search:` section of an experiment: what a search may change, what it minimises, and how.
///
///   search:
///     method: joint_milp     # tessera list searches
///     objective: latency
///     pes: own_8bit          # what 8 bit without copies takes; or chip, or a number
///     loss_of_bits: 6        # may lose as much accuracy as 6/6 everywhere; or loss: <number>
///     bits: {w_min: 2, w_max: 8, a_min: 2, a_max: 8}
///     accuracy: {source: sensitivity}
///     limits: {buffer: 0.5}  # replicas may use half of the tiles' buffers
///     simulate: {top: 3, images: 4}
///
/// Errors   those of the configuration reader, and E-SEARCH-PES (no number of PEs),
///          E-SEARCH-LOSS (the budget is given twice), E-SEARCH-BITS (no width is left to choose),
///          E-SEARCH-ACCURACY (a source without its file or command), E-SEARCH-BUDGET (budgets that
///          grow); E-SEARCH-UNLIMITED (a limit of what the chip does not bound) is search.hpp's
#pragma once

#include "mapper/cost_table.hpp"
#include "mapper/mapping_yaml.hpp"
#include "mapper/problem.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::mapper {

enum class Method {
  uniform8,
  uniform6,
  uniform4,
  replication,
  quantization,
  quantize_replicate,
  balance,
  dynamic_program,
  annealing,
  genetic,
  rl,
  joint_milp,
};

constexpr auto enum_names(Method) {
  return std::array<std::pair<Method, std::string_view>, 12>{{
      {Method::uniform8, "uniform8"},
      {Method::uniform6, "uniform6"},
      {Method::uniform4, "uniform4"},
      {Method::replication, "replication"},
      {Method::quantization, "quantization"},
      {Method::quantize_replicate, "quantize_replicate"},
      {Method::balance, "balance"},
      {Method::dynamic_program, "dynamic_program"},
      {Method::annealing, "annealing"},
      {Method::genetic, "genetic"},
      {Method::rl, "rl"},
      {Method::joint_milp, "joint_milp"},
  }};
}

/// One sentence for `tessera list searches`.
std::string_view describe(Method method);

enum class AccuracyKind { sensitivity, table, command, measured };

constexpr auto enum_names(AccuracyKind) {
  return std::array<std::pair<AccuracyKind, std::string_view>, 4>{{
      {AccuracyKind::sensitivity, "sensitivity"},
      {AccuracyKind::table, "table"},
      {AccuracyKind::command, "command"},
      {AccuracyKind::measured, "measured"},
  }};
}

enum class RlAlgorithm { ddpg, td3 };

constexpr auto enum_names(RlAlgorithm) {
  return std::array<std::pair<RlAlgorithm, std::string_view>, 2>{{
      {RlAlgorithm::ddpg, "ddpg"},
      {RlAlgorithm::td3, "td3"},
  }};
}

enum class RlEnvironment { lrmp, haq, cim_aq };

constexpr auto enum_names(RlEnvironment) {
  return std::array<std::pair<RlEnvironment, std::string_view>, 3>{{
      {RlEnvironment::lrmp, "lrmp"},
      {RlEnvironment::haq, "haq"},
      {RlEnvironment::cim_aq, "cim_aq"},
  }};
}

struct AccuracySpec {
  AccuracyKind source = AccuracyKind::sensitivity;
  std::string file;
  std::string command;
  Seconds timeout{600};

  static constexpr auto fields() {
    using config::field;
    return config::list<AccuracySpec>(
        field("source", &AccuracySpec::source)
            .doc("sensitivity: noise of quantization per layer; table: losses or Hessian traces "
                 "from a file; command: an external program measures the accuracy; measured: "
                 "tessera-train fine-tunes the experiment's weights with the widths (train.evaluate) "
                 "and measures it on the validation images"),
        field("file", &AccuracySpec::file).doc("table: a CSV file, relative to the experiment"),
        field("command", &AccuracySpec::command)
            .doc("command: shell command that reads the widths as JSON and prints the accuracy in "
                 "percent"),
        field("timeout", &AccuracySpec::timeout)
            .range(0.001, 1e6)
            .doc("command, measured: time for one answer"));
  }
};

struct MilpSpec {
  double gap = 1e-3;
  Seconds time_limit{60};
  std::string lp;
  std::int64_t max_replicas = 0;

  static constexpr auto fields() {
    using config::field;
    return config::list<MilpSpec>(
        field("gap", &MilpSpec::gap).range(0, 1).doc("relative gap at which a solution will do"),
        field("time_limit", &MilpSpec::time_limit)
            .range(0.01, 1e6)
            .doc("of one MILP; when it is hit the answer depends on the machine, and the report "
                 "says so"),
        field("lp", &MilpSpec::lp)
            .doc("write the MILP of the search's own method there, in the LP format; a MILP that "
                 "fails is written beside the output folder in any case"),
        field("max_replicas", &MilpSpec::max_replicas)
            .range(0, 1 << 20)
            .doc("of any layer, in every search; 0: as many as it has output positions"));
  }
};

struct LimitsSpec {
  std::optional<double> buffer = std::nullopt;
  std::optional<double> vector_unit = std::nullopt;

  static constexpr auto fields() {
    using config::field;
    return config::list<LimitsSpec>(
        field("buffer", &LimitsSpec::buffer)
            .range(1e-6, 1)
            .doc("share of all tiles' buffers that the line buffers of all replicas may take, each "
                 "at its smallest; any when left out"),
        field("vector_unit", &LimitsSpec::vector_unit)
            .range(1e-6, 1)
            .doc(
                "share of all tiles' lanes that all replicas may keep busy when they fire as often "
                "as they can; any when left out"));
  }
};

struct RlSpec {
  RlAlgorithm algorithm = RlAlgorithm::ddpg;
  RlEnvironment environment = RlEnvironment::lrmp;
  std::int64_t episodes = 600;
  double accuracy_weight = 1;
  double speed_weight = 1;
  std::optional<double> budget_start = std::nullopt;
  std::optional<double> budget_end = std::nullopt;
  double preserve_ratio = 0.6;

  static constexpr auto fields() {
    using config::field;
    return config::list<RlSpec>(
        field("algorithm", &RlSpec::algorithm).doc("the agent"),
        field("environment", &RlSpec::environment)
            .doc("lrmp: bits, then replicas, reward from accuracy and speed-up; haq: cost budget, "
                 "reward from accuracy; cim_aq: accuracy target, asymmetric reward"),
        field("episodes", &RlSpec::episodes).range(1, 1e6).doc("episodes").source("HAQ: 600"),
        field("accuracy_weight", &RlSpec::accuracy_weight)
            .range(0, 1e6)
            .doc("lrmp: reward per unit of accuracy"),
        field("speed_weight", &RlSpec::speed_weight)
            .range(0, 1e6)
            .doc("lrmp: reward per share of the 8-bit cost that is saved"),
        field("budget_start", &RlSpec::budget_start)
            .range(0.001, 1)
            .doc("lrmp: first budget, as share of the 8-bit cost; when left out 0.35, or 1 with a "
                 "budget of the loss, which then bounds the widths alone")
            .source("assumption: LRMP tightens its budget, how far is not known"),
        field("budget_end", &RlSpec::budget_end)
            .range(0.001, 1)
            .doc("lrmp: last budget, geometrically in between; when left out 0.2, or budget_start "
                 "with a budget of the loss")
            .source("assumption"),
        field("preserve_ratio", &RlSpec::preserve_ratio)
            .range(0.001, 1)
            .doc("haq: budget, as share of the 8-bit cost")
            .source("HAQ, README policy: 0.6"));
  }
};

struct SimulateSpec {
  std::int64_t top = 3;
  std::int64_t images = 4;
  std::int64_t feedback = 0;
  int jobs = 1;
  Seconds timeout{3600};

  static constexpr auto fields() {
    using config::field;
    return config::list<SimulateSpec>(
        field("top", &SimulateSpec::top)
            .range(1, 1000)
            .doc("best candidates of the search that are simulated and ranked again"),
        field("images", &SimulateSpec::images).range(1, 1e6).doc("images of each simulation"),
        field("feedback", &SimulateSpec::feedback)
            .range(0, 100)
            .doc("rounds in which the cost model is corrected by the simulations, and the search "
                 "repeated"),
        field("jobs", &SimulateSpec::jobs).range(1, 256).doc("simulations side by side"),
        field("timeout", &SimulateSpec::timeout).range(0.01, 1e6).doc("of one simulation"));
  }
};

struct SearchSpec {
  Method method = Method::joint_milp;
  Objective objective = Objective::latency;
  std::optional<CostModel> cost_model;
  std::string pes = "own_8bit";
  std::optional<double> loss;
  std::optional<int> loss_of_bits;
  bool baselines = true;
  PlacementMethod placement = PlacementMethod::ordered;
  WidthRules bits;
  LimitsSpec limits;
  AccuracySpec accuracy;
  MilpSpec milp;
  RlSpec rl;
  SimulateSpec simulate;

  static constexpr auto fields() {
    using config::field;
    return config::list<SearchSpec>(
        field("method", &SearchSpec::method).doc("whose answer is the mapping"),
        field("objective", &SearchSpec::objective).doc("what is minimised (throughput: maximised)"),
        field("cost_model", &SearchSpec::cost_model)
            .doc("time of a layer: array, sum or max as in LRMP; pipeline as the closed form; "
                 "serial; the one that suits the granularity when left out"),
        field("pes", &SearchSpec::pes)
            .doc("PEs that may be used: own_8bit (what 8-bit weights without copies take), chip, "
                 "or a number")
            .source("LRMP: the own 8-bit tile count"),
        field("loss", &SearchSpec::loss)
            .range(0, 1e9)
            .doc("accuracy that may be lost, in the unit of the source; any when left out"),
        field("loss_of_bits", &SearchSpec::loss_of_bits)
            .range(1, 16)
            .doc("instead: as much as with this width everywhere"),
        field("baselines", &SearchSpec::baselines).doc("run the other methods too, to compare"),
        field("placement", &SearchSpec::placement).doc("as mapping.placement"),
        field("bits", &SearchSpec::bits).doc("widths to choose from"),
        field("limits", &SearchSpec::limits).doc("what replicas may use besides PEs"),
        field("accuracy", &SearchSpec::accuracy).doc("what widths cost in accuracy"),
        field("milp", &SearchSpec::milp).doc("the MILP solver"),
        field("rl", &SearchSpec::rl).doc("reinforcement learning"),
        field("simulate", &SearchSpec::simulate).doc("the simulator has the last word"));
  }
};

/// Reads and checks the section; a null node asks for the defaults.
SearchSpec read_search(const config::Node& node, Diagnostics& diagnostics);

/// `pes:` as a number; `own` are the PEs of the 8-bit network without copies.
std::int64_t pes_budget(const SearchSpec& spec, std::int64_t own, std::int64_t chip);

}  // namespace tessera::mapper
