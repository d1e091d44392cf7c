// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Next-fit over the PEs of the chip in their order; see first_fit.hpp.
#include "mapper/first_fit.hpp"

#include "mapper/line_buffers.hpp"
#include "sim/base/math.hpp"
#include "sim/base/text.hpp"
#include "workloads/quantize.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>

namespace tessera::mapper {
namespace {

/// One matrix layer's demand.
struct Demand {
  LayerId layer = 0;
  std::size_t group = 0;  ///< of tiles
  std::int64_t pes = 0;   ///< per replica
  LayerRequest want;

  [[nodiscard]] std::int64_t total() const { return pes * want.replicas; }
};

std::int64_t total(const std::vector<Demand>& demands) {
  std::int64_t sum = 0;
  for (const Demand& demand : demands) {
    sum += demand.total();
  }
  return sum;
}

/// PEs that the network takes when no layer has more than `w_bits` weight bits; -1 when some layer
/// cannot be laid out.
std::int64_t total_with_bits(const Network& network,
                             const Model& model,
                             const std::vector<Demand>& demands,
                             int w_bits) {
  std::int64_t sum = 0;
  for (const Demand& demand : demands) {
    const int bits = std::min(demand.want.w_bits, w_bits);
    const Layout layout = model.layout(matrix_op(network, demand.layer, bits, demand.want.a_bits));
    if (!layout.ok) {
      return -1;
    }
    sum += static_cast<std::int64_t>(layout.fragments.size()) * demand.want.replicas;
  }
  return sum;
}

/// The least that would make `demands` fit, in words.
std::string smallest_change(const Network& network,
                            const arch::chip::TileGroup& group,
                            const std::vector<Demand>& demands) {
  const std::int64_t needed = total(demands);
  const std::int64_t missing = needed - group.pes();
  std::string hint = std::to_string(ceil_div(needed, group.tile.pes)) + " tiles would do";

  // One layer that can give up enough replicas, with the smallest loss of its speed.
  const Demand* giver = nullptr;
  std::int64_t given = 0;
  std::int64_t fewest = 0;
  for (const Demand& demand : demands) {
    fewest += demand.pes;
    const std::int64_t give = ceil_div(missing, demand.pes);
    if (give < demand.want.replicas &&
        (giver == nullptr || give * giver->want.replicas < given * demand.want.replicas)) {
      giver = &demand;
      given = give;
    }
  }
  if (giver != nullptr) {
    return hint + ", or replicas: " + std::to_string(giver->want.replicas - given) + " for " +
           quote(network.layer(giver->layer).name);
  }
  if (fewest < needed && fewest <= group.pes()) {
    return hint + ", or fewer replicas in several layers (one replica each needs " +
           std::to_string(fewest) + " PEs)";
  }
  int widest = 0;
  for (const Demand& demand : demands) {
    widest = std::max(widest, demand.want.w_bits);
  }
  for (int bits = widest - 1; bits >= 1; --bits) {
    const std::int64_t with = total_with_bits(network, *group.pe, demands, bits);
    if (with >= 0 && with <= group.pes()) {
      return hint + ", or w_bits of at most " + std::to_string(bits) + " in every layer (" +
             std::to_string(with) + " PEs)";
    }
  }
  return hint + "; fewer weight bits alone are not enough";
}

/// `demands` are those of one group.
void report_capacity(const Network& network,
                     const arch::chip::TileGroup& group,
                     const MappingRequest& request,
                     const std::vector<Demand>& demands,
                     Diagnostics& diagnostics) {
  std::int64_t before = 0;
  const auto first = std::find_if(demands.begin(), demands.end(), [&](const Demand& demand) {
    before += demand.total();
    return before > group.pes();
  });
  const std::int64_t needed = total(demands);
  const std::string where =
      group.name.empty() ? "the chip" : "the tiles of group " + quote(group.name);
  diagnostics.error({
      .code = "E-MAP-CAPACITY",
      .sentence = "the mapping does not fit " + where + ": layer " +
                  quote(network.layer(first->layer).name) + " is the first without room",
      .at = request.at,
      .path = request.path + ".layers." + network.layer(first->layer).name,
      .expected = "at most " + std::to_string(group.pes()) + " PEs (" +
                  std::to_string(group.tiles) + " tiles of " + std::to_string(group.tile.pes) + ")",
      .got = std::to_string(needed) + " PEs, " + std::to_string(needed - group.pes()) +
             " too many; this layer needs " + std::to_string(first->total()) + ", " +
             std::to_string(group.pes() - (before - first->total())) + " are left",
      .hint = smallest_change(network, group, demands),
      .related = {},
  });
}

/// What is left of the tiles' buffers.
class Buffers {
 public:
  Buffers(const arch::chip::Chip& chip, const std::vector<Bits>& needs)
      : needs_(needs),
        capacity_(needs.empty() ? std::vector<Bits>{} : buffer_capacities(chip)),
        used_(capacity_.size()) {}

