// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Real devices against closed forms: moments of levels and currents, fractions of stuck cells,
/// what a draw depends on, and conversions of an array against conversions one by one.
#include "arch/crossbar/devices.hpp"

#include "arch/crossbar/coding.hpp"
#include "arch/crossbar/crossbar.hpp"
#include "arch/crossbar/kernel.hpp"
#include "arch/crossbar/layout.hpp"
#include "sim/base/draws.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace tessera::arch::crossbar {
namespace {

constexpr double kUnit = 1 << kLevelFraction;

struct Moments {
  double mean = 0;
  double deviation = 0;
};

Moments moments(int count, const std::function<double(int)>& draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < count; ++i) {
    const double v = draw(i);
    sum += v;
    squares += v * v;
  }
  const double mean = sum / count;
  return {mean, std::sqrt(squares / count - mean * mean)};
}

TEST(CrossbarDevices, LevelsSpreadByTheirOwnSize) {
  for (const Spread spread : {Spread::gaussian, Spread::log_normal}) {
    for (const double variation : {0.05, 0.2}) {
      Spec spec;
      spec.cell_bits = 4;
      spec.nonideal.variation = variation;
      spec.nonideal.spread = spread;
      const Devices devices(spec);
      for (const int level : {1, 7, 15}) {
        constexpr int kDraws = 200'000;
        const Moments m = moments(kDraws, [&](int i) {
          return devices.programmed(level, {1, 2, i, 3}) / kUnit;
        });
        EXPECT_NEAR(m.mean, level, 5 * level * variation / std::sqrt(kDraws) + 1e-4);
        EXPECT_NEAR(m.deviation, level * variation, 0.02 * level * variation);
      }
      EXPECT_EQ(devices.programmed(0, {1, 2, 3, 4}), 0);
    }
  }
}

TEST(CrossbarDevices, LogNormalIsSkewedAndGaussianIsNot) {
  for (const Spread spread : {Spread::gaussian, Spread::log_normal}) {
    Spec spec;
    spec.nonideal.variation = 0.3;
    spec.nonideal.spread = spread;
    const Devices devices(spec);
    constexpr int kDraws = 200'000;
    double third = 0;
    for (int i = 0; i < kDraws; ++i) {
      third += std::pow((devices.programmed(1, {1, 2, i, 3}) / kUnit - 1) / 0.3, 3);
    }
    // (v^2 + 3) v of a log-normal with mean 1 and deviation v.
    EXPECT_NEAR(third / kDraws, spread == Spread::gaussian ? 0 : (0.09 + 3) * 0.3, 0.06);
  }
}

TEST(CrossbarDevices, StuckCellsHaveTheirFractionsAndStayStuck) {
  Spec spec;
  spec.cell_bits = 2;
  spec.nonideal.stuck_low = 0.09;
  spec.nonideal.stuck_high = 0.02;
  const Devices devices(spec);
  int low = 0;
  int high = 0;
  constexpr int kCells = 200'000;
  for (int i = 0; i < kCells; ++i) {
    const std::int32_t level = devices.programmed(1, {9, 1, i / 256, i % 256});
    ASSERT_TRUE(level == 0 || level == 1 << kLevelFraction || level == 3 << kLevelFraction);
    low += level == 0 ? 1 : 0;
    high += level == 3 << kLevelFraction ? 1 : 0;
    // Whatever is written, and however often.
    const std::int32_t again = devices.programmed(2, {9, 2, i / 256, i % 256});
    ASSERT_EQ(again, level == 1 << kLevelFraction ? 2 << kLevelFraction : level);
  }
  EXPECT_NEAR(low / double{kCells}, 0.09, 5 * std::sqrt(0.09 * 0.91 / kCells));
  EXPECT_NEAR(high / double{kCells}, 0.02, 5 * std::sqrt(0.02 * 0.98 / kCells));
}

TEST(CrossbarDevices, DrawsDependOnTheirNamesAndOnNothingElse) {
  Spec spec;
  spec.nonideal.variation = 0.1;
  spec.nonideal.read_noise = 1;
  const Devices devices(spec);
  const Devices same(spec);
  const CellName cell{1, 2, 3, 4};
  EXPECT_EQ(devices.programmed(1, cell), same.programmed(1, cell));
  for (const CellName& other :
       {CellName{2, 2, 3, 4}, CellName{1, 3, 3, 4}, CellName{1, 2, 4, 4}, CellName{1, 2, 3, 5}}) {
    EXPECT_NE(devices.programmed(1, cell), devices.programmed(1, other));
  }
  EXPECT_EQ(devices.noise(5, 6), same.noise(5, 6));
  EXPECT_NE(devices.noise(5, 6), devices.noise(5, 7));
  EXPECT_NE(devices.noise(5, 6), devices.noise(6, 6));
}

