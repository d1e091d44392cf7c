// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A progress bar on standard error, for people: nothing when it is not a terminal, nothing for
/// runs shorter than half a second, at most ten lines drawn per second.
///
///   [=========>          ]  45 %  image 3/8  1.2 ms simulated  8.1 Mcycles/s  0:12 left
#pragma once

#include "sim/api/run.hpp"
#include "sim/base/units.hpp"

#include <chrono>
#include <cstdio>
#include <functional>
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

class ProgressBar {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Draws on `file` when `enabled`.
  ProgressBar(std::FILE* file,
              bool enabled,
              const Clock& clock,
              Time start = std::chrono::steady_clock::now());
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ProgressBar(ProgressBar&&) = delete;
  ProgressBar& operator=(ProgressBar&&) = delete;

  void update(const Progress& progress, Time now = std::chrono::steady_clock::now());
  /// Any other line in its place, under the same rules. `line` is given the seconds since the
  /// start.
  void show(const std::function<std::string(double)>& line,
            Time now = std::chrono::steady_clock::now());
  /// Takes the bar away, so that what is printed next starts on a clean line.
  void clear();

 private:
  std::FILE* file_;
  bool enabled_;
  Clock clock_;
  Time start_;
  Time next_;
  bool drawn_ = false;
};

}  // namespace tessera::report
