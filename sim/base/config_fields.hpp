// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Field lists: what turns `fields()` of a struct into reading, checking and documentation.
///
/// The templates only walk the list; text, numbers, units and messages are handled in
/// config_fields.cpp, so that including this costs little. Enums take part by a free function
///
///   constexpr auto enum_names(Mode) {
///     return std::array<std::pair<Mode, std::string_view>, 2>{{{Mode::fast, "fast"}, ...}};
///   }
///
/// A member of type Node keeps its part of the tree for someone who reads it later (the `pe:` of a
/// kind). Keys that somebody already read from a map (its `kind:`) are not unknown to the struct.
///
/// Units    values and bounds in SI; sizes in bits
/// Errors   reported into Diagnostics; the default stays
#pragma once

#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/text.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tessera::config {

enum class Dimension { time, energy, power, frequency, area };

/// Inclusive; 1e300 and beyond means no bound.
struct Bounds {
  double low = -1e300;
  double high = 1e300;
};

/// A diagnostic about the value of `node`: place, path, what was got and overridden are filled in.
Diagnostic diagnose(const Node& node,
                    std::string code,
                    std::string sentence,
                    std::string expected,
                    std::string hint = {});

namespace detail {

bool read_bool(const Node& node, Diagnostics& diagnostics, bool fallback);
std::int64_t read_integer(const Node& node,
                          const Bounds& bounds,
                          std::int64_t lowest,
                          std::int64_t highest,
                          Diagnostics& diagnostics,
                          std::int64_t fallback);
double read_real(const Node& node, const Bounds& bounds, Diagnostics& diagnostics, double fallback);
double read_quantity(const Node& node,
                     Dimension dimension,
                     const Bounds& bounds,
                     Diagnostics& diagnostics,
                     double fallback);
Bits read_bits(const Node& node, const Bounds& bounds, Diagnostics& diagnostics, Bits fallback);
std::string read_string(const Node& node, Diagnostics& diagnostics, const std::string& fallback);
std::optional<std::size_t> read_choice(const Node& node,
                                       std::span<const std::string_view> names,
                                       Diagnostics& diagnostics);

/// False, with an error, when the node is something else. An absent value is neither.
bool expect_sequence(const Node& node, Diagnostics& diagnostics);
bool expect_map(const Node& node, Diagnostics& diagnostics);
bool expect_value(const Node& node, Diagnostics& diagnostics);

/// Whether nobody wrote the value; false for an explicit null.
bool is_absent(const Node& node);

void check_keys(const Node& node,
                std::span<const std::string_view> known,
                Diagnostics& diagnostics);
void report_missing(const Node& map,
                    std::string_view key,
                    const FieldInfo& what,
                    Diagnostics& diagnostics);

std::string dimension_name(Dimension dimension);
std::string dimension_text(Dimension dimension, double value);
std::string string_text(const std::string& value);
std::string integer_range(const Bounds& bounds);
std::string real_range(const Bounds& bounds);
std::string dimension_range(Dimension dimension, const Bounds& bounds);
std::string bits_range(const Bounds& bounds);
std::string choice_type(std::span<const std::string_view> names);
FieldInfo make_info(std::string_view key,
                    std::string_view doc,
                    std::string_view source,
                    bool required);

template <class T>
struct IsVector : std::false_type {};

template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};

template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsStringMap : std::false_type {};

template <class T>
struct IsStringMap<std::map<std::string, T>> : std::true_type {};

template <class T>
concept HasFields = requires {
  T::fields();
};

template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T e) {
  enum_names(e);
};

template <class T>
concept Whole = std::integral<T> && !std::same_as<T, bool>;

template <class T>
constexpr std::optional<Dimension> dimension_of() {
  if constexpr (std::same_as<T, Seconds>) {
    return Dimension::time;
  } else if constexpr (std::same_as<T, Joules>) {
    return Dimension::energy;
  } else if constexpr (std::same_as<T, Watts>) {
    return Dimension::power;
  } else if constexpr (std::same_as<T, Hertz>) {
    return Dimension::frequency;
  } else if constexpr (std::same_as<T, SquareMeters>) {
    return Dimension::area;
  } else {
    return std::nullopt;
  }
}

template <class T>
concept Dimensional = dimension_of<T>()
.has_value();

template <class T>
inline constexpr bool kUnsupported = false;

/// The enumerators with their names. `enum_names` may also give the names alone, in the order of
/// enumerators that count from 0.
template <NamedEnum E>
constexpr auto choices_of() {
  constexpr auto given = enum_names(E{});
  std::array<std::pair<E, std::string_view>, given.size()> out{};
  for (std::size_t i = 0; i < given.size(); ++i) {
    if constexpr (std::convertible_to<decltype(given[0]), std::string_view>) {
      out[i] = {static_cast<E>(i), given[i]};
    } else {
      out[i] = {given[i].first, given[i].second};
    }
  }
  return out;
}

template <NamedEnum E>
constexpr auto names_of() {
  constexpr auto choices = choices_of<E>();
  std::array<std::string_view, choices.size()> out{};
  for (std::size_t i = 0; i < choices.size(); ++i) {
    out[i] = choices[i].second;
  }
  return out;
}

