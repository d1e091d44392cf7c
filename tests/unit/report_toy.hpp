// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A program of four stages (input, conv with two replicas, pool, output) with hand-made statistics
/// that pass every self-check, for the tests of sim/report.
#pragma once

#include "sim/report/result.hpp"

#include <cstdint>

namespace tessera::report {

struct Toy {
  Network network;
  Program program;
  RunOptions options;
  RunStats stats;
  PriceList prices;
  FabricUse fabric;
  LoadUse load;
  Analysis analysis;

  Toy() {
    make_network();
    make_program();
    make_stats();
    make_prices();
  }

  [[nodiscard]] ResultInputs inputs() const {
    return {"toy_chip", network, program, options, stats, prices, fabric, load, analysis};
  }

  [[nodiscard]] Report report() const { return make_report(inputs()); }

 private:
  static PartStats part_stats(std::int64_t firings,
                              std::int64_t work,
                              std::int64_t input,
                              std::int64_t link) {
    PartStats out;
    out.firings = firings;
    out.work = Cycles(work);
    out.waits[static_cast<std::size_t>(Wait::input)] = Cycles(input);
    out.waits[static_cast<std::size_t>(Wait::link)] = Cycles(link);
    out.waits[static_cast<std::size_t>(Wait::none)] = Cycles(2000 - work - input - link);
    return out;
  }

  static StageStats stage_stats(std::int64_t positions, Cycles start, Cycles end) {
    StageStats out;
    out.positions_out = positions;
    for (std::int64_t image = 0; image < 3; ++image) {
      out.image_start.push_back(start + Cycles(400 * image));
      out.image_end.push_back(end + Cycles(400 * image));
    }
    return out;
  }

  void make_network() {
    network.name = "toy";
    Layer input;
    input.name = "image";
    input.out = {4, 4, 3};
    Layer conv;
    conv.name = "conv";
    conv.kind = LayerKind::conv;
    conv.inputs = {0};
    conv.out = {4, 4, 8};
    conv.w_bits = 4;
    conv.a_bits = 6;
    Layer pool;
    pool.name = "pool";
    pool.kind = LayerKind::max_pool;
    pool.inputs = {1};
    pool.out = {2, 2, 8};
    network.layers = {input, conv, pool};
  }

  void make_program() {
    program.tiles = 2;
    program.io_endpoint = 2;
    program.pes_used = 6;
    program.weight_writes = 6;
    program.load_cycles = Cycles(600);
    program.schedules.resize(2);
    program.schedules[0].did[0] = 10;
    program.schedules[0].did[1] = 100;
    program.schedules[1].did[2] = 64;
    program.stages.resize(4);
    const char* names[] = {"image", "conv", "pool", "output"};
    const StageKind kinds[] = {
        StageKind::source, StageKind::matrix, StageKind::vector, StageKind::sink};
    const std::int64_t positions[] = {16, 16, 4, 4};
    for (std::size_t s = 0; s < 4; ++s) {
      program.stages[s].name = names[s];
      program.stages[s].kind = kinds[s];
      program.stages[s].layer = s < 3 ? static_cast<LayerId>(s) : -1;
      program.stages[s].positions = positions[s];
      program.stages[s].replicas.resize(s == 1 ? 2 : 1);
    }
    const EndpointId at[] = {2, 0, 1, 1, 2};
    const int stage[] = {0, 1, 1, 2, 3};
    program.parts.resize(5);
    for (std::size_t p = 0; p < 5; ++p) {
      program.parts[p].at = at[p];
      program.parts[p].stage = stage[p];
    }
    program.stages[0].replicas[0].home = 2;
    program.stages[1].replicas[1].home = 1;
    program.stages[2].replicas[0].home = 1;
    program.stages[3].replicas[0].home = 2;
    program.parts[1].groups = {{0, 1, 3, 0, 0}};
    program.parts[2].groups = {{0, 1, 3, 0, 3}};
    // image -> conv is a multicast to two tiles.
    program.edges.resize(3);
    program.ports.resize(4);
    const int from[] = {0, 1, 2};
    const int edge_of[] = {0, 0, 1, 2};
    const EndpointId port_at[] = {0, 1, 1, 2};
    for (std::size_t e = 0; e < 3; ++e) {
      program.edges[e].from = from[e];
      program.edges[e].to = from[e] + 1;
      program.edges[e].positions = positions[e];
      program.edges[e].bits = Bits(48);
    }
    for (std::size_t p = 0; p < 4; ++p) {
      program.ports[p].edge = edge_of[p];
      program.ports[p].at = port_at[p];
      program.ports[p].window = 8;
      program.edges[static_cast<std::size_t>(edge_of[p])].ports.push_back(static_cast<int>(p));
    }
    program.ports[1].needed.assign(16, true);
    program.ports[1].needed[15] = false;
  }

