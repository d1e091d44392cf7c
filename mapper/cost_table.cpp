// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/cost_table.hpp"

#include "arch/chip/prices.hpp"
#include "arch/tile/vector_unit.hpp"
#include "mapper/analytical.hpp"
#include "mapper/first_fit.hpp"
#include "mapper/line_buffers.hpp"
#include "sim/api/blocks.hpp"
#include "sim/base/math.hpp"
#include "workloads/quantize.hpp"
#include "workloads/receptive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

std::vector<int> widths(int low, int high, int step) {
  std::vector<int> out;
  for (int bits = ceil_div(low, step) * step; bits <= high; bits += step) {
    out.push_back(bits);
  }
  return out;
}

/// Joules of what PEs did.
double pe_energy(const Model& model, const ActionCounts& did) {
  double joules = 0;
  for (std::size_t a = 0; a < model.actions().size(); ++a) {
    joules += static_cast<double>(did[a]) * model.actions()[a].energy.value;
  }
  return joules;
}

/// Joules of one firing of every PE of a replica.
double pe_energy(const Model& model, const MatrixOp& matrix) {
  const Layout layout = model.layout(matrix);
  std::map<Op, std::int64_t> count;
  for (const Fragment& fragment : layout.fragments) {
    ++count[model.op(OpCode::mvm, matrix, fragment)];
  }
  double joules = 0;
  for (const auto& [op, times] : count) {
    joules += static_cast<double>(times) * pe_energy(model, model.fire_cost(op).did);
  }
  return joules;
}

/// What one operand of a layer takes in line buffers. Positions are blocks where the producer works
/// on blocks.
struct Operand {
  Blocks raster;  ///< of the tensor, reshapes seen through
  std::int64_t channels = 0;
  std::int64_t slots = 0;  ///< of the smallest line buffer, positions that are needed
  int given_bits = 0;      ///< of a value, when the network's input sets them; else 0
};

/// Pairs of widths that a matrix layer may have, weights first.
std::vector<LayerBits> allowed_bits(const WidthRules& rules, bool first_or_last) {
  if (first_or_last && rules.first_last) {
    return {{*rules.first_last, *rules.first_last}};
  }
  std::vector<LayerBits> out;
  for (const int w_bits : widths(rules.w_min, rules.w_max, rules.w_step)) {
    for (const int a_bits : widths(rules.a_min, rules.a_max, 1)) {
      out.push_back({w_bits, a_bits});
    }
  }
  return out;
}

/// How the output positions of every layer are shared by firings, for the first widths that PEs can
/// hold; `allowed` as in Maker.
std::vector<Blocks> rasters_of(const Network& network,
                               const arch::chip::TileGroup& tiles,
                               const std::vector<std::vector<LayerBits>>& allowed) {
  std::vector<Blocks> rasters;
  std::size_t matrix = 0;
  for (const Layer& layer : network.layers) {
    const auto id = static_cast<LayerId>(rasters.size());
    int block = runs_in_vector_unit(layer) ? tiles.vector_block(id) : 1;
    if (layer.is_matrix()) {
      for (const LayerBits& bits : allowed[matrix++]) {
        const Layout layout = tiles.pe->layout(matrix_op(network, id, bits.w_bits, bits.a_bits));
        if (layout.ok) {
          block = layout.block;
          break;
        }
      }
    }
    rasters.push_back(Blocks::of(layer.out.positions(), block));
  }
  return rasters;
}

