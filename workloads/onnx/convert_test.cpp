// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Imported networks compute what the file says: with small integers as weights and images, the
/// golden integer executor without scales equals the float reference exactly.
#include "workloads/onnx/convert.hpp"

#include "sim/base/rng.hpp"
#include "tests/support/npy.hpp"
#include "tests/support/onnx_graph.hpp"
#include "workloads/golden.hpp"
#include "workloads/onnx/reference.hpp"
#include "workloads/quantization/integer_model.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace tessera::onnx {
namespace {

using test::GraphMaker;
using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

Floats small_integers(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed, "onnx");
  Floats out(static_cast<std::size_t>(count));
  for (float& v : out) {
    v = static_cast<float>(rng.uniform(-3, 3));
  }
  return out;
}

/// Wide integers without scales; averages over powers of two are exact when their sums are
/// multiples.
void make_exact(Network& network) {
  for (Layer& layer : network.layers) {
    layer.out_bits = layer.w_bits = layer.a_bits = 30;
    layer.out_signed = layer.in_signed = true;
    layer.multiplier = 1;
    layer.shift = 0;
  }
}

std::vector<float> golden(const Imported& net, const Tensor& x) {
  Network network = net.network;
  make_exact(network);
  const Shape& in = network.layers[0].out;
  std::vector<std::int32_t> image(x.floats.size());
  const bool is_image = x.dims.size() == 4;
  for (std::int64_t p = 0; p < in.positions(); ++p) {
    for (std::int64_t c = 0; c < in.channels; ++c) {
      const std::int64_t from = is_image ? c * in.positions() + p : p * in.channels + c;
      image[static_cast<std::size_t>(p * in.channels + c)] =
          static_cast<std::int32_t>(x.floats[static_cast<std::size_t>(from)]);
    }
  }
  Golden executor(network, [&](LayerId id) {
    const FloatParameters& from = net.parameters[static_cast<std::size_t>(id)];
    const MatrixShape m = matrix_shape(network, id);
    LayerParameters p;
    for (const float w : from.weights) {
      p.weights.push_back(static_cast<std::int32_t>(std::lround(w)));
    }
    p.bias.assign(static_cast<std::size_t>(m.groups * m.cols), 0);
    for (std::size_t i = 0; i < from.bias.size(); ++i) {
      p.bias[i] = std::lround(from.bias[i]);
    }
    p.multiplier.assign(p.bias.size(), 1);
    for (const float e : from.embedding) {
      p.embedding.push_back(std::lround(e));
    }
    return p;
  });
  const std::vector<std::int32_t> y = executor.run(image);
  return {y.begin(), y.end()};
}