TEST(CrossbarDevices, ConvertersHaveOffsetsAndGains) {
  Spec spec;
  spec.nonideal.adc_offset = 2;
  spec.nonideal.adc_gain = 0.01;
  const Devices devices(spec);
  constexpr int kConverters = 100'000;
  const Moments offset = moments(kConverters, [&](int i) {
    return static_cast<double>(devices.converter(1, static_cast<std::uint64_t>(i)).offset) / kUnit;
  });
  EXPECT_NEAR(offset.mean, 0, 5 * 2 / std::sqrt(kConverters));
  EXPECT_NEAR(offset.deviation, 2, 0.03);
  const Moments gain = moments(kConverters, [&](int i) {
    return static_cast<double>(devices.converter(1, static_cast<std::uint64_t>(i)).gain) / 65536;
  });
  EXPECT_NEAR(gain.deviation, 0.01, 0.0002);
  // 100 steps at 1 % more, and 3 steps of offset: 104. Ties away from zero.
  const Devices::Converter one{3 << kLevelFraction, 655};
  EXPECT_EQ(one.steps(100 << kLevelFraction), 104);
  for (const std::int64_t current : {0, 1, 2047, 2048, 2049, -1, -2047, -2048, -2049, 1 << 20}) {
    EXPECT_EQ(Devices::Converter{}.steps(current), Devices::Converter::perfect(current));
  }
  EXPECT_EQ(Devices::Converter{}.steps(1 << (kLevelFraction - 1)), 1);
  EXPECT_EQ(Devices::Converter{}.steps(-(1 << (kLevelFraction - 1))), -1);
}

struct Fired {
  Spec spec;
  MatrixOp matrix;
  std::vector<std::int32_t> weights;
  std::vector<std::int32_t> x;
};

/// All fragments on PEs 1, 2, ...
std::int64_t fire(const Fired& f, std::uint64_t pe, const Stamp& stamp, std::uint64_t write = 0) {
  std::int64_t y = 0;
  for (const Fragment& fragment : layout(f.spec, f.matrix).fragments) {
    const Array array(
        f.spec, fragment_op(OpCode::mvm, f.matrix, fragment), fragment, f.weights, {pe, write});
    array.fire(f.x, std::span(&y, 1), Converters::physical, stamp);
  }
  return y;
}

Fired one_column(int rows, int level) {
  Fired f;
  f.spec.rows = rows;
  f.spec.columns = 16;
  f.spec.cell_bits = 8;
  f.spec.adc_bits = 0;
  f.spec.weight_mapping = WeightMapping::twos_complement_planes;
  f.matrix.rows = rows;
  f.matrix.cols = 1;
  f.matrix.w_bits = 9;
  f.matrix.in_bits = 1;
  f.weights.assign(static_cast<std::size_t>(rows), level);
  f.x.assign(static_cast<std::size_t>(rows), 1);
  return f;
}

/// rows cells of level L and variation v: mean rows L, deviation sqrt(rows) L v; converting rounds,
/// which adds a variance of 1/12. Read noise adds its own.
TEST(CrossbarDevices, ColumnCurrentsHaveTheMomentsOfTheirSums) {
  constexpr int kRows = 64;
  constexpr int kLevel = 100;
  constexpr int kDraws = 3000;
  Fired f = one_column(kRows, kLevel);
  f.spec.nonideal.variation = 0.1;
  const auto over_pes = [&] {
    return moments(kDraws, [&](int i) {
      return static_cast<double>(fire(f, static_cast<std::uint64_t>(i), {}));
    });
  };
  const double spread = std::sqrt(kRows) * kLevel * 0.1;
  Moments m = over_pes();
  EXPECT_NEAR(m.mean, kRows * kLevel, 5 * spread / std::sqrt(kDraws));
  EXPECT_NEAR(m.deviation, spread, 5 * spread / std::sqrt(2 * kDraws));

  f.spec.nonideal.spread = Spread::log_normal;
  m = over_pes();
  EXPECT_NEAR(m.mean, kRows * kLevel, 5 * spread / std::sqrt(kDraws));
  EXPECT_NEAR(m.deviation, spread, 5 * spread / std::sqrt(2 * kDraws));

  // The same cells read again and again.
  f.spec.nonideal = {};
  f.spec.nonideal.read_noise = 3;
  m = moments(kDraws, [&](int i) { return static_cast<double>(fire(f, 1, {0, i})); });
  // Two conversions: the magnitude's slice and, worth -256, the sign's.
  const double both = std::sqrt(9 + 1.0 / 12) * std::sqrt(1 + 256.0 * 256.0);
  EXPECT_NEAR(m.mean, kRows * kLevel, 5 * both / std::sqrt(kDraws));
  EXPECT_NEAR(m.deviation, both, 5 * both / std::sqrt(2 * kDraws));
}

