// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Structure: the constructor works out what depends on network and chip alone: the stages, and
/// which of their positions the last position of the output depends on (a Graph). A mapping then
/// gives every stage a Pace and every edge a transfer time, and one pass over the Graph gives the
/// latency. The same pass with minima instead of estimates gives the lower bound.
///
/// Why the pass over the bound's Graph is a lower bound. Let B(s, q) be a time before which no
/// position p >= q of an image leaves stage s, counted from the image's first bit in. Choose any p0
/// <= q. A position p >= q has at least k = floor((q - p0) / replicas) predecessors p' >= p0 on its
/// own replica (replicas take positions by turns, in order), and the first of them waits for a
/// position of each operand that is not below m(p0) = min over p' >= p0 of the last position of the
/// operand in the field of p'. So
///   B(s, q) = max over p0, operands of  B(producer, m(p0)) + transfer + lag(k) + latency
/// where lag(k) is the least time between the start of a part's firing and that of its k-th
/// successor: k times the longest of PE interval, bus transfer and vector work of one firing (each
/// is one at a time); or floor(k / registers) times the time until a result is taken, as the firing
/// `registers` before must have been taken. When the replica spans tiles, some part waits for the
/// position in question and does all later firings too, so the minimum over parts of lag and
/// latency is safe. A transfer takes at least the one-flit latency of the nearest pair of tiles
/// plus the cycles in which the other flits follow on the source's link, one cycle until the
/// receiver sees it, and the buffer's write latency. Contention, full line buffers, credits and the
/// writing of weights only add to that.
///
/// Why the interval bound is one: a PE, bus, vector unit, I/O channel and injection link does one
/// thing at a time, and what an image occupies it for does not depend on when. So N images occupy
/// it for N times that long. A whole run, and an image alone, may undercut this by what its result
/// does not wait for (the slack): positions that strides leave out, and the part of a PE's interval
/// that comes after its result.
///
/// Where a firing's time depends on its data, the bounds take Model::least_cost and the estimate
/// Model::fire_cost. Firings of a PE then start more or less early, but a resource still does one
/// after the other, so that the k-th successor ends at least k times its least hold later.
///
/// Blocks: where a firing computes several positions (Layout::block), the positions of a stage are
/// its blocks, from the graphs to the occupations. Widths may change the sizes of blocks; then the
/// stages are worked out anew.
///
/// Serial: parts take turns, and a part has one firing in progress. So one image takes at least the
/// sum over parts of firings times the time until a firing's result is taken.
#include "mapper/analytical.hpp"

#include "arch/tile/vector_unit.hpp"
#include "mapper/first_fit.hpp"
#include "sim/base/math.hpp"
#include "workloads/receptive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr std::int64_t kUnknown = INT64_MIN / 4;  ///< nothing is known: before everything
constexpr int kMaxPairs = 64;  ///< of tiles whose distance the bound looks at; beyond: any

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Cycles of `bits` over something `width` bits wide; 0 is unlimited.
std::int64_t over(std::int64_t bits, std::int64_t width) {
  return width == 0 ? 0 : ceil_div(bits, width);
}

std::int64_t narrower(std::int64_t a, std::int64_t b) {
  return a == 0 ? b : b == 0 ? a : std::min(a, b);
}

// ---- what depends on the network ----------------------------------------------------------------

enum class Role { source, matrix, vector, sink };

struct Edge {
  int from = 0;
  int to = 0;
  bool weights = false;  ///< the dynamic operand of a matmul
};

struct Stage {
  Role role = Role::vector;
  LayerId layer = -1;
  std::int64_t positions = 1;  ///< raster.count()
  Blocks raster;
  std::int64_t row = 1;  ///< positions of one row of the raster, about
  std::int64_t out_bits = 0;
  std::vector<std::int64_t>
      vector;  ///< [group of tiles] cycles of a vector layer, or of the channel of the sink
  std::vector<std::int64_t> final_ops;  ///< [group] matrix layers
  std::int64_t burst = 1;    ///< source: small positions that share a packet travel together
  std::int64_t width = 0;    ///< source: bits per cycle of a port
  int entry = -1;            ///< in Mapping::layers or vector_layers; -1: not named there
  std::vector<bool> needed;  ///< positions on which the output depends; a stride may leave some out
  std::vector<int> edges;    ///< into it

  /// Cycles in which a port of the source takes in `count` positions of an image.
  [[nodiscard]] std::int64_t taking_in(std::int64_t count) const {
    return count / burst * over(burst * out_bits, width) + over(count % burst * out_bits, width);
  }

  /// The least, however they are bundled.
  [[nodiscard]] std::int64_t least_taking_in(std::int64_t count) const {
    return over(count * out_bits, width);
  }
};

/// Which position of an operand a position waits for: need[p] of p and of all that matter with it.
/// Never falls.
using Need = std::vector<std::int32_t>;

/// The positions on which the last position of the output depends, stage by stage.
struct Graph {
  struct Term {
    int edge = 0;
    int child = 0;          ///< node of the operand's position
    std::int64_t lag = 0;   ///< positions from the one that waits for it to the node's own
    bool last_row = false;  ///< holds only while a row of positions has one of every replica
  };

  struct Node {
    int stage = 0;
    std::int64_t position = 0;
    int begin = 0, end = 0;  ///< terms
  };

  std::vector<Term> terms;
  std::vector<Node> nodes;  ///< by stage, and rising in a stage; the last one is the answer
};

/// How a Graph is drawn. It knows the positions of a stage by row, which keeps it small; the last
/// one is known exactly.
struct Drawing {
  std::vector<Need> needs;             ///< [edge]
  std::vector<std::int64_t> last_row;  ///< [edge] what every replica's last row needs, or -1
  std::vector<std::int64_t> width;     ///< [stage] positions of a row
  bool nearest = false;  ///< to the nearest row, instead of down to its first position
};

Graph draw(const std::vector<Stage>& stages,
           const std::vector<Edge>& edges,
           const Drawing& drawing) {
  struct Want {
    int edge;
    std::int64_t operand;
    std::int64_t lag;
    bool last_row;
  };

  std::vector<std::set<std::int64_t>> positions(stages.size());
  positions.back().insert(stages.back().positions - 1);
  std::vector<std::map<std::int64_t, std::vector<Want>>> wants(stages.size());
  for (std::size_t s = stages.size(); s-- > 0;) {
    if (drawing.nearest) {  // an estimate also says when a layer begins and ends
      positions[s].insert({0, stages[s].positions - 1});
    }
    for (const std::int64_t q : positions[s]) {
      std::vector<Want>& list = wants[s][q];
      const auto want = [&](int e, std::int64_t operand, std::int64_t lag, bool last_row) {
        const int from = edges[ix(e)].from;
        const std::int64_t last = stages[ix(from)].positions - 1;
        const std::int64_t width = drawing.width[ix(from)];
        const std::int64_t up = drawing.nearest ? width / 2 : 0;
        const std::int64_t by_row =
            operand == last ? last : std::min(last, (operand + up) / width * width);
        list.push_back({e, by_row, lag, last_row});
        positions[ix(from)].insert(by_row);
      };
      for (const int e : stages[s].edges) {
        const Need& need = drawing.needs[ix(e)];
        // Where the wait for the same row, or for the row before, began.
        const auto start_of = [&](std::int64_t least) {
          return std::lower_bound(need.begin(), need.begin() + q, least) - need.begin();
        };
        const std::int64_t row = drawing.width[ix(edges[ix(e)].from)];
        const std::set<std::int64_t> starts{
            0, start_of(need[ix(q)]), start_of(need[ix(q)] - row), q};
        for (const std::int64_t p0 : starts) {
          if (need[ix(p0)] >= 0) {
            want(e, need[ix(p0)], q - p0, false);
          }
        }
        if (drawing.last_row[ix(e)] >= 0) {
          want(e, drawing.last_row[ix(e)], q, true);
        }
      }
    }
  }
  Graph graph;
  std::vector<std::map<std::int64_t, int>> node_of(stages.size());
  for (std::size_t s = 0; s < stages.size(); ++s) {
    for (const std::int64_t q : positions[s]) {
      Graph::Node node{static_cast<int>(s), q, static_cast<int>(graph.terms.size()), 0};
      for (const Want& one : wants[s][q]) {
        const int child = node_of[ix(edges[ix(one.edge)].from)].at(one.operand);
        graph.terms.push_back({one.edge, child, one.lag, one.last_row});
      }
      node.end = static_cast<int>(graph.terms.size());
      node_of[s][q] = static_cast<int>(graph.nodes.size());
      graph.nodes.push_back(node);
    }
  }
  return graph;
}

// ---- what depends on a layer's widths -----------------------------------------------------------

