// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// tessera-train as a user runs it: files, resumption, refusal, requests.
#include "tests/e2e/program.hpp"
#include "tests/e2e/running.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace tessera::e2e {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr const char* kExperiment = R"(
include: INCLUDE/configs/chips/small.yaml
network:
  name: line
  input: {height: 8, width: 8, channels: 1}
  layers:
    - {name: f1, kind: fc, channels: 16, activation: relu}
    - {name: f2, kind: fc, channels: 10}
data: {set: digits, limit: {train: 300}}
train:
  epochs: 15
  learning_rate: 0.01
  stages:
    - {name: low, w_bits: 3, a_bits: 4, epochs: 4}
    - {name: mapped, epochs: 2}
mapping: {default: {w_bits: 4, a_bits: 4}}
)";

std::string experiment_in(const TempFolder& folder) {
  std::string text = kExperiment;
  text.replace(text.find("INCLUDE"), 7, TESSERA_SOURCE_DIR);
  std::string path = folder / "line.yaml";
  std::ofstream(path) << text;
  return path;
}

Outcome train_program(const std::vector<std::string>& arguments,
                      const std::string& input = "/dev/null") {
  return run_program(arguments, TESSERA_TRAIN_PROGRAM, input);
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    out[entry.path().filename().string()] = read_text(entry.path());
  }
  return out;
}

TEST(TrainProgram, WritesNetworksAndTheLog) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  const Outcome got = train_program({"train", experiment, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("low     3/4"));
  EXPECT_THAT(got.out, HasSubstr("mapped  4/4"));
  const auto files = files_of(folder / "out");
  for (const char* name : {"real.npz", "low.npz", "mapped.npz", "model.npz", "train_log.csv"}) {
    EXPECT_EQ(files.count(name), 1U) << name;
  }
  EXPECT_EQ(files.count("checkpoint.npz"), 0U);
  EXPECT_EQ(files.at("model.npz"), files.at("mapped.npz"));
  const Json summary = Json::parse(files.at("train.json"));
  ASSERT_EQ(summary["stages"].size(), 3U);
  EXPECT_GT(summary["stages"][0]["test_accuracy"], 0.75);
  EXPECT_GT(summary["stages"][2]["validation_accuracy"], 0.6);

  const Outcome outputs = train_program(
      {"predict", experiment, "--model", folder / "out/model.npz", "--out", folder / "p.npz"});
  ASSERT_EQ(outputs.status, 0) << outputs.err;
  EXPECT_NEAR(Json::parse(outputs.out)["integer"].get<double>(),
              100 * summary["stages"][2]["test_accuracy"].get<double>(),
              1e-9);
  EXPECT_TRUE(fs::exists(folder / "p.npz"));

  const Outcome traces = train_program(
      {"hessian", experiment, "--model", folder / "out/real.npz", "--samples", "4", "--quiet"});
  ASSERT_EQ(traces.status, 0) << traces.err;
  EXPECT_EQ(traces.out.rfind("layer,trace,weight_rms\nf1,", 0), 0U) << traces.out;
}

/// Killed whenever there is a checkpoint, it ends with the files of an uninterrupted run.
TEST(TrainProgram, GoesOnAfterAKill) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  ASSERT_EQ(train_program({"train", experiment, "--out", folder / "whole"}).status, 0);
  const auto expected = files_of(folder / "whole");
  int interrupted = 0;
  for (const int after : {0, 150}) {
    const std::string out = folder / ("cut" + std::to_string(after));
    {
      Running program(TESSERA_TRAIN_PROGRAM, {"train", experiment, "--out", out});
      while (!program.is_done() && !fs::exists(out + "/checkpoint.npz")) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(after));
      interrupted += program.kill9() && fs::exists(out + "/checkpoint.npz") ? 1 : 0;
    }
    const Outcome again = train_program({"train", experiment, "--out", out});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(files_of(out), expected);
  }
  EXPECT_GT(interrupted, 0) << "no run was caught in time";
}

