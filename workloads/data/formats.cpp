// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/formats.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace tessera::data {

namespace {

constexpr std::size_t kMaxCellErrors = 20;
constexpr std::size_t kMaxColumns = 1U << 24U;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += fmt::format("{}{:02x}", out.empty() ? "" : " ", static_cast<unsigned char>(c));
  }
  return out.empty() ? "nothing" : out;
}

std::optional<DType> idx_type(char code) {
  switch (code) {
    case 0x08:
      return DType::u1;
    case 0x09:
      return DType::i1;
    case 0x0B:
      return DType::i2;
    case 0x0C:
      return DType::i4;
    case 0x0D:
      return DType::f4;
    case 0x0E:
      return DType::f8;
    default:
      return std::nullopt;
  }
}

// ---- CSV ----------------------------------------------------------------------------------------

/// Cells of a line without blanks and quotation marks around them.
std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  std::size_t begin = 0;
  while (begin <= line.size()) {
    const std::size_t end = std::min(line.find(',', begin), line.size());
    std::string_view cell = line.substr(begin, end - begin);
    const std::size_t first = cell.find_first_not_of(" \t\r");
    cell = first == std::string_view::npos ? std::string_view{} : cell.substr(first);
    cell = cell.substr(0, cell.find_last_not_of(" \t\r") + 1);
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') {
      cell = cell.substr(1, cell.size() - 2);
    }
    cells.push_back(cell);
    begin = end + 1;
  }
  return cells;
}

class CsvReader {
 public:
  CsvReader(std::string_view bytes, const CsvSpec& spec, Reporter& reporter, const Limits& limits)
      : rest_(bytes), spec_(spec), reporter_(reporter), limits_(limits) {}

  std::optional<Labelled> read() {
    if (rest_.substr(0, 3) == "\xef\xbb\xbf") {
      rest_.remove_prefix(3);
    }
    bool first = true;
    while (errors_ < kMaxCellErrors) {
      const std::optional<std::vector<std::string_view>> cells = next_row();
      if (!cells) {
        break;
      }
      if (first && !start(*cells)) {
        return std::nullopt;
      }
      if (!first || !spec_.header) {
        add(*cells);
      }
      first = false;
    }
    if (errors_ > 0) {
      return std::nullopt;
    }
    if (labels_.empty()) {
      reporter_.error("E-DATA-EMPTY", "there is no image in it", "a row per image", "no rows");
      return std::nullopt;
    }
    const std::int64_t rows = std::ssize(labels_);
    const std::int64_t values = static_cast<std::int64_t>(columns_) - 1;
    return Labelled{make_array({rows, values}, values_), make_array({rows}, labels_)};
  }

 private:
  /// The next row that is not blank.
  std::optional<std::vector<std::string_view>> next_row() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++line_;
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
        return cells_of(line);
      }
    }
    return std::nullopt;
  }

  /// Looks at the first row: how many columns there are, and which is the label.
  bool start(const std::vector<std::string_view>& cells) {
    columns_ = cells.size();
    if (columns_ < 2 || columns_ > kMaxColumns) {
      reporter_.error("E-DATA-CELL",
                      fmt::format("line {} is no image", line_),
                      "a label and at least one number, with commas between them",
                      fmt::format("{} column{}", columns_, columns_ == 1 ? "" : "s"));
      return false;
    }
    std::size_t number = 0;
    const char* end = spec_.label.data() + spec_.label.size();
    const auto [rest, error] = std::from_chars(spec_.label.data(), end, number);
    if (spec_.label == "first") {
      label_ = 0;
    } else if (spec_.label == "last") {
      label_ = columns_ - 1;
    } else if (error == std::errc() && rest == end && number >= 1 && number <= columns_) {
      label_ = number - 1;
    } else {
      const auto named = std::find(cells.begin(), cells.end(), spec_.label);
      if (!spec_.header || named == cells.end()) {
        reporter_.error("E-DATA-SOURCE",
                        "there is no such column for the label",
                        fmt::format("first, last, 1 to {}{}",
                                    columns_,
                                    spec_.header ? ", or a name of the header" : ""),
                        quote(spec_.label),
                        "csv.label and csv.header say how the table is written");
        return false;
      }
      label_ = static_cast<std::size_t>(named - cells.begin());
    }
    return true;
  }

  void add(const std::vector<std::string_view>& cells) {
    if (cells.size() != columns_) {
      fail("E-DATA-CELL",
           fmt::format("line {} has another number of columns", line_),
           fmt::format("{}, as in the first row", columns_),
           std::to_string(cells.size()));
      return;
    }
    for (std::size_t c = 0; c < columns_; ++c) {
      const float value = number(cells[c], c);
      (c == label_ ? labels_ : values_).push_back(value);
    }
    if (values_.size() * sizeof(float) > limits_.max_bytes) {
      fail("E-DATA-SIZE",
           "too many numbers",
           fmt::format("at most {}", limits_.max_bytes / sizeof(float)),
           "more");
      errors_ = kMaxCellErrors;
    }
  }

  float number(std::string_view cell, std::size_t column) {
    const char* begin = cell.data() + (cell.substr(0, 1) == "+" ? 1 : 0);
    const char* end = cell.data() + cell.size();
    double value = 0;
    const auto [rest, error] = std::from_chars(begin, end, value);
    const std::string place = fmt::format("line {}, column {}", line_, column + 1);
    if (rest != end || cell.empty() || error == std::errc::invalid_argument) {
      fail("E-DATA-CELL", place + " is no number", "a number", quote(cell));
      return 0;
    }
    if (error != std::errc() || !std::isfinite(static_cast<float>(value))) {
      fail("E-DATA-VALUE",
           place + " is no finite number",
           "a number that fits 32 bits",
           quote(cell));
      return 0;
    }
    return static_cast<float>(value);
  }

  void fail(std::string code, const std::string& what, std::string expected, std::string got) {
    ++errors_;
    std::string hint;
    if (errors_ == kMaxCellErrors) {
      hint = "reading stopped here; there may be more";
    } else if (line_ == 1 && !spec_.header && code == "E-DATA-CELL") {
      hint = "csv: {header: true} says that the first row has names";
    }
    reporter_.error(std::move(code), what, std::move(expected), std::move(got), std::move(hint));
  }

  std::string_view rest_;
  const CsvSpec& spec_;
  Reporter& reporter_;
  const Limits& limits_;
  std::size_t line_ = 0;
  std::size_t columns_ = 0;
  std::size_t label_ = 0;
  std::size_t errors_ = 0;
  std::vector<float> values_;
  std::vector<float> labels_;
};

}  // namespace

