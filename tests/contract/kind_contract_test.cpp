// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Every kind in the registry keeps the promises of sim/api/model.hpp. A new kind is found by
/// itself.
///
/// Replay   TESSERA_SEED=<seed printed by the failure> runs that one case of every kind
#include "sim/api/model.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "tests/support/kind_yaml.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

constexpr std::uint64_t kCases = 500;
constexpr std::uint64_t kOpsPerModel = 4;

std::vector<std::uint64_t> seeds() {
  if (const char* text = std::getenv("TESSERA_SEED")) {
    return {std::strtoull(text, nullptr, 10)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t s = 1; s <= kCases; ++s) {
    all.push_back(s);
  }
  return all;
}

std::string describe(std::uint64_t seed, const Op& op) {
  return "TESSERA_SEED=" + std::to_string(seed) + (op.code == OpCode::write ? " write " : " mvm ") +
         std::to_string(op.rows) + "x" + std::to_string(op.cols) + " slices " +
         std::to_string(op.slices) + " cell_cols " + std::to_string(op.cell_cols) + " in " +
         std::to_string(op.in_bits) + (op.in_signed ? "s" : "u") + " w " +
         std::to_string(op.w_bits);
}

class KindContract : public testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] static const Kind& kind() { return registry()[GetParam()]; }
};

/// Plays the steps cycle by cycle, as an engine without any closed form would: passes of a loop are
/// issued every II.
struct Played {
  std::int64_t latency = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> busy;  ///< per resource: first start, last end
  ActionCounts did{};
};

Played play(const std::vector<Step>& steps, std::size_t resources) {
  Played played;
  played.busy.assign(resources, {INT64_MAX, 0});
  std::int64_t now = 0;
  for (std::size_t begin = 0; begin < steps.size();) {
    std::size_t end = begin;
    std::int64_t ii = 0;
    for (; end < steps.size() && steps[end].repeat == steps[begin].repeat; ++end) {
      ii = std::max(ii, steps[end].occupancy.value);
    }
    std::int64_t finish = now;
    for (std::int64_t pass = 0; pass < steps[begin].repeat; ++pass) {
      std::int64_t t = now + pass * ii;
      for (std::size_t k = begin; k < end; ++k) {
        const Step& step = steps[k];
        if (step.occupancy.value > 0) {
          auto& [first, last] = played.busy[static_cast<std::size_t>(step.on)];
          first = std::min(first, t);
          last = std::max(last, t + step.occupancy.value);
        }
        for (std::size_t a = 0; a < kMaxActions; ++a) {
          played.did[a] += step.did[a];
        }
        t += step.latency.value;
      }
      finish = t;
    }
    now = finish;
    begin = end;
  }
  played.latency = now;
  return played;
}

TEST_P(KindContract, ScheduleEqualsFireCost) {
  for (const std::uint64_t seed : seeds()) {
    const std::unique_ptr<Model> model = kind().random_model(seed);
    ASSERT_NE(model, nullptr);
    for (std::uint64_t k = 0; k < kOpsPerModel; ++k) {
      const Op op = kind().random_op(*model, seed * 1000 + k);
      SCOPED_TRACE(describe(seed, op));
      const std::vector<Step> steps = model->steps(op);
      ASSERT_FALSE(steps.empty());
      const Schedule schedule = make_schedule(steps);
      const Cost cost = model->fire_cost(op);
      ASSERT_EQ(schedule.latency, cost.latency);
      ASSERT_EQ(schedule.interval, cost.interval);
      ASSERT_EQ(schedule.did, cost.did);
    }
  }
}

