// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/config.hpp"

#include "sim/base/config_node.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <new>
#include <sstream>
#include <system_error>
#include <unordered_map>
#include <utility>

namespace tessera::config {

namespace {

constexpr std::size_t kLongestKey = 200;  // bytes; the parser takes keys up to 1024 characters
constexpr std::size_t kMaxIncludes = 1000;

/// Thrown through the parser to stop it; the diagnostic is already reported.
struct Stop {};

Diagnostic diagnostic(std::string code,
                      std::string sentence,
                      Position at,
                      const std::string& path,
                      std::string expected,
                      std::string got,
                      std::string hint = {}) {
  return {.code = std::move(code),
          .sentence = std::move(sentence),
          .at = std::move(at),
          .path = path.empty() ? "(top level)" : path,
          .expected = std::move(expected),
          .got = std::move(got),
          .hint = std::move(hint),
          .related = {}};
}

/// Builds the tree from parser events, under our rules and limits.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::shared_ptr<const SourceText> source,
          int column_offset,
          Path root,
          Budget& budget,
          const Limits& limits,
          Diagnostics& diagnostics)
      : source_(std::move(source)),
        column_offset_(column_offset),
        root_path_(std::move(root)),
        budget_(budget),
        limits_(limits),
        diagnostics_(diagnostics) {}

  [[nodiscard]] Position place(const YAML::Mark& mark) const {
    if (mark.is_null()) {
      return {source_, 0, 0};
    }
    return {source_, mark.line + 1, mark.column + 1 + (mark.line == 0 ? column_offset_ : 0)};
  }

  [[nodiscard]] bool has_root() const { return has_root_; }

  [[nodiscard]] const Node& root() const { return root_; }

