// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/scale.hpp"

#include <limits>

namespace tessera {

std::vector<std::int32_t> quantize_tensor(std::span<const float> x,
                                          const TensorScale& s,
                                          int bits,
                                          bool is_signed) {
  std::vector<std::int32_t> y(x.size());
  std::transform(x.begin(), x.end(), y.begin(), [&](float v) {
    return static_cast<std::int32_t>(quantize_value(static_cast<double>(v), s, bits, is_signed));
  });
  return y;
}

std::int32_t multiplier_for(double ratio, int shift) {
  constexpr double kLargest = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int32_t>(std::min(std::round(std::ldexp(ratio, shift)), kLargest));
}

FixedPoint fixed_point(double ratio) {
  int exponent = 0;
  std::frexp(ratio, &exponent);  // ratio in [2^(exponent - 1), 2^exponent)
  FixedPoint f;
  f.shift = std::clamp(16 - exponent, 0, 62);
  f.multiplier = multiplier_for(ratio, f.shift);
  if (f.multiplier == 65536 && f.shift > 0) {  // rounded up
    f.multiplier = 32768;
    --f.shift;
  }
  return f;
}

}  // namespace tessera
