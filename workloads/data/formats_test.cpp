// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/formats.hpp"

#include "workloads/data/digits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace tessera::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Problems {
  std::vector<std::string> codes;
  std::string text;
};

/// What `read` reports into the Reporter it is given.
template <class Read>
Problems problems(Read&& read) {
  Diagnostics diagnostics;
  Reporter reporter("file", {}, "data.all", diagnostics);
  read(reporter);
  Problems out{{}, diagnostics.render(100)};
  for (const Diagnostic& d : diagnostics.errors()) {
    out.codes.push_back(d.code);
  }
  return out;
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string out;
  for (const int v : values) {
    out += static_cast<char>(v);
  }
  return out;
}

TEST(Idx, HasImagesAndLabels) {
  const std::string images =
      bytes_of({0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 255});
  std::optional<Array> array;
  const Problems none = problems([&](Reporter& r) { array = parse_idx(images, r); });
  ASSERT_TRUE(array) << none.text;
  EXPECT_EQ(array->shape, (std::vector<std::int64_t>{2, 1, 2}));
  EXPECT_EQ(array->type, DType::u1);
  EXPECT_EQ(as_floats(*array), (std::vector<float>{1, 2, 3, 255}));
}

TEST(Idx, TurnsBytesRound) {
  std::optional<Array> array;
  problems([&](Reporter& r) {
    array = parse_idx(bytes_of({0, 0, 0x0B, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE}), r);
  });
  ASSERT_TRUE(array);
  EXPECT_EQ(as_integers(*array), (std::optional<std::vector<std::int64_t>>{{258, -2}}));
  problems([&](Reporter& r) {
    array = parse_idx(bytes_of({0, 0, 0x0E, 1, 0, 0, 0, 1, 0xBF, 0xF8, 0, 0, 0, 0, 0, 0}), r);
  });
  ASSERT_TRUE(array);
  EXPECT_EQ(as_floats(*array), (std::vector<float>{-1.5F}));
}

TEST(Idx, RefusesWrongMagicAndSizes) {
  const auto code = [](const std::string& bytes) {
    const Problems p = problems([&](Reporter& r) { EXPECT_FALSE(parse_idx(bytes, r)); });
    return p.codes.size() == 1 ? p.codes[0] : p.text;
  };
  EXPECT_EQ(code(""), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 0, 8})), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 8, 8, 1, 0, 0, 0, 1, 7})), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 0, 7, 1, 0, 0, 0, 1, 7})), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 0, 7})), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 99, 7})), "E-DATA-FORMAT");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 2, 0, 0, 0, 1})), "E-DATA-SIZE");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 1, 0, 0, 0, 2, 7})), "E-DATA-SIZE");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 1, 0, 0, 0, 1, 7, 7})), "E-DATA-SIZE");
  // 2^32 - 1 thrice, and a product that is 4 modulo 2^64.
  const std::string huge = bytes_of({255, 255, 255, 255});
  EXPECT_EQ(code(bytes_of({0, 0, 8, 3}) + huge + huge + huge), "E-DATA-SIZE");
  EXPECT_EQ(code(bytes_of({0, 0, 8, 3, 128, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 4})), "E-DATA-SIZE");
}

struct Table {
  std::vector<float> values;
  std::vector<float> labels;
  std::vector<std::int64_t> shape;
};

Table table_of(const std::string& text, const CsvSpec& spec = {}) {
  std::optional<Labelled> read;
  const Problems p = problems([&](Reporter& r) { read = parse_csv(text, spec, r); });
  EXPECT_TRUE(read) << p.text;
  return read ? Table{as_floats(read->images), as_floats(read->labels), read->images.shape}
              : Table{};
}

TEST(Csv, ReadsTablesAsTheyAreWritten) {
  const Table plain = table_of("1,2,0\n3,4.5,1\n");
  EXPECT_EQ(plain.values, (std::vector<float>{1, 2, 3, 4.5F}));
  EXPECT_EQ(plain.labels, (std::vector<float>{0, 1}));
  EXPECT_EQ(plain.shape, (std::vector<std::int64_t>{2, 2}));
  // Windows' line ends, blanks, quotation marks, signs, a mark of the encoding, no last line end.
  const Table odd = table_of("\xef\xbb\xbf 1 ,\"2\",0\r\n\r\n+3,-4.5e0,1");
  EXPECT_EQ(odd.values, (std::vector<float>{1, 2, 3, -4.5F}));
  EXPECT_EQ(odd.labels, plain.labels);
}

TEST(Csv, TakesTheLabelFromAnyColumn) {
  const std::string text = "a,b,c\n1,2,3\n4,5,6\n";
  for (const auto& [label, expected] : std::vector<std::pair<std::string, float>>{
           {"first", 4}, {"last", 6}, {"1", 4}, {"2", 5}, {"3", 6}, {"b", 5}}) {
    EXPECT_EQ(table_of(text, {label, true}).labels.at(1), expected) << label;
  }
  EXPECT_EQ(table_of(text, {"b", true}).values, (std::vector<float>{1, 3, 4, 6}));
  for (const char* label : {"0", "4", "d", "", "2x"}) {
    const Problems p = problems([&](Reporter& r) {
      EXPECT_FALSE(parse_csv(text, {label, true}, r));
    });
    EXPECT_THAT(p.codes, ElementsAre("E-DATA-SOURCE")) << label;
  }
}

