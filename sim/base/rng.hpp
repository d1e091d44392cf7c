// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Named random streams: the same seed and name give the same numbers on every machine.
///
/// Engine std::mt19937_64 (its output is fixed by the C++ standard); the distributions are our own,
/// because those of the standard library are not.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace tessera {

/// FNV-1a, 64 bit. Stable across platforms; used to name streams and to digest outputs.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t h = 0xcbf29ce484222325ULL) {
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return h;
}

class Rng {
 public:
  Rng(std::uint64_t seed, std::string_view stream)
      : engine_(fnv1a(stream) ^ (seed * 0x9e3779b97f4a7c15ULL)) {}

  std::uint64_t bits() { return engine_(); }

  /// Uniform integer in [lo, hi], both included; unbiased by rejection.
  std::int64_t uniform(std::int64_t lo, std::int64_t hi) {
    const std::uint64_t span = static_cast<std::uint64_t>(hi) - static_cast<std::uint64_t>(lo) + 1;
    if (span == 0) {
      return static_cast<std::int64_t>(bits());
    }
    const std::uint64_t limit = span * (UINT64_MAX / span);
    std::uint64_t v = bits();
    while (v >= limit) {
      v = bits();
    }
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(lo) + v % span);
  }

  /// Uniform in [0, 1), 53 random bits.
  double uniform01() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }

  bool chance(double p) { return uniform01() < p; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tessera
