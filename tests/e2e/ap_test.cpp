// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera ap`: the example program on every technology profile, as text, JSON and trace.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kExample = "arch/rtm_ap/example.apasm";

json run_json(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"ap", kExample, "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome got = run_program(arguments);
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  return json::parse(got.out);
}

TEST(Ap, TechnologyChangesTimeAndEnergyButNoBit) {
  const json plain = run_json({});
  EXPECT_EQ(plain["instructions"], 15);
  EXPECT_EQ(plain["rows"], 256);
  for (const char* profile : {"mtj-22nm", "rtsim", "fefet", "paper-low"}) {
    const std::string file = std::string("arch/rtm_ap/profiles/") + profile + ".yaml";
    const json with = run_json({"--chip", file});
    EXPECT_EQ(with["slots"], plain["slots"]) << profile;
    EXPECT_EQ(with["tag_hits"], plain["tag_hits"]) << profile;
    EXPECT_EQ(with["actions"]["search_cell"]["happened"],
              plain["actions"]["search_cell"]["happened"]);
    const json& cycles = with["cycles"];
    EXPECT_EQ(cycles["total"].get<std::int64_t>(),
              cycles["search"].get<std::int64_t>() + cycles["write"].get<std::int64_t>() +
                  cycles["shift"].get<std::int64_t>() + cycles["load"].get<std::int64_t>() +
                  cycles["read_out"].get<std::int64_t>());
    if (std::string(profile) == "mtj-22nm") {
      EXPECT_EQ(with, plain) << "the defaults";
    } else {
      EXPECT_NE(with["energy_j"], plain["energy_j"]) << profile;
    }
  }
}

TEST(Ap, SeedAndRowsDecideTheBits) {
  const json one = run_json({"--seed", "1"});
  EXPECT_EQ(one, run_json({"--seed", "1"}));
  const json two = run_json({"--seed", "2"});
  EXPECT_NE(one["slots"], two["slots"]);
  EXPECT_EQ(one["cycles"], two["cycles"]);
  const json half = run_json({"--rows", "128"});
  EXPECT_EQ(half["cycles"], one["cycles"]) << "rows work side by side";
  EXPECT_EQ(2 * half["actions"]["search_cell"]["happened"].get<std::int64_t>(),
            one["actions"]["search_cell"]["happened"].get<std::int64_t>());
}

TEST(Ap, PrintsWhatHappened) {
  const Outcome got = run_program({"ap", kExample, "--set", "chip.tile.pe.ports=2"});
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("15 instructions on 256 of 256 rows"));
  EXPECT_THAT(got.out, HasSubstr("2 ports (static, lazy)"));
  EXPECT_THAT(got.out, HasSubstr("closed form"));
  EXPECT_THAT(got.out, HasSubstr("slot 1: "));
}

/// Spans of a row follow each other without holes up to the end, and passes are visible one by one.
TEST(Ap, TraceShowsEveryPass) {
  const TempFolder folder;
  const json result = run_json({"--trace", folder / "t.json"});
  const json trace = json::parse(read_text(folder / "t.json"));
  std::map<std::string, int> work;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") {
      ++work[event["name"].get<std::string>()];
    }
  }
  const std::int64_t rows = result["rows"];
  EXPECT_EQ(work["search"] * rows, result["actions"]["tag"]["happened"].get<std::int64_t>());
  EXPECT_EQ(work["add_in_place"], 2);
  EXPECT_GT(work["write"], work["search"]) << "clears and loads write without a search";
  EXPECT_GT(work["shift"], 0);
  EXPECT_EQ(work["load or read out"] * rows,
            result["actions"]["load_bit"]["happened"].get<std::int64_t>() +
                result["actions"]["read_bit"]["happened"].get<std::int64_t>());
}

