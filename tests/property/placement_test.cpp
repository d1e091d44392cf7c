// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// For all networks, chips and topologies: every placement method gives a legal mapping that can be
/// lowered, the same for the same seed, with the promised order of costs; the cost kept move by
/// move is that of the mapping; and bounds are below what brute force finds. Replay with
/// TESSERA_SEED.
#include "mapper/placement/placement.hpp"

#include "mapper/analytical.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "mapper/placement/board.hpp"
#include "mapper/placement/bound.hpp"
#include "sim/base/config.hpp"
#include "tests/support/cases.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Any topology; packets of the source hold one position.
std::string chip_text(Rng& rng, int tiles, int pes) {
  const std::vector<std::string> fabrics{"topology: mesh",
                                         "topology: mesh, width: 3",
                                         "topology: torus, num_vcs: 4",
                                         "topology: cmesh, concentration: 4",
                                         "topology: tree, arity: 2",
                                         "topology: bus",
                                         "topology: ideal, ideal_hop_latency: 1"};
  const std::string& fabric =
      fabrics[ix(rng.uniform(0, static_cast<std::int64_t>(fabrics.size()) - 1))];
  return fmt::format(
      "{{name: random, clock: 1 GHz, tiles: {}, tile: {{pes: {}, pe: {{kind: crossbar, rows: 32, "
      "columns: 32, cell_bits: 2, weight_mapping: twos_complement_planes, slice_placement: "
      "separate_arrays, adc_bits: 0, t_adc: 1 ns, t_read: 5 ns}}, bus: {{width: {}}}, buffer: "
      "{{capacity: {}, banks: 1, bank_width: 64}}, vector_unit: {{lanes: {}}}}}, fabric: {{{}, "
      "max_packet_flits: 1, flit_bits: 32 b, header_bits: 24 b}}, io: {{ports: {}, width: 32}}, "
      "memory: {{present: true, width: 64, latency: 20 ns}}}}",
      tiles,
      pes,
      rng.chance(0.5) ? 64 : 0,
      rng.chance(0.5) ? "1 MiB" : "2 KiB",
      rng.chance(0.5) ? 16 : 0,
      fabric,
      rng.uniform(1, 2));
}

/// Nothing when the chip is too small.
std::optional<test::Case> random_case(Rng& rng, int tiles, int pes, test::CaseSpec& spec) {
  spec = {};
  spec.network = test::random_network(rng);
  spec.chip = chip_text(rng, tiles, pes);
  spec.granularity = rng.chance(0.7) ? Granularity::pixel : Granularity::layer;
  for (const LayerId id : matrix_layers(spec.network)) {
    const std::int64_t most = std::min<std::int64_t>(4, spec.network.layer(id).out.positions());
    spec.layers.push_back({static_cast<int>(rng.uniform(1, 8)),
                           static_cast<int>(rng.uniform(1, 8)),
                           static_cast<int>(rng.uniform(1, most))});
  }
  try {
    return test::make_case(spec);
  } catch (const InputError&) {
    return std::nullopt;
  }
}

/// Calls f(case, spec, rng) for a seeded series.
template <class F>
void for_cases(int rounds, int tiles, int pes, int at_least, const F& f) {
  int cases = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::uint64_t seed = test::test_seed() + static_cast<std::uint64_t>(round);
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    Rng rng(seed, "placement");
    test::CaseSpec spec;
    if (const std::optional<test::Case> c = random_case(rng, tiles, pes, spec)) {
      ++cases;
      f(*c, spec, rng);
    }
  }
  EXPECT_GE(cases, at_least);
}

/// Empty when the mapping is legal and fits.
std::string problems(const test::Case& c, Granularity granularity, const Mapping& mapping) {
  Diagnostics diagnostics;
  check(mapping, c.network, c.chip, granularity, diagnostics);
  if (diagnostics.ok()) {
    lower(c.network, mapping, c.chip, {granularity, 1, false}, diagnostics);
  }
  return diagnostics.render();
}

