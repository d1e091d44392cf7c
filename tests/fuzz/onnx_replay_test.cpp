// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/rng.hpp"
#include "tests/fuzz/onnx_case.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace tessera::fuzz {
namespace {

/// Bytes by the file's name (tools/scripts/make_onnx_corpus).
std::map<std::string, std::string> corpus() {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/fuzz/corpus/onnx")) {
    std::ifstream in(entry.path(), std::ios::binary);
    out[entry.path().filename().string()] = {std::istreambuf_iterator<char>(in),
                                             std::istreambuf_iterator<char>()};
  }
  return out;
}

TEST(OnnxReplay, CorpusDoesNotCrash) {
  const std::map<std::string, std::string> files = corpus();
  ASSERT_GE(files.size(), 25U);
  for (const auto& [name, bytes] : files) {
    SCOPED_TRACE(name);
    EXPECT_LE(bytes.size(), 4096U);
    EXPECT_NO_THROW(run_onnx_case(bytes));
  }
  // So that the fuzzer starts behind the first check, and each hostile file is one.
  for (const char* network : {"conv", "dilated_depthwise", "residual", "attention", "qdq"}) {
    EXPECT_TRUE(run_onnx_case(files.at(network))) << network;
  }
  for (const char* hostile : {"conv_truncated",
                              "conv_huge",
                              "cycle",
                              "external",
                              "opset_99",
                              "short_weights",
                              "pads_huge",
                              "not_finite"}) {
    EXPECT_FALSE(run_onnx_case(files.at(hostile))) << hostile;
  }
}

TEST(OnnxReplay, MutationsDoNotCrash) {
  const std::map<std::string, std::string> files = corpus();
  std::vector<std::string> all;
  for (const auto& [name, bytes] : files) {
    if (!bytes.empty()) {
      all.push_back(bytes);
    }
  }
  Rng rng(1, "onnx mutations");
  const auto pick = [&](std::size_t size) {
    return static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(size) - 1));
  };
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = all[pick(all.size())];
    const std::int64_t edits = rng.uniform(1, 6);
    for (std::int64_t edit = 0; edit < edits && !bytes.empty(); ++edit) {
      const std::size_t at = pick(bytes.size());
      switch (rng.uniform(0, 3)) {
        case 0:
          bytes[at] = static_cast<char>(rng.uniform(0, 255));
          break;
        case 1:
          bytes.erase(at, pick(8) + 1);
          break;
        case 2:
          bytes.insert(at, all[pick(all.size())].substr(0, 16));
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.uniform(0, 7)));
          break;
      }
    }
    ASSERT_NO_THROW(run_onnx_case(bytes)) << "round " << round;
  }
}

}  // namespace
}  // namespace tessera::fuzz
