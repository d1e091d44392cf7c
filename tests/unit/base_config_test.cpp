// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/config.hpp"
#include "sim/base/rng.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::config {
namespace {

struct Parsed {
  Node root;
  Diagnostics diagnostics;
};

Parsed parse_text(std::string_view text, const Limits& limits = {}) {
  Parsed out;
  out.root = parse(text, "t.yaml", out.diagnostics, limits);
  return out;
}

/// "CODE line:column" of each error.
std::vector<std::string> codes(const Diagnostics& diagnostics) {
  std::vector<std::string> out;
  for (const Diagnostic& d : diagnostics.errors()) {
    out.push_back(d.code + " " + std::to_string(d.at.line) + ":" + std::to_string(d.at.column));
  }
  return out;
}

using Codes = std::vector<std::string>;

// ---- parse ----

TEST(ConfigParse, KeepsOrderTypesAndPlaces) {
  const Parsed p = parse_text("b: 1\na:\n  - x\n  - \"2\"\nc:\nd: {}\n");
  ASSERT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
  EXPECT_EQ(p.root.type(), NodeType::map);
  const auto keys = p.root.keys();
  ASSERT_EQ(keys.size(), 4U);
  EXPECT_EQ(keys[0].first, "b");
  EXPECT_EQ(keys[1].first, "a");
  EXPECT_EQ(keys[1].second.line, 2);
  const Node b = p.root.get("b");
  EXPECT_EQ(b.scalar(), "1");
  EXPECT_FALSE(b.quoted());
  EXPECT_EQ(b.at().line, 1);
  EXPECT_EQ(b.at().column, 4);
  EXPECT_EQ(b.at().source->name, "t.yaml");
  const Node a = p.root.get("a");
  ASSERT_EQ(a.items().size(), 2U);
  EXPECT_EQ(a.items()[1].path(), "a[1]");
  EXPECT_TRUE(a.items()[1].quoted());
  EXPECT_EQ(a.items()[1].at().line, 4);
  EXPECT_EQ(a.items()[1].at().column, 5);
  EXPECT_TRUE(p.root.get("c").is_null());
  EXPECT_EQ(p.root.get("c").at().line, 5);
  EXPECT_EQ(p.root.get("d").type(), NodeType::map);
}

TEST(ConfigParse, AbsentValuesKnowWhereTheyBelong) {
  const Parsed p = parse_text("a:\n  b: 1\n");
  EXPECT_FALSE(p.root.has("x"));
  const Node missing = p.root.get("a").get("x").get("y");
  EXPECT_TRUE(missing.is_null());
  EXPECT_EQ(missing.path(), "a.x.y");
  EXPECT_EQ(missing.at().line, 2);
  EXPECT_TRUE(Node().is_null());
  EXPECT_EQ(Node().path(), "");
  EXPECT_EQ(Node().at().source, nullptr);
}

TEST(ConfigParse, PathsQuoteKeysWithDots) {
  const Parsed p = parse_text("layers: {layer1.0.conv: {bits: 4}}\n");
  EXPECT_EQ(p.root.get("layers").get("layer1.0.conv").get("bits").path(),
            "layers.\"layer1.0.conv\".bits");
}

TEST(ConfigParse, EmptyTextIsNothing) {
  for (const std::string_view text : {"", "\n\n", "# only a comment\n", "---\n", "\xEF\xBB\xBF"}) {
    const Parsed p = parse_text(text);
    EXPECT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
    EXPECT_TRUE(p.root.is_null());
  }
}

TEST(ConfigParse, WindowsLineEndsAndByteOrderMark) {
  const Parsed p = parse_text(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: \"x\"\r\n");
  ASSERT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
  EXPECT_EQ(p.root.get("a").scalar(), "1");
  EXPECT_EQ(p.root.get("b").scalar(), "x");
  EXPECT_EQ(p.root.get("a").at().source->lines[1], "b: \"x\"");
}

TEST(ConfigParse, DuplicateKeyShowsBothPlaces) {
  const Parsed p = parse_text("a:\n  rows: 1\n  cols: 2\n  rows: 3\n");
  EXPECT_EQ(p.diagnostics.render(),
            "t.yaml:4:3: error[E-CFG-DUPLICATE-KEY]: duplicate key 'rows'\n"
            "    4 |   rows: 3\n"
            "      |   ^\n"
            "      : also t.yaml:2:3\n"
            "    2 |   rows: 1\n"
            "      |   ^\n"
            "      = path:     a.rows\n"
            "      = expected: each key once\n"
            "      = got:      'rows'\n"
            "      = hint:     remove one of the two\n");
  EXPECT_EQ(p.root.get("a").get("rows").scalar(), "1");
  EXPECT_EQ(p.root.get("a").get("cols").scalar(), "2");
}

TEST(ConfigParse, LeadingZeros) {
  const Parsed p =
      parse_text("a: 010\nb: -007\nc: 00.5\nd: [0, 0.5, 10, \"010\", 0e1, -0, 007 james]\n");
  EXPECT_EQ(codes(p.diagnostics),
            (Codes{"E-CFG-LEADING-ZERO 1:4", "E-CFG-LEADING-ZERO 2:4", "E-CFG-LEADING-ZERO 3:4"}));
  EXPECT_EQ(p.diagnostics.errors()[0].path, "a");
  EXPECT_EQ(p.diagnostics.errors()[0].got, "'010'");
  EXPECT_EQ(p.diagnostics.errors()[0].hint, "write 10, or \"010\" for text");
  EXPECT_EQ(p.diagnostics.errors()[1].hint, "write -7, or \"-007\" for text");
}

TEST(ConfigParse, SyntaxErrorKeepsWhatCameBefore) {
  const Parsed p = parse_text("a: 1\nb: [1, 2\nc: 3\n");
  ASSERT_EQ(p.diagnostics.errors().size(), 1U);
  const Diagnostic& d = p.diagnostics.errors()[0];
  EXPECT_EQ(d.code, "E-CFG-SYNTAX");
  EXPECT_EQ(d.sentence.substr(0, 13), "YAML syntax: ");
  EXPECT_GE(d.at.line, 2);
  EXPECT_FALSE(d.expected.empty());
  EXPECT_FALSE(d.got.empty());
  EXPECT_EQ(p.root.get("a").scalar(), "1");
}

TEST(ConfigParse, WhatYamlAllowsAndWeDoNot) {
  EXPECT_EQ(codes(parse_text("a: !!str 5\n").diagnostics), Codes{"E-CFG-SYNTAX 1:4"});
  EXPECT_EQ(codes(parse_text("a: !mine [1]\n").diagnostics), Codes{"E-CFG-SYNTAX 1:4"});
  EXPECT_EQ(codes(parse_text("[1, 2]: x\n").diagnostics), Codes{"E-CFG-SYNTAX 1:1"});
  EXPECT_EQ(codes(parse_text("? {a: 1}\n: x\n").diagnostics), Codes{"E-CFG-SYNTAX 1:3"});
  EXPECT_EQ(codes(parse_text("~: x\n").diagnostics), Codes{"E-CFG-SYNTAX 1:1"});
  EXPECT_EQ(codes(parse_text("a: &a x\n*a : y\n").diagnostics), Codes{"E-CFG-SYNTAX 2:1"});
  EXPECT_EQ(codes(parse_text("a: 1\n---\nb: 2\n").diagnostics), Codes{"E-CFG-SYNTAX 2:1"});
  EXPECT_EQ(codes(parse_text("b: &b {x: 1}\na:\n  <<: *b\n").diagnostics),
            Codes{"E-CFG-SYNTAX 3:3"});
  EXPECT_EQ(codes(parse_text("a: *nobody\n").diagnostics), Codes{"E-CFG-SYNTAX 1:4"});
  EXPECT_EQ(codes(parse_text("a:\n\tb: 1\n").diagnostics).size(), 1U);
}

TEST(ConfigParse, ErrorsInKeysDoNotDisturbTheRest) {
  const Parsed p = parse_text("[x]: {deep: [1, {y: 2}]}\n? {k: v}\n: 5\nrows: 4\n");
  EXPECT_EQ(codes(p.diagnostics), (Codes{"E-CFG-SYNTAX 1:1", "E-CFG-SYNTAX 2:3"}));
  ASSERT_EQ(p.root.keys().size(), 1U);
  EXPECT_EQ(p.root.get("rows").scalar(), "4");
}

TEST(ConfigParse, OnlyUtf8Text) {
  EXPECT_EQ(codes(parse_text("a: 1\nb: \xff\n").diagnostics), Codes{"E-CFG-SYNTAX 2:4"});
  EXPECT_EQ(codes(parse_text(std::string_view("a: \0", 4)).diagnostics), Codes{"E-CFG-SYNTAX 1:4"});
  EXPECT_EQ(codes(parse_text("a: \x04").diagnostics), Codes{"E-CFG-SYNTAX 1:4"});
  EXPECT_EQ(codes(parse_text("a: b\rc: d").diagnostics), Codes{"E-CFG-SYNTAX 1:5"});
  EXPECT_EQ(codes(parse_text("\xc0\x80").diagnostics), Codes{"E-CFG-SYNTAX 1:1"});
  EXPECT_EQ(codes(parse_text("\xed\xa0\x80").diagnostics), Codes{"E-CFG-SYNTAX 1:1"});
  EXPECT_EQ(codes(parse_text("\xf4\x90\x80\x80").diagnostics), Codes{"E-CFG-SYNTAX 1:1"});
  EXPECT_TRUE(parse_text("a: \xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80\n").diagnostics.ok());
}

// ---- limits ----

TEST(ConfigLimits, AliasesAreExpandedAndCounted) {
  const Parsed small = parse_text("a: &a [1, 2]\nb: *a\n");
  ASSERT_TRUE(small.diagnostics.ok());
  ASSERT_EQ(small.root.get("b").items().size(), 2U);
  EXPECT_EQ(small.root.get("b").items()[1].path(), "b[1]");
  EXPECT_EQ(small.root.get("b").items()[1].at().line, 1);

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) {
      bomb += (k == 0 ? "" : ", ") + last;
    }
    bomb += "]\n";
  }
  Limits limits;
  limits.max_nodes = 10'000;
  const Parsed p = parse_text(bomb, limits);
  ASSERT_EQ(p.diagnostics.errors().size(), 1U);
  EXPECT_EQ(p.diagnostics.errors()[0].code, "E-CFG-LIMIT");
  EXPECT_EQ(p.diagnostics.errors()[0].expected, "at most 10000 values, aliases expanded");
}

