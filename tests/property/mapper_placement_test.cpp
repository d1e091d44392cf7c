// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// For all networks and chips: what first fit places is legal, stays legal on a bigger chip, and
/// any damage is found under the right code; and first fit fails exactly when PEs are missing.
/// Replay with TESSERA_SEED.
#include "mapper/check.hpp"
#include "mapper/first_fit.hpp"
#include "tests/support/cases.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace tessera::mapper {
namespace {

struct Instance {
  Network network;
  arch::chip::Chip chip;
  MappingRequest request;
  std::int64_t pes = 0;
};

Instance random_instance(Rng& rng) {
  Instance x;
  x.network = test::random_network(rng);
  Diagnostics diagnostics;
  const int pes = static_cast<int>(rng.uniform(1, 24));
  const std::string pe = fmt::format(
      "{{kind: crossbar, rows: {}, columns: {}, cell_bits: {}, slice_placement: {}, "
      "weight_mapping: {}, adc_bits: 0, "
      "t_adc: 1 ns}}",
      rng.uniform(4, 40) * 2,
      rng.uniform(4, 40) * 2,
      rng.uniform(1, 4),
      rng.chance(0.5) ? "separate_arrays" : "adjacent_columns",
      rng.chance(0.5) ? "differential_columns" : "twos_complement_planes");
  x.chip = arch::chip::make_chip(
      config::parse(
          test::free_chip(pe, static_cast<int>(rng.uniform(1, 60)), pes), "chip", diagnostics),
      diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  x.request = uniform_request(x.network, {});
  const std::vector<LayerId> ids = matrix_layers(x.network);
  for (std::size_t m = 0; m < ids.size(); ++m) {
    LayerRequest& layer = x.request.layers[m];
    layer.w_bits = static_cast<int>(rng.uniform(1, 8));
    layer.a_bits = static_cast<int>(rng.uniform(1, 8));
    layer.replicas = static_cast<int>(
        rng.uniform(1, std::min<std::int64_t>(3, x.network.layer(ids[m]).out.positions())));
    x.pes += layer.replicas *
             static_cast<std::int64_t>(
                 x.chip.groups[0]
                     .pe->layout(matrix_op(x.network, ids[m], layer.w_bits, layer.a_bits))
                     .fragments.size());
  }
  return x;
}

std::set<std::string> codes(const Instance& x, const Mapping& mapping) {
  Diagnostics diagnostics;
  check(mapping, x.network, x.chip, Granularity::pixel, diagnostics);
  std::set<std::string> all;
  for (const Diagnostic& d : diagnostics.errors()) {
    all.insert(d.code);
  }
  return all;
}

/// Damages a legal mapping; returns the code under which that must be found.
std::string damage(Mapping& mapping, const Instance& x, Rng& rng) {
  const auto pick = [&](auto& list) -> auto& {
    return list[static_cast<std::size_t>(
        rng.uniform(0, static_cast<std::int64_t>(list.size()) - 1))];
  };
  LayerMapping& layer = pick(mapping.layers);
  std::vector<PlacedRun>& runs = pick(layer.placement);
  PlacedRun& run = pick(runs);
  switch (rng.uniform(0, 9)) {
    case 0:
      run.tile = static_cast<int>(x.chip.groups[0].tiles + rng.uniform(0, 5));
      return "E-MAP-TILE";
    case 1:
      run.first_pe = static_cast<int>(x.chip.groups[0].tile.pes) - run.pes + 1;
      return "E-MAP-PE";
    case 2:
      ++run.pes;  // one fragment too many; whatever else it hits
      return "E-MAP-FRAGMENTS";
    case 3:
      runs.pop_back();
      return "E-MAP-FRAGMENTS";
    case 4: {
      const PlacedRun copy = run;
      runs.push_back(copy);
      return "E-MAP-OVERLAP";
    }
    case 5:
      layer.placement.pop_back();
      return "E-MAP-PLACEMENT";
    case 6:
      layer.w_bits = rng.chance(0.5) ? 0 : kMaxBits + 1;
      return "E-MAP-BITS";
    case 7:
      layer.replicas = static_cast<int>(x.network.layer(layer.layer).out.positions() + 1);
      return "E-MAP-REPLICAS";
    case 8:
      mapping.layers.erase(mapping.layers.begin() + (&layer - mapping.layers.data()));
      return "E-MAP-MISSING-LAYER";
    default:
      mapping.layers.push_back(layer);
      return "E-MAP-DUPLICATE-LAYER";
  }
}

TEST(Placement, LegalOrReportedAndDamageIsFound) {
  constexpr int kRounds = 400;
  int placed = 0;
  std::set<std::string> found;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t seed = test::test_seed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    Rng rng(seed, "mapper placement");
    const Instance x = random_instance(rng);
    Diagnostics diagnostics;
    const Mapping mapping =
        first_fit(x.network, x.chip, x.request, Granularity::pixel, diagnostics);
    ASSERT_EQ(diagnostics.ok(), x.pes <= x.chip.pes()) << diagnostics.render();
    if (!diagnostics.ok()) {
      EXPECT_EQ(diagnostics.errors()[0].code, "E-MAP-CAPACITY");
      continue;
    }
    ++placed;
    ASSERT_EQ(codes(x, mapping), std::set<std::string>{});

    Mapping damaged = mapping;
    const std::string code = damage(damaged, x, rng);
    EXPECT_TRUE(codes(x, damaged).contains(code)) << code;
    found.insert(code);
  }
  EXPECT_GT(placed, kRounds / 4);
  EXPECT_LT(placed, kRounds) << "no chip was too small";
  EXPECT_EQ(found.size(), 9U) << "not every kind of damage was tried";
}

TEST(Placement, StaysLegalOnABiggerChip) {
  int tried = 0;
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t seed = test::test_seed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    Rng rng(seed, "mapper placement, bigger");
    Instance x = random_instance(rng);
    Diagnostics diagnostics;
    const Mapping mapping =
        first_fit(x.network, x.chip, x.request, Granularity::pixel, diagnostics);
    if (!diagnostics.ok()) {
      continue;
    }
    ++tried;
    x.chip.groups[0].tiles += rng.uniform(0, 20);
    x.chip.groups[0].tile.pes += rng.uniform(0, 20);
    EXPECT_EQ(codes(x, mapping), std::set<std::string>{});
  }
  EXPECT_GT(tried, 20);
}

/// No replica spans more tiles than one tile more than it must, and none more than it must when
/// there is plenty of room.
TEST(Placement, SpansFewTiles) {
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t seed = test::test_seed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    Rng rng(seed, "mapper placement, span");
    Instance x = random_instance(rng);
    const auto replicas = std::max<std::int64_t>(1, x.pes);
    const bool plenty = rng.chance(0.5);
    x.chip.groups[0].tiles = plenty ? x.pes / x.chip.groups[0].tile.pes + replicas + 1
                                    : ceil_div(x.pes, x.chip.groups[0].tile.pes);
    Diagnostics diagnostics;
    const Mapping mapping =
        first_fit(x.network, x.chip, x.request, Granularity::pixel, diagnostics);
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
    for (const LayerMapping& layer : mapping.layers) {
      for (const std::vector<PlacedRun>& runs : layer.placement) {
        std::int64_t fragments = 0;
        for (const PlacedRun& run : runs) {
          fragments += run.pes;
        }
        const auto fewest =
            static_cast<std::size_t>(ceil_div(fragments, x.chip.groups[0].tile.pes));
        EXPECT_LE(runs.size(), fewest + (plenty ? 0 : 1)) << layer.name;
      }
    }
  }
}

}  // namespace
}  // namespace tessera::mapper
