// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The associative processor as a Kind: adapter from the plain functions of this folder to Model
/// and Unit. A model of a chip file has no programs and holds no matrix; programmed() makes one
/// that has.
///
/// Errors   E-RTM-AP-SPEC for values that contradict each other; the model is then built from the
/// defaults. Weights that are not those of the program are an InternalError
#include "arch/rtm_ap/cost.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/programs.hpp"
#include "arch/rtm_ap/rtm_ap.hpp"
#include "arch/rtm_ap/spec.hpp"
#include "arch/rtm_ap/steps.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "workloads/layer_ops.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

constexpr const char* kName = "rtm_ap";

/// One AP with its program. Its answers are exact whatever the fidelity; `ideal` multiplies instead
/// of searching and writing.
class ApUnit final : public Unit {
 public:
  ApUnit(Spec spec, const Clock& clock, std::shared_ptr<const Programs> programs)
      : spec_(std::move(spec)), clock_(clock), programs_(std::move(programs)) {}

  void load(const Op& op,
            const Fragment& /*fragment*/,
            std::span<const std::int32_t> weights,
            std::uint64_t /*write*/) override {
    program_ = programs_->load(op);
    if (op.code != OpCode::vector && digest(weights) != program_->weights) {
      throw InternalError(kName, -1, "the weights are not those of the program");
    }
    weights_.assign(weights.begin(), weights.end());
  }

  void fire(std::span<const std::int32_t> x,
            std::span<std::int64_t> y,
            Fidelity fidelity,
            const Stamp& stamp) const override {
    fire_all({std::span(&stamp, 1), x.size(), y.size(), x.data(), x.size(), y.data(), y.size()},
             fidelity);
  }

  void fire_all(const Batch& batch, Fidelity fidelity) const override {
    if (program_ == nullptr) {
      throw InternalError(kName, -1, "fired before it was loaded");
    }
    Totals took = program_->totals;
    if (fidelity == Fidelity::ideal && program_->fragment.rows > 0) {
      for (std::size_t i = 0; i < batch.stamps.size(); ++i) {
        multiply(batch.input(i), batch.output(i));
      }
      report(batch, took);
      return;
    }
    const auto rows = static_cast<std::size_t>(spec_.rows);
    for (std::size_t first = 0; first < batch.stamps.size(); first += rows) {
      Batch block = batch;
      block.stamps = batch.stamps.subspan(first, std::min(rows, batch.stamps.size() - first));
      block.x += first * batch.x_step;
      block.y += first * batch.y_step;
      took.did = happened(run_block(spec_, *program_, block),
                          program_->totals.did,
                          static_cast<int>(block.stamps.size()) * program_->slices);
    }
    report(batch, took);
  }

  [[nodiscard]] bool exact(Fidelity /*fidelity*/) const override { return true; }

 private:
  void multiply(std::span<const std::int32_t> x, std::span<std::int64_t> y) const {
    const Fragment& f = program_->fragment;
    const auto rows = static_cast<std::size_t>(f.rows);
    const auto cols = static_cast<std::size_t>(f.cols);
    const auto taps = static_cast<std::size_t>(program_->taps);
    const std::size_t in_group = rows / taps;
    const auto first = static_cast<std::size_t>(f.channel);
    const std::size_t channels = f.reads > 0 ? static_cast<std::size_t>(f.reads) / taps : in_group;
    std::vector<std::int64_t> sum(y.size(), 0);
    for (std::size_t c = 0; c < y.size(); ++c) {
      const std::int32_t* w = weights_.data() + c * rows;
      const std::int32_t* in = x.data() + c / cols * rows;
      for (std::size_t tap = 0; tap < rows; tap += in_group) {
        for (std::size_t r = tap + first; r < tap + first + channels; ++r) {
          sum[c] += std::int64_t{w[r]} * in[r];
        }
      }
    }
    if (program_->ending != nullptr) {
      std::vector<std::int32_t> ended(y.size());
      finish(program_->ending->layer, program_->ending->parameters, sum, ended);
      std::copy(ended.begin(), ended.end(), sum.begin());
    }
    std::transform(sum.begin(), sum.end(), y.begin(), y.begin(), std::plus<>());
  }

  void report(const Batch& batch, const Totals& took) const {
    if (batch.took != nullptr) {
      *batch.took = firing_steps(spec_, clock_, took);
    }
  }

  Spec spec_;
  Clock clock_;
  std::shared_ptr<const Programs> programs_;
  std::shared_ptr<const FragmentProgram> program_;
  std::vector<std::int32_t> weights_;
};

