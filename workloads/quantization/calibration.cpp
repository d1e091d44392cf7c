// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/calibration.hpp"

#include "sim/base/parallel.hpp"
#include "workloads/float_executor.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <mutex>

namespace tessera {

namespace {

constexpr int kCandidates = 64;
constexpr int kNarrowest = 8;

/// All that a format has to cover when nothing is clipped.
Range whole_range(const Histogram& h, IntegerFormat format) {
  switch (format) {
    case IntegerFormat::is_unsigned:
      return {0.0, h.largest()};
    case IntegerFormat::is_signed: {
      const double r = std::max(-h.smallest(), h.largest());
      return {-r, r};
    }
    case IntegerFormat::asymmetric:
      break;
  }
  return {h.smallest(), h.largest()};
}

/// Edges of the bins between which all but `rest` of the values lie on each side.
Range percentile_range(const Histogram& h, IntegerFormat format, double percentile) {
  const Range whole = whole_range(h, format);
  const std::span<const std::int64_t> bins = h.bins();
  const auto count = static_cast<double>(h.count());
  const bool both = format == IntegerFormat::asymmetric;
  const double rest = count * (100.0 - percentile) / 100.0 / (both ? 2.0 : 1.0);
  constexpr std::size_t kHalf = Histogram::kHalf;
  const auto edge = [&](bool below, bool above) {
    // From outside: the first ring of bins with which more than `rest` values were seen.
    double seen = 0.0;
    for (std::size_t ring = kHalf; ring-- > 0;) {
      seen += below ? static_cast<double>(bins[kHalf - 1 - ring]) : 0.0;
      seen += above ? static_cast<double>(bins[kHalf + ring]) : 0.0;
      if (seen > rest) {
        return static_cast<double>(ring + 1) * h.width();
      }
    }
    return 0.0;
  };
  if (both) {
    return {std::max(whole.low, -edge(true, false)), std::min(whole.high, edge(false, true))};
  }
  const double r = std::min(whole.high, edge(format == IntegerFormat::is_signed, true));
  return {format == IntegerFormat::is_signed ? -r : 0.0, r};
}

double squared_error(const Histogram& h, const Range& range, int bits, IntegerFormat format) {
  const TensorScale s = scale_of(range, bits, format);
  const bool is_signed = format == IntegerFormat::is_signed;
  const std::int64_t high = max_value(bits, is_signed);
  const std::int64_t low = is_signed ? -high : 0;
  double sum = 0.0;
  for (int b = 0; b < Histogram::kBins; ++b) {
    const std::int64_t count = h.bins()[static_cast<std::size_t>(b)];
    if (count > 0) {
      const double x = h.middle(b);
      const std::int64_t q = std::clamp(round_away(x / s.scale) + s.zero, low, high);
      const double error = x - real_value(q, s);
      sum += static_cast<double>(count) * error * error;
    }
  }
  return sum;
}

}  // namespace

Calibration calibrate(const FloatModel& model, const FloatImageSource& images, std::int64_t count) {
  Calibration out;
  out.tensors.resize(model.network.layers.size());
  std::mutex one;  // of the images and of the histograms, which do not depend on the order
  for_each_index(count, machine_threads(), [&](std::int64_t image) {
    FloatExecutor executor(model);
    std::vector<float> x;
    {
      const std::scoped_lock lock(one);
      x = images(image);
    }
    executor.run(x);
    const std::scoped_lock lock(one);
    for (LayerId id = 0; id <= model.network.output(); ++id) {
      out.tensors[static_cast<std::size_t>(id)].add(executor.tensor(id));
    }
  });
  return out;
}

Range choose_range(const Histogram& h,
                   int bits,
                   IntegerFormat format,
                   const QuantizationSpec& spec) {
  const Range whole = whole_range(h, format);
  if (h.count() == 0 || !(whole.high > whole.low)) {
    return whole;
  }
  if (spec.activations == RangeMethod::max) {
    return whole;
  }
  if (spec.activations == RangeMethod::percentile) {
    return percentile_range(h, format, spec.percentile);
  }
  const std::int64_t levels = std::max<std::int64_t>(
      2, max_value(bits, false) + (format == IntegerFormat::is_signed ? 0 : 1));
  Range best = whole;
  double least = std::numeric_limits<double>::infinity();
  for (int k = kCandidates; k >= kNarrowest; --k) {
    const double part = static_cast<double>(k) / kCandidates;
    const Range range{whole.low * part, whole.high * part};
    const double loss = spec.activations == RangeMethod::mse
                            ? squared_error(h, range, bits, format)
                            : kl_divergence(h, range.low, range.high, levels);
    if (loss < least) {
      least = loss;
      best = range;
    }
  }
  return best;
}

TensorScale scale_of(const Range& range, int bits, IntegerFormat format, std::int64_t zero_step) {
  TensorScale s;
  const bool is_signed = format == IntegerFormat::is_signed;
  const auto largest = static_cast<double>(std::max<std::int64_t>(1, max_value(bits, is_signed)));
  const double span = format == IntegerFormat::asymmetric ? range.high - range.low
                                                          : std::max(-range.low, range.high);
  // The smallest normal number, so that ratios of scales stay finite.
  s.scale = span > 0.0 ? std::max(span / largest, 0x1p-200) : 1.0;
  if (format == IntegerFormat::asymmetric) {
    const auto steps = static_cast<double>(zero_step);
    const std::int64_t zero = zero_step * round_away(-range.low / s.scale / steps);
    const std::int64_t top = max_value(bits, false) / zero_step * zero_step;
    s.zero = std::clamp<std::int64_t>(zero, 0, top);
  }
  return s;
}

}  // namespace tessera
