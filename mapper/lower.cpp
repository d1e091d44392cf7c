// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Stages and parts first, then edges and ports, then memory stages for what does not fit, then
/// windows. Every loop is linear in fragments, or in positions times kernel size.
#include "mapper/lower.hpp"

#include "arch/tile/vector_unit.hpp"
#include "mapper/first_fit.hpp"
#include "mapper/line_buffers.hpp"
#include "sim/base/math.hpp"
#include "sim/base/text.hpp"
#include "workloads/receptive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

constexpr int kUnlimitedSlots = 1 << 30;

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

[[noreturn]] void unchecked(const std::string& what) {
  throw InternalError("mapper/lower", -1, what + "; was the mapping checked?");
}

/// Half-open range of positions.
struct Band {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool operator==(const Band&) const = default;
  auto operator<=>(const Band&) const = default;
};

using Bands = std::vector<Band>;

void merge_bands(Bands& bands) {
  std::sort(bands.begin(), bands.end());
  std::size_t kept = 0;
  for (const Band& band : bands) {
    if (kept > 0 && band.begin <= bands[kept - 1].end) {
      bands[kept - 1].end = std::max(bands[kept - 1].end, band.end);
    } else {
      bands[kept++] = band;
    }
  }
  bands.resize(kept);
}

/// What one operand of one layer reads, reshapes on the way to its producer seen through.
struct Reach {
  enum class Mode { position, window, whole };  ///< `position`: one input position each

  Mode mode;
  LayerId producer;        ///< whose positions they are
  std::int64_t positions;  ///< of the producer's tensor
  int channels;            ///< of one of them
  ReceptiveField field;
};

LayerId behind_reshapes(const Network& network, LayerId id) {
  while (network.layer(id).kind == LayerKind::flatten) {
    id = network.layer(id).inputs.front();
  }
  return id;
}

Reach reach_of(const Network& network, LayerId id, std::size_t operand) {
  const Layer& layer = network.layer(id);
  const LayerId producer = behind_reshapes(network, layer.inputs[operand]);
  const Shape& shape = network.layer(producer).out;
  Reach reach{Reach::Mode::position,
              producer,
              shape.positions(),
              shape.channels,
              ReceptiveField(network, id, operand)};
  const bool reshaped = shape.positions() != network.in_shape(id, operand).positions();
  if (reshaped || layer.kind == LayerKind::fc ||
      (layer.kind == LayerKind::matmul && operand == 1)) {
    reach.mode = Reach::Mode::whole;
  } else if (layer.kind == LayerKind::conv || layer.kind == LayerKind::max_pool ||
             layer.kind == LayerKind::avg_pool) {
    reach.mode = Reach::Mode::window;
  }
  return reach;
}

/// How long a consumer needs the positions of an operand, per consumer position (ProgramEdge).
struct Needs {
  std::vector<std::int32_t> last;
  std::vector<std::int32_t> first;
};

Needs needs_of(const Reach& reach, const Blocks& consumer, const Blocks& producer) {
  Needs needs;
  needs.last.resize(ix(consumer.count()));
  needs.first.resize(ix(consumer.count()));
  const bool whole = reach.mode == Reach::Mode::whole;
  std::int64_t highest = -1;
  for (std::int64_t p = 0; p < consumer.positions; ++p) {
    highest = std::max(highest, whole ? reach.positions - 1 : reach.field.last_needed(p));
    needs.last[ix(consumer.at(p))] = static_cast<std::int32_t>(producer.at(highest));
  }
  std::int64_t lowest = whole ? 0 : reach.positions;
  for (std::int64_t p = consumer.positions - 1; p >= 0; --p) {
    if (const std::int64_t first = reach.field.first_needed(p);
        !whole && reach.field.last_needed(p) >= first) {  // else only padding
      lowest = std::min(lowest, first);
    }
    needs.first[ix(consumer.at(p))] = static_cast<std::int32_t>(
        lowest == reach.positions ? producer.count() : producer.at(lowest));
  }
  return needs;
}

/// The whole image must be there before the first position fires.
void need_whole_image(ProgramEdge& edge) {
  std::fill(edge.last_needed.begin(),
            edge.last_needed.end(),
            static_cast<std::int32_t>(edge.positions - 1));
}

/// Slots that an edge needs once its producer never runs ahead.
std::int64_t widest_field(const Needs& needs) {
  std::int64_t widest = 1;
  for (std::size_t p = 0; p < needs.last.size(); ++p) {
    widest = std::max<std::int64_t>(widest, std::int64_t{needs.last[p]} - needs.first[p] + 1);
  }
  return widest;
}

class Lowering {
 public:
  Lowering(const Network& network,
           const Mapping& mapping,
           const arch::chip::Chip& chip,
           const LowerOptions& options,
           Diagnostics& diagnostics)
      : network_(network),
        mapping_(mapping),
        chip_(chip),
        options_(options),
        diagnostics_(diagnostics),
        serial_(options.granularity == Granularity::serial) {}

  Program run() {
    describe_chip();
    if (!cut_matrices()) {
      return std::move(program_);
    }
    add_stages();
    add_edges();
    if (serial_) {
      find_min_windows(program_);
      open_all_windows();
    } else {
      fit_buffers();
    }
    set_limits();
    program_.load_cycles = Cycles(
        load_of_tile_.empty() ? 0 : *std::max_element(load_of_tile_.begin(), load_of_tile_.end()));
    return std::move(program_);
  }

 private:
  /// A matrix layer before it is placed.
  struct Matrix {
    const LayerMapping* mapping = nullptr;
    std::size_t group = 0;  ///< of the chip's tiles
    MatrixOp matrix;
    Layout layout;
    std::vector<Op> ops;                    ///< distinct
    std::vector<int> op_of;                 ///< [fragment]
    std::vector<int> schedules;             ///< [op]
    std::vector<int> write_schedules;       ///< [op], -1 without rewriting
    std::vector<std::int64_t> load_cycles;  ///< [op] of programming one PE
  };

  struct Holding {
    int fragment;
    int pe;
  };

