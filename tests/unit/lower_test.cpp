// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Lowering, on networks and chips small enough to compute the answer by hand.
///
/// The chip's PEs are toys of 4 rows x 2 columns whose results have 10 bits, so that fragments can
/// be counted at a glance. Whether windows are enough is asked of a second, independent player: it
/// fires whatever may fire, in random order.
#include "mapper/lower.hpp"

#include "mapper/line_buffers.hpp"
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

constexpr int kRows = 4;
constexpr int kCols = 2;
constexpr int kOutBits = 10;
constexpr int kAccBits = 24;

/// Blocks of 4 x 2, one slice; mvm takes `rows` cycles, programming 7.
class ToyModel : public Model {
 public:
  explicit ToyModel(int slowness = 1) : slowness_(slowness) {}

  const std::string& kind() const override { return kind_; }

  const std::vector<Resource>& resources() const override { return resources_; }

  const std::vector<Action>& actions() const override { return actions_; }

  Layout layout(const MatrixOp& matrix) const override {
    Layout layout;
    if (matrix.w_bits > 8) {
      layout.why_not = "at most 8 bits";
      return layout;
    }
    layout.ok = true;
    layout.out_bits = kOutBits;
    layout.acc_bits = kAccBits;
    for (int group = 0; group < matrix.groups; ++group) {
      for (std::int64_t row = 0; row < matrix.rows; row += kRows) {
        for (std::int64_t col = 0; col < matrix.cols; col += kCols) {
          Fragment f;
          f.group = group;
          f.row = row;
          f.rows = static_cast<int>(std::min<std::int64_t>(kRows, matrix.rows - row));
          f.col = col;
          f.cols = static_cast<int>(std::min<std::int64_t>(kCols, matrix.cols - col));
          layout.fragments.push_back(f);
        }
      }
    }
    return layout;
  }

  Op op(OpCode code, const MatrixOp& matrix, const Fragment& fragment) const override {
    return {.code = code,
            .rows = fragment.rows,
            .cols = fragment.cols,
            .in_bits = matrix.in_bits,
            .in_signed = matrix.in_signed,
            .w_bits = matrix.w_bits};
  }

  std::vector<Step> steps(const Op& op) const override {
    const Cycles time(std::int64_t{slowness_} * (op.code == OpCode::write ? 7 : op.rows));
    return {Step{.on = 0, .occupancy = time, .latency = time}};
  }

  Cost fire_cost(const Op& /*op*/) const override { return {}; }

  double endurance() const override { return 0; }

  std::unique_ptr<Unit> make_unit(std::uint64_t) const override { return nullptr; }

 private:
  int slowness_;
  std::string kind_ = "toy";
  std::vector<Resource> resources_{{.name = "array"}};
  std::vector<Action> actions_;
};

arch::chip::Chip toy_chip(std::int64_t tiles = 4, std::int64_t pes = 1000) {
  arch::chip::Chip chip;
  chip.spec.name = "toy";
  chip.groups[0].tiles = tiles;
  chip.groups[0].tile.pes = pes;
  chip.groups[0].tile.buffer.capacity = Bits(1 << 24);
  chip.groups[0].tile.vector_unit.lanes = 1;
  chip.groups[0].tile.vector_unit.latency = Seconds(3e-9);
  chip.spec.io.width = 10;
  chip.clock = Clock{Hertz(1e9)};
  chip.groups[0].pe = std::make_unique<ToyModel>();
  return chip;
}

std::int64_t fragments_of(const Network& network, const LayerMapping& layer) {
  const MatrixShape shape = matrix_shape(network, layer.layer);
  const Layout layout =
      ToyModel().layout({.rows = shape.rows, .cols = shape.cols, .groups = shape.groups});
  return static_cast<std::int64_t>(layout.fragments.size());
}

/// Everything on tile 0, replica after replica.
Mapping on_one_tile(const Network& network) {
  Mapping mapping;
  int pe = 0;
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    if (layer.is_matrix()) {
      LayerMapping& entry = mapping.layers.emplace_back();
      entry.layer = id;
      entry.name = layer.name;
      const int pes = static_cast<int>(fragments_of(network, entry));
      entry.placement = {{{.tile = 0, .first_pe = pe, .pes = pes}}};
      pe += pes;
    } else if (layer.kind != LayerKind::input && layer.kind != LayerKind::flatten) {
      mapping.vector_layers.push_back({id, layer.name, 0});
    }
  }
  return mapping;
}

LayerMapping& entry_of(Mapping& mapping, const std::string& name) {
  return *std::find_if(mapping.layers.begin(), mapping.layers.end(), [&](const auto& layer) {
    return layer.name == name;
  });
}

/// Replica k of the layer on tile k.
void spread_replicas(Mapping& mapping, const Network& network, const std::string& name, int count) {
  LayerMapping& entry = entry_of(mapping, name);
  const int pes = static_cast<int>(fragments_of(network, entry));
  entry.replicas = count;
  entry.placement.clear();
  for (int k = 0; k < count; ++k) {
    entry.placement.push_back({{.tile = k, .first_pe = 500, .pes = pes}});
  }
}

Program lower_ok(const Network& network,
                 const Mapping& mapping,
                 const arch::chip::Chip& chip,
                 const LowerOptions& options = {}) {
  Diagnostics diagnostics;
  Program program = lower(network, mapping, chip, options, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return program;
}

int stage_named(const Program& program, const std::string& name) {
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    if (program.stages[s].name == name) {
      return static_cast<int>(s);
    }
  }
  ADD_FAILURE() << "no stage " << name;
  return 0;
}

const ProgramStage& stage(const Program& program, const std::string& name) {
  return program.stages[ix(stage_named(program, name))];
}

/// Edge from one stage to another.
const ProgramEdge& edge(const Program& program, const std::string& from, const std::string& to) {
  for (const ProgramEdge& e : program.edges) {
    if (e.from == stage_named(program, from) && e.to == stage_named(program, to)) {
      return e;
    }
  }
  ADD_FAILURE() << "no edge " << from << " -> " << to;
  return program.edges.front();
}

const ProgramPart& part(const Program& program, const ProgramReplica& replica, std::size_t k = 0) {
  return program.parts[ix(replica.parts[k])];
}

std::set<int> needed_at(const Program& program, const ProgramEdge& e, EndpointId at) {
  for (const int p : e.ports) {
    const ProgramPort& port = program.ports[ix(p)];
    if (port.at == at) {
      std::set<int> positions;
      for (int q = 0; q < e.positions; ++q) {
        if (port.needed.empty() || port.needed[ix(q)]) {
          positions.insert(q);
        }
      }
      return positions;
    }
  }
  ADD_FAILURE() << "no port at " << at;
  return {};
}

