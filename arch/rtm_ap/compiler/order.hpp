// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Blocks become one sequence of statements.
///
/// Sums are modulo a power of two, so the order of their terms is free. It is used twice: a
/// temporary goes to all sums that want it as soon as it is there and its own users follow depth
/// first, so few are alive at a time; and the sums of one column that a node goes to are visited
/// upwards, beginning where the ports of the column have the shortest way. An addition leaves the
/// port at the top of its field: the field above is one step away, the same field again its whole
/// width. Planes of one sum stay in their order.
#pragma once

#include "arch/rtm_ap/compiler/blocks.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::rtm_ap {

struct Statement {
  enum class Kind : std::uint8_t {
    define,      ///< temporary `node` of the block
    accumulate,  ///< output += (+-node) << shift
    flush,       ///< the partial sums of level `node` go to the next level, or to the sums
  };
  Kind kind = Kind::define;
  bool negative = false;
  int block = 0;
  int node = 0;
  int output = 0;
  int shift = 0;
};

/// Where the sum lies that the terms of an output go to.
struct SumPlace {
  int column = 0;
  int level = 0;  ///< fields of the column below it
};

/// `places[o]`, o counted from the first output of the blocks; empty when it does not matter.
///
/// Additions are as wide as the sum, so terms meet in narrow partial sums first: those of
/// partials[0] blocks in one of level 0, partials[1] of these in one of level 1, and so on; what is
/// left is flushed at the end. No flush when `partials` is empty.
std::vector<Statement> order_statements(const std::vector<Block>& blocks,
                                        int first_output,
                                        const std::vector<SumPlace>& places,
                                        const std::vector<int>& partials);

}  // namespace tessera::arch::rtm_ap
