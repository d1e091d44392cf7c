// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does everything that holds on a chip of one sort of tile hold on a chip of two? Random networks
/// on random mixed chips, layers sent to either sort: the detail modes agree to the cycle,
/// construction order changes nothing, golden reference, functional executor and engine give the
/// same bits, no simulation beats the closed form's bounds, and placements, mapping files and
/// prices keep to the sorts. Replay one seed with TESSERA_SEED.
#include "arch/chip/prices.hpp"
#include "mapper/analytical.hpp"
#include "mapper/check.hpp"
#include "mapper/lower.hpp"
#include "mapper/placement/placement.hpp"
#include "sim/functional/executor.hpp"
#include "sim/report/account.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::test {
namespace {

std::vector<std::uint64_t> seeds(std::uint64_t count = 40) {
  if (std::getenv("TESSERA_SEED") != nullptr) {
    return {test_seed()};
  }
  std::vector<std::uint64_t> list;
  for (std::uint64_t i = 1; i <= count; ++i) {
    list.push_back(i);
  }
  return list;
}

RunOptions options_of(std::uint64_t seed, Functional functional = Functional::ideal) {
  RunOptions options;
  options.seed = seed;
  options.images = 1 + static_cast<std::int64_t>(seed % 3);
  options.functional = functional;
  return options;
}

std::size_t groups_used(const Case& c) {
  std::set<std::string> used;
  for (const LayerMapping& layer : c.mapping.layers) {
    used.insert(layer.group);
  }
  return used.size();
}

TEST(MixedChip, StepModeAgreesWithFiringModeToTheCycle) {
  std::size_t on_both = 0;
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_mixed_case(seed);
    on_both += groups_used(c) == 2 ? 1 : 0;
    RunOptions options = options_of(seed);
    const std::string firing = simulate_in_child(c, options);
    options.detail = Detail::step;
    ASSERT_EQ(firing, simulate_in_child(c, options)) << "TESSERA_SEED=" << seed;
    ASSERT_EQ(firing.find("exception"), std::string::npos) << "TESSERA_SEED=" << seed << firing;
    options.detail = Detail::firing;
    options.construction_seed = 1;
    ASSERT_EQ(firing, simulate_in_child(c, options)) << "TESSERA_SEED=" << seed;
  }
  if (seeds().size() > 1) {
    EXPECT_GT(on_both, 20U) << "hardly a network was on both sorts of tiles";
  }
}

TEST(MixedChip, SmallestWindowsNeverDeadlock) {
  for (const std::uint64_t seed : seeds()) {
    Case c = random_mixed_case(seed, 24);
    for (ProgramPort& port : c.program.ports) {
      port.window =
          std::min(port.window, c.program.edges[static_cast<std::size_t>(port.edge)].min_window);
    }
    const std::string got = simulate_in_child(c, options_of(seed));
    ASSERT_EQ(got.find("exception"), std::string::npos) << "TESSERA_SEED=" << seed << "\n" << got;
  }
}

/// What the golden reference, the functional executor and the engine say, as text.
struct Answers {
  std::string golden;
  std::string executor;
  std::string engine;
};

Answers answers_of(const Case& c, const RunOptions& options) {
  Answers out;
  Golden golden(c.network, options.seed);
  std::vector<std::vector<std::int32_t>> expected;
  for (std::int64_t image = 0; image < options.images; ++image) {
    expected.push_back(golden.run(synthetic_input(c.network, options.seed, image)));
  }
  functional::Executor executor(
      c.program,
      c.network,
      c.chip,
      options.functional == Functional::ideal ? Fidelity::ideal : Fidelity::physical,
      synthetic_data(c.network, options.seed),
      options.seed);
  out.golden = fmt::format("{}", fmt::join(expected, "\n"));
  out.executor = fmt::format("{}", fmt::join(executor.run_all(0, options.images, 1), "\n"));
  out.engine =
      in_child([&] { return fmt::format("{}", fmt::join(simulate(c, options).outputs, "\n")); });
  return out;
}

