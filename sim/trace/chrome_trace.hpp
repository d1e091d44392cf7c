// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Writes the Chrome trace event format, which ui.perfetto.dev and chrome://tracing open;
/// compressed when the name ends in ".gz".
///
/// Layout   one process per kind of row (layers, PE groups, ...), one thread per row, in the order
/// in which rows
///          were declared. Work and merged spans are "X" events, waits are grey "X" events named
///          "wait: <reason>", arrows are "s"/"f" pairs. Work that says what it is doing is named by
///          that, and by `of` in its arguments.
/// Time     microseconds with six decimals: exact to a picosecond
/// Size     at most `max_events` spans are kept (48 bytes each); the file is formatted from them at
/// finish(). When there
///          would be more, the time grain doubles until half of them are left: neighbours on a row
///          that are shorter than the grain become one span "<what> xN", whose arguments tell how
///          much of it was work. So the whole run is shown at one resolution, and work and waits
///          still tile every row. Arrows are thinned to every 2nd, 4th, ... in the same way.
///          `otherData` says what was done.
/// Filter   with `layers`, rows that never worked for one of them are left out, and on the others
/// the work for
///          other layers is called "(other layers)"
/// Window   nothing is kept of the cycles before `from` nor from `to` on; what reaches into the
///          window is cut
/// Errors   InputError E-OUT-WRITE when the file cannot be created or written. It is written under
///          a temporary name beside its own and renamed by finish(); without finish() nothing is
///          left behind.
/// Source   "Trace Event Format", Google,
/// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include "sim/api/trace.hpp"
#include "sim/base/units.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::trace {

struct ChromeTraceOptions {
  std::int64_t max_events = 500'000;  ///< spans; arrows come on top, at most a quarter as many
  std::vector<std::string> layers;    ///< names of work to keep; empty keeps all
  Cycles from{0};
  Cycles to{INT64_MAX};
};

class ChromeTrace : public TraceSink {
 public:
  ChromeTrace(const std::string& path, const Clock& clock, ChromeTraceOptions options = {});
  ~ChromeTrace() override;
  ChromeTrace(const ChromeTrace&) = delete;
  ChromeTrace& operator=(const ChromeTrace&) = delete;
  ChromeTrace(ChromeTrace&&) = delete;
  ChromeTrace& operator=(ChromeTrace&&) = delete;

  using TraceSink::work;

  TrackId track(TrackKind kind, const std::string& path) override;
  void work(TrackId track,
            Cycles start,
            Cycles end,
            std::string_view what,
            std::int64_t index,
            std::string_view doing) override;
  void wait(TrackId track, Cycles start, Cycles end, Wait reason) override;
  void flow(TrackId from, Cycles sent, TrackId to, Cycles used) override;
  void finish(Cycles end) override;

  /// Cycles below which neighbours were merged; 0 when nothing was.
  [[nodiscard]] Cycles grain() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::trace
