// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/json_schema.hpp"

#include "sim/base/quantity.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace tessera::config {

namespace {

using nlohmann::json;

constexpr std::string_view kNumberPattern = "[-+]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([eE][-+]?[0-9]+)?";

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kBases{
    {{"time", "s"}, {"energy", "J"}, {"power", "W"}, {"frequency", "Hz"}, {"area", "m2"}}};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

/// Bounds of a plain number, from "[a, b]", ">= a" or "<= b".
void add_bounds(json& out, std::string_view range) {
  const auto number = [](std::string_view text) { return json::parse(text, nullptr, false); };
  const auto set = [&](const char* key, std::string_view text) {
    const json value = number(text);
    if (value.is_number()) {
      out[key] = value;
    }
  };
  if (take_prefix(range, "[")) {
    const std::size_t comma = range.find(", ");
    if (comma != std::string_view::npos) {
      set("minimum", range.substr(0, comma));
      set("maximum", range.substr(comma + 2, range.size() - comma - 3));
    }
  } else if (take_prefix(range, ">= ")) {
    set("minimum", range);
  } else if (take_prefix(range, "<= ")) {
    set("maximum", range);
  }
}

json object_of(const std::vector<FieldInfo>& fields);

json choices_of(std::string_view names) {
  json out = json::array();
  while (!names.empty()) {
    const std::size_t comma = names.find(", ");
    out.push_back(std::string(names.substr(0, comma)));
    names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 2);
  }
  return out;
}

json type_of(std::string_view type, const FieldInfo& field) {
  if (take_prefix(type, "optional ")) {
    return {{"anyOf", json::array({type_of(type, field), {{"type", "null"}}})}};
  }
  if (take_prefix(type, "list of ")) {
    return {{"type", "array"}, {"items", type_of(type, field)}};
  }
  if (take_prefix(type, "map of ")) {
    return {{"type", "object"}, {"additionalProperties", type_of(type, field)}};
  }
  if (take_prefix(type, "one of: ")) {
    return {{"enum", choices_of(type)}};
  }
  if (type == "map") {
    return field.children.empty() ? json::object() : object_of(field.children);
  }
  if (type == "integer" || type == "number") {
    json out = {{"type", std::string(type)}};
    add_bounds(out, field.range);
    return out;
  }
  std::vector<std::string_view> units;
  if (type == "data") {
    for (const DataUnit& one : data_units()) {
      units.push_back(one.name);
    }
  }
  for (const auto& [name, base] : kBases) {
    if (name == type) {
      for (const Unit& one : units_of(base)) {
        units.push_back(one.name);
      }
    }
  }
  if (!units.empty()) {
    return {{"type", "string"},
            {"pattern", fmt::format("^{} *({})$", kNumberPattern, fmt::join(units, "|"))}};
  }
  // Unquoted numbers are text where text is expected.
  return type == "string" ? json{{"type", json::array({"string", "number", "boolean"})}}
                          : json{{"type", std::string(type)}};
}

json object_of(const std::vector<FieldInfo>& fields) {
  json properties = json::object();
  json required = json::array();
  for (const FieldInfo& field : fields) {
    json one = type_of(field.type, field);
    std::string text = field.doc;
    text += field.source.empty() ? "" : fmt::format(" (source: {})", field.source);
    text += field.range.empty() ? "" : fmt::format(" (range: {})", field.range);
    if (!text.empty()) {
      one["description"] = text;
    }
    if (field.required) {
      required.push_back(field.key);
    } else if (!field.default_text.empty() && field.default_text != "none") {
      json value = json::parse(field.default_text, nullptr, false);
      one["default"] = value.is_discarded() ? json(field.default_text) : std::move(value);
    }
    properties[field.key] = std::move(one);
  }
  json out = {
      {"type", "object"}, {"additionalProperties", false}, {"properties", std::move(properties)}};
  if (!required.empty()) {
    out["required"] = std::move(required);
  }
  return out;
}

constexpr std::size_t kColumns = 6;
using Row = std::array<std::string, kColumns>;

void add_rows(std::vector<Row>& rows, const std::vector<FieldInfo>& fields, std::size_t depth) {
  for (const FieldInfo& field : fields) {
    rows.push_back({std::string(2 * depth, ' ') + field.key,
                    field.type,
                    field.range,
                    field.required ? "required" : field.default_text,
                    field.doc,
                    field.source});
    add_rows(rows, field.children, depth + 1);
  }
}

/// Code points, so that a micro sign takes one column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

std::string json_schema(const std::vector<FieldInfo>& fields) {
  json out = object_of(fields);
  out["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  return out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string explain_text(const std::vector<FieldInfo>& fields) {
  std::vector<Row> rows{{"key", "type", "range", "default", "description", "source"}};
  add_rows(rows, fields, 0);
  std::array<std::size_t, kColumns> widths{};
  for (const Row& row : rows) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      widths[column] = std::max(widths[column], width_of(row[column]));
    }
  }
  std::string out;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t column = 0; column < kColumns; ++column) {
      line += row[column];
      line.append(widths[column] - width_of(row[column]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace tessera::config
