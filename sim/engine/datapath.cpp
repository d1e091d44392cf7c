// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/datapath.hpp"

#include "sim/functional/arrays.hpp"
#include "workloads/receptive.hpp"

#include <algorithm>
#include <functional>
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
  bool runs_programs = false;               ///< of vector units; else their results are computed
  std::vector<ActionCounts> vector_did;     ///< [endpoint] by these

  /// Results of PEs per output, of one part: outputs [groups * cols] of its PEs, and where the
  /// terms of an output begin.
  struct Terms {
    struct Held {
      std::size_t first = 0;  ///< output
      std::size_t count = 0;
    };

    std::vector<Held> pes;
    std::vector<std::size_t> begin;  ///< [output], and the number of all
  };

  [[nodiscard]] Terms terms_of(const ProgramPart& part) const {
    const ProgramStage& stage = program.stages[at(part.stage)];
    const MatrixShape m = matrix_shape(network, stage.layer);
    Terms terms;
    std::vector<std::size_t> count(at(m.groups * m.cols), 0);
    for (const LockstepGroup& group : part.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const Fragment& f = program.residents[at(group.resident + i)].fragment;
        terms.pes.push_back({at(f.group * m.cols + f.col), at(std::int64_t{f.groups} * f.cols)});
        for (std::size_t o = 0; o < terms.pes.back().count; ++o) {
          ++count[terms.pes.back().first + o];
        }
      }
    }
    terms.begin.push_back(0);
    for (const std::size_t c : count) {
      terms.begin.push_back(terms.begin.back() + c);
    }
    return terms;
  }

  [[nodiscard]] bool is_alone(const ProgramPart& part) const {
    return program.stages[at(part.stage)].replicas[at(part.replica)].parts.size() == 1;
  }

  /// Whether what a part gives was ended by it.
  [[nodiscard]] bool ends(const ProgramPart& part) const {
    return program.stages[at(part.stage)].ends_sums ||
           (runs_programs && !part.vector.programs.empty() && is_alone(part));
  }

  void run(EndpointId endpoint,
           const VectorJob& job,
           std::span<const std::int32_t> inputs,
           std::span<std::int64_t> y) {
    const ActionCounts did = arrays.run(endpoint, job.programs, stamps, inputs, y);
    for (std::size_t action = 0; action < kMaxActions; ++action) {
      vector_did[at(endpoint)][action] += did[action];
    }
  }

  /// What the vector unit makes of the results of the PEs of a part.
  void add_by_programs(const ProgramPart& part,
                       std::span<const std::int64_t> apart,
                       std::span<std::int64_t> y) {
    const Terms terms = terms_of(part);
    const std::size_t outputs = terms.begin.size() - 1;
    const std::size_t all = terms.begin.back();
    std::vector<std::int32_t> inputs(stamps.size() * all);
    std::vector<std::size_t> next(outputs, 0);
    for (std::size_t pe = 0; pe < terms.pes.size(); ++pe) {
      const auto [first, count] = terms.pes[pe];
      for (std::size_t o = first; o < first + count; ++o) {
        const std::size_t term = terms.begin[o] + next[o]++;
        for (std::size_t s = 0; s < stamps.size(); ++s) {
          inputs[s * all + term] =
              static_cast<std::int32_t>(apart[(pe * stamps.size() + s) * outputs + o]);
        }
      }
    }
    run(part.at, part.vector, inputs, y);
    if (is_alone(part)) {
      return;
    }
    for (std::size_t o = 0; o < outputs; ++o) {  // nothing to add
      for (std::size_t s = 0; s < stamps.size() && next[o] == 1; ++s) {
        y[s * outputs + o] = inputs[s * all + terms.begin[o]];
      }
    }
  }

  /// The end of what several parts of a replica gave. The programs take a result of as many parts
  /// per output as any replica has: those that are not there are 0.
  void combine(const ProgramStage& stage,
               const std::vector<Contribution>& contributions,
               std::span<std::int64_t> y) {
    const std::size_t outputs = y.size() / stamps.size();
    std::vector<std::size_t> most(outputs, 0);  // results of an output
    std::vector<std::vector<const Contribution*>> here(outputs);
    for (const ProgramReplica& replica : stage.replicas) {
      std::vector<std::size_t> count(outputs, 0);
      for (const int number : replica.parts) {
        const Terms terms = terms_of(program.parts[at(number)]);
        const auto found = std::find_if(contributions.begin(),
                                        contributions.end(),
                                        [&](const Contribution& c) { return c.part == number; });
        for (std::size_t o = 0; o < outputs; ++o) {
          if (terms.begin[o + 1] == terms.begin[o]) {
            continue;
          }
          most[o] = std::max(most[o], ++count[o]);
          if (found != contributions.end()) {
            here[o].push_back(&*found);
          }
        }
      }
    }
    std::vector<std::int32_t> inputs;
    for (std::size_t s = 0; s < stamps.size(); ++s) {
      for (std::size_t o = 0; o < outputs; ++o) {
        for (std::size_t term = 0; term < most[o]; ++term) {
          inputs.push_back(term < here[o].size()
                               ? static_cast<std::int32_t>((*here[o][term]->sum)[s * outputs + o])
                               : 0);
        }
      }
    }
    run(program.parts[at(contributions.front().part)].at, stage.combine, inputs, y);
  }

  void stamp(std::int64_t image, const Blocks& raster, std::int64_t p) {
    stamps.clear();
    for (std::int64_t q = raster.begin(p); q < raster.end(p); ++q) {
      stamps.push_back({image, q});
    }
  }

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
               {},
               mode == Functional::bit_accurate,
               std::vector<ActionCounts>(at(program.endpoints()))})) {
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
  const std::size_t in = at(m.groups * m.rows);
  d.stamp(image, stage.raster, pos);
  d.x.resize(in * d.stamps.size());
  for (std::size_t i = 0; i < d.stamps.size(); ++i) {
    d.gather_inputs(p, d.stamps[i].position, by_raster, std::span(d.x).subspan(i * in, in));
  }
  narrow_input(d.network, id, d.x);
  auto sum =
      std::make_shared<std::vector<std::int64_t>>(d.stamps.size() * at(m.groups * m.cols), 0);
  d.took.clear();
  auto* const took = d.timed[at(part)] ? &d.took : nullptr;
  if (d.runs_programs && !p.vector.programs.empty()) {
    std::size_t pes = 0;
    for (const LockstepGroup& group : p.groups) {
      pes += at(group.pes);
    }
    std::vector<std::int64_t> apart(pes * sum->size(), 0);
    d.arrays.fire_apart(part, d.stamps, d.x, apart, took);
    d.add_by_programs(p, apart, *sum);
  } else {
    d.arrays.fire(part, d.stamps, d.x, *sum, took);
  }
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

void DataPath::add(int stage, Contribution one, std::vector<Contribution>& to) const {
  const bool apart =
      impl_->runs_programs && !impl_->program.stages[at(stage)].combine.programs.empty();
  if (to.empty() || apart) {
    to.push_back(std::move(one));
    return;
  }
  std::vector<std::int64_t>& sum = *to.front().sum;
  std::transform(sum.begin(), sum.end(), one.sum->begin(), sum.begin(), std::plus<>());
}

Position32 DataPath::finish(int stage,
                            std::int64_t image,
                            std::int64_t p,
                            std::vector<Contribution> contributions) {
  Impl& d = *impl_;
  const ProgramStage& s = d.program.stages[at(stage)];
  const Layer& layer = d.network.layer(s.layer);
  std::vector<std::int64_t>& sum = *contributions.front().sum;
  auto y = std::make_shared<std::vector<std::int32_t>>(sum.size());
  const auto outputs = at(layer.out.channels);
  if (contributions.size() > 1) {
    // Not in the order of arrival: what programs count depends on it.
    std::sort(contributions.begin(), contributions.end(), [](const auto& a, const auto& b) {
      return a.part < b.part;
    });
    d.stamp(image, s.raster, p);
    std::vector<std::int64_t> ended(sum.size(), 0);
    d.combine(s, contributions, ended);
    std::copy(ended.begin(), ended.end(), y->begin());
    return y;
  }
  if (d.ends(d.program.parts[at(contributions.front().part)])) {
    std::copy(sum.begin(), sum.end(), y->begin());
    return y;
  }
  for (std::size_t first = 0; first < sum.size(); first += outputs) {
    tessera::finish(layer,
                    d.parameters_of(s.layer),
                    std::span(sum).subspan(first, outputs),
                    std::span(*y).subspan(first, outputs));
  }
  return y;
}

Position32 DataPath::vector(int part, std::int64_t image, std::int64_t p, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramPart& at_work = d.program.parts[at(part)];
  const ProgramStage& stage = d.program.stages[at(at_work.stage)];
  if (stage.kind != StageKind::vector) {
    const Row row = operand(0, p);
    return std::make_shared<const std::vector<std::int32_t>>(row.begin(), row.end());
  }
  const Operand by_raster = d.by_raster(stage, operand);
  const auto channels = at(d.network.layer(stage.layer).out.channels);
  d.stamp(image, stage.raster, p);
  auto out = std::make_shared<std::vector<std::int32_t>>(d.stamps.size() * channels);
  if (d.runs_programs && !at_work.vector.programs.empty()) {
    std::vector<std::int32_t> inputs;
    for (const Stamp& stamp : d.stamps) {
      const std::vector<std::int32_t> x =
          vector_inputs(d.network, stage.layer, stamp.position, by_raster);
      inputs.insert(inputs.end(), x.begin(), x.end());
    }
    std::vector<std::int64_t> y(out->size(), 0);
    d.run(at_work.at, at_work.vector, inputs, y);
    std::copy(y.begin(), y.end(), out->begin());
    return out;
  }
  for (std::size_t i = 0; i < d.stamps.size(); ++i) {
    vector_layer(d.network,
                 stage.layer,
                 d.parameters_of(stage.layer),
                 d.stamps[i].position,
                 by_raster,
                 std::span(*out).subspan(i * channels, channels));
  }
  return out;
}

const ActionCounts* DataPath::vector_did(EndpointId endpoint) const {
  return impl_->runs_programs ? &impl_->vector_did[at(endpoint)] : nullptr;
}

}  // namespace tessera::engine
