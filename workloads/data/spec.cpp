// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/spec.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <cmath>

namespace tessera::data {

namespace {

void check_files(const config::Node& node,
                 const std::optional<FileSpec>& spec,
                 Diagnostics& diagnostics) {
  if (!spec || !spec->file.empty() || (!spec->images.empty() && !spec->labels.empty())) {
    return;
  }
  const bool some = !spec->images.empty() || !spec->labels.empty();
  diagnostics.error(config::diagnose(
      node,
      "E-DATA-SOURCE",
      some ? "images without labels, or labels without images" : "no file is given",
      "file: <name>, or images: <name> and labels: <name>"));
}

/// Exactly one of: a built-in set, all images, or files per split.
void check_sources(const config::Node& node, const DataSpec& spec, Diagnostics& diagnostics) {
  std::vector<std::string> given;
  for (const char* key : {"set", "all", "train", "validation", "test"}) {
    if (node.has(key)) {
      given.emplace_back(key);
    }
  }
  constexpr const char* kExpected = "one of: set, all, or files for train, validation and test";
  if (given.empty()) {
    diagnostics.error(config::diagnose(node, "E-DATA-SOURCE", "no images are given", kExpected));
  } else if ((spec.set || spec.all) && given.size() > 1) {
    Diagnostic d = config::diagnose(
        node.get(given[1]), "E-DATA-SOURCE", "the images are given twice", kExpected);
    d.got = join_keys(given);
    d.related = {node.get(given[0]).at()};
    diagnostics.error(std::move(d));
  } else if (given == std::vector<std::string>{"validation"}) {
    diagnostics.error(config::diagnose(node.get("validation"),
                                       "E-DATA-SOURCE",
                                       "there is nothing to train on and nothing to test",
                                       "files for train or test"));
  }
}

void check_split(const config::Node& node, const DataSpec& spec, Diagnostics& diagnostics) {
  const config::Node split = node.get("split");
  if (spec.set || spec.all) {
    const auto [train, validation, test] = fractions(spec.split);
    const double sum = train + validation + test;
    if (std::abs(sum - 1) > 1e-9) {
      Diagnostic d = config::diagnose(
          split, "E-DATA-SPLIT", "the parts do not sum to 1", "train + validation + test = 1");
      d.got = fmt::format("{:g} + {:g} + {:g} = {:g}", train, validation, test, sum);
      diagnostics.error(std::move(d));
    }
    return;
  }
  for (const char* key : {"train", "test"}) {
    if (split.has(key)) {
      diagnostics.error(config::diagnose(split.get(key),
                                         "E-DATA-SPLIT",
                                         "files say already what is train and what is test",
                                         "validation alone: the part of train that it takes"));
    }
  }
  if (split.has("validation") && (spec.validation || !spec.train)) {
    diagnostics.error(config::diagnose(split.get("validation"),
                                       "E-DATA-SPLIT",
                                       spec.validation
                                           ? "files say already what is validation"
                                           : "there are no training images to take validation from",
                                       "validation files, or a part of the training images"));
  } else if (spec.split.validation && *spec.split.validation >= 1) {
    diagnostics.error(config::diagnose(
        split.get("validation"), "E-DATA-SPLIT", "nothing is left to train on", "a part below 1"));
  }
}

}  // namespace

std::array<double, 3> fractions(const SplitSpec& split) {
  if (!split.train && !split.validation && !split.test) {
    return {0.7, 0.1, 0.2};
  }
  return {split.train.value_or(0), split.validation.value_or(0), split.test.value_or(0)};
}

std::optional<DataSpec> read_data(const config::Node& node, Diagnostics& diagnostics) {
  if (node.is_null()) {
    return std::nullopt;
  }
  const std::size_t before = diagnostics.errors().size();
  auto spec = config::read<DataSpec>(node, diagnostics);
  if (diagnostics.errors().size() == before) {  // else what is missing may be what was misread
    check_sources(node, spec, diagnostics);
    check_files(node.get("all"), spec.all, diagnostics);
    check_files(node.get("train"), spec.train, diagnostics);
    check_files(node.get("validation"), spec.validation, diagnostics);
    check_files(node.get("test"), spec.test, diagnostics);
    check_split(node, spec, diagnostics);
  }
  return spec;
}

}  // namespace tessera::data