TEST(CrossbarDevices, StuckCellsShiftTheMeanByTheirFractions) {
  constexpr int kRows = 100;
  constexpr int kDraws = 2000;
  Fired f = one_column(kRows, 100);
  f.spec.nonideal.stuck_low = 0.1;
  f.spec.nonideal.stuck_high = 0.05;
  const Moments m = moments(kDraws, [&](int i) {
    return static_cast<double>(fire(f, static_cast<std::uint64_t>(i), {}));
  });
  // Magnitude cells hold 100, 0 or 255; the sign's slice holds 0 or 255, worth -256.
  const double mean = kRows * (0.85 * 100 + 0.05 * 255) - 256.0 * kRows * 0.05 * 255;
  const double cell = 0.85 * 100 * 100 + 0.05 * 255 * 255 - std::pow(0.85 * 100 + 0.05 * 255, 2);
  const double sign = 256.0 * 256.0 * 255 * 255 * 0.05 * 0.95;
  const double deviation = std::sqrt(kRows * (cell + sign));
  EXPECT_NEAR(m.mean, mean, 5 * deviation / std::sqrt(kDraws));
  EXPECT_NEAR(m.deviation, deviation, 5 * deviation / std::sqrt(2 * kDraws));
}

TEST(CrossbarDevices, ExpectedErrorGrowsWithEveryEffect) {
  const auto error = [](const Nonideal& nonideal) {
    Fired f = one_column(32, 77);
    f.spec.cell_bits = 2;
    f.spec.nonideal = nonideal;
    double sum = 0;
    for (std::uint64_t pe = 0; pe < 400; ++pe) {
      sum += std::abs(static_cast<double>(fire(f, pe, {0, static_cast<std::int64_t>(pe)}) -
                                          std::int64_t{32} * 77));
    }
    return sum;
  };
  const auto grows = [&](double Nonideal::*field, std::initializer_list<double> values) {
    double last = 0;
    for (const double value : values) {
      Nonideal nonideal;
      nonideal.*field = value;
      const double now = error(nonideal);
      EXPECT_GT(now, last) << value;
      last = now;
    }
  };
  grows(&Nonideal::variation, {0.05, 0.1, 0.2, 0.4});
  grows(&Nonideal::stuck_low, {0.01, 0.05, 0.2});
  grows(&Nonideal::stuck_high, {0.01, 0.05, 0.2});
  grows(&Nonideal::read_noise, {0.5, 1, 2, 4});
  grows(&Nonideal::adc_offset, {0.5, 1, 2, 4});
  grows(&Nonideal::adc_gain, {0.02, 0.05, 0.2});
}

std::int64_t clip(const Spec& spec, std::int64_t v, bool is_signed) {
  return spec.adc_bits == 0 ? v : clamp_to(v, spec.adc_bits, is_signed);
}