  /// Whether the layer's line buffers fit on all tiles of `runs`.
  [[nodiscard]] bool fit(LayerId layer, const std::vector<PlacedRun>& runs) const {
    return needs_.empty() || std::all_of(runs.begin(), runs.end(), [&](const PlacedRun& run) {
             const auto at = static_cast<std::size_t>(run.tile);
             return used_[at].last == layer || used_[at].used + need(layer) <= capacity_[at];
           });
  }

  /// A further replica of the layer that was placed last shares its line buffer on a tile.
  void take(LayerId layer, const std::vector<PlacedRun>& runs) {
    if (needs_.empty()) {
      return;
    }
    for (const PlacedRun& run : runs) {
      Tile& tile = used_[static_cast<std::size_t>(run.tile)];
      if (tile.last != layer) {
        tile.used += need(layer);
        tile.last = layer;
      }
    }
  }

  /// The first tile from `tile` on, around the chip, that has room for the layer; `tile` when none
  /// has.
  [[nodiscard]] int find(LayerId layer, int tile) const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      const std::size_t candidate = (static_cast<std::size_t>(tile) + i) % used_.size();
      if (used_[candidate].used + need(layer) <= capacity_[candidate]) {
        return static_cast<int>(candidate);
      }
    }
    return tile;
  }

 private:
  struct Tile {
    Bits used{0};
    LayerId last = -1;
  };

  [[nodiscard]] Bits need(LayerId layer) const { return needs_[static_cast<std::size_t>(layer)]; }

  const std::vector<Bits>& needs_;
  std::vector<Bits> capacity_;  ///< [tile]
  std::vector<Tile> used_;      ///< [tile]
};

/// The next free PE of a group.
class Cursor {
 public:
  Cursor(const arch::chip::TileGroup& group, int first_tile)
      : first_tile_(first_tile), pes_(group.tile.pes), free_(group.pes()) {}

  /// Places `count` PEs of a layer when `to_come` more (these included) are still to be placed.
  std::vector<PlacedRun> place(LayerId layer,
                               std::int64_t count,
                               std::int64_t to_come,
                               Buffers& buffers) {
    const std::int64_t rest = pes_ - next_ % pes_;  // of the current tile
    const std::int64_t dense_span = count <= rest ? 1 : 1 + ceil_div(count - rest, pes_);
    const bool better_afresh =
        ceil_div(count, pes_) < dense_span || !buffers.fit(layer, runs(count));
    if (better_afresh && rest < pes_ && to_come <= free_ - rest) {
      skip(rest);
    }
    std::vector<PlacedRun> placed = runs(count);
    skip(count);
    buffers.take(layer, placed);
    return placed;
  }

 private:
  /// The next `count` PEs.
  [[nodiscard]] std::vector<PlacedRun> runs(std::int64_t count) const {
    std::vector<PlacedRun> list;
    for (std::int64_t next = next_; count > 0;) {
      const std::int64_t first = next % pes_;
      const std::int64_t here = std::min(count, pes_ - first);
      list.push_back({.tile = first_tile_ + static_cast<int>(next / pes_),
                      .first_pe = static_cast<int>(first),
                      .pes = static_cast<int>(here)});
      next += here;
      count -= here;
    }
    return list;
  }

  void skip(std::int64_t count) {
    next_ += count;
    free_ -= count;
  }

  int first_tile_;
  std::int64_t pes_;
  std::int64_t free_;
  std::int64_t next_ = 0;
};

}  // namespace

bool runs_in_vector_unit(const Layer& layer) {
  return !layer.is_matrix() && layer.kind != LayerKind::input && layer.kind != LayerKind::flatten &&
         layer.kind != LayerKind::slice;
}

