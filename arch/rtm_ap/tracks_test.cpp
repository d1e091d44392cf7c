// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Shifts of nanowires: |port - domain|, policies, several ports.
#include "arch/rtm_ap/tracks.hpp"

#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace tessera::arch::rtm_ap {
namespace {

TEST(RtmApTracks, StepsAreTheDistanceFromThePort) {
  Rng rng(1, "rtm_ap.tracks");
  Tracks tracks(3, 64, Ports{});
  int port = 0;
  std::int64_t all = 0;
  for (int k = 0; k < 1000; ++k) {
    const int domain = static_cast<int>(rng.uniform(0, 63));
    const int steps = tracks.align(1, domain);
    EXPECT_EQ(steps, std::abs(port - domain));
    EXPECT_EQ(tracks.domain(1), domain);
    EXPECT_EQ(tracks.release(1), 0);
    port = domain;
    all += steps;
  }
  EXPECT_EQ(tracks.steps(1), all);
  EXPECT_EQ(tracks.steps(0), 0);
}

std::int64_t alternating(PortPolicy policy, int domain, int accesses) {
  Ports ports;
  ports.policy = policy;
  Tracks tracks(1, 64, ports);
  for (int k = 0; k < accesses; ++k) {
    tracks.align(0, k % 2 == 0 ? domain : 0);
    tracks.release(0);
  }
  return tracks.steps(0);
}

/// Between rest and a domain, a lazy port goes there or back per access; an eager one goes there
/// and back, but only when it is asked to: once per two accesses.
TEST(RtmApTracks, EagerAgainstLazyOnAlternatingAccess) {
  EXPECT_EQ(alternating(PortPolicy::lazy, 10, 100), 100 * 10);
  EXPECT_EQ(alternating(PortPolicy::eager, 10, 100), 50 * 2 * 10);
}

/// Per access of one and the same domain an eager port pays twice the distance; between two
/// domains apart from rest it pays twice each one's distance.
TEST(RtmApTracks, EagerPaysTheDistanceTwice) {
  Ports ports;
  ports.policy = PortPolicy::eager;
  Tracks eager(1, 64, ports);
  Rng rng(2, "rtm_ap.tracks");
  for (int k = 0; k < 100; ++k) {
    const int domain = static_cast<int>(rng.uniform(0, 63));
    EXPECT_EQ(eager.align(0, domain), domain);
    EXPECT_EQ(eager.domain(0), domain);
    EXPECT_EQ(eager.release(0), domain);
  }
}

TEST(RtmApTracks, AFixedPortServesItsSegment) {
  Ports ports;
  ports.count = 4;
  ports.choice = PortChoice::fixed;
  Tracks tracks(1, 64, ports);
  EXPECT_EQ(tracks.align(0, 15), 15);  // port 0 over 0
  EXPECT_EQ(tracks.align(0, 16), 15);  // port 1 over 16: back to rest
  EXPECT_EQ(tracks.align(0, 63), 15);  // port 3 over 48
  EXPECT_EQ(tracks.domain(0), 63);
}

TEST(RtmApTracks, TheNearestPortTakesTheFewestSteps) {
  Ports ports;
  ports.count = 4;
  Tracks tracks(1, 64, ports);
  EXPECT_EQ(tracks.align(0, 15), 1);  // port 1 over 16, one back
  EXPECT_EQ(tracks.domain(0), 15);
  EXPECT_EQ(tracks.align(0, 16), 1);
  EXPECT_EQ(tracks.align(0, 32), 0);  // port 2 stands there
  EXPECT_EQ(tracks.align(0, 63), 15);
}

TEST(RtmApTracks, NanowiresStayWithinTheirSpareDomains) {
  Rng rng(3, "rtm_ap.tracks");
  for (int k = 0; k < 200; ++k) {
    Ports ports;
    const int domains = static_cast<int>(rng.uniform(1, 100));
    ports.count = static_cast<int>(rng.uniform(1, domains));
    ports.choice = rng.chance(0.5) ? PortChoice::fixed : PortChoice::nearest;
    Tracks tracks(1, domains, ports);
    const int spare = (domains + ports.count - 1) / ports.count;
    for (int access = 0; access < 50; ++access) {
      const int domain = static_cast<int>(rng.uniform(0, domains - 1));
      EXPECT_LE(tracks.align(0, domain), 2 * spare);
      EXPECT_EQ(tracks.domain(0), domain);
    }
  }
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