/// A matrix cut for the chip's PEs, and what each piece costs.
struct Table {
  struct Piece {
    int row = 0;  ///< number of its row block
    int col = 0;  ///< number of its column block
    std::int64_t first_output = 0;
    std::int64_t outputs = 0;
    std::int64_t in_bits = 0;
    std::int64_t elements = 0;
    std::int64_t latency = 0;
    std::int64_t interval = 0;
    std::int64_t least_latency = 0;  ///< of all data
    std::int64_t least_interval = 0;
    std::int64_t write_bits = 0;
    std::int64_t write = 0;
  };

  std::vector<Piece> pieces;
  int columns = 0;  ///< different column blocks
  int rows = 0;     ///< different row blocks
  int out_bits = 0;
  int acc_bits = 0;
  int block = 1;
  bool ends_sums = false;
  std::int64_t outputs = 0;  ///< of all groups

  /// Additions of a vector unit that takes in so many results of PEs.
  [[nodiscard]] std::int64_t adding(std::int64_t results) const {
    return ends_sums ? 0 : arch::tile::accumulate_ops(results);
  }
};

Table cut(const Network& network, const Model& model, LayerId id, int w_bits, int a_bits) {
  const MatrixOp matrix = matrix_op(network, id, w_bits, a_bits);
  const Layout layout = model.layout(matrix);
  if (!layout.ok) {
    throw InternalError(
        "mapper.analytical",
        -1,
        "layer " + network.layer(id).name + " does not fit the PEs: " + layout.why_not);
  }
  Table table;
  table.out_bits = layout.out_bits;
  table.acc_bits = layout.acc_bits;
  table.block = layout.block;
  table.ends_sums = layout.ends_sums;
  table.outputs = matrix.groups * matrix.cols;
  const std::int64_t block = Blocks::of(network.layer(id).out.positions(), layout.block).size;
  table.pieces.reserve(layout.fragments.size());
  std::map<std::tuple<int, std::int64_t, std::int64_t>, int> columns;
  std::map<std::tuple<int, std::int64_t, int>, int> rows;

  struct Costs {
    Cost fire, least, write;
  };

  std::map<Op, Costs> costs;
  const Fragment* before = nullptr;
  Op op_before;
  Costs cost;
  for (const Fragment& f : layout.fragments) {
    Table::Piece piece;
    piece.row =
        rows.try_emplace({f.group, f.row, f.channel}, static_cast<int>(rows.size())).first->second;
    piece.first_output = f.group * matrix.cols + f.col;
    piece.outputs = std::int64_t{f.cols} * f.groups;
    piece.elements = block * piece.outputs;
    piece.col =
        columns.try_emplace({f.group, f.col, piece.elements}, static_cast<int>(columns.size()))
            .first->second;
    piece.in_bits = block * f.rows_read() * f.groups * a_bits;
    const Op op = model.op(OpCode::mvm, matrix, f);
    if (before == nullptr || op != op_before) {
      const auto [found, fresh] = costs.try_emplace(op);
      if (fresh) {
        found->second = {model.fire_cost(op),
                         model.least_cost(op),
                         model.fire_cost(model.op(OpCode::write, matrix, f))};
      }
      cost = found->second;
      op_before = op;
    }
    piece.latency = cost.fire.latency.value;
    piece.interval = cost.fire.interval.value;
    piece.least_latency = cost.least.latency.value;
    piece.least_interval = cost.least.interval.value;
    piece.write_bits = std::int64_t{op.rows} * op.cols * op.w_bits;
    piece.write = cost.write.latency.value;
    table.pieces.push_back(piece);
    before = &f;
  }
  table.columns = static_cast<int>(columns.size());
  table.rows = static_cast<int>(rows.size());
  return table;
}

// ---- what depends on the mapping ----------------------------------------------------------------

/// All that one replica does on one tile, per firing.
struct Part {
  int tile = 0;
  int replica = 0;
  std::int64_t in_bits = 0;
  std::int64_t elements = 0;
  std::int64_t covered = 0;  ///< different output channels
  std::vector<int> terms;    ///< results per output, where the vector unit has PEs
  std::int64_t latency = 0;
  std::int64_t interval = 0;
  std::int64_t least_latency = 0;  ///< of all data
  std::int64_t least_interval = 0;
  std::int64_t write_bits = 0;
  std::int64_t write = 0;

  /// `first_of_row`: column blocks and slices of a row block listen to one broadcast.
  void add(const Table::Piece& piece, bool first_of_row) {
    in_bits += first_of_row ? piece.in_bits : 0;
    elements += piece.elements;
    latency = std::max(latency, piece.latency);
    interval = std::max(interval, piece.interval);
    least_latency = std::max(least_latency, piece.least_latency);
    least_interval = std::max(least_interval, piece.least_interval);
    write_bits += piece.write_bits;
    write = std::max(write, piece.write);
  }
};

/// How fast a stage works, as estimate or as bound.
struct Pace {
  std::int64_t latency = 0;   ///< of one position
  std::int64_t interval = 0;  ///< between starts of consecutive firings of a replica
  std::int64_t taken = 0;     ///< until a firing's result has been taken: bound only
  std::int64_t left = 0;      ///< until a position has left: bound only; 0 when not known

  /// From the start of a firing to that of its k-th successor. Divides only where that can matter.
  [[nodiscard]] std::int64_t lag(std::int64_t k, std::int64_t registers, std::int64_t slots) const {
    std::int64_t most = k * interval;
    if (taken > registers * interval) {
      most = std::max(most, k / registers * taken);
    }
    if (left > slots * interval) {
      most = std::max(most, k / slots * left);
    }
    return most;
  }
};

/// Where a stage works under this mapping, and how fast.
struct Work {
  std::int64_t replicas = 1;
  std::size_t group = 0;          ///< of tiles; the first for what is on no tile
  std::vector<EndpointId> homes;  ///< per replica
  std::vector<EndpointId>
      ends;  ///< endpoints that read its operands; the first replica's home first
  Pace estimate;
  Pace bound;
  std::int64_t write = 0;  ///< programming of a dynamic operand

  /// Firings of the busiest replica per image.
  [[nodiscard]] std::int64_t rounds(const Stage& stage) const {
    return ceil_div(stage.positions, replicas);
  }

  [[nodiscard]] std::int64_t firings(const Stage& stage, std::int64_t replica) const {
    return ceil_div(stage.positions - replica, replicas);
  }

  /// Up to the last one that the result waits for.
  [[nodiscard]] std::int64_t needed_firings(const Stage& stage, std::int64_t replica) const {
    std::int64_t count = firings(stage, replica);
    while (count > 0 && !stage.needed[ix((count - 1) * replicas + replica)]) {
      --count;
    }
    return count;
  }
};

/// The tiles of one group.
struct Hardware {
  const arch::chip::TileGroup* tiles = nullptr;
  int first_tile = 0;
  std::int64_t bus_width = 0;
  std::int64_t read_latency = 0;
  std::int64_t write_latency = 0;
  std::int64_t vector_latency = 0;
  std::int64_t registers = 1;
  std::int64_t slots = 1;

  Hardware(const arch::chip::Chip& chip, std::size_t group, bool serial)
      : tiles(&chip.groups[group]), first_tile(chip.first_tile(group)) {
    const arch::tile::TileSpec& tile = tiles->tile;
    bus_width = narrower(tile.bus.width, tile.buffer.banks * tile.buffer.bank_width);
    read_latency = chip.clock.ceil_cycles(tile.buffer.read_latency).value;
    write_latency = chip.clock.ceil_cycles(tile.buffer.write_latency).value;
    vector_latency = chip.clock.ceil_cycles(tile.vector_unit.latency).value;
    registers = serial ? 1 : tile.input_registers;
    slots = tile.output_slots;
  }
};

/// Occupation of one sort of thing that does one thing at a time, per image and endpoint.
struct Load {
  std::vector<std::int64_t> all;
  std::vector<std::int64_t> sure;    ///< by replicas that the output needs
  std::vector<std::int64_t> needed;  ///< up to what the output waits for

  void reset(std::size_t endpoints) {
    all.assign(endpoints, 0);
    sure.assign(endpoints, 0);
    needed.assign(endpoints, 0);
  }

  /// `least`: of which the bound may count this much; `waited_for`: of that, up to what is needed.
  void add(std::size_t at, std::int64_t total, std::int64_t least, std::int64_t waited_for) {
    all[at] += total;
    sure[at] += waited_for > 0 ? least : 0;
    needed[at] += waited_for;
  }

  void add(std::size_t at, std::int64_t total, std::int64_t waited_for) {
    add(at, total, total, waited_for);
  }

  [[nodiscard]] std::int64_t most_sure() const {
    return *std::max_element(sure.begin(), sure.end());
  }

  [[nodiscard]] std::int64_t slack() const {
    std::int64_t most = 0;
    for (std::size_t at = 0; at < sure.size(); ++at) {
      most = std::max(most, sure[at] - needed[at]);
    }
    return most;
  }
};

