// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The closed form; see cost.hpp.
#include "arch/lut/cost.hpp"

#include <algorithm>
#include <bit>

namespace tessera::arch::lut {
namespace {

std::int64_t ceiling(std::int64_t n, std::int64_t d) {
  return n / d + (n % d > 0 ? 1 : 0);
}

int bits_of(std::int64_t n) {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n)));
}

/// w or u: the codes of an operand.
std::int64_t codes(int bits, int most) {
  const std::int64_t all = std::int64_t{1} << bits;
  return most == 0 ? all : std::min<std::int64_t>(most, all);
}

/// Bits that tell n codes apart.
int bits_for(std::int64_t n) {
  return n == 1 ? 1 : bits_of(n - 1);
}

/// README, "Widths".
int sum_width(const Spec& spec, const Op& op) {
  if (spec.sum_bits > 0) {
    return spec.sum_bits;
  }
  const int product = op.w_bits + op.in_bits;
  return (spec.table_bits > 0 ? std::min(spec.table_bits, product) : product) + bits_of(op.rows);
}

Cost write_cost(const Spec& spec, const Clock& clock, const Op& op) {
  const int product = op.w_bits + op.in_bits;
  const std::int64_t entry = spec.table_bits > 0 ? std::min(spec.table_bits, product) : product;
  const std::int64_t w = codes(op.w_bits, op.w_codes);
  const std::int64_t u = codes(op.in_bits, op.in_codes);
  const std::int64_t bits = w * u * entry + std::int64_t{op.rows} * op.cols * bits_for(w);
  const std::int64_t rows = ceiling(bits, spec.columns);
  const Cycles row = clock.ceil_cycles(spec.t_write);
  const int key = sum_width(spec, op);
  Cost cost;
  cost.latency = (rows + spec.activation_rows + spec.encoder_rows) * row;
  cost.interval =
      std::max({rows, std::int64_t{spec.activation_rows}, std::int64_t{spec.encoder_rows}}) * row;
  cost.did[kCellWrite] = rows * spec.columns + std::int64_t{spec.activation_rows} * (key + key) +
                         std::int64_t{spec.encoder_rows} * (key + bits_for(u));
  return cost;
}

}  // namespace

int adder_stages(std::int64_t words) {
  int stages = 0;
  for (std::int64_t most = 2; most < words; most += most / 2) {
    ++stages;
  }
  return stages;
}

int naf_weight(std::int64_t n) {
  const auto bits = static_cast<std::uint64_t>(n);
  return std::popcount((3 * bits) ^ bits);
}

namespace {

/// Of a firing whose columns take t increments and leave q addends.
Cost cost_of(const Spec& spec, const Clock& clock, const Op& op, std::int64_t t, std::int64_t q) {
  // Adding: Q addends and the bias, `rows` words at a time.
  const std::int64_t words = q + 1;
  const std::int64_t rest = std::max<std::int64_t>(0, words - spec.rows);
  std::int64_t stages = adder_stages(std::min<std::int64_t>(words, spec.rows));
  if (rest > 0) {
    stages += rest / (spec.rows - 2) * stages + adder_stages(rest % (spec.rows - 2) + 2);
  }
  const std::int64_t width = sum_width(spec, op);
  const std::int64_t ripple = spec.ripple_nors * width;
  const std::int64_t search = ceiling(width, spec.search_bits);

  const auto cycles = [&](Seconds each, std::int64_t times) {
    return clock.ceil_cycles(Seconds(each.value * static_cast<double>(times)));
  };
  const Cycles counting = cycles(spec.t_count, t);
  const Cycles adding = stages * cycles(spec.t_nor, spec.adder_nors) + cycles(spec.t_nor, ripple);
  const Cycles searching = cycles(spec.t_search, search);
  const Cycles column = counting + adding + searching + searching;
  const Cycles held = std::max({counting, adding, cycles(spec.t_search, 1)});

  Cost cost;
  const std::int64_t columns = op.cols;
  cost.latency = columns * column;
  cost.interval = (columns - 1) * column + held;
  cost.did[kCountCycle] = columns * t;
  cost.did[kCount] = columns * op.rows;
  cost.did[kLookup] = columns * q;
  cost.did[kNorCycle] = columns * (stages * spec.adder_nors + ripple);
  cost.did[kAddBit] = columns * (std::max<std::int64_t>(0, words - 2) + 1) * width;
  cost.did[kActivationSearch] = columns * search;
  cost.did[kEncoderSearch] = columns * search;
  return cost;
}

}  // namespace

Cost fire_cost(const Spec& spec, const Clock& clock, const Op& op) {
  if (op.code == OpCode::write) {
    return write_cost(spec, clock, op);
  }
  const std::int64_t n = op.rows;
  const std::int64_t w = codes(op.w_bits, op.w_codes);
  const std::int64_t u = codes(op.in_bits, op.in_codes);
  const std::int64_t full = std::int64_t{1} << spec.counter_bits;

  // Counting: T increments, Q addends.
  std::int64_t t = 0;
  std::int64_t q = 0;
  if (spec.code_spread == CodeSpread::worst_case) {
    t = n + n / full;
    q = std::min(n, w * u * (spec.counter_bits / 2 + 1) + n / full);
  } else {
    const std::int64_t turns =
        ceiling(w * u, std::min(w, std::max<std::int64_t>(1, spec.counters / u)) * u);
    const std::int64_t mean = n / (w * u);
    const std::int64_t more = n - mean * w * u;
    const std::int64_t overflows = (w * u - more) * (mean / full) + more * ((mean + 1) / full);
    t = std::min(n, turns * ceiling(n, w)) + overflows;
    q = overflows + (w * u - more) * naf_weight(mean % full) + more * naf_weight((mean + 1) % full);
  }

  return cost_of(spec, clock, op, t, q);
}

Cost least_cost(const Spec& spec, const Clock& clock, const Op& op) {
  if (op.code == OpCode::write) {
    return write_cost(spec, clock, op);
  }
  // Every buffer as full as the others; all inputs in one counter, as one addend.
  const std::int64_t buffers =
      std::min(codes(op.w_bits, op.w_codes),
               std::max<std::int64_t>(1, spec.counters / codes(op.in_bits, op.in_codes)));
  return cost_of(spec, clock, op, ceiling(op.rows, buffers), 1);
}

}  // namespace tessera::arch::lut
