// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/compile.hpp"

#include "arch/rtm_ap/compiler/cse.hpp"
#include "arch/rtm_ap/compiler/order.hpp"
#include "arch/rtm_ap/compiler/select.hpp"
#include "sim/base/math.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <future>
#include <optional>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

constexpr int kMinTemps = 4;  ///< columns without which no expression can be evaluated

/// Limits of the search for a cut; no layer that an array is made for comes near them.
constexpr std::int64_t kMaxAps = 4096;
constexpr int kMaxAttempts = 32;

struct Cut {
  int tiles = 1;
  int groups = 1;
};

/// Part `k` of `whole` things in `parts` nearly equal parts of whole units.
std::pair<int, int> share(int whole, int parts, int k, int unit) {
  const int units = ceil_div(whole, unit);
  const auto at = [&](int i) {
    return std::min(whole, static_cast<int>(std::int64_t{units} * i / parts) * unit);
  };
  return {at(k), at(k + 1) - at(k)};
}

/// Cycles of instructions when passes and steps of the nanowires take those of the options.
class Estimate {
 public:
  explicit Estimate(const CompileOptions& options) : options_(options) {}

  /// A program: nanowires with one port, which stays where it was left. Columns move side by side.
  double operator()(const Program& program, const Geometry& geometry) {
    std::vector<int> ports(static_cast<std::size_t>(geometry.columns), 0);
    double sum = 0;
    for (const Instruction& i : program.instructions) {
      int way = 0;
      for (const Operand* operand : {&i.dst, &i.a, &i.b}) {
        const auto first = static_cast<std::size_t>(operand->column);
        const std::size_t columns = operand->bits == 0      ? 0
                                    : i.op == Opcode::clear ? static_cast<std::size_t>(i.value)
                                                            : 1;
        for (std::size_t c = first; c < first + columns; ++c) {
          way = std::max(way, std::abs(operand->first - ports[c]));
          ports[c] = operand->first + operand->bits - 1;
        }
      }
      sum += cost(i, way);
    }
    return sum;
  }

  /// Before allocation: as if every field were passed upwards and then downwards again. Partial
  /// sums are cleared all at once, `domains` at most.
  double operator()(const Code& code, int domains) {
    double sum = 0;
    for (const VirtualInstruction& v : code.instructions) {
      const Instruction i = v.op == Opcode::clear
                                ? clear({0, 0, domains, false})
                                : Instruction{v.op, field(v.dst), field(v.a), field(v.b), v.number};
      sum += cost(i, widest(i) - 1);
    }
    return sum;
  }

 private:
  static Operand field(const View& view) { return {0, view.first, view.bits, view.is_signed}; }

  static int widest(const Instruction& i) { return std::max({i.dst.bits, i.a.bits, i.b.bits}); }

  /// `way`: steps to where it begins.
  double cost(const Instruction& i, int way) {
    return static_cast<double>(cycles_.of(i)) / 2 * options_.pass_cycles +
           (way + widest(i) - 1) * options_.step_cycles;
  }

  const CompileOptions& options_;
  CycleCounter cycles_;
};

class Compiler {
 public:
  Compiler(const LayerTask& layer, const Geometry& geometry, CompileOptions options)
      : layer_(layer), geometry_(geometry), options_(std::move(options)) {}

