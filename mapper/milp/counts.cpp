// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/counts.hpp"

#include <algorithm>
#include <limits>

namespace tessera::mapper::milp {

Counts::Counts(const Problem& problem, const ProblemLayer& layer)
    : positions_(static_cast<double>(layer.positions)), whole_(problem.whole_rounds) {
  if (whole_) {
    listed_ = replica_counts(problem, layer, std::numeric_limits<std::int64_t>::max());
    size_ = std::ssize(listed_);
  } else {
    size_ = layer.max_replicas;
  }
}

std::int64_t Counts::index_of(std::int64_t count) const {
  if (whole_) {
    return std::lower_bound(listed_.begin(), listed_.end(), count) - listed_.begin();
  }
  return std::min(count - 1, size_);
}

std::int64_t Counts::for_limit(double per_position, double limit) const {
  const auto fits = [&](std::int64_t index) { return per_position * rounds(at(index)) <= limit; };
  if (size_ == 0 || !fits(size_ - 1)) {
    return -1;
  }
  std::int64_t first = 0;
  std::int64_t last = size_ - 1;
  while (first < last) {
    const std::int64_t middle = (first + last) / 2;
    if (fits(middle)) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  return at(first);
}

std::int64_t Counts::best(double weight, std::int64_t least) const {
  std::int64_t best = least;
  double lowest = std::numeric_limits<double>::infinity();
  walk(weight, least, [&](std::int64_t count) {
    const double value = rounds(count) + weight * static_cast<double>(count);
    if (value < lowest || (value == lowest && count < best)) {
      lowest = value;
      best = count;
    }
    return lowest;
  });
  return best;
}

}  // namespace tessera::mapper::milp
