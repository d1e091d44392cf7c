// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A table for people: columns as wide as their widest cell, two spaces between.
#pragma once

#include <string>
#include <vector>

namespace tessera::report {

enum class Align { left, right };

class Table {
 public:
  Table(std::vector<std::string> header, std::vector<Align> align);

  /// As many cells as the header has.
  void row(std::vector<std::string> cells);

  /// One line per row; no spaces at line ends.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<Align> align_;
};

}  // namespace tessera::report
