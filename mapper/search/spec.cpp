// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/spec.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tessera::mapper {
namespace {

/// PEs as a number, or nothing.
std::optional<std::int64_t> number_of_pes(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= 1 ? std::optional(value) : std::nullopt;
}

void check_bits(const config::Node& bits, const WidthRules& spec, Diagnostics& diagnostics) {
  const auto empty = [&](const char* high, const std::string& sentence, const std::string& hint) {
    Diagnostic d = config::diagnose(
        bits.get(high), "E-SEARCH-BITS", sentence, "at least one width to choose from", hint);
    if (d.at.source == nullptr) {
      d.at = bits.at();
    }
    diagnostics.error(std::move(d));
  };
  if (spec.w_min > spec.w_max) {
    empty("w_max",
          fmt::format("no weight width lies between {} and {} bits", spec.w_min, spec.w_max),
          "w_max must not be below w_min");
  } else if (spec.w_max / spec.w_step * spec.w_step < spec.w_min) {
    empty("w_step",
          fmt::format(
              "no multiple of {} lies between {} and {} bits", spec.w_step, spec.w_min, spec.w_max),
          fmt::format("raise w_max to {}",
                      (spec.w_min + spec.w_step - 1) / spec.w_step * spec.w_step));
  }
  if (spec.a_min > spec.a_max) {
    empty("a_max",
          fmt::format("no activation width lies between {} and {} bits", spec.a_min, spec.a_max),
          "a_max must not be below a_min");
  }
}

}  // namespace

std::string_view describe(Method method) {
  switch (method) {
    case Method::uniform8:
      return "8-bit weights and activations, one copy of every layer";
    case Method::uniform6:
      return "6-bit weights and activations, one copy of every layer";
    case Method::uniform4:
      return "4-bit weights and activations, one copy of every layer";
    case Method::replication:
      return "8-bit widths, replicas by the MILP";
    case Method::quantization:
      return "widths by the joint MILP, one copy of every layer";
    case Method::quantize_replicate:
      return "those widths, then replicas by the MILP";
    case Method::balance:
      return "narrowest uniform widths within the loss, replicas by ISAAC's balance rule";
    case Method::dynamic_program:
      return "the same widths, replicas by CIM-MLC's dynamic program";
    case Method::annealing:
      return "the same widths, replicas by PIMSYN's simulated annealing";
    case Method::genetic:
      return "the same widths, replicas by PIMCOMP's genetic algorithm";
    case Method::rl:
      return "widths by reinforcement learning, replicas by the MILP (LRMP)";
    case Method::joint_milp:
      return "widths and replicas in one MILP";
  }
  return "";
}

SearchSpec read_search(const config::Node& node, Diagnostics& diagnostics) {
  SearchSpec spec = node.is_null() ? SearchSpec{} : config::read<SearchSpec>(node, diagnostics);
  if (spec.pes != "own_8bit" && spec.pes != "chip" && !number_of_pes(spec.pes)) {
    diagnostics.error(config::diagnose(node.get("pes"),
                                       "E-SEARCH-PES",
                                       "this is no number of PEs",
                                       "own_8bit, chip, or a number from 1 on"));
  }
  if (spec.loss && spec.loss_of_bits) {
    Diagnostic d = config::diagnose(node.get("loss_of_bits"),
                                    "E-SEARCH-LOSS",
                                    "the loss of accuracy is limited twice",
                                    "loss or loss_of_bits, and not both");
    d.related = {node.get("loss").at()};
    diagnostics.error(std::move(d));
  }
  check_bits(node.get("bits"), spec.bits, diagnostics);
  const config::Node accuracy = node.get("accuracy");
  if (spec.accuracy.source == AccuracyKind::table && spec.accuracy.file.empty()) {
    diagnostics.error(config::diagnose(
        accuracy, "E-SEARCH-ACCURACY", "the table of losses has no file", "file: <table.csv>"));
  }
  if (spec.accuracy.source == AccuracyKind::command && spec.accuracy.command.empty()) {
    diagnostics.error(config::diagnose(accuracy,
                                       "E-SEARCH-ACCURACY",
                                       "there is no command that measures the accuracy",
                                       "command: <shell command>"));
  }
  if (spec.rl.budget_start && spec.rl.budget_end && *spec.rl.budget_end > *spec.rl.budget_start) {
    diagnostics.error(
        config::diagnose(node.get("rl").get("budget_end"),
                         "E-SEARCH-BUDGET",
                         "the budget grows over the episodes",
                         fmt::format("at most budget_start, {}", *spec.rl.budget_start)));
  }
  return spec;
}

std::int64_t pes_budget(const SearchSpec& spec, std::int64_t own, std::int64_t chip) {
  return spec.pes == "own_8bit" ? own : spec.pes == "chip" ? chip : *number_of_pes(spec.pes);
}

}  // namespace tessera::mapper
