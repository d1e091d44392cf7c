// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// From data to the chip with `tessera` alone: train, accuracy, sensitivity, and the run that does
/// all of it.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

/// A network that is trained in a moment; its weights where `parameters` says.
std::string experiment_in(const TempFolder& folder, const std::string& parameters = "") {
  std::string path = folder / (parameters.empty() ? "small.yaml" : "given.yaml");
  std::ofstream(path) << "include: " << TESSERA_SOURCE_DIR << R"(/configs/chips/small.yaml
experiment: {name: small}
network:
  name: small
  input: {height: 8, width: 8, channels: 1}
  layers:
    - {name: conv, kind: conv, channels: 8, kernel: 3, stride: 2, activation: relu}
    - {name: fc, kind: fc, channels: 10}
)" << (parameters.empty() ? "" : "  parameters: " + parameters + "\n")
                      << R"(data: {set: digits}
train:
  epochs: 10
  learning_rate: 0.01
  stages:
    - {name: w8a8, w_bits: 8, a_bits: 8, epochs: 1}
    - {name: mapped, epochs: 2}
chip: {tile: {pe: {adc_bits: 6, nonideal: {variation: 0.1}}}}
)"
                      << (parameters.empty() ? R"(search:
  pes: own_8bit
  loss: 3
  accuracy: {source: measured}
  bits: {w_min: 3, w_max: 8, a_min: 3, a_max: 8}
  simulate: {top: 1, images: 2}
execution: {images: 2, functional: bit_accurate, accuracy_images: 100}
)"
                                             : "");
  return path;
}

std::map<std::string, Json> rows_of(const Json& accuracy) {
  std::map<std::string, Json> rows;
  for (const Json& row : accuracy.at("rows")) {
    rows[row.at("name")] = row;
  }
  return rows;
}

TEST(Flow, OneCommandTrainsSearchesTunesAndSimulates) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  const std::string out = folder / "out";
  const Outcome got = run_program({"run", experiment, "--out", out});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("least latency"));
  EXPECT_THAT(got.out, HasSubstr("chip, devices vary"));
  const Json accuracy = Json::parse(read_text(folder / "out/accuracy.json"));
  auto rows = rows_of(accuracy);
  EXPECT_EQ(accuracy["images"], 100);
  EXPECT_EQ(accuracy["exact"], true);
  EXPECT_GT(rows["real"]["mean"], 85);
  EXPECT_GT(rows["integer"]["mean"], 80);
  EXPECT_EQ(rows["ideal"]["mean"], rows["integer"]["mean"]);
  EXPECT_LE(accuracy["rounding"]["images"], 1);
  EXPECT_EQ(accuracy["rounding"]["images"], accuracy["rounding"]["explained"]);
  EXPECT_EQ(rows["physical"]["percent"].size(), 3U);
  const Json map = Json::parse(read_text(folder / "out/map.json"));
  EXPECT_FALSE(map.at("candidates").empty());

  // The folder says all: the same run again, from what it left.
  const Outcome again =
      run_program({"run", folder / "out/resolved.yaml", "--out", folder / "again"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_text(folder / "again/mapping.yaml"), read_text(folder / "out/mapping.yaml"));
  EXPECT_EQ(rows_of(Json::parse(read_text(folder / "again/accuracy.json"))), rows);
}

/// Means over seeds, point by point.
std::vector<double> sweep(const std::string& experiment, const std::string& out, const char* what) {
  const Outcome got = run_program(
      {"accuracy", experiment, "--out", out, "--images", "200", "--seeds", "4", "--sweep", what});
  EXPECT_EQ(got.status, 0) << got.err;
  const Json accuracy = Json::parse(read_text(out + "/accuracy.json"));
  std::vector<double> means;
  for (const Json& point : accuracy.at("sweep").at("points")) {
    means.push_back(point.at("mean"));
  }
  return means;
}

