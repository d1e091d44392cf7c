// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/tracks.hpp"

#include "sim/base/math.hpp"

#include <cstdlib>

namespace tessera::arch::rtm_ap {

Tracks::Tracks(int columns, int domains, const Ports& ports)
    : domains_(domains),
      spare_(ceil_div(domains, ports.count)),
      ports_(ports),
      heads_(static_cast<std::size_t>(columns)) {}

int Tracks::align(int column, int domain) {
  Head& head = heads_[static_cast<std::size_t>(column)];
  int port = 0;
  if (ports_.choice == PortChoice::fixed) {
    port = static_cast<int>(std::int64_t{domain} * ports_.count / domains_);
  } else {
    int fewest = -1;
    for (int candidate = 0; candidate < ports_.count; ++candidate) {
      const int offset = domain - home(candidate);
      const int steps = std::abs(offset - head.offset);
      if (std::abs(offset) <= spare_ && (fewest < 0 || steps < fewest)) {
        fewest = steps;
        port = candidate;
      }
    }
  }
  const int offset = domain - home(port);
  const int steps = std::abs(offset - head.offset);
  head.offset = offset;
  head.port = port;
  head.steps += steps;
  return steps;
}

int Tracks::release(int column) {
  if (ports_.policy == PortPolicy::lazy) {
    return 0;
  }
  Head& head = heads_[static_cast<std::size_t>(column)];
  const int steps = std::abs(head.offset);
  head.offset = 0;
  head.steps += steps;
  return steps;
}

}  // namespace tessera::arch::rtm_ap
