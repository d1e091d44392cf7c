// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a program must satisfy before it runs, followed instruction by instruction through the
/// state of every domain: never written, clear, or holding a value.
#include "arch/rtm_ap/program.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <set>
#include <unordered_set>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

enum class Held : std::uint8_t { never, clear, value };

constexpr std::int64_t kMaxSlot = 65535;

/// Destinations that passes only write ones into.
bool needs_clear(Opcode op) {
  return op == Opcode::load || op == Opcode::copy || op == Opcode::negate || op == Opcode::add ||
         op == Opcode::sub;
}

/// How much of a program is there: all of it, unless lines could not be read.
struct Known {
  bool carry = true;
  std::size_t instructions = SIZE_MAX;  ///< behind so many, anything may be written or clear
};

class Verifier {
 public:
  using Sink = std::function<void(Problem)>;

  Verifier(
      const Program& program, const Geometry& geometry, Known known, std::size_t limit, Sink sink)
      : program_(program),
        geometry_(geometry),
        known_(known),
        limit_(limit),
        sink_(std::move(sink)),
        held_(
            static_cast<std::size_t>(geometry.columns) * static_cast<std::size_t>(geometry.domains),
            Held::never) {}

  void run() {
    if (known_.carry && (program_.carry < 0 || program_.carry >= geometry_.columns)) {
      in_ = Problem::In::carry;
      add("the carry column is not in the array",
          fmt::format("a column in [0, {}]", geometry_.columns - 1),
          fmt::format("column {}", program_.carry));
    }
    in_ = Problem::In::order;
    for (index_ = 0; index_ < program_.orders.size() && !full(); ++index_) {
      check_order_of(program_.orders[index_]);
    }
    in_ = Problem::In::instruction;
    for (index_ = 0; index_ < program_.instructions.size() && !full(); ++index_) {
      check(program_.instructions[index_]);
    }
  }

 private:
  [[nodiscard]] bool full() const { return found_ >= limit_; }

  void add(std::string sentence, std::string expected, std::string got, std::string hint = "") {
    ++found_;
    sink_({in_, index_, std::move(sentence), std::move(expected), std::move(got), std::move(hint)});
  }

  void check_order_of(const PassOrder& order) {
    const PassTable& passes = table(order.table);
    if (!ordered_.insert(order.table).second) {
      add(fmt::format("a second order of {}", passes.name),
          "one order per table",
          fmt::format("{}", fmt::join(order.passes, " ")),
          "remove one of the two lines");
    }
    std::vector<int> sorted = order.passes;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int> all(static_cast<std::size_t>(passes.size));
    std::iota(all.begin(), all.end(), 0);
    if (sorted != all) {
      add(fmt::format("the order of {} does not name each of its passes once", passes.name),
          fmt::format("the numbers 0 to {} in some order", passes.size - 1),
          fmt::format("{}", fmt::join(order.passes, " ")));
      return;
    }
    if (const auto fault = check_order(passes, order.passes)) {
      add(fmt::format("this order of {} breaks: {}", passes.name, to_text(passes, *fault)),
          fmt::format("pass {} ({}) before pass {} ({})",
                      fault->later,
                      to_text(passes, passes.passes[static_cast<std::size_t>(fault->later)]),
                      fault->pass,
                      to_text(passes, passes.passes[static_cast<std::size_t>(fault->pass)])),
          fmt::format("{}", fmt::join(order.passes, " ")),
          "leave the line out: the table's own order is right");
    }
  }

  void check(const Instruction& i) {
    const std::size_t before = found_;
    const int columns = i.op == Opcode::clear
                            ? static_cast<int>(std::clamp<std::int64_t>(i.value, 0, INT32_MAX))
                            : 1;
    if (i.op == Opcode::clear && i.value < 1) {
      add("clear names no column", "at least one column", fmt::format("{}", i.value));
    }
    if (i.op != Opcode::read) {
      check_field("the destination", i.dst, columns);
    }
    const bool writes = i.op != Opcode::read && found_ == before;
    const bool binary = i.op == Opcode::add || i.op == Opcode::sub;
    const bool unary = binary || i.op == Opcode::read || i.op == Opcode::copy ||
                       i.op == Opcode::negate || i.op == Opcode::add_in_place ||
                       i.op == Opcode::sub_in_place || i.op == Opcode::reverse_sub_in_place ||
                       i.op == Opcode::max_in_place;
    if (unary) {
      check_field("the operand", i.a, 1);
    }
    if (binary) {
      check_field("the second operand", i.b, 1);
    }
    const bool fields_exist = found_ == before;
    if (fields_exist) {
      check_rules(i, unary, binary);
    }
    if (writes) {  // also after an error, which later instructions need not repeat
      mark(i.dst, columns, i.op == Opcode::clear ? Held::clear : Held::value);
    }
  }

