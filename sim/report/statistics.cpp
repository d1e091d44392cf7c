// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/statistics.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/enum_name.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string_view>

namespace tessera::report {

namespace {

constexpr std::int64_t kBatches = 20;
constexpr std::size_t kNone = static_cast<std::size_t>(Wait::none);

double ratio(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// Terms to drop from the front: the smallest d <= limit with the smallest squared standard error
/// of the rest.
std::size_t mser(std::span<const double> x, std::size_t limit) {
  std::size_t best = 0;
  double best_error = 0;
  double sum = 0;
  double squares = 0;
  // Deviations from the last term keep the sums of squares exact for a steady tail.
  const double origin = x.empty() ? 0 : x.back();
  for (std::size_t d = x.size(); d-- > 0;) {
    const double v = x[d] - origin;
    sum += v;
    squares += v * v;
    if (d > limit) {
      continue;
    }
    const auto count = static_cast<double>(x.size() - d);
    const double error = std::max(0.0, squares - sum * sum / count) / (count * count);
    if (d == limit || error <= best_error) {
      best = d;
      best_error = error;
    }
  }
  return best;
}

double mean_of(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

Latency latency_of(const RunStats& stats) {
  Latency out;
  std::int64_t sum = 0;
  std::int64_t images = 0;
  for (std::size_t i = 0; i < std::min(stats.image_in.size(), stats.image_out.size()); ++i) {
    if (stats.image_in[i] > stats.image_out[i]) {
      continue;  // never came; images_complete fails
    }
    const Cycles span = stats.image_out[i] - stats.image_in[i];
    if (images == 0) {
      out.first = out.lowest = out.highest = span;
    }
    out.lowest = std::min(out.lowest, span);
    out.highest = std::max(out.highest, span);
    sum += span.value;
    ++images;
  }
  if (images > 0) {
    out.mean = static_cast<double>(sum) / static_cast<double>(images);
  }
  return out;
}

double simulated_cycles(const StageStats& stats) {
  std::int64_t sum = 0;
  std::int64_t images = 0;
  for (std::size_t i = 0; i < std::min(stats.image_start.size(), stats.image_end.size()); ++i) {
    if (stats.image_start[i] <=
        stats.image_end[i]) {  // an image that never came starts at the end of time
      sum += (stats.image_end[i] - stats.image_start[i]).value;
      ++images;
    }
  }
  return images == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(images);
}

std::int64_t pes_of(const ProgramPart& part) {
  std::int64_t pes = 0;
  for (const LockstepGroup& group : part.groups) {
    pes += group.pes;
  }
  return pes;
}

std::string kind_text(const Network& network, const ProgramStage& stage) {
  switch (stage.kind) {
    case StageKind::memory:
      return "memory";
    case StageKind::sink:
      return "output";
    case StageKind::source:
      return "input";
    case StageKind::matrix:
    case StageKind::vector:
      break;
  }
  return stage.layer >= 0 ? std::string(name_of(network.layer(stage.layer).kind)) : "vector";
}

LinkSummary links_of(const RunStats& stats) {
  LinkSummary out;
  std::int64_t most = 0;
  std::int64_t all = 0;
  for (const LinkUse& link : stats.links) {
    all += link.flits;
    if (link.flits > most) {
      most = link.flits;
      out.busiest = link.name;
    }
  }
  out.highest = ratio(most, stats.end.value);
  if (!stats.links.empty()) {
    out.mean = ratio(all, stats.end.value) / static_cast<double>(stats.links.size());
  }
  return out;
}

}  // namespace

std::int64_t TimeSplit::total() const {
  return std::accumulate(waits.begin(), waits.end(), work);
}

std::optional<Cycles> Analysis::stage(std::size_t index) const {
  return index < stages.size() && stages[index].value > 0 ? std::optional(stages[index])
                                                          : std::nullopt;
}

double student_t975(std::int64_t degrees) {
  static constexpr std::array<double, 19> kQuantiles{12.706204736,
                                                     4.302652730,
                                                     3.182446305,
                                                     2.776445105,
                                                     2.570581836,
                                                     2.446911851,
                                                     2.364624252,
                                                     2.306004135,
                                                     2.262157163,
                                                     2.228138852,
                                                     2.200985160,
                                                     2.178812830,
                                                     2.160368656,
                                                     2.144786688,
                                                     2.131449546,
                                                     2.119905299,
                                                     2.109815578,
                                                     2.100922040,
                                                     2.093024054};
  if (degrees < 1 || degrees > static_cast<std::int64_t>(kQuantiles.size())) {
    throw InternalError("sim/report/statistics", -1, "degrees of freedom outside the table");
  }
  return kQuantiles[static_cast<std::size_t>(degrees) - 1];
}

Throughput measure_throughput(std::span<const Cycles> departures) {
  Throughput out;
  if (departures.size() < 2) {
    return out;
  }
  std::vector<double> gaps;
  gaps.reserve(departures.size() - 1);
  for (std::size_t i = 1; i < departures.size(); ++i) {
    gaps.push_back(static_cast<double>((departures[i] - departures[i - 1]).value));
  }
  // At least two stay: a single one would always look steadiest.
  const std::size_t limit = std::min(gaps.size() / 2, gaps.size() > 2 ? gaps.size() - 2 : 0);
  const std::size_t cut = mser(gaps, limit);
  const std::span<const double> used = std::span(gaps).subspan(cut);
  out.warm_up = static_cast<std::int64_t>(cut);
  out.used = static_cast<std::int64_t>(used.size());
  // First to last, not a sum of rounded terms.
  out.interval = static_cast<double>((departures.back() - departures[cut]).value) /
                 static_cast<double>(used.size());
  if (used.size() < 2) {
    return out;
  }
  const std::size_t batches = std::min<std::size_t>(used.size(), kBatches);
  const std::size_t length = used.size() / batches;
  const std::size_t first = used.size() - batches * length;  // the oldest are left over
  std::vector<double> means;
  for (std::size_t b = 0; b < batches; ++b) {
    means.push_back(mean_of(used.subspan(first + b * length, length)));
  }
  const double mean = mean_of(means);
  double squares = 0;
  for (const double m : means) {
    squares += (m - mean) * (m - mean);
  }
  const auto count = static_cast<double>(batches);
  out.ci95 = student_t975(static_cast<std::int64_t>(batches) - 1) *
             std::sqrt(squares / (count - 1) / count);
  return out;
}

Statistics make_statistics(const Network& network, const Program& program, const RunStats& stats) {
  if (stats.parts.size() != program.parts.size() || stats.stages.size() != program.stages.size()) {
    throw InternalError("sim/report/statistics", -1, "statistics of another program");
  }
  Statistics out;
  out.latency = latency_of(stats);
  out.throughput = measure_throughput(stats.image_out);
  out.links = links_of(stats);

  out.stages.resize(program.stages.size());
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    const ProgramStage& stage = program.stages[s];
    StageSummary& row = out.stages[s];
    row.name = stage.name;
    row.kind = kind_text(network, stage);
    row.is_matrix = stage.kind == StageKind::matrix;
    if (row.is_matrix && stage.layer >= 0) {
      row.w_bits = network.layer(stage.layer).w_bits;
      row.a_bits = network.layer(stage.layer).a_bits;
    }
    row.replicas = static_cast<std::int64_t>(stage.replicas.size());
    row.positions = stats.stages[s].positions_out;
    row.simulated = simulated_cycles(stats.stages[s]);
  }
  std::vector<bool> tile_used(static_cast<std::size_t>(std::max(program.tiles, 0)));
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    const ProgramPart& part = program.parts[p];
    const PartStats& did = stats.parts[p];
    StageSummary& row = out.stages.at(static_cast<std::size_t>(part.stage));
    const std::int64_t pes = pes_of(part);
    ++row.parts;
    row.pes += pes;
    row.firings += did.firings;
    row.writes += did.writes;
    if (row.busiest < 0 || did.work.value > row.time.work) {
      row.busiest = static_cast<int>(p);
      row.time.work = did.work.value;
      for (std::size_t w = 0; w < kWaits; ++w) {
        row.time.waits[w] = did.waits[w].value;
      }
    }
    out.pe_time.work += did.work.value * pes;
    for (std::size_t w = 0; w < kWaits; ++w) {
      out.pe_time.waits[w] += did.waits[w].value * pes;
    }
    if (part.at >= 0 && part.at < program.tiles) {
      tile_used[static_cast<std::size_t>(part.at)] = true;
    }
  }
  out.tiles_used = std::count(tile_used.begin(), tile_used.end(), true);

