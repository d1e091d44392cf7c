// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// First fit that knows the tiles' buffers: layers are packed densely, and only when their line
/// buffers do not fit that way, once more with what each layer's line buffers take. Those sizes do
/// not depend on the placement.
///
/// Errors   those of first_fit(); line buffers that fit no way are found by lower()
#pragma once

#include "mapper/first_fit.hpp"

namespace tessera::mapper {

Mapping place(const Network& network,
              const arch::chip::Chip& chip,
              const MappingRequest& request,
              Granularity granularity,
              Diagnostics& diagnostics);

}  // namespace tessera::mapper
