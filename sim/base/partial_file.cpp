// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/partial_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>
#include <string_view>
#include <system_error>

namespace tessera {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kEnding = ".tessera.tmp";

/// The process that writes the file of this name, 0 when it is no partial file.
pid_t writer_of(std::string_view name) {
  if (!name.starts_with('.') || !name.ends_with(kEnding)) {
    return 0;
  }
  name.remove_suffix(kEnding.size());
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) {
    return 0;
  }
  pid_t out = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + dot + 1, end, out);
  return error == std::errc() && stop == end && out > 0 ? out : 0;
}

bool is_gone(pid_t process) {
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

}  // namespace

fs::path partial_name(const fs::path& file) {
  return file.parent_path() /
         fmt::format(".{}.{}{}", file.filename().string(), ::getpid(), kEnding);
}

void remove_abandoned(const fs::path& folder) {
  std::error_code ignored;
  fs::directory_iterator entry(folder.empty() ? "." : folder, ignored);
  while (entry != fs::directory_iterator()) {
    const fs::path file = entry->path();
    entry.increment(ignored);  // an error ends it
    const pid_t writer = writer_of(file.filename().string());
    if (writer != 0 && is_gone(writer)) {
      fs::remove(file, ignored);
    }
  }
}

}  // namespace tessera
