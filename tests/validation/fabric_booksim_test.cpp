// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Is the mesh right, compared with BookSim 2? Reference in data/booksim_mesh.csv (header there).
///
/// Rows below 80 % of saturation must agree within 5 % in latency, saturation throughput within 5
/// %. A known gap lies above that and is asserted to be still there: a row that comes to agree must
/// be taken out of the list.
#include "arch/fabric/spec.hpp"
#include "sim/base/rng.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::arch::fabric {
namespace {

constexpr int kNodes = 64;
constexpr double kTolerance = 0.05;
constexpr std::int64_t kWarmUp = 5000;
constexpr std::int64_t kMeasured = 20000;

struct Row {
  int vcs;
  int buffer;
  int packet;
  double offered;
  double latency;  ///< 0 when the run did not converge
  double accepted;

  [[nodiscard]] auto router() const { return std::tuple(vcs, buffer, packet); }
};

std::vector<Row> reference() {
  std::vector<Row> rows;
  std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/tests/validation/data/booksim_mesh.csv");
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#' || line[0] == 'n') {
      continue;
    }
    std::vector<double> cell;
    std::stringstream cells(line);
    for (std::string text; std::getline(cells, text, ',');) {
      cell.push_back(text.empty() ? 0.0 : std::stod(text));
    }
    rows.push_back({static_cast<int>(cell[0]),
                    static_cast<int>(cell[1]),
                    static_cast<int>(cell[2]),
                    cell[3],
                    cell[4],
                    cell[7]});
  }
  return rows;
}

/// Saturation throughput of each router: the mean of what it accepted in runs that did not
/// converge.
double saturation(const std::vector<Row>& rows, const Row& of) {
  double sum = 0;
  int count = 0;
  for (const Row& r : rows) {
    if (r.router() == of.router() && r.latency == 0) {
      sum += r.accepted;
      ++count;
    }
  }
  return sum / count;
}

struct Result {
  double latency;
  double accepted;
};

/// Bernoulli packets to uniform destinations, the source itself included, as in the reference.
Result simulate(const Row& row, std::uint64_t seed) {
  FabricSpec spec;
  spec.width = spec.height = 8;
  spec.num_vcs = row.vcs;
  spec.vc_buffer = row.buffer;
  spec.max_packet_flits = row.packet;
  spec.header_bits = Bits(0);
  const auto fabric = make_fabric(spec, {kNodes, {}});
  const Bits bits(row.packet * spec.flit_bits.value);
  Rng rng(seed, "booksim");
  std::vector<std::int64_t> born;
  std::vector<Delivery> deliveries;
  double sum = 0;
  std::int64_t count = 0;
  std::int64_t accepted = 0;
  const auto measure = [&] {
    for (const Delivery& d : deliveries) {
      const std::int64_t at = d.at.value;
      accepted += at > kWarmUp && at <= kWarmUp + kMeasured ? row.packet : 0;
      if (born[d.id] >= kWarmUp) {
        sum += static_cast<double>(at - born[d.id]);
        ++count;
      }
    }
    deliveries.clear();
  };
  std::int64_t now = 0;
  for (; now < kWarmUp + kMeasured; ++now) {
    for (EndpointId e = 0; e < kNodes; ++e) {
      if (rng.chance(row.offered / row.packet)) {
        const auto to = static_cast<EndpointId>(rng.uniform(0, kNodes - 1));
        const auto id = static_cast<MessageId>(born.size());
        born.push_back(now);
        fabric->inject(e, std::span(&to, 1), bits, id, Cycles(now));
      }
    }
    fabric->advance(Cycles(now + 1), Cycles(now + 1), deliveries);
    measure();
  }
  while (row.latency > 0 && !fabric->idle()) {
    now = fabric->advance(Cycles(now + 1), Cycles(now + 1000), deliveries).value;
    measure();
  }
  return {sum / static_cast<double>(count),
          static_cast<double>(accepted) / kNodes / static_cast<double>(kMeasured)};
}