  // ---- chip and matrices ------------------------------------------------------------------------

  void describe_chip() {
    program_.granularity = options_.granularity;
    program_.tiles = static_cast<int>(chip_.tiles());
    program_.io_endpoint = chip_.io_endpoint();
    program_.io_ports = static_cast<int>(chip_.spec.io.ports);
    program_.memory_endpoint = chip_.memory_endpoint();
    load_of_tile_.assign(ix(program_.tiles), 0);
    schedule_index_.resize(chip_.groups.size());
    fragments_.assign(chip_.groups.size(), 0);
    next_serial_pe_.assign(chip_.groups.size(), 0);
  }

  /// The tile's own; what is on no tile has those of the first tile.
  [[nodiscard]] const arch::tile::TileSpec& tile_at(EndpointId at) const {
    return at < program_.tiles ? chip_.group_at(at).tile : chip_.groups.front().tile;
  }

  /// Firings and positions that may be under way.
  void set_limits() {
    for (ProgramPart& part : program_.parts) {
      part.input_registers = serial_ ? 1 : static_cast<int>(tile_at(part.at).input_registers);
    }
    for (ProgramStage& stage : program_.stages) {
      for (ProgramReplica& replica : stage.replicas) {
        replica.output_slots =
            serial_ ? kUnlimitedSlots : static_cast<int>(tile_at(replica.home).output_slots);
      }
    }
  }

  bool cut_matrices() {
    std::size_t entry = 0;
    for (LayerId id = 0; id <= network_.output(); ++id) {
      matrix_of_.push_back(-1);
      const Layer& layer = network_.layer(id);
      if (!layer.is_matrix()) {
        continue;
      }
      if (entry == mapping_.layers.size() || mapping_.layers[entry].layer != id) {
        unchecked(fmt::format("the mapping has no entry for layer '{}'", layer.name));
      }
      Matrix matrix;
      matrix.mapping = &mapping_.layers[entry++];
      matrix.matrix = matrix_op(network_, id, matrix.mapping->w_bits, matrix.mapping->a_bits);
      matrix.group = chip_.group_named(matrix.mapping->group);
      const Model& model = *chip_.groups[matrix.group].pe;
      matrix.layout = model.layout(matrix.matrix);
      if (!matrix.layout.ok) {
        Diagnostic d;
        d.code = "E-MAP-LAYOUT";
        d.sentence =
            fmt::format("layer '{}' cannot be cut into pieces for {}", layer.name, model.kind());
        d.path = "mapping.layers." + layer.name;
        d.expected = "a matrix that the processing elements can hold";
        d.got = matrix.layout.why_not;
        diagnostics_.error(std::move(d));
      }
      fragments_[matrix.group] += static_cast<std::int64_t>(matrix.layout.fragments.size());
      matrix_of_.back() = static_cast<int>(matrices_.size());
      matrices_.push_back(std::move(matrix));
    }
    return diagnostics_.ok();
  }

  int schedule_of(std::size_t group, const Op& op) {
    const auto [found, fresh] =
        schedule_index_[group].try_emplace(op, static_cast<int>(program_.schedules.size()));
    if (fresh) {
      const Model& model = *chip_.groups[group].pe;
      program_.schedules.push_back(make_schedule(model.steps(op)));
      program_.schedules.back().most_cell_writes = model.most_cell_writes(op);
    }
    return found->second;
  }

  /// Finds the distinct Ops of a matrix and their schedules.
  void schedule(Matrix& m, bool rewrites) {
    const Model& model = *chip_.groups[m.group].pe;
    std::map<Op, int> index;
    int latest = -1;
    m.op_of.reserve(m.layout.fragments.size());
    for (const Fragment& fragment : m.layout.fragments) {
      const Op op = model.op(OpCode::mvm, m.matrix, fragment);
      if (latest < 0 || m.ops[ix(latest)] != op) {  // neighbours are mostly equal
        const auto [found, fresh] = index.try_emplace(op, static_cast<int>(m.ops.size()));
        latest = found->second;
        if (fresh) {
          const Op write = model.op(OpCode::write, m.matrix, fragment);
          m.ops.push_back(op);
          m.schedules.push_back(schedule_of(m.group, op));
          m.write_schedules.push_back(rewrites ? schedule_of(m.group, write) : -1);
          m.load_cycles.push_back(rewrites ? 0 : make_schedule(model.steps(write)).latency.value);
        }
      }
      m.op_of.push_back(latest);
    }
  }

  // ---- stages -----------------------------------------------------------------------------------

  void add_stages() {
    stage_of_.assign(network_.layers.size(), -1);
    for (LayerId id = 0; id <= network_.output(); ++id) {
      const Layer& layer = network_.layer(id);
      if (layer.kind == LayerKind::flatten) {
        stage_of_[ix(id)] = stage_of_[ix(layer.inputs.front())];
        continue;
      }
      stage_of_[ix(id)] = static_cast<int>(program_.stages.size());
      ProgramStage& stage = program_.stages.emplace_back();
      stage.name = layer.name;
      stage.layer = id;
      const bool matrix = layer.is_matrix();
      const bool vector = !matrix && layer.kind != LayerKind::input;
      const EndpointId at = vector ? tile_of_vector_layer(id) : -1;
      stage.raster = Blocks::of(layer.out.positions(),
                                matrix   ? matrices_[ix(matrix_of_[ix(id)])].layout.block
                                : vector ? chip_.group_at(at).vector_block(id)
                                         : 1);
      stage.positions = stage.raster.count();
      stage.out_bits =
          Bits(stage.raster.size * std::int64_t{layer.out.channels} * layer.message_bits());
      if (layer.kind == LayerKind::input) {
        fill_source(stage);
      } else if (matrix) {
        fill_matrix(stage, layer, matrices_[ix(matrix_of_[ix(id)])]);
      } else {
        fill_vector(stage, layer, id, at);
      }
    }
    const ProgramStage& last = program_.stages[ix(stage_of_.back())];
    ProgramStage sink;
    sink.name = "output";
    while (std::any_of(network_.layers.begin(), network_.layers.end(), [&](const Layer& layer) {
      return layer.name == sink.name;
    })) {
      sink.name += "_";
    }
    sink.kind = StageKind::sink;
    sink.positions = last.positions;
    sink.raster = last.raster;
    sink.out_bits = last.out_bits;
    program_.stages.push_back(std::move(sink));
    add_channel_part(program_.stages.back(),
                     program_.io_endpoint,
                     chip_.spec.io.width,
                     program_.stages.back().out_bits);
  }

