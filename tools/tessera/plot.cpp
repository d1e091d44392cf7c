// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/plot.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>

namespace tessera::tools {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A file without a name, gone when it is closed.
std::unique_ptr<std::FILE, Closer> nameless() {
  return std::unique_ptr<std::FILE, Closer>(std::tmpfile());
}

}  // namespace

std::optional<std::string> plot_svg(const std::string& script, int width, int height) {
  const auto in = nameless();
  const auto out = nameless();
  if (in == nullptr || out == nullptr) {
    return std::nullopt;
  }
  const std::string whole = fmt::format(
      "set terminal svg size {},{} dynamic noenhanced font 'sans-serif,12' background "
      "'white'\n{}",
      width,
      height,
      script);
  std::fwrite(whole.data(), 1, whole.size(), in.get());
  std::rewind(in.get());  // flushes, and puts the shared offset back

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::array<char, 8> name{"gnuplot"};
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = -1;
  const int failed =
      posix_spawnp(&child, name.data(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return std::nullopt;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::string svg;
  std::rewind(out.get());
  std::array<char, 1 << 14> buffer{};
  for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), out.get())) > 0;) {
    svg.append(buffer.data(), got);
  }
  const bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !svg.empty();
  return ok ? std::optional(svg) : std::nullopt;
}

std::string plot_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

}  // namespace tessera::tools