  void make_stats() {
    options.images = 3;
    options.seed = 7;
    stats.end = Cycles(2000);
    stats.image_in = {Cycles(0), Cycles(400), Cycles(800)};
    stats.image_out = {Cycles(1000), Cycles(1400), Cycles(1800)};
    stats.parts = {part_stats(48, 480, 0, 0),
                   part_stats(24, 900, 300, 60),
                   part_stats(24, 880, 320, 60),
                   part_stats(12, 24, 900, 0),
                   part_stats(12, 0, 0, 0)};
    stats.stages = {stage_stats(48, Cycles(0), Cycles(160)),
                    stage_stats(48, Cycles(20), Cycles(460)),
                    stage_stats(12, Cycles(100), Cycles(500)),
                    stage_stats(12, Cycles(150), Cycles(510))};
    stats.endpoints.resize(3);
    stats.endpoints[0].bus_busy = Cycles(500);
    stats.endpoints[0].bus_bits = 4096;
    stats.endpoints[0].buffer_read_bits = 2000;
    stats.endpoints[0].buffer_write_bits = 1000;
    stats.endpoints[1].vector_busy = Cycles(250);
    stats.endpoints[1].vector_ops = 384;
    stats.endpoints[2].io_bits = 5000;
    stats.ports = {{48, 5}, {45, 8}, {48, 3}, {12, 1}};
    stats.fabric = {300, 450, 600, 0};
    stats.links = {{"tile[0].inject", 300}, {"router[0].east", 600}, {"tile[1].eject", 450}};
    stats.pe_firings = 48;
    stats.sc_activations = 1234;
    stats.wall_seconds = 0.5;
    stats.checks = {{"engine_quiet", true, ""}};
  }

  void make_prices() {
    prices.clock.frequency = Hertz(1e9);
    prices.tiles = 2;
    prices.pes = 8;
    prices.groups[0].tiles = 2;
    prices.groups[0].pes = 8;
    prices.groups[0].endurance = 1e9;
    prices.groups[0].pe_actions = {{"cell_read", Joules(1e-12), "toy"},
                                   {"adc_convert", Joules(2e-12), "toy"},
                                   {"cell_write", Joules(1e-9), "toy"}};
    prices.groups[0].bus_bit = Joules(1e-13);
    prices.groups[0].buffer_read_bit = Joules(2e-13);
    prices.groups[0].buffer_write_bit = Joules(3e-13);
    prices.groups[0].vector_op = Joules(1e-12);
    prices.io_bit = Joules(5e-12);
    prices.link_flit = Joules(1e-12);
    prices.router_flit = Joules(4e-12);
    prices.components = {{"tile.pe.adc", 8, SquareMeters(1e-9), Watts(1e-3)},
                         {"tile.buffer", 2, SquareMeters(5e-8), Watts(2e-3)}};
    fabric = {600, 1050, 1350, 1};
    load.pes = 6;
    load.cycles = Cycles(600);
    load.did[0][2] = 6 * 64;
    analysis.latency = Cycles(900);
    analysis.interval = Cycles(390);
    analysis.lower_bound = Cycles(500);
    analysis.interval_lower_bound = Cycles(300);
    analysis.stages = {Cycles(160), Cycles(400), Cycles(40), Cycles(40)};
  }
};

}  // namespace tessera::report
