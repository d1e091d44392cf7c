// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/table.hpp"

#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tessera::mapper {
namespace {

using testing::HasSubstr;

/// lenet5 has five matrix layers.
class Table : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("tessera_table_{}", getpid());
    std::filesystem::create_directory(folder_);
    for (const LayerId id : matrix_layers(network_)) {
      names_.push_back(network_.layer(id).name);
    }
    widths_.assign(names_.size(), {{4, 4}, {4, 8}, {8, 8}});
  }

  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::optional<Sensitivity> load(const std::string& text) {
    const std::string path = folder_ / "loss.csv";
    std::ofstream(path) << text;
    diagnostics_ = {};
    return load_sensitivity(
        path, network_, widths_, [&] { return noise_; }, diagnostics_);
  }

  /// "CODE line:column" of every error.
  std::vector<std::string> errors(const std::string& text) {
    EXPECT_FALSE(load(text).has_value());
    std::vector<std::string> out;
    for (const Diagnostic& d : diagnostics_.errors()) {
      EXPECT_FALSE(d.sentence.empty() || d.expected.empty() || d.got.empty()) << d.code;
      out.push_back(fmt::format("{} {}:{}", d.code, d.at.line, d.at.column));
    }
    return out;
  }

  std::string full_table() {
    std::string text = "layer,w_bits,a_bits,loss\n";
    for (const std::string& name : names_) {
      text += fmt::format("{0},4,4,2.5\n{0},4,8,1.25\n{0},8,8,0\n", name);
    }
    return text;
  }

  Network network_ = zoo("lenet5");
  std::vector<std::string> names_;
  LayerWidths widths_;
  std::vector<LayerNoise> noise_;
  Diagnostics diagnostics_;
  std::filesystem::path folder_;
};

TEST_F(Table, ReadsLossesInAnyOrder) {
  std::string text = "# measured\r\n\r\n loss , layer,a_bits,w_bits\r\n";
  for (std::size_t m = names_.size(); m-- > 0;) {
    text += fmt::format("{1}.5,{0}, 4,4\n0.25 ,{0},8,4\n-0.125,{0},8,8\n7,{0},2,2\n", names_[m], m);
  }
  std::optional<Sensitivity> table = load(text);
  ASSERT_TRUE(table.has_value()) << diagnostics_.render();
  EXPECT_EQ(table->name(), "table");
  EXPECT_EQ(table->unit(), "percentage points");
  EXPECT_EQ(table->loss(3, {4, 4}), 3.5);
  EXPECT_EQ(table->loss(3, {4, 8}), 0.25);
  EXPECT_EQ(table->loss(3, {8, 8}), -0.125);
  const std::vector<LayerBits> bits(names_.size(), {4, 4});
  EXPECT_EQ(table->loss(bits), 0.5 + 1.5 + 2.5 + 3.5 + 4.5);
}

TEST_F(Table, ReadsTraces) {
  noise_.assign(names_.size(), {std::vector<double>(16, 0), std::vector<double>(16, 0)});
  for (LayerNoise& n : noise_) {
    n.weights[3] = 0.02;
    n.weights[7] = 0.01;
    n.inputs[3] = 0.3;
    n.inputs[7] = 0.1;
  }
  std::string text = "layer,trace\n";
  for (const std::string& name : names_) {
    text += name + ",100\n";
  }
  std::optional<Sensitivity> table = load(text);
  ASSERT_TRUE(table.has_value()) << diagnostics_.render();
  EXPECT_EQ(table->unit(), "training loss");
  EXPECT_EQ(table->loss(0, {8, 8}), 0);
  EXPECT_NEAR(table->loss(0, {4, 4}), 50 * 0.01, 1e-12);
  EXPECT_NEAR(table->loss(0, {4, 8}), 50 * 0.01, 1e-12);

  text = "trace,input_loss,layer,weight_rms\n";
  for (const std::string& name : names_) {
    text += "100,2," + name + ",0.5\n";
  }
  table = load(text);
  ASSERT_TRUE(table.has_value()) << diagnostics_.render();
  EXPECT_NEAR(table->loss(0, {4, 8}), 50 * 0.25 * 0.01, 1e-12);
  EXPECT_NEAR(table->loss(0, {4, 4}), 50 * 0.25 * 0.01 + 2 * 0.2, 1e-12);
}

