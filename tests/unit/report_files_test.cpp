// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The output folder writes all or nothing; the progress bar draws for terminals only.
#include "sim/base/diagnostics.hpp"
#include "sim/base/partial_file.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>

namespace tessera::report {
namespace {

namespace fs = std::filesystem;

class Output : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tessera_output_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }

  void TearDown() override { fs::remove_all(folder_); }

  static std::string read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  static std::set<std::string> files(const fs::path& folder) {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder)) {
      out.insert(entry.path().filename().string());
    }
    return out;
  }

  static std::string code_of(const std::function<void()>& act) {
    try {
      act();
    } catch (const InputError& e) {
      EXPECT_EQ(e.exit_status(), 2);
      return e.diagnostics().errors().at(0).code;
    }
    return "none";
  }

  fs::path folder_;
};

TEST_F(Output, WritesEverythingAtCommit) {
  OutputFolder out((folder_ / "runs" / "one").string());
  out.add("result.json", "{}\n");
  out.add("layers.csv", std::string(100'000, 'x'));
  out.add("result.json", "{ }\n");
  EXPECT_FALSE(fs::exists(out.path()));
  out.commit();
  EXPECT_EQ(files(out.path()), (std::set<std::string>{"result.json", "layers.csv"}));
  EXPECT_EQ(read(out.path() / "result.json"), "{ }\n");
  EXPECT_EQ(fs::file_size(out.path() / "layers.csv"), 100'000U);
}

TEST_F(Output, ReplacesItsOwnFilesAndLeavesOthers) {
  std::ofstream(folder_ / "result.json") << "old";
  std::ofstream(folder_ / "mine.txt") << "mine";
  OutputFolder out(folder_.string());
  out.add("result.json", "new");
  out.commit();
  EXPECT_EQ(read(folder_ / "result.json"), "new");
  EXPECT_EQ(read(folder_ / "mine.txt"), "mine");
  EXPECT_EQ(files(folder_).size(), 2U);
}

/// Also while the work goes on, so that nothing is left when it is interrupted.
TEST_F(Output, WithoutCommitNoTraceIsLeft) {
  fs::create_directory(folder_ / "mine");
  OutputFolder out((folder_ / "a" / "b").string());
  OutputFolder there((folder_ / "mine").string());
  out.add("result.json", "{}");
  EXPECT_EQ(files(folder_), std::set<std::string>{"mine"});
}

/// Runs side by side make and take away the same new folders.
TEST_F(Output, RunsSideBySideDoNotDisturbEachOther) {
  constexpr int kRuns = 4;
  const std::string shared = (folder_ / "out" / "one").string();
  std::vector<pid_t> children;
  for (int run = 0; run < kRuns; ++run) {
    children.push_back(::fork());
    if (children.back() == 0) {
      int failed = 0;
      for (int i = 0; i < 200; ++i) {
        try {
          OutputFolder out(shared);
          if (i % 2 == 1) {
            OutputFolder own(shared + std::to_string(run));
            own.add("result.json", "{}");
            own.commit();
            fs::remove_all(own.path());
          }
        } catch (const InputError&) {
          failed = 1;
        }
      }
      ::_exit(failed);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
}

TEST_F(Output, AFailingFileLeavesNoNewFolder) {
  OutputFolder out((folder_ / "a" / "b").string());
  out.add(std::string(300, 'x'), "longer than file names are");
  EXPECT_EQ(code_of([&] { out.commit(); }), "E-OUT-WRITE");
  EXPECT_TRUE(files(folder_).empty());
}

TEST_F(Output, SaysWhichOptionNamedTheFolder) {
  try {
    const OutputFolder out("/proc/no_such_folder", "--emit-ap");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.diagnostics().errors().front().path, "--emit-ap");
  }
}

TEST_F(Output, FolderThatCannotBe) {
  std::ofstream(folder_ / "file") << "x";
  EXPECT_EQ(code_of([&] { const OutputFolder out((folder_ / "file").string()); }), "E-OUT-FOLDER");
  EXPECT_EQ(code_of([&] { const OutputFolder out((folder_ / "file" / "below").string()); }),
            "E-OUT-FOLDER");
  EXPECT_EQ(code_of([&] { const OutputFolder out(""); }), "E-OUT-FOLDER");
  EXPECT_EQ(code_of([&] { const OutputFolder out("/proc/no_such_folder"); }), "E-OUT-FOLDER");
  EXPECT_EQ(files(folder_), std::set<std::string>{"file"});
}

TEST_F(Output, AFailingFileLeavesTheOldOnes) {
  std::ofstream(folder_ / "a.txt") << "old";
  fs::create_directory(folder_ / "b.txt");
  OutputFolder out(folder_.string());
  out.add("a.txt", "new");
  out.add("b.txt", "new");
  EXPECT_EQ(code_of([&] { out.commit(); }), "E-OUT-WRITE");
  EXPECT_EQ(read(folder_ / "a.txt"), "old");
  EXPECT_EQ(files(folder_), (std::set<std::string>{"a.txt", "b.txt"}));
}

TEST_F(Output, AFullDiskLeavesTheOldOnes) {
  std::ofstream(folder_ / "a.txt") << "old";
  OutputFolder out(folder_.string());
  out.add("a.txt", "new");
  out.add("big.txt", std::string(100'000, 'x'));
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1000;
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string code = code_of([&] { out.commit(); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(code, "E-OUT-WRITE");
  EXPECT_EQ(read(folder_ / "a.txt"), "old");
  EXPECT_EQ(files(folder_), std::set<std::string>{"a.txt"});
}

/// A run that was killed in the middle of commit() leaves partial files; the next one takes them
/// away, and nothing that is or may be somebody's.
TEST_F(Output, RemovesWhatAKilledRunLeft) {
  const pid_t killed = ::fork();
  if (killed == 0) {
    std::ofstream(partial_name(folder_ / "result.json")) << "{";
    std::ofstream(partial_name(folder_ / "no.longer.written")) << "x";
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  ASSERT_EQ(files(folder_).size(), 2U);
  const std::string gone = "." + std::to_string(killed) + ".tessera.tmp";
  const std::set<std::string> others = {
      ".result.json." + std::to_string(::getppid()) + ".tessera.tmp",  // being written
      ".result.json." + std::to_string(killed) + ".tmp",
      ".result.json.1x.tessera.tmp",
      ".result.json.-1.tessera.tmp",
      ".result.json.99999999999.tessera.tmp",
      ".result.json..tessera.tmp",
      "result.json" + gone,
      gone,
      ".tessera.tmp",
      "result.json"};
  for (const std::string& name : others) {
    std::ofstream(folder_ / name) << name;
  }
  const OutputFolder out(folder_.string());
  EXPECT_EQ(files(folder_), others);
}

TEST_F(Output, NamesAreFileNames) {
  OutputFolder out(folder_.string());
  for (const char* name : {"", ".", "..", "a/b"}) {
    EXPECT_THROW(out.add(name, ""), InternalError) << name;
  }
}

TEST(ProgressLine, ShowsWorkRateAndTimeLeft) {
  Progress p;
  p.images = 8;
  p.images_done = 2;
  p.fraction = 0.25;
  p.now = Cycles(1'200'000);
  EXPECT_EQ(progress_line(p, Clock{}, 4.0),
            "[=====>              ]  25 %  image 3/8  1.2 ms simulated  300 kcycles/s  0:12 left");
  p.images_done = 8;
  p.fraction = 1;
  EXPECT_EQ(progress_line(p, Clock{}, 4000.0),
            "[====================] 100 %  image 8/8  1.2 ms simulated  300 cycles/s  0:00 left");
  p.fraction = 0.4;
  p.images_done = 3;
  EXPECT_NE(progress_line(p, Clock{}, 4000.0).find("1:40:00 left"), std::string::npos);
  p.fraction = 0;
  EXPECT_EQ(progress_line(p, Clock{}, 1.0).find("left"), std::string::npos);
}

class OneLine : public testing::Test {
 protected:
  void SetUp() override { file_ = std::tmpfile(); }

  void TearDown() override { std::fclose(file_); }

  [[nodiscard]] long size() const {
    std::fflush(file_);
    return std::ftell(file_);
  }

  std::FILE* file_ = nullptr;
};

TEST_F(OneLine, SaysNothingWhenPiped) {
  EXPECT_FALSE(is_terminal(file_));
  const StatusLine::Time start{};
  StatusLine line(file_, is_terminal(file_), start);
  line.show("half", start + std::chrono::hours(1));
  line.clear();
  EXPECT_EQ(size(), 0);
}

TEST_F(OneLine, WaitsHalfASecondAndThinsOut) {
  const StatusLine::Time start{};
  StatusLine line(file_, true, start);
  line.show("half", start + std::chrono::milliseconds(499));
  EXPECT_EQ(size(), 0);
  line.show("half", start + std::chrono::milliseconds(500));
  const long once = size();
  EXPECT_GT(once, 0);
  line.show("half", start + std::chrono::milliseconds(599));
  EXPECT_EQ(size(), once);
  line.show("half", start + std::chrono::milliseconds(600));
  EXPECT_GT(size(), once);
  const long twice = size();
  line.clear();
  EXPECT_EQ(size(), twice + 4);
  line.clear();
  EXPECT_EQ(size(), twice + 4);
}

TEST_F(OneLine, IsDrawnByOneProcess) {
  StatusLine line(file_, true, {});
  const pid_t child = ::fork();
  if (child == 0) {
    line.show("in the child");
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(size(), 0);
  line.show("in the parent");
  EXPECT_GT(size(), 0);
}

}  // namespace
}  // namespace tessera::report
