// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The crossbar as YAML: example, prices, contradictions.
#include "arch/crossbar/crossbar.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tessera::arch::crossbar {
namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/arch/crossbar/" + file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Made {
  std::unique_ptr<Model> model;
  Diagnostics diagnostics;
};

Made make(const std::string& yaml) {
  Made made;
  const config::Node node = config::parse(yaml, "pe.yaml", made.diagnostics);
  static_cast<void>(node.get("kind"));
  made.model = kind().make(node, Clock{Hertz(1e9)}, made.diagnostics);
  config::report_unread(node, made.diagnostics);
  return made;
}

TEST(CrossbarKind, ExampleIsValid) {
  const Made made = make(text_of("example.yaml"));
  EXPECT_TRUE(made.diagnostics.ok()) << made.diagnostics.render();
  ASSERT_NE(made.model, nullptr);
  EXPECT_EQ(made.model->kind(), "crossbar");
}

TEST(CrossbarKind, PriceFileEqualsTheDefaults) {
  const Made priced = make(text_of("example.yaml") + text_of("prices.yaml"));
  const Made plain = make(text_of("example.yaml"));
  ASSERT_TRUE(priced.diagnostics.ok()) << priced.diagnostics.render();
  ASSERT_EQ(priced.model->actions().size(), plain.model->actions().size());
  for (std::size_t a = 0; a < plain.model->actions().size(); ++a) {
    EXPECT_NE(text_of("prices.yaml").find(plain.model->actions()[a].name + ":"), std::string::npos);
    EXPECT_DOUBLE_EQ(priced.model->actions()[a].energy.value,
                     plain.model->actions()[a].energy.value);
    EXPECT_EQ(priced.model->actions()[a].source, plain.model->actions()[a].source);
  }
  for (std::size_t r = 0; r < plain.model->resources().size(); ++r) {
    EXPECT_DOUBLE_EQ(priced.model->resources()[r].area.value,
                     plain.model->resources()[r].area.value);
  }
}

TEST(CrossbarKind, ReportsContradictionsAtTheKeyThatWasWritten) {
  const Made made = make("kind: crossbar\nadc_rate: 1 GHz\nt_adc: 1 ns\nactive_rows: 256\n");
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
  const Made made = make("kind: crossbar\n");
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
    const std::vector<Problem> found = problems(random_spec(seed));
    ASSERT_TRUE(found.empty()) << "seed " << seed << ": " << found.front().key << " "
                               << found.front().sentence;
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
