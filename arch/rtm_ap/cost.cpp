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

/// The way of an operand's nanowires: domain after domain from `from` to `to`, perhaps back. All
/// ways of an instruction begin together.
struct Way {
  int column = 0;
  std::int64_t columns = 1;
  int from = 0;
  int to = 0;
  bool returns = false;         ///< and back, the turn seen twice
  std::int64_t again_from = 0;  ///< accesses of the ends beyond the first
  std::int64_t again_to = 0;

  [[nodiscard]] std::int64_t length() const { return std::abs(to - from); }

  [[nodiscard]] std::int64_t accesses() const {
    return (returns ? 2 : 1) * (length() + 1) + again_from + again_to;
  }

  /// Of the access with number `k`.
  [[nodiscard]] std::int64_t domain(std::int64_t k) const {
    const std::int64_t gone = std::max<std::int64_t>(0, k - again_from);
    const std::int64_t turned = returns && gone > length() ? 2 * length() + 1 - gone : gone;
    const std::int64_t way = std::min(turned, length());
    return to < from ? from - way : from + way;
  }
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

struct Steps {
  std::int64_t time = 0;   ///< of the column that has the farthest way, access after access
  std::int64_t moved = 0;  ///< of all columns

  void operator+=(const Steps& other) {
    time += other.time;
    moved += other.moved;
  }
};

/// The nanowires of a program that runs, by their offsets from rest.
class Nanowires {
 public:
  explicit Nanowires(const Spec& spec)
      : spec_(spec), stood_(static_cast<std::size_t>(spec.columns), 0) {}

  Steps go(const std::vector<Way>& ways) {
    return spec_.ports == 1 && spec_.port_policy == PortPolicy::lazy ? stride(ways) : walk(ways);
  }

 private:
  /// One lazy port: a step per access once all have arrived.
  Steps stride(const std::vector<Way>& ways) {
    std::int64_t farthest = 0;
    std::int64_t longest = 0;
    Steps s;
    for (const Way& way : ways) {
      const std::int64_t along = (way.returns ? 2 : 1) * way.length();
      for (std::int64_t c = way.column; c < way.column + way.columns; ++c) {
        std::int64_t& stood = stood_[static_cast<std::size_t>(c)];
        const std::int64_t before = std::abs(way.from - stood);
        stood = way.returns ? way.from : way.to;
        farthest = std::max(farthest, before);
        s.moved += before + along;
      }
      longest = std::max(longest, along);
    }
    s.time = farthest + longest;
    return s;
  }

  Steps walk(const std::vector<Way>& ways) {
    std::int64_t last = 0;
    for (const Way& way : ways) {
      last = std::max(last, way.accesses());
    }
    Steps s;
    for (std::int64_t k = 0; k < last; ++k) {
      std::int64_t farthest = 0;
      for (const Way& way : ways) {
        for (std::int64_t c = 0; c < way.columns && k < way.accesses(); ++c) {
          const std::int64_t steps = bring(way.column + c, way.domain(k));
          farthest = std::max(farthest, steps);
          s.moved += steps;
        }
      }
      s.time += farthest;
    }
    return s;
  }

  /// Steps of an access, those back to rest with it.
  std::int64_t bring(std::int64_t column, std::int64_t domain) {
    std::int64_t& stood = stood_[static_cast<std::size_t>(column)];
    const std::int64_t port = spec_.port_choice == PortChoice::fixed
                                  ? domain * spec_.ports / spec_.domains
                                  : nearest(domain, stood);
    const std::int64_t offset = domain - home(port);
    const std::int64_t steps = std::abs(offset - stood);
    if (spec_.port_policy == PortPolicy::eager) {
      return 2 * steps;
    }
    stood = offset;
    return steps;
  }

  [[nodiscard]] std::int64_t home(std::int64_t port) const {
    return port * spec_.domains / spec_.ports;
  }

  /// `under`: what lies where the domain would be at rest. The last port up to there or the next
  /// one, whichever is nearer, as far as the spare domains allow.
  [[nodiscard]] std::int64_t nearest(std::int64_t domain, std::int64_t stood) const {
    const std::int64_t spare = (spec_.domains + spec_.ports - 1) / spec_.ports;
    const std::int64_t under = domain - stood;
    const std::int64_t before =
        under < 0 ? -1
                  : std::min<std::int64_t>(spec_.ports - 1,
                                           ((under + 1) * spec_.ports - 1) / spec_.domains);
    const std::int64_t after = before + 1;
    const bool is_before = before >= 0 && domain - home(before) <= spare;
    const bool is_after = after < spec_.ports && home(after) - domain <= spare;
    if (is_before && is_after) {
      return under - home(before) <= home(after) - under ? before : after;
    }
    return is_before ? before : after;
  }

  const Spec& spec_;
  std::vector<std::int64_t> stood_;
};

}  // namespace

ProgramCost program_cost(const Spec& spec, const Clock& clock, const Program& program, int rows) {
  Sums total;
  Steps steps;
  Nanowires nanowires(spec);
  for (const Instruction& instruction : program.instructions) {
    const Formula f = formula(instruction);
    total.searches += f.sums.searches;
    total.writes += f.sums.writes;
    total.loads += f.sums.loads;
    total.reads += f.sums.reads;
    total.searched += f.sums.searched;
    total.driven += f.sums.driven;
    total.eighths += f.sums.eighths;
    steps += nanowires.go(f.ways);
  }
  ProgramCost cost;
  cost.latency = clock.ceil_cycles(spec.t_search) * total.searches +
                 clock.ceil_cycles(spec.t_write) * total.writes +
                 clock.ceil_cycles(spec.t_load) * total.loads +
                 clock.ceil_cycles(spec.t_read_out) * total.reads +
                 clock.ceil_cycles(spec.t_shift) * steps.time;
  cost.did[kSearchCell] = total.searched * rows;
  cost.did[kWriteCell] = total.eighths * rows / 8;
  cost.did[kShift] = steps.moved * rows;
  cost.did[kTag] = total.searches * rows;
  cost.did[kDrive] = total.driven;
  cost.did[kLoadBit] = total.loads * rows;
  cost.did[kReadBit] = total.reads * rows;
  return cost;
}

Cost firing_cost(const ProgramCost& cost) {
  return {cost.latency, cost.latency, cost.did};
}

Cost write_cost() {
  return {Cycles(1), Cycles(1), {}};
}

}  // namespace tessera::arch::rtm_ap
