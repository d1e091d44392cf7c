// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/command.hpp"

#include "mapper/accuracy/shell.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace tessera::mapper {
namespace {

using testing::HasSubstr;
using End = ShellOutcome::End;

class Command : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("tessera_command_{}", getpid());
    std::filesystem::create_directory(folder_);
  }

  void TearDown() override {
    // Nothing is left to be reaped.
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
    std::filesystem::remove_all(folder_);
  }

  std::string script(const std::string& body) {
    const std::string path = folder_ / "accuracy.sh";
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    return "sh " + path;
  }

  [[nodiscard]] std::string file(const std::string& name) const {
    std::ifstream in(folder_ / name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  CommandAccuracy source(const std::string& body, double timeout = 20) {
    return {network_, widths_, {script(body), timeout, {}}};
  }

  /// The one diagnostic of a command that fails.
  Diagnostic failure(const std::string& body, double timeout = 20) {
    CommandAccuracy accuracy = source(body, timeout);
    try {
      accuracy.loss(bits_);
    } catch (const InputError& error) {
      EXPECT_EQ(error.exit_status(), 2);
      EXPECT_EQ(error.diagnostics().errors().size(), 1U);
      return error.diagnostics().errors().front();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  std::filesystem::path folder_;
  Network network_ = zoo("lenet5");
  LayerWidths widths_ = LayerWidths(5, {{4, 4}, {8, 6}, {6, 8}});
  std::vector<LayerBits> bits_ = std::vector<LayerBits>(5, {4, 4});
};

double seconds_of(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST_F(Command, LossIsAgainstTheWidestWidthsAndAskedOnce) {
  const std::string log = folder_ / "requests";
  CommandAccuracy accuracy =
      source("read line; echo \"$line\" >> " + log +
             "\ncase \"$line\" in *'\"w_bits\":4'*) echo 70.25;; *) echo '{\"accuracy\": 71.5}';; "
             "esac");
  EXPECT_DOUBLE_EQ(accuracy.loss(bits_), 1.25);
  EXPECT_DOUBLE_EQ(accuracy.loss(bits_), 1.25);
  EXPECT_DOUBLE_EQ(accuracy.loss(std::vector<LayerBits>(5, {8, 8})), 0);
  EXPECT_EQ(accuracy.runs(), 2);
  EXPECT_EQ(accuracy.unit(), "percentage points");

  std::istringstream lines(file("requests"));
  std::string first;
  std::getline(lines, first);
  const nlohmann::json request = nlohmann::json::parse(first);
  EXPECT_EQ(request["network"], "lenet5");
  ASSERT_EQ(request["layers"].size(), 5U);
  EXPECT_EQ(request["layers"][0]["name"], network_.layer(matrix_layers(network_)[0]).name);
  EXPECT_EQ(request["layers"][0]["w_bits"], 8);
  EXPECT_EQ(request["layers"][4]["a_bits"], 8);
}

TEST_F(Command, GainsAreNegativeLosses) {
  CommandAccuracy accuracy =
      source("case \"$(cat)\" in *'\"w_bits\":4'*) echo 72;; *) echo 71;; esac");
  EXPECT_DOUBLE_EQ(accuracy.loss(bits_), -1);
}

TEST_F(Command, FailuresQuoteTheLog) {
  const Diagnostic d = failure("echo 71; echo 'no module named torch' >&2; exit 3");
  EXPECT_EQ(d.code, "E-ACC-COMMAND");
  EXPECT_THAT(d.got, HasSubstr("exit status 3"));
  EXPECT_THAT(d.hint, HasSubstr("no module named torch"));

  EXPECT_THAT(failure("kill -SEGV $$").got, HasSubstr("signal 11"));
  const ShellOutcome killed = run_shell("kill -SEGV $$", "", {20});
  EXPECT_EQ(killed.end, End::signalled);
  EXPECT_EQ(killed.status, 11);
  const Diagnostic missing = failure("no_such_program_here");
  EXPECT_EQ(missing.code, "E-ACC-COMMAND");
  EXPECT_THAT(missing.got, HasSubstr("127"));
}

TEST_F(Command, RubbishIsRefused) {
  for (const char* text : {"",
                           "hello",
                           "71.5 %",
                           "nan",
                           "Infinity",
                           "1e999",
                           "-1",
                           "100.5",
                           "71 72",
                           "[71]",
                           R"({"acc": 71})",
                           R"({"accuracy": "71"})",
                           R"({"accuracy": null})",
                           "0.713"}) {
    std::ofstream(folder_ / "answer") << text;
    EXPECT_EQ(failure("cat " + (folder_ / "answer").string()).code, "E-ACC-OUTPUT") << text;
  }
  EXPECT_THAT(failure("echo Loading; echo 71.5").got, HasSubstr("Loading"));
  EXPECT_THAT(failure("echo 0.7").hint, HasSubstr("not 0.713"));
}

TEST_F(Command, TooMuchOutputIsCutOff) {
  const double seconds = seconds_of([&] { EXPECT_EQ(failure("yes 71").code, "E-ACC-OUTPUT"); });
  EXPECT_LT(seconds, 10);
}

TEST_F(Command, HangingCommandsAreKilledWithTheirGroup) {
  const std::string pid = folder_ / "pid";
  const double seconds = seconds_of([&] {
    const Diagnostic d = failure("echo started >&2; sleep 100 & echo $! > " + pid + "; wait", 0.4);
    EXPECT_EQ(d.code, "E-ACC-TIMEOUT");
    EXPECT_THAT(d.hint, HasSubstr("started"));
  });
  EXPECT_LT(seconds, 10);
  // The grandchild is gone, or a zombie that init has not reaped yet.
  const std::string id = file("pid").substr(0, file("pid").find('\n'));
  std::string state;
  for (int i = 0; i < 200; ++i) {
    std::ifstream in("/proc/" + id + "/stat");
    std::string text;
    std::getline(in, text);
    state = text.empty() ? "gone" : text.substr(text.rfind(')') + 2, 1);
    if (state == "gone" || state == "Z") {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(state == "gone" || state == "Z") << state;
}

TEST_F(Command, BackgroundProcessesDoNotHoldUpTheAnswer) {
  CommandAccuracy accuracy = source("sleep 100 & echo 71");
  EXPECT_LT(seconds_of([&] { EXPECT_DOUBLE_EQ(accuracy.accuracy(bits_), 71); }), 10);
}

TEST_F(Command, ClosedOutputIsNoEnd) {
  EXPECT_EQ(failure("echo 71; exec >&- 2>&-; sleep 100", 0.4).code, "E-ACC-TIMEOUT");
}

TEST_F(Command, InputThatNobodyReadsIsNoSignal) {
  const std::string large(1 << 20, 'x');
  ShellOutcome run = run_shell("exec <&-; sleep 0.1; echo 71", large, {20});
  EXPECT_EQ(run.end, End::exited);
  EXPECT_EQ(run.output, "71\n");
  run = run_shell("echo 71", large, {20});
  EXPECT_EQ(run.end, End::exited);
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST_F(Command, BothDirectionsFlowAtOnce) {
  const std::string large(1 << 20, 'x');
  const ShellOutcome run = run_shell("cat", large, {20, std::size_t{2} << 20U});
  EXPECT_EQ(run.end, End::exited);
  EXPECT_EQ(run.output, large);
}

TEST_F(Command, LogKeepsItsEnd) {
  const ShellOutcome run =
      run_shell("i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done", "", {20});
  EXPECT_EQ(run.end, End::exited);
  EXPECT_LE(run.log.size(), 4096U);
  EXPECT_THAT(run.log, HasSubstr("line 19999\n"));
}

TEST_F(Command, FloodedLogDoesNotOutlastTheTimeout) {
  const double seconds =
      seconds_of([&] { EXPECT_EQ(run_shell("yes >&2", "", {0.3}).end, End::timed_out); });
  EXPECT_LT(seconds, 10);
}

TEST_F(Command, SignalsOfTheCommandAreTheUsualOnes) {
  // A pipeline whose reader stops early relies on SIGPIPE.
  const ShellOutcome run = run_shell("yes | head -n 1", "", {20});
  EXPECT_EQ(run.end, End::exited);
  EXPECT_EQ(run.output, "y\n");
}

}  // namespace
}  // namespace tessera::mapper