TEST(MixedChip, OutputsAreTheGoldenOnes) {
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_mixed_case(seed);
    for (const Functional functional : {Functional::ideal, Functional::bit_accurate}) {
      const Answers answers = answers_of(c, options_of(seed, functional));
      ASSERT_EQ(answers.executor, answers.golden) << "TESSERA_SEED=" << seed;
      ASSERT_EQ(answers.engine, answers.golden) << "TESSERA_SEED=" << seed;
    }
  }
}

/// Converters that clip and cells that vary in one group only.
TEST(MixedChip, OutputsOfImperfectTilesEqualTheEngines) {
  int changed = 0;
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_mixed_case(seed, 4, [&](std::string chip) {
      const std::string from = "adc_bits: 0";
      return chip.replace(chip.find(from),
                          from.size(),
                          "adc_bits: 4, nonideal: {variation: 0.1, stuck_low: 0.02, read_noise: "
                          "0.5}");
    });
    const Answers answers = answers_of(c, options_of(seed, Functional::bit_accurate));
    ASSERT_EQ(answers.executor, answers.engine) << "TESSERA_SEED=" << seed;
    const bool perfect = std::none_of(
        c.mapping.layers.begin(), c.mapping.layers.end(), [&](const LayerMapping& layer) {
          return c.chip.groups[c.chip.group_named(layer.group)].pe->has_variation();
        });
    if (perfect) {
      ASSERT_EQ(answers.engine, answers.golden) << "TESSERA_SEED=" << seed;
    }
    changed += answers.engine != answers.golden ? 1 : 0;
  }
  if (seeds().size() > 1) {
    EXPECT_GT(changed, 20);
  }
}

TEST(MixedChip, NoSimulationBeatsTheBounds) {
  double off = 0;
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_mixed_case(seed);
    RunOptions options = options_of(seed, Functional::off);
    const std::string got = in_child([&] {
      const RunStats stats = simulate(c, options);
      return fmt::format("{} {} {}",
                         (stats.image_out.front() - stats.image_in.front()).value,
                         (stats.image_out.back() - stats.image_in.front()).value,
                         c.program.pes_used);
    });
    std::istringstream in(got);
    std::int64_t latency = 0;
    std::int64_t span = 0;
    std::int64_t pes = 0;
    ASSERT_TRUE(in >> latency >> span >> pes) << "TESSERA_SEED=" << seed << "\n" << got;
    const mapper::Analysis analysis =
        mapper::analyze(c.network, c.chip, c.mapping, c.program.granularity);
    ASSERT_GE(latency, analysis.lower_bound_latency.value) << "TESSERA_SEED=" << seed;
    ASSERT_GE(span, analysis.lower_bound_cycles(options.images).value) << "TESSERA_SEED=" << seed;
    if (c.program.granularity == Granularity::serial) {
      ASSERT_LE(pes, analysis.pes) << "TESSERA_SEED=" << seed;
      // The plain sum: nothing overlaps, so that it is off by tails only.
      ASSERT_NEAR(static_cast<double>(analysis.latency.value) / static_cast<double>(latency),
                  1,
                  options.images == 1 ? 0.05 : 1)
          << "TESSERA_SEED=" << seed;
    } else {
      ASSERT_EQ(pes, analysis.pes) << "TESSERA_SEED=" << seed;
    }
    off += std::abs(
        std::log(static_cast<double>(analysis.latency.value) / static_cast<double>(latency)));
  }
  if (seeds().size() > 1) {
    EXPECT_LT(off / static_cast<double>(seeds().size()), 0.2) << "the closed form is far off";
  }
}

