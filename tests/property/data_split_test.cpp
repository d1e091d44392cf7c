// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Draws of images: complete, each once, every prefix with the classes in proportion.
#include "tests/support/cases.hpp"
#include "workloads/data/split.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace tessera::data {
namespace {

std::vector<std::int32_t> random_labels(Rng& rng) {
  const std::int64_t classes = rng.uniform(1, 12);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rng.uniform(1, 400)));
  for (std::int32_t& label : labels) {  // skewed: small labels are frequent
    label = static_cast<std::int32_t>(rng.uniform(0, rng.uniform(0, classes - 1)));
  }
  if (rng.chance(0.3)) {
    std::sort(labels.begin(), labels.end());  // as files often are
  }
  return labels;
}

TEST(DataSplitProperty, EveryImageOnceAndEveryPrefixInProportion) {
  Rng rng(test::test_seed(), "data splits");
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    const std::vector<std::int32_t> labels = random_labels(rng);
    std::map<std::int32_t, double> sizes;
    for (const std::int32_t label : labels) {
      sizes[label] += 1;
    }
    Rng draw(static_cast<std::uint64_t>(round), "draw");
    const std::vector<std::int64_t> order = stratified_order(labels, draw);
    std::vector<std::int64_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::int64_t> all(labels.size());
    std::iota(all.begin(), all.end(), 0);
    ASSERT_EQ(sorted, all);

    const auto images = static_cast<double>(labels.size());
    const auto classes = static_cast<double>(sizes.size());
    std::map<std::int32_t, double> seen;
    for (std::size_t length = 1; length <= order.size(); ++length) {
      seen[labels[static_cast<std::size_t>(order[length - 1])]] += 1;
      for (const auto& [label, size] : sizes) {
        ASSERT_LE(std::abs(seen[label] - size * static_cast<double>(length) / images),
                  0.5 + classes * size / (2 * images) + 1e-9)
            << "class " << label << " in the first " << length;
      }
    }
  }
}

TEST(DataSplitProperty, CutsAreInOrderAndNearTheirFractions) {
  Rng rng(test::test_seed(), "data cuts");
  for (int round = 0; round < 1000; ++round) {
    const std::int64_t count = rng.uniform(0, 2000);
    const double train = rng.uniform01();
    const double validation = (1 - train) * rng.uniform01();
    const std::array<double, 3> parts = {train, validation, 1 - train - validation};
    const std::array<std::int64_t, 3> ends = cut(count, parts);
    EXPECT_EQ(ends[2], count);
    std::int64_t begin = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      ASSERT_LE(begin, ends[k]);
      EXPECT_LE(
          std::abs(static_cast<double>(ends[k] - begin) - parts[k] * static_cast<double>(count)),
          1.001);
      begin = ends[k];
    }
  }
}

}  // namespace
}  // namespace tessera::data