TEST(ConfigLimits, AliasesCannotRepeatMuchText) {
  Limits limits;
  limits.max_bytes = 2000;
  const std::string long_text = "a: &a " + std::string(500, 'x') + "\nb: [*a, *a, *a, *a";
  EXPECT_TRUE(parse_text(long_text + "]", limits).diagnostics.ok());
  EXPECT_EQ(codes(parse_text(long_text + ", *a]", limits).diagnostics), Codes{"E-CFG-LIMIT 2:21"});
}

TEST(ConfigLimits, AliasesCannotContainThemselves) {
  EXPECT_EQ(codes(parse_text("a: &a [*a]\n").diagnostics), Codes{"E-CFG-LIMIT 1:8"});
  EXPECT_EQ(codes(parse_text("a: &a {b: *a}\n").diagnostics), Codes{"E-CFG-LIMIT 1:11"});
}

TEST(ConfigLimits, DepthIsBoundedWhateverTheSyntax) {
  constexpr int kMany = 100'000;
  std::string maps;
  std::string keys;
  for (int i = 0; i < kMany; ++i) {
    maps += "{a: ";
    keys += "? ";
  }
  std::string block;
  for (int i = 0; i < 1000; ++i) {
    block += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  }
  std::string dashes;
  for (int i = 0; i < kMany; ++i) {
    dashes += "- ";
  }
  for (const std::string& text : {std::string(kMany, '['),
                                  maps,
                                  keys,
                                  block,
                                  dashes,
                                  "a: " + std::string(65, '[') + std::string(65, ']')}) {
    const Parsed p = parse_text(text);
    // A key that is a map or list is an error of its own, reported once.
    ASSERT_LE(p.diagnostics.errors().size(), 2U) << p.diagnostics.render();
    EXPECT_EQ(p.diagnostics.errors().back().code, "E-CFG-LIMIT") << p.diagnostics.render();
  }
  EXPECT_TRUE(parse_text(std::string(64, '[') + std::string(64, ']')).diagnostics.ok());

  // An alias may not smuggle depth in.
  EXPECT_EQ(parse_text("a: &a " + std::string(50, '[') + std::string(50, ']') +
                       "\nb: " + std::string(20, '[') + "*a" + std::string(20, ']'))
                .diagnostics.errors()
                .at(0)
                .code,
            "E-CFG-LIMIT");
}

