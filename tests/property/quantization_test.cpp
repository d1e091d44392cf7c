// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Integers mean what the real numbers said: layer by layer by formulas of their own, and whole
/// networks against the float executor.
#include "tests/support/cases.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/builder.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/quantization/weights.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Reals = std::vector<double>;

struct Images {
  std::uint64_t seed = 1;
  double low = 0.0;
  double high = 1.0;
};

struct Quantized {
  FloatModel model;
  IntegerModel integers;
};

Quantized quantized(const Network& network,
                    const std::vector<LayerBits>& bits,
                    const QuantizationSpec& spec,
                    const Images& images) {
  Quantized out{test::float_model(network, images.seed), {}};
  const Calibration calibration = calibrate(
      out.model,
      [&](std::int64_t i) {
        return test::float_image(network, images.seed, i, images.low, images.high);
      },
      4);
  const IntegerPlan plan = plan_integers(out.model, bits, spec, images.low < 0.0);
  EXPECT_TRUE(plan.problems.empty());
  out.integers = quantize_model(out.model, plan, choose_scales(plan, calibration, spec, {}), spec);
  return out;
}

std::vector<LayerBits> same_bits(const Network& network, LayerBits bits) {
  std::vector<LayerBits> all(matrix_layers(network).size(), bits);
  return all;
}

/// Error of the output relative to its spread, over two images that calibration saw.
double output_error(const Quantized& q, const Images& images) {
  FloatExecutor executor(q.model);
  Golden golden(q.integers.network, q.integers.source());
  const LayerId last = q.model.network.output();
  double error = 0.0;
  double size = 0.0;
  for (std::int64_t i = 0; i < 2; ++i) {
    const std::vector<float> x =
        test::float_image(q.model.network, images.seed, i, images.low, images.high);
    const std::vector<float>& want = executor.run(x);
    const Reals got = q.integers.real(last, golden.run(q.integers.input(x)));
    error += std::pow(test::rms_difference(got, want), 2);
    size += std::pow(test::rms_difference(want, Reals(want.size(), 0.0)), 2);
  }
  return std::sqrt(error / size);
}

double output_error(const Network& network,
                    LayerBits bits,
                    const QuantizationSpec& spec,
                    const Images& images) {
  return output_error(quantized(network, same_bits(network, bits), spec, images), images);
}

// ---- one layer at a time ------------------------------------------------------------------------

/// A real number and how far the integers may be from it, both in steps of the output.
struct Expected {
  double value = 0.0;
  double slack = 0.5;
};

class LayerFormulas {
 public:
  LayerFormulas(const Quantized& q, const QuantizationSpec& spec, const Golden& golden)
      : q_(q), net_(q.integers.network), spec_(spec), golden_(golden) {}

