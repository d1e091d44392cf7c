// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One pass over the mapping; occupied PEs in a flat table of the chip.
#include "mapper/check.hpp"

#include "mapper/first_fit.hpp"
#include "mapper/placement/placement.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

class Checker {
 public:
  Checker(const Mapping& mapping,
          const Network& network,
          const arch::chip::Chip& chip,
          Granularity granularity,
          Diagnostics& diagnostics)
      : mapping_(mapping),
        network_(network),
        chip_(chip),
        serial_(granularity == Granularity::serial),
        diagnostics_(diagnostics),
        user_of_(static_cast<std::size_t>(chip.pes()), -1) {
    std::int64_t next = 0;
    for (const arch::chip::TileGroup& group : chip.groups) {
      first_pe_.push_back(next);
      next += group.pes();
    }
  }

  void run() {
    check_entries(mapping_.layers, matrix_layers(network_), "layers");
    check_entries(mapping_.vector_layers, vector_layers(network_), "vector_layers");
    for (const LayerMapping& layer : mapping_.layers) {
      if (names_a_layer(layer.layer) && network_.layer(layer.layer).is_matrix()) {
        check_matrix(layer);
      }
    }
    for (const VectorMapping& layer : mapping_.vector_layers) {
      check_tile(layer.tile, "mapping.vector_layers." + layer.name, layer.name);
    }
  }

 private:
  void report(std::string code,
              std::string sentence,
              std::string path,
              std::string expected,
              std::string got,
              std::string hint = {}) {
    diagnostics_.error({.code = std::move(code),
                        .sentence = std::move(sentence),
                        .at = {},
                        .path = std::move(path),
                        .expected = std::move(expected),
                        .got = std::move(got),
                        .hint = std::move(hint),
                        .related = {}});
  }

  [[nodiscard]] bool names_a_layer(LayerId id) const { return id >= 0 && id <= network_.output(); }

  /// Every one of `wanted` exactly once, in order, under its own name.
  template <class Entry>
  void check_entries(const std::vector<Entry>& entries,
                     const std::vector<LayerId>& wanted,
                     const std::string& section) {
    std::vector<int> times(network_.layers.size(), 0);
    LayerId before = -1;
    for (const Entry& entry : entries) {
      const std::string path = "mapping." + section + "." + entry.name;
      const bool known = std::binary_search(wanted.begin(), wanted.end(), entry.layer);
      if (!known || network_.layer(entry.layer).name != entry.name) {
        report("E-MAP-UNKNOWN-LAYER",
               fmt::format("{} is not a layer that belongs here", quote(entry.name)),
               path,
               known ? quote(network_.layer(entry.layer).name) : "a layer of the network",
               fmt::format("{}, layer number {}", quote(entry.name), entry.layer));
        continue;
      }
      if (++times[static_cast<std::size_t>(entry.layer)] > 1) {
        report("E-MAP-DUPLICATE-LAYER",
               fmt::format("layer {} is mapped twice", quote(entry.name)),
               path,
               "one entry",
               "another one");
      } else if (entry.layer < before) {
        report("E-MAP-ORDER",
               fmt::format("layer {} is out of order", quote(entry.name)),
               path,
               "entries in network order",
               fmt::format("after {}", quote(network_.layer(before).name)));
      }
      before = std::max(before, entry.layer);
    }
    for (const LayerId id : wanted) {
      if (times[static_cast<std::size_t>(id)] == 0) {
        const std::string& name = network_.layer(id).name;
        report("E-MAP-MISSING-LAYER",
               fmt::format("layer {} is not mapped", quote(name)),
               fmt::format("mapping.{}.{}", section, name),
               fmt::format("an entry for {}", quote(name)),
               "none");
      }
    }
  }

  bool check_tile(int tile, const std::string& path, const std::string& name) {
    if (tile >= 0 && tile < chip_.tiles()) {
      return true;
    }
    report("E-MAP-TILE",
           fmt::format("layer {} is on a tile that the chip does not have", quote(name)),
           path,
           fmt::format("0 to {}", chip_.tiles() - 1),
           std::to_string(tile));
    return false;
  }

