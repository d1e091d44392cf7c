// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/config.hpp"
#include "sim/base/config_node.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace tessera::config {

namespace {

constexpr std::size_t kIndexFrom = 16;  // entries; below that a linear search is faster
constexpr int kMaxSetSteps = 64;

const std::shared_ptr<NodeData>& nothing() {
  static const std::shared_ptr<NodeData> data = [] {
    auto made = std::make_shared<NodeData>();
    made->absent = true;
    return made;
  }();
  return data;
}

bool is_path_word(std::string_view key) {
  return !key.empty() && std::none_of(key.begin(), key.end(), [](char c) {
    return c == '.' || c == '[' || c == ']' || c == '=' || c == '"' || c == ' ' ||
           static_cast<unsigned char>(c) < 0x20;
  });
}

NodeData shallow_copy(const NodeData& from, const Path& path) {
  NodeData out;
  out.type = from.type;
  out.quoted = from.quoted;
  out.absent = from.absent;
  out.read = from.read;
  out.at = from.at;
  out.path = path;
  out.text = from.text;
  out.history = from.history;
  return out;
}

Node wrap(NodeData data) {
  return NodeAccess::make(std::make_shared<NodeData>(std::move(data)));
}

Node merge_at(const Node& base_node, const Node& over_node, const Path& path) {
  NodeData& base = NodeAccess::data(base_node);
  NodeData& over = NodeAccess::data(over_node);
  if (over.absent) {
    return copy_tree(base_node, path);
  }
  if (base.absent) {
    return copy_tree(over_node, path);
  }
  if (base.type == NodeType::map && over.type == NodeType::map) {
    NodeData out = shallow_copy(over, path);
    out.read = base.read || over.read;
    for (const Entry& entry : base.entries) {
      const std::size_t at = NodeAccess::find(over, entry.key);
      if (at < over.entries.size()) {
        const Entry& winner = over.entries[at];
        NodeAccess::add(
            out,
            {entry.key, winner.at, merge_at(entry.value, winner.value, step(path, entry.key))});
      } else {
        NodeAccess::add(out, {entry.key, entry.at, copy_tree(entry.value, step(path, entry.key))});
      }
    }
    for (const Entry& entry : over.entries) {
      if (NodeAccess::find(base, entry.key) == base.entries.size()) {
        NodeAccess::add(out, {entry.key, entry.at, copy_tree(entry.value, step(path, entry.key))});
      }
    }
    return wrap(std::move(out));
  }
  Node out = copy_tree(over_node, path);
  std::vector<Position> history = base.history;
  history.push_back(base.at);
  history.insert(history.end(), over.history.begin(), over.history.end());
  NodeAccess::data(out).history = std::move(history);
  return out;
}

void unread_below(const Node& node, Diagnostics& diagnostics) {
  const NodeData& data = NodeAccess::data(node);
  for (const Node& item : data.items) {
    unread_below(item, diagnostics);
  }
  for (const Entry& entry : data.entries) {
    if (NodeAccess::data(entry.value).read) {
      unread_below(entry.value, diagnostics);
      continue;
    }
    diagnostics.error({.code = "E-CFG-UNREAD-KEY",
                       .sentence = fmt::format("nothing reads key {}", quote(entry.key)),
                       .at = entry.at,
                       .path = shown_path(entry.value),
                       .expected = "a key that this configuration uses",
                       .got = quote(entry.key),
                       .hint = "remove it, or check which kind or mode it belongs to",
                       .related = NodeAccess::data(entry.value).history});
  }
}

// ---- --set ----

struct SetStep {
  std::string key;
  std::optional<std::size_t> index;
  std::size_t at = 0;  // offset in the assignment
};

struct SetPath {
  std::vector<SetStep> steps;
  std::size_t end = 0;
  std::string problem;  // empty when the path is well formed
};

SetPath parse_set_path(std::string_view text) {
  SetPath out;
  std::size_t i = 0;
  const auto fail = [&](std::string_view why) {
    out.problem = why;
    out.end = i;
    return out;
  };
  bool need_key = true;
  while (i < text.size() && text[i] != '=') {
    if (out.steps.size() >= kMaxSetSteps) {
      return fail("path has too many steps");
    }
    if (text[i] == '[' && !need_key) {
      const std::size_t start = i++;
      std::size_t index = 0;
      const char* first = text.data() + i;
      const auto [end, error] = std::from_chars(first, text.data() + text.size(), index);
      if (error != std::errc{}) {
        return fail("index is not a whole number");
      }
      i += static_cast<std::size_t>(end - first);
      if (i >= text.size() || text[i] != ']') {
        return fail("index is not closed by ']'");
      }
      ++i;
      out.steps.push_back({{}, index, start});
      continue;
    }
    if (!out.steps.empty()) {
      if (text[i] != '.') {
        return fail("keys are not separated by '.'");
      }
      ++i;
    }
    const std::size_t start = i;
    std::string key;
    if (i < text.size() && text[i] == '"') {
      const std::size_t close = text.find('"', i + 1);
      if (close == std::string_view::npos) {
        return fail("quoted key is not closed");
      }
      key = text.substr(i + 1, close - i - 1);
      i = close + 1;
    } else {
      const std::size_t end = std::min(text.find_first_of(".[=", i), text.size());
      key = text.substr(i, end - i);
      i = end;
      if (!is_path_word(key)) {
        return fail("path has an empty or malformed key");
      }
    }
    out.steps.push_back({std::move(key), std::nullopt, start});
    need_key = false;
  }
  if (out.steps.empty()) {
    return fail("path is empty");
  }
  if (i >= text.size()) {
    return fail("there is no '='");
  }
  out.end = i;
  return out;
}

// ---- dump ----

std::string double_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string dump_key(const std::string& key) {
  const bool word = !key.empty() && key != "null" && key != "Null" && key != "NULL" &&
                    std::all_of(key.begin(), key.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/';
                    });
  return word && key.find("..") == std::string::npos ? key : double_quoted(key);
}