TEST_F(Table, RefusesFilesItCannotRead) {
  EXPECT_FALSE(load_sensitivity(folder_, network_, widths_, nullptr, diagnostics_).has_value());
  EXPECT_FALSE(
      load_sensitivity(folder_ / "none.csv", network_, widths_, nullptr, diagnostics_).has_value());
  ASSERT_EQ(diagnostics_.errors().size(), 2U);
  EXPECT_EQ(diagnostics_.errors()[0].code, "E-CFG-FILE");
  EXPECT_EQ(diagnostics_.errors()[1].code, "E-CFG-FILE");
  EXPECT_THAT(diagnostics_.render(), HasSubstr("none.csv"));
}

TEST_F(Table, RefusesOtherHeaders) {
  using testing::ElementsAre;
  EXPECT_THAT(errors(""), ElementsAre("E-ACC-HEADER 0:0"));
  EXPECT_THAT(errors("\n# nothing\n"), ElementsAre("E-ACC-HEADER 0:0"));
  EXPECT_THAT(
      errors("conv1,4,4,0.1\n"),
      ElementsAre("E-ACC-HEADER 1:1", "E-ACC-HEADER 1:7", "E-ACC-HEADER 1:9", "E-ACC-HEADER 1:11"));
  EXPECT_THAT(errors("layer,w_bit,a_bits,loss\n"), ElementsAre("E-ACC-HEADER 1:7"));
  EXPECT_EQ(diagnostics_.errors()[0].hint, "did you mean 'w_bits'?");
  EXPECT_THAT(errors("layer,loss,loss\n"), ElementsAre("E-ACC-HEADER 1:12"));
  EXPECT_THAT(errors("layer,w_bits,loss\n"), ElementsAre("E-ACC-HEADER 1:1"));
  EXPECT_THAT(errors("layer,trace,loss\n"), ElementsAre("E-ACC-HEADER 1:1"));
  EXPECT_THAT(errors("layer,weight_rms\n"), ElementsAre("E-ACC-HEADER 1:1"));
}

TEST_F(Table, ReportsAllBadRowsAtOnce) {
  using testing::ElementsAre;
  const std::string good = full_table();
  ASSERT_TRUE(load(good).has_value()) << diagnostics_.render();
  EXPECT_THAT(errors(good + "conv99,4,4,1\n" + names_[0] + ",4,4\n" + names_[1] + ",4,4,0\n" +
                     names_[2] + ",0,4.5,nan\n" + names_[2] + ",2,2,1e9\n"),
              ElementsAre("E-ACC-LAYER 17:1",
                          "E-ACC-FIELDS 18:1",
                          "E-ACC-DUPLICATE 19:1",
                          fmt::format("E-ACC-VALUE 20:{}", names_[2].size() + 2),
                          fmt::format("E-ACC-VALUE 20:{}", names_[2].size() + 4),
                          fmt::format("E-ACC-VALUE 20:{}", names_[2].size() + 8),
                          fmt::format("E-ACC-VALUE 21:{}", names_[2].size() + 6)));
  EXPECT_EQ(diagnostics_.errors()[2].related.at(0).line, 5);
}

TEST_F(Table, ReportsWhatIsMissing) {
  using testing::ElementsAre;
  EXPECT_THAT(errors(full_table().substr(0, full_table().rfind(names_.back()))),
              ElementsAre("E-ACC-MISSING 0:0"));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("8/8"));
  EXPECT_THAT(errors("layer,w_bits,a_bits,loss\n"),
              testing::Each(std::string("E-ACC-MISSING 0:0")));
  EXPECT_EQ(diagnostics_.errors().size(), names_.size());
  EXPECT_THAT(
      errors("layer,trace\n" + names_[0] + ",x\n" + names_[1] + ",1\n"),
      ElementsAre("E-ACC-VALUE 2:" + std::to_string(names_[0].size() + 2), "E-ACC-MISSING 0:0"));
  EXPECT_THAT(diagnostics_.errors()[1].sentence, HasSubstr("3 of 5"));
}

TEST_F(Table, SurvivesRubbish) {
  EXPECT_FALSE(load(std::string("\0\xff,\n,,,,\n\"", 9)).has_value());
  EXPECT_FALSE(load("layer,w_bits,a_bits,loss\n,,,\n,,,,,,\n").has_value());
  EXPECT_FALSE(load(std::string(1 << 16, ',')).has_value());
}

}  // namespace
}  // namespace tessera::mapper
