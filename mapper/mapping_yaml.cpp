// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Reading in two steps: field lists take the tree apart, then values are compared with the
/// network, each message at the value it is about.
#include "mapper/mapping_yaml.hpp"

#include "mapper/first_fit.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

/// As written: what a mapping file says of one replica's run, layer, and as a whole.
struct RunText {
  int tile = 0;
  int first_pe = 0;
  int pes = 0;

  static constexpr auto fields() {
    return config::list<RunText>(config::field("tile", &RunText::tile)
                                     .range(0, 1 << 20)
                                     .required()
                                     .doc("number of the tile"),
                                 config::field("first_pe", &RunText::first_pe)
                                     .range(0, 1 << 20)
                                     .required()
                                     .doc("first of its PEs"),
                                 config::field("pes", &RunText::pes)
                                     .range(1, 1 << 20)
                                     .required()
                                     .doc("consecutive PEs, one fragment each"));
  }
};

struct LayerText {
  int w_bits = 8;
  int a_bits = 8;
  int replicas = 1;
  std::optional<std::string> group;
  std::vector<std::vector<RunText>> placement;

  static constexpr auto fields() {
    return config::list<LayerText>(
        config::field("w_bits", &LayerText::w_bits).required().doc("bits of a weight"),
        config::field("a_bits", &LayerText::a_bits).required().doc("bits of an input"),
        config::field("replicas", &LayerText::replicas).required().doc("copies of the matrix"),
        config::field("group", &LayerText::group)
            .doc("group of tiles that it is on, where the chip has several"),
        config::field("placement", &LayerText::placement)
            .doc("per replica, where its fragments are, in order; empty under serial"));
  }
};

struct FileText {
  int schema = 1;
  std::string network;
  std::string chip;
  config::Node layers;
  config::Node vector_layers;

  static constexpr auto fields() {
    return config::list<FileText>(
        config::field("schema", &FileText::schema).required().doc("version of this format: 1"),
        config::field("network", &FileText::network).required().doc("name of the network"),
        config::field("chip", &FileText::chip).required().doc("name of the chip"),
        config::field("layers", &FileText::layers).required().doc("every matrix layer by name"),
        config::field("vector_layers", &FileText::vector_layers)
            .doc("tile of every layer that runs in a vector unit, by name"));
  }
};

/// Part of an experiment's wish; what is not said is left to something less specific.
struct WishText {
  std::optional<int> w_bits;
  std::optional<int> a_bits;
  std::optional<std::int64_t> replicas;
  std::optional<std::string> group;

  static constexpr auto fields() {
    return config::list<WishText>(
        config::field("w_bits", &WishText::w_bits).doc("bits of a weight"),
        config::field("a_bits", &WishText::a_bits).doc("bits of an input"),
        config::field("replicas", &WishText::replicas).doc("copies of the matrix"),
        config::field("group", &WishText::group)
            .doc("group of tiles (chip.tile_groups) that it goes to; the first whose PEs can hold "
                 "it when left out"));
  }
};

struct RequestText {
  std::string file;
  WishText all;
  WishText first_last;
  std::vector<int> w_bits;
  std::vector<int> a_bits;
  std::vector<int> replicas;
  config::Node layers;
  PlacementMethod placement = PlacementMethod::ordered;

  static constexpr auto fields() {
    return config::list<RequestText>(
        config::field("file", &RequestText::file).doc("a mapping.yaml that says everything"),
        config::field("default", &RequestText::all)
            .doc("every matrix layer; no layer gets more replicas than its positions make firings"),
        config::field("first_last", &RequestText::first_last)
            .doc("the first and the last matrix layer; replicas as for default"),
        config::field("w_bits", &RequestText::w_bits).doc("per matrix layer, in network order"),
        config::field("a_bits", &RequestText::a_bits).doc("per matrix layer, in network order"),
        config::field("replicas", &RequestText::replicas).doc("per matrix layer, in network order"),
        config::field("layers", &RequestText::layers)
            .doc("by name of a matrix layer: {w_bits, a_bits, replicas, group}"),
        config::field("placement", &RequestText::placement)
            .doc("first_fit: densely, row by row; random; ordered: densely along the best of "
                 "several walks over the fabric; annealing: parts and tiles move for fewer "
                 "flit-hops. Chips of more than 4096 tiles are always placed by first_fit"));
  }
};

