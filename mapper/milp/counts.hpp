// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The numbers of replicas of one layer, and what each costs in rounds, without listing them where
/// a formula does.
///
/// rounds(k) is positions / k, or its ceiling with whole_rounds; then only the smallest count of
/// each number of rounds is worth having. Both lie within [positions / k, positions / k + 1), whose
/// lower end is convex: searches start at the minimum of that and walk outwards until it excludes
/// everything further away.
#pragma once

#include "mapper/problem.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::mapper::milp {

class Counts {
 public:
  Counts(const Problem& problem, const ProblemLayer& layer);

  [[nodiscard]] std::int64_t size() const { return size_; }

  /// The index-th worthwhile count, rising.
  [[nodiscard]] std::int64_t at(std::int64_t index) const {
    return whole_ ? listed_[static_cast<std::size_t>(index)] : index + 1;
  }

  [[nodiscard]] double rounds(std::int64_t count) const {
    const double exact = positions_ / static_cast<double>(count);
    return whole_ ? std::ceil(exact) : exact;
  }

  /// Index of the smallest worthwhile count >= count; size() when there is none.
  [[nodiscard]] std::int64_t index_of(std::int64_t count) const;

  /// The smallest count with per_position * rounds(count) <= limit; -1 when there is none.
  [[nodiscard]] std::int64_t for_limit(double per_position, double limit) const;

  /// The count >= least that minimises rounds(count) + weight * count; the smaller one of equals.
  [[nodiscard]] std::int64_t best(double weight, std::int64_t least) const;

  /// Calls use(count) for every count >= least with rounds(count) + weight * count <= limit.
  template <typename Use>
  void within(double weight, double limit, std::int64_t least, Use&& use) const {
    walk(weight, least, [&](std::int64_t count) {
      if (rounds(count) + weight * static_cast<double>(count) <= limit) {
        use(count);
      }
      return limit;
    });
  }

 private:
  /// visit(count) returns the limit above which nothing matters any more.
  template <typename Visit>
  void walk(double weight, std::int64_t least, Visit&& visit) const {
    const std::int64_t first = index_of(least);
    if (first >= size_) {
      return;
    }
    std::int64_t middle = first;
    const double ideal = std::sqrt(positions_ / weight);
    if (!(ideal <= static_cast<double>(at(size_ - 1)))) {
      middle = size_ - 1;
    } else if (ideal > static_cast<double>(at(first))) {
      middle = index_of(static_cast<std::int64_t>(std::ceil(ideal)));
    }
    const auto floor = [&](std::int64_t index) {
      const auto count = static_cast<double>(at(index));
      return positions_ / count + weight * count;
    };
    double limit = visit(at(middle));
    for (std::int64_t i = middle - 1; i >= first && floor(i) <= limit; --i) {
      limit = visit(at(i));
    }
    for (std::int64_t i = middle + 1; i < size_ && floor(i) <= limit; ++i) {
      limit = visit(at(i));
    }
  }

  double positions_ = 1;
  bool whole_ = false;
  std::int64_t size_ = 0;
  std::vector<std::int64_t> listed_;  ///< whole rounds only
};

}  // namespace tessera::mapper::milp
