// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which Tessera this is. The build may define TESSERA_VERSION and TESSERA_COMMIT.
#pragma once

#include <string>

namespace tessera::tools {

inline std::string version() {
#ifdef TESSERA_VERSION
  return TESSERA_VERSION;
#else
  return "0.1.0";
#endif
}

/// Commit that was built, or "unknown".
inline std::string commit() {
#ifdef TESSERA_COMMIT
  return TESSERA_COMMIT;
#else
  return "unknown";
#endif
}

inline std::string compiler() {
#ifdef __clang__
  return std::string("clang ") + __clang_version__;
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

inline std::string version_text() {
  return "tessera " + version() + " (" + commit() + ")";
}

}  // namespace tessera::tools
