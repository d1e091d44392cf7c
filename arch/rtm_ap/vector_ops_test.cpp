// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Programs in place of a vector unit: what their passes produce is what the layers say, their
/// simulated and their closed form agree, and what no program can do is left to the lanes.
#include "arch/rtm_ap/programs.hpp"
#include "arch/rtm_ap/rtm_ap.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/rng.hpp"
#include "workloads/builder.hpp"
#include "workloads/layer_ops.hpp"
#include "workloads/quantize.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>

namespace tessera::arch::rtm_ap {
namespace {

constexpr Clock kClock{Hertz(1e9)};
constexpr std::uint64_t kSeed = 11;

std::unique_ptr<Model> with_programs(const Spec& spec, const Network& network) {
  ProgramSource source;
  source.network = std::make_shared<const Network>(network);
  source.layer = [own = source.network](int layer, int /*w_bits*/, int /*a_bits*/) {
    return ProgramLayer{own->layer(layer), synthetic_parameters(*own, layer, kSeed)};
  };
  return make_model(spec, kClock)->programmed(source);
}

/// A network with a layer of every sort that programs can do, with signed and unsigned operands.
Network every_layer() {
  Builder b("every_layer", {9, 7, 3});
  const auto raw = [&b](const std::string& name) {  // signed
    return b.conv(name, b.last(), {.channels = 7, .kernel = 1});
  };
  const LayerId conv = b.conv(
      "conv", b.last(), {.channels = 7, .kernel = 3, .padding = 1, .activation = Activation::relu});
  b.add("sum", raw("for_sum"), conv, Activation::relu);
  b.max_pool("most", raw("for_most"), {.kernel = 3, .stride = 2, .padding = 1});
  b.avg_pool("mean", raw("for_mean"), {.kernel = 2, .stride = 2});
  b.activation("relu", raw("for_relu"), Activation::relu);
  b.activation("gelu", raw("for_gelu"), Activation::gelu);
  Network network = b.build();
  quantize(network, {3, 5});
  return network;
}

LayerId named(const Network& network, const std::string& name) {
  for (LayerId id = 0; id <= network.output(); ++id) {
    if (network.layer(id).name == name) {
      return id;
    }
  }
  ADD_FAILURE() << name;
  return 0;
}

/// [stamps][outputs] of these Ops on inputs [stamps][inputs].
std::vector<std::int64_t> run(const Model& model,
                              const std::vector<Op>& ops,
                              const std::vector<std::int32_t>& x,
                              std::size_t positions,
                              std::size_t outputs) {
  std::vector<std::int64_t> y(positions * outputs, 0);
  const std::vector<Stamp> stamps(positions);
  Batch batch;
  batch.stamps = stamps;
  batch.rows = batch.x_step = x.size() / positions;
  batch.cols = batch.y_step = outputs;
  batch.x = x.data();
  batch.y = y.data();
  for (const Op& op : ops) {
    const std::unique_ptr<Unit> unit = model.make_unit(0);
    unit->load(op, {}, {}, 0);
    unit->fire_all(batch, Fidelity::physical);
  }
  return y;
}

void expect_forms_agree(const Model& model, const std::vector<Op>& ops) {
  for (const Op& op : ops) {
    const Schedule simulated = make_schedule(model.steps(op));
    const Cost closed = model.fire_cost(op);
    EXPECT_EQ(closed.latency, simulated.latency);
    EXPECT_EQ(closed.did, simulated.did);
    EXPECT_GT(simulated.latency.value, 0);
  }
}

TEST(RtmApVectorOps, LayersWithoutAMatrixAreExact) {
  const Network network = every_layer();
  const LayerId most = named(network, "most");
  const LayerId sum = named(network, "sum");
  Spec spec;
  spec.rows = 24;
  for (const int columns : {256, 14}) {
    spec.columns = columns;
    spec.domains = columns == 256 ? 64 : 20;
    const auto model = with_programs(spec, network);
    for (const char* name : {"most", "mean", "sum", "relu"}) {
      SCOPED_TRACE(name);
      const LayerId id = named(network, name);
      const Layer& layer = network.layer(id);
      VectorWork work;
      work.layer = id;
      const auto ops = model->vector_ops(work);
      ASSERT_TRUE(ops.has_value());
      // Narrow arrays take several programs, but for the few positions of `mean`, whose channels
      // lie in rows, and for a single operand.
      EXPECT_EQ(ops->size() > 1, columns < 256 && (work.layer == most || work.layer == sum));
      expect_forms_agree(*model, *ops);
      Rng rng(3, name);
      std::vector<std::vector<std::int32_t>> tensors;
      for (const LayerId from : layer.inputs) {
        const Layer& producer = network.layer(from);
        std::vector<std::int32_t>& tensor = tensors.emplace_back();
        for (std::int64_t i = 0; i < producer.out.positions() * producer.out.channels; ++i) {
          tensor.push_back(static_cast<std::int32_t>(
              rng.uniform(min_value(producer.out_bits, producer.out_signed),
                          max_value(producer.out_bits, producer.out_signed))));
        }
      }
      const auto operand = [&](int k, std::int64_t q) {
        const auto channels = static_cast<std::size_t>(
            network.layer(layer.inputs[static_cast<std::size_t>(k)]).out.channels);
        return std::span<const std::int32_t>(tensors[static_cast<std::size_t>(k)])
            .subspan(static_cast<std::size_t>(q) * channels, channels);
      };
      const auto outputs = static_cast<std::size_t>(layer.out.channels);
      const std::size_t positions = std::min<std::size_t>(
          static_cast<std::size_t>(layer.out.positions()), static_cast<std::size_t>(spec.rows));
      std::vector<std::int32_t> x;
      std::vector<std::int64_t> expected;
      for (std::size_t p = 0; p < positions; ++p) {
        const auto one = vector_inputs(network, id, static_cast<std::int64_t>(p), operand);
        x.insert(x.end(), one.begin(), one.end());
        std::vector<std::int32_t> y(outputs);
        vector_layer(network, id, {}, static_cast<std::int64_t>(p), operand, y);
        expected.insert(expected.end(), y.begin(), y.end());
      }
      EXPECT_EQ(run(*model, *ops, x, positions, outputs), expected);
    }
  }
}

TEST(RtmApVectorOps, SumsAreAddedAndEnded) {
  const Network network = every_layer();
  const LayerId id = named(network, "conv");
  const Layer& layer = network.layer(id);
  Spec spec;
  spec.rows = 20;
  const auto model = with_programs(spec, network);
  const LayerParameters parameters = synthetic_parameters(network, id, kSeed);
  VectorWork work;
  work.layer = id;
  work.w_bits = layer.w_bits;
  work.a_bits = layer.a_bits;
  work.term_bits = 9;
  work.terms = {1, 2, 3, 2, 1, 4, 2};
  const std::size_t outputs = work.terms.size();
  const auto inputs =
      static_cast<std::size_t>(std::accumulate(work.terms.begin(), work.terms.end(), 0));
  const std::size_t positions = 20;
  Rng rng(5, "sums");
  std::vector<std::int32_t> x;
  for (std::size_t i = 0; i < positions * inputs; ++i) {
    x.push_back(static_cast<std::int32_t>(rng.uniform(min_value(9, true), max_value(9, true))));
  }
  std::vector<std::int64_t> sums;
  for (std::size_t p = 0; p < positions; ++p) {
    auto next = x.begin() + static_cast<std::ptrdiff_t>(p * inputs);
    for (const int terms : work.terms) {
      sums.push_back(std::accumulate(next, next + terms, std::int64_t{0}));
      next += terms;
    }
  }

  work.what = VectorWork::What::add;
  const auto adding = model->vector_ops(work);
  ASSERT_TRUE(adding.has_value());
  expect_forms_agree(*model, *adding);
  const std::vector<std::int64_t> added = run(*model, *adding, x, positions, outputs);
  for (std::size_t i = 0; i < added.size(); ++i) {
    // One result is the sum already: whoever asks has it.
    EXPECT_EQ(added[i], work.terms[i % outputs] > 1 ? sums[i] : 0) << i;
  }

  work.what = VectorWork::What::end;
  const auto ending = model->vector_ops(work);
  ASSERT_TRUE(ending.has_value());
  expect_forms_agree(*model, *ending);
  std::vector<std::int64_t> expected;
  std::vector<std::int64_t> all = sums;
  for (std::size_t p = 0; p < positions; ++p) {
    std::vector<std::int32_t> y(outputs);
    finish(layer, parameters, std::span(all).subspan(p * outputs, outputs), y);
    expected.insert(expected.end(), y.begin(), y.end());
  }
  EXPECT_EQ(run(*model, *ending, x, positions, outputs), expected);
  EXPECT_EQ(model->vector_ops(work), ending) << "asked for again, the same programs";
}

TEST(RtmApVectorOps, NothingToAddIsNoWork) {
  const Network network = every_layer();
  const auto model = with_programs(Spec{}, network);
  VectorWork work;
  work.what = VectorWork::What::add;
  work.layer = named(network, "conv");
  work.term_bits = 9;
  work.terms = {1, 0, 1, 1, 0, 0, 1};
  const auto ops = model->vector_ops(work);
  ASSERT_TRUE(ops.has_value());
  EXPECT_TRUE(ops->empty());
}

TEST(RtmApVectorOps, WhatIsNoSumIsLeftToTheLanes) {
  Network network = every_layer();
  VectorWork gelu;
  gelu.layer = named(network, "gelu");
  EXPECT_FALSE(with_programs(Spec{}, network)->vector_ops(gelu).has_value());

  Spec narrow;
  narrow.columns = 4;
  VectorWork most;
  most.layer = named(network, "most");
  EXPECT_TRUE(with_programs(Spec{}, network)->vector_ops(most).has_value());
  EXPECT_FALSE(with_programs(narrow, network)->vector_ops(most).has_value());

  VectorWork sum;
  sum.layer = named(network, "sum");
  network.layers[static_cast<std::size_t>(sum.layer)].out_codes = 4;
  EXPECT_FALSE(with_programs(Spec{}, network)->vector_ops(sum).has_value());

  EXPECT_FALSE(make_model(Spec{}, kClock)->vector_ops(most).has_value()) << "nobody gave a network";

  VectorWork wide;
  wide.what = VectorWork::What::add;
  wide.layer = named(network, "conv");
  wide.terms = {2, 2, 2, 2, 2, 2, 2};
  wide.term_bits = 32;
  EXPECT_TRUE(with_programs(Spec{}, network)->vector_ops(wide).has_value());
  wide.term_bits = 33;
  EXPECT_FALSE(with_programs(Spec{}, network)->vector_ops(wide).has_value());
}

TEST(RtmApVectorOps, AnArrayWithAllChannelsEndsItsSums) {
  const Network network = every_layer();
  const LayerId id = named(network, "conv");
  const MatrixShape m = matrix_shape(network, id);
  const Layer& layer = network.layer(id);
  ProgramSource source;
  source.network = std::make_shared<const Network>(network);
  source.layer = [own = source.network](int number, int /*w_bits*/, int /*a_bits*/) {
    return ProgramLayer{own->layer(number), synthetic_parameters(*own, number, kSeed)};
  };
  ProgramMatrix matrix;
  matrix.matrix.rows = m.rows;
  matrix.matrix.cols = m.cols;
  matrix.matrix.w_bits = layer.w_bits;
  matrix.matrix.in_bits = 5;
  matrix.matrix.layer = id;
  matrix.taps = 9;
  matrix.positions = layer.out.positions();
  source.matrices = {matrix};
  Spec spec;
  const auto ends = make_model(spec, kClock)->programmed(source);
  spec.ends_sums = false;
  const auto sums = make_model(spec, kClock)->programmed(source);
  const Layout ended = ends->layout(matrix.matrix);
  const Layout plain = sums->layout(matrix.matrix);
  EXPECT_TRUE(ended.ends_sums);
  EXPECT_FALSE(plain.ends_sums);
  EXPECT_EQ(ended.out_bits, layer.out_bits);
  EXPECT_GT(plain.out_bits, layer.out_bits);

  const LayerParameters parameters = synthetic_parameters(network, id, kSeed);
  Rng rng(7, "ends");
  std::vector<std::int32_t> x;
  for (std::int64_t r = 0; r < m.rows; ++r) {
    x.push_back(static_cast<std::int32_t>(rng.uniform(0, 31)));
  }
  const auto fired = [&](const Model& model, const Layout& layout, Fidelity fidelity) {
    const Fragment& f = layout.fragments.front();
    const auto unit = model.make_unit(0);
    unit->load(model.op(OpCode::mvm, matrix.matrix, f), f, parameters.weights, 0);
    std::vector<std::int64_t> y(static_cast<std::size_t>(m.cols), 0);
    unit->fire(x, y, fidelity, {});
    return y;
  };
  std::vector<std::int64_t> sum = fired(*sums, plain, Fidelity::physical);
  std::vector<std::int32_t> y(sum.size());
  finish(layer, parameters, sum, y);
  const std::vector<std::int64_t> expected(y.begin(), y.end());
  EXPECT_EQ(fired(*ends, ended, Fidelity::physical), expected);
  EXPECT_EQ(fired(*ends, ended, Fidelity::ideal), expected);
  EXPECT_GT(*std::max_element(expected.begin(), expected.end()), 0);
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
