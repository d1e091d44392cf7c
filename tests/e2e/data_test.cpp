// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera data`, and experiments with images.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// An experiment on 8x8 images with these lines under `data:`.
std::string experiment(const TempFolder& folder, const std::string& data) {
  std::ofstream(folder / "x.yaml")
      << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/small.yaml\n"
      << "network: {input: {height: 8, width: 8, channels: 1}, name: one, layers: [{name: fc, "
         "kind: fc, channels: 10}]}\n"
      << "data: " << data << "\n";
  return folder / "x.yaml";
}

TEST(Data, PrintsTheSplits) {
  const TempFolder folder;
  const std::string file = experiment(folder, "{set: digits}");
  const Outcome got = run_program({"data", file});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("digits: 10 classes, images of 8x8x1\n"));
  EXPECT_THAT(got.out,
              HasSubstr("train            1258  [0, 1]                 0.3054   0.3760  "
                        "125 127 124 128 127 127 127 125 122 126\n"));

  const Outcome text = run_program({"data", file, "--json", "--set", "data.limit.test=20"});
  ASSERT_EQ(text.status, 0) << text.err;
  const json set = json::parse(text.out);
  EXPECT_EQ(set["classes"], 10);
  EXPECT_EQ(set["shape"], (json{8, 8, 1}));
  EXPECT_EQ(set["splits"]["test"]["images"], 20);
  EXPECT_EQ(set["splits"]["test"]["per_class"], (json{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(set["splits"]["train"]["high"], 1);
  EXPECT_NEAR(set["splits"]["train"]["channels"][0]["mean"].get<double>(), 0.3054, 1e-4);
}

TEST(Data, DigitsAreThereFromAnyFolder) {
  const TempFolder folder;
  experiment(folder, "{set: digits}");
  const std::string command =
      "cd '" + folder.path().string() + "' && '" TESSERA_PROGRAM "' data x.yaml --json > out";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(json::parse(read_text(folder / "out"))["name"], "digits");
}

TEST(Data, IsReadByARunAndResolvedReproducesIt) {
  const TempFolder folder;
  std::string table;
  for (int i = 0; i < 20; ++i) {
    for (int k = 0; k < 64; ++k) {
      table += std::to_string((i * k) % 17) + ",";
    }
    table += std::to_string(i % 10) + "\n";
  }
  fs::create_directory(folder / "set");
  std::ofstream(folder / "set/all.csv") << table;
  const std::string file = experiment(
      folder, "{all: {file: set/all.csv}, divide: 16, shape: {height: 8, width: 8, channels: 1}}");
  const Outcome before = run_program({"data", file});
  ASSERT_EQ(before.status, 0) << before.err;
  const Outcome run = run_program({"run", file, "--out", folder / "out", "--quiet"});
  ASSERT_EQ(run.status, 0) << run.err;
  const Outcome after = run_program({"data", folder / "out/resolved.yaml"});
  EXPECT_EQ(after.status, 0) << after.err;
  EXPECT_EQ(after.out, before.out);
}

TEST(Data, MustBeThatOfTheNetwork) {
  const TempFolder folder;
  const std::string file = experiment(folder, "{set: digits}");
  const Outcome got = run_program({"data",
                                   file,
                                   "--set",
                                   "data.shape={height: 1, width: 1, channels: 64}",
                                   "--set",
                                   "network.layers=[{name: fc, kind: fc, channels: 12}]"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("another shape than the network's input"));
  EXPECT_THAT(got.err, HasSubstr("data.shape arranges images anew"));
  EXPECT_THAT(got.err, HasSubstr("not as many classes as the network has outputs"));
}

TEST(Data, ExplainsItsKeys) {
  const Outcome got = run_program({"explain", "data.split.validation"});
  EXPECT_EQ(got.status, 0);
  EXPECT_THAT(got.out, HasSubstr("[0, 1]"));
  EXPECT_THAT(run_program({"explain", "--schema"}).out, HasSubstr("\"split\""));
  EXPECT_EQ(run_program({"data"}).status, 2);
}

}  // namespace
}  // namespace tessera::e2e
