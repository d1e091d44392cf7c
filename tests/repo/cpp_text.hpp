// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// C++ as text: enough of it to tell code from comments and literals, and to know where a statement
/// stands. No parser; code that is laid out as clang-format does it is understood.
#pragma once

#include <algorithm>
#include <cctype>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::repo {

/// Comments become blanks, and so do the insides of literals unless `keep_literals`; line ends
/// stay.
inline std::string code_of(std::string_view text, bool keep_literals) {
  std::string out(text);
  const auto blank = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && i < out.size(); ++i) {
      if (out[i] != '\n') {
        out[i] = ' ';
      }
    }
  };
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  std::size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (text.substr(i, 2) == "//") {
      const std::size_t end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (text.substr(i, 2) == "/*") {
      const std::size_t close = text.find("*/", i + 2);
      const std::size_t end = close == std::string_view::npos ? text.size() : close + 2;
      blank(i, end);
      i = end;
    } else if (text.substr(i, 2) == "R\"" && (i == 0 || !is_word(text[i - 1]))) {
      const std::size_t open = std::min(text.find('(', i), text.size());
      const std::string close = ")" + std::string(text.substr(i + 2, open - i - 2)) + "\"";
      const std::size_t end = std::min(text.find(close, open), text.size());
      if (!keep_literals) {
        blank(i + 2, end + close.size() - 1);
      }
      i = std::min(end + close.size(), text.size());
    } else if (c == '"' ||
               (c == '\'' && (i == 0 || !is_word(text[i - 1])))) {  // 1'000 is no literal
      std::size_t end = i + 1;
      while (end < text.size() && text[end] != c && text[end] != '\n') {
        end += text[end] == '\\' ? 2 : 1;
      }
      if (!keep_literals) {
        blank(i + 1, end);
      }
      i = end + 1;
    } else {
      ++i;
    }
  }
  return out;
}

struct Include {
  int line = 0;
  bool angled = false;
  std::string what;
};

inline std::vector<Include> includes_of(std::string_view text) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*([<"])([^>"]+)[>"])re");
  std::vector<Include> out;
  const std::string code = code_of(text, true);
  int line = 0;
  std::size_t begin = 0;
  while (begin <= code.size()) {
    const std::size_t end = std::min(code.find('\n', begin), code.size());
    ++line;
    const std::string one = code.substr(begin, end - begin);
    std::smatch match;
    if (std::regex_search(one, match, kInclude)) {
      out.push_back({line, match[1] == "<", match[2]});
    }
    begin = end + 1;
  }
  return out;
}

struct MutableData {
  int line = 0;
  std::string statement;
};

/// Data that outlives a function and can change: variables at namespace scope, static members,
/// static locals. Judged by the words of the declaration: const after the last '*', constexpr, or
/// not.
class MutableDataFinder {
 public:
  explicit MutableDataFinder(std::string_view text) : code_(code_of(text, false)) {}

  std::vector<MutableData> find() {
    remove_preprocessor();
    int line = 1;
    for (const char c : code_) {
      line += c == '\n' ? 1 : 0;
      if (c == '{') {
        open();
      } else if (c == '}') {
        close();
      } else if (c == ';' && parens_ == 0) {
        judge();
        statement_.clear();
      } else {
        parens_ += c == '(' ? 1 : (c == ')' ? -1 : 0);
        if (statement_.empty() && std::isspace(static_cast<unsigned char>(c)) == 0) {
          line_ = line;
        }
        if (!statement_.empty() || std::isspace(static_cast<unsigned char>(c)) == 0) {
          statement_ += c;
        }
        if (c == ':') {
          drop_label();
        }
      }
    }
    return found_;
  }

 private:
  enum class Scope { name_space, type, body, initializer };

  struct Open {
    Scope scope;
    int parens;
  };

  void remove_preprocessor() {
    std::size_t begin = 0;
    bool continued = false;
    while (begin < code_.size()) {
      const std::size_t end = std::min(code_.find('\n', begin), code_.size());
      const std::size_t first = code_.find_first_not_of(" \t", begin);
      const bool directive = continued || (first < end && code_[first] == '#');
      continued = directive && end > begin && code_[end - 1] == '\\';
      if (directive) {
        std::fill(code_.begin() + static_cast<std::ptrdiff_t>(begin),
                  code_.begin() + static_cast<std::ptrdiff_t>(end),
                  ' ');
      }
      begin = end + 1;
    }
  }

  [[nodiscard]] Scope scope() const {
    return open_.empty() ? Scope::name_space : open_.back().scope;
  }

  /// "public:" is no part of the statement that follows.
  void drop_label() {
    if (statement_ == "public:" || statement_ == "private:" || statement_ == "protected:") {
      statement_.clear();
    }
  }

  [[nodiscard]] bool says_static() const {
    return statement_.rfind("static", 0) == 0 || statement_.rfind("inline static", 0) == 0 ||
           statement_.rfind("thread_local", 0) == 0 ||
           statement_.rfind("inline thread_local", 0) == 0;
  }

