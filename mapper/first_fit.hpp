// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Where the fragments go when nobody optimises: layers and their replicas in network order,
/// fragments on consecutive PEs, tile after tile.
///
/// A replica that does not fit into what is left of the current tile starts on a fresh one when it
/// then spans fewer tiles and everything that is still to be placed fits into the rest of the chip.
/// So placement fails only when the chip has fewer PEs than the mapping needs. On a chip with tiles
/// of several sorts every sort is filled by itself, with the layers that go to it.
///
/// Errors   diagnostics (exit status 4): E-MAP-LAYOUT a matrix that this kind of PE cannot hold,
///          E-MAP-CAPACITY too few PEs, E-MAP-SERIAL-REPLICAS replicas where nothing runs side by
///          side, E-MAP-GROUP a group of tiles that the chip does not have
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/mapping_yaml.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/model.hpp"
#include "sim/api/program.hpp"
#include "workloads/network.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::mapper {

/// Layers that a vector unit executes: all but matrices, the input, and pure reshapes.
bool runs_in_vector_unit(const Layer& layer);

/// Layers that a vector unit executes, in network order.
std::vector<LayerId> vector_layers(const Network& network);

/// What layer `id` asks of a kind when it is mapped with these widths.
MatrixOp matrix_op(const Network& network, LayerId id, int w_bits, int a_bits);

/// The matrix layers for Model::programmed, with the widths of the network.
std::vector<ProgramMatrix> program_matrices(const Network& network);

/// The layer that computes what `id` hands on: `id` itself, or what is behind a chain of reshapes
/// (flatten, slice).
LayerId producer_of(const Network& network, LayerId id);

/// The group of tiles that a layer with this matrix goes to: the one with this name, or when it is
/// empty the first whose PEs can hold the matrix (the first of all when none can). Number of groups
/// when the chip has none of this name.
std::size_t group_for(const arch::chip::Chip& chip,
                      const std::string& name,
                      const MatrixOp& matrix);

/// What a message says about a matrix that a group's PEs cannot hold: which others could, or why
/// none can; where to read on when the chip has no other group.
std::string other_groups(const arch::chip::Chip& chip, std::size_t group, const MatrixOp& matrix);

/// The groups of tiles that a mapping may name, as a message expects them.
std::string group_choice(const arch::chip::Chip& chip);

/// Places `request`, which has one entry per matrix layer. Usable only when `diagnostics` is still
/// empty. Vector layers go to the home tile of their first producer (tile 0 behind the input).
/// Under `serial` PEs are shared in time: the placement stays empty and vector layers run on tile
/// 0. No layer gets more replicas than its positions make firings. `buffer_needs`, when given, is
/// what each layer's line buffers take on every tile that works on it: layers then share a tile
/// only as far as its buffer goes, while the chip has tiles left.
Mapping first_fit(const Network& network,
                  const arch::chip::Chip& chip,
                  const MappingRequest& request,
                  Granularity granularity,
                  Diagnostics& diagnostics,
                  const std::vector<Bits>& buffer_needs = {});

}  // namespace tessera::mapper
