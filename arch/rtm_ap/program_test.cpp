// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Text form and verifier of AP programs.
#include "arch/rtm_ap/program.hpp"

#include "sim/base/rng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

using ::testing::HasSubstr;

constexpr Geometry kSmall{64, 16, 32};

Operand u(int column, int first, int bits) {
  return {column, first, bits, false};
}

Operand s(int column, int first, int bits) {
  return {column, first, bits, true};
}

Program program(std::vector<Instruction> instructions) {
  Program made;
  made.carry = 15;
  made.instructions = std::move(instructions);
  return made;
}

/// Sentences of all problems, in one text.
std::string problems(const Program& made, const Geometry& geometry = kSmall) {
  std::string text;
  for (const Problem& problem : verify(made, geometry)) {
    text += problem.sentence + "; expected " + problem.expected + "; got " + problem.got + "\n";
  }
  return text;
}

TEST(RtmApProgram, PrintsOneInstructionALine) {
  const Program made = program({clear(s(3, 0, 12), 4),
                                load(u(0, 0, 4), 2),
                                add_in_place(s(3, 0, 12), u(0, 0, 4)),
                                add_constant(s(3, 0, 12), -5),
                                read(s(3, 2, 10), 0)});
  EXPECT_EQ(print(made),
            "carry 15\n"
            "clear c3..c6[0+12]s\n"
            "load c0[0+4]u, 2\n"
            "add_in_place c3[0+12]s, c0[0+4]u\n"
            "add_constant c3[0+12]s, -5\n"
            "read c3[2+10]s, 0\n");
}

Operand random_operand(Rng& rng) {
  return {static_cast<int>(rng.uniform(0, 255)),
          static_cast<int>(rng.uniform(0, 63)),
          static_cast<int>(rng.uniform(1, 20)),
          rng.chance(0.5)};
}

