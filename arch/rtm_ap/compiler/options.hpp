// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the compiler does and leaves out. Every pass can be switched off, for ablation; programs
/// stay bit-exact whatever is off.
#pragma once

#include "sim/base/config.hpp"

#include <vector>

namespace tessera::arch::rtm_ap {

struct Passes {
  bool fold = true;
  bool interchange = true;
  bool unroll = true;
  bool cse = true;
  bool infer_widths = true;
  bool in_place = true;
  bool pack_domains = true;
  bool order_shifts = true;
  bool partial_sums = true;

  static constexpr auto fields() {
    using config::field;
    return config::list<Passes>(
        field("fold", &Passes::fold).doc("zero weights are nothing; off: they add a zero"),
        field("interchange", &Passes::interchange)
            .doc("the input channel is the outermost loop; off: the output channel"),
        field("unroll", &Passes::unroll)
            .doc("the inputs of a block meet in one expression list; off: one input at a time"),
        field("cse", &Passes::cse).doc("common signed pairs are computed once"),
        field("infer_widths", &Passes::infer_widths)
            .doc("values are as narrow as their range; off: as wide as the widest sum"),
        field("in_place", &Passes::in_place)
            .doc("sums are added to in place; off: every sum goes to another field"),
        field("pack_domains", &Passes::pack_domains)
            .doc("a column holds as many values as its domains do; off: one"),
        field("order_shifts", &Passes::order_shifts)
            .doc("sums are visited along the nanowires; off: in their own order"),
        field("partial_sums", &Passes::partial_sums)
            .doc("terms meet in narrow partial sums; off: in the wide sum at once"));
  }
};

/// What a user chooses: `compile:` of the array's YAML.
struct CompileChoices {
  Passes passes;
  int block_inputs = 0;
  int most_channels = 0;
  int most_outputs = 0;

  static constexpr auto fields() {
    using config::field;
    return config::list<CompileChoices>(
        field("passes", &CompileChoices::passes).doc("what the compiler does"),
        field("block_inputs", &CompileChoices::block_inputs)
            .range(0, 4096)
            .doc("inputs of an expression list at least, where the layer has that many; 0: what "
                 "costs least, 9: one channel of a 3x3 kernel"),
        field("most_channels", &CompileChoices::most_channels)
            .range(0, 1048576)
            .doc("input channels of a layer that one AP takes at most; 0: as many as fit"),
        field("most_outputs", &CompileChoices::most_outputs)
            .range(0, 1048576)
            .doc("output channels of a layer that one AP takes at most; 0: as many as fit"));
  }
};

/// With what a program is for.
struct CompileOptions : CompileChoices {
  bool epilogue = true;  ///< off: sums are read out and the vector unit does the rest
  /// Off: each part that has all channels ends its sums, the others read out theirs, without bias.
  bool reduce = true;
  int most_aps = 0;  ///< what does not fit that many is a CompileError; 0: no limit
  /// Expression lists that share a partial sum, such sums that share the next one, and so on;
  /// empty: what costs least. See order.hpp.
  std::vector<int> partials;

  /// What a pass and a step of the nanowires take: whatever the compiler compares, it compares
  /// cycles. Clearing a bit counts as half a pass for any number of columns; that each of them
  /// takes energy counts for nothing.
  double pass_cycles = 2;
  double step_cycles = 1;
};

}  // namespace tessera::arch::rtm_ap
