// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The mapper's answer: bit widths, replicas and placement of every matrix layer. A YAML file
/// (mapper/mapping_yaml.hpp).
#pragma once

#include "workloads/network.hpp"

#include <string>
#include <vector>

namespace tessera {

/// A run of consecutive fragments of one replica on one tile.
struct PlacedRun {
  int tile = 0;
  int first_pe = 0;
  int pes = 0;
};

struct LayerMapping {
  LayerId layer = 0;
  std::string name;
  int w_bits = 8;
  int a_bits = 8;
  int replicas = 1;
  /// One list of runs per replica; the fragments of the layer's Layout in order. The first run's
  /// tile is the replica's home. Empty under `serial` (arrays are shared in time).
  std::vector<std::vector<PlacedRun>> placement;
  std::string group = {};  ///< of tiles that it is on; empty on a chip whose tiles are all alike
};

struct VectorMapping {
  LayerId layer = 0;
  std::string name;
  int tile = 0;  ///< whose vector unit executes the layer
};

struct Mapping {
  std::string network;
  std::string chip;
  std::vector<LayerMapping> layers;  ///< one per matrix layer, in network order
  std::vector<VectorMapping>
      vector_layers;  ///< one per layer that runs in a vector unit, in network order
};

}  // namespace tessera