std::optional<Array> parse_idx(std::string_view bytes, Reporter& reporter, const Limits& limits) {
  const std::optional<DType> type =
      bytes.size() >= 4 && bytes[0] == 0 && bytes[1] == 0 ? idx_type(bytes[2]) : std::nullopt;
  const std::size_t rank = type ? static_cast<unsigned char>(bytes[3]) : 0;
  if (!type || rank == 0 || rank > kMaxDimensions) {
    reporter.error("E-DATA-FORMAT",
                   "neither IDX nor NPY",
                   "two bytes 0, type of number (08 to 0e) and number of dimensions, or \\x93NUMPY",
                   hex(bytes.substr(0, 4)));
    return std::nullopt;
  }
  const std::size_t header = 4 + 4 * rank;
  std::vector<std::int64_t> shape;
  std::uint64_t wanted = size_of(*type);
  bool huge = bytes.size() < header;
  for (std::size_t d = 0; d < rank && !huge; ++d) {
    std::uint32_t extent = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      extent = (extent << 8U) | static_cast<unsigned char>(bytes[4 + 4 * d + i]);
    }
    shape.push_back(extent);
    wanted *= extent;
    huge = wanted > limits.max_bytes;  // so the next product stays below 2^64
  }
  const std::uint64_t there = bytes.size() - std::min(bytes.size(), header);
  if (huge || wanted != there) {
    reporter.error(
        "E-DATA-SIZE",
        fmt::format("the sizes [{}] do not match the bytes behind them", fmt::join(shape, ", ")),
        huge ? fmt::format("a header, and at most {} bytes", limits.max_bytes)
             : fmt::format("{} bytes", wanted),
        fmt::format("{} bytes", there));
    return std::nullopt;
  }
  Array out{std::move(shape), *type, std::vector<std::byte>(there)};
  const std::size_t width = size_of(*type);
  for (std::size_t i = 0; i < there; ++i) {
    out.bytes[i - i % width + (width - 1 - i % width)] = static_cast<std::byte>(bytes[header + i]);
  }
  return out;
}

std::optional<Labelled> parse_csv(std::string_view bytes,
                                  const CsvSpec& spec,
                                  Reporter& reporter,
                                  const Limits& limits) {
  return CsvReader(bytes, spec, reporter, limits).read();
}

std::optional<Labelled> parse_cifar10(std::string_view bytes, Reporter& reporter) {
  constexpr std::size_t kPixels = std::size_t{3} * 32 * 32;
  constexpr std::size_t kRecord = 1 + kPixels;
  const std::size_t count = bytes.size() / kRecord;
  if (bytes.size() % kRecord != 0 || count == 0) {
    reporter.error("E-DATA-SIZE",
                   "no whole number of CIFAR-10 images",
                   fmt::format("a multiple of {} bytes", kRecord),
                   fmt::format("{} bytes", bytes.size()));
    return std::nullopt;
  }
  const auto images = static_cast<std::int64_t>(count);
  Labelled out{{{images, 3, 32, 32}, DType::u1, std::vector<std::byte>(count * kPixels)},
               {{images}, DType::u1, std::vector<std::byte>(count)},
               Layout::chw};
  for (std::size_t i = 0; i < count; ++i) {
    out.labels.bytes[i] = static_cast<std::byte>(bytes[i * kRecord]);
    std::memcpy(out.images.bytes.data() + i * kPixels, bytes.data() + i * kRecord + 1, kPixels);
  }
  return out;
}

}  // namespace tessera::data
