// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The integer network, quickly: the numbers of the golden executor, bit for bit (tested), for what
/// has to run a network often or layer by layer.
///
/// Shapes   tensors are [height][width][channels], int32
/// Errors   an input of the wrong size throws InternalError
#pragma once

#include "workloads/layer_ops.hpp"
#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

/// Per layer, its output; those that nobody reads any more are empty.
using Tensors = std::vector<std::vector<std::int32_t>>;

/// What a layer with parameters computes with.
struct LayerWeights {
  LayerParameters parameters;  ///< without the weights
  ProductWeights product;      ///< none for a matmul
};

LayerWeights layer_weights(const Network& network, LayerId id, const LayerParameters& parameters);

/// One layer of one image, from the tensors before it. Tensors that it is the last to read are
/// emptied.
void compute_layer(const Network& network,
                   LayerId id,
                   const LayerWeights* weights,
                   Tensors& tensors);

class IntegerExecutor {
 public:
  /// Reads all parameters; `network` must outlive the object.
  IntegerExecutor(const Network& network, const ParameterSource& parameters);

  /// Output tensor for one input tensor. Several threads may call it.
  [[nodiscard]] std::vector<std::int32_t> run(std::vector<std::int32_t> input) const;

 private:
  const Network& network_;
  std::vector<LayerWeights> weights_;
};

}  // namespace tessera