std::vector<Resource> make_resources(const Parts& parts, const Spec& spec) {
  std::vector<Resource> all(kNumResources);
  all[kTrack] = resource_of("track", parts.track, spec.columns);
  all[kCam] = resource_of("cam", parts.cam, spec.rows);
  all[kWriter] = resource_of("writer", parts.writer, spec.columns);
  all[kLatch] = resource_of("latch", parts.latch, spec.rows);
  all[kController] = resource_of("controller", parts.controller, 1);
  for (int r = 0; r < kNumResources; ++r) {
    all[static_cast<std::size_t>(r)].uses = uses_of(static_cast<ResourceIndex>(r));
  }
  return all;
}

static_assert(kNumPrices<Prices> == kNumActions);

class ApModel final : public Model {
 public:
  ApModel(const Spec& spec, const Clock& clock, std::shared_ptr<const Programs> programs)
      : spec_(spec),
        clock_(clock),
        programs_(std::move(programs)),
        resources_(make_resources(spec.parts, spec)),
        actions_(priced_actions(spec.prices)) {}

  [[nodiscard]] const std::string& kind() const override { return name_; }

  [[nodiscard]] const std::vector<Resource>& resources() const override { return resources_; }

  [[nodiscard]] const std::vector<Action>& actions() const override { return actions_; }

  [[nodiscard]] std::unique_ptr<Model> programmed(const ProgramSource& source) const override {
    return std::make_unique<ApModel>(
        spec_, clock_, std::make_shared<const Programs>(spec_, clock_, source));
  }

  [[nodiscard]] int vector_block() const override { return spec_.rows; }

  [[nodiscard]] std::optional<std::vector<Op>> vector_ops(const VectorWork& work) const override {
    return programs_->vector_ops(work);
  }

  [[nodiscard]] Layout layout(const MatrixOp& matrix) const override {
    const LayerPrograms& programs = programs_->of(matrix);
    Layout layout;
    layout.ok = programs.why_not.empty();
    layout.why_not = programs.why_not;
    for (const FragmentProgram& part : programs.parts) {
      layout.fragments.push_back(part.fragment);
    }
    layout.out_bits = programs.out_bits;
    layout.acc_bits = programs.acc_bits;
    layout.block = programs.block;
    layout.ends_sums = programs.ends_sums;
    return layout;
  }

  [[nodiscard]] Op op(OpCode code,
                      const MatrixOp& matrix,
                      const Fragment& fragment) const override {
    const std::vector<FragmentProgram>& parts = programs_->of(matrix).parts;
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const FragmentProgram& p) {
      const Fragment& f = p.fragment;
      return f.group == fragment.group && f.col == fragment.col && f.row == fragment.row &&
             f.channel == fragment.channel;
    });
    Op op;
    op.code = code;
    op.rows = fragment.rows_read() * fragment.groups;
    op.cols = fragment.cols * fragment.groups;
    op.in_bits = matrix.in_bits;
    op.in_signed = matrix.in_signed;
    op.w_bits = matrix.w_bits;
    op.layer = matrix.layer;
    op.program = part == parts.end() ? -1 : static_cast<int>(part - parts.begin());
    return op;
  }

  [[nodiscard]] std::string program_text(const Op& op) const override {
    return listing(*programs_->load(op), geometry(spec_));
  }

  [[nodiscard]] std::vector<Step> steps(const Op& op) const override {
    return op.code == OpCode::write ? write_steps()
                                    : firing_steps(spec_, clock_, programs_->at(op).totals);
  }

  [[nodiscard]] Sequence sequence(const Op& op) const override {
    if (op.code == OpCode::write) {
      return {};
    }
    const std::shared_ptr<const FragmentProgram> made = programs_->load(op);
    const std::shared_ptr<const Program> program(made, &made->program);
    return [spec = spec_, clock = clock_, program, rows = made->rows] {
      return firing_source(spec, clock, program, rows);
    };
  }

  [[nodiscard]] Cost fire_cost(const Op& op) const override {
    return op.code == OpCode::write ? write_cost() : firing_cost(programs_->at(op).cost);
  }

  /// Written cells depend on which rows were tagged, all counts on the rows in use; time does not.
  [[nodiscard]] bool depends_on_data() const override { return true; }

  [[nodiscard]] Cost least_cost(const Op& op) const override {
    Cost cost = fire_cost(op);
    cost.did = {};
    return cost;
  }

  [[nodiscard]] double most_cell_writes(const Op& op) const override {
    return op.code == OpCode::write ? 0 : programs_->at(op).totals.most_written;
  }

  [[nodiscard]] CellWrites cell_writes() const override {
    return {kWriteCell, std::int64_t{spec_.rows} * spec_.columns * spec_.domains};
  }

  [[nodiscard]] double endurance() const override { return spec_.endurance; }

  [[nodiscard]] std::unique_ptr<Unit> make_unit(std::uint64_t /*pe*/) const override {
    return std::make_unique<ApUnit>(spec_, clock_, programs_);
  }

  [[nodiscard]] bool exact(const MatrixOp& /*matrix*/, Fidelity /*fidelity*/) const override {
    return true;
  }

  [[nodiscard]] std::vector<MatrixOp> matrices() const { return programs_->matrices(); }

 private:
  std::string name_ = kName;
  Spec spec_;
  Clock clock_;
  std::shared_ptr<const Programs> programs_;
  std::vector<Resource> resources_;
  std::vector<Action> actions_;
};

