// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A proxy for accuracy that needs neither data set nor training: how much quantization noise the
/// widths put into each layer.
///
///   loss   = 100 * sum over layers of  nsr_w(w_bits) - nsr_w(widest) + nsr_a(a_bits) -
///   nsr_a(widest) nsr(b) = mean((Q_b(x) - x)^2) / mean(x^2) = 1 / SQNR, in 0..1
///
/// Why      y = sum w x with independent errors e of w and d of x has the noise-to-signal ratio
///          nsr_w + nsr_a, up to their product; and a chain of layers that keep the ratio of what
///          they read adds up its layers' own. So the sum estimates the noise at the network's
///          output, in percent of the signal's power. It orders bit vectors; it is no accuracy.
/// Q_b      symmetric, one scale per tensor: round(x / scale), clamped to +-(2^(b-1) - 1), to
///          0..2^b - 1 for unsigned tensors, to {-1, 0} for one signed bit (parameters.hpp). The
///          scale has the least error of 32 clipping points max|x| * k / 32, k = 32 being the plain
///          max-abs scale, and of those of narrower widths, whose codes a wider one has too: nsr
///          never rises with b. A uniform signal loses a factor of 4 per bit (6.02 dB).
/// Source   D. Lin, S. Talathi, V. Annapureddy, "Fixed Point Quantization of Deep Convolutional
///          Networks", ICML 2016 (noise-to-signal ratios of weights and activations add up over the
///          layers); scales by least error at low widths as HAQ and CIM-AQ search theirs
/// Units    ratios of powers; the scale of a signal cancels
#pragma once

#include "mapper/accuracy/sensitivity.hpp"
#include "workloads/float_model.hpp"
#include "workloads/golden.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper {

/// Samples of what a matrix layer's widths are applied to, in any unit.
struct LayerSignal {
  std::vector<double> weights;  ///< of a matmul: its operand b
  std::vector<double> inputs;
  bool signed_inputs = false;
};

/// Samples per signal, at most: a ratio is then known to about 3 %.
inline constexpr std::int64_t kSignalSamples = 2048;

/// Signals of a quantized network, as the golden executor computes them for `images`.
std::vector<LayerSignal> measured_signals(const Network& network,
                                          const ParameterSource& parameters,
                                          std::span<const std::vector<std::int32_t>> images);

/// Signals of real weights, as the float executor computes them for `images`.
/// `input_signed`: the images have negative values.
std::vector<LayerSignal> float_signals(const FloatModel& model,
                                       std::span<const std::vector<float>> images,
                                       bool input_signed);

/// Signals drawn from the distributions that quantize.hpp aims at, tensor by tensor: synthetic
/// weights and images; matrix layers and additions are normal, clamped at four times their spread,
/// before their activation. O(layers), for networks that are too large to execute.
std::vector<LayerSignal> drawn_signals(const Network& network, std::uint64_t seed);

/// Signals of synthetic parameters and images at 16 bits: measured on four images when one takes at
/// most 2^24 multiply-accumulates, else drawn.
std::vector<LayerSignal> synthetic_signals(const Network& network, std::uint64_t seed);

/// nsr(b) for b = 1..max_bits, at [b - 1]; all 0 for a signal that is 0.
std::vector<double> noise_to_signal(std::span<const double> signal, bool is_signed, int max_bits);

/// nsr of one layer, at [bits - 1].
struct LayerNoise {
  std::vector<double> weights;
  std::vector<double> inputs;
};

/// Up to `max_bits`, for every matrix layer.
std::vector<LayerNoise> noise_of(std::span<const LayerSignal> signals, int max_bits = 16);

/// The proxy, in "noise-to-signal, %". `noise` goes up to the largest of the widths.
Sensitivity sqnr_sensitivity(std::span<const LayerNoise> noise, const LayerWidths& widths);

}  // namespace tessera::mapper