  void check_rules(const Instruction& i, bool unary, bool binary) {
    if (unary && i.op != Opcode::read) {
      check_apart(i.dst, i.a);
      check_width(i.dst, i.a);
    }
    if (binary) {
      check_apart(i.dst, i.b);
      check_apart(i.a, i.b);
      check_width(i.dst, i.b);
    }
    if (index_ < known_.instructions) {
      check_held(i, unary, binary);
    }
    check_own_rules(i);
  }

  void check_held(const Instruction& i, bool unary, bool binary) {
    if (unary) {
      check_written("the operand", i.a);
    }
    if (binary) {
      check_written("the second operand", i.b);
    }
    if (needs_clear(i.op)) {
      check_clear(i.dst);
    } else if (i.op != Opcode::clear && i.op != Opcode::read) {
      check_written("the destination", i.dst);
    }
  }

  void check_own_rules(const Instruction& i) {
    switch (i.op) {
      case Opcode::load:
      case Opcode::read:
        if (i.value < 0) {
          add("a slot has a negative number", "a number from 0 on", fmt::format("{}", i.value));
        } else if (i.value > kMaxSlot) {
          add("a slot has a number that is too large",
              fmt::format("a number up to {}", kMaxSlot),
              fmt::format("{}", i.value));
        } else if (const int bits = i.op == Opcode::load ? i.dst.bits : i.a.bits; bits > 63) {
          add("a slot holds values of at most 63 bits", "at most 63 bits", print(i));
        } else if (i.op == Opcode::read && !read_.insert(i.value).second) {
          add(fmt::format("slot {} is read out twice", i.value), "one read per slot", print(i));
        }
        break;
      case Opcode::relu:
        if (!i.dst.is_signed) {
          add("relu of an unsigned value does nothing", "a signed destination", print(i));
        }
        break;
      case Opcode::max_in_place:
        if (i.dst.bits != i.a.bits || i.dst.is_signed != i.a.is_signed) {
          add("max compares bit by bit: both operands need the same width and sign",
              fmt::format("{} bits, {}", i.dst.bits, i.dst.is_signed ? "signed" : "unsigned"),
              fmt::format("{} bits, {}", i.a.bits, i.a.is_signed ? "signed" : "unsigned"));
        }
        break;
      case Opcode::saturate:
        if (i.dst.is_signed || i.value < 1 || i.value >= i.dst.bits) {
          add("saturate keeps fewer bits than its unsigned destination has",
              i.dst.is_signed ? "an unsigned destination"
                              : fmt::format("bits in [1, {}]", i.dst.bits - 1),
              print(i));
        }
        break;
      case Opcode::add_constant:
        // Either reading of the destination's bits is fine: sums are modulo 2^bits.
        if (i.dst.bits < 63 &&
            (i.value < min_value(i.dst.bits, true) || i.value > max_value(i.dst.bits, false))) {
          add("the constant does not fit the destination",
              fmt::format(
                  "a value in [{}, {}]", min_value(i.dst.bits, true), max_value(i.dst.bits, false)),
              fmt::format("{}", i.value));
        }
        break;
      case Opcode::reverse_sub_in_place: {
        const PassTable& passes = reversed_sub_table();
        constexpr std::array<int, 2> kPair = {0, 1};  // these two undo each other
        constexpr std::array<int, 2> kTurned = {1, 0};
        const auto one = check_order(passes, kPair);
        const auto other = check_order(passes, kTurned);
        add(fmt::format("D <- A - D has no order of passes that works: {}; turned round, {}",
                        to_text(passes, one.value()),
                        to_text(passes, other.value())),
            "sub D, A, B into a clear destination, or the accumulator as minuend",
            print(i),
            "let the accumulator be the minuend: sub_in_place, and negate at the end");
        break;
      }
      default:
        break;
    }
  }

