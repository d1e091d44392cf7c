// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a user sees of `tessera compare`.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kSmall = "configs/experiments/quickstart.yaml";
constexpr const char* kOther = "configs/experiments/residual.yaml";

json result_of(const std::string& folder) {
  return json::parse(read_text(fs::path(folder) / "compare.json"));
}

TEST(Compare, SaysOfEachWhatARunOfItSays) {
  const TempFolder folder;
  const Outcome got = run_program({"compare", kSmall, kOther, "--out", folder / "both"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  EXPECT_THAT(got.out, HasSubstr("energy by event"));
  EXPECT_THAT(got.out, HasSubstr("note: the networks differ"));
  const json both = result_of(folder / "both");
  EXPECT_THAT(read_text(folder.path() / "both/compare.csv"),
              testing::StartsWith("number,unit,quickstart,residual\n"));
  ASSERT_EQ(both["runs"].size(), 2U);
  for (std::size_t r = 0; r < 2; ++r) {
    const Outcome alone =
        run_program({"run", r == 0 ? kSmall : kOther, "--json", "--out", folder / "one"});
    ASSERT_EQ(alone.status, 0) << alone.err;
    const json result = json::parse(alone.out);
    const json& values = both["runs"][r]["values"];
    EXPECT_EQ(values["latency_s"], result["latency"]["seconds"]);
    EXPECT_EQ(values["energy_j"], result["energy"]["per_image_j"]);
    EXPECT_EQ(values["area_m2"], result["area"]["total_m2"]);
    EXPECT_EQ(values["pes_used"], result["pes"]["used"]);
  }
  // LeNet-5: 28x28x6x25, 10x10x16x150, 400x120, 120x84, 84x10.
  EXPECT_EQ(both["runs"][0]["values"]["macs"], 117600 + 240000 + 48000 + 10080 + 840);
  EXPECT_NE(both["runs"][1]["values"]["macs"], both["runs"][0]["values"]["macs"]);
}

/// In a folder of its own, and with a gnuplot that keeps what it is told to draw.
TEST(Compare, WithoutOptionsResultsAreInAFolderNamedAfterTheFirst) {
  const TempFolder folder;
  const std::string kept = folder / "script";
  const std::string gnuplot = folder / "gnuplot";
  std::ofstream(gnuplot) << "#!/bin/sh\ncat >'" << kept << "'\necho '<svg></svg>'\n";
  fs::permissions(gnuplot, fs::perms::owner_all);
  const char* path = std::getenv("PATH");
  const Outcome got = run_program({"-C",
                                   folder.path().string(),
                                   "PATH=" + folder.path().string() + ":" + (path ? path : ""),
                                   TESSERA_PROGRAM,
                                   "compare",
                                   std::string(TESSERA_SOURCE_DIR) + "/" + kSmall,
                                   std::string(TESSERA_SOURCE_DIR) + "/" + kOther,
                                   "--quiet"},
                                  "/usr/bin/env");
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out + got.err, "");
  const fs::path out = folder.path() / "out/quickstart_compare";
  EXPECT_EQ(read_text(out / "compare.svg"), "<svg></svg>\n");
  const json runs = json::parse(read_text(out / "compare.json"))["runs"];
  // The second columns of a block of data.
  const std::string script = read_text(kept);
  const auto column = [&script](const std::string& block) {
    std::vector<double> values;
    std::istringstream lines(script.substr(script.find("$" + block + " <<EOD\n")));
    std::string line;
    std::getline(lines, line);
    for (double x = 0, y = 0; lines >> x >> y;) {
      values.push_back(y);
    }
    return values;
  };
  EXPECT_THAT(script, HasSubstr("set title \"against quickstart\""));
  const std::vector<double> ones = column("r0");
  const std::vector<double> ratios = column("r1");
  EXPECT_EQ(ones, std::vector<double>(ones.size(), 1));
  ASSERT_EQ(ratios.size(), ones.size());
  EXPECT_NEAR(ratios[0] / runs[1]["ratios"]["latency_s"].get<double>(), 1, 1e-5);
  EXPECT_NEAR(ratios[1] / runs[1]["ratios"]["images_per_second"].get<double>(), 1, 1e-5);
  EXPECT_NEAR(ratios[2] / runs[1]["ratios"]["energy_j"].get<double>(), 1, 1e-5);
  // Boxes hide each other: the widest, of all places, reaches 100 %; the last, of one, its share.
  std::size_t places = 1;
  while (script.find("$e" + std::to_string(places + 1) + " <<EOD") != std::string::npos) {
    ++places;
  }
  const std::vector<double> all = column("e" + std::to_string(places));
  ASSERT_EQ(all.size(), 2U);
  const std::vector<double> first = column("e1");
  std::smatch title;
  ASSERT_TRUE(std::regex_search(script, title, std::regex("\\$e1 with .*title \"(\\w+)\"")));
  for (std::size_t r = 0; r < 2; ++r) {
    EXPECT_NEAR(all[r], 100, 1e-3);
    const double joules = runs[r]["energy_j_by_place"][title[1].str()].get<double>();
    EXPECT_NEAR(first[r], 100 * joules / runs[r]["values"]["energy_j"].get<double>(), 1e-3);
    EXPECT_GT(first[r], 0);
  }
}

TEST(Compare, RepeatsItselfByteForByte) {
  const TempFolder folder;
  const auto files = [&](const std::string& out) {
    const Outcome got = run_program({"compare", kSmall, kOther, "--json", "--out", folder / out});
    EXPECT_EQ(got.status, 0) << got.err;
    EXPECT_EQ(got.out, read_text(folder.path() / out / "compare.json"));
    return got.out + read_text(folder.path() / out / "compare.csv");
  };
  EXPECT_EQ(files("a"), files("b"));
}

TEST(Compare, OptionsApplyToEveryExperiment) {
  const TempFolder folder;
  const Outcome got = run_program({"compare",
                                   kSmall,
                                   kSmall,
                                   "--images",
                                   "1",
                                   "--set",
                                   "execution.functional=off",
                                   "--out",
                                   folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("not measured for quickstart, quickstart-2"));
  const json out = result_of(folder / "out");
  for (const json& run : out["runs"]) {
    EXPECT_EQ(run["images"], 1);
    EXPECT_TRUE(run["values"]["images_per_second"].is_null());
    EXPECT_EQ(run["ratios"]["energy_j"], 1.0);
  }
}

TEST(Compare, ErrorsOfAllFilesComeAtOnce) {
  const TempFolder folder;
  const Outcome got = run_program({"compare",
                                   "configs/bad/cfg_unit.yaml",
                                   "configs/bad/map_capacity.yaml",
                                   "configs/bad/no_such.yaml",
                                   "--out",
                                   folder / "out"});
  EXPECT_EQ(got.status, 2);
  for (const char* code : {"E-CFG-UNIT", "E-MAP-CAPACITY", "E-CFG-FILE"}) {
    EXPECT_THAT(got.err, HasSubstr(code));
  }
  EXPECT_EQ(got.out, "");
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Compare, AnErrorThatAllShareIsSaidOnce) {
  const Outcome got = run_program({"compare", kSmall, kSmall, "--images", "0"});
  EXPECT_EQ(got.status, 2);
  const std::size_t at = got.err.find("error[E-CFG-RANGE]");
  ASSERT_NE(at, std::string::npos) << got.err;
  EXPECT_EQ(got.err.find("error[", at + 1), std::string::npos) << got.err;
}

TEST(Compare, AMappingThatDoesNotFitIsNoBadInput) {
  const TempFolder folder;
  const Outcome got =
      run_program({"compare", kSmall, "configs/bad/map_capacity.yaml", "--out", folder / "out"});
  EXPECT_EQ(got.status, 4) << got.err;
  EXPECT_THAT(got.err, HasSubstr("E-MAP-CAPACITY"));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

constexpr const char* kSearched = "configs/experiments/lrmp_search_mlp.yaml";

TEST(Compare, SearchesWhereAnExperimentAsksForIt) {
  const TempFolder folder;
  const Outcome got = run_program({"compare",
                                   "configs/experiments/lrmp_mlp.yaml",
                                   kSearched,
                                   "--set",
                                   "search.method=quantize_replicate",
                                   "--out",
                                   folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  const json runs = result_of(folder / "out")["runs"];
  EXPECT_EQ(runs[0]["bits"], "8/8");
  EXPECT_NE(runs[1]["bits"], "8/8");
  EXPECT_LT(runs[1]["ratios"]["latency_s"].get<double>(), 1);
}

TEST(Compare, WhatFailsInAChildIsSaidAndNothingIsWritten) {
  const TempFolder folder;
  const Outcome got =
      run_program({"compare", kSmall, kSearched, "--set", "search.pes=3", "--out", folder / "out"});
  EXPECT_EQ(got.status, 4) << got.err;
  EXPECT_THAT(got.err, testing::StartsWith("--set:1:12: error[E-SEARCH-AREA]"));
  EXPECT_EQ(got.out, "");
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace tessera::e2e
