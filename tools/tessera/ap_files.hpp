// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Programs of a network as files: what `--emit` and `--emit-ap` write, and what is read back.
///
/// Names    a path that ends in .apasm is one file with all programs, one after the other; any
///          other is a folder with a file NAME.apasm per program
/// Left     like the files of a run: a file of the same name is replaced, all others stay. Programs
///          of earlier runs are named in a note, and a replay leaves them out
/// Errors   InputError: E-OUT-FOLDER, E-OUT-WRITE. Reading: E-CFG-FILE as a diagnostic
#pragma once

#include "arch/rtm_ap/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/report/output_folder.hpp"
#include "workloads/network.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

/// One program of a layer.
struct ProgramText {
  LayerId layer = 0;
  std::string name;  ///< as in its head
  std::string text;
};

/// The lines of a head that a network says: names and widths.
[[nodiscard]] std::string names_text(const Network& network, LayerId id, const std::string& name);

/// The name of a layer as a part of a file name.
[[nodiscard]] std::string file_stem(const Network& network, LayerId layer);

[[nodiscard]] bool is_one_file(const std::string& path);

class ProgramFiles {
 public:
  /// Makes the folder and finds out whether it can be written to.
  ProgramFiles(const std::string& path, const std::string& option);

  [[nodiscard]] report::OutputFolder& folder() { return folder_; }

  /// Writes all of them or none; answers the names of files that are left of something else.
  std::vector<std::string> write(const std::vector<ProgramText>& programs);

 private:
  std::string path_;
  report::OutputFolder folder_;
};

/// Names of the .apasm files in a folder that are none of `programs`, sorted.
[[nodiscard]] std::vector<std::string> other_programs(const std::string& folder,
                                                      const std::vector<ProgramText>& programs);

/// "note: 3 programs in FOLDER ...: a, b, c", on standard error; nothing without names.
void note_others(const std::string& path,
                 const std::vector<std::string>& names,
                 const std::string& what);

/// The text of a file of programs, or nothing after an error.
std::optional<std::string> read_program_file(const std::string& path, Diagnostics& diagnostics);

}  // namespace tessera::tools
