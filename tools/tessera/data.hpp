// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera data EXPERIMENT.yaml`: the images that an experiment trains and tests with, read,
/// checked and counted, as text or JSON.
///
/// Numbers  range, mean and standard deviation (of all numbers, not of a sample) are those after
///          normalization
/// Errors   InputError with the diagnostics of the readers
#pragma once

#include <string>
#include <vector>

namespace tessera::tools {

/// One row per split: images, range, mean, deviation, images per class.
std::string data_text(const std::string& path, const std::vector<std::string>& sets);

/// The same with mean and deviation of each channel, keys sorted.
std::string data_json(const std::string& path, const std::vector<std::string>& sets);

}  // namespace tessera::tools
