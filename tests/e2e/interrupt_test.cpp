// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A program that is ended by a signal leaves nothing behind: no files, no tessera-train. The
/// latter is a stand-in that never ends by itself.
#include "tests/e2e/program.hpp"
#include "tests/e2e/running.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

namespace tessera::e2e {
namespace {

void wait_for(const std::function<bool()>& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!what() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

class Interrupted : public testing::TestWithParam<int> {
 protected:
  Interrupted() {
    fs::create_directory(folder_ / "bin");
    fs::create_directory(folder_ / "tmp");
    fs::copy_file(TESSERA_PROGRAM, folder_ / "bin/tessera");
    std::ofstream(folder_ / "bin/tessera-train")
        << "#!/usr/bin/env bash\necho $$ >'" << folder_ / "child"
        << "'\nexec sleep 100\n";
    fs::permissions(folder_ / "bin/tessera-train", fs::perms::owner_all);
    std::ofstream(folder_ / "images.csv") << "0,1,0.5,0.25,0\n1,0,0.5,0.25,1\n1,1,0.5,0,0\n";
    std::ofstream(folder_ / "x.yaml")
        << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/small.yaml\n"
        << "network:\n"
           "  name: one\n"
           "  parameters: "
        << TESSERA_SOURCE_DIR
        << "/configs/bad/parts/param_head.npz\n"
           "  input: {height: 1, width: 1, channels: 4}\n"
           "  layers: [{name: head, kind: fc, channels: 2}]\n"
           "data: {test: {file: images.csv}, train: {file: images.csv}}\n";
  }

  /// Ends `tessera command x.yaml` while tessera-train runs. Whether it was ended by the signal.
  bool end(const std::string& command) {
    Running program("/usr/bin/env",
                    {"TMPDIR=" + (folder_ / "tmp"),
                     folder_ / "bin/tessera",
                     command,
                     folder_ / "x.yaml",
                     "--out",
                     folder_ / "out"});
    wait_for([&] {  // bash may miss a signal, sleep does not
      return read_text("/proc/" + child() + "/comm") == "sleep\n" || program.is_done();
    });
    if (command == "accuracy") {
      EXPECT_FALSE(fs::is_empty(folder_ / "tmp")) << "weights go there";
    }
    return program.end_by(GetParam());
  }

  void expect_nothing_left() {
    EXPECT_TRUE(fs::is_empty(folder_ / "tmp"));
    ASSERT_NE(child(), "");
    EXPECT_NE(kill(std::stoi(child()), SIGKILL), 0) << "tessera-train still runs";
  }

  /// Number of the process of tessera-train; empty before it wrote it.
  [[nodiscard]] std::string child() const {
    const std::string line = read_text(folder_ / "child");
    return line.substr(0, line.find('\n'));
  }

  TempFolder folder_;
};

TEST_P(Interrupted, AccuracyRemovesItsFiles) {
  EXPECT_TRUE(end("accuracy"));
  expect_nothing_left();
}

TEST_P(Interrupted, TrainingEndsToo) {
  EXPECT_TRUE(end("train"));
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(Signals, Interrupted, testing::Values(SIGHUP, SIGINT, SIGTERM));

}  // namespace
}  // namespace tessera::e2e
