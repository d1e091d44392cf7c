// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Latency, interval and events of one firing in closed form. Written from the equations in the
/// README; shares no arithmetic with steps.cpp, so that one can catch the other's mistakes.
///
/// Source   RAPIDNN's latency, README, "Timing"
#pragma once

#include "arch/lut/spec.hpp"
#include "sim/api/model.hpp"

namespace tessera::arch::lut {

[[nodiscard]] Cost fire_cost(const Spec& spec, const Clock& clock, const Op& op);

/// What no data can undercut, each of time and counts by itself.
[[nodiscard]] Cost least_cost(const Spec& spec, const Clock& clock, const Op& op);

/// Stages of 3:2 adders that leave two of `words` words: the index of the first number of Dadda's
/// sequence 2, 3, 4, 6, 9, 13, ... that is not smaller.
[[nodiscard]] int adder_stages(std::int64_t words);

/// Digits of the non-adjacent form of n >= 0 that are not zero.
[[nodiscard]] int naf_weight(std::int64_t n);

}  // namespace tessera::arch::lut
