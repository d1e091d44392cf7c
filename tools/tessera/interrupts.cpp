// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/interrupts.hpp"

#include <pthread.h>
#include <sys/wait.h>

#include <cerrno>
#include <ctime>
#include <initializer_list>

namespace tessera::tools {

HeldInterrupts::HeldInterrupts() {
  sigemptyset(&held_);
  sigaddset(&held_, SIGCHLD);
  for (const int one : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction now {};

    if (sigaction(one, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) {
      sigaddset(&held_, one);
    }
  }
  pthread_sigmask(SIG_BLOCK, &held_, &before_);
}

HeldInterrupts::~HeldInterrupts() {
  if (interrupted()) {
    raise(taken_);
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

sigset_t HeldInterrupts::of_child() const {
  sigset_t mask = before_;
  for (const int one : {SIGHUP, SIGINT, SIGTERM, SIGCHLD}) {
    sigdelset(&mask, one);  // an outer one may have blocked them before
  }
  return mask;
}

int HeldInterrupts::wait_for(pid_t child) {
  constexpr timespec kLook{1, 0};  // where SIGCHLD is ignored, none comes
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) {
      return status;
    }
    const int came = sigtimedwait(&held_, nullptr, &kLook);
    if (came > 0 && came != SIGCHLD) {
      taken_ = came;
      kill(child, came);
    }
  }
}

}  // namespace tessera::tools
