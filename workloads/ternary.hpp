// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Seeded random ternary weights of a given sparsity, until trained ones are there; and what a
/// ternary network asks for in additions.
///
/// Numbers  of n weights, round((1 - sparsity) * n) are not zero, at random places, each +1 or -1
///          at random. Bias and multiplier are those of synthetic_parameters(), the bias with the
///          sums of these weights, the multiplier scaled by sqrt(2/3 / (1 - sparsity)): quantize()
///          expects weights that are uniform in -1, 0, 1.
/// Streams  "ternary/<layer>", and those of synthetic_parameters()
/// Errors   E-NET-SPARSITY from check_sparsity(); InternalError elsewhere
#pragma once

#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

inline constexpr int kTernaryBits = 2;  ///< of a ternary weight

/// Why `sparsity` is none, or empty: it is the share of weights that are zero, in [0, 1].
std::string sparsity_problem(double sparsity);

/// `count` weights, round((1 - sparsity) * count) of them not zero.
std::vector<std::int32_t> ternary_weights(std::int64_t count,
                                          double sparsity,
                                          std::uint64_t seed,
                                          const std::string& stream);

/// Parameters of one matrix layer of a quantized network.
LayerParameters ternary_parameters(const Network& network,
                                   LayerId layer,
                                   std::uint64_t seed,
                                   double sparsity);

/// What the convolutions of a network ask of rows that all add at once: closed form, nothing is
/// drawn.
struct TernaryWork {
  std::int64_t weights = 0;
  std::int64_t macs = 0;
  std::int64_t most_row_groups = 0;  ///< largest ceil(positions / rows) of a layer
  std::int64_t simd_adds = 0;        ///< round((1 - sparsity) * weights)
  std::int64_t simd_row_adds = 0;    ///< each counted once per row group
  std::int64_t scalar_adds = 0;      ///< round((1 - sparsity) * macs)
};

TernaryWork ternary_conv_work(const Network& network, double sparsity, int rows);

}  // namespace tessera
