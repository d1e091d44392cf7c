// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Programming, exact products, and conversions of perfect and of real devices; see kernel.hpp.
#include "arch/crossbar/kernel.hpp"

#include "arch/crossbar/coding.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/draws.hpp"
#include "sim/base/math.hpp"
#include "sim/base/product.hpp"

#include <algorithm>
#include <numeric>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tessera::arch::crossbar {
namespace {

constexpr int kWordBits = 64;

bool subtracts_before_conversion(const Spec& spec) {
  return spec.weight_mapping == WeightMapping::differential_rows ||
         (spec.weight_mapping == WeightMapping::differential_columns &&
          spec.subtraction == Subtraction::analog);
}

bool integrates(const Spec& spec) {
  return spec.conversion == Conversion::integrate_fire;
}

/// Matrix rows of a full array that one conversion sees. An integrator collects all row groups.
int rows_per_conversion(const Spec& spec) {
  return (spec.active_rows == 0 || integrates(spec) ? spec.rows : spec.active_rows) /
         rows_per_digit(spec.weight_mapping);
}

std::int64_t largest(int bits) {
  return (std::int64_t{1} << bits) - 1;
}

/// Firings whose inputs and results are worked on at once: they stay in the nearest caches.
constexpr std::size_t kAtOnce = 64;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Bits [low, low + width) of x as a number.
std::int32_t slice_of(std::int32_t x, int low, int width) {
  return (x >> low) & static_cast<std::int32_t>(largest(width));
}

/// Bit `bit` of 8 bytes, the first byte lowest.
[[maybe_unused]] std::uint64_t column_of(std::uint64_t bytes, int bit) {
  return ((bytes >> bit & 0x0101010101010101ULL) * 0x0102040810204080ULL) >> 56;
}

/// planes[bit * step] |= bit `bit` of byte r << r, for 64 bytes and `bits` bits.
void transpose(const std::uint8_t* bytes, int bits, std::uint64_t* planes, std::size_t step) {
#if defined(__SSE2__)
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16 * quarter));
    v = _mm_slli_epi64(v, 8 - bits);  // the highest bit asked for becomes the byte's sign
    for (int bit = bits - 1; bit >= 0; --bit) {
      const auto mask = static_cast<std::uint64_t>(_mm_movemask_epi8(v));
      planes[at(bit) * step] |= mask << (16 * quarter);
      v = _mm_add_epi8(v, v);
    }
  }
#else
  for (std::size_t eighth = 0; eighth < 8; ++eighth) {
    std::uint64_t eight = 0;
    for (std::size_t r = 0; r < 8; ++r) {
      eight |= std::uint64_t{bytes[8 * eighth + r]} << (8 * r);
    }
    for (int bit = 0; bit < bits; ++bit) {
      planes[at(bit) * step] |= column_of(eight, bit) << (8 * eighth);
    }
  }
#endif
}

/// How the inputs of `op` are cut into slices, one per conversion. An integrator collects the whole
/// magnitude.
InputPlanes input_slices(const Spec& spec, const Op& op) {
  InputPlanes out;
  out.has_sign = op.in_signed;
  const int magnitude = op.in_signed ? op.in_bits - 1 : op.in_bits;
  const int width = integrates(spec) ? op.in_bits : spec.dac_bits;
  for (int low = 0; low < magnitude; low += width) {
    out.lows.push_back(low);
    out.widths.push_back(std::min(width, magnitude - low));
  }
  if (op.in_signed) {
    out.lows.push_back(magnitude);
    out.widths.push_back(1);
  }
  out.slices = static_cast<int>(out.widths.size());
  out.width = *std::max_element(out.widths.begin(), out.widths.end());
  return out;
}

}  // namespace

int sufficient_adc_bits(const Spec& spec, int in_bits) {
  const std::int64_t rows = rows_per_conversion(spec);
  const std::int64_t input = largest(integrates(spec) ? in_bits : spec.dac_bits);
  const std::int64_t cells = rows * largest(spec.cell_bits);
  if (subtracts_before_conversion(spec)) {
    return 1 + ceil_log2(static_cast<std::uint64_t>(cells * input) + 1);
  }
  std::int64_t current = (spec.weight_flip ? cells / 2 : cells) * input;
  if (is_biased(spec.weight_mapping)) {
    current = std::max(current, rows * input);  // the unit column
  }
  return ceil_log2(static_cast<std::uint64_t>(current) + 1);
}

