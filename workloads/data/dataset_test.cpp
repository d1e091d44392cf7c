// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/dataset.hpp"

#include "sim/base/rng.hpp"
#include "workloads/data/npy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

namespace tessera::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

/// A folder of the test's own, removed with it.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tessera_data_XXXXXX").string();
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }

  ~Folder() { std::filesystem::remove_all(path_); }

  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  Folder(Folder&&) = delete;
  Folder& operator=(Folder&&) = delete;

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(std::filesystem::path(path_) / name, std::ios::binary) << bytes;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Loaded {
  std::optional<DataSet> set;
  std::vector<std::string> codes;
  std::string text;
};

Loaded load(const std::string& yaml, const std::string& folder = "") {
  Diagnostics diagnostics;
  const config::Node root = config::parse(yaml, "test.yaml", diagnostics);
  const config::Node node = root.get("data");
  const std::optional<DataSpec> spec = read_data(node, diagnostics);
  Loaded out;
  if (spec && diagnostics.ok()) {
    out.set = load_data(*spec, node, folder, diagnostics);
  }
  for (const Diagnostic& d : diagnostics.errors()) {
    out.codes.push_back(d.code);
    EXPECT_NE(d.at.source, nullptr) << d.sentence;
  }
  out.text = diagnostics.render();
  EXPECT_EQ(out.set.has_value(), out.codes.empty()) << out.text;
  return out;
}

DataSet set_of(const std::string& yaml, const std::string& folder = "") {
  const Loaded loaded = load(yaml, folder);
  EXPECT_EQ(loaded.text, "");
  return loaded.set.value_or(DataSet{});
}

std::vector<std::int64_t> counts(const Images& images, int classes) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(classes));
  for (const std::int32_t label : images.labels) {
    ++out[static_cast<std::size_t>(label)];
  }
  return out;
}

std::uint64_t digest(const Images& images) {
  const auto bytes = [](const auto& list) {
    return std::string_view(reinterpret_cast<const char*>(list.data()),
                            list.size() * sizeof(list[0]));
  };
  return fnv1a(bytes(images.values), fnv1a(bytes(images.labels)));
}

// ---- digits

TEST(Digits, AreThoseOfTheUciRepository) {
  const DataSet set = set_of("data: {set: digits, divide: 1, split: {train: 1}}");
  EXPECT_EQ(set.name, "digits");
  EXPECT_EQ(set.classes, 10);
  EXPECT_EQ(set.shape, (Shape{8, 8, 1}));
  EXPECT_EQ(set.train.count, 1797);
  EXPECT_EQ(set.train.values.size(), 1797U * 64);
  EXPECT_EQ(*std::min_element(set.train.values.begin(), set.train.values.end()), 0);
  EXPECT_EQ(*std::max_element(set.train.values.begin(), set.train.values.end()), 16);
  for (const float value : set.train.values) {
    ASSERT_EQ(value, std::trunc(value));
  }
  // The classes as UCI's description of the test file counts them.
  EXPECT_THAT(counts(set.train, 10), ElementsAre(178, 182, 177, 183, 181, 182, 181, 179, 174, 180));
  EXPECT_EQ(set.test.count + set.validation.count, 0);
}

TEST(Digits, AreSplitTheSameEverywhere) {
  const DataSet set = set_of("data: {set: digits}");
  EXPECT_EQ(set.train.count, 1258);
  EXPECT_EQ(set.validation.count, 180);
  EXPECT_EQ(set.test.count, 359);
  EXPECT_EQ(digest(set.train), 12157812501894365001U);
  EXPECT_EQ(digest(set.validation), 11238874321128334132U);
  EXPECT_EQ(digest(set.test), 16790564151721540722U);
  EXPECT_EQ(*std::max_element(set.train.values.begin(), set.train.values.end()), 1);
}

