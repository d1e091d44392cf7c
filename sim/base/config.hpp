// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Configuration: YAML with source positions, layered overrides with provenance, and field lists.
///
/// A struct lists its fields once:
///
///   struct BusSpec {
///     std::int64_t width = 256;
///     Seconds latency{0};
///     static constexpr auto fields() {
///       return config::list<BusSpec>(
///           config::field("width", &BusSpec::width).range(0, 1 << 20)
///               .doc("bits per cycle; 0 is unlimited").source("ISAAC, table I"),
///           config::field("latency", &BusSpec::latency).range(0, 1).doc("time of one transfer"));
///     }
///   };
///
/// and reading, checking, `tessera explain`, the JSON schema and the resolved dump come from that
/// list. `list` fails to compile when the number of fields differs from the number of members.
/// Field types: bool, integers, double, std::string, Cycles (a bare count), Seconds, Joules, Watts,
/// Hertz, SquareMeters, Bits (written with a unit: `100 ns`, `2.1 pJ`, `192 MHz`, `0.01 mm2`, `64
/// KiB`; a bare number is an error), enums that have a `constexpr auto enum_names(E)` overload,
/// structs with `fields()`, std::vector, std::optional and std::map<std::string, T> of these; Node
/// keeps a part of the tree for a later reader.
///
/// Errors   every reader reports into Diagnostics and goes on with the default.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace tessera::config {

enum class NodeType { null, scalar, sequence, map };

struct NodeData;

/// One value of a configuration tree; a cheap handle. Map order is file order. Each map entry
/// remembers whether it was read: what nobody read is reported by report_unread.
class Node {
 public:
  Node();  ///< a null node without a place

  [[nodiscard]] NodeType type() const;

  [[nodiscard]] bool is_null() const { return type() == NodeType::null; }

  [[nodiscard]] const Position& at() const;
  [[nodiscard]] const std::string& path() const;    ///< "chip.tile.pe.rows"
  [[nodiscard]] const std::string& scalar() const;  ///< text of a scalar, as written
  [[nodiscard]] bool quoted() const;                ///< a quoted scalar is never a number
  /// The places of the values that this one replaced, base first; empty when it replaced none.
  [[nodiscard]] const std::vector<Position>& history() const;

  /// Items of a sequence; empty otherwise.
  [[nodiscard]] const std::vector<Node>& items() const;
  /// Keys of a map in file order, with the place of the key.
  [[nodiscard]] std::vector<std::pair<std::string, Position>> keys() const;
  [[nodiscard]] bool has(std::string_view key) const;
  /// The value under `key`, marked as read; when absent a null node that knows its path and the
  /// place of this map.
  [[nodiscard]] Node get(std::string_view key) const;
  /// Marks this node and all below it as read.
  void mark_read() const;

 private:
  friend struct NodeAccess;
  explicit Node(std::shared_ptr<NodeData> data);
  std::shared_ptr<NodeData> data_;
};

/// Limits that keep hostile input from exhausting memory.
struct Limits {
  std::size_t max_bytes = 16U << 20;
  std::size_t max_nodes = 1'000'000;
  int max_depth = 64;
};

/// Parses YAML text. Duplicate keys, leading zeros, tags, non-string keys, anchors that grow past
/// the limits and syntax errors are diagnostics; the returned tree is then partial.
Node parse(std::string_view text,
           const std::string& name,
           Diagnostics& diagnostics,
           const Limits& limits = {});

/// Reads and parses a file. A key `include: other.yaml` (or a list) at the top level is merged
/// below the file's own values, relative to the file; cycles and missing files are diagnostics.
Node load(const std::string& path, Diagnostics& diagnostics, const Limits& limits = {});

/// Values of `over` replace those of `base` (maps merge key by key, sequences and scalars replace);
/// history keeps the overridden places. Neither argument changes; an absent one is neutral. The
/// result has the path of `base`, or of `over` when `base` is a whole file.
Node merge(const Node& base, const Node& over);

/// One `--set path=value`: `path` is dotted, with [i] for sequence items (`chip.tiles[0].x`) and
/// quotes around keys with dots (`layers."conv1.0".bits`). The value is YAML and is merged in; keys
/// that do not exist are made. On error the tree stays as it was.
void apply_set(Node& root, const std::string& assignment, Diagnostics& diagnostics);

/// Reports every key below `node` that nobody read.
void report_unread(const Node& node, Diagnostics& diagnostics);

/// Same types, texts, quoting and key order; places and read marks do not count.
bool equal(const Node& a, const Node& b);

/// The tree as YAML with a provenance comment per line (`# chips/lrmp.yaml:12`).
std::string dump(const Node& node);

// ---- field lists --------------------------------------------------------------------------------

/// What `explain`, the schema and error messages need to know of a field.
struct FieldInfo {
  std::string key;
  std::string type;   ///< "integer", "time", "one of: a, b", ...
  std::string range;  ///< "[1, 65536]" or empty
  std::string default_text;
  std::string doc;
  std::string source;
  bool required = false;
  std::vector<FieldInfo> children;  ///< of a nested struct
};

template <class S, class T>
struct Field {
  std::string_view key;
  T S::*member;
  double low = -1e300;
  double high = 1e300;
  bool is_required = false;
  std::string_view doc_text{};
  std::string_view source_text{};

  /// Inclusive bounds, in the SI unit of the field.
  constexpr Field range(double lo, double hi) const {
    Field f = *this;
    f.low = lo;
    f.high = hi;
    return f;
  }

  constexpr Field required() const {
    Field f = *this;
    f.is_required = true;
    return f;
  }

  constexpr Field doc(std::string_view text) const {
    Field f = *this;
    f.doc_text = text;
    return f;
  }

  constexpr Field source(std::string_view text) const {
    Field f = *this;
    f.source_text = text;
    return f;
  }
};

template <class S, class T>
constexpr Field<S, T> field(std::string_view key, T S::*member) {
  return Field<S, T>{key, member};
}

}  // namespace tessera::config

#include "sim/base/config_fields.hpp"  // list, read, describe: the templates behind the field lists
