// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Time of programs: steps against kernel, against their own sum, and against the closed form.
#include "arch/rtm_ap/steps.hpp"

#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

const Clock kClock{Hertz(1e9)};

/// Every action one cycle, no time for shifts.
Spec unit_times() {
  Spec spec;
  spec.t_search = spec.t_write = spec.t_load = spec.t_read_out = Seconds(1e-9);
  spec.t_shift = Seconds(0);
  return spec;
}

Program one(const Instruction& instruction) {
  Program program;
  program.carry = 255;
  program.instructions = {instruction};
  return program;
}

/// A program that verify() accepts, every instruction in it with random fields.
Program random_program(const Spec& spec, Rng& rng, int length) {
  Program program;
  program.carry = spec.columns - 1;
  Instruction all = clear({0, 0, spec.domains, false}, spec.columns - 1);
  program.instructions.push_back(all);
  const auto column = [&] { return static_cast<int>(rng.uniform(0, spec.columns - 2)); };
  const auto apart = [&](std::initializer_list<int> taken) {
    int c = column();
    while (std::find(taken.begin(), taken.end(), c) != taken.end()) {
      c = column();
    }
    return c;
  };
  const auto field = [&](int c, int bits, bool is_signed) {
    return Operand{c, static_cast<int>(rng.uniform(0, spec.domains - bits)), bits, is_signed};
  };
  int slots = 0;
  for (int k = 0; k < length; ++k) {
    const int m = static_cast<int>(rng.uniform(2, std::min(spec.domains, 20)));
    const int c = column();
    const Operand d = field(c, m, rng.chance(0.5));
    const int ca = apart({c});
    const Operand a = field(ca, static_cast<int>(rng.uniform(1, m)), rng.chance(0.5));
    const Operand b = field(apart({c, ca}), static_cast<int>(rng.uniform(1, m)), rng.chance(0.5));
    const auto out_of_place = [&](const Instruction& instruction) {
      program.instructions.push_back(clear(d));
      program.instructions.push_back(instruction);
    };
    switch (rng.uniform(0, 11)) {
      case 0:
        out_of_place(load(d, 0));
        break;
      case 1:
        program.instructions.push_back(read(d, slots++));
        break;
      case 2:
        out_of_place(copy(d, a));
        break;
      case 3:
        out_of_place(negate(d, a));
        break;
      case 4:
        out_of_place(add(d, a, b));
        break;
      case 5:
        out_of_place(sub(d, a, b));
        break;
      case 6:
        program.instructions.push_back(add_in_place(d, a));
        break;
      case 7:
        program.instructions.push_back(sub_in_place(d, a));
        break;
      case 8:
        program.instructions.push_back(
            add_constant(d, rng.uniform(min_value(m, true), max_value(m, false))));
        break;
      case 9:
        program.instructions.push_back(relu({d.column, d.first, d.bits, true}));
        break;
      case 10:
        program.instructions.push_back(max_in_place(d, field(ca, d.bits, d.is_signed)));
        break;
      default:
        program.instructions.push_back(
            saturate({d.column, d.first, d.bits, false}, static_cast<int>(rng.uniform(1, m - 1))));
    }
  }
  return program;
}

TEST(RtmApSteps, EightAndTenCyclesPerBit) {
  const Spec spec = unit_times();
  for (int m = 1; m <= 16; ++m) {
    const Operand d{0, 0, m, false};
    const Operand a{1, 0, m, false};
    const Operand b{2, 0, m, false};
    EXPECT_EQ(totals(spec, kClock, one(add_in_place(d, a)), 256).latency(), Cycles(8 * m + 1));
    EXPECT_EQ(totals(spec, kClock, one(sub_in_place(d, a)), 256).latency(), Cycles(8 * m + 1));
    EXPECT_EQ(totals(spec, kClock, one(add(d, a, b)), 256).latency(), Cycles(10 * m + 1));
    EXPECT_EQ(totals(spec, kClock, one(sub(d, a, b)), 256).latency(), Cycles(10 * m + 1));
    EXPECT_EQ(totals(spec, kClock, one(relu({0, 0, m, true})), 256).latency(), Cycles(m + 1));
    for (int ma = 1; ma <= m; ++ma) {
      const Operand narrow{1, 0, ma, false};
      EXPECT_EQ(totals(spec, kClock, one(add_in_place(d, narrow)), 256).latency(),
                Cycles(8 * ma + 4 * (m - ma) + 1));
    }
  }
}

/// m - 1 steps per operand column when the fields begin at rest; the carry column stands still.
TEST(RtmApSteps, ShiftsOfABitSerialAddition) {
  Spec spec = unit_times();
  spec.t_shift = Seconds(2e-9);
  const Totals t = totals(spec, kClock, one(add_in_place({0, 0, 12, true}, {1, 0, 4, false})), 10);
  EXPECT_EQ(t.did[kShift], 10 * (11 + 3));
  EXPECT_EQ(t.shift, 2 * Cycles(11));
  Program twice = one(add_in_place({0, 0, 12, true}, {1, 0, 4, false}));
  twice.instructions.push_back(twice.instructions[0]);
  const Totals again = totals(spec, kClock, twice, 10);
  EXPECT_EQ(again.did[kShift], 10 * 3 * (11 + 3)) << "there, back, and there again";
  EXPECT_EQ(again.shift, Cycles(11) * 2 * 3);
}

