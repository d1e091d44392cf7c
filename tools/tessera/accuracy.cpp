// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/accuracy.hpp"

#include "mapper/check.hpp"
#include "sim/base/text.hpp"
#include "sim/functional/executor.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/table.hpp"
#include "tools/tessera/codebooks.hpp"
#include "tools/tessera/integers.hpp"
#include "tools/tessera/interrupts.hpp"
#include "tools/tessera/plot.hpp"
#include "tools/tessera/simulate.hpp"
#include "tools/tessera/train_program.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/golden.hpp"
#include "workloads/model_file.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSweepValues = 256;

template <class T>
int answer_of(std::span<const T> outputs) {
  return static_cast<int>(std::max_element(outputs.begin(), outputs.end()) - outputs.begin());
}

double percent_right(const std::vector<int>& answers, const std::vector<std::int32_t>& labels) {
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    right += answers[i] == labels[i] ? 1 : 0;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(labels.size());
}

/// The part of a split that is looked at.
struct Part {
  const data::Images* images = nullptr;
  std::int64_t count = 0;

  [[nodiscard]] std::vector<std::int32_t> labels() const {
    return {images->labels.begin(), images->labels.begin() + static_cast<std::ptrdiff_t>(count)};
  }
};

Part part_of(const Experiment& experiment, const AccuracyOptions& options) {
  const data::Images& images = experiment.images->split(options.split);
  return {&images, options.images > 0 ? std::min(options.images, images.count) : images.count};
}

NetworkData data_of(const IntegerModel& model, const Part& part) {
  return {model.source(),
          [&model, part](std::int64_t i) { return model.input(part.images->image(i)); }};
}

std::vector<int> answers_of(const std::vector<std::vector<std::int32_t>>& outputs) {
  std::vector<int> answers;
  answers.reserve(outputs.size());
  for (const std::vector<std::int32_t>& output : outputs) {
    answers.push_back(answer_of<std::int32_t>(output));
  }
  return answers;
}

/// What tessera-train says of the same weights and images: [image][class].
std::vector<float> fake_quantized(const Experiment& experiment,
                                  const AccuracyOptions& options,
                                  std::int64_t count) {
  const HeldInterrupts interrupts;  // until the folder is removed
  const fs::path folder =
      fs::temp_directory_path() / fmt::format("tessera-accuracy-{}", ::getpid());
  report::OutputFolder files(folder.string());

  struct Removed {
    fs::path path;

    ~Removed() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } removed{folder};

  const fs::path weights = folder / "weights.npz";
  const fs::path answers = folder / "answers.npz";
  ModelFile file{experiment.model->parameters, experiment.given_scales, {}};
  note_widths(file, experiment.network, widths_of(experiment.network));
  files.add("weights.npz", model_file_bytes(experiment.network, file));
  files.commit();
  std::vector<std::string> words{"predict", experiment.path, "--quiet", "--split", options.split};
  words.insert(words.end(), {"--model", weights.string(), "--out", answers.string()});
  for (const std::string& set : options.sets) {
    words.insert(words.end(), {"--set", set});
  }
  if (experiment.quantization.choose) {  // what was chosen
    for (const auto& [name, sizes] : experiment.quantization.layers) {
      words.insert(
          words.end(),
          {"--set",
           fmt::format("quantization.layers={{\"{}\": {{codebook: {}, input_codebook: {}}}}}",
                       name,
                       *sizes.codebook,
                       *sizes.input_codebook)});
    }
  }
  if (const int status = call_train_program(words, true); status != 0) {
    throw InputError({}, status);  // it said why
  }
  Diagnostics diagnostics;
  const data::Arrays arrays = data::read_npz(answers.string(), {}, diagnostics);
  diagnostics.throw_if_any();
  const data::Array& integer = arrays.at("integer");
  return data::as_floats(integer, 0, count * integer.shape.at(1));
}

