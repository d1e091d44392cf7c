// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera import`, and experiments on imported networks.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// An experiment on a model of tests/data/onnx, in a folder of the test's own.
std::string experiment(const TempFolder& folder, const std::string& model) {
  std::ofstream out(folder / "net.yaml");
  out << "include: " << TESSERA_SOURCE_DIR << "/configs/chips/small.yaml\n"
      << "network: {onnx: " << TESSERA_SOURCE_DIR << "/tests/data/onnx/" << model << "}\n";
  return folder / "net.yaml";
}

json layers_of(const std::string& folder) {
  return json::parse(read_text(fs::path(folder) / "result.json"))["layers"];
}

TEST(Import, PrintsLayersShapesMacsAndParameters) {
  const Outcome got = run_program({"import", "tests/data/onnx/lenet5.onnx"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("lenet5: 7 layers, 5 of them matrices"));
  EXPECT_THAT(got.out, HasSubstr("61470 weights, 416520 MACs per image; 61706 parameters"));
  const json net =
      json::parse(run_program({"import", "tests/data/onnx/lenet5.onnx", "--json"}).out);
  EXPECT_EQ(net["macs"], 416520);
  EXPECT_EQ(net["layers"][1]["output"], (json{28, 28, 6}));
  EXPECT_EQ(net["layers"][1]["activation"], "relu");
}

TEST(Import, ATransformerIsWhole) {
  const Outcome got = run_program({"import", "tests/data/onnx/tiny_vit.onnx"});
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_THAT(got.out, HasSubstr("class_token"));
  EXPECT_THAT(got.out, HasSubstr("position_embedding"));
  EXPECT_THAT(got.out, testing::Not(HasSubstr("note:")));
}

TEST(Import, WhatIsNoModel) {
  EXPECT_EQ(run_program({"import"}).status, 2);
  EXPECT_EQ(run_program({"import", "no_such.onnx"}).status, 2);
  EXPECT_EQ(run_program({"import", "tests"}).status, 2);
  const Outcome got = run_program({"import", "README.md"});
  EXPECT_EQ(got.status, 2);
  EXPECT_THAT(got.err, HasSubstr("README.md: error[E-ONNX-FILE]"));
  EXPECT_EQ(got.out, "");
}

TEST(Import, ARunTakesItAndResolvedReproducesIt) {
  const TempFolder folder;
  for (const std::string model : {"tiny_resnet.onnx", "qcdq.onnx"}) {
    const Outcome first =
        run_program({"run", experiment(folder, model), "--out", folder / "first"});
    ASSERT_EQ(first.status, 0) << first.err;
    const Outcome again =
        run_program({"run", folder / "first/resolved.yaml", "--out", folder / "again"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(layers_of(folder / "first"), layers_of(folder / "again"));
  }
}

TEST(Import, WidthsOfTheFileHoldWithoutAMapping) {
  const TempFolder folder;
  const std::string path = experiment(folder, "qcdq.onnx");
  const Outcome own = run_program({"run", path, "--out", folder / "own"});
  ASSERT_EQ(own.status, 0) << own.err;
  EXPECT_THAT(own.out, HasSubstr("4/8"));
  const Outcome mapped =
      run_program({"run", path, "--set", "mapping.default.w_bits=6", "--out", folder / "mapped"});
  ASSERT_EQ(mapped.status, 0) << mapped.err;
  EXPECT_THAT(mapped.out, HasSubstr("6/8"));
}

}  // namespace
}  // namespace tessera::e2e
