// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The bits of an RNA block; see kernel.hpp.
#include "arch/lut/kernel.hpp"

#include "arch/lut/layout.hpp"
#include "arch/lut/naf.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace tessera::arch::lut {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::uint64_t mask_of(int bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

std::uint64_t nor(std::uint64_t a, std::uint64_t b) {
  return ~(a | b);
}

/// What codes stand for, ascending: all integers, or the ones that occur when there are fewer
/// codes.
std::vector<std::int32_t> code_values(std::span<const std::int32_t> values,
                                      int bits,
                                      bool is_signed,
                                      int codes) {
  const std::int64_t most = num_codes(bits, codes);
  std::vector<std::int32_t> book;
  if (most == std::int64_t{1} << bits) {
    for (std::int64_t v = min_value(bits, is_signed); v <= max_value(bits, is_signed); ++v) {
      book.push_back(static_cast<std::int32_t>(v));
    }
    return book;
  }
  book.assign(values.begin(), values.end());
  std::sort(book.begin(), book.end());
  book.erase(std::unique(book.begin(), book.end()), book.end());
  if (std::ssize(book) > most) {
    throw InternalError(
        "lut",
        -1,
        std::to_string(book.size()) + " different numbers and " + std::to_string(most) + " codes");
  }
  return book;
}

std::size_t code_of(const std::vector<std::int32_t>& book, std::int32_t v) {
  return at(std::lower_bound(book.begin(), book.end(), v) - book.begin());
}

/// Sum and carry of three words, bit by bit: the full adder of nine NORs.
std::pair<std::uint64_t, std::uint64_t> full_adder(std::uint64_t a,
                                                   std::uint64_t b,
                                                   std::uint64_t c) {
  const std::uint64_t neither = nor(a, b);
  const std::uint64_t equal = nor(nor(a, neither), nor(b, neither));
  const std::uint64_t lacking = nor(equal, c);  // one of a and b, and no c
  return {nor(nor(equal, lacking), nor(c, lacking)), nor(neither, lacking)};
}

}  // namespace

std::int64_t table_entry(const Widths& widths, std::int32_t w, std::int32_t x) {
  return round_shift(std::int64_t{w} * x, widths.dropped);
}

std::int64_t wrapped(std::int64_t v, int bits) {
  const int unused = 64 - bits;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << unused) >> unused;
}

Block::Block(const Spec& spec, const Op& op, std::span<const std::int32_t> weights)
    : op_(op),
      widths_(widths(spec, op.w_bits, op.in_bits, op.rows)),
      counter_bits_(spec.counter_bits),
      weights_(weights.begin(), weights.end()) {
  if (weights.size() != at(std::int64_t{op.rows} * op.cols)) {
    throw InternalError("lut", -1, "the weights are not those of the fragment");
  }
  const std::int64_t w_codes = num_codes(op.w_bits, op.w_codes);
  const std::int64_t at_once = codes_at_once(spec, op);
  codes_.reserve(weights_.size());
  std::vector<std::int64_t> buffers(at(w_codes));
  for (std::size_t first = 0; first < weights_.size(); first += at(op.rows)) {
    const std::span column = std::span(weights_).subspan(first, at(op.rows));
    const std::vector<std::int32_t> book = code_values(column, op.w_bits, true, op.w_codes);
    std::fill(buffers.begin(), buffers.end(), 0);
    for (const std::int32_t w : column) {
      codes_.push_back(static_cast<std::uint32_t>(code_of(book, w)));
      ++buffers[codes_.back()];
    }
    std::int64_t increments = 0;
    for (std::int64_t turn = 0; turn < w_codes; turn += at_once) {
      increments += *std::max_element(buffers.begin() + turn,
                                      buffers.begin() + std::min(turn + at_once, w_codes));
    }
    in_turns_.push_back(increments);
  }
}

std::vector<Counted> Block::count(std::span<const std::int32_t> x) const {
  const std::vector<std::int32_t> book = code_values(x, op_.in_bits, op_.in_signed, op_.in_codes);
  std::vector<std::uint32_t> codes;
  codes.reserve(x.size());
  for (const std::int32_t v : x) {
    codes.push_back(static_cast<std::uint32_t>(code_of(book, v)));
  }
  const std::int64_t below = (std::int64_t{1} << counter_bits_) - 1;
  std::vector<std::int64_t> counts(book.size() * at(num_codes(op_.w_bits, op_.w_codes)));
  std::vector<std::size_t> counted;
  std::vector<Counted> columns;
  for (std::size_t c = 0; c < in_turns_.size(); ++c) {
    const std::uint32_t* w = codes_.data() + c * x.size();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t pair = w[i] * book.size() + codes[i];
      if (counts[pair]++ == 0) {
        counted.push_back(pair);
      }
    }
    Counted column{in_turns_[c], 0};
    for (const std::size_t pair : counted) {
      const std::int64_t times = std::exchange(counts[pair], 0);
      column.increments += times >> counter_bits_;
      column.addends += (times >> counter_bits_) + num_naf_digits(times & below);
    }
    counted.clear();
    columns.push_back(column);
  }
  return columns;
}

