// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The compiler of the associative processor on random layers, widths, arrays and options: every
/// bit right on the kernel, every value in a place of its own.
///
/// Replay   TESSERA_SEED=<seed printed by the failure>
#include "arch/rtm_ap/compiler/allocate.hpp"
#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/compiler/cse.hpp"
#include "arch/rtm_ap/compiler/listing.hpp"
#include "arch/rtm_ap/compiler/order.hpp"
#include "arch/rtm_ap/compiler/replay.hpp"
#include "arch/rtm_ap/compiler/select.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/scalar_ops.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* text = std::getenv("TESSERA_SEED")) {
    return {std::strtoull(text, nullptr, 10)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t s = 1; s <= count; ++s) {
    all.push_back(s);
  }
  return all;
}

int draw(Rng& rng, int lo, int hi) {
  return static_cast<int>(rng.uniform(lo, hi));
}

LayerTask random_layer(Rng& rng) {
  LayerTask t;
  t.name = "random";
  t.taps = rng.chance(0.5) ? 9 : draw(rng, 1, 6);
  t.channels = draw(rng, 1, 10);
  t.outputs = draw(rng, 1, 14);
  t.positions = 1;
  for (int c = 0; c < t.channels; ++c) {
    t.formats.push_back({draw(rng, 1, 6), rng.chance(0.3)});
  }
  const bool ternary = rng.chance(0.6);
  const double sparsity = rng.uniform01();
  const int most = ternary ? 1 : draw(rng, 1, 40);
  for (int o = 0; o < t.outputs; ++o) {
    std::vector<Weight>& list = t.weights.emplace_back();
    for (int i = 0; i < t.inputs(); ++i) {
      if (rng.chance(0.9)) {  // the others belong to no group of the output
        list.push_back(
            {i, rng.chance(sparsity) ? 0 : static_cast<std::int32_t>(rng.uniform(-most, most))});
      }
    }
    t.bias.push_back(rng.uniform(-200, 200));
    t.multiplier.push_back(static_cast<std::int32_t>(
        rng.chance(0.2) ? 1 : (rng.chance(0.15) ? rng.uniform(-300, 0) : rng.uniform(1, 300))));
  }
  t.shift = draw(rng, rng.chance(0.1) ? -3 : 0, 14);
  t.activation =
      rng.chance(0.5) ? Activation::relu : (rng.chance(0.3) ? Activation::relu6 : Activation::none);
  t.out_bits = draw(rng, 1, 9);
  t.out_signed = t.activation == Activation::none ? rng.chance(0.7) : rng.chance(0.2);
  if (t.out_signed) {
    t.out_bits = std::max(t.out_bits, 2);
  }
  return t;
}

CompileOptions random_options(Rng& rng) {
  CompileOptions o;
  const auto off = [&] { return !rng.chance(0.2); };
  o.passes.fold = off();
  o.passes.interchange = off();
  o.passes.unroll = off();
  o.passes.cse = off();
  o.passes.infer_widths = off();
  o.passes.in_place = off();
  o.passes.pack_domains = off();
  o.passes.order_shifts = off();
  o.passes.partial_sums = off();
  o.epilogue = off();
  o.block_inputs = draw(rng, 0, 20);
  if (rng.chance(0.3)) {
    o.partials = {draw(rng, 1, 3)};
    if (rng.chance(0.5)) {
      o.partials.push_back(draw(rng, 2, 3));
    }
  }
  return o;
}

std::string text_of(const CompileOptions& o) {
  std::string text = "off:";
  const auto name = [&](bool on, const char* what) { text += on ? "" : std::string(" ") + what; };
  name(o.passes.fold, "fold");
  name(o.passes.interchange, "interchange");
  name(o.passes.unroll, "unroll");
  name(o.passes.cse, "cse");
  name(o.passes.infer_widths, "infer_widths");
  name(o.passes.in_place, "in_place");
  name(o.passes.pack_domains, "pack_domains");
  name(o.passes.order_shifts, "order_shifts");
  name(o.passes.partial_sums, "partial_sums");
  name(o.epilogue, "epilogue");
  return text + "; block_inputs " + std::to_string(o.block_inputs);
}

/// Random rows; the corners of the ranges among them.
std::vector<std::vector<std::int32_t>> random_inputs(const LayerTask& t, int rows, Rng& rng) {
  std::vector<std::vector<std::int32_t>> x;
  for (int row = 0; row < rows; ++row) {
    std::vector<std::int32_t>& values = x.emplace_back();
    const bool corner = row % 3 == 0;
    for (int i = 0; i < t.inputs(); ++i) {
      const InputFormat& f = t.format(i);
      const std::int64_t lo = min_value(f.bits, f.is_signed);
      const std::int64_t hi = max_value(f.bits, f.is_signed);
      values.push_back(
          static_cast<std::int32_t>(corner ? (rng.chance(0.5) ? lo : hi) : rng.uniform(lo, hi)));
    }
  }
  return x;
}

std::vector<std::int64_t> expected(const LayerTask& t,
                                   const std::vector<std::int32_t>& x,
                                   bool epilogue) {
  std::vector<std::int64_t> sums = t.bias;
  for (std::size_t o = 0; o < sums.size(); ++o) {
    for (const Weight& w : t.weights[o]) {
      sums[o] += std::int64_t{w.value} * x[static_cast<std::size_t>(w.input)];
    }
  }
  if (!epilogue) {
    return sums;
  }
  Layer layer;
  layer.shift = t.shift;
  layer.activation = t.activation;
  layer.out_bits = t.out_bits;
  layer.out_signed = t.out_signed;
  std::vector<std::int32_t> y(sums.size());
  rescale_activate(layer, sums, t.multiplier, y);
  return {y.begin(), y.end()};
}