/// In-place addition, per row and bit, in the three technologies of the facts: 12 searched cells,
/// 0.75 written ones.
TEST(RtmApSteps, CellsPerRowAndBitOfAnAddition) {
  const Totals t =
      totals(unit_times(), kClock, one(add_in_place({0, 0, 16, false}, {1, 0, 16, false})), 256);
  EXPECT_EQ(t.did[kSearchCell], 256 * 16 * 12);
  EXPECT_EQ(t.did[kWriteCell], 256 * 16 * 3 / 4 + 256) << "and the carry cleared once";
  EXPECT_EQ(t.did[kTag], 256 * 16 * 4);
}

/// Of an addition in place the carry's cell is written most: cleared once, and by two of the four
/// passes of a bit in an eighth of the rows each; B's cells by all four. A clear writes every row.
TEST(RtmApSteps, WritesOfTheCellThatIsWrittenMost) {
  const auto most = [](const Program& program) {
    return totals(unit_times(), kClock, program, 256).most_written;
  };
  const Instruction sum = add_in_place({0, 0, 16, false}, {1, 0, 16, false});
  EXPECT_EQ(most(one(sum)), 1 + 16 * 2 / 8.0);
  EXPECT_EQ(most(one(add_in_place({0, 0, 1, false}, {1, 0, 1, false}))), 1 + 2 / 8.0);
  Program wiped = one(sum);
  wiped.instructions.insert(wiped.instructions.end(), 7, clear({1, 3, 1, false}, 2));
  EXPECT_EQ(most(wiped), 7);
}

class RtmApPrograms : public testing::TestWithParam<int> {};

TEST_P(RtmApPrograms, StepsKernelAndClosedFormAgree) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  Rng rng(seed, "rtm_ap.steps");
  const Spec spec = random_spec(seed);
  ASSERT_TRUE(problems(spec).empty());
  const Program program = random_program(spec, rng, 30);
  for (const Problem& problem : verify(program, geometry(spec))) {
    FAIL() << problem.sentence << ": " << problem.got;
  }
  const int rows = static_cast<int>(rng.uniform(1, spec.rows));
  const Totals sum = totals(spec, kClock, program, rows);

  // The list of steps, played by the rule of every kind.
  const Schedule schedule = make_schedule(steps(spec, kClock, program, rows));
  EXPECT_EQ(schedule.latency, sum.latency());
  EXPECT_EQ(schedule.did, sum.did);

  // The same, handed out instruction by instruction.
  const StepSource source =
      firing_source(spec, kClock, std::make_shared<const Program>(program), rows);
  for_each_instruction(
      spec, kClock, program, rows, [&](std::size_t instruction, const std::vector<Step>& list) {
        if (list.empty()) {
          return;
        }
        const std::span<const Step> piece = source();
        ASSERT_EQ(piece.size(), list.size() + 2);
        EXPECT_EQ(piece[0].on, kController);
        EXPECT_EQ(piece[0].index, static_cast<std::int64_t>(instruction));
        EXPECT_EQ(piece[0].occupancy, make_schedule(list).latency);
        EXPECT_EQ(uses_of(kController)[static_cast<std::size_t>(piece[0].use)],
                  name_of(program.instructions[instruction].op));
        for (std::size_t i = 0; i < list.size(); ++i) {
          const Step& step = piece[i + 2];
          EXPECT_EQ(
              std::tie(step.on, step.occupancy, step.latency, step.repeat, step.did),
              std::tie(
                  list[i].on, list[i].occupancy, list[i].latency, list[i].repeat, list[i].did));
        }
      });
  EXPECT_TRUE(source().empty());

  // What the array did with real bits.
  std::vector<std::int64_t> input(static_cast<std::size_t>(rows));
  for (std::int64_t& v : input) {
    v = static_cast<std::int64_t>(rng.bits() >> 1);
  }
  Array array(geometry(spec), ports(spec), rows);
  array.run(program, std::vector<std::vector<std::int64_t>>{input});
  const Events& e = array.events();
  EXPECT_EQ(e.searched_cells, sum.did[kSearchCell]);
  EXPECT_EQ(e.searches * rows, sum.did[kTag]);
  EXPECT_EQ(e.shifts, sum.did[kShift]);
  EXPECT_EQ(e.loaded_bits, sum.did[kLoadBit]);
  EXPECT_EQ(e.read_bits, sum.did[kReadBit]);
  EXPECT_EQ(kClock.ceil_cycles(spec.t_search) * e.searches, sum.search);
  EXPECT_EQ(kClock.ceil_cycles(spec.t_write) * e.writes, sum.write);

  // The closed form.
  const ProgramCost cost = program_cost(spec, kClock, program, rows);
  EXPECT_EQ(cost.latency, sum.latency());
  EXPECT_EQ(cost.did, sum.did);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RtmApPrograms, testing::Range(1, 301));

}  // namespace
}  // namespace tessera::arch::rtm_ap
