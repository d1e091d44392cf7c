// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/config_fields.hpp"

#include "sim/base/config_node.hpp"
#include "sim/base/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>

namespace tessera::config {

namespace {

constexpr double kNoBound = 1e300;

struct DimensionFacts {
  Dimension dimension;
  std::string_view name;
  std::string_view one;  // with its article
  std::string_view si;
  std::string_view usual;  // for the hint
};

constexpr std::array<DimensionFacts, 5> kDimensions{
    {{Dimension::time, "time", "a time", "s", "ns"},
     {Dimension::energy, "energy", "an energy", "J", "pJ"},
     {Dimension::power, "power", "a power", "W", "mW"},
     {Dimension::frequency, "frequency", "a frequency", "Hz", "MHz"},
     {Dimension::area, "area", "an area", "m2", "mm2"}}};

const DimensionFacts& facts_of(Dimension dimension) {
  return *std::find_if(kDimensions.begin(), kDimensions.end(), [&](const DimensionFacts& one) {
    return one.dimension == dimension;
  });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

/// "'rows'", or "item 3 of 'tiles'".
std::string name_of(const Node& node) {
  std::string out;
  const PathStep* at = NodeAccess::data(node).path.get();
  while (at != nullptr && at->index >= 0) {
    out += fmt::format("item {} of ", at->index);
    at = at->parent.get();
  }
  return out + (at == nullptr ? "the configuration" : quote(at->key));
}

std::string got_of(const Node& node) {
  switch (node.type()) {
    case NodeType::null:
      return "nothing";
    case NodeType::scalar:
      return node.quoted() ? fmt::format("text {}", quote(node.scalar())) : quote(node.scalar());
    case NodeType::sequence:
      return fmt::format("a list of {} items", node.items().size());
    case NodeType::map:
      return fmt::format("a map of {} keys", node.keys().size());
  }
  return {};
}

using Formatter = std::function<std::string(double)>;

std::string range_text(const Bounds& bounds, const Formatter& text) {
  const bool has_low = bounds.low > -kNoBound;
  const bool has_high = bounds.high < kNoBound;
  if (has_low && has_high) {
    return fmt::format("[{}, {}]", text(bounds.low), text(bounds.high));
  }
  if (has_low) {
    return ">= " + text(bounds.low);
  }
  return has_high ? "<= " + text(bounds.high) : "";
}

bool within(double value, const Bounds& bounds) {
  return value >= bounds.low && value <= bounds.high;
}

std::string with_range(std::string what, const std::string& range) {
  if (range.empty()) {
    return what;
  }
  return fmt::format("{} {}{}", what, range.front() == '[' ? "in " : "", range);
}

void report_type(const Node& node,
                 const std::string& expected,
                 Diagnostics& diagnostics,
                 std::string hint = {}) {
  diagnostics.error(diagnose(node,
                             "E-CFG-TYPE",
                             fmt::format("wrong type for {}", name_of(node)),
                             expected,
                             std::move(hint)));
}

void report_range(const Node& node,
                  const std::string& expected,
                  Diagnostics& diagnostics,
                  std::string hint = {}) {
  diagnostics.error(diagnose(node,
                             "E-CFG-RANGE",
                             fmt::format("{} is out of range", name_of(node)),
                             expected,
                             std::move(hint)));
}

bool is_plain(const Node& node) {
  return node.type() == NodeType::scalar && !node.quoted();
}

/// `.nan`, `-inf` and the like, which are numbers but none that a simulation can use.
bool is_not_finite(std::string_view text) {
  std::string word = lower(text);
  if (!word.empty() && (word[0] == '-' || word[0] == '+')) {
    word.erase(0, 1);
  }
  if (!word.empty() && word[0] == '.') {
    word.erase(0, 1);
  }
  return word == "nan" || word == "inf" || word == "infinity";
}

/// What is wrong with the unit, in words: another dimension's unit, or an unknown one.
std::string unit_problem(std::string_view unit, std::string_view wanted) {
  for (const DimensionFacts& one : kDimensions) {
    for (const Unit& known : units_of(one.si)) {
      if (known.name == unit) {
        return fmt::format("{} is a unit of {}, not of {}", quote(unit), one.name, wanted);
      }
    }
  }
  for (const DataUnit& known : data_units()) {
    if (known.name == unit) {
      return fmt::format("{} is a unit of data, not of {}", quote(unit), wanted);
    }
  }
  return fmt::format("unknown unit {}", quote(unit));
}

/// Splits off the unit, with errors when it is missing or wrong. Returns the index of the unit.
std::optional<std::size_t> read_unit(const Node& node,
                                     const NumberText& text,
                                     const std::vector<std::string>& units,
                                     std::string_view dimension,
                                     std::string_view usual,
                                     const std::string& expected,
                                     Diagnostics& diagnostics) {
  if (text.rest.empty()) {
    diagnostics.error(
        diagnose(node,
                 "E-CFG-UNIT",
                 fmt::format("{} needs a unit", name_of(node)),
                 expected,
                 fmt::format("write the unit after the number, e.g. '{} {}'", text.number, usual)));
    return std::nullopt;
  }
  const auto found = std::find(units.begin(), units.end(), text.rest);
  if (found == units.end()) {
    const auto same = std::find_if(units.begin(), units.end(), [&](const std::string& one) {
      return lower(one) == lower(text.rest);
    });
    diagnostics.error(
        diagnose(node,
                 "E-CFG-UNIT",
                 unit_problem(text.rest, dimension),
                 expected,
                 same == units.end() ? "" : fmt::format("did you mean '{}'?", *same)));
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - units.begin());
}

/// The number of a quantity, or an error when the value is none.
std::optional<NumberText> read_number(const Node& node,
                                      const std::string& expected,
                                      Diagnostics& diagnostics) {
  if (!is_plain(node)) {
    report_type(node,
                expected,
                diagnostics,
                node.type() == NodeType::scalar && !split_number(node.scalar()).number.empty()
                    ? "remove the quotes"
                    : "");
    return std::nullopt;
  }
  const NumberText text = split_number(node.scalar());
  if (text.number.empty()) {
    const std::string_view word =
        std::string_view(node.scalar()).substr(0, node.scalar().find(' '));
    if (is_not_finite(word)) {
      report_range(node, expected, diagnostics, "the value must be finite");
    } else {
      report_type(node, expected, diagnostics);
    }
    return std::nullopt;
  }
  if (!text.rest.empty() && has_leading_zero(text.number)) {
    diagnostics.error(diagnose(node,
                               "E-CFG-LEADING-ZERO",
                               fmt::format("number {} has a leading zero", quote(text.number)),
                               "a decimal number without leading zeros"));
    return std::nullopt;
  }
  return text;
}

}  // namespace

Diagnostic diagnose(const Node& node,
                    std::string code,
                    std::string sentence,
                    std::string expected,
                    std::string hint) {
  return {.code = std::move(code),
          .sentence = std::move(sentence),
          .at = node.at(),
          .path = shown_path(node),
          .expected = std::move(expected),
          .got = got_of(node),
          .hint = std::move(hint),
          .related = node.history()};
}

namespace detail {

bool is_absent(const Node& node) {
  return NodeAccess::data(node).absent;
}

bool expect_value(const Node& node, Diagnostics& diagnostics) {
  if (node.is_null()) {
    report_type(node, "a value", diagnostics, "write the value, or leave out the key");
  }
  return !node.is_null();
}

bool expect_sequence(const Node& node, Diagnostics& diagnostics) {
  if (node.type() != NodeType::sequence) {
    report_type(node, "a list", diagnostics, node.is_null() ? "write [] for an empty list" : "");
  }
  return node.type() == NodeType::sequence;
}

bool expect_map(const Node& node, Diagnostics& diagnostics) {
  if (node.type() != NodeType::map) {
    report_type(node, "a map", diagnostics, node.is_null() ? "write {} for an empty map" : "");
  }
  return node.type() == NodeType::map;
}

void check_keys(const Node& node,
                std::span<const std::string_view> known,
                Diagnostics& diagnostics) {
  NodeData& map = NodeAccess::data(node);
  std::vector<std::string> candidates;
  for (const Entry& entry : map.entries) {
    const bool listed = std::find(known.begin(), known.end(), entry.key) != known.end();
    if (!listed && NodeAccess::data(entry.value).read) {
      candidates.push_back(entry.key);
    }
  }
  candidates.insert(candidates.end(), known.begin(), known.end());
  for (const Entry& entry : map.entries) {
    if (NodeAccess::data(entry.value).read ||
        std::find(known.begin(), known.end(), entry.key) != known.end()) {
      continue;
    }
    // Only keys that are not written yet can be what was meant.
    std::vector<std::string> unused;
    for (const std::string& one : candidates) {
      if (NodeAccess::find(map, one) == map.entries.size()) {
        unused.push_back(one);
      }
    }
    const std::string near = did_you_mean(entry.key, unused);
    diagnostics.error({.code = "E-CFG-UNKNOWN-KEY",
                       .sentence = fmt::format("unknown key {}", quote(entry.key)),
                       .at = entry.at,
                       .path = shown_path(entry.value),
                       .expected = "one of: " + join_keys(candidates),
                       .got = quote(entry.key),
                       .hint = near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                       .related = {}});
    entry.value.mark_read();
  }
}

void report_missing(const Node& map,
                    std::string_view key,
                    const FieldInfo& what,
                    Diagnostics& diagnostics) {
  const Node value = map.get(key);
  std::string expected = with_range(what.type, what.range);
  expected += what.doc.empty() ? "" : fmt::format(" ({})", what.doc);
  std::vector<std::string> present;
  for (const auto& [name, at] : map.keys()) {
    present.push_back(name);
  }
  diagnostics.error({.code = "E-CFG-MISSING-KEY",
                     .sentence = fmt::format("missing required key {}", quote(key)),
                     .at = map.at(),
                     .path = shown_path(value),
                     .expected = std::move(expected),
                     .got = present.empty() ? "no keys" : "keys: " + join_keys(present),
                     .hint = fmt::format("add '{}:'", key),
                     .related = {}});
}

void add_explained(const Node& node,
                   const Diagnostics& found,
                   std::string_view doc,
                   Diagnostics& diagnostics) {
  diagnostics.add(found, [&, path = shown_path(node)](Diagnostic& d) {
    if (d.hint.empty() && d.path == path) {
      d.hint = doc;
    }
  });
}

bool read_bool(const Node& node, Diagnostics& diagnostics, bool fallback) {
  if (is_plain(node) && (node.scalar() == "true" || node.scalar() == "false")) {
    return node.scalar() == "true";
  }
  std::string hint;
  if (node.type() == NodeType::scalar) {
    const std::string word = lower(node.scalar());
    if (word == "yes" || word == "on" || word == "true" || word == "1") {
      hint = "write true";
    } else if (word == "no" || word == "off" || word == "false" || word == "0") {
      hint = "write false";
    }
  }
  report_type(node, "true or false", diagnostics, hint);
  return fallback;
}

namespace {

/// What an integer that the type cannot hold should be.
std::string holdable(const Bounds& bounds,
                     std::int64_t lowest,
                     std::int64_t highest,
                     bool is_negative) {
  const bool has_low = bounds.low > static_cast<double>(lowest);
  const bool has_high = bounds.high < static_cast<double>(highest);
  const std::int64_t low = has_low ? static_cast<std::int64_t>(bounds.low) : lowest;
  const std::int64_t high = has_high ? static_cast<std::int64_t>(bounds.high) : highest;
  if (has_low) {
    return fmt::format("an integer in [{}, {}]", low, high);
  }
  return is_negative ? fmt::format("an integer from {} on", low)
                     : fmt::format("an integer up to {}", high);
}

}  // namespace

std::int64_t read_integer(const Node& node,
                          const Bounds& bounds,
                          std::int64_t lowest,
                          std::int64_t highest,
                          Diagnostics& diagnostics,
                          std::int64_t fallback) {
  const std::string range = integer_range(bounds);
  const std::string expected = with_range("an integer", range);
  const NumberText text = split_number(node.scalar());
  if (is_plain(node) && text.whole && text.rest.empty()) {
    if (has_leading_zero(text.number)) {
      return fallback;  // the parser reported it
    }
    const ParsedInteger n = parse_whole(text.number);
    if (n.status == ParseStatus::ok && n.value >= lowest && n.value <= highest &&
        within(static_cast<double>(n.value), bounds)) {
      return n.value;
    }
    const bool explains_itself = !range.empty() && n.status == ParseStatus::ok &&
                                 !within(static_cast<double>(n.value), bounds);
    report_range(node,
                 explains_itself ? expected
                                 : holdable(bounds, lowest, highest, node.scalar().front() == '-'),
                 diagnostics);
    return fallback;
  }
  std::string hint;
  if (node.type() == NodeType::scalar && !text.number.empty()) {
    const ParsedReal real = parse_decimal(text.number, 0);
    constexpr double kExact = 9007199254740992.0;  // 2^53
    if (node.quoted() && text.whole && text.rest.empty()) {
      hint = "remove the quotes";
    } else if (!text.rest.empty()) {
      hint = "write the number alone; a count has no unit";
    } else if (real.status == ParseStatus::ok && std::abs(real.value) < kExact &&
               real.value == std::trunc(real.value)) {
      hint = fmt::format("write {}", static_cast<std::int64_t>(real.value));
    }
  }
  report_type(node, expected, diagnostics, hint);
  return fallback;
}

double read_real(const Node& node,
                 const Bounds& bounds,
                 Diagnostics& diagnostics,
                 double fallback) {
  const std::string expected = with_range("a number", real_range(bounds));
  if (is_plain(node) && has_leading_zero(node.scalar())) {
    return fallback;  // the parser reported it
  }
  const auto text = read_number(node, expected, diagnostics);
  if (!text) {
    return fallback;
  }
  if (!text->rest.empty()) {
    report_type(node, expected, diagnostics, "write the number alone; this value has no unit");
    return fallback;
  }
  const ParsedReal n = parse_decimal(text->number, 0);
  if (n.status == ParseStatus::ok && within(n.value, bounds)) {
    return n.value;
  }
  report_range(node,
               expected,
               diagnostics,
               n.status == ParseStatus::ok ? "" : "a double cannot hold this value");
  return fallback;
}

double read_quantity(const Node& node,
                     Dimension dimension,
                     const Bounds& bounds,
                     Diagnostics& diagnostics,
                     double fallback) {
  const DimensionFacts& facts = facts_of(dimension);
  std::vector<std::string> units;
  for (const Unit& one : units_of(facts.si)) {
    units.emplace_back(one.name);
  }
  const std::string expected = fmt::format("{} in {}", facts.one, join_keys(units));
  if (is_plain(node) && has_leading_zero(node.scalar())) {
    return fallback;  // the parser reported it
  }
  const auto text = read_number(node, expected, diagnostics);
  if (!text) {
    return fallback;
  }
  const auto unit = read_unit(node, *text, units, facts.name, facts.usual, expected, diagnostics);
  if (!unit) {
    return fallback;
  }
  const ParsedReal n = parse_decimal(text->number, units_of(facts.si)[*unit].exponent);
  if (n.status == ParseStatus::ok && within(n.value, bounds)) {
    return n.value;
  }
  report_range(node,
               with_range(std::string(facts.one), dimension_range(dimension, bounds)),
               diagnostics,
               n.status == ParseStatus::ok ? "" : "a double cannot hold this value");
  return fallback;
}

Bits read_bits(const Node& node, const Bounds& bounds, Diagnostics& diagnostics, Bits fallback) {
  std::vector<std::string> units;
  for (const DataUnit& one : data_units()) {
    units.emplace_back(one.name);
  }
  const std::string expected = fmt::format("an amount of data in {}", join_keys(units));
  if (is_plain(node) && has_leading_zero(node.scalar())) {
    return fallback;  // the parser reported it
  }
  const auto text = read_number(node, expected, diagnostics);
  if (!text) {
    return fallback;
  }
  const auto unit = read_unit(node, *text, units, "data", "B", expected, diagnostics);
  if (!unit) {
    return fallback;
  }
  const ParsedInteger n = parse_data(*text, data_units()[*unit].bits);
  if (n.status == ParseStatus::malformed) {
    report_range(node, "a whole number of bits", diagnostics);
    return fallback;
  }
  if (n.status == ParseStatus::ok && within(static_cast<double>(n.value), bounds)) {
    return Bits(n.value);
  }
  report_range(node,
               with_range("an amount of data", bits_range(bounds)),
               diagnostics,
               n.status == ParseStatus::ok ? "" : "64 bits cannot hold this value");
  return fallback;
}

std::string read_string(const Node& node, Diagnostics& diagnostics, const std::string& fallback) {
  if (node.type() == NodeType::scalar) {
    return node.scalar();
  }
  report_type(node, "text", diagnostics, node.is_null() ? "write \"\" for empty text" : "");
  return fallback;
}

std::optional<std::size_t> read_choice(const Node& node,
                                       std::span<const std::string_view> names,
                                       Diagnostics& diagnostics) {
  const std::string expected = choice_type(names);
  if (node.type() != NodeType::scalar) {
    report_type(node, expected, diagnostics);
    return std::nullopt;
  }
  const auto found = std::find(names.begin(), names.end(), node.scalar());
  if (found != names.end()) {
    return static_cast<std::size_t>(found - names.begin());
  }
  const std::string near =
      did_you_mean(node.scalar(), std::vector<std::string>(names.begin(), names.end()));
  diagnostics.error(
      diagnose(node,
               "E-CFG-RANGE",
               fmt::format("{} is no choice for {}", quote(node.scalar()), name_of(node)),
               expected,
               near.empty() ? "" : fmt::format("did you mean '{}'?", near)));
  return std::nullopt;
}

std::string dimension_name(Dimension dimension) {
  return std::string(facts_of(dimension).name);
}

std::string dimension_text(Dimension dimension, double value) {
  return format_si(value, facts_of(dimension).si);
}

std::string string_text(const std::string& value) {
  return value.empty() ? "\"\"" : value;
}

std::string integer_range(const Bounds& bounds) {
  return range_text(bounds, format_number);
}

std::string real_range(const Bounds& bounds) {
  return range_text(bounds, format_number);
}

std::string dimension_range(Dimension dimension, const Bounds& bounds) {
  return range_text(bounds, [&](double value) { return dimension_text(dimension, value); });
}

std::string bits_range(const Bounds& bounds) {
  static constexpr double kMost = 9.2e18;  // below 2^63
  return range_text(bounds, [](double value) {
    return format_bits(Bits(static_cast<std::int64_t>(std::clamp(value, -kMost, kMost))));
  });
}

std::string choice_type(std::span<const std::string_view> names) {
  return "one of: " + join_keys(names);
}

FieldInfo make_info(std::string_view key,
                    std::string_view doc,
                    std::string_view source,
                    bool required) {
  FieldInfo out;
  out.key = key;
  out.doc = doc;
  out.source = source;
  out.required = required;
  return out;
}

}  // namespace detail

}  // namespace tessera::config