  /// The fewest APs, then the fewest cycles.
  CompiledLayer run() {
    if (layer_.max_bits() > geometry_.domains) {
      throw CompileError(fmt::format("{}: inputs of {} bits do not fit {} domains",
                                     layer_.name,
                                     layer_.max_bits(),
                                     geometry_.domains));
    }
    std::vector<int> widths = {9, 18, 36, 72};
    if (options_.block_inputs > 0) {
      widths = {options_.block_inputs};
    }
    // One compiler per width, side by side; which one is kept does not depend on who is first.
    std::vector<Compiler> compilers;
    int last = 0;
    for (const int width : widths) {
      CompileOptions options = options_;
      options.block_inputs = width;
      const int channels = channels_per_block(layer_, options);
      if (channels != last) {
        compilers.emplace_back(layer_, geometry_, options);
        last = channels;
      }
    }
    std::vector<std::future<std::optional<CompiledLayer>>> tries;
    tries.reserve(compilers.size());
    for (Compiler& compiler : compilers) {
      tries.push_back(
          std::async(std::launch::async, [&compiler] { return compiler.with_fewest_aps(); }));
    }
    std::optional<CompiledLayer> best;
    for (std::size_t t = 0; t < tries.size(); ++t) {
      std::optional<CompiledLayer> made = tries[t].get();
      problem_ = compilers[t].problem_.empty() ? problem_ : compilers[t].problem_;
      if (made && (!best || std::pair(made->parts.size(), made->cost) <
                                std::pair(best->parts.size(), best->cost))) {
        best = std::move(made);
      }
    }
    if (best) {
      return std::move(*best);
    }
    throw CompileError(
        fmt::format("{} does not fit an array of {} columns and {} domains{}{}",
                    layer_.name,
                    geometry_.columns,
                    geometry_.domains,
                    options_.most_aps > 0 ? fmt::format(" with {} APs", options_.most_aps) : "",
                    problem_.empty() ? "" : ": " + problem_));
  }

 private:
  std::optional<CompiledLayer> with_fewest_aps() {
    const int blocks = ceil_div(layer_.channels, channels_per_block(layer_, options_));
    const std::int64_t most = std::min(options_.most_aps > 0 ? options_.most_aps : kMaxAps,
                                       std::int64_t{layer_.outputs} * blocks);
    int attempts = 0;
    bool is_reached = false;
    is_hopeless_ = false;
    for (std::int64_t aps = 1; aps <= most && !is_hopeless_; ++aps) {
      const int before = attempts;
      for (std::int64_t k = 1; k <= aps; ++k) {
        // Whole sums first where only they can be ended.
        const std::int64_t tiles = options_.reduce ? k : aps + 1 - k;
        const std::int64_t groups = aps / tiles;
        if (aps % tiles != 0 || tiles > layer_.outputs || groups > blocks) {
          continue;
        }
        const Cut cut{static_cast<int>(tiles), static_cast<int>(groups)};
        if (!is_fine_enough(cut)) {
          continue;
        }
        is_reached = true;
        if (!may_fit(cut)) {
          continue;
        }
        if (std::optional<CompiledLayer> made = attempt(cut)) {
          return made;
        }
        ++attempts;
        if (is_hopeless_ || attempts == kMaxAttempts) {
          return std::nullopt;
        }
      }
      aps += attempts > before ? aps / 8 : 0;  // what nearly fits is tried in growing steps
    }
    if (!is_reached) {
      problem_ = fmt::format("as finely as it is to be cut it takes more than {} APs", most);
    }
    return std::nullopt;
  }

  /// No part has more outputs or channels than asked for.
  [[nodiscard]] bool is_fine_enough(const Cut& cut) const {
    const auto within = [](int count, int most) { return most == 0 || count <= most; };
    bool fine = within(ceil_div(layer_.outputs, cut.tiles), options_.most_outputs);
    for (int group = 0; group < cut.groups && fine; ++group) {
      fine = within(tile_of(cut, 0, group).channels, options_.most_channels);
    }
    return fine;
  }

  [[nodiscard]] Tile tile_of(const Cut& cut, int tile, int group) const {
    const auto [first_output, outputs] = share(layer_.outputs, cut.tiles, tile, 1);
    const auto [first_channel, channels] =
        share(layer_.channels, cut.groups, group, channels_per_block(layer_, options_));
    return {first_output, outputs, first_channel, channels};
  }

