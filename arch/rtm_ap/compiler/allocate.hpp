// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Places for values: columns and domains.
///
/// Regions, from column 0 on
///   inputs    a block's inputs side by side, blocks stacked along the nanowires: the next block is
///             a shift away
///   zero      one column, when zero weights are not folded
///   sums      at most floor(domains / width) to a column, level by level; fewer when columns are
///   to
///             spare, for shorter ways
///   partials  likewise
///   temps     all columns that are left but the last, which holds the carry
///
/// The operands of one instruction are thus in different columns whenever they are of different
/// kinds; temporaries avoid the columns of the values that they meet. A temporary takes the lowest
/// clear domains of all columns; space that was used is cleared for all columns at once when no
/// clear one is left, or for one value when that does not help. Sums that are not added to in place
/// are placed like temporaries, in their own region.
///
/// Errors   `problem` says what did not fit
#pragma once

#include "arch/rtm_ap/compiler/code.hpp"
#include "arch/rtm_ap/compiler/layer.hpp"
#include "arch/rtm_ap/compiler/options.hpp"
#include "arch/rtm_ap/compiler/select.hpp"
#include "arch/rtm_ap/program.hpp"

#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Fields of one width, some to a column.
struct Shelf {
  int first = 0;  ///< column
  int columns = 0;
  int bits = 0;
  int levels = 0;  ///< fields in a column

  /// Field `index`, level by level.
  [[nodiscard]] Operand field(int index, int width) const {
    return {first + index % columns, index / columns * bits, width, false};
  }
};

/// Columns of the regions and how they are divided.
struct Floorplan {
  int input_width = 0;   ///< columns of one stack of blocks
  int input_levels = 0;  ///< blocks in a stack
  int input_bits = 0;
  int input_columns = 0;
  int zero_columns = 0;
  Shelf sums;
  std::vector<Shelf> partials;  ///< by level
  int first_temp = 0;
  int temp_columns = 0;  ///< may be negative: then nothing fits
};

/// `partial_bits`: of each level of partial sums.
Floorplan plan_columns(const LayerTask& layer,
                       const Tile& tile,
                       int sum_bits,
                       const std::vector<int>& partial_bits,
                       const Geometry& geometry,
                       const CompileOptions& options);

/// When a value is where.
struct Placement {
  Operand field;          ///< of all its bits
  std::size_t begin = 0;  ///< instructions of Code::instructions that name it first and last
  std::size_t end = 0;
};

struct Allocation {
  std::string problem;  ///< empty: it fits
  Program program;
  std::vector<Placement> placements;  ///< by value; bits 0: never named
};

Allocation allocate(const Code& code,
                    const LayerTask& layer,
                    const Tile& tile,
                    const Floorplan& plan,
                    const Geometry& geometry,
                    const CompileOptions& options);

}  // namespace tessera::arch::rtm_ap
