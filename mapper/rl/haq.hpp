// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The rules of HAQ's environment, as pure functions: what the agent sees, what its actions mean,
/// and how a proposal is brought within a budget.
///
/// Source   HAQ, lib/env/linear_quantize_env.py, lib/utils/utils.py: measure_layer; CIM-AQ (RWTH)
/// for
///          the layer types and the rule of the cell width. Deviations: README.md
#pragma once

#include "mapper/rl/agent.hpp"
#include "workloads/network.hpp"
#include "workloads/quantize.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace tessera::mapper::rl {

/// One layer as the agent sees it:
///   0 type                  HAQ: 1 for depthwise convolutions, else 0; CIM-AQ: 0 convolution,
///                           1 depthwise, 2 fully connected or projection, 3 attention product
///   1 input channels        of a fully connected layer all its inputs
///   2 output channels
///   3 stride                0 unless a convolution
///   4 kernel height         1 unless a convolution
///   5 weights
///   6 input positions       of a fully connected layer all its inputs, as HAQ counts them
///   7 index
///   8 previous action       bits / largest bits; 1 at the start
///   9 step                  1 weights, 0 activations
using FeatureRow = std::array<double, kStateSize>;

enum class LayerTypes { haq, cim_aq };

/// One row per matrix layer, in network order, as counted.
std::vector<FeatureRow> count_features(const Network& network, LayerTypes types);

/// Every column scaled to [0, 1] over the layers; a column of equal values stays as it is.
std::vector<FeatureRow> normalize(std::vector<FeatureRow> rows);

/// What the agent sees before it chooses the weights (or activations) of a layer.
State state_of(const FeatureRow& normalized, double previous_action, bool is_weights);

/// round((max - min + 1) * action + min - 0.5), halves to even; HAQ then returns max + 1 for
/// action 1 when max is odd, we do not.
int action_to_bits(double action, int min, int max);

/// CIM-AQ: min(int(count * action), count - 1), an index into the allowed widths.
std::size_t action_to_index(double action, std::size_t count);

/// Widths that a layer may have, each list rising and not empty.
struct AllowedWidths {
  std::vector<int> w_bits;
  std::vector<int> a_bits;
};

enum class Lower { activations_and_weights, weights };

/// HAQ's walk: sweeps from the last layer to the first, one width at a time and activations before
/// weights, until fits(bits). False, with every width at its least, when that is not enough. A
/// layer whose width is prescribed has a list of one width and is passed over.
///
/// fits must stay true as widths shrink; the walk's end is then found by bisection, with one call
/// of fits for every halving of the walk.
bool walk_until(std::span<const AllowedWidths> widths,
                Lower lower,
                std::vector<LayerBits>& bits,
                const std::function<bool(const std::vector<LayerBits>&)>& fits);

}  // namespace tessera::mapper::rl
