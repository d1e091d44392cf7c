// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/children.hpp"

#include "sim/base/diagnostics.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

struct Child {
  pid_t pid = -1;
  int pipe = -1;
  std::size_t work = 0;
  std::string text;
  Clock::time_point end;
};

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return;
    }
    text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
  }
}

[[noreturn]] void be_child(int pipe, const std::function<std::string()>& work) {
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  int status = 0;
  try {
    write_all(pipe, work());
  } catch (const std::exception& error) {
    write_all(pipe, error.what());
    status = 1;
  }
  _exit(status);  // nothing of the parent's is torn down here
}

Child start(std::size_t index, const std::function<std::string()>& work, double seconds) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw InternalError("children", -1, "cannot make a pipe");
  }
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) {
    close(ends[0]);
    close(ends[1]);
    throw InternalError("children", -1, "cannot start another process");
  }
  if (pid == 0) {
    close(ends[0]);
    be_child(ends[1], work);
  }
  close(ends[1]);
  const auto limit = std::chrono::duration<double>(seconds);
  return {
      pid, ends[0], index, "", Clock::now() + std::chrono::duration_cast<Clock::duration>(limit)};
}

/// Waits for the end of a child whose pipe is done, or which has had its time.
ChildAnswer finish(Child& child, bool late, double seconds) {
  close(child.pipe);
  if (late) {
    kill(child.pid, SIGKILL);
  }
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) {
    return {false, fmt::format("not done after {} s", seconds)};
  }
  if (WIFSIGNALED(status)) {
    return {false, fmt::format("ended by signal {}", WTERMSIG(status))};
  }
  return {WEXITSTATUS(status) == 0, std::move(child.text)};
}

}  // namespace

std::vector<ChildAnswer> run_in_children(const std::vector<std::function<std::string()>>& work,
                                         const ChildOptions& options) {
  std::vector<ChildAnswer> answers(work.size());
  std::vector<Child> running;
  std::size_t next = 0;
  std::size_t done = 0;
  const auto at_once = static_cast<std::size_t>(std::max(1, options.jobs));
  while (next < work.size() || !running.empty()) {
    while (next < work.size() && running.size() < at_once) {
      running.push_back(start(next, work[next], options.seconds));
      ++next;
    }
    std::vector<pollfd> files;
    Clock::time_point first = running.front().end;
    for (const Child& child : running) {
      files.push_back({child.pipe, POLLIN, 0});
      first = std::min(first, child.end);
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now()).count();
    poll(files.data(), files.size(), static_cast<int>(std::clamp<std::int64_t>(wait, 0, 1 << 30)));
    for (std::size_t i = running.size(); i-- > 0;) {
      Child& child = running[i];
      const bool late = Clock::now() >= child.end;
      if ((files[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0 && !late) {
        continue;
      }
      std::array<char, 1 << 16> buffer{};
      const ssize_t got = late ? 0 : read(child.pipe, buffer.data(), buffer.size());
      if (got > 0) {
        child.text.append(buffer.data(), static_cast<std::size_t>(got));
        continue;
      }
      if (got < 0 && errno == EINTR) {
        continue;
      }
      answers[child.work] = finish(child, late, options.seconds);
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      ++done;
      if (options.progress) {
        options.progress(done);
      }
    }
  }
  return answers;
}

}  // namespace tessera