TEST(ConfigLimits, HugeTextsAreRefused) {
  Limits limits;
  limits.max_bytes = 100;
  EXPECT_EQ(codes(parse_text(std::string(101, ' '), limits).diagnostics), Codes{"E-CFG-LIMIT 0:0"});
  EXPECT_TRUE(parse_text(std::string(100, ' '), limits).diagnostics.ok());
  limits.max_bytes = 100'000;
  limits.max_nodes = 50;
  EXPECT_EQ(codes(parse_text(std::string(51, '\n'), limits).diagnostics), Codes{"E-CFG-LIMIT 0:0"});
  std::string wide = "[";
  for (int i = 0; i < 50; ++i) {
    wide += "1,";
  }
  EXPECT_EQ(parse_text(wide + "]", limits).diagnostics.errors().at(0).code, "E-CFG-LIMIT");
  EXPECT_EQ(codes(parse_text(std::string(201, 'k') + ": 1").diagnostics), Codes{"E-CFG-LIMIT 1:1"});
}

TEST(ConfigLimits, LargeMapsAreFast) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text += "k" + std::to_string(i) + ": " + std::to_string(i) + "\n";
  }
  const Parsed p = parse_text(text);
  ASSERT_TRUE(p.diagnostics.ok());
  for (const auto& [key, at] : p.root.keys()) {
    ASSERT_EQ("k" + p.root.get(key).scalar(), key);
  }
}