TEST(MixedChip, EveryPlacementKeepsLayersToTheirTiles) {
  for (const std::uint64_t seed : seeds(20)) {
    SCOPED_TRACE(fmt::format("TESSERA_SEED={}", seed));
    const Case c = random_mixed_case(seed);
    if (c.program.granularity == Granularity::serial) {
      continue;
    }
    for (const auto& [method, name] : enum_names(mapper::PlacementMethod{})) {
      SCOPED_TRACE(name);
      mapper::PlacementReport report;
      const Mapping mapping =
          mapper::optimise_placement(c.network,
                                     c.chip,
                                     c.mapping,
                                     c.program.granularity,
                                     {.method = method, .seed = seed, .moves = 2000},
                                     &report);
      Diagnostics diagnostics;
      mapper::check(mapping, c.network, c.chip, c.program.granularity, diagnostics);
      ASSERT_EQ(diagnostics.render(), "");
      mapper::lower(c.network, mapping, c.chip, {c.program.granularity, 1, false}, diagnostics);
      ASSERT_EQ(diagnostics.render(), "");
      EXPECT_LE(report.bound, report.flit_hops);
      EXPECT_LE(report.bound_any, report.flit_hops);
      for (std::size_t l = 0; l < mapping.layers.size(); ++l) {
        EXPECT_EQ(mapping.layers[l].group, c.mapping.layers[l].group);
      }
    }
  }
}

TEST(MixedChip, MappingFilesKeepTheGroups) {
  for (const std::uint64_t seed : seeds(10)) {
    const Case c = random_mixed_case(seed);
    const std::string text = mapper::write_mapping(c.mapping);
    Diagnostics diagnostics;
    const config::Node node = config::parse(text, "mapping.yaml", diagnostics);
    const Mapping read =
        mapper::read_mapping(node, c.network, c.chip.spec.name, diagnostics, c.chip.group_names());
    ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
    EXPECT_EQ(mapper::write_mapping(read), text);
    // A file of a placed mapping may leave the groups out: the tiles tell.
    if (c.program.granularity != Granularity::serial) {
      mapper::MappingRequest request = mapper::uniform_request(c.network, {});
      request.mapping = read;
      for (LayerMapping& layer : request.mapping->layers) {
        layer.group.clear();
      }
      const Mapping filled =
          mapper::make_mapping(c.network, c.chip, request, c.program.granularity, diagnostics);
      ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
      EXPECT_EQ(mapper::write_mapping(filled), text);
    }
  }
}

/// The shares of the sorts add up, and one that holds no layer does nothing in its PEs.
TEST(MixedChip, EnergyIsThatOfTheTilesAtWork) {
  for (const std::uint64_t seed : seeds(20)) {
    const Case c = random_mixed_case(seed);
    const std::string verdict = in_child([&] {
      const RunStats stats = simulate(c, options_of(seed, Functional::off));
      const report::PriceList prices = arch::chip::prices(c.chip);
      const report::Account account =
          report::make_account(c.program,
                               stats,
                               arch::chip::fabric_use(c.chip, stats.fabric),
                               arch::chip::load_use(c.chip, c.program),
                               prices);
      double pes = 0;
      std::vector<double> expected(prices.groups.size(), 0);
      for (std::size_t p = 0; p < c.program.parts.size(); ++p) {
        const ProgramPart& part = c.program.parts[p];
        const std::size_t group = part.groups.empty() ? 0 : c.chip.group_of(part.at);
        for (const LockstepGroup& lockstep : part.groups) {
          for (const auto& [schedule, times] :
               {std::pair{lockstep.schedule, stats.parts[p].firings},
                {lockstep.write_schedule, stats.parts[p].writes}}) {
            for (std::size_t a = 0; schedule >= 0 && a < c.chip.groups[group].pe->actions().size();
                 ++a) {
              expected[group] +=
                  static_cast<double>(
                      c.program.schedules[static_cast<std::size_t>(schedule)].did[a] *
                      lockstep.pes * times) *
                  c.chip.groups[group].pe->actions()[a].energy.value;
            }
          }
        }
      }
      std::string problems;
      for (std::size_t g = 0; g < expected.size(); ++g) {
        pes += account.groups[g].pes.value;
        if (std::abs(account.groups[g].pes.value - expected[g]) > 1e-9 * expected[g]) {
          problems += fmt::format(
              "group {}: {} J, expected {} J\n", g, account.groups[g].pes.value, expected[g]);
        }
      }
      if (std::abs(pes - account.places.front().energy.value) > 1e-9 * pes) {
        problems += "the groups do not add up to the PEs\n";
      }
      return problems;
    });
    ASSERT_EQ(verdict, "") << "TESSERA_SEED=" << seed;
  }
}

