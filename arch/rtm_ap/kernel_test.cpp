// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The array against integer arithmetic; what its passes cost and touch.
#include "arch/rtm_ap/kernel.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

constexpr Geometry kGeometry{256, 8, 64};

std::int64_t wrap(std::int64_t v, const Operand& to) {
  const int spare = 64 - to.bits;
  const auto top = static_cast<std::uint64_t>(v) << spare;
  return to.is_signed ? static_cast<std::int64_t>(top) >> spare
                      : static_cast<std::int64_t>(top >> spare);
}

std::vector<std::int64_t> random_values(Rng& rng, const Operand& of, int rows) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(rows));
  for (std::int64_t& v : values) {
    v = rng.uniform(min_value(of.bits, of.is_signed), max_value(of.bits, of.is_signed));
  }
  return values;
}

/// D (column 0), A (column 1), B (column 2), carry in column 3.
struct Case {
  Instruction instruction;
  bool loads_dst = false;  ///< D holds slot 0 before; otherwise it is clear
  std::function<std::int64_t(std::int64_t d, std::int64_t a, std::int64_t b)> expected;
};

struct Ran {
  std::vector<std::int64_t> result;
  Events events;  ///< of the instruction alone
};

Ran run_case(const Case& c, Rng& rng, int rows, const Ports& ports) {
  const Instruction& i = c.instruction;
  Program before;
  before.carry = 3;
  std::vector<std::vector<std::int64_t>> inputs(
      3, std::vector<std::int64_t>(static_cast<std::size_t>(rows)));
  before.instructions.push_back(clear({0, 0, 64, false}, 3));
  const std::array<const Operand*, 3> operands = {&i.dst, &i.a, &i.b};
  for (std::size_t k = 0; k < 3; ++k) {
    if (operands[k]->bits > 0 && (k > 0 || c.loads_dst)) {
      inputs[k] = random_values(rng, *operands[k], rows);
      before.instructions.push_back(load(*operands[k], static_cast<int>(k)));
    }
  }
  Program whole = before;
  whole.instructions.push_back(i);
  for (const Problem& problem : verify(whole, kGeometry)) {
    ADD_FAILURE() << problem.sentence << " in " << print(i);
  }
  Array array(kGeometry, ports, rows);
  array.run(before, inputs);
  const Events start = array.events();
  Program only;
  only.carry = 3;
  only.instructions = {i};
  array.run(only, inputs);
  Ran ran;
  ran.events = array.events();
  ran.events.searches -= start.searches;
  ran.events.writes -= start.writes;
  ran.events.searched_cells -= start.searched_cells;
  ran.events.tag_hits -= start.tag_hits;
  ran.events.driven_cells -= start.driven_cells;
  ran.events.changed_cells -= start.changed_cells;
  ran.events.shifts -= start.shifts;
  for (int row = 0; row < rows; ++row) {
    const auto at = static_cast<std::size_t>(row);
    const std::int64_t want = wrap(c.expected(inputs[0][at], inputs[1][at], inputs[2][at]), i.dst);
    const std::int64_t got = array.peek(i.dst, row);
    ran.result.push_back(got);
    EXPECT_EQ(got, want) << print(i) << " row " << row << " d " << inputs[0][at] << " a "
                         << inputs[1][at] << " b " << inputs[2][at];
    if (got != want) {
      break;
    }
    // Operands survive, bit by bit.
    for (std::size_t k = 1; k < 3; ++k) {
      if (operands[k]->bits > 0) {
        EXPECT_EQ(array.peek(*operands[k], row), inputs[k][at]) << print(i);
      }
    }
  }
  return ran;
}

Operand field(Rng& rng, int column, int bits, bool is_signed) {
  return {column, static_cast<int>(rng.uniform(0, 64 - bits)), bits, is_signed};
}

Case make_case(Opcode op, Rng& rng, int bits) {
  const Operand d = field(rng, 0, bits, rng.chance(0.5));
  const Operand a = field(rng, 1, static_cast<int>(rng.uniform(1, bits)), rng.chance(0.5));
  const Operand b = field(rng, 2, static_cast<int>(rng.uniform(1, bits)), rng.chance(0.5));
  using V = std::int64_t;
  switch (op) {
    case Opcode::copy:
      return {copy(d, a), false, [](V, V x, V) { return x; }};
    case Opcode::negate:
      return {negate(d, a), false, [](V, V x, V) { return -x; }};
    case Opcode::add:
      return {add(d, a, b), false, [](V, V x, V y) { return x + y; }};
    case Opcode::sub:
      return {sub(d, a, b), false, [](V, V x, V y) { return x - y; }};
    case Opcode::add_in_place:
      return {add_in_place(d, a), true, [](V s, V x, V) { return s + x; }};
    case Opcode::sub_in_place:
      return {sub_in_place(d, a), true, [](V s, V x, V) { return s - x; }};
    case Opcode::add_constant: {
      const V k = rng.uniform(min_value(bits, true), max_value(bits, false));
      return {add_constant(d, k), true, [k](V s, V, V) { return s + k; }};
    }
    case Opcode::relu: {
      const Operand s = field(rng, 0, bits, true);
      return {relu(s), true, [](V v, V, V) { return std::max<V>(v, 0); }};
    }
    case Opcode::max_in_place: {
      const Operand other = field(rng, 1, bits, d.is_signed);
      return {max_in_place(d, other), true, [](V s, V x, V) { return std::max(s, x); }};
    }
    case Opcode::saturate: {
      const Operand u = field(rng, 0, bits + 1, false);
      const int kept = static_cast<int>(rng.uniform(1, bits));
      return {saturate(u, kept), true, [kept](V s, V, V) {
                const V top = max_value(kept, false);
                return s > top ? (s | top) : s;  // the low bits are the result, the rest stays
              }};
    }
    default:
      return {clear(d), true, [](V, V, V) { return V{0}; }};
  }
}

