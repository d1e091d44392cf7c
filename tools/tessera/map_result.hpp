// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a search came to, and how it is told: table, JSON, CSV, plots.
#pragma once

#include "mapper/analytical.hpp"
#include "mapper/problem.hpp"
#include "mapper/search/search.hpp"
#include "sim/api/mapping.hpp"
#include "sim/base/units.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::tools {

/// What the simulator measured. Cycles of the chip's clock, joules per image.
struct Simulated {
  double first = 0;    ///< latency of the first image
  double latency = 0;  ///< mean over the images
  double interval = 0;
  double energy = 0;
  std::int64_t flit_hops = 0;
  std::vector<double> spans;  ///< of every matrix layer
  /// What the closed form says of the network in its own widths: where PEs hold programs, what a
  /// search is told is an estimate.
  mapper::Analysis closed_form;
  std::vector<double> closed_spans;

  /// As Evaluation::value; the latency is that of the first image.
  [[nodiscard]] double value(mapper::Objective objective) const;
};

/// One answer of one method.
struct MapCandidate {
  mapper::Method method = mapper::Method::joint_milp;
  int rank = 0;        ///< among the method's answers, 0 first
  std::string origin;  ///< "", "refined", "feedback 1"
  mapper::Solution solution;
  mapper::Evaluation evaluation;
  double loss = 0;  ///< as the accuracy source says
  bool within = false;
  Mapping mapping;
  Cycles latency{0};  ///< whole closed form
  Cycles interval{0};
  std::vector<double> spans;  ///< of every matrix layer, closed form
  std::optional<Simulated> simulated;
  std::string note;  ///< why something is missing
  std::optional<mapper::milp::SolverReport> solver;

  [[nodiscard]] std::string label() const;
};

struct MapResult {
  const mapper::SearchSetup* setup = nullptr;
  Clock clock;
  std::string granularity;
  std::vector<MapCandidate> candidates;  ///< the reference first
  std::size_t chosen = 0;
  mapper::rl::RlOutcome episodes;
  /// Everything that was looked at, for the Pareto front.
  std::vector<mapper::Solution> seen;
  std::vector<std::string> notes;                       ///< methods without an answer, and why
  std::vector<std::pair<std::string, double>> seconds;  ///< by step
};

/// The table that a person reads.
std::string map_text(const MapResult& result);
std::string map_json(const MapResult& result);
std::string candidates_csv(const MapResult& result);
/// One row per episode; the header alone when nothing learned.
std::string search_csv(const MapResult& result);
/// Solutions that no other one beats in loss, latency, interval and energy, all by the cost model.
std::string pareto_csv(const MapResult& result);

/// Names and SVG texts; none when there is no gnuplot.
std::vector<std::pair<std::string, std::string>> map_plots(const MapResult& result);

}  // namespace tessera::tools
