// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer: networks of codebooks. Few values where codes are read, less error with more
/// of them, none when all integers have a code; a chip of look-up blocks computes the same bits.
#include "workloads/quantization/compose.hpp"

#include "sim/engine/simulation.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/builder.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantization/codebook.hpp"
#include "workloads/quantization/scale.hpp"
#include "workloads/scalar_ops.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
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

Composed composed(const Network& network, LayerBits bits, const QuantizationSpec& spec) {
  Composed c{test::float_model(network, 1), {}, {}};
  const std::vector<LayerBits> all(matrix_layers(network).size(), bits);
  const IntegerPlan plan = plan_integers(c.model, all, spec, false);
  EXPECT_TRUE(plan.problems.empty());
  c.declared = plan.network;
  const Calibration calibration = calibrate(
      c.model, [&](std::int64_t i) { return image(network, i); }, 4);
  c.integers = quantize_model(c.model, plan, choose_scales(plan, calibration, spec, {}), spec);
  IntegerModel& m = c.integers;
  compose(
      m, [&](std::int64_t i) { return m.input(image(network, i)); }, 2, spec);
  return c;
}

Composed composed(const std::string& name, LayerBits bits, const QuantizationSpec& spec) {
  return composed(zoo(name), bits, spec);
}

Composed composed(const std::string& name, LayerBits bits, std::int64_t w, std::int64_t u) {
  QuantizationSpec spec;
  spec.codebook = w;
  spec.input_codebook = u;
  return composed(name, bits, spec);
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

/// A code's first bits are the code of the smaller book, for weights and for the network's input;
/// each bit more describes both better.
TEST(Compose, PrefixesOfTreeCodesAreTheCodesOfSmallerBooks) {
  QuantizationSpec spec;
  spec.tree = true;
  const auto at = [&](std::int64_t codes) {
    spec.codebook = spec.input_codebook = codes;
    return composed("lenet5", {8, 8}, spec);
  };
  const Composed fine = at(16);
  const LayerId fc = matrix_layers(fine.integers.network)[2];
  const FloatParameters& p = fine.model.parameters[static_cast<std::size_t>(fc)];
  std::vector<double> fine_weights;
  std::vector<std::int32_t> fine_inputs;
  double last_weights = 1e9;
  double last_inputs = 1e9;
  for (const int levels : {4, 3, 2}) {
    const Composed c = at(std::int64_t{1} << levels);
    const std::vector<double> entries =
        weight_codebook(p.weights, c.integers.network.layer(fc).name, spec);
    const std::vector<std::int32_t>& book = c.integers.network.layers[0].codebook;
    ASSERT_EQ(entries.size(), std::size_t{1} << levels);
    ASSERT_EQ(book.size(), std::size_t{1} << levels);
    EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end()));
    EXPECT_TRUE(std::is_sorted(book.begin(), book.end()));
    if (levels == 4) {
      fine_weights = entries;
      fine_inputs = book;
    }
    // Error of a value whose 4-bit code is cut to its first `levels` bits.
    double weights = 0.0;
    for (const float w : p.weights) {
      const std::size_t code = nearest(fine_weights, static_cast<double>(w));
      weights += std::pow(static_cast<double>(w) - entries[code >> (4 - levels)], 2);
    }
    double inputs = 0.0;
    const std::vector<double> fine_book(fine_inputs.begin(), fine_inputs.end());
    const std::vector<std::int32_t> x = quantize_tensor(image(c.model.network, 0),
                                                        c.integers.scales[0],
                                                        8,
                                                        fine.integers.network.layers[0].out_signed);
    for (const std::int32_t v : x) {
      const std::size_t code = nearest(fine_book, v);
      inputs += std::pow(v - book[code >> (4 - levels)], 2);
    }
    if (levels < 4) {
      EXPECT_GT(weights, 2.0 * last_weights) << levels;
      EXPECT_GT(inputs, 2.0 * last_inputs) << levels;
    }
    last_weights = weights;
    last_inputs = inputs;
    // The parent of two entries lies between them.
    for (std::size_t k = 0; k < fine_weights.size(); ++k) {
      const std::size_t prefix = k >> (4 - levels);
      const std::size_t first = prefix << (4 - levels);
      const std::size_t past = first + (std::size_t{1} << (4 - levels)) - 1;
      EXPECT_GE(entries[prefix], fine_weights[first]);
      EXPECT_LE(entries[prefix], fine_weights[past]);
    }
  }
}

