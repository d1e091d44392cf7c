// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Folding, interchange and unrolling: the weights of a layer become expression lists.
///
/// A block is one straight-line piece of a program: some inputs, and for every output the signed
/// sum of inputs that it takes from them. Weights are compile-time constants: zero is nothing, +1
/// an addition, -1 a subtraction; wider ones are taken apart into bit planes with digits -1, 0, 1
/// (the non-adjacent form, which has the fewest that are not zero), one sum per plane.
///
/// Source   docs/facts.md, "Racetrack-memory associative processor", compilation, steps 1 to 3
#pragma once

#include "arch/rtm_ap/compiler/layer.hpp"
#include "arch/rtm_ap/compiler/options.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::rtm_ap {

/// What stands in a block's list of inputs for the operand of an unfolded zero weight.
inline constexpr int kZeroInput = -1;

/// A node of a block: its inputs first, then its temporaries.
struct Factor {
  int node = 0;
  bool negative = false;

  bool operator==(const Factor&) const = default;
};

/// temporary = a + b, or a - b.
struct Temp {
  int a = 0;
  int b = 0;
  bool minus = false;
};

/// output += (sum of the terms) * 2^shift. A node occurs once, but for the unfolded zero.
struct Sum {
  int output = 0;
  int shift = 0;
  std::vector<Factor> terms;
};

struct Block {
  std::vector<int> inputs;  ///< of the layer, or kZeroInput as the last
  std::vector<Temp> temps;
  std::vector<Sum> sums;

  [[nodiscard]] int num_inputs() const { return static_cast<int>(inputs.size()); }
};

/// Outputs and input channels of one program.
struct Tile {
  int first_output = 0;
  int outputs = 0;
  int first_channel = 0;
  int channels = 0;
};

/// The digits of the non-adjacent form of `value`, lowest first.
struct Digit {
  int shift = 0;
  bool negative = false;
};

std::vector<Digit> digits(std::int64_t value);

/// Channels whose inputs stand side by side in one block.
int channels_per_block(const LayerTask& layer, const CompileOptions& options);

/// The blocks of a tile in the order in which they run.
std::vector<Block> make_blocks(const LayerTask& layer,
                               const Tile& tile,
                               const CompileOptions& options);

/// Additions and subtractions: one per term and one per temporary. Without CSE and with ternary
/// weights, the weights that are not zero.
std::int64_t num_operations(const std::vector<Block>& blocks);

}  // namespace tessera::arch::rtm_ap
