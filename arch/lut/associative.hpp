// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Nearest-distance associative memory: rows of a key and a value, the row whose key is numerically
/// nearest answers. Activation, encoding and pooling of an RNA block are searches in it; the
/// largest of several is nearest to the largest number there is.
///
/// Units    none (integers)
/// Ties     the lowest row
/// Errors   InternalError for a memory without rows
/// Source   RAPIDNN: absolute, not Hamming distance; stages: README, "Associative memory"
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::arch::lut {

class NearestMemory {
 public:
  struct Row {
    std::int64_t key = 0;
    std::int64_t value = 0;
  };

  explicit NearestMemory(std::vector<Row> rows);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }

  /// The row with the least |key - row|.
  [[nodiscard]] std::size_t nearest(std::int64_t key) const;

  /// As the circuit searches a key of `bits` bits (two's complement): digits of `stage_bits` from
  /// the highest down; every stage keeps the rows whose digit is nearest among those kept so far.
  [[nodiscard]] std::size_t nearest_in_stages(std::int64_t key, int bits, int stage_bits) const;

  [[nodiscard]] std::int64_t value(std::size_t row) const { return rows_[row].value; }

 private:
  std::vector<Row> rows_;
};

/// Rows that answer 2 * acc * multiplier with the integer that acc * multiplier / 2^shift rounds
/// to, ties away from zero, clamped to [low, high]. What an encoder memory holds when the codes of
/// the next layer are all integers of that range; ReLU is low = 0.
[[nodiscard]] std::vector<NearestMemory::Row> rescale_rows(int shift,
                                                           std::int64_t low,
                                                           std::int64_t high);

}  // namespace tessera::arch::lut
