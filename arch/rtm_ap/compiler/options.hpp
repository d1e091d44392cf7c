// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the compiler does and leaves out. Every switch turns one pass off, for ablation; programs
/// stay bit-exact whatever is off.
#pragma once

#include <vector>

namespace tessera::arch::rtm_ap {

struct CompileOptions {
  bool fold = true;          ///< off: a zero weight adds a zero
  bool interchange = true;   ///< off: output channel outermost, one output at a time
  bool unroll = true;        ///< off: one input at a time, so no two meet in an expression
  bool cse = true;           ///< off: no shared subexpressions
  bool infer_widths = true;  ///< off: every sum has the width of the largest
  bool in_place = true;      ///< off: every addition goes to another field
  bool pack_domains = true;  ///< off: one value per column
  bool order_shifts = true;  ///< off: outputs in their own order, whatever the ports do
  bool partial_sums = true;  ///< off: every term goes to the wide sum at once
  bool epilogue = true;      ///< off: sums are read out and the vector unit does the rest
  /// Off: each part that has all channels ends its sums, the others read out theirs, without bias.
  bool reduce = true;

  /// Inputs that an expression list sees at least, where the layer has that many: a kernel with
  /// fewer taps takes several channels. 9: one channel of a 3x3 kernel. 0: what costs least.
  int block_inputs = 0;
  int groups = 0;            ///< parts of the input channels, each on an AP of its own; 0: fewest
  int outputs_per_tile = 0;  ///< 0: as many as fit
  /// Expression lists that share a partial sum, such sums that share the next one, and so on;
  /// empty: what costs least. See order.hpp.
  std::vector<int> partials;

  /// What a pass and a step of the nanowires cost when the compiler compares: cycles, or energies.
  double pass_cost = 2;
  double step_cost = 1;
};

}  // namespace tessera::arch::rtm_ap
