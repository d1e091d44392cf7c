// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Reading in three steps: lines into cells with places, cells into rows by the header's columns,
/// rows into losses per layer.
#include "mapper/accuracy/table.hpp"

#include "mapper/mapping_yaml.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{64} << 20U;

struct Cell {
  std::string text;
  Position at;
};

struct Row {
  std::vector<Cell> cells;
  Position at;
};

struct Column {
  std::string_view name;
  double low;
  double high;
  std::string_view range;
};

constexpr double kHuge = 1e300;

constexpr std::array<Column, 7> kColumns{{
    {"layer", 0, 0, ""},
    {"w_bits", 1, kMaxBits, "a whole number from 1 to 16"},
    {"a_bits", 1, kMaxBits, "a whole number from 1 to 16"},
    {"loss", -100, 100, "percentage points, -100 to 100"},
    {"trace", -kHuge, kHuge, "a number"},
    {"weight_rms", 0, kHuge, "a number, 0 or more"},
    {"input_loss", -kHuge, kHuge, "a number"},
}};

bool is_bits(const Column& column) {
  return column.high == kMaxBits;
}

/// Cells of one line between commas, without the spaces around them.
Row split(const std::shared_ptr<const SourceText>& source, int line) {
  const std::string& text = source->lines[static_cast<std::size_t>(line) - 1];
  Row row{{}, {source, line, 1}};
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::size_t first = begin;
    std::size_t last = end;
    while (first < last && std::isspace(static_cast<unsigned char>(text[first])) != 0) {
      ++first;
    }
    while (last > first && std::isspace(static_cast<unsigned char>(text[last - 1])) != 0) {
      --last;
    }
    row.cells.push_back(
        {text.substr(first, last - first), {source, line, static_cast<int>(first) + 1}});
    if (end == text.size()) {
      return row;
    }
    begin = end + 1;
  }
}

class Reader {
 public:
  Reader(std::string path,
         const Network& network,
         const LayerWidths& widths,
         Diagnostics& diagnostics)
      : path_(std::move(path)), widths_(widths), diagnostics_(diagnostics) {
    for (const LayerId id : matrix_layers(network)) {
      index_[network.layer(id).name] = names_.size();
      names_.push_back(network.layer(id).name);
    }
  }

  std::optional<Sensitivity> read(const std::function<std::vector<LayerNoise>()>& noise) {
    if (!read_rows() || !read_header()) {
      return std::nullopt;
    }
    const std::size_t errors = diagnostics_.errors().size();
    const bool is_table = has("loss");
    for (const Row& row : rows_) {
      read_row(row, is_table);
    }
    is_table ? check_widths() : check_layers();
    if (diagnostics_.errors().size() > errors) {
      return std::nullopt;
    }
    return is_table ? by_widths() : by_trace(noise());
  }

 private:
  /// What a row says, by column; NAN where the file has no such column.
  using Values = std::array<double, kColumns.size()>;

  struct Entry {
    Values values{};
    Position at;
  };

  static std::size_t column(std::string_view name) {
    const auto found = std::find_if(
        kColumns.begin(), kColumns.end(), [&](const Column& c) { return c.name == name; });
    return static_cast<std::size_t>(found - kColumns.begin());
  }

  [[nodiscard]] bool has(std::string_view name) const {
    return std::find(columns_.begin(), columns_.end(), column(name)) != columns_.end();
  }

  static double value(const Entry& entry, std::string_view name, double otherwise) {
    const double v = entry.values[column(name)];
    return std::isnan(v) ? otherwise : v;
  }

  bool report(std::string code,
              std::string sentence,
              const Position& at,
              std::string expected,
              std::string got,
              std::string hint = {},
              std::vector<Position> related = {}) {
    diagnostics_.error({std::move(code),
                        std::move(sentence),
                        at,
                        "search.accuracy.file",
                        std::move(expected),
                        std::move(got),
                        std::move(hint),
                        std::move(related)});
    return false;
  }

