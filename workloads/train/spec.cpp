// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/spec.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace tessera::train {

namespace {

/// A plain file name: letters, digits, and "._-" behind the first.
bool is_file_name(const std::string& name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 64 && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return is_plain(c) || c == '.' || c == '_' || c == '-';
         });
}

void check_stage(const StageSpec& stage,
                 const config::Node& node,
                 const Network* network,
                 Diagnostics& diagnostics) {
  if (!is_file_name(stage.name) || stage.name == "real") {
    diagnostics.error(config::diagnose(node.get("name"),
                                       "E-TRAIN-STAGE",
                                       "the name of a stage is no file name",
                                       "letters, digits and '._-', not 'real'"));
  }
  if (stage.w_bits.has_value() != stage.a_bits.has_value()) {
    diagnostics.error(config::diagnose(node.get(stage.w_bits ? "w_bits" : "a_bits"),
                                       "E-TRAIN-STAGE",
                                       "a stage has one of two widths",
                                       "w_bits and a_bits, or none: those of the mapping"));
  }
  if (network == nullptr) {
    return;
  }
  const config::Node layers = node.get("layers");
  std::vector<std::string> names;
  for (const LayerId id : matrix_layers(*network)) {
    names.push_back(network->layer(id).name);
  }
  for (const auto& [name, at] : layers.keys()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = did_you_mean(name, names);
      Diagnostic d = config::diagnose(layers.get(name),
                                      "E-TRAIN-STAGE",
                                      "the network has no such matrix layer",
                                      "the name of a matrix layer",
                                      near.empty() ? "" : fmt::format("did you mean '{}'?", near));
      d.at = at;
      d.got = quote(name);
      diagnostics.error(std::move(d));
    }
  }
}

}  // namespace

bool takes_mapping(const StageSpec& stage) {
  return !stage.w_bits || !stage.a_bits;
}

QuantizationSpec quantization_of(const StageSpec& stage, QuantizationSpec section) {
  section.codebook = stage.codebook.value_or(section.codebook);
  section.input_codebook = stage.input_codebook.value_or(section.input_codebook);
  return section;
}

std::vector<LayerBits> bits_of(const StageSpec& stage,
                               const Network& network,
                               const std::vector<LayerBits>& mapped) {
  std::vector<LayerBits> out = mapped;
  const std::vector<LayerId> ids = matrix_layers(network);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    if (!takes_mapping(stage)) {
      out[k] = {*stage.w_bits, *stage.a_bits};
    }
    const auto own = stage.layers.find(network.layer(ids[k]).name);
    if (own != stage.layers.end()) {
      out[k] = {own->second.w_bits, own->second.a_bits};
    }
  }
  return out;
}

TrainSpec read_train(const config::Node& node, const Network* network, Diagnostics& diagnostics) {
  auto spec = config::read<TrainSpec>(node, diagnostics);
  const std::vector<config::Node> stages = node.get("stages").items();
  for (std::size_t k = 0; k < std::min(stages.size(), spec.stages.size()); ++k) {
    check_stage(spec.stages[k], stages[k], network, diagnostics);
    for (std::size_t before = 0; before < k; ++before) {
      if (spec.stages[before].name == spec.stages[k].name && !spec.stages[k].name.empty()) {
        Diagnostic d = config::diagnose(stages[k].get("name"),
                                        "E-TRAIN-STAGE",
                                        "two stages have the same name",
                                        "a name of its own");
        d.related = {stages[before].get("name").at()};
        diagnostics.error(std::move(d));
      }
    }
  }
  return spec;
}

}  // namespace tessera::train
