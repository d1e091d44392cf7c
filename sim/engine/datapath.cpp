// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/datapath.hpp"

#include "sim/functional/arrays.hpp"
#include "workloads/receptive.hpp"

#include <algorithm>
#include <utility>

namespace tessera::engine {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

using Row = std::span<const std::int32_t>;

}  // namespace

struct DataPath::Impl {
  const Program& program;
  const Network& network;
  NetworkData data;
  functional::Arrays arrays;
  std::int64_t input_image = -1;
  std::vector<std::int32_t> input;
  std::vector<LayerParameters> parameters;  ///< by layer; filled when first used
  std::vector<std::int32_t> x;              ///< input vectors of all groups, reused

  LayerParameters& parameters_of(LayerId layer) {
    LayerParameters& p = parameters[at(layer)];
    if (has_parameters(network.layer(layer)) && p.multiplier.empty() && p.embedding.empty()) {
      p = data.parameters(layer);
    }
    return p;
  }

  /// The weights that do not change during the run, before their first use.
  void load_static(int part, std::int64_t image) {
    const LayerId layer = program.stages[at(program.parts[at(part)].stage)].layer;
    if (!network.layer(layer).has_dynamic_weights() && !arrays.holds(part, image)) {
      arrays.load(part, parameters_of(layer).weights, image);
    }
  }
};

DataPath::DataPath(const Program& program,
                   const Network& network,
                   const arch::chip::Chip& chip,
                   Functional mode,
                   NetworkData data,
                   std::uint64_t seed)
    : impl_(std::make_unique<Impl>(
          Impl{program,
               network,
               std::move(data),
               functional::Arrays(program, network, chip, functional::fidelity_of(mode), seed),
               -1,
               {},
               {},
               {}})) {
  impl_->parameters.resize(network.layers.size());
}

DataPath::~DataPath() = default;

Position32 DataPath::source(std::int64_t image, std::int64_t p) {
  Impl& d = *impl_;
  if (d.input_image != image) {
    d.input = d.data.input(image);
    d.input_image = image;
  }
  const auto channels = static_cast<std::int64_t>(d.network.layers.front().out.channels);
  const auto first = d.input.begin() + p * channels;
  return std::make_shared<const std::vector<std::int32_t>>(first, first + channels);
}

void DataPath::write(int part, std::int64_t image, const Operand& operand) {
  Impl& d = *impl_;
  const LayerId layer = d.program.stages[at(d.program.parts[at(part)].stage)].layer;
  if (d.network.layer(layer).has_dynamic_weights()) {
    d.arrays.load(part, functional::dynamic_weights(d.network, layer, operand), image);
  } else {
    d.load_static(part, image);
  }
}

Partial64 DataPath::fire(int part, std::int64_t image, std::int64_t pos, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramPart& p = d.program.parts[at(part)];
  const ProgramStage& stage = d.program.stages[at(p.stage)];
  const LayerId id = stage.layer;
  const MatrixShape m = matrix_shape(d.network, id);
  d.load_static(part, image);
  d.x.resize(at(m.groups * m.rows));
  if (d.network.layer(id).kind ==
      LayerKind::fc) {  // the whole tensor, position by position, whatever flattened it
    // Only the positions of the rows that this part holds are here.
    const std::int64_t channels = m.rows / d.program.edges[at(stage.in_edges.front())].positions;
    std::fill(d.x.begin(), d.x.end(), 0);
    std::vector<bool> read(at(m.rows / channels), false);
    for (const LockstepGroup& group : p.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const Fragment& f = d.program.residents[at(group.resident + i)].fragment;
        for (std::int64_t q = f.row / channels; q <= (f.row + f.rows - 1) / channels; ++q) {
          if (!read[at(q)]) {
            const Row row = operand(0, q);
            std::copy(row.begin(), row.end(), d.x.begin() + q * channels);
            read[at(q)] = true;
          }
        }
      }
    }
  } else {
    for (int g = 0; g < m.groups; ++g) {
      gather(
          d.network,
          id,
          pos,
          g,
          [&](std::int64_t q) { return operand(0, q); },
          std::span(d.x).subspan(at(g * m.rows), at(m.rows)));
    }
  }
  functional::narrow_input(d.network, id, d.x);
  auto sum = std::make_shared<std::vector<std::int64_t>>(at(m.groups * m.cols), 0);
  const Stamp stamp{image, pos};
  d.arrays.fire(part, std::span(&stamp, 1), d.x, *sum);
  return sum;
}

Position32 DataPath::finish(int stage, std::int64_t, const std::vector<std::int64_t>& sum) {
  Impl& d = *impl_;
  const LayerId id = d.program.stages[at(stage)].layer;
  std::vector<std::int64_t> acc = sum;
  auto y = std::make_shared<std::vector<std::int32_t>>(acc.size());
  functional::finish(d.network.layer(id), d.parameters_of(id), acc, *y);
  return y;
}

Position32 DataPath::vector(int stage, std::int64_t p, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramStage& program = d.program.stages[at(stage)];
  if (program.kind != StageKind::vector) {
    const Row row = operand(0, p);
    return std::make_shared<const std::vector<std::int32_t>>(row.begin(), row.end());
  }
  auto out =
      std::make_shared<std::vector<std::int32_t>>(at(d.network.layer(program.layer).out.channels));
  functional::vector_layer(
      d.network, program.layer, d.parameters_of(program.layer), p, operand, *out);
  return out;
}

}  // namespace tessera::engine
