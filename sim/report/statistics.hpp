// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Ratios and averages of a run, made from its counts: latency, throughput, use of links, one line
/// per stage, and where the difference to the closed form comes from.
///
/// Latency    of an image: from the cycle in which its first bit enters the chip to the cycle in
/// which the
///            last bit of its result has left; mean over all images
/// Throughput mean of the inter-departure times after warm-up. Warm-up ends where the marginal
/// standard error
///            of the rest is smallest (MSER), at most half the departures; no tie is cut.
/// Confidence half width of the 95 % interval by batch means: up to 20 batches of equal length
/// (length 1 when there are
///            fewer departures), Student's t. Fewer than two images measure no throughput, and
///            fewer than two inter-departure times no interval: both are empty, not zero.
/// Source     MSER: White, Simulation 69(6), 1997; batch means: Law, Simulation Modeling and
/// Analysis, 2015, 9.5.3
#pragma once

#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/base/units.hpp"
#include "workloads/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::report {

struct Latency {
  double mean = 0;
  Cycles first{0};
  Cycles lowest{0};
  Cycles highest{0};
};

struct Throughput {
  std::optional<double> interval;  ///< cycles per image
  std::optional<double> ci95;      ///< half width, cycles
  std::int64_t warm_up = 0;        ///< inter-departure times left out
  std::int64_t used = 0;           ///< inter-departure times averaged
};

/// Cycles of something's life, by what it did.
struct TimeSplit {
  std::int64_t work = 0;
  std::array<std::int64_t, kWaits> waits{};

  [[nodiscard]] std::int64_t total() const;
};

/// One stage. Work and waits are those of its busiest part, over the whole run.
struct StageSummary {
  std::string name;
  std::string kind;  ///< of the layer: "conv"; "memory" and "output" for stages without one
  bool is_matrix = false;
  int w_bits = 0;  ///< matrix stages
  int a_bits = 0;  ///< matrix stages
  std::int64_t replicas = 0;
  std::int64_t parts = 0;
  std::int64_t pes = 0;
  std::int64_t firings = 0;    ///< of all parts
  std::int64_t writes = 0;     ///< of all parts
  std::int64_t positions = 0;  ///< that left, all images
  int busiest = -1;            ///< Program::parts; -1 when the stage has none
  TimeSplit time;
  double simulated = 0;  ///< mean over images: first firing to last position out
};

struct LinkSummary {
  double highest = 0;  ///< flits per cycle
  double mean = 0;
  std::string busiest;
};

struct Statistics {
  Latency latency;
  Throughput throughput;
  std::vector<StageSummary> stages;
  LinkSummary links;
  TimeSplit pe_time;          ///< summed over the PEs in use, in PE-cycles
  double highest_bus = 0;     ///< busy share of the busiest tile bus
  double highest_vector = 0;  ///< busy share of the busiest vector unit, I/O port or memory channel
  std::int64_t tiles_used = 0;
  Bits largest_buffer{0};  ///< line buffers of the tile that reserves most
};

/// The closed form of the same program, from mapper/analytical.
struct Analysis {
  Cycles latency{0};
  Cycles interval{0};
  Cycles lower_bound{0};  ///< of the latency of one image; the simulation may not be faster
  Cycles interval_lower_bound{0};        ///< of the time per image; 0 when unknown
  Cycles interval_lower_bound_slack{0};  ///< by which a whole run may undercut images * that
  /// One image, as Program::stages; 0, or missing at the end, where a stage has no closed form.
  std::vector<Cycles> stages;

  [[nodiscard]] std::optional<Cycles> stage(std::size_t index) const;
};

/// Where simulated - analytical comes from, in cycles per image. Work that the closed form has too
/// is no gap, so the waits of the busiest part between its first and its last firing compete for
/// it: scaled down in proportion when they are more than the gap, in full with a rest when they are
/// less.
struct Gap {
  double total = 0;  ///< simulated - analytical; negative when the closed form is too slow
  std::array<double, kWaits> waits{};
  double rest = 0;
};

/// Inter-departure times in the order of departure.
Throughput measure_throughput(std::span<const Cycles> departures);

Statistics make_statistics(const Network& network, const Program& program, const RunStats& stats);

Gap explain_gap(const StageSummary& stage, Cycles analytical, std::int64_t images);

/// 97.5 % quantile of Student's t distribution, for 1 to 19 degrees of freedom.
double student_t975(std::int64_t degrees);

}  // namespace tessera::report
