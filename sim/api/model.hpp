// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Kind -> Model -> Unit -> Step: what the engine, the mapper and the accounting need from a kind
/// of processing element, and nothing else. *Given an Op: which resources are held for how long,
/// what countable things happen, what bits come out.*
///
/// Timing of a firing (one execution of an Op on one PE):
///   Steps form a chain of loops. A loop is a maximal run of consecutive Steps with the same
///   `repeat`; its passes are issued every II cycles, II = the largest occupancy in the loop;
///   within a pass, a Step starts `latency` cycles after the Step before it started. The next loop
///   starts when the last pass of the loop before has finished (its last Step's start + latency).
///   A resource appears at most once in a loop. A firing reserves each resource from the start of
///   its first to the end of its last occupation, and is issued at the earliest cycle at which no
///   reservation collides. Schedule (schedule.hpp) is this rule as numbers.
///
/// Errors   fits() answers with a reason; steps(), fire_cost() and units may assume an Op that
/// fits.
#pragma once

#include "sim/base/config.hpp"
#include "sim/base/units.hpp"
#include "workloads/network.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera {

/// Countable physical events of one kind, indexed by the kind's own action list.
inline constexpr std::size_t kMaxActions = 16;
using ActionCounts = std::array<std::int64_t, kMaxActions>;

/// A part of a PE that can be busy ("dac", "array", "adc", "shift_add").
struct Resource {
  std::string name;
  int count = 1;         ///< instances per PE working side by side as one resource
  SquareMeters area{0};  ///< of all instances
  Watts leakage{0};      ///< of all instances
  /// What it does, for those who watch (Step::use), when its name does not say it.
  std::vector<std::string> uses = {};
};

/// A countable event and its price.
struct Action {
  std::string name;  ///< "adc_convert"
  Joules energy{0};  ///< per event
  std::string source;
};

enum class OpCode {
  mvm,     ///< one input vector through the resident matrix
  write,   ///< program the resident matrix
  vector,  ///< a program in place of a tile's vector unit (Model::vector_ops)
};

/// One hardware-level operation on integers, as one PE sees it.
struct Op {
  OpCode code = OpCode::mvm;
  int rows = 0;    ///< matrix rows resident in this PE (all groups of the block diagonal together)
  int cols = 0;    ///< logical output columns of this PE (all groups together)
  int slices = 1;  ///< bit slices of each weight that are resident in this PE
  int in_bits = 8;
  bool in_signed = false;
  int w_bits = 8;
  int cell_cols =
      0;  ///< physical columns that hold the matrix, for kinds that pack slices side by side
  int w_codes = 0;   ///< most different weights, for kinds that hold codes; 0: all of w_bits
  int in_codes = 0;  ///< most different inputs, for kinds that hold codes; 0: all of in_bits
  int layer = -1;    ///< for kinds that run programs: whose
  int program = -1;  ///< and which one of the layer's

  bool operator==(const Op&) const = default;
  auto operator<=>(const Op&) const = default;
};

/// One occupation of one resource, repeated.
struct Step {
  int on = 0;           ///< index into resources()
  Cycles occupancy{1};  ///< the resource is held this long
  Cycles latency{1};    ///< the next Step of the same pass starts this long after this one started
  std::int64_t repeat = 1;  ///< passes
  ActionCounts did{};       ///< per pass
  int use = -1;             ///< index into Resource::uses
  std::int64_t index = -1;  ///< its number in a trace; -1: that of the pass
};

/// Hands out a firing piece by piece: each call answers a list of Steps (a chain of loops of its
/// own) that begins when the one before has ended, and nothing after the last. What it answered
/// holds until the next call.
using StepSource = std::function<std::span<const Step>()>;

/// Begins a firing: a new StepSource with every call.
using Sequence = std::function<StepSource()>;