Operand operand_of(const Network& network,
                   const std::vector<Blocks>& rasters,
                   LayerId id,
                   std::size_t index,
                   Granularity granularity) {
  const Layer& layer = network.layer(id);
  LayerId producer = layer.inputs[index];
  while (network.layer(producer).kind == LayerKind::flatten) {
    producer = network.layer(producer).inputs.front();
  }
  const Shape& tensor = network.layer(producer).out;
  const bool given = network.layer(producer).kind == LayerKind::input;
  const Blocks from = rasters[static_cast<std::size_t>(producer)];
  const Blocks to = rasters[static_cast<std::size_t>(id)];
  Operand out{from, tensor.channels, from.count(), given ? network.layer(producer).out_bits : 0};
  const bool whole = tensor.positions() != network.in_shape(id, index).positions() ||
                     layer.kind == LayerKind::fc || (layer.kind == LayerKind::matmul && index == 1);
  if (whole) {
    return out;
  }
  const ReceptiveField field(network, id, index);
  ProgramPort port;
  port.needed.resize(static_cast<std::size_t>(from.count()));
  std::int64_t kept = from.count();  // the first that this firing or a later one needs
  std::int64_t window = 1;
  for (std::int64_t block = to.count(); block-- > 0;) {
    std::int64_t last = -1;
    for (std::int64_t p = to.begin(block); p < to.end(block); ++p) {
      field.for_each(
          p, [&](std::int64_t q) { port.needed[static_cast<std::size_t>(from.at(q))] = true; });
      if (field.last_needed(p) >= field.first_needed(p)) {  // else only padding
        kept = std::min(kept, from.at(field.first_needed(p)));
        last = std::max(last, from.at(field.last_needed(p)));
      }
    }
    window = std::max(window, last < 0 ? 0 : last - kept + 1);
  }
  out.slots =
      slots_used(port, from.count(), granularity == Granularity::pixel ? window : from.count());
  return out;
}

class Maker {
 public:
  Maker(const Network& n, const arch::chip::Chip& c, Granularity g, CostModel m)
      : network_(n),
        chip_(c),
        tiles_(c.groups.front()),
        model_(m),
        analyzer_(n, c, g),
        granularity_(g) {
    const report::PriceList prices = arch::chip::prices(chip_);
    const report::TilePrices& tile = prices.groups.front();
    bus_ = tile.bus_bit.value;
    read_ = tile.buffer_read_bit.value;
    write_ = tile.buffer_write_bit.value;
    vector_ = tile.vector_op.value;
    for (const report::Component& component : prices.components) {
      leakage_ += component.leakage.value * static_cast<double>(component.instances);
    }
  }

  Problem make(const WidthRules& rules, Diagnostics& diagnostics) {
    Problem problem;
    problem.network = network_.name;
    problem.chip = chip_.spec.name;
    problem.pes = chip_.pes();
    problem.whole_rounds = model_ == CostModel::pipeline;
    problem.serial = granularity_ == Granularity::serial;
    problem.static_power = leakage_ * chip_.clock.seconds(Cycles(1)).value;
    const std::vector<LayerId> matrices = matrix_layers(network_);
    for (std::size_t l = 0; l < matrices.size(); ++l) {
      allowed_.push_back(allowed_bits(rules, l == 0 || l + 1 == matrices.size()));
    }
    const std::vector<Blocks> rasters = rasters_of(network_, tiles_, allowed_);
    std::set<std::pair<int, int>> all;
    for (std::size_t l = 0; l < matrices.size(); ++l) {
      ProblemLayer layer;
      layer.layer = matrices[l];
      layer.name = network_.layer(matrices[l]).name;
      const Blocks raster = rasters[static_cast<std::size_t>(matrices[l])];
      layer.positions = raster.count();
      layer.max_replicas = granularity_ == Granularity::serial ? 1 : layer.positions;
      problem.layers.push_back(std::move(layer));
      operands_.emplace_back();
      if (granularity_ != Granularity::serial) {
        for (std::size_t i = 0; i < network_.layer(matrices[l]).inputs.size(); ++i) {
          operands_.back().push_back(operand_of(network_, rasters, matrices[l], i, granularity_));
        }
      }
      for (const LayerBits& bits : allowed_[l]) {
        all.insert({bits.w_bits, bits.a_bits});
      }
    }
    // Widths outside: programs of a layer may be made from the whole network with them.
    std::vector<std::string> why_not(matrices.size());
    for (const auto& [w_bits, a_bits] : all) {
      const LayerBits bits{w_bits, a_bits};
      for (std::size_t l = 0; l < matrices.size(); ++l) {
        if (std::find(allowed_[l].begin(), allowed_[l].end(), bits) != allowed_[l].end()) {
          add_choice(l,
                     rasters[static_cast<std::size_t>(matrices[l])],
                     bits,
                     problem.layers[l],
                     why_not[l]);
        }
      }
    }
    for (std::size_t l = 0; l < matrices.size(); ++l) {
      if (problem.layers[l].choices.empty()) {
        refuse(problem.layers[l], why_not[l], diagnostics);
      }
    }
    if (diagnostics.ok()) {
      add_constants(problem);
    }
    return problem;
  }

