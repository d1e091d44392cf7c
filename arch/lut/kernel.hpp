// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The bits of one RNA block: a column's sum, and the parts it is made of, each as the circuit does
/// it.
///
/// Shapes   x: [rows] in_bits; weights: [cols][rows] signed w_bits; y: [cols] signed 64,
/// accumulated. A code stands for an integer: every integer of w_bits (in_bits) has one, or, with
/// Op::w_codes (in_codes), each that occurs
/// Units    none (integers)
/// Rounding a table entry is the product without its `dropped` low bits, ties away from zero; the
/// adder keeps the low `sum` bits, two's complement. With table_bits and sum_bits 0 nothing is lost
/// Errors   InternalError when the spans do not match, or more integers occur than there are codes
/// Source   RAPIDNN; README, "Kernel"
#pragma once

#include "arch/lut/naf.hpp"
#include "arch/lut/spec.hpp"
#include "sim/api/model.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::arch::lut {

/// The matrix of one block and what a firing computes. Table entries are not stored: they are
/// computed where the circuit looks them up, with the same rounding.
class Block {
 public:
  Block(const Spec& spec, const Op& op, std::span<const std::int32_t> weights);

  /// Adds every column's sum; exact products and sums with `ideal`.
  void fire(std::span<const std::int32_t> x, std::span<std::int64_t> y, bool ideal) const;

  /// What counting these inputs takes, column by column: Neuron's increments and addends.
  [[nodiscard]] std::vector<Counted> count(std::span<const std::int32_t> x) const;

 private:
  Op op_;
  Widths widths_;
  int counter_bits_;
  std::vector<std::int32_t> weights_;
  std::vector<std::uint32_t> codes_;    ///< of the weights
  std::vector<std::int64_t> in_turns_;  ///< per column: increments but for overflows
};

/// The entry of the product table for a weight and an input.
[[nodiscard]] std::int64_t table_entry(const Widths& widths, std::int32_t w, std::int32_t x);

/// The low `bits` bits of v as a two's complement number. bits: 1 to 64.
[[nodiscard]] std::int64_t wrapped(std::int64_t v, int bits);

/// Addition in the crossbar out of NORs alone, bit by bit.
struct Added {
  std::uint64_t sum = 0;      ///< modulo 2^bits
  std::int64_t stages = 0;    ///< of 3:2 adders
  std::int64_t add_bits = 0;  ///< bits through 3:2 adders and the final one
};

/// Reduces `words` to two by stages of 3:2 adders (three words become sum and carry, what is left
/// over waits), at most `at_once` (3 or more) words together, then adds these with a ripple carry.
[[nodiscard]] Added nor_sum(std::span<const std::uint64_t> words, int bits, std::int64_t at_once);

/// One column, circuit by circuit: what it computes and what it took with these data.
struct Neuron {
  std::int64_t sum = 0;         ///< what the adder holds in the end, sign extended
  std::int64_t increments = 0;  ///< times the counters take, overflows included
  std::int64_t overflows = 0;
  std::int64_t addends = 0;
  std::int64_t stages = 0;
  std::int64_t add_bits = 0;
};

/// Counts inputs by (weight code, input code), turns every count into signed powers of two, looks
/// their entries up and adds them. `bias` is one more word of the adder.
[[nodiscard]] Neuron neuron(const Spec& spec,
                            const Op& op,
                            std::span<const std::int32_t> weights,
                            std::span<const std::int32_t> x,
                            std::int64_t bias);

}  // namespace tessera::arch::lut
