// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// configs/data/digits.csv.gz, built into the program (tools/cmake/digits.cmake), so that it is
/// there wherever tessera is started from.
#pragma once

#include <string_view>

namespace tessera::data {

/// The bytes of the file, still compressed.
std::string_view digits_file();

}  // namespace tessera::data
