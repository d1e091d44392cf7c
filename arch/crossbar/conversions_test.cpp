// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Conversions of whole panels against one conversion after the other, on every instruction set.
#include "arch/crossbar/conversions.hpp"

#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace tessera::arch::crossbar {
namespace {

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}

/// The indices are written out as conversions.hpp documents them.
std::vector<std::int64_t> plain(const CellPanels& c, const InputPlanes& in, int positions) {
  std::vector<std::int64_t> y;
  for (int p = 0; p < positions; ++p) {
    for (int column = 0; column < c.panels * kPanel; ++column) {
      const int panel = column / kPanel;
      const int lane = column % kPanel;
      std::int64_t total = 0;
      for (int line = 0; line < c.lines; ++line) {
        for (int g = 0; g < c.row_groups; ++g) {
          const int group = (panel * c.lines + line) * c.row_groups + g;
          for (int s = 0; s < in.slices; ++s) {
            const int slice = (p * c.row_groups + g) * in.slices + s;
            std::int64_t current = 0;
            for (int sign = 0; sign < c.signs; ++sign) {
              for (int j = 0; j < c.cell_bits; ++j) {
                for (int i = 0; i < in.widths[at(s)]; ++i) {
                  for (int w = 0; w < c.words; ++w) {
                    const int cell = ((group * c.signs + sign) * c.cell_bits + j) * c.words + w;
                    const int bits = (slice * in.width + i) * c.words + w;
                    const std::int64_t count =
                        std::popcount(c.cells[at(cell * kPanel + lane)] & in.planes[at(bits)]);
                    current += (sign == 0 ? count : -count) << (i + j);
                  }
                }
              }
            }
            std::int64_t value = std::clamp(current, c.low, c.high);
            if (!c.flips.empty() && c.flips[at(group * kPanel + lane)] != 0) {
              value = c.top * in.ones[at(slice)] - value;
            }
            const bool negative = in.has_sign && s == in.slices - 1;
            total += (negative ? -value : value) * (std::int64_t{1} << in.lows[at(s)]) *
                     c.places[at((panel * c.lines + line) * kPanel + lane)];
          }
        }
      }
      y.push_back(total);
    }
  }
  return y;
}

TEST(CrossbarConversions, EveryInstructionSetAgreesWithConversionsOneByOne) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed, "conversions");
    const auto pick = [&rng](int lo, int hi) { return static_cast<int>(rng.uniform(lo, hi)); };
    CellPanels c;
    c.panels = pick(1, 5);
    c.lines = pick(1, 9);
    c.row_groups = pick(1, 3);
    c.words = pick(1, 6);
    const bool bits = rng.chance(0.6);  // the case with loops of its own
    c.signs = bits ? 1 : pick(1, 2);
    c.cell_bits = bits ? 1 : pick(1, 3);
    c.top = (1 << c.cell_bits) - 1;
    c.high = rng.chance(0.2) ? INT64_MAX : (std::int64_t{1} << pick(1, 8)) - 1;
    c.low = rng.chance(0.2) ? INT64_MIN : (c.signs == 2 ? -c.high - 1 : 0);
    const int groups = c.panels * c.lines * c.row_groups;
    c.cells.resize(at(groups * c.signs * c.cell_bits * c.words * kPanel));
    for (std::uint64_t& word : c.cells) {
      word = rng.chance(0.1) ? UINT64_MAX : rng.bits();
    }
    for (int i = 0; i < c.panels * c.lines * kPanel; ++i) {
      c.places.push_back(rng.chance(0.2) ? 0 : (rng.chance(0.5) ? 1 : -1) << pick(0, 10));
    }
    InputPlanes in;
    in.slices = pick(1, 9);
    in.width = bits ? 1 : pick(1, 3);
    in.has_sign = rng.chance(0.5);
    for (int s = 0; s < in.slices; ++s) {
      in.lows.push_back(s * in.width);
      in.widths.push_back(s + 1 < in.slices ? in.width : pick(1, in.width));
    }
    const int positions = pick(1, 4);
    in.planes.resize(at(positions * c.row_groups * in.slices * in.width * c.words));
    for (std::uint64_t& word : in.planes) {
      word = rng.chance(0.1) ? UINT64_MAX : rng.bits();
    }
    in.ones.resize(at(positions * c.row_groups * in.slices));
    for (std::int64_t& one : in.ones) {
      one = rng.uniform(0, 1000);
    }
    if (!bits && c.signs == 1 && rng.chance(0.5)) {
      for (int i = 0; i < groups * kPanel; ++i) {
        c.flips.push_back(rng.chance(0.5) ? UINT64_MAX : 0);
      }
    }
    const std::vector<std::int64_t> expected = plain(c, in, positions);
    for (const Isa isa : supported_isas()) {
      std::vector<std::int64_t> y(expected.size(), -1);
      convert_on(isa, c, in, positions, y.data());
      ASSERT_EQ(y, expected) << "seed " << seed << " instruction set " << static_cast<int>(isa);
    }
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
