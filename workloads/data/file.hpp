// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The bytes of data files, and where problems with them are reported.
///
/// Limits   sizes are compared with Limits before memory is taken
/// Errors   E-DATA-FILE: cannot be read, too large, or damaged compression
#pragma once

#include "sim/base/diagnostics.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::data {

/// What a file may make of itself, in bytes. Beyond `expanded_freely` it may grow `max_ratio` times
/// at most: a decompression bomb does not fit in.
struct Limits {
  std::uint64_t max_bytes = std::uint64_t{2} << 30;
  std::uint64_t expanded_freely = std::uint64_t{256} << 20;
  std::uint64_t max_ratio = 100;

  /// Whether `expanded` bytes may come out of `compressed` ones.
  [[nodiscard]] bool allow(std::uint64_t expanded, std::uint64_t compressed) const {
    return expanded <= max_bytes &&
           (expanded <= expanded_freely || expanded / max_ratio <= compressed);
  }
};

/// Reports problems of one data file. The place of a diagnostic is the one that names the file; its
/// sentence says the place in the file.
class Reporter {
 public:
  /// `file` as the user finds it; `at` and `key` (as in "data.train.images") of the text that names
  /// it, both empty when nothing does.
  Reporter(std::string file, Position at, std::string key, Diagnostics& diagnostics);

  /// The sentence becomes "'file': what".
  void error(std::string code,
             std::string_view what,
             std::string expected,
             std::string got,
             std::string hint = {});

  /// No error since this object was made.
  [[nodiscard]] bool ok() const { return diagnostics_->errors().size() == before_; }

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  std::string file_;
  Position at_;
  std::string key_;
  Diagnostics* diagnostics_;
  std::size_t before_;
};

/// All bytes of a regular file; what is compressed by gzip (whatever its name) is expanded.
std::optional<std::string> read_file(const std::string& path,
                                     Reporter& reporter,
                                     const Limits& limits = {});

/// The same of bytes in memory: expanded when they are a gzip stream, as they are otherwise.
std::optional<std::string> expand(std::string bytes, Reporter& reporter, const Limits& limits = {});

}  // namespace tessera::data
