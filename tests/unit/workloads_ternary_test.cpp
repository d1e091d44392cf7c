// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/diagnostics.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantize.hpp"
#include "workloads/ternary.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace tessera {
namespace {

TEST(Ternary, HasExactlyAsManyZerosAsAskedFor) {
  for (const double sparsity : {0.0, 0.2, 0.5, 0.8, 0.999, 1.0}) {
    for (const std::int64_t count : {1, 9, 1000, 4097}) {
      const std::vector<std::int32_t> w = ternary_weights(count, sparsity, 7, "w");
      ASSERT_EQ(static_cast<std::int64_t>(w.size()), count);
      const std::int64_t zeros = std::count(w.begin(), w.end(), 0);
      EXPECT_EQ(count - zeros, std::llround((1.0 - sparsity) * static_cast<double>(count)));
      for (const std::int32_t v : w) {
        EXPECT_TRUE(v >= -1 && v <= 1);
      }
    }
  }
}

TEST(Ternary, SpreadsPlacesAndSigns) {
  constexpr std::int64_t kCount = 100000;
  const std::vector<std::int32_t> w = ternary_weights(kCount, 0.8, 1, "w");
  std::int64_t plus = 0;
  std::int64_t early = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    plus += w[i] == 1 ? 1 : 0;
    early += w[i] != 0 && i < w.size() / 2 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(plus), 10000, 300);
  EXPECT_NEAR(static_cast<double>(early), 10000, 300);
  EXPECT_EQ(w, ternary_weights(kCount, 0.8, 1, "w"));
  EXPECT_NE(w, ternary_weights(kCount, 0.8, 2, "w"));
  EXPECT_NE(w, ternary_weights(kCount, 0.8, 1, "v"));
}

TEST(Ternary, RefusesWhatIsNoShare) {
  for (const double bad : {-0.01, 1.01, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(sparsity_problem(bad).empty());
    EXPECT_THROW(ternary_weights(4, bad, 1, "w"), InternalError);
  }
  EXPECT_TRUE(sparsity_problem(0.0).empty());
  EXPECT_TRUE(sparsity_problem(1.0).empty());
}

/// Activations neither die out nor all saturate, so that tests on them mean something.
TEST(Ternary, KeepsActivationsAlive) {
  for (const double sparsity : {0.5, 0.8, 0.9}) {
    Network network = zoo("resnet20");
    quantize(network, {2, 4});
    Golden golden(network,
                  [&](LayerId id) { return ternary_parameters(network, id, 3, sparsity); });
    golden.run(synthetic_input(network, 3, 0));
    for (LayerId id = 1; id < network.output(); ++id) {
      if (network.layer(id).activation != Activation::relu) {
        continue;
      }
      const std::vector<std::int32_t>& y = golden.tensor(id);
      const auto share = [&](std::int32_t v) {
        return static_cast<double>(std::count(y.begin(), y.end(), v)) /
               static_cast<double>(y.size());
      };
      EXPECT_LT(share(0), 0.9) << network.layer(id).name << " at " << sparsity;
      EXPECT_LT(share(15), 0.5) << network.layer(id).name << " at " << sparsity;
    }
  }
}

}  // namespace
}  // namespace tessera
