// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/explain.hpp"

#include "arch/chip/chip.hpp"
#include "sim/api/model.hpp"
#include "sim/base/json_schema.hpp"
#include "sim/base/text.hpp"
#include "tools/tessera/codes.hpp"
#include "tools/tessera/compile.hpp"
#include "tools/tessera/experiment.hpp"
#include "workloads/data/spec.hpp"
#include "workloads/network.hpp"
#include "workloads/network_yaml.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

using config::FieldInfo;

FieldInfo info(std::string key, std::string type, std::string default_text, std::string doc) {
  FieldInfo out;
  out.key = std::move(key);
  out.type = std::move(type);
  out.default_text = std::move(default_text);
  out.doc = std::move(doc);
  return out;
}

std::vector<FieldInfo> network_fields() {
  FieldInfo layers = info("layers", "list of map", "", "inline: the layers in order");
  layers.children = network_layer_fields();
  return {
      info("zoo", "string", "", "a built-in network; tessera list networks"),
      info("file", "string", "", "a file with a `network:` of its own; relative to the experiment"),
      info("onnx",
           "string",
           "",
           "an ONNX file; relative to the experiment; tessera import shows it"),
      info("parameters",
           "string",
           "",
           "real weights: an NPZ file with <layer>/weights, <layer>/bias; those of an ONNX file "
           "when left out, else synthetic ones"),
      info("name", "string", "", "inline: name of the network"),
      info("input", "map", "", "inline: {height, width, channels, bits, signed}"),
      std::move(layers)};
}

/// The fields of every kind.
std::vector<FieldInfo> pe_fields() {
  FieldInfo kind = info("kind", "string", "", "sort of processing element");
  kind.required = true;
  std::vector<FieldInfo> fields = {std::move(kind)};
  for (const Kind& known : registry()) {
    for (FieldInfo& own : known.fields()) {
      const bool listed = std::any_of(fields.begin(), fields.end(), [&](const FieldInfo& field) {
        return field.key == own.key;
      });
      if (!listed) {
        own.required = false;  // of another kind, perhaps
        fields.push_back(std::move(own));
      }
    }
  }
  return fields;
}

/// Everything a user can write, with the fields of every kind under `pe`.
std::vector<FieldInfo> experiment_fields() {
  std::vector<FieldInfo> fields = config::describe<ExperimentFile>();
  for (FieldInfo& field : fields) {
    if (field.key == "network") {
      field.children = network_fields();
    } else if (field.key == "mapping") {
      field.children = mapper::mapping_request_fields();
    } else if (field.key == "data") {
      field.children = config::describe<data::DataSpec>();
    } else if (field.key == "search") {
      field.children = config::describe<mapper::SearchSpec>();
    } else if (field.key == "train") {
      field.children = config::describe<train::TrainSpec>();
    } else if (field.key == "chip") {
      field.children = arch::chip::chip_fields(pe_fields());
    }
  }
  FieldInfo include = info("include", "string", "", "files whose values lie below this file's");
  fields.insert(fields.begin(), std::move(include));
  return fields;
}

/// Keys of files that are no experiments, too.
std::vector<FieldInfo> all_fields() {
  std::vector<FieldInfo> fields = experiment_fields();
  FieldInfo compile =
      info("compile", "map", "", "how layers become programs, in a file for tessera compile");
  compile.children = compile_fields();
  fields.push_back(std::move(compile));
  return fields;
}

const FieldInfo* find(const std::vector<FieldInfo>& fields, std::string_view key) {
  const auto found = std::find_if(
      fields.begin(), fields.end(), [&](const FieldInfo& field) { return field.key == key; });
  return found == fields.end() ? nullptr : &*found;
}

/// Paths of all keys, for suggestions.
void collect(const std::vector<FieldInfo>& fields,
             const std::string& prefix,
             std::vector<std::string>& out) {
  for (const FieldInfo& field : fields) {
    out.push_back(prefix + field.key);
    collect(field.children, prefix + field.key + ".", out);
  }
}

std::optional<std::string> explain_key(const std::string& path) {
  const std::vector<FieldInfo> top = all_fields();
  const std::vector<FieldInfo>* fields = &top;
  const FieldInfo* at = nullptr;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    std::string key = path.substr(begin, end - begin);
    key = key.substr(0, key.find('['));
    at = find(*fields, key);
    if (at == nullptr) {
      return std::nullopt;
    }
    fields = &at->children;
    begin = end + 1;
  }
  std::string text = path + "\n";
  const auto row = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      text += fmt::format("  {:<9}{}\n", name, value);
    }
  };
  row("what", at->doc);
  row("type", at->type);
  row("range", at->range);
  row("default", at->required ? "none: it must be written" : at->default_text);
  row("source", at->source);
  if (!at->children.empty()) {
    text += "\n" + config::explain_text(at->children);
  }
  return text;
}

std::optional<std::string> explain_kind(const std::string& name) {
  for (const Kind& kind : registry()) {
    if (kind.name == name) {
      return fmt::format("{}: {}\n\nWritten as chip.tile.pe: {{kind: {}, ...}}\n\n{}",
                         kind.name,
                         kind.doc,
                         kind.name,
                         config::explain_text(kind.fields()));
    }
  }
  return std::nullopt;
}

std::string bad_file(std::string_view code) {
  std::string name(code.substr(2));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::tolower(c));
  });
  return "configs/bad/" + name + ".yaml";
}

