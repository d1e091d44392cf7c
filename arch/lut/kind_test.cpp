// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The RNA block as YAML: example, prices, contradictions.
#include "arch/lut/lut.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tessera::arch::lut {
namespace {

std::string text_of(const std::string& file) {
  std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/arch/lut/" + file);
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

TEST(LutKind, ExampleIsValid) {
  const Made made = make(text_of("example.yaml"));
  EXPECT_TRUE(made.diagnostics.ok()) << made.diagnostics.render();
  ASSERT_NE(made.model, nullptr);
  EXPECT_EQ(made.model->kind(), "lut");
}

TEST(LutKind, PriceFileEqualsTheDefaults) {
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

TEST(LutKind, ReportsContradictionsAtTheKeyThatWasWritten) {
  const Made made = make("kind: lut\ncolumns: 32\nadder_columns: 32\nsum_bits: 40\n");
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
    const std::vector<Problem> found = problems(random_spec(seed));
    ASSERT_TRUE(found.empty()) << "seed " << seed << ": " << found.front().key << " "
                               << found.front().sentence;
  }
}

}  // namespace
}  // namespace tessera::arch::lut
