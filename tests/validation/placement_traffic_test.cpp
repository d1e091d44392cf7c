// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the simulator move the flits that mapper/placement predicts? Flit-hops, injected flits and
/// every link's load, to the flit, on random networks, chips and mappings. Where positions of the
/// input share packets, exactly so for one port and one first layer; else within 0.5 % on shipped
/// chips and within proven limits on random ones. Enforced.
#include "mapper/lower.hpp"
#include "mapper/place.hpp"
#include "mapper/placement/traffic.hpp"
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

/// Of a run of `images` images.
struct Counts {
  std::int64_t injected = 0;
  std::int64_t hops = 0;
  std::vector<std::int64_t> links;
};

Counts predicted(const test::Case& c, std::int64_t images) {
  Routes routes(c.chip);
  const Traffic traffic = find_traffic(c.network, c.program, routes);
  Counts counts{traffic.flits_injected * images, traffic.flit_hops * images, traffic.link_flits};
  for (std::int64_t& flits : counts.links) {
    flits *= images;
  }
  return counts;
}

Counts simulated(const test::Case& c, std::int64_t images) {
  const std::string text = test::in_child([&] {
    RunOptions options;
    options.images = images;
    const RunStats stats = test::simulate(c, options);
    std::string out = fmt::format("{} {}", stats.fabric.flits_injected, stats.fabric.flit_hops);
    for (const LinkUse& link : stats.links) {
      out += fmt::format(" {}", link.flits);
    }
    return out;
  });
  std::istringstream in(text);
  Counts counts;
  EXPECT_TRUE(in >> counts.injected >> counts.hops) << text;
  for (std::int64_t flits = 0; in >> flits;) {
    counts.links.push_back(flits);
  }
  return counts;
}

test::Case random_case(Rng& rng, bool shared_packets, std::int64_t& images) {
  test::CaseSpec spec;
  spec.network = test::random_network(rng);
  spec.chip = test::random_chip(rng);
  if (!shared_packets) {  // packets of one flit with 8 bits of payload
    for (const auto& [flit, header] : {std::pair{"32", "24"}, {"64", "56"}}) {
      const std::string key = fmt::format("flit_bits: {} b", flit);
      if (const auto at = spec.chip.find(key); at != std::string::npos) {
        spec.chip.insert(at, fmt::format("max_packet_flits: 1, header_bits: {} b, ", header));
      }
    }
  }
  spec.images = images = rng.uniform(1, 2);
  spec.granularity = std::vector{Granularity::pixel,
                                 Granularity::layer,
                                 Granularity::serial}[static_cast<std::size_t>(rng.uniform(0, 2))];
  for (const LayerId id : matrix_layers(spec.network)) {
    const std::int64_t most =
        spec.granularity == Granularity::serial
            ? 1
            : std::min<std::int64_t>(4, spec.network.layer(id).out.positions());
    spec.layers.push_back({static_cast<int>(rng.uniform(1, 8)),
                           static_cast<int>(rng.uniform(1, 8)),
                           static_cast<int>(rng.uniform(1, most))});
  }
  return test::make_case(spec);
}

/// Calls `f` with every case of a seeded series that fits its chip; returns their number.
template <class F>
int for_cases(bool shared_packets, const F& f) {
  int cases = 0;
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t seed = test::test_seed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    Rng rng(seed, "placement traffic");
    std::int64_t images = 1;
    try {
      const test::Case c = random_case(rng, shared_packets, images);
      f(c, images);
      ++cases;
    } catch (const InputError&) {
      continue;  // too small a chip
    }
  }
  return cases;
}

TEST(PlacementTraffic, EveryLinkIsExact) {
  const int cases = for_cases(false, [](const test::Case& c, std::int64_t images) {
    ASSERT_EQ(c.program.stages.front().burst, 1);
    const Counts expected = predicted(c, images);
    const Counts got = simulated(c, images);
    EXPECT_EQ(got.hops, expected.hops);
    EXPECT_EQ(got.injected, expected.injected);
    EXPECT_EQ(got.links, expected.links);
  });
  EXPECT_GT(cases, 40);
}

/// Line buffers that are smaller than a packet tear it into up to as many messages as positions.
TEST(PlacementTraffic, SharedPacketsAreBounded) {
  int exact = 0;
  const int cases = for_cases(true, [&](const test::Case& c, std::int64_t images) {
    const Counts expected = predicted(c, images);
    Program alone = c.program;
    alone.stages.front().burst = 1;
    Routes routes(c.chip);
    const std::int64_t most = find_traffic(c.network, alone, routes).flit_hops * images;
    const Counts got = simulated(c, images);
    exact += got.hops == expected.hops ? 1 : 0;
    EXPECT_LE(got.hops, most);
    EXPECT_GE(got.hops, expected.hops * 9 / 10);
  });
  EXPECT_GT(cases, 40);
  EXPECT_GT(exact, cases / 2);
}

struct Whole {
  std::string name;
  std::string chip;
  std::string network;
  int bits;
  int replicas;      ///< of the layers with more than 500 positions
  double tolerance;  ///< of the flit-hops, relative
};

class PlacementTrafficOf : public testing::TestWithParam<Whole> {};

TEST_P(PlacementTrafficOf, ShippedChipIsExact) {
  const Whole& whole = GetParam();
  test::Case c;
  Diagnostics diagnostics;
  const config::Node file =
      config::load(std::string(TESSERA_SOURCE_DIR "/configs/chips/") + whole.chip, diagnostics);
  c.chip = arch::chip::make_chip(file.get("chip"), diagnostics);
  c.network = zoo(whole.network);
  quantize(c.network, LayerBits{whole.bits, whole.bits});
  MappingRequest request = uniform_request(c.network, {whole.bits, whole.bits, 1});
  const std::vector<LayerId> ids = matrix_layers(c.network);
  for (std::size_t m = 0; m < ids.size(); ++m) {
    if (c.network.layer(ids[m]).out.positions() > 500) {
      request.layers[m].replicas = whole.replicas;
    }
  }
  c.mapping = place(c.network, c.chip, request, Granularity::pixel, diagnostics);
  c.program = lower(c.network, c.mapping, c.chip, {Granularity::pixel, 1, false}, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  const Counts expected = predicted(c, 1);
  const Counts got = simulated(c, 1);
  EXPECT_NEAR(
      static_cast<double>(got.hops) / static_cast<double>(expected.hops), 1, whole.tolerance);
  if (whole.tolerance == 0) {
    EXPECT_EQ(got.injected, expected.injected);
    EXPECT_EQ(got.links, expected.links);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All,
    PlacementTrafficOf,
    testing::Values(Whole{"lrmp_resnet18", "lrmp.yaml", "resnet18", 8, 1, 0},
                    Whole{"lrmp_resnet18_4", "lrmp.yaml", "resnet18", 4, 5, 0},
                    Whole{"isaac_resnet18", "isaac.yaml", "resnet18", 8, 2, 0.005},
                    Whole{"puma_mlp", "puma.yaml", "mlp", 16, 1, 0}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace tessera::mapper
