// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Layers of networks as tasks of the compiler, against the golden reference: all kinds, groups,
/// strides, padding that is no zero, and what the array cannot do.
#include "arch/rtm_ap/compiler/layer.hpp"

#include "arch/rtm_ap/compiler/compile.hpp"
#include "arch/rtm_ap/compiler/listing.hpp"
#include "arch/rtm_ap/compiler/replay.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

/// Layers of `network` that an array computes, each on the golden activations before it.
int compare(const Network& network) {
  Golden golden(network, 5);
  golden.run(synthetic_input(network, 5, 0));
  const auto tensor = [&](LayerId id) { return std::span<const std::int32_t>(golden.tensor(id)); };
  int compared = 0;
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    CompiledLayer compiled;
    const Geometry geometry{64, 128, 64};
    if (layer.kind == LayerKind::max_pool) {
      compiled = compile_max_pool(network, id, geometry);
    } else if (task_problem(network, id).empty()) {
      compiled = compile(
          layer_task(network,
                     id,
                     layer.is_matrix() ? synthetic_parameters(network, id, 5) : LayerParameters{}),
          geometry);
      if (!compiled.has_epilogue) {
        continue;
      }
    } else {
      continue;
    }
    const Replay got = replay(
        compiled,
        geometry,
        {},
        [&](std::int64_t p) { return layer_inputs(network, id, tensor, p); },
        0,
        layer.out.positions());
    std::size_t at = 0;
    for (const std::vector<std::int64_t>& position : got.values) {
      for (const std::int64_t v : position) {
        EXPECT_EQ(v, golden.tensor(id)[at++]) << layer.name;
      }
    }
    EXPECT_EQ(at, golden.tensor(id).size()) << layer.name;
    ++compared;
  }
  return compared;
}

TEST(RtmApLayer, EveryKindEqualsTheReference) {
  for (const int bits : {2, 3, 8}) {
    Network network = zoo("tiny_cnn");
    quantize(network, {bits, 4});
    EXPECT_EQ(compare(network), 9) << bits;  // all but concat and flatten
  }
}

TEST(RtmApLayer, SignedActivationsAndMatricesOfTokens) {
  Network network = zoo("attention_block");
  quantize(network, {3, 5});
  EXPECT_EQ(compare(network), 6);
}

TEST(RtmApLayer, PaddingReadsWhatTheLayerSays) {
  Network network = zoo("tiny_cnn");
  quantize(network, {3, 4});
  for (Layer& layer : network.layers) {
    if (layer.kind == LayerKind::conv) {
      layer.pad_value = 3;
    }
  }
  EXPECT_EQ(compare(network), 9);
}

TEST(RtmApLayer, OperandsOfAnAddAreScaled) {
  Network network = zoo("tiny_cnn");
  quantize(network, {3, 4});
  for (Layer& layer : network.layers) {
    if (layer.kind == LayerKind::add) {
      layer.a_multiplier = 117;
      layer.b_multiplier = 58;
      layer.shift = 7;
    }
  }
  EXPECT_EQ(compare(network), 9);
}

