// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A small fully connected network: forward, backward, Adam; what DDPG's actor and critic are.
///
/// Shapes   batches are column-major [rows][features]: one feature of all rows is contiguous.
///          Weights of a layer are column-major [out][in]; all parameters lie in one flat vector:
///          per layer its weights, then its biases
/// Layers   ReLU between layers; the last is linear, or a sigmoid. The first layer may read several
///          inputs, each through a linear map of its own (weights and bias) whose results are
///          added, as HAQ's critic reads state and action. Both biases get the same gradient, so
///          Adam moves their sum twice as fast as one bias: it is not the same as one map of both
/// Numbers  float, as torch; double for the comparison with finite differences
/// Memory   nothing is allocated after construction
/// Source   HAQ, lib/rl/ddpg.py: Actor, Critic. Initial values are those of torch's nn.Linear,
/// which
///          HAQ leaves as they are: uniform in +-1/sqrt(inputs), biases too
#pragma once

#include "mapper/rl/bytes.hpp"
#include "sim/base/rng.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper::rl {

enum class OutputKind { linear, sigmoid };

struct DenseShape {
  std::vector<int> inputs;  ///< of the first layer
  std::vector<int> widths;  ///< of every layer's output
  OutputKind output = OutputKind::linear;
};

template <class T>
class DenseNet {
 public:
  /// All parameters zero; `batch` is the largest number of rows.
  DenseNet(DenseShape shape, int batch);

  void initialize(Rng& rng);

  /// x [rows][all inputs] -> [rows][last width]; the answer lives until the next call.
  std::span<const T> forward(std::span<const T> x);

  /// After forward(x): gradients() of the parameters, from dy [rows][last width], the derivative of
  /// a scalar by the output.
  void backward(std::span<const T> dy) { backward(dy, true, false); }

  /// After forward(x): the derivative by x, [rows][all inputs]; gradients() are left alone.
  std::span<const T> backward_to_input(std::span<const T> dy) { return backward(dy, false, true); }

  [[nodiscard]] std::span<T> parameters() { return parameters_; }

  [[nodiscard]] std::span<const T> parameters() const { return parameters_; }

  [[nodiscard]] std::span<const T> gradients() const { return gradients_; }

 private:
  struct Layer {
    std::ptrdiff_t in = 0;
    std::ptrdiff_t out = 0;
    std::ptrdiff_t biases = 1;  ///< vectors of biases: one per input
    std::size_t weights_at = 0;
    std::size_t biases_at = 0;
    std::vector<T> x;   ///< [rows][in]: what the last forward() read
    std::vector<T> dx;  ///< [rows][in]
  };

  std::span<const T> backward(std::span<const T> dy, bool parameters, bool input);

  DenseShape shape_;
  std::ptrdiff_t rows_ = 0;  ///< of the last forward()
  std::vector<Layer> layers_;
  std::vector<T> y_;           ///< [rows][last width]
  std::vector<T> dy_;          ///< of the last layer before its activation
  std::vector<T> transposed_;  ///< scratch: the derivative by a layer's output, row-major
  std::vector<T> parameters_;
  std::vector<T> gradients_;
};

/// Adam with torch's defaults: beta 0.9 and 0.999, epsilon 1e-8, no weight decay.
template <class T>
class Adam {
 public:
  Adam(std::size_t size, double rate) : rate_(rate), first_(size), second_(size) {}

  void step(std::span<T> parameters, std::span<const T> gradients);

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  double rate_;
  std::int64_t steps_ = 0;
  std::vector<T> first_;
  std::vector<T> second_;
};

/// A network that learns, its slowly following copy, and its optimiser.
struct Learner {
  DenseNet<float> net;
  DenseNet<float> target;
  Adam<float> adam;

  /// The target starts as a copy of the network.
  Learner(const DenseShape& shape, int batch, double rate, Rng& rng);

  void step() { adam.step(net.parameters(), net.gradients()); }

  void follow(double tau);

  void save(ByteWriter& out) const;
  void load(ByteReader& in);
};

}  // namespace tessera::mapper::rl