template <Whole T>
constexpr std::int64_t highest_of() {
  constexpr T top = std::numeric_limits<T>::max();
  return std::cmp_greater(top, INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(top);
}

/// Initialising S with the field types in order works only if every member is listed, and one more
/// initialiser must not fit. `{}` fits any member, so a forgotten one is found whatever its type.
template <class S, class... T>
concept Initializes = requires {
  S{std::declval<T>()...};
};

template <class S, class... T>
concept LeavesMember = requires {
  S{std::declval<T>()..., {}};
};

/// Calls `visit` with each field; unlike std::apply it keeps compiler messages about a field short.
template <class S, class... T, class Visitor>
constexpr void for_each_field(const std::tuple<Field<S, T>...>& fields, Visitor&& visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(std::get<I>(fields)), ...);
  }
  (std::index_sequence_for<T...>{});
}

template <class S, class... T>
constexpr auto keys_of(const std::tuple<Field<S, T>...>& fields) {
  std::array<std::string_view, sizeof...(T)> out{};
  std::size_t count = 0;
  for_each_field(fields, [&](const auto& field) { out[count++] = field.key; });
  return out;
}

constexpr bool all_differ(std::span<const std::string_view> keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = i + 1; j < keys.size(); ++j) {
      if (keys[i] == keys[j]) {
        return false;
      }
    }
  }
  return true;
}

template <class T>
void read_into(const Node& node, const Bounds& bounds, Diagnostics& diagnostics, T& out);

template <class T>
void describe_into(FieldInfo& info, const T& value, const Bounds& bounds);

/// What was found wrong in a value; its meaning is the hint where there is no better one.
void add_explained(const Node& node,
                   const Diagnostics& found,
                   std::string_view doc,
                   Diagnostics& diagnostics);

template <class S, class T>
void read_field(const Node& map, const Field<S, T>& field, Diagnostics& diagnostics, S& out) {
  const Node value = map.get(field.key);
  if (is_absent(value) && field.is_required) {
    FieldInfo info = make_info(field.key, field.doc_text, field.source_text, true);
    describe_into(info, T{}, {field.low, field.high});
    report_missing(map, field.key, info, diagnostics);
    return;
  }
  Diagnostics found;
  read_into(value, {field.low, field.high}, found, out.*field.member);
  if (!found.ok()) {
    add_explained(value, found, field.doc_text, diagnostics);
  }
}

template <HasFields S>
void read_struct(const Node& node, Diagnostics& diagnostics, S& out) {
  static constexpr auto fields = S::fields();
  static constexpr auto keys = keys_of(fields);
  static_assert(all_differ(keys), "two fields of this struct have the same key");
  if (!is_absent(node) && !expect_map(node, diagnostics)) {
    return;
  }
  check_keys(node, keys, diagnostics);
  for_each_field(fields, [&](const auto& field) { read_field(node, field, diagnostics, out); });
}

/// An absent node leaves `out` alone, except that a struct reports its missing keys.
template <class T>
void read_into(const Node& node, const Bounds& bounds, Diagnostics& diagnostics, T& out) {
  if constexpr (HasFields<T>) {
    read_struct(node, diagnostics, out);
  } else if (is_absent(node)) {
    return;
  } else if constexpr (std::same_as<T, Node>) {
    if (expect_value(node, diagnostics)) {
      out = node;
    }
  } else if constexpr (std::same_as<T, bool>) {
    out = read_bool(node, diagnostics, out);
  } else if constexpr (Whole<T>) {
    out = static_cast<T>(read_integer(node,
                                      bounds,
                                      static_cast<std::int64_t>(std::numeric_limits<T>::min()),
                                      highest_of<T>(),
                                      diagnostics,
                                      static_cast<std::int64_t>(out)));
  } else if constexpr (std::same_as<T, double>) {
    out = read_real(node, bounds, diagnostics, out);
  } else if constexpr (std::same_as<T, Cycles>) {
    out = T(read_integer(node, bounds, INT64_MIN, INT64_MAX, diagnostics, out.value));
  } else if constexpr (std::same_as<T, Bits>) {
    out = read_bits(node, bounds, diagnostics, out);
  } else if constexpr (Dimensional<T>) {
    out = T(read_quantity(node, *dimension_of<T>(), bounds, diagnostics, out.value));
  } else if constexpr (std::same_as<T, std::string>) {
    out = read_string(node, diagnostics, out);
  } else if constexpr (NamedEnum<T>) {
    static constexpr auto names = names_of<T>();
    if (const auto choice = read_choice(node, names, diagnostics)) {
      static constexpr auto choices = choices_of<T>();
      out = choices[*choice].first;
    }
  } else if constexpr (IsOptional<T>::value) {
    if (node.is_null()) {
      out.reset();
    } else {
      const std::size_t before = diagnostics.errors().size();
      typename T::value_type value = out.value_or(typename T::value_type{});
      read_into(node, bounds, diagnostics, value);
      if (HasFields<typename T::value_type> || diagnostics.errors().size() == before) {
        out = std::move(value);
      }
    }
  } else if constexpr (IsVector<T>::value) {
    if (expect_sequence(node, diagnostics)) {
      out.clear();
      for (const Node& item : node.items()) {
        typename T::value_type value{};
        read_into(item, bounds, diagnostics, value);
        out.push_back(std::move(value));
      }
    }
  } else if constexpr (IsStringMap<T>::value) {
    if (expect_map(node, diagnostics)) {
      out.clear();
      for (const auto& [key, at] : node.keys()) {
        typename T::mapped_type value{};
        read_into(node.get(key), bounds, diagnostics, value);
        out.emplace(key, std::move(value));
      }
    }
  } else {
    static_assert(kUnsupported<T>, "no reader for a field of this type; see config.hpp");
  }
}

