// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a user sees of `tessera compare`.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

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
    EXPECT_GT(values["macs"].get<double>(), 0);
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