  /// Without attributes and "template <...>" in front, and without operator names, whose symbols
  /// would mislead.
  [[nodiscard]] std::string plain() const {
    static const std::regex kOperator(R"(operator\s*(\(\)|\[\]|[^\s\w(]+))");
    static const std::regex kAttribute(R"(\[\[[^\]]*\]\]\s*)");
    std::string text = statement_;
    if (text.find("operator") != std::string::npos) {
      text = std::regex_replace(text, kOperator, "operator_");
    }
    while (text.rfind("template", 0) == 0) {
      std::size_t at = text.find('<');
      int depth = 0;
      for (; at < text.size(); ++at) {
        depth += text[at] == '<' ? 1 : (text[at] == '>' ? -1 : 0);
        if (depth == 0) {
          break;
        }
      }
      text = at >= text.size() ? "" : text.substr(at + 1);
      text = text.substr(std::min(text.find_first_not_of(" \n\t"), text.size()));
    }
    return text.find("[[") == std::string::npos ? text : std::regex_replace(text, kAttribute, "");
  }

  /// What the '{' after statement_ begins.
  [[nodiscard]] Scope opened() const {
    static const std::regex kNamespace(R"(^(inline\s+)?namespace\b|^extern\s*"\s*"\s*$)");
    static const std::regex kType(
        R"(^(typedef\s+|static\s+|inline\s+)*(class|struct|union|enum)\b)");
    static const std::regex kConstructor(R"(\)[^?]*[^:]:[^:])");
    if (parens_ > 0) {
      return Scope::initializer;  // an argument, or the body of a lambda that is one
    }
    if (scope() == Scope::body && !says_static()) {
      return Scope::body;  // nothing in a function lives on, unless it says so
    }
    const std::string text = plain();
    if (std::regex_search(text, kNamespace)) {
      return Scope::name_space;
    }
    const std::size_t equals = text.find('=');
    const std::size_t call = text.find('(');
    if (std::regex_search(text, kType) && call == std::string::npos &&
        equals == std::string::npos) {
      return Scope::type;
    }
    const std::size_t last = text.find_last_not_of(" \n\t");
    const bool after_word =
        last != std::string::npos && (std::isalnum(static_cast<unsigned char>(text[last])) != 0 ||
                                      text[last] == '_' || text[last] == '>');
    if (equals < call || (call == std::string::npos && after_word)) {
      return Scope::initializer;
    }
    // The braces of a member in a constructor come after a name, those of its body do not.
    return after_word && std::regex_search(text, kConstructor) ? Scope::initializer : Scope::body;
  }

  void open() {
    const Scope next = opened();
    open_.push_back({next, parens_});
    parens_ = 0;
    if (next == Scope::type || next == Scope::initializer) {
      held_.push_back(statement_);
    }
    statement_.clear();
  }

  void close() {
    if (open_.empty()) {
      return;
    }
    const Open last = open_.back();
    open_.pop_back();
    parens_ = last.parens;
    statement_.clear();
    if (last.scope == Scope::type || last.scope == Scope::initializer) {
      statement_ = held_.back() + "{}";
      held_.pop_back();
    }
  }

  void judge() {
    static const std::regex kNoData(
        R"(^(using|typedef|static_assert|friend|namespace|concept|return|goto|throw|case)\b)");
    static const std::regex kType(R"(^(class|struct|union|enum)\b)");
    static const std::regex kConst(R"(\bconst\b)");
    static const std::regex kConstexpr(R"(\bconstexpr\b)");
    static const std::regex kSpaces(R"(\s+)");
    if (scope() != Scope::name_space && !says_static()) {
      return;
    }
    const std::string text = plain();
    if (text.empty() || std::regex_search(text, kNoData)) {
      return;
    }
    if (std::regex_search(text, kType) && text.find('=') == std::string::npos) {
      const std::size_t body = text.rfind("{}");
      if (body == std::string::npos ||
          text.find_first_not_of(" \n\t", body + 2) == std::string::npos) {
        return;  // a type and nothing else
      }
    }
    // The declaration ends where its value begins; a '(' before that is a function or a macro.
    const std::string declaration = text.substr(0, std::min(text.find('='), text.find('{')));
    if (declaration.find('(') != std::string::npos) {
      return;
    }
    const std::size_t star = declaration.rfind('*');
    const std::string decides = star == std::string::npos ? declaration : declaration.substr(star);
    if (!std::regex_search(decides, kConst) && !std::regex_search(declaration, kConstexpr)) {
      found_.push_back({line_, std::regex_replace(text.substr(0, 80), kSpaces, " ")});
    }
  }

  std::string code_;
  std::vector<Open> open_;
  std::vector<std::string> held_;
  std::string statement_;
  std::vector<MutableData> found_;
  int parens_ = 0;
  int line_ = 1;
};

}  // namespace tessera::repo