int isaac_adc_bits(int rows, int dac_bits, int cell_bits) {
  const int sum = ceil_log2(static_cast<std::uint64_t>(rows)) + dac_bits + cell_bits;
  return dac_bits == 1 || cell_bits == 1 ? sum - 1 : sum;
}

/// What construction collects, column by column.
struct Array::Building {
  struct Line {
    std::size_t column = 0;
    std::int64_t place = 0;
    std::int64_t physical_column = 0;
    std::vector<std::uint8_t> positive;  ///< [row]
    std::vector<std::uint8_t> negative;  ///< [row] of pairs
    std::vector<bool> flipped;           ///< [row group]
    bool may_clip = false;
  };

  std::vector<std::int32_t> weights;  ///< of the column at work, [row]
  std::vector<std::int64_t> effective;
  std::vector<int> positive;
  std::vector<int> negative;
  std::vector<Line> lines;  ///< of all columns
  bool corrected = false;
};

Array::Array(const Spec& spec,
             const Op& op,
             const Fragment& fragment,
             std::span<const std::int32_t> weights,
             const ArrayName& name)
    : spec_(&spec),
      op_(op),
      pairs_(subtracts_before_conversion(spec)),
      biased_(is_biased(spec.weight_mapping)),
      group_rows_(std::min(op.rows, rows_per_conversion(spec))) {
  const auto group_size =
      static_cast<std::size_t>(fragment.rows) * static_cast<std::size_t>(fragment.cols);
  if (op.rows != fragment.rows * fragment.groups || op.cols != fragment.cols * fragment.groups ||
      weights.size() != group_size * static_cast<std::size_t>(fragment.groups)) {
    throw InternalError("crossbar", -1, "weights do not match the fragment");
  }
  row_groups_ = ceil_div(op.rows, group_rows_);
  slices_ = input_slices(spec, op);

  // Lines in panels: the k-th line of eight columns share a register.
  panels_.panels = ceil_div(op.cols, kPanel);
  panels_.row_groups = row_groups_;
  panels_.signs = pairs_ ? 2 : 1;
  panels_.cell_bits = spec.cell_bits;
  panels_.words = ceil_div(group_rows_, kWordBits);
  panels_.top = largest(spec.cell_bits);
  panels_.low = spec.adc_bits == 0 ? INT64_MIN : min_value(spec.adc_bits, pairs_);
  panels_.high = spec.adc_bits == 0 ? INT64_MAX : max_value(spec.adc_bits, pairs_);

  const std::size_t rows = at(op.rows);
  const std::size_t cols = at(op.cols);
  Building b;
  b.weights.resize(rows);
  effective_.resize(rows * cols);
  std::vector<std::size_t> first_line;
  std::int64_t largest_sum = 0;
  const bool unit_may_clip = biased_ && could_clip(group_rows_ * largest(slices_.width));
  for (int col = 0; col < op.cols; ++col) {
    // Block diagonal: weight 0 outside the column's own group.
    std::fill(b.weights.begin(), b.weights.end(), 0);
    const int group = col / fragment.cols;
    const auto own = weights.subspan(at(col) * at(fragment.rows), at(fragment.rows));
    std::copy(own.begin(),
              own.end(),
              b.weights.begin() + static_cast<std::ptrdiff_t>(group) * fragment.rows);
    first_line.push_back(b.lines.size());
    add_column(b, fragment, col);
    corrected_.push_back(b.corrected);
    std::int64_t sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      effective_[r * cols + at(col)] = static_cast<std::int32_t>(b.effective[r]);
      sum += std::abs(b.effective[r]);
    }
    largest_sum = std::max(largest_sum, sum);
    const bool uses_unit = b.corrected || spec.weight_flip;
    bool may_clip = uses_unit && unit_may_clip;
    for (std::size_t l = first_line.back(); l < b.lines.size(); ++l) {
      may_clip = may_clip || b.lines[l].may_clip;
    }
    clipping_columns_ += may_clip ? 1 : 0;
  }
  first_line.push_back(b.lines.size());
  fits_32_ = largest_sum <= INT32_MAX >> op.in_bits;

  for (std::size_t col = 0; col < cols; ++col) {
    panels_.lines =
        std::max(panels_.lines, static_cast<int>(first_line[col + 1] - first_line[col]));
  }
  const std::size_t count = at(panels_.panels) * at(panels_.lines);
  const std::size_t words = at(panels_.words);
  const std::size_t group_step = at(panels_.signs) * at(spec.cell_bits) * words * kPanel;
  panels_.places.resize(count * kPanel);
  panels_.cells.resize(count * at(row_groups_) * group_step);
  panels_.flips.resize(spec.weight_flip ? count * at(row_groups_) * kPanel : 0);
  for (std::size_t col = 0; col < cols; ++col) {
    for (std::size_t k = 0; first_line[col] + k < first_line[col + 1]; ++k) {
      const Building::Line& line = b.lines[first_line[col] + k];
      const std::size_t slot = col / kPanel * at(panels_.lines) + k;
      const std::size_t lane = col % kPanel;
      panels_.places[slot * kPanel + lane] = line.place;
      for (std::size_t g = 0; g < at(row_groups_); ++g) {
        const std::size_t group = slot * at(row_groups_) + g;
        if (spec.weight_flip) {
          panels_.flips[group * kPanel + lane] = line.flipped[g] ? UINT64_MAX : 0;
        }
        std::uint64_t* to = panels_.cells.data() + group * group_step + lane;
        for (const auto* cells : {&line.positive, &line.negative}) {
          if (cells->empty()) {
            continue;
          }
          const std::uint8_t* from = cells->data() + g * at(group_rows_);
          for (int bit = 0; bit < spec.cell_bits; ++bit, to += words * kPanel) {
            for (std::size_t r = 0; r < at(rows_of(static_cast<int>(g))); ++r) {
              to[r / kWordBits * kPanel] |= static_cast<std::uint64_t>(from[r] >> bit & 1)
                                            << (r % kWordBits);
            }
          }
        }
      }
    }
  }
  if (spec.nonideal.any()) {
    build_physical(b, fragment, name);
  }
}

