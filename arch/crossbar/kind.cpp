// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The crossbar as a Kind: adapter from the plain functions of this folder to Model and Unit.
///
/// Errors   E-CROSSBAR-SPEC for values that contradict each other; the model is then built from the
/// defaults
#include "arch/crossbar/cost.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "arch/crossbar/kernel.hpp"
#include "arch/crossbar/layout.hpp"
#include "arch/crossbar/steps.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tessera::arch::crossbar {
namespace {

constexpr const char* kName = "crossbar";

Converters converters(Fidelity fidelity) {
  switch (fidelity) {
    case Fidelity::ideal:
      return Converters::ideal;
    case Fidelity::clipping:
      return Converters::clipping;
    case Fidelity::physical:
      break;
  }
  return Converters::physical;
}

class CrossbarUnit final : public Unit {
 public:
  CrossbarUnit(std::shared_ptr<const Spec> spec, std::uint64_t pe)
      : spec_(std::move(spec)), pe_(pe) {}

  void load(const Op& op,
            const Fragment& fragment,
            std::span<const std::int32_t> weights,
            std::uint64_t write) override {
    array_.emplace(*spec_, op, fragment, weights, ArrayName{pe_, write});
  }

  void fire(std::span<const std::int32_t> x,
            std::span<std::int64_t> y,
            Fidelity fidelity,
            const Stamp& stamp) const override {
    array().fire(x, y, converters(fidelity), stamp);
  }

  void fire_all(const Batch& batch, Fidelity fidelity) const override {
    array().fire(batch, converters(fidelity));
  }

  [[nodiscard]] bool exact(Fidelity fidelity) const override {
    return fidelity == Fidelity::ideal ||
           (array().num_clipping_columns() == 0 &&
            (fidelity == Fidelity::clipping || !spec_->nonideal.any()));
  }

 private:
  [[nodiscard]] const Array& array() const {
    if (!array_) {
      throw InternalError(kName, -1, "fired before it was loaded");
    }
    return *array_;
  }

  std::shared_ptr<const Spec> spec_;
  std::uint64_t pe_;
  std::optional<Array> array_;
};

std::vector<Resource> make_resources(const Spec& spec) {
  const bool unit = spec.weight_mapping == WeightMapping::biased_unit_column;
  const int columns = spec.columns + (unit ? 1 : 0);
  std::vector<Resource> all(kNumResources);
  all[kInput] = resource_of("input", spec.parts.input, 1);
  all[kDac] = resource_of("dac", spec.parts.dac, spec.rows);
  all[kArray] = resource_of("array", spec.parts.array, 1);
  all[kSampleHold] =
      resource_of("sample_hold", spec.parts.sample_hold, spec.sample_and_hold ? columns : 0);
  all[kAdc] = resource_of("adc", spec.parts.adc, spec.adcs);
  all[kShiftAdd] = resource_of("shift_add", spec.parts.shift_add, 1);
  all[kOutput] = resource_of("output", spec.parts.output, 1);
  return all;
}

static_assert(kNumPrices<Prices> == kNumActions);

class CrossbarModel final : public Model {
 public:
  CrossbarModel(const Spec& spec, const Clock& clock)
      : spec_(std::make_shared<const Spec>(spec)),
        clock_(clock),
        resources_(make_resources(spec)),
        actions_(priced_actions(spec.prices)) {}

  [[nodiscard]] const std::string& kind() const override { return name_; }

  [[nodiscard]] const std::vector<Resource>& resources() const override { return resources_; }

  [[nodiscard]] const std::vector<Action>& actions() const override { return actions_; }

  [[nodiscard]] Layout layout(const MatrixOp& matrix) const override {
    return crossbar::layout(*spec_, matrix);
  }

  [[nodiscard]] Op op(OpCode code,
                      const MatrixOp& matrix,
                      const Fragment& fragment) const override {
    return fragment_op(code, matrix, fragment);
  }

  [[nodiscard]] std::vector<Step> steps(const Op& op) const override {
    return crossbar::steps(*spec_, clock_, op);
  }

  [[nodiscard]] Cost fire_cost(const Op& op) const override {
    return crossbar::fire_cost(*spec_, clock_, op);
  }

  [[nodiscard]] double endurance() const override { return spec_->endurance; }

  [[nodiscard]] std::unique_ptr<Unit> make_unit(std::uint64_t pe) const override {
    return std::make_unique<CrossbarUnit>(spec_, pe);
  }

  [[nodiscard]] bool exact(const MatrixOp& matrix, Fidelity fidelity) const override {
    const bool wide =
        spec_->adc_bits == 0 || spec_->adc_bits >= sufficient_adc_bits(*spec_, matrix.in_bits);
    return fidelity == Fidelity::ideal ||
           (wide && (fidelity == Fidelity::clipping || !spec_->nonideal.any()));
  }

