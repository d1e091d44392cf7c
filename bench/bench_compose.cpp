// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer on networks of real size, without retraining: calibration, k-means of the
/// weights, integers, k-means of the tensors. And the arithmetic of a dense network of tables.
///
/// Counters  calibrate_s, weights_s, inputs_s   time of the three parts
///           items_per_second                   images; `rounded`: entries are narrower than
///                                              products, so every look-up block fires
#include "sim/functional/executor.hpp"
#include "tests/support/cases.hpp"
#include "tests/support/float_models.hpp"
#include "workloads/builder.hpp"
#include "workloads/quantization/compose.hpp"
#include "workloads/zoo.hpp"

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

void compose_network(benchmark::State& state, const std::string& name, std::int64_t images) {
  const FloatModel model = test::float_model(zoo(name), 1);
  const Network& network = model.network;
  QuantizationSpec spec;
  spec.codebook = spec.input_codebook = 16;
  const auto image = [&](std::int64_t i) { return test::float_image(network, 1, i, 0.0, 1.0); };
  const auto seconds = [last = std::chrono::steady_clock::now()]() mutable {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last, now)).count();
  };
  for (auto _ : state) {
    auto clock = seconds;
    clock();
    const IntegerPlan plan = plan_integers(
        model, std::vector<LayerBits>(matrix_layers(network).size(), {8, 8}), spec, false);
    const Calibration calibration = calibrate(model, image, images);
    state.counters["calibrate_s"] = clock();
    IntegerModel integers =
        quantize_model(model, plan, choose_scales(plan, calibration, spec, {}), spec);
    state.counters["weights_s"] = clock();
    compose(
        integers, [&](std::int64_t i) { return integers.input(image(i)); }, images, spec);
    state.counters["inputs_s"] = clock();
    benchmark::DoNotOptimize(integers.network.layers.front().codebook.data());
  }
}

/// RAPIDNN's MLP on 8x8 images, codebooks of 16, on look-up blocks; one thread.
void run_mlp(benchmark::State& state, int table_bits) {
  Builder b("digits_mlp", {8, 8, 1});
  b.fc("f1", b.last(), 512, {.activation = Activation::relu});
  b.fc("f2", b.last(), 512, {.activation = Activation::relu});
  b.fc("f3", b.last(), 10);
  const FloatModel model = test::float_model(b.build(), 1);
  const Network& network = model.network;
  QuantizationSpec spec;
  spec.codebook = spec.input_codebook = 16;
  const auto image = [&](std::int64_t i) { return test::float_image(network, 1, i, 0.0, 1.0); };
  const IntegerPlan plan = plan_integers(model, std::vector<LayerBits>(3, {8, 8}), spec, false);
  IntegerModel integers =
      quantize_model(model, plan, choose_scales(plan, calibrate(model, image, 32), spec, {}), spec);
  const auto input = [&](std::int64_t i) { return integers.input(image(i)); };
  compose(integers, input, 32, spec);
  test::CaseSpec laid_out;
  laid_out.network = plan.network;
  laid_out.chip =
      "{name: lut, clock: 1 GHz, tiles: 2, tile: {pes: 1000, pe: {kind: lut, table_bits: " +
      std::to_string(table_bits) + "}, buffer: {unbounded: true}}, fabric: {topology: ideal}}";
  const test::Case laid = test::make_case(laid_out);
  functional::Executor executor(
      laid.program, integers.network, laid.chip, Fidelity::clipping, {integers.source(), input}, 1);
  std::int64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(executor.run(i++));
  }
  state.SetItemsProcessed(i);
}

void register_network(const std::string& name, std::int64_t images) {
  benchmark::RegisterBenchmark(
      ("BM_Compose/" + name + "/images:" + std::to_string(images)).c_str(),
      [name, images](benchmark::State& state) { compose_network(state, name, images); })
      ->UseRealTime()
      ->MeasureProcessCPUTime()
      ->Iterations(1)
      ->Unit(benchmark::kSecond);
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  tessera::register_network("lenet5", 32);
  tessera::register_network("vgg16", 4);
  tessera::register_network("vgg16", 32);
  benchmark::RegisterBenchmark("BM_Mlp/exact", [](benchmark::State& s) { tessera::run_mlp(s, 0); });
  benchmark::RegisterBenchmark("BM_Mlp/rounded",
                               [](benchmark::State& s) { tessera::run_mlp(s, 12); });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
