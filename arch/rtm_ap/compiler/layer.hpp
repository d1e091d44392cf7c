// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the compiler is asked for: one layer as a linear map with constant integer weights, and
/// what happens to its sums.
///
///   sum[o] = bias[o] + sum_i weight[o][i] * x[i]
///   y[o]   = clamp(activation(round_shift(sum[o] * multiplier[o], shift))) (workloads/network.hpp)
///
/// Shapes   inputs are numbered channel * taps + tap: a channel's taps lie side by side. A position
///          is a row of the array: every row holds the inputs of one output position.
/// Layers   conv (any groups), fc, linear; add, avg_pool and activation are linear maps too.
/// max_pool
///          has no weights: see compile_max_pool() in compile.hpp.
/// Errors   task_problem() says why a layer is none of these; layer_task() asserts that it is one
#pragma once

#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {

struct InputFormat {
  int bits = 0;
  bool is_signed = false;
};

struct Weight {
  int input = 0;
  std::int32_t value = 0;
};

struct LayerTask {
  std::string name;
  int taps = 1;
  int channels = 0;
  int outputs = 0;
  std::int64_t positions = 1;
  std::vector<InputFormat> formats;          ///< per channel
  std::vector<std::vector<Weight>> weights;  ///< per output, rising inputs, zeros included
  std::vector<std::int64_t> bias;            ///< per output
  std::vector<std::int32_t> multiplier;      ///< per output
  int shift = 0;
  Activation activation = Activation::none;
  int out_bits = 8;
  bool out_signed = false;

  [[nodiscard]] int inputs() const { return channels * taps; }

  [[nodiscard]] const InputFormat& format(int input) const {
    return formats[static_cast<std::size_t>(input / taps)];
  }

  [[nodiscard]] int max_bits() const;
  [[nodiscard]] std::int64_t nonzero_weights() const;
};

/// Why a layer is no linear map with constant weights, or empty.
std::string task_problem(const Network& network, LayerId id);

/// `parameters` are those of the layer; not read for add, avg_pool and activation.
LayerTask layer_task(const Network& network, LayerId id, const LayerParameters& parameters);

/// Tensor of a layer, [height][width][channels].
using TensorOf = std::function<std::span<const std::int32_t>(LayerId)>;

/// Inputs of output position p as the layer reads them: narrowed, and what the layer says where
/// there is padding. Works for max_pool too, with the smallest value of the format as padding.
std::vector<std::int32_t> layer_inputs(const Network& network,
                                       LayerId id,
                                       const TensorOf& tensor,
                                       std::int64_t p);

}  // namespace tessera::arch::rtm_ap
