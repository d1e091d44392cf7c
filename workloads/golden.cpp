// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/golden.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/scalar_ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace tessera {

namespace {

using Values = std::span<const std::int32_t>;

/// The channels of position p.
template <class T>
std::span<T> position(std::span<T> tensor, const Shape& shape, std::int64_t p) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  return tensor.subspan(static_cast<std::size_t>(p) * channels, channels);
}

std::int64_t element(const std::vector<std::int32_t>& tensor, std::int64_t index) {
  return tensor[static_cast<std::size_t>(index)];
}

}  // namespace

Golden::Golden(const Network& network, std::uint64_t seed)
    : Golden(network, synthetic_data(network, seed).parameters) {}

Golden::Golden(const Network& network, ParameterSource parameters)
    : network_(network),
      parameters_(std::move(parameters)),
      cache_(network.layers.size()),
      tensors_(network.layers.size()) {}

std::vector<std::int32_t> Golden::run(std::span<const std::int32_t> input) {
  if (static_cast<std::int64_t>(input.size()) != network_.layers[0].out.elements()) {
    throw InternalError("workloads/golden",
                        -1,
                        fmt::format("input of {} values for {}", input.size(), network_.name));
  }
  tensors_[0].assign(input.begin(), input.end());
  for (LayerId id = 1; id <= network_.output(); ++id) {
    const Layer& layer = network_.layer(id);
    const auto index = static_cast<std::size_t>(id);
    LayerParameters& p = cache_[index];
    if (has_parameters(layer) && p.multiplier.empty() && p.embedding.empty()) {
      p = parameters_(id);
    }
    std::vector<std::int32_t>& y = tensors_[index];
    y.assign(static_cast<std::size_t>(layer.out.elements()), 0);
    switch (layer.kind) {
      case LayerKind::conv:
        conv(id, y);
        break;
      case LayerKind::fc:
      case LayerKind::linear:
        dense(id, y);
        break;
      case LayerKind::matmul:
        matmul(id, y);
        break;
      case LayerKind::max_pool:
      case LayerKind::avg_pool:
        pool(id, y);
        break;
      default:
        rows(id, y);
    }
  }
  return tensors_.back();
}

void Golden::conv(LayerId id, std::vector<std::int32_t>& y) {
  const Layer& l = network_.layer(id);
  const Layer& producer = network_.layer(l.inputs[0]);
  const Window& w = l.window;
  const Shape& in = producer.out;
  const std::vector<std::int32_t>& x = operand(id);
  const LayerParameters& p = cache_[static_cast<std::size_t>(id)];
  const int in_per_group = in.channels / l.groups;
  const int out_per_group = l.out.channels / l.groups;
  const std::int64_t rows = std::int64_t{w.kernel_h} * w.kernel_w * in_per_group;
  std::vector<std::int64_t> acc(static_cast<std::size_t>(l.out.channels));
  for (int oy = 0; oy < l.out.height; ++oy) {
    for (int ox = 0; ox < l.out.width; ++ox) {
      for (int oc = 0; oc < l.out.channels; ++oc) {
        const int group = oc / out_per_group;
        std::int64_t sum = p.bias[static_cast<std::size_t>(oc)];
        for (int ky = 0; ky < w.kernel_h; ++ky) {
          for (int kx = 0; kx < w.kernel_w; ++kx) {
            const int iy = oy * w.stride_h + ky * w.dilation_h - w.pad_top;
            const int ix = ox * w.stride_w + kx * w.dilation_w - w.pad_left;
            const bool inside = iy >= 0 && iy < in.height && ix >= 0 && ix < in.width;
            if (!inside && l.pad_value == 0) {
              continue;
            }
            const std::int64_t pixel = (std::int64_t{iy} * in.width + ix) * in.channels +
                                       std::int64_t{group} * in_per_group;
            const std::int64_t row = (std::int64_t{ky} * w.kernel_w + kx) * in_per_group;
            for (int ic = 0; ic < in_per_group; ++ic) {
              const std::int64_t value = inside ? element(x, pixel + ic) : l.pad_value;
              sum += element(p.weights, oc * rows + row + ic) *
                     narrow(value, producer.out_bits, l.a_bits, l.in_signed);
            }
          }
        }
        acc[static_cast<std::size_t>(oc)] = sum;
      }
      rescale_activate(
          l, acc, p.multiplier, position<std::int32_t>(y, l.out, oy * l.out.width + ox));
    }
  }
}

void Golden::dense(LayerId id, std::vector<std::int32_t>& y) {
  // linear: one position at a time; fc: the whole tensor as one position.
  const Layer& l = network_.layer(id);
  const Layer& producer = network_.layer(l.inputs[0]);
  const std::vector<std::int32_t>& x = operand(id);
  const LayerParameters& p = cache_[static_cast<std::size_t>(id)];
  const std::int64_t rows = matrix_shape(network_, id).rows;
  std::vector<std::int64_t> acc(static_cast<std::size_t>(l.out.channels));
  for (std::int64_t o = 0; o < l.out.positions(); ++o) {
    for (int oc = 0; oc < l.out.channels; ++oc) {
      std::int64_t sum = p.bias[static_cast<std::size_t>(oc)];
      for (std::int64_t r = 0; r < rows; ++r) {
        sum += element(p.weights, oc * rows + r) *
               narrow(element(x, o * rows + r), producer.out_bits, l.a_bits, l.in_signed);
      }
      acc[static_cast<std::size_t>(oc)] = sum;
    }
    rescale_activate(l, acc, p.multiplier, position<std::int32_t>(y, l.out, o));
  }
}

