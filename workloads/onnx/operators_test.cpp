// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Each operator against values worked out by hand from its definition.
#include "workloads/onnx/operators.hpp"

#include "tests/support/onnx_graph.hpp"
#include "workloads/onnx/reference.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::onnx {
namespace {

using test::GraphMaker;
using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

/// Output of a graph for one input; fused as well, which must not change it.
Tensor run(GraphMaker& maker, const Floats& x) {
  Diagnostics diagnostics;
  Graph graph = maker.finish(diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  if (!diagnostics.ok()) {
    return {};
  }
  const Tensor input = float_tensor(graph.value(graph.inputs[0]).dims, x);
  Tensor y = Reference(graph).run({input})[0];
  EXPECT_EQ(y.dims, graph.value(graph.outputs[0]).dims);
  fuse(graph);
  const Tensor fused = Reference(graph).run({input})[0];
  EXPECT_EQ(fused.dims, y.dims);
  for (std::size_t i = 0; i < y.floats.size(); ++i) {
    EXPECT_NEAR(fused.floats[i], y.floats[i], 1e-5F) << "fused, " << i;
  }
  return y;
}

void expect(const Tensor& y, const Dims& dims, const Floats& values, float error = 1e-5F) {
  EXPECT_EQ(y.dims, dims);
  ASSERT_EQ(y.floats.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(y.floats[i], values[i], error) << i;
  }
}

Tensor unary(const std::string& op,
             const Floats& x,
             std::map<std::string, Attribute> attributes = {}) {
  GraphMaker g({1, static_cast<std::int64_t>(x.size())});
  g.node(op, {g.x()}, std::move(attributes));
  return run(g, x);
}

TEST(Operators, OneElementAtATime) {
  const Floats x = {-4, -1, 0, 1, 4};
  expect(unary("Relu", x), {1, 5}, {0, 0, 0, 1, 4});
  expect(unary("LeakyRelu", x, {{"alpha", 0.5F}}), {1, 5}, {-2, -0.5, 0, 1, 4});
  expect(unary("Clip", x, {{"min", -1.0F}, {"max", 2.0F}}), {1, 5}, {-1, -1, 0, 1, 2});
  expect(unary("Sigmoid", x), {1, 5}, {0.0179862F, 0.2689414F, 0.5F, 0.7310586F, 0.9820138F});
  expect(unary("Tanh", x), {1, 5}, {-0.9993293F, -0.7615942F, 0, 0.7615942F, 0.9993293F});
  expect(unary("Erf", x), {1, 5}, {-1, -0.8427008F, 0, 0.8427008F, 1});
  expect(unary("HardSigmoid", x, {{"alpha", 0.25F}}), {1, 5}, {0, 0.25, 0.5, 0.75, 1});
  expect(unary("HardSwish", x), {1, 5}, {0, -1.0F / 3, 0, 2.0F / 3, 4});
  expect(unary("Elu", {-1, 1}), {1, 2}, {-0.6321206F, 1});
  expect(unary("Dropout", x), {1, 5}, x);
  expect(unary("Identity", x), {1, 5}, x);
}

TEST(Operators, GeluIsFoundInItsParts) {
  for (const bool half_first : {false, true}) {
    GraphMaker g({1, 3});
    const ValueId root = g.floats({}, {1.41421356F});
    const ValueId half = g.floats({}, {0.5F});
    const ValueId erf = g.node("Erf", {g.node("Div", {g.x(), root})});
    const ValueId sum = g.node("Add", {erf, g.floats({}, {1})});
    if (half_first) {
      g.node("Mul", {g.node("Mul", {g.x(), half}), sum});
    } else {
      g.node("Mul", {g.node("Mul", {g.x(), sum}), half});
    }
    Diagnostics diagnostics;
    Graph graph = g.finish(diagnostics);
    const Tensor x = float_tensor({1, 3}, {-1, 0, 2});
    expect(Reference(graph).run({x})[0], {1, 3}, {-0.1586553F, 0, 1.9544997F});
    fuse(graph);
    ASSERT_EQ(graph.nodes.size(), 1U);
    EXPECT_EQ(graph.nodes[0].op, "Gelu");
    expect(Reference(graph).run({x})[0], {1, 3}, {-0.1586553F, 0, 1.9544997F});
  }
}

TEST(Operators, LayerNormIsFoundInItsParts) {
  GraphMaker g({1, 2, 2});
  const auto mean = [&](ValueId id) { return g.node("ReduceMean", {id}, {{"axes", Ints{-1}}}); };
  const ValueId centered = g.node("Sub", {g.x(), mean(g.x())});
  const ValueId variance = mean(g.node("Pow", {centered, g.floats({}, {2})}));
  const ValueId root = g.node("Sqrt", {g.node("Add", {variance, g.floats({}, {0})})});
  const ValueId scaled = g.node("Mul", {g.node("Div", {centered, root}), g.floats({2}, {2, 3})});
  g.node("Add", {scaled, g.floats({2}, {10, 20})});
  Diagnostics diagnostics;
  Graph graph = g.finish(diagnostics);
  fuse(graph);
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].op, "LayerNormalization");
  const Tensor x = float_tensor({1, 2, 2}, {1, 3, 7, 5});
  expect(Reference(graph).run({x})[0], {1, 2, 2}, {8, 23, 12, 17});
}

