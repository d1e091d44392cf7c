// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The files of the repository, as the tests of this folder see them: what git tracks, or, in an
/// unpacked archive, everything but build and output folders.
///
/// Errors   a file that cannot be read is empty; tests require a minimum number of files, so that
/// nothing
///          passes because nothing was found
#pragma once

#include "tests/support/child.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::repo {

/// One broken rule; the vector of a checker is empty when all is well.
struct Finding {
  std::string file;
  int line = 0;  ///< from 1; 0: the whole file
  std::string what;

  bool operator==(const Finding&) const = default;
};

inline std::string text_of(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& f : findings) {
    out += "  " + f.file + (f.line > 0 ? ":" + std::to_string(f.line) : "") + ": " + f.what + "\n";
  }
  return out;
}

inline void expect_none(const std::vector<Finding>& findings) {
  EXPECT_TRUE(findings.empty()) << findings.size() << " findings\n" << text_of(findings);
}

inline std::filesystem::path root() {
  return TESSERA_SOURCE_DIR;
}

inline std::string read(const std::string& file) {
  std::ifstream in(root() / file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline bool exists(const std::string& file) {
  std::error_code ignored;
  return std::filesystem::exists(root() / file, ignored);
}

inline bool is_executable(const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(root() / file, error);
  return !error && fs::is_regular_file(status) &&
         (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
}

inline bool starts_with(std::string_view text, std::string_view what) {
  return text.substr(0, what.size()) == what;
}

inline bool ends_with(std::string_view text, std::string_view what) {
  return text.size() >= what.size() && text.substr(text.size() - what.size()) == what;
}

inline std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  for (std::size_t end = text.find(at); end != std::string_view::npos; end = text.find(at, begin)) {
    out.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (begin < text.size()) {
    out.emplace_back(text.substr(begin));
  }
  return out;
}

inline std::vector<std::string> lines_of(std::string_view text) {
  return split(text, '\n');
}

/// Line that holds offset `at`, from 1.
inline int line_at(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

/// "arch/crossbar" of "arch/crossbar/kernel.hpp"; "" of a file at the top.
inline std::string folder_of(const std::string& file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string::npos ? "" : file.substr(0, slash);
}

/// Paths from the root, sorted.
inline std::vector<std::string> files() {
  namespace fs = std::filesystem;
  std::vector<std::string> out;
  if (exists(".git")) {
    const test::Outcome git = test::run_program({"git", "-C", root().string(), "ls-files", "-z"});
    if (git.status == 0) {
      for (std::string& file : split(git.out, '\0')) {
        if (exists(file)) {  // else deleted and not yet committed
          out.push_back(std::move(file));
        }
      }
    }
  }
  if (out.empty()) {
    for (fs::recursive_directory_iterator at(root()), end; at != end; ++at) {
      const std::string name = at->path().filename().string();
      const bool skipped = name == ".git" || name == "out" || name == "build" ||
                           starts_with(name, "build-") || name == "compile_commands.json";
      if (skipped) {
        if (at->is_directory()) {
          at.disable_recursion_pending();
        }
      } else if (at->is_regular_file()) {
        out.push_back(at->path().lexically_relative(root()).generic_string());
      }
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

inline bool is_cpp(std::string_view file) {
  return ends_with(file, ".cpp") || ends_with(file, ".hpp");
}

inline std::vector<std::string> cpp_files() {
  std::vector<std::string> out = files();
  out.erase(std::remove_if(out.begin(), out.end(), [](const auto& f) { return !is_cpp(f); }),
            out.end());
  return out;
}

}  // namespace tessera::repo