  [[nodiscard]] bool has_variation() const override { return spec_->nonideal.any(); }

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
  report_problems(pe, "E-CROSSBAR-SPEC", found, diagnostics);
  return make_model(found.empty() ? spec : Spec{}, clock);
}

std::unique_ptr<Model> random_model(std::uint64_t seed) {
  Rng rng(seed, "crossbar.clock");
  const Spec spec = random_spec(seed);
  constexpr std::array<double, 5> kClocks = {1e9, 1.2e9, 192e6, 10e6, 333e6};
  return make_model(spec, Clock{Hertz(kClocks[static_cast<std::size_t>(rng.uniform(0, 4))])});
}

Op random_op(const Model& model, std::uint64_t seed) {
  Rng rng(seed, "crossbar.op");
  MatrixOp matrix;
  matrix.rows = rng.uniform(1, 300);
  matrix.cols = rng.uniform(1, 100);
  matrix.groups = static_cast<int>(rng.chance(0.3) ? rng.uniform(2, 20) : 1);
  matrix.w_bits = static_cast<int>(rng.uniform(1, 16));
  matrix.in_bits = static_cast<int>(rng.uniform(1, 16));
  matrix.in_signed = rng.chance(0.5);
  const Layout cut = model.layout(matrix);
  const auto last = static_cast<std::int64_t>(cut.fragments.size()) - 1;
  const Fragment& fragment = cut.fragments[static_cast<std::size_t>(rng.uniform(0, last))];
  return model.op(rng.chance(0.1) ? OpCode::write : OpCode::mvm, matrix, fragment);
}

std::vector<config::FieldInfo> fields() {
  return config::describe<Spec>();
}

}  // namespace

std::unique_ptr<Model> make_model(const Spec& spec, const Clock& clock) {
  return std::make_unique<CrossbarModel>(spec, clock);
}

Spec random_spec(std::uint64_t seed) {
  Rng rng(seed, "crossbar.spec");
  const auto pick = [&rng](int lo, int hi) { return static_cast<int>(rng.uniform(lo, hi)); };
  const auto time = [&rng](double zero, double most) {
    return Seconds(rng.chance(zero) ? 0 : rng.uniform01() * most);
  };
  Spec spec;
  spec.weight_mapping = static_cast<WeightMapping>(pick(0, 4));
  spec.rows = 2 * pick(1, 100);
  spec.columns = 2 * pick(1, 100);
  spec.cell_bits = pick(1, 8);
  spec.active_rows = rng.chance(0.3) ? 0 : 2 * pick(1, spec.rows / 2);
  spec.slice_placement = static_cast<SlicePlacement>(pick(0, 1));
  spec.subtraction = static_cast<Subtraction>(pick(0, 1));
  const bool unit = spec.weight_mapping == WeightMapping::biased_unit_column ||
                    spec.weight_mapping == WeightMapping::offset_column;
  spec.weight_flip = unit && rng.chance(0.5);
  spec.unit_converter = static_cast<UnitConverter>(pick(0, 1));
  spec.pack_groups = rng.chance(0.7);
  spec.dac_bits = pick(1, 4);
  spec.adc_bits = pick(0, 14);
  spec.adcs = pick(1, spec.columns);
  if (rng.chance(0.5)) {
    spec.adc_rate = Hertz(1e6 + rng.uniform01() * 2e9);
  } else {
    spec.t_adc = time(0.2, 50e-9);
  }
  spec.sample_and_hold = rng.chance(0.6);
  spec.t_dac = time(0.3, 10e-9);
  spec.t_read = Seconds(1e-10 + rng.uniform01() * 1e-6);
  spec.t_sample = spec.sample_and_hold ? time(0.3, 10e-9) : Seconds(0);
  spec.shift_add = static_cast<ShiftAddMode>(pick(0, 2));
  spec.t_shift_add = time(0.3, 50e-9);
  spec.t_output = time(0.3, 1e-6);
  spec.t_write = time(0.2, 100e-6);
  spec.write_granularity = static_cast<WriteGranularity>(pick(0, 1));
  spec.write_pulses = pick(1, 5);
  const bool pairs = spec.weight_mapping == WeightMapping::differential_rows ||
                     (spec.weight_mapping == WeightMapping::differential_columns &&
                      spec.subtraction == Subtraction::analog);
  if (!pairs && rng.chance(0.25)) {
    spec.conversion = Conversion::integrate_fire;
    spec.adcs = spec.columns + 1;
    spec.adc_bits = pick(0, 28);
    spec.weight_flip = false;
    spec.sample_and_hold = false;
    spec.t_sample = Seconds(0);
    spec.adc_rate.reset();
    spec.t_adc = Seconds(0);
  }
  return spec;
}

const Kind& kind() {
  static const Kind kCrossbar{kName,
                              "memristor crossbar with converters: one input vector at a time, "
                              "bit-serial inputs, bit-sliced weights",
                              &fields,
                              &make,
                              &random_model,
                              &random_op};
  return kCrossbar;
}

}  // namespace tessera::arch::crossbar
