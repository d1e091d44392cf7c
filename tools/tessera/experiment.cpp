// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/experiment.hpp"

#include "arch/chip/spec.hpp"
#include "sim/base/text.hpp"
#include "workloads/model_file.hpp"
#include "workloads/network_yaml.hpp"
#include "workloads/onnx/convert.hpp"
#include "workloads/quantization/choose.hpp"
#include "workloads/quantize.hpp"
#include "workloads/ternary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

namespace tessera::tools {
namespace {

std::string folder_of(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

/// The file that a key of `network` names, relative to the experiment.
std::optional<std::string> file_of(const config::Node& node,
                                   const Experiment& experiment,
                                   Diagnostics& diagnostics) {
  if (node.type() != config::NodeType::scalar) {
    diagnostics.error(config::diagnose(
        node, "E-EXP-NETWORK", "the network file has no name", "the path of a file"));
    return std::nullopt;
  }
  std::string path = (std::filesystem::path(folder_of(experiment.path)) / node.scalar())
                         .lexically_normal()
                         .string();
  if (std::error_code error; !std::filesystem::is_regular_file(path, error)) {
    diagnostics.error(config::diagnose(node,
                                       "E-CFG-FILE",
                                       fmt::format("cannot read {}", quote(path)),
                                       "a readable file",
                                       "the path is relative to the experiment file"));
    return std::nullopt;
  }
  return path;
}

/// Weights from a file of their own; those of an ONNX file give way.
void read_parameters(const config::Node& node, Experiment& experiment, Diagnostics& diagnostics) {
  const std::optional<std::string> path = file_of(node, experiment, diagnostics);
  if (!path) {
    return;
  }
  if (auto file = read_model_file(*path, experiment.network, node.at(), diagnostics)) {
    experiment.model = FloatModel{experiment.network, std::move(file->parameters)};
    experiment.given_scales = std::move(file->scales);
    if (std::vector<LayerBits> bits = widths_in(*file, experiment.network); !bits.empty()) {
      experiment.bits_from_file = std::move(bits);
    }
  }
}

/// The images that given weights are calibrated and run on, and whether they have negative values.
void read_images(Experiment& experiment, Diagnostics& diagnostics) {
  experiment.input_signed = experiment.network.layers.front().out_signed;
  if (!experiment.data) {
    return;
  }
  if (std::optional<data::DataSet> set = load_experiment_data(experiment, diagnostics)) {
    experiment.input_signed = set->has_negative();
    experiment.images = std::make_shared<const data::DataSet>(std::move(*set));
  }
}

/// A network without layers, after an error.
Network read_network_section(const config::Node& node,
                             Experiment& experiment,
                             Diagnostics& diagnostics) {
  if (node.is_null()) {
    return {};  // was reported as missing
  }
  const std::string way = node.has("file") ? "file" : "onnx";
  if (!node.has(way)) {
    return read_network(node, diagnostics).value_or(Network{});
  }
  const config::Node file = node.get(way);
  auto keys = node.keys();
  keys.erase(
      std::remove_if(
          keys.begin(), keys.end(), [](const auto& key) { return key.first == "parameters"; }),
      keys.end());
  if (keys.size() > 1) {
    const bool file_first = keys[0].first == way;
    Diagnostic d =
        config::diagnose(node,
                         "E-EXP-NETWORK",
                         "the network is given in more than one way",
                         "one of file: <network.yaml>, onnx: <model.onnx>, zoo: <name>, or layers");
    d.at = keys[1].second;
    d.got = fmt::format("{} and {}",
                        quote(file_first ? way : keys[0].first),
                        quote(file_first ? keys[1].first : way));
    d.related = {keys[0].second};
    diagnostics.error(std::move(d));
    node.mark_read();
    return {};
  }
  const std::optional<std::string> found = file_of(file, experiment, diagnostics);
  if (!found) {
    return {};
  }
  const std::string& path = *found;
  experiment.network_from_file = true;
  if (way == "onnx") {
    std::optional<onnx::Imported> imported = onnx::import_network(path, file.at(), diagnostics);
    if (!imported) {
      return {};
    }
    if (imported->has_bits) {
      experiment.bits_from_file = std::move(imported->bits);
    }
    experiment.given_scales = std::move(imported->scales);
    experiment.model = FloatModel{imported->network, std::move(imported->parameters)};
    std::vector<std::string> bad = bad_values(*experiment.model);
    if (!bad.empty()) {
      Diagnostic d =
          config::diagnose(file,
                           "E-PARAM-VALUE",
                           fmt::format("{} has weights that are not finite", quote(path)),
                           "finite weights and biases");
      d.items = std::move(bad);
      diagnostics.error(std::move(d));
    }
    return std::move(imported->network);
  }
  return load_network(path, diagnostics).value_or(Network{});
}

Cycles interval_of(const ExecutionSpec& execution,
                   const config::Node& node,
                   const Clock& clock,
                   Diagnostics& diagnostics) {
  if (execution.image_rate && execution.image_interval) {
    const config::Node rate = node.get("image_rate");
    Diagnostic d = config::diagnose(node.get("image_interval"),
                                    "E-EXP-RATE",
                                    "the arrival of images is given twice",
                                    "image_rate or image_interval, and not both");
    d.related = {rate.at()};
    diagnostics.error(std::move(d));
    return Cycles(0);
  }
  Seconds interval(0);
  if (execution.image_rate) {
    interval = Seconds(1 / execution.image_rate->value);
  } else if (execution.image_interval) {
    interval = *execution.image_interval;
  }
  const auto most = static_cast<double>(RunOptions{}.max_cycles);
  if (interval.value * clock.frequency.value * static_cast<double>(execution.images) > most) {
    Diagnostic d = config::diagnose(
        node.get(execution.image_rate ? "image_rate" : "image_interval"),
        "E-RUN-TIME",
        "the images arrive over more cycles than are counted",
        fmt::format("at most {} cycles of the chip's clock", RunOptions{}.max_cycles),
        "fewer images, or images that come faster");
    d.related.push_back(node.get("images").at());
    diagnostics.error(std::move(d));
    return Cycles(0);
  }
  return clock.ceil_cycles(interval);
}

void quantize_as_requested(Experiment& experiment, Diagnostics& diagnostics) {
  const mapper::MappingRequest& request = experiment.request;
  std::vector<LayerBits> bits;
  if (request.mapping) {
    for (const LayerMapping& layer : request.mapping->layers) {
      bits.push_back({layer.w_bits, layer.a_bits});
    }
  } else {
    for (const mapper::LayerRequest& layer : request.layers) {
      bits.push_back({layer.w_bits, layer.a_bits});
    }
  }
  if (experiment.model && experiment.execution.functional != Functional::off) {
    report_format_problems(
        plan_integers(*experiment.model, bits, experiment.quantization, experiment.input_signed),
        experiment,
        diagnostics);
  }
  set_bits(experiment, bits);
}

bool is_power_of_two(std::int64_t n) {
  return n > 0 && (n & (n - 1)) == 0;
}

/// Sizes that no codebook can have: more entries than integers, or no tree.
class CodebookCheck {
 public:
  CodebookCheck(const Experiment& experiment, Diagnostics& diagnostics)
      : experiment_(experiment), diagnostics_(diagnostics) {}

  void run() {
    const QuantizationSpec& spec = experiment_.quantization;
    const config::Node section = experiment_.root.get("quantization");
    const Network& network = experiment_.network;
    names(section.get("layers"));
    const std::vector<LayerBits> bits = widths_of(network);
    sizes(section, spec.codebook, spec.input_codebook, bits, spec.layers);
    for (const auto& [name, own] : spec.layers) {
      const std::vector<LayerId> ids = matrix_layers(network);
      for (std::size_t k = 0; k < ids.size(); ++k) {
        if (network.layer(ids[k]).name == name) {
          sizes(section.get("layers").get(name),
                own.codebook.value_or(0),
                own.input_codebook.value_or(0),
                {bits[k]},
                {});
        }
      }
    }
    if (spec.choose) {
      const config::Node choose = section.get("choose");
      if (spec.choose->sizes.empty()) {
        report(choose.get("sizes"), "there are no sizes to choose from", "at least one", "none");
      }
      for (const std::int64_t size : spec.choose->sizes) {
        tree(choose.get("sizes"), size);
      }
    }
    const std::vector<config::Node> stages = experiment_.root.get("train").get("stages").items();
    for (std::size_t k = 0; experiment_.train && k < stages.size(); ++k) {
      const train::StageSpec& stage = experiment_.train->stages[k];
      sizes(stages[k],
            stage.codebook.value_or(0),
            stage.input_codebook.value_or(0),
            train::bits_of(stage, network, bits),
            spec.layers);
    }
  }

 private:
  void names(const config::Node& layers) {
    std::vector<std::string> known;
    for (const LayerId id : codebook_layers(experiment_.network)) {
      known.push_back(experiment_.network.layer(id).name);
    }
    for (const auto& [name, at] : layers.keys()) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        const std::string near = did_you_mean(name, known);
        Diagnostic d =
            config::diagnose(layers.get(name),
                             "E-QUANT-LAYER",
                             "the network has no such layer with weights",
                             "the name of a conv, fc or linear layer",
                             near.empty() ? "" : fmt::format("did you mean '{}'?", near));
        d.at = at;
        d.got = quote(name);
        diagnostics_.error(std::move(d));
      }
    }
  }

