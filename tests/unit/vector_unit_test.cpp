// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The table of arch/tile/README.md, row by row, with numbers that no two rows share.
#include "arch/tile/vector_unit.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tessera::arch::tile {
namespace {

constexpr std::int64_t kNonlinear = 11;

VectorUnitSpec spec(std::int64_t lanes = 64) {
  VectorUnitSpec s;
  s.lanes = lanes;
  s.nonlinear_cost = kNonlinear;
  return s;
}

Layer layer(LayerKind kind, int channels, Activation activation = Activation::none) {
  Layer l;
  l.kind = kind;
  l.out.channels = channels;
  l.activation = activation;
  return l;
}

TEST(FinalOps, BiasScaleRequantizeActivationPerChannel) {
  Layer l = layer(LayerKind::conv, 7);
  l.has_bias = false;
  EXPECT_EQ(final_ops(l, spec()), 7 * 1);
  l.has_bias = true;
  EXPECT_EQ(final_ops(l, spec()), 7 * 2);
  l.has_batch_norm = true;
  EXPECT_EQ(final_ops(l, spec()), 7 * 3);
  l.activation = Activation::relu;
  EXPECT_EQ(final_ops(l, spec()), 7 * 4);
  l.activation = Activation::relu6;
  EXPECT_EQ(final_ops(l, spec()), 7 * 4);
  for (const Activation nonlinear : {Activation::gelu, Activation::sigmoid, Activation::tanh}) {
    l.activation = nonlinear;
    EXPECT_EQ(final_ops(l, spec()), 7 * (3 + kNonlinear));
    VectorUnitSpec by_pes = spec();
    by_pes.ends_sums = false;
    EXPECT_EQ(final_ops(l, by_pes), 0);
  }
}

TEST(LayerOps, Pooling) {
  Layer l = layer(LayerKind::max_pool, 5);
  l.window.kernel_h = 3;
  l.window.kernel_w = 2;
  EXPECT_EQ(layer_ops(l, spec()), 5 * 6);
  l.kind = LayerKind::avg_pool;
  EXPECT_EQ(layer_ops(l, spec()), 5 * 7);
}

TEST(LayerOps, AddAndActivation) {
  EXPECT_EQ(layer_ops(layer(LayerKind::add, 5), spec()), 5 * 2);
  EXPECT_EQ(layer_ops(layer(LayerKind::position_embedding, 5), spec()), 5 * 2);
  EXPECT_EQ(layer_ops(layer(LayerKind::add, 5, Activation::relu), spec()), 5 * 3);
  EXPECT_EQ(layer_ops(layer(LayerKind::activation, 5, Activation::gelu), spec()),
            5 * (1 + kNonlinear));
}

TEST(LayerOps, SoftmaxTakesOneReciprocalPerHead) {
  Layer l = layer(LayerKind::softmax, 12);
  l.heads = 3;
  EXPECT_EQ(layer_ops(l, spec()), 12 * (5 + kNonlinear) + 3 * kNonlinear);
}

TEST(LayerOps, LayerNorm) {
  EXPECT_EQ(layer_ops(layer(LayerKind::layer_norm, 12), spec()),
            std::int64_t{12} * 8 + std::int64_t{2} * kNonlinear);
}

TEST(LayerOps, MovingDataCostsNothing) {
  for (const LayerKind kind : {LayerKind::input,
                               LayerKind::concat,
                               LayerKind::class_token,
                               LayerKind::flatten,
                               LayerKind::slice}) {
    EXPECT_EQ(layer_ops(layer(kind, 9), spec()), 0);
  }
}

TEST(VectorCycles, RoundsUpAndZeroLanesAreFree) {
  EXPECT_EQ(vector_cycles(0, spec(64)), Cycles(0));
  EXPECT_EQ(vector_cycles(1, spec(64)), Cycles(1));
  EXPECT_EQ(vector_cycles(64, spec(64)), Cycles(1));
  EXPECT_EQ(vector_cycles(65, spec(64)), Cycles(2));
  EXPECT_EQ(vector_cycles(1'000'000, spec(0)), Cycles(0));
  EXPECT_EQ(accumulate_ops(42), 42);
}

TEST(VectorCycles, ProgramsAreDealtOutToThePes) {
  const std::vector<Cycles> programs = {Cycles(10), Cycles(1), Cycles(2), Cycles(4)};
  const auto with = [&](std::int64_t pes) {
    VectorUnitSpec s = spec();
    s.pes = pes;
    return vector_cycles(programs, s);
  };
  EXPECT_EQ(with(1), Cycles(17));
  EXPECT_EQ(with(2), Cycles(12));  // 10 + 2, 1 + 4
  EXPECT_EQ(with(3), Cycles(14));  // 10 + 4, 1, 2
  EXPECT_EQ(with(9), Cycles(10));
  EXPECT_EQ(vector_cycles(std::vector<Cycles>{}, spec()), Cycles(0));
  VectorUnitSpec three = spec();
  three.pes = 3;
  EXPECT_EQ(pe_of_program(0, three), 0);
  EXPECT_EQ(pe_of_program(2, three), 2);
  EXPECT_EQ(pe_of_program(3, three), 0) << "the fourth is the first PE's, see above";
}

}  // namespace
}  // namespace tessera::arch::tile
