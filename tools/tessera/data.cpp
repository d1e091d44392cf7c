// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/data.hpp"

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/experiment.hpp"
#include "workloads/data/dataset.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace tessera::tools {

namespace {

data::DataSet load(const std::string& path, const std::vector<std::string>& sets) {
  Diagnostics diagnostics;
  const Experiment experiment = load_experiment(path, sets, diagnostics);
  diagnostics.throw_if_any();
  std::optional<data::DataSet> set = load_experiment_data(experiment, diagnostics);
  diagnostics.throw_if_any();
  return *std::move(set);
}

/// Of a split, or of one channel of it.
struct Numbers {
  float low = 0;
  float high = 0;
  double mean = 0;
  double std = 0;
};

/// `step` 1 takes all values, the number of channels those of channel `first`.
Numbers numbers_of(const std::vector<float>& values, std::size_t first, std::size_t step) {
  Numbers out{values[first], values[first], 0, 0};
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t i = first; i < values.size(); i += step) {
    out.low = std::min(out.low, values[i]);
    out.high = std::max(out.high, values[i]);
    sum += values[i];
    ++count;
  }
  out.mean = sum / static_cast<double>(count);
  double squares = 0;
  for (std::size_t i = first; i < values.size(); i += step) {
    squares += (values[i] - out.mean) * (values[i] - out.mean);
  }
  out.std = std::sqrt(squares / static_cast<double>(count));
  return out;
}

std::vector<std::int64_t> per_class(const data::Images& images, int classes) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(classes));
  for (const std::int32_t label : images.labels) {
    ++out[static_cast<std::size_t>(label)];
  }
  return out;
}

std::array<std::pair<const char*, const data::Images*>, 3> splits_of(const data::DataSet& set) {
  return {{{"train", &set.train}, {"validation", &set.validation}, {"test", &set.test}}};
}

}  // namespace

std::string data_text(const std::string& path, const std::vector<std::string>& sets) {
  const data::DataSet set = load(path, sets);
  const Shape& shape = set.shape;
  std::string text = fmt::format("{}: {} classes, images of {}x{}x{}\n\n",
                                 set.name,
                                 set.classes,
                                 shape.height,
                                 shape.width,
                                 shape.channels);
  text += fmt::format("{:<12}{:>9}  {:<20}{:>9}{:>9}  {}\n",
                      "split",
                      "images",
                      "range",
                      "mean",
                      "std",
                      "images per class");
  for (const auto& [name, images] : splits_of(set)) {
    if (images->count == 0) {
      text += fmt::format("{:<12}{:>9}\n", name, 0);
      continue;
    }
    const Numbers n = numbers_of(images->values, 0, 1);
    std::vector<std::int64_t> counts = per_class(*images, set.classes);
    constexpr std::size_t kShown = 20;
    const bool all = counts.size() <= kShown;
    counts.resize(std::min(counts.size(), kShown));
    text += fmt::format("{:<12}{:>9}  {:<20}{:>9.4f}{:>9.4f}  {}{}\n",
                        name,
                        images->count,
                        fmt::format("[{:g}, {:g}]", n.low, n.high),
                        n.mean,
                        n.std,
                        fmt::join(counts, " "),
                        all ? "" : " ...");
  }
  return text;
}

std::string data_json(const std::string& path, const std::vector<std::string>& sets) {
  const data::DataSet set = load(path, sets);
  const Shape& shape = set.shape;
  nlohmann::json splits = nlohmann::json::object();
  for (const auto& [name, images] : splits_of(set)) {
    if (images->count == 0) {
      splits[name] = {{"images", 0}};
      continue;
    }
    const Numbers all = numbers_of(images->values, 0, 1);
    nlohmann::json channels = nlohmann::json::array();
    const auto count = static_cast<std::size_t>(shape.channels);
    for (std::size_t c = 0; c < count; ++c) {
      const Numbers n = numbers_of(images->values, c, count);
      channels.push_back({{"mean", n.mean}, {"std", n.std}});
    }
    splits[name] = {{"images", images->count},
                    {"low", all.low},
                    {"high", all.high},
                    {"mean", all.mean},
                    {"std", all.std},
                    {"channels", std::move(channels)},
                    {"per_class", per_class(*images, set.classes)}};
  }
  const nlohmann::json out = {{"name", set.name},
                              {"classes", set.classes},
                              {"shape", {shape.height, shape.width, shape.channels}},
                              {"splits", std::move(splits)}};
  return out.dump(2) + "\n";
}

}  // namespace tessera::tools
