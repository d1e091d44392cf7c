// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/haq.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::mapper::rl {
namespace {

double type_of(const Layer& layer, const Shape& in, LayerTypes types) {
  const bool is_depthwise = layer.kind == LayerKind::conv && layer.groups == in.channels;
  if (types == LayerTypes::haq || layer.kind == LayerKind::conv) {
    return is_depthwise ? 1 : 0;
  }
  return layer.kind == LayerKind::matmul ? 3 : 2;
}

/// One step of the walk: this width of this layer falls to the next allowed one.
struct Fall {
  std::size_t layer = 0;
  bool is_weights = false;
  int to = 0;
};

/// The largest allowed width below `bits`, or 0.
int next_lower(const std::vector<int>& allowed, int bits) {
  const auto above = std::lower_bound(allowed.begin(), allowed.end(), bits);
  return above == allowed.begin() ? 0 : *(above - 1);
}

std::vector<Fall> falls_of(std::span<const AllowedWidths> widths,
                           Lower lower,
                           std::vector<LayerBits> bits) {
  std::vector<Fall> out;
  for (std::size_t before = 1; out.size() != before;) {
    before = out.size();
    for (std::size_t l = bits.size(); l-- > 0;) {
      if (lower == Lower::activations_and_weights) {
        if (const int to = next_lower(widths[l].a_bits, bits[l].a_bits); to > 0) {
          out.push_back({l, false, bits[l].a_bits = to});
        }
      }
      if (const int to = next_lower(widths[l].w_bits, bits[l].w_bits); to > 0) {
        out.push_back({l, true, bits[l].w_bits = to});
      }
    }
  }
  return out;
}

}  // namespace

std::vector<FeatureRow> count_features(const Network& network, LayerTypes types) {
  std::vector<FeatureRow> out;
  for (const LayerId id : matrix_layers(network)) {
    const Layer& layer = network.layer(id);
    const Shape& in = network.in_shape(id);
    const MatrixShape matrix = matrix_shape(network, id);
    const bool is_conv = layer.kind == LayerKind::conv;
    const bool is_fc = layer.kind == LayerKind::fc;
    FeatureRow row{};
    row[0] = type_of(layer, in, types);
    row[1] = static_cast<double>(is_fc ? in.elements() : in.channels);
    row[2] = layer.out.channels;
    row[3] = is_conv ? layer.window.stride_h : 0;
    row[4] = is_conv ? layer.window.kernel_h : 1;
    row[5] = static_cast<double>(matrix.rows * matrix.cols * matrix.groups);
    row[6] = static_cast<double>(is_fc ? in.elements() : in.positions());
    row[7] = static_cast<double>(out.size());
    row[8] = 1;
    row[9] = 1;
    out.push_back(row);
  }
  return out;
}

std::vector<FeatureRow> normalize(std::vector<FeatureRow> rows) {
  for (std::size_t column = 0; column < kStateSize && !rows.empty(); ++column) {
    const auto by_column = [column](const FeatureRow& a, const FeatureRow& b) {
      return a[column] < b[column];
    };
    const auto [low, high] = std::minmax_element(rows.begin(), rows.end(), by_column);
    const double least = (*low)[column];
    const double range = (*high)[column] - least;
    if (range > 0) {
      for (FeatureRow& row : rows) {
        row[column] = (row[column] - least) / range;
      }
    }
  }
  return rows;
}

State state_of(const FeatureRow& normalized, double previous_action, bool is_weights) {
  State out{};
  std::transform(normalized.begin(), normalized.end(), out.begin(), [](double value) {
    return static_cast<float>(value);
  });
  out[8] = static_cast<float>(previous_action);
  out[9] = is_weights ? 1 : 0;
  return out;
}

int action_to_bits(double action, int min, int max) {
  const double bits = std::nearbyint((max - min + 1) * action + min - 0.5);
  return std::clamp(static_cast<int>(bits), min, max);
}

std::size_t action_to_index(double action, std::size_t count) {
  return std::min(static_cast<std::size_t>(static_cast<double>(count) * action), count - 1);
}

bool walk_until(std::span<const AllowedWidths> widths,
                Lower lower,
                std::vector<LayerBits>& bits,
                const std::function<bool(const std::vector<LayerBits>&)>& fits) {
  if (fits(bits)) {
    return true;
  }
  const std::vector<LayerBits> start = bits;
  const std::vector<Fall> falls = falls_of(widths, lower, start);
  const auto take = [&](std::size_t count) {
    bits = start;
    for (const Fall& fall : std::span(falls).first(count)) {
      (fall.is_weights ? bits[fall.layer].w_bits : bits[fall.layer].a_bits) = fall.to;
    }
  };
  take(falls.size());
  if (!fits(bits)) {
    return false;
  }
  std::size_t too_few = 0;
  std::size_t enough = falls.size();
  while (enough - too_few > 1) {
    const std::size_t middle = too_few + (enough - too_few) / 2;
    take(middle);
    (fits(bits) ? enough : too_few) = middle;
  }
  take(enough);
  return true;
}

}  // namespace tessera::mapper::rl
