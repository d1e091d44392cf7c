// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Gives every layer its integer widths and scales, from the bits per matrix layer and the shapes
/// alone.
///
/// Widths   a_bits, w_bits are the ones asked for; in_signed is the sign of the tensor read. A
/// tensor has
///          the largest width that a matrix layer reads from it, directly or through other layers
///          (8 when none does); max_pool, flatten and slice keep the width of what they read; the
///          input keeps its own. A tensor is unsigned after ReLU, ReLU6, sigmoid and softmax, else
///          signed; pooling, flatten and slice keep the sign, add and concat are signed when an
///          operand is; class_token and position_embedding are signed.
/// Output   a matrix layer as last layer with no activation or a ReLU gives its accumulators, 32
/// bit
///          signed, unscaled; shifted right only when 32 bit cannot hold the largest one.
/// Scales   each tensor is described by 32 equally likely values. A sum of `rows` products spreads
/// by
///            sigma = sqrt(rows * mean(w^2) * mean((x - center)^2)),
///          center = mean(x) with bias or batch norm, else 0; multiplier / 2^shift, with 128 <=
///          multiplier < 256 when shift > 0, brings sigma to the target: a quarter of the magnitude
///          range of the output (2 for GELU's argument, 1.5 for sigmoid's, 1 for tanh's); then the
///          values pass the activation and the clamp and describe the output. An add aligns its
///          operands' full scales and shifts right by the rounded log2(rms / target). What a
///          position_embedding adds is uniform in +-half of its operand's full scale. Softmax reads
///          scores that spread by 4.
///          Tested for 2 bits and more: one-bit weights {-1, 0} share their sign, so small errors
///          of the center add up over the rows, and one-bit activations die out in deep networks.
/// Errors   a list of the wrong length or bits outside 1..16 throw InternalError: mappings are
/// checked where
///          they are read
#pragma once

#include "workloads/network.hpp"

#include <vector>

namespace tessera {

struct LayerBits {
  int w_bits = 8;
  int a_bits = 8;

  bool operator==(const LayerBits&) const = default;
};

/// One entry per matrix layer, in the order of matrix_layers().
void quantize(Network& network, const std::vector<LayerBits>& per_matrix_layer);

/// The widths that the matrix layers have.
std::vector<LayerBits> widths_of(const Network& network);

/// Widths and signs alone; scales are reset to 1.
void set_widths(Network& network, const std::vector<LayerBits>& per_matrix_layer);

/// The layer passes the integers it reads on: same values, so same width, sign and scale.
bool keeps_format(LayerKind kind);

/// The layer is the output and gives its accumulators, because it is a matrix without a curved
/// activation.
bool gives_sums(const Network& network, LayerId id);

/// The same bits for all matrix layers.
void quantize(Network& network, LayerBits bits);

/// Most different integers that operand a of a matrix layer may have, what padding reads included;
/// 0: all of a_bits.
int operand_codes(const Network& network, LayerId layer);

}  // namespace tessera
