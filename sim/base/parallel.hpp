// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Independent pieces of work on several threads.
///
/// Results  must not depend on the order or the number of threads: that is up to the caller
/// Errors   of the exceptions that pieces throw, one is thrown when all threads are done
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace tessera {

/// Threads that the machine runs at once, at least 1.
inline int machine_threads() {
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

/// f(0) to f(count - 1), thread k of n calling every n-th from k on.
template <class F>
void for_each_index(std::int64_t count, int threads, const F& f) {
  const std::int64_t n = std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(1, count));
  std::vector<std::exception_ptr> failed(static_cast<std::size_t>(n));
  const auto work = [&](std::int64_t k) {
    try {
      for (std::int64_t i = k; i < count; i += n) {
        f(i);
      }
    } catch (...) {
      failed[static_cast<std::size_t>(k)] = std::current_exception();
    }
  };
  std::vector<std::thread> running;
  for (std::int64_t k = 1; k < n; ++k) {
    running.emplace_back(work, k);
  }
  work(0);
  for (std::thread& thread : running) {
    thread.join();
  }
  for (const std::exception_ptr& failure : failed) {
    if (failure != nullptr) {
      std::rethrow_exception(failure);
    }
  }
}

}  // namespace tessera