  for (const EndpointStats& e : stats.endpoints) {
    out.highest_bus = std::max(out.highest_bus, ratio(e.bus_busy.value, stats.end.value));
    out.highest_vector = std::max(out.highest_vector, ratio(e.vector_busy.value, stats.end.value));
  }
  std::vector<std::int64_t> reserved(tile_used.size());
  for (const ProgramPort& port : program.ports) {
    if (port.at >= 0 && port.at < program.tiles) {
      reserved[static_cast<std::size_t>(port.at)] +=
          port.window * program.edges.at(static_cast<std::size_t>(port.edge)).bits.value;
    }
  }
  if (!reserved.empty()) {
    out.largest_buffer = Bits(*std::max_element(reserved.begin(), reserved.end()));
  }
  return out;
}

Gap explain_gap(const StageSummary& stage, Cycles analytical, std::int64_t images) {
  Gap gap;
  gap.total = stage.simulated - static_cast<double>(analytical.value);
  gap.rest = gap.total;
  std::int64_t waited = 0;
  for (std::size_t w = 0; w < kNone; ++w) {
    waited += stage.time.waits[w];
  }
  if (gap.total <= 0 || waited == 0 || images <= 0) {
    return gap;
  }
  const double per_image = static_cast<double>(waited) / static_cast<double>(images);
  const double scale = std::min(1.0, gap.total / per_image) / static_cast<double>(images);
  for (std::size_t w = 0; w < kNone; ++w) {
    gap.waits[w] = static_cast<double>(stage.time.waits[w]) * scale;
  }
  gap.rest = std::max(0.0, gap.total - per_image);
  return gap;
}

}  // namespace tessera::report
