// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Counts of real numbers in bins whose width is a power of two.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

class Histogram {
 public:
  static constexpr int kBins = 8192;
  static constexpr int kHalf = kBins / 2;  ///< bins below 0

  /// Values that are no finite numbers are not counted.
  void add(std::span<const float> values);

  [[nodiscard]] std::int64_t count() const { return count_; }

  [[nodiscard]] std::int64_t zeros() const { return zeros_; }

  [[nodiscard]] double smallest() const { return smallest_; }  ///< 0 without values

  [[nodiscard]] double largest() const { return largest_; }

  /// Bin b covers [(b - kHalf) * width, (b + 1 - kHalf) * width).
  [[nodiscard]] double width() const;

  [[nodiscard]] std::span<const std::int64_t> bins() const { return bins_; }

  [[nodiscard]] double middle(int bin) const { return (bin - kHalf + 0.5) * width(); }

 private:
  void grow(int exponent);

  int exponent_ = -64;  ///< every |value| is below 2^exponent_
  std::int64_t count_ = 0;
  std::int64_t zeros_ = 0;  ///< values that are exactly 0
  double smallest_ = 0.0;
  double largest_ = 0.0;
  std::vector<std::int64_t> bins_;  ///< empty without values
};

/// How much is lost when the values of `h` are described by `levels` integers that cover [low,
/// high], low < high: sum of p log(p / q) in nats. p is the histogram with the values outside
/// added to the outermost bins inside; q gives every integer's share evenly to those of its bins
/// that are not empty (without the values from outside). Bins with q = 0 count as q = 1e-12. Values
/// that are exactly 0 do not count: every range has them.
/// Source   S. Migacz, "8-bit Inference with TensorRT", GTC 2017
double kl_divergence(const Histogram& h, double low, double high, std::int64_t levels);

}  // namespace tessera
