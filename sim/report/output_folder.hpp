// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The files of one run, written all or none.
///
/// Order    the constructor finds out whether the folder can be made and written to, so that a long
///          run does not end in vain, and leaves no new folder: an interrupted run leaves none
///          behind; commit() makes it, writes every file under a temporary name, and renames only
///          when all of them are complete. Files of the same name are replaced, what a killed run
///          left half-written is removed, other files in the folder are left alone.
/// Errors   InputError: E-OUT-FOLDER when the folder cannot be made or written to, E-OUT-WRITE when
///          a file cannot be. Nothing half-written remains: neither files nor a folder made for
///          them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::report {

class OutputFolder {
 public:
  /// `option` is where the user named the folder, for messages.
  explicit OutputFolder(const std::string& path, std::string option = "--out");
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  OutputFolder(OutputFolder&&) = delete;
  OutputFolder& operator=(OutputFolder&&) = delete;

  /// Makes the folder now, for somebody who writes a file of his own there; without a commit it
  /// goes again, when it is empty.
  void make();

  /// Keeps `content` for commit(). `name` is a plain file name; a second file of that name replaces
  /// the first.
  void add(const std::string& name, std::string content);

  /// Writes what was added since the last commit.
  void commit();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  [[noreturn]] void fail(std::string code,
                         std::string sentence,
                         const std::filesystem::path& got,
                         const std::string& why) const;
  /// The folders that did not exist before, outermost first.
  std::vector<std::filesystem::path> make_folder() const;

  std::filesystem::path path_;
  std::string option_;
  std::vector<std::filesystem::path> made_;  ///< by make()
  std::vector<std::pair<std::string, std::string>> files_;
};

}  // namespace tessera::report
