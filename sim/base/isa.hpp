// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which vector registers this machine has, for the few loops that are compiled once per
/// instruction set. Whatever is chosen, the bits of a result are the same.
#pragma once

#include <vector>

namespace tessera {

enum class Isa {
  base,        ///< what every build may use: SSE2 on x86-64
  avx2,        ///< and POPCNT
  avx512,      ///< F
  avx512_pop,  ///< F, BW, DQ, VL and VPOPCNTDQ
};

/// What this machine can run, worst first; base is always there.
std::vector<Isa> supported_isas();

/// The last of them.
Isa best_isa();

}  // namespace tessera