TEST(TrainProgram, RefusesTheCheckpointOfOtherOptions) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  const std::string out = folder / "out";
  {
    Running program(TESSERA_TRAIN_PROGRAM,
                    {"train", experiment, "--out", out, "--set", "train.epochs=100000"});
    while (!program.is_done() && !fs::exists(out + "/checkpoint.npz")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    ASSERT_TRUE(program.kill9());
  }
  const auto before = files_of(out);
  const Outcome got = train_program({"train", experiment, "--out", out});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("error[E-TRAIN-CHECKPOINT]"));
  EXPECT_THAT(got.err, HasSubstr("other train"));
  EXPECT_EQ(files_of(out), before);
  EXPECT_EQ(train_program({"train", experiment, "--out", out, "--fresh"}).status, 0);
}

TEST(TrainProgram, AnswersRequestsForAccuracy) {
  const TempFolder folder;
  const std::string experiment = experiment_in(folder);
  ASSERT_EQ(train_program({"train", experiment, "--out", folder / "out"}).status, 0);
  const auto request = [](int w, int a) {
    return Json{{"network", "line"},
                {"layers",
                 {{{"name", "f1"}, {"w_bits", w}, {"a_bits", a}},
                  {{"name", "f2"}, {"w_bits", w}, {"a_bits", a}}}}}
        .dump();
  };
  const std::string requests = folder / "requests";
  std::ofstream(requests) << request(8, 8) << "\n"
                          << "nonsense\n"
                          << request(17, 8) << "\n"
                          << request(2, 2) << "\n"
                          << request(8, 8) << "\n";
  const std::vector<std::string> common = {
      "evaluate", experiment, "--model", folder / "out/real.npz", "--cache", folder / "cache"};
  std::vector<std::string> serve = common;
  serve.emplace_back("--serve");
  const Outcome got = train_program(serve, requests);
  ASSERT_EQ(got.status, 0) << got.err;
  std::vector<Json> answers;
  std::istringstream lines(got.out);
  for (std::string line; std::getline(lines, line);) {
    answers.push_back(Json::parse(line));
  }
  ASSERT_EQ(answers.size(), 5U);
  const double high = answers[0].at("accuracy");
  const double low = answers[3].at("accuracy");
  EXPECT_GT(high, 70);
  EXPECT_LT(low, high);
  EXPECT_EQ(answers[4], answers[0]);
  EXPECT_TRUE(answers[1].contains("error"));
  EXPECT_THAT(answers[2].at("error").get<std::string>(), HasSubstr("w_bits"));
  EXPECT_EQ(files_of(folder / "cache").size(), 2U);

  // One request, from the cache: an answer that is put there by hand comes back.
  for (const auto& [name, text] : files_of(folder / "cache")) {
    Json kept = Json::parse(text);
    kept["accuracy"] = 12.5;
    std::ofstream(fs::path(folder / "cache") / name) << kept.dump();
  }
  const std::string one = folder / "one";
  std::ofstream(one) << request(8, 8);
  EXPECT_EQ(train_program(common, one).out, "12.5\n");
  // Another model is another key.
  std::vector<std::string> other = common;
  other[3] = folder / "out/low.npz";
  EXPECT_NE(train_program(other, one).out, "12.5\n");
}

TEST(TrainProgram, TakesArgumentsLikeTheOtherProgram) {
  EXPECT_EQ(train_program({"--help"}).status, 0);
  const Outcome got = train_program({"train", "x.yaml", "--nonsense"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("error[E-CLI-ARGUMENT]"));
}

/// tessera itself neither links nor loads torch.
TEST(TrainProgram, TheOtherProgramDoesNotLoadTorch) {
  const TempFolder folder;
  const std::string list = folder / "list";
  ASSERT_EQ(std::system(("ldd '" TESSERA_PROGRAM "' > '" + list + "'").c_str()), 0);
  EXPECT_THAT(read_text(list), HasSubstr("libsystemc"));
  EXPECT_THAT(read_text(list), testing::Not(HasSubstr("torch")));
}

}  // namespace
}  // namespace tessera::e2e
