// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Conditions between the fields of an RNA block, and the widths that follow from them.
#include "arch/lut/spec.hpp"

#include "sim/base/math.hpp"

#include <string>

namespace tessera::arch::lut {

std::vector<SpecProblem> problems(const Spec& spec) {
  std::vector<SpecProblem> found;
  if (spec.adder_columns >= spec.columns) {
    found.push_back({"adder_columns",
                     "columns",
                     "the adder leaves no column for the product table",
                     "at most " + std::to_string(spec.columns - 1)});
  }
  if (spec.sum_bits > spec.adder_columns) {
    found.push_back({"sum_bits",
                     "adder_columns",
                     "the sum is wider than the adder",
                     "at most " + std::to_string(spec.adder_columns)});
  }
  if (spec.sum_bits > 0 && spec.table_bits > spec.sum_bits) {
    found.push_back({"table_bits",
                     "sum_bits",
                     "a table entry is wider than the sum",
                     "at most " + std::to_string(spec.sum_bits)});
  }
  return found;
}

Widths widths(const Spec& spec, int w_bits, int in_bits, std::int64_t terms) {
  Widths w;
  w.product = w_bits + in_bits;
  w.entry = spec.table_bits == 0 || spec.table_bits > w.product ? w.product : spec.table_bits;
  w.dropped = w.product - w.entry;
  w.sum = spec.sum_bits > 0 ? spec.sum_bits
                            : w.entry + ceil_log2(static_cast<std::uint64_t>(terms) + 1);
  return w;
}

}  // namespace tessera::arch::lut