  /// One more replica, on an I/O port or memory channel that moves `bits` per firing.
  void add_channel_part(ProgramStage& stage, EndpointId at, std::int64_t width, Bits bits) {
    ProgramPart part;
    part.stage = static_cast<int>(&stage - program_.stages.data());
    part.replica = static_cast<int>(stage.replicas.size());
    part.at = at;
    part.vector.cycles = Cycles(width == 0 ? 0 : ceil_div(bits.value, width));
    if (stage.kind == StageKind::memory) {
      part.vector.latency = chip_.clock.ceil_cycles(chip_.spec.memory.latency);
    }
    stage.replicas.push_back({at, {static_cast<int>(program_.parts.size())}});
    program_.parts.push_back(std::move(part));
  }

  void fill_source(ProgramStage& stage) {
    stage.kind = StageKind::source;
    // Small positions (pixels of an RGB image) share a packet, so they travel together.
    const arch::fabric::FabricSpec& fabric = chip_.spec.fabric;
    const std::int64_t payload =
        (fabric.max_packet_flits * fabric.flit_bits - fabric.header_bits).value;
    stage.burst = std::max<std::int64_t>(1, payload / stage.out_bits.value);
    const std::int64_t ports = std::min(chip_.spec.io.ports, stage.positions);
    for (std::int64_t port = 0; port < ports; ++port) {
      add_channel_part(stage,
                       program_.io_endpoint + static_cast<EndpointId>(port),
                       chip_.spec.io.width,
                       stage.out_bits);
    }
  }

  void fill_vector(ProgramStage& stage, const Layer& layer, LayerId id, EndpointId at) {
    stage.kind = StageKind::vector;
    ProgramPart part;
    part.stage = stage_of_[ix(id)];
    part.at = at;
    VectorWork work;
    work.layer = id;
    part.vector =
        vector_job(chip_.group_of(at), arch::tile::layer_ops(layer, tile_at(at).vector_unit), work);
    for (const LayerId input : layer.inputs) {
      const ProgramStage& from = program_.stages[ix(stage_of_[ix(input)])];
      const std::int64_t taps = std::int64_t{layer.window.kernel_h} * layer.window.kernel_w;
      part.in_bits += Bits(stage.raster.size * taps * from.out_bits.value / from.raster.size);
    }
    stage.replicas.push_back({part.at, {static_cast<int>(program_.parts.size())}});
    program_.parts.push_back(std::move(part));
  }

  /// Work of the vector units of a group of tiles: programs of their PEs where these can do it,
  /// else lane operations.
  VectorJob vector_job(std::size_t group, std::int64_t ops, const VectorWork& work) {
    const arch::chip::TileGroup& tiles = chip_.groups[group];
    VectorJob job;
    job.latency = chip_.clock.ceil_cycles(tiles.tile.vector_unit.latency);
    std::optional<std::vector<Op>> programs = tiles.vector_ops(work);
    if (!programs) {
      job.ops = ops;
      job.cycles = arch::tile::vector_cycles(ops, tiles.tile.vector_unit);
      return job;
    }
    job.programs = std::move(*programs);
    std::vector<Cycles> times;
    for (const Op& op : job.programs) {
      job.pes.push_back(arch::tile::pe_of_program(job.pes.size(), tiles.tile.vector_unit));
      job.schedules.push_back(schedule_of(group, op));
      const Schedule& schedule = program_.schedules[ix(job.schedules.back())];
      times.push_back(schedule.latency);
      job.most_cell_writes += schedule.most_cell_writes;
      for (std::size_t action = 0; action < kMaxActions; ++action) {
        job.did[action] += schedule.did[action];
      }
    }
    job.cycles = arch::tile::vector_cycles(times, tiles.tile.vector_unit);
    return job;
  }

  /// As the mapping says; a layer that it does not name (it costs nothing) stays where its first
  /// operand is produced.
  EndpointId tile_of_vector_layer(LayerId id) {
    const auto& named = mapping_.vector_layers;
    while (vector_entry_ < named.size() && named[vector_entry_].layer < id) {
      ++vector_entry_;
    }
    if (vector_entry_ < named.size() && named[vector_entry_].layer == id) {
      const int tile = named[vector_entry_].tile;
      if (tile < 0 || tile >= program_.tiles) {
        unchecked(fmt::format("layer '{}' is on tile {}", network_.layer(id).name, tile));
      }
      return tile;
    }
    const int producer = stage_of_[ix(network_.layer(id).inputs.front())];
    const EndpointId home = program_.stages[ix(producer)].replicas.front().home;
    return home < program_.tiles ? home : 0;
  }

  // ---- matrix stages ----------------------------------------------------------------------------

  void fill_matrix(ProgramStage& stage, const Layer& layer, Matrix& m) {
    stage.kind = StageKind::matrix;
    // Under `serial` the PEs of a sort are written in turn when they are too few.
    stage.rewrites = (serial_ && fragments_[m.group] > chip_.groups[m.group].pes()) ||
                     layer.has_dynamic_weights();
    schedule(m, stage.rewrites);
    if (serial_) {
      place_serially(stage, m);
    } else {
      const auto& placement = m.mapping->placement;
      if (placement.size() != ix(m.mapping->replicas) || placement.empty()) {
        unchecked(fmt::format("layer '{}' has no placement", layer.name));
      }
      // A replica beyond the last position has nothing to do.
      const std::int64_t replicas = std::min<std::int64_t>(m.mapping->replicas, stage.positions);
      for (std::int64_t k = 0; k < replicas; ++k) {
        place_replica(stage, layer, m, placement[ix(k)]);
      }
    }
    add_vector_work(stage, layer, m);
    if (!stage.rewrites) {
      for (const ProgramReplica& replica : stage.replicas) {
        for (const int p : replica.parts) {
          add_load(program_.parts[ix(p)], m);
        }
      }
    }
  }

