// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Values as text for people: quantities with SI prefixes, lists of keys, clipped quotations.
///
/// Rounding format_si without `digits` is exact: reading the text back gives the same double
/// Errors   none
#pragma once

#include "sim/base/units.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// 1e-7, "s" -> "100 ns". The prefix is one that a configuration may use, so the text can be read
/// back; units unknown to the configuration ("op/s") take any prefix from f to P. `digits` rounds
/// to that many significant digits; 0 keeps all.
std::string format_si(double value, std::string_view unit, int digits = 0);

/// Exact, in the unit that makes the text shortest: 524288 bits -> "64 KiB", 12 bits -> "12 b".
std::string format_bits(Bits bits);

/// Shortest text that reads back as the same number; whole numbers without exponent.
std::string format_number(double value);

/// "a, b, c"; at most `limit` names, then "...".
std::string join_keys(std::span<const std::string_view> keys, std::size_t limit = 40);
std::string join_keys(const std::vector<std::string>& keys, std::size_t limit = 40);

/// 'text', clipped when long.
std::string quote(std::string_view text);

}  // namespace tessera
