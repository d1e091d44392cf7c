// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What real devices do to the numbers: one function per effect. All off by default.
///
/// Units   levels and currents in 1/4096 of one level of one cell times the smallest input, which
///         is also one step of the converter
/// Names   a draw depends on what it is for (which cell of which PE, which write, which read) and
/// on
///         nothing else, so that every executor in every order gets the same numbers
/// Bits    the same on every machine: integers (sim/base/draws.hpp, exp_neg)
/// Source  README, "Non-ideal devices"
#pragma once

#include "arch/crossbar/spec.hpp"

#include <cstdint>

namespace tessera::arch::crossbar {

inline constexpr int kLevelFraction = 12;

/// A cell of a PE: physical row and column; the unit column has the column after the last.
struct CellName {
  std::uint64_t pe = 0;
  std::uint64_t write = 0;  ///< the programming that it holds
  std::int64_t row = 0;
  std::int64_t column = 0;
};

/// Draws of one Spec.
class Devices {
 public:
  explicit Devices(const Spec& spec);

  /// The level that a cell has after `level` was written to it: stuck cells have theirs for ever,
  /// the others one drawn per write. At most 16 times the written one.
  [[nodiscard]] std::int32_t programmed(int level, const CellName& cell) const;

  /// What noise adds to the current of read number `read` of those that `key` names.
  [[nodiscard]] std::int64_t noise(std::uint64_t key, std::uint64_t read) const;

  /// A converter with its offset (in 1/4096 of a step) and gain error (in 1/65536).
  struct Converter {
    std::int64_t offset = 0;
    std::int64_t gain = 0;

    /// What it makes of a current, in steps, before it clips: to nearest, ties away from zero.
    [[nodiscard]] std::int64_t steps(std::int64_t current) const;

    /// The same without offset and gain.
    static constexpr std::int64_t perfect(std::int64_t current) {
      const std::int64_t sign = current >> 63;
      constexpr std::int64_t kHalf = std::int64_t{1} << (kLevelFraction - 1);
      return (((current ^ sign) - sign + kHalf) >> kLevelFraction ^ sign) - sign;
    }
  };

  /// Converter number `index` of a PE.
  [[nodiscard]] Converter converter(std::uint64_t pe, std::uint64_t index) const;

 private:
  Nonideal spec_;
  int top_ = 1;
  std::int64_t spread_ = 0;       ///< v, or s of the log-normal; 1/65536
  std::int64_t half_square_ = 0;  ///< s^2 / 2; 1/65536
  std::uint64_t stuck_low_ = 0;   ///< a cell whose draw is below is stuck low ...
  std::uint64_t stuck_ = 0;       ///< ... and below this one, stuck
  std::int64_t noise_ = 0;        ///< 1/65536 of a step
  std::int64_t offset_ = 0;       ///< 1/65536 of a step
  std::int64_t gain_ = 0;         ///< 1/65536
};

}  // namespace tessera::arch::crossbar
