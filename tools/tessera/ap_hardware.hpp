// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The associative processor of a chip file: its clock and `chip.tile.pe`.
///
/// Errors   diagnostics of configuration and E-RTM-AP-SPEC; a chip with name and tiles is checked as
/// `tessera
///          run` checks it, one without is a part (a technology profile), in which keys may be
///          missing
#pragma once

#include "arch/rtm_ap/spec.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

namespace tessera::tools {

struct ApHardware {
  Clock clock;
  arch::rtm_ap::Spec spec;
};

/// `chip` is the node below the key `chip`; the kind's defaults when it is null.
ApHardware read_ap_hardware(const config::Node& chip, Diagnostics& diagnostics);

}  // namespace tessera::tools
