// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Weight <-> cell values; see coding.hpp.
#include "arch/crossbar/coding.hpp"

#include "sim/base/math.hpp"

namespace tessera::arch::crossbar {

int num_slices(const Spec& spec, int w_bits) {
  if (spec.weight_mapping == WeightMapping::twos_complement_planes) {
    return 1 + ceil_div(w_bits - 1,
                        spec.cell_bits);  // the sign bit cannot share a cell: it is subtracted
  }
  return ceil_div(w_bits, spec.cell_bits);
}

Digit digit(const Spec& spec, int w_bits, std::int64_t w, int slice) {
  const std::int64_t mask = (std::int64_t{1} << spec.cell_bits) - 1;
  const int shift = slice * spec.cell_bits;
  const auto part = [&](std::int64_t value) { return static_cast<int>((value >> shift) & mask); };
  switch (spec.weight_mapping) {
    case WeightMapping::twos_complement_planes: {
      if (slice == num_slices(spec, w_bits) - 1) {
        return {w < 0 ? 1 : 0, 0};
      }
      return {part(w & ((std::int64_t{1} << (w_bits - 1)) - 1)), 0};
    }
    case WeightMapping::differential_columns:
    case WeightMapping::differential_rows:
      return {part(w > 0 ? w : 0), part(w < 0 ? -w : 0)};
    case WeightMapping::offset_column:
    case WeightMapping::biased_unit_column:
      return {part(w + (std::int64_t{1} << (w_bits - 1))), 0};
  }
  return {};
}

std::int64_t place(const Spec& spec, int w_bits, int slice) {
  if (spec.weight_mapping == WeightMapping::twos_complement_planes &&
      slice == num_slices(spec, w_bits) - 1) {
    return -(std::int64_t{1} << (w_bits - 1));
  }
  return std::int64_t{1} << (slice * spec.cell_bits);
}

int num_input_slices(const Spec& spec, int in_bits, bool in_signed) {
  return in_signed ? 1 + ceil_div(in_bits - 1, spec.dac_bits) : ceil_div(in_bits, spec.dac_bits);
}

}  // namespace tessera::arch::crossbar