TEST(RtmApLayer, SaysWhatTheArrayCannotDo) {
  Network network = zoo("attention_block");
  quantize(network, {4, 4});
  int refused = 0;
  for (LayerId id = 1; id <= network.output(); ++id) {
    const LayerKind kind = network.layer(id).kind;
    if (kind == LayerKind::matmul || kind == LayerKind::softmax || kind == LayerKind::layer_norm) {
      EXPECT_FALSE(task_problem(network, id).empty());
      EXPECT_THROW(layer_task(network, id, {}), InternalError);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 5);
}

TEST(RtmApLayer, TooSmallAnArrayIsRefusedWithAReason) {
  Network network = zoo("tiny_cnn");
  quantize(network, {2, 4});
  const LayerTask task = layer_task(network, 1, synthetic_parameters(network, 1, 1));
  const auto reason = [&](const Geometry& geometry) -> std::string {
    try {
      (void)compile(task, geometry);
    } catch (const CompileError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(reason({256, 256, 64}), "");
  EXPECT_THAT(reason({256, 8, 64}), testing::HasSubstr("8 columns"));
  EXPECT_THAT(reason({256, 256, 3}), testing::HasSubstr("do not fit 3 domains"));
}

/// As few APs as fit; more when asked for, with the same bits (the property test compares them).
TEST(RtmApLayer, IsCutOnlyWhereItMustBe) {
  Network network = zoo("tiny_cnn");
  quantize(network, {2, 4});
  const LayerTask task = layer_task(network, 2, synthetic_parameters(network, 2, 1));
  EXPECT_EQ(compile(task, {}).parts.size(), 1U);
  CompileOptions options;
  options.most_channels = task.channels / 4;
  options.block_inputs = 9;
  const CompiledLayer four = compile(task, {}, options);
  EXPECT_EQ(four.groups, 4);
  EXPECT_EQ(four.execution_order(), (std::vector<int>{3, 2, 1, 0}));
  // Part 0 gets the sums of 1 and of 2, which got those of 3: a tree.
  const auto senders = [&](std::size_t part) {
    std::vector<int> list;
    for (const Slot& slot : four.parts[part].loads) {
      if (slot.kind == Slot::Kind::partial && (list.empty() || list.back() != slot.part)) {
        list.push_back(slot.part);
      }
    }
    return list;
  };
  EXPECT_EQ(senders(0), (std::vector<int>{1, 2}));
  EXPECT_EQ(senders(2), (std::vector<int>{3}));
  EXPECT_TRUE(senders(1).empty());
  EXPECT_EQ(four.tiles, 1);
  const CompiledLayer narrow = compile(task, {256, 15, 64});
  EXPECT_GT(narrow.parts.size(), 1U);
  for (const CompiledPart& part : narrow.parts) {
    EXPECT_LE(columns_in_use(part.program), 15);
  }
}

/// A limit is one of each part, in nearly equal shares; what does not fit is cut further.
TEST(RtmApLayer, LimitsOfTheCutAreKept) {
  Network network = zoo("tiny_cnn");
  quantize(network, {2, 4});
  const LayerTask task = layer_task(network, 2, synthetic_parameters(network, 2, 1));
  ASSERT_EQ(task.channels, 8);
  ASSERT_EQ(task.outputs, 8);
  CompileOptions options;
  const auto cut = [&](int channels, int outputs, const Geometry& geometry) {
    options.most_channels = channels;
    options.most_outputs = outputs;
    const CompiledLayer made = compile(task, geometry, options);
    for (const CompiledPart& part : made.parts) {
      EXPECT_LE(part.range.channels, channels > 0 ? channels : task.channels);
      EXPECT_LE(part.range.outputs, outputs > 0 ? outputs : task.outputs);
    }
    return std::pair(made.tiles, made.groups);
  };
  EXPECT_EQ(cut(0, 8, {}), std::pair(1, 1));
  EXPECT_EQ(cut(0, 3, {}), std::pair(3, 1));
  EXPECT_EQ(cut(3, 0, {}), std::pair(1, 3));
  EXPECT_EQ(cut(2, 4, {}), std::pair(2, 4));
  EXPECT_EQ(cut(1, 1, {}), std::pair(8, 8));
  EXPECT_EQ(cut(1000, 1000, {}), std::pair(1, 1));
  const Geometry narrow{256, 15, 64};
  const auto [tiles, groups] = cut(0, 0, narrow);
  EXPECT_GT(tiles * groups, 1);
  EXPECT_EQ(cut(8, 8, narrow), std::pair(tiles, groups)) << "the limits are no aim";
  EXPECT_EQ(cut(0, 1, narrow).first, 8);
}

TEST(RtmApLayer, ACutOfMoreArraysThanThereCanBeIsRefused) {
  LayerTask task;
  task.name = "wide";
  task.channels = 65;
  task.outputs = 65;
  task.formats.assign(65, {4, false});
  task.bias.assign(65, 0);
  task.multiplier.assign(65, 1);
  for (int o = 0; o < task.outputs; ++o) {
    task.weights.push_back({{o, 1}});
  }
  CompileOptions options;
  options.most_channels = 1;
  options.most_outputs = 1;
  try {
    (void)compile(task, {}, options);
    ADD_FAILURE() << "4225 programs";
  } catch (const CompileError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("more than 4096 APs"));
  }
}

TEST(RtmApLayer, LimitsHoldForPoolingToo) {
  Network network = zoo("tiny_cnn");
  quantize(network, {2, 4});
  LayerId pool = 0;
  for (LayerId id = 1; id <= network.output(); ++id) {
    pool = network.layer(id).kind == LayerKind::max_pool ? id : pool;
  }
  ASSERT_NE(pool, 0);
  const int channels = network.layer(pool).out.channels;
  EXPECT_EQ(compile_max_pool(network, pool, {}).parts.size(), 1U);
  CompileOptions options;
  options.most_outputs = 3;
  options.block_inputs = 36;
  const CompiledLayer made = compile_max_pool(network, pool, {}, options);
  int covered = 0;
  for (const CompiledPart& part : made.parts) {
    EXPECT_GT(part.range.channels, 0);
    EXPECT_LE(part.range.channels, 3);
    covered += part.range.channels;
  }
  EXPECT_EQ(covered, channels);
}

TEST(RtmApLayer, ListingIsReadBack) {
  Network network = zoo("tiny_cnn");
  quantize(network, {2, 4});
  const CompiledLayer made =
      compile(layer_task(network, 1, synthetic_parameters(network, 1, 1)), {});
  const std::string text = listing(made, 0, network.layer(1), {});
  EXPECT_THAT(text, testing::HasSubstr("\nin 1 input 1\n"));
  EXPECT_THAT(text, testing::HasSubstr("\nout 7 output 7\n"));
  Diagnostics diagnostics;
  const Listing read = parse(text, "stem.apasm", diagnostics);
  EXPECT_TRUE(diagnostics.ok());
  EXPECT_EQ(read.program, made.parts[0].program);
  EXPECT_EQ(read.head.array, Geometry{});
  EXPECT_EQ(read.head.loads.size(), made.parts[0].loads.size());
  EXPECT_EQ(read.head.reads.size(), made.parts[0].reads.size());
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