/// The two widths and the replicas, under one name each.
struct Key {
  std::string_view name;
  int LayerRequest::*member;
};

constexpr std::array<Key, 3> kKeys{{{"w_bits", &LayerRequest::w_bits},
                                    {"a_bits", &LayerRequest::a_bits},
                                    {"replicas", &LayerRequest::replicas}}};

/// Reports a value of layer `id` that is out of range. `node` is where it was written.
bool check_value(const Key& key,
                 std::int64_t value,
                 const Network& network,
                 LayerId id,
                 const config::Node& node,
                 Diagnostics& diagnostics) {
  const bool is_bits = key.name != "replicas";
  const std::int64_t most = is_bits ? kMaxBits : network.layer(id).out.positions();
  if (value >= 1 && value <= most) {
    return true;
  }
  diagnostics.error(config::diagnose(
      node,
      is_bits ? "E-MAP-BITS" : "E-MAP-REPLICAS",
      fmt::format("{} of layer {} is out of range", key.name, quote(network.layer(id).name)),
      is_bits ? fmt::format("1 to {} bits", kMaxBits)
              : fmt::format("1 to {}, one per output position", most)));
  return false;
}

/// Reports a group of tiles that the chip does not have.
bool check_group(const std::string& group,
                 const std::vector<std::string>& groups,
                 const config::Node& node,
                 Diagnostics& diagnostics) {
  const bool alike = groups.empty() || groups.front().empty();
  if (!alike && std::find(groups.begin(), groups.end(), group) != groups.end()) {
    return true;
  }
  if (node.type() != config::NodeType::scalar) {
    return false;  // reported
  }
  Diagnostic d = config::diagnose(
      node,
      "E-MAP-GROUP",
      "the chip has no group of tiles " + quote(group),
      alike ? "no group: the tiles of this chip are all alike" : "one of: " + join_keys(groups),
      alike ? "chip.tile_groups describes tiles of several sorts" : "");
  if (const std::string nearest = did_you_mean(group, groups); !alike && !nearest.empty()) {
    d.hint = fmt::format("did you mean {}?", quote(nearest));
  }
  diagnostics.error(std::move(d));
  return false;
}

std::vector<std::string> names_of(const Network& network, const std::vector<LayerId>& ids) {
  std::vector<std::string> names;
  names.reserve(ids.size());
  for (const LayerId id : ids) {
    names.push_back(network.layer(id).name);
  }
  return names;
}

/// Calls `visit(id, value)` for every key of `map` that names one of `ids`; the others are errors.
template <class Visit>
void for_each_layer(const config::Node& map,
                    const Network& network,
                    const std::vector<LayerId>& ids,
                    std::string_view what,
                    Diagnostics& diagnostics,
                    const Visit& visit) {
  if (map.is_null() || !config::detail::expect_map(map, diagnostics)) {
    return;
  }
  const std::vector<std::string> names = names_of(network, ids);
  std::map<std::string_view, LayerId> known;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    known.emplace(names[i], ids[i]);
  }
  for (const auto& [key, at] : map.keys()) {
    const config::Node value = map.get(key);
    if (const auto found = known.find(key); found != known.end()) {
      visit(found->second, value);
      continue;
    }
    value.mark_read();
    Diagnostic d = config::diagnose(
        value,
        "E-MAP-UNKNOWN-LAYER",
        fmt::format("network {} has no {} {}", quote(network.name), what, quote(key)),
        "one of: " + join_keys(names));
    d.at = at;
    d.got = quote(key);
    if (const std::string nearest = did_you_mean(key, names); !nearest.empty()) {
      d.hint = fmt::format("did you mean {}?", quote(nearest));
    }
    diagnostics.error(std::move(d));
  }
}

void report_missing_layer(const config::Node& map,
                          const config::Node& file,
                          std::string_view section,
                          const Layer& layer,
                          Diagnostics& diagnostics) {
  Diagnostic d = config::diagnose(map.is_null() ? file : map,
                                  "E-MAP-MISSING-LAYER",
                                  fmt::format("layer {} is not mapped", quote(layer.name)),
                                  fmt::format("an entry for {}", quote(layer.name)));
  d.path =
      fmt::format("{}{}{}.{}", file.path(), file.path().empty() ? "" : ".", section, layer.name);
  d.got = "none";
  diagnostics.error(std::move(d));
}

