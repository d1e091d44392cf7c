// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The RNA block as a Kind: adapter from the plain functions of this folder to Model and Unit.
///
/// Errors   E-LUT-SPEC for values that contradict each other; the model is then built from the
/// defaults
#include "arch/lut/cost.hpp"
#include "arch/lut/kernel.hpp"
#include "arch/lut/layout.hpp"
#include "arch/lut/lut.hpp"
#include "arch/lut/steps.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace tessera::arch::lut {
namespace {

constexpr const char* kName = "lut";

class LutUnit final : public Unit {
 public:
  LutUnit(std::shared_ptr<const Spec> spec, const Clock& clock)
      : spec_(std::move(spec)), clock_(clock) {}

  void load(const Op& op,
            const Fragment& /*fragment*/,
            std::span<const std::int32_t> weights,
            std::uint64_t /*write*/) override {
    op_ = op;
    block_.emplace(*spec_, op, weights);
  }

  void fire(std::span<const std::int32_t> x,
            std::span<std::int64_t> y,
            Fidelity fidelity,
            const Stamp& /*stamp*/) const override {
    if (!block_) {
      throw InternalError(kName, -1, "fired before it was loaded");
    }
    block_->fire(x, y, fidelity == Fidelity::ideal);
  }

  void fire_all(const Batch& batch, Fidelity fidelity) const override {
    Unit::fire_all(batch, fidelity);
    if (batch.took != nullptr) {
      *batch.took = steps(*spec_, clock_, op_, block_->count(batch.input(0)));
    }
  }

  [[nodiscard]] bool exact(Fidelity fidelity) const override {
    return fidelity == Fidelity::ideal || loses_nothing(*spec_);
  }

 private:
  std::shared_ptr<const Spec> spec_;
  Clock clock_;
  Op op_;
  std::optional<Block> block_;
};

std::vector<Resource> make_resources(const Parts& parts) {
  std::vector<Resource> all(kNumResources);
  all[kCounters] = resource_of("counters", parts.counters, 1);
  all[kCrossbar] = resource_of("crossbar", parts.crossbar, 1);
  all[kActivation] = resource_of("activation", parts.activation, 1);
  all[kEncoder] = resource_of("encoder", parts.encoder, 1);
  return all;
}

static_assert(kNumPrices<Prices> == kNumActions);

class LutModel final : public Model {
 public:
  LutModel(const Spec& spec, const Clock& clock)
      : spec_(std::make_shared<const Spec>(spec)),
        clock_(clock),
        resources_(make_resources(spec.parts)),
        actions_(priced_actions(spec.prices)) {}

  [[nodiscard]] const std::string& kind() const override { return name_; }

  [[nodiscard]] const std::vector<Resource>& resources() const override { return resources_; }

  [[nodiscard]] const std::vector<Action>& actions() const override { return actions_; }

  [[nodiscard]] Layout layout(const MatrixOp& matrix) const override {
    return lut::layout(*spec_, matrix);
  }

  [[nodiscard]] Op op(OpCode code,
                      const MatrixOp& matrix,
                      const Fragment& fragment) const override {
    return fragment_op(code, matrix, fragment);
  }

  [[nodiscard]] std::vector<Step> steps(const Op& op) const override {
    return lut::steps(*spec_, clock_, op);
  }

  [[nodiscard]] Cost fire_cost(const Op& op) const override {
    return lut::fire_cost(*spec_, clock_, op);
  }

  [[nodiscard]] bool depends_on_data() const override { return true; }

  [[nodiscard]] Cost least_cost(const Op& op) const override {
    return lut::least_cost(*spec_, clock_, op);
  }

  [[nodiscard]] double endurance() const override { return spec_->endurance; }

  [[nodiscard]] std::unique_ptr<Unit> make_unit(std::uint64_t /*pe*/) const override {
    return std::make_unique<LutUnit>(spec_, clock_);
  }

  [[nodiscard]] bool exact(const MatrixOp& /*matrix*/, Fidelity fidelity) const override {
    return fidelity == Fidelity::ideal || loses_nothing(*spec_);
  }

 private:
  std::string name_ = kName;
  std::shared_ptr<const Spec> spec_;
  Clock clock_;
  std::vector<Resource> resources_;
  std::vector<Action> actions_;
};

std::unique_ptr<Model> make(const config::Node& pe, const Clock& clock, Diagnostics& diagnostics) {
  const Spec spec = config::read<Spec>(pe, diagnostics);
  const std::vector<SpecProblem> found = problems(spec);
  report_problems(pe, "E-LUT-SPEC", found, diagnostics);
  return make_model(found.empty() ? spec : Spec{}, clock);
}

std::unique_ptr<Model> random_model(std::uint64_t seed) {
  Rng rng(seed, "lut.clock");
  return make_model(random_spec(seed), Clock{Hertz(rng.chance(0.5) ? 1e9 : 333e6)});
}

Op random_op(const Model& model, std::uint64_t seed) {
  Rng rng(seed, "lut.op");
  MatrixOp matrix;
  matrix.rows = rng.uniform(1, 2000);
  matrix.cols = rng.uniform(1, 100);
  matrix.groups = static_cast<int>(rng.chance(0.3) ? rng.uniform(2, 20) : 1);
  matrix.in_signed = rng.chance(0.5);
  Layout cut;
  while (!cut.ok) {  // every random_spec holds 1-bit weights and inputs
    matrix.w_bits = static_cast<int>(rng.uniform(1, 8));
    matrix.in_bits = static_cast<int>(rng.uniform(1, 8));
    matrix.w_codes = static_cast<int>(rng.chance(0.5) ? 0 : rng.uniform(1, 40));
    matrix.in_codes = static_cast<int>(rng.chance(0.5) ? 0 : rng.uniform(1, 40));
    cut = model.layout(matrix);
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
  return std::make_unique<LutModel>(spec, clock);
}

Spec random_spec(std::uint64_t seed) {
  Rng rng(seed, "lut.spec");
  const auto pick = [&rng](int lo, int hi) { return static_cast<int>(rng.uniform(lo, hi)); };
  const auto time = [&rng] { return Seconds(1e-12 + rng.uniform01() * 5e-9); };
  Spec spec;
  spec.rows = pick(8, 600);
  spec.adder_columns = pick(32, 64);
  spec.columns = spec.adder_columns + pick(16, 600);
  spec.counters = pick(2, 2000);
  spec.counter_bits = pick(1, 8);
  spec.activation_rows = pick(1, 300);
  spec.encoder_rows = pick(2, 300);
  spec.sum_bits = rng.chance(0.3) ? pick(3, spec.adder_columns) : 0;
  spec.table_bits =
      rng.chance(0.3) ? pick(1, spec.sum_bits > 0 ? std::min(spec.sum_bits, 32) : 32) : 0;
  spec.share = rng.chance(0.5) ? 1 : pick(2, 8);
  spec.code_spread = static_cast<CodeSpread>(pick(0, 1));
  spec.t_count = time();
  spec.t_nor = time();
  spec.adder_nors = pick(1, 20);
  spec.ripple_nors = pick(1, 20);
  spec.t_search = time();
  spec.search_bits = pick(1, 16);
  spec.t_write = time();
  return spec;
}

const Kind& kind() {
  static const Kind kLut{kName,
                         "RAPIDNN's neuron-to-memory block: products looked up by pairs of codes, "
                         "counted, added in memory; nearest-distance activation and encoding",
                         &fields,
                         &make,
                         &random_model,
                         &random_op};
  return kLut;
}

}  // namespace tessera::arch::lut