  void place_replica(ProgramStage& stage,
                     const Layer& layer,
                     const Matrix& m,
                     const std::vector<PlacedRun>& runs) {
    std::vector<std::pair<int, std::vector<Holding>>> tiles;  // in order of appearance
    std::map<int, std::size_t> index;
    int fragment = 0;
    const int fragments = static_cast<int>(m.layout.fragments.size());
    for (const PlacedRun& run : runs) {
      if (run.tile < 0 || run.tile >= program_.tiles || run.pes > fragments - fragment ||
          chip_.group_of(run.tile) != m.group) {
        unchecked(fmt::format("layer '{}' is placed where it cannot be", layer.name));
      }
      const auto [found, fresh] = index.try_emplace(run.tile, tiles.size());
      if (fresh) {
        tiles.emplace_back(run.tile, std::vector<Holding>{});
      }
      for (int k = 0; k < run.pes; ++k) {
        tiles[found->second].second.push_back({fragment++, run.first_pe + k});
      }
    }
    if (fragment != fragments) {
      unchecked(fmt::format(
          "layer '{}' has {} fragments, {} are placed", layer.name, fragments, fragment));
    }
    program_.pes_used += fragments;
    ProgramReplica& replica = stage.replicas.emplace_back();
    replica.home = tiles.front().first;
    for (const auto& [tile, holdings] : tiles) {
      add_matrix_part(stage, replica, m, tile, holdings);
    }
  }

  /// Every fragment is a part of its own, on the next PE of its sort.
  void place_serially(ProgramStage& stage, const Matrix& m) {
    ProgramReplica& replica = stage.replicas.emplace_back();
    const arch::chip::TileGroup& group = chip_.groups[m.group];
    const std::int64_t pes_per_tile = group.tile.pes;
    const int first_tile = chip_.first_tile(m.group);
    std::int64_t& next = next_serial_pe_[m.group];
    program_.pes_used -= std::min(next, group.pes());
    const auto fragments = static_cast<std::int64_t>(m.layout.fragments.size());
    for (std::int64_t fragment = 0; fragment < fragments; ++fragment) {
      const std::int64_t pe = next++ % group.pes();
      add_matrix_part(stage,
                      replica,
                      m,
                      first_tile + static_cast<int>(pe / pes_per_tile),
                      {{static_cast<int>(fragment), static_cast<int>(pe % pes_per_tile)}});
    }
    replica.home = program_.parts[ix(replica.parts.front())].at;
    program_.pes_used += std::min(next, group.pes());
  }

  /// `held`: fragments in layout order.
  void add_matrix_part(ProgramStage& stage,
                       ProgramReplica& replica,
                       const Matrix& m,
                       int tile,
                       std::vector<Holding> held) {
    const std::vector<Fragment>& fragments = m.layout.fragments;
    const Layer& layer = network_.layer(stage.layer);
    // Rows of a fully connected layer run over the positions of the tensor, whatever flattened it.
    const bool fully_connected = layer.kind == LayerKind::fc;
    const LayerId producer = behind_reshapes(network_, layer.inputs.front());
    const std::int64_t position_rows = network_.layer(producer).out.channels;
    const Blocks& from = program_.stages[ix(stage_of_[ix(producer)])].raster;
    const std::int64_t block = stage.raster.size;
    ProgramPart part;
    part.stage = stage_of_[ix(stage.layer)];
    part.replica = static_cast<int>(stage.replicas.size()) - 1;
    part.at = tile;

    Bands bands;
    std::vector<std::pair<std::pair<int, std::int64_t>, std::int64_t>> columns;
    std::set<std::tuple<int, std::int64_t, int>> rows;
    const Fragment* before = nullptr;
    for (const Holding& holding : held) {
      const Fragment& f = fragments[ix(holding.fragment)];
      const std::int64_t width = block * f.cols * f.groups;  // results of one firing
      part.elements += width;
      if (rows.emplace(f.group, f.row, f.channel).second) {
        // Column blocks and slices of a row block listen to the same broadcast.
        part.in_bits += Bits(block * f.rows_read() * f.groups * m.matrix.in_bits);
        if (fully_connected) {
          bands.push_back(
              {from.at(f.row / position_rows), from.at((f.row + f.rows - 1) / position_rows) + 1});
        }
      }
      if (before == nullptr || before->group != f.group || before->col != f.col) {
        columns.push_back({{f.group, f.col}, width});
      }
      before = &f;
    }
    part.out_bits = Bits(part.elements * m.layout.out_bits);
    merge_bands(bands);
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    std::int64_t covered = 0;
    for (const auto& [column, width] : columns) {
      covered += width;
    }

    std::stable_sort(held.begin(), held.end(), [&](const Holding& a, const Holding& b) {
      return m.op_of[ix(a.fragment)] < m.op_of[ix(b.fragment)];
    });
    int op_before = -1;
    for (const Holding& holding : held) {
      const int op = m.op_of[ix(holding.fragment)];
      if (op != op_before) {
        part.groups.push_back({.schedule = m.schedules[ix(op)],
                               .write_schedule = m.write_schedules[ix(op)],
                               .pes = 0,
                               .first_pe = holding.pe,
                               .resident = static_cast<int>(program_.residents.size())});
        op_before = op;
      }
      ++part.groups.back().pes;
      program_.residents.push_back({fragments[ix(holding.fragment)], m.ops[ix(op)], holding.pe});
    }

    const std::size_t number = program_.parts.size();
    replica.parts.push_back(static_cast<int>(number));
    program_.parts.push_back(std::move(part));
    bands_of_.resize(number + 1);
    bands_of_[number] = std::move(bands);
    covered_.resize(number + 1, 0);
    covered_[number] = covered;
  }

