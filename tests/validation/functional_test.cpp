// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does what leaves the simulated chip equal the golden integer executor, bit for bit? Real
/// activations travel as message payloads. LeNet-5, ResNet-20 and an attention block under all
/// granularities and weight mappings, mixed widths per layer, replicas 1 to 4; an imported vision
/// transformer with its own weights. Enforced.
#include "sim/base/rng.hpp"
#include "sim/engine/simulation.hpp"
#include "sim/functional/executor.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/child.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/golden.hpp"
#include "workloads/onnx/convert.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

namespace tessera::test {
namespace {

constexpr std::array kMappings{"twos_complement_planes",
                               "differential_columns",
                               "differential_rows",
                               "offset_column",
                               "biased_unit_column"};

std::string chip(const std::string& mapping, int tiles, int pes) {
  return fmt::format(
      "{{name: functional, clock: 1 GHz, tiles: {}, tile: {{pes: {}, pe: {{kind: crossbar, rows: "
      "128, columns: 128, "
      "cell_bits: 2, weight_mapping: {}, slice_placement: adjacent_columns, dac_bits: 1, adc_bits: "
      "16, adcs: 4, t_adc: 1 ns, "
      "t_read: 10 ns, t_write: 100 ns}}, bus: {{width: 128}}, buffer: {{capacity: 256 KiB}}, "
      "vector_unit: {{lanes: 16}}}}, "
      "fabric: {{topology: mesh, flit_bits: 64 b}}, io: {{width: 64}}, memory: {{present: true, "
      "width: 64, latency: 50 ns}}}}",
      tiles,
      pes,
      mapping);
}

/// Widths and replicas drawn per layer; 2 to 8 bits mostly, now and then anything from 1 to 16.
std::vector<Bits2> mixed(const Network& network, Granularity granularity, Rng& rng) {
  std::vector<Bits2> layers;
  for (const Layer& layer : network.layers) {
    if (!layer.is_matrix()) {
      continue;
    }
    const bool wide = rng.chance(0.15);
    const auto width = [&] {
      return static_cast<int>(wide ? rng.uniform(1, 16) : rng.uniform(2, 8));
    };
    const auto limit = std::min<std::int64_t>(4, layer.out.positions());
    layers.push_back(
        {width(),
         width(),
         granularity == Granularity::serial ? 1 : static_cast<int>(rng.uniform(1, limit))});
  }
  return layers;
}

std::string differs(const Case& c, Functional functional, std::int64_t images) {
  return in_child([&] {
    RunOptions options;
    options.functional = functional;
    options.images = images;
    const RunStats stats = simulate(c, options);
    Golden golden(c.network, options.seed);
    for (std::size_t image = 0; image < stats.outputs.size(); ++image) {
      const auto input = synthetic_input(c.network, options.seed, static_cast<std::int64_t>(image));
      const std::vector<std::int32_t> expected = golden.run(input);
      if (expected != stats.outputs[image]) {
        return fmt::format("image {} of {} differs", image, stats.outputs.size());
      }
      if (std::all_of(expected.begin(), expected.end(), [&](std::int32_t v) {
            return v == expected.front();
          })) {
        return std::string("the output is constant: the comparison says nothing");
      }
    }
    return std::string{};
  });
}

class FunctionalTest : public testing::TestWithParam<std::tuple<const char*, Granularity>> {};

TEST_P(FunctionalTest, EqualsTheGoldenExecutorForEveryWeightMapping) {
  const auto& [name, granularity] = GetParam();
  const bool large = std::string(name) == "resnet20";
  Rng rng(test_seed(), fmt::format("functional/{}", name));
  for (const char* mapping : kMappings) {
    CaseSpec spec;
    spec.network = zoo(name);
    spec.chip = chip(mapping, 64, large ? 64 : 48);
    spec.granularity = granularity;
    spec.images = large ? 1 : 2;
    spec.layers = mixed(spec.network, granularity, rng);
    const Case c = make_case(spec);
    for (const Functional functional : {Functional::ideal, Functional::bit_accurate}) {
      ASSERT_EQ(differs(c, functional, spec.images), "")
          << name << " " << mapping << " TESSERA_SEED=" << test_seed();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All,
    FunctionalTest,
    testing::Combine(testing::Values("lenet5", "resnet20", "attention_block", "tiny_cnn"),
                     testing::Values(Granularity::pixel, Granularity::layer, Granularity::serial)),
    [](const auto& test) {
      return fmt::format(
          "{}_{}", std::get<0>(test.param), static_cast<int>(std::get<1>(test.param)));
    });

/// Class token, position embeddings and all other weights as PyTorch exported them.
void check_transformer(Granularity granularity) {
  Diagnostics diagnostics;
  std::optional<onnx::Imported> net = onnx::import_network(
      std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/tiny_vit.onnx", {}, diagnostics);
  diagnostics.throw_if_any();
  const FloatImageSource images = [&](std::int64_t i) {
    return float_image(net->network, 1, i, -1.0, 1.0);
  };
  CaseSpec spec;
  spec.network = net->network;
  spec.network.layers[0].out_signed = true;
  spec.chip = chip("differential_columns", 64, 48);
  spec.granularity = granularity;
  spec.images = 2;
  Rng rng(test_seed(), "transformer");
  spec.layers = mixed(spec.network, spec.granularity, rng);
  std::vector<LayerBits> bits;
  bits.reserve(spec.layers.size());
  for (Bits2& layer : spec.layers) {  // one bit is no weight
    layer.w_bits = std::max(layer.w_bits, 2);
    bits.push_back({layer.w_bits, layer.a_bits});
  }
  Case c = make_case(spec);
  const QuantizationSpec quantization;
  const IntegerPlan plan = plan_integers(*net, bits, quantization, true);
  const IntegerModel model = quantize_model(
      *net, plan, choose_scales(plan, calibrate(*net, images, 2), quantization, {}), quantization);
  c.network = model.network;
  const NetworkData data{model.source(), [&](std::int64_t i) { return model.input(images(i)); }};
  Golden golden(c.network, data.parameters);
  std::vector<std::vector<std::int32_t>> expected;
  expected.reserve(static_cast<std::size_t>(spec.images));
  for (std::int64_t image = 0; image < spec.images; ++image) {
    expected.push_back(golden.run(data.input(image)));
  }
  EXPECT_NE(expected[0], expected[1]);
  functional::Executor executor(c.program, c.network, c.chip, Fidelity::physical, data, 1);
  EXPECT_EQ(executor.run_all(0, spec.images, 2), expected);
  for (const Functional mode : {Functional::ideal, Functional::bit_accurate}) {
    EXPECT_EQ(in_child([&] {
                RunOptions options;
                options.functional = mode;
                options.images = spec.images;
                const RunStats stats =
                    engine::simulate(c.program, c.network, c.chip, options, data);
                return stats.outputs == expected ? std::string() : std::string("differs");
              }),
              "");
  }
}

TEST(Functional, AnImportedTransformerEqualsTheGoldenExecutor) {
  for (const Granularity granularity :
       {Granularity::pixel, Granularity::layer, Granularity::serial}) {
    SCOPED_TRACE(static_cast<int>(granularity));
    check_transformer(granularity);
  }
}

TEST(Functional, TensorsThatGoThroughMemoryStayExact) {
  CaseSpec spec;
  spec.network = zoo("lenet5");
  spec.chip = chip("differential_columns", 64, 48);
  spec.chip.replace(spec.chip.find("256 KiB"), 7, "3 KiB");
  spec.granularity = Granularity::layer;
  spec.images = 3;
  const Case c = make_case(spec);
  const auto through_memory = std::count_if(
      c.program.stages.begin(), c.program.stages.end(), [](const ProgramStage& stage) {
        return stage.kind == StageKind::memory;
      });
  ASSERT_GT(through_memory, 0);
  EXPECT_EQ(differs(c, Functional::bit_accurate, 3), "");
}

TEST(Functional, AnAdcThatClipsChangesTheOutput) {
  CaseSpec spec;
  spec.network = zoo("lenet5");
  spec.chip = chip("twos_complement_planes", 64, 48);
  spec.chip.replace(spec.chip.find("adc_bits: 16"), 12, "adc_bits: 3");
  const Case c = make_case(spec);
  EXPECT_EQ(differs(c, Functional::ideal, 1), "");
  EXPECT_NE(differs(c, Functional::bit_accurate, 1), "");
}

}  // namespace
}  // namespace tessera::test
