// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/codebooks.hpp"

#include "mapper/first_fit.hpp"
#include "sim/base/parallel.hpp"
#include "sim/report/table.hpp"
#include "tools/tessera/integers.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/integer_executor.hpp"
#include "workloads/quantization/choose.hpp"
#include "workloads/quantize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

constexpr std::int64_t kMostImages = 512;

template <class T>
std::int64_t answer_of(const std::vector<T>& outputs) {
  return std::max_element(outputs.begin(), outputs.end()) - outputs.begin();
}

/// The first images of a split, and what the network in real numbers says of them.
class Reference {
 public:
  Reference(const FloatModel& model, const data::Images& images)
      : images_(images), count_(std::min(images.count, kMostImages)) {
    outputs_.resize(static_cast<std::size_t>(count_));
    for_each_index(count_, machine_threads(), [&](std::int64_t i) {
      outputs_[static_cast<std::size_t>(i)] = FloatExecutor(model).run(images_.image(i));
    });
  }

  [[nodiscard]] double accuracy() const {
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      right += is_right(i, outputs_[static_cast<std::size_t>(i)]) ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(count_);
  }

  [[nodiscard]] CodebookError error_of(const IntegerModel& model) const {
    const IntegerExecutor executor(model.network, model.source());
    std::vector<CodebookError> errors(static_cast<std::size_t>(count_));
    for_each_index(count_, machine_threads(), [&](std::int64_t i) {
      const std::vector<std::int32_t> y = executor.run(model.input(images_.image(i)));
      const std::vector<double> real = model.real(model.network.output(), y);
      const std::vector<float>& want = outputs_[static_cast<std::size_t>(i)];
      double noise = 0.0;
      for (std::size_t c = 0; c < real.size(); ++c) {
        const double d = real[c] - static_cast<double>(want[c]);
        noise += d * d;
      }
      errors[static_cast<std::size_t>(i)] = {noise, is_right(i, y) ? 1.0 : 0.0};
    });
    CodebookError sum{0.0, 0.0};
    for (const CodebookError& e : errors) {
      sum.noise += e.noise;
      sum.accuracy += e.accuracy;
    }
    const auto n = static_cast<double>(count_);
    return {sum.noise / n, sum.accuracy / n};
  }

 private:
  template <class T>
  [[nodiscard]] bool is_right(std::int64_t i, const std::vector<T>& outputs) const {
    return answer_of(outputs) == images_.labels[static_cast<std::size_t>(i)];
  }

  const data::Images& images_;
  std::int64_t count_;
  std::vector<std::vector<float>> outputs_;
};

/// A QuantizationSpec::layers that says `sizes`.
std::map<std::string, LayerCodebooks> named(const Network& network,
                                            const std::vector<CodebookSizes>& sizes) {
  std::map<std::string, LayerCodebooks> out;
  const std::vector<LayerId> ids = codebook_layers(network);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    out[network.layer(ids[k]).name] = {sizes[k].w, sizes[k].u};
  }
  return out;
}

[[noreturn]] void refuse(const Experiment& experiment,
                         std::string sentence,
                         std::string expected,
                         std::string got) {
  Diagnostics diagnostics;
  Diagnostic d = config::diagnose(experiment.root.get("quantization").get("choose"),
                                  "E-QUANT-CHOOSE",
                                  std::move(sentence),
                                  std::move(expected));
  d.got = std::move(got);
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 2);
}

}  // namespace