int Array::rows_of(int row_group) const {
  return std::min(group_rows_, op_.rows - row_group * group_rows_);
}

bool Array::could_clip(std::int64_t current) const {
  return convert(current) != current;
}

/// Adds the lines of column `col` that the fragment holds.
void Array::add_column(Building& b, const Fragment& fragment, int col) const {
  const int slices = num_slices(*spec_, op_.w_bits);
  const bool adjacent = spec_->slice_placement == SlicePlacement::adjacent_columns;
  const int per_digit = columns_per_digit(spec_->weight_mapping);
  const std::int64_t place_of_column = fragment.groups > 1 ? col : fragment.col + col;
  // Place of a digit's column among the physical columns of the row block (layout.hpp); held when
  // inside the fragment's.
  const auto column_in_array = [&](int slice, int sign) {
    const std::int64_t in_strand = adjacent ? place_of_column * slices + slice : place_of_column;
    return in_strand * per_digit + sign - fragment.cell_col;
  };
  const auto held = [&](int slice, int sign) {
    if (!adjacent && slice != fragment.slice) {
      return false;
    }
    const std::int64_t column = column_in_array(slice, sign);
    return column >= 0 && column < fragment.cell_cols;
  };

  const std::size_t rows = b.weights.size();
  b.effective.assign(rows, 0);
  b.positive.resize(rows);
  b.negative.resize(rows);
  for (int slice = 0; slice < slices; ++slice) {
    const bool has_positive = held(slice, 0);
    const bool has_negative = per_digit == 2 ? held(slice, 1) : has_positive;
    if (!has_positive && !has_negative) {
      continue;
    }
    const std::int64_t worth = place(*spec_, op_.w_bits, slice);
    for (std::size_t r = 0; r < rows; ++r) {
      const Digit d = digit(*spec_, op_.w_bits, b.weights[r], slice);
      b.positive[r] = has_positive ? d.positive : 0;
      b.negative[r] = has_negative ? d.negative : 0;
      b.effective[r] += worth * (b.positive[r] - b.negative[r]);
    }
    if (pairs_) {
      add_line(b, b.positive, b.negative, worth, column_in_array(slice, 0));
      b.lines.back().column = at(col);
      continue;
    }
    if (has_positive) {
      add_line(b, b.positive, {}, worth, column_in_array(slice, 0));
      b.lines.back().column = at(col);
    }
    if (has_negative && per_digit == 2) {
      add_line(b, b.negative, {}, -worth, column_in_array(slice, 1));
      b.lines.back().column = at(col);
    }
  }
  b.corrected = biased_ && held(0, 0);
  if (b.corrected) {
    for (std::int64_t& e : b.effective) {
      e -= std::int64_t{1} << (op_.w_bits - 1);
    }
  }
}

