// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The crossbar as YAML: its actions, contradictions.
#include "arch/crossbar/crossbar.hpp"
#include "tests/support/kind_yaml.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::crossbar {
namespace {

test::MadeModel make(const std::string& yaml) {
  return test::model_from(kind(), yaml);
}

TEST(CrossbarKind, ActionsAreWhereTheirIndicesSay) {
  const std::vector<Action> actions = priced_actions(Spec{}.prices);
  for (const auto& [index, name] :
       std::initializer_list<std::pair<ActionIndex, const char*>>{{kInputRead, "input_read"},
                                                                  {kDacConvert, "dac_convert"},
                                                                  {kCellRead, "cell_read"},
                                                                  {kSampled, "sample_hold"},
                                                                  {kAdcConvert, "adc_convert"},
                                                                  {kShiftedAdded, "shift_add"},
                                                                  {kOutputWrite, "output_write"},
                                                                  {kCellWrite, "cell_write"}}) {
    EXPECT_EQ(actions.at(index).name, name);
  }
}

TEST(CrossbarKind, ReportsContradictionsAtTheKeyThatWasWritten) {
  const test::MadeModel made =
      make("kind: crossbar\nadc_rate: 1 GHz\nt_adc: 1 ns\nactive_rows: 256\n");
  ASSERT_EQ(made.diagnostics.errors().size(), 2U) << made.diagnostics.render();
  EXPECT_EQ(made.diagnostics.errors()[0].code, "E-CROSSBAR-SPEC");
  EXPECT_EQ(made.diagnostics.errors()[0].at.line,
            4);  // rows has its default, so active_rows is the place
  EXPECT_EQ(made.diagnostics.errors()[1].at.line, 3);
  ASSERT_EQ(made.diagnostics.errors()[1].related.size(), 1U);
  EXPECT_EQ(made.diagnostics.errors()[1].related[0].line, 2);
  EXPECT_NE(made.model, nullptr);
}

TEST(CrossbarKind, ConversionTimeIsNeverAssumed) {
  const test::MadeModel made = make("kind: crossbar\n");
  ASSERT_EQ(made.diagnostics.errors().size(), 1U);
  EXPECT_EQ(made.diagnostics.errors()[0].code, "E-CROSSBAR-SPEC");
  EXPECT_TRUE(make("kind: crossbar\nt_adc: 0 s\n").diagnostics.ok());
}

TEST(CrossbarKind, EveryContradictionIsFound) {
  const auto count = [](const std::string& yaml) { return make(yaml).diagnostics.errors().size(); };
  EXPECT_EQ(count("t_adc: 1 ns\nweight_mapping: differential_rows\nrows: 127\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nweight_mapping: differential_rows\nactive_rows: 9\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nweight_mapping: differential_columns\ncolumns: 127\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nweight_mapping: offset_column\ncolumns: 1\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nweight_mapping: differential_columns\nweight_flip: true\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nsample_and_hold: false\nt_sample: 1 ns\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nadcs: 1000\n"), 1U);
  EXPECT_EQ(count("t_adc: 1 ns\nadc_bit: 8\n"), 1U);  // unknown key
  const std::string integrate =
      "conversion: integrate_fire\nadcs: 128\nsample_and_hold: false\nt_adc: 0 s\n";
  EXPECT_EQ(count(integrate), 0U);
  EXPECT_EQ(count(integrate + "weight_flip: true\n"), 1U);
  EXPECT_EQ(count(integrate + "unit_converter: shared\n"), 1U);
  EXPECT_EQ(count(integrate + "weight_mapping: differential_rows\n"), 1U);
  EXPECT_EQ(count(integrate + "weight_mapping: differential_columns\nsubtraction: analog\n"), 1U);
  EXPECT_EQ(count("conversion: integrate_fire\nadc_rate: 1 GHz\n"), 3U);
}

TEST(CrossbarKind, RandomSpecsAreValid) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const std::vector<SpecProblem> found = problems(random_spec(seed));
    ASSERT_TRUE(found.empty()) << "seed " << seed << ": " << found.front().key << " "
                               << found.front().sentence;
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
