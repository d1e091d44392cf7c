// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Shape inference, matrix shapes and check(): what is a Network and what is not.
#include "sim/base/diagnostics.hpp"
#include "workloads/builder.hpp"
#include "workloads/network.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace tessera {
namespace {

std::vector<std::string> codes(const std::vector<NetworkProblem>& problems) {
  std::vector<std::string> list;
  list.reserve(problems.size());
  for (const NetworkProblem& p : problems) {
    list.push_back(p.code);
  }
  return list;
}

Network small() {
  Builder b("small", {8, 6, 4});
  const LayerId a = b.conv("a", 0, {.channels = 8, .kernel = 3, .padding = 1});
  const LayerId c = b.conv("c", 0, {.channels = 8});
  b.add("sum", a, c);
  b.fc("fc", b.last(), 5);
  return b.build();
}

TEST(NetworkShape, ConvolutionFollowsTheUsualFormula) {
  Builder b("conv", {224, 224, 3});
  b.conv("conv1", 0, {.channels = 64, .kernel = 7, .stride = 2, .padding = 3});
  EXPECT_EQ(b.shape(b.last()), (Shape{112, 112, 64}));
  b.max_pool("pool", b.last(), {.kernel = 3, .stride = 2, .padding = 1});
  EXPECT_EQ(b.shape(b.last()), (Shape{56, 56, 64}));
  b.conv("dilated", b.last(), {.channels = 8, .kernel = 3, .dilation = 4});
  EXPECT_EQ(b.shape(b.last()), (Shape{48, 48, 8}));
  b.conv("patch", b.last(), {.channels = 16, .kernel = 5, .stride = 5});
  EXPECT_EQ(b.shape(b.last()), (Shape{9, 9, 16}));  // 48 is no multiple of 5: the rest is dropped
}

TEST(NetworkShape, MatrixShapes) {
  Builder b("matrices", {6, 4, 8});
  const LayerId conv = b.conv("conv", 0, {.channels = 12, .kernel = 3, .padding = 1, .groups = 4});
  const LayerId depthwise =
      b.conv("depthwise", conv, {.channels = 12, .kernel = 3, .padding = 1, .groups = 12});
  const LayerId linear = b.linear("linear", depthwise, 20);
  const LayerId scores = b.matmul("scores", linear, linear, 5, true);
  const LayerId context = b.matmul("context", scores, linear, 5, false);
  const LayerId fc = b.fc("fc", context, 7);
  const Network n = b.build();
  const auto expect = [&](LayerId id, std::int64_t rows, std::int64_t cols, int groups, int at) {
    const MatrixShape m = matrix_shape(n, id);
    EXPECT_EQ(m.rows, rows) << n.layer(id).name;
    EXPECT_EQ(m.cols, cols) << n.layer(id).name;
    EXPECT_EQ(m.groups, groups) << n.layer(id).name;
    EXPECT_EQ(m.positions, at) << n.layer(id).name;
    EXPECT_EQ(m.cols * m.groups, n.layer(id).out.channels) << n.layer(id).name;
  };
  expect(conv, std::int64_t{3} * 3 * 2, 3, 4, 24);
  expect(depthwise, 9, 1, 12, 24);
  expect(linear, 12, 20, 1, 24);
  expect(scores, 4, 24, 5, 24);   // 24 keys
  expect(context, 24, 4, 5, 24);  // 24 weights per query, 4 channels per head
  expect(fc, std::int64_t{24} * 20, 7, 1, 1);
  EXPECT_EQ(total_weights(n), 18 * 12 + 9 * 12 + 240 + 480 * 7);
  EXPECT_EQ(total_macs(n), 24 * (18 * 12 + 9 * 12 + 240) + 24 * 20 * 24 + 24 * 24 * 20 + 480 * 7);
}

TEST(NetworkShape, BuilderRefusesWhatDoesNotChain) {
  Builder b("bad", {8, 8, 4});
  EXPECT_THROW(b.conv("groups", 0, {.channels = 6, .groups = 3}), InternalError);
  EXPECT_THROW(b.conv("kernel", 0, {.channels = 6, .kernel = 9}), InternalError);
  const LayerId half = b.conv("half", 0, {.channels = 4, .stride = 2});
  EXPECT_THROW(b.add("add", 0, half), InternalError);
  EXPECT_THROW(b.fc("later", 7, 3), InternalError);
  EXPECT_THROW(b.slice_channels("slice", 0, 2, 3), InternalError);
}

TEST(NetworkCheck, AcceptsEveryNetworkOfTheZoo) {
  for (const std::string& name : zoo_names()) {
    EXPECT_TRUE(check(zoo(name)).empty()) << name;
  }
}

TEST(NetworkCheck, ReportsEveryKindOfProblem) {
  const auto broken = [](auto&& change) {
    Network n = small();
    change(n);
    return codes(check(n));
  };
  using Codes = std::vector<std::string>;
  EXPECT_EQ(broken([](Network&) {}), Codes{});
  EXPECT_EQ(broken([](Network& n) { n.layers.resize(1); }), Codes{"E-NET-SIZE"});
  EXPECT_EQ(broken([](Network& n) { n.layers[2].name = "a"; }), Codes{"E-NET-NAME"});
  EXPECT_EQ(broken([](Network& n) { n.layers[1].inputs = {3}; }), Codes{"E-NET-FORWARD"});
  EXPECT_EQ(broken([](Network& n) { n.layers[3].inputs = {1}; })[0], "E-NET-ARITY");
  EXPECT_EQ(broken([](Network& n) { n.layers[4].kind = LayerKind::input; }), Codes{"E-NET-INPUT"});
  EXPECT_EQ(broken([](Network& n) { n.layers[1].groups = 3; })[0], "E-NET-GROUPS");
  EXPECT_EQ(broken([](Network& n) { n.layers[1].window.stride_h = 0; })[0], "E-NET-DIM");
  EXPECT_EQ(broken([](Network& n) { n.layers[1].window.kernel_w = 9; })[0], "E-NET-KERNEL");
  EXPECT_EQ(broken([](Network& n) { n.layers[1].window.pad_left = 3; })[0], "E-NET-PADDING");
  EXPECT_EQ(broken([](Network& n) { n.layers[4].out.channels = -1; })[0], "E-NET-DIM");
  EXPECT_EQ(broken([](Network& n) { n.layers[2].out.channels = 9; })[0], "E-NET-SHAPE");
  // The convolutions lead only to the sum, and nobody reads the sum.
  EXPECT_EQ(broken([](Network& n) { n.layers[4].inputs = {0}; }),
            (Codes{"E-NET-DEAD", "E-NET-DEAD", "E-NET-OUTPUTS"}));
}

TEST(NetworkCheck, ShapeConflictsNameBothPlaces) {
  Network n = small();
  n.layers[2].window.stride_h = 2;
  n.layers[2].out.height = 4;
  const std::vector<NetworkProblem> problems = check(n);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code, "E-NET-SHAPE");
  EXPECT_EQ(problems[0].layer, 3);
  EXPECT_EQ(problems[0].other, 2);
  EXPECT_NE(problems[0].expected.find("8x6x8"), std::string::npos) << problems[0].expected;
  EXPECT_EQ(problems[0].got, "4x6x8");
}

TEST(NetworkCheck, HugeSizesDoNotOverflow) {
  Network n;
  n.name = "huge";
  Layer input;
  input.name = "input";
  input.out = {kMaxDim, kMaxDim, kMaxDim};
  n.layers.push_back(input);
  std::vector<NetworkProblem> problems;
  EXPECT_FALSE(infer_shape(n, input, 0, problems));
  EXPECT_EQ(codes(problems), std::vector<std::string>{"E-NET-DIM"});

  n.layers[0].out = {1 << 10, 1 << 10, 1 << 8};  // 2^28 elements: just allowed
  problems.clear();
  EXPECT_TRUE(infer_shape(n, n.layers[0], 0, problems));
  Layer fc;
  fc.name = "fc";
  fc.kind = LayerKind::fc;
  fc.inputs = {0};
  fc.out.channels = kMaxDim;  // 2^48 weights
  EXPECT_FALSE(infer_shape(n, fc, 1, problems));
  EXPECT_EQ(codes(problems), std::vector<std::string>{"E-NET-DIM"});
}

}  // namespace
}  // namespace tessera
