// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Codes, prices and configurations: every error is documented and shown by a bad file, every
/// number that becomes joules or square metres says where it comes from, and every configuration
/// that ships can be found.
#include "sim/api/model.hpp"
#include "sim/base/config.hpp"
#include "tests/repo/cpp_text.hpp"
#include "tests/repo/tree.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::repo {
namespace {

constexpr const char* kTable = "tools/tessera/codes.cpp";

/// Codes without a file in configs/bad/, each with the reason. A code that gets a file leaves this
/// list.
const std::map<std::string, std::string>& codes_without_file() {
  static const std::map<std::string, std::string> kWithout = {
      {"E-MAP-DUPLICATE-LAYER",
       "a mapping file has layers by name: only a mapper can make this mistake"},
      {"E-MAP-ORDER",
       "a mapping file is read in network order: only a mapper can make this mistake"},
      {"E-TRAIN-PROGRAM", "only a build without torch reports it"},
  };
  return kWithout;
}

// ---- error codes

/// Code -> where it is written first.
std::map<std::string, Finding> codes_in(const std::string& file, const std::string& text) {
  static const std::regex kCode(R"re("(E-[A-Z0-9]+(-[A-Z0-9]+)+)")re");
  std::map<std::string, Finding> out;
  const std::string code = code_of(text, true);
  for (std::sregex_iterator at(code.begin(), code.end(), kCode), end; at != end; ++at) {
    out.emplace((*at)[1].str(),
                Finding{file, line_at(code, static_cast<std::size_t>(at->position())), ""});
  }
  return out;
}

std::map<std::string, Finding> codes_reported() {
  std::map<std::string, Finding> out;
  for (const std::string& file : cpp_files()) {
    const bool reports = !starts_with(file, "tests/") && !starts_with(file, "bench/") &&
                         !ends_with(file, "_test.cpp") && file != kTable;
    if (reports) {
      out.merge(codes_in(file, read(file)));
    }
  }
  return out;
}

std::vector<Finding> check_documented(const std::map<std::string, Finding>& reported,
                                      const std::map<std::string, Finding>& documented) {
  std::vector<Finding> out;
  for (const auto& [code, where] : reported) {
    if (!documented.contains(code)) {
      out.push_back({where.file, where.line, code + " is not documented in " + kTable});
    }
  }
  for (const auto& [code, where] : documented) {
    if (!reported.contains(code)) {
      out.push_back({where.file, where.line, code + " is documented but nothing reports it"});
    }
  }
  return out;
}

/// The code that the first comment promises: `# expect: E-CFG-TYPE 3:8`. The place may have a
/// source in front (`--set:1:11`) and exit status or further errors behind (`exit 4`, `more 1`);
/// tests/e2e runs the file and compares.
std::optional<std::string> expected_in(const std::string& text) {
  static const std::regex kExpect(
      R"(^# expect: (E-[A-Z0-9-]+)( ([a-z_./ -]+:)?[0-9]+:[0-9]+| [a-z_/]+\.onnx)?( (exit|more) [0-9]+)*$)");
  for (const std::string& line : lines_of(text)) {
    if (line.empty() || line[0] != '#' || starts_with(line, "# SPDX-")) {
      continue;
    }
    std::smatch match;
    if (!std::regex_match(line, match, kExpect)) {
      return std::nullopt;
    }
    return match[1].str();
  }
  return std::nullopt;
}

/// E-CFG-UNKNOWN-KEY -> cfg_unknown_key.yaml, as `tessera explain` names it.
std::string file_of_code(const std::string& code) {
  std::string name = code.substr(2);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(c));
  });
  return "configs/bad/" + name + ".yaml";
}

