// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every file in configs/bad/ says in its first line which error it causes and where:
///
///   # expect: E-CFG-UNKNOWN-KEY 9:7            line:column of this file
///   # expect: E-MAP-CAPACITY 5:1 exit 4        2 unless said otherwise
///   # expect: E-NET-DEAD 11:7 more 1           one more error comes along; none unless said
///   # expect: E-MAP-TILE parts/x.yaml:8:3      end of the name of another source
///   # expect: E-ONNX-FILE parts/x.onnx         which may have no lines
///   # arguments: run @FILE --imags 3           `run @FILE --out @OUT` when left out
///   # arguments: tessera-train train @FILE     of the other program, where it is built
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

struct Expectation {
  std::string file;  ///< from the top of the source tree
  std::string code;
  std::string place;  ///< end of what stands before ": error"; empty when there is no place
  int status = 2;
  std::size_t more = 0;
  std::vector<std::string> arguments;
};

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) {
    out.push_back(word);
  }
  return out;
}

Expectation expectation_of(const fs::path& path) {
  Expectation e;
  e.file = "configs/bad/" + path.filename().string();
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  std::vector<std::string> first = words(line);
  EXPECT_GE(first.size(), 3U) << path;
  EXPECT_EQ(first[1], "expect:") << path;
  e.code = first[2];
  while (first.size() > 4) {
    const std::string& word = first[first.size() - 2];
    if (word == "exit") {
      e.status = std::stoi(first.back());
    } else if (word == "more") {
      e.more = std::stoul(first.back());
    } else {
      break;
    }
    first.resize(first.size() - 2);
  }
  for (std::size_t i = 3; i < first.size(); ++i) {
    e.place += (i > 3 ? " " : "") + first[i];
  }
  e.arguments = {"run", "@FILE", "--out", "@OUT"};
  std::getline(in, line);
  if (const std::string start = "# arguments: "; line.rfind(start, 0) == 0) {
    e.arguments = words(line.substr(start.size()));
  }
  return e;
}

std::vector<std::string> bad_files() {
  std::vector<std::string> names;
  for (const fs::path& file : files_in("configs/bad", ".yaml")) {
    names.push_back(file.filename().string());
  }
  return names;
}

class BadInput : public testing::TestWithParam<std::string> {};

TEST_P(BadInput, SaysWhatIsWrongAndWhere) {
  Expectation e = expectation_of(fs::path(TESSERA_SOURCE_DIR) / "configs/bad" / GetParam());
  const TempFolder folder;
  for (std::string& argument : e.arguments) {
    if (argument == "@FILE") {
      argument = e.file;
    } else if (argument == "@OUT") {
      argument = folder / "out";
    }
  }
  std::string program = TESSERA_PROGRAM;
  if (e.arguments.front() == "tessera-train") {
#ifdef TESSERA_TRAIN_PROGRAM
    program = TESSERA_TRAIN_PROGRAM;
    e.arguments.erase(e.arguments.begin());
#else
    GTEST_SKIP() << "built without libtorch";
#endif
  }
  const Outcome got = run_program(e.arguments, program);
  EXPECT_EQ(got.status, e.status) << got.err;
  // With status 1 there is a result, which fails a check.
  EXPECT_EQ(got.out.empty(), e.status != 1) << got.out;

  std::vector<std::string> heads;
  std::istringstream in(got.err);
  for (std::string line; std::getline(in, line);) {
    if (line.find("error[") != std::string::npos) {
      heads.push_back(line);
    }
  }
  std::string place = e.place;
  if (!place.empty()) {
    const bool in_this_file = place.find_first_not_of("0123456789:") == std::string::npos;
    place = (in_this_file ? e.file + ":" + place : place) + ": ";
  }
  const std::string head = place + "error[" + e.code + "]: ";
  EXPECT_THAT(heads, testing::SizeIs(1 + e.more)) << got.err;
  EXPECT_THAT(heads, testing::Contains(testing::HasSubstr(head))) << got.err;
  EXPECT_THAT(got.err, testing::HasSubstr("= path: "));
  EXPECT_THAT(got.err, testing::HasSubstr("= expected: "));
  EXPECT_THAT(got.err, testing::HasSubstr("= got: "));
  EXPECT_FALSE(fs::exists(folder / "out")) << "something was written";
}

INSTANTIATE_TEST_SUITE_P(Files, BadInput, testing::ValuesIn(bad_files()), [](const auto& name) {
  return name.param.substr(0, name.param.find('.'));
});

/// PEs that hold a layer are half of what is wrong; with several sorts of tiles the hint names
/// them.
TEST(BadInputs, WhatCannotBeLaidOutShowsThePesToo) {
  const Outcome one = run_program({"run", "configs/bad/map_layout_rtm_ap.yaml"});
  EXPECT_THAT(one.err, testing::HasSubstr(": also "));
  EXPECT_THAT(one.err, testing::HasSubstr("kind: rtm_ap"));
  const Outcome several = run_program({"run", "configs/bad/map_layout_group.yaml"});
  EXPECT_THAT(several.err, testing::HasSubstr("E-MAP-LAYOUT"));
  EXPECT_THAT(several.err, testing::Not(testing::HasSubstr(": also ")));
}

