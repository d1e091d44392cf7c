// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the report needs to know of a chip, as numbers: prices and numbers of everything on it, and
/// what the fabric and the loading of the weights did in events that have a price.
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/report/account.hpp"

namespace tessera::arch::chip {

/// `chip` has PE models. A PE's resources are counted one by one ("tile.pe.adc": PEs x ADCs per PE;
/// with several groups of tiles the group's name stands for "tile").
report::PriceList prices(const Chip& chip);

report::FabricUse fabric_use(const Chip& chip, const FabricTotals& totals);

/// Programming of every matrix that is written before the run: one write Op per PE.
report::LoadUse load_use(const Chip& chip, const Program& program);

}  // namespace tessera::arch::chip
