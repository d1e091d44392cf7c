// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Are the networks of mapper/rl what torch computes? Actor and critic of HAQ's agent (300-300, a
/// batch of 64) built from torch::nn::Linear with the same parameters: outputs, gradients by
/// autograd, and the parameters after steps of torch::optim::Adam. Built only where libtorch is
/// installed.
#include "mapper/rl/dense_net.hpp"

#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

// The first one first: clang wants complete types in vectors.
// clang-format off
#include <ATen/core/ivalue.h>
#include <torch/torch.h>
// clang-format on

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

namespace tessera::mapper::rl {
namespace {

constexpr std::int64_t kRows = 64;
constexpr int kHidden = 300;

/// HAQ's Actor or Critic in torch. DenseNet's flat vector: per layer its weights (column-major
/// [out][in], the inputs side by side), then a vector of biases per input.
class TorchNet {
 public:
  explicit TorchNet(const DenseShape& shape) : shape_(shape) {
    for (const int input : shape.inputs) {
      first_.emplace_back(input, shape.widths.front());
    }
    for (std::size_t l = 1; l < shape.widths.size(); ++l) {
      rest_.emplace_back(shape.widths[l - 1], shape.widths[l]);
    }
    for (torch::nn::Linear& linear : all()) {
      linear->to(torch::kFloat64);
    }
  }

  [[nodiscard]] std::vector<torch::nn::Linear> all() const {
    std::vector<torch::nn::Linear> out = first_;
    out.insert(out.end(), rest_.begin(), rest_.end());
    return out;
  }

  [[nodiscard]] std::vector<torch::Tensor> parameters() const {
    std::vector<torch::Tensor> out;
    for (const torch::nn::Linear& linear : all()) {
      out.push_back(linear->weight);
      out.push_back(linear->bias);
    }
    return out;
  }

  /// x [rows][inputs].
  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y;
    std::int64_t at = 0;
    for (std::size_t i = 0; i < first_.size(); ++i) {
      const std::int64_t width = shape_.inputs[i];
      const torch::Tensor part = first_[i](x.slice(1, at, at + width));
      y = i == 0 ? part : y + part;
      at += width;
    }
    for (torch::nn::Linear& linear : rest_) {
      y = linear(torch::relu(y));
    }
    return shape_.output == OutputKind::sigmoid ? torch::sigmoid(y) : y;
  }

  /// Copies DenseNet's parameters in.
  void set(std::span<const double> flat) {
    const torch::NoGradGuard no_gradients;
    std::size_t at = 0;
    for_each([&](torch::nn::Linear& linear, bool weights) {
      torch::Tensor& to = weights ? linear->weight : linear->bias;
      const std::int64_t columns = weights ? to.size(1) : 1;
      const torch::Tensor values = torch::tensor(
          at::ArrayRef<double>(flat.data() + at, static_cast<std::size_t>(to.numel())),
          torch::kFloat64);
      to.copy_(values.view({columns, to.size(0)}).t().reshape(to.sizes()));
      at += static_cast<std::size_t>(to.numel());
    });
    ASSERT_EQ(at, flat.size());
  }

  /// Parameters or their gradients in DenseNet's order.
  [[nodiscard]] std::vector<double> flat(bool gradients) {
    std::vector<double> out;
    for_each([&](torch::nn::Linear& linear, bool weights) {
      const torch::Tensor& of = weights ? linear->weight : linear->bias;
      const torch::Tensor values =
          (gradients ? of.grad() : of.detach()).to(torch::kFloat64).t().contiguous();
      const auto* data = values.data_ptr<double>();
      out.insert(out.end(), data, data + values.numel());
    });
    return out;
  }

 private:
  template <class Visit>
  void for_each(Visit&& visit) {
    for (const bool weights : {true, false}) {
      for (torch::nn::Linear& linear : first_) {
        visit(linear, weights);
      }
    }
    for (torch::nn::Linear& linear : rest_) {
      visit(linear, true);
      visit(linear, false);
    }
  }