/// The chip and the mapping of configs/experiments/mixed_lenet5.yaml.
Case lenet(Granularity granularity, const std::string& set = {}) {
  Diagnostics diagnostics;
  config::Node root =
      config::load(std::string(TESSERA_SOURCE_DIR) + "/configs/chips/mixed.yaml", diagnostics);
  if (!set.empty()) {
    config::apply_set(root, set, diagnostics);
  }
  Case c;
  c.network = zoo("lenet5");
  c.chip = arch::chip::make_chip(root.get("chip"), diagnostics);
  diagnostics.throw_if_any();
  mapper::MappingRequest request = mapper::uniform_request(c.network, {});
  std::vector<LayerBits> bits;
  for (std::size_t l = 0; l < request.layers.size(); ++l) {
    request.layers[l] =
        l < 2 ? mapper::LayerRequest{8, 8, 1, "crossbar"} : mapper::LayerRequest{4, 4, 1, "lut"};
    bits.push_back({request.layers[l].w_bits, request.layers[l].a_bits});
  }
  quantize(c.network, bits);
  c.mapping = mapper::make_mapping(c.network, c.chip, request, granularity, diagnostics);
  diagnostics.throw_if_any();
  c.program = mapper::lower(c.network, c.mapping, c.chip, {granularity, 2, false}, diagnostics);
  diagnostics.throw_if_any();
  return c;
}

TEST(MixedChip, LenetOnCrossbarsAndLookUpBlocksIsExact) {
  for (const Granularity granularity :
       {Granularity::pixel, Granularity::layer, Granularity::serial}) {
    const Answers answers = answers_of(lenet(granularity), options_of(1, Functional::bit_accurate));
    EXPECT_EQ(answers.executor, answers.golden) << static_cast<int>(granularity);
    EXPECT_EQ(answers.engine, answers.golden) << static_cast<int>(granularity);
  }
}

TEST(MixedChip, SerialRewritesOnlyTilesThatAreTooFew) {
  for (const std::string small : {"lut", "crossbar"}) {
    const Case c = lenet(Granularity::serial,
                         fmt::format("chip.tile_groups.{}={{tiles: 1, tile: {{pes: 2}}}}", small));
    for (const ProgramStage& stage : c.program.stages) {
      if (stage.kind == StageKind::matrix) {
        const bool on_lut = stage.name.rfind("fc", 0) == 0;
        EXPECT_EQ(stage.rewrites, on_lut == (small == "lut")) << stage.name;
      }
    }
    const Answers answers = answers_of(c, options_of(1, Functional::bit_accurate));
    EXPECT_EQ(answers.engine, answers.golden);
    EXPECT_EQ(answers.executor, answers.golden);
    RunOptions options = options_of(1, Functional::off);
    options.images = 1;
    const std::string end =
        in_child([&] { return fmt::format("{}", simulate(c, options).image_out.front().value); });
    const mapper::Analysis analysis =
        mapper::analyze(c.network, c.chip, c.mapping, Granularity::serial);
    const double ratio = static_cast<double>(analysis.latency.value) / std::stod(end);
    EXPECT_LE(analysis.lower_bound_latency.value, std::stoll(end));
    // The closed form takes writing a block for longer than it is, on any chip.
    EXPECT_NEAR(ratio, 1, small == "lut" ? 0.2 : 0.01);
  }
}

}  // namespace
}  // namespace tessera::test