/// The part of a layer's matrix that one PE holds.
struct Fragment {
  std::int64_t row = 0;  ///< first row (within the group when several PEs share a group, else 0)
  int rows = 0;          ///< rows of one group in this PE
  std::int64_t col = 0;  ///< first column within the group
  int cols = 0;          ///< columns of one group in this PE
  int group = 0;         ///< first group
  int groups = 1;        ///< groups stacked block-diagonally in this PE
  int slice = 0;         ///< first bit slice
  int slices = 1;        ///< bit slices held
  /// Physical columns [cell_col, cell_col + cell_cols) of the row block, for kinds that pack slices
  /// side by side: the first and the last logical column may then be held in part, and a fragment
  /// may hold none (cols == 0).
  std::int64_t cell_col = 0;
  int cell_cols = 0;
  /// For kinds that cut by input channels: only `reads` of the rows are read, those of some
  /// channels at every kernel position, from `channel` on. 0: all rows.
  int channel = 0;
  int reads = 0;

  [[nodiscard]] int rows_read() const { return reads > 0 ? reads : rows; }
};

/// How a matrix is cut into fragments. Fragments are ordered by (group, col, row, slice):
/// neighbours add up to whole results, so that a replica which spans tiles sends few partial ones.
struct Layout {
  bool ok = false;
  std::string why_not;
  std::vector<Fragment> fragments;
  int out_bits = 0;  ///< width of one column result as it leaves the PE
  int acc_bits = 0;  ///< width of a column result once all fragments are summed
  int block = 1;     ///< most output positions that one firing computes side by side
  /// Firings answer outputs, not sums: bias, scale, activation and requantization are part of them.
  bool ends_sums = false;
};

/// What a layer asks of a kind.
struct MatrixOp {
  std::int64_t rows = 0;  ///< per group
  std::int64_t cols = 0;  ///< per group
  int groups = 1;
  int w_bits = 8;
  int in_bits = 8;
  bool in_signed = false;
  int w_codes = 0;          ///< most different weights; 0: all of w_bits
  int in_codes = 0;         ///< most different inputs; 0: all of in_bits
  int layer = -1;           ///< LayerId, for kinds whose programs hold the weights; -1: of no layer
  int activation_rows = 0;  ///< of a sampled activation behind it; 0: there is none
};

/// A matrix layer as a kind sees it whose programs hold the weights.
struct ProgramMatrix {
  MatrixOp matrix;             ///< matrix.layer names it; its widths are those of the weights now
  int taps = 1;                ///< kernel positions: row = tap * channels of a group + channel
  std::int64_t positions = 1;  ///< output positions
  bool constant = true;        ///< false: the weights are made at run time
};

/// A matrix layer as programs need it.
struct ProgramLayer {
  Layer layer;                 ///< how its sums end
  LayerParameters parameters;  ///< without weights when nobody knows them
};

/// The layer with weights of w_bits and inputs of a_bits.
using ProgramLayerOf = std::function<ProgramLayer(int layer, int w_bits, int a_bits)>;

/// What programs are made of: their constants.
struct ProgramSource {
  std::vector<ProgramMatrix> matrices;
  ProgramLayerOf layer;  ///< kept, and asked by one thread at a time
  /// For what follows a matrix product: whether sums end in programs, and the layers that have no
  /// matrix. Null: programs are products only.
  std::shared_ptr<const Network> network;
};

/// What a tile's vector unit does to the positions of a block.
struct VectorWork {
  enum class What : std::uint8_t {
    add,    ///< results of PEs become one partial result per output
    end,    ///< and are then ended: bias, scale, activation, requantization of a matrix layer
    layer,  ///< a layer that has no matrix
  };

  What what = What::layer;
  int layer = -1;
  int w_bits = 0;          ///< add, end: of the layer's weights
  int a_bits = 0;          ///< add, end: of its inputs
  int term_bits = 0;       ///< add, end: of one result, signed
  std::vector<int> terms;  ///< add, end: results per output [groups * cols]; 0: not here

