// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/milp/model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

namespace tessera::mapper::milp {
namespace {

constexpr std::size_t kMaxName = 255;  // of GLPK

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

class Check {
 public:
  void name(std::string_view sort, const std::string& name, std::set<std::string>& seen) {
    if (name.empty()) {
      say("a {} has no name", sort);
    } else if (name.size() > kMaxName) {
      say("the name of {} '{}...' has more than {} bytes", sort, name.substr(0, 20), kMaxName);
    } else if (!seen.insert(name).second) {
      say("two {}s are called '{}'", sort, name);
    }
  }

  void bounds(std::string_view sort, const std::string& name, double lower, double upper) {
    if (std::isnan(lower) || std::isnan(upper) || lower == kInfinity || upper == -kInfinity) {
      say("{} '{}' has a bound that is no number", sort, name);
    } else if (lower > upper) {
      say("{} '{}' has a lower bound {} above its upper bound {}", sort, name, lower, upper);
    }
  }

  template <typename... T>
  void say(fmt::format_string<T...> text, T&&... values) {
    found.push_back(fmt::format(text, std::forward<T>(values)...));
  }

  std::vector<std::string> found;
};

bool fractional(double bound) {
  return std::isfinite(bound) && bound != std::floor(bound);
}

}  // namespace

int MilpModel::add(Column column) {
  columns.push_back(std::move(column));
  return static_cast<int>(columns.size()) - 1;
}

void MilpModel::add(Row row) {
  rows.push_back(std::move(row));
}

double MilpModel::value(const std::vector<double>& values) const {
  double sum = 0;
  for (std::size_t j = 0; j < columns.size(); ++j) {
    sum += columns[j].cost * values[j];
  }
  return sum;
}

double MilpModel::violation(const std::vector<double>& values) const {
  double worst = 0;
  const auto outside = [&](double value, double lower, double upper) {
    const double under = lower == -kInfinity ? 0 : (lower - value) / std::max(1.0, std::abs(lower));
    const double over = upper == kInfinity ? 0 : (value - upper) / std::max(1.0, std::abs(upper));
    worst = std::max({worst, under, over});
  };
  for (std::size_t j = 0; j < columns.size(); ++j) {
    outside(values[j], columns[j].lower, columns[j].upper);
    if (columns[j].domain != Domain::continuous) {
      worst = std::max(worst, std::abs(values[j] - std::round(values[j])));
    }
  }
  for (const Row& row : rows) {
    double sum = 0;
    for (const Term& term : row.terms) {
      sum += term.coefficient * values[static_cast<std::size_t>(term.column)];
    }
    outside(sum, row.lower, row.upper);
  }
  return worst;
}

std::vector<std::string> check(const MilpModel& model) {
  Check out;
  std::set<std::string> columns;
  for (const Column& column : model.columns) {
    out.name("column", column.name, columns);
    out.bounds("column", column.name, column.lower, column.upper);
    if (!std::isfinite(column.cost)) {
      out.say("column '{}' has a cost that is no finite number", column.name);
    }
    if (column.domain != Domain::continuous &&
        (fractional(column.lower) || fractional(column.upper))) {
      out.say("column '{}' is an integer with a fractional bound", column.name);
    }
    if (column.domain == Domain::binary && (column.lower < 0 || column.upper > 1)) {
      out.say("column '{}' is binary with bounds outside 0 and 1", column.name);
    }
  }
  std::set<std::string> rows;
  const auto size = static_cast<int>(model.columns.size());
  for (const Row& row : model.rows) {
    out.name("row", row.name, rows);
    out.bounds("row", row.name, row.lower, row.upper);
    std::set<int> used;
    for (const Term& term : row.terms) {
      if (term.column < 0 || term.column >= size) {
        out.say("row '{}' names column {} of {}", row.name, term.column, size);
      } else if (!used.insert(term.column).second) {
        out.say("row '{}' names column {} twice", row.name, term.column);
      }
      if (!std::isfinite(term.coefficient)) {
        out.say("row '{}' has a coefficient that is no finite number", row.name);
      }
    }
  }
  return std::move(out.found);
}

std::vector<std::string> lp_names(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    std::string clean;
    for (const char c : name.substr(0, kMaxName - 24)) {
      clean += is_word(c) ? c : '_';
    }
    // "e9" is the end of a number, ".5" a number.
    if (clean.empty() || !std::isalpha(static_cast<unsigned char>(clean[0])) || clean[0] == 'e' ||
        clean[0] == 'E') {
      clean.insert(0, "n_");
    }
    std::string unique = clean;
    for (int again = 2; !seen.insert(unique).second; ++again) {
      unique = fmt::format("{}_{}", clean, again);
    }
    out.push_back(std::move(unique));
  }
  return out;
}

}  // namespace tessera::mapper::milp
