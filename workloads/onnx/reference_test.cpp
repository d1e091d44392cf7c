// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The float reference against PyTorch's outputs (tests/data/onnx), before and after fusing.
#include "workloads/onnx/reference.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/support/npy.hpp"
#include "workloads/onnx/read.hpp"
#include "workloads/onnx/simplify.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera::onnx {
namespace {

std::string data(const std::string& file) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/" + file;
}

class Exported : public testing::TestWithParam<std::string> {};

void expect_pytorch(const Graph& graph, const std::string& name) {
  const std::vector<float> inputs = test::read_npy(data(name + ".input.npy"));
  const std::vector<float> outputs = test::read_npy(data(name + ".output.npy"));
  const Dims& shape = graph.value(graph.inputs[0]).dims;
  const auto in = static_cast<std::size_t>(elements_of(shape));
  ASSERT_EQ(inputs.size(), 4 * in);
  const std::size_t out = outputs.size() / 4;
  Reference reference(graph);
  for (std::size_t sample = 0; sample < 4; ++sample) {
    const auto first = inputs.begin() + static_cast<std::ptrdiff_t>(sample * in);
    const Tensor y =
        reference.run({float_tensor(shape, {first, first + static_cast<std::ptrdiff_t>(in)})})[0];
    ASSERT_EQ(y.floats.size(), out);
    for (std::size_t i = 0; i < out; ++i) {
      EXPECT_NEAR(y.floats[i], outputs[sample * out + i], 1e-4) << "sample " << sample << ", " << i;
    }
  }
}

TEST_P(Exported, EqualsPyTorchAsItStandsInTheFile) {
  Diagnostics diagnostics;
  Reporter reporter(GetParam(), {}, diagnostics);
  std::optional<Graph> graph = read_graph(data(GetParam() + ".onnx"), reporter);
  ASSERT_TRUE(graph) << diagnostics.render();
  infer_shapes(*graph, reporter);
  prune(*graph);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  expect_pytorch(*graph, GetParam());
}

TEST_P(Exported, EqualsPyTorchAfterFusing) {
  Diagnostics diagnostics;
  const std::optional<Graph> graph = load_graph(data(GetParam() + ".onnx"), {}, diagnostics);
  ASSERT_TRUE(graph) << diagnostics.render();
  expect_pytorch(*graph, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Models, Exported, testing::Values("lenet5", "tiny_resnet", "tiny_vit"));

std::size_t count(const Graph& graph, const std::string& op) {
  return static_cast<std::size_t>(std::count_if(
      graph.nodes.begin(), graph.nodes.end(), [&](const Node& n) { return n.op == op; }));
}

TEST(Fusing, FindsTheParts) {
  Diagnostics diagnostics;
  const std::optional<Graph> vit = load_graph(data("tiny_vit.onnx"), {}, diagnostics);
  ASSERT_TRUE(vit) << diagnostics.render();
  EXPECT_EQ(count(*vit, "LayerNormalization"), 5U);
  EXPECT_EQ(count(*vit, "Gelu"), 2U);
  EXPECT_EQ(count(*vit, "Linear"), 9U);  // q/k/v, projection, two of the MLP, twice; the head
  EXPECT_EQ(count(*vit, "MatMul"), 4U);
  for (const char* gone :
       {"Identity", "Constant", "Shape", "Erf", "ReduceMean", "Gemm", "Expand"}) {
    EXPECT_EQ(count(*vit, gone), 0U) << gone;
  }
}

}  // namespace
}  // namespace tessera::onnx
