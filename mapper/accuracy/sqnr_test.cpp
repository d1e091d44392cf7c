// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/sqnr.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>

namespace tessera::mapper {
namespace {

LayerWidths all_widths(const Network& network, int low, int high) {
  std::vector<LayerBits> layer;
  for (int w = low; w <= high; ++w) {
    for (int a = low; a <= high; ++a) {
      layer.push_back({w, a});
    }
  }
  LayerWidths widths(matrix_layers(network).size(), layer);
  return widths;
}

TEST(Sqnr, UniformSignalLosesAFactorOfFourPerBit) {
  Rng rng(1, "signal");
  std::vector<double> is_signed(20000);
  std::vector<double> is_unsigned(20000);
  for (std::size_t i = 0; i < is_signed.size(); ++i) {
    is_signed[i] = 2 * rng.uniform01() - 1;
    is_unsigned[i] = rng.uniform01();
  }
  const std::vector<double> s = noise_to_signal(is_signed, true, 12);
  const std::vector<double> u = noise_to_signal(is_unsigned, false, 12);
  // Signal power 1/3, error power step^2 / 12; so 1 / (4 levels^2), where the max-abs scale has
  // half a level less on each signed side than the best one.
  for (int bits = 3; bits <= 12; ++bits) {
    const std::size_t at = static_cast<std::size_t>(bits) - 1;
    const double hi_signed = std::ldexp(1, bits - 1) - 1;
    const double hi_unsigned = std::ldexp(1, bits) - 1;
    EXPECT_LT(s[at] * 4 * hi_signed * hi_signed, 1.03) << bits;
    EXPECT_GT(s[at] * 4 * (hi_signed + 0.5) * (hi_signed + 0.5), 0.97) << bits;
    EXPECT_LT(u[at] * 4 * hi_unsigned * hi_unsigned, 1.03) << bits;
    EXPECT_GT(u[at] * 4 * (hi_unsigned + 0.5) * (hi_unsigned + 0.5), 0.97) << bits;
  }
  EXPECT_NEAR(10 * std::log10(u[9] / u[10]), 6.02, 0.1);
}

TEST(Sqnr, NormalSignalMeetsTheOptimalQuantizers) {
  Rng rng(2, "signal");
  std::vector<double> x(40000);
  for (double& v : x) {
    v = std::sqrt(-2 * std::log(1 - rng.uniform01())) * std::cos(6.283185307 * rng.uniform01());
  }
  const std::vector<double> nsr = noise_to_signal(x, true, 8);
  // The best uniform quantizers with 3, 7 and 15 levels (Max 1960), and with the codes {-1, 0}.
  EXPECT_NEAR(nsr[0], 0.5951, 0.01);
  EXPECT_NEAR(nsr[1], 0.1902, 0.004);
  EXPECT_NEAR(nsr[2], 0.04686, 0.001);
  EXPECT_NEAR(nsr[3], 0.01289, 0.0003);
}

TEST(Sqnr, CodesOfTheOwnWidthAreExact) {
  std::vector<double> codes;
  for (int v = -7; v <= 7; ++v) {
    codes.push_back(v * 0.25);
  }
  const std::vector<double> nsr = noise_to_signal(codes, true, 8);
  EXPECT_GT(nsr[2], 1e-3);
  EXPECT_EQ(nsr[3], 0);
  EXPECT_EQ(nsr[7], 0);
}

TEST(Sqnr, NeverRisesWithBitsAndScaleDoesNotMatter) {
  Rng rng(3, "signal");
  for (int round = 0; round < 50; ++round) {
    std::vector<double> x(static_cast<std::size_t>(rng.uniform(1, 200)));
    for (double& v : x) {
      v = std::pow(rng.uniform01(), 3) * (rng.chance(0.5) ? -1 : 1);
    }
    std::vector<double> scaled = x;
    for (double& v : scaled) {
      v *= 1024;
    }
    const std::vector<double> nsr = noise_to_signal(x, true, 16);
    EXPECT_EQ(nsr, noise_to_signal(scaled, true, 16));
    for (std::size_t b = 0; b < nsr.size(); ++b) {
      EXPECT_GE(nsr[b], 0);
      EXPECT_LE(nsr[b], b == 0 ? 1 : nsr[b - 1]);
    }
  }
  EXPECT_EQ(noise_to_signal(std::vector<double>(5, 0.0), true, 2), std::vector<double>(2, 0.0));
}

TEST(Sqnr, DrawnSignalsResembleMeasuredOnes) {
  const Network network = zoo("lenet5");
  Network wide = network;
  quantize(wide, LayerBits{16, 16});
  std::vector<std::vector<std::int32_t>> images;
  images.reserve(16);
  for (int image = 0; image < 16; ++image) {
    images.push_back(synthetic_input(wide, 1, image));
  }
  const auto parameters = [&](LayerId id) { return synthetic_parameters(wide, id, 1); };
  const auto measured = noise_of(measured_signals(wide, parameters, images), 8);
  const auto drawn = noise_of(drawn_signals(network, 1), 8);
  ASSERT_EQ(measured.size(), drawn.size());
  for (std::size_t m = 0; m < drawn.size(); ++m) {
    for (std::size_t bits = 3; bits <= 7; ++bits) {
      const double a = drawn[m].inputs[bits - 1] / measured[m].inputs[bits - 1];
      const double w = drawn[m].weights[bits - 1] / measured[m].weights[bits - 1];
      EXPECT_TRUE(a > 0.5 && a < 2) << m << " inputs " << bits << ": " << a;
      EXPECT_TRUE(w > 0.8 && w < 1.25) << m << " weights " << bits << ": " << w;
    }
  }
}

/// Outputs for four images of `wide` with the inputs of its matrix layers narrowed to `a_bits`;
/// biases and shifts follow, so that nothing but the narrowing changes.
std::vector<double> narrowed_outputs(const Network& wide, const std::vector<int>& a_bits) {
  Network network = wide;
  std::vector<int> cut(wide.layers.size(), 0);
  const std::vector<LayerId> ids = matrix_layers(wide);
  for (std::size_t m = 0; m < ids.size(); ++m) {
    Layer& layer = network.layers[static_cast<std::size_t>(ids[m])];
    const int from = std::min(layer.a_bits, network.layer(layer.inputs[0]).out_bits);
    layer.a_bits = std::min(a_bits[m], from);
    cut[static_cast<std::size_t>(ids[m])] = from - layer.a_bits;
    layer.shift -= from - layer.a_bits;
  }
  Golden golden(network, [&](LayerId id) {
    LayerParameters p = synthetic_parameters(wide, id, 1);
    for (std::int64_t& b : p.bias) {
      b = round_shift(b, cut[static_cast<std::size_t>(id)]);
    }
    return p;
  });
  std::vector<double> out;
  for (int image = 0; image < 4; ++image) {
    for (const std::int32_t v : golden.run(synthetic_input(wide, 1, image))) {
      out.push_back(v);
    }
  }
  return out;
}

/// Noise-to-signal ratio of y against x, whatever their scales: 1 - correlation^2.
double noise_between(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0;
  double yy = 0;
  double xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return 1 - xy * xy / (xx * yy);
}

TEST(Sqnr, RealWeightsBringTheirOwnSignals) {
  Builder b("net", {1, 1, 3});
  b.fc("one", b.last(), 2, {.activation = Activation::relu});
  b.fc("two", b.last(), 1);
  FloatModel model{b.build(), std::vector<FloatParameters>(3)};
  model.parameters[1].weights = {1.0F, 0.0F, -2.0F, 0.5F, 0.5F, 0.5F};
  model.parameters[2].weights = {3.0F, -1.0F};
  const std::vector<std::vector<float>> images = {{1.0F, -1.0F, 0.5F}, {2.0F, 0.0F, 0.0F}};
  const std::vector<LayerSignal> signals = float_signals(model, images, true);
  ASSERT_EQ(signals.size(), 2U);
  EXPECT_EQ(signals[0].weights, (std::vector<double>{1, 0, -2, 0.5, 0.5, 0.5}));
  EXPECT_EQ(signals[0].inputs, (std::vector<double>{1, -1, 0.5, 2, 0, 0}));
  EXPECT_TRUE(signals[0].signed_inputs);
  EXPECT_EQ(signals[1].inputs, (std::vector<double>{0, 0.25, 2, 1}));
  EXPECT_FALSE(signals[1].signed_inputs);
  EXPECT_FALSE(float_signals(model, images, false)[0].signed_inputs);
}

TEST(Sqnr, NoiseAtTheOutputAddsUpAndFollowsTheWidths) {
  Network wide = zoo("lenet5");
  quantize(wide, LayerBits{8, 16});
  const std::size_t layers = matrix_layers(wide).size();
  const std::vector<double> exact = narrowed_outputs(wide, std::vector<int>(layers, 16));
  const auto sum_of_single = [&](int a_bits) {
    double sum = 0;
    for (std::size_t m = 0; m < layers; ++m) {
      std::vector<int> widths(layers, 16);
      widths[m] = a_bits;
      sum += noise_between(exact, narrowed_outputs(wide, widths));
    }
    return sum;
  };
  for (const int a_bits : {5, 6}) {
    const double all =
        noise_between(exact, narrowed_outputs(wide, std::vector<int>(layers, a_bits)));
    const double ratio = all / sum_of_single(a_bits);
    EXPECT_TRUE(ratio > 0.6 && ratio < 1.7) << a_bits << ": " << ratio;
  }
  const double two_bits = sum_of_single(4) / sum_of_single(6);  // 16 in theory
  EXPECT_TRUE(two_bits > 8 && two_bits < 32) << two_bits;
}

TEST(Sqnr, TableIsAdditiveAndZeroAtTheWidest) {
  const Network network = zoo("lenet5");
  const LayerWidths widths = all_widths(network, 2, 8);
  Sensitivity table = sqnr_sensitivity(noise_of(synthetic_signals(network, 1), 8), widths);
  EXPECT_EQ(table.unit(), "noise-to-signal, %");
  std::vector<LayerBits> bits(widths.size(), {8, 8});
  EXPECT_EQ(table.loss(bits), 0);
  for (std::size_t m = 0; m < widths.size(); ++m) {
    for (const LayerBits b : widths[m]) {
      EXPECT_NEAR(
          table.loss(m, b), table.loss(m, {b.w_bits, 8}) + table.loss(m, {8, b.a_bits}), 1e-12);
    }
    EXPECT_GT(table.loss(m, {4, 8}), table.loss(m, {6, 8}));
  }
  bits[0] = {4, 8};
  bits[1] = {8, 5};
  EXPECT_NEAR(table.loss(bits), table.loss(0, {4, 8}) + table.loss(1, {8, 5}), 1e-12);
  EXPECT_THROW(static_cast<void>(table.loss(0, {9, 8})), InternalError);
}

TEST(Sqnr, SeedDecides) {
  const Network network = zoo("resnet18");
  const auto one = noise_of(drawn_signals(network, 1), 8);
  const auto again = noise_of(drawn_signals(network, 1), 8);
  const auto other = noise_of(drawn_signals(network, 2), 8);
  EXPECT_EQ(one[3].inputs, again[3].inputs);
  EXPECT_EQ(one[3].weights, again[3].weights);
  EXPECT_NE(one[3].weights, other[3].weights);
  EXPECT_NEAR(one[3].weights[3] / other[3].weights[3], 1, 0.1);
}

TEST(Sqnr, EveryNetworkOfTheZooHasATable) {
  for (const std::string& name : zoo_names()) {
    const Network network = zoo(name);
    const auto start = std::chrono::steady_clock::now();
    const auto noise = noise_of(drawn_signals(network, 1), 8);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    RecordProperty(name, std::to_string(seconds));
    for (const LayerNoise& layer : noise) {
      EXPECT_TRUE(layer.weights[3] > 0 && layer.weights[3] < 0.1) << name;
      EXPECT_TRUE(layer.inputs[3] > 0 && layer.inputs[3] < 0.2) << name << layer.inputs[3];
    }
  }
}

}  // namespace
}  // namespace tessera::mapper