/// Sums per endpoint for one layer at a time.
class Tally {
 public:
  void resize(std::size_t endpoints) { sums_.assign(endpoints, 0); }

  void add(std::size_t at, std::int64_t value) {
    touched_.push_back(at);
    most_ = std::max(most_, sums_[at] += value);
  }

  [[nodiscard]] std::int64_t most() const { return most_; }

  void clear() {
    for (const std::size_t at : touched_) {
      sums_[at] = 0;
    }
    touched_.clear();
    most_ = 0;
  }

 private:
  std::vector<std::int64_t> sums_;
  std::vector<std::size_t> touched_;
  std::int64_t most_ = 0;
};

}  // namespace

struct Analyzer::Impl {
  Impl(const Network& n, const arch::chip::Chip& c, Granularity g)
      : network(n), chip(c), granularity(g), fabric(arch::chip::make_fabric(c)) {
    for (std::size_t group = 0; group < chip.groups.size(); ++group) {
      hardware.emplace_back(chip, group, granularity == Granularity::serial);
      group_of_tile.insert(group_of_tile.end(), ix(chip.groups[group].tiles), group);
    }
    endpoints = ix(chip.tiles() + chip.spec.io.ports + 1);
    shared_channel = chip.spec.fabric.topology == arch::fabric::Topology::bus;
    has_ejection = chip.spec.fabric.topology != arch::fabric::Topology::ideal;
    tally_bus.resize(endpoints);
    tally_vector.resize(endpoints);
    tally_inject.resize(endpoints);
    tally_eject.resize(endpoints);
    part_on.assign(group_of_tile.size(), -1);
    const auto matrices = std::count_if(network.layers.begin(),
                                        network.layers.end(),
                                        [](const Layer& layer) { return layer.is_matrix(); });
    tables.resize(ix(matrices));
    block_of.assign(ix(matrices), 1);
    vector_block_of.assign(vector_layers(network).size(), 1);
    work_out_stages();
  }

  /// Work of the vector units of a group of tiles.
  VectorCost job_of(std::size_t group, std::int64_t ops, const VectorWork& work) {
    const arch::chip::TileGroup& tiles = *hardware[group].tiles;
    if (tiles.tile.vector_unit.pes == 0) {
      return vector_cost(tiles, ops, work);
    }
    const auto [found, fresh] = jobs.try_emplace({group, ops, work});
    if (fresh) {
      found->second = vector_cost(tiles, ops, work);
    }
    return found->second;
  }

  /// What the vector unit does with the results of a part; with those of all parts of a replica
  /// when `combines`.
  static VectorWork work_on(const Stage& stage,
                            const Table& table,
                            const LayerMapping& layer,
                            bool ends,
                            bool combines,
                            const std::vector<int>& terms) {
    return {ends ? VectorWork::What::end : VectorWork::What::add,
            stage.layer,
            layer.w_bits,
            layer.a_bits,
            combines ? table.acc_bits : table.out_bits,
            terms};
  }

  [[nodiscard]] static std::int64_t final_ops(const Stage& stage,
                                              const Table& table,
                                              std::size_t group) {
    return table.ends_sums ? 0 : stage.final_ops[group];
  }

  /// Whether terms are counted.
  [[nodiscard]] bool has_terms(const Table& table, std::size_t group) const {
    return hardware[group].tiles->tile.vector_unit.pes > 0 && !table.ends_sums;
  }

  void work_out_stages() {
    stages.clear();
    edges.clear();
    add_stages();
    find_needed();
    find_consumers();
    if (granularity != Granularity::serial) {
      draw_graphs();
    }
  }

  /// Takes over the blocks of one matrix layer, or says that they are others than so far.
  bool set_block(int entry, const Table& table) {
    return std::exchange(block_of[ix(entry)], table.block) != table.block;
  }

  void set_blocks(const Mapping& mapping) {
    bool changed = false;
    for (std::size_t entry = 0; entry < mapping.layers.size(); ++entry) {
      changed |= set_block(static_cast<int>(entry),
                           table_of(static_cast<int>(entry), mapping.layers[entry]));
    }
    for (std::size_t entry = 0; entry < mapping.vector_layers.size(); ++entry) {
      const VectorMapping& layer = mapping.vector_layers[entry];
      const int block = chip.group_at(layer.tile).vector_block(layer.layer);
      changed |= std::exchange(vector_block_of[entry], block) != block;
    }
    if (changed) {
      work_out_stages();
    }
  }

  // ---- once per network -------------------------------------------------------------------------

  void add_stages() {
    std::vector<int> stage_of(network.layers.size(), -1);
    int matrices = 0;
    int vectors = 0;
    const auto join = [&](LayerId from, int to, bool weights) {
      stages[ix(to)].edges.push_back(static_cast<int>(edges.size()));
      edges.push_back({stage_of[ix(from)], to, weights});
    };
    for (LayerId id = 0; id <= network.output(); ++id) {
      const Layer& layer = network.layer(id);
      if (layer.kind == LayerKind::flatten) {
        stage_of[ix(id)] = stage_of[ix(layer.inputs.front())];
        continue;
      }
      const int s = static_cast<int>(stages.size());
      stage_of[ix(id)] = s;
      Stage stage;
      stage.layer = id;
      stage.raster = Blocks::of(layer.out.positions(),
                                layer.is_matrix()            ? block_of[ix(matrices)]
                                : runs_in_vector_unit(layer) ? vector_block_of[ix(vectors)]
                                                             : 1);
      stage.positions = stage.raster.count();
      stage.row = std::max<std::int64_t>(1, layer.out.width / stage.raster.size);
      stage.out_bits = stage.raster.size * std::int64_t{layer.out.channels} * layer.message_bits();
      if (layer.kind == LayerKind::input) {
        stage.role = Role::source;
        stage.width = chip.spec.io.width;
        const arch::fabric::FabricSpec& spec = chip.spec.fabric;
        const std::int64_t payload =
            spec.max_packet_flits * spec.flit_bits.value - spec.header_bits.value;
        stage.burst = std::max<std::int64_t>(1, payload / stage.out_bits);
      } else if (layer.is_matrix()) {
        stage.role = Role::matrix;
        stage.entry = matrices++;
        for (const arch::chip::TileGroup& group : chip.groups) {
          stage.final_ops.push_back(stage.raster.size *
                                    arch::tile::final_ops(layer, group.tile.vector_unit));
        }
      } else {
        stage.role = Role::vector;
        stage.entry = runs_in_vector_unit(layer) ? vectors++ : -1;
        VectorWork work;
        work.layer = id;
        for (std::size_t group = 0; group < hardware.size(); ++group) {
          const arch::tile::VectorUnitSpec& unit = hardware[group].tiles->tile.vector_unit;
          stage.vector.push_back(
              job_of(group, arch::tile::layer_ops(layer, unit), work).cycles.value);
        }
      }
      stages.push_back(std::move(stage));
      for (std::size_t operand = 0; operand < layer.inputs.size(); ++operand) {
        join(layer.inputs[operand], s, layer.has_dynamic_weights() && operand == 1);
      }
    }
    Stage sink;
    sink.role = Role::sink;
    sink.positions = stages.back().positions;
    sink.raster = stages.back().raster;
    sink.vector.assign(hardware.size(), over(stages.back().out_bits, chip.spec.io.width));
    const int last = static_cast<int>(stages.size());
    stages.push_back(std::move(sink));
    join(network.output(), last, false);
  }

  /// Marks what the output depends on, from the output back.
  void find_needed() {
    all_needed.clear();
    for (Stage& stage : stages) {
      stage.needed.assign(ix(stage.positions), stage.role == Role::sink);
    }
    for (std::size_t s = stages.size(); s-- > 0;) {
      for (std::size_t operand = 0; operand < stages[s].edges.size(); ++operand) {
        const Edge& edge = edges[ix(stages[s].edges[operand])];
        mark_needed(stages[s], operand, edge.weights, stages[ix(edge.from)]);
      }
      all_needed.insert(all_needed.begin(),
                        std::find(stages[s].needed.begin(), stages[s].needed.end(), false) ==
                            stages[s].needed.end());
    }
  }