TEST(Operators, ConvolutionWithGroupsStrideDilationAndPadding) {
  GraphMaker g({1, 2, 3, 3});
  // Each group: its channel at the centre plus 10 times the tap one right and one down, dilated
  // by 2.
  const ValueId w = g.floats({2, 1, 2, 2}, {1, 0, 0, 10, 2, 0, 0, 0});
  g.node("Conv",
         {g.x(), w, g.floats({2}, {0.5F, 0})},
         {{"group", std::int64_t{2}},
          {"dilations", Ints{2, 2}},
          {"pads", Ints{0, 0, 1, 1}},
          {"strides", Ints{1, 1}}});
  expect(run(g, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1}),
         {1, 2, 2, 2},
         {91.5F, 2.5F, 4.5F, 5.5F, 2, 2, 2, 2});
}

TEST(Operators, AutoPadAndCeilMode) {
  const auto dims = [](const std::map<std::string, Attribute>& attributes) {
    GraphMaker g({1, 1, 1, 6});
    g.node("MaxPool", {g.x()}, attributes);
    return run(g, {5, 1, 2, 3, 4, 6});
  };
  const Attribute kernel = Ints{1, 3};
  const Attribute strides = Ints{1, 2};
  expect(dims({{"kernel_shape", kernel}, {"strides", strides}}), {1, 1, 1, 2}, {5, 4});
  expect(dims({{"kernel_shape", kernel}, {"strides", strides}, {"ceil_mode", std::int64_t{1}}}),
         {1, 1, 1, 3},
         {5, 4, 6});
  expect(dims({{"kernel_shape", kernel},
               {"strides", strides},
               {"auto_pad", std::string("SAME_UPPER")}}),
         {1, 1, 1, 3},
         {5, 4, 6});
  expect(dims({{"kernel_shape", kernel},
               {"strides", strides},
               {"auto_pad", std::string("SAME_LOWER")}}),
         {1, 1, 1, 3},
         {5, 3, 6});
}

TEST(Operators, AveragesWithAndWithoutPadding) {
  for (const std::int64_t counts : {0, 1}) {
    GraphMaker g({1, 1, 1, 2});
    g.node(
        "AveragePool",
        {g.x()},
        {{"kernel_shape", Ints{1, 2}}, {"pads", Ints{0, 1, 0, 0}}, {"count_include_pad", counts}});
    expect(run(g, {4, 8}), {1, 1, 1, 2}, {counts == 1 ? 2.0F : 4.0F, 6});
  }
  GraphMaker g({1, 2, 1, 2});
  g.node("GlobalAveragePool", {g.x()});
  expect(run(g, {1, 3, 10, 20}), {1, 2, 1, 1}, {2, 15});
}

TEST(Operators, Matrices) {
  GraphMaker g({1, 2});
  const ValueId w = g.floats({3, 2}, {1, 2, 3, 4, 5, 6});
  g.node("Gemm",
         {g.x(), w, g.floats({3}, {1, 0, -1})},
         {{"transB", std::int64_t{1}}, {"alpha", 2.0F}, {"beta", 3.0F}});
  expect(run(g, {1, 10}), {1, 3}, {45, 86, 127});

  GraphMaker m({1, 2, 2});
  const ValueId y = m.node("MatMul", {m.x(), m.floats({2, 2}, {1, 2, 3, 4})});
  m.node("Add", {m.floats({2}, {100, 200}), y});
  expect(run(m, {1, 0, 0, 1}), {1, 2, 2}, {101, 202, 103, 204});

  GraphMaker b({2, 1, 2});
  b.node("MatMul", {b.x(), b.node("Transpose", {b.x()}, {{"perm", Ints{0, 2, 1}}})});
  expect(run(b, {1, 2, 3, 4}), {2, 1, 1}, {5, 25});
}

TEST(Operators, BatchNormFoldsIntoConvolution) {
  GraphMaker g({1, 1, 1, 2});
  const ValueId y = g.node("Conv", {g.x(), g.floats({2, 1, 1, 1}, {1, 2})});
  g.node("BatchNormalization",
         {y,
          g.floats({2}, {2, 1}),
          g.floats({2}, {5, 6}),
          g.floats({2}, {1, 0}),
          g.floats({2}, {4, 1})},
         {{"epsilon", 0.0F}});
  expect(run(g, {3, 5}), {1, 2, 1, 2}, {7, 9, 12, 16});
}

