// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The build may define TESSERA_VERSION and TESSERA_COMMIT, for this file alone: a new commit
/// compiles nothing else anew.
#include "tools/tessera/version.hpp"

namespace tessera::tools {

std::string version() {
#ifdef TESSERA_VERSION
  return TESSERA_VERSION;
#else
  return "0.1.0";
#endif
}

std::string commit() {
#ifdef TESSERA_COMMIT
  return TESSERA_COMMIT;
#else
  return "unknown";
#endif
}

std::string compiler() {
#ifdef __clang__
  return std::string("clang ") + __clang_version__;
#else
  return std::string("g++ ") + __VERSION__;
#endif
}

std::string version_text() {
  return "tessera " + version() + " (" + commit() + ")";
}

}  // namespace tessera::tools