// ---- merge ----

TEST(ConfigMerge, MapsMergeOthersReplace) {
  const Parsed base = parse_text("a: {x: 1, y: 2}\nlist: [1, 2, 3]\nkeep: k\n");
  const Parsed over = parse_text("\nlist: [9]\na: {y: 5, z: 6}\nnew: n\n");
  const Node m = merge(base.root, over.root);
  EXPECT_EQ(m.get("a").get("x").scalar(), "1");
  EXPECT_EQ(m.get("a").get("y").scalar(), "5");
  EXPECT_EQ(m.get("a").get("z").scalar(), "6");
  EXPECT_EQ(m.get("list").items().size(), 1U);
  EXPECT_EQ(m.get("keep").scalar(), "k");
  EXPECT_EQ(m.get("new").scalar(), "n");
  ASSERT_EQ(m.keys().size(), 4U);
  EXPECT_EQ(m.keys()[0].first, "a");
  EXPECT_EQ(m.keys()[3].first, "new");
  EXPECT_TRUE(m.get("a").get("x").history().empty());
  ASSERT_EQ(m.get("a").get("y").history().size(), 1U);
  EXPECT_EQ(m.get("a").get("y").history()[0].line, 1);
  EXPECT_EQ(m.get("a").get("y").at().line, 3);
  EXPECT_EQ(m.get("a").get("y").path(), "a.y");
}

TEST(ConfigMerge, HistoryGrowsBaseFirst) {
  const Parsed one = parse_text("a: 1");
  const Parsed two = parse_text("\na: 2");
  const Parsed three = parse_text("\n\na: 3");
  const Node left = merge(merge(one.root, two.root), three.root).get("a");
  const Node right = merge(one.root, merge(two.root, three.root)).get("a");
  for (const Node& a : {left, right}) {
    EXPECT_EQ(a.scalar(), "3");
    ASSERT_EQ(a.history().size(), 2U);
    EXPECT_EQ(a.history()[0].line, 1);
    EXPECT_EQ(a.history()[1].line, 2);
  }
}

TEST(ConfigMerge, NothingIsNeutralButNullReplaces) {
  const Parsed base = parse_text("a: {b: 1}");
  EXPECT_TRUE(equal(merge(base.root, Node()), base.root));
  EXPECT_TRUE(equal(merge(Node(), base.root), base.root));
  EXPECT_TRUE(equal(merge(base.root, parse_text("").root), base.root));
  EXPECT_TRUE(merge(base.root, parse_text("a:").root).get("a").is_null());
}

TEST(ConfigMerge, ResultTakesThePathOfItsPlace) {
  const Parsed defaults = parse_text("rows: 1");
  const Parsed file = parse_text("chip: {pe: {cols: 2}}");
  const Node pe = file.root.get("chip").get("pe");
  EXPECT_EQ(merge(defaults.root, pe).get("rows").path(), "chip.pe.rows");
  EXPECT_EQ(merge(pe, defaults.root).get("rows").path(), "chip.pe.rows");
}

