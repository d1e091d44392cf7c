// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The units a configuration may write, and how their texts become numbers.
///
/// Rounding parse_decimal is the double nearest to the written decimal times the power of ten, so
///          `100 ns` is exactly the double 1e-7
/// Errors   returned, never thrown; callers add place and path
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera::config {

/// A unit is a power of ten of the SI unit.
struct Unit {
  std::string_view name;
  int exponent;
};

struct DataUnit {
  std::string_view name;
  std::int64_t bits;
  bool binary;  ///< preferred when writing
};

/// Units whose SI unit is `base` ("s", "J", "W", "Hz", "m2"); empty when there are none.
std::span<const Unit> units_of(std::string_view base);

std::span<const DataUnit> data_units();

/// A number and what follows it: "100 ns" -> "100", "ns". `number` is empty when there is none.
/// Both are views into the text.
struct NumberText {
  std::string_view number;
  std::string_view rest;
  bool whole = false;  ///< digits only, besides the sign
};

NumberText split_number(std::string_view text);

enum class ParseStatus { ok, malformed, out_of_range };

struct ParsedReal {
  double value = 0;
  ParseStatus status = ParseStatus::malformed;
};

struct ParsedInteger {
  std::int64_t value = 0;
  ParseStatus status = ParseStatus::malformed;
};

/// `number` as of split_number, times 10^exponent. Overflow and underflow are out_of_range.
ParsedReal parse_decimal(std::string_view number, int exponent);

/// A whole number of at most 64 bits.
ParsedInteger parse_whole(std::string_view number);

/// `number` times `bits`; malformed when the result is not a whole number of bits.
ParsedInteger parse_data(const NumberText& text, std::int64_t bits);

}  // namespace tessera::config
