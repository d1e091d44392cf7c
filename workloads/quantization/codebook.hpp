// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Codebooks: the few values that many numbers may take.
///
/// Flat     k-means in one dimension (Lloyd), started by k-means++, stopped when no value moves or
///          after 100 rounds. Entries ascend; there are fewer than asked for when there are fewer
///          different values. Equal values of one number count as often as they occur.
/// Tree     every cluster of a level is split in two by k-means, so that a code of d bits is the
///          prefix of the finer code; a node that holds one value only has two equal children
/// Many     more than 2^20 values are first put into 2^16 bins of equal width between the least and
///          the largest; a bin counts as its mean, so entries are means of values all the same
/// Ties     a value as far from two entries belongs to the lower one
/// Streams  Rng(seed, stream)
/// Source   k-means++: D. Arthur, S. Vassilvitskii, SODA 2007; trees: M. Imani et al., "RAPIDNN"
///          (multi-level codebooks; that each level splits its parents in two is our reading)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tessera {

/// How often a value occurs.
struct ValueCount {
  double value = 0.0;
  std::int64_t count = 0;  ///< > 0
};

/// Entries of a flat codebook with at most `entries` of them, ascending. `values` are finite.
std::vector<double> cluster(std::span<const double> values,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream);
std::vector<double> cluster(std::span<const float> values,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream);
/// The same of `counts`, whose values ascend.
std::vector<double> cluster(std::span<const ValueCount> counts,
                            std::size_t entries,
                            std::uint64_t seed,
                            std::string_view stream);

/// Index of the entry nearest to x. `entries` ascend and are not empty.
std::size_t nearest(std::span<const double> entries, double x);

class TreeCodebook {
 public:
  /// `levels` bits: 2^levels entries at the finest level. Values as for cluster().
  TreeCodebook(std::span<const double> values,
               int levels,
               std::uint64_t seed,
               std::string_view stream);
  TreeCodebook(std::span<const float> values,
               int levels,
               std::uint64_t seed,
               std::string_view stream);
  TreeCodebook(std::span<const ValueCount> counts,
               int levels,
               std::uint64_t seed,
               std::string_view stream);

  [[nodiscard]] int levels() const { return levels_; }

  /// Entries of a level, 2^level of them, ascending; level 0 is the mean.
  [[nodiscard]] std::span<const double> entries(int level) const;

  /// The code of x with levels() bits, found from the root down; its first `level` bits (code >>
  /// (levels() - level)) are the code at that level.
  [[nodiscard]] std::size_t code(double x) const;

 private:
  int levels_;
  std::vector<double> nodes_;  ///< 1 is the root, those below n are 2n and 2n + 1
};

}  // namespace tessera
