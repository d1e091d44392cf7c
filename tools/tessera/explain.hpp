// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera explain` and `tessera list`: the field lists, the code table and the registries as
/// text.
///
/// Errors   InputError E-CLI-EXPLAIN, E-CLI-LIST with the nearest name
#pragma once

#include <string>

namespace tessera::tools {

/// Everything there is to explain.
std::string explain_overview();

/// A kind, a section, a dotted key (`chip.tile.bus.width`) or a code.
std::string explain(const std::string& what);

/// JSON schema of an experiment file; `pe` takes the fields of any kind.
std::string experiment_schema();

/// networks, kinds, chips, experiments or searches; the last two from configs/ of the working
/// directory or of the source tree.
std::string list(const std::string& what);

}  // namespace tessera::tools
