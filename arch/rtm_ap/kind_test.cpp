// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The kind: what a model with programs says of a matrix, and what it refuses.
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/programs.hpp"
#include "arch/rtm_ap/rtm_ap.hpp"
#include "sim/api/schedule.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

constexpr Clock kClock{Hertz(1e9)};

std::vector<std::int32_t> ternary(std::int64_t count) {
  Rng rng(3, "kind_test");
  std::vector<std::int32_t> weights;
  for (std::int64_t i = 0; i < count; ++i) {
    weights.push_back(static_cast<std::int32_t>(rng.uniform(-1, 1)));
  }
  return weights;
}

ProgramMatrix convolution(std::int64_t channels, std::int64_t outputs, int groups = 1) {
  ProgramMatrix layer;
  layer.taps = 9;
  layer.positions = 3136;
  layer.matrix.rows = 9 * channels;
  layer.matrix.cols = outputs;
  layer.matrix.groups = groups;
  layer.matrix.w_bits = 2;
  layer.matrix.in_bits = 4;
  layer.matrix.layer = 5;
  return layer;
}

std::unique_ptr<Model> with_program(const Spec& spec, const ProgramMatrix& layer) {
  const MatrixOp& m = layer.matrix;
  return make_model(spec, kClock)
      ->programmed({{layer},
                    [m](int, int, int) {
                      return ProgramLayer{{}, {ternary(m.rows * m.cols * m.groups), {}, {}}};
                    },
                    nullptr});
}

/// Every weight lies in one fragment.
void expect_cover(const Layout& layout, const ProgramMatrix& layer) {
  const MatrixOp& m = layer.matrix;
  std::vector<int> held(static_cast<std::size_t>(m.rows * m.cols * m.groups), 0);
  const std::int64_t in_group = m.rows / layer.taps;
  for (const Fragment& f : layout.fragments) {
    for (std::int64_t g = f.group; g < f.group + f.groups; ++g) {
      for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
        for (std::int64_t r = f.row; r < f.row + f.rows; ++r) {
          const std::int64_t channel = r % in_group;
          if (f.reads == 0 ||
              (channel >= f.channel && channel < f.channel + f.reads / layer.taps)) {
            ++held[static_cast<std::size_t>((g * m.cols + c) * m.rows + r)];
          }
        }
      }
    }
  }
  EXPECT_EQ(std::set<int>(held.begin(), held.end()), std::set<int>{1});
}

TEST(RtmApKind, OneArrayHoldsASmallConvolution) {
  const ProgramMatrix layer = convolution(16, 16);
  const auto model = with_program(Spec{}, layer);
  const Layout layout = model->layout(layer.matrix);
  ASSERT_TRUE(layout.ok) << layout.why_not;
  ASSERT_EQ(layout.fragments.size(), 1U);
  EXPECT_EQ(layout.block, 256);
  expect_cover(layout, layer);
  // A sum of 144 ternary products of 4-bit inputs: at most 2160 to either side.
  EXPECT_LE(layout.acc_bits, 13);
  EXPECT_LE(layout.out_bits, 13);
}

TEST(RtmApKind, NarrowArraysCutOutputsAndChannels) {
  Spec spec;
  spec.columns = 40;
  spec.domains = 32;
  for (const int groups : {1, 6}) {
    const ProgramMatrix layer = convolution(32, 24, groups);
    const auto model = with_program(spec, layer);
    const Layout layout = model->layout(layer.matrix);
    ASSERT_TRUE(layout.ok) << layout.why_not;
    EXPECT_GT(layout.fragments.size(), 1U);
    EXPECT_TRUE(std::any_of(layout.fragments.begin(),
                            layout.fragments.end(),
                            [](const Fragment& f) { return f.reads > 0; }));
    expect_cover(layout, layer);
  }
}

TEST(RtmApKind, SeveralGroupsShareAnArray) {
  const ProgramMatrix layer = convolution(1, 1, 32);
  const auto model = with_program(Spec{}, layer);
  const Layout layout = model->layout(layer.matrix);
  ASSERT_TRUE(layout.ok) << layout.why_not;
  EXPECT_EQ(layout.fragments.size(), 1U);
  EXPECT_EQ(layout.fragments.front().groups, 32);
  expect_cover(layout, layer);
}

