// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the tensors of the float network hold, over some images, and the ranges that follow.
///
/// Counts   a histogram of 8192 bins over [-2^e, 2^e), e as small as the values allow; it grows by
///          merging neighbours, so it depends neither on the order of values nor on that of images
/// Range    [low, high] with low <= 0 <= high, of the real values that the integers shall cover.
///   max         [smallest, largest value], 0 included
///   percentile  symmetric: +-r, r the smallest bin edge such that `percentile` percent of the
///               values have |x| <= r. Else low and high each leave out half of the rest.
///   mse         of the ranges k/64 * [low, high] of max, k = 64, 63, ..., 8, the first with the
///               least sum of count * (x - Q(x))^2 over the bins, x the middle of the bin
///   kl          of the same ranges the first with the least kl_divergence()
/// Scale    unsigned: high / (2^bits - 1); signed: max(-low, high) / (2^(bits - 1) - 1);
///          asymmetric: (high - low) / (2^bits - 1), zero = round_away(-low / scale) to a multiple
///          of `zero_step`, limited to the integers
#pragma once

#include "workloads/float_model.hpp"
#include "workloads/quantization/histogram.hpp"
#include "workloads/quantization/scale.hpp"
#include "workloads/quantization/spec.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace tessera {

/// Image number `image`, [height][width][channels] of the input tensor, normalized as the network
/// wants it.
using FloatImageSource = std::function<std::vector<float>(std::int64_t image)>;

struct Range {
  double low = 0.0;
  double high = 0.0;
};

/// Per layer, what its output tensor holds. The float output of a last matrix layer too.
struct Calibration {
  std::vector<Histogram> tensors;
};

/// Runs `count` images through the float network, several at once; `images` is called by one thread
/// at a time.
Calibration calibrate(const FloatModel& model, const FloatImageSource& images, std::int64_t count);

enum class IntegerFormat { is_unsigned, is_signed, asymmetric };

Range choose_range(const Histogram& h,
                   int bits,
                   IntegerFormat format,
                   const QuantizationSpec& spec);

/// 1 for a range that is empty.
TensorScale scale_of(const Range& range,
                     int bits,
                     IntegerFormat format,
                     std::int64_t zero_step = 1);

}  // namespace tessera
