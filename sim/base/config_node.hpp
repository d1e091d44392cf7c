// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a configuration node consists of. Private to sim/base: others use config.hpp.
///
/// Paths are chains of steps that share their beginnings and become text only when asked for, so
/// that a large tree does not store the path of every value.
#pragma once

#include "sim/base/config.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tessera::config {

/// One step from a container to a value: a key, or an index when `index` >= 0.
struct PathStep {
  std::shared_ptr<const PathStep> parent;
  std::string key;
  std::int64_t index = -1;
};

using Path = std::shared_ptr<const PathStep>;

struct Entry {
  std::string key;
  Position at;  ///< of the key
  Node value;
};

struct KeyHash {
  using is_transparent = void;

  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
};

using KeyIndex = std::unordered_map<std::string, std::size_t, KeyHash, std::equal_to<>>;

struct NodeData {
  NodeType type = NodeType::null;
  bool quoted = false;
  bool absent = false;  ///< stands for a value nobody wrote, unlike an explicit null
  bool read = false;
  Position at;
  Path path;
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;
  std::vector<Position> history;
  std::unique_ptr<std::string> path_text;  // made on first use
  std::unique_ptr<KeyIndex> index;         // of large maps, made on first search
};

struct NodeAccess {
  static Node make(std::shared_ptr<NodeData> data) { return Node(std::move(data)); }

  static NodeData& data(const Node& node) { return *node.data_; }

  /// Index of `key` among the entries, or the number of entries. O(1) for large maps.
  static std::size_t find(NodeData& map, std::string_view key);
  static void add(NodeData& map, Entry entry);
};

Path step(const Path& parent, std::string_view key);
Path step(const Path& parent, std::size_t index);
std::string path_text(const Path& path);

/// Limits shared by all files of one load.
struct Budget {
  explicit Budget(const Limits& limits)
      : nodes(limits.max_nodes), bytes(limits.max_bytes), copied_bytes(limits.max_bytes) {}

  std::size_t nodes;
  std::size_t bytes;
  std::size_t copied_bytes;  ///< text that aliases repeat
};

/// As config::parse, for text that starts in `column_offset` of the first line of `source` and
/// whose root has path `root`.
Node parse_part(std::string_view text,
                const std::shared_ptr<const SourceText>& source,
                int column_offset,
                const Path& root,
                Budget& budget,
                const Limits& limits,
                Diagnostics& diagnostics);

/// Lines without line ends; stops after `max_lines`.
std::vector<std::string> split_lines(std::string_view text, std::size_t max_lines);

/// A copy of the tree below `path`; nodes are never shared between trees.
Node copy_tree(const Node& node, const Path& path);

/// Text that YAML reads back as the same plain scalar in a block context.
bool is_simple_plain(std::string_view text);

/// Whether the text is a whole number or decimal fraction with a superfluous leading zero.
bool has_leading_zero(std::string_view text);

/// The path for people: "(top level)" for the root.
std::string shown_path(const Node& node);

}  // namespace tessera::config
