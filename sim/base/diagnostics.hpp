// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What is wrong with the user's input: collected, placed, explained; never only the first.
///
///   chip.yaml:5:5: error[E-CFG-UNKNOWN-KEY]: unknown key 'adc_bit'
///       5 |     adc_bit: 8
///         |     ^
///         = path:     chip.tile.pe.adc_bit
///         = expected: one of: kind, adc_bits, ...
///         = got:      'adc_bit'
///         = hint:     did you mean 'adc_bits'?
///
/// Errors   InputError carries the list to main (exit 2, or 4 for an infeasible mapping).
///          InternalError is for broken invariants of Tessera itself (exit 70), never for user
///          input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// One text that was read: a file, or the command line. Shared by all positions in it.
struct SourceText {
  std::string name;                ///< path as the user wrote it, or "--set"
  std::vector<std::string> lines;  ///< without line ends
};

/// A place in a source; line and column count from 1, 0 means unknown.
struct Position {
  std::shared_ptr<const SourceText> source;
  int line = 0;
  int column = 0;
};

struct Diagnostic {
  std::string code;      ///< stable, e.g. "E-CFG-UNKNOWN-KEY"
  std::string sentence;  ///< lower case, no full stop
  Position at;
  std::string path;  ///< key path, e.g. "chip.tile.pe.rows"
  std::string expected;
  std::string got;
  std::string hint;               ///< empty when there is no useful action
  std::vector<Position> related;  ///< second place of a conflict, or the overridden value
  std::vector<std::string>
      items{};  ///< what the error is about, one line each, when it is several things
};

/// Collects diagnostics of one phase; beyond 10000 they are only counted, so that hostile input
/// cannot fill the memory with them.
class Diagnostics {
 public:
  void error(Diagnostic d);
  /// All errors of `other`, also those that it only counted; `edit` may be empty.
  void add(const Diagnostics& other, const std::function<void(Diagnostic&)>& edit = {});

  [[nodiscard]] bool ok() const { return errors_.empty(); }

  [[nodiscard]] const std::vector<Diagnostic>& errors() const { return errors_; }

  /// All errors (at most `limit`, then how many were left out), as in the file comment.
  [[nodiscard]] std::string render(std::size_t limit = 20) const;

  /// Throws InputError when there is at least one error.
  void throw_if_any(int exit_status = 2) const;

 private:
  std::vector<Diagnostic> errors_;
  std::size_t num_uncollected_ = 0;
};

class InputError : public std::runtime_error {
 public:
  InputError(Diagnostics diagnostics, int exit_status);

  [[nodiscard]] const Diagnostics& diagnostics() const { return diagnostics_; }

  [[nodiscard]] int exit_status() const { return exit_status_; }

 private:
  Diagnostics diagnostics_;
  int exit_status_;
};

/// A broken invariant inside Tessera. `where` names the module, `cycle` the simulated time or -1.
class InternalError : public std::logic_error {
 public:
  InternalError(std::string_view where, std::int64_t cycle, std::string_view what);
};

/// The candidate closest to `word` by edit distance, or empty when none is near enough (the cut-off
/// grows with the length of the word). Earlier candidates win ties.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tessera
