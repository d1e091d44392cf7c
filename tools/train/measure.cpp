// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/train/measure.hpp"

#include "sim/base/partial_file.hpp"
#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "sim/report/output_folder.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/train/hessian.hpp"
#include "workloads/train/stage.hpp"
#include "workloads/train/trainer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

namespace tessera::tools {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxRequest = std::size_t{1} << 20;  ///< bytes

/// What is wrong with a request, one entry each; the widths when nothing is.
struct Request {
  std::vector<std::string> problems;
  std::vector<LayerBits> bits;
};

Request read_request(const std::string& text, const Network& network) {
  Request out;
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("layers") || !json["layers"].is_array()) {
    out.problems.push_back("no JSON object with a list of layers");
    return out;
  }
  if (json.contains("network") && json["network"] != network.name) {
    out.problems.push_back(
        fmt::format("network {} is not {}", json["network"].dump(), quote(network.name)));
  }
  const std::vector<LayerId> ids = matrix_layers(network);
  const Json& layers = json["layers"];
  if (layers.size() != ids.size()) {
    out.problems.push_back(
        fmt::format("{} layers, the network has {} matrix layers", layers.size(), ids.size()));
    return out;
  }
  const auto width = [&](const Json& layer, const char* key) {
    if (!layer.contains(key) || !layer[key].is_number_integer() || layer[key] < 1 ||
        layer[key] > 16) {
      out.problems.push_back(fmt::format("{} is no width from 1 to 16 in {}", key, layer.dump()));
      return 8;
    }
    return layer[key].get<int>();
  };
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const Json& layer = layers[k];
    const std::string& name = network.layer(ids[k]).name;
    if (!layer.is_object() || !layer.contains("name") || layer["name"] != name) {
      out.problems.push_back(
          fmt::format("layer {} is {}, expected {}", k, layer.dump(), quote(name)));
      continue;
    }
    out.bits.push_back({width(layer, "w_bits"), width(layer, "a_bits")});
  }
  return out;
}

class Evaluator {
 public:
  explicit Evaluator(const TrainLine& line)
      : session_(open_session(line, false, true)), cache_(line.cache) {
    if (session_.data.validation.count == 0) {
      Diagnostics diagnostics;
      diagnostics.error(config::diagnose(session_.experiment.root.get("data"),
                                         "E-TRAIN-NONE",
                                         "there are no images to measure accuracy with",
                                         "a split with validation images"));
      diagnostics.throw_if_any();
    }
    for (const auto& [section, text] : identity_of(session_)) {
      if (section != "mapping") {
        key_ += text;
      }
    }
    if (!cache_.empty()) {
      folder_ = std::make_unique<report::OutputFolder>(cache_, "--cache");
    }
  }

  [[nodiscard]] const Network& network() const { return session_.experiment.network; }

  /// Percent.
  double accuracy(const std::vector<LayerBits>& bits) {
    std::string key = key_;
    for (const LayerBits b : bits) {
      key += fmt::format("{}/{} ", b.w_bits, b.a_bits);
    }
    const fs::path file = fs::path(cache_) / fmt::format("{:016x}.json", fnv1a(key));
    if (const std::optional<double> known = look_up(file, key)) {
      return *known;
    }
    const FloatModel model = session_.model();
    const train::IntegerStage stage =
        train::integer_plan(model, bits, session_.experiment.quantization, session_.data);
    Diagnostics diagnostics;
    report_format_problems(stage.integers, session_.experiment, diagnostics);
    diagnostics.throw_if_any();
    const double percent =
        100 * train::measured_accuracy(
                  model, bits, session_.train(), session_.experiment.quantization, session_.data);
    if (!cache_.empty()) {
      keep(file, Json{{"key", key}, {"accuracy", percent}}.dump() + "\n");
    }
    return percent;
  }

 private:
  [[nodiscard]] std::optional<double> look_up(const fs::path& file, const std::string& key) const {
    if (cache_.empty()) {
      return std::nullopt;
    }
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object() || json.value("key", Json()) != key || !json.contains("accuracy") ||
        !json["accuracy"].is_number()) {
      return std::nullopt;
    }
    return json["accuracy"].get<double>();
  }

  /// Several processes may write the same file: all write the same bytes.
  static void keep(const fs::path& file, const std::string& text) {
    const fs::path temporary = partial_name(file);
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out.fail()) {
      fs::rename(temporary, file, error);
    }
    if (out.fail() || error) {
      fs::remove(temporary, error);  // what is not kept is measured again
    }
  }

  Session session_;
  std::string cache_;
  std::string key_;
  std::unique_ptr<report::OutputFolder>
      folder_;  ///< finds out that it can be written
};

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