  void check(LayerId id) {
    const Layer& l = net_.layer(id);
    const std::vector<std::int32_t>& y = golden_.tensor(id);
    std::vector<Expected> want = formula(id);
    ASSERT_EQ(want.size(), y.size());
    const TensorScale s = q_.integers.scales[static_cast<std::size_t>(id)];
    const auto low = static_cast<double>(min_value(l.out_bits, l.out_signed));
    const auto high = static_cast<double>(max_value(l.out_bits, l.out_signed));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto zero = static_cast<double>(s.zero);
      const double slack = want[i].slack / s.scale + 0.5 + 1e-3 + 1e-4 * high * (high < 1e6);
      const double middle = want[i].value / s.scale + zero;
      ASSERT_GE(y[i], std::clamp(middle - slack, low, high) - 1e-9)
          << l.name << '[' << i << "] = " << y[i] << ", real " << middle << " +- " << slack;
      ASSERT_LE(y[i], std::clamp(middle + slack, low, high) + 1e-9)
          << l.name << '[' << i << "] = " << y[i] << ", real " << middle << " +- " << slack;
    }
  }

 private:
  /// Real value of an element as a matrix reads it: on the grid of `bits`.
  [[nodiscard]] double narrowed(LayerId from, std::int64_t index, int bits) const {
    const Layer& l = net_.layer(from);
    const TensorScale s = q_.integers.scales[static_cast<std::size_t>(from)];
    const int drop = std::max(0, l.out_bits - bits);
    const auto x = static_cast<double>(golden_.tensor(from)[static_cast<std::size_t>(index)]);
    double v = std::round(x / std::exp2(drop));
    v = std::min(v, static_cast<double>(max_value(std::min(bits, l.out_bits), l.out_signed)));
    return (v * std::exp2(drop) - static_cast<double>(s.zero)) * s.scale;
  }

  [[nodiscard]] double real(LayerId from, std::int64_t index) const {
    return narrowed(from, index, 64);
  }

  static double activated(Activation f, double t) {
    switch (f) {
      case Activation::none:
        break;
      case Activation::relu:
        return std::max(0.0, t);
      case Activation::relu6:
        return std::clamp(t, 0.0, 6.0);
      case Activation::gelu:
        return t * 0.5 * std::erfc(-t * std::sqrt(0.5));
      case Activation::sigmoid:
        return 1.0 / (1.0 + std::exp(-t));
      case Activation::tanh:
        return std::tanh(t);
    }
    return t;
  }

  /// Curves read an argument that is rounded to a step of their own.
  [[nodiscard]] double argument_step(const Layer& l) const {
    switch (l.activation) {
      case Activation::gelu:
        return 0.6 * std::exp2(-std::max(0, l.out_bits - 4));
      case Activation::sigmoid:
        return 0.5 * 0.25 * std::exp2(-std::max(0, l.out_bits - 2));
      case Activation::tanh:
        return 0.5 * std::exp2(-std::max(0, l.out_bits - 1));
      default:
        return 0.0;
    }
  }

  std::vector<Expected> formula(LayerId id) {
    const Layer& l = net_.layer(id);
    std::vector<Expected> y(static_cast<std::size_t>(l.out.elements()));
    switch (l.kind) {
      case LayerKind::conv:
      case LayerKind::fc:
      case LayerKind::linear:
        matrix(id, y);
        break;
      case LayerKind::add:
        for (std::size_t i = 0; i < y.size(); ++i) {
          const auto index = static_cast<std::int64_t>(i);
          y[i] = {real(l.inputs[0], index) + real(l.inputs[1], index), 0.0};
        }
        break;
      case LayerKind::concat:
        concat(id, y);
        break;
      case LayerKind::class_token:
        for (std::size_t i = 0; i < y.size(); ++i) {
          const std::vector<float>& e = q_.model.parameters[static_cast<std::size_t>(id)].embedding;
          y[i] = {i < e.size() ? static_cast<double>(e[i])
                               : real(l.inputs[0], static_cast<std::int64_t>(i - e.size())),
                  0.0};
        }
        break;
      case LayerKind::position_embedding:
        for (std::size_t i = 0; i < y.size(); ++i) {
          const std::vector<float>& e = q_.model.parameters[static_cast<std::size_t>(id)].embedding;
          y[i] = {real(l.inputs[0], static_cast<std::int64_t>(i)) + static_cast<double>(e[i]), 0.0};
        }
        break;
      case LayerKind::avg_pool:
      case LayerKind::max_pool:
        pool(id, y);
        break;
      default:  // activation, flatten
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = {real(l.inputs[0], static_cast<std::int64_t>(i)), 0.0};
        }
    }
    for (Expected& e : y) {
      e.value = activated(l.activation, e.value);
      e.slack += argument_step(l) + 2e-4 * std::abs(e.value);
    }
    return y;
  }

  /// The float weights; what their rounding may do is slack.
  void matrix(LayerId id, std::vector<Expected>& y) {
    const Layer& l = net_.layer(id);
    const LayerId from = l.inputs[0];
    const Shape& in = net_.in_shape(id);
    const FloatParameters& p = q_.model.parameters[static_cast<std::size_t>(id)];
    const MatrixShape m = matrix_shape(net_, id);
    const bool is_last = id == net_.output();
    const std::vector<WeightScale> scales = weight_scales(
        p.weights, m.groups * m.cols, l.w_bits, spec_.weights, spec_.per_channel && !is_last);
    const double in_step = q_.integers.scales[static_cast<std::size_t>(from)].scale *
                           std::exp2(std::max(0, net_.layer(from).out_bits - l.a_bits));
    for (std::int64_t o = 0; o < l.out.positions(); ++o) {
      for (std::int64_t c = 0; c < l.out.channels; ++c) {
        const WeightScale& s = scales[scales.size() == 1 ? 0 : static_cast<std::size_t>(c)];
        Expected e{p.bias.empty() ? 0.0 : static_cast<double>(p.bias[static_cast<std::size_t>(c)]),
                   in_step * s.scale};
        for (std::int64_t r = 0; r < m.rows; ++r) {
          const std::int64_t at = element(l, in, m, o, c, r);
          if (at < 0) {
            continue;  // padding
          }
          const double x = narrowed(from, at, l.a_bits);
          const float weight = p.weights[static_cast<std::size_t>(c * m.rows + r)];
          const double w = s.scale * quantize_weight(weight, s, l.w_bits);
          e.value += x * w;
        }
        y[static_cast<std::size_t>(o * l.out.channels + c)] = e;
      }
    }
  }

  static std::int64_t element(const Layer& l,
                              const Shape& in,
                              const MatrixShape& m,
                              std::int64_t o,
                              std::int64_t c,
                              std::int64_t r) {
    if (l.kind != LayerKind::conv) {
      return o * m.rows + r;
    }
    const std::int64_t part = in.channels / l.groups;
    const std::int64_t tap = r / part;
    const std::int64_t row = o / l.out.width * l.window.stride_h - l.window.pad_top +
                             tap / l.window.kernel_w * l.window.dilation_h;
    const std::int64_t column = o % l.out.width * l.window.stride_w - l.window.pad_left +
                                tap % l.window.kernel_w * l.window.dilation_w;
    if (row < 0 || row >= in.height || column < 0 || column >= in.width) {
      return -1;
    }
    return (row * in.width + column) * in.channels + c / m.cols * part + r % part;
  }

  void concat(LayerId id, std::vector<Expected>& y) {
    const Layer& l = net_.layer(id);
    std::int64_t begin = 0;
    for (const LayerId from : l.inputs) {
      const std::int64_t part = net_.layer(from).out.channels;
      for (std::int64_t i = 0; i < net_.layer(from).out.elements(); ++i) {
        y[static_cast<std::size_t>(i / part * l.out.channels + begin + i % part)] = {real(from, i),
                                                                                     0.0};
      }
      begin += part;
    }
  }

  void pool(LayerId id, std::vector<Expected>& y) {
    const Layer& l = net_.layer(id);
    const Shape& in = net_.in_shape(id);
    const bool is_max = l.kind == LayerKind::max_pool;
    for (std::int64_t o = 0; o < l.out.positions(); ++o) {
      for (std::int64_t c = 0; c < in.channels; ++c) {
        double v = is_max ? -1e300 : 0.0;
        for (int k = 0; k < l.window.kernel_h * l.window.kernel_w; ++k) {
          const std::int64_t row =
              o / l.out.width * l.window.stride_h + k / l.window.kernel_w - l.window.pad_top;
          const std::int64_t column =
              o % l.out.width * l.window.stride_w + k % l.window.kernel_w - l.window.pad_left;
          if (row >= 0 && row < in.height && column >= 0 && column < in.width) {
            const double x = real(l.inputs[0], (row * in.width + column) * in.channels + c);
            v = is_max ? std::max(v, x) : v + x / (l.window.kernel_h * l.window.kernel_w);
          }
        }
        y[static_cast<std::size_t>(o * in.channels + c)] = {v, 0.0};
      }
    }
  }

  const Quantized& q_;
  const Network& net_;
  const QuantizationSpec& spec_;
  const Golden& golden_;
};

