// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which Tessera this is.
#pragma once

#include <string>

namespace tessera::tools {

[[nodiscard]] std::string version();

/// Commit that was built, or "unknown".
[[nodiscard]] std::string commit();

[[nodiscard]] std::string compiler();

[[nodiscard]] std::string version_text();

}  // namespace tessera::tools