  bool read_rows() {
    auto source = std::make_shared<SourceText>();
    source->name = path_;
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path_, error);
    std::ifstream file(path_);
    if (error || !file) {
      return report("E-CFG-FILE",
                    "the sensitivity file cannot be read",
                    {source, 0, 0},
                    "a CSV file that exists and may be read",
                    quote(path_));
    }
    if (size > kMaxFileBytes) {
      return report("E-CFG-FILE",
                    "the sensitivity file is too large",
                    {source, 0, 0},
                    fmt::format("at most {} bytes", kMaxFileBytes),
                    fmt::format("{} bytes", size));
    }
    for (std::string line; std::getline(file, line);) {
      source->lines.push_back(line);
    }
    const std::shared_ptr<const SourceText> shared = std::move(source);
    for (int line = 1; line <= std::ssize(shared->lines); ++line) {
      Row row = split(shared, line);
      const std::string& first = row.cells.front().text;
      const bool blank = row.cells.size() == 1 && first.empty();
      if (!blank && !first.starts_with('#')) {
        rows_.push_back(std::move(row));
      }
    }
    source_ = shared;
    return true;
  }

  bool read_header() {
    constexpr const char* kExpected =
        "a first line 'layer,w_bits,a_bits,loss' or 'layer,trace' (further columns: weight_rms, "
        "input_loss)";
    if (rows_.empty()) {
      return report(
          "E-ACC-HEADER", "the sensitivity file is empty", {source_, 0, 0}, kExpected, "nothing");
    }
    std::vector<std::string> known;
    known.reserve(kColumns.size());
    for (const Column& c : kColumns) {
      known.emplace_back(c.name);
    }
    bool good = true;
    for (const Cell& cell : rows_.front().cells) {
      const std::size_t c = column(cell.text);
      if (c == kColumns.size()) {
        const std::string near = did_you_mean(cell.text, known);
        good = report("E-ACC-HEADER",
                      fmt::format("unknown column {}", quote(cell.text)),
                      cell.at,
                      "one of: " + join_keys(known),
                      quote(cell.text),
                      near.empty() ? "" : fmt::format("did you mean {}?", quote(near)));
      } else if (std::find(columns_.begin(), columns_.end(), c) != columns_.end()) {
        good = report("E-ACC-HEADER",
                      fmt::format("column {} appears twice", quote(cell.text)),
                      cell.at,
                      "every column once",
                      quote(cell.text));
      }
      columns_.push_back(c);
    }
    if (!good) {
      return false;
    }
    const bool table =
        columns_.size() == 4 && has("layer") && has("w_bits") && has("a_bits") && has("loss");
    const bool trace =
        has("layer") && has("trace") && !has("w_bits") && !has("a_bits") && !has("loss");
    if (!table && !trace) {
      good = report("E-ACC-HEADER",
                    "the columns do not make a sensitivity table",
                    rows_.front().at,
                    kExpected,
                    quote(source_->lines[static_cast<std::size_t>(rows_.front().at.line) - 1]));
    }
    rows_.erase(rows_.begin());
    return good;
  }

  void read_row(const Row& row, bool is_table) {
    if (row.cells.size() != columns_.size()) {
      report("E-ACC-FIELDS",
             "a row has the wrong number of values",
             row.at,
             fmt::format("{} values, one per column", columns_.size()),
             fmt::format("{}", row.cells.size()));
      return;
    }
    Entry entry{{}, row.at};
    entry.values.fill(std::nan(""));
    std::size_t layer = names_.size();
    bool good = true;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i] == column("layer")) {
        layer = find_layer(row.cells[i]);
      } else {
        good = read_value(row.cells[i], columns_[i], entry) && good;
      }
    }
    if (layer == names_.size()) {
      return;
    }
    if (!good) {
      damaged_.insert(layer);
      return;
    }
    const LayerBits bits = is_table ? bits_of(entry) : LayerBits{0, 0};
    const auto [first, is_new] = entries_.try_emplace({layer, bits.w_bits, bits.a_bits}, entry);
    if (!is_new) {
      report("E-ACC-DUPLICATE",
             is_table ? fmt::format("layer {} has two losses at {}/{} bits",
                                    quote(names_[layer]),
                                    bits.w_bits,
                                    bits.a_bits)
                      : fmt::format("layer {} has two rows", quote(names_[layer])),
             row.at,
             "one row",
             "a second one",
             "remove one of them",
             {first->second.at});
    }
  }

  std::size_t find_layer(const Cell& cell) {
    const auto found = index_.find(cell.text);
    if (found != index_.end()) {
      return found->second;
    }
    const std::string near = did_you_mean(cell.text, names_);
    report("E-ACC-LAYER",
           fmt::format("the network has no matrix layer {}", quote(cell.text)),
           cell.at,
           "one of: " + join_keys(names_),
           quote(cell.text),
           near.empty() ? "" : fmt::format("did you mean {}?", quote(near)));
    return names_.size();
  }

  bool read_value(const Cell& cell, std::size_t column, Entry& entry) {
    const Column& c = kColumns[column];
    double value = 0;
    const char* const end = cell.text.data() + cell.text.size();
    const auto [stop, error] = std::from_chars(cell.text.data(), end, value);
    const bool is_number = error == std::errc{} && stop == end && std::isfinite(value);
    if (!is_number || value < c.low || value > c.high ||
        (is_bits(c) && value != std::floor(value))) {
      return report("E-ACC-VALUE",
                    fmt::format("{} is {}", c.name, is_number ? "out of range" : "no number"),
                    cell.at,
                    std::string(c.range),
                    quote(cell.text));
    }
    entry.values[column] = value;
    return true;
  }

  static LayerBits bits_of(const Entry& entry) {
    return {static_cast<int>(value(entry, "w_bits", 0)),
            static_cast<int>(value(entry, "a_bits", 0))};
  }

  void check_widths() {
    for (std::size_t m = 0; m < names_.size(); ++m) {
      std::vector<std::string> missing;
      for (const LayerBits bits : widths_[m]) {
        if (!entries_.contains({m, bits.w_bits, bits.a_bits})) {
          missing.push_back(fmt::format("{}/{}", bits.w_bits, bits.a_bits));
        }
      }
      if (!missing.empty() && !damaged_.contains(m)) {
        report("E-ACC-MISSING",
               fmt::format("layer {} has no loss for {} of its {} pairs of widths",
                           quote(names_[m]),
                           missing.size(),
                           widths_[m].size()),
               {source_, 0, 0},
               "w_bits/a_bits " + join_keys(missing),
               "no row",
               "add the rows, or restrict the widths of the search");
      }
    }
  }

  void check_layers() {
    std::vector<std::string> missing;
    for (std::size_t m = 0; m < names_.size(); ++m) {
      if (!entries_.contains({m, 0, 0}) && !damaged_.contains(m)) {
        missing.push_back(names_[m]);
      }
    }
    if (!missing.empty()) {
      report("E-ACC-MISSING",
             fmt::format("{} of {} matrix layers have no trace", missing.size(), names_.size()),
             {source_, 0, 0},
             "rows for " + join_keys(missing),
             "no row");
    }
  }

  [[nodiscard]] Sensitivity by_widths() const {
    std::vector<std::vector<WidthLoss>> layers(names_.size());
    for (std::size_t m = 0; m < names_.size(); ++m) {
      for (const LayerBits bits : widths_[m]) {
        layers[m].push_back({bits, value(entries_.at({m, bits.w_bits, bits.a_bits}), "loss", 0)});
      }
    }
    return {"table", "percentage points", std::move(layers)};
  }

  [[nodiscard]] Sensitivity by_trace(const std::vector<LayerNoise>& noise) const {
    std::vector<std::vector<WidthLoss>> layers(names_.size());
    for (std::size_t m = 0; m < names_.size(); ++m) {
      const Entry& entry = entries_.at({m, 0, 0});
      const double rms = value(entry, "weight_rms", 1);
      const double per_weight_noise = value(entry, "trace", 0) / 2 * rms * rms;
      const double per_input_noise = value(entry, "input_loss", 0);
      const auto loss = [&](LayerBits bits) {
        return per_weight_noise * noise[m].weights[static_cast<std::size_t>(bits.w_bits) - 1] +
               per_input_noise * noise[m].inputs[static_cast<std::size_t>(bits.a_bits) - 1];
      };
      const double reference = loss(widest(widths_[m]));
      for (const LayerBits bits : widths_[m]) {
        layers[m].push_back({bits, loss(bits) - reference});
      }
    }
    return {"trace", "training loss", std::move(layers)};
  }

  std::string path_;
  const LayerWidths& widths_;
  Diagnostics& diagnostics_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t> index_;
  std::shared_ptr<const SourceText> source_;
  std::vector<std::size_t> columns_;  ///< indices into kColumns, in the order of the file
  std::vector<Row> rows_;
  /// By matrix layer, w_bits and a_bits; the widths are 0 in files with traces.
  std::map<std::tuple<std::size_t, int, int>, Entry> entries_;
  std::set<std::size_t> damaged_;  ///< layers with a row that could not be read
};

}  // namespace

std::optional<Sensitivity> load_sensitivity(const std::string& path,
                                            const Network& network,
                                            const LayerWidths& widths,
                                            const std::function<std::vector<LayerNoise>()>& noise,
                                            Diagnostics& diagnostics) {
  return Reader(path, network, widths, diagnostics).read(noise);
}

}  // namespace tessera::mapper
