// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/programs.hpp"

#include "arch/rtm_ap/kernel.hpp"
#include "sim/api/blocks.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// More than this would be tens of millions of instructions.
constexpr std::int64_t kMaxUnrolled = std::int64_t{1} << 25;

using Weights = std::span<const std::int32_t>;

/// Groups [first, first + count) of a layer as a task of the compiler.
LayerTask task_of(
    const ProgramMatrix& layer, const MatrixOp& matrix, Weights weights, int first, int count) {
  const int in_group = static_cast<int>(matrix.rows) / layer.taps;
  const auto columns = static_cast<int>(matrix.cols);
  LayerTask task;
  task.name = fmt::format("layer {}", matrix.layer);
  task.taps = layer.taps;
  task.channels = in_group * count;
  task.outputs = columns * count;
  task.positions = layer.positions;
  task.formats.assign(static_cast<std::size_t>(task.channels), {matrix.in_bits, matrix.in_signed});
  task.weights.resize(static_cast<std::size_t>(task.outputs));
  for (int output = 0; output < task.outputs; ++output) {
    std::vector<Weight>& list = task.weights[static_cast<std::size_t>(output)];
    const Weights column = weights.subspan(
        static_cast<std::size_t>((std::int64_t{first} * columns + output) * matrix.rows),
        static_cast<std::size_t>(matrix.rows));
    for (int channel = 0; channel < in_group; ++channel) {
      for (int tap = 0; tap < task.taps; ++tap) {
        list.push_back({(output / columns * in_group + channel) * task.taps + tap,
                        column[static_cast<std::size_t>(tap * in_group + channel)]});
      }
    }
  }
  task.bias.assign(static_cast<std::size_t>(task.outputs), 0);
  task.multiplier.assign(static_cast<std::size_t>(task.outputs), 1);
  return task;
}

/// What the engine and the vector unit leave to a program: sums of its own channels.
CompileOptions options_of(const Spec& spec, const Clock& clock) {
  CompileOptions options = compile_options(spec, clock);
  options.epilogue = false;
  options.reduce = false;
  return options;
}

/// Groups of a grouped layer that one AP may take: as many parts as need be, nearly equal ones.
int most_groups(const ProgramMatrix& layer, const MatrixOp& matrix, const CompileChoices& choices) {
  std::int64_t most = matrix.groups;
  if (choices.most_channels > 0) {
    most = std::min(most, choices.most_channels / (matrix.rows / layer.taps));
  }
  if (choices.most_outputs > 0) {
    most = std::min(most, choices.most_outputs / matrix.cols);
  }
  const auto parts = ceil_div(std::int64_t{matrix.groups}, std::max<std::int64_t>(1, most));
  return static_cast<int>(ceil_div(std::int64_t{matrix.groups}, parts));
}

/// Where input `input` of a task lies in the rows of its fragment.
std::size_t row_of(const ProgramMatrix& layer,
                   const MatrixOp& matrix,
                   const Fragment& f,
                   int input) {
  const std::int64_t in_group = matrix.rows / layer.taps;
  const std::int64_t channel = input / layer.taps;
  const std::int64_t tap = input % layer.taps;
  return static_cast<std::size_t>(channel / in_group * matrix.rows + tap * in_group +
                                  channel % in_group - f.row);
}

/// The part of a compiled task, whose first group is `group`, that one AP runs.
FragmentProgram fragment_program(const ProgramMatrix& layer,
                                 const MatrixOp& matrix,
                                 CompiledPart&& part,
                                 int group,
                                 int groups) {
  FragmentProgram made;
  made.taps = layer.taps;
  Fragment& f = made.fragment;
  f.group = group;
  f.groups = groups;
  f.rows = static_cast<int>(matrix.rows);
  f.cols = static_cast<int>(matrix.cols);
  if (groups == 1) {
    f.col = part.range.first_output;
    f.cols = part.range.outputs;
    if (layer.taps == 1) {
      f.row = part.range.first_channel;
      f.rows = part.range.channels;
    } else if (part.range.channels * layer.taps < matrix.rows) {
      f.channel = part.range.first_channel;
      f.reads = part.range.channels * layer.taps;
    }
  }
  for (const Slot& slot : part.loads) {
    made.load_x.push_back(row_of(layer, matrix, f, slot.index));
    made.load_offset.push_back(slot.offset);
  }
  for (const Slot& slot : part.reads) {
    made.reads.push_back({static_cast<std::size_t>(slot.index - f.col), slot.offset});
  }
  made.program = std::move(part.program);
  return made;
}

