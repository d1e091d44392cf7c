// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which codebooks each layer gets: the smallest tables that an error allows.
///
/// Bits     of a neuron: a product table of w u entries, w_bits + a_bits wide, and a code of
///          ceil(log2 w) bits per weight; all neurons of all layers add up. u is that of the tensor
///          the layer reads, which all its readers share
/// Search   greedy. From the largest sizes on, the step of one codebook to the next smaller size
///          whose noise is least for the bits that it saves, as long as the accuracy allows it; a
///          codebook whose step is refused keeps its size. What a step adds to the noise is
///          measured with all other codebooks at their largest, accuracy with the sizes as they are
/// Errors   none
#pragma once

#include "workloads/network.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace tessera {

/// Codebooks of one matrix layer: of its weights and of its input.
struct CodebookSizes {
  std::int64_t w = 0;
  std::int64_t u = 0;

  bool operator==(const CodebookSizes&) const = default;
};

struct CodebookError {
  double noise = 0.0;     ///< mean squared error of the outputs, in any unit
  double accuracy = 1.0;  ///< share of images answered right
};

/// Per layer of codebook_layers().
using CodebookMeasure = std::function<CodebookError(const std::vector<CodebookSizes>&)>;

struct CodebookChoice {
  std::vector<CodebookSizes> sizes;  ///< per layer of codebook_layers()
  CodebookError error;               ///< with them
  std::int64_t bits = 0;             ///< of all neurons
  std::int64_t measured = 0;         ///< how often `measure` was asked
};

/// Layers with weights, in network order.
std::vector<LayerId> codebook_layers(const Network& network);

/// Table and codes of one neuron (column) of a layer whose network has widths.
std::int64_t neuron_bits(const Network& network, LayerId layer, const CodebookSizes& sizes);

/// `sizes` are not empty. Where the largest ones miss `least_accuracy`, a share, they are the
/// choice.
CodebookChoice choose_codebooks(const Network& network,
                                std::vector<std::int64_t> sizes,
                                double least_accuracy,
                                const CodebookMeasure& measure);

}  // namespace tessera
