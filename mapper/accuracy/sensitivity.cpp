// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/sensitivity.hpp"

#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::mapper {

LayerBits widest(std::span<const LayerBits> widths) {
  LayerBits out = widths.front();
  for (const LayerBits bits : widths) {
    out.w_bits = std::max(out.w_bits, bits.w_bits);
    out.a_bits = std::max(out.a_bits, bits.a_bits);
  }
  return out;
}

double Sensitivity::loss(std::size_t layer, LayerBits bits) const {
  for (const WidthLoss& entry : layers_[layer]) {
    if (entry.bits == bits) {
      return entry.loss;
    }
  }
  throw InternalError(
      "mapper/accuracy",
      -1,
      fmt::format(
          "{} has no loss of layer {} at {}/{} bits", name_, layer, bits.w_bits, bits.a_bits));
}

double Sensitivity::loss(std::span<const LayerBits> bits) {
  double sum = 0;
  for (std::size_t m = 0; m < bits.size(); ++m) {
    sum += loss(m, bits[m]);
  }
  return sum;
}

}  // namespace tessera::mapper
