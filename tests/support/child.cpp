// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tests/support/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <stdexcept>

namespace tessera::test {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> fds{};
    if (pipe(fds.data()) != 0) {
      throw std::runtime_error("pipe");
    }
    read_end = fds[0];
    write_end = fds[1];
  }

  int read_end;
  int write_end;
};

/// Reads both ends until both are closed.
void drain(const std::vector<std::pair<int, std::string*>>& sources) {
  std::vector<pollfd> polls;
  polls.reserve(sources.size());
  for (const auto& [fd, text] : sources) {
    polls.push_back({fd, POLLIN, 0});
  }
  std::size_t open = polls.size();
  std::array<char, 1 << 14> buffer{};
  while (open > 0) {
    if (poll(polls.data(), polls.size(), -1) < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw std::runtime_error("poll");
    }
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].fd < 0 || polls[i].revents == 0) {
        continue;
      }
      const ssize_t got = read(polls[i].fd, buffer.data(), buffer.size());
      if (got > 0) {
        sources[i].second->append(buffer.data(), static_cast<std::size_t>(got));
      } else {
        close(polls[i].fd);
        polls[i].fd = -1;
        --open;
      }
    }
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::string in_child(const std::function<std::string()>& f) {
  const Pipe pipe;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    close(pipe.read_end);
    std::string text;
    try {
      text = f();
    } catch (const std::exception& e) {
      text = std::string("exception: ") + e.what();
    }
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t n = write(pipe.write_end, text.data() + done, text.size() - done);
      if (n <= 0) {
        break;
      }
      done += static_cast<std::size_t>(n);
    }
    _exit(0);
  }
  close(pipe.write_end);
  std::string text;
  drain({{pipe.read_end, &text}});
  const int status = wait_for(child);
  return status == 0 ? text : "signal " + std::to_string(status - 128);
}

Outcome run_program(const std::vector<std::string>& command) {
  const Pipe out;
  const Pipe err;
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out.write_end, 1);
    dup2(err.write_end, 2);
    close(out.read_end);
    close(err.read_end);
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& word : command) {
      arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    execvp(arguments.front(), arguments.data());
    _exit(127);
  }
  close(out.write_end);
  close(err.write_end);
  Outcome outcome;
  drain({{out.read_end, &outcome.out}, {err.read_end, &outcome.err}});
  outcome.status = wait_for(child);
  return outcome;
}

}  // namespace tessera::test
