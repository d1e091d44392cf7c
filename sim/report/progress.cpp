// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/progress.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace tessera::report {

namespace {

constexpr auto kQuiet = std::chrono::milliseconds(500);
constexpr auto kBetween = std::chrono::milliseconds(100);
constexpr int kBarWidth = 20;
constexpr double kEnoughForAGuess = 0.01;  // of the work
constexpr std::string_view kStartOfLine = "\r\x1b[K";

/// 3725 -> "1:02:05", 65 -> "1:05".
std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::ceil(std::min(seconds, 359'999.0)));
  if (s >= 3600) {
    return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  }
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

bool is_terminal(std::FILE* file) {
  if (::isatty(::fileno(file)) == 0) {
    return false;
  }
  const char* const type = std::getenv("TERM");
  return type == nullptr || std::string_view(type) != "dumb";
}

std::string progress_bar(double fraction) {
  const double share = std::clamp(fraction, 0.0, 1.0);
  const int filled = static_cast<int>(share * kBarWidth);
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < kBarWidth) {
    bar += '>';
  }
  bar.resize(kBarWidth, ' ');
  return fmt::format("[{}] {:3} %", bar, static_cast<int>(share * 100));
}

std::string time_left(double fraction, double elapsed_seconds) {
  if (fraction < kEnoughForAGuess || elapsed_seconds <= 0) {
    return {};
  }
  return fmt::format("  {} left", clock_text(elapsed_seconds * (1 - fraction) / fraction));
}

std::string progress_line(const Progress& progress, const Clock& clock, double elapsed_seconds) {
  const double fraction = std::clamp(progress.fraction, 0.0, 1.0);
  std::string out = fmt::format("{}  image {}/{}  {} simulated",
                                progress_bar(fraction),
                                std::min(progress.images_done + 1, progress.images),
                                progress.images,
                                format_si(clock.seconds(progress.now).value, "s", 3));
  if (elapsed_seconds > 0) {
    const double rate = static_cast<double>(progress.now.value) / elapsed_seconds;
    out += fmt::format("  {}", format_si(rate, "cycles/s", 3));
    out += time_left(fraction, elapsed_seconds);
  }
  return out;
}

StatusLine::StatusLine(std::FILE* file, bool enabled, Time start)
    : file_(file), enabled_(enabled), owner_(::getpid()), start_(start), next_(start + kQuiet) {}

StatusLine::~StatusLine() {
  clear();
}

void StatusLine::show(const std::function<std::string(double)>& line, Time now) {
  if (!enabled_ || now < next_ || ::getpid() != owner_) {
    return;
  }
  next_ = now + kBetween;
  drawn_ = true;
  const std::string text =
      std::string(kStartOfLine) + line(std::chrono::duration<double>(now - start_).count());
  std::fwrite(text.data(), 1, text.size(), file_);
  std::fflush(file_);
}

void StatusLine::show(const std::string& line, Time now) {
  show([&](double /*elapsed*/) { return line; }, now);
}

void StatusLine::clear() {
  if (drawn_ && ::getpid() == owner_) {
    std::fwrite(kStartOfLine.data(), 1, kStartOfLine.size(), file_);
    std::fflush(file_);
    drawn_ = false;
  }
}

std::shared_ptr<StatusLine> status_line(bool quiet) {
  return std::make_shared<StatusLine>(stderr, !quiet && is_terminal(stderr));
}

}  // namespace tessera::report
