// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/text.hpp"

#include "sim/base/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace tessera {

namespace {

constexpr std::array<config::Unit, 11> kAnyPrefix{{{"f", -15},
                                                   {"p", -12},
                                                   {"n", -9},
                                                   {"u", -6},
                                                   {"m", -3},
                                                   {"", 0},
                                                   {"k", 3},
                                                   {"M", 6},
                                                   {"G", 9},
                                                   {"T", 12},
                                                   {"P", 15}}};

/// Decimal digits of |value| without point: value = 0.DIGITS * 10^exponent.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal decimal_of(double value, int digits) {
  std::array<char, 64> buffer{};
  const double magnitude = std::abs(value);
  const int precision = std::min(digits, 17) - 1;
  const auto result = digits > 0 ? std::to_chars(buffer.data(),
                                                 buffer.data() + buffer.size(),
                                                 magnitude,
                                                 std::chars_format::scientific,
                                                 precision)
                                 : std::to_chars(buffer.data(),
                                                 buffer.data() + buffer.size(),
                                                 magnitude,
                                                 std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(result.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  Decimal out;
  for (const char c : text.substr(0, e)) {
    if (c != '.') {
      out.digits += c;
    }
  }
  while (out.digits.size() > 1 && out.digits.back() == '0') {
    out.digits.pop_back();
  }
  std::string_view exponent = text.substr(e + 1);
  if (exponent.front() == '+') {
    exponent.remove_prefix(1);
  }
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), out.exponent);
  out.exponent += 1;
  return out;
}

/// The decimal, moved by 10^-shift, in positional notation.
std::string positional(const Decimal& d, int shift) {
  const int point = d.exponent - shift;
  const int size = static_cast<int>(d.digits.size());
  if (point <= 0) {
    return "0." + std::string(static_cast<std::size_t>(-point), '0') + d.digits;
  }
  if (point >= size) {
    return d.digits + std::string(static_cast<std::size_t>(point - size), '0');
  }
  const auto split = static_cast<std::size_t>(point);
  return d.digits.substr(0, split) + "." + d.digits.substr(split);
}

}  // namespace

std::string format_si(double value, std::string_view unit, int digits) {
  if (!std::isfinite(value)) {
    return fmt::format("{} {}", value, unit);
  }
  if (value == 0) {
    return fmt::format("0 {}", unit);
  }
  const Decimal d = decimal_of(value, digits);
  std::span<const config::Unit> units = config::units_of(unit);
  const bool known = !units.empty();
  if (!known) {
    units = kAnyPrefix;
  }
  // The largest unit that leaves a digit before the point, else the smallest there is.
  const config::Unit* best = nullptr;
  for (const config::Unit& one : units) {
    const bool fits = d.exponent - one.exponent >= 1;
    const bool best_fits = best != nullptr && d.exponent - best->exponent >= 1;
    if (best == nullptr || (fits && (!best_fits || one.exponent > best->exponent)) ||
        (!fits && !best_fits && one.exponent < best->exponent)) {
      best = &one;
    }
  }
  // Far from every prefix the exponent is written out.
  const int point = d.exponent - best->exponent;
  std::string number;
  if (point < -5 || point > 15) {
    number = d.digits.substr(0, 1);
    number += d.digits.size() > 1 ? "." + d.digits.substr(1) : "";
    number += fmt::format("e{}", point - 1);
  } else {
    number = positional(d, best->exponent);
  }
  return fmt::format(
      "{}{} {}{}", value < 0 ? "-" : "", number, best->name, known ? std::string_view{} : unit);
}

std::string format_bits(Bits bits) {
  std::string best = fmt::format("{} b", bits.value);
  for (const config::DataUnit& one : config::data_units()) {
    if (bits.value == 0 || bits.value % one.bits != 0) {
      continue;
    }
    std::string text = fmt::format("{} {}", bits.value / one.bits, one.name);
    // The shortest; of equals the larger binary unit, which comes later in the list.
    if (text.size() < best.size() || (one.binary && text.size() == best.size())) {
      best = std::move(text);
    }
  }
  return best;
}

std::string format_number(double value) {
  constexpr double kExact = 1e15;
  if (std::abs(value) < kExact && value == std::trunc(value)) {
    return fmt::format("{}", static_cast<std::int64_t>(value));
  }
  return fmt::format("{}", value);
}

std::string join_keys(std::span<const std::string_view> keys, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i == limit) {
      return out + ", ...";
    }
    out += i == 0 ? "" : ", ";
    out += keys[i];
  }
  return out;
}

std::string join_keys(const std::vector<std::string>& keys, std::size_t limit) {
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  return join_keys(views, limit);
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  if (text.size() <= kLongest) {
    return "'" + std::string(text) + "'";
  }
  std::size_t end = kLongest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return "'" + std::string(text.substr(0, end)) + "...'";
}

}  // namespace tessera
