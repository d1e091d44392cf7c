// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a Mapping makes every endpoint of the chip do: which firings start when what has arrived,
/// and where results go. Plain data, made by mapper/lower, played by sim/engine, evaluated by
/// mapper/analytical.
///
/// Words    A *stage* is a layer at work (or the chip's input, output, or a pass through off-chip
/// memory). A *part* is
///          all that one replica of a stage does on one endpoint: for a matrix layer its lockstep
///          group of PEs, otherwise a job of the endpoint's vector unit. An *edge* carries
///          positions of a tensor from one stage to another; a *port* is an edge's line buffer at
///          one endpoint.
/// Indices  positions are numbered across images: index = image * positions + raster position.
///
/// Blocks   where a firing computes several raster positions (Layout::block), the positions of its
///          stage are blocks of them; what is said of a position here, message and slot included,
///          holds for a block. The last block of an image counts as a full one.
/// Replicas share positions by turns: replica k of r computes the positions p with p mod r == k.
/// Flow     a line buffer has `window` slots addressed by index; the producer may send index q once
///          q < released + window, where `released` is the first index that a later firing still
///          needs.
#pragma once

#include "sim/api/blocks.hpp"
#include "sim/api/fabric.hpp"
#include "sim/api/model.hpp"
#include "sim/api/schedule.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tessera {

enum class Granularity {
  pixel,   ///< a position fires as soon as its receptive field has arrived
  layer,   ///< a layer starts an image once its whole input is there
  serial,  ///< one operation after the other; arrays are rewritten when the network does not fit
};

constexpr auto enum_names(Granularity) {
  return std::array<std::pair<Granularity, std::string_view>, 3>{{
      {Granularity::pixel, "pixel"},
      {Granularity::layer, "layer"},
      {Granularity::serial, "serial"},
  }};
}

enum class StageKind { source, matrix, vector, memory, sink };

/// PEs of a part that execute the same Op, and so start and end together.
struct LockstepGroup {
  int schedule = 0;         ///< Program::schedules, of the mvm
  int write_schedule = -1;  ///< of programming the matrix, when it is programmed during the run
  int pes = 0;
  int first_pe = 0;  ///< index on the tile (serial: shared in time)
  int resident = 0;  ///< first entry of Program::residents, `pes` of them
};

/// One PE's share of a matrix; which PE of which tile holds it.
struct Resident {
  Fragment fragment;
  Op op;
  int pe = 0;
};

/// What a vector unit (an I/O port, a memory channel) does at once.
struct VectorJob {
  std::int64_t ops = 0;         ///< lane operations, for the accounting
  Cycles cycles{0};             ///< occupation
  Cycles latency{0};            ///< from the end of that occupation to the result
  std::vector<Op> programs;     ///< of PEs that stand in for the lanes
  std::vector<int> pes;         ///< of the unit, by program: each runs its own in this order
  std::vector<int> schedules;   ///< Program::schedules, by program
  ActionCounts did{};           ///< by these, on a whole block
  double most_cell_writes = 0;  ///< the sum of theirs
};

struct ProgramPart {
  int stage = 0;
  int replica = 0;
  EndpointId at = 0;
  std::vector<LockstepGroup> groups;  ///< empty for vector work
  Bits in_bits{0};            ///< out of the buffer per firing, over the tile's bus into the PEs
  Bits out_bits{0};           ///< over the tile's bus out of the PEs, per firing
  std::int64_t elements = 0;  ///< column results that the vector unit takes in, per firing
  VectorJob vector;           ///< per firing; per position where a part has no PEs
  int input_registers =
      2;  ///< firings it may have between its first input bit and its result being taken
};

struct ProgramReplica {
  EndpointId home = 0;     ///< where partial results meet and results leave
  std::vector<int> parts;  ///< Program::parts; the first is at home
  int output_slots = 4;    ///< positions it may have open at home
};

struct ProgramStage {
  std::string name;
  StageKind kind = StageKind::vector;
  LayerId layer = -1;
  std::int64_t positions = 1;  ///< per image: raster.count()
  Blocks raster;               ///< the positions of the tensor that a position stands for
  std::int64_t burst = 1;      ///< the source: small positions that travel together, at most
  Bits out_bits{0};            ///< one position, as a message
  Bits partial_bits{0};  ///< one partial result, as a message (matrix stages with several parts)
  std::vector<int> in_edges;
  std::vector<int> out_edges;
  std::vector<ProgramReplica> replicas;
  /// When the last of several partial results is in (no parts to combine: part.vector did it all).
  VectorJob combine;
  bool ends_sums = false;  ///< PEs answer outputs (Layout::ends_sums)
  bool rewrites =
      false;  ///< weights are written during the run (dynamic operand, or serial without room)
  int weight_edge =
      -1;  ///< edge whose whole image must be there before the matrix is written (dynamic operand)
};

struct ProgramPort {
  int edge = 0;
  EndpointId at = 0;
  std::int64_t window = 0;   ///< slots
  std::vector<bool> needed;  ///< per raster position; empty when all are needed
  std::vector<int> parts;    ///< consumers on this endpoint
};

struct ProgramEdge {
  int from = 0;
  int to = 0;
  int operand = 0;
  std::int64_t positions = 0;  ///< of the tensor, per image
  Bits bits{0};                ///< one position
  /// Per consumer position: the last index that must have arrived, and the first that it or a later
  /// one still needs.
  std::vector<std::int32_t> last_needed;
  std::vector<std::int32_t> first_needed;
  std::int64_t min_window = 0;  ///< below this the pipeline can deadlock
  std::vector<int> ports;
};

struct Program {
  Granularity granularity = Granularity::pixel;
  int tiles = 0;
  int io_endpoint = 0;  ///< first of `io_ports`
  int io_ports = 1;
  int memory_endpoint = -1;  ///< -1: no memory
  std::vector<Schedule> schedules;
  std::vector<ProgramStage> stages;  ///< topological: the source first, the sink last
  std::vector<ProgramPart> parts;
  std::vector<ProgramEdge> edges;
  std::vector<ProgramPort> ports;
  std::vector<Resident> residents;
  std::int64_t pes_used = 0;
  std::int64_t weight_writes = 0;  ///< PEs programmed before the run
  Cycles load_cycles{0};  ///< time of that programming, tiles in parallel, PEs of a tile in turn

  [[nodiscard]] int endpoints() const { return tiles + io_ports + (memory_endpoint >= 0 ? 1 : 0); }
};

}  // namespace tessera
