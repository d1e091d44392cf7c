// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/weights.hpp"

#include "sim/base/math.hpp"
#include "workloads/quantization/histogram.hpp"
#include "workloads/quantization/scale.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace tessera {

namespace {

constexpr int kCandidates = 25;
constexpr int kNarrowest = 5;

double high_of(int bits) {
  return static_cast<double>(std::max<std::int64_t>(1, max_value(bits, true)));
}

double low_of(int bits) {
  return bits == 1 ? -1.0 : -high_of(bits);
}

double largest_magnitude(std::span<const float> weights) {
  float largest = 0.0F;
  for (const float w : weights) {
    largest = std::max(largest, std::abs(w));
  }
  return static_cast<double>(largest);
}

/// Sum of (w - scale q)^2, in four partial sums.
double squared_error(std::span<const float> weights, double scale, int bits) {
  constexpr double kRound = 0x1.8p52;  // adding and subtracting it rounds; ties err alike
  const double high = bits == 1 ? 0.0 : high_of(bits);
  const double low = low_of(bits);
  const double inverse = 1.0 / scale;
  std::array<double, 4> sum{};
  const auto add = [&](std::size_t lane, float w) {
    const double x = static_cast<double>(w);
    const double q = (std::min(std::max(x * inverse, low), high) + kRound) - kRound;
    const double error = x - scale * q;
    sum[lane] += error * error;
  };
  std::size_t i = 0;
  for (; i + 4 <= weights.size(); i += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      add(lane, weights[i + lane]);
    }
  }
  for (; i < weights.size(); ++i) {
    add(0, weights[i]);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

double least_squares_scale(std::span<const float> weights, double whole, int bits) {
  double best = whole;
  double least = std::numeric_limits<double>::infinity();
  for (int k = kCandidates; k >= kNarrowest; --k) {
    const double scale = whole * k / kCandidates;
    const double error = squared_error(weights, scale, bits);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

/// The share of the columns' largest magnitudes that the integers shall cover.
double least_divergence(std::span<const float> weights, std::span<const double> largest, int bits) {
  const std::size_t rows = weights.size() / largest.size();
  Histogram h;
  std::vector<float> column(rows);
  for (std::size_t c = 0; c < largest.size(); ++c) {
    if (largest[c] > 0.0) {
      std::transform(
          weights.begin() + static_cast<std::ptrdiff_t>(c * rows),
          weights.begin() + static_cast<std::ptrdiff_t>((c + 1) * rows),
          column.begin(),
          [&](float w) { return static_cast<float>(static_cast<double>(w) / largest[c]); });
      h.add(column);
    }
  }
  if (h.count() == 0) {
    return 1.0;
  }
  const std::int64_t levels = std::max<std::int64_t>(2, max_value(bits, false));
  double best = 1.0;
  double least = std::numeric_limits<double>::infinity();
  for (int k = kCandidates; k >= kNarrowest; --k) {
    const double part = static_cast<double>(k) / kCandidates;
    const double loss = kl_divergence(h, -part, part, levels);
    if (loss < least) {
      least = loss;
      best = part;
    }
  }
  return best;
}

WeightScale ternary_scale(std::span<const float> weights) {
  double sum = 0.0;
  for (const float w : weights) {
    sum += std::abs(static_cast<double>(w));
  }
  WeightScale s;
  s.threshold = 0.7 * sum / static_cast<double>(weights.size());
  double kept = 0.0;
  std::int64_t count = 0;
  for (const float w : weights) {
    const double magnitude = std::abs(static_cast<double>(w));
    if (magnitude > s.threshold) {
      kept += magnitude;
      ++count;
    }
  }
  s.scale = count > 0 ? kept / static_cast<double>(count) : 1.0;
  return s;
}

}  // namespace

std::vector<WeightScale> weight_scales(std::span<const float> weights,
                                       std::int64_t cols,
                                       int bits,
                                       WeightMethod method,
                                       bool per_channel) {
  const std::size_t count = per_channel ? static_cast<std::size_t>(cols) : 1;
  const std::size_t rows = weights.size() / count;
  const auto column = [&](std::size_t c) { return weights.subspan(c * rows, rows); };
  std::vector<double> largest(count);
  for (std::size_t c = 0; c < count; ++c) {
    largest[c] = largest_magnitude(column(c));
  }
  const double part = method == WeightMethod::kl ? least_divergence(weights, largest, bits) : 1.0;
  std::vector<WeightScale> scales(count);
  double widest = 0.0;
  for (std::size_t c = 0; c < count; ++c) {
    if (largest[c] == 0.0) {
      continue;
    }
    const double whole = largest[c] / high_of(bits);
    if (method == WeightMethod::twn && bits == 2) {
      scales[c] = ternary_scale(column(c));
    } else if (method == WeightMethod::max || method == WeightMethod::kl) {
      scales[c].scale = whole * part;
    } else {
      scales[c].scale = least_squares_scale(column(c), whole, bits);
    }
    widest = std::max(widest, scales[c].scale);
  }
  for (std::size_t c = 0; c < count; ++c) {
    if (widest > 0.0) {
      scales[c].scale =
          largest[c] == 0.0 ? widest : std::max({scales[c].scale, widest / 256.0, 0x1p-200});
    }
  }
  return scales;
}

WeightScale weight_scale(std::span<const float> weights, int bits, WeightMethod method) {
  return weight_scales(weights, 1, bits, method, false).front();
}

std::int32_t quantize_weight(float weight, const WeightScale& s, int bits) {
  const auto w = static_cast<double>(weight);
  if (s.threshold >= 0.0) {
    return std::abs(w) > s.threshold ? (w > 0.0 ? 1 : -1) : 0;
  }
  const auto low = static_cast<std::int64_t>(low_of(bits));
  const std::int64_t high = bits == 1 ? 0 : -low;
  return static_cast<std::int32_t>(std::clamp(round_away(w / s.scale), low, high));
}

std::vector<std::int32_t> quantize_weights(std::span<const float> weights,
                                           std::span<const WeightScale> scales,
                                           int bits) {
  const std::size_t rows = weights.size() / scales.size();
  std::vector<std::int32_t> q(weights.size());
  for (std::size_t i = 0; i < q.size(); ++i) {
    q[i] = quantize_weight(weights[i], scales[i / rows], bits);
  }
  return q;
}

}  // namespace tessera
