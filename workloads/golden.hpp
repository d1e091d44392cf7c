// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The golden integer executor: what a network computes, as plain nested loops over whole tensors.
/// Slow and obvious on purpose; everything faster is compared with it.
///
/// Shapes   tensors are [height][width][channels], int32; accumulators are 64 bit
/// Errors   an input of the wrong size throws InternalError
#pragma once

#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

class Golden {
 public:
  /// Synthetic parameters. `network` must be quantized and outlive this object.
  Golden(const Network& network, std::uint64_t seed);
  Golden(const Network& network, ParameterSource parameters);

  /// Output tensor for one input tensor.
  std::vector<std::int32_t> run(std::span<const std::int32_t> input);

  /// Output of any layer in the last run.
  [[nodiscard]] const std::vector<std::int32_t>& tensor(LayerId id) const {
    return tensors_[static_cast<std::size_t>(id)];
  }

 private:
  [[nodiscard]] const std::vector<std::int32_t>& operand(LayerId id, std::size_t k = 0) const {
    return tensor(network_.layer(id).inputs[k]);
  }

  void conv(LayerId id, std::vector<std::int32_t>& y);
  void dense(LayerId id, std::vector<std::int32_t>& y);
  void matmul(LayerId id, std::vector<std::int32_t>& y);
  void pool(LayerId id, std::vector<std::int32_t>& y) const;
  void rows(LayerId id, std::vector<std::int32_t>& y) const;

  const Network& network_;
  ParameterSource parameters_;
  std::vector<LayerParameters> cache_;  ///< per layer, filled in at first use
  std::vector<std::vector<std::int32_t>> tensors_;
};

/// FNV-1a over the values, each as four bytes, lowest first: the same on every machine.
std::uint64_t digest(std::span<const std::int32_t> values);

}  // namespace tessera