  void mark_needed(const Stage& to, std::size_t operand, bool weights, Stage& from) const {
    std::vector<bool>& marks = from.needed;
    if (to.role == Role::sink) {
      marks.assign(marks.size(), true);
      return;
    }
    const Layer& layer = network.layer(to.layer);
    const Shape& in = network.in_shape(to.layer, operand);
    if (in.positions() != from.raster.positions || layer.kind == LayerKind::fc || weights) {
      marks.assign(marks.size(), true);
      return;
    }
    const bool windowed = layer.kind == LayerKind::conv || layer.kind == LayerKind::max_pool ||
                          layer.kind == LayerKind::avg_pool;
    const ReceptiveField field(network, to.layer, operand);
    const Window& w = layer.window;
    for (std::int64_t p = 0; p < to.raster.positions; ++p) {
      if (!to.needed[ix(to.raster.at(p))]) {
        continue;
      }
      if (!windowed) {
        marks[ix(from.raster.at(field.last_needed(p)))] = true;
        continue;
      }
      for (int tap = 0; tap < w.kernel_h * w.kernel_w; ++tap) {
        const std::int64_t row = p / layer.out.width * w.stride_h - w.pad_top +
                                 std::int64_t{tap / w.kernel_w} * w.dilation_h;
        const std::int64_t column = p % layer.out.width * w.stride_w - w.pad_left +
                                    std::int64_t{tap % w.kernel_w} * w.dilation_w;
        if (row >= 0 && row < in.height && column >= 0 && column < in.width) {
          marks[ix(from.raster.at(row * in.width + column))] = true;
        }
      }
    }
  }

  /// The last position of the producer's tensor in the field of position p, or -1 when p sees only
  /// padding.
  [[nodiscard]] std::vector<std::int64_t> last_in_field(int e) const {
    const Edge& edge = edges[ix(e)];
    const Stage& to = stages[ix(edge.to)];
    const Blocks& from = stages[ix(edge.from)].raster;
    const std::int64_t whole = from.count() - 1;
    std::vector<std::int64_t> last(ix(to.positions), whole);
    if (to.role == Role::sink) {
      for (std::int64_t p = 0; p < to.positions; ++p) {
        last[ix(p)] = p;
      }
      return last;
    }
    const Layer& layer = network.layer(to.layer);
    const auto operand =
        static_cast<std::size_t>(std::find(to.edges.begin(), to.edges.end(), e) - to.edges.begin());
    const bool reshaped = network.in_shape(to.layer, operand).positions() != from.positions;
    if (!reshaped && layer.kind != LayerKind::fc && !edge.weights) {
      const ReceptiveField field(network, to.layer, operand);
      last.assign(ix(to.positions), -1);
      for (std::int64_t p = 0; p < to.raster.positions; ++p) {
        std::int64_t& of_block = last[ix(to.raster.at(p))];
        of_block = std::max(of_block, from.at(field.last_needed(p)));
      }
    }
    return last;
  }

  void draw_graphs() {
    Drawing estimated;
    Drawing bounded;
    for (const Stage& stage : stages) {
      bounded.width.push_back(stage.row);
    }
    estimated.width = bounded.width;
    estimated.nearest = true;
    for (int e = 0; e < static_cast<int>(edges.size()); ++e) {
      const std::vector<std::int64_t> last = last_in_field(e);
      Need so_far(last.size());   // what a replica has waited for when it comes to p
      Need from_on(last.size());  // what p and every later position waits for at least
      std::int64_t value = -1;
      for (std::size_t p = 0; p < last.size(); ++p) {
        value = std::max(value, last[p]);
        so_far[p] = static_cast<std::int32_t>(value);
      }
      value = last.back();
      for (std::size_t p = last.size(); p-- > 0;) {
        value = std::min(value, last[p]);
        from_on[p] = static_cast<std::int32_t>(value);
      }
      const Stage& to = stages[ix(edges[ix(e)].to)];
      const bool whole = granularity == Granularity::layer && to.role != Role::sink;
      bounded.last_row.push_back(
          whole ? from_on[ix(std::max<std::int64_t>(0, to.positions - to.row))] : -1);
      bounded.needs.push_back(std::move(from_on));
      if (whole) {
        std::fill(so_far.begin(), so_far.end(), so_far.back());
      }
      estimated.last_row.push_back(-1);
      estimated.needs.push_back(std::move(so_far));
    }
    estimate_graph = draw(stages, edges, estimated);
    bound_graph = draw(stages, edges, bounded);
  }

  // ---- hardware ---------------------------------------------------------------------------------

  [[nodiscard]] bool is_tile(EndpointId id) const { return ix(id) < group_of_tile.size(); }

  /// The first for an endpoint that is no tile.
  [[nodiscard]] std::size_t group_of(EndpointId id) const {
    return is_tile(id) ? group_of_tile[ix(id)] : 0;
  }

  [[nodiscard]] std::size_t channel(EndpointId id) const { return shared_channel ? 0 : ix(id); }

  std::int64_t serialization(std::int64_t bits) {
    const auto [found, fresh] = serializations.try_emplace(bits, 0);
    if (fresh) {
      found->second = fabric->serialization(Bits(bits)).value;
    }
    return found->second;
  }

  /// From sending to being seen by the receiver; 0 within an endpoint.
  std::int64_t travel(EndpointId from, EndpointId to, std::int64_t bits) {
    if (from == to) {
      return 0;
    }
    // Bits of one message are below 2^28 channels * 32; endpoints below 2^21.
    const auto pair = static_cast<std::uint64_t>(from) << 21U | static_cast<std::uint64_t>(to);
    auto& known = travels[bits];
    const auto [found, fresh] = known.try_emplace(pair, 0);
    if (fresh) {
      found->second = fabric->zero_load_latency(from, to, Bits(bits)).value + 1;
    }
    return found->second;
  }

  /// The least that any message of `bits` takes, also one of several destinations.
  std::int64_t least_travel(EndpointId from, EndpointId to, std::int64_t bits) {
    return from == to ? 0 : travel(from, to, 1) + serialization(bits) - serialization(1);
  }

  [[nodiscard]] std::int64_t landing(EndpointId to) const {
    return is_tile(to) ? hardware[group_of(to)].write_latency : 0;
  }

  std::int64_t transfer_estimate(const Edge& edge) {
    const Work& from = works[ix(edge.from)];
    const Work& to = works[ix(edge.to)];
    const std::int64_t bits = stages[ix(edge.from)].out_bits * stages[ix(edge.from)].burst;
    std::int64_t longest = 0;
    for (const EndpointId end : to.ends) {
      longest = std::max(longest, travel(from.homes.front(), end, bits));
    }
    for (const EndpointId home : from.homes) {
      longest = std::max(longest, travel(home, to.ends.front(), bits));
    }
    return longest + landing(to.ends.front());
  }

  std::int64_t transfer_bound(const Edge& edge) {
    const Work& from = works[ix(edge.from)];
    const Work& to = works[ix(edge.to)];
    const std::int64_t at_least = landing(to.ends.front());
    if (from.homes.size() * to.ends.size() > ix(kMaxPairs)) {
      return at_least;
    }
    const std::int64_t bits = stages[ix(edge.from)].out_bits;
    std::int64_t shortest = INT64_MAX;
    for (const EndpointId home : from.homes) {
      for (const EndpointId end : to.ends) {
        shortest = std::min(shortest, least_travel(home, end, bits));
      }
    }
    return at_least + shortest;
  }

  // ---- once per mapping -------------------------------------------------------------------------

  const Table& table_of(int entry, const LayerMapping& layer) {
    const std::size_t group = chip.group_named(layer.group);
    std::unique_ptr<Table>& table = tables[ix(entry)][{group, layer.w_bits, layer.a_bits}];
    if (table == nullptr) {
      table = std::make_unique<Table>(
          cut(network, *chip.groups[group].pe, layer.layer, layer.w_bits, layer.a_bits));
    }
    return *table;
  }

  /// Whether a tile has several runs of one replica.
  bool is_scattered(const std::vector<PlacedRun>& runs) {
    if (runs.size() < 2) {
      return false;
    }
    tiles_of_runs.clear();
    for (const PlacedRun& run : runs) {
      tiles_of_runs.push_back(run.tile);
    }
    std::sort(tiles_of_runs.begin(), tiles_of_runs.end());
    return std::adjacent_find(tiles_of_runs.begin(), tiles_of_runs.end()) != tiles_of_runs.end();
  }

  /// Distributes the pieces of every replica over parts, as placed. Parts of a replica follow each
  /// other, the one at home first.
  void gather_parts(const Table& table,
                    const LayerMapping& layer,
                    std::int64_t replicas,
                    bool with_terms) {
    parts.clear();
    row_seen.assign(ix(table.rows), -1);
    rows_apart.clear();
    for (std::int64_t k = 0; k < replicas; ++k) {
      const std::vector<PlacedRun>& runs = layer.placement[ix(k)];
      const std::size_t begin = parts.size();
      const bool scattered = is_scattered(runs);
      std::size_t piece = 0;
      for (const PlacedRun& run : runs) {
        int& part = part_on[ix(run.tile)];
        if (part < 0) {
          part = static_cast<int>(parts.size());
          parts.emplace_back();
          parts.back().tile = run.tile;
          parts.back().replica = static_cast<int>(k);
        }
        Part& here = parts[ix(part)];
        for (int i = 0; i < run.pes; ++i) {
          const Table::Piece& one = table.pieces[piece++];
          if (with_terms) {
            count_terms(table, one, here.terms);
          }
          here.add(one,
                   scattered ? rows_apart.emplace(part, one.row).second
                             : std::exchange(row_seen[ix(one.row)], part) != part);
        }
      }
      if (parts.size() - begin > 1) {
        count_columns(table, runs, begin);
      }
      for (std::size_t i = begin; i < parts.size(); ++i) {
        part_on[ix(parts[i].tile)] = -1;
      }
    }
  }

