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

/// More values than these are first put into so many bins.
constexpr std::size_t kMostValues = std::size_t{1} << 20;
constexpr std::size_t kBins = std::size_t{1} << 16;

/// Different values, ascending, with running sums: any range's mean costs two look-ups.
class Sorted {
 public:
  template <class T>
  explicit Sorted(std::span<const T> values) {
    if (values.size() > kMostValues) {
      add_bins(values);
      return;
    }
    std::vector<double> all(values.begin(), values.end());
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i == 0 || all[i] != all[i - 1]) {
        add(all[i], 0.0, 0.0);
      }
      counts_.back() += 1.0;
      sums_.back() += all[i];
    }
  }

  explicit Sorted(std::span<const ValueCount> counts) {
    for (const ValueCount& c : counts) {
      const auto count = static_cast<double>(c.count);
      add(c.value, count, c.value * count);
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
  template <class T>
  void add_bins(std::span<const T> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const auto from = static_cast<double>(*low);
    const double per_value =
        *high > *low ? static_cast<double>(kBins) / (static_cast<double>(*high) - from) : 0.0;

    struct Bin {
      double count = 0.0, sum = 0.0, first = 0.0;
      bool is_one_value = true;
    };

    std::vector<Bin> bins(kBins);
    for (const T value : values) {
      const auto v = static_cast<double>(value);
      Bin& bin = bins[std::min(kBins - 1, static_cast<std::size_t>((v - from) * per_value))];
      bin.first = bin.count > 0.0 ? bin.first : v;
      bin.is_one_value = bin.is_one_value && bin.first == v;
      bin.count += 1.0;
      bin.sum += v;
    }
    for (const Bin& bin : bins) {
      if (bin.count > 0.0) {
        add(bin.is_one_value ? bin.first : bin.sum / bin.count, bin.count, bin.sum);
      }
    }
  }

  void add(double value, double count, double sum) {
    values_.push_back(value);
    counts_.push_back((counts_.empty() ? 0.0 : counts_.back()) + count);
    sums_.push_back((sums_.empty() ? 0.0 : sums_.back()) + sum);
  }

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

std::vector<double> flat(const Sorted& sorted,
                         std::size_t entries,
                         std::uint64_t seed,
                         std::string_view stream) {
  Rng rng(seed, stream);
  return k_means(sorted, 0, sorted.size(), entries, rng);
}

/// Nodes of a tree: 1 is the root, those below n are 2n and 2n + 1.
std::vector<double> grow(const Sorted& sorted,
                         int levels,
                         std::uint64_t seed,
                         std::string_view stream) {
  std::vector<double> nodes(std::size_t{2} << levels);
  // The values of every node of the level at hand.
  std::vector<std::pair<std::size_t, std::size_t>> ranges = {{0, sorted.size()}};
  nodes[1] = sorted.mean(0, sorted.size());
  for (int level = 0; level < levels; ++level) {
    std::vector<std::pair<std::size_t, std::size_t>> next;
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      const auto [begin, end] = ranges[k];
      const std::size_t node = (std::size_t{1} << level) + k;
      Rng rng(seed, fmt::format("{}/{}", stream, node));
      const std::vector<double> centers =
          end - begin < 2 ? std::vector<double>{} : k_means(sorted, begin, end, 2, rng);
      if (centers.size() < 2) {
        nodes[2 * node] = nodes[2 * node + 1] = nodes[node];
        next.emplace_back(begin, end);
        next.emplace_back(end, end);
        continue;
      }
      const std::size_t split = sorted.after(middle(centers[0], centers[1]), begin, end);
      nodes[2 * node] = centers[0];
      nodes[2 * node + 1] = centers[1];
      next.emplace_back(begin, split);
      next.emplace_back(split, end);
    }
    ranges = std::move(next);
  }
  return nodes;
}

}  // namespace

std::vector<double> cluster(std::span<const double> values,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream) {
  return flat(Sorted(values), entries, seed, stream);
}

std::vector<double> cluster(std::span<const float> values,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream) {
  return flat(Sorted(values), entries, seed, stream);
}

std::vector<double> cluster(std::span<const ValueCount> counts,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream) {
  return flat(Sorted(counts), entries, seed, stream);
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
    : levels_(levels), nodes_(grow(Sorted(values), levels, seed, stream)) {}

TreeCodebook::TreeCodebook(std::span<const float> values,
                           int levels,
                           std::uint64_t seed,
                           std::string_view stream)
    : levels_(levels), nodes_(grow(Sorted(values), levels, seed, stream)) {}

TreeCodebook::TreeCodebook(std::span<const ValueCount> counts,
                           int levels,
                           std::uint64_t seed,
                           std::string_view stream)
    : levels_(levels), nodes_(grow(Sorted(counts), levels, seed, stream)) {}

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