std::vector<Finding> check_bad_files(const std::map<std::string, Finding>& reported,
                                     const std::map<std::string, std::string>& bad_files,
                                     const std::map<std::string, std::string>& without) {
  std::vector<Finding> out;
  for (const auto& [file, text] : bad_files) {
    const std::optional<std::string> expected = expected_in(text);
    if (!expected) {
      out.push_back({file, 1, "its first comment is not of the form '# expect: CODE line:col'"});
    } else if (!reported.contains(*expected)) {
      out.push_back({file, 1, "expects " + *expected + ", which nothing reports"});
    }
  }
  for (const auto& [code, where] : reported) {
    const auto shown = bad_files.find(file_of_code(code));
    const bool excepted = without.contains(code);
    if (shown == bad_files.end() && !excepted) {
      out.push_back({where.file, where.line, code + " has no " + file_of_code(code)});
    } else if (shown != bad_files.end()) {
      const std::optional<std::string> expected = expected_in(shown->second);
      if (expected && *expected != code) {
        out.push_back({shown->first, 1, "is named after " + code + " but expects " + *expected});
      }
      if (excepted) {
        out.push_back({shown->first, 0, code + " is still listed in codes_without_file()"});
      }
    }
  }
  for (const auto& [code, reason] : without) {
    if (!reported.contains(code)) {
      out.push_back({"tests/repo/configs_test.cpp",
                     0,
                     fmt::format("{} is listed ({}) but gone", code, reason)});
    }
  }
  return out;
}

TEST(Codes, AreDocumentedAndReported) {
  const auto reported = codes_reported();
  const auto documented = codes_in(kTable, read(kTable));
  expect_none(check_documented(reported, documented));
  EXPECT_GE(reported.size(), 40U);
  EXPECT_GE(documented.size(), 40U);
}

TEST(Codes, AreShownByABadFile) {
  std::map<std::string, std::string> bad_files;
  for (const std::string& file : files()) {
    // Files beside the shown ones (a network that an experiment includes) are in folders of their
    // own.
    if (folder_of(file) == "configs/bad" && ends_with(file, ".yaml")) {
      bad_files.emplace(file, read(file));
    }
  }
  expect_none(check_bad_files(codes_reported(), bad_files, codes_without_file()));
  EXPECT_GE(bad_files.size(), 40U);
}

// ---- prices

/// In prices.yaml of a kind: every action has energy and source, every resource area, leakage and
/// source.
std::vector<Finding> check_price_file(const std::string& file,
                                      const std::string& text,
                                      const std::vector<std::string>& actions,
                                      const std::vector<std::string>& resources) {
  Diagnostics diagnostics;
  const config::Node root = config::parse(text, file, diagnostics);
  std::vector<Finding> out;
  if (!diagnostics.ok()) {
    return {{file, 1, "cannot be read: " + diagnostics.render()}};
  }
  const auto check = [&](const std::string& section,
                         const std::vector<std::string>& names,
                         const std::vector<std::string>& keys) {
    const config::Node list = root.get(section);
    for (const std::string& name : names) {
      const config::Node entry = list.get(name);
      for (const std::string& key : keys) {
        if (entry.get(key).scalar().empty()) {
          out.push_back(
              {file, entry.at().line, fmt::format("{}.{} has no {}", section, name, key)});
        }
      }
    }
    for (const auto& [key, where] : list.keys()) {
      if (std::find(names.begin(), names.end(), key) == names.end()) {
        out.push_back({file,
                       where.line,
                       fmt::format("{}.{}: the kind has nothing of that name", section, key)});
      }
    }
  };
  check("prices", actions, {"energy", "source"});
  check("parts", resources, {"area", "leakage", "source"});
  return out;
}

bool is_price(const std::string& key) {
  return key == "energy" || key == "area" || key == "leakage" || ends_with(key, "_energy") ||
         ends_with(key, "_area") || ends_with(key, "_leakage") || starts_with(key, "energy_per_");
}

void check_prices_below(const config::Node& node, bool has_source, std::vector<Finding>& out) {
  has_source = has_source || !node.get("source").scalar().empty();
  for (const auto& [key, where] : node.keys()) {
    const config::Node child = node.get(key);
    if (is_price(key) && !has_source) {
      const std::string file = where.source == nullptr ? "" : where.source->name;
      out.push_back({file, where.line, child.path() + " has no source, here or above"});
    }
    check_prices_below(child, has_source, out);
  }
  for (const config::Node& item : node.items()) {
    check_prices_below(item, has_source, out);
  }
}

/// In a chip or experiment: a price has a source beside it or further up.
std::vector<Finding> check_price_sources(const std::string& file, const std::string& text) {
  Diagnostics diagnostics;
  const config::Node root = config::parse(text, file, diagnostics);
  std::vector<Finding> out;
  if (!diagnostics.ok()) {
    out.push_back({file, 1, "cannot be read: " + diagnostics.render()});
  }
  check_prices_below(root, false, out);
  return out;
}