std::string dump_scalar(const NodeData& data) {
  return data.quoted || !is_simple_plain(data.text) ? double_quoted(data.text) : data.text;
}

std::string provenance_of(const Position& at) {
  if (at.source == nullptr) {
    return {};
  }
  std::string out = at.source->name;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  if (at.line > 0) {
    out += fmt::format(":{}", at.line);
  }
  return out;
}

std::string provenance(const NodeData& data) {
  std::string out = provenance_of(data.at);
  if (out.empty()) {
    return "\n";
  }
  if (!data.history.empty()) {
    const std::string was = provenance_of(data.history.back());
    out += was.empty() ? "" : ", was " + was;
  }
  return "  # " + out + "\n";
}

/// "[1, 2]" when the items are short words from one line, as people write them.
std::optional<std::string> one_line(const NodeData& data) {
  constexpr std::size_t kWidest = 80;
  std::string out = "[";
  for (const Node& item : data.items) {
    const NodeData& one = NodeAccess::data(item);
    const bool plain = one.type == NodeType::scalar && !one.quoted && is_simple_plain(one.text) &&
                       one.text.find_first_of(",[]{}:?#") == std::string::npos;
    if (!plain || one.at.line != NodeAccess::data(data.items.front()).at.line ||
        one.at.source != NodeAccess::data(data.items.front()).at.source ||
        out.size() + one.text.size() > kWidest) {
      return std::nullopt;
    }
    out += (out.size() > 1 ? ", " : "") + one.text;
  }
  return out + "]";
}

/// Text of a value that needs no lines of its own.
std::optional<std::string> inline_text(const NodeData& data) {
  switch (data.type) {
    case NodeType::null:
      return "null";
    case NodeType::scalar:
      return dump_scalar(data);
    case NodeType::sequence:
      return data.items.empty() ? "[]" : one_line(data);
    case NodeType::map:
      return data.entries.empty() ? std::optional<std::string>("{}") : std::nullopt;
  }
  return std::nullopt;
}

/// Writes a non-empty map or sequence. The first line starts after `lead`, the others after spaces
/// of the same width.
void dump_block(std::string& out, const NodeData& data, std::string lead) {
  const std::size_t indent = lead.size();
  const auto next_lead = [&] { return std::exchange(lead, std::string(indent, ' ')); };
  for (const Node& item : data.items) {
    const NodeData& value = NodeAccess::data(item);
    const std::string start = next_lead() + "-";
    if (const auto text = inline_text(value)) {
      out += start + " " + *text + provenance(value);
    } else if (value.type == NodeType::map) {
      dump_block(out, value, start + " ");
    } else {
      out += start + provenance(value);
      dump_block(out, value, std::string(indent + 2, ' '));
    }
  }
  for (const Entry& entry : data.entries) {
    const NodeData& value = NodeAccess::data(entry.value);
    out += next_lead() + dump_key(entry.key) + ":";
    if (const auto text = inline_text(value)) {
      out += " " + *text + provenance(value);
    } else {
      out += provenance(value);
      dump_block(out, value, std::string(indent + 2, ' '));
    }
  }
}

}  // namespace

// ---- paths --------------------------------------------------------------------------------------

Path step(const Path& parent, std::string_view key) {
  return std::make_shared<PathStep>(PathStep{parent, std::string(key), -1});
}

Path step(const Path& parent, std::size_t index) {
  return std::make_shared<PathStep>(PathStep{parent, {}, static_cast<std::int64_t>(index)});
}