/// How many images on which the two answer differently are so for want of precision: `fake` in
/// real values, `integer` in steps of `scale`.
void explain_rounding(const std::vector<float>& fake,
                      const std::vector<std::vector<std::int32_t>>& integer,
                      double scale,
                      Accuracy& out) {
  for (std::size_t i = 0; i < integer.size(); ++i) {
    const std::size_t classes = integer[i].size();
    const std::span<const float> row = std::span(fake).subspan(i * classes, classes);
    if (answer_of<float>(row) == answer_of<std::int32_t>(integer[i])) {
      continue;
    }
    ++out.rounding;
    double largest = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      largest = std::max(largest, std::abs(row[c] - scale * integer[i][c]));
    }
    std::vector<float> sorted(row.begin(), row.end());
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const double distance = static_cast<double>(sorted[0]) - static_cast<double>(sorted[1]);
    out.explained += distance <= 2 * largest ? 1 : 0;
  }
}

class Measurement {
 public:
  Measurement(const Experiment& experiment, const Program& program, const AccuracyOptions& options)
      : experiment_(experiment),
        program_(program),
        options_(options),
        part_(part_of(experiment, options)),
        model_(integer_model(experiment)) {
    out_.split = options.split;
    out_.labels = part_.labels();
  }

  Accuracy run() {
    real();
    std::vector<float> fake;
    const std::vector<FloatParameters>& given = experiment_.model->parameters;
    const bool chooses_integers = std::all_of(
        given.begin(), given.end(), [](const FloatParameters& p) { return p.steps.empty(); });
    if (chooses_integers && train_program()) {
      fake = fake_quantized(experiment_, options_, part_.count);
      std::vector<int> answers;
      const std::size_t classes = fake.size() / static_cast<std::size_t>(part_.count);
      for (std::size_t i = 0; i < static_cast<std::size_t>(part_.count); ++i) {
        answers.push_back(answer_of<float>(std::span(fake).subspan(i * classes, classes)));
      }
      add("fake", std::move(answers), "quantization, as torch sees it");
    }
    const std::vector<std::vector<std::int32_t>> integer = golden();
    add("integer", answers_of(integer), fake.empty() ? "quantization" : "rounding of scales");
    if (!fake.empty()) {
      explain_rounding(fake, integer, model_.scales.back().scale, out_);
    }
    const auto ideal = chip(Fidelity::ideal, seed());
    out_.exact = ideal == integer;
    add("ideal", answers_of(ideal), "none: the same integers");
    add("clipping", answers_of(chip(Fidelity::clipping, seed())), "converters clip");
    physical();
    return std::move(out_);
  }

