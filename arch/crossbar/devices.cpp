// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/crossbar/devices.hpp"

#include "sim/base/draws.hpp"
#include "sim/base/math.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::arch::crossbar {
namespace {

constexpr int kFraction = kNormalFraction;
constexpr std::int64_t kOne = std::int64_t{1} << kFraction;

/// What a draw is for, beside the names of its cell or read.
enum Purpose : std::uint64_t { kStuck = 1, kLevel, kNoise, kOffset, kGain };

std::int64_t fixed(double v) {
  return std::llround(std::ldexp(v, kFraction));
}

/// Draws below it have probability p.
std::uint64_t threshold(double p) {
  return p >= 1 ? UINT64_MAX : static_cast<std::uint64_t>(std::ldexp(p, 64));
}

/// e^z of z with 16 fraction bits, at most 16; 16 fraction bits.
std::int64_t exponential(std::int64_t z) {
  constexpr int kUnit = 30;  // of exp_neg
  if (z <= 0) {
    return round_shift(exp_neg(-z), kUnit - kFraction);
  }
  const std::int64_t most = 16 * kOne;
  const std::int64_t inverse = exp_neg(z);
  return inverse == 0 ? most
                      : std::min(most, round_div(std::int64_t{1} << (kUnit + kFraction), inverse));
}

}  // namespace

Devices::Devices(const Spec& spec)
    : spec_(spec.nonideal),
      top_((1 << spec.cell_bits) - 1),
      stuck_low_(threshold(spec_.stuck_low)),
      stuck_(threshold(spec_.stuck_low + spec_.stuck_high)),
      noise_(fixed(spec_.read_noise)),
      offset_(fixed(spec_.adc_offset)),
      gain_(fixed(spec_.adc_gain)) {
  const double square = std::log1p(spec_.variation * spec_.variation);
  const bool gaussian = spec_.spread == Spread::gaussian;
  spread_ = fixed(gaussian ? spec_.variation : std::sqrt(square));
  half_square_ = gaussian ? 0 : fixed(square / 2);
}

std::int32_t Devices::programmed(int level, const CellName& cell) const {
  const auto place =
      static_cast<std::uint64_t>(cell.row) << 32 | static_cast<std::uint64_t>(cell.column);
  if (stuck_ > 0) {
    const std::uint64_t draw = mix(mix(cell.pe, kStuck), place);
    if (draw < stuck_) {
      return (draw < stuck_low_ ? 0 : top_) << kLevelFraction;
    }
  }
  if (spread_ == 0 || level == 0) {
    return level << kLevelFraction;
  }
  const std::int64_t z = normal(mix(mix(mix(cell.pe, kLevel), cell.write), place));
  const std::int64_t deviation = round_shift(spread_ * z, kFraction);
  const std::int64_t factor = spec_.spread == Spread::gaussian
                                  ? std::clamp<std::int64_t>(kOne + deviation, 0, 16 * kOne)
                                  : exponential(deviation - half_square_);
  return static_cast<std::int32_t>(round_shift(level * factor, kFraction - kLevelFraction));
}

std::int64_t Devices::noise(std::uint64_t key, std::uint64_t read) const {
  if (noise_ == 0) {
    return 0;
  }
  const std::int64_t z = normal(mix(mix(key, kNoise), read));
  return round_shift(noise_ * z, 2 * kFraction - kLevelFraction);
}

Devices::Converter Devices::converter(std::uint64_t pe, std::uint64_t index) const {
  const auto draw = [&](Purpose purpose, std::int64_t deviation, int shift) {
    return deviation == 0 ? 0
                          : round_shift(deviation * normal(mix(mix(pe, purpose), index)), shift);
  };
  return {draw(kOffset, offset_, 2 * kFraction - kLevelFraction), draw(kGain, gain_, kFraction)};
}

std::int64_t Devices::Converter::steps(std::int64_t current) const {
  // The gain acts on whole steps: the product stays within 64 bits, and what is lost is below a
  // thousandth of a step for a gain error of 0.2 %.
  const std::int64_t more =
      round_shift(round_shift(current, kLevelFraction) * gain, kFraction - kLevelFraction);
  return round_shift(current + more + offset, kLevelFraction);
}

}  // namespace tessera::arch::crossbar