void Block::fire(std::span<const std::int32_t> x, std::span<std::int64_t> y, bool ideal) const {
  if (x.size() != at(op_.rows) || y.size() != at(op_.cols)) {
    throw InternalError("lut", -1, "the vectors are not those of the fragment");
  }
  const std::int32_t* w = weights_.data();
  for (std::int64_t& column : y) {
    std::int64_t sum = 0;
    if (ideal || widths_.dropped == 0) {
      for (const std::int32_t v : x) {
        sum += std::int64_t{*w++} * v;
      }
    } else {
      for (const std::int32_t v : x) {
        sum += table_entry(widths_, *w++, v);
      }
    }
    column += ideal ? sum : wrapped(sum, widths_.sum) * (std::int64_t{1} << widths_.dropped);
  }
}

Added nor_sum(std::span<const std::uint64_t> words, int bits, std::int64_t at_once) {
  const std::uint64_t mask = mask_of(bits);
  Added added;
  std::vector<std::uint64_t> held;
  std::size_t taken = 0;
  while (taken < words.size() || held.size() > 2) {
    while (taken < words.size() && std::ssize(held) < at_once) {
      held.push_back(words[taken++] & mask);
    }
    while (held.size() > 2) {
      std::vector<std::uint64_t> next;
      std::size_t i = 0;
      for (; i + 3 <= held.size(); i += 3) {
        const auto [sum, carry] = full_adder(held[i], held[i + 1], held[i + 2]);
        next.push_back(sum & mask);
        next.push_back(carry << 1 & mask);
        added.add_bits += bits;
      }
      next.insert(next.end(), held.begin() + static_cast<std::ptrdiff_t>(i), held.end());
      held = std::move(next);
      ++added.stages;
    }
  }
  held.resize(2, 0);
  std::uint64_t carry = 0;
  for (int bit = 0; bit < bits; ++bit) {
    const auto [sum, out] = full_adder(held[0] >> bit & 1, held[1] >> bit & 1, carry);
    added.sum |= (sum & 1) << bit;
    carry = out & 1;
  }
  added.add_bits += bits;
  return added;
}

Neuron neuron(const Spec& spec,
              const Op& op,
              std::span<const std::int32_t> weights,
              std::span<const std::int32_t> x,
              std::int64_t bias) {
  if (weights.size() != at(op.rows) || x.size() != at(op.rows)) {
    throw InternalError("lut", -1, "the vectors are not those of the column");
  }
  const Widths wide = widths(spec, op.w_bits, op.in_bits, op.rows);
  const std::vector<std::int32_t> w_book = code_values(weights, op.w_bits, true, op.w_codes);
  const std::vector<std::int32_t> x_book = code_values(x, op.in_bits, op.in_signed, op.in_codes);
  const std::int64_t w_codes = num_codes(op.w_bits, op.w_codes);
  const std::int64_t x_codes = num_codes(op.in_bits, op.in_codes);
  const std::int64_t at_once = codes_at_once(spec, op);
  const std::int64_t full = std::int64_t{1} << spec.counter_bits;

  // One buffer of input codes per weight code.
  std::vector<std::vector<std::size_t>> buffers(at(w_codes));
  for (std::size_t i = 0; i < x.size(); ++i) {
    buffers[code_of(w_book, weights[i])].push_back(code_of(x_book, x[i]));
  }
  Neuron result;
  std::vector<std::uint64_t> words;
  const auto add = [&](std::int64_t w_code, std::int64_t x_code, int shift, bool negative) {
    const std::int64_t entry = table_entry(wide, w_book[at(w_code)], x_book[at(x_code)]);
    const std::uint64_t word = static_cast<std::uint64_t>(entry) << shift;
    words.push_back(negative ? 0 - word : word);
  };
  std::vector<std::int64_t> counters(at(x_codes));
  for (std::int64_t first = 0; first < w_codes; first += at_once) {  // one turn
    std::int64_t longest = 0;
    for (std::int64_t w = first; w < std::min(first + at_once, w_codes); ++w) {
      std::fill(counters.begin(), counters.end(), 0);
      longest = std::max(longest, static_cast<std::int64_t>(std::ssize(buffers[at(w)])));
      for (const std::size_t code : buffers[at(w)]) {
        if (++counters[code] == full) {  // counts on from zero
          counters[code] = 0;
          add(w, static_cast<std::int64_t>(code), spec.counter_bits, false);
          ++result.overflows;
        }
      }
      for (std::int64_t code = 0; code < x_codes; ++code) {
        for (const SignedPower& digit : naf(counters[at(code)])) {
          add(w, code, digit.shift, digit.negative);
        }
      }
    }
    result.increments += longest;
  }
  result.increments += result.overflows;
  result.addends = std::ssize(words);
  words.push_back(static_cast<std::uint64_t>(bias));
  const Added added = nor_sum(words, wide.sum, spec.rows);
  result.sum = wrapped(static_cast<std::int64_t>(added.sum), wide.sum);
  result.stages = added.stages;
  result.add_bits = added.add_bits;
  return result;
}

}  // namespace tessera::arch::lut
