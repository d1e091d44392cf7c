// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The sizes of codebooks that `quantization.choose` asks for, found with the weights and the
/// validation images of an experiment (workloads/quantization/choose.hpp).
///
/// Measure  the integer network with these codebooks on the validation images, at most 512: how
/// many
///          it answers right, and the mean squared difference of its outputs from the real ones
/// Errors   InputError: E-QUANT-CHOOSE (no validation images; the largest sizes lose more than the
///          budget), E-QUANT-FORMAT
#pragma once

#include "tools/tessera/experiment.hpp"
#include "workloads/quantization/choose.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::tools {

/// Nothing without `choose` or without weights. Else the sizes become those of
/// `experiment.quantization.layers`, and the network knows them. The answer is a sentence about
/// them, or empty.
std::string choose_codebooks(Experiment& experiment);

/// What one neuron of a layer holds: its product table and a code per weight
/// (workloads/quantization/choose.hpp).
struct NeuronStorage {
  std::string layer;
  CodebookSizes sizes;  ///< all integers of the width where there is no codebook
  std::int64_t neurons = 0;
  double bytes = 0.0;
};

/// Per layer with weights when PEs hold codes (kind lut); empty for other chips.
std::vector<NeuronStorage> neuron_storage(const Experiment& experiment);

/// A table with the mean over all neurons; empty without rows.
std::string storage_text(const std::vector<NeuronStorage>& layers);

}  // namespace tessera::tools
