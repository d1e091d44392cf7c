// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/quantity.hpp"
#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {
namespace {

TEST(Text, SiTakesThePrefixThatFits) {
  EXPECT_EQ(format_si(1e-7, "s"), "100 ns");
  EXPECT_EQ(format_si(2.1e-12, "J"), "2.1 pJ");
  EXPECT_EQ(format_si(192e6, "Hz"), "192 MHz");
  EXPECT_EQ(format_si(1e-8, "m2"), "10000 um2");
  EXPECT_EQ(format_si(2e-6, "m2"), "2 mm2");
  EXPECT_EQ(format_si(0, "s"), "0 s");
  EXPECT_EQ(format_si(-3e-9, "s"), "-3 ns");
  EXPECT_EQ(format_si(1, "W"), "1 W");
  EXPECT_EQ(format_si(3600, "s"), "3600 s");
  EXPECT_EQ(format_si(5e-19, "J"), "0.5 aJ");
  EXPECT_EQ(format_si(1e-30, "s"), "1e-15 fs");
  EXPECT_EQ(format_si(1.25e30, "s"), "1.25e30 s");
  EXPECT_EQ(format_si(2.5e12, "op/s"), "2.5 Top/s");
  EXPECT_EQ(format_si(std::numeric_limits<double>::infinity(), "s"), "inf s");
}

TEST(Text, SiRoundsOnlyWhenAsked) {
  EXPECT_EQ(format_si(1.0 / 3, "s", 3), "333 ms");
  EXPECT_EQ(format_si(0.99999, "s", 3), "1 s");
  EXPECT_EQ(format_si(1.0 / 3, "s"), "333.3333333333333 ms");
}

TEST(Text, SiReadsBackAsTheSameNumber) {
  Rng rng(1, "format_si");
  for (const std::string_view base : {"s", "J", "W", "Hz", "m2"}) {
    for (int i = 0; i < 2000; ++i) {
      const double value = (rng.uniform01() - 0.5) * std::pow(10, rng.uniform(-25, 25));
      const std::string text = format_si(value, base);
      const config::NumberText split = config::split_number(text);
      bool found = false;
      for (const config::Unit& unit : config::units_of(base)) {
        if (unit.name == split.rest) {
          found = true;
          ASSERT_EQ(config::parse_decimal(split.number, unit.exponent).value, value) << text;
        }
      }
      ASSERT_TRUE(found) << text;
    }
  }
}

TEST(Text, BitsAreExact) {
  EXPECT_EQ(format_bits(Bits(0)), "0 b");
  EXPECT_EQ(format_bits(Bits(12)), "12 b");
  EXPECT_EQ(format_bits(Bits(8)), "1 B");
  EXPECT_EQ(format_bits(Bits(524288)), "64 KiB");
  EXPECT_EQ(format_bits(Bits(8000)), "1 kB");
  EXPECT_EQ(format_bits(Bits(8LL << 30)), "1 GiB");
  Rng rng(1, "format_bits");
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t bits = rng.uniform(0, 1LL << 30) << rng.uniform(0, 20);
    const std::string text = format_bits(Bits(bits));
    const config::NumberText split = config::split_number(text);
    for (const config::DataUnit& unit : config::data_units()) {
      if (unit.name == split.rest) {
        ASSERT_EQ(config::parse_data(split, unit.bits).value, bits) << text;
      }
    }
  }
}

TEST(Text, Numbers) {
  EXPECT_EQ(format_number(1048576), "1048576");
  EXPECT_EQ(format_number(0.1), "0.1");
  EXPECT_EQ(format_number(-2), "-2");
  EXPECT_EQ(format_number(1e300), "1e+300");
}

TEST(Text, ListsAndQuotes) {
  EXPECT_EQ(join_keys(std::vector<std::string>{"a", "b"}), "a, b");
  EXPECT_EQ(join_keys(std::vector<std::string>{"a", "b", "c"}, 2), "a, b, ...");
  EXPECT_EQ(join_keys(std::vector<std::string>{}), "");
  EXPECT_EQ(quote("x"), "'x'");
  EXPECT_LT(quote(std::string(1000, 'x')).size(), 70U);
}

TEST(Quantity, SplitsNumberAndUnit) {
  const auto check = [](std::string_view text, std::string_view number, std::string_view rest) {
    const config::NumberText out = config::split_number(text);
    EXPECT_EQ(out.number, number) << text;
    EXPECT_EQ(out.rest, rest) << text;
  };
  check("100 ns", "100", "ns");
  check("100ns", "100", "ns");
  check("-1.5e-3 s", "-1.5e-3", "s");
  check("1e3", "1e3", "");
  check("1 e3", "1", "e3");
  check("5e", "5", "e");
  check(".5 s", ".5", "s");
  check("5. s", "5.", "s");
  check(".", "", ".");
  check("-", "", "-");
  check("", "", "");
  check("ns", "", "ns");
  check("--5", "", "--5");
}

TEST(Quantity, DecimalsAreCorrectlyRounded) {
  EXPECT_EQ(config::parse_decimal("100", -9).value, 1e-7);
  EXPECT_EQ(config::parse_decimal("2.1", -12).value, 2.1e-12);
  EXPECT_EQ(config::parse_decimal("0.3e-2", -9).value, 3e-12);
  EXPECT_EQ(config::parse_decimal("+5", 0).value, 5);
  EXPECT_EQ(config::parse_decimal("1e400", 0).status, config::ParseStatus::out_of_range);
  EXPECT_EQ(config::parse_decimal("1e99999999999", 0).status, config::ParseStatus::out_of_range);
  EXPECT_EQ(config::parse_decimal("1e-99999999999", 0).status, config::ParseStatus::out_of_range);
  EXPECT_EQ(config::parse_decimal("0e99999999999", 0).value, 0);
  EXPECT_EQ(config::parse_decimal("x", 0).status, config::ParseStatus::malformed);
}

}  // namespace
}  // namespace tessera