TEST(BadInputs, AllAreReportedAtOnce) {
  const Outcome got = run_program({"run",
                                   "configs/bad/cfg_unit.yaml",
                                   "--imags",
                                   "3",
                                   "--set",
                                   "chip.tiles=none",
                                   "--set",
                                   "execution.image=2"});
  EXPECT_EQ(got.status, 2);
  for (const char* code : {"E-CLI-OPTION", "E-CFG-UNIT", "E-CFG-TYPE", "E-CFG-UNKNOWN-KEY"}) {
    EXPECT_THAT(got.err, testing::HasSubstr(code));
  }
}

/// Names of options that take a value, from the help of a command.
std::vector<std::string> options_with_value(const std::string& command) {
  std::vector<std::string> names;
  std::istringstream in(run_program({command, "--help"}).out);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("  --", 0) == 0) {
      const std::vector<std::string> head = words(line.substr(0, line.find("  ", 4)));
      if (head.size() > 1) {
        names.push_back(head.front());
      }
    }
  }
  return names;
}

constexpr std::array<const char*, 13> kCommands = {"run",
                                                   "compare",
                                                   "map",
                                                   "validate",
                                                   "train",
                                                   "accuracy",
                                                   "sensitivity",
                                                   "import",
                                                   "data",
                                                   "ap",
                                                   "compile",
                                                   "explain",
                                                   "list"};

/// Also another option is no value, and the end of the line is none.
TEST(BadInputs, EveryOptionSaysThatItsValueIsMissing) {
  int options = 0;
  for (const std::string command : kCommands) {
    for (const std::string& name : options_with_value(command)) {
      ++options;
      for (const std::vector<std::string>& rest : std::vector<std::vector<std::string>>{
               {name, ""}, {name + "="}, {name, "--json"}, {name}}) {
        std::vector<std::string> arguments = {command, "no_such_file"};
        arguments.insert(arguments.end(), rest.begin(), rest.end());
        const Outcome got = run_program(arguments);
        const std::string at =
            "command line:1:" + std::to_string(23 + command.size()) + ": error[E-CLI-ARGUMENT]: ";
        EXPECT_EQ(got.status, 2) << command << " " << name;
        EXPECT_THAT(got.err, testing::HasSubstr(at + name + " has no value"))
            << command << " " << testing::PrintToString(rest);
      }
    }
  }
  EXPECT_GT(options, 40);
}

