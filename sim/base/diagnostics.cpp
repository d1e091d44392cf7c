// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <utility>

namespace tessera {

namespace {

constexpr std::size_t kGutter = 5;
constexpr std::size_t kMaxCollected = 10'000;
constexpr std::size_t kMaxShownLine = 160;
constexpr std::size_t kMaxShownText = 400;

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// User text on one line: control characters would otherwise reach the terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxShownText)) {
    if (c == '\n') {
      out += "\\n";
    } else if (is_control(c)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  if (text.size() > kMaxShownText) {
    out += "...";
  }
  return out;
}

std::string place(const Position& at) {
  if (at.source == nullptr) {
    return {};
  }
  std::string out = printable(at.source->name);
  if (at.line > 0) {
    out += fmt::format(":{}", at.line);
    if (at.column > 0) {
      out += fmt::format(":{}", at.column);
    }
  }
  return out;
}

/// Columns count bytes, as the parser does; the caret skips continuation bytes and keeps tabs, so
/// that it stands under the right character. Long lines are shown as a window around the caret.
void append_source_line(std::string& out, const Position& at) {
  if (at.source == nullptr || at.line < 1 ||
      static_cast<std::size_t>(at.line) > at.source->lines.size()) {
    return;
  }
  const std::string& line = at.source->lines[static_cast<std::size_t>(at.line) - 1];
  const std::size_t caret =
      std::min(line.size(), at.column > 0 ? static_cast<std::size_t>(at.column) - 1 : 0);
  std::size_t first = 0;
  std::size_t last = line.size();
  if (line.size() > kMaxShownLine) {
    first = caret > kMaxShownLine / 2 ? caret - kMaxShownLine / 2 : 0;
    last = std::min(line.size(), first + kMaxShownLine);
    while (first < caret && is_continuation(line[first])) {
      ++first;
    }
    while (last < line.size() && last > caret && is_continuation(line[last])) {
      --last;
    }
  }
  std::string shown = first > 0 ? "..." : "";
  std::string below = first > 0 ? "   " : "";
  for (std::size_t i = first; i < last; ++i) {
    const char c = line[i];
    shown += is_control(c) && c != '\t' ? '?' : c;
    if (i < caret && !is_continuation(c)) {
      below += c == '\t' ? '\t' : ' ';
    }
  }
  shown += last < line.size() ? "..." : "";
  out += fmt::format("{:>{}} | {}\n", at.line, kGutter, shown);
  if (at.column > 0) {
    out += fmt::format("{:>{}} | {}^\n", "", kGutter, below);
  }
}

void append_fact(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    out += fmt::format("{:>{}} = {:<10}{}\n", "", kGutter, name, printable(text));
  }
}

void append_diagnostic(std::string& out, const Diagnostic& d) {
  const std::string where = place(d.at);
  out += where.empty() ? "" : where + ": ";
  out += fmt::format("error[{}]: {}\n", d.code, printable(d.sentence));
  append_source_line(out, d.at);
  for (const Position& other : d.related) {
    const std::string other_place = place(other);
    if (!other_place.empty()) {
      out += fmt::format("{:>{}} : also {}\n", "", kGutter, other_place);
      append_source_line(out, other);
    }
  }
  append_fact(out, "path:", d.path);
  append_fact(out, "expected:", d.expected);
  append_fact(out, "got:", d.got);
  for (const std::string& item : d.items) {
    append_fact(out, "item:", item);
  }
  append_fact(out, "hint:", d.hint);
}

std::size_t cut_off(std::size_t length) {
  if (length < 3) {
    return 0;
  }
  if (length < 6) {
    return 1;
  }
  return length < 10 ? 2 : 3;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_back(b.size() + 1);
  std::vector<std::size_t> back(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    back[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, back[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
    }
    std::swap(two_back, back);
    std::swap(back, row);
  }
  return back[b.size()];
}

std::string internal_text(std::string_view where, std::int64_t cycle, std::string_view what) {
  const std::string when = cycle >= 0 ? fmt::format(", cycle {}", cycle) : "";
  return fmt::format(
      "internal error in {}{}: {} (this is a bug of Tessera; please report it)", where, when, what);
}

}  // namespace

void Diagnostics::error(Diagnostic d) {
  if (errors_.size() < kMaxCollected) {
    errors_.push_back(std::move(d));
  } else {
    ++num_uncollected_;
  }
}

void Diagnostics::add(const Diagnostics& other, const std::function<void(Diagnostic&)>& edit) {
  for (Diagnostic d : other.errors_) {
    if (edit) {
      edit(d);
    }
    error(std::move(d));
  }
  num_uncollected_ += other.num_uncollected_;
}

std::string Diagnostics::render(std::size_t limit) const {
  std::string out;
  const std::size_t shown = std::min(limit, errors_.size());
  for (std::size_t i = 0; i < shown; ++i) {
    append_diagnostic(out, errors_[i]);
  }
  const std::size_t rest = errors_.size() - shown + num_uncollected_;
  if (rest > 0) {
    out += fmt::format("... and {} more error{}\n", rest, rest == 1 ? "" : "s");
  }
  return out;
}

void Diagnostics::throw_if_any(int exit_status) const {
  if (!ok()) {
    throw InputError(*this, exit_status);
  }
}

InputError::InputError(Diagnostics diagnostics, int exit_status)
    : std::runtime_error(diagnostics.render()),
      diagnostics_(std::move(diagnostics)),
      exit_status_(exit_status) {}

InternalError::InternalError(std::string_view where, std::int64_t cycle, std::string_view what)
    : std::logic_error(internal_text(where, cycle, what)) {}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongestWord = 100;
  if (word.empty() || word.size() > kLongestWord) {
    return {};
  }
  const std::string lower_word = lower(word);
  const std::size_t limit = cut_off(word.size());
  std::size_t best = limit + 1;
  std::string answer;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > word.size() + limit || candidate.size() + limit < word.size()) {
      continue;
    }
    const std::string lower_candidate = lower(candidate);
    const std::size_t distance =
        lower_candidate == lower_word ? 0 : edit_distance(lower_word, lower_candidate);
    if (distance < best) {
      best = distance;
      answer = candidate;
    }
  }
  return answer;
}

}  // namespace tessera
