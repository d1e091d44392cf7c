// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One tensor's integers and the real numbers they stand for.
///
/// Numbers  real = scale * (integer - zero). Width and sign of the integers are those of the layer
///          (out_bits, out_signed). zero is 0 but for asymmetric tensors, which are unsigned.
/// Rounding to nearest, ties away from zero, in double
/// Errors   none; values that are no numbers become 0
#pragma once

#include "sim/base/math.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

struct TensorScale {
  double scale = 1.0;
  std::int64_t zero = 0;

  bool operator==(const TensorScale&) const = default;
};

/// x to the nearest integer, ties away from zero, limited to +-2^52.
inline std::int64_t round_away(double x) {
  return std::isnan(x) ? 0 : std::llround(std::clamp(x, -0x1p52, 0x1p52));
}

/// clamp(round_away(x / scale) + zero)
inline std::int64_t quantize_value(double x, const TensorScale& s, int bits, bool is_signed) {
  return clamp_to(round_away(x / s.scale) + s.zero, bits, is_signed);
}

inline double real_value(std::int64_t integer, const TensorScale& s) {
  return s.scale * static_cast<double>(integer - s.zero);
}

/// A tensor of real numbers, an image for example, as integers.
std::vector<std::int32_t> quantize_tensor(std::span<const float> x,
                                          const TensorScale& s,
                                          int bits,
                                          bool is_signed);

/// multiplier / 2^shift near `ratio` > 0: 2^15 <= multiplier < 2^16 when shift > 0; multiplier
/// rounds to nearest, ties away from zero. Ratios of 2^16 and more have shift 0 and saturate at
/// 2^31 - 1, those below 2^-47 have shift 62 and fewer bits.
struct FixedPoint {
  std::int32_t multiplier = 1;
  int shift = 0;
};

FixedPoint fixed_point(double ratio);

/// The multiplier for `ratio` with a shift that is given: at least 0.
std::int32_t multiplier_for(double ratio, int shift);

}  // namespace tessera
