// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Speed of the interconnect: flit-hops per second at 80 % of saturation, and the cost of one
/// lonely message in a large network. Traffic is drawn before the clock starts.
#include "arch/fabric/spec.hpp"
#include "sim/base/rng.hpp"

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

namespace {

using namespace tessera;
using namespace tessera::arch::fabric;

struct Shot {
  std::int64_t at;
  EndpointId from;
  EndpointId to;
};

std::vector<Shot> uniform_traffic(int endpoints, double packets_per_cycle, std::int64_t cycles) {
  Rng rng(1, "bench");
  std::vector<Shot> shots;
  for (std::int64_t t = 0; t < cycles; ++t) {
    for (EndpointId e = 0; e < endpoints; ++e) {
      if (rng.chance(packets_per_cycle)) {
        const auto to = static_cast<EndpointId>(rng.uniform(0, endpoints - 2));
        shots.push_back({t, e, to < e ? to : to + 1});
      }
    }
  }
  return shots;
}

FabricSpec mesh(int side, int vcs, int buffer, int packet) {
  FabricSpec s;
  s.width = s.height = side;
  s.num_vcs = vcs;
  s.vc_buffer = buffer;
  s.max_packet_flits = packet;
  s.header_bits = Bits(0);
  return s;
}

/// Args: virtual channels, buffer, flits per packet, offered load in 1/1000 flits per node and
/// cycle.
void BM_Fabric_Uniform(benchmark::State& state) {
  const int vcs = static_cast<int>(state.range(0));
  const int packet = static_cast<int>(state.range(2));
  const double load = static_cast<double>(state.range(3)) / 1000;
  constexpr std::int64_t kCycles = 5000;
  const auto shots = uniform_traffic(64, load / packet, kCycles);
  const FabricSpec spec = mesh(8, vcs, static_cast<int>(state.range(1)), packet);
  const Bits bits(packet * spec.flit_bits.value);
  std::int64_t hops = 0;
  std::int64_t flits = 0;
  std::vector<Delivery> deliveries;
  for (auto _ : state) {
    const auto fabric = make_fabric(spec, {64, {}});
    std::size_t next = 0;
    MessageId id = 0;
    std::int64_t now = 0;
    while (next < shots.size() || !fabric->idle()) {
      while (next < shots.size() && shots[next].at <= now) {
        const EndpointId to = shots[next].to;
        fabric->inject(shots[next].from, std::span(&to, 1), bits, id++, Cycles(now));
        ++next;
      }
      deliveries.clear();
      const std::int64_t until = next < shots.size() ? shots[next].at : now + 100000;
      now = fabric->advance(Cycles(now + 1), Cycles(std::max(until, now + 1)), deliveries).value;
    }
    hops += fabric->totals().flit_hops;
    flits += fabric->totals().flits_ejected;
  }
  state.counters["flit_hops/s"] =
      benchmark::Counter(static_cast<double>(hops), benchmark::Counter::kIsRate);
  state.counters["flits/s"] =
      benchmark::Counter(static_cast<double>(flits), benchmark::Counter::kIsRate);
}

// 80 % of the saturation throughput in tests/validation/data/booksim_mesh.csv.
BENCHMARK(BM_Fabric_Uniform)
    ->ArgNames({"vcs", "buffer", "packet", "load"})
    ->Args({4, 8, 8, 315})
    ->Args({8, 8, 1, 340})
    ->Args({1, 8, 8, 205})
    ->Args({4, 8, 8, 20})
    ->Unit(benchmark::kMillisecond);

/// One message every 3000 cycles in a 16x16 mesh; arg: flits of the message.
void BM_Fabric_Sparse(benchmark::State& state) {
  const FabricSpec spec = mesh(16, 4, 8, 8);
  const auto fabric = make_fabric(spec, {256, {}});
  const Bits bits(state.range(0) * spec.flit_bits.value);
  Rng rng(1, "sparse");
  std::vector<Delivery> deliveries;
  std::int64_t now = 0;
  for (auto _ : state) {
    const auto from = static_cast<EndpointId>(rng.uniform(0, 254));
    const auto to = static_cast<EndpointId>(255);
    fabric->inject(from, std::span(&to, 1), bits, 1, Cycles(now));
    deliveries.clear();
    fabric->advance(Cycles(now + 1), Cycles(now + 2999), deliveries);
    now += 3000;
  }
  state.counters["flit_hops/s"] = benchmark::Counter(
      static_cast<double>(fabric->totals().flit_hops), benchmark::Counter::kIsRate);
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(BM_Fabric_Sparse)->Arg(1)->Arg(8)->Arg(64);

/// One sender to all 63 others of an 8x8 mesh, 8 flits.
void BM_Fabric_Multicast(benchmark::State& state) {
  const FabricSpec spec = mesh(8, 4, 8, 8);
  const auto fabric = make_fabric(spec, {64, {}});
  std::vector<EndpointId> to;
  for (EndpointId e = 1; e < 64; ++e) {
    to.push_back(e);
  }
  std::vector<Delivery> deliveries;
  std::int64_t now = 0;
  for (auto _ : state) {
    fabric->inject(0, to, Bits(8 * spec.flit_bits.value), 1, Cycles(now));
    deliveries.clear();
    while (!fabric->idle()) {
      now = fabric->advance(Cycles(now + 1), Cycles(now + 1000), deliveries).value;
    }
  }
  state.counters["flit_hops/s"] = benchmark::Counter(
      static_cast<double>(fabric->totals().flit_hops), benchmark::Counter::kIsRate);
}

BENCHMARK(BM_Fabric_Multicast);

}  // namespace

BENCHMARK_MAIN();
