// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A program that runs beside the test, to be killed.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

namespace tessera::e2e {

/// The program, to be killed. What it starts itself is not waited for.
class Running {
 public:
  Running(const std::string& program, const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      for (const int ending : {SIGHUP, SIGINT, SIGTERM}) {
        signal(ending, SIG_DFL);  // a test in the background may have them ignored
      }
      const int nowhere = open("/dev/null", O_RDWR);
      for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        dup2(nowhere, file);
      }
      execv(argv[0], argv.data());
      _exit(127);
    }
  }

  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Running(Running&&) = delete;
  Running& operator=(Running&&) = delete;

  ~Running() {
    if (!is_done()) {
      kill9();
    }
  }

  bool is_done() {
    if (!done_ && waitpid(pid_, &status_, WNOHANG) == pid_) {
      done_ = true;
    }
    return done_;
  }

  /// Whether it was still there to be killed.
  bool kill9() { return end_by(SIGKILL); }

  /// Sends the signal and waits. Whether the program was still there and ended by that signal.
  bool end_by(int signal) {
    if (is_done()) {
      return false;
    }
    kill(pid_, signal);
    waitpid(pid_, &status_, 0);
    done_ = true;
    return WIFSIGNALED(status_) && WTERMSIG(status_) == signal;
  }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  bool done_ = false;
};

}  // namespace tessera::e2e