  /// Path of what is being read, for errors of the parser itself.
  [[nodiscard]] std::string current_path() const {
    return path_text(frames_.empty() ? root_path_ : next_path(frames_.back()));
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_root_) {
      report("E-CFG-SYNTAX",
             "more than one document in one file",
             place(mark),
             {},
             "one YAML document",
             "'---'",
             "split the file, or remove the line '---'");
      throw Stop{};
    }
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Position at = place(mark);
    if (is_key()) {
      refuse_key(at, "nothing");
      return;
    }
    // The parser places a missing value at the next token, often on another line.
    if (!frames_.empty() && frames_.back().key_at.line != 0 &&
        frames_.back().key_at.line != at.line) {
      at = frames_.back().key_at;
    }
    remember(anchor, attach(make(NodeType::null, at)));
    after_value();
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Position at = place(mark);
    if (is_key()) {
      refuse_key(at, "an alias");
      return;
    }
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      report("E-CFG-LIMIT",
             "alias refers to a value that contains it",
             at,
             current_path(),
             "an alias of a finished value",
             "an endless value");
      throw Stop{};
    }
    check_size(found->second, frames_.size() + 1, at);
    attach(copy_tree(found->second, next()));
    after_value();
  }

  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t anchor,
                const std::string& value) override {
    const Position at = place(mark);
    check_tag(tag, at);
    const bool quoted = tag == "!" || !is_simple_plain(value);
    if (is_key()) {
      take_key(value, quoted, at);
      auto data = std::make_shared<NodeData>();
      data->type = NodeType::scalar;
      data->quoted = quoted;
      data->text = value;
      data->at = at;
      remember(anchor, NodeAccess::make(std::move(data)));
      return;
    }
    Node node = make(NodeType::scalar, at);
    NodeData& data = NodeAccess::data(node);
    data.quoted = quoted;
    data.text = value;
    attach(node);
    if (!quoted && has_leading_zero(value)) {
      std::string shorter = value;
      const std::size_t sign = shorter.front() == '-' || shorter.front() == '+' ? 1 : 0;
      while (shorter.size() > sign + 1 && shorter[sign] == '0' && shorter[sign + 1] >= '0' &&
             shorter[sign + 1] <= '9') {
        shorter.erase(sign, 1);
      }
      report("E-CFG-LEADING-ZERO",
             fmt::format("number {} has a leading zero", quote(value)),
             at,
             node.path(),
             "a decimal number without leading zeros",
             quote(value),
             fmt::format("write {}, or \"{}\" for text", shorter, value));
    }
    remember(anchor, node);
    after_value();
  }

  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(NodeType::sequence, place(mark), tag, anchor);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(NodeType::map, place(mark), tag, anchor);
  }

  void OnMapEnd() override { close(); }

  void report(std::string code,
              std::string sentence,
              Position at,
              const std::string& path,
              std::string expected,
              std::string got,
              std::string hint = {}) {
    diagnostics_.error(diagnostic(std::move(code),
                                  std::move(sentence),
                                  std::move(at),
                                  path,
                                  std::move(expected),
                                  std::move(got),
                                  std::move(hint)));
  }

 private:
  /// A container being read. Of a map entry the key comes first, then its value.
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool keep = true;  // false: the entry is read and dropped, because its key is in error
    std::string key;
    Position key_at;
  };

  [[nodiscard]] bool is_key() const {
    return !frames_.empty() && frames_.back().node.type() == NodeType::map &&
           !frames_.back().has_key;
  }

  [[nodiscard]] static Path next_path(const Frame& frame) {
    const NodeData& data = NodeAccess::data(frame.node);
    return data.type == NodeType::map ? step(data.path, frame.key)
                                      : step(data.path, data.items.size());
  }

  [[nodiscard]] Path next() const {
    return frames_.empty() ? root_path_ : next_path(frames_.back());
  }

  void spend_node(const Position& at) {
    if (budget_.nodes == 0) {
      report("E-CFG-LIMIT",
             "configuration has too many values",
             at,
             current_path(),
             fmt::format("at most {} values, aliases expanded", limits_.max_nodes),
             fmt::format("more than {}", limits_.max_nodes));
      throw Stop{};
    }
    --budget_.nodes;
  }

  void spend_copy(std::size_t bytes, const Position& at) {
    if (bytes > budget_.copied_bytes) {
      report("E-CFG-LIMIT",
             "aliases repeat too much text",
             at,
             current_path(),
             fmt::format("at most {} bytes", limits_.max_bytes),
             "more than that");
      throw Stop{};
    }
    budget_.copied_bytes -= bytes;
  }

  void check_depth(std::size_t depth, const Position& at) {
    if (depth > static_cast<std::size_t>(std::max(limits_.max_depth, 1))) {
      report("E-CFG-LIMIT",
             "configuration is nested too deeply",
             at,
             current_path(),
             fmt::format("at most {} levels", limits_.max_depth),
             fmt::format("level {}", depth));
      throw Stop{};
    }
  }

  /// Counts what an alias would add before it is copied.
  void check_size(const Node& node, std::size_t depth, const Position& at) {
    spend_node(at);
    check_depth(depth, at);
    spend_copy(node.scalar().size(), at);
    for (const Node& item : node.items()) {
      check_size(item, depth + 1, at);
    }
    for (const Entry& entry : NodeAccess::data(node).entries) {
      spend_copy(entry.key.size(), at);
      check_size(entry.value, depth + 1, at);
    }
  }

  void check_tag(const std::string& tag, const Position& at) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      report("E-CFG-SYNTAX",
             fmt::format("tag {} is not supported", quote(tag)),
             at,
             current_path(),
             "a value without a tag",
             quote(tag),
             "remove the tag; put text in quotes");
    }
  }

  Node make(NodeType type, const Position& at) {
    spend_node(at);
    auto data = std::make_shared<NodeData>();
    data->type = type;
    data->at = at;
    data->path = next();
    return NodeAccess::make(std::move(data));
  }

  /// Hangs a value where the parser is. A container is attached when it opens, so that a syntax
  /// error further down leaves a partial tree.
  const Node& attach(const Node& node) {
    if (frames_.empty()) {
      root_ = node;
      has_root_ = true;
      return node;
    }
    Frame& frame = frames_.back();
    NodeData& parent = NodeAccess::data(frame.node);
    if (parent.type == NodeType::sequence) {
      parent.items.push_back(node);
    } else if (frame.has_key && frame.keep) {
      NodeAccess::add(parent, {frame.key, frame.key_at, node});
    }
    return node;
  }

  void after_value() {
    if (!frames_.empty()) {
      frames_.back().has_key = false;
      frames_.back().keep = true;
    }
  }

  void remember(YAML::anchor_t anchor, const Node& node) {
    if (anchor != 0) {
      anchors_[anchor] = node;
    }
  }

  void take_key(const std::string& key, bool quoted, const Position& at) {
    Frame& frame = frames_.back();
    NodeData& map = NodeAccess::data(frame.node);
    frame.has_key = true;
    frame.keep = true;
    frame.key = key;
    frame.key_at = at;
    const std::string path = path_text(next_path(frame));
    if (key.size() > kLongestKey) {
      frame.keep = false;
      report("E-CFG-LIMIT",
             "key is too long",
             at,
             path_text(map.path),
             fmt::format("at most {} bytes", kLongestKey),
             fmt::format("{} bytes", key.size()));
    } else if (key == "<<" && quoted) {
      frame.keep = false;
      report("E-CFG-SYNTAX",
             "merge keys are not supported",
             at,
             path_text(map.path),
             "plain keys",
             "'<<'",
             "use 'include', or write the keys");
    } else if (const std::size_t first = NodeAccess::find(map, key); first < map.entries.size()) {
      frame.keep = false;
      Diagnostic d = diagnostic("E-CFG-DUPLICATE-KEY",
                                fmt::format("duplicate key {}", quote(key)),
                                at,
                                path,
                                "each key once",
                                quote(key),
                                "remove one of the two");
      d.related = {map.entries[first].at};
      diagnostics_.error(std::move(d));
    }
  }

  /// A key that is no text: reported, and its value dropped.
  void refuse_key(const Position& at, std::string_view what) {
    Frame& frame = frames_.back();
    if (complex_keys_ == 0) {
      report("E-CFG-SYNTAX",
             "key is not text",
             at,
             path_text(NodeAccess::data(frame.node).path),
             "text as key",
             std::string(what),
             "put the key in quotes");
    }
    frame.has_key = true;
    frame.keep = false;
    frame.key.clear();
    frame.key_at = at;
  }

  void open(NodeType type, const Position& at, const std::string& tag, YAML::anchor_t anchor) {
    check_depth(frames_.size() + 1, at);
    check_tag(tag, at);
    const bool is_complex_key = is_key();
    if (is_complex_key) {
      refuse_key(at, type == NodeType::map ? "a map" : "a list");
      frames_.back().has_key = false;
      ++complex_keys_;
    }
    Node node = make(type, at);
    if (!is_complex_key) {
      attach(node);
    }
    Frame frame;
    frame.node = node;
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }

  void close() {
    const Frame done = std::move(frames_.back());
    frames_.pop_back();
    remember(done.anchor, done.node);
    if (is_key()) {
      --complex_keys_;
      frames_.back().has_key = true;
      frames_.back().keep = false;
      return;
    }
    after_value();
  }

  std::shared_ptr<const SourceText> source_;
  int column_offset_;
  Path root_path_;
  Budget& budget_;
  const Limits& limits_;
  Diagnostics& diagnostics_;
  Node root_;
  bool has_root_ = false;
  std::vector<Frame> frames_;
  int complex_keys_ = 0;  // open containers that are keys; what they hold is already refused
  std::unordered_map<YAML::anchor_t, Node> anchors_;
};