/// Indices that belong together do, and stages are in topological order.
void expect_consistent(const Program& program) {
  for (std::size_t e = 0; e < program.edges.size(); ++e) {
    const ProgramEdge& edge = program.edges[e];
    EXPECT_LT(edge.from, edge.to);
    const auto& out = program.stages[ix(edge.from)].out_edges;
    const auto& in = program.stages[ix(edge.to)].in_edges;
    EXPECT_EQ(std::count(out.begin(), out.end(), static_cast<int>(e)), 1);
    EXPECT_EQ(std::count(in.begin(), in.end(), static_cast<int>(e)), 1);
    EXPECT_EQ(edge.positions, program.stages[ix(edge.from)].positions);
    EXPECT_EQ(edge.bits, program.stages[ix(edge.from)].out_bits);
    EXPECT_EQ(static_cast<std::int64_t>(edge.last_needed.size()),
              program.stages[ix(edge.to)].positions);
    EXPECT_TRUE(std::is_sorted(edge.last_needed.begin(), edge.last_needed.end()));
    EXPECT_TRUE(std::is_sorted(edge.first_needed.begin(), edge.first_needed.end()));
    std::size_t parts = 0;
    for (const int p : edge.ports) {
      const ProgramPort& port = program.ports[ix(p)];
      EXPECT_EQ(port.edge, static_cast<int>(e));
      EXPECT_GE(port.window, edge.min_window);
      parts += port.parts.size();
      for (const int consumer : port.parts) {
        EXPECT_EQ(program.parts[ix(consumer)].at, port.at);
        EXPECT_EQ(program.parts[ix(consumer)].stage, edge.to);
      }
    }
    std::size_t consumers = 0;
    for (const ProgramReplica& replica : program.stages[ix(edge.to)].replicas) {
      consumers += replica.parts.size();
    }
    EXPECT_EQ(parts, consumers);
  }
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    for (std::size_t k = 0; k < program.stages[s].replicas.size(); ++k) {
      for (const int p : program.stages[s].replicas[k].parts) {
        EXPECT_EQ(program.parts[ix(p)].stage, static_cast<int>(s));
        EXPECT_EQ(program.parts[ix(p)].replica, static_cast<int>(k));
      }
    }
  }
  EXPECT_EQ(program.stages.front().kind, StageKind::source);
  EXPECT_EQ(program.stages.back().kind, StageKind::sink);
}

/// Plays `images` images with line buffers of `window[edge]` slots: whatever may fire fires, in
/// random order. Returns whether the sink got everything.
bool completes(const Program& program,
               const std::vector<std::int64_t>& window,
               std::int64_t images,
               std::uint64_t seed) {
  Rng rng(seed, "player");

  struct Turn {
    int stage;
    int replica;
  };

  std::vector<Turn> turns;
  std::vector<std::vector<std::int64_t>> next(program.stages.size());  // index per replica
  std::vector<std::vector<bool>> produced(program.stages.size());
  std::vector<std::int64_t> contiguous(program.stages.size(), 0);
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    for (std::size_t k = 0; k < program.stages[s].replicas.size(); ++k) {
      turns.push_back({static_cast<int>(s), static_cast<int>(k)});
      next[s].push_back(static_cast<std::int64_t>(k));
    }
    produced[s].assign(ix(program.stages[s].positions * images), false);
  }
  const auto first_needed = [&](const ProgramEdge& e) {
    std::int64_t released = INT64_MAX;
    const std::int64_t positions = program.stages[ix(e.to)].positions;
    for (const std::int64_t index : next[ix(e.to)]) {
      released = std::min(released,
                          index / positions * e.positions + e.first_needed[ix(index % positions)]);
    }
    return released;
  };
  const auto may_fire = [&](const Turn& turn) {
    const ProgramStage& stage = program.stages[ix(turn.stage)];
    const std::int64_t index = next[ix(turn.stage)][ix(turn.replica)];
    if (index >= stage.positions * images) {
      return false;
    }
    for (const int in : stage.in_edges) {
      const ProgramEdge& e = program.edges[ix(in)];
      const std::int64_t last =
          index / stage.positions * e.positions + e.last_needed[ix(index % stage.positions)];
      if (contiguous[ix(e.from)] <= last) {
        return false;
      }
    }
    return std::all_of(stage.out_edges.begin(), stage.out_edges.end(), [&](int out) {
      return index < first_needed(program.edges[ix(out)]) + window[ix(out)];
    });
  };
  for (;;) {
    std::vector<Turn> ready;
    std::copy_if(turns.begin(), turns.end(), std::back_inserter(ready), may_fire);
    if (ready.empty()) {
      return contiguous.back() == program.stages.back().positions * images;
    }
    const Turn turn = ready[ix(rng.uniform(0, static_cast<std::int64_t>(ready.size()) - 1))];
    const ProgramStage& stage = program.stages[ix(turn.stage)];
    std::int64_t& index = next[ix(turn.stage)][ix(turn.replica)];
    produced[ix(turn.stage)][ix(index)] = true;
    const std::int64_t image = index / stage.positions;
    const auto replicas = static_cast<std::int64_t>(stage.replicas.size());
    index += replicas;
    if (index >= (image + 1) * stage.positions) {
      index = (image + 1) * stage.positions + turn.replica;
    }
    std::int64_t& done = contiguous[ix(turn.stage)];
    while (done < stage.positions * images && produced[ix(turn.stage)][ix(done)]) {
      ++done;
    }
  }
}

std::vector<std::int64_t> min_windows(const Program& program) {
  std::vector<std::int64_t> windows;
  for (const ProgramEdge& e : program.edges) {
    const StageKind to = program.stages[ix(e.to)].kind;
    windows.push_back(to == StageKind::memory ? kUnlimitedWindow : e.min_window);
  }
  return windows;
}

void expect_enough(const Program& program) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_TRUE(completes(program, min_windows(program), 3, seed)) << "seed " << seed;
  }
}

