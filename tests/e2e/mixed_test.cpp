// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A chip with two sorts of tiles from the command line: layers are where the experiment sends
/// them, the report says what each sort took, the same bits come out wherever a layer is, and the
/// files of a run give the same run again.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kMixed = "configs/experiments/mixed_lenet5.yaml";

json run(const std::string& experiment,
         const std::string& out,
         const std::vector<std::string>& sets = {}) {
  std::vector<std::string> arguments{"run", experiment, "--out", out};
  for (const std::string& set : sets) {
    arguments.insert(arguments.end(), {"--set", set});
  }
  const Outcome got = run_program(arguments);
  EXPECT_EQ(got.status, 0) << got.err;
  if (got.status != 0) {
    return {};
  }
  json result = json::parse(read_text(fs::path(out) / "result.json"));
  result.erase("simulation");
  return result;
}

std::map<std::string, std::string> groups_of(const json& result) {
  std::map<std::string, std::string> groups;
  for (const json& layer : result["layers"]) {
    groups[layer["name"]] = layer["group"];
  }
  return groups;
}

TEST(Mixed, LenetOnCrossbarsAndLookUpBlocks) {
  const TempFolder folder;
  const Outcome got = run_program({"run", kMixed, "--out", folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("by tiles %"));
  EXPECT_THAT(got.out, HasSubstr("13 of 13 hold"));
  const json result = json::parse(read_text(fs::path(folder / "out") / "result.json"));
  EXPECT_EQ(groups_of(result),
            (std::map<std::string, std::string>{{"input", ""},
                                                {"conv1", "crossbar"},
                                                {"pool1", "crossbar"},
                                                {"conv2", "crossbar"},
                                                {"pool2", "crossbar"},
                                                {"fc1", "lut"},
                                                {"fc2", "lut"},
                                                {"fc3", "lut"},
                                                {"output", ""}}));
  ASSERT_EQ(result["tile_groups"].size(), 2U);
  double pes = 0;
  for (const json& group : result["tile_groups"]) {
    EXPECT_EQ(group["name"], group["kind"]);
    EXPECT_GT(group["pe_energy_j"], 0);
    EXPECT_GT(group["area_m2"], 0);
    pes += group["pe_energy_j"].get<double>();
  }
  EXPECT_NEAR(pes, result["energy"]["by_place"]["pes"].get<double>(), 1e-9 * pes);
  EXPECT_GT(result["actions"]["crossbar.adc_convert"], 0);
  EXPECT_GT(result["actions"]["lut.nor_cycle"], 0);
  EXPECT_TRUE(result["area"]["by_component"].contains("lut.pe.counters"));
}

TEST(Mixed, BitsDoNotDependOnTheTiles) {
  const TempFolder folder;
  const json as_written = run(kMixed, folder / "a");
  const json moved = run(
      kMixed, folder / "b", {"mapping.layers.fc1.group=crossbar", "mapping.placement=first_fit"});
  EXPECT_EQ(groups_of(moved)["fc1"], "crossbar");
  EXPECT_EQ(as_written["output_digest"], moved["output_digest"]);
  EXPECT_NE(as_written["end_cycles"], moved["end_cycles"]);
  json stepped = run(kMixed, folder / "c", {"execution.detail=step"});
  stepped["detail"] = as_written["detail"];
  EXPECT_EQ(stepped, as_written);
  for (const std::string granularity : {"layer", "serial"}) {
    const json other =
        run(kMixed,
            folder / granularity,
            {"execution.granularity=" + granularity, "mapping.layers.conv1.replicas=1"});
    EXPECT_EQ(other["output_digest"], as_written["output_digest"]) << granularity;
  }
}

TEST(Mixed, FilesOfARunGiveItAgain) {
  const TempFolder folder;
  const std::string set = "chip.tile_groups.lut.tile.vector_unit.lanes=10";
  const json first = run(kMixed, folder / "a", {set});
  EXPECT_EQ(run(folder / "a/resolved.yaml", folder / "b"), first);
  EXPECT_THAT(read_text(fs::path(folder / "a/resolved.yaml")), HasSubstr("lanes: 10  # --set"));

  const std::string experiment = folder / "again.yaml";
  std::ofstream(experiment) << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/mixed.yaml\n"
                            << "network: {zoo: lenet5}\nmapping: {file: a/mapping.yaml}\n"
                            << "execution: {images: 4, functional: bit_accurate}\n";
  EXPECT_EQ(run(experiment, folder / "c", {set}), first);
}

}  // namespace
}  // namespace tessera::e2e