  static void count_terms(const Table& table, const Table::Piece& piece, std::vector<int>& terms) {
    terms.resize(ix(table.outputs));
    for (std::int64_t i = 0; i < piece.outputs; ++i) {
      ++terms[ix(piece.first_output + i)];
    }
  }

  /// Output channels of each part of a replica that spans tiles.
  void count_columns(const Table& table, const std::vector<PlacedRun>& runs, std::size_t begin) {
    const bool scattered = runs.size() > parts.size() - begin;  // a tile has several runs
    column_seen.assign(ix(table.columns), -1);
    seen_apart.clear();
    std::size_t piece = 0;
    for (const PlacedRun& run : runs) {
      const int part = part_on[ix(run.tile)];
      for (int i = 0; i < run.pes; ++i, ++piece) {
        const Table::Piece& one = table.pieces[piece];
        const bool fresh = scattered ? seen_apart.emplace(part, one.col).second
                                     : std::exchange(column_seen[ix(one.col)], part) != part;
        parts[ix(part)].covered += fresh ? one.elements : 0;
      }
    }
  }

  void work_matrix(std::size_t s, const LayerMapping& layer, LayerAnalysis& out) {
    const Stage& stage = stages[s];
    const Table& table = table_of(stage.entry, layer);
    Work& work = works[s];
    work.replicas = std::min<std::int64_t>(layer.replicas, stage.positions);
    work.group = chip.group_named(layer.group);
    gather_parts(table, layer, work.replicas, has_terms(table, work.group));

    // What leaves for home, and what home then has to do: as much as the replica with most has.
    std::int64_t widest = 0;
    std::int64_t most_arriving = 0;
    std::vector<int> arriving_at;  // results per output
    jobs_of_parts.clear();
    for (std::size_t i = 0; i < parts.size();) {
      std::size_t end = i + 1;
      std::int64_t arriving = 0;
      for (; end < parts.size() && parts[end].replica == parts[i].replica; ++end) {
        arriving += parts[end].covered;
        widest = std::max(widest, parts[end].covered);
      }
      most_arriving = std::max(most_arriving, arriving);
      const bool is_alone = end - i == 1;
      for (std::size_t k = i; k < end; ++k) {
        jobs_of_parts.push_back(job_of(
            work.group,
            table.adding(parts[k].elements) + (is_alone ? final_ops(stage, table, work.group) : 0),
            work_on(stage, table, layer, is_alone, false, parts[k].terms)));
      }
      if (!is_alone) {
        arriving_at.resize(parts[i].terms.size());
        for (std::size_t o = 0; o < arriving_at.size(); ++o) {
          const auto holders = std::count_if(parts.begin() + static_cast<std::ptrdiff_t>(i),
                                             parts.begin() + static_cast<std::ptrdiff_t>(end),
                                             [o](const Part& part) { return part.terms[o] > 0; });
          arriving_at[o] = std::max(arriving_at[o], static_cast<int>(holders));
        }
      }
      i = end;
    }
    const std::int64_t partial_bits = widest * table.acc_bits;
    combine_job = widest == 0
                      ? VectorCost{}
                      : job_of(work.group,
                               table.adding(most_arriving) + final_ops(stage, table, work.group),
                               work_on(stage, table, layer, true, true, arriving_at));
    const std::int64_t combine = combine_job.cycles.value;
    work.bound = {INT64_MAX, INT64_MAX, INT64_MAX, 0};
    for (std::size_t i = 0; i < parts.size();) {
      std::size_t end = i + 1;
      while (end < parts.size() && parts[end].replica == parts[i].replica) {
        ++end;
      }
      work_replica(s, table, i, end, partial_bits, combine, out);
      i = end;
    }
    Pace& pace = work.estimate;
    pace.interval = std::max({pace.interval,
                              tally_bus.most(),
                              tally_vector.most(),
                              tally_inject.most(),
                              tally_eject.most()});
    out.pes = static_cast<int>(table.pieces.size());
    for (Tally* tally : {&tally_bus, &tally_vector, &tally_inject, &tally_eject}) {
      tally->clear();
    }
  }

  /// Parts [begin, end) are one replica.
  void work_replica(std::size_t s,
                    const Table& table,
                    std::size_t begin,
                    std::size_t end,
                    std::int64_t partial_bits,
                    std::int64_t combine,
                    LayerAnalysis& out) {
    const Stage& stage = stages[s];
    Work& work = works[s];
    const Hardware& hw = hardware[work.group];
    const EndpointId home = parts[begin].tile;
    const bool alone = end - begin == 1;
    const std::int64_t firings = work.firings(stage, parts[begin].replica);
    const std::int64_t needed = work.needed_firings(stage, parts[begin].replica);
    const std::int64_t together = alone ? 0 : combine + hw.vector_latency;
    const std::int64_t partial = alone ? 0 : serialization(partial_bits);
    work.homes.push_back(home);
    std::int64_t slowest = 0;
    std::int64_t quickest = INT64_MAX;
    for (std::size_t i = begin; i < end; ++i) {
      const Part& part = parts[i];
      const std::int64_t in = over(part.in_bits, hw.bus_width);
      const std::int64_t result = over(part.elements * table.out_bits, hw.bus_width);
      const std::int64_t vector = jobs_of_parts[i].cycles.value;
      const std::int64_t taken =
          in + hw.read_latency + part.latency + result + vector + hw.vector_latency;
      const std::int64_t least_taken = taken - part.latency + part.least_latency;
      const std::int64_t away = part.tile == home ? 0 : travel(part.tile, home, partial_bits);
      slowest = std::max(slowest, taken + away + together);
      quickest = std::min(quickest, least_taken + away + together);
      out.input = std::max(out.input, Cycles(in + hw.read_latency));
      out.array = std::max(out.array, Cycles(part.latency));
      out.output = std::max(out.output, Cycles(result + away));
      out.vector = std::max(out.vector, Cycles(vector + hw.vector_latency + together));

      Pace& bound = work.bound;
      bound.interval =
          std::min(bound.interval, std::max({part.least_interval, in, result, vector}));
      bound.taken = std::min(bound.taken, least_taken);
      work.estimate.interval =
          std::max({work.estimate.interval, part.interval, ceil_div(taken, hw.registers)});
      if (needed > 0) {
        most_pe = std::max(most_pe, firings * part.least_interval);
        slack_pe = std::max(slack_pe,
                            (firings - needed) * part.least_interval +
                                std::max<std::int64_t>(0, part.interval - part.least_latency));
      }
      work.ends.push_back(part.tile);
      bus.add(ix(part.tile), firings * (in + result), needed * (in + result));
      vector_unit.add(ix(part.tile), firings * vector, needed * vector);
      tally_bus.add(ix(part.tile), in + result);
      tally_vector.add(ix(part.tile), vector);
      if (part.tile != home) {
        inject.add(channel(part.tile), firings * partial, needed * partial);
        tally_inject.add(channel(part.tile), partial);
        if (has_ejection && !shared_channel) {
          eject.add(ix(home), firings * partial, 0);
          tally_eject.add(ix(home), partial);
        }
      }
      if (network.layer(stage.layer).has_dynamic_weights()) {
        work.write = std::max(
            work.write,
            over(part.write_bits, hw.bus_width) + std::max<std::int64_t>(0, part.write - in));
      }
    }
    if (!alone) {
      vector_unit.add(ix(home), firings * combine, needed * combine);
      tally_vector.add(ix(home), combine);
    }
    work.estimate.latency = std::max(work.estimate.latency, slowest);
    work.estimate.interval = std::max(work.estimate.interval, ceil_div(slowest, hw.slots));
    work.bound.latency = std::min(work.bound.latency, quickest);
    // A replica on one tile holds its position at home from its start until it leaves.
    const std::int64_t left = alone ? quickest : 0;
    work.bound.left = begin == 0 ? left : std::min(work.bound.left, left);
    out.tiles = std::max(out.tiles, static_cast<int>(end - begin));
  }

