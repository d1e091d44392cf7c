// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the simulator agree that an annealed placement is better than first fit, and that better
/// than a random one? Flit-hops and the busiest link fall in this order, and nobody pays for it
/// with latency or interval. Enforced.
#include "mapper/lower.hpp"
#include "mapper/place.hpp"
#include "mapper/placement/placement.hpp"
#include "mapper/placement/traffic.hpp"
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

namespace tessera::mapper {
namespace {

struct Whole {
  std::string name;
  std::string chip;
  std::string network;
  std::string set;  ///< one override of the chip
};

struct Measured {
  std::int64_t hops = 0;
  std::int64_t busiest = 0;
  double latency = 0;
  double interval = 0;
};

Measured simulate(const test::Case& c) {
  constexpr std::int64_t kImages = 2;
  const int first_shared = Routes(c.chip).first_shared_link();
  const std::string text = test::in_child([&] {
    RunOptions options;
    options.images = kImages;
    const RunStats stats = test::simulate(c, options);
    std::int64_t busiest = 0;
    for (auto l = static_cast<std::size_t>(first_shared); l < stats.links.size(); ++l) {
      busiest = std::max(busiest, stats.links[l].flits);
    }
    return fmt::format("{} {} {} {}",
                       stats.fabric.flit_hops,
                       busiest,
                       (stats.image_out[0] - stats.image_in[0]).value,
                       (stats.image_out[1] - stats.image_out[0]).value);
  });
  std::istringstream in(text);
  Measured m;
  EXPECT_TRUE(in >> m.hops >> m.busiest >> m.latency >> m.interval) << text;
  return m;
}

class PlacementSimulated : public testing::TestWithParam<Whole> {};

TEST_P(PlacementSimulated, AnnealedBeatsFirstFitBeatsRandom) {
  const Whole& whole = GetParam();
  test::Case c;
  Diagnostics diagnostics;
  config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR "/configs/chips/") + whole.chip, diagnostics);
  if (!whole.set.empty()) {
    config::apply_set(root, whole.set, diagnostics);
  }
  c.chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  c.network = zoo(whole.network);
  quantize(c.network, LayerBits{8, 8});
  const MappingRequest request = uniform_request(c.network, {8, 8, 1});
  std::map<PlacementMethod, Measured> by;
  for (const PlacementMethod method :
       {PlacementMethod::first_fit, PlacementMethod::random, PlacementMethod::annealing}) {
    PlacementReport report;
    c.mapping = optimise_placement(c.network,
                                   c.chip,
                                   request,
                                   Granularity::pixel,
                                   {.method = method, .moves = 50'000},
                                   diagnostics,
                                   &report);
    c.program = lower(c.network, c.mapping, c.chip, {Granularity::pixel, 2, false}, diagnostics);
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
    by[method] = simulate(c);
    // Between images the packets of the source are torn once more.
    EXPECT_NEAR(
        static_cast<double>(by[method].hops) / 2 / static_cast<double>(report.flit_hops), 1, 0.05);
  }
  const Measured& first = by[PlacementMethod::first_fit];
  const Measured& random = by[PlacementMethod::random];
  const Measured& annealed = by[PlacementMethod::annealing];
  EXPECT_LT(annealed.hops * 10, first.hops * 7);
  EXPECT_LT(first.hops, random.hops);
  EXPECT_LE(annealed.busiest, first.busiest);
  EXPECT_LE(annealed.latency, 1.002 * first.latency);
  EXPECT_LE(annealed.interval, 1.002 * first.interval);
}

INSTANTIATE_TEST_SUITE_P(
    All,
    PlacementSimulated,
    testing::Values(Whole{"lrmp_resnet18", "lrmp.yaml", "resnet18", ""},
                    Whole{"isaac_vgg9", "isaac.yaml", "vgg9", "chip.tile.pes=24"}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace tessera::mapper
