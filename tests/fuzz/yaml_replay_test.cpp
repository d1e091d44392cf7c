// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/rng.hpp"
#include "tests/fuzz/yaml_case.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#ifndef TESSERA_SOURCE_DIR
#define TESSERA_SOURCE_DIR "."
#endif

namespace tessera::fuzz {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> out;
  const std::filesystem::path folder =
      std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/fuzz/corpus/yaml";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return out;
}

TEST(YamlReplay, CorpusDoesNotCrash) {
  const std::vector<std::string> texts = corpus();
  ASSERT_GE(texts.size(), 15U);
  for (const std::string& text : texts) {
    SCOPED_TRACE(text.substr(0, 200));
    EXPECT_LE(text.size(), 4096U);
    EXPECT_NO_THROW(run_yaml_case(text));
  }
}

TEST(YamlReplay, MutationsDoNotCrash) {
  const std::vector<std::string> texts = corpus();
  Rng rng(1, "yaml mutations");
  const auto pick = [&](std::size_t size) {
    return static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(size) - 1));
  };
  static const std::string kSpecial = "[]{}:,-?&*!|>'\"%@`#\n \t~0.e<=\x80\xff";
  for (int round = 0; round < 2000; ++round) {
    std::string text = texts[pick(texts.size())].substr(0, 600);
    const std::int64_t edits = rng.uniform(1, 8);
    for (std::int64_t edit = 0; edit < edits && !text.empty(); ++edit) {
      const std::size_t at = pick(text.size());
      switch (rng.uniform(0, 3)) {
        case 0:
          text[at] = kSpecial[pick(kSpecial.size())];
          break;
        case 1:
          text.insert(at, 1, kSpecial[pick(kSpecial.size())]);
          break;
        case 2:
          text.erase(at, pick(10) + 1);
          break;
        default:
          text.insert(at, texts[pick(texts.size())].substr(0, 40));
          break;
      }
    }
    ASSERT_NO_THROW(run_yaml_case(text)) << "round " << round << ":\n" << text;
  }
}

TEST(YamlReplay, RandomBytesDoNotCrash) {
  Rng rng(1, "yaml bytes");
  for (int round = 0; round < 5000; ++round) {
    std::string text(static_cast<std::size_t>(rng.uniform(0, 60)), ' ');
    // Mostly printable, so that more than the character check is reached.
    const std::int64_t highest = rng.chance(0.1) ? 255 : 126;
    const std::int64_t lowest = highest == 255 ? 0 : 32;
    for (char& c : text) {
      c = rng.chance(0.1) ? '\n' : static_cast<char>(rng.uniform(lowest, highest));
    }
    ASSERT_NO_THROW(run_yaml_case(text)) << "round " << round << ":\n" << text;
  }
}

}  // namespace
}  // namespace tessera::fuzz