Node absent_at(const std::shared_ptr<const SourceText>& source, int column, const Path& path) {
  auto data = std::make_shared<NodeData>();
  data->absent = true;
  data->at = {source, 1, column};
  data->path = path;
  return NodeAccess::make(std::move(data));
}

/// Length of the UTF-8 sequence at the start of `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0U) == 0x80U; };
  if (byte(0) < 0x80) {
    return 1;
  }
  if (byte(0) >= 0xC2 && byte(0) <= 0xDF) {
    return tail(1) ? 2 : 0;
  }
  if ((byte(0) & 0xF0U) == 0xE0U) {
    const bool valid = tail(1) && tail(2) && !(byte(0) == 0xE0 && byte(1) < 0xA0) &&
                       !(byte(0) == 0xED && byte(1) >= 0xA0);
    return valid ? 3 : 0;
  }
  if (byte(0) >= 0xF0 && byte(0) <= 0xF4) {
    const bool valid = tail(1) && tail(2) && tail(3) && !(byte(0) == 0xF0 && byte(1) < 0x90) &&
                       !(byte(0) == 0xF4 && byte(1) >= 0x90);
    return valid ? 4 : 0;
  }
  return 0;
}

/// The parser guesses other encodings and stops silently at some control characters, so both are
/// refused before it sees them. Returns false and reports the first offence.
bool check_characters(std::string_view text,
                      const std::shared_ptr<const SourceText>& source,
                      int column_offset,
                      Diagnostics& diagnostics) {
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool line_end = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    const bool control =
        (byte < 0x20 && text[i] != '\t' && text[i] != '\n' && !line_end) || byte == 0x7f;
    if (length == 0 || control) {
      const int column = static_cast<int>(i - line_start) + 1 + (line == 1 ? column_offset : 0);
      diagnostics.error(
          diagnostic("E-CFG-SYNTAX",
                     length == 0 ? "text is not UTF-8" : "text contains a control character",
                     {source, line, column},
                     {},
                     "UTF-8 text",
                     fmt::format("byte 0x{:02x}", byte),
                     "save the file as UTF-8 with Unix or Windows line ends"));
      return false;
    }
    if (text[i] == '\n') {
      ++line;
      line_start = i + 1;
    }
    i += length;
  }
  return true;
}

