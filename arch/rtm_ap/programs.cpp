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

/// Inputs of a Unit are 32-bit integers.
constexpr int kMostTermBits = 32;

using Weights = std::span<const std::int32_t>;

/// Takes over how the sums of outputs [first, first + task.outputs) of a layer end.
void set_ending(const Layer& layer, const LayerParameters& p, std::int64_t first, LayerTask& task) {
  const auto from = static_cast<std::ptrdiff_t>(first);
  std::copy_n(p.bias.begin() + from, task.outputs, task.bias.begin());
  std::copy_n(p.multiplier.begin() + from, task.outputs, task.multiplier.begin());
  task.shift = layer.shift;
  task.activation = layer.activation;
  task.out_bits = layer.out_bits;
  task.out_signed = layer.out_signed;
}

/// Groups [first, first + count) of a layer as a task of the compiler: sums.
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
                        column[static_cast<std::size_t>(std::int64_t{tap} * in_group + channel)]});
      }
    }
  }
  task.bias.assign(static_cast<std::size_t>(task.outputs), 0);
  task.multiplier.assign(static_cast<std::size_t>(task.outputs), 1);
  return task;
}

/// Results of a job [output][term] as a task of the compiler: the sums of those outputs that are
/// listed.
LayerTask task_of(const VectorWork& work, const std::vector<std::size_t>& outputs) {
  LayerTask task;
  task.name = fmt::format("the sums of layer {}", work.layer);
  task.outputs = static_cast<int>(outputs.size());
  for (const std::size_t output : outputs) {
    std::vector<Weight>& list = task.weights.emplace_back();
    for (int term = 0; term < work.terms[output]; ++term) {
      list.push_back({task.channels++, 1});
    }
  }
  task.formats.assign(static_cast<std::size_t>(task.channels), {work.term_bits, true});
  task.bias.assign(outputs.size(), 0);
  task.multiplier.assign(outputs.size(), 1);
  return task;
}

/// The outputs [first, first + count) of a task with the channels that they read, and which these
/// are.
std::pair<LayerTask, std::vector<int>> excerpt(const LayerTask& task, int first, int count) {
  LayerTask part = task;
  part.outputs = count;
  const auto cut = [first, count](auto& list) {
    list = {list.begin() + first, list.begin() + first + count};
  };
  cut(part.weights);
  cut(part.bias);
  cut(part.multiplier);
  std::vector<int> channels;
  for (const std::vector<Weight>& list : part.weights) {
    for (const Weight& w : list) {
      channels.push_back(w.input / task.taps);
    }
  }
  std::sort(channels.begin(), channels.end());
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  part.channels = static_cast<int>(channels.size());
  part.formats.clear();
  for (const int channel : channels) {
    part.formats.push_back(task.formats[static_cast<std::size_t>(channel)]);
  }
  for (std::vector<Weight>& list : part.weights) {
    for (Weight& w : list) {
      const auto at = std::lower_bound(channels.begin(), channels.end(), w.input / task.taps);
      w.input = static_cast<int>(at - channels.begin()) * task.taps + w.input % task.taps;
    }
  }
  return {std::move(part), std::move(channels)};
}

/// A task whose outputs share few inputs or none: as few programs as their own inputs allow,
/// numbered as the task does.
std::vector<CompiledPart> compile_apart(const LayerTask& task,
                                        const Geometry& geometry,
                                        CompileOptions options) {
  options.most_aps = 1;
  for (int most = task.outputs;; most = ceil_div(most, 2)) {
    std::vector<CompiledPart> parts;
    try {
      const int tiles = ceil_div(task.outputs, most);
      for (int tile = 0; tile < tiles; ++tile) {
        const int first = static_cast<int>(std::int64_t{task.outputs} * tile / tiles);
        const int last = static_cast<int>(std::int64_t{task.outputs} * (tile + 1) / tiles);
        auto [cut, channels] = excerpt(task, first, last - first);
        CompiledPart part = std::move(compile(cut, geometry, options).parts.front());
        for (Slot& slot : part.loads) {
          slot.index = channels[static_cast<std::size_t>(slot.index / task.taps)] * task.taps +
                       slot.index % task.taps;
        }
        for (Slot& slot : part.reads) {
          slot.index += first;
        }
        parts.push_back(std::move(part));
      }
      return parts;
    } catch (const CompileError&) {
      if (most == 1) {
        throw;
      }
    }
  }
}

