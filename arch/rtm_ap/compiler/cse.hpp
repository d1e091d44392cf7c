// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Common-subexpression elimination over signed pairs.
///
/// Greedy: the pair a + b or a - b that most sums contain, up to overall sign, becomes a temporary
/// and a node like the others; until no pair occurs twice. A pair that occurs n times saves n - 1
/// operations. Ties: a sum before a difference, then the pair whose later node is the earliest,
/// then the earliest earlier node; no other input decides, so the result is the same everywhere.
///
/// Source   docs/facts.md, "Racetrack-memory associative processor", compilation, step 4
#pragma once

#include "arch/rtm_ap/compiler/blocks.hpp"

namespace tessera::arch::rtm_ap {

/// The block with shared pairs as temporaries. Time: pairs * log(pairs); about terms^2 / outputs of
/// them.
Block eliminate_common_pairs(Block block);

}  // namespace tessera::arch::rtm_ap
