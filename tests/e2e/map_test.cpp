// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a user gets of `tessera map`: are the files those that were promised, do they agree with
/// each other and with `tessera run`, does the same seed give the same bytes, does every option
/// do what it says, and does a user's own accuracy come through?
#include "tests/e2e/program.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kExperiment = "configs/experiments/map_lenet5.yaml";

using Arguments = std::vector<std::string>;

Outcome map(const std::string& out, const Arguments& more = {}) {
  Arguments all = {"map", kExperiment, "--out", out};
  all.insert(all.end(), more.begin(), more.end());
  return run_program(all);
}

/// Without the other methods, which most questions do not need.
Outcome map_alone(const std::string& out, const Arguments& more = {}) {
  Arguments all = {"--set", "search.baselines=false"};
  all.insert(all.end(), more.begin(), more.end());
  return map(out, all);
}

json json_in(const fs::path& path) {
  return json::parse(read_text(path));
}

json chosen(const json& result) {
  return result.at("candidates").at(result.at("chosen").get<std::size_t>());
}

/// All files of a folder; map.json without the seconds that things took.
std::map<std::string, std::string> repeatable_files(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    files[name] = read_text(entry.path());
    if (name == "map.json") {
      json result = json::parse(files[name]);
      result.erase("timing");
      files[name] = result.dump();
    }
  }
  return files;
}

/// Rows of a CSV file by column name; nothing in it is quoted but labels.
std::vector<std::map<std::string, std::string>> rows_of(const fs::path& path) {
  std::istringstream in(read_text(path));
  std::vector<std::string> names;
  std::vector<std::map<std::string, std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        cells.emplace_back();
      } else {
        cells.back() += c;
      }
    }
    if (names.empty()) {
      names = cells;
      continue;
    }
    EXPECT_EQ(cells.size(), names.size()) << line;
    rows.emplace_back();
    for (std::size_t i = 0; i < std::min(cells.size(), names.size()); ++i) {
      rows.back()[names[i]] = cells[i];
    }
  }
  return rows;
}

bool has_gnuplot() {
  return std::system("command -v gnuplot >/dev/null 2>&1") == 0;
}

void expect_chosen_is_least(const json& result, const std::string& key) {
  const json answer = chosen(result);
  EXPECT_EQ(answer["method"], result["method"]);
  EXPECT_TRUE(answer["within_budgets"].get<bool>());
  ASSERT_TRUE(answer["simulated"].is_object());
  for (const json& one : result["candidates"]) {
    if (one["method"] == result["method"] && one["within_budgets"].get<bool>() &&
        one["simulated"].is_object()) {
      EXPECT_LE(answer["simulated"][key].get<double>(), one["simulated"][key].get<double>())
          << one["label"];
    }
  }
}

