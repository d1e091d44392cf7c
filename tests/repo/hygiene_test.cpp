// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What every file keeps to: licence lines, no globals, no stray files, nothing of the machine it
/// was written on.
#include "tests/repo/cpp_text.hpp"
#include "tests/repo/tree.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace tessera::repo {
namespace {

constexpr std::string_view kLicence = "SPDX-License-Identifier: Apache-2.0";
constexpr std::string_view kAuthors = "SPDX-FileCopyrightText: The Tessera authors";

/// Sources and configurations that people write; not prose, data or what is wrong on purpose.
bool is_source(const std::string& file, const std::string& text) {
  const std::string name = file.substr(file.rfind('/') + 1);
  if (starts_with(file, "tests/fuzz/corpus/") || starts_with(file, "configs/bad/")) {
    return false;
  }
  return is_cpp(file) || ends_with(file, ".cmake") || ends_with(file, ".yaml") ||
         ends_with(file, ".yml") || ends_with(file, ".py") || ends_with(file, ".supp") ||
         ends_with(file, ".cff") || name == "CMakeLists.txt" || name == ".clang-format" ||
         name == ".clang-tidy" || starts_with(text, "#!");
}

std::vector<Finding> check_licence(const std::string& file, const std::string& text) {
  const std::vector<std::string> lines = lines_of(text);
  const std::size_t first = starts_with(text, "#!") ? 1 : 0;
  const std::string mark = is_cpp(file) ? "// " : "# ";
  for (const std::string_view expected : {kLicence, kAuthors}) {
    const std::size_t at = first + (expected == kAuthors ? 1 : 0);
    if (at >= lines.size() || lines[at] != mark + std::string(expected)) {
      return {{file, static_cast<int>(at) + 1, "expected '" + mark + std::string(expected) + "'"}};
    }
  }
  return {};
}

std::vector<Finding> check_lines(const std::string& file,
                                 const std::string& text,
                                 const std::regex& forbidden,
                                 const std::string& what) {
  std::vector<Finding> out;
  int number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, forbidden)) {
      out.push_back({file, number, what + ": " + match.str()});
    }
  }
  return out;
}

// A letter in brackets, or this file would find itself.
const std::regex& unnumbered_todo() {
  static const std::regex kTodo(R"(\b(TO[D]O|FIX[M]E|XX[X])\b(?!\(#[0-9]+\)))");
  return kTodo;
}

const std::regex& machine_path() {
  static const std::regex kPath(
      R"((^|[^\w.~}-])/([h]ome|[r]oot|[w]ork|[U]sers|[m]nt)/\w|\b[A-Z]:\\\\?[U]sers)");
  return kPath;
}

const std::regex& registry_host() {
  static const std::regex kHost(
      R"([r]egistry\.(npm|yarn|hub|k8s|gitlab|terraform)|[p]ypi\.org|[p]ythonhosted|[c]rates\.io|)"
      R"([d]eb\.debian\.org|[g]oproxy|[p]roxy\.golang|[g]hcr\.io|[d]ocker\.io|[a]rtifactory)");
  return kHost;
}

bool is_text(std::string_view content) {
  return content.find('\0') == std::string_view::npos;
}

/// Inputs of tests that are no text: ONNX files, NumPy arrays, images.
bool is_binary_data(const std::string& file) {
  if (starts_with(file, "configs/bad/data/") || starts_with(file, "tests/fuzz/corpus/data/") ||
      starts_with(file, "tests/fuzz/corpus/onnx/")) {
    return true;
  }
  return ((starts_with(file, "tests/data/onnx/") || starts_with(file, "configs/bad/parts/onnx_")) &&
          (ends_with(file, ".onnx") || ends_with(file, ".npy"))) ||
         (starts_with(file, "configs/bad/parts/param_") && ends_with(file, ".npz"));
}

/// Files that are no text, each with the reason why it is there.
const std::map<std::string, std::string>& allowed_binaries() {
  static const std::map<std::string, std::string> kAllowed = {
      {"configs/data/digits.csv.gz", "images that ship with Tessera"},
      {"tests/fuzz/corpus/yaml/nul_and_eof.yaml", "input of the fuzzer: a byte 0"},
      {"tests/fuzz/corpus/yaml/utf16.yaml", "input of the fuzzer: the wrong encoding"},
  };
  return kAllowed;
}