TEST_P(KindContract, ScheduleEqualsStepsPlayedOneByOne) {
  for (const std::uint64_t seed : seeds()) {
    const std::unique_ptr<Model> model = kind().random_model(seed);
    const Op op = kind().random_op(*model, seed);
    SCOPED_TRACE(describe(seed, op));
    const std::vector<Step> steps = model->steps(op);
    const Schedule schedule = make_schedule(steps);
    const Played played = play(steps, model->resources().size());
    ASSERT_EQ(schedule.latency.value, played.latency);
    ASSERT_EQ(schedule.did, played.did);
    std::int64_t interval = 0;
    for (const auto& [first, last] : played.busy) {
      interval = std::max(interval, last - std::min(first, last));
    }
    ASSERT_EQ(schedule.interval.value, interval);
    for (const Schedule::Hold& hold : schedule.holds) {
      const auto& busy = played.busy[static_cast<std::size_t>(hold.on)];
      ASSERT_EQ(hold.first.value, busy.first);
      ASSERT_EQ(hold.end.value, busy.second);
    }
  }
}

/// Time of each resource, all occupations together.
std::vector<std::int64_t> busy_of(const std::vector<Step>& steps, std::size_t resources) {
  std::vector<std::int64_t> busy(resources, 0);
  for (const Step& step : steps) {
    busy[static_cast<std::size_t>(step.on)] += step.occupancy.value * step.repeat;
  }
  return busy;
}

/// What is handed out piece by piece does what the list says, takes as long, and names what it
/// does.
TEST_P(KindContract, SequencesAddUpToTheSteps) {
  for (const std::uint64_t seed : seeds()) {
    const std::unique_ptr<Model> model = kind().random_model(seed);
    const Op op = kind().random_op(*model, seed);
    const Sequence sequence = model->sequence(op);
    if (!sequence) {
      continue;
    }
    SCOPED_TRACE(describe(seed, op));
    const std::vector<Resource>& resources = model->resources();
    const std::vector<Step> steps = model->steps(op);
    const Schedule schedule = make_schedule(steps);
    ASSERT_EQ(schedule.interval, schedule.latency) << "its firings overlap";
    std::vector<Step> pieces;
    std::int64_t latency = 0;
    const StepSource source = sequence();
    const StepSource other = sequence();
    for (std::span<const Step> piece = source(); !piece.empty(); piece = source()) {
      const std::vector<Step> list(piece.begin(), piece.end());
      ASSERT_EQ(other().size(), list.size()) << "a source depends on another";
      const Played played = play(list, resources.size());
      ASSERT_EQ(make_schedule(list).latency.value, played.latency);
      latency += played.latency;
      for (std::size_t r = 0; r < resources.size(); ++r) {
        ASSERT_LE(played.busy[r].second, played.latency) << resources[r].name << " is held longer";
      }
      pieces.insert(pieces.end(), list.begin(), list.end());
    }
    ASSERT_TRUE(source().empty());
    ASSERT_EQ(latency, schedule.latency.value);
    ASSERT_EQ(busy_of(pieces, resources.size()), busy_of(steps, resources.size()));
    ActionCounts did{};
    for (const Step& step : pieces) {
      ASSERT_LT(step.use,
                static_cast<int>(resources[static_cast<std::size_t>(step.on)].uses.size()));
      for (std::size_t a = 0; a < kMaxActions; ++a) {
        did[a] += step.did[a] * step.repeat;
      }
    }
    ASSERT_EQ(did, schedule.did);
  }
}

