// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a firing of one array does, resource after resource. The simulated form.
///
/// One pass reads one row group with one input slice:
///
///   dac        |t_dac|........ drives the rows until the read is sampled (or converted) ........|
///   array            |t_read ..................... held with it ................................|
///   sample_hold              |t_sample|
///   adc                               |conversion 0|conversion 1| ... |
///   shift_add                                      |add 0       |add 1| ... |
///
/// and passes follow each other as fast as the busiest resource allows. Results leave once, after
/// the last pass.
///
/// With conversion: integrate_fire the integrators are held while the array is read, and their
/// counters are added once, after the last pass.
///
/// Units    cycles of the PE's clock; every occupation is rounded up once, as a whole
/// Rounding events that do not divide evenly over the passes (rows of a last, smaller row group)
/// are booked on the final step Source   README, "Timing"
#pragma once

#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

#include <vector>

namespace tessera::arch::crossbar {

[[nodiscard]] std::vector<Step> steps(const Spec& spec, const Clock& clock, const Op& op);

}  // namespace tessera::arch::crossbar