  /// The last rows alone, for a sweep.
  Accuracy run_chip() {
    add("clipping", answers_of(chip(Fidelity::clipping, seed())), "converters clip");
    physical();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::uint64_t seed() const {
    return static_cast<std::uint64_t>(experiment_.execution.seed);
  }

  void add(std::string name, std::vector<int> answers, std::string cause) {
    AccuracyRow row;
    row.name = std::move(name);
    row.percent = {percent_right(answers, out_.labels)};
    row.cause = std::move(cause);
    if (!out_.rows.empty()) {
      const std::vector<int>& before = out_.rows.back().answers;
      for (std::size_t i = 0; i < answers.size(); ++i) {
        const bool was = before[i] == out_.labels[i];
        const bool is = answers[i] == out_.labels[i];
        row.lost += was && !is ? 1 : 0;
        row.won += !was && is ? 1 : 0;
      }
    }
    row.answers = std::move(answers);
    out_.rows.push_back(std::move(row));
  }

  void real() {
    FloatExecutor executor(*experiment_.model);
    std::vector<int> answers;
    for (std::int64_t i = 0; i < part_.count; ++i) {
      answers.push_back(answer_of<float>(executor.run(part_.images->image(i))));
    }
    add("real", std::move(answers), "");
  }

  std::vector<std::vector<std::int32_t>> golden() {
    Golden executor(model_.network, model_.source());
    std::vector<std::vector<std::int32_t>> outputs;
    for (std::int64_t i = 0; i < part_.count; ++i) {
      outputs.push_back(executor.run(model_.input(part_.images->image(i))));
    }
    return outputs;
  }

  std::vector<std::vector<std::int32_t>> chip(Fidelity fidelity, std::uint64_t seed) {
    functional::Executor executor(
        program_, model_.network, experiment_.chip, fidelity, data_of(model_, part_), seed);
    auto outputs = executor.run_all(0, part_.count, options_.threads);
    if (fidelity == Fidelity::clipping) {
      for (const functional::LayerPath& layer : executor.paths()) {
        ++out_.matrix_layers;
        out_.conversion_layers += layer.path == functional::Path::conversions ? 1 : 0;
      }
    }
    return outputs;
  }

  void physical() {
    if (!experiment_.chip.has_variation()) {
      return;
    }
    for (std::int64_t k = 0; k < options_.seeds; ++k) {
      std::vector<int> answers =
          answers_of(chip(Fidelity::physical, seed() + static_cast<std::uint64_t>(k)));
      if (k == 0) {
        add("physical", std::move(answers), "devices vary");
      } else {
        out_.rows.back().percent.push_back(percent_right(answers, out_.labels));
      }
    }
  }

  const Experiment& experiment_;
  const Program& program_;
  const AccuracyOptions& options_;
  Part part_;
  IntegerModel model_;
  Accuracy out_;
};

std::string row_title(const std::string& name) {
  if (name == "real") {
    return "real numbers";
  }
  if (name == "fake") {
    return "fake-quantized (torch)";
  }
  if (name == "integer") {
    return "integers (golden)";
  }
  return name == "ideal"      ? "chip, unlimited converters"
         : name == "clipping" ? "chip, converters clip"
                              : "chip, devices vary";
}

nlohmann::json row_json(const AccuracyRow& row) {
  return {{"name", row.name},
          {"percent", row.percent},
          {"mean", row.mean()},
          {"lost", row.lost},
          {"won", row.won}};
}

nlohmann::json json_of(const Accuracy& accuracy) {
  nlohmann::json rows = nlohmann::json::array();
  for (const AccuracyRow& row : accuracy.rows) {
    rows.push_back(row_json(row));
  }
  nlohmann::json out{{"schema", 1},
                     {"split", accuracy.split},
                     {"images", accuracy.labels.size()},
                     {"rows", std::move(rows)},
                     {"exact", accuracy.exact},
                     {"conversion_layers", accuracy.conversion_layers},
                     {"matrix_layers", accuracy.matrix_layers}};
  if (accuracy.find("fake") != nullptr) {
    out["rounding"] = {{"images", accuracy.rounding}, {"explained", accuracy.explained}};
  }
  return out;
}

std::string answers_csv(const Accuracy& accuracy) {
  std::string out = "image,label";
  for (const AccuracyRow& row : accuracy.rows) {
    out += "," + row.name;
  }
  for (std::size_t i = 0; i < accuracy.labels.size(); ++i) {
    out += fmt::format("\n{},{}", i, accuracy.labels[i]);
    for (const AccuracyRow& row : accuracy.rows) {
      out += fmt::format(",{}", row.answers[i]);
    }
  }
  return out + "\n";
}

// ---- sweeps -------------------------------------------------------------------------------------

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool all = error == std::errc() && end == text.data() + text.size();
  return all ? std::optional(value) : std::nullopt;
}

/// `path=1,2,3` or `path=1:10`.
struct Sweep {
  std::string path;                ///< as written
  std::vector<std::string> paths;  ///< that all take each value
  std::vector<std::string> values;
};