TEST(Prices, OfEveryKindHaveSources) {
  ASSERT_FALSE(registry().empty());
  for (const Kind& kind : registry()) {
    SCOPED_TRACE(kind.name);
    const std::string folder = "arch/" + kind.name + "/";
    for (const char* name : {"README.md", "example.yaml", "kind.cpp", "prices.yaml"}) {
      EXPECT_TRUE(exists(folder + name)) << folder << name;
    }
    Diagnostics diagnostics;
    const std::string example = folder + "example.yaml";
    const config::Node pe = config::parse(read(example), example, diagnostics);
    EXPECT_EQ(pe.get("kind").scalar(), kind.name);
    const std::unique_ptr<Model> model = kind.make(pe, Clock{}, diagnostics);
    EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
    std::vector<std::string> actions;
    for (const Action& action : model->actions()) {
      actions.push_back(action.name);
      EXPECT_FALSE(action.source.empty()) << action.name;
    }
    std::vector<std::string> resources;
    for (const Resource& resource : model->resources()) {
      resources.push_back(resource.name);
    }
    EXPECT_FALSE(actions.empty());
    expect_none(
        check_price_file(folder + "prices.yaml", read(folder + "prices.yaml"), actions, resources));
  }
}

TEST(Prices, InShippedFilesHaveSources) {
  std::vector<Finding> found;
  std::size_t seen = 0;
  for (const std::string& file : files()) {
    const bool shipped =
        starts_with(file, "configs/chips/") || starts_with(file, "configs/experiments/");
    if (shipped && ends_with(file, ".yaml")) {
      ++seen;
      const std::vector<Finding> part = check_price_sources(file, read(file));
      found.insert(found.end(), part.begin(), part.end());
    }
  }
  expect_none(found);
  EXPECT_GE(seen, 10U);
}

// ---- shipped configurations

/// `listed`: what `tessera list` prints, a path and a sentence per line. `prose`: what else may
/// name a file.
std::vector<Finding> check_reachable(const std::vector<std::string>& shipped,
                                     const std::string& listed,
                                     const std::string& prose) {
  std::map<std::string, std::string> docs;
  for (const std::string& line : lines_of(listed)) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::size_t doc = line.find_first_not_of(' ', end);
    docs[line.substr(0, end)] = doc == std::string::npos ? "" : line.substr(doc);
  }
  std::vector<Finding> out;
  for (const std::string& file : shipped) {
    const auto found = docs.find(file);
    const std::string in_folder = file.substr(file.find('/') + 1);  // "networks/lenet5.yaml"
    if (found != docs.end()) {
      if (found->second.empty()) {
        out.push_back({file, 0, "has no doc: tessera list has nothing to say about it"});
      }
    } else if (prose.find(in_folder) == std::string::npos) {
      out.push_back(
          {file,
           0,
           "nobody finds it: neither tessera list nor a README nor an experiment names it"});
    }
  }
  return out;
}

TEST(Configs, CanAllBeFound) {
  std::string listed;
  for (const char* what : {"chips", "experiments"}) {
    // `tessera list` looks below the working directory.
    const test::Outcome list = test::run_program(
        {"sh", "-c", R"(cd "$0" && exec "$1" list "$2")", root().string(), TESSERA_PROGRAM, what});
    ASSERT_EQ(list.status, 0) << list.err;
    listed += list.out;
  }
  std::vector<std::string> shipped;
  std::string prose;
  for (const std::string& file : files()) {
    if (starts_with(file, "configs/") && !starts_with(file, "configs/bad/") &&
        ends_with(file, ".yaml")) {
      shipped.push_back(file);
    }
    if (ends_with(file, "README.md") || starts_with(file, "configs/experiments/")) {
      prose += read(file);
    }
  }
  expect_none(check_reachable(shipped, listed, prose));
  EXPECT_GE(shipped.size(), 12U);
}

// ---- the checkers themselves

