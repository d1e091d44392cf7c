// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The crossbar's bits for all inputs: against the exact product when nothing clips, and against a
/// model that knows nothing of bit planes, fragments and short cuts when conversions clip.
///
/// Replay   TESSERA_SEED=<seed printed by the failure>
#include "arch/crossbar/coding.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "arch/crossbar/kernel.hpp"
#include "arch/crossbar/layout.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace tessera::arch::crossbar {
namespace {

std::vector<std::uint64_t> seeds(std::uint64_t count) {
  if (const char* text = std::getenv("TESSERA_SEED")) {
    return {std::strtoull(text, nullptr, 10)};
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t s = 1; s <= count; ++s) {
    all.push_back(s);
  }
  return all;
}

struct Case {
  Spec spec;
  MatrixOp matrix;
  std::vector<std::int32_t> weights;  // [groups][cols][rows]
  std::vector<std::int32_t> x;        // [groups][rows]
};

std::string describe(std::uint64_t seed, const Case& c) {
  return "TESSERA_SEED=" + std::to_string(seed) + " mapping " +
         std::to_string(static_cast<int>(c.spec.weight_mapping)) + " array " +
         std::to_string(c.spec.rows) + "x" + std::to_string(c.spec.columns) + " active " +
         std::to_string(c.spec.active_rows) + " cell " + std::to_string(c.spec.cell_bits) +
         " conversion " + std::to_string(static_cast<int>(c.spec.conversion)) + " dac " +
         std::to_string(c.spec.dac_bits) + " adc " + std::to_string(c.spec.adc_bits) + " flip " +
         std::to_string(c.spec.weight_flip) + " matrix " + std::to_string(c.matrix.rows) + "x" +
         std::to_string(c.matrix.cols) + "x" + std::to_string(c.matrix.groups) + " w " +
         std::to_string(c.matrix.w_bits) + " in " + std::to_string(c.matrix.in_bits) +
         (c.matrix.in_signed ? " signed" : " unsigned");
}

Case random_case(std::uint64_t seed) {
  Rng rng(seed, "kernel.case");
  Case c;
  c.spec = random_spec(seed);
  c.matrix.rows = rng.uniform(1, 120);
  c.matrix.cols = rng.uniform(1, 10);
  c.matrix.groups = static_cast<int>(rng.chance(0.3) ? rng.uniform(2, 6) : 1);
  c.matrix.w_bits = static_cast<int>(rng.uniform(1, 16));
  c.matrix.in_bits = static_cast<int>(rng.uniform(1, 16));
  c.matrix.in_signed = rng.chance(0.5);
  const std::int64_t half = std::int64_t{1} << (c.matrix.w_bits - 1);
  const std::int64_t low = c.matrix.in_signed ? -(std::int64_t{1} << (c.matrix.in_bits - 1)) : 0;
  const std::int64_t high = low + (std::int64_t{1} << c.matrix.in_bits) - 1;
  const bool extreme = rng.chance(0.2);  // corners of the ranges
  const auto draw = [&](std::int64_t lo, std::int64_t hi) {
    return static_cast<std::int32_t>(extreme ? (rng.chance(0.5) ? lo : hi) : rng.uniform(lo, hi));
  };
  for (std::int64_t k = 0; k < c.matrix.rows * c.matrix.cols * c.matrix.groups; ++k) {
    c.weights.push_back(draw(-half, half - 1));
  }
  for (std::int64_t k = 0; k < c.matrix.rows * c.matrix.groups; ++k) {
    c.x.push_back(draw(low, high));
  }
  return c;
}

/// All fragments of the matrix, added up.
std::vector<std::int64_t> by_arrays(const Case& c, Converters converters) {
  const MatrixOp& m = c.matrix;
  const Layout cut = layout(c.spec, m);
  EXPECT_TRUE(cut.ok) << cut.why_not;
  std::vector<std::int64_t> y(static_cast<std::size_t>(m.cols * m.groups), 0);
  for (const Fragment& f : cut.fragments) {
    std::vector<std::int32_t> w;
    std::vector<std::int32_t> x;
    for (int g = f.group; g < f.group + f.groups; ++g) {
      for (std::int64_t col = f.col; col < f.col + f.cols; ++col) {
        const auto first = c.weights.begin() + (g * m.cols + col) * m.rows + f.row;
        w.insert(w.end(), first, first + f.rows);
      }
      const auto first = c.x.begin() + g * m.rows + f.row;
      x.insert(x.end(), first, first + f.rows);
    }
    const Array array(c.spec, fragment_op(OpCode::mvm, m, f), f, w);
    std::vector<std::int64_t> part(
        static_cast<std::size_t>(f.groups) * static_cast<std::size_t>(f.cols), 0);
    array.fire(x, part, converters);
    for (int g = 0; g < f.groups; ++g) {
      for (int col = 0; col < f.cols; ++col) {
        y[static_cast<std::size_t>((f.group + g) * m.cols + f.col + col)] +=
            part[static_cast<std::size_t>(std::int64_t{g} * f.cols + col)];
      }
    }
  }
  return y;
}

std::vector<std::int64_t> product(const Case& c) {
  const MatrixOp& m = c.matrix;
  std::vector<std::int64_t> y;
  for (std::int64_t g = 0; g < m.groups; ++g) {
    for (std::int64_t col = 0; col < m.cols; ++col) {
      std::int64_t sum = 0;
      for (std::int64_t r = 0; r < m.rows; ++r) {
        sum += std::int64_t{c.weights[static_cast<std::size_t>((g * m.cols + col) * m.rows + r)]} *
               c.x[static_cast<std::size_t>(g * m.rows + r)];
      }
      y.push_back(sum);
    }
  }
  return y;
}

TEST(CrossbarKernelProperty, ExactWhenTheConverterIsWideEnough) {
  for (const std::uint64_t seed : seeds(1500)) {
    Case c = random_case(seed);
    c.spec.adc_bits = sufficient_adc_bits(c.spec, c.matrix.in_bits);
    SCOPED_TRACE(describe(seed, c));
    const std::vector<std::int64_t> exact = product(c);
    ASSERT_EQ(by_arrays(c, Converters::each), exact);  // conversion by conversion
    ASSERT_EQ(by_arrays(c, Converters::clipping), exact);
    ASSERT_EQ(by_arrays(c, Converters::ideal), exact);
  }
}

TEST(CrossbarKernelProperty, IdealIgnoresTheConverter) {
  for (const std::uint64_t seed : seeds(200)) {
    Case c = random_case(seed);
    c.spec.adc_bits = 1;
    SCOPED_TRACE(describe(seed, c));
    ASSERT_EQ(by_arrays(c, Converters::ideal), product(c));
  }
}

/// One conversion after the other on plain integers, one row block of stacked groups at a time.
class Plain {
 public:
  Plain(const Spec& spec, const MatrixOp& m) : spec_(spec), m_(m) {}

