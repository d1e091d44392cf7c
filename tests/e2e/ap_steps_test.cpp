// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `--detail step` on associative processors: the same result as `firing`; a trace shows of every
/// program, on arrays and in place of vector units, what `tessera ap --trace` shows of it alone;
/// a waveform has what each circuit does.
#include "tests/e2e/program.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;

constexpr const char* kExperiment = "configs/experiments/rtm_ap_vgg9.yaml";
const std::vector<std::string> kOnArrays = {"--set",
                                            "network.zoo=lenet5",
                                            "--set",
                                            "chip.tile.pe.ends_sums=false",
                                            "--set",
                                            "chip.tile.vector_unit.pes=2",
                                            "--set",
                                            "mapping.default.replicas=1",
                                            "--images",
                                            "1"};

Outcome run(std::vector<std::string> words) {
  words.insert(words.begin(), {"run", kExperiment});
  words.insert(words.end(), kOnArrays.begin(), kOnArrays.end());
  Outcome got = run_program(words);
  EXPECT_EQ(got.status, 0) << got.err;
  return got;
}

/// Start and length in cycles of 1 ns, name, number.
using Span = std::tuple<std::int64_t, std::int64_t, std::string, std::int64_t>;

/// The work of each row that nothing was merged on.
std::map<std::string, std::vector<Span>> work_of(const std::string& path) {
  const json trace = json::parse(read_text(path));
  EXPECT_EQ(trace["otherData"]["grain_cycles"], 0) << path;
  std::map<int, std::string> names;
  std::map<std::string, std::vector<Span>> rows;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "M" && event["name"] == "thread_name") {
      names[event["tid"]] = event["args"]["name"];
    } else if (event["ph"] == "X" && event["cat"] == "work") {
      rows[names.at(event["tid"])].emplace_back(
          std::llround(event["ts"].get<double>() * 1000 - 0.0005),
          std::llround(event["dur"].get<double>() * 1000),
          event["name"],
          event.value("/args/index"_json_pointer, std::int64_t{-1}));
    }
  }
  return rows;
}

TEST(ApSteps, ResultIsThatOfFirings) {
  const TempFolder folder;
  for (const std::string functional : {"off", "bit_accurate"}) {
    std::vector<json> results;
    for (const std::string detail : {"firing", "step"}) {
      run({"--out",
           folder / detail,
           "--detail",
           detail,
           "--set",
           "execution.functional=" + functional});
      results.push_back(json::parse(read_text(folder.path() / detail / "result.json")));
      EXPECT_EQ(results.back()["simulation"]["occupations"] > 100'000, detail == "step");
      results.back().erase("simulation");
      results.back().erase("detail");
    }
    EXPECT_EQ(results[0], results[1]);
  }
}

TEST(ApSteps, TraceShowsTheProgramsPassByPass) {
  const TempFolder folder;
  run({"--out",
       folder / "out",
       "--detail",
       "step",
       "--emit-ap",
       folder / "programs",
       "--trace",
       folder / "run.json",
       "--trace-to",
       "60000"});
  const auto shown = work_of(folder / "run.json");
  const std::map<std::string, std::string> first = {
      {"chip.tiles[0].pe[0].", "001_conv1.p0"},
      {"chip.tiles[0].vector_unit.pe[0].", "001_conv1.v0"}};
  for (const auto& [pe, program] : first) {
    std::vector<std::string> words = {"ap", folder / ("programs/" + program + ".apasm")};
    words.insert(words.end(), {"--chip", kExperiment, "--trace", folder / "ap.json"});
    const Outcome got = run_program(words);
    ASSERT_EQ(got.status, 0) << got.err;
    const auto alone = work_of(folder / "ap.json");
    ASSERT_FALSE(shown.at(pe + "controller").empty());
    const std::int64_t begin = std::get<0>(shown.at(pe + "controller").front());
    for (const std::string row : {"controller", "track", "cam", "writer", "latch"}) {
      SCOPED_TRACE(pe + row);
      std::vector<Span> expected = alone.at("ap." + row);
      ASSERT_FALSE(expected.empty());
      for (auto& [start, length, name, number] : expected) {
        start += begin;
      }
      std::vector<Span> here = shown.at(pe + row);
      ASSERT_GE(here.size(), expected.size());
      here.resize(expected.size());
      if (row == "latch") {  // alone it does not say which
        for (auto& [start, length, name, number] : here) {
          EXPECT_TRUE(name == "load" || name == "read_out") << name;
          name = "load or read out";
        }
      }
      EXPECT_EQ(here, expected);
    }
  }
}

TEST(ApSteps, AWindowThatIsEmptyIsBadInput) {
  const TempFolder folder;
  const Outcome got = run_program(
      {"run", kExperiment, "--trace", folder / "run.json", "--trace-from", "7", "--trace-to", "7"});
  EXPECT_EQ(got.status, 2);
  EXPECT_NE(got.err.find("E-CLI-ARGUMENT"), std::string::npos) << got.err;
  EXPECT_FALSE(fs::exists(folder.path() / "run.json"));
}

TEST(ApSteps, WaveformShowsWhatCircuitsDo) {
  const TempFolder folder;
  run({"--out", folder / "out", "--detail", "step", "--vcd", folder / "run.vcd"});
  std::istringstream text(read_text(folder.path() / "run.vcd"));
  std::map<std::string, std::string> name_of;  // of signals of one bit
  std::map<std::string, int> rises;
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    std::string word;
    std::string type;
    std::string bits;
    std::string id;
    std::string name;
    if (line.rfind("$var", 0) == 0 && words >> word >> type >> bits >> id >> name && bits == "1") {
      name_of[id] = name;
    } else if (line.rfind('1', 0) == 0) {
      ++rises[name_of[line.substr(1)]];
    }
  }
  for (const std::string name : {"busy", "load", "read_out", "add_in_place", "read", "clear"}) {
    EXPECT_GT(rises[name], 10) << name;
  }
}

}  // namespace
}  // namespace tessera::e2e