TEST(RtmApProgram, ReadsBackWhatItPrinted) {
  Rng rng(1, "rtm_ap.program.text");
  Program made;
  made.carry = 255;
  made.orders.push_back({TableId::add, {4, 0, 1, 2, 3}});
  made.orders.push_back({TableId::sub_in_place_tail, {1, 0}});
  for (int i = 0; i < 200; ++i) {
    for (const auto& [op, name] : enum_names(Opcode{})) {
      switch (op) {
        case Opcode::load:
          made.instructions.push_back(load(random_operand(rng), 7));
          break;
        case Opcode::read:
          made.instructions.push_back(read(random_operand(rng), 7));
          break;
        case Opcode::clear:
          made.instructions.push_back(
              clear(random_operand(rng), static_cast<int>(rng.uniform(1, 9))));
          break;
        case Opcode::add:
        case Opcode::sub:
          made.instructions.push_back(
              {op, random_operand(rng), random_operand(rng), random_operand(rng), 0});
          break;
        case Opcode::add_constant:
          made.instructions.push_back(
              add_constant(random_operand(rng), rng.uniform(-100000, 100000)));
          break;
        case Opcode::relu:
          made.instructions.push_back(relu(random_operand(rng)));
          break;
        case Opcode::saturate:
          made.instructions.push_back(saturate(random_operand(rng), 4));
          break;
        default:
          made.instructions.push_back({op, random_operand(rng), random_operand(rng), {}, 0});
      }
    }
  }
  Diagnostics diagnostics;
  const Listing listing = parse(print(made), "p.apasm", diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(listing.program, made);
  ASSERT_EQ(listing.instruction_at.size(), made.instructions.size());
  EXPECT_EQ(listing.instruction_at.front().line, 4);
}

TEST(RtmApProgram, TakesCommentsAndSpaces) {
  Diagnostics diagnostics;
  const Listing listing =
      parse("# a program\n\n  carry 3  # here\nrelu  c1[ 0 + 4 ]s # sign\r\n", "p", diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  ASSERT_EQ(listing.program.instructions.size(), 1U);
  EXPECT_EQ(listing.program.instructions[0], relu(s(1, 0, 4)));
  EXPECT_EQ(listing.instruction_at[0].line, 4);
}

TEST(RtmApProgram, ReportsEveryLineThatCannotBeRead) {
  Diagnostics diagnostics;
  (void)parse(
      "carry 300000\n"
      "ad_in_place c1[0+4]u, c2[0+4]u, c3[0+4]u\n"
      "add c1[0+4]u, c2[0+4]u\n"
      "relu c1[0+4]\n"
      "clear c9..c3[0+1]u\n"
      "load c1[0+4]u, 99999999999999999999\n"
      "order add_inplace 0 1\n"
      "relu c1[0+4]s c2\n",
      "p.apasm",
      diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 8U) << diagnostics.render();
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(diagnostics.errors()[i].code, "E-AP-SYNTAX");
    EXPECT_EQ(diagnostics.errors()[i].at.line, static_cast<int>(i) + 1);
  }
  EXPECT_THAT(diagnostics.errors()[1].hint, HasSubstr("'add_in_place'"));
  EXPECT_EQ(diagnostics.errors()[2].at.column, 23);
  EXPECT_THAT(diagnostics.errors()[6].hint, HasSubstr("'add_in_place'"));
}

TEST(RtmApProgram, MissesTheCarryColumn) {
  Diagnostics diagnostics;
  (void)parse("relu c1[0+4]s\n", "p.apasm", diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_THAT(diagnostics.errors()[0].expected, HasSubstr("carry"));
  Diagnostics empty;
  (void)parse("", "p.apasm", empty);
  EXPECT_EQ(empty.errors().size(), 1U);
}

constexpr const char* kHead =
    "program 008_conv3.v0\n"
    "network tiny cnn\n"
    "layer conv3\n"
    "widths weights 2, inputs 4u, outputs 4u\n"
    "weights 8c6a1f20b4de9375\n"
    "array 32 24 20\n"
    "terms 9\n"
    "slices 4 9 1\n"
    "in 0 input 17 +8\n"
    "in 1 term 5 2 +256\n"
    "in 2 partial 5 1\n"
    "out 0 output 5\n"
    "out 1 sum 6 -16\n"
    "out 2 total 7\n"
    "out 3 partial 8\n";

TEST(RtmApHead, IsReadBackAsPrinted) {
  Diagnostics diagnostics;
  const Listing listing =
      parse(std::string(kHead) + "\nlayer  conv3   # again\ncarry 3\n", "p", diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(print(listing.head), kHead);
  EXPECT_EQ(listing.head.array, (Geometry{32, 24, 20}));
  EXPECT_EQ(listing.head.loads.at(1), (SlotRole{SlotRole::What::term, 5, 2, 256}));
  ASSERT_EQ(listing.head_lines.size(), 16U);
  EXPECT_EQ(listing.head_lines.back().text, "layer conv3");
  EXPECT_EQ(listing.head_lines.back().at.line, 17);
}

TEST(RtmApHead, LosesWhatALineCannotHold) {
  Head head;
  head.layer = " a#b\n  c ";
  EXPECT_EQ(print(head), "layer a_b c\n");
}

TEST(RtmApHead, ReportsEveryLineThatCannotBeRead) {
  Diagnostics diagnostics;
  (void)parse(
      "program\n"
      "array 32 24\n"
      "in 1 input 3\n"
      "in 0 output 3\n"
      "in 0 term 3\n"
      "in 0 input 3 8\n"  // an offset may do without its sign
      "in 1 input 3 + \n"
      "out 0 outptu 3\n"
      "out 0 sum -3\n"
      "out 0 sum 3 +4 5\n"
      "slices 4 9\n"
      "slices 1 9 1\n"
      "carry 3\n",
      "p.apasm",
      diagnostics);
  std::vector<int> lines;
  for (const Diagnostic& d : diagnostics.errors()) {
    EXPECT_EQ(d.code, "E-AP-SYNTAX");
    lines.push_back(d.at.line);
  }
  EXPECT_THAT(lines, testing::ElementsAre(1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12));
  EXPECT_THAT(diagnostics.errors().at(6).hint, HasSubstr("'output'"));
}

TEST(RtmApHead, ATextMayHoldSeveralPrograms) {
  const std::string text =
      "# first\nprogram a\ncarry 3\nclear c0[0+1]u\nprogram b\nlayer x\ncarry 4\nprogram c\n";
  Diagnostics diagnostics;
  const std::vector<Listing> all = parse_all(text, "p.apasm", diagnostics);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].head.program, "a");
  EXPECT_EQ(all[0].program.instructions.size(), 1U);
  EXPECT_EQ(all[1].head.layer, "x");
  EXPECT_EQ(all[1].program.carry, 4);
  EXPECT_EQ(all[1].begin.line, 5);
  ASSERT_EQ(diagnostics.errors().size(), 1U) << "the last one has no carry column";
  EXPECT_EQ(diagnostics.errors()[0].at.line, 8);
  Diagnostics one;
  (void)parse("program a\ncarry 3\nprogram b\ncarry 4\n", "p.apasm", one);
  ASSERT_EQ(one.errors().size(), 1U);
  EXPECT_EQ(one.errors()[0].at.line, 3);
}

TEST(RtmApVerify, AcceptsAProgramThatRuns) {
  EXPECT_EQ(problems(program({clear(u(0, 0, 8), 4),
                              load(u(0, 0, 4), 0),
                              load(u(1, 0, 4), 1),
                              add(u(2, 0, 5), u(0, 0, 4), u(1, 0, 4)),
                              add_in_place(s(3, 0, 8), u(2, 0, 5)),
                              sub_in_place(s(3, 0, 8), u(0, 0, 4)),
                              relu(s(3, 0, 8)),
                              saturate(u(3, 1, 7), 4),
                              read(u(3, 1, 4), 0)})),
            "");
}

TEST(RtmApVerify, FieldsLieInsideTheArrayAndOutsideTheCarry) {
  const std::string text = problems(program({clear(u(16, 0, 1)),
                                             clear(u(-1, 0, 1)),
                                             clear(u(14, 0, 1), 2),
                                             clear(u(0, 30, 3)),
                                             clear(u(0, -1, 3)),
                                             clear(u(0, 0, 0)),
                                             clear(u(0, 0, 1), 0),
                                             clear(u(0, INT32_MAX, INT32_MAX)),
                                             clear(u(0, 0, 1), INT32_MAX)}));
  EXPECT_THAT(text, HasSubstr("columns in [0, 15]; got column 16"));
  EXPECT_THAT(text, HasSubstr("got column -1"));
  EXPECT_THAT(text, HasSubstr("lies in the carry column"));
  EXPECT_THAT(text, HasSubstr("domains in [0, 31]; got 3 bits from domain 30 on"));
  EXPECT_THAT(text, HasSubstr("got 3 bits from domain -1 on"));
  EXPECT_THAT(text, HasSubstr("got 0 bits"));
  EXPECT_THAT(text, HasSubstr("clear names no column"));
  EXPECT_THAT(text, HasSubstr("bits from domain 2147483647 on"));
  EXPECT_THAT(text, HasSubstr("got column 2147483646"));
  Program outside = program({});
  outside.carry = 16;
  EXPECT_THAT(problems(outside), HasSubstr("carry column is not in the array"));
}

TEST(RtmApVerify, OperandsLieInDifferentColumns) {
  const std::string text = problems(program({clear(u(0, 0, 32), 4),
                                             add_in_place(u(0, 0, 8), u(0, 8, 8)),
                                             add(u(1, 0, 8), u(2, 0, 8), u(2, 8, 8)),
                                             copy(u(3, 0, 8), u(3, 8, 8))}));
  EXPECT_THAT(text, HasSubstr("got column 0 twice"));
  EXPECT_THAT(text, HasSubstr("got column 2 twice"));
  EXPECT_THAT(text, HasSubstr("got column 3 twice"));
}

TEST(RtmApVerify, NothingIsReadThatWasNeverWritten) {
  EXPECT_THAT(problems(program({clear(u(0, 0, 8)), add_in_place(u(0, 0, 8), u(1, 0, 8))})),
              HasSubstr("the operand was never written"));
  EXPECT_THAT(problems(program(
                  {clear(u(1, 0, 7)), clear(u(0, 0, 8)), add_in_place(u(0, 0, 8), u(1, 0, 8))})),
              HasSubstr("got column 1, domain 7"));
  EXPECT_THAT(problems(program({relu(s(0, 0, 8))})),
              HasSubstr("the destination was never written"));
  EXPECT_THAT(problems(program(
                  {clear(u(0, 0, 4)), clear(u(2, 0, 4)), add(u(2, 0, 4), u(0, 0, 4), u(1, 0, 4))})),
              HasSubstr("the second operand was never written"));
}

TEST(RtmApVerify, OutOfPlaceDestinationsAreClear) {
  EXPECT_THAT(problems(program({load(u(0, 0, 4), 0)})), HasSubstr("domain 0 was never written"));
  EXPECT_THAT(problems(program({clear(u(0, 0, 8), 3),
                                add(u(2, 0, 4), u(0, 0, 4), u(1, 0, 4)),
                                add(u(2, 0, 4), u(0, 0, 4), u(1, 0, 4))})),
              HasSubstr("column 2, domain 0 holds a value"));
}

TEST(RtmApVerify, EveryInstructionThatOnlyWritesOnesNeedsAClearDestination) {
  const Operand d = u(2, 0, 4);
  const Operand a = u(0, 0, 4);
  const Operand b = u(1, 0, 4);
  for (const Instruction& i : {load(d, 0), copy(d, a), negate(d, a), add(d, a, b), sub(d, a, b)}) {
    EXPECT_EQ(problems(program({clear(u(0, 0, 8), 3), i})), "") << print(i);
    EXPECT_THAT(problems(program({clear(u(0, 0, 8), 3), add_constant(u(2, 3, 1), 1), i})),
                HasSubstr("column 2, domain 3 holds a value"))
        << print(i);
  }
}

TEST(RtmApVerify, WidthsAndSignsFit) {
  const std::string text = problems(program({clear(u(0, 0, 16), 3),
                                             add_in_place(u(0, 0, 4), u(1, 0, 5)),
                                             max_in_place(u(0, 0, 4), s(1, 0, 4)),
                                             max_in_place(u(0, 0, 4), u(1, 0, 3)),
                                             relu(u(0, 0, 4)),
                                             saturate(u(0, 0, 4), 4),
                                             saturate(s(0, 0, 4), 2),
                                             add_constant(s(0, 0, 4), 16),
                                             add_constant(s(0, 0, 4), -9),
                                             read(u(0, 0, 4), -1),
                                             read(u(0, 0, 4), 3),
                                             read(u(1, 0, 4), 3)}));
  EXPECT_THAT(text, HasSubstr("expected at most 4 bits; got 5 bits"));
  EXPECT_THAT(text, HasSubstr("expected 4 bits, unsigned; got 4 bits, signed"));
  EXPECT_THAT(text, HasSubstr("expected 4 bits, unsigned; got 3 bits, unsigned"));
  EXPECT_THAT(text, HasSubstr("relu of an unsigned value"));
  EXPECT_THAT(text, HasSubstr("expected bits in [1, 3]"));
  EXPECT_THAT(text, HasSubstr("expected an unsigned destination"));
  EXPECT_THAT(text, HasSubstr("expected a value in [-8, 15]; got 16"));
  EXPECT_THAT(text, HasSubstr("got -9"));
  EXPECT_THAT(text, HasSubstr("a slot has a negative number"));
  EXPECT_THAT(text, HasSubstr("slot 3 is read out twice"));
}

TEST(RtmApVerify, SlotsHoldWhatANumberHolds) {
  const std::string text = problems(program({clear(u(0, 0, 64), 2),
                                             load(u(0, 0, 64), 0),
                                             read(u(1, 0, 64), 0),
                                             read(u(1, 0, 4), 1'000'000)}),
                                    {64, 16, 64});
  EXPECT_THAT(text, HasSubstr("at most 63 bits; got load c0[0+64]u, 0"));
  EXPECT_THAT(text, HasSubstr("at most 63 bits; got read c1[0+64]u, 0"));
  EXPECT_THAT(text, HasSubstr("got 1000000"));
}

TEST(RtmApVerify, SaysWhichPassOfAnOrderBreaksWhich) {
  Program made = program({});
  made.orders = {{TableId::add_in_place, {0, 1, 3, 2}},
                 {TableId::sub, {0, 0, 1, 2, 3}},
                 {TableId::add, {4, 0, 1, 2, 3}}};
  const std::vector<Problem> found = verify(made, kSmall);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].sentence,
            "this order of add_in_place breaks: pass 110->B0 makes 100, which the later pass "
            "100->C0B1 matches");
  EXPECT_EQ(found[0].expected, "pass 2 (100->C0B1) before pass 3 (110->B0)");
  EXPECT_THAT(found[1].sentence, HasSubstr("does not name each of its passes once"));
  EXPECT_THAT(found[2].sentence, HasSubstr("pass 011->C1 makes 111, which the later pass 111->R1"));
}