std::unique_ptr<Model> make(const config::Node& pe, const Clock& clock, Diagnostics& diagnostics) {
  const Spec spec = read_spec(pe, diagnostics);
  return make_model(problems(spec).empty() ? spec : Spec{}, clock);
}

/// Small layers of every sort.
std::unique_ptr<Model> random_model(std::uint64_t seed) {
  Rng rng(seed, "rtm_ap.model");
  Spec spec = random_spec(seed);
  spec.columns = static_cast<int>(rng.uniform(24, 64));
  spec.domains = static_cast<int>(rng.uniform(24, 80));
  const Clock clock{Hertz(rng.chance(0.5) ? 1e9 : 333e6)};
  ProgramMatrix layer;
  layer.taps = static_cast<int>(rng.chance(0.5) ? 1 : rng.uniform(2, 4));
  layer.positions = rng.uniform(1, 700);
  MatrixOp& matrix = layer.matrix;
  matrix.layer = 0;
  matrix.rows = layer.taps * rng.uniform(1, 8);
  matrix.cols = rng.uniform(1, 8);
  matrix.groups = static_cast<int>(rng.chance(0.3) ? rng.uniform(2, 4) : 1);
  matrix.in_bits = static_cast<int>(rng.uniform(1, 6));
  matrix.in_signed = matrix.in_bits > 1 && rng.chance(0.3);
  matrix.w_bits = static_cast<int>(rng.chance(0.7) ? 2 : rng.uniform(2, 4));
  const std::int64_t size = matrix.rows * matrix.cols * matrix.groups;
  const auto weights = [seed, size](int /*layer*/, int w_bits, int /*a_bits*/) {
    Rng values(seed, "rtm_ap.weights");
    const std::int64_t high = (std::int64_t{1} << (w_bits - 1)) - 1;
    ProgramLayer all;
    for (std::int64_t i = 0; i < size; ++i) {
      all.parameters.weights.push_back(static_cast<std::int32_t>(values.uniform(-high, high)));
    }
    return all;
  };
  return std::make_unique<ApModel>(
      spec,
      clock,
      std::make_shared<const Programs>(spec, clock, ProgramSource{{layer}, weights, nullptr}));
}

Op random_op(const Model& model, std::uint64_t seed) {
  Rng rng(seed, "rtm_ap.op");
  const MatrixOp matrix = dynamic_cast<const ApModel&>(model).matrices().front();
  const Layout cut = model.layout(matrix);
  if (!cut.ok) {
    throw InternalError(kName, -1, "a random model without a program: " + cut.why_not);
  }
  const auto last = static_cast<std::int64_t>(cut.fragments.size()) - 1;
  const Fragment& fragment = cut.fragments[static_cast<std::size_t>(rng.uniform(0, last))];
  return model.op(rng.chance(0.1) ? OpCode::write : OpCode::mvm, matrix, fragment);
}

std::vector<config::FieldInfo> fields() {
  return config::describe<Spec>();
}

}  // namespace

std::unique_ptr<Model> make_model(const Spec& spec, const Clock& clock) {
  return std::make_unique<ApModel>(
      spec, clock, std::make_shared<const Programs>(spec, clock, ProgramSource{}));
}

const Kind& kind() {
  static const Kind kRtmAp{kName,
                           "a racetrack memory that adds by searching and writing: weights are its "
                           "program, 256 output positions at once",
                           &fields,
                           &make,
                           &random_model,
                           &random_op};
  return kRtmAp;
}

}  // namespace tessera::arch::rtm_ap
