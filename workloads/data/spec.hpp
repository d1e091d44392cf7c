// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The `data:` section of an experiment: which labelled images, and how they are cut into splits.
///
///   data: {set: digits}                     # ships with Tessera
///
///   data:                                   # MNIST as it is distributed
///     train: {images: train-images-idx3-ubyte.gz, labels: train-labels-idx1-ubyte.gz}
///     test: {images: t10k-images-idx3-ubyte.gz, labels: t10k-labels-idx1-ubyte.gz}
///     split: {validation: 0.1}              # of train
///     divide: 255
///
///   data:                                   # one table of one's own
///     all: {file: flowers.csv}
///     split: {train: 0.7, validation: 0.1, test: 0.2, seed: 3}
///     shape: {height: 1, width: 1, channels: 4}
///
/// Errors   those of the configuration reader; E-DATA-SOURCE (none or too many sources, files that
///          do not go together), E-DATA-SPLIT (fractions that do not sum to 1)
#pragma once

#include "sim/base/config.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::data {

enum class BuiltIn { digits };

constexpr auto enum_names(BuiltIn) {
  return std::array<std::pair<BuiltIn, std::string_view>, 1>{{{BuiltIn::digits, "digits"}}};
}

/// The order of the numbers of one image in a file; in memory it is always hwc.
enum class Layout { hwc, chw };

constexpr auto enum_names(Layout) {
  return std::array<std::pair<Layout, std::string_view>, 2>{
      {{Layout::hwc, "hwc"}, {Layout::chw, "chw"}}};
}

/// Either one file with images and labels, or one of each.
struct FileSpec {
  std::string file;
  std::string images;
  std::string labels;

  static constexpr auto fields() {
    using config::field;
    return config::list<FileSpec>(
        field("file", &FileSpec::file)
            .doc("one file with both: CSV, NPZ, or .bin of CIFAR-10; plain or packed by gzip"),
        field("images", &FileSpec::images)
            .doc("IDX or NPY file of the images; the name of their array in an NPZ file"),
        field("labels", &FileSpec::labels)
            .doc("IDX or NPY file of the labels; the name of their array in an NPZ file"));
  }
};

struct SplitSpec {
  std::optional<double> train;
  std::optional<double> validation;
  std::optional<double> test;
  std::int64_t seed = 1;

  static constexpr auto fields() {
    using config::field;
    return config::list<SplitSpec>(
        field("train", &SplitSpec::train)
            .range(0, 1)
            .doc(
                "part of the images to train on; the three sum to 1, those left out are 0. Without "
                "any: 0.7, 0.1, 0.2"),
        field("validation", &SplitSpec::validation)
            .range(0, 1)
            .doc("part to decide with while training and searching; also of a file of training "
                 "images"),
        field("test", &SplitSpec::test).range(0, 1).doc("part that is only looked at in the end"),
        field("seed", &SplitSpec::seed).range(0, 9e15).doc("of the draw, and of that of `limit`"));
  }
};

struct CsvSpec {
  std::string label = "last";
  bool header = false;

  static constexpr auto fields() {
    using config::field;
    return config::list<CsvSpec>(
        field("label", &CsvSpec::label)
            .doc("column of the label: first, last, its number from 1 on, or its name in the "
                 "header"),
        field("header", &CsvSpec::header).doc("the first row has names"));
  }
};

struct ShapeSpec {
  std::int64_t height = 1;
  std::int64_t width = 1;
  std::int64_t channels = 1;

  static constexpr auto fields() {
    using config::field;
    return config::list<ShapeSpec>(
        field("height", &ShapeSpec::height).required().range(1, 65536).doc("rows"),
        field("width", &ShapeSpec::width).required().range(1, 65536).doc("columns"),
        field("channels", &ShapeSpec::channels).required().range(1, 1 << 24).doc("per position"));
  }
};

struct LimitSpec {
  std::optional<std::int64_t> train;
  std::optional<std::int64_t> validation;
  std::optional<std::int64_t> test;

  static constexpr auto fields() {
    using config::field;
    return config::list<LimitSpec>(
        field("train", &LimitSpec::train).range(1, 1e9).doc("images at most"),
        field("validation", &LimitSpec::validation).range(1, 1e9).doc("images at most"),
        field("test", &LimitSpec::test).range(1, 1e9).doc("images at most"));
  }
};

struct DataSpec {
  std::optional<BuiltIn> set;
  std::optional<FileSpec> all;
  std::optional<FileSpec> train;
  std::optional<FileSpec> validation;
  std::optional<FileSpec> test;
  SplitSpec split;
  CsvSpec csv;
  std::optional<ShapeSpec> shape;
  Layout layout = Layout::hwc;
  std::optional<double> divide;
  std::vector<double> mean;
  std::vector<double> deviation;
  LimitSpec limit;
  std::optional<std::int64_t> classes;

  static constexpr auto fields() {
    using config::field;
    return config::list<DataSpec>(
        field("set", &DataSpec::set)
            .doc("built in: digits, 1,797 handwritten ones of 8x8 (UCI, CC BY 4.0)"),
        field("all", &DataSpec::all).doc("files of all images, cut as `split` says"),
        field("train", &DataSpec::train).doc("files of the images to train on"),
        field("validation", &DataSpec::validation).doc("files of the images to decide with"),
        field("test", &DataSpec::test).doc("files of the images that are looked at in the end"),
        field("split", &DataSpec::split)
            .doc("how images are drawn, every class in proportion; the same on every machine"),
        field("csv", &DataSpec::csv).doc("how tables are written"),
        field("shape", &DataSpec::shape)
            .doc("of one image, where the file says none or a network wants another"),
        field("layout", &DataSpec::layout)
            .doc("order of an image's numbers in IDX, NPY and CSV files: hwc or chw (PyTorch)"),
        field("divide", &DataSpec::divide)
            .range(1e-30, 1e30)
            .doc("each number is divided by it first; 1 when left out, 16 for digits"),
        field("mean", &DataSpec::mean)
            .range(-1e30, 1e30)
            .doc("then this is taken off: one number, or one per channel"),
        field("std", &DataSpec::deviation)
            .range(1e-30, 1e30)
            .doc("and it is divided by this: one number, or one per channel"),
        field("limit", &DataSpec::limit)
            .doc("fewer images, every class in proportion: for a quick look"),
        field("classes", &DataSpec::classes)
            .range(1, 65536)
            .doc("labels are 0 to classes - 1; counted when left out"));
  }
};

/// Nothing when `node` is absent. Usable when there was no error.
std::optional<DataSpec> read_data(const config::Node& node, Diagnostics& diagnostics);

/// The fractions of train, validation and test, defaults filled in; for `set` and `all`.
std::array<double, 3> fractions(const SplitSpec& split);

}  // namespace tessera::data
