// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/histogram.hpp"

#include "sim/base/real_math.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

namespace tessera {

double Histogram::width() const {
  return std::ldexp(1.0, exponent_) / kHalf;
}

void Histogram::grow(int exponent) {
  if (exponent - exponent_ > 13) {  // everything so far falls into the two bins next to 0
    const auto middle = bins_.begin() + kHalf;
    const std::int64_t below = std::accumulate(bins_.begin(), middle, std::int64_t{0});
    const std::int64_t above = std::accumulate(middle, bins_.end(), std::int64_t{0});
    std::fill(bins_.begin(), bins_.end(), 0);
    bins_[kHalf - 1] = below;
    bins_[kHalf] = above;
    exponent_ = exponent;
  }
  for (; exponent_ < exponent; ++exponent_) {
    std::vector<std::int64_t> merged(kBins, 0);
    for (std::size_t b = 0; b < kBins; ++b) {
      merged[kHalf / 2 + b / 2] += bins_[b];
    }
    bins_ = std::move(merged);
  }
}

void Histogram::add(std::span<const float> values) {
  float low = 0.0F;
  float high = 0.0F;
  for (const float v : values) {
    if (std::isfinite(v)) {
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  if (bins_.empty()) {
    bins_.assign(kBins, 0);
  }
  int exponent = exponent_;
  std::frexp(static_cast<double>(std::max(high, -low)), &exponent);
  if (std::max(high, -low) > 0.0F) {
    grow(std::max(exponent, exponent_));
  }
  smallest_ = std::min(smallest_, static_cast<double>(low));
  largest_ = std::max(largest_, static_cast<double>(high));
  const double bins_per_unit = std::ldexp(static_cast<double>(kHalf), -exponent_);
  for (const float v : values) {
    if (std::isfinite(v)) {
      const auto bin =
          static_cast<std::int64_t>(std::floor(static_cast<double>(v) * bins_per_unit));
      ++bins_[static_cast<std::size_t>(bin + kHalf)];
      ++count_;
      zeros_ += v == 0.0F ? 1 : 0;
    }
  }
}

double kl_divergence(const Histogram& h, double low, double high, std::int64_t levels) {
  constexpr double kFloor = 1e-12;
  std::vector<std::int64_t> bins(h.bins().begin(), h.bins().end());
  const auto total = static_cast<double>(h.count() - h.zeros());
  if (total == 0.0) {
    return 0.0;
  }
  bins[Histogram::kHalf] -= h.zeros();
  const auto bin_of = [&](double x) {
    return static_cast<std::size_t>(
        std::clamp(std::floor(x / h.width()) + Histogram::kHalf, 0.0, Histogram::kBins - 1.0));
  };
  const std::size_t first = bin_of(low);
  const std::size_t last = std::max(first, bin_of(std::nextafter(high, low)));
  const double step = (high - low) / static_cast<double>(levels - 1);
  const auto level_of = [&](std::size_t bin) {
    const double x = std::clamp(h.middle(static_cast<int>(bin)), low, high);
    return static_cast<std::size_t>(std::floor((x - low) / step + 0.5));
  };

  struct Level {
    double count = 0.0;
    double used = 0.0;  ///< bins that are not empty
  };

  std::vector<Level> shares(static_cast<std::size_t>(std::min<std::int64_t>(levels, 65536)) + 1);
  double inside = 0.0;
  for (std::size_t b = first; b <= last; ++b) {
    if (bins[b] > 0) {
      Level& level = shares[level_of(b)];
      level.count += static_cast<double>(bins[b]);
      level.used += 1.0;
      inside += static_cast<double>(bins[b]);
    }
  }
  double outside_low = 0.0;
  double outside_high = 0.0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    (b < first ? outside_low : outside_high) +=
        b < first || b > last ? static_cast<double>(bins[b]) : 0.0;
  }
  double sum = 0.0;
  for (std::size_t b = first; b <= last; ++b) {
    const double here = static_cast<double>(bins[b]) + (b == first ? outside_low : 0.0) +
                        (b == last ? outside_high : 0.0);
    if (here == 0.0) {
      continue;
    }
    const double p = here / total;
    double q = kFloor;
    if (bins[b] > 0) {
      const Level& level = shares[level_of(b)];
      q = std::max(kFloor, level.count / level.used / inside);
    }
    sum += p * log_of(p / q);
  }
  return sum;
}

}  // namespace tessera