std::size_t widest_replica(const Mapping& mapping) {
  std::size_t most = 0;
  for (const LayerMapping& layer : mapping.layers) {
    for (const std::vector<PlacedRun>& runs : layer.placement) {
      most = std::max(most, runs.size());
    }
  }
  return most;
}

TEST(PlacementProperty, MethodsAreLegalAndKeepTheirPromises) {
  int random_is_worse = 0;
  int all = 0;
  for_cases(80, 12, 16, 25, [&](const test::Case& c, const test::CaseSpec& spec, Rng&) {
    double ordered_cost = 0;
    double random_cost = 0;
    for (const auto& [method, name] : enum_names(PlacementMethod{})) {
      SCOPED_TRACE(name);
      const PlacementOptions options{.method = method, .seed = 7, .moves = 2000};
      PlacementReport report;
      const Mapping mapping =
          optimise_placement(c.network, c.chip, c.mapping, spec.granularity, options, &report);
      ASSERT_EQ(problems(c, spec.granularity, mapping), "");
      EXPECT_LE(widest_replica(mapping), widest_replica(c.mapping));
      EXPECT_EQ(write_mapping(mapping),
                write_mapping(
                    optimise_placement(c.network, c.chip, c.mapping, spec.granularity, options)));
      EXPECT_LE(report.bound, report.flit_hops);
      EXPECT_LE(report.bound_any, report.flit_hops);
      const double first =
          static_cast<double>(report.first_fit_flit_hops) +
          options.busiest_weight * static_cast<double>(report.first_fit_busiest_flits);
      const double cost = static_cast<double>(report.flit_hops) +
                          options.busiest_weight * static_cast<double>(report.busiest_flits);
      switch (method) {
        case PlacementMethod::first_fit:
          EXPECT_EQ(write_mapping(mapping), write_mapping(c.mapping));
          break;
        case PlacementMethod::random:
          random_cost = cost;
          continue;
        case PlacementMethod::ordered:
          ordered_cost = cost;
          EXPECT_LE(cost, first);
          break;
        case PlacementMethod::annealing:
          EXPECT_LE(cost, ordered_cost);
          break;
      }
      const Analysis before = analyze(c.network, c.chip, c.mapping, spec.granularity);
      const Analysis after = analyze(c.network, c.chip, mapping, spec.granularity);
      EXPECT_LE(static_cast<double>(after.latency.value),
                1.001 * static_cast<double>(before.latency.value));
      EXPECT_LE(static_cast<double>(after.interval.value),
                1.001 * static_cast<double>(before.interval.value));
    }
    ++all;
    random_is_worse += random_cost >= ordered_cost ? 1 : 0;
  });
  EXPECT_GT(random_is_worse, all * 9 / 10);
}

TEST(PlacementProperty, SerialIsLeftAlone) {
  Rng rng(test::test_seed(), "placement, serial");
  test::CaseSpec spec;
  spec.network = test::random_network(rng);
  spec.chip = chip_text(rng, 12, 64);
  spec.granularity = Granularity::serial;
  const test::Case c = test::make_case(spec);
  EXPECT_EQ(write_mapping(optimise_placement(c.network, c.chip, c.mapping, spec.granularity, {})),
            write_mapping(c.mapping));
}

/// Moves are drawn without any sense, so that all sorts are met.
Move random_move(const Board& board, Rng& rng) {
  const auto tile = [&] { return static_cast<int>(rng.uniform(0, board.tiles() - 1)); };
  const auto thing = [&] {
    return board
        .movable()[ix(rng.uniform(0, static_cast<std::int64_t>(board.movable().size()) - 1))];
  };
  switch (rng.uniform(0, 3)) {
    case 0:
      return {Move::Kind::swap_tiles, tile(), tile()};
    case 1:
      return {Move::Kind::turn_section, tile(), tile()};
    case 2:
      return {Move::Kind::move_thing, thing(), tile()};
    default:
      return {Move::Kind::swap_things, thing(), thing()};
  }
}

