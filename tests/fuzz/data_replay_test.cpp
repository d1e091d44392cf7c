// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/rng.hpp"
#include "tests/fuzz/data_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace tessera::fuzz {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/fuzz/corpus/data")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> out;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

TEST(DataReplay, CorpusDoesNotCrash) {
  const std::vector<std::string> files = corpus();
  ASSERT_GE(files.size(), 25U);
  for (const std::string& bytes : files) {
    EXPECT_LE(bytes.size(), 4096U);
    EXPECT_NO_THROW(run_data_case(bytes));
  }
}

TEST(DataReplay, CutsDoNotCrash) {
  for (const std::string& bytes : corpus()) {
    for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 600); ++size) {
      ASSERT_NO_THROW(run_data_case(std::string_view(bytes).substr(0, size)));
    }
  }
}

TEST(DataReplay, MutationsDoNotCrash) {
  const std::vector<std::string> files = corpus();
  Rng rng(1, "data mutations");
  const auto pick = [&](std::size_t size) {
    return static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(size) - 1));
  };
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = files[pick(files.size())].substr(0, 600);
    for (std::int64_t edit = rng.uniform(1, 6); edit > 0 && !bytes.empty(); --edit) {
      const std::size_t at = pick(bytes.size());
      switch (rng.uniform(0, 3)) {
        case 0:
          bytes[at] = static_cast<char>(rng.uniform(0, 255));
          break;
        case 1:
          bytes[at] = rng.chance(0.5) ? '\xff' : '\0';
          break;
        case 2:
          bytes.erase(at, pick(10) + 1);
          break;
        default:
          bytes.insert(at, files[pick(files.size())].substr(0, 40));
          break;
      }
    }
    ASSERT_NO_THROW(run_data_case(bytes)) << "round " << round;
  }
}

}  // namespace
}  // namespace tessera::fuzz
