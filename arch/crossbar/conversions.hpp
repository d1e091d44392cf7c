// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every conversion of many firings of one array: AND, population count, clip, shift and add, with
/// the vector registers of the machine. Eight columns share a register ("panel").
///
/// Bits   the same on every instruction set: integers
/// Units  none
#pragma once

#include "sim/base/isa.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::crossbar {

/// Columns side by side in a register of the widest instruction set.
inline constexpr int kPanel = 8;

/// The cells of an array. Line k of a column is what its k-th conversion of a read sees: a physical
/// column, or a pair that is subtracted before conversion (signs == 2: positive, then negative).
struct CellPanels {
  int panels = 0;
  int lines = 0;  ///< per column; those that a column lacks have place 0
  int row_groups = 1;
  int signs = 1;
  int cell_bits = 1;
  int words = 1;         ///< 64-bit words per row group and bit plane
  std::int64_t top = 1;  ///< largest cell value
  std::int64_t low = 0;  ///< range of the converter
  std::int64_t high = 0;
  std::vector<std::uint64_t> cells;  ///< [panel][line][row group][sign][cell bit][word][kPanel]
  std::vector<std::int64_t> places;  ///< [panel][line][kPanel]
  /// [panel][line][row group][kPanel]: all ones where the cells are stored inverted; empty when
  /// nothing is
  std::vector<std::uint64_t> flips;
};

/// The inputs of some firings as bit planes.
struct InputPlanes {
  int slices = 0;
  int width = 1;                      ///< bits of the widest slice
  bool has_sign = false;              ///< the last slice is a sign bit: subtracted
  std::vector<int> widths;            ///< [slice]
  std::vector<int> lows;              ///< [slice]: lowest bit
  std::vector<std::uint64_t> planes;  ///< [position][row group][slice][bit][word]
  std::vector<std::int64_t> ones;     ///< [position][row group][slice]: converted sum of the inputs
};

/// y[position][panels * kPanel] = sum over lines, row groups and slices of place * 2^low *
/// conversion.
void convert(const CellPanels& cells, const InputPlanes& input, int positions, std::int64_t* y);

/// The same on a given instruction set, which the machine must have.
void convert_on(
    Isa isa, const CellPanels& cells, const InputPlanes& input, int positions, std::int64_t* y);

}  // namespace tessera::arch::crossbar