/// The bits: what all fragments of a matrix add up to is the product, when converters are ideal.
TEST_P(KindContract, FragmentsAddUpToTheProduct) {
  int compared = 0;
  for (const std::uint64_t seed : seeds()) {
    std::unique_ptr<Model> model = kind().random_model(seed);
    Rng rng(seed, "contract.matrix");
    MatrixOp matrix;
    matrix.rows = rng.uniform(1, 60);
    matrix.cols = rng.uniform(1, 12);
    matrix.groups = static_cast<int>(rng.uniform(1, 4));
    const Op supported = kind().random_op(*model, seed);
    matrix.w_bits = supported.w_bits;
    matrix.in_bits = supported.in_bits;
    matrix.in_signed = supported.in_signed;
    const auto at = [&](std::int64_t g, std::int64_t c, std::int64_t r) {
      return static_cast<std::size_t>((g * matrix.cols + c) * matrix.rows + r);
    };
    const std::int64_t high = (std::int64_t{1} << (matrix.w_bits - 1)) - 1;
    std::vector<std::int32_t> weights(at(matrix.groups, 0, 0));
    for (std::int32_t& w : weights) {
      w = static_cast<std::int32_t>(rng.uniform(-high - 1, high));
    }
    // A kind that holds weights in programs gets them now; every third matrix has kernel positions.
    matrix.layer = 7;
    const int taps = matrix.rows % 3 == 0 ? 3 : 1;
    if (auto made = model->programmed({{{matrix, taps, rng.uniform(1, 500), true}},
                                       [&](int, int, int) {
                                         return ProgramLayer{{}, {weights, {}, {}}};
                                       },
                                       nullptr})) {
      model = std::move(made);
    }
    const Layout layout = model->layout(matrix);
    if (!layout.ok) {
      ASSERT_FALSE(layout.why_not.empty()) << "TESSERA_SEED=" << seed;
      continue;
    }
    SCOPED_TRACE(describe(seed, supported));
    ++compared;
    const std::int64_t x_low = matrix.in_signed ? -(std::int64_t{1} << (matrix.in_bits - 1)) : 0;
    const std::int64_t x_high = x_low + (std::int64_t{1} << matrix.in_bits) - 1;
    std::vector<std::int32_t> x(static_cast<std::size_t>(matrix.groups * matrix.rows));
    for (std::int32_t& v : x) {
      v = static_cast<std::int32_t>(rng.uniform(x_low, x_high));
    }

    std::vector<std::int64_t> y(static_cast<std::size_t>(matrix.groups * matrix.cols), 0);
    for (const Fragment& f : layout.fragments) {
      std::vector<std::int32_t> part_w;
      std::vector<std::int32_t> part_x;
      for (int g = f.group; g < f.group + f.groups; ++g) {
        for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
          for (std::int64_t r = f.row; r < f.row + f.rows; ++r) {
            part_w.push_back(weights[at(g, c, r)]);
          }
        }
        for (std::int64_t r = f.row; r < f.row + f.rows; ++r) {
          part_x.push_back(x[static_cast<std::size_t>(g * matrix.rows + r)]);
        }
      }
      const auto unit = model->make_unit(0);
      unit->load(model->op(OpCode::mvm, matrix, f), f, part_w, 0);
      std::vector<std::int64_t> part_y(
          static_cast<std::size_t>(f.groups) * static_cast<std::size_t>(f.cols), 0);
      unit->fire(part_x, part_y, Fidelity::ideal, {});
      if (unit->exact(Fidelity::physical)) {
        std::vector<std::int64_t> again(part_y.size(), 0);
        unit->fire(part_x, again, Fidelity::physical, {});
        ASSERT_EQ(again, part_y);
      }
      for (int g = 0; g < f.groups; ++g) {
        for (int c = 0; c < f.cols; ++c) {
          y[static_cast<std::size_t>((f.group + g) * matrix.cols + f.col + c)] +=
              part_y[static_cast<std::size_t>(std::int64_t{g} * f.cols + c)];
        }
      }
    }
    for (std::int64_t g = 0; g < matrix.groups; ++g) {
      for (std::int64_t c = 0; c < matrix.cols; ++c) {
        std::int64_t exact = 0;
        for (std::int64_t r = 0; r < matrix.rows; ++r) {
          exact +=
              std::int64_t{weights[at(g, c, r)]} * x[static_cast<std::size_t>(g * matrix.rows + r)];
        }
        ASSERT_EQ(y[static_cast<std::size_t>(g * matrix.cols + c)], exact)
            << "group " << g << " column " << c;
      }
    }
  }
  EXPECT_GT(compared, 0) << "no matrix fits";
}