/// Weights of a fragment as Unit::load gets them.
std::uint64_t digest_of(const MatrixOp& matrix, const Fragment& f, Weights weights) {
  std::vector<std::int32_t> cut;
  for (int g = f.group; g < f.group + f.groups; ++g) {
    for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
      const Weights column =
          weights.subspan(static_cast<std::size_t>((g * matrix.cols + c) * matrix.rows + f.row),
                          static_cast<std::size_t>(f.rows));
      cut.insert(cut.end(), column.begin(), column.end());
    }
  }
  return digest(cut);
}

/// Bits of the widest sum over all channels, signed.
int sum_bits(const MatrixOp& matrix, Weights weights) {
  const std::int64_t largest = (std::int64_t{1} << (matrix.in_bits - (matrix.in_signed ? 1 : 0))) -
                               (matrix.in_signed ? 0 : 1);
  std::int64_t most = 0;
  const auto rows = static_cast<std::size_t>(matrix.rows);
  for (std::size_t begin = 0; begin < weights.size(); begin += rows) {
    std::int64_t sum = 0;
    for (const std::int32_t w : weights.subspan(begin, rows)) {
      sum += std::abs(std::int64_t{w});
    }
    most = std::max(most, sum * largest);
  }
  return 1 + static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most)));
}

LayerPrograms refused(std::string why_not) {
  LayerPrograms none;
  none.why_not = std::move(why_not);
  return none;
}

int widest_read(const Program& program) {
  int bits = 1;
  for (const Instruction& i : program.instructions) {
    bits = i.op == Opcode::read ? std::max(bits, i.a.bits) : bits;
  }
  return bits;
}

}  // namespace

Programs::Programs(const Spec& spec,
                   const Clock& clock,
                   const std::vector<ProgramMatrix>& layers,
                   WeightsOf weights,
                   std::size_t keep)
    : spec_(spec), clock_(clock), weights_(std::move(weights)), keep_(keep) {
  for (const ProgramMatrix& layer : layers) {
    layers_[layer.matrix.layer] = layer;
  }
}

std::vector<MatrixOp> Programs::matrices() const {
  std::vector<MatrixOp> all;
  for (const auto& [layer, matrix] : layers_) {
    all.push_back(matrix.matrix);
  }
  return all;
}

const LayerPrograms& Programs::of(const MatrixOp& matrix) const {
  static const LayerPrograms kEmpty = refused("the matrix is empty");
  static const LayerPrograms kUnknown = refused("programs hold weights, and nobody gave them");
  static const LayerPrograms kDynamic =
      refused("its weights are made at run time, programs hold them as constants");
  if (matrix.rows <= 0 || matrix.cols <= 0 || matrix.groups <= 0) {
    return kEmpty;
  }
  const auto layer = layers_.find(matrix.layer);
  if (layer == layers_.end()) {
    return kUnknown;
  }
  if (!layer->second.constant) {
    return kDynamic;
  }
  const Key key{matrix.layer, matrix.in_bits, matrix.in_signed, matrix.w_bits};
  const std::scoped_lock lock(making_);
  Made& made = made_[key];
  if (made.programs == nullptr) {
    LayerPrograms programs = make(layer->second, matrix);
    std::size_t instructions = 0;
    for (const FragmentProgram& part : programs.parts) {
      instructions += part.program.instructions.size();
    }
    programs.listed = kept_ + instructions <= keep_;
    kept_ += programs.listed ? instructions : 0;
    for (FragmentProgram& part : programs.parts) {
      if (!programs.listed) {
        part.program.instructions = {};
      }
    }
    made = {matrix, std::make_shared<const LayerPrograms>(std::move(programs))};
  }
  return *made.programs;
}

const Programs::Made& Programs::made(const Op& op) const {
  const auto found = made_.find(Key{op.layer, op.in_bits, op.in_signed, op.w_bits});
  if (found == made_.end() || op.program < 0 ||
      op.program >= static_cast<int>(found->second.programs->parts.size())) {
    throw InternalError("arch/rtm_ap", -1, "an operation without a program");
  }
  return found->second;
}

const FragmentProgram& Programs::at(const Op& op) const {
  const std::scoped_lock lock(making_);
  return made(op).programs->parts[static_cast<std::size_t>(op.program)];
}

std::shared_ptr<const FragmentProgram> Programs::load(const Op& op) const {
  const std::scoped_lock lock(making_);
  const Made& known = made(op);
  std::shared_ptr<const LayerPrograms> programs = known.programs;
  if (!programs->listed) {
    const Key key{op.layer, op.in_bits, op.in_signed, op.w_bits};
    if (made_again_ == nullptr || again_ != key) {
      made_again_ = std::make_shared<const LayerPrograms>(make(layers_.at(op.layer), known.matrix));
      again_ = key;
    }
    programs = made_again_;
  }
  return {programs, &programs->parts[static_cast<std::size_t>(op.program)]};
}