  DenseShape shape_;
  std::vector<torch::nn::Linear> first_;
  std::vector<torch::nn::Linear> rest_;
};

struct Case {
  const char* name;
  DenseShape shape;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

class AgainstTorch : public testing::TestWithParam<Case> {
 protected:
  AgainstTorch() : net_(GetParam().shape, kRows), torch_(GetParam().shape) {
    torch::set_num_threads(1);
    Rng rng(11, "against torch");
    net_.initialize(rng);
    torch_.set(net_.parameters());
    std::int64_t inputs = 0;
    for (const int input : GetParam().shape.inputs) {
      inputs += input;
    }
    x_.resize(static_cast<std::size_t>(kRows * inputs));
    for (double& value : x_) {
      value = 2 * rng.uniform01() - 1;
    }
    // Column-major [rows][inputs] is row-major [inputs][rows].
    tensor_ = torch::from_blob(x_.data(), {inputs, kRows}, torch::kFloat64).t().clone();
    for (std::int64_t row = 0; row < kRows; ++row) {
      slope_.push_back(2 * rng.uniform01() - 1);
    }
  }

  /// The scalar whose derivative by output `row` is slope_[row].
  torch::Tensor scalar(const torch::Tensor& y) {
    return (y.squeeze(1) * torch::tensor(slope_, torch::kFloat64)).sum();
  }

  static void expect_near(std::span<const double> ours,
                          std::span<const double> theirs,
                          double tolerance,
                          const char* what) {
    ASSERT_EQ(ours.size(), theirs.size()) << what;
    double scale = 0;
    double worst = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      scale = std::max(scale, std::abs(theirs[i]));
      worst = std::max(worst, std::abs(ours[i] - theirs[i]));
    }
    EXPECT_GT(scale, 0) << what;
    EXPECT_LE(worst, tolerance * scale) << what;
  }

  DenseNet<double> net_;
  TorchNet torch_;
  std::vector<double> x_;  ///< as DenseNet reads it
  torch::Tensor tensor_;   ///< the same, [rows][inputs]
  std::vector<double> slope_;
};

TEST_P(AgainstTorch, OutputsAndGradientsAreEqual) {
  tensor_.requires_grad_(true);
  const torch::Tensor y = torch_.forward(tensor_);
  scalar(y).backward();
  const std::span<const double> ours = net_.forward(x_);
  const torch::Tensor values = y.detach().contiguous();
  expect_near(ours, {values.data_ptr<double>(), ours.size()}, 1e-12, "outputs");
  const std::span<const double> dx = net_.backward_to_input(slope_);
  const torch::Tensor by_input = tensor_.grad().t().contiguous();
  expect_near(dx, {by_input.data_ptr<double>(), dx.size()}, 1e-11, "gradients by the inputs");
  net_.forward(x_);
  net_.backward(slope_);
  expect_near(net_.gradients(), torch_.flat(true), 1e-11, "gradients by the parameters");
}

/// Twenty steps, with HAQ's learning rates: what is learned, not only the first gradient.
TEST_P(AgainstTorch, AdamTakesTheSameSteps) {
  const double rate = GetParam().shape.output == OutputKind::sigmoid ? 1e-4 : 1e-3;
  Adam<double> adam(net_.parameters().size(), rate);
  torch::optim::Adam theirs(torch_.parameters(), torch::optim::AdamOptions(rate));
  const std::vector<double> before(net_.parameters().begin(), net_.parameters().end());
  for (int step = 0; step < 20; ++step) {
    net_.forward(x_);
    net_.backward(slope_);
    adam.step(net_.parameters(), net_.gradients());
    theirs.zero_grad();
    scalar(torch_.forward(tensor_)).backward();
    theirs.step();
  }
  expect_near(net_.parameters(), torch_.flat(false), 1e-9, "parameters after 20 steps");
  double moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    moved = std::max(moved, std::abs(net_.parameters()[i] - before[i]));
  }
  EXPECT_GT(moved, 10 * rate);
}

INSTANTIATE_TEST_SUITE_P(
    Haq,
    AgainstTorch,
    testing::Values(Case{"actor", {{10}, {kHidden, kHidden, 1}, OutputKind::sigmoid}},
                    Case{"critic", {{10, 1}, {kHidden, kHidden, 1}, OutputKind::linear}}),
    [](const testing::TestParamInfo<Case>& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace tessera::mapper::rl