/// What commas separate.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<Sweep> read_sweep(const std::string& text, Diagnostics& diagnostics) {
  const auto fail = [&](const std::string& got) {
    Diagnostic d;
    d.code = "E-ACCURACY-SWEEP";
    d.sentence = "cannot read the sweep " + quote(text);
    d.path = "--sweep";
    d.expected = fmt::format("PATH,...=V1,V2,... or PATH,...=FIRST:LAST, at most {} values",
                             kMostSweepValues);
    d.got = got;
    d.hint = "--sweep chip.tile.pe.adc_bits=3:10";
    diagnostics.error(std::move(d));
    return std::nullopt;
  };
  Sweep sweep;
  const std::size_t equals = text.find('=');
  sweep.path = text.substr(0, equals);
  sweep.paths = parts_of(sweep.path);
  if (equals == std::string::npos ||
      std::find(sweep.paths.begin(), sweep.paths.end(), "") != sweep.paths.end() ||
      equals + 1 == text.size()) {
    return fail("no value");
  }
  const std::string values = text.substr(equals + 1);
  const std::size_t colon = values.find(':');
  if (colon != std::string::npos) {
    const std::optional<std::int64_t> first = whole_number(values.substr(0, colon));
    const std::optional<std::int64_t> last = whole_number(values.substr(colon + 1));
    if (!first || !last || *first > *last ||
        static_cast<std::uint64_t>(*last) - static_cast<std::uint64_t>(*first) >=
            kMostSweepValues) {
      return fail(quote(values));
    }
    for (std::int64_t k = 0; k <= *last - *first; ++k) {
      sweep.values.push_back(std::to_string(*first + k));
    }
    return sweep;
  }
  sweep.values = parts_of(values);
  if (sweep.values.size() > kMostSweepValues ||
      std::find(sweep.values.begin(), sweep.values.end(), "") != sweep.values.end()) {
    return fail(quote(values));
  }
  return sweep;
}

/// One value of a sweep and the chip's accuracy with it.
struct SweepPoint {
  std::string value;
  AccuracyRow row;
};

std::string sweep_csv(const Sweep& sweep, const std::vector<SweepPoint>& points) {
  std::string out = sweep.path + ",row,mean,lowest,highest\n";
  for (const SweepPoint& point : points) {
    out += fmt::format("{},{},{},{},{}\n",
                       point.value,
                       point.row.name,
                       format_number(point.row.mean()),
                       format_number(point.row.lowest()),
                       format_number(point.row.highest()));
  }
  return out;
}

std::optional<std::string> sweep_svg(const std::string& title,
                                     const Sweep& sweep,
                                     const std::vector<SweepPoint>& points,
                                     const Accuracy& accuracy) {
  std::string script = fmt::format(
      "set title {}\nset xlabel {}\nset ylabel 'accuracy, %'\nset key below\n"
      "set grid\nset yrange [0:102]\nset offsets graph 0.05, graph 0.05, 0, 0\n$points << EOD\n",
      plot_text(title),
      plot_text(sweep.path));
  std::string tics;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const AccuracyRow& row = points[i].row;
    script += fmt::format("{} {} {} {}\n", i, row.mean(), row.lowest(), row.highest());
    tics += fmt::format("{}{} {}", i == 0 ? "" : ", ", plot_text(points[i].value), i);
  }
  const double integer = accuracy.find("integer")->mean();
  script += fmt::format(
      "EOD\nset xtics ({})\nplot $points using 1:2:3:4 with yerrorlines pointtype 7 pointsize 0.6 "
      "linecolor rgb '#3366aa' title 'chip', {} with lines dashtype 2 linecolor rgb '#888888' "
      "title 'integers'\n",
      tics,
      integer);
  return plot_svg(script, 640, 420);
}

void note_codebooks(const std::string& chosen, const CommandLine& line) {
  if (!chosen.empty() && !line.quiet) {
    std::fputs(fmt::format("note: {}\n", chosen).c_str(), stderr);
  }
}

