// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The result of a run: everything computed from it once (Report), and result.json made of that.
///
/// Format   schema 1: keys sorted, numbers in shortest form that reads back the same, whole numbers
/// without
///          fraction, what was not measured is null, a 64-bit digest is 16 hexadecimal digits in a
///          string. README.md lists every key.
/// Repeats  two identical runs differ in the group `simulation` only
#pragma once

#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/report/account.hpp"
#include "sim/report/statistics.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::report {

/// What a report is made of; all of it outlives the report.
struct ResultInputs {
  std::string chip;        ///< name
  const Network& network;  ///< as simulated: with the mapping's bit widths
  const Program& program;
  const RunOptions& options;
  const RunStats& stats;
  const PriceList& prices;
  FabricUse fabric;
  LoadUse load;
  Analysis analysis;
};

struct Report {
  ResultInputs in;
  Statistics statistics;
  Account account;
  std::vector<Check> checks;

  [[nodiscard]] bool ok() const;  ///< every check holds

  /// Years until the first cells are worn out when the chip goes on at the measured throughput;
  /// empty without one, or when nothing wears.
  [[nodiscard]] std::optional<double> years_until_worn() const;

  /// Name of the sort of tile that a stage works on; empty for a stage that is on no tile.
  [[nodiscard]] std::string group_of(std::size_t stage) const;
};

Report make_report(ResultInputs in);

/// Content of result.json, with a line end.
std::string result_json(const Report& report);

}  // namespace tessera::report