std::size_t count_of(std::string_view text, std::string_view characters) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [&](char c) {
    return characters.find(c) != std::string_view::npos;
  }));
}

std::string lower_first(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

/// What stands at `at`, for "got".
std::string text_at(const Position& at) {
  if (at.source == nullptr || at.line < 1 ||
      static_cast<std::size_t>(at.line) > at.source->lines.size()) {
    return "end of text";
  }
  const std::string& line = at.source->lines[static_cast<std::size_t>(at.line) - 1];
  const std::size_t from =
      std::min(line.size(), static_cast<std::size_t>(std::max(at.column, 1)) - 1);
  return from == line.size() ? "end of line" : quote(std::string_view(line).substr(from));
}

std::string syntax_hint(const Position& at) {
  if (at.source == nullptr || at.line < 1 ||
      static_cast<std::size_t>(at.line) > at.source->lines.size()) {
    return "look for a bracket or quote that is not closed";
  }
  const std::string& line = at.source->lines[static_cast<std::size_t>(at.line) - 1];
  return line.find('\t') != std::string::npos ? "indent with spaces, not tabs" : "";
}

// ---- files ----

struct Loader {
  const Limits& limits;
  Diagnostics& diagnostics;
  Budget budget;
  std::size_t files = 0;
  std::vector<std::pair<std::filesystem::path, Position>> open =
      {};  // with the place of the include

  Node load(const std::string& path, const Position& included_from, const std::string& key_path);
  Node with_includes(const Node& node, const std::string& path);
};

/// Reads at most `max_bytes`; an empty `problem` means success.
struct FileText {
  std::string text;
  std::string problem;
  bool too_large = false;
};

FileText read_file(const std::string& path, std::size_t max_bytes) {
  FileText out;
  std::error_code error;
  if (path.find('\0') != std::string::npos) {
    out.problem = "the name contains a null character";
    return out;
  }
  if (std::filesystem::is_directory(path, error)) {
    out.problem = "it is a directory";
    return out;
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    out.problem = errno != 0 ? lower_first(std::strerror(errno)) : "it cannot be opened";
    return out;
  }
  constexpr std::size_t kChunk = 1U << 16;
  std::string chunk(kChunk, '\0');
  while (in && out.text.size() <= max_bytes) {
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    out.text.append(chunk, 0, static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) {
    out.problem = "reading failed";
  }
  out.too_large = out.text.size() > max_bytes;
  return out;
}

Node parse_text(std::string_view text,
                const std::string& name,
                Budget& budget,
                const Limits& limits,
                Diagnostics& diagnostics) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  auto source = std::make_shared<SourceText>();
  source->name = name;
  source->lines = split_lines(text.substr(0, limits.max_bytes), limits.max_nodes);
  return parse_part(text, source, 0, nullptr, budget, limits, diagnostics);
}

Node Loader::load(const std::string& path,
                  const Position& included_from,
                  const std::string& key_path) {
  Position at = included_from;
  if (at.source == nullptr) {
    auto source = std::make_shared<SourceText>();
    source->name = path;
    at = {source, 0, 0};
  }
  if (++files > kMaxIncludes || open.size() > static_cast<std::size_t>(limits.max_depth)) {
    diagnostics.error(
        diagnostic("E-CFG-LIMIT",
                   "too many included files",
                   at,
                   key_path,
                   fmt::format("at most {} files, {} levels deep", kMaxIncludes, limits.max_depth),
                   quote(path)));
    return {};
  }

  std::error_code error;
  std::filesystem::path real = std::filesystem::weakly_canonical(path, error);
  if (error) {
    real = std::filesystem::path(path).lexically_normal();
  }
  const auto twice =
      std::find_if(open.begin(), open.end(), [&](const auto& one) { return one.first == real; });
  if (twice != open.end()) {
    Diagnostic d = diagnostic("E-CFG-INCLUDE-CYCLE",
                              fmt::format("file {} includes itself", quote(path)),
                              at,
                              key_path,
                              "a file that does not lead back here",
                              quote(path),
                              "remove one of the includes");
    for (auto one = twice + 1; one != open.end(); ++one) {
      d.related.push_back(one->second);
    }
    diagnostics.error(std::move(d));
    return {};
  }

  const FileText file = read_file(path, limits.max_bytes);
  if (!file.problem.empty()) {
    diagnostics.error(diagnostic("E-CFG-FILE",
                                 fmt::format("cannot read {}: {}", quote(path), file.problem),
                                 at,
                                 key_path,
                                 "a readable YAML file",
                                 quote(path),
                                 included_from.source != nullptr
                                     ? "the path is relative to the file that includes it"
                                     : ""));
    return {};
  }
  open.emplace_back(real, included_from);
  const Node node = parse_text(file.text, path, budget, limits, diagnostics);
  Node out = with_includes(node, path);
  open.pop_back();
  return out;
}

Node Loader::with_includes(const Node& node, const std::string& path) {
  NodeData& data = NodeAccess::data(node);
  const std::size_t found = NodeAccess::find(data, "include");
  if (found == data.entries.size()) {
    return node;
  }
  const Node include = data.entries[found].value;
  data.entries.erase(data.entries.begin() + static_cast<std::ptrdiff_t>(found));
  data.index.reset();
  const std::vector<Node> files_to_read =
      include.type() == NodeType::sequence ? include.items() : std::vector<Node>{include};
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  Node below;
  for (const Node& one : files_to_read) {
    if (one.type() != NodeType::scalar || one.scalar().empty()) {
      diagnostics.error(diagnostic("E-CFG-TYPE",
                                   "wrong type for 'include'",
                                   one.at(),
                                   one.path(),
                                   "a file name, or a list of file names",
                                   "no file name"));
      continue;
    }
    const Node base =
        load((folder / one.scalar()).lexically_normal().string(), one.at(), one.path());
    below = merge(below, base);
  }
  return merge(below, node);
}

}  // namespace