  auto operator<=>(const VectorWork&) const = default;
};

/// Closed form of one firing.
struct Cost {
  Cycles latency{0};   ///< issue to result
  Cycles interval{0};  ///< issue to the next issue of the same Op
  ActionCounts did{};
};

/// Which of a kind's actions is a write of one cell, and how many cells of a PE the writes of its
/// Ops spread over. No cells: firings write none, and every write Op writes each cell once.
struct CellWrites {
  int action = -1;
  std::int64_t cells = 0;
};

/// What stands between the exact product and what a firing answers.
enum class Fidelity {
  ideal,     ///< nothing: converters are unlimited, devices are perfect
  clipping,  ///< every conversion clips as the hardware's; devices are perfect
  physical,  ///< and devices are as imperfect as the spec says
};

/// Which firing this is. Noise is drawn by it, so that it does not matter when a firing is
/// computed.
struct Stamp {
  std::int64_t image = 0;
  std::int64_t position = 0;  ///< output position in the raster of the image
};

/// Many firings of one PE.
struct Batch {
  std::span<const Stamp> stamps;  ///< one per firing
  std::size_t rows = 0;
  std::size_t cols = 0;
  const std::int32_t* x = nullptr;
  std::size_t x_step = 0;  ///< from the inputs of one firing to those of the next
  std::int64_t* y = nullptr;
  std::size_t y_step = 0;
  /// When not null, the batch is one firing: where the Steps that it takes with these data are put
  /// (Model::depends_on_data()).
  std::vector<Step>* took = nullptr;

  [[nodiscard]] std::span<const std::int32_t> input(std::size_t firing) const {
    return {x + firing * x_step, rows};
  }

  [[nodiscard]] std::span<std::int64_t> output(std::size_t firing) const {
    return {y + firing * y_step, cols};
  }
};

/// The functional state of one PE: what its cells hold. Bit-accurate.
class Unit {
 public:
  virtual ~Unit() = default;

  /// Programs the fragment. `weights` is [groups][cols][rows] (row fastest), full signed w_bits
  /// values; the unit keeps only its own bit slices. `write` names this programming of this copy of
  /// the matrix, the same for all its fragments: what programming leaves to chance is drawn by it.
  virtual void load(const Op& op,
                    const Fragment& fragment,
                    std::span<const std::int32_t> weights,
                    std::uint64_t write) = 0;

  /// y[c] += contribution of this PE's slices, exact weight applied. x: [groups * rows], y: [groups
  /// * cols].
  virtual void fire(std::span<const std::int32_t> x,
                    std::span<std::int64_t> y,
                    Fidelity fidelity,
                    const Stamp& stamp) const = 0;

  /// The same for every firing of a batch: same numbers, faster where the kind can.
  virtual void fire_all(const Batch& batch, Fidelity fidelity) const;

  /// Whether every firing is the exact product of the fragment's slices.
  [[nodiscard]] virtual bool exact(Fidelity fidelity) const { return fidelity == Fidelity::ideal; }
};

/// A kind with its specification filled in: immutable, shared by simulator, mapper and accounting.
class Model {
 public:
  virtual ~Model() = default;

  [[nodiscard]] virtual const std::string& kind() const = 0;
  [[nodiscard]] virtual const std::vector<Resource>& resources() const = 0;
  [[nodiscard]] virtual const std::vector<Action>& actions() const = 0;

  /// For a kind whose programs are made from the weights: the same model with the programs of these
  /// layers, made when layout() or vector_ops() is first asked for one. Nothing for a kind that
  /// holds weights in cells.
  [[nodiscard]] virtual std::unique_ptr<Model> programmed(const ProgramSource& /*source*/) const {
    return nullptr;
  }

  /// Positions on which a PE of this kind works at once where it stands in for a vector unit; 0: it
  /// cannot.
  [[nodiscard]] virtual int vector_block() const { return 0; }