TEST(ConfigMerge, DoesNotTouchItsArguments) {
  const Parsed base = parse_text("a: {x: 1}");
  const Parsed over = parse_text("a: {y: 2}");
  const Node m = merge(base.root, over.root);
  m.mark_read();
  Diagnostics unread;
  report_unread(base.root, unread);
  EXPECT_EQ(unread.errors().size(), 1U);
  EXPECT_EQ(base.root.get("a").keys().size(), 1U);
}

// ---- set ----

TEST(ConfigSet, ReplacesCreatesAndIndexes) {
  Parsed p = parse_text("chip:\n  rows: 1\n  tiles: [{x: 1}, {x: 2}]\n");
  apply_set(p.root, "chip.rows=64", p.diagnostics);
  apply_set(p.root, "chip.tiles[1].x=7", p.diagnostics);
  apply_set(p.root, "new.deep.key=[1, 2]", p.diagnostics);
  apply_set(p.root, "layers.\"conv1.0\".bits=4", p.diagnostics);
  apply_set(p.root, "name=\"a=b\"", p.diagnostics);
  ASSERT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
  const Node rows = p.root.get("chip").get("rows");
  EXPECT_EQ(rows.scalar(), "64");
  EXPECT_EQ(rows.path(), "chip.rows");
  EXPECT_EQ(rows.at().source->name, "--set");
  EXPECT_EQ(rows.at().line, 1);
  EXPECT_EQ(rows.at().column, 11);
  ASSERT_EQ(rows.history().size(), 1U);
  EXPECT_EQ(rows.history()[0].source->name, "t.yaml");
  EXPECT_EQ(rows.history()[0].line, 2);
  EXPECT_EQ(p.root.get("chip").get("tiles").items()[1].get("x").scalar(), "7");
  EXPECT_EQ(p.root.get("chip").get("tiles").items()[0].get("x").scalar(), "1");
  EXPECT_EQ(p.root.get("new").get("deep").get("key").items()[1].path(), "new.deep.key[1]");
  EXPECT_EQ(p.root.get("layers").get("conv1.0").get("bits").scalar(), "4");
  EXPECT_EQ(p.root.get("name").scalar(), "a=b");
}

TEST(ConfigSet, MapsMergeAndNothingIsNull) {
  Parsed p = parse_text("a: {x: 1}\n");
  apply_set(p.root, "a={y: 2}", p.diagnostics);
  apply_set(p.root, "b=", p.diagnostics);
  ASSERT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
  EXPECT_EQ(p.root.get("a").keys().size(), 2U);
  EXPECT_TRUE(p.root.has("b"));
  EXPECT_TRUE(p.root.get("b").is_null());

  Node empty;
  apply_set(empty, "a.b=1", p.diagnostics);
  ASSERT_TRUE(p.diagnostics.ok()) << p.diagnostics.render();
  EXPECT_EQ(empty.get("a").get("b").scalar(), "1");
  EXPECT_TRUE(Node().is_null());
}

TEST(ConfigSet, ReadMarksSurvive) {
  Parsed p = parse_text("a: 1\nb: 2\n");
  (void)p.root.get("a");
  apply_set(p.root, "b=3", p.diagnostics);
  report_unread(p.root, p.diagnostics);
  EXPECT_EQ(codes(p.diagnostics), Codes{"E-CFG-UNREAD-KEY 1:1"});
  EXPECT_EQ(p.diagnostics.errors()[0].path, "b");
}