 private:
  void add_choice(std::size_t index,
                  const Blocks& raster,
                  LayerBits bits,
                  ProblemLayer& layer,
                  std::string& why_not) {
    const auto [w_bits, a_bits] = bits;
    Choice choice;
    choice.w_bits = w_bits;
    choice.a_bits = a_bits;
    const MatrixOp matrix = matrix_op(network_, layer.layer, w_bits, a_bits);
    const auto positions = static_cast<double>(layer.positions);
    if (const Layout layout = tiles_.pe->layout(matrix); !layout.ok) {
      why_not = layout.why_not;
      return;
    }
    if (granularity_ == Granularity::serial) {
      const std::optional<LayerAnalysis> serial = serial_layer(index, bits);
      if (!serial) {
        why_not = "beside it, another layer fits at no allowed widths";
        return;
      }
      const LayerAnalysis& one = *serial;
      choice.pes = one.pes;
      choice.per_position = static_cast<double>(one.total.value) / positions;
      choice.energy = positions * pe_energy(*tiles_.pe, matrix);
      layer.choices.push_back(choice);
      return;
    }
    const std::optional<LayerAlone> alone = analyzer_.alone(index, w_bits, a_bits);
    if (!alone) {
      return;
    }
    const LayerAnalysis& one = alone->analysis;
    const auto [fixed, per_position] = time_of(*alone);
    choice.pes = one.pes;
    choice.fixed = fixed;
    choice.per_position = per_position;
    const Layer& of = network_.layer(layer.layer);
    const auto in = static_cast<double>(alone->in_bits);
    const auto result = static_cast<double>(alone->result_bits);
    const auto out = static_cast<double>(raster.size * of.out.channels) * a_bits;
    choice.energy = positions * (pe_energy(*tiles_.pe, matrix) + (in + result) * bus_ + in * read_ +
                                 out * write_ + static_cast<double>(alone->vector_ops) * vector_ +
                                 pe_energy(*tiles_.pe, alone->vector_did));
    choice.uses[static_cast<std::size_t>(Limit::buffer)] =
        buffer_bits(of, operands_[index], matrix, bits);
    // Lanes; while programs take their place, all of the unit.
    const arch::tile::VectorUnitSpec& unit = tiles_.tile.vector_unit;
    const double vector_use = static_cast<double>(
        unit.pes > 0 ? alone->vector_cycles.value * std::max<std::int64_t>(1, unit.lanes)
                     : alone->vector_ops);
    choice.uses[static_cast<std::size_t>(Limit::vector_unit)] =
        per_position > 0 ? vector_use / per_position : 0;
    layer.choices.push_back(choice);
  }

