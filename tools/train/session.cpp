// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/train/session.hpp"

#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/table.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/network_yaml.hpp"
#include "workloads/train/stage.hpp"
#include "workloads/train/trainer.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

namespace tessera::tools {

namespace fs = std::filesystem;

namespace {

constexpr const char* kCheckpoint = "checkpoint.npz";

[[noreturn]] void fail(Diagnostic d) {
  Diagnostics diagnostics;
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 2);
}

/// A dump without its comments on where values come from.
std::string plain_dump(const config::Node& node) {
  std::string out;
  const std::string text = config::dump(node);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    out += std::string(line.substr(0, line.find("  # "))) + '\n';
    begin = end + 1;
  }
  return out;
}

template <class T>
std::uint64_t digest_of(const std::vector<T>& values, std::uint64_t h) {
  return fnv1a({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)}, h);
}

data::Array text_array(const std::string& text) {
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  return data::make_array({static_cast<std::int64_t>(bytes.size())}, bytes);
}

std::string text_in(const data::Array& array) {
  std::string out(array.bytes.size(), '\0');
  std::transform(array.bytes.begin(), array.bytes.end(), out.begin(), [](std::byte b) {
    return static_cast<char>(b);
  });
  return out;
}

std::string percent(double share) {
  return fmt::format("{:.2f}", 100 * share);
}

/// What one stage left behind.
struct Finished {
  std::string name;
  std::string widths;
  std::int64_t epochs = 0;
  std::int64_t best_epoch = 0;
  double validation = 0;
  double test = 0;
  std::string log;  ///< rows of train_log.csv

  std::string json() const {
    return nlohmann::json{{"name", name},
                          {"widths", widths},
                          {"epochs", epochs},
                          {"best_epoch", best_epoch},
                          {"validation_accuracy", validation},
                          {"test_accuracy", test},
                          {"log", log}}
        .dump();
  }

  static Finished from(const std::string& text) {
    const nlohmann::json j = nlohmann::json::parse(text);
    return {j.at("name"),
            j.at("widths"),
            j.at("epochs"),
            j.at("best_epoch"),
            j.at("validation_accuracy"),
            j.at("test_accuracy"),
            j.at("log")};
  }
};

std::string widths_text(const std::vector<LayerBits>& bits) {
  if (std::all_of(bits.begin(), bits.end(), [&](LayerBits b) { return b == bits.front(); })) {
    return fmt::format("{}/{}", bits.front().w_bits, bits.front().a_bits);
  }
  std::string out;
  for (const LayerBits b : bits) {
    out += fmt::format("{}{}/{}", out.empty() ? "" : " ", b.w_bits, b.a_bits);
  }
  return out;
}

/// "4/16 codes", when a stage has codebooks.
std::string codes_text(const QuantizationSpec& spec) {
  return spec.codebook == 0 && spec.input_codebook == 0
             ? std::string()
             : fmt::format(", {}/{} codes", spec.codebook, spec.input_codebook);
}

std::string log_rows(const std::string& stage, const std::vector<train::EpochResult>& log) {
  std::string out;
  for (const train::EpochResult& row : log) {
    out += fmt::format("{},{},{},{},{},{},{}\n",
                       stage,
                       row.epoch,
                       format_number(row.learning_rate),
                       format_number(row.loss),
                       format_number(row.train_accuracy),
                       format_number(row.validation_loss),
                       format_number(row.validation_accuracy));
  }
  return out;
}

class Training {
 public:
  Training(const TrainLine& line, Session session)
      : line_(line),
        session_(std::move(session)),
        identity_(identity_of(session_)),
        path_(line.out.empty() ? "out/" + session_.experiment.info.name + "_train" : line.out) {
    if (!line.fresh && fs::exists(path_ / kCheckpoint)) {
      read_checkpoint();
    }
    folder_ = std::make_unique<report::OutputFolder>(path_.string());
  }

  int run() {
    status_ = report::status_line(line_.quiet);
    const train::TrainSpec& spec = session_.train();
    if (finished_.empty() && spec.epochs > 0) {
      real_stage();
    } else if (spec.epochs > 0) {
      load_stage("real");
    } else {
      content_ = *session_.weights;
    }
    const std::size_t before = spec.epochs > 0 ? 1 : 0;
    const ModelFile real = line_.real.empty() ? content_ : read_stage(line_.real);
    if (std::any_of(spec.stages.begin(), spec.stages.end(), [](const train::StageSpec& stage) {
          return stage.target.has_value();
        })) {
      real_accuracy_ =
          train::accuracy_of(train::outputs_of(model_in(real), nullptr, session_.data.validation),
                             session_.data.validation.labels);
    }
    for (std::size_t k = 0; k < spec.stages.size(); ++k) {
      const train::StageSpec& stage = spec.stages[k];
      if (finished_.size() > before + k) {
        load_stage(stage.name);
        continue;
      }
      if (stage.from == train::StageStart::real) {
        content_ = real;
      }
      integer_stage(stage);
    }
    status_->clear();
    finish();
    return 0;
  }

