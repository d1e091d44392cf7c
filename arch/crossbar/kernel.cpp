// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Bit planes, conversions and the exact short cut; see kernel.hpp.
#include "arch/crossbar/kernel.hpp"

#include "arch/crossbar/coding.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace tessera::arch::crossbar {
namespace {

constexpr int kWordBits = 64;

bool subtracts_before_conversion(const Spec& spec) {
  return spec.weight_mapping == WeightMapping::differential_rows ||
         (spec.weight_mapping == WeightMapping::differential_columns &&
          spec.subtraction == Subtraction::analog);
}

/// Matrix rows in one read of a full array.
int rows_per_read(const Spec& spec) {
  return (spec.active_rows == 0 ? spec.rows : spec.active_rows) /
         rows_per_digit(spec.weight_mapping);
}

std::int64_t largest(int bits) {
  return (std::int64_t{1} << bits) - 1;
}

}  // namespace

int sufficient_adc_bits(const Spec& spec) {
  const std::int64_t rows = rows_per_read(spec);
  const std::int64_t input = largest(spec.dac_bits);
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

Array::Array(const Spec& spec,
             const Op& op,
             const Fragment& fragment,
             std::span<const std::int32_t> weights)
    : spec_(&spec),
      op_(op),
      pairs_(subtracts_before_conversion(spec)),
      biased_(is_biased(spec.weight_mapping)),
      group_rows_(std::min(op.rows, rows_per_read(spec))),
      slice_width_(std::min(op.in_bits, spec.dac_bits)) {
  const auto group_size =
      static_cast<std::size_t>(fragment.rows) * static_cast<std::size_t>(fragment.cols);
  if (op.rows != fragment.rows * fragment.groups || op.cols != fragment.cols * fragment.groups ||
      weights.size() != group_size * static_cast<std::size_t>(fragment.groups)) {
    throw InternalError("crossbar", -1, "weights do not match the fragment");
  }
  row_groups_ = ceil_div(op.rows, group_rows_);
  group_words_ = ceil_div(group_rows_, kWordBits);
  unit_may_clip_ = biased_ && convert(group_rows_ * largest(slice_width_)) !=
                                  group_rows_ * largest(slice_width_);

  std::vector<std::int32_t> column(static_cast<std::size_t>(op.rows));
  for (int col = 0; col < op.cols; ++col) {
    // Block diagonal: weight 0 outside the column's own group.
    std::fill(column.begin(), column.end(), 0);
    const int group = col / fragment.cols;
    const auto own =
        weights.subspan(static_cast<std::size_t>(col) * static_cast<std::size_t>(fragment.rows),
                        static_cast<std::size_t>(fragment.rows));
    std::copy(own.begin(),
              own.end(),
              column.begin() + static_cast<std::ptrdiff_t>(group) * fragment.rows);
    add_column(fragment, col, column);
  }
}

int Array::rows_of(int row_group) const {
  return std::min(group_rows_, op_.rows - row_group * group_rows_);
}

void Array::add_column(const Fragment& fragment, int col, std::span<const std::int32_t> weights) {
  const int slices = num_slices(*spec_, op_.w_bits);
  const bool adjacent = spec_->slice_placement == SlicePlacement::adjacent_columns;
  const int per_digit = columns_per_digit(spec_->weight_mapping);
  const std::int64_t place_of_column = fragment.groups > 1 ? col : fragment.col + col;
  // Place of a digit's column among the physical columns of the row block (layout.hpp); held when
  // inside the fragment's.
  const auto held = [&](int slice, int sign) {
    if (!adjacent && slice != fragment.slice) {
      return false;
    }
    const std::int64_t in_strand = adjacent ? place_of_column * slices + slice : place_of_column;
    const std::int64_t at = in_strand * per_digit + sign;
    return at >= fragment.cell_col && at < fragment.cell_col + fragment.cell_cols;
  };

  Column column;
  column.first_line = lines_.size();
  const std::size_t rows = weights.size();
  std::vector<std::int64_t> effective(rows, 0);
  std::vector<int> positive(rows);
  std::vector<int> negative(rows);
  for (int slice = 0; slice < slices; ++slice) {
    const bool has_positive = held(slice, 0);
    const bool has_negative = per_digit == 2 ? held(slice, 1) : has_positive;
    if (!has_positive && !has_negative) {
      continue;
    }
    const std::int64_t worth = place(*spec_, op_.w_bits, slice);
    for (std::size_t r = 0; r < rows; ++r) {
      const Digit d = digit(*spec_, op_.w_bits, weights[r], slice);
      positive[r] = has_positive ? d.positive : 0;
      negative[r] = has_negative ? d.negative : 0;
      effective[r] += worth * (positive[r] - negative[r]);
    }
    if (pairs_) {
      column.may_clip |= add_line(positive, negative, worth);
      continue;
    }
    if (has_positive) {
      column.may_clip |= add_line(positive, {}, worth);
    }
    if (has_negative && per_digit == 2) {
      column.may_clip |= add_line(negative, {}, -worth);
    }
  }
  column.end_line = lines_.size();
  if (biased_ && held(0, 0)) {
    column.corrected = true;
    for (std::int64_t& e : effective) {
      e -= std::int64_t{1} << (op_.w_bits - 1);
    }
  }
  const bool uses_unit = column.corrected || spec_->weight_flip;
  column.may_clip = column.may_clip || (uses_unit && unit_may_clip_);
  for (const std::int64_t e : effective) {
    effective_.push_back(static_cast<std::int32_t>(e));
  }
  columns_.push_back(column);
}

/// Programs one line; returns whether one of its conversions could clip.
bool Array::add_line(std::span<const int> positive,
                     std::span<const int> negative,
                     std::int64_t place) {
  Line line;
  line.cells = planes_.size();
  line.place = place;
  line.flips = flipped_.size();
  lines_.push_back(line);

  const std::int64_t input = largest(slice_width_);
  const int top = static_cast<int>(largest(spec_->cell_bits));
  std::vector<int> stored(positive.begin(), positive.end());
  bool may_clip = false;
  for (int g = 0; g < row_groups_; ++g) {
    const auto first = stored.begin() + static_cast<std::ptrdiff_t>(g) * group_rows_;
    const auto last = first + rows_of(g);
    std::int64_t sum = std::accumulate(first, last, std::int64_t{0});
    const std::int64_t full = std::int64_t{top} * rows_of(g);
    const bool flip = spec_->weight_flip && 2 * sum > full;
    if (flip) {
      std::transform(first, last, first, [top](int cell) { return top - cell; });
      sum = full - sum;
    }
    flipped_.push_back(flip);
    may_clip = may_clip || convert(sum * input) != sum * input;
    if (!negative.empty()) {
      const auto minus = negative.begin() + static_cast<std::ptrdiff_t>(g) * group_rows_;
      const std::int64_t subtracted = std::accumulate(minus, minus + rows_of(g), std::int64_t{0});
      may_clip = may_clip || convert(-subtracted * input) != -subtracted * input;
    }
  }
  pack(stored);
  if (pairs_) {
    pack(negative);
  }
  return may_clip;
}

void Array::pack(std::span<const int> cells) {
  for (int g = 0; g < row_groups_; ++g) {
    const auto own = cells.subspan(static_cast<std::size_t>(g * group_rows_),
                                   static_cast<std::size_t>(rows_of(g)));
    for (int bit = 0; bit < spec_->cell_bits; ++bit) {
      const std::size_t plane = planes_.size();
      planes_.resize(plane + static_cast<std::size_t>(group_words_), 0);
      for (std::size_t r = 0; r < own.size(); ++r) {
        const auto value = static_cast<std::uint64_t>(own[r] >> bit) & 1U;
        planes_[plane + r / kWordBits] |= value << (r % kWordBits);
      }
    }
  }
}

Array::Input Array::slice_input(std::span<const std::int32_t> x) const {
  Input input;
  const int slices = num_input_slices(*spec_, op_.in_bits, op_.in_signed);
  const auto words = static_cast<std::size_t>(group_words_);
  for (int s = 0; s < slices; ++s) {
    const bool sign = op_.in_signed && s == slices - 1;
    const int magnitude = op_.in_signed ? op_.in_bits - 1 : op_.in_bits;
    const int low = sign ? magnitude : s * spec_->dac_bits;
    const int width = sign ? 1 : std::min(spec_->dac_bits, magnitude - low);
    input.widths.push_back(width);
    input.places.push_back((sign ? -1 : 1) * (std::int64_t{1} << low));
    for (int g = 0; g < row_groups_; ++g) {
      const auto own = x.subspan(static_cast<std::size_t>(g * group_rows_),
                                 static_cast<std::size_t>(rows_of(g)));
      std::int64_t ones = 0;
      const std::size_t first = input.planes.size();
      input.planes.resize(first + words * static_cast<std::size_t>(slice_width_), 0);
      for (std::size_t r = 0; r < own.size(); ++r) {
        const auto bits = static_cast<std::uint32_t>(own[r]) >> low;
        for (int b = 0; b < width; ++b) {
          const std::uint64_t value = (bits >> b) & 1U;
          input.planes[first + static_cast<std::size_t>(b) * words + r / kWordBits] |=
              value << (r % kWordBits);
          ones += static_cast<std::int64_t>(value) << b;
        }
      }
      input.ones.push_back(biased_ ? convert(ones) : 0);
    }
  }
  return input;
}

/// Sum of cell * input over one row group: the column's current. Here is where cell variation,
/// drift and wire resistance act.
std::int64_t Array::read(std::size_t cells, const std::uint64_t* input, int width) const {
  const auto words = static_cast<std::size_t>(group_words_);
  std::int64_t current = 0;
  for (int j = 0; j < spec_->cell_bits; ++j) {
    const std::uint64_t* plane = planes_.data() + cells + static_cast<std::size_t>(j) * words;
    for (int i = 0; i < width; ++i) {
      const std::uint64_t* in = input + static_cast<std::size_t>(i) * words;
      std::int64_t count = 0;
      for (std::size_t w = 0; w < words; ++w) {
        count += std::popcount(plane[w] & in[w]);
      }
      current += count << (i + j);
    }
  }
  return current;
}

/// One conversion. Here is where converter offset, noise and non-linearity act.
std::int64_t Array::convert(std::int64_t current) const {
  return spec_->adc_bits == 0 ? current : clamp_to(current, spec_->adc_bits, pairs_);
}

std::int64_t Array::exact(std::size_t col, std::span<const std::int32_t> x) const {
  const std::int32_t* w = effective_.data() + col * x.size();
  std::int64_t sum = 0;
  for (std::size_t r = 0; r < x.size(); ++r) {
    sum += std::int64_t{w[r]} * x[r];
  }
  return sum;
}

std::int64_t Array::converted(const Column& column, const Input& input) const {
  const auto groups = static_cast<std::size_t>(row_groups_);
  const auto words = static_cast<std::size_t>(group_words_);
  const std::size_t cell_step = words * static_cast<std::size_t>(spec_->cell_bits);
  const std::size_t input_step = words * static_cast<std::size_t>(slice_width_);
  const std::int64_t top = largest(spec_->cell_bits);
  std::int64_t total = 0;
  for (std::size_t l = column.first_line; l < column.end_line; ++l) {
    const Line& line = lines_[l];
    std::int64_t sum = 0;
    for (std::size_t s = 0; s < input.places.size(); ++s) {
      const std::uint64_t* in = input.planes.data() + s * groups * input_step;
      std::int64_t digits = 0;
      for (std::size_t g = 0; g < groups; ++g, in += input_step) {
        std::int64_t current = read(line.cells + g * cell_step, in, input.widths[s]);
        if (pairs_) {
          current -= read(line.cells + (groups + g) * cell_step, in, input.widths[s]);
        }
        const std::int64_t value = convert(current);
        digits += flipped_[line.flips + g] ? top * input.ones[s * groups + g] - value : value;
      }
      sum += digits * input.places[s];
    }
    total += sum * line.place;
  }
  if (column.corrected) {
    std::int64_t sum = 0;
    for (std::size_t s = 0; s < input.places.size(); ++s) {
      for (std::size_t g = 0; g < groups; ++g) {
        sum += input.ones[s * groups + g] * input.places[s];
      }
    }
    total -= sum * (std::int64_t{1} << (op_.w_bits - 1));
  }
  return total;
}

void Array::fire(std::span<const std::int32_t> x,
                 std::span<std::int64_t> y,
                 Converters converters) const {
  if (x.size() != static_cast<std::size_t>(op_.rows) || y.size() != columns_.size()) {
    throw InternalError("crossbar", -1, "input or output does not match the array");
  }
  const bool any =
      std::any_of(columns_.begin(), columns_.end(), [](const Column& c) { return c.may_clip; });
  const bool convert_some =
      converters == Converters::each || (converters == Converters::clipping && any);
  const Input input = convert_some ? slice_input(x) : Input{};
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const bool by_conversion =
        convert_some && (converters == Converters::each || columns_[c].may_clip);
    y[c] += by_conversion ? converted(columns_[c], input) : exact(c, x);
  }
}

int Array::num_clipping_columns() const {
  const auto clips = [](const Column& c) { return c.may_clip; };
  return static_cast<int>(std::count_if(columns_.begin(), columns_.end(), clips));
}

}  // namespace tessera::arch::crossbar
