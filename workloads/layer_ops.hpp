// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a layer computes around the PEs: the input vector of a firing, the matrix that a second
/// operand becomes, the end of a sum, and the work of the vector unit; and the exact sums of a
/// whole layer, quickly.
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

namespace tessera {

/// The values of operand k at a raster position of an image.
using OperandSource =
    std::function<std::span<const std::int32_t>(int operand, std::int64_t position)>;

/// Narrows input vectors from the width of the layer's input tensor to a_bits.
void narrow_input(const Network& network, LayerId id, std::span<std::int32_t> x);

/// Operand b of a matmul, one row per position, as weights [heads][cols][rows] of w_bits.
std::vector<std::int32_t> dynamic_weights(const Network& network,
                                          LayerId id,
                                          const OperandSource& operand);

/// Bias, rescale, activation of a complete sum; `sum` is overwritten.
void finish(const Layer& layer,
            const LayerParameters& parameters,
            std::span<std::int64_t> sum,
            std::span<std::int32_t> y);

/// Output position p of a layer that the vector unit executes (pooling, add, softmax, ...).
/// `parameters` are looked at where the layer has an embedding.
void vector_layer(const Network& network,
                  LayerId id,
                  const LayerParameters& parameters,
                  std::int64_t p,
                  const OperandSource& operand,
                  std::span<std::int32_t> y);

/// What output position p of such a layer reads, channel by channel: of a pooling its window, row
/// by row, with the smallest integer of the format (max_pool) or 0 outside; of other layers the
/// operands' channel. All operands have the same channels.
std::vector<std::int32_t> vector_inputs(const Network& network,
                                        LayerId id,
                                        std::int64_t p,
                                        const OperandSource& operand);

/// The weights of a matrix layer as the exact product reads them.
struct ProductWeights {
  std::vector<std::int32_t> weights;  ///< [groups][rows][cols]
  bool fits_32 = false;               ///< no sum needs more than 32 bits
};

/// `weights` are [groups][cols][rows], `in_bits` the width of what they are multiplied with.
ProductWeights product_weights(std::span<const std::int32_t> weights,
                               const MatrixShape& m,
                               int in_bits);

/// Adds to sum [n][groups * cols] the products of x [n][groups * rows]; `sum` is 0.
void multiply(const ProductWeights& w,
              const MatrixShape& m,
              std::int64_t n,
              std::span<const std::int32_t> x,
              std::span<std::int64_t> sum);

}  // namespace tessera
