// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Nearest-distance search; see associative.hpp.
#include "arch/lut/associative.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"

#include <utility>

namespace tessera::arch::lut {
namespace {

std::uint64_t distance(std::int64_t a, std::int64_t b) {
  const auto x = static_cast<std::uint64_t>(a);
  const auto y = static_cast<std::uint64_t>(b);
  return a > b ? x - y : y - x;
}

}  // namespace

NearestMemory::NearestMemory(std::vector<Row> rows) : rows_(std::move(rows)) {
  if (rows_.empty()) {
    throw InternalError("lut", -1, "an associative memory without rows");
  }
}

std::size_t NearestMemory::nearest(std::int64_t key) const {
  std::size_t best = 0;
  for (std::size_t row = 1; row < rows_.size(); ++row) {
    if (distance(key, rows_[row].key) < distance(key, rows_[best].key)) {
      best = row;
    }
  }
  return best;
}

std::size_t NearestMemory::nearest_in_stages(std::int64_t key, int bits, int stage_bits) const {
  // Order as unsigned numbers: the sign bit counts the other way round.
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  const std::uint64_t mask = sign | (sign - 1);
  const auto digit = [&](std::int64_t v, int low) {
    const int width = stage_bits >= 64 ? 64 : stage_bits;
    const std::uint64_t ones = width == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    return static_cast<std::int64_t>((((static_cast<std::uint64_t>(v) & mask) ^ sign) >> low) &
                                     ones);
  };
  std::vector<std::size_t> kept(rows_.size());
  for (std::size_t row = 0; row < kept.size(); ++row) {
    kept[row] = row;
  }
  for (int stage = ceil_div(bits, stage_bits) - 1; stage >= 0; --stage) {
    const int low = stage * stage_bits;
    std::vector<std::size_t> nearest_rows;
    std::uint64_t least = ~std::uint64_t{0};
    for (const std::size_t row : kept) {
      const std::uint64_t d = distance(digit(key, low), digit(rows_[row].key, low));
      if (d < least) {
        least = d;
        nearest_rows.clear();
      }
      if (d == least) {
        nearest_rows.push_back(row);
      }
    }
    kept = std::move(nearest_rows);
  }
  return kept.front();
}

std::vector<NearestMemory::Row> rescale_rows(int shift, std::int64_t low, std::int64_t high) {
  std::vector<NearestMemory::Row> rows;
  for (std::int64_t level = low; level <= high; ++level) {
    // Halfway to a level above zero belongs to that level, halfway to another to the one below, and
    // a search answers with the lower row.
    rows.push_back({level * (std::int64_t{1} << (shift + 1)) - (level > 0 ? 1 : 0), level});
  }
  return rows;
}

}  // namespace tessera::arch::lut
