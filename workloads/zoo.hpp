// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The built-in networks: shapes and layer order only; weights are synthetic (parameters.hpp).
///
/// Errors   an unknown name is an InputError with the nearest known name
#pragma once

#include "workloads/network.hpp"

#include <string>
#include <vector>

namespace tessera {

/// All names, in the order of the table in the README.
std::vector<std::string> zoo_names();

/// The network of that name, not yet quantized (8-bit defaults).
Network zoo(const std::string& name);

}  // namespace tessera
