// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/output_folder.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/partial_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tessera::report {

namespace fs = std::filesystem;

namespace {

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);  // of a folder: only when it is empty
}

void undo(const std::vector<fs::path>& made) {
  std::for_each(made.rbegin(), made.rend(), remove_quietly);
}

/// Runs that only look whether they can write take new folders away again, also from under others
/// that have just found them there.
constexpr int kTries = 100;

std::error_code create_folders(const fs::path& path) {
  std::error_code error;
  for (int i = 0; i < kTries; ++i) {
    fs::create_directories(path, error);
    if (!error) {
      break;
    }
  }
  return error;
}

bool write(const fs::path& file, std::string_view content) {
  for (int i = 0; i < kTries; ++i) {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    if (out.is_open()) {
      out.write(content.data(), static_cast<std::streamsize>(content.size()));
      out.close();
      return !out.fail();
    }
    if (errno != ENOENT || create_folders(file.parent_path())) {
      break;
    }
  }
  return false;
}

}  // namespace

void OutputFolder::fail(std::string code,
                        std::string sentence,
                        const fs::path& got,
                        const std::string& why) const {
  Diagnostics diagnostics;
  Diagnostic d;
  d.code = std::move(code);
  d.sentence = std::move(sentence);
  d.path = option_;
  d.expected = "a folder that can be written to, with room for the results";
  d.got = why.empty() ? got.string() : fmt::format("{}: {}", got.string(), why);
  diagnostics.error(d);
  throw InputError(diagnostics, 2);
}

OutputFolder::OutputFolder(const std::string& path, std::string option)
    : path_(path), option_(std::move(option)) {
  const std::vector<fs::path> made = make_folder();
  const fs::path probe = partial_name(path_ / "probe");
  const bool writable = write(probe, "");
  remove_quietly(probe);
  remove_abandoned(path_);
  undo(made);
  if (!writable) {
    fail("E-OUT-FOLDER", "cannot write to the output folder", path_, "");
  }
}

OutputFolder::~OutputFolder() {
  undo(made_);
}

void OutputFolder::make() {
  const std::vector<fs::path> made = make_folder();
  made_.insert(made_.end(), made.begin(), made.end());
}

std::vector<fs::path> OutputFolder::make_folder() const {
  std::vector<fs::path> made;
  std::error_code ignored;  // what cannot be looked at cannot be made either
  for (fs::path p = fs::absolute(path_, ignored).lexically_normal();
       !p.empty() && p != p.root_path();
       p = p.parent_path()) {
    if (p.has_filename() && !fs::exists(p, ignored)) {
      made.insert(made.begin(), p);
    }
  }
  std::error_code error = create_folders(path_);
  const fs::file_type now = fs::status(path_, ignored).type();
  if (error || (now != fs::file_type::directory && now != fs::file_type::not_found)) {
    undo(made);
    fail("E-OUT-FOLDER", "cannot make the output folder", path_, error ? error.message() : "");
  }
  return made;
}

void OutputFolder::add(const std::string& name, std::string content) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    throw InternalError("sim/report/output_folder", -1, fmt::format("'{}' is no file name", name));
  }
  const auto same = std::find_if(
      files_.begin(), files_.end(), [&](const auto& file) { return file.first == name; });
  if (same != files_.end()) {
    same->second = std::move(content);
  } else {
    files_.emplace_back(name, std::move(content));
  }
}

void OutputFolder::commit() {
  const std::vector<fs::path> made = make_folder();
  const auto remove_all = [&] {
    for (const auto& file : files_) {
      remove_quietly(partial_name(path_ / file.first));
    }
    undo(made);
  };
  for (const auto& [name, content] : files_) {
    std::error_code error;
    const fs::path target = path_ / name;
    if (fs::is_directory(target, error)) {
      remove_all();
      fail("E-OUT-WRITE", "cannot write the result file", target, "is a folder");
    }
    if (!write(partial_name(target), content)) {
      remove_all();
      fail("E-OUT-WRITE", "cannot write the result file", target, "");
    }
  }
  for (const auto& [name, content] : files_) {
    std::error_code error;
    const fs::path target = path_ / name;
    fs::rename(partial_name(target), target, error);
    if (error) {
      remove_all();
      fail("E-OUT-WRITE", "cannot write the result file", target, error.message());
    }
  }
  files_.clear();
}

}  // namespace tessera::report