TEST(BadInputs, WrongValuesOfOptionsAreReportedAtOnce) {
  const Outcome got =
      run_program({"ap", "no_such.apasm", "--rows", "65537", "--seed", "-1", "--chip", "no.yaml"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, testing::HasSubstr("1:26: error[E-CLI-ARGUMENT]: --rows: Value 65537"));
  EXPECT_THAT(got.err, testing::HasSubstr("1:39: error[E-CLI-ARGUMENT]: --seed: Value -1"));
  EXPECT_THAT(got.err, testing::HasSubstr("no.yaml: error[E-CFG-FILE]"));
  EXPECT_THAT(got.err, testing::HasSubstr("the program 'no_such.apasm'"));
  EXPECT_THAT(run_program({"ap", "no_such.apasm", "--seed", "99999999999999999999"}).err,
              testing::HasSubstr("got:      '99999999999999999999'"));
}

TEST(BadInputs, FoldersThatCannotBeAreNamedByTheirOption) {
  const TempFolder folder;
  std::ofstream(folder / "file") << "x";
  const std::string quickstart = "configs/experiments/quickstart.yaml";
  const std::string tiny = "configs/ap/tiny_cnn.yaml";
  for (const std::vector<std::string>& call : std::vector<std::vector<std::string>>{
           {"run", quickstart, "--out"},
           {"run", "configs/experiments/rtm_ap_vgg9.yaml", "--emit-ap"},
           {"map", quickstart, "--export-lut"},
           {"compile", tiny, "--layer", "fc", "--emit"}}) {
    std::vector<std::string> arguments = call;
    arguments.push_back(folder / "file/below");
    const Outcome got = run_program(arguments);
    EXPECT_EQ(got.status, 2) << got.out;
    EXPECT_THAT(got.err, testing::HasSubstr("E-OUT-FOLDER"));
    EXPECT_THAT(got.err, testing::HasSubstr("= path:     " + call.back() + "\n"));
  }
}

TEST(BadInputs, ALayerThatFitsNoArrayIsNamedAndExplained) {
  const Outcome got = run_program({"run",
                                   "configs/experiments/rtm_ap_vgg9.yaml",
                                   "--set",
                                   "network.zoo=tiny_cnn",
                                   "--set",
                                   "chip.tile.pe.columns=4"});
  EXPECT_EQ(got.status, 4);
  EXPECT_THAT(got.err, testing::HasSubstr(": stem does not fit an array of 4 columns"));
  EXPECT_THAT(got.err, testing::HasSubstr("= hint:     tessera explain rtm_ap tells"));
}

/// A trace and a waveform may lie in the folder of the results, and not in its place.
TEST(BadInputs, FilesAreWrittenBesideResultsAndNotOverThem) {
  const TempFolder folder;
  const std::string out = folder / "out";
  std::vector<std::string> call = {"run", "configs/experiments/quickstart.yaml", "--out", out};
  call.insert(call.end(), {"--trace", out + "/t.json"});
  const Outcome inside = run_program(call);
  EXPECT_EQ(inside.status, 0) << inside.err;
  EXPECT_TRUE(fs::exists(out + "/t.json"));
  EXPECT_TRUE(fs::exists(out + "/result.json"));
  fs::remove_all(out);
  call.back() = out + "/";
  const Outcome over = run_program(call);
  EXPECT_EQ(over.status, 2);
  EXPECT_THAT(over.err, testing::HasSubstr("--trace names the folder of other results"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

/// Clamped like other numbers of replicas that are more than positions, and one error for none.
TEST(BadInputs, ManyReplicasAreAsManyAsThereArePositions) {
  const TempFolder folder;
  const auto with = [&](const std::string& replicas) {
    return run_program({"run",
                        "configs/experiments/quickstart.yaml",
                        "--set",
                        "mapping.default.replicas=" + replicas,
                        "--out",
                        folder / "out"});
  };
  EXPECT_EQ(with("1000000000000").err, with("1000000").err);
  const Outcome huge = with("1000000000000000000000");
  EXPECT_EQ(huge.status, 2);
  EXPECT_THAT(huge.err, testing::HasSubstr("an integer up to 9223372036854775807"));
  EXPECT_EQ(huge.err.find("E-MAP-REPLICAS"), std::string::npos) << huge.err;
}

TEST(BadInputs, OptionsThatDoNothingAreReported) {
  const std::string quickstart = "configs/experiments/quickstart.yaml";
  const Outcome layer = run_program({"run", quickstart, "--trace-layer", "fc1"});
  EXPECT_EQ(layer.status, 2);
  EXPECT_THAT(layer.err, testing::HasSubstr("none is written"));
  const TempFolder folder;
  const Outcome unknown = run_program({"run",
                                       quickstart,
                                       "--trace",
                                       folder / "t.json",
                                       "--trace-layer",
                                       "fc11",
                                       "--out",
                                       folder / "out"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, testing::HasSubstr("has no layer 'fc11'"));
  EXPECT_THAT(unknown.err, testing::HasSubstr("did you mean 'fc1'?"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  const Outcome table = run_program({"map",
                                     quickstart,
                                     "--export-lut",
                                     folder / "t.csv",
                                     "--emit-ap",
                                     folder / "programs",
                                     "--fresh"});
  EXPECT_EQ(table.status, 2);
  EXPECT_THAT(table.err, testing::HasSubstr("--emit-ap would do nothing"));
  EXPECT_THAT(table.err, testing::HasSubstr("--fresh would do nothing"));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(BadInputs, EveryCodeThatIsExplainedHasAFile) {
  const Outcome overview = run_program({"explain"});
  ASSERT_EQ(overview.status, 0);
  std::istringstream in(overview.out);
  int codes = 0;
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> parts = words(line);
    if (parts.empty() || parts[0].rfind("E-", 0) != 0) {
      continue;
    }
    ++codes;
    const Outcome one = run_program({"explain", parts[0]});
    ASSERT_EQ(one.status, 0) << one.err;
    const std::size_t at = one.out.find("Shown by ");
    if (at == std::string::npos) {
      EXPECT_THAT(one.out, testing::HasSubstr("No file shows it: ")) << parts[0];
      continue;
    }
    const std::string file = words(one.out.substr(at))[2];
    EXPECT_EQ(expectation_of(fs::path(TESSERA_SOURCE_DIR) / file).code, parts[0]) << file;
  }
  EXPECT_GT(codes, 40);
}

/// Codes in the sources, so that a new one cannot be forgotten in the table.
TEST(BadInputs, EveryCodeInTheSourcesIsExplained) {
  std::set<std::string> codes;
  for (const char* folder :
       {"sim", "arch", "mapper", "workloads", "tools/tessera", "tools/train"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(TESSERA_SOURCE_DIR) / folder)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".cpp" || name.find("_test.cpp") != std::string::npos) {
        continue;
      }
      const std::string text = read_text(entry.path());
      for (std::size_t at = text.find("\"E-"); at != std::string::npos;
           at = text.find("\"E-", at + 1)) {
        const std::size_t end = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-", at + 1);
        if (end != std::string::npos && text[end] == '"') {
          codes.insert(text.substr(at + 1, end - at - 1));
        }
      }
    }
  }
  ASSERT_GT(codes.size(), 40U);
  const std::string overview = run_program({"explain"}).out;
  for (const std::string& code : codes) {
    EXPECT_THAT(overview, testing::HasSubstr("  " + code + " ")) << code;
  }
}

}  // namespace
}  // namespace tessera::e2e