TEST(Digits, SplitsAreDisjointAndCompleteAndDependOnTheSeed) {
  const DataSet one = set_of("data: {set: digits, split: {train: 0.5, test: 0.5, seed: 3}}");
  const DataSet two = set_of("data: {set: digits, split: {train: 0.5, test: 0.5, seed: 4}}");
  std::vector<std::int64_t> all = one.train.origin;
  all.insert(all.end(), one.test.origin.begin(), one.test.origin.end());
  std::sort(all.begin(), all.end());
  std::vector<std::int64_t> expected(1797);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(all, expected);
  EXPECT_NE(one.train.origin, two.train.origin);
  const std::vector<std::int64_t> total = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
  const std::vector<std::int64_t> train = counts(one.train, 10);
  for (std::size_t c = 0; c < 10; ++c) {
    EXPECT_NEAR(static_cast<double>(train[c]), static_cast<double>(total[c]) / 2, 1.1);
  }
}

TEST(Digits, OriginSaysWhichImageItWas) {
  const DataSet all = set_of("data: {set: digits, split: {train: 1}}");
  std::vector<std::size_t> place(1797);
  for (std::size_t i = 0; i < place.size(); ++i) {
    place[static_cast<std::size_t>(all.train.origin[i])] = i;
  }
  const DataSet part = set_of("data: {set: digits, split: {validation: 1, seed: 9}}");
  for (std::size_t i = 0; i < 1797; ++i) {
    const std::size_t k = place[static_cast<std::size_t>(part.validation.origin[i])];
    ASSERT_EQ(part.validation.labels[i], all.train.labels[k]);
    ASSERT_TRUE(
        std::equal(part.validation.values.begin() + static_cast<std::ptrdiff_t>(64 * i),
                   part.validation.values.begin() + static_cast<std::ptrdiff_t>(64 * i + 64),
                   all.train.values.begin() + static_cast<std::ptrdiff_t>(64 * k)));
  }
}

TEST(Digits, LimitKeepsTheClassesInProportion) {
  const DataSet all = set_of("data: {set: digits}");
  const DataSet few =
      set_of("data: {set: digits, limit: {train: 100, test: 20, validation: 9999}}");
  EXPECT_EQ(few.train.count, 100);
  EXPECT_EQ(few.test.count, 20);
  EXPECT_EQ(few.validation.count, 180);
  EXPECT_TRUE(
      std::equal(few.train.origin.begin(), few.train.origin.end(), all.train.origin.begin()));
  for (const std::int64_t n : counts(few.train, 10)) {
    EXPECT_NEAR(static_cast<double>(n), 10, 1.1);
  }
}

// ---- files

const char* const kImages = "images: i.npy, labels: l.npy";

/// Four images of 12 numbers: 0, 1, 2, ... in the order of the file.
void write_four(const Folder& folder, const std::vector<std::int64_t>& shape) {
  std::vector<float> values(48);
  std::iota(values.begin(), values.end(), 0.0F);
  folder.write("i.npy", write_npy(make_array(shape, values)));
  folder.write("l.npy", write_npy(make_array({4}, std::vector<std::int64_t>{0, 1, 1, 0})));
}

