// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/ternary.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace tessera {
namespace {

std::int64_t nonzero_of(std::int64_t count, double sparsity) {
  return std::llround((1.0 - sparsity) * static_cast<double>(count));
}

}  // namespace

std::string sparsity_problem(double sparsity) {
  return sparsity >= 0.0 && sparsity <= 1.0
             ? ""
             : fmt::format("a sparsity of {} is not in [0, 1]", sparsity);
}

std::vector<std::int32_t> ternary_weights(std::int64_t count,
                                          double sparsity,
                                          std::uint64_t seed,
                                          const std::string& stream) {
  const std::string problem = sparsity_problem(sparsity);
  if (!problem.empty()) {
    throw InternalError("workloads/ternary", -1, problem);
  }
  std::vector<std::int32_t> weights(static_cast<std::size_t>(count), 0);
  std::int64_t needed = nonzero_of(count, sparsity);
  Rng rng(seed, stream);
  // Each place is taken with the probability that the rest needs it: all choices are equally
  // likely, and the number is exact.
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t left = count - static_cast<std::int64_t>(i);
    if (rng.uniform(0, left - 1) < needed) {
      --needed;
      weights[i] = rng.uniform(0, 1) == 0 ? -1 : 1;
    }
  }
  return weights;
}

LayerParameters ternary_parameters(const Network& network,
                                   LayerId id,
                                   std::uint64_t seed,
                                   double sparsity) {
  const Layer& layer = network.layer(id);
  LayerParameters p = synthetic_parameters(network, id, seed);
  const MatrixShape m = matrix_shape(network, id);
  const auto rows = static_cast<std::ptrdiff_t>(m.rows);
  const std::vector<std::int32_t> weights = ternary_weights(
      static_cast<std::int64_t>(p.weights.size()), sparsity, seed, "ternary/" + layer.name);
  if (layer.has_bias || layer.has_batch_norm) {
    for (std::size_t c = 0; c < p.bias.size(); ++c) {
      const auto sum = [&](const std::vector<std::int32_t>& w) {
        const auto first = w.begin() + static_cast<std::ptrdiff_t>(c) * rows;
        return w.empty() ? 0 : std::accumulate(first, first + rows, std::int64_t{0});
      };
      p.bias[c] += round_shift(layer.center * sum(p.weights), 8) -
                   round_shift(layer.center * sum(weights), 8);
    }
  }
  p.weights = weights;
  if (sparsity < 1.0 && layer.multiplier > 1) {
    const double scale = std::sqrt(2.0 / 3.0 / (1.0 - sparsity));
    for (std::int32_t& v : p.multiplier) {
      const double wide = std::round(scale * v);
      v = static_cast<std::int32_t>(
          std::min(wide, static_cast<double>(std::numeric_limits<std::int32_t>::max())));
    }
  }
  return p;
}

TernaryWork ternary_conv_work(const Network& network, double sparsity, int rows) {
  TernaryWork work;
  double row_adds = 0;
  for (const LayerId id : matrix_layers(network)) {
    if (network.layer(id).kind != LayerKind::conv) {
      continue;
    }
    const MatrixShape m = matrix_shape(network, id);
    const std::int64_t weights = m.rows * m.cols * m.groups;
    const std::int64_t row_groups = ceil_div(m.positions, std::int64_t{rows});
    work.weights += weights;
    work.macs += m.macs();
    work.most_row_groups = std::max(work.most_row_groups, row_groups);
    row_adds += (1.0 - sparsity) * static_cast<double>(weights * row_groups);
  }
  work.simd_adds = nonzero_of(work.weights, sparsity);
  work.scalar_adds = nonzero_of(work.macs, sparsity);
  work.simd_row_adds = std::llround(row_adds);
  return work;
}

}  // namespace tessera