  /// A vector layer, or the channel of source or sink: one firing after the other on one unit.
  void work_unit(std::size_t s, const std::vector<EndpointId>& at) {
    const Stage& stage = stages[s];
    Work& work = works[s];
    work.replicas = static_cast<std::int64_t>(at.size());
    work.homes = at;
    work.ends = at;
    work.group = group_of(at.front());
    const Hardware& hw = hardware[work.group];
    const std::int64_t vector = stage.role == Role::source ? 0 : stage.vector[work.group];
    const bool on_tile = stage.role == Role::vector;
    const std::int64_t taken =
        vector + (on_tile ? hw.read_latency + hw.vector_latency : std::int64_t{0});
    work.estimate.latency = taken;
    work.estimate.interval =
        std::max({vector, ceil_div(taken, hw.registers), ceil_div(taken, hw.slots)});
    work.bound = {taken, vector, taken, taken};
    for (std::int64_t k = 0; k < work.replicas; ++k) {
      const std::int64_t firings = work.firings(stage, k);
      const std::int64_t needed = work.needed_firings(stage, k);
      if (stage.role == Role::source) {
        vector_unit.add(ix(at[ix(k)]),
                        stage.taking_in(firings),
                        stage.least_taking_in(firings),
                        stage.least_taking_in(needed));
      } else {
        vector_unit.add(ix(at[ix(k)]), firings * vector, needed * vector);
      }
    }
  }

  /// The vector layer's tile; a layer that the mapping does not name costs nothing and stays with
  /// its producer.
  [[nodiscard]] EndpointId tile_of(const Stage& stage, const Mapping& mapping) const {
    if (stage.entry >= 0) {
      return mapping.vector_layers[ix(stage.entry)].tile;
    }
    const EndpointId home = works[ix(edges[ix(stage.edges.front())].from)].homes.front();
    return is_tile(home) ? home : 0;
  }

  [[nodiscard]] std::vector<EndpointId> input_ports(const Stage& stage) const {
    std::vector<EndpointId> ports;
    for (std::int64_t k = 0; k < std::min(chip.spec.io.ports, stage.positions); ++k) {
      ports.push_back(chip.io_endpoint() + static_cast<EndpointId>(k));
    }
    return ports;
  }

  /// Messages to consumers elsewhere: one per position, however many consumers.
  void load_injection(std::size_t s) {
    const Stage& stage = stages[s];
    Work& work = works[s];
    std::int64_t most = 0;
    for (std::size_t k = 0; k < work.homes.size(); ++k) {
      bool somewhere_else = false;
      bool sure_to_leave = false;
      for (const int e : consumers_of[s]) {
        const Work& to = works[ix(edges[ix(e)].to)];
        // Of a field with gaps a position may stay at home; then the edge says nothing.
        const bool here = std::find(to.ends.begin(), to.ends.end(), work.homes[k]) != to.ends.end();
        somewhere_else = somewhere_else || !here || to.ends.size() > 1;
        if (!here && every_position_needed[ix(e)]) {
          sure_to_leave = true;
        }
      }
      if (somewhere_else) {
        const std::int64_t firings = work.firings(stage, static_cast<std::int64_t>(k));
        const std::int64_t flits = serialization(std::min(stage.burst, firings) * stage.out_bits);
        const std::int64_t messages = ceil_div(firings, stage.burst) * flits;
        // One large message has the fewest headers.
        const std::int64_t least =
            stage.burst == 1 ? messages : serialization(firings * stage.out_bits);
        const std::size_t at = channel(work.homes[k]);
        inject.add(at, messages, least, sure_to_leave && all_needed[s] ? least : 0);
        tally_inject.add(at, flits);
        most = std::max(most, tally_inject.most());
      }
    }
    tally_inject.clear();
    work.estimate.interval = std::max(work.estimate.interval, most);
  }

  void find_consumers() {
    consumers_of.assign(stages.size(), {});
    every_position_needed.assign(edges.size(), false);
    for (int e = 0; e < static_cast<int>(edges.size()); ++e) {
      const Edge& edge = edges[ix(e)];
      const Stage& to = stages[ix(edge.to)];
      consumers_of[ix(edge.from)].push_back(e);
      if (to.role == Role::sink) {
        every_position_needed[ix(e)] = true;
        continue;
      }
      const Layer& layer = network.layer(to.layer);
      const Shape& in = stages[ix(edge.from)].layer < 0
                            ? layer.out
                            : network.layer(stages[ix(edge.from)].layer).out;
      const Window& w = layer.window;
      const bool windowed = layer.kind == LayerKind::conv || layer.kind == LayerKind::max_pool ||
                            layer.kind == LayerKind::avg_pool;
      // A dense window that reaches both borders leaves no position out.
      const bool dense =
          w.dilation_h == 1 && w.dilation_w == 1 && w.stride_h <= w.kernel_h &&
          w.stride_w <= w.kernel_w &&
          (layer.out.height - 1) * w.stride_h - w.pad_top + w.kernel_h >= in.height &&
          (layer.out.width - 1) * w.stride_w - w.pad_left + w.kernel_w >= in.width;
      every_position_needed[ix(e)] = layer.kind != LayerKind::slice && (!windowed || dense);
    }
  }

  // ---- the passes -------------------------------------------------------------------------------

  std::int64_t pass(const Graph& graph, bool bound) {
    values.resize(graph.nodes.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const Graph::Node& node = graph.nodes[n];
      const Stage& stage = stages[ix(node.stage)];
      const Work& work = works[ix(node.stage)];
      const Pace& pace = bound ? work.bound : work.estimate;
      if (stage.role == Role::source) {
        const std::int64_t ordinal = node.position / work.replicas;
        if (bound) {
          values[n] = stage.least_taking_in(ordinal + 1);
        } else {  // with its burst, of which the last one may be shorter
          const std::int64_t whole = (ordinal / stage.burst + 1) * stage.burst;
          const std::int64_t fewest = stage.positions / work.replicas;
          values[n] = std::max(stage.taking_in(std::max(ordinal + 1, std::min(whole, fewest))),
                               ordinal / stage.burst * pace.interval);
        }
        continue;
      }
      std::int64_t value = bound ? kUnknown : pace.latency;
      std::int64_t lag_of = -1;
      std::int64_t lag = 0;
      for (int t = node.begin; t < node.end; ++t) {
        const Graph::Term& term = graph.terms[ix(t)];
        if (term.last_row && work.replicas > stage.row) {
          continue;
        }
        if (term.lag != lag_of) {
          lag_of = term.lag;
          const std::int64_t k = work.replicas == 1 ? lag_of : lag_of / work.replicas;
          lag = pace.lag(k, hardware[work.group].registers, hardware[work.group].slots);
        }
        value =
            std::max(value, values[ix(term.child)] + transfers[ix(term.edge)] + lag + pace.latency);
      }
      values[n] = value;
    }
    return values.back();
  }

  void fill(const Stage& stage, const Work& work, LayerAnalysis& out) const {
    const std::int64_t rounds = work.rounds(stage);
    out.layer = stage.layer;
    out.name = network.layer(stage.layer).name;
    out.replicas = static_cast<int>(work.replicas);
    out.positions = stage.positions;
    if (stage.role == Role::vector) {
      const Hardware& hw = hardware[work.group];
      out.input = Cycles(hw.read_latency);
      out.vector = Cycles(stage.vector[work.group] + hw.vector_latency);
    }
    out.latency_per_position = Cycles(work.estimate.latency);
    out.interval_per_position = Cycles(work.estimate.interval);
    out.weights = Cycles(work.write);
    out.total = Cycles(work.write + work.estimate.latency + (rounds - 1) * work.estimate.interval);
    out.busy = Cycles(work.write + rounds * work.estimate.interval);
    const Cycles sum = out.input + out.array + out.output + out.vector;
    const Cycles most = std::max({out.input, out.array, out.output, out.vector});
    out.total_sum = Cycles(ceil_div(stage.positions * sum.value, work.replicas) + work.write);
    out.total_max = Cycles(ceil_div(stage.positions * most.value, work.replicas) + work.write);
  }

  /// LRMP's sums along the longest path, for layers that are in `analysis` already.
  void lrmp(Analysis& analysis, const std::vector<int>& layer_of) {
    std::vector<std::int64_t> sum(stages.size(), 0);
    std::vector<std::int64_t> max(stages.size(), 0);
    for (std::size_t s = 0; s < stages.size(); ++s) {
      for (const int e : stages[s].edges) {
        sum[s] = std::max(sum[s], sum[ix(edges[ix(e)].from)]);
        max[s] = std::max(max[s], max[ix(edges[ix(e)].from)]);
      }
      if (layer_of[s] >= 0) {
        const LayerAnalysis& layer = analysis.layers[ix(layer_of[s])];
        sum[s] += layer.total_sum.value;
        max[s] += layer.total_max.value;
        analysis.interval_sum = std::max(analysis.interval_sum, layer.total_sum);
        analysis.interval_max = std::max(analysis.interval_max, layer.total_max);
      }
    }
    analysis.latency_sum = Cycles(sum.back());
    analysis.latency_max = Cycles(max.back());
  }

  [[nodiscard]] std::string endpoint_name(std::size_t at) const {
    return is_tile(static_cast<EndpointId>(at))
               ? fmt::format("chip.tiles[{}]", at)
               : fmt::format("chip.io[{}]", static_cast<std::int64_t>(at) - chip.tiles());
  }

