// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form; see cost.hpp. Shares no arithmetic with beats and steps: tests compare the two.
#include "arch/rtm_ap/cost.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

/// Sums over one instruction.
struct Sums {
  std::int64_t searches = 0;
  std::int64_t writes = 0;
  std::int64_t loads = 0;
  std::int64_t reads = 0;
  std::int64_t searched = 0;  ///< columns compared
  std::int64_t driven = 0;    ///< columns of key and mask, searches and writes
  std::int64_t eighths = 0;   ///< expected written cells per row

  /// `bits` bits of so many passes each.
  void bits(std::int64_t bits, int passes, int columns, int drives, int written_eighths) {
    searches += bits * passes;
    writes += bits * passes;
    searched += bits * passes * columns;
    driven += bits * (passes * columns + drives);
    eighths += bits * written_eighths;
  }

  /// Writes without a search before each.
  void plain_writes(std::int64_t count, std::int64_t columns, int written_eighths) {
    writes += count;
    driven += count * columns;
    eighths += count * columns * written_eighths;
  }

  void plain_searches(std::int64_t count) {
    searches += count;
    searched += count;
    driven += count;
  }
};

/// The way of an operand's nanowires: domain after domain from `from` to `to`, perhaps back.
struct Way {
  int column = 0;
  std::int64_t columns = 1;
  int from = 0;
  int to = 0;
  bool returns = false;         ///< and back, the turn seen twice
  std::int64_t again_from = 0;  ///< accesses of the ends beyond the first
  std::int64_t again_to = 0;
};

Way upwards(const Operand& f, std::int64_t bits) {
  return {f.column, 1, f.first, f.first + static_cast<int>(bits) - 1, false, 0, 0};
}

Way downwards(const Operand& f) {
  return {f.column, 1, f.first + f.bits - 1, f.first, false, 0, 0};
}

/// An operand of an instruction on m bits: its own bits, then its sign again and again.
Way operand_way(const Operand& f, std::int64_t m) {
  Way way = upwards(f, f.bits);
  way.again_to = f.is_signed ? m - f.bits : 0;
  return way;
}

/// Bits of an m-bit instruction in which the operand takes part.
std::int64_t present(const Operand& f, std::int64_t m) {
  return f.is_signed ? m : std::min<std::int64_t>(f.bits, m);
}

struct Formula {
  Sums sums;
  std::vector<Way> ways;
};