/// A matrix of one fragment, conversion by conversion, written from the README.
std::vector<std::int64_t> plain(const Fired& f, const ArrayName& name, const Stamp& stamp) {
  const Spec& spec = f.spec;
  const Devices devices(spec);
  const bool row_pairs = spec.weight_mapping == WeightMapping::differential_rows;
  const bool columns_2 = spec.weight_mapping == WeightMapping::differential_columns;
  const bool analog = row_pairs || (columns_2 && spec.subtraction == Subtraction::analog);
  const bool biased = is_biased(spec.weight_mapping);
  const int rows = static_cast<int>(f.matrix.rows);
  const bool integrates = spec.conversion == Conversion::integrate_fire;
  const int at_once =
      integrates ? rows
                 : (spec.active_rows == 0 ? spec.rows : spec.active_rows) / (row_pairs ? 2 : 1);
  const int slices = num_slices(spec, f.matrix.w_bits);
  const int top = (1 << spec.cell_bits) - 1;

  struct Input {
    int low, width, sign;
  };

  std::vector<Input> inputs;
  const int magnitude = f.matrix.in_bits - (f.matrix.in_signed ? 1 : 0);
  const int widest = integrates ? magnitude : spec.dac_bits;
  for (int low = 0; low < magnitude; low += widest) {
    inputs.push_back({low, std::min(widest, magnitude - low), 1});
  }
  if (f.matrix.in_signed) {
    inputs.push_back({magnitude, 1, -1});
  }
  const auto stamped = [&](std::uint64_t key) {
    return mix(mix(key, static_cast<std::uint64_t>(stamp.image)),
               static_cast<std::uint64_t>(stamp.position));
  };
  const std::uint64_t block = mix(mix(name.write, 0), 0);
  const std::uint64_t holder =
      spec.weight_mapping == WeightMapping::offset_column ? block : name.pe;
  std::vector<std::int64_t> y;
  for (std::int64_t col = 0; col < f.matrix.cols; ++col) {
    std::int64_t total = 0;
    for (int first = 0, g = 0; first < rows; first += at_once, ++g) {
      const int last = std::min(first + at_once, rows);
      for (std::size_t s = 0; s < inputs.size(); ++s) {
        const auto [low, width, sign] = inputs[s];
        const auto in = [&, lo = low, wd = width](int r) {
          return std::int64_t{f.x[static_cast<std::size_t>(r)] >> lo & ((1 << wd) - 1)};
        };
        const auto read = static_cast<std::uint64_t>(g) * inputs.size() + s;
        const std::int64_t worth = sign * (std::int64_t{1} << low);
        std::int64_t ones = 0;
        if (biased) {
          for (int r = first; r < last; ++r) {
            ones += in(r)*devices.programmed(1, {holder, name.write, r, spec.columns});
          }
          ones += devices.noise(stamped(mix(holder, name.write)), read);
          ones = clip(spec,
                      devices.converter(holder, static_cast<std::uint64_t>(spec.adcs)).steps(ones),
                      false);
          total -= ones * worth * (std::int64_t{1} << (f.matrix.w_bits - 1));
        }
        for (int k = 0; k < slices; ++k) {
          std::int64_t stored = 0;
          const auto cell = [&](int r) {
            return digit(
                spec, f.matrix.w_bits, f.weights[static_cast<std::size_t>(col * rows + r)], k);
          };
          for (int r = first; r < last; ++r) {
            stored += cell(r).positive;
          }
          const bool flip = spec.weight_flip && 2 * stored > std::int64_t{top} * (last - first);
          const std::int64_t column = (col * slices + k) * (columns_2 ? 2 : 1);
          const auto convert = [&](std::int64_t current, std::int64_t at) {
            const std::uint64_t key =
                mix(stamped(mix(name.pe, name.write)), static_cast<std::uint64_t>(at));
            const auto adc = static_cast<std::uint64_t>(at % spec.adcs);
            return clip(spec,
                        devices.converter(name.pe, adc).steps(current + devices.noise(key, read)),
                        analog);
          };
          std::int64_t p = 0;
          std::int64_t n = 0;
          for (int r = first; r < last; ++r) {
            const Digit d = cell(r);
            const int row = row_pairs ? 2 * r : r;
            p += in(r)*devices.programmed(flip ? top - d.positive : d.positive,
                                          {name.pe, name.write, row, column});
            if (row_pairs || columns_2) {
              n += in(r)*devices.programmed(d.negative,
                                            {name.pe,
                                             name.write,
                                             row_pairs ? row + 1 : row,
                                             row_pairs ? column : column + 1});
            }
          }
          std::int64_t value = 0;
          if (analog) {
            value = convert(p - n, column);
          } else if (columns_2) {
            value = convert(p, column) - convert(n, column + 1);
          } else {
            value = flip ? top * ones - convert(p, column) : convert(p, column);
          }
          total += value * worth * place(spec, f.matrix.w_bits, k);
        }
      }
    }
    y.push_back(total);
  }
  return y;
}

