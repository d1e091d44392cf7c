// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/isa.hpp"

namespace tessera {

std::vector<Isa> supported_isas() {
  std::vector<Isa> out = {Isa::base};
#if defined(__x86_64__)
  const auto has = [](auto... found) { return (... && (found != 0)); };
  if (has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("popcnt"))) {
    out.push_back(Isa::avx2);
    if (has(__builtin_cpu_supports("avx512f"))) {
      out.push_back(Isa::avx512);
      if (has(__builtin_cpu_supports("avx512bw"),
              __builtin_cpu_supports("avx512dq"),
              __builtin_cpu_supports("avx512vl"),
              __builtin_cpu_supports("avx512vpopcntdq"))) {
        out.push_back(Isa::avx512_pop);
      }
    }
  }
#endif
  return out;
}

Isa best_isa() {
  static const Isa kBest = supported_isas().back();
  return kBest;
}

}  // namespace tessera
