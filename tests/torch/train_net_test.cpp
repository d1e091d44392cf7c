// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the torch graph compute what the project's own executors do, and are its gradients those of
/// the formulas?
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "tests/support/cases.hpp"
#include "workloads/builder.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantization/calibration.hpp"
#include "workloads/train/hessian.hpp"
#include "workloads/train/net.hpp"
#include "workloads/train/stage.hpp"
#include "workloads/train/torch_ops.hpp"
#include "workloads/train/trainer.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <string>
#include <vector>

namespace tessera::train {
namespace {

class TrainNet : public testing::Test {
 protected:
  TrainNet() { set_up_torch(); }
};

at::Tensor tensor_of(const std::vector<float>& values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), out.data_ptr<float>());
  return out;
}

std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

float uniform(Rng& rng, double low, double high) {
  return static_cast<float>(low + (high - low) * rng.uniform01());
}

FloatModel random_model(const Network& network, Rng& rng) {
  FloatModel model{network, std::vector<FloatParameters>(network.layers.size())};
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    FloatParameters& p = model.parameters[static_cast<std::size_t>(id)];
    if (layer.kind == LayerKind::softmax) {
      p.factor = uniform(rng, 0.2, 0.5);
    }
    if (layer.kind == LayerKind::layer_norm) {
      p.epsilon = 1e-5F;
    }
    p.embedding.resize(static_cast<std::size_t>(layer.embedding_size()));
    std::generate(p.embedding.begin(), p.embedding.end(), [&] { return uniform(rng, -0.5, 0.5); });
    if (!layer.is_matrix() || layer.has_dynamic_weights()) {
      continue;
    }
    const MatrixShape m = matrix_shape(network, id);
    const double bound = std::sqrt(6.0 / static_cast<double>(m.rows));
    p.weights.resize(static_cast<std::size_t>(m.rows * m.cols * m.groups));
    std::generate(p.weights.begin(), p.weights.end(), [&] { return uniform(rng, -bound, bound); });
    if (layer.has_bias) {
      p.bias.resize(static_cast<std::size_t>(m.cols * m.groups));
      std::generate(p.bias.begin(), p.bias.end(), [&] { return uniform(rng, -0.2, 0.2); });
    }
  }
  return model;
}

data::Images random_images(const Shape& shape, std::int64_t count, double low, Rng& rng) {
  data::Images images;
  images.shape = shape;
  images.count = count;
  images.values.resize(static_cast<std::size_t>(count * shape.elements()));
  std::generate(images.values.begin(), images.values.end(), [&] { return uniform(rng, low, 1.0); });
  images.labels.assign(static_cast<std::size_t>(count), 0);
  return images;
}

TEST_F(TrainNet, RoundsTiesAwayFromZero) {
  const std::vector<float> x = {0.5F,
                                1.5F,
                                2.5F,
                                -0.5F,
                                -1.5F,
                                -2.5F,
                                0.49999997F,
                                -0.49999997F,
                                8388607.5F,
                                0.0F,
                                3.2F,
                                -3.7F};
  std::vector<float> expected;
  expected.reserve(x.size());
  for (const float v : x) {
    expected.push_back(std::round(v));  // of the C library: ties away from zero
  }
  EXPECT_EQ(values_of(round_away(tensor_of(x))), expected);
}

TEST_F(TrainNet, NarrowsAsTheNetworkDoes) {
  for (const bool is_signed : {false, true}) {
    std::vector<float> x;
    std::vector<float> expected;
    for (std::int64_t v = min_value(8, is_signed); v <= max_value(8, is_signed); ++v) {
      x.push_back(static_cast<float>(v));
      expected.push_back(static_cast<float>(narrow(v, 8, 3, is_signed)));
    }
    EXPECT_EQ(values_of(narrow_through(
                  tensor_of(x), 5, min_value(3, is_signed), max_value(3, is_signed))),
              expected);
  }
}

/// Every kind of layer that random_network() draws, and attention.
TEST_F(TrainNet, EqualsTheFloatExecutor) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed, "train_net");
    const Network network = seed % 8 == 0 ? zoo("attention_block") : test::random_network(rng);
    const FloatModel model = random_model(network, rng);
    const data::Images images = random_images(network.layers[0].out, 3, -1, rng);
    const std::vector<float> got = outputs_of(model, nullptr, images);
    FloatExecutor executor(model);
    const auto outputs = static_cast<std::size_t>(network.layer(network.output()).out.elements());
    for (std::int64_t image = 0; image < images.count; ++image) {
      const std::vector<float>& expected = executor.run(images.image(image));
      for (std::size_t k = 0; k < outputs; ++k) {
        const float value = got[static_cast<std::size_t>(image) * outputs + k];
        ASSERT_NEAR(value, expected[k], 1e-4 * std::max(1.0F, std::abs(expected[k])))
            << "seed " << seed << ", " << network.name;
      }
    }
  }
}