 private:
  [[nodiscard]] FloatModel model_in(const ModelFile& file) const {
    return {session_.experiment.network, file.parameters};
  }

  void real_stage() {
    const train::StageOptions options = train::real_stage(session_.train());
    train::Trainer trainer = session_.weights
                                 ? train::Trainer(session_.model(), nullptr, options)
                                 : train::Trainer(session_.experiment.network, options);
    train_with(trainer, options, "real", {});
    content_ = {trainer.model().parameters, {}, {}};
    content_.scales.resize(content_.parameters.size());
    close_stage(trainer,
                options.name,
                "real",
                train::outputs_of(trainer.model(), nullptr, session_.data.test));
  }

  void integer_stage(const train::StageSpec& stage) {
    train::StageOptions options = train::integer_stage(session_.train(), stage);
    if (stage.target) {
      options.target = real_accuracy_ - *stage.target / 100;
    }
    FloatModel start = model_in(content_);
    for (FloatParameters& p : start.parameters) {  // those of a stage before, found anew
      if (stage.codebook) {
        p.codebook.clear();
      }
      if (stage.input_codebook) {
        p.output_codebook.clear();
      }
    }
    const std::vector<LayerBits> bits =
        train::bits_of(stage, session_.experiment.network, widths_of(session_.experiment.network));
    const QuantizationSpec spec = train::quantization_of(stage, session_.experiment.quantization);
    const std::string widths = widths_text(bits) + codes_text(spec);
    const train::IntegerStage integers =
        train::integer_plan(start, bits, spec, session_.data, stage.noise);
    options.compose = [&](const FloatModel& model, const train::QuantPlan& learned) {
      return train::composed_plan(model, integers.integers, learned, session_.data);
    };
    Diagnostics diagnostics;
    report_format_problems(integers.integers, session_.experiment, diagnostics);
    diagnostics.throw_if_any();
    train::Trainer trainer(start, &integers.plan, options);
    train_with(trainer, options, stage.name, widths);
    const train::QuantPlan learned = trainer.plan();
    content_ = {trainer.model().parameters, train::scales_in(learned), {}};
    note_widths(content_, session_.experiment.network, bits);
    close_stage(trainer,
                stage.name,
                widths,
                train::outputs_of(trainer.model(), &learned, session_.data.test));
  }

  void train_with(train::Trainer& trainer,
                  const train::StageOptions& options,
                  const std::string& name,
                  const std::string& widths) {
    if (resumed_) {
      if (!trainer.restore(*resumed_)) {
        refuse_checkpoint("its state is not that of stage " + quote(name));
      }
      resumed_.reset();
    }
    while (!trainer.done()) {
      const std::size_t rows = trainer.log().size();
      const train::EpochResult* last = rows > 0 ? &trainer.log().back() : nullptr;
      const std::int64_t epoch = last == nullptr ? 1 : last->epoch + 1;
      const std::string seen =
          last == nullptr ? std::string()
                          : fmt::format("  validation {} %", percent(last->validation_accuracy));
      trainer.epoch(session_.data, [&](double share) {
        status_->show([&](double elapsed) {
          const double done =
              (static_cast<double>(epoch - 1) + share) / static_cast<double>(options.all_epochs());
          return fmt::format("{}  {}{}{}  epoch {}/{}{}{}",
                             report::progress_bar(done),
                             name,
                             widths.empty() ? "" : " ",
                             widths,
                             epoch,
                             options.all_epochs(),
                             seen,
                             report::time_left(done, elapsed));
        });
      });
      if (trainer.diverged()) {
        Diagnostic d =
            config::diagnose(session_.experiment.root.get("train"),
                             "E-TRAIN-DIVERGED",
                             fmt::format("the loss of stage {} is no number any more", quote(name)),
                             "a loss that falls",
                             "a lower learning_rate");
        d.got = fmt::format("infinity or NaN in epoch {}", epoch);
        fail(std::move(d));
      }
      write_checkpoint(trainer);
    }
  }