  void add_vector_work(ProgramStage& stage, const Layer& layer, const Matrix& m) {
    stage.ends_sums = m.layout.ends_sums;
    // All tiles of a layer are of one sort.
    const std::int64_t end =
        stage.ends_sums ? 0
                        : stage.raster.size *
                              arch::tile::final_ops(layer, chip_.groups[m.group].tile.vector_unit);
    const auto adding = [&](std::int64_t results) {
      return stage.ends_sums ? 0 : arch::tile::accumulate_ops(results);
    };
    std::int64_t widest_partial = 0;
    std::int64_t most_combining = 0;
    std::vector<int> parts_of_output;  // the most of any replica
    for (const ProgramReplica& replica : stage.replicas) {
      const bool alone = replica.parts.size() == 1;
      std::int64_t arriving = 0;
      std::vector<int> parts;
      for (const int p : replica.parts) {
        ProgramPart& part = program_.parts[ix(p)];
        VectorWork work = work_of(stage, m, part);
        work.what = alone ? VectorWork::What::end : VectorWork::What::add;
        parts.resize(work.terms.size());
        for (std::size_t output = 0; output < parts.size(); ++output) {
          parts[output] += work.terms[output] > 0 ? 1 : 0;
        }
        part.vector = vector_job(m.group, adding(part.elements) + (alone ? end : 0), work);
        if (!alone && p != replica.parts.front()) {
          arriving += covered_[ix(p)];
          widest_partial = std::max(widest_partial, covered_[ix(p)]);
        }
      }
      most_combining = std::max(most_combining, arriving);
      parts_of_output.resize(parts.size());
      std::transform(parts.begin(),
                     parts.end(),
                     parts_of_output.begin(),
                     parts_of_output.begin(),
                     [](int a, int b) { return std::max(a, b); });
    }
    if (widest_partial > 0) {
      stage.partial_bits = Bits(widest_partial * m.layout.acc_bits);
      VectorWork work{VectorWork::What::end,
                      stage.layer,
                      m.matrix.w_bits,
                      m.matrix.in_bits,
                      m.layout.acc_bits,
                      parts_of_output};
      stage.combine = vector_job(m.group, adding(most_combining) + end, work);
    }
  }