template <class E, std::size_t N>
E pick(Rng& rng, const std::array<E, N>& from) {
  return from[static_cast<std::size_t>(rng.uniform(0, N - 1))];
}

/// Random networks, widths, methods, signed and unsigned images, with and without zero points.
TEST(Quantization, EveryLayerFollowsItsFormula) {
  int zero_points = 0;
  for (std::uint64_t seed = test::test_seed(); seed < test::test_seed() + 60; ++seed) {
    SCOPED_TRACE("TESSERA_SEED=" + std::to_string(seed));
    Rng rng(seed, "quantization");
    const Network network = test::random_network(rng);
    std::vector<LayerBits> bits;
    for (std::size_t k = 0; k < matrix_layers(network).size(); ++k) {
      bits.push_back({static_cast<int>(rng.uniform(2, 9)), static_cast<int>(rng.uniform(2, 9))});
    }
    QuantizationSpec spec;
    spec.per_channel = rng.chance(0.5);
    spec.asymmetric = rng.chance(0.6);
    spec.weights = pick(
        rng, std::array{WeightMethod::max, WeightMethod::mse, WeightMethod::kl, WeightMethod::twn});
    spec.activations = pick(
        rng,
        std::array{RangeMethod::max, RangeMethod::percentile, RangeMethod::mse, RangeMethod::kl});
    const Images images{seed, rng.chance(0.5) ? -0.7 : 0.0, 1.0};
    const Quantized q = quantized(network, bits, spec, images);
    Golden golden(q.integers.network, q.integers.source());
    golden.run(q.integers.input(test::float_image(network, seed, 1, images.low, images.high)));
    LayerFormulas formulas(q, spec, golden);
    for (LayerId id = 1; id <= network.output(); ++id) {
      formulas.check(id);
      if (HasFatalFailure()) {
        return;
      }
    }
    zero_points += static_cast<int>(
        std::count_if(q.integers.scales.begin(), q.integers.scales.end(), [](const TensorScale& s) {
          return s.zero != 0;
        }));
  }
  EXPECT_GT(zero_points, 5);
}

