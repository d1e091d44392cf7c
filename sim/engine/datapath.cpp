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
  std::vector<bool> timed;                  ///< by part: what a firing takes depends on its data
  std::vector<std::int32_t> x;              ///< input vectors of all groups, reused
  std::vector<std::vector<Step>> took;      ///< of the last firing, PE by PE
  std::vector<Stamp> stamps;                ///< of the same firing, reused

  LayerParameters& parameters_of(LayerId layer) {
    LayerParameters& p = parameters[at(layer)];
    if (has_parameters(network.layer(layer)) && p.multiplier.empty() && p.embedding.empty()) {
      p = data.parameters(layer);
    }
    return p;
  }

  /// Operands by raster position, from operands by the position of their stage, which may be a
  /// block.
  [[nodiscard]] Operand by_raster(const ProgramStage& stage, const Operand& operand) const {
    const auto raster_of = [this, &stage](int k) -> const Blocks& {
      return program.stages[at(program.edges[at(stage.in_edges[at(k)])].from)].raster;
    };
    bool blocked = false;
    for (std::size_t k = 0; k < stage.in_edges.size(); ++k) {
      blocked = blocked || raster_of(static_cast<int>(k)).size > 1;
    }
    if (!blocked) {
      return operand;
    }
    return [raster_of, &operand](int k, std::int64_t q) {
      const Blocks& raster = raster_of(k);
      const std::int64_t block = raster.at(q);
      const Row row = operand(k, block);
      const auto channels =
          static_cast<std::int64_t>(row.size()) / (raster.end(block) - raster.begin(block));
      return row.subspan(at((q - raster.begin(block)) * channels), at(channels));
    };
  }

  /// Input vectors of all groups at raster position p.
  void gather_inputs(const ProgramPart& part,
                     std::int64_t p,
                     const Operand& operand,
                     std::span<std::int32_t> to) const;

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
               {},
               {},
               {},
               {}})) {
  impl_->parameters.resize(network.layers.size());
  for (const ProgramPart& part : program.parts) {
    impl_->timed.push_back(!part.groups.empty() && chip.group_at(part.at).pe->depends_on_data());
  }
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
    const Operand by_raster =
        d.by_raster(d.program.stages[at(d.program.parts[at(part)].stage)], operand);
    d.arrays.load(part, dynamic_weights(d.network, layer, by_raster), image);
  } else {
    d.load_static(part, image);
  }
}

Fired DataPath::fire(int part, std::int64_t image, std::int64_t pos, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramPart& p = d.program.parts[at(part)];
  const ProgramStage& stage = d.program.stages[at(p.stage)];
  const LayerId id = stage.layer;
  const MatrixShape m = matrix_shape(d.network, id);
  d.load_static(part, image);
  const Operand by_raster = d.by_raster(stage, operand);
  const std::int64_t in = m.groups * m.rows;
  d.x.clear();
  d.stamps.clear();
  for (std::int64_t q = stage.raster.begin(pos); q < stage.raster.end(pos); ++q) {
    d.x.resize(at(in) * (d.stamps.size() + 1));
    d.gather_inputs(p, q, by_raster, std::span(d.x).last(at(in)));
    d.stamps.push_back({image, q});
  }
  narrow_input(d.network, id, d.x);
  auto sum =
      std::make_shared<std::vector<std::int64_t>>(d.stamps.size() * at(m.groups * m.cols), 0);
  d.took.clear();
  d.arrays.fire(part, d.stamps, d.x, *sum, d.timed[at(part)] ? &d.took : nullptr);
  Fired fired{std::move(sum), {}};
  for (const std::vector<Step>& steps : d.took) {
    fired.took.push_back(make_schedule(steps));
  }
  return fired;
}

void DataPath::Impl::gather_inputs(const ProgramPart& part,
                                   std::int64_t p,
                                   const Operand& operand,
                                   std::span<std::int32_t> to) const {
  const ProgramStage& stage = program.stages[at(part.stage)];
  const MatrixShape m = matrix_shape(network, stage.layer);
  if (network.layer(stage.layer).kind == LayerKind::fc) {
    // The whole tensor, position by position, whatever flattened it. Only the positions of the rows
    // that this part holds are here.
    const ProgramEdge& edge = program.edges[at(stage.in_edges.front())];
    const std::int64_t channels = m.rows / program.stages[at(edge.from)].raster.positions;
    std::fill(to.begin(), to.end(), 0);
    std::vector<bool> read(at(m.rows / channels), false);
    for (const LockstepGroup& group : part.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const Fragment& f = program.residents[at(group.resident + i)].fragment;
        for (std::int64_t q = f.row / channels; q <= (f.row + f.rows - 1) / channels; ++q) {
          if (!read[at(q)]) {
            const Row row = operand(0, q);
            std::copy(row.begin(), row.end(), to.begin() + q * channels);
            read[at(q)] = true;
          }
        }
      }
    }
    return;
  }
  for (int g = 0; g < m.groups; ++g) {
    gather(
        network,
        stage.layer,
        p,
        g,
        [&](std::int64_t q) { return operand(0, q); },
        to.subspan(at(g * m.rows), at(m.rows)));
  }
}

Position32 DataPath::finish(int stage, std::int64_t, const std::vector<std::int64_t>& sum) {
  Impl& d = *impl_;
  const LayerId id = d.program.stages[at(stage)].layer;
  std::vector<std::int64_t> acc = sum;
  auto y = std::make_shared<std::vector<std::int32_t>>(acc.size());
  const auto channels = at(d.network.layer(id).out.channels);
  for (std::size_t first = 0; first < acc.size(); first += channels) {
    tessera::finish(d.network.layer(id),
                    d.parameters_of(id),
                    std::span(acc).subspan(first, channels),
                    std::span(*y).subspan(first, channels));
  }
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
  vector_layer(d.network,
               program.layer,
               d.parameters_of(program.layer),
               p,
               d.by_raster(program, operand),
               *out);
  return out;
}

}  // namespace tessera::engine
