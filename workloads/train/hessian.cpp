// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/hessian.hpp"

#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "workloads/train/net.hpp"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tessera::train {

namespace {

constexpr std::int64_t kBatch = 256;  ///< images whose graph is held at a time

at::Tensor signs_like(const at::Tensor& tensor, Rng& rng) {
  at::Tensor out = at::empty(tensor.sizes(), at::kFloat);
  std::generate_n(out.data_ptr<float>(), out.numel(), [&rng] {
    return (rng.bits() >> 63U) != 0 ? 1.0F : -1.0F;
  });
  return out;
}

}  // namespace

std::vector<LayerTrace> hessian_traces(const FloatModel& model,
                                       const data::Images& images,
                                       std::int64_t samples,
                                       std::uint64_t seed) {
  Net net(model);
  const std::vector<at::Tensor> weights = net.weights();
  std::vector<LayerTrace> out;
  for (const LayerId id : matrix_layers(model.network)) {
    if (!model.network.layer(id).has_dynamic_weights()) {
      const at::Tensor w = weights[out.size()].detach().to(at::kDouble);
      out.push_back({model.network.layer(id).name, 0, 0, w.square().mean().sqrt().item<double>()});
    }
  }
  std::vector<double> squares(out.size(), 0.0);
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    Rng rng(seed, fmt::format("hessian/{}", sample));
    std::vector<at::Tensor> v;
    v.reserve(weights.size());
    for (const at::Tensor& w : weights) {
      v.push_back(signs_like(w, rng));
    }
    std::vector<double> found(out.size(), 0.0);
    for (std::int64_t first = 0; first < images.count; first += kBatch) {
      const std::int64_t count = std::min(kBatch, images.count - first);
      const at::Tensor x =
          image_tensor(images.shape, count, images.values.data() + first * images.shape.elements());
      at::Tensor labels = at::empty({count}, at::kLong);
      std::copy_n(images.labels.data() + first, count, labels.data_ptr<std::int64_t>());
      const at::Tensor loss = at::cross_entropy_loss(net.forward(x), labels);
      const auto gradient = torch::autograd::grad({loss}, weights, {}, true, true);
      at::Tensor slope = at::zeros({});
      for (std::size_t k = 0; k < weights.size(); ++k) {
        slope = slope + (gradient[k] * v[k]).sum();
      }
      const auto product = torch::autograd::grad({slope}, weights, {}, false, false, true);
      for (std::size_t k = 0; k < weights.size(); ++k) {
        if (product[k].defined()) {
          found[k] += (product[k] * v[k]).sum().item<double>() * static_cast<double>(count) /
                      static_cast<double>(images.count);
        }
      }
    }
    for (std::size_t k = 0; k < out.size(); ++k) {
      out[k].trace += found[k] / static_cast<double>(samples);
      squares[k] += found[k] * found[k] / static_cast<double>(samples);
    }
  }
  for (std::size_t k = 0; k < out.size() && samples > 1; ++k) {
    out[k].deviation = std::sqrt(std::max(0.0, squares[k] - out[k].trace * out[k].trace) /
                                 static_cast<double>(samples - 1));
  }
  return out;
}

std::string trace_csv(const std::vector<LayerTrace>& traces) {
  std::string out = "layer,trace,weight_rms\n";
  for (const LayerTrace& one : traces) {
    out += fmt::format(
        "{},{},{}\n", one.layer, format_number(one.trace), format_number(one.weight_rms));
  }
  return out;
}

}  // namespace tessera::train