TEST(Flow, AccuracyFallsWithConvertersAndDevices) {
  const TempFolder folder;
  const Outcome trained =
      run_program({"train", experiment_in(folder), "--out", folder / "t", "--quiet"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string given = experiment_in(folder, folder / "t/w8a8.npz");
  constexpr double kNoise = 1.0;  // two of 200 images
  const std::vector<double> bits = sweep(given, folder / "a", "chip.tile.pe.adc_bits=3:7");
  ASSERT_EQ(bits.size(), 5U);
  for (std::size_t i = 1; i < bits.size(); ++i) {
    EXPECT_GE(bits[i] + kNoise, bits[i - 1]) << i + 3 << " bits";
  }
  EXPECT_LT(bits.front() + 10, bits.back());
  const std::vector<double> sigma =
      sweep(given, folder / "b", "chip.tile.pe.nonideal.variation=0.02,0.1,0.3,0.8");
  ASSERT_EQ(sigma.size(), 4U);
  for (std::size_t i = 1; i < sigma.size(); ++i) {
    EXPECT_LE(sigma[i], sigma[i - 1] + kNoise) << i;
  }
  EXPECT_GT(sigma.front(), sigma.back() + 10);
  EXPECT_TRUE(fs::exists(folder / "a/sweep.csv"));
  EXPECT_TRUE(fs::exists(folder / "a/sweep.svg"));
  const std::string answers = read_text(folder / "a/answers.csv");
  EXPECT_EQ(std::count(answers.begin(), answers.end(), '\n'), 201);
  EXPECT_EQ(answers.rfind("image,label,real,fake,integer,ideal,clipping,physical\n", 0), 0U);
}

/// On look-up blocks: composed with retraining on the way; then sizes of codebooks chosen for the
/// same weights, which the fake-quantized network, the integers and the chip agree on.
TEST(Flow, ComposesForLookUpBlocks) {
  const TempFolder folder;
  const auto write = [&](const std::string& name, const std::string& rest) {
    std::ofstream(folder / name) << "include: " << TESSERA_SOURCE_DIR
                                 << R"(/configs/chips/rapidnn.yaml
experiment: {name: small}
data: {set: digits}
network:
  name: small
  input: {height: 8, width: 8, channels: 1}
  layers:
    - {name: conv, kind: conv, channels: 8, kernel: 3, stride: 2, activation: relu}
    - {name: fc, kind: fc, channels: 10}
)" << rest;
    return folder / name;
  };
  const Outcome run = run_program({"run",
                                   write("composed.yaml", R"(
train:
  epochs: 12
  learning_rate: 0.01
  stages:
    - {name: composed, w_bits: 8, a_bits: 8, codebook: 8, input_codebook: 16, rounds: 2, epochs: 1, target: 0}
execution: {functional: bit_accurate, accuracy_images: 1000}
)"),
                                   "--out",
                                   folder / "out"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("bytes per neuron"));
  const Json accuracy = Json::parse(read_text(folder / "out/accuracy.json"));
  auto rows = rows_of(accuracy);
  EXPECT_GT(rows.at("real").at("mean"), 85.0);
  EXPECT_GT(rows.at("clipping").at("mean"), rows.at("real").at("mean").get<double>() - 5.0);
  EXPECT_EQ(rows.at("ideal").at("mean"), rows.at("integer").at("mean"));

  const Outcome chosen = run_program({"accuracy",
                                      write("chosen.yaml",
                                            "  parameters: " + (folder / "out_start/real.npz") +
                                                "\nquantization: {choose: {budget: 1}}\n"),
                                      "--out",
                                      folder / "chosen"});
  ASSERT_EQ(chosen.status, 0) << chosen.err;
  EXPECT_THAT(chosen.err, HasSubstr("codebooks of weights/inputs: conv "));
  const Json sizes = Json::parse(read_text(folder / "chosen/accuracy.json"));
  std::int64_t smallest = 64;
  for (const Json& layer : sizes.at("codebooks")) {
    const std::int64_t w = layer.at("weights");
    const std::int64_t u = layer.at("inputs");
    const std::int64_t inputs = layer.at("layer") == "conv" ? 9 : 8 * 9;
    const std::int64_t bits = w * u * 16 + inputs * (w == 4    ? 2
                                                     : w == 8  ? 3
                                                     : w == 16 ? 4
                                                     : w == 32 ? 5
                                                               : 6);
    EXPECT_EQ(layer.at("bytes_per_neuron").get<double>(), static_cast<double>(bits) / 8.0);
    smallest = std::min({smallest, w, u});
  }
  EXPECT_LT(smallest, 64) << "the budget bought nothing";
  rows = rows_of(sizes);
  EXPECT_NEAR(
      rows.at("fake").at("mean").get<double>(), rows.at("integer").at("mean").get<double>(), 0.6);

  // Two keys that change together.
  const Outcome swept =
      run_program({"accuracy",
                   write("swept.yaml",
                         "  parameters: " + (folder / "out_start/real.npz") +
                             "\nquantization: {codebook: 16, input_codebook: 16}\n"),
                   "--sweep",
                   "quantization.codebook,quantization.input_codebook=2,64",
                   "--out",
                   folder / "swept"});
  ASSERT_EQ(swept.status, 0) << swept.err;
  const Json points =
      Json::parse(read_text(folder / "swept/accuracy.json")).at("sweep").at("points");
  ASSERT_EQ(points.size(), 2U);
  EXPECT_LT(points[0].at("mean").get<double>(), points[1].at("mean").get<double>() - 5.0);
}

TEST(Flow, SensitivitiesAreTablesThatASearchReads) {
  const TempFolder folder;
  const Outcome trained =
      run_program({"train", experiment_in(folder), "--out", folder / "t", "--quiet"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string given = experiment_in(folder, folder / "t/real.npz");
  for (const std::string by : {"noise", "hessian", "measured"}) {
    const std::string out = folder / by;
    const Outcome table = run_program({"sensitivity",
                                       given,
                                       "--by",
                                       by,
                                       "--out",
                                       out,
                                       "--set",
                                       "search.bits={w_min: 2, w_max: 4, a_min: 3, a_max: 4}"});
    ASSERT_EQ(table.status, 0) << table.err;
    const Outcome search = run_program(
        {"map",
         given,
         "--quiet",
         "--out",
         folder / (by + "_map"),
         "--set",
         "search={accuracy: {source: table, file: " + out +
             "/sensitivity.csv}, pes: own_8bit, loss_of_bits: 4, bits: {w_min: 2, w_max: 4, a_min: "
             "3, a_max: 4}, simulate: {top: 1, images: 1}, baselines: false}"});
    EXPECT_EQ(search.status, 0) << by << search.err;
  }
}

TEST(Flow, ModelFilesBringTheirWidths) {
  const TempFolder folder;
  const Outcome trained = run_program({"train",
                                       experiment_in(folder),
                                       "--out",
                                       folder / "t",
                                       "--quiet",
                                       "--set",
                                       "train.stages=[{name: low, w_bits: 3, a_bits: 5}]"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string given = experiment_in(folder, folder / "t/low.npz");
  const auto widths = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"run", given, "--json", "--out", folder / "r"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome got = run_program(words);
    EXPECT_EQ(got.status, 0) << got.err;
    const Json layer = Json::parse(got.out).at("layers").at(1);
    return std::pair(layer.at("w_bits").get<int>(), layer.at("a_bits").get<int>());
  };
  EXPECT_EQ(widths({}), std::pair(3, 5));
  EXPECT_EQ(widths({"--set", "mapping.default={w_bits: 6, a_bits: 7}"}), std::pair(6, 7));
}

/// Widths by the mapping itself, without a search; stages from the network in real numbers.
TEST(Flow, MappingsGiveTheirWidthsToTraining) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  const std::vector<std::string> sets{
      "--set",
      "mapping.default={w_bits: 4, a_bits: 5}",
      "--set",
      "train.stages=[{name: low, w_bits: 2, a_bits: 2, epochs: 1}, {name: mapped, from: real, "
      "epochs: 1}]"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), sets.begin(), sets.end());
    return run_program(words);
  };
  const Outcome got = with({"run", experiment, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("mapped  4/5"));
  const Outcome whole = with({"train", experiment, "--out", folder / "whole"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_TRUE(read_text(folder / "out_tuned/model.npz") == read_text(folder / "whole/model.npz"));
}

TEST(Flow, EmptySplitsAndLongSweepsAreRefused) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  const Outcome run = run_program({"run",
                                   experiment,
                                   "--out",
                                   folder / "out",
                                   "--set",
                                   "data.split={train: 0.8, validation: 0.2}",
                                   "--quiet"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("E-DATA-EMPTY"));
  const Outcome sweep = run_program({"accuracy",
                                     experiment,
                                     "--sweep",
                                     "execution.seed=-9223372036854775808:9223372036854775807"});
  EXPECT_EQ(sweep.status, 2);
  EXPECT_THAT(sweep.err, HasSubstr("E-ACCURACY-SWEEP"));
}

TEST(Flow, TrainingSaysWhatIsMissing) {
  const TempFolder folder;
  const std::string path = folder / "none.yaml";
  std::ofstream(path) << "include: " << TESSERA_SOURCE_DIR
                      << "/configs/chips/small.yaml\nnetwork: {zoo: lenet5}\n";
  for (const char* command : {"train", "accuracy", "sensitivity"}) {
    const Outcome got = run_program({command, path, "--out", folder / "out"});
    EXPECT_EQ(got.status, 2) << command;
    EXPECT_THAT(got.err, HasSubstr("the experiment has no images")) << command;
    EXPECT_FALSE(fs::exists(folder / "out")) << command;
  }
}

}  // namespace
}  // namespace tessera::e2e