/// What section `quantization.layers` says holds for the layer that it names alone.
TEST(Compose, LayersHaveSizesOfTheirOwn) {
  QuantizationSpec spec;
  spec.codebook = 12;
  spec.input_codebook = 10;
  spec.layers["conv2"] = {5, std::nullopt};
  spec.layers["fc1"] = {std::nullopt, 3};
  const Composed c = composed("lenet5", {8, 8}, spec);
  for (const LayerId id : matrix_layers(c.integers.network)) {
    const std::string& name = c.integers.network.layer(id).name;
    SCOPED_TRACE(name);
    const std::vector<std::int32_t>& w =
        c.integers.parameters[static_cast<std::size_t>(id)].weights;
    EXPECT_EQ(std::set<std::int32_t>(w.begin(), w.end()).size(), name == "conv2" ? 5U : 12U);
    EXPECT_EQ(c.integers.network.layer(id).w_codes, name == "conv2" ? 5 : 12);
    EXPECT_EQ(operand_codes(c.integers.network, id), name == "fc1" ? 3 : 10);
  }
}

/// A tensor's values are those that come from tensors with codebooks: composed one by one, the
/// second layer's book describes what it is given better than the book of a network without codes.
TEST(Compose, LaterBooksSeeTheEarlierOnes) {
  const Composed c = composed("lenet5", {8, 8}, 4, 4);
  IntegerModel alone = composed("lenet5", {8, 8}, 4, 0).integers;
  QuantizationSpec spec;
  const LayerId second = 1;
  for (Layer& layer : alone.network.layers) {
    layer.out_codes = &layer == &alone.network.layers[second] ? 4 : 0;
  }
  compose(
      alone, [&](std::int64_t i) { return alone.input(image(c.model.network, i)); }, 2, spec);
  EXPECT_NE(alone.network.layers[second].codebook, c.integers.network.layers[second].codebook);
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
        std::vector<std::int32_t> x = c.integers.input(image(c.declared, 5));
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

/// Sampled activations are part of the network: the golden executor and the chip read the same
/// rows.
TEST(Compose, ChipsReadSampledActivations) {
  for (const Activation f : {Activation::sigmoid, Activation::tanh, Activation::gelu}) {
    Builder b("sampled", {4, 4, 2});
    b.conv("c1", b.last(), {.channels = 6, .kernel = 3, .padding = 1, .activation = f});
    b.fc("f1", b.last(), 12, {.activation = f});
    b.fc("f2", b.last(), 4);
    const Network network = b.build();
    QuantizationSpec spec;
    spec.codebook = spec.input_codebook = 16;
    const auto with = [&](std::int64_t rows) {
      spec.activation_rows = rows;
      return composed(network, {8, 8}, spec);
    };
    const Composed c = with(12);
    Golden golden(c.integers.network, c.integers.source());
    golden.run(c.integers.input(image(network, 3)));
    const std::vector<std::int32_t>& y = golden.tensor(2);
    EXPECT_LE(std::set<std::int32_t>(y.begin(), y.end()).size(), 12U);
    EXPECT_GT(output_error(c), output_error(with(0)));
    EXPECT_LT(output_error(with(64)), output_error(with(4)));

    test::CaseSpec laid_out;
    laid_out.network = c.declared;
    laid_out.chip =
        "{name: lut, clock: 1 GHz, tiles: 4, tile: {pes: 100, pe: {kind: lut}, bus: {width: 128}, "
        "buffer: {capacity: 64 KiB}}, fabric: {topology: mesh, flit_bits: 64 b}, io: {width: 64}}";
    const test::Case laid = test::make_case(laid_out);
    const std::string verdict = test::in_child([&] {
      RunOptions options;
      options.functional = Functional::bit_accurate;
      options.images = 1;
      std::vector<std::int32_t> x = c.integers.input(image(network, 3));
      const RunStats stats =
          engine::simulate(laid.program,
                           c.integers.network,
                           laid.chip,
                           options,
                           {c.integers.source(), [&](std::int64_t) { return x; }});
      return std::string(stats.outputs.at(0) == golden.run(x) ? "equal" : "different");
    });
    EXPECT_EQ(verdict, "equal");
  }
}

}  // namespace
}  // namespace tessera