/// A limit tells the number of parts; each of several takes less time than the one.
TEST(RtmApKind, LimitsOfTheCutMakeMoreAndShorterPrograms) {
  struct Limits {
    int channels;
    int outputs;
    std::size_t parts;
  };

  ProgramMatrix fc;
  fc.positions = 300;
  fc.matrix = convolution(16, 16).matrix;
  fc.matrix.rows = 64;
  for (const ProgramMatrix& layer : {convolution(16, 16), fc}) {
    const auto longest = [&layer](const Model& model) {
      Cycles most{0};
      for (const Fragment& f : model.layout(layer.matrix).fragments) {
        most = std::max(most,
                        make_schedule(model.steps(model.op(OpCode::mvm, layer.matrix, f))).latency);
      }
      return most;
    };
    const Cycles whole = longest(*with_program(Spec{}, layer));
    const auto channels = static_cast<int>(layer.matrix.rows / layer.taps);
    for (const Limits& limits : {Limits{channels / 4, 0, 4},
                                 Limits{0, 4, 4},
                                 Limits{0, 6, 3},
                                 Limits{channels / 2, 8, 4}}) {
      Spec spec;
      spec.compile.most_channels = limits.channels;
      spec.compile.most_outputs = limits.outputs;
      const auto model = with_program(spec, layer);
      const Layout layout = model->layout(layer.matrix);
      ASSERT_TRUE(layout.ok) << layout.why_not;
      EXPECT_EQ(layout.fragments.size(), limits.parts);
      expect_cover(layout, layer);
      // Not a quarter: fewer terms are shared, and inputs or sums are there several times.
      EXPECT_LT(longest(*model).value * 3, whole.value * 2);
    }
  }
}

/// Of a grouped layer a limit counts the channels of all groups together; a group that is larger
/// is cut.
TEST(RtmApKind, LimitsOfTheCutHoldForGroupedLayers) {
  Spec spec;
  spec.compile.most_channels = 10;
  const ProgramMatrix depthwise = convolution(1, 1, 32);
  const Layout layout = with_program(spec, depthwise)->layout(depthwise.matrix);
  ASSERT_TRUE(layout.ok) << layout.why_not;
  ASSERT_EQ(layout.fragments.size(), 4U);
  for (const Fragment& f : layout.fragments) {
    EXPECT_EQ(f.groups, 8);
  }
  expect_cover(layout, depthwise);
  spec.compile.most_channels = 0;
  spec.compile.most_outputs = 4;
  const ProgramMatrix grouped = convolution(4, 8, 3);
  const Layout cut = with_program(spec, grouped)->layout(grouped.matrix);
  ASSERT_TRUE(cut.ok) << cut.why_not;
  EXPECT_EQ(cut.fragments.size(), 6U);
  expect_cover(cut, grouped);
}

/// What a reader of the text alone computes: slots as its head says.
struct Reading {
  std::map<std::int64_t, std::int64_t> sums;  ///< by output of the layer
  std::vector<std::int64_t> head;             ///< numbers of the first line
};

std::vector<std::int64_t> numbers_of(const std::string& line) {
  static const std::regex kNumber("[+-]?[0-9]+");
  std::vector<std::int64_t> all;
  for (std::sregex_iterator at(line.begin(), line.end(), kNumber); at != std::sregex_iterator();
       ++at) {
    all.push_back(std::stoll(at->str()));
  }
  return all;
}