TEST(PlacementProperty, CostOfMovesIsThatOfTheMapping) {
  std::vector<int> tried(4, 0);
  for_cases(60, 12, 16, 20, [&](const test::Case& c, const test::CaseSpec& spec, Rng& rng) {
    Routes routes(c.chip);
    Board board(c.network, c.mapping, c.program, c.chip, routes, INT64_MAX / 4, 4);
    const bool pixel = spec.granularity == Granularity::pixel;
    for (int i = 0; i < 3000; ++i) {
      const Move move = random_move(board, rng);
      if (!board.is_legal(move)) {
        continue;
      }
      ++tried[static_cast<std::size_t>(move.kind)];
      const double before = board.cost();
      board.apply(move);
      if (rng.chance(0.5)) {
        board.undo();
        ASSERT_EQ(board.cost(), before);
      }
      if (i % 500 != 0) {
        continue;
      }
      const double kept = board.cost();
      const Mapping mapping = board.mapping();
      ASSERT_EQ(problems(c, spec.granularity, mapping), "");
      Diagnostics diagnostics;
      const Program program =
          lower(c.network, mapping, c.chip, {spec.granularity, 1, false}, diagnostics);
      const Traffic traffic = find_traffic(c.network, program, routes);
      if (pixel) {  // under `layer`, other tensors may go through memory
        ASSERT_EQ(board.flit_hops(), traffic.flit_hops);
        ASSERT_EQ(board.busiest_flits(), traffic.busiest_flits);
      }
      board.assign(std::vector(board.state()));
      ASSERT_EQ(board.cost(), kept);
    }
  });
  EXPECT_GT(*std::min_element(tried.begin(), tried.end()), 1000);
}

TEST(PlacementProperty, BoundsAreBelowBruteForce) {
  int tight = 0;
  for_cases(60, 5, 64, 20, [&](const test::Case& c, const test::CaseSpec&, Rng&) {
    Routes routes(c.chip);
    Board board(c.network, c.mapping, c.program, c.chip, routes, INT64_MAX / 4, 0);
    for (int tile = 0; tile < board.tiles(); ++tile) {
      if (board.is_pinned(tile)) {
        return;
      }
    }
    std::vector<int> at;
    for (const ProgramPart& part : c.program.parts) {
      at.push_back(part.at);
    }
    const std::int64_t bound =
        bound_of_permutations(find_flows(c.network, c.program, at), c.chip, routes);
    const std::vector<EndpointId> start = board.state();
    std::vector<int> order(ix(board.tiles()));
    std::iota(order.begin(), order.end(), 0);
    std::int64_t best = INT64_MAX;
    do {
      std::vector<EndpointId> state = start;
      for (const int thing : board.movable()) {
        state[ix(thing)] = order[ix(start[ix(thing)])];
      }
      board.assign(state);
      best = std::min(best, board.flit_hops());
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_LE(bound, best);
    EXPECT_LE(bound_of_placements(c.network, c.program, c.chip, routes), best);
    tight += bound == best ? 1 : 0;
  });
  EXPECT_GT(tight, 0);
}

TEST(PlacementProperty, AssignmentIsExact) {
  for (int round = 0; round < 200; ++round) {
    Rng rng(test::test_seed() + static_cast<std::uint64_t>(round), "assignment");
    const auto columns = rng.uniform(1, 6);
    const auto rows = rng.uniform(1, columns);
    std::vector<std::vector<std::int64_t>> cost(ix(rows), std::vector<std::int64_t>(ix(columns)));
    for (std::vector<std::int64_t>& row : cost) {
      for (std::int64_t& value : row) {
        value = rng.uniform(0, 20);
      }
    }
    std::vector<int> order(ix(columns));
    std::iota(order.begin(), order.end(), 0);
    std::int64_t best = INT64_MAX;
    do {
      std::int64_t sum = 0;
      for (std::size_t row = 0; row < cost.size(); ++row) {
        sum += cost[row][ix(order[row])];
      }
      best = std::min(best, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_EQ(least_assignment(cost), best);
  }
}

}  // namespace
}  // namespace tessera::mapper
