// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does the engine keep its promises on random networks, chips and mappings? The two detail modes
/// agree to the cycle; construction order changes nothing; stalls change cycles only; every row of
/// a trace is tiled; what leaves the chip equals the golden executor bit for bit. Replay one seed
/// with TESSERA_SEED.
#include "sim/base/rng.hpp"
#include "sim/trace/memory_trace.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "workloads/golden.hpp"
#include "workloads/parameters.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

namespace tessera::test {
namespace {

constexpr int kCases = 60;

RunOptions options_of(std::uint64_t seed) {
  RunOptions options;
  options.seed = seed;
  options.images = 1 + static_cast<std::int64_t>(seed % 3);
  options.functional = Functional::ideal;
  return options;
}

/// One case of all: what is only true of many is then not asked.
bool is_replay() {
  return std::getenv("TESSERA_SEED") != nullptr;
}

std::vector<std::uint64_t> seeds() {
  std::vector<std::uint64_t> list;
  if (is_replay()) {
    return {test_seed()};
  }
  for (std::uint64_t i = 1; i <= kCases; ++i) {
    list.push_back(i);
  }
  return list;
}

TEST(EngineContract, StepModeAgreesWithFiringModeToTheCycle) {
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_case(seed);
    RunOptions options = options_of(seed);
    const std::string firing = simulate_in_child(c, options);
    options.detail = Detail::step;
    ASSERT_EQ(firing, simulate_in_child(c, options)) << "TESSERA_SEED=" << seed;
    ASSERT_EQ(firing.find("exception"), std::string::npos) << "TESSERA_SEED=" << seed << "\n"
                                                           << firing;
  }
}

TEST(EngineContract, ConstructionOrderDoesNotMatter) {
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_case(seed);
    RunOptions options = options_of(seed);
    const std::string natural = simulate_in_child(c, options);
    for (const std::uint64_t order : {1U, 2U, 3U}) {
      options.construction_seed = order;
      ASSERT_EQ(natural, simulate_in_child(c, options))
          << "TESSERA_SEED=" << seed << " order " << order;
    }
  }
}

/// mapper/README.md argues that min_window is enough. Many replicas make it tight: some line
/// buffers then begin with a position beyond their first window.
TEST(EngineContract, SmallestWindowsNeverDeadlock) {
  int tight = 0;
  for (const std::uint64_t seed : seeds()) {
    Case c = random_case(seed, 24);
    for (ProgramPort& port : c.program.ports) {
      const std::int64_t least = c.program.edges[static_cast<std::size_t>(port.edge)].min_window;
      tight += port.window > least ? 1 : 0;
      port.window = std::min(port.window, least);
    }
    const std::string got = simulate_in_child(c, options_of(seed));
    ASSERT_EQ(got.find("exception"), std::string::npos) << "TESSERA_SEED=" << seed << "\n" << got;
    ASSERT_EQ(got.find("deadlock"), std::string::npos) << "TESSERA_SEED=" << seed << "\n" << got;
  }
  EXPECT_TRUE(tight > 0 || is_replay()) << "no window was larger than it must be";
}

/// Counts and bits only: what stalls may not change. How many small input positions share a flit
/// depends on when there is room for them, so flits are not among them.
std::string counts(const RunStats& stats) {
  std::string text =
      fmt::format("firings {} digest {:016x}\n", stats.pe_firings, stats.output_digest);
  for (const PartStats& part : stats.parts) {
    text += fmt::format("{} {}\n", part.firings, part.writes);
  }
  for (const EndpointStats& e : stats.endpoints) {
    text += fmt::format("{} {} {} {} {}\n",
                        e.bus_bits,
                        e.buffer_read_bits,
                        e.buffer_write_bits,
                        e.vector_ops,
                        fmt::join(e.vector_did, " "));
  }
  return text;
}

TEST(EngineContract, RandomStallsChangeCyclesOnly) {
  int slower = 0;
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_case(seed);
    RunOptions options = options_of(seed);
    const auto run = [&] {
      return in_child([&] {
        const RunStats stats = simulate(c, options);
        return fmt::format("{}\n", stats.end.value) + counts(stats);
      });
    };
    const std::string free = run();
    options.stall_probability = 0.3;
    const std::string stalled = run();
    const std::size_t end = free.find("\nfirings");  // none when the child failed
    const std::size_t stalled_end = stalled.find("\nfirings");
    ASSERT_TRUE(end != std::string::npos && stalled_end != std::string::npos)
        << "TESSERA_SEED=" << seed << "\n"
        << free << "\n"
        << stalled;
    ASSERT_EQ(free.substr(end), stalled.substr(stalled_end)) << "TESSERA_SEED=" << seed;
    slower += stalled.substr(0, stalled_end) != free.substr(0, end) ? 1 : 0;
  }
  EXPECT_TRUE(slower > 0 || is_replay()) << "the stalls did nothing";
}

TEST(EngineContract, WorkAndWaitsTileEveryRow) {
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_case(seed);
    for (const Detail detail : {Detail::firing, Detail::step}) {
      const std::string verdict = in_child([&] {
        trace::MemoryTrace trace;
        RunOptions options = options_of(seed);
        options.detail = detail;
        options.trace = &trace;
        const RunStats stats = simulate(c, options);
        for (const PartStats& part : stats.parts) {
          Cycles lifetime = part.work;
          for (const Cycles wait : part.waits) {
            lifetime += wait;
          }
          if (lifetime != stats.end) {
            return fmt::format(
                "a part accounts for {} of {} cycles", lifetime.value, stats.end.value);
          }
        }
        return trace.rows().empty() ? std::string("no rows")
                                    : fmt::format("{}", fmt::join(trace.check_tiling(), "\n"));
      });
      ASSERT_EQ(verdict, "") << "TESSERA_SEED=" << seed;
    }
  }
}

TEST(EngineContract, OutputsEqualTheGoldenExecutor) {
  for (const std::uint64_t seed : seeds()) {
    const Case c = random_case(seed);
    for (const Functional functional : {Functional::ideal, Functional::bit_accurate}) {
      const std::string verdict = in_child([&] {
        RunOptions options = options_of(seed);
        options.functional = functional;
        const RunStats stats = simulate(c, options);
        Golden golden(c.network, options.seed);
        for (std::size_t image = 0; image < stats.outputs.size(); ++image) {
          const auto input =
              synthetic_input(c.network, options.seed, static_cast<std::int64_t>(image));
          if (golden.run(input) != stats.outputs[image]) {
            return fmt::format("image {} differs", image);
          }
        }
        return std::string{};
      });
      ASSERT_EQ(verdict, "") << "TESSERA_SEED=" << seed << " functional "
                             << static_cast<int>(functional);
    }
  }
}

}  // namespace
}  // namespace tessera::test