Reading run_text(const std::string& text, const Spec& spec, const std::vector<std::int32_t>& x) {
  Diagnostics diagnostics;
  const Listing listing = parse(text, "text.apasm", diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  Reading out;
  std::istringstream lines(text);
  std::string first;
  std::getline(lines, first);
  out.head = numbers_of(first);
  std::vector<std::vector<std::int64_t>> inputs;
  for (const SlotRole& role : listing.head.loads) {
    EXPECT_EQ(role.what, SlotRole::What::input);
    inputs.push_back({x.at(static_cast<std::size_t>(role.index)) + role.offset});
  }
  Array array(geometry(spec), ports(spec), 1);
  const auto slots = array.run(listing.program, inputs);
  EXPECT_EQ(slots.size(), listing.head.reads.size());
  EXPECT_EQ(listing.head.array, geometry(spec));
  for (std::size_t slot = 0; slot < slots.size(); ++slot) {
    const SlotRole& role = listing.head.reads.at(slot);
    EXPECT_EQ(role.what, SlotRole::What::sum);
    out.sums[role.index] += slots[slot].at(0) + role.offset;
  }
  return out;
}

/// The program as text has all that is needed to compute a fragment's sums with it.
TEST(RtmApKind, TextOfAProgramSaysWhatItsSlotsAre) {
  Spec narrow;
  narrow.columns = 40;
  narrow.domains = 32;
  ProgramMatrix signs = convolution(3, 8);
  signs.matrix.in_signed = true;
  const std::vector<std::pair<Spec, ProgramMatrix>> cases = {
      {narrow, convolution(32, 24, 6)}, {Spec{}, convolution(1, 2, 16)}, {Spec{}, signs}};
  for (const auto& [spec, layer] : cases) {
    const MatrixOp& m = layer.matrix;
    const auto model = with_program(spec, layer);
    const std::vector<std::int32_t> weights = ternary(m.rows * m.cols * m.groups);
    const std::int64_t in_group = m.rows / layer.taps;
    Rng rng(5, "text");
    for (const Fragment& f : model->layout(m).fragments) {
      // Inputs of the layer: channel * taps + tap.
      std::vector<std::int32_t> x(static_cast<std::size_t>(m.rows * m.groups));
      for (std::int32_t& value : x) {
        value = static_cast<std::int32_t>(m.in_signed ? rng.uniform(-8, 7) : rng.uniform(0, 15));
      }
      std::map<std::int64_t, std::int64_t> expected;
      for (std::int64_t g = 0; g < f.groups; ++g) {
        for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
          std::int64_t sum = 0;
          for (std::int64_t r = f.row; r < f.row + f.rows; ++r) {
            const std::int64_t channel = r % in_group;
            const bool read = f.reads == 0 ||
                              (channel >= f.channel && channel < f.channel + f.reads / layer.taps);
            const std::int64_t w = ((f.group + g) * m.cols + c) * m.rows + r;
            const std::int64_t input =
                ((f.group + g) * in_group + channel) * layer.taps + r / in_group;
            sum += read ? std::int64_t{weights[static_cast<std::size_t>(w)]} *
                              x[static_cast<std::size_t>(input)]
                        : 0;
          }
          expected[(f.group + g) * m.cols + c] = sum;
        }
      }
      const Reading got = run_text(model->program_text(model->op(OpCode::mvm, m, f)), spec, x);
      EXPECT_EQ(got.sums, expected);
      std::vector<std::int64_t> head = {
          f.group, f.group + f.groups - 1, f.row, f.row + f.rows - 1, f.col, f.col + f.cols - 1};
      if (f.reads > 0) {
        head.insert(head.end(), {f.channel, f.channel + f.reads / layer.taps - 1});
      }
      EXPECT_EQ(got.head, head);
    }
  }
}

TEST(RtmApKind, WearIsPerCellOfTheWholeArray) {
  Spec spec;
  spec.rows = 7;
  spec.columns = 11;
  spec.domains = 13;
  const auto model = make_model(spec, kClock);
  const CellWrites written = model->cell_writes();
  EXPECT_EQ(written.cells, 7 * 11 * 13);
  EXPECT_EQ(model->actions().at(static_cast<std::size_t>(written.action)).name, "write_cell");
}

/// The cell that wears out first is that of the carry in most programs, and what it is expected to
/// be written is what the passes do to it, about.
TEST(RtmApKind, TheCellWrittenMostIsThatOfTheKernel) {
  const Spec spec;
  const ProgramMatrix layer = convolution(3, 8);
  const MatrixOp& m = layer.matrix;
  const Programs programs(spec,
                          kClock,
                          {{layer},
                           [&](int, int, int) {
                             return ProgramLayer{{}, {ternary(m.rows * m.cols * m.groups), {}, {}}};
                           },
                           nullptr});
  const FragmentProgram& part = programs.of(m).parts.front();
  Rng rng(3, "wear");
  std::vector<std::vector<std::int64_t>> inputs(part.load_x.size(), std::vector<std::int64_t>(256));
  for (std::vector<std::int64_t>& input : inputs) {
    for (std::int64_t& value : input) {
      value = rng.uniform(0, 15);
    }
  }
  Array array(geometry(spec), ports(spec), 256);
  (void)array.run(part.program, inputs);
  EXPECT_NEAR(
      part.totals.most_written, array.most_writes_per_cell(), 0.1 * array.most_writes_per_cell());
  const auto model = with_program(spec, layer);
  const Op op = model->op(OpCode::mvm, m, model->layout(m).fragments.front());
  EXPECT_EQ(model->most_cell_writes(op), part.totals.most_written);
  EXPECT_EQ(
      model->most_cell_writes(model->op(OpCode::write, m, model->layout(m).fragments.front())), 0);
  const CellWrites mean = model->cell_writes();
  EXPECT_GT(
      part.totals.most_written,
      100.0 * static_cast<double>(part.totals.did[kWriteCell]) / static_cast<double>(mean.cells));
}