template <HasFields S>
std::vector<FieldInfo> describe_struct(const S& defaults) {
  static constexpr auto fields = S::fields();
  std::vector<FieldInfo> out;
  for_each_field(fields, [&](const auto& field) {
    FieldInfo info = make_info(field.key, field.doc_text, field.source_text, field.is_required);
    describe_into(info, defaults.*field.member, {field.low, field.high});
    if (field.is_required) {
      info.default_text.clear();
    }
    out.push_back(std::move(info));
  });
  return out;
}

template <class T>
void describe_into(FieldInfo& info, const T& value, const Bounds& bounds) {
  if constexpr (HasFields<T>) {
    info.type = "map";
    info.children = describe_struct(value);
  } else if constexpr (std::same_as<T, Node>) {
    info.type = "map";
  } else if constexpr (std::same_as<T, bool>) {
    info.type = "boolean";
    info.default_text = value ? "true" : "false";
  } else if constexpr (Whole<T>) {
    info.type = "integer";
    info.range = integer_range(bounds);
    info.default_text = std::to_string(value);
  } else if constexpr (std::same_as<T, double>) {
    info.type = "number";
    info.range = real_range(bounds);
    info.default_text = format_number(value);
  } else if constexpr (std::same_as<T, Cycles>) {
    info.type = "integer";
    info.range = integer_range(bounds);
    info.default_text = std::to_string(value.value);
  } else if constexpr (std::same_as<T, Bits>) {
    info.type = "data";
    info.range = bits_range(bounds);
    info.default_text = format_bits(value);
  } else if constexpr (Dimensional<T>) {
    info.type = dimension_name(*dimension_of<T>());
    info.range = dimension_range(*dimension_of<T>(), bounds);
    info.default_text = dimension_text(*dimension_of<T>(), value.value);
  } else if constexpr (std::same_as<T, std::string>) {
    info.type = "string";
    info.default_text = string_text(value);
  } else if constexpr (NamedEnum<T>) {
    static constexpr auto names = names_of<T>();
    info.type = choice_type(names);
    for (const auto& [choice, name] : choices_of<T>()) {
      if (choice == value) {
        info.default_text = name;
      }
    }
  } else if constexpr (IsOptional<T>::value) {
    describe_into(info, value.value_or(typename T::value_type{}), bounds);
    info.type = "optional " + info.type;
    if (!value) {
      info.default_text = "none";
    }
  } else if constexpr (IsVector<T>::value || IsStringMap<T>::value) {
    constexpr bool is_list = IsVector<T>::value;
    if constexpr (is_list) {
      describe_into(info, typename T::value_type{}, bounds);
    } else {
      describe_into(info, typename T::mapped_type{}, bounds);
    }
    info.type = (is_list ? "list of " : "map of ") + info.type;
    std::string text;
    for (const auto& item : value) {
      FieldInfo one;
      if constexpr (is_list) {
        describe_into(one, item, bounds);
        text += (text.empty() ? "" : ", ") + one.default_text;
      } else {
        describe_into(one, item.second, bounds);
        text += (text.empty() ? "" : ", ") + item.first + ": " + one.default_text;
      }
    }
    info.default_text = is_list ? "[" + text + "]" : "{" + text + "}";
  } else {
    static_assert(kUnsupported<T>, "no description for a field of this type; see config.hpp");
  }
}

}  // namespace detail

/// The fields of S, one per member, in the order of the members. Does not compile otherwise.
template <class S, class... T>
constexpr std::tuple<Field<S, T>...> list(const Field<S, T>&... fields) {
  static_assert(std::is_aggregate_v<S>, "a struct with fields must be a plain aggregate");
  static_assert(!detail::LeavesMember<S, T...>, "a member of the struct is missing in its list");
  static_assert(detail::Initializes<S, T...>,
                "list every member of the struct once, in the order of declaration");
  return {fields...};
}

/// Reads a struct, or any other field type, from `node`. Keys that are not written keep the value
/// in `defaults`. Unknown keys are errors unless somebody read them before.
template <class S>
S read(const Node& node, Diagnostics& diagnostics, S defaults = S{}) {
  detail::read_into(node, Bounds{}, diagnostics, defaults);
  return defaults;
}

/// The fields of S for explain_text, json_schema and messages, nested structs as children.
template <class S>
std::vector<FieldInfo> describe() {
  return detail::describe_struct(S{});
}

}  // namespace tessera::config
