// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/layer_ops.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/product.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

using Row = std::span<const std::int32_t>;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Calls f(tap, q) for every position of the window of output position p that lies in the image.
template <class F>
void for_taps(const Layer& l, const Shape& in, std::int64_t p, F&& f) {
  const Window& w = l.window;
  const std::int64_t top = p / l.out.width * w.stride_h - w.pad_top;
  const std::int64_t left = p % l.out.width * w.stride_w - w.pad_left;
  for (int i = 0; i < w.kernel_h; ++i) {
    for (int j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = top + std::int64_t{i} * w.dilation_h;
      const std::int64_t column = left + std::int64_t{j} * w.dilation_w;
      if (row >= 0 && row < in.height && column >= 0 && column < in.width) {
        f(std::int64_t{i} * w.kernel_w + j, row * in.width + column);
      }
    }
  }
}

/// Without their numbers.
template <class F>
void for_window(const Layer& l, const Shape& in, std::int64_t p, F&& f) {
  for_taps(l, in, p, [&f](std::int64_t /*tap*/, std::int64_t q) { f(q); });
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
                                          const OperandSource& operand) {
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
                  const OperandSource& operand,
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
          "workloads/layer_ops", -1, "a vector stage for a layer of another sort: " + layer.name);
  }
}

std::vector<std::int32_t> vector_inputs(const Network& network,
                                        LayerId id,
                                        std::int64_t p,
                                        const OperandSource& operand) {
  const Layer& layer = network.layer(id);
  std::vector<std::int32_t> x;
  if (layer.kind == LayerKind::max_pool || layer.kind == LayerKind::avg_pool) {
    const Layer& producer = network.layer(layer.inputs[0]);
    const std::int64_t taps = std::int64_t{layer.window.kernel_h} * layer.window.kernel_w;
    const std::int64_t outside =
        layer.kind == LayerKind::max_pool ? min_value(producer.out_bits, producer.out_signed) : 0;
    x.assign(at(layer.out.channels * taps), static_cast<std::int32_t>(outside));
    for_taps(layer, network.in_shape(id), p, [&](std::int64_t tap, std::int64_t q) {
      const Row row = operand(0, q);
      for (std::size_t c = 0; c < row.size(); ++c) {
        x[c * at(taps) + at(tap)] = row[c];
      }
    });
    return x;
  }
  for (std::int64_t c = 0; c < network.in_shape(id).channels; ++c) {
    for (std::size_t k = 0; k < layer.inputs.size(); ++k) {
      x.push_back(operand(static_cast<int>(k), p)[at(c)]);
    }
  }
  return x;
}

ProductWeights product_weights(std::span<const std::int32_t> weights,
                               const MatrixShape& m,
                               int in_bits) {
  ProductWeights out;
  out.weights.resize(weights.size());
  std::int64_t most = 0;
  for (std::int64_t g = 0; g < m.groups; ++g) {
    for (std::int64_t c = 0; c < m.cols; ++c) {
      std::int64_t sum = 0;
      const auto column = weights.subspan(at((g * m.cols + c) * m.rows), at(m.rows));
      for (std::int64_t r = 0; r < m.rows; ++r) {
        out.weights[at((g * m.rows + r) * m.cols + c)] = column[at(r)];
        sum += std::abs(std::int64_t{column[at(r)]});
      }
      most = std::max(most, sum);
    }
  }
  out.fits_32 = most <= INT32_MAX >> in_bits;
  return out;
}

/// sum [n][groups * cols] of x [n][groups * rows].
void multiply(const ProductWeights& w,
              const MatrixShape& m,
              std::int64_t n,
              std::span<const std::int32_t> x,
              std::span<std::int64_t> sum) {
  const std::int64_t in = m.groups * m.rows;
  const std::int64_t out = m.groups * m.cols;
  std::vector<std::int32_t> narrow(w.fits_32 ? at(n * m.cols) : 0);
  for (std::int64_t g = 0; g < m.groups; ++g) {
    const std::int32_t* weights = w.weights.data() + g * m.rows * m.cols;
    if (w.fits_32) {
      product<std::int32_t>(
          m.cols, n, m.rows, weights, {x.data() + g * m.rows, 1, in}, narrow.data());
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const auto to = sum.subspan(at(i * out + g * m.cols), at(m.cols));
      if (w.fits_32) {
        std::copy_n(narrow.begin() + i * m.cols, m.cols, to.begin());
        continue;
      }
      for (std::int64_t r = 0; r < m.rows; ++r) {
        const std::int64_t v = x[at(i * in + g * m.rows + r)];
        for (std::int64_t c = 0; c < m.cols; ++c) {
          to[at(c)] += v * weights[r * m.cols + c];
        }
      }
    }
  }
}

}  // namespace tessera