/// Batch norm in the graph, and folded.
TEST_F(TrainNet, FoldsBatchNorms) {
  Builder b("norms", {6, 6, 3});
  LayerId at =
      b.conv("c1", b.last(), {.channels = 6, .kernel = 3, .groups = 3, .batch_norm = true});
  at = b.fc("f1", at, 5, {.activation = Activation::relu, .batch_norm = true});
  b.fc("f2", at, 4);
  const Network network = b.build();
  Net net(network, 3);
  Rng rng(3, "norms");
  const data::Images images = random_images({6, 6, 3}, 32, 0, rng);
  const at::Tensor x = image_tensor(images.shape, images.count, images.values.data());
  for (const Named& one : net.parameters()) {
    const at::NoGradGuard no_gradient;
    at::Tensor t = one.tensor;
    t.add_(normal_like(t, fnv1a(one.name)) * 0.1);
  }
  for (int k = 0; k < 20; ++k) {
    net.forward(x, {true, 1});  // moves the running statistics
  }
  const std::vector<float> expected = values_of(net.forward(x));
  const std::vector<float> got = outputs_of(net.to_model(), nullptr, images);
  for (std::size_t k = 0; k < got.size(); ++k) {
    ASSERT_NEAR(got[k], expected[k], 1e-4);
  }
}

double loss_of(Net& net, const at::Tensor& x, const at::Tensor& direction) {
  const at::NoGradGuard no_gradient;
  return (net.forward(x) * direction).to(at::kDouble).sum().item<double>();
}

/// Central differences of smooth networks, every parameter tensor in a random direction.
TEST_F(TrainNet, HasTheGradientsOfFiniteDifferences) {
  Builder b("smooth", {6, 5, 2});
  LayerId at = b.conv(
      "c1",
      b.last(),
      {.channels = 4, .kernel = 3, .padding = 1, .groups = 2, .activation = Activation::tanh});
  at = b.conv("c2", at, {.channels = 4, .kernel = 3, .stride = 2, .activation = Activation::gelu});
  at = b.avg_pool("pool", at, {.kernel = 2, .stride = 1});
  at = b.linear("l1", at, 6, {.activation = Activation::sigmoid});
  at = b.layer_norm("norm", at);
  at = b.class_token("token", at);
  at = b.position_embedding("positions", at);
  b.fc("f1", at, 3);
  Rng rng(5, "gradients");
  FloatModel model = random_model(b.build(), rng);
  Net net(model);
  const data::Images images = random_images({6, 5, 2}, 4, -1, rng);
  const at::Tensor x = image_tensor(images.shape, images.count, images.values.data());
  const at::Tensor direction = normal_like(at::empty({4, 3}), 7);
  std::vector<at::Tensor> tensors;
  for (const Named& one : net.parameters()) {
    tensors.push_back(one.tensor);
  }
  const auto gradients = torch::autograd::grad({(net.forward(x) * direction).sum()}, tensors);
  for (std::size_t k = 0; k < tensors.size(); ++k) {
    const at::Tensor v = normal_like(tensors[k], 11 + k);
    const auto expected = (gradients[k] * v).sum().item<double>();
    constexpr double kStep = 2e-3;
    const at::NoGradGuard no_gradient;
    tensors[k].add_(v, kStep);
    const double above = loss_of(net, x, direction);
    tensors[k].add_(v, -2 * kStep);
    const double below = loss_of(net, x, direction);
    tensors[k].add_(v, kStep);
    EXPECT_NEAR((above - below) / (2 * kStep), expected, 0.02 * std::max(1.0, std::abs(expected)))
        << net.parameters()[k].name;
  }
}

/// One fc layer on inputs with a learned range; 2-bit inputs, 8-bit weights.
struct OneLayer {
  FloatModel model;
  IntegerPlan integers;
  QuantPlan plan;
};

OneLayer one_layer(const std::vector<float>& weights, double input_scale) {
  Builder b("one", {1, 1, static_cast<int>(weights.size())}, 2);
  b.fc("fc", b.last(), 1, {.bias = false});
  OneLayer out;
  out.model = {b.build(), std::vector<FloatParameters>(2)};
  out.model.parameters[1].weights = weights;
  QuantizationSpec spec;
  spec.weights = WeightMethod::max;
  out.integers = plan_integers(out.model, {{8, 2}}, spec, false);
  std::vector<std::optional<GivenScale>> given(2);
  given[0] = GivenScale{{input_scale, 0}, 0};
  Calibration calibration;
  calibration.tensors.resize(2);
  out.plan = make_plan(
      out.model, out.integers, choose_scales(out.integers, calibration, spec, given), spec);
  return out;
}