/// Prose and sources; inputs of fuzzers may hold anything.
std::vector<std::pair<std::string, std::string>> texts() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& file : files()) {
    std::string text = read(file);
    if (is_text(text) && !starts_with(file, "tests/fuzz/corpus/")) {
      out.emplace_back(file, std::move(text));
    }
  }
  return out;
}

std::vector<Finding> check_all_lines(const std::regex& forbidden, const std::string& what) {
  std::vector<Finding> found;
  const auto all = texts();
  for (const auto& [file, text] : all) {
    const std::vector<Finding> part = check_lines(file, text, forbidden, what);
    found.insert(found.end(), part.begin(), part.end());
  }
  EXPECT_GE(all.size(), 150U);
  return found;
}

std::vector<Finding> check_globals(const std::string& file, const std::string& text) {
  std::vector<Finding> out;
  for (const MutableData& data : MutableDataFinder(text).find()) {
    out.push_back(
        {file, data.line, "data that outlives its user and can change: " + data.statement});
  }
  return out;
}

TEST(Hygiene, SourcesStartWithTheLicence) {
  std::vector<Finding> found;
  std::size_t seen = 0;
  for (const auto& [file, text] : texts()) {
    if (is_source(file, text)) {
      ++seen;
      const std::vector<Finding> part = check_licence(file, text);
      found.insert(found.end(), part.begin(), part.end());
    }
  }
  expect_none(found);
  EXPECT_GE(seen, 120U);
}

TEST(Hygiene, WhatIsLeftToDoHasAnIssue) {
  expect_none(check_all_lines(unnumbered_todo(), "work left over names its issue, as in (#12)"));
}

TEST(Hygiene, NoPathsOfOneMachine) {
  expect_none(check_all_lines(machine_path(), "a path of one machine"));
}

TEST(Hygiene, NoPackageRegistries) {
  expect_none(check_all_lines(registry_host(), "packages come from the distribution"));
}

TEST(Hygiene, NoMutableGlobals) {
  std::vector<Finding> found;
  std::size_t seen = 0;
  for (const std::string& file : cpp_files()) {
    ++seen;
    const std::vector<Finding> part = check_globals(file, read(file));
    found.insert(found.end(), part.begin(), part.end());
  }
  expect_none(found);
  EXPECT_GE(seen, 100U);
}

TEST(Hygiene, FilesAreSmallAndText) {
  constexpr std::uintmax_t kLargest = 1U << 20U;
  std::vector<Finding> found;
  const std::vector<std::string> all = files();
  for (const std::string& file : all) {
    const std::uintmax_t size = std::filesystem::file_size(root() / file);
    if (size > kLargest) {
      found.push_back({file, 0, std::to_string(size) + " bytes; 1 MiB is the limit"});
    }
    if (!is_text(read(file)) && !is_binary_data(file) && !allowed_binaries().contains(file)) {
      found.push_back({file, 0, "no text, and not listed in allowed_binaries()"});
    }
  }
  expect_none(found);
  EXPECT_GE(all.size(), 150U);
  for (const auto& [file, reason] : allowed_binaries()) {
    EXPECT_TRUE(exists(file)) << file << " is listed (" << reason << ") but gone";
  }
}

// ---- the checkers themselves

TEST(HygieneSelfTest, MissesNoLicence) {
  const std::string good =
      "// " + std::string(kLicence) + "\n// " + std::string(kAuthors) + "\nint x();\n";
  EXPECT_TRUE(check_licence("a.cpp", good).empty());
  EXPECT_EQ(check_licence("a.cmake", good).size(), 1U);
  EXPECT_EQ(check_licence("a.cpp", "int x();\n").size(), 1U);
  EXPECT_EQ(check_licence("a.cpp", "").size(), 1U);
  EXPECT_EQ(check_licence("a.cpp", "// " + std::string(kLicence) + "\n").size(), 1U);
  const std::string script =
      "#!/bin/sh\n# " + std::string(kLicence) + "\n# " + std::string(kAuthors) + "\n";
  EXPECT_TRUE(check_licence("tools/x", script).empty());
  EXPECT_TRUE(is_source("tools/x", script));
  EXPECT_FALSE(is_source("docs/x.md", "# x"));
}

