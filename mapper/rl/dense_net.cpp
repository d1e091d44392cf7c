// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/dense_net.hpp"

#include "mapper/rl/kernels.hpp"
#include "sim/base/product.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace tessera::mapper::rl {
namespace {

template <class T>
using Matrix = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using ConstMatrix = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;

}  // namespace

template <class T>
DenseNet<T>::DenseNet(DenseShape shape, int batch) : shape_(std::move(shape)) {
  const auto most_rows = static_cast<std::size_t>(batch);
  std::size_t size = 0;
  std::size_t widest = 0;
  std::ptrdiff_t in = std::accumulate(shape_.inputs.begin(), shape_.inputs.end(), 0);
  for (const int width : shape_.widths) {
    Layer layer;
    layer.in = in;
    layer.out = width;
    layer.biases = layers_.empty() ? std::ssize(shape_.inputs) : 1;
    layer.weights_at = size;
    layer.biases_at = size + static_cast<std::size_t>(layer.in * layer.out);
    size = layer.biases_at + static_cast<std::size_t>(layer.biases * layer.out);
    layer.x.resize(most_rows * static_cast<std::size_t>(in));
    layer.dx.resize(layer.x.size());
    widest = std::max(widest, most_rows * static_cast<std::size_t>(width));
    layers_.push_back(std::move(layer));
    in = width;
  }
  y_.resize(most_rows * static_cast<std::size_t>(in));
  dy_.resize(y_.size());
  transposed_.resize(widest);
  parameters_.resize(size);
  gradients_.resize(size);
}

template <class T>
void DenseNet<T>::initialize(Rng& rng) {
  const auto draw = [&](std::size_t at, double bound) {
    parameters_[at] = static_cast<T>(bound * (2 * rng.uniform01() - 1));
  };
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const std::vector<int> inputs =
        l == 0 ? shape_.inputs : std::vector<int>{static_cast<int>(layer.in)};
    std::ptrdiff_t first = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const double bound = 1 / std::sqrt(static_cast<double>(inputs[i]));
      for (std::ptrdiff_t o = 0; o < layer.out; ++o) {
        for (std::ptrdiff_t k = first; k < first + inputs[i]; ++k) {
          draw(layer.weights_at + static_cast<std::size_t>(o + k * layer.out), bound);
        }
        draw(
            layer.biases_at + i * static_cast<std::size_t>(layer.out) + static_cast<std::size_t>(o),
            bound);
      }
      first += inputs[i];
    }
  }
}

template <class T>
std::span<const T> DenseNet<T>::forward(std::span<const T> x) {
  rows_ = std::ssize(x) / layers_.front().in;
  std::copy(x.begin(), x.end(), layers_.front().x.begin());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const bool is_last = l + 1 == layers_.size();
    T* const out = is_last ? y_.data() : layers_[l + 1].x.data();
    const T* const weights = &parameters_[layer.weights_at];
    if (rows_ == 1) {  // the same sums, but outputs share registers instead of rows
      product<T>(layer.out, 1, layer.in, weights, {layer.x.data(), 1, 0}, out);
    } else {
      product<T>(rows_, layer.out, layer.in, layer.x.data(), {weights, layer.out, 1}, out);
    }
    const ConstMatrix<T> biases(&parameters_[layer.biases_at], layer.out, layer.biases);
    Matrix<T> y(out, rows_, layer.out);
    for (std::ptrdiff_t o = 0; o < layer.out; ++o) {
      const T bias = biases.row(o).sum();
      if (is_last) {
        y.col(o).array() += bias;
      } else {
        y.col(o) = (y.col(o).array() + bias).max(T{0});
      }
    }
  }
  const std::span<T> y =
      std::span<T>(y_).first(static_cast<std::size_t>(rows_ * layers_.back().out));
  if (shape_.output == OutputKind::sigmoid) {
    for (T& value : y) {
      value = T{1} / (T{1} + std::exp(-value));
    }
  }
  return y;
}

