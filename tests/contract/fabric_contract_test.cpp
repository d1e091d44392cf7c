// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does every fabric keep the promises of sim/api/fabric.hpp?
#include "tests/contract/fabric_random.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

namespace tessera::arch::fabric {
namespace {

using testing::Case;
using testing::Send;

std::uint64_t seed() {
  const char* text = std::getenv("TESSERA_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

class EveryFabric : public ::testing::TestWithParam<Topology> {};

/// One message at a time: delivered at t + zero_load_latency, not a cycle earlier, with no wait.
/// History (round-robin pointers, order of released channels) must not show.
TEST_P(EveryFabric, UncontendedLatencyIsTheClosedForm) {
  for (int trial = 0; trial < 60; ++trial) {
    Rng rng(seed() + static_cast<std::uint64_t>(trial), "zero-load");
    const Case c = testing::random_case(GetParam(), rng, 12);
    SCOPED_TRACE(c.text() + " trial " + std::to_string(trial));
    const auto fabric = make_fabric(c.spec, c.layout);
    std::int64_t now = 0;
    std::vector<Delivery> got;
    for (EndpointId from = 0; from < c.endpoints(); ++from) {
      for (EndpointId to = 0; to < c.endpoints(); ++to) {
        if (from == to) {
          continue;
        }
        const Bits bits(rng.uniform(0, (rng.chance(0.2) ? 80 : 20) * c.spec.flit_bits.value));
        const std::int64_t expected = fabric->zero_load_latency(from, to, bits).value;
        fabric->inject(from, std::span(&to, 1), bits, 7, Cycles(now));
        got.clear();
        const auto before = fabric->advance(Cycles(now + 1), Cycles(now + expected - 1), got);
        ASSERT_TRUE(got.empty()) << "early: " << from << "->" << to << " " << bits.value
                                 << " bits, expected " << expected << " got " << before.value - now;
        fabric->advance(Cycles(now + expected), Cycles(now + expected), got);
        if (got.empty()) {
          const auto late = fabric->advance(Cycles(now + expected + 1), Cycles(now + 100000), got);
          FAIL() << "late: " << from << "->" << to << " " << bits.value << " bits, expected "
                 << expected << " got " << late.value - now;
        }
        ASSERT_EQ(got.size(), 1U);
        EXPECT_EQ(got[0].at.value, now + expected);
        EXPECT_EQ(got[0].link_wait.value, 0);
        EXPECT_EQ(got[0].credit_wait.value, 0);
        EXPECT_TRUE(fabric->idle());
        now += expected + rng.uniform(200, 300);
      }
    }
  }
}

TEST_P(EveryFabric, ConservesFlitsAndExplainsEveryWait) {
  for (int trial = 0; trial < 30; ++trial) {
    Rng rng(seed() + static_cast<std::uint64_t>(trial), "conserve");
    const Case c = testing::random_case(GetParam(), rng, 20);
    SCOPED_TRACE(c.text());
    const auto fabric = make_fabric(c.spec, c.layout);
    const auto sends = testing::random_traffic(c, rng, 300, 2000, 20, 0.0);
    std::map<MessageId, const Send*> sent;
    for (const Send& s : sends) {
      sent[s.id] = &s;
    }
    const auto got = testing::run(*fabric, sends, 1'000'000, [] { return std::int64_t{1000}; });
    EXPECT_TRUE(fabric->idle());
    ASSERT_EQ(got.size(), sends.size());
    const FabricTotals t = fabric->totals();
    EXPECT_EQ(t.flits_injected, t.flits_ejected);
    EXPECT_EQ(t.flits_in_flight, 0);
    for (const Delivery& d : got) {
      const Send& s = *sent.at(d.id);
      EXPECT_EQ(d.to, s.to[0]);
      EXPECT_GE(d.link_wait.value, 0);
      EXPECT_GE(d.credit_wait.value, 0);
      EXPECT_EQ(d.at.value - s.at,
                fabric->zero_load_latency(s.from, d.to, s.bits).value + d.link_wait.value +
                    d.credit_wait.value);
    }
  }
}

TEST_P(EveryFabric, OrderOfCallsAndSplitOfTimeDoNotMatter) {
  for (int trial = 0; trial < 30; ++trial) {
    Rng rng(seed() + static_cast<std::uint64_t>(trial), "order");
    const Case c = testing::random_case(GetParam(), rng, 20);
    SCOPED_TRACE(c.text());
    auto sends = testing::random_traffic(c, rng, 300, 500, 12, 0.2);
    const auto reference = make_fabric(c.spec, c.layout);
    const auto a =
        testing::run(*reference, sends, 1'000'000, [] { return std::int64_t{1'000'000}; });
    // Shuffle the calls of each cycle.
    for (std::size_t i = 1; i < sends.size(); ++i) {
      const auto j = static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(i)));
      std::swap(sends[i], sends[j]);
    }
    std::stable_sort(
        sends.begin(), sends.end(), [](const Send& x, const Send& y) { return x.at < y.at; });
    const auto other = make_fabric(c.spec, c.layout);
    const auto b = testing::run(*other, sends, 1'000'000, [&rng] { return rng.uniform(1, 30); });
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_TRUE(testing::same(a[i], b[i]))
          << i << " at " << a[i].at.value << " and " << b[i].at.value;
    }
    const auto use_a = reference->link_use();
    const auto use_b = other->link_use();
    for (std::size_t l = 0; l < use_a.size(); ++l) {
      EXPECT_EQ(use_a[l].flits, use_b[l].flits) << use_a[l].name;
    }
  }
}

TEST_P(EveryFabric, DeliveriesOfACycleAreOrdered) {
  Rng rng(seed(), "sorted");
  const Case c = testing::random_case(GetParam(), rng, 20);
  const auto fabric = make_fabric(c.spec, c.layout);
  const auto sends = testing::random_traffic(c, rng, 500, 200, 4, 0.3);
  const auto got = testing::run(*fabric, sends, 1'000'000, [] { return std::int64_t{50}; });
  for (std::size_t i = 1; i < got.size(); ++i) {
    EXPECT_LT(std::tuple(got[i - 1].at, got[i - 1].to, got[i - 1].id),
              std::tuple(got[i].at, got[i].to, got[i].id));
  }
}

TEST_P(EveryFabric, MulticastReachesEveryDestinationOnce) {
  for (int trial = 0; trial < 30; ++trial) {
    Rng rng(seed() + static_cast<std::uint64_t>(trial), "multicast");
    const Case c = testing::random_case(GetParam(), rng, 24);
    SCOPED_TRACE(c.text());
    const auto fabric = make_fabric(c.spec, c.layout);
    const auto sends = testing::random_traffic(c, rng, 300, 300, 16, 0.4);
    std::set<std::pair<MessageId, EndpointId>> owed;
    for (const Send& s : sends) {
      for (const EndpointId to : s.to) {
        owed.emplace(s.id, to);
      }
    }
    const auto got = testing::run(*fabric, sends, 2'000'000, [] { return std::int64_t{1000}; });
    EXPECT_TRUE(fabric->idle()) << "not drained";
    EXPECT_EQ(got.size(), owed.size());
    for (const Delivery& d : got) {
      EXPECT_EQ(owed.erase({d.id, d.to}), 1U);
      EXPECT_GE(d.link_wait.value, 0);
      EXPECT_GE(d.credit_wait.value, 0);
    }
    EXPECT_TRUE(owed.empty());
    EXPECT_EQ(fabric->totals().flits_in_flight, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All,
                         EveryFabric,
                         ::testing::Values(Topology::mesh,
                                           Topology::torus,
                                           Topology::cmesh,
                                           Topology::tree,
                                           Topology::bus,
                                           Topology::ideal),
                         [](const auto& topology) {
                           return std::string(enum_names(
                               topology.param)[static_cast<std::size_t>(topology.param)]);
                         });

}  // namespace
}  // namespace tessera::arch::fabric
