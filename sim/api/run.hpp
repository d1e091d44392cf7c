// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a simulation is asked, and what it answers: counts and cycles only. Joules, ratios and
/// percentages are made of them in sim/report.
#pragma once

#include "sim/api/fabric.hpp"
#include "sim/api/model.hpp"
#include "sim/api/trace.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera {

enum class Detail {
  firing,  ///< O(1) SystemC activations per firing
  step,    ///< every resource is an sc_module that plays each of its occupations
};

enum class Functional {
  off,           ///< timing only
  ideal,         ///< real activations, unlimited converters
  bit_accurate,  ///< real activations, converters clip, devices are as imperfect as the chip says
};

constexpr auto enum_names(Detail) {
  return std::array<std::pair<Detail, std::string_view>, 2>{
      {{Detail::firing, "firing"}, {Detail::step, "step"}}};
}

constexpr auto enum_names(Functional) {
  return std::array<std::pair<Functional, std::string_view>, 3>{
      {{Functional::off, "off"},
       {Functional::ideal, "ideal"},
       {Functional::bit_accurate, "bit_accurate"}}};
}

struct Progress {
  std::int64_t images_done = 0;
  std::int64_t images = 0;
  double fraction = 0;  ///< of all output work, 0..1
  Cycles now{0};
};

struct RunOptions {
  Detail detail = Detail::firing;
  Functional functional = Functional::off;
  std::int64_t images = 1;
  Cycles image_interval{
      0};  ///< 0: back to back, the next image enters as soon as the chip takes it
  std::uint64_t seed = 1;
  TraceSink* trace = nullptr;
  std::string vcd_path;                           ///< empty: none
  std::function<void(const Progress&)> progress;  ///< called now and then; may be empty
  std::int64_t max_cycles = INT64_MAX / 16;

  // For tests: results may not depend on these.
  std::uint64_t construction_seed =
      0;  ///< shuffles the order in which modules are built; 0: natural order
  double stall_probability =
      0;  ///< delays every message by a random number of cycles; bits and counts may not change
};

/// Where the time of one part went. work + waits == lifetime of the run.
struct PartStats {
  std::int64_t firings = 0;
  std::int64_t writes = 0;  ///< times its matrix was programmed during the run
  bool counted = false;  ///< what its firings did depends on data, which were there: `did` has it
  ActionCounts did{};
  Cycles work{0};
  std::array<Cycles, kWaits> waits{};
  Cycles first_start{-1};
  Cycles last_end{0};
};

struct StageStats {
  std::int64_t positions_out = 0;
  std::int64_t messages = 0;        ///< handed to the fabric, of any kind
  std::vector<Cycles> image_start;  ///< first firing of the image
  std::vector<Cycles> image_end;    ///< last position of the image left
};

struct EndpointStats {
  Cycles bus_busy{0};
  Cycles vector_busy{0};
  std::int64_t bus_bits = 0;
  std::int64_t buffer_read_bits = 0;
  std::int64_t buffer_write_bits = 0;
  std::int64_t vector_ops = 0;
  ActionCounts vector_did{};           ///< by PEs in place of its lanes
  double vector_most_cell_writes = 0;  ///< VectorJob::most_cell_writes of all jobs
  std::int64_t io_bits = 0;
  std::int64_t memory_bits = 0;
};

struct PortStats {
  std::int64_t arrived = 0;
  std::int64_t peak = 0;  ///< most slots in use at once
};

struct Check {
  std::string name;
  bool ok = false;
  std::string detail;  ///< numbers behind a failure
};

struct RunStats {
  Cycles end{0};                  ///< last event of the run
  std::vector<Cycles> image_in;   ///< first bit of the image enters the chip
  std::vector<Cycles> image_out;  ///< last bit of its result has left
  std::vector<PartStats> parts;   ///< as Program::parts
  std::vector<StageStats> stages;
  std::vector<EndpointStats> endpoints;
  std::vector<PortStats> ports;
  FabricTotals fabric;
  std::vector<LinkUse> links;
  std::int64_t pe_firings = 0;   ///< firings of lockstep groups
  std::int64_t occupations = 0;  ///< played one by one (step mode)
  std::int64_t sc_activations = 0;
  double wall_seconds = 0;  ///< elaboration and simulation
  std::uint64_t output_digest = 0;
  std::vector<std::vector<std::int32_t>> outputs;  ///< per image, when functional
  std::vector<Check> checks;
};

}  // namespace tessera
