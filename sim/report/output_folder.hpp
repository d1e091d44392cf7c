// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The files of one run, written all or none.
///
/// Order    the constructor makes the folder and tries to write in it, so that a long run does not
/// end in vain;
///          commit() writes every file under a temporary name, and renames only when all of them
///          are complete. Files of the same name are replaced, what a killed run left half-written
///          is removed, other files in the folder are left alone.
/// Errors   InputError: E-OUT-FOLDER when the folder cannot be made or written to, E-OUT-WRITE when
/// a
///          file cannot be. Nothing half-written remains: neither files nor a folder made for them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::report {

class OutputFolder {
 public:
  explicit OutputFolder(const std::string& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  OutputFolder(OutputFolder&&) = delete;
  OutputFolder& operator=(OutputFolder&&) = delete;

  /// Keeps `content` for commit(). `name` is a plain file name; a second file of that name replaces
  /// the first.
  void add(const std::string& name, std::string content);

  /// Writes what was added since the last commit.
  void commit();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  ///< folders that did not exist before, outermost first
  std::vector<std::pair<std::string, std::string>> files_;
  bool committed_ = false;
};

}  // namespace tessera::report