TEST(HygieneSelfTest, FindsForbiddenLines) {
  const auto finds = [](const std::regex& what, const std::string& line) {
    return check_lines("a", "fine\n" + line, what, "").size() == 1;
  };
  const std::string todo = std::string("TO") + "DO";
  EXPECT_TRUE(finds(unnumbered_todo(), "// " + todo + ": later"));
  EXPECT_TRUE(finds(unnumbered_todo(), "// " + todo + "(me): later"));
  EXPECT_FALSE(finds(unnumbered_todo(), "// " + todo + "(#12): later"));
  EXPECT_TRUE(finds(machine_path(), std::string("cd /ho") + "me/me/x"));
  EXPECT_TRUE(finds(machine_path(), std::string("\"/wo") + "rk/x\""));
  EXPECT_FALSE(finds(machine_path(), "out/work/x and sim/root/y"));
  EXPECT_TRUE(finds(registry_host(), std::string("https://pypi") + ".org/simple"));
  EXPECT_FALSE(finds(registry_host(), "the registry of kinds; registry(). Kinds"));
  EXPECT_FALSE(is_text(std::string_view("a\0b", 3)));
}

TEST(HygieneSelfTest, FindsMutableGlobals) {
  const auto found = [](const std::string& text) { return check_globals("a.cpp", text).size(); };
  EXPECT_EQ(found("int counter;"), 1U);
  EXPECT_EQ(found("namespace a {\nstatic int counter = 0;\n}"), 1U);
  EXPECT_EQ(found("namespace {\nstd::map<int, int> cache{{1, 2}};\n}"), 1U);
  EXPECT_EQ(found("const char* name = \"x\";"), 1U);
  EXPECT_EQ(found("inline thread_local int depth = 0;"), 1U);
  EXPECT_EQ(found("struct A { int x; } instance;"), 1U);
  EXPECT_EQ(found("struct A {\n  static int shared;\n  int own = 0;\n};"), 1U);
  EXPECT_EQ(found("int next() {\n  static int n = 0;\n  return ++n;\n}"), 1U);
  EXPECT_EQ(found("extern \"C\" {\nint x;\n}"), 1U);
  EXPECT_EQ(found("auto f = [] { return 1; };"), 1U);
  EXPECT_EQ(found("struct A { A() : x_{1}, y_(2) {} int x_; int y_; };\nint z;"), 1U);
  EXPECT_EQ(
      check_globals("a.cpp", "\n\nint x;\n"),
      (std::vector<Finding>{{"a.cpp", 3, "data that outlives its user and can change: int x"}}));
}

TEST(HygieneSelfTest, AcceptsWhatCannotChange) {
  const auto found = [](const std::string& text) { return text_of(check_globals("a.cpp", text)); };
  EXPECT_EQ(found("constexpr int kSize = 3;\ninline constexpr std::array kAll{1, 2};"), "");
  EXPECT_EQ(found("const char* const kName = \"x\";\nconstexpr const char* kOther = \"y\";"), "");
  EXPECT_EQ(found("const std::vector<int> kAll = {1, 2};"), "");
  EXPECT_EQ(
      found("int f(int x = 0);\nint g() { int y = 1; return y; }\nint h() noexcept { return 1; }"),
      "");
  EXPECT_EQ(found("A& A::operator=(const A&) = default;\nbool operator==(const A&, const A&);"),
            "");
  EXPECT_EQ(found("class B;\nstruct C;\nenum class D : int { a, b };\nusing E = int;"), "");
  EXPECT_EQ(found("struct A {\n  int x = 0;\n  std::vector<int> v{1};\n  static int f(int);\n};"),
            "");
  EXPECT_EQ(found("template <class T, class = void>\nstruct A { T x{}; };\ntemplate <class T>\nT "
                  "f(T x) { return x; }"),
            "");
  EXPECT_EQ(found("A::A(int x) : x_(x), y_{x} {\n  run([x] { int y = x; use(y); });\n}"), "");
  EXPECT_EQ(found("const std::vector<int>& f() {\n  static const std::vector<int> kAll = [] { int "
                  "x = 1; return g(x); }();\n  return kAll;\n}"),
            "");
  EXPECT_EQ(found("#define X \\\n  int x;\n// int y;\n/* int z; */"), "");
  EXPECT_EQ(found("TEST(A, B) { int x = 0; use(x); }\nINSTANTIATE(A, B);"), "");
}

}  // namespace
}  // namespace tessera::repo