/// What a firing takes with its data is no less than the least, on the resources of the expected
/// steps.
TEST_P(KindContract, NoDataUndercutTheLeastCost) {
  int differ = 0;
  for (const std::uint64_t seed : seeds()) {
    std::unique_ptr<Model> model = kind().random_model(seed);
    Rng rng(seed, "contract.data");
    const Op supported = kind().random_op(*model, seed);
    if (!model->depends_on_data()) {
      const Cost least = model->least_cost(supported);
      const Cost cost = model->fire_cost(supported);
      ASSERT_EQ(least.latency, cost.latency);
      ASSERT_EQ(least.interval, cost.interval);
      ASSERT_EQ(least.did, cost.did);
      continue;
    }
    MatrixOp matrix;
    matrix.rows = rng.uniform(1, 100);
    matrix.cols = rng.uniform(1, 4);
    matrix.w_bits = supported.w_bits;
    matrix.in_bits = supported.in_bits;
    matrix.in_signed = supported.in_signed;
    matrix.layer = 7;
    const auto draw = [&rng](int bits, bool is_signed, std::int64_t count) {
      const std::int64_t low = is_signed ? -(std::int64_t{1} << (bits - 1)) : 0;
      const std::int64_t codes = rng.uniform(1, std::int64_t{1} << bits);  // few: far from even
      std::vector<std::int32_t> values(static_cast<std::size_t>(count));
      for (std::int32_t& v : values) {
        v = static_cast<std::int32_t>(low + rng.uniform(0, codes - 1));
      }
      return values;
    };
    const std::vector<std::int32_t> all = draw(matrix.w_bits, true, matrix.rows * matrix.cols);
    if (auto made = model->programmed({{{matrix, 1, rng.uniform(1, 500), true}},
                                       [&](int, int, int) {
                                         return ProgramLayer{{}, {all, {}, {}}};
                                       },
                                       nullptr})) {
      model = std::move(made);
    }
    const Layout layout = model->layout(matrix);
    if (!layout.ok) {
      continue;
    }
    SCOPED_TRACE(describe(seed, supported));
    const Fragment& f = layout.fragments.front();
    const Op op = model->op(OpCode::mvm, matrix, f);
    std::vector<std::int32_t> weights;
    for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
      const auto first = all.begin() + c * matrix.rows + f.row;
      weights.insert(weights.end(), first, first + f.rows);
    }
    const auto x = draw(op.in_bits, op.in_signed, f.rows);
    std::vector<std::int64_t> y(static_cast<std::size_t>(f.cols), 0);
    std::vector<Step> took;
    const Stamp stamp;
    Batch batch;
    batch.stamps = std::span(&stamp, 1);
    batch.rows = x.size();
    batch.cols = y.size();
    batch.x = x.data();
    batch.y = y.data();
    batch.took = &took;
    const auto unit = model->make_unit(0);
    unit->load(op, f, weights, 0);
    unit->fire_all(batch, Fidelity::physical);
    const Schedule schedule = make_schedule(took);
    const Cost least = model->least_cost(op);
    ASSERT_GE(schedule.latency, least.latency);
    ASSERT_GE(schedule.interval, least.interval);
    for (std::size_t a = 0; a < kMaxActions; ++a) {
      ASSERT_GE(schedule.did[a], least.did[a]) << a;
    }
    const Schedule expected = make_schedule(model->steps(op));
    ASSERT_EQ(schedule.holds.size(), expected.holds.size());
    for (std::size_t h = 0; h < expected.holds.size(); ++h) {
      ASSERT_EQ(schedule.holds[h].on, expected.holds[h].on);
    }
    differ += schedule.did != expected.did ? 1 : 0;
  }
  EXPECT_TRUE(differ > 0 || !kind().random_model(1)->depends_on_data()) << "data changed nothing";
}