Program program_of(Experiment& experiment) {
  program_pes(experiment);
  Diagnostics diagnostics;
  const Mapping mapping = mapper::make_mapping(experiment.network,
                                               experiment.chip,
                                               experiment.request,
                                               experiment.execution.granularity,
                                               diagnostics);
  throw_mapping_errors(diagnostics, experiment);
  return lower_mapping(experiment, mapping);
}

}  // namespace

void require_images(const Experiment& experiment, const std::string& split) {
  Diagnostics diagnostics;
  std::optional<data::DataSet> read;
  if (experiment.images == nullptr) {
    read = load_experiment_data(experiment, diagnostics);
    diagnostics.throw_if_any();
  }
  if ((read ? *read : *experiment.images).split(split).count == 0) {
    diagnostics.error(config::diagnose(experiment.root.get("data"),
                                       "E-DATA-EMPTY",
                                       "the split " + quote(split) + " has no images",
                                       "at least one image"));
    diagnostics.throw_if_any();
  }
}

void require_weights(const Experiment& experiment, const std::string& split) {
  Diagnostics diagnostics;
  if (!experiment.data) {
    (void)load_experiment_data(experiment, diagnostics);  // says what is missing
  }
  if (!experiment.model) {
    diagnostics.error(
        config::diagnose(experiment.root.get("network"),
                         "E-ACCURACY-WEIGHTS",
                         "the network has no weights whose accuracy could be measured",
                         "parameters: <model.npz> or onnx: <model.onnx>",
                         "tessera train makes a model.npz"));
  }
  diagnostics.throw_if_any();
  if (!split.empty()) {
    require_images(experiment, split);
  }
}

double AccuracyRow::mean() const {
  return std::accumulate(percent.begin(), percent.end(), 0.0) / static_cast<double>(percent.size());
}

double AccuracyRow::lowest() const {
  return *std::min_element(percent.begin(), percent.end());
}

double AccuracyRow::highest() const {
  return *std::max_element(percent.begin(), percent.end());
}

