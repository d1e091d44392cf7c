// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What digital work costs in a tile's vector unit: lane operations in closed form, and cycles.
///
/// Units    one lane operation = one add, compare, multiply, shift or clamp of one element; a
///          nonlinear function of one element is `nonlinear_cost` of them
/// Shapes   all counts are per output position, all channels together
/// Rounding cycles = ceil(operations / lanes); 0 lanes are unlimited and take 0 cycles
/// Source   table in README.md; the coefficients are Tessera's own, one per operation of the
///          plainest algorithm
#pragma once

#include "arch/tile/spec.hpp"
#include "sim/base/units.hpp"
#include "workloads/network.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::arch::tile {

/// Adding `results` incoming column results to their accumulators.
std::int64_t accumulate_ops(std::int64_t results);

/// What turns the sums of one position of a matrix layer into its output: bias, batch-norm scale,
/// requantization, activation, of all output channels.
std::int64_t final_ops(const Layer& layer, const VectorUnitSpec& spec);

/// One output position of a layer that runs in the vector unit; 0 for layers that only move data.
std::int64_t layer_ops(const Layer& layer, const VectorUnitSpec& spec);

/// Occupation of the vector unit.
Cycles vector_cycles(std::int64_t ops, const VectorUnitSpec& spec);

/// The PE that runs a job's program `number`: they get them by turns.
int pe_of_program(std::size_t number, const VectorUnitSpec& spec);

/// Occupation by programs that take so long: the last PE to be done counts.
Cycles vector_cycles(std::span<const Cycles> programs, const VectorUnitSpec& spec);

}  // namespace tessera::arch::tile