  /// Columns with sums as narrow as they could be; what they really are is known after selection.
  [[nodiscard]] bool may_fit(const Cut& cut) const {
    const Tile tile = tile_of(cut, 0, cut.groups - 1);
    const int first = tile.first_channel * layer_.taps;
    const int last = first + tile.channels * layer_.taps;
    const auto fits = [&](int bits) {
      return bits <= geometry_.domains &&
             plan_columns(layer_, tile, bits, {}, geometry_, options_).temp_columns >= kMinTemps;
    };
    if (!fits(1)) {
      return false;
    }
    std::int64_t most = 0;  // largest distance between two values of a sum
    for (int o = 0; o < tile.outputs; ++o) {
      std::int64_t span = 0;
      for (const Weight& w : layer_.weights[static_cast<std::size_t>(o)]) {
        if (w.input >= first && w.input < last) {
          span += std::int64_t{w.value < 0 ? -w.value : w.value} *
                  max_value(layer_.format(w.input).bits, false);
        }
      }
      most = std::max(most, span);
    }
    return fits(std::max(1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most)))));
  }

  std::optional<CompiledLayer> attempt(const Cut& cut) {
    cost_ = 0;
    CompiledLayer made;
    made.name = layer_.name;
    made.tiles = cut.tiles;
    made.groups = cut.groups;
    made.positions = layer_.positions;
    // A part that nobody adds to ends its sums when it has all channels.
    made.has_epilogue = has_epilogue(layer_, options_) && (options_.reduce || cut.groups == 1);
    how_to_select_ = options_;
    how_to_select_.epilogue = made.has_epilogue;
    made.parts.resize(static_cast<std::size_t>(cut.tiles) * static_cast<std::size_t>(cut.groups));
    std::optional<std::vector<int>> partials;
    for (int tile = 0; tile < cut.tiles; ++tile) {
      std::vector<std::vector<PartialFormat>> formats(static_cast<std::size_t>(cut.groups));
      for (int group = cut.groups - 1; group >= 0; --group) {
        const int number = tile * cut.groups + group;
        CompiledPart& part = made.parts[static_cast<std::size_t>(number)];
        part.tile = tile;
        part.group = group;
        part.range = tile_of(cut, tile, group);
        std::vector<Incoming> incoming;
        for (int step = 1; options_.reduce && group % (2 * step) == 0 && group + step < cut.groups;
             step *= 2) {
          incoming.push_back(
              {number + step, &formats[static_cast<std::size_t>(std::int64_t{group} + step)]});
        }
        if (!compile_part(part, incoming, partials, formats[static_cast<std::size_t>(group)])) {
          return std::nullopt;
        }
      }
    }
    made.block_inputs = options_.block_inputs;
    made.partials = partials.value_or(std::vector<int>{});
    made.cost = cost_;
    return made;
  }

  /// Ways of taking partial sums.
  [[nodiscard]] std::vector<std::vector<int>> candidates(int blocks) const {
    if (!options_.passes.partial_sums || !options_.passes.in_place) {
      return {{}};
    }
    if (!options_.partials.empty()) {
      return {options_.partials};
    }
    std::vector<std::vector<int>> list = {{}};
    constexpr int kMost = 32;
    for (int first = 1; first < std::min(blocks, kMost); first *= 2) {
      list.push_back({first});
      for (int second = 2; first * second < blocks && second <= kMost; second *= 2) {
        list.push_back({first, second});
      }
    }
    return list;
  }

  /// The candidates, cheapest first, judged by a few outputs.
  std::vector<std::vector<int>> ranked(const std::vector<Block>& blocks, const Tile& range) {
    std::vector<std::vector<int>> list = candidates(static_cast<int>(blocks.size()));
    if (list.size() == 1) {
      return list;
    }
    constexpr int kSample = 16;
    Tile sample = range;
    sample.outputs = std::min(range.outputs, kSample);
    std::vector<Block> few = blocks;
    for (Block& block : few) {
      std::erase_if(block.sums, [&](const Sum& sum) {
        return sum.output >= range.first_output + sample.outputs;
      });
    }
    std::vector<std::pair<double, std::size_t>> costs;
    for (std::size_t c = 0; c < list.size(); ++c) {
      const std::vector<Statement> statements =
          order_statements(few, range.first_output, {}, list[c]);
      const Selection s = select(layer_, sample, few, statements, {}, false, options_);
      costs.emplace_back(Estimate(options_)(s.code, geometry_.domains), c);
    }
    std::sort(costs.begin(), costs.end());
    std::vector<std::vector<int>> sorted;
    sorted.reserve(costs.size());
    for (const auto& [cost, c] : costs) {
      sorted.push_back(list[c]);
    }
    return sorted;
  }

  bool compile_part(CompiledPart& part,
                    const std::vector<Incoming>& incoming,
                    std::optional<std::vector<int>>& partials,
                    std::vector<PartialFormat>& formats) {
    std::vector<Block> blocks = make_blocks(layer_, part.range, options_);
    part.unrolled = num_operations(blocks);
    if (options_.passes.cse) {
      for (Block& block : blocks) {
        block = eliminate_common_pairs(std::move(block));
        part.temps += static_cast<int>(block.temps.size());
      }
    }
    part.operations = num_operations(blocks);
    const auto selected = [&](const std::vector<SumPlace>& places, const std::vector<int>& how) {
      return select(layer_,
                    part.range,
                    blocks,
                    order_statements(blocks, part.range.first_output, places, how),
                    incoming,
                    part.group == 0 || !options_.reduce,
                    how_to_select_);
    };
    // The same partial sums for all parts: the first one tells what costs least.
    Selection selection;
    bool fits = false;
    for (const std::vector<int>& how :
         partials ? std::vector<std::vector<int>>{*partials} : ranked(blocks, part.range)) {
      selection = selected({}, how);
      part.plan = plan_columns(
          layer_, part.range, selection.sum_bits, selection.partial_bits, geometry_, options_);
      const auto is_narrow = [&](int bits) { return bits <= geometry_.domains; };
      fits = part.plan.temp_columns >= kMinTemps && is_narrow(selection.sum_bits) &&
             std::all_of(selection.partial_bits.begin(), selection.partial_bits.end(), is_narrow);
      if (fits) {
        partials = how;
        break;
      }
    }
    if (!fits) {
      return false;
    }
    if (options_.passes.order_shifts) {
      std::vector<SumPlace> places;
      places.reserve(static_cast<std::size_t>(part.range.outputs));
      const Shelf& shelf = part.plan.partials.empty() ? part.plan.sums : part.plan.partials[0];
      for (int o = 0; o < part.range.outputs; ++o) {
        places.push_back({o % shelf.columns, o / shelf.columns});
      }
      selection = selected(places, *partials);
    }
    Allocation allocation =
        allocate(selection.code, layer_, part.range, part.plan, geometry_, options_);
    if (!allocation.problem.empty()) {
      problem_ = allocation.problem;
      // No cut makes the result of an output narrower.
      is_hopeless_ = std::any_of(selection.code.values.begin(),
                                 selection.code.values.end(),
                                 [&](const Value& v) { return v.bits > geometry_.domains; });
      return false;
    }
    cost_ += Estimate(options_)(allocation.program, geometry_);
    part.program = std::move(allocation.program);
    part.loads = std::move(selection.code.loads);
    part.reads = std::move(selection.code.reads);
    formats = std::move(selection.partials);
    return true;
  }

  const LayerTask& layer_;
  const Geometry& geometry_;
  CompileOptions options_;
  CompileOptions how_to_select_;
  double cost_ = 0;
  bool is_hopeless_ = false;
  std::string problem_;
};

}  // namespace