TEST(RtmApCompilerProperty, EveryBitIsRightWhateverIsOff) {
  int compiled = 0;
  int split = 0;
  for (const std::uint64_t seed : seeds(600)) {
    Rng rng(seed, "rtm_ap.compiler");
    const LayerTask t = random_layer(rng);
    CompileOptions options = random_options(rng);
    const Geometry geometry{draw(rng, 1, 70), draw(rng, 24, 90), draw(rng, 24, 70)};
    if (rng.chance(0.2)) {
      options.most_channels = draw(rng, 1, 4);
      options.most_outputs = draw(rng, 0, 4);
    }
    const std::string where = "TESSERA_SEED=" + std::to_string(seed) + " " + text_of(options);
    CompiledLayer layer;
    try {
      layer = compile(t, geometry, options);
    } catch (const CompileError&) {
      continue;  // counted below
    }
    ++compiled;
    split += layer.parts.size() > 1 ? 1 : 0;
    const int rows = geometry.rows + 3;  // a second row group that is not full
    const auto x = random_inputs(t, rows, rng);
    const Replay got = replay(
        layer,
        geometry,
        {},
        [&](std::int64_t p) { return x[static_cast<std::size_t>(p)]; },
        0,
        rows);
    for (std::size_t row = 0; row < x.size(); ++row) {
      ASSERT_EQ(got.values[row], expected(t, x[row], layer.has_epilogue))
          << where << " row " << row;
    }
    for (const CompiledPart& part : layer.parts) {
      ASSERT_TRUE(options.most_channels == 0 || part.range.channels <= options.most_channels)
          << where;
      ASSERT_TRUE(options.most_outputs == 0 || part.range.outputs <= options.most_outputs) << where;
      Diagnostics diagnostics;
      ASSERT_EQ(parse(print(part.program), "program", diagnostics).program, part.program) << where;
      ASSERT_TRUE(diagnostics.ok()) << where;
    }
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GE(compiled, 400);
    EXPECT_GE(split, 60);
  }
}

/// What allocation promises, checked from placements alone.
TEST(RtmApCompilerProperty, ValuesThatLiveAtOnceDoNotOverlap) {
  int placed = 0;
  for (const std::uint64_t seed : seeds(150)) {
    Rng rng(seed, "rtm_ap.allocate");
    const LayerTask t = random_layer(rng);
    CompileOptions options = random_options(rng);
    options.block_inputs = std::max(1, options.block_inputs);
    if (!options.passes.in_place) {
      options.partials.clear();
    }
    const Geometry geometry{1, draw(rng, 30, 256), draw(rng, 24, 70)};
    const Tile tile{0, t.outputs, 0, t.channels};
    std::vector<Block> blocks = make_blocks(t, tile, options);
    for (Block& block : blocks) {
      block = eliminate_common_pairs(block);
    }
    const Selection s = select(
        t, tile, blocks, order_statements(blocks, 0, {}, options.partials), {}, true, options);
    const Floorplan plan = plan_columns(t, tile, s.sum_bits, s.partial_bits, geometry, options);
    if (plan.temp_columns < 4 || s.sum_bits > geometry.domains) {
      continue;
    }
    const Allocation a = allocate(s.code, t, tile, plan, geometry, options);
    if (!a.problem.empty()) {
      continue;
    }
    ++placed;
    const std::string where = "TESSERA_SEED=" + std::to_string(seed) + " " + text_of(options);
    ASSERT_TRUE(verify(a.program, geometry).empty())
        << where << ": " << verify(a.program, geometry).front().sentence;
    for (std::size_t i = 0; i < a.placements.size(); ++i) {
      const Placement& x = a.placements[i];
      if (x.field.bits == 0) {
        continue;
      }
      ASSERT_GE(x.field.column, 0) << where;
      ASSERT_LT(x.field.column, geometry.columns - 1) << where;  // the last one holds the carry
      ASSERT_LE(x.field.first + x.field.bits, geometry.domains) << where;
      for (std::size_t j = 0; j < i; ++j) {
        const Placement& y = a.placements[j];
        const bool apart = y.field.bits == 0 || x.field.column != y.field.column ||
                           x.field.first + x.field.bits <= y.field.first ||
                           y.field.first + y.field.bits <= x.field.first;
        // Sums and inputs have their place for good.
        const auto fixed = [&](std::size_t v) {
          return s.code.values[v].kind != Value::Kind::temp && options.passes.in_place;
        };
        const bool at_once = fixed(i) || fixed(j) || (x.begin <= y.end && y.begin <= x.end);
        ASSERT_TRUE(apart || !at_once) << where << ": values " << j << " and " << i;
      }
    }
    for (const Instruction& i : a.program.instructions) {
      const bool binary = i.a.bits > 0 && i.b.bits > 0;
      ASSERT_TRUE(i.a.bits == 0 || i.dst.bits == 0 || i.a.column != i.dst.column)
          << where << ": " << print(i);
      ASSERT_TRUE(!binary || (i.a.column != i.b.column && i.b.column != i.dst.column))
          << where << ": " << print(i);
      ASSERT_NE(i.op, Opcode::reverse_sub_in_place);
    }
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GE(placed, 75);
  }
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