void Golden::matmul(LayerId id, std::vector<std::int32_t>& y) {
  const Layer& l = network_.layer(id);
  const Layer& a = network_.layer(l.inputs[0]);
  const Layer& b = network_.layer(l.inputs[1]);
  const LayerParameters& p = cache_[static_cast<std::size_t>(id)];
  const int inner = a.out.channels / l.heads;
  const int cols = l.out.channels / l.heads;
  std::vector<std::int64_t> acc(static_cast<std::size_t>(l.out.channels));
  for (std::int64_t i = 0; i < l.out.positions(); ++i) {
    for (int head = 0; head < l.heads; ++head) {
      for (int j = 0; j < cols; ++j) {
        const std::int64_t channel = std::int64_t{head} * cols + j;
        std::int64_t sum = p.bias[static_cast<std::size_t>(channel)];
        for (int r = 0; r < inner; ++r) {
          const std::int64_t row = std::int64_t{head} * inner + r;
          const std::int64_t at_a = i * a.out.channels + row;
          const std::int64_t at_b =
              l.transpose_b ? std::int64_t{j} * b.out.channels + row       // b[j][head][r]
                            : std::int64_t{r} * b.out.channels + channel;  // b[r][head][j]
          sum += narrow(element(operand(id, 0), at_a), a.out_bits, l.a_bits, l.in_signed) *
                 narrow_weight(element(operand(id, 1), at_b), b.out_bits, b.out_signed, l.w_bits);
        }
        acc[static_cast<std::size_t>(channel)] = sum;
      }
    }
    rescale_activate(l, acc, p.multiplier, position<std::int32_t>(y, l.out, i));
  }
}

void Golden::pool(LayerId id, std::vector<std::int32_t>& y) const {
  const Layer& l = network_.layer(id);
  const Window& w = l.window;
  const Shape& in = network_.in_shape(id);
  const Values x = operand(id);
  for (int oy = 0; oy < l.out.height; ++oy) {
    for (int ox = 0; ox < l.out.width; ++ox) {
      const auto out = position<std::int32_t>(y, l.out, oy * l.out.width + ox);
      std::vector<std::int64_t> sum(static_cast<std::size_t>(in.channels), 0);
      bool is_first = true;
      for (int ky = 0; ky < w.kernel_h; ++ky) {
        for (int kx = 0; kx < w.kernel_w; ++kx) {
          const int iy = oy * w.stride_h + ky * w.dilation_h - w.pad_top;
          const int ix = ox * w.stride_w + kx * w.dilation_w - w.pad_left;
          if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) {
            continue;
          }
          const Values values = position<const std::int32_t>(x, in, iy * in.width + ix);
          if (l.kind == LayerKind::avg_pool) {
            std::transform(values.begin(), values.end(), sum.begin(), sum.begin(), std::plus<>());
          } else if (is_first) {
            std::copy(values.begin(), values.end(), out.begin());
          } else {
            max_row(values, out);
          }
          is_first = false;
        }
      }
      if (l.kind == LayerKind::avg_pool) {
        average_row(l, sum, out);
      }
    }
  }
}

void Golden::rows(LayerId id, std::vector<std::int32_t>& y) const {
  const Layer& l = network_.layer(id);
  if (l.kind == LayerKind::flatten) {
    y = operand(id);
    return;
  }
  const std::span<const std::int64_t> embedding = cache_[static_cast<std::size_t>(id)].embedding;
  for (std::int64_t p = 0; p < l.out.positions(); ++p) {
    const auto out = position<std::int32_t>(y, l.out, p);
    if (l.kind == LayerKind::class_token && p == 0) {
      token_row(l, embedding, out);
      continue;
    }
    const std::int64_t q = l.kind == LayerKind::class_token                  ? p - 1
                           : l.kind == LayerKind::slice && l.slice_positions ? p + l.slice_begin
                                                                             : p;
    const Values x = position<const std::int32_t>(operand(id), network_.in_shape(id), q);
    switch (l.kind) {
      case LayerKind::add:
        add_row(l, x, position<const std::int32_t>(operand(id, 1), l.out, p), out);
        break;
      case LayerKind::concat: {
        std::size_t channel = 0;
        for (const LayerId from : l.inputs) {
          const Layer& operand_layer = network_.layer(from);
          const Values values = position<const std::int32_t>(tensor(from), operand_layer.out, p);
          concat_row(l, operand_layer, values, out.subspan(channel, values.size()));
          channel += values.size();
        }
        break;
      }
      case LayerKind::class_token:
        concat_row(l, network_.layer(l.inputs[0]), x, out);
        break;
      case LayerKind::position_embedding:
        embedding_row(l, x, position(embedding, l.out, p), out);
        break;
      case LayerKind::activation:
        activation_row(l, x, out);
        break;
      case LayerKind::layer_norm:
        layer_norm_row(x, l.out_bits, out);
        break;
      case LayerKind::softmax:
        softmax_heads(l, x, out);
        break;
      case LayerKind::slice: {
        const auto begin = static_cast<std::size_t>(l.slice_positions ? 0 : l.slice_begin);
        const Values part = x.subspan(begin, out.size());
        std::copy(part.begin(), part.end(), out.begin());
        break;
      }
      default:
        throw InternalError("workloads/golden", -1, "no rule for layer " + l.name);
    }
  }
}

std::uint64_t digest(std::span<const std::int32_t> values) {
  std::uint64_t h = fnv1a("");
  for (const std::int32_t value : values) {
    const auto v = static_cast<std::uint32_t>(value);
    for (int byte = 0; byte < 4; ++byte) {
      const char c = static_cast<char>((v >> (8 * byte)) & 0xFFU);
      h = fnv1a(std::string_view(&c, 1), h);
    }
  }
  return h;
}

}  // namespace tessera
