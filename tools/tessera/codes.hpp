// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What every error code means. Codes are stable. E-CFG-UNKNOWN-KEY is shown by
/// configs/bad/cfg_unknown_key.yaml, and so on for all but those that no input can cause; a test
/// runs each.
#pragma once

#include <span>
#include <string_view>

namespace tessera::tools {

struct CodeInfo {
  std::string_view code;
  std::string_view meaning;    ///< what is wrong, and what to do about it
  std::string_view example;    ///< input that causes it
  std::string_view no_file{};  ///< why no file in configs/bad/ shows it; empty when one does
};

/// In alphabetical order.
std::span<const CodeInfo> codes();

}  // namespace tessera::tools