TEST(ConfigSet, WrongAssignments) {
  const auto error_of = [](const std::string& assignment) {
    Parsed p = parse_text("a: {x: 1}\nlist: [1, 2]\n");
    const Node before = p.root;
    apply_set(p.root, assignment, p.diagnostics);
    EXPECT_TRUE(equal(before, p.root)) << assignment;
    return p.diagnostics.errors().empty()
               ? "no error"
               : codes(p.diagnostics)[0] + " " + p.diagnostics.errors()[0].sentence;
  };
  const std::string cannot = " cannot apply --set: ";
  EXPECT_EQ(error_of("a.x"), "E-CFG-SET 1:4" + cannot + "there is no '='");
  EXPECT_EQ(error_of("=1"), "E-CFG-SET 1:1" + cannot + "path is empty");
  EXPECT_EQ(error_of(""), "E-CFG-SET 1:1" + cannot + "path is empty");
  EXPECT_EQ(error_of("a..x=1"), "E-CFG-SET 1:3" + cannot + "path has an empty or malformed key");
  EXPECT_EQ(error_of("[0]=1"), "E-CFG-SET 1:1" + cannot + "path has an empty or malformed key");
  EXPECT_EQ(error_of("list[x]=1"), "E-CFG-SET 1:6" + cannot + "index is not a whole number");
  EXPECT_EQ(error_of("list[1=1"), "E-CFG-SET 1:7" + cannot + "index is not closed by ']'");
  EXPECT_EQ(error_of("list[0]x=1"), "E-CFG-SET 1:8" + cannot + "keys are not separated by '.'");
  EXPECT_EQ(error_of("\"a=1"), "E-CFG-SET 1:1" + cannot + "quoted key is not closed");
  EXPECT_EQ(error_of("list[2]=1"),
            "E-CFG-SET 1:5" + cannot + "the list has 2 items, counted from 0");
  EXPECT_EQ(error_of("a[0]=1"), "E-CFG-SET 1:2" + cannot + "an index needs a list");
  EXPECT_EQ(error_of("list.x=1"), "E-CFG-SET 1:6" + cannot + "a list needs an index, e.g. [0]");
  EXPECT_EQ(error_of("a.x.y=1"), "E-CFG-SET 1:5" + cannot + "the value there is not a map");
  EXPECT_EQ(error_of("a.x=010").substr(0, 22), "E-CFG-LEADING-ZERO 1:5");
  EXPECT_EQ(error_of("a.x=[1").substr(0, 12), "E-CFG-SYNTAX");
}

// ---- unread ----

TEST(ConfigUnread, ReportsWhatNobodyRead) {
  const Parsed p = parse_text("a: {x: 1, y: 2}\nb: {z: 3}\nlist: [{q: 1}]\n");
  (void)p.root.get("a").get("x");
  (void)p.root.get("list");
  Diagnostics d;
  report_unread(p.root, d);
  EXPECT_EQ(codes(d),
            (Codes{"E-CFG-UNREAD-KEY 1:11", "E-CFG-UNREAD-KEY 2:1", "E-CFG-UNREAD-KEY 3:9"}));
  EXPECT_EQ(d.errors()[0].sentence, "nothing reads key 'y'");
  EXPECT_EQ(d.errors()[0].path, "a.y");
  EXPECT_EQ(d.errors()[2].path, "list[0].q");
  p.root.mark_read();
  Diagnostics none;
  report_unread(p.root, none);
  EXPECT_TRUE(none.ok());
}

TEST(ConfigUnread, AskingWithHasIsNotReading) {
  const Parsed p = parse_text("a: 1\n");
  EXPECT_TRUE(p.root.has("a"));
  Diagnostics d;
  report_unread(p.root, d);
  EXPECT_EQ(d.errors().size(), 1U);
}

// ---- dump ----

TEST(ConfigDump, ShowsProvenance) {
  Parsed p = parse_text(
      "chip:\n  rows: 1\n  list: [1, 2]\n  maps:\n    - a: 1\n      b: {c: d}\n    - [[1], []]\n");
  apply_set(p.root, "chip.rows=2", p.diagnostics);
  EXPECT_EQ(dump(p.root),
            "chip:  # t.yaml:2\n"
            "  rows: 2  # --set:1, was t.yaml:2\n"
            "  list: [1, 2]  # t.yaml:3\n"
            "  maps:  # t.yaml:5\n"
            "    - a: 1  # t.yaml:5\n"
            "      b:  # t.yaml:6\n"
            "        c: d  # t.yaml:6\n"
            "    -  # t.yaml:7\n"
            "      - [1]  # t.yaml:7\n"
            "      - []  # t.yaml:7\n");
}

TEST(ConfigDump, ReadsBackAsTheSameTree) {
  for (const std::string_view text :
       {"a: 1\n",
        "null\n",
        "just text\n",
        "\"--- x\"\n",
        "[]\n",
        "{}\n",
        "a: \"1\"\nb: 'true'\nc: ~\nd: \"null\"\ne: ''\nf: x # y\ng: \"x # y\"\n",
        "\"key with: colon\": 1\n\"\": 2\n\"null\": 3\n'-': 4\n'<<': 5\n'\"': 6\n'a\\b': 7\n",
        "t: |\n  two\n  lines\nu: >-\n  folded\n  text\nv: a\n  b\n",
        "[a, [b, [c, {d: [e]}]], {f: {g: h}}, [], {}, ~]\n",
        "x: \"tab\\t nul\\0 esc\\e nl\\n u\\u00e9 \\U0001F600\"\n",
        "k: - 5\n",
        "k: -5 mV\nl: +3\nm: .5\nn: .nan\no: -.5\np: /abs\nq: (x)\nr: '@x'\ns: '%x'\n",
        "u: \xc3\xbc\n\xc3\xbc: 1\n",
        "a: [\"x, y\", z]\nb: ['[', ']']\nc: [a b, c]\nd: ['a:', b]\n"}) {
    Diagnostics d;
    const Node first = parse(text, "first.yaml", d);
    if (!d.ok()) {
      continue;  // 'k: - 5' is one: a diagnostic, not a tree
    }
    const std::string dumped = dump(first);
    Diagnostics again;
    const Node second = parse(dumped, "second.yaml", again);
    EXPECT_TRUE(again.ok()) << dumped << again.render();
    EXPECT_TRUE(equal(first, second)) << text << "---\n" << dumped;
  }
}

