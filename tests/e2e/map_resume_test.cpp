// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does a search that was killed, at whatever moment, go on to the files of one that was not, and
/// does it refuse a checkpoint that is not its own?
#include "tests/e2e/program.hpp"
#include "tests/e2e/running.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace tessera::e2e {
namespace {

using testing::HasSubstr;

constexpr const char* kExperiment = TESSERA_SOURCE_DIR "/configs/experiments/map_lenet5.yaml";

using Arguments = std::vector<std::string>;

Arguments learning(const std::string& out, const Arguments& more = {}) {
  Arguments all = {"map",
                   kExperiment,
                   "--search",
                   "rl",
                   "--episodes",
                   "70",
                   "--set",
                   "search.baselines=false",
                   "--quiet",
                   "--out",
                   out};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::map<std::string, std::string> repeatable_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    files[name] = read_text(entry.path());
    if (name == "map.json") {
      nlohmann::json result = nlohmann::json::parse(files[name]);
      result.erase("timing");
      files[name] = result.dump();
    }
  }
  return files;
}

/// Starts, waits for a checkpoint, and kills after a while. Whether a checkpoint is there now.
bool interrupt(const Arguments& arguments,
               const std::string& checkpoint,
               std::chrono::milliseconds after) {
  Running program(TESSERA_PROGRAM, arguments);
  while (!program.is_done() && !fs::exists(checkpoint)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  std::this_thread::sleep_for(after);
  return program.kill9() && fs::exists(checkpoint);
}

/// Whenever it is killed: resumed, it writes the same files as without interruption, and nothing
/// else is left.
TEST(MapResume, GivesTheFilesOfAnUninterruptedSearch) {
  const TempFolder folder;
  const Outcome whole = run_program(learning(folder / "whole"));
  ASSERT_EQ(whole.status, 0) << whole.err;
  const auto expected = repeatable_files(folder / "whole");
  ASSERT_GE(expected.size(), 5U);

  const TempFolder other;
  const Arguments again = learning(other / "out");
  std::mt19937 random(std::random_device{}());
  int interrupted = 0;
  std::string waits;
  for (int i = 0; i < 4; ++i) {
    const std::chrono::milliseconds after(std::uniform_int_distribution<>(0, 900)(random));
    waits += std::to_string(after.count()) + " ms ";
    interrupted += interrupt(again, other / "out.checkpoint", after) ? 1 : 0;
  }
  SCOPED_TRACE("killed after " + waits);
  EXPECT_GE(interrupted, 1);
  const Outcome rest = run_program(again);
  ASSERT_EQ(rest.status, 0) << rest.err;
  const auto found = repeatable_files(other / "out");
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [name, text] : expected) {
    EXPECT_EQ(found.at(name), text) << name;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(other.path())) {
    EXPECT_EQ(entry.path().filename(), "out") << "left behind";
  }
}

/// Whatever the search depends on, a change of it is noticed, and the checkpoint kept.
TEST(MapResume, RefusesACheckpointOfAnotherExperiment) {
  const TempFolder folder;
  ASSERT_TRUE(
      interrupt(learning(folder / "out"), folder / "out.checkpoint", std::chrono::milliseconds(0)));
  const std::string checkpoint = read_text(folder / "out.checkpoint");
  const std::vector<Arguments> changes = {{"--episodes", "71"},
                                          {"--seed", "2"},
                                          {"--objective", "energy"},
                                          {"--set", "search.bits.w_max=7"},
                                          {"--set", "search.loss_of_bits=5"},
                                          {"--set", "search.pes=89"},
                                          {"--set", "search.rl.algorithm=td3"},
                                          {"--set", "search.rl.environment=haq"},
                                          {"--set", "chip.tile.pe.t_read=12 ns"}};
  for (const Arguments& change : changes) {
    Arguments all = learning(folder / "out", change);
    if (change.front() == "--episodes") {
      all = learning(folder / "out");
      all[5] = change.back();
    }
    const Outcome got = run_program(all);
    EXPECT_EQ(got.status, 2) << change.back();
    EXPECT_THAT(got.err, HasSubstr("error[E-SEARCH-CHECKPOINT]")) << change.back();
    EXPECT_THAT(got.err, HasSubstr("--fresh")) << change.back();
    EXPECT_EQ(read_text(folder / "out.checkpoint"), checkpoint) << "a refused checkpoint is kept";
  }
}

/// A checkpoint that is cut or altered anywhere is refused; --fresh does without it.
TEST(MapResume, RefusesHalfACheckpoint) {
  const TempFolder folder;
  const Arguments small = {"map",
                           kExperiment,
                           "--search",
                           "rl",
                           "--episodes",
                           "30",
                           "--set",
                           "search.baselines=false",
                           "--quiet",
                           "--out"};
  const auto into = [&](const std::string& name, const Arguments& more = {}) {
    Arguments all = small;
    all.push_back(folder / name);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  ASSERT_TRUE(interrupt(into("out"), folder / "out.checkpoint", std::chrono::milliseconds(0)));
  const std::string checkpoint = read_text(folder / "out.checkpoint");
  ASSERT_GT(checkpoint.size(), 100U);
  std::vector<std::string> broken = {"", checkpoint.substr(0, 10), checkpoint + "x"};
  broken.push_back(checkpoint.substr(0, checkpoint.size() / 2));
  broken.push_back(checkpoint.substr(0, checkpoint.size() - 1));
  broken.push_back(checkpoint);
  broken.back()[checkpoint.size() * 2 / 3] ^= 1;
  for (const std::string& text : broken) {
    std::ofstream(folder / "out.checkpoint", std::ios::binary) << text;
    const Outcome got = run_program(into("out"));
    EXPECT_EQ(got.status, 2) << text.size();
    EXPECT_THAT(got.err, HasSubstr("error[E-SEARCH-CHECKPOINT]")) << text.size();
  }
  ASSERT_EQ(run_program(into("out", {"--fresh"})).status, 0);
  EXPECT_FALSE(fs::exists(folder / "out.checkpoint"));
  ASSERT_EQ(run_program(into("other")).status, 0);
  EXPECT_EQ(repeatable_files(folder / "out"), repeatable_files(folder / "other"));
}

}  // namespace
}  // namespace tessera::e2e
