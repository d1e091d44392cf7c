// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The programs of a network, compiled when they are first asked for: what one AP runs for a block
/// of output positions, of a matrix layer or in place of a vector unit.
///
/// Shapes   a fragment is a tile of output channels and a range of input channels, as the compiler
///          cuts them. Of a grouped convolution an AP takes as many whole groups as fit; where not
///          even one does, that group is cut
/// Sums     a layer whose APs all have all channels of their outputs ends its sums
/// (Spec::ends_sums):
///          programs answer outputs. Others read out the sums of their own channels, stored as sum
///          - ReadOut::offset; adding and ending these are programs of their own
/// Memory   instructions are kept of as many layers as have `keep` together; those of the others
///          are made again when a unit is loaded
/// Threads  of() may be called by several threads at once; a layer is compiled by one
/// Errors   a layer that cannot be compiled has a reason instead of programs
#pragma once

#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/api/model.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::arch::rtm_ap {

/// A read-out of a program: where it goes and what is missing from it.
struct ReadOut {
  std::size_t y = 0;  ///< column of the fragment
  std::int64_t offset = 0;
};

/// How a fragment's sums become outputs.
struct Ending {
  Layer layer;
  LayerParameters parameters;  ///< bias and multiplier of the fragment's outputs
};

struct FragmentProgram {
  Fragment fragment;
  int taps = 1;                          ///< kernel positions of the fragment's rows
  std::shared_ptr<const Ending> ending;  ///< null: sums are read out
  Program program;
  /// By slot: the row of the fragment that is loaded, and what is added to it.
  std::vector<std::size_t> load_x;
  std::vector<std::int64_t> load_offset;
  std::vector<ReadOut> reads;  ///< by slot
  /// Of a layer without a matrix, whose channels are all alike: rows that a position has, each with
  /// other channels, and how far apart their inputs and outputs are.
  int slices = 1;
  std::size_t slice_x = 0;
  std::size_t slice_y = 0;
  /// Where the fragment lies in its layer: channels of a group, and what the first group has first.
  std::int64_t in_group = 0;
  std::int64_t first_channel = 0;
  std::int64_t first_output = 0;
  std::shared_ptr<const VectorWork> work;  ///< in place of a vector unit: the job
  int rows = 1;                            ///< in use, by one block
  Totals totals;                           ///< of one block
  ProgramCost cost;                        ///< of one block
  std::uint64_t weights = 0;               ///< digest of the fragment's weights
};

struct LayerPrograms {
  std::string why_not;  ///< empty: there are programs
  int block = 1;        ///< positions of a firing, at most
  int out_bits = 0;     ///< of the widest sum that is read out
  int acc_bits = 0;     ///< of a sum over all channels
  bool ends_sums = false;
  bool listed = true;  ///< false: instructions were left out, Programs::load makes them again
  std::vector<FragmentProgram> parts;
};

class Programs {
 public:
  Programs(Spec spec,
           const Clock& clock,
           ProgramSource source,
           std::size_t keep = std::size_t{1} << 23);

  /// The layers as they were given.
  [[nodiscard]] std::vector<MatrixOp> matrices() const;

  /// What runs `matrix`, or why nothing can.
  [[nodiscard]] const LayerPrograms& of(const MatrixOp& matrix) const;

  /// Programs in place of a vector unit: Model::vector_ops().
  [[nodiscard]] std::optional<std::vector<Op>> vector_ops(const VectorWork& work) const;

  /// What is known of the program that an Op of this model runs.
  [[nodiscard]] const FragmentProgram& at(const Op& op) const;

  /// The same with its instructions.
  [[nodiscard]] std::shared_ptr<const FragmentProgram> load(const Op& op) const;

 private:
  using Key = std::tuple<int, int, bool, int>;  ///< layer, width and sign of inputs, w_bits

  struct Made {
    MatrixOp matrix;
    std::shared_ptr<const LayerPrograms> programs;
  };

  /// Those of one vector unit's job. Their Ops say where they stand.
  struct Jobs {
    bool possible = false;
    std::vector<Op> ops;
  };

  [[nodiscard]] LayerPrograms make(const ProgramMatrix& layer, const MatrixOp& matrix) const;
  [[nodiscard]] bool cut(const ProgramMatrix& layer,
                         const MatrixOp& matrix,
                         const ProgramLayer& of,
                         bool ends,
                         LayerPrograms& made) const;
  [[nodiscard]] Jobs make(const VectorWork& work) const;
  [[nodiscard]] Jobs make_layer(const VectorWork& work) const;
  void add(std::vector<CompiledPart>&& parts,
           const VectorWork& work,
           const FragmentProgram& as,
           Jobs& jobs) const;
  [[nodiscard]] const Made& made(const Op& op) const;

  Spec spec_;
  Clock clock_;
  std::map<int, ProgramMatrix> layers_;
  ProgramSource source_;
  std::size_t keep_;
  mutable std::mutex making_;
  mutable std::map<Key, Made> made_;
  mutable std::map<VectorWork, Jobs> jobs_;
  mutable std::vector<std::shared_ptr<const FragmentProgram>> vector_programs_;
  mutable std::size_t kept_ = 0;  ///< instructions
  mutable Key again_{};           ///< whose programs were made again
  mutable std::shared_ptr<const LayerPrograms> made_again_;
};

/// The program as .apasm. Its head says which input of the layer or which term a load brings, what
/// a read answers, and what is added to the one and missing from the other; names and widths are
/// left out.
[[nodiscard]] std::string listing(const FragmentProgram& program, const Geometry& array);

/// Of weights [groups][cols][rows] as Unit::load gets them.
[[nodiscard]] std::uint64_t digest(std::span<const std::int32_t> weights);

/// A block on an array of its own: y += what the passes produced. At most spec.rows / slices
/// positions. Answers what happened.
Events run_block(const Spec& spec, const FragmentProgram& program, const Batch& batch);

}  // namespace tessera::arch::rtm_ap
