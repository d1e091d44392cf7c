// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Closed form of one firing, from the papers:
///
///   n        = ceil(in_bits / dac_bits) * ceil(rows / active_rows)          ISAAC section III,
///   LRMP, RWTH m        = ceil(conversions per read / adcs) front    = t_dac + t_read + t_sample
///   [without sample-and-hold: + the m conversions] back     = t_adc + (m - 1) * max(t_adc,
///   t_shift_add) + t_shift_add       pimsim-nn (streamed, blocking)
///            = m * t_adc + m * t_shift_add                                   ISAAC's stages
///            (staged)
///   pace     = the longest time that one circuit is held per pass
///   latency  = until the first conversion + back + (n - 1) * pace + t_output
///   interval = max(n * pace, t_output)
///
/// Units    cycles of the PE's clock; every term is rounded up once
#pragma once

#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

namespace tessera::arch::crossbar {

[[nodiscard]] Cost fire_cost(const Spec& spec, const Clock& clock, const Op& op);

}  // namespace tessera::arch::crossbar