/// conv "a" 1x1, then 3x3 twice beside a skip edge.
Network residual(int width) {
  Builder b("residual", {width, width, 1});
  const LayerId a = b.conv("a", b.last(), {.channels = 1});
  b.conv("b", a, {.channels = 1, .kernel = 3, .padding = 1});
  const LayerId c = b.conv("c", b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  b.add("sum", c, a);
  return b.build();
}

// ---- windows ------------------------------------------------------------------------------------

TEST(MinWindow, ConvolutionNeedsItsRowsAndAKernel) {
  Builder b("one", {8, 8, 1});
  b.conv("conv", b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  const Network network = b.build();
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  EXPECT_EQ(edge(program, "input", "conv").min_window, 2 * 8 + 3);
  EXPECT_EQ(edge(program, "conv", "output").min_window, 1);
  expect_consistent(program);
  expect_enough(program);
  std::vector<std::int64_t> small = min_windows(program);
  --small[0];
  EXPECT_FALSE(completes(program, small, 1, 1));
}

TEST(MinWindow, LargeKernelWithStride) {
  Builder b("one", {28, 28, 1});
  b.conv("conv", b.last(), {.channels = 1, .kernel = 5, .padding = 2});
  b.max_pool("pool", b.last(), {.kernel = 2, .stride = 2});
  const Network network = b.build();
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  EXPECT_EQ(edge(program, "input", "conv").min_window, 4 * 28 + 5);
  EXPECT_EQ(edge(program, "conv", "pool").min_window, 28 + 2);
}

TEST(MinWindow, SkipEdgeHoldsWhatTheLongPathLags) {
  const Network network = residual(8);
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  // sum at p needs c at p, b up to p + W + 1, a up to p + 2 W + 2; the skip still holds a at p.
  EXPECT_EQ(edge(program, "a", "sum").min_window, 2 * 8 + 3);
  EXPECT_EQ(edge(program, "a", "b").min_window, 2 * 8 + 3);
  EXPECT_EQ(edge(program, "c", "sum").min_window, 1);
  expect_consistent(program);
  expect_enough(program);
  std::vector<std::int64_t> small = min_windows(program);
  const auto skip = ix(&edge(program, "a", "sum") - program.edges.data());
  --small[skip];
  EXPECT_FALSE(completes(program, small, 1, 1));
}

TEST(MinWindow, GlobalPoolAndFullyConnectedNeedTheWholeTensor) {
  Builder b("tail", {6, 6, 2});
  const LayerId conv = b.conv("conv", b.last(), {.channels = 2, .kernel = 3, .padding = 1});
  b.global_avg_pool("pool", conv);
  b.fc("fc", b.last(), 4);
  const Network network = b.build();
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  EXPECT_EQ(edge(program, "conv", "pool").min_window, 36);
  EXPECT_EQ(edge(program, "pool", "fc").min_window, 1);
  expect_enough(program);
}

TEST(MinWindow, LayerAndSerialGranularityHoldAnImage) {
  const Network network = residual(4);
  for (const Granularity granularity : {Granularity::layer, Granularity::serial}) {
    const Program program =
        lower_ok(network, on_one_tile(network), toy_chip(), {.granularity = granularity});
    for (const ProgramEdge& e : program.edges) {
      const bool to_sink = program.stages[ix(e.to)].kind == StageKind::sink;
      EXPECT_EQ(e.min_window, to_sink ? 1 : 16);
      EXPECT_EQ(e.last_needed.front(), to_sink ? 0 : 15);
    }
    expect_consistent(program);
    expect_enough(program);
  }
}

TEST(MinWindow, ChainOf200Layers) {
  Builder b("chain", {6, 6, 1});
  for (int k = 0; k < 200; ++k) {
    b.conv("conv" + std::to_string(k), b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  }
  const Network network = b.build();
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  ASSERT_EQ(program.stages.size(), 202U);
  for (const ProgramEdge& e : program.edges) {
    const bool to_sink = program.stages[ix(e.to)].kind == StageKind::sink;
    EXPECT_EQ(e.min_window, to_sink ? 1 : 2 * 6 + 3);
  }
}

TEST(MinWindow, EnoughForReplicasOnBothSides) {
  const Network network = residual(7);
  Mapping mapping = on_one_tile(network);
  spread_replicas(mapping, network, "a", 3);
  spread_replicas(mapping, network, "b", 2);
  spread_replicas(mapping, network, "c", 4);
  const Program program = lower_ok(network, mapping, toy_chip());
  expect_consistent(program);
  expect_enough(program);
}

TEST(SlotsUsed, AgreesWithCountingEveryWindow) {
  Rng rng(1, "slots");
  for (int round = 0; round < 200; ++round) {
    const std::int64_t positions = rng.uniform(1, 12);
    ProgramPort port;
    for (std::int64_t q = 0; q < positions; ++q) {
      port.needed.push_back(rng.chance(0.4));
    }
    const std::int64_t window = rng.uniform(1, 30);
    std::int64_t most = 0;
    for (std::int64_t begin = 0; begin < positions; ++begin) {
      std::int64_t inside = 0;
      for (std::int64_t q = begin; q < begin + window; ++q) {
        inside += port.needed[ix(q % positions)] ? 1 : 0;
      }
      most = std::max(most, inside);
    }
    EXPECT_EQ(slots_used(port, positions, window), most);
  }
}

// ---- parts --------------------------------------------------------------------------------------

TEST(MatrixStage, BitsAndWorkOfOnePart) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 3, .kernel = 2});  // 8 rows x 3 columns: 2 x 2 fragments
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].a_bits = 5;
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramStage& conv = stage(program, "conv");
  ASSERT_EQ(conv.replicas.size(), 1U);
  ASSERT_EQ(conv.replicas[0].parts.size(), 1U);
  const ProgramPart& p = part(program, conv.replicas[0]);
  EXPECT_EQ(p.in_bits, 8 * Bits(5));  // each row once, however many column blocks
  EXPECT_EQ(p.elements, 2 * 3);       // two row blocks
  EXPECT_EQ(p.out_bits, Bits(std::int64_t{2} * 3 * kOutBits));
  EXPECT_EQ(p.vector.ops, 6 + 3 * 2);  // accumulate; bias and requantize
  EXPECT_EQ(p.vector.cycles, Cycles(12));
  EXPECT_EQ(p.vector.latency, Cycles(3));
  EXPECT_EQ(conv.combine.ops, 0);
  EXPECT_EQ(conv.out_bits, 3 * Bits(8));
  // Two columns wide and one column wide: two lockstep groups of two row blocks each.
  ASSERT_EQ(p.groups.size(), 2U);
  EXPECT_EQ(p.groups[0].pes, 2);
  EXPECT_EQ(p.groups[1].pes, 2);
  EXPECT_NE(p.groups[0].schedule, p.groups[1].schedule);
  for (const LockstepGroup& group : p.groups) {
    EXPECT_EQ(group.write_schedule, -1);
    for (int k = 0; k < group.pes; ++k) {
      const Resident& resident = program.residents[ix(group.resident + k)];
      EXPECT_EQ(resident.op, program.residents[ix(group.resident)].op);
      EXPECT_EQ(resident.op.cols, resident.fragment.cols);
    }
  }
  EXPECT_EQ(program.residents[ix(p.groups[1].resident)].pe, 1);
  EXPECT_EQ(program.pes_used, 4);
  EXPECT_EQ(program.weight_writes, 4);
  EXPECT_EQ(program.load_cycles, 4 * Cycles(7));
}