  /// `codebook` and `input_codebook` of `node`; 0: not there. `except` have their own sizes.
  void sizes(const config::Node& node,
             std::int64_t w,
             std::int64_t u,
             const std::vector<LayerBits>& bits,
             const std::map<std::string, LayerCodebooks>& except) {
    int w_bits = 16;
    int a_bits = 16;
    const std::vector<LayerId> ids = matrix_layers(experiment_.network);
    for (std::size_t k = 0; k < bits.size(); ++k) {
      const auto own = except.find(experiment_.network.layer(ids[k]).name);
      w_bits =
          own != except.end() && own->second.codebook ? w_bits : std::min(w_bits, bits[k].w_bits);
      a_bits = own != except.end() && own->second.input_codebook ? a_bits
                                                                 : std::min(a_bits, bits[k].a_bits);
    }
    size(node.get("codebook"), w, "weights", w_bits);
    size(node.get("input_codebook"), u, "inputs", a_bits);
  }

  void size(const config::Node& node, std::int64_t entries, const char* of, int bits) {
    if (entries == 0) {
      return;
    }
    if (entries > std::int64_t{1} << bits) {
      report(node,
             "a codebook has more entries than there are integers to choose from",
             fmt::format("at most {} for {} of {} bits", std::int64_t{1} << bits, of, bits),
             std::to_string(entries));
    }
    tree(node, entries);
  }

