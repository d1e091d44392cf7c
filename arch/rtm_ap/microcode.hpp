// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the controller of an AP makes of an instruction: beats. In a beat the columns that take
/// part are brought to one domain each and stay there for all that happens in it.
///
/// Source   program.hpp lists the instructions; README, "Beats"
#pragma once

#include "arch/rtm_ap/program.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::rtm_ap {

/// A domain of a column.
struct Site {
  int column = -1;  ///< -1: nobody
  int domain = 0;
};

struct Beat {
  enum class Kind : std::uint8_t {
    passes,    ///< the passes of `table` on c, b, a, r
    clear,     ///< zero into a, and as many columns after it as `columns` says, in all rows
    load,      ///< tags <- bit `bit` of slot `slot`, then one into a where tagged
    read_out,  ///< bit `bit` of slot `slot` <- tags of the rows with a one in a
    tag,       ///< tags the rows with a one in a
    fill,      ///< `one` into a where tagged by the `tag` before
  };

  Kind kind = Kind::passes;
  TableId table = TableId::copy;
  bool one = false;
  Site c, b, a, r;
  int columns = 1;
  int bit = 0;
  std::int64_t slot = 0;
};

/// Appends the beats of an instruction of a program that verify() accepts.
void expand(const Program& program, const Instruction& instruction, std::vector<Beat>& beats);

}  // namespace tessera::arch::rtm_ap