TEST(MatrixStage, PartsOnSeveralTilesCombineAtHome) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 3, .kernel = 2});
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  // Row block 0 on tile 2, row block 1 on tile 1: home is tile 2.
  mapping.layers[0].placement = {{{2, 10, 2}, {1, 20, 2}}};
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramStage& conv = stage(program, "conv");
  ASSERT_EQ(conv.replicas[0].parts.size(), 2U);
  EXPECT_EQ(conv.replicas[0].home, 2);
  EXPECT_EQ(part(program, conv.replicas[0], 0).at, 2);
  EXPECT_EQ(part(program, conv.replicas[0], 1).at, 1);
  for (std::size_t k = 0; k < 2; ++k) {
    const ProgramPart& p = part(program, conv.replicas[0], k);
    EXPECT_EQ(p.in_bits, 4 * Bits(8));
    EXPECT_EQ(p.elements, 3);
    EXPECT_EQ(p.vector.ops, 3);
  }
  EXPECT_EQ(conv.partial_bits, Bits(std::int64_t{3} * kAccBits));
  EXPECT_EQ(conv.combine.ops, 3 + 3 * 2);
  EXPECT_EQ(conv.combine.cycles, Cycles(9));
  EXPECT_EQ(conv.combine.latency, Cycles(3));
  EXPECT_EQ(program.load_cycles, 2 * Cycles(7));  // tiles in parallel
  expect_consistent(program);
}

TEST(MatrixStage, RunsOfOneTileAreOnePart) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 4, .kernel = 2});
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].placement = {{{0, 0, 1}, {3, 0, 2}, {0, 7, 1}}};
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramStage& conv = stage(program, "conv");
  ASSERT_EQ(conv.replicas[0].parts.size(), 2U);
  const ProgramPart& home = part(program, conv.replicas[0], 0);
  ASSERT_EQ(home.groups.size(), 1U);
  EXPECT_EQ(home.groups[0].pes, 2);
  EXPECT_EQ(program.residents[ix(home.groups[0].resident + 1)].pe, 7);
  EXPECT_EQ(home.in_bits, 8 * Bits(8));  // both row blocks are here
}

TEST(MatrixStage, AnUncheckedMappingIsInternal) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 4, .kernel = 2});
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].placement[0][0].pes -= 1;
  Diagnostics diagnostics;
  EXPECT_THROW(lower(network, mapping, toy_chip(), {}, diagnostics), InternalError);
  mapping.layers.clear();
  EXPECT_THROW(lower(network, mapping, toy_chip(), {}, diagnostics), InternalError);
}

TEST(MatrixStage, ALayoutThatFailsIsReported) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 4, .kernel = 2});
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].w_bits = 9;
  Diagnostics diagnostics;
  lower(network, mapping, toy_chip(), {}, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-MAP-LAYOUT");
  EXPECT_EQ(diagnostics.errors()[0].got, "at most 8 bits");
  EXPECT_TRUE(is_infeasible("E-MAP-LAYOUT"));
  EXPECT_FALSE(is_infeasible("E-CFG-TYPE"));
}

TEST(MatrixStage, ReplicasBeyondTheLastPositionAreNotUsed) {
  Builder b("one", {2, 1, 4});
  b.conv("conv", b.last(), {.channels = 2});
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  spread_replicas(mapping, network, "conv", 4);
  const Program program = lower_ok(network, mapping, toy_chip());
  EXPECT_EQ(stage(program, "conv").replicas.size(), 2U);
  EXPECT_EQ(program.pes_used, 2);
  expect_enough(program);
}

TEST(IoStages, PositionsTakeTurnsOverPorts) {
  Builder b("one", {4, 4, 3});
  b.conv("conv", b.last(), {.channels = 1});
  const Network network = b.build();
  arch::chip::Chip chip = toy_chip();
  chip.spec.io.ports = 3;
  const Program program = lower_ok(network, on_one_tile(network), chip);
  const ProgramStage& source = program.stages.front();
  ASSERT_EQ(source.replicas.size(), 3U);
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(source.replicas[ix(k)].home, 4 + k);
    EXPECT_EQ(part(program, source.replicas[ix(k)]).vector.cycles, Cycles(3));  // 24 bits, 10 wide
  }
  EXPECT_EQ(program.stages.back().replicas[0].home, 4);
  EXPECT_EQ(part(program, program.stages.back().replicas[0]).vector.cycles, Cycles(1));
  EXPECT_EQ(program.endpoints(), 4 + 3);
  chip.spec.io.width = 0;
  const Program fast = lower_ok(network, on_one_tile(network), chip);
  EXPECT_EQ(part(fast, fast.stages.front().replicas[0]).vector.cycles, Cycles(0));
}

TEST(VectorStage, RunsWhereTheMappingSays) {
  Builder b("pool", {4, 4, 3});
  b.max_pool("pool", b.last(), {.kernel = 2, .stride = 2});
  const LayerId half = b.slice_channels("half", b.last(), 1, 2);
  b.activation("act", half, Activation::relu);
  const Network network = b.build();
  Mapping mapping;
  mapping.vector_layers = {{1, "pool", 2}, {3, "act", 3}};
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramStage& pool = stage(program, "pool");
  EXPECT_EQ(pool.replicas[0].home, 2);
  EXPECT_EQ(part(program, pool.replicas[0]).vector.ops, 3 * 4);
  EXPECT_EQ(part(program, pool.replicas[0]).in_bits, Bits(4) * 3 * 8);
  // A slice that the mapping does not name costs nothing and stays with its producer.
  EXPECT_EQ(stage(program, "half").replicas[0].home, 2);
  EXPECT_EQ(part(program, stage(program, "half").replicas[0]).vector.cycles, Cycles(0));
  EXPECT_EQ(stage(program, "act").replicas[0].home, 3);
  expect_consistent(program);
}

/// PEs that stand in for vector units: two programs of 5 and 6 cycles for whatever is asked, none
/// for an addition of single results.
class ProgramToy : public ToyModel {
 public:
  explicit ProgramToy(std::vector<VectorWork>& asked) : asked_(asked) {}

  int vector_block() const override { return 3; }

  std::optional<std::vector<Op>> vector_ops(const VectorWork& work) const override {
    asked_.push_back(work);
    if (work.what == VectorWork::What::add &&
        std::none_of(work.terms.begin(), work.terms.end(), [](int n) { return n > 1; })) {
      return std::vector<Op>{};
    }
    return std::vector<Op>{{.code = OpCode::vector, .rows = 5},
                           {.code = OpCode::vector, .rows = 6}};
  }

