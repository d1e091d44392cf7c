// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace tessera::data {

std::vector<std::int64_t> stratified_order(std::span<const std::int32_t> labels, Rng& rng) {
  std::map<std::int32_t, std::vector<std::int64_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    classes[labels[i]].push_back(static_cast<std::int64_t>(i));
  }

  // Image k of a shuffled class of n stands at (2k + 1) / 2n of the way.
  struct Place {
    std::int64_t numerator;
    std::int64_t size;
    std::int64_t image;
  };

  std::vector<Place> places;
  places.reserve(labels.size());
  for (auto& [label, images] : classes) {
    const std::int64_t size = std::ssize(images);
    for (std::int64_t k = 0; k < size; ++k) {
      std::swap(images[static_cast<std::size_t>(k)],
                images[static_cast<std::size_t>(rng.uniform(k, size - 1))]);
      places.push_back({2 * k + 1, size, images[static_cast<std::size_t>(k)]});
    }
  }
  // Stable: of equal places the class with the smaller label comes first.
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.numerator * b.size < b.numerator * a.size;
  });
  std::vector<std::int64_t> order;
  order.reserve(places.size());
  for (const Place& place : places) {
    order.push_back(place.image);
  }
  return order;
}

std::array<std::int64_t, 3> cut(std::int64_t count, const std::array<double, 3>& fractions) {
  std::array<std::int64_t, 3> ends{};
  double sum = 0;
  for (std::size_t part = 0; part < ends.size(); ++part) {
    sum += fractions[part];
    // 1e-6: 0.7 + 0.1 + 0.2 is less than 1, and half of something stays half.
    const double end = std::floor(sum * static_cast<double>(count) + 0.5 + 1e-6);
    ends[part] = std::min(count, static_cast<std::int64_t>(end));
  }
  return ends;
}

}  // namespace tessera::data
