// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The pass tables of bit-serial arithmetic on a content-addressable memory, as data.
///
/// One pass is one search (rows whose cells equal the key in the columns cared for are tagged) and
/// one write (driven columns of the tagged rows take the value). Roles of the columns: C carry or
/// borrow, B accumulator (in place) or first operand, A operand, R separate result. A table is
/// applied once per bit; its passes come in an order in which no pass makes a state that a later
/// one matches.
///
/// Source   docs/facts.md, "Racetrack-memory associative processor"; every table is checked against
///          arithmetic over all its states in tables_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Columns that take part, as bits of a state.
inline constexpr unsigned kRoleC = 8;
inline constexpr unsigned kRoleB = 4;
inline constexpr unsigned kRoleA = 2;
inline constexpr unsigned kRoleR = 1;
inline constexpr unsigned kNumStates = 16;

struct Pass {
  std::uint8_t care = 0;   ///< searched roles
  std::uint8_t key = 0;    ///< what they must hold
  std::uint8_t drive = 0;  ///< written roles
  std::uint8_t value = 0;  ///< what they get
};

inline constexpr std::size_t kMaxPasses = 6;

struct PassTable {
  std::string_view name;
  std::string_view roles;  ///< of the search patterns, "CBA"
  int size = 0;
  std::array<Pass, kMaxPasses> passes{};
};

/// Who is left when an operand has no more bits: an unsigned one is 0 from there on.
enum class TableId : std::uint8_t {
  add_in_place,       ///< B <- B + A + C
  add_in_place_tail,  ///< B <- B + C
  sub_in_place,       ///< B <- B - A - C
  sub_in_place_tail,  ///< B <- B - C
  add,                ///< R <- B + A + C
  add_tail,           ///< R <- B + C
  add_carry,          ///< R <- C, once: no carry is left after it
  sub,                ///< R <- B - A - C
  sub_tail,           ///< R <- B - C
  sub_negate,         ///< R <- - A - C
  sub_borrow,         ///< R <- - C
  add_one,            ///< B <- B + 1 + C: the operand is a constant's 1
  copy,               ///< R <- A
  compare,            ///< C <- borrow of B - A - C
  compare_sign,       ///< the same at the sign bits of two's complement
  select,             ///< B <- C ? A : B
  mark,               ///< C <- C or A
};

inline constexpr int kNumTables = static_cast<int>(TableId::mark) + 1;

[[nodiscard]] const PassTable& table(TableId id);

/// "011->C1B0"
[[nodiscard]] std::string to_text(const PassTable& table, const Pass& pass);

/// State after the passes, taken in `order` (indices into the table).
[[nodiscard]] unsigned apply(const PassTable& table, std::span<const int> order, unsigned state);

/// A pass that breaks an order: it makes a state that a later pass matches.
struct OrderFault {
  int pass = 0;   ///< index into the table
  int later = 0;  ///< index into the table
  unsigned before = 0;
  unsigned after = 0;
};

/// The first fault of `order`, passes of the table, each at most once. Nothing when it is right:
/// then every state meets at most the one pass that is meant for it.
[[nodiscard]] std::optional<OrderFault> check_order(const PassTable& table,
                                                    std::span<const int> order);

/// "pass 001->B1 makes 011, which the later pass 011->C1B0 matches"
[[nodiscard]] std::string to_text(const PassTable& table, const OrderFault& fault);

/// The passes of B <- A - B - C. No order of them works: 001->B1 makes what 011->B0 matches, and
/// 011->B0 makes what 001->B1 matches.
[[nodiscard]] const PassTable& reversed_sub_table();

}  // namespace tessera::arch::rtm_ap
