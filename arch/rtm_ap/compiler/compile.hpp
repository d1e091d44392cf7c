// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The compiler: one layer in, programs for one or more associative processors out.
///
/// A layer is cut into tiles of output channels and, within a tile, into groups of input channels,
/// as far as the columns ask for it; each (tile, group) is a part: one program, run by one AP for
/// every 256 (rows) output positions. The parts of a tile add up their sums in a tree: part g gets
/// those of g + 1, g + 2, g + 4, ... while g is a multiple of twice that; part 0 finishes the
/// outputs. Without CompileOptions::reduce nobody adds: a part that has all channels finishes its
/// outputs, others read out sums.
///
///   make_blocks -> eliminate_common_pairs -> order_statements -> select -> allocate
///
/// Errors   a layer that does not fit is a CompileError with the reason
/// Source   docs/facts.md, "Racetrack-memory associative processor", compilation
#pragma once

#include "arch/rtm_ap/compiler/allocate.hpp"
#include "arch/rtm_ap/compiler/blocks.hpp"
#include "arch/rtm_ap/compiler/code.hpp"
#include "arch/rtm_ap/compiler/layer.hpp"
#include "arch/rtm_ap/compiler/options.hpp"
#include "arch/rtm_ap/program.hpp"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {

struct CompiledPart {
  int tile = 0;
  int group = 0;
  Tile range;
  Program program;
  std::vector<Slot> loads;  ///< by slot
  std::vector<Slot> reads;  ///< by slot
  Floorplan plan;
  std::int64_t unrolled = 0;    ///< additions and subtractions before CSE
  std::int64_t operations = 0;  ///< after it
  int temps = 0;                ///< shared subexpressions
};

struct CompiledLayer {
  std::string name;
  int tiles = 1;
  int groups = 1;
  std::int64_t positions = 1;
  bool has_epilogue = false;        ///< else the vector unit gets sums: reads carry their offsets
  int block_inputs = 0;             ///< CompileOptions::block_inputs, as it was chosen
  std::vector<int> partials;        ///< CompileOptions::partials, likewise
  double cost = 0;                  ///< estimated cycles of all parts
  std::vector<CompiledPart> parts;  ///< [tile][group]

  /// CompiledPart numbers in an order in which every partial sum is there before it is loaded.
  [[nodiscard]] std::vector<int> execution_order() const;
  /// Arrays that hold all positions once: ceil(positions / rows).
  [[nodiscard]] std::int64_t row_groups(const Geometry& geometry) const;
  [[nodiscard]] std::int64_t unrolled() const;
  [[nodiscard]] std::int64_t operations() const;
};

/// A layer that cannot be compiled for an array; what() says why.
class CompileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

CompiledLayer compile(const LayerTask& layer,
                      const Geometry& geometry,
                      const CompileOptions& options = {});

/// A max_pool layer: the taps of each channel are compared and swapped. Parts are tiles of
/// channels. `first_channels`: only so many of them; 0: all.
CompiledLayer compile_max_pool(const Network& network,
                               LayerId id,
                               const Geometry& geometry,
                               const CompileOptions& options = {},
                               int first_channels = 0);

}  // namespace tessera::arch::rtm_ap