// ---- whole networks -----------------------------------------------------------------------------

/// Images of 16 bits, so that only what is under test is coarse.
Network chain() {
  Builder b("chain", {8, 8, 3}, 16);
  b.conv(
      "c1", b.last(), {.channels = 16, .kernel = 3, .padding = 1, .activation = Activation::relu});
  b.max_pool("pool", b.last(), {});
  b.conv(
      "c2", b.last(), {.channels = 24, .kernel = 3, .padding = 1, .activation = Activation::relu});
  b.fc("head", b.last(), 32);
  return b.build();
}

TEST(Quantization, TheErrorHalvesWithEveryBit) {
  for (const bool per_channel : {false, true}) {
    QuantizationSpec spec;
    spec.per_channel = per_channel;
    double last = 0.0;
    for (int bits = 3; bits <= 11; ++bits) {
      double error = 0.0;  // mean over some networks
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        error += output_error(chain(), {bits, bits}, spec, {seed, 0.0, 1.0}) / 6;
      }
      EXPECT_LT(error, 5.0 * std::exp2(-bits)) << bits;
      if (last > 0.0) {
        EXPECT_GT(error, last * 0.35) << bits;
        EXPECT_LT(error, last * 0.65) << bits;
      }
      last = error;
    }
  }
}

TEST(Quantization, SixteenBitsAreNearlyFloat) {
  for (std::uint64_t seed = test::test_seed(); seed < test::test_seed() + 25; ++seed) {
    SCOPED_TRACE("TESSERA_SEED=" + std::to_string(seed));
    Rng rng(seed, "sixteen");
    QuantizationSpec spec;
    spec.asymmetric = rng.chance(0.5);
    const Images images{seed, rng.chance(0.5) ? -1.0 : 0.0, 1.0};
    Network network = test::random_network(rng);
    network.layers.front().out_bits = 16;
    EXPECT_LT(output_error(network, {16, 16}, spec, images), 1e-3);
  }
}

TEST(Quantization, AttentionAtSixteenBitsIsNearlyFloat) {
  Network network = zoo("attention_block");
  const Images images{5, 0.0, 1.0};
  network.layers.front().out_bits = 16;
  EXPECT_LT(output_error(network, {16, 16}, {}, images), 2e-3);
  EXPECT_LT(output_error(network, {8, 8}, {}, images), 0.1);
}

/// Of the weights in every network, of the output on average: errors of columns may cancel.
TEST(Quantization, AScalePerChannelIsBetter) {
  for (const int bits : {3, 4, 6}) {
    double each = 0.0;
    double one = 0.0;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      QuantizationSpec spec;
      const Images images{seed, 0.0, 1.0};
      spec.per_channel = true;
      each += output_error(chain(), {bits, 12}, spec, images);
      spec.per_channel = false;
      one += output_error(chain(), {bits, 12}, spec, images);
      const FloatModel model = test::float_model(chain(), seed);
      const std::vector<float>& w = model.parameters[1].weights;
      const auto error = [&](bool per_channel) {
        const std::vector<WeightScale> s =
            weight_scales(w, 16, bits, WeightMethod::mse, per_channel);
        const std::vector<std::int32_t> q = quantize_weights(w, s, bits);
        Reals back(w.size());
        for (std::size_t i = 0; i < w.size(); ++i) {
          back[i] = q[i] * s[i * s.size() / w.size()].scale;
        }
        return test::rms_difference(w, back);
      };
      EXPECT_LT(error(true), error(false)) << bits;
    }
    EXPECT_LT(each, 0.95 * one) << bits;
  }
}

/// Images in [-0.05, 1]: a sign would waste half of the integers.
TEST(Quantization, AZeroPointIsBetterForAShiftedTensor) {
  for (const int bits : {3, 5, 8}) {
    Builder b("one", {1, 1, 64}, bits);
    b.fc("fc", b.last(), 32);
    const Images images{6, -0.05, 1.0};
    QuantizationSpec spec;
    spec.asymmetric = true;
    const double asymmetric = output_error(b.build(), {16, bits}, spec, images);
    spec.asymmetric = false;
    EXPECT_LT(asymmetric, 0.7 * output_error(b.build(), {16, bits}, spec, images)) << bits;
  }
}