 private:
  std::vector<VectorWork>& asked_;
};

arch::chip::Chip program_chip(std::vector<VectorWork>& asked, std::int64_t pes) {
  arch::chip::Chip chip = toy_chip();
  chip.groups[0].pe = std::make_unique<ProgramToy>(asked);
  chip.groups[0].tile.vector_unit.pes = pes;
  return chip;
}

TEST(VectorPrograms, EndTheSumsOfOnePart) {
  Builder b("one", {4, 4, 2});
  b.conv("conv", b.last(), {.channels = 3, .kernel = 2});  // two row blocks
  const Network network = b.build();
  std::vector<VectorWork> asked;
  const Program program = lower_ok(network, on_one_tile(network), program_chip(asked, 1));
  const ProgramPart& p = part(program, stage(program, "conv").replicas[0]);
  EXPECT_EQ(p.vector.ops, 0);
  EXPECT_EQ(p.vector.cycles, Cycles(5 + 6));
  EXPECT_EQ(p.vector.latency, Cycles(3));
  EXPECT_EQ(p.vector.programs.size(), 2U);
  EXPECT_EQ(p.vector.pes, (std::vector<int>{0, 0}));
  ASSERT_EQ(p.vector.schedules.size(), 2U);
  EXPECT_EQ(program.schedules[static_cast<std::size_t>(p.vector.schedules[0])].latency, Cycles(5));
  EXPECT_EQ(program.schedules[static_cast<std::size_t>(p.vector.schedules[1])].latency, Cycles(6));
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0], (VectorWork{VectorWork::What::end, 1, 8, 8, kOutBits, {2, 2, 2}}));
  const Program wide = lower_ok(network, on_one_tile(network), program_chip(asked, 2));
  EXPECT_EQ(part(wide, stage(wide, "conv").replicas[0]).vector.cycles, Cycles(6));
  EXPECT_EQ(part(wide, stage(wide, "conv").replicas[0]).vector.pes, (std::vector<int>{0, 1}));
}

TEST(VectorPrograms, AddWhatEveryPartHasAndCombineAtHome) {
  Builder b("one", {4, 4, 3});
  b.conv("conv", b.last(), {.channels = 3, .kernel = 2});  // three row blocks of two column blocks
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  // Tile 2 has both row blocks of columns 0 and 1 but the last; tile 1 has the others.
  mapping.layers[0].placement = {{{2, 10, 2}, {1, 20, 4}}};
  std::vector<VectorWork> asked;
  const Program program = lower_ok(network, mapping, program_chip(asked, 1));
  const ProgramStage& conv = stage(program, "conv");
  const auto works = std::vector<VectorWork>{{VectorWork::What::add, 1, 8, 8, kOutBits, {1, 1, 1}},
                                             {VectorWork::What::add, 1, 8, 8, kOutBits, {2, 2, 2}},
                                             {VectorWork::What::end, 1, 8, 8, kAccBits, {2, 2, 2}}};
  EXPECT_EQ(asked, works);
  EXPECT_EQ(part(program, conv.replicas[0], 0).vector.cycles, Cycles(0));
  EXPECT_EQ(part(program, conv.replicas[0], 1).vector.cycles, Cycles(11));
  EXPECT_EQ(conv.combine.cycles, Cycles(11));
  EXPECT_EQ(conv.combine.ops, 0);
  EXPECT_EQ(conv.partial_bits, Bits(std::int64_t{3} * kAccBits))
      << "lanes or programs, the message is the same";
}

TEST(VectorPrograms, LayersWithoutAMatrixWorkOnBlocks) {
  Builder b("pool", {4, 4, 3});
  b.max_pool("pool", b.last(), {.kernel = 2, .stride = 2});
  const Network network = b.build();
  std::vector<VectorWork> asked;
  const Program program = lower_ok(network, on_one_tile(network), program_chip(asked, 1));
  const ProgramStage& pool = stage(program, "pool");
  EXPECT_EQ(pool.raster.size, 2) << "four positions, three at most";
  EXPECT_EQ(pool.positions, 2);
  const ProgramPart& p = part(program, pool.replicas[0]);
  EXPECT_EQ(p.in_bits, Bits(2) * 4 * 3 * 8);
  EXPECT_EQ(p.vector.cycles, Cycles(11));
  EXPECT_EQ(p.vector.ops, 0);
  for (const VectorWork& work : asked) {
    EXPECT_EQ(work.what, VectorWork::What::layer);
    EXPECT_EQ(work.layer, 1);
  }
  expect_consistent(program);
}

TEST(Flatten, IsFoldedIntoItsConsumer) {
  Builder b("flat", {3, 3, 2});
  const LayerId conv = b.conv("conv", b.last(), {.channels = 4});
  const LayerId flat = b.flatten("flat", conv);
  b.fc("fc", flat, 2);
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  // 36 rows: 9 row blocks, one per position. Positions 0..3 and 4..8 on different tiles.
  entry_of(mapping, "fc").placement = {{{1, 0, 4}, {2, 0, 5}}};
  const Program program = lower_ok(network, mapping, toy_chip());
  EXPECT_EQ(program.stages.size(), 4U);
  const ProgramEdge& e = edge(program, "conv", "fc");
  EXPECT_EQ(e.positions, 9);
  EXPECT_EQ(e.last_needed, std::vector<std::int32_t>{8});
  EXPECT_EQ(e.min_window, 9);
  EXPECT_EQ(needed_at(program, e, 1), (std::set<int>{0, 1, 2, 3}));
  EXPECT_EQ(needed_at(program, e, 2), (std::set<int>{4, 5, 6, 7, 8}));
  expect_consistent(program);
}

// ---- filters ------------------------------------------------------------------------------------

TEST(NeededFilter, FullyConnectedTileNeedsThePositionsOfItsRows) {
  Builder b("fc", {2, 2, 6});
  b.fc("fc", b.last(), 2);  // 24 rows: 6 row blocks of 4; positions are 6 rows long
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].placement = {{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {3, 0, 3}}};
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramEdge& e = edge(program, "input", "fc");
  EXPECT_EQ(needed_at(program, e, 0), (std::set<int>{0}));     // rows 0..3
  EXPECT_EQ(needed_at(program, e, 1), (std::set<int>{0, 1}));  // rows 4..7
  EXPECT_EQ(needed_at(program, e, 2), (std::set<int>{1}));     // rows 8..11
  EXPECT_EQ(needed_at(program, e, 3), (std::set<int>{2, 3}));  // rows 12..23
}

