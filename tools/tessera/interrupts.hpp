// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Signals that end a program, held back while it has something to put away or to end first.
///
/// Which    SIGHUP, SIGINT and SIGTERM, unless they are ignored (nohup)
/// Nesting  an inner one hands over to the outer one
/// Threads  those of the calling thread; there may be no other one
#pragma once

#include <sys/types.h>

#include <csignal>

namespace tessera::tools {

class HeldInterrupts {
 public:
  HeldInterrupts();
  HeldInterrupts(const HeldInterrupts&) = delete;
  HeldInterrupts& operator=(const HeldInterrupts&) = delete;
  HeldInterrupts(HeldInterrupts&&) = delete;
  HeldInterrupts& operator=(HeldInterrupts&&) = delete;

  /// What came in the meantime ends the program now.
  ~HeldInterrupts();

  /// The wait status of `child`, which was started while signals were held; it is sent those that
  /// come.
  int wait_for(pid_t child);

  /// Whether one came during wait_for().
  [[nodiscard]] bool interrupted() const { return taken_ != 0; }

  /// The signals that are to be blocked in a child.
  [[nodiscard]] sigset_t of_child() const;

 private:
  sigset_t held_{};  ///< and SIGCHLD
  sigset_t before_{};
  int taken_ = 0;
};

}  // namespace tessera::tools