  void check_field(const char* what, const Operand& f, int columns) {
    const std::int64_t last = std::int64_t{f.column} + columns - 1;
    if (f.column < 0 || last >= geometry_.columns) {
      add(fmt::format("{} is not inside the array", what),
          fmt::format("columns in [0, {}]", geometry_.columns - 1),
          fmt::format("column {}", f.column < 0 ? f.column : last));
    } else if (known_.carry && f.column <= program_.carry && program_.carry <= last) {
      add(fmt::format("{} lies in the carry column", what),
          fmt::format("any column but {}", program_.carry),
          fmt::format("column {}", program_.carry));
    }
    if (f.bits < 1 || f.first < 0 ||
        std::int64_t{f.first} + f.bits > std::int64_t{geometry_.domains}) {
      add(fmt::format("{} does not fit the domains of a nanowire", what),
          fmt::format("at least 1 bit, domains in [0, {}]", geometry_.domains - 1),
          fmt::format("{} bits from domain {} on", f.bits, f.first));
    }
  }

  void check_apart(const Operand& one, const Operand& other) {
    if (one.column == other.column) {
      add("two operands lie in one column, which shows one domain at a time",
          "different columns",
          fmt::format("column {} twice", one.column));
    }
  }

  void check_width(const Operand& dst, const Operand& a) {
    if (a.bits > dst.bits) {
      add("the operand is wider than the destination",
          fmt::format("at most {} bits", dst.bits),
          fmt::format("{} bits", a.bits),
          "fewer bits of it can be named if the high ones do not matter");
    }
  }

  void check_written(const char* what, const Operand& f) {
    for (int bit = 0; bit < f.bits; ++bit) {
      if (held(f.column, f.first + bit) == Held::never) {
        add(fmt::format("{} was never written", what),
            "a load, clear or result before",
            fmt::format("column {}, domain {}", f.column, f.first + bit));
        return;
      }
    }
  }

  void check_clear(const Operand& f) {
    for (int bit = 0; bit < f.bits; ++bit) {
      if (held(f.column, f.first + bit) != Held::clear) {
        add("the destination is not clear: the passes write only its ones",
            "a clear of the whole destination before",
            fmt::format("column {}, domain {} {}",
                        f.column,
                        f.first + bit,
                        held(f.column, f.first + bit) == Held::never ? "was never written"
                                                                     : "holds a value"));
        return;
      }
    }
  }

  void mark(const Operand& f, int columns, Held what) {
    for (int c = 0; c < columns; ++c) {
      for (int bit = 0; bit < f.bits; ++bit) {
        held(f.column + c, f.first + bit) = what;
      }
    }
  }

  Held& held(int column, int domain) {
    return held_[static_cast<std::size_t>(column) * static_cast<std::size_t>(geometry_.domains) +
                 static_cast<std::size_t>(domain)];
  }

  const Program& program_;
  Geometry geometry_;
  Known known_;
  std::size_t limit_;
  Sink sink_;
  std::vector<Held> held_;
  std::unordered_set<std::int64_t> read_;
  std::set<TableId> ordered_;
  std::size_t found_ = 0;
  Problem::In in_ = Problem::In::carry;
  std::size_t index_ = 0;
};

Diagnostic diagnostic(const Problem& problem, const Listing& listing) {
  Diagnostic d;
  d.code = "E-AP-PROGRAM";
  d.sentence = problem.sentence;
  d.path = "program";
  switch (problem.in) {
    case Problem::In::carry:
      d.at = listing.carry_at;
      break;
    case Problem::In::order:
      d.at = listing.order_at.at(problem.index);
      break;
    case Problem::In::instruction:
      d.at = listing.instruction_at.at(problem.index);
      break;
  }
  d.expected = problem.expected;
  d.got = problem.got;
  d.hint = problem.hint;
  return d;
}

}  // namespace

std::vector<Problem> verify(const Program& program, const Geometry& geometry, std::size_t limit) {
  std::vector<Problem> problems;
  Verifier(program, geometry, {}, limit, [&](Problem problem) {
    problems.push_back(std::move(problem));
  }).run();
  return problems;
}

void report(const std::vector<Problem>& problems,
            const Listing& listing,
            Diagnostics& diagnostics) {
  for (const Problem& problem : problems) {
    diagnostics.error(diagnostic(problem, listing));
  }
}

void check(const Listing& listing, const Geometry& geometry, Diagnostics& diagnostics) {
  const Known known{listing.carry_at.line != 0, listing.before_gap};
  Verifier(listing.program, geometry, known, SIZE_MAX, [&](const Problem& problem) {
    diagnostics.error(diagnostic(problem, listing));
  }).run();
}

}  // namespace tessera::arch::rtm_ap