  void check_matrix(const LayerMapping& layer) {
    const std::string path = "mapping.layers." + layer.name;
    const std::int64_t positions = network_.layer(layer.layer).out.positions();
    bool widths_ok = true;
    for (const auto& [key, bits] : {std::pair{"w_bits", layer.w_bits}, {"a_bits", layer.a_bits}}) {
      if (bits < 1 || bits > kMaxBits) {
        report("E-MAP-BITS",
               fmt::format("{} of layer {} is out of range", key, quote(layer.name)),
               path + "." + key,
               fmt::format("1 to {} bits", kMaxBits),
               std::to_string(bits));
        widths_ok = false;
      }
    }
    const std::size_t group = chip_.find_group(layer.group);
    const bool known = group < chip_.groups.size();
    const MatrixOp matrix = matrix_op(network_, layer.layer, layer.w_bits, layer.a_bits);
    const Layout layout = widths_ok && known ? chip_.groups[group].pe->layout(matrix) : Layout{};
    const Blocks blocks = Blocks::of(positions, layout.ok ? layout.block : 1);
    if (layer.replicas < 1 || layer.replicas > blocks.count()) {
      report("E-MAP-REPLICAS",
             fmt::format("replicas of layer {} is out of range", quote(layer.name)),
             path + ".replicas",
             fmt::format("1 to {}, one per {}",
                         blocks.count(),
                         blocks.size == 1 ? std::string("output position")
                                          : fmt::format("{} output positions", blocks.size)),
             std::to_string(layer.replicas));
    } else if (serial_ && layer.replicas != 1) {
      report("E-MAP-SERIAL-REPLICAS",
             fmt::format("layer {} has replicas, but serial execution runs one operation after the "
                         "other",
                         quote(layer.name)),
             path + ".replicas",
             "1",
             std::to_string(layer.replicas));
    }
    const std::size_t lists = serial_ ? 0 : static_cast<std::size_t>(std::max(layer.replicas, 0));
    if (layer.placement.size() != lists) {
      report("E-MAP-PLACEMENT",
             serial_ ? fmt::format("layer {} is placed, but serial execution shares the PEs",
                                   quote(layer.name))
                     : fmt::format("not every replica of layer {} is placed", quote(layer.name)),
             path + ".placement",
             fmt::format("{} lists of runs", lists),
             std::to_string(layer.placement.size()));
    }
    if (!widths_ok) {
      return;
    }
    if (!known) {
      report("E-MAP-GROUP",
             fmt::format("layer {} is on tiles of a group that the chip does not have",
                         quote(layer.name)),
             path + ".group",
             group_choice(chip_),
             quote(layer.group));
      return;
    }
    const Model& model = *chip_.groups[group].pe;
    if (!layout.ok) {
      report("E-MAP-LAYOUT",
             fmt::format("layer {} cannot be laid out on PEs of kind {}",
                         quote(layer.name),
                         quote(model.kind())),
             path,
             "a matrix that this kind can hold",
             layout.why_not,
             other_groups(chip_, group, matrix));
      return;
    }
    for (std::size_t replica = 0; replica < layer.placement.size(); ++replica) {
      check_replica(layer, replica, static_cast<std::int64_t>(layout.fragments.size()));
    }
  }

  [[nodiscard]] std::string tiles_of(std::size_t group) const {
    const std::int64_t first = chip_.first_tile(group);
    return fmt::format("tiles {} to {}", first, first + chip_.groups[group].tiles - 1);
  }