TEST(RtmApKernel, EveryInstructionEqualsIntegersAtEveryWidth) {
  constexpr std::array<Opcode, 11> kOps = {Opcode::clear,
                                           Opcode::copy,
                                           Opcode::negate,
                                           Opcode::add,
                                           Opcode::sub,
                                           Opcode::add_in_place,
                                           Opcode::sub_in_place,
                                           Opcode::add_constant,
                                           Opcode::relu,
                                           Opcode::max_in_place,
                                           Opcode::saturate};
  Rng rng(1, "rtm_ap.kernel");
  for (const Opcode op : kOps) {
    for (int bits = 1; bits <= 16; ++bits) {
      for (int k = 0; k < 12; ++k) {
        Ports ports;
        ports.count = static_cast<int>(rng.uniform(1, 5));
        ports.choice = rng.chance(0.5) ? PortChoice::fixed : PortChoice::nearest;
        ports.policy = rng.chance(0.5) ? PortPolicy::lazy : PortPolicy::eager;
        const int rows = static_cast<int>(rng.uniform(1, 256));
        run_case(make_case(op, rng, bits), rng, rows, ports);
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

Case equal_widths(Opcode op, int bits) {
  const Operand d{0, 0, bits, false};
  const Operand a{1, 0, bits, false};
  const Operand b{2, 0, bits, false};
  using V = std::int64_t;
  switch (op) {
    case Opcode::add:
      return {add(d, a, b), false, [](V, V x, V y) { return x + y; }};
    case Opcode::sub:
      return {sub(d, a, b), false, [](V, V x, V y) { return x - y; }};
    case Opcode::sub_in_place:
      return {sub_in_place(d, a), true, [](V s, V x, V) { return s - x; }};
    default:
      return {add_in_place(d, a), true, [](V s, V x, V) { return s + x; }};
  }
}

/// Searches and writes of one cycle each: 8 m + 1 and 10 m + 1.
TEST(RtmApKernel, PassesAreThoseOfTheFacts) {
  Rng rng(2, "rtm_ap.passes");
  for (int m = 1; m <= 16; ++m) {
    for (const Opcode op : {Opcode::add_in_place, Opcode::sub_in_place}) {
      const Events e = run_case(equal_widths(op, m), rng, 64, Ports{}).events;
      EXPECT_EQ(e.searches + e.writes, 8 * m + 1);
      EXPECT_EQ(e.searched_cells, 64 * 12 * m);
    }
    for (const Opcode op : {Opcode::add, Opcode::sub}) {
      const Events e = run_case(equal_widths(op, m), rng, 64, Ports{}).events;
      EXPECT_EQ(e.searches + e.writes, 10 * m + 1);
      EXPECT_EQ(e.searched_cells, 64 * 15 * m);
    }
    for (int ma = 1; ma <= m; ++ma) {
      Case narrow = equal_widths(Opcode::add_in_place, m);
      narrow.instruction.a.bits = ma;
      const Events u = run_case(narrow, rng, 64, Ports{}).events;
      EXPECT_EQ(u.searches + u.writes, 8 * ma + 4 * (m - ma) + 1);
      narrow.instruction.a.is_signed = true;
      const Events s = run_case(narrow, rng, 64, Ports{}).events;
      EXPECT_EQ(s.searches + s.writes, 8 * m + 1);
    }
  }
}

/// Uniform data: 1/8 of the rows per pass, 0.75 changed bits per row and bit.
TEST(RtmApKernel, TagsAndChangesOfUniformData) {
  Rng rng(3, "rtm_ap.statistics");
  constexpr int kBits = 16;
  constexpr int kRounds = 60;
  for (const Opcode op : {Opcode::add_in_place, Opcode::sub_in_place, Opcode::add, Opcode::sub}) {
    std::int64_t hits = 0;
    std::int64_t changed = 0;
    std::int64_t searches = 0;
    for (int k = 0; k < kRounds; ++k) {
      const Events e = run_case(equal_widths(op, kBits), rng, 256, Ports{}).events;
      hits += e.tag_hits;
      changed += e.changed_cells;
      searches += e.searches;
    }
    const double row_bits = 256.0 * kBits * kRounds;
    const double hit_share = static_cast<double>(hits) / (256.0 * static_cast<double>(searches));
    // Carries begin at 0, so the first bits tag more of the three 0xx of add (and fewer of the three
    // 1xx of sub) than of the two others: C is 1 at bit i with probability (1 - 2^-i) / 2.
    const double carry = (1 - std::exp2(-kBits)) / (4.0 * kBits) / 5;
    const double bias = op == Opcode::add ? carry : op == Opcode::sub ? -carry : 0;
    EXPECT_NEAR(hit_share, 1.0 / 8 + bias, 0.02 / 8) << name_of(op);
    EXPECT_NEAR(static_cast<double>(changed) / row_bits, 0.75, 0.02 * 0.75) << name_of(op);
  }
}

TEST(RtmApKernel, RowsOutOfUseStayUntouched) {
  Program program;
  program.carry = 3;
  program.instructions = {
      clear({0, 0, 4, false}), add_constant({0, 0, 4, false}, 5), read({0, 0, 4, false}, 1)};
  Array array(kGeometry, Ports{}, 70);
  const auto out = array.run(program, {});
  ASSERT_EQ(out.size(), 2U);
  EXPECT_TRUE(out[0].empty());
  EXPECT_EQ(out[1], std::vector<std::int64_t>(70, 5));
  EXPECT_EQ(array.events().read_bits, 4 * 70);
  EXPECT_EQ(array.events().tag_hits % 70, 0) << "all rows in use do the same";
}

TEST(RtmApKernel, ReadsAViewWithItsOwnSign) {
  Program program;
  program.carry = 3;
  program.instructions = {clear({0, 0, 8, true}),
                          load({0, 0, 8, true}, 0),
                          read({0, 0, 8, true}, 0),
                          read({0, 2, 6, true}, 1),    // requantized by 4: floor
                          read({0, 0, 4, false}, 2)};  // low bits
  Array array(kGeometry, Ports{}, 3);
  const std::vector<std::vector<std::int64_t>> inputs = {{-7, 100, -128}};
  const auto out = array.run(program, inputs);
  EXPECT_EQ(out[0], (std::vector<std::int64_t>{-7, 100, -128}));
  EXPECT_EQ(out[1], (std::vector<std::int64_t>{-2, 25, -32}));
  EXPECT_EQ(out[2], (std::vector<std::int64_t>{9, 4, 0}));
}

/// An edited order that verify() refuses gives wrong sums: the kernel has no adder to hide it.
TEST(RtmApKernel, AWrongOrderOfPassesGivesWrongSums) {
  Program program;
  program.carry = 3;
  program.instructions = {clear({0, 0, 4, false}, 2),
                          load({0, 0, 4, false}, 0),
                          load({1, 0, 4, false}, 1),
                          add_in_place({0, 0, 4, false}, {1, 0, 4, false})};
  const std::vector<std::vector<std::int64_t>> inputs = {{4}, {1}};
  Array right(kGeometry, Ports{}, 1);
  right.run(program, inputs);
  EXPECT_EQ(right.peek({0, 0, 4, false}, 0), 5);
  program.orders = {{TableId::add_in_place, {1, 0, 2, 3}}};
  ASSERT_FALSE(verify(program, kGeometry).empty());
  Array wrong(kGeometry, Ports{}, 1);
  wrong.run(program, inputs);
  EXPECT_NE(wrong.peek({0, 0, 4, false}, 0), 5);
  program.orders = {{TableId::add_in_place, {2, 3, 0, 1}}};  // another right one
  ASSERT_TRUE(verify(program, kGeometry).empty());
  Array other(kGeometry, Ports{}, 1);
  other.run(program, inputs);
  EXPECT_EQ(other.peek({0, 0, 4, false}, 0), 5);
}

TEST(RtmApKernel, SlotsThatNobodyLoadsMayBeEmpty) {
  Program program;
  program.carry = 3;
  program.instructions = {clear({0, 0, 4, false}), load({0, 0, 4, false}, 2)};
  Array array(kGeometry, Ports{}, 2);
  array.run(program, std::vector<std::vector<std::int64_t>>{{}, {}, {7, 9}});
  EXPECT_EQ(array.peek({0, 0, 4, false}, 0), 7);
  EXPECT_EQ(array.peek({0, 0, 4, false}, 1), 9);
  EXPECT_THROW(array.run(program, std::vector<std::vector<std::int64_t>>{{}, {}, {7}}),
               InternalError);
  EXPECT_THROW(array.run(program, std::vector<std::vector<std::int64_t>>{{}, {}}), InternalError);
}

TEST(RtmApKernel, CountsWritesPerCell) {
  Program program;
  program.carry = 3;
  for (int k = 0; k < 10; ++k) {
    program.instructions.push_back(clear({0, 5, 1, false}));
  }
  Array array(kGeometry, Ports{}, 32);
  array.run(program, {});
  EXPECT_EQ(array.driven(0, 5), 320);
  EXPECT_EQ(array.driven(0, 4), 0);
  EXPECT_DOUBLE_EQ(array.most_writes_per_cell(), 10);
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
