// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/import.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/enum_name.hpp"
#include "workloads/network.hpp"
#include "workloads/onnx/convert.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace tessera::tools {

namespace {

onnx::Imported imported(const std::string& path) {
  Diagnostics diagnostics;
  std::optional<onnx::Imported> result = onnx::import_network(path, {}, diagnostics);
  diagnostics.throw_if_any();
  return std::move(*result);
}

/// Weights, biases and embeddings of the network; those of the file may be more (norms).
std::int64_t parameters_of(const onnx::Imported& net) {
  std::int64_t sum = 0;
  for (const FloatParameters& p : net.parameters) {
    sum += static_cast<std::int64_t>(p.weights.size() + p.bias.size() + p.embedding.size());
  }
  return sum;
}

std::string shape_text(const Shape& s) {
  return fmt::format("{}x{}x{}", s.height, s.width, s.channels);
}

}  // namespace

std::string import_text(const std::string& path) {
  const onnx::Imported net = imported(path);
  const Network& network = net.network;
  std::size_t width = 5;
  std::size_t kind_width = 10;
  for (const Layer& layer : network.layers) {
    width = std::max(width, layer.name.size());
    kind_width = std::max(kind_width, name_of(layer.kind).size());
  }
  std::string text = fmt::format("{}: {} layers, {} of them matrices\n\n",
                                 network.name,
                                 network.layers.size() - 1,
                                 matrix_layers(network).size());
  text += fmt::format("{:<{}}  {:<{}}  {:<12}  {:<10}  {:>12}  {:>12}  {}\n",
                      "layer",
                      width,
                      "kind",
                      kind_width,
                      "output",
                      "activation",
                      "weights",
                      "MACs",
                      net.has_bits ? "bits w/a" : "");
  std::size_t matrix = 0;
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    std::string row = fmt::format(
        "{:<{}}  {:<{}}  {:<12}  {:<10}",
        layer.name,
        width,
        name_of(layer.kind),
        kind_width,
        shape_text(layer.out),
        layer.activation == Activation::none ? std::string_view() : name_of(layer.activation));
    if (layer.is_matrix()) {
      const LayerBits bits = net.bits[matrix++];
      row += fmt::format("  {:>12}  {:>12}",
                         net.parameters[static_cast<std::size_t>(id)].weights.size(),
                         matrix_shape(network, id).macs());
      row += net.has_bits ? fmt::format("  {}/{}", bits.w_bits, bits.a_bits) : "";
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  text += fmt::format(
      "\n{} weights, {} MACs per image; {} parameters with biases, {} numbers in the file\n",
      total_weights(network),
      total_macs(network),
      parameters_of(net),
      net.file_parameters);
  return text;
}

std::string import_json(const std::string& path) {
  const onnx::Imported net = imported(path);
  const Network& network = net.network;
  nlohmann::json layers = nlohmann::json::array();
  std::size_t matrix = 0;
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    nlohmann::json one = {{"name", layer.name},
                          {"kind", name_of(layer.kind)},
                          {"output", {layer.out.height, layer.out.width, layer.out.channels}},
                          {"activation", name_of(layer.activation)},
                          {"from", nlohmann::json::array()}};
    for (const LayerId from : layer.inputs) {
      one["from"].push_back(network.layer(from).name);
    }
    if (layer.is_matrix()) {
      one["weights"] = net.parameters[static_cast<std::size_t>(id)].weights.size();
      one["macs"] = matrix_shape(network, id).macs();
      if (net.has_bits) {
        one["w_bits"] = net.bits[matrix].w_bits;
        one["a_bits"] = net.bits[matrix].a_bits;
      }
      ++matrix;
    }
    layers.push_back(std::move(one));
  }
  const nlohmann::json out = {{"name", network.name},
                              {"layers", std::move(layers)},
                              {"weights", total_weights(network)},
                              {"macs", total_macs(network)},
                              {"parameters", parameters_of(net)},
                              {"file_parameters", net.file_parameters}};
  return out.dump(2) + "\n";
}

}  // namespace tessera::tools