  /// Of one replica on tiles of its own.
  [[nodiscard]] double buffer_bits(const Layer& layer,
                                   const std::vector<Operand>& operands,
                                   const MatrixOp& matrix,
                                   LayerBits widths) const {
    const Layout layout = tiles_.pe->layout(matrix);
    const auto fragments = static_cast<std::int64_t>(layout.fragments.size());
    double bits = 0;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const Operand& operand = operands[i];
      const int width = i == 0 ? widths.a_bits : widths.w_bits;
      const std::int64_t slot = operand.raster.size * operand.channels *
                                (operand.given_bits > 0 ? operand.given_bits : width);
      for (std::int64_t first = 0; first < fragments; first += tiles_.tile.pes) {
        const std::int64_t last = std::min(fragments, first + tiles_.tile.pes);
        const std::int64_t slots = layer.kind == LayerKind::fc
                                       ? positions_of_rows(layout, first, last, operand)
                                       : operand.slots;
        bits += static_cast<double>(slots * slot);
      }
    }
    return bits;
  }

  /// The positions that the rows of these fragments of a fully connected layer read.
  static std::int64_t positions_of_rows(const Layout& layout,
                                        std::int64_t first,
                                        std::int64_t last,
                                        const Operand& operand) {
    const Blocks& raster = operand.raster;
    std::vector<bool> read(static_cast<std::size_t>(raster.count()));
    for (std::int64_t f = first; f < last; ++f) {
      const Fragment& fragment = layout.fragments[static_cast<std::size_t>(f)];
      const std::int64_t end = ceil_div(fragment.row + fragment.rows, operand.channels);
      for (std::int64_t q = fragment.row / operand.channels; q < std::min(end, raster.positions);
           ++q) {
        read[static_cast<std::size_t>(raster.at(q))] = true;
      }
    }
    return std::count(read.begin(), read.end(), true);
  }

  [[nodiscard]] std::pair<double, double> time_of(const LayerAlone& alone) const {
    const LayerAnalysis& one = alone.analysis;
    switch (model_) {
      case CostModel::array:
        return {0, static_cast<double>(alone.array_interval.value)};
      case CostModel::sum:
        return {static_cast<double>(one.weights.value),
                static_cast<double>((one.input + one.array + one.output + one.vector).value)};
      case CostModel::max:
        return {
            static_cast<double>(one.weights.value),
            static_cast<double>(std::max({one.input, one.array, one.output, one.vector}).value)};
      case CostModel::pipeline:
      case CostModel::serial:
        break;
    }
    return {static_cast<double>(
                (one.weights + one.latency_per_position - one.interval_per_position).value),
            static_cast<double>(one.interval_per_position.value)};
  }

  /// Of the network with these widths wherever PEs can hold them, else with others: what precedes a
  /// layer does not change its part. Nothing when some layer fits with none.
  std::optional<LayerAnalysis> serial_layer(std::size_t index, LayerBits bits) {
    auto [found, fresh] = serial_.try_emplace({bits.w_bits, bits.a_bits});
    std::vector<LayerAnalysis>& layers = found->second;
    if (fresh) {
      if (const std::optional<Mapping> mapping = near_uniform(bits)) {
        for (const LayerAnalysis& layer : analyzer_.analyze(*mapping).layers) {
          if (network_.layer(layer.layer).is_matrix()) {
            layers.push_back(layer);
          }
        }
      }
    }
    return layers.empty() ? std::nullopt : std::optional(layers[index]);
  }

  [[nodiscard]] std::optional<Mapping> near_uniform(LayerBits bits) const {
    Mapping mapping;
    for (const LayerId id : matrix_layers(network_)) {
      std::vector<LayerBits> tries{bits};
      const std::vector<LayerBits>& allowed = allowed_[mapping.layers.size()];
      tries.insert(tries.end(), allowed.begin(), allowed.end());
      const auto fits = std::find_if(tries.begin(), tries.end(), [&](const LayerBits& b) {
        return tiles_.pe->layout(matrix_op(network_, id, b.w_bits, b.a_bits)).ok;
      });
      if (fits == tries.end()) {
        return std::nullopt;
      }
      mapping.layers.push_back({id, network_.layer(id).name, fits->w_bits, fits->a_bits, 1, {}});
    }
    for (const LayerId id : vector_layers(network_)) {
      mapping.vector_layers.push_back({id, network_.layer(id).name, 0});
    }
    return mapping;
  }

  /// What the vector units and the ports do, whatever is chosen.
  void add_constants(Problem& problem) const {
    if (model_ == CostModel::array) {
      return;
    }
    const arch::tile::VectorUnitSpec& unit = tiles_.tile.vector_unit;
    const auto latency = chip_.clock.ceil_cycles(unit.latency) +
                         chip_.clock.ceil_cycles(tiles_.tile.buffer.read_latency);
    for (const LayerId id : vector_layers(network_)) {
      const Layer& layer = network_.layer(id);
      VectorWork work;
      work.layer = id;
      const VectorCost job = vector_cost(tiles_, arch::tile::layer_ops(layer, unit), work);
      const auto positions =
          static_cast<double>(Blocks::of(layer.out.positions(), tiles_.vector_block(id)).count());
      const auto cycles = static_cast<double>(job.cycles.value);
      const bool each = model_ == CostModel::sum || granularity_ == Granularity::serial;
      problem.fixed_latency +=
          positions * cycles + static_cast<double>(latency.value) * (each ? positions : 1);
      problem.fixed_interval = std::max(problem.fixed_interval, positions * cycles);
      problem.fixed_energy +=
          positions * (static_cast<double>(job.ops) * vector_ + pe_energy(*tiles_.pe, job.did));
    }
    if (problem.serial) {
      problem.fixed_interval = 0;
      return;
    }
    const auto port = [&](const Layer& layer) {
      const std::int64_t bits = std::int64_t{layer.out.channels} * layer.message_bits();
      const std::int64_t width = chip_.spec.io.width;
      return width == 0 ? 0.0
                        : static_cast<double>(
                              ceil_div(bits * layer.out.positions(), width * chip_.spec.io.ports));
    };
    problem.fixed_interval = std::max(
        {problem.fixed_interval, port(network_.layers.front()), port(network_.layers.back())});
  }

  void refuse(const ProblemLayer& layer, const std::string& why_not, Diagnostics& diagnostics) {
    Diagnostic d;
    d.path = "search.bits";
    d.got = "layer " + layer.name;
    if (why_not.empty()) {
      d.code = "E-MAP-CAPACITY";
      d.sentence = fmt::format(
          "layer {} alone needs more PEs than the chip has at any allowed width", layer.name);
      d.expected = fmt::format("at most {} PEs", chip_.pes());
      d.hint = "allow fewer weight bits or give the chip more tiles";
    } else {
      d.code = "E-MAP-LAYOUT";
      d.sentence = fmt::format(
          "layer {} fits the PEs at none of the allowed widths: {}", layer.name, why_not);
      d.expected = "a width that the PEs can hold";
      d.hint = fmt::format("tessera explain {} tells what limits a matrix", tiles_.pe->kind());
    }
    diagnostics.error(std::move(d));
  }

  const Network& network_;
  const arch::chip::Chip& chip_;
  const arch::chip::TileGroup& tiles_;  ///< all of them
  CostModel model_;
  Analyzer analyzer_;
  Granularity granularity_;
  double bus_ = 0, read_ = 0, write_ = 0, vector_ = 0;  ///< joules
  double leakage_ = 0;                                  ///< watts
  std::map<std::pair<int, int>, std::vector<LayerAnalysis>> serial_;
  std::vector<std::vector<LayerBits>> allowed_;  ///< [matrix layer]
  std::vector<std::vector<Operand>> operands_;   ///< [matrix layer]
};

}  // namespace

