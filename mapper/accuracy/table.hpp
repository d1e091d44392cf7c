// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Reads a user's measured sensitivities, one CSV file with a header; the columns, in any order,
/// say which of two sorts it is:
///
///   layer,w_bits,a_bits,loss           loss of this layer alone at these widths, percentage points
///   layer,trace[,weight_rms][,input_loss]
///     loss = trace / 2 * weight_rms^2 * [nsr_w(w_bits) - nsr_w(widest)]
///          + input_loss * [nsr_a(a_bits) - nsr_a(widest)]
///
/// trace       of the Hessian of the training loss by the layer's weights (the sum of its
///             eigenvalues, not their mean); weight_rms is the root mean square of the weights it
///             was taken at, 1 when the column is missing. weight_rms^2 * nsr_w is their mean
///             squared quantization error, nsr as in sqnr.hpp
/// input_loss  loss per noise-to-signal ratio of the layer's input; without the column the
///             activations' widths cost nothing
/// Format   every matrix layer of the network and every pair of widths exactly once, in any order;
///          further widths are not read. Lines that are empty or begin with # are skipped; spaces
///          around values do not count; nothing is quoted
/// Errors   all at once: E-CFG-FILE, E-ACC-HEADER, E-ACC-FIELDS (too many or few values),
///          E-ACC-VALUE, E-ACC-LAYER (unknown), E-ACC-DUPLICATE, E-ACC-MISSING
/// Source   HAWQ-V2 (NeurIPS 2020): Omega = mean(trace) * |Q(W) - W|^2, here with the 1/2 of the
///          second-order Taylor term, which makes it the expected rise of the training loss
#pragma once

#include "mapper/accuracy/sensitivity.hpp"
#include "mapper/accuracy/sqnr.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper {

/// Nothing when there was an error. `noise` is asked only by files with traces.
std::optional<Sensitivity> load_sensitivity(const std::string& path,
                                            const Network& network,
                                            const LayerWidths& widths,
                                            const std::function<std::vector<LayerNoise>()>& noise,
                                            Diagnostics& diagnostics);

}  // namespace tessera::mapper