TEST_P(KindContract, StepsStayWithinResourcesAndActions) {
  for (const std::uint64_t seed : seeds()) {
    const std::unique_ptr<Model> model = kind().random_model(seed);
    const Op op = kind().random_op(*model, seed);
    SCOPED_TRACE(describe(seed, op));
    ASSERT_LE(model->actions().size(), kMaxActions);
    for (const Step& step : model->steps(op)) {
      ASSERT_GE(step.on, 0);
      ASSERT_LT(static_cast<std::size_t>(step.on), model->resources().size());
      for (std::size_t a = 0; a < kMaxActions; ++a) {
        ASSERT_GE(step.did[a], 0);
        if (a >= model->actions().size()) {
          ASSERT_EQ(step.did[a], 0) << "an action without a name";
        }
      }
    }
    if (op.code == OpCode::mvm) {
      ASSERT_GT(model->fire_cost(op).interval, Cycles(0)) << "firings without end in one cycle";
    }
  }
}

TEST_P(KindContract, NamesAreUniqueAndPricesHaveSources) {
  const std::unique_ptr<Model> model = kind().random_model(1);
  EXPECT_EQ(model->kind(), kind().name);
  EXPECT_FALSE(kind().doc.empty());
  std::set<std::string> names;
  for (const Resource& resource : model->resources()) {
    EXPECT_FALSE(resource.name.empty());
    EXPECT_TRUE(names.insert(resource.name).second) << resource.name;
  }
  names.clear();
  for (const Action& action : model->actions()) {
    EXPECT_TRUE(names.insert(action.name).second) << action.name;
    EXPECT_FALSE(action.source.empty()) << action.name;
  }
  for (const config::FieldInfo& field : kind().fields()) {
    EXPECT_FALSE(field.doc.empty()) << field.key;
  }
}

TEST_P(KindContract, ExampleIsComplete) {
  const test::MadeModel made = test::model_from(kind(), test::kind_file(kind(), "example.yaml"));
  EXPECT_TRUE(made.diagnostics.ok()) << made.diagnostics.render();
  ASSERT_NE(made.model, nullptr);
  EXPECT_EQ(made.model->kind(), kind().name);
}

TEST_P(KindContract, PriceFileHoldsTheDefaults) {
  const std::string example = test::kind_file(kind(), "example.yaml");
  const std::string prices = test::kind_file(kind(), "prices.yaml");
  const test::MadeModel plain = test::model_from(kind(), example);
  const test::MadeModel priced = test::model_from(kind(), example + prices);
  ASSERT_TRUE(priced.diagnostics.ok()) << priced.diagnostics.render();
  ASSERT_EQ(priced.model->actions().size(), plain.model->actions().size());
  for (std::size_t a = 0; a < plain.model->actions().size(); ++a) {
    const Action& action = plain.model->actions()[a];
    EXPECT_NE(prices.find("  " + action.name + ":"), std::string::npos) << action.name;
    EXPECT_DOUBLE_EQ(priced.model->actions()[a].energy.value, action.energy.value) << action.name;
    EXPECT_EQ(priced.model->actions()[a].source, action.source);
  }
  for (std::size_t r = 0; r < plain.model->resources().size(); ++r) {
    const Resource& resource = plain.model->resources()[r];
    EXPECT_NE(prices.find("  " + resource.name + ":"), std::string::npos) << resource.name;
    EXPECT_DOUBLE_EQ(priced.model->resources()[r].area.value, resource.area.value);
    EXPECT_DOUBLE_EQ(priced.model->resources()[r].leakage.value, resource.leakage.value);
  }
}

TEST_P(KindContract, LayoutSaysWhyNot) {
  const std::unique_ptr<Model> model = kind().random_model(1);
  MatrixOp empty;
  const Layout layout = model->layout(empty);
  EXPECT_FALSE(layout.ok);
  EXPECT_FALSE(layout.why_not.empty());
}

TEST(KindRegistry, ListsKindsByName) {
  ASSERT_FALSE(registry().empty());
  for (std::size_t k = 1; k < registry().size(); ++k) {
    EXPECT_LT(registry()[k - 1].name, registry()[k].name);
  }
}

std::vector<std::size_t> all_kinds() {
  std::vector<std::size_t> all(registry().size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    all[k] = k;
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Registry,
                         KindContract,
                         testing::ValuesIn(all_kinds()),
                         [](const auto& param_info) { return registry()[param_info.param].name; });

}  // namespace
}  // namespace tessera