std::string path_text(const Path& path) {
  std::vector<const PathStep*> steps;
  for (const PathStep* at = path.get(); at != nullptr; at = at->parent.get()) {
    steps.push_back(at);
  }
  std::reverse(steps.begin(), steps.end());
  std::string out;
  for (const PathStep* at : steps) {
    if (at->index >= 0) {
      out += fmt::format("[{}]", at->index);
      continue;
    }
    out += out.empty() ? "" : ".";
    out += is_path_word(at->key) ? at->key : "\"" + at->key + "\"";
  }
  return out;
}

std::string shown_path(const Node& node) {
  return node.path().empty() ? "(top level)" : node.path();
}

// ---- Node ---------------------------------------------------------------------------------------

std::size_t NodeAccess::find(NodeData& map, std::string_view key) {
  if (map.entries.size() < kIndexFrom) {
    const auto found = std::find_if(
        map.entries.begin(), map.entries.end(), [&](const Entry& e) { return e.key == key; });
    return static_cast<std::size_t>(found - map.entries.begin());
  }
  if (map.index == nullptr) {
    map.index = std::make_unique<KeyIndex>();
    for (std::size_t i = 0; i < map.entries.size(); ++i) {
      map.index->emplace(map.entries[i].key, i);
    }
  }
  const auto found = map.index->find(key);
  return found == map.index->end() ? map.entries.size() : found->second;
}

void NodeAccess::add(NodeData& map, Entry entry) {
  map.entries.push_back(std::move(entry));
  if (map.index != nullptr) {
    map.index->emplace(map.entries.back().key, map.entries.size() - 1);
  }
}

Node::Node() : data_(nothing()) {}

Node::Node(std::shared_ptr<NodeData> data) : data_(std::move(data)) {}

NodeType Node::type() const {
  return data_->type;
}

const Position& Node::at() const {
  return data_->at;
}

const std::string& Node::path() const {
  if (data_->path_text == nullptr) {
    data_->path_text = std::make_unique<std::string>(path_text(data_->path));
  }
  return *data_->path_text;
}

const std::string& Node::scalar() const {
  return data_->text;
}

bool Node::quoted() const {
  return data_->quoted;
}

const std::vector<Position>& Node::history() const {
  return data_->history;
}

const std::vector<Node>& Node::items() const {
  return data_->items;
}

std::vector<std::pair<std::string, Position>> Node::keys() const {
  std::vector<std::pair<std::string, Position>> out;
  out.reserve(data_->entries.size());
  for (const Entry& entry : data_->entries) {
    out.emplace_back(entry.key, entry.at);
  }
  return out;
}

bool Node::has(std::string_view key) const {
  return NodeAccess::find(*data_, key) < data_->entries.size();
}

Node Node::get(std::string_view key) const {
  const std::size_t at = NodeAccess::find(*data_, key);
  if (at < data_->entries.size()) {
    const Node& value = data_->entries[at].value;
    value.data_->read = true;
    return value;
  }
  NodeData missing;
  missing.absent = true;
  missing.at = data_->at;
  missing.path = step(data_->path, key);
  return wrap(std::move(missing));
}

void Node::mark_read() const {
  if (data_ == nothing()) {
    return;
  }
  data_->read = true;
  for (const Node& item : data_->items) {
    item.mark_read();
  }
  for (const Entry& entry : data_->entries) {
    entry.value.mark_read();
  }
}

// ---- trees --------------------------------------------------------------------------------------

Node copy_tree(const Node& node, const Path& path) {
  const NodeData& from = NodeAccess::data(node);
  NodeData out = shallow_copy(from, path);
  out.items.reserve(from.items.size());
  for (const Node& item : from.items) {
    out.items.push_back(copy_tree(item, step(path, out.items.size())));
  }
  out.entries.reserve(from.entries.size());
  for (const Entry& entry : from.entries) {
    out.entries.push_back({entry.key, entry.at, copy_tree(entry.value, step(path, entry.key))});
  }
  return wrap(std::move(out));
}

Node merge(const Node& base, const Node& over) {
  const Path& path = NodeAccess::data(base).path != nullptr ? NodeAccess::data(base).path
                                                            : NodeAccess::data(over).path;
  return merge_at(base, over, path);
}