  /// The Ops that do this work on a block, in any order; none when nothing is to be done, nullopt
  /// when it takes more than programs. Their units read what vector_inputs() (workloads/layer_ops)
  /// says of a layer, or results [output][term], and write [output].
  [[nodiscard]] virtual std::optional<std::vector<Op>> vector_ops(
      const VectorWork& /*work*/) const {
    return std::nullopt;
  }

  /// Cuts a matrix into fragments, or says why it cannot.
  [[nodiscard]] virtual Layout layout(const MatrixOp& matrix) const = 0;
  /// The Op that a PE holding `fragment` executes.
  [[nodiscard]] virtual Op op(OpCode code,
                              const MatrixOp& matrix,
                              const Fragment& fragment) const = 0;

  /// The program that an mvm or vector Op of this model runs, in the kind's own text form; empty
  /// for a kind that has none.
  [[nodiscard]] virtual std::string program_text(const Op& /*op*/) const { return ""; }

  /// What happens, in which order, how long. Simulated form.
  [[nodiscard]] virtual std::vector<Step> steps(const Op& op) const = 0;

  /// What steps() sums up, in the order in which it happens, for those who watch a firing; empty
  /// where steps() says it itself. For an Op that holds some resource from issue to result, so that
  /// its firings never overlap: the pieces end when steps() does, and do the same.
  [[nodiscard]] virtual Sequence sequence(const Op& /*op*/) const { return {}; }

  /// Closed form in O(1), written from the paper and not from steps().
  [[nodiscard]] virtual Cost fire_cost(const Op& op) const = 0;

  /// Whether what a firing takes depends on its data. steps() and fire_cost() then say what is
  /// expected, and Units what it was: resources in the order of steps(), the last of them the same.
  [[nodiscard]] virtual bool depends_on_data() const { return false; }

  /// What no data can undercut: latency, interval and every count, each by itself. Closed form.
  [[nodiscard]] virtual Cost least_cost(const Op& op) const { return fire_cost(op); }

  /// What firings do to the cells of a PE, in the mean over its cells.
  [[nodiscard]] virtual CellWrites cell_writes() const { return {}; }

  /// How often the Op is expected to write the cell that it writes most: that one wears out first.
  [[nodiscard]] virtual double most_cell_writes(const Op& /*op*/) const { return 0; }

  /// Writes a cell survives; 0 when unknown.
  [[nodiscard]] virtual double endurance() const = 0;
  /// The PE named `pe`: two with the same name have the same devices.
  [[nodiscard]] virtual std::unique_ptr<Unit> make_unit(std::uint64_t pe) const = 0;
  /// Whether all units that hold fragments of `matrix` are exact, whatever the weights.
  [[nodiscard]] virtual bool exact(const MatrixOp& matrix, Fidelity fidelity) const;

  /// Whether PEs, writes and firings differ from one another in `physical` firings: when not, names
  /// and stamps change nothing.
  [[nodiscard]] virtual bool has_variation() const { return false; }
};

/// A sort of processing element, as the registry lists it.
struct Kind {
  std::string name;
  std::string doc;
  std::vector<config::FieldInfo> (*fields)();
  /// Reads the kind's own YAML (the `pe:` node, `kind` key already consumed). Never null; problems
  /// are diagnostics.
  std::unique_ptr<Model> (*make)(const config::Node& pe,
                                 const Clock& clock,
                                 Diagnostics& diagnostics);
  /// A random valid model and a random Op it supports, for the contract suite.
  std::unique_ptr<Model> (*random_model)(std::uint64_t seed);
  Op (*random_op)(const Model& model, std::uint64_t seed);
};

/// All kinds, in the order of their names. Generated: one call of `<kind>::kind()` per folder of
/// arch/ that has a kind.cpp.
const std::vector<Kind>& registry();

}  // namespace tessera