  void tree(const config::Node& node, std::int64_t entries) {
    if (experiment_.quantization.tree && !is_power_of_two(entries)) {
      report(node,
             "the codes of a tree are packed bits: its size is no power of two",
             "2, 4, 8, ... 256",
             std::to_string(entries));
    }
  }

  void report(const config::Node& node,
              std::string sentence,
              std::string expected,
              std::string got) {
    Diagnostic d =
        config::diagnose(node, "E-QUANT-CODEBOOK", std::move(sentence), std::move(expected));
    d.got = std::move(got);
    diagnostics_.error(std::move(d));
  }

  const Experiment& experiment_;
  Diagnostics& diagnostics_;
};

/// Widths that the network's file brings hold as long as there is no `mapping`.
void use_bits_from_file(Experiment& experiment, const config::Node& mapping) {
  if (!mapping.is_null()) {
    experiment.bits_from_file.clear();
  }
  for (std::size_t k = 0; k < experiment.bits_from_file.size(); ++k) {
    experiment.request.layers[k].w_bits = experiment.bits_from_file[k].w_bits;
    experiment.request.layers[k].a_bits = experiment.bits_from_file[k].a_bits;
  }
}

// ---- resolved.yaml ------------------------------------------------------------------------------

constexpr std::string_view kDefault = "default";

/// A text that YAML reads as it is; `text` may be quoted already.
std::string quoted(const std::string& text) {
  if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
    return text;
  }
  std::string out = "\"";
  for (const char c : text) {
    out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return out + "\"";
}

void append_defaults(std::string& out,
                     const std::vector<config::FieldInfo>& fields,
                     std::size_t depth) {
  const std::string indent(2 * depth, ' ');
  for (const config::FieldInfo& field : fields) {
    if (!field.children.empty() && field.type == "map") {
      std::string below;
      append_defaults(below, field.children, depth + 1);
      if (!below.empty()) {
        out += fmt::format("{}{}:\n{}", indent, field.key, below);
      }
    } else if (!field.required && !field.default_text.empty() && field.default_text != "none") {
      out += fmt::format("{}{}: {}\n",
                         indent,
                         field.key,
                         field.type == "string" ? quoted(field.default_text) : field.default_text);
    }
  }
}

/// The fields of this chip, with those of its kinds.
std::vector<config::FieldInfo> chip_defaults(const arch::chip::Chip& chip) {
  const auto pe_fields = [](const arch::chip::TileGroup& group) {
    for (const Kind& kind : registry()) {
      if (kind.name == group.pe->kind()) {
        return kind.fields();
      }
    }
    return std::vector<config::FieldInfo>{};
  };
  std::vector<config::FieldInfo> fields = arch::chip::chip_fields(pe_fields(chip.groups.front()));
  for (config::FieldInfo& field : fields) {
    if (field.key == "tile" && !chip.groups.front().name.empty()) {
      field.children.clear();
    } else if (field.key == "tile_groups") {
      field.type = "map";
      field.children.clear();
      for (const arch::chip::TileGroup& tiles : chip.groups) {
        if (tiles.name.empty()) {
          continue;
        }
        config::FieldInfo& group = field.children.emplace_back();
        group.key = quoted(tiles.name);
        group.type = "map";
        group.children = arch::chip::tile_group_fields(pe_fields(tiles));
      }
    }
  }
  return fields;
}

std::string defaults_text(const Experiment& experiment) {
  std::vector<config::FieldInfo> fields = config::describe<ExperimentFile>();
  for (config::FieldInfo& field : fields) {
    if (field.key == "data" && experiment.data) {
      field.children = config::describe<data::DataSpec>();
    }
    if (field.key == "train" && experiment.train) {
      field.children = config::describe<train::TrainSpec>();
    }
    if (field.key == "chip") {
      field.children = chip_defaults(experiment.chip);
    }
  }
  std::string text;
  append_defaults(text, fields, 0);
  if (!experiment.root.has("mapping")) {
    text += "mapping:\n  default: {w_bits: 8, a_bits: 8, replicas: 1}\n";
    const std::vector<LayerId> ids = matrix_layers(experiment.network);
    for (std::size_t k = 0; k < experiment.bits_from_file.size(); ++k) {
      text += fmt::format("{}    {}: {{w_bits: {}, a_bits: {}}}\n",
                          k == 0 ? "  layers:\n" : "",
                          quoted(experiment.network.layer(ids[k]).name),
                          experiment.bits_from_file[k].w_bits,
                          experiment.bits_from_file[k].a_bits);
    }
  }
  return text;
}

/// The files of `data` from the root of the file system: the result lies in another folder.
std::string data_files_text(const Experiment& experiment) {
  if (!experiment.data) {
    return {};
  }
  const data::DataSpec& data = *experiment.data;
  std::string text;
  for (const auto& [key, files] : {std::pair("all", &data.all),
                                   {"train", &data.train},
                                   {"validation", &data.validation},
                                   {"test", &data.test}}) {
    if (!*files) {
      continue;
    }
    text += fmt::format("  {}:\n", key);
    const auto row = [&](const std::string& name, const std::string& file) {
      const auto path =
          std::filesystem::absolute(std::filesystem::path(folder_of(experiment.path)) / file);
      text += fmt::format("    {}: {}\n", name, quoted(path.lexically_normal().string()));
    };
    if (!(*files)->file.empty()) {
      row("file", (*files)->file);  // images and labels are names in it
    } else {
      row("images", (*files)->images);
      row("labels", (*files)->labels);
    }
  }
  return text.empty() ? text : "data:\n" + text;
}

/// "# default:12" -> "# default", and no "was default".
std::string tidy_provenance(std::string text) {
  const auto cut = [&text](std::string_view what, std::size_t keep) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
      std::size_t end = at + what.size();
      while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
        ++end;
      }
      if (end == at + what.size() || (end < text.size() && text[end] != '\n')) {
        at = end;
        continue;
      }
      text.erase(at + keep, end - at - keep);
      at += keep;
    }
  };
  cut(fmt::format(", was {}:", kDefault), 0);
  cut(fmt::format("  # {}:", kDefault), kDefault.size() + 4);
  return text;
}