  void close_stage(const train::Trainer& trainer,
                   const std::string& name,
                   const std::string& widths,
                   const std::vector<float>& outputs) {
    Finished f;
    f.name = name;
    f.widths = widths;
    const std::vector<train::EpochResult>& log = trainer.log();
    f.epochs = log.empty() ? 0 : log.back().epoch;
    f.validation = log.empty() ? trainer.score(session_.data.validation).accuracy
                               : trainer.best_validation_accuracy();
    f.best_epoch = trainer.best_epoch();
    f.test = train::accuracy_of(outputs, session_.data.test.labels);
    f.log = log_rows(name, log);
    finished_.push_back(std::move(f));
    folder_->add(name + ".npz", model_file_bytes(session_.experiment.network, content_));
    folder_->add(kCheckpoint, data::write_npz(checkpoint()));
    folder_->commit();
  }

  void load_stage(const std::string& name) {
    content_ = read_stage((path_ / (name + ".npz")).string());
  }

  [[nodiscard]] ModelFile read_stage(const std::string& path) const {
    Diagnostics diagnostics;
    std::optional<ModelFile> file = read_model_file(
        path, session_.experiment.network, session_.experiment.root.at(), diagnostics);
    diagnostics.throw_if_any();
    return std::move(*file);
  }

  [[nodiscard]] data::Arrays checkpoint() const {
    data::Arrays out;
    for (const auto& [section, text] : identity_) {
      out.emplace("meta/" + section, text_array(text));
    }
    for (std::size_t k = 0; k < finished_.size(); ++k) {
      out.emplace(fmt::format("finished/{}", k), text_array(finished_[k].json()));
    }
    return out;
  }

  void write_checkpoint(const train::Trainer& trainer) {
    data::Arrays out = checkpoint();
    for (auto& [name, array] : trainer.state()) {
      out.emplace("now/" + name, array);
    }
    folder_->add(kCheckpoint, data::write_npz(out));
    folder_->commit();
  }

  void read_checkpoint() {
    Diagnostics diagnostics;
    const std::string path = (path_ / kCheckpoint).string();
    const data::Arrays arrays = data::read_npz(path, session_.experiment.root.at(), diagnostics);
    diagnostics.throw_if_any();
    std::vector<std::string> differ;
    for (const auto& [section, text] : identity_) {
      const auto found = arrays.find("meta/" + section);
      if (found == arrays.end() || text_in(found->second) != text) {
        differ.push_back(section);
      }
    }
    if (!differ.empty()) {
      refuse_checkpoint("other " + fmt::format("{}", fmt::join(differ, ", ")));
    }
    data::Arrays now;
    for (const auto& [name, array] : arrays) {
      if (name.rfind("now/", 0) == 0) {
        now.emplace(name.substr(4), array);
      }
    }
    for (std::size_t k = 0;; ++k) {
      const auto found = arrays.find(fmt::format("finished/{}", k));
      if (found == arrays.end()) {
        break;
      }
      try {
        finished_.push_back(Finished::from(text_in(found->second)));
      } catch (const nlohmann::json::exception&) {
        refuse_checkpoint("damaged");
      }
    }
    if (!now.empty()) {
      resumed_ = std::move(now);
    }
    if (!line_.quiet) {
      fmt::print(stderr, "note: going on from {}\n", path);
    }
  }

  [[noreturn]] void refuse_checkpoint(const std::string& got) const {
    Diagnostic d;
    d.code = "E-TRAIN-CHECKPOINT";
    d.sentence = fmt::format("the checkpoint {} belongs to another training",
                             quote((path_ / kCheckpoint).string()));
    d.at = session_.experiment.root.at();
    d.path = "train";
    d.expected = "the same network, data, quantization and training options";
    d.got = got;
    d.hint = "--fresh trains anew, --out names another folder";
    fail(std::move(d));
  }

  void finish() {
    std::string csv =
        "stage,epoch,learning_rate,loss,train_accuracy,validation_loss,validation_accuracy\n";
    nlohmann::json stages = nlohmann::json::array();
    report::Table table({"stage", "widths", "epochs", "best", "validation %", "test %"},
                        {report::Align::left,
                         report::Align::left,
                         report::Align::right,
                         report::Align::right,
                         report::Align::right,
                         report::Align::right});
    for (const Finished& f : finished_) {
      csv += f.log;
      stages.push_back({{"name", f.name},
                        {"widths", f.widths},
                        {"epochs", f.epochs},
                        {"best_epoch", f.best_epoch},
                        {"validation_accuracy", f.validation},
                        {"test_accuracy", f.test}});
      table.row({f.name,
                 f.widths,
                 fmt::format("{}", f.epochs),
                 fmt::format("{}", f.best_epoch),
                 percent(f.validation),
                 percent(f.test)});
    }
    const data::DataSet& data = session_.data;
    const nlohmann::json summary{{"schema", 1},
                                 {"network", session_.experiment.network.name},
                                 {"data", data.name},
                                 {"images",
                                  {{"train", data.train.count},
                                   {"validation", data.validation.count},
                                   {"test", data.test.count}}},
                                 {"seed", session_.train().seed},
                                 {"stages", std::move(stages)}};
    folder_->add("train_log.csv", std::move(csv));
    folder_->add("train.json", summary.dump(2) + "\n");
    folder_->add("model.npz", model_file_bytes(session_.experiment.network, content_));
    folder_->commit();
    std::error_code ignored;
    fs::remove(path_ / kCheckpoint, ignored);
    if (!line_.quiet) {
      std::fputs(table.text().c_str(), stdout);
      fmt::print("written to {}\n", path_.string());
    }
  }

