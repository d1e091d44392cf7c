// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Gradients against central differences (in double), Adam against its definition.
#include "mapper/rl/dense_net.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tessera::mapper::rl {
namespace {

const DenseShape& actor() {
  static const DenseShape kShape{{10}, {12, 9, 1}, OutputKind::sigmoid};
  return kShape;
}

const DenseShape& critic() {
  static const DenseShape kShape{{10, 1}, {12, 9, 1}, OutputKind::linear};
  return kShape;
}

constexpr int kRows = 5;
constexpr double kStep = 1e-6;

std::vector<double> random_values(Rng& rng, std::size_t count) {
  std::vector<double> out(count);
  for (double& value : out) {
    value = 2 * rng.uniform01() - 1;
  }
  return out;
}

/// A scalar of the outputs with different slopes for the rows.
double loss(std::span<const double> y) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    sum += 0.5 * y[i] * y[i] * static_cast<double>(i + 1);
  }
  return sum;
}

std::vector<double> slope(std::span<const double> y) {
  std::vector<double> out;
  for (std::size_t i = 0; i < y.size(); ++i) {
    out.push_back(y[i] * static_cast<double>(i + 1));
  }
  return out;
}

class Gradients : public testing::TestWithParam<const DenseShape*> {};

TEST_P(Gradients, OfParametersAreTheCentralDifferences) {
  Rng rng(7, "gradients");
  DenseNet<double> net(*GetParam(), kRows);
  net.initialize(rng);
  const std::size_t inputs = GetParam()->inputs.size() == 2 ? 11 : 10;
  const std::vector<double> x = random_values(rng, kRows * inputs);
  net.backward(slope(net.forward(x)));
  const std::vector<double> gradients(net.gradients().begin(), net.gradients().end());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const double before = net.parameters()[i];
    net.parameters()[i] = before + kStep;
    const double above = loss(net.forward(x));
    net.parameters()[i] = before - kStep;
    const double below = loss(net.forward(x));
    net.parameters()[i] = before;
    ASSERT_NEAR(gradients[i], (above - below) / (2 * kStep), 1e-7) << "parameter " << i;
  }
}

TEST_P(Gradients, OfInputsAreTheCentralDifferences) {
  Rng rng(8, "gradients");
  DenseNet<double> net(*GetParam(), kRows);
  net.initialize(rng);
  const std::size_t inputs = GetParam()->inputs.size() == 2 ? 11 : 10;
  std::vector<double> x = random_values(rng, kRows * inputs);
  const std::span<const double> dx = net.backward_to_input(slope(net.forward(x)));
  const std::vector<double> gradients(dx.begin(), dx.end());
  ASSERT_EQ(gradients.size(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {  // the last rows of the critic's are dQ / da
    const double before = x[i];
    x[i] = before + kStep;
    const double above = loss(net.forward(x));
    x[i] = before - kStep;
    const double below = loss(net.forward(x));
    x[i] = before;
    ASSERT_NEAR(gradients[i], (above - below) / (2 * kStep), 1e-7) << "input " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, Gradients, testing::Values(&actor(), &critic()));

TEST(DenseNet, StartsAsTorchDoes) {
  Rng rng(1, "init");
  DenseNet<float> net({{10, 1}, {300, 300, 1}, OutputKind::linear}, 1);
  net.initialize(rng);
  const std::span<const float> p = net.parameters();
  ASSERT_EQ(p.size(), 11U * 300 + 2 * 300 + 300 * 300 + 300 + 300 + 1);
  const auto largest = [&](std::size_t at, std::size_t count) {
    float out = 0;
    for (const float value : p.subspan(at, count)) {
      out = std::max(out, std::abs(value));
    }
    return out;
  };
  const float by_ten = 1 / std::sqrt(10.0F);
  const float by_hidden = 1 / std::sqrt(300.0F);
  EXPECT_LE(largest(0, 3000), by_ten);  // state weights
  EXPECT_GT(largest(0, 3000), 0.99F * by_ten);
  EXPECT_LE(largest(3000, 300), 1.0F);  // action weights
  EXPECT_GT(largest(3000, 300), 0.9F);
  EXPECT_LE(largest(3300, 300), by_ten);  // bias of the state's map
  EXPECT_GT(largest(3600, 300), 0.9F);    // bias of the action's map
  EXPECT_LE(largest(3900, 90'601), by_hidden);
  EXPECT_GT(largest(3900, 90'000), 0.99F * by_hidden);
}

TEST(DenseNet, OneRowGivesTheBitsItGivesInABatch) {
  Rng rng(3, "rows");
  DenseNet<float> net({{10}, {300, 300, 1}, OutputKind::sigmoid}, 64);
  net.initialize(rng);
  std::vector<float> batch(std::size_t{64} * 10);
  for (float& value : batch) {
    value = static_cast<float>(rng.uniform01());
  }
  const std::span<const float> y = net.forward(batch);
  const std::vector<float> all(y.begin(), y.end());
  for (std::size_t row = 0; row < 64; row += 9) {
    std::vector<float> one(10);
    for (std::size_t f = 0; f < 10; ++f) {
      one[f] = batch[row + f * 64];
    }
    EXPECT_EQ(net.forward(one)[0], all[row]);
  }
}

TEST(Adam, FollowsItsDefinition) {
  constexpr double kRate = 1e-2;
  std::vector<double> p = {0.5, -2.0};
  Adam<double> adam(p.size(), kRate);
  std::vector<double> expected = p;
  std::vector<double> m(2);
  std::vector<double> v(2);
  for (int t = 1; t <= 20; ++t) {
    const std::vector<double> g = {std::sin(t), 0.1 * t - 1};
    adam.step(p, g);
    for (std::size_t i = 0; i < 2; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(0.9, t));
      const double v_hat = v[i] / (1 - std::pow(0.999, t));
      expected[i] -= kRate * m_hat / (std::sqrt(v_hat) + 1e-8);
      ASSERT_NEAR(p[i], expected[i], 1e-12) << "step " << t;
    }
  }
}

TEST(DenseNet, AdamFitsASmallFunction) {
  Rng rng(5, "fit");
  DenseNet<float> net({{2}, {32, 32, 1}, OutputKind::linear}, 64);
  net.initialize(rng);
  Adam<float> adam(net.parameters().size(), 1e-2);
  std::vector<float> x(128);
  std::vector<float> dy(64);
  double error = 1;
  for (int step = 0; step < 400; ++step) {
    for (float& value : x) {
      value = static_cast<float>(rng.uniform01());
    }
    const std::span<const float> y = net.forward(x);
    error = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      const float miss = y[i] - x[i] * x[i + 64];
      error += static_cast<double>(miss * miss) / 64;
      dy[i] = 2 * miss / 64;
    }
    net.backward(dy);
    adam.step(net.parameters(), net.gradients());
  }
  EXPECT_LT(error, 1e-3);
}

}  // namespace
}  // namespace tessera::mapper::rl
