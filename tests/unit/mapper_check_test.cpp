// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does every way of being illegal get its own code, and a legal mapping none?
#include "mapper/check.hpp"
#include "mapper/first_fit.hpp"
#include "tests/support/cases.hpp"
#include "workloads/builder.hpp"
#include "workloads/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

namespace tessera::mapper {
namespace {

arch::chip::Chip make_chip() {
  Diagnostics diagnostics;
  const std::string text = test::free_chip(
      "{kind: crossbar, rows: 16, columns: 16, cell_bits: 1, slice_placement: separate_arrays, "
      "weight_mapping: twos_complement_planes, adc_bits: 0, t_adc: 0 ns}",
      4,
      8);
  arch::chip::Chip chip =
      arch::chip::make_chip(config::parse(text, "chip", diagnostics), diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return chip;
}

Network make_network() {
  Builder b("net", {2, 2, 16});
  b.linear("a", b.last(), 16);
  b.max_pool("pool", b.last(), {});
  b.linear("b", b.last(), 16);
  return b.build();
}

/// Codes that check() reports after `change` was made to a legal mapping: a has two replicas on
/// tiles 0 and 1 (6 PEs each), b one (12 PEs).
std::set<std::string> codes_after(const std::function<void(Mapping&)>& change,
                                  Granularity granularity = Granularity::pixel) {
  const arch::chip::Chip chip = make_chip();
  const Network network = make_network();
  Diagnostics diagnostics;
  MappingRequest request;
  request.layers = {{6, 8, granularity == Granularity::serial ? 1 : 2}, {12, 8, 1}};
  Mapping mapping = first_fit(network, chip, request, granularity, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  change(mapping);
  check(mapping, network, chip, granularity, diagnostics);
  std::set<std::string> codes;
  for (const Diagnostic& d : diagnostics.errors()) {
    codes.insert(d.code);
    EXPECT_FALSE(d.path.empty() || d.expected.empty() || d.got.empty()) << d.code;
  }
  return codes;
}

using Codes = std::set<std::string>;

TEST(Check, AcceptsWhatFirstFitPlaces) {
  EXPECT_EQ(codes_after([](Mapping&) {}), Codes{});
  EXPECT_EQ(codes_after([](Mapping&) {}, Granularity::serial), Codes{});
}

TEST(Check, AcceptsFragmentsThatAreScatteredOverTiles) {
  EXPECT_EQ(codes_after([](Mapping& m) {
              m.layers[0].placement[0] = {{0, 7, 1}, {0, 0, 2}, {3, 5, 3}};
              m.layers[0].placement[1] = {{1, 0, 6}};
              m.layers[1].placement[0] = {{2, 0, 8}, {3, 0, 4}};
            }),
            Codes{});
}

/// Associative processors hold weights as programs: other weights may take more or fewer of them.
TEST(Check, MappingsAreRenewedForOtherPrograms) {
  Network network = make_network();
  quantize(network, {4, 4});
  const auto chip_with = [&network](std::int32_t weight, int pes) {
    Diagnostics diagnostics;
    const std::string pe =
        "{kind: rtm_ap, rows: 4, columns: 20, domains: 20, compile: {block_inputs: 4}}";
    arch::chip::Chip chip = arch::chip::make_chip(
        config::parse(test::free_chip(pe, 1, pes), "chip", diagnostics), diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
    const auto layer = [weight](int, int, int) {
      return ProgramLayer{{}, {std::vector<std::int32_t>(std::size_t{16} * 16, weight), {}, {}}};
    };
    chip.groups.front().pe =
        chip.groups.front().pe->programmed({program_matrices(network), layer, nullptr});
    return chip;
  };
  const arch::chip::Chip before = chip_with(0, 32);
  const arch::chip::Chip after = chip_with(7, 32);
  MappingRequest request;
  request.layers = {{4, 4, 1}, {4, 4, 1}};
  Diagnostics diagnostics;
  const Mapping mapping = make_mapping(network, before, request, Granularity::pixel, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  request.mapping = mapping;  // as a search or a file gives it
  const auto renewed = [&](const arch::chip::Chip& chip) {
    return renew_mapping(mapping, network, chip, request, Granularity::pixel, diagnostics);
  };
  EXPECT_EQ(write_mapping(renewed(before)), write_mapping(mapping)) << "it is legal";
  check(mapping, network, after, Granularity::pixel, diagnostics);
  ASSERT_FALSE(diagnostics.ok()) << "the other weights take as many arrays";
  diagnostics = {};
  const Mapping other = renewed(after);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  check(other, network, after, Granularity::pixel, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(other.layers[0].w_bits, 4);
  renewed(chip_with(7, 2));
  ASSERT_FALSE(diagnostics.ok()) << "more arrays than there are";
  EXPECT_EQ(diagnostics.errors().front().code, "E-MAP-CAPACITY");
}

TEST(Check, EveryCode) {
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers.pop_back(); }), Codes{"E-MAP-MISSING-LAYER"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.vector_layers.clear(); }), Codes{"E-MAP-MISSING-LAYER"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.vector_layers[0].name = "b"; }),
            (Codes{"E-MAP-UNKNOWN-LAYER", "E-MAP-MISSING-LAYER"}));
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].layer = 99; }),
            (Codes{"E-MAP-UNKNOWN-LAYER", "E-MAP-MISSING-LAYER"}));
  EXPECT_EQ(codes_after([](Mapping& m) { m.vector_layers.push_back(m.vector_layers[0]); }),
            Codes{"E-MAP-DUPLICATE-LAYER"});
  EXPECT_EQ(codes_after([](Mapping& m) { std::swap(m.layers[0], m.layers[1]); }),
            Codes{"E-MAP-ORDER"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].w_bits = 0; }), Codes{"E-MAP-BITS"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].a_bits = 17; }), Codes{"E-MAP-BITS"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[1].replicas = 0; }),
            (Codes{"E-MAP-REPLICAS", "E-MAP-PLACEMENT"}));
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[1].replicas = 2; }),
            (Codes{"E-MAP-REPLICAS", "E-MAP-PLACEMENT"}))
      << "b has one position";
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement.pop_back(); }),
            Codes{"E-MAP-PLACEMENT"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[0][0].pes = 5; }),
            Codes{"E-MAP-FRAGMENTS"});
  EXPECT_EQ(codes_after([](Mapping& m) {
              m.layers[0].placement[0].push_back({0, 7, 1});
            }),
            Codes{"E-MAP-FRAGMENTS"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[0][0].tile = 4; }),
            Codes{"E-MAP-TILE"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[0][0].tile = -1; }),
            Codes{"E-MAP-TILE"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.vector_layers[0].tile = 4; }), Codes{"E-MAP-TILE"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[0][0].first_pe = 3; }),
            Codes{"E-MAP-PE"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[0][0].first_pe = -1; }),
            Codes{"E-MAP-PE"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].placement[1] = m.layers[0].placement[0]; }),
            Codes{"E-MAP-OVERLAP"});
  EXPECT_EQ(codes_after([](Mapping& m) { m.layers[0].replicas = 2; }, Granularity::serial),
            Codes{"E-MAP-SERIAL-REPLICAS"});
  EXPECT_EQ(codes_after(
                [](Mapping& m) {
                  m.layers[0].placement = {{{0, 0, 6}}};
                },
                Granularity::serial),
            Codes{"E-MAP-PLACEMENT"});
}

