// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/report/output_folder.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/partial_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>

namespace tessera::report {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(std::string code,
                       std::string sentence,
                       const fs::path& got,
                       const std::string& why) {
  Diagnostics diagnostics;
  Diagnostic d;
  d.code = std::move(code);
  d.sentence = std::move(sentence);
  d.path = "--out";
  d.expected = "a folder that can be written to, with room for the results";
  d.got = why.empty() ? got.string() : fmt::format("{}: {}", got.string(), why);
  diagnostics.error(d);
  throw InputError(diagnostics, 2);
}

bool write(const fs::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  return !out.fail();
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove(path, ignored);  // of a folder: only when it is empty
}

}  // namespace

OutputFolder::OutputFolder(const std::string& path) : path_(path) {
  std::error_code ignored;  // what cannot be looked at cannot be made either
  for (fs::path p = fs::absolute(path_, ignored).lexically_normal();
       !p.empty() && p != p.root_path();
       p = p.parent_path()) {
    if (p.has_filename() && !fs::exists(p, ignored)) {
      made_.insert(made_.begin(), p);
    }
  }
  const auto undo = [&] { std::for_each(made_.rbegin(), made_.rend(), remove_quietly); };
  std::error_code error;
  fs::create_directories(path_, error);
  if (error || !fs::is_directory(path_, error)) {
    undo();
    fail("E-OUT-FOLDER", "cannot make the output folder", path_, error ? error.message() : "");
  }
  const fs::path probe = partial_name(path_ / "probe");
  const bool writable = write(probe, "");
  remove_quietly(probe);
  if (!writable) {
    undo();
    fail("E-OUT-FOLDER", "cannot write to the output folder", path_, "");
  }
  remove_abandoned(path_);
}

OutputFolder::~OutputFolder() {
  if (!committed_) {
    std::for_each(made_.rbegin(), made_.rend(), remove_quietly);
  }
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
  const auto remove_all = [&] {
    for (const auto& file : files_) {
      remove_quietly(partial_name(path_ / file.first));
    }
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
  committed_ = true;
}

}  // namespace tessera::report