template <class T>
std::span<const T> DenseNet<T>::backward(std::span<const T> dy, bool parameters, bool input) {
  std::copy(dy.begin(), dy.end(), dy_.begin());
  if (shape_.output == OutputKind::sigmoid) {
    for (std::size_t i = 0; i < dy.size(); ++i) {
      dy_[i] *= y_[i] * (T{1} - y_[i]);
    }
  }
  T* g = dy_.data();  // [rows][out] of the current layer, before its activation
  for (std::size_t l = layers_.size(); l-- > 0;) {
    Layer& layer = layers_[l];
    if (parameters) {
      const ConstMatrix<T> dy_columns(g, rows_, layer.out);
      Matrix<T>(transposed_.data(), layer.out, rows_) = dy_columns.transpose();
      product<T>(layer.out,
                 layer.in,
                 rows_,
                 transposed_.data(),
                 {layer.x.data(), 1, rows_},
                 &gradients_[layer.weights_at]);
      Matrix<T> biases(&gradients_[layer.biases_at], layer.out, layer.biases);
      biases.colwise() = dy_columns.colwise().sum().transpose();
    }
    if (l == 0 && !input) {
      return {};
    }
    product<T>(rows_,
               layer.in,
               layer.out,
               g,
               {&parameters_[layer.weights_at], 1, layer.out},
               layer.dx.data());
    if (l > 0) {
      const std::ptrdiff_t values = rows_ * layer.in;
      for (std::ptrdiff_t i = 0; i < values; ++i) {
        const auto at = static_cast<std::size_t>(i);
        layer.dx[at] = layer.x[at] > T{0} ? layer.dx[at] : T{0};
      }
    }
    g = layer.dx.data();
  }
  return std::span<const T>(layers_.front().dx)
      .first(static_cast<std::size_t>(rows_ * layers_.front().in));
}

template <class T>
void Adam<T>::step(std::span<T> parameters, std::span<const T> gradients) {
  constexpr double kBeta1 = 0.9;
  constexpr double kBeta2 = 0.999;
  ++steps_;
  const auto t = static_cast<double>(steps_);
  AdamScales<T> scales;
  scales.beta1 = static_cast<T>(kBeta1);
  scales.beta2 = static_cast<T>(kBeta2);
  scales.epsilon = static_cast<T>(1e-8);
  scales.step = static_cast<T>(rate_ / (1 - std::pow(kBeta1, t)));
  scales.root = static_cast<T>(1 / std::sqrt(1 - std::pow(kBeta2, t)));
  adam_step<T>(scales, parameters, gradients, first_, second_);
}

template <class T>
void Adam<T>::save(ByteWriter& out) const {
  out.put(steps_);
  out.list(first_);
  out.list(second_);
}

template <class T>
void Adam<T>::load(ByteReader& in) {
  steps_ = in.get<std::int64_t>();
  in.list_into(std::span<T>(first_));
  in.list_into(std::span<T>(second_));
}

Learner::Learner(const DenseShape& shape, int batch, double rate, Rng& rng)
    : net(shape, batch), target(shape, batch), adam(net.parameters().size(), rate) {
  net.initialize(rng);
  std::copy(net.parameters().begin(), net.parameters().end(), target.parameters().begin());
}

void Learner::follow(double tau) {
  blend<float>(static_cast<float>(tau), target.parameters(), net.parameters());
}

void Learner::save(ByteWriter& out) const {
  out.list(net.parameters());
  out.list(target.parameters());
  adam.save(out);
}

void Learner::load(ByteReader& in) {
  in.list_into(net.parameters());
  in.list_into(target.parameters());
  adam.load(in);
}

template class DenseNet<float>;
template class DenseNet<double>;
template class Adam<float>;
template class Adam<double>;

}  // namespace tessera::mapper::rl