const AccuracyRow* Accuracy::find(const std::string& name) const {
  const auto found = std::find_if(
      rows.begin(), rows.end(), [&](const AccuracyRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

Accuracy measure_accuracy(const Experiment& experiment,
                          const Program& program,
                          const AccuracyOptions& options) {
  return Measurement(experiment, program, options).run();
}

std::string accuracy_text(const Accuracy& accuracy) {
  report::Table table({"", "accuracy %", "lost", "won", "what differs from the line above"},
                      {report::Align::left,
                       report::Align::right,
                       report::Align::right,
                       report::Align::right,
                       report::Align::left});
  for (const AccuracyRow& row : accuracy.rows) {
    std::string cause = row.cause;
    if (row.name == "integer" && accuracy.find("fake") != nullptr) {
      cause += accuracy.rounding == 0
                   ? ": no image"
                   : fmt::format(": {} image{}, {} explained by the size of the difference",
                                 accuracy.rounding,
                                 accuracy.rounding == 1 ? "" : "s",
                                 accuracy.explained);
    } else if (row.name == "ideal" && !accuracy.exact) {
      cause = "NOT the same integers";
    } else if (row.name == "clipping") {
      cause += fmt::format(": in {} of {} matrix layers they could",
                           accuracy.conversion_layers,
                           accuracy.matrix_layers);
    } else if (row.percent.size() > 1) {
      cause += fmt::format(
          ": {} seeds, {:.2f} to {:.2f}", row.percent.size(), row.lowest(), row.highest());
    }
    const bool first = &row == &accuracy.rows.front();
    table.row({row_title(row.name),
               fmt::format("{:.2f}", row.mean()),
               first ? "" : std::to_string(row.lost),
               first ? "" : std::to_string(row.won),
               cause});
  }
  return table.text();
}

std::string accuracy_json(const Accuracy& accuracy) {
  return json_of(accuracy).dump(2) + "\n";
}

int accuracy_experiment(const CommandLine& line, Diagnostics diagnostics) {
  std::optional<Sweep> sweep;
  if (!line.sweep.empty()) {
    sweep = read_sweep(line.sweep, diagnostics);
  }
  Experiment experiment;
  if (!line.names.empty()) {
    experiment = load_experiment(line.names.front(), line.sets, diagnostics);
  }
  diagnostics.throw_if_any();
  require_weights(experiment, line.split);
  report::OutputFolder folder(line.out.empty() ? "out/" + experiment.info.name + "_accuracy"
                                               : line.out);
  AccuracyOptions options;
  options.split = line.split;
  options.images = line.image_limit;
  options.seeds = line.seeds;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  options.sets = line.sets;
  note_codebooks(choose_codebooks(experiment), line);
  const Program program = program_of(experiment);
  const Accuracy accuracy = measure_accuracy(experiment, program, options);

  std::vector<SweepPoint> points;
  if (sweep) {
    // All values are checked before any is measured; one at a time is held.
    const auto with = [&](const std::string& value) {
      std::vector<std::string> sets = line.sets;
      for (const std::string& path : sweep->paths) {
        sets.push_back(fmt::format("{}={}", path, value));
      }
      Diagnostics problems;
      Experiment one = load_experiment(line.names.front(), sets, problems);
      problems.throw_if_any();
      require_weights(one, options.split);
      return one;
    };
    std::for_each(sweep->values.begin(), sweep->values.end(), with);
    for (const std::string& value : sweep->values) {
      Experiment changed = with(value);
      note_codebooks(choose_codebooks(changed), line);
      const Program its = program_of(changed);
      Accuracy of = Measurement(changed, its, options).run_chip();
      points.push_back({value, std::move(of.rows.back())});
    }
  }

  nlohmann::json json = json_of(accuracy);
  for (const NeuronStorage& row : neuron_storage(experiment)) {
    json["codebooks"].push_back({{"layer", row.layer},
                                 {"weights", row.sizes.w},
                                 {"inputs", row.sizes.u},
                                 {"neurons", row.neurons},
                                 {"bytes_per_neuron", row.bytes}});
  }
  const std::string title = fmt::format("{} on {}: {} images of {}",
                                        experiment.network.name,
                                        experiment.chip.spec.name,
                                        accuracy.labels.size(),
                                        accuracy.split);
  if (sweep) {
    nlohmann::json list = nlohmann::json::array();
    for (const SweepPoint& point : points) {
      nlohmann::json one = row_json(point.row);
      one["value"] = point.value;
      list.push_back(std::move(one));
    }
    json["sweep"] = {{"path", sweep->path}, {"points", std::move(list)}};
    folder.add("sweep.csv", sweep_csv(*sweep, points));
    if (std::optional<std::string> svg = sweep_svg(title, *sweep, points, accuracy)) {
      folder.add("sweep.svg", *std::move(svg));
    }
  }
  folder.add("answers.csv", answers_csv(accuracy));
  folder.add("accuracy.json", json.dump(2) + "\n");
  folder.commit();
  if (line.json) {
    fmt::print("{}\n", json.dump(2));
  } else if (!line.quiet) {
    fmt::print("{}\n\n{}", title, accuracy_text(accuracy));
    if (const std::string storage = storage_text(neuron_storage(experiment)); !storage.empty()) {
      fmt::print("\n{}", storage);
    }
    if (sweep) {
      report::Table table(
          {sweep->path, "accuracy %", "lowest", "highest"},
          {report::Align::left, report::Align::right, report::Align::right, report::Align::right});
      for (const SweepPoint& point : points) {
        table.row({point.value,
                   fmt::format("{:.2f}", point.row.mean()),
                   fmt::format("{:.2f}", point.row.lowest()),
                   fmt::format("{:.2f}", point.row.highest())});
      }
      fmt::print("\n{}", table.text());
    }
    fmt::print("\nResults in {}\n", folder.path().string());
  }
  if (!accuracy.exact) {
    std::fputs(kNotExact, stderr);
    return 1;
  }
  return 0;
}

}  // namespace tessera::tools
