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
#include <map>
#include <set>
#include <sstream>
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

/// Names, after all of them were read and verified: each says which program of which layer it is,
/// no two of a layer hold the same part of it, and all load inputs of `in_bits`.
std::vector<std::string> verified(const fs::path& folder, int in_bits = 4) {
  std::vector<std::string> names;
  std::map<std::string, std::set<std::string>> contents;  // lines that say it, by stem of the name
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    Diagnostics diagnostics;
    const ap::Listing listing = ap::parse(read_text(entry.path()), name, diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << name;
    EXPECT_FALSE(listing.program.instructions.empty()) << name;
    EXPECT_TRUE(ap::verify(listing.program, kSmall).empty()) << name;
    const std::string program = entry.path().stem().string();
    EXPECT_EQ(listing.head.program, program);
    EXPECT_EQ(listing.head.layer, program.substr(4, program.find('.') - 4));
    EXPECT_EQ(listing.head.network, "tiny_cnn");
    EXPECT_EQ(listing.head.array, kSmall);
    if (name.find(".v") != std::string::npos) {  // in place of a vector unit
      continue;
    }
    EXPECT_THAT(listing.head.widths, testing::HasSubstr("inputs " + std::to_string(in_bits) + "u"));
    for (const ap::Instruction& i : listing.program.instructions) {
      EXPECT_TRUE(i.op != ap::Opcode::load || i.dst.bits == in_bits) << name;
    }
    const std::string stem = name.substr(0, name.find(".p"));
    std::istringstream text(read_text(entry.path()));
    for (std::string line; std::getline(text, line);) {
      if (line.rfind("# groups ", 0) == 0) {
        EXPECT_TRUE(contents[stem].insert(line).second) << name;
      }
    }
    names.push_back(name);
  }
  for (const auto& [stem, parts] : contents) {
    for (std::size_t f = 0; f < parts.size(); ++f) {
      const std::string name = stem + ".p" + std::to_string(f) + ".apasm";
      EXPECT_THAT(names, testing::Contains(name));
      EXPECT_THAT(read_text(folder / name),
                  testing::HasSubstr("\n# " + std::to_string(f + 1) + " of " +
                                     std::to_string(parts.size()) + "\n"));
    }
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

TEST(EmitAp, ProgramsHaveTheWidthsOfTheMapping) {
  const TempFolder folder;
  const auto emit = [&](const std::string& name, const std::string& set, int in_bits) {
    std::vector<std::string> words = {"run", kExperiment, "--emit-ap", folder / name};
    // Without ternary weights (wide), nothing would read the sparsity.
    words.insert(words.end(),
                 {"--out", folder / "out", "--set", "execution.sparsity=null", "--set", set});
    const Outcome got = run_program(small(words, 1));
    EXPECT_EQ(got.status, 0) << got.err;
    return verified(folder.path() / name, in_bits);
  };
  emit("ternary", "mapping.default.w_bits=2", 4);
  emit("wide", "mapping.default.w_bits=3", 4);
  emit("narrow", "mapping.default.a_bits=3", 3);
  const std::string stem = "001_stem.p0.apasm";
  EXPECT_NE(read_text(folder.path() / "ternary" / stem), read_text(folder.path() / "wide" / stem));
}

/// Layers without a matrix and sums of several arrays have programs of their own; lanes have none.
TEST(EmitAp, WhatVectorUnitsRunIsWrittenToo) {
  const TempFolder folder;
  const auto emit = [&](const std::string& pes) {
    std::vector<std::string> words = {"run", kExperiment, "--emit-ap", folder / pes};
    words.insert(words.end(),
                 {"--out", folder / "out", "--set", "chip.tile.vector_unit.pes=" + pes});
    const Outcome got = run_program(small(words, 1));
    EXPECT_EQ(got.status, 0) << got.err;
    verified(folder.path() / pes);
    std::set<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder.path() / pes)) {
      const std::string name = entry.path().filename().string();
      if (name.find(".v") != std::string::npos) {
        names.insert(name);
      }
    }
    return names;
  };
  EXPECT_THAT(emit("0"), testing::IsEmpty());
  EXPECT_THAT(emit("1"),
              testing::IsSupersetOf({"004_add.v0.apasm",
                                     "007_maxpool.v0.apasm",
                                     "008_conv3.v0.apasm",
                                     "009_avgpool.v0.apasm"}));
  EXPECT_THAT(read_text(folder.path() / "1" / "009_avgpool.v0.apasm"),
              testing::HasSubstr("\n# 1 of 1\n# in place of the vector unit"));
}

/// Widths that a search finds change how sums end, too: the programs that run are made for them.
TEST(EmitAp, ProgramsAreMadeForTheWidthsThatASearchFinds) {
  const TempFolder folder;
  const auto digest = [&](const std::string& name, const std::vector<std::string>& sets) {
    std::vector<std::string> words = {"run",
                                      "configs/chips/rtm_ap.yaml",
                                      "--out",
                                      folder / name,
                                      "--set",
                                      "network.zoo=tiny_cnn"};
    for (const char* set : {"search.method=balance",
                            "search.baselines=false",
                            "search.loss=20",
                            "search.bits.w_min=2",
                            "search.bits.w_max=3",
                            "search.bits.a_min=3",
                            "search.bits.a_max=5",
                            "execution.images=1"}) {
      words.insert(words.end(), {"--set", set});
    }
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    const Outcome got = run_program(words);
    EXPECT_EQ(got.status, 0) << got.err;
    return nlohmann::json::parse(read_text(folder.path() / name / "result.json"))
        .at("output_digest")
        .get<std::string>();
  };
  EXPECT_EQ(digest("arrays", {"execution.functional=bit_accurate"}),
            digest("lanes",
                   {"execution.functional=ideal",
                    "chip.tile.pe.ends_sums=false",
                    "chip.tile.vector_unit.pes=0"}));
}