/// Converts, runs both, compares; the output has one position or tokens.
void expect_same(GraphMaker& maker) {
  Diagnostics diagnostics;
  Graph graph = maker.finish(diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  const Graph as_written = graph;
  fuse(graph);
  Reporter reporter("test.onnx", {}, diagnostics);
  const std::optional<Imported> net = convert(graph, reporter);
  ASSERT_TRUE(net) << diagnostics.render();
  EXPECT_EQ(net->bits.size(), matrix_layers(net->network).size());
  const Dims dims = graph.value(graph.inputs[0]).dims;
  const Tensor x = float_tensor(dims, small_integers(elements_of(dims), 7));
  EXPECT_EQ(golden(*net, x), Reference(as_written).run({x})[0].floats);
}

TEST(Convert, ConvolutionsPoolsAndAFlattenedMatrix) {
  GraphMaker g({1, 4, 7, 6});
  const ValueId grouped = g.node(
      "Conv",
      {g.x(), g.floats({6, 2, 3, 2}, small_integers(72, 1)), g.floats({6}, small_integers(6, 2))},
      {{"group", std::int64_t{2}}, {"pads", Ints{1, 0, 0, 1}}, {"dilations", Ints{1, 2}}});
  const ValueId pooled = g.node(
      "MaxPool",
      {g.node("Relu", {grouped})},
      {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", std::int64_t{1}}});
  const ValueId flat = g.node("Flatten", {pooled});
  Diagnostics ignored;
  GraphMaker copy = g;
  const Graph shapes = copy.finish(ignored);
  const std::int64_t rows = shapes.value(shapes.outputs[0]).dims[1];
  g.node(
      "Gemm",
      {flat, g.floats({5, rows}, small_integers(5 * rows, 3)), g.floats({5}, small_integers(5, 4))},
      {{"transB", std::int64_t{1}}});
  expect_same(g);
}

TEST(Convert, ResidualsConcatenationAndAHead) {
  GraphMaker g({1, 3, 4, 4});
  const ValueId a = g.node("Conv", {g.x(), g.floats({3, 3, 1, 1}, small_integers(9, 1))});
  const ValueId sum = g.node("Relu", {g.node("Add", {a, g.x()})});
  const ValueId both = g.node("Concat", {sum, a}, {{"axis", std::int64_t{1}}});
  const ValueId part = g.node("Slice", {both, g.ints({1}), g.ints({5}), g.ints({1})});
  const ValueId rows = g.node("Reshape", {part, g.ints({1, 4, -1})});
  const ValueId tokens = g.node("Transpose",
                                {
                                    rows,
                                },
                                {{"perm", Ints{0, 2, 1}}});
  const ValueId y = g.node("MatMul", {tokens, g.floats({4, 2}, small_integers(8, 5))});
  const ValueId moved = g.node("Add", {y, g.floats({2}, {1, -1})});
  const ValueId one =
      g.node("Gather", {moved, g.int_scalar(3, {true, 64, true})}, {{"axis", std::int64_t{1}}});
  g.node("MatMul", {one, g.floats({2, 3}, small_integers(6, 6))});
  expect_same(g);
}

TEST(Convert, AttentionWithHeads) {
  GraphMaker g({1, 3, 4});
  const auto linear = [&](ValueId x, std::int64_t cols, std::uint64_t seed) {
    return g.node("MatMul", {x, g.floats({4, cols}, small_integers(4 * cols, seed))});
  };
  const auto heads = [&](ValueId x, const Ints& order) {
    return g.node("Transpose", {g.node("Reshape", {x, g.ints({1, 3, 2, 2})})}, {{"perm", order}});
  };
  const ValueId q = heads(linear(g.x(), 4, 1), {0, 2, 1, 3});
  const ValueId k = heads(linear(g.x(), 4, 2), {0, 2, 3, 1});
  const ValueId v = heads(linear(g.x(), 4, 3), {0, 2, 1, 3});
  const ValueId mixed = g.node("MatMul", {g.node("MatMul", {q, k}), v});
  const ValueId back = g.node("Transpose", {mixed}, {{"perm", Ints{0, 2, 1, 3}}});
  linear(g.node("Reshape", {back, g.ints({1, 3, 4})}), 4, 4);
  expect_same(g);
}

TEST(Convert, ScalesAndOffsetsGoIntoTheNextMatrix) {
  GraphMaker g({1, 2, 3});
  const ValueId scaled = g.node("Mul", {g.x(), g.floats({3}, {2, -1, 3})});
  const ValueId moved = g.node("Add", {scaled, g.floats({3}, {1, 0, -2})});
  g.node("MatMul", {moved, g.floats({3, 2}, small_integers(6, 1))});
  expect_same(g);
}

/// As torchvision's VisionTransformer is exported: patches, a class token, position embeddings.
TEST(Convert, AClassTokenAndPositionEmbeddings) {
  GraphMaker g({1, 2, 4, 6});
  const ValueId patches = g.node(
      "Conv", {g.x(), g.floats({3, 2, 2, 2}, small_integers(24, 1))}, {{"strides", Ints{2, 2}}});
  const ValueId rows = g.node("Reshape", {patches, g.ints({1, 3, -1})});
  const ValueId tokens = g.node("Transpose", {rows}, {{"perm", Ints{0, 2, 1}}});
  const ValueId token = g.floats({1, 1, 3}, small_integers(3, 2));
  const ValueId joined = g.node("Concat", {token, tokens}, {{"axis", std::int64_t{1}}});
  const ValueId placed = g.node("Add", {joined, g.floats({1, 7, 3}, small_integers(21, 3))});
  const ValueId first =
      g.node("Gather", {placed, g.int_scalar(0, {true, 64, true})}, {{"axis", std::int64_t{1}}});
  g.node("MatMul", {first, g.floats({3, 4}, small_integers(12, 4))});
  expect_same(g);
}

/// Constants of every form that differ from position to position, in the order of the layer.
TEST(Convert, ConstantsPerPosition) {
  const std::vector<Dims> forms = {{1, 3, 2, 4}, {3, 2, 4}, {2, 4}, {1, 3, 1, 4}, {2, 1}, {4}};
  for (const Dims& form : forms) {
    GraphMaker g({1, 3, 2, 4});
    const ValueId e = g.floats(form, small_integers(elements_of(form), 1));
    const ValueId sum = g.node("Add", {e, g.x()});
    g.node("Gemm", {g.node("Flatten", {sum}), g.floats({24, 5}, small_integers(120, 2))});
    expect_same(g);
  }
  // One axis that runs through channels, then positions.
  GraphMaker flat({1, 3, 2, 4});
  const ValueId x = flat.node("Flatten", {flat.x()});
  const ValueId sum = flat.node("Add", {x, flat.floats({24}, small_integers(24, 3))});
  flat.node("Gemm", {sum, flat.floats({24, 5}, small_integers(120, 2))});
  expect_same(flat);
}

TEST(Convert, ConstantsThatCannotBeAdded) {
  const auto failure = [](GraphMaker& g) {
    Diagnostics diagnostics;
    Graph graph = g.finish(diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
    fuse(graph);
    Reporter reporter("test.onnx", {}, diagnostics);
    EXPECT_FALSE(convert(graph, reporter));
    return diagnostics.errors().at(0).items.at(0);
  };
  GraphMaker larger({1, 3, 1});
  larger.node("Add", {larger.x(), larger.floats({2, 3, 4}, small_integers(24, 1))});
  EXPECT_THAT(failure(larger), testing::HasSubstr("more elements than the tensor"));
  GraphMaker scaled({1, 3, 2});
  const ValueId twice = scaled.node("Mul", {scaled.x(), scaled.floats({2}, {2, 3})});
  scaled.node("Add", {twice, scaled.floats({3, 2}, small_integers(6, 1))});
  EXPECT_THAT(failure(scaled), testing::HasSubstr("a scale or offset comes before it"));
  GraphMaker last({1, 3, 2});
  last.node("Concat", {last.x(), last.floats({1, 1, 2}, {1, 2})}, {{"axis", std::int64_t{1}}});
  EXPECT_THAT(failure(last), testing::HasSubstr("only concatenation along the channels"));
  GraphMaker wrong({1, 3, 2});
  wrong.node("Add", {wrong.x(), wrong.floats({1, 4, 2}, small_integers(8, 1))});
  Diagnostics diagnostics;
  wrong.finish(diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
}

TEST(Convert, WidthsComeFromTheFile) {
  const ElementType int8{true, 8, true};
  GraphMaker g({1, 2});
  const ValueId scale = g.floats({}, {0.5F});
  const ValueId zero = g.int_scalar(0, int8);
  const auto limited = [&](ValueId x, std::int64_t low, std::int64_t high) {
    const ValueId c = g.node("Clip", {x, g.int_scalar(low, int8), g.int_scalar(high, int8)});
    return g.node("DequantizeLinear", {c, scale, zero});
  };
  const ValueId x = limited(g.node("QuantizeLinear", {g.x(), scale, zero}), -8, 7);
  Tensor weights = int_tensor({2, 2}, {1, -2, 3, -4});
  weights.type = int8;
  g.node("MatMul", {x, limited(g.constant(weights), -4, 3)});
  Diagnostics diagnostics;
  Graph graph = g.finish(diagnostics);
  fuse(graph);
  Reporter reporter("test.onnx", {}, diagnostics);
  const std::optional<Imported> net = convert(graph, reporter);
  ASSERT_TRUE(net) << diagnostics.render();
  EXPECT_TRUE(net->has_bits);
  EXPECT_EQ(net->bits, (std::vector<LayerBits>{{3, 4}}));
  EXPECT_EQ(net->parameters.back().weights, (Floats{0.5F, 1.5F, -1, -2}));
}

TEST(Convert, ListsWhatCannotBe) {
  GraphMaker g({1, 4});
  const ValueId leaky = g.node("LeakyRelu", {g.x()});
  const ValueId gate = g.node("Mul", {g.x(), g.node("Sigmoid", {g.x()})});
  g.node("Add", {leaky, gate});
  Diagnostics diagnostics;
  Graph graph = g.finish(diagnostics);
  Reporter reporter("test.onnx", {}, diagnostics);
  EXPECT_FALSE(convert(graph, reporter));
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  const Diagnostic& d = diagnostics.errors()[0];
  EXPECT_EQ(d.code, "E-ONNX-OPERATOR");
  EXPECT_THAT(d.items,
              testing::ElementsAre(testing::HasSubstr("LeakyRelu0 (LeakyRelu): "),
                                   testing::HasSubstr("Mul2 (Mul): ")));
}

TEST(Convert, ExportedNetworks) {
  const auto import = [](const std::string& name) {
    Diagnostics diagnostics;
    auto net = import_network(
        std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/" + name + ".onnx", {}, diagnostics);
    EXPECT_TRUE(net) << diagnostics.render();
    return net.value_or(Imported{});
  };
  // By hand: LeNet-5 with 5x5 convolutions, the first one padded.
  const Imported lenet = import("lenet5");
  EXPECT_EQ(total_macs(lenet.network),
            28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10);
  EXPECT_EQ(lenet.file_parameters, 6 * 26 + 16 * 151 + 120 * 401 + 84 * 121 + 10 * 85);
  const Imported resnet = import("tiny_resnet");
  EXPECT_EQ(matrix_layers(resnet.network).size(), 12U);
  EXPECT_EQ(resnet.network.layers.back().out, (Shape{1, 1, 10}));
  const Imported vit = import("tiny_vit");
  // 17 tokens of 32; two heads of 16.
  const std::int64_t block = 17 * 32 * (96 + 32 + 128 + 128) + 2 * 17 * 17 * 32;
  EXPECT_EQ(total_macs(vit.network), std::int64_t{16} * 192 * 32 + 2 * block + 320);
  std::size_t embeddings = 0;
  for (const FloatParameters& p : vit.parameters) {
    embeddings += p.embedding.size();
  }
  EXPECT_EQ(embeddings, 32U + 17 * 32);
}

/// Scales that a file brings become those of the integers.
TEST(Convert, QuantizedFilesKeepTheirIntegers) {
  Diagnostics diagnostics;
  const std::optional<Imported> net = import_network(
      std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/qcdq.onnx", {}, diagnostics);
  ASSERT_TRUE(net) << diagnostics.render();
  ASSERT_EQ(net->scales.size(), 2U);
  ASSERT_TRUE(net->scales[0]);
  EXPECT_EQ(net->scales[0]->scale, (TensorScale{0.5, 0}));
  EXPECT_EQ(net->scales[0]->bits, 8);
  EXPECT_FALSE(net->scales[1]);
  const QuantizationSpec spec;
  const IntegerPlan plan = plan_integers(*net, net->bits, spec, true);
  const FloatImageSource images = [](std::int64_t) { return std::vector<float>(4, 30.0F); };
  const IntegerModel model = quantize_model(
      *net, plan, choose_scales(plan, calibrate(*net, images, 1), spec, net->scales), spec);
  EXPECT_EQ(model.scales[0].scale, 0.5);
  EXPECT_EQ(model.input(std::vector<float>{30.0F, -7.5F, 0.2F, 100.0F}),
            (std::vector<std::int32_t>{60, -15, 0, 127}));
  // [4][2] in the file, by column here; -8 is none of four symmetric bits.
  EXPECT_EQ(model.parameters[1].weights, (std::vector<std::int32_t>{1, 3, -5, -7, 2, 4, -6, -7}));
}

/// How near integers of so many bits come, as a part of the spread of the outputs.
struct Nearness {
  std::string name;
  int bits;
  double part;
};

void PrintTo(const Nearness& n, std::ostream* out) {
  *out << n.name << " at " << n.bits << " bits";
}

/// Exported networks with their own weights: the golden integer executor stays near PyTorch's
/// outputs and agrees in the largest.
class Integers : public testing::TestWithParam<Nearness> {};

TEST_P(Integers, KeepTheOutput) {
  const auto& [name, bits, tolerance] = GetParam();
  const std::string path = std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/" + name;
  Diagnostics diagnostics;
  const std::optional<Imported> net = import_network(path + ".onnx", {}, diagnostics);
  ASSERT_TRUE(net) << diagnostics.render();
  const std::vector<float> inputs = test::read_npy(path + ".input.npy");
  const std::vector<float> outputs = test::read_npy(path + ".output.npy");
  const Shape in = net->network.layers[0].out;
  const FloatImageSource images = [&](std::int64_t i) {
    std::vector<float> x(static_cast<std::size_t>(in.elements()));
    for (std::size_t k = 0; k < x.size(); ++k) {  // channels last
      const auto channels = static_cast<std::size_t>(in.channels);
      const std::size_t from = k % channels * (x.size() / channels) + k / channels;
      x[k] = inputs[static_cast<std::size_t>(i) * x.size() + from];
    }
    return x;
  };
  const QuantizationSpec spec;
  const IntegerPlan plan = plan_integers(
      *net, std::vector<LayerBits>(matrix_layers(net->network).size(), {bits, bits}), spec, true);
  const IntegerModel model =
      quantize_model(*net, plan, choose_scales(plan, calibrate(*net, images, 4), spec, {}), spec);
  Golden executor(model.network, model.source());
  const auto [low, high] = std::minmax_element(outputs.begin(), outputs.end());
  for (std::int64_t sample = 0; sample < 4; ++sample) {
    const std::vector<double> got =
        model.real(model.network.output(), executor.run(model.input(images(sample))));
    ASSERT_EQ(got.size(), 10U);
    const auto want = outputs.begin() + static_cast<std::ptrdiff_t>(sample) * 10;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i],
                  static_cast<double>(want[static_cast<std::ptrdiff_t>(i)]),
                  tolerance * static_cast<double>(*high - *low))
          << sample << ", " << i;
    }
    EXPECT_EQ(std::max_element(got.begin(), got.end()) - got.begin(),
              std::max_element(want, want + 10) - want)
        << sample;
  }
}

INSTANTIATE_TEST_SUITE_P(Models,
                         Integers,
                         testing::Values(Nearness{"lenet5", 8, 0.01},
                                         Nearness{"tiny_vit", 8, 0.08},
                                         Nearness{"tiny_vit", 12, 0.01}),
                         [](const auto& test) {
                           return fmt::format("{}_{}", test.param.name, test.param.bits);
                         });

}  // namespace
}  // namespace tessera::onnx
