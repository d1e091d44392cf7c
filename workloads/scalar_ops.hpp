// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The integer operations on one value or one position that define the numbers of a network. The
/// golden executor and the vector unit of the simulator call the same functions; there is no
/// floating point.
///
/// Units    fixed point: value = integer / 2^fraction. GELU, sigmoid and tanh read t with
///          activation_fraction() bits; GELU answers in the same scale, sigmoid and tanh answer
///          with 1.0 = the largest out_bits value (unsigned and signed). relu6's 6.0 is the largest
///          out_bits value.
/// Error    before the final rounding: exp 2e-6 absolute; sigmoid, tanh, softmax 1e-5; GELU 2e-5 *
/// |t|.
///          The result is thus within 0.5 + 1e-5 * (largest value) of the exact one (tested).
/// Rounding to nearest, ties away from zero
/// Source   normal tail: Abramowitz and Stegun, 7.1.26
#pragma once

#include "workloads/network.hpp"

#include <cstdint>
#include <span>

namespace tessera {

/// e^-z for z >= 0 with 16 fraction bits; 30 fraction bits. 0 for z >= 22.
std::int64_t exp_neg(std::int64_t z);

/// Largest r with r * r <= v, v >= 0.
std::int64_t integer_sqrt(std::int64_t v);

/// n / d to nearest, ties away from zero; d > 0, |n| < 2^62.
std::int64_t round_div(std::int64_t n, std::int64_t d);

/// Fraction bits with which activate() reads its argument: out_bits - 4 for GELU (a signed output
/// spans -8 to 8), out_bits - 2 for sigmoid, out_bits - 1 for tanh (one step of t is one step of
/// the output where the curve is steepest); within [0, 16]. 0 for the others, which have no scale.
int activation_fraction(Activation f, int out_bits);

/// Activation of t, not yet clamped.
std::int64_t activate(std::int64_t t, Activation f, int out_bits);

/// round_shift(acc * multiplier, shift); the product saturates at +-2^62.
std::int64_t rescale(std::int64_t acc, std::int32_t multiplier, int shift);

/// v as the entry of the layer's codebook that is nearest, the lower of two; v without codebook.
/// Every result below that is clamped is encoded as well.
std::int32_t encoded(std::int32_t v, const Layer& layer);

/// One output position of a matrix layer: complete accumulators to output values. One multiplier
/// each.
void rescale_activate(const Layer& layer,
                      std::span<const std::int64_t> acc,
                      std::span<const std::int32_t> multiplier,
                      std::span<std::int32_t> y);

/// An activation layer, one position: clamp(activate(rescale(x, layer.multiplier, layer.shift))).
void activation_row(const Layer& layer, std::span<const std::int32_t> x, std::span<std::int32_t> y);

/// An add layer, one position: a * a_multiplier + b * b_multiplier, round_shift by shift,
/// activation, clamp.
void add_row(const Layer& layer,
             std::span<const std::int32_t> a,
             std::span<const std::int32_t> b,
             std::span<std::int32_t> y);

/// best = max(best, x). Max pooling starts from the first window position inside the image.
void max_row(std::span<const std::int32_t> x, std::span<std::int32_t> best);

/// Window sums of an avg_pool layer to averages: clamp(rescale(sum, layer.multiplier,
/// layer.shift)).
void average_row(const Layer& layer, std::span<const std::int64_t> sum, std::span<std::int32_t> y);

/// One operand of a concat layer, brought from the full scale of its tensor to the full scale of
/// the output: shifted by the difference of the magnitude bits (bits without sign), then clamped.
void concat_row(const Layer& layer,
                const Layer& operand,
                std::span<const std::int32_t> x,
                std::span<std::int32_t> y);

/// A position_embedding layer, one position: x * layer.multiplier + e, round_shift by layer.shift,
/// clamp. |e| < 2^62.
void embedding_row(const Layer& layer,
                   std::span<const std::int32_t> x,
                   std::span<const std::int64_t> e,
                   std::span<std::int32_t> y);

/// The token of a class_token layer: its embedding, clamped. The other positions are those of a
/// concat.
void token_row(const Layer& layer, std::span<const std::int64_t> e, std::span<std::int32_t> y);

/// Softmax of one row whose values have `fraction` fraction bits; 1.0 is 2^out_bits - 1.
void softmax_row(std::span<const std::int32_t> x,
                 int fraction,
                 int out_bits,
                 std::span<std::int32_t> y);

/// A softmax layer, one position: each head's channels/heads values on their own.
void softmax_heads(const Layer& layer, std::span<const std::int32_t> x, std::span<std::int32_t> y);

/// (x - mean) / standard deviation, signed, 1.0 = 2^(out_bits - 3); all 0 when the deviation is 0.
/// Scale and offset per channel belong to the matrix behind it. |x| < 2^16, at most 2^16 values.
void layer_norm_row(std::span<const std::int32_t> x, int out_bits, std::span<std::int32_t> y);

}  // namespace tessera