std::vector<LayerId> vector_layers(const Network& network) {
  std::vector<LayerId> ids;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    if (runs_in_vector_unit(network.layers[i])) {
      ids.push_back(static_cast<LayerId>(i));
    }
  }
  return ids;
}

MatrixOp matrix_op(const Network& network, LayerId id, int w_bits, int a_bits) {
  const MatrixShape shape = matrix_shape(network, id);
  return {.rows = shape.rows,
          .cols = shape.cols,
          .groups = shape.groups,
          .w_bits = w_bits,
          .in_bits = a_bits,
          .in_signed = network.layer(id).in_signed,
          .w_codes = network.layer(id).w_codes,
          .in_codes = operand_codes(network, id),
          .layer = id,
          .activation_rows = static_cast<int>(network.layer(id).activation_table.size())};
}

std::vector<ProgramMatrix> program_matrices(const Network& network) {
  std::vector<ProgramMatrix> all;
  for (const LayerId id : matrix_layers(network)) {
    const Layer& layer = network.layer(id);
    const bool windowed = layer.kind == LayerKind::conv;
    all.push_back({matrix_op(network, id, layer.w_bits, layer.a_bits),
                   windowed ? layer.window.kernel_h * layer.window.kernel_w : 1,
                   layer.out.positions(),
                   !layer.has_dynamic_weights()});
  }
  return all;
}

std::size_t group_for(const arch::chip::Chip& chip,
                      const std::string& name,
                      const MatrixOp& matrix) {
  if (!name.empty()) {
    return chip.find_group(name);
  }
  for (std::size_t group = 0; group < chip.groups.size(); ++group) {
    if (chip.groups[group].pe->layout(matrix).ok) {
      return group;
    }
  }
  return 0;
}

std::string other_groups(const arch::chip::Chip& chip, std::size_t group, const MatrixOp& matrix) {
  std::string able;
  std::string unable;
  for (std::size_t other = 0; other < chip.groups.size(); ++other) {
    if (other == group) {
      continue;
    }
    const arch::chip::TileGroup& tiles = chip.groups[other];
    const Layout layout = tiles.pe->layout(matrix);
    const std::string name = quote(tiles.name) + " (" + tiles.pe->kind() + ")";
    if (layout.ok) {
      able += (able.empty() ? "" : ", ") + name;
    } else {
      unable += (unable.empty() ? "" : "; ") + name + ": " + layout.why_not;
    }
  }
  if (!able.empty()) {
    return "groups that can hold it: " + able;
  }
  return unable.empty()
             ? "tessera explain " + chip.groups[group].pe->kind() + " tells what limits a matrix"
             : "no other group can: " + unable;
}

std::string group_choice(const arch::chip::Chip& chip) {
  return chip.groups.front().name.empty() ? "no group: the tiles of this chip are all alike"
                                          : "one of: " + join_keys(chip.group_names());
}

LayerId producer_of(const Network& network, LayerId id) {
  while (network.layer(id).kind == LayerKind::flatten ||
         network.layer(id).kind == LayerKind::slice) {
    id = network.layer(id).inputs.front();
  }
  return id;
}

