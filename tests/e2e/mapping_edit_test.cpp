// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A mapping.yaml edited by hand: whatever was done to it, either it still is a mapping and the run
/// is right, or the error points into the file and nothing is written. Replay with TESSERA_SEED.
#include "sim/base/rng.hpp"
#include "tests/e2e/program.hpp"
#include "tests/support/cases.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using testing::HasSubstr;

constexpr const char* kExperiment = "configs/experiments/map_lenet5.yaml";

Outcome run_with(const TempFolder& folder, const std::string& mapping) {
  std::ofstream(folder / "edited.yaml", std::ios::binary) << mapping;
  return run_program({"run",
                      kExperiment,
                      "--set",
                      "mapping.file=" + (folder / "edited.yaml"),
                      "--images",
                      "1",
                      "--out",
                      folder / "out"});
}

std::string searched_mapping() {
  const TempFolder folder;
  const Outcome got =
      run_program({"map", kExperiment, "--set", "search.baselines=false", "--out", folder / "map"});
  EXPECT_EQ(got.status, 0) << got.err;
  return read_text(folder / "map/mapping.yaml");
}

/// The usual slips, and what each is called.
TEST(MappingEdits, SlipsHaveNames) {
  const std::string good = searched_mapping();
  const std::string fc1 =
      good.substr(good.find("  fc1:"), good.find("  fc2:") - good.find("  fc1:"));

  struct Edit {
    std::string from, to, code;
  };

  const std::vector<Edit> edits = {
      {"schema: 1", "schema: 2", "E-MAP-SCHEMA"},
      {"schema: 1\n", "", "E-CFG-MISSING-KEY"},
      {"network: lenet5", "network: lenet", "E-MAP-NETWORK"},
      {"chip: small", "chip: isaac", "E-MAP-CHIP"},
      {"  conv2:", "  conv3:", "E-MAP-UNKNOWN-LAYER"},
      {"  conv2:", "  conv1:", "E-CFG-DUPLICATE-KEY"},
      {"w_bits: ", "wbits: ", "E-CFG-UNKNOWN-KEY"},
      {"w_bits: ", "w_bits: 1", "E-MAP-BITS"},
      {"w_bits: ", "w_bits: -", "E-MAP-BITS"},
      {"a_bits: ", "a_bits: many # ", "E-CFG-TYPE"},
      {"replicas: ", "replicas: 9999", "E-MAP-REPLICAS"},
      {"replicas: ", "replicas: 1 #", "E-MAP-PLACEMENT"},
      {"first_pe: 1,", "first_pe: 0,", "E-MAP-OVERLAP"},
      {"first_pe: 0, pes: 1", "first_pe: 0, pes: 10", "E-MAP-FRAGMENTS"},
      {"tile: 0,", "tile: 9,", "E-MAP-TILE"},
      {"tile: 0,", "tile: -1,", "E-CFG-RANGE"},
      {"first_pe: 1,", "first_pe: 10,", "E-MAP-PE"},
      {fc1, "", "E-MAP-MISSING-LAYER"},
      {"layers:", "layers: [", "E-CFG-SYNTAX"},
      {good, "", "E-CFG"},
      {good, "\x01\x02", "E-CFG"},
  };
  for (const Edit& edit : edits) {
    const TempFolder folder;
    std::string text = good;
    const std::size_t at = text.find(edit.from);
    ASSERT_NE(at, std::string::npos) << edit.from;
    text.replace(at, edit.from.size(), edit.to);
    const Outcome got = run_with(folder, text);
    EXPECT_EQ(got.status, 2) << edit.to;
    EXPECT_THAT(got.err, HasSubstr("error[" + edit.code)) << edit.to;
    EXPECT_THAT(got.err, HasSubstr("edited.yaml")) << edit.to;
    EXPECT_FALSE(fs::exists(folder / "out")) << edit.to;
  }
}

/// Lines lost, doubled and swapped, digits and characters replaced, the rest cut off.
std::string edit(const std::string& text, Rng& rng) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  const auto any = [&](std::size_t size) {
    return static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(size) - 1));
  };
  const std::size_t at = any(lines.size());
  switch (rng.uniform(0, 5)) {
    case 0:
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), lines[at]);
      break;
    case 2:
      std::swap(lines[at], lines[any(lines.size())]);
      break;
    case 3:
      lines.resize(at);
      break;
    default: {
      std::string& line = lines[at];
      const std::size_t digit = line.find_last_of("0123456789");
      const std::size_t where =
          digit != std::string::npos && rng.chance(0.7) ? digit : any(line.size());
      const std::string other = "0123456789-{}[]:#\t 'x";
      line[where] =
          rng.chance(0.7) ? static_cast<char>('0' + rng.uniform(0, 9)) : other[any(other.size())];
    }
  }
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

TEST(MappingEdits, AnyEditIsAMappingOrAnError) {
  const std::string good = searched_mapping();
  Rng rng(test::test_seed(), "mapping edits");
  int right = 0;
  int wrong = 0;
  for (int round = 0; round < 80; ++round) {
    std::string text = edit(good, rng);
    if (rng.chance(0.3)) {
      text = edit(text, rng);
    }
    SCOPED_TRACE(text);
    const TempFolder folder;
    const Outcome got = run_with(folder, text);
    if (got.status == 0) {
      ++right;
      EXPECT_EQ(got.err, "");
      const nlohmann::json result = nlohmann::json::parse(read_text(folder / "out/result.json"));
      for (const nlohmann::json& check : result["checks"]) {
        EXPECT_TRUE(check["ok"].get<bool>()) << check;
      }
      continue;
    }
    ++wrong;
    EXPECT_TRUE(got.status == 2 || got.status == 4) << got.status << got.err;
    EXPECT_THAT(got.err, HasSubstr("error[E-"));
    EXPECT_FALSE(fs::exists(folder / "out"));
  }
  EXPECT_GE(right, 3);
  EXPECT_GE(wrong, 30);
}

}  // namespace
}  // namespace tessera::e2e