void Array::add_line(Building& b,
                     std::span<const int> positive,
                     std::span<const int> negative,
                     std::int64_t place,
                     std::int64_t physical_column) const {
  Building::Line& line = b.lines.emplace_back();
  line.place = place;
  line.physical_column = physical_column;
  line.positive.assign(positive.begin(), positive.end());
  line.negative.assign(negative.begin(), negative.end());

  const std::int64_t input = largest(slices_.width);
  const auto top = static_cast<std::uint8_t>(panels_.top);
  const auto sum_of = [&](const std::vector<std::uint8_t>& cells, int g) {
    const auto first = cells.begin() + static_cast<std::ptrdiff_t>(g) * group_rows_;
    return std::accumulate(first, first + rows_of(g), std::int64_t{0});
  };
  for (int g = 0; g < row_groups_; ++g) {
    std::int64_t sum = sum_of(line.positive, g);
    const std::int64_t full = panels_.top * rows_of(g);
    const bool flip = spec_->weight_flip && 2 * sum > full;
    if (flip) {
      const auto first = line.positive.begin() + static_cast<std::ptrdiff_t>(g) * group_rows_;
      std::transform(first, first + rows_of(g), first, [top](std::uint8_t cell) {
        return static_cast<std::uint8_t>(top - cell);
      });
      sum = full - sum;
    }
    line.flipped.push_back(flip);
    line.may_clip = line.may_clip || could_clip(sum * input);
    if (!line.negative.empty()) {
      line.may_clip = line.may_clip || could_clip(-sum_of(line.negative, g) * input);
    }
  }
}

/// Here is where cell variation and stuck cells act.
void Array::build_physical(const Building& b, const Fragment& fragment, const ArrayName& name) {
  auto physical = std::make_unique<Physical>(*spec_);
  Physical& p = *physical;
  const std::size_t lines = b.lines.size() + (biased_ ? 1 : 0);
  p.levels.resize(at(op_.rows) * lines);
  p.key = mix(name.pe, name.write);
  const bool row_pairs = rows_per_digit(spec_->weight_mapping) == 2;
  for (std::size_t l = 0; l < b.lines.size(); ++l) {
    const Building::Line& line = b.lines[l];
    // The second of a pair is in the next row or in the next column.
    for (std::int64_t r = 0; r < op_.rows; ++r) {
      const std::int64_t row = row_pairs ? 2 * r : r;
      std::int32_t level = p.devices.programmed(line.positive[at(r)],
                                                {name.pe, name.write, row, line.physical_column});
      if (pairs_) {
        level -= p.devices.programmed(line.negative[at(r)],
                                      {name.pe,
                                       name.write,
                                       row + (row_pairs ? 1 : 0),
                                       line.physical_column + (row_pairs ? 0 : 1)});
      }
      p.levels[at(r) * lines + l] = level;
    }
    p.lines.push_back({line.column,
                       line.place,
                       p.flipped.size(),
                       static_cast<std::uint64_t>(line.physical_column)});
    p.converters.push_back(
        p.devices.converter(name.pe, at(line.physical_column) % at(spec_->adcs)));
    p.flipped.insert(p.flipped.end(), line.flipped.begin(), line.flipped.end());
  }
  if (biased_) {
    // The offset column is one for the row block, whichever array holds it (README, deviation 3):
    // it is named by the write and the block. A unit column belongs to its array.
    const bool own = spec_->weight_mapping == WeightMapping::biased_unit_column;
    const std::uint64_t block =
        mix(mix(name.write, at(fragment.group)), static_cast<std::uint64_t>(fragment.row));
    const std::uint64_t holder = own ? name.pe : block;
    p.unit_key = mix(holder, name.write);
    p.converters.push_back(p.devices.converter(holder, at(spec_->adcs)));
    for (std::int64_t r = 0; r < op_.rows; ++r) {
      p.levels[at(r) * lines + lines - 1] =
          p.devices.programmed(1, {holder, name.write, r, spec_->columns});
    }
  }
  std::vector<std::int64_t> sums(lines);
  std::int64_t most = 0;
  for (std::size_t r = 0; r < at(op_.rows); ++r) {
    for (std::size_t l = 0; l < lines; ++l) {
      sums[l] += std::abs(p.levels[r * lines + l]);
      most = std::max(most, sums[l]);
    }
  }
  p.fits_32 = most <= INT32_MAX >> slices_.width;
  physical_ = std::move(physical);
}

