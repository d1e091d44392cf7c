// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a firing of one RNA block does, column after column. The simulated form.
///
///   counters    |count all inputs by pair of codes|
///   crossbar                                      |3:2 stage|3:2 stage| ... |final addition|
///   activation |search| encoder |search|
///
/// Units    cycles of the PE's clock; every occupation is rounded up once, as a whole
/// Source   README, "Timing"
#pragma once

#include "arch/lut/naf.hpp"
#include "arch/lut/spec.hpp"
#include "sim/api/model.hpp"

#include <span>
#include <vector>

namespace tessera::arch::lut {

/// As Spec::code_spread expects it.
[[nodiscard]] std::vector<Step> steps(const Spec& spec, const Clock& clock, const Op& op);

/// With the data at hand, column by column (mvm only).
[[nodiscard]] std::vector<Step> steps(const Spec& spec,
                                      const Clock& clock,
                                      const Op& op,
                                      std::span<const Counted> columns);

}  // namespace tessera::arch::lut
