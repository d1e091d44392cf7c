// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The name that YAML, JSON and tables give an enumerator: the one in its `enum_names(E)`.
#pragma once

#include <string_view>

namespace tessera {

/// `enum_names` is found beside the enum. "?" for what is no enumerator.
template <typename E>
std::string_view name_of(E value) {
  for (const auto& [one, name] : enum_names(value)) {
    if (one == value) {
      return name;
    }
  }
  return "?";
}

}  // namespace tessera
