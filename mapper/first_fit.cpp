// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Next-fit over the PEs of the chip in their order; see first_fit.hpp.
#include "mapper/first_fit.hpp"

#include "sim/base/math.hpp"
#include "sim/base/text.hpp"
#include "workloads/quantize.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

namespace tessera::mapper {
namespace {

/// One matrix layer's demand.
struct Demand {
  LayerId layer = 0;
  std::int64_t pes = 0;  ///< per replica
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
                            const arch::chip::Chip& chip,
                            const std::vector<Demand>& demands) {
  const std::int64_t needed = total(demands);
  const std::int64_t missing = needed - chip.pes();
  std::string hint = std::to_string(ceil_div(needed, chip.spec.tile.pes)) + " tiles would do";

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
  if (fewest < needed && fewest <= chip.pes()) {
    return hint + ", or fewer replicas in several layers (one replica each needs " +
           std::to_string(fewest) + " PEs)";
  }
  int widest = 0;
  for (const Demand& demand : demands) {
    widest = std::max(widest, demand.want.w_bits);
  }
  for (int bits = widest - 1; bits >= 1; --bits) {
    const std::int64_t with = total_with_bits(network, *chip.pe, demands, bits);
    if (with >= 0 && with <= chip.pes()) {
      return hint + ", or w_bits of at most " + std::to_string(bits) + " in every layer (" +
             std::to_string(with) + " PEs)";
    }
  }
  return hint + "; fewer weight bits alone are not enough";
}

void report_capacity(const Network& network,
                     const arch::chip::Chip& chip,
                     const MappingRequest& request,
                     const std::vector<Demand>& demands,
                     Diagnostics& diagnostics) {
  std::int64_t before = 0;
  const auto first = std::find_if(demands.begin(), demands.end(), [&](const Demand& demand) {
    before += demand.total();
    return before > chip.pes();
  });
  const std::int64_t needed = total(demands);
  diagnostics.error({
      .code = "E-MAP-CAPACITY",
      .sentence = "the mapping does not fit the chip: layer " +
                  quote(network.layer(first->layer).name) + " is the first without room",
      .at = request.at,
      .path = request.path + ".layers." + network.layer(first->layer).name,
      .expected = "at most " + std::to_string(chip.pes()) + " PEs (" +
                  std::to_string(chip.spec.tiles) + " tiles of " +
                  std::to_string(chip.spec.tile.pes) + ")",
      .got = std::to_string(needed) + " PEs, " + std::to_string(needed - chip.pes()) +
             " too many; this layer needs " + std::to_string(first->total()) + ", " +
             std::to_string(chip.pes() - (before - first->total())) + " are left",
      .hint = smallest_change(network, chip, demands),
      .related = {},
  });
}

/// What is left of the tiles' buffers.
class Buffers {
 public:
  Buffers(const arch::chip::Chip& chip, const std::vector<Bits>& needs)
      : needs_(needs),
        capacity_(chip.spec.tile.buffer.capacity),
        used_(needs.empty() ? 0 : static_cast<std::size_t>(chip.spec.tiles)) {}

  /// Whether the layer's line buffers fit on all tiles of `runs`.
  [[nodiscard]] bool fit(LayerId layer, const std::vector<PlacedRun>& runs) const {
    return needs_.empty() || std::all_of(runs.begin(), runs.end(), [&](const PlacedRun& run) {
             const Tile& tile = used_[static_cast<std::size_t>(run.tile)];
             return tile.last == layer || tile.used + need(layer) <= capacity_;
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
      if (used_[candidate].used + need(layer) <= capacity_) {
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
  Bits capacity_;
  std::vector<Tile> used_;
};

/// The next free PE.
class Cursor {
 public:
  Cursor(std::int64_t tiles, std::int64_t pes) : pes_(pes), free_(tiles * pes) {}

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
      list.push_back({.tile = static_cast<int>(next / pes_),
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
          .activation_rows = static_cast<int>(network.layer(id).activation_table.size())};
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
    const LayerRequest& want = request.layers[m];
    const Layer& layer = network.layer(matrices[m]);
    const std::string path = request.path + ".layers." + layer.name;
    const Layout layout =
        chip.pe->layout(matrix_op(network, matrices[m], want.w_bits, want.a_bits));
    if (!layout.ok) {
      diagnostics.error({.code = "E-MAP-LAYOUT",
                         .sentence = "layer " + quote(layer.name) +
                                     " cannot be laid out on PEs of kind " +
                                     quote(chip.pe->kind()) + ": " + layout.why_not,
                         .at = request.at,
                         .path = path,
                         .expected = "a matrix that this kind can hold",
                         .got = std::to_string(want.w_bits) + "-bit weights, " +
                                std::to_string(want.a_bits) + "-bit inputs",
                         .hint = {},
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
    demands.push_back({.layer = matrices[m],
                       .pes = static_cast<std::int64_t>(layout.fragments.size()),
                       .want = want});
  }

  Mapping mapping{
      .network = network.name, .chip = chip.spec.name, .layers = {}, .vector_layers = {}};
  if (diagnostics.errors().size() != errors_before) {
    return mapping;
  }
  std::int64_t to_come = total(demands);
  if (!serial && to_come > chip.pes()) {
    report_capacity(network, chip, request, demands, diagnostics);
    return mapping;
  }

  std::vector<int> home(network.layers.size(), 0);
  Cursor cursor(chip.spec.tiles, chip.spec.tile.pes);
  Buffers buffers(chip, buffer_needs);
  for (const Demand& demand : demands) {
    LayerMapping layer{.layer = demand.layer,
                       .name = network.layer(demand.layer).name,
                       .w_bits = demand.want.w_bits,
                       .a_bits = demand.want.a_bits,
                       .replicas = demand.want.replicas,
                       .placement = {}};
    for (int replica = 0; !serial && replica < demand.want.replicas; ++replica) {
      layer.placement.push_back(cursor.place(demand.layer, demand.pes, to_come, buffers));
      to_come -= demand.pes;
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