TEST(NeededFilter, StrideSkipsPositions) {
  Builder b("stride", {4, 4, 1});
  b.conv("conv", b.last(), {.channels = 1, .kernel = 1, .stride = 2});
  const Network network = b.build();
  const Program program = lower_ok(network, on_one_tile(network), toy_chip());
  const ProgramEdge& e = edge(program, "input", "conv");
  EXPECT_EQ(needed_at(program, e, 0), (std::set<int>{0, 2, 8, 10}));
  EXPECT_EQ(e.first_needed, (std::vector<std::int32_t>{0, 2, 8, 10}));
  expect_enough(program);
}

TEST(NeededFilter, ReplicaNeedsTheFieldsOfItsOwnPositions) {
  Builder b("replicas", {1, 6, 1});
  b.conv("conv", b.last(), {.channels = 1, .kernel = 1});
  b.activation("act", b.last(), Activation::relu);
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  spread_replicas(mapping, network, "conv", 3);
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramEdge& e = edge(program, "input", "conv");
  EXPECT_EQ(needed_at(program, e, 0), (std::set<int>{0, 3}));
  EXPECT_EQ(needed_at(program, e, 2), (std::set<int>{2, 5}));
  EXPECT_EQ(needed_at(program, edge(program, "conv", "act"), 0).size(), 6U);
  // Two replicas on one tile share a port.
  mapping.layers[0].placement[2][0].tile = 0;
  mapping.layers[0].placement[2][0].first_pe = 700;
  const Program shared = lower_ok(network, mapping, toy_chip());
  const ProgramEdge& s = edge(shared, "input", "conv");
  EXPECT_EQ(s.ports.size(), 2U);
  EXPECT_EQ(needed_at(shared, s, 0), (std::set<int>{0, 2, 3, 5}));
}

TEST(NeededFilter, ConvolutionTileGetsWholeWindows) {
  Builder b("rows", {1, 5, 4});
  Layer layer;
  layer.name = "conv";
  layer.kind = LayerKind::conv;
  layer.inputs = {0};
  layer.out.channels = 2;
  layer.window = {.kernel_h = 1, .kernel_w = 3};  // 12 rows: one fragment per tap
  b.append(layer);
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  mapping.layers[0].placement = {{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}}};
  const Program program = lower_ok(network, mapping, toy_chip());
  for (EndpointId tile = 0; tile < 3; ++tile) {
    EXPECT_EQ(needed_at(program, edge(program, "input", "conv"), tile).size(), 5U);
  }
}

// ---- dynamic weights, serial --------------------------------------------------------------------

Network attention() {
  Builder b("attention", {6, 1, 4});
  const LayerId q = b.linear("q", 0, 4);
  const LayerId k = b.linear("k", 0, 4);
  b.matmul("scores", q, k, 2, true);
  return b.build();
}

TEST(DynamicWeights, WholeSecondOperandBeforeTheMatrixIsWritten) {
  const Network network = attention();
  Mapping mapping = on_one_tile(network);
  spread_replicas(mapping, network, "scores", 2);
  const Program program = lower_ok(network, mapping, toy_chip());
  const ProgramStage& scores = stage(program, "scores");
  EXPECT_TRUE(scores.rewrites);
  const ProgramEdge& weights = program.edges[ix(scores.weight_edge)];
  EXPECT_EQ(weights.operand, 1);
  EXPECT_EQ(weights.last_needed, std::vector<std::int32_t>(6, 5));
  EXPECT_EQ(weights.first_needed, (std::vector<std::int32_t>{0, 0, 6, 6, 6, 6}));
  EXPECT_EQ(weights.min_window, 6);
  const ProgramEdge& a = edge(program, "q", "scores");
  EXPECT_EQ(a.last_needed, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5}));
  for (const LockstepGroup& group : part(program, scores.replicas[0]).groups) {
    ASSERT_GE(group.write_schedule, 0);
    EXPECT_EQ(program.schedules[ix(group.write_schedule)].latency, Cycles(7));
  }
  // Only q and k are programmed before the run: 2 fragments each.
  EXPECT_EQ(program.weight_writes, 4);
  expect_consistent(program);
  expect_enough(program);
}

TEST(Serial, OnePartPerFragmentRoundRobinOverTheChip) {
  Builder b("two", {2, 2, 4});
  b.conv("a", b.last(), {.channels = 6});  // 3 fragments
  b.conv("b", b.last(), {.channels = 2});  // 2 row blocks
  const Network network = b.build();
  Mapping mapping = on_one_tile(network);
  for (LayerMapping& layer : mapping.layers) {
    layer.placement.clear();
  }
  const Program roomy =
      lower_ok(network, mapping, toy_chip(3, 2), {.granularity = Granularity::serial});
  std::vector<std::pair<int, int>> places;
  for (const ProgramPart& p : roomy.parts) {
    if (!p.groups.empty()) {
      ASSERT_EQ(p.groups.size(), 1U);
      EXPECT_EQ(p.groups[0].pes, 1);
      EXPECT_EQ(p.groups[0].write_schedule, -1);
      EXPECT_EQ(roomy.residents[ix(p.groups[0].resident)].pe, p.groups[0].first_pe);
      places.emplace_back(p.at, p.groups[0].first_pe);
    }
  }
  EXPECT_EQ(places, (std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {2, 0}}));
  EXPECT_FALSE(stage(roomy, "a").rewrites);
  EXPECT_EQ(roomy.weight_writes, 5);
  EXPECT_EQ(roomy.pes_used, 5);
  EXPECT_EQ(roomy.parts[0].input_registers, 1);
  EXPECT_GT(roomy.stages[0].replicas[0].output_slots, 1 << 20);
  EXPECT_EQ(stage(roomy, "a").partial_bits,
            Bits(std::int64_t{2} * kAccBits));  // a fragment covers two channels
  expect_consistent(roomy);

  const Program tight =
      lower_ok(network, mapping, toy_chip(2, 2), {.granularity = Granularity::serial});
  EXPECT_TRUE(stage(tight, "a").rewrites);
  EXPECT_TRUE(stage(tight, "b").rewrites);
  EXPECT_EQ(tight.weight_writes, 0);
  EXPECT_EQ(tight.load_cycles, Cycles(0));
  EXPECT_EQ(tight.pes_used, 4);
  const ProgramPart& last = part(tight, stage(tight, "b").replicas[0], 1);
  EXPECT_EQ(last.at, 0);  // the fifth fragment is back on the first PE
  EXPECT_GE(last.groups[0].write_schedule, 0);
}

// ---- buffers ------------------------------------------------------------------------------------

