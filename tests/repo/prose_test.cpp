// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Prose keeps up with the code: commands of the README exist, links and paths lead somewhere, the
/// changelog has its form, and there is one version.
#include "tests/repo/tree.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::repo {
namespace {

using Exists = bool (*)(const std::string& path);

struct Command {
  int line = 0;
  std::vector<std::string> words;
};

/// Words of a shell command; quotes hold words together, a comment ends it.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> out;
  std::string word;
  bool open = false;
  char quote = '\0';
  for (const char c : line) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ') {
      if (open) {
        out.push_back(word);
      }
      word.clear();
      open = false;
    } else if (c == '#' && !open) {
      return out;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) {
    out.push_back(word);
  }
  return out;
}

/// Commands in fenced blocks: every line of a shell block, lines with a prompt ("$ ") of the
/// others.
std::vector<Command> commands_of(const std::string& markdown) {
  static const std::set<std::string> kShells = {"sh", "bash", "shell"};
  std::vector<Command> out;
  bool fenced = false;
  bool shell = false;
  bool continued = false;
  int number = 0;
  for (std::string line : lines_of(markdown)) {
    ++number;
    if (starts_with(line, "```")) {
      fenced = !fenced;
      shell = fenced && kShells.contains(line.substr(3));
      continued = false;
      continue;
    }
    if (!fenced) {
      continue;
    }
    const bool prompt = starts_with(line, "$ ");
    if (!prompt && !shell && !continued) {
      continue;
    }
    line = prompt ? line.substr(2) : line;
    const bool goes_on = ends_with(line, "\\");
    std::vector<std::string> words = words_of(goes_on ? line.substr(0, line.size() - 1) : line);
    if (continued && !out.empty()) {
      out.back().words.insert(out.back().words.end(), words.begin(), words.end());
    } else if (!words.empty()) {
      out.push_back({number, std::move(words)});
    }
    continued = goes_on;
  }
  return out;
}

/// Options by subcommand; under "" those of the program itself.
using Options = std::map<std::string, std::set<std::string>>;

bool has_placeholder(const std::string& word) {
  return word.find_first_of("<>*{}$") != std::string::npos || word.find("...") != std::string::npos;
}

void check_tessera(const std::string& file,
                   const Command& command,
                   std::size_t first,
                   const Options& options,
                   Exists there,
                   std::vector<Finding>& out) {
  std::string subcommand;
  for (std::size_t i = first; i < command.words.size(); ++i) {
    const std::string& word = command.words[i];
    if (word == "|" || word == ">" || word == "&&" || word == ";") {
      return;
    }
    if (starts_with(word, "-")) {
      const std::string name = word.substr(0, word.find('='));
      if (!options.at(subcommand).contains(name)) {
        out.push_back(
            {file, command.line, fmt::format("tessera {} has no option {}", subcommand, name)});
      }
    } else if (subcommand.empty()) {
      if (!options.contains(word)) {
        out.push_back({file, command.line, "tessera has no command '" + word + "'"});
        return;
      }
      subcommand = word;
    } else if (starts_with(word, "configs/") && !has_placeholder(word) && !there(word)) {
      out.push_back({file, command.line, "'" + word + "' does not exist"});
    }
  }
}

std::vector<Finding> check_commands(const std::string& file,
                                    const std::string& markdown,
                                    const Options& options,
                                    Exists there,
                                    Exists executable) {
  std::vector<Finding> out;
  for (const Command& command : commands_of(markdown)) {
    std::size_t first = 0;
    while (first < command.words.size() && command.words[first].find('=') != std::string::npos) {
      ++first;  // VARIABLE=value in front
    }
    if (first == command.words.size()) {
      continue;
    }
    std::string program = command.words[first];
    program = starts_with(program, "./") ? program.substr(2) : program;
    if (starts_with(program, "tools/") && !executable(program)) {
      out.push_back({file, command.line, "'" + program + "' is no script that can be run"});
    }
    const bool is_run = program == "tools/run" && first + 1 < command.words.size();
    if (program == "tessera" || ends_with(program, "/tessera") || is_run) {
      check_tessera(file, command, first + 1, options, there, out);
    }
  }
  // In running text too: `tools/ci.sh fast`.
  static const std::regex kScript("`(tools/[\\w./-]+)( [^`]*)?`");
  int number = 0;
  for (const std::string& line : lines_of(markdown)) {
    ++number;
    for (std::sregex_iterator at(line.begin(), line.end(), kScript), end; at != end; ++at) {
      if (!there((*at)[1])) {
        out.push_back({file, number, "'" + (*at)[1].str() + "' does not exist"});
      }
    }
  }
  return out;
}

bool leads_somewhere(const std::string& path) {
  if (exists(path)) {
    return true;
  }
  // `mapper/lower` stands for mapper/lower.hpp and mapper/lower.cpp.
  for (const char* ending : {".hpp", ".cpp", ".yaml"}) {
    if (exists(path + ending)) {
      return true;
    }
  }
  return false;
}

