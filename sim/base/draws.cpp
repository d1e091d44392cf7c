// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/draws.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace tessera {
namespace {

/// Octave k holds the tail probabilities from 2^-(k+1) down to 2^-(k+2), in kSteps equal steps.
constexpr int kOctaves = 49;
constexpr int kStepBits = 6;
constexpr int kSteps = 1 << kStepBits;

using Table = std::array<std::int32_t, static_cast<std::size_t>(kOctaves* kSteps + 1)>;

/// z >= 0 with P(Z > z) = p, by Newton's method from a z that is not too large.
double upper_quantile(double p, double z) {
  for (int i = 0; i < 60; ++i) {
    const double tail = 0.5 * std::erfc(z / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2 * std::numbers::pi);
    const double step = (tail - p) / density;
    z += step;
    if (std::abs(step) < 1e-13) {
      break;
    }
  }
  return z;
}

Table make_table() {
  Table table{};
  double z = 0;
  for (int k = 0; k < kOctaves; ++k) {
    for (int s = 0; s < kSteps; ++s) {
      const double p = std::ldexp(1.0 - 0.5 * s / kSteps, -(k + 1));
      z = upper_quantile(p, z);
      table[static_cast<std::size_t>(std::int64_t{k} * kSteps + s)] =
          static_cast<std::int32_t>(std::lround(std::ldexp(z, kNormalFraction)));
    }
  }
  table.back() = static_cast<std::int32_t>(std::lround(
      std::ldexp(upper_quantile(std::ldexp(1.0, -(kOctaves + 1)), z), kNormalFraction)));
  return table;
}

}  // namespace

std::int32_t normal(std::uint64_t bits) {
  static const Table kTable = make_table();
  // Sign, then the position in the tail: leading zeros say the octave, the bits behind the first
  // one where in it.
  const std::uint64_t tail = bits << 1;
  const int octave = std::min(std::countl_zero(tail), kOctaves - 1);
  const std::uint64_t within = tail << octave << 1;
  // The largest value of `within` is the largest probability of the octave.
  const std::uint64_t down = ~within;
  const auto step = static_cast<std::size_t>(down >> (64 - kStepBits));
  const auto part = static_cast<std::int64_t>((down << kStepBits) >> 48);
  const std::size_t at = static_cast<std::size_t>(octave) * kSteps + step;
  const std::int64_t low = kTable[at];
  const auto value = static_cast<std::int32_t>(low + (((kTable[at + 1] - low) * part) >> 16));
  return (bits >> 63) != 0 ? -value : value;
}

}  // namespace tessera