TEST(Operators, ShapesFollowFromConstants) {
  GraphMaker g({1, 2, 2, 2});
  const ValueId shape = g.node("Shape", {g.x()});
  const ValueId first = g.node("Slice", {shape, g.ints({0}), g.ints({1}), g.ints({0})});
  const ValueId target = g.node("Concat", {first, g.ints({-1})}, {{"axis", std::int64_t{0}}});
  const ValueId flat = g.node("Reshape", {g.x(), target});
  g.node("Slice", {flat, g.ints({7}), g.ints({-100}), g.ints({1}), g.ints({-3})});
  expect(run(g, {0, 1, 2, 3, 4, 5, 6, 7}), {1, 3}, {7, 4, 1});
}

TEST(Operators, MovesElements) {
  GraphMaker g({1, 2, 3});
  const ValueId t = g.node("Transpose", {g.x()}, {{"perm", Ints{2, 0, 1}}});
  const ValueId s = g.node("Squeeze", {t, g.ints({1})});
  const ValueId c = g.node("Concat", {s, s}, {{"axis", std::int64_t{1}}});
  g.node("Gather", {c, g.ints({2, -3})}, {{"axis", std::int64_t{0}}});
  expect(run(g, {1, 2, 3, 4, 5, 6}), {2, 4}, {3, 6, 3, 6, 1, 4, 1, 4});

  GraphMaker p({1, 2});
  p.node("Pad", {p.x(), p.ints({0, 1, 0, -1}), p.floats({}, {9})});
  expect(run(p, {1, 2}), {1, 2}, {9, 1});

  GraphMaker e({2, 1});
  e.node("Expand", {e.x(), e.ints({1, 3})});
  expect(run(e, {1, 2}), {2, 3}, {1, 1, 1, 2, 2, 2});
}

TEST(Operators, SoftmaxChangedItsMeaningInOpset13) {
  const Floats x = {0, 0, 0, 0};
  GraphMaker before({1, 2, 2}, 11);
  before.node("Softmax", {before.x()});
  expect(run(before, x), {1, 2, 2}, {0.25F, 0.25F, 0.25F, 0.25F});
  GraphMaker since({1, 2, 2}, 13);
  since.node("Softmax", {since.x()});
  expect(run(since, x), {1, 2, 2}, {0.5F, 0.5F, 0.5F, 0.5F});
  GraphMaker inner({1, 2, 1});
  inner.node("Softmax", {inner.x()}, {{"axis", std::int64_t{1}}});
  expect(run(inner, {0, 1.0986123F}), {1, 2, 1}, {0.25F, 0.75F});
}

TEST(Operators, QuantizeClipDequantize) {
  const ElementType int8{true, 8, true};
  GraphMaker g({1, 4});
  const ValueId scale = g.floats({}, {0.5F});
  const ValueId zero = g.int_scalar(1, int8);
  const ValueId q = g.node("QuantizeLinear", {g.x(), scale, zero});
  const ValueId c = g.node("Clip", {q, g.int_scalar(-8, int8), g.int_scalar(7, int8)});
  g.node("DequantizeLinear", {c, scale, zero});
  // Ties to even: 0.25 / 0.5 = 0.5 -> 0; 0.75 / 0.5 = 1.5 -> 2.
  expect(run(g, {0.25F, 0.75F, -100, 100}), {1, 4}, {0, 1, -4.5F, 3});
}

TEST(Operators, SaysWhatDoesNotFit) {
  const auto fails = [](GraphMaker g) {
    Diagnostics diagnostics;
    g.finish(diagnostics);
    return diagnostics.errors().size() == 1 && diagnostics.errors()[0].code == "E-ONNX-SHAPE";
  };
  const auto graph = [](const std::string& op, const Ints& ints) {
    GraphMaker g({1, 2, 3});
    g.node(op, {g.x(), g.ints(ints)});
    return g;
  };
  EXPECT_TRUE(fails(graph("Reshape", {4, 2})));
  EXPECT_TRUE(fails(graph("Reshape", {0, 0, 0, 0})));
  EXPECT_TRUE(fails(graph("Reshape", {-1, -1})));
  EXPECT_TRUE(fails(graph("Expand", {1 << 20, 1 << 20, 1})));
  EXPECT_TRUE(fails(graph("Squeeze", {7})));
  EXPECT_TRUE(fails(graph("Unsqueeze", {0, 0})));
  EXPECT_TRUE(fails(graph("Add", {1})));
  EXPECT_TRUE(fails(graph("MatMul", {1})));
  EXPECT_TRUE(fails(graph("Pad", {1, 2})));
}

}  // namespace
}  // namespace tessera::onnx