/// What the engine asks for: every part reads out its own results.
CompileOptions options_of(const Spec& spec, const Clock& clock) {
  CompileOptions options = compile_options(spec, clock);
  options.reduce = false;
  return options;
}

/// The same in place of a vector unit. Limits of the cut are for layers with a matrix.
CompileOptions vector_options_of(const Spec& spec, const Clock& clock) {
  CompileOptions options = options_of(spec, clock);
  options.most_channels = 0;
  options.most_outputs = 0;
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
    } else if (std::int64_t{part.range.channels} * layer.taps < matrix.rows) {
      f.channel = part.range.first_channel;
      f.reads = part.range.channels * layer.taps;
    }
  }
  made.in_group = matrix.rows / layer.taps;
  made.first_channel = group * made.in_group;
  made.first_output = group * matrix.cols + f.col;
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

/// Whether a program can do what lies between a layer's sums and its output: no codes, and no
/// function beyond ReLU (has_epilogue() has the last word).
bool can_end(const Layer& layer) {
  return layer.out_codes == 0 && layer.codebook.empty() && layer.activation_table.empty();
}

std::shared_ptr<const Ending> ending_of(const Layer& layer,
                                        const LayerParameters& p,
                                        std::int64_t first,
                                        std::int64_t count) {
  auto ending = std::make_shared<Ending>();
  ending->layer = layer;
  const auto bias = p.bias.begin() + static_cast<std::ptrdiff_t>(first);
  const auto multiplier = p.multiplier.begin() + static_cast<std::ptrdiff_t>(first);
  ending->parameters.bias.assign(bias, bias + static_cast<std::ptrdiff_t>(count));
  ending->parameters.multiplier.assign(multiplier, multiplier + static_cast<std::ptrdiff_t>(count));
  return ending;
}

LayerPrograms refused(std::string why_not) {
  LayerPrograms none;
  none.why_not = std::move(why_not);
  return none;
}

/// Of all constants of the program: weights, bias and scale.
std::uint64_t weights_of(const FragmentProgram& program) {
  const auto with = [](const auto& list, std::uint64_t before) {
    return fnv1a(std::string_view(reinterpret_cast<const char*>(list.data()),
                                  list.size() * sizeof(*list.data())),
                 before);
  };
  return program.ending == nullptr ? program.weights
                                   : with(program.ending->parameters.multiplier,
                                          with(program.ending->parameters.bias, program.weights));
}

/// What a slot loads, in terms of the layer.
SlotRole load_role(const FragmentProgram& program, std::size_t slot) {
  SlotRole role;
  role.offset = program.load_offset[slot];
  auto x = static_cast<std::int64_t>(program.load_x[slot]);
  if (program.fragment.rows == 0) {
    role.index = x;
    if (program.work->what != VectorWork::What::layer) {
      role.what = SlotRole::What::term;
      role.index = 0;
      for (const int terms : program.work->terms) {
        if (x < terms) {
          break;
        }
        x -= terms;
        ++role.index;
      }
      role.from = x;
    }
    return role;
  }
  x += program.fragment.row;
  const std::int64_t rows = program.in_group * program.taps;
  const std::int64_t channel =
      program.first_channel + x / rows * program.in_group + x % rows % program.in_group;
  role.index = channel * program.taps + x % rows / program.in_group;
  return role;
}

int widest_read(const Program& program) {
  int bits = 1;
  for (const Instruction& i : program.instructions) {
    bits = i.op == Opcode::read ? std::max(bits, i.a.bits) : bits;
  }
  return bits;
}

}  // namespace

