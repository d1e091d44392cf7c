// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Local search with a costly value: what the Problem's sums and maxima do not know (pipelining of
/// positions, tiles shared by layers) enters through a function.
///
/// Moves    in order of the layers' time, longest first: one step more copies of a layer, out of
///          free PEs or by one step fewer copies of another; other widths of a layer within the
///          budget; an activation bit less, paid for by wider activations of layers that have time
/// Better   a lower value; of equal ones the lower sum of the layers' times
/// Ends     when no move helps, or after `evaluations` calls of the function
#pragma once

#include "mapper/problem.hpp"

#include <cstdint>
#include <functional>

namespace tessera::mapper {

/// `value` is minimised; infinity for what cannot be. `start` is within the budget, and so is the
/// answer, which is never worse. Deterministic.
Solution refine(const Problem& problem,
                const Budget& budget,
                const Solution& start,
                const std::function<double(const Solution&)>& value,
                std::int64_t evaluations);

}  // namespace tessera::mapper
