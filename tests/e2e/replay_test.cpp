// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Programs that were written, edited by hand or not, against the golden reference: `compile
/// --replay`, `run --replay-ap`.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTiny = "configs/ap/tiny_cnn.yaml";
constexpr const char* kExperiment = "configs/experiments/rtm_ap_vgg9.yaml";

std::vector<std::string> with(std::vector<std::string> words,
                              const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Outcome compile(const std::vector<std::string>& more) {
  return run_program(with({"compile", kTiny}, more));
}

/// A small network on arrays so small that most layers take several, and arrays in place of lanes.
Outcome run(const std::vector<std::string>& more) {
  std::vector<std::string> words = {"run", kExperiment};
  for (const char* set : {"network.zoo=tiny_cnn",
                          "chip.tile.pe.rows=32",
                          "chip.tile.pe.columns=24",
                          "chip.tile.pe.domains=20"}) {
    words.insert(words.end(), {"--set", set});
  }
  return run_program(with(words, more));
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Replaces the first match; fails where there is none.
void edit(const fs::path& path, const std::string& from, const std::string& to) {
  const std::string before = read_text(path);
  const std::string after =
      std::regex_replace(before, std::regex(from), to, std::regex_constants::format_first_only);
  EXPECT_NE(before, after) << path << ": " << from;
  write_text(path, after);
}

/// Programs per layer, of which all are right.
std::map<std::string, int> equal(const Outcome& got) {
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  std::map<std::string, int> programs;
  const json out = json::parse(got.out);
  for (const json& layer : out.at("layers")) {
    EXPECT_TRUE(layer.at("equal").get<bool>()) << layer.at("name");
    EXPECT_EQ(layer.at("differing").get<int>(), 0);
    EXPECT_GT(layer.at("values").get<int>(), 0);
    programs[layer.at("name")] = layer.at("programs");
  }
  return programs;
}

TEST(Replay, ProgramsOfTheCompilerAreRight) {
  const TempFolder folder;
  for (const std::vector<std::string>& sets :
       {std::vector<std::string>{},
        {"--set", "chip.tile.pe.compile.most_channels=3"},
        {"--set", "compile.epilogue=false", "--set", "chip.tile.pe.compile.most_outputs=5"}}) {
    std::map<std::string, int> one;
    for (const std::string& path : {folder / "all", folder / "all.apasm"}) {
      ASSERT_EQ(compile(with({"--emit", path}, sets)).status, 0);
      EXPECT_EQ(fs::is_directory(path), path == folder / "all");
      const auto programs = equal(compile(with({"--replay", path, "--json"}, sets)));
      EXPECT_EQ(programs.size(), 9U);
      EXPECT_EQ(programs.at("conv3"), sets.empty() ? 1 : 4);
      EXPECT_TRUE(one.empty() || one == programs) << "one file holds the same as a folder";
      one = programs;
    }
    fs::remove_all(folder / "all");
  }
}

TEST(Replay, ProgramsOfARunAreRight) {
  const TempFolder folder;
  for (const char* ends : {"true", "false"}) {
    const std::vector<std::string> sets = {"--set",
                                           std::string("chip.tile.pe.ends_sums=") + ends,
                                           "--set",
                                           "mapping.default.replicas=2"};
    std::map<std::string, int> one;
    for (const std::string& path : {folder / "all", folder / "all.apasm"}) {
      ASSERT_EQ(run(with({"--emit-ap", path, "--out", folder / "out"}, sets)).status, 0);
      EXPECT_EQ(fs::is_directory(path), path == folder / "all");
      const auto programs = equal(run(with({"--replay-ap", path, "--json"}, sets)));
      EXPECT_EQ(programs.size(), 9U);
      EXPECT_EQ(programs.at("conv3"), 7) << "three of arrays, four that add and end";
      EXPECT_TRUE(one.empty() || one == programs);
      one = programs;
    }
    fs::remove_all(folder / "all");
  }
}

/// Integers of given weights, and a layer's name that is no file name.
TEST(Replay, ProgramsOfGivenWeightsAreRight) {
  const TempFolder folder;
  const std::vector<std::string> words = {
      "run",
      "configs/chips/rtm_ap.yaml",
      "--set",
      ("network={onnx: " TESSERA_SOURCE_DIR "/tests/data/onnx/tiny_resnet.onnx}"),
      "--set",
      "mapping.default={w_bits: 3, a_bits: 4}"};
  ASSERT_EQ(run_program(with(words, {"--emit-ap", folder / "all", "--out", folder / "out"})).status,
            0);
  EXPECT_EQ(
      equal(run_program(with(words, {"--replay-ap", folder / "all", "--json"}))).count("l/l.3/Add"),
      1U);
}

/// One readable file of what a search chose, which is replayed with that choice, and of which `ap`
/// runs one program.
TEST(Replay, ProgramsOfAMapGoIntoOneFile) {
  const TempFolder folder;
  const std::vector<std::string> map = {"map",
                                        kExperiment,
                                        "--out",
                                        folder / "map",
                                        "--set",
                                        "network.zoo=tiny_cnn",
                                        "--set",
                                        "search.baselines=false",
                                        "--set",
                                        "search.bits.w_max=3",
                                        "--set",
                                        "search.bits.a_min=3",
                                        "--set",
                                        "search.bits.a_max=5",
                                        "--set",
                                        "search.loss=20"};
  const std::string file = folder / "out.apasm";
  const Outcome early = run_program(with(map, {"--replay-ap", file}));
  EXPECT_EQ(early.status, 2);
  EXPECT_THAT(early.err, AllOf(HasSubstr("E-CFG-FILE"), HasSubstr("map/mapping.yaml")));
  const Outcome mapped = run_program(with(map, {"--emit-ap", file}));
  ASSERT_EQ(mapped.status, 0) << mapped.err;
  ASSERT_TRUE(fs::is_regular_file(file));
  EXPECT_EQ(equal(run_program(with(map, {"--replay-ap", file, "--json"}))).size(), 9U);
  const Outcome ran = run_program({"ap", file, "--program", "001_stem.p0"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const Outcome which = run_program({"ap", file, "--program", "001_stem.p1"});
  EXPECT_EQ(which.status, 2);
  EXPECT_THAT(which.err,
              AllOf(HasSubstr("E-CLI-ARGUMENT"), HasSubstr("did you mean '001_stem.p0'?")));
  edit(file, "\nadd_in_place", "\nsub_in_place");
  const Outcome edited = run_program(with(map, {"--replay-ap", file}));
  EXPECT_EQ(edited.status, 1);
  EXPECT_THAT(edited.err, HasSubstr("E-AP-DIFFERS]: program 001_stem.p0 does not compute"));
}

/// It obeys every rule, and computes something else.
TEST(Replay, AnEditThatComputesSomethingElseIsFound) {
  const TempFolder folder;
  ASSERT_EQ(compile({"--emit", folder / "all"}).status, 0);
  edit(folder.path() / "all/conv3.apasm", "\nadd_in_place", "\nsub_in_place");
  EXPECT_EQ(run_program({"ap", folder / "all/conv3.apasm"}).status, 0);
  const Outcome got = compile({"--replay", folder / "all"});
  EXPECT_EQ(got.status, 1);
  EXPECT_TRUE(std::regex_search(got.out, std::regex("conv3 .* differ\n")));
  EXPECT_TRUE(std::regex_search(got.out, std::regex("conv2 .* equal\n")));
  EXPECT_TRUE(std::regex_search(
      got.err,
      std::regex("all/conv3\\.apasm:[0-9]+:1: error\\[E-AP-DIFFERS\\]: program conv3 does not "
                 "compute layer conv3: [0-9]+ values differ\n *[0-9]+ \\| read (.*\n)*"
                 ".*expected: output of channel [0-9]+ at position [0-9]+ \\(row [0-9]+, column "
                 "[0-9]+\\): [0-9]+\n.*got: +[0-9]+\n")))
      << got.err;
  const Outcome other = compile({"--replay", folder / "all", "--layer", "conv2", "--json"});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_THAT(other.err, HasSubstr("note: 8 other programs in"));
}

/// Of parts that add up, the one that is wrong is named and not the one that reads out the sum.
TEST(Replay, ThePartThatIsWrongIsNamed) {
  const TempFolder folder;
  const std::vector<std::string> sets = {"--set", "chip.tile.pe.compile.most_channels=3"};
  ASSERT_EQ(compile(with({"--emit", folder / "all"}, sets)).status, 0);
  edit(folder.path() / "all/conv3.t0g2.apasm", "\nadd_in_place", "\nsub_in_place");
  const Outcome got = compile(with({"--replay", folder / "all"}, sets));
  EXPECT_EQ(got.status, 1);
  EXPECT_THAT(got.err,
              AllOf(HasSubstr("program conv3.t0g2 does not compute layer conv3"),
                    HasSubstr("partial sum of channel"),
                    Not(HasSubstr("conv3.t0g0"))));
}

/// Sums of an array's own channels, and programs in place of lanes.
TEST(Replay, EditsOfARunAreFound) {
  const TempFolder folder;
  ASSERT_EQ(run({"--emit-ap", folder / "all", "--out", folder / "out", "--quiet"}).status, 0);
  edit(folder.path() / "all/008_conv3.p1.apasm", "\nadd_in_place", "\nsub_in_place");
  edit(folder.path() / "all/008_conv3.v2.apasm", "\nrelu [^\n]*\n", "\n");
  edit(folder.path() / "all/004_add.v0.apasm",
       "\nadd_constant (\\S+), -?[0-9]+",
       "\nadd_constant $1, 1");
  edit(folder.path() / "all/007_maxpool.v0.apasm", "\nmax_in_place [^\n]*\n", "\n");
  const Outcome got = run({"--replay-ap", folder / "all"});
  EXPECT_EQ(got.status, 1);
  for (const char* program : {"008_conv3.p1", "008_conv3.v2", "004_add.v0", "007_maxpool.v0"}) {
    EXPECT_THAT(got.err, HasSubstr(std::string("program ") + program + " does not compute layer"));
  }
  EXPECT_THAT(got.err, HasSubstr("sum of channel"));
  EXPECT_THAT(got.err, Not(HasSubstr("conv3.v0")));
}

TEST(Replay, EverythingThatIsWrongIsSaidAtOnce) {
  const TempFolder folder;
  ASSERT_EQ(compile({"--emit", folder / "all"}).status, 0);
  const fs::path all = folder.path() / "all";
  fs::remove(all / "fc.apasm");
  fs::copy_file(all / "conv1.apasm", all / "conv2.apasm", fs::copy_options::overwrite_existing);
  edit(all / "stem.apasm", "\ncarry", "\norder add_in_place 1 0 2 3\ncarry");
  edit(all / "wide.apasm", "\narray 256 256 64", "\narray 256 256 32");
  edit(all / "conv3.apasm", "\nadd_in_place c", "\nadd_in_place d");
  edit(all / "avgpool.apasm", "\nread (\\S+), 3\n", "\nread $1, 99\n");
  write_text(all / "add.apasm", "carry 255\nclear c0[0+1]u\n");
  write_text(all / "mine.apasm", "carry 255\n");
  const Outcome got = compile({"--replay", folder / "all"});
  EXPECT_EQ(got.status, 2);
  EXPECT_EQ(got.out, "");
  for (const char* part :
       {"E-AP-MISSING]: 1 of 9 programs are not in",
        "fc of fc",
        "conv2.apasm:1:1: error[E-AP-HEAD]: this is not the head of program conv2, layer conv2",
        ("E-AP-PROGRAM]: this order of add_in_place breaks: pass 001->B1 makes 011, which the "
         "later pass 011->C1B0 matches"),
        "expected: 'array 256 256 64'",
        "E-AP-SYNTAX",
        "E-AP-PROGRAM]: the head says nothing of this slot of read",
        "E-AP-PROGRAM]: program avgpool never reads out slot 3",
        "add.apasm:1:1: error[E-AP-HEAD]: program add does not say what it computes"}) {
    EXPECT_THAT(got.err, HasSubstr(part));
  }
}

TEST(Replay, ProgramsOfSomethingElseAreRefused) {
  const TempFolder folder;
  ASSERT_EQ(compile({"--emit", folder / "all.apasm"}).status, 0);
  const auto replay = [&](const std::string& set) {
    const Outcome got = compile({"--replay", folder / "all.apasm", "--set", set});
    EXPECT_EQ(got.status, 2);
    EXPECT_EQ(got.out, "");
    return got.err;
  };
  EXPECT_THAT(replay("compile.a_bits=4"),
              AllOf(HasSubstr("E-AP-HEAD"), HasSubstr("inputs 4u, outputs 4u'")));
  EXPECT_THAT(replay("compile.seed=2"), AllOf(HasSubstr("E-AP-HEAD"), HasSubstr("'weights ")));
  EXPECT_THAT(replay("chip.tile.pe.columns=128"), HasSubstr("expected: 'array 256 128 64'"));
  EXPECT_THAT(replay("network.zoo=tiny_mlp"),
              AllOf(HasSubstr("E-AP-MISSING"), HasSubstr("E-AP-HEAD]: tiny_mlp has no such")));
  write_text(folder / "twice.apasm",
             read_text(folder / "all.apasm") + read_text(folder / "all.apasm"));
  EXPECT_THAT(compile({"--replay", folder / "twice.apasm"}).err,
              HasSubstr("E-AP-HEAD]: two programs have the same name"));
  EXPECT_THAT(compile({"--replay", folder / "no_such_folder"}).err, HasSubstr("E-CFG-FILE"));
  EXPECT_THAT(compile({"--replay", "arch/rtm_ap/example.apasm"}).err,
              HasSubstr("E-AP-HEAD]: this program does not say which one it is"));
  const Outcome crossbars = run_program(
      {"run", "configs/experiments/quickstart.yaml", "--replay-ap", folder / "all.apasm"});
  EXPECT_EQ(crossbars.status, 2);
  EXPECT_THAT(crossbars.err, HasSubstr("E-AP-NONE"));
}

/// What an earlier run wrote stays, is named, and is not taken for this run's.
TEST(Replay, StaleProgramsAreLeftOut) {
  const TempFolder folder;
  const std::vector<std::string> cut = {"--set", "chip.tile.pe.compile.most_channels=3"};
  ASSERT_EQ(compile(with({"--emit", folder / "all", "--layer", "conv3"}, cut)).err, "");
  const Outcome again = compile({"--emit", folder / "all", "--layer", "conv3"});
  EXPECT_EQ(again.status, 0);
  EXPECT_THAT(again.err,
              AllOf(HasSubstr("note: 4 other programs in"), HasSubstr("conv3.t0g0.apasm")));
  const Outcome got = compile({"--replay", folder / "all", "--layer", "conv3"});
  EXPECT_EQ(got.status, 0);
  EXPECT_THAT(got.out, HasSubstr("equal"));
  EXPECT_THAT(got.err, HasSubstr("are left out: conv3.t0g0.apasm"));
}

TEST(Replay, AFolderIsNotReplacedByAFile) {
  const TempFolder folder;
  fs::create_directory(folder / "out.apasm");
  const Outcome got = run({"--emit-ap", folder / "out.apasm", "--out", folder / "out"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, AllOf(HasSubstr("E-OUT-WRITE"), HasSubstr("--emit-ap")));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace tessera::e2e
