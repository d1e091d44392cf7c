// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The shipped files of the associative processor: example, prices, technology profiles.
#include "arch/rtm_ap/spec.hpp"

#include "arch/rtm_ap/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

using ::testing::HasSubstr;

const std::string kFolder = std::string(TESSERA_SOURCE_DIR) + "/arch/rtm_ap/";

std::string text_of(const std::string& name) {
  std::ifstream in(kFolder + name);
  std::ostringstream out;
  out << in.rdbuf();
  EXPECT_FALSE(out.str().empty()) << name;
  return out.str();
}

Spec read(const std::string& yaml, Diagnostics& diagnostics) {
  const config::Node node = config::parse(yaml, "pe.yaml", diagnostics);
  Spec spec = read_spec(node, diagnostics);
  config::report_unread(node, diagnostics);
  return spec;
}

void expect_equal_prices(const Spec& one, const Spec& other) {
  const auto a = priced_actions(one.prices);
  const auto b = priced_actions(other.prices);
  ASSERT_EQ(a.size(), std::size_t{kNumActions});
  ASSERT_EQ(b.size(), std::size_t{kNumActions});
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_DOUBLE_EQ(a[i].energy.value, b[i].energy.value) << a[i].name;
    EXPECT_EQ(a[i].source, b[i].source) << a[i].name;
    EXPECT_FALSE(a[i].source.empty()) << a[i].name;
  }
}

TEST(RtmApSpec, ExampleAndPricesAreTheDefaults) {
  Diagnostics diagnostics;
  const Spec spec = read(text_of("example.yaml") + text_of("prices.yaml"), diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  expect_equal_prices(spec, Spec{});
  EXPECT_TRUE(problems(Spec{}).empty());
  EXPECT_EQ(geometry(Spec{}), Geometry{});
}

TEST(RtmApSpec, ActionsAreWhereTheirIndicesSay) {
  const std::vector<Action> actions = priced_actions(Spec{}.prices);
  for (const auto& [index, name] :
       std::initializer_list<std::pair<ActionIndex, const char*>>{{kSearchCell, "search_cell"},
                                                                  {kWriteCell, "write_cell"},
                                                                  {kShift, "shift"},
                                                                  {kTag, "tag"},
                                                                  {kDrive, "drive"},
                                                                  {kLoadBit, "load_bit"},
                                                                  {kReadBit, "read_bit"}}) {
    EXPECT_EQ(actions.at(index).name, name);
  }
}

Spec profile(const std::string& name) {
  Diagnostics diagnostics;
  const config::Node file = config::load(kFolder + "profiles/" + name + ".yaml", diagnostics);
  const config::Node chip = file.get("chip");
  EXPECT_EQ(chip.get("clock").scalar(), "1 GHz") << name;
  Spec spec = read_spec(chip.get("tile").get("pe"), diagnostics);
  config::report_unread(file, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_FALSE(spec.source.empty()) << name;
  return spec;
}

TEST(RtmApSpec, TheDefaultsAreTheProfileOfMagneticTunnelJunctions) {
  const Spec spec = profile("mtj-22nm");
  expect_equal_prices(spec, Spec{});
  EXPECT_DOUBLE_EQ(spec.t_search.value, Spec{}.t_search.value);
  EXPECT_DOUBLE_EQ(spec.t_write.value, Spec{}.t_write.value);
  EXPECT_DOUBLE_EQ(spec.t_shift.value, Spec{}.t_shift.value);
  EXPECT_DOUBLE_EQ(spec.t_load.value, Spec{}.t_load.value);
  EXPECT_DOUBLE_EQ(spec.t_read_out.value, Spec{}.t_read_out.value);
}

TEST(RtmApSpec, UnverifiedNumbersSaySo) {
  const Spec spec = profile("paper-low");
  EXPECT_THAT(spec.source, HasSubstr("unverified"));
  for (const Price* price :
       {&spec.prices.search_cell, &spec.prices.write_cell, &spec.prices.shift}) {
    EXPECT_THAT(price->source, HasSubstr("unverified"));
  }
  profile("rtsim");
  profile("fefet");
}

TEST(RtmApSpec, HowLayersBecomeProgramsIsChosen) {
  Diagnostics diagnostics;
  const Spec spec = read(
      "kind: rtm_ap\nt_search: 1 ns\nt_write: 3 ns\nt_shift: 2 ns\n"
      "compile: {block_inputs: 9, most_channels: 32, most_outputs: 64, passes: {cse: false}}\n",
      diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  const CompileOptions options = compile_options(spec, {Hertz(1e9)});
  EXPECT_EQ(options.block_inputs, 9);
  EXPECT_EQ(options.most_channels, 32);
  EXPECT_EQ(options.most_outputs, 64);
  EXPECT_FALSE(options.passes.cse);
  EXPECT_TRUE(options.passes.fold);
  EXPECT_EQ(options.pass_cycles, 4);
  EXPECT_EQ(options.step_cycles, 2);
  Diagnostics bad;
  read("kind: rtm_ap\ncompile:\n  most_outputs: -1\n  most_channel: 3\n", bad);
  ASSERT_EQ(bad.errors().size(), 2U) << bad.render();
  EXPECT_THAT(bad.render(), HasSubstr("E-CFG-RANGE"));
  EXPECT_THAT(bad.render(), HasSubstr("did you mean 'most_channels'?"));
}

TEST(RtmApSpec, ContradictionsAreReportedWithBothPlaces) {
  Diagnostics diagnostics;
  read("kind: rtm_ap\nports: 9\ndomains: 8\n", diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-RTM-AP-SPEC");
  EXPECT_EQ(diagnostics.errors()[0].at.line, 2);
  ASSERT_EQ(diagnostics.errors()[0].related.size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].related[0].line, 3);
  Diagnostics large;
  read("rows: 65536\ncolumns: 4096\ndomains: 1024\n", large);
  ASSERT_EQ(large.errors().size(), 1U);
  EXPECT_THAT(large.errors()[0].expected, HasSubstr("at most 256 rows"));
  Diagnostics other;
  read("kind: crossbar\n", other);
  ASSERT_EQ(other.errors().size(), 1U);
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