TEST(RtmApVerify, RejectsTheReversedSubtractionWithItsReason) {
  const std::string text = problems(program(
      {clear(u(0, 0, 8), 2), {Opcode::reverse_sub_in_place, u(0, 0, 8), u(1, 0, 8), {}, 0}}));
  EXPECT_THAT(text, HasSubstr("pass 001->B1 makes 011, which the later pass 011->B0 matches"));
  EXPECT_THAT(text, HasSubstr("pass 011->B0 makes 001, which the later pass 001->B1 matches"));
}

TEST(RtmApVerify, ATableHasOneOrder) {
  Program made = program({});
  made.orders = {{TableId::add, {0, 1, 2, 3, 4}},
                 {TableId::add_in_place, {0, 1, 2, 3}},
                 {TableId::add_in_place, {0, 1, 2, 3}}};
  const std::vector<Problem> found = verify(made, kSmall);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].index, 2U);
  EXPECT_EQ(found[0].sentence, "a second order of add_in_place");
}

TEST(RtmApVerify, AFieldIsWrittenAlsoByAWrongInstruction) {
  const std::string text = problems(
      program({clear(u(0, 0, 4), 2), copy(u(1, 0, 4), u(99, 0, 4)), add_constant(u(1, 0, 4), 3)}));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

/// What cannot be read may have written anything; rules that need no state hold all the same.
TEST(RtmApVerify, ChecksWhatCouldBeRead) {
  const auto lines = [](const std::string& text) {
    Diagnostics diagnostics;
    check(parse(text, "p", diagnostics), kSmall, diagnostics);
    std::vector<int> found;
    for (const Diagnostic& d : diagnostics.errors()) {
      found.push_back(d.at.line);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  EXPECT_EQ(lines("carry 15\n"
                  "relu c0[0+4]s\n"    // never written
                  "cler c1[0+4]u\n"    // cannot be read
                  "relu c1[0+4]s\n"    // may be written by it
                  "relu c99[0+4]s\n"   // not in the array
                  "read c1[0+4], 0\n"  // cannot be read
                  "relu c1[0+4]u\n"),  // unsigned
            (std::vector<int>{2, 3, 5, 6, 7}));
  EXPECT_EQ(lines("carry 15\nclear c1[-1+4]u\nclear c1[0+99999]u\nclear c1..c-1[0+1]u\n"),
            (std::vector<int>{2, 3, 4}))
      << "one error a line";
  EXPECT_EQ(lines("clear c0[0+4]u\nrelu c0[0+4]u\n"), (std::vector<int>{2, 2})) << "no carry";
  EXPECT_EQ(lines("carry x\nclear c0[0+4]u\nrelu c0[0+4]u\n"), (std::vector<int>{1, 3}));
}

TEST(RtmApVerify, PointsAtTheLineAndStopsAtItsLimit) {
  Diagnostics diagnostics;
  const Listing listing = parse("carry 15\nrelu c0[0+4]s\n\nrelu c16[0+4]s\n", "p", diagnostics);
  report(verify(listing.program, kSmall), listing, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 2U);
  EXPECT_EQ(diagnostics.errors()[0].at.line, 2);
  EXPECT_EQ(diagnostics.errors()[1].at.line, 4);
  EXPECT_EQ(verify(program(std::vector<Instruction>(50, relu(s(99, 0, 4)))), kSmall, 10).size(),
            10U);
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
