// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What must hold in every run. A failed check fails the run (exit status 1): a simulator that
/// loses bits must not print a table. `detail` carries the numbers behind a failure and is empty
/// otherwise.
///
///   flits_conserved          ejected + in flight == injected; with multicast a flit that was
///   injected once leaves
///                            once per destination, so ejected + in flight >= injected
///   fabric_drained           nothing is in flight after the last event
///   hops_on_links            the flits on all links are those that the totals imply
///   positions_conserved      every stage sent images * positions results
///   arrivals_conserved       every line buffer got each position that it needs once per image
///   buffers_not_overrun      no line buffer held more than its window
///   time_tiled               busy + waiting == lifetime, for every part
///   utilization_at_most_one  buses, vector units, I/O ports and links were busy at most all the
///   time images_complete          every image entered, left after it entered, and before the end
///   of the run latency_above_bound      no image was faster than the closed form's lower bound
///   interval_above_bound     the run was not shorter than images * the interval's bound - its
///   slack energy_adds_up           by action == by place, and with static energy == total
///   area_adds_up             components sum to the total
#pragma once

#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/report/account.hpp"
#include "sim/report/statistics.hpp"

#include <vector>

namespace tessera::report {

struct CheckInputs {
  const Program& program;
  const RunStats& stats;
  const Analysis& analysis;
  const Account& account;
  const FabricUse& fabric;
  std::int64_t images = 1;
};

/// The checks above, after those that the engine made itself.
std::vector<Check> self_checks(const CheckInputs& in);

bool all_ok(const std::vector<Check>& checks);

}  // namespace tessera::report