TEST(RtmApKind, AFiringIsTheWholeProgram) {
  const ProgramMatrix layer = convolution(3, 8);
  const auto model = with_program(Spec{}, layer);
  const Fragment f = model->layout(layer.matrix).fragments.front();
  const Op op = model->op(OpCode::mvm, layer.matrix, f);
  const Schedule schedule = make_schedule(model->steps(op));
  // 27 inputs of 4 bits are loaded, 8 sums read out, in each of 242 rows.
  EXPECT_EQ(schedule.did[kLoadBit], 27 * 4 * 242);
  EXPECT_EQ(schedule.did[kReadBit] % 242, 0);
  EXPECT_GT(schedule.did[kReadBit], 8 * 242 * 4) << "a sum is wider than an input";
  EXPECT_EQ(schedule.interval, schedule.latency) << "the next block waits for the array";
}

TEST(RtmApKind, CostIsExactWhateverThePorts) {
  Spec spec;
  spec.ports = 4;
  for (const PortChoice choice : {PortChoice::fixed, PortChoice::nearest}) {
    for (const PortPolicy policy : {PortPolicy::lazy, PortPolicy::eager}) {
      spec.port_choice = choice;
      spec.port_policy = policy;
      const ProgramMatrix layer = convolution(3, 8);
      const auto model = with_program(spec, layer);
      const Fragment f = model->layout(layer.matrix).fragments.front();
      const Op op = model->op(OpCode::mvm, layer.matrix, f);
      const Schedule schedule = make_schedule(model->steps(op));
      EXPECT_EQ(model->fire_cost(op).latency, schedule.latency);
      EXPECT_EQ(model->fire_cost(op).did, schedule.did);
    }
  }
}

TEST(RtmApKind, SaysWhyNot) {
  const ProgramMatrix layer = convolution(3, 8);
  const auto none = make_model(Spec{}, kClock);
  EXPECT_EQ(none->layout(layer.matrix).why_not, "programs hold weights, and nobody gave them");
  ProgramMatrix product = layer;
  product.constant = false;
  EXPECT_NE(with_program(Spec{}, product)->layout(layer.matrix).why_not.find("run time"),
            std::string::npos);
  MatrixOp other = layer.matrix;
  const auto model =
      make_model(Spec{}, kClock)
          ->programmed({{layer}, [](int, int, int) { return ProgramLayer{}; }, nullptr});
  EXPECT_EQ(model->layout(other).why_not, "its weights are not known with 2 bits");
  Spec narrow;
  narrow.columns = 4;
  EXPECT_NE(with_program(narrow, layer)->layout(layer.matrix).why_not.find("does not fit"),
            std::string::npos);
}

TEST(RtmApKind, InstructionsThatAreNotKeptAreMadeAgain) {
  const ProgramMatrix layer = convolution(3, 8);
  const auto weights = [](int, int, int) {
    return ProgramLayer{{}, {ternary(std::int64_t{27} * 8), {}, {}}};
  };
  const Programs all(Spec{}, kClock, {{layer}, weights, nullptr});
  const Programs none(Spec{}, kClock, {{layer}, weights, nullptr}, 0);
  ASSERT_TRUE(all.of(layer.matrix).listed);
  ASSERT_FALSE(none.of(layer.matrix).listed);
  Op op;
  op.layer = layer.matrix.layer;
  op.program = 0;
  op.in_bits = layer.matrix.in_bits;
  op.w_bits = layer.matrix.w_bits;
  EXPECT_TRUE(none.at(op).program.instructions.empty());
  EXPECT_EQ(none.at(op).cost, all.at(op).cost);
  EXPECT_FALSE(all.at(op).program.instructions.empty());
  EXPECT_EQ(none.load(op)->program, all.load(op)->program);
}

TEST(RtmApKind, RefusesOtherWeightsThanItsPrograms) {
  const ProgramMatrix layer = convolution(3, 8);
  const auto model = with_program(Spec{}, layer);
  const Fragment f = model->layout(layer.matrix).fragments.front();
  const Op op = model->op(OpCode::mvm, layer.matrix, f);
  std::vector<std::int32_t> weights = ternary(std::int64_t{27} * 8);
  const auto unit = model->make_unit(0);
  unit->load(op, f, weights, 0);
  weights[5] = weights[5] == 1 ? 0 : 1;
  EXPECT_THROW(unit->load(op, f, weights, 0), InternalError);
}

}  // namespace
}  // namespace tessera::arch::rtm_ap
