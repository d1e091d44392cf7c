// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A Mapping as a file, and what an experiment says about the mapping it wants.
///
/// mapping.yaml:
///
///   schema: 1
///   network: lenet5
///   chip: isaac
///   layers:
///     conv1: {w_bits: 8, a_bits: 8, replicas: 2, placement: [[{tile: 0, first_pe: 0, pes: 8}],
///     [...]]}
///   vector_layers: {pool1: 0}
///
/// An experiment either names such a file or asks for widths and replicas; the more specific wins:
///
///   mapping:
///     default: {w_bits: 8, a_bits: 8, replicas: 1}    # every matrix layer; group: crossbar where
///                                                     # the chip has groups of tiles
///     first_last: {w_bits: 8, a_bits: 8}              # the first and the last matrix layer
///     w_bits: [8, 4, 4]                               # a_bits, replicas: likewise, in network
///     order layers: {conv1: {replicas: 2}}                  # by name
///     placement: ordered                              # first_fit, random, ordered, annealing
///   mapping: {file: mapping.yaml}                     # or this, alone
///
/// Errors   all at once. E-MAP-SCHEMA, E-MAP-NETWORK, E-MAP-CHIP (written for another one),
///          E-MAP-UNKNOWN-LAYER, E-MAP-MISSING-LAYER, E-MAP-BITS, E-MAP-REPLICAS,
///          E-MAP-LIST-LENGTH, E-MAP-PLACEMENT (shape of the placement), E-MAP-FORM (file mixed
///          with widths), E-MAP-GROUP (no such group of tiles); and those of the configuration
///          reader. Whether a placement is legal is for check.hpp.
#pragma once

#include "sim/api/mapping.hpp"
#include "sim/base/config.hpp"
#include "workloads/network.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::mapper {

inline constexpr int kMaxBits = 16;

/// Widths and replicas of one matrix layer.
struct LayerRequest {
  int w_bits = 8;
  int a_bits = 8;
  int replicas = 1;
  std::string group = {};  ///< of tiles; empty: the first whose PEs can hold the matrix

  bool operator==(const LayerRequest&) const = default;
};

/// Where fragments go (placement/placement.hpp).
enum class PlacementMethod {
  first_fit,  ///< place(): densely, tile after tile, row by row
  random,     ///< tiles shuffled, then legal moves at random
  ordered,    ///< first fit's tiles along the best of several walks over the fabric
  annealing,  ///< simulated annealing from `ordered`
};

constexpr auto enum_names(PlacementMethod) {
  return std::array<std::pair<PlacementMethod, std::string_view>, 4>{{
      {PlacementMethod::first_fit, "first_fit"},
      {PlacementMethod::random, "random"},
      {PlacementMethod::ordered, "ordered"},
      {PlacementMethod::annealing, "annealing"},
  }};
}

/// What an experiment wants of the mapping.
struct MappingRequest {
  std::vector<LayerRequest> layers;  ///< one per matrix layer, in network order
  std::optional<Mapping> mapping;    ///< the whole answer, when the experiment names a file
  config::Node file;                 ///< what was read of that file, for messages
  PlacementMethod placement = PlacementMethod::ordered;
  Position at;  ///< of the `mapping:` key, for messages
  std::string path = "mapping";
};

/// The same request for every matrix layer.
MappingRequest uniform_request(const Network& network, const LayerRequest& layer);

/// Reads a mapping file's tree for this network. `chip` is the chip's name, `groups` are those of
/// its tiles, when they are not all alike. Layers come out in network order.
Mapping read_mapping(const config::Node& node,
                     const Network& network,
                     std::string_view chip,
                     Diagnostics& diagnostics,
                     const std::vector<std::string>& groups = {});

/// YAML that read_mapping reads back to the same Mapping.
std::string write_mapping(const Mapping& mapping);

/// Reads the `mapping:` node of an experiment; a null node asks for the defaults. A `file:` is
/// relative to `folder`.
MappingRequest read_mapping_request(const config::Node& node,
                                    const Network& network,
                                    std::string_view chip,
                                    const std::string& folder,
                                    Diagnostics& diagnostics,
                                    const std::vector<std::string>& groups = {});

/// What read_mapping_request() reads, for explain and the schema.
std::vector<config::FieldInfo> mapping_request_fields();

}  // namespace tessera::mapper
