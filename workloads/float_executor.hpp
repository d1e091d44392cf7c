// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a network computes in real numbers: the reference of quantization, and what calibration
/// looks at.
///
/// Shapes   as golden.hpp: [height][width][channels], float
/// Meaning  layers as network.hpp says, with real weights and without widths: no clamps, GELU with
///          the normal distribution, softmax of factor * x, layer_norm without scale and offset,
///          (x - mean) / sqrt(variance + epsilon), 0 when that root is 0
/// Numbers  a product of a matrix sums in float, four partial sums that are added at the end;
///          everything else in double. The same bits whatever compiler and instruction set.
/// Errors   an input of the wrong size, parameters that do not fit the network: InternalError
#pragma once

#include "workloads/float_model.hpp"

#include <span>
#include <vector>

namespace tessera {

class FloatExecutor {
 public:
  /// `model` must outlive this object.
  explicit FloatExecutor(const FloatModel& model);

  /// Output tensor for one input tensor.
  const std::vector<float>& run(std::span<const float> input);

  /// Output of any layer in the last run.
  [[nodiscard]] const std::vector<float>& tensor(LayerId id) const {
    return tensors_[static_cast<std::size_t>(id)];
  }

 private:
  [[nodiscard]] const std::vector<float>& operand(LayerId id, std::size_t k = 0) const {
    return tensor(model_.network.layer(id).inputs[k]);
  }

  void conv(LayerId id, std::vector<float>& y);
  void matmul(LayerId id, std::vector<float>& y) const;
  void pool(LayerId id, std::vector<float>& y) const;
  void rows(LayerId id, std::vector<float>& y) const;

  const FloatModel& model_;
  std::vector<std::vector<float>> tensors_;
  std::vector<float> patches_;  ///< input vectors of a few positions
};

}  // namespace tessera
