// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a layer computes around the PEs: the input vector of a firing, the matrix that a second
/// operand becomes, the end of a sum, and the work of the vector unit.
///
/// Shapes   a position is [channels] int32; an input vector [groups * rows]; a sum [groups * cols]
/// Errors   a vector layer of an unknown sort is an InternalError
#pragma once

#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tessera::functional {

/// The values of operand k at a raster position of an image.
using Operand = std::function<std::span<const std::int32_t>(int operand, std::int64_t position)>;

/// Narrows input vectors from the width of the layer's input tensor to a_bits.
void narrow_input(const Network& network, LayerId layer, std::span<std::int32_t> x);

/// Operand b of a matmul, one row per position, as weights [heads][cols][rows] of w_bits.
std::vector<std::int32_t> dynamic_weights(const Network& network,
                                          LayerId layer,
                                          const Operand& operand);

/// Bias, rescale, activation of a complete sum; `sum` is overwritten.
void finish(const Layer& layer,
            const LayerParameters& parameters,
            std::span<std::int64_t> sum,
            std::span<std::int32_t> y);

/// Output position p of a layer that the vector unit executes (pooling, add, softmax, ...).
/// `parameters` are looked at where the layer has an embedding.
void vector_layer(const Network& network,
                  LayerId layer,
                  const LayerParameters& parameters,
                  std::int64_t p,
                  const Operand& operand,
                  std::span<std::int32_t> y);

}  // namespace tessera::functional