  void set_interval(Analysis& analysis) {
    const auto consider = [&](std::int64_t cycles, const std::string& what) {
      if (cycles > analysis.interval.value) {
        analysis.interval = Cycles(cycles);
        analysis.bottleneck = what;
      }
    };
    for (const LayerAnalysis& layer : analysis.layers) {
      if (layer.busy > analysis.interval) {
        consider(layer.busy.value, "layer " + layer.name);
      }
    }
    const auto busiest = [&](const Load& load, std::string_view what, bool in_fabric) {
      const auto most = std::max_element(load.all.begin(), load.all.end());
      if (*most > analysis.interval.value) {
        const auto at = static_cast<std::size_t>(most - load.all.begin());
        consider(
            *most,
            fmt::format(
                "{} {}", in_fabric && shared_channel ? "chip.fabric" : endpoint_name(at), what));
      }
    };
    busiest(bus, "bus", false);
    busiest(vector_unit, "vector unit", false);
    busiest(inject, "injection", true);
    busiest(eject, "ejection", true);
    const std::int64_t bound =
        std::max({most_pe, bus.most_sure(), vector_unit.most_sure(), inject.most_sure()});
    analysis.lower_bound_interval = Cycles(bound);
    const std::int64_t slack =
        std::max({slack_pe, bus.slack(), vector_unit.slack(), inject.slack()});
    analysis.lower_bound_slack = Cycles(slack);
  }

  Analysis pipelined(const Mapping& mapping) {
    set_blocks(mapping);
    Analysis analysis;
    works.assign(stages.size(), {});
    for (Load* load : {&bus, &vector_unit, &inject, &eject}) {
      load->reset(endpoints);
    }
    most_pe = 0;
    slack_pe = 0;
    std::vector<int> layer_of(stages.size(), -1);
    std::vector<LayerAnalysis> layers(stages.size());
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const Stage& stage = stages[s];
      switch (stage.role) {
        case Role::source:
          work_unit(s, input_ports(stage));
          break;
        case Role::matrix:
          work_matrix(s, mapping.layers[ix(stage.entry)], layers[s]);
          analysis.pes += std::int64_t{layers[s].pes} * mapping.layers[ix(stage.entry)].replicas;
          break;
        case Role::vector:
          work_unit(s, {tile_of(stage, mapping)});
          break;
        case Role::sink:
          work_unit(s, {chip.io_endpoint()});
          break;
      }
    }
    for (std::size_t s = 0; s < stages.size(); ++s) {
      load_injection(s);
      if (stages[s].role == Role::matrix || stages[s].role == Role::vector) {
        fill(stages[s], works[s], layers[s]);
        layer_of[s] = static_cast<int>(analysis.layers.size());
        analysis.layers.push_back(std::move(layers[s]));
      }
    }
    lrmp(analysis, layer_of);
    set_interval(analysis);