void check_name(const config::Node& node,
                std::string_view code,
                std::string_view what,
                std::string_view written,
                std::string_view wanted,
                Diagnostics& diagnostics) {
  if (written != wanted && !node.is_null()) {
    diagnostics.error(config::diagnose(node,
                                       std::string(code),
                                       fmt::format("the mapping was made for another {}", what),
                                       quote(wanted)));
  }
}

LayerMapping read_layer(const Network& network,
                        LayerId id,
                        const config::Node& node,
                        const std::vector<std::string>& groups,
                        Diagnostics& diagnostics) {
  const auto text = config::read<LayerText>(node, diagnostics);
  LayerMapping layer{.layer = id,
                     .name = network.layer(id).name,
                     .w_bits = text.w_bits,
                     .a_bits = text.a_bits,
                     .replicas = text.replicas,
                     .placement = {},
                     .group = text.group.value_or("")};
  if (text.group) {
    check_group(*text.group, groups, node.get("group"), diagnostics);
  }
  const LayerRequest values{text.w_bits, text.a_bits, text.replicas};
  bool ok = true;
  for (const Key& key : kKeys) {
    ok = check_value(key, values.*key.member, network, id, node.get(key.name), diagnostics) && ok;
  }
  const config::Node placement = node.get("placement");
  if (ok && !text.placement.empty() &&
      text.placement.size() != static_cast<std::size_t>(text.replicas)) {
    diagnostics.error(config::diagnose(
        placement,
        "E-MAP-PLACEMENT",
        fmt::format("layer {} has {} replicas, {} are placed",
                    quote(layer.name),
                    text.replicas,
                    text.placement.size()),
        fmt::format("{} lists of runs, or an empty list under serial", text.replicas)));
  }
  for (std::size_t replica = 0; replica < text.placement.size(); ++replica) {
    std::vector<PlacedRun>& runs = layer.placement.emplace_back();
    for (const RunText& run : text.placement[replica]) {
      runs.push_back({run.tile, run.first_pe, run.pes});
    }
    if (runs.empty()) {
      diagnostics.error(config::diagnose(
          replica < placement.items().size() ? placement.items()[replica] : placement,
          "E-MAP-PLACEMENT",
          fmt::format("replica {} of layer {} is nowhere", replica, quote(layer.name)),
          "at least one run: {tile, first_pe, pes}"));
    }
  }
  return layer;
}

/// A key or value as YAML, quoted when it could be read as anything but this text.
std::string as_yaml(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_plain = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/';
  };
  static constexpr std::array<std::string_view, 9> kWords{
      "true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), is_plain) &&
      std::find(kWords.begin(), kWords.end(), lower) == kWords.end()) {
    return std::string(text);
  }
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

/// What an experiment says, least specific first.
class RequestReader {
 public:
  RequestReader(const config::Node& node,
                const Network& network,
                const std::vector<std::string>& groups,
                Diagnostics& diagnostics)
      : node_(node),
        network_(network),
        groups_(groups),
        ids_(matrix_layers(network)),
        diagnostics_(diagnostics) {}

  std::vector<LayerRequest> read(const RequestText& text) {
    layers_.assign(ids_.size(), {});
    apply_rule(node_.get("default"), text.all, 0, ids_.size());
    if (!ids_.empty()) {
      apply_rule(node_.get("first_last"), text.first_last, 0, 1);
      apply_rule(node_.get("first_last"), text.first_last, ids_.size() - 1, ids_.size());
    }
    apply_list(kKeys[0], text.w_bits);
    apply_list(kKeys[1], text.a_bits);
    apply_list(kKeys[2], text.replicas);
    for_each_layer(
        text.layers,
        network_,
        ids_,
        "matrix layer",
        diagnostics_,
        [&](LayerId id, const config::Node& value) {
          const auto found = std::lower_bound(ids_.begin(), ids_.end(), id);
          const auto m = static_cast<std::size_t>(found - ids_.begin());
          const auto wish = config::read<WishText>(value, diagnostics_);
          for (const auto& [key, wanted] : values_of(wish)) {
            if (wanted &&
                check_value(key, *wanted, network_, id, value.get(key.name), diagnostics_)) {
              layers_[m].*key.member = static_cast<int>(*wanted);
            }
          }
          if (wish.group && check_group(*wish.group, groups_, value.get("group"), diagnostics_)) {
            layers_[m].group = *wish.group;
          }
        });
    return std::move(layers_);
  }