Programs::Programs(Spec spec, const Clock& clock, ProgramSource source, std::size_t keep)
    : spec_(std::move(spec)), clock_(clock), source_(std::move(source)), keep_(keep) {
  for (const ProgramMatrix& layer : source_.matrices) {
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
  if (op.code == OpCode::vector) {
    return *vector_programs_.at(static_cast<std::size_t>(op.program));
  }
  return made(op).programs->parts[static_cast<std::size_t>(op.program)];
}

std::shared_ptr<const FragmentProgram> Programs::load(const Op& op) const {
  const std::scoped_lock lock(making_);
  if (op.code == OpCode::vector) {
    return vector_programs_.at(static_cast<std::size_t>(op.program));
  }
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
  const ProgramLayer of = source_.layer(matrix.layer, matrix.w_bits, matrix.in_bits);
  const LayerParameters& parameters = of.parameters;
  if (static_cast<std::int64_t>(parameters.weights.size()) != size) {
    made.why_not = fmt::format("its weights are not known with {} bits", matrix.w_bits);
    return made;
  }
  for (const bool ends : {spec_.ends_sums && source_.network != nullptr, false}) {
    if (cut(layer, matrix, of, ends, made)) {
      break;
    }
  }
  const auto rows = static_cast<int>(Blocks::of(layer.positions, spec_.rows).size);
  for (FragmentProgram& part : made.parts) {
    part.rows = rows;
    part.totals = totals(spec_, clock_, part.program, rows);
    part.cost = program_cost(spec_, clock_, part.program, rows);
    part.weights = digest_of(matrix, part.fragment, parameters.weights);
    made.out_bits = std::max(made.out_bits, widest_read(part.program));
  }
  made.acc_bits = made.ends_sums ? made.out_bits
                                 : std::max(made.out_bits, sum_bits(matrix, parameters.weights));
  return made;
}

/// False: some of the sums could be ended and some could not.
bool Programs::cut(const ProgramMatrix& layer,
                   const MatrixOp& matrix,
                   const ProgramLayer& of,
                   bool ends,
                   LayerPrograms& made) const {
  made.parts.clear();
  const Geometry geometry = rtm_ap::geometry(spec_);
  const auto compiled = [&](int first, int count) {
    CompileOptions options = options_of(spec_, clock_);
    options.most_aps = count > 1 ? 1 : 0;
    LayerTask task = task_of(layer, matrix, of.parameters.weights, first, count);
    if (!of.layer.name.empty()) {
      task.name = of.layer.name;
    }
    options.epilogue = ends && can_end(of.layer);
    if (options.epilogue) {
      set_ending(of.layer, of.parameters, first * matrix.cols, task);
    }
    return compile(task, geometry, options);
  };
  // As many whole groups as fit one AP; of the last try, `most` is what fitted.
  int most = most_groups(layer, matrix, spec_.compile);
  for (int first = 0; first < matrix.groups;) {
    int count = std::min(most, matrix.groups - first);
    std::optional<CompiledLayer> part;
    for (; count > 1 && !part; count = part ? count : ceil_div(count, 2)) {
      try {
        part = compiled(first, count);
      } catch (const CompileError&) {
        most = ceil_div(count, 2);
      }
    }
    if (!part) {
      count = 1;
      try {
        part = compiled(first, 1);
      } catch (const CompileError& error) {
        made.why_not = error.what();
        made.parts.clear();
        return true;
      }
    }
    if (first > 0 && part->has_epilogue != made.ends_sums) {
      return false;
    }
    made.ends_sums = part->has_epilogue;
    for (CompiledPart& one : part->parts) {
      made.parts.push_back(fragment_program(layer, matrix, std::move(one), first, count));
      if (made.ends_sums) {
        const Fragment& f = made.parts.back().fragment;
        made.parts.back().ending = ending_of(of.layer,
                                             of.parameters,
                                             f.group * matrix.cols + f.col,
                                             std::int64_t{f.groups} * f.cols);
      }
    }
    first += count;
  }
  return true;
}

std::optional<std::vector<Op>> Programs::vector_ops(const VectorWork& work) const {
  const std::scoped_lock lock(making_);
  auto found = jobs_.find(work);
  if (found == jobs_.end()) {
    found = jobs_.emplace(work, make(work)).first;
  }
  return found->second.possible ? std::optional(found->second.ops) : std::nullopt;
}

Programs::Jobs Programs::make(const VectorWork& work) const {
  Jobs jobs;
  if (source_.network == nullptr) {
    return jobs;
  }
  CompileOptions options = vector_options_of(spec_, clock_);
  try {
    if (work.what == VectorWork::What::layer) {
      return make_layer(work);
    }
    std::vector<std::size_t> inputs;
    std::vector<std::size_t> outputs;
    std::size_t input = 0;
    for (std::size_t output = 0; output < work.terms.size(); ++output) {
      const auto terms = static_cast<std::size_t>(work.terms[output]);
      if (terms > (work.what == VectorWork::What::add ? 1U : 0U)) {
        outputs.push_back(output);
        for (std::size_t term = 0; term < terms; ++term) {
          inputs.push_back(input + term);
        }
      }
      input += terms;
    }
    jobs.possible = outputs.empty();
    if (outputs.empty() || work.term_bits > kMostTermBits) {
      return jobs;
    }
    LayerTask task = task_of(work, outputs);
    if (work.what == VectorWork::What::end) {
      const ProgramLayer of = source_.layer(work.layer, work.w_bits, work.a_bits);
      if (!can_end(of.layer) || of.parameters.multiplier.size() != work.terms.size()) {
        return jobs;
      }
      set_ending(of.layer, of.parameters, 0, task);
      if (!has_epilogue(task, options)) {
        return jobs;
      }
    } else {
      options.epilogue = false;
    }
    std::vector<CompiledPart> parts = compile_apart(task, geometry(spec_), options);
    for (CompiledPart& part : parts) {
      for (Slot& slot : part.loads) {
        slot.index = static_cast<int>(inputs[static_cast<std::size_t>(slot.index)]);
      }
      for (Slot& slot : part.reads) {
        slot.index = static_cast<int>(outputs[static_cast<std::size_t>(slot.index)]);
      }
    }
    add(std::move(parts), work, {}, jobs);
  } catch (const CompileError&) {
    // No array is large enough: the lanes do it.
  }
  return jobs;
}

/// Channels do all the same, so those of a position lie in as many rows as there are to spare.
Programs::Jobs Programs::make_layer(const VectorWork& work) const {
  const Network& network = *source_.network;
  const Layer& layer = network.layer(work.layer);
  const CompileOptions options = vector_options_of(spec_, clock_);
  const int all = layer.out.channels;
  const std::int64_t block = Blocks::of(layer.out.positions(), spec_.rows).size;
  const auto rows_of_position = static_cast<int>(std::min<std::int64_t>(spec_.rows / block, all));
  const int channels = ceil_div(all, rows_of_position);
  const std::int64_t taps = std::int64_t{layer.window.kernel_h} * layer.window.kernel_w;
  const auto inputs = static_cast<std::int64_t>(taps * static_cast<int>(layer.inputs.size()));
  Jobs jobs;
  if (!can_end(layer) || inputs * channels > kMaxUnrolled) {
    return jobs;
  }
  FragmentProgram as;
  as.slices = ceil_div(all, channels);
  as.slice_x = static_cast<std::size_t>(inputs * channels);
  as.slice_y = static_cast<std::size_t>(channels);
  if (layer.kind == LayerKind::max_pool) {
    add(compile_max_pool(network, work.layer, geometry(spec_), options, channels).parts,
        work,
        as,
        jobs);
  } else if (task_problem(network, work.layer).empty()) {
    const LayerTask task = layer_task(network, work.layer, {});
    if (has_epilogue(task, options)) {
      add(compile_apart(excerpt(task, 0, channels).first, geometry(spec_), options),
          work,
          as,
          jobs);
    }
  }
  return jobs;
}

/// `as`: their slices.
void Programs::add(std::vector<CompiledPart>&& parts,
                   const VectorWork& work,
                   const FragmentProgram& as,
                   Jobs& jobs) const {
  const std::int64_t positions = source_.network->layer(work.layer).out.positions();
  const auto rows = static_cast<int>(Blocks::of(positions, spec_.rows).size) * as.slices;
  const auto of = std::make_shared<const VectorWork>(work);
  for (CompiledPart& part : parts) {
    auto made = std::make_shared<FragmentProgram>(as);
    made->work = of;
    for (const Slot& slot : part.loads) {
      made->load_x.push_back(static_cast<std::size_t>(slot.index));
      made->load_offset.push_back(slot.offset);
    }
    for (const Slot& slot : part.reads) {
      made->reads.push_back({static_cast<std::size_t>(slot.index), slot.offset});
    }
    made->program = std::move(part.program);
    made->rows = rows;
    made->totals = totals(spec_, clock_, made->program, rows);
    made->cost = program_cost(spec_, clock_, made->program, rows);
    Op op;
    op.code = OpCode::vector;
    op.layer = work.layer;
    op.program = static_cast<int>(vector_programs_.size());
    op.rows = static_cast<int>(made->load_x.size());
    op.cols = static_cast<int>(made->reads.size());
    jobs.ops.push_back(op);
    vector_programs_.push_back(std::move(made));
  }
  jobs.possible = true;
}

std::string listing(const FragmentProgram& program, const Geometry& array) {
  const Fragment& f = program.fragment;
  const bool is_matrix = f.rows > 0;
  std::string text = "# in place of the vector unit";
  if (is_matrix) {
    text = fmt::format("# groups {} to {}, rows {} to {}, columns {} to {}",
                       f.group,
                       f.group + f.groups - 1,
                       f.row,
                       f.row + f.rows - 1,
                       f.col,
                       f.col + f.cols - 1);
  }
  if (f.reads > 0) {
    text += fmt::format(
        ", of the rows channels {} to {}", f.channel, f.channel + f.reads / program.taps - 1);
  }
  if (program.slices > 1) {
    text += fmt::format(", {} rows per position, {} inputs and {} outputs apart",
                        program.slices,
                        program.slice_x,
                        program.slice_y);
  }
  text += '\n';
  if (is_matrix && program.taps > 1) {
    text += fmt::format("# an input is channel * {} + tap\n", program.taps);
  }
  Head head;
  head.array = array;
  if (is_matrix) {
    head.weights = fmt::format("{:016x}", weights_of(program));
  } else if (program.work->what != VectorWork::What::layer) {
    head.term_bits = program.work->term_bits;
  }
  head.slices = program.slices;
  head.slice_inputs = static_cast<std::int64_t>(program.slice_x);
  head.slice_outputs = static_cast<std::int64_t>(program.slice_y);
  for (std::size_t slot = 0; slot < program.load_x.size(); ++slot) {
    head.loads.push_back(load_role(program, slot));
  }
  for (const ReadOut& read : program.reads) {
    const bool ended =
        is_matrix ? program.ending != nullptr : program.work->what != VectorWork::What::add;
    head.reads.push_back({ended ? SlotRole::What::output : SlotRole::What::sum,
                          program.first_output + static_cast<std::int64_t>(read.y),
                          0,
                          read.offset});
  }
  return text + print(head) + print(program.program);
}

std::uint64_t digest(std::span<const std::int32_t> weights) {
  return fnv1a(
      std::string_view(reinterpret_cast<const char*>(weights.data()), weights.size_bytes()));
}

Events run_block(const Spec& spec, const FragmentProgram& program, const Batch& batch) {
  const std::size_t positions = batch.stamps.size();
  const std::size_t rows = positions * static_cast<std::size_t>(program.slices);
  std::vector<std::vector<std::int64_t>> inputs(program.load_x.size());
  for (std::size_t slot = 0; slot < inputs.size(); ++slot) {
    inputs[slot].resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t x = program.load_x[slot] + row / positions * program.slice_x;
      // The last slice may have fewer channels.
      const std::int64_t value = x < batch.rows ? batch.input(row % positions)[x] : 0;
      inputs[slot][row] = value + program.load_offset[slot];
    }
  }
  Array array(geometry(spec), ports(spec), static_cast<int>(rows));
  const std::vector<std::vector<std::int64_t>> sums = array.run(program.program, inputs);
  for (std::size_t slot = 0; slot < program.reads.size(); ++slot) {
    const ReadOut& read = program.reads[slot];
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t y = read.y + row / positions * program.slice_y;
      if (y < batch.cols) {
        batch.output(row % positions)[y] += sums[slot][row] + read.offset;
      }
    }
  }
  return array.events();
}

}  // namespace tessera::arch::rtm_ap