/// Where all inputs clip, the output is linear in the range, so that differences are exact; inside,
/// the gradient is LSQ's: sum over w * (round(v) - v) * scale * ln 2 (of the logarithm).
TEST_F(TrainNet, LearnsRangesWithTheGradientOfLsq) {
  const std::vector<float> weights = {1.27F, -0.5F, 0.25F, 0.75F};
  const double scale = 0.25;
  for (const bool clips : {true, false}) {
    const OneLayer one = one_layer(weights, scale);
    ASSERT_EQ(one.plan.ranges.size(), 1U);
    Net net(one.model);
    net.quantize(one.plan);
    const std::vector<float> input = clips ? std::vector<float>{3.0F, 5.0F, 2.0F, 9.0F}
                                           : std::vector<float>{0.1F, 0.3F, 0.62F, 0.7F};
    const at::Tensor x = image_tensor(one.model.network.layers[0].out, 1, input.data());
    const at::Tensor range = net.ranges()[0].tensor;
    const auto got = torch::autograd::grad({net.forward(x).sum()}, {range})[0].item<double>();
    double formula = 0;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const double w = std::round(static_cast<double>(weights[k]) / 0.01) * 0.01;
      const double v = static_cast<double>(input[k]) / scale;
      formula += w * (v > 3 ? 3.0 : std::round(v) - v) * scale * std::numbers::ln2;
    }
    EXPECT_NEAR(got, formula, 1e-4) << (clips ? "clipping" : "inside");
    if (clips) {
      const at::NoGradGuard no_gradient;
      constexpr double kStep = 1e-2;
      range.add_(kStep);
      const auto above = net.forward(x).item<double>();
      range.add_(-2 * kStep);
      const auto below = net.forward(x).item<double>();
      EXPECT_NEAR(got, (above - below) / (2 * kStep), 1e-3);
    }
  }
}

/// Straight through: the weights' gradient is that of the product with the quantized input.
TEST_F(TrainNet, PassesGradientsStraightThroughWeights) {
  const OneLayer one = one_layer({1.27F, -0.5F, 0.25F, 0.75F}, 0.25);
  Net net(one.model);
  net.quantize(one.plan);
  const std::vector<float> input = {0.1F, 0.3F, 0.62F, 9.0F};
  const at::Tensor x = image_tensor(one.model.network.layers[0].out, 1, input.data());
  const auto gradient = torch::autograd::grad({net.forward(x).sum()}, net.weights());
  const std::vector<float> expected = {0.0F, 0.25F, 0.5F, 0.75F};
  for (std::size_t k = 0; k < expected.size(); ++k) {
    EXPECT_NEAR(values_of(gradient[0])[k], expected[k], 1e-6);
  }
}

/// Fake quantization and the golden executor on the integers that come out: the same but for the
/// 16 bits of multipliers, so nearly all outputs are equal to the last bit of the accumulator's
/// scale.
TEST_F(TrainNet, EqualsTheGoldenExecutor) {
  std::int64_t values = 0;
  std::int64_t near = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed, "train_golden");
    const Network network = seed % 8 == 0 ? zoo("attention_block") : test::random_network(rng);
    FloatModel model = random_model(network, rng);
    std::vector<LayerBits> bits;
    for (std::size_t k = 0; k < matrix_layers(network).size(); ++k) {
      bits.push_back({static_cast<int>(rng.uniform(2, 8)), static_cast<int>(rng.uniform(2, 8))});
    }
    QuantizationSpec spec;
    spec.weights = rng.chance(0.3) ? WeightMethod::twn : WeightMethod::mse;
    spec.per_channel = rng.chance(0.5);
    spec.asymmetric = rng.chance(0.5);
    spec.codebook = rng.chance(0.2) ? 4 : 0;
    spec.input_codebook = rng.chance(0.3) ? 5 : 0;
    spec.activation_rows = rng.chance(0.3) ? 24 : 0;
    data::DataSet data;
    data.train = random_images(network.layers[0].out, 4, seed % 2 == 0 ? -1 : 0, rng);
    const IntegerStage stage = integer_plan(model, bits, spec, data);
    if (!stage.integers.problems.empty()) {
      continue;
    }
    Net net(model);
    net.quantize(stage.plan);
    const std::vector<float> got = values_of(
        net.forward(image_tensor(data.train.shape, data.train.count, data.train.values.data())));
    const IntegerModel integers = integer_model(net.to_model(), stage.integers, net.plan());
    Golden golden(integers.network, integers.source());
    std::size_t at = 0;
    double top = 1e-6;
    for (const float v : got) {
      top = std::max(top, static_cast<double>(std::abs(v)));
    }
    for (std::int64_t image = 0; image < data.train.count; ++image) {
      const std::vector<std::int32_t> out = golden.run(integers.input(data.train.image(image)));
      for (const double expected : integers.real(network.output(), out)) {
        const double error = std::abs(static_cast<double>(got[at++]) - expected);
        ++values;
        near += error < 1e-3 * top ? 1 : 0;
      }
    }
    ASSERT_EQ(at, got.size());
  }
  EXPECT_GT(values, 1000);
  EXPECT_GT(static_cast<double>(near), 0.97 * static_cast<double>(values))
      << near << " of " << values;
}