  [[nodiscard]] std::int64_t column(const std::vector<std::int32_t>& w,
                                    const std::vector<std::int32_t>& x) const {
    const bool row_pairs = spec_.weight_mapping == WeightMapping::differential_rows;
    const bool column_pairs = spec_.weight_mapping == WeightMapping::differential_columns;
    const bool biased = spec_.weight_mapping == WeightMapping::offset_column ||
                        spec_.weight_mapping == WeightMapping::biased_unit_column;
    const bool planes = spec_.weight_mapping == WeightMapping::twos_complement_planes;
    auto at_once =
        static_cast<std::size_t>(spec_.active_rows == 0 ? spec_.rows : spec_.active_rows);
    at_once = row_pairs ? at_once / 2 : at_once;
    // An integrator collects what comes until the inputs' signs do.
    at_once = spec_.conversion == Conversion::integrate_fire ? w.size() : at_once;

    std::int64_t total = 0;
    for (std::size_t first = 0; first < w.size(); first += at_once) {
      const std::size_t last = std::min(first + at_once, w.size());
      for (const auto& [low, width, weight] : input_slices()) {
        const auto in = [&, lo = low, wd = width](std::size_t r) {
          return (std::int64_t{x[r]} >> lo) & ((std::int64_t{1} << wd) - 1);
        };
        std::int64_t ones = 0;
        for (std::size_t r = first; r < last; ++r) {
          ones += in(r);
        }
        ones = clip(ones, false);
        // Slices of the magnitude, lowest first.
        const int bits = planes ? m_.w_bits - 1 : m_.w_bits;
        for (int shift = 0; shift < bits; shift += spec_.cell_bits) {
          std::int64_t p = 0;
          std::int64_t n = 0;
          std::int64_t stored = 0;
          const std::int64_t top = (std::int64_t{1} << spec_.cell_bits) - 1;
          for (std::size_t r = first; r < last; ++r) {
            std::int64_t up = w[r];
            std::int64_t down = 0;
            if (biased) {
              up += std::int64_t{1} << (m_.w_bits - 1);
            } else if (planes) {
              up = w[r] & ((std::int64_t{1} << (m_.w_bits - 1)) - 1);
            } else {
              up = std::max<std::int64_t>(w[r], 0);
              down = std::max<std::int64_t>(-std::int64_t{w[r]}, 0);
            }
            stored += (up >> shift) & top;
            p += ((up >> shift) & top) * in(r);
            n += ((down >> shift) & top) * in(r);
          }
          std::int64_t value = 0;
          if (row_pairs || (column_pairs && spec_.subtraction == Subtraction::analog)) {
            value = clip(p - n, true);
          } else if (column_pairs) {
            value = clip(p, false) - clip(n, false);
          } else if (spec_.weight_flip &&
                     2 * stored > top * static_cast<std::int64_t>(last - first)) {
            std::int64_t inputs = 0;
            for (std::size_t r = first; r < last; ++r) {
              inputs += in(r);
            }
            value = top * ones - clip(top * inputs - p, false);
          } else {
            value = clip(p, false);
          }
          total += value * weight * (std::int64_t{1} << shift);
        }
        if (planes) {
          std::int64_t negatives = 0;
          for (std::size_t r = first; r < last; ++r) {
            negatives += w[r] < 0 ? in(r) : 0;
          }
          total -= clip(negatives, false) * weight * (std::int64_t{1} << (m_.w_bits - 1));
        }
        if (biased) {
          total -= ones * weight * (std::int64_t{1} << (m_.w_bits - 1));
        }
      }
    }
    return total;
  }