  void check_replica(const LayerMapping& layer, std::size_t replica, std::int64_t fragments) {
    const std::string path = fmt::format("mapping.layers.{}.placement[{}]", layer.name, replica);
    const std::vector<PlacedRun>& runs = layer.placement[replica];
    std::int64_t placed = 0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      placed += runs[i].pes;
      check_run(layer, runs[i], fmt::format("{}[{}]", path, i));
    }
    if (placed != fragments) {
      report("E-MAP-FRAGMENTS",
             fmt::format(
                 "replica {} of layer {} has the wrong number of PEs", replica, quote(layer.name)),
             path,
             fmt::format("{} PEs, one per fragment", fragments),
             std::to_string(placed));
    }
  }

  void check_run(const LayerMapping& layer, const PlacedRun& run, const std::string& path) {
    if (!check_tile(run.tile, path + ".tile", layer.name)) {
      return;
    }
    const std::size_t group = chip_.group_of(run.tile);
    const arch::chip::TileGroup& tiles = chip_.groups[group];
    const std::int64_t pes = tiles.tile.pes;
    if (tiles.name != layer.group) {
      report("E-MAP-GROUP",
             fmt::format("layer {} is of group {}, but tile {} is not",
                         quote(layer.name),
                         quote(layer.group),
                         run.tile),
             path + ".tile",
             tiles_of(chip_.group_named(layer.group)),
             fmt::format("a tile of group {}", quote(tiles.name)),
             "a layer is on tiles of one group");
      return;
    }
    if (run.first_pe < 0 || run.pes < 1 || std::int64_t{run.first_pe} + run.pes > pes) {
      report(
          "E-MAP-PE",
          fmt::format("layer {} is on PEs that tile {} does not have", quote(layer.name), run.tile),
          path,
          fmt::format("at least one PE, within 0 to {}", pes - 1),
          fmt::format("{} from {}", run.pes, run.first_pe));
      return;
    }
    const std::int64_t base =
        first_pe_[group] + (run.tile - std::int64_t{chip_.first_tile(group)}) * pes;
    const std::int64_t first = base + run.first_pe;
    bool overlaps = false;
    for (std::int64_t pe = first; pe < first + run.pes; ++pe) {
      LayerId& user = user_of_[static_cast<std::size_t>(pe)];
      if (user >= 0 && !overlaps) {
        overlaps = true;  // one message per run
        report(
            "E-MAP-OVERLAP",
            fmt::format("PE {} of tile {} holds two fragments", pe - base, run.tile),
            path,
            "a free PE",
            fmt::format("layers {} and {}", quote(network_.layer(user).name), quote(layer.name)));
      }
      user = layer.layer;
    }
  }

  const Mapping& mapping_;
  const Network& network_;
  const arch::chip::Chip& chip_;
  bool serial_;
  Diagnostics& diagnostics_;
  std::vector<std::int64_t> first_pe_;  ///< [group] of all PEs of the chip
  std::vector<LayerId> user_of_;        ///< [PE of the chip], -1 when free
};

/// Groups for the layers of a file that names none.
void fill_in_groups(Mapping& mapping, const Network& network, const arch::chip::Chip& chip) {
  for (LayerMapping& layer : mapping.layers) {
    const bool known = layer.layer >= 0 && layer.layer <= network.output();
    if (!layer.group.empty() || !known || !network.layer(layer.layer).is_matrix()) {
      continue;
    }
    const bool placed = !layer.placement.empty() && !layer.placement.front().empty();
    const int tile = placed ? layer.placement.front().front().tile : -1;
    const std::size_t group =
        tile >= 0 && tile < chip.tiles()
            ? chip.group_of(tile)
            : group_for(chip, {}, matrix_op(network, layer.layer, layer.w_bits, layer.a_bits));
    layer.group = chip.groups[group].name;
  }
}

}  // namespace

void check(const Mapping& mapping,
           const Network& network,
           const arch::chip::Chip& chip,
           Granularity granularity,
           Diagnostics& diagnostics) {
  Checker(mapping, network, chip, granularity, diagnostics).run();
}

Mapping make_mapping(const Network& network,
                     const arch::chip::Chip& chip,
                     const MappingRequest& request,
                     Granularity granularity,
                     Diagnostics& diagnostics) {
  const bool placed =
      request.mapping &&
      (granularity == Granularity::serial ||
       std::any_of(request.mapping->layers.begin(),
                   request.mapping->layers.end(),
                   [](const LayerMapping& layer) { return !layer.placement.empty(); }));
  const std::size_t errors_before = diagnostics.errors().size();
  PlacementOptions options;
  options.method = request.placement;
  Mapping mapping =
      placed ? *request.mapping
             : optimise_placement(network, chip, request, granularity, options, diagnostics);
  if (diagnostics.errors().size() == errors_before) {
    if (placed) {
      fill_in_groups(mapping, network, chip);
    }
    check(mapping, network, chip, granularity, diagnostics);
  }
  return mapping;
}

Mapping renew_mapping(const Mapping& mapping,
                      const Network& network,
                      const arch::chip::Chip& chip,
                      const MappingRequest& request,
                      Granularity granularity,
                      Diagnostics& diagnostics) {
  Diagnostics problems;
  check(mapping, network, chip, granularity, problems);
  if (problems.ok()) {
    return mapping;
  }
  MappingRequest again = request;
  again.mapping.reset();
  again.layers.clear();
  for (const LayerMapping& layer : mapping.layers) {
    again.layers.push_back({layer.w_bits, layer.a_bits, layer.replicas, layer.group});
  }
  return make_mapping(network, chip, again, granularity, diagnostics);
}

}  // namespace tessera::mapper
