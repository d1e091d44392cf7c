// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Statements become instructions on values: widths, signs, in place or not.
///
/// A value holds `stored` = what it means + a constant offset known at compile time, in the fewest
/// bits that hold its range. Bits that are missing above are zero, so a value whose range is not
/// negative can be read as a wider one; one that may be negative is brought there by adding half of
/// its range to it, which turns its top bit over: one bit of add_constant, 5 cycles. An unsigned
/// operand that ends early leaves its wider partner a tail of 4 cycles per bit, where a signed one
/// costs 8; so operands and sums that must grow are turned over first, and the constants are taken
/// off the bias. Inputs that are signed are loaded with their sign bit turned over already.
///
/// In place     the first term of a sum is copied or negated into it, others are added in place. A
///              temporary is made out of place, unless one of its operands is a temporary that
///              nobody needs any more: then in that one. A difference is made in its minuend; where
///              the subtrahend would be overwritten, the negative difference is made instead and
///              its users subtract, so the impossible reversed subtraction never occurs.
/// Reduction    the sums of the other parts are loaded and added in a tree.
/// Epilogue     see epilogue() in select.cpp: bias, multiplication by shift-and-add, rounding,
///              activation, saturation, so that outputs are those of workloads/network.hpp to the
///              bit.
/// Source       docs/facts.md, "Racetrack-memory associative processor", compilation, 5, 6 and 8
#pragma once

#include "arch/rtm_ap/compiler/code.hpp"
#include "arch/rtm_ap/compiler/layer.hpp"
#include "arch/rtm_ap/compiler/options.hpp"
#include "arch/rtm_ap/compiler/order.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Sums that a part hands over, or gets: what it stores is what it means + offset.
struct PartialFormat {
  int bits = 0;  ///< 0: the sum is zero and nothing is sent
  std::int64_t lo = 0, hi = 0;
  std::int64_t offset = 0;
};

/// Whose partial sums a part adds to its own, in this order.
struct Incoming {
  int part = 0;
  const std::vector<PartialFormat>* formats = nullptr;  ///< per output of the tile
};

struct Selection {
  Code code;
  std::vector<PartialFormat> partials;  ///< per output of the tile, when it is no root
  int sum_bits = 0;                     ///< of the widest sum
  std::vector<int> partial_bits;        ///< of the widest partial sum of each level
};

/// `is_root`: this part finishes the outputs; the others read their sums out as partial ones.
Selection select(const LayerTask& layer,
                 const Tile& tile,
                 const std::vector<Block>& blocks,
                 const std::vector<Statement>& statements,
                 const std::vector<Incoming>& incoming,
                 bool is_root,
                 const CompileOptions& options);

/// Whether the array finishes the outputs of the layer: ReLU or no activation. Others leave their
/// sums to the vector unit.
bool has_epilogue(const LayerTask& layer, const CompileOptions& options);

}  // namespace tessera::arch::rtm_ap
