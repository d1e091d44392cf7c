// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// tessera-train, the program that has torch: it stands in the folder of this one, so that nothing
/// here links or loads torch.
///
/// Errors   InputError: E-TRAIN-PROGRAM when this build came without it; what it reports itself is
///          on standard error, and its exit status is passed on
#pragma once

#include "tools/tessera/experiment.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tessera::tools {

/// Its path; nothing when Tessera was built without torch.
std::optional<std::string> train_program();

/// Throws when there is none.
std::string require_train_program();

/// Runs it to its end and returns its exit status. Standard input is empty; what it prints goes
/// where this program prints, or nowhere when `silent`. A signal that ends this program ends that
/// one first.
int call_train_program(const std::vector<std::string>& arguments, bool silent);

/// A shell command that measures the accuracy of widths (mapper/accuracy/command.hpp): the weights
/// of `experiment`, which was read with `sets`, fine-tuned and measured. Answers are kept in the
/// folder `cache`.
std::string evaluate_command(const Experiment& experiment,
                             const std::vector<std::string>& sets,
                             const std::string& cache);

}  // namespace tessera::tools
