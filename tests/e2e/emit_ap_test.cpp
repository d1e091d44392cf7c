// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `--emit-ap`: as many programs as the mapping has fragments, all accepted by the verifier and
/// run by `tessera ap`.
#include "arch/rtm_ap/program.hpp"
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

namespace ap = arch::rtm_ap;

constexpr ap::Geometry kSmall{32, 24, 20};

/// A small network on arrays so small that most layers take several.
std::vector<std::string> small(std::vector<std::string> words, int replicas) {
  for (const std::string& set : {std::string("network.zoo=tiny_cnn"),
                                 "mapping.default.replicas=" + std::to_string(replicas),
                                 "chip.tile.pe.rows=" + std::to_string(kSmall.rows),
                                 "chip.tile.pe.columns=" + std::to_string(kSmall.columns),
                                 "chip.tile.pe.domains=" + std::to_string(kSmall.domains)}) {
    words.insert(words.end(), {"--set", set});
  }
  return words;
}

/// Names, after all of them were read and verified.
std::vector<std::string> verified(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    Diagnostics diagnostics;
    const ap::Listing listing = ap::parse(read_text(entry.path()), name, diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << name;
    EXPECT_FALSE(listing.program.instructions.empty()) << name;
    EXPECT_TRUE(ap::verify(listing.program, kSmall).empty()) << name;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::size_t pes_written(const fs::path& result) {
  return nlohmann::json::parse(read_text(result)).at("load").at("pes_written").get<std::size_t>();
}

constexpr const char* kExperiment = "configs/experiments/rtm_ap_vgg9.yaml";

TEST(EmitAp, RunWritesOneProgramPerFragment) {
  const TempFolder folder;
  std::vector<std::string> first;
  for (const int replicas : {1, 2}) {
    const std::string programs = folder / ("programs" + std::to_string(replicas));
    const std::string out = folder / ("out" + std::to_string(replicas));
    const Outcome got =
        run_program(small({"run", kExperiment, "--emit-ap", programs, "--out", out}, replicas));
    ASSERT_EQ(got.status, 0) << got.err;
    const std::vector<std::string> names = verified(programs);
    if (replicas == 1) {
      EXPECT_EQ(names.size(), pes_written(out + "/result.json"));
      EXPECT_THAT(names, testing::Contains("008_conv3.p2.apasm"));
      first = names;
    } else {
      EXPECT_EQ(names, first) << "replicas run the same programs";
      EXPECT_GT(pes_written(out + "/result.json"), names.size());
    }
  }
  const Outcome ran = run_program({"ap",
                                   folder / "programs1/008_conv3.p2.apasm",
                                   "--set",
                                   "chip.tile.pe.columns=24",
                                   "--set",
                                   "chip.tile.pe.domains=20"});
  EXPECT_EQ(ran.status, 0) << ran.err;
}

TEST(EmitAp, MapWritesThoseOfItsAnswer) {
  const TempFolder folder;
  const Outcome got = run_program(small({"map",
                                         kExperiment,
                                         "--emit-ap",
                                         folder / "programs",
                                         "--out",
                                         folder / "out",
                                         "--set",
                                         "search.baselines=false",
                                         "--set",
                                         "search.bits.w_min=2",
                                         "--set",
                                         "search.bits.w_max=3",
                                         "--set",
                                         "search.bits.a_min=4",
                                         "--set",
                                         "search.bits.a_max=4",
                                         "--set",
                                         "search.loss=1000"},
                                        1));
  ASSERT_EQ(got.status, 0) << got.err;
  // The answer run again writes the same programs.
  const std::string experiment = folder / "again.yaml";
  std::ofstream(experiment) << "include: " TESSERA_SOURCE_DIR
                               "/configs/chips/rtm_ap.yaml\n"
                               "network: {zoo: tiny_cnn}\n"
                               "chip: {tile: {pe: {rows: 32, columns: 24, domains: 20}}}\n"
                               "mapping: {file: out/mapping.yaml}\n"
                               "execution: {sparsity: 0.8}\n";
  const Outcome again =
      run_program({"run", experiment, "--emit-ap", folder / "again", "--out", folder / "out2"});
  ASSERT_EQ(again.status, 0) << again.err;
  const std::vector<std::string> names = verified(folder / "programs");
  EXPECT_EQ(names, verified(folder / "again"));
  for (const std::string& name : names) {
    EXPECT_EQ(read_text(folder.path() / "programs" / name),
              read_text(folder.path() / "again" / name));
  }
}

}  // namespace
}  // namespace tessera::e2e