std::vector<int> CompiledLayer::execution_order() const {
  std::vector<int> order;
  for (int tile = 0; tile < tiles; ++tile) {
    for (int group = groups - 1; group >= 0; --group) {
      order.push_back(tile * groups + group);
    }
  }
  return order;
}

std::int64_t CompiledLayer::row_groups(const Geometry& geometry) const {
  return ceil_div(positions, std::int64_t{geometry.rows});
}

std::int64_t CompiledLayer::unrolled() const {
  std::int64_t sum = 0;
  for (const CompiledPart& part : parts) {
    sum += part.unrolled;
  }
  return sum;
}

std::int64_t CompiledLayer::operations() const {
  std::int64_t sum = 0;
  for (const CompiledPart& part : parts) {
    sum += part.operations;
  }
  return sum;
}

CompiledLayer compile(const LayerTask& layer,
                      const Geometry& geometry,
                      const CompileOptions& options) {
  if (!options.passes.fold) {
    return Compiler(layer, geometry, options).run();
  }
  LayerTask folded = layer;
  for (std::vector<Weight>& list : folded.weights) {
    std::erase_if(list, [](const Weight& w) { return w.value == 0; });
  }
  return Compiler(folded, geometry, options).run();
}

CompiledLayer compile_max_pool(const Network& network,
                               LayerId id,
                               const Geometry& geometry,
                               const CompileOptions& options,
                               int first_channels) {
  const Layer& pool = network.layer(id);
  const Layer& producer = network.layer(pool.inputs[0]);
  LayerTask layer;
  layer.name = pool.name;
  layer.taps = pool.window.kernel_h * pool.window.kernel_w;
  layer.channels = first_channels == 0 ? pool.out.channels : first_channels;
  layer.positions = pool.out.positions();
  layer.formats.assign(static_cast<std::size_t>(layer.channels),
                       {producer.out_bits, producer.out_signed});
  const std::int64_t offset =
      producer.out_signed ? std::int64_t{1} << (producer.out_bits - 1) : std::int64_t{0};

  // A channel is an output, too.
  CompileOptions limited = options;
  if (options.most_outputs > 0) {
    limited.most_channels = options.most_channels > 0
                                ? std::min(options.most_channels, options.most_outputs)
                                : options.most_outputs;
  }
  const int most = limited.most_channels > 0 ? limited.most_channels : layer.channels;

  CompiledLayer made;
  made.name = layer.name;
  made.positions = layer.positions;
  for (int tiles = 1; tiles <= layer.channels; ++tiles) {
    made.tiles = tiles;
    made.parts.assign(static_cast<std::size_t>(tiles), {});
    bool fits = true;
    for (int tile = 0; tile < tiles && fits; ++tile) {
      CompiledPart& part = made.parts[static_cast<std::size_t>(tile)];
      part.tile = tile;
      const auto [first, channels] =
          share(layer.channels, tiles, tile, channels_per_block(layer, limited));
      part.range = {0, 0, first, channels};
      part.plan = plan_columns(layer, part.range, 0, {}, geometry, limited);
      Code code;
      for (int c = first; c < first + channels; ++c) {
        for (int tap = 0; tap < layer.taps; ++tap) {
          const int value = static_cast<int>(code.values.size());
          const int input = c * layer.taps + tap;
          code.values.push_back({Value::Kind::input, input, producer.out_bits});
          const View x{value, 0, producer.out_bits, false};
          code.instructions.push_back(
              {Opcode::load, x, {}, {}, static_cast<std::int64_t>(code.loads.size())});
          code.loads.push_back({Slot::Kind::input, input, 0, offset});
        }
        const int best = static_cast<int>(code.values.size()) - layer.taps;
        for (int tap = 1; tap < layer.taps; ++tap) {
          code.instructions.push_back({Opcode::max_in_place,
                                       {best, 0, producer.out_bits, false},
                                       {best + tap, 0, producer.out_bits, false},
                                       {},
                                       0});
        }
        code.instructions.push_back({Opcode::read,
                                     {},
                                     {best, 0, producer.out_bits, false},
                                     {},
                                     static_cast<std::int64_t>(code.reads.size())});
        code.reads.push_back({Slot::Kind::output, c, 0, -offset});
      }
      fits =
          channels <= most && part.plan.temp_columns >= 0 && producer.out_bits <= geometry.domains;
      if (fits) {
        Allocation allocation = allocate(code, layer, part.range, part.plan, geometry, limited);
        part.program = std::move(allocation.program);
        part.loads = std::move(code.loads);
        part.reads = std::move(code.reads);
      }
    }
    if (fits) {
      return made;
    }
  }
  throw CompileError(fmt::format("{} does not fit an array of {} columns and {} domains",
                                 layer.name,
                                 geometry.columns,
                                 geometry.domains));
}

}  // namespace tessera::arch::rtm_ap
