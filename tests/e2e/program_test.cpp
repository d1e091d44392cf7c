// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a user sees of `tessera`: exit status, output, files, repeatability.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kQuickstart = "configs/experiments/quickstart.yaml";

json result_of(const std::string& folder) {
  return json::parse(read_text(fs::path(folder) / "result.json"));
}

json without_simulation(json result) {
  result.erase("simulation");
  return result;
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(Program, HelpAndVersion) {
  const Outcome help = run_program({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("validate"));
  EXPECT_THAT(help.out, HasSubstr("Exit status"));
  const Outcome of_run = run_program({"run", "--help"});
  EXPECT_EQ(of_run.status, 0);
  EXPECT_THAT(of_run.out, HasSubstr("--trace"));
  const Outcome version = run_program({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, testing::StartsWith("tessera 0."));
}

TEST(Program, QuickstartWritesAllFiles) {
  const TempFolder folder;
  const Outcome got = run_program({"run", kQuickstart, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  EXPECT_EQ(names_in(folder / "out"),
            (std::set<std::string>{
                "layers.csv", "manifest.json", "mapping.yaml", "resolved.yaml", "result.json"}));
  const json result = result_of(folder / "out");
  for (const char* key : {"schema",
                          "network",
                          "chip",
                          "granularity",
                          "images",
                          "latency",
                          "throughput",
                          "analytical",
                          "pes",
                          "layers",
                          "actions",
                          "energy",
                          "area",
                          "fabric",
                          "output_digest",
                          "checks",
                          "simulation"}) {
    EXPECT_TRUE(result.contains(key)) << key;
  }
  for (const json& check : result["checks"]) {
    EXPECT_TRUE(check["ok"].get<bool>()) << check;
  }
  const json manifest = json::parse(read_text(folder / "out/manifest.json"));
  EXPECT_EQ(manifest["seed"], 1);
  EXPECT_EQ(manifest["arguments"][0], "run");
}

TEST(Program, JsonIsAllThatStandardOutputHolds) {
  const TempFolder folder;
  const Outcome got = run_program({"run", kQuickstart, "--json", "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, read_text(folder / "out/result.json"));
  EXPECT_EQ(got.err, "");
}

TEST(Program, QuietPrintsNothing) {
  const TempFolder folder;
  const Outcome got = run_program({"run", kQuickstart, "--quiet", "--out", folder / "out"});
  EXPECT_EQ(got.status, 0);
  EXPECT_EQ(got.out + got.err, "");
}

TEST(Program, RepeatsItself) {
  const TempFolder folder;
  std::map<std::string, std::string> first;
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(run_program({"run", kQuickstart, "--out", folder / "out"}).status, 0);
    for (const std::string& name : names_in(folder / "out")) {
      std::string text = read_text(folder.path() / "out" / name);
      if (name == "result.json") {
        text = without_simulation(json::parse(text)).dump();
      }
      if (round == 0) {
        first[name] = text;
      } else {
        EXPECT_EQ(text, first[name]) << name;
      }
    }
  }
}

TEST(Program, SeedChangesNumbersAndNotTime) {
  const TempFolder folder;
  ASSERT_EQ(run_program({"run", kQuickstart, "--out", folder / "a"}).status, 0);
  ASSERT_EQ(run_program({"run", kQuickstart, "--seed", "7", "--out", folder / "b"}).status, 0);
  const json a = result_of(folder / "a");
  const json b = result_of(folder / "b");
  EXPECT_NE(a["output_digest"], b["output_digest"]);
  EXPECT_EQ(a["latency"], b["latency"]);
}

TEST(Program, ResolvedFileReproducesTheRun) {
  const TempFolder folder;
  const Outcome first = run_program({"run",
                                     kQuickstart,
                                     "--set",
                                     "chip.tile.bus.width=96",
                                     "--images",
                                     "2",
                                     "--out",
                                     folder / "a"});
  ASSERT_EQ(first.status, 0) << first.err;
  const Outcome again = run_program({"run", folder / "a/resolved.yaml", "--out", folder / "b"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(without_simulation(result_of(folder / "a")),
            without_simulation(result_of(folder / "b")));
  EXPECT_EQ(read_text(folder / "a/mapping.yaml"), read_text(folder / "b/mapping.yaml"));
}

TEST(Program, MappingFileReproducesTheRun) {
  const TempFolder folder;
  ASSERT_EQ(run_program({"run", kQuickstart, "--out", folder / "a"}).status, 0);
  std::ofstream(folder / "with_file.yaml")
      << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/small.yaml\n"
      << "network: {zoo: lenet5}\nmapping: {file: a/mapping.yaml}\n"
      << "execution: {images: 4, functional: ideal}\n";
  const Outcome got = run_program({"run", folder / "with_file.yaml", "--out", folder / "c"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(without_simulation(result_of(folder / "a")),
            without_simulation(result_of(folder / "c")));
  const Outcome resolved = run_program({"run", folder / "c/resolved.yaml", "--out", folder / "d"});
  ASSERT_EQ(resolved.status, 0) << resolved.err;
  EXPECT_EQ(without_simulation(result_of(folder / "c")),
            without_simulation(result_of(folder / "d")));
}

TEST(Program, StepDetailTakesTheSameCycles) {
  const TempFolder folder;
  ASSERT_EQ(run_program({"run", kQuickstart, "--out", folder / "a"}).status, 0);
  const Outcome step = run_program({"run", kQuickstart, "--detail", "step", "--out", folder / "b"});
  ASSERT_EQ(step.status, 0) << step.err;
  json a = without_simulation(result_of(folder / "a"));
  json b = without_simulation(result_of(folder / "b"));
  EXPECT_EQ(a["detail"], "firing");
  EXPECT_EQ(b["detail"], "step");
  a.erase("detail");
  b.erase("detail");
  EXPECT_EQ(a, b);
  EXPECT_GT(result_of(folder / "b")["simulation"]["occupations"], 0);
}

TEST(Program, TraceAndWaveform) {
  const TempFolder folder;
  const Outcome got = run_program({"run",
                                   kQuickstart,
                                   "--images",
                                   "1",
                                   "--out",
                                   folder / "out",
                                   "--trace",
                                   folder / "out/trace.json",
                                   "--vcd",
                                   folder / "wave.vcd"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_FALSE(json::parse(read_text(folder / "out/trace.json")).empty());
  EXPECT_THAT(read_text(folder / "wave.vcd"), HasSubstr("$enddefinitions"));
  EXPECT_EQ(names_in(folder.path()), (std::set<std::string>{"out", "wave.vcd"}));
}

TEST(Program, NothingIsLeftOfARunThatCannotStart) {
  const TempFolder folder;
  const Outcome got = run_program({"run",
                                   kQuickstart,
                                   "--out",
                                   folder / "out",
                                   "--trace",
                                   folder / "none/trace.json",
                                   "--vcd",
                                   folder / "wave.vcd"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("E-OUT-WRITE"));
  EXPECT_EQ(names_in(folder.path()), std::set<std::string>{});
}

TEST(Program, ValidateComparesLayers) {
  const Outcome got = run_program({"validate", kQuickstart});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("conv1"));
  const Outcome two = run_program({"validate", kQuickstart, kQuickstart});
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_THAT(two.out, HasSubstr("== " + std::string(kQuickstart)));
}

TEST(Program, ExplainAndList) {
  EXPECT_THAT(run_program({"explain", "crossbar"}).out, HasSubstr("adc_bits"));
  EXPECT_THAT(run_program({"explain", "chip.tile.bus.width"}).out, HasSubstr("bits per cycle"));
  EXPECT_THAT(run_program({"explain", "chip.tile.pe.adcs"}).out, HasSubstr("[1, 65536]"));
  EXPECT_THAT(run_program({"explain", "execution"}).out, HasSubstr("granularity"));
  EXPECT_THAT(run_program({"explain", "E-CFG-UNKNOWN-KEY"}).out, HasSubstr("spelling"));
  const json schema = json::parse(run_program({"explain", "--schema"}).out);
  EXPECT_TRUE(schema["properties"]["chip"]["properties"].contains("tile"));
  EXPECT_THAT(run_program({"list", "networks"}).out, HasSubstr("resnet101"));
  EXPECT_THAT(run_program({"list", "kinds"}).out, HasSubstr("crossbar"));
  EXPECT_THAT(run_program({"list", "chips"}).out, HasSubstr("isaac.yaml"));
  EXPECT_THAT(run_program({"list", "experiments"}).out, HasSubstr("quickstart.yaml"));
}

/// Layers that branch, each on a tile of its own: all self-checks hold.
TEST(Program, BranchesOverTiles) {
  const TempFolder folder;
  const Outcome got = run_program({"run",
                                   "configs/chips/rtm_ap.yaml",
                                   "--set",
                                   "network.zoo=tiny_cnn",
                                   "--set",
                                   "chip.tile.pes=1",
                                   "--set",
                                   "mapping.default={w_bits: 2, a_bits: 4}",
                                   "--out",
                                   folder / "out"});
  EXPECT_EQ(got.status, 0) << got.err;
}

/// ISAAC's table I: one tile's share of 85.4 mm2; and a result takes 22 stages of 100 ns: it leaves
/// the sigmoid 21 stages after its eDRAM read began and is readable in the next eDRAM one later.
TEST(Program, IsaacTakes22Stages) {
  const TempFolder folder;
  std::ofstream(folder / "isaac22.yaml")
      << "include: " << fs::relative(TESSERA_SOURCE_DIR, folder.path()).string()
      << "/configs/chips/isaac.yaml\n"
      << "network:\n  name: two\n  input: {channels: 128, bits: 16}\n  layers:\n"
      << "    - {name: fc1, kind: linear, channels: 16, activation: sigmoid}\n"
      << "    - {name: fc2, kind: linear, channels: 16}\n"
      << "mapping: {default: {w_bits: 16, a_bits: 16}}\n";
  const Outcome got = run_program({"run", folder / "isaac22.yaml", "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = result_of(folder / "out");
  EXPECT_EQ(result["layers"][1]["name"], "fc1");
  EXPECT_EQ(result["layers"][1]["simulated_cycles"], 21 * 128);
  EXPECT_NEAR(result["area"]["total_m2"].get<double>(), 85.4e-6, 0.01 * 85.4e-6);
  const Outcome write = run_program({"explain", "chip.tile.buffer.write_latency"});
  EXPECT_THAT(write.out, HasSubstr("before a written position can be read"));
  EXPECT_THAT(read_text(folder / "out/resolved.yaml"), HasSubstr("write_latency: 100 ns"));
}

/// Experiments that run as they are, or those that only ask for a smaller network: of isaac_vgg16,
/// which takes longer than the others together, neither.
std::vector<std::string> experiments(bool slow) {
  std::vector<std::string> names;
  for (const fs::path& file : files_in("configs/experiments", ".yaml")) {
    const std::string name = file.stem().string();
    // 10 to 20 s of compiling each.
    const bool compiles = name.rfind("rtm_ap_resnet18", 0) == 0 || name == "rtm_ap_vgg9_8bit" ||
                          name == "rtm_ap_vgg11_8bit";
    if (compiles == slow && name != "isaac_vgg16") {
      names.push_back(name);
    }
  }
  return names;
}

void expect_runs(const std::string& name, const std::vector<std::string>& options) {
  const TempFolder folder;
  std::vector<std::string> words{
      "run", "configs/experiments/" + name + ".yaml", "--out", folder / "out"};
  words.insert(words.end(), options.begin(), options.end());
  const Outcome got = run_program(words);
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = result_of(folder / "out");
  EXPECT_GE(result["latency"]["cycles"], result["analytical"]["lower_bound_cycles"]);
}

class Experiments : public testing::TestWithParam<std::string> {};

TEST_P(Experiments, Run) {
  expect_runs(GetParam(), {});
}

INSTANTIATE_TEST_SUITE_P(Files,
                         Experiments,
                         testing::ValuesIn(experiments(false)),
                         [](const auto& name) { return name.param; });

class SlowExperiments : public testing::TestWithParam<std::string> {};

TEST_P(SlowExperiments, RunWithASmallNetwork) {
  expect_runs(GetParam(), {"--set", "network.zoo=lenet5"});
}

INSTANTIATE_TEST_SUITE_P(Files,
                         SlowExperiments,
                         testing::ValuesIn(experiments(true)),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace tessera::e2e