Mapping first_fit(const Network& network,
                  const arch::chip::Chip& chip,
                  const MappingRequest& request,
                  Granularity granularity,
                  Diagnostics& diagnostics,
                  const std::vector<Bits>& buffer_needs) {
  const std::vector<LayerId> matrices = matrix_layers(network);
  if (request.layers.size() != matrices.size()) {
    throw InternalError("mapper.first_fit", -1, "a request must have one entry per matrix layer");
  }
  const std::size_t errors_before = diagnostics.errors().size();
  const bool serial = granularity == Granularity::serial;

  std::vector<Demand> demands;
  for (std::size_t m = 0; m < matrices.size(); ++m) {
    LayerRequest want = request.layers[m];
    const Layer& layer = network.layer(matrices[m]);
    const std::string path = request.path + ".layers." + layer.name;
    const MatrixOp matrix = matrix_op(network, matrices[m], want.w_bits, want.a_bits);
    const std::size_t group = group_for(chip, want.group, matrix);
    if (group == chip.groups.size()) {
      diagnostics.error({.code = "E-MAP-GROUP",
                         .sentence = "layer " + quote(layer.name) +
                                     " is to go to tiles that the chip does not have",
                         .at = request.at,
                         .path = path + ".group",
                         .expected = group_choice(chip),
                         .got = quote(want.group),
                         .hint = {},
                         .related = {}});
      continue;
    }
    const Model& model = *chip.groups[group].pe;
    const Layout layout = model.layout(matrix);
    if (!layout.ok) {
      diagnostics.error({.code = "E-MAP-LAYOUT",
                         .sentence = "layer " + quote(layer.name) +
                                     " cannot be laid out on PEs of kind " + quote(model.kind()) +
                                     ": " + layout.why_not,
                         .at = request.at,
                         .path = path,
                         .expected = "a matrix that this kind can hold",
                         .got = std::to_string(want.w_bits) + "-bit weights, " +
                                std::to_string(want.a_bits) + "-bit inputs",
                         .hint = other_groups(chip, group, matrix),
                         .related = {}});
    }
    if (serial && want.replicas != 1) {
      diagnostics.error(
          {.code = "E-MAP-SERIAL-REPLICAS",
           .sentence = "layer " + quote(layer.name) +
                       " has replicas, but serial execution runs one operation after the other",
           .at = request.at,
           .path = path + ".replicas",
           .expected = "1",
           .got = std::to_string(want.replicas),
           .hint = "use granularity: layer or pixel",
           .related = {}});
    }
    if (layout.block > 1) {
      const Blocks blocks = Blocks::of(layer.out.positions(), layout.block);
      want.replicas = static_cast<int>(std::min<std::int64_t>(want.replicas, blocks.count()));
    }
    demands.push_back({.layer = matrices[m],
                       .group = group,
                       .pes = static_cast<std::int64_t>(layout.fragments.size()),
                       .want = want});
  }

  Mapping mapping{
      .network = network.name, .chip = chip.spec.name, .layers = {}, .vector_layers = {}};
  if (diagnostics.errors().size() != errors_before) {
    return mapping;
  }
  std::vector<std::int64_t> to_come;  // [group]
  std::vector<Cursor> cursors;        // [group]
  for (std::size_t group = 0; group < chip.groups.size(); ++group) {
    std::vector<Demand> of_group;
    std::copy_if(
        demands.begin(), demands.end(), std::back_inserter(of_group), [&](const Demand& demand) {
          return demand.group == group;
        });
    to_come.push_back(total(of_group));
    cursors.emplace_back(chip.groups[group], chip.first_tile(group));
    if (!serial && to_come.back() > chip.groups[group].pes()) {
      report_capacity(network, chip.groups[group], request, of_group, diagnostics);
    }
  }
  if (diagnostics.errors().size() != errors_before) {
    return mapping;
  }

  std::vector<int> home(network.layers.size(), 0);
  Buffers buffers(chip, buffer_needs);
  for (const Demand& demand : demands) {
    LayerMapping layer{.layer = demand.layer,
                       .name = network.layer(demand.layer).name,
                       .w_bits = demand.want.w_bits,
                       .a_bits = demand.want.a_bits,
                       .replicas = demand.want.replicas,
                       .placement = {},
                       .group = chip.groups[demand.group].name};
    for (int replica = 0; !serial && replica < demand.want.replicas; ++replica) {
      layer.placement.push_back(
          cursors[demand.group].place(demand.layer, demand.pes, to_come[demand.group], buffers));
      to_come[demand.group] -= demand.pes;
    }
    if (!layer.placement.empty()) {
      home[static_cast<std::size_t>(demand.layer)] = layer.placement.front().front().tile;
    }
    mapping.layers.push_back(std::move(layer));
  }
  for (const LayerId id : vector_layers(network)) {
    const Layer& layer = network.layer(id);
    const LayerId producer = producer_of(network, layer.inputs.front());
    int& tile = home[static_cast<std::size_t>(id)];
    tile = home[static_cast<std::size_t>(producer)];
    if (!buffer_needs.empty()) {
      tile = buffers.find(id, tile);
      buffers.take(id, {{.tile = tile, .first_pe = 0, .pes = 0}});
    }
    mapping.vector_layers.push_back({.layer = id, .name = layer.name, .tile = tile});
  }
  return mapping;
}

}  // namespace tessera::mapper
