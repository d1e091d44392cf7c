// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The tables, written as they are read: search pattern -> columns driven.
#include "arch/rtm_ap/tables.hpp"

#include <initializer_list>

namespace tessera::arch::rtm_ap {
namespace {

constexpr unsigned role(char letter) {
  switch (letter) {
    case 'C':
      return kRoleC;
    case 'B':
      return kRoleB;
    case 'A':
      return kRoleA;
    default:
      return kRoleR;
  }
}

/// "011->C1B0" on the roles "CBA".
constexpr Pass parse_pass(std::string_view roles, std::string_view text) {
  Pass pass;
  for (std::size_t i = 0; i < roles.size(); ++i) {
    pass.care = static_cast<std::uint8_t>(pass.care | role(roles[i]));
    if (text[i] == '1') {
      pass.key = static_cast<std::uint8_t>(pass.key | role(roles[i]));
    }
  }
  for (std::size_t i = roles.size() + 2; i + 1 < text.size(); i += 2) {
    pass.drive = static_cast<std::uint8_t>(pass.drive | role(text[i]));
    if (text[i + 1] == '1') {
      pass.value = static_cast<std::uint8_t>(pass.value | role(text[i]));
    }
  }
  return pass;
}

constexpr PassTable make(std::string_view name,
                         std::string_view roles,
                         std::initializer_list<std::string_view> passes) {
  PassTable made;
  made.name = name;
  made.roles = roles;
  for (const std::string_view text : passes) {
    made.passes[static_cast<std::size_t>(made.size++)] = parse_pass(roles, text);
  }
  return made;
}

constexpr std::array<PassTable, kNumTables> kTables = {{
    make("add_in_place", "CBA", {"011->C1B0", "001->B1", "100->C0B1", "110->B0"}),
    make("add_in_place.tail", "CB", {"10->C0B1", "11->B0"}),
    make("sub_in_place", "CBA", {"001->C1B1", "011->B0", "110->C0B0", "100->B1"}),
    make("sub_in_place.tail", "CB", {"11->C0B0", "10->B1"}),
    make("add", "CBA", {"001->R1", "010->R1", "100->R1C0", "111->R1", "011->C1"}),
    make("add.tail", "CB", {"01->R1", "10->R1C0"}),
    make("add.carry", "C", {"1->R1C0"}),
    make("sub", "CBA", {"001->R1C1", "010->R1", "100->R1", "110->C0", "111->R1"}),
    make("sub.tail", "CB", {"01->R1", "10->R1", "11->C0"}),
    make("sub.negate", "CA", {"10->R1", "01->R1C1"}),
    make("sub.borrow", "C", {"1->R1"}),
    make("add_one", "CB", {"01->C1B0", "00->B1"}),
    make("copy", "A", {"1->R1"}),
    make("compare", "CBA", {"001->C1", "110->C0"}),
    make("compare.sign", "CBA", {"010->C1", "101->C0"}),
    make("select", "CBA", {"101->B1", "110->B0"}),
    make("mark", "A", {"1->C1"}),
}};

constexpr PassTable kReversedSub =
    make("reverse_sub_in_place",
         "CBA",
         {"001->B1", "011->B0", "010->C1", "110->B0", "101->C0", "100->B1"});

std::string state_text(std::string_view roles, unsigned state) {
  std::string text;
  for (const char letter : roles) {
    text += (state & role(letter)) != 0 ? '1' : '0';
  }
  return text;
}

bool matches(const Pass& pass, unsigned state) {
  return (state & pass.care) == pass.key;
}

unsigned written(const Pass& pass, unsigned state) {
  return (state & ~unsigned{pass.drive}) | pass.value;
}

}  // namespace

const PassTable& table(TableId id) {
  return kTables[static_cast<std::size_t>(id)];
}

const PassTable& reversed_sub_table() {
  return kReversedSub;
}

std::string to_text(const PassTable& table, const Pass& pass) {
  std::string text = state_text(table.roles, pass.key) + "->";
  for (const char letter : std::string_view("CBAR")) {
    if ((pass.drive & role(letter)) != 0) {
      text += letter;
      text += (pass.value & role(letter)) != 0 ? '1' : '0';
    }
  }
  return text;
}

unsigned apply(const PassTable& table, std::span<const int> order, unsigned state) {
  for (const int at : order) {
    const Pass& pass = table.passes[static_cast<std::size_t>(at)];
    if (matches(pass, state)) {
      state = written(pass, state);
    }
  }
  return state;
}

std::optional<OrderFault> check_order(const PassTable& table, std::span<const int> order) {
  for (unsigned start = 0; start < kNumStates; ++start) {
    std::optional<OrderFault> fired;
    unsigned state = start;
    for (const int at : order) {
      const Pass& pass = table.passes[static_cast<std::size_t>(at)];
      if (!matches(pass, state)) {
        continue;
      }
      if (fired) {
        fired->later = at;
        return fired;
      }
      fired = OrderFault{at, at, state, written(pass, state)};
      state = fired->after;
    }
  }
  return std::nullopt;
}

std::string to_text(const PassTable& table, const OrderFault& fault) {
  return "pass " + to_text(table, table.passes[static_cast<std::size_t>(fault.pass)]) + " makes " +
         state_text(table.roles, fault.after) + ", which the later pass " +
         to_text(table, table.passes[static_cast<std::size_t>(fault.later)]) + " matches";
}

}  // namespace tessera::arch::rtm_ap
