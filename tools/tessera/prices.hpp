// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A chip, and what a run did on it, in the words of the report, which knows no hardware.
///
/// Units    areas and leakage of one instance; a PE's resources count each converter, row driver,
/// ... Errors   none
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/report/account.hpp"

namespace tessera::tools {

report::PriceList price_list(const arch::chip::Chip& chip);

/// The fabric's countable events, and what its totals imply for the flits on all links: each
/// is once on the link of its source, once per hop, and once on the link of each destination.
report::FabricUse fabric_use(const arch::chip::Chip& chip, const FabricTotals& totals);

/// Programming of the matrices that stay resident.
report::LoadUse load_use(const arch::chip::Chip& chip, const Program& program);

}  // namespace tessera::tools
