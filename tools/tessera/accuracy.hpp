// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera accuracy EXPERIMENT.yaml`: the accuracy of a network with given weights on the same
/// images, from real numbers down to the chip, and what each step costs.
///
/// Rows     real      the network in real numbers (FloatExecutor)
///          fake      fake-quantized by torch (tessera-train predict); left out without torch, and
///          for quantized files, whose integers
///                    torch does not see
///          integer   the golden integer executor
///          ideal     the mapped chip with unlimited converters: the integers, bit for bit
///          clipping  converters clip as wide as they are
///          physical  and devices vary; one run per seed, when the chip's spec says they do
/// Answer   of an image: the class of the largest output, the first of equal ones
/// Checks   ideal == integer in every output of every image, else exit status 1
/// Rounding an image on which fake and integer differ is explained when the distance between the
///          two best classes of `fake` is at most twice the largest difference of an output
/// Errors   InputError: E-ACCURACY-WEIGHTS, E-ACCURACY-SWEEP, those of the readers and the mapper
#pragma once

#include "sim/api/program.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/experiment.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tools {

struct AccuracyRow {
  std::string name;
  std::vector<int> answers;     ///< per image; of the first seed
  std::vector<double> percent;  ///< per seed
  std::int64_t lost = 0;        ///< images that the row before has right and this one wrong
  std::int64_t won = 0;         ///< the other way round
  std::string cause;            ///< of what differs from the row before

  [[nodiscard]] double mean() const;
  [[nodiscard]] double lowest() const;
  [[nodiscard]] double highest() const;
};

struct Accuracy {
  std::string split;
  std::vector<std::int32_t> labels;
  std::vector<AccuracyRow> rows;
  bool exact = true;                   ///< ideal == integer
  std::int64_t rounding = 0;           ///< images on which fake and integer differ
  std::int64_t explained = 0;          ///< of those, by rounding
  std::int64_t conversion_layers = 0;  ///< matrix layers whose conversions could clip
  std::int64_t matrix_layers = 0;

  [[nodiscard]] const AccuracyRow* find(const std::string& name) const;
};

struct AccuracyOptions {
  std::string split = "test";
  std::int64_t images = 0;  ///< 0: all
  std::int64_t seeds = 3;
  int threads = 1;
  std::vector<std::string> sets;  ///< for tessera-train, which reads the experiment itself
};

/// `experiment` has weights and images; `program` is its mapping, lowered.
Accuracy measure_accuracy(const Experiment& experiment,
                          const Program& program,
                          const AccuracyOptions& options);

/// Throws what the images lack; E-DATA-EMPTY when `split` has none. Reads them unless they are
/// read.
void require_images(const Experiment& experiment, const std::string& split);

/// Throws E-ACCURACY-WEIGHTS, and what the images lack; E-DATA-EMPTY when `split` has none.
void require_weights(const Experiment& experiment, const std::string& split = {});

/// The table of rows.
std::string accuracy_text(const Accuracy& accuracy);

/// accuracy.json
std::string accuracy_json(const Accuracy& accuracy);

/// What is said when Accuracy::exact is false.
inline constexpr const char* kNotExact =
    "self-check failed: the ideal chip and the integers differ\n";

/// The command. Returns the exit status.
int accuracy_experiment(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
