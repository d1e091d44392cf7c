// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/diagnostics.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace tessera {
namespace {

std::shared_ptr<const SourceText> source(std::string name, std::vector<std::string> lines) {
  return std::make_shared<SourceText>(SourceText{std::move(name), std::move(lines)});
}

Diagnostic plain(std::string sentence) {
  Diagnostic d;
  d.code = "E-TEST";
  d.sentence = std::move(sentence);
  return d;
}

TEST(Diagnostics, RendersPlaceCaretAndFacts) {
  Diagnostics d;
  d.error({.code = "E-CFG-UNKNOWN-KEY",
           .sentence = "unknown key 'adc_bit'",
           .at = {source("configs/isaac_like.yaml", {"", "", "", "", "    adc_bit: 8"}), 5, 5},
           .path = "chip.pe.adc_bit",
           .expected = "one of: kind, adc_bits",
           .got = "'adc_bit'",
           .hint = "did you mean 'adc_bits'?",
           .related = {}});
  EXPECT_EQ(d.render(),
            "configs/isaac_like.yaml:5:5: error[E-CFG-UNKNOWN-KEY]: unknown key 'adc_bit'\n"
            "    5 |     adc_bit: 8\n"
            "      |     ^\n"
            "      = path:     chip.pe.adc_bit\n"
            "      = expected: one of: kind, adc_bits\n"
            "      = got:      'adc_bit'\n"
            "      = hint:     did you mean 'adc_bits'?\n");
}

TEST(Diagnostics, ShowsBothPlacesOfAConflict) {
  const auto text = source("a.yaml", {"array_cols: 128", "adc_share: 48"});
  Diagnostics d;
  d.error({.code = "E-TEST",
           .sentence = "'adc_share: 48' does not divide 'array_cols: 128'",
           .at = {text, 2, 12},
           .path = "adc_share",
           .expected = "a divisor of 128",
           .got = "'48'",
           .hint = {},
           .related = {{text, 1, 13}}});
  EXPECT_EQ(d.render(),
            "a.yaml:2:12: error[E-TEST]: 'adc_share: 48' does not divide 'array_cols: 128'\n"
            "    2 | adc_share: 48\n"
            "      |            ^\n"
            "      : also a.yaml:1:13\n"
            "    1 | array_cols: 128\n"
            "      |             ^\n"
            "      = path:     adc_share\n"
            "      = expected: a divisor of 128\n"
            "      = got:      '48'\n");
}

TEST(Diagnostics, CaretStandsUnderTheCharacter) {
  Diagnostics d;
  Diagnostic one = plain("x");
  one.at = {source("u", {"\té: ü"}), 1, 5};  // after tab, two bytes, colon
  d.error(one);
  EXPECT_EQ(d.render(), "u:1:5: error[E-TEST]: x\n    1 | \té: ü\n      | \t  ^\n");
}

TEST(Diagnostics, LongLinesAreAWindowAroundTheCaret) {
  Diagnostics d;
  Diagnostic one = plain("x");
  one.at = {source("u", {std::string(100'000, 'a') + "B" + std::string(100'000, 'c')}), 1, 100'001};
  d.error(one);
  const std::string text = d.render();
  EXPECT_LT(text.size(), 500U);
  const std::size_t b = text.find('B');
  ASSERT_NE(b, std::string::npos);
  const std::size_t line = text.rfind('\n', b);
  const std::size_t caret = text.find('^');
  EXPECT_EQ(b - line, caret - text.find('\n', b));
}

TEST(Diagnostics, UnknownPlacesAreLeftOut) {
  Diagnostics d;
  d.error(plain("nowhere"));
  Diagnostic file = plain("only a file");
  file.at = {source("f.yaml", {}), 0, 0};
  d.error(file);
  Diagnostic beyond = plain("beyond the end");
  beyond.at = {source("f.yaml", {"one"}), 7, 3};
  d.error(beyond);
  EXPECT_EQ(d.render(),
            "error[E-TEST]: nowhere\n"
            "f.yaml: error[E-TEST]: only a file\n"
            "f.yaml:7:3: error[E-TEST]: beyond the end\n");
}

TEST(Diagnostics, ControlCharactersNeverReachTheTerminal) {
  Diagnostics d;
  Diagnostic one = plain("bad \x1b[31m text");
  one.got = "a\nb";
  one.at = {source("n\x07", {"x\x1by"}), 1, 1};
  d.error(one);
  EXPECT_EQ(d.render(),
            "n\\x07:1:1: error[E-TEST]: bad \\x1b[31m text\n"
            "    1 | x?y\n"
            "      | ^\n"
            "      = got:      a\\nb\n");
}

TEST(Diagnostics, SaysHowManyWereLeftOut) {
  Diagnostics d;
  for (int i = 0; i < 23; ++i) {
    d.error(plain("number " + std::to_string(i)));
  }
  const std::string text = d.render();
  EXPECT_NE(text.find("number 19\n"), std::string::npos);
  EXPECT_EQ(text.find("number 20\n"), std::string::npos);
  EXPECT_NE(text.find("... and 3 more errors\n"), std::string::npos);
  EXPECT_NE(d.render(22).find("... and 1 more error\n"), std::string::npos);
  EXPECT_EQ(d.render(23).find("..."), std::string::npos);
}

TEST(Diagnostics, MemoryIsBounded) {
  Diagnostics d;
  for (int i = 0; i < 12'000; ++i) {
    d.error(plain("x"));
  }
  EXPECT_EQ(d.errors().size(), 10'000U);
  EXPECT_NE(d.render().find("... and 11980 more errors\n"), std::string::npos);
}

TEST(Diagnostics, ThrowsOnlyWithErrors) {
  Diagnostics d;
  EXPECT_TRUE(d.ok());
  EXPECT_NO_THROW(d.throw_if_any());
  d.error(plain("first"));
  try {
    d.throw_if_any(4);
    FAIL();
  } catch (const InputError& e) {
    EXPECT_EQ(e.exit_status(), 4);
    EXPECT_EQ(e.diagnostics().errors().size(), 1U);
    EXPECT_EQ(std::string(e.what()), d.render());
  }
}

TEST(Diagnostics, InternalErrorNamesModuleAndCycle) {
  const std::string with_cycle = InternalError("fabric", 42, "lost a flit").what();
  EXPECT_NE(with_cycle.find("fabric, cycle 42: lost a flit"), std::string::npos);
  EXPECT_NE(with_cycle.find("report"), std::string::npos);
  const std::string without = InternalError("mapper", -1, "x").what();
  EXPECT_EQ(without.find("cycle"), std::string::npos);
}

TEST(DidYouMean, FindsTyposWithinTheCutOff) {
  const std::vector<std::string> keys{"kind", "dac_bits", "adc_bits", "adc_share", "t_array"};
  EXPECT_EQ(did_you_mean("adc_bit", keys), "adc_bits");
  EXPECT_EQ(did_you_mean("adc_bist", keys), "adc_bits");
  EXPECT_EQ(did_you_mean("adcbits", keys), "adc_bits");
  EXPECT_EQ(did_you_mean("Kind", keys), "kind");
  EXPECT_EQ(did_you_mean("knid", keys), "kind");
  EXPECT_EQ(did_you_mean("voltage", keys), "");
  EXPECT_EQ(did_you_mean("", keys), "");
  EXPECT_EQ(did_you_mean("x", keys), "");
  EXPECT_EQ(did_you_mean(std::string(10'000, 'a'), keys), "");
}

TEST(DidYouMean, CutOffGrowsWithLength) {
  EXPECT_EQ(did_you_mean("ab", {"ac"}), "");
  EXPECT_EQ(did_you_mean("abc", {"abd"}), "abd");
  EXPECT_EQ(did_you_mean("abcd", {"abxy"}), "");
  EXPECT_EQ(did_you_mean("abcdef", {"abcdxy"}), "abcdxy");
  EXPECT_EQ(did_you_mean("abcdefghij", {"abcdefgxyz"}), "abcdefgxyz");
}

TEST(DidYouMean, EarlierCandidatesWinTies) {
  EXPECT_EQ(did_you_mean("rowz", {"rows", "rowy"}), "rows");
  EXPECT_EQ(did_you_mean("rowz", {"rowy", "rows"}), "rowy");
}

}  // namespace
}  // namespace tessera
