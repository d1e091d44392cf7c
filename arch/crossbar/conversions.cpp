// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/crossbar/conversions.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// A function for a target may use its instructions whatever the rest of the program is compiled
// for. conversions.inc is that function; intrinsics cannot be inlined into a body that several
// targets share, so its text is.
namespace tessera::arch::crossbar {
namespace {

namespace base {
#define TESSERA_TARGET
#define TESSERA_LANES 2
#define TESSERA_NATIVE 0
#include "arch/crossbar/conversions.inc"
#undef TESSERA_TARGET
#undef TESSERA_LANES
#undef TESSERA_NATIVE
}  // namespace base

#if defined(__x86_64__)

namespace avx2 {
#define TESSERA_TARGET [[gnu::target("avx2")]]
#define TESSERA_LANES 4
#define TESSERA_NATIVE 0
#include "arch/crossbar/conversions.inc"
#undef TESSERA_TARGET
#undef TESSERA_LANES
#undef TESSERA_NATIVE
}  // namespace avx2

namespace avx512_pop {
#define TESSERA_TARGET [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]]
#define TESSERA_LANES 8
#define TESSERA_NATIVE 1
#include "arch/crossbar/conversions.inc"
#undef TESSERA_TARGET
#undef TESSERA_LANES
#undef TESSERA_NATIVE
}  // namespace avx512_pop

#endif

}  // namespace

void convert_on(
    Isa isa, const CellPanels& cells, const InputPlanes& input, int positions, std::int64_t* y) {
#if defined(__x86_64__)
  if (isa >= Isa::avx512_pop) {
    avx512_pop::convert_for(cells, input, positions, y);
    return;
  }
  if (isa >= Isa::avx2) {
    avx2::convert_for(cells, input, positions, y);
    return;
  }
#endif
  static_cast<void>(isa);
  base::convert_for(cells, input, positions, y);
}

void convert(const CellPanels& cells, const InputPlanes& input, int positions, std::int64_t* y) {
  convert_on(best_isa(), cells, input, positions, y);
}

}  // namespace tessera::arch::crossbar
