// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How firings share the output positions of a layer when one firing computes several of them.
///
/// Blocks are neighbours in the raster, as equal as possible: 3,136 positions and at most 256 at
/// once are 13 blocks of 242, the last one of 232.
#pragma once

#include "sim/base/math.hpp"

#include <algorithm>
#include <cstdint>

namespace tessera {

struct Blocks {
  std::int64_t positions = 1;  ///< of the raster
  std::int64_t size = 1;       ///< of every block but the last, which may be smaller

  /// As few blocks of at most `most` positions as possible.
  static Blocks of(std::int64_t positions, std::int64_t most) {
    const std::int64_t number = ceil_div(positions, std::max<std::int64_t>(1, most));
    return {positions, ceil_div(positions, std::max<std::int64_t>(1, number))};
  }

  [[nodiscard]] std::int64_t count() const { return ceil_div(positions, size); }

  /// The block of a raster position; -1 for -1, no position at all.
  [[nodiscard]] std::int64_t at(std::int64_t position) const {
    return position < 0 ? -1 : position / size;
  }

  [[nodiscard]] std::int64_t begin(std::int64_t block) const { return block * size; }

  [[nodiscard]] std::int64_t end(std::int64_t block) const {
    return std::min(positions, (block + 1) * size);
  }

  /// Calls f(p) for the raster positions that replica `replica` of `replicas` computes, ascending:
  /// replicas take blocks by turns.
  template <class F>
  void for_each_of(std::int64_t replica, std::int64_t replicas, F&& f) const {
    for (std::int64_t block = replica; block < count(); block += replicas) {
      for (std::int64_t p = begin(block); p < end(block); ++p) {
        f(p);
      }
    }
  }

  bool operator==(const Blocks&) const = default;
};

}  // namespace tessera
