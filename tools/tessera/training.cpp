// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/training.hpp"

#include "mapper/mapping_yaml.hpp"
#include "sim/report/output_folder.hpp"
#include "tools/tessera/train_program.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> train_words(const std::string& experiment, const CommandLine& line) {
  std::vector<std::string> words{"train", experiment};
  for (const std::string& set : line.sets) {
    words.insert(words.end(), {"--set", set});
  }
  if (line.quiet) {
    words.emplace_back("--quiet");
  }
  if (line.fresh) {
    words.emplace_back("--fresh");
  }
  return words;
}

std::string folder_of(const Experiment& experiment, const CommandLine& line, const char* suffix) {
  std::string base = line.out.empty() ? "out/" + experiment.info.name : line.out;
  while (base.size() > 1 && base.back() == '/') {
    base.pop_back();
  }
  return base + suffix;
}

/// Trains a part of the stages and takes the weights over.
void train_part(Experiment& experiment,
                const CommandLine& line,
                std::vector<std::string> words,
                const std::string& folder) {
  words.insert(words.end(), {"--out", folder});
  const int status = call_train_program(words, line.quiet || line.json);
  if (status != 0) {
    throw InputError({}, status);
  }
  Diagnostics diagnostics;
  give_weights(experiment, (fs::path(folder) / "model.npz").string(), diagnostics);
  diagnostics.throw_if_any();
}

}  // namespace

int train_experiment(const CommandLine& line, const Diagnostics& diagnostics) {
  diagnostics.throw_if_any();
  std::vector<std::string> words = train_words(line.names.front(), line);
  if (!line.out.empty()) {
    words.insert(words.end(), {"--out", line.out});
  }
  return call_train_program(words, line.json);
}

void train_weights(Experiment& experiment, const CommandLine& line) {
  std::vector<std::string> words = train_words(experiment.path, line);
  words.insert(words.end(), {"--part", "fixed"});
  train_part(experiment, line, std::move(words), folder_of(experiment, line, "_start"));
}

void tune_weights(Experiment& experiment, const CommandLine& line, const Mapping& mapping) {
  const std::vector<train::StageSpec>& stages = experiment.train->stages;
  if (std::none_of(stages.begin(), stages.end(), train::takes_mapping)) {
    return;
  }
  const std::string folder = folder_of(experiment, line, "_tuned");
  report::OutputFolder files(folder);
  files.add("mapping.yaml", mapper::write_mapping(mapping));
  files.commit();
  std::vector<std::string> words = train_words(experiment.path, line);
  words.insert(words.end(), {"--part", "mapped", "--model", experiment.weights_file});
  const fs::path real = fs::path(experiment.weights_file).parent_path() / "real.npz";
  if (fs::exists(real)) {
    words.insert(words.end(), {"--real", real.string()});
  }
  const std::string file = fs::absolute(fs::path(folder) / "mapping.yaml").string();
  words.insert(words.end(), {"--set", "mapping=null"});
  words.insert(words.end(), {"--set", "mapping={file: \"" + file + "\"}"});
  train_part(experiment, line, std::move(words), folder);
}

}  // namespace tessera::tools