TEST(CrossbarDevices, AnArrayConvertsAsConversionsOneByOneDo) {
  int tried = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Rng rng(seed, "devices");
    Fired f;
    f.spec = random_spec(seed);
    f.spec.slice_placement = SlicePlacement::adjacent_columns;
    f.spec.nonideal.variation = rng.chance(0.7) ? 0.3 * rng.uniform01() : 0;
    f.spec.nonideal.spread = rng.chance(0.5) ? Spread::gaussian : Spread::log_normal;
    f.spec.nonideal.stuck_low = rng.chance(0.5) ? 0.1 * rng.uniform01() : 0;
    f.spec.nonideal.stuck_high = rng.chance(0.5) ? 0.1 * rng.uniform01() : 0;
    f.spec.nonideal.read_noise = rng.chance(0.5) ? 3 * rng.uniform01() : 0;
    f.spec.nonideal.adc_offset = rng.chance(0.5) ? 2 * rng.uniform01() : 0;
    f.spec.nonideal.adc_gain = rng.chance(0.5) ? 0.1 * rng.uniform01() : 0;
    f.spec.nonideal.variation += f.spec.nonideal.any() ? 0 : 0.1;
    f.matrix.rows = rng.uniform(1, 60);
    f.matrix.cols = rng.uniform(1, 4);
    f.matrix.w_bits = static_cast<int>(rng.uniform(1, 10));
    f.matrix.in_bits = static_cast<int>(rng.uniform(1, 10));
    f.matrix.in_signed = rng.chance(0.5);
    const Layout cut = layout(f.spec, f.matrix);
    if (cut.fragments.size() != 1) {
      continue;
    }
    ++tried;
    const std::int64_t half = std::int64_t{1} << (f.matrix.w_bits - 1);
    for (std::int64_t i = 0; i < f.matrix.rows * f.matrix.cols; ++i) {
      f.weights.push_back(static_cast<std::int32_t>(rng.uniform(-half, half - 1)));
    }
    const Fragment& fragment = cut.fragments.front();
    const ArrayName name{rng.bits(), rng.bits()};
    const Array array(
        f.spec, fragment_op(OpCode::mvm, f.matrix, fragment), fragment, f.weights, name);
    // A batch with gaps between its inputs and outputs, and firings one by one.
    const auto rows = static_cast<std::size_t>(f.matrix.rows);
    const auto cols = static_cast<std::size_t>(f.matrix.cols);
    const auto count = static_cast<std::size_t>(rng.uniform(1, 70));
    std::vector<Stamp> stamps;
    std::vector<std::int32_t> x((rows + 3) * count);
    std::vector<std::int64_t> y((cols + 2) * count, 5);
    for (std::int32_t& v : x) {
      v = static_cast<std::int32_t>(rng.uniform(min_value(f.matrix.in_bits, f.matrix.in_signed),
                                                max_value(f.matrix.in_bits, f.matrix.in_signed)));
    }
    for (std::size_t i = 0; i < count; ++i) {
      stamps.push_back({rng.uniform(0, 3), rng.uniform(0, 1000)});
    }
    const Batch batch{stamps, rows, cols, x.data(), rows + 3, y.data(), cols + 2};
    array.fire(batch, Converters::physical);
    for (const std::size_t i : {std::size_t{0}, count / 2, count - 1}) {
      f.x.assign(batch.input(i).begin(), batch.input(i).end());
      const std::vector<std::int64_t> expected = plain(f, name, stamps[i]);
      std::vector<std::int64_t> single(cols, 0);
      array.fire(f.x, single, Converters::physical, stamps[i]);
      ASSERT_EQ(single, expected) << "seed " << seed;
      for (std::size_t c = 0; c < cols; ++c) {
        ASSERT_EQ(batch.output(i)[c] - 5, expected[c]) << "seed " << seed;
      }
    }
  }
  EXPECT_GT(tried, 150);
}

TEST(CrossbarDevices, ABatchIsItsFiringsWithPerfectDevices) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed, "batches");
    Fired f;
    f.spec = random_spec(seed);
    f.matrix.rows = rng.uniform(1, 200);
    f.matrix.cols = rng.uniform(1, 20);
    const Layout cut = layout(f.spec, f.matrix);
    const Fragment& fragment = cut.fragments.front();
    for (int i = 0; i < fragment.rows * fragment.cols; ++i) {
      f.weights.push_back(static_cast<std::int32_t>(rng.uniform(-128, 127)));
    }
    const Array array(f.spec, fragment_op(OpCode::mvm, f.matrix, fragment), fragment, f.weights);
    const auto rows = static_cast<std::size_t>(fragment.rows);
    const auto cols = static_cast<std::size_t>(fragment.cols);
    const auto count = static_cast<std::size_t>(rng.uniform(1, 150));
    std::vector<std::int32_t> x(rows * count);
    for (std::int32_t& v : x) {
      v = static_cast<std::int32_t>(rng.uniform(0, 255));
    }
    const std::vector<Stamp> stamps(count);
    for (const Converters converters :
         {Converters::ideal, Converters::clipping, Converters::each, Converters::physical}) {
      std::vector<std::int64_t> y(cols * count, 1);
      std::vector<std::int64_t> expected(cols * count, 1);
      array.fire({stamps, rows, cols, x.data(), rows, y.data(), cols}, converters);
      for (std::size_t i = 0; i < count; ++i) {
        array.fire(std::span(x).subspan(i * rows, rows),
                   std::span(expected).subspan(i * cols, cols),
                   converters);
      }
      ASSERT_EQ(y, expected) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace tessera::arch::crossbar