/// The same by plain loops over rows, bits and slices.
TEST_F(TrainNet, ClipsAsConvertersDo) {
  Rng rng(9, "clipping");
  const NoisePlan noise{0, 3, 8, 2};
  constexpr int kBits = 4;
  constexpr std::int64_t kRows = 19;
  for (const bool is_signed : {false, true}) {
    std::vector<float> x(kRows * 3 * 2);
    std::vector<float> w(kRows * 2 * 5);
    for (float& v : x) {
      v = static_cast<float>(rng.uniform(min_value(kBits, is_signed), max_value(kBits, is_signed)));
    }
    for (float& v : w) {
      v = static_cast<float>(rng.uniform(-31, 31));
    }
    const std::vector<float> got = values_of(clipping_error(
        tensor_of(x).reshape({3, 2, kRows}), tensor_of(w).reshape({10, kRows}), kBits, noise));
    bool any = false;
    for (std::size_t vector = 0; vector < 3; ++vector) {
      for (std::size_t col = 0; col < 10; ++col) {
        std::int64_t error = 0;
        for (std::int64_t first = 0; first < kRows; first += noise.adc_rows) {
          for (int bit = 0; bit < kBits; ++bit) {
            for (int slice = 0; slice < 3; ++slice) {
              for (const int sign : {1, -1}) {
                std::int64_t sum = 0;
                for (std::int64_t r = first; r < std::min(kRows, first + noise.adc_rows); ++r) {
                  const auto xi = static_cast<std::int64_t>(
                      x[(vector * 2 + col / 5) * kRows + static_cast<std::size_t>(r)]);
                  const auto wi =
                      static_cast<std::int64_t>(w[col * kRows + static_cast<std::size_t>(r)]);
                  const std::int64_t part = std::max<std::int64_t>(0, sign * wi);
                  sum += ((xi & 15) >> bit & 1) * (part >> (2 * slice) & 3);
                }
                const std::int64_t place = (std::int64_t{sign} << (bit + 2 * slice)) *
                                           (is_signed && bit == kBits - 1 ? -1 : 1);
                error += (std::min<std::int64_t>(sum, 7) - sum) * place;
              }
            }
          }
        }
        any = any || error != 0;
        EXPECT_EQ(got[vector * 10 + col], static_cast<float>(error));
      }
    }
    EXPECT_TRUE(any);
  }
}

/// Softmax regression on one image has the Hessian (diag p - p p') x x', whose trace is known.
TEST_F(TrainNet, EstimatesTracesOfHessians) {
  Builder b("regression", {1, 1, 5});
  b.fc("fc", b.last(), 3);
  Rng rng(4, "hessian_test");
  const FloatModel model = random_model(b.build(), rng);
  data::Images images = random_images({1, 1, 5}, 1, -1, rng);
  images.labels = {2};
  const std::vector<float> logits = outputs_of(model, nullptr, images);
  double sum = 0;
  double squares = 0;
  for (const float v : logits) {
    sum += std::exp(static_cast<double>(v));
    squares += std::exp(2 * static_cast<double>(v));
  }
  double norm = 0;
  for (const float v : images.values) {
    norm += static_cast<double>(v) * static_cast<double>(v);
  }
  const double expected = (1 - squares / (sum * sum)) * norm;
  const std::vector<LayerTrace> got = hessian_traces(model, images, 400, 1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_GT(got[0].deviation, 0);
  EXPECT_LT(got[0].deviation, 0.1 * expected);
  EXPECT_NEAR(got[0].trace, expected, 4 * got[0].deviation);
  EXPECT_EQ(trace_csv({{"a", 2.5, 0, 0.5}}), "layer,trace,weight_rms\na,2.5,0.5\n");
}

}  // namespace
}  // namespace tessera::train