config::Node parse_own(const std::string& text, const std::string& name) {
  Diagnostics diagnostics;
  config::Node node = config::parse(text, name, diagnostics);
  if (!diagnostics.ok()) {
    throw InternalError("experiment", -1, "cannot read back the defaults: " + diagnostics.render());
  }
  return node;
}

/// Replaces `key: {file: ...}` by `text`, indented, in a dump of the root.
std::string replace_section(const std::string& dump,
                            const std::string& key,
                            const std::string& text) {
  const std::string start = key + ":";
  std::size_t begin = dump.compare(0, start.size(), start) == 0 ? 0 : dump.find("\n" + start);
  if (begin == std::string::npos) {
    return dump + text;
  }
  begin += begin == 0 ? 0 : 1;
  std::size_t end = dump.find('\n', begin);
  while (end != std::string::npos && end + 1 < dump.size() && dump[end + 1] == ' ') {
    end = dump.find('\n', end + 1);
  }
  end = end == std::string::npos ? dump.size() : end + 1;
  return dump.substr(0, begin) + text + dump.substr(end);
}

}  // namespace

Experiment load_experiment(const std::string& path,
                           const std::vector<std::string>& sets,
                           Diagnostics& diagnostics) {
  Experiment experiment;
  experiment.path = path;
  const std::size_t errors_before = diagnostics.errors().size();
  experiment.root = config::load(path, diagnostics);
  for (const std::string& assignment : sets) {
    config::apply_set(experiment.root, assignment, diagnostics);
  }
  const auto is_gap = [](const Diagnostic& d) {
    return d.code == "E-CFG-FILE" || d.code == "E-CFG-INCLUDE-CYCLE" || d.code == "E-CFG-SYNTAX" ||
           d.code == "E-CFG-LIMIT";
  };
  if (std::any_of(diagnostics.errors().begin() + static_cast<std::ptrdiff_t>(errors_before),
                  diagnostics.errors().end(),
                  is_gap)) {
    return experiment;  // part of the tree is missing: that keys are missing is no news
  }

  auto file = config::read<ExperimentFile>(experiment.root, diagnostics);
  experiment.info = std::move(file.experiment);
  if (experiment.info.name.empty()) {
    experiment.info.name = std::filesystem::path(path).stem().string();
  }
  const bool plain =
      std::all_of(experiment.info.name.begin(), experiment.info.name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
      });
  if (!plain || experiment.info.name.front() == '.') {
    diagnostics.error(config::diagnose(experiment.root.get("experiment").get("name"),
                                       "E-EXP-NAME",
                                       "the experiment's name cannot name a folder",
                                       "letters, digits, '_', '-', '.'; no '.' in front"));
  }
  experiment.execution = file.execution;
  experiment.quantization = file.quantization;

  const std::size_t before_network = diagnostics.errors().size();
  const config::Node parameters = file.network.get("parameters");
  experiment.network = read_network_section(file.network, experiment, diagnostics);
  if (diagnostics.errors().size() == before_network && !parameters.is_null()) {
    read_parameters(parameters, experiment, diagnostics);
  }
  const bool network_ok =
      diagnostics.errors().size() == before_network && !experiment.network.layers.empty();
  experiment.data = data::read_data(file.data, diagnostics);
  if (network_ok && experiment.model) {
    read_images(experiment, diagnostics);
  }
  if (!file.chip.is_null()) {
    experiment.chip = arch::chip::make_chip(file.chip, diagnostics);
  }
  if (network_ok) {
    const std::size_t before_mapping = diagnostics.errors().size();
    experiment.request = mapper::read_mapping_request(file.mapping,
                                                      experiment.network,
                                                      experiment.chip.spec.name,
                                                      folder_of(path),
                                                      diagnostics,
                                                      experiment.chip.group_names());
    if (diagnostics.errors().size() == before_mapping) {
      use_bits_from_file(experiment, file.mapping);
      quantize_as_requested(experiment, diagnostics);
    }
  } else {
    file.mapping.mark_read();
  }
  experiment.search = mapper::read_search(file.search, diagnostics);
  if (!file.train.is_null()) {
    experiment.train =
        train::read_train(file.train, network_ok ? &experiment.network : nullptr, diagnostics);
  }
  if (network_ok && diagnostics.errors().size() == errors_before) {
    CodebookCheck(experiment, diagnostics).run();
  }
  experiment.maps_first = !file.search.is_null() && file.mapping.is_null();
  if (!file.chip.is_null()) {
    experiment.image_interval = interval_of(
        experiment.execution, experiment.root.get("execution"), experiment.chip.clock, diagnostics);
  }
  if (diagnostics.errors().size() == errors_before) {  // else readers stopped half-way
    config::report_unread(experiment.root, diagnostics);
  }
  return experiment;
}