/// One conversion of a perfect converter: exact within its range.
std::int64_t Array::convert(std::int64_t current) const {
  return std::clamp(current, panels_.low, panels_.high);
}

/// Converted sum of the inputs, [row group][slice], as perfect devices have it.
std::vector<std::int64_t> Array::converted_ones(std::span<const std::int32_t> x) const {
  std::vector<std::int64_t> ones;
  for (int g = 0; g < row_groups_; ++g) {
    const auto own = x.subspan(at(g) * at(group_rows_), at(rows_of(g)));
    for (std::size_t s = 0; s < slices_.widths.size(); ++s) {
      std::int64_t sum = 0;
      for (const std::int32_t v : own) {
        sum += slice_of(v, slices_.lows[s], slices_.widths[s]);
      }
      ones.push_back(convert(sum));
    }
  }
  return ones;
}

/// Sum over row groups and slices of the converted sums of the inputs, at their place values.
std::int64_t Array::sum_of_ones(std::span<const std::int64_t> ones) const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < ones.size(); ++i) {
    const std::size_t s = i % slices_.lows.size();
    const std::int64_t worth = ones[i] * (std::int64_t{1} << slices_.lows[s]);
    sum += slices_.has_sign && s + 1 == slices_.lows.size() ? -worth : worth;
  }
  return sum;
}

/// Subtracts what the bias of the stored weights adds.
void Array::correct(std::int64_t sum_of_inputs, std::span<std::int64_t> y) const {
  const std::int64_t bias = sum_of_inputs * (std::int64_t{1} << (op_.w_bits - 1));
  for (std::size_t c = 0; c < y.size(); ++c) {
    y[c] -= corrected_[c] ? bias : 0;
  }
}

void Array::multiply(const Batch& batch) const {
  if (!fits_32_) {
    for (std::size_t i = 0; i < batch.stamps.size(); ++i) {
      const auto y = batch.output(i);
      const std::int32_t* w = effective_.data();
      for (const std::int64_t x : batch.input(i)) {
        for (std::int64_t& sum : y) {
          sum += x * *w++;
        }
      }
    }
    return;
  }
  std::vector<std::int32_t> sums(std::min(batch.stamps.size(), kAtOnce) * batch.cols);
  for (std::size_t first = 0; first < batch.stamps.size(); first += kAtOnce) {
    const std::size_t n = std::min(kAtOnce, batch.stamps.size() - first);
    product<std::int32_t>(op_.cols,
                          static_cast<std::ptrdiff_t>(n),
                          op_.rows,
                          effective_.data(),
                          {batch.input(first).data(), 1, static_cast<std::ptrdiff_t>(batch.x_step)},
                          sums.data());
    for (std::size_t i = 0; i < n; ++i) {
      const auto y = batch.output(first + i);
      std::transform(y.begin(),
                     y.end(),
                     sums.begin() + static_cast<std::ptrdiff_t>(i * y.size()),
                     y.begin(),
                     std::plus<>());
    }
  }
}