/// A chip with two sorts of tiles, of which one runs programs.
TEST(EmitAp, OnlyLayersOnSuchPesHavePrograms) {
  const TempFolder folder;
  const auto run = [&](const std::string& layers) {
    const std::string experiment = folder / "two.yaml";
    std::ofstream(experiment)
        << "network: {zoo: tiny_cnn}\n"
           "chip:\n"
           "  name: two\n"
           "  clock: 1 GHz\n"
           "  tile_groups:\n"
           "    cells: {tiles: 2, tile: {pes: 40, pe: {kind: crossbar, adc_rate: 1 GHz}}}\n"
           "    programs: {tiles: 2, tile: {pes: 40, pe: {kind: rtm_ap, rows: 32, columns: 24, "
           "domains: 20}}}\n"
           "mapping: {default: {group: cells, w_bits: 2, a_bits: 4}, layers: {" +
               layers + "}}\n";
    return run_program(
        {"run", experiment, "--emit-ap", folder / "programs", "--out", folder / "out"});
  };
  const Outcome none = run("");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, testing::HasSubstr("E-AP-NONE]: no layer is on"));
  EXPECT_FALSE(fs::exists(folder / "programs"));
  EXPECT_FALSE(fs::exists(folder / "out"));
  const Outcome got = run("conv3: {group: programs}");
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(
      verified(folder / "programs"),
      testing::ElementsAre("008_conv3.p0.apasm", "008_conv3.p1.apasm", "008_conv3.p2.apasm"));
}

/// Of a run.
double first_cycles(const fs::path& folder) {
  return nlohmann::json::parse(read_text(folder / "result.json")).at("latency").at("first_cycles");
}

/// Of the answer of a search.
double simulated_first_cycles(const fs::path& folder) {
  const auto map = nlohmann::json::parse(read_text(folder / "map.json"));
  const auto& answer = map.at("candidates").at(map.at("chosen").get<std::size_t>());
  return answer.at("simulated").at("first_cycles");
}

/// Runs the mapping that `map` wrote to `out`, as `run`.
Outcome run_answer(const TempFolder& folder,
                   int columns,
                   int domains,
                   const std::vector<std::string>& more = {}) {
  const std::string experiment = folder / "again.yaml";
  std::ofstream(experiment) << "include: " TESSERA_SOURCE_DIR
                               "/configs/chips/rtm_ap.yaml\n"
                               "network: {zoo: tiny_cnn}\n"
                               "chip: {tile: {pe: {rows: 32, columns: "
                            << columns << ", domains: " << domains
                            << "}}}\n"
                               "mapping: {file: out/mapping.yaml}\n"
                               "execution: {images: 4, sparsity: 0.8}\n";
  std::vector<std::string> words = {"run", experiment, "--out", folder / "run"};
  words.insert(words.end(), more.begin(), more.end());
  return run_program(words);
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
                                         "search.bits.a_min=3",
                                         "--set",
                                         "search.bits.a_max=3",
                                         "--set",
                                         "search.loss=1000"},
                                        1));
  ASSERT_EQ(got.status, 0) << got.err;
  // The answer run again is placed the same, takes the time it was chosen for, and writes the same
  // programs.
  const Outcome again = run_answer(folder, 24, 20, {"--emit-ap", folder / "again"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_text(folder / "run/mapping.yaml"), read_text(folder / "out/mapping.yaml"));
  EXPECT_EQ(first_cycles(folder / "run"), simulated_first_cycles(folder / "out"));
  const std::vector<std::string> names = verified(folder / "programs", 3);
  EXPECT_EQ(names, verified(folder / "again", 3));
  for (const std::string& name : names) {
    EXPECT_EQ(read_text(folder.path() / "programs" / name),
              read_text(folder.path() / "again" / name));
  }
}

/// Sums that end with fewer bits than the network was given take fewer arrays: `run` accepts the
/// mapping all the same, and needs the time that `map` says.
TEST(EmitAp, RunTakesTheMappingThatMapWrote) {
  const TempFolder folder;
  std::vector<std::string> words = {"map", kExperiment, "--out", folder / "out"};
  for (const char* set : {"network.zoo=tiny_cnn",
                          "mapping.default.replicas=1",
                          "mapping.default.a_bits=8",
                          "chip.tile.pe.rows=32",
                          "chip.tile.pe.columns=20",
                          "chip.tile.pe.domains=24",
                          "search.baselines=false",
                          "search.bits.w_min=2",
                          "search.bits.w_max=2",
                          "search.bits.a_min=2",
                          "search.bits.a_max=2",
                          "search.loss=1000000"}) {
    words.insert(words.end(), {"--set", set});
  }
  const Outcome got = run_program(words);
  ASSERT_EQ(got.status, 0) << got.err;
  const Outcome again = run_answer(folder, 20, 24);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(first_cycles(folder / "run"), simulated_first_cycles(folder / "out"));
}

}  // namespace
}  // namespace tessera::e2e
