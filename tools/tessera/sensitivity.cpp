// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/sensitivity.hpp"

#include "mapper/accuracy/command.hpp"
#include "mapper/accuracy/sqnr.hpp"
#include "sim/base/text.hpp"
#include "sim/report/output_folder.hpp"
#include "sim/report/progress.hpp"
#include "sim/report/table.hpp"
#include "tools/tessera/accuracy.hpp"
#include "tools/tessera/integers.hpp"
#include "tools/tessera/train_program.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace tessera::tools {
namespace {

constexpr const char* kFile = "sensitivity.csv";

/// Losses of a layer by width, from the narrowest one on: weights alone, inputs alone.
struct LayerLoss {
  std::string name;
  std::vector<double> weights;
  std::vector<double> inputs;
};

std::string table_of(const std::vector<LayerLoss>& layers, const mapper::WidthRules& bits) {
  std::string csv = "layer,w_bits,a_bits,loss\n";
  for (const LayerLoss& layer : layers) {
    for (std::size_t w = 0; w < layer.weights.size(); ++w) {
      for (std::size_t a = 0; a < layer.inputs.size(); ++a) {
        csv += fmt::format("{},{},{},{}\n",
                           layer.name,
                           bits.w_min + static_cast<int>(w),
                           bits.a_min + static_cast<int>(a),
                           format_number(layer.weights[w] + layer.inputs[a]));
      }
    }
  }
  return csv;
}

std::string text_of(const std::vector<LayerLoss>& layers,
                    const mapper::WidthRules& bits,
                    const std::string& unit) {
  std::vector<std::string> header{"layer"};
  std::vector<report::Align> align{report::Align::left};
  for (int w = bits.w_max; w >= bits.w_min; --w) {
    header.push_back(fmt::format("w{}", w));
    align.push_back(report::Align::right);
  }
  for (int a = bits.a_max; a >= bits.a_min; --a) {
    header.push_back(fmt::format("a{}", a));
    align.push_back(report::Align::right);
  }
  report::Table table(header, align);
  for (const LayerLoss& layer : layers) {
    std::vector<std::string> cells{layer.name};
    const auto add = [&](const std::vector<double>& losses) {
      std::transform(losses.rbegin(), losses.rend(), std::back_inserter(cells), [](double one) {
        return fmt::format("{:.2f}", one);
      });
    };
    add(layer.weights);
    add(layer.inputs);
    table.row(std::move(cells));
  }
  return fmt::format("loss in {}, by bits of weights and of inputs\n\n{}", unit, table.text());
}

/// `loss(layer, bits)` of one layer with the others at their widest.
std::vector<LayerLoss> losses_of(const Network& network,
                                 const mapper::WidthRules& bits,
                                 const std::function<double(std::size_t, LayerBits)>& loss) {
  std::vector<LayerLoss> out;
  for (const LayerId id : matrix_layers(network)) {
    const std::size_t layer = out.size();
    LayerLoss one;
    one.name = network.layer(id).name;
    for (int w = bits.w_min; w <= bits.w_max; ++w) {
      one.weights.push_back(loss(layer, {w, bits.a_max}));
    }
    for (int a = bits.a_min; a <= bits.a_max; ++a) {
      one.inputs.push_back(loss(layer, {bits.w_max, a}));
    }
    out.push_back(std::move(one));
  }
  return out;
}

mapper::LayerWidths widths_of(const Network& network, const mapper::WidthRules& bits) {
  std::vector<LayerBits> all;
  for (int w = bits.w_min; w <= bits.w_max; ++w) {
    for (int a = bits.a_min; a <= bits.a_max; ++a) {
      all.push_back({w, a});
    }
  }
  mapper::LayerWidths widths(matrix_layers(network).size(), all);
  return widths;
}

}  // namespace

int sensitivity_of_experiment(const CommandLine& line, Diagnostics diagnostics) {
  Experiment experiment;
  if (!line.names.empty()) {
    experiment = load_experiment(line.names.front(), line.sets, diagnostics);
  }
  diagnostics.throw_if_any();
  if (line.by != "noise") {
    require_weights(experiment);
  }
  const std::string path =
      line.out.empty() ? "out/" + experiment.info.name + "_sensitivity" : line.out;
  report::OutputFolder folder(path);
  if (line.by == "hessian") {
    std::vector<std::string> words{"hessian", experiment.path};
    words.insert(words.end(), {"--out", (folder.path() / kFile).string()});
    words.insert(words.end(), {"--samples", std::to_string(line.samples)});
    if (line.quiet) {
      words.emplace_back("--quiet");
    }
    for (const std::string& set : line.sets) {
      words.insert(words.end(), {"--set", set});
    }
    const int status = call_train_program(words, line.quiet);
    if (status == 0 && !line.quiet) {
      fmt::print("Results in {}\n", folder.path().string());
    }
    return status;
  }

  const mapper::WidthRules& bits = experiment.search.bits;
  const mapper::LayerWidths widths = widths_of(experiment.network, bits);
  std::vector<LayerLoss> losses;
  std::string unit;
  if (line.by == "noise") {
    const mapper::SignalSource given = signal_source(experiment);
    const std::vector<mapper::LayerSignal> signals =
        given ? given()
              : mapper::synthetic_signals(experiment.network,
                                          static_cast<std::uint64_t>(experiment.execution.seed));
    mapper::Sensitivity noise = mapper::sqnr_sensitivity(
        mapper::noise_of(signals, std::max(bits.w_max, bits.a_max)), widths);
    unit = noise.unit();
    losses = losses_of(experiment.network, bits, [&](std::size_t layer, LayerBits of) {
      return noise.loss(layer, of);
    });
  } else {
    mapper::CommandOptions options;
    options.command = evaluate_command(experiment, line.sets, path + ".cache");
    options.timeout = experiment.search.accuracy.timeout.value;
    options.at = experiment.root.get("search").at();
    mapper::CommandAccuracy command(experiment.network, widths, options);
    unit = command.unit();
    const std::vector<LayerBits> widest(widths.size(), {bits.w_max, bits.a_max});
    const auto status = report::status_line(line.quiet);
    const auto all = static_cast<double>(widths.size()) *
                     (bits.w_max - bits.w_min + bits.a_max - bits.a_min + 2);
    double done = 0;
    losses = losses_of(experiment.network, bits, [&](std::size_t layer, LayerBits of) {
      std::vector<LayerBits> one = widest;
      one[layer] = of;
      status->show([&](double elapsed) {
        return fmt::format("{}  {}{}",
                           report::progress_bar(done / all),
                           experiment.network.layer(matrix_layers(experiment.network)[layer]).name,
                           report::time_left(done / all, elapsed));
      });
      done += 1;
      return command.loss(one);
    });
    status->clear();
  }
  folder.add(kFile, table_of(losses, bits));
  folder.commit();
  if (!line.quiet) {
    fmt::print("{}\nResults in {}\n", text_of(losses, bits, unit), folder.path().string());
  }
  return 0;
}

}  // namespace tessera::tools
