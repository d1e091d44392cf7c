// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The Steps of one firing; see steps.hpp.
#include "arch/lut/steps.hpp"

#include "arch/lut/layout.hpp"
#include "arch/lut/naf.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <utility>

namespace tessera::arch::lut {
namespace {

/// Addends of one counter: each overflow is one, and each digit of what it holds in the end.
std::int64_t addends_of(std::int64_t count, int counter_bits) {
  return (count >> counter_bits) + num_naf_digits(count & ((std::int64_t{1} << counter_bits) - 1));
}

Counted expected(const Spec& spec, const Op& op) {
  const std::int64_t inputs = op.rows;
  const std::int64_t weight_codes = num_codes(op.w_bits, op.w_codes);
  const std::int64_t input_codes = num_codes(op.in_bits, op.in_codes);
  const std::int64_t pairs = weight_codes * input_codes;
  Counted c;
  if (spec.code_spread == CodeSpread::worst_case) {
    // One counter counts everything; for the adder every counter holds as many digits as it can.
    const std::int64_t overflows = inputs >> spec.counter_bits;
    c.increments = inputs + overflows;
    c.addends = std::min(inputs, pairs * ceil_div(spec.counter_bits + 1, 2) + overflows);
    return c;
  }
  // Weight codes take turns when there are not enough counters for all; in every turn the fullest
  // buffer counts.
  const std::int64_t turns = ceil_div(weight_codes, codes_at_once(spec, op));
  c.increments = std::min(inputs, turns * ceil_div(inputs, weight_codes));
  const std::int64_t fuller = inputs % pairs;  // pairs that occur once more than the others
  for (const auto& [times, of_pairs] :
       {std::pair{inputs / pairs + 1, fuller}, std::pair{inputs / pairs, pairs - fuller}}) {
    c.increments += of_pairs * (times >> spec.counter_bits);
    c.addends += of_pairs * addends_of(times, spec.counter_bits);
  }
  return c;
}

Step make_step(int on, Cycles occupancy, Cycles latency) {
  Step step;
  step.on = on;
  step.occupancy = occupancy;
  step.latency = latency;
  return step;
}

/// Every step is a loop of its own: a loop of no passes keeps two of them apart.
void then(std::vector<Step>& all, const Step& step) {
  Step nothing;
  nothing.repeat = 0;
  all.push_back(nothing);
  all.push_back(step);
}

std::vector<Step> write_steps(const Spec& spec, const Clock& clock, const Op& op) {
  const std::int64_t cells =
      table_cells(spec, op) +
      std::int64_t{op.rows} * op.cols * code_bits(num_codes(op.w_bits, op.w_codes));
  const std::int64_t sum = widths(spec, op.w_bits, op.in_bits, op.rows).sum;
  std::vector<Step> all;
  const auto write = [&](int on, std::int64_t rows, std::int64_t cells_of_row) {
    const Cycles time = clock.ceil_cycles(spec.t_write);
    Step step = make_step(on, time, time);
    step.repeat = rows;
    step.did[kCellWrite] = cells_of_row;
    then(all, step);
  };
  write(kCrossbar, ceil_div(cells, std::int64_t{spec.columns}), spec.columns);
  write(kActivation, spec.activation_rows, 2 * sum);
  write(kEncoder, spec.encoder_rows, sum + code_bits(num_codes(op.in_bits, op.in_codes)));
  return all;
}

}  // namespace

std::vector<Step> steps(const Spec& spec, const Clock& clock, const Op& op) {
  if (op.code == OpCode::write) {
    return write_steps(spec, clock, op);
  }
  const std::vector<Counted> columns(static_cast<std::size_t>(op.cols), expected(spec, op));
  return steps(spec, clock, op, columns);
}

std::vector<Step> steps(const Spec& spec,
                        const Clock& clock,
                        const Op& op,
                        std::span<const Counted> columns) {
  const Widths wide = widths(spec, op.w_bits, op.in_bits, op.rows);
  const auto times = [&](Seconds t, std::int64_t n) {
    return clock.ceil_cycles(Seconds(t.value * static_cast<double>(n)));
  };

  std::vector<Step> all;
  for (const Counted& c : columns) {
    Step count = make_step(kCounters, times(spec.t_count, c.increments), {});
    count.latency = count.occupancy;
    count.did[kCountCycle] = c.increments;
    count.did[kCount] = op.rows;
    then(all, count);

    // The adder takes as many words as there are rows; the two that remain join the next ones.
    std::int64_t waiting = c.addends + 1;  // and the bias
    std::int64_t words = 0;
    std::int64_t fetched = c.addends;
    while (waiting > 0) {
      const std::int64_t more = std::min(waiting, spec.rows - words);
      waiting -= more;
      words += more;
      while (words > 2) {
        const Cycles time = times(spec.t_nor, spec.adder_nors);
        Step stage = make_step(kCrossbar, time, time);
        stage.did[kLookup] = std::exchange(fetched, 0);
        stage.did[kNorCycle] = spec.adder_nors;
        stage.did[kAddBit] = words / 3 * wide.sum;
        then(all, stage);
        words -= words / 3;
      }
    }
    const std::int64_t nors = std::int64_t{spec.ripple_nors} * wide.sum;
    Step final_add = make_step(kCrossbar, times(spec.t_nor, nors), times(spec.t_nor, nors));
    final_add.did[kLookup] = fetched;
    final_add.did[kNorCycle] = nors;
    final_add.did[kAddBit] = wide.sum;
    then(all, final_add);

    const std::int64_t stages = ceil_div(wide.sum, spec.search_bits);
    Step activate = make_step(kActivation, times(spec.t_search, 1), times(spec.t_search, stages));
    activate.did[kActivationSearch] = stages;
    then(all, activate);
    Step encode = make_step(kEncoder, times(spec.t_search, 1), times(spec.t_search, stages));
    encode.did[kEncoderSearch] = stages;
    then(all, encode);
  }
  return all;
}

}  // namespace tessera::arch::lut
