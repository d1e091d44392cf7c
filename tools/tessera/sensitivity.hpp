// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera sensitivity EXPERIMENT.yaml`: what narrow widths of one layer cost while the others
/// stay wide, as a table that a search reads (mapper/accuracy/README.md).
///
/// measured  percentage points on the validation images after the short training of
///           train.evaluate, for each layer and each width of `search.bits`: weights alone, inputs
///           alone. The loss of a pair of widths is the sum of the two
/// noise     rise of 1 / SQNR of weights and inputs, in percent (mapper/accuracy/sqnr.hpp)
/// hessian   traces by Hutchinson's method, made by tessera-train
/// Errors    InputError: E-ACCURACY-WEIGHTS (measured and hessian need weights), E-TRAIN-PROGRAM
#pragma once

#include "tools/tessera/command_line.hpp"

namespace tessera::tools {

/// Returns the exit status.
int sensitivity_of_experiment(const CommandLine& line, Diagnostics diagnostics);

}  // namespace tessera::tools