Formula formula(const Instruction& i) {
  Formula f;
  Sums& s = f.sums;
  const std::int64_t m = i.dst.bits;
  const std::int64_t with_a = present(i.a, m);
  const std::int64_t with_b = present(i.b, m);
  const std::int64_t both = std::min(with_a, with_b);
  switch (i.op) {
    case Opcode::load:
      s.loads = m;
      s.plain_writes(m, 1, 4);
      f.ways = {upwards(i.dst, m)};
      return f;
    case Opcode::read:
      s.reads = i.a.bits;
      s.plain_searches(i.a.bits);
      f.ways = {upwards(i.a, i.a.bits)};
      return f;
    case Opcode::clear:
      s.plain_writes(m, i.value, 8);
      f.ways = {upwards(i.dst, m)};
      f.ways[0].columns = i.value;
      return f;
    case Opcode::copy:
      s.bits(with_a, 1, 1, 1, 4);
      f.ways = {upwards(i.dst, with_a), operand_way(i.a, m)};
      return f;
    case Opcode::negate:
      s.bits(with_a, 2, 2, 3, 6);
      s.bits(m - with_a, 1, 1, 1, 4);
      f.ways = {upwards(i.dst, m), operand_way(i.a, m)};
      break;
    case Opcode::add: {
      const std::int64_t most = std::max(with_a, with_b);
      const std::int64_t carry_out = most < m ? 1 : 0;
      s.bits(both, 5, 3, 6, 6);
      s.bits(most - both, 2, 2, 3, 6);
      s.bits(carry_out, 1, 1, 2, 8);
      f.ways = {upwards(i.dst, most + carry_out), operand_way(i.a, m), operand_way(i.b, m)};
      break;
    }
    case Opcode::sub:
      s.bits(both, 5, 3, 6, 6);
      s.bits(with_a - both, 3, 2, 3, 6);
      s.bits(with_b - both, 2, 2, 3, 6);
      s.bits(m - std::max(with_a, with_b), 1, 1, 1, 4);
      f.ways = {upwards(i.dst, m), operand_way(i.a, m), operand_way(i.b, m)};
      break;
    case Opcode::add_in_place:
    case Opcode::sub_in_place:
      s.bits(with_a, 4, 3, 6, 6);
      s.bits(m - with_a, 2, 2, 3, 6);
      f.ways = {upwards(i.dst, m), operand_way(i.a, m)};
      break;
    case Opcode::add_constant: {
      std::int64_t zeros = 0;  // below the lowest one
      while (zeros < m && ((i.value >> std::min<std::int64_t>(zeros, 63)) & 1) == 0) {
        ++zeros;
      }
      if (zeros == m) {
        return f;
      }
      s.bits(m - zeros, 2, 2, 3, 6);
      f.ways = {upwards(i.dst, m)};
      f.ways[0].from += static_cast<int>(zeros);
      break;
    }
    case Opcode::relu:
      s.plain_searches(1);
      s.plain_writes(m, 1, 4);
      f.ways = {downwards(i.dst)};
      f.ways[0].again_from = 1;
      return f;
    case Opcode::max_in_place:
      s.bits(2 * m, 2, 3, 2, 2);
      f.ways = {upwards(i.dst, m), upwards(i.a, m)};
      f.ways[0].returns = f.ways[1].returns = true;
      break;
    case Opcode::saturate:
      s.bits(m - i.value, 1, 1, 1, 4);
      s.plain_searches(1);
      s.plain_writes(i.value, 1, 4);
      f.ways = {downwards(i.dst)};
      break;
    case Opcode::reverse_sub_in_place:
      return f;
  }
  s.plain_writes(1, 1, 8);  // the carry is cleared
  return f;
}

/// Offsets of nanowires as far as they follow from the domain alone: one port, a static choice, or
/// from rest.
class Positions {
 public:
  explicit Positions(const Spec& spec)
      : spec_(spec),
        known_(spec.ports == 1 || spec.port_choice == PortChoice::fixed),
        stood_(static_cast<std::size_t>(spec.columns), 0) {}

  [[nodiscard]] bool eager() const { return spec_.port_policy == PortPolicy::eager; }

  [[nodiscard]] bool known() const { return known_; }

  [[nodiscard]] std::int64_t ports() const { return spec_.ports; }

  [[nodiscard]] std::int64_t spare() const {
    return (spec_.domains + spec_.ports - 1) / spec_.ports;
  }

  [[nodiscard]] std::int64_t offset(int domain) const {
    const auto home = [this](std::int64_t port) { return port * spec_.domains / spec_.ports; };
    if (known_) {
      return domain - home(std::int64_t{domain} * spec_.ports / spec_.domains);
    }
    std::int64_t best = domain;
    for (std::int64_t port = 0; port < spec_.ports; ++port) {
      if (std::abs(domain - home(port)) < std::abs(best)) {
        best = domain - home(port);
      }
    }
    return best;
  }

  /// Steps along the way, without those to its beginning. Not for an eager port.
  [[nodiscard]] std::int64_t along(const Way& way) const {
    const int low = std::min(way.from, way.to);
    const int high = std::max(way.from, way.to);
    std::int64_t steps = high - low;
    if (spec_.ports > 1) {
      steps = 0;
      for (int domain = low; domain < high; ++domain) {
        steps += std::abs(offset(domain + 1) - offset(domain));
      }
    }
    return way.returns ? 2 * steps : steps;
  }

  /// Steps of an eager port: there and back for each access.
  [[nodiscard]] std::int64_t back_and_forth(const Way& way) const {
    std::int64_t steps = 0;
    for (int domain = std::min(way.from, way.to); domain <= std::max(way.from, way.to); ++domain) {
      steps += std::abs(offset(domain));
    }
    steps *= way.returns ? 2 : 1;
    steps += way.again_from * std::abs(offset(way.from)) + way.again_to * std::abs(offset(way.to));
    return 2 * steps;
  }

