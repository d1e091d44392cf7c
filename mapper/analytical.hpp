// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form: what a mapping takes on a chip according to the papers' formulas, without a
/// simulation. Written from the papers and the rules of the hardware, not from steps, Schedule or
/// Program: `validate` compares the two.
///
/// One position of a matrix layer on one replica takes
///   input    bits of its input vector over the tile's bus, after the buffer's read latency
///   array    Model::fire_cost of its slowest PE: reads and conversions
///   output   results over the bus; when the replica spans tiles, partial sums over the fabric to
///   its home vector   accumulation in the vector unit, at home the combination of partial sums,
///   and what ends the layer
/// and a layer takes   total = latency_per_position + (ceil(positions / replicas) - 1) *
/// interval_per_position.
///
/// Granularity
///   pixel   dep(p) = max over operands of (dep(field of p) + transfer) + latency, and a replica's
///   positions
///           follow each other at its interval; evaluated only at the positions that matter
///   layer   the same with the whole image as field: the longest path of layer totals
///   serial  the plain sum over operations (RWTH: t = X * t_write + X * V * t_mvm)
/// Interval  per image, the longest occupation of any PE, bus, vector unit, port or injection link.
///
/// Bounds   lower_bound_* never exceed a simulation of the same mapping: every term at its proven
/// minimum,
///          every contention ignored; the proofs are in analytical.cpp
/// Not in it: contention between layers, links inside the fabric, full line buffers, off-chip
/// memory Source   LRMP (reconstruction, lrmp.md section 1.4); RWTH latency model (cim-aq); ISAAC
/// section III
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/base/units.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper {

/// A layer that runs in PEs or in a vector unit.
struct LayerAnalysis {
  LayerId layer = 0;
  std::string name;
  int pes = 0;  ///< per replica; 0 in a vector unit
  int replicas = 1;
  int tiles = 1;  ///< most that one replica spans
  std::int64_t positions = 1;
  // One position on one replica, slowest replica.
  Cycles input{0};
  Cycles array{0};
  Cycles output{0};
  Cycles vector{0};
  Cycles latency_per_position{0};   ///< from the input's arrival until the position leaves
  Cycles interval_per_position{0};  ///< between consecutive positions of one replica
  Cycles weights{0};    ///< programming the matrix, once per image (dynamic operand, serial)
  Cycles total{0};      ///< one image, alone on the chip
  Cycles first_out{0};  ///< when its first and its last position leave, counted from the
  Cycles last_out{0};   ///< image's first bit in
  Cycles span{0};       ///< from its first firing to its last position out
  Cycles busy{0};       ///< time of one image in the pipeline of images
  // LRMP's two readings of T_l / r_l: the four terms one after the other, or the slowest one alone.
  Cycles total_sum{0};
  Cycles total_max{0};
};

struct Analysis {
  std::vector<LayerAnalysis> layers;  ///< network order; without input and flatten
  Cycles latency{0};                  ///< of one image alone: first bit in to last bit out
  Cycles interval{0};                 ///< between images
  std::string bottleneck;             ///< what sets the interval
  Cycles lower_bound_latency{0};
  Cycles lower_bound_interval{0};  ///< per image of a long run
  Cycles lower_bound_slack{0};     ///< by which a whole run may undercut that
  // LRMP, section 1.4: latency = sum over the longest path, interval = slowest layer.
  Cycles latency_sum{0};
  Cycles latency_max{0};
  Cycles interval_sum{0};
  Cycles interval_max{0};
  std::int64_t pes = 0;  ///< that hold weights; under serial: fragments, whatever the chip has

  /// No simulation of `images` images ends earlier.
  [[nodiscard]] Cycles lower_bound_cycles(std::int64_t images) const;
};

/// What a vector unit's job takes.
struct VectorCost {
  std::int64_t ops = 0;  ///< of the lanes
  Cycles cycles{0};
  ActionCounts did{};  ///< by PEs in place of the lanes
};

/// `ops`: lane operations, where lanes do the work.
VectorCost vector_cost(const arch::chip::TileGroup& tiles,
                       std::int64_t ops,
                       const VectorWork& work);

/// One replica of a matrix layer on tiles of its own, and what one position makes it do.
struct LayerAlone {
  LayerAnalysis analysis;
  Cycles array_interval{0};      ///< of its slowest PE
  std::int64_t in_bits = 0;      ///< over the tiles' buses into the PEs
  std::int64_t result_bits = 0;  ///< and out of them
  std::int64_t vector_ops = 0;   ///< accumulations, combination at home and the layer's end
  Cycles vector_cycles{0};       ///< of vector units with that
  ActionCounts vector_did{};     ///< by their PEs
};

/// Evaluates many mappings of one network on one chip; what does not depend on the mapping is
/// worked out once. Keeps references to both. Not for several threads at once.
class Analyzer {
 public:
  Analyzer(const Network& network, const arch::chip::Chip& chip, Granularity granularity);
  ~Analyzer();
  Analyzer(Analyzer&&) noexcept;
  Analyzer& operator=(Analyzer&&) noexcept;

  /// Precondition: check() accepts the mapping.
  Analysis analyze(const Mapping& mapping);

  /// The `index`-th matrix layer with these widths, its fragments on consecutive PEs of the first
  /// group of tiles from an empty tile on. Nothing when the PEs cannot hold the matrix or are too
  /// few. Not for `serial`, where nothing is placed.
  std::optional<LayerAlone> alone(std::size_t index, int w_bits, int a_bits);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One mapping.
Analysis analyze(const Network& network,
                 const arch::chip::Chip& chip,
                 const Mapping& mapping,
                 Granularity granularity);

}  // namespace tessera::mapper