void check_sparsity(const Experiment& experiment, Diagnostics& diagnostics) {
  const std::vector<Layer>& layers = experiment.network.layers;
  const bool ternary = std::any_of(layers.begin(), layers.end(), [](const Layer& layer) {
    return layer.is_matrix() && layer.w_bits == kTernaryBits;
  });
  if (!experiment.execution.sparsity || (ternary && !experiment.model)) {
    return;
  }
  diagnostics.error(config::diagnose(
      experiment.root.get("execution").get("sparsity"),
      "E-CFG-UNREAD-KEY",
      experiment.model ? "nothing reads key 'sparsity': the weights are given"
                       : "nothing reads key 'sparsity': no layer has ternary weights",
      "synthetic weights of 2 bits, in one layer at least",
      "remove it (--set execution.sparsity=null), or give layers w_bits: 2"));
}

std::optional<data::DataSet> load_experiment_data(const Experiment& experiment,
                                                  Diagnostics& diagnostics) {
  const config::Node node = experiment.root.get("data");
  if (!experiment.data) {
    diagnostics.error(config::diagnose(experiment.root,
                                       "E-DATA-SOURCE",
                                       "the experiment has no images",
                                       "a section data:, as in data: {set: digits}"));
    return std::nullopt;
  }
  std::optional<data::DataSet> set =
      data::load_data(*experiment.data, node, folder_of(experiment.path), diagnostics);
  if (!set || experiment.network.layers.empty()) {
    return set;
  }
  const Shape& wanted = experiment.network.layer(0).out;
  const std::int64_t outputs = experiment.network.layer(experiment.network.output()).out.elements();
  const auto report = [&](std::string sentence, std::string expected, std::string got) {
    Diagnostic d =
        config::diagnose(node, "E-DATA-NETWORK", std::move(sentence), std::move(expected));
    d.got = std::move(got);
    d.related = {experiment.root.get("network").at()};
    d.hint = wanted.elements() == set->shape.elements() ? "data.shape arranges images anew" : "";
    diagnostics.error(std::move(d));
  };
  const auto text = [](const Shape& s) {
    return fmt::format("{}x{}x{}", s.height, s.width, s.channels);
  };
  if (set->shape != wanted) {
    report(
        "the images have another shape than the network's input", text(wanted), text(set->shape));
  }
  if (set->classes != outputs) {
    report("there are not as many classes as the network has outputs",
           fmt::format("{} classes", outputs),
           fmt::format("{} classes", set->classes));
  }
  return set->shape == wanted && set->classes == outputs ? std::move(set) : std::nullopt;
}