 private:
  [[nodiscard]] std::vector<std::tuple<int, int, std::int64_t>> input_slices() const {
    std::vector<std::tuple<int, int, std::int64_t>> all;
    const int magnitude = m_.in_signed ? m_.in_bits - 1 : m_.in_bits;
    const int width = spec_.conversion == Conversion::integrate_fire ? magnitude : spec_.dac_bits;
    for (int low = 0; low < magnitude; low += width) {
      all.emplace_back(low, std::min(width, magnitude - low), std::int64_t{1} << low);
    }
    if (m_.in_signed) {
      all.emplace_back(magnitude, 1, -(std::int64_t{1} << magnitude));
    }
    return all;
  }

  [[nodiscard]] std::int64_t clip(std::int64_t v, bool is_signed) const {
    if (spec_.adc_bits == 0) {
      return v;
    }
    const std::int64_t levels = std::int64_t{1} << spec_.adc_bits;
    return is_signed ? std::clamp(v, -levels / 2, levels / 2 - 1)
                     : std::clamp<std::int64_t>(v, 0, levels - 1);
  }

  const Spec& spec_;
  const MatrixOp& m_;
};

std::vector<std::int64_t> by_plain(const Case& c) {
  const MatrixOp& m = c.matrix;
  std::vector<std::int64_t> y(static_cast<std::size_t>(m.cols * m.groups), 0);
  // Which rows and groups meet in an array is the layout's answer; columns and slices are cut
  // nowhere here.
  std::map<std::pair<int, std::int64_t>, Fragment> blocks;
  for (const Fragment& f : layout(c.spec, m).fragments) {
    blocks[{f.group, f.row}] = f;
  }
  const Plain plain(c.spec, m);
  for (const auto& [key, f] : blocks) {
    std::vector<std::int32_t> x;
    for (int g = f.group; g < f.group + f.groups; ++g) {
      const auto first = c.x.begin() + g * m.rows + f.row;
      x.insert(x.end(), first, first + f.rows);
    }
    for (int g = 0; g < f.groups; ++g) {
      for (std::int64_t col = 0; col < m.cols; ++col) {
        std::vector<std::int32_t> w(x.size(), 0);
        const auto first = c.weights.begin() + ((f.group + g) * m.cols + col) * m.rows + f.row;
        std::copy(first, first + f.rows, w.begin() + static_cast<std::ptrdiff_t>(g) * f.rows);
        y[static_cast<std::size_t>((f.group + g) * m.cols + col)] += plain.column(w, x);
      }
    }
  }
  return y;
}

TEST(CrossbarKernelProperty, ClipsAsConversionsOneByOneDo) {
  std::int64_t clipped = 0;
  for (const std::uint64_t seed : seeds(1500)) {
    Case c = random_case(seed);
    Rng rng(seed, "kernel.adc");
    const int enough = sufficient_adc_bits(c.spec, c.matrix.in_bits);
    c.spec.adc_bits = static_cast<int>(rng.uniform(std::max(1, enough - 4), enough));
    SCOPED_TRACE(describe(seed, c));
    const std::vector<std::int64_t> expected = by_plain(c);
    ASSERT_EQ(by_arrays(c, Converters::each), expected);
    ASSERT_EQ(by_arrays(c, Converters::clipping), expected);
    clipped += expected != product(c) ? 1 : 0;
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GT(clipped, 100);  // the cases do reach the clipping
  }
}

/// Layout::out_bits and acc_bits hold every result; slices of separate arrays leave without their
/// place value.
TEST(CrossbarKernelProperty, ResultsFitTheirWidths) {
  for (const std::uint64_t seed : seeds(500)) {
    Case c = random_case(seed);
    SCOPED_TRACE(describe(seed, c));
    const MatrixOp& m = c.matrix;
    const Layout cut = layout(c.spec, m);
    const auto fits = [](std::int64_t v, int bits) { return v == clamp_to(v, bits, true); };
    // The largest magnitudes: all weights and inputs at the same end of their ranges.
    const std::int64_t half = std::int64_t{1} << (m.w_bits - 1);
    const std::int64_t x_low = m.in_signed ? -(std::int64_t{1} << (m.in_bits - 1)) : 0;
    const std::int64_t x_high = x_low + (std::int64_t{1} << m.in_bits) - 1;
    std::vector<std::int64_t> outs;
    for (const std::int64_t w : {-half, half - 1, std::int64_t{0}, std::int64_t{-1}}) {
      for (const std::int64_t x : {x_low, x_high}) {
        std::fill(c.weights.begin(), c.weights.end(), static_cast<std::int32_t>(w));
        std::fill(c.x.begin(), c.x.end(), static_cast<std::int32_t>(x));
        for (const std::int64_t y : product(c)) {
          ASSERT_TRUE(fits(y, cut.acc_bits)) << y;
        }
        for (const Fragment& f : cut.fragments) {
          const auto count = static_cast<std::size_t>(f.groups) * static_cast<std::size_t>(f.cols);
          const auto rows = static_cast<std::size_t>(f.rows);
          const std::vector<std::int32_t> weights(count * rows, static_cast<std::int32_t>(w));
          const std::vector<std::int32_t> in(rows * static_cast<std::size_t>(f.groups),
                                             static_cast<std::int32_t>(x));
          std::vector<std::int64_t> y(count, 0);
          Array(c.spec, fragment_op(OpCode::mvm, m, f), f, weights).fire(in, y, Converters::ideal);
          const bool separate = c.spec.slice_placement == SlicePlacement::separate_arrays;
          const std::int64_t place_value = separate ? place(c.spec, m.w_bits, f.slice) : 1;
          for (const std::int64_t v : y) {
            ASSERT_EQ(v % place_value, 0);
            outs.push_back(v / place_value);
          }
        }
      }
    }
    // Unsigned as long as no result of the matrix is negative.
    const bool sign =
        std::any_of(outs.begin(), outs.end(), [](std::int64_t out) { return out < 0; });
    for (const std::int64_t out : outs) {
      ASSERT_EQ(out, clamp_to(out, cut.out_bits, sign));
    }
  }
}

/// The width is tight: with the largest cells and inputs in a full array, one bit less loses
/// something.
TEST(CrossbarKernelProperty, OneBitLessThanSufficientClips) {
  int tried = 0;
  for (const std::uint64_t seed : seeds(300)) {
    Case c = random_case(seed);
    if (c.spec.weight_flip) {
      continue;  // its worst case is a column of which half the cells are full: see the ISAAC test
    }
    const bool biased = c.spec.weight_mapping == WeightMapping::offset_column ||
                        c.spec.weight_mapping == WeightMapping::biased_unit_column;
    const int pairs = c.spec.weight_mapping == WeightMapping::differential_rows ? 2 : 1;
    c.matrix = MatrixOp{};
    c.matrix.rows = c.spec.rows / pairs;
    c.matrix.cols = 1;
    c.matrix.in_bits = c.spec.dac_bits;
    c.matrix.w_bits =
        biased ? c.spec.cell_bits : c.spec.cell_bits + 1;  // the lowest slice can be full
    const std::int64_t most = (std::int64_t{1} << (c.matrix.w_bits - 1)) - 1;
    c.weights.assign(static_cast<std::size_t>(c.matrix.rows), static_cast<std::int32_t>(most));
    c.x.assign(static_cast<std::size_t>(c.matrix.rows), (1 << c.spec.dac_bits) - 1);
    c.spec.adc_bits = sufficient_adc_bits(c.spec, c.matrix.in_bits);
    SCOPED_TRACE(describe(seed, c));
    ASSERT_EQ(by_arrays(c, Converters::clipping), product(c));
    if (--c.spec.adc_bits > 0) {  // 0 would be ideal
      const std::vector<std::int64_t> clipped = by_arrays(c, Converters::clipping);
      if (biased && c.spec.cell_bits == 1) {
        ASSERT_EQ(clipped, by_plain(c));  // the unit column clips alike, and the errors may cancel
      } else {
        ASSERT_NE(clipped, product(c));
      }
      ++tried;
    }
  }
  if (std::getenv("TESSERA_SEED") == nullptr) {
    EXPECT_GT(tried, 100);
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
