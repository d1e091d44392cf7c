// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Runs the built program from the top of the source tree, as a user would.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::e2e {

namespace fs = std::filesystem;

inline std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// A folder of the test's own, removed with it.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "tessera_e2e_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      ADD_FAILURE() << "cannot make a temporary folder";
    }
    path_ = name;
  }

  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  TempFolder(TempFolder&&) = delete;
  TempFolder& operator=(TempFolder&&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }

  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

/// `input` is the name of the file that standard input comes from.
inline Outcome run_program(const std::vector<std::string>& arguments,
                           const std::string& program = TESSERA_PROGRAM,
                           const std::string& input = "/dev/null") {
  const TempFolder folder;
  std::string command = "cd '" TESSERA_SOURCE_DIR "' && '" + program + "'";
  for (const std::string& argument : arguments) {
    std::string quoted;
    for (const char c : argument) {
      quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    command += " '" + quoted + "'";
  }
  command += " >'" + folder / "out" + "' 2>'" + folder / "err" + "' <'" + input + "'";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          read_text(folder / "out"),
          read_text(folder / "err")};
}

/// Files of a folder of the source tree with this ending, sorted.
inline std::vector<fs::path> files_in(const std::string& folder, const std::string& ending) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(TESSERA_SOURCE_DIR) / folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ending) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace tessera::e2e
