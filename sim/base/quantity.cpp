// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace tessera::config {

namespace {

constexpr std::array<Unit, 6> kTime{
    {{"s", 0}, {"ms", -3}, {"us", -6}, {"ns", -9}, {"ps", -12}, {"fs", -15}}};
constexpr std::array<Unit, 7> kEnergy{
    {{"J", 0}, {"mJ", -3}, {"uJ", -6}, {"nJ", -9}, {"pJ", -12}, {"fJ", -15}, {"aJ", -18}}};
constexpr std::array<Unit, 5> kPower{{{"W", 0}, {"mW", -3}, {"uW", -6}, {"nW", -9}, {"pW", -12}}};
constexpr std::array<Unit, 4> kFrequency{{{"Hz", 0}, {"kHz", 3}, {"MHz", 6}, {"GHz", 9}}};
constexpr std::array<Unit, 3> kArea{{{"m2", 0}, {"mm2", -6}, {"um2", -12}}};
constexpr std::array<DataUnit, 7> kData{{{"b", 1, true},
                                         {"B", 8, true},
                                         {"KiB", 8LL << 10, true},
                                         {"MiB", 8LL << 20, true},
                                         {"GiB", 8LL << 30, true},
                                         {"kB", 8'000, false},
                                         {"MB", 8'000'000, false}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t skip_digits(std::string_view text, std::size_t from) {
  while (from < text.size() && is_digit(text[from])) {
    ++from;
  }
  return from;
}

std::string_view without_plus(std::string_view text) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
  }
  return text;
}

}  // namespace

std::span<const Unit> units_of(std::string_view base) {
  if (base == "s") {
    return kTime;
  }
  if (base == "J") {
    return kEnergy;
  }
  if (base == "W") {
    return kPower;
  }
  if (base == "Hz") {
    return kFrequency;
  }
  if (base == "m2") {
    return kArea;
  }
  return {};
}

std::span<const DataUnit> data_units() {
  return kData;
}

NumberText split_number(std::string_view text) {
  std::size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::size_t first_digit = i;
  i = skip_digits(text, i);
  std::size_t digits = i - first_digit;
  NumberText out;
  out.whole = true;
  if (i < text.size() && text[i] == '.') {
    const std::size_t end = skip_digits(text, i + 1);
    digits += end - i - 1;
    i = end;
    out.whole = false;
  }
  if (digits == 0) {
    return {{}, text, false};
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    const std::size_t sign = i + 1 < text.size() && (text[i + 1] == '-' || text[i + 1] == '+');
    const std::size_t end = skip_digits(text, i + 1 + sign);
    if (end > i + 1 + sign) {
      i = end;
      out.whole = false;
    }
  }
  out.number = text.substr(0, i);
  while (i < text.size() && text[i] == ' ') {
    ++i;
  }
  out.rest = text.substr(i);
  return out;
}

ParsedReal parse_decimal(std::string_view number, int exponent) {
  number = without_plus(number);
  const std::size_t e = number.find_first_of("eE");
  std::string text(number.substr(0, e));
  if (e != std::string_view::npos) {
    // Far outside any double, but safe to add to.
    constexpr int kClip = 1'000'000;
    const std::string_view written = without_plus(number.substr(e + 1));
    int value = 0;
    const auto [end, error] =
        std::from_chars(written.data(), written.data() + written.size(), value);
    if (error == std::errc::result_out_of_range) {
      value = written.front() == '-' ? -kClip : kClip;
    } else if (error != std::errc{} || end != written.data() + written.size()) {
      return {};
    }
    exponent += std::clamp(value, -kClip, kClip);
  }
  text += "e" + std::to_string(exponent);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) {
    return {0, ParseStatus::out_of_range};
  }
  if (error != std::errc{} || end != text.data() + text.size()) {
    return {};
  }
  return {value, std::isfinite(value) ? ParseStatus::ok : ParseStatus::out_of_range};
}

ParsedInteger parse_whole(std::string_view number) {
  number = without_plus(number);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc::result_out_of_range) {
    return {0, ParseStatus::out_of_range};
  }
  if (error != std::errc{} || end != number.data() + number.size()) {
    return {};
  }
  return {value, ParseStatus::ok};
}

ParsedInteger parse_data(const NumberText& text, std::int64_t bits) {
  if (text.whole) {
    const ParsedInteger n = parse_whole(text.number);
    if (n.status != ParseStatus::ok) {
      return n;
    }
    if (n.value > INT64_MAX / bits || n.value < INT64_MIN / bits) {
      return {0, ParseStatus::out_of_range};
    }
    return {n.value * bits, ParseStatus::ok};
  }
  const ParsedReal n = parse_decimal(text.number, 0);
  if (n.status != ParseStatus::ok) {
    return {0, n.status};
  }
  constexpr double kExact = 9007199254740992.0;  // 2^53: beyond, a double may not be exact
  const double total = n.value * static_cast<double>(bits);
  if (std::abs(total) > kExact) {
    return {0, ParseStatus::out_of_range};
  }
  if (total != std::trunc(total)) {
    return {};
  }
  return {static_cast<std::int64_t>(total), ParseStatus::ok};
}

}  // namespace tessera::config