void Array::convert_all(const Batch& batch) const {
  InputPlanes input = slices_;
  const std::size_t slices = at(input.slices);
  const std::size_t words = at(panels_.words);
  const std::size_t slice_step = at(input.width) * words;
  const std::size_t step = at(row_groups_) * slices * slice_step;
  const std::size_t columns = at(panels_.panels) * kPanel;
  const std::size_t at_once = std::min(batch.stamps.size(), kAtOnce);
  std::vector<std::int64_t> result(at_once * columns);
  std::vector<std::uint8_t> bytes(words * kWordBits);
  for (std::size_t first = 0; first < batch.stamps.size(); first += at_once) {
    const std::size_t n = std::min(at_once, batch.stamps.size() - first);
    input.planes.assign(n * step, 0);
    input.ones.clear();
    for (std::size_t i = 0; i < n; ++i) {
      const auto x = batch.input(first + i);
      if (biased_) {
        const std::vector<std::int64_t> ones = converted_ones(x);
        input.ones.insert(input.ones.end(), ones.begin(), ones.end());
      }
      for (std::size_t g = 0; g < at(row_groups_); ++g) {
        const auto own = x.subspan(g * at(group_rows_), at(rows_of(static_cast<int>(g))));
        std::uint64_t* to = input.planes.data() + i * step + g * slices * slice_step;
        if (input.width == 1) {  // slice s is bit s, the sign too: eight slices a byte
          std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(own.size()), bytes.end(), 0);
          for (int low = 0; low < input.slices; low += 8) {
            std::transform(own.begin(), own.end(), bytes.begin(), [low](std::int32_t v) {
              return static_cast<std::uint8_t>(v >> low);
            });
            for (std::size_t w = 0; w < words; ++w) {
              transpose(bytes.data() + w * kWordBits,
                        std::min(8, input.slices - low),
                        to + at(low) * words + w,
                        words);
            }
          }
          continue;
        }
        for (std::size_t s = 0; s < slices; ++s, to += slice_step) {
          for (std::size_t r = 0; r < own.size(); ++r) {
            const auto bits = static_cast<std::uint32_t>(own[r]) >> input.lows[s];
            for (int bit = 0; bit < input.widths[s]; ++bit) {
              to[at(bit) * words + r / kWordBits] |= static_cast<std::uint64_t>(bits >> bit & 1U)
                                                     << (r % kWordBits);
            }
          }
        }
      }
    }
    crossbar::convert(panels_, input, static_cast<int>(n), result.data());
    for (std::size_t i = 0; i < n; ++i) {
      const auto y = batch.output(first + i);
      std::transform(y.begin(),
                     y.end(),
                     result.begin() + static_cast<std::ptrdiff_t>(i * columns),
                     y.begin(),
                     std::plus<>());
      if (biased_) {
        const std::size_t count = at(row_groups_) * slices;
        correct(sum_of_ones(std::span(input.ones).subspan(i * count, count)), y);
      }
    }
  }
}