 private:
  static std::array<std::pair<Key, std::optional<std::int64_t>>, 3> values_of(
      const WishText& wish) {
    return {{{kKeys[0], wish.w_bits}, {kKeys[1], wish.a_bits}, {kKeys[2], wish.replicas}}};
  }

  /// A rule for several layers: one message for the rule, and no more replicas than positions.
  void apply_rule(const config::Node& node,
                  const WishText& wish,
                  std::size_t begin,
                  std::size_t end) {
    if (wish.group) {
      const bool first_time = begin == 0;  // first_last comes twice
      Diagnostics unread;
      if (check_group(
              *wish.group, groups_, node.get("group"), first_time ? diagnostics_ : unread)) {
        for (std::size_t m = begin; m < end; ++m) {
          layers_[m].group = *wish.group;
        }
      }
    }
    for (const auto& [key, wanted] : values_of(wish)) {
      if (!wanted) {
        continue;
      }
      const bool is_bits = key.name != "replicas";
      if (*wanted < 1 || (is_bits && *wanted > kMaxBits)) {
        if (begin == 0) {  // first_last comes twice
          diagnostics_.error(
              config::diagnose(node.get(key.name),
                               is_bits ? "E-MAP-BITS" : "E-MAP-REPLICAS",
                               fmt::format("{} is out of range", key.name),
                               is_bits ? fmt::format("1 to {} bits", kMaxBits) : "1 or more"));
        }
        continue;
      }
      for (std::size_t m = begin; m < end; ++m) {
        const std::int64_t most = is_bits ? kMaxBits : network_.layer(ids_[m]).out.positions();
        layers_[m].*key.member = static_cast<int>(std::min<std::int64_t>(*wanted, most));
      }
    }
  }

  void apply_list(const Key& key, const std::vector<int>& values) {
    const config::Node node = node_.get(key.name);
    if (node.type() != config::NodeType::sequence) {
      return;  // absent, or reported
    }
    if (values.size() != ids_.size()) {
      diagnostics_.error(config::diagnose(
          node,
          "E-MAP-LIST-LENGTH",
          fmt::format(
              "{} has {} entries for {} matrix layers", key.name, values.size(), ids_.size()),
          fmt::format("{} entries, in network order", ids_.size())));
      return;
    }
    for (std::size_t m = 0; m < values.size(); ++m) {
      Diagnostics again;
      (void)config::read<int>(node.items()[m], again);
      if (!again.ok()) {
        continue;  // reported, and no value to judge
      }
      if (check_value(key, values[m], network_, ids_[m], node.items()[m], diagnostics_)) {
        layers_[m].*key.member = values[m];
      }
    }
  }

  const config::Node& node_;
  const Network& network_;
  const std::vector<std::string>& groups_;  ///< of the chip's tiles
  std::vector<LayerId> ids_;
  Diagnostics& diagnostics_;
  std::vector<LayerRequest> layers_;
};

}  // namespace

MappingRequest uniform_request(const Network& network, const LayerRequest& layer) {
  MappingRequest request;
  request.layers.assign(matrix_layers(network).size(), layer);
  return request;
}

Mapping read_mapping(const config::Node& node,
                     const Network& network,
                     std::string_view chip,
                     Diagnostics& diagnostics,
                     const std::vector<std::string>& groups) {
  const auto text = config::read<FileText>(node, diagnostics);
  Mapping mapping{.network = text.network, .chip = text.chip, .layers = {}, .vector_layers = {}};
  if (node.type() != config::NodeType::map) {
    return mapping;  // reported
  }
  if (text.schema != 1) {
    diagnostics.error(config::diagnose(
        node.get("schema"), "E-MAP-SCHEMA", "this version of the format is unknown", "1"));
  }
  check_name(
      node.get("network"), "E-MAP-NETWORK", "network", text.network, network.name, diagnostics);
  check_name(node.get("chip"), "E-MAP-CHIP", "chip", text.chip, chip, diagnostics);

  std::map<LayerId, LayerMapping> matrices;
  for_each_layer(text.layers,
                 network,
                 matrix_layers(network),
                 "matrix layer",
                 diagnostics,
                 [&](LayerId id, const config::Node& value) {
                   matrices.emplace(id, read_layer(network, id, value, groups, diagnostics));
                 });
  std::map<LayerId, VectorMapping> vectors;
  for_each_layer(text.vector_layers,
                 network,
                 vector_layers(network),
                 "layer for a vector unit",
                 diagnostics,
                 [&](LayerId id, const config::Node& value) {
                   const int tile = config::read<int>(value, diagnostics);
                   vectors.emplace(id, VectorMapping{id, network.layer(id).name, tile});
                 });
  for (const LayerId id : matrix_layers(network)) {
    if (const auto found = matrices.find(id); found != matrices.end()) {
      mapping.layers.push_back(std::move(found->second));
    } else {
      report_missing_layer(text.layers, node, "layers", network.layer(id), diagnostics);
    }
  }
  for (const LayerId id : vector_layers(network)) {
    if (const auto found = vectors.find(id); found != vectors.end()) {
      mapping.vector_layers.push_back(std::move(found->second));
    } else {
      report_missing_layer(
          text.vector_layers, node, "vector_layers", network.layer(id), diagnostics);
    }
  }
  return mapping;
}

