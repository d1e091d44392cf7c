// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/float_executor.hpp"

#include "sim/base/diagnostics.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/float_models.hpp"
#include "tests/support/npy.hpp"
#include "workloads/builder.hpp"
#include "workloads/golden.hpp"
#include "workloads/onnx/convert.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tessera {
namespace {

/// [channels][height][width] as [height][width][channels].
std::vector<float> channels_last(const Shape& shape, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  const auto positions = static_cast<std::size_t>(shape.positions());
  const auto channels = static_cast<std::size_t>(shape.channels);
  for (std::size_t p = 0; p < positions; ++p) {
    for (std::size_t c = 0; c < channels; ++c) {
      y[p * channels + c] = x[c * positions + p];
    }
  }
  return y;
}

struct Exported {
  onnx::Imported net;
  std::vector<float> inputs;
  std::vector<float> outputs;
};

Exported load(const std::string& name) {
  const std::string path = std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/" + name;
  Diagnostics diagnostics;
  std::optional<onnx::Imported> net = onnx::import_network(path + ".onnx", {}, diagnostics);
  diagnostics.throw_if_any();
  return {std::move(net.value()),
          test::read_npy(path + ".input.npy"),
          test::read_npy(path + ".output.npy")};
}

class AsPyTorch : public testing::TestWithParam<std::string> {};

TEST_P(AsPyTorch, ExportedNetworks) {
  const Exported e = load(GetParam());
  const Shape& in = e.net.network.layers.front().out;
  FloatExecutor executor(e.net);
  for (std::size_t sample = 0; sample < 4; ++sample) {
    const auto size = static_cast<std::size_t>(in.elements());
    const std::vector<float> x(e.inputs.begin() + static_cast<std::ptrdiff_t>(sample * size),
                               e.inputs.begin() + static_cast<std::ptrdiff_t>((sample + 1) * size));
    const std::vector<float>& y = executor.run(channels_last(in, x));
    for (std::size_t i = 0; i < y.size(); ++i) {
      EXPECT_NEAR(y[i], e.outputs[sample * y.size() + i], 1e-4) << sample << ", " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, AsPyTorch, testing::Values("lenet5", "tiny_resnet", "tiny_vit"));

/// Small whole numbers as weights and images: float is exact, and equals the integer executor.
TEST(FloatExecutor, EqualsTheIntegerExecutorOnWholeNumbers) {
  int compared = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed, "float executor");
    Network network = test::random_network(rng);
    const bool curved =
        std::any_of(network.layers.begin(), network.layers.end(), [](const Layer& l) {
          return l.activation == Activation::gelu || l.kind == LayerKind::avg_pool;
        });
    if (curved) {
      continue;
    }
    FloatModel model = test::float_model(network, seed);
    for (FloatParameters& p : model.parameters) {
      for (float& w : p.weights) {
        w = static_cast<float>(rng.uniform(-2, 2));
      }
      for (float& b : p.bias) {
        b = static_cast<float>(rng.uniform(-9, 9));
      }
      for (float& e : p.embedding) {
        e = static_cast<float>(rng.uniform(-9, 9));
      }
    }
    for (Layer& l : network.layers) {
      l.out_bits = l.a_bits = l.w_bits = 31;
      l.out_signed = l.in_signed = true;
    }
    Golden golden(network, [&](LayerId id) {
      const FloatParameters& p = model.parameters[static_cast<std::size_t>(id)];
      LayerParameters q;
      q.weights.assign(p.weights.begin(), p.weights.end());
      q.embedding.assign(p.embedding.begin(), p.embedding.end());
      q.bias.assign(static_cast<std::size_t>(network.layer(id).out.channels), 0);
      std::copy(p.bias.begin(), p.bias.end(), q.bias.begin());
      q.multiplier.assign(q.bias.size(), 1);
      return q;
    });
    std::vector<std::int32_t> x(static_cast<std::size_t>(network.layers[0].out.elements()));
    std::generate(
        x.begin(), x.end(), [&] { return static_cast<std::int32_t>(rng.uniform(-3, 3)); });
    const std::vector<std::int32_t> want = golden.run(x);
    if (std::any_of(
            want.begin(), want.end(), [](std::int32_t v) { return std::abs(v) > 100000; })) {
      continue;  // sums on the way might not be exact
    }
    FloatExecutor executor(model);
    EXPECT_EQ(executor.run(std::vector<float>(x.begin(), x.end())),
              std::vector<float>(want.begin(), want.end()))
        << "seed " << seed;
    ++compared;
  }
  EXPECT_GT(compared, 8);
}

TEST(FloatExecutor, Activations) {
  const auto of = [](Activation f, float x) {
    Builder b("one", {1, 1, 1});
    b.activation("f", b.last(), f);
    const FloatModel model{b.build(), std::vector<FloatParameters>(2)};
    return static_cast<double>(FloatExecutor(model).run(std::vector<float>{x})[0]);
  };
  for (const float x : {-9.0F, -2.5F, -0.3F, 0.0F, 0.01F, 1.0F, 5.5F, 7.0F}) {
    const auto v = static_cast<double>(x);
    EXPECT_EQ(of(Activation::relu, x), std::max(0.0, v));
    EXPECT_EQ(of(Activation::relu6, x), std::clamp(v, 0.0, 6.0));
    EXPECT_NEAR(of(Activation::gelu, x), v * 0.5 * std::erfc(-v * std::sqrt(0.5)), 1e-6);
    EXPECT_NEAR(of(Activation::sigmoid, x), 1.0 / (1.0 + std::exp(-v)), 1e-7);
    EXPECT_NEAR(of(Activation::tanh, x), std::tanh(v), 1e-7);
  }
}

TEST(FloatExecutor, RefusesWhatDoesNotFit) {
  Builder b("small", {1, 1, 3});
  b.fc("fc", b.last(), 2);
  FloatModel model = test::float_model(b.build(), 1);
  EXPECT_THROW(FloatExecutor(model).run(std::vector<float>(4)), InternalError);
  model.parameters[1].weights.pop_back();
  EXPECT_THROW(FloatExecutor{model}, InternalError);
}

}  // namespace
}  // namespace tessera
