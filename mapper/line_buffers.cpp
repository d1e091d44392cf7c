// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Untimed execution for the smallest windows; water-filling for the rest of a buffer.
#include "mapper/line_buffers.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cstddef>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Fires the stages of one image in the order in which they are asked for.
class UntimedRun {
 public:
  explicit UntimedRun(const Program& program)
      : program_(program),
        next_(program.stages.size(), 0),
        released_(program.edges.size(), 0),
        peak_(program.edges.size(), 1) {
    for (std::size_t e = 0; e < program.edges.size(); ++e) {
      const ProgramEdge& edge = program.edges[e];
      released_[e] = edge.first_needed.empty() ? edge.positions : edge.first_needed.front();
    }
  }

  std::vector<std::int64_t> peaks() {
    // The sink asks first; what it never needs is still computed, last stage first.
    for (int stage = static_cast<int>(program_.stages.size()) - 1; stage >= 0; --stage) {
      demand(stage, program_.stages[ix(stage)].positions);
    }
    return peak_;
  }

 private:
  struct Demand {
    int stage;
    std::int64_t count;  ///< positions to be computed
  };

  void demand(int stage, std::int64_t count) {
    open_.push_back({stage, count});
    while (!open_.empty()) {
      const Demand top = open_.back();
      const std::int64_t p = next_[ix(top.stage)];
      if (p >= top.count) {
        open_.pop_back();
      } else if (!ask_for_inputs(top.stage, p)) {
        fire(top.stage, p);
      }
    }
  }

  /// Opens a demand for the first operand that is missing.
  bool ask_for_inputs(int stage, std::int64_t p) {
    for (const int e : program_.stages[ix(stage)].in_edges) {
      const ProgramEdge& edge = program_.edges[ix(e)];
      const std::int64_t last = edge.last_needed[ix(p)];
      if (next_[ix(edge.from)] <= last) {
        open_.push_back({edge.from, last + 1});
        return true;
      }
    }
    return false;
  }

  void fire(int stage, std::int64_t p) {
    next_[ix(stage)] = p + 1;
    for (const int e : program_.stages[ix(stage)].in_edges) {
      const ProgramEdge& edge = program_.edges[ix(e)];
      const bool more = ix(p + 1) < edge.first_needed.size();
      released_[ix(e)] = more ? edge.first_needed[ix(p + 1)] : edge.positions;
    }
    for (const int e : program_.stages[ix(stage)].out_edges) {
      peak_[ix(e)] = std::max(peak_[ix(e)], p + 1 - released_[ix(e)]);
    }
  }

  const Program& program_;
  std::vector<std::int64_t> next_;      ///< [stage] first position that has not fired
  std::vector<std::int64_t> released_;  ///< [edge]
  std::vector<std::int64_t> peak_;      ///< [edge]
  std::vector<Demand> open_;
};

/// Ports of each tile that has any, tiles in order.
std::vector<std::vector<int>> ports_by_tile(const Program& program) {
  std::vector<int> order;
  for (std::size_t port = 0; port < program.ports.size(); ++port) {
    if (program.ports[port].at < program.tiles) {
      order.push_back(static_cast<int>(port));
    }
  }
  const auto tile_of = [&](int port) { return program.ports[ix(port)].at; };
  std::stable_sort(
      order.begin(), order.end(), [&](int a, int b) { return tile_of(a) < tile_of(b); });
  std::vector<std::vector<int>> tiles;
  for (const int port : order) {
    if (tiles.empty() || tile_of(tiles.back().front()) != tile_of(port)) {
      tiles.emplace_back();
    }
    tiles.back().push_back(port);
  }
  return tiles;
}

/// One line buffer while capacity is being shared.
struct Claim {
  ProgramPort* port;
  std::int64_t positions;
  std::int64_t bits;  ///< of one slot
  std::int64_t smallest;
  std::int64_t target;
  std::int64_t needed;         ///< positions per image that are stored here
  std::int64_t smallest_used;  ///< slots filled at the smallest window, or a bound

  /// Never less than slots_used(): that function is subadditive in the window.
  [[nodiscard]] std::int64_t bound(std::int64_t window) const {
    return std::min(
        {window, needed * ceil_div(window, positions), smallest_used * ceil_div(window, smallest)});
  }

  [[nodiscard]] std::int64_t scaled(double factor) const {
    const double wish = static_cast<double>(smallest) * factor;
    return wish >= static_cast<double>(target)
               ? target
               : std::max(smallest, static_cast<std::int64_t>(wish));
  }
};

std::int64_t charge(const std::vector<Claim>& claims, double factor) {
  std::int64_t bits = 0;
  for (const Claim& claim : claims) {
    bits += claim.bound(claim.scaled(factor)) * claim.bits;
  }
  return bits;
}