void give_weights(Experiment& experiment, const std::string& path, Diagnostics& diagnostics) {
  auto file = read_model_file(path, experiment.network, experiment.root.at(), diagnostics);
  if (!file) {
    return;
  }
  const std::vector<LayerBits> bits = widths_of(experiment.network);
  experiment.model = FloatModel{experiment.network, std::move(file->parameters)};
  experiment.given_scales = std::move(file->scales);
  experiment.weights_file = path;
  read_images(experiment, diagnostics);
  set_bits(experiment, bits);
}

void set_bits(Experiment& experiment, const std::vector<LayerBits>& bits) {
  quantize(experiment.network, bits);
  if (experiment.model) {
    const IntegerPlan plan =
        plan_integers(*experiment.model, bits, experiment.quantization, experiment.input_signed);
    for (std::size_t id = 0; id < plan.network.layers.size(); ++id) {
      experiment.network.layers[id].in_signed = plan.network.layers[id].in_signed;
      experiment.network.layers[id].out_signed = plan.network.layers[id].out_signed;
      experiment.network.layers[id].w_codes = plan.network.layers[id].w_codes;
      experiment.network.layers[id].out_codes = plan.network.layers[id].out_codes;
      experiment.network.layers[id].activation_table = plan.network.layers[id].activation_table;
    }
  }
}