std::vector<std::string> split_lines(std::string_view text, std::size_t max_lines) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < max_lines) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') {
      line.remove_suffix(1);
    }
    out.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

Node parse_part(std::string_view text,
                const std::shared_ptr<const SourceText>& source,
                int column_offset,
                const Path& root,
                Budget& budget,
                const Limits& limits,
                Diagnostics& diagnostics) {
  Node nothing = absent_at(source, column_offset + 1, root);
  const auto too_much = [&](std::string_view what, std::size_t limit, std::string_view unit) {
    diagnostics.error(diagnostic("E-CFG-LIMIT",
                                 fmt::format("configuration {}", what),
                                 {source, 0, 0},
                                 path_text(root),
                                 fmt::format("at most {} {}, with all included files", limit, unit),
                                 "more than that"));
  };
  if (text.size() > budget.bytes) {
    too_much("is too large", limits.max_bytes, "bytes");
    return nothing;
  }
  budget.bytes -= text.size();
  if (count_of(text, "\n") > limits.max_nodes) {
    too_much("has too many lines", limits.max_nodes, "lines");
    return nothing;
  }
  // The parser holds the tokens of a whole flow collection, some 200 bytes for each of these.
  if (count_of(text, "[{,") / 2 > limits.max_nodes) {
    too_much("has too many brackets and commas", 2 * limits.max_nodes, "of them");
    return nothing;
  }
  if (!check_characters(text, source, column_offset, diagnostics)) {
    return nothing;
  }

  Builder builder(source, column_offset, root, budget, limits, diagnostics);
  const auto syntax_error = [&](const Position& at, std::string what) {
    builder.report("E-CFG-SYNTAX",
                   "YAML syntax: " + lower_first(std::move(what)),
                   at,
                   builder.current_path(),
                   "YAML",
                   text_at(at),
                   syntax_hint(at));
  };
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop&) {
    // Reported by the builder.
  } catch (const YAML::DeepRecursion& e) {
    builder.report("E-CFG-LIMIT",
                   "configuration is nested too deeply",
                   builder.place(e.mark),
                   builder.current_path(),
                   fmt::format("at most {} levels", limits.max_depth),
                   "more than that");
  } catch (const YAML::Exception& e) {
    syntax_error(builder.place(e.mark), e.msg);
  } catch (const std::bad_alloc&) {
    too_much("needs more memory than there is", limits.max_nodes, "values");
  } catch (const std::exception& e) {
    syntax_error({source, 0, 0}, e.what());
  }
  return builder.has_root() ? builder.root() : nothing;
}

Node parse(std::string_view text,
           const std::string& name,
           Diagnostics& diagnostics,
           const Limits& limits) {
  Budget budget(limits);
  return parse_text(text, name, budget, limits, diagnostics);
}

Node load(const std::string& path, Diagnostics& diagnostics, const Limits& limits) {
  Loader loader{limits, diagnostics, Budget(limits)};
  return loader.load(path, {}, {});
}

}  // namespace tessera::config