/// A random tree as YAML in flow style.
std::string random_flow(Rng& rng, int depth) {
  static const std::vector<std::string> kScalars{"1",     "-2.5",    "100 ns",  "true",
                                                 "null",  "~",       "\"010\"", "'it''s'",
                                                 "text",  "a-b",     "x.y",     R"("two\nlines")",
                                                 "\"#\"", "\"\"",    "\": \"",  "a b",
                                                 ".inf",  "\"- x\"", "\"? y\"", "\"\xc3\xa9\""};
  const std::int64_t kind = depth == 0 ? 0 : rng.uniform(0, 3);
  if (kind <= 1) {
    return kScalars[static_cast<std::size_t>(
        rng.uniform(0, static_cast<std::int64_t>(kScalars.size()) - 1))];
  }
  const std::int64_t size = rng.uniform(0, 4);
  std::string out = kind == 2 ? "[" : "{";
  for (std::int64_t i = 0; i < size; ++i) {
    out += i == 0 ? "" : ", ";
    if (kind == 3) {
      out += rng.chance(0.5) ? "k" + std::to_string(i) : "\"k " + std::to_string(i) + ": #\"";
      out += ": ";
    }
    out += random_flow(rng, depth - 1);
  }
  return out + (kind == 2 ? "]" : "}");
}

TEST(ConfigDump, RandomTreesReadBack) {
  Rng rng(1, "dump");
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_flow(rng, 5);
    Diagnostics d;
    const Node first = parse(text, "first.yaml", d);
    ASSERT_TRUE(d.ok()) << text << "\n" << d.render();
    const std::string dumped = dump(first);
    const Node second = parse(dumped, "second.yaml", d);
    ASSERT_TRUE(d.ok()) << dumped << d.render();
    ASSERT_TRUE(equal(first, second)) << text << "\n" << dumped;
  }
}

TEST(ConfigEqual, SeesEveryDifference) {
  const auto root = [](std::string_view text) { return parse_text(text).root; };
  EXPECT_TRUE(equal(root("{a: [1, x]}"), root("a:\n  - 1\n  - x\n")));
  EXPECT_FALSE(equal(root("a: 1"), root("a: \"1\"")));
  EXPECT_FALSE(equal(root("a: 1"), root("a: 2")));
  EXPECT_FALSE(equal(root("a: 1"), root("b: 1")));
  EXPECT_FALSE(equal(root("{a: 1, b: 2}"), root("{b: 2, a: 1}")));
  EXPECT_FALSE(equal(root("[1]"), root("[1, 2]")));
  EXPECT_FALSE(equal(root("[]"), root("{}")));
}

// ---- files ----

class ConfigLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("tessera_config_" + std::to_string(::getpid()) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_ / "sub");
  }

  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view text) const {
    std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigLoad, IncludesAreBelowTheFileAndRelativeToIt) {
  write("base.yaml", "rows: 1\ncols: 2\n");
  write("more.yaml", "cols: 3\ndepth: 4\n");
  write("sub/middle.yaml", "include: [../base.yaml, ../more.yaml]\ndepth: 5\n");
  const std::string top = write("top.yaml", "include: sub/middle.yaml\nrows: 9\n");
  Diagnostics d;
  const Node n = load(top, d);
  ASSERT_TRUE(d.ok()) << d.render();
  EXPECT_EQ(n.get("rows").scalar(), "9");
  EXPECT_EQ(n.get("cols").scalar(), "3");
  EXPECT_EQ(n.get("depth").scalar(), "5");
  EXPECT_FALSE(n.has("include"));
  ASSERT_EQ(n.get("rows").history().size(), 1U);
  EXPECT_EQ(n.get("rows").history()[0].source->name, (folder_ / "base.yaml").string());
  EXPECT_EQ(n.get("rows").at().source->name, top);
}

