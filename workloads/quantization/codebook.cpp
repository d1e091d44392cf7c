// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/codebook.hpp"

#include "sim/base/rng.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tessera {

namespace {

constexpr int kRounds = 100;

/// Different values, ascending, with running sums: any range's mean costs two look-ups.
class Sorted {
 public:
  explicit Sorted(std::span<const double> values) {
    std::vector<double> all(values.begin(), values.end());
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i == 0 || all[i] != all[i - 1]) {
        values_.push_back(all[i]);
        counts_.push_back(counts_.empty() ? 0.0 : counts_.back());
        sums_.push_back(sums_.empty() ? 0.0 : sums_.back());
      }
      counts_.back() += 1.0;
      sums_.back() += all[i];
    }
  }

  [[nodiscard]] std::size_t size() const { return values_.size(); }

  [[nodiscard]] double value(std::size_t i) const { return values_[i]; }

  /// How often values [begin, end) occur.
  [[nodiscard]] double count(std::size_t begin, std::size_t end) const {
    return before(counts_, end) - before(counts_, begin);
  }

  [[nodiscard]] double mean(std::size_t begin, std::size_t end) const {
    return end - begin == 1 ? values_[begin]
                            : (before(sums_, end) - before(sums_, begin)) / count(begin, end);
  }

  /// The first of [begin, end) that is larger than x.
  [[nodiscard]] std::size_t after(double x, std::size_t begin, std::size_t end) const {
    const auto first = values_.begin();
    return static_cast<std::size_t>(std::upper_bound(first + static_cast<std::ptrdiff_t>(begin),
                                                     first + static_cast<std::ptrdiff_t>(end),
                                                     x) -
                                    first);
  }

 private:
  static double before(const std::vector<double>& running, std::size_t i) {
    return i == 0 ? 0.0 : running[i - 1];
  }

  std::vector<double> values_;
  std::vector<double> counts_;
  std::vector<double> sums_;
};

double middle(double a, double b) {
  return a + (b - a) / 2.0;
}

/// k-means++ among the values [begin, end): different values, ascending.
std::vector<double> start(
    const Sorted& values, std::size_t begin, std::size_t end, std::size_t entries, Rng& rng) {
  std::vector<double> chosen;
  std::vector<double> distance(end - begin, 1.0);  // squared, to the nearest chosen one
  while (chosen.size() < std::min(entries, end - begin)) {
    double total = 0.0;
    for (std::size_t i = begin; i < end; ++i) {
      total += distance[i - begin] * values.count(i, i + 1);
    }
    double left = rng.uniform01() * total;
    std::size_t at = end;
    for (std::size_t i = begin; i < end; ++i) {
      const double weight = distance[i - begin] * values.count(i, i + 1);
      if (weight > 0.0) {
        at = i;
        if (left < weight) {
          break;
        }
        left -= weight;
      }
    }
    if (at == end) {
      break;  // the others lie so near that their squares are 0
    }
    const double picked = values.value(at);
    for (std::size_t i = begin; i < end; ++i) {
      const double d = values.value(i) - picked;
      distance[i - begin] = chosen.empty() ? d * d : std::min(distance[i - begin], d * d);
    }
    chosen.push_back(picked);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

/// Ends of the clusters of the ascending `entries` among the values [begin, end).
std::vector<std::size_t> ends_of(const Sorted& values,
                                 std::size_t begin,
                                 std::size_t end,
                                 const std::vector<double>& entries) {
  std::vector<std::size_t> ends;
  for (std::size_t k = 0; k + 1 < entries.size(); ++k) {
    begin = values.after(middle(entries[k], entries[k + 1]), begin, end);
    ends.push_back(begin);
  }
  ends.push_back(end);
  return ends;
}

/// Lloyd's rounds; entries without values are dropped.
std::vector<double> k_means(
    const Sorted& values, std::size_t begin, std::size_t end, std::size_t entries, Rng& rng) {
  std::vector<double> centers = start(values, begin, end, entries, rng);
  std::vector<std::size_t> ends;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::size_t> next = ends_of(values, begin, end, centers);
    if (next == ends) {
      break;
    }
    ends = std::move(next);
    std::vector<double> moved;
    std::size_t first = begin;
    for (const std::size_t last : ends) {
      if (last > first) {
        moved.push_back(values.mean(first, last));
      }
      first = last;
    }
    centers = std::move(moved);
  }
  return centers;
}

}  // namespace

std::vector<double> cluster(std::span<const double> values,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream) {
  const Sorted sorted(values);
  Rng rng(seed, stream);
  return k_means(sorted, 0, sorted.size(), entries, rng);
}

std::size_t nearest(std::span<const double> entries, double x) {
  const auto above = std::lower_bound(entries.begin(), entries.end(), x);
  const auto at = static_cast<std::size_t>(above - entries.begin());
  if (at == 0) {
    return 0;
  }
  return at == entries.size() || x - entries[at - 1] <= entries[at] - x ? at - 1 : at;
}

TreeCodebook::TreeCodebook(std::span<const double> values,
                           int levels,
                           std::uint64_t seed,
                           std::string_view stream)
    : levels_(levels), nodes_(std::size_t{2} << levels) {
  const Sorted sorted(values);
  // The values of every node of the level at hand.
  std::vector<std::pair<std::size_t, std::size_t>> ranges = {{0, sorted.size()}};
  nodes_[1] = sorted.mean(0, sorted.size());
  for (int level = 0; level < levels; ++level) {
    std::vector<std::pair<std::size_t, std::size_t>> next;
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      const auto [begin, end] = ranges[k];
      const std::size_t node = (std::size_t{1} << level) + k;
      Rng rng(seed, fmt::format("{}/{}", stream, node));
      const std::vector<double> centers =
          end - begin < 2 ? std::vector<double>{} : k_means(sorted, begin, end, 2, rng);
      if (centers.size() < 2) {
        nodes_[2 * node] = nodes_[2 * node + 1] = nodes_[node];
        next.emplace_back(begin, end);
        next.emplace_back(end, end);
        continue;
      }
      const std::size_t split = sorted.after(middle(centers[0], centers[1]), begin, end);
      nodes_[2 * node] = centers[0];
      nodes_[2 * node + 1] = centers[1];
      next.emplace_back(begin, split);
      next.emplace_back(split, end);
    }
    ranges = std::move(next);
  }
}

std::span<const double> TreeCodebook::entries(int level) const {
  const std::size_t size = std::size_t{1} << level;
  return std::span(nodes_).subspan(size, size);
}

std::size_t TreeCodebook::code(double x) const {
  std::size_t node = 1;
  for (int level = 0; level < levels_; ++level) {
    node = 2 * node + (x > middle(nodes_[2 * node], nodes_[2 * node + 1]) ? 1 : 0);
  }
  return node - (std::size_t{1} << levels_);
}

}  // namespace tessera
