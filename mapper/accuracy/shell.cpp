// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/shell.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

namespace tessera::mapper {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLogBytes = 4096;
constexpr std::size_t kPipeBytes = 65536;  ///< that a pipe holds on Linux

class Fd {
 public:
  Fd() = default;

  explicit Fd(int fd) : fd_(fd) {}

  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  ~Fd() { close(); }

  void reset(int fd) {
    close();
    fd_ = fd;
  }

  void close() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
    fd_ = -1;
  }

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] bool open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Closed on exec; the child's end is duplicated onto its standard streams.
struct Pipe {
  Fd read_end;
  Fd write_end;

  bool make() {
    std::array<int, 2> fds{};
    if (pipe2(fds.data(), O_CLOEXEC) != 0) {
      return false;
    }
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
    return true;
  }
};

void set_nonblocking(const Fd& fd) {
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

/// While it lives, writing into a closed pipe of this thread is EPIPE and no signal.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }

  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

  ~NoSigpipe() {
    if (!was_pending_) {
      const timespec now{};
      while (sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  /// The signals that were blocked before: what a child should inherit.
  [[nodiscard]] const sigset_t& before() const { return before_; }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

/// The command's process; killed with its group and reaped at the end of its life.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() { finish(); }

  /// 0 or errno.
  int start(const std::string& command,
            const Pipe& in,
            const Pipe& out,
            const Pipe& err,
            const sigset_t& mask) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, in.read_end.get(), 0);
    posix_spawn_file_actions_adddup2(&files, out.write_end.get(), 1);
    posix_spawn_file_actions_adddup2(&files, err.write_end.get(), 2);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string shell = "sh";
    std::string option = "-c";
    std::string text = command;
    const std::array<char*, 4> arguments{shell.data(), option.data(), text.data(), nullptr};
    const int error = posix_spawn(&pid_, "/bin/sh", &files, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
      pid_ = -1;
    }
    return error;
  }

  /// Leaves it to be reaped, so that its number, the group's, stays taken.
  [[nodiscard]] bool has_ended() const {
    siginfo_t info{};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }

  /// The status of waitpid.
  int finish() {
    int status = 0;
    if (pid_ > 0) {
      kill(-pid_, SIGKILL);
      while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
      pid_ = -1;
    }
    return status;
  }

 private:
  pid_t pid_ = -1;
};

/// Appends what is there; closes at the end of the stream.
void receive(Fd& fd, std::string& text, std::size_t limit) {
  std::array<char, 1 << 14> buffer{};
  while (fd.open() && text.size() <= limit) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      fd.close();
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

/// The same for standard error, of which only the end is kept. What a pipe holds is read at once;
/// who writes without end is not waited for.
void receive_log(Fd& fd, std::string& text) {
  receive(fd, text, kPipeBytes + kLogBytes);
  if (text.size() > kLogBytes) {
    text.erase(0, text.size() - kLogBytes);
  }
}

/// Writes what fits; closes when all is written or nobody reads.
void send(Fd& fd, const std::string& text, std::size_t& done) {
  while (fd.open() && done < text.size()) {
    const ssize_t put = write(fd.get(), text.data() + done, text.size() - done);
    if (put >= 0) {
      done += static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      break;
    }
  }
  fd.close();
}

}  // namespace

ShellOutcome run_shell(const std::string& command,
                       const std::string& input,
                       const ShellLimits& limits) {
  using End = ShellOutcome::End;
  ShellOutcome outcome;
  Pipe in;
  Pipe out;
  Pipe err;
  if (!in.make() || !out.make() || !err.make()) {
    outcome.status = errno;
    return outcome;
  }
  const NoSigpipe no_sigpipe;
  Child child;
  outcome.status = child.start(command, in, out, err, no_sigpipe.before());
  if (outcome.status != 0) {
    return outcome;
  }
  in.read_end.close();
  out.write_end.close();
  err.write_end.close();
  set_nonblocking(in.write_end);
  set_nonblocking(out.read_end);
  set_nonblocking(err.read_end);

  const auto start = Clock::now();
  std::size_t sent = 0;
  while (true) {
    // Asked before reading: what an ended command wrote is in the pipes by now.
    const bool ended = child.has_ended();
    send(in.write_end, input, sent);
    receive(out.read_end, outcome.output, limits.output_bytes);
    receive_log(err.read_end, outcome.log);
    if (outcome.output.size() > limits.output_bytes) {
      outcome.end = End::too_much_output;
      break;
    }
    if (ended) {
      outcome.end = End::exited;
      break;
    }
    const double left =
        limits.seconds - std::chrono::duration<double>(Clock::now() - start).count();
    if (left <= 0) {
      outcome.end = End::timed_out;
      break;
    }
    std::array<pollfd, 3> waits{{{in.write_end.get(), POLLOUT, 0},
                                 {out.read_end.get(), POLLIN, 0},
                                 {err.read_end.get(), POLLIN, 0}}};
    // The end of the command is no event of a pipe that something it started still holds open.
    const double tick = out.read_end.open() || err.read_end.open() ? 0.02 : 0.001;
    poll(waits.data(), waits.size(), 1 + static_cast<int>(1000 * std::min(left, tick)));
  }
  const int status = child.finish();
  receive_log(err.read_end, outcome.log);
  if (outcome.end == End::exited) {
    outcome.end = WIFSIGNALED(status) ? End::signalled : End::exited;
    outcome.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }
  return outcome;
}

}  // namespace tessera::mapper
