// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// An external program as accuracy source: this is how a trained model is plugged in.
///
/// The command runs under /bin/sh for every new list of widths. It reads one JSON object from
/// standard input
///   {"network": "resnet18", "layers": [{"name": "conv1", "w_bits": 8, "a_bits": 8}, ...]}
/// with the matrix layers in network order, and prints the accuracy in percent to standard output:
/// a number, or {"accuracy": number}. Standard error is its log.
///
/// Loss     accuracy at the widest widths, asked first, minus accuracy: percentage points
/// Errors   InputError, with the last lines of the log: E-ACC-COMMAND (does not run, exit status
///          other than 0, killed), E-ACC-TIMEOUT, E-ACC-OUTPUT (no number, outside 0..100, too much
///          output, or a fraction where percent are due)
/// Limits   the command and all that it started is killed at the time-out, and what is left of it
///          when it ends; 64 KiB of output
#pragma once

#include "mapper/accuracy/sensitivity.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::mapper {

struct CommandOptions {
  std::string command;    ///< for /bin/sh -c
  double timeout = 3600;  ///< seconds, of one run
  Position at;            ///< where the command was written; what diagnostics point to
};

class CommandAccuracy final : public AccuracySource {
 public:
  CommandAccuracy(const Network& network, const LayerWidths& widths, CommandOptions options);

  [[nodiscard]] std::string name() const override { return "command"; }

  [[nodiscard]] std::string unit() const override { return "percentage points"; }

  double loss(std::span<const LayerBits> bits) override;

  /// Percent. Runs the command once for every list of widths.
  double accuracy(std::span<const LayerBits> bits);

  /// How often the command ran.
  [[nodiscard]] std::int64_t runs() const { return runs_; }

 private:
  [[nodiscard]] std::string request(std::span<const LayerBits> bits) const;
  [[nodiscard]] double ask(std::span<const LayerBits> bits) const;

  std::string network_;
  std::vector<std::string> layers_;
  std::vector<LayerBits> widest_;
  CommandOptions options_;
  std::optional<double> reference_;
  std::map<std::vector<int>, double> known_;
  std::int64_t runs_ = 0;
};

}  // namespace tessera::mapper
