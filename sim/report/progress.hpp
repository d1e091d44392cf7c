// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A line on standard error that tells people how far work is: nothing when it is not a terminal,
/// nothing in the first half second, drawn at most ten times per second.
///
///   [=========>          ]  45 %  image 3/8  1.2 ms simulated  8.1 Mcycles/s  0:12 left
#pragma once

#include "sim/api/run.hpp"
#include "sim/base/units.hpp"

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

namespace tessera::report {

/// Whether `file` is a terminal that can redraw a line.
bool is_terminal(std::FILE* file);

/// "[=========>          ]  45 %" of the work.
std::string progress_bar(double fraction);

/// "  0:12 left", extrapolated from `elapsed_seconds`; empty while too little is done to guess.
std::string time_left(double fraction, double elapsed_seconds);

/// One line without line end. `elapsed` is wall time since the start; the rest is extrapolated from
/// it.
std::string progress_line(const Progress& progress, const Clock& clock, double elapsed_seconds);

class StatusLine {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Draws on `file` when `enabled`.
  StatusLine(std::FILE* file, bool enabled, Time start = std::chrono::steady_clock::now());
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  StatusLine(StatusLine&&) = delete;
  StatusLine& operator=(StatusLine&&) = delete;

  /// `line` is given the seconds since the start.
  void show(const std::function<std::string(double)>& line,
            Time now = std::chrono::steady_clock::now());
  void show(const std::string& line, Time now = std::chrono::steady_clock::now());
  /// Takes the line away, so that what is printed next starts on a clean one.
  void clear();

 private:
  std::FILE* file_;
  bool enabled_;
  int owner_;  ///< the process that may draw: children that inherit it do not
  Time start_;
  Time next_;
  bool drawn_ = false;
};

/// On standard error, when that is a terminal and not `quiet`.
std::shared_ptr<StatusLine> status_line(bool quiet);

}  // namespace tessera::report