  /// What becomes of the results of a part's PEs, for a vector unit with PEs; nothing when they are
  /// outputs.
  VectorWork work_of(const ProgramStage& stage, const Matrix& m, const ProgramPart& part) const {
    VectorWork work;
    work.layer = stage.layer;
    work.w_bits = m.matrix.w_bits;
    work.a_bits = m.matrix.in_bits;
    work.term_bits = m.layout.out_bits;
    if (stage.ends_sums || chip_.groups[m.group].tile.vector_unit.pes == 0) {
      return work;
    }
    work.terms.resize(ix(m.matrix.groups * m.matrix.cols));
    for (const LockstepGroup& group : part.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const Fragment& f = program_.residents[ix(group.resident + i)].fragment;
        const std::int64_t first = f.group * m.matrix.cols + f.col;
        for (std::int64_t c = first; c < first + std::int64_t{f.groups} * f.cols; ++c) {
          ++work.terms[ix(c)];
        }
      }
    }
    return work;
  }

  void add_load(const ProgramPart& part, const Matrix& m) {
    for (const LockstepGroup& group : part.groups) {
      const auto op = std::find(m.schedules.begin(), m.schedules.end(), group.schedule);
      const std::int64_t cycles = m.load_cycles[ix(op - m.schedules.begin())];
      load_of_tile_[ix(part.at)] += group.pes * cycles;
      program_.weight_writes += group.pes;
    }
  }

  // ---- edges and ports --------------------------------------------------------------------------

  void add_edges() {
    bands_of_.resize(program_.parts.size());
    for (LayerId id = 0; id <= network_.output(); ++id) {
      const Layer& layer = network_.layer(id);
      if (layer.kind != LayerKind::input && layer.kind != LayerKind::flatten) {
        for (std::size_t operand = 0; operand < layer.inputs.size(); ++operand) {
          add_edge(id, operand);
        }
      }
    }
    const int sink = static_cast<int>(program_.stages.size()) - 1;
    ProgramEdge& edge = join(stage_of_.back(), sink, 0);
    pass_through(edge);
    add_port(static_cast<int>(program_.edges.size()) - 1, program_.stages[ix(sink)].replicas[0]);
  }

  ProgramEdge& join(int from, int to, int operand) {
    const int number = static_cast<int>(program_.edges.size());
    ProgramEdge& edge = program_.edges.emplace_back();
    edge.from = from;
    edge.to = to;
    edge.operand = operand;
    edge.positions = program_.stages[ix(from)].positions;
    edge.bits = program_.stages[ix(from)].out_bits;
    program_.stages[ix(from)].out_edges.push_back(number);
    program_.stages[ix(to)].in_edges.push_back(number);
    return edge;
  }

  /// Consumer position p needs producer position p.
  static void pass_through(ProgramEdge& edge) {
    edge.last_needed.resize(ix(edge.positions));
    for (std::int64_t p = 0; p < edge.positions; ++p) {
      edge.last_needed[ix(p)] = static_cast<std::int32_t>(p);
    }
    edge.first_needed = edge.last_needed;
  }

  /// A port with one part of a stage that is neither matrix nor vector work.
  void add_port(int edge, const ProgramReplica& replica) {
    program_.edges[ix(edge)].ports.push_back(static_cast<int>(program_.ports.size()));
    ProgramPort port;
    port.edge = edge;
    port.at = replica.home;
    port.parts = replica.parts;
    program_.ports.push_back(std::move(port));
  }

  void add_edge(LayerId id, std::size_t operand) {
    const Layer& layer = network_.layer(id);
    const Reach reach = reach_of(network_, id, operand);
    const int to = stage_of_[ix(id)];
    ProgramEdge& edge = join(stage_of_[ix(reach.producer)], to, static_cast<int>(operand));
    const int number = static_cast<int>(program_.edges.size()) - 1;
    ProgramStage& stage = program_.stages[ix(to)];
    Needs needs = needs_of(reach, stage.raster, program_.stages[ix(edge.from)].raster);
    edge.last_needed = std::move(needs.last);
    edge.first_needed = std::move(needs.first);
    const bool weights = layer.has_dynamic_weights() && operand == 1;
    if (weights) {
      stage.weight_edge = number;
      // Once every replica has written its matrix, the line buffer may take the next image.
      for (std::size_t p = stage.replicas.size(); p < edge.first_needed.size(); ++p) {
        edge.first_needed[p] = static_cast<std::int32_t>(edge.positions);
      }
    }
    if (options_.granularity != Granularity::pixel) {
      need_whole_image(edge);
    }
    add_ports(number, reach, weights);
  }

  /// A part of the consumer as the filter of a port sees it: replica, and what it reads of a
  /// tensor.
  using Reader = std::pair<int, Bands>;

  void add_ports(int edge_number, const Reach& reach, bool weights) {
    const int from = program_.edges[ix(edge_number)].from;
    const int to = program_.edges[ix(edge_number)].to;
    const ProgramStage& stage = program_.stages[ix(to)];
    std::vector<int> parts;
    for (const ProgramReplica& replica : stage.replicas) {
      parts.insert(parts.end(), replica.parts.begin(), replica.parts.end());
    }
    std::stable_sort(parts.begin(), parts.end(), [&](int a, int b) {
      return program_.parts[ix(a)].at < program_.parts[ix(b)].at;
    });
    std::map<std::vector<Reader>, std::size_t> known;  // to the port that has the filter already
    for (std::size_t begin = 0, end = 0; begin < parts.size(); begin = end) {
      const EndpointId at = program_.parts[ix(parts[begin])].at;
      std::vector<Reader> readers;
      for (; end < parts.size() && program_.parts[ix(parts[end])].at == at; ++end) {
        const ProgramPart& part = program_.parts[ix(parts[end])];
        readers.emplace_back(part.replica, bands_of_[ix(parts[end])]);
      }
      ProgramPort port;
      port.edge = edge_number;
      port.at = at;
      port.parts.assign(parts.begin() + static_cast<std::ptrdiff_t>(begin),
                        parts.begin() + static_cast<std::ptrdiff_t>(end));
      if (!weights) {
        std::sort(readers.begin(), readers.end());
        readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
        const auto [found, fresh] = known.try_emplace(std::move(readers), program_.ports.size());
        port.needed = fresh ? filter(stage, program_.stages[ix(from)].raster, reach, found->first)
                            : program_.ports[found->second].needed;
      }
      program_.edges[ix(edge_number)].ports.push_back(static_cast<int>(program_.ports.size()));
      program_.ports.push_back(std::move(port));
    }
  }

  /// Positions that at least one reader needs; empty when that is all of them.
  [[nodiscard]] std::vector<bool> filter(const ProgramStage& stage,
                                         const Blocks& producer,
                                         const Reach& reach,
                                         const std::vector<Reader>& readers) const {
    const auto replicas = static_cast<std::int64_t>(stage.replicas.size());
    std::vector<bool> needed(ix(producer.count()), false);
    for (const auto& [replica, bands] : readers) {
      switch (reach.mode) {
        case Reach::Mode::whole:
          if (bands.empty()) {
            return {};
          }
          for (const Band& band : bands) {
            std::fill(
                needed.begin() + static_cast<std::ptrdiff_t>(band.begin),
                needed.begin() + static_cast<std::ptrdiff_t>(std::min(band.end, producer.count())),
                true);
          }
          break;
        case Reach::Mode::position:
          stage.raster.for_each_of(replica, replicas, [&](std::int64_t p) {
            needed[ix(producer.at(reach.field.first_needed(p)))] = true;
          });
          break;
        case Reach::Mode::window:
          stage.raster.for_each_of(
              replica, replicas, [&](std::int64_t p) { mark_window(stage, producer, p, needed); });
          break;
      }
    }
    const bool all = std::find(needed.begin(), needed.end(), false) == needed.end();
    return all ? std::vector<bool>{} : needed;
  }

  /// The positions of the window of p that are not padding.
  void mark_window(const ProgramStage& stage,
                   const Blocks& producer,
                   std::int64_t p,
                   std::vector<bool>& needed) const {
    const Layer& layer = network_.layer(stage.layer);
    const Shape& in = network_.in_shape(stage.layer);
    const Window& w = layer.window;
    const std::int64_t top = p / layer.out.width * w.stride_h - w.pad_top;
    const std::int64_t left = p % layer.out.width * w.stride_w - w.pad_left;
    for (std::int64_t i = 0; i < w.kernel_h; ++i) {
      const std::int64_t row = top + i * w.dilation_h;
      if (row < 0 || row >= in.height) {
        continue;
      }
      for (std::int64_t j = 0; j < w.kernel_w; ++j) {
        const std::int64_t column = left + j * w.dilation_w;
        if (column >= 0 && column < in.width) {
          needed[ix(producer.at(row * in.width + column))] = true;
        }
      }
    }
  }

  // ---- line buffers -----------------------------------------------------------------------------

  void open_all_windows() {
    for (ProgramPort& port : program_.ports) {
      port.window = kUnlimitedWindow;
    }
  }

  void fit_buffers() {
    find_min_windows(program_);
    if (options_.ignore_capacity) {
      open_all_windows();
      return;
    }
    const std::vector<Bits> capacities = buffer_capacities(chip_);
    std::vector<Overflow> overflows = find_overflows(program_, capacities);
    const bool may_spill = program_.memory_endpoint >= 0 &&
                           (options_.spill || options_.granularity == Granularity::layer);
    while (may_spill && !overflows.empty()) {
      const std::set<int> edges = choose_spills(overflows);
      if (edges.empty()) {
        break;
      }
      spill(edges);
      find_min_windows(program_);
      overflows = find_overflows(program_, capacities);
    }
    for (const Overflow& overflow : overflows) {
      report(overflow);
    }
    if (overflows.empty()) {
      share_capacity(program_, capacities, window_targets());
    }
  }

  /// What a window may grow to: two images, and under `layer` one more for every stage that the
  /// data waits for beside this edge.
  [[nodiscard]] std::vector<std::int64_t> window_targets() const {
    std::vector<std::int64_t> depth(program_.stages.size(), 0);
    std::vector<std::int64_t> targets;
    for (std::size_t s = 0; s < program_.stages.size(); ++s) {
      for (const int e : program_.stages[s].in_edges) {
        depth[s] = std::max(depth[s], depth[ix(program_.edges[ix(e)].from)] + 1);
      }
    }
    const std::int64_t images = std::max<std::int64_t>(1, options_.images);
    for (const ProgramEdge& edge : program_.edges) {
      const std::int64_t apart = options_.granularity == Granularity::layer
                                     ? depth[ix(edge.to)] - depth[ix(edge.from)]
                                     : 1;
      targets.push_back(std::min(apart + 1, images) * edge.positions);
    }
    return targets;
  }

  /// Per overfull tile the largest line buffers that a pass through memory makes smaller, until the
  /// rest should fit.
  std::set<int> choose_spills(const std::vector<Overflow>& overflows) {
    std::set<int> chosen;
    for (const Overflow& overflow : overflows) {
      Bits over = overflow.needed - chip_.group_at(overflow.tile).tile.buffer.capacity;
      for (const Overflow::Share& share : overflow.shares) {
        if (over <= Bits(0)) {
          break;
        }
        const ProgramPort& port = program_.ports[ix(share.port)];
        const ProgramEdge& edge = program_.edges[ix(port.edge)];
        const std::int64_t after = window_behind_memory(edge);
        if (after < edge.min_window) {
          over -= share.bits - edge.bits * slots_used(port, edge.positions, after);
          chosen.insert(port.edge);
        }
      }
    }
    return chosen;
  }

  /// min_window itself when memory does not help.
  [[nodiscard]] std::int64_t window_behind_memory(const ProgramEdge& edge) const {
    const ProgramStage& to = program_.stages[ix(edge.to)];
    const bool already = program_.stages[ix(edge.from)].kind == StageKind::memory;
    const bool is_weights = to.weight_edge >= 0 && &program_.edges[ix(to.weight_edge)] == &edge;
    if (already || is_weights || to.layer < 0) {
      return edge.min_window;
    }
    const Reach reach = reach_of(network_, to.layer, ix(edge.operand));
    return widest_field(needs_of(reach, to.raster, program_.stages[ix(edge.from)].raster));
  }

  /// Puts a memory stage into each of `edges`, just before the consumer.
  void spill(const std::set<int>& edges) {
    std::vector<std::vector<int>> before(program_.stages.size());
    for (const int e : edges) {
      before[ix(program_.edges[ix(e)].to)].push_back(e);
    }
    // New numbers of the stages, with room for the memory stages.
    std::vector<int> renamed;
    int next = 0;
    for (const std::vector<int>& spilled : before) {
      next += static_cast<int>(spilled.size());
      renamed.push_back(next++);
    }
    for (ProgramPart& part : program_.parts) {
      part.stage = renamed[ix(part.stage)];
    }
    for (ProgramEdge& edge : program_.edges) {
      edge.from = renamed[ix(edge.from)];
      edge.to = renamed[ix(edge.to)];
    }
    std::vector<ProgramStage> stages(ix(next));
    for (std::size_t s = 0; s < renamed.size(); ++s) {
      stages[ix(renamed[s])] = std::move(program_.stages[s]);
    }
    program_.stages = std::move(stages);
    for (const std::vector<int>& spilled : before) {
      for (std::size_t k = 0; k < spilled.size(); ++k) {
        const int to = program_.edges[ix(spilled[k])].to;
        add_memory_stage(spilled[k], to - static_cast<int>(spilled.size() - k));
      }
    }
  }

  void add_memory_stage(int out, int number) {
    const int from = program_.edges[ix(out)].from;
    ProgramStage& producer = program_.stages[ix(from)];
    const ProgramStage& consumer = program_.stages[ix(program_.edges[ix(out)].to)];
    ProgramStage& stage = program_.stages[ix(number)];
    stage.name = fmt::format("memory.{}.{}", consumer.name, program_.edges[ix(out)].operand);
    stage.kind = StageKind::memory;
    stage.positions = producer.positions;
    stage.raster = producer.raster;
    stage.out_bits = producer.out_bits;
    add_channel_part(stage, program_.memory_endpoint, chip_.spec.memory.width, 2 * stage.out_bits);
    bands_of_.resize(program_.parts.size());

    std::erase(producer.out_edges, out);
    join(from, number, 0);
    const int in = static_cast<int>(program_.edges.size()) - 1;
    pass_through(program_.edges[ix(in)]);
    if (options_.granularity != Granularity::pixel) {
      need_whole_image(program_.edges[ix(in)]);
    }
    add_port(in, stage.replicas.front());

    ProgramEdge& edge = program_.edges[ix(out)];
    edge.from = number;
    stage.out_edges.push_back(out);
    const Reach reach = reach_of(network_, consumer.layer, ix(edge.operand));
    edge.last_needed = needs_of(reach, consumer.raster, stage.raster).last;
  }

  void report(const Overflow& overflow) {
    const std::size_t group = chip_.group_of(overflow.tile);
    const Bits capacity = chip_.groups[group].tile.buffer.capacity;
    std::string layers;
    constexpr std::size_t kShown = 4;
    for (std::size_t k = 0; k < std::min(kShown, overflow.shares.size()); ++k) {
      const ProgramEdge& edge =
          program_.edges[ix(program_.ports[ix(overflow.shares[k].port)].edge)];
      layers += fmt::format("{}{} ({}, {} positions of {})",
                            k == 0 ? "" : ", ",
                            quote(program_.stages[ix(edge.to)].name),
                            format_bits(overflow.shares[k].bits),
                            edge.min_window,
                            quote(program_.stages[ix(edge.from)].name));
    }
    if (overflow.shares.size() > kShown) {
      layers += fmt::format(", {} more", overflow.shares.size() - kShown);
    }
    const Bits bytes(ceil_div<std::int64_t>(overflow.needed.value, 8) * 8);
    Diagnostic d;
    d.code = "E-MAP-BUFFER";
    d.sentence = fmt::format(
        "the line buffers on tile {} do not fit into its buffer: {}", overflow.tile, layers);
    d.path = chip_.tile_path(group) + ".buffer.capacity";
    d.expected = "at least " + format_bits(bytes);
    d.got = format_bits(capacity);
    d.hint = format_bits(bytes - capacity) + " are missing: enlarge the buffer";
    const std::string movable = smallest_move(overflow);
    if (!movable.empty()) {
      d.hint += ", or move " + quote(movable) + " to another tile";
    }
    if (program_.memory_endpoint < 0 && options_.granularity == Granularity::layer) {
      d.hint += ", or give the chip a memory";
    }
    diagnostics_.error(std::move(d));
  }

  /// The layer with the least data that solves the problem by leaving the tile; empty when none
  /// does, or when it would fit nowhere else either.
  [[nodiscard]] std::string smallest_move(const Overflow& overflow) const {
    std::map<int, Bits> held;  // by consumer
    for (const Overflow::Share& share : overflow.shares) {
      held[program_.edges[ix(program_.ports[ix(share.port)].edge)].to] += share.bits;
    }
    const Bits capacity = chip_.group_at(overflow.tile).tile.buffer.capacity;
    int best = -1;
    for (const auto& [stage, bits] : held) {
      const bool solves = bits <= capacity && overflow.needed - bits <= capacity;
      if (solves && (best < 0 || bits < held[best])) {
        best = stage;
      }
    }
    return best < 0 ? std::string{} : program_.stages[ix(best)].name;
  }

  const Network& network_;
  const Mapping& mapping_;
  const arch::chip::Chip& chip_;
  const LowerOptions& options_;
  Diagnostics& diagnostics_;
  bool serial_;

  Program program_;
  std::vector<Matrix> matrices_;
  std::vector<int> matrix_of_;  ///< [layer], or -1
  std::vector<int> stage_of_;   ///< [layer]; a reshape has the stage of its producer
  std::vector<std::map<Op, int>> schedule_index_;  ///< [group]
  std::vector<Bands> bands_of_;        ///< [part] what it reads of a whole tensor; empty: all of it
  std::vector<std::int64_t> covered_;  ///< [part] output channels of a matrix part
  std::vector<std::int64_t> load_of_tile_;
  std::size_t vector_entry_ = 0;
  std::vector<std::int64_t> fragments_;       ///< [group] of one replica of all layers
  std::vector<std::int64_t> next_serial_pe_;  ///< [group]
};