TEST(Quantization, CodebooksLeaveAsManyDifferentWeights) {
  QuantizationSpec spec;
  spec.codebook = 6;
  const Images images{7, 0.0, 1.0};
  const Network network = chain();
  const Quantized q = quantized(network, same_bits(network, {8, 8}), spec, images);
  for (const LayerId id : matrix_layers(network)) {
    std::vector<std::int32_t> w = q.integers.parameters[static_cast<std::size_t>(id)].weights;
    std::sort(w.begin(), w.end());
    w.erase(std::unique(w.begin(), w.end()), w.end());
    EXPECT_EQ(w.size(), 6U);
    EXPECT_EQ(std::max(std::abs(w.front()), std::abs(w.back())), 127);
  }
  const double coarse = output_error(q, images);
  spec.codebook = 64;
  EXPECT_LT(output_error(network, {8, 8}, spec, images), 0.5 * coarse);
}

TEST(Quantization, TernaryWeightsAreThreeIntegers) {
  QuantizationSpec spec;
  spec.weights = WeightMethod::twn;
  const Network network = chain();
  const Quantized q = quantized(network, same_bits(network, {2, 8}), spec, {});
  for (const LayerId id : matrix_layers(network)) {
    const auto& w = q.integers.parameters[static_cast<std::size_t>(id)].weights;
    EXPECT_EQ(*std::min_element(w.begin(), w.end()), -1);
    EXPECT_EQ(*std::max_element(w.begin(), w.end()), 1);
    EXPECT_EQ(std::count(w.begin(), w.end(), 0) > 0, true);
  }
}

/// What was learned is used; at another width the full scale is kept.
TEST(Quantization, GivenScalesDecide) {
  const Network network = chain();
  const FloatModel model = test::float_model(network, 1);
  const IntegerPlan plan = plan_integers(model, same_bits(network, {8, 6}), {}, false);
  const Calibration calibration = calibrate(
      model, [&](std::int64_t i) { return test::float_image(network, 1, i, 0, 1); }, 2);
  std::vector<std::optional<GivenScale>> given(network.layers.size());
  given[1] = GivenScale{{0.01, 0}, 0};
  given[3] = GivenScale{{0.02, 0}, 8};
  const std::vector<TensorScale> scales = choose_scales(plan, calibration, {}, given);
  EXPECT_EQ(scales[1].scale, 0.01);
  EXPECT_EQ(scales[2].scale, 0.01);  // the pool behind it
  EXPECT_EQ(scales[3].scale, 0.08);
  EXPECT_EQ(scales[0], choose_scales(plan, calibration, {}, {})[0]);
}

/// The full scale covers the token, which may be larger than what is read; at 8 bits nothing clips.
TEST(Quantization, AClassTokenWidensTheRange) {
  Builder b("token", {2, 2, 3});
  b.class_token("token", b.last());
  b.linear("head", b.last(), 2);
  FloatModel model = test::float_model(b.build(), 1);
  model.parameters[1].embedding = {-3.0F, 0.5F, 2.0F};
  QuantizationSpec spec;
  spec.activations = RangeMethod::max;
  const IntegerPlan plan = plan_integers(model, {{8, 8}}, spec, false);
  const Calibration calibration = calibrate(
      model, [&](std::int64_t i) { return test::float_image(model.network, 1, i, 0, 1); }, 2);
  const std::vector<TensorScale> scales = choose_scales(plan, calibration, spec, {});
  EXPECT_NEAR(scales[1].scale, 3.0 / 127, 1e-12);
  EXPECT_NEAR(scales[0].scale, scales[1].scale / 2, 1e-12);  // unsigned: one bit more
  const IntegerModel integers = quantize_model(model, plan, scales, spec);
  EXPECT_EQ(integers.parameters[1].embedding, (std::vector<std::int64_t>{-127, 21, 85}));
}

TEST(Quantization, SaysWhichScalesContradictEachOther) {
  Builder b("conflict", {2, 2, 2});
  const LayerId x = b.last();
  const LayerId a = b.activation("a", x, Activation::sigmoid);
  const LayerId c = b.activation("c", x, Activation::gelu);
  b.concat("joined", {a, c});
  const LayerId y = b.activation("y", b.last(), Activation::sigmoid);
  b.softmax("soft", y, 1);
  const FloatModel model{b.build(), std::vector<FloatParameters>(6)};
  const IntegerPlan plan = plan_integers(model, {}, {}, false);
  ASSERT_EQ(plan.problems.size(), 2U);
  EXPECT_NE(plan.problems[0].find("'joined' joins"), std::string::npos) << plan.problems[0];
  EXPECT_NE(plan.problems[1].find("'soft' reads 'y'"), std::string::npos) << plan.problems[1];
}

}  // namespace
}  // namespace tessera