  const TrainLine& line_;
  Session session_;
  std::map<std::string, std::string> identity_;
  fs::path path_;
  std::unique_ptr<report::OutputFolder> folder_;
  std::vector<Finished> finished_;
  std::optional<data::Arrays> resumed_;  ///< state of the stage that was interrupted
  ModelFile content_;                    ///< after the last stage
  double real_accuracy_ = 0;             ///< in real numbers on the validation images, a share
  std::shared_ptr<report::StatusLine> status_;
};

}  // namespace

FloatModel Session::model() const {
  return {experiment.network, weights->parameters};
}

std::vector<LayerBits> Session::bits() const {
  std::vector<LayerBits> out;
  if (weights) {
    out = widths_in(*weights, experiment.network);
  }
  return out.empty() ? widths_of(experiment.network) : out;
}

Session open_session(const TrainLine& line, bool trains, bool needs_weights) {
  Diagnostics diagnostics;
  Session session;
  session.experiment = load_experiment(line.experiment, line.sets, diagnostics);
  diagnostics.throw_if_any();
  Experiment& experiment = session.experiment;
  if (trains && !experiment.train) {
    diagnostics.error(config::diagnose(experiment.root,
                                       "E-TRAIN-NONE",
                                       "the experiment does not say how to train",
                                       "a section train:, as in train: {epochs: 30}"));
  }
  if (!experiment.train) {
    experiment.train.emplace();
  }
  std::vector<train::StageSpec>& stages = experiment.train->stages;
  const auto mapped = std::find_if(stages.begin(), stages.end(), train::takes_mapping);
  if (line.part == "fixed") {
    stages.erase(mapped, stages.end());
  } else if (line.part == "mapped") {
    stages.erase(stages.begin(), mapped);
    experiment.train->epochs = 0;
  }
  if (std::optional<data::DataSet> data = load_experiment_data(experiment, diagnostics)) {
    session.data = std::move(*data);
  }
  if (!line.model.empty()) {
    session.weights =
        read_model_file(line.model, experiment.network, experiment.root.at(), diagnostics);
  } else if (experiment.model) {
    session.weights = ModelFile{experiment.model->parameters, experiment.given_scales, {}};
    session.weights->scales.resize(experiment.network.layers.size());
  }
  const bool has_weights = !line.model.empty() || session.weights;
  if (!has_weights && (needs_weights || (trains && experiment.train->epochs == 0))) {
    diagnostics.error(
        config::diagnose(experiment.root.get("network"),
                         "E-TRAIN-NONE",
                         "the network has no weights to start from",
                         "network.parameters, an ONNX file, or --model FILE",
                         "tessera-train train makes them when train.epochs is not 0"));
  }
  diagnostics.throw_if_any();
  return session;
}

std::map<std::string, std::string> identity_of(const Session& session) {
  const Experiment& experiment = session.experiment;
  const auto digest = [](const data::Images& images, std::uint64_t h) {
    return digest_of(images.labels, digest_of(images.values, h));
  };
  std::uint64_t weights = fnv1a("");
  if (session.weights) {
    weights = fnv1a(model_file_bytes(experiment.network, *session.weights));
  }
  return {
      {"network", fmt::format("{}weights {:016x}\n", to_yaml(experiment.network), weights)},
      {"data",
       fmt::format("{:016x}\n",
                   digest(session.data.test,
                          digest(session.data.validation, digest(session.data.train, fnv1a("")))))},
      {"mapping", widths_text(widths_of(experiment.network))},
      {"quantization", plain_dump(experiment.root.get("quantization"))},
      {"train", plain_dump(experiment.root.get("train"))},
  };
}

int train_network(const TrainLine& line) {
  Session session = open_session(line, true, false);
  return Training(line, std::move(session)).run();
}

}  // namespace tessera::tools