std::string_view kind_name(StageKind kind) {
  switch (kind) {
    case StageKind::source:
      return "source";
    case StageKind::matrix:
      return "matrix";
    case StageKind::vector:
      return "vector";
    case StageKind::memory:
      return "memory";
    case StageKind::sink:
      return "sink";
  }
  return "?";
}

std::string window_text(const Program& program, const ProgramEdge& edge) {
  std::int64_t low = kUnlimitedWindow;
  std::int64_t high = 0;
  for (const int port : edge.ports) {
    low = std::min(low, program.ports[ix(port)].window);
    high = std::max(high, program.ports[ix(port)].window);
  }
  if (low >= kUnlimitedWindow) {
    return "unlimited";
  }
  return low == high ? fmt::format("{}", low) : fmt::format("{}..{}", low, high);
}

}  // namespace

Program lower(const Network& network,
              const Mapping& mapping,
              const arch::chip::Chip& chip,
              const LowerOptions& options,
              Diagnostics& diagnostics) {
  return Lowering(network, mapping, chip, options, diagnostics).run();
}

bool is_infeasible(std::string_view code) {
  return code == "E-MAP-BUFFER" || code == "E-MAP-LAYOUT" || code == "E-MAP-CAPACITY";
}

std::string describe(const Program& program) {
  std::string text = fmt::format("{:<24} {:<7} {:>9} {:>8} {:>7} {:>8} {:>9} {:>7} {:>10}\n",
                                 "stage",
                                 "kind",
                                 "positions",
                                 "replicas",
                                 "parts",
                                 "PEs",
                                 "out bits",
                                 "home",
                                 "schedules");
  for (const ProgramStage& stage : program.stages) {
    std::size_t parts = 0;
    std::int64_t pes = 0;
    std::set<int> schedules;
    for (const ProgramReplica& replica : stage.replicas) {
      parts += replica.parts.size();
      for (const int part : replica.parts) {
        for (const LockstepGroup& group : program.parts[ix(part)].groups) {
          pes += group.pes;
          schedules.insert(group.schedule);
        }
      }
    }
    text += fmt::format("{:<24} {:<7} {:>9} {:>8} {:>7} {:>8} {:>9} {:>7} {:>10}\n",
                        stage.name,
                        kind_name(stage.kind),
                        stage.positions,
                        stage.replicas.size(),
                        parts,
                        pes,
                        stage.out_bits.value,
                        stage.replicas.front().home,
                        schedules.size());
  }
  text += fmt::format(
      "\n{:<44} {:>9} {:>10} {:>14} {:>6}\n", "edge", "positions", "min window", "window", "ports");
  for (const ProgramEdge& edge : program.edges) {
    text +=
        fmt::format("{:<44} {:>9} {:>10} {:>14} {:>6}\n",
                    program.stages[ix(edge.from)].name + " -> " + program.stages[ix(edge.to)].name,
                    edge.positions,
                    edge.min_window,
                    window_text(program, edge),
                    edge.ports.size());
  }
  text += fmt::format("\n{} PEs used, {} schedules; {} PEs written before the run in {} cycles\n",
                      program.pes_used,
                      program.schedules.size(),
                      program.weight_writes,
                      program.load_cycles.value);
  return text;
}

}  // namespace tessera::mapper
