// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A mixed-integer linear program as plain data; nothing hides in the solver.
///
/// Bounds   -infinity and +infinity are allowed: a row with two finite bounds is a range, with
/// equal
///          ones an equation
/// Errors   check() lists what is wrong: such a model is a mistake of its builder, not of the user
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace tessera::mapper::milp {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

enum class Domain { continuous, integer, binary };

/// A variable. A binary one has bounds within [0, 1].
struct Column {
  std::string name;
  double lower = 0;
  double upper = kInfinity;
  Domain domain = Domain::continuous;
  double cost = 0;
};

struct Term {
  int column = 0;
  double coefficient = 0;
};

/// lower <= sum of coefficient * column <= upper.
struct Row {
  std::string name;
  double lower = -kInfinity;
  double upper = kInfinity;
  std::vector<Term> terms;
};

enum class Sense { minimize, maximize };

struct MilpModel {
  std::string name;
  Sense sense = Sense::minimize;
  std::vector<Column> columns;
  std::vector<Row> rows;

  /// The index of the new column.
  int add(Column column);
  void add(Row row);

  [[nodiscard]] double value(const std::vector<double>& values) const;

  /// How far `values` lie outside bounds, integrality and rows: the largest violation, relative to
  /// the size of the bound where that is above 1.
  [[nodiscard]] double violation(const std::vector<double>& values) const;
};

/// One sentence per mistake: names that are empty, longer than 255 bytes or used twice, indices
/// that do not exist or appear twice in a row, numbers that are no numbers, bounds the wrong way
/// round, fractional bounds of integers, infinite costs and coefficients.
std::vector<std::string> check(const MilpModel& model);

/// Names for the LP format: letters, digits, '_' and '.', not beginning like a number; still
/// different from each other.
std::vector<std::string> lp_names(const std::vector<std::string>& names);

}  // namespace tessera::mapper::milp