std::optional<std::string> explain_code(const std::string& what) {
  for (const CodeInfo& code : codes()) {
    if (code.code == what) {
      std::string example = "  " + std::string(code.example);
      for (std::size_t at = example.find('\n'); at != std::string::npos;
           at = example.find('\n', at + 1)) {
        example.insert(at + 1, "  ");
      }
      return fmt::format("{}\n\n{}\n\nFor example:\n{}\n\n{}\n",
                         code.code,
                         code.meaning,
                         example,
                         code.no_file.empty() ? "Shown by " + bad_file(code.code)
                                              : fmt::format("No file shows it: {}", code.no_file));
    }
  }
  return std::nullopt;
}

[[noreturn]] void throw_unknown(const std::string& code,
                                const std::string& sentence,
                                const std::string& word,
                                const std::string& expected,
                                const std::vector<std::string>& known) {
  Diagnostics diagnostics;
  Diagnostic d;
  d.code = code;
  d.sentence = sentence + " " + quote(word);
  d.path = "command line";
  d.expected = expected;
  d.got = quote(word);
  const std::string nearest = did_you_mean(word, known);
  d.hint = nearest.empty() ? "" : fmt::format("did you mean {}?", quote(nearest));
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 2);
}

std::string list_networks() {
  std::string text = fmt::format("{:<18} {:>7} {:>8} {:>14} {:>16}\n",
                                 "network",
                                 "layers",
                                 "matrices",
                                 "weights",
                                 "MACs/image");
  for (const std::string& name : zoo_names()) {
    const Network network = zoo(name);
    text += fmt::format("{:<18} {:>7} {:>8} {:>14} {:>16}\n",
                        name,
                        network.layers.size(),
                        matrix_layers(network).size(),
                        total_weights(network),
                        total_macs(network));
  }
  return text;
}

std::string list_kinds() {
  std::string text;
  for (const Kind& kind : registry()) {
    text += fmt::format("{:<12} {}\n", kind.name, kind.doc);
  }
  return text;
}

/// The doc of the files in configs/<folder>, by the section that has it.
std::string list_files(const std::string& folder, const std::string& section) {
  namespace fs = std::filesystem;
  fs::path where = fs::path("configs") / folder;
  std::error_code error;
  if (!fs::is_directory(where, error)) {
    return fmt::format("no folder {} here; run tessera from the top of its source tree\n",
                       where.string());
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(where)) {
    if (entry.path().extension() == ".yaml") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const fs::path& file : files) {
    Diagnostics diagnostics;
    const config::Node node = config::load(file.string(), diagnostics);
    const std::string doc = node.get(section).get("doc").scalar();
    text += fmt::format("{:<48} {}\n", file.string(), doc);
  }
  return text;
}

/// Up to the first colon, semicolon or full stop that ends something.
std::string first_clause(std::string_view text) {
  std::size_t end = text.find_first_of(".:;");
  while (end != std::string_view::npos && end + 1 < text.size() && text[end + 1] != ' ') {
    end = text.find_first_of(".:;", end + 1);  // of a name, as in `kind:`
  }
  return std::string(text.substr(0, end));
}

}  // namespace

std::string explain_overview() {
  std::string text = "tessera explain WHAT\n\nKinds of processing element\n";
  for (const Kind& kind : registry()) {
    text += fmt::format("  {:<12} {}\n", kind.name, kind.doc);
  }
  text += "\nSections of an experiment; every key below them too, e.g. chip.tile.bus.width\n";
  for (const FieldInfo& field : experiment_fields()) {
    text += fmt::format("  {:<12} {}\n", field.key, field.doc);
  }
  text += "\nError codes\n";
  for (const CodeInfo& code : codes()) {
    text += fmt::format("  {:<22} {}\n", code.code, first_clause(code.meaning));
  }
  return text;
}

std::string explain(const std::string& what) {
  for (const auto& answer : {explain_kind(what), explain_code(what), explain_key(what)}) {
    if (answer) {
      return *answer;
    }
  }
  std::vector<std::string> known;
  for (const Kind& kind : registry()) {
    known.push_back(kind.name);
  }
  for (const CodeInfo& code : codes()) {
    known.emplace_back(code.code);
  }
  collect(all_fields(), "", known);
  throw_unknown("E-CLI-EXPLAIN",
                "nothing is called",
                what,
                "a kind, a key of the configuration, or an error code; tessera explain lists them",
                known);
}

std::string experiment_schema() {
  return config::json_schema(experiment_fields());
}

std::string list(const std::string& what) {
  if (what == "networks") {
    return list_networks();
  }
  if (what == "kinds") {
    return list_kinds();
  }
  if (what == "chips") {
    return list_files("chips", "chip");
  }
  if (what == "experiments") {
    return list_files("experiments", "experiment");
  }
  if (what == "searches") {
    std::string out;
    for (const auto& [method, name] : mapper::enum_names(mapper::Method{})) {
      out += fmt::format("{:<20}{}\n", name, mapper::describe(method));
    }
    return out;
  }
  const std::vector<std::string> known = {"networks", "kinds", "chips", "experiments", "searches"};
  throw_unknown("E-CLI-LIST", "there is no list of", what, "one of: " + join_keys(known), known);
}

}  // namespace tessera::tools