TEST(Ap, SlotsDoNotExhaustTheMemory) {
  const TempFolder folder;
  std::ofstream program(folder / "slots.apasm");
  program << "carry 15\n";
  for (int slot = 0; slot < 1025; ++slot) {
    program << "clear c0[0+1]u\nload c0[0+1]u, " << slot << "\n";
  }
  program.close();
  const std::vector<std::string> large = {"ap",
                                          folder / "slots.apasm",
                                          "--set",
                                          "chip.tile.pe.rows=65536",
                                          "--set",
                                          "chip.tile.pe.columns=16"};
  const Outcome got = run_program(large);
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("slots.apasm:2051:1: error[E-AP-PROGRAM]"));
  EXPECT_THAT(got.err, HasSubstr("at most 1024 slots with 65536 rows"));
  std::vector<std::string> fewer = large;
  fewer.insert(fewer.end(), {"--rows", "64"});
  EXPECT_EQ(run_program(fewer).status, 0);
}

/// A file of the other commands may be the chip file; what --set adds to it must be read.
TEST(Ap, TakesFilesOfOtherCommandsAndRefusesWhatNobodyReads) {
  for (const char* file : {"configs/chips/rtm_ap.yaml",
                           "configs/experiments/rtm_ap_resnet18_fefet.yaml",
                           "configs/ap/vgg9.yaml"}) {
    const Outcome got = run_program({"ap", kExample, "--chip", file});
    EXPECT_EQ(got.status, 0) << file << ": " << got.err;
  }
  const std::string chip = "configs/experiments/rtm_ap_vgg9.yaml";
  for (const char* set : {"foo=1",
                          "execution.images=3",
                          "chip.tile.pee.columns=3",
                          "chip.tile.pes=-5",
                          "chip.tile=3",
                          "chip.io.widht=1",
                          "chip.fabric.arity=1",
                          "chip.tile.pe.kind=",
                          "chip.tile_groups.a.tiles=1"}) {
    const Outcome got = run_program({"ap", kExample, "--chip", chip, "--set", set});
    EXPECT_EQ(got.status, 2) << set;
    EXPECT_THAT(got.err, testing::StartsWith("--set:1:")) << set;
  }
  const Outcome other = run_program({"ap", kExample, "--chip", "configs/chips/isaac.yaml"});
  EXPECT_THAT(other.err, HasSubstr("E-RTM-AP-SPEC"));
  EXPECT_EQ(other.err.find("E-CFG"), std::string::npos) << other.err;
}

TEST(Ap, CountsAllErrorsAndShowsBothSorts) {
  const TempFolder folder;
  std::ofstream program(folder / "p.apasm");
  program << "carry 255\nreed c0[0+4]u, 0\n";
  for (int i = 0; i < 20'000; ++i) {
    program << "relu c0[0+4]u\n";
  }
  program.close();
  const Outcome got = run_program({"ap", folder / "p.apasm"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("p.apasm:2:1: error[E-AP-SYNTAX]"));
  EXPECT_THAT(got.err, HasSubstr("p.apasm:3:1: error[E-AP-PROGRAM]"));
  EXPECT_THAT(got.err, HasSubstr("... and 19981 more errors"));
}

TEST(Ap, WrongCallsAreExplained) {
  const Outcome missing = run_program({"ap"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, HasSubstr("E-CLI-MISSING"));
  const Outcome no_file = run_program({"ap", "no_such.apasm"});
  EXPECT_EQ(no_file.status, 2);
  EXPECT_THAT(no_file.err, HasSubstr("E-CFG-FILE"));
  EXPECT_EQ(run_program({"ap", ""}).status, 2);
  const Outcome rows = run_program({"ap", kExample, "--rows", "0"});
  EXPECT_EQ(rows.status, 2);
  EXPECT_THAT(rows.err, HasSubstr("E-CLI-ARGUMENT"));
  const Outcome text = run_program({"ap", kExample, "--rows", "many"});
  EXPECT_EQ(text.status, 2);
  EXPECT_THAT(text.err, HasSubstr("E-CLI-ARGUMENT"));
  const Outcome other = run_program({"ap", kExample, "--chip", "configs/chips/small.yaml"});
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("E-RTM-AP-SPEC"));
  const Outcome none = run_program({"ap", kExample, "--chip", "configs/networks/lenet5.yaml"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("E-RTM-AP-SPEC"));
}

}  // namespace
}  // namespace tessera::e2e