TEST(DataFiles, ChannelsComeLastInMemory) {
  const Folder folder;
  write_four(folder, {4, 2, 2, 3});
  const DataSet hwc = set_of("data: {train: {" + std::string(kImages) + "}}", folder.path());
  EXPECT_EQ(hwc.shape, (Shape{2, 2, 3}));
  EXPECT_EQ(hwc.name, "i.npy");
  EXPECT_EQ(hwc.train.values[4], 4);
  EXPECT_THAT(hwc.train.labels, ElementsAre(0, 1, 1, 0));
  EXPECT_THAT(hwc.train.origin, ElementsAre(0, 1, 2, 3));

  write_four(folder, {4, 3, 2, 2});
  const std::string chw = "data: {train: {" + std::string(kImages) + "}, layout: chw";
  const DataSet planes = set_of(chw + "}", folder.path());
  EXPECT_EQ(planes.shape, (Shape{2, 2, 3}));
  EXPECT_EQ(std::vector<float>(planes.train.values.begin(), planes.train.values.begin() + 12),
            (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  // A flat file with planes, and a network that wants it flat again.
  write_four(folder, {4, 12});
  const DataSet flat = set_of(chw + ", shape: {height: 2, width: 2, channels: 3}}", folder.path());
  EXPECT_EQ(flat.train.values, planes.train.values);
  write_four(folder, {4, 3, 2, 2});
  const DataSet again =
      set_of(chw + ", shape: {height: 1, width: 1, channels: 12}}", folder.path());
  EXPECT_EQ(again.shape, (Shape{1, 1, 12}));
  EXPECT_EQ(again.train.values, planes.train.values);
}

TEST(DataFiles, NumbersAreNormalizedPerChannel) {
  const Folder folder;
  write_four(folder, {4, 2, 2, 3});
  const DataSet set = set_of(
      "data: {train: {" + std::string(kImages) + "}, divide: 2, mean: [0.5, 1, 0], std: [1, 2, 4]}",
      folder.path());
  EXPECT_EQ(std::vector<float>(set.train.values.begin(), set.train.values.begin() + 6),
            (std::vector<float>{-0.5F, -0.25F, 0.25F, 1, 0.5F, 0.625F}));
  const DataSet one =
      set_of("data: {train: {" + std::string(kImages) + "}, mean: [1], std: [2]}", folder.path());
  EXPECT_EQ(one.train.values[3], 1);
}

TEST(DataFiles, ArchivesGiveArraysByName) {
  const Folder folder;
  const Array x = make_array({2, 3}, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  const Array y = make_array({2, 1}, std::vector<std::uint8_t>{1, 0});  // as Keras has them
  folder.write("a.npz", write_npz({{"images", x}, {"labels", y}, {"x_test", x}, {"y_test", y}}));
  const DataSet set =
      set_of("data: {train: {file: a.npz}, test: {file: a.npz, images: x_test, labels: y_test}}",
             folder.path());
  EXPECT_EQ(set.shape, (Shape{1, 1, 3}));
  EXPECT_THAT(set.train.labels, ElementsAre(1, 0));
  EXPECT_EQ(set.train.values, set.test.values);
  EXPECT_THAT(load("data: {train: {file: a.npz, images: x, labels: y}}", folder.path()).codes,
              ElementsAre("E-DATA-ARRAY", "E-DATA-ARRAY"));
  // One array for both: each image is its own label.
  folder.write("b.npz", write_npz({{"x", make_array({2, 1}, std::vector<std::uint8_t>{1, 0})}}));
  EXPECT_EQ(
      set_of("data: {train: {file: b.npz, images: x, labels: x}}", folder.path()).train.values,
      (std::vector<float>{1, 0}));
}

TEST(DataFiles, CifarIsReadAsItIsDistributed) {
  const Folder folder;
  std::string bytes;
  for (const int label : {1, 0, 1}) {
    bytes += static_cast<char>(label) + std::string(1024, '\1') + std::string(1024, '\2') +
             std::string(1024, '\3');
  }
  folder.write("c.bin", bytes);
  const DataSet set = set_of("data: {test: {file: c.bin}}", folder.path());
  EXPECT_EQ(set.shape, (Shape{32, 32, 3}));
  EXPECT_EQ(set.test.values[3 * 1023 + 2], 3);
  EXPECT_EQ(set.test.values[3], 1);
}

TEST(DataFiles, ValidationMayComeOutOfTrain) {
  const Folder folder;
  std::string table;
  for (int i = 0; i < 100; ++i) {
    table += std::to_string(i) + "," + std::to_string(i < 80 ? 0 : 1) + "\n";
  }
  folder.write("t.csv", table);
  const DataSet set = set_of(
      "data: {train: {file: t.csv}, test: {file: t.csv}, split: {validation: 0.2}}", folder.path());
  EXPECT_EQ(set.train.count, 80);
  EXPECT_THAT(counts(set.train, 2), ElementsAre(64, 16));
  EXPECT_THAT(counts(set.validation, 2), ElementsAre(16, 4));
  std::vector<std::int64_t> all = set.train.origin;
  all.insert(all.end(), set.validation.origin.begin(), set.validation.origin.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, set.test.origin);  // a whole file keeps its order
  const DataSet few = set_of("data: {test: {file: t.csv}, limit: {test: 10}}", folder.path());
  EXPECT_THAT(counts(few.test, 2), ElementsAre(8, 2));
}

// ---- what is wrong

TEST(DataErrors, OfIndependentFilesComeTogether) {
  const Folder folder;
  folder.write("t.csv", "1,2,0\n1,x,0\n");
  folder.write("v.csv", "1,2,-1\n");
  const Loaded loaded =
      load("data: {train: {file: t.csv}, validation: {file: v.csv}, test: {images: a, labels: b}}",
           folder.path());
  EXPECT_THAT(loaded.codes,
              ElementsAre("E-DATA-CELL", "E-DATA-LABEL", "E-DATA-FILE", "E-DATA-FILE"))
      << loaded.text;
}

TEST(DataErrors, OfOneFileComeTogether) {
  const Folder folder;
  folder.write("i.npy", write_npy(make_array({2, 1, 1, 1, 3}, std::vector<float>(6))));
  folder.write("l.npy", write_npy(make_array({3}, std::vector<float>{0, 0.5F, 1})));
  EXPECT_THAT(load("data: {train: {" + std::string(kImages) + "}}", folder.path()).codes,
              UnorderedElementsAre("E-DATA-LABEL", "E-DATA-SHAPE", "E-DATA-COUNT"));
}

TEST(DataErrors, OfLabels) {
  const Folder folder;
  folder.write("i.npy", write_npy(make_array({2, 1}, std::vector<float>{1, 2})));
  const auto codes = [&](const Array& labels, const std::string& more = "") {
    folder.write("l.npy", write_npy(labels));
    return load("data: {train: {" + std::string(kImages) + "}" + more + "}", folder.path()).codes;
  };
  const auto list = [](std::vector<std::int64_t> labels) { return make_array({2}, labels); };
  EXPECT_THAT(codes(list({0, 1})), ElementsAre());
  EXPECT_THAT(codes(list({0, 1}), ", classes: 2"), ElementsAre());
  EXPECT_THAT(codes(list({0, 1}), ", classes: 3"), ElementsAre("E-DATA-CLASSES"));
  EXPECT_THAT(codes(list({0, 2}), ", classes: 2"), ElementsAre("E-DATA-LABEL"));
  EXPECT_THAT(codes(list({1, 2})), ElementsAre("E-DATA-CLASSES"));
  EXPECT_THAT(codes(list({0, -1})), ElementsAre("E-DATA-LABEL"));
  EXPECT_THAT(codes(list({0, INT64_MAX})), ElementsAre("E-DATA-LABEL"));
  EXPECT_THAT(codes(list({0, 65535})), ElementsAre("E-DATA-CLASSES"));
  EXPECT_THAT(codes(make_array({2, 2}, std::vector<float>{0, 1, 1, 0})),
              ElementsAre("E-DATA-SHAPE"));
  EXPECT_THAT(codes(make_array({}, std::vector<float>{0})),
              UnorderedElementsAre("E-DATA-SHAPE", "E-DATA-COUNT"));
}

TEST(DataErrors, OfShapesAndValues) {
  const Folder folder;
  const std::string files = "data: {train: {" + std::string(kImages) + "}";
  write_four(folder, {4, 2, 2, 3});
  const auto codes = [&](const std::string& more) {
    return load(files + more, folder.path()).codes;
  };
  EXPECT_THAT(codes("}"), ElementsAre());
  EXPECT_THAT(codes(", shape: {height: 2, width: 2, channels: 2}}"), ElementsAre("E-DATA-SHAPE"));
  EXPECT_THAT(codes(", mean: [0, 0], std: [1, 1]}"), ElementsAre("E-DATA-SHAPE", "E-DATA-SHAPE"));
  EXPECT_THAT(codes(", divide: 1.0e-30, std: [1.0e-30]}"), ElementsAre("E-DATA-VALUE"));
  EXPECT_THAT(codes(", std: [0]}"), ElementsAre("E-CFG-RANGE"));
  folder.write("t.csv", "1,0\n2,1\n");
  EXPECT_THAT(codes(", test: {file: t.csv}}"), ElementsAre("E-DATA-SHAPE"));
  folder.write("i.npy", write_npy(make_array({0, 2}, std::vector<float>{})));
  folder.write("l.npy", write_npy(make_array({0}, std::vector<float>{})));
  EXPECT_THAT(codes("}"), ElementsAre("E-DATA-EMPTY"));
  folder.write("i.npy", write_npy(make_array({(1 << 24) + 1, 0}, std::vector<float>{})));
  EXPECT_THAT(codes("}"), ElementsAre("E-DATA-SIZE"));
  folder.write("i.npy", write_npy(make_array({0, 0}, std::vector<float>{})));
  EXPECT_THAT(codes("}"), ElementsAre("E-DATA-SHAPE", "E-DATA-EMPTY"));
}

TEST(DataErrors, OfTheSection) {
  const auto codes = [](const std::string& yaml) { return load("data: " + yaml).codes; };
  EXPECT_THAT(codes("{classes: 3}"), ElementsAre("E-DATA-SOURCE"));
  EXPECT_THAT(codes("{set: digits, train: {file: x}}"), ElementsAre("E-DATA-SOURCE"));
  EXPECT_THAT(codes("{validation: {file: x}}"), ElementsAre("E-DATA-SOURCE"));
  EXPECT_THAT(codes("{all: {}, split: {train: 0.5, test: 0.4}}"),
              ElementsAre("E-DATA-SOURCE", "E-DATA-SPLIT"));
  EXPECT_THAT(codes("{train: {labels: x}, test: {images: x}}"),
              ElementsAre("E-DATA-SOURCE", "E-DATA-SOURCE"));
  EXPECT_THAT(codes("{train: {file: x}, split: {train: 1, test: 0.5}}"),
              ElementsAre("E-DATA-SPLIT", "E-DATA-SPLIT"));
  EXPECT_THAT(codes("{test: {file: x}, split: {validation: 0.1}}"), ElementsAre("E-DATA-SPLIT"));
  EXPECT_THAT(codes("{train: {file: x}, validation: {file: x}, split: {validation: 0.1}}"),
              ElementsAre("E-DATA-SPLIT"));
  EXPECT_THAT(codes("{train: {file: x}, split: {validation: 1}}"), ElementsAre("E-DATA-SPLIT"));
  EXPECT_THAT(codes("{set: numbers, classes: 0, split: {train: 2}}"),
              ElementsAre("E-CFG-RANGE", "E-CFG-RANGE", "E-CFG-RANGE"));
  EXPECT_THAT(codes("{set: digits, split: {train: 0.9999, test: 0.0001}}"),
              ElementsAre("E-DATA-EMPTY"));
}

TEST(DataErrors, OfFilesThatAreNone) {
  const Folder folder;
  folder.write("one.npy", write_npy(make_array({1}, std::vector<float>{1})));
  folder.write("t.csv", "1,0\n2,1\n");
  const auto loaded = [&](const std::string& train) {
    return load("data: {train: {" + train + "}}", folder.path());
  };
  EXPECT_THAT(loaded("file: one.npy").text, HasSubstr("images: and labels: take one file each"));
  EXPECT_THAT(loaded("file: .").codes, ElementsAre("E-DATA-FILE"));
  EXPECT_THAT(loaded("file: t.csv, images: x").codes, ElementsAre("E-DATA-SOURCE"));
  EXPECT_THAT(loaded("images: t.csv, labels: t.csv").codes,
              ElementsAre("E-DATA-FORMAT", "E-DATA-FORMAT"));
  folder.write("x.npz", "no archive");
  EXPECT_THAT(loaded("file: x.npz").codes, ElementsAre("E-DATA-FORMAT"));
}

}  // namespace
}  // namespace tessera::data
