// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/functional/layer_ops.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <utility>

namespace tessera::functional {
namespace {

using Row = std::span<const std::int32_t>;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Calls f(q) for every position of the window of output position p that lies in the image.
template <class F>
void for_window(const Layer& l, const Shape& in, std::int64_t p, F&& f) {
  const Window& w = l.window;
  const std::int64_t top = p / l.out.width * w.stride_h - w.pad_top;
  const std::int64_t left = p % l.out.width * w.stride_w - w.pad_left;
  for (int i = 0; i < w.kernel_h; ++i) {
    for (int j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = top + std::int64_t{i} * w.dilation_h;
      const std::int64_t column = left + std::int64_t{j} * w.dilation_w;
      if (row >= 0 && row < in.height && column >= 0 && column < in.width) {
        f(row * in.width + column);
      }
    }
  }
}

}  // namespace

void narrow_input(const Network& network, LayerId id, std::span<std::int32_t> x) {
  const Layer& layer = network.layer(id);
  const int from = network.layer(layer.inputs[0]).out_bits;
  if (from <= layer.a_bits) {
    return;
  }
  for (std::int32_t& v : x) {
    v = static_cast<std::int32_t>(narrow(v, from, layer.a_bits, layer.in_signed));
  }
}

std::vector<std::int32_t> dynamic_weights(const Network& network,
                                          LayerId id,
                                          const Operand& operand) {
  const Layer& layer = network.layer(id);
  const MatrixShape m = matrix_shape(network, id);
  const Layer& b = network.layer(layer.inputs[1]);
  std::vector<std::int32_t> weights(at(m.groups * m.cols * m.rows));
  const std::int64_t per_head = b.out.channels / layer.heads;
  for (std::int64_t q = 0; q < b.out.positions(); ++q) {
    const Row row = operand(1, q);
    for (std::int64_t h = 0; h < layer.heads; ++h) {
      for (std::int64_t c = 0; c < per_head; ++c) {
        const std::int64_t col = layer.transpose_b ? q : c;
        const std::int64_t r = layer.transpose_b ? c : q;
        weights[at((h * m.cols + col) * m.rows + r)] = static_cast<std::int32_t>(
            narrow_weight(row[at(h * per_head + c)], b.out_bits, b.out_signed, layer.w_bits));
      }
    }
  }
  return weights;
}

void finish(const Layer& layer,
            const LayerParameters& parameters,
            std::span<std::int64_t> sum,
            std::span<std::int32_t> y) {
  for (std::size_t c = 0; c < sum.size() && c < parameters.bias.size(); ++c) {
    sum[c] += parameters.bias[c];
  }
  rescale_activate(layer, sum, parameters.multiplier, y);
}

void vector_layer(const Network& network,
                  LayerId id,
                  const LayerParameters& parameters,
                  std::int64_t p,
                  const Operand& operand,
                  std::span<std::int32_t> y) {
  const Layer& layer = network.layer(id);
  const Shape& in = network.in_shape(id);
  switch (layer.kind) {
    case LayerKind::max_pool: {
      bool first = true;
      std::fill(y.begin(), y.end(), 0);
      for_window(layer, in, p, [&](std::int64_t q) {
        const Row row = operand(0, q);
        if (std::exchange(first, false)) {
          std::copy(row.begin(), row.end(), y.begin());
        } else {
          max_row(row, y);
        }
      });
      break;
    }
    case LayerKind::avg_pool: {
      std::vector<std::int64_t> sum(y.size(), 0);
      for_window(layer, in, p, [&](std::int64_t q) {
        const Row row = operand(0, q);
        for (std::size_t c = 0; c < sum.size(); ++c) {
          sum[c] += row[c];
        }
      });
      average_row(layer, sum, y);
      break;
    }
    case LayerKind::add:
      add_row(layer, operand(0, p), operand(1, p), y);
      break;
    case LayerKind::concat: {
      std::size_t done = 0;
      for (std::size_t k = 0; k < layer.inputs.size(); ++k) {
        const Layer& from = network.layer(layer.inputs[k]);
        const auto channels = at(from.out.channels);
        concat_row(layer, from, operand(static_cast<int>(k), p), y.subspan(done, channels));
        done += channels;
      }
      break;
    }
    case LayerKind::class_token:
      if (p == 0) {
        token_row(layer, parameters.embedding, y);
      } else {
        concat_row(layer, network.layer(layer.inputs[0]), operand(0, p - 1), y);
      }
      break;
    case LayerKind::position_embedding: {
      const std::span<const std::int64_t> all = parameters.embedding;
      embedding_row(layer, operand(0, p), all.subspan(at(p * layer.out.channels), y.size()), y);
      break;
    }
    case LayerKind::activation:
      activation_row(layer, operand(0, p), y);
      break;
    case LayerKind::layer_norm:
      layer_norm_row(operand(0, p), layer.out_bits, y);
      break;
    case LayerKind::softmax:
      softmax_heads(layer, operand(0, p), y);
      break;
    case LayerKind::slice: {
      const Row row = operand(0, layer.slice_positions ? p + layer.slice_begin : p);
      const std::size_t begin = layer.slice_positions ? 0 : at(layer.slice_begin);
      std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(begin), y.size(), y.begin());
      break;
    }
    case LayerKind::input:
    case LayerKind::conv:
    case LayerKind::fc:
    case LayerKind::linear:
    case LayerKind::matmul:
    case LayerKind::flatten:
      throw InternalError(
          "functional", -1, "a vector stage for a layer of another sort: " + layer.name);
  }
}

}  // namespace tessera::functional
