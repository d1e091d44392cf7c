// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Work in child processes: the simulation kernel is global to a process, and a crash, an endless
/// run or a full memory in one piece of work may not end the others.
///
/// Order    answers come in the order of the work, whatever finished first
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace tessera {

struct ChildAnswer {
  bool ok = false;
  std::string text;  ///< what the work returned, or why there is no answer
};

struct ChildOptions {
  int jobs = 1;           ///< processes side by side
  double seconds = 3600;  ///< after which a child is ended
  /// Called after every answer with how many there are; may be empty.
  std::function<void(std::size_t)> progress;
};

/// Runs every piece of work in a process of its own. An exception in it is an answer that is not
/// ok, with its message. What a child prints is not shown.
std::vector<ChildAnswer> run_in_children(const std::vector<std::function<std::string()>>& work,
                                         const ChildOptions& options);

}  // namespace tessera
