// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Programs of an associative processor, whole: whatever text comes in, whatever a program does.
///
/// Replay   TESSERA_SEED=<seed printed by the failure>
#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

std::vector<std::uint64_t> seeds(std::uint64_t cases) {
  if (const char* text = std::getenv("TESSERA_SEED")) {
    return {std::strtoull(text, nullptr, 10)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t s = 1; s <= cases; ++s) {
    all.push_back(s);
  }
  return all;
}

constexpr Geometry kGeometry{100, 8, 32};

/// A short program; each of its fields is drawn from beyond what is possible now and then.
Program wild_program(Rng& rng) {
  Program program;
  const auto draw = [&rng](int low, int high) {
    const int beyond = rng.chance(0.03) ? 9 : 0;
    return static_cast<int>(rng.uniform(low - beyond, high + beyond));
  };
  program.carry = draw(7, 7);
  if (rng.chance(0.2)) {
    program.orders.push_back({TableId::add_in_place, {2, 3, draw(0, 0), 1}});
  }
  program.instructions.push_back(clear({0, 0, draw(32, 32), false}, 7));
  const auto operand = [&] {
    return Operand{draw(0, 6), draw(0, 18), draw(1, 14), rng.chance(0.5)};
  };
  const auto length = rng.uniform(1, 6);
  for (std::int64_t k = 0; k < length; ++k) {
    Instruction i;
    i.op = enum_names(Opcode{})[static_cast<std::size_t>(rng.uniform(0, 13))].first;
    i.dst = operand();
    i.a = operand();
    i.b = operand();
    if (rng.chance(0.8)) {  // widths that fit
      i.a.bits = i.op == Opcode::max_in_place ? i.dst.bits : std::min(i.a.bits, i.dst.bits);
      i.b.bits = std::min(i.b.bits, i.dst.bits);
      i.a.is_signed = i.op == Opcode::max_in_place ? i.dst.is_signed : i.a.is_signed;
    }
    i.value = draw(0, 1);
    if (i.op == Opcode::clear) {
      i.value = 1;
    }
    program.instructions.push_back(i);
  }
  return program;
}

/// What verify() accepts runs, and its array, steps and closed form agree; what it does not accept
/// has a reason.
TEST(RtmApProperty, WhatVerifyAcceptsRuns) {
  int accepted = 0;
  for (const std::uint64_t seed : seeds(4000)) {
    SCOPED_TRACE("TESSERA_SEED=" + std::to_string(seed));
    Rng rng(seed, "rtm_ap.wild");
    const Program program = wild_program(rng);
    const std::vector<Problem> problems = verify(program, kGeometry);
    for (const Problem& problem : problems) {
      ASSERT_FALSE(problem.sentence.empty());
      ASSERT_FALSE(problem.expected.empty());
      ASSERT_FALSE(problem.got.empty());
    }
    if (!problems.empty()) {
      continue;
    }
    ++accepted;
    Spec spec;
    spec.rows = kGeometry.rows;
    spec.columns = kGeometry.columns;
    spec.domains = kGeometry.domains;
    spec.ports = static_cast<int>(rng.chance(0.5) ? 1 : rng.uniform(2, spec.domains));
    spec.port_choice = rng.chance(0.5) ? PortChoice::fixed : PortChoice::nearest;
    spec.port_policy = rng.chance(0.5) ? PortPolicy::lazy : PortPolicy::eager;
    Array array(kGeometry, ports(spec), 100);
    const std::vector<std::vector<std::int64_t>> inputs(32, std::vector<std::int64_t>(100, -1));
    array.run(program, inputs);
    const Totals t = totals(spec, Clock{}, program, 100);
    EXPECT_EQ(array.events().shifts, t.did[kShift]);
    EXPECT_EQ(array.events().searched_cells, t.did[kSearchCell]);
    const ProgramCost cost = program_cost(spec, Clock{}, program, 100);
    EXPECT_EQ(cost.latency, t.latency());
    EXPECT_EQ(cost.did, t.did);
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GE(accepted, 400);
    EXPECT_LE(accepted, 3600);
  }
}

/// Ports and policies move nanowires, not bits.
TEST(RtmApProperty, PortsDoNotChangeBits) {
  for (const std::uint64_t seed : seeds(50)) {
    SCOPED_TRACE("TESSERA_SEED=" + std::to_string(seed));
    Rng rng(seed, "rtm_ap.ports");
    Program program;
    program.carry = 7;
    program.instructions = {clear({0, 0, 32, false}, 7)};
    std::vector<std::vector<std::int64_t>> inputs(4, std::vector<std::int64_t>(100));
    for (int k = 0; k < 4; ++k) {
      program.instructions.push_back(load({k, 3 * k, 8, false}, k));
      for (std::int64_t& v : inputs[static_cast<std::size_t>(k)]) {
        v = rng.uniform(0, 255);
      }
    }
    for (int k = 0; k < 20; ++k) {
      const Operand d{static_cast<int>(rng.uniform(4, 6)),
                      static_cast<int>(rng.uniform(0, 10)),
                      static_cast<int>(rng.uniform(8, 20)),
                      true};
      const auto from = static_cast<int>(rng.uniform(0, 3));
      const Operand a{from, 3 * from, 8, false};
      program.instructions.push_back(rng.chance(0.5) ? add_in_place(d, a) : sub_in_place(d, a));
    }
    for (int k = 4; k < 7; ++k) {
      program.instructions.push_back(read({k, 0, 32, true}, k));
    }
    ASSERT_TRUE(verify(program, kGeometry).empty());
    Array one(kGeometry, Ports{}, 100);
    const auto expected = one.run(program, inputs);
    for (int k = 0; k < 4; ++k) {
      Ports other;
      other.count = static_cast<int>(rng.uniform(1, 8));
      other.choice = rng.chance(0.5) ? PortChoice::fixed : PortChoice::nearest;
      other.policy = rng.chance(0.5) ? PortPolicy::lazy : PortPolicy::eager;
      Array array(kGeometry, other, 100);
      EXPECT_EQ(array.run(program, inputs), expected);
      EXPECT_EQ(array.events().tag_hits, one.events().tag_hits);
      EXPECT_EQ(array.events().changed_cells, one.events().changed_cells);
    }
  }
}

/// Text with holes, doubled pieces and strange bytes is read or reported, and a program that was
/// read prints itself.
TEST(RtmApProperty, AnyTextIsReadOrReported) {
  const std::string good =
      "program a\nlayer b c\nwidths 2\narray 32 24 20\nterms 9\nslices 4 9 1\nin 0 input 17 +8\n"
      "in 1 term 5 2\nout 0 sum 6 -16\nout 1 output 7\n"
      "carry 7\norder add 4 0 1 2 3\nclear c0..c6[0+32]s\nload c0[0+8]u, 0\n"
      "add c1[0+9]s, c0[0+8]u, c2[1+8]s # sum\nadd_constant c1[0+9]s, -12\nread c1[2+7]s, 1\n";
  int clean = 0;
  for (const std::uint64_t seed : seeds(5000)) {
    SCOPED_TRACE("TESSERA_SEED=" + std::to_string(seed));
    Rng rng(seed, "rtm_ap.text");
    std::string text = good;
    const auto edits = rng.uniform(0, 6);
    for (std::int64_t k = 0; k < edits; ++k) {
      const auto at = static_cast<std::size_t>(rng.uniform(0, std::ssize(text) - 1));
      switch (rng.uniform(0, 3)) {
        case 0:
          text.erase(at, static_cast<std::size_t>(rng.uniform(1, 5)));
          break;
        case 1:
          text.insert(at, text.substr(at, 9));
          break;
        case 2:
          text.insert(at, 1, "0123456789cs[]+,#\n\r\t -"[rng.uniform(0, 21)]);
          break;
        default:
          text[at] = static_cast<char>(rng.uniform(0, 255));
      }
      if (text.empty()) {
        text = good;
      }
    }
    Diagnostics diagnostics;
    const Listing listing = parse(text, "wild.apasm", diagnostics);
    ASSERT_EQ(listing.instruction_at.size(), listing.program.instructions.size());
    ASSERT_EQ(listing.order_at.size(), listing.program.orders.size());
    (void)diagnostics.render();
    Diagnostics problems;
    report(verify(listing.program, kGeometry), listing, problems);
    if (diagnostics.ok()) {
      ++clean;
      Diagnostics again;
      const Listing printed =
          parse(print(listing.head) + print(listing.program), "printed.apasm", again);
      EXPECT_EQ(printed.program, listing.program);
      EXPECT_EQ(printed.head, listing.head);
      EXPECT_TRUE(again.ok()) << again.render();
    }
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GE(clean, 500);
  }
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