std::string write_mapping(const Mapping& mapping) {
  std::string text = fmt::format(
      "schema: 1\nnetwork: {}\nchip: {}\n", as_yaml(mapping.network), as_yaml(mapping.chip));
  text += mapping.layers.empty() ? "layers: {}\n" : "layers:\n";
  for (const LayerMapping& layer : mapping.layers) {
    text += fmt::format("  {}:\n    w_bits: {}\n    a_bits: {}\n    replicas: {}\n",
                        as_yaml(layer.name),
                        layer.w_bits,
                        layer.a_bits,
                        layer.replicas);
    if (!layer.group.empty()) {
      text += fmt::format("    group: {}\n", as_yaml(layer.group));
    }
    text += layer.placement.empty() ? "    placement: []\n" : "    placement:\n";
    for (const std::vector<PlacedRun>& runs : layer.placement) {
      text += "      - [";
      for (std::size_t i = 0; i < runs.size(); ++i) {
        text += fmt::format("{}{{tile: {}, first_pe: {}, pes: {}}}",
                            i == 0 ? "" : ", ",
                            runs[i].tile,
                            runs[i].first_pe,
                            runs[i].pes);
      }
      text += "]\n";
    }
  }
  text += mapping.vector_layers.empty() ? "vector_layers: {}\n" : "vector_layers:\n";
  for (const VectorMapping& layer : mapping.vector_layers) {
    text += fmt::format("  {}: {}\n", as_yaml(layer.name), layer.tile);
  }
  return text;
}

MappingRequest read_mapping_request(const config::Node& node,
                                    const Network& network,
                                    std::string_view chip,
                                    const std::string& folder,
                                    Diagnostics& diagnostics,
                                    const std::vector<std::string>& groups) {
  MappingRequest request = uniform_request(network, {});
  if (node.is_null()) {
    return request;
  }
  request.at = node.at();
  request.path = node.path();
  const auto text = config::read<RequestText>(node, diagnostics);
  if (node.type() != config::NodeType::map) {
    return request;  // reported
  }
  if (!node.has("file")) {
    request.layers = RequestReader(node, network, groups, diagnostics).read(text);
    request.placement = text.placement;
    return request;
  }
  text.layers.mark_read();
  if (node.keys().size() > 1) {
    diagnostics.error(config::diagnose(node,
                                       "E-MAP-FORM",
                                       "a mapping is either a file or widths and replicas",
                                       "file alone, or no file",
                                       "change the mapping file, or remove 'file'"));
  }
  const std::size_t errors_before = diagnostics.errors().size();
  const std::string path = (std::filesystem::path(folder) / text.file).string();
  const config::Node file = config::load(path, diagnostics);
  if (diagnostics.errors().size() != errors_before) {
    return request;
  }
  request.mapping = read_mapping(file, network, chip, diagnostics, groups);
  request.file = file;
  config::report_unread(file, diagnostics);
  if (request.mapping->layers.size() == request.layers.size()) {
    for (std::size_t m = 0; m < request.layers.size(); ++m) {
      const LayerMapping& layer = request.mapping->layers[m];
      request.layers[m] = {layer.w_bits, layer.a_bits, layer.replicas, layer.group};
    }
  }
  return request;
}

std::vector<config::FieldInfo> mapping_request_fields() {
  return config::describe<RequestText>();
}

}  // namespace tessera::mapper