TEST_F(ConfigLoad, TheSameFileTwiceIsNoCycle) {
  write("base.yaml", "rows: 1\n");
  write("a.yaml", "include: base.yaml\n");
  write("b.yaml", "include: base.yaml\n");
  Diagnostics d;
  const Node n = load(write("top.yaml", "include: [a.yaml, b.yaml]\n"), d);
  EXPECT_TRUE(d.ok()) << d.render();
  EXPECT_EQ(n.get("rows").scalar(), "1");
}

TEST_F(ConfigLoad, CyclesAreErrorsAtTheInclude) {
  write("b.yaml", "x: 1\ninclude: a.yaml\n");
  Diagnostics d;
  const Node n = load(write("a.yaml", "include: b.yaml\ny: 2\n"), d);
  EXPECT_EQ(codes(d), Codes{"E-CFG-INCLUDE-CYCLE 2:10"});
  EXPECT_EQ(d.errors()[0].at.source->name, (folder_ / "b.yaml").string());
  ASSERT_EQ(d.errors()[0].related.size(), 1U);
  EXPECT_EQ(d.errors()[0].related[0].line, 1);
  EXPECT_EQ(n.get("x").scalar(), "1");
  EXPECT_EQ(n.get("y").scalar(), "2");

  Diagnostics self;
  (void)load(write("self.yaml", "include: ./sub/../self.yaml\n"), self);
  EXPECT_EQ(codes(self), Codes{"E-CFG-INCLUDE-CYCLE 1:10"});
}

TEST_F(ConfigLoad, MissingFiles) {
  Diagnostics d;
  (void)load((folder_ / "none.yaml").string(), d);
  (void)load((folder_ / "sub").string(), d);
  (void)load("", d);
  const Node n = load(write("top.yaml", "a: 1\ninclude: [gone.yaml, [x], 5:5]\n"), d);
  EXPECT_EQ(codes(d),
            (Codes{"E-CFG-FILE 0:0",
                   "E-CFG-FILE 0:0",
                   "E-CFG-FILE 0:0",
                   "E-CFG-FILE 2:11",
                   "E-CFG-TYPE 2:22",
                   "E-CFG-FILE 2:27"}));
  EXPECT_NE(d.errors()[0].sentence.find("no such file"), std::string::npos);
  EXPECT_EQ(d.errors()[3].path, "include[0]");
  EXPECT_EQ(n.get("a").scalar(), "1");
}

TEST_F(ConfigLoad, IncludeBombsAreBounded) {
  write("f0.yaml", "a: 1\n");
  for (int i = 1; i < 40; ++i) {
    const std::string last = fmt::format("f{}.yaml", i - 1);
    write(fmt::format("f{}.yaml", i), fmt::format("include: [{0}, {0}]\n", last));
  }
  Diagnostics d;
  (void)load((folder_ / "f39.yaml").string(), d);
  ASSERT_FALSE(d.ok());
  EXPECT_EQ(d.errors()[0].code, "E-CFG-LIMIT");
}

TEST_F(ConfigLoad, LimitsHoldForAllFilesTogether) {
  write("part.yaml", "a: " + std::string(600, 'x'));
  Limits limits;
  limits.max_bytes = 1000;
  Diagnostics one;
  (void)load(write("one.yaml", "include: part.yaml\n"), one, limits);
  EXPECT_TRUE(one.ok()) << one.render();
  Diagnostics two;
  (void)load(write("two.yaml", "include: [part.yaml, part.yaml]\n"), two, limits);
  EXPECT_EQ(codes(two), Codes{"E-CFG-LIMIT 0:0"});
}

TEST_F(ConfigLoad, LargeFilesAreNotReadToTheEnd) {
  Limits limits;
  limits.max_bytes = 1000;
  Diagnostics d;
  (void)load(write("big.yaml", std::string(5000, ' ')), d, limits);
  EXPECT_EQ(codes(d), Codes{"E-CFG-LIMIT 0:0"});
  Diagnostics endless;
  (void)load("/dev/zero", endless, limits);
  EXPECT_EQ(codes(endless), Codes{"E-CFG-LIMIT 0:0"});
}

}  // namespace
}  // namespace tessera::config