struct Gap {
  int vcs;
  int buffer;
  int packet;
  double offered;
};

/// Within a few per cent of saturation the latency is that of the queues at the sources, which grow
/// as 1 / (1 - load / saturation); we saturate up to 2 % later. Cause, as far as it is known: our
/// virtual-channel allocator serves heads in order of arrival and every one for which a channel is
/// free. With one virtual channel, round robin instead (tried, not kept: packets of a message would
/// overtake each other) moves the first row from -8 % to +2 % and the second from -36 % to -19 %;
/// the rest of the second is open. With more, round robin did not help (-8 to -13 %); heads that
/// one iteration of separable allocation leaves unmatched are suspected, not shown. Means over
/// kGapSeeds runs, because single runs scatter.
const std::vector<Gap> kKnownGaps = {
    {1, 4, 4, 0.15}, {1, 8, 8, 0.25}, {4, 8, 8, 0.38}, {8, 8, 1, 0.42}};
constexpr int kGapSeeds = 16;

bool is_known_gap(const Row& r) {
  for (const Gap& g : kKnownGaps) {
    if (std::tuple(g.vcs, g.buffer, g.packet) == r.router() &&
        std::abs(g.offered - r.offered) < 1e-9) {
      return true;
    }
  }
  return false;
}

void PrintTo(const Row& row, std::ostream* out) {
  *out << fmt::format(
      "{} VCs of {}, packets of {}, load {}", row.vcs, row.buffer, row.packet, row.offered);
}

class BookSim : public ::testing::TestWithParam<Row> {};

TEST_P(BookSim, Agrees) {
  const Row row = GetParam();
  const double sat = saturation(reference(), row);
  if (row.latency == 0) {
    const double accepted = simulate(row, 1).accepted;
    RecordProperty("error_percent", std::to_string(100 * (accepted / sat - 1)));
    EXPECT_NEAR(accepted, sat, kTolerance * sat);
    return;
  }
  const bool gap = is_known_gap(row);
  const int runs = gap ? kGapSeeds : 1;
  double latency = 0;
  for (int run = 1; run <= runs; ++run) {
    latency += simulate(row, static_cast<std::uint64_t>(run)).latency / runs;
  }
  const double error = latency / row.latency - 1;
  RecordProperty("error_percent", std::to_string(100 * error));
  if (gap) {
    ASSERT_GT(row.offered, 0.8 * sat) << "no gap is excused below 80 % of saturation";
    EXPECT_GT(std::abs(error), kTolerance) << "the gap is closed: take it out of the list";
  } else {
    EXPECT_LT(std::abs(error), kTolerance) << latency << " against " << row.latency;
  }
}

INSTANTIATE_TEST_SUITE_P(Mesh8x8, BookSim, ::testing::ValuesIn(reference()), [](const auto& row) {
  return "vcs" + std::to_string(row.param.vcs) + "_buffer" + std::to_string(row.param.buffer) +
         "_packet" + std::to_string(row.param.packet) + "_load" +
         std::to_string(std::lround(row.param.offered * 1000));
});

/// Every row of the file is a test, so an empty file may not pass.
TEST(BookSimReference, IsThere) {
  EXPECT_EQ(reference().size(), 50U);
}

/// At low load 4 cycles per router, 2 for injection and one per further flit (header of the file).
TEST(BookSimReference, LowLoadLatencyIsTheFormula) {
  FabricSpec spec;
  spec.width = spec.height = 8;
  spec.header_bits = Bits(0);
  const auto fabric = make_fabric(spec, {kNodes, {}});
  for (EndpointId to = 1; to < kNodes; ++to) {
    for (int flits = 1; flits <= 8; ++flits) {
      const int routers = fabric->hops(0, to) + 1;
      EXPECT_EQ(fabric->zero_load_latency(0, to, Bits(std::int64_t{flits} * 32)).value,
                4 * routers + 2 + flits - 1);
    }
  }
}

}  // namespace
}  // namespace tessera::arch::fabric
