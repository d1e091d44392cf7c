// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Functional runs on given weights: those of ONNX files and of network.parameters.
#include "workloads/parameters.hpp"

#include "sim/base/rng.hpp"
#include "tests/e2e/program.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kNote = "calibrated on synthetic ones";

std::string experiment(const TempFolder& folder, const std::string& network) {
  std::ofstream out(folder / "net.yaml");
  out << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/isaac.yaml\n"
      << "network: " << network << "\n"
      << "execution: {functional: ideal}\n"
      << "quantization: {weights: max, activations: max}\n";
  return folder / "net.yaml";
}

std::string onnx_model(const std::string& name) {
  return std::string("{onnx: ") + TESSERA_SOURCE_DIR + "/tests/data/onnx/" + name + ".onnx}";
}

/// result.json without what the machine's clock says.
json result(const std::string& folder) {
  json all = json::parse(read_text(fs::path(folder) / "result.json"));
  all.erase("simulation");
  return all;
}

class GivenWeights : public testing::TestWithParam<std::string> {};

/// The resolved experiment brings the weights with it and gives the same output; without the
/// weights the cycles are the same.
TEST_P(GivenWeights, AreUsedAndReproduced) {
  const TempFolder folder;
  const std::string path = experiment(folder, onnx_model(GetParam()));
  const Outcome first = run_program({"run", path, "--out", folder / "first"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr(kNote));
  const Outcome again =
      run_program({"run", folder / "first/resolved.yaml", "--out", folder / "again"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(result(folder / "first") == result(folder / "again"));
  EXPECT_TRUE(read_text(folder / "first/model.npz") == read_text(folder / "again/model.npz"));

  const Outcome timing =
      run_program({"run", path, "--set", "execution.functional=off", "--out", folder / "timing"});
  ASSERT_EQ(timing.status, 0) << timing.err;
  EXPECT_THAT(timing.err, testing::Not(HasSubstr(kNote)));
  EXPECT_FALSE(fs::exists(folder / "timing/model.npz"));
  EXPECT_TRUE(result(folder / "first")["layers"] == result(folder / "timing")["layers"]);
}

INSTANTIATE_TEST_SUITE_P(Models, GivenWeights, testing::Values("lenet5", "tiny_vit"));

/// Other weights, other outputs; a network that is built in can have them too.
TEST(Parameters, DecideTheOutput) {
  const TempFolder folder;
  const std::string mine = "{name: one, parameters: " + std::string(TESSERA_SOURCE_DIR) +
                           "/configs/bad/parts/param_head.npz, input: {height: 1, width: 1, "
                           "channels: 4}, layers: [{name: head, kind: fc, channels: 2}]}";
  const Outcome given = run_program({"run", experiment(folder, mine), "--out", folder / "given"});
  ASSERT_EQ(given.status, 0) << given.err;
  const Outcome synthetic = run_program(
      {"run",
       experiment(folder,
                  "{name: one, input: {height: 1, width: 1, channels: 4}, layers: [{name: head, "
                  "kind: fc, channels: 2}]}"),
       "--out",
       folder / "synthetic"});
  ASSERT_EQ(synthetic.status, 0) << synthetic.err;
  EXPECT_EQ(synthetic.err, "");
  // By hand: the largest pixel of four images is the largest integer, so is the largest weight.
  const std::vector<std::vector<std::int64_t>> w = {{64, -32, 16, 127}, {-127, 95, 64, 32}};
  Network input;
  input.layers.resize(1);
  input.layers[0].out = {1, 1, 4};
  std::int32_t largest = 0;
  for (std::int64_t image = 0; image < 4; ++image) {
    const std::vector<std::int32_t> pixels = synthetic_input(input, 1, image);
    largest = std::max(largest, *std::max_element(pixels.begin(), pixels.end()));
  }
  std::vector<std::int32_t> x = synthetic_input(input, 1, 0);
  for (std::int32_t& pixel : x) {
    pixel = static_cast<std::int32_t>(std::lround(pixel * 255.0 / largest));
  }
  const double step = largest / 255.0 / 255 / 127;
  std::uint64_t digest = fnv1a("outputs");  // as RunStats::output_digest
  for (std::size_t c = 0; c < 2; ++c) {
    std::int64_t sum = std::llround((c == 0 ? 0.1F : -0.1F) / step);
    for (std::size_t r = 0; r < 4; ++r) {
      sum += w[c][r] * x[r];
    }
    for (int byte = 0; byte < 4; ++byte) {
      const char one = static_cast<char>((static_cast<std::uint64_t>(sum) >> (8 * byte)) & 0xFFU);
      digest = fnv1a(std::string_view(&one, 1), digest);
    }
  }
  EXPECT_EQ(result(folder / "given")["output_digest"], fmt::format("{:016x}", digest));
}

/// Images of a data set are normalized and quantized; the sign follows from them.
TEST(Parameters, ImagesOfADataSet) {
  const TempFolder folder;
  std::ofstream(folder / "images.csv") << "1,0.5,0.25,0,0\n0,1,1,0.5,1\n0.5,0,1,0.25,0\n";
  const std::string path = folder / "net.yaml";
  const auto write = [&](const std::string& data) {
    std::ofstream(path) << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/isaac.yaml\n"
                        << "network:\n  name: one\n  parameters: " << TESSERA_SOURCE_DIR
                        << "/configs/bad/parts/param_head.npz\n"
                        << "  input: {height: 1, width: 1, channels: 4}\n"
                        << "  layers: [{name: head, kind: fc, channels: 2}]\n"
                        << "execution: {functional: ideal, images: 2}\n"
                        << "data: {test: {file: images.csv}, train: {file: images.csv}" << data
                        << "}\n";
  };
  write("");
  const Outcome plain = run_program({"run", path, "--out", folder / "plain"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(plain.err, "");
  write(", mean: [0.5], std: [0.5]");
  const Outcome moved = run_program({"run", path, "--out", folder / "moved"});
  ASSERT_EQ(moved.status, 0) << moved.err;
  EXPECT_NE(result(folder / "plain")["output_digest"], result(folder / "moved")["output_digest"]);
  const Outcome again =
      run_program({"run", folder / "moved/resolved.yaml", "--out", folder / "again"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_TRUE(result(folder / "moved") == result(folder / "again"));
}

}  // namespace
}  // namespace tessera::e2e
