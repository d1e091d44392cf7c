// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the specs of all kinds of processing element are made of: prices of events, area and
/// leakage of circuits, and contradictions between fields.
///
/// Prices   a kind's struct of prices has one Price per action, its fields in the order of the
///          kind's action indices; their keys are the actions' names
/// Errors   contradictions are reported with the kind's own code
#pragma once

#include "sim/api/model.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

namespace tessera {

/// Energy of one event.
struct Price {
  Joules energy{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<Price>(
        config::field("energy", &Price::energy).range(0, 1).doc("energy of one event"),
        config::field("source", &Price::source).doc("paper, table or equation, node"));
  }
};

/// Area and leakage of one instance of a circuit.
struct Part {
  SquareMeters area{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<Part>(
        config::field("area", &Part::area).range(0, 1).doc("area of one instance"),
        config::field("leakage", &Part::leakage).range(0, 1e3).doc("static power of one instance"),
        config::field("source", &Part::source).doc("paper, table, node"));
  }
};

/// The actions that a kind's struct of prices lists.
template <class Prices>
[[nodiscard]] std::vector<Action> priced_actions(const Prices& prices) {
  std::vector<Action> all;
  std::apply(
      [&](const auto&... field) {
        const auto add = [&](const auto& of) {
          const Price& price = prices.*of.member;
          all.push_back({std::string(of.key), price.energy, price.source});
        };
        (add(field), ...);
      },
      Prices::fields());
  return all;
}

/// How many they are, for a kind to compare with its indices.
template <class Prices>
inline constexpr std::size_t kNumPrices = std::tuple_size_v<decltype(Prices::fields())>;

/// `count` circuits of a PE that work side by side as one resource.
[[nodiscard]] Resource resource_of(const char* name, const Part& part, int count);

/// A combination of values that makes no sense, for the reader to report at `key`.
struct SpecProblem {
  std::string key;
  std::string other;  ///< the field it contradicts; may be empty
  std::string sentence;
  std::string expected;
};

/// Points at whichever of the two fields was written in the `pe:` node of a chip; at both, when
/// both were.
void report_problems(const config::Node& pe,
                     const std::string& code,
                     const std::vector<SpecProblem>& problems,
                     Diagnostics& diagnostics);

}  // namespace tessera