TEST(Csv, SaysLineAndColumnOfAllThatIsWrong) {
  const Problems p = problems([](Reporter& r) {
    EXPECT_FALSE(parse_csv("1,2,0\n\nfive,2,0\n1,0\n1,,0\nnan,1e999,0\n1,2,0x3\n", {}, r));
  });
  EXPECT_THAT(p.codes,
              ElementsAre("E-DATA-CELL",
                          "E-DATA-CELL",
                          "E-DATA-CELL",
                          "E-DATA-VALUE",
                          "E-DATA-VALUE",
                          "E-DATA-CELL"));
  EXPECT_THAT(p.text, HasSubstr("line 3, column 1 is no number"));
  EXPECT_THAT(p.text, HasSubstr("line 4 has another number of columns"));
  EXPECT_THAT(p.text, HasSubstr("line 5, column 2 is no number"));
  EXPECT_THAT(p.text, HasSubstr("line 6, column 2 is no finite number"));
  EXPECT_THAT(p.text, HasSubstr("line 7, column 3 is no number"));
}

TEST(Csv, StopsAfterTwentyErrorsAndHintsAtAHeader) {
  std::string text = "x,y,label\n";
  for (int i = 0; i < 100; ++i) {
    text += "a,1,0\n";
  }
  const Problems p = problems([&](Reporter& r) { EXPECT_FALSE(parse_csv(text, {}, r)); });
  EXPECT_THAT(p.text, HasSubstr("header: true"));
  EXPECT_LE(p.codes.size(), 22U);
  EXPECT_GE(p.codes.size(), 20U);
  EXPECT_THAT(problems([](Reporter& r) { parse_csv("", {}, r); }).codes,
              ElementsAre("E-DATA-EMPTY"));
  EXPECT_THAT(problems([](Reporter& r) {
                parse_csv("a,b\n", {"last", true}, r);
              }).codes,
              ElementsAre("E-DATA-EMPTY"));
  EXPECT_THAT(problems([](Reporter& r) { parse_csv("1\n2\n", {}, r); }).codes,
              ElementsAre("E-DATA-CELL"));
  EXPECT_THAT(
      problems([](Reporter& r) { parse_csv("1,2,3\n1,2,3\n", {}, r, {.max_bytes = 15}); }).codes,
      ElementsAre("E-DATA-SIZE"));
}

TEST(Cifar10, IsALabelAndThreePlanes) {
  std::string bytes(std::size_t{2} * 3073, '\7');
  bytes[0] = 9;
  bytes[3073] = 4;
  bytes[3073 + 1 + 1024] = 8;  // first of the green plane of the second image
  std::optional<Labelled> read;
  const Problems p = problems([&](Reporter& r) { read = parse_cifar10(bytes, r); });
  ASSERT_TRUE(read) << p.text;
  EXPECT_EQ(as_floats(read->labels), (std::vector<float>{9, 4}));
  EXPECT_EQ(read->images.shape, (std::vector<std::int64_t>{2, 3, 32, 32}));
  EXPECT_EQ(read->layout, Layout::chw);
  EXPECT_EQ(as_floats(read->images, 3072 + 1024, 2), (std::vector<float>{8, 7}));
  EXPECT_THAT(problems([&](Reporter& r) { parse_cifar10(bytes.substr(1), r); }).codes,
              ElementsAre("E-DATA-SIZE"));
  EXPECT_THAT(problems([](Reporter& r) { parse_cifar10("", r); }).codes,
              ElementsAre("E-DATA-SIZE"));
}

TEST(Gzip, IsExpandedWithinLimits) {
  const std::string packed(digits_file());
  std::optional<std::string> text;
  const Problems none = problems([&](Reporter& r) { text = expand(packed, r); });
  ASSERT_TRUE(text) << none.text;
  EXPECT_EQ(text->size(), 264712U);
  problems([](Reporter& r) { EXPECT_EQ(expand("plain", r), "plain"); });
  const auto code = [](const std::string& bytes, const Limits& limits) {
    const Problems p = problems([&](Reporter& r) { EXPECT_FALSE(expand(bytes, r, limits)); });
    return p.codes.size() == 1 ? p.codes[0] : p.text;
  };
  for (const std::size_t keep : {2U, 3U, 9U, 10U, 11U, 100U, 30000U, 57000U, 57504U, 57511U}) {
    EXPECT_EQ(code(packed.substr(0, keep), {}), "E-DATA-FILE") << keep;
  }
  std::string damaged = packed;
  damaged[30000] ^= 1;
  EXPECT_EQ(code(damaged, {}), "E-DATA-FILE");
  EXPECT_EQ(code(packed, {.max_bytes = 264711}), "E-DATA-FILE");
  EXPECT_EQ(code(packed, {.expanded_freely = 1000, .max_ratio = 4}), "E-DATA-FILE");
}

}  // namespace
}  // namespace tessera::data
