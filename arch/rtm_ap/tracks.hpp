// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Where the nanowires of each column stand: which domain lies under a port, and how many steps it
/// takes to bring another one there.
///
/// The nanowires of a column move together. Port j of p stands over domain home(j) = floor(j *
/// domains / p) of a nanowire at rest; moved by `offset`, over home(j) + offset. An access costs
/// |new offset - old offset| one-step shifts. Offsets stay within +-ceil(domains / p), the spare
/// domains that keep bits from falling off the ends.
///
/// Source   RTSim (docs/facts.md, "Racetrack-memory associative processor"); README, "Shifts"
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Which port serves a domain.
enum class PortChoice {
  fixed,    ///< floor(domain * ports / domains)
  nearest,  ///< whichever takes the fewest steps; the lower port of two equal ones
};

enum class PortPolicy {
  lazy,   ///< the nanowire stays where it was left
  eager,  ///< it returns to rest after each access
};

constexpr auto enum_names(PortChoice) {
  return std::array<std::pair<PortChoice, std::string_view>, 2>{{
      {PortChoice::fixed, "static"},
      {PortChoice::nearest, "dynamic"},
  }};
}

constexpr auto enum_names(PortPolicy) {
  return std::array<std::pair<PortPolicy, std::string_view>, 2>{{
      {PortPolicy::lazy, "lazy"},
      {PortPolicy::eager, "eager"},
  }};
}

struct Ports {
  int count = 1;
  PortChoice choice = PortChoice::nearest;
  PortPolicy policy = PortPolicy::lazy;

  bool operator==(const Ports&) const = default;
};

class Tracks {
 public:
  /// All at rest. Preconditions: columns >= 1, 1 <= ports.count <= domains.
  Tracks(int columns, int domains, const Ports& ports);

  /// Brings `domain` under a port; returns the steps it took.
  int align(int column, int domain);

  /// The access is over; returns the steps back to rest (eager), or 0 (lazy).
  int release(int column);

  /// The domain under the port that served the last access: what cells are read and written.
  [[nodiscard]] int domain(int column) const {
    const Head& head = heads_[static_cast<std::size_t>(column)];
    return home(head.port) + head.offset;
  }

  /// Steps of the column since the beginning.
  [[nodiscard]] std::int64_t steps(int column) const {
    return heads_[static_cast<std::size_t>(column)].steps;
  }

 private:
  struct Head {
    int offset = 0;
    int port = 0;
    std::int64_t steps = 0;
  };

  [[nodiscard]] int home(int port) const {
    return static_cast<int>(std::int64_t{port} * domains_ / ports_.count);
  }

  int domains_;
  int spare_;
  Ports ports_;
  std::vector<Head> heads_;
};

}  // namespace tessera::arch::rtm_ap
