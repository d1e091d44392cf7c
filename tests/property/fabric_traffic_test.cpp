// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does every fabric drain whatever is thrown at it, and use no link more than it must?
///
/// Seeded; a failing case is shrunk by halving the traffic. Replay with TESSERA_SEED.
#include "tests/contract/fabric_random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

namespace tessera::arch::fabric {
namespace {

using testing::Case;
using testing::Send;

std::uint64_t seed() {
  const char* text = std::getenv("TESSERA_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

constexpr std::array<Topology, 4> kRouted = {
    Topology::mesh, Topology::torus, Topology::cmesh, Topology::tree};

/// Empty when every destination receives exactly once and the fabric ends up idle.
std::string complaint(const Case& c, const std::vector<Send>& sends) {
  const auto fabric = make_fabric(c.spec, c.layout);
  const auto got = testing::run(*fabric, sends, 5'000'000, [] { return std::int64_t{10'000}; });
  std::set<std::pair<MessageId, EndpointId>> owed;
  for (const Send& s : sends) {
    for (const EndpointId to : s.to) {
      owed.emplace(s.id, to);
    }
  }
  for (const Delivery& d : got) {
    if (owed.erase({d.id, d.to}) == 0) {
      return "message " + std::to_string(d.id) + " delivered twice to " + std::to_string(d.to);
    }
    if (d.link_wait.value < 0 || d.credit_wait.value < 0) {
      return "message " + std::to_string(d.id) + " was faster than alone";
    }
  }
  if (!owed.empty() || !fabric->idle()) {
    return "stuck with " + std::to_string(owed.size()) + " deliveries owed";
  }
  return {};
}

void expect_drains(const Case& c, std::vector<Send> sends, std::uint64_t with_seed) {
  std::string failure = complaint(c, sends);
  if (failure.empty()) {
    return;
  }
  for (bool smaller = true; smaller && sends.size() > 1;) {
    smaller = false;
    const std::size_t half = sends.size() / 2;
    for (const bool front : {true, false}) {
      const std::vector<Send> part(
          sends.begin() + (front ? 0 : static_cast<std::ptrdiff_t>(half)),
          front ? sends.begin() + static_cast<std::ptrdiff_t>(half) : sends.end());
      const std::string again = complaint(c, part);
      if (!again.empty()) {
        sends = part;
        failure = again;
        smaller = true;
        break;
      }
    }
  }
  ADD_FAILURE() << failure << "\nTESSERA_SEED=" << with_seed << " " << c.text() << "\n"
                << sends.size() << " messages left after shrinking";
}

/// All at once, far above saturation, two fifths multicast, buffers down to one flit.
TEST(FabricTraffic, HeavyMixedMulticastDrains) {
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    Rng rng(seed() + trial, "heavy");
    Case c = testing::random_case(kRouted[trial % kRouted.size()], rng, 36);
    const auto sends = testing::random_traffic(c, rng, 600, 100, 24, 0.4);
    expect_drains(c, sends, seed() + trial);
  }
}

/// Every node sends half-way round both rings: without datelines each ring would close a cycle.
TEST(FabricTraffic, TornadoOnATorusDrains) {
  for (const int vcs : {2, 3, 4}) {
    for (const int buffer : {1, 2, 4}) {
      Case c;
      c.spec.topology = Topology::torus;
      c.spec.width = c.spec.height = 6;
      c.spec.num_vcs = vcs;
      c.spec.vc_buffer = buffer;
      c.spec.max_packet_flits = 12;
      c.layout.tiles = 36;
      std::vector<Send> sends;
      MessageId id = 0;
      for (int round = 0; round < 20; ++round) {
        for (EndpointId e = 0; e < 36; ++e) {
          const EndpointId to = (e / 6 + 3) % 6 * 6 + (e % 6 + 3) % 6;
          sends.push_back({0, e, {to}, Bits(300), id++});
        }
      }
      expect_drains(c, sends, 0);
    }
  }
}

/// Broadcast from everybody at once, on the smallest router that exists.
TEST(FabricTraffic, AllToAllBroadcastDrains) {
  for (const Topology topology : kRouted) {
    Case c;
    c.spec.topology = topology;
    c.spec.num_vcs = topology == Topology::torus ? 2 : 1;
    c.spec.vc_buffer = 2;
    c.layout.tiles = 25;
    std::vector<Send> sends;
    for (EndpointId e = 0; e < 25; ++e) {
      Send s{0, e, {}, Bits(500), static_cast<MessageId>(e)};
      for (EndpointId to = 0; to < 25; ++to) {
        if (to != e) {
          s.to.push_back(to);
        }
      }
      sends.push_back(s);
    }
    expect_drains(c, sends, 0);
  }
}

/// A source that stops for random times changes when things arrive, never what arrives.
TEST(FabricTraffic, StallsLoseNothing) {
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    Rng rng(seed() + trial, "stalls");
    const Case c = testing::random_case(kRouted[trial % kRouted.size()], rng, 20);
    auto sends = testing::random_traffic(c, rng, 300, 400, 12, 0.2);
    const auto flits = [&] {
      const auto fabric = make_fabric(c.spec, c.layout);
      const auto got = testing::run(*fabric, sends, 5'000'000, [] { return std::int64_t{10'000}; });
      std::multiset<std::pair<MessageId, EndpointId>> what;
      for (const Delivery& d : got) {
        what.emplace(d.id, d.to);
      }
      return std::tuple(what, fabric->totals().flits_ejected, fabric->totals().flit_hops);
    };
    const auto before = flits();
    std::vector<std::int64_t> stalled(static_cast<std::size_t>(c.endpoints()));
    for (Send& s : sends) {
      std::int64_t& until = stalled[static_cast<std::size_t>(s.from)];
      if (rng.chance(0.1)) {
        until = s.at + rng.uniform(1, 500);
      }
      s.at = std::max(s.at, until);
    }
    std::stable_sort(
        sends.begin(), sends.end(), [](const Send& a, const Send& b) { return a.at < b.at; });
    EXPECT_EQ(before, flits()) << c.text();
  }
}

/// A multicast crosses each link of its tree once per flit: no more than the unicasts together, no
/// less than the way to the farthest destination, and links() sees what totals() counts.
TEST(FabricTraffic, MulticastUsesATree) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    Rng rng(seed() + trial, "tree");
    Case c = testing::random_case(kRouted[trial % kRouted.size()], rng, 30);
    c.spec.max_packet_flits = std::min(c.spec.max_packet_flits, c.spec.vc_buffer);
    const Bits bits(rng.uniform(1, 6 * c.spec.flit_bits.value));
    const auto sends = testing::random_traffic(c, rng, 1, 0, 6, 1.0);
    const Send& s = sends[0];
    const auto fabric = make_fabric(c.spec, c.layout);
    fabric->inject(s.from, s.to, bits, 1, Cycles(0));
    std::vector<Delivery> got;
    std::int64_t now = 0;
    while (!fabric->idle() && now < 100'000) {
      now = fabric->advance(Cycles(now + 1), Cycles(now + 1000), got).value;
    }
    ASSERT_TRUE(fabric->idle()) << c.text();
    const std::int64_t flits = fabric->totals().flits_injected;
    std::int64_t sum = 0;
    std::int64_t farthest = 0;
    for (const EndpointId to : s.to) {
      sum += fabric->hops(s.from, to);
      farthest = std::max<std::int64_t>(farthest, fabric->hops(s.from, to));
    }
    const std::int64_t hops = fabric->totals().flit_hops;
    EXPECT_EQ(hops % flits, 0) << c.text();
    EXPECT_LE(hops, sum * flits) << c.text();
    EXPECT_GE(hops, farthest * flits) << c.text();
    EXPECT_EQ(fabric->totals().flits_ejected, flits * static_cast<std::int64_t>(s.to.size()));
    std::int64_t used = 0;
    for (const LinkUse& link : fabric->link_use()) {
      EXPECT_TRUE(link.flits == 0 || link.flits == flits) << link.name << " " << c.text();
      used += link.flits;
    }
    EXPECT_EQ(used, flits + hops + fabric->totals().flits_ejected);
  }
}

/// The recorder sees every flit on every link, in order of time, and changes nothing.
TEST(FabricTraffic, RecorderSeesEveryLink) {
  struct Counter final : LinkRecorder {
    std::map<int, std::int64_t> flits;
    std::int64_t last = 0;
    bool ordered = true;

    void flit(int link, Cycles at, MessageId /*message*/) override {
      ++flits[link];
      ordered = ordered && at.value >= last;
      last = at.value;
    }
  };

  for (std::uint64_t trial = 0; trial < 12; ++trial) {
    Rng rng(seed() + trial, "recorder");
    const Case c = testing::random_case(kRouted[trial % kRouted.size()], rng, 20);
    const auto sends = testing::random_traffic(c, rng, 200, 300, 8, 0.2);
    Counter counter;
    const auto seen = make_fabric(c.spec, c.layout, &counter);
    const auto unseen = make_fabric(c.spec, c.layout);
    const auto a = testing::run(*seen, sends, 1'000'000, [] { return std::int64_t{1000}; });
    const auto b = testing::run(*unseen, sends, 1'000'000, [] { return std::int64_t{1000}; });
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(testing::same(a[i], b[i]));
    }
    EXPECT_TRUE(counter.ordered);
    const auto use = seen->link_use();
    for (std::size_t l = 0; l < use.size(); ++l) {
      EXPECT_EQ(use[l].flits, counter.flits[static_cast<int>(l)]) << use[l].name;
    }
  }
}

/// What cannot be built is refused with the key that is wrong.
TEST(FabricCheck, NamesTheKey) {
  const auto first_path = [](const FabricSpec& spec, const FabricLayout& layout) {
    Diagnostics d;
    check(spec, layout, d);
    EXPECT_FALSE(d.ok());
    EXPECT_THROW(make_fabric(spec, layout), InputError);
    return d.errors().empty() ? std::string() : d.errors()[0].path;
  };
  FabricSpec torus;
  torus.topology = Topology::torus;
  torus.num_vcs = 1;
  EXPECT_EQ(first_path(torus, {4, {}}), "fabric.num_vcs");
  FabricSpec header;
  header.header_bits = 8 * Bits(32);
  EXPECT_EQ(first_path(header, {4, {}}), "fabric.header_bits");
  FabricSpec grid;
  grid.width = grid.height = 2;
  EXPECT_EQ(first_path(grid, {5, {}}), "fabric.width");
  FabricSpec crowd;
  crowd.topology = Topology::mesh;
  crowd.concentration = 4;
  EXPECT_EQ(first_path(crowd, {16, {}}), "fabric.concentration");
  EXPECT_EQ(first_path(FabricSpec{}, {1, std::vector<int>(80, 0)}), "fabric.concentration");
}

}  // namespace
}  // namespace tessera::arch::fabric