TEST(Check, PlansAMappingFromARequest) {
  const arch::chip::Chip chip = make_chip();
  const Network network = make_network();
  Diagnostics diagnostics;
  MappingRequest request = uniform_request(network, {6, 8, 1});
  const Mapping placed = make_mapping(network, chip, request, Granularity::pixel, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(placed.layers[1].placement.size(), 1U);
  request.mapping = placed;  // a file is taken as it is, and checked
  request.mapping->layers[1].placement[0] = {{3, 0, 6}};
  EXPECT_EQ(make_mapping(network, chip, request, Granularity::pixel, diagnostics)
                .layers[1]
                .placement[0][0]
                .tile,
            3);
  EXPECT_TRUE(diagnostics.ok());
  request.mapping->layers[1].placement = request.mapping->layers[0].placement;
  make_mapping(network, chip, request, Granularity::pixel, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-MAP-OVERLAP");
}

/// Two tiles of eight PEs in either group; a on the first, b on the second.
TEST(Check, LayersStayOnTheTilesOfTheirGroup) {
  const std::string tiles =
      "{tiles: 2, tile: {pes: 8, pe: {kind: crossbar, rows: 16, columns: 16, cell_bits: 1, "
      "slice_placement: separate_arrays, weight_mapping: twos_complement_planes, adc_bits: 0, "
      "t_adc: 0 ns}}}";
  Diagnostics read;
  const arch::chip::Chip chip = arch::chip::make_chip(
      config::parse("{name: two, clock: 1 GHz, fabric: {topology: ideal}, tile_groups: {x: " +
                        tiles + ", y: " + tiles + "}}",
                    "chip",
                    read),
      read);
  ASSERT_TRUE(read.ok()) << read.render();
  const Network network = make_network();
  MappingRequest request;
  request.layers = {{6, 8, 2, "x"}, {12, 8, 1, "y"}};
  const Mapping legal = first_fit(network, chip, request, Granularity::pixel, read);
  const auto problems = [&](const std::function<void(Mapping&)>& change) {
    Mapping mapping = legal;
    change(mapping);
    Diagnostics diagnostics;
    check(mapping, network, chip, Granularity::pixel, diagnostics);
    std::multiset<std::string> out;
    for (const Diagnostic& d : diagnostics.errors()) {
      out.insert(d.code);
    }
    return out;
  };
  using Many = std::multiset<std::string>;
  EXPECT_EQ(problems([](Mapping&) {}), Many{});
  EXPECT_EQ(problems([](Mapping& m) { m.layers[0].group = "z"; }), Many{"E-MAP-GROUP"});
  EXPECT_EQ(problems([](Mapping& m) { m.layers[0].group = "y"; }),
            (Many{"E-MAP-GROUP", "E-MAP-GROUP"}));  // both replicas
  EXPECT_EQ(problems([](Mapping& m) {
              m.layers[0].placement[1] = {{1, 0, 5}, {2, 6, 1}};
            }),
            Many{"E-MAP-GROUP"});
  EXPECT_EQ(problems([](Mapping& m) {
              m.layers[1].placement[0] = {{2, 0, 8}, {3, 5, 4}};
            }),
            Many{"E-MAP-PE"});
  EXPECT_EQ(problems([](Mapping& m) {
              m.layers[1].placement[0] = {{2, 0, 8}, {2, 3, 4}};
            }),
            Many{"E-MAP-OVERLAP"});
  EXPECT_EQ(problems([](Mapping& m) { m.vector_layers[0].tile = 3; }), Many{});
}

}  // namespace
}  // namespace tessera::mapper