/// Are all files there, and do they tell the same story?
TEST(Map, WritesAllFiles) {
  const TempFolder folder;
  const Outcome got = map(folder / "out");
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  std::set<std::string> expected = {
      "candidates.csv", "map.json", "mapping.yaml", "pareto.csv", "search.csv"};
  if (has_gnuplot()) {
    expected.insert({"layers.svg", "pareto.svg", "search.svg"});
  }
  std::set<std::string> names;
  for (const auto& [name, text] : repeatable_files(folder / "out")) {
    names.insert(name);
    if (name.find(".svg") != std::string::npos) {
      EXPECT_THAT(text, HasSubstr("</svg>")) << name;
    }
  }
  EXPECT_EQ(names, expected);
  const std::vector<fs::directory_entry> beside(fs::directory_iterator(folder.path()),
                                                fs::directory_iterator{});
  EXPECT_EQ(beside.size(), 1U) << "a checkpoint was left behind";

  const json result = json_in(folder / "out/map.json");
  expect_chosen_is_least(result, "first_cycles");
  EXPECT_EQ(result["seed"], 1);
  EXPECT_EQ(result["episodes"], 40);
  EXPECT_TRUE(result["without_answer"].empty()) << result["without_answer"];
  std::set<std::string> methods;
  for (const json& one : result["candidates"]) {
    methods.insert(one["method"].get<std::string>());
    EXPECT_TRUE(one["simulated"].is_object()) << one["label"];
    EXPECT_EQ(one["within_budgets"].get<bool>(),
              one["loss"].get<double>() <= result["budget"]["loss"].get<double>() * (1 + 1e-9) &&
                  one["pes"] <= result["budget"]["pes"])
        << one["label"];
  }
  EXPECT_EQ(methods.size(), 12U);
  EXPECT_THAT(got.out, HasSubstr("* " + chosen(result)["label"].get<std::string>()));

  const auto candidates = rows_of(folder / "out/candidates.csv");
  ASSERT_EQ(candidates.size(), result["candidates"].size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const json& one = result["candidates"][i];
    EXPECT_EQ(candidates[i].at("label"), one["label"]);
    EXPECT_EQ(std::stod(candidates[i].at("simulated_first_cycles")),
              one["simulated"]["first_cycles"].get<double>());
    EXPECT_EQ(std::stod(candidates[i].at("loss")), one["loss"].get<double>());
  }
  const auto episodes = rows_of(folder / "out/search.csv");
  ASSERT_EQ(episodes.size(), 40U);
  EXPECT_EQ(episodes.front().at("episode"), "0");
  EXPECT_EQ(episodes.back().at("episode"), "39");
}

/// Does no point of the front beat another, and do the joint answers not lie behind it?
TEST(Map, ParetoFrontIsOne) {
  const TempFolder folder;
  ASSERT_EQ(map(folder / "out").status, 0);
  const auto front = rows_of(folder / "out/pareto.csv");
  ASSERT_GE(front.size(), 10U);
  constexpr std::array<const char*, 4> columns = {
      "loss", "latency_cycles", "interval_cycles", "energy_j"};
  const auto numbers = [&](const std::map<std::string, std::string>& row) {
    std::vector<double> out;
    out.reserve(columns.size());
    for (const char* column : columns) {
      out.push_back(std::stod(row.at(column)));
    }
    return out;
  };
  const auto beats = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), std::less_equal<>{}) && a != b;
  };
  for (const auto& a : front) {
    for (const auto& b : front) {
      EXPECT_FALSE(beats(numbers(a), numbers(b)));
    }
  }
  const json result = json_in(folder / "out/map.json");
  for (const json& one : result["candidates"]) {
    const std::vector<double> own = {one["loss"],
                                     one["cost_model"]["latency_cycles"],
                                     one["cost_model"]["interval_cycles"],
                                     one["cost_model"]["energy_j"]};
    for (const auto& row : front) {
      EXPECT_FALSE(beats(own, numbers(row))) << one["label"];
    }
  }
}

/// Does the mapping that was written take the cycles that map.json promises, with the right bits?
TEST(Map, MappingTakesThePromisedCycles) {
  const TempFolder folder;
  ASSERT_EQ(map_alone(folder / "map").status, 0);
  const json promised = chosen(json_in(folder / "map/map.json"))["simulated"];
  const Outcome got = run_program({"run",
                                   kExperiment,
                                   "--set",
                                   "mapping.file=" + (folder / "map/mapping.yaml"),
                                   "--set",
                                   "execution.functional=ideal",
                                   "--out",
                                   folder / "run"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json run = json_in(folder / "run/result.json");
  EXPECT_EQ(run["latency"]["first_cycles"], promised["first_cycles"]);
  EXPECT_EQ(run["latency"]["cycles"], promised["latency_cycles"]);
  EXPECT_EQ(run["throughput"]["interval_cycles"], promised["interval_cycles"]);
  EXPECT_EQ(run["fabric"]["flit_hops"], promised["flit_hops"]);
  EXPECT_DOUBLE_EQ(run["energy"]["total_j"].get<double>() / run["images"].get<double>(),
                   promised["energy_j"]);
  EXPECT_EQ(read_text(folder / "run/mapping.yaml"), read_text(folder / "map/mapping.yaml"));
}

/// Same seed, same bytes, wherever they are written; and widths that the experiment maps with
/// otherwise do not matter.
TEST(Map, RepeatsItself) {
  const TempFolder folder;
  ASSERT_EQ(map(folder / "a").status, 0);
  ASSERT_EQ(map(folder / "deep/b/", {"--set", "mapping.default.w_bits=3"}).status, 0);
  const auto a = repeatable_files(folder / "a");
  const auto b = repeatable_files(folder / "deep/b");
  ASSERT_GE(a.size(), 5U);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, text] : a) {
    EXPECT_EQ(text, b.at(name)) << name;
  }
  ASSERT_EQ(map(folder / "c", {"--seed", "7"}).status, 0);
  EXPECT_NE(read_text(folder / "a/search.csv"), read_text(folder / "c/search.csv"));
}