void report_format_problems(const IntegerPlan& plan,
                            const Experiment& experiment,
                            Diagnostics& diagnostics) {
  if (plan.problems.empty()) {
    return;
  }
  Diagnostic d = config::diagnose(experiment.root.get("network"),
                                  "E-QUANT-FORMAT",
                                  "the network cannot be computed in integers",
                                  "activations before concat and softmax whose scale is free");
  d.got =
      fmt::format("{} that {} not", plan.problems.size(), plan.problems.size() == 1 ? "is" : "are");
  d.items = plan.problems;
  diagnostics.error(std::move(d));
}

bool needs_model(const Experiment& experiment) {
  const std::vector<Layer>& layers = experiment.network.layers;
  return experiment.model && (experiment.execution.functional != Functional::off ||
                              experiment.quantization.asymmetric ||
                              std::any_of(layers.begin(), layers.end(), [](const Layer& layer) {
                                return layer.w_codes > 0 || layer.out_codes > 0 ||
                                       !layer.activation_table.empty();
                              }));
}

std::string resolved_yaml(const Experiment& experiment) {
  const config::Node defaults = parse_own(defaults_text(experiment), std::string(kDefault));
  const config::Node files = parse_own(data_files_text(experiment), experiment.path);
  std::string text = config::dump(config::merge(config::merge(defaults, experiment.root), files));
  if (experiment.network_from_file || experiment.model) {
    Network network = experiment.network;
    network.layers.front().out_signed = experiment.input_signed;
    std::string section = to_yaml(network);
    if (needs_model(experiment)) {
      section.insert(section.find('\n') + 1, "  parameters: model.npz\n");
    }
    text = replace_section(text, "network", section);
  }
  if (experiment.request.mapping) {
    text = replace_section(text, "mapping", "mapping:\n  file: mapping.yaml\n");
  }
  return tidy_provenance(std::move(text));
}

}  // namespace tessera::tools