/// The largest common factor, to one part in a thousand, at which all claims fit.
double fair_factor(std::vector<Claim>& claims, std::int64_t capacity) {
  double high = 1;
  for (const Claim& claim : claims) {
    high = std::max(high, static_cast<double>(claim.target) / static_cast<double>(claim.smallest));
  }
  if (charge(claims, high) <= capacity) {
    return high;
  }
  for (Claim& claim : claims) {
    claim.smallest_used = slots_used(*claim.port, claim.positions, claim.smallest);
  }
  double low = 1;
  while (high - low > 1e-3 * low) {
    const double middle = (low + high) / 2;
    (charge(claims, middle) <= capacity ? low : high) = middle;
  }
  return low;
}

}  // namespace

void find_min_windows(Program& program) {
  const std::vector<std::int64_t> peaks = UntimedRun(program).peaks();
  for (std::size_t e = 0; e < program.edges.size(); ++e) {
    program.edges[e].min_window = peaks[e];
  }
}

std::int64_t slots_used(const ProgramPort& port, std::int64_t positions, std::int64_t window) {
  if (port.needed.empty() || positions <= 0) {
    return window;
  }
  const std::int64_t per_image = std::count(port.needed.begin(), port.needed.end(), true);
  const std::int64_t rest = window % positions;
  std::int64_t inside = 0;  // needed positions among the `rest` indices before `end`, cyclically
  for (std::int64_t q = 0; q < rest; ++q) {
    inside += port.needed[ix(q)] ? 1 : 0;
  }
  std::int64_t most = inside;
  for (std::int64_t begin = 0; begin < positions; ++begin) {
    const std::int64_t end = begin + rest;
    inside += port.needed[ix(end < positions ? end : end - positions)] ? 1 : 0;
    inside -= port.needed[ix(begin)] ? 1 : 0;
    most = std::max(most, inside);
  }
  return window / positions * per_image + most;
}

std::vector<Bits> buffer_capacities(const arch::chip::Chip& chip) {
  std::vector<Bits> out;
  for (const arch::chip::TileGroup& group : chip.groups) {
    const arch::tile::BufferSpec& buffer = group.tile.buffer;
    out.insert(out.end(), ix(group.tiles), buffer.unbounded ? kUnlimitedBuffer : buffer.capacity);
  }
  return out;
}

std::vector<Overflow> find_overflows(const Program& program, const std::vector<Bits>& capacities) {
  std::vector<Overflow> found;
  for (const std::vector<int>& ports : ports_by_tile(program)) {
    const Bits capacity = capacities[ix(program.ports[ix(ports.front())].at)];
    std::int64_t bound = 0;
    for (const int port : ports) {
      const ProgramEdge& edge = program.edges[ix(program.ports[ix(port)].edge)];
      bound += edge.min_window * edge.bits.value;
    }
    if (bound <= capacity.value) {
      continue;
    }
    Overflow overflow;
    overflow.tile = program.ports[ix(ports.front())].at;
    for (const int port : ports) {
      const ProgramEdge& edge = program.edges[ix(program.ports[ix(port)].edge)];
      const Bits bits(slots_used(program.ports[ix(port)], edge.positions, edge.min_window) *
                      edge.bits.value);
      overflow.needed += bits;
      overflow.shares.push_back({port, bits});
    }
    if (overflow.needed > capacity) {
      std::stable_sort(overflow.shares.begin(),
                       overflow.shares.end(),
                       [](const auto& a, const auto& b) { return a.bits > b.bits; });
      found.push_back(std::move(overflow));
    }
  }
  return found;
}

void share_capacity(Program& program,
                    const std::vector<Bits>& capacities,
                    const std::vector<std::int64_t>& targets) {
  for (ProgramPort& port : program.ports) {
    port.window = kUnlimitedWindow;
  }
  for (const std::vector<int>& ports : ports_by_tile(program)) {
    const Bits capacity = capacities[ix(program.ports[ix(ports.front())].at)];
    if (capacity >= kUnlimitedBuffer) {
      continue;
    }
    std::vector<Claim> claims;
    for (const int p : ports) {
      ProgramPort& port = program.ports[ix(p)];
      const ProgramEdge& edge = program.edges[ix(port.edge)];
      const std::int64_t needed = port.needed.empty()
                                      ? edge.positions
                                      : std::count(port.needed.begin(), port.needed.end(), true);
      claims.push_back({&port,
                        edge.positions,
                        edge.bits.value,
                        edge.min_window,
                        std::max(edge.min_window, targets[ix(port.edge)]),
                        needed,
                        edge.min_window});
    }
    const double factor = fair_factor(claims, capacity.value);
    for (const Claim& claim : claims) {
      claim.port->window = claim.scaled(factor);
    }
  }
}

}  // namespace tessera::mapper