TEST(Map, JsonIsAllThatStandardOutputHolds) {
  const TempFolder folder;
  const Outcome got = map_alone(folder / "out", {"--json"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, read_text(folder / "out/map.json"));
  EXPECT_EQ(got.err, "");
}

TEST(Map, QuietPrintsNothing) {
  const TempFolder folder;
  const Outcome got = map_alone(folder / "out", {"--quiet", "--search", "rl"});
  EXPECT_EQ(got.status, 0);
  EXPECT_EQ(got.out + got.err, "");
}

/// One row per layer and pair of widths; RWTH's serial model gives numbers that can be worked out:
/// fc, 512 x 1000, is cut into blocks of 256 x 256, each written in 56 us and fired for 1.4 us per
/// input bit.
TEST(Map, TableOfCosts) {
  const TempFolder folder;
  const char* const experiment = "configs/experiments/rwth_resnet18_8bit.yaml";
  const Outcome got = run_program({"map", experiment, "--export-lut", folder / "lut.csv"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out + got.err, "");
  EXPECT_THAT(read_text(folder / "lut.csv"),
              testing::StartsWith("layer,w_bits,a_bits,cycles,seconds,joules,pes\n"));
  const auto rows = rows_of(folder / "lut.csv");
  EXPECT_EQ(rows.size(), 21U * 7 * 7);
  std::map<std::string, std::map<std::string, std::string>> at;
  for (const auto& row : rows) {
    const auto key = row.at("layer") + "," + row.at("w_bits") + "," + row.at("a_bits");
    EXPECT_TRUE(at.emplace(key, row).second) << key;
    EXPECT_NEAR(std::stod(row.at("seconds")) * 1e9, std::stod(row.at("cycles")), 1e-3) << key;
    EXPECT_GT(std::stod(row.at("joules")), 0) << key;
  }
  for (const auto& [w_bits, a_bits] : {std::pair{8, 8}, {8, 3}, {4, 8}, {2, 2}}) {
    const auto& row = at.at(fmt::format("fc,{},{}", w_bits, a_bits));
    const int columns = 2 * 1000 * (w_bits > 4 ? 2 : 1);  // cells of 4 bit, in pairs
    const int blocks = 512 / 256 * ((columns + 255) / 256);
    EXPECT_EQ(row.at("pes"), std::to_string(blocks));
    EXPECT_DOUBLE_EQ(std::stod(row.at("cycles")), blocks * (56'000.0 + 1400 * a_bits));
  }
  ASSERT_EQ(run_program({"run", experiment, "--quiet", "--out", folder / "run"}).status, 0);
  int compared = 0;
  const json run = json_in(folder / "run/result.json");
  for (const json& layer : run["layers"]) {
    const auto found = at.find(layer["name"].get<std::string>() + ",8,8");
    if (found != at.end()) {
      ++compared;
      EXPECT_DOUBLE_EQ(std::stod(found->second.at("cycles")),
                       layer["analytical_cycles"].get<double>());
      EXPECT_EQ(found->second.at("pes"), std::to_string(layer["pes"].get<int>()));
    }
  }
  EXPECT_EQ(compared, 21);
}

/// Is every objective served best by the search that was asked for it?
TEST(Map, EveryObjective) {
  const TempFolder folder;
  const std::map<std::string, std::string> simulated = {{"latency", "first_cycles"},
                                                        {"throughput", "interval_cycles"},
                                                        {"energy", "energy_j"},
                                                        {"edp", ""}};
  std::map<std::string, json> joint;  ///< the first answer of the joint MILP
  for (const auto& [objective, key] : simulated) {
    ASSERT_EQ(map_alone(folder / objective, {"--objective", objective}).status, 0) << objective;
    const json result = json_in(fs::path(folder / objective) / "map.json");
    EXPECT_EQ(result["objective"], objective);
    if (!key.empty()) {
      expect_chosen_is_least(result, key);
    }
    for (const json& one : result["candidates"]) {
      if (one["label"] == "joint_milp") {
        joint[objective] = one;
      }
    }
  }
  const auto value = [](const json& one, const std::string& objective) {
    const json& model = one.at("cost_model");
    const double latency = model.at("latency_cycles");
    const double energy = model.at("energy_j");
    return objective == "latency"      ? latency
           : objective == "throughput" ? model.at("interval_cycles").get<double>()
           : objective == "energy"     ? energy
                                       : energy * latency;
  };
  ASSERT_EQ(joint.size(), 4U);
  for (const auto& [objective, own] : joint) {
    const double gap = own["solver"]["gap"];
    for (const auto& [other, one] : joint) {
      EXPECT_LE(value(own, objective) * (1 - gap), value(one, objective) * (1 + 1e-9))
          << objective << " against " << other;
    }
  }
  EXPECT_NE(joint["latency"]["layers"], joint["energy"]["layers"]);
}

class Methods : public testing::TestWithParam<std::string> {};

/// Is the mapping that of the method that was asked for?
TEST_P(Methods, GiveTheirOwnAnswer) {
  const TempFolder folder;
  const Outcome got = map_alone(folder / "out",
                                {"--search",
                                 GetParam(),
                                 "--set",
                                 "search.loss_of_bits=4",  // or 4/4 would be too lossy
                                 "--episodes",
                                 "25"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = json_in(folder / "out/map.json");
  EXPECT_EQ(result["method"], GetParam());
  expect_chosen_is_least(result, "first_cycles");
  EXPECT_EQ(result["episodes"], GetParam() == "rl" ? 25 : 0);
  EXPECT_EQ(rows_of(folder / "out/search.csv").size(), GetParam() == "rl" ? 25U : 0U);
  const bool one_copy = GetParam() == "quantization" || GetParam().rfind("uniform", 0) == 0;
  bool all_one = true;
  const json answer = chosen(result);
  for (const json& layer : answer["layers"]) {
    all_one = all_one && layer["replicas"] == 1;
    if (GetParam().rfind("uniform", 0) == 0) {
      EXPECT_EQ(layer["w_bits"], GetParam().back() - '0');
      EXPECT_EQ(layer["a_bits"], GetParam().back() - '0');
    }
    if (GetParam() == "replication") {
      EXPECT_EQ(layer["w_bits"], 8);
      EXPECT_EQ(layer["a_bits"], 8);
    }
    if (GetParam() == "balance" || GetParam() == "dynamic_program" || GetParam() == "annealing" ||
        GetParam() == "genetic") {
      EXPECT_EQ(layer["w_bits"], answer["layers"][0]["w_bits"]);
      EXPECT_EQ(layer["a_bits"], answer["layers"][0]["w_bits"]);
    }
  }
  EXPECT_EQ(all_one, one_copy);
}

INSTANTIATE_TEST_SUITE_P(All,
                         Methods,
                         testing::Values("uniform8",
                                         "uniform6",
                                         "uniform4",
                                         "replication",
                                         "quantization",
                                         "quantize_replicate",
                                         "balance",
                                         "dynamic_program",
                                         "annealing",
                                         "genetic",
                                         "rl",
                                         "joint_milp"),
                         [](const auto& name) { return name.param; });

/// `list searches` and the suite above name the same methods.
TEST(Map, EveryMethodIsListedAndTested) {
  std::istringstream in(run_program({"list", "searches"}).out);
  const std::set<std::string> tested = {"uniform8",
                                        "uniform6",
                                        "uniform4",
                                        "replication",
                                        "quantization",
                                        "quantize_replicate",
                                        "balance",
                                        "dynamic_program",
                                        "annealing",
                                        "genetic",
                                        "rl",
                                        "joint_milp"};
  std::set<std::string> listed;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string first;
    if (words >> first) {
      listed.insert(first);
    }
  }
  EXPECT_THAT(listed, testing::IsSupersetOf(tested));
  EXPECT_LE(listed.size(), tested.size() + 1) << "a method without a test, or more than a heading";
}

/// A method whose answer is beyond the budget has none.
TEST(Map, AnswerBeyondTheBudgetIsNone) {
  const TempFolder folder;
  const Outcome got = map_alone(folder / "out", {"--search", "uniform4"});
  EXPECT_EQ(got.status, 4);
  EXPECT_THAT(got.err, HasSubstr("error[E-SEARCH-NONE]"));
  EXPECT_EQ(got.out, "");
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

/// Does every environment and either agent run through, repeat itself and keep to its budgets?
TEST(Map, AgentsAndEnvironments) {
  const TempFolder folder;
  std::set<std::string> searches;
  for (const auto& [algorithm, environment] : std::vector<std::pair<std::string, std::string>>{
           {"ddpg", "lrmp"}, {"td3", "lrmp"}, {"ddpg", "haq"}, {"ddpg", "cim_aq"}}) {
    const std::string name = fmt::format("{}_{}", algorithm, environment);
    const Arguments more = {"--search",
                            "rl",
                            "--episodes",
                            "30",
                            "--set",
                            "search.rl.algorithm=" + algorithm,
                            "--set",
                            "search.rl.environment=" + environment,
                            "--set",  // haq looks at time alone
                            "search.loss_of_bits=3"};
    const Outcome got = map_alone(folder / name, more);
    ASSERT_EQ(got.status, 0) << name << got.err;
    const json result = json_in(fs::path(folder / name) / "map.json");
    EXPECT_EQ(result["episodes"], 30);
    expect_chosen_is_least(result, "first_cycles");
    searches.insert(read_text(fs::path(folder / name) / "search.csv"));
  }
  EXPECT_EQ(searches.size(), 4U) << "two of them did the same";
}

/// Does `tessera run` search when no mapping is given, and does what it writes reproduce it?
TEST(Map, RunMapsFirst) {
  const TempFolder folder;
  ASSERT_EQ(map_alone(folder / "map").status, 0);
  const Outcome first = run_program({"run", kExperiment, "--out", folder / "a"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(read_text(folder / "a/mapping.yaml"), read_text(folder / "map/mapping.yaml"));
  const json a = json_in(folder / "a/result.json");
  EXPECT_EQ(a["latency"]["first_cycles"],
            chosen(json_in(folder / "map/map.json"))["simulated"]["first_cycles"]);
  const Outcome again = run_program({"run", folder / "a/resolved.yaml", "--out", folder / "b"});
  ASSERT_EQ(again.status, 0) << again.err;
  json b = json_in(folder / "b/result.json");
  b["simulation"] = a["simulation"];
  EXPECT_EQ(a, b);
  EXPECT_EQ(read_text(folder / "b/mapping.yaml"), read_text(folder / "a/mapping.yaml"));
}

/// A round of feedback adds answers, and never loses the best one.
/// What replicas may use besides PEs: all answers keep to it, and it costs time.
TEST(Map, LimitsOfBufferAndVectorUnit) {
  const TempFolder folder;
  const auto of = [&](const std::string& name, const Arguments& more) {
    const std::string out = folder / name;
    const Outcome outcome = map(out, more);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find("line buffers up to") != std::string::npos, name == "limited");
    return json_in(fs::path(out) / "map.json");
  };
  const json free = of("free", {});
  EXPECT_TRUE(free.at("budget").at("buffer").is_null());
  const json uses = chosen(free).at("uses");
  const json& once = free.at("candidates").front().at("uses");
  // Half of what the free answer took beyond one replica of everything.
  Arguments sets = {"--set", "search.rl.episodes=20"};
  const std::map<std::string, double> chip = {{"buffer", 9 * 16 * 1024 * 8.0},
                                              {"vector_unit", 9 * 8.0}};
  for (const auto& [limit, whole] : chip) {
    const double most = (uses.at(limit).get<double>() + once.at(limit).get<double>()) / 2;
    sets.insert(sets.end(), {"--set", fmt::format("search.limits.{}={}", limit, most / whole)});
  }
  const json limited = of("limited", sets);
  for (const json& one : limited.at("candidates")) {
    for (const auto& [limit, whole] : chip) {
      const double budget = limited.at("budget").at(limit).get<double>();
      if (one.at("within_budgets").get<bool>()) {
        EXPECT_LE(one.at("uses").at(limit).get<double>(), budget * (1 + 1e-9)) << one.at("label");
      }
    }
    const std::string method = one.at("method");
    EXPECT_TRUE(one.at("within_budgets").get<bool>() || method.starts_with("uniform")) << one;
  }
  const auto latency = [](const json& result) {
    return chosen(result).at("cost_model").at("latency_cycles").get<double>();
  };
  EXPECT_GT(latency(limited), latency(free));
}

TEST(Map, Feedback) {
  const TempFolder folder;
  // Narrow links, of which the cost model does not know: there is something to correct.
  const std::string slow = "chip.fabric.flit_bits=4 b";
  ASSERT_EQ(map_alone(folder / "none", {"--set", slow, "--set", "search.cost_model=array"}).status,
            0);
  ASSERT_EQ(map_alone(folder / "two",
                      {"--set", slow, "--set", "search.cost_model=array", "--feedback", "2"})
                .status,
            0);
  const json none = json_in(folder / "none/map.json");
  const json two = json_in(folder / "two/map.json");
  expect_chosen_is_least(two, "first_cycles");
  EXPECT_LE(chosen(two)["simulated"]["first_cycles"], chosen(none)["simulated"]["first_cycles"]);
  ASSERT_GE(two["candidates"].size(), none["candidates"].size());
  int of_feedback = 0;
  std::set<std::string> answers;
  for (std::size_t i = 0; i < two["candidates"].size(); ++i) {
    const json& one = two["candidates"][i];
    if (i < none["candidates"].size()) {
      EXPECT_EQ(one, none["candidates"][i]) << "feedback changed what came before it";
    }
    of_feedback += one["label"].get<std::string>().find("feedback") != std::string::npos ? 1 : 0;
    EXPECT_TRUE(answers.insert(one["method"].dump() + one["layers"].dump()).second)
        << one["label"] << " is there twice";
  }
  EXPECT_GE(of_feedback, 1);
  EXPECT_TRUE(two["timing"].contains("simulation"));
  EXPECT_TRUE(two["timing"].contains("simulation_feedback2"));
}

/// One image has a latency, and that is its interval.
/// A candidate that cannot be simulated has dashes, and a line below says why. Here the reference
/// of the ratios does not fit the chip.
TEST(Map, WhatCannotBeSimulatedIsSaidBelowTheTable) {
  const TempFolder folder;
  const Outcome got =
      map_alone(folder / "out", {"--set", "chip.tiles=4", "--set", "search.loss_of_bits=2"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out.find("error["), std::string::npos) << got.out;
  EXPECT_EQ(got.out.find("0.00x"), std::string::npos) << got.out;
  EXPECT_THAT(got.out, HasSubstr("\nnot simulated: uniform8: the mapping does not fit the chip: "));
  std::istringstream lines(got.out);
  bool seen = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("  uniform8 ", 0) == 0) {
      seen = true;
      EXPECT_THAT(line, testing::ContainsRegex("! +- +- +- +-$"));
    }
  }
  EXPECT_TRUE(seen);
}

TEST(Map, OneImageHasNoInterval) {
  const TempFolder folder;
  const Outcome got =
      map_alone(folder / "out", {"--objective", "throughput", "--set", "search.simulate.images=1"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = json_in(folder / "out/map.json");
  for (const json& one : result["candidates"]) {
    EXPECT_EQ(one["simulated"]["interval_cycles"], one["simulated"]["first_cycles"]);
  }
}

// ---- a user's own accuracy ----------------------------------------------------------------------

/// An experiment with LeNet-5 on the small chip whose accuracy comes from elsewhere.
std::string experiment_with(const TempFolder& folder, const std::string& search) {
  std::ofstream(folder / "own.yaml")
      << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/small.yaml\n"
      << "experiment: {name: own}\nnetwork: {zoo: lenet5}\n"
      << "search:\n  baselines: false\n  pes: chip\n  bits: {w_min: 3, a_min: 3}\n"
      << "  simulate: {top: 2, images: 2}\n"
      << search;
  return folder / "own.yaml";
}

/// A model in the shell: 4^-bits of every width costs accuracy, counted by its own calls.
std::string model_script(const TempFolder& folder, const std::string& before = "") {
  std::ofstream(folder / "model.sh")
      << "echo x >> '" << (folder / "calls") << "'\n"
      << before
      << R"(grep -o '"[wa]_bits": *[0-9]*' | awk -F: '{s += 1 / 4 ^ $2} END {printf "%.9f\n", 95 - 40 * s}')"
      << "\n";
  return "sh '" + (folder / "model.sh") + "'";
}

double model_loss(const json& layers) {
  double loss = 0;
  for (const json& layer : layers) {
    for (const char* key : {"w_bits", "a_bits"}) {
      loss += 40 * (std::pow(0.25, layer[key].get<int>()) - std::pow(0.25, 8));
    }
  }
  return loss;
}

/// Is the loss of every candidate what the command said, and is the answer within its budget?
TEST(MapAccuracy, OfACommand) {
  const TempFolder folder;
  const std::string file =
      experiment_with(folder,
                      fmt::format("  loss: 0.8\n  accuracy: {{source: command, command: \"{}\"}}\n",
                                  model_script(folder)));
  for (const char* method : {"joint_milp", "rl"}) {
    const Outcome got = run_program(
        {"map", file, "--search", method, "--episodes", "25", "--out", folder / method});
    ASSERT_EQ(got.status, 0) << got.err;
    const json result = json_in(fs::path(folder / method) / "map.json");
    EXPECT_EQ(result["accuracy"]["source"], "command");
    EXPECT_EQ(result["accuracy"]["unit"], "percentage points");
    for (const json& one : result["candidates"]) {
      EXPECT_NEAR(one["loss"].get<double>(), model_loss(one["layers"]), 1e-7) << one["label"];
      EXPECT_EQ(one["within_budgets"].get<bool>(),
                one["loss"].get<double>() <= 0.8 * (1 + 1e-9) && one["pes"] <= 90)
          << one["label"];
    }
    expect_chosen_is_least(result, "first_cycles");
  }
}

/// A command that fails late: no output folder, and the error says what was printed.
TEST(MapAccuracy, OfACommandThatTurnsToRubbish) {
  for (const char* method : {"joint_milp", "rl"}) {
    const TempFolder folder;
    const std::string rubbish = "[ $(wc -l < '" + (folder / "calls") +
                                "') -gt 4 ] && { echo no idea; echo a reason >&2; exit 0; }\n";
    const std::string file = experiment_with(
        folder,
        fmt::format("  loss: 0.8\n  accuracy: {{source: command, command: \"{}\"}}\n",
                    model_script(folder, rubbish)));
    const Outcome got =
        run_program({"map", file, "--search", method, "--episodes", "25", "--out", folder / "out"});
    EXPECT_EQ(got.status, 2) << method;
    EXPECT_EQ(got.out, "");
    EXPECT_THAT(got.err, HasSubstr("error[E-ACC-OUTPUT]"));
    EXPECT_THAT(got.err, HasSubstr("no idea"));
    EXPECT_THAT(got.err, HasSubstr("a reason"));
    EXPECT_FALSE(fs::exists(folder / "out"));
    EXPECT_EQ(std::count(std::istreambuf_iterator<char>(std::ifstream(folder / "calls").rdbuf()),
                         std::istreambuf_iterator<char>(),
                         'x'),
              5);
  }
}

const std::vector<std::string> kLayers = {"conv1", "conv2", "fc1", "fc2", "fc3"};

/// A measured loss decides: layers of which the table says that bits are free get few of them.
TEST(MapAccuracy, OfATableOfLosses) {
  const TempFolder folder;
  std::ofstream csv(folder / "losses.csv");
  csv << "# measured\nlayer,w_bits,a_bits,loss\n";
  for (const std::string& layer : kLayers) {
    for (int w = 3; w <= 8; ++w) {
      for (int a = 3; a <= 8; ++a) {
        csv << fmt::format("{},{},{},{}\n", layer, w, a, layer == "conv2" ? 16 - w - a : 0);
      }
    }
  }
  csv.close();
  const std::string file =
      experiment_with(folder, "  loss: 2.5\n  accuracy: {source: table, file: losses.csv}\n");
  const Outcome got = run_program({"map", file, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = json_in(folder / "out/map.json");
  EXPECT_EQ(result["accuracy"]["source"], "table");
  for (const json& one : result["candidates"]) {
    const json& conv2 = one["layers"][1];
    EXPECT_EQ(one["loss"], 16 - conv2["w_bits"].get<int>() - conv2["a_bits"].get<int>());
  }
  const json answer = chosen(result);
  EXPECT_EQ(answer["loss"], 2);
  for (const json& layer : answer["layers"]) {
    if (layer["name"] != "conv2") {
      EXPECT_LE(layer["a_bits"], 4) << layer;  // cells of 2 bit: 4 weight bits cost what 3 do
    }
  }
}

/// The same with Hessian traces: the layer with the largest one keeps the most bits.
TEST(MapAccuracy, OfATableOfTraces) {
  const TempFolder folder;
  std::ofstream csv(folder / "traces.csv");
  csv << "layer,trace,weight_rms\n";
  for (const std::string& layer : kLayers) {
    csv << fmt::format("{},{},0.1\n", layer, layer == "fc1" ? 1e6 : 1.0);
  }
  csv.close();
  const std::string file =
      experiment_with(folder, "  loss_of_bits: 6\n  accuracy: {source: table, file: traces.csv}\n");
  const Outcome got = run_program({"map", file, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json result = json_in(folder / "out/map.json");
  EXPECT_EQ(result["accuracy"]["source"], "trace");
  const json answer = chosen(result);
  for (const json& layer : answer["layers"]) {
    EXPECT_EQ(layer["a_bits"], 3) << "without input_loss, activation bits are free";
  }
  EXPECT_GE(answer["layers"][2]["w_bits"], 6);
  // Were all traces alike, fc1 with its many PEs would be the first to get fewer bits.
  std::ofstream(folder / "traces.csv") << "layer,trace\nconv1,1\nconv2,1\nfc1,1\nfc2,1\nfc3,1\n";
  ASSERT_EQ(run_program({"map", file, "--out", folder / "alike"}).status, 0);
  const json alike = chosen(json_in(folder / "alike/map.json"));
  EXPECT_LE(alike["layers"][2]["w_bits"], answer["layers"][2]["w_bits"]);
}

}  // namespace
}  // namespace tessera::e2e