TEST(ConfigsSelfTest, FindsCodes) {
  const auto codes = codes_in(
      "a.cpp",
      "x = \"E-CFG-TYPE\";\n// \"E-CFG-OLD\"\ny(\"E-MAP-A-B\", \"E-\", \"see E-CFG-UNIT\")");
  ASSERT_EQ(codes.size(), 2U);
  EXPECT_EQ(codes.at("E-CFG-TYPE").line, 1);
  EXPECT_EQ(codes.at("E-MAP-A-B").line, 3);
  const std::map<std::string, Finding> one = {{"E-A-B", {"a.cpp", 1, ""}}};
  EXPECT_EQ(check_documented(one, one).size(), 0U);
  EXPECT_EQ(check_documented(one, {}).size(), 1U);
  EXPECT_EQ(check_documented({}, one).size(), 1U);
}

TEST(ConfigsSelfTest, FindsCodesWithoutBadFile) {
  const std::map<std::string, Finding> one = {{"E-A-B", {"a.cpp", 1, ""}}};
  const std::string good = "# SPDX-License-Identifier: x\n# expect: E-A-B 3:1\nx: 1\n";
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", good}}, {}).size(), 0U);
  EXPECT_EQ(check_bad_files(one, {}, {}).size(), 1U);
  EXPECT_EQ(check_bad_files(one, {}, {{"E-A-B", "reason"}}).size(), 0U);
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", good}}, {{"E-A-B", "reason"}}).size(),
            1U);
  EXPECT_EQ(check_bad_files({}, {}, {{"E-A-B", "reason"}}).size(), 1U);
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", "x: 1\n"}}, {}).size(), 1U);
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", "# why\n" + good}}, {}).size(), 1U);
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", "# expect: E-A-B at 3\n"}}, {}).size(),
            1U);
  EXPECT_EQ(
      check_bad_files(one, {{"configs/bad/a_b.yaml", "# expect: E-A-B --set:1:11\n"}}, {}).size(),
      0U);
  EXPECT_EQ(
      check_bad_files(one, {{"configs/bad/a_b.yaml", "# expect: E-A-B 8:3 exit 4\n"}}, {}).size(),
      0U);
  // Named after one code, expects another that nothing reports.
  EXPECT_EQ(check_bad_files(one, {{"configs/bad/a_b.yaml", "# expect: E-A-C 1:1\n"}}, {}).size(),
            2U);
}

TEST(ConfigsSelfTest, FindsPricesWithoutSource) {
  const std::string good =
      "prices: {read: {energy: 1 pJ, source: x}}\nparts: {adc: {area: 1 um2, leakage: 0 W, source: "
      "x}}\n";
  EXPECT_EQ(check_price_file("p.yaml", good, {"read"}, {"adc"}).size(), 0U);
  EXPECT_EQ(check_price_file("p.yaml", good, {"read", "write"}, {"adc"}).size(), 2U);
  EXPECT_EQ(check_price_file("p.yaml", good, {}, {"adc"}).size(), 1U);
  EXPECT_EQ(check_price_file("p.yaml", "prices: {read: {energy: 1 pJ}}", {"read"}, {}).size(), 1U);
  EXPECT_EQ(check_price_file("p.yaml", "prices: [", {}, {}).size(), 1U);
  EXPECT_EQ(check_price_sources("c.yaml", "chip: {source: x, io: {energy_per_bit: 1 pJ}}").size(),
            0U);
  EXPECT_EQ(check_price_sources("c.yaml", "chip: {io: {energy_per_bit: 1 pJ, source: x}}").size(),
            0U);
  EXPECT_EQ(
      check_price_sources("c.yaml", "chip: {bus: {source: x}, io: {energy_per_bit: 1 pJ}}").size(),
      1U);
  EXPECT_EQ(check_price_sources("c.yaml", "list: [{router_area: 1 mm2}, {leakage: 0 W}]").size(),
            2U);
}

TEST(ConfigsSelfTest, FindsConfigurationsThatNobodyFinds) {
  const std::vector<std::string> shipped = {"configs/chips/a.yaml", "configs/networks/b.yaml"};
  EXPECT_EQ(
      check_reachable(shipped, "configs/chips/a.yaml   a chip\n", "see networks/b.yaml").size(),
      0U);
  EXPECT_EQ(check_reachable(shipped, "configs/chips/a.yaml   a chip\n", "").size(), 1U);
  EXPECT_EQ(check_reachable(shipped, "configs/chips/a.yaml   \n", "networks/b.yaml").size(), 1U);
  EXPECT_EQ(check_reachable(shipped, "", "").size(), 2U);
}

}  // namespace
}  // namespace tessera::repo
