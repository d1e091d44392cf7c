// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer: networks of codebooks. Few values where codes are read, less error with more
/// of them, none when all integers have a code; a chip of look-up blocks computes the same bits.
#include "workloads/quantization/compose.hpp"

#include "sim/engine/simulation.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/golden.hpp"
#include "workloads/scalar_ops.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace tessera {
namespace {

struct Composed {
  FloatModel model;
  Network declared;  ///< sizes of the codebooks, as the mapper sees them
  IntegerModel integers;
};

std::vector<float> image(const Network& network, std::int64_t i) {
  return test::float_image(network, 1, i, 0.0, 1.0);
}

Composed composed(const std::string& name, LayerBits bits, std::int64_t w, std::int64_t u) {
  const Network network = zoo(name);
  Composed c{test::float_model(network, 1), {}, {}};
  QuantizationSpec spec;
  spec.codebook = w;
  spec.input_codebook = u;
  const std::vector<LayerBits> all(matrix_layers(network).size(), bits);
  const IntegerPlan plan = plan_integers(c.model, all, spec, false);
  EXPECT_TRUE(plan.problems.empty());
  c.declared = plan.network;
  const Calibration calibration = calibrate(
      c.model, [&](std::int64_t i) { return image(network, i); }, 4);
  c.integers = quantize_model(c.model, plan, choose_scales(plan, calibration, spec, {}), spec);
  IntegerModel& m = c.integers;
  compose(
      m, [&](std::int64_t i) { return m.input(image(network, i)); }, 2, 1);
  return c;
}

double output_error(const Composed& c) {
  FloatExecutor executor(c.model);
  Golden golden(c.integers.network, c.integers.source());
  const LayerId last = c.model.network.output();
  double error = 0.0;
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::vector<float> x = image(c.model.network, i);
    const std::vector<float>& want = executor.run(x);
    error += test::rms_difference(c.integers.real(last, golden.run(c.integers.input(x))), want);
  }
  return error;
}

TEST(Compose, MatricesReadAndHoldFewIntegers) {
  for (const char* name : {"lenet5", "resnet20"}) {
    const Composed c = composed(name, {8, 8}, 12, 10);
    const Network& network = c.integers.network;
    Golden golden(network, c.integers.source());
    golden.run(c.integers.input(image(network, 7)));  // composing did not see it
    int books = 0;
    for (const LayerId id : matrix_layers(network)) {
      SCOPED_TRACE(std::string(name) + " " + network.layer(id).name);
      const std::vector<std::int32_t>& w =
          c.integers.parameters[static_cast<std::size_t>(id)].weights;
      ASSERT_LE(std::set<std::int32_t>(w.begin(), w.end()).size(), 12U);
      EXPECT_EQ(network.layer(id).w_codes, 12);
      std::vector<std::int32_t> x = golden.tensor(network.layer(id).inputs[0]);
      if (network.layer(id).window.pads()) {
        x.push_back(network.layer(id).pad_value);
      }
      const std::set<std::int32_t> values(x.begin(), x.end());
      ASSERT_LE(values.size(), 10U);
      EXPECT_EQ(operand_codes(network, id), 10);
      EXPECT_EQ(operand_codes(c.declared, id), 10);
      books += network.layer(network.layer(id).inputs[0]).codebook.empty() ? 0 : 1;
    }
    EXPECT_GT(books, 2);
    EXPECT_TRUE(network.layers.back().codebook.empty());  // sums are no codes
  }
}

TEST(Compose, MoreCodesMeanLessError) {
  const double all = output_error(composed("lenet5", {8, 8}, 0, 0));
  double last = 1e9;
  for (const std::int64_t codes : {4, 16, 64}) {
    const double error = output_error(composed("lenet5", {8, 8}, codes, codes));
    EXPECT_LT(error, last) << codes;
    EXPECT_GT(error, all) << codes;
    last = error;
  }
}

/// On an image that composing saw: k-means keeps every integer that occurs.
TEST(Compose, ACodeForEveryIntegerChangesNothing) {
  const Composed plain = composed("lenet5", {8, 8}, 0, 0);
  const Composed coded = composed("lenet5", {8, 8}, 0, 256);
  Golden expected(plain.integers.network, plain.integers.source());
  Golden golden(coded.integers.network, coded.integers.source());
  const std::vector<std::int32_t> x = plain.integers.input(image(plain.model.network, 0));
  EXPECT_EQ(golden.run(coded.integers.input(image(plain.model.network, 0))), expected.run(x));
}

TEST(Compose, EncodesAsTheNearestAndTheLowerOfTwo) {
  Layer layer;
  layer.codebook = {-5, 0, 3, 4};
  const std::vector<std::int32_t> got = {encoded(-100, layer),
                                         encoded(-5, layer),
                                         encoded(-3, layer),
                                         encoded(-2, layer),
                                         encoded(1, layer),
                                         encoded(2, layer),
                                         encoded(99, layer)};
  EXPECT_EQ(got, (std::vector<std::int32_t>{-5, -5, -5, 0, 0, 3, 4}));
  layer.codebook = {0, 2};
  EXPECT_EQ(encoded(1, layer), 0);
  layer.codebook.clear();
  EXPECT_EQ(encoded(17, layer), 17);
  layer.out_bits = 8;
  EXPECT_EQ(layer.message_bits(), 8);
  layer.out_codes = 17;
  EXPECT_EQ(layer.message_bits(), 5);
  layer.out_codes = 1000;
  EXPECT_EQ(layer.message_bits(), 8);
}

/// The question: does the table network come out of the simulated chip bit for bit?
TEST(Compose, ChipsOfLookUpBlocksComputeTheTableNetwork) {
  for (const char* name : {"lenet5", "resnet20"}) {
    const Composed c = composed(name, {8, 8}, 16, 16);
    test::CaseSpec spec;
    spec.network = c.declared;
    // 8-bit products of all codes would need 2^20 cells and more: codebooks make them fit.
    spec.chip =
        "{name: lut, clock: 1 GHz, tiles: 16, tile: {pes: 100, pe: {kind: lut}, bus: {width: "
        "128}, buffer: {capacity: 256 KiB}}, fabric: {topology: mesh, flit_bits: 64 b}, io: "
        "{width: 64}}";
    const test::Case laid = test::make_case(spec);
    for (const Functional functional : {Functional::ideal, Functional::bit_accurate}) {
      const std::string verdict = test::in_child([&] {
        RunOptions options;
        options.functional = functional;
        options.images = 1;
        const std::vector<std::int32_t> x = c.integers.input(image(c.declared, 5));
        const RunStats stats =
            engine::simulate(laid.program,
                             c.integers.network,
                             laid.chip,
                             options,
                             {c.integers.source(), [&](std::int64_t) { return x; }});
        Golden golden(c.integers.network, c.integers.source());
        return std::string(stats.outputs.at(0) == golden.run(x) ? "equal" : "different");
      });
      EXPECT_EQ(verdict, "equal") << name;
    }
  }
}

}  // namespace
}  // namespace tessera
