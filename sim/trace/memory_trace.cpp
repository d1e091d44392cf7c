// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/trace/memory_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace tessera::trace {

TrackId MemoryTrace::track(TrackKind kind, const std::string& path) {
  rows_.push_back({kind, path, {}});
  return static_cast<TrackId>(rows_.size()) - 1;
}

void MemoryTrace::work(TrackId track,
                       Cycles start,
                       Cycles end,
                       std::string_view what,
                       std::int64_t index,
                       std::string_view doing) {
  rows_.at(static_cast<std::size_t>(track))
      .spans.push_back(
          {start, end, true, Wait::none, std::string(what), index, std::string(doing)});
}

void MemoryTrace::wait(TrackId track, Cycles start, Cycles end, Wait reason) {
  rows_.at(static_cast<std::size_t>(track))
      .spans.push_back({start, end, false, reason, {}, -1, {}});
}

void MemoryTrace::flow(TrackId from, Cycles sent, TrackId to, Cycles used) {
  flows_.push_back({from, sent, to, used});
}

void MemoryTrace::finish(Cycles end) {
  end_ = end;
  finished_ = true;
}

std::vector<std::string> MemoryTrace::check_tiling() const {
  std::vector<std::string> wrong;
  if (!finished_) {
    wrong.emplace_back("the trace was not finished");
  }
  for (const Row& row : rows_) {
    Cycles at{0};
    for (const Span& span : row.spans) {
      if (span.start != at) {
        wrong.push_back(fmt::format("{}: {} from {} to {}",
                                    row.path,
                                    span.start > at ? "hole" : "overlap",
                                    std::min(at, span.start).value,
                                    std::max(at, span.start).value));
      }
      if (span.end < span.start || (span.end == span.start && !span.is_work)) {
        wrong.push_back(
            fmt::format("{}: span from {} to {}", row.path, span.start.value, span.end.value));
      }
      at = span.end;
    }
    if (at != end_) {
      wrong.push_back(fmt::format("{}: ends at {}, the run at {}", row.path, at.value, end_.value));
    }
  }
  const auto in_work = [&](TrackId track, Cycles at) {
    if (track < 0 || static_cast<std::size_t>(track) >= rows_.size()) {
      return false;
    }
    // Spans are in order of time, so the last that starts by `at` is the only candidate.
    const std::vector<Span>& spans = rows_[static_cast<std::size_t>(track)].spans;
    auto next = std::upper_bound(
        spans.begin(), spans.end(), at, [](Cycles t, const Span& span) { return t < span.start; });
    while (next != spans.begin()) {
      --next;
      if (next->is_work && (at < next->end || (at == next->start && at == next->end))) {
        return true;
      }
      if (next->start < at) {
        return false;
      }
    }
    return false;
  };
  for (const Flow& flow : flows_) {
    if (!in_work(flow.from, flow.sent) || !in_work(flow.to, flow.used)) {
      wrong.push_back(fmt::format("arrow from row {} at {} to row {} at {} hangs in the air",
                                  flow.from,
                                  flow.sent.value,
                                  flow.to,
                                  flow.used.value));
    }
    if (flow.used < flow.sent) {
      wrong.push_back(
          fmt::format("arrow back in time from {} to {}", flow.sent.value, flow.used.value));
    }
  }
  return wrong;
}

}  // namespace tessera::trace