/// Relative links, and paths in backquotes that begin with a folder of the repository.
std::vector<Finding> check_paths(const std::string& file,
                                 const std::string& markdown,
                                 Exists there) {
  static const std::regex kLink(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
  static const std::regex kPath(
      "`((sim|arch|mapper|workloads|tools|tests|configs|bench|docs)/[^`\\s]*)`");
  std::vector<Finding> out;
  int number = 0;
  bool fenced = false;
  for (const std::string& line : lines_of(markdown)) {
    ++number;
    fenced = starts_with(line, "```") ? !fenced : fenced;
    if (fenced) {
      continue;
    }
    for (std::sregex_iterator at(line.begin(), line.end(), kLink), end; at != end; ++at) {
      const std::string target = (*at)[1];
      const std::string folder = folder_of(file);
      if (target.find("://") == std::string::npos && !starts_with(target, "mailto:") &&
          !there(
              std::filesystem::path(folder.empty() ? target : fmt::format("{}/{}", folder, target))
                  .lexically_normal()
                  .generic_string())) {
        out.push_back({file, number, "the link to '" + target + "' leads nowhere"});
      }
    }
    for (std::sregex_iterator at(line.begin(), line.end(), kPath), end; at != end; ++at) {
      std::string path = (*at)[1];
      if (path.find_first_of("<>*{},(") == std::string::npos && !there(path)) {
        out.push_back({file, number, "'" + path + "' does not exist"});
      }
    }
  }
  return out;
}

/// Keep a Changelog, with one more heading: Numbers.
std::vector<Finding> check_changelog(const std::string& text) {
  static const std::regex kVersion(
      R"(^## \[(Unreleased|[0-9]+\.[0-9]+\.[0-9]+)\]( - [0-9]{4}-[0-9]{2}-[0-9]{2})?$)");
  static const std::set<std::string> kHeadings = {
      "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Numbers"};
  std::vector<Finding> out;
  const std::vector<std::string> lines = lines_of(text);
  const auto find = [&](int line, std::string what) {
    out.push_back({"CHANGELOG.md", line, std::move(what)});
  };
  if (lines.empty() || lines[0] != "# Changelog") {
    find(1, "begins with '# Changelog'");
  }
  bool numbers = false;
  bool table = false;
  bool in_version = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const int number = static_cast<int>(i) + 1;
    const std::string& line = lines[i];
    if (starts_with(line, "## ")) {
      in_version = true;
      std::smatch match;
      if (!std::regex_match(line, match, kVersion)) {
        find(number, "'" + line + "' is no '## [version] - date'");
      } else if (match[1] != "Unreleased" && !match[2].matched) {
        find(number, "a released version has a date");
      }
    } else if (starts_with(line, "### ")) {
      const std::string heading = line.substr(4);
      if (!kHeadings.contains(heading)) {
        find(number, "'" + heading + "' is no heading of a changelog");
      }
      if (!in_version) {
        find(number, "a heading belongs to a version");
      }
      numbers = numbers || heading == "Numbers";
    }
    table = table || line == "| metric | configuration | old | new | why | commit |";
  }
  if (!numbers || !table) {
    find(0, "has no 'Numbers' with metric, configuration, old, new, why, commit");
  }
  return out;
}

Options options_of_program() {
  static const std::regex kOption("--[a-z][a-z-]*");
  Options out;
  for (const std::string command : {"",
                                    "run",
                                    "compare",
                                    "map",
                                    "validate",
                                    "train",
                                    "accuracy",
                                    "sensitivity",
                                    "import",
                                    "data",
                                    "ap",
                                    "compile",
                                    "explain",
                                    "list"}) {
    std::vector<std::string> words = {TESSERA_PROGRAM, command, "--help"};
    words.erase(std::remove(words.begin(), words.end(), ""), words.end());
    const test::Outcome help = test::run_program(words);
    EXPECT_EQ(help.status, 0) << command << help.err;
    for (std::sregex_iterator at(help.out.begin(), help.out.end(), kOption), end; at != end; ++at) {
      out[command].insert(at->str());
    }
  }
  return out;
}

bool in_tree(const std::string& path) {
  return exists(path);
}

bool can_run(const std::string& path) {
  return is_executable(path);
}

TEST(Prose, ReadmeCommandsExist) {
  const std::string readme = read("README.md");
  ASSERT_FALSE(readme.empty()) << "there is no README.md";
  const Options options = options_of_program();
  for (const auto& [command, known] : options) {
    EXPECT_GE(known.size(), 1U) << command;
  }
  std::vector<Finding> found;
  for (const char* file :
       {"README.md", "CONTRIBUTING.md", "configs/README.md", "bench/README.md"}) {
    const std::vector<Finding> part = check_commands(file, read(file), options, in_tree, can_run);
    found.insert(found.end(), part.begin(), part.end());
  }
  expect_none(found);
  std::set<std::string> programs;
  for (const Command& command : commands_of(readme)) {
    programs.insert(command.words.front());
  }
  EXPECT_GE(programs.count("tools/run"), 1U);
  EXPECT_GE(programs.count("tools/test"), 1U);
}

