// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/functional/arrays.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/draws.hpp"

#include <algorithm>

namespace tessera::functional {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

enum Named : std::uint64_t { kPe = 1, kWrite };

/// Weights [groups][cols][rows] of one fragment, cut from those of the whole layer.
std::vector<std::int32_t> cut(const Fragment& f,
                              const MatrixShape& m,
                              std::span<const std::int32_t> all) {
  std::vector<std::int32_t> part;
  part.reserve(at(std::int64_t{f.groups} * f.cols * f.rows));
  for (int g = f.group; g < f.group + f.groups; ++g) {
    for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
      const auto column = all.subspan(at((g * m.cols + c) * m.rows + f.row), at(f.rows));
      part.insert(part.end(), column.begin(), column.end());
    }
  }
  return part;
}

}  // namespace

Fidelity fidelity_of(Functional mode) {
  return mode == Functional::ideal ? Fidelity::ideal : Fidelity::physical;
}

Arrays::Arrays(const Program& program,
               const Network& network,
               const arch::chip::Chip& chip,
               Fidelity fidelity,
               std::uint64_t seed)
    : program_(program),
      network_(network),
      chip_(chip),
      fidelity_(fidelity),
      seed_(mix(seed)),
      vary_(fidelity == Fidelity::physical && chip.has_variation()),
      units_(program.residents.size()),
      image_(program.parts.size(), -1) {}

void Arrays::load(int part, std::span<const std::int32_t> weights, std::int64_t image) {
  const ProgramPart& p = program_.parts[at(part)];
  const ProgramStage& stage = program_.stages[at(p.stage)];
  const MatrixShape m = matrix_shape(network_, stage.layer);
  const std::uint64_t matrix =
      mix(mix(mix(seed_, kWrite), at(p.stage)), static_cast<std::uint64_t>(p.replica));
  const std::uint64_t write = mix(matrix, stage.rewrites ? at(image) : 0);
  const Model& model = *chip_.group_at(p.at).pe;
  for (const LockstepGroup& group : p.groups) {
    for (int i = 0; i < group.pes; ++i) {
      const Resident& resident = program_.residents[at(group.resident + i)];
      std::unique_ptr<Unit>& unit = units_[at(group.resident + i)];
      if (unit == nullptr) {
        unit = model.make_unit(mix(mix(mix(seed_, kPe), at(p.at)), at(resident.pe)));
      }
      unit->load(resident.op, resident.fragment, cut(resident.fragment, m, weights), write);
    }
  }
  image_[at(part)] = image;
}

void Arrays::unload(int part) {
  for (const LockstepGroup& group : program_.parts[at(part)].groups) {
    std::for_each_n(units_.begin() + group.resident, group.pes, [](std::unique_ptr<Unit>& unit) {
      unit.reset();
    });
  }
  image_[at(part)] = -1;
}

bool Arrays::holds(int part, std::int64_t image) const {
  const std::int64_t last = image_[at(part)];
  const ProgramStage& stage = program_.stages[at(program_.parts[at(part)].stage)];
  return last >= 0 && (last == image || !vary_ || !stage.rewrites);
}

bool Arrays::exact(int part) const {
  const auto& groups = program_.parts[at(part)].groups;
  return std::all_of(groups.begin(), groups.end(), [&](const LockstepGroup& group) {
    const auto first = units_.begin() + group.resident;
    return std::all_of(
        first, first + group.pes, [&](const auto& unit) { return unit->exact(fidelity_); });
  });
}

void Arrays::fire(int part,
                  std::span<const Stamp> stamps,
                  std::span<const std::int32_t> x,
                  std::span<std::int64_t> sum,
                  std::vector<std::vector<Step>>* took) const {
  fire_all(part, stamps, x, sum, 0, took);
}

void Arrays::fire_apart(int part,
                        std::span<const Stamp> stamps,
                        std::span<const std::int32_t> x,
                        std::span<std::int64_t> apart,
                        std::vector<std::vector<Step>>* took) const {
  const MatrixShape m =
      matrix_shape(network_, program_.stages[at(program_.parts[at(part)].stage)].layer);
  fire_all(part, stamps, x, apart, stamps.size() * at(m.groups * m.cols), took);
}

void Arrays::fire_all(int part,
                      std::span<const Stamp> stamps,
                      std::span<const std::int32_t> x,
                      std::span<std::int64_t> sum,
                      std::size_t apart,
                      std::vector<std::vector<Step>>* took) const {
  const ProgramPart& p = program_.parts[at(part)];
  const MatrixShape m = matrix_shape(network_, program_.stages[at(p.stage)].layer);
  Batch batch;
  batch.stamps = stamps;
  batch.x_step = at(m.groups * m.rows);
  batch.y_step = at(m.groups * m.cols);
  std::size_t pe = 0;
  for (const LockstepGroup& group : p.groups) {
    for (int i = 0; i < group.pes; ++i, ++pe) {
      const Fragment& f = program_.residents[at(group.resident + i)].fragment;
      // Stacked groups are whole ones, so that what a fragment reads and writes has no gaps.
      if (f.groups > 1 && (f.rows != m.rows || f.cols != m.cols)) {
        throw InternalError("functional", -1, "a fragment stacks parts of groups");
      }
      batch.rows = at(std::int64_t{f.groups} * f.rows);
      batch.cols = at(std::int64_t{f.groups} * f.cols);
      batch.x = x.data() + f.group * m.rows + f.row;
      batch.y = sum.data() + pe * apart + at(f.group * m.cols + f.col);
      batch.took = took == nullptr ? nullptr : &took->emplace_back();
      units_[at(group.resident + i)]->fire_all(batch, fidelity_);
    }
  }
}

ActionCounts Arrays::run(EndpointId endpoint,
                         std::span<const Op> programs,
                         std::span<const Stamp> stamps,
                         std::span<const std::int32_t> x,
                         std::span<std::int64_t> y) {
  ActionCounts did{};
  const std::size_t group = chip_.group_of(endpoint);
  Batch batch;
  batch.stamps = stamps;
  batch.rows = batch.x_step = x.size() / stamps.size();
  batch.cols = batch.y_step = y.size() / stamps.size();
  batch.x = x.data();
  batch.y = y.data();
  std::vector<Step> took;
  batch.took = &took;
  for (const Op& op : programs) {
    std::unique_ptr<Unit>& unit = vector_units_[{group, op}];
    if (unit == nullptr) {
      unit = chip_.groups[group].pe->make_unit(0);
      unit->load(op, {}, {}, 0);
    }
    unit->fire_all(batch, fidelity_);
    const Schedule schedule = make_schedule(took);
    for (std::size_t action = 0; action < kMaxActions; ++action) {
      did[action] += schedule.did[action];
    }
  }
  return did;
}

}  // namespace tessera::functional