    transfers.resize(edges.size());
    for (std::size_t e = 0; e < edges.size(); ++e) {
      transfers[e] =
          transfer_estimate(edges[e]) + (edges[e].weights ? works[ix(edges[e].to)].write : 0);
    }
    const std::int64_t occupied = analysis.lower_bound_cycles(1).value;
    analysis.latency = Cycles(std::max(pass(estimate_graph, false), occupied));
    for (std::size_t n = 0; n < values.size(); ++n) {
      const Graph::Node& node = estimate_graph.nodes[n];
      if (const int layer = layer_of[ix(node.stage)]; layer >= 0) {
        LayerAnalysis& out = analysis.layers[ix(layer)];
        if (node.position == 0) {
          out.first_out = Cycles(values[n]);
        }
        out.last_out = Cycles(values[n]);  // nodes of a stage follow each other
        out.span = out.last_out - out.first_out + out.latency_per_position;
      }
    }
    for (std::size_t e = 0; e < edges.size(); ++e) {
      transfers[e] = transfer_bound(edges[e]);
    }
    analysis.lower_bound_latency = Cycles(std::max(pass(bound_graph, true), occupied));
    return analysis;
  }

  std::optional<LayerAlone> alone(std::size_t index, int w_bits, int a_bits) {
    const arch::chip::TileGroup& tiles = chip.groups.front();
    const auto found = std::find_if(stages.begin(), stages.end(), [&](const Stage& stage) {
      return stage.role == Role::matrix && stage.entry == static_cast<int>(index);
    });
    const auto s = static_cast<std::size_t>(found - stages.begin());
    LayerMapping layer;
    layer.layer = found->layer;
    layer.w_bits = w_bits;
    layer.a_bits = a_bits;
    layer.group = tiles.name;
    if (!tiles.pe->layout(matrix_op(network, layer.layer, w_bits, a_bits)).ok) {
      return std::nullopt;
    }
    const Table& table = table_of(found->entry, layer);
    if (set_block(found->entry, table)) {
      work_out_stages();
    }
    const Stage& stage = stages[s];
    auto left = static_cast<std::int64_t>(table.pieces.size());
    if (left > tiles.pes()) {
      return std::nullopt;
    }
    layer.placement.emplace_back();
    for (int tile = 0; left > 0; ++tile, left -= tiles.tile.pes) {
      layer.placement.front().push_back(
          {tile, 0, static_cast<int>(std::min(left, tiles.tile.pes))});
    }
    works.assign(stages.size(), {});
    for (Load* load : {&bus, &vector_unit, &inject, &eject}) {
      load->reset(endpoints);
    }
    LayerAlone out;
    work_matrix(s, layer, out.analysis);
    fill(stage, works[s], out.analysis);
    for (const Part& part : parts) {
      out.array_interval = std::max(out.array_interval, Cycles(part.interval));
      out.in_bits += part.in_bits;
      out.result_bits += part.elements * table.out_bits;
    }
    jobs_of_parts.push_back(combine_job);
    for (const VectorCost& job : jobs_of_parts) {
      out.vector_ops += job.ops;
      out.vector_cycles += job.cycles;
      std::transform(job.did.begin(),
                     job.did.end(),
                     out.vector_did.begin(),
                     out.vector_did.begin(),
                     std::plus<>());
    }
    return out;
  }

  /// One operation after the other. Every fragment is written (when the network does not fit),
  /// fires for every position, and makes room for the next.
  Analysis serial(const Mapping& mapping) {
    set_blocks(mapping);
    Analysis analysis;
    works.assign(stages.size(), {});
    std::vector<int> layer_of(stages.size(), -1);
    std::vector<std::int64_t> fragments(hardware.size(), 0);  // [group]
    for (const Stage& stage : stages) {
      if (stage.role == Role::matrix) {
        const LayerMapping& layer = mapping.layers[ix(stage.entry)];
        const auto pieces = static_cast<std::int64_t>(table_of(stage.entry, layer).pieces.size());
        fragments[chip.group_named(layer.group)] += pieces;
        analysis.pes += pieces;
      }
    }
    std::vector<std::int64_t> next_pe(hardware.size(), 0);  // [group]
    std::int64_t turn = 0;   // when the part before gave its turn away
    std::int64_t bound = 0;  // the same, at least
    EndpointId turn_at = chip.io_endpoint();
    std::vector<std::int64_t> done(stages.size(), 0);  // last position has left
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const Stage& stage = stages[s];
      Work& work = works[s];
      LayerAnalysis layer;
      std::int64_t tail = 0;   // after the last part's turn
      std::int64_t total = 0;  // of the turns
      std::int64_t least = 0;
      std::int64_t hops = 0;
      std::int64_t last_piece = 0;
      EndpointId last_at = 0;
      if (stage.role == Role::matrix) {
        const LayerMapping& mapped = mapping.layers[ix(stage.entry)];
        const Table& table = table_of(stage.entry, mapped);
        work.group = chip.group_named(mapped.group);
        const Hardware& hw = hardware[work.group];
        const arch::chip::TileGroup& tiles = *hw.tiles;
        const bool writes =
            fragments[work.group] > tiles.pes() || network.layer(stage.layer).has_dynamic_weights();
        const auto pieces = static_cast<std::int64_t>(table.pieces.size());
        const auto tile_of_piece = [&](std::int64_t i) {
          return hw.first_tile +
                 static_cast<EndpointId>((next_pe[work.group] + i) % tiles.pes() / tiles.tile.pes);
        };
        work.homes = {tile_of_piece(0)};
        work.ends = {tile_of_piece(0)};
        layer.pes = static_cast<int>(pieces);
        std::int64_t widest = 0;
        std::int64_t arriving = 0;
        std::vector<int> of_all;    // results per output
        std::int64_t position = 0;  // of all parts together
        for (std::int64_t i = 0; i < pieces; ++i) {
          const Table::Piece& piece = table.pieces[ix(i)];
          const std::int64_t in = over(piece.in_bits, hw.bus_width);
          const std::int64_t result = over(piece.elements * table.out_bits, hw.bus_width);
          std::vector<int> terms;
          if (has_terms(table, work.group)) {
            count_terms(table, piece, terms);
            count_terms(table, piece, of_all);
          }
          const std::int64_t vector =
              job_of(work.group,
                     table.adding(piece.elements) +
                         (pieces == 1 ? final_ops(stage, table, work.group) : 0),
                     work_on(stage, table, mapped, pieces == 1, false, terms))
                  .cycles.value;
          const std::int64_t taken =
              in + hw.read_latency + piece.latency + result + vector + hw.vector_latency;
          position += taken;
          least += taken - piece.latency + piece.least_latency;
          last_piece = taken;
          layer.input += Cycles(in + hw.read_latency);
          layer.array += Cycles(piece.latency);
          layer.output += Cycles(result);
          layer.vector += Cycles(vector + hw.vector_latency);
          if (writes) {
            layer.weights += Cycles(over(piece.write_bits, hw.bus_width) +
                                    std::max<std::int64_t>(0, piece.write - in));
          }
          if (i > 0) {
            arriving += piece.elements;
            widest = std::max(widest, piece.elements);
            hops += tile_of_piece(i) != tile_of_piece(i - 1) ? 1 : 0;
          }
        }
        last_at = tile_of_piece(pieces - 1);
        least *= stage.positions;
        total = layer.weights.value + stage.positions * position + hops;
        if (pieces > 1) {
          const std::int64_t combine =
              job_of(work.group,
                     table.adding(arriving) + final_ops(stage, table, work.group),
                     work_on(stage, table, mapped, true, true, of_all))
                  .cycles.value;
          tail = combine + hw.vector_latency +
                 travel(last_at, work.homes.front(), widest * table.acc_bits);
        }
        next_pe[work.group] += pieces;
      } else {
        work.homes = stage.role == Role::source ? input_ports(stage)
                     : stage.role == Role::sink ? std::vector<EndpointId>{chip.io_endpoint()}
                                                : std::vector<EndpointId>{tile_of(stage, mapping)};
        work.ends = work.homes;
        work.replicas = static_cast<std::int64_t>(work.homes.size());
        last_at = work.homes.back();
        const bool on_tile = stage.role == Role::vector;
        work.group = group_of(work.homes.front());
        const Hardware& hw = hardware[work.group];
        layer.input = Cycles(on_tile ? hw.read_latency : 0);
        layer.vector = Cycles((stage.role == Role::source ? 0 : stage.vector[work.group]) +
                              (on_tile ? hw.vector_latency : 0));
        last_piece = (layer.input + layer.vector).value;
        least = stage.positions * last_piece;
        for (std::int64_t k = 0; stage.role == Role::source && k < work.replicas; ++k) {
          least += stage.least_taking_in(work.firings(stage, k));
          total += stage.taking_in(work.firings(stage, k));
        }
        hops = work.replicas - 1;
        total = (stage.role == Role::source ? total : least) + hops;
      }
      std::int64_t start = turn + (turn_at == work.homes.front() || s == 0 ? 0 : 1);
      for (const int e : stage.edges) {
        start = std::max(start, done[ix(edges[ix(e)].from)] + transfer_estimate(edges[ix(e)]));
      }
      turn = start + total;
      turn_at = last_at;
      done[s] = turn + tail;
      bound += least;
      if (stage.role == Role::matrix || stage.role == Role::vector) {
        layer.layer = stage.layer;
        layer.name = network.layer(stage.layer).name;
        layer.positions = stage.positions;
        layer.latency_per_position = layer.input + layer.array + layer.output + layer.vector;
        layer.interval_per_position = layer.latency_per_position;
        layer.total = Cycles(total + tail);
        layer.busy = layer.total;
        layer.span = layer.total;
        layer.last_out = Cycles(done[s]);
        // Positions leave while the last fragment has its turn.
        layer.first_out = layer.last_out - Cycles((stage.positions - 1) * last_piece);
        layer.total_sum = layer.total;
        layer.total_max = layer.total;
        layer_of[s] = static_cast<int>(analysis.layers.size());
        analysis.layers.push_back(std::move(layer));
      }
    }
    lrmp(analysis, layer_of);
    analysis.latency = Cycles(done.back());
    analysis.interval = analysis.latency;
    analysis.bottleneck = "serial execution";
    analysis.lower_bound_latency = Cycles(bound);
    analysis.lower_bound_interval = Cycles(bound);
    return analysis;
  }

  const Network& network;
  const arch::chip::Chip& chip;
  Granularity granularity;
  std::unique_ptr<Fabric> fabric;
  std::vector<Hardware> hardware;          ///< [group of tiles]
  std::vector<std::size_t> group_of_tile;  ///< [tile]
  std::size_t endpoints = 0;
  bool shared_channel = false;
  bool has_ejection = true;

  std::vector<int> block_of;         ///< [matrix layer] Layout::block of the mapping at hand
  std::vector<int> vector_block_of;  ///< [vector layer] positions of its tile's vector unit
  std::vector<Stage> stages;         ///< topological: source first, sink last
  std::vector<Edge> edges;
  std::vector<std::vector<int>> consumers_of;
  std::vector<bool> every_position_needed;  ///< [edge] by the consumer
  std::vector<bool> all_needed;             ///< [stage] for the output
  Graph estimate_graph;
  Graph bound_graph;

  // Remembered from mapping to mapping.
  std::vector<std::map<std::tuple<std::size_t, int, int>, std::unique_ptr<Table>>>
      tables;  ///< [matrix layer]
  std::map<std::tuple<std::size_t, std::int64_t, VectorWork>, VectorCost> jobs;
  std::unordered_map<std::int64_t, std::int64_t> serializations;
  std::unordered_map<std::int64_t, std::unordered_map<std::uint64_t, std::int64_t>> travels;

  // Of the mapping at hand.
  std::vector<Work> works;
  std::vector<Part> parts;
  std::vector<VectorCost> jobs_of_parts;  ///< of the layer at hand, as `parts`
  VectorCost combine_job;                 ///< of its replica with most to combine
  std::vector<std::int64_t> transfers;
  std::vector<std::int64_t> values;
  std::vector<int> part_on;                  ///< [tile] part of the replica at hand, or -1
  std::vector<int> tiles_of_runs;            ///< scratch of is_scattered
  std::vector<int> row_seen;                 ///< [row block] part that counted it last
  std::set<std::pair<int, int>> rows_apart;  ///< part, row block
  std::vector<int> column_seen;              ///< [column block] part that counted it last
  std::set<std::pair<int, int>> seen_apart;  ///< part, column block
  Load bus, vector_unit, inject, eject;
  Tally tally_bus, tally_vector, tally_inject, tally_eject;
  std::int64_t most_pe = 0;
  std::int64_t slack_pe = 0;  ///< PE time of an image that its result does not wait for
};

VectorCost vector_cost(const arch::chip::TileGroup& tiles,
                       std::int64_t ops,
                       const VectorWork& work) {
  VectorCost out;
  const std::optional<std::vector<Op>> programs = tiles.vector_ops(work);
  if (!programs) {
    out.ops = ops;
    out.cycles = arch::tile::vector_cycles(ops, tiles.tile.vector_unit);
    return out;
  }
  std::vector<Cycles> times;
  for (const Op& op : *programs) {
    const Cost cost = tiles.pe->fire_cost(op);
    times.push_back(cost.latency);
    std::transform(
        cost.did.begin(), cost.did.end(), out.did.begin(), out.did.begin(), std::plus<>());
  }
  out.cycles = arch::tile::vector_cycles(times, tiles.tile.vector_unit);
  return out;
}

Cycles Analysis::lower_bound_cycles(std::int64_t images) const {
  return std::max(lower_bound_latency, images * lower_bound_interval - lower_bound_slack);
}

Analyzer::Analyzer(const Network& network, const arch::chip::Chip& chip, Granularity granularity)
    : impl_(std::make_unique<Impl>(network, chip, granularity)) {}

Analyzer::~Analyzer() = default;
Analyzer::Analyzer(Analyzer&&) noexcept = default;
Analyzer& Analyzer::operator=(Analyzer&&) noexcept = default;

Analysis Analyzer::analyze(const Mapping& mapping) {
  return impl_->granularity == Granularity::serial ? impl_->serial(mapping)
                                                   : impl_->pipelined(mapping);
}

std::optional<LayerAlone> Analyzer::alone(std::size_t index, int w_bits, int a_bits) {
  return impl_->alone(index, w_bits, a_bits);
}

Analysis analyze(const Network& network,
                 const arch::chip::Chip& chip,
                 const Mapping& mapping,
                 Granularity granularity) {
  return Analyzer(network, chip, granularity).analyze(mapping);
}

}  // namespace tessera::mapper