int evaluate(const TrainLine& line) {
  Evaluator evaluator(line);
  if (!line.serve) {
    std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    const Request request = read_request(text, evaluator.network());
    if (!request.problems.empty()) {
      Diagnostics diagnostics;
      Diagnostic d;
      d.code = "E-TRAIN-REQUEST";
      d.sentence = "standard input is no request for an accuracy";
      d.path = "evaluate";
      d.expected = R"({"network": ..., "layers": [{"name": ..., "w_bits": 8, "a_bits": 8}, ...]})";
      d.got = fmt::format(
          "{} problem{}", request.problems.size(), request.problems.size() == 1 ? "" : "s");
      d.items = request.problems;
      diagnostics.error(std::move(d));
      throw InputError(std::move(diagnostics), 2);
    }
    fmt::print("{}\n", format_number(evaluator.accuracy(request.bits)));
    return 0;
  }
  for (std::string text; std::getline(std::cin, text);) {
    const Request request = text.size() > kMaxRequest
                                ? Request{{"a line of more than a million bytes"}, {}}
                                : read_request(text, evaluator.network());
    const Json answer = request.problems.empty()
                            ? Json{{"accuracy", evaluator.accuracy(request.bits)}}
                            : Json{{"error", joined(request.problems)}};
    fmt::print("{}\n", answer.dump(-1, ' ', false, Json::error_handler_t::replace));
    std::fflush(stdout);
  }
  return 0;
}

int predict(const TrainLine& line) {
  const Session session = open_session(line, false, true);
  const FloatModel model = session.model();
  const data::Images& images = session.data.split(line.split);
  const train::IntegerStage stage = train::integer_plan(model,
                                                        session.bits(),
                                                        session.experiment.quantization,
                                                        session.data,
                                                        {},
                                                        session.weights->scales);
  Diagnostics diagnostics;
  report_format_problems(stage.integers, session.experiment, diagnostics);
  diagnostics.throw_if_any();
  const std::vector<float> real = train::outputs_of(model, nullptr, images);
  const std::vector<float> integer = train::outputs_of(model, &stage.plan, images);
  const fs::path file = line.out.empty() ? "predictions.npz" : line.out;
  report::OutputFolder folder(file.has_parent_path() ? file.parent_path().string() : ".");
  const std::vector<std::int64_t> shape{images.count, session.data.classes};
  data::Arrays arrays;
  arrays.emplace("real", data::make_array(shape, real));
  arrays.emplace("integer", data::make_array(shape, integer));
  arrays.emplace("labels", data::make_array({images.count}, images.labels));
  folder.add(file.filename().string(), data::write_npz(arrays));
  folder.commit();
  const Json summary{{"images", images.count},
                     {"real", 100 * train::accuracy_of(real, images.labels)},
                     {"integer", 100 * train::accuracy_of(integer, images.labels)}};
  fmt::print("{}\n", summary.dump());
  return 0;
}

int hessian(const TrainLine& line) {
  const Session session = open_session(line, false, true);
  if (session.data.train.count == 0) {
    Diagnostics diagnostics;
    diagnostics.error(config::diagnose(session.experiment.root.get("data"),
                                       "E-TRAIN-NONE",
                                       "there are no images whose loss has a Hessian",
                                       "a split with training images"));
    diagnostics.throw_if_any();
  }
  const std::vector<train::LayerTrace> traces =
      train::hessian_traces(session.model(),
                            session.data.train,
                            line.samples,
                            static_cast<std::uint64_t>(session.train().seed));
  for (const train::LayerTrace& one : traces) {
    if (!line.quiet) {
      fmt::print(stderr,
                 "note: {}: trace {} +- {}\n",
                 one.layer,
                 format_number(one.trace),
                 format_number(one.deviation));
    }
  }
  const std::string csv = train::trace_csv(traces);
  if (line.out.empty()) {
    std::fputs(csv.c_str(), stdout);
  } else {
    const fs::path file = line.out;
    report::OutputFolder folder(file.has_parent_path() ? file.parent_path().string() : ".");
    folder.add(file.filename().string(), csv);
    folder.commit();
  }
  return 0;
}

}  // namespace tessera::tools