TEST(Buffer, CapacityThatIsLeftIsShared) {
  const Network network = residual(8);
  arch::chip::Chip chip = toy_chip();
  const auto total = [](const Program& program) {
    std::int64_t bits = 0;
    for (const ProgramPort& port : program.ports) {
      if (port.at < program.tiles) {
        bits += port.window * program.edges[ix(port.edge)].bits.value;
      }
    }
    return bits;
  };
  // Smallest: 1 + 19 + 19 + 19 + 1 positions of 8 bits.
  chip.groups[0].tile.buffer.capacity = 59 * Bits(8);
  const Program smallest = lower_ok(network, on_one_tile(network), chip, {.images = 4});
  EXPECT_EQ(total(smallest), 59 * 8);
  chip.groups[0].tile.buffer.capacity = 150 * Bits(8);
  const Program larger = lower_ok(network, on_one_tile(network), chip, {.images = 4});
  EXPECT_LE(total(larger), 150 * 8);
  EXPECT_GT(total(larger), 140 * 8);
  expect_consistent(larger);
  chip.groups[0].tile.buffer.capacity = Bits(1 << 20);
  const Program two_images = lower_ok(network, on_one_tile(network), chip, {.images = 4});
  EXPECT_EQ(total(two_images), 5 * 128 * 8);
  const Program one_image = lower_ok(network, on_one_tile(network), chip, {.images = 1});
  EXPECT_EQ(total(one_image), 5 * 64 * 8);
  chip.groups[0].tile.buffer.unbounded = true;
  const Program unbounded = lower_ok(network, on_one_tile(network), chip);
  EXPECT_EQ(unbounded.ports[0].window, kUnlimitedWindow);
}

TEST(Buffer, UnderLayerGranularityASkipEdgeMayHoldTheImagesInBetween) {
  const Network network = residual(4);
  const Program program = lower_ok(
      network, on_one_tile(network), toy_chip(), {.granularity = Granularity::layer, .images = 9});
  const auto window = [&](const std::string& from, const std::string& to) {
    return program.ports[ix(edge(program, from, to).ports.front())].window;
  };
  EXPECT_EQ(window("a", "b"), 2 * 16);
  EXPECT_EQ(window("a", "sum"), 4 * 16);  // b and c work on two more images
}

TEST(Buffer, TooSmallIsExplained) {
  const Network network = residual(8);
  arch::chip::Chip chip = toy_chip();
  chip.groups[0].tile.buffer.capacity = 50 * Bits(8);
  Diagnostics diagnostics;
  lower(network, on_one_tile(network), chip, {}, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.render(),
            "error[E-MAP-BUFFER]: the line buffers on tile 0 do not fit into its buffer: "
            "'b' (19 B, 19 positions of 'a'), 'c' (19 B, 19 positions of 'b'), "
            "'sum' (19 B, 19 positions of 'a'), 'a' (1 B, 1 positions of 'input'), 1 more\n"
            "      = path:     chip.tile.buffer.capacity\n"
            "      = expected: at least 59 B\n"
            "      = got:      50 B\n"
            "      = hint:     9 B are missing: enlarge the buffer, or move 'b' to another tile\n");
  EXPECT_TRUE(is_infeasible(diagnostics.errors()[0].code));
}

/// Tile 0 as in toy_chip(), tile 1 with a vector unit, registers and a buffer of its own; `b` is
/// there.
TEST(Groups, WhatAStageHasIsThatOfItsTile) {
  const Network network = residual(8);
  arch::chip::Chip chip = toy_chip(1);
  chip.groups[0].name = "near";
  arch::chip::TileGroup& far = chip.groups.emplace_back();
  far.name = "far";
  far.tile = chip.groups[0].tile;
  far.tile.pes = 3;
  far.tile.vector_unit.lanes = 0;
  far.tile.vector_unit.latency = Seconds(11e-9);
  far.tile.input_registers = 7;
  far.tile.output_slots = 9;
  far.pe = std::make_unique<ToyModel>(10);
  Mapping mapping = on_one_tile(network);
  for (LayerMapping& layer : mapping.layers) {
    layer.group = "near";
    if (layer.name == "b") {
      layer.group = "far";
      layer.placement = {{{.tile = 1, .first_pe = 0, .pes = layer.placement[0][0].pes}}};
    }
  }
  const Program program = lower_ok(network, mapping, chip);
  for (const ProgramPart& p : program.parts) {
    const ProgramStage& stage = program.stages[ix(p.stage)];
    const bool on_far = stage.name == "b";
    EXPECT_EQ(p.at == 1, on_far) << stage.name;
    EXPECT_EQ(p.input_registers, on_far ? 7 : 2) << stage.name;
    EXPECT_EQ(stage.replicas[0].output_slots, on_far ? 9 : 4) << stage.name;
    if (stage.kind == StageKind::matrix) {
      EXPECT_EQ(p.vector.latency, Cycles(on_far ? 11 : 3)) << stage.name;
      // `c` has the same Ops as `b`, but not the same PEs.
      for (const LockstepGroup& group : p.groups) {
        const int rows = program.residents[ix(group.resident)].op.rows;
        EXPECT_EQ(program.schedules[ix(group.schedule)].latency, Cycles(on_far ? 10 * rows : rows));
      }
      EXPECT_EQ(p.vector.cycles == Cycles(0), on_far) << stage.name;
    }
  }

  // Only the second tile's buffer is too small: 19 positions of `a`.
  far.tile.buffer.capacity = 18 * Bits(8);
  Diagnostics diagnostics;
  lower(network, mapping, chip, {}, diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U) << diagnostics.render();
  EXPECT_EQ(diagnostics.errors()[0].path, "chip.tile_groups.far.tile.buffer.capacity");
  EXPECT_EQ(diagnostics.errors()[0].got, "18 B");
  far.tile.buffer.unbounded = true;
  const Program open = lower_ok(network, mapping, chip);
  for (const ProgramPort& port : open.ports) {
    EXPECT_EQ(port.window == kUnlimitedWindow, port.at != 0);
  }
}

