// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Random numbers by name: the key says what is drawn, so that the order of drawing does not
/// matter.
///
/// Units    normal() answers in 1/65536 of the standard deviation
/// Error    normal(): 3e-4 of the deviation; never more than 8 deviations
/// Bits     the same on every machine: integers, and a table of 3136 quantiles rounded to integers
/// Source   mix: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014; constants by
///          Stafford)
#pragma once

#include <cstdint>

namespace tessera {

inline constexpr int kNormalFraction = 16;

/// 64 random bits of a key.
constexpr std::uint64_t mix(std::uint64_t key) {
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ULL;
  key = (key ^ (key >> 27)) * 0x94d049bb133111ebULL;
  return key ^ (key >> 31);
}

/// The key of part number `part` of what `key` names.
constexpr std::uint64_t mix(std::uint64_t key, std::uint64_t part) {
  return mix(key + (part + 1) * 0x9e3779b97f4a7c15ULL);
}

/// A standard normal number of 64 random bits: the quantile, read from a table that halves the
/// probability from one row to the next.
std::int32_t normal(std::uint64_t bits);

}  // namespace tessera