std::string choose_codebooks(Experiment& experiment) {
  if (!experiment.quantization.choose || !experiment.model) {
    return {};
  }
  const ChooseSpec& wanted = *experiment.quantization.choose;
  if (!experiment.images || experiment.images->validation.count == 0) {
    refuse(experiment,
           "there are no images to measure codebooks with",
           "data: with validation images",
           "none");
  }
  const std::vector<LayerBits> bits = widths_of(experiment.network);
  // Given scales depend on the widths alone: ranges are chosen once for all sizes.
  const IntegerSource integers(experiment);
  const Reference reference(*experiment.model, experiment.images->validation);
  const double least = reference.accuracy() - wanted.budget / 100.0;
  const CodebookChoice choice = tessera::choose_codebooks(
      experiment.network, wanted.sizes, least, [&](const std::vector<CodebookSizes>& sizes) {
        QuantizationSpec spec = experiment.quantization;
        spec.layers = named(experiment.network, sizes);
        return reference.error_of(integers.model(spec));
      });
  const std::string measured = fmt::format(
      "{:.2f} % of the validation images right, {:.2f} % in "
      "real numbers",
      100.0 * choice.error.accuracy,
      100.0 * reference.accuracy());
  if (choice.error.accuracy < least) {
    refuse(experiment,
           "the largest codebooks lose more accuracy than the budget",
           fmt::format("at most {} points", wanted.budget),
           measured);
  }
  experiment.quantization.layers = named(experiment.network, choice.sizes);
  set_bits(experiment, bits);
  std::string text = "codebooks of weights/inputs:";
  const std::vector<LayerId> ids = codebook_layers(experiment.network);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    text += fmt::format(
        " {} {}/{}", experiment.network.layer(ids[k]).name, choice.sizes[k].w, choice.sizes[k].u);
  }
  return fmt::format("{}; {}", text, measured);
}

std::vector<NeuronStorage> neuron_storage(const Experiment& experiment) {
  std::vector<NeuronStorage> out;
  const Network& network = experiment.network;
  const std::vector<LayerId> matrices = matrix_layers(network);
  for (const LayerId id : codebook_layers(network)) {
    const auto m_of = static_cast<std::size_t>(std::find(matrices.begin(), matrices.end(), id) -
                                               matrices.begin());
    const mapper::MappingRequest& request = experiment.request;
    const std::string& group =
        request.mapping ? request.mapping->layers[m_of].group : request.layers[m_of].group;
    const MatrixOp op =
        mapper::matrix_op(network, id, network.layer(id).w_bits, network.layer(id).a_bits);
    const std::size_t on = mapper::group_for(experiment.chip, group, op);
    if (experiment.chip.groups[on].pe->kind() != "lut") {
      continue;
    }
    const Layer& layer = network.layer(id);
    const auto codes = [](int codebook, int bits) {
      return codebook > 0 ? std::int64_t{codebook} : std::int64_t{1} << bits;
    };
    const MatrixShape m = matrix_shape(network, id);
    NeuronStorage row;
    row.layer = layer.name;
    row.sizes = {codes(layer.w_codes, layer.w_bits),
                 codes(operand_codes(network, id), layer.a_bits)};
    row.neurons = m.cols * m.groups;
    row.bytes = static_cast<double>(neuron_bits(network, id, row.sizes)) / 8.0;
    out.push_back(std::move(row));
  }
  return out;
}

std::string storage_text(const std::vector<NeuronStorage>& layers) {
  if (layers.empty()) {
    return {};
  }
  report::Table table({"codebooks", "weights", "inputs", "neurons", "bytes per neuron"},
                      {report::Align::left,
                       report::Align::right,
                       report::Align::right,
                       report::Align::right,
                       report::Align::right});
  double bytes = 0.0;
  std::int64_t neurons = 0;
  for (const NeuronStorage& row : layers) {
    table.row({row.layer,
               std::to_string(row.sizes.w),
               std::to_string(row.sizes.u),
               std::to_string(row.neurons),
               fmt::format("{:.0f}", row.bytes)});
    bytes += row.bytes * static_cast<double>(row.neurons);
    neurons += row.neurons;
  }
  table.row({"all",
             "",
             "",
             std::to_string(neurons),
             fmt::format("{:.0f}", bytes / static_cast<double>(neurons))});
  return table.text();
}

}  // namespace tessera::tools