CostModel natural_cost_model(Granularity granularity) {
  return granularity == Granularity::serial ? CostModel::serial : CostModel::pipeline;
}

Problem make_problem(const Network& network,
                     const arch::chip::Chip& chip,
                     Granularity granularity,
                     CostModel cost_model,
                     const WidthRules& rules,
                     Diagnostics& diagnostics) {
  if (chip.mixed()) {
    throw InternalError("mapper.cost_table", -1, "PEs of several sorts are not added up");
  }
  return Maker(network, chip, granularity, cost_model).make(rules, diagnostics);
}

double capacity_of(const arch::chip::Chip& chip, Limit limit) {
  constexpr double kUnbounded = std::numeric_limits<double>::infinity();
  double sum = 0;
  for (const arch::chip::TileGroup& group : chip.groups) {
    const arch::tile::TileSpec& tile = group.tile;
    const auto tiles = static_cast<double>(group.tiles);
    switch (limit) {
      case Limit::buffer:
        if (tile.buffer.unbounded) {
          return kUnbounded;
        }
        sum += tiles * static_cast<double>(tile.buffer.capacity.value);
        break;
      case Limit::vector_unit: {
        // Programs take all of a unit, also of one that needs no lane.
        const std::int64_t lanes =
            std::max<std::int64_t>(tile.vector_unit.lanes, tile.vector_unit.pes > 0 ? 1 : 0);
        if (lanes == 0) {
          return kUnbounded;
        }
        sum += tiles * static_cast<double>(lanes);
        break;
      }
    }
  }
  return sum;
}

std::string cost_table_csv(const Problem& problem, const Clock& clock) {
  std::string out = "layer,w_bits,a_bits,cycles,seconds,joules,pes\n";
  for (const ProblemLayer& layer : problem.layers) {
    for (const Choice& choice : layer.choices) {
      const double cycles = choice.fixed + choice.per_position * problem.rounds(layer, 1);
      fmt::format_to(std::back_inserter(out),
                     "{},{},{},{:.12g},{:.12g},{:.12g},{}\n",
                     layer.name,
                     choice.w_bits,
                     choice.a_bits,
                     cycles,
                     cycles * clock.seconds(Cycles(1)).value,
                     choice.energy,
                     choice.pes);
    }
  }
  return out;
}

}  // namespace tessera::mapper