/// Each group takes turns by itself, and is rewritten when its own PEs are too few.
TEST(Groups, UnderSerialEveryGroupSharesItsPes) {
  const Network network = residual(8);
  arch::chip::Chip chip = toy_chip(1, 1);
  chip.groups[0].name = "near";
  arch::chip::TileGroup& far = chip.groups.emplace_back();
  far.name = "far";
  far.tiles = 3;
  far.tile = chip.groups[0].tile;
  far.pe = std::make_unique<ToyModel>();
  Mapping mapping = on_one_tile(network);
  for (LayerMapping& layer : mapping.layers) {
    layer.group = layer.name == "b" ? "far" : "near";
    layer.placement.clear();
  }
  const Program program = lower_ok(network, mapping, chip, {.granularity = Granularity::serial});
  std::int64_t rewritten = 0;
  for (const ProgramPart& p : program.parts) {
    const ProgramStage& stage = program.stages[ix(p.stage)];
    if (stage.kind == StageKind::matrix) {
      EXPECT_EQ(p.at > 0, stage.name == "b") << stage.name;
      EXPECT_EQ(stage.rewrites, stage.name != "b") << stage.name;
      rewritten += stage.rewrites ? 1 : 0;
    }
  }
  EXPECT_GT(rewritten, 1);
  EXPECT_EQ(program.pes_used, 1 + 3);
}

TEST(Buffer, OnlyWhatATileNeedsIsCharged) {
  Builder b("stride", {8, 8, 1});
  b.conv("conv", b.last(), {.channels = 1, .kernel = 1, .stride = 4});
  b.global_avg_pool("pool", b.last());
  const Network network = b.build();
  arch::chip::Chip chip = toy_chip();
  chip.groups[0].tile.buffer.capacity =
      5 * Bits(8);  // one position before conv, four before the pool
  const Program program = lower_ok(network, on_one_tile(network), chip);
  expect_enough(program);
}

TEST(Spill, LargestTensorsGoThroughMemory) {
  Builder b("spill", {8, 8, 1});
  b.conv("a", b.last(), {.channels = 1});
  b.conv("b", b.last(), {.channels = 1, .kernel = 3, .padding = 1});
  const Network network = b.build();
  arch::chip::Chip chip = toy_chip();
  chip.spec.memory.present = true;
  chip.spec.memory.width = 5;
  chip.spec.memory.latency = Seconds(40e-9);
  chip.groups[0].tile.buffer.capacity = 100 * Bits(8);  // the two tensors take 128 bytes
  const LowerOptions options{.granularity = Granularity::layer, .images = 3};
  const Program program = lower_ok(network, on_one_tile(network), chip, options);
  ASSERT_EQ(program.stages.size(), 5U);
  const ProgramStage& memory = stage(program, "memory.a.0");
  EXPECT_EQ(memory.kind, StageKind::memory);
  EXPECT_EQ(memory.positions, 64);
  EXPECT_EQ(memory.replicas[0].home, program.memory_endpoint);
  EXPECT_EQ(part(program, memory.replicas[0]).vector.cycles, Cycles(4));  // 8 bits in, 8 out, by 5
  EXPECT_EQ(part(program, memory.replicas[0]).vector.latency, Cycles(40));
  const ProgramEdge& in = edge(program, "input", "memory.a.0");
  EXPECT_EQ(in.last_needed, std::vector<std::int32_t>(64, 63));
  EXPECT_EQ(program.ports[ix(in.ports[0])].window, kUnlimitedWindow);
  EXPECT_EQ(program.ports[ix(in.ports[0])].at, program.memory_endpoint);
  const ProgramEdge& out = edge(program, "memory.a.0", "a");
  EXPECT_EQ(out.min_window, 1);
  EXPECT_EQ(out.last_needed.front(), 0);
  EXPECT_EQ(edge(program, "a", "b").min_window, 64);
  expect_consistent(program);
  expect_enough(program);

  // Smaller still: both go, and the second one keeps its receptive field.
  chip.groups[0].tile.buffer.capacity = 30 * Bits(8);
  chip.groups[0].tile.input_registers = 7;
  chip.groups[0].tile.output_slots = 9;
  const Program both = lower_ok(network, on_one_tile(network), chip, options);
  EXPECT_EQ(edge(both, "memory.b.0", "b").min_window, 19);
  for (const ProgramPart& p : both.parts) {
    EXPECT_EQ(p.input_registers, 7);  // of memory and ports too
  }
  for (const ProgramStage& stage : both.stages) {
    EXPECT_EQ(stage.replicas.front().output_slots, 9) << stage.name;
  }
  expect_consistent(both);
  expect_enough(both);

  // Without memory, or when the fields alone do not fit, it is an error.
  chip.groups[0].tile.buffer.capacity = 19 * Bits(8);
  Diagnostics fields;
  lower(network, on_one_tile(network), chip, options, fields);
  EXPECT_FALSE(fields.ok());
  chip.spec.memory.present = false;
  chip.groups[0].tile.buffer.capacity = 100 * Bits(8);
  Diagnostics none;
  lower(network, on_one_tile(network), chip, options, none);
  ASSERT_EQ(none.errors().size(), 1U);
  EXPECT_NE(none.errors()[0].hint.find("give the chip a memory"), std::string::npos);
}

TEST(Spill, BothOperandsOfAnAdd) {
  const Network network = residual(6);
  arch::chip::Chip chip = toy_chip();
  chip.spec.memory.present = true;
  chip.groups[0].tile.buffer.capacity = 36 * Bits(8);
  const Program program = lower_ok(
      network, on_one_tile(network), chip, {.granularity = Granularity::layer, .images = 2});
  EXPECT_EQ(edge(program, "memory.sum.0", "sum").min_window, 1);
  EXPECT_EQ(edge(program, "memory.sum.1", "sum").min_window, 1);
  const ProgramStage& sum = stage(program, "sum");
  ASSERT_EQ(sum.in_edges.size(), 2U);
  EXPECT_EQ(program.edges[ix(sum.in_edges[0])].operand, 0);
  EXPECT_EQ(program.edges[ix(sum.in_edges[1])].operand, 1);
  expect_consistent(program);
  expect_enough(program);
}

TEST(Spill, UnderPixelOnlyWhenAsked) {
  const Network network = residual(8);
  arch::chip::Chip chip = toy_chip();
  chip.spec.memory.present = true;
  chip.groups[0].tile.buffer.capacity = 45 * Bits(8);
  Diagnostics diagnostics;
  lower(network, on_one_tile(network), chip, {}, diagnostics);
  EXPECT_FALSE(diagnostics.ok());
  const Program program = lower_ok(network, on_one_tile(network), chip, {.spill = true});
  EXPECT_EQ(edge(program, "memory.sum.1", "sum").min_window, 1);
  EXPECT_EQ(edge(program, "a", "memory.sum.1").last_needed.front(), 0);
  expect_consistent(program);
  expect_enough(program);
}

TEST(Describe, NamesEveryStage) {
  const Network network = residual(4);
  const std::string text = describe(lower_ok(network, on_one_tile(network), toy_chip()));
  for (const char* word : {"input", "sum", "a -> sum", "output", "PEs written before the run"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
  }
}

}  // namespace
}  // namespace tessera::mapper
