// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/codebook.hpp"

#include "sim/base/rng.hpp"
#include "tests/support/float_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace tessera {
namespace {

using Doubles = std::vector<double>;

Doubles values(std::size_t count, std::uint64_t seed) {
  Rng rng(seed, "values");
  Doubles x(count);
  std::generate(x.begin(), x.end(), [&] { return static_cast<double>(test::bell(rng)); });
  return x;
}

double squared_error(const Doubles& x, const Doubles& entries) {
  double sum = 0;
  for (const double v : x) {
    const double d = v - entries[nearest(entries, v)];
    sum += d * d;
  }
  return sum;
}

TEST(Codebook, FindsClustersThatAreThere) {
  Doubles x;
  for (int i = 0; i < 30; ++i) {
    x.insert(x.end(), {-2.0 + 0.001 * i, 0.5 + 0.001 * i, 3.0 + 0.001 * i});
  }
  const Doubles entries = cluster(x, 3, 1, "test");
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_NEAR(entries[0], -1.9855, 1e-9);
  EXPECT_NEAR(entries[1], 0.5145, 1e-9);
  EXPECT_NEAR(entries[2], 3.0145, 1e-9);
}

/// Every entry is the mean of the values that are nearest to it: what Lloyd's rounds end with.
TEST(Codebook, IsAFixedPoint) {
  const Doubles x = values(3000, 5);
  const Doubles entries = cluster(x, 8, 7, "test");
  ASSERT_EQ(entries.size(), 8U);
  Doubles sum(8, 0.0);
  Doubles count(8, 0.0);
  for (const double v : x) {
    sum[nearest(entries, v)] += v;
    count[nearest(entries, v)] += 1;
  }
  for (std::size_t k = 0; k < 8; ++k) {
    EXPECT_NEAR(entries[k], sum[k] / count[k], 5e-3) << k;
  }
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end()));
  EXPECT_LT(squared_error(x, entries), squared_error(x, cluster(x, 4, 7, "test")) / 2);
  EXPECT_EQ(entries, cluster(x, 8, 7, "test"));
}

TEST(Codebook, FewerValuesThanEntries) {
  EXPECT_EQ(cluster(Doubles{3, 1, 3, 1, 1}, 8, 1, "test"), (Doubles{1, 3}));
  EXPECT_EQ(cluster(Doubles{2, 2}, 4, 1, "test"), (Doubles{2}));
}

/// More values than are sorted: bins of them, whose entries are as good, and exact where few values
/// occur.
TEST(Codebook, ManyValuesAreCountedInBins) {
  const Doubles x = values(3000, 5);
  Doubles many;
  for (std::size_t k = 0; k < (std::size_t{1} << 20) / 3000 + 1; ++k) {
    many.insert(many.end(), x.begin(), x.end());
  }
  ASSERT_GT(many.size(), std::size_t{1} << 20);
  const Doubles entries = cluster(many, 8, 7, "test");
  ASSERT_EQ(entries.size(), 8U);
  EXPECT_NEAR(squared_error(x, entries),
              squared_error(x, cluster(x, 8, 7, "test")),
              0.02 * squared_error(x, entries));
  std::vector<float> few((std::size_t{1} << 20) + 1, 0.1F);
  few[0] = -0.3F;
  EXPECT_EQ(cluster(few, 4, 1, "test"),
            (Doubles{static_cast<double>(-0.3F), static_cast<double>(0.1F)}));
}

/// A value that occurs n times counts like n values.
TEST(Codebook, CountsAreValuesThatOccurOften) {
  const std::vector<ValueCount> counts{{-2, 5}, {0, 1}, {1, 7}, {6, 2}, {7, 2}};
  Doubles all;
  for (const ValueCount& c : counts) {
    all.insert(all.end(), static_cast<std::size_t>(c.count), c.value);
  }
  for (const std::size_t entries : {1U, 2U, 3U, 8U}) {
    EXPECT_EQ(cluster(counts, entries, 3, "test"), cluster(all, entries, 3, "test"));
  }
}

TEST(Codebook, NearestBreaksTiesDownwards) {
  const Doubles entries{-1, 1, 4};
  EXPECT_EQ(nearest(entries, -5), 0U);
  EXPECT_EQ(nearest(entries, 0), 0U);
  EXPECT_EQ(nearest(entries, 0.01), 1U);
  EXPECT_EQ(nearest(entries, 2.5), 1U);
  EXPECT_EQ(nearest(entries, 9), 2U);
}

TEST(TreeCodebook, PrefixesAreTheCoarserCodes) {
  const Doubles x = values(2000, 2);
  const TreeCodebook fine(x, 4, 3, "tree");
  const TreeCodebook coarse(x, 2, 3, "tree");
  double mean = 0;
  for (const double v : x) {
    mean += v / static_cast<double>(x.size());
    EXPECT_EQ(fine.code(v) >> 2, coarse.code(v)) << v;
  }
  EXPECT_NEAR(fine.entries(0)[0], mean, 1e-9);
  for (int level = 0; level <= 4; ++level) {
    const std::span<const double> entries = fine.entries(level);
    ASSERT_EQ(entries.size(), std::size_t{1} << level);
    EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end()));
  }
  EXPECT_TRUE(
      std::equal(fine.entries(2).begin(), fine.entries(2).end(), coarse.entries(2).begin()));
}

TEST(TreeCodebook, EachLevelDescribesBetter) {
  const Doubles x = values(2000, 4);
  const TreeCodebook tree(x, 5, 1, "tree");
  double last = 1e9;
  for (int level = 0; level <= 5; ++level) {
    double sum = 0;
    for (const double v : x) {
      const double d = v - tree.entries(level)[tree.code(v) >> (5 - level)];
      sum += d * d;
    }
    EXPECT_LT(sum, last * 0.5);
    last = sum;
  }
}

TEST(TreeCodebook, OneValueOnly) {
  const TreeCodebook tree(Doubles{1.5, 1.5}, 2, 1, "tree");
  EXPECT_EQ(tree.entries(2)[tree.code(1.5)], 1.5);
  EXPECT_EQ(tree.code(1.5), 0U);
}

}  // namespace
}  // namespace tessera
