// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Price list of a real chip, and the fabric's counters on every topology.
#include "arch/chip/prices.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "arch/fabric/spec.hpp"
#include "arch/rtm_ap/rtm_ap.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

namespace tessera::arch::chip {
namespace {

Chip make_toy(fabric::Topology topology) {
  Chip chip;
  chip.groups[0].tiles = 9;
  chip.groups[0].tile.pes = 4;
  chip.spec.fabric.topology = topology;
  chip.spec.fabric.num_vcs = 2;
  if (topology == fabric::Topology::cmesh) {
    chip.spec.fabric.concentration = 3;
  }
  chip.clock = Clock{Hertz(1e9)};
  chip.groups[0].pe = crossbar::make_model(crossbar::random_spec(3), chip.clock);
  return chip;
}

class FabricCounters : public testing::TestWithParam<fabric::Topology> {};

/// The flits seen on the links are those that fabric_use() expects from the totals.
TEST_P(FabricCounters, LinksAgreeWithTotals) {
  const Chip chip = make_toy(GetParam());
  fabric::FabricLayout layout;
  layout.tiles = 9;
  layout.extra = {0};
  const std::unique_ptr<Fabric> fabric = fabric::make_fabric(chip.spec.fabric, layout);
  Rng rng(1, "prices");
  std::vector<Delivery> deliveries;
  Cycles now{0};
  for (MessageId id = 0; id < 200; ++id) {
    const auto from = static_cast<EndpointId>(rng.uniform(0, 9));
    std::vector<EndpointId> to;
    for (EndpointId e = 0; e < 10; ++e) {
      if (e != from && rng.chance(0.3)) {
        to.push_back(e);
      }
    }
    if (to.empty()) {
      to.push_back(from == 0 ? 1 : 0);
    }
    fabric->inject(from, to, Bits(rng.uniform(1, 400)), id, now);
    const Cycles next = now + Cycles(rng.uniform(0, 20));
    while (now < next) {
      now = fabric->advance(now + Cycles(1), next, deliveries);
    }
  }
  while (!fabric->idle()) {
    now = fabric->advance(now + Cycles(1), now + Cycles(1000), deliveries);
  }
  const FabricTotals totals = fabric->totals();
  const report::FabricUse use = fabric_use(chip, totals);
  std::int64_t on_links = 0;
  for (const LinkUse& link : fabric->link_use()) {
    on_links += link.flits;
    EXPECT_TRUE(use.link_capacity == 0 || link.flits <= use.link_capacity * now.value) << link.name;
  }
  EXPECT_GT(totals.flits_ejected, totals.flits_injected);
  EXPECT_EQ(on_links, use.on_links);
  EXPECT_GT(use.link_flits, 0);
}

std::string topology_name(const testing::TestParamInfo<fabric::Topology>& tested) {
  return std::string(enum_names(fabric::Topology{})[static_cast<std::size_t>(tested.param)]);
}

INSTANTIATE_TEST_SUITE_P(Prices,
                         FabricCounters,
                         testing::Values(fabric::Topology::mesh,
                                         fabric::Topology::torus,
                                         fabric::Topology::cmesh,
                                         fabric::Topology::tree,
                                         fabric::Topology::bus,
                                         fabric::Topology::ideal),
                         topology_name);

TEST(Prices, EveryPartIsThereAsOftenAsOnTheChip) {
  Chip chip = make_toy(fabric::Topology::mesh);
  chip.groups[0].tile.buffer.area = SquareMeters(1e-9);
  chip.groups[0].tile.buffer.leakage = Watts(1e-3);
  chip.spec.memory.present = true;
  const report::PriceList list = prices(chip);
  EXPECT_EQ(list.tiles, 9);
  EXPECT_EQ(list.pes, 36);
  EXPECT_EQ(list.groups[0].pe_actions.size(), chip.groups[0].pe->actions().size());
  double pe_area = 0;
  for (const Resource& resource : chip.groups[0].pe->resources()) {
    pe_area += resource.area.value;
  }
  double listed = 0;
  std::vector<std::string> names;
  for (const report::Component& c : list.components) {
    names.push_back(c.name);
    if (c.name.starts_with("tile.pe.")) {
      listed += c.area.value * static_cast<double>(c.instances);
    }
    if (c.name == "tile.buffer") {
      EXPECT_EQ(c.instances, 9);
      EXPECT_EQ(c.area.value, 1e-9);
    }
    if (c.name == "fabric.link") {
      EXPECT_EQ(c.instances, 24);  // 3 x 3 mesh: 12 pairs of neighbours
    }
    if (c.name == "fabric.router") {
      EXPECT_EQ(c.instances, 9);
    }
  }
  EXPECT_NEAR(listed, 36 * pe_area, 1e-12 * pe_area);
  EXPECT_EQ(names.back(), "memory");
}

TEST(Prices, WearIsWhatTheKindSays) {
  Chip chip = make_toy(fabric::Topology::mesh);
  rtm_ap::Spec spec;
  spec.endurance = 1e9;
  chip.groups[0].pe = rtm_ap::make_model(spec, chip.clock);
  const report::TilePrices tiles = prices(chip).groups[0];
  EXPECT_EQ(tiles.endurance, 1e9);
  EXPECT_EQ(tiles.cell_writes.cells, std::int64_t{spec.rows} * spec.columns * spec.domains);
  EXPECT_EQ(tiles.pe_actions.at(static_cast<std::size_t>(tiles.cell_writes.action)).name,
            "write_cell");
}

TEST(Prices, LoadIsOneWritePerResidentPe) {
  const Chip chip = make_toy(fabric::Topology::mesh);
  const MatrixOp matrix{8, 4, 1, 4, 4, false};
  const Layout layout = chip.groups[0].pe->layout(matrix);
  ASSERT_TRUE(layout.ok) << layout.why_not;
  Program program;
  program.load_cycles = Cycles(77);
  program.stages.resize(2);
  program.stages[1].rewrites = true;
  program.parts.resize(2);
  program.parts[1].stage = 1;
  for (ProgramPart& part : program.parts) {
    LockstepGroup group;
    group.pes = static_cast<int>(layout.fragments.size());
    group.resident = static_cast<int>(program.residents.size());
    part.groups.push_back(group);
    for (const Fragment& fragment : layout.fragments) {
      program.residents.push_back(
          {fragment, chip.groups[0].pe->op(OpCode::mvm, matrix, fragment), 0});
    }
  }
  const report::LoadUse load = load_use(chip, program);
  ActionCounts expected{};
  for (const Fragment& fragment : layout.fragments) {
    const auto steps =
        chip.groups[0].pe->steps(chip.groups[0].pe->op(OpCode::write, matrix, fragment));
    const ActionCounts did = make_schedule(steps).did;
    std::transform(did.begin(), did.end(), expected.begin(), expected.begin(), std::plus<>());
  }
  EXPECT_EQ(load.pes, static_cast<std::int64_t>(layout.fragments.size()));
  EXPECT_EQ(load.cycles, Cycles(77));
  EXPECT_EQ(load.did, std::vector<ActionCounts>{expected});
  EXPECT_GT(std::accumulate(expected.begin(), expected.end(), std::int64_t{0}), 0);
}

}  // namespace
}  // namespace tessera::arch::chip
