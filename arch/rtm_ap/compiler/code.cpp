// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/code.hpp"

namespace tessera::arch::rtm_ap {

std::int64_t CycleCounter::of(const Instruction& instruction) {
  constexpr std::int64_t kPass = 2;
  beats_.clear();
  expand(none_, instruction, beats_);
  std::int64_t cycles = 0;
  for (const Beat& beat : beats_) {
    switch (beat.kind) {
      case Beat::Kind::passes:
        cycles += kPass * table(beat.table).size;
        break;
      case Beat::Kind::load:
      case Beat::Kind::read_out:
        cycles += kPass;
        break;
      case Beat::Kind::clear:
      case Beat::Kind::tag:
      case Beat::Kind::fill:
        ++cycles;
        break;
    }
  }
  return cycles;
}

}  // namespace tessera::arch::rtm_ap