TEST(Prose, ScriptsCanBeRun) {
  std::size_t seen = 0;
  for (const std::string& file : files()) {
    if (starts_with(read(file), "#!")) {
      ++seen;
      EXPECT_TRUE(is_executable(file)) << file;
    }
  }
  EXPECT_GE(seen, 5U);
}

TEST(Prose, LinksAndPathsLeadSomewhere) {
  std::vector<Finding> found;
  std::size_t seen = 0;
  for (const std::string& file : files()) {
    if (ends_with(file, ".md")) {
      ++seen;
      const std::vector<Finding> part = check_paths(file, read(file), leads_somewhere);
      found.insert(found.end(), part.begin(), part.end());
    }
  }
  expect_none(found);
  EXPECT_GE(seen, 8U);
}

TEST(Prose, ChangelogHasItsForm) {
  expect_none(check_changelog(read("CHANGELOG.md")));
}

TEST(Prose, ThereIsOneVersion) {
  const std::string cmake = read("CMakeLists.txt");
  std::smatch match;
  ASSERT_TRUE(std::regex_search(
      cmake, match, std::regex(R"(project\(tessera VERSION ([0-9]+\.[0-9]+\.[0-9]+))")));
  const std::string version = match[1];
  EXPECT_NE(read("CITATION.cff").find("\nversion: " + version + "\n"), std::string::npos);
  EXPECT_NE(read("tools/tessera/version.cpp").find('"' + version + '"'), std::string::npos);
}

// ---- the checkers themselves

bool only_a(const std::string& path) {
  return path.find("/a") != std::string::npos;
}

std::size_t findings(const std::string& markdown) {
  const Options options = {
      {"", {"--help", "--version"}}, {"run", {"--out", "--json", "--set"}}, {"list", {}}};
  return check_commands("README.md", markdown, options, only_a, only_a).size();
}

TEST(ProseSelfTest, FindsCommandsThatDoNotWork) {
  EXPECT_EQ(findings("```sh\ntools/a run configs/b.yaml\n```\n"), 0U);
  EXPECT_EQ(findings("```sh\ntools/b\n```\n"), 1U);
  EXPECT_EQ(findings("```text\ntools/b\n$ tools/b --x   # why\n```\n"), 1U);
  EXPECT_EQ(findings("Run `tools/b --x`.\n"), 1U);
  EXPECT_EQ(findings("```sh\ntessera run configs/a.yaml --out x --set 'a b=c' | less --x\n```\n"),
            0U);
  EXPECT_EQ(findings("```sh\ntessera run configs/b.yaml\n```\n"), 1U);
  EXPECT_EQ(findings("```sh\nbuild/tessera run configs/a.yaml \\\n  --uot x\n```\n"), 1U);
  EXPECT_EQ(findings("```sh\nX=1 tessera rnu configs/a.yaml\n```\n"), 1U);
  EXPECT_EQ(findings("```sh\ntessera --versoin\ntessera --version  # --nothing\n```\n"), 1U);
  EXPECT_EQ(findings("```\ntessera rnu x\n```\n"), 0U) << "output, no command";
  EXPECT_EQ(findings("```sh\ntessera run configs/<name>.yaml\n```\n"), 0U);
}

TEST(ProseSelfTest, FindsPathsThatLeadNowhere) {
  const auto broken = [](const std::string& text) {
    return check_paths("docs/x.md", text, only_a).size();
  };
  EXPECT_EQ(broken("see [this](../sim/a.hpp), `sim/a.hpp` and [that](https://example.org/b)"), 0U);
  EXPECT_EQ(broken("see [this](../sim/b.hpp#x) and `sim/b.hpp`"), 2U);
  EXPECT_EQ(broken("`arch/<kind>/b.cpp`, `sim/*`, `other/b`"), 0U);
  EXPECT_EQ(broken("```\n`sim/b.hpp`\n```"), 0U);
}

TEST(ProseSelfTest, FindsChangelogsWithoutForm) {
  const std::string head = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- x\n";
  const std::string numbers =
      "\n### Numbers\n\n| metric | configuration | old | new | why | commit "
      "|\n|---|---|---|---|---|---|\n";
  EXPECT_EQ(check_changelog(head + numbers).size(), 0U);
  EXPECT_EQ(check_changelog(head).size(), 1U);
  EXPECT_EQ(check_changelog(head + numbers + "## [1.2.3] - 2026-01-02\n").size(), 0U);
  EXPECT_EQ(check_changelog(head + numbers + "## [1.2.3]\n").size(), 1U);
  EXPECT_EQ(check_changelog(head + numbers + "## 1.2.3\n").size(), 1U);
  EXPECT_EQ(check_changelog(head + numbers + "### News\n").size(), 1U);
  EXPECT_EQ(check_changelog("").size(), 2U);
}

}  // namespace
}  // namespace tessera::repo
