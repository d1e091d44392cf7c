// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The RNA block as YAML: its actions, contradictions.
#include "arch/lut/lut.hpp"
#include "tests/support/kind_yaml.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::lut {
namespace {

test::MadeModel make(const std::string& yaml) {
  return test::model_from(kind(), yaml);
}

TEST(LutKind, ActionsAreWhereTheirIndicesSay) {
  const std::vector<Action> actions = priced_actions(Spec{}.prices);
  for (const auto& [index, name] : std::initializer_list<std::pair<ActionIndex, const char*>>{
           {kCountCycle, "count_cycle"},
           {kCount, "count"},
           {kLookup, "lookup"},
           {kNorCycle, "nor_cycle"},
           {kAddBit, "add_bit"},
           {kActivationSearch, "activation_search"},
           {kEncoderSearch, "encoder_search"},
           {kCellWrite, "cell_write"}}) {
    EXPECT_EQ(actions.at(index).name, name);
  }
}

TEST(LutKind, ReportsContradictionsAtTheKeyThatWasWritten) {
  const test::MadeModel made = make("kind: lut\ncolumns: 32\nadder_columns: 32\nsum_bits: 40\n");
  ASSERT_EQ(made.diagnostics.errors().size(), 2U) << made.diagnostics.render();
  EXPECT_EQ(made.diagnostics.errors()[0].code, "E-LUT-SPEC");
  EXPECT_EQ(made.diagnostics.errors()[0].at.line, 3);
  ASSERT_EQ(made.diagnostics.errors()[0].related.size(), 1U);
  EXPECT_EQ(made.diagnostics.errors()[0].related[0].line, 2);
  EXPECT_EQ(made.diagnostics.errors()[1].at.line, 4);
  EXPECT_NE(made.model, nullptr);
}

TEST(LutKind, EveryContradictionIsFound) {
  const auto count = [](const std::string& yaml) { return make(yaml).diagnostics.errors().size(); };
  EXPECT_EQ(count("kind: lut\ncolumns: 64\n"), 1U);  // the adder has as many by itself
  EXPECT_EQ(count("kind: lut\nsum_bits: 63\nadder_columns: 62\n"), 1U);
  EXPECT_EQ(count("kind: lut\nsum_bits: 12\ntable_bits: 16\n"), 1U);
  EXPECT_EQ(count("kind: lut\ntable_bits: 16\n"), 0U);
  EXPECT_EQ(count("kind: lut\nadc_bits: 8\n"), 1U);  // unknown key
}

TEST(LutKind, RandomSpecsAreValid) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const std::vector<SpecProblem> found = problems(random_spec(seed));
    ASSERT_TRUE(found.empty()) << "seed " << seed << ": " << found.front().key << " "
                               << found.front().sentence;
  }
}

}  // namespace
}  // namespace tessera::arch::lut
