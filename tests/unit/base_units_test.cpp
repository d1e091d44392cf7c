// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/units.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace tessera {
namespace {

template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};

static_assert(Addable<Seconds, Seconds>);
static_assert(!Addable<Seconds, Joules>);
static_assert(!Addable<Bits, Cycles>);
static_assert(!Addable<Seconds, double>);
static_assert(!std::is_convertible_v<double, Seconds>);

TEST(Units, ArithmeticKeepsTheUnit) {
  Cycles c(3);
  c += Cycles(4);
  c -= Cycles(1);
  EXPECT_EQ(c, Cycles(6));
  EXPECT_EQ(c * 2, Cycles(12));
  EXPECT_EQ(2 * c, Cycles(12));
  EXPECT_EQ(Cycles(7) - Cycles(2), Cycles(5));
  EXPECT_LT(Cycles(1), Cycles(2));
  EXPECT_EQ(Cycles(), Cycles(0));
  EXPECT_DOUBLE_EQ((Watts(2) * Seconds(3)).value, 6);
}

TEST(Units, CyclesRoundUpWithTolerance) {
  const Clock clock{Hertz(1e9)};
  EXPECT_EQ(clock.ceil_cycles(Seconds(100e-9)), Cycles(100));
  EXPECT_EQ(clock.ceil_cycles(Seconds(100.1e-9)), Cycles(101));
  EXPECT_EQ(clock.ceil_cycles(Seconds(0)), Cycles(0));
  EXPECT_EQ(clock.ceil_cycles(Seconds(1e-12)), Cycles(1));
  EXPECT_EQ(Clock{Hertz(192e6)}.ceil_cycles(Seconds(1.0 / 192e6)), Cycles(1));
  for (int cycles = 0; cycles < 10'000; ++cycles) {
    for (const double frequency : {192e6, 1e9, 1.2e9, 333333333.0}) {
      const Clock any{Hertz(frequency)};
      ASSERT_EQ(any.ceil_cycles(any.seconds(Cycles(cycles))), Cycles(cycles)) << frequency;
    }
  }
}

}  // namespace
}  // namespace tessera
