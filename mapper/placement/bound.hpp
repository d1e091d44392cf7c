// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What no placement can undercut, in flit-hops per image. README.md has the arguments.
///
/// Source   P. Gilmore, Optimal and suboptimal algorithms for the quadratic assignment problem,
///          SIAM J. Applied Mathematics 10 (1962); E. Lawler, The quadratic assignment problem,
///          Management Science 9 (1963). Assignment: shortest augmenting paths, Jonker and
///          Volgenant, Computing 38 (1987)
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/placement/traffic.hpp"
#include "sim/api/program.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::mapper {

/// However the contents of the tiles change places as wholes. `flows` are between endpoints.
std::int64_t bound_of_permutations(const std::vector<Flow>& flows,
                                   const arch::chip::Chip& chip,
                                   Routes& routes);

/// However the parts of the program are distributed over the tiles.
std::int64_t bound_of_placements(const Network& network,
                                 const Program& program,
                                 const arch::chip::Chip& chip,
                                 Routes& routes);

/// Least sum of cost[row][column] when every row gets a column of its own; at most as many rows as
/// columns. O(rows^2 columns).
std::int64_t least_assignment(const std::vector<std::vector<std::int64_t>>& cost);

}  // namespace tessera::mapper