void apply_set(Node& root, const std::string& assignment, Diagnostics& diagnostics) {
  const Limits limits;
  auto source = std::make_shared<SourceText>();
  source->name = "--set";
  source->lines = split_lines(assignment, limits.max_nodes);
  const auto fail = [&](std::string_view why, std::size_t at, std::string path, std::string hint) {
    diagnostics.error({.code = "E-CFG-SET",
                       .sentence = fmt::format("cannot apply --set: {}", why),
                       .at = {source, 1, static_cast<int>(at) + 1},
                       .path = std::move(path),
                       .expected = "path=value, e.g. chip.tiles[0].rows=128",
                       .got = quote(assignment),
                       .hint = std::move(hint),
                       .related = {}});
  };
  if (assignment.size() > limits.max_bytes) {
    fail("assignment is too long", 0, "(top level)", {});
    return;
  }
  const SetPath target = parse_set_path(assignment);
  if (!target.problem.empty()) {
    fail(target.problem, target.end, "(top level)", {});
    return;
  }

  Node made = copy_tree(root, NodeAccess::data(root).path);
  Node* at = &made;
  Position* key_at = nullptr;
  Path path = NodeAccess::data(made).path;
  for (const SetStep& one : target.steps) {
    NodeData& here = NodeAccess::data(*at);
    const Position place{source, 1, static_cast<int>(one.at) + 1};
    if (here.absent) {
      here.absent = false;
      here.at = place;
      here.type = NodeType::map;
    }
    if (one.index) {
      if (here.type != NodeType::sequence || *one.index >= here.items.size()) {
        fail(here.type == NodeType::sequence
                 ? fmt::format("the list has {} items, counted from 0", here.items.size())
                 : "an index needs a list",
             one.at,
             shown_path(*at),
             {});
        return;
      }
      path = step(path, *one.index);
      at = &here.items[*one.index];
      key_at = nullptr;
      continue;
    }
    if (here.type != NodeType::map) {
      fail(here.type == NodeType::sequence ? "a list needs an index, e.g. [0]"
                                           : "the value there is not a map",
           one.at,
           shown_path(*at),
           {});
      return;
    }
    path = step(path, one.key);
    std::size_t found = NodeAccess::find(here, one.key);
    if (found == here.entries.size()) {
      NodeData missing;
      missing.absent = true;
      missing.at = place;
      missing.path = path;
      NodeAccess::add(here, {one.key, place, wrap(std::move(missing))});
    }
    at = &here.entries[found].value;
    key_at = &here.entries[found].at;
  }

  const std::size_t errors_before = diagnostics.errors().size();
  Budget budget(limits);
  const std::size_t value_at = target.end + 1;
  const Node value = parse_part(std::string_view(assignment).substr(value_at),
                                source,
                                static_cast<int>(value_at),
                                path,
                                budget,
                                limits,
                                diagnostics);
  if (diagnostics.errors().size() > errors_before) {
    return;
  }
  NodeAccess::data(value).absent = false;
  *at = merge_at(*at, value, path);
  if (key_at != nullptr) {
    *key_at = {source, 1, static_cast<int>(target.steps.back().at) + 1};
  }
  root = made;
}

void report_unread(const Node& node, Diagnostics& diagnostics) {
  unread_below(node, diagnostics);
}

std::string dump(const Node& node) {
  const NodeData& data = NodeAccess::data(node);
  std::string out;
  if (const auto text = inline_text(data)) {
    return *text + provenance(data);
  }
  dump_block(out, data, "");
  return out;
}

bool equal(const Node& a, const Node& b) {
  const NodeData& left = NodeAccess::data(a);
  const NodeData& right = NodeAccess::data(b);
  return left.type == right.type && left.quoted == right.quoted && left.text == right.text &&
         std::equal(left.items.begin(),
                    left.items.end(),
                    right.items.begin(),
                    right.items.end(),
                    [](const Node& x, const Node& y) { return equal(x, y); }) &&
         std::equal(left.entries.begin(),
                    left.entries.end(),
                    right.entries.begin(),
                    right.entries.end(),
                    [](const Entry& x, const Entry& y) {
                      return x.key == y.key && equal(x.value, y.value);
                    });
}

bool is_simple_plain(std::string_view text) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty() || text.back() == ' ' || text.back() == ':') {
    return false;
  }
  const char first = text.front();
  const bool is_sign = first == '-' || first == '+';
  const bool signed_number = (text.size() > 1 && (is_sign || first == '.') && is_word(text[1])) ||
                             (text.size() > 2 && is_sign && text[1] == '.' && is_word(text[2]));
  if (!is_word(first) && first != '_' && first != '/' && first != '(' && !signed_number) {
    return false;
  }
  return text != "null" && text != "Null" && text != "NULL" &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; }) &&
         text.find(": ") == std::string_view::npos && text.find(" #") == std::string_view::npos;
}

bool has_leading_zero(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    text.remove_prefix(1);
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() < 2 || text[0] != '0' || !digit(text[1])) {
    return false;
  }
  std::size_t i = 0;
  while (i < text.size() && digit(text[i])) {
    ++i;
  }
  if (i < text.size() && text[i] == '.') {
    ++i;
    while (i < text.size() && digit(text[i])) {
      ++i;
    }
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
      ++i;
    }
    while (i < text.size() && digit(text[i])) {
      ++i;
    }
  }
  return i == text.size();
}

}  // namespace tessera::config