  /// Steps from where the column stood to the way's beginning; remembers its end.
  std::int64_t approach(int column, const Way& way) {
    std::int64_t& stood = stood_[static_cast<std::size_t>(column)];
    const std::int64_t steps = std::abs(offset(way.from) - stood);
    stood = offset(way.returns ? way.from : way.to);
    return steps;
  }

 private:
  const Spec& spec_;
  bool known_;
  std::vector<std::int64_t> stood_;
};

struct Steps {
  std::int64_t time_lo = 0;
  std::int64_t time_hi = 0;
  std::int64_t moved_lo = 0;
  std::int64_t moved_hi = 0;
};

Steps steps_of(const std::vector<Way>& ways, Positions& at) {
  Steps s;
  std::int64_t farthest = 0;
  std::int64_t longest = 0;
  std::int64_t all = 0;
  for (const Way& way : ways) {
    if (at.eager()) {
      const std::int64_t steps = at.back_and_forth(way);
      s.time_lo = std::max(s.time_lo, steps);
      s.time_hi += steps;
      s.moved_lo += steps * way.columns;
      s.moved_hi = s.moved_lo;
    } else if (at.known()) {
      const std::int64_t steps = at.along(way);
      for (std::int64_t c = 0; c < way.columns; ++c) {
        const std::int64_t before = at.approach(way.column + static_cast<int>(c), way);
        farthest = std::max(farthest, before);
        s.time_lo = std::max(s.time_lo, before + steps);
        s.moved_lo += before + steps;
      }
      longest = std::max(longest, steps);
      all += steps;
      s.moved_hi = s.moved_lo;
    } else {
      const std::int64_t turns = way.returns ? 2 : 1;
      const std::int64_t most = 2 * at.spare() + turns * (std::abs(way.to - way.from) +
                                                          2 * at.spare() * (at.ports() - 1));
      s.time_hi += most;
      s.moved_hi += most * way.columns;
    }
  }
  if (!at.eager() && at.known()) {
    // With one port the operands move side by side, one step a bit.
    s.time_hi = farthest + (at.ports() == 1 ? longest : all);
    s.time_lo = at.ports() == 1 ? s.time_hi : s.time_lo;
  }
  return s;
}

}  // namespace

ProgramCost program_cost(const Spec& spec, const Clock& clock, const Program& program, int rows) {
  Sums total;
  Steps steps;
  Positions at(spec);
  for (const Instruction& instruction : program.instructions) {
    const Formula f = formula(instruction);
    total.searches += f.sums.searches;
    total.writes += f.sums.writes;
    total.loads += f.sums.loads;
    total.reads += f.sums.reads;
    total.searched += f.sums.searched;
    total.driven += f.sums.driven;
    total.eighths += f.sums.eighths;
    const Steps s = steps_of(f.ways, at);
    steps.time_lo += s.time_lo;
    steps.time_hi += s.time_hi;
    steps.moved_lo += s.moved_lo;
    steps.moved_hi += s.moved_hi;
  }
  const Cycles fixed = clock.ceil_cycles(spec.t_search) * total.searches +
                       clock.ceil_cycles(spec.t_write) * total.writes +
                       clock.ceil_cycles(spec.t_load) * total.loads +
                       clock.ceil_cycles(spec.t_read_out) * total.reads;
  const Cycles shift = clock.ceil_cycles(spec.t_shift);
  ProgramCost cost;
  cost.lo = fixed + shift * steps.time_lo;
  cost.hi = fixed + shift * steps.time_hi;
  cost.did[kSearchCell] = total.searched * rows;
  cost.did[kWriteCell] = total.eighths * rows / 8;
  cost.did[kShift] = steps.moved_lo * rows;
  cost.did[kTag] = total.searches * rows;
  cost.did[kDrive] = total.driven;
  cost.did[kLoadBit] = total.loads * rows;
  cost.did[kReadBit] = total.reads * rows;
  cost.shifts_hi = steps.moved_hi * rows;
  return cost;
}

Cost firing_cost(const ProgramCost& cost) {
  return {cost.lo, cost.lo, cost.did};
}

Cost write_cost() {
  return {Cycles(1), Cycles(1), {}};
}

}  // namespace tessera::arch::rtm_ap