LayerPrograms Programs::make(const ProgramMatrix& layer, const MatrixOp& matrix) const {
  LayerPrograms made;
  made.block = spec_.rows;
  const std::int64_t size = matrix.rows * matrix.cols * matrix.groups;
  if (size > kMaxUnrolled) {
    made.why_not =
        fmt::format("{} weights, and programs are unrolled: at most {}", size, kMaxUnrolled);
    return made;
  }
  const std::vector<std::int32_t> weights = weights_(matrix.layer, matrix.w_bits);
  if (static_cast<std::int64_t>(weights.size()) != size) {
    made.why_not = fmt::format("its weights are not known with {} bits", matrix.w_bits);
    return made;
  }
  const Geometry geometry = rtm_ap::geometry(spec_);
  CompileOptions options = options_of(spec_, clock_);
  const auto compiled = [&](int first, int count) {
    return compile(task_of(layer, matrix, weights, first, count), geometry, options);
  };
  // As many whole groups as fit one AP; of the last try, `most` is what fitted.
  int most = most_groups(layer, matrix, spec_.compile);
  for (int first = 0; first < matrix.groups;) {
    int count = std::min(most, matrix.groups - first);
    std::optional<CompiledLayer> part;
    for (; count > 1 && !part; count = part ? count : ceil_div(count, 2)) {
      options.most_aps = 1;
      try {
        part = compiled(first, count);
      } catch (const CompileError&) {
        most = ceil_div(count, 2);
      }
    }
    if (!part) {
      count = 1;
      options.most_aps = 0;
      try {
        part = compiled(first, 1);
      } catch (const CompileError& error) {
        made.why_not = error.what();
        made.parts.clear();
        return made;
      }
    }
    for (CompiledPart& one : part->parts) {
      made.parts.push_back(fragment_program(layer, matrix, std::move(one), first, count));
    }
    first += count;
  }
  const auto rows = static_cast<int>(Blocks::of(layer.positions, spec_.rows).size);
  for (FragmentProgram& part : made.parts) {
    part.totals = totals(spec_, clock_, part.program, rows);
    part.cost = program_cost(spec_, clock_, part.program, rows);
    part.weights = digest_of(matrix, part.fragment, weights);
    made.out_bits = std::max(made.out_bits, widest_read(part.program));
  }
  made.acc_bits = std::max(made.out_bits, sum_bits(matrix, weights));
  return made;
}

std::string listing(const FragmentProgram& program) {
  const Fragment& f = program.fragment;
  std::string text = fmt::format("# groups {} to {}, rows {} to {}, columns {} to {}",
                                 f.group,
                                 f.group + f.groups - 1,
                                 f.row,
                                 f.row + f.rows - 1,
                                 f.col,
                                 f.col + f.cols - 1);
  if (f.reads > 0) {
    text += fmt::format(
        ", of the rows channels {} to {}", f.channel, f.channel + f.reads / program.taps - 1);
  }
  text += '\n';
  const auto with = [](std::int64_t offset) {
    return offset == 0 ? std::string() : fmt::format(", {:+}", offset);
  };
  for (std::size_t slot = 0; slot < program.load_x.size(); ++slot) {
    text += fmt::format(
        "# load {}: row {}{}\n", slot, program.load_x[slot], with(program.load_offset[slot]));
  }
  for (std::size_t slot = 0; slot < program.reads.size(); ++slot) {
    const ReadOut& read = program.reads[slot];
    text += fmt::format("# read {}: column {}{}\n", slot, read.y, with(read.offset));
  }
  return text + print(program.program);
}

std::uint64_t digest(std::span<const std::int32_t> weights) {
  return fnv1a(
      std::string_view(reinterpret_cast<const char*>(weights.data()), weights.size_bytes()));
}

Events run_block(const Spec& spec, const FragmentProgram& program, const Batch& batch) {
  const std::size_t rows = batch.stamps.size();
  std::vector<std::vector<std::int64_t>> inputs(program.load_x.size());
  for (std::size_t slot = 0; slot < inputs.size(); ++slot) {
    inputs[slot].resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      inputs[slot][row] = batch.input(row)[program.load_x[slot]] + program.load_offset[slot];
    }
  }
  Array array(geometry(spec), ports(spec), static_cast<int>(rows));
  const std::vector<std::vector<std::int64_t>> sums = array.run(program.program, inputs);
  for (std::size_t slot = 0; slot < program.reads.size(); ++slot) {
    const ReadOut& read = program.reads[slot];
    for (std::size_t row = 0; row < rows; ++row) {
      batch.output(row)[read.y] += sums[slot][row] + read.offset;
    }
  }
  return array.events();
}

}  // namespace tessera::arch::rtm_ap
