// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/torch_ops.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

namespace tessera::train {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Replace : torch::autograd::Function<Replace> {
  static at::Tensor forward(AutogradContext* /*context*/,
                            const at::Tensor& x,
                            const at::Tensor& value) {
    (void)x;
    return value.clone();
  }

  static variable_list backward(AutogradContext* /*context*/, variable_list gradient) {
    return {gradient[0], at::Tensor()};
  }
};

}  // namespace

at::Tensor round_away(const at::Tensor& x) {
  const at::NoGradGuard no_gradient;
  // x - trunc(x) is exact, so the comparison is.
  const at::Tensor is_tie = (x - x.trunc()).abs() == 0.5;
  return at::where(is_tie, x + x.sign() * 0.5, x.round());
}

at::Tensor replace_through(const at::Tensor& x, const at::Tensor& value) {
  return Replace::apply(x, value.detach());
}

at::Tensor round_through(const at::Tensor& x) {
  return replace_through(x, round_away(x));
}

at::Tensor quantize_through(const at::Tensor& x, std::int64_t low, std::int64_t high) {
  return round_through(x.clamp(low, high));
}

at::Tensor narrow_through(const at::Tensor& x, int by, std::int64_t low, std::int64_t high) {
  return by <= 0 ? x : quantize_through(x * std::ldexp(1.0, -by), low, high);
}

at::Tensor normal_like(const at::Tensor& like, std::uint64_t seed) {
  return at::normal(0.0, 1.0, like.sizes(), at::detail::createCPUGenerator(seed), at::kFloat);
}

at::Tensor clipping_error(const at::Tensor& x,
                          const at::Tensor& weights,
                          int x_bits,
                          const NoisePlan& noise) {
  const std::int64_t groups = x.size(1);
  const std::int64_t rows = x.size(2);
  const std::int64_t cols = weights.size(0) / groups;
  const double limit = std::ldexp(1.0, noise.adc_bits) - 1;
  const double cell = std::ldexp(1.0, noise.cell_bits);
  at::Tensor error = at::zeros({groups, x.size(0), cols});
  // [group][vector][row] and [group][row][column]
  const at::Tensor in = x.permute({1, 0, 2}).remainder(std::ldexp(1.0, x_bits));
  const at::Tensor matrix = weights.reshape({groups, cols, rows}).permute({0, 2, 1});
  for (std::int64_t first = 0; first < rows; first += noise.adc_rows) {
    const std::int64_t count = std::min<std::int64_t>(noise.adc_rows, rows - first);
    if (static_cast<double>(count) * (cell - 1) <= limit) {
      continue;  // no sum of this group can clip
    }
    for (const double sign : {1.0, -1.0}) {
      at::Tensor left = (matrix.narrow(1, first, count) * sign).clamp_min(0);
      for (double place = sign; left.max().item<float>() > 0; place *= cell) {
        const at::Tensor digit = left.remainder(cell);
        left = (left / cell).floor();
        for (int bit = 0; bit < x_bits; ++bit) {
          const at::Tensor plane =
              (in.narrow(2, first, count) * std::ldexp(1.0, -bit)).floor().remainder(2);
          const bool is_sign = bit == x_bits - 1 && x.min().item<float>() < 0;
          const double worth = place * std::ldexp(is_sign ? -1.0 : 1.0, bit);
          error += (limit - at::matmul(plane, digit)).clamp_max(0) * worth;
        }
      }
    }
  }
  return error.permute({1, 0, 2}).reshape({x.size(0), groups * cols});
}

}  // namespace tessera::train