/// Here is where read noise and the errors of converters act.
void Array::convert_physical(const Batch& batch) const {
  const Physical& p = *physical_;
  const std::size_t lines = p.converters.size();
  const std::size_t own_lines = p.lines.size();  // without the unit column, the last line
  const std::size_t slices = at(slices_.slices);
  const std::size_t rows = at(op_.rows);
  const std::size_t at_once = std::min(batch.stamps.size(), kAtOnce);
  const bool noisy = spec_->nonideal.read_noise > 0;
  const bool wrong = spec_->nonideal.adc_offset > 0 || spec_->nonideal.adc_gain > 0;
  std::vector<std::int32_t> x(at_once * rows);
  std::vector<std::int32_t> narrow(p.fits_32 ? at_once * lines : 0);
  std::vector<std::int64_t> value(lines);
  std::vector<std::int64_t> sums(at_once * lines);
  std::vector<std::uint64_t> keys(noisy ? at_once * lines : 0);  // of the reads of a line
  for (std::size_t first = 0; first < batch.stamps.size(); first += at_once) {
    const std::size_t n = std::min(at_once, batch.stamps.size() - first);
    std::fill(sums.begin(), sums.end(), 0);
    for (std::size_t i = 0; noisy && i < n; ++i) {
      const Stamp& stamp = batch.stamps[first + i];
      const auto stamped = [&stamp](std::uint64_t key) {
        return mix(mix(key, static_cast<std::uint64_t>(stamp.image)),
                   static_cast<std::uint64_t>(stamp.position));
      };
      const std::uint64_t key = stamped(p.key);
      for (std::size_t l = 0; l < own_lines; ++l) {
        keys[i * lines + l] = mix(key, p.lines[l].read);
      }
      if (biased_) {
        keys[i * lines + own_lines] = stamped(p.unit_key);
      }
    }
    for (std::size_t s = 0; s < slices; ++s) {
      for (std::size_t i = 0; i < n; ++i) {
        const auto in = batch.input(first + i);
        std::transform(in.begin(),
                       in.end(),
                       x.begin() + static_cast<std::ptrdiff_t>(i * rows),
                       [low = slices_.lows[s], width = slices_.widths[s]](std::int32_t v) {
                         return slice_of(v, low, width);
                       });
      }
      const bool negative = slices_.has_sign && s + 1 == slices;
      const std::int64_t worth = (negative ? -1 : 1) * (std::int64_t{1} << slices_.lows[s]);
      for (std::size_t g = 0; g < at(row_groups_); ++g) {
        const std::size_t first_row = g * at(group_rows_);
        const auto own_rows = at(rows_of(static_cast<int>(g)));
        const std::int32_t* levels = p.levels.data() + first_row * lines;
        const std::uint64_t read = g * slices + s;
        if (p.fits_32) {
          product<std::int32_t>(static_cast<std::ptrdiff_t>(lines),
                                static_cast<std::ptrdiff_t>(n),
                                static_cast<std::ptrdiff_t>(own_rows),
                                levels,
                                {x.data() + first_row, 1, static_cast<std::ptrdiff_t>(rows)},
                                narrow.data());
        }
        for (std::size_t i = 0; i < n; ++i) {
          if (p.fits_32) {
            std::copy_n(
                narrow.begin() + static_cast<std::ptrdiff_t>(i * lines), lines, value.begin());
          } else {
            std::fill(value.begin(), value.end(), 0);
            for (std::size_t r = 0; r < own_rows; ++r) {
              const std::int64_t v = x[i * rows + first_row + r];
              for (std::size_t l = 0; l < lines; ++l) {
                value[l] += v * levels[r * lines + l];
              }
            }
          }
          if (noisy) {
            for (std::size_t l = 0; l < lines; ++l) {
              value[l] += p.devices.noise(keys[i * lines + l], read);
            }
          }
          if (wrong) {
            for (std::size_t l = 0; l < lines; ++l) {
              value[l] = p.converters[l].steps(value[l]);
            }
          } else {
            for (std::int64_t& v : value) {
              v = Devices::Converter::perfect(v);
            }
          }
          for (std::int64_t& v : value) {
            v = convert(v);
          }
          if (spec_->weight_flip) {
            for (std::size_t l = 0; l < own_lines; ++l) {
              if (p.flipped[p.lines[l].flips + g]) {
                value[l] = panels_.top * value[own_lines] - value[l];
              }
            }
          }
          for (std::size_t l = 0; l < lines; ++l) {
            sums[i * lines + l] += worth * value[l];
          }
        }
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      const auto y = batch.output(first + i);
      const std::int64_t* sum = sums.data() + i * lines;
      for (std::size_t l = 0; l < own_lines; ++l) {
        y[p.lines[l].column] += sum[l] * p.lines[l].place;
      }
      if (biased_) {
        correct(sum[own_lines], y);
      }
    }
  }
}

void Array::fire(const Batch& batch, Converters converters) const {
  if (batch.rows != at(op_.rows) || batch.cols != at(op_.cols)) {
    throw InternalError("crossbar", -1, "input or output does not match the array");
  }
  if (converters == Converters::physical && physical_ != nullptr) {
    convert_physical(batch);
  } else if (converters == Converters::each ||
             (converters != Converters::ideal && clipping_columns_ > 0)) {
    convert_all(batch);
  } else {
    multiply(batch);
  }
}

void Array::fire(std::span<const std::int32_t> x,
                 std::span<std::int64_t> y,
                 Converters converters,
                 const Stamp& stamp) const {
  fire({std::span(&stamp, 1), x.size(), y.size(), x.data(), x.size(), y.data(), y.size()},
       converters);
}

}  // namespace tessera::arch::crossbar
